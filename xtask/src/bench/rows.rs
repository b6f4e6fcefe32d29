//! What is measured.

use std::path::PathBuf;
use std::process::Command;

use super::{Case, Job, Mark, Outcome, Row, against, cliffs, compare, figures, fleets, pair};
use crate::sh::{self, Result};

/// Guest loads in one run of an `mmio-*` guest.
const MMIO_LOADS: f64 = 16e6;

/// Instructions that Unicorn runs before it must stop exactly. A small number favours us, a large one it.
const SLICE: &str = "100000";

pub const CASES: &[Case] = &[
    Case { name: "thumb-vs-qemu", measure: compare::thumb },
    Case { name: "thumb-vs-qemu-icount", measure: compare::thumb_icount },
    Case { name: "rv32-vs-qemu", measure: compare::rv32 },
    Case { name: "rv32-vs-qemu-icount", measure: compare::rv32_icount },
    Case { name: "fp-m4-vs-qemu", measure: compare::fp_m4 },
    Case { name: "fp-m7-vs-qemu", measure: compare::fp_m7 },
    Case { name: "dsp-matrix-vs-qemu", measure: compare::dsp_matrix },
    Case { name: "dsp-mix-vs-qemu", measure: compare::dsp_mix },
    Case { name: "beside-code", measure: cliffs::beside },
    Case { name: "near-page", measure: cliffs::near_page },
    Case { name: "near-code", measure: cliffs::near_code },
    Case { name: "mpu-switch", measure: cliffs::mpu },
    Case { name: "fleet-1000-vs-1", measure: fleets::thousand },
    Case { name: "fleet-10000-vs-100", measure: fleets::ten_thousand },
    Case { name: "node-memory", measure: fleets::memory },
    Case { name: "translation", measure: translation },
    Case { name: "boot-vs-qemu", measure: compare::boot },
    Case { name: "fleet-idle-1000", measure: fleets::idle },
    Case { name: "fleet-wake-1000", measure: fleets::wake },
    Case { name: "fleet-wake-1000-rv32", measure: fleets::wake_rv32 },
    Case { name: "interp-vs-qemu", measure: interp_vs_qemu },
    Case { name: "interp-vs-unicorn-count", measure: interp_vs_unicorn },
    Case { name: "mmio-device", measure: mmio_device },
    Case { name: "mmio-timer", measure: mmio_timer },
    Case { name: "idle-microbit", measure: idle_microbit },
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
pub fn release(name: &str) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| sh::root().join("target"), PathBuf::from);
    target.join("release").join(name)
}

pub fn flotilla() -> PathBuf {
    release("flotilla")
}

pub fn run_guest(image: &str, machine: &str, expect: &'static str) -> Job {
    Job::new(flotilla(), &["run", image, "--machine", machine], expect)
}

pub fn guest_path(image: &str) -> Result<String> {
    Ok(images::find(image)?.path().display().to_string())
}

/// Nine integer kernels on a Cortex-M3, without compiled code.
fn interpreted() -> Job {
    let words = ["run", "bench", "--machine", "mps2-an385", "--engine", "interpreter"];
    Job::new(flotilla(), &words, "bench ok")
}

/// Integer kernels on a Cortex-M3: the interpreter against plain QEMU's JIT.
fn interp_vs_qemu(name: &str) -> Result<Outcome> {
    if Command::new("qemu-system-arm").arg("--version").output().is_err() {
        return Ok(Outcome::Skipped("qemu-system-arm is not installed".to_owned()));
    }
    let elf = guest_path("bench")?;
    let arguments = ["-M", "mps2-an385", "-nographic", "-monitor", "none", "-semihosting", "-kernel", &elf];
    let theirs = Job::new("qemu-system-arm", &arguments, "bench ok");
    pair(name, &interpreted(), &theirs, 0.12).map(Outcome::Row)
}

/// The same against Unicorn, which only stops at an exact instruction if it counts them.
fn interp_vs_unicorn(name: &str) -> Result<Outcome> {
    if Command::new("cmake").arg("--version").output().is_err() {
        return Ok(Outcome::Skipped("cmake, which builds Unicorn, is not installed".to_owned()));
    }
    sh::show(sh::cargo().args(["build", "--quiet", "--release", "-p", "emu-unicorn", "--bin", "counted"]))?;
    let theirs = Job::new(release("counted"), &[&guest_path("bench")?, SLICE], "bench ok");
    pair(name, &interpreted(), &theirs, 1.0).map(Outcome::Row)
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

/// What the first device to run some code pays beyond the second, by compiled instruction.
fn translation(name: &str) -> Result<Outcome> {
    let arguments = ["build", "--quiet", "--release", "-p", "fleet-host", "--example", "translate"];
    sh::show(sh::cargo().args(arguments))?;
    let job = Job::new(release("examples/translate"), &[], "us each");
    let pairs: Vec<_> = figures(|| job.figure())?.into_iter().map(|ours| (ours, 1.0)).collect();
    Ok(Outcome::Row(Row::less(name, "CPU us per instruction", &pairs, Mark::new(1.0, 1.0 / 0.35))))
}

/// From the shell to the first guest instructions and out again, by the clock on the wall.
fn start(name: &str) -> Result<Outcome> {
    let arguments = ["run", "microbit-micropython", "--machine", "microbit", "--for", "1us"];
    let short = Job::new(flotilla(), &arguments, "");
    against(name, "ms", 100.0, || Ok(short.measure()?.wall * 1e3)).map(Outcome::Row)
}
