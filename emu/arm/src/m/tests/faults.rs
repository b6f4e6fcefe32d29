//! Fault status, escalation, derived faults, lockup.

use super::*;
use crate::m::fault::Fault;

const MMFAR: u32 = 0xe000_ed34;
const BFAR: u32 = 0xe000_ed38;
const DFSR: u32 = 0xe000_ed30;

#[test]
fn each_fault_has_its_exception_and_status_bits() {
    for (fault, e, bits) in [
        (Fault::Undefined, USAGE_FAULT, 1 << 16),
        (Fault::InvalidState, USAGE_FAULT, 1 << 17),
        (Fault::InvalidPc, USAGE_FAULT, 1 << 18),
        (Fault::NoCoprocessor, USAGE_FAULT, 1 << 19),
        (Fault::Unaligned, USAGE_FAULT, 1 << 24),
        (Fault::DivByZero, USAGE_FAULT, 1 << 25),
        (Fault::Bus { addr: 0x1234, precise: true }, BUS_FAULT, 1 << 9 | 1 << 15),
        (Fault::Bus { addr: 0x1234, precise: false }, BUS_FAULT, 1 << 10),
        (Fault::BusFetch, BUS_FAULT, 1 << 8),
        (Fault::Mpu { addr: 0x1234 }, MEM_MANAGE, 1 << 1 | 1 << 7),
        (Fault::MpuFetch, MEM_MANAGE, 1),
    ] {
        let mut b = Bench::new("cortex-m4");
        b.fill();
        b.write(SHCSR, FAULTS_ON);
        b.sys.raise(fault);
        b.take();
        assert_eq!((b.running(), b.read(CFSR), b.read(HFSR)), (e, bits, 0), "{fault:?}");
        assert_eq!(b.frame(8)[6], 0x200, "it returns to the instruction");
        let far = [b.read(MMFAR), b.read(BFAR)];
        assert_eq!(far, [bits & 1 << 7, bits & 1 << 15].map(|valid| if valid != 0 { 0x1234 } else { 0 }));
        // Without its own handler it is a HardFault, forced.
        let mut b = Bench::new("cortex-m4");
        b.sys.raise(fault);
        b.take();
        assert_eq!((b.running(), b.read(CFSR), b.read(HFSR)), (HARD_FAULT, bits, 1 << 30));
    }
}

#[test]
fn status_is_cleared_by_ones_byte_for_byte() {
    let mut b = Bench::new("cortex-m3");
    b.sys.raise(Fault::Mpu { addr: 4 });
    b.sys.raise(Fault::DivByZero);
    b.sys.raise(Fault::BusFetch);
    assert_eq!(b.read(CFSR), 0x0200_0182);
    assert_eq!(b.access(CFSR + 2, 2, true), Some(0x0200));
    assert_eq!(b.access(CFSR + 1, 1, true), Some(1));
    b.put(CFSR, 1, 0xff, true);
    assert_eq!(b.read(CFSR), 0x0200_0100);
    b.put(CFSR + 2, 2, 0x0200, true);
    assert_eq!(b.read(CFSR), 0x100);
    b.write(HFSR, 1 << 30);
    assert_eq!(b.read(HFSR), 0);
}

#[test]
fn a_fault_at_its_own_priority_escalates() {
    let mut b = Bench::new("cortex-m3");
    b.write(SHCSR, FAULTS_ON);
    b.sys.raise(Fault::Undefined);
    b.take();
    b.sys.raise(Fault::Undefined);
    b.take();
    assert_eq!((b.running(), b.read(HFSR)), (HARD_FAULT, 1 << 30));
    b.sys.raise(Fault::Undefined);
    assert!(b.sys.st.lockup);
}

#[test]
fn a_higher_fault_preempts_a_lower_one() {
    let mut b = Bench::new("cortex-m3");
    b.write(SHCSR, FAULTS_ON);
    b.write(0xe000_ed18, 0x0080_0000); // UsageFault 0x80, BusFault 0
    b.sys.raise(Fault::Undefined);
    b.take();
    b.sys.raise(Fault::BusFetch);
    b.take();
    assert_eq!((b.running(), b.read(HFSR)), (BUS_FAULT, 0));
    b.ret();
    assert_eq!(b.running(), USAGE_FAULT);
}

#[test]
fn masks_escalate() {
    for (primask, faultmask, lockup) in [(true, false, false), (false, true, true)] {
        let mut b = Bench::new("cortex-m3");
        b.write(SHCSR, FAULTS_ON);
        (b.sys.st.primask, b.sys.st.faultmask) = (primask, faultmask);
        b.sys.raise(Fault::DivByZero);
        assert_eq!(b.sys.st.lockup, lockup);
        if !lockup {
            b.take();
            assert_eq!((b.running(), b.read(HFSR)), (HARD_FAULT, 1 << 30));
        }
    }
    // SVC with interrupts off: the classic.
    let mut b = Bench::new("cortex-m0");
    b.sys.st.primask = true;
    b.sys.raise(Fault::Svc);
    b.take();
    assert_eq!(b.running(), HARD_FAULT);
}

