//! The registry's lines for SiFive's blocks.

use super::{clint, clint::Clint, finisher::Finisher, plic, plic::Plic};
use crate::registry::{Kind, kind, pin, pins};

/// All of them.
pub static KINDS: &[Kind] = &[
    kind!(Clint, |p| Clint::new(p.hz("clock")), pins: &[
        pin("software", clint::MSIP),
        pin("timer", clint::MTIP),
    ]),
    kind!(Finisher, |_| Finisher::default()),
    kind!(Plic, |_| Plic::default(), pins: &[
        pin("irq", plic::MEIP),
        pins("source", 0, plic::SOURCES),
    ]),
];
