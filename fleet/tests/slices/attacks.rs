//! Odd times and odd neighbours: nodes that lock up, end, are reset or get commands while others go on.

use crate::desk::{Desk, MS, PROMPT, S, Shelf, microbits, run_to, scenario};
use emu_core::{Time, device::ResetKind, machine::Exit};
use fleet::{Act, Command, FleetExit, NodeState, Serial, config};
use proptest::prelude::*;

#[test]
fn slice_lockup_of_one_leaves_the_others_alone() {
    let mut desk = Desk::microbits(3);
    let mut alone = desk.fleet.fork();
    desk.wreck(1);
    let stops = desk.pass(S);
    assert!(matches!(stops[..], [FleetExit::Stopped { node: 1, exit: Exit::Lockup(0, _) }]), "{stops:?}");
    assert!(matches!(desk.state(1), NodeState::LockedUp { .. }));
    assert_eq!(desk.ask(0, "1+1"), "2");
    assert_eq!(desk.ask(2, "2+2"), "4");
    assert!(desk.pass(S).is_empty(), "a stop is told once");
    // Nodes 0 and 2 do what they would have done with a healthy neighbour.
    let start = alone.now();
    alone.run_until(start + S, &Serial);
    let mut other = alone.fork();
    other.apply(Command::new(start + S, 0, Act::Text { console: 0, bytes: b"1+1\r".into() }));
    let said = run_to(&mut other, start.0 + 2 * S, &Serial);
    assert!(said.iter().filter(|b| b.node == 0).map(|b| b.byte).eq(b"1+1\r\n2\r\n>>> ".iter().copied()));
}

#[test]
fn slice_reset_wakes_a_locked_node_at_the_present_time() {
    for kind in [ResetKind::Pin, ResetKind::PowerOn] {
        let mut desk = Desk::microbits(2);
        desk.wreck(0);
        desk.pass(3 * S);
        let now = desk.now();
        desk.act(0, Act::Reset(kind));
        let stops = desk.pass(2 * S);
        assert!(stops.is_empty(), "{stops:?}");
        assert!(desk.hear(0, PROMPT).contains("MicroPython v1.9.2"));
        assert_eq!(desk.state(0), NodeState::Running);
        assert!(desk.fleet.nodes().all(|n| n.machine.now().0 <= now + 2 * S));
        assert_eq!(desk.ask(0, "6*7"), "42");
    }
}

#[test]
fn slice_reset_starts_an_ended_guest_at_the_present_time() {
    let file = "[node.n]\nmachine = \"mps2-an386\"\nimage = \"freertos-an386\"\n";
    let mut desk = Desk::new(file);
    let end = 60 * S;
    assert_eq!(desk.pass(end), [FleetExit::Exited { node: 0, code: 0 }]);
    let first = std::mem::take(&mut desk.said[0]);
    desk.act(0, Act::Reset(ResetKind::PowerOn));
    let mut stamps = vec![];
    let until = desk.now() + end;
    loop {
        let exit = desk.fleet.run_until(Time(until), &Serial);
        for b in desk.fleet.take_console() {
            stamps.push(b.at.0);
            desk.said[0].push(b.byte);
        }
        if exit == FleetExit::Reached {
            break;
        }
        assert_eq!(exit, FleetExit::Exited { node: 0, code: 0 });
    }
    assert_eq!(desk.said[0], first, "the second run prints what the first did");
    assert!(stamps.is_sorted() && stamps[0] >= end, "it prints in the past: {} < {end}", stamps[0]);
}

#[test]
fn slice_two_lockups_in_one_epoch_are_both_told() {
    let mut desk = Desk::microbits(3);
    desk.wreck(2);
    desk.wreck(0);
    let stops = desk.pass(S);
    let nodes: Vec<_> =
        stops.iter().map(|s| if let FleetExit::Stopped { node, .. } = s { *node } else { 9 }).collect();
    assert_eq!(nodes, [0, 2], "{stops:?}");
}

