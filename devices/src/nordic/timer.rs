//! TIMER0-2 (chapter 18).
//!
//! The counter is never ticked: its value follows from the tick number of the 16 MHz clock, and only the next compare
//! match is scheduled.
//!
//! ## Parameters
//! `bits`: the widest counter the instance has, 32 (TIMER0) or 16 (TIMER1, TIMER2).

use super::common::{self, Block, HFCLK, raise, update_irq};
use emu_core::{
    Time,
    device::{Cx, Device, ResetKind},
    events::Tag,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 103.
    pub enum Reg {
        /// Start.
        TasksStart @ 0x000 task,
        /// Stop.
        TasksStop @ 0x004 task,
        /// Increment (counter mode).
        TasksCount @ 0x008 task,
        /// Clear the counter.
        TasksClear @ 0x00c task,
        /// Shut down.
        TasksShutdown @ 0x010 task,
        /// Capture the counter to CC\[n\].
        TasksCapture @ 0x040 [4, 4] task,
        /// The counter became CC\[n\].
        EventsCompare @ 0x140 [4, 4] event,
        /// Shortcuts: COMPARE\[n\] to CLEAR (bits 0-3) and STOP (bits 8-11).
        Shorts @ 0x200 rw mask 0xf0f,
        /// Enable interrupts.
        Intenset @ 0x304 w1s mask 0xf0000,
        /// Disable interrupts.
        Intenclr @ 0x308 w1c mask 0xf0000,
        /// 0 timer, 1 counter.
        Mode @ 0x504 rw mask 0x1,
        /// Width: 0 16 bits, 1 8 bits, 2 24 bits, 3 32 bits.
        Bitmode @ 0x508 rw mask 0x3,
        /// The timer runs at 16 MHz / 2^PRESCALER.
        Prescaler @ 0x510 rw reset 0x4 mask 0xf,
        /// Capture and compare values.
        Cc @ 0x540 [4, 4] rw,
        /// Not in the manual: drivers set it while the timer runs (product anomaly 73).
        Anomaly73 @ 0xc0c rw mask 0x1,
        /// Power switch of the block.
        Power @ 0xffc rw reset 0x1 mask 0x1,
    }
}

impl Block for Reg {
    const INTENSET: Reg = Reg::Intenset;
    const INTENCLR: Reg = Reg::Intenclr;
}

const COMPARE: Tag = 0;
const CHANNELS: usize = 4;

/// A TIMER.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timer {
    bank: Bank<Reg>,
    bits: u8,
    running: bool,
    /// The counter was `base` at tick `base_tick` of the 16 MHz clock (while it runs as a timer).
    base: u32,
    base_tick: u64,
    /// For when the next match is scheduled, if that is known. Not state.
    #[serde(skip)]
    due: Option<Time>,
}

impl Timer {
    /// A timer with a counter of at most `bits` bits.
    pub fn new(bits: u8) -> Timer {
        Timer { bank: Bank::default(), bits, running: false, base: 0, base_tick: 0, due: None }
    }

    fn mask(&self) -> u32 {
        let bits = match self.bank.reg(Reg::Bitmode) {
            0 => 16,
            1 => 8,
            2 => 24,
            _ => 32,
        };
        u32::MAX >> (32 - bits.min(u32::from(self.bits).clamp(1, 32)))
    }

    fn prescaler(&self) -> u32 {
        self.bank.reg(Reg::Prescaler).min(9)
    }

    /// The counter ticks by itself.
    fn ticking(&self) -> bool {
        self.running && self.bank.reg(Reg::Mode) == 0
    }

    /// Steps since the base.
    fn steps(&self, cx: &mut Cx) -> u64 {
        if self.ticking() {
            HFCLK.ticks(cx.now()).saturating_sub(self.base_tick) >> self.prescaler()
        } else {
            0
        }
    }

    fn count_after(&self, steps: u64) -> u32 {
        self.base.wrapping_add(steps as u32) & self.mask()
    }

    fn count(&self, cx: &mut Cx) -> u32 {
        self.count_after(self.steps(cx))
    }

    /// The counter is `n` from now on, and a new prescaler period begins.
    fn rebase(&mut self, n: u32, cx: &mut Cx) {
        self.base = n & self.mask();
        self.base_tick = HFCLK.first_tick_at(cx.now());
        self.schedule(cx);
    }

