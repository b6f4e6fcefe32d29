//! What is right is not taken for a difference: interrupts anywhere, faults, sleep, views of one memory, changing code.

use crate::common::*;
use emu_core::machine::Machine;

const SYST_CSR: u64 = 0xe000_e010;
const SYST_RVR: u64 = 0xe000_e014;
const CCR: u64 = 0xe000_ed14;
const SHCSR: u64 = 0xe000_ed24;
const CPACR: u64 = 0xe000_ed88;

/// An exception's entry, a short handler and the return take no more cycles, on any core.
const EXCEPTION: u32 = 40;

/// SysTick every so many cycles, those of its exception apart.
fn ticking(mut m: Machine, cycles: u32) -> Machine {
    poke(&mut m, SYST_RVR, cycles + EXCEPTION - 1);
    poke(&mut m, SYST_CSR, 7);
    m
}

fn skipped(tally: &emu_unicorn::lockstep::Tally, reason: &str) -> u64 {
    tally.skipped.iter().filter(|(r, _)| r.contains(reason)).map(|(_, n)| n).sum()
}

/// The handler's first instruction is its last: entry and return between two instructions of ours.
#[test]
fn lockstep_handlers_of_one_instruction() {
    for core in ["cortex-m0", "cortex-m3", "cortex-m4f", "cortex-m7f"] {
        for cycles in 20..45 {
            // r0 += 1; push {r0, r1}; pop {r2, r3}; b
            let (m, tally) =
                agrees(ticking(board(core, &[0x3001, 0xb403, 0xbc0c, 0xe7fb], &[BX_LR]), cycles), 2000);
            assert!(skipped(&tally, "exception") > 40 && tally.compared > 1500, "{core} {tally:?}");
            assert!(reg(&m, "r0") > 300);
        }
    }
}

/// IT blocks with an interrupt at each of their places: `adds r0, #1; itttt ne; 4 x add r1.., #1; b`.
#[test]
fn lockstep_interrupts_within_it_blocks() {
    let code = [0x3001, 0xbf1f, 0x3101, 0x3201, 0x3301, 0x3401, 0xe7f8];
    for cycles in 20..45 {
        let (m, tally) = agrees(ticking(board("cortex-m3", &code, &[0x3501, BX_LR]), cycles), 2000);
        assert!(tally.compared > 2000, "{tally:?}");
        let counts = ["r1", "r2", "r3", "r4"].map(|r| reg(&m, r));
        assert!(counts.iter().all(|n| n.abs_diff(counts[0]) <= 1) && counts[0] > 300, "{counts:?}");
    }
}

/// The same with conditions that fail: `itttt eq`, and the last instruction's holds: `ittte eq`.
#[test]
fn lockstep_interrupts_within_it_blocks_that_do_little() {
    for block in [0xbf01, 0xbf03, 0xbf02, 0xbf06] {
        let code = [0x3001, block, 0x3101, 0x3201, 0x3301, 0x3401, 0x6007, 0xe7f7];
        for cycles in 20..45 {
            let mut m = ticking(board("cortex-m3", &code, &[0x3501, BX_LR]), cycles);
            set(&mut m, "r0", RAM);
            let (m, tally) = agrees(m, 2000);
            assert!(reg(&m, "r5") > 50 && tally.compared > 2000, "{tally:?}");
        }
    }
}

/// IT blocks whose conditions change on the way and that branch at their end.
#[test]
fn lockstep_it_blocks_of_every_shape() {
    // adds r0, #1; lsls r1, r0, #n; ite mi; movmi r2, r0; movpl r3, r0; itt cs; cmpcs r0, r0; bcs ..; b ..
    for shift in 24..32u16 {
        let code = [0x3001, 0x0001 | shift << 6, 0xbf4c, 0x4602, 0x4603, 0xbf24, 0x4280, 0xe7f7, 0xe7f6];
        let (_, tally) = agrees(board("cortex-m4", &code, &[BX_LR]), 3000);
        assert_eq!(tally.left_out(), 0, "{tally:?}");
    }
}

/// A device access within an IT block, and a store of many that leaves the memory.
#[test]
fn lockstep_accesses_that_unicorn_cannot_do() {
    // ldr r1, =SYST_CVR; cmp r0, r0; itt eq; ldreq r2, [r1]; addeq r0, #1; b
    let code = [0x4902, 0x4280, 0xbf04, 0x680a, 0x3001, 0xe7f9, 0xe018, 0xe000];
    let (m, tally) = agrees(board("cortex-m3", &code, &[BX_LR]), 400);
    assert!(reg(&m, "r0") > 50 && skipped(&tally, "device") > 150, "{tally:?}");
    // ldr r7, =end of RAM - 8; movs r0..: stm r7!, {r0-r3} faults half way; the handler goes around it
    let code = [0x4f01, 0xc70f, 0x3401, 0xe7fb, 0xfff8, 0x2000];
    let handler = [0x9806, 0x3002, 0x9006, 0x3501, BX_LR]; // ldr r0, [sp, #24]; adds r0, #2; str; adds r5, #1
    let (m, tally) = agrees(board("cortex-m3", &code, &handler), 500);
    assert!(reg(&m, "r5") > 30 && skipped(&tally, "fault") > 30, "{tally:?}");
}

