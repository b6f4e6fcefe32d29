//! The MPS2 boards: FreeRTOS, MicroPython's QEMU port, and every corner of the M-profile.

use crate::desk::{Desk, PROMPT, S, succeeds};
use fleet::{FleetExit, NodeState};

fn board(machine: &str, image: &str) -> Desk {
    Desk::new(&format!("[node.n]\nmachine = \"{machine}\"\nimage = \"{image}\"\n"))
}

/// Runs a guest that ends itself with code 0 and gives what it printed.
fn ends_well(machine: &str, image: &str, seconds: u64) -> String {
    let mut desk = board(machine, image);
    let stops = desk.pass(seconds * S);
    let said = String::from_utf8_lossy(&desk.said[0]).into_owned();
    assert_eq!(stops, [FleetExit::Exited { node: 0, code: 0 }], "{said}");
    said
}

fn freertos(board: &str) {
    let said = ends_well(&format!("mps2-{board}"), &format!("freertos-{board}"), 60);
    assert!(said.ends_with("freertos demo: PASS\r\n"), "{said}");
}

#[test]
fn slice_freertos_an385() {
    freertos("an385");
}

#[test]
fn slice_freertos_an386() {
    freertos("an386");
}

#[test]
fn slice_freertos_an500() {
    freertos("an500");
}

fn corners(machine: &str, image: &str) {
    let mut desk = board(machine, image);
    let stops = desk.pass(60 * S);
    let said = String::from_utf8_lossy(&desk.said[0]).into_owned();
    let bad: Vec<_> = said.lines().filter(|l| l.starts_with("FAIL")).collect();
    assert_eq!(bad, [""; 0], "{image}");
    assert!(said.contains(" passed, 0 failed"), "{said}");
    assert_eq!(stops, [FleetExit::Exited { node: 0, code: 0 }], "{image}");
}

#[test]
fn slice_corners_an385() {
    corners("mps2-an385", "corners-an385");
}

#[test]
fn slice_corners_an386() {
    corners("mps2-an386", "corners-an386");
}

#[test]
fn slice_corners_an500() {
    corners("mps2-an500", "corners-an500");
}

#[test]
fn slice_corners_microbit() {
    corners("microbit", "corners-microbit");
}

fn repl(board_name: &str) {
    let mut desk = board(&format!("mps2-{board_name}"), &format!("mps2-{board_name}-micropython"));
    assert!(desk.hear(0, PROMPT).starts_with("MicroPython v1.25.0"));
    assert_eq!(desk.ask(0, "print(6*7)"), "42");
    assert_eq!(desk.ask(0, "2**100"), "1267650600228229401496703205376");
    assert_eq!(desk.ask(0, "'%.3f' % (2**0.5)"), "'1.414'");
    assert_eq!(desk.ask(0, "sum(i * i for i in range(1000))"), "332833500");
    assert!(desk.ask(0, "[].x").contains("AttributeError"));
}

#[test]
fn slice_micropython_an385() {
    repl("an385");
}

#[test]
fn slice_micropython_an386() {
    repl("an386");
}

#[test]
fn slice_micropython_an500() {
    repl("an500");
}

#[test]
fn slice_one_of_several_guests_ends() {
    let s = succeeds(
        "mixed.toml",
        r#"
        [node.rtos]
        machine = "mps2-an386"
        image = "freertos-an386"
        [node.python]
        machine = "mps2-an385"
        image = "mps2-an385-micropython"
        [[step]]
        node = "rtos"
        exit = 0
        within = "60s"
        [[step]]
        node = "python"
        send = "print(6*7)\r"
        [[step]]
        node = "python"
        expect = "\n42\r\n"
        "#,
    );
    let states: Vec<_> = s.fleet.nodes().map(|n| n.state).collect();
    assert_eq!(states, [NodeState::Exited { code: 0 }, NodeState::Running]);
}
