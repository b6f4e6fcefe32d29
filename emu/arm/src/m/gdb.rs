//! The core as gdb sees it: target descriptions with the features m-profile, m-system and vfp.
//!
//! Register numbers are positions: R0 to R12, SP, LR, PC, xPSR, MSP, PSP, PRIMASK, CONTROL, then BASEPRI and
//! FAULTMASK (v7-M), then D0 to D15 and FPSCR.

use super::{
    config::MConfig,
    core::Core,
    special::sysm,
    state::{D0, PC, RegFile, SP},
};
use emu_core::cpu::{Arch, RegDesc};

macro_rules! core_xml {
    () => {
        concat!(
            "<feature name=\"org.gnu.gdb.arm.m-profile\">",
            "<reg name=\"r0\" bitsize=\"32\"/><reg name=\"r1\" bitsize=\"32\"/><reg name=\"r2\" bitsize=\"32\"/>",
            "<reg name=\"r3\" bitsize=\"32\"/><reg name=\"r4\" bitsize=\"32\"/><reg name=\"r5\" bitsize=\"32\"/>",
            "<reg name=\"r6\" bitsize=\"32\"/><reg name=\"r7\" bitsize=\"32\"/><reg name=\"r8\" bitsize=\"32\"/>",
            "<reg name=\"r9\" bitsize=\"32\"/><reg name=\"r10\" bitsize=\"32\"/><reg name=\"r11\" bitsize=\"32\"/>",
            "<reg name=\"r12\" bitsize=\"32\"/><reg name=\"sp\" bitsize=\"32\" type=\"data_ptr\"/>",
            "<reg name=\"lr\" bitsize=\"32\"/><reg name=\"pc\" bitsize=\"32\" type=\"code_ptr\"/>",
            "<reg name=\"xpsr\" bitsize=\"32\"/></feature>",
            "<feature name=\"org.gnu.gdb.arm.m-system\">",
            "<reg name=\"msp\" bitsize=\"32\" type=\"data_ptr\"/><reg name=\"psp\" bitsize=\"32\" type=\"data_ptr\"/>",
            "<reg name=\"primask\" bitsize=\"32\" group=\"system\"/>",
            "<reg name=\"control\" bitsize=\"32\" group=\"system\"/>"
        )
    };
}
macro_rules! main_xml {
    () => {
        concat!(
            "<reg name=\"basepri\" bitsize=\"32\" group=\"system\"/>",
            "<reg name=\"faultmask\" bitsize=\"32\" group=\"system\"/>"
        )
    };
}
macro_rules! fp_xml {
    ($($n:literal)*) => {
        concat!(
            "<feature name=\"org.gnu.gdb.arm.vfp\">",
            $("<reg name=\"d", $n, "\" bitsize=\"64\" type=\"ieee_double\"/>",)*
            "<reg name=\"fpscr\" bitsize=\"32\" type=\"int\" group=\"float\"/></feature>"
        )
    };
}
macro_rules! target_xml {
    ($($part:expr),*) => {
        concat!("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">",
            "<architecture>arm</architecture>", $($part,)* "</target>")
    };
}

const fn word(name: &'static str) -> RegDesc {
    RegDesc { name, bits: 32 }
}
const fn double(name: &'static str) -> RegDesc {
    RegDesc { name, bits: 64 }
}

const MSP: usize = 17;
const BASEPRI: usize = 21;
const FIRST_D: usize = 23;
const FPSCR: usize = 39;

static REGS: [RegDesc; FPSCR + 1] = [
    word("r0"),
    word("r1"),
    word("r2"),
    word("r3"),
    word("r4"),
    word("r5"),
    word("r6"),
    word("r7"),
    word("r8"),
    word("r9"),
    word("r10"),
    word("r11"),
    word("r12"),
    word("sp"),
    word("lr"),
    word("pc"),
    word("xpsr"),
    word("msp"),
    word("psp"),
    word("primask"),
    word("control"),
    word("basepri"),
    word("faultmask"),
    double("d0"),
    double("d1"),
    double("d2"),
    double("d3"),
    double("d4"),
    double("d5"),
    double("d6"),
    double("d7"),
    double("d8"),
    double("d9"),
    double("d10"),
    double("d11"),
    double("d12"),
    double("d13"),
    double("d14"),
    double("d15"),
    word("fpscr"),
];

const fn arch(name: &'static str, target_xml: &'static str, regs: &'static [RegDesc]) -> Arch {
    Arch { name, target_xml, regs, pc: PC, sp: SP, semihost: (0, 1) }
}

static V6M: Arch = arch("ARMv6-M", target_xml!(core_xml!(), "</feature>"), REGS.split_at(BASEPRI).0);
static V7M: Arch =
    arch("ARMv7-M", target_xml!(core_xml!(), main_xml!(), "</feature>"), REGS.split_at(FIRST_D).0);
static V7EM: Arch =
    arch("ARMv7E-M", target_xml!(core_xml!(), main_xml!(), "</feature>"), REGS.split_at(FIRST_D).0);
static V7EM_FP: Arch = arch(
    "ARMv7E-M",
    target_xml!(core_xml!(), main_xml!(), "</feature>", fp_xml!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)),
    &REGS,
);

