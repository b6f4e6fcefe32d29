//! `regs!`: the facts of a register file as data. Behaviour stays in the device's `match`.
//!
//! ```
//! emu_core::regs! {
//!     /// Manual, table 12-1.
//!     pub enum Reg {
//!         /// Starts the timer (12.3).
//!         TasksStart @ 0x000 task,
//!         /// Compare match (12.4).
//!         EventsCompare @ 0x140 [4, 4] event,
//!         /// Enables (12.5).
//!         Ctrl @ 0x308 rw mask 0x7 { EN: 0..1, MODE: 1..3 },
//!         /// Compare values (12.6).
//!         Cc @ 0x540 [4, 4] rw,
//!     }
//! }
//! use emu_core::regs::{Bank, RegSet};
//! # fn main() {
//! let mut b = Bank::<Reg>::default();
//! assert_eq!(Reg::decode(0x548), Some((Reg::Cc, 2)));
//! b.guest_write(Reg::Ctrl, 0, 0xff);
//! assert_eq!(b.reg(Reg::Ctrl), 7);
//! assert_eq!(b.get(&Ctrl::MODE), 3);
//! # }
//! ```
//! `[count, stride]` makes an array of registers; `task` and `event` are the kinds that peripheral interconnects
//! know: their pulse pin is the register's [`RegSet::slot`].

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, ops::Range};

/// What a guest may do to a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Read only: writes are guest errors.
    Ro,
    /// Plain storage under the mask.
    Rw,
    /// Write only: reads are guest errors and give 0.
    Wo,
    /// Writing 1 clears the bit.
    W1c,
    /// Writing 1 sets the bit.
    W1s,
    /// Writing 1 triggers; reads 0.
    Task,
    /// Set by hardware, cleared by writing 0.
    Event,
}

/// The facts of one register (or one array of registers).
#[derive(Clone, Copy, Debug)]
pub struct RegInfo {
    /// The manual's name, in Rust's casing.
    pub name: &'static str,
    /// Byte offset of the first element.
    pub offset: u32,
    /// Elements; 1 for a plain register.
    pub count: u32,
    /// Bytes from one element to the next.
    pub stride: u32,
    /// Access kind.
    pub access: Access,
    /// Value after reset.
    pub reset: u32,
    /// Writable bits.
    pub mask: u32,
    /// Documentation lines, with the manual's section.
    pub doc: &'static [&'static str],
    /// `(name, first bit, end bit)`.
    pub fields: &'static [(&'static str, u32, u32)],
}

/// Byte offsets covered by the fast decode table; higher ones are searched.
pub const MAP_BYTES: u32 = 0x1000;

/// Decode table: word offset to register number + 1 and element.
pub type Map = [(u8, u16); (MAP_BYTES / 4) as usize];

/// Builds the decode table at compile time.
pub const fn build_map(table: &[RegInfo]) -> Map {
    let mut map = [(0, 0); (MAP_BYTES / 4) as usize];
    let mut r = 0;
    while r < table.len() {
        let mut i = 0;
        while i < table[r].count {
            let word = (table[r].offset + i * table[r].stride) / 4;
            if word < MAP_BYTES / 4 {
                assert!(map[word as usize].0 == 0, "two registers at one offset");
                map[word as usize] = (r as u8 + 1, i as u16);
            }
            i += 1;
        }
        r += 1;
    }
    map
}

/// The number of storage words before register `r`.
pub const fn first_slot(table: &[RegInfo], r: usize) -> usize {
    let (mut n, mut i) = (0, 0);
    while i < r {
        n += table[i].count as usize;
        i += 1;
    }
    n
}

/// The storage of a register file: an array of words.
pub trait Words: AsRef<[u32]> + AsMut<[u32]> + Clone + PartialEq + Eq + fmt::Debug + Send + Sync {
    /// All words zero.
    const ZERO: Self;
}

impl<const N: usize> Words for [u32; N] {
    const ZERO: [u32; N] = [0; N];
}

