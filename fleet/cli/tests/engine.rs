//! The built program: what executes the guests' instructions changes no result.

mod program;

use program::{Run, file, flotilla};

fn digest(run: &Run) -> String {
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), run.stderr);
    let found = said.lines().rev().find_map(|l| Some(l.split_once("digest: ")?.1.to_string()));
    found.unwrap_or_else(|| panic!("no digest in\n{said}"))
}

/// Whether compiled code can be had here; where it cannot, that is an error with a reason and `auto` says it once.
fn compiles(words: &[&str]) -> bool {
    let jit = flotilla(&[words, &["--engine", "jit"]].concat());
    let auto = flotilla(&[words, &["--engine", "auto"]].concat());
    auto.ends_with(0);
    if jit.status.code() == Some(3) {
        jit.says_only_on_stderr();
        assert!(jit.stderr.starts_with("error: no --engine jit here: "), "{}", jit.stderr);
        assert_eq!(auto.stderr.matches("the interpreter runs: ").count(), 1, "{}", auto.stderr);
        return false;
    }
    jit.ends_with(0);
    assert!(!auto.stderr.contains("interpreter"), "{}", auto.stderr);
    assert_eq!(digest(&jit), digest(&auto));
    true
}

#[test]
fn jit_run_has_the_same_digest_with_every_engine() {
    let words = ["run", "bench-wake", "--for", "50ms"];
    let interpreted = flotilla(&[&words[..], &["--engine", "interpreter"]].concat());
    interpreted.ends_with(0);
    assert!(!interpreted.stderr.contains("the interpreter runs"), "it was asked for");
    compiles(&words);
    assert_eq!(digest(&interpreted), digest(&flotilla(&words)));
}

#[test]
fn jit_demo_and_test_and_replay_take_an_engine() {
    let demo = ["demo", "--for", "300ms"];
    compiles(&demo);
    let scenario = "[node.a]\nmachine = \"mps2-an385\"\nimage = \"bench-wake\"\n\
        [[step]]\nexpect = \"wake\"\n[[step]]\nwait = \"20ms\"\n";
    let scenario = file("engine.toml", scenario.as_bytes());
    let words = ["test", &scenario];
    let interpreted = flotilla(&[&words[..], &["--engine", "interpreter"]].concat());
    interpreted.ends_with(0);
    assert_eq!(digest(&interpreted), digest(&flotilla(&words)));
    let session = file("engine.session", b"");
    flotilla(&["record", &session, "bench-wake", "--for", "30ms"]).ends_with(0);
    flotilla(&["replay", &session, "--engine", "interpreter"]).ends_with(0);
}

#[test]
fn jit_engines_are_compared_by_check_determinism() {
    let fleet = file("engines.toml", b"[node.a]\nmachine = \"mps2-an385\"\nimage = \"bench-wake\"\n");
    let run = flotilla(&[
        "check-determinism",
        &fleet,
        "--for",
        "30ms",
        "--threads",
        "1",
        "--engines",
        "interpreter",
    ]);
    run.ends_with(0);
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(text.contains("\nsame     engine interpreter\n"), "{text}");
}

#[test]
fn an_unknown_engine_is_wrong_usage() {
    let run = flotilla(&["run", "bench-wake", "--engine", "qemu"]);
    run.ends_with(2).says_only_on_stderr();
    assert!(run.stderr.contains("auto, interpreter, jit"), "{}", run.stderr);
}

#[test]
fn mend_statistics_name_the_operations_left_to_the_interpreter() {
    let run = flotilla(&["run", "bench-mmio-dev", "--for", "20ms", "--stats"]);
    run.ends_with(0);
    let lines = || run.stderr.lines().map(str::trim);
    let number = |line: &str| -> u64 {
        line.split_whitespace().next().and_then(|n| n.replace(',', "").parse().ok()).expect("a number")
    };
    let sum = lines().find(|l| l.ends_with("  operations of compiled code that the interpreter did"));
    let Some(sum) = sum.map(number).filter(|n| *n > 0) else {
        return println!("not tested: nothing is compiled here");
    };
    let loads = lines().find(|l| l.ends_with("    load")).map_or(0, number);
    assert!(loads > 1000 && loads <= sum, "{loads} of {sum}: {}", run.stderr);
    let plain = flotilla(&["run", "bench-mmio-dev", "--for", "20ms"]);
    assert_eq!(digest(&run), digest(&plain), "counting changes nothing");
}

#[test]
fn statistics_count_what_was_done_to_devices() {
    let run = flotilla(&["run", "bench-wake", "--for", "50ms", "--stats"]);
    run.ends_with(0);
    let plain = flotilla(&["run", "bench-wake", "--for", "50ms"]);
    assert!(
        run.stderr.contains("mps2-an385, 1 node\n") && run.stderr.contains("host CPU: build "),
        "{}",
        run.stderr
    );
    // `wake` and its line end: six characters, each of which looks at STATE and writes DATA at least.
    let uart = run.stderr.lines().find(|l| l.ends_with("  uart0")).expect("the guest printed");
    let accesses: u64 =
        uart.split_whitespace().next().and_then(|n| n.replace(',', "").parse().ok()).expect("a number");
    assert!(accesses >= 12, "{uart}");
    assert!(!plain.stderr.contains("uart0"), "{}", plain.stderr);
    assert_eq!(digest(&run), digest(&plain), "counting changes nothing");
}
