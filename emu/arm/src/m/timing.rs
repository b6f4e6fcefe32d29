//! How many cycles instructions and exceptions take, by the manuals of the cores, from memory without wait states.
//!
//! An instruction's cost depends on nothing but its encoding, and on whether its condition holds: not on the instruction before
//! it (pairs of loads that a real core overlaps), on operands (division, long multiplication), on alignment, or on the memory
//! that answers. Where a manual gives a range, the middle stands here, rounded down.

/// Whose figures hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timing {
    /// Cortex-M0.
    M0,
    /// Cortex-M0+.
    M0Plus,
    /// Cortex-M3.
    M3,
    /// Cortex-M4.
    M4,
    /// Cortex-M7.
    M7,
}

/// One core's figures, in cycles.
struct Table {
    /// B, B with a condition that holds, CBZ and CBNZ that branch.
    branch: u8,
    /// BL.
    branch_link: u8,
    /// BX, BLX, MOV PC, ADD PC.
    branch_reg: u8,
    /// LDR to the PC.
    load_pc: u8,
    /// What loading the PC adds to POP and LDM, which take a cycle and one for each register.
    many_pc: u8,
    /// TBB, TBH.
    table_branch: u8,
    /// A load of one register.
    load: u8,
    /// A store at a constant offset.
    store: u8,
    /// A store at an offset in a register.
    store_reg: u8,
    /// MLA, MLS.
    mla: u8,
    /// SMULL, UMULL.
    mul_long: u8,
    /// SMLAL, UMLAL.
    mla_long: u8,
    /// SDIV, UDIV.
    div: u8,
    /// MRS, MSR.
    special: u8,
    /// DMB, DSB.
    barrier: u8,
    /// ISB.
    isb: u8,
    /// WFI, WFE, before they wait.
    wait: u8,
    /// From where the next instruction would have started to the first of the handler.
    entry: u8,
    /// From the start of the returning BX to the next instruction.
    exit: u8,
    /// From the start of the returning BX to the first instruction of the handler that is next.
    chain: u8,
}

/// Cortex-M0: DDI0432C table 3-1, with the multiplier that takes one cycle, as the nRF51 has it; latency of 16 cycles as in ARM's
/// "Interrupt latency of the Cortex-M processors". Not published, and derived from the M3: return (8 words, 2 cycles, and the M0's
/// refill of 3) and tail-chaining (the entry without the 8 words).
const M0: Table = Table {
    branch: 3,
    branch_link: 4,
    branch_reg: 3,
    load_pc: 0, // there is none
    many_pc: 3,
    table_branch: 0,
    load: 2,
    store: 2,
    store_reg: 2,
    mla: 0,
    mul_long: 0,
    mla_long: 0,
    div: 0,
    special: 4,
    barrier: 4,
    isb: 4,
    wait: 2,
    entry: 16,
    exit: 13,
    chain: 8,
};

/// Cortex-M0+: DDI0484C table 3-1 and 3.6.1; return and tail-chaining as for the M0.
const M0PLUS: Table = Table {
    branch: 2,
    branch_link: 3,
    branch_reg: 2,
    many_pc: 2,
    special: 3,
    barrier: 3,
    isb: 3,
    entry: 15,
    exit: 12,
    chain: 7,
    ..M0
};

/// Cortex-M3: DDI0337I table 3-1 and 3.3.2. P, the refill of the pipeline, is 1 to 3: here 1 where the target stands in the
/// instruction (Nordic's delay loop of three cycles for the M4 says so, too), 2 where it is in a register, 3 where it is loaded
/// (3.3.2). MRS, MSR and CPS are "1 or 2". Entry and return: ARM's article 103489845; tail-chaining: 5.9.1.
const M3: Table = Table {
    branch: 1 + 1,
    branch_link: 1 + 1,
    branch_reg: 1 + 2,
    load_pc: 2 + 3,
    many_pc: 3,
    table_branch: 2 + 1 + 3,
    load: 2,
    store: 1, // 3.3.2: "always one cycle"
    store_reg: 2,
    mla: 2,
    mul_long: 4, // 3 to 5
    mla_long: 5, // 4 to 7
    div: 7,      // 2 to 12
    special: 1,
    barrier: 1,
    isb: 1 + 2,
    wait: 1,
    entry: 12,
    exit: 10,
    chain: 6,
};

