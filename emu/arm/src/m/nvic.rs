//! Exceptions: enabled, pending, active, their priorities, and which one is next (DDI0403E B1.5, B3.4).
//!
//! The highest pending exception and the highest active priority are kept up to date at every change, so that the
//! question "is there anything to take?" costs two comparisons.

use super::config::MConfig;
use serde::{Deserialize, Serialize};

/// Exception numbers (DDI0403E table B1-4).
pub mod exc {
    /// Reset.
    pub const RESET: u16 = 1;
    /// Non-maskable interrupt.
    pub const NMI: u16 = 2;
    /// HardFault.
    pub const HARD_FAULT: u16 = 3;
    /// MemManage.
    pub const MEM_MANAGE: u16 = 4;
    /// BusFault.
    pub const BUS_FAULT: u16 = 5;
    /// UsageFault.
    pub const USAGE_FAULT: u16 = 6;
    /// SVCall.
    pub const SVCALL: u16 = 11;
    /// DebugMonitor.
    pub const DEBUG_MONITOR: u16 = 12;
    /// PendSV.
    pub const PENDSV: u16 = 14;
    /// SysTick.
    pub const SYSTICK: u16 = 15;
    /// First external interrupt.
    pub const IRQ0: u16 = 16;
}
use exc::*;

/// The interrupt line number that stands for NMI.
pub const NMI_LINE: u16 = 0xffff;
/// Lower than every priority.
pub const LOWEST: i16 = 256;

/// A set of exception numbers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Set(Vec<u64>);

impl Set {
    fn new(n: u16) -> Set {
        Set(vec![0; usize::from(n).div_ceil(64)])
    }
    fn get(&self, i: u16) -> bool {
        self.0.get(usize::from(i / 64)).is_some_and(|w| w >> (i % 64) & 1 != 0)
    }
    fn put(&mut self, i: u16, on: bool) {
        if let Some(w) = self.0.get_mut(usize::from(i / 64)) {
            *w = (*w & !(1 << (i % 64))) | (u64::from(on) << (i % 64));
        }
    }
    /// 32 bits from bit `i`, a multiple of 16.
    fn word(&self, i: u16) -> u32 {
        let (k, s) = (usize::from(i / 64), i % 64);
        let low = self.0.get(k).copied().unwrap_or(0) >> s;
        let high = if s > 32 { self.0.get(k + 1).copied().unwrap_or(0) << (64 - s) } else { 0 };
        (low | high) as u32
    }
    fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.iter().zip((0u16..).step_by(64)).flat_map(|(w, base)| bits(*w, base))
    }
}

/// The numbers of the bits of `w`, counted from `base`.
fn bits(mut w: u64, base: u16) -> impl Iterator<Item = u16> {
    std::iter::from_fn(move || {
        let i = w.checked_ilog2()?; // any order will do
        w &= !(1 << i);
        Some(base + i as u16)
    })
}

/// The exception controller's state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Nvic {
    exceptions: u16,
    prio_mask: u8,
    prigroup: u8,
    enabled: Set,
    pending: Set,
    active: Set,
    level: Set,
    prio: Vec<u8>,
    /// Highest pending and enabled exception: number (0: none), priority, group priority.
    #[serde(skip)]
    next: Next,
    /// Highest group priority of all active exceptions.
    #[serde(skip)]
    active_priority: i16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Next {
    number: u16,
    full: i16,
    group: i16,
}
const NONE: Next = Next { number: 0, full: LOWEST, group: LOWEST };

impl Nvic {
    /// After reset.
    pub fn new(cfg: &MConfig) -> Nvic {
        let n = cfg.exceptions();
        let mut nvic = Nvic {
            exceptions: n,
            prio_mask: cfg.prio_mask(),
            prigroup: 0,
            enabled: Set::new(n),
            pending: Set::new(n),
            active: Set::new(n),
            level: Set::new(n),
            prio: vec![0; usize::from(n)],
            next: NONE,
            active_priority: LOWEST,
        };
        for e in [NMI, HARD_FAULT, SVCALL, PENDSV, SYSTICK] {
            nvic.enabled.put(e, true);
        }
        nvic
    }

    /// The reset state with the input lines as they are: a line that is high is pending again.
    pub fn reset(&mut self, cfg: &MConfig) {
        let level = std::mem::replace(&mut self.level, Set::new(0));
        *self = Nvic::new(cfg);
        for e in level.iter() {
            self.pending.put(e, true);
        }
        self.level = level;
        self.refresh();
    }

    /// Number of exceptions, 16 more than interrupts.
    pub fn exceptions(&self) -> u16 {
        self.exceptions
    }

    // ---- priorities ----

