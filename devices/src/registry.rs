//! Every device model by name, and the SoC and board files that ship.

use crate::source::{Source, Tab, nearest};
use emu_core::{
    device::{Peripheral, Pin, Port},
    machine::PortKind,
    regs::RegInfo,
    time::Clock,
};
use std::{cell::RefCell, collections::BTreeMap, ops::RangeInclusive};

/// Named pins of a model: one, or `count` with the number behind the name (`p0`, `p1`, ...).
#[derive(Clone, Copy, Debug)]
pub struct PinInfo {
    /// Name, or its beginning.
    pub name: &'static str,
    /// First pin.
    pub first: Pin,
    /// How many; 0 for a single pin whose name has no number.
    pub count: u16,
}

/// A message port of a model.
#[derive(Clone, Copy, Debug)]
pub struct PortInfo {
    /// Name.
    pub name: &'static str,
    /// Number.
    pub port: Port,
    /// What it is outside the machine if nothing inside is linked to it.
    pub kind: Option<PortKind>,
    /// Outside it carries the device's name, and a serial one is a console; else it is `DEVICE.NAME` and none.
    pub main: bool,
}

/// A device model.
pub struct Kind {
    /// `vendor,block`.
    pub name: &'static str,
    /// Makes one; mistakes in the parameters are reported through them.
    pub create: fn(&Params) -> Box<dyn Peripheral>,
    /// Its registers.
    pub regs: fn() -> &'static [RegInfo],
    /// Its pins.
    pub pins: &'static [PinInfo],
    /// Its ports.
    pub ports: &'static [PortInfo],
    /// The first of its input pins for the pulses of every event register of the board; its output pins from 0 lead
    /// to every task register.
    pub interconnect: Option<Pin>,
    /// Pins 0 to this (exclusive) are ports of the same numbers too, which speak [`Msg::Level`](emu_core::link::Msg):
    /// a board's `pads` lead them out of the machine.
    pub pads: Pin,
}

impl Kind {
    /// A model without pins and ports.
    pub(crate) const PLAIN: Kind = Kind {
        name: "",
        create: |_| unreachable!("every line names its model"),
        regs: || &[],
        pins: &[],
        ports: &[],
        interconnect: None,
        pads: 0,
    };

    /// Pins by name: one (`p3`) or a range (`p0-31`).
    pub fn pin_range(&self, name: &str) -> Option<(Pin, u16)> {
        let Some((first, last)) = name.split_once('-') else { return self.pin(name).map(|p| (p, 1)) };
        let digits = first.find(|c: char| c.is_ascii_digit())?;
        let (from, to) = (self.pin(first)?, self.pin(&format!("{}{last}", &first[..digits]))?);
        (from <= to).then(|| (from, to - from + 1))
    }

    /// A pin by name.
    pub fn pin(&self, name: &str) -> Option<Pin> {
        self.pins.iter().find_map(|p| match p.count {
            0 => (p.name == name).then_some(p.first),
            n => {
                let i: u16 = name.strip_prefix(p.name)?.parse().ok()?;
                (i < n).then(|| p.first + i)
            }
        })
    }
}

/// What a board file says about one device.
pub struct Params<'a, 's> {
    pub(crate) tabs: &'a [Tab<'s>],
    pub(crate) clocks: &'a BTreeMap<String, u64>,
    /// Addresses of all event registers of the board, with the interconnect's input pin for each.
    pub events: &'a [(u32, Pin)],
    /// Addresses of all task registers of the board, with the interconnect's output pin for each.
    pub tasks: &'a [(u32, Pin)],
    /// The parameters asked for so far, and what each is.
    pub(crate) asked: RefCell<Vec<(&'static str, &'static str)>>,
}

impl<'s> Params<'_, 's> {
    fn ask(&self, key: &'static str, what: &'static str) {
        self.asked.borrow_mut().push((key, what));
    }
    fn tab(&self, key: &str) -> Option<&Tab<'s>> {
        self.tabs.iter().find(|t| t.has(key))
    }
    /// An optional number.
    pub fn uint(&self, key: &'static str) -> Option<u64> {
        self.ask(key, "a number");
        let all: Vec<_> = self.tabs.iter().map(|t| t.uint(key)).collect();
        all.into_iter().flatten().next()
    }
    /// An optional number of a range; one outside is reported.
    pub fn within(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.uint(key)?;
        if !range.contains(&value) {
            self.report(key, format!("`{key}` lies between {:#x} and {:#x}", range.start(), range.end()));
            return None;
        }
        Some(value)
    }
    /// An optional number of 32 bits.
    pub fn word(&self, key: &'static str) -> Option<u32> {
        self.within(key, 0..=u64::from(u32::MAX)).map(|v| v as u32)
    }
    /// Two optional numbers of pins of a port of 32.
    pub fn two_pins(&self, key: &'static str) -> Option<(u8, u8)> {
        match self.uints(key)?[..] {
            [a @ 0..32, b @ 0..32] => Some((a as u8, b as u8)),
            _ => {
                self.report(key, format!("`{key}` is two pins, each from 0 to 31"));
                None
            }
        }
    }
    /// An optional list of numbers.
    pub fn uints(&self, key: &'static str) -> Option<Vec<u64>> {
        self.ask(key, "a list of numbers");
        let all: Vec<_> = self.tabs.iter().map(|t| t.uints(key)).collect();
        all.into_iter().flatten().next()
    }
    /// An optional truth value.
    pub fn bool(&self, key: &'static str) -> Option<bool> {
        self.ask(key, "true or false");
        let all: Vec<_> = self.tabs.iter().map(|t| t.bool(key)).collect();
        all.into_iter().flatten().next()
    }
    /// An optional string.
    pub fn str(&self, key: &'static str) -> Option<&'s str> {
        self.ask(key, "a text");
        let all: Vec<_> = self.tabs.iter().map(|t| t.str(key)).collect();
        all.into_iter().flatten().next()
    }
    /// Rate in Hz of the clock that `key` names; a missing or unknown name is reported.
    pub fn hz(&self, key: &'static str) -> u64 {
        self.ask(key, "the name of a clock; required");
        let Some(name) = self.str(key) else {
            if let Some(t) = self.tabs.last() {
                t.report_here(format!("`{key}` is missing: the name of a clock"), None);
            }
            return 1;
        };
        self.clocks.get(name).copied().unwrap_or_else(|| {
            if let Some(t) = self.tab(key) {
                let help = crate::source::nearest(name, self.clocks.keys().map(String::as_str));
                t.report(key, format!("no clock is called `{name}`"), help);
            }
            1
        })
    }
    /// The clock that `key` names.
    pub fn clock(&self, key: &'static str) -> Clock {
        Clock::hz(self.hz(key))
    }
    /// Notes a mistake in a parameter.
    pub fn report(&self, key: &'static str, message: impl Into<String>) {
        if let Some(t) = self.tab(key).or(self.tabs.last()) {
            t.report(key, message, None);
        }
    }
}

