//! The command line.

use crate::{
    monitor::HELP as MONITOR,
    places::{ConsoleTo, console_to, host_and_port},
    select::Choice,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use emu_core::cpu::Engine;
use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf};

const CODES: &str = "\
Exit codes:
  0  all went as wanted
  1  the guest ended itself with an error, or an expectation failed
  2  wrong usage
  3  an image, machine, file, port or engine cannot be used
  4  time ran out: --until's text did not appear, or a scenario's timeout was over
  5  a guest's CPU locked up
  6  the digest is not the one that --expect-digest gives; runs that should be the same differ
  7  this build of the program lacks what is asked for
130  SIGINT came before the end that --for, --until or a scenario gives; 129 SIGHUP, 131 SIGQUIT, 143 SIGTERM";

const RUN: &str = "\
Times are virtual: 5s, 250ms, 1.5s, 20us, 2m.

On a terminal the console is live and virtual time goes no faster than the host's. Ctrl-A x quits, Ctrl-A opens the
monitor's line, see below. A fleet is shown line by line, and nobody is typed at, until `console NODE` chooses; with --for
or --until it goes as fast as it can. With --pty, --console-to pty or tcp and --live, and with --speed max, only a guest that
sleeps waits for the host.

--console-to tcp:4444 has the console on a port of this host, for `nc`, `telnet` or `socat -,rawer tcp:localhost:4444`;
bytes go as they are, :0 is any port, and standard error says which. Several may connect; all may type. What is printed
while nobody is there waits for the next, the last 64 KiB of it; a reader who stands still loses what he is 4 MiB behind, and the run does
not wait. A console on a port or pseudo-terminal is not shown here, and standard input is not typed at it;
of one that goes to file:PATH the file has a copy. --until sees them all.

    flotilla run microbit-micropython --console-to tcp:4444
    flotilla run lan.toml --console-to anna=pty --console-to bert.uart1=file:bert.log

--pcap FILE opens in Wireshark; for what is on the air with the dissector docs/wireshark/flotilla-radio.lua, as in
`tshark -X lua_script:flotilla-radio.lua -r FILE`, or copied to the folder of personal Lua plugins (Help, About, Folders).

--flash FILE keeps what the guest writes to flash (nRF51: code flash and UICR). A new or empty FILE gets the image; later runs with
the same image begin with what it holds, and it is written when a run ends, also by a signal. With another image it is an
error: delete the file to begin anew. A recorded session holds what differs from the image, so that it replays without the file.
Fleet files and scenarios have no key for it.

Standard input that is no terminal is read to its end first and typed from 0.1 s on at the guest's pace: at the line's
rate, once it has enabled its receiver and has room; line ends become the Enter key (--raw-input: as they
are; --no-input: it is not read). Its end does not end the run. Without --for and --until such a run goes on until the guest ends
itself or sleeps for ever.

Standard output carries the console's bytes, nothing else; the summary goes to standard error. When nobody reads standard
output any more, the run ends, unless --until, --expect-digest, --record or --pcap want something of it.";

const REPLAY: &str = "\
A session holds what was run, the hashes of the images, every command (what was typed, pressed, written by a debugger,
sent by a gateway's host) with its virtual time, and a digest of the whole state each second and at the end. A replay
does the same at the same times, without terminal and network, and ends with 6 at the first digest that
differs. What a debugger of the replay (--gdb) writes makes it differ, too; looking does not. Paths of images are relative to the fleet file's folder as it was named, or to the current folder.

--export writes a scenario for `flotilla test`: what was typed, pressed, reset and moved as steps at the same times,
each after what the node printed last. What has no step stands there as a comment.";

const CHECK: &str = "\
The first number of threads is the reference. The others are compared with it, then each slice, each engine, a copy that
goes on half way, and a saved fleet that is loaded half way. Digests of the whole state are compared at checkpoints; between
the last that is the same and the first that differs, both runs are repeated with ever finer checkpoints, until the
first node, the time in nanoseconds, the instruction and the registers, device fields or bytes are known that differ.

A recorded session is checked as a fleet to which is done, at the same times, what was done then: by people, debuggers
and a gateway's host.";

const LOCKSTEP: &str = "\
Each instruction that our core executes is executed by Unicorn too, from the same registers and memory, and the results
are compared: registers, flags, floating-point state, the pages that either wrote. The first difference ends the run with
exit code 6; it is named with its pc, symbol, bytes, disassembly and both states. Accesses to devices, exceptions and
system instructions are not compared; the summary counts them by reason.

