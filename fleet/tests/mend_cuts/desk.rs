//! Fleets of the guests in `images/guests/cuts`.

use emu_core::Time;
use fleet::{
    ConsoleByte, Executor, Fleet, FleetExit,
    config::{self, Files},
};

/// The committed guests by name.
pub struct Shelf;

macro_rules! guests {
    ($($name:literal),*) => {
        &[$(($name, include_bytes!(concat!("../../../images/guests/cuts/", $name, ".elf")))),*]
    };
}

const GUESTS: &[(&str, &[u8])] =
    guests!["irqloop", "rssi", "rxprint", "talk", "end-soon", "end-later", "end-quiet", "lock"];

impl Files for Shelf {
    fn image(&self, name: &str) -> Result<Vec<u8>, String> {
        let found = GUESTS.iter().find(|g| g.0 == name);
        found.map(|g| g.1.to_vec()).ok_or_else(|| format!("there is no guest {name}"))
    }
    fn board(&self, path: &str) -> Result<String, String> {
        Err(format!("{path}: there is no such board"))
    }
}

/// The fleet of a file, just switched on.
pub fn fleet(toml: &str) -> Fleet {
    config::load("fleet.toml", toml, None, &Shelf).unwrap_or_else(|e| panic!("{e}")).0
}

/// The fleet that goes on from what was saved.
pub fn loaded(toml: &str, saved: &[u8]) -> Fleet {
    let mut fresh = fleet(toml);
    fresh.load(saved).expect("what was saved loads");
    fresh
}

/// Runs to `end`, past all stops, and gives what was printed.
pub fn run_to(fleet: &mut Fleet, end: u64, executor: &dyn Executor) -> Vec<ConsoleByte> {
    while fleet.run_until(Time(end), executor) != FleetExit::Reached {}
    fleet.take_console()
}
