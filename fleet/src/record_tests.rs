//! Sessions are recorded, read, repeated and exported.

use crate::{
    Act, Command, Executor, Fleet, FleetExit, Serial, config,
    determinism::tests::{COUNTERS, Shelf, build},
    export::Export,
    record::{Header, Mismatch, Recorder, Replayed, Session, Subject, VERSION, replay},
    scenario,
};
use emu_core::{Time, device::ResetKind, machine::Exit};
use std::collections::BTreeMap;

const MS: u64 = 1_000_000;

fn header() -> Header {
    let subject = Subject::Fleet { file: "f.toml".into(), text: COUNTERS.into() };
    let images = BTreeMap::from([("raw".to_string(), "0".to_string())]);
    Header {
        version: VERSION,
        subject,
        seed: 1,
        nodes: vec![],
        images,
        boards: BTreeMap::new(),
        instead: BTreeMap::new(),
    }
}

/// Runs to `end` and writes what happens, as the edge does.
fn go(fleet: &mut Fleet, r: &mut Recorder, text: &mut String, end: u64) -> FleetExit {
    let exit = fleet.run_until(Time(end), &Serial);
    *text += &r.take(fleet, exit == FleetExit::Reached);
    exit
}

fn input(value: i64) -> Act {
    Act::Input { device: "fpgaio".into(), name: "button0".into(), value }
}

/// A run in which somebody types, moves, resets and drifts; its lines.
fn session(mut meddle: impl FnMut(&mut Fleet, &mut Recorder, &mut String)) -> (String, u128) {
    let mut fleet = build();
    let typed = Act::Text { console: 0, bytes: b"hi \"there\"\\\r\x03".to_vec() };
    fleet.apply(Command::new(Time(5 * MS + 1), 1, typed));
    let (mut r, mut text) = Recorder::start(header(), &fleet, 10 * MS);
    for to in [10 * MS, 12_345_678] {
        go(&mut fleet, &mut r, &mut text, to);
    }
    let now = fleet.now();
    fleet.apply(Command::new(now, 0, input(1)));
    fleet.apply(Command::new(now, 1, Act::Move([1.0, 0.1, -2.5])));
    go(&mut fleet, &mut r, &mut text, 20 * MS);
    meddle(&mut fleet, &mut r, &mut text);
    fleet.apply(Command::new(fleet.now(), 1, Act::Reset(ResetKind::Pin)));
    go(&mut fleet, &mut r, &mut text, 30 * MS);
    go(&mut fleet, &mut r, &mut text, 33 * MS);
    text += &r.finish(&mut fleet);
    (text, fleet.digest())
}

fn repeat(session: &Session, slice: u64) -> (Replayed, Fleet) {
    let mut fleet = build();
    fleet.slice = slice;
    let replayed = replay(session, &mut fleet, &Serial, None, &mut ());
    (replayed, fleet)
}

#[track_caller]
fn same(text: &str, digest: u128, checkpoints: usize) {
    let (session, warnings) = Session::read(text).expect("it was just written");
    assert_eq!(warnings, Vec::<String>::new());
    for slice in [u64::MAX, 777_777] {
        let (replayed, mut fleet) = repeat(&session, slice);
        assert_eq!(replayed, Replayed { checked: checkpoints, mismatch: None }, "{text}");
        assert_eq!((fleet.now(), fleet.digest()), (Time(33 * MS), digest));
    }
}

#[test]
fn a_session_repeats() {
    let (text, digest) = session(|_, _, _| {});
    same(&text, digest, 4); // 10, 20, 30 and the end at 33 ms
    assert!(text.contains("\"text\":\"hi \\\"there"), "{text}");
}

/// Stops node `n` as a debugger does, lets it write, and goes on.
fn debug(fleet: &mut Fleet, n: u32) {
    let node = fleet.node_mut(n).expect("it is there");
    node.machine.bus.breakpoints.insert(0x44);
    // A node that is through with an epoch in which another one stopped comes to its breakpoint in the next.
    let steps = (1..4).map(|i| Time(fleet.now().0 + i * MS / 10)).collect::<Vec<_>>();
    let mut exits = steps.into_iter().map(|t| fleet.run_until(t, &Serial));
    let exit = exits.find(|e| *e != FleetExit::Reached).expect("it comes to the breakpoint");
    assert!(matches!(exit, FleetExit::Stopped { node, exit: Exit::Break(0) } if node == n), "{exit:?}");
    let write = |act| Command::new(Time::ZERO, n, act);
    assert!(fleet.apply_stopped(write(Act::WriteRegister { reg: 0, value: 0x1234 })));
    let bytes = vec![1, 2, 3];
    assert!(fleet.apply_stopped(write(Act::WriteMemory { addr: 0x2000_0200, bytes })));
    fleet.node_mut(n).expect("it is there").machine.bus.breakpoints.clear();
}

