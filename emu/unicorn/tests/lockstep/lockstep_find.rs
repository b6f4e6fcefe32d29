//! Whatever goes wrong in one instruction is found there.

use crate::common::*;
use emu_core::machine::Machine;
use emu_unicorn::lockstep::Difference;
use expect_test::expect;

/// `ldr r1, =RAM + 0x100`, then a loop: r0 += 1; store it; load it; add; compare; multiply.
const LOOP: [u16; 12] =
    [0x4904, 0x3001, 0x6008, 0x680a, 0x18d3, 0x2a05, 0x4354, 0xe7f8, 0xbf00, 0xbf00, 0x0100, 0x2000];
/// Instructions of a round.
const ROUND: u64 = 7;

/// Runs the loop; after its instruction `at` (0 to 6) of its 51st round something is done to ours.
fn meddled(core: &str, at: u64, act: impl Fn(&mut Machine)) -> (Option<Difference>, u32) {
    let when = 1 + 50 * ROUND + at + 1;
    let mut subject = bent(board(core, &LOOP, &[BX_LR]), |m, n| {
        if n == when {
            act(m);
        }
        false
    });
    let difference = compare(&mut subject, 2000).0;
    (difference, CODE + 2 + 2 * at as u32)
}

/// Only these registers differ, at the right place.
#[track_caller]
fn found(case: (Option<Difference>, u32), registers: &[&str]) -> Difference {
    let (difference, pc) = case;
    let difference = difference.expect("the difference is found");
    let text = difference.show("here").to_string();
    assert_eq!(difference.pc, u64::from(pc), "{text}");
    let differ: Vec<_> = difference.registers.iter().filter(|r| r.differs()).map(|r| r.name).collect();
    assert_eq!(differ, registers, "{text}");
    difference
}

#[test]
fn lockstep_finds_a_wrong_register_after_any_instruction() {
    for core in ["cortex-m0", "cortex-m3", "cortex-m4f", "cortex-m7f"] {
        for at in 0..7 {
            let difference = found(meddled(core, at, |m| set(m, "r7", 0x55)), &["r7"]);
            assert!(difference.memory.is_empty());
            found(meddled(core, at, |m| set(m, "sp", RAM + 4)), &["sp"]);
            found(meddled(core, at, |m| set(m, "lr", 0)), &["lr"]);
        }
    }
}

#[test]
fn lockstep_finds_wrong_flags() {
    for (core, bits) in [("cortex-m0", 4), ("cortex-m3", 5), ("cortex-m4", 5)] {
        for bit in 32 - bits..32 {
            found(
                meddled(core, 2, |m| {
                    let xpsr = reg(m, "xpsr");
                    set(m, "xpsr", xpsr ^ 1 << bit);
                }),
                &["xpsr"],
            );
        }
    }
    found(meddled("cortex-m4", 2, |m| set(m, "xpsr", 0x0103_0000)), &["xpsr"]);
}

#[test]
fn lockstep_finds_wrong_floating_point_registers_after_any_instruction() {
    for core in ["cortex-m4f", "cortex-m7f"] {
        for at in 0..7 {
            found(meddled(core, at, |m| set(m, "d9", 1 << 40)), &["d9"]);
            found(meddled(core, at, |m| set(m, "fpscr", 1)), &["fpscr"]);
        }
    }
}

#[test]
fn lockstep_finds_a_jump_to_the_wrong_place() {
    let (difference, pc) = meddled("cortex-m3", 6, |m| set(m, "pc", 0x404));
    let difference = found((difference, pc), &["pc"]);
    let pc = &difference.registers[0];
    assert_eq!((pc.before, pc.ours, pc.theirs), (0x40e, 0x404, Some(0x402)));
}

#[test]
fn lockstep_finds_wrong_memory_whether_the_instruction_writes_or_not() {
    for at in 0..7 {
        // Beside what the loop writes, elsewhere in its page, and in another page.
        for addr in [RAM + 0x104, RAM + 0xf00, RAM + 0x5008] {
            let difference = found(meddled("cortex-m3", at, |m| poke(m, addr, 0xdead_beef)), &[]);
            assert_eq!(difference.memory, [(addr, 0xdead_beef, 0)]);
        }
    }
    // What the store itself writes.
    let difference = found(meddled("cortex-m3", 1, |m| poke(m, RAM + 0x100, 1)), &[]);
    assert_eq!(difference.memory, [(RAM + 0x100, 1, 51)]);
}

#[test]
fn lockstep_takes_a_devices_write_for_what_it_is() {
    let mut subject = bent(board("cortex-m3", &LOOP, &[BX_LR]), |m, n| {
        if n.is_multiple_of(10) {
            assert!(m.bus.fabric.mem.dma_write(RAM + 0x104 + n % 0x4000, &[n as u8; 9]));
        }
        n.is_multiple_of(10)
    });
    let (difference, tally) = compare(&mut subject, 5000);
    assert_eq!((difference, tally.compared), (None, 5000));
}

#[test]
fn lockstep_finds_what_ours_wrongly_calls_undefined() {
    let at = u64::from(CODE) + 2 + 2 * 5;
    let machine = board("cortex-m3", &LOOP, &[0x3401, BX_LR]);
    let mut wrong = Wrong { inner: bent(machine, |_, _| false), at, code: vec![0x00, 0xde] };
    let difference = first_difference(&mut wrong, 7).expect("it is found");
    assert_eq!((difference.pc, &difference.text[..]), (at, &["muls r4, r2, r4".to_string()][..]));
    assert!(difference.what.contains("undefined"), "{}", difference.what);
}

#[test]
fn lockstep_says_all_there_is_to_say() {
    let difference = found(meddled("cortex-m0", 3, |m| set(m, "r3", 0x1234)), &["r3"]);
    let text = difference.show("0x00000408 sum+0x8").to_string();
    expect![[r#"
        FIRST DIFFERENCE at instruction 355, 0.000055 s: the results differ
          pc     0x00000408 sum+0x8
          bytes  d3 18
                 adds r3, r2, r3
                              before              ours           Unicorn
          pc                00000408          0000040a          0000040a
          r0                00000033          00000033          00000033
          r1                20000100          20000100          20000100
          r2                00000033          00000033          00000033
          r3                000004fb          00001234          0000052e  <- differs
          r4                00000000          00000000          00000000
          r5                00000000          00000000          00000000
          r6                00000000          00000000          00000000
          r7                00000000          00000000          00000000
          r8                00000000          00000000          00000000
          r9                00000000          00000000          00000000
          r10               00000000          00000000          00000000
          r11               00000000          00000000          00000000
          r12               00000000          00000000          00000000
          sp                20008000          20008000          20008000
          lr                ffffffff          ffffffff          ffffffff
          xpsr              01000000          01000000          01000000
    "#]]
    .assert_eq(&text);
}
