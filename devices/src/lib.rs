//! Hardware blocks, one file each, by vendor.
#![warn(missing_docs)]

pub mod arm_mps2;
pub mod board;
pub mod elsewhere;
pub mod national;
pub mod nordic;
pub mod parts;
pub mod registry;
pub mod sifive;
pub mod smsc;
pub mod source;
