//! Platform-level interrupt controller (RISC-V PLIC specification 1.0.0): 95 sources, one context, the machine mode of
//! hart 0.
//!
//! Sources are levels. A gateway forwards one request, which stays pending until it is claimed even if the level falls,
//! and forwards the next one when the first is completed (chapter 2). A claim takes the pending and enabled source of
//! the highest priority above 0, the lowest number among equals, whatever the threshold (chapter 9).
//!
//! A level that still stands when its request is completed is forwarded again [`AGAIN_NS`] later. The specification leaves
//! that time open; QEMU's controller does not look at the level again until the device sets it anew. Drivers for QEMU's
//! machine count on it: OpenHarmony's UART handler only wakes the task that reads the byte, which would never run.
//!
//! ## Pins
//! Out: [`MEIP`]. In: one for each source, by number; source 0 does not exist.

use emu_core::{
    device::{Cx, Device, Pin, ResetKind},
    events::Tag,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Chapter 3.
    pub enum Reg {
        /// Priority of each source; that of source 0 is storage without effect.
        Priority @ 0x00_0000 [96, 4] rw mask 0x7,
        /// Pending sources.
        Pending @ 0x00_1000 [3, 4] ro,
        /// Sources enabled for context 0.
        Enable @ 0x00_2000 [3, 4] rw,
        /// Priorities up to this one do not interrupt context 0.
        Threshold @ 0x20_0000 rw mask 0x7,
        /// Reading claims a source, writing its number completes it.
        Claim @ 0x20_0004 rw,
    }
}

/// The interrupt of context 0.
pub const MEIP: Pin = 0;
/// Sources, number 0 included.
pub const SOURCES: u16 = 96;
const WORDS: usize = 3;
/// From a completion to the next request of a level that still stands: enough to leave a handler, change the task and
/// make some way in it.
pub const AGAIN_NS: u64 = 10_000;

/// A PLIC.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Plic {
    bank: Bank<Reg>,
    level: [u32; WORDS],
    /// Claimed and not completed: the gateway is shut.
    claimed: [u32; WORDS],
}

fn bit(set: &[u32; WORDS], n: usize) -> bool {
    set[n / 32] >> (n % 32) & 1 != 0
}
fn put(set: &mut [u32; WORDS], n: usize, on: bool) {
    set[n / 32] = set[n / 32] & !(1 << (n % 32)) | u32::from(on) << (n % 32);
}

impl Plic {
    fn set_pending(&mut self, n: usize, on: bool) {
        let mut pending = self.bank.at(Reg::Pending, n / 32) & !(1 << (n % 32));
        pending |= u32::from(on) << (n % 32);
        self.bank.put_at(Reg::Pending, n / 32, pending);
    }

    /// The source that a claim would take, with its priority.
    fn best(&self) -> Option<(usize, u32)> {
        let mut best = None;
        for word in 0..WORDS {
            let mut ready = self.bank.at(Reg::Pending, word) & self.bank.at(Reg::Enable, word);
            while ready != 0 {
                let n = 32 * word + ready.trailing_zeros() as usize;
                ready &= ready - 1;
                let priority = self.bank.at(Reg::Priority, n);
                if priority > best.map_or(0, |(_, p)| p) {
                    best = Some((n, priority));
                }
            }
        }
        best
    }

    fn update(&mut self, cx: &mut Cx) {
        let threshold = self.bank.reg(Reg::Threshold);
        cx.wire(MEIP, self.best().is_some_and(|(_, priority)| priority > threshold));
    }

    /// A request goes through the gateway of source `n` unless one is under way.
    fn request(&mut self, n: usize, cx: &mut Cx) {
        if (1..usize::from(SOURCES)).contains(&n) && !bit(&self.claimed, n) {
            self.set_pending(n, true);
            self.update(cx);
        }
    }

    fn claim(&mut self, cx: &mut Cx) -> u32 {
        let Some((n, _)) = self.best() else { return 0 };
        self.set_pending(n, false);
        put(&mut self.claimed, n, true);
        self.update(cx);
        n as u32
    }

    /// A number that is not enabled for the context is ignored (chapter 9).
    fn complete(&mut self, n: u32, cx: &mut Cx) {
        let n = n as usize;
        if n == 0 || n >= usize::from(SOURCES) || self.bank.at(Reg::Enable, n / 32) >> (n % 32) & 1 == 0 {
            return cx.guest_error("completion of an interrupt that is not enabled");
        }
        put(&mut self.claimed, n, false);
        if bit(&self.level, n) {
            cx.after(AGAIN_NS, n as Tag);
        }
    }
}

