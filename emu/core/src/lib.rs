//! The emulator's core: time, devices, wires, events, memory and the machine. No unsafe, no IO, no host clock.
//!
//! Start with [`machine`] for the order of things, [`device`] for what a peripheral is, [`regs`] for how its
//! registers are declared.
#![warn(missing_docs)]

pub mod bus;
pub mod cpu;
pub mod cx;
pub mod debug;
pub mod device;
pub mod diag;
pub mod events;
pub mod fabric;
pub mod fields;
pub mod ids;
pub mod link;
pub mod machine;
pub mod memory;
pub mod regs;
pub mod rng;
pub mod save;
pub mod time;
mod windows;
mod wiring;

pub use machine::Machine;
pub use time::{Clock, Time};
