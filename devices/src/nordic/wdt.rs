//! WDT (chapter 24): watchdog on the 32.768 kHz clock.
//!
//! Once started it runs until the next reset. The time-out is counted from START and from the write that completes a
//! reload, (CRV + 1) / 32768 s.

use super::common::{self, Block, LFCLK_HZ, int_enabled, raise, update_irq};
use emu_core::{
    Clock,
    device::{Cx, Device, ResetKind},
    events::Tag,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 165.
    pub enum Reg {
        /// Start.
        TasksStart @ 0x000 task,
        /// The watchdog ran out; the reset follows.
        EventsTimeout @ 0x100 event,
        /// Enable interrupts.
        Intenset @ 0x304 w1s mask 0x1,
        /// Disable interrupts.
        Intenclr @ 0x308 w1c mask 0x1,
        /// 1: running.
        Runstatus @ 0x400 ro,
        /// Reload registers that were not written since the last reload.
        Reqstatus @ 0x404 ro reset 0x1,
        /// Counter reload value.
        Crv @ 0x504 rw reset 0xffff_ffff,
        /// Reload registers that count.
        Rren @ 0x508 rw reset 0x1 mask 0xff,
        /// Behaviour while the CPU sleeps (bit 0) or is halted (bit 3).
        Config @ 0x50c rw reset 0x1 mask 0x9,
        /// Reload registers.
        Rr @ 0x600 [8, 4] wo,
        /// Power switch of the block.
        Power @ 0xffc rw reset 0x1 mask 0x1,
    }
}

impl Block for Reg {
    const INTENSET: Reg = Reg::Intenset;
    const INTENCLR: Reg = Reg::Intenclr;
}

const TIMEOUT: Tag = 0;
const RESET: Tag = 1;
/// What a reload register wants to be written.
const RELOAD: u32 = 0x6E52_4635;
/// Smallest CRV (24.2.2).
const CRV_MIN: u32 = 0xf;
/// LFCLK cycles from the interrupt to the reset.
const GRACE: u64 = 2;

/// CRV, RREN and CONFIG as they were at START; later writes have no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Locked {
    crv: u32,
    rren: u32,
    config: u32,
}

/// The watchdog.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Wdt {
    bank: Bank<Reg>,
    locked: Option<Locked>,
}

impl Wdt {
    /// A watchdog that sleeps.
    pub fn new() -> Wdt {
        Wdt::default()
    }

    fn start(&mut self, cx: &mut Cx) {
        if self.locked.is_some() {
            return;
        }
        let [crv, rren, config] = [Reg::Crv, Reg::Rren, Reg::Config].map(|r| self.bank.reg(r));
        self.locked = Some(Locked { crv, rren, config });
        self.bank.put(Reg::Runstatus, 1);
        if config & 1 == 0 {
            cx.unimplemented("watchdog paused while the CPU sleeps");
        }
        self.reload(cx);
    }

    fn reload(&mut self, cx: &mut Cx) {
        let Some(l) = self.locked else { return };
        self.bank.put(Reg::Reqstatus, l.rren);
        let ticks = u64::from(l.crv.max(CRV_MIN)) + 1;
        cx.after(Clock::hz(LFCLK_HZ).span(ticks), TIMEOUT);
    }

    fn request(&mut self, i: usize, v: u32, cx: &mut Cx) {
        if v != RELOAD {
            return cx.guest_error("watchdog reload with a wrong value");
        }
        let left = self.bank.reg(Reg::Reqstatus) & !(1 << i);
        self.bank.put(Reg::Reqstatus, left);
        if left == 0 && cx.due(RESET).is_none() {
            self.reload(cx);
        }
    }
}