Standard input is typed on the console from 0.1 s on, as `flotilla run` does. Standard output carries the console's bytes.

    flotilla lockstep firmware.elf --machine mps2-an386 --for 500ms
    echo 'print(6*7)' | flotilla lockstep microbit-micropython --instructions 2_000_000

Unicorn is GPL-2.0 and no part of the usual build:

    cargo build --release -p flotilla --features unicorn

needs cmake, pkg-config and libclang; the program that it makes is GPL-2.0.";

/// Runs firmware on emulated microcontrollers, alone or as a fleet, deterministically.
#[derive(Debug, Parser)]
#[command(name = "flotilla", version, after_help = CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub task: Task,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Run an image on a machine, or the fleet of a file
    #[command(after_long_help = format!("{RUN}\n\n{MONITOR}\n{CODES}"), after_help = CODES)]
    Run(RunArgs),
    /// Run a small fleet of micro:bits that talk over the radio, from an image that ships
    #[command(after_help = CODES)]
    Demo(DemoArgs),
    /// Run scenarios: fleets, what happens to them, and what is expected of them
    #[command(after_help = CODES)]
    Test(TestArgs),
    /// Run and record what is done to it: the same as `run --record FILE`
    #[command(after_long_help = format!("{RUN}\n\n{MONITOR}\n{CODES}"), after_help = CODES)]
    Record(RecordArgs),
    /// Repeat a recorded session and compare it with what was recorded
    #[command(after_long_help = format!("{REPLAY}\n\n{CODES}"), after_help = CODES)]
    Replay(ReplayArgs),
    /// Run a fleet or scenario under several conditions; show where the runs first differ, if they do
    #[command(after_long_help = format!("{CHECK}\n\n{CODES}"), after_help = CODES)]
    CheckDeterminism(CheckArgs),
    /// Run an image instruction by instruction beside Unicorn and show where they first differ
    #[command(after_long_help = format!("{LOCKSTEP}\n\n{CODES}"), after_help = CODES)]
    Lockstep(LockstepArgs),
    /// List the images known by name, and whether they are here
    Images {
        /// Print the path of the image NAME
        #[arg(long, value_name = "NAME")]
        path: Option<String>,
    },
    /// List the machines, or describe one
    Machines {
        /// Name or alias, or the path of a board file
        name: Option<String>,
    },
    /// List the kinds of devices a board file can have, or one's parameters, pins and ports
    Devices {
        /// Kind, such as nordic,nrf51-uart
        kind: Option<String>,
    },
}

/// What every way to run has in common.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Decides everything random [default: the file's, or 1]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Host threads [default: as many as help]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Longest stretch that a node runs alone; changes no result
    #[arg(long, value_name = "TIME", value_parser = positive)]
    pub slice: Option<u64>,
    /// Print a digest of the whole state every so often
    #[arg(long, value_name = "TIME", value_parser = positive)]
    pub digest_every: Option<u64>,
    /// What executes the guests' instructions; changes no result
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    pub engine: EngineName,
    /// Say at the end what the engine did, and how often each device was spoken to
    #[arg(long)]
    pub stats: bool,
}

/// `--engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    /// Compiled code where this host can run it, else the interpreter
    Auto,
    /// The interpreter alone
    Interpreter,
    /// Compiled code, or an error (exit code 3) where this host cannot run it
    Jit,
}

impl From<EngineName> for Engine {
    fn from(name: EngineName) -> Engine {
        match name {
            EngineName::Auto => Engine::Auto,
            EngineName::Interpreter => Engine::Interpreter,
            EngineName::Jit => Engine::Jit,
        }
    }
}

/// What a single run can do besides.
#[derive(Clone, Debug, Args)]
pub struct Outcome {
    /// Exit with 6 unless the run ends with this digest
    #[arg(long, value_name = "HEX", value_parser = digest)]
    pub expect_digest: Option<u128>,
    /// Write what is on the air to a pcapng file
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
}