/// A register file declared by [`regs!`](crate::regs!).
pub trait RegSet: Copy + PartialEq + Send + Sync + 'static {
    /// Storage: an array of as many words as the registers take. It lies in the device itself, since a fleet has many
    /// thousands of these.
    type Words: Words;
    /// All registers in declaration order.
    const TABLE: &'static [RegInfo];
    /// First storage word of each register, and the total at the end.
    const FIRST: &'static [u16];
    /// The decode table.
    fn map() -> &'static Map;
    /// Position in [`RegSet::TABLE`].
    fn index(self) -> usize;
    /// The register at a position.
    fn from_index(i: usize) -> Self;

    /// The facts of this register.
    fn info(self) -> &'static RegInfo {
        &Self::TABLE[self.index()]
    }
    /// Storage word of element `i`; also the pulse pin of a task or event.
    fn slot(self, i: usize) -> u16 {
        Self::FIRST[self.index()] + i as u16
    }
    /// The register and element that own a storage word.
    fn from_slot(slot: u16) -> Option<(Self, usize)> {
        let r = Self::FIRST.partition_point(|&f| f <= slot).checked_sub(1)?;
        (r < Self::TABLE.len()).then(|| (Self::from_index(r), usize::from(slot - Self::FIRST[r])))
    }
    /// The register and element at a word-aligned byte offset.
    fn decode(off: u32) -> Option<(Self, usize)> {
        if off < MAP_BYTES {
            let (r, i) = Self::map()[(off / 4) as usize];
            return Some((Self::from_index(usize::from(r).checked_sub(1)?), usize::from(i)));
        }
        let r = Self::TABLE.iter().position(|r| {
            let d = off.wrapping_sub(r.offset);
            off >= r.offset && d % r.stride == 0 && d / r.stride < r.count
        })?;
        let info = &Self::TABLE[r];
        Some((Self::from_index(r), ((off - info.offset) / info.stride) as usize))
    }
}

/// A named bit range of one register.
#[derive(Clone, Copy, Debug)]
pub struct Field<R> {
    /// The register.
    pub reg: R,
    /// First bit.
    pub lsb: u32,
    /// Number of bits.
    pub width: u32,
}

impl<R> Field<R> {
    /// The bits `bits` of `reg`.
    pub const fn new(reg: R, bits: Range<u32>) -> Self {
        Field { reg, lsb: bits.start, width: bits.end - bits.start }
    }
    /// The field's bits, in place.
    pub const fn mask(&self) -> u32 {
        (((1u64 << self.width) - 1) as u32) << self.lsb
    }
}

/// Backing store of a register file; applies access kind and mask, so that devices never do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bank<R: RegSet> {
    v: R::Words,
}

impl<R: RegSet> Serialize for Bank<R> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            // For comparisons that people read (see `fields`): registers by name.
            let named =
                self.words().iter().enumerate().map(|(slot, v)| (Self::name(slot), format!("{v:#x}")));
            return s.collect_map(named);
        }
        self.words().serialize(s)
    }
}

impl<'de, R: RegSet> Deserialize<'de> for Bank<R> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let v = Vec::<u32>::deserialize(d)?;
        let want = usize::from(R::FIRST[R::TABLE.len()]);
        if v.len() != want {
            return Err(serde::de::Error::invalid_length(v.len(), &"as many registers as the table has"));
        }
        let mut bank = Bank { v: R::Words::ZERO };
        bank.words_mut().copy_from_slice(&v);
        Ok(bank)
    }
}

impl<R: RegSet> Default for Bank<R> {
    fn default() -> Self {
        let mut bank = Bank { v: R::Words::ZERO };
        let resets = R::TABLE.iter().flat_map(|r| std::iter::repeat_n(r.reset, r.count as usize));
        bank.words_mut().iter_mut().zip(resets).for_each(|(word, reset)| *word = reset);
        bank
    }
}

impl<R: RegSet> Bank<R> {
    fn name(slot: usize) -> String {
        match R::from_slot(slot as u16) {
            Some((r, _)) if r.info().count == 1 => r.info().name.to_string(),
            Some((r, i)) => format!("{}{i}", r.info().name),
            None => slot.to_string(),
        }
    }

    fn words(&self) -> &[u32] {
        self.v.as_ref()
    }
    fn words_mut(&mut self) -> &mut [u32] {
        self.v.as_mut()
    }

