//! Saved states: of a fleet on the air, of one behind a switch with a gateway and lines, and of single machines.
//!
//! The first byte says of what; a seed is what `save` wrote.

use super::shelf::{self, Shelf};
use emu_core::{Machine, Time};
use fleet::{Fleet, config};

/// The fleets, with how long a seed ran.
pub const FLEETS: [(&str, u64); 2] = [
    (include_str!("../seeds/fleet/air.toml"), 3_000_000),
    (include_str!("../seeds/fleet/two.toml"), 3_000_000),
];
const MACHINES: [(&str, &[u8]); 3] =
    [("microbit", shelf::RADIO), ("mps2-an385", shelf::ETHERNET), ("riscv32-virt", shelf::RISCV)];

fn fresh(which: usize) -> Fleet {
    config::load("fleet.toml", FLEETS[which].0, None, &Shelf).unwrap_or_else(|e| panic!("{e}")).0
}

fn try_fleet(which: usize, bytes: &[u8]) {
    let mut fleet = fresh(which);
    if let Err(e) = fleet.load(bytes) {
        return assert!(!e.to_string().is_empty());
    }
    let _ = (fleet.view(), fleet.digest());
    if !shelf::run_a_little(&mut fleet, 300_000) {
        return;
    }
    let again = fleet.save();
    assert_eq!(fresh(which).load(&again), Ok(()), "what was saved loads");
    let _ = fleet.fork().digest();
}

fn machine(which: usize) -> Machine {
    let (board, image) = MACHINES[which];
    let mut machine = shelf::machine(board, image).0;
    machine.power_on(1);
    machine
}

fn try_machine(which: usize, bytes: &[u8]) {
    let mut m = machine(which);
    if let Err(e) = m.load(bytes) {
        return assert!(!e.to_string().is_empty());
    }
    let end = m.now() + 200_000;
    for _ in 0..4 {
        m.run_until(end);
        m.release();
    }
    let _ = m.digest();
}

/// Loads and runs on.
pub fn run(data: &[u8]) {
    let Some((which, bytes)) = data.split_first() else { return };
    match usize::from(*which) % (FLEETS.len() + MACHINES.len()) {
        n if n < FLEETS.len() => try_fleet(n, bytes),
        n => try_machine(n - FLEETS.len(), bytes),
    }
}

/// What `save` writes of each: seeds that need not be committed, and would be out of date soon.
pub fn seeds() -> Vec<Vec<u8>> {
    let fleets = (0..FLEETS.len()).map(|n| {
        let mut fleet = fresh(n);
        shelf::run_a_little(&mut fleet, FLEETS[n].1);
        fleet.save()
    });
    let machines = (0..MACHINES.len()).map(|n| {
        let mut m = machine(n);
        m.run_until(Time(1_000_000));
        m.save()
    });
    (0..).zip(fleets.chain(machines)).map(|(n, bytes): (u8, Vec<u8>)| [vec![n], bytes].concat()).collect()
}