/// `flotilla run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// ELF, Intel HEX or (with --at) raw binary; a name of `flotilla images`; or FLEET.toml
    pub image: String,
    /// Name or alias as `flotilla machines` lists them, or the path of a board file [default: the image's usual one]
    #[arg(long, short, value_name = "NAME")]
    pub machine: Option<String>,
    /// Stop after so much virtual time
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub for_: Option<u64>,
    /// Stop once the console has printed TEXT
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub until: Option<String>,
    /// What every run has
    #[command(flatten)]
    pub common: Common,
    /// What a single run has
    #[command(flatten)]
    pub outcome: Outcome,
    /// Console to show and to type at: a name, `none` or `all`; of a fleet, NODE or NODE.NAME [default: the board's
    /// and semihosting; of a fleet, all, line by line]
    #[arg(long, value_name = "NAME")]
    pub console: Option<String>,
    /// Type standard input as it is: do not turn line ends into the Enter key's carriage return
    #[arg(long)]
    pub raw_input: bool,
    /// Do not read standard input
    #[arg(long, conflicts_with_all = ["raw_input", "live", "pty"])]
    pub no_input: bool,
    /// Keep pace with the host and type standard input as it comes, even if it is no terminal
    #[arg(long, conflicts_with = "pty")]
    pub live: bool,
    /// Put the console on a new pseudo-terminal, whose name is printed first: `--console-to pty`
    #[arg(long)]
    pub pty: bool,
    /// Copy a console to file:PATH, or move it to a new pseudo-terminal (pty) or to a port of this host, tcp:[HOST:]PORT;
    /// CONSOLE as for --console [default: that one]. Again for further consoles
    #[arg(long, value_name = "[CONSOLE=]PLACE", value_parser = console_to)]
    pub console_to: Vec<ConsoleTo>,
    /// Keep what the guest writes to flash: FILE stands for the chip's memory from run to run, for one image. Again for
    /// further nodes
    #[arg(long, value_name = "[NODE=]FILE")]
    pub flash: Vec<String>,
    /// Load address of a raw binary
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub at: Option<u64>,
    /// Let gdb connect here (several nodes: the following ports too)
    #[arg(long, value_name = "[IP:]PORT", value_parser = host_and_port)]
    pub gdb: Option<SocketAddr>,
    /// Wait for gdb before the first instruction
    #[arg(long, requires = "gdb")]
    pub gdb_wait: bool,
    /// Virtual seconds per host second at most: `realtime`, `2x`, `0.5x`, or `max` [default: realtime on a terminal,
    /// else max]
    #[arg(long, value_name = "N", value_parser = speed)]
    pub speed: Option<f64>,
    /// Record the session: `flotilla replay` repeats it
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// `flotilla demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Micro:bits
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub nodes: u16,
    /// Virtual time to run
    #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = time)]
    pub for_: u64,
    /// What every run has
    #[command(flatten)]
    pub common: Common,
    /// What a single run has
    #[command(flatten)]
    pub outcome: Outcome,
}

/// `flotilla test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Scenario files, or folders of them (*.toml, but not *.fleet.toml)
    #[arg(required = true, value_name = "SCENARIO.toml|DIR")]
    pub paths: Vec<PathBuf>,
    /// What every run has
    #[command(flatten)]
    pub common: Common,
    /// Run each scenario with each of these seeds, both ends included
    #[arg(long, value_name = "FIRST..LAST", value_parser = seeds, conflicts_with = "seed")]
    pub seeds: Option<RangeInclusive<u64>>,
    /// Scenarios that run at a time, each on one thread [default: as many as the host has CPUs; with --threads, 1]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Write the results to a JUnit file, a case for each scenario and seed
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Show what consoles print, and the digest with each seed
    #[arg(long, short)]
    pub verbose: bool,
    /// Run only scenarios whose path has these words in it: `radio and not (slow or mesh)`
    #[arg(short = 'k', value_name = "EXPR", value_parser = crate::select::choice)]
    pub only: Option<Choice>,
    /// Begin no further run after one that failed
    #[arg(long)]
    pub fail_fast: bool,
    /// End a run that takes more than so many seconds of the host's time; it counts as one whose time ran out
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "gdb")]
    pub timeout: Option<u32>,
    /// Write what consoles printed and how it ended to a file in DIR for each run
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
    /// Have a node or group run another image than its file names
    #[arg(long, value_name = "NODE=FILE", value_parser = instead)]
    pub image: Vec<(String, String)>,
    /// What is possible with one run: one scenario, one seed
    #[command(flatten)]
    pub debug: DebugArgs,
    /// Record the session of the one run: `flotilla replay` repeats it
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// To look into a run.
#[derive(Clone, Debug, Args)]
pub struct DebugArgs {
    /// Let gdb connect here, to the first node (the others: the following ports), and wait for it before the first
    /// instruction
    #[arg(long, value_name = "[IP:]PORT", value_parser = host_and_port)]
    pub gdb: Option<SocketAddr>,
    /// Write what is on the air to a pcapng file
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
}

