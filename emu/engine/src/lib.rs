//! emu-engine
