//! Collects a block, and takes out of it what nobody sees.

use super::{Block, Code, Insn, Op, flags};

/// Most guest instructions in one block.
pub const MAX_INSNS: usize = 48;

/// Collects a block.
#[derive(Debug, Default)]
pub struct Builder {
    ops: Vec<Op>,
    insns: Vec<Insn>,
    cycles: u16,
}

impl Builder {
    /// A block without instructions.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// The next operations belong to the instruction at `pc`, which costs `cycles` at most.
    pub fn insn(&mut self, pc: u32, it: u8, cycles: u8) {
        self.insns.push(Insn { pc, first_op: self.ops.len() as u16, cycles: self.cycles, it });
        self.cycles += u16::from(cycles);
    }

    /// Adds an operation; returns its position.
    pub fn push(&mut self, code: Code, d: u8, a: u8, b: u8, imm: u32) -> usize {
        let insn = (self.insns.len() as u8).wrapping_sub(1);
        self.ops.push(Op { code, full: code, d, a, b, c: 0, x: 0, insn, imm, imm2: 0 });
        self.ops.len() - 1
    }

    /// The operation at a position, to set the rarer fields or patch a [`Code::Skip`].
    pub fn op(&mut self, at: usize) -> &mut Op {
        &mut self.ops[at]
    }

    /// Number of operations so far.
    pub fn here(&self) -> usize {
        self.ops.len()
    }

    /// Starts a conditional part; give the result to [`Builder::end_skip`].
    pub fn skip_unless(&mut self, cond: u8) -> usize {
        let at = self.push(Code::Skip, 0, 0, 0, 0);
        self.ops[at].x = cond;
        at
    }

    /// Ends the conditional part.
    pub fn end_skip(&mut self, at: usize) {
        self.ops[at].imm = (self.ops.len() - at - 1) as u32;
    }

    /// Number of instructions so far.
    pub fn len(&self) -> usize {
        self.insns.len()
    }
    /// Nothing in it yet.
    pub fn is_empty(&self) -> bool {
        self.insns.is_empty()
    }
    /// The last operation ends the block.
    pub fn ended(&self) -> bool {
        self.ops.last().is_some_and(|op| op.full.ends_block())
    }

    /// Closes the block: control that falls out of it goes on at `next_pc` with front-end state `it`.
    pub fn finish(mut self, next_pc: u32, it: u8) -> Block {
        if !self.ended() {
            self.push(Code::Jump, 0, 0, 0, next_pc);
        }
        let first_op = self.ops.len() as u16;
        self.insns.push(Insn { pc: next_pc, first_op, cycles: self.cycles, it });
        drop_dead_flags(&mut self.ops);
        // A way out within an IT block sets the state of the decoder, too.
        if it == 0 {
            fuse(&mut self.ops);
        }
        let len = (self.insns.len() - 1) as u16;
        let (ops, insns) = (self.ops.into(), self.insns.into());
        Block { ops, insns, cycles: u32::from(self.cycles), len, end_it: it }
    }
}

/// Replaces flag-setting operations whose flags are set again before anybody could see them.
fn drop_dead_flags(ops: &mut [Op]) {
    let mut live = flags::ALL;
    for op in ops.iter_mut().rev() {
        if let Some((sets, plain)) = op.full.flagless()
            && sets & live == 0
        {
            op.code = plain;
        }
        live = op.full.live_before(live);
    }
}

/// Two operations at the end of a block become one, for runs of the whole block: a comparison and the conditional
/// branch behind it, a constant (a link register's) and a jump. The second stays for [`Op::full`]; a branch not taken
/// goes on at the block's end.
fn fuse(ops: &mut [Op]) {
    let [.., first, last] = ops else { return };
    let fused = match (first.full, last.full, last.x) {
        (Code::SubIS, Code::Branch, 0) => Code::SubIBranchEq,
        (Code::SubIS, Code::Branch, 1) => Code::SubIBranchNe,
        (Code::SubIS, Code::Branch, _) => Code::SubIBranch,
        (Code::SubS, Code::Branch, _) => Code::SubBranch,
        (Code::MovI, Code::Jump, _) if last.insn == first.insn => Code::MovIJump,
        _ => return,
    };
    if fused == Code::MovIJump || last.insn == first.insn + 1 {
        (first.code, first.c, first.x, first.imm2) = (fused, last.c, last.x, last.imm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_nobody_sees_are_left_out() {
        let mut b = Builder::new();
        b.insn(0, 0, 1);
        b.push(Code::AddS, 0, 1, 2, 0); // dead: the next sets all
        b.insn(2, 0, 1);
        b.push(Code::SubS, 0, 1, 2, 0); // C is read below
        b.insn(4, 0, 1);
        b.push(Code::AdcS, 0, 1, 2, 0); // seen by the load
        b.insn(6, 0, 1);
        b.push(Code::Ld32, 0, 1, 0, 0);
        b.insn(8, 0, 1);
        b.push(Code::LslIS, 0, 1, 0, 3); // C survives the next
        b.insn(10, 0, 1);
        b.push(Code::MovIS, 0, 0, 0, 3);
        let block = b.finish(12, 0);
        let codes: Vec<_> = block.ops.iter().map(|o| o.code).collect();
        use Code::*;
        assert_eq!(codes, [Add, SubS, AdcS, Ld32, LslIS, MovIS, Jump]);
        assert_eq!((block.len(), block.cycles()), (6, 6));
    }
}
