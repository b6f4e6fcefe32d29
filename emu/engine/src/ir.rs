//! The intermediate representation: one meaning per guest instruction, for every back end.
//!
//! A [`Block`] is straight-line code: a list of [`Op`]s with the boundaries of the guest instructions they came from.
//! Values live in the slots of [`Regs`]. 32-bit operations read the low half of a slot and write zero-extended
//! results. Operations named `...S` also set flags; a liveness pass replaces them where nobody sees the flags.
//!
//! Rules for front ends:
//! - Between two instruction boundaries the operation that may fault comes before the first change of a guest
//!   register, so that a faulting instruction can be repeated. Intermediate values go to temporaries.
//! - `Ld*`, `St*`, `Call`, `Udiv` and `Sdiv` may fault. `LdM` and `StM` may when some of the words are moved already: the
//!   base and what is repeated must not be among the registers loaded.
//! - Behind an operation that may stop (`Ld*`, `St*`, `Call`), no operation of the same instruction sets flags: the run of a whole
//!   block leaves out flags that the next instruction sets, and a stop in between would miss them.
//! - The last operation of a block is one for which [`Code::ends_block`] is true. Under a [`Code::Skip`] such an
//!   operation may also stand earlier (a conditional return): then the block goes on behind it.
//!
//! # Time
//! An instruction costs the most that it can take ([`Builder::insn`]), at least one cycle; what it did not take comes back: where
//! a branch is not taken (its `c`) and where a [`Code::Skip`] leaves something out (its `imm2`), always less than the cost. So a
//! block that fits into the cycles left fits in any case. Costs depend on nothing but the instruction and its address: a block
//! may be entered at any instruction, and a stop makes blocks that would not be there without it.

mod block;
mod builder;
mod code;
pub mod float;
pub mod lanes;
mod regs;

pub use block::{Block, Insn, Op};
pub use builder::{Builder, MAX_INSNS};
pub use code::{Code, MEM_ALIGNED, MEM_STORE, MEM_UNPRIV, flags};
pub use regs::{C, FFAST, FP, FSTATUS, GE, N, Q, Regs, SLOTS, TEMP, TRASH, V, Z};
