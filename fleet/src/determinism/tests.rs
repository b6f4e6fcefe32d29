//! Runs that are made to differ on purpose, and what is said of them.

use super::*;
use crate::{Act, Island, Node, Serial, config};
use emu_core::device::DevId;

/// Counts in r0 and at 0x20000100: `ldr r1, [pc, #8]; adds r0, #1; str r0, [r1]; b .-4`.
const CODE: [u16; 8] = [0x4902, 0x3001, 0x6008, 0xe7fc, 0xbf00, 0xbf00, 0x0100, 0x2000];

/// `wfi; b .-2`.
const SLEEP: [u16; 2] = [0xbf30, 0xe7fd];

pub(crate) struct Shelf;
impl config::Files for Shelf {
    fn image(&self, name: &str) -> Result<Vec<u8>, String> {
        let mut bytes: Vec<u8> = [0x2000_1000u32, 0x41].into_iter().flat_map(u32::to_le_bytes).collect();
        bytes.resize(0x40, 0);
        let code = if name == "sleep" { &SLEEP[..] } else { &CODE };
        bytes.extend(code.iter().flat_map(|c| c.to_le_bytes()));
        Ok(bytes)
    }
    fn board(&self, path: &str) -> Result<String, String> {
        Err(path.into())
    }
}

/// Two boards that count, at 25 MHz.
pub(crate) const COUNTERS: &str = "[group.m]\ncount = 2\nmachine = \"mps2-an385\"\nimage = \"raw\"\nat = 0\n";

pub(crate) fn build() -> Fleet {
    config::load("f.toml", COUNTERS, None, &Shelf).map(|f| f.0).unwrap_or_else(|e| panic!("{e}"))
}

/// Meddles with a node when it has run up to some time.
struct Meddler {
    at: Time,
    node: u32,
    act: fn(&mut Node),
}

impl Executor for Meddler {
    fn run(&self, mut islands: Vec<Box<Island>>, until: Time) -> Vec<Box<Island>> {
        for island in &mut islands {
            let node = island.nodes().next().map(|n| (n.id(), n.now()));
            if let Some((id, now)) = node
                && (id, now < self.at, until >= self.at) == (self.node, true, true)
            {
                island.run_until(self.at);
                island.nodes_mut().for_each(self.act);
            }
            island.run_until(until);
        }
        islands
    }
}

fn plain(name: &str) -> Condition {
    Condition {
        name: name.into(),
        executor: Box::new(Serial),
        slice: u64::MAX,
        engine: Engine::Auto,
        cuts: None,
    }
}

fn check(script: &[Command], other: &Condition) -> Option<Divergence> {
    let subject = Subject { build: &build, script, end: Time::ms(25), every: 10_000_000 };
    let reference = plain("reference");
    let digests = digests(&subject, &reference, |_| {});
    assert_eq!(digests.len(), 4, "0, 10, 20, 25 ms");
    compare(&subject, &reference, &digests, other, |_| {})
}

/// Meddles with node `m.1` at 12.34568 ms and gives what is said of it.
fn meddled(act: fn(&mut Node)) -> Divergence {
    let at = Time(12_345_680);
    let other = Condition { executor: Box::new(Meddler { at, node: 1, act }), ..plain("meddled") };
    let d = check(&[], &other).expect("the runs differ");
    assert_eq!((d.same, d.at, d.exact), (Time(12_345_679), at, true), "{d:?}");
    assert_eq!(d.what.node.as_deref(), Some("m.1"));
    assert_eq!((&d.what.others, d.what.more), (&vec![], 0));
    let i = d.what.instruction.clone().expect("a node has an instruction");
    // The load takes two cycles of 40 ns, then each round of the three others four: so many have started before 12_345_679 ns.
    assert_eq!((i.retired, i.executed), (1 + 3 * 77_160, false), "{i:?}");
    assert_eq!(i.place, "0x00000042");
    d
}

fn fields(d: &Divergence) -> Vec<String> {
    d.what.fields.iter().map(|f| format!("{}: {} / {}", f.name, f.one, f.other)).collect()
}

