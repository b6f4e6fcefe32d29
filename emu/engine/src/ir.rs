//! The intermediate representation: one meaning per guest instruction, for every back end.
//!
//! A [`Block`] is straight-line code: a list of [`Op`]s with the boundaries of the guest instructions they came from.
//! Values live in the slots of [`Regs`]. 32-bit operations read the low half of a slot and write zero-extended
//! results. Operations named `...S` also set flags; a liveness pass replaces them where nobody sees the flags.
//!
//! Rules for front ends:
//! - Between two instruction boundaries the operation that may fault comes before the first change of a guest
//!   register, so that a faulting instruction can be repeated. Intermediate values go to temporaries.
//! - `Ld*`, `St*`, `Call`, `Udiv` and `Sdiv` may fault. `LdM` and `StM` may when some of the words are moved already: the
//!   base and what is repeated must not be among the registers loaded.
//! - Behind an operation that may stop (`Ld*`, `St*`, `Call`), no operation of the same instruction sets flags: the run of a whole
//!   block leaves out flags that the next instruction sets, and a stop in between would miss them.
//! - The last operation of a block is one for which [`Code::ends_block`] is true. Under a [`Code::Skip`] such an
//!   operation may also stand earlier (a conditional return): then the block goes on behind it.
//!
//! # Time
//! An instruction costs the most that it can take ([`Builder::insn`]), at least one cycle; what it did not take comes back: where
//! a branch is not taken (its `c`) and where a [`Code::Skip`] leaves something out (its `imm2`), always less than the cost. So a
//! block that fits into the cycles left fits in any case. Costs depend on nothing but the instruction and its address: a block
//! may be entered at any instruction, and a stop makes blocks that would not be there without it.

pub mod float;
pub mod lanes;

/// Slots of the register file. The top bit of a slot's number does not count, so that no access needs a check.
pub const SLOTS: usize = 128;
/// The index of a slot.
#[inline(always)]
fn at(slot: u8) -> usize {
    usize::from(slot) & (SLOTS - 1)
}
/// Slot of the N flag: bit 31 counts.
pub const N: u8 = 16;
/// Slot of the Z flag: *zero* means Z is set.
pub const Z: u8 = 17;
/// Slot of the C flag: 0 or 1.
pub const C: u8 = 18;
/// Slot of the V flag: 0 or 1.
pub const V: u8 = 19;
/// Slot of the floating-point status: what the last comparison came to in bits 31 to 28, as N, Z, C, V; the rest is the
/// front end's.
pub const FSTATUS: u8 = 21;
/// Slot that is not zero if floating point rounds to the nearest even number, flushes nothing, and has flagged "inexact"
/// already, so that an operation whose result is an ordinary number has no other effect.
pub const FFAST: u8 = 22;
/// Slot of the flag that operations on signed numbers set when their result does not fit: 1 or 0; nothing but a front end clears
/// it.
pub const Q: u8 = 24;
/// Slot of the flags that sums and differences of [`Code::Lanes`] leave: a byte each, 0xff or 0.
pub const GE: u8 = 25;
/// First slot of the FP registers (doubles; a single is half a slot).
pub const FP: u8 = 32;
/// First temporary; they hold nothing from one guest instruction to the next.
pub const TEMP: u8 = 96;
/// A slot whose value nobody reads.
pub const TRASH: u8 = 127;

/// The register file of one CPU: guest registers, flags, FP registers and temporaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regs {
    /// The slots.
    pub r: [u64; SLOTS],
}

impl Default for Regs {
    fn default() -> Self {
        Regs { r: [0; SLOTS] }
    }
}

