//! The A extension (volume I, chapter 8): one hart, so every access is atomic.

use crate::{
    call::{LR, SC},
    core::Core,
    pmp::Kind,
    trap::{LOAD_MISALIGNED, STORE_FAULT, STORE_MISALIGNED, Trap},
};
use emu_core::bus::Bus;
use emu_engine::{guest::Guest, ir::Op};

/// LR.W, SC.W or an AMO, by funct5 in `op.x`.
pub(crate) fn atomic(core: &mut Core, bus: &mut Bus, op: &Op) -> Result<(), Trap> {
    let (addr, b) = (core.regs.get(op.a), core.regs.get(op.b));
    let kind = u32::from(op.x);
    if addr & 3 != 0 {
        return Err(Trap::new(if kind == LR { LOAD_MISALIGNED } else { STORE_MISALIGNED }, addr));
    }
    if kind == SC {
        return store_conditional(core, bus, addr, op);
    }
    let old = read(core, bus, addr, kind)?;
    if kind == LR {
        core.csr.reservation = Some(addr);
    } else {
        write(core, bus, addr, combine(kind, old, b))?;
    }
    core.regs.set(op.d, old);
    Ok(())
}

fn store_conditional(core: &mut Core, bus: &mut Bus, addr: u32, op: &Op) -> Result<(), Trap> {
    let stored = core.csr.reservation.take() == Some(addr);
    if stored {
        let v = core.regs.get(op.b);
        write(core, bus, addr, v)?;
    }
    core.regs.set(op.d, u32::from(!stored));
    Ok(())
}

/// What fails of an AMO's read is a store access fault (volume II, table 3.6), and it does not read what it may not write.
fn read(core: &mut Core, bus: &mut Bus, addr: u32, kind: u32) -> Result<u32, Trap> {
    match bus.fabric.mem.read32(addr.into()) {
        Some(v) => Ok(v),
        None if kind == LR => core.load(bus, addr, 4, 0),
        None if !core.allowed(addr, 4, Kind::Write) => Err(Trap::new(STORE_FAULT, addr)),
        None => core.load(bus, addr, 4, 0).map_err(|_| Trap::new(STORE_FAULT, addr)),
    }
}

fn write(core: &mut Core, bus: &mut Bus, addr: u32, v: u32) -> Result<(), Trap> {
    if bus.fabric.mem.write32(addr.into(), v) { Ok(()) } else { core.store(bus, addr, 4, v, 0) }
}

/// What an AMO stores, by funct5 (volume I, table 24.4).
fn combine(kind: u32, old: u32, v: u32) -> u32 {
    let (a, b) = (old as i32, v as i32);
    match kind {
        0x00 => old.wrapping_add(v),
        0x04 => old ^ v,
        0x08 => old | v,
        0x0c => old & v,
        0x10 => a.min(b) as u32,
        0x14 => a.max(b) as u32,
        0x18 => old.min(v),
        0x1c => old.max(v),
        _ => v,
    }
}
