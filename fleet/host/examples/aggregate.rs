//! What an instruction costs when so many devices run one image and take turns, for `cargo xtask bench`: every device runs
//! for 10,000 cycles, then the next. Start-up is not measured; the sum of instructions is about the same for any number.
//!
//! `aggregate DEVICES`

use emu_core::Time;
use fleet::Serial;
use fleet_host::{Lab, usage::thread_cpu_time};

const IMAGE: &str = "bench-core";
const MACHINE: &str = "mps2-an386";
/// 10,000 cycles at 25 MHz, in nanoseconds.
const QUANTUM: u64 = 400_000;
/// The guest has said its first line and is at work.
const START: Time = Time::ms(12);
/// Turns that are measured, over all devices.
const TURNS: u64 = 100_000;

fn main() {
    let devices: u64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).expect("a number of devices");
    let mut builder = Lab::builder();
    for i in 0..devices {
        builder = builder.node(&format!("dev{i}"), MACHINE, IMAGE);
    }
    let mut lab = builder.build().expect("the image ships");
    let fleet = lab.fleet();
    fleet.slice = QUANTUM;
    fleet.run_until(START, &Serial);
    let (before, start) = (fleet.retired(), thread_cpu_time());
    let end = START + TURNS.div_ceil(devices) * QUANTUM;
    fleet.run_until(end, &Serial);
    let spent = thread_cpu_time().saturating_sub(start);
    let done = fleet.retired() - before;
    println!(
        "{devices} devices, {done} instructions, ns each: {:.4}",
        spent.as_secs_f64() * 1e9 / done as f64
    );
}
