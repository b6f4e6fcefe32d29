//! The PHY of the LAN9118 (3.14 and 5.5): auto-negotiation, link, its interrupts.

use super::lan9118_regs::{Control, Mode, PhyReg};
use emu_core::regs::{Bank, RegSet};
use serde::{Deserialize, Serialize};

/// From the start of auto-negotiation to the link: the break-link time (IEEE 802.3, 28.3.2: 1.2 s at least), then some
/// fourteen bursts of link pulses 16 ms apart.
pub const AUTONEG_NS: u64 = 1_450_000_000;
/// Until a link without auto-negotiation is up.
pub const LINK_NS: u64 = 10_000_000;

/// Bits of the interrupt source (5.5.11).
const INT_ENERGY: u32 = 1 << 7;
const INT_AUTONEG: u32 = 1 << 6;
const INT_DOWN: u32 = 1 << 4;
const INT_PARTNER: u32 = 1 << 3;
const INT_PAGE: u32 = 1 << 1;
/// What the other end, a switch, can do: all four modes.
const PARTNER: u32 = 0x41e1;
/// Basic status: link, auto-negotiation complete.
const STATUS_LINK: u32 = 1 << 2;
const STATUS_AUTONEG: u32 = 1 << 5;
/// Modes in the bits of advertisement and partner's ability.
const FULL_100: u32 = 1 << 8;
const HALF_100: u32 = 1 << 7;
const FULL_10: u32 = 1 << 6;
const HALF_10: u32 = 1 << 5;

/// What the controller does after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Nothing.
    None,
    /// The link is looked for anew.
    Restart,
}

/// The PHY.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Phy {
    bank: Bank<PhyReg>,
    /// There is a cable with something at its other end.
    pub cable: bool,
    /// Negotiation takes no time.
    instant: bool,
    up: bool,
    /// The link was down since the last look at the basic status.
    was_down: bool,
    fast: bool,
    full: bool,
}

impl Phy {
    /// A PHY after its reset.
    pub fn new(cable: bool, instant: bool) -> Phy {
        let was_down = !(cable && instant);
        let mut phy =
            Phy { bank: Bank::default(), cable, instant, up: false, was_down, fast: true, full: false };
        phy.energy();
        phy
    }

    fn energy(&mut self) {
        let on = self.cable && !self.bank.is(&Control::POWER_DOWN);
        if on && !self.bank.is(&Mode::ENERGYON) {
            self.flag(INT_ENERGY);
        }
        self.bank.set(&Mode::ENERGYON, u32::from(on));
    }

    fn flag(&mut self, bits: u32) {
        let v = self.bank.reg(PhyReg::IntSource) | bits;
        self.bank.put(PhyReg::IntSource, v);
    }

    /// The interrupt to the controller.
    pub fn interrupt(&self) -> bool {
        self.bank.reg(PhyReg::IntSource) & self.bank.reg(PhyReg::IntMask) != 0
    }

    /// Frames come and go.
    pub fn up(&self) -> bool {
        self.up && !self.bank.is(&Control::ISOLATE)
    }

    /// What is sent comes back.
    pub fn loopback(&self) -> bool {
        self.bank.is(&Control::LOOPBACK)
    }

    /// Switched off by its control register.
    pub fn off(&self) -> bool {
        self.bank.is(&Control::POWER_DOWN)
    }

    /// Nanoseconds for a byte on the line.
    pub fn byte_ns(&self) -> u64 {
        let fast = if self.up { self.fast } else { self.bank.is(&Control::FAST) };
        if fast { 80 } else { 800 }
    }

    /// The mode both ends can do, best first (IEEE 802.3, annex 28B.3).
    fn common(&self) -> u32 {
        let both = self.bank.reg(PhyReg::Advertise) & PARTNER;
        [FULL_100, HALF_100, FULL_10, HALF_10].into_iter().find(|m| both & m != 0).unwrap_or(0)
    }

    /// A PHY after its reset, with the same cable.
    pub fn reset(&mut self) {
        *self = Phy::new(self.cable, self.instant);
    }

