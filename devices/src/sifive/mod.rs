//! SiFive: the blocks around a RISC-V hart that QEMU's `virt` machine took over.

pub mod clint;
pub mod finisher;
pub mod kinds;
pub mod plic;
