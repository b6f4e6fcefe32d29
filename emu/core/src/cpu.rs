//! What a machine wants of a CPU. The front ends (`emu-arm`, ...) implement it on top of `emu-engine`.

use crate::{bus::Bus, events::Tag, fields::Fields, save::LoadError};

/// A slice of a CPU's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// The cycle at which the next instruction starts.
    pub cycle: u64,
    /// No instruction starts at or after this cycle.
    pub until: u64,
    /// Execute one instruction only.
    pub step: bool,
    /// Do not stop at a breakpoint on the first instruction.
    pub resume: bool,
}

/// Why a CPU stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpuExit {
    /// `until` is reached, `step` is done, or the fabric wants attention.
    Ran,
    /// It waits for an interrupt or event.
    Sleep,
    /// A breakpoint is at the next instruction.
    Break,
    /// It waits for the host at a semihosting call; the program counter is at the call.
    Semihost,
    /// It can do nothing any more until a reset.
    Lockup,
}

/// What executes a CPU's instructions: a wish, not part of the state. The results are the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Engine {
    /// Compiled code where the host can run it, else the interpreter.
    #[default]
    Auto,
    /// The interpreter alone.
    Interpreter,
    /// Compiled code; who asks for it has seen that the host can ([`Cpu::compiles`]).
    Jit,
}

/// What an engine did since the CPU was made: for people, not part of the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EngineStats {
    /// Instructions that ran in compiled code; the others of [`Cpu::retired`] were interpreted.
    pub compiled: u64,
    /// Times that compiled code was entered.
    pub entries: u64,
    /// Times it was left: the budget ended within the next block.
    pub left_budget: u64,
    /// Nothing compiled was at the target of a jump.
    pub left_target: u64,
    /// Something wanted attention: an interrupt, a device's event, a change of permissions or code.
    pub left_attention: u64,
    /// An instruction faulted, or waits for somebody.
    pub left_fault: u64,
    /// Operations that compiled code left to the interpreter: device accesses, first accesses to pages, rare instructions.
    pub slow_ops: u64,
}

/// One register as a debugger sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegDesc {
    /// Name in the target description.
    pub name: &'static str,
    /// Size in bits.
    pub bits: u32,
}

/// What a debugger needs to know of an architecture. Register numbers are positions in `regs`.
#[derive(Debug)]
pub struct Arch {
    /// For messages, `ARMv7E-M` for instance.
    pub name: &'static str,
    /// gdb's target description.
    pub target_xml: &'static str,
    /// Registers in the order of the description.
    pub regs: &'static [RegDesc],
    /// Number of the program counter.
    pub pc: usize,
    /// Number of the stack pointer.
    pub sp: usize,
    /// The numbers of the semihosting operation and parameter registers.
    pub semihost: (usize, usize),
}

/// A CPU core with its private peripherals (interrupt controller, system timer).
pub trait Cpu: Send + Sync {
    /// Back to the reset state; reads the vectors.
    fn reset(&mut self, bus: &mut Bus);
    /// Runs; returns the cycle at which the next instruction would start, and why it stopped.
    fn run(&mut self, bus: &mut Bus, run: Run) -> (u64, CpuExit);
    /// An event scheduled under [`DevId::cpu`](crate::device::DevId::cpu) is due.
    fn event(&mut self, tag: Tag, bus: &mut Bus);
    /// Takes the interrupt lines that changed from the fabric; says whether a sleeping core wakes.
    fn sync(&mut self, bus: &mut Bus) -> bool;
    /// A copy.
    fn fork(&self) -> Box<dyn Cpu>;
    /// Canonical state, without caches.
    fn save(&self) -> Vec<u8>;
    /// What [`Cpu::save`] writes beyond the registers of [`Cpu::arch`], by name, each path beginning with `root`.
    fn fields(&self, _root: &str) -> Fields {
        vec![]
    }
    /// Restores [`Cpu::save`]'s bytes.
    fn load(&mut self, bytes: &[u8]) -> Result<(), LoadError>;
    /// Name of the core, `cortex-m0` for instance.
    fn kind(&self) -> &'static str;
    /// For debuggers.
    fn arch(&self) -> &'static Arch;
    /// A register by number.
    fn reg(&self, n: usize) -> u64;
    /// Sets a register by number; `false` if it cannot be set.
    fn set_reg(&mut self, n: usize, v: u64) -> bool;
    /// Address of the next instruction.
    fn pc(&self) -> u64;
    /// Instructions retired since power-on.
    fn retired(&self) -> u64;
    /// Faults, and exceptions entered and left, resets among them, since the CPU was made: if this differs around an
    /// instruction, something else happened than the instruction. For tools, not part of the state.
    fn exceptions(&self) -> u64 {
        0
    }
    /// What a load from a register of the core's own (interrupt controller, system timer) would give at `cycle`, without
    /// its side effects: 1, 2 or 4 bytes. `None`: there is none at `addr`. See [`debug`](crate::debug).
    fn peek_register(&self, _addr: u64, _size: u8, _cycle: u64) -> Option<u32> {
        None
    }
    /// Writes a register of the core's own for a debugger; `false`: there is none at `addr`.
    fn poke_register(&mut self, _bus: &mut Bus, _addr: u64, _size: u8, _v: u32) -> bool {
        false
    }
    /// The semihosting call at which the core waits is done: result in the result register, on behind the call.
    fn semihost_done(&mut self, result: u64);
    /// Chooses what executes the instructions.
    fn set_engine(&mut self, _engine: Engine) {}
    /// Whether compiled code can be run on this host for this CPU; if not, why.
    fn compiles(&self) -> Result<(), String> {
        Err("this CPU has no compiler".into())
    }
    /// From now on counts what compiled code leaves to the interpreter, by name.
    fn count_ops(&mut self) {}
    /// Names of operations that compiled code left to the interpreter, and how often; empty unless [`Cpu::count_ops`] was called.
    fn left_ops(&self) -> Vec<(&'static str, u64)> {
        vec![]
    }
    /// What the engine did.
    fn engine_stats(&self) -> EngineStats {
        EngineStats::default()
    }
    /// Whether a board can lead a pin to interrupt line `line`.
    fn has_line(&self, _line: u16) -> bool {
        true
    }
    /// Stretches of addresses (first, size, what is there) that lead to no bus: the core has them itself.
    fn own_addresses(&self) -> Vec<(u64, u64, &'static str)> {
        vec![]
    }
    /// What this core model leaves out.
    fn not_modelled(&self) -> &'static [&'static str];
}
