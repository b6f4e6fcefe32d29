//! What people and tools see of a fleet: immutable, published at barriers.

use crate::{Fleet, fleet::RADIO, node::Node};
use emu_core::{Time, device::View};
use netsim::Medium;
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
    /// Its power is cut.
    Off,
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
    /// Others may follow from it: an instruction that the core lacks.
    pub cause: bool,
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

/// Rows of `#` and `.`: a lamp is lit from a quarter of full brightness on.
pub fn lamps(width: u16, levels: &[u8]) -> Vec<String> {
    let row = |r: &[u8]| r.iter().map(|&l| if l >= 64 { '#' } else { '.' }).collect();
    levels.chunks(usize::from(width).max(1)).map(row).collect()
}

/// A node that was brought to `now`.
fn node_view(n: &Node, now: Time) -> NodeView {
    let m = &n.machine;
    let f = &m.bus.fabric;
    let device = |d| m.bus.device_name(d).to_string();
    let mistake = |(d, what, s): (_, &emu_core::diag::Mistake, &emu_core::diag::Stat)| MistakeView {
        device: device(d),
        what: what.to_string(),
        first: s.first,
        place: s.pc.map(|pc| n.firmware.place(pc)),
        count: s.count,
        cause: matches!(what, emu_core::diag::Mistake::Instruction(_)),
    };
    let names = (0..m.bus.device_count()).map(|i| emu_core::device::DevId(i as u16));
    let display = |d| Some((device(d), m.bus.device(d)?.view(now)?));
    NodeView {
        name: n.name.clone(),
        machine: m.name.clone(),
        position: n.position,
        state: n.state,
        asleep: (0..m.cpu_count()).all(|c| m.asleep(c)),
        place: n.firmware.place(m.cpu(0).pc()),
        retired: m.retired(),
        consoles: f.consoles.iter().map(|c| ConsoleView { name: c.name.clone(), len: c.len }).collect(),
        mistakes: f.errors.total,
        mistake_list: f.errors.iter().map(mistake).collect(),
        displays: names.filter_map(display).collect(),
    }
}

impl Fleet {
    /// One node as it is now. One that moves is where the air knows it.
    pub fn node_view(&mut self, id: u32) -> NodeView {
        let now = self.now;
        let view = node_view(self.bring(id), now);
        let position = match &self.networks[RADIO as usize].medium {
            Medium::Radio(m) => m.position(id, now),
            _ => None,
        };
        NodeView { position: position.unwrap_or(view.position), ..view }
    }

    /// Nothing happens before: no node, medium or command has anything to do. Inputs may change that.
    pub fn quiet_until(&self) -> Time {
        if !self.acts.is_empty() || self.open_epoch.is_some() {
            return self.now;
        }
        let command = self.pending.first_key_value().map_or(Time::MAX, |(k, _)| k.0);
        let decision = self.networks.iter().map(|n| n.medium.next_decision()).min().unwrap_or(Time::MAX);
        self.activity.first().min(self.ahead.first()).min(command).min(decision).max(self.now)
    }

    /// The line that ends at a node's port, and which end that is.
    pub fn line_at(&self, node: u32, port: &str) -> Option<(&Medium, u32)> {
        let node = self.node(node);
        let port = node.machine.ports.iter().find(|p| p.name == port)?;
        let seat = node.seats.iter().find(|s| s.line && (s.dev, s.port) == (port.dev, port.port))?;
        let (island, _) = self.homes[node.id() as usize];
        Some((self.islands[island as usize].as_ref()?.line(seat.medium)?, seat.station))
    }
}
