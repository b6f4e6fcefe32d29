//! RISC-V front end: RV32IMAC with Zicsr and Zifencei, machine and user mode, physical memory protection.
//!
//! Manuals: The RISC-V Instruction Set Manual, Volume I (unprivileged, 20191213) and Volume II (privileged, 20211203).
//! Where they leave a choice, this core does what QEMU's `virt` machine does, since images are built for that:
//! - Loads and stores at any alignment work in memory; at a device a misaligned one is an access fault.
//! - An illegal instruction puts its bits into mtval, EBREAK zero.
//! - WFI waits, whatever mstatus.MIE says, until an enabled interrupt is pending.
//! - A reservation ends with SC, with a trap and with MRET; SC fails at any other address than LR's.
//!
//! [`csr`] is the core without its instructions: plain data that knows neither the engine nor the bus.
#![warn(missing_docs)]

mod call;
mod compressed;
pub mod config;
mod core;
mod counter;
pub mod cpu;
pub mod csr;
mod decode;
mod float;
pub mod gdb;
pub mod pmp;
mod timing;
pub mod trap;

pub use crate::core::Core;
pub use cpu::Hart;

/// Slot of register x0 in the engine's register file, which stays zero; xN lies N behind it.
pub const X0: u8 = 64;
/// Slot of the program counter.
pub const PC: u8 = 20;
/// Slot of the address that LR reserved, with bit 0 set, while code runs; 0: none.
const RESERVATION: u8 = 26;
