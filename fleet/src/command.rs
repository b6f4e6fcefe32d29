//! The one door from outside: everything that people, debuggers and scenarios do is a command at a virtual time.
//! Seed + images + the journal of commands = the run.

use emu_core::{Time, device::ResetKind};
use netsim::{gateway::HostEvent, medium::Fault};
use serde::{Deserialize, Serialize};

/// Something done to a node, or to a medium.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Act {
    /// Text typed on a console.
    Text {
        /// Which console, by number.
        console: u16,
        /// What.
        bytes: Vec<u8>,
    },
    /// A named input of a device: a button, a sensor's value.
    Input {
        /// Device.
        device: String,
        /// Its input.
        name: String,
        /// The new value in the input's unit.
        value: i64,
    },
    /// A reset; [`ResetKind::PowerOn`] loses RAM.
    Reset(ResetKind),
    /// The power is cut (`false`: RAM is lost, flash is kept, a write under way leaves a mess) or comes back.
    Power(bool),
    /// The CPUs execute nothing for so many nanoseconds; devices, the watchdog among them, go on.
    Freeze {
        /// How long.
        ns: u64,
    },
    /// From now on the node's clock gains so many millionths.
    Drift {
        /// Parts per million; negative: it loses.
        ppm: i32,
    },
    /// An input pin of a device sees a level whatever its wire does; `None`: the wire again.
    StickPin {
        /// Device.
        device: String,
        /// Its pin.
        pin: u16,
        /// The level.
        level: Option<bool>,
    },
    /// Bits of memory flip.
    FlipBits {
        /// Address of the first byte.
        addr: u64,
        /// Bits to flip, byte by byte.
        mask: Vec<u8>,
    },
    /// The image is changed before the first instruction.
    Patch {
        /// Where the bytes go.
        addr: u64,
        /// What stands there.
        was: Vec<u8>,
        /// Bytes.
        bytes: Vec<u8>,
    },
    /// The node is taken off all its media (`false`) or comes back.
    Present(bool),
    /// The node moves to a position in metres.
    Move([f64; 3]),
    /// A debugger writes memory.
    WriteMemory {
        /// Address.
        addr: u64,
        /// Bytes.
        bytes: Vec<u8>,
    },
    /// A debugger sets a register of CPU 0.
    WriteRegister {
        /// Number in the architecture's list.
        reg: u16,
        /// Value.
        value: u64,
    },
    /// A medium of the fleet is disturbed. The command is for [`Command::FLEET`].
    Fault {
        /// Number of the medium.
        medium: u32,
        /// How.
        fault: Fault,
    },
    /// The host's side of a gateway has something to tell it. The command is for [`Command::FLEET`].
    Host {
        /// Number of the medium.
        medium: u32,
        /// What.
        event: HostEvent,
    },
    /// A line between nodes is disturbed. The command is for [`Command::FLEET`].
    LineFault {
        /// Number of the line in the fleet file's order.
        line: u32,
        /// How.
        fault: Fault,
    },
    /// What stands in flash is not the image alone: the machine is switched on with this, before the first instruction.
    Flash {
        /// What differs, by address.
        parts: Vec<(u64, Vec<u8>)>,
    },
}

/// An act with its time and node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// When; a time that is past means now.
    pub at: Time,
    /// For which node, by number; [`Command::FLEET`]: for none.
    pub node: u32,
    /// Instructions the node had retired when it was applied: filled in by the fleet.
    pub retired: u64,
    /// What.
    pub act: Act,
}

impl Command {
    /// The `node` of what is done to a medium.
    pub const FLEET: u32 = u32::MAX;

    /// A command for `node` at `at`.
    pub fn new(at: Time, node: u32, act: Act) -> Command {
        Command { at, node, retired: 0, act }
    }
}
