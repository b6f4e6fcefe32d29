//! Cortex-M to the comparison.

use super::{
    mirror::{Log, Uc},
    target::{Reg, Rule, State, Target},
};
use capstone::{
    Capstone,
    arch::{BuildsCapstone, BuildsCapstoneExtraMode, arm},
};
use unicorn_engine::{Arch, ArmCpuModel, Mode, RegisterARM, uc_error};

const SYSTEM: &str = "CPS; MSR and MRS of other registers than APSR";
const WAIT: &str = "WFI, WFE, SEV, YIELD";
const CALL: &str = "SVC, BKPT";
const CONTEXT: &str = "creation or lazy stacking of a floating-point context";
const IDLE_IT: &str = "rest of an IT block whose conditions fail";
const ISB_IN_IT: &str = "ISB within an IT block";

/// FPCCR, whose bit 0 says that a floating-point context is still to be stacked (DDI0403E B3.2.21).
const FPCCR: u64 = 0xe000_ef34;
/// CFSR (B3.2.15).
const CFSR: u64 = 0xe000_ed28;
/// CFSR.UNDEFINSTR: an instruction was undefined.
const UNDEFINSTR: u64 = 1 << 16;
/// CONTROL.FPCA.
const FPCA: u64 = 4;
/// EPSR.T and EPSR.IT of an xPSR.
const EPSR: u64 = 0x0700_fc00;
/// N, Z, C, V.
const NZCV: u64 = 0xf000_0000;
const Q: u64 = 1 << 27;
const GE: u64 = 0xf << 16;

const fn word(name: &'static str, unicorn: RegisterARM) -> Reg {
    Reg { name, unicorn: unicorn as i32, write: unicorn as i32, mask: 0xffff_ffff }
}

/// R0 to R12, SP, LR, and xPSR, whose mask is the core's. Bits 0 and 1 of the SP do not exist; this Unicorn keeps them.
const CORE: [Reg; 16] = [
    word("r0", RegisterARM::R0),
    word("r1", RegisterARM::R1),
    word("r2", RegisterARM::R2),
    word("r3", RegisterARM::R3),
    word("r4", RegisterARM::R4),
    word("r5", RegisterARM::R5),
    word("r6", RegisterARM::R6),
    word("r7", RegisterARM::R7),
    word("r8", RegisterARM::R8),
    word("r9", RegisterARM::R9),
    word("r10", RegisterARM::R10),
    word("r11", RegisterARM::R11),
    word("r12", RegisterARM::R12),
    Reg { mask: 0xffff_fffc, ..word("sp", RegisterARM::SP) },
    word("lr", RegisterARM::LR),
    // Written under its own name, GE would be left out.
    Reg { write: RegisterARM::XPSR_NZCVQG as i32, ..word("xpsr", RegisterARM::XPSR) },
];

const NAMES: [&str; 16] =
    ["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12", "d13", "d14", "d15"];

/// A Cortex-M.
pub(super) struct CortexM {
    name: &'static str,
    model: ArmCpuModel,
    core: [Reg; 16],
    float: Vec<Reg>,
}

impl CortexM {
    /// The core of our name, if Unicorn has it.
    pub fn named(kind: &str) -> Option<CortexM> {
        let (name, model, flags) = match kind {
            "cortex-m0" | "cortex-m0plus" => ("Cortex-M0", ArmCpuModel::CORTEX_M0, NZCV),
            "cortex-m3" => ("Cortex-M3", ArmCpuModel::CORTEX_M3, NZCV | Q),
            "cortex-m4" | "cortex-m4f" => ("Cortex-M4", ArmCpuModel::CORTEX_M4, NZCV | Q | GE),
            "cortex-m7" | "cortex-m7f" => ("Cortex-M7", ArmCpuModel::CORTEX_M7, NZCV | Q | GE),
            _ => return None,
        };
        let mut core = CORE;
        core[15].mask = flags | EPSR;
        let mut float: Vec<Reg> = vec![];
        if kind.ends_with('f') {
            let d = |n: usize| {
                let unicorn = RegisterARM::D0 as i32 + n as i32;
                Reg { name: NAMES[n], unicorn, write: unicorn, mask: u64::MAX }
            };
            float.extend((0..16).map(d));
            float.push(word("fpscr", RegisterARM::FPSCR));
        }
        Some(CortexM { name, model, core, float })
    }
}

/// The 32-bit instruction, first halfword first; `None`: it has 16 bits.
fn wide(code: &[u8; 4]) -> Option<u32> {
    let (first, second) = halves(code);
    (first >= 0xe800).then_some(first << 16 | second)
}

fn halves(code: &[u8; 4]) -> (u32, u32) {
    let [a, b, c, d] = code.map(u32::from);
    (b << 8 | a, d << 8 | c)
}

/// A system instruction that Unicorn, which has neither NVIC nor modes here, cannot do (DDI0403E A5.2.5, A5.3.4).
fn system(code: &[u8; 4]) -> Option<&'static str> {
    let Some(bits) = wide(code) else {
        return match halves(code).0 {
            0xbe00..=0xbeff | 0xdf00..=0xdfff => Some(CALL),
            half if half & 0xffe8 == 0xb660 => Some(SYSTEM),
            0xbf10 | 0xbf20 | 0xbf30 | 0xbf40 => Some(WAIT),
            _ => None,
        };
    };
    let apsr = bits & 0xff == 0;
    match bits {
        _ if bits & 0xffe0_d000 == 0xf380_8000 && !apsr => Some(SYSTEM),
        _ if bits & 0xffe0_d000 == 0xf3e0_8000 && !apsr => Some(SYSTEM),
        _ if bits & 0xfff0_d700 == 0xf3a0_8000 && bits & 0xff != 0 => Some(WAIT),
        _ => None,
    }
}

