//! What two threads would gain for 64 busy micro:bits, for `cargo xtask bench`: CPU time of the whole run divided by the sum
//! over all epochs of the busier half of the machines plus everything that is serial. One thread measures both halves, so
//! that other work on the host does not count.

use emu_core::Time;
use fleet::{Act, Command, Executor, Island};
use fleet_host::{Lab, usage::thread_cpu_time};
use std::{cell::Cell, time::Duration};

/// Runs the halves one after the other and measures each.
#[derive(Default)]
struct Halves {
    all: Cell<Duration>,
    busier: Cell<Duration>,
}

impl Executor for Halves {
    fn run(&self, mut islands: Vec<Box<Island>>, until: Time) -> Vec<Box<Island>> {
        let half = islands.len().div_ceil(2);
        let mut times = [Duration::ZERO; 2];
        for (part, time) in islands.chunks_mut(half).zip(&mut times) {
            let start = thread_cpu_time();
            part.iter_mut().for_each(|i| i.run_until(until));
            *time = thread_cpu_time().saturating_sub(start);
        }
        self.all.set(self.all.get() + times[0] + times[1]);
        self.busier.set(self.busier.get() + times[0].max(times[1]));
        islands
    }
}

fn main() {
    let mut builder = Lab::builder();
    for i in 0..64 {
        let place = [f64::from(i % 8) * 5.0, f64::from(i / 8) * 5.0, 0.0];
        builder = builder.node(&format!("bit{i}"), "microbit", "microbit-micropython").at(place);
    }
    let mut lab = builder.build().expect("64 micro:bits");
    lab.run_for(Duration::from_millis(500)).expect("a start");
    let fleet = lab.fleet();
    for node in 0..64 {
        let bytes = b"while True: pass\r\r".to_vec();
        fleet.apply(Command::new(fleet.now(), node, Act::Text { console: 0, bytes }));
    }
    fleet.run_until(Time::ms(700), &fleet::Serial);
    let halves = Halves::default();
    let start = thread_cpu_time();
    fleet.run_until(Time::ms(1000), &halves);
    let whole = thread_cpu_time().saturating_sub(start);
    let serial = whole.saturating_sub(halves.all.get());
    let two = serial + halves.busier.get();
    println!(
        "one thread {whole:?}, two {two:?}, serial {serial:?}; speed-up {:.3}",
        whole.as_secs_f64() / two.as_secs_f64()
    );
}
