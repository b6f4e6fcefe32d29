//! The functions that translated code calls: [`Code::Call`](emu_engine::ir::Code::Call) with one of these ids.

use crate::{
    RESERVATION,
    core::Core,
    csr::{Mode, num},
    float,
    trap::{BREAKPOINT, ECALL_M, ECALL_U, ILLEGAL, Trap},
};
use emu_core::{bus::Bus, cpu::CpuExit, device::DevId, diag::Mistake};
use emu_engine::{
    guest::{Flow, Guest},
    ir::{Insn, Op},
};

/// Exception `d` with mtval `imm2`.
pub(crate) const TRAP: u32 = 0;
/// ECALL.
pub(crate) const ECALL: u32 = 6;
/// EBREAK of `imm2` bytes.
pub(crate) const EBREAK: u32 = 1;
/// MRET, whose bits are `imm2`.
pub(crate) const MRET: u32 = 2;
/// WFI, whose bits are `imm2`.
pub(crate) const WFI: u32 = 3;
/// CSRRW and its kin by funct3 in `x`: the register named in the instruction `imm2`, with slot or immediate `a`;
/// `b` is 1 if it is written.
pub(crate) const CSR: u32 = 4;

/// What people call a function.
pub(crate) fn name(id: u32) -> &'static str {
    match id {
        TRAP => "exception",
        EBREAK => "EBREAK",
        ECALL => "ECALL",
        MRET => "MRET",
        WFI => "WFI",
        CSR => "access to a CSR",
        _ => "call",
    }
}

/// The two instructions around EBREAK that make it a semihosting call (RISC-V Semihosting, 2.1).
const BEFORE: u32 = 0x01f0_1013;
const BEHIND: u32 = 0x4070_5013;

/// Does what `op`, of the instruction `insn`, calls for.
pub(crate) fn call(core: &mut Core, bus: &mut Bus, op: &Op, insn: &Insn) -> Result<Flow, Trap> {
    match op.imm {
        EBREAK => breakpoint(core, bus, op.imm2, insn.pc),
        MRET if core.csr.mode == Mode::Machine => {
            let pc = core.csr.mret();
            core.regs.set(RESERVATION, 0);
            core.set_pc(pc);
            bus.fabric.attention |= core.csr.interrupt().is_some() || core.view_changed();
            Ok(Flow::Jumped)
        }
        WFI if core.csr.may_wait() => {
            core.csr.wfi();
            Ok(Flow::Stop)
        }
        MRET | WFI => Err(Trap::illegal(op.imm2)),
        ECALL if core.csr.mode == Mode::User => Err(Trap::new(ECALL_U, 0)),
        ECALL => Err(Trap::new(ECALL_M, 0)),
        CSR => csr(core, bus, op),
        _ => {
            let trap = Trap::new(op.d.into(), op.imm2);
            if trap.cause == ILLEGAL
                && let Some(what) = float::complaint(trap.tval)
            {
                bus.fabric.mistake(DevId::cpu(core.index), Mistake::Instruction(what.into()));
            }
            Err(trap)
        }
    }
}

fn breakpoint(core: &mut Core, bus: &Bus, len: u32, pc: u32) -> Result<Flow, Trap> {
    let word = |addr: u32| {
        let mut bytes = [0; 4];
        bus.fabric.mem.peek(addr.into(), &mut bytes);
        u32::from_le_bytes(bytes)
    };
    if core.semihosting
        && len == 4
        && (word(pc.wrapping_sub(4)), word(pc.wrapping_add(4))) == (BEFORE, BEHIND)
    {
        return Ok(Flow::Exit(CpuExit::Semihost));
    }
    Err(Trap::new(BREAKPOINT, 0))
}

fn csr(core: &mut Core, bus: &mut Bus, op: &Op) -> Result<Flow, Trap> {
    let illegal = Trap::illegal(op.imm2);
    let (n, now) = ((op.imm2 >> 20) as u16, core.now(bus));
    if !core.csr.may_access(n) {
        return Err(illegal);
    }
    let old = core.csr.read(n, core.index, now).ok_or(illegal)?;
    let v = if op.x & 4 != 0 { op.a.into() } else { core.regs.get(op.a) };
    let new = match op.x & 3 {
        1 => v,
        2 => old | v,
        _ => old & !v,
    };
    if op.b != 0 && !core.csr.write(n, new, now) {
        return Err(illegal);
    }
    core.regs.set(op.d, old);
    if op.b != 0 && (num::PMPCFG0..=num::PMPADDR15).contains(&n) {
        core.forget_views();
    }
    let stops = core.csr.interrupt().is_some() || op.b != 0 && core.view_changed();
    Ok(if stops { Flow::Stop } else { Flow::Next })
}
