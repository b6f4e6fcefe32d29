//! `flotilla test` and `flotilla replay` as tools to find out what is wrong.

mod program;

use program::{file, flotilla, image, path};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A scenario of one micro:bit that runs `image`; `step` is its only step.
fn scenario(name: &str, image: &str, step: &str) -> String {
    let text =
        format!("[node.bit]\nmachine = \"microbit\"\nimage = \"{image}\"\nat = 0\n\n[[step]]\n{step}\n");
    file(name, text.as_bytes())
}

/// A guest that loops.
fn looping() -> String {
    file("debug-loop.bin", &image(0x2000_1000, &[0xe7fe]))
}

/// Three scenarios in a folder of their own; the second fails.
fn folder(name: &str) -> String {
    let folder = path(name);
    let _ = fs::remove_dir_all(&folder); // of an earlier run
    fs::create_dir_all(&folder).expect("a folder of our own");
    let image = looping();
    for (name, step) in [
        ("a-good", "wait = \"5ms\""),
        ("b-bad", "expect = \"x\"\nwithin = \"5ms\""),
        ("c-good", "wait = \"5ms\""),
    ] {
        let from = scenario(&format!("{name}.toml"), &image, step);
        fs::copy(from, format!("{folder}/{name}.toml")).expect("a folder of our own");
    }
    folder
}

#[test]
fn mend_scenarios_are_chosen_by_words() {
    let folder = folder("chosen");
    let run = flotilla(&["test", &folder, "-k", "good and not c-good"]);
    let said = String::from_utf8_lossy(&run.ends_with(0).stdout).into_owned();
    assert!(said.contains("a-good.toml") && said.contains("1 scenarios, 1 passed"), "{said}");
    flotilla(&["test", &folder, "-k", "nothing"]).ends_with(3).says_only_on_stderr();
    flotilla(&["test", &folder, "-k", "a or"]).ends_with(2).says_only_on_stderr();
}

#[test]
fn mend_the_first_failure_may_be_the_last_run() {
    let folder = folder("fast");
    for jobs in ["1", "2"] {
        let run = flotilla(&["test", &folder, "--fail-fast", "--jobs", jobs, "-k", "b-bad or c-good"]);
        let said = String::from_utf8_lossy(&run.ends_with(1).stdout).into_owned();
        assert!(jobs == "2" || said.contains("stopped at a failure: 1 of 2 runs were not begun"), "{said}");
    }
    flotilla(&["test", &folder]).ends_with(1);
}

#[test]
fn mend_each_run_has_a_log() {
    let (folder, logs) = (folder("logged"), path("logs"));
    let _ = fs::remove_dir_all(&logs); // of an earlier run
    let beacon = path("beacon.toml");
    fs::write(&beacon, "[node.bit]\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n[[step]]\nexpect = \"\\n\"\nwithin = \"5s\"\n")
        .expect("a file of our own");
    let run = flotilla(&["test", &folder, &beacon, "--logs", &logs, "--seeds", "3..4"]);
    let said = String::from_utf8_lossy(&run.ends_with(1).stdout).into_owned();
    assert!(!said.contains(" bit] "), "the console goes to the log: {said}");
    let mut names: Vec<_> =
        fs::read_dir(&logs).expect("it was made").map(|e| e.expect("an entry").path()).collect();
    names.sort();
    assert_eq!(names.len(), 8, "{names:?}");
    let of = |end: &str| {
        let name = names.iter().find(|n| n.display().to_string().ends_with(end)).expect(end);
        fs::read_to_string(name).expect("text")
    };
    assert!(of("b-bad-seed4.log").contains("waited for"));
    let beacon = of("beacon-seed3.log");
    assert!(beacon.contains(" bit] ") && beacon.contains("ok    "), "{beacon}");
}

#[test]
fn mend_a_run_may_take_so_long_on_the_host() {
    let long = scenario("long.toml", &looping(), "wait = \"500h\"");
    let text = fs::read_to_string(&long).expect("ours");
    fs::write(&long, format!("timeout = \"600h\"\n{text}")).expect("ours");
    let run = flotilla(&["test", &long, "--timeout", "1"]);
    let said = String::from_utf8_lossy(&run.ends_with(4).stdout).into_owned();
    assert!(said.contains("--timeout: it took more than 1 s of the host's time"), "{said}");
}

