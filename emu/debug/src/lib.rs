//! emu-debug
