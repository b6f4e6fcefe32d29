//! Runs as the program makes them: threads, ends, commands, notes.

use emu_core::Time;
use fleet::{ConsoleByte, Fleet, Serial};
use fleet_host::{End, HostEvent, Note, Plan, Pool, Runner, Watcher, io, load, pty::Pty};
use std::{
    io::{Read, Write},
    ops::ControlFlow,
};

/// Remembers everything.
#[derive(Default)]
struct Diary {
    bytes: Vec<ConsoleByte>,
    notes: Vec<Note>,
    stop_at: Option<usize>,
    /// The most that came at once.
    most: usize,
}

impl Diary {
    /// What node 0 printed.
    fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().filter(|b| b.node == 0).map(|b| b.byte).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Watcher for Diary {
    fn console(&mut self, bytes: &[ConsoleByte]) -> ControlFlow<()> {
        self.bytes.extend(bytes);
        self.most = self.most.max(bytes.len());
        match self.stop_at {
            Some(n) if self.bytes.len() >= n => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
    fn note(&mut self, _: &Fleet, note: Note) {
        self.notes.push(note);
    }
}

fn fleet(image: &str, nodes: u32) -> Fleet {
    let firmware = load::firmware(image, None).expect("it ships");
    let machine = load::usual_machine(image).expect("it is in the catalogue");
    let node = |id| {
        let board = load::board(machine).expect("it ships");
        let mut node = load::node(id, &format!("n{id}"), board, &firmware, 5).expect("it fits");
        node.position = [f64::from(id), 0.0, 0.0];
        node
    };
    load::fleet(5, None, (0..nodes).map(node).collect())
}

fn until(ms: u64) -> Plan {
    Plan { end: Some(Time::ms(ms)), ..Plan::default() }
}

/// How a run of `fleet` on `threads` ended, its digest and what it printed.
fn run(fleet: Fleet, threads: usize, plan: Plan) -> (End, u128, Diary) {
    let (_keep, events) = io::events();
    let mut runner = Runner::new(fleet, Box::new(Pool::new(threads)), events, None, plan);
    let mut diary = Diary::default();
    let end = runner.run(&mut diary);
    (end, runner.fleet().digest(), diary)
}

#[test]
fn any_number_of_threads_gives_the_same_run() {
    // Busy machines without a medium: long epochs, which are worth a thread.
    let mut plain = fleet("bench", 5);
    plain.run_until(Time::ms(50), &Serial);
    let want = plain.digest();
    for threads in [1, 2, 3, 8] {
        let (end, digest, _) = run(fleet("bench", 5), threads, until(50));
        assert_eq!((end, digest), (End::TimeUp, want), "{threads} threads");
    }
    // Machines that talk: short epochs.
    let once = run(fleet("demo-beacon", 6), 1, until(1500));
    assert!(once.2.text().contains("heard"));
    for threads in [2, 8] {
        let again = run(fleet("demo-beacon", 6), threads, until(1500));
        assert_eq!((again.1, &again.2.bytes), (once.1, &once.2.bytes), "{threads} threads");
    }
}

#[test]
fn digests_come_when_planned_and_change_nothing() {
    let plan = Plan { digest_every: Some(30_000_000), ..until(100) };
    let (_, digest, diary) = run(fleet("demo-beacon", 2), 1, plan);
    let times: Vec<_> = diary
        .notes
        .iter()
        .map(|n| match n {
            Note::Digest(at, _) => *at,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(times, [Time::ms(30), Time::ms(60), Time::ms(90)]);
    assert_eq!(digest, run(fleet("demo-beacon", 2), 1, until(100)).1);
}

/// A guest of mps2-an385 that prints at every second instruction.
fn printer() -> std::sync::Arc<fleet::image::Firmware> {
    let mut image: Vec<u8> = [0x2000_1000u32, 0x41].into_iter().flat_map(u32::to_le_bytes).collect();
    image.resize(0x40, 0);
    // r0 = UART0; BAUDDIV = 16; CTRL = TX enable; DATA = 'x' for ever.
    let code: [u16; 10] = [0x2040, 0x0600, 0x2140, 0x0209, 0x1840, 0x2310, 0x6103, 0x2101, 0x6081, 0x2278];
    image.extend(code.into_iter().chain([0x6002, 0xe7fd]).flat_map(u16::to_le_bytes));
    fleet::image::Firmware::parse("printer", &image, Some(0)).expect("a raw image")
}

#[test]
fn mend_what_many_nodes_print_does_not_pile_up() {
    let printers = || {
        let firmware = printer();
        let board = || load::board("mps2-an385").expect("it ships");
        let node = |id| load::node(id, &format!("n{id}"), board(), &firmware, 5).expect("it fits");
        load::fleet(5, None, (0..250).map(node).collect())
    };
    let (_, digest, diary) = run(printers(), 1, until(4));
    // So many came at once when a step was 10 ms.
    assert!(diary.bytes.len() > 4_000_000, "{} bytes", diary.bytes.len());
    assert!(diary.most < 2_500_000, "{} of {} bytes at once", diary.most, diary.bytes.len());
    assert_eq!(digest, run(printers(), 2, Plan { digest_every: Some(1_700_000), ..until(4) }).1);
}

#[test]
fn a_watcher_ends_a_run() {
    let (_keep, events) = io::events();
    let mut runner = Runner::new(fleet("demo-beacon", 1), Box::new(Serial), events, None, Plan::default());
    let mut diary = Diary { stop_at: Some(5), ..Diary::default() };
    assert_eq!(runner.run(&mut diary), End::Seen);
    assert!(diary.text().starts_with("beaco") && runner.fleet().now() < Time::ms(100));
}

#[test]
fn the_outside_ends_a_run_and_what_it_types_is_in_the_journal() {
    let (send, events) = io::events();
    let plan = Plan { typed_to: Some((0, 0)), ..until(1000) };
    let mut runner = Runner::new(fleet("demo-beacon", 1), Box::new(Serial), events, None, plan);
    send.send(HostEvent::Typed(b"hello".to_vec())).expect("room");
    assert_eq!(runner.run(&mut Diary::default()), End::TimeUp);
    assert_eq!(runner.fleet().journal().len(), 1);
    assert_eq!(runner.fleet().journal()[0].act, fleet::Act::Text { console: 0, bytes: b"hello".to_vec() });

    let (send, events) = io::events();
    let mut runner = Runner::new(fleet("demo-beacon", 1), Box::new(Serial), events, None, Plan::default());
    send.send(HostEvent::Quit).expect("room");
    assert_eq!(runner.run(&mut Diary::default()), End::Quit);
    assert_eq!(runner.fleet().now(), Time::ZERO);
}

#[test]
fn a_pseudo_terminal_changes_no_byte_on_the_way() {
    let mut pty = Pty::open().expect("a pseudo-terminal");
    let mut theirs =
        std::fs::OpenOptions::new().read(true).write(true).open(pty.name()).expect("the other side");
    let all: Vec<u8> = (0..=255).collect();
    let mut got = vec![0; 256];
    pty.ours.write_all(&all).expect("room");
    theirs.read_exact(&mut got).expect("all of it");
    assert_eq!(got, all);
    theirs.write_all(&all).expect("room");
    pty.ours.read_exact(&mut got).expect("all of it");
    assert_eq!(got, all);
}
