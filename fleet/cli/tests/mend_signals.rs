//! The built program ends in order when a signal comes, and says that it was not its end.

mod program;

use program::{Run, file, image, path, run};
use std::{process::Command, time::Duration};

const FLEET: &str = "[node.a]\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n";

/// Runs the program and sends it `signal` again and again from when `ready` (of the shell, which has its output) is done. A
/// signal that comes before it listens is ignored.
#[track_caller]
fn signalled(signal: &str, ready: &str, words: &[&str]) -> Run {
    let words: Vec<_> = words.iter().map(|w| format!("'{w}'")).collect();
    let script = format!(
        "trap '' INT TERM; coproc PROGRAM {{ exec \"$0\" {}; }}; pid=$!; exec 3<&${{PROGRAM[0]}}\n\
         {{ {ready}; while kill -{signal} $pid 2>/dev/null; do sleep 0.1; done; }} <&3 &\n\
         wait $pid; code=$?; cat <&3; exit $code",
        words.join(" ")
    );
    run(Command::new("bash").args(["-c", &script, env!("CARGO_BIN_EXE_flotilla")]), Duration::from_secs(60))
}

/// It has printed a line. Nobody reads the rest before it has ended: the pipe is full by then.
const LINE: &str = "read -r line";

#[test]
fn mend_a_run_that_a_signal_cuts_is_not_complete() {
    let fleet = file("mend-cut.toml", FLEET.as_bytes());
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let session = path(&format!("mend-cut-{signal}"));
        let run = signalled(signal, LINE, &["run", &fleet, "--for", "1000h", "--record", &session]);
        run.ends_with(code);
        assert!(run.stderr.contains("digest: "), "{run:?}");
        program::flotilla(&["replay", &session]).ends_with(0);
        signalled(signal, LINE, &["run", &fleet, "--until", "never"]).ends_with(code);
        // It has no end of its own: this is one.
        signalled(signal, LINE, &["run", &fleet]).ends_with(0);
    }
    signalled("TERM", LINE, &["demo", "--for", "1000h"]).ends_with(143);
}

#[test]
fn mend_results_survive_a_signal() {
    let good = FLEET.to_owned() + "[[step]]\nexpect = \"up\"\n";
    let good = file("mend-sig-1.toml", good.as_bytes());
    let long = FLEET.to_owned() + "timeout = \"1000h\"\n[[step]]\nwait = \"900h\"\n";
    let long = file(
        "mend-sig-2.toml",
        (format!("timeout = \"1000h\"\n{}", long.replace("timeout = \"1000h\"\n", ""))).as_bytes(),
    );
    for jobs in ["1", "2"] {
        let junit = path(&format!("mend-sig-{jobs}.xml"));
        let _ = std::fs::remove_file(&junit);
        let run =
            signalled("TERM", LINE, &["test", &good, &long, &long, &long, "-j", jobs, "--junit", &junit]);
        run.ends_with(143);
        let text = String::from_utf8_lossy(&run.stdout);
        assert!(text.contains(" passed, ") && text.contains("ended by SIGTERM"), "{run:?}");
        let xml = std::fs::read_to_string(&junit).expect("the results are written");
        assert!(xml.contains("the host ended the run") && xml.contains("mend-sig-1"), "{xml}");
    }
}

/// A step of this fleet may take minutes, by the interpreter: a signal does not wait for the end of one. If it came near the
/// end of one, the fleet stands between two and has a digest.
#[test]
fn mend_a_step_that_takes_long_is_left() {
    let board = "inherit = \"mps2\"\n[cpu.cpu0]\ncore = \"cortex-m3\"\nclock = \"fast\"\nirqs = 32\n\
        [clock]\nfast = 1_000_000_000\n";
    file("mend-fast.toml", board.as_bytes());
    file("mend-busy.bin", &image(0x2000_1000, &[0x3001, 0xe7fd])); // adds r0, #1; b .-2
    let fleet = format!(
        "{FLEET}[group.busy]\ncount = 3000\nmachine = \"mend-fast.toml\"\nimage = \"mend-busy.bin\"\nat = 0\n"
    );
    let fleet = file("mend-long-step.toml", fleet.as_bytes());
    // By its CPU time, in hundredths of a second, it is in its first step, however busy the host is.
    let stepping = "until [ \"$(cut -d' ' -f14 /proc/$pid/stat)\" -gt 300 ]; do sleep 0.1; done";
    let run = signalled("TERM", stepping, &["run", &fleet, "--for", "1000h", "--engine", "interpreter"]);
    run.ends_with(143);
    assert!(run.stderr.contains("virtual time") && run.stderr.contains("digest: "), "{run:?}");
}