    /// A plain register's value.
    pub fn reg(&self, r: R) -> u32 {
        self.words()[usize::from(r.slot(0))]
    }
    /// Element `i` of an array of registers.
    pub fn at(&self, r: R, i: usize) -> u32 {
        self.words()[usize::from(r.slot(i))]
    }
    /// All elements of an array of registers.
    pub fn all(&self, r: R) -> &[u32] {
        let first = usize::from(r.slot(0));
        &self.words()[first..first + r.info().count as usize]
    }
    /// The storage word `slot`, 0 if there is none.
    pub fn word(&self, slot: u16) -> u32 {
        self.words().get(usize::from(slot)).copied().unwrap_or(0)
    }
    /// Sets a register from the hardware's side.
    pub fn put(&mut self, r: R, v: u32) {
        self.words_mut()[usize::from(r.slot(0))] = v;
    }
    /// Sets element `i` from the hardware's side.
    pub fn put_at(&mut self, r: R, i: usize, v: u32) {
        self.words_mut()[usize::from(r.slot(i))] = v;
    }
    /// A field's value.
    pub fn get(&self, f: &Field<R>) -> u32 {
        (self.reg(f.reg) & f.mask()) >> f.lsb
    }
    /// Whether a field is not zero.
    pub fn is(&self, f: &Field<R>) -> bool {
        self.reg(f.reg) & f.mask() != 0
    }
    /// Sets a field from the hardware's side.
    pub fn set(&mut self, f: &Field<R>, v: u32) {
        let s = &mut self.words_mut()[usize::from(f.reg.slot(0))];
        *s = (*s & !f.mask()) | ((v << f.lsb) & f.mask());
    }
    /// A guest's write; returns the value as the hardware latches it.
    pub fn guest_write(&mut self, r: R, i: usize, v: u32) -> u32 {
        let info = r.info();
        let s = &mut self.words_mut()[usize::from(r.slot(i))];
        match info.access {
            Access::Ro => {}
            Access::Rw => *s = (*s & !info.mask) | (v & info.mask),
            Access::Wo => return v & info.mask,
            Access::Task => return v & 1,
            Access::Event => *s = v & 1,
            Access::W1c => *s &= !(v & info.mask),
            Access::W1s => *s |= v & info.mask,
        }
        *s
    }
    /// Back to the table's reset values.
    pub fn reset(&mut self) {
        *self = Bank::default();
    }
}

/// The register file of a device that has none on the bus (sensors, lamps, buttons).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoRegs {}

impl RegSet for NoRegs {
    type Words = [u32; 0];
    const TABLE: &'static [RegInfo] = &[];
    const FIRST: &'static [u16] = &[0];
    fn map() -> &'static Map {
        static MAP: Map = build_map(&[]);
        &MAP
    }
    fn index(self) -> usize {
        match self {}
    }
    fn from_index(_: usize) -> Self {
        unreachable!("there are no registers")
    }
}

