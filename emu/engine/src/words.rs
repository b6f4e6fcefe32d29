//! Memory accesses of the interpreter: those that miss the fast path, and those of several words.

use crate::{
    guest::Guest,
    ir::{Block, Code, Op},
};
use emu_core::bus::Bus;

/// Tells the fabric which instruction acts, and when.
#[inline(always)]
pub(crate) fn at_insn(bus: &mut Bus, block: &Block, op: &Op, cycle: u64) {
    let insn = &block.insns[usize::from(op.insn)];
    // What came back of a block's cost moves its start, for the rest of it, to before its real one.
    bus.fabric.set_cycle(cycle.wrapping_add(u64::from(insn.cycles)));
    bus.fabric.pc = Some(u64::from(insn.pc));
}

#[inline(never)]
pub(crate) fn slow_load<G: Guest>(
    g: &mut G,
    bus: &mut Bus,
    block: &Block,
    op: &Op,
    addr: u32,
    size: u8,
    cycle: u64,
) -> Result<u32, G::Fault> {
    at_insn(bus, block, op, cycle);
    g.load(bus, addr, size, op.x)
}

#[inline(never)]
pub(crate) fn slow_store<G: Guest>(
    g: &mut G,
    bus: &mut Bus,
    block: &Block,
    op: &Op,
    (addr, v): (u32, u32),
    size: u8,
    cycle: u64,
) -> Result<(), G::Fault> {
    at_insn(bus, block, op, cycle);
    g.store(bus, addr, size, v, op.x)
}

/// What came of [`access`].
pub(crate) enum Access<F> {
    Done,
    Fault(F),
    /// It is no plain load or store.
    Other,
}

/// A plain load or store that missed the fast path: most of what compiled code leaves to us.
pub(crate) fn access<G: Guest>(
    g: &mut G,
    bus: &mut Bus,
    block: &Block,
    op: &Op,
    cycle: u64,
) -> Access<G::Fault> {
    use Code::*;
    let (base, addend) = match op.full {
        Ld8 | Ld8S | Ld16 | Ld16S | Ld32 | St8 | St16 | St32 => (op.a, op.imm),
        LdX8 | LdX8S | LdX16 | LdX16S | LdX32 | StX8 | StX16 | StX32 => {
            (op.a, g.regs().get(op.b) << (op.imm & 31))
        }
        _ => return Access::Other,
    };
    let addr = g.regs().get(base).wrapping_add(addend);
    let size = match op.full {
        Ld8 | Ld8S | LdX8 | LdX8S | St8 | StX8 => 1,
        Ld16 | Ld16S | LdX16 | LdX16S | St16 | StX16 => 2,
        _ => 4,
    };
    if matches!(op.full, St8 | St16 | St32 | StX8 | StX16 | StX32) {
        let v = g.regs().get(op.d);
        return match slow_store(g, bus, block, op, (addr, v), size, cycle) {
            Ok(()) => Access::Done,
            Err(f) => Access::Fault(f),
        };
    }
    match slow_load(g, bus, block, op, addr, size, cycle) {
        Ok(v) => {
            let v = match op.full {
                Ld8S | LdX8S => v as i8 as u32,
                Ld16S | LdX16S => v as i16 as u32,
                _ => v,
            };
            g.regs().set(op.d, v);
            Access::Done
        }
        Err(f) => Access::Fault(f),
    }
}

/// The slots of [`Code::LdM`] and [`Code::StM`].
pub(crate) fn slots(op: &Op) -> impl Iterator<Item = u8> {
    let mut list = op.imm as u16;
    std::iter::from_fn(move || {
        let slot = list.trailing_zeros() as u8;
        let more = list != 0;
        list &= list.wrapping_sub(1);
        more.then_some(slot)
    })
}

/// What the base of [`Code::LdM`] and [`Code::StM`] becomes.
#[inline(always)]
pub(crate) fn write_back<G: Guest>(g: &mut G, op: &Op) {
    let base = g.regs().get(op.a).wrapping_add((op.imm as i32 >> 16) as u32);
    g.regs().set(op.a, base);
}

/// [`Code::LdM`] if all its words lie in one page that the cache knows.
#[inline(always)]
pub(crate) fn load_words<G: Guest>(g: &mut G, bus: &Bus, op: &Op) -> bool {
    let addr = g.regs().get(op.a).wrapping_add(op.imm2);
    let n = (op.imm as u16).count_ones() as usize;
    let Some(words) = bus.fabric.mem.read_words(u64::from(addr), n) else { return false };
    let mut list = op.imm as u16;
    for word in words {
        g.regs().set(list.trailing_zeros() as u8, u32::from_le_bytes(*word));
        list &= list.wrapping_sub(1);
    }
    write_back(g, op);
    true
}

