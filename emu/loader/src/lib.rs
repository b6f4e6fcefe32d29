//! emu-loader