impl Regs {
    /// Low half of a slot.
    #[inline(always)]
    pub fn get(&self, slot: u8) -> u32 {
        self.r[at(slot)] as u32
    }
    /// Sets a slot to a zero-extended 32-bit value.
    #[inline(always)]
    pub fn set(&mut self, slot: u8, v: u32) {
        self.r[at(slot)] = u64::from(v);
    }
    /// Whole slot.
    #[inline(always)]
    pub fn get64(&self, slot: u8) -> u64 {
        self.r[at(slot)]
    }
    /// Sets a whole slot.
    #[inline(always)]
    pub fn set64(&mut self, slot: u8, v: u64) {
        self.r[at(slot)] = v;
    }
    /// The flags as N Z C V in bits 31 to 28.
    pub fn nzcv(&self) -> u32 {
        let z = u32::from(self.get(Z) == 0);
        self.get(N) & 0x8000_0000 | z << 30 | (self.get(C) & 1) << 29 | (self.get(V) & 1) << 28
    }
    /// Sets the flags from bits 31 to 28.
    pub fn set_nzcv(&mut self, v: u32) {
        self.set(N, v & 0x8000_0000);
        self.set(Z, u32::from(v & 0x4000_0000 == 0));
        self.set(C, v >> 29 & 1);
        self.set(V, v >> 28 & 1);
    }
    /// Evaluates an ARM condition code (14 and 15: always).
    #[inline(always)]
    pub fn cond(&self, cond: u8) -> bool {
        let z = || self.get(Z) == 0;
        let c = || self.get(C) != 0;
        let less = || self.get(N) >> 31 != self.get(V);
        match cond & 15 {
            0 => z(),
            1 => !z(),
            2 => c(),
            3 => !c(),
            4 => self.get(N) >> 31 != 0,
            5 => self.get(N) >> 31 == 0,
            6 => self.get(V) != 0,
            7 => self.get(V) == 0,
            8 => c() && !z(),
            9 => !c() || z(),
            10 => !less(),
            11 => less(),
            12 => !z() && !less(),
            13 => z() || less(),
            _ => true,
        }
    }
}

/// Access must be naturally aligned, whatever the core's configuration says.
pub const MEM_ALIGNED: u8 = 1;
/// Access with user rights (`LDRT`, `STRT`).
pub const MEM_UNPRIV: u8 = 2;

/// A load of what will be stored to (an atomic operation): it needs the rights of a store, and its faults are those of one.
pub const MEM_STORE: u8 = 4;

