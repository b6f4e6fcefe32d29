//! The private peripheral bus.

use super::*;
use crate::m::scs::Outcome;

#[test]
fn bytes_and_halfwords_of_priorities() {
    let mut b = Bench::new("cortex-m4");
    assert!(b.put(0xe000_e405, 1, 0xaf, true));
    assert_eq!(b.read(0xe000_e404), 0xa000);
    assert!(b.put(0xe000_e406, 2, 0x5040, true));
    assert_eq!((b.read(0xe000_e404), b.access(0xe000_e407, 1, true)), (0x5040_a000, Some(0x50)));
    // SHPR3: PendSV and SysTick as bytes.
    assert!(b.put(0xe000_ed22, 1, 0xff, true) && b.put(0xe000_ed23, 1, 0xc0, true));
    assert_eq!(b.read(0xe000_ed20), 0xc0f0_0000);
    b.write(0xe000_ed18, u32::MAX);
    b.write(0xe000_ed1c, u32::MAX);
    assert_eq!((b.read(0xe000_ed18), b.read(0xe000_ed1c)), (0x00f0_f0f0, 0xf000_0000));
    let mut b = Bench::new("cortex-m0");
    b.write(0xe000_ed1c, u32::MAX);
    b.write(0xe000_ed20, u32::MAX);
    b.write(0xe000_e41c, u32::MAX);
    assert_eq!(
        [0xe000_ed1c, 0xe000_ed20, 0xe000_e41c, 0xe000_ed18].map(|a| b.read(a)),
        [0xc000_0000, 0xc0c0_0000, 0xc0c0_c0c0, 0]
    );
}

#[test]
fn shcsr_as_a_halfword_keeps_the_other_half() {
    let mut b = Bench::new("cortex-m4");
    b.write(SHCSR, FAULTS_ON);
    b.interrupt(SVCALL);
    assert_eq!(b.read(SHCSR), FAULTS_ON | 1 << 7);
    assert_eq!(b.access(SHCSR, 2, true), Some(1 << 7));
    // What a fault handler does to leave its fault behind: clears the active bits.
    assert!(b.put(SHCSR, 2, 0, true));
    assert_eq!(b.read(SHCSR), FAULTS_ON);
    assert_eq!(b.sys.nvic.active_count(), 0);
    assert!(b.put(SHCSR + 2, 1, 2, true));
    assert_eq!(b.read(SHCSR), 1 << 17);
    b.write(SHCSR, 1 << 15 | 1 << 12);
    assert!(b.sys.nvic.is_pending(SVCALL) && b.sys.nvic.is_pending(USAGE_FAULT));
    assert_eq!(b.sys.nvic.next(), Some(SVCALL), "UsageFault is not enabled");
}

#[test]
fn single_byte_writes_to_set_and_clear_registers_touch_nothing_else() {
    let mut b = Bench::new("cortex-m3");
    b.write(0xe000_e100, 0x0101_0101);
    assert!(b.put(0xe000_e181, 1, 1, true));
    assert_eq!(b.read(0xe000_e100), 0x0101_0001);
    assert!(b.put(0xe000_e202, 1, 0x80, true));
    assert_eq!(b.read(0xe000_e280), 0x80_0000);
}

#[test]
fn the_key_guards_aircr() {
    let mut b = Bench::new("cortex-m3");
    let a = PpbAccess { cycle: 0, privileged: true, peek: false };
    b.write(0xe000_ed0c, 0x0700 | 4);
    assert_eq!(b.read(0xe000_ed0c), 0xfa05_0000);
    b.write(0xe000_ed0c, 0x05fa_0500);
    assert_eq!(b.read(0xe000_ed0c), 0xfa05_0500);
    let out = b.sys.ppb_write(0xe000_ed0c, 4, 0x05fa_0004, a).unwrap();
    assert_eq!(out, Outcome { reset: true, changed: true, ..Outcome::default() });
    b.interrupt(IRQ0);
    b.write(0xe000_ed0c, 0x05fa_0002);
    assert_eq!(b.sys.nvic.active_count(), 0);
}

#[test]
fn icsr_sets_and_clears() {
    let mut b = Bench::new("cortex-m0");
    b.sys.st.primask = true;
    b.write(ICSR, 1 << 28 | 1 << 26);
    assert_eq!(b.read(ICSR), 1 << 28 | 1 << 26 | u32::from(PENDSV) << 12);
    b.write(ICSR, 1 << 27);
    assert_eq!(b.read(ICSR), 1 << 26 | u32::from(SYSTICK) << 12);
    b.write(ICSR, 1 << 25);
    assert_eq!(b.read(ICSR), 0);
    // FAULTMASK and BASEPRI hide what they mask; ISRPENDING counts disabled interrupts.
    let mut b = Bench::new("cortex-m3");
    b.write(0xe000_e200, 1);
    assert_eq!(b.read(ICSR), 1 << 22 | 1 << 11);
    b.write(0xe000_e100, 1);
    b.write(0xe000_e400, 0x80);
    assert_eq!(b.read(ICSR) >> 12 & 0x1ff, 16);
    b.sys.st.basepri = 0x80;
    assert_eq!(b.read(ICSR) >> 12 & 0x1ff, 0);
}

