//! The engine: the intermediate representation, its interpreter and the code cache that machines share.
#![warn(missing_docs)]

pub mod fp;
pub mod guest;
pub mod ir;