impl Device for Plic {
    type Reg = Reg;
    const KIND: &'static str = "sifive,plic";
    const NOT_MODELLED: &'static [&'static str] =
        &["contexts other than machine mode of hart 0", "edge-triggered gateways"];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        *self = Plic { level: self.level, ..Plic::default() };
        for n in (1..usize::from(SOURCES)).filter(|n| bit(&self.level, *n)).collect::<Vec<_>>() {
            self.set_pending(n, true);
        }
        self.update(cx);
    }

    fn read(&mut self, r: Reg, i: usize, cx: &mut Cx) -> u32 {
        if r == Reg::Claim { self.claim(cx) } else { self.bank.at(r, i) }
    }

    fn write(&mut self, r: Reg, i: usize, v: u32, cx: &mut Cx) {
        match r {
            Reg::Claim => {
                self.bank.put(Reg::Claim, 0);
                self.complete(v, cx);
            }
            Reg::Enable if i == 0 => {
                self.bank.put_at(r, 0, v & !1);
                self.update(cx);
            }
            _ => self.update(cx),
        }
    }

    fn wire_in(&mut self, pin: Pin, level: bool, cx: &mut Cx) {
        let n = usize::from(pin);
        if n >= usize::from(SOURCES) {
            return;
        }
        put(&mut self.level, n, level);
        cx.cancel(n as Tag);
        if level {
            self.request(n, cx);
        }
    }

    fn event(&mut self, tag: Tag, cx: &mut Cx) {
        self.request(usize::from(tag), cx);
    }

    fn pulse_in(&mut self, pin: Pin, cx: &mut Cx) {
        self.request(pin.into(), cx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Plic::default());

    fn bench(sources: &[(u16, u32)]) -> Bench {
        let mut b = Bench::new(Plic::default());
        for &(n, priority) in sources {
            b.set(Reg::Priority, n.into(), priority);
            let word = usize::from(n) / 32;
            let enabled = b.get(Reg::Enable, word);
            b.set(Reg::Enable, word, enabled | 1 << (n % 32));
        }
        b
    }

    #[test]
    fn a_level_interrupts_until_it_is_served() {
        let mut b = bench(&[(10, 1)]);
        b.set_pin(10, true);
        assert_eq!((b.pin(MEIP), b.get(Reg::Pending, 0)), (true, 1 << 10));
        assert_eq!(b.get(Reg::Claim, 0), 10);
        assert_eq!((b.pin(MEIP), b.get(Reg::Pending, 0), b.get(Reg::Claim, 0)), (false, 0, 0));
        b.set(Reg::Claim, 0, 10); // the level is still up
        b.advance(AGAIN_NS);
        assert!(b.pin(MEIP));
        assert_eq!(b.get(Reg::Claim, 0), 10);
        b.set_pin(10, false);
        b.set(Reg::Claim, 0, 10);
        assert_eq!((b.pin(MEIP), b.get(Reg::Claim, 0), b.mistakes()), (false, 0, 0));
    }

    #[test]
    fn a_request_stays_though_the_level_falls() {
        let mut b = bench(&[(40, 3)]);
        b.set_pin(40, true);
        b.set_pin(40, false);
        assert_eq!((b.pin(MEIP), b.get(Reg::Claim, 0)), (true, 40));
        b.set_pin(40, true); // the gateway is shut
        assert!(!b.pin(MEIP));
        b.set(Reg::Claim, 0, 40);
        b.advance(AGAIN_NS);
        assert!(b.pin(MEIP));
    }

    /// OpenHarmony's LiteOS-M: the handler wakes the task that serves the device, and the task has to come to run.
    #[test]
    fn mend_a_level_that_stands_leaves_time_for_a_task() {
        let mut b = bench(&[(10, 1)]);
        b.set_pin(10, true);
        for _ in 0..3 {
            assert_eq!(b.get(Reg::Claim, 0), 10);
            b.set(Reg::Claim, 0, 10);
            b.advance(AGAIN_NS - 1);
            assert_eq!((b.pin(MEIP), b.get(Reg::Claim, 0)), (false, 0));
            b.advance(1);
            assert!(b.pin(MEIP), "nothing is lost");
        }
        assert_eq!(b.get(Reg::Claim, 0), 10);
        b.set(Reg::Claim, 0, 10);
        b.set_pin(10, false); // the task served it
        b.advance(2 * AGAIN_NS);
        assert!(!b.pin(MEIP));
        b.set_pin(10, true);
        assert!(b.pin(MEIP), "what comes anew is told at once");
    }

    #[test]
    fn the_highest_priority_wins_and_the_lowest_number_among_equals() {
        let mut b = bench(&[(3, 2), (9, 5), (8, 5), (70, 7), (71, 0)]);
        for n in [71, 3, 9, 8, 70] {
            b.set_pin(n, true);
        }
        let order: Vec<_> = (0..6).map(|_| b.get(Reg::Claim, 0)).collect();
        assert_eq!(order, [70, 8, 9, 3, 0, 0]);
    }

    #[test]
    fn the_threshold_holds_the_line_back_but_not_a_claim() {
        let mut b = bench(&[(5, 3)]);
        b.set(Reg::Threshold, 0, 3);
        b.set_pin(5, true);
        assert!(!b.pin(MEIP));
        b.set(Reg::Threshold, 0, 2);
        assert!(b.pin(MEIP));
        b.set(Reg::Threshold, 0, 7);
        assert_eq!((b.pin(MEIP), b.get(Reg::Claim, 0)), (false, 5));
    }

    #[test]
    fn source_0_does_not_exist() {
        let mut b = bench(&[]);
        b.set(Reg::Priority, 0, 7);
        b.set(Reg::Enable, 0, u32::MAX);
        b.set_pin(0, true);
        assert_eq!((b.get(Reg::Enable, 0), b.pin(MEIP), b.get(Reg::Pending, 0)), (!1, false, 0));
        b.set(Reg::Claim, 0, 0);
        b.set(Reg::Claim, 0, 96);
        assert_eq!(b.mistakes(), 2);
    }
}
