//! Properties of whole fleets: a run is the same however it is cut.

use crate::desk::{Desk, MS, PROMPT, microbits, run_to};
use emu_core::{Time, device::ResetKind};
use fleet::{Act, Command, ConsoleByte, Executor, Fleet, Island, Serial};
use proptest::prelude::*;
use std::sync::OnceLock;

/// Always a thread for each island, and islands come back in another order.
struct Scattered;

impl Executor for Scattered {
    fn run(&self, mut islands: Vec<Box<Island>>, until: Time) -> Vec<Box<Island>> {
        std::thread::scope(|s| {
            for i in &mut islands {
                s.spawn(|| i.run_until(until));
            }
        });
        islands.reverse();
        islands
    }
}

/// Three micro:bits with their radios on, 5 m apart, saved at their prompts.
fn three() -> &'static (String, Vec<u8>) {
    static SAVED: OnceLock<(String, Vec<u8>)> = OnceLock::new();
    SAVED.get_or_init(|| {
        let file = microbits(3) + "spacing = 5.0\n";
        let mut desk = Desk::new(&file);
        for i in 0..3 {
            desk.hear(i, PROMPT);
            desk.ask(i, "from microbit import *; import radio; radio.on()");
        }
        let saved = desk.fleet.save();
        (file, saved)
    })
}

fn fresh() -> Fleet {
    let (file, saved) = three();
    let mut fleet = Desk::new(file).fleet;
    fleet.load(saved).expect("what was saved loads");
    fleet
}

const LINES: [&str; 6] = [
    "radio.send('hello')\r",
    "radio.receive()\r",
    "display.scroll(radio.receive())\r",
    "accelerometer.get_values()\r",
    "while True: radio.send_bytes(bytes([running_time() & 255]))\r\r",
    "\x03\r",
];

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..LINES.len()).prop_map(|i| Act::Text { console: 0, bytes: LINES[i].into() }),
        2 => (0..2i64).prop_map(|v| Act::Input { device: "button-a".into(), name: "pressed".into(), value: v }),
        1 => (-2000..2000i64).prop_map(|v| Act::Input { device: "accelerometer".into(), name: "x".into(), value: v }),
        1 => (0.0..100.0f64).prop_map(|x| Act::Move([x, 0.0, 0.0])),
        1 => prop_oneof![Just(ResetKind::Soft), Just(ResetKind::Pin), Just(ResetKind::PowerOn)].prop_map(Act::Reset),
    ]
}

/// Commands in the next 300 ms, at any nanosecond.
fn script() -> impl Strategy<Value = Vec<(u64, u32, Act)>> {
    prop::collection::vec((0..300 * MS, 0..3u32, act()), 1..10)
}

fn started(script: &[(u64, u32, Act)]) -> Fleet {
    let mut fleet = fresh();
    let now = fleet.now();
    for (at, node, act) in script {
        fleet.apply(Command::new(now + *at, *node, act.clone()));
    }
    fleet
}

fn straight(script: &[(u64, u32, Act)], end: u64) -> (u128, Vec<ConsoleByte>) {
    let mut fleet = started(script);
    let said = run_to(&mut fleet, end, &Serial);
    (fleet.digest(), said)
}

fn end() -> u64 {
    fresh().now().0 + 400 * MS
}

