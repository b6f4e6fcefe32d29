//! The real gdb against the toy machine, over TCP.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::*;
use emu_core::cpu::Arch;
use emu_debug::{End, Event, GdbServer, Resume, StopReason};

/// gdb, told to carry out `script`.
fn start_gdb(port: u16, connect: &str, script: &[&str]) -> Child {
    let connect = format!("{connect} 127.0.0.1:{port}");
    let mut gdb = Command::new("gdb-multiarch");
    gdb.args(["-nx", "-batch", "-ex", "set confirm off", "-ex", "set remotetimeout 20", "-ex", &connect]);
    for line in script {
        gdb.args(["-ex", line]);
    }
    match gdb.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("gdb-multiarch is not installed: run `cargo xtask setup`")
        }
        Err(error) => panic!("{error}"),
    }
}

/// Serves one session as a fleet would; returns how it ended, `None` for a connection that was closed.
fn serve(server: &mut GdbServer<Toy>, stream: &mut TcpStream, exit_at: Option<u64>) -> Option<End> {
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    let mut running = None;
    let mut buffer = [0; 512];
    loop {
        stream.write_all(&server.take_output()).expect("gdb listens");
        match server.next_event() {
            Some(Event::Resume(resume)) => running = Some(resume),
            Some(Event::Interrupt) => {
                running = None;
                server.report(StopReason::Interrupt);
            }
            Some(Event::Ended(end)) => return Some(end),
            None if running.is_some() => {
                let stop = server.target_mut().run(running.unwrap_or(Resume::Step), 50);
                let over = exit_at.is_some_and(|count| server.target().regs[0] >= count);
                let stop = if over { Some(StopReason::Exited(7)) } else { stop };
                if let Some(stop) = stop {
                    running = None;
                    server.report(stop);
                } else {
                    // Let an interrupt come in.
                    stream.set_nonblocking(true).expect("set");
                    let n = stream.read(&mut buffer);
                    stream.set_nonblocking(false).expect("set");
                    n.into_iter().for_each(|n| server.feed(&buffer[..n]));
                }
            }
            None => match stream.read(&mut buffer).expect("gdb speaks") {
                0 => {
                    server.hang_up();
                    return None;
                }
                n => server.feed(&buffer[..n]),
            },
        }
    }
}

/// gdb's transcript, how the session ended, and the toy as gdb left it.
fn session(
    arch: &'static Arch,
    connect: &str,
    exit_at: Option<u64>,
    script: &[&str],
) -> (String, Option<End>, GdbServer<Toy>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let gdb = start_gdb(port, connect, script);
    let (mut stream, _) = listener.accept().expect("gdb connects");
    stream.set_nodelay(true).expect("set");
    let mut server = GdbServer::new(Toy::new(arch));
    let end = serve(&mut server, &mut stream, exit_at);
    drop(stream);
    let output = gdb.wait_with_output().expect("gdb ends");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (text, end, server)
}

/// Every line of `wanted` is in the transcript, in this order.
fn expect(text: &str, wanted: &[&str]) {
    let mut rest = text;
    for line in wanted {
        match rest.split_once(line) {
            Some((_, tail)) => rest = tail,
            None => panic!("no `{line}` where it should be in:\n{text}"),
        }
    }
    let complaint = text.lines().find(|l| l.contains("warning: ") && !l.contains("No executable has been"));
    assert_eq!(complaint, None, "{text}");
}

