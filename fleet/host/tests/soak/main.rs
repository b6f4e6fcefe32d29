//! Is a run the same however it is run? Fleets of hostile guests, with random commands and faults, are run straight on the
//! interpreter, and once more under a random schedule: other engines, threads and slices, copied, saved and loaded, stopped
//! by breakpoints and stepped, read by debuggers, at random instants and at those of events and commands.
//!
//! Usually a few cases run. `cargo xtask soak` runs fresh ones for as long as asked: `SOAK_SECONDS`, `SOAK_SEED`. A case that
//! fails is made small and printed as a test, to be pasted into `mended.rs`.

mod case;
mod dice;
mod fleets;
mod generate;
mod mended;
mod open;
mod run;
mod shrink;

use case::Case;
use std::{
    io::Write,
    time::{Duration, Instant},
};

/// Cases of each fleet when nobody asks for more.
const FEW: u64 = 3;
/// How often a long run tells how far it is.
const TOLD: Duration = Duration::from_secs(10);

fn wanted(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
#[allow(clippy::disallowed_methods, reason = "how long the soak goes on is the host's time")]
fn soak() {
    let (seconds, seed) = (wanted("SOAK_SECONDS"), wanted("SOAK_SEED").unwrap_or(1));
    let (start, mut told) = (Instant::now(), Instant::now());
    let more = |n: u64| match seconds {
        Some(s) => start.elapsed() < Duration::from_secs(s),
        None => n < FEW,
    };
    let (mut n, mut cases, mut virtual_ns, mut retired) = (0, 0, 0u64, 0);
    while more(n) {
        for fleet in fleets::FLEETS {
            let case = generate::case(fleet, dice::mix(seed, n));
            match case.check() {
                Ok(run) => (virtual_ns, retired) = (virtual_ns + case.end, retired + run),
                Err(why) => fail(case, &why),
            }
            cases += 1;
            if seconds.is_some() && told.elapsed() > TOLD {
                told = Instant::now();
                tell(start.elapsed(), cases, virtual_ns, retired);
            }
        }
        n += 1;
    }
    tell(start.elapsed(), cases, virtual_ns, retired);
}

/// Past libtest, which would keep it until the end.
fn tell(gone: Duration, cases: u64, ns: u64, retired: u64) {
    let (seconds, ms, millions) = (gone.as_secs(), ns / 1_000_000, retired / 1_000_000);
    let mut err = std::io::stderr();
    let _ = writeln!(
        err,
        "soak: {seconds} s, {cases} cases the same, {ms} ms of virtual time, {millions} M instructions"
    );
}

fn fail(case: Case, why: &str) -> ! {
    let _ = writeln!(std::io::stderr(), "soak: {} differs: {why}\nsoak: making it small", case.name());
    let (small, why) = shrink::shrink(case, why.into());
    panic!(
        "a run is not the same:\n{why}\n\nas a test, for fleet/host/tests/soak/mended.rs:\n\n{}",
        small.as_test()
    );
}
