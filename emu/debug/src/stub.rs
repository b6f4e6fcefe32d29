//! The `gdbstub` crate's traits on top of a [`DebugTarget`].
//!
//! `gdbstub` fixes the architecture at compile time. [`Dynamic`] is one architecture for all: addresses of 64 bits,
//! registers as bytes whose layout only the target description knows.

use std::convert::Infallible;
use std::num::NonZeroUsize;

use gdbstub::arch::{self, RegId};
use gdbstub::common::{Pid, Signal};
use gdbstub::conn::Connection;
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::single_register_access::{SingleRegisterAccess, SingleRegisterAccessOps};
use gdbstub::target::ext::base::singlethread as single;
use gdbstub::target::ext::breakpoints as brk;
use gdbstub::target::ext::extended_mode::{
    Args, AttachKind, CurrentActivePid, CurrentActivePidOps, ExtendedMode, ExtendedModeOps, ShouldTerminate,
};
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd, MonitorCmdOps};
use gdbstub::target::ext::target_description_xml_override::{
    TargetDescriptionXmlOverride, TargetDescriptionXmlOverrideOps,
};
use gdbstub::target::{Target, TargetError, TargetResult};

use crate::{DebugTarget, Point, PointKind, Points, Resume};

/// `errno` numbers as gdb's protocol means them.
mod errno {
    pub(super) const EFAULT: u8 = 14;
    pub(super) const EINVAL: u8 = 22;
    pub(super) const ENOTSUP: u8 = 95;
}

/// Collects what goes to gdb.
#[derive(Default)]
pub(crate) struct Output(pub(crate) Vec<u8>);

impl Connection for Output {
    type Error = Infallible;

    fn write(&mut self, byte: u8) -> Result<(), Infallible> {
        self.0.push(byte);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// See the module's documentation.
pub(crate) enum Dynamic {}

impl arch::Arch for Dynamic {
    type Usize = u64;
    type Registers = Registers;
    type BreakpointKind = usize;
    type RegId = Reg;
}

/// All registers in the order of the target description.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Registers {
    bytes: Vec<u8>,
    pc: u64,
}

impl arch::Registers for Registers {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.pc
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        self.bytes.iter().for_each(|&b| write_byte(Some(b)));
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.bytes = bytes.to_vec();
        Ok(())
    }
}

/// A register by its number; whether there is one, the target says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reg(usize);

impl RegId for Reg {
    fn from_raw_id(id: usize) -> Option<(Self, Option<NonZeroUsize>)> {
        Some((Reg(id), None))
    }

    fn to_raw_id(&self) -> Option<usize> {
        Some(self.0)
    }
}

/// The target, and what the debugger wants of it.
pub(crate) struct Session<D> {
    pub(crate) target: D,
    pub(crate) points: Points,
    pub(crate) resume: Option<Resume>,
    /// gdb is connected with `target extended-remote`.
    pub(crate) extended: bool,
    /// The write that comes next is wrong and has no effect.
    pub(crate) refuse: bool,
}

impl<D: DebugTarget> Session<D> {
    fn reg_bytes(&self, n: usize) -> Option<usize> {
        self.target.arch().regs.get(n).map(|r| r.bits.div_ceil(8) as usize)
    }

    fn set_point(&mut self, point: Point, add: bool) -> bool {
        let changed = if add { self.points.add(point) } else { self.points.remove(point) };
        if changed {
            self.target.set_points(&self.points);
        }
        changed
    }

    pub(crate) fn clear_points(&mut self) {
        if !self.points.is_empty() {
            self.points = Points::default();
            self.target.set_points(&self.points);
        }
    }

    fn help(&self) -> String {
        let own =
            [("help", "this list"), ("reset", "reset the machine and stop before its first instruction")];
        let all = own.iter().chain(self.target.monitor_help());
        all.map(|(name, what)| format!("{name:<12} {what}\n")).collect()
    }

    fn monitor(&mut self, command: &str) -> String {
        match command {
            "" | "help" => self.help(),
            "reset" => {
                self.target.reset();
                "reset\n".into()
            }
            other => match self.target.monitor(other) {
                Some(text) => text,
                None => format!("no command `{other}`; `monitor help` lists what there is\n"),
            },
        }
    }
}

/// A register's value from its bytes, least significant first.
fn value(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |v, &b| v << 8 | u64::from(b))
}

impl<D: DebugTarget> Target for Session<D> {
    type Arch = Dynamic;
    type Error = Infallible;

