//! The comparison itself: it finds what is wrong, and nothing else.

mod common;
mod lockstep_agree;
mod lockstep_find;
mod lockstep_riscv;