/// Operations. `d`, `a`, `b`, `c` are slots, `imm`, `imm2` and `x` constants; `r[d] = ...` unless it says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Code {
    /// `r[a]`
    Mov,
    /// `r[a]`; N, Z
    MovS,
    /// `imm`
    MovI,
    /// `imm`; N, Z
    MovIS,
    /// `!r[a]`
    Mvn,
    /// `!r[a]`; N, Z
    MvnS,
    /// 64 bits of `r[a]`
    Mov64,
    /// High half of `r[a]`
    Hi,
    /// Low half of `r[d]` becomes `r[a]`; the high half stays
    SetLo,
    /// High half of `r[d]` becomes `r[a]`; the low half stays
    SetHi,

    /// `r[a] + r[b]`
    Add,
    /// `r[a] + r[b]`; N, Z, C, V
    AddS,
    /// `r[a] + imm`
    AddI,
    /// `r[a] + imm`; N, Z, C, V
    AddIS,
    /// `r[a] + (r[b] << imm)`, `imm` below 32
    AddLsl,
    /// `r[a] + r[b] + C`
    Adc,
    /// `r[a] + r[b] + C`; N, Z, C, V
    AdcS,
    /// `r[a] - r[b]`
    Sub,
    /// `r[a] - r[b]`; N, Z, C (no borrow), V
    SubS,
    /// `r[a] - imm`
    SubI,
    /// `r[a] - imm`; N, Z, C, V
    SubIS,
    /// `imm - r[a]`
    RsbI,
    /// `imm - r[a]`; N, Z, C, V
    RsbIS,
    /// `r[a] - r[b] - !C`
    Sbc,
    /// `r[a] - r[b] - !C`; N, Z, C, V
    SbcS,
    /// `r[a] & r[b]`
    And,
    /// `r[a] & r[b]`; N, Z
    AndS,
    /// `r[a] & imm`
    AndI,
    /// `r[a] & imm`; N, Z
    AndIS,
    /// `r[a] | r[b]`
    Or,
    /// `r[a] | r[b]`; N, Z
    OrS,
    /// `r[a] | imm`
    OrI,
    /// `r[a] | imm`; N, Z
    OrIS,
    /// `r[a] ^ r[b]`
    Xor,
    /// `r[a] ^ r[b]`; N, Z
    XorS,
    /// `r[a] ^ imm`
    XorI,
    /// `r[a] ^ imm`; N, Z
    XorIS,
    /// `r[a] & !r[b]`
    Bic,
    /// `r[a] & !r[b]`; N, Z
    BicS,
    /// `r[a] | !r[b]`
    Orn,
    /// `r[a] | !r[b]`; N, Z
    OrnS,
    /// C becomes `imm` (0 or 1); no other effect
    SetC,

    /// `r[a] << imm`, 1 to 31
    LslI,
    /// The same; N, Z, C
    LslIS,
    /// The same; C only
    LslIC,
    /// `r[a] >> imm` logical, 1 to 32
    LsrI,
    /// The same; N, Z, C
    LsrIS,
    /// The same; C only
    LsrIC,
    /// `r[a] >> imm` arithmetic, 1 to 32
    AsrI,
    /// The same; N, Z, C
    AsrIS,
    /// The same; C only
    AsrIC,
    /// `r[a]` rotated right by `imm`, 1 to 31
    RorI,
    /// The same; N, Z, C
    RorIS,
    /// The same; C only
    RorIC,
    /// `C:r[a]` rotated right by one
    Rrx,
    /// The same; N, Z, C
    RrxS,
    /// The same; C only
    RrxC,
    /// `r[a] << (r[b] & 255)`, ARM's rules for 32 and more
    Lsl,
    /// The same; N, Z, and C if the amount is not 0
    LslS,
    /// Logical right by `r[b] & 255`
    Lsr,
    /// The same with flags
    LsrS,
    /// Arithmetic right by `r[b] & 255`
    Asr,
    /// The same with flags
    AsrS,
    /// Rotate right by `r[b] & 255`
    Ror,
    /// The same with flags
    RorS,

    /// `r[a] * r[b]`
    Mul,
    /// `r[a] * r[b]`; N, Z
    MulS,
    /// `r[c] + r[a] * r[b]`
    Mla,
    /// `r[c] - r[a] * r[b]`
    Mls,
    /// `r[c]:r[d] = r[a] * r[b]` unsigned
    Umull,
    /// `r[c]:r[d] = r[a] * r[b]` signed
    Smull,
    /// `r[c]:r[d] += r[a] * r[b]` unsigned
    Umlal,
    /// `r[c]:r[d] += r[a] * r[b]` signed
    Smlal,
    /// `r[a] / r[b]` unsigned; by zero: 0 or a fault
    Udiv,
    /// `r[a] / r[b]` signed, rounded to zero; by zero: 0 or a fault
    Sdiv,

    /// `r[c] + half * half`, signed: of `r[a]` the high half if bit 1 of `x` is set, of `r[b]` if bit 0 is; sets Q
    MlaHalf,
    /// `r[c] + (r[a] * half >> 16)`, signed: the half of `r[b]` is the high one if bit 0 of `x` is set; sets Q
    MlaWord,
    /// `r[c]` and the signed products of the low halves and of the high halves, all added; those of `r[b]` are exchanged if bit
    /// 0 of `x` is set; the second product is subtracted if bit 1 is; sets Q
    MlaDual,
    /// High half of `(r[c] << 32) + r[a] * r[b]`, signed; with 1 << 31 added if bit 0 of `x` is set; the product is subtracted
    /// if bit 1 is
    MlaHigh,
    /// `r[c]:r[d] = r[a] * r[b] + r[c] + r[d]` unsigned
    Umaal,
    /// `r[a] + r[b]` signed, or the number nearest to it; sets Q
    QAdd,
    /// `r[a] - r[b]` signed, or the number nearest to it; sets Q
    QSub,
    /// `r[a]` or the number nearest to it from `imm` to `imm2`, all signed; sets Q
    Clamp,
    /// Operation `imm` of [`lanes`] on the bytes or halves of `r[a]` and `r[b]`, in manner `x`
    Lanes,

    /// Byte of `r[a]` rotated right by `imm`, sign extended
    Sxtb,
    /// Half of `r[a]` rotated right by `imm`, sign extended
    Sxth,
    /// Byte of `r[a]` rotated right by `imm`, zero extended
    Uxtb,
    /// Half of `r[a]` rotated right by `imm`, zero extended
    Uxth,
    /// `x` bits of `r[a]` from bit `imm`, zero extended
    Ubfx,
    /// `x` bits of `r[a]` from bit `imm`, sign extended
    Sbfx,
    /// `r[b]` with `x` bits from bit `imm` replaced by the low bits of `r[a]`
    Bfi,
    /// Leading zeros of `r[a]`
    Clz,
    /// Bits of `r[a]` reversed
    Rbit,
    /// Bytes of `r[a]` reversed
    Rev,
    /// Bytes of both halves reversed
    Rev16,
    /// Bytes of the low half reversed, sign extended
    RevSh,

    /// Byte at `r[a] + imm`; `x` holds the `MEM_` flags, as for all loads and stores
    Ld8,
    /// Byte, sign extended
    Ld8S,
    /// Half
    Ld16,
    /// Half, sign extended
    Ld16S,
    /// Word
    Ld32,
    /// Byte at `r[a] + (r[b] << imm)`
    LdX8,
    /// Byte, sign extended
    LdX8S,
    /// Half
    LdX16,
    /// Half, sign extended
    LdX16S,
    /// Word
    LdX32,
    /// Byte at `r[a] + imm` becomes `r[d]`
    St8,
    /// Half
    St16,
    /// Word
    St32,
    /// Byte at `r[a] + (r[b] << imm)` becomes `r[d]`
    StX8,
    /// Half
    StX16,
    /// Word
    StX32,

    /// Words at `r[a] + imm2` and up, each in its turn, become the slots whose bits are set in the low half of `imm`, in
    /// ascending order; then the high half of `imm`, signed, is added to `r[a]`. Slot `a` is not in the list
    LdM,
    /// The slots whose bits are set in the low half of `imm` are stored in ascending order at `r[a] + imm2` and up; then
    /// the high half of `imm`, signed, is added to `r[a]`
    StM,
    /// Two words at `r[a] + imm` and up become `r[d]` and `r[c]`; neither changes if one of the accesses faults
    LdPair,
    /// `r[d]` and `r[c]` are stored as two words at `r[a] + imm` and up
    StPair,
    /// If `r[c]` is not zero, `imm2` bytes of `r[b]` are stored at `r[a] + imm`, and `r[d]` is 0; else it is 1. `r[c]` is zero
    /// then. The address must be aligned in any case, of which [`MEM_ALIGNED`] tells the front end
    StEx,
    /// A load or store with user rights ([`MEM_UNPRIV`]) at `r[a] + imm`: `imm2` bytes, sign extended if `b` is 1
    LdUser,
    /// The same for a store of `r[d]`
    StUser,

    /// 1 if `r[a]` is below `r[b]` signed, else 0
    Slt,
    /// 1 if `r[a]` is below `imm` signed, else 0
    SltI,
    /// 1 if `r[a]` is below `r[b]` unsigned, else 0
    Sltu,
    /// 1 if `r[a]` is below `imm` unsigned, else 0
    SltuI,
    /// `r[a] << (r[b] & 31)`
    Sll,
    /// `r[a] >> (r[b] & 31)` logical
    Srl,
    /// `r[a] >> (r[b] & 31)` arithmetic
    Sra,
    /// High half of `r[a] * r[b]`, both signed
    Mulh,
    /// High half of `r[a] * r[b]`, `a` signed and `b` unsigned
    Mulhsu,
    /// High half of `r[a] * r[b]`, both unsigned
    Mulhu,
    /// `r[a] / r[b]` signed, rounded to zero; by zero: all ones; on overflow: `r[a]`
    DivRv,
    /// `r[a] / r[b]` unsigned; by zero: all ones
    DivuRv,
    /// Remainder of [`Code::DivRv`]; by zero: `r[a]`; on overflow: 0
    RemRv,
    /// Remainder of [`Code::DivuRv`]; by zero: `r[a]`
    RemuRv,

    /// Two words at `r[a] + imm` and up, each in its turn, become the low and the high half of `r[d]`; `x` as for loads
    Ld64,
    /// The halves of `r[d]` are stored as two words at `r[a] + imm` and up
    St64,

    /// Function `imm` of [`float`] on numbered registers ([`Guest::float`](crate::guest::Guest::float)); no flags, no faults
    Float,
    /// N, Z, C, V become bits 31 to 28 of [`FSTATUS`]
    FlagsOfStatus,
    /// [`Code::Call`] if `r[a]` is zero
    CallIfZero,
    /// Leaves out the next `imm` operations, and gives `imm2` cycles back, unless condition `x` holds
    Skip,
    /// The front end's function `imm` does it ([`Guest::call`](crate::guest::Guest::call)). Reads and sets all flags
    Call,

    /// Ends: to `imm`
    Jump,
    /// Ends: to `imm` if condition `x` holds, else to `imm2`, and `c` cycles come back, as for all branches
    Branch,
    /// Ends: to `imm` if `r[a]` is zero, else to `imm2`
    BranchZ,
    /// Ends: to `imm` if `r[a]` is not zero, else to `imm2`
    BranchNz,
    /// Ends: to `r[a]` by the front end's rules ([`Guest::jump`](crate::guest::Guest::jump)); if `x` is 1 it is an address of code
    /// whatever its value is
    JumpReg,
    /// Ends: like `Call`; goes on at `imm2` unless the function says otherwise
    CallEnd,
    /// Ends: to `imm` if `r[a]` equals `r[b]`, else to `imm2`, as for all of these comparisons
    BranchEq,
    /// If they differ
    BranchNe,
    /// If `r[a]` is below `r[b]`, signed
    BranchLt,
    /// If `r[a]` is not below `r[b]`, signed
    BranchGe,
    /// If `r[a]` is below `r[b]`, unsigned
    BranchLtu,
    /// If `r[a]` is not below `r[b]`, unsigned
    BranchGeu,
    /// Made by [`Builder::finish`] only: `SubIS`, then ends: to `imm2` if condition `x` holds, else to the block's end
    SubIBranch,
    /// Made by [`Builder::finish`] only: `SubS` with the same branch
    SubBranch,
    /// Made by [`Builder::finish`] only: `SubIBranch` if equal
    SubIBranchEq,
    /// Made by [`Builder::finish`] only: `SubIBranch` if not equal
    SubIBranchNe,
    /// Made by [`Builder::finish`] only: `MovI`, then ends: to `imm2`
    MovIJump,
}