    fn base_ops(&mut self) -> BaseOps<'_, Dynamic, Infallible> {
        BaseOps::SingleThread(self)
    }
    fn support_breakpoints(&mut self) -> Option<brk::BreakpointsOps<'_, Self>> {
        Some(self)
    }
    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }
    fn support_extended_mode(&mut self) -> Option<ExtendedModeOps<'_, Self>> {
        Some(self)
    }
    fn support_target_description_xml_override(
        &mut self,
    ) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }
    // A CPU does not fork.
    fn use_fork_stop_reason(&self) -> bool {
        false
    }
    fn use_vfork_stop_reason(&self) -> bool {
        false
    }
    fn use_vforkdone_stop_reason(&self) -> bool {
        false
    }
}

impl<D: DebugTarget> single::SingleThreadBase for Session<D> {
    fn read_registers(&mut self, regs: &mut Registers) -> TargetResult<(), Self> {
        let arch = self.target.arch();
        for n in 0..arch.regs.len() {
            let size = self.reg_bytes(n).unwrap_or(0);
            let bytes = u128::from(self.target.read_reg(n)).to_le_bytes();
            regs.bytes.extend_from_slice(&bytes[..size.min(16)]);
        }
        regs.pc = self.target.read_reg(arch.pc);
        Ok(())
    }

    fn write_registers(&mut self, regs: &Registers) -> TargetResult<(), Self> {
        let mut rest = regs.bytes.as_slice();
        let mut n = 0;
        while let Some(size) = self.reg_bytes(n).filter(|&size| size <= rest.len()) {
            let (reg, tail) = rest.split_at(size);
            // What cannot be written keeps its value: gdb sends all when it wants to change one.
            self.target.write_reg(n, value(reg));
            (rest, n) = (tail, n + 1);
        }
        Ok(())
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, (), Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8]) -> TargetResult<usize, Self> {
        let room = usize::try_from(u64::MAX - start).unwrap_or(usize::MAX);
        let len = data.len().min(room);
        match self.target.read_mem(start, &mut data[..len]) {
            0 if !data.is_empty() => Err(TargetError::Errno(errno::EFAULT)),
            n => Ok(n.min(len)),
        }
    }

    fn write_addrs(&mut self, start: u64, data: &[u8]) -> TargetResult<(), Self> {
        if self.refuse {
            return Err(TargetError::Errno(errno::EINVAL));
        }
        let fits = start.checked_add(data.len() as u64).is_some();
        if fits && self.target.write_mem(start, data) {
            Ok(())
        } else {
            Err(TargetError::Errno(errno::EFAULT))
        }
    }

    fn support_resume(&mut self) -> Option<single::SingleThreadResumeOps<'_, Self>> {
        Some(self)
    }
}

impl<D: DebugTarget> SingleRegisterAccess<()> for Session<D> {
    fn read_register(&mut self, (): (), Reg(n): Reg, buf: &mut [u8]) -> TargetResult<usize, Self> {
        let size = self.reg_bytes(n).filter(|&size| size <= buf.len().min(16));
        let size = size.ok_or(TargetError::Errno(errno::EINVAL))?;
        let bytes = u128::from(self.target.read_reg(n)).to_le_bytes();
        buf[..size].copy_from_slice(&bytes[..size]);
        Ok(size)
    }

    fn write_register(&mut self, (): (), Reg(n): Reg, val: &[u8]) -> TargetResult<(), Self> {
        let known = self.reg_bytes(n) == Some(val.len());
        if known && self.target.write_reg(n, value(val)) {
            Ok(())
        } else {
            Err(TargetError::Errno(errno::EINVAL))
        }
    }
}

impl<D: DebugTarget> single::SingleThreadResume for Session<D> {
    // A CPU takes no signals: what gdb passes on is dropped.
    fn resume(&mut self, _signal: Option<Signal>) -> Result<(), Infallible> {
        self.resume = Some(Resume::Continue);
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<single::SingleThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_range_step(&mut self) -> Option<single::SingleThreadRangeSteppingOps<'_, Self>> {
        Some(self)
    }
}

impl<D: DebugTarget> single::SingleThreadSingleStep for Session<D> {
    fn step(&mut self, _signal: Option<Signal>) -> Result<(), Infallible> {
        self.resume = Some(Resume::Step);
        Ok(())
    }
}

impl<D: DebugTarget> single::SingleThreadRangeStepping for Session<D> {
    fn resume_range_step(&mut self, start: u64, end: u64) -> Result<(), Infallible> {
        self.resume = Some(Resume::Range { start, end });
        Ok(())
    }
}

