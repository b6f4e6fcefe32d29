//! What it costs to translate a guest instruction, for `cargo xtask bench`: CPU time of the first device that runs an image
//! beyond that of the second, which finds all code translated, by the instructions that were compiled meanwhile. What the
//! first device pays for decoding, and for interpreting each block until it is worth compiling, counts as well. Each round
//! changes a byte in each page that nobody executes, so that the process has never seen the code.

use emu_core::Time;
use fleet::{Serial, stats::counters};
use fleet_host::{Lab, usage::thread_cpu_time};
use std::time::Duration;

const IMAGE: &str = "bench";
const MACHINE: &str = "mps2-an385";
/// Each kernel has run some dozens of times.
const END: Time = Time::ms(150);
const ROUNDS: u32 = 60;
/// A vector that no device raises, and bytes behind the image: one address in each of its pages.
const UNUSED: [u64; 3] = [0x1c, 0x1ff8, 0x2ff8];

/// A device whose code differs from that of every other round.
fn device(round: u32) -> Lab {
    let mut lab = Lab::builder().node("dev", MACHINE, IMAGE).build().expect("the image ships");
    let node = lab.fleet().node_mut(0).expect("one node");
    for at in UNUSED {
        assert_eq!(node.machine.bus.fabric.mem.poke(at, &round.to_le_bytes()), 4);
    }
    lab
}

fn life(lab: &mut Lab) -> Duration {
    let start = thread_cpu_time();
    lab.fleet().run_until(END, &Serial);
    thread_cpu_time().saturating_sub(start)
}

fn main() {
    let (mut cold, mut warm, mut compiled) = (Duration::ZERO, Duration::ZERO, 0);
    for round in 1..=ROUNDS {
        let (mut first, mut second) = (device(round), device(round));
        let before = counters().insns;
        cold += life(&mut first);
        compiled += counters().insns - before;
        warm += life(&mut second);
    }
    assert!(compiled > u64::from(ROUNDS) * 500, "each round compiled: {compiled}");
    let each = cold.saturating_sub(warm).as_secs_f64() * 1e6 / compiled as f64;
    println!("{compiled} instructions compiled; first {cold:?}, second {warm:?}; us each: {each:.4}");
}
