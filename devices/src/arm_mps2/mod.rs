//! Blocks of Arm's Cortex-M System Design Kit (DDI0479) and of the MPS2 board (100112) with the FPGA images of
//! application notes AN385, AN386 and AN500.

#[cfg(test)]
mod board_tests;
pub mod common;
pub mod dualtimer;
pub mod fpgaio;
pub mod gpio;
pub mod kinds;
pub mod scc;
pub mod timer;
pub mod uart;
pub mod watchdog;