impl<D: DebugTarget> brk::Breakpoints for Session<D> {
    fn support_sw_breakpoint(&mut self) -> Option<brk::SwBreakpointOps<'_, Self>> {
        Some(self)
    }
    fn support_hw_breakpoint(&mut self) -> Option<brk::HwBreakpointOps<'_, Self>> {
        Some(self)
    }
    fn support_hw_watchpoint(&mut self) -> Option<brk::HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl<D: DebugTarget> brk::SwBreakpoint for Session<D> {
    fn add_sw_breakpoint(&mut self, addr: u64, _kind: usize) -> TargetResult<bool, Self> {
        Ok(self.set_point(Point { kind: PointKind::Software, addr, len: 0 }, true))
    }
    fn remove_sw_breakpoint(&mut self, addr: u64, _kind: usize) -> TargetResult<bool, Self> {
        Ok(self.set_point(Point { kind: PointKind::Software, addr, len: 0 }, false))
    }
}

impl<D: DebugTarget> brk::HwBreakpoint for Session<D> {
    fn add_hw_breakpoint(&mut self, addr: u64, _kind: usize) -> TargetResult<bool, Self> {
        Ok(self.set_point(Point { kind: PointKind::Hardware, addr, len: 0 }, true))
    }
    fn remove_hw_breakpoint(&mut self, addr: u64, _kind: usize) -> TargetResult<bool, Self> {
        Ok(self.set_point(Point { kind: PointKind::Hardware, addr, len: 0 }, false))
    }
}

impl<D: DebugTarget> brk::HwWatchpoint for Session<D> {
    fn add_hw_watchpoint(&mut self, addr: u64, len: u64, kind: brk::WatchKind) -> TargetResult<bool, Self> {
        Ok(self.set_point(Point { kind: kind.into(), addr, len }, true))
    }
    fn remove_hw_watchpoint(
        &mut self,
        addr: u64,
        len: u64,
        kind: brk::WatchKind,
    ) -> TargetResult<bool, Self> {
        Ok(self.set_point(Point { kind: kind.into(), addr, len }, false))
    }
}

impl<D: DebugTarget> MonitorCmd for Session<D> {
    fn handle_monitor_cmd(&mut self, cmd: &[u8], mut out: ConsoleOutput<'_>) -> Result<(), Infallible> {
        let command = String::from_utf8_lossy(cmd);
        out.write_raw(self.monitor(command.trim()).as_bytes());
        Ok(())
    }
}

impl<D: DebugTarget> ExtendedMode for Session<D> {
    fn on_start(&mut self) -> Result<(), Infallible> {
        self.extended = true;
        Ok(())
    }

    /// gdb's `run`: the image is the node's own, so the file name does not matter.
    fn run(&mut self, _filename: Option<&[u8]>, _args: Args<'_, '_>) -> TargetResult<Pid, Self> {
        self.target.reset();
        Ok(Pid::MIN)
    }

    fn attach(&mut self, _pid: Pid) -> TargetResult<(), Self> {
        Err(TargetError::Errno(errno::ENOTSUP))
    }

    /// Always, so that a gdb that quits lets the node run on.
    fn query_if_attached(&mut self, _pid: Pid) -> TargetResult<AttachKind, Self> {
        Ok(AttachKind::Attach)
    }

    /// In extended mode the session goes on: the user may `run` again.
    fn kill(&mut self, _pid: Option<Pid>) -> TargetResult<ShouldTerminate, Self> {
        Ok(if self.extended { ShouldTerminate::No } else { ShouldTerminate::Yes })
    }

    fn restart(&mut self) -> Result<(), Infallible> {
        self.target.reset();
        Ok(())
    }

    fn support_current_active_pid(&mut self) -> Option<CurrentActivePidOps<'_, Self>> {
        Some(self)
    }
}

impl<D: DebugTarget> CurrentActivePid for Session<D> {
    fn current_active_pid(&mut self) -> Result<Pid, Infallible> {
        Ok(Pid::MIN)
    }
}

impl<D: DebugTarget> TargetDescriptionXmlOverride for Session<D> {
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        length: usize,
        buf: &mut [u8],
    ) -> TargetResult<usize, Self> {
        if annex != b"target.xml" {
            return Err(TargetError::Errno(errno::EINVAL));
        }
        let xml = self.target.arch().target_xml.as_bytes();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(xml.len());
        let n = (xml.len() - start).min(length).min(buf.len());
        buf[..n].copy_from_slice(&xml[start..start + n]);
        Ok(n)
    }
}
