//! The registers of the M-profile cores, and how they are described to gdb.
//!
//! The features are those of gdb's manual, "Standard Target Features", "ARM Features".

use emu_core::cpu::{Arch, RegDesc};

/// The features that every description starts with.
macro_rules! core_xml {
    () => {
        concat!(
            "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n",
            "<target version=\"1.0\">\n<architecture>arm</architecture>\n",
            "<feature name=\"org.gnu.gdb.arm.m-profile\">\n",
            reg_xml!("r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12"),
            "<reg name=\"sp\" bitsize=\"32\" type=\"data_ptr\"/>\n",
            "<reg name=\"lr\" bitsize=\"32\"/>\n",
            "<reg name=\"pc\" bitsize=\"32\" type=\"code_ptr\"/>\n",
            "<reg name=\"xpsr\" bitsize=\"32\"/>\n</feature>\n",
            "<feature name=\"org.gnu.gdb.arm.m-system\">\n",
            "<reg name=\"msp\" bitsize=\"32\" type=\"data_ptr\"/>\n",
            "<reg name=\"psp\" bitsize=\"32\" type=\"data_ptr\"/>\n",
        )
    };
}

/// Registers of 32 bits that are plain integers.
macro_rules! reg_xml {
    ($($name:literal),*) => { concat!($("<reg name=\"", $name, "\" bitsize=\"32\"/>\n"),*) };
}

/// Double-precision registers, which gdb splits into `s0` to `s31` itself.
macro_rules! vfp_xml {
    ($($name:literal),*) => {
        concat!(
            "<feature name=\"org.gnu.gdb.arm.vfp\">\n",
            $("<reg name=\"", $name, "\" bitsize=\"64\" type=\"ieee_double\"/>\n",)*
            "<reg name=\"fpscr\" bitsize=\"32\" type=\"int\" group=\"float\"/>\n</feature>\n",
        )
    };
}

const fn word(name: &'static str) -> RegDesc {
    RegDesc { name, bits: 32 }
}

const fn double(name: &'static str) -> RegDesc {
    RegDesc { name, bits: 64 }
}

/// Number of `sp`.
pub const SP: usize = 13;
/// Number of `lr`.
pub const LR: usize = 14;
/// Number of `pc`.
pub const PC: usize = 15;
/// Number of `xpsr`.
pub const XPSR: usize = 16;
/// Number of `msp`; `psp`, `primask`, `basepri`, `faultmask`, `control` follow (v6-M: `psp`, `primask`, `control`).
pub const MSP: usize = 17;
/// Number of `d0`; `d1` to `d15` and `fpscr` follow.
pub const D0: usize = 23;

/// Everything a v7-M core with FPU has.
static FPU_REGS: [RegDesc; 40] = [
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
    word("basepri"),
    word("faultmask"),
    word("control"),
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

/// v6-M has neither BASEPRI nor FAULTMASK.
static V6M_REGS: [RegDesc; 21] = [
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
];

/// ARMv6-M: Cortex-M0, M0+, M1.
pub static V6M: Arch = Arch {
    name: "ARMv6-M",
    target_xml: concat!(core_xml!(), reg_xml!("primask", "control"), "</feature>\n</target>\n"),
    regs: &V6M_REGS,
    pc: PC,
    sp: SP,
    semihost: (0, 1),
};

/// ARMv7-M and ARMv7E-M without FPU.
pub static V7M: Arch = Arch {
    name: "ARMv7-M",
    target_xml: concat!(
        core_xml!(),
        reg_xml!("primask", "basepri", "faultmask", "control"),
        "</feature>\n</target>\n"
    ),
    regs: FPU_REGS.split_at(D0).0,
    pc: PC,
    sp: SP,
    semihost: (0, 1),
};

/// ARMv7E-M with FPU, single precision or double.
pub static V7M_FPU: Arch = Arch {
    name: "ARMv7E-M with FPU",
    target_xml: concat!(
        core_xml!(),
        reg_xml!("primask", "basepri", "faultmask", "control"),
        "</feature>\n",
        vfp_xml!(
            "d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12", "d13", "d14",
            "d15"
        ),
        "</target>\n"
    ),
    regs: &FPU_REGS,
    pc: PC,
    sp: SP,
    semihost: (0, 1),
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and sizes in the order in which gdb numbers them.
    fn described(xml: &str) -> Vec<(String, u32)> {
        let attribute = |reg: &str, name: &str| {
            let rest = reg.split_once(&format!("{name}=\"")).expect(name).1;
            rest.split_once('"').expect("closed").0.to_string()
        };
        let regs = xml.split("<reg ").skip(1);
        regs.map(|r| (attribute(r, "name"), attribute(r, "bitsize").parse().expect("a number"))).collect()
    }

    #[test]
    fn descriptions_and_lists_agree() {
        for arch in [&V6M, &V7M, &V7M_FPU] {
            let listed: Vec<_> = arch.regs.iter().map(|r| (r.name.to_string(), r.bits)).collect();
            assert_eq!(described(arch.target_xml), listed, "{}", arch.name);
            assert_eq!((arch.regs[arch.pc].name, arch.regs[arch.sp].name), ("pc", "sp"));
            assert_eq!(
                (arch.regs[XPSR].name, arch.regs[MSP].name, arch.regs[LR].name),
                ("xpsr", "msp", "lr")
            );
            let tags = |tag: &str| arch.target_xml.matches(tag).count();
            assert_eq!(tags("<feature "), tags("</feature>"), "{}", arch.name);
        }
        assert_eq!(V7M_FPU.regs[D0].name, "d0");
    }
}
