//! National Semiconductor.

pub mod kinds;
pub mod uart16550;
