//! What the compiler tells of itself: for people and benchmarks, no part of any state.

use crate::{
    guest::Guest,
    ir::{Code, Op},
};
use std::collections::BTreeMap;

/// How often operations were left to the interpreter by compiled code, by kind and number of the front end's function.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeftOps(BTreeMap<(Code, u32), u64>);

impl LeftOps {
    pub fn add(&mut self, op: &Op) {
        use Code::*;
        let id = if matches!(op.full, Call | CallEnd | CallIfZero | Float) { op.imm } else { 0 };
        *self.0.entry((op.full, id)).or_default() += 1;
    }

    /// By name; the same name may come several times.
    pub fn named<G: Guest>(&self) -> Vec<(&'static str, u64)> {
        self.0.iter().map(|((code, id), n)| (name::<G>(*code, *id), *n)).collect()
    }
}

/// What an operation is called where people see it.
fn name<G: Guest>(code: Code, id: u32) -> &'static str {
    use Code::*;
    match code {
        Call | CallEnd | CallIfZero | Float => G::name_of(code, id),
        Ld8 | Ld8S | Ld16 | Ld16S | Ld32 | LdX8 | LdX8S | LdX16 | LdX16S | LdX32 => "load",
        St8 | St16 | St32 | StX8 | StX16 | StX32 => "store",
        LdM | LdPair | Ld64 => "load of several words",
        StM | StPair | St64 => "store of several words",
        StEx => "exclusive store",
        LdUser => "load with user rights",
        StUser => "store with user rights",
        Udiv | Sdiv | DivRv | DivuRv | RemRv | RemuRv => "division by zero",
        JumpReg => "special jump",
        _ if code.ends_block() => "jump within an IT block",
        _ => "other",
    }
}

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
