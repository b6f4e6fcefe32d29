//! The built program's verdict does not depend on who reads what it says, and it overwrites nothing that it reads.

mod program;

use program::{file, flotilla, path};
use std::{
    fs::{self, File, OpenOptions},
    process::{Command, Stdio},
};

const FLEET: &str = "[node.a]\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n";

fn scenario(name: &str, text: &str) -> String {
    let steps = format!("{FLEET}[[step]]\nexpect = \"{text}\"\nwithin = \"100ms\"\n");
    file(name, steps.as_bytes())
}

/// What a stream leads to.
enum To {
    /// A pipe whose reader is gone.
    Nobody,
    /// A full disk.
    Full,
    /// Somebody who reads.
    Reader,
}

impl To {
    fn stdio(&self) -> Stdio {
        match self {
            To::Reader => Stdio::null(),
            To::Full => OpenOptions::new().write(true).open("/dev/full").expect("Linux").into(),
            To::Nobody => std::io::pipe().expect("a pipe").1.into(), // its reading end is dropped here
        }
    }
}

/// The exit code.
fn code(words: &[&str], stdout: To, stderr: To) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    let command = command.args(words).stdin(Stdio::null()).stdout(stdout.stdio()).stderr(stderr.stdio());
    command.status().expect("it starts").code()
}

#[test]
fn mend_a_verdict_does_not_depend_on_who_reads() {
    let (good, bad) = (scenario("mend-good.toml", "up"), scenario("mend-bad.toml", "never"));
    let junit = path("mend-verdict.xml");
    for stderr in [To::Reader, To::Nobody, To::Full] {
        let _ = fs::remove_file(&junit);
        let words = ["test", &good, &bad, &good, "-v", "--junit", &junit];
        assert_eq!(code(&words, To::Nobody, stderr), Some(1));
        let text = fs::read_to_string(&junit).expect("the results are written");
        assert!(text.contains("tests=\"3\" skipped=\"0\" failures=\"1\""), "{text}");
    }
    assert_eq!(code(&["test", &good], To::Nobody, To::Nobody), Some(0));
    let threads = ["check-determinism", &good, "--threads", "1,2"];
    assert_eq!(code(&threads, To::Nobody, To::Full), Some(0));
    let fleet = file("mend-verdict-fleet.toml", FLEET.as_bytes());
    let wrong = ["run", &fleet, "--for", "10ms", "--expect-digest", &"0".repeat(32)];
    assert_eq!(code(&wrong, To::Nobody, To::Nobody), Some(6));
    assert_eq!(code(&["run", &fleet, "--for", "100ms", "--until", "up"], To::Nobody, To::Nobody), Some(0));
    assert_eq!(code(&["run", &fleet, "--for", "9ms", "--until", "never"], To::Nobody, To::Nobody), Some(4));
}

#[test]
fn mend_a_replay_that_nobody_reads_is_compared() {
    let fleet = file("mend-replay.toml", FLEET.as_bytes());
    let session = path("mend-replay.session");
    flotilla(&["record", &session, &fleet, "--for", "1200ms"]).ends_with(0);
    assert_eq!(code(&["replay", &session], To::Nobody, To::Nobody), Some(0));
    let text = fs::read_to_string(&session).expect("it was recorded");
    let at = text.rfind("\"digest\":\"").expect("an end") + 10;
    let wrong = format!("{}{}{}", &text[..at], "0".repeat(32), &text[at + 32..]);
    let wrong = file("mend-replay-wrong.session", wrong.as_bytes());
    assert_eq!(code(&["replay", &wrong], To::Nobody, To::Full), Some(6));
}

#[test]
fn mend_a_full_standard_output_is_an_error_and_a_full_standard_error_none() {
    let good = scenario("mend-full.toml", "up");
    let fleet = file("mend-full-fleet.toml", FLEET.as_bytes());
    for words in
        [&["test", &good][..], &["run", &fleet, "--for", "50ms"], &["demo", "--for", "50ms"], &["machines"]]
    {
        assert_eq!(code(words, To::Full, To::Reader), Some(3), "{words:?}");
        assert_eq!(code(words, To::Reader, To::Full), Some(0), "{words:?}");
        assert_eq!(code(words, To::Nobody, To::Reader), Some(0), "{words:?}");
    }
    assert_eq!(code(&["run", "no-such.elf"], To::Full, To::Full), Some(3));
    let run = program::run(
        Command::new("sh").args(["-c", "exec \"$0\" machines >/dev/full", env!("CARGO_BIN_EXE_flotilla")]),
        std::time::Duration::from_secs(60),
    );
    run.ends_with(3);
    assert!(run.stderr.starts_with("error: cannot write standard output: No space left"), "{run:?}");
}

#[test]
fn mend_a_recording_and_a_capture_that_cannot_be_written_end_alike() {
    let fleet = file("mend-record-full.toml", FLEET.as_bytes());
    for option in ["--record", "--pcap"] {
        let run = flotilla(&["run", &fleet, "--for", "1200ms", option, "/dev/full"]);
        run.ends_with(3);
        assert!(
            run.stderr.contains("error: cannot write") || run.stderr.contains("No space left"),
            "{run:?}"
        );
    }
}

