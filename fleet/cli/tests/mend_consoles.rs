//! The built program's consoles in files, on pseudo-terminals and on ports. Whoever reads there, or does not, changes nothing.

mod program;

use program::{
    Run, file, flotilla, image,
    live::{Running, connect, until},
    path,
};
use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    thread::JoinHandle,
};

const BEACON: [&str; 4] = ["run", "demo-beacon", "--for", "400ms"];

fn digest(text: &str) -> &str {
    let last = text.lines().rev().find(|l| l.starts_with("digest: "));
    last.unwrap_or_else(|| panic!("no digest in\n{text}"))
}

#[allow(clippy::disallowed_methods)] // this is the edge where threads live
fn all_of(mut from: TcpStream) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = vec![];
        from.read_to_end(&mut all).expect("it reads");
        all
    })
}

#[test]
fn mend_a_file_has_a_copy_and_changes_nothing() {
    let plain = flotilla(&BEACON);
    let copy = path("mend-console.txt");
    let to = format!("file:{copy}");
    let run = flotilla(&[&BEACON[..], &["--console-to", &to]].concat());
    run.ends_with(0);
    assert_eq!((&run.stdout, digest(&run.stderr)), (&plain.stdout, digest(&plain.stderr)));
    assert!(!plain.stdout.is_empty());
    assert_eq!(fs::read(&copy).expect("it was written"), plain.stdout);
    // A fleet's consoles, each in its own file; what is shown here is shown as ever.
    let text = "[group.b]\ncount = 2\nspacing = 3.0\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n";
    let fleet = file("mend-console-fleet.toml", text.as_bytes());
    let words = ["run", &fleet, "--for", "400ms"];
    let plain = flotilla(&words);
    let files = ["mend-console-0.txt", "mend-console-1.txt"].map(path);
    let places = [format!("b.0=file:{}", files[0]), format!("b.1.uart0=file:{}", files[1])];
    let run = flotilla(&[&words[..], &["--console-to", &places[0], "--console-to", &places[1]]].concat());
    run.ends_with(0);
    assert_eq!((&run.stdout, digest(&run.stderr)), (&plain.stdout, digest(&plain.stderr)));
    for file in files {
        assert!(fs::read_to_string(file).expect("it was written").starts_with("beacon "));
    }
}

#[test]
fn mend_a_port_has_the_console_from_its_first_byte_to_its_last() {
    let plain = flotilla(&BEACON);
    let mut run =
        Running::start(&["run", "demo-beacon", "--console-to", "tcp:0", "--for", "400ms", "--speed", "0.08"]);
    let mut late = connect(&run.place("uart0"));
    let first = until(&mut late, "\n");
    let rest = all_of(late);
    let (said, out, code) = run.end();
    let all = [first.into_bytes(), rest.join().expect("it reads")].concat();
    assert_eq!((code, &out[..], digest(&said)), (Some(0), "", digest(&plain.stderr)));
    assert_eq!(String::from_utf8_lossy(&all), String::from_utf8_lossy(&plain.stdout));
}

/// Prints some mebibytes each virtual millisecond, by semihosting: movs r0, #4; ldr r1, [pc, #4]; bkpt 0xab; b .-4;
/// .word 0x4c; 1023 letters and the end.
fn talker() -> String {
    let mut code = vec![0x2004, 0x4901, 0xbeab, 0xe7fb, 0x004c, 0];
    code.extend([0x6262; 511]);
    code.push(0x0062);
    file("mend-talker.bin", &image(0x2000_1000, &code))
}

#[test]
fn mend_a_reader_who_stands_still_costs_nothing() {
    let talker = talker();
    let words = ["run", &talker, "--machine", "mps2-an385", "--at", "0", "--for", "8ms"];
    let words = [&words[..], &["--console", "semihost"]].concat();
    let plain = flotilla(&words);
    plain.ends_with(0);
    assert!(plain.stdout.len() > 30 << 20, "{}", plain.stdout.len());
    let mut run = Running::start(&[&words[..], &["--console-to", "tcp:0", "--speed", "0.002"]].concat());
    let place = run.place("semihost");
    let (still, gone, reads) = (connect(&place), connect(&place), connect(&place));
    drop(gone);
    let reads = all_of(reads);
    let (said, _, code) = run.end();
    assert_eq!((code, digest(&said)), (Some(0), digest(&plain.stderr)), "{said}");
    assert!(said.contains(&format!("semihost: nobody reads {place}; the last 4 MiB wait")), "{said}");
    assert!(said.contains(&format!(" bytes for {place} were lost")), "{said}");
    assert!(reads.join().expect("it reads").len() > 1 << 20);
    drop(still);
    // Nobody comes at all, to a port or to a pseudo-terminal.
    for place in ["tcp:0", "pty"] {
        let run = flotilla(&[&words[..], &["--console-to", place]].concat());
        run.ends_with(0);
        assert_eq!(digest(&run.stderr), digest(&plain.stderr), "{place}");
    }
}

