//! Scenarios: a fleet and the steps done to it, with expectations. The schema stands in `fleet/scenarios/README.md`.
//!
//! Steps see and touch the fleet at whole milliseconds of virtual time only ([`TICK`]), so that a run does not depend
//! on how the host slices it.

mod act;
mod by_hand;
mod check;
mod compare;
mod conditions;
mod deeds;
mod deeds_media;
mod explain;
mod look;
mod read;
mod roster;
mod run;
#[cfg(test)]
mod tests;
mod text;
mod trace;

pub use by_hand::by_hand;
pub use compare::{Compare, Number, Op, Type};
pub use read::load;
pub use run::{Observer, Report};
pub use text::{Pattern, Template};
pub use trace::Trace;

use crate::{Fleet, config::Plan};
use emu_core::{Time, device::ResetKind};
use netsim::{Jammer, ethernet::LinkChange, line::LineFault};
use std::sync::Arc;

/// How often a waiting step looks: a whole number of these from the start of the run.
pub const TICK: u64 = 1_000_000;

/// Where a value lies in a guest's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A symbol of the image (to a flip also a memory of the machine), with an offset.
    Symbol(String, u64),
    /// An address.
    Address(u64),
}

/// Which bits flip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flips {
    /// These, byte by byte.
    Mask(Vec<u8>),
    /// So many of so many bytes, by the seed; no size: of the symbol or the memory.
    Random(u32, Option<u64>),
}

/// What is done to a link of a switch.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkDeed {
    /// It breaks.
    Down,
    /// It works again.
    Up,
    /// It becomes different.
    Change(LinkChange),
}

/// Something that is done at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Types on the console; `true`: the guest echoes it, which what is expected next reads over.
    Send(Template, bool),
    /// Sets a named input of a device.
    Input(String, String, i64),
    /// Resets: power, pin or soft.
    Reset(ResetKind),
    /// Cuts the power, or gives it back.
    Power(bool),
    /// The CPUs stand still for so many nanoseconds.
    Freeze(u64),
    /// The clock gains so many millionths.
    Drift(i32),
    /// An input pin of a device sees this level whatever its wire does; `None`: the wire again.
    Stick(String, String, Option<bool>),
    /// Bits of memory flip.
    Flip(Place, Flips),
    /// The node goes to a place, in metres, at so many metres in a second; 0: at once.
    Move([f64; 3], f64),
    /// The node leaves all its media, or returns.
    Present(bool),
    /// A medium loses what is for the nodes with this probability; for a while or from now on.
    Loss(String, f64, Option<u64>),
    /// Only the nodes of a group reach each other on a medium.
    Partition(String, Vec<Vec<u32>>),
    /// All reach all again.
    Heal(String),
    /// A jammer begins.
    Jam(String, Jammer),
    /// A jammer ends.
    Unjam(String),
    /// Links of the nodes to a switch.
    Link(String, LinkDeed),
    /// The line of this number.
    Line(u32, LineFault),
}

/// Something that holds for a node or does not.
#[derive(Clone, Debug)]
pub enum Condition {
    /// The console has printed it.
    Printed(Pattern),
    /// A value in memory.
    Memory(Place, Type, Vec<Compare>),
    /// A counter of a medium.
    Counter(Counter, Vec<Compare>),
    /// A device shows this: rows of `#` (lit) and `.` (dark).
    Display(String, Vec<String>),
    /// The brightness, 0 to 255, of a lamp of a device.
    Lamp(String, usize, Vec<Compare>),
    /// The level of a pin of a device.
    Pin(String, String, bool),
    /// Whether and how the node runs.
    State(State),
    /// How many mistakes the guest has made.
    Mistakes(Vec<Compare>),
}

/// A counter of a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// A medium, or the node's port on a line.
    pub medium: String,
    /// What it counts.
    pub name: String,
    /// Its share of another counter: sums over the step's nodes and over these.
    pub of: Option<(String, String, Arc<[u32]>)>,
}

/// Whether and how a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has power and executes or sleeps.
    Running,
    /// All its CPUs wait for an interrupt.
    Asleep,
    /// Its power is cut.
    Off,
    /// The guest has ended itself, with this code if one is given.
    Exited(Option<u32>),
    /// The CPU has locked up.
    LockedUp,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Does something; after so many nanoseconds, if they are given, it is undone.
    Do(Deed, Option<u64>),
    /// Waits until it holds for every node, at most so many nanoseconds.
    Until(Condition, u64),
    /// Fails unless it holds for every node now and for so many nanoseconds.
    Hold(Condition, u64),
    /// Fails if a node prints it within so many nanoseconds.
    Never(Pattern, u64),
    /// Lets time pass, in nanoseconds.
    Wait(u64),
    /// Waits until the fleet has run so many nanoseconds.
    WaitTo(u64),
    /// Inputs follow a recording from now on, beside the steps.
    Play(Arc<Trace>),
    /// Lists of steps that go on side by side.
    Branches(Vec<Vec<Step>>),
    /// Steps that are done again and again.
    Repeat(Box<Repeat>),
}

/// Steps that are done again and again.
#[derive(Clone, Debug)]
pub struct Repeat {
    /// The steps.
    pub steps: Vec<Step>,
    /// So often.
    pub count: Option<u64>,
    /// Until this condition of a step holds at the end of a round.
    pub until: Option<Step>,
    /// A round begins so many nanoseconds after the one before, or later.
    pub every: Option<u64>,
    /// At most so many nanoseconds, if it goes on until something holds.
    pub within: u64,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Line in the file.
    pub line: usize,
    /// For whom.
    pub nodes: Arc<[u32]>,
    /// What.
    pub action: Action,
}

/// Something that happens beside the steps.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// What: done at once.
    pub step: Step,
    /// Nanoseconds from the start.
    pub at: u64,
    /// Again after so many nanoseconds.
    pub every: Option<u64>,
    /// So often.
    pub times: u64,
    /// Each time later by up to so many nanoseconds, by the seed.
    pub jitter: u64,
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
    /// What happens beside the steps.
    pub schedules: Vec<Schedule>,
    /// The whole run ends by then.
    pub timeout: Time,
}
