//! Debuggers, recordings and what the host does to a run, as they were found to go wrong.

mod program;

use program::{flotilla, image, path, run};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStderr, Command, Stdio},
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(60);

fn nap(ms: u64) {
    #[allow(clippy::disallowed_methods)] // the program is another process
    std::thread::sleep(Duration::from_millis(ms));
}

fn start(words: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_flotilla"))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// The exit code, or a panic if it does not end.
fn code_of(mut child: Child) -> Option<i32> {
    for _ in 0..1000 {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return status.code();
        }
        nap(20);
    }
    child.kill().expect("it is our child");
    panic!("it does not end");
}

/// A guest that loops, as a file.
fn looping(name: &str) -> String {
    program::file(name, &image(0x2000_1000, &[0xe7fe]))
}

/// The place after "gdb: NODE on " on stderr.
fn gdb_place(err: &mut BufReader<ChildStderr>) -> String {
    let mut line = String::new();
    while err.read_line(&mut line).expect("a pipe") > 0 {
        if let Some((_, place)) = line.strip_prefix("gdb: ").and_then(|l| l.trim().split_once(" on ")) {
            return place.into();
        }
        line.clear();
    }
    panic!("no line for gdb");
}

fn gdb(place: &str) -> TcpStream {
    let stream = TcpStream::connect(place).expect("it listens");
    stream.set_read_timeout(Some(LIMIT)).expect("set");
    stream
}

fn send(gdb: &mut TcpStream, body: &str) {
    let sum = body.bytes().fold(0u8, u8::wrapping_add);
    write!(gdb, "${body}#{sum:02x}").expect("it listens");
}

/// The next packet's body.
fn receive(gdb: &mut TcpStream) -> String {
    let (mut text, mut byte) = (vec![], [0]);
    while !matches!(text[..], [.., b'#', _, _]) {
        gdb.read_exact(&mut byte).expect("it answers");
        if !text.is_empty() || byte[0] == b'$' {
            text.push(byte[0]);
        }
    }
    gdb.write_all(b"+").expect("it listens");
    String::from_utf8_lossy(&text[1..text.len() - 3]).into_owned()
}

fn ask(gdb: &mut TcpStream, body: &str) -> String {
    send(gdb, body);
    receive(gdb)
}

#[test]
fn mend_what_is_typed_just_before_the_end_is_in_the_record() {
    let image = looping("typed.bin");
    let session = path("typed.flotilla");
    for wait in [0, 0, 1, 2, 3, 5] {
        let words = ["run", &image, "--machine", "microbit", "--at", "0", "--live", "--record", &session];
        let mut child = start(&words);
        nap(300);
        child.stdin.as_mut().expect("a pipe").write_all(b"1+1\r").expect("it reads");
        nap(wait);
        signal(&child, "TERM");
        code_of(child);
        flotilla(&["replay", &session]).ends_with(0);
    }
}

#[test]
fn mend_what_is_typed_while_a_debugger_holds_is_in_the_record() {
    let image = looping("held.bin");
    let session = path("held.flotilla");
    for (i, write) in [false, true].into_iter().enumerate() {
        let words = ["run", &image, "--machine", "microbit", "--at", "0", "--live", "--record", &session];
        let mut child = start(&[&words[..], &["--gdb", ":0"]].concat());
        let mut err = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut gdb = gdb(&gdb_place(&mut err));
        ask(&mut gdb, "?");
        if write {
            assert_eq!(ask(&mut gdb, "M20000800,4:01020304"), "OK");
        }
        child.stdin.as_mut().expect("a pipe").write_all(b"1+1\r").expect("it reads");
        nap(300);
        signal(&child, "TERM");
        code_of(child);
        let record = fs::read_to_string(&session).expect("it was written");
        assert!(record.contains("\"text\":\"1+1\\r\""), "{i}: {record}");
        flotilla(&["replay", &session]).ends_with(0);
    }
}

#[test]
fn mend_who_waits_for_gdb_where_is_told_and_who_holds_the_others() {
    let fleet = path("two.toml");
    let node = |name: &str| format!("[node.{name}]\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n");
    fs::write(&fleet, node("a") + &node("b")).expect("a file of our own");
    let mut child = start(&["run", &fleet, "--gdb", "localhost:0", "--gdb-wait", "--for", "100ms"]);
    let mut err = BufReader::new(child.stderr.take().expect("a pipe"));
    let places = [gdb_place(&mut err), gdb_place(&mut err)];
    assert_ne!(places[0], places[1]);
    let [mut a, mut b] = places.map(|p| gdb(&p));
    ask(&mut a, "?");
    ask(&mut b, "?");
    send(&mut a, "c");
    let told = receive(&mut a);
    let text: String =
        "virtual time stands still: another gdb holds b\n".bytes().map(|b| format!("{b:02x}")).collect();
    assert_eq!(told, format!("O{text}"));
    send(&mut b, "c");
    assert_eq!(receive(&mut a), "W00");
    assert_eq!(receive(&mut b), "W00");
    drop((a, b));
    let mut rest = String::new();
    err.read_to_string(&mut rest).expect("text");
    assert!(rest.contains("gdb: virtual time stands still: another gdb holds b\n"), "{rest}");
    assert_eq!(code_of(child), Some(0));
}

/// Makes a named pipe.
fn pipe(name: &str) -> String {
    let path = path(name);
    let _ = fs::remove_file(&path); // of an earlier run
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success());
    path
}

#[test]
fn mend_a_pipe_that_nobody_reads_does_not_keep_a_run_from_ending() {
    for name in ["INT", "TERM"] {
        let child = start(&["demo", "--pcap", &pipe(&format!("unread-{name}"))]);
        nap(500);
        signal(&child, name);
        assert_ne!(code_of(child), Some(0), "{name}");
    }
}

#[test]
fn mend_a_reader_that_stands_still_does_not_keep_a_run_from_ending() {
    for name in ["INT", "TERM"] {
        let path = pipe(&format!("stalled-{name}"));
        let child = start(&["demo", "--nodes", "50", "--for", "1h", "--pcap", &path]);
        let mut reader = fs::File::open(&path).expect("the program writes"); // both ends are there
        reader.read_exact(&mut [0; 4]).expect("it begins");
        nap(1500);
        signal(&child, name);
        assert_ne!(code_of(child), Some(0), "{name}");
    }
}

#[test]
fn mend_a_limit_on_file_sizes_leaves_the_interpreter() {
    let program = env!("CARGO_BIN_EXE_flotilla");
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -f 1000; exec '{program}' demo --for 100ms")]);
    let limited = run(&mut limited, LIMIT);
    limited.ends_with(0);
    assert!(limited.stderr.contains("limit on file sizes"), "{limited:?}");
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[test]
fn mend_a_forked_child_has_none_of_its_parents_compiled_code() {
    let image = looping("forked.bin");
    let child = start(&["run", &image, "--machine", "microbit", "--at", "0", "--for", "1h"]);
    let mut flags: Vec<String> = vec![];
    for _ in 0..500 {
        let maps = fs::read_to_string(format!("/proc/{}/smaps", child.id())).unwrap_or_default();
        let ours = maps.split("flotilla-code").skip(1);
        flags = ours.filter_map(|m| Some(m.lines().find(|l| l.starts_with("VmFlags:"))?.into())).collect();
        if flags.len() == 2 {
            break;
        }
        nap(20);
    }
    signal(&child, "KILL");
    code_of(child);
    assert!(flags.len() == 2 && flags.iter().all(|f| f.contains(" dc")), "{flags:?}");
}