    /// An exception's priority (DDI0403E B1.5.4).
    pub fn priority(&self, e: u16) -> i16 {
        match e {
            RESET => -3,
            NMI => -2,
            HARD_FAULT => -1,
            _ => self.prio.get(usize::from(e)).map_or(LOWEST, |p| i16::from(*p)),
        }
    }
    /// The part of a priority that decides about preemption.
    pub fn group(&self, priority: i16) -> i16 {
        if (0..LOWEST).contains(&priority) { priority & (-2 << self.prigroup) } else { priority }
    }
    /// An exception's group priority.
    pub fn group_priority(&self, e: u16) -> i16 {
        self.group(self.priority(e))
    }
    /// The priority byte of an exception.
    pub fn prio_byte(&self, e: u16) -> u8 {
        self.prio.get(usize::from(e)).copied().unwrap_or(0)
    }
    /// Sets a priority byte; unimplemented bits stay 0.
    pub fn set_prio_byte(&mut self, e: u16, v: u8) {
        let mask = self.prio_mask;
        if let Some(p) = self.prio.get_mut(usize::from(e)) {
            *p = v & mask;
            self.refresh();
        }
    }
    /// The implemented bits of a priority byte.
    pub fn prio_mask(&self) -> u8 {
        self.prio_mask
    }
    /// AIRCR.PRIGROUP.
    pub fn prigroup(&self) -> u8 {
        self.prigroup
    }
    /// Sets AIRCR.PRIGROUP.
    pub fn set_prigroup(&mut self, v: u8) {
        self.prigroup = v & 7;
        self.refresh();
    }
    /// Highest group priority of the active exceptions, [`LOWEST`] if there are none.
    pub fn active_priority(&self) -> i16 {
        self.active_priority
    }

    // ---- what is next ----

    /// The highest pending and enabled exception, if any.
    pub fn next(&self) -> Option<u16> {
        (self.next.number != 0).then_some(self.next.number)
    }
    /// The group priority of [`Nvic::next`].
    pub fn next_priority(&self) -> i16 {
        self.next.group
    }

    fn consider(&mut self, e: u16) {
        let full = self.priority(e);
        if (full, e) < (self.next.full, self.next.number) {
            self.next = Next { number: e, full, group: self.group(full) };
        }
    }

    /// Recomputes what is cached. Needed after loading.
    pub fn refresh(&mut self) {
        self.refresh_next();
        self.refresh_active();
    }

    fn refresh_next(&mut self) {
        self.next = NONE;
        for k in 0..self.pending.0.len() {
            for e in bits(self.pending.0[k] & self.enabled.0[k], 64 * k as u16) {
                self.consider(e);
            }
        }
    }

    fn refresh_active(&mut self) {
        let mut highest = LOWEST;
        for k in 0..self.active.0.len() {
            for e in bits(self.active.0[k], 64 * k as u16) {
                highest = highest.min(self.priority(e));
            }
        }
        self.active_priority = self.group(highest);
    }

    // ---- pending ----

    /// Whether an exception is pending.
    pub fn is_pending(&self, e: u16) -> bool {
        self.pending.get(e)
    }
    /// Makes an exception pending; says whether it was not.
    pub fn set_pending(&mut self, e: u16) -> bool {
        if e == 0 || e >= self.exceptions || self.pending.get(e) {
            return false;
        }
        self.pending.put(e, true);
        if self.enabled.get(e) {
            self.consider(e);
        }
        true
    }
    /// Software takes the pending state away; an interrupt whose line is high is pending again at once.
    pub fn clear_pending(&mut self, e: u16) {
        self.pending.put(e, self.level.get(e));
        self.refresh_next();
    }
    /// An external interrupt is pending, enabled or not (ICSR.ISRPENDING).
    pub fn isr_pending(&self) -> bool {
        self.pending.iter().any(|e| e >= IRQ0)
    }

    // ---- input lines ----

    /// Interrupt line `line` (or [`NMI_LINE`]) changed; says whether that made an exception pending.
    pub fn set_line(&mut self, line: u16, high: bool) -> bool {
        let e = if line == NMI_LINE { NMI } else { line.saturating_add(IRQ0) };
        if e >= self.exceptions || self.level.get(e) == high {
            return false;
        }
        self.level.put(e, high);
        high && self.set_pending(e)
    }

    // ---- enabled ----

    /// Whether an exception is enabled.
    pub fn is_enabled(&self, e: u16) -> bool {
        self.enabled.get(e)
    }
    /// Enables or disables an exception.
    pub fn enable(&mut self, e: u16, on: bool) {
        if e < self.exceptions {
            self.enabled.put(e, on);
            match on {
                true if self.pending.get(e) => self.consider(e),
                false if self.next.number == e => self.refresh_next(),
                _ => {}
            }
        }
    }

