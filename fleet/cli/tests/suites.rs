//! MicroPython's own test suite, driven by its own driver over a pseudo-terminal: what it prints on our machines is
//! compared, test by test, with what CPython prints.

mod program;

use std::{path::Path, process::Command, time::Duration};

/// What the driver said in the end.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    passed: usize,
    failed: Vec<String>,
}

impl Tally {
    fn of(text: &str) -> Option<Tally> {
        let passed = text.lines().find_map(|l| l.strip_suffix(" tests passed"))?.parse().ok()?;
        let failed = text.lines().find_map(|l| l.split_once(" tests failed: "));
        let failed = failed.map(|(_, names)| names.split_whitespace().map(String::from).collect());
        Some(Tally { passed, failed: failed.unwrap_or_default() })
    }
}

/// Runs the tests of folder `tests` with MicroPython on `machine`.
#[track_caller]
fn micropython(machine: &str, tests: &str) -> Tally {
    let cache = images::cache_dir();
    let source = cache.join("micropython-1.25.0").join("tests");
    assert!(source.is_dir(), "MicroPython's sources are missing: run `cargo xtask images`");
    // The driver splits its command at blanks and kills it in the end. Should the driver die, or we, so do their children.
    let program = env!("CARGO_BIN_EXE_flotilla");
    let run = format!(
        "execpty:setpriv --pdeathsig TERM {program} run {machine}-micropython --machine {machine} --pty --for 1h"
    );
    let results = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{machine}-{tests}"));
    let _ = std::fs::remove_dir_all(&results); // of an earlier run, if there was one
    let mut driver = Command::new("setpriv");
    driver.args(["--pdeathsig", "KILL", "python3"]);
    driver.current_dir(source).args(["run-tests.py", "-t", &run, "-d", tests, "-r"]).arg(results);
    driver.env("PYTHONPATH", cache.join("pyserial-3.5")).env("PYTHONDONTWRITEBYTECODE", "1");
    let run = program::run(&mut driver, Duration::from_secs(900));
    let text = String::from_utf8_lossy(&run.stdout);
    let tally = Tally::of(&text).unwrap_or_else(|| panic!("the driver did not get to its end: {run:?}"));
    assert_eq!(run.status.code(), Some(i32::from(!tally.failed.is_empty())), "{text}");
    tally
}

#[test]
fn slice_micropython_basics() {
    assert_eq!(micropython("mps2-an385", "basics"), Tally { passed: 527, failed: vec![] });
}

/// Single precision, in hardware.
#[test]
fn slice_micropython_float_an386() {
    assert_eq!(micropython("mps2-an386", "float"), Tally { passed: 60, failed: vec![] });
}

/// Double precision, in hardware. One test wants `math.exp(1.0)` to be `math.e`; this image's C library is an ulp off, on
/// every machine that computes correctly.
#[test]
fn slice_micropython_float_an500() {
    let failed = vec!["math_constants".to_string()];
    assert_eq!(micropython("mps2-an500", "float"), Tally { passed: 63, failed });
}

#[test]
fn slice_micropython_basics_rv32() {
    assert_eq!(micropython("riscv32-virt", "basics"), Tally { passed: 527, failed: vec![] });
}

/// Single precision, in software.
#[test]
fn slice_micropython_float_rv32() {
    assert_eq!(micropython("riscv32-virt", "float"), Tally { passed: 60, failed: vec![] });
}

#[test]
fn the_drivers_words_are_understood() {
    let text = "5 tests performed (9 individual testcases)\n3 tests passed\n2 tests failed: a b\n";
    assert_eq!(Tally::of(text), Some(Tally { passed: 3, failed: vec!["a".into(), "b".into()] }));
    assert_eq!(Tally::of("3 tests passed\n"), Some(Tally { passed: 3, failed: vec![] }));
    assert_eq!(Tally::of("pass  basics/0prelim.py\n"), None);
}