/// Cortex-M4: DDI0439 (100166) tables 3-1 and 3-2, where every multiplication takes one cycle; else as the M3.
const M4: Table = Table { mla: 1, mul_long: 1, mla_long: 1, ..M3 };

/// The Cortex-M7 has no published table. It counts as an M4; a real one, which issues two instructions at a time and predicts
/// branches, is faster.
const M7: Table = M4;

/// Cycles to store or load the floating-point registers of a frame (article 103489845).
const FP_FRAME: u8 = 17;
/// VDIV and VSQRT (DDI0439 table 7-1). Double precision, which only the M7 has, counts as single.
const FP_DIV: u8 = 14;
/// VMLA, VMLS, VNMLA, VNMLS, VFMA and its kin.
const FP_MLA: u8 = 3;

impl Timing {
    fn table(self) -> &'static Table {
        match self {
            Timing::M0 => &M0,
            Timing::M0Plus => &M0PLUS,
            Timing::M3 => &M3,
            Timing::M4 => &M4,
            Timing::M7 => &M7,
        }
    }

    /// Cycles of an instruction whose condition holds, a branch taken. Otherwise all take one.
    pub fn cost(self, hw1: u16, hw2: u16) -> u8 {
        let cost = if hw1 >> 11 > 0b11100 { self.cost32(hw1, hw2) } else { self.cost16(hw1) };
        cost.max(1) // what a core does not have is a fault, which takes its time
    }

    fn cost16(self, hw: u16) -> u8 {
        let t = self.table();
        let list = (hw as u8).count_ones() as u8;
        match hw >> 8 {
            0x44 | 0x46 if hw & 0x87 == 0x87 => t.branch_reg,
            0x47 => t.branch_reg,
            0x48..=0x4f | 0x56..=0x5f => t.load,
            0x50..=0x55 => t.store_reg,
            0x60..=0x9f if hw & 0x800 != 0 => t.load,
            0x60..=0x9f => t.store,
            0xb1 | 0xb3 | 0xb9 | 0xbb => t.branch,
            0xb4 | 0xbc | 0xc0..=0xcf => 1 + list,
            0xb5 => 2 + list,
            0xbd => 2 + list + t.many_pc,
            0xbf if matches!(hw & 0xff, 0x20 | 0x30) => t.wait,
            0xd0..=0xdd | 0xe0..=0xe7 => t.branch,
            _ => 1,
        }
    }

    fn cost32(self, hw1: u16, hw2: u16) -> u8 {
        match hw1 >> 9 {
            // B, BL, MSR, MRS, barriers: the second halfword begins with a one; what has none are constants.
            0b1111000..=0b1111011 if hw2 & 0x8000 != 0 => self.control(hw1, hw2),
            0b1110100 => self.multiple_or_dual(hw1, hw2),
            0b1111100 => self.single(hw1, hw2),
            0b1111101 => self.multiply(hw1, hw2),
            0b1110110 | 0b1110111 if hw2 & 0xe00 == 0xa00 => floating_point(hw1, hw2),
            _ => 1,
        }
    }

    fn control(self, hw1: u16, hw2: u16) -> u8 {
        let t = self.table();
        match (hw2 >> 12 & 0b101, hw1 >> 4 & 0x7f) {
            (0b101, _) => t.branch_link,
            (0b001, _) => t.branch,
            (_, 0b0111000 | 0b0111001 | 0b0111110 | 0b0111111) => t.special,
            (_, 0b0111011) => match hw2 >> 4 & 15 {
                4 | 5 => t.barrier,
                6 => t.isb,
                _ => 1,
            },
            (_, 0b0111010) if matches!(hw2 & 0xff, 2 | 3) => t.wait,
            (_, op) if op & 0x38 == 0x38 => 1,
            _ => t.branch,
        }
    }

    fn multiple_or_dual(self, hw1: u16, hw2: u16) -> u8 {
        let t = self.table();
        let (load, count) = (hw1 & 0x10 != 0, hw2.count_ones() as u8);
        let exclusive = matches!(hw1 >> 4 & 0xfff, 0xe84 | 0xe85 | 0xe8c | 0xe8d);
        match hw1 & 0x40 {
            0 if load && hw2 >> 15 != 0 => 1 + count + t.many_pc,
            0 => 1 + count,
            _ if hw1 >> 4 == 0xe8d && hw2 & 0xffe0 == 0xf000 => t.table_branch,
            _ if exclusive => t.load,
            _ => 3, // LDRD and STRD: 1 + N
        }
    }

    fn single(self, hw1: u16, hw2: u16) -> u8 {
        let t = self.table();
        let (load, pc) = (hw1 & 0x10 != 0, hw2 >> 12 == 15);
        match (load, pc) {
            (true, true) if hw1 >> 5 & 3 == 2 => t.load_pc,
            (true, true) => 1, // PLD and PLI
            (true, false) => t.load,
            (false, _) if hw1 & 0x80 == 0 && hw2 & 0xfc0 == 0 => t.store_reg,
            (false, _) => t.store,
        }
    }

    fn multiply(self, hw1: u16, hw2: u16) -> u8 {
        let t = self.table();
        match (hw1 >> 4 & 0x1f, hw2 >> 4 & 15) {
            (0b10000, 0) if hw2 >> 12 != 15 => t.mla,
            (0b10000, 1) => t.mla,
            (0b11000 | 0b11010, 0) => t.mul_long,
            (0b11100 | 0b11110, 0) => t.mla_long,
            (0b11001 | 0b11011, 15) => t.div,
            _ => 1,
        }
    }

    /// An exception is entered, its frame stacked.
    pub fn entry(self) -> u64 {
        self.table().entry.into()
    }
    /// What an exception return takes beyond the cost of its instruction: the manuals' figures begin with a BX.
    pub fn exit(self) -> u64 {
        let t = self.table();
        (t.exit - t.branch_reg).into()
    }
    /// The same for a return that enters another exception.
    pub fn chain(self) -> u64 {
        let t = self.table();
        (t.chain - t.branch_reg).into()
    }
    /// The floating-point registers of a frame are stored or loaded.
    pub fn fp_frame(self) -> u64 {
        FP_FRAME.into()
    }
}

