//! The breakpoints and watchpoints that a debugger has set.

use std::collections::BTreeSet;

use emu_core::memory::Watch;
use gdbstub::target::ext::breakpoints::WatchKind;

/// What a point stops at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PointKind {
    /// Execution; gdb asked for a software breakpoint. Guest memory is never changed for it.
    Software,
    /// Execution; gdb asked for a hardware breakpoint.
    Hardware,
    /// Writes.
    Write,
    /// Reads.
    Read,
    /// Both.
    Access,
}

/// One breakpoint or watchpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// What it stops at.
    pub kind: PointKind,
    /// First address.
    pub addr: u64,
    /// Watched bytes; zero for breakpoints.
    pub len: u64,
}

/// No instruction starts elsewhere, of Thumb nor of RISC-V with compressed ones: a breakpoint there would never stop.
const INSTRUCTION: u64 = 2;
/// Watching more than this is refused; gdb then falls back to single steps.
const MAX_WATCH: u64 = 0x1_0000;

/// All points of one gdb session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Points(BTreeSet<Point>);

impl Points {
    /// None are set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Addresses to stop at before their instruction executes.
    pub fn breakpoints(&self) -> BTreeSet<u64> {
        self.0.iter().filter(|p| p.kind.is_break()).map(|p| p.addr).collect()
    }

    /// Ranges to stop at once they are accessed.
    pub fn watches(&self) -> Vec<Watch> {
        let watches = self.0.iter().filter(|p| !p.kind.is_break());
        watches
            .map(|p| Watch {
                addr: p.addr,
                len: p.len,
                read: p.kind != PointKind::Write,
                write: p.kind != PointKind::Read,
            })
            .collect()
    }

    pub(crate) fn add(&mut self, point: Point) -> bool {
        let end = point.addr.checked_add(point.len);
        let fits = match point.kind.is_break() {
            true => point.addr.is_multiple_of(INSTRUCTION),
            false => (1..=MAX_WATCH).contains(&point.len),
        };
        if end.is_none() || !fits {
            return false;
        }
        self.0.insert(point);
        true
    }

    pub(crate) fn remove(&mut self, point: Point) -> bool {
        self.0.remove(&point)
    }

    /// The breakpoint at `pc`, as gdb knows it.
    pub(crate) fn break_at(&self, pc: u64) -> Option<PointKind> {
        let at = |kind| self.0.contains(&Point { kind, addr: pc, len: 0 });
        [PointKind::Hardware, PointKind::Software].into_iter().find(|&kind| at(kind))
    }

    /// The watchpoint that an access to `addr` hits.
    pub(crate) fn watch_at(&self, addr: u64, write: bool) -> Option<WatchKind> {
        let hit = self.0.iter().find(|p| p.addr <= addr && addr - p.addr < p.len && p.kind.sees(write));
        hit.and_then(|p| match p.kind {
            PointKind::Write => Some(WatchKind::Write),
            PointKind::Read => Some(WatchKind::Read),
            PointKind::Access => Some(WatchKind::ReadWrite),
            PointKind::Software | PointKind::Hardware => None,
        })
    }
}

impl PointKind {
    fn is_break(self) -> bool {
        matches!(self, PointKind::Software | PointKind::Hardware)
    }

    fn sees(self, write: bool) -> bool {
        match self {
            PointKind::Write => write,
            PointKind::Read => !write,
            PointKind::Access => true,
            PointKind::Software | PointKind::Hardware => false,
        }
    }
}

impl From<WatchKind> for PointKind {
    fn from(kind: WatchKind) -> Self {
        match kind {
            WatchKind::Write => PointKind::Write,
            WatchKind::Read => PointKind::Read,
            WatchKind::ReadWrite => PointKind::Access,
        }
    }
}