#[test]
fn a_debuggers_writes_at_a_stop_repeat_at_that_very_instruction() {
    let (text, digest) = session(|fleet, r, text| {
        debug(fleet, 0);
        debug(fleet, 1);
        go(fleet, r, text, 25 * MS);
    });
    assert!(text.contains("WriteRegister"));
    same(&text, digest, 4);
}

#[test]
fn a_debuggers_writes_at_a_drifting_node_repeat() {
    let (text, digest) = session(|fleet, r, text| {
        let now = fleet.now();
        fleet.apply(Command::new(now, 0, Act::Drift { ppm: 123 }));
        fleet.apply(Command::new(now, 1, Act::Drift { ppm: -77_777 }));
        go(fleet, r, text, 21 * MS + 1);
        debug(fleet, 1);
        debug(fleet, 0);
        go(fleet, r, text, 25 * MS);
    });
    same(&text, digest, 4);
}

#[test]
fn a_sleeper_that_a_debugger_resets_while_another_node_stands_still_repeats() {
    let machine = "machine = \"mps2-an385\"\nat = 0\n";
    let text = format!("[node.a]\n{machine}image = \"raw\"\n[node.b]\n{machine}image = \"sleep\"\n");
    let build = || config::load("f.toml", &text, None, &Shelf).expect("a fleet").0;
    let mut fleet = build();
    let (mut r, mut lines) = Recorder::start(header(), &fleet, 10 * MS);
    go(&mut fleet, &mut r, &mut lines, 3 * MS + 7);
    debug(&mut fleet, 0);
    assert!(fleet.apply_stopped(Command::new(Time::ZERO, 1, Act::Reset(ResetKind::Pin))));
    go(&mut fleet, &mut r, &mut lines, 20 * MS);
    lines += &r.finish(&mut fleet);
    let (session, _) = Session::read(&lines).expect("it was just written");
    let replayed = replay(&session, &mut build(), &Serial, None, &mut ());
    assert_eq!(replayed, Replayed { checked: 2, mismatch: None }, "{lines}");
}

#[test]
fn a_run_that_ends_at_a_stop_has_no_last_digest() {
    let mut fleet = build();
    let (r, mut text) = Recorder::start(header(), &fleet, 10 * MS);
    debug(&mut fleet, 0);
    text += &r.finish(&mut fleet);
    let (session, _) = Session::read(&text).expect("it was just written");
    assert!(text.lines().last().is_some_and(|l| l.contains("\"digest\":null")), "{text}");
    let (replayed, _) = repeat(&session, u64::MAX);
    assert_eq!(replayed, Replayed { checked: 0, mismatch: None });
}

#[test]
fn what_is_not_as_recorded_is_told() {
    let (text, _) = session(|_, _, _| {});
    let other = text.replacen("\"retired\":231481", "\"retired\":231482", 1);
    let (session, _) = Session::read(&other).expect("a session");
    let wanted = Mismatch::Retired { at: Time(12_345_678), node: 0, wanted: 231_482, got: 231_481 };
    assert_eq!(repeat(&session, u64::MAX).0, Replayed { checked: 1, mismatch: Some(wanted) }, "{text}");
    let other = text.replacen("\"value\":1", "\"value\":0", 1);
    let (session, _) = Session::read(&other).expect("a session");
    let Some(Mismatch::Digest { same, at, .. }) = repeat(&session, u64::MAX).0.mismatch else { panic!() };
    assert_eq!((same, at), (Time(10 * MS), Time(20 * MS)));
}

#[test]
fn a_session_that_was_cut_off_anywhere_is_read_up_to_there() {
    let (text, _) = session(|_, _, _| {});
    let first = text.find('\n').expect("lines");
    for end in (0..text.len()).filter(|e| text.is_char_boundary(*e)) {
        match Session::read(&text[..end]) {
            Err(e) => assert!(e.line == 1 && end < first, "{end}: {e}"),
            Ok((s, warnings)) => {
                assert!(end >= first && s.end.is_none() == (end < text.len() - 1), "{end}");
                assert_eq!(warnings.is_empty(), s.end.is_some());
            }
        }
    }
    let (s, _) = Session::read(&text[..text.len() - 40]).expect("its last line is cut off");
    assert_eq!(repeat(&s, u64::MAX).0, Replayed { checked: 3, mismatch: None });
}

