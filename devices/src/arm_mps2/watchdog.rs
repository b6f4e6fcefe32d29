//! APB watchdog (DDI0479, 4.5): interrupts when its counter becomes zero, resets when that happens again before the
//! interrupt is cleared.
//!
//! ## Parameters
//! `clock`: WDOGCLK.
//!
//! ## Pins
//! Out: [`WDOGINT`] (NMI on the MPS2 images); [`WDOGRES`], which also resets the machine.

use super::common::{self, Counter};
use emu_core::{
    device::{Cx, Device, Pin, ResetKind},
    events::Tag,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 4-7.
    pub enum Reg {
        /// What the counter takes after zero; a write sets the count too.
        Wdogload @ 0x000 rw reset 0xffff_ffff,
        /// The count.
        Wdogvalue @ 0x004 ro reset 0xffff_ffff,
        /// Enables of the counter with its interrupt, and of the reset.
        Wdogcontrol @ 0x008 rw mask 0x3 { INTEN: 0..1, RESEN: 1..2 },
        /// Any write clears the interrupt and reloads the counter.
        Wdogintclr @ 0x00c wo,
        /// Interrupt before the enable.
        Wdogris @ 0x010 ro,
        /// Interrupt behind the enable.
        Wdogmis @ 0x014 ro,
        /// 0x1ACCE551 lets the other registers be written, anything else locks them; reads 1 while locked.
        Wdoglock @ 0xc00 rw,
        /// Integration test: ITOP drives the outputs.
        Wdogitcr @ 0xf00 rw mask 0x1,
        /// Integration test outputs: bit 1 the interrupt, bit 0 the reset.
        Wdogitop @ 0xf04 wo mask 0x3,
        /// PID4-7, PID0-3, CID0-3.
        Id @ 0xfd0 [12, 4] ro,
    }
}

/// The interrupt.
pub const WDOGINT: Pin = 0;
/// The reset.
pub const WDOGRES: Pin = 1;
const UNLOCK: u32 = 0x1ACC_E551;
const INTEN: u32 = 1;
const RESEN: u32 = 2;
const ZERO: Tag = 0;
const PART: u32 = 0x24;

/// The CMSDK watchdog.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Watchdog {
    bank: Bank<Reg>,
    count: Counter,
    load: u32,
    control: u32,
    itcr: u32,
    itop: u32,
    locked: bool,
    ris: bool,
    /// The counter became zero a second time: it stands, and the reset is due once it is enabled.
    expired: bool,
}

impl Watchdog {
    /// A watchdog whose WDOGCLK has `hz`.
    pub fn new(hz: u64) -> Watchdog {
        let mut bank = Bank::default();
        common::identify(&mut bank, Reg::Id, PART);
        Watchdog {
            bank,
            count: Counter::new(hz, u32::MAX),
            load: u32::MAX,
            control: 0,
            itcr: 0,
            itop: 0,
            locked: false,
            ris: false,
            expired: false,
        }
    }

    fn sync(&mut self, cx: &mut Cx) {
        self.count.sync(cx.now(), 1, Some(self.load));
    }

    fn restart(&mut self, cx: &mut Cx) {
        self.count.run(self.control & INTEN != 0 && !self.expired, cx.now());
        match self.count.zero_at(1, Some(self.load)) {
            Some(at) => cx.at(at, ZERO),
            None => cx.cancel(ZERO),
        }
    }

    /// Shows the state in the registers (a locked write has changed the bank alone) and drives the outputs.
    fn update(&mut self, cx: &mut Cx) {
        let mis = self.ris && self.control & INTEN != 0;
        let b = &mut self.bank;
        b.put(Reg::Wdogload, self.load);
        b.put(Reg::Wdogcontrol, self.control);
        b.put(Reg::Wdogris, u32::from(self.ris));
        b.put(Reg::Wdogmis, u32::from(mis));
        b.put(Reg::Wdoglock, u32::from(self.locked));
        b.put(Reg::Wdogitcr, self.itcr);
        let (int, reset) = match self.itcr {
            0 => (mis, self.expired && self.control & RESEN != 0),
            _ => (self.itop & 2 != 0, self.itop & 1 != 0),
        };
        cx.wire(WDOGINT, int);
        cx.wire(WDOGRES, reset);
        if reset {
            cx.reset_machine(ResetKind::Watchdog);
        }
    }

    fn write_control(&mut self, v: u32, cx: &mut Cx) {
        self.sync(cx);
        if v & !self.control & INTEN != 0 {
            self.count.set(cx.now(), self.load);
        }
        self.control = v;
        self.restart(cx);
    }

    fn unlocked_write(&mut self, r: Reg, v: u32, cx: &mut Cx) {
        match r {
            Reg::Wdogload => {
                self.load = v;
                self.count.set(cx.now(), v);
                self.restart(cx);
            }
            Reg::Wdogcontrol => self.write_control(v, cx),
            Reg::Wdogintclr => {
                self.ris = false;
                self.count.set(cx.now(), self.load);
                self.restart(cx);
            }
            Reg::Wdogitcr => self.itcr = v,
            Reg::Wdogitop => self.itop = v,
            _ => {}
        }
    }
}

