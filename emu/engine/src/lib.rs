//! The engine: the intermediate representation, its interpreter, its compiler and the code cache that machines share.
//!
//! A front end implements [`guest::Guest`] and lowers its instructions to [`ir`]; [`run::run`] executes.
#![warn(missing_docs)]

pub mod cache;
mod counters;
mod dsp;
pub mod fp;
pub mod guest;
pub mod interp;
pub mod ir;
#[cfg(all(target_arch = "x86_64", target_os = "linux", not(flotilla_no_jit)))]
pub mod jit;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(flotilla_no_jit))))]
#[path = "no_jit.rs"]
pub mod jit;
mod mixed;
pub mod run;
mod shared;
pub mod views;
mod words;
