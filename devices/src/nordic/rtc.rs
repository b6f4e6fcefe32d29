//! RTC0-1 (chapter 19): 24-bit counter on the 32.768 kHz clock.
//!
//! Only events enabled in EVTEN or INTEN happen (19.1.6), and only those are scheduled.
//!
//! ## Pins
//! In: [`LFCLK`], high while the low-frequency clock runs (from
//! [`power_clock::LFCLK`](super::power_clock::LFCLK)); tick 0 of that clock is the rising edge.

use super::common::{self, Block, LFCLK_HZ, event_bit, raise, update_irq};
use emu_core::{
    Clock,
    device::{Cx, Device, Pin, ResetKind},
    events::Tag,
    regs,
    regs::{Bank, RegSet},
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 114.
    pub enum Reg {
        /// Start.
        TasksStart @ 0x000 task,
        /// Stop.
        TasksStop @ 0x004 task,
        /// Clear the counter.
        TasksClear @ 0x008 task,
        /// Set the counter to 0xFFFFF0.
        TasksTrigovrflw @ 0x00c task,
        /// The counter stepped.
        EventsTick @ 0x100 event,
        /// The counter overflowed.
        EventsOvrflw @ 0x104 event,
        /// The counter became CC\[n\].
        EventsCompare @ 0x140 [4, 4] event,
        /// Enable interrupts.
        Intenset @ 0x304 w1s mask 0xf0003,
        /// Disable interrupts.
        Intenclr @ 0x308 w1c mask 0xf0003,
        /// Event routing to the PPI.
        Evten @ 0x340 rw mask 0xf0003,
        /// Enable event routing.
        Evtenset @ 0x344 w1s mask 0xf0003,
        /// Disable event routing.
        Evtenclr @ 0x348 w1c mask 0xf0003,
        /// The counter.
        Counter @ 0x504 ro,
        /// The counter steps at 32768 Hz / (PRESCALER + 1). Writable while stopped.
        Prescaler @ 0x508 rw mask 0xfff,
        /// Compare values.
        Cc @ 0x540 [4, 4] rw mask 0xff_ffff,
        /// Power switch of the block.
        Power @ 0xffc rw reset 0x1 mask 0x1,
    }
}

impl Block for Reg {
    const INTENSET: Reg = Reg::Intenset;
    const INTENCLR: Reg = Reg::Intenclr;
}

/// Input: the low-frequency clock runs.
pub const LFCLK: Pin = 0;

const STEP: Tag = 0;
const CHANNELS: usize = 4;
const MASK: u32 = 0xff_ffff;
const OVERFLOW_TEST: u32 = 0xff_fff0;

/// An RTC.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rtc {
    bank: Bank<Reg>,
    started: bool,
    /// The low-frequency clock, if it runs.
    lfclk: Option<Clock>,
    /// The counter was `base` at tick `base_tick`.
    base: u32,
    base_tick: u64,
    /// PRESCALER as latched by START.
    divider: u64,
}

impl Rtc {
    /// An RTC whose clock does not run yet.
    pub fn new() -> Rtc {
        Rtc { bank: Bank::default(), started: false, lfclk: None, base: 0, base_tick: 0, divider: 1 }
    }

    fn clock(&self) -> Option<Clock> {
        self.lfclk.filter(|_| self.started)
    }

    /// Steps of the counter since the base.
    fn steps(&self, cx: &mut Cx) -> u64 {
        let ticks = |c: Clock| c.ticks(cx.now()).saturating_sub(self.base_tick) / self.divider;
        self.clock().map_or(0, ticks)
    }

    fn count(&self, cx: &mut Cx) -> u32 {
        self.base.wrapping_add(self.steps(cx) as u32) & MASK
    }

    /// The counter is `n` from the next tick on, where a new prescaler period begins.
    fn rebase(&mut self, n: u32, cx: &mut Cx) {
        self.base = n;
        self.base_tick = self.lfclk.map_or(0, |c| c.ticks(cx.now()) + 1);
        self.schedule(cx);
    }

    fn enabled(&self, ev: Reg, i: usize) -> bool {
        (self.bank.reg(Reg::Evten) | self.bank.reg(Reg::Intenset)) & event_bit(ev.info(), i as u32) != 0
    }

