//! `cargo xtask soak`: fleets of hostile guests and property tests with fresh seeds, for as long as asked.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::sh::{self, Result};

/// Share of the time that is the property tests'.
const PROPERTIES: u32 = 4;

/// Tests of properties, each with fresh random cases: package, target, prefix of their names.
const TESTS: &[[&str; 4]] = &[
    ["netsim", "--lib", "", "radio::tests"],
    ["fleet", "--test", "slices", "determinism::"],
    ["netsim", "--lib", "", "ethernet::"],
    ["emu-core", "--lib", "", ""],
    ["fleet", "--test", "fuzz_saves", "fuzz_"],
    ["netsim", "--lib", "", "gateway::tests"],
    ["fleet", "--lib", "", "skew"],
    ["devices", "--test", "radio_air", ""],
];

/// Soaks for so many minutes.
pub fn run(minutes: u32, seed: Option<u64>, times: u32) -> Result<()> {
    let seed = match seed {
        Some(seed) => seed,
        None => fresh(),
    };
    let all = Duration::from_secs(60 * u64::from(minutes));
    let properties = all / PROPERTIES;
    eprintln!(
        "soak: {minutes} minutes, seed {seed} (again: cargo xtask soak --minutes {minutes} --seed {seed})"
    );
    let words = ["test", "-q", "-p", "fleet-host", "--test", "soak", "--", "--nocapture", "soak"];
    let mut command = sh::cargo();
    command.args(words).env("SOAK_SECONDS", (all - properties).as_secs().to_string());
    sh::show(command.env("SOAK_SEED", seed.to_string()))?;
    rounds(properties, times)
}

#[allow(clippy::disallowed_methods, reason = "a chore of the host: a seed nobody chose, printed")]
fn fresh() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64)
}

/// Property tests in turns until the time is over, each with so many times its usual cases.
#[allow(clippy::disallowed_methods, reason = "how long a chore takes is the host's time")]
fn rounds(time: Duration, times: u32) -> Result<()> {
    let start = Instant::now();
    let mut done = 0;
    for [package, kind, target, prefix] in TESTS.iter().cycle() {
        if start.elapsed() >= time {
            break;
        }
        let mut command = sh::cargo();
        command.args(["test", "-q", "-p", package, kind]);
        command.args([target, prefix].into_iter().filter(|word| !word.is_empty()));
        command.env("FUZZ", times.to_string()).env("PROPTEST_CASES", (256 * times).to_string());
        sh::show(&mut command)?;
        done += 1;
        let gone = start.elapsed().as_secs();
        eprintln!(
            "soak: {gone} s of properties, {done} rounds, {times} times the usual cases; last {package} {prefix}"
        );
    }
    Ok(())
}