/// `flotilla record`.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// The file to write
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What is run
    #[command(flatten)]
    pub run: RunArgs,
}

/// `flotilla replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// A recorded session
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// End at this virtual time [default: where the session ended]
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub for_: Option<u64>,
    /// Host threads [default: as many as help]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Longest stretch that a node runs alone; changes no result
    #[arg(long, value_name = "TIME", value_parser = positive)]
    pub slice: Option<u64>,
    /// What executes the guests' instructions; changes no result
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    pub engine: EngineName,
    /// Write the session as a scenario
    #[arg(long, value_name = "SCENARIO.toml")]
    pub export: Option<PathBuf>,
    /// To look into it
    #[command(flatten)]
    pub debug: DebugArgs,
}

/// `flotilla check-determinism`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Fleet or scenario file, or a recorded session
    #[arg(value_name = "FLEET.toml|SCENARIO.toml|SESSION")]
    pub file: PathBuf,
    /// Virtual time to run a fleet [default: 10s] or a session; a scenario ends by itself
    #[arg(long = "for", value_name = "TIME", value_parser = positive)]
    pub for_: Option<u64>,
    /// Decides everything random [default: the file's, or 1]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Numbers of host threads to compare; the first is the reference
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,2,4")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Vec<u16>,
    /// Longest stretches that a node runs alone, to compare
    #[arg(long, value_name = "TIME,...", value_delimiter = ',', default_value = "777us")]
    #[arg(value_parser = positive)]
    pub slices: Vec<u64>,
    /// What else executes the guests' instructions, to compare; the other runs have `auto`
    #[arg(long, value_name = "ENGINE,...", value_delimiter = ',', default_value = "interpreter")]
    pub engines: Vec<EngineName>,
    /// So often a run is cut: in one run it goes on in a copy, in one it is saved and loaded, in one a debugger reads.
    /// Cuts lie at the instants of events and instructions and beside them
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub cuts: u32,
    /// Decides when cuts are
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub cut_seed: u64,
    /// From one checkpoint, at which digests and consoles are compared, to the next [default: a fiftieth of the run, at
    /// least 1ms]
    #[arg(long, alias = "every", value_name = "TIME", value_parser = positive)]
    pub digest_every: Option<u64>,
}

/// `flotilla lockstep`.
#[derive(Debug, Args)]
pub struct LockstepArgs {
    /// ELF, Intel HEX or (with --at) raw binary; or a name of `flotilla images`
    pub image: String,
    /// Name or alias as `flotilla machines` lists them, or the path of a board file [default: the image's usual one]
    #[arg(long, short, value_name = "NAME")]
    pub machine: Option<String>,
    /// Stop after so much virtual time [default: 1s]
    #[arg(long = "for", value_name = "TIME", value_parser = positive)]
    pub for_: Option<u64>,
    /// Stop after so many instructions
    #[arg(long, value_name = "N", value_parser = count)]
    pub instructions: Option<u64>,
    /// Load address of a raw binary
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub at: Option<u64>,
    /// Decides everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// A node or group, and what it is to run.
fn instead(text: &str) -> Result<(String, String), String> {
    let halves = text.split_once('=').filter(|(node, file)| !node.is_empty() && !file.is_empty());
    let (node, file) = halves.ok_or("this is NODE=FILE, as bit=build/firmware.elf")?;
    Ok((node.into(), file.into()))
}

/// Nanoseconds of `5s`, `1.5ms`, `20us`, `7ns` or `2m`; a bare number is seconds.
fn time(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" | "" => 1_000_000_000,
        "m" | "min" => 60_000_000_000_u64,
        "h" => 3_600_000_000_000,
        _ => return Err("a time is a number with ns, us, ms, s, m or h".into()),
    };
    let number = number.replace('_', "");
    let (whole, part) = number.split_once('.').unwrap_or((&number, ""));
    if part.contains('.') {
        return Err(format!("`{number}` is not a number"));
    }
    let bad = |_| format!("`{number}` is not a number of this size");
    let whole: u64 = if whole.is_empty() && !part.is_empty() { 0 } else { whole.parse().map_err(bad)? };
    let mut ns = whole.checked_mul(scale).filter(|ns| *ns <= MAX_TIME).ok_or("more than a hundred years")?;
    let mut weight = scale;
    for digit in part.bytes() {
        weight /= 10;
        ns += u64::from(digit.wrapping_sub(b'0')) * weight;
    }
    Ok(ns)
}

