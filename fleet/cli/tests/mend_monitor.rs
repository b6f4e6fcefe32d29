//! A person at the terminal: the monitor's line, and the terminal's modes afterwards.

mod program;
mod terminal;

use program::{file, path};
use std::process::Command;
use terminal::Terminal;

const FLEET: &str = "[node.a]\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n\
    [node.b]\nmachine = \"microbit\"\nimage = \"demo-beacon\"\nposition = [3, 0]\n";

/// Signals are as they are for a program that a shell starts, whoever runs this test.
fn flotilla(words: &[&str]) -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP,INT,QUIT,TERM,TSTP", env!("CARGO_BIN_EXE_flotilla")]).args(words);
    command
}

/// The digest that stands behind the last `digest: `.
fn digest(text: &str) -> String {
    text.rsplit("digest: ").next().unwrap_or_default().chars().take(32).collect()
}

/// It has ended with this code; the answer is its digest.
#[track_caller]
fn ended(mut it: Terminal, code: i32) -> String {
    it.until("digest: ");
    let digest = it.until("\n");
    assert_eq!(it.child.wait().expect("ends").code(), Some(code));
    digest.trim().into()
}

#[test]
fn mend_monitor_what_a_person_does_is_repeated_by_the_session() {
    let session = path("mend-monitor-session");
    let words = ["run", "demo-beacon", "--machine", "microbit", "--record", &session];
    let mut it = Terminal::start(&mut flotilla(&words));
    it.until("Ctrl-A: monitor (help lists its commands), Ctrl-A x: quit\r\n");
    it.until(": up\r\n");
    for (line, answer) in [
        ("\x01help\r", "  press [NODE.]BUTTON [TIME] "),
        ("\x01nodes\r", "microbit  microbit  "),
        ("\x01press button-a 1500ms\r", "button-a is pressed for 1500ms at "),
        ("\x01set temp.temperature 124\r", "temp.temperature is 124 at "),
        ("\x01show inputs\r", "temp.temperature  124  ("),
        ("\x01show leds\r", "\r\nleds\r\n  "),
        ("\x01prses button-a\r", "did you mean `press`?"),
        ("\x01do freeze = '3ms'\r", "done at "),
        ("\x01p\r", "virtual time stands still at "),
        ("\x01set button-b.pressed 1 10s\r", "button-b.pressed is 1 for 10s at "),
        ("\x01show inputs\r", "button-b.pressed  1  ("),
        ("\x01time\r", "stands still, no faster than the host's"),
        ("\x01c\r", "virtual time goes on"),
        ("\x01speed 2x\r", "no faster than 2 times the host's"),
        ("\x01reset\r", "reset (pin) at "),
        ("", ": up\r\n"),
        ("\x01power off\r", "power off at "),
        ("\x01power on\r", "power on at "),
        ("", ": up\r\n"),
        ("\x01do power-cut = '20ms'\r", "done at "),
        ("", ": up\r\n"),
    ] {
        it.types(line);
        it.until(answer);
    }
    it.types("\x01x");
    let seen = ended(it, 0);
    let replayed = program::flotilla(&["replay", &session]);
    replayed.ends_with(0);
    assert_eq!(digest(&replayed.stderr), seen);
}

#[test]
fn mend_monitor_a_fleets_consoles_are_chosen() {
    let fleet = file("mend-monitor.toml", FLEET.as_bytes());
    let session = path("mend-monitor-fleet");
    let mut it = Terminal::start(&mut flotilla(&["run", &fleet, "--record", &session]));
    it.until("the keyboard goes nowhere until `console NODE`\r\n");
    it.until(" b] beacon ");
    for (keys, answer) in [
        ("lost", "the keyboard goes nowhere: Ctrl-A"),
        ("\x01press button-a\r", "which node? Name it, or choose one with `console NODE`"),
        ("\x01press b.button-a\r", "b: button-a is pressed for 100ms at "),
        ("\x01press all.button-b 1ms\r", "all: button-b is pressed for 1ms at "),
        ("\x01console c\r", "no node is called `c`; did you mean `a`?"),
        ("\x01console b\r", "the keyboard goes to b's "),
        ("typed", ""),
        ("\x01reset\r", "b: reset (pin) at "),
        ("", "\r\nbeacon "),
        ("\x01console all\r", "the keyboard goes nowhere"),
        ("", "] beacon "),
    ] {
        it.types(keys);
        it.until(answer);
    }
    it.types("\x03");
    let seen = ended(it, 0);
    let text = std::fs::read_to_string(&session).expect("it is written");
    assert!(text.contains("\"text\":\"typed\"") && !text.contains("lost"), "{text}");
    let replayed = program::flotilla(&["replay", &session]);
    replayed.ends_with(0);
    assert_eq!(digest(&replayed.stderr), seen);
}

#[test]
fn mend_monitor_signals_leave_the_terminal_as_it_was() {
    for (signal, code) in [("QUIT", 131), ("TERM", 143), ("HUP", 129), ("INT", 130)] {
        let mut it = Terminal::start_in(&mut flotilla(&["run", "demo-beacon", "--for", "1000h"]), "sane");
        it.until(": up\r\n");
        it.types("\x01half a command");
        it.until("half a command");
        assert_ne!(it.modes(), it.before, "{signal}");
        it.signal(signal);
        it.until("digest: ");
        assert_eq!(it.child.wait().expect("ends").code(), Some(code), "{signal}");
        assert_eq!(it.modes(), it.before, "{signal}");
    }
}

#[test]
fn mend_monitor_a_program_that_is_stopped_gives_the_terminal_back() {
    let fleet = file("mend-monitor-stop.toml", FLEET.as_bytes());
    let mut it = Terminal::start_in(&mut flotilla(&["run", &fleet]), "sane");
    it.until(": up\r\n");
    let raw = it.modes();
    assert_ne!(raw, it.before);
    it.signal("TSTP");
    it.wait_for("it stands", Terminal::is_stopped);
    assert_eq!(it.modes(), it.before);
    it.signal("CONT");
    it.wait_for("it is raw again", |it| it.modes() == raw);
    // Where no console takes what is typed, keys mean what they mean elsewhere.
    it.types("\x1c");
    it.until("digest: ");
    assert_eq!(it.child.wait().expect("ends").code(), Some(0));
    assert_eq!(it.modes(), it.before);
}