/// Flags as sets, for the liveness pass.
pub mod flags {
    /// N and Z.
    pub const NZ: u8 = 1;
    /// C.
    pub const C: u8 = 2;
    /// V.
    pub const V: u8 = 4;
    /// All of them.
    pub const ALL: u8 = 7;
}

impl Code {
    /// The last operation of a block.
    pub fn ends_block(self) -> bool {
        self as u8 >= Code::Jump as u8
    }

    /// For an operation that sets flags: which, and the operation without.
    pub fn flagless(self) -> Option<(u8, Code)> {
        use Code::*;
        use flags::{ALL, C, NZ};
        Some(match self {
            MovS => (NZ, Mov),
            MovIS => (NZ, MovI),
            MvnS => (NZ, Mvn),
            AddS => (ALL, Add),
            AddIS => (ALL, AddI),
            AdcS => (ALL, Adc),
            SubS => (ALL, Sub),
            SubIS => (ALL, SubI),
            RsbIS => (ALL, RsbI),
            SbcS => (ALL, Sbc),
            AndS => (NZ, And),
            AndIS => (NZ, AndI),
            OrS => (NZ, Or),
            OrIS => (NZ, OrI),
            XorS => (NZ, Xor),
            XorIS => (NZ, XorI),
            BicS => (NZ, Bic),
            OrnS => (NZ, Orn),
            LslIS => (NZ | C, LslI),
            LsrIS => (NZ | C, LsrI),
            AsrIS => (NZ | C, AsrI),
            RorIS => (NZ | C, RorI),
            RrxS => (NZ | C, Rrx),
            LslIC => (C, LslI),
            LsrIC => (C, LsrI),
            AsrIC => (C, AsrI),
            RorIC => (C, RorI),
            RrxC => (C, Rrx),
            MulS => (NZ, Mul),
            _ => return None,
        })
    }

