//! Measurements that hold their node until the medium answers, with clocks that are right and wrong.

use crate::desk::{fleet, loaded, run_to};
use emu_core::Time;
use fleet::{Act, Command, ConsoleByte, Executor, Fleet, Serial};
use fleet_host::Pool;

/// Two nodes that measure the channel and send by turns; their clocks gain so much.
fn pair(ppm: [i32; 2]) -> Fleet {
    let mut fleet = fleet(PAIR);
    for (node, ppm) in (0..).zip(ppm).filter(|p| p.1 != 0) {
        fleet.apply(Command::new(Time::ZERO, node, Act::Drift { ppm }));
    }
    fleet
}

const PAIR: &str = "[group.bit]\ncount = 2\nmachine = \"microbit\"\nimage = \"rssi\"\n";

const END: u64 = 60_000_000;

fn run(mut fleet: Fleet, slice: u64, executor: &dyn Executor) -> (u128, Vec<ConsoleByte>) {
    fleet.slice = slice;
    let said = run_to(&mut fleet, END, executor);
    (fleet.digest(), said)
}

/// How many measurements of a node had not ended when it last said so.
fn lost(said: &[ConsoleByte], node: u32) -> Option<u32> {
    let text: Vec<u8> = said.iter().filter(|b| b.node == node).map(|b| b.byte).collect();
    let text = String::from_utf8(text).expect("text");
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().next_back()?.split(' ').nth(3)?.parse().ok()
}

#[test]
fn mend_every_measurement_ends_whatever_the_clock() {
    for ppm in [[0, 0], [50, 0], [-50, 0], [50, -50], [123_457, -400_000], [-1, 500_000]] {
        let (digest, said) = run(pair(ppm), u64::MAX, &Serial);
        for node in 0..2 {
            assert_eq!(lost(&said, node), Some(0), "{ppm:?}, node {node}");
        }
        for slice in [30_000, 7_777, 1_000_000] {
            assert!(
                run(pair(ppm), slice, &Serial) == (digest, said.clone()),
                "{ppm:?}, slices of {slice} ns"
            );
        }
        assert!(run(pair(ppm), 100_003, &Pool::new(2)) == (digest, said), "{ppm:?}, two threads");
    }
}

#[test]
fn mend_a_measurement_may_be_cut_at_any_nanosecond() {
    for ppm in [[0, 0], [50, -50], [-300_000, 200_000]] {
        let window = 400_000..410_000;
        let end = window.end + 40_000;
        let mut straight = pair(ppm);
        run_to(&mut straight, end, &Serial);
        let digest = straight.digest();
        let (mut cut, mut held) = (pair(ppm), 0);
        for t in window.step_by(23) {
            run_to(&mut cut, t, &Serial);
            held += cut.nodes().filter(|n| n.machine.held()).count();
            let mut back = loaded(PAIR, &cut.save());
            run_to(&mut back, end, &Serial);
            assert_eq!(back.digest(), digest, "{ppm:?}, saved and loaded at {t} ns, {held} held");
        }
        run_to(&mut cut, end, &Serial);
        assert_eq!(cut.digest(), digest, "{ppm:?}, cut");
    }
}

/// A clock that changes its pace while a measurement is under way.
#[test]
fn mend_a_measurement_ends_though_the_clock_changes_its_pace() {
    let commands: Vec<_> = (0..2000u64)
        .map(|i| {
            let ppm = [0, 400_000, -400_000, 50, -50][(i % 5) as usize];
            Command::new(Time(1_000_003 + i * 9_001), (i % 2) as u32, Act::Drift { ppm })
        })
        .collect();
    let drifting = || {
        let mut fleet = pair([0, 0]);
        commands.iter().for_each(|c| fleet.apply(c.clone()));
        fleet
    };
    let (digest, said) = run(drifting(), u64::MAX, &Serial);
    assert_eq!([0, 1].map(|node| lost(&said, node)), [Some(0); 2]);
    for slice in [30_000, 7_777] {
        assert!(run(drifting(), slice, &Serial) == (digest, said.clone()), "slices of {slice} ns");
    }
}
