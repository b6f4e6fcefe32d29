//! `cargo xtask test`: what the tests need, then the tests, then one line that sums them up.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::sh::{self, Result};
use crate::{fetch, setup};

/// What cargo is asked to test: the default members, then the oracle crate, which is none of them.
const PARTS: &[&[&str]] = &[&["test", "--no-fail-fast"], &["test", "--no-fail-fast", "-p", "emu-unicorn"]];

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

/// Runs the tests whose name contains `prefix`, or all.
pub fn run(prefix: Option<&str>) -> Result<()> {
    setup::setup()?;
    fetch::images(&[])?;
    let mut tally = Tally::default();
    let mut broken = false;
    for words in PARTS {
        let before = tally.failed;
        let done = tested(sh::cargo().args(*words).args(prefix), &mut tally)?;
        // Cargo also fails when something does not compile or a test program dies before it could count.
        broken |= !done && tally.failed == before;
    }
    tally.failed += u64::from(broken);
    println!("{} passed, {} failed", tally.passed, tally.failed);
    match tally {
        Tally { failed: 1.., .. } if broken => Err("cargo test did not run to its end".into()),
        Tally { failed: 1.., .. } => Err("tests failed".into()),
        Tally { passed: 0, .. } => Err("no test has such a name".into()),
        _ => Ok(()),
    }
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
