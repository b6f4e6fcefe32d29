//! M-profile: ARMv6-M (DDI0419), ARMv7-M and ARMv7E-M (DDI0403E).
//!
//! [`system`] and its neighbours are the core without its instructions: special registers, exceptions, faults,
//! SysTick, MPU, the private peripheral bus. They are plain data and know neither the engine nor the bus.

pub mod call;
mod call_vfp;
pub mod config;
pub mod core;
pub mod cpu;
pub mod decode;
mod decode16;
mod decode32;
mod decode_dsp;
mod decode_mem;
mod decode_sys;
mod decode_vfp;
pub mod dwt;
pub mod exception;
pub mod fault;
pub mod gdb;
pub mod mpu;
pub mod nvic;
pub mod scs;
pub mod slots;
pub mod special;
pub mod state;
pub mod system;
pub mod systick;
pub mod timing;

#[cfg(test)]
mod tests;