    fn schedule(&mut self, cx: &mut Cx) {
        let done = self.steps(cx);
        self.schedule_after(done, cx);
    }

    fn schedule_after(&mut self, done: u64, cx: &mut Cx) {
        if !self.ticking() {
            return self.cancel(cx);
        }
        let (mask, now) = (self.mask(), self.count_after(done));
        // Equal now is a whole round away: a match is the moment the counter becomes CC.
        let left = |cc: &u32| cc.wrapping_sub(now).wrapping_sub(1) & mask;
        let next = u64::from(self.bank.all(Reg::Cc).iter().map(left).min().unwrap_or(0)) + 1;
        let tick = self.base_tick + ((done + next) << self.prescaler());
        let at = HFCLK.edge(tick);
        if self.due.replace(at) != Some(at) {
            cx.at(at, COMPARE);
        }
    }

    fn cancel(&mut self, cx: &mut Cx) {
        self.due = None;
        cx.cancel(COMPARE);
    }

    /// The counter just became `n`.
    fn compare(&mut self, n: u32, cx: &mut Cx) {
        let mask = self.mask();
        let hits = (0..CHANNELS).filter(|&i| self.bank.at(Reg::Cc, i) & mask == n);
        let hits = hits.fold(0, |h, i| h | 1 << i);
        for i in (0..CHANNELS).filter(|i| hits & 1 << i != 0) {
            raise(&mut self.bank, Reg::EventsCompare, i, cx);
        }
        let shorts = self.bank.reg(Reg::Shorts);
        if shorts & hits != 0 {
            self.rebase(0, cx);
        }
        if shorts >> 8 & hits != 0 {
            self.stop(cx);
        }
        self.schedule(cx);
    }

    fn stop(&mut self, cx: &mut Cx) {
        self.base = self.count(cx);
        self.running = false;
        self.cancel(cx);
    }

    fn task_count(&mut self, cx: &mut Cx) {
        if self.running && self.bank.reg(Reg::Mode) == 1 {
            self.base = self.base.wrapping_add(1) & self.mask();
            self.compare(self.base, cx);
        }
    }
}