#[test]
fn a_register_is_named() {
    let d = meddled(|n| {
        let _ = n.machine.cpu_mut(0).0.set_reg(5, 0x77);
    });
    assert_eq!(fields(&d), ["cpu.r5: 0x0 / 0x77"]);
}

#[test]
fn an_address_is_named() {
    let d = meddled(|n| {
        let _ = n.machine.bus.fabric.mem.poke(0x2000_0202, &[9]);
    });
    assert_eq!(fields(&d), ["memory 0x20000200: 00 00 00 00 / 00 00 09 00"]);
}

#[test]
fn a_devices_register_is_named() {
    // CMSDK APB UART 0, BAUDDIV.
    let d = meddled(|n| {
        let _ = n.machine.bus.write(0x4000_4010, 4, 0x40, Default::default(), false);
    });
    assert_eq!(fields(&d), ["uart0.bank[Bauddiv]: 0x0 / 0x40"]);
}

#[test]
fn an_event_a_stuck_pin_and_a_console_are_named() {
    let d = meddled(|n| n.machine.bus.fabric.schedule(Time::secs(1), DevId(2), 7));
    let f = fields(&d);
    assert!(
        f.len() == 1 && f[0].starts_with("event 7 of ") && f[0].ends_with(": absent / due at 1.000000"),
        "{f:?}"
    );
    let d = meddled(|n| n.machine.force_pin(DevId(2), 3, Some(false)));
    let f = fields(&d);
    assert!(f.len() == 1 && f[0].starts_with("stuck pin 3 of "), "{f:?}");
    let d = meddled(|n| {
        let c = n.machine.bus.fabric.consoles[0].clone();
        n.machine.bus.fabric.print(c.dev, c.port, b"!");
    });
    let f = fields(&d);
    let [byte, line, console] = &f[..] else { panic!("{f:?}") };
    assert!(byte.ends_with(": absent / '!' of m.1 console 0 at 0.012345680 s"), "{f:?}");
    assert_eq!(line, "its line: \"\" / \"!\"");
    assert!(console.contains("console uart0: 0 bytes") && console.contains("/ 1 bytes"), "{f:?}");
}

/// The instruction that starts at 12.34568 ms is over a nanosecond later, and has left something else.
#[test]
fn an_instruction_that_does_something_else_is_named() {
    let at = Time(12_345_681);
    let act: fn(&mut Node) = |n| n.machine.bus.fabric.stalled_until = Time(12_345_999);
    let other = Condition { executor: Box::new(Meddler { at, node: 0, act }), ..plain("meddled") };
    let d = check(&[], &other).expect("the runs differ");
    assert_eq!((d.at, d.what.node.as_deref()), (at, Some("m.0")));
    let wanted = Instruction { place: "0x00000042".into(), retired: 231_481, executed: true };
    assert_eq!(
        (d.what.instruction.as_ref(), fields(&d)[0].as_str()),
        (Some(&wanted), "CPUs stalled until: 0 / 12345999")
    );
    let shown = d.to_string();
    let wanted =
        "  first difference: node m.0, at 0.012345681 s\n  instruction 0x00000042, after 231481 others\n";
    assert!(shown.starts_with(wanted), "{shown}");
}

#[test]
fn what_does_not_matter_makes_no_difference() {
    assert!(check(&[], &Condition { slice: 777, ..plain("other") }).is_none());
    for (slice, what) in [(u64::MAX, Cut::Fork), (1_000_003, Cut::SaveLoad), (u64::MAX, Cut::Look)] {
        let cuts = Some(Cuts { what, count: 9, seed: 4 });
        assert!(check(&[], &Condition { slice, cuts, ..plain("other") }).is_none());
    }
}

