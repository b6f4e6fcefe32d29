//! Where the compiler counts what it does.

use crate::counters::Counters;
use std::sync::atomic::{AtomicU64, Ordering};

/// The process's counters.
pub(crate) struct Atomics {
    pub blocks: AtomicU64,
    pub insns: AtomicU64,
    pub bytes: AtomicU64,
    pub refused: AtomicU64,
    pub slabs: AtomicU64,
    pub links: AtomicU64,
}

const fn zero() -> AtomicU64 {
    AtomicU64::new(0)
}

pub(crate) static COUNTERS: Atomics =
    Atomics { blocks: zero(), insns: zero(), bytes: zero(), refused: zero(), slabs: zero(), links: zero() };

/// What the compiler did so far.
pub fn counters() -> Counters {
    let get = |a: &AtomicU64| a.load(Ordering::Relaxed);
    let c = &COUNTERS;
    Counters {
        blocks: get(&c.blocks),
        insns: get(&c.insns),
        bytes: get(&c.bytes),
        refused: get(&c.refused),
        in_use: get(&c.slabs) * super::SLAB as u64,
        links: get(&c.links),
    }
}
