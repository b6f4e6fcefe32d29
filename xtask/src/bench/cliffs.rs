//! Rows that guard against cliffs: a guest in a layout that once cost dear, against the same guest in an ordinary one.

use super::rows::run_guest;
use super::{Outcome, pair};
use crate::sh::Result;

const VIRT: &str = "riscv32-virt";
const AN385: &str = "mps2-an385";

/// The guest of [`super::compare::rv32`] linked with text, data and bss side by side.
pub fn beside(name: &str) -> Result<Outcome> {
    let ours = run_guest("bench-core-beside-rv32", VIRT, "bench ok");
    pair(name, &ours, &run_guest("bench-core-rv32", VIRT, "bench ok"), 0.8).map(Outcome::Row)
}

/// A loop that counts in memory, in the page of its own code.
pub fn near_page(name: &str) -> Result<Outcome> {
    near(name, "bench-near-page-rv32")
}

/// In the same 64 bytes.
pub fn near_code(name: &str) -> Result<Outcome> {
    near(name, "bench-near-code-rv32")
}

fn near(name: &str, image: &str) -> Result<Outcome> {
    let theirs = run_guest("bench-near-other-rv32", VIRT, "near ok");
    pair(name, &run_guest(image, VIRT, "near ok"), &theirs, 0.4).map(Outcome::Row)
}

/// Threads whose stacks the MPU guards, by a region that moves at each change of threads.
pub fn mpu(name: &str) -> Result<Outcome> {
    let ours = run_guest("bench-switch-mpu", AN385, "switch ok");
    pair(name, &ours, &run_guest("bench-switch", AN385, "switch ok"), 0.35).map(Outcome::Row)
}
