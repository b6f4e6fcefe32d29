//! Tests of serial lines and wires.

use super::*;
use emu_core::save;
use proptest::prelude::*;

fn serial() -> LineMedium {
    let mut m = LineMedium::new(LineConfig::serial(), 3);
    m.log_bytes();
    m
}

fn wire(delay_ns: u64) -> LineMedium {
    LineMedium::new(LineConfig::Wire { delay_ns }, 3)
}

/// 115,200 baud: ten bits.
const NS: u32 = 86_806;

fn sending(byte: u8) -> Msg {
    Msg::Sending { byte, ns: NS }
}

fn bytes(deliveries: &[Delivery]) -> Vec<(u64, u32, u8)> {
    let byte = |d: &Delivery| match d.msg {
        Msg::Byte(b) => (d.at.0, d.station, b),
        ref other => panic!("{other:?}"),
    };
    deliveries.iter().map(byte).collect()
}

fn levels(deliveries: &[Delivery]) -> Vec<(u64, u32, Option<bool>)> {
    let level = |d: &Delivery| match d.msg {
        Msg::Level(l) => (d.at.0, d.station, l),
        ref other => panic!("{other:?}"),
    };
    deliveries.iter().map(level).collect()
}

#[test]
fn a_byte_arrives_with_its_stop_bit() {
    let mut m = serial();
    assert_eq!((m.latency(), m.next_decision()), (5_000, Time::MAX));
    m.act(0, Time(100), &sending(b'a'));
    assert_eq!(m.next_decision(), Time(5_100)); // All that is known before the act is taken.
    assert!(m.run_until(Time(5_100)).is_empty());
    assert_eq!(m.next_decision(), Time(86_906));
    assert!(m.run_until(Time(86_905)).is_empty());
    assert_eq!(bytes(&m.run_until(Time(86_906))), [(86_906, 1, b'a')]);
    let (start, end) = (Time(100), Time(86_906));
    let log = LoggedByte { start, end, source: 0, sent: b'a', heard: Some(b'a') };
    assert_eq!((m.take_log(), m.next_decision()), (vec![log], Time::MAX));
}

#[test]
fn bytes_of_one_direction_never_overlap_and_those_of_two_do() {
    let mut m = serial();
    for b in 0..3 {
        m.act(0, Time(10), &sending(b));
    }
    m.act(1, Time(10), &Msg::Sending { byte: 9, ns: 0 }); // At most 2 Mbit/s.
    let ns = u64::from(NS);
    let want = [(5_010, 0, 9), (10 + ns, 1, 0), (10 + 2 * ns, 1, 1), (10 + 3 * ns, 1, 2)];
    assert_eq!(bytes(&m.run_until(Time::secs(1))), want);
    assert_eq!(m.counters(0), LineCounters { tx: 3, rx: 1, ..LineCounters::default() });
    assert_eq!(m.counters(1), LineCounters { tx: 1, rx: 3, ..LineCounters::default() });
}

#[test]
fn a_cut_serial_line_loses_the_bytes_that_are_on_it() {
    // Four bytes from 0 to 40 us; the line is cut for a while.
    let cut = |from: u64, to: u64| {
        let mut m = serial();
        (0..4).for_each(|byte| m.act(0, Time(0), &Msg::Sending { byte, ns: 10_000 }));
        let mut got = m.run_until(Time(from));
        m.fault(Time(from), &LineFault::Cut);
        got.extend(m.run_until(Time(to)));
        m.fault(Time(to), &LineFault::Restore);
        got.extend(m.run_until(Time::secs(1)));
        assert_eq!(m.counters(1).lost + m.counters(1).rx, 4);
        assert_eq!(m.take_log().len(), 4);
        got.iter().map(|d| d.at.0 / 10_000 - 1).collect::<Vec<_>>()
    };
    assert_eq!(cut(15_000, 15_001), [0, 2, 3]);
    assert_eq!(cut(10_000, 20_000), [0, 2, 3]); // From the end of one to the end of the next.
    assert_eq!(cut(10_001, 20_001), [0, 3]);
    assert_eq!(cut(50_000, 60_000), [0, 1, 2, 3]);
    assert_eq!(cut(1, 39_999), []);
}

