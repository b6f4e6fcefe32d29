//! Our core and Unicorn side by side.

mod common;
mod oracle_core;
mod oracle_decode;
mod oracle_self;
