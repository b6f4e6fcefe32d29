//! What is measured.

use std::path::PathBuf;
use std::process::Command;

use super::{Case, Job, Outcome, against, pair};
use crate::sh::{self, Result};

/// Guest loads in one run of an `mmio-*` guest.
const MMIO_LOADS: f64 = 16e6;

pub const CASES: &[Case] = &[
    Case { name: "thumb2-vs-qemu", measure: thumb2_vs_qemu },
    Case { name: "mmio-beyond-ram", measure: mmio_beyond_ram },
    Case { name: "idle-microbit", measure: idle_microbit },
    Case { name: "start", measure: start },
];

/// Builds the program that is measured.
pub fn prepare() -> Result<()> {
    sh::show(sh::cargo().args(["build", "--quiet", "--release", "-p", "flotilla"]))
}

fn flotilla() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| sh::root().join("target"), PathBuf::from);
    target.join("release/flotilla")
}

fn run_guest(image: &str, machine: &str, expect: &'static str) -> Job {
    Job::new(flotilla(), &["run", image, "--machine", machine], expect)
}

fn guest_path(image: &str) -> Result<String> {
    Ok(images::find(image)?.path().display().to_string())
}

/// Integer kernels on a Cortex-M3: the interpreter against plain QEMU's JIT.
fn thumb2_vs_qemu(name: &str) -> Result<Outcome> {
    if Command::new("qemu-system-arm").arg("--version").output().is_err() {
        return Ok(Outcome::Skipped("qemu-system-arm is not installed".to_owned()));
    }
    let elf = guest_path("bench")?;
    let arguments = ["-M", "mps2-an385", "-nographic", "-monitor", "none", "-semihosting", "-kernel", &elf];
    let theirs = Job::new("qemu-system-arm", &arguments, "bench ok");
    pair(name, &run_guest("bench", "mps2-an385", "bench ok"), &theirs, 0.12).map(Outcome::Row)
}

/// A load from a device register beyond the same load from RAM.
fn mmio_beyond_ram(name: &str) -> Result<Outcome> {
    let (device, ram) = (
        run_guest("bench-mmio-dev", "mps2-an385", "mmio ok"),
        run_guest("bench-mmio-ram", "mps2-an385", "mmio ok"),
    );
    let row =
        against(name, "ns", 30.0, || Ok((device.measure()?.cpu - ram.measure()?.cpu) / MMIO_LOADS * 1e9));
    row.map(Outcome::Row)
}

/// 500 virtual seconds of a micro:bit whose REPL waits for input, in one second of CPU time.
fn idle_microbit(name: &str) -> Result<Outcome> {
    let arguments = ["run", "microbit-micropython", "--machine", "microbit", "--for", "500s"];
    let idle = Job::new(flotilla(), &arguments, ">>>");
    against(name, "CPU s", 1.0, || Ok(idle.measure()?.cpu)).map(Outcome::Row)
}

/// From the shell to the first guest instructions and out again, by the clock on the wall.
fn start(name: &str) -> Result<Outcome> {
    let arguments = ["run", "microbit-micropython", "--machine", "microbit", "--for", "1us"];
    let short = Job::new(flotilla(), &arguments, "");
    against(name, "ms", 100.0, || Ok(short.measure()?.wall * 1e3)).map(Outcome::Row)
}
