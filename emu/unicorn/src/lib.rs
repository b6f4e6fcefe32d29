//! emu-unicorn
