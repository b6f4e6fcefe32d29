//! The one door from outside: everything that people, debuggers and scenarios do is a command at a virtual time.
//! Seed + images + the journal of commands = the run.

use emu_core::{Time, device::ResetKind};
use serde::{Deserialize, Serialize};

/// Something done to a node.
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
}

/// An act with its time and node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// When; a time that is past means now.
    pub at: Time,
    /// For which node, by number.
    pub node: u32,
    /// Instructions the node had retired when it was applied: filled in by the fleet.
    pub retired: u64,
    /// What.
    pub act: Act,
}

impl Command {
    /// A command for `node` at `at`.
    pub fn new(at: Time, node: u32, act: Act) -> Command {
        Command { at, node, retired: 0, act }
    }
}
