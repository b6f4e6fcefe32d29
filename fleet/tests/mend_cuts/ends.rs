//! Where a run ends, and in which order its ends are told, does not depend on slices and threads.

use crate::desk::{Shelf, fleet};
use emu_core::{Time, save};
use fleet::{
    ConsoleByte, Executor, Fleet, GRID, Serial, grid_after,
    record::{Mismatch, Session, Subject, replay},
    scenario,
};
use fleet_host::{End, Note, Plan, Pool, Recording, Runner, Watcher, io, load::Folder, record::Noted};
use std::{
    io::Write,
    ops::ControlFlow,
    sync::{Arc, Mutex},
};

/// What was told, in order.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Byte(ConsoleByte),
    Note(Note),
}

impl Told {
    fn at(&self) -> Time {
        match self {
            Told::Byte(b) => b.at,
            Told::Note(Note::Exited { at, .. } | Note::LockedUp { at, .. }) => *at,
            Told::Note(other) => panic!("{other:?}"),
        }
    }
}

/// Listens until a node's console has printed a text.
struct Listener {
    until: Option<&'static [u8]>,
    told: Vec<Told>,
    lines: Vec<Vec<u8>>,
}

impl Watcher for Listener {
    fn console(&mut self, bytes: &[ConsoleByte]) -> ControlFlow<()> {
        let mut found = false;
        for b in bytes {
            self.told.push(Told::Byte(*b));
            let line = &mut self.lines[b.node as usize];
            line.push(b.byte);
            found |= self.until.is_some_and(|text| line.ends_with(text));
        }
        if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
    fn note(&mut self, _: &Fleet, note: Note) {
        self.told.push(Told::Note(note));
    }
}

/// A session in memory.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Vec<u8>>>);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("one thread").write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
struct Outcome {
    end: End,
    now: Time,
    digest: u128,
    told: Vec<Told>,
    session: String,
}

fn run(toml: &str, until: Option<&'static str>, slice: u64, executor: Box<dyn Executor>) -> Outcome {
    let mut fleet = fleet(toml);
    fleet.slice = slice;
    let lines = vec![vec![]; fleet.nodes().len()];
    let disk = Disk::default();
    let subject = Subject::Image { image: "cuts".into(), machine: "several".into(), at: None };
    let header = Noted::new(&Folder::of("".as_ref())).header(subject, 1);
    let recording = Recording::start(Box::new(disk.clone()), header, &fleet);
    let (_send, events) = io::events();
    let plan = Plan { watched: until.is_some(), ..Plan::default() };
    let mut runner = Runner::new(fleet, executor, events, None, plan);
    let mut listener = Listener { until: until.map(str::as_bytes), told: vec![], lines };
    let end = runner.run(&mut listener);
    recording.expect("room").finish(runner.fleet()).expect("room");
    let session = String::from_utf8(disk.0.lock().expect("one thread").clone()).expect("JSON");
    let fleet = runner.fleet();
    Outcome { end, now: fleet.now(), digest: fleet.digest(), told: listener.told, session }
}

/// Runs it in every way; the same comes of all.
fn same_every_way(toml: &str, until: Option<&'static str>) -> Outcome {
    let first = run(toml, until, u64::MAX, Box::new(Serial));
    for (slice, threads) in [(1_000_000, 1), (10_000_000, 1), (333_333, 2), (u64::MAX, 2)] {
        let next = run(toml, until, slice, Box::new(Pool::new(threads)));
        assert!(next == first, "slices of {slice} ns, {threads} threads:\n{next:?}\n{first:?}");
    }
    assert!(first.told.is_sorted_by_key(Told::at), "out of order of time");
    assert!(first.now.0.is_multiple_of(GRID), "{first:?}");
    first
}

fn mps2(images: &[&str]) -> String {
    let node =
        |(i, image): (usize, &&str)| format!("[node.n{i}]\nmachine = \"mps2-an385\"\nimage = \"{image}\"\n");
    images.iter().enumerate().map(node).collect()
}

const LISTENER: &str = "[node.rx]\nmachine = \"microbit\"\nimage = \"rxprint\"\n";

#[test]
fn mend_a_run_ends_at_the_grid_after_the_text() {
    for images in [&["end-soon"][..], &["end-soon", "end-later", "talk", "lock"], &["lock", "end-soon"]] {
        let outcome = same_every_way(&mps2(images), Some("done\n"));
        assert_eq!(outcome.end, End::Seen, "{images:?}");
        let bytes: Vec<_> = outcome.told.iter().filter(|t| matches!(t, Told::Byte(_))).collect();
        let seen =
            bytes.iter().rev().find(|t| matches!(t, Told::Byte(b) if b.byte == b'\n')).expect("a line");
        assert!(outcome.now <= grid_after(seen.at()), "{:?} after {:?}", outcome.now, seen.at());
    }
}

#[test]
fn mend_a_run_ends_at_the_grid_after_the_last_guest_stopped() {
    for toml in [
        mps2(&["end-soon", "end-later", "lock"]),
        mps2(&["lock"]),
        mps2(&["end-soon", "end-soon", "lock", "lock"]),
    ] {
        let outcome = same_every_way(&toml, None);
        let last = outcome.told.iter().filter(|t| matches!(t, Told::Note(_))).map(Told::at).max();
        assert_eq!((outcome.end, Some(outcome.now)), (End::Stopped, last.map(grid_after)), "{toml}");
    }
}

/// Quiet fleets of this size take long steps.
#[test]
fn mend_the_steps_of_a_large_fleet_do_not_show_in_its_end() {
    let toml = "[group.q]\ncount = 200\nmachine = \"mps2-an385\"\nimage = \"end-quiet\"\n";
    for until in [None, Some("done\n")] {
        let first = run(toml, until, u64::MAX, Box::new(Pool::new(2)));
        let next = run(toml, until, 50_000_000, Box::new(Serial));
        assert!(
            next == first,
            "{:?} {:?}",
            (next.end, next.now, next.digest),
            (first.end, first.now, first.digest)
        );
        let last = first.told.iter().map(Told::at).max().expect("something");
        assert!(first.now <= grid_after(last), "{:?} after {last:?}", first.now);
    }
}

/// Nodes that wait at barriers and nodes that run ahead of them print and stop.
#[test]
fn mend_what_is_told_is_in_order_of_time() {
    let toml = LISTENER.to_string() + &mps2(&["end-soon", "end-later", "lock", "talk"]);
    let outcome = same_every_way(&toml, Some("done\n"));
    assert_eq!(outcome.end, End::Seen);
    let ends = LISTENER.to_string() + &mps2(&["lock", "end-soon", "end-later"]);
    let mut fleet = fleet(&ends);
    let mut told = vec![];
    loop {
        let exit = fleet.run_until(Time::ms(120), &Serial);
        told.extend(fleet.take_console().iter().map(|b| b.at));
        match exit {
            fleet::FleetExit::Reached => break,
            fleet::FleetExit::Exited { node, .. } | fleet::FleetExit::Stopped { node, .. } => {
                told.push(fleet.nodes().nth(node as usize).expect("a node").now());
            }
            fleet::FleetExit::Interrupted => unreachable!(),
        }
    }
    assert!(told.is_sorted() && told.len() > 300);
}

#[test]
fn mend_a_recorded_end_is_replayed_and_checked() {
    for (images, until) in
        [(&["end-soon", "end-later", "talk", "lock"][..], Some("done\n")), (&["end-soon", "lock"], None)]
    {
        let toml = mps2(images);
        let outcome = run(&toml, until, u64::MAX, Box::new(Serial));
        let (session, warnings) = Session::read(&outcome.session).expect("a session");
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(session.end, Some(outcome.now));
        for slice in [u64::MAX, 100_000] {
            let mut again = fleet(&toml);
            again.slice = slice;
            let replayed = replay(&session, &mut again, &Serial, None, &mut ());
            assert!(replayed.checked > 0 && replayed.mismatch.is_none(), "{replayed:?}");
            assert_eq!(again.digest(), outcome.digest);
            // And another end is noticed.
            let wrong = outcome.session.replace(&format!("{:032x}", outcome.digest), &format!("{:032x}", 7));
            let (wrong, _) = Session::read(&wrong).expect("a session");
            let replayed = replay(&wrong, &mut fleet(&toml), &Serial, None, &mut ());
            assert!(matches!(replayed.mismatch, Some(Mismatch::Digest { .. })), "{replayed:?}");
        }
    }
}

#[test]
fn mend_a_scenario_that_meets_a_lockup_ends_at_its_tick() {
    let toml = LISTENER.to_string() + &mps2(&["end-soon", "lock", "talk"]) + "[[step]]\nwait = \"300ms\"\n";
    let outcome = |slice: u64, executor: &dyn Executor| {
        let mut s = scenario::load("s.toml", &toml, None, &Shelf).unwrap_or_else(|e| panic!("{e}"));
        s.fleet.slice = slice;
        let report = s.run(executor, &mut ());
        assert!(report.lockup && report.failure.is_some());
        assert!(
            report.time.0.is_multiple_of(scenario::TICK) && report.time > Time::ms(10),
            "{}",
            report.time
        );
        (report.time, report.digest, save::to_bytes(&report.consoles))
    };
    let first = outcome(u64::MAX, &Serial);
    for slice in [1_000_000, 77_777] {
        assert!(outcome(slice, &Serial) == first, "slices of {slice} ns");
    }
    assert!(outcome(u64::MAX, &Pool::new(2)) == first, "two threads");
}