/// Faults of every kind, each of which the handler steps over: they are no difference and are counted.
#[test]
fn lockstep_faults() {
    // movs r1, #1; ldr r0, [r1] (unaligned trap); movs r2, #0; udiv r3, r1, r2 (trap); udf #0; udf #1; r4 += 1; b
    let code = [0x2101, 0x6808, 0x2200, 0xbf00, 0xfbb1, 0xf3f2, 0xde00, 0xde01, 0x3401, 0xe7f5];
    // The stacked pc goes on by 2, or by 4 at UDIV: ldr r0, [sp, #24]; ldrh r1, [r0]; lsrs r1, #11; cmp r1, #0x1d; it cs;
    // addcs r0, #2; adds r0, #2; str r0, [sp, #24]
    let handler = [0x9806, 0x8801, 0x0ac9, 0x291d, 0xbf28, 0x3002, 0x3002, 0x9006, BX_LR];
    for core in ["cortex-m3", "cortex-m4f", "cortex-m7f"] {
        let mut m = board(core, &code, &handler);
        poke(&mut m, CCR, 1 << 3 | 1 << 4 | 1 << 9);
        poke(&mut m, SHCSR, 7 << 16);
        let (m, tally) = agrees(m, 2000);
        assert!(reg(&m, "r4") > 30, "{tally:?}");
        assert!(skipped(&tally, "fault") >= 4 * reg(&m, "r4"), "{tally:?}");
    }
}

/// Jumps to where nothing is, to a device's address, and to what nobody may execute.
#[test]
fn lockstep_jumps_to_nowhere() {
    for target in [0x0010_0001u32, 0x4000_0001, 0x6000_0001, 0xe000_e001, 0x2001_0001] {
        // ldr r0, =target; bx r0. The handler: stacked pc = 0x400; r5 += 1
        let code = [0x4800, 0x4700, target as u16, (target >> 16) as u16];
        for core in ["cortex-m0", "cortex-m3", "cortex-m7f"] {
            let handler = [0x2101, 0x0289, 0x9106, 0x3501, BX_LR];
            let (m, tally) = agrees(board(core, &code, &handler), 400);
            assert!(reg(&m, "r5") > 30 && tally.compared > 200, "{core} {target:x} {tally:?}");
        }
    }
}

/// A guest that faults in its fault handler locks up, and that ends the comparison.
#[test]
fn lockstep_lockup() {
    for core in ["cortex-m0", "cortex-m3"] {
        let (_, tally) = agrees(board(core, &[0x2001, 0xde00], &[0xde00]), 100);
        assert!(tally.compared == 1 && tally.left_out() <= 3, "{tally:?}");
    }
}

/// WFI and WFE: what is done in sleep is done.
#[test]
fn lockstep_sleep() {
    for core in ["cortex-m0", "cortex-m4f"] {
        // r0 += 1; wfi; wfe; sev; b
        let m = ticking(board(core, &[0x3001, 0xbf30, 0xbf20, 0xbf40, 0xe7fa], &[0x3501, BX_LR]), 500);
        let (m, tally) = agrees(m, 3000);
        assert!(reg(&m, "r5") > 100 && tally.compared > 500, "{tally:?}");
    }
}

/// The same memory at two addresses: stores to one are loaded from the other.
#[test]
fn lockstep_memory_seen_twice() {
    // ldr r1, =RAM + 0x100; ldr r2, =ALIAS + 0x100; r0 += 1; str r0, [r1]; ldr r3, [r2]; r3 += 5; str r3, [r2]; ldr r4, [r1]
    let code = [
        0x4904, 0x4a05, 0x3001, 0x6008, 0x6813, 0x3305, 0x6013, 0x680c, 0xe7f8, 0xbf00, 0x0100, 0x2000,
        0x0100, 0x3000,
    ];
    let (m, tally) = agrees(board("cortex-m3", &code, &[BX_LR]), 2000);
    assert_eq!((tally.compared, tally.left_out()), (2000, 0));
    assert!(reg(&m, "r4") > 200);
}

