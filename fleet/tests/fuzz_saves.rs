//! Saved states from hostile hands: whatever the bytes, loading them gives a fleet that runs, or an error.

use emu_core::Machine;
use fleet::{Act, Command, Fleet, FleetExit, Serial, config};
use proptest::prelude::*;
use std::sync::OnceLock;

const MS: u64 = 1_000_000;

/// The images that ship.
struct Shelf;

impl config::Files for Shelf {
    fn image(&self, name: &str) -> Result<Vec<u8>, String> {
        let image = images::find(name).map_err(|e| e.to_string())?;
        image.load().map(|bytes| bytes.into_owned()).map_err(|e| e.to_string())
    }
    fn board(&self, path: &str) -> Result<String, String> {
        Err(format!("{path}: there are no files here"))
    }
}

const FILE: &str = "[group.bit]\ncount = 3\nspacing = 4.0\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n";

fn fresh() -> Fleet {
    let loaded = config::load("fleet.toml", FILE, None, &Shelf);
    loaded.unwrap_or_else(|e| panic!("{e}")).0
}

fn run(fleet: &mut Fleet, ns: u64) {
    let end = fleet.now() + ns;
    // A node that stops says so once.
    for _ in 0..16 {
        if fleet.run_until(end, &Serial) == FleetExit::Reached {
            return;
        }
    }
    panic!("a fleet of three stops more often than it has nodes");
}

/// A fleet in the middle of its work, with a command still to come.
fn saved() -> &'static [u8] {
    static SAVED: OnceLock<Vec<u8>> = OnceLock::new();
    SAVED.get_or_init(|| {
        let mut fleet = fresh();
        run(&mut fleet, 1300 * MS);
        let now = fleet.now();
        let pressed = Act::Input { device: "button-a".into(), name: "pressed".into(), value: 1 };
        fleet.apply(Command::new(now + MS, 1, pressed));
        fleet.apply(Command::new(now + 2 * MS, 2, Act::Move([1.0, 2.0, 3.0])));
        fleet.save()
    })
}

/// A fleet loaded from these bytes lives, or the bytes are refused.
fn try_fleet(bytes: &[u8]) -> bool {
    let mut fleet = fresh();
    if let Err(e) = fleet.load(bytes) {
        assert!(!e.to_string().is_empty());
        return false;
    }
    let _ = fleet.view();
    let _ = fleet.digest();
    run(&mut fleet, 3 * MS);
    let again = fleet.save();
    assert_eq!(fresh().load(&again), Ok(()), "what was saved loads");
    let _ = fleet.fork().digest();
    true
}

fn machine() -> Machine {
    let fleet = &mut fresh();
    fleet.node_mut(0).expect("there are three").machine.fork()
}

fn saved_machine() -> &'static [u8] {
    static SAVED: OnceLock<Vec<u8>> = OnceLock::new();
    SAVED.get_or_init(|| {
        let mut fleet = fresh();
        run(&mut fleet, 1300 * MS);
        fleet.node_mut(1).expect("there are three").machine.save()
    })
}

fn try_machine(bytes: &[u8]) -> bool {
    let mut m = machine();
    if let Err(e) = m.load(bytes) {
        assert!(!e.to_string().is_empty());
        return false;
    }
    let end = m.now() + 2 * MS;
    for _ in 0..4 {
        m.run_until(end);
        m.release();
    }
    let _ = m.digest();
    true
}

/// Single changes to bytes: another value, a bit turned over, bytes doubled or gone.
fn mutate(bytes: &[u8], changes: &[(usize, u8, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for &(at, kind, value) in changes {
        let i = at % bytes.len().max(1);
        match kind % 6 {
            _ if bytes.is_empty() => {}
            0 | 1 => bytes[i] = value,
            2 | 3 => bytes[i] ^= 1 << (value % 8),
            4 => bytes.insert(i, value),
            _ => drop(bytes.remove(i)),
        }
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(usize, u8, u8)>> {
    prop::collection::vec(any::<(usize, u8, u8)>(), 1..5)
}

proptest! {
    #![proptest_config(emu_testkit::cases(400))]

    #[test]
    fn fuzz_changed_fleets(changes in changes()) {
        try_fleet(&mutate(saved(), &changes));
    }

    // Most of a saved fleet is memory; the interesting bytes stand at its ends and between.
    #[test]
    fn fuzz_changed_fleets_at_the_front(changes in changes()) {
        let near: Vec<_> = changes.into_iter().map(|(at, k, v)| (at % 1500, k, v)).collect();
        try_fleet(&mutate(saved(), &near));
    }

    #[test]
    fn fuzz_changed_machines(changes in changes()) {
        try_machine(&mutate(saved_machine(), &changes));
    }

    #[test]
    fn fuzz_changed_machines_at_the_front(changes in changes()) {
        let near: Vec<_> = changes.into_iter().map(|(at, k, v)| (at % 6000, k, v)).collect();
        try_machine(&mutate(saved_machine(), &near));
    }

    #[test]
    fn fuzz_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        try_fleet(&bytes);
        try_machine(&bytes);
    }
}

#[test]
fn bad_saves_are_refused_and_good_ones_not() {
    assert!(try_fleet(saved()) && try_machine(saved_machine()));
    for cut in [0, 1, 2, 100, saved().len() / 2, saved().len() - 1] {
        assert!(!try_fleet(&saved()[..cut]), "cut to {cut}");
    }
    let longer = [saved(), &[0]].concat();
    assert!(!try_fleet(&longer));
}
