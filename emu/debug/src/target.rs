//! What the gdb server wants of a node.

use emu_core::cpu::Arch;

use crate::Points;

/// One CPU of one machine, standing still, as a debugger handles it.
///
/// The server calls these only from [`GdbServer`](crate::GdbServer)'s own methods. Whoever implements this for a
/// fleet turns writes into commands of the journal.
pub trait DebugTarget {
    /// Registers and target description.
    fn arch(&self) -> &'static Arch;

    /// A register by its number in [`Arch::regs`].
    fn read_reg(&mut self, n: usize) -> u64;

    /// Sets a register; `false` if it cannot be set.
    fn write_reg(&mut self, n: usize, value: u64) -> bool;

    /// Reads memory without side effects where the hardware allows. Returns how many bytes, from the first on,
    /// could be read.
    fn read_mem(&mut self, addr: u64, out: &mut [u8]) -> usize;

    /// Writes memory, flash too: gdb's `load` uses it. `false` if not all of it could be written.
    fn write_mem(&mut self, addr: u64, bytes: &[u8]) -> bool;

    /// Replaces all breakpoints and watchpoints.
    fn set_points(&mut self, points: &Points);

    /// Resets the machine; it stands before its first instruction afterwards.
    fn reset(&mut self);

    /// Carries out `monitor COMMAND` and returns what to print; `None` if there is no such command. `help` and
    /// `reset` never come here.
    fn monitor(&mut self, command: &str) -> Option<String>;

    /// The commands that [`monitor`](Self::monitor) knows, each with one line of explanation.
    fn monitor_help(&self) -> &'static [(&'static str, &'static str)];
}

impl<T: DebugTarget + ?Sized> DebugTarget for &mut T {
    fn arch(&self) -> &'static Arch {
        (**self).arch()
    }
    fn read_reg(&mut self, n: usize) -> u64 {
        (**self).read_reg(n)
    }
    fn write_reg(&mut self, n: usize, value: u64) -> bool {
        (**self).write_reg(n, value)
    }
    fn read_mem(&mut self, addr: u64, out: &mut [u8]) -> usize {
        (**self).read_mem(addr, out)
    }
    fn write_mem(&mut self, addr: u64, bytes: &[u8]) -> bool {
        (**self).write_mem(addr, bytes)
    }
    fn set_points(&mut self, points: &Points) {
        (**self).set_points(points);
    }
    fn reset(&mut self) {
        (**self).reset();
    }
    fn monitor(&mut self, command: &str) -> Option<String> {
        (**self).monitor(command)
    }
    fn monitor_help(&self) -> &'static [(&'static str, &'static str)] {
        (**self).monitor_help()
    }
}
