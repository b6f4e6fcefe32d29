//! Rows about many devices in one process, each on one thread.

use super::rows::{flotilla, release};
use super::{Job, Mark, Outcome, ROUNDS, Row, figures};
use crate::sh::{self, Result};

/// A thousand devices at work on one image that take turns every 10,000 instructions or so, against one.
pub fn thousand(name: &str) -> Result<Outcome> {
    aggregate(name, "1000", "1", Mark::new(0.9, 1.0))
}

/// The same for ten thousand against a hundred.
pub fn ten_thousand(name: &str) -> Result<Outcome> {
    aggregate(name, "10000", "100", Mark::new(0.65, 0.85))
}

fn aggregate(name: &str, many: &str, few: &str, mark: Mark) -> Result<Outcome> {
    let example = ["build", "--quiet", "--release", "-p", "fleet-host", "--example", "aggregate"];
    sh::show(sh::cargo().args(example))?;
    let job = |devices| Job::new(release("examples/aggregate"), &[devices], "ns each");
    let (many, few) = (job(many), job(few));
    let mut pairs = Vec::new();
    for _ in 0..ROUNDS {
        pairs.push((many.figure()?, few.figure()?));
    }
    Ok(Outcome::Row(Row::less(name, "CPU ns per instruction", &pairs, mark)))
}

/// A thousand micro:bits that wait at the REPL's prompt.
pub fn idle(name: &str) -> Result<Outcome> {
    rate(name, IDLE, ("1s", "4s", 3e3), 2000.0, Mark::new(1.0, 1.75))
}

/// A thousand Cortex-M3 nodes that wake every 10 ms for 2,000 instructions.
pub fn wake(name: &str) -> Result<Outcome> {
    let group = "machine = \"mps2-an385\"\nimage = \"bench-wake\"\n";
    rate(name, group, ("1s", "4s", 3e3), 8000.0, Mark::new(1.0, 1.875))
}

/// The same with RISC-V nodes.
pub fn wake_rv32(name: &str) -> Result<Outcome> {
    let group = "machine = \"riscv32-virt\"\nimage = \"bench-wake-rv32\"\n";
    rate(name, group, ("1s", "4s", 3e3), 8000.0, Mark::new(1.0, 1.875))
}

/// Device-seconds in a second of CPU time, beyond the start: two runs, and the device-seconds between their ends.
fn rate(name: &str, group: &str, times: (&str, &str, f64), mark: f64, aim: Mark) -> Result<Outcome> {
    let (start, end, seconds) = times;
    let (start, end) = (job(name, group, 1000, start)?, job(name, group, 1000, end)?);
    let rates = figures(|| Ok(seconds / (end.measure()?.cpu - start.measure()?.cpu)))?;
    Ok(Outcome::Row(Row::more(name, "device-s per CPU s", &rates, mark, aim)))
}

/// What is the guest's own, in KiB: the RAM of a micro:bit, and the one page of flash that MicroPython writes when it
/// starts for the first time.
const GUESTS: f64 = 16.0 + 4.0;

/// What a node takes beyond the guest's RAM and flash: 4,000 micro:bits at the prompt against 1,000 of them, so that what
/// all share does not count.
pub fn memory(name: &str) -> Result<Outcome> {
    let (few, many) = (job(name, IDLE, 1000, "300ms")?, job(name, IDLE, 4000, "300ms")?);
    let (Some(few), Some(many)) = (few.memory()?, many.memory()?) else {
        return Ok(Outcome::Skipped("no /proc to read a process's memory from".to_owned()));
    };
    let ours = (many - few) / 3000.0 - GUESTS;
    Ok(Outcome::Row(Row::less(name, "KiB", &[(ours, 8.0)], Mark::new(1.0, 2.0))))
}

/// `flotilla run` on one thread of a fleet of `count` nodes that `group` tells of.
fn job(name: &str, group: &str, count: u32, time: &str) -> Result<Job> {
    let file = release(&format!("bench-{name}-{count}.toml"));
    std::fs::write(&file, format!("[group.bit]\ncount = {count}\ncolumns = 40\nspacing = 4.0\n{group}"))?;
    let file = file.display().to_string();
    let words = ["run", &file, "--threads", "1", "--console", "none", "--for", time];
    Ok(Job::new(flotilla(), &words, "digest"))
}

/// Micro:bits that wait at the REPL's prompt.
const IDLE: &str = "machine = \"microbit\"\nimage = \"microbit-micropython\"\n";