    // ---- active ----

    /// Whether an exception is active.
    pub fn is_active(&self, e: u16) -> bool {
        self.active.get(e)
    }
    /// Number of active exceptions.
    pub fn active_count(&self) -> u32 {
        self.active.0.iter().map(|w| w.count_ones()).sum()
    }
    /// Sets or clears the active state alone (SHCSR).
    pub fn set_active(&mut self, e: u16, on: bool) {
        if e < self.exceptions {
            self.active.put(e, on);
            self.refresh_active();
        }
    }
    /// The handler of `e` starts.
    pub fn acknowledge(&mut self, e: u16) {
        self.pending.put(e, false);
        self.active.put(e, true);
        self.active_priority = self.active_priority.min(self.group_priority(e));
        self.refresh_next();
    }
    /// The handler of `e` ends; an interrupt whose line is still high is pending again.
    pub fn deactivate(&mut self, e: u16) {
        self.active.put(e, false);
        if self.level.get(e) {
            self.set_pending(e);
        }
        self.refresh_active();
    }
    /// Nothing is active any more (AIRCR.VECTCLRACTIVE).
    pub fn clear_active(&mut self) {
        self.active = Set::new(self.exceptions);
        self.refresh();
    }

    // ---- 32 interrupts at once ----

    fn irq_mask(&self, word: u16) -> u32 {
        let left = (self.exceptions - IRQ0).saturating_sub(32 * word);
        if left >= 32 { u32::MAX } else { (1 << left) - 1 }
    }
    /// ISER/ICER.
    pub fn enable_word(&self, word: u16) -> u32 {
        self.enabled.word(IRQ0 + 32 * word)
    }
    /// ISPR/ICPR.
    pub fn pending_word(&self, word: u16) -> u32 {
        self.pending.word(IRQ0 + 32 * word)
    }
    /// IABR.
    pub fn active_word(&self, word: u16) -> u32 {
        self.active.word(IRQ0 + 32 * word)
    }
    fn each(&mut self, word: u16, ones: u32, mut act: impl FnMut(&mut Nvic, u16)) {
        for e in bits(u64::from(ones & self.irq_mask(word)), IRQ0 + 32 * word) {
            act(self, e);
        }
        self.refresh_next();
    }
    /// ISER and ICER writes.
    pub fn write_enable(&mut self, word: u16, ones: u32, on: bool) {
        for e in bits(u64::from(ones & self.irq_mask(word)), IRQ0 + 32 * word) {
            self.enable(e, on);
        }
    }
    /// ISPR write; says whether something became pending.
    pub fn write_set_pending(&mut self, word: u16, ones: u32) -> bool {
        let new = ones & self.irq_mask(word) & !self.pending_word(word);
        self.each(word, ones, |n, e| n.pending.put(e, true));
        new != 0
    }
    /// ICPR write.
    pub fn write_clear_pending(&mut self, word: u16, ones: u32) {
        self.each(word, ones, |n, e| n.pending.put(e, n.level.get(e)));
    }