/// Starts MicroPython, lets `talk` speak at the place, and replays the record.
fn replayed(place: &str, session: &str, talk: impl FnOnce(&str)) {
    let session = path(session);
    let words = ["run", "microbit-micropython", "--console-to", place, "--for", "60s", "--record", &session];
    let mut run = Running::start(&words);
    talk(&run.place("uart0"));
    let term = Command::new("kill").arg(run.child.id().to_string()).status().expect("kill");
    assert!(term.success());
    let (said, _, code) = run.end();
    assert_eq!(code, Some(143), "run cargo xtask images: {said}");
    let replay = flotilla(&["replay", &session]);
    replay.ends_with(0);
    assert_eq!(digest(&replay.stderr), digest(&said));
    assert!(String::from_utf8_lossy(&replay.stdout).contains("4242"), "{replay:?}");
}

#[test]
fn mend_what_is_typed_at_a_port_is_in_the_record() {
    replayed("tcp:0", "mend-console-tcp.session", |place| {
        let mut first = connect(place);
        until(&mut first, ">>> ");
        let mut second = connect(place); // sees what comes from now on, and may type too
        first.write_all(b"20 + 22\r").expect("typed");
        until(&mut first, "\r\n42\r\n>>> ");
        until(&mut second, "\r\n42\r\n>>> ");
        drop(first);
        second.write_all(b"'42' * 2\r").expect("typed");
        until(&mut second, "\r\n'4242'\r\n>>> ");
        drop(second);
        // Who comes again is served again.
        let mut third = connect(place);
        third.write_all(b"1 + 1\r").expect("typed");
        until(&mut third, "\r\n2\r\n>>> ");
    });
}

#[test]
fn mend_what_is_typed_at_a_pseudo_terminal_is_in_the_record() {
    replayed("uart0=pty", "mend-console-pty.session", |place| {
        let mut there = fs::File::options().read(true).write(true).open(place).expect("it is there");
        until(&mut there, ">>> ");
        there.write_all(b"'42' * 2\r").expect("typed");
        until(&mut there, "\r\n'4242'\r\n>>> ");
    });
}

#[test]
fn mend_until_sees_a_console_that_is_elsewhere() {
    for place in ["pty", "tcp:0"] {
        let run =
            flotilla(&["run", "demo-beacon", "--console-to", place, "--until", "sent #0", "--for", "1s"]);
        run.ends_with(0);
        assert!(run.stdout.is_empty(), "{run:?}");
    }
}

#[track_caller]
fn refused(words: &[&str], code: i32, why: &str) -> Run {
    let run = flotilla(words);
    run.ends_with(code).says_only_on_stderr();
    assert!(run.stderr.contains(why), "no {why:?} in {}", run.stderr);
    run
}

#[test]
fn mend_places_that_cannot_be_are_one_error() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let taken = taken.local_addr().expect("bound");
    let beacon = |place: &str| [&BEACON[..], &["--console-to", place]].concat().join(" ");
    let words = |line: &'static str| line.split(' ').collect::<Vec<_>>();
    let refuse = |line: String, code, why: &str| refused(&words(line.leak()), code, why);
    let run = refuse(beacon(&format!("tcp:{taken}")), 3, "in use");
    assert_eq!(
        run.stderr,
        format!("error: cannot listen for a console on {taken}: Address already in use (os error 98)\n")
    );
    refuse(beacon("tcp:0.0.0.0:4444"), 2, "own addresses");
    refuse(beacon("tcp:nowhere"), 2, "this is a port");
    refuse(beacon("somewhere"), 2, "places are file:PATH, pty, tcp:PORT");
    refuse(beacon("uart7=pty"), 3, "no console is called `uart7`; there are: uart0");
    refuse(beacon("none=pty"), 2, "needs a console");
    refuse(beacon("file:/no-such-folder/x"), 3, "cannot write /no-such-folder/x");
    let text = "[group.b]\ncount = 2\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n";
    let fleet = file("mend-console-which.toml", text.as_bytes());
    refuse(format!("run {fleet} --console-to pty"), 2, "--console-to NODE=pty");
    refuse(format!("run {fleet} --console-to b.7=pty"), 3, "no node is called `b.7`");
    // Neither what is read nor what is written otherwise.
    let (log, both) = (path("mend-console-both.txt"), path("mend-console-both.pcapng"));
    refuse(format!("run {fleet} --console-to b.0=file:{fleet}"), 2, "would overwrite");
    let twice = format!("run {fleet} --console-to b.0=file:{log} --console-to b.1=file:{log}");
    refuse(twice, 2, "is the file that --console-to writes");
    refuse(
        format!("run {fleet} --pcap {both} --console-to b.0=file:{both}"),
        2,
        "is the file that --pcap writes",
    );
}

#[test]
fn mend_a_copy_that_cannot_be_written_ends_the_run() {
    let run = flotilla(&["run", "demo-beacon", "--console-to", "file:/dev/full", "--for", "1000h"]);
    run.ends_with(3);
    assert!(run.stderr.contains("error: cannot write /dev/full: No space left"), "{run:?}");
}