impl Device for Wdt {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-wdt";
    const NOT_MODELLED: &'static [&'static str] = &[
        "pausing while the CPU sleeps or a debugger halts it (CONFIG): it always counts",
        "the phase of the 32.768 kHz clock: counting begins at START",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        *self = Wdt::default();
        update_irq(&self.bank, cx);
    }

    fn write(&mut self, r: Reg, i: usize, v: u32, cx: &mut Cx) {
        if common::write_common(&mut self.bank, r, cx) {
            return;
        }
        match (r, self.locked) {
            (Reg::Rr, Some(_)) => self.request(i, v, cx),
            (Reg::Crv | Reg::Rren | Reg::Config, Some(l)) => {
                self.bank.put(Reg::Crv, l.crv);
                self.bank.put(Reg::Rren, l.rren);
                self.bank.put(Reg::Config, l.config);
                cx.guest_error("watchdog configured while it runs");
            }
            (Reg::Rren, None) => self.bank.put(Reg::Reqstatus, v),
            _ => {}
        }
    }

    fn task(&mut self, _: Reg, _: usize, cx: &mut Cx) {
        self.start(cx);
    }

    fn event(&mut self, tag: Tag, cx: &mut Cx) {
        if tag == RESET {
            return cx.reset_machine(ResetKind::Watchdog);
        }
        raise(&mut self.bank, Reg::EventsTimeout, 0, cx);
        // Only with the interrupt enabled is there time for a last act (24.2.3).
        let grace = if int_enabled(&self.bank, Reg::EventsTimeout, 0) { GRACE } else { 0 };
        cx.after(Clock::hz(LFCLK_HZ).span(grace), RESET);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nordic::common::IRQ;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Wdt::new());

    const SECOND: u64 = 1_000_000_000;

    fn started(rren: u32) -> Bench {
        let mut b = Bench::new(Wdt::new());
        b.set(Reg::Crv, 0, 32_767);
        b.set(Reg::Rren, 0, rren);
        b.set(Reg::TasksStart, 0, 1);
        b
    }

    #[test]
    fn it_bites_after_crv_plus_one_ticks() {
        let mut b = started(1);
        b.advance(SECOND - 1);
        assert_eq!(b.get(Reg::Runstatus, 0), 1);
        b.advance(1);
        assert_eq!(b.get(Reg::Runstatus, 0), 0); // the machine was reset, the watchdog with it
    }

    #[test]
    fn the_interrupt_comes_two_cycles_before_the_reset() {
        let mut b = started(1);
        b.set(Reg::Intenset, 0, 1);
        b.advance(SECOND);
        assert!(b.pin(IRQ));
        b.set(Reg::Rr, 0, RELOAD); // too late
        b.advance(61_035);
        assert_eq!(b.get(Reg::Runstatus, 0), 1);
        b.advance(1);
        assert_eq!((b.get(Reg::Runstatus, 0), b.pin(IRQ)), (0, false));
    }

    #[test]
    fn all_enabled_registers_must_be_written() {
        let mut b = started(0b101);
        b.advance(SECOND / 2);
        b.set(Reg::Rr, 0, RELOAD);
        b.set(Reg::Rr, 2, 1);
        assert_eq!((b.get(Reg::Reqstatus, 0), b.mistakes()), (0b100, 1));
        b.set(Reg::Rr, 2, RELOAD);
        assert_eq!(b.get(Reg::Reqstatus, 0), 0b101);
        b.advance(SECOND - 1);
        assert_eq!(b.get(Reg::Runstatus, 0), 1);
        b.advance(1);
        assert_eq!(b.get(Reg::Runstatus, 0), 0);
    }

    #[test]
    fn it_cannot_be_changed_once_it_runs() {
        let mut b = started(1);
        b.set(Reg::Crv, 0, 0xffff_ffff);
        assert_eq!((b.get(Reg::Crv, 0), b.mistakes()), (32_767, 1));
        b.set(Reg::TasksStart, 0, 1);
        b.advance(SECOND);
        assert_eq!(b.get(Reg::Runstatus, 0), 0);
    }
}