/// What a board file can say of devices of a kind, for people.
#[derive(Clone, Debug)]
pub struct About {
    /// Parameters beyond those that every device has, and what each is.
    pub params: Vec<(&'static str, &'static str)>,
    /// Inputs a scenario can set, with units.
    pub inputs: &'static [(&'static str, &'static str)],
    /// What it leaves out.
    pub not_modelled: &'static [&'static str],
}

/// Makes a device of the kind without any parameter, and sees what it asks for.
pub fn about(kind: &Kind) -> About {
    let none = Source::parse("", "").unwrap_or_else(|e| unreachable!("an empty file: {e}"));
    let (tabs, clocks) = ([none.root()], BTreeMap::new());
    let params = Params { tabs: &tabs, clocks: &clocks, events: &[], tasks: &[], asked: RefCell::default() };
    let made = (kind.create)(&params);
    let mut asked: Vec<(&str, &str)> = vec![];
    for (key, what) in params.asked.take() {
        if !asked.iter().any(|a| a.0 == key) {
            asked.push((key, what));
        }
    }
    About { params: asked, inputs: made.inputs(), not_modelled: made.not_modelled() }
}

/// A pin whose name has no number.
pub(crate) const fn pin(name: &'static str, first: u16) -> PinInfo {
    PinInfo { name, first, count: 0 }
}

/// Pins whose names end in a number from 0.
pub(crate) const fn pins(name: &'static str, first: u16, count: u16) -> PinInfo {
    PinInfo { name, first, count }
}

/// A port that leads to other devices of the board.
pub(crate) const fn port(name: &'static str, port: Port) -> PortInfo {
    PortInfo { name, port, kind: None, main: false }
}

/// A port that leads out of the machine under the device's name if nothing inside is linked to it.
pub(crate) const fn outside(name: &'static str, port: Port, kind: PortKind) -> PortInfo {
    PortInfo { name, port, kind: Some(kind), main: true }
}

/// A further port that leads out of the machine.
pub(crate) const fn further(name: &'static str, port: Port, kind: PortKind) -> PortInfo {
    PortInfo { name, port, kind: Some(kind), main: false }
}

/// One line of a vendor's list: the device type, how to make one, and what differs from [`Kind::PLAIN`].
macro_rules! kind {
    ($t:ty, $new:expr $(, $field:ident: $value:expr)* $(,)?) => {
        $crate::registry::Kind {
            name: <$t as emu_core::device::Device>::KIND,
            create: |p| {
                let new: fn(&$crate::registry::Params) -> $t = $new;
                Box::new(new(p))
            },
            regs: $crate::registry::regs_of::<$t>,
            $($field: $value,)*
            ..$crate::registry::Kind::PLAIN
        }
    };
}
pub(crate) use kind;

/// A model by name; the error holds the nearest right name.
pub fn named(name: &str) -> Result<&'static Kind, String> {
    find(name).ok_or_else(|| {
        let help = nearest(name, kinds().map(|k| k.name)).map(|h| format!("; {h}")).unwrap_or_default();
        format!("no device model is called `{name}`{help}")
    })
}

/// A model by name.
pub fn find(name: &str) -> Option<&'static Kind> {
    kinds().find(|k| k.name == name)
}

/// Register table of a device type, for [`Kind::regs`].
pub fn regs_of<D: emu_core::device::Device>() -> &'static [RegInfo] {
    <D::Reg as emu_core::regs::RegSet>::TABLE
}

/// All models.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    VENDORS.iter().copied().flatten()
}

/// Each vendor's list.
static VENDORS: &[&[Kind]] = &[
    crate::arm_mps2::kinds::KINDS,
    crate::national::kinds::KINDS,
    crate::nordic::kinds::KINDS,
    crate::parts::kinds::KINDS,
    crate::sifive::kinds::KINDS,
    crate::smsc::kinds::KINDS,
];

/// SoC files that ship: name and text.
pub static SOCS: &[(&str, &str)] =
    &[("mps2", include_str!("../socs/mps2.toml")), ("nrf51822", include_str!("../socs/nrf51822.toml"))];

/// Board files that ship: name and text.
pub static BOARDS: &[(&str, &str)] = &[
    ("microbit", include_str!("../boards/microbit.toml")),
    ("mps2-an385", include_str!("../boards/mps2-an385.toml")),
    ("mps2-an386", include_str!("../boards/mps2-an386.toml")),
    ("mps2-an500", include_str!("../boards/mps2-an500.toml")),
    ("riscv32-virt", include_str!("../boards/riscv32-virt.toml")),
];
