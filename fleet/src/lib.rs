//! Many machines under one virtual clock: scheduler, commands, views. Synchronous and without IO; threads, sockets
//! and files are fleet-host's.
//!
//! The same seed, images and commands give the same run, bit for bit: with any executor, slice, snapshot or fork.
#![warn(missing_docs)]

mod agenda;
mod ahead;
mod apply;
pub mod command;
pub mod config;
pub mod determinism;
pub mod executor;
pub mod export;
pub mod flash;
#[allow(clippy::module_inception)]
pub mod fleet;
pub mod image;
pub mod island;
mod journal;
pub mod machines;
pub mod node;
#[cfg(test)]
mod order_tests;
pub mod record;
#[cfg(test)]
mod record_tests;
pub mod scenario;
mod skew;
mod snapshot;
pub mod stats;
pub mod view;
pub mod wiring;

pub use command::{Act, Command};
pub use executor::{Executor, Serial};
pub use fleet::{End, Fleet, FleetExit, GRID, MediumId, grid_after};
pub use island::Island;
pub use netsim::gateway;
pub use node::{ConsoleByte, Node};
pub use stats::KindStats;
pub use view::{FleetView, NodeState, NodeView};
