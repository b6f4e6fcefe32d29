//! The built program: the same run again, under other conditions, from a recording, with many seeds.

mod program;

use program::{Run, file, flotilla, path};
use std::fs;

/// Three beacons that lose every third frame.
const FLEET: &str = "seed = 3\n[radio]\nloss = 0.3\n[group.beacon]\ncount = 3\nspacing = 5.0\n\
    machine = \"microbit\"\nimage = \"demo-beacon\"\n";

fn out(run: &Run) -> String {
    String::from_utf8_lossy(&run.stdout).into_owned()
}

fn digest(text: &str) -> &str {
    let last = text.lines().rev().find(|l| l.starts_with("digest: "));
    last.unwrap_or_else(|| panic!("no digest in\n{text}"))
}

// ---- check-determinism ----

#[test]
fn a_fleet_is_the_same_under_all_conditions() {
    let fleet = file("check.toml", FLEET.as_bytes());
    let words = ["check-determinism", &fleet, "--for", "400ms", "--threads", "1,2,4", "--slices", "50us,3ms"];
    let run = flotilla(&[&words[..], &["--cuts", "7"]].concat());
    run.ends_with(0);
    let text = out(&run);
    let wanted = "same     2 threads\nsame     4 threads\nsame     slices of 0.000050 s\n\
        same     slices of 0.003000 s\nsame     engine interpreter\nsame     copied at 7 instants\n\
        same     saved and loaded at 7 instants\nsame     read by a debugger at 7 instants\n";
    let (first, rest) = text.split_once('\n').expect("lines");
    assert!(first.starts_with("the reference: 1 thread, 0.400000 s, 51 checkpoints, digest: "), "{text}");
    assert_eq!(rest, wanted);
}

#[test]
fn a_scenario_is_the_same_under_all_conditions() {
    let text = format!(
        "{FLEET}[[step]]\nexpect = \"heard\"\n[[step]]\nnode = \"beacon.1\"\nreset = \"pin\"\n[[step]]\nwait = \"20ms\"\n"
    );
    let scenario = file("check-steps.toml", text.as_bytes());
    let run = flotilla(&["check-determinism", &scenario, "--threads", "1,2"]);
    run.ends_with(0);
    assert_eq!(out(&run).matches("same  ").count(), 6, "{}", out(&run));
}

#[test]
fn mend_checkpoints_and_cuts_are_as_asked() {
    let fleet = file("check-cuts.toml", FLEET.as_bytes());
    let words = ["check-determinism", &fleet, "--for", "50ms", "--threads", "1", "--engines", "auto"];
    let run = flotilla(&[&words[..], &["--digest-every", "10ms", "--cuts", "0"]].concat());
    run.ends_with(0);
    let text = out(&run);
    assert!(text.starts_with("the reference: 1 thread, 0.050000 s, 6 checkpoints, digest: "), "{text}");
    assert!(text.ends_with("s\nsame     engine auto\n"), "{text}");
    for cuts in ["-1", "x", "1000000"] {
        flotilla(&[&words[..], &["--cuts", cuts]].concat()).ends_with(2).says_only_on_stderr();
    }
}

#[test]
fn a_scenario_that_fails_is_compared_all_the_same() {
    let text = format!("{FLEET}[[step]]\nexpect = \"never\"\nwithin = \"50ms\"\n");
    let scenario = file("check-fails.toml", text.as_bytes());
    let run = flotilla(&["check-determinism", &scenario, "--threads", "1"]);
    run.ends_with(0);
    assert!(out(&run).contains("the scenario fails, which is compared too"), "{}", out(&run));
}

#[test]
fn what_cannot_be_checked_is_said() {
    flotilla(&["check-determinism", "no-such.toml"]).ends_with(3).says_only_on_stderr();
    let steps = file("check-for.toml", format!("{FLEET}[[step]]\nwait = \"1ms\"\n").as_bytes());
    flotilla(&["check-determinism", &steps, "--for", "1s"]).ends_with(2).says_only_on_stderr();
    let broken = file("check-broken.toml", b"[node.a]\nmachine = \"microbt\"\nimage = \"demo-beacon\"\n");
    let run = flotilla(&["check-determinism", &broken]);
    run.ends_with(3).says_only_on_stderr();
    assert!(run.stderr.contains("did you mean `microbit`?"), "{}", run.stderr);
    for wrong in [["--threads", "0"], ["--threads", "1,x"], ["--slices", "0s"], ["--digest-every", "-1"]] {
        flotilla(&["check-determinism", &steps, wrong[0], wrong[1]]).ends_with(2).says_only_on_stderr();
    }
}

#[test]
fn a_session_is_the_same_under_all_conditions() {
    let (session, run) = recorded("check.session");
    let check = flotilla(&["check-determinism", &session, "--threads", "1,2"]);
    check.ends_with(0);
    let text = out(&check);
    assert!(text.contains(digest(&run.stderr)) && text.matches("same  ").count() == 6, "{text}");
    flotilla(&["check-determinism", &session, "--seed", "1"]).ends_with(2).says_only_on_stderr();
}

