//! Core-local interruptor (SiFive FE310-G002 manual, chapter 9; RISC-V volume II, 3.2.1): software interrupt and timer of
//! one hart.
//!
//! MTIP is up while mtime is not below mtimecmp, all 64 bits compared at every instant: a guest that writes the halves
//! one by one sees what lies between, as on hardware. mtimecmp is all ones after reset, so that no interrupt is pending.
//!
//! ## Parameters
//! `clock`: what mtime counts.
//!
//! ## Pins
//! Out: [`MSIP`], [`MTIP`].

use emu_core::{
    device::{Cx, Device, Pin, ResetKind},
    events::Tag,
    regs,
    regs::Bank,
    time::{Clock, Time},
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 24.
    pub enum Reg {
        /// Software interrupt of hart 0.
        Msip @ 0x0000 rw mask 0x1,
        /// Compare value of hart 0, low half.
        Mtimecmp @ 0x4000 rw reset 0xffff_ffff,
        /// High half.
        Mtimecmph @ 0x4004 rw reset 0xffff_ffff,
        /// The time, low half; both can be written.
        Mtime @ 0xbff8 rw,
        /// High half.
        Mtimeh @ 0xbffc rw,
    }
}

/// The hart's software interrupt.
pub const MSIP: Pin = 0;
/// The hart's timer interrupt.
pub const MTIP: Pin = 1;
const CHANGE: Tag = 0;
/// No machine runs for so many ticks.
const NEVER: u64 = 1 << 60;

/// A CLINT for one hart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Clint {
    bank: Bank<Reg>,
    hz: u64,
    /// mtime less the ticks since time zero.
    offset: u64,
}

impl Clint {
    /// A CLINT whose mtime counts `hz`.
    pub fn new(hz: u64) -> Clint {
        Clint { bank: Bank::default(), hz, offset: 0 }
    }

    fn mtime(&self, now: Time) -> u64 {
        Clock::hz(self.hz).ticks(now).wrapping_add(self.offset)
    }

    fn mtimecmp(&self) -> u64 {
        u64::from(self.bank.reg(Reg::Mtimecmph)) << 32 | u64::from(self.bank.reg(Reg::Mtimecmp))
    }

    /// Drives the lines, and comes back when the timer's changes next: as mtime reaches mtimecmp, or as it wraps.
    fn update(&mut self, cx: &mut Cx) {
        let now = cx.now();
        let (mtime, mtimecmp) = (self.mtime(now), self.mtimecmp());
        let due = mtime >= mtimecmp;
        cx.wire(MSIP, self.bank.reg(Reg::Msip) != 0);
        cx.wire(MTIP, due);
        // Down to zero, or from above mtimecmp over zero.
        let ticks = if due { 0u64.wrapping_sub(mtime) } else { mtimecmp - mtime };
        let clock = Clock::hz(self.hz);
        if (1..NEVER).contains(&ticks) && mtimecmp != 0 {
            cx.at(clock.edge(clock.ticks(now).saturating_add(ticks)), CHANGE);
        } else {
            cx.cancel(CHANGE);
        }
    }

    /// The guest sets one half of mtime.
    fn set_mtime(&mut self, r: Reg, v: u32, cx: &mut Cx) {
        let now = cx.now();
        let old = self.mtime(now);
        let new = match r {
            Reg::Mtime => old & !0xffff_ffff | u64::from(v),
            _ => old & 0xffff_ffff | u64::from(v) << 32,
        };
        self.offset = self.offset.wrapping_add(new.wrapping_sub(old));
    }
}

