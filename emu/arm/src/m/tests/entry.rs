//! Frames, EXC_RETURN, floating-point context.

use super::*;
use crate::m::{fault::Fault, state::*};

#[test]
fn a_basic_frame_word_for_word() {
    let mut b = Bench::new("cortex-m3");
    b.fill();
    b.regs.flags = 0xa000_0000;
    b.sys.st.q = true;
    b.sys.st.itstate = 0b1010_0110;
    b.interrupt(IRQ0);
    assert_eq!(b.sp(), TOP - 0x20);
    // IT bits 7 to 2 in xPSR 15 to 10, bits 1 and 0 in 26 and 25.
    let psr = 0xa000_0000 | 1 << 27 | 0b10 << 25 | 1 << 24 | 0b10_1001 << 10;
    assert_eq!(b.frame(8), [0x100, 0x101, 0x102, 0x103, 0x10c, 0xa1, 0x200, psr]);
    assert_eq!((b.pc(), b.regs.r(LR), b.sys.st.ipsr), (handler(IRQ0), 0xffff_fff9, IRQ0));
    assert_eq!(b.sys.st.itstate, 0);
    assert_eq!(b.mem.writes, 8);
    b.regs.flags = 0;
    for n in 0..13 {
        b.regs.set_r(n, 0);
    }
    b.ret();
    assert_eq!((b.sp(), b.pc(), b.regs.r(LR), b.regs.flags), (TOP, 0x200, 0xa1, 0xa000_0000));
    assert_eq!([0, 1, 2, 3, 12, 4].map(|n| b.regs.r(n)), [0x100, 0x101, 0x102, 0x103, 0x10c, 0]);
    assert_eq!((b.sys.st.ipsr, b.sys.st.itstate, b.sys.st.q), (0, 0b1010_0110, true));
}

#[test]
fn the_frame_is_aligned_and_the_padding_undone() {
    for (stkalign, sp, frame, padded) in [
        (true, TOP - 4, TOP - 0x28, true),
        (true, TOP - 8, TOP - 0x28, false),
        (false, TOP - 4, TOP - 0x24, false),
    ] {
        let mut b = Bench::new("cortex-m3");
        b.write(CCR, u32::from(stkalign) << 9);
        b.regs.set_r(SP, sp);
        b.interrupt(IRQ0);
        assert_eq!(b.sp(), frame);
        assert_eq!(b.frame(8)[7] >> 9 & 1 != 0, padded);
        b.ret();
        assert_eq!(b.sp(), sp);
    }
}

#[test]
fn thread_code_on_psp_and_nested_handlers() {
    let mut b = Bench::new("cortex-m3");
    b.sys.msr(&mut b.regs, 9, 3, 0x2000_4003);
    b.sys.msr(&mut b.regs, 20, 3, 2);
    assert_eq!(b.sp(), 0x2000_4000);
    b.write(0xe000_e400, 0x0000_4080); // IRQ1 before IRQ0
    b.interrupt(IRQ0);
    assert_eq!((b.sp(), b.regs.r(LR)), (TOP, 0xffff_fffd));
    assert_eq!(b.sys.st.psp(&b.regs), 0x2000_4000 - 0x20);
    assert_eq!(b.sys.mrs(&b.regs, 20), 0, "SPSEL is 0 in handler mode");
    b.interrupt(IRQ0 + 1);
    assert_eq!((b.sp(), b.regs.r(LR)), (TOP - 0x20, 0xffff_fff1));
    assert_eq!(b.frame(8)[7] & 0x1ff, u32::from(IRQ0));
    b.ret();
    assert_eq!((b.running(), b.sp(), b.pc()), (IRQ0, TOP, handler(IRQ0)));
    b.regs.set_r(LR, 0xffff_fffd);
    b.ret();
    assert_eq!((b.running(), b.sp(), b.sys.st.control()), (0, 0x2000_4000, 2));
    assert_eq!(b.sys.st.msp(&b.regs), TOP);
}

#[test]
fn bit_0_of_a_stacked_pc_is_masked() {
    let mut b = Bench::new("cortex-m4");
    b.interrupt(SVCALL);
    let sp = b.sp();
    b.mem.words.insert(sp + 0x18, 0x4321);
    b.ret();
    assert_eq!(b.pc(), 0x4320);
    assert!(b.sys.st.thumb && !b.sys.can_take());
}

fn fp_bench(lspen: bool) -> Bench {
    let mut b = Bench::new("cortex-m4f");
    b.write(0xe000_ed88, 0xf0_0000);
    b.write(0xe000_ef34, 1 << 31 | u32::from(lspen) << 30);
    assert_eq!(b.sys.fp_check(&b.regs, &mut b.mem), Ok(()));
    for n in 0..32 {
        b.regs.set_s(n, 0xf00 + n as u32);
    }
    b.sys.set_fpscr(0x8300_0001);
    b.fill();
    b
}

#[test]
fn the_extended_frame_without_laziness() {
    let mut b = fp_bench(false);
    assert!(b.sys.st.fpca);
    b.regs.set_r(SP, TOP - 4);
    b.interrupt(IRQ0);
    assert_eq!((b.sp(), b.regs.r(LR)), (TOP - 0x70, 0xffff_ffe9));
    let frame = b.frame(26);
    assert_eq!(frame[7] >> 9 & 1, 1);
    assert_eq!(frame[8..24], (0xf00..0xf10).collect::<Vec<_>>());
    assert_eq!(frame[24], 0x8300_0001);
    assert!(!b.sys.st.fpca);
    for n in 0..16 {
        b.regs.set_s(n, 0);
    }
    b.sys.set_fpscr(0);
    b.ret();
    assert_eq!((b.sp(), b.regs.s(15), b.regs.s(0), b.sys.st.fpscr), (TOP - 4, 0xf0f, 0xf00, 0x8300_0001));
    assert!(b.sys.st.fpca);
}