// ---- record, replay ----

/// Records a run of the fleet; path of the session and what the run said.
fn recorded(name: &str) -> (String, Run) {
    let (fleet, session) = (file(&format!("{name}.toml"), FLEET.as_bytes()), path(name));
    let run = flotilla(&["record", &session, &fleet, "--for", "2500ms"]);
    run.ends_with(0);
    (session, run)
}

#[test]
fn a_recorded_fleet_repeats() {
    let (session, first) = recorded("fleet.session");
    for more in [&["--threads", "2"][..], &["--slice", "77us"]] {
        let run = flotilla(&[&["replay", &session], more].concat());
        run.ends_with(0);
        assert!(run.stderr.contains("replayed: 0 commands, 3 checkpoints are the same"), "{}", run.stderr);
        assert_eq!((digest(&run.stderr), out(&run)), (digest(&first.stderr), out(&first)));
    }
    let short = flotilla(&["replay", &session, "--for", "1s"]);
    short.ends_with(0);
    assert!(short.stderr.contains(" 1 checkpoints are the same"), "{}", short.stderr);
}

/// Runs with something typed and records it; exports it, and runs that. The digests of the run and of the scenario.
fn exported(name: &str, words: &str) -> (String, String) {
    let (session, scenario) = (path(&format!("{name}.session")), path(&format!("{name}-export.toml")));
    let typed = file("echo.txt", b"hello\n");
    let program = env!("CARGO_BIN_EXE_flotilla");
    let line = format!("exec {program} run {words} --for 1500ms --record {session} < {typed}");
    let mut command = std::process::Command::new("sh");
    let run = program::run(command.args(["-c", &line]), std::time::Duration::from_secs(60));
    run.ends_with(0);
    let again = flotilla(&["replay", &session, "--export", &scenario]);
    again.ends_with(0);
    assert_eq!(digest(&again.stderr), digest(&run.stderr));
    let text = fs::read_to_string(&scenario).expect("written");
    let steps = ["send = \"hello\\r\"", "wait = \"100000000ns\"", "expect = \"hello\""];
    assert!(steps.iter().all(|s| text.contains(s)), "{text}");
    let test = flotilla(&["test", &scenario]);
    test.ends_with(0);
    let digests = out(&test).lines().next().and_then(|l| l.split_once(", digest: ")).map(|d| d.1.to_string());
    let hex = digest(&run.stderr).trim_start_matches("digest: ").to_string();
    (hex, digests.expect("a digest"))
}

#[test]
fn what_was_typed_repeats_and_becomes_a_scenario() {
    // `ldr r0, uart; movs r1, #3; str r1, [r0, #8]` (on), then for ever: wait for STATE bit 1 (a byte came), send it back.
    let code =
        [0x4804, 0x2103, 0x6081, 0x6842, 0x0792, 0xd5fc, 0x6801, 0x6001, 0xe7f9, 0xbf00, 0x4000, 0x4000];
    let image = file("echo.bin", &program::image(0x2000_1000, &code));
    let fleet = format!("[node.m]\nmachine = \"mps2-an385\"\nimage = \"{image}\"\nat = 0\n");
    let fleet = file("echo.toml", fleet.as_bytes());
    let (run, scenario) = exported("echo", &format!("{fleet} --console m"));
    assert_eq!(run, scenario);
    // A machine that is run alone has its board's hardware address, a node of a fleet one of its own.
    exported("echo-alone", &format!("{image} --machine mps2-an385 --at 0"));
}

