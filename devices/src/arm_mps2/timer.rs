//! APB timer (DDI0479, 4.2): a 32-bit down counter.
//!
//! The counter rests at zero for one cycle and then takes RELOAD, so its period is RELOAD + 1 cycles; the interrupt
//! comes as it goes from one to zero. With RELOAD 0 it stays at zero.
//!
//! ## Parameters
//! `clock`: PCLK.
//!
//! ## Pins
//! Out: [`TIMERINT`]. In: [`EXTIN`], which is the enable or the clock if CTRL says so.

use super::common::{self, Counter};
use emu_core::{
    device::{Cx, Device, Pin, ResetKind},
    events::Tag,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 4-2.
    pub enum Reg {
        /// Enables.
        Ctrl @ 0x000 rw mask 0xf { EN: 0..1, SELEXTEN: 1..2, SELEXTCLK: 2..3, IRQEN: 3..4 },
        /// The count.
        Value @ 0x004 rw,
        /// What the counter takes after zero; a write sets the count too.
        Reload @ 0x008 rw,
        /// Interrupt; a write is INTCLEAR: 1 clears.
        Intstatus @ 0x00c w1c mask 0x1,
        /// PID4-7, PID0-3, CID0-3.
        Id @ 0xfd0 [12, 4] ro,
    }
}

/// The interrupt.
pub const TIMERINT: Pin = 0;
/// External enable or clock.
pub const EXTIN: Pin = 0;
const ZERO: Tag = 0;
const PART: u32 = 0x22;

/// A CMSDK APB timer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timer {
    bank: Bank<Reg>,
    count: Counter,
    extin: bool,
}

impl Timer {
    /// A timer whose PCLK has `hz`.
    pub fn new(hz: u64) -> Timer {
        let mut bank = Bank::default();
        common::identify(&mut bank, Reg::Id, PART);
        Timer { bank, count: Counter::new(hz, 0), extin: false }
    }

    fn reload(&self) -> Option<u32> {
        Some(self.bank.reg(Reg::Reload))
    }

    fn sync(&mut self, cx: &mut Cx) {
        self.count.sync(cx.now(), 1, self.reload());
    }

    /// CTRL, the count or EXTIN changed.
    fn restart(&mut self, cx: &mut Cx) {
        let enabled = !self.bank.is(&Ctrl::SELEXTEN) || self.extin;
        let on = self.bank.is(&Ctrl::EN) && !self.bank.is(&Ctrl::SELEXTCLK) && enabled;
        self.count.run(on, cx.now());
        match self.count.zero_at(1, self.reload()) {
            Some(at) => cx.at(at, ZERO),
            None => cx.cancel(ZERO),
        }
    }

    /// The counter went from one to zero.
    fn zero(&mut self, cx: &mut Cx) {
        if self.bank.is(&Ctrl::IRQEN) {
            self.bank.put(Reg::Intstatus, 1);
        }
        self.update(cx);
    }

    fn update(&mut self, cx: &mut Cx) {
        cx.wire(TIMERINT, self.bank.reg(Reg::Intstatus) != 0);
    }

    /// A rising edge of EXTIN, which may be the clock.
    fn external_edge(&mut self, cx: &mut Cx) {
        let clocked = self.bank.is(&Ctrl::EN) && self.bank.is(&Ctrl::SELEXTCLK);
        if clocked && self.count.step(self.reload()) {
            self.zero(cx);
        }
    }
}

