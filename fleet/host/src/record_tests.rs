//! Recording while a fleet runs, a disk that fills up, and virtual time that a person stops.

use crate::{End, HostEvent, Note, Plan, Recording, Runner, Watcher, io, load, record};
use emu_core::Time;
use fleet::{
    Act, Command, ConsoleByte, Fleet, Serial,
    record::{Replayed, Session, Subject, replay},
};
use std::{
    io::Write,
    ops::ControlFlow,
    sync::{Arc, Mutex},
};
use tokio::sync::mpsc;

fn beacon() -> Fleet {
    let board = load::board("microbit").expect("it ships");
    let firmware = load::firmware("demo-beacon", None).expect("it ships");
    let node = load::node(0, "bit", board, &firmware, 1).expect("it fits");
    load::fleet(1, None, vec![node])
}

fn header() -> fleet::record::Header {
    let subject = Subject::Image { image: "demo-beacon".into(), machine: "microbit".into(), at: None };
    record::Noted::new(&load::Folder::of("".as_ref())).header(subject, 1)
}

/// A disk with room for so many bytes.
#[derive(Clone)]
struct Disk(Arc<Mutex<Vec<u8>>>, usize);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut all = self.0.lock().expect("one thread");
        let n = bytes.len().min(self.1 - all.len());
        all.extend(&bytes[..n]);
        if n == 0 { Err(std::io::Error::other("no space left")) } else { Ok(n) }
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Notes what it is told; goes on with a pause as soon as it has begun.
struct Notes(Vec<Note>, Option<io::EventSender>, HostEvent);

impl Watcher for Notes {
    fn console(&mut self, _: &[ConsoleByte]) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
    fn note(&mut self, _: &Fleet, note: Note) {
        if let (Note::Paused(true), Some(events)) = (&note, &self.1) {
            let event = if matches!(self.2, HostEvent::Quit) { HostEvent::Quit } else { HostEvent::Pause };
            events.send(event).expect("the runner listens");
        }
        self.0.push(note);
    }
}

/// Runs 3.5 s on a disk with `room` bytes, and presses a button.
fn run(room: usize) -> (Vec<Note>, Vec<u8>, u128) {
    let disk = Disk(Arc::default(), room);
    let mut fleet = beacon();
    let act = Act::Input { device: "button-a".into(), name: "pressed".into(), value: 1 };
    fleet.apply(Command::new(Time::ms(1200), 0, act));
    let (_send, events) = io::events();
    let plan = Plan { end: Some(Time::ms(3500)), ..Plan::default() };
    let recording = Recording::start(Box::new(disk.clone()), header(), &fleet);
    let mut runner = Runner::new(fleet, Box::new(Serial), events, None, plan);
    runner.recording = recording.ok();
    let mut notes = Notes(vec![], None, HostEvent::Quit);
    let end = runner.run(&mut notes);
    // A session that can be written no further ends the run.
    assert_eq!(end, if notes.0.is_empty() { End::TimeUp } else { End::Quit });
    if let Some(recording) = runner.recording.take() {
        let _ = recording.finish(runner.fleet());
    }
    let bytes = disk.0.lock().expect("one thread").clone();
    (notes.0, bytes, runner.fleet().digest())
}