    fn schedule(&mut self, cx: &mut Cx) {
        let Some(clock) = self.clock() else { return cx.cancel(STEP) };
        let now = self.count(cx);
        // Equal now is a whole round away.
        let until = |v: u32| u64::from(v.wrapping_sub(now).wrapping_sub(1) & MASK) + 1;
        let compares = (0..CHANNELS).filter(|&i| self.enabled(Reg::EventsCompare, i));
        let compares = compares.map(|i| until(self.bank.at(Reg::Cc, i)));
        let tick = self.enabled(Reg::EventsTick, 0).then_some(1);
        let overflow = self.enabled(Reg::EventsOvrflw, 0).then(|| until(0));
        match compares.chain(tick).chain(overflow).min() {
            Some(n) => {
                let tick = self.base_tick + (self.steps(cx) + n) * self.divider;
                cx.at(clock.edge(tick), STEP);
            }
            None => cx.cancel(STEP),
        }
    }

    fn stop(&mut self, cx: &mut Cx) {
        self.base = self.count(cx);
        self.started = false;
        cx.cancel(STEP);
    }

    fn set_evten(&mut self, v: u32, cx: &mut Cx) {
        for r in [Reg::Evten, Reg::Evtenset, Reg::Evtenclr] {
            self.bank.put(r, v);
        }
        self.schedule(cx);
    }
}

impl Default for Rtc {
    fn default() -> Self {
        Rtc::new()
    }
}

