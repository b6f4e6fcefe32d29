//! Breakpoints and watchpoints in the middle of hot compiled loops.

use crate::guests::{IN_FLASH, IN_LOOP, IN_RAM, MS, REWRITE, compiler, fleet, ran, run_to};
use emu_core::{Time, cpu::Engine, machine::Exit, memory::Watch};
use fleet::{Fleet, FleetExit, Serial};

/// Where a node stands: time, program counter, instructions.
type Place = (u64, u64, u64);

fn place(fleet: &Fleet) -> Place {
    let node = fleet.nodes().next().expect("there is one");
    (node.now().0, node.machine.cpu(0).pc(), node.machine.retired())
}

struct Session {
    stops: Vec<(FleetExit, Place)>,
    digest: u128,
    compiled: u64,
}

/// Runs the guest until it is hot, lets a debugger look at it `stops` times, takes that away, and goes on.
fn session(engine: Engine, breaks: &[u64], watches: &[Watch], stops: usize) -> Session {
    let mut fleet = fleet("microbit", "rewriter", 1, engine);
    run_to(&mut fleet, 2 * MS, &Serial);
    fn look(fleet: &mut Fleet, breaks: &[u64], watches: &[Watch]) {
        let bus = &mut fleet.node_mut(0).expect("it is there").machine.bus;
        bus.breakpoints = breaks.iter().copied().collect();
        bus.fabric.mem.set_watches(watches.to_vec());
    }
    look(&mut fleet, breaks, watches);
    let mut seen = vec![];
    for _ in 0..stops {
        let exit = fleet.run_until(Time(4 * MS), &Serial);
        seen.push((exit, place(&fleet)));
    }
    look(&mut fleet, &[], &[]);
    let before = ran(&fleet, 0).1;
    run_to(&mut fleet, 6 * MS + 333, &Serial);
    Session { stops: seen, digest: fleet.digest(), compiled: ran(&fleet, 0).1 - before }
}

#[track_caller]
fn stops_the_same(breaks: &[u64], watches: &[Watch], expected: impl Fn(&FleetExit, &Place) -> bool) {
    let quiet = session(Engine::Interpreter, &[], &[], 0);
    let a = session(Engine::Interpreter, breaks, watches, 40);
    let b = session(Engine::Jit, breaks, watches, 40);
    assert_eq!(a.stops, b.stops);
    assert!(a.stops.iter().all(|(exit, place)| expected(exit, place)), "{:x?}", a.stops);
    assert_eq!([a.digest, b.digest], [quiet.digest; 2], "looking changes nothing");
    assert_eq!(a.compiled, 0);
    assert!(b.compiled > 10_000, "compiled code runs again: {}", b.compiled);
}

#[test]
fn jit_breakpoints_in_a_hot_loop() {
    if !compiler() {
        return;
    }
    // In the loop, behind a compare, in the function in RAM, in the one in the other page of flash.
    for breaks in [&[IN_LOOP][..], &[0xe6], &[IN_RAM + 2], &[IN_FLASH + 4], &[0xe4, IN_RAM + 4, IN_FLASH]] {
        stops_the_same(breaks, &[], |exit, place| {
            *exit == FleetExit::Stopped { node: 0, exit: Exit::Break(0) } && breaks.contains(&place.1)
        });
    }
}

#[test]
fn jit_watchpoints_in_a_hot_loop() {
    if !compiler() {
        return;
    }
    let read = Watch { addr: REWRITE, len: 4, read: true, write: false };
    stops_the_same(&[], &[read], |exit, place| {
        *exit == FleetExit::Stopped { node: 0, exit: Exit::Watch(0, REWRITE, false) } && place.1 == 0xe4
    });
    // One that is not hit, in the page that is looked at; and the function in RAM lies in a watched page.
    let beside = Watch { addr: REWRITE + 8, len: 4, read: true, write: true };
    let code = Watch { addr: IN_RAM + 0x100, len: 4, read: true, write: true };
    for watch in [beside, code] {
        stops_the_same(&[], &[watch], |exit, _| *exit == FleetExit::Reached);
    }
}