#[test]
fn lazy_stacking_stores_at_the_first_use() {
    let mut b = fp_bench(true);
    b.interrupt(IRQ0);
    assert_eq!((b.sp(), b.mem.writes), (TOP - 0x68, 8));
    assert_eq!(b.read(0xe000_ef38), TOP - 0x68 + 0x20);
    assert_eq!(b.read(0xe000_ef34) & 0x1ff, 1 | 1 << 3 | 1 << 4, "LSPACT, THREAD, HFRDY");
    assert!(!b.sys.fp_ready());
    b.write(0xe000_ef3c, 0x0100_0000);
    assert_eq!(b.sys.fp_check(&b.regs, &mut b.mem), Ok(()));
    assert!(b.sys.fp_ready() && b.sys.st.fpca);
    assert_eq!(b.mem.writes, 8 + 17);
    let frame = b.frame(26);
    assert_eq!(frame[8..25], [(0xf00..0xf10).collect::<Vec<_>>(), vec![0x8300_0001]].concat());
    assert_eq!(b.sys.st.fpscr, 0x0100_0000, "a new context starts from FPDSCR");
    b.regs.set_s(3, 0);
    b.ret();
    assert_eq!((b.regs.s(3), b.sys.st.fpscr, b.sys.st.fpca), (0xf03, 0x8300_0001, true));
}

#[test]
fn lazy_stacking_without_use_touches_no_memory() {
    let mut b = fp_bench(true);
    b.interrupt(IRQ0);
    b.ret();
    assert_eq!((b.mem.writes, b.sp(), b.regs.s(3)), (8, TOP, 0xf03));
    assert!(b.sys.st.fpca && b.sys.fp_ready());
    assert_eq!(b.read(0xe000_ef34) & 1, 0);
}

#[test]
fn a_handler_without_context_nests_with_a_basic_frame() {
    let mut b = fp_bench(true);
    b.write(0xe000_e400, 0x80);
    b.interrupt(IRQ0);
    b.interrupt(IRQ0 + 1);
    assert_eq!((b.sp(), b.regs.r(LR)), (TOP - 0x68 - 0x20, 0xffff_fff1));
    // The nested handler uses floating point: the thread's registers go to the thread's frame.
    assert_eq!(b.sys.fp_check(&b.regs, &mut b.mem), Ok(()));
    assert_eq!(b.mem.words[&(TOP - 0x68 + 0x20)], 0xf00);
    b.ret();
    assert_eq!(b.running(), IRQ0);
    assert!(!b.sys.st.fpca);
    b.regs.set_s(0, 5);
    b.regs.set_r(LR, 0xffff_ffe9);
    b.ret();
    assert_eq!(b.regs.s(0), 0xf00);
}

#[test]
fn access_to_the_fpu() {
    let mut b = Bench::new("cortex-m4f");
    assert_eq!(b.sys.fp_check(&b.regs, &mut b.mem), Err(Fault::NoCoprocessor));
    b.write(0xe000_ed88, 0x50_0000);
    assert_eq!(b.sys.fp_check(&b.regs, &mut b.mem), Ok(()));
    b.sys.st.npriv = true;
    assert!(!b.sys.fp_ready());
    assert_eq!(b.sys.fp_check(&b.regs, &mut b.mem), Err(Fault::NoCoprocessor));
    let mut b = Bench::new("cortex-m4");
    b.write(0xe000_ed88, 0xf0_0000);
    assert_eq!((b.read(0xe000_ed88), b.read(0xe000_ef34)), (0, 0));
    assert_eq!(b.sys.fp_check(&b.regs, &mut b.mem), Err(Fault::NoCoprocessor));
}

#[test]
fn a_lazy_store_that_fails_leaves_the_debt() {
    let mut b = fp_bench(true);
    b.write(SHCSR, FAULTS_ON);
    b.write(0xe000_e400, 0x80);
    b.interrupt(IRQ0);
    b.mem.dead.push((TOP - 0x40, TOP));
    assert_eq!(b.sys.fp_check(&b.regs, &mut b.mem), Err(Fault::LazyBus));
    assert_eq!(b.read(0xe000_ef34) & 1, 1);
    b.sys.raise(Fault::LazyBus);
    b.take();
    assert_eq!((b.running(), b.read(CFSR)), (BUS_FAULT, 1 << 13));
    b.mem.dead.clear();
    b.ret();
    assert_eq!(b.sys.fp_check(&b.regs, &mut b.mem), Ok(()));
}

#[test]
fn entry_opens_the_monitor_and_sets_the_event() {
    let mut b = Bench::new("cortex-m3");
    b.sys.st.exclusive = true;
    b.interrupt(IRQ0);
    assert!(!b.sys.st.exclusive && b.sys.st.event);
    (b.sys.st.exclusive, b.sys.st.event) = (true, false);
    b.ret();
    assert!(!b.sys.st.exclusive && b.sys.st.event);
}
