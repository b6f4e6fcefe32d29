//! One scenario in every way that must not change it: slices, threads, forks, saves, on a host that is busy.

use crate::desk::{Tape, scenario, scenarios};
use fleet::{
    Executor, Serial,
    scenario::{Observer, Scenario},
};
use fleet_host::Pool;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Scenarios with images that the compiler at hand builds: another compiler, another image.
const BUILT_HERE: &[&str] = &["micropython-mps2.toml"];

/// What the scenarios that ship come to stands in `tests/golden`, so that a change of behaviour is seen in review.
/// `UPDATE_EXPECT=1` writes it anew.
fn golden(name: &str, o: &Outcome) {
    if !BUILT_HERE.contains(&name) {
        let file = scenarios().join("../tests/golden").join(name).with_extension("txt");
        let is = format!("digest {}\ntime {} ns\ncommands {}\n", o.digest, o.time, o.journal);
        expect_test::expect_file![file].assert_eq(&is);
    }
}

/// Runs a scenario of the folder in every way.
pub fn runs_the_same(name: &str) {
    let text = std::fs::read_to_string(scenarios().join(name)).expect(name);
    let first = outcome(name, &text, u64::MAX, &Serial, Cut::None);
    golden(name, &first);
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
    busily(|| check("four threads on a busy host", 333_333, &Pool::new(4), Cut::None));
}

/// Does something while other threads want all the processors there are.
pub fn busily(what: impl FnOnce()) {
    let over = AtomicBool::new(false);
    let spin = || {
        while !over.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    };
    std::thread::scope(|s| {
        // Set when `what` panics, too: a scope waits for its threads.
        let _end = Set(&over);
        (0..2).for_each(|_| drop(s.spawn(spin)));
        what();
    });
}

struct Set<'a>(&'a AtomicBool);

impl Drop for Set<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
