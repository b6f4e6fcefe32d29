//! The functions that translated code calls: [`Code::Call`](emu_engine::ir::Code::Call) with one of these ids.
//!
//! Operands travel in the fields of the operation: `d`, `a`, `b`, `c` are slots of the register file (for
//! floating-point arithmetic: numbers of S or D registers), `x` and `imm2` numbers.

use super::call_vfp;
use super::fault::Fault;
use super::system::System;
use emu_core::bus::Bus;
use emu_engine::guest::{Flow, Guest};
use emu_engine::ir::{Insn, Op, Regs};

/// UNDEFINED instruction.
pub const UNDEFINED: u32 = 0;
/// Coprocessor `x` that does not exist.
pub const NOCP: u32 = 1;
/// The instruction lies where there is no memory.
pub const FETCH_FAULT: u32 = 2;
/// SVC `imm2`.
pub const SVC: u32 = 4;
/// BKPT `imm2`.
pub const BKPT: u32 = 5;
/// WFI.
pub const WFI: u32 = 6;
/// WFE.
pub const WFE: u32 = 7;
/// SEV.
pub const SEV: u32 = 8;
/// `r[d]` = special register `x`.
pub const MRS: u32 = 9;
/// Special register `x` with mask `c` = `r[a]`.
pub const MSR: u32 = 10;
/// CPS: bit 4 of `x` disables, bit 1 is PRIMASK, bit 0 FAULTMASK.
pub const CPS: u32 = 11;
/// ExecuteFPCheck: before the first floating-point instruction of a block.
#[doc(alias = "ExecuteFPCheck")]
pub const FP_CHECK: u32 = 15;

/// First id of the functions in `call_vfp.rs`; the arithmetic is [`Code::Float`](emu_engine::ir::Code::Float).
pub const VFP: u32 = 0x200;
/// `r[d]` = FPSCR.
pub const VMRS: u32 = 0x200;
/// FPSCR = `r[a]`.
pub const VMSR: u32 = 0x201;

/// Rounding in `c`: 0 to 3 are A, N, P, M as VCVTA and its like encode them; this one is towards zero.
pub const ROUND_ZERO: u8 = emu_engine::ir::float::TO_ZERO;
/// As FPSCR says.
pub const ROUND_FPSCR: u8 = emu_engine::ir::float::BY_STATUS;
/// As FPSCR says, and inexact results are flagged (VRINTX).
pub const ROUND_EXACT: u8 = emu_engine::ir::float::EXACT;

/// What people call a function.
pub(super) fn name(id: u32) -> &'static str {
    match id {
        UNDEFINED => "undefined instruction",
        NOCP => "absent coprocessor",
        FETCH_FAULT => "fetch from no memory",
        SVC => "SVC",
        BKPT => "BKPT",
        WFI => "WFI",
        WFE => "WFE",
        SEV => "SEV",
        MRS => "MRS",
        MSR => "MSR",
        CPS => "CPS",
        FP_CHECK => "check that floating point is on",
        VMRS => "VMRS",
        VMSR => "VMSR",
        _ => "call",
    }
}

/// What the functions need of a core beside the engine's view of it.
pub trait Calls: Guest<Fault = Fault> {
    /// Register file and system state.
    fn parts(&mut self) -> (&mut Regs, &mut System);
    /// [`System::fp_check`] with the bus as memory; called only if it has something to do.
    fn fp_check(&mut self, bus: &mut Bus) -> Result<(), Fault>;
    /// BKPT: a semihosting call, if it is one and somebody listens, or [`Fault::Breakpoint`].
    fn breakpoint(&mut self, number: u8) -> Result<Flow, Fault>;
}

/// Does what `op`, of the instruction `insn`, calls for.
pub fn call<G: Calls>(g: &mut G, bus: &mut Bus, op: &Op, insn: &Insn) -> Result<Flow, Fault> {
    if op.imm >= VFP {
        let (r, sys) = g.parts();
        call_vfp::call(r, sys, op);
        return Ok(Flow::Next);
    }
    match op.imm {
        FP_CHECK if g.parts().1.fp_ready() => Ok(Flow::Next),
        // Storing the frame took time.
        FP_CHECK => g.fp_check(bus).map(|()| Flow::Stop),
        MRS | MSR | CPS => Ok(special(g.parts(), op)),
        BKPT => g.breakpoint(op.imm2 as u8),
        NOCP => Err(Fault::NoCoprocessor),
        FETCH_FAULT => Err(g.fetch_fault(insn.pc)),
        id => simple(g.parts().1, id),
    }
}

/// MRS, MSR, CPS: what may be taken, and what may be accessed, can be different afterwards.
fn special((r, sys): (&mut Regs, &mut System), op: &Op) -> Flow {
    let view = sys.view();
    match op.imm {
        MRS => {
            let v = sys.mrs(r, op.x);
            r.set(op.d, v);
            return Flow::Next;
        }
        MSR => {
            let v = r.get(op.a);
            sys.msr(r, op.x, op.c, v);
        }
        _ => sys.cps(op.x & 16 != 0, op.x & 2 != 0, op.x & 1 != 0),
    }
    if sys.can_take() || sys.view() != view { Flow::Stop } else { Flow::Next }
}

/// What only concerns the system state.
fn simple(sys: &mut System, id: u32) -> Result<Flow, Fault> {
    match id {
        // The exception is taken before the next instruction, to which it returns.
        SVC => sys.raise(Fault::Svc),
        WFI => _ = sys.wfi(),
        WFE => _ = sys.wfe(),
        SEV => sys.sev(),
        _ => return Err(Fault::Undefined),
    }
    Ok(Flow::Stop)
}
