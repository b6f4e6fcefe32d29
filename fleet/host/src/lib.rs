//! The edge: threads, sockets, files and the host's clock. Everything below is synchronous and without IO.
//!
//! - [`load`]: images and machines by name or path.
//! - [`lab`]: a fleet in a Rust test: build, run, type, expect, look into memory.
//! - [`runner`]: runs a fleet for a person or a program: input, output, pace, debuggers; [`hand`]: what a person at the
//!   monitor's line can reach of it.
//! - [`taps`]: consoles that go to files, pseudo-terminals and ports.
//! - [`io`]: the thread that speaks to sockets and hears signals; [`gdb`]: debuggers on top of it, [`desk`]
//!   for a fleet that a scenario or a replay runs.
//!
//! Architecture Invariant: what the outside does reaches a fleet as a [`fleet::Command`] only, and is seen only
//! through console bytes and [`fleet::FleetView`]; a debugger looks at a node that stands still.
#![warn(missing_docs)]

pub mod capture;
pub mod desk;
pub mod feed;
pub mod flash;
pub mod gateway;
pub mod gdb;
pub mod hand;
pub mod instead;
pub mod io;
pub mod lab;
pub mod load;
pub mod outlet;
pub mod pace;
pub mod patient;
pub mod pool;
pub mod pty;
pub mod record;
#[cfg(test)]
mod record_tests;
pub mod runner;
pub mod signals;
pub mod taps;
pub mod usage;

pub use capture::Capture;
pub use desk::Desk;
pub use hand::Hand;
pub use io::{HostEvent, Io};
pub use lab::{Lab, LabError};
pub use load::{Folder, InputError};
pub use outlet::Outlet;
pub use pool::Pool;
pub use record::Recording;
pub use runner::{End, Note, Plan, Runner, Watcher};