/// A hundred years.
const MAX_TIME: u64 = 100 * 366 * 24 * 3_600_000_000_000;

fn positive(text: &str) -> Result<u64, String> {
    time(text).and_then(|t| if t == 0 { Err("must be above zero".into()) } else { Ok(t) })
}

fn count(text: &str) -> Result<u64, String> {
    text.replace('_', "").parse().map_err(|_| "a count is a number like 1_000_000".into())
}

fn address(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(&hex.replace('_', ""), 16),
        None => text.replace('_', "").parse(),
    };
    parsed.map_err(|_| "an address is a number like 0x20000000".into())
}

fn digest(text: &str) -> Result<u128, String> {
    let hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let parsed = u128::from_str_radix(text, 16).ok().filter(|_| hex);
    parsed.ok_or_else(|| "a digest has 32 hexadecimal digits".into())
}

/// No more seeds at a time.
const MOST_SEEDS: u64 = 1_000_000;

fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let form = "seeds are FIRST..LAST, such as 1..100";
    let (first, last) = text.split_once("..").ok_or(form)?;
    let number = |t: &str| t.parse::<u64>().map_err(|_| form.to_string());
    let (first, last) = (number(first)?, number(last.trim_start_matches('='))?);
    match last.checked_sub(first) {
        None => Err(format!("the range is backwards; {last}..{first} is not")),
        Some(n) if n >= MOST_SEEDS => Err(format!("more than {MOST_SEEDS} seeds at a time")),
        Some(_) => Ok(first..=last),
    }
}

pub fn speed(text: &str) -> Result<f64, String> {
    match text {
        "max" => return Ok(f64::INFINITY),
        "realtime" => return Ok(1.0),
        _ => {}
    }
    let number = text.strip_suffix('x').unwrap_or(text);
    let number: f64 = number.parse().map_err(|_| "a speed is `realtime`, `max` or a number like `2x`")?;
    if (1e-6..=1e6).contains(&number) {
        Ok(number)
    } else {
        Err("a speed lies between 0.000001 and 1000000".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        let cases = [
            ("5s", 5_000_000_000),
            ("5", 5_000_000_000),
            ("1.5s", 1_500_000_000),
            ("250ms", 250_000_000),
            ("0.1us", 100),
            (".5ms", 500_000),
            ("7ns", 7),
            ("2m", 120_000_000_000),
            ("1_000us", 1_000_000),
        ];
        for (text, ns) in cases {
            assert_eq!(time(text), Ok(ns), "{text}");
        }
        for text in ["", "s", ".", "-1s", "5 s", "5x", "1e3s", "1.2.3s", "99999999999999999999s", "4000000h"]
        {
            assert!(time(text).is_err(), "{text}");
        }
        assert!(positive("0").is_err() && positive("1ns").is_ok());
    }

    #[test]
    fn seeds_are_a_range() {
        assert_eq!((seeds("1..100"), seeds("7..=7")), (Ok(1..=100), Ok(7..=7)));
        let wrong = ["", "1", "..", "1..", "a..b", "-1..3", "5..4", "0..1000000", "0..99999999999999999999"];
        assert!(wrong.iter().all(|text| seeds(text).is_err()));
        assert_eq!(seeds("5..4"), Err("the range is backwards; 4..5 is not".into()));
    }

    #[test]
    fn addresses_digests_and_speeds() {
        assert_eq!((address("0x2000_0000"), address("16")), (Ok(0x2000_0000), Ok(16)));
        assert!(address("20k").is_err() && address("0x").is_err());
        assert_eq!(digest("0000000000000000000000000000002a"), Ok(42));
        assert!(digest("2a").is_err() && digest("+000000000000000000000000000002a").is_err());
        assert_eq!((speed("max"), speed("0.5")), (Ok(f64::INFINITY), Ok(0.5)));
        assert_eq!((speed("realtime"), speed("2.5x")), (Ok(1.0), Ok(2.5)));
        assert!(speed("x").is_err() && speed("2xx").is_err() && speed("0x").is_err());
        assert!(speed("0").is_err() && speed("nan").is_err() && speed("-1").is_err());
    }
}
