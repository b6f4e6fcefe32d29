//! The project's chores: `cargo xtask <TASK>`.

mod bench;
mod fetch;
mod fuzz;
mod guests;
mod setup;
mod sh;
mod soak;
mod test;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's chores")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what building and testing need, then fetch the images
    Setup,
    /// Fetch or build the catalogue's images: all of them, or those named
    Images { names: Vec<String> },
    /// Build our own guests, or check that the committed ones can be reproduced
    Guests {
        /// Compare the committed ELF files with a fresh build, byte for byte
        #[arg(long)]
        check: bool,
    },
    /// Set up what tests need, then run every test, or those whose name contains PREFIX
    Test {
        prefix: Option<String>,
        /// Only name the tests
        #[arg(long)]
        list: bool,
    },
    /// Run fleets of hostile guests every way there is, and property tests, with fresh seeds; a difference is printed as a
    /// regression test
    Soak {
        /// For so long
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        minutes: u32,
        /// Decides the fleets' cases [default: a fresh one, which is printed]
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
        /// Multiplies the cases of each property test
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        times: u32,
    },
    /// Fuzz what comes from outside (image, board, fleet, scenario and session files, saved states, a debugger's packets,
    /// frames), guided by coverage: one target, or each in turn
    Fuzz {
        /// loader, board, fleet, scenario, session, saved, gdb or frames
        target: Option<String>,
        /// Each for so long
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        minutes: u32,
    },
    /// Measure our speed against others' on this machine; exits with 1 if a row fails
    Bench {
        /// Also write the rows to FILE
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Only rows whose name contains this
        filter: Option<String>,
    },
    /// Check the rules that neither the compiler nor clippy knows
    Tidy,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Setup => setup::setup().and_then(|()| fetch::images(&[])),
        Task::Images { names } => fetch::images(&names),
        Task::Guests { check: false } => guests::build(),
        Task::Guests { check: true } => guests::check(),
        Task::Test { prefix, list: true } => test::list(prefix.as_deref()),
        Task::Test { prefix, list: false } => match test::run(prefix.as_deref()) {
            // The tests have said what is wrong, and their sum is to be the last line.
            Ok(false) => return ExitCode::FAILURE,
            outcome => outcome.map(drop),
        },
        Task::Soak { minutes, seed, times } => soak::run(minutes, seed, times),
        Task::Fuzz { target, minutes } => fuzz::run(target.as_deref(), minutes),
        Task::Bench { json, filter } => bench::run(json.as_deref(), filter.as_deref()),
        Task::Tidy => tidy::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