impl Device for Rtc {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-rtc";
    const NOT_MODELLED: &'static [&'static str] = &[
        "tasks act at once; on hardware within the next two periods of the 32.768 kHz clock (19.1.8)",
        "a CC value written just before its match always matches",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        *self = Rtc { lfclk: self.lfclk, ..Rtc::new() };
        update_irq(&self.bank, cx);
    }

    fn read(&mut self, r: Reg, i: usize, cx: &mut Cx) -> u32 {
        if r == Reg::Counter { self.count(cx) } else { self.bank.at(r, i) }
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        if common::write_common(&mut self.bank, r, cx) {
            return self.schedule(cx);
        }
        match r {
            Reg::Evten | Reg::Evtenset | Reg::Evtenclr => self.set_evten(v, cx),
            Reg::Cc => self.schedule(cx),
            Reg::Prescaler if self.started => cx.guest_error("PRESCALER written while the RTC runs"),
            Reg::Power if v == 0 => {
                common::power_off(self, &[STEP], cx);
                self.bank.put(Reg::Power, 0);
            }
            _ => {}
        }
    }

    fn task(&mut self, r: Reg, _: usize, cx: &mut Cx) {
        match r {
            Reg::TasksStart if !self.started => {
                self.started = true;
                self.divider = u64::from(self.bank.reg(Reg::Prescaler)) + 1;
                self.rebase(self.base, cx);
            }
            Reg::TasksStop => self.stop(cx),
            Reg::TasksClear => self.rebase(0, cx),
            Reg::TasksTrigovrflw => self.rebase(OVERFLOW_TEST, cx),
            _ => {}
        }
    }

    fn event(&mut self, _: Tag, cx: &mut Cx) {
        let n = self.count(cx);
        if self.enabled(Reg::EventsTick, 0) {
            raise(&mut self.bank, Reg::EventsTick, 0, cx);
        }
        if n == 0 && self.enabled(Reg::EventsOvrflw, 0) {
            raise(&mut self.bank, Reg::EventsOvrflw, 0, cx);
        }
        for i in 0..CHANNELS {
            if self.enabled(Reg::EventsCompare, i) && self.bank.at(Reg::Cc, i) == n {
                raise(&mut self.bank, Reg::EventsCompare, i, cx);
            }
        }
        self.schedule(cx);
    }

    fn wire_in(&mut self, pin: Pin, level: bool, cx: &mut Cx) {
        if pin != LFCLK || level == self.lfclk.is_some() {
            return;
        }
        self.base = self.count(cx);
        self.lfclk = level.then(|| Clock::hz(LFCLK_HZ).based(cx.now(), 0));
        self.base_tick = 0;
        self.schedule(cx);
    }

    fn validate(&self) -> Result<(), String> {
        let sane = (1..=0x1000).contains(&self.divider) && self.base_tick >> 48 == 0 && self.base <= MASK;
        if sane { Ok(()) } else { Err("RTC counter out of range".into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nordic::common::IRQ;
    use emu_core::time::Time;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Rtc::new());

    fn running() -> Bench {
        let mut b = Bench::new(Rtc::new());
        b.set_pin(LFCLK, true);
        b
    }

    /// Time of LFCLK tick `n`.
    fn tick(n: u64) -> u64 {
        Clock::hz(LFCLK_HZ).edge(n).0
    }

    #[test]
    fn it_stands_still_without_its_clock() {
        let mut b = Bench::new(Rtc::new());
        b.set(Reg::TasksStart, 0, 1);
        b.advance(1_000_000_000);
        assert_eq!(b.get(Reg::Counter, 0), 0);
        b.set_pin(LFCLK, true);
        b.advance(1_000_000_000);
        assert_eq!(b.get(Reg::Counter, 0), 32_768);
        b.set_pin(LFCLK, false);
        b.advance(1_000_000_000);
        assert_eq!(b.get(Reg::Counter, 0), 32_768);
    }

    #[test]
    fn compare_comes_at_its_edge_and_raises_the_interrupt() {
        let mut b = running();
        b.set(Reg::Cc, 0, 100);
        b.set(Reg::Intenset, 0, 1 << 16);
        b.set(Reg::TasksStart, 0, 1);
        b.advance(tick(101) - 1); // starts at tick 1
        assert!(!b.pin(IRQ));
        assert_eq!(b.get(Reg::Counter, 0), 99);
        b.advance(1);
        assert!(b.pin(IRQ));
        assert_eq!((b.get(Reg::Counter, 0), b.get(Reg::EventsCompare, 0)), (100, 1));
        b.set(Reg::EventsCompare, 0, 0);
        assert!(!b.pin(IRQ));
    }

    #[test]
    fn nothing_happens_that_nobody_enabled() {
        let mut b = running();
        b.set(Reg::Cc, 0, 3);
        b.set(Reg::TasksStart, 0, 1);
        assert_eq!(b.machine.next_activity(), Time::MAX);
        b.advance(1_000_000);
        assert_eq!(b.get(Reg::EventsCompare, 0), 0);
        b.set(Reg::Evtenset, 0, 1);
        assert_eq!((b.get(Reg::Evten, 0), b.get(Reg::Evtenclr, 0)), (1, 1));
        b.edges();
        b.advance(1_000_000_000);
        assert_eq!(b.pulses(Reg::EventsTick.slot(0)).len(), 32_768);
        assert!(!b.pin(IRQ));
        b.set(Reg::Evtenclr, 0, 1);
        assert_eq!(b.machine.next_activity(), Time::MAX);
    }

    #[test]
    fn ticks_do_not_drift() {
        let mut b = running();
        b.set(Reg::Evten, 0, 1);
        b.set(Reg::TasksStart, 0, 1);
        b.advance(200_000);
        let want: Vec<Time> = (2..7).map(|n| Time(tick(n))).collect();
        assert_eq!(b.pulses(Reg::EventsTick.slot(0)), want);
    }

    #[test]
    fn the_prescaler_divides_and_is_latched_by_start() {
        let mut b = running();
        b.set(Reg::Prescaler, 0, 327);
        b.set(Reg::TasksStart, 0, 1);
        b.set(Reg::Prescaler, 0, 0);
        assert_eq!(b.mistakes(), 1);
        b.advance(tick(1 + 328 * 50) - 1);
        assert_eq!(b.get(Reg::Counter, 0), 49);
        b.advance(1);
        assert_eq!(b.get(Reg::Counter, 0), 50);
    }

    #[test]
    fn overflow_follows_trigovrflw_by_16_ticks() {
        let mut b = running();
        b.set(Reg::Intenset, 0, 2);
        b.set(Reg::TasksStart, 0, 1);
        b.set(Reg::TasksTrigovrflw, 0, 1);
        assert_eq!(b.get(Reg::Counter, 0), 0xff_fff0);
        b.advance(tick(17) - 1);
        assert!(!b.pin(IRQ));
        b.advance(1);
        assert_eq!((b.pin(IRQ), b.get(Reg::Counter, 0)), (true, 0));
        b.advance(1_000_000);
        b.set(Reg::TasksClear, 0, 1);
        assert_eq!(b.get(Reg::Counter, 0), 0);
    }
}
