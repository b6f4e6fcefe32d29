//! The scenarios that ship, each as it is and in every way that must not change it.

use crate::desk::{Tape, scenario, scenarios};
use fleet::{
    Executor, Serial,
    scenario::{Observer, Scenario},
};
use fleet_host::Pool;

/// What must not differ between two runs.
#[derive(PartialEq, Debug)]
struct Outcome {
    digest: String,
    time: u64,
    journal: usize,
    tape: Tape,
}

/// What is done to the fleet in the middle of a run.
#[derive(Clone, Copy, PartialEq)]
enum Cut {
    None,
    /// The run goes on in a fork.
    Fork,
    /// The run goes on in a fleet built anew that loads what this one saved.
    Reload,
}

struct Cutter<'a> {
    tape: Tape,
    cut: Cut,
    text: &'a str,
    ticks: u64,
}

/// Ticks between two cuts; odd, so that they fall everywhere.
const EVERY: u64 = 977;

impl Observer for Cutter<'_> {
    fn console(&mut self, s: &Scenario, bytes: &[fleet::ConsoleByte]) {
        self.tape.console(s, bytes);
    }
    fn tick(&mut self, s: &mut Scenario) {
        self.ticks += 1;
        if !self.ticks.is_multiple_of(EVERY) {
            return;
        }
        match self.cut {
            Cut::None => {}
            Cut::Fork => {
                let fork = s.fleet.fork();
                s.fleet = fork;
            }
            Cut::Reload => {
                let saved = s.fleet.save();
                let mut fresh = scenario(&s.name, self.text).fleet;
                fresh.load(&saved).expect("what was saved loads");
                assert_eq!(fresh.save(), saved, "saved again it is the same");
                s.fleet = fresh;
            }
        }
    }
}

fn outcome(name: &str, text: &str, slice: u64, executor: &dyn Executor, cut: Cut) -> Outcome {
    let mut s = scenario(name, text);
    s.fleet.slice = slice;
    let mut cutter = Cutter { tape: Tape::default(), cut, text, ticks: 0 };
    let report = s.run(executor, &mut cutter);
    assert_eq!(report.failure, None);
    Outcome {
        digest: format!("{:032x}", report.digest),
        time: report.time.0,
        journal: s.fleet.journal().len(),
        tape: cutter.tape,
    }
}

/// Runs a scenario of the folder in every way.
fn runs_the_same(name: &str) {
    let text = std::fs::read_to_string(scenarios().join(name)).expect(name);
    let first = outcome(name, &text, u64::MAX, &Serial, Cut::None);
    let check = |what: &str, slice, executor: &dyn Executor, cut| {
        let next = outcome(name, &text, slice, executor, cut);
        assert!(first.tape == next.tape, "{name}, {what}: another transcript");
        assert_eq!(first.digest, next.digest, "{name}, {what}");
        assert_eq!((first.time, first.journal), (next.time, next.journal), "{name}, {what}");
    };
    check("again", u64::MAX, &Serial, Cut::None);
    check("slices of 77.777 us", 77_777, &Serial, Cut::None);
    check("one thread", u64::MAX, &Pool::new(1), Cut::None);
    check("two threads", u64::MAX, &Pool::new(2), Cut::None);
    check("forks", u64::MAX, &Serial, Cut::Fork);
    check("save and load", 1_234_567, &Pool::new(2), Cut::Reload);
}

macro_rules! shipped {
    ($($test:ident $file:literal)*) => {
        $(#[test] fn $test() { runs_the_same($file); })*
        const FILES: &[&str] = &[$($file),*];
    };
}

shipped! {
    slice_scenario_microbit_repl "microbit-repl.toml"
    slice_scenario_microbit_board "microbit-board.toml"
    slice_scenario_microbit_files "microbit-files.toml"
    slice_scenario_radio_range "radio-range.toml"
    slice_scenario_radio_ten "radio-ten.toml"
    slice_scenario_beacons "beacons.toml"
    slice_scenario_freertos "freertos.toml"
    slice_scenario_micropython_mps2 "micropython-mps2.toml"
}

#[test]
fn every_shipped_scenario_has_its_test() {
    let entries = std::fs::read_dir(scenarios()).expect("the folder is there");
    let mut names: Vec<_> =
        entries.map(|e| e.expect("an entry").file_name().into_string().expect("a name")).collect();
    names.retain(|n| n.ends_with(".toml") && !n.ends_with(".fleet.toml"));
    names.sort();
    let mut known = FILES.to_vec();
    known.sort_unstable();
    assert_eq!(names, known);
}
