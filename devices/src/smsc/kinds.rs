//! The registry's lines for SMSC's blocks.

use super::lan9118::{self, Lan9118};
use crate::registry::{Kind, kind, outside, pin};
use emu_core::machine::PortKind;

/// All of them.
pub static KINDS: &[Kind] = &[kind!(Lan9118, |p| {
    let default = lan9118::Params::default();
    Lan9118::new(lan9118::Params {
        id_rev: p.word("id_rev").unwrap_or(default.id_rev),
         mac: p.within("mac", 0..=0xffff_ffff_ffff),
         instant_link: p.bool("instant_link").unwrap_or(default.instant_link),
    })
}, pins: &[pin("irq", lan9118::IRQ_PIN)],
    ports: &[outside("cable", lan9118::CABLE, PortKind::Ethernet)])];
