//! Nordic Semiconductor nRF51 blocks, after the nRF51 Series Reference Manual v3.0.

pub mod common;
pub mod uart;
