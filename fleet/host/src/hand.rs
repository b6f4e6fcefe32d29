//! What a person can reach of a run while it runs.
//!
//! A line that they give goes to the [`Watcher`](crate::Watcher), which does with this what it says. What changes the fleet is a
//! [`Command`](fleet::Command) as everything else from outside, so that a recorded session repeats it; the rest concerns
//! the host alone.

use crate::pace::Pacer;
use fleet::Fleet;

/// See the module's documentation.
pub struct Hand<'a> {
    /// The fleet, to look at and to give commands to.
    pub fleet: &'a mut Fleet,
    /// Node and console that take what is typed.
    pub typed_to: &'a mut Option<(u32, u16)>,
    /// Virtual time stands still.
    pub paused: &'a mut bool,
    /// The run is to end.
    pub quit: &'a mut bool,
    /// How virtual time keeps to the host's.
    pub pacer: &'a mut Option<Pacer>,
}