impl Device for Timer {
    type Reg = Reg;
    const KIND: &'static str = "arm,cmsdk-timer";
    const NOT_MODELLED: &'static [&'static str] = &["the two cycles by which EXTIN is synchronised"];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        *self = Timer { extin: self.extin, ..Timer::new(self.count.hz()) };
        self.update(cx);
    }

    fn read(&mut self, r: Reg, i: usize, cx: &mut Cx) -> u32 {
        match r {
            Reg::Value => self.count.value(cx.now(), 1, self.reload()),
            _ => self.bank.at(r, i),
        }
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        match r {
            Reg::Ctrl => {
                self.sync(cx);
                self.restart(cx);
            }
            Reg::Value | Reg::Reload => {
                self.count.set(cx.now(), v);
                self.restart(cx);
            }
            Reg::Intstatus => self.update(cx),
            Reg::Id => {}
        }
    }

    fn event(&mut self, _: Tag, cx: &mut Cx) {
        self.sync(cx);
        self.restart(cx);
        self.zero(cx);
    }

    fn wire_in(&mut self, pin: Pin, level: bool, cx: &mut Cx) {
        if pin != EXTIN || level == self.extin {
            return;
        }
        self.sync(cx);
        self.extin = level;
        self.restart(cx);
        if level {
            self.external_edge(cx);
        }
    }

    fn pulse_in(&mut self, pin: Pin, cx: &mut Cx) {
        if pin == EXTIN {
            self.external_edge(cx);
        }
    }

    fn validate(&self) -> Result<(), String> {
        self.count.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_core::time::Time;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Timer::new(25_000_000));

    const EN: u32 = 1;
    const IRQEN: u32 = 8;

    #[test]
    fn the_interrupt_comes_at_zero_and_the_period_is_reload_plus_one() {
        let mut b = Bench::new(Timer::new(25_000_000));
        b.set(Reg::Reload, 0, 9);
        b.set(Reg::Ctrl, 0, EN | IRQEN);
        for zero in [360, 760, 1160] {
            b.advance(zero - 1 - b.now().0);
            assert!(!b.pin(TIMERINT));
            b.advance(1);
            assert_eq!((b.pin(TIMERINT), b.get(Reg::Value, 0)), (true, 0));
            b.advance(40);
            assert_eq!(b.get(Reg::Value, 0), 9);
            b.set(Reg::Intstatus, 0, 1);
            assert!(!b.pin(TIMERINT));
        }
        let rises: Vec<_> = b.edges().into_iter().filter(|e| e.2).map(|e| e.0).collect();
        assert_eq!(rises, [Time(360), Time(760), Time(1160)]);
    }

    #[test]
    fn without_irqen_nothing_is_latched() {
        let mut b = Bench::new(Timer::new(25_000_000));
        b.set(Reg::Reload, 0, 9);
        b.set(Reg::Ctrl, 0, EN);
        b.advance(400);
        b.set(Reg::Ctrl, 0, EN | IRQEN);
        assert_eq!((b.get(Reg::Intstatus, 0), b.get(Reg::Value, 0)), (0, 9));
        b.advance(360);
        assert_eq!(b.get(Reg::Intstatus, 0), 1);
    }

    #[test]
    fn without_reload_it_stops_at_zero() {
        let mut b = Bench::new(Timer::new(25_000_000));
        b.set(Reg::Ctrl, 0, EN | IRQEN);
        b.advance(1_000_000);
        assert_eq!((b.get(Reg::Value, 0), b.pin(TIMERINT)), (0, false));
        b.set(Reg::Value, 0, 3);
        b.advance(120);
        assert!(b.pin(TIMERINT));
        b.set(Reg::Intstatus, 0, 1);
        b.advance(1_000_000);
        assert_eq!((b.get(Reg::Value, 0), b.pin(TIMERINT)), (0, false));
    }

    #[test]
    fn a_stopped_counter_keeps_its_value() {
        let mut b = Bench::new(Timer::new(25_000_000));
        b.set(Reg::Reload, 0, 100);
        b.set(Reg::Ctrl, 0, EN);
        b.advance(400);
        b.set(Reg::Ctrl, 0, 0);
        b.advance(4_000);
        assert_eq!((b.get(Reg::Value, 0), b.get(Reg::Reload, 0)), (90, 100));
        b.set(Reg::Ctrl, 0, EN);
        b.advance(40);
        assert_eq!(b.get(Reg::Value, 0), 89);
    }

    #[test]
    fn the_external_input_enables() {
        let mut b = Bench::new(Timer::new(25_000_000));
        b.set(Reg::Reload, 0, 100);
        b.set(Reg::Ctrl, 0, EN | 2);
        b.advance(400);
        assert_eq!(b.get(Reg::Value, 0), 100);
        b.set_pin(EXTIN, true);
        b.advance(400);
        b.set_pin(EXTIN, false);
        b.advance(400);
        assert_eq!(b.get(Reg::Value, 0), 90);
    }

    #[test]
    fn the_external_input_clocks() {
        let mut b = Bench::new(Timer::new(25_000_000));
        b.set(Reg::Reload, 0, 2);
        b.set(Reg::Ctrl, 0, EN | 4 | IRQEN);
        let mut seen = vec![];
        for i in 0..8 {
            b.advance(1_000);
            b.set_pin(EXTIN, i % 2 == 0);
            seen.push((b.get(Reg::Value, 0), b.pin(TIMERINT)));
        }
        assert_eq!(
            seen,
            [(1, false), (1, false), (0, true), (0, true), (2, true), (2, true), (1, true), (1, true)]
        );
    }
}
