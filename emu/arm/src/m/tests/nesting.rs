//! Priorities, preemption, tail-chaining, late arrival, integrity of returns.

use super::*;
use crate::m::{fault::Fault, scs::is_ppb};

const AIRCR: u32 = 0xe000_ed0c;
const IPR: u32 = 0xe000_e400;
const KEY: u32 = 0x05fa_0000;

#[test]
fn only_a_higher_group_preempts() {
    let mut b = Bench::new("cortex-m4");
    b.write(IPR, 0x3020_4050);
    b.write(0xe000_e100, 0xf);
    b.write(AIRCR, KEY | 4 << 8); // groups of 0x20
    b.sys.pend(IRQ0);
    b.take();
    assert_eq!(b.running(), IRQ0);
    b.sys.pend(IRQ0 + 1); // 0x40: the same group as 0x50
    assert!(!b.sys.can_take());
    b.write(AIRCR, KEY | 3 << 8); // groups of 0x10
    b.take();
    assert_eq!(b.running(), IRQ0 + 1);
    b.sys.pend(IRQ0 + 2);
    b.take();
    b.sys.pend(IRQ0 + 3);
    assert!(!b.sys.can_take());
    b.ret();
    assert_eq!(b.running(), IRQ0 + 3, "0x30 before the return to 0x40");
    b.ret();
    b.regs.set_r(LR, 0xffff_fff1);
    b.ret();
    b.regs.set_r(LR, 0xffff_fff9);
    b.ret();
    assert_eq!((b.running(), b.sp()), (0, TOP));
}

/// A return finds out anew what is active: a handler's group is what counts then, too.
#[test]
fn mend_a_handler_that_is_returned_to_is_not_preempted_within_its_group() {
    let mut b = Bench::new("cortex-m4");
    b.write(IPR, 0x0020_4050);
    b.write(0xe000_e100, 7);
    b.write(AIRCR, KEY | 4 << 8); // groups of 0x20
    b.sys.pend(IRQ0);
    b.take();
    b.sys.pend(IRQ0 + 2);
    b.take();
    b.ret();
    assert_eq!(b.running(), IRQ0);
    b.sys.pend(IRQ0 + 1); // 0x40: the same group as 0x50
    assert!(!b.sys.can_take());
    b.ret();
    assert_eq!(b.running(), IRQ0 + 1, "tail-chained");
}

#[test]
fn of_several_the_highest_is_taken_and_the_rest_tail_chain() {
    let mut b = Bench::new("cortex-m3");
    b.fill();
    b.write(IPR, 0x0020_4060);
    b.write(0xe000_e100, 7);
    b.write(0xe000_e200, 7);
    b.take();
    assert_eq!((b.running(), b.mem.writes), (IRQ0 + 2, 8));
    let lr = b.regs.r(LR);
    for n in [IRQ0 + 1, IRQ0] {
        b.ret();
        assert_eq!((b.running(), b.pc(), b.regs.r(LR), b.mem.writes), (n, handler(n), lr, 8));
    }
    b.ret();
    assert_eq!((b.running(), b.pc(), b.sp()), (0, 0x200, TOP));
}

#[test]
fn a_level_that_stays_high_comes_again() {
    let mut b = Bench::new("cortex-m0");
    b.write(0xe000_e100, 1);
    b.sys.set_line(0, true);
    b.take();
    assert!(!b.sys.can_take());
    b.ret();
    assert_eq!((b.running(), b.mem.writes), (IRQ0, 8), "tail-chained");
    b.sys.set_line(0, false);
    b.ret();
    assert_eq!(b.running(), 0);
}

#[test]
fn vtor_moves_the_vectors() {
    let mut b = Bench::new("cortex-m3");
    b.write(0xe000_ed08, 0x2000_0040);
    assert_eq!(b.read(0xe000_ed08), 0x2000_0000);
    b.write(0xe000_ed08, 0x2000_0080);
    b.mem.words.insert(0x2000_0080 + 4 * u32::from(PENDSV), 0x5001);
    b.interrupt(PENDSV);
    assert_eq!(b.pc(), 0x5000);
    let mut b = Bench::new("cortex-m0");
    b.write(0xe000_ed08, 0x2000_0080);
    assert_eq!(b.read(0xe000_ed08), 0);
}

