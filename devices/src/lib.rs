//! Hardware blocks, one file each, by vendor.
#![warn(missing_docs)]

pub mod nordic;
