//! The engine: the intermediate representation, its interpreter and the code cache that machines share.
//!
//! A front end implements [`guest::Guest`] and lowers its instructions to [`ir`]; [`run::run`] executes.
#![warn(missing_docs)]

pub mod cache;
pub mod fp;
pub mod guest;
pub mod interp;
pub mod ir;
pub mod run;
