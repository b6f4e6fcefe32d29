//! ARM front ends.
//!
//! [`m`]: M-profile (ARMv6-M, ARMv7-M, ARMv7E-M).
#![warn(missing_docs)]

pub mod m;
