//! fleet-host