    /// Flags that count before this operation, if `live` count behind it.
    pub(crate) fn live_before(self, live: u8) -> u8 {
        let sets = self.flagless().map_or(0, |(sets, _)| sets);
        live & !sets | self.flags_read()
    }

    /// Flags this operation needs to be right when it runs. Whatever may fault, stop or leave needs all of them.
    pub fn flags_read(self) -> u8 {
        use Code::*;
        match self {
            Adc | AdcS | Sbc | SbcS | Rrx | RrxS | RrxC => flags::C,
            // C stays when the amount is zero.
            LslS | LsrS | AsrS | RorS => flags::C,
            Ld8 | Ld8S | Ld16 | Ld16S | Ld32 | LdX8 | LdX8S | LdX16 | LdX16S | LdX32 | St8 | St16 | St32
            | StX8 | StX16 | StX32 | LdM | StM | LdPair | StPair | StEx | Ld64 | St64 | LdUser | StUser
            | Udiv | Sdiv | Call | CallIfZero | Skip => flags::ALL,
            c if c.ends_block() => flags::ALL,
            _ => 0,
        }
    }
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Op {
    /// What runs when the whole block runs: flags that nobody sees are left out.
    pub code: Code,
    /// What the front end meant: runs when a stop may come at any instruction.
    pub full: Code,
    /// Destination (source of a store).
    pub d: u8,
    /// First operand.
    pub a: u8,
    /// Second operand.
    pub b: u8,
    /// Third operand.
    pub c: u8,
    /// Small constant: condition, width, `MEM_` flags.
    pub x: u8,
    /// Number of the guest instruction within the block.
    pub insn: u8,
    /// Constant.
    pub imm: u32,
    /// Second constant.
    pub imm2: u32,
}

/// Where a guest instruction starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    /// Its address.
    pub pc: u32,
    /// Its first operation.
    pub first_op: u16,
    /// Cycles of the block before it, the most they can be.
    pub cycles: u16,
    /// Front end's state at its start that is not in the register file (ITSTATE).
    pub it: u8,
}