/// DDI0439 table 7-1.
fn floating_point(hw1: u16, hw2: u16) -> u8 {
    let (words, data) = ((hw2 & 0xff) as u8, hw1 & 0xff00 == 0xee00 && hw2 & 0x10 == 0);
    match hw1 & 0xffb0 {
        0xee00 | 0xee10 | 0xee90 | 0xeea0 if data => FP_MLA,
        0xee80 if data => FP_DIV,
        0xeeb0 if hw1 & 15 == 1 && hw2 & 0xd0 == 0xc0 => FP_DIV,
        _ if hw1 & 0xfe00 != 0xec00 => 1,
        // VMOV between two core registers and two words.
        _ if hw1 & 0xffe0 == 0xec40 => 2,
        // VLDR and VSTR.
        _ if hw1 & 0x120 == 0x100 => 2 + (hw2 >> 8 & 1) as u8,
        // VLDM and VSTM: a double is two words.
        _ => 1 + words.min(32),
    }
}

#[cfg(test)]
mod tests {
    use super::Timing::{self, *};

    fn costs(hw1: u16, hw2: u16) -> [u8; 4] {
        [M0, M0Plus, M3, M4].map(|t| t.cost(hw1, hw2))
    }

    /// By class of instruction, as assembled by GNU as, in the order of the manuals' tables. What v6-M does not have is zero.
    #[test]
    fn mend_timing_tables_are_those_of_the_manuals() {
        for (what, hw1, hw2, want) in [
            ("movs r0, #1", 0x2001, 0, [1, 1, 1, 1]),
            ("mov r8, r0", 0x4680, 0, [1, 1, 1, 1]),
            ("mov pc, r0", 0x4687, 0, [3, 2, 3, 3]),
            ("add pc, r0", 0x4487, 0, [3, 2, 3, 3]),
            ("adds r0, r1, r2", 0x1888, 0, [1, 1, 1, 1]),
            ("muls r0, r1", 0x4348, 0, [1, 1, 1, 1]),
            ("cmp r0, r1", 0x4288, 0, [1, 1, 1, 1]),
            ("lsls r0, r1, #2", 0x0088, 0, [1, 1, 1, 1]),
            ("ldr r0, [r1, #4]", 0x6848, 0, [2, 2, 2, 2]),
            ("ldr r0, [r1, r2]", 0x5888, 0, [2, 2, 2, 2]),
            ("ldrsb r0, [r1, r2]", 0x5688, 0, [2, 2, 2, 2]),
            ("ldr r0, [pc, #4]", 0x4801, 0, [2, 2, 2, 2]),
            ("ldrb r0, [r1]", 0x7808, 0, [2, 2, 2, 2]),
            ("ldrh r0, [r1]", 0x8808, 0, [2, 2, 2, 2]),
            ("ldr r0, [sp]", 0x9800, 0, [2, 2, 2, 2]),
            ("str r0, [r1, #4]", 0x6048, 0, [2, 2, 1, 1]),
            ("strb r0, [r1]", 0x7008, 0, [2, 2, 1, 1]),
            ("str r0, [r1, r2]", 0x5088, 0, [2, 2, 2, 2]),
            ("push {r4, r5}", 0xb430, 0, [3, 3, 3, 3]),
            ("push {r4, r5, lr}", 0xb530, 0, [4, 4, 4, 4]),
            ("pop {r4, r5}", 0xbc30, 0, [3, 3, 3, 3]),
            ("pop {r4, r5, pc}", 0xbd30, 0, [7, 6, 7, 7]),
            ("ldmia r0!, {r1, r2, r3}", 0xc80e, 0, [4, 4, 4, 4]),
            ("stmia r0!, {r1, r2, r3}", 0xc00e, 0, [4, 4, 4, 4]),
            ("beq .", 0xd0fe, 0, [3, 2, 2, 2]),
            ("b .", 0xe7fe, 0, [3, 2, 2, 2]),
            ("bl .", 0xf7ff, 0xfffe, [4, 3, 2, 2]),
            ("bx lr", 0x4770, 0, [3, 2, 3, 3]),
            ("blx r3", 0x4798, 0, [3, 2, 3, 3]),
            ("cpsid i", 0xb672, 0, [1, 1, 1, 1]),
            ("nop", 0xbf00, 0, [1, 1, 1, 1]),
            ("wfe", 0xbf20, 0, [2, 2, 1, 1]),
            ("wfi", 0xbf30, 0, [2, 2, 1, 1]),
            ("sev", 0xbf40, 0, [1, 1, 1, 1]),
            ("mrs r0, PRIMASK", 0xf3ef, 0x8010, [4, 3, 1, 1]),
            ("msr PRIMASK, r0", 0xf380, 0x8810, [4, 3, 1, 1]),
            ("dsb", 0xf3bf, 0x8f4f, [4, 3, 1, 1]),
            ("dmb", 0xf3bf, 0x8f5f, [4, 3, 1, 1]),
            ("isb", 0xf3bf, 0x8f6f, [4, 3, 3, 3]),
        ] {
            assert_eq!(costs(hw1, hw2), want, "{what}");
        }
        for (what, hw1, hw2, want) in [
            ("cbz r0, .+4", 0xb100, 0, [2, 2]),
            ("it eq", 0xbf08, 0, [1, 1]),
            ("b.w .", 0xf7ff, 0xbffe, [2, 2]),
            ("beq.w .", 0xf43f, 0xaffe, [2, 2]),
            ("nop.w", 0xf3af, 0x8000, [1, 1]),
            ("wfi.w", 0xf3af, 0x8003, [1, 1]),
            ("clrex", 0xf3bf, 0x8f2f, [1, 1]),
            ("movw r0, #0x8000", 0xf248, 0x0000, [1, 1]),
            ("add.w r0, r1, #0x8000", 0xf501, 0x4000, [1, 1]),
            ("ldr.w r0, [r1, #4]", 0xf8d1, 0x0004, [2, 2]),
            ("ldr.w pc, [r1, #4]", 0xf8d1, 0xf004, [5, 5]),
            ("ldr.w r0, [r1, r2, lsl #2]", 0xf851, 0x0022, [2, 2]),
            ("str.w r0, [r1, #4]!", 0xf841, 0x0f04, [1, 1]),
            ("str.w r0, [r1, r2, lsl #2]", 0xf841, 0x0022, [2, 2]),
            ("pld [r1]", 0xf891, 0xf000, [1, 1]),
            ("ldrd r0, r1, [r2]", 0xe9d2, 0x0100, [3, 3]),
            ("strd r0, r1, [r2]", 0xe9c2, 0x0100, [3, 3]),
            ("ldrex r0, [r1]", 0xe851, 0x0f00, [2, 2]),
            ("strexb r0, r1, [r2]", 0xe8c2, 0x1f40, [2, 2]),
            ("ldrd r0, r1, [r2], #4", 0xe8f2, 0x0101, [3, 3]),
            ("tbb [pc, r0]", 0xe8df, 0xf000, [6, 6]),
            ("push.w {r4-r11, lr}", 0xe92d, 0x4ff0, [10, 10]),
            ("pop.w {r4-r11, pc}", 0xe8bd, 0x8ff0, [13, 13]),
            ("mul r0, r1, r2", 0xfb01, 0xf002, [1, 1]),
            ("mla r0, r1, r2, r3", 0xfb01, 0x3002, [2, 1]),
            ("mls r0, r1, r2, r3", 0xfb01, 0x3012, [2, 1]),
            ("umull r0, r1, r2, r3", 0xfba2, 0x0103, [4, 1]),
            ("smlal r0, r1, r2, r3", 0xfbc2, 0x0103, [5, 1]),
            ("udiv r0, r1, r2", 0xfbb1, 0xf0f2, [7, 7]),
            ("sdiv r0, r1, r2", 0xfb91, 0xf0f2, [7, 7]),
            ("smlabb r0, r1, r2, r3", 0xfb11, 0x3002, [1, 1]),
            ("clz r0, r1", 0xfab1, 0xf081, [1, 1]),
        ] {
            assert_eq!([M3, M4].map(|t| t.cost(hw1, hw2)), want, "{what}");
        }
        for (what, hw1, hw2, want) in [
            ("vadd.f32 s0, s1, s2", 0xee30, 0x0a81, 1),
            ("vmul.f32 s0, s1, s2", 0xee20, 0x0a81, 1),
            ("vdiv.f32 s0, s1, s2", 0xee80, 0x0a81, 14),
            ("vsqrt.f32 s0, s1", 0xeeb1, 0x0ae0, 14),
            ("vneg.f32 s0, s1", 0xeeb1, 0x0a60, 1),
            ("vmla.f32 s0, s1, s2", 0xee00, 0x0a81, 3),
            ("vnmls.f32 s0, s1, s2", 0xee10, 0x0a81, 3),
            ("vfma.f32 s0, s1, s2", 0xeea0, 0x0a81, 3),
            ("vfnma.f32 s0, s1, s2", 0xee90, 0x0ac1, 3),
            ("vmov s0, r1", 0xee00, 0x1a10, 1),
            ("vmov r1, s0", 0xee10, 0x1a10, 1),
            ("vmov r0, r1, d0", 0xec51, 0x0b10, 2),
            ("vmrs APSR_nzcv, fpscr", 0xeef1, 0xfa10, 1),
            ("vldr s0, [r1]", 0xed91, 0x0a00, 2),
            ("vldr d0, [r1]", 0xed91, 0x0b00, 3),
            ("vstr s0, [r1]", 0xed81, 0x0a00, 2),
            ("vpush {s16-s31}", 0xed2d, 0x8a10, 17),
            ("vpop {d8-d15}", 0xecbd, 0x8b10, 17),
            ("vldmia r0, {s0-s3}", 0xec90, 0x0a04, 5),
        ] {
            assert_eq!([M4, M7].map(|t| t.cost(hw1, hw2)), [want, want], "{what}");
        }
    }

    #[test]
    fn mend_timing_exceptions_take_what_arm_says() {
        let whole = |t: Timing| [t.entry(), t.exit() + 3, t.chain() + 3];
        assert_eq!([whole(M3), whole(M4)], [[12, 10, 6]; 2], "a BX takes three");
        assert_eq!((M0.entry(), M0Plus.entry()), (16, 15));
    }
}