#[test]
fn mend_a_node_runs_another_image() {
    let beacon = path("instead.toml");
    let step = "[[step]]\nexpect = \"\\n\"\nwithin = \"5s\"\n";
    fs::write(
        &beacon,
        format!("[group.bit]\ncount = 2\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n{step}"),
    )
    .expect("a file of our own");
    flotilla(&["test", &beacon]).ends_with(0);
    // One that prints nothing; it is an ELF file, as the other is.
    let silent = concat!(env!("CARGO_MANIFEST_DIR"), "/../../images/guests/cuts/irqloop.elf");
    flotilla(&["test", &beacon, "--image", &format!("bit={silent}")]).ends_with(1);
    let session = path("instead.flotilla");
    let run = flotilla(&["test", &beacon, "--image", &format!("bit.1={silent}"), "--record", &session]);
    assert!(String::from_utf8_lossy(&run.ends_with(1).stdout).contains("bit.1"), "{run:?}");
    flotilla(&["replay", &session]).ends_with(0);
    let run = flotilla(&["test", &beacon, "--image", "bid=x.elf"]);
    assert!(String::from_utf8_lossy(&run.ends_with(3).stdout).contains("bit"), "{run:?}");
}

#[test]
fn mend_a_scenario_is_recorded_and_captured_and_replays() {
    let (session, pcap, again) = (path("scenario.flotilla"), path("scenario.pcapng"), path("again.pcapng"));
    let beacons = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/beacons.toml");
    let alone = flotilla(&["test", beacons]);
    let seen = flotilla(&["test", beacons, "--record", &session, "--pcap", &pcap]);
    assert_eq!(seen.ends_with(0).stdout, alone.ends_with(0).stdout, "the digest among it");
    flotilla(&["replay", &session, "--pcap", &again]).ends_with(0);
    let [first, second] = [&pcap, &again].map(|p| fs::read(p).expect("it was written"));
    assert!(first.len() > 1000 && first == second, "{} and {} bytes", first.len(), second.len());
    flotilla(&["test", beacons, "--seeds", "1..2", "--record", &session]).ends_with(2).says_only_on_stderr();
}

/// gdb at a run that was started with `--gdb :0`.
struct Gdb {
    child: Child,
    stream: TcpStream,
}

impl Gdb {
    fn start(words: &[&str]) -> Gdb {
        let mut child = Command::new(env!("CARGO_BIN_EXE_flotilla"))
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut err = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        while !line.starts_with("gdb: ") {
            line.clear();
            assert!(err.read_line(&mut line).expect("text") > 0, "no line for gdb");
        }
        child.stderr = Some(err.into_inner());
        let stream =
            TcpStream::connect(line.trim().rsplit(' ').next().expect("a place")).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
        Gdb { child, stream }
    }

    fn ask(&mut self, body: &str) -> String {
        let sum = body.bytes().fold(0u8, u8::wrapping_add);
        write!(self.stream, "${body}#{sum:02x}").expect("it listens");
        let (mut text, mut byte) = (vec![], [0]);
        while !matches!(text[..], [.., b'#', _, _]) {
            self.stream.read_exact(&mut byte).expect("it answers");
            if !text.is_empty() || byte[0] == b'$' {
                text.push(byte[0]);
            }
        }
        self.stream.write_all(b"+").expect("it listens");
        String::from_utf8_lossy(&text[1..text.len() - 3]).into_owned()
    }

    fn end(self) -> (String, Option<i32>) {
        let output = self.child.wait_with_output().expect("it ends");
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
    }
}

#[test]
fn mend_gdb_stops_a_scenario_and_a_replay_and_changes_nothing() {
    let step = "wait = \"5ms\"\n[[step]]\nwait = \"5ms\"";
    let (scenario, session) = (scenario("stopped.toml", &looping(), step), path("stopped.flotilla"));
    let alone = flotilla(&["test", &scenario, "--record", &session]);
    for words in [vec!["test", &scenario[..]], vec!["replay", &session]] {
        let mut gdb = Gdb::start(&[&words[..], &["--gdb", ":0"]].concat());
        gdb.ask("?");
        assert_eq!(gdb.ask("Z0,40,2"), "OK");
        for _ in 0..3 {
            assert!(gdb.ask("c").starts_with("T05"));
            assert!(gdb.ask("m40002000,40").len() > 2);
            assert!(gdb.ask("vCont;s:1").starts_with(['T', 'S']));
        }
        assert_eq!(gdb.ask("z0,40,2"), "OK");
        assert_eq!(gdb.ask("c"), "W00");
        let (said, code) = gdb.end();
        assert_eq!(code, Some(0), "{said}");
        if words[0] == "test" {
            assert_eq!(said.as_bytes(), alone.ends_with(0).stdout);
        }
    }
}