/// Declares a register file; see the [module](crate::regs).
#[macro_export]
macro_rules! regs {
    (@acc ro) => { $crate::regs::Access::Ro }; (@acc rw) => { $crate::regs::Access::Rw };
    (@acc wo) => { $crate::regs::Access::Wo }; (@acc w1c) => { $crate::regs::Access::W1c };
    (@acc w1s) => { $crate::regs::Access::W1s }; (@acc task) => { $crate::regs::Access::Task };
    (@acc event) => { $crate::regs::Access::Event };
    (@or $d:expr ;) => { $d }; (@or $d:expr ; $x:expr) => { $x };
    ($(#[$m:meta])* $v:vis enum $R:ident { $(
        $(#[doc = $doc:literal])* $name:ident @ $off:literal $([$count:expr, $stride:expr])? $acc:ident
        $(reset $rst:literal)? $(mask $mask:literal)? $({ $($f:ident : $bits:expr),* $(,)? })?
    ),* $(,)? }) => {
        $(#[$m])* #[derive(Clone, Copy, PartialEq, Eq, Debug)] $v enum $R { $( $(#[doc = $doc])* $name ),* }
        impl $crate::regs::RegSet for $R {
            type Words = [u32; {
                let table = <$R as $crate::regs::RegSet>::TABLE;
                $crate::regs::first_slot(table, table.len())
            }];
            const TABLE: &'static [$crate::regs::RegInfo] = &[ $( $crate::regs::RegInfo {
                name: stringify!($name), offset: $off,
                count: $crate::regs!(@or 1 ; $($count)?), stride: $crate::regs!(@or 4 ; $($stride)?),
                access: $crate::regs!(@acc $acc),
                reset: $crate::regs!(@or 0 ; $($rst)?), mask: $crate::regs!(@or 0xffff_ffff ; $($mask)?),
                doc: &[$($doc),*],
                fields: &[ $( $( (stringify!($f), { let r: std::ops::Range<u32> = $bits; r.start },
                                  { let r: std::ops::Range<u32> = $bits; r.end }) ),* )? ],
            } ),* ];
            const FIRST: &'static [u16] = &{
                const T: &[$crate::regs::RegInfo] = <$R as $crate::regs::RegSet>::TABLE;
                let mut f = [0u16; T.len() + 1];
                let mut i = 0;
                while i <= T.len() { f[i] = $crate::regs::first_slot(T, i) as u16; i += 1; }
                f
            };
            fn map() -> &'static $crate::regs::Map {
                static MAP: $crate::regs::Map = $crate::regs::build_map(<$R as $crate::regs::RegSet>::TABLE);
                &MAP
            }
            fn index(self) -> usize { self as usize }
            fn from_index(i: usize) -> Self { const ALL: &[$R] = &[ $( $R::$name ),* ]; ALL[i] }
        }
        $( $( #[allow(non_snake_case, missing_docs, dead_code)] $v mod $name {
            $( #[allow(non_upper_case_globals)] pub const $f: $crate::regs::Field<super::$R> =
                $crate::regs::Field::new(super::$R::$name, $bits); )*
        } )? )*
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    regs! {
        /// A register file with every kind.
        pub enum Reg {
            /// Start.
            TasksStart @ 0x000 task,
            /// Compare.
            EventsCompare @ 0x140 [4, 4] event,
            /// Status.
            Status @ 0x400 w1c reset 0xf mask 0x7,
            /// Control.
            Ctrl @ 0x404 rw reset 0x1 mask 0x13 { EN: 0..1, MODE: 4..5 },
            /// Pairs.
            Eep @ 0x510 [16, 8] rw,
            /// The other half.
            Tep @ 0x514 [16, 8] rw,
            /// Far away.
            Id @ 0x1fe0 ro reset 0x21,
        }
    }

    #[test]
    fn offsets_decode_to_register_and_element() {
        assert_eq!(Reg::decode(0x148), Some((Reg::EventsCompare, 2)));
        assert_eq!(Reg::decode(0x510 + 8 * 15), Some((Reg::Eep, 15)));
        assert_eq!(Reg::decode(0x514 + 8), Some((Reg::Tep, 1)));
        assert_eq!(Reg::decode(0x1fe0), Some((Reg::Id, 0)));
        assert_eq!(Reg::decode(0x150), None);
        assert_eq!(Reg::decode(0x1fe4), None);
        for slot in 0..Reg::FIRST[Reg::TABLE.len()] {
            let (r, i) = Reg::from_slot(slot).unwrap();
            assert_eq!(r.slot(i), slot);
        }
        assert_eq!(Reg::from_slot(Reg::FIRST[Reg::TABLE.len()]), None);
    }

    #[test]
    fn access_kinds() {
        let mut b = Bank::<Reg>::default();
        assert_eq!(b.guest_write(Reg::Ctrl, 0, 0xffff_fffe), 0x12);
        assert!(b.is(&Ctrl::MODE) && !b.is(&Ctrl::EN));
        assert_eq!(b.guest_write(Reg::Status, 0, 0xd), 0xa); // bit 3 is not writable
        assert_eq!(b.guest_write(Reg::TasksStart, 0, 1), 1);
        assert_eq!(b.reg(Reg::TasksStart), 0);
        b.put_at(Reg::EventsCompare, 3, 1);
        assert_eq!(b.guest_write(Reg::EventsCompare, 3, 0), 0);
        assert_eq!(b.guest_write(Reg::Id, 0, 0), 0x21);
    }

    #[test]
    fn a_bank_of_another_length_does_not_load() {
        let bytes = crate::save::to_bytes(&vec![0u32; 3]);
        assert!(crate::save::from_bytes::<Bank<Reg>>(&bytes).is_err());
        let b = Bank::<Reg>::default();
        assert_eq!(crate::save::from_bytes::<Bank<Reg>>(&crate::save::to_bytes(&b)).unwrap(), b);
    }
}