#[test]
fn a_byte_of_the_instant_of_a_fault_comes_after_it() {
    let mut m = serial();
    m.act(0, Time(100), &sending(1));
    m.run_until(Time(100));
    m.fault(Time(100), &LineFault::Cut);
    m.fault(Time(100), &LineFault::Restore);
    assert_eq!(m.run_until(Time::ms(1)).len(), 1);
    // What an end drives from an instant on is no change while the wire is cut from that instant on.
    let mut m = wire(5);
    m.act(0, Time(100), &Msg::Level(Some(true)));
    m.run_until(Time(100));
    m.fault(Time(100), &LineFault::Cut);
    assert!(m.run_until(Time::ms(1)).is_empty());
}

#[test]
fn noise_loses_bytes_and_flips_bits_as_often_as_it_should() {
    let noise = Noise { loss: 0.25, bit_errors: 0.05 };
    let mut m = LineMedium::new(LineConfig::Serial(noise), 11);
    (0..4_000).for_each(|n| m.act(1, Time(n * 100_000), &sending(0xa5)));
    let got = bytes(&m.run_until(Time::secs(10)));
    assert!(got.len().abs_diff(3_000) < 120, "{}", got.len());
    let flipped: u32 = got.iter().map(|b| (b.2 ^ 0xa5).count_ones()).sum();
    let expected = got.len() as u32 * 8 / 20;
    assert!(flipped.abs_diff(expected) < 150, "{flipped} of {expected}");
    let damaged = got.iter().filter(|b| b.2 != 0xa5).count() as u64;
    let want = LineCounters { rx: got.len() as u64, lost: 4_000 - got.len() as u64, damaged, tx: 0 };
    assert_eq!(m.counters(0), want);
    m.fault(Time::secs(10), &LineFault::Noise(Noise::default()));
    m.act(1, Time::secs(10), &sending(1));
    assert_eq!(bytes(&m.run_until(Time::secs(11))).len(), 1);
}

#[test]
fn a_backlog_without_end_is_cut_off() {
    let mut m = serial();
    (0..70_000).for_each(|n| m.act(0, Time(1), &sending(n as u8)));
    assert!(m.run_until(Time(2)).is_empty());
    assert_eq!((m.sides[0].bytes.len(), m.counters(1).lost), (65_536, 70_000 - 65_536));
}

#[test]
fn an_end_of_a_wire_hears_what_the_other_drives() {
    let mut m = wire(1_000);
    m.act(0, Time(50), &Msg::Level(Some(true)));
    m.act(0, Time(60), &Msg::Level(Some(true)));
    m.act(1, Time(70), &Msg::Level(Some(false)));
    m.act(0, Time(80), &Msg::Level(None));
    m.act(0, Time(80), &sending(1)); // No wire's business.
    assert_eq!((m.next_decision(), m.latency()), (Time(1_050), 1_000));
    let got = levels(&m.run_until(Time::ms(1)));
    assert_eq!(got, [(1_050, 1, Some(true)), (1_070, 0, Some(false)), (1_080, 1, None)]);
    assert_eq!((m.counters(0).tx, m.counters(0).rx, m.counters(1).rx), (2, 1, 2));
    // Pulses shorter than the delay, even of no length, are not lost.
    for n in 0..3 {
        m.act(1, Time::ms(1) + n, &Msg::Level(Some(true)));
        m.act(1, Time::ms(1) + n, &Msg::Level(Some(false)));
    }
    assert_eq!(m.run_until(Time::ms(2)).len(), 6);
}

