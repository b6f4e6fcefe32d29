//! emu-engine

pub mod fp;
