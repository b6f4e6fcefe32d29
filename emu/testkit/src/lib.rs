//! emu-testkit