    /// What a loaded state must satisfy.
    pub fn validate(&self, cfg: &MConfig) -> Result<(), String> {
        let words = usize::from(cfg.exceptions()).div_ceil(64);
        let sets = [&self.enabled, &self.pending, &self.active, &self.level];
        let shape = self.exceptions == cfg.exceptions()
            && self.prio.len() == usize::from(self.exceptions)
            && sets.iter().all(|s| s.0.len() == words && s.iter().all(|e| e < self.exceptions));
        if !shape || self.prio_mask != cfg.prio_mask() || self.prigroup > 7 {
            return Err("another interrupt controller".into());
        }
        if self.prio.iter().any(|p| p & !self.prio_mask != 0) {
            return Err("priorities with bits that do not exist".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nvic() -> Nvic {
        Nvic::new(&MConfig { irqs: 100, prio_bits: 4, ..MConfig::named("cortex-m4").unwrap() })
    }

    #[test]
    fn the_highest_pending_is_lowest_priority_then_lowest_number() {
        let mut n = nvic();
        n.write_enable(0, 0xff, true);
        n.write_set_pending(0, 0b1010);
        assert_eq!(n.next(), Some(IRQ0 + 1));
        n.set_prio_byte(IRQ0 + 1, 0x20);
        assert_eq!(n.next(), Some(IRQ0 + 3));
        n.set_prio_byte(IRQ0 + 3, 0x3f);
        assert_eq!((n.next(), n.prio_byte(IRQ0 + 3)), (Some(IRQ0 + 1), 0x30));
        n.set_pending(NMI);
        n.set_pending(HARD_FAULT);
        assert_eq!((n.next(), n.next_priority()), (Some(NMI), -2));
    }

    #[test]
    fn disabled_interrupts_stay_pending() {
        let mut n = nvic();
        n.set_line(40, true);
        assert!(n.is_pending(56) && n.isr_pending());
        assert_eq!(n.next(), None);
        n.write_enable(1, 1 << 8, true);
        assert_eq!(n.next(), Some(56));
        n.write_enable(1, 1 << 8, false);
        assert_eq!(n.next(), None);
    }

    #[test]
    fn a_level_pends_again_and_a_pulse_does_not() {
        let mut n = nvic();
        n.enable(IRQ0, true);
        n.set_line(0, true);
        n.acknowledge(IRQ0);
        assert!(!n.is_pending(IRQ0) && n.is_active(IRQ0));
        n.deactivate(IRQ0);
        assert!(n.is_pending(IRQ0) && !n.is_active(IRQ0));
        n.clear_pending(IRQ0);
        assert!(n.is_pending(IRQ0), "the line is still high");
        n.acknowledge(IRQ0);
        n.set_line(0, false);
        n.deactivate(IRQ0);
        assert!(!n.is_pending(IRQ0));
        n.set_line(0, true);
        n.set_line(0, false);
        assert!(n.is_pending(IRQ0), "a pulse is latched");
        n.write_clear_pending(0, 1);
        assert!(!n.is_pending(IRQ0));
    }

    #[test]
    fn a_second_edge_while_active_pends_again() {
        let mut n = nvic();
        n.set_line(0, true);
        n.acknowledge(IRQ0);
        n.set_line(0, false);
        assert!(n.set_line(0, true));
        assert!(n.is_pending(IRQ0) && n.is_active(IRQ0));
    }

    #[test]
    fn grouping() {
        let mut n = nvic();
        n.set_prio_byte(20, 0x50);
        n.set_prio_byte(21, 0x40);
        for (prigroup, a, b) in [(0, 0x50, 0x40), (3, 0x50, 0x40), (4, 0x40, 0x40), (6, 0, 0), (7, 0, 0)] {
            n.set_prigroup(prigroup);
            assert_eq!((n.group_priority(20), n.group_priority(21)), (a, b), "{prigroup}");
        }
        // The subpriority still decides which of two pending ones goes first.
        n.write_enable(0, 0x30, true);
        n.write_set_pending(0, 0x30);
        assert_eq!(n.next(), Some(21));
        assert_eq!(n.group(-1), -1);
    }

    #[test]
    fn words_end_at_the_last_interrupt() {
        let mut n = nvic();
        n.write_enable(3, u32::MAX, true);
        assert_eq!(n.enable_word(3), 0xf);
        n.write_enable(15, u32::MAX, true);
        assert_eq!(n.enable_word(15), 0);
        n.write_set_pending(1, 0x8000_0001);
        assert_eq!((n.pending_word(0), n.pending_word(1), n.pending_word(2)), (0, 0x8000_0001, 0));
        n.set_active(IRQ0 + 63, true);
        assert_eq!((n.active_word(0), n.active_word(1)), (0, 1 << 31));
        assert!(!n.set_line(100, true) && !n.set_line(0xfff0, true));
        assert!(n.set_line(NMI_LINE, true) && n.is_pending(NMI));
    }

    #[test]
    fn active_priority_follows_the_nesting() {
        let mut n = nvic();
        n.set_prio_byte(20, 0x50);
        n.set_prio_byte(21, 0x40);
        n.acknowledge(20);
        n.acknowledge(21);
        assert_eq!((n.active_priority(), n.active_count()), (0x40, 2));
        n.deactivate(21);
        assert_eq!(n.active_priority(), 0x50);
        n.clear_active();
        assert_eq!(n.active_priority(), LOWEST);
    }

    #[test]
    fn caches_are_rebuilt_after_loading() {
        let mut n = nvic();
        n.enable(30, true);
        n.set_pending(30);
        n.acknowledge(20);
        let mut m: Nvic = emu_core::save::from_bytes(&emu_core::save::to_bytes(&n)).unwrap();
        m.refresh();
        assert_eq!(m, n);
    }

    #[test]
    fn reset_keeps_the_lines() {
        let cfg = MConfig { irqs: 100, prio_bits: 4, ..MConfig::named("cortex-m4").unwrap() };
        let mut n = Nvic::new(&cfg);
        n.set_line(3, true);
        n.write_enable(0, 8, true);
        n.reset(&cfg);
        assert!(n.is_pending(IRQ0 + 3) && !n.is_enabled(IRQ0 + 3));
        assert!(!n.set_line(3, true));
        assert!(n.validate(&cfg).is_ok());
        assert!(n.validate(&MConfig { irqs: 99, ..cfg }).is_err());
    }
}