#[test]
fn what_is_no_session_is_said_with_its_line() {
    let (text, _) = session(|_, _, _| {});
    let error = |text: &str| Session::read(text).expect_err("no session").to_string();
    assert_eq!(error(""), "line 1: the file is empty");
    assert_eq!(error("[1]\n"), "line 1: this is no recorded session");
    assert!(error("hello\n").starts_with("line 1: this is no recorded session: "));
    let later = text.replacen("\"version\":1", "\"version\":9", 1);
    assert_eq!(error(&later), "line 1: the session has version 9 of the format; this program reads 1");
    let broken = text.replacen("{\"checkpoint\"", "{\"checkpont\"", 1);
    assert!(error(&broken).starts_with("line 4: unknown variant `checkpont`"), "{}", error(&broken));
    let unknown = text.replacen("\"node\":\"m.0\"", "\"node\":\"m.7\"", 1);
    assert!(error(&unknown).ends_with("no node is called `m.7`"));
    let late = text.replacen("\"at\":12345678", "\"at\":18446744073709551615", 1);
    assert!(error(&late).ends_with("18446744073709551615 ns are more than a hundred years"));
    assert!(error(&format!("{text}{text}")).ends_with("something follows the end"));
}

fn export(text: &str, executor: &dyn Executor) -> (String, usize) {
    let (session, _) = Session::read(text).expect("a session");
    let mut fleet = build();
    let mut export = Export::of(&session);
    replay(&session, &mut fleet, executor, None, &mut export);
    let left_out = export.left_out();
    (export.finish(&session, fleet.now()).expect("a scenario"), left_out)
}

#[test]
fn an_exported_session_is_a_scenario_that_ends_the_same() {
    let (text, digest) = session(|_, _, _| {});
    let (toml, left_out) = export(&text, &Serial);
    assert_eq!(left_out, 0, "{toml}");
    let mut s = scenario::load("s.toml", &toml, None, &Shelf).unwrap_or_else(|e| panic!("{e}\n{toml}"));
    let report = s.run(&Serial, &mut ());
    assert_eq!(report.failure, None, "{toml}");
    assert_eq!((report.time, report.digest), (Time(33 * MS), digest), "{toml}");
}

#[test]
fn what_has_no_step_is_a_comment() {
    let (text, _) = session(|fleet, _, _| debug(fleet, 0));
    let (toml, left_out) = export(&text, &Serial);
    assert_eq!(left_out, 2);
    assert!(toml.contains("m.0: no step does this: \"WriteRegister { reg: 0, value: 4660 }\""), "{toml}");
    scenario::load("s.toml", &toml, None, &Shelf).unwrap_or_else(|e| panic!("{e}\n{toml}"));
}

#[test]
fn mend_who_ran_ahead_of_a_stop_stands_in_no_digest() {
    let mut fleet = build();
    fleet.node_mut(0).expect("two nodes").machine.bus.breakpoints.insert(0x42);
    let exit = fleet.run_until(Time(20 * MS), &Serial);
    assert!(matches!(exit, FleetExit::Stopped { node: 0, exit: Exit::Break(_) }), "{exit:?}");
    fleet.node_mut(0).expect("two nodes").machine.bus.breakpoints.clear();
    assert_eq!(fleet.run_until(Time(10 * MS), &Serial), FleetExit::Reached);
    let times: Vec<_> = fleet.nodes().map(|n| n.now()).collect();
    assert_eq!(times, [Time(10 * MS), Time(20 * MS)], "neither is on a medium");
    assert!(!fleet.between_epochs());
    let (mut r, _) = Recorder::start(header(), &fleet, 1);
    assert_eq!(r.take(&mut fleet, true), "");
    assert!(r.finish(&mut fleet).contains("\"digest\":null"));
    assert_eq!(fleet.run_until(Time(20 * MS), &Serial), FleetExit::Reached);
    assert!(fleet.between_epochs());
}

#[test]
fn mend_what_is_still_to_come_at_a_checkpoint_or_at_the_end_repeats() {
    let (text, digest) = session(|fleet, r, text| {
        let now = fleet.now();
        fleet.apply(Command::new(now, 0, input(1)));
        fleet.apply(Command::new(now + 7 * MS, 0, input(0))); // within one stretch of the recording
        fleet.apply(Command::new(now + 11 * MS, 1, Act::Drift { ppm: 20 })); // beyond a checkpoint
        fleet.apply(Command::new(now + 500 * MS, 0, input(1))); // beyond the end
        go(fleet, r, text, 25 * MS);
        debug(fleet, 1);
        let now = fleet.now();
        fleet.apply(Command::new(now + 6 * MS, 0, input(0)));
    });
    assert_eq!(text.matches("{\"given\":").count(), 4, "{text}");
    same(&text, digest, 4);
}
