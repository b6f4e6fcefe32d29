//! A scenario, run in every way that must not change it.

use crate::desk::{Shelf, Tape};
use fleet::{
    Executor, Serial,
    config::Files,
    scenario::{self, Report, Scenario},
};
use fleet_host::Pool;

/// The catalogue, and recordings that stand in the test.
struct Drawer(Vec<(&'static str, String)>);

impl Files for Drawer {
    fn image(&self, name: &str) -> Result<Vec<u8>, String> {
        Shelf.image(name)
    }
    fn board(&self, path: &str) -> Result<String, String> {
        Err(format!("{path}: there is no such board"))
    }
    fn text(&self, path: &str) -> Result<String, String> {
        let found = self.0.iter().find(|f| f.0 == path);
        found.map(|f| f.1.clone()).ok_or_else(|| format!("{path}: there is no such file"))
    }
}

/// How it ended.
pub struct Outcome {
    pub report: Report,
    pub scenario: Scenario,
    pub tape: Tape,
}

pub fn load(text: &str, files: &[(&'static str, String)]) -> Scenario {
    let files = Drawer(files.to_vec());
    scenario::load("faults.toml", text, None, &files).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn run(text: &str, files: &[(&'static str, String)], slice: u64, executor: &dyn Executor) -> Outcome {
    let mut scenario = load(text, files);
    scenario.fleet.slice = slice;
    let mut tape = Tape::default();
    let report = scenario.run(executor, &mut tape);
    Outcome { report, scenario, tape }
}

/// Runs it once, on threads and in slices: all the same.
pub fn same_every_way(text: &str, files: &[(&'static str, String)]) -> Outcome {
    let first = run(text, files, u64::MAX, &Serial);
    for (what, slice, executor) in [
        ("slices of 77.777 us", 77_777, &Serial as &dyn Executor),
        ("two threads", u64::MAX, &Pool::new(2)),
        ("two threads and slices of 1.234567 ms", 1_234_567, &Pool::new(2)),
    ] {
        let next = run(text, files, slice, executor);
        assert_eq!(next.report.failure, first.report.failure, "{what}");
        assert!(next.tape == first.tape, "{what}: another transcript");
        assert_eq!(next.report.digest, first.report.digest, "{what}");
        assert_eq!(next.report.time, first.report.time, "{what}");
        assert_eq!(next.scenario.fleet.journal(), first.scenario.fleet.journal(), "{what}");
    }
    first
}

/// The same for a scenario that succeeds.
pub fn succeeds(text: &str, files: &[(&'static str, String)]) -> Outcome {
    let outcome = same_every_way(text, files);
    assert_eq!(outcome.report.failure, None);
    outcome
}

/// A fleet of so many micro:bits in MicroPython, 4 m apart, at their prompts with this typed and answered.
pub fn microbits(n: u32, typed: &[&str]) -> String {
    let head = format!(
        "[group.bit]\ncount = {n}\nspacing = 4.0\nmachine = \"microbit\"\nimage = \"microbit-micropython\"\n\
         [[step]]\nexpect = \">>> \"\n"
    );
    let ask = |line: &&str| format!("[[step]]\nsend = {line:?}\n[[step]]\nexpect = \"\\n>>> \"\n");
    head + &typed.iter().map(ask).collect::<String>()
}

/// So many beacons, 4 m apart.
pub fn beacons(n: u32) -> String {
    format!("[group.beacon]\ncount = {n}\nspacing = 4.0\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n")
}
