//! What is measured.

use std::path::PathBuf;
use std::process::Command;

use super::{Case, Job, Outcome, Row, against, pair};
use crate::sh::{self, Result};

/// Guest loads in one run of an `mmio-*` guest.
const MMIO_LOADS: f64 = 16e6;

/// Instructions that Unicorn runs before it must stop exactly. A small number favours us, a large one it.
const SLICE: &str = "100000";

pub const CASES: &[Case] = &[
    Case { name: "interp-vs-qemu", measure: interp_vs_qemu },
    Case { name: "interp-vs-unicorn-count", measure: interp_vs_unicorn },
    Case { name: "mmio-device", measure: mmio_device },
    Case { name: "mmio-timer", measure: mmio_timer },
    Case { name: "idle-microbit", measure: idle_microbit },
    Case { name: "fleet-idle-1000", measure: fleet_idle },
    Case { name: "start", measure: start },
];

/// Builds the program that is measured.
pub fn prepare() -> Result<()> {
    sh::show(sh::cargo().args(["build", "--quiet", "--release", "-p", "flotilla"]))
}

/// A program or a file in the folder of release builds.
fn release(name: &str) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| sh::root().join("target"), PathBuf::from);
    target.join("release").join(name)
}

fn flotilla() -> PathBuf {
    release("flotilla")
}

fn run_guest(image: &str, machine: &str, expect: &'static str) -> Job {
    Job::new(flotilla(), &["run", image, "--machine", machine], expect)
}

fn guest_path(image: &str) -> Result<String> {
    Ok(images::find(image)?.path().display().to_string())
}

/// Integer kernels on a Cortex-M3: the interpreter against plain QEMU's JIT.
fn interp_vs_qemu(name: &str) -> Result<Outcome> {
    if Command::new("qemu-system-arm").arg("--version").output().is_err() {
        return Ok(Outcome::Skipped("qemu-system-arm is not installed".to_owned()));
    }
    let elf = guest_path("bench")?;
    let arguments = ["-M", "mps2-an385", "-nographic", "-monitor", "none", "-semihosting", "-kernel", &elf];
    let theirs = Job::new("qemu-system-arm", &arguments, "bench ok");
    pair(name, &run_guest("bench", "mps2-an385", "bench ok"), &theirs, 0.12).map(Outcome::Row)
}

/// The same against Unicorn, which only stops at an exact instruction if it counts them.
fn interp_vs_unicorn(name: &str) -> Result<Outcome> {
    if Command::new("cmake").arg("--version").output().is_err() {
        return Ok(Outcome::Skipped("cmake, which builds Unicorn, is not installed".to_owned()));
    }
    sh::show(sh::cargo().args(["build", "--quiet", "--release", "-p", "emu-unicorn", "--bin", "counted"]))?;
    let theirs = Job::new(release("counted"), &[&guest_path("bench")?, SLICE], "bench ok");
    pair(name, &run_guest("bench", "mps2-an385", "bench ok"), &theirs, 1.0).map(Outcome::Row)
}

/// A load from a register that is plain storage, beyond the same load from RAM.
fn mmio_device(name: &str) -> Result<Outcome> {
    mmio_beyond_ram(name, "bench-mmio-dev")
}

/// A load from a register that tells the time.
fn mmio_timer(name: &str) -> Result<Outcome> {
    mmio_beyond_ram(name, "bench-mmio-timer")
}

fn mmio_beyond_ram(name: &str, image: &str) -> Result<Outcome> {
    let (device, ram) =
        (run_guest(image, "mps2-an385", "mmio ok"), run_guest("bench-mmio-ram", "mps2-an385", "mmio ok"));
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

/// A thousand of them on one thread, a virtual second each beyond their start: against the mark for one, as information.
fn fleet_idle(name: &str) -> Result<Outcome> {
    let file = release("fleet-idle-1000.toml");
    std::fs::write(&file, FLEET)?;
    let file = file.display().to_string();
    let run = |seconds| {
        let words = ["run", &file, "--threads", "1", "--console", "none", "--for", seconds];
        Job::new(flotilla(), &words, "digest").measure().map(|usage| usage.cpu)
    };
    let row = against(name, "CPU ms per node-second", 2.0, || Ok((run("3s")? - run("1s")?) / 2e3 * 1e3))?;
    Ok(Outcome::Row(Row { min: 0.0, pass: true, ..row }))
}

const FLEET: &str = r#"
description = "A thousand micro:bits that wait at the REPL's prompt"

[group.bit]
count = 1000
columns = 40
spacing = 4.0
machine = "microbit"
image = "microbit-micropython"
"#;

/// From the shell to the first guest instructions and out again, by the clock on the wall.
fn start(name: &str) -> Result<Outcome> {
    let arguments = ["run", "microbit-micropython", "--machine", "microbit", "--for", "1us"];
    let short = Job::new(flotilla(), &arguments, "");
    against(name, "ms", 100.0, || Ok(short.measure()?.wall * 1e3)).map(Outcome::Row)
}
