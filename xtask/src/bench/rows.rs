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
    Case { name: "node-memory", measure: node_memory },
    Case { name: "air-100", measure: air },
    Case { name: "air-frame-1000-vs-100", measure: air_frame_1000 },
    Case { name: "air-frame-4000-vs-100", measure: air_frame_4000 },
    Case { name: "parallel-64", measure: parallel },
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

/// A thousand of them on one thread, two virtual seconds each beyond their start: 500 device-seconds in one second of CPU
/// time.
fn fleet_idle(name: &str) -> Result<Outcome> {
    let (start, end) = (fleet_job(IDLE, 1000, "1s")?, fleet_job(IDLE, 1000, "3s")?);
    let figure = || Ok((end.measure()?.cpu - start.measure()?.cpu) / 2e3 * 1e3);
    against(name, "CPU ms per node-second", 2.0, figure).map(Outcome::Row)
}

/// What is the guest's own, in KiB: the RAM of a micro:bit, and the one page of flash that MicroPython writes when it
/// starts for the first time.
const GUESTS: f64 = 16.0 + 4.0;

/// What a node takes beyond the guest's RAM and flash: 4,000 micro:bits at the prompt against 1,000 of them, so that what
/// all share does not count.
fn node_memory(name: &str) -> Result<Outcome> {
    let (few, many) = (fleet_job(IDLE, 1000, "300ms")?, fleet_job(IDLE, 4000, "300ms")?);
    let (Some(few), Some(many)) = (few.memory()?, many.memory()?) else {
        return Ok(Outcome::Skipped("no /proc to read a process's memory from".to_owned()));
    };
    let ours = (many - few) / 3000.0 - GUESTS;
    Ok(Outcome::Row(Row::new(name, "KiB", &[(ours, 16.0)], 1.0)))
}

/// `flotilla run` on one thread of a fleet of `count` nodes that `group` tells of.
fn fleet_job(group: &str, count: u32, time: &str) -> Result<Job> {
    let file = release(&format!("bench-{count}.toml"));
    std::fs::write(&file, format!("[group.bit]\ncount = {count}\n{group}"))?;
    let file = file.display().to_string();
    let words = ["run", &file, "--threads", "1", "--console", "none", "--for", time];
    Ok(Job::new(flotilla(), &words, "digest"))
}

/// Micro:bits that wait at the REPL's prompt.
const IDLE: &str = r#"
columns = 40
spacing = 4.0
machine = "microbit"
image = "microbit-micropython"
"#;

/// A hundred micro:bits, each of which sends ten packets a second, for ten virtual seconds.
fn air(name: &str) -> Result<Outcome> {
    let file = release("bench-air.toml");
    std::fs::write(&file, AIR)?;
    let job = Job::new(flotilla(), &["test", &file.display().to_string(), "--threads", "1"], "1 passed");
    against(name, "CPU s per virtual s", 1.0, || Ok(job.measure()?.cpu / 10.0)).map(Outcome::Row)
}

/// Steps that start the senders at different times.
const AIR: &str = r#"
[group.bit]
count = 100
columns = 10
spacing = 15.0
machine = "microbit"
image = "microbit-micropython"
[[step]]
expect = ">>> "
[[step]]
send = "import radio, random; from microbit import sleep; radio.on(); sleep(random.randrange(100))\r"
[[step]]
expect = "\n>>> "
[[step]]
send = "while True: radio.send('0123456789'); sleep(98)\r\r"
[[step]]
wait = "10s"
[[step]]
counter = "radio.sent"
at-least = 80
"#;

/// A frame among 1,000 nodes against one among 100 that stand as densely.
fn air_frame_1000(name: &str) -> Result<Outcome> {
    air_frame(name, "1000")
}

/// The same among 4,000.
fn air_frame_4000(name: &str) -> Result<Outcome> {
    air_frame(name, "4000")
}

fn air_frame(name: &str, nodes: &str) -> Result<Outcome> {
    sh::show(sh::cargo().args(["build", "--quiet", "--release", "-p", "netsim", "--example", "frames"]))?;
    let job = |nodes| Job::new(release("examples/frames"), &[nodes], "frames");
    let (few, many) = (job("100"), job(nodes));
    let figure = || Ok(many.measure()?.cpu / few.measure()?.cpu);
    against(name, "CPU time per frame, ratio", 1.5, figure).map(Outcome::Row)
}

/// 64 busy micro:bits: CPU time on one thread by what two threads would take, if each had a core of its own.
fn parallel(name: &str) -> Result<Outcome> {
    sh::show(sh::cargo().args(["build", "--quiet", "--release", "-p", "fleet-host", "--example", "halves"]))?;
    let job = Job::new(release("examples/halves"), &[], "speed-up");
    // The least that counts is 1.6 times as fast: rows have an upper limit.
    let figure = || Ok(1.0 / job.figure()?);
    against(name, "of one thread's time", 1.0 / 1.6, figure).map(Outcome::Row)
}

/// From the shell to the first guest instructions and out again, by the clock on the wall.
fn start(name: &str) -> Result<Outcome> {
    let arguments = ["run", "microbit-micropython", "--machine", "microbit", "--for", "1us"];
    let short = Job::new(flotilla(), &arguments, "");
    against(name, "ms", 100.0, || Ok(short.measure()?.wall * 1e3)).map(Outcome::Row)
}