/// Says that it would overwrite, and leaves the file as it was.
#[track_caller]
fn refuses(words: &[&str], kept: &str) {
    let before = fs::read(kept).expect("it is there");
    let run = flotilla(words);
    run.ends_with(2).says_only_on_stderr();
    assert!(run.stderr.contains("would overwrite"), "{run:?}");
    assert_eq!(fs::read(kept).expect("it is there"), before, "{words:?}");
}

#[test]
fn mend_nothing_that_is_read_is_overwritten() {
    let elf = fs::read(images::find("demo-beacon").expect("ships").path()).expect("ships");
    let image = file("mend-own.elf", &elf);
    let fleet = file("mend-own.toml", FLEET.replace("demo-beacon", "mend-own.elf").as_bytes());
    let steps = scenario("mend-own-steps.toml", "up");
    let (soft, hard) = (path("mend-soft"), path("mend-hard"));
    for link in [&soft, &hard] {
        let _ = fs::remove_file(link);
    }
    std::os::unix::fs::symlink(&image, &soft).expect("a link");
    fs::hard_link(&image, &hard).expect("a link");
    for option in ["--record", "--pcap"] {
        for other in [&image, &soft, &hard] {
            refuses(&["run", &image, "--machine", "microbit", "--for", "1ms", option, other], &image);
            refuses(&["run", &fleet, "--for", "1ms", option, other], &image);
        }
        refuses(&["run", &fleet, "--for", "1ms", option, &fleet], &fleet);
    }
    refuses(&["test", &steps, "--junit", &steps], &steps);
    let own = FLEET.replace("demo-beacon", "mend-own.elf") + "[[step]]\nwait = \"1ms\"\n";
    let own = file("mend-own-image.toml", own.as_bytes());
    let before = fs::read(&image).expect("it is there");
    flotilla(&["test", &own, "--junit", &hard]).ends_with(2);
    assert_eq!(fs::read(&image).expect("it is there"), before);
    let session = path("mend-own.session");
    flotilla(&["record", &session, &fleet, "--for", "10ms"]).ends_with(0);
    refuses(&["replay", &session, "--export", &session], &session);
    refuses(&["replay", &session, "--export", &soft], &image);
    refuses(&["replay", &session, "--export", &fleet], &fleet);
}

#[test]
fn mend_two_outputs_are_two_files() {
    let fleet = file("mend-two.toml", FLEET.as_bytes());
    let (one, link) = (path("mend-two"), path("mend-two-link"));
    for p in [&one, &link] {
        let _ = fs::remove_file(p);
    }
    std::os::unix::fs::symlink(&one, &link).expect("a link");
    for other in [&one, &link] {
        let run = flotilla(&["run", &fleet, "--for", "1ms", "--pcap", &one, "--record", other]);
        run.ends_with(2).says_only_on_stderr();
        assert!(run.stderr.contains("is the file that --record writes"), "{run:?}");
    }
    flotilla(&["run", &fleet, "--for", "1ms", "--pcap", "/dev/null", "--record", "/dev/null"]).ends_with(0);
}

#[test]
fn mend_results_that_cannot_be_written_are_noticed_first() {
    let good = scenario("mend-unwritable.toml", "up");
    let run = flotilla(&["test", &good, "--junit", "/no/such/folder/x.xml"]);
    run.ends_with(3).says_only_on_stderr();
    let folder = path("mend-folder.xml");
    fs::create_dir_all(&folder).expect("a folder of our own");
    flotilla(&["test", &good, "--junit", &folder]).ends_with(3).says_only_on_stderr();
    File::open(&folder).expect("it is there still");
}

#[test]
fn mend_standard_input_is_not_read_where_nobody_types() {
    let fleet = file("mend-input.toml", FLEET.as_bytes());
    let image = "demo-beacon";
    for words in [
        format!("run {fleet} --for 10ms"),
        format!("run {image} --machine microbit --for 10ms --console none"),
        format!("run {image} --machine microbit --for 10ms --no-input"),
        format!("run {fleet} --console a --for 10ms --no-input"),
    ] {
        // An input that does not end, and what a shell's loop has left of its list.
        let script = format!(
            "exec 3< <(exec sleep 50 >/dev/null 2>&1); pid=$!; \"$0\" {words} <&3; code=$?; kill $pid; exit $code"
        );
        let limit = std::time::Duration::from_secs(40);
        let run =
            program::run(Command::new("bash").args(["-c", &script, env!("CARGO_BIN_EXE_flotilla")]), limit);
        run.ends_with(0);
        let script = format!("printf 'a\\nb\\n' | {{ \"$0\" {words} >/dev/null; cat; }}");
        let run =
            program::run(Command::new("bash").args(["-c", &script, env!("CARGO_BIN_EXE_flotilla")]), limit);
        assert_eq!(run.ends_with(0).stdout, b"a\nb\n", "{words}");
    }
}

#[test]
fn mend_a_text_that_cannot_be_seen_is_not_waited_for() {
    for more in [&["--machine", "microbit", "--console", "none"][..], &["--console", "none", "--for", "1s"]] {
        let run = flotilla(&[&["run", "demo-beacon", "--until", "up"], more].concat());
        run.ends_with(2).says_only_on_stderr();
    }
    let lines = ["run", "demo-beacon", "--machine", "microbit", "--for", "100ms", "--until", "up\n"];
    assert!(flotilla(&lines).ends_with(0).stdout.ends_with(b"up\r\n"), "as a terminal shows it");
}
