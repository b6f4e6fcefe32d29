//! Real firmware, unmodified, on whole fleets. Images come from the catalogue; one that is missing fails the test
//! and names the command that gets it.

mod attacks;
mod desk;
mod determinism;
mod many;
mod microbit;
mod mps2;
mod radio;
mod riscv;
mod shipped;
mod ways;
