//! The hart as gdb sees it: the feature riscv.cpu, and the machine-mode registers as riscv.csr, the mode as riscv.virtual.
//!
//! Register numbers are positions: x0 to x31, pc, then [`CSRS`], then the mode (0 user, 3 machine).

use crate::{
    PC, X0,
    core::Core,
    csr::{Mode, Now, num},
};
use emu_core::cpu::{Arch, RegDesc};

macro_rules! table {
    ($($group:literal $feature:literal { $($name:literal $kind:literal,)* })*) => {
        const XML: &str = concat!(
            "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">",
            "<architecture>riscv:rv32</architecture>",
            $("<feature name=\"org.gnu.gdb.riscv.", $feature, "\">",
                $("<reg name=\"", $name, "\" bitsize=\"32\" type=\"", $kind, "\" group=\"", $group, "\"/>",)*
            "</feature>",)*
            "</target>"
        );
        static REGS: &[RegDesc] = &[$($(RegDesc { name: $name, bits: 32 },)*)*];
    };
}

table! {
    "general" "cpu" {
        "zero" "int", "ra" "code_ptr", "sp" "data_ptr", "gp" "data_ptr", "tp" "data_ptr",
        "t0" "int", "t1" "int", "t2" "int", "fp" "data_ptr", "s1" "int",
        "a0" "int", "a1" "int", "a2" "int", "a3" "int", "a4" "int", "a5" "int", "a6" "int", "a7" "int",
        "s2" "int", "s3" "int", "s4" "int", "s5" "int", "s6" "int", "s7" "int", "s8" "int", "s9" "int",
        "s10" "int", "s11" "int", "t3" "int", "t4" "int", "t5" "int", "t6" "int", "pc" "code_ptr",
    }
    "csr" "csr" {
        "mstatus" "int", "misa" "int", "mie" "int", "mtvec" "int", "mscratch" "int", "mepc" "int",
        "mcause" "int", "mtval" "int", "mip" "int", "mhartid" "int",
    }
    "general" "virtual" {
        "priv" "int",
    }
}

/// The machine-mode registers behind the pc, by number.
const CSRS: [u16; 10] = [
    num::MSTATUS,
    num::MISA,
    num::MIE,
    num::MTVEC,
    num::MSCRATCH,
    num::MEPC,
    num::MCAUSE,
    num::MTVAL,
    num::MIP,
    num::MHARTID,
];
const PC_NUMBER: usize = 32;
const PRIV_NUMBER: usize = PC_NUMBER + 1 + CSRS.len();

/// The description of an RV32 hart. Semihosting takes its operation in a0 and its parameter in a1.
pub static RV32: Arch =
    Arch { name: "RV32IMAC", target_xml: XML, regs: REGS, pc: PC_NUMBER, sp: 2, semihost: (10, 11) };

/// None of [`CSRS`] counts.
const NOW: Now = Now { cycle: 0, executed: 0 };

/// Reads a register by its number.
pub fn reg(core: &Core, n: usize) -> u64 {
    let v = match n {
        0..PC_NUMBER => core.regs.get(X0 + n as u8),
        PC_NUMBER => core.regs.get(PC),
        PRIV_NUMBER => core.csr.mode.number(),
        _ => {
            let csr = CSRS.get(n - PC_NUMBER - 1);
            csr.and_then(|csr| core.csr.read(*csr, core.index, NOW)).unwrap_or(0)
        }
    };
    v.into()
}

/// Sets a register by its number; `false` if there is none, or it cannot be set.
pub fn set_reg(core: &mut Core, n: usize, v: u64) -> bool {
    let v = v as u32;
    match n {
        0 => {}
        1..PC_NUMBER => core.regs.set(X0 + n as u8, v),
        // Where a debugger sends it, it runs.
        PC_NUMBER => {
            core.regs.set(PC, v & !1);
            core.csr.unlock();
        }
        PRIV_NUMBER => match Mode::of(v) {
            Some(mode) => core.csr.mode = mode,
            None => return false,
        },
        _ => return CSRS.get(n - PC_NUMBER - 1).is_some_and(|csr| core.csr.write(*csr, v, NOW)),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_description_lists_the_registers_in_order() {
        let names = XML.split("<reg name=\"").skip(1).map(|s| s.split('"').next().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), REGS.iter().map(|r| r.name).collect::<Vec<_>>());
        assert_eq!(REGS.len(), PRIV_NUMBER + 1);
        assert_eq!((REGS[RV32.pc].name, REGS[RV32.sp].name), ("pc", "sp"));
        assert_eq!(XML.matches("<feature").count(), XML.matches("</feature>").count());
    }

    #[test]
    fn what_is_set_is_read() {
        let mut core = Core::new(Config::named("rv32imac").unwrap(), 0);
        for (n, desc) in REGS.iter().enumerate() {
            let want = match desc.name {
                "zero" => 0,
                "pc" | "mepc" => 0x8000_0000,
                "mstatus" | "mie" | "mip" | "mhartid" => 0,
                "misa" => 0x4010_1105,
                "priv" => 3,
                _ => 0x8000_0001u64,
            };
            assert_eq!(
                set_reg(&mut core, n, 0x8000_0001),
                !matches!(desc.name, "mhartid" | "priv"),
                "{}",
                desc.name
            );
            assert_eq!(reg(&core, n), want, "{}", desc.name);
        }
        assert!(set_reg(&mut core, PRIV_NUMBER, 0));
        assert_eq!((reg(&core, PRIV_NUMBER), core.csr.mode), (0, Mode::User));
        assert!(!set_reg(&mut core, REGS.len(), 0));
    }
}
