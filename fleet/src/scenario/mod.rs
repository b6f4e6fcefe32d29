//! Scenarios: a fleet and the steps done to it, with expectations. The schema stands in `fleet/scenarios/README.md`.
//!
//! Steps see and touch the fleet at whole milliseconds of virtual time only ([`TICK`]), so that a run does not depend
//! on how the host slices it.

mod check;
mod read;
mod run;
#[cfg(test)]
mod tests;

pub use read::load;
pub use run::{Observer, Report};

use crate::{Fleet, config::Plan};
use emu_core::Time;

/// How often a waiting step looks: a whole number of these from the start of the run.
pub const TICK: u64 = 1_000_000;

/// What a console must (not) print.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// This text.
    Text(String),
    /// Something this regular expression matches.
    Regex(regex::bytes::Regex),
}

impl Pattern {
    /// The end of the first match in `text`.
    fn find(&self, text: &[u8]) -> Option<usize> {
        match self {
            Pattern::Text(t) if t.is_empty() => Some(0),
            Pattern::Text(t) => text.windows(t.len()).position(|w| w == t.as_bytes()).map(|i| i + t.len()),
            Pattern::Regex(r) => r.find(text).map(|m| m.end()),
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pattern::Text(t) => write!(f, "{t:?}"),
            Pattern::Regex(r) => write!(f, "/{}/", r.as_str()),
        }
    }
}

/// Where a value lies in a guest's memory.
#[derive(Clone, Debug)]
pub enum Place {
    /// A symbol of the image, with an offset.
    Symbol(String, u64),
    /// An address.
    Address(u64),
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Types on the console.
    Send(String),
    /// Waits until every node has printed it.
    Expect(Pattern, u64),
    /// Fails if a node prints it within the time.
    ExpectNot(Pattern, u64),
    /// Lets time pass, in nanoseconds.
    Wait(u64),
    /// Sets a named input of a device.
    Input(String, String, i64),
    /// Resets: power, pin or soft.
    Reset(emu_core::device::ResetKind),
    /// Waits until a value in memory is this one: place, size in bytes, value, nanoseconds.
    Memory(Place, u8, u64, u64),
    /// Waits until a device shows this: rows of `#` (lit) and `.` (dark).
    Display(String, Vec<String>, u64),
    /// Waits until the guest has ended itself with this code.
    Exit(u32, u64),
    /// Fails if a guest made more mistakes than this so far.
    MistakesAtMost(u64),
    /// Moves the node, in metres.
    Move([f64; 3]),
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Line in the file.
    pub line: usize,
    /// For whom.
    pub nodes: Vec<u32>,
    /// What.
    pub action: Action,
}

/// A fleet and what is to happen to it.
pub struct Scenario {
    /// File name as given.
    pub name: String,
    /// The fleet, at time zero.
    pub fleet: Fleet,
    /// Its plan.
    pub plan: Plan,
    /// Steps in order.
    pub steps: Vec<Step>,
    /// The whole run ends by then.
    pub timeout: Time,
}
