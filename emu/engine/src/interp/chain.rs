//! Where blocks come from, and how they are left.

use crate::{
    guest::{Flow, Guest},
    ir::{Block, Op},
};
use emu_core::{bus::Bus, cpu::CpuExit};

/// How a block was left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    /// Instructions executed (a faulting one counts: it took its time).
    pub insns: usize,
    /// Cycles they took.
    pub cycles: u64,
    /// Interrupts, permissions or the fabric want a look.
    pub attention: bool,
    /// The CPU stops here.
    pub exit: Option<CpuExit>,
}

/// Where the next block comes from.
pub trait Chain<G: Guest> {
    /// The block at the guest's program counter, if it may run as a whole within `left` cycles.
    fn next(&mut self, g: &mut G, bus: &mut Bus, left: u64) -> Option<&Block>;
}

/// One block and no more.
pub struct Single<'a>(pub Option<&'a Block>);

impl<G: Guest> Chain<G> for Single<'_> {
    fn next(&mut self, _: &mut G, _: &mut Bus, _: u64) -> Option<&Block> {
        self.0.take()
    }
}

/// What happened at an operation that leaves the fast path.
pub(super) enum Slow<F> {
    Fault(F),
    Flow(Flow),
}

/// The rare ways out of a block.
pub(super) fn leave<G: Guest>(
    g: &mut G,
    bus: &mut Bus,
    block: &Block,
    op: &Op,
    slow: Slow<G::Fault>,
    attention: bool,
) -> Left {
    let insn = block.insns[usize::from(op.insn)];
    let insns = usize::from(op.insn) + 1;
    let cycles = u64::from(block.insns[insns].cycles);
    match slow {
        Slow::Fault(f) => {
            g.set_pc(insn.pc);
            g.set_it(insn.it);
            g.raise(bus, f);
            Left { insns, cycles, attention: true, exit: None }
        }
        Slow::Flow(Flow::Exit(exit)) => {
            g.set_pc(insn.pc);
            g.set_it(insn.it);
            Left { insns: insns - 1, cycles: u64::from(insn.cycles), attention: true, exit: Some(exit) }
        }
        Slow::Flow(_) => Left { insns, cycles, attention: attention || bus.fabric.attention, exit: None },
    }
}
