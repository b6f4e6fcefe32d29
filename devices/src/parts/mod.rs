//! Parts on boards that no SoC vendor makes.

pub mod or_gate;