#[test]
fn commands_of_the_script_come_in_both_runs_at_their_time() {
    let write =
        |at, byte| Command::new(Time(at), 0, Act::WriteMemory { addr: 0x2000_0300, bytes: vec![byte] });
    let script = [write(10_000_000, 1), write(10_000_000, 2), write(20_000_001, 3)];
    assert!(check(&script, &Condition { slice: 999, ..plain("other") }).is_none());
    let act: fn(&mut Node) = |n| {
        let _ = n.machine.cpu_mut(0).0.set_reg(4, 1);
    };
    // Where the branch ends that starts at 20 ms.
    let at = Time(20_000_080);
    let other = Condition { executor: Box::new(Meddler { at, node: 0, act }), ..plain("meddled") };
    let d = check(&script, &other).expect("the runs differ");
    assert_eq!((d.at, fields(&d)), (at, vec!["cpu.r4: 0x0 / 0x1".to_string()]));
}

/// Meddles the first time only, as a race between threads does.
#[test]
fn a_difference_that_does_not_come_again_is_still_shown() {
    struct Once(Meddler, std::sync::atomic::AtomicBool);
    impl Executor for Once {
        fn run(&self, islands: Vec<Box<Island>>, until: Time) -> Vec<Box<Island>> {
            use std::sync::atomic::Ordering::Relaxed;
            if until >= self.0.at && !self.1.swap(true, Relaxed) {
                return self.0.run(islands, until);
            }
            Serial.run(islands, until)
        }
    }
    let act: fn(&mut Node) = |n| {
        let _ = n.machine.cpu_mut(0).0.set_reg(5, 0x77);
    };
    let once = Once(Meddler { at: Time(12_345_680), node: 1, act }, false.into());
    let d = check(&[], &Condition { executor: Box::new(once), ..plain("meddled") }).expect("it differed");
    assert_eq!((d.same, d.at, d.exact), (Time::ms(10), Time::ms(20), false));
    assert_eq!((d.what.node.as_deref(), fields(&d)), (Some("m.1"), vec!["cpu.r5: 0x0 / 0x77".into()]));
}

// ---- cuts ----

/// An event of nobody's at 12.34 ms, which is not a whole number of instructions.
const EVENT: u64 = 12_340_007;

fn with_event() -> Fleet {
    let mut fleet = build();
    fleet.at(1).machine.bus.fabric.schedule(Time(EVENT), DevId(2), 7);
    fleet
}

#[test]
fn mend_cuts_lie_at_events_and_beside_them() {
    let chosen = |seed: u64, what| {
        let mut plan = Plan::new(Cuts { what, count: 1, seed }, Time::ms(25));
        let mut fleet = with_event();
        loop {
            let at = plan.next().expect("no cut yet");
            run(&mut fleet, at, &Serial);
            if let Some(cut) = plan.arrived(&fleet) {
                assert_eq!((cut, plan.next(), plan.last()), (what, None, Some((what, at))));
                return at.0;
            }
        }
    };
    let all: Vec<u64> = (0..200).map(|seed| chosen(seed, Cut::Fork)).collect();
    for offset in [-40, -1, 0, 1, 40] {
        let at = EVENT.saturating_add_signed(offset);
        assert!(all.contains(&at), "none of 200 seeds cuts at {at}");
    }
    let instructions = |beside: u64| all.iter().filter(|at| **at % 40 == beside).count();
    assert!([0, 1, 39].iter().all(|b| instructions(*b) >= 5), "{all:?}");
    assert_eq!(chosen(3, Cut::Look), all[3], "the seed decides");
}

/// Breaks a node that is made to stand within a few nanoseconds of the event, as a bug of saving may.
struct Brittle;
impl Executor for Brittle {
    fn run(&self, mut islands: Vec<Box<Island>>, until: Time) -> Vec<Box<Island>> {
        for island in &mut islands {
            island.run_until(until);
            if until.0.abs_diff(EVENT) <= 1 {
                island.nodes_mut().for_each(|n| assert!(n.machine.cpu_mut(0).0.set_reg(5, 0x77)));
            }
        }
        islands
    }
}

