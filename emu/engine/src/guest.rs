//! What the engine wants of a front end.

use crate::ir::{Block, Code, Insn, Op, Regs};
use emu_core::{bus::Bus, cpu::CpuExit};

/// What a front end's function did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// On with the next operation.
    Next,
    /// State changed that decides about interrupts, permissions or sleep: stop at the end of this instruction.
    Stop,
    /// The program counter and the decoder state were set: leave the block now; the instruction is done.
    Jumped,
    /// Leave with the program counter at this instruction, which is not done.
    Exit(CpuExit),
}

/// What [`Guest::poll`] says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Poll {
    /// Execute at the program counter.
    Run,
    /// Nothing to execute.
    Exit(CpuExit),
}

/// Which computed jumps are plain, for compiled code: see [`Guest::jump_plain`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JumpRule {
    /// Bit 0 is set, and cleared to give the address; from 0xf000_0000 on lie special values.
    Thumb,
    /// All are; bit 0 is cleared.
    Even,
}

/// What compiled code must know of a front end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Slot of the program counter.
    pub pc: u8,
    /// A slot that is always zero.
    pub zero: u8,
    /// The slots that host registers hold: the nine that code uses most. They hold 32-bit values, zero extended.
    pub hot: [u8; 9],
    /// First of 32 slots that are cheaper to reach than others.
    pub base: u8,
    /// How computed jumps work.
    pub jump: JumpRule,
}

/// A CPU's state and its rare instructions; the interpreter and the JIT do the rest.
pub trait Guest {
    /// A precise fault of one instruction.
    type Fault;
    /// For the compiler. `None`: the interpreter alone executes this guest.
    const SHAPE: Option<Shape> = None;

    /// The register file: always the same place while the guest stays where it is.
    fn regs(&mut self) -> &mut Regs;
    /// Address of the next instruction.
    fn pc(&self) -> u32;
    /// Sets the address of the next instruction.
    fn set_pc(&mut self, pc: u32);
    /// Decoder state at the program counter beyond the register file (ITSTATE); 0 means none.
    fn it(&self) -> u8;
    /// Sets the decoder state.
    fn set_it(&mut self, it: u8);
    /// Counts instructions that were executed.
    fn retire(&mut self, n: u64);
    /// Before [`Guest::call`]: so many instructions were executed that [`Guest::retire`] will count.
    fn executed(&mut self, _n: u64) {}
    /// Cycles that [`Guest::poll`], [`Guest::raise`], or a jump or call that asked for attention, took beyond the cost of the
    /// instruction, since this was last asked: those of an exception's entry and return. The next instruction starts later by
    /// as many.
    fn spent(&mut self) -> u64 {
        0
    }

    /// Before a block: takes interrupt lines from the fabric, enters the exception that is due, says whether to run.
    /// Called at the start of a run and after everything that asked for attention.
    fn poll(&mut self, bus: &mut Bus) -> Poll;
    /// May the instruction at the program counter be fetched? Called for each block if [`Guest::checks_fetch`].
    fn check_fetch(&mut self, bus: &mut Bus, pc: u32) -> Result<(), Self::Fault>;
    /// Permissions may forbid execution somewhere (an MPU is on).
    fn checks_fetch(&self) -> bool;
    /// A number for what [`Guest::check_fetch`] answers, and for what memory is told to remember
    /// ([`Memory::set_view`](emu_core::memory::Memory::set_view)): the same number always stands for the same answers. What was
    /// known under one of the last few is found again when it comes back.
    fn permissions(&self) -> u64 {
        0
    }
    /// The fault of a fetch where there is no memory.
    fn fetch_fault(&self, pc: u32) -> Self::Fault;

    /// A load that missed the fast path: alignment, protection, private registers, devices.
    fn load(&mut self, bus: &mut Bus, addr: u32, size: u8, mem: u8) -> Result<u32, Self::Fault>;
    /// A store that missed the fast path.
    fn store(&mut self, bus: &mut Bus, addr: u32, size: u8, v: u32, mem: u8) -> Result<(), Self::Fault>;
    /// Jumps to a computed address by the architecture's rules (interworking, exception return): sets the program
    /// counter and the decoder state.
    fn jump(&mut self, bus: &mut Bus, target: u32) -> Result<Flow, Self::Fault>;
    /// The same for a target that is nothing but an address of code: sets program counter and decoder state. `false`, and
    /// nothing done: use [`Guest::jump`].
    fn jump_plain(&mut self, target: u32) -> bool;
    /// The function `op.imm`. `insn` is the instruction it belongs to; the program counter is anywhere.
    fn call(&mut self, bus: &mut Bus, op: &Op, insn: &Insn) -> Result<Flow, Self::Fault>;
    /// The function of [`Code::Float`](crate::ir::Code::Float), for a front end that uses it.
    fn float(&mut self, _op: &Op) {
        unreachable!("this front end has no floating point")
    }
    /// What people call the function `id` of [`Code::Call`](crate::ir::Code::Call) and its kin, or of
    /// [`Code::Float`](crate::ir::Code::Float).
    fn name_of(_code: Code, _id: u32) -> &'static str {
        "call"
    }
    /// A division by zero: fault or result 0.
    fn div_by_zero(&mut self) -> Result<(), Self::Fault>;
    /// Takes a fault of the instruction at the program counter (which was set to it).
    fn raise(&mut self, bus: &mut Bus, fault: Self::Fault);

    /// Which decoding this is: two CPUs with equal ids decode equal bytes at equal addresses alike.
    fn decoder_id(&self) -> u64;
    /// An instruction that begins with this halfword is longer.
    fn reaches_on(&self, _first: u16) -> bool {
        true
    }
    /// Decodes a block that starts at `code[offset]`, address `pc`, with decoder state `it`. `code` is the page and
    /// as much of the next one as an instruction may reach into. At most `max` instructions; none that starts
    /// at or behind `page_end` (an offset into `code`).
    fn translate(&self, code: &[u8], offset: usize, page_end: usize, pc: u32, it: u8, max: usize) -> Block;
}
