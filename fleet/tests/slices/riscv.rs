//! QEMU's RISC-V `virt` machine: MicroPython's QEMU port and FreeRTOS.

use crate::desk::{Desk, MS, PROMPT, S};
use fleet::{FleetExit, NodeState};

fn board(image: &str) -> Desk {
    Desk::new(&format!("[node.n]\nmachine = \"riscv32-virt\"\nimage = \"{image}\"\n"))
}

#[test]
fn slice_freertos_rv32() {
    let mut desk = board("freertos-rv32");
    let stops = desk.pass(60 * S);
    let said = String::from_utf8_lossy(&desk.said[0]).into_owned();
    assert_eq!(stops, [FleetExit::Exited { node: 0, code: 0 }], "{said}");
    assert!(said.ends_with("freertos demo: PASS\r\n"), "{said}");
}

#[test]
fn slice_micropython_rv32() {
    let mut desk = board("riscv32-virt-micropython");
    assert!(desk.hear(0, PROMPT).starts_with("MicroPython v1.25.0"));
    assert_eq!(desk.ask(0, "print(6*7)"), "42");
    assert_eq!(desk.ask(0, "2**100"), "1267650600228229401496703205376");
    assert_eq!(desk.ask(0, "'%.3f' % (2**0.5)"), "'1.414'");
    assert_eq!(desk.ask(0, "sum(i * i for i in range(1000))"), "332833500");
    assert!(desk.ask(0, "[].x").contains("AttributeError"));
    // Its own trap handler sees the address that a load has no memory at, and ends the run over semihosting.
    desk.ask(0, "import machine");
    desk.say(0, "machine.mem32[0]\r");
    let stops = desk.pass(S);
    let said = String::from_utf8_lossy(&desk.said[0]).into_owned();
    assert!(said.contains("MTVAL=00000000") && said.contains("(Load address fault)"), "{said}");
    assert!(matches!(stops[..], [FleetExit::Exited { node: 0, .. }]), "{stops:?}");
    assert!(matches!(desk.fleet.nodes().next().map(|n| n.state), Some(NodeState::Exited { .. })));
}

/// Interrupts, WFI and counters fall everywhere into slices: the state at the end is the same.
#[test]
fn slice_rv32_run_is_the_same_cut_anywhere() {
    let run = |slice: u64| {
        let mut desk = board("freertos-rv32");
        while desk.state(0) == NodeState::Running {
            desk.pass(slice);
        }
        desk.pass(200 * MS - desk.now());
        (desk.fleet.digest(), desk.said)
    };
    let straight = run(200 * MS);
    for slice in [777, 10_001, 999_983] {
        assert_eq!(run(slice), straight, "slices of {slice} ns");
    }
}

#[test]
fn slice_rv32_goes_on_in_a_copy_and_after_a_load() {
    let end = |desk: &mut Desk| {
        desk.pass(200 * MS - desk.now());
        desk.fleet.digest()
    };
    let straight = end(&mut board("freertos-rv32"));
    for at in [1_234_567, 42 * MS + 1, 100 * MS] {
        let mut desk = board("freertos-rv32");
        desk.pass(at);
        let saved = desk.fleet.save();
        desk.fleet = desk.fleet.fork();
        assert_eq!(end(&mut desk), straight, "forked at {at}");
        let mut fresh = board("freertos-rv32");
        fresh.fleet.load(&saved).expect("what was saved loads");
        assert_eq!(end(&mut fresh), straight, "loaded at {at}");
    }
}
