//! What the compiler did in this process: for people and benchmarks, no part of any state.

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

/// What the compiler did in this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Blocks that were compiled.
    pub blocks: u64,
    /// Guest instructions in them.
    pub insns: u64,
    /// Bytes of host code.
    pub bytes: u64,
    /// Blocks that were not: code that the compiler does not take, or no memory left.
    pub refused: u64,
    /// Bytes of code memory in use.
    pub in_use: u64,
    /// Jumps that were patched.
    pub links: u64,
}

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
