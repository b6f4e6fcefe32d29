//! Unicorn as the oracle of the instruction tests.
//!
//! [`Oracle`] runs a short instruction sequence on Unicorn's Cortex-M0, M3, M4 or M7 and returns registers, flags, FP
//! state and memory. [`encodings`] lists every encoding class of v6-M, v7-M, v7E-M and FPv4/FPv5 as a bit pattern with the
//! constraints that keep it predictable, and [`cases`] makes random and directed cases of them.
//!
//! This crate links Unicorn, which is GPL-2.0: nothing but its own tests may depend on it. See its README for what is excluded
//! from the comparison and why.

pub mod cases;
pub mod encodings;
pub mod lockstep;
mod oracle;

pub use oracle::{
    APSR_MASK, CODE, CODE_SIZE, Core, DATA, DATA_SIZE, ENTRY, Oracle, Outcome, State, Stop, filler,
};
