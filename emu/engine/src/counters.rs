//! What the compiler tells of itself: for people and benchmarks, no part of any state.

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