#[test]
fn a_replay_that_differs_ends_with_6() {
    let (session, _) = recorded("differs.session");
    let text = fs::read_to_string(&session).expect("written");
    let i = text.rfind("\"digest\":\"").expect("an end") + 10;
    let digit = if text.as_bytes()[i] == b'0' { "1" } else { "0" };
    let other = file("differs-2.session", format!("{}{digit}{}", &text[..i], &text[i + 1..]).as_bytes());
    let run = flotilla(&["replay", &other]);
    run.ends_with(6);
    assert!(
        run.stderr.contains("error: this is not what was recorded: the digest at 2.500000 s is"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("up to 2.000000 s all was the same"), "{}", run.stderr);
}

#[test]
fn sessions_that_cannot_be_replayed_say_why() {
    let (session, _) = recorded("bad.session");
    let text = fs::read_to_string(&session).expect("written");
    let says = |name: &str, text: &str, wanted: &str| {
        let run = flotilla(&["replay", &file(name, text.as_bytes())]);
        run.ends_with(3).says_only_on_stderr();
        assert!(run.stderr.contains(wanted), "{}", run.stderr);
    };
    says(
        "bad-1.session",
        &text.replacen("\"version\":1", "\"version\":2", 1),
        "line 1: the session has version 2",
    );
    says("bad-2.session", &text.replacen("{\"checkpoint", "{\"check", 1), "line 2: unknown variant");
    says("bad-3.session", "", "line 1: the file is empty");
    let image = text.find("\"demo-beacon\":\"").expect("its hash") + 15;
    let other = format!("{}{}{}", &text[..image], "0".repeat(64), &text[image + 64..]);
    says("bad-4.session", &other, "the image demo-beacon is not the recorded one: its SHA-256 is");
    says(
        "bad-5.session",
        &text.replacen("[\"beacon.0\"", "[\"beacon.9\"", 1),
        "nodes are not those of its fleet",
    );
    flotilla(&["replay", "no-such.session"]).ends_with(3).says_only_on_stderr();
    let cut = file("bad-6.session", &text.as_bytes()[..text.len() - 9]);
    let run = flotilla(&["replay", &cut]);
    run.ends_with(0);
    assert!(run.stderr.contains("line 4: the last line is cut off and left out"), "{}", run.stderr);
}

#[test]
fn a_recording_that_cannot_be_written_ends_the_run() {
    let fleet = file("full.toml", FLEET.as_bytes());
    let run = flotilla(&["run", &fleet, "--for", "1s", "--record", "/dev/full"]);
    run.ends_with(3);
    assert_eq!(run.stderr.matches("error: cannot write the recorded session: ").count(), 1, "{}", run.stderr);
    flotilla(&["run", &fleet, "--for", "1s", "--record", "/no/such/folder/x"])
        .ends_with(3)
        .says_only_on_stderr();
    flotilla(&["record", &path("x"), &fleet, "--record", &path("y")]).ends_with(2).says_only_on_stderr();
}

// ---- many seeds ----

/// Passes or fails, as the seed's losses will have it.
fn lossy() -> String {
    let text = FLEET.replace("0.3", "0.6")
        + "[[step]]\nnode = \"beacon.0\"\nexpect = \"heard\"\nwithin = \"1200ms\"\n";
    file("lossy.toml", text.as_bytes())
}

#[test]
fn seeds_run_side_by_side_and_are_told_in_order() {
    let (scenario, junit) = (lossy(), path("seeds.xml"));
    let words = ["test", &scenario, "--seeds", "1..12", "--junit", &junit, "--jobs"];
    let one = flotilla(&[&words[..], &["1"]].concat());
    let four = flotilla(&[&words[..], &["4"]].concat());
    assert_eq!((out(&one), one.status.code()), (out(&four), four.status.code()));
    let text = out(&one);
    let failed = fs::read_to_string(&junit).expect("written").matches("<failure").count();
    assert!((1..12).contains(&failed), "some fail and some pass:\n{text}");
    one.ends_with(1);
    let last = format!("1 scenarios with 12 seeds: {} of 12 runs passed\n", 12 - failed);
    assert!(
        text.ends_with(&last) && text.contains(&format!(": {} of 12 seeds passed", 12 - failed)),
        "{text}"
    );
    let xml = fs::read_to_string(&junit).expect("written");
    assert!(xml.contains("tests=\"12\"") && xml.contains("lossy, seed 12"), "{xml}");
    // The command that is given for the first seed that failed fails with it.
    let again =
        text.lines().rev().find_map(|l| l.trim().strip_prefix("again: flotilla ")).expect("how to see it");
    flotilla(&again.split(' ').collect::<Vec<_>>()).ends_with(1);
}

#[test]
fn each_seed_has_its_digest_if_asked_for() {
    let run = flotilla(&["test", &lossy(), "--seeds", "5..6", "--jobs", "2", "--verbose"]);
    let digests: Vec<_> =
        out(&run).lines().filter_map(|l| l.split_once("digest: ")).map(|d| d.1.to_string()).collect();
    assert_eq!(digests.len(), 2, "{}", out(&run));
    assert_ne!(digests[0], digests[1]);
    let alone = flotilla(&["test", &lossy(), "--seed", "6"]);
    assert!(out(&alone).contains(&digests[1]), "{}", out(&alone));
}

#[test]
fn seeds_that_are_no_range_are_wrong_usage() {
    for wrong in ["5..4", "x..3", "1", "0..18446744073709551615"] {
        flotilla(&["test", &lossy(), "--seeds", wrong]).ends_with(2).says_only_on_stderr();
    }
    flotilla(&["test", &lossy(), "--seeds", "1..2", "--seed", "3"]).ends_with(2).says_only_on_stderr();
    flotilla(&["test", &lossy(), "--jobs", "0"]).ends_with(2).says_only_on_stderr();
}

// ---- speed ----

#[test]
fn speeds_have_names() {
    let fleet = file("speed.toml", FLEET.as_bytes());
    for speed in ["realtime", "5x", "0.9", "max"] {
        flotilla(&["run", &fleet, "--for", "50ms", "--speed", speed]).ends_with(0);
    }
    flotilla(&["run", &fleet, "--speed", "fast"]).ends_with(2).says_only_on_stderr();
}