/// Straight-line code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Operations; the last one ends the block.
    pub ops: Box<[Op]>,
    /// Guest instructions, and one more entry for the end.
    pub insns: Box<[Insn]>,
    cycles: u32,
    /// As many as `insns` has but for the end, and the end's `it`: beside the rest, as every way out needs them.
    len: u16,
    end_it: u8,
}

impl Block {
    /// Cycles of all its instructions, the most they can be.
    #[inline(always)]
    pub fn cycles(&self) -> u64 {
        u64::from(self.cycles)
    }
    /// Number of guest instructions.
    #[inline(always)]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }
    /// Decoder state behind the last instruction.
    #[inline(always)]
    pub fn end_it(&self) -> u8 {
        self.end_it
    }
    /// A block has at least one instruction.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Most guest instructions in one block.
pub const MAX_INSNS: usize = 48;

/// Collects a block.
#[derive(Debug, Default)]
pub struct Builder {
    ops: Vec<Op>,
    insns: Vec<Insn>,
    cycles: u16,
}

impl Builder {
    /// A block without instructions.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// The next operations belong to the instruction at `pc`, which costs `cycles` at most.
    pub fn insn(&mut self, pc: u32, it: u8, cycles: u8) {
        self.insns.push(Insn { pc, first_op: self.ops.len() as u16, cycles: self.cycles, it });
        self.cycles += u16::from(cycles);
    }

    /// Adds an operation; returns its position.
    pub fn push(&mut self, code: Code, d: u8, a: u8, b: u8, imm: u32) -> usize {
        let insn = (self.insns.len() as u8).wrapping_sub(1);
        self.ops.push(Op { code, full: code, d, a, b, c: 0, x: 0, insn, imm, imm2: 0 });
        self.ops.len() - 1
    }

    /// The operation at a position, to set the rarer fields or patch a [`Code::Skip`].
    pub fn op(&mut self, at: usize) -> &mut Op {
        &mut self.ops[at]
    }

    /// Number of operations so far.
    pub fn here(&self) -> usize {
        self.ops.len()
    }

    /// Starts a conditional part; give the result to [`Builder::end_skip`].
    pub fn skip_unless(&mut self, cond: u8) -> usize {
        let at = self.push(Code::Skip, 0, 0, 0, 0);
        self.ops[at].x = cond;
        at
    }

    /// Ends the conditional part.
    pub fn end_skip(&mut self, at: usize) {
        self.ops[at].imm = (self.ops.len() - at - 1) as u32;
    }

