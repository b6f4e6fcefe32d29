//! The comparison on a RISC-V hart: it agrees where it should, and finds what is wrong.

use crate::common::*;

/// From 0: stack pointer, trap vector, external interrupts on. A loop at 0x1e: arithmetic, loads and stores (one misaligned),
/// AMOADD, LR and SC, MUL, MULHSU, DIV, REM, FENCE.I; ECALL at 0x5e, an illegal instruction, a load from address 0 and one from
/// where nothing is, at 0x6e. A handler at 0x80 that counts exceptions in s5 and traps in s10, and goes over what faulted.
const LOOP: [u32; 39] = [
    0x8000_4137,
    0x0000_0297,
    0x07c2_8293,
    0x3052_9073,
    0x8293_6285,
    0x9073_8002,
    0x6073_3042,
    0x0505_3004,
    0x0035_1593,
    0x10b1_2023,
    0x1001_2603,
    0x1011_1803,
    0x00a1_26af,
    0x1001_272f,
    0x27af_0705,
    0x993e_18e1,
    0x02b5_09b3,
    0x02b9_aa33,
    0x02a9_cb33,
    0x02c9_ebb3,
    0x00b5_3c33,
    0x055c_cc93,
    0x0000_100f,
    0x0073_d155,
    0xffff_0000,
    0x2883_ffff,
    0x0337_0000,
    0x2883_5000,
    0x0001_0003,
    0x0013_b76d,
    0x0013_0000,
    0x0001_0000,
    0x3420_22f3,
    0x0002_c863,
    0x3410_22f3,
    0x9073_0291,
    0x0a85_3412,
    0x0073_0d05,
    0x0000_3020,
];
/// Machine external interrupt.
const EXTERNAL: u16 = 11;

#[test]
fn lockstep_riscv_loop_with_traps() {
    let (m, tally) = agrees(hart(&LOOP), 5000);
    let rounds = reg(&m, "a0");
    assert!(rounds > 80 && reg(&m, "s5").abs_diff(3 * rounds) <= 3, "{rounds} {tally:?}");
    assert!(tally.compared > 3000, "{tally:?}");
    // Illegal instruction and load fault; ECALL is a system instruction.
    assert!(tally.skipped["fault"] >= 2 * rounds - 3, "{tally:?}");
}

/// Interrupts at every place of the loop, also between LR and SC.
#[test]
fn lockstep_riscv_interrupts_anywhere() {
    let (mut taken, mut failed) = (0, 0);
    for every in 31..61 {
        let mut subject = bent(hart(&LOOP), |m, n| {
            let level = match n % every {
                0 => true,
                2 => false,
                _ => return false,
            };
            m.bus.fabric.irqs.push((0, EXTERNAL, level));
            m.set_pin(emu_core::device::DevId(0x1000), 0, false); // no such device: only lets the hart look
            true
        });
        let (difference, tally) = compare(&mut subject, 3000);
        assert!(difference.is_none(), "{}", difference.expect("just seen").show(""));
        let m = &subject.machine;
        assert!(tally.compared > 1800, "{tally:?}");
        taken += reg(m, "s10") - reg(m, "s5");
        failed += reg(m, "s2");
    }
    assert!(taken > 500 && failed > 20, "{taken} interrupts, {failed} store-conditionals failed");
}

#[test]
fn lockstep_riscv_finds_a_wrong_register_or_word() {
    // Instructions of the first round: those of the start are 8.
    for step in 9..=26 {
        let mut pc = 0;
        let mut subject = bent(hart(&LOOP), |m, n| {
            if n == step {
                set(m, "t6", 0x99);
                poke(m, HIGH + 0x5000, 7);
            } else if n == step - 1 {
                pc = m.cpu(0).pc();
            }
            false
        });
        let difference = compare(&mut subject, 100).0.expect("it is found");
        drop(subject);
        let differ: Vec<_> = difference.registers.iter().filter(|r| r.differs()).map(|r| r.name).collect();
        assert_eq!((difference.pc, &differ[..]), (pc, &["t6"][..]), "{}", difference.show(""));
        assert_eq!(difference.memory, [(HIGH + 0x5000, 7, 0)]);
    }
}

#[test]
fn lockstep_riscv_finds_what_ours_wrongly_calls_illegal() {
    // XORI at 0x54 is taken for an illegal instruction.
    let mut wrong = Wrong { inner: bent(hart(&LOOP), |_, _| false), at: 0x54, code: [0xff; 4].to_vec() };
    let difference = first_difference(&mut wrong, 100).expect("it is found");
    assert_eq!((difference.pc, &difference.text[..]), (0x54, &["xori s9, s9, 0x55".to_string()][..]));
}
