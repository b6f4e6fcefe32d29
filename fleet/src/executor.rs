//! Who runs the machines of an epoch. The thread pool lives in fleet-host.

use crate::node::Node;
use emu_core::Time;

/// Runs nodes up to a barrier.
pub trait Executor {
    /// Runs every node to `until`, in any order, on any threads, and gives them all back in any order.
    fn run(&self, nodes: Vec<Box<Node>>, until: Time) -> Vec<Box<Node>>;
}

/// One after the other, in place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Serial;

impl Executor for Serial {
    fn run(&self, mut nodes: Vec<Box<Node>>, until: Time) -> Vec<Box<Node>> {
        for node in &mut nodes {
            node.run_until(until);
        }
        nodes
    }
}