impl Device for Watchdog {
    type Reg = Reg;
    const KIND: &'static str = "arm,cmsdk-watchdog";
    const NOT_MODELLED: &'static [&'static str] = &["WDOGCLKEN, the enable of the clock"];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        *self = Watchdog::new(self.count.hz());
        self.update(cx);
    }

    fn read(&mut self, r: Reg, i: usize, cx: &mut Cx) -> u32 {
        match r {
            Reg::Wdogvalue => self.count.value(cx.now(), 1, Some(self.load)),
            _ => self.bank.at(r, i),
        }
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        match r {
            Reg::Wdoglock => self.locked = v != UNLOCK,
            _ if self.locked => cx.guest_error("write to the locked watchdog"),
            _ => self.unlocked_write(r, v, cx),
        }
        self.update(cx);
    }

    fn event(&mut self, _: Tag, cx: &mut Cx) {
        self.sync(cx);
        self.expired = self.ris;
        self.ris = true;
        self.restart(cx);
        self.update(cx);
    }

    fn validate(&self) -> Result<(), String> {
        self.count.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Watchdog::new(25_000_000));

    fn armed(control: u32) -> Bench {
        let mut b = Bench::new(Watchdog::new(25_000_000));
        b.set(Reg::Wdogload, 0, 9);
        b.set(Reg::Wdogcontrol, 0, control);
        b
    }

    #[test]
    fn zero_interrupts_and_a_second_zero_resets() {
        let mut b = armed(INTEN | RESEN);
        b.advance(359);
        assert!(!b.pin(WDOGINT));
        b.advance(1);
        assert_eq!((b.pin(WDOGINT), b.get(Reg::Wdogris, 0), b.get(Reg::Wdogmis, 0)), (true, 1, 1));
        b.advance(399);
        assert!(b.pin(WDOGINT) && b.get(Reg::Wdogvalue, 0) == 1);
        b.advance(1); // the machine resets, and with it the watchdog
        assert_eq!((b.get(Reg::Wdogload, 0), b.get(Reg::Wdogcontrol, 0)), (u32::MAX, 0));
        assert!(!b.pin(WDOGINT) && b.pulses(WDOGRES).len() == 1);
    }

    #[test]
    fn clearing_the_interrupt_in_time_prevents_the_reset() {
        let mut b = armed(INTEN | RESEN);
        for _ in 0..10 {
            b.advance(700);
            assert!(b.pin(WDOGINT));
            b.set(Reg::Wdogintclr, 0, 0);
            assert_eq!((b.pin(WDOGINT), b.get(Reg::Wdogvalue, 0)), (false, 9));
        }
    }

    #[test]
    fn without_resen_the_counter_stops_and_the_reset_waits() {
        let mut b = armed(INTEN);
        b.advance(1_000_000);
        assert_eq!((b.get(Reg::Wdogvalue, 0), b.get(Reg::Wdogload, 0)), (0, 9));
        b.set(Reg::Wdogcontrol, 0, INTEN | RESEN);
        b.advance(0);
        assert_eq!(b.pulses(WDOGRES).len(), 1);
    }

    #[test]
    fn enabling_reloads_and_disabling_halts() {
        let mut b = armed(INTEN);
        b.advance(200);
        b.set(Reg::Wdogcontrol, 0, 0);
        b.advance(4_000);
        assert_eq!(b.get(Reg::Wdogvalue, 0), 4);
        b.set(Reg::Wdogcontrol, 0, INTEN);
        assert_eq!(b.get(Reg::Wdogvalue, 0), 9);
        b.set(Reg::Wdogload, 0, 20);
        b.advance(799);
        assert!(!b.pin(WDOGINT));
        b.advance(1);
        assert!(b.pin(WDOGINT));
    }

    #[test]
    fn a_locked_watchdog_cannot_be_written() {
        let mut b = armed(0);
        b.set(Reg::Wdoglock, 0, 1);
        assert_eq!(b.get(Reg::Wdoglock, 0), 1);
        b.set(Reg::Wdogload, 0, 5);
        b.set(Reg::Wdogcontrol, 0, 3);
        assert_eq!((b.get(Reg::Wdogload, 0), b.get(Reg::Wdogcontrol, 0), b.mistakes()), (9, 0, 2));
        b.set(Reg::Wdoglock, 0, UNLOCK);
        b.set(Reg::Wdogload, 0, 5);
        assert_eq!((b.get(Reg::Wdoglock, 0), b.get(Reg::Wdogload, 0)), (0, 5));
    }

    #[test]
    fn the_integration_test_drives_the_interrupt() {
        let mut b = armed(0);
        b.set(Reg::Wdogitcr, 0, 1);
        b.set(Reg::Wdogitop, 0, 2);
        assert!(b.pin(WDOGINT));
        b.set(Reg::Wdogitop, 0, 0);
        assert!(!b.pin(WDOGINT));
    }
}