#[test]
fn slice_saved_between_two_stops_of_one_epoch() {
    let mut desk = Desk::microbits(3);
    desk.wreck(2);
    desk.wreck(0);
    desk.say(1, "1+1\r");
    let end = desk.fleet.now() + S;
    let first = desk.fleet.run_until(end, &Serial);
    assert!(matches!(first, FleetExit::Stopped { node: 0, .. }), "{first:?}");
    let mut said = desk.fleet.take_console();
    let saved = desk.fleet.save();
    let mut fork = desk.fleet.fork();
    let mut loaded = Desk::new(&microbits(3)).fleet;
    loaded.load(&saved).expect("what was saved loads");
    let second = desk.fleet.run_until(end, &Serial);
    assert!(matches!(second, FleetExit::Stopped { node: 2, .. }), "{second:?}");
    said.clear();
    said.extend(run_to(&mut desk.fleet, end.0, &Serial));
    for copy in [&mut fork, &mut loaded] {
        assert_eq!(copy.run_until(end, &Serial), second);
        assert!(run_to(copy, end.0, &Serial) == said, "another transcript");
        assert_eq!(copy.digest(), desk.fleet.digest());
    }
}

#[test]
fn slice_breakpoints_and_steps_change_nothing() {
    const BEACONS: &str = "[group.b]\ncount = 3\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n";
    let mut plain = Desk::new(BEACONS).fleet;
    let said = run_to(&mut plain, 3 * S, &Serial);
    let mut fleet = Desk::new(BEACONS).fleet;
    let handler =
        fleet.nodes().next().and_then(|n| n.firmware.symbols.find("radio_handler")).expect("a symbol");
    let at = handler.addr & !1;
    for node in [0, 1] {
        fleet.node_mut(node).expect("a node").machine.bus.breakpoints = [at].into();
    }
    let (mut heard, mut stops) = (vec![], [0; 2]);
    loop {
        let exit = fleet.run_until(Time(3 * S), &Serial);
        heard.extend(fleet.take_console());
        let node = match exit {
            FleetExit::Stopped { node, exit: Exit::Break(0) } => node,
            // The neighbour's breakpoint was earlier, and told first.
            FleetExit::Stopped { exit: Exit::Stepped(0), .. } => continue,
            other => {
                assert_eq!(other, FleetExit::Reached);
                break;
            }
        };
        stops[node as usize] += 1;
        assert_eq!(fleet.node_mut(node).expect("a node").machine.cpu(0).pc(), at);
        // Every other stop goes on by single instructions; the neighbour's breakpoint may come between.
        if stops[0] % 2 == 0 {
            let step = fleet.step(node, Time(3 * S), &Serial);
            heard.extend(fleet.take_console());
            match step {
                FleetExit::Stopped { node: n, exit: Exit::Stepped(0) } => assert_eq!(n, node),
                FleetExit::Stopped { node: n, exit: Exit::Break(0) } => stops[n as usize] += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(stops.iter().all(|n| *n >= 10), "{stops:?}");
    assert!(heard == said, "another transcript");
    assert_eq!(fleet.digest(), plain.digest());
}

#[test]
fn slice_commands_in_a_stopped_epoch_replay() {
    let mut desk = Desk::microbits(2);
    let saved = desk.fleet.save();
    let old = desk.fleet.journal().len();
    desk.wreck(0);
    let end = desk.fleet.now() + S;
    assert!(matches!(desk.fleet.run_until(end, &Serial), FleetExit::Stopped { .. }));
    // The epoch is open: node 1 may be ahead of the fleet's time.
    desk.say(1, "1+1\r");
    desk.act(0, Act::Reset(ResetKind::Pin));
    let said = run_to(&mut desk.fleet, end.0, &Serial);
    let mut again = Desk::new(&microbits(2)).fleet;
    again.load(&saved).expect("what was saved loads");
    desk.fleet.journal()[old..].iter().for_each(|c| again.apply(c.clone()));
    let mut replay = run_to(&mut again, end.0, &Serial);
    replay.drain(..replay.len() - said.len());
    assert!(replay == said, "another transcript");
    assert_eq!(again.journal(), desk.fleet.journal());
    assert_eq!(again.digest(), desk.fleet.digest());
}

#[test]
fn slice_commands_for_nobody_or_nothing_do_nothing() {
    let mut desk = Desk::microbits(1);
    for (node, act) in [
        (99, Act::Reset(ResetKind::PowerOn)),
        (0, Act::Text { console: 77, bytes: vec![0; 10] }),
        (0, Act::Text { console: 0, bytes: vec![] }),
        (0, Act::Input { device: "nothing".into(), name: "x".into(), value: i64::MIN }),
        (0, Act::Input { device: "accelerometer".into(), name: "y".into(), value: i64::MIN }),
        (0, Act::Input { device: "temp".into(), name: "temperature".into(), value: i64::MAX }),
        (0, Act::WriteRegister { reg: 9999, value: 1 }),
        (0, Act::WriteMemory { addr: u64::MAX - 3, bytes: vec![1; 64] }),
        (0, Act::Move([f64::NAN, f64::INFINITY, -0.0])),
    ] {
        desk.act(node, act);
    }
    assert!(desk.pass(100 * MS).is_empty());
    assert_eq!(desk.ask(0, "6*7"), "42");
    desk.ask(0, "from microbit import *; import radio; radio.on(); radio.send('x')");
    desk.ask(0, "temperature(), accelerometer.get_values()");
}

#[test]
fn slice_a_slice_of_nothing_still_goes_on() {
    let mut desk = Desk::microbits(1);
    desk.fleet.slice = 0;
    let now = desk.fleet.now();
    assert_eq!(desk.fleet.run_until(now + 1000, &Serial), FleetExit::Reached);
    assert_eq!(desk.fleet.run_until(now, &Serial), FleetExit::Reached, "no way back");
    assert_eq!(desk.fleet.now(), now + 1000);
}

#[test]
fn slice_lots_of_text_at_once_arrives_whole() {
    // More than the UART holds: the sender waits for room.
    let mut desk = Desk::new("[node.n]\nmachine = \"mps2-an385\"\nimage = \"mps2-an385-micropython\"\n");
    desk.hear(0, PROMPT);
    let line = format!("len('{}')", "x".repeat(3000));
    assert_eq!(desk.ask(0, &line), "3000");
}

#[test]
fn slice_scenario_tells_what_went_wrong() {
    let text = "[node.bit]\nmachine = \"microbit\"\nimage = \"microbit-micropython\"\n[[step]]\nexpect = \"C>\"\nwithin = \"2s\"\n";
    let report = scenario("wrong.toml", text).run(&Serial, &mut ());
    let failure = report.failure.expect("a micro:bit has no such prompt");
    assert!(report.timed_out && report.time == Time(2 * S));
    assert!(failure.starts_with("wrong.toml:4: waited for \"C>\" from bit\n"), "{failure}");
    assert!(
        failure.contains("\n    >>> \n") && failure.ends_with("again: flotilla test wrong.toml --seed 1"),
        "{failure}"
    );
}

proptest! {
    #![proptest_config(emu_testkit::cases(64))]

    #[test]
    fn slice_broken_saves_are_refused_or_run(at in 0.0..1.0f64, bit in 0..8u8, cut: bool) {
        let mut desk = Desk::new("[group.b]\ncount = 2\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n");
        desk.pass(200 * MS);
        let mut saved = desk.fleet.save();
        let i = (at * saved.len() as f64) as usize;
        if cut { saved.truncate(i) } else { saved[i] ^= 1 << bit }
        let mut fleet = Desk::new("[group.b]\ncount = 2\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n").fleet;
        let loaded = fleet.load(&saved);
        prop_assert!(!cut || loaded.is_err());
    }

    #[test]
    fn slice_fleet_files_of_any_text_are_read_or_refused(text in "(\\[(node|group|radio|step)(\\.[ab])?\\]\n|[a-z]{1,8} = (-?[0-9]{1,19}|\"[a-z.#]{0,5}\"|nan|\\[[0-9, ]*\\])\n|\\[\\[(link|step)\\]\\]\n){0,12}") {
        let _ = config::load("f.toml", &text, None, &Shelf);
        let _ = fleet::scenario::load("s.toml", &text, None, &Shelf);
    }
}
