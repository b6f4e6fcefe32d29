//! Threads that translate, run and evict at once while there is hardly any memory for compiled code. A program of its own: the
//! memory is the whole process's.

#[allow(dead_code)] // the other program uses more of it
#[path = "../jit/guests.rs"]
mod guests;

use emu_core::cpu::Engine;
use emu_engine::jit;
use fleet::{Executor, Serial};
use fleet_host::Pool;
use guests::{MS, compiler, fleet, ran, run_to};
use std::sync::atomic::{AtomicBool, Ordering};

const FLEETS: [(&str, &str, usize); 3] = [
    ("microbit", "microbit-micropython", 6),
    ("mps2-an386", "mps2-an386-micropython", 3),
    ("mps2-an386", "freertos-an386", 3),
];

/// Digests every 20 ms, and how many instructions were compiled.
fn life(i: usize, engine: Engine, executor: &dyn Executor) -> (Vec<u128>, u64) {
    let (machine, image, n) = FLEETS[i];
    let mut fleet = fleet(machine, image, n, engine);
    fleet.slice = 300_000;
    let digests = (1..=10).map(|k| {
        run_to(&mut fleet, k * 20 * MS, executor);
        fleet.digest()
    });
    let digests = digests.collect();
    (digests, (0..n).map(|k| ran(&fleet, k).1).sum())
}

#[test]
fn jit_threads_translate_run_and_evict_at_once() {
    if !compiler() {
        return;
    }
    let wanted: Vec<_> = (0..FLEETS.len()).map(|i| life(i, Engine::Interpreter, &Serial).0).collect();
    const LIMIT: usize = 40 << 10;
    jit::set_limit(LIMIT);
    let over = AtomicBool::new(false);
    let ((most, falls), compiled) = std::thread::scope(|s| {
        let pool = Pool::new(2);
        let watcher = s.spawn(|| {
            // What is in use never exceeds the limit, however many want it. It falls when pages are let go, which nobody does
            // but for want of memory.
            let (mut most, mut falls, mut last) = (0, 0, 0);
            while !over.load(Ordering::Relaxed) {
                let now = jit::counters().in_use;
                (most, falls, last) = (now.max(most), falls + u32::from(now < last), now);
                std::hint::spin_loop();
            }
            (most, falls)
        });
        let others: Vec<_> =
            (1..FLEETS.len()).map(|i| (i, s.spawn(move || life(i, Engine::Jit, &Serial)))).collect();
        let first = life(0, Engine::Jit, &pool);
        let mut lives = vec![(0, first)];
        lives.extend(others.into_iter().map(|(i, t)| (i, t.join().expect("it runs to its end"))));
        over.store(true, Ordering::Relaxed);
        for (i, (digests, _)) in &lives {
            assert_eq!(*digests, wanted[*i], "{:?}", FLEETS[*i]);
        }
        let compiled = lives.iter().map(|l| l.1.1).collect::<Vec<_>>();
        (watcher.join().expect("it watches"), compiled)
    });
    println!("{compiled:?} instructions compiled, {most} bytes at most in use, seen to fall {falls} times");
    assert!(most <= LIMIT as u64, "{most} bytes in use");
    assert!(compiled.iter().all(|n| *n > 10_000), "{compiled:?}");
    assert!(falls > 10, "hardly anything was evicted: seen {falls} times");
}
