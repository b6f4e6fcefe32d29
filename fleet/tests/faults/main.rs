//! Faults on real firmware, done by scenarios: each must be felt by the guest, and be the same however the run is cut.

#[allow(dead_code)]
#[path = "../slices/desk.rs"]
mod desk;
mod media;
mod node;
mod steps;
mod ways;
