//! Who runs the machines of an epoch. The thread pool lives in fleet-host.

use crate::island::Island;
use emu_core::Time;

/// Runs islands up to a barrier.
pub trait Executor {
    /// Runs every island to `until`, in any order, on any threads, and gives them all back in any order.
    fn run(&self, islands: Vec<Box<Island>>, until: Time) -> Vec<Box<Island>>;
    /// The host wants the run to end wherever it is: islands may come back that have not run.
    fn interrupted(&self) -> bool {
        false
    }
}

/// One after the other, in place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Serial;

impl Executor for Serial {
    fn run(&self, mut islands: Vec<Box<Island>>, until: Time) -> Vec<Box<Island>> {
        for island in &mut islands {
            island.run_until(until);
        }
        islands
    }
}