#[test]
fn registers_memory_and_description() {
    let script = [
        "info registers",
        "info registers msp psp primask basepri faultmask control",
        "info registers d3 s6 fpscr",
        "set $r5 = 0x1234",
        "set $d3 = 1.5",
        "print/x $r5",
        "print $s7",
        "set {int}0x20000040 = 0x55aa1234",
        "x/2xh 0x20000040",
        "x/3i 0x10a",
        "x/xw 0x30000000",
        "monitor time",
        "monitor help",
        "detach",
    ];
    let (text, end, server) = session(&mprofile::V7M_FPU, "target remote", None, &script);
    expect(
        &text,
        &[
            "sp             0x20000400",
            "pc             0x100",
            "xpsr           0x1000000",
            "msp            0x20000400",
            "control        0x0",
            "fpscr",
            "= 0x1234",
            "= 1.9375",
            "0x20000040:\t0x1234\t0x55aa",
            "adds\tr2, #2",
            "nop",
            "bx\tlr",
            "detached",
            // What comes from the server is on gdb's standard error.
            "Cannot access memory at address 0x30000000",
            "1.5 s",
            "reset the machine",
        ],
    );
    assert_eq!(end, Some(End::Detach));
    assert_eq!(server.target().regs[mprofile::D0 + 3], 1.5f64.to_bits());
    assert_eq!(server.target().ram[0x40..0x44], [0x34, 0x12, 0xaa, 0x55]);
}

#[test]
fn breakpoints_steps_and_watchpoints() {
    let script = [
        "break *0x10a",
        "continue",
        "print/x $pc",
        "stepi",
        "print $r2",
        "hbreak *0x108",
        "continue",
        "delete",
        "watch *(int *)0x20000010",
        "continue",
        "continue",
        "delete",
        "tbreak *0x10c",
        "continue",
        "info registers r0 r2",
        "monitor reset",
        "flushregs",
        "print $r0",
        "kill",
    ];
    let (text, end, server) = session(&mprofile::V7M, "target remote", None, &script);
    expect(
        &text,
        &[
            "Breakpoint 1, 0x0000010a in",
            "= 0x10a",
            "0x0000010c in",
            "= 2",
            "Breakpoint 2, 0x00000108 in",
            "Hardware watchpoint 3",
            "Old value = 1",
            "New value = 2",
            "Old value = 2",
            "New value = 3",
            "Temporary breakpoint 4, 0x0000010c in",
            "r0             0x3",
            "r2             0x6",
            "= 0",
        ],
    );
    assert_eq!(end, Some(End::Kill));
    assert_eq!((server.target().resets, server.target().points.is_empty()), (1, true));
    assert_eq!(server.target().flash[0x10a..0x10c], [0x02, 0x32], "guest memory is untouched");
}

#[test]
fn the_guest_ends_itself() {
    let (text, end, _) = session(&mprofile::V6M, "target remote", Some(5), &["continue", "info program"]);
    expect(&text, &["exited with code 07", "The program being debugged is not being run"]);
    assert_eq!(end, Some(End::Exited));
}

#[test]
fn load_writes_flash() {
    // An Intel HEX file needs no tool to make.
    let dir = std::env::temp_dir().join(format!("emu-debug-load-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let file = dir.join("patch.hex");
    std::fs::write(&file, ":0402000000BF704784\n:00000001FF\n").expect("written");
    let load = format!("load {}", file.display());
    let result = session(&mprofile::V7M, "target remote", None, &[&load, "x/2i 0x200", "detach"]);
    std::fs::remove_dir_all(&dir).expect("removed");
    let (text, _, server) = result;
    expect(&text, &["nop", "bx\tlr"]);
    assert_eq!(server.target().flash[0x200..0x204], [0x00, 0xbf, 0x70, 0x47]);
}

#[test]
fn extended_remote_runs_again() {
    let script = ["continue", "set remote exec-file node", "tbreak *0x10c", "run", "print $r2", "continue"];
    let (text, end, server) = session(&mprofile::V6M, "target extended-remote", Some(5), &script);
    expect(
        &text,
        &["exited with code 07", "Temporary breakpoint 1, 0x0000010c in", "= 2", "exited with code 07"],
    );
    // gdb still sees the CPU after the exit, and lets go of it at the end.
    assert_eq!((end, server.target().resets), (Some(End::Detach), 1));
}
