//! Atomic accesses are compiled: hardly one is left to the interpreter, and the results are the interpreter's.

use crate::{DATA, RAM, asm::*, board, cycles, reg, set, word};
use emu_core::cpu::Engine;

const ROUNDS: u32 = 500;

/// `code` again and again, with A0 the data's address and A1 another number in each round: all registers, the data, the reservation's
/// fate, and what was left to the interpreter.
fn run(code: &[u32], engine: Engine) -> ((Vec<u32>, Vec<u32>), u64) {
    let mut all = vec![
        addi(A3, A3, 0x2bd),                            // another number
        A3 << 20 | A1 << 15 | A1 << 7 | 0x33,           // add a1, a1, a3
        13 << 20 | A1 << 15 | 1 << 12 | T0 << 7 | 0x13, // slli t0, a1, 13
        T0 << 20 | A1 << 15 | 4 << 12 | A1 << 7 | 0x33, // xor a1, a1, t0
    ];
    all.extend(code);
    all.push(A2 << 20 | S1 << 15 | S1 << 7 | 0x33); // add s1, s1, a2
    all.push(addi(S0, S0, -1));
    let back = -4 * (all.len() as i32);
    let b = back as u32;
    // bnez s0, back
    all.push(
        (b >> 12 & 1) << 31
            | (b >> 5 & 0x3f) << 25
            | S0 << 15
            | 1 << 12
            | (b >> 1 & 15) << 8
            | (b >> 11 & 1) << 7
            | 0x63,
    );
    all.push(j(0));
    let mut m = board(&all, &[j(0)]);
    m.set_engine(engine);
    set(&mut m, A0 as usize, DATA);
    set(&mut m, S0 as usize, ROUNDS);
    cycles(&mut m, u64::from(ROUNDS) * 200);
    assert_eq!(
        (reg(&m, S0 as usize), reg(&m, 32)),
        (0, RAM + 4 * (all.len() as u32 - 1)),
        "not executed: {code:x?}"
    );
    let regs = (0..32).map(|n| reg(&m, n)).collect();
    let data = (0..4).map(|n| word(&m, DATA + 4 * n)).collect();
    let slow = m.engine_stats().map(|s| s.slow_ops).sum();
    ((regs, data), slow)
}

#[test]
fn mend_atomic_accesses_are_compiled() {
    if let Err(why) = emu_engine::jit::available() {
        return println!("not tested: {why}");
    }
    let amos = [0x00, 0x01, 0x04, 0x08, 0x0c, 0x10, 0x14, 0x18, 0x1c];
    let mut classes: Vec<Vec<u32>> = amos.iter().map(|f| vec![amo(*f, A2, A1, A0)]).collect();
    // The register read is the one written; nothing is wanted of the old value; the address is lost.
    classes.extend(amos.iter().map(|f| vec![amo(*f, A1, A1, A0), amo(*f, 0, A1, A0)]));
    classes.push(vec![lr(A2, A0), amo(3, T0, A1, A0), amo(3, A2, A1, A0)]);
    classes.push(vec![addi(T0, A0, 4), lr(A2, A0), amo(3, A2, A1, T0), amo(3, T0, A1, A0)]);
    classes.push(vec![addi(T0, A0, 0), lr(T0, T0), amo(3, A2, A1, A0)]);
    for code in classes {
        let ((want, _), (got, slow)) = (run(&code, Engine::Interpreter), run(&code, Engine::Jit));
        assert_eq!(want, got, "{code:x?}");
        assert!(slow <= 8, "{code:x?}: {slow} operations left to the interpreter in {ROUNDS} rounds");
    }
}