#[test]
fn a_wire_is_cut_and_stuck() {
    let mut m = wire(5);
    m.act(0, Time(0), &Msg::Level(Some(true)));
    assert_eq!(levels(&m.run_until(Time(100))), [(5, 1, Some(true))]);
    m.fault(Time(100), &LineFault::Cut);
    assert_eq!(m.next_decision(), Time(105));
    m.act(1, Time(110), &Msg::Level(Some(false)));
    assert_eq!(levels(&m.run_until(Time(200))), [(105, 1, None)]);
    m.fault(Time(200), &LineFault::Restore);
    assert_eq!(levels(&m.run_until(Time(300))), [(205, 0, Some(false)), (205, 1, Some(true))]);
    m.fault(Time(300), &LineFault::Stuck(Some(true)));
    m.act(0, Time(310), &Msg::Level(Some(false)));
    assert_eq!(levels(&m.run_until(Time(400))), [(305, 0, Some(true))]);
    m.fault(Time(400), &LineFault::Stuck(None));
    assert_eq!(levels(&m.run_until(Time(500))), [(405, 0, Some(false)), (405, 1, Some(false))]);
    m.fault(Time(500), &LineFault::Noise(Noise::default()));
    assert!(m.run_until(Time::MAX).is_empty());
    assert_eq!(wire(0).latency(), 1);
}

#[test]
fn strangers_are_ignored() {
    for mut m in [serial(), wire(1)] {
        m.act(2, Time(0), &sending(1));
        m.act(u32::MAX, Time(0), &Msg::Level(None));
        m.act(0, Time(0), &Msg::Frame(vec![1; 100]));
        assert!(m.run_until(Time::MAX).is_empty() && m.next_decision() == Time::MAX);
        assert!(m.fits(2, Time(5)) && !m.fits(1, Time(5)));
    }
}

// ---- any history ----

#[derive(Clone, Debug)]
enum Op {
    Act(u32, Msg),
    Fault(LineFault),
}

fn history() -> impl Strategy<Value = Vec<(Time, Op)>> {
    let msg = prop_oneof![
        (any::<u8>(), 0..30_000u32).prop_map(|(byte, ns)| Msg::Sending { byte, ns }),
        any::<Option<bool>>().prop_map(Msg::Level),
    ];
    let noise = || (0.0..0.5f64, 0.0..0.2f64).prop_map(|(loss, bit_errors)| Noise { loss, bit_errors });
    let fault = prop_oneof![
        Just(LineFault::Cut),
        Just(LineFault::Restore),
        noise().prop_map(LineFault::Noise),
        any::<Option<bool>>().prop_map(LineFault::Stuck),
    ];
    let op =
        prop_oneof![5 => (0..2u32, msg).prop_map(|(s, m)| Op::Act(s, m)), 1 => fault.prop_map(Op::Fault)];
    prop::collection::vec((0..60u64, op), 1..60).prop_map(|ops| {
        let mut ops: Vec<_> = ops.into_iter().map(|(t, op)| (Time(t * 2_500), op)).collect();
        ops.sort_by_key(|(t, op)| match op {
            Op::Fault(_) => (*t, 0),
            Op::Act(from, _) => (*t, from + 1),
        });
        ops
    })
}

fn apply(m: &mut LineMedium, at: Time, op: &Op) {
    match op {
        Op::Act(from, msg) => m.act(*from, at, msg),
        Op::Fault(fault) => m.fault(at, fault),
    }
}

fn either() -> impl Strategy<Value = LineConfig> {
    let noise = (0.0..0.5f64, 0.0..0.2f64).prop_map(|(loss, bit_errors)| Noise { loss, bit_errors });
    prop_oneof![
        noise.prop_map(LineConfig::Serial),
        (0..20_000u64).prop_map(|delay_ns| LineConfig::Wire { delay_ns })
    ]
}

const LAST: Time = Time(10_000_000);

