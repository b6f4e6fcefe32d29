//! gdb on the built program: the real one, and the protocol spoken by hand.

mod program;

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A port that was free just now.
fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").to_string()
}

/// Starts a run that waits for gdb.
fn start(image: &str, addr: &str, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_flotilla"))
        .args(["run", image, "--gdb", addr, "--gdb-wait", "--for", "5s"])
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// Standard output, the digest, and the exit code.
fn finish(child: Child) -> (String, String, Option<i32>) {
    let output = child.wait_with_output().expect("it ends");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    let digest =
        err.lines().find(|l| l.starts_with("digest: ")).unwrap_or_else(|| panic!("no digest: {err}"));
    (String::from_utf8_lossy(&output.stdout).into_owned(), digest.to_string(), output.status.code())
}

/// The same run without gdb.
fn undisturbed(image: &str) -> (String, String, Option<i32>) {
    let child = Command::new(env!("CARGO_BIN_EXE_flotilla"))
        .args(["run", image, "--for", "5s"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    finish(child.expect("the program starts"))
}

/// A connection, made as soon as the program listens.
fn connect(addr: &str) -> TcpStream {
    for _ in 0..500 {
        match TcpStream::connect(addr) {
            Ok(stream) => {
                stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
                stream.set_nodelay(true).expect("set");
                return stream;
            }
            #[allow(clippy::disallowed_methods)] // the program is another process
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    panic!("nobody listens on {addr}");
}

fn send(stream: &mut TcpStream, packet: &str) {
    let sum = packet.bytes().fold(0u8, u8::wrapping_add);
    write!(stream, "${packet}#{sum:02x}").expect("the program listens");
}

/// The next packet, acknowledged.
fn receive(stream: &mut TcpStream) -> String {
    let mut text = vec![];
    let mut byte = [0];
    while !matches!(text[..], [.., b'#', _, _]) {
        stream.read_exact(&mut byte).expect("the program answers");
        match (text.is_empty(), byte[0]) {
            (true, b'$') | (false, _) => text.push(byte[0]),
            (true, _) => {} // acknowledgements
        }
    }
    stream.write_all(b"+").expect("the program listens");
    String::from_utf8_lossy(&text[1..text.len() - 3]).into_owned()
}

fn ask(stream: &mut TcpStream, packet: &str) -> String {
    send(stream, packet);
    receive(stream)
}

#[test]
fn a_run_can_be_interrupted_and_let_go() {
    let addr = free_port();
    let child = start("demo-beacon", &addr, &["--speed", "3"]);
    let mut gdb = connect(&addr);
    assert!(ask(&mut gdb, "?").starts_with(['T', 'S']));
    let before = ask(&mut gdb, "g");
    assert_eq!(before, ask(&mut gdb, "g"), "it stands still");
    let mut after = before.clone();
    // On a busy host the interrupt may come before the first instruction.
    for _ in 0..100 {
        send(&mut gdb, "c");
        #[allow(clippy::disallowed_methods)] // the program is another process
        std::thread::sleep(Duration::from_millis(10));
        gdb.write_all(b"\x03").expect("the program listens");
        let stop = receive(&mut gdb);
        assert!(stop.starts_with("T02") || stop == "S02", "SIGINT, not {stop}");
        after = ask(&mut gdb, "g");
        if after != before {
            break;
        }
    }
    assert_ne!(before, after, "it has run");
    assert_eq!(ask(&mut gdb, "D"), "OK");
    assert_eq!(finish(child), undisturbed("demo-beacon"));
}

#[test]
fn a_lost_connection_lets_the_run_go_on() {
    let addr = free_port();
    let child = start("demo-beacon", &addr, &[]);
    let mut gdb = connect(&addr);
    ask(&mut gdb, "?");
    drop(gdb);
    assert_eq!(finish(child), undisturbed("demo-beacon"));
}

#[test]
fn gdb_can_end_a_run() {
    let addr = free_port();
    let child = start("demo-beacon", &addr, &[]);
    let mut gdb = connect(&addr);
    ask(&mut gdb, "?");
    send(&mut gdb, "k");
    let (out, _, code) = finish(child);
    assert_eq!((out.as_str(), code), ("", Some(0)));
}

#[test]
fn a_port_in_use_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = taken.local_addr().expect("bound").to_string();
    let output = start("demo-beacon", &addr, &[]).wait_with_output().expect("it ends");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(err.starts_with(&format!("error: cannot listen for gdb on {addr}: ")), "{err}");
}

/// What one machine is given to run: a raw image that loops, and where it goes.
fn looping(machine: &str) -> (String, &'static str) {
    if machine.starts_with("riscv") {
        return (program::file("loop-rv.bin", &0x0000_006f_u32.to_le_bytes()), "0x80000000");
    }
    (program::file("loop-m.bin", &program::image(0x2000_1000, &[0xe7fe])), "0")
}

/// The addresses of a machine's devices, and for Cortex-M of the core's own registers.
fn windows(machine: &str) -> Vec<u64> {
    let shown = program::flotilla(&["machines", machine]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let (_, devices) = text.split_once("\nDevices\n").expect("a list of devices");
    let base = |l: &str| u64::from_str_radix(l.strip_prefix("  0x")?.split(' ').next()?, 16).ok();
    let mut all: Vec<u64> = devices.lines().filter_map(base).collect();
    assert!(all.len() > 4, "{text}");
    if !machine.starts_with("riscv") {
        all.extend([0xe000_1000, 0xe000_e000, 0xe000_e010, 0xe000_e100, 0xe000_ed00]);
    }
    all
}

/// The digest that a run told.
fn digest(run: &program::Run) -> String {
    let found = run.stderr.lines().find(|l| l.starts_with("digest: "));
    found.unwrap_or_else(|| panic!("no digest: {}", run.stderr)).into()
}

#[test]
fn mend_a_debugger_that_looks_at_every_device_changes_nothing() {
    let list = String::from_utf8(program::flotilla(&["machines"]).stdout).expect("text");
    let machines: Vec<&str> =
        list.lines().take_while(|l| !l.is_empty()).filter_map(|l| l.split(' ').next()).collect();
    assert!(machines.len() >= 5, "{list}");
    for machine in machines {
        let (image, at) = looping(machine);
        let session = program::path(&format!("looked-{machine}.flotilla"));
        let run = ["run", &image, "--machine", machine, "--at", at, "--for", "20ms"];
        let alone = program::flotilla(&run);
        let addr = free_port();
        let child = Command::new(env!("CARGO_BIN_EXE_flotilla"))
            .args(run)
            .args(["--gdb", &addr, "--gdb-wait", "--record", &session])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut gdb = connect(&addr);
        ask(&mut gdb, "?");
        for _ in 0..3 {
            for window in windows(machine) {
                let read = ask(&mut gdb, &format!("m{window:x},40"));
                assert!(!read.is_empty() && !read.starts_with('E'), "{machine} {window:#x}: {read}");
            }
            ask(&mut gdb, "vCont;s:1");
        }
        ask(&mut gdb, "D");
        let (_, looked, code) = finish(child);
        assert_eq!((looked, code), (digest(alone.ends_with(0)), Some(0)), "{machine}");
        program::flotilla(&["replay", &session]).ends_with(0);
    }
}

/// Runs the real gdb with a script; gives its transcript.
fn gdb(addr: &str, image: &PathBuf, script: &[&str]) -> String {
    let connect = format!("target remote {addr}");
    let mut gdb = Command::new("gdb-multiarch");
    gdb.args(["-nx", "-batch", "-ex", "set confirm off", "-ex", "set remotetimeout 60"]);
    gdb.args(["-ex", "set tcp connect-timeout 30", "-ex", &connect]);
    for line in script {
        gdb.args(["-ex", line]);
    }
    let output = match gdb.arg(image).stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            panic!("gdb-multiarch is missing: run `cargo xtask setup`")
        }
        Err(e) => panic!("gdb-multiarch: {e}"),
    };
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Every text of `wanted` is in the transcript, in this order.
#[track_caller]
fn expect(transcript: &str, wanted: &[&str]) {
    let mut rest = transcript;
    for text in wanted {
        match rest.split_once(text) {
            Some((_, tail)) => rest = tail,
            None => panic!("no `{text}` where it should be in:\n{transcript}"),
        }
    }
}

fn path_of(image: &str) -> PathBuf {
    let found = images::find(image).expect("it is in the catalogue");
    assert!(found.present(), "{image} is missing: run cargo xtask images");
    found.path()
}

#[test]
fn the_real_gdb_on_a_guest_that_ships() {
    let addr = free_port();
    let child = start("demo-beacon", &addr, &[]);
    let script = [
        "info registers sp pc msp primask control",
        "break rtc0_handler",
        "continue",
        "print/x $xpsr & 0x1ff",
        "x/1xw 0x20000000",
        "stepi",
        "monitor time",
        "continue",
        "delete",
        "detach",
    ];
    let text = gdb(&addr, &path_of("demo-beacon"), &script);
    expect(
        &text,
        &[
            "sp ",
            "pc ",
            "control",
            "Breakpoint 1, ",
            "rtc0_handler",
            "= 0x1b",
            "0x20000000",
            "Breakpoint 1, ",
            "detached",
        ],
    );
    assert_eq!(finish(child), undisturbed("demo-beacon"));
}

#[test]
fn a_recorded_session_with_gdb_repeats() {
    let addr = free_port();
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("gdb.session").display().to_string();
    let child = start("demo-beacon", &addr, &["--record", &file]);
    let script = [
        "break rtc0_handler",
        "continue",
        "set $r7 = 0x1234",
        "set {int}0x20003000 = 0x55aa",
        "continue",
        "stepi",
        "set $r6 = 0x77",
        "delete",
        "detach",
    ];
    gdb(&addr, &path_of("demo-beacon"), &script);
    let (out, digest, code) = finish(child);
    assert_eq!(code, Some(0));
    assert_ne!(undisturbed("demo-beacon").1, digest, "gdb's writes are part of the state");
    let text = fs::read_to_string(&file).expect("just written");
    assert!(text.contains("WriteRegister") && text.contains("WriteMemory"), "{text}");
    let child = Command::new(env!("CARGO_BIN_EXE_flotilla"))
        .args(["replay", &file, "--slice", "333us"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let (lines, again, code) = finish(child.expect("the program starts"));
    assert_eq!((again, code), (digest, Some(0)));
    assert_eq!(lines.lines().count(), out.lines().count(), "{lines}");
}

#[test]
fn slice_gdb_in_a_freertos_task() {
    let image = path_of("freertos-an385");
    let addr = free_port();
    let child = start("freertos-an385", &addr, &[]);
    let source = fs::read_to_string(images::guests_dir().join("freertos/parts.c")).expect("our own source");
    let line = source.lines().position(|l| l.contains("debug test: break here")).expect("marked") + 1;
    let break_there = format!("break parts.c:{line}");
    let script = [
        &break_there[..],
        "continue",
        "backtrace",
        "print item",
        "finish",
        "delete",
        "watch tick_counter",
        "continue",
        "continue",
        "print tick_counter",
        "delete",
        "stepi",
        "info registers psp msp control basepri",
        "continue",
    ];
    let text = gdb(&addr, &image, &script);
    let wanted = [
        "Breakpoint 1, fold (sum=0, item=1) at parts.c:",
        "#0  fold (sum=0, item=1)",
        "in consume (",
        "in consumer_task (",
        "$1 = 1",
        "Value returned is",
        "Hardware watchpoint 2: tick_counter",
        "Old value = 0",
        "New value = 1",
        "Old value = 1",
        "New value = 2",
        "= 2",
        "control        0x2",
        "exited normally",
    ];
    expect(&text, &wanted);
    let with = finish(child);
    assert!(with.0.contains("freertos demo: PASS"), "{}", with.0);
    assert_eq!(with, undisturbed("freertos-an385"));
}

#[test]
fn slice_gdb_in_a_freertos_task_rv32() {
    let image = path_of("freertos-rv32");
    let addr = free_port();
    let child = start("freertos-rv32", &addr, &[]);
    let script = [
        "info registers pc sp mstatus mtvec",
        "break fold",
        "continue",
        "backtrace",
        "print item",
        "stepi",
        "finish",
        "delete",
        "watch tick_counter",
        "continue",
        "continue",
        "print tick_counter",
        "delete",
        "set $t6 = 0x1234",
        "print/x $t6",
        "delete",
        "continue",
    ];
    let text = gdb(&addr, &image, &script);
    let wanted = [
        "pc             0x80000000",
        "mstatus        0x0",
        "Breakpoint 1, fold (sum=0, item=1)",
        "in consume (",
        "in consumer_task (",
        "$1 = 1",
        "Value returned is",
        "Hardware watchpoint 2: tick_counter",
        "New value = 1",
        "New value = 2",
        "= 2",
        "= 0x1234",
        "exited normally",
    ];
    expect(&text, &wanted);
    let (out, _, code) = finish(child);
    assert!(out.contains("freertos demo: PASS"), "{out}");
    assert_eq!(code, Some(0));
}
