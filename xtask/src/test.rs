//! `cargo xtask test`: what the tests need, then the tests, then one line that sums them up.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::sh::{self, Result};
use crate::{fetch, setup};

/// What cargo is asked to test: every member but the oracle crate, then that one, whose licence is another, then what the
/// program does with it.
const PARTS: &[&[&str]] = &[
    &["test", "--no-fail-fast", "--workspace", "--exclude", "emu-unicorn"],
    &["test", "--no-fail-fast", "-p", "emu-unicorn"],
    &["test", "--no-fail-fast", "-p", "flotilla", "--features", "unicorn", "--test", "lockstep"],
];

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// Adds what a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; ...` says.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split(';') {
            match count.trim().split_once(' ').map(|(number, what)| (number.parse::<u64>(), what)) {
                Some((Ok(number), "passed")) => self.passed += number,
                Some((Ok(number), "failed")) => self.failed += number,
                _ => {}
            }
        }
    }
}

/// Runs the tests whose name contains `prefix`, or all, and gives whether all is well. The last line printed sums up.
pub fn run(prefix: Option<&str>) -> Result<bool> {
    let mut complaints = Vec::new();
    // What cannot be had fails the run, but does not keep the tests that need none of it from running.
    complaints.extend(setup::setup().and_then(|()| fetch::images(&[])).err());
    complaints.iter().for_each(|error| eprintln!("error: {error}"));
    let mut tally = Tally::default();
    for words in PARTS {
        let before = tally.failed;
        let mut command = sh::heeding_signals(sh::cargo());
        let done = tested(command.args(*words).args(prefix), &mut tally)?;
        // Cargo also fails when something does not compile or a test program dies before it could count.
        if !done && tally.failed == before {
            complaints.push(format!("`cargo {}` did not run to its end", words.join(" ")).into());
        }
    }
    if tally == Tally::default() && complaints.is_empty() {
        complaints.push("no test has such a name".into());
    }
    complaints.iter().for_each(|error| eprintln!("error: {error}"));
    // A part that never ran is no success, whoever reads the last line alone.
    tally.failed += complaints.len() as u64;
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(tally.failed == 0)
}

/// Prints the names of the tests whose name contains `prefix`, or of all.
pub fn list(prefix: Option<&str>) -> Result<()> {
    setup::setup()?;
    let mut names = Vec::new();
    for words in PARTS {
        let text = sh::output(sh::cargo().args(*words).args(prefix).args(["--", "--list"]))?;
        names.extend(text.lines().filter_map(|line| Some(line.strip_suffix(": test")?.to_owned())));
    }
    names.sort();
    names.dedup();
    let mut out = std::io::stdout().lock();
    // A reader that has seen enough closes the pipe; that is no failure.
    let _ = names.iter().try_for_each(|name| writeln!(out, "{name}"));
    Ok(())
}

/// Runs `command` in view of the user and counts; gives whether it succeeded.
fn tested(command: &mut Command, tally: &mut Tally) -> Result<bool> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().ok_or("no pipe to cargo")?;
    for line in BufReader::new(stdout).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        tally.add(&line);
    }
    Ok(child.wait()?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_summed() {
        let mut tally = Tally::default();
        tally.add(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 9 filtered out; finished in 0.00s",
        );
        tally.add("test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.2s");
        tally.add("test tests::says_100 passed; ... ok");
        assert_eq!(tally, Tally { passed: 7, failed: 2 });
    }
}
