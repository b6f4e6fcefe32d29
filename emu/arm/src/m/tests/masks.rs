//! PRIMASK, BASEPRI, FAULTMASK, MRS and MSR, sleep.

use super::*;
use crate::m::{special::sysm, state::Sleep};

const SCR: u32 = 0xe000_ed10;

fn msr(b: &mut Bench, sysm: u8, v: u32) {
    b.sys.msr(&mut b.regs, sysm, 3, v);
}
fn mrs(b: &Bench, sysm: u8) -> u32 {
    b.sys.mrs(&b.regs, sysm)
}

#[test]
fn each_mask_lets_through_what_is_above_it() {
    // Mask, then whether IRQ0 at 0x40, IRQ1 at 0x80, HardFault, NMI can be taken.
    for (sysm, v, want) in [
        (sysm::PRIMASK, 0, [true, true, true, true]),
        (sysm::PRIMASK, 1, [false, false, true, true]),
        (sysm::BASEPRI, 0x80, [true, false, true, true]),
        (sysm::BASEPRI, 0x40, [false, false, true, true]),
        (sysm::BASEPRI, 0x0f, [true, true, true, true]), // no implemented bit
        (sysm::FAULTMASK, 1, [false, false, false, true]),
    ] {
        for (e, want) in [IRQ0, IRQ0 + 1, HARD_FAULT, NMI].into_iter().zip(want) {
            let mut b = Bench::new("cortex-m4");
            b.write(0xe000_e400, 0x8040);
            b.sys.nvic.enable(e, true);
            msr(&mut b, sysm, v);
            b.sys.pend(e);
            assert_eq!(b.sys.can_take(), want, "{sysm} {v:x} {e}");
        }
    }
}

#[test]
fn basepri_max_only_raises() {
    let mut b = Bench::new("cortex-m3");
    for (v, want) in [(0, 0), (0x80, 0x80), (0xc0, 0x80), (0x40, 0x40), (0, 0x40), (0x1f, 0x40)] {
        msr(&mut b, sysm::BASEPRI_MAX, v);
        assert_eq!((mrs(&b, sysm::BASEPRI), mrs(&b, sysm::BASEPRI_MAX)), (want, want));
    }
    msr(&mut b, sysm::BASEPRI, 0);
    assert_eq!(mrs(&b, sysm::BASEPRI), 0);
}

#[test]
fn faultmask_ends_with_the_handler_but_not_in_nmi() {
    for (e, after) in [(IRQ0, 0), (NMI, 1)] {
        let mut b = Bench::new("cortex-m3");
        b.interrupt(e);
        b.sys.st.faultmask = true;
        b.ret();
        assert_eq!(mrs(&b, sysm::FAULTMASK), after);
    }
}

#[test]
fn faultmask_cannot_be_set_at_a_negative_priority() {
    let mut b = Bench::new("cortex-m3");
    b.interrupt(HARD_FAULT);
    msr(&mut b, sysm::FAULTMASK, 1);
    b.sys.cps(true, false, true);
    assert_eq!(mrs(&b, sysm::FAULTMASK), 0);
}