/// [`Code::StM`] if all its words lie in one page that the cache knows.
#[inline(always)]
pub(crate) fn store_words<G: Guest>(g: &mut G, bus: &mut Bus, op: &Op) -> bool {
    let addr = g.regs().get(op.a).wrapping_add(op.imm2);
    let n = (op.imm as u16).count_ones() as usize;
    let Some(words) = bus.fabric.mem.write_words(u64::from(addr), n) else { return false };
    let mut list = op.imm as u16;
    for word in words {
        *word = g.regs().get(list.trailing_zeros() as u8).to_le_bytes();
        list &= list.wrapping_sub(1);
    }
    write_back(g, op);
    true
}

/// Word after word: the page is special, or there are two. What is done before a fault stays done.
#[inline(never)]
pub(crate) fn slow_load_words<G: Guest>(
    g: &mut G,
    bus: &mut Bus,
    block: &Block,
    op: &Op,
    cycle: u64,
) -> Result<(), G::Fault> {
    let mut addr = g.regs().get(op.a).wrapping_add(op.imm2);
    for slot in slots(op) {
        let v = match bus.fabric.mem.read32(u64::from(addr)) {
            Some(v) => v,
            None => slow_load(g, bus, block, op, addr, 4, cycle)?,
        };
        g.regs().set(slot, v);
        addr = addr.wrapping_add(4);
    }
    write_back(g, op);
    Ok(())
}

#[inline(never)]
pub(crate) fn slow_store_words<G: Guest>(
    g: &mut G,
    bus: &mut Bus,
    block: &Block,
    op: &Op,
    cycle: u64,
) -> Result<(), G::Fault> {
    let mut addr = g.regs().get(op.a).wrapping_add(op.imm2);
    for slot in slots(op) {
        let v = g.regs().get(slot);
        if !bus.fabric.mem.write32(u64::from(addr), v) {
            slow_store(g, bus, block, op, (addr, v), 4, cycle)?;
        }
        addr = addr.wrapping_add(4);
    }
    write_back(g, op);
    Ok(())
}

/// [`Code::StEx`].
#[inline(never)]
pub(crate) fn store_exclusive<G: Guest>(
    g: &mut G,
    bus: &mut Bus,
    block: &Block,
    op: &Op,
    cycle: u64,
) -> Result<(), G::Fault> {
    let addr = g.regs().get(op.a).wrapping_add(op.imm);
    let stored = g.regs().get(op.c) != 0;
    if stored || addr & op.imm2.wrapping_sub(1) != 0 {
        let v = g.regs().get(op.b);
        let mem = &mut bus.fabric.mem;
        let done = match op.imm2 {
            1 => mem.write8(u64::from(addr), v as u8),
            2 => mem.write16(u64::from(addr), v as u16),
            _ => mem.write32(u64::from(addr), v),
        };
        if !done {
            slow_store(g, bus, block, op, (addr, v), op.imm2 as u8, cycle)?;
        }
    }
    g.regs().set(op.c, 0);
    g.regs().set(op.d, u32::from(!stored));
    Ok(())
}

/// [`Code::Ld64`] and [`Code::LdPair`]: nothing is changed if the second word faults.
#[inline(never)]
pub(crate) fn load_pair<G: Guest>(
    g: &mut G,
    bus: &mut Bus,
    block: &Block,
    op: &Op,
    cycle: u64,
) -> Result<(), G::Fault> {
    let addr = g.regs().get(op.a).wrapping_add(op.imm);
    let mut word = |addr: u32| match bus.fabric.mem.read32(u64::from(addr)) {
        Some(v) => Ok(v),
        None => slow_load(g, bus, block, op, addr, 4, cycle),
    };
    let (low, high) = (word(addr)?, word(addr.wrapping_add(4))?);
    if op.full == Code::LdPair {
        g.regs().set(op.d, low);
        g.regs().set(op.c, high);
    } else {
        g.regs().set64(op.d, u64::from(high) << 32 | u64::from(low));
    }
    Ok(())
}

/// [`Code::St64`] and [`Code::StPair`].
#[inline(never)]
pub(crate) fn store_pair<G: Guest>(
    g: &mut G,
    bus: &mut Bus,
    block: &Block,
    op: &Op,
    cycle: u64,
) -> Result<(), G::Fault> {
    let addr = g.regs().get(op.a).wrapping_add(op.imm);
    let v = g.regs().get64(op.d);
    let high = if op.full == Code::StPair { g.regs().get(op.c) } else { (v >> 32) as u32 };
    for (addr, v) in [(addr, v as u32), (addr.wrapping_add(4), high)] {
        if !bus.fabric.mem.write32(u64::from(addr), v) {
            slow_store(g, bus, block, op, (addr, v), 4, cycle)?;
        }
    }
    Ok(())
}