/// EPSR.IT of the state, 0 outside IT blocks.
fn it(state: &State) -> u64 {
    state.status & EPSR & !(1 << 24)
}

/// None of the instructions that are left of an IT block is executed (DDI0403E A7.3.1, A7.3.3).
fn idle_in_it(state: &State) -> bool {
    let mut it = (state.status >> 8 & 0xfc | state.status >> 25 & 3) as u8;
    while it != 0 {
        if passes(it >> 4, state.status) {
            return false;
        }
        it = if it & 7 == 0 { 0 } else { it & 0xe0 | it << 1 & 0x1f };
    }
    true
}

/// ConditionPassed with the flags of an xPSR.
fn passes(cond: u8, xpsr: u64) -> bool {
    let [n, z, c, v] = [31, 30, 29, 28].map(|bit| xpsr >> bit & 1 != 0);
    let holds = match cond >> 1 {
        0 => z,
        1 => c,
        2 => n,
        3 => v,
        4 => c && !z,
        5 => n == v,
        6 => n == v && !z,
        _ => return true,
    };
    holds != (cond & 1 != 0)
}

impl Target for CortexM {
    fn name(&self) -> &'static str {
        self.name
    }

    fn open(&self) -> Result<Uc, uc_error> {
        // THUMB with an explicit model: MCLASS would force a Cortex-M33.
        let mut uc = Uc::new_with_data(Arch::ARM, Mode::THUMB, Log::default())?;
        uc.ctl_set_cpu_model(self.model as i32)?;
        if !self.float.is_empty() {
            // FPCA set: otherwise the first FP instruction would load FPSCR from FPDSCR.
            uc.reg_write(RegisterARM::CONTROL, FPCA)?;
        }
        Ok(uc)
    }

    fn core(&self) -> &[Reg] {
        &self.core
    }
    fn float(&self) -> &[Reg] {
        &self.float
    }
    fn pc(&self) -> i32 {
        RegisterARM::PC as i32
    }
    fn status(&self) -> &'static str {
        "xpsr"
    }
    fn start(&self, pc: u64) -> u64 {
        pc | 1
    }

    fn length(&self, code: &[u8; 4]) -> usize {
        if wide(code).is_some() { 4 } else { 2 }
    }

    fn rule(&self, code: &[u8; 4], before: &State, peek: &mut dyn FnMut(u64) -> u64) -> Rule {
        if let Some(reason) = system(code) {
            return Rule::Skip(reason);
        }
        let Some(bits) = wide(code) else { return Rule::Compare { float: false } };
        if bits & 0xffff_fff0 == 0xf3bf_8f60 && it(before) != 0 {
            return Rule::Skip(ISB_IN_IT);
        }
        let float = bits & 0xec00_0000 == 0xec00_0000 && !self.float.is_empty();
        if float && peek(FPCCR) & 1 != 0 {
            return Rule::Skip(CONTEXT);
        }
        Rule::Compare { float }
    }

    /// Unicorn does not stop within an IT block: all of it is one step.
    fn goes_on(&self, after: &State) -> bool {
        it(after) != 0
    }

    fn left_out(&self, before: &State, after: &State) -> Option<&'static str> {
        // Unicorn stops before the instruction after the first that it executes: it would go too far.
        if it(before) != 0 && idle_in_it(before) {
            return Some(IDLE_IT);
        }
        if after.status & 1 << 24 == 0 {
            return Some("jump to an address that is no Thumb code's");
        }
        ((before.control ^ after.control) & FPCA != 0).then_some(CONTEXT)
    }

    fn excuse(&self, code: &[u8; 4], before: &State) -> Option<&'static str> {
        // VCVT (between floating-point and fixed-point): to floating-point it always rounds to nearest (A7.7.226).
        let bits = wide(code)?;
        let fixed = bits & 0xffbe_0e50 == 0xeeba_0a40;
        let rounding = self.float.len() > 16 && before.float[16] >> 22 & 3 != 0;
        (fixed && rounding).then_some("VCVT from fixed point obeys FPSCR's rounding mode in Unicorn")
    }

    fn drop_reservation(&self) -> Option<&'static [u8]> {
        const CLREX: [u8; 4] = [0xbf, 0xf3, 0x2f, 0x8f];
        (self.core[15].mask & Q != 0).then_some(&CLREX)
    }

    fn undefined(&self, code: &[u8; 4], _: &State, peek: &mut dyn FnMut(u64) -> u64) -> bool {
        // v6-M does not tell faults apart; Unicorn is lenient about media instructions on a core without DSP.
        let media = wide(code).is_some_and(|bits| bits & 0xfe00_0000 == 0xfa00_0000);
        let core = if media { GE } else { Q };
        self.core[15].mask & core != 0 && peek(CFSR) & UNDEFINSTR != 0
    }

    fn disassemble(&self, pc: u64, code: &[u8]) -> Vec<String> {
        let mclass = [arm::ArchExtraMode::MClass].into_iter();
        let capstone = Capstone::new().arm().mode(arm::ArchMode::Thumb).extra_mode(mclass).build();
        super::text::disassemble(capstone, pc, code)
    }
}
