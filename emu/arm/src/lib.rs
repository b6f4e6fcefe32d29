//! emu-arm