    /// Number of instructions so far.
    pub fn len(&self) -> usize {
        self.insns.len()
    }
    /// Nothing in it yet.
    pub fn is_empty(&self) -> bool {
        self.insns.is_empty()
    }
    /// The last operation ends the block.
    pub fn ended(&self) -> bool {
        self.ops.last().is_some_and(|op| op.full.ends_block())
    }

    /// Closes the block: control that falls out of it goes on at `next_pc` with front-end state `it`.
    pub fn finish(mut self, next_pc: u32, it: u8) -> Block {
        if !self.ended() {
            self.push(Code::Jump, 0, 0, 0, next_pc);
        }
        let first_op = self.ops.len() as u16;
        self.insns.push(Insn { pc: next_pc, first_op, cycles: self.cycles, it });
        drop_dead_flags(&mut self.ops);
        // A way out within an IT block sets the state of the decoder, too.
        if it == 0 {
            fuse(&mut self.ops);
        }
        let len = (self.insns.len() - 1) as u16;
        let (ops, insns) = (self.ops.into(), self.insns.into());
        Block { ops, insns, cycles: u32::from(self.cycles), len, end_it: it }
    }
}

/// Replaces flag-setting operations whose flags are set again before anybody could see them.
fn drop_dead_flags(ops: &mut [Op]) {
    let mut live = flags::ALL;
    for op in ops.iter_mut().rev() {
        if let Some((sets, plain)) = op.full.flagless()
            && sets & live == 0
        {
            op.code = plain;
        }
        live = op.full.live_before(live);
    }
}

/// Two operations at the end of a block become one, for runs of the whole block: a comparison and the conditional
/// branch behind it, a constant (a link register's) and a jump. The second stays for [`Op::full`]; a branch not taken
/// goes on at the block's end.
fn fuse(ops: &mut [Op]) {
    let [.., first, last] = ops else { return };
    let fused = match (first.full, last.full, last.x) {
        (Code::SubIS, Code::Branch, 0) => Code::SubIBranchEq,
        (Code::SubIS, Code::Branch, 1) => Code::SubIBranchNe,
        (Code::SubIS, Code::Branch, _) => Code::SubIBranch,
        (Code::SubS, Code::Branch, _) => Code::SubBranch,
        (Code::MovI, Code::Jump, _) if last.insn == first.insn => Code::MovIJump,
        _ => return,
    };
    if fused == Code::MovIJump || last.insn == first.insn + 1 {
        (first.code, first.c, first.x, first.imm2) = (fused, last.c, last.x, last.imm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_nobody_sees_are_left_out() {
        let mut b = Builder::new();
        b.insn(0, 0, 1);
        b.push(Code::AddS, 0, 1, 2, 0); // dead: the next sets all
        b.insn(2, 0, 1);
        b.push(Code::SubS, 0, 1, 2, 0); // C is read below
        b.insn(4, 0, 1);
        b.push(Code::AdcS, 0, 1, 2, 0); // seen by the load
        b.insn(6, 0, 1);
        b.push(Code::Ld32, 0, 1, 0, 0);
        b.insn(8, 0, 1);
        b.push(Code::LslIS, 0, 1, 0, 3); // C survives the next
        b.insn(10, 0, 1);
        b.push(Code::MovIS, 0, 0, 0, 3);
        let block = b.finish(12, 0);
        let codes: Vec<_> = block.ops.iter().map(|o| o.code).collect();
        use Code::*;
        assert_eq!(codes, [Add, SubS, AdcS, Ld32, LslIS, MovIS, Jump]);
        assert_eq!((block.len(), block.cycles()), (6, 6));
    }

    #[test]
    fn conditions_and_flags_agree_with_the_manual() {
        let mut r = Regs::default();
        for nzcv in 0..16u32 {
            r.set_nzcv(nzcv << 28);
            assert_eq!(r.nzcv(), nzcv << 28);
            let (n, z, c, v) = (nzcv & 8 != 0, nzcv & 4 != 0, nzcv & 2 != 0, nzcv & 1 != 0);
            let want = [z, c, n, v, c && !z, n == v, !z && n == v];
            for (i, w) in want.into_iter().enumerate() {
                assert_eq!(r.cond(2 * i as u8), w, "cond {} nzcv {nzcv:x}", 2 * i);
                assert_eq!(r.cond(2 * i as u8 + 1), !w);
            }
            assert!(r.cond(14));
        }
    }
}
