//! The registry's lines for National Semiconductor's blocks.

use super::uart16550::{self, Config, Uart};
use crate::registry::{Kind, kind, outside, pin};
use emu_core::machine::PortKind;

/// All of them.
pub static KINDS: &[Kind] = &[kind!(Uart, |p| {
    if p.uint("reg_shift").is_some_and(|shift| shift > 2) {
        p.report("reg_shift", "registers lie 1, 2 or 4 bytes apart: 0, 1 or 2");
    }
    Uart::new(Config {
        hz: p.hz("clock"),
        reg_shift: p.uint("reg_shift").unwrap_or(0).min(2) as u8,
        divisor: p.within("divisor", 1..=0xffff).unwrap_or(12) as u16,
        instant_tx: p.bool("instant_tx").unwrap_or(false),
    })
}, pins: &[pin("irq", uart16550::INTR)], ports: &[outside("line", 0, PortKind::Serial)])];
