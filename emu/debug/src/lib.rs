//! What people and programs outside use to look into a guest: the gdb server and semihosting. Both are sans-IO:
//! bytes and requests in, bytes and outcomes out; sockets, files and the scheduling of nodes are the caller's.
//!
//! - [`GdbServer`] speaks gdb's remote protocol for one CPU, on a [`DebugTarget`].
//! - [`semihost`] carries out the calls of Arm's semihosting specification.
//!
//! Architecture invariant: nothing here knows an instruction set. A CPU is an [`emu_core::cpu::Arch`]: a list of
//! registers and the text that describes it to gdb.
#![warn(missing_docs)]

mod gdb;
mod points;
pub mod semihost;
mod stub;
mod target;
mod writes;

pub use gdb::{End, Event, GdbServer, Resume, StopReason};
pub use points::{Point, PointKind, Points};
pub use target::DebugTarget;
