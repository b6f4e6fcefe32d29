//! Slots of the engine's register file as the M-profile front end uses them.
//!
//! R0 to R14 lie in slots 0 to 14, D0 to D15 from [`emu_engine::ir::FP`] on. Q, GE and FPSCR are in slots while code runs
//! ([`emu_engine::ir::Q`] and so on), and in [`MState`](super::state::MState) where the system half looks at them.

use super::state::RegFile;
use emu_engine::ir::Regs;

/// The active stack pointer. Its two lowest bits are always zero.
pub const SP: u8 = 13;
/// The link register.
pub const LR: u8 = 14;
/// Number of the program counter in encodings. Translated code never touches this slot: it knows its address.
pub const PC: u8 = 15;
/// Not zero if a floating-point instruction needs nothing done first ([`System::fp_ready`](super::system::System::fp_ready)).
pub const FREADY: u8 = 23;
/// 1 while the local exclusive monitor is closed; in [`MState`](super::state::MState) like the status.
pub const EXCLUSIVE: u8 = 26;
/// Always zero: the base of accesses to constant addresses.
pub const ZERO: u8 = 31;

/// APSR.GE of what is in slot [`emu_engine::ir::GE`].
pub(super) fn ge_of_bytes(bytes: u32) -> u8 {
    ((bytes & 0x0804_0201) % 255) as u8
}

/// The other way.
pub(super) fn bytes_of_ge(ge: u8) -> u32 {
    ((u32::from(ge & 15) * 0x0020_4081) & 0x0101_0101) * 0xff
}

impl RegFile for Regs {
    fn get(&self, slot: usize) -> u64 {
        self.r[slot]
    }
    fn set(&mut self, slot: usize, v: u64) {
        self.r[slot] = v;
    }
    fn flags(&self) -> u32 {
        self.nzcv()
    }
    fn set_flags(&mut self, v: u32) {
        self.set_nzcv(v);
    }
}