#[test]
fn a_disk_that_fills_up_ends_the_run_and_leaves_what_was_written() {
    let (notes, whole, digest) = run(usize::MAX);
    assert_eq!(notes, vec![]);
    let first = whole.iter().position(|b| *b == b'\n').expect("lines");
    let text = String::from_utf8_lossy(&whole).into_owned();
    let begun = text.find("{\"checkpoint\"").expect("each second");
    let ended = text.find("{\"end\"").expect("it ended");
    let rooms = [0, 10, first + 1, first + 50, whole.len() / 2, whole.len() - 100, whole.len() - 1];
    for room in rooms {
        let (notes, bytes, same) = run(room);
        assert_eq!(&bytes[..], &whole[..room]);
        // Of the first lines and the last one the caller is told, not the watcher.
        let failed = notes.iter().filter(|n| matches!(n, Note::RecordingFailed(_))).count();
        assert!(failed == notes.len() && failed <= 1, "{notes:?}");
        assert_eq!(failed == 1, room > begun && room < ended, "{room} of {}", whole.len());
        assert_eq!(same == digest, failed == 0);
        if room > first {
            let (session, _) = Session::read(&String::from_utf8_lossy(&bytes)).expect("readable");
            let replayed = replay(&session, &mut beacon(), &Serial, None, &mut ());
            assert_eq!(replayed.mismatch, None);
        }
    }
    let (session, warnings) = Session::read(&String::from_utf8_lossy(&whole)).expect("readable");
    assert_eq!(warnings, Vec::<String>::new());
    let mut fleet = beacon();
    let replayed = replay(&session, &mut fleet, &Serial, None, &mut ());
    assert_eq!((replayed, fleet.digest()), (Replayed { checked: 4, mismatch: None }, digest));
}

fn paused(then: HostEvent) -> (End, Vec<Note>, Time) {
    let (send, events) = io::events();
    let plan = Plan { end: Some(Time::ms(50)), live: true, ..Plan::default() };
    let mut runner = Runner::new(beacon(), Box::new(Serial), events, None, plan);
    send.send(HostEvent::Pause).expect("room");
    let mut notes = Notes(vec![], Some(send), then);
    let end = runner.run(&mut notes);
    (end, notes.0, runner.fleet().now())
}

#[test]
fn a_person_stops_virtual_time_and_lets_it_go_on() {
    let both = vec![Note::Paused(true), Note::Paused(false)];
    assert_eq!(paused(HostEvent::Pause), (End::TimeUp, both.clone(), Time::ms(50)));
    assert_eq!(paused(HostEvent::Quit), (End::Quit, both, Time::ZERO));
}

/// Types and quits in one breath once the guest has printed something; before that a debugger may stop the fleet.
struct Typist {
    events: io::EventSender,
    gdb: Option<mpsc::Sender<Vec<u8>>>,
    done: bool,
}

impl Watcher for Typist {
    fn console(&mut self, bytes: &[ConsoleByte]) -> ControlFlow<()> {
        if !bytes.is_empty() && !std::mem::replace(&mut self.done, true) {
            let send = |event| self.events.send(event).expect("room");
            if let Some(gdb) = self.gdb.take() {
                send(HostEvent::Connected(0, gdb));
                send(HostEvent::Debugger(0, b"$?#3f$M20000800,1:01#cf".to_vec()));
            }
            send(HostEvent::Typed(b"1+1\r".to_vec()));
            send(HostEvent::Quit);
        }
        ControlFlow::Continue(())
    }
    fn note(&mut self, _: &Fleet, _: Note) {}
}

#[test]
fn mend_what_is_typed_right_before_the_end_replays() {
    for held in [false, true] {
        let disk = Disk(Arc::default(), usize::MAX);
        let (send, events) = io::events();
        let (gdb, _answers) = mpsc::channel(8);
        let fleet = beacon();
        let recording = Recording::start(Box::new(disk.clone()), header(), &fleet).expect("room");
        let plan = Plan { typed_to: Some((0, 0)), live: true, ..Plan::default() };
        let mut runner = Runner::new(fleet, Box::new(Serial), events, None, plan);
        runner.recording = Some(recording);
        let end = runner.run(&mut Typist { events: send, gdb: held.then_some(gdb), done: false });
        assert_eq!(end, End::Quit);
        let recording = runner.recording.take().expect("it goes on");
        recording.finish(runner.fleet()).expect("room");
        let digest = runner.fleet().digest();
        let text = String::from_utf8(disk.0.lock().expect("one thread").clone()).expect("text");
        assert!(text.contains("1+1"), "{text}");
        let (session, _) = Session::read(&text).expect("readable");
        let mut fleet = beacon();
        let replayed = replay(&session, &mut fleet, &Serial, None, &mut ());
        assert_eq!((replayed.mismatch, fleet.digest()), (None, digest), "held: {held}");
    }
}
