//! How many cycles instructions and traps take, from memory without wait states.
//!
//! No one core stands behind `rv32imac`. The figures are those that lowRISC documents for Ibex ("Pipeline Details": two stages, the
//! single-cycle multiplier, no branch target ALU), with its bounds at their least. What Ibex does not have is assumed: an
//! atomic operation takes what a load and a store take, a trap and MRET what a branch takes. A division takes as long as one that is
//! not by zero.

/// A branch that is taken.
const BRANCH: u8 = 3;
/// JAL, JALR, FENCE.I.
const JUMP: u8 = 2;
/// Loads and stores, LR and SC.
const ACCESS: u8 = 2;
/// AMOs.
const ATOMIC: u8 = 4;
/// MULH and its kin; MUL takes one.
const MUL_HIGH: u8 = 2;
/// Divisions and remainders.
const DIVIDE: u8 = 38;

/// Entering a trap handler.
pub(crate) const TRAP: u64 = 3;

/// Cycles of a 32-bit instruction; of a branch, if it is taken. One that is not takes one cycle.
pub(crate) fn cost(word: u32) -> u8 {
    let (funct3, funct7) = (word >> 12 & 7, word >> 25);
    match word & 0x7f {
        0x63 => BRANCH,
        0x67 | 0x6f => JUMP,
        0x0f if funct3 == 1 => JUMP,
        0x03 | 0x23 => ACCESS,
        // LR and SC.
        0x2f if funct7 >> 2 & !1 == 2 => ACCESS,
        0x2f => ATOMIC,
        0x33 if funct7 == 1 => match funct3 {
            0 => 1,
            1..4 => MUL_HIGH,
            _ => DIVIDE,
        },
        // MRET.
        0x73 if word == 0x3020_0073 => BRANCH,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mend_timing_of_each_class_of_instructions() {
        for (what, word, want) in [
            ("addi a0, a0, 1", 0x0015_0513, 1),
            ("lui a0, 1", 0x0000_1537, 1),
            ("add a0, a1, a2", 0x00c5_8533, 1),
            ("lw a0, (a1)", 0x0005_a503, 2),
            ("sb a0, (a1)", 0x00a5_8023, 2),
            ("mul a0, a1, a2", 0x02c5_8533, 1),
            ("mulhu a0, a1, a2", 0x02c5_b533, 2),
            ("divu a0, a1, a2", 0x02c5_d533, 38),
            ("rem a0, a1, a2", 0x02c5_e533, 38),
            ("beq a0, a1, .", 0x00b5_0063, 3),
            ("j .", 0x0000_006f, 2),
            ("ret", 0x0000_8067, 2),
            ("fence", 0x0ff0_000f, 1),
            ("fence.i", 0x0000_100f, 2),
            ("lr.w a0, (a1)", 0x1005_a52f, 2),
            ("sc.w a0, a2, (a1)", 0x18c5_a52f, 2),
            ("amoadd.w a0, a2, (a1)", 0x00c5_a52f, 4),
            ("amoswap.w a0, a2, (a1)", 0x08c5_a52f, 4),
            ("csrr a0, mcycle", 0xb000_2573, 1),
            ("ecall", 0x0000_0073, 1),
            ("wfi", 0x1050_0073, 1),
            ("mret", 0x3020_0073, 3),
        ] {
            assert_eq!(cost(word), want, "{what}");
        }
    }
}