    /// For how long the link is away when it is sought anew, if it comes back.
    fn away(&self) -> Option<u64> {
        if !self.cable || self.off() {
            return None;
        }
        let ns = match self.bank.is(&Control::AUTONEG) {
            true if self.common() == 0 => return None,
            true => AUTONEG_NS,
            false => LINK_NS,
        };
        Some(if self.instant { 0 } else { ns })
    }

    /// The link is sought anew; returns in how many nanoseconds it is up, if ever. At once is without a break that could be seen.
    pub fn restart(&mut self) -> Option<u64> {
        let away = self.away();
        if away != Some(0) {
            if self.up {
                self.flag(INT_DOWN);
            }
            self.was_down = true;
        }
        self.up = false;
        self.bank.put(PhyReg::Partner, 1);
        self.bank.put(PhyReg::Expansion, 0);
        self.bank.put(PhyReg::SpecialStatus, PhyReg::SpecialStatus.info().reset);
        self.energy();
        if away == Some(0) {
            self.connect();
        }
        away
    }

    /// No frame comes sooner after a link is sought anew.
    pub fn soonest(&self) -> u64 {
        if self.cable || self.instant { 0 } else { LINK_NS }
    }

    /// The link is up.
    pub fn connect(&mut self) {
        self.up = true;
        let mode = match (self.bank.is(&Control::FAST), self.bank.is(&Control::DUPLEX)) {
            _ if self.bank.is(&Control::AUTONEG) => self.common(),
            (true, true) => FULL_100,
            (true, false) => HALF_100,
            (false, true) => FULL_10,
            (false, false) => HALF_10,
        };
        self.fast = mode & (FULL_100 | HALF_100) != 0;
        self.full = mode & (FULL_100 | FULL_10) != 0;
        let speed = if self.fast { 2 } else { 1 } | if self.full { 4 } else { 0 };
        let mut special = PhyReg::SpecialStatus.info().reset | speed << 2;
        if self.bank.is(&Control::AUTONEG) {
            special |= 1 << 12;
            self.bank.put(PhyReg::Partner, PARTNER);
            self.bank.put(PhyReg::Expansion, 3);
            self.flag(INT_AUTONEG | INT_PARTNER | INT_PAGE);
        }
        self.bank.put(PhyReg::SpecialStatus, special);
    }

    /// A read over the serial management interface.
    pub fn read(&mut self, index: u32) -> u32 {
        let Some((r, i)) = PhyReg::decode(4 * index) else { return 0 };
        let v = self.bank.at(r, i);
        match r {
            PhyReg::Status => {
                // Link down is latched until it was read (5.5.2).
                let seen = self.up && !std::mem::replace(&mut self.was_down, !self.up);
                let done = self.up && self.bank.is(&Control::AUTONEG);
                v | if seen { STATUS_LINK } else { 0 } | if done { STATUS_AUTONEG } else { 0 }
            }
            PhyReg::IntSource => {
                self.bank.put(r, 0);
                v
            }
            PhyReg::Expansion => {
                self.bank.put(r, v & !2); // the page was seen
                v
            }
            _ => v,
        }
    }

    /// A write over the serial management interface.
    pub fn write(&mut self, index: u32, v: u32) -> Act {
        let Some((r, i)) = PhyReg::decode(4 * index) else { return Act::None };
        let before = self.bank.at(r, i);
        let now = self.bank.guest_write(r, i, v);
        if r != PhyReg::Control {
            return Act::None;
        }
        if self.bank.is(&Control::RESET) {
            let special = self.bank.reg(PhyReg::Special);
            self.reset();
            self.bank.put(PhyReg::Special, special);
            return Act::Restart;
        }
        let restart = self.bank.is(&Control::RESTART);
        self.bank.set(&Control::RESTART, 0);
        let line = Control::AUTONEG.mask() | Control::POWER_DOWN.mask();
        let forced = Control::FAST.mask() | Control::DUPLEX.mask();
        let manual = now & Control::AUTONEG.mask() == 0 && (before ^ now) & forced != 0;
        if restart || manual || (before ^ now) & line != 0 { Act::Restart } else { Act::None }
    }
}