#[test]
fn unprivileged_code_sees_apsr_and_control_only() {
    let mut b = Bench::new("cortex-m4f");
    b.regs.flags = 0x9000_0000;
    (b.sys.st.q, b.sys.st.ge) = (true, 0xa);
    b.sys.st.primask = true;
    msr(&mut b, sysm::PSP, 0x2000_1000);
    msr(&mut b, sysm::CONTROL, 1);
    let all: Vec<_> = [0, 1, 2, 3, 5, 6, 7, 8, 9, 16, 17, 18, 19, 20].map(|s| mrs(&b, s)).to_vec();
    let apsr = 0x980a_0000;
    assert_eq!(all, [apsr, apsr, apsr, apsr, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    for (s, v) in [(8, 4), (9, 4), (16, 0), (17, 0x80), (19, 1), (20, 0)] {
        msr(&mut b, s, v);
    }
    b.sys.cps(false, true, true);
    assert!(b.sys.st.primask && b.sys.st.npriv && b.sys.st.basepri == 0 && !b.sys.st.faultmask);
    assert_eq!((b.sp(), b.sys.st.psp(&b.regs)), (TOP, 0x2000_1000));
    b.sys.msr(&mut b.regs, 0, 2, 0x6000_0000);
    assert_eq!(mrs(&b, 0), 0x600a_0000);
    b.sys.msr(&mut b.regs, 0, 1, 0x0005_0000);
    assert_eq!(mrs(&b, 0), 0x6005_0000);
}

#[test]
fn psr_views() {
    let mut b = Bench::new("cortex-m3");
    b.interrupt(IRQ0);
    b.regs.flags = 0xf000_0000;
    let n = u32::from(IRQ0);
    let views: Vec<_> = [0, 1, 2, 3, 5, 6, 7].map(|s| mrs(&b, s)).to_vec();
    assert_eq!(views, [0xf000_0000, 0xf000_0000 | n, 0xf000_0000, 0xf000_0000 | n, n, 0, n]);
}

#[test]
fn control_in_thread_and_handler_mode() {
    let mut b = Bench::new("cortex-m3");
    msr(&mut b, sysm::PSP, 0x2000_1002);
    msr(&mut b, sysm::CONTROL, 2);
    assert_eq!((b.sp(), mrs(&b, sysm::MSP)), (0x2000_1000, TOP));
    msr(&mut b, sysm::MSP, 0x2000_7000);
    b.interrupt(IRQ0);
    assert_eq!(b.sp(), 0x2000_7000);
    msr(&mut b, sysm::CONTROL, 3);
    assert_eq!(mrs(&b, sysm::CONTROL), 1, "SPSEL cannot be set in handler mode");
    assert!(b.sys.st.privileged());
    b.ret();
    assert!(!b.sys.st.privileged());
    // v6-M without the unprivileged extension has no nPRIV; nor has it BASEPRI or FAULTMASK.
    let mut b = Bench::new("cortex-m0");
    msr(&mut b, sysm::CONTROL, 7);
    msr(&mut b, sysm::BASEPRI, 0x40);
    msr(&mut b, sysm::FAULTMASK, 1);
    b.sys.cps(true, false, true);
    assert_eq!([20, 17, 19].map(|s| mrs(&b, s)), [2, 0, 0]);
}

#[test]
fn wfi_wakes_under_primask_but_not_under_basepri() {
    let mut b = Bench::new("cortex-m4");
    b.write(0xe000_e400, 0x40);
    b.write(0xe000_e100, 1);
    b.sys.st.primask = true;
    assert!(b.sys.wfi());
    assert!(!b.sys.wake());
    b.sys.st.event = true;
    assert!(!b.sys.wake(), "events are for WFE");
    b.sys.pend(IRQ0);
    assert!(b.sys.wake() && !b.sys.can_take());
    assert_eq!(b.sys.st.sleep, Sleep::Awake);
    assert!(!b.sys.wfi(), "it is pending already");
    b.sys.st.basepri = 0x40;
    assert!(b.sys.wfi());
}

#[test]
fn wfe_uses_up_the_event() {
    let mut b = Bench::new("cortex-m3");
    b.sys.sev();
    assert!(!b.sys.wfe());
    assert!(b.sys.wfe());
    b.sys.event();
    assert!(b.sys.wake());
    assert!(b.sys.wfe());
    // A pending interrupt that is disabled or masked wakes only with SEVONPEND.
    b.sys.set_line(3, true);
    assert!(!b.sys.wake());
    b.sys.st.sleep = Sleep::Awake;
    b.write(SCR, 1 << 4);
    assert!(b.sys.wfe());
    b.sys.set_line(4, true);
    assert!(b.sys.wake());
    assert!(b.sys.wfe(), "it was pending before");
    b.write(0xe000_e200, 1 << 7);
    assert!(b.sys.wake());
}

#[test]
fn wfe_wakes_for_an_exception_it_takes() {
    let mut b = Bench::new("cortex-m0");
    assert!(b.sys.wfe());
    b.sys.pend(PENDSV);
    assert!(b.sys.wake());
    b.take();
    b.ret();
    assert!(!b.sys.wfe(), "entry and return set the event register");
}

#[test]
fn sleep_on_exit_at_the_base_level_only() {
    let mut b = Bench::new("cortex-m3");
    b.write(SCR, 2);
    b.write(0xe000_e400, 0x80);
    b.interrupt(IRQ0);
    b.interrupt(IRQ0 + 1);
    b.ret();
    assert_eq!(b.sys.st.sleep, Sleep::Awake);
    b.regs.set_r(LR, 0xffff_fff9);
    b.ret();
    assert_eq!((b.sys.st.sleep, b.running()), (Sleep::Wfi, 0));
    b.interrupt(IRQ0);
    assert_eq!((b.sys.st.sleep, b.running()), (Sleep::Awake, IRQ0));
}
