//! Straight-line code.

use super::Code;

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Op {
    /// What runs when the whole block runs: flags that nobody sees are left out.
    pub code: Code,
    /// What the front end meant: runs when a stop may come at any instruction.
    pub full: Code,
    /// Destination (source of a store).
    pub d: u8,
    /// First operand.
    pub a: u8,
    /// Second operand.
    pub b: u8,
    /// Third operand.
    pub c: u8,
    /// Small constant: condition, width, `MEM_` flags.
    pub x: u8,
    /// Number of the guest instruction within the block.
    pub insn: u8,
    /// Constant.
    pub imm: u32,
    /// Second constant.
    pub imm2: u32,
}

/// Where a guest instruction starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    /// Its address.
    pub pc: u32,
    /// Its first operation.
    pub first_op: u16,
    /// Cycles of the block before it, the most they can be.
    pub cycles: u16,
    /// Front end's state at its start that is not in the register file (ITSTATE).
    pub it: u8,
}

/// Straight-line code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Operations; the last one ends the block.
    pub ops: Box<[Op]>,
    /// Guest instructions, and one more entry for the end.
    pub insns: Box<[Insn]>,
    pub(super) cycles: u32,
    /// As many as `insns` has but for the end, and the end's `it`: beside the rest, as every way out needs them.
    pub(super) len: u16,
    pub(super) end_it: u8,
}

impl Block {
    /// Cycles of all its instructions, the most they can be.
    #[inline(always)]
    pub fn cycles(&self) -> u64 {
        u64::from(self.cycles)
    }
    /// Number of guest instructions.
    #[inline(always)]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }
    /// Decoder state behind the last instruction.
    #[inline(always)]
    pub fn end_it(&self) -> u8 {
        self.end_it
    }
    /// A block has at least one instruction.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