impl Device for Timer {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-timer";
    const NOT_MODELLED: &'static [&'static str] =
        &["SHUTDOWN acts like STOP", "MODE, BITMODE and PRESCALER act at once, also while the timer runs"];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        *self = Timer::new(self.bits);
        update_irq(&self.bank, cx);
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        if common::write_common(&mut self.bank, r, cx) {
            return;
        }
        match r {
            Reg::Cc => self.schedule(cx),
            // The old setting no longer tells the count: guests set these while the timer is stopped (18.1).
            Reg::Mode | Reg::Bitmode | Reg::Prescaler => {
                if self.running {
                    cx.guest_error("timer reconfigured while it runs");
                }
                if r == Reg::Bitmode && v >= 2 && self.bits < 24 {
                    cx.guest_error("timer has no 24 or 32 bit mode");
                }
                self.rebase(self.base, cx);
            }
            Reg::Power if v == 0 => {
                common::power_off(self, &[COMPARE], cx);
                self.bank.put(Reg::Power, 0);
            }
            _ => {}
        }
    }

    fn task(&mut self, r: Reg, i: usize, cx: &mut Cx) {
        match r {
            Reg::TasksStart if !self.running => {
                self.running = true;
                self.rebase(self.base, cx);
            }
            Reg::TasksStop | Reg::TasksShutdown => self.stop(cx),
            Reg::TasksCount => self.task_count(cx),
            Reg::TasksClear => self.rebase(0, cx),
            Reg::TasksCapture => {
                let done = self.steps(cx);
                let n = self.count_after(done);
                self.bank.put_at(Reg::Cc, i, n);
                self.schedule_after(done, cx);
            }
            _ => {}
        }
    }

    fn event(&mut self, _: Tag, cx: &mut Cx) {
        self.due = None;
        let n = self.count(cx);
        self.compare(n, cx);
    }

    fn validate(&self) -> Result<(), String> {
        if self.base_tick >> 62 == 0 { Ok(()) } else { Err("timer based in the far future".into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nordic::common::IRQ;
    use emu_core::{regs::RegSet, time::Time};
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Timer::new(32));

    fn count(b: &mut Bench) -> u32 {
        b.set(Reg::TasksCapture, 3, 1);
        b.get(Reg::Cc, 3)
    }

    #[test]
    fn the_first_step_is_one_prescaled_period_after_start() {
        let mut b = Bench::new(Timer::new(32));
        b.set(Reg::TasksStart, 0, 1);
        b.advance(999);
        assert_eq!(count(&mut b), 0);
        b.advance(1);
        assert_eq!(count(&mut b), 1);
        b.advance(1_000_000);
        assert_eq!(count(&mut b), 1001);
        b.set(Reg::TasksStop, 0, 1);
        b.advance(5_000);
        assert_eq!(count(&mut b), 1001);
        b.set(Reg::TasksStart, 0, 1);
        b.advance(2_000);
        assert_eq!(count(&mut b), 1003);
    }

    #[test]
    fn compare_edges_at_16_mhz_are_exact() {
        let mut b = Bench::new(Timer::new(32));
        b.set(Reg::Prescaler, 0, 0);
        b.set(Reg::Bitmode, 0, 3);
        b.set(Reg::Cc, 0, 3);
        b.set(Reg::Shorts, 0, 1);
        b.set(Reg::TasksStart, 0, 1);
        b.advance(1_000);
        // every 3 x 62.5 ns, rounded up to whole nanoseconds, without drift
        assert_eq!(b.pulses(Reg::EventsCompare.slot(0)), [188, 375, 563, 750, 938].map(Time));
    }

    #[test]
    fn the_interrupt_rises_at_the_match_and_falls_with_the_event() {
        let mut b = Bench::new(Timer::new(32));
        b.set(Reg::Cc, 1, 100);
        b.set(Reg::Intenset, 0, 1 << 17);
        b.set(Reg::TasksStart, 0, 1);
        b.advance(99_999);
        assert!(!b.pin(IRQ));
        b.advance(1);
        assert!(b.pin(IRQ));
        b.set(Reg::EventsCompare, 1, 0);
        assert!(!b.pin(IRQ));
        b.set(Reg::Intenclr, 0, 1 << 17);
        assert_eq!(b.get(Reg::Intenset, 0), 0);
        b.advance(65_536_000);
        assert_eq!((b.pin(IRQ), b.get(Reg::EventsCompare, 1)), (false, 1));
    }

    #[test]
    fn a_match_needs_the_counter_to_become_cc() {
        let mut b = Bench::new(Timer::new(32));
        b.set(Reg::Bitmode, 0, 1);
        b.set(Reg::TasksStart, 0, 1);
        b.advance(10_000);
        b.set(Reg::Cc, 0, 10);
        b.advance(255_999);
        assert_eq!(b.get(Reg::EventsCompare, 0), 0);
        b.advance(1);
        assert_eq!(b.get(Reg::EventsCompare, 0), 1);
    }

    #[test]
    fn two_channels_at_one_value_both_match_before_the_clear() {
        let mut b = Bench::new(Timer::new(16));
        b.set(Reg::Cc, 0, 5);
        b.set(Reg::Cc, 1, 5);
        b.set(Reg::Shorts, 0, 1 | 1 << 9);
        b.set(Reg::TasksStart, 0, 1);
        b.advance(20_000);
        assert_eq!((b.get(Reg::EventsCompare, 0), b.get(Reg::EventsCompare, 1)), (1, 1));
        assert_eq!(count(&mut b), 0); // cleared and stopped
    }

    #[test]
    fn counter_mode_counts_tasks() {
        let mut b = Bench::new(Timer::new(16));
        b.set(Reg::Mode, 0, 1);
        b.set(Reg::Bitmode, 0, 1);
        b.set(Reg::Cc, 0, 2);
        b.set(Reg::TasksStart, 0, 1);
        b.set(Reg::TasksCount, 0, 1);
        b.advance(1_000_000);
        assert_eq!((count(&mut b), b.get(Reg::EventsCompare, 0)), (1, 0));
        b.set(Reg::TasksCount, 0, 1);
        assert_eq!(b.get(Reg::EventsCompare, 0), 1);
        for _ in 0..254 {
            b.set(Reg::TasksCount, 0, 1);
        }
        assert_eq!(count(&mut b), 0);
    }

    #[test]
    fn a_short_timer_knows_16_bits_only() {
        let mut b = Bench::new(Timer::new(16));
        b.set(Reg::Bitmode, 0, 3);
        assert_eq!(b.mistakes(), 1);
        b.set(Reg::TasksStart, 0, 1);
        b.advance(65_537_000);
        assert_eq!(count(&mut b), 1);
    }
}