proptest! {
    /// Cut anywhere, saved and loaded there, with the acts of an instant in two batches around the cut.
    #[test]
    fn cuts_change_nothing(config in either(), ops in history(), cuts in prop::collection::vec(0..150_000u64, 0..10)) {
        let mut all = LineMedium::new(config.clone(), 5);
        ops.iter().for_each(|(at, op)| apply(&mut all, *at, op));
        let want = all.run_until(LAST);

        let mut m = LineMedium::new(config, 5);
        let (mut got, mut rest) = (vec![], &ops[..]);
        let mut cuts: Vec<_> = cuts.into_iter().map(Time).chain(ops.iter().map(|o| o.0)).collect();
        cuts.sort();
        for cut in cuts {
            let n = rest.partition_point(|(t, op)| *t < cut || *t == cut && matches!(op, Op::Fault(_)));
            rest[..n].iter().for_each(|(at, op)| apply(&mut m, *at, op));
            rest = &rest[n..];
            let here = rest.partition_point(|(t, _)| *t <= cut);
            let early = |op: &Op| matches!(op, Op::Act(1, _));
            rest[..here].iter().filter(|o| early(&o.1)).for_each(|(at, op)| apply(&mut m, *at, op));
            got.extend(m.run_until(cut));
            rest[..here].iter().filter(|o| !early(&o.1)).for_each(|(at, op)| apply(&mut m, *at, op));
            rest = &rest[here..];
            prop_assert!(m.fits(2, cut));
            m = save::from_bytes(&save::to_bytes(&m)).expect("it was saved");
        }
        got.extend(m.run_until(LAST));
        prop_assert_eq!(got, want);
        prop_assert_eq!(save::to_bytes(&m), save::to_bytes(&all));
    }

    /// The fleet's loop: nothing comes before the next decision, nor within the latency of an act.
    #[test]
    fn nothing_comes_before_it_was_promised(config in either(), ops in history()) {
        let mut m = LineMedium::new(config.clone(), 5);
        let (mut got, mut now, mut rest) = (vec![], Time::ZERO, &ops[..]);
        while now < LAST {
            let next = m.next_decision();
            prop_assert!(next > now, "stuck at {}", now);
            let to = next.min(rest.first().map_or(LAST, |o| o.0)).min(LAST);
            let mut new = m.clone();
            prop_assert!(new.run_until(Time(to.0 - u64::from(to > now))).is_empty());
            got.extend(m.run_until(to));
            prop_assert!(got.last().is_none_or(|d| d.at <= to));
            now = to;
            let n = rest.partition_point(|(t, _)| *t <= now);
            rest[..n].iter().for_each(|(at, op)| apply(&mut m, *at, op));
            prop_assert!(n == 0 || m.next_decision() > now);
            rest = &rest[n..];
        }
        let mut all = LineMedium::new(config, 5);
        ops.iter().for_each(|(at, op)| apply(&mut all, *at, op));
        prop_assert_eq!(got, all.run_until(LAST));
    }

    /// Damaged saves are refused or do no harm.
    #[test]
    fn hostile_saves_do_no_harm(config in either(), ops in history(), t in 0..150_000u64, hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut m = LineMedium::new(config, 5);
        ops.iter().filter(|o| o.0.0 < t).for_each(|(at, op)| apply(&mut m, *at, op));
        m.run_until(Time(t));
        let mut bytes = save::to_bytes(&m);
        hits.iter().for_each(|(i, b)| *i.get_mut(&mut bytes) = *b);
        let Ok(mut m) = save::from_bytes::<LineMedium>(&bytes) else { return Ok(()) };
        if m.fits(2, Time(t)) {
            m.act(0, Time(t), &sending(1));
            m.act(1, Time(t), &Msg::Level(Some(true)));
            m.fault(Time(t), &LineFault::Cut);
            prop_assert!(m.run_until(Time::MAX).iter().all(|d| d.station < 2 && d.at.0 >= t));
        }
    }
}
