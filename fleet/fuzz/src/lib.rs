//! What is fuzzed: one function for each kind of input that comes from outside. Whatever the bytes, it returns: no panic, no
//! hang, no memory without end. Inputs that merely ask for much (a million nodes) are passed over; everything else is the
//! product's own business to refuse.
//!
//! `fleet/host/tests/fuzz_targets.rs` includes this file, too.

pub mod board;
pub mod fleet;
pub mod frames;
pub mod gdb;
pub mod loader;
pub mod mutate;
pub mod saved;
pub mod scenario;
pub mod session;
pub mod shelf;

use mutate::Dice;
use std::cell::OnceCell;

/// Makes libFuzzer's entry points of a target. Half of the changes are ours, which know words and lines; the other half
/// libFuzzer's.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$name::run(data));
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            if size > 2 && seed & 1 == 0 {
                return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
            }
            let target = $crate::TARGETS.iter().find(|t| t.name == stringify!($name)).expect("it is listed");
            let new = target.change(&data[..size], u64::from(seed));
            let size = new.len().min(max_size);
            data[..size].copy_from_slice(&new[..size]);
            size
        });
    };
}

/// One kind of input.
pub struct Target {
    /// Its name: of the binary and of the folder of its seeds.
    pub name: &'static str,
    /// What is done with an input.
    pub run: fn(&[u8]),
    /// Seeds that the program makes: what is saved changes with every version.
    pub made: Option<fn() -> Vec<Vec<u8>>>,
}

thread_local! {
    static MADE: OnceCell<Vec<Vec<u8>>> = const { OnceCell::new() };
}

impl Target {
    /// Another input, by a seed: of nothing, one of the seeds that the program makes.
    pub fn change(&self, data: &[u8], seed: u64) -> Vec<u8> {
        match self.made {
            Some(make) if data.len() <= 2 => MADE.with(|made| {
                let made = made.get_or_init(make);
                made[Dice(seed).below(made.len())].clone()
            }),
            _ => mutate::mutate(data, seed),
        }
    }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "loader", run: loader::run, made: None },
    Target { name: "board", run: board::run, made: None },
    Target { name: "fleet", run: fleet::run, made: None },
    Target { name: "scenario", run: scenario::run, made: None },
    Target { name: "session", run: session::run, made: None },
    Target { name: "saved", run: saved::run, made: Some(saved::seeds) },
    Target { name: "gdb", run: gdb::run, made: None },
    Target { name: "frames", run: frames::run, made: None },
];
