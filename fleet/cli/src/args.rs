//! The command line.

use clap::{Args, Parser, Subcommand};
use std::{net::SocketAddr, path::PathBuf};

const CODES: &str = "\
Exit codes:
  0  all went as wanted
  1  the guest ended itself with an error, or an expectation failed
  2  wrong usage
  3  an image, machine, file or port cannot be used
  4  time ran out: --until's text did not appear
  5  a guest's CPU locked up
  6  the digest is not the one that --expect-digest gives";

const RUN: &str = "\
Times are virtual: 5s, 250ms, 1.5s, 20us, 2m.

On a terminal the console is live and virtual time goes no faster than the host's; Ctrl-A x quits,
Ctrl-A h helps. With --pty and --live, and with --speed max, only a guest that sleeps waits for the host.

Standard input that is no terminal is read to its end first and typed from 0.1 s on at the guest's pace: at the line's
rate, once it has enabled its receiver and has room; line ends become the Enter key (--raw-input: as they
are). Its end does not end the run. Without --for and --until such a run goes on until the guest ends
itself or sleeps for ever.

Standard output carries the console's bytes, nothing else; the summary goes to standard error.";

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
    #[command(after_long_help = format!("{RUN}\n\n{CODES}"), after_help = CODES)]
    Run(RunArgs),
    /// Run a small fleet of micro:bits that talk over the radio, from an image that ships
    #[command(after_help = CODES)]
    Demo(DemoArgs),
    /// Run scenarios: fleets, what happens to them, and what is expected of them
    #[command(after_help = CODES)]
    Test(TestArgs),
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
    /// Keep pace with the host and type standard input as it comes, even if it is no terminal
    #[arg(long, conflicts_with = "pty")]
    pub live: bool,
    /// Put the console on a new pseudo-terminal, whose name is printed first
    #[arg(long)]
    pub pty: bool,
    /// Load address of a raw binary
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub at: Option<u64>,
    /// Let gdb connect here (several nodes: the following ports too)
    #[arg(long, value_name = "IP:PORT")]
    pub gdb: Option<SocketAddr>,
    /// Wait for gdb before the first instruction
    #[arg(long, requires = "gdb")]
    pub gdb_wait: bool,
    /// Virtual seconds per host second at most, or `max` [default: 1 on a terminal, else max]
    #[arg(long, value_name = "N", value_parser = speed)]
    pub speed: Option<f64>,
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
    /// Write the results to a JUnit file
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Show what consoles print
    #[arg(long, short)]
    pub verbose: bool,
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

fn speed(text: &str) -> Result<f64, String> {
    if text == "max" {
        return Ok(f64::INFINITY);
    }
    let number: f64 = text.parse().map_err(|_| "a speed is a number or `max`")?;
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
    fn addresses_digests_and_speeds() {
        assert_eq!((address("0x2000_0000"), address("16")), (Ok(0x2000_0000), Ok(16)));
        assert!(address("20k").is_err() && address("0x").is_err());
        assert_eq!(digest("0000000000000000000000000000002a"), Ok(42));
        assert!(digest("2a").is_err() && digest("+000000000000000000000000000002a").is_err());
        assert_eq!((speed("max"), speed("0.5")), (Ok(f64::INFINITY), Ok(0.5)));
        assert!(speed("0").is_err() && speed("nan").is_err() && speed("-1").is_err());
    }
}