#[test]
fn v6m_has_only_hardfault_and_no_status() {
    let mut b = Bench::new("cortex-m0");
    b.write(SHCSR, u32::MAX);
    assert_eq!(b.read(SHCSR), 1 << 15);
    b.sys.nvic.clear_pending(SVCALL);
    b.sys.raise(Fault::Unaligned);
    b.take();
    assert_eq!((b.running(), b.read(CFSR), b.read(HFSR)), (HARD_FAULT, 0, 0));
    b.sys.raise(Fault::Undefined);
    assert!(b.sys.st.lockup);
}

#[test]
fn a_breakpoint_nobody_takes() {
    let mut b = Bench::new("cortex-m3");
    b.sys.raise(Fault::Breakpoint);
    b.take();
    assert_eq!((b.running(), b.read(HFSR), b.read(DFSR)), (HARD_FAULT, 1 << 31, 2));
    let mut b = Bench::new("cortex-m3");
    b.write(0xe000_edfc, 1 << 16);
    b.sys.raise(Fault::Breakpoint);
    b.take();
    assert_eq!((b.running(), b.read(HFSR), b.read(DFSR)), (DEBUG_MONITOR, 0, 2));
}

#[test]
fn a_stacking_fault_comes_before_or_after_the_interrupt_by_priority() {
    for (bus_fault_priority, first, second) in [(0x00, BUS_FAULT, IRQ0), (0xe0, IRQ0, BUS_FAULT)] {
        let mut b = Bench::new("cortex-m3");
        b.write(SHCSR, FAULTS_ON);
        b.write(0xe000_ed18, bus_fault_priority << 8);
        b.write(0xe000_e400, 0x80);
        b.mem.dead.push((TOP - 0x20, TOP - 0x10));
        b.interrupt(IRQ0);
        assert_eq!((b.running(), b.read(CFSR), b.sp()), (first, 1 << 12, TOP - 0x20));
        b.mem.dead.clear();
        b.ret();
        assert_eq!(b.running(), second);
    }
}

#[test]
fn a_stack_overflow_without_handlers_is_a_hardfault() {
    let mut b = Bench::new("cortex-m3");
    b.mem.dead.push((TOP - 0x20, TOP));
    b.interrupt(IRQ0);
    assert_eq!((b.running(), b.read(CFSR), b.read(HFSR)), (HARD_FAULT, 1 << 12, 1 << 30));
    // The HardFault handler's own fault cannot be stacked: lockup.
    b.sys.raise(Fault::Undefined);
    assert!(b.sys.st.lockup);
}

#[test]
fn stacking_is_checked_with_the_rights_of_the_interrupted_code() {
    for (npriv, want) in [(false, IRQ0), (true, MEM_MANAGE)] {
        let mut b = Bench::new("cortex-m3");
        b.write(SHCSR, FAULTS_ON);
        b.write(0xe000_ed9c, 0x2000_0010);
        b.write(0xe000_eda0, 1 << 24 | 15 << 1 | 1); // privileged only
        b.write(0xe000_ed94, 5);
        b.sys.st.npriv = npriv;
        b.interrupt(IRQ0);
        assert_eq!(b.running(), want);
        assert_eq!(b.read(CFSR), if npriv { 1 << 4 } else { 0 });
    }
}

#[test]
fn an_unstacking_fault_chains_and_can_be_repaired() {
    let mut b = Bench::new("cortex-m3");
    b.fill();
    b.write(SHCSR, FAULTS_ON);
    b.interrupt(IRQ0);
    let sp = b.sp();
    b.mem.dead.push((sp + 8, sp + 12));
    b.ret();
    assert_eq!((b.running(), b.read(CFSR), b.sp()), (BUS_FAULT, 1 << 11, sp));
    assert_eq!((b.regs.r(LR), b.mem.writes), (0xffff_fff9, 8));
    b.mem.dead.clear();
    b.ret();
    assert_eq!((b.running(), b.pc(), b.sp()), (0, 0x200, TOP));
}

#[test]
fn an_unreadable_vector_is_a_hardfault_or_the_end() {
    let mut b = Bench::new("cortex-m3");
    b.mem.dead.push((4 * u32::from(IRQ0), 4 * u32::from(IRQ0) + 4));
    b.interrupt(IRQ0);
    assert_eq!((b.running(), b.read(HFSR)), (HARD_FAULT, 2));
    assert!(b.sys.nvic.is_pending(IRQ0) && !b.sys.nvic.is_active(IRQ0));
    let mut b = Bench::new("cortex-m3");
    b.mem.dead.push((4 * u32::from(HARD_FAULT), 4 * u32::from(HARD_FAULT) + 4));
    b.sys.raise(Fault::Undefined);
    b.take();
    assert!(b.sys.st.lockup);
}

#[test]
fn nmi_preempts_a_hardfault_and_its_fault_locks_up() {
    let mut b = Bench::new("cortex-m4");
    b.sys.raise(Fault::Undefined);
    b.take();
    b.write(ICSR, 1 << 31);
    b.take();
    assert_eq!(b.running(), NMI);
    b.sys.raise(Fault::DivByZero);
    assert!(b.sys.st.lockup);
}

#[test]
fn ignored_bus_faults() {
    let mut b = Bench::new("cortex-m3");
    b.write(CCR, 1 << 8);
    assert!(!b.sys.ignores_bus_faults());
    b.sys.st.faultmask = true;
    assert!(b.sys.ignores_bus_faults());
}