#[test]
fn returns_that_lie_are_invpc() {
    // EXC_RETURN, exceptions active besides the returning one, NONBASETHRDENA: whether it is refused.
    for (value, nested, nonbase, refused) in [
        (0xffff_fff9u32, false, false, false),
        (0xffff_fff9, true, false, true),
        (0xffff_fff1, true, false, false),
        (0xffff_fff0, false, false, true),
        (0xffff_fffb, false, false, true),
        (0xfff0_fff9, false, false, true),
        (0xffff_ffe9, false, false, true), // no FPU
    ] {
        let mut b = Bench::new("cortex-m3");
        b.write(SHCSR, FAULTS_ON);
        b.write(CCR, u32::from(nonbase));
        b.write(IPR, 0xff);
        if nested {
            b.interrupt(IRQ0);
        }
        b.interrupt(IRQ0 + 1);
        b.regs.set_r(LR, value);
        let (sp, writes) = (b.sp(), b.mem.writes);
        b.ret();
        assert_eq!(b.running() == USAGE_FAULT, refused, "{value:x} {nested}");
        if refused {
            assert_eq!((b.read(CFSR), b.sp(), b.mem.writes), (1 << 18, sp, writes));
            assert_eq!(b.regs.r(LR), 0xf000_0000 | value);
            assert!(!b.sys.nvic.is_active(IRQ0 + 1));
        }
    }
}

#[test]
fn nonbasethrdena_lets_a_nested_handler_return_to_thread_mode() {
    let mut b = Bench::new("cortex-m3");
    b.write(CCR, 1);
    b.write(IPR, 0xff);
    b.interrupt(IRQ0);
    b.interrupt(IRQ0 + 1);
    let sp = b.sp();
    b.mem.words.insert(sp + 0x1c, 1 << 24);
    b.regs.set_r(LR, 0xffff_fff9);
    b.ret();
    assert_eq!(b.running(), 0);
    assert!(b.sys.nvic.is_active(IRQ0), "the outer handler's priority stays");
}

#[test]
fn a_frame_of_the_wrong_mode_is_invpc() {
    let mut b = Bench::new("cortex-m4");
    b.write(SHCSR, FAULTS_ON);
    b.interrupt(IRQ0);
    let sp = b.sp();
    b.mem.words.insert(sp + 0x1c, 1 << 24 | 17);
    b.ret();
    assert_eq!((b.running(), b.read(CFSR), b.sp()), (USAGE_FAULT, 1 << 18, sp));
    assert_eq!(b.regs.r(LR), 0xffff_fff9);
}

#[test]
fn returning_from_an_exception_that_is_not_active() {
    let mut b = Bench::new("cortex-m3");
    b.write(SHCSR, FAULTS_ON);
    b.interrupt(IRQ0);
    b.sys.nvic.set_active(IRQ0, false);
    b.ret();
    assert_eq!((b.running(), b.read(CFSR)), (USAGE_FAULT, 1 << 18));
}

#[test]
fn rettobase_and_the_numbers_in_icsr() {
    let mut b = Bench::new("cortex-m4");
    b.write(IPR, 0xff);
    b.interrupt(IRQ0);
    assert_eq!(b.read(ICSR), u32::from(IRQ0) | 1 << 11);
    b.interrupt(IRQ0 + 1);
    assert_eq!(b.read(ICSR), u32::from(IRQ0 + 1));
    b.sys.pend(PENDSV);
    b.sys.pend(IRQ0);
    assert_eq!(
        b.read(ICSR),
        u32::from(IRQ0 + 1) | u32::from(PENDSV) << 12 | 1 << 22 | 1 << 28,
        "PendSV has priority 0"
    );
}

#[test]
fn svc_pends_and_returns_behind_itself() {
    let mut b = Bench::new("cortex-m3");
    b.fill();
    b.regs.set_r(PC, 0x202);
    b.sys.raise(Fault::Svc);
    b.take();
    assert_eq!((b.running(), b.frame(8)[6]), (SVCALL, 0x202));
    assert!(is_ppb(ICSR) && !is_ppb(0xe010_0000));
}

#[test]
fn a_higher_interrupt_delays_the_svc() {
    let mut b = Bench::new("cortex-m3");
    b.write(0xe000_ed1c, 0x8000_0000); // SVCall
    b.sys.nvic.enable(IRQ0, true);
    b.sys.raise(Fault::Svc);
    b.sys.pend(IRQ0);
    b.take();
    assert_eq!(b.running(), IRQ0);
    b.ret();
    assert_eq!((b.running(), b.mem.writes), (SVCALL, 8));
}