#[test]
fn unprivileged_accesses_fault_but_stir_may_be_allowed() {
    let mut b = Bench::new("cortex-m3");
    assert_eq!(b.access(0xe000_ed00, 4, false), None);
    assert!(!b.put(0xe000_e100, 4, 1, false) && !b.put(0xe000_ef00, 4, 3, false));
    b.write(CCR, 2);
    assert!(b.put(0xe000_ef00, 4, 3, false));
    assert!(b.sys.nvic.is_pending(IRQ0 + 3));
    assert!(!b.put(0xe000_e100, 4, 1, false));
}

#[test]
fn what_exists_and_what_faults() {
    let mut b = Bench::new("cortex-m3");
    assert_eq!(b.read(0xe000_ed00), 0x412f_c231);
    assert_eq!(b.read(0xe000_e004), 0);
    assert_eq!(b.access(0xe000_ed02, 4, true), None, "accesses must not cross a word");
    assert_eq!(b.access(0xe000_3000, 4, true), None);
    assert_eq!(b.access(0xe004_2000, 4, true), None);
    assert_eq!(b.read(0xe00f_fff0), 0x0d);
    assert_eq!(Bench::new("cortex-m0").access(0xe000_0000, 4, true), None);
    let a = PpbAccess { cycle: 0, privileged: true, peek: false };
    assert!(b.sys.ppb_read(0xe000_2000, 4, a).unwrap().1.unknown);
    let mut b = Bench::with(MConfig { irqs: 240, ..MConfig::named("cortex-m4").unwrap() });
    assert_eq!(b.read(0xe000_e004), 7);
    b.write(0xe000_e11c, u32::MAX);
    assert_eq!(b.read(0xe000_e19c), 0xffff);
}

#[test]
fn fixed_and_writable_bits_of_ccr() {
    for (name, reset, ones) in
        [("cortex-m0", 0x208, 0x208), ("cortex-m3", 0x200, 0x31b), ("cortex-m7", 0x4_0200, 0x7_031b)]
    {
        let mut b = Bench::new(name);
        assert_eq!(b.read(CCR), reset, "{name}");
        b.write(CCR, u32::MAX);
        assert_eq!(b.read(CCR), ones, "{name}");
    }
    assert!(Bench::new("cortex-m0").sys.unaligned_traps());
}

#[test]
fn the_cycle_counter_needs_trcena() {
    let mut b = Bench::new("cortex-m4");
    let at = |cycle| PpbAccess { cycle, privileged: true, peek: false };
    b.sys.ppb_write(0xe000_1000, 4, 1, at(10)).unwrap();
    assert_eq!(b.sys.ppb_read(0xe000_1004, 4, at(20)).unwrap().0, 0);
    b.sys.ppb_write(0xe000_edfc, 4, 1 << 24, at(100)).unwrap();
    assert_eq!(b.sys.ppb_read(0xe000_1004, 4, at(130)).unwrap().0, 30);
    assert_eq!(b.sys.ppb_read(0xe000_1000, 4, at(130)).unwrap().0 & 1, 1);
}

#[test]
fn systick_asks_to_be_scheduled() {
    let mut b = Bench::new("cortex-m3");
    let at = |cycle| PpbAccess { cycle, privileged: true, peek: false };
    assert!(b.sys.ppb_write(0xe000_e014, 4, 99, at(50)).unwrap().systick);
    b.sys.ppb_write(0xe000_e010, 4, 7, at(50)).unwrap();
    assert_eq!(b.sys.systick.next_event(), Some(150));
    b.sys.systick_event(150);
    assert_eq!(b.sys.systick.next_event(), Some(250));
    b.take();
    assert_eq!(b.running(), SYSTICK);
    let peek = PpbAccess { peek: true, ..at(160) };
    assert_eq!(b.sys.ppb_read(0xe000_e010, 4, peek).unwrap().0 >> 16, 1);
    assert_eq!(b.sys.ppb_read(0xe000_e010, 4, at(160)).unwrap().0 >> 16, 1);
    assert_eq!(b.sys.ppb_read(0xe000_e010, 4, at(161)).unwrap().0 >> 16, 0);
}

/// Any access to any address does something defined: the core goes on, and its state saves and loads.
#[test]
fn random_accesses_do_no_harm() {
    for name in MConfig::names() {
        let mut b = Bench::new(name);
        let mut x = 1u64;
        let mut rnd = || {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (x >> 33) as u32
        };
        for cycle in 0..20_000u64 {
            let area = [0xe000_e000, 0xe000_ed00, 0xe000_e000, 0xe000_0000, 0xe00f_f000][rnd() as usize % 5];
            let addr = area + rnd() % 0x1000;
            let (size, v) = (1 << (rnd() % 3), rnd() << (rnd() % 20));
            let a = PpbAccess { cycle: cycle * 7, privileged: rnd() % 8 != 0, peek: rnd() % 8 == 0 };
            if rnd() % 2 == 0 {
                _ = b.sys.ppb_write(addr, size, v, a);
            } else {
                _ = b.sys.ppb_read(addr, size, a);
            }
            b.sys.set_line(rnd() as u16 % 600, rnd() % 2 == 0);
            if b.sys.can_take() && !b.sys.st.lockup {
                b.take();
            } else if b.sys.st.handler() {
                b.regs.set_r(LR, 0xffff_ff00 | rnd());
                b.ret();
            }
            b.sys.st.lockup = false;
        }
        let mut copy = System::new(b.sys.cfg.clone());
        copy.load(&b.sys.save()).unwrap();
        assert_eq!(copy, b.sys, "{name}");
    }
}