/// The description of a core.
pub fn arch_of(cfg: &MConfig) -> &'static Arch {
    match (cfg.v7(), cfg.dsp(), cfg.has_fpu()) {
        (false, ..) => &V6M,
        (_, _, true) => &V7EM_FP,
        (_, true, _) => &V7EM,
        _ => &V7M,
    }
}

/// A special register's SYSm number.
fn sysm_of(n: usize) -> u8 {
    [sysm::MSP, sysm::PSP, sysm::PRIMASK, sysm::CONTROL, sysm::BASEPRI, sysm::FAULTMASK][n - MSP]
}

/// Reads a register by its number.
pub fn reg(core: &Core, n: usize) -> u64 {
    let (r, st) = (&core.regs, &core.sys.st);
    let v = match n {
        0..=15 => r.r(n),
        16 => st.xpsr(r),
        17 => st.msp(r),
        18 => st.psp(r),
        19 => st.primask.into(),
        20 => st.control(),
        21 => st.basepri.into(),
        22 => st.faultmask.into(),
        FIRST_D..FPSCR => return RegFile::get(r, D0 + n - FIRST_D),
        FPSCR => st.fpscr,
        _ => 0,
    };
    v.into()
}

/// Sets a register by its number; `false` if there is none.
pub fn set_reg(core: &mut Core, n: usize, v: u64) -> bool {
    if n >= arch_of(&core.sys.cfg).regs.len() {
        return false;
    }
    let w = v as u32;
    match n {
        SP => core.regs.set_r(SP, w & !3),
        PC => {
            core.regs.set_r(PC, w & !1);
            // Execution goes on in Thumb state and outside any IT block, wherever a debugger sends it.
            (core.sys.st.thumb, core.sys.st.itstate) = (true, 0);
        }
        0..=15 => core.regs.set_r(n, w),
        16 => {
            let cfg = core.sys.cfg.clone();
            core.sys.st.set_psr(&mut core.regs, &cfg, w);
        }
        MSP..FIRST_D => debug_msr(core, sysm_of(n), w),
        FIRST_D..FPSCR => RegFile::set(&mut core.regs, D0 + n - FIRST_D, v),
        _ => core.sys.set_fpscr(w),
    }
    true
}

/// MSR with the rights of a debugger.
fn debug_msr(core: &mut Core, sysm: u8, v: u32) {
    let npriv = std::mem::replace(&mut core.sys.st.npriv, false);
    core.sys.msr(&mut core.regs, sysm, 3, v);
    if sysm != sysm::CONTROL {
        core.sys.st.npriv = npriv;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(name: &str) -> Core {
        Core::new(MConfig::named(name).unwrap(), 0)
    }

    #[test]
    fn descriptions_list_the_registers_in_order() {
        for name in ["cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7f"] {
            let arch = arch_of(&MConfig::named(name).unwrap());
            let names: Vec<_> =
                arch.target_xml.split("<reg name=\"").skip(1).map(|s| s.split('"').next().unwrap()).collect();
            let sizes: Vec<u32> = arch
                .target_xml
                .split("bitsize=\"")
                .skip(1)
                .map(|s| s.split('"').next().unwrap().parse().unwrap())
                .collect();
            assert_eq!(names, arch.regs.iter().map(|r| r.name).collect::<Vec<_>>(), "{name}");
            assert_eq!(sizes, arch.regs.iter().map(|r| r.bits).collect::<Vec<_>>());
            assert_eq!(
                arch.target_xml.matches("<feature").count(),
                arch.target_xml.matches("</feature").count()
            );
            assert_eq!((names[arch.pc], names[arch.sp]), ("pc", "sp"));
        }
    }

    #[test]
    fn what_is_set_is_read() {
        let mut c = core("cortex-m7f");
        for n in 0..arch_of(&c.sys.cfg).regs.len() {
            let (v, want) = match n {
                15 => (0x1001, 0x1000),
                16 => (0xf900_0000, 0xf900_0000),
                13 | 17 | 18 => (0x2000_0003, 0x2000_0000),
                19 | 22 => (1, 1),
                20 => (6, 6),
                21 => (0xff, 0xf0),
                23..39 => (0x1234_5678_9abc_def0, 0x1234_5678_9abc_def0),
                39 => (0x0040_0000, 0x0040_0000),
                _ => (7, 7),
            };
            assert!(set_reg(&mut c, n, v));
            assert_eq!(reg(&c, n), want, "{}", arch_of(&c.sys.cfg).regs[n].name);
        }
        assert!(!set_reg(&mut c, 40, 0) && !set_reg(&mut core("cortex-m0"), 21, 0));
    }

    #[test]
    fn a_debugger_is_privileged_and_leaves_the_privilege_alone() {
        let mut c = core("cortex-m3");
        c.sys.st.npriv = true;
        assert!(set_reg(&mut c, 19, 1));
        assert_eq!((reg(&c, 19), reg(&c, 20)), (1, 1));
        assert!(set_reg(&mut c, 20, 0));
        assert_eq!(reg(&c, 20), 0);
    }
}
