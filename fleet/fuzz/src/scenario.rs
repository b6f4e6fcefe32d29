//! Scenario files: read, built, and run a little with guests of ours.

use super::shelf::{self, Epochs, Shelf};
use emu_core::Time;
use fleet::{
    ConsoleByte, Executor, FleetExit,
    scenario::{self, Observer, Scenario},
};

/// Longest run, in nanoseconds.
const LONGEST: u64 = 3_000_000;

/// Lets it run for so many ticks.
struct Few(u32);

impl Observer for Few {
    fn console(&mut self, _: &Scenario, _: &[ConsoleByte]) {}
    fn tick(&mut self, scenario: &mut Scenario) {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 {
            scenario.timeout = Time::ZERO;
        }
    }
    fn run(&mut self, scenario: &mut Scenario, to: Time, executor: &dyn Executor) -> FleetExit {
        scenario.fleet.run_until(to, executor)
    }
}

/// Reads and runs it.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if shelf::is_large(text) {
        return;
    }
    let mut scenario = match scenario::load("fuzz.toml", text, None, &Shelf) {
        Ok(scenario) => scenario,
        Err(e) => return assert!(!e.0.is_empty() && !e.to_string().is_empty()),
    };
    scenario.timeout = scenario.timeout.min(Time(LONGEST));
    let report = scenario.run(&Epochs::new(3_000), &mut Few(20));
    assert!(report.failure.as_ref().is_none_or(|f| !f.is_empty()));
}
