//! What people and tools see of a fleet: immutable, published at barriers.

use emu_core::{Time, device::View};
use serde::{Deserialize, Serialize};

/// Whether a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    /// It runs or sleeps.
    Running,
    /// The guest ended itself over semihosting.
    Exited {
        /// Its exit code.
        code: u32,
    },
    /// The CPU locked up.
    LockedUp {
        /// Where.
        pc: u64,
    },
}

/// One console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleView {
    /// Name of the port.
    pub name: String,
    /// Bytes printed since power-on.
    pub len: u64,
}

/// A distinct mistake of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MistakeView {
    /// Device that noticed.
    pub device: String,
    /// What.
    pub what: String,
    /// First time.
    pub first: Time,
    /// Where: address and symbol, if a CPU did it.
    pub place: Option<String>,
    /// How often.
    pub count: u64,
}

/// One node.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// Name.
    pub name: String,
    /// Board.
    pub machine: String,
    /// Position in metres.
    pub position: [f64; 3],
    /// Runs, or why not.
    pub state: NodeState,
    /// All CPUs wait for an interrupt.
    pub asleep: bool,
    /// Program counter of the first CPU with its symbol.
    pub place: String,
    /// Instructions retired.
    pub retired: u64,
    /// Consoles in board order.
    pub consoles: Vec<ConsoleView>,
    /// Number of mistakes the guest made.
    pub mistakes: u64,
    /// The distinct ones.
    pub mistake_list: Vec<MistakeView>,
    /// Lamps and displays: device and what it shows.
    pub displays: Vec<(String, View)>,
}

/// The fleet at one instant.
#[derive(Clone, Debug)]
pub struct FleetView {
    /// Virtual time.
    pub now: Time,
    /// Nodes by number.
    pub nodes: Vec<NodeView>,
    /// Frames on the air so far.
    pub frames: u64,
    /// Commands applied so far.
    pub commands: u64,
}