#[test]
fn mend_a_stop_beside_an_event_that_breaks_the_run_is_found() {
    let subject = Subject { build: &with_event, script: &[], end: Time::ms(25), every: 10_000_000 };
    let reference = plain("reference");
    let digests = digests(&subject, &reference, |_| {});
    let found = |count, seed| {
        let cuts = Some(Cuts { what: Cut::Fork, count, seed });
        let other = Condition { executor: Box::new(Brittle), cuts, ..plain("brittle") };
        compare(&subject, &reference, &digests, &other, |_| {})
    };
    let d = (1..40).find_map(|seed| found(20, seed)).expect("one of 39 seeds cuts there");
    assert!(d.at.0.abs_diff(EVENT) <= 1 && d.exact, "{d:?}");
    assert_eq!((fields(&d), d.cut.map(|c| c.0)), (vec!["cpu.r5: 0x0 / 0x77".to_string()], Some(Cut::Fork)));
    assert!(d.to_string().contains("\n  the other run was copied last at 0.01"), "{d}");
}

#[test]
fn mend_what_does_not_load_is_told_with_its_time() {
    let built = std::cell::Cell::new(0);
    let other_board = || {
        built.set(built.get() + 1);
        let text = if built.get() < 4 { COUNTERS.into() } else { COUNTERS.replace("385", "386") };
        config::load("f.toml", &text, None, &Shelf).map(|f| f.0).unwrap_or_else(|e| panic!("{e}"))
    };
    let subject = Subject { build: &other_board, script: &[], end: Time::ms(25), every: 10_000_000 };
    let reference = plain("reference");
    let digests = digests(&subject, &reference, |_| {});
    let cuts = Some(Cuts { what: Cut::SaveLoad, count: 4, seed: 1 });
    let d = compare(&subject, &reference, &digests, &Condition { cuts, ..plain("saved") }, |_| {});
    let d = d.expect("the second load is into another board");
    assert!((6_250_000..=12_500_001).contains(&d.at.0) && d.cut == Some((Cut::SaveLoad, d.at)), "{d:?}");
    assert_eq!((d.what.fields[0].name.as_str(), built.get()), ("what was saved", 4));
}

#[test]
fn mend_consoles_are_compared_by_byte_time_order_and_line() {
    let fleet = build();
    let said = |text: &[(u64, u32, &str)]| {
        let mut said = Said::default();
        let bytes = |(at, node, text): &(u64, u32, &str)| -> Vec<_> {
            text.bytes()
                .map(|byte| crate::ConsoleByte { at: Time(*at), node: *node, console: 0, byte })
                .collect()
        };
        text.iter().for_each(|t| said.add(&bytes(t)));
        (said.digest(), said)
    };
    let (digest, one) = said(&[(1, 0, "a\nhel"), (2, 1, "you\n"), (3, 0, "lo\n")]);
    assert_eq!(said(&[(1, 0, "a\n"), (1, 0, "hel"), (2, 1, "you\n"), (3, 0, "lo\n")]).0, digest);
    let differs = |text: &[(u64, u32, &str)]| {
        let (other_digest, other) = said(text);
        assert_ne!(digest, other_digest);
        let (node, fields) = one.differences(&other, &fleet);
        let shown = fields.iter().map(|f| format!("{} / {}", f.one, f.other)).collect::<Vec<_>>();
        (node, shown)
    };
    let at = "at 0.000000003 s";
    let byte = differs(&[(1, 0, "a\nhel"), (2, 1, "you\n"), (3, 0, "lp\n")]);
    let wanted = format!("'o' of m.0 console 0 {at} / 'p' of m.0 console 0 {at}");
    assert_eq!(byte, (Some(0), vec![wanted, "\"hello\" / \"hellp\"".into()]));
    let time = differs(&[(1, 0, "a\nhel"), (2, 1, "you\n"), (4, 0, "lo\n")]);
    assert_eq!(time.1, [format!("'l' of m.0 console 0 {at} / 'l' of m.0 console 0 at 0.000000004 s")]);
    let order = differs(&[(1, 0, "a\nhel"), (3, 0, "lo\n"), (2, 1, "you\n")]);
    assert_eq!((order.0, order.1[0].starts_with("'y' of m.1")), (Some(1), true), "{order:?}");
    let short = differs(&[(1, 0, "a\nhel"), (2, 1, "you\n"), (3, 0, "lo")]);
    assert_eq!(short.1[0], format!("'\\n' of m.0 console 0 {at} / absent"));
}
