//! `flotilla`: runs firmware on emulated machines, alone or as a fleet.
#![deny(clippy::print_stdout, clippy::print_stderr)] // they panic when nobody reads: see `out`

mod args;
mod check;
mod console;
mod debug;
mod demo;
mod editor;
mod exit;
mod flash;
mod junit;
mod lists;
mod lockstep;
mod monitor;
mod out;
mod outputs;
mod places;
mod replay;
mod run;
mod screen;
mod select;
mod show;
mod stats;
mod subject;
mod summary;
mod terminal;
mod test;

use args::{Cli, RecordArgs, Task};
use clap::Parser;
use out::say;
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Run(args) => run::run(&args),
        Task::Demo(args) => demo::demo(&args),
        Task::Record(RecordArgs { file, run: mut args }) => match args.record.replace(file) {
            None => run::run(&args),
            Some(_) => {
                Err(exit::Failure::usage("`flotilla record FILE` names the file already: no --record"))
            }
        },
        Task::Replay(args) => replay::replay(&args),
        Task::CheckDeterminism(args) => check::check(&args),
        Task::Test(args) => test::test(&args),
        Task::Lockstep(args) => lockstep::lockstep(&args),
        Task::Images { path } => lists::images(path.as_deref()),
        Task::Machines { name } => lists::machines(name.as_deref()),
        Task::Devices { kind } => lists::kinds(kind.as_deref()),
    };
    match outcome.and_then(out::verdict) {
        Ok(code) => code.into(),
        Err(failure) => {
            if !failure.message.is_empty() {
                say!("error: {}", failure.message);
            }
            failure.code.into()
        }
    }
}