proptest! {
    #![proptest_config(emu_testkit::cases(12))]

    #[test]
    fn slice_run_is_the_same_cut_anywhere_by_save_and_load(
        script in script(), cuts in prop::collection::btree_set(0..400 * MS, 1..6), slice in 10_000..50 * MS,
    ) {
        let end = end();
        let (digest, said) = straight(&script, end);
        let mut fleet = started(&script);
        let (mut heard, mut old) = (vec![], vec![]);
        let start = fleet.now().0;
        for cut in cuts {
            heard.extend(run_to(&mut fleet, start + cut, &Serial));
            let saved = fleet.save();
            let mut fresh = Desk::new(&three().0).fleet;
            fresh.slice = slice;
            fresh.load(&saved).expect("what was saved loads");
            prop_assert!(fresh.save() == saved, "saved again it differs");
            old.push((std::mem::replace(&mut fleet, fresh), heard.clone()));
        }
        heard.extend(run_to(&mut fleet, end, &Serial));
        prop_assert!(heard == said, "another transcript");
        prop_assert_eq!(fleet.digest(), digest);
        // Those that were saved go on as if nobody had looked.
        for (mut fleet, mut heard) in old {
            heard.extend(run_to(&mut fleet, end, &Serial));
            prop_assert!(heard == said, "another transcript after being saved");
            prop_assert_eq!(fleet.digest(), digest);
        }
    }

    #[test]
    fn slice_fork_goes_on_like_the_original(script in script(), cut in 0..400 * MS, slice in 10_000..50 * MS) {
        let end = end();
        let (digest, said) = straight(&script, end);
        let mut original = started(&script);
        let start = original.now().0;
        let mut heard = run_to(&mut original, start + cut, &Serial);
        let mut fork = original.fork();
        fork.slice = slice;
        prop_assert_eq!(fork.digest(), original.digest());
        // What the fork does is no business of the original's.
        let mut stray = original.fork();
        stray.apply(Command::new(stray.now(), 1, Act::Reset(ResetKind::PowerOn)));
        stray.run_until(Time(end), &Serial);
        let rest = run_to(&mut fork, end, &Scattered);
        prop_assert!(run_to(&mut original, end, &Serial) == rest, "fork and original print different things");
        heard.extend(rest);
        prop_assert!(heard == said, "another transcript");
        prop_assert_eq!((fork.digest(), original.digest()), (digest, digest));
    }

    #[test]
    fn slice_journal_replays(script in script()) {
        let end = end();
        let mut fleet = started(&script);
        let said = run_to(&mut fleet, end, &Serial);
        let mut again = fresh();
        let old = again.journal().len();
        for command in &fleet.journal()[old..] {
            again.apply(command.clone());
        }
        prop_assert!(run_to(&mut again, end, &Serial) == said, "another transcript");
        prop_assert_eq!(again.journal(), fleet.journal());
        prop_assert_eq!(again.digest(), fleet.digest());
    }
}

/// The line of RTC1 fell with the last instruction before the save, and the save forgot it.
#[test]
fn mend_slice_a_line_that_fell_right_before_a_save_stays_low() {
    let script = [(179_843_821, 0, Act::Text { console: 0, bytes: LINES[4].into() })];
    let end = end();
    let (digest, said) = straight(&script, end);
    let mut fleet = started(&script);
    let cut = fleet.now().0 + 386_586_880;
    let mut heard = run_to(&mut fleet, cut, &Serial);
    let mut loaded = Desk::new(&three().0).fleet;
    loaded.load(&fleet.save()).expect("what was saved loads");
    assert_eq!(loaded.digest(), fleet.digest());
    heard.extend(run_to(&mut loaded, end, &Serial));
    assert!(heard == said, "another transcript");
    assert_eq!(loaded.digest(), digest);
}

#[test]
fn slice_other_seeds_are_other_runs() {
    let digest = |seed: u64| {
        let mut desk = Desk::new(&format!("seed = {seed}\n{}", microbits(1)));
        desk.hear(0, PROMPT);
        desk.fleet.digest()
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

#[test]
fn slice_digest_sees_every_command() {
    let mut a = fresh();
    let mut b = a.fork();
    let at = a.now();
    b.apply(Command::new(
        at,
        2,
        Act::Input { device: "temp".into(), name: "temperature".into(), value: 20_001 },
    ));
    for f in [&mut a, &mut b] {
        f.run_until(at + MS, &Serial);
    }
    assert_ne!(a.digest(), b.digest());
}
