//! RV32IMAC to the comparison.

use super::{
    mirror::{Log, Uc},
    target::{Reg, Rule, State, Target},
};
use capstone::{
    Capstone,
    arch::{BuildsCapstone, BuildsCapstoneExtraMode, riscv},
};
use unicorn_engine::{Arch, Mode, RegisterRISCV, uc_error};

const SYSTEM: &str = "CSR instructions, ECALL, EBREAK, MRET, WFI";
/// The major opcode SYSTEM (volume I, table 24.1).
const OPCODE_SYSTEM: u32 = 0x73;
const MRET: u32 = 0x3020_0073;
/// The cause of a trap that is an illegal instruction.
const ILLEGAL: u64 = 2;

/// x1 to x31 by the names of the calling convention.
const NAMES: [&str; 31] = [
    "ra", "sp", "gp", "tp", "t0", "t1", "t2", "fp", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7",
    "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
];

/// A hart in machine mode.
pub(super) struct Rv32 {
    core: Vec<Reg>,
}

impl Rv32 {
    /// The core of our name, if Unicorn has it.
    pub fn named(kind: &str) -> Option<Rv32> {
        let x = |(n, name): (usize, &&'static str)| {
            let unicorn = RegisterRISCV::X1 as i32 + n as i32;
            Reg { name, unicorn, write: unicorn, mask: 0xffff_ffff }
        };
        (kind == "rv32imac").then(|| Rv32 { core: NAMES.iter().enumerate().map(x).collect() })
    }
}

impl Target for Rv32 {
    fn name(&self) -> &'static str {
        "RV32"
    }

    fn open(&self) -> Result<Uc, uc_error> {
        Uc::new_with_data(Arch::RISCV, Mode::RISCV32, Log::default())
    }

    fn core(&self) -> &[Reg] {
        &self.core
    }
    fn float(&self) -> &[Reg] {
        &[]
    }
    fn pc(&self) -> i32 {
        RegisterRISCV::PC as i32
    }
    fn status(&self) -> &'static str {
        "mcause"
    }

    fn length(&self, code: &[u8; 4]) -> usize {
        if code[0] & 3 == 3 { 4 } else { 2 }
    }

    fn rule(&self, code: &[u8; 4], _: &State, _: &mut dyn FnMut(u64) -> u64) -> Rule {
        let bits = u32::from_le_bytes(*code);
        // C.EBREAK is a call for help too.
        if bits & 0x7f == OPCODE_SYSTEM || bits & 0xffff == 0x9002 {
            return Rule::Skip(SYSTEM);
        }
        Rule::Compare { float: false }
    }

    fn faulted(&self, _: &State, after: &State) -> bool {
        after.status >> 31 == 0
    }

    fn undefined(&self, _: &[u8; 4], after: &State, _: &mut dyn FnMut(u64) -> u64) -> bool {
        after.status == ILLEGAL
    }
    fn undefined_stays(&self) -> bool {
        false
    }

    fn drop_reservation(&self) -> Option<&'static [u8]> {
        // SC.W at an address that nothing reserves: it fails, and the reservation is gone (volume I, 8.2).
        const SC: [u8; 4] = 0x1800_202fu32.to_le_bytes();
        Some(&SC)
    }
    fn drops_reservation(&self, code: &[u8; 4]) -> bool {
        u32::from_le_bytes(*code) == MRET
    }

    fn disassemble(&self, pc: u64, code: &[u8]) -> Vec<String> {
        let compressed = [riscv::ArchExtraMode::RiscVC].into_iter();
        let capstone = Capstone::new().riscv().mode(riscv::ArchMode::RiscV32).extra_mode(compressed).build();
        super::text::disassemble(capstone, pc, code)
    }
}