/// Code in RAM that changes itself, at both views of the memory.
#[test]
fn lockstep_changing_code() {
    for base in [RAM, ALIAS] {
        // At `base` + 0x40: r2 = pc-relative address of the ADDS; its immediate goes up by one each round.
        // adr r2, target; ldrh r3, [r2]; adds r3, #1; strh r3, [r2]; target: adds r0, #0; b
        let code = [0xa201, 0x8813, 0x3301, 0x8013, 0x3000, 0xe7f9, 0xbf00, 0xbf00];
        // The distance that ADR has: (pc + 4, aligned) + 4.
        let mut m = board("cortex-m3", &[0x4700], &[BX_LR]);
        assert_eq!(m.bus.fabric.mem.poke(RAM + 0x40, &halves(&code)), 16);
        set(&mut m, "r0", base + 0x41);
        let (m, tally) = agrees(m, 6 * 200);
        assert_eq!(tally.left_out(), 0, "{tally:?}");
        assert!(reg(&m, "r3") > 0x3080, "{:x}", reg(&m, "r3"));
    }
}

/// An interrupt between load-exclusive and store-exclusive makes the store fail, on both sides.
#[test]
fn lockstep_exclusive_accesses_with_interrupts() {
    // ldr r1, =RAM + 0x100; ldrex r2, [r1]; adds r2, #1; strex r3, r2, [r1]; adds r4, r4, r3; b
    let code = [0x4903, 0xe851, 0x2f00, 0x3201, 0xe841, 0x2300, 0x18e4, 0xe7f8, 0x0100, 0x2000];
    let mut failed = 0;
    for cycles in 13..40 {
        let (m, tally) = agrees(ticking(board("cortex-m3", &code, &[BX_LR]), cycles), 3000);
        assert!(tally.compared > 1500, "{tally:?}");
        failed += reg(&m, "r4");
    }
    assert!(failed > 300, "{failed}");
}

/// Floating point with interrupts: contexts come and go, lazily.
#[test]
fn lockstep_floating_point_contexts() {
    // vmov s0, r0; vcvt.f32.u32 s1, s0; vadd.f32 s2, s2, s1; vdiv.f32 s3, s2, s1; r0 += 1; vmrs apsr, fpscr; b
    let code =
        [0xee00, 0x0a10, 0xeef8, 0x0a40, 0xee31, 0x1a20, 0xeec1, 0x1a20, 0x3001, 0xeef1, 0xfa10, 0xe7f3];
    // A handler that uses the FPU, and one that does not: vmov s0, r5; vadd.f32 s0, s0, s0; r5 += 1
    let using = [0xee00, 0x5a10, 0xee30, 0x0a00, 0x3501, BX_LR];
    for core in ["cortex-m4f", "cortex-m7f"] {
        for (handler, cycles) in [(&using[..], 70), (&[0x3501, BX_LR][..], 33), (&using[..], 61)] {
            let mut m = board(core, &code, handler);
            poke(&mut m, CPACR, 0xf << 20);
            let (m, tally) = agrees(ticking(m, cycles), 4000);
            assert!(reg(&m, "r5") > 50 && tally.compared > 3000, "{tally:?}");
            assert!(skipped(&tally, "context") >= 1, "{tally:?}");
            assert_ne!(reg(&m, "d1"), 0);
        }
    }
}

/// Without CPACR every FP instruction faults on ours; Unicorn is not asked.
#[test]
fn lockstep_no_fpu_without_leave() {
    let (_, tally) = agrees(board("cortex-m4f", &[0xee31, 0x1a20, 0xe7fc], &[BX_LR]), 300);
    assert!(skipped(&tally, "fault") > 50, "{tally:?}");
}

/// A reset between two instructions is no instruction.
#[test]
fn lockstep_resets() {
    let mut subject = bent(board("cortex-m3", &[0x3001, 0x3101, 0xe7fc], &[BX_LR]), |m, n| {
        if n.is_multiple_of(50) {
            m.reset(emu_core::device::ResetKind::PowerOn);
        }
        n.is_multiple_of(50)
    });
    let (difference, tally) = compare(&mut subject, 1000);
    assert_eq!(difference, None);
    assert_eq!(skipped(&tally, "exception"), 20, "{tally:?}");
}

/// A core that Unicorn lacks, and machines with several.
#[test]
fn lockstep_refuses_what_it_cannot_compare() {
    use emu_core::{bus::Bus, time::Clock};
    use emu_unicorn::lockstep::{Error, Lockstep};
    let mut two = board("cortex-m3", &[0xe7fe], &[BX_LR]);
    let cfg = emu_arm::m::config::MConfig::named("cortex-m3").expect("a core");
    two.add_cpu(Box::new(emu_arm::m::cpu::CortexM::new(cfg, 1)), Clock::hz(1_000_000));
    assert_eq!(Lockstep::new(&mut two).err(), Some(Error::Several(2)));
    assert_eq!(Lockstep::new(&mut Machine::new("empty", Bus::default())).err(), Some(Error::Several(0)));
}