impl Device for Clint {
    type Reg = Reg;
    const KIND: &'static str = "sifive,clint";
    const NOT_MODELLED: &'static [&'static str] = &["more than one hart"];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        *self = Clint::new(self.hz);
        self.offset = 0u64.wrapping_sub(self.mtime(cx.now()));
        self.update(cx);
    }

    fn read(&mut self, r: Reg, i: usize, cx: &mut Cx) -> u32 {
        match r {
            Reg::Mtime => self.mtime(cx.now()) as u32,
            Reg::Mtimeh => (self.mtime(cx.now()) >> 32) as u32,
            _ => self.bank.at(r, i),
        }
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        if matches!(r, Reg::Mtime | Reg::Mtimeh) {
            self.set_mtime(r, v, cx);
        }
        self.update(cx);
    }

    fn event(&mut self, _: Tag, cx: &mut Cx) {
        self.update(cx);
    }

    fn validate(&self) -> Result<(), String> {
        if (1..=1_000_000_000).contains(&self.hz) { Ok(()) } else { Err("CLINT without a clock".into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Clint::new(10_000_000));

    fn bench() -> Bench {
        Bench::new(Clint::new(10_000_000))
    }
    fn mtime(b: &mut Bench) -> u64 {
        u64::from(b.get(Reg::Mtimeh, 0)) << 32 | u64::from(b.get(Reg::Mtime, 0))
    }
    fn compare(b: &mut Bench, v: u64) {
        b.set(Reg::Mtimecmp, 0, u32::MAX);
        b.set(Reg::Mtimecmph, 0, (v >> 32) as u32);
        b.set(Reg::Mtimecmp, 0, v as u32);
    }

    #[test]
    fn the_interrupt_comes_at_the_edge_and_stays_until_the_compare_moves() {
        let mut b = bench();
        b.advance(250);
        assert_eq!(mtime(&mut b), 2);
        compare(&mut b, 7);
        b.advance(449);
        assert!(!b.pin(MTIP));
        b.advance(1);
        assert_eq!((b.pin(MTIP), mtime(&mut b)), (true, 7));
        b.advance(1_000_000);
        assert!(b.pin(MTIP));
        compare(&mut b, 1 << 40);
        assert!(!b.pin(MTIP));
    }

    #[test]
    fn a_compare_in_the_past_is_due_at_once() {
        let mut b = bench();
        b.advance(1_000);
        compare(&mut b, 3);
        assert!(b.pin(MTIP));
        compare(&mut b, 0);
        assert!(b.pin(MTIP));
    }

    #[test]
    fn halves_are_compared_as_they_are_written() {
        let mut b = bench();
        b.advance(1_000);
        b.set(Reg::Mtimecmph, 0, 0); // 0x00000000ffffffff
        assert!(!b.pin(MTIP));
        b.set(Reg::Mtimecmp, 0, 5);
        assert!(b.pin(MTIP));
    }

    #[test]
    fn the_time_can_be_set_and_wraps() {
        let mut b = bench();
        b.advance(1_030);
        b.set(Reg::Mtime, 0, u32::MAX - 1);
        b.set(Reg::Mtimeh, 0, u32::MAX);
        compare(&mut b, u64::MAX);
        assert_eq!((mtime(&mut b), b.pin(MTIP)), (u64::MAX - 1, false));
        b.advance(70);
        assert_eq!((mtime(&mut b), b.pin(MTIP)), (u64::MAX, true));
        b.advance(100);
        assert_eq!((mtime(&mut b), b.pin(MTIP)), (0, false));
        let rises = b.edges();
        assert_eq!(rises.iter().map(|e| (e.0.0, e.2)).collect::<Vec<_>>(), [(1_100, true), (1_200, false)]);
    }

    #[test]
    fn reset_starts_time_anew() {
        let mut b = bench();
        b.advance(12_345);
        b.set(Reg::Msip, 0, u32::MAX);
        assert_eq!((b.get(Reg::Msip, 0), b.pin(MSIP)), (1, true));
        b.machine.reset(ResetKind::Soft);
        b.advance(0);
        assert_eq!((mtime(&mut b), b.get(Reg::Msip, 0), b.pin(MSIP)), (0, 0, false));
        b.advance(100);
        assert_eq!(mtime(&mut b), 1);
    }
}
