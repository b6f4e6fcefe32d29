//! Tests of the switch.

use super::*;
use emu_core::save;
use proptest::prelude::*;

/// A frame between stations; `to` 255: everybody.
fn frame(from: u8, to: u8, payload: &[u8]) -> Vec<u8> {
    let mut f = if to == 255 { vec![0xff; 6] } else { vec![2, 0, 0, 0, 0, to] };
    f.extend([2, 0, 0, 0, 0, from, 0x88, 0xb5]);
    f.extend(payload);
    f
}

pub(super) fn msg(from: u8, to: u8, payload: &[u8]) -> Msg {
    Msg::Frame(frame(from, to, payload))
}

fn padded(from: u8, to: u8, payload: &[u8]) -> Msg {
    let mut f = frame(from, to, payload);
    f.resize(f.len().max(60), 0);
    Msg::Frame(f)
}

/// Links of 100 Mbit/s and 1 us.
pub(super) fn link() -> LinkConfig {
    LinkConfig { latency_ns: 1_000, ..LinkConfig::default() }
}

/// First bit to first bit: 84 bytes at 100 Mbit/s; to the last bit: 72.
const SLOT: u64 = 6_720;
const SHORT: u64 = 5_760;
/// A short frame from station to station.
pub(super) const HOP2: u64 = 2 * (SHORT + 1_000);

pub(super) fn switch(stations: u32, link: LinkConfig) -> EthernetMedium {
    let mut m = EthernetMedium::new(EthernetConfig::default(), 7);
    (0..stations).for_each(|n| m.connect(n, link.clone()));
    m.log_frames();
    m
}

/// Who got something, and when.
pub(super) fn who(deliveries: &[Delivery]) -> Vec<(u64, u32)> {
    deliveries.iter().map(|d| (d.at.0, d.station)).collect()
}

/// Everybody's address is known: each said something long ago.
fn introduce(m: &mut EthernetMedium, stations: u8) -> Time {
    for n in 0..stations {
        m.act(n.into(), Time::ZERO, &msg(n, 255, b"hello"));
    }
    m.run_until(Time::ms(500));
    m.take_log();
    Time::ms(500)
}

fn fates(m: &mut EthernetMedium) -> Vec<(u32, Fate)> {
    m.take_log().iter().flat_map(|l| l.fates.iter().map(|f| (f.0, f.2))).collect()
}

#[test]
fn a_frame_is_stored_and_forwarded_to_the_nanosecond() {
    let mut m = switch(2, link());
    assert_eq!(m.latency(), HOP2);
    m.act(0, Time(100), &msg(0, 1, b"x"));
    assert_eq!(m.next_decision(), Time(100 + HOP2));
    assert!(m.run_until(Time(100)).is_empty()); // An act of this instant may still follow.
    assert_eq!(m.next_decision(), Time(100 + HOP2));
    assert!(m.run_until(Time(99 + HOP2)).is_empty());
    let got = m.run_until(Time(100 + HOP2));
    assert_eq!(got, [Delivery { at: Time(100 + HOP2), station: 1, msg: padded(0, 1, b"x") }]);
    assert_eq!(m.next_decision(), Time::MAX);
    let (tx, rx) = (m.counters(0), m.counters(1));
    assert_eq!((tx.tx_frames, tx.tx_bytes, rx.rx_frames, rx.rx_bytes), (1, 60, 1, 60));
    let fates = vec![(1, Time(100 + HOP2), Fate::Received)];
    let Msg::Frame(bytes) = padded(0, 1, b"x") else { unreachable!() };
    assert_eq!(m.take_log(), [LoggedFrame { at: Time(100), source: 0, bytes, fates }]);
}

#[test]
fn the_longest_frames_on_links_of_different_speed() {
    let mut m = switch(1, link());
    m.connect(1, LinkConfig { bandwidth: 10_000_000, latency_ns: 5, ..link() });
    m.act(0, Time(0), &msg(0, 1, &[7; 1500]));
    // 1526 bytes with preamble and FCS.
    let at = 1526 * 80 + 1_000 + 1526 * 800 + 5;
    assert_eq!(who(&m.run_until(Time::secs(1))), [(at, 1)]);
}

#[test]
fn a_sender_that_does_not_wait_is_serialised_with_gaps() {
    let mut m = switch(2, link());
    for n in 0..3 {
        m.act(0, Time(10), &msg(0, 1, &[n]));
    }
    m.act(0, Time(10 + 3 * SLOT), &msg(0, 1, &[3])); // Just in time.
    let got = m.run_until(Time::secs(1));
    let times: Vec<_> = (0..4).map(|n| (10 + HOP2 + n * SLOT, 1)).collect();
    assert_eq!(who(&got), times);
    let bytes = |d: &Delivery| match &d.msg {
        Msg::Frame(b) => b[14],
        other => panic!("{other:?}"),
    };
    assert_eq!(got.iter().map(bytes).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let starts: Vec<_> = m.take_log().iter().map(|l| l.at.0).collect();
    assert_eq!(starts, [10, 10 + SLOT, 10 + 2 * SLOT, 10 + 3 * SLOT]);
}

#[test]
fn unknown_addresses_are_flooded_and_learned_ones_are_not() {
    let mut m = switch(4, link());
    let mut at = Time::ZERO;
    let mut say = |m: &mut EthernetMedium, from: u8, to: u8| {
        at = at + 1_000_000;
        m.act(from.into(), at, &msg(from, to, b""));
        m.run_until(at + 900_000).iter().map(|d| d.station).collect::<Vec<_>>()
    };
    assert_eq!(say(&mut m, 0, 2), [1, 2, 3]);
    assert_eq!(say(&mut m, 2, 0), [0]);
    assert_eq!(say(&mut m, 0, 2), [2]);
    assert_eq!(say(&mut m, 0, 255), [1, 2, 3]);
    // The address moves to another station.
    m.act(3, Time::ms(20), &msg(2, 255, b""));
    m.run_until(Time::ms(30));
    m.act(0, Time::ms(30), &msg(0, 2, b""));
    assert_eq!(who(&m.run_until(Time::ms(40))), [(30_000_000 + HOP2, 3)]);
    // To itself.
    m.act(0, Time::ms(50), &msg(0, 0, b""));
    assert!(m.run_until(Time::ms(60)).is_empty());
    assert_eq!(fates(&mut m).pop(), Some((0, Fate::Filtered)));
}

#[test]
fn multicasts_go_to_all_but_reserved_ones_to_nobody() {
    let mut m = switch(3, link());
    let mut to = |address: [u8; 6]| {
        let mut f = frame(0, 0, b"");
        f[..6].copy_from_slice(&address);
        let at = m.derived.now + 1;
        m.act(0, at, &Msg::Frame(f));
        m.run_until(at + 1_000_000).len()
    };
    assert_eq!(to([0x01, 0, 0x5e, 0, 0, 251]), 2);
    assert_eq!(to([0x33, 0x33, 0, 0, 0, 1]), 2);
    assert_eq!(to([0x01, 0x80, 0xc2, 0, 0, 0x0e]), 0); // LLDP
    assert_eq!(to([0x01, 0x80, 0xc2, 0, 0, 0x10]), 2);
}

#[test]
fn addresses_age_and_groups_are_never_learned() {
    let mut m = switch(3, link());
    m.act(1, Time(0), &msg(1, 255, b""));
    m.run_until(Time::secs(1));
    let learned = Time(SHORT + 1_000); // When the frame was at the switch.
    // A frame that is at the switch so many ns after it learned.
    let after = |mut m: EthernetMedium, ns: u64| {
        let at = Time(learned.0 + ns - SHORT - 1_000);
        m.act(0, at, &msg(0, 1, b""));
        m.run_until(at + 1_000_000).len()
    };
    assert_eq!(after(m.clone(), 300_000_000_000), 1);
    assert_eq!(after(m, 300_000_000_001), 2);
    let mut m = switch(3, link());
    let mut evil = frame(1, 255, b"");
    evil[6] |= 1;
    m.act(1, Time(0), &Msg::Frame(evil));
    m.run_until(Time::secs(1));
    assert!(m.learned.is_empty());
}

#[test]
fn a_full_table_floods_until_addresses_age() {
    let config = EthernetConfig { addresses: 4, ..EthernetConfig::default() };
    let mut m = EthernetMedium::new(config, 1);
    (0..3).for_each(|n| m.connect(n, link()));
    for n in 10..20 {
        m.act(0, Time::ms(n.into()), &msg(n, 255, b""));
    }
    m.run_until(Time::secs(1));
    assert_eq!(m.learned.len(), 4);
    let mut reached = |to: u8, at: Time| {
        m.act(1, at, &msg(200, to, b""));
        m.run_until(at + 1_000_000).len()
    };
    assert_eq!(reached(13, Time::secs(2)), 1);
    assert_eq!(reached(14, Time::secs(3)), 2); // Not learned.
    // All of them are old: there is room for the sender.
    assert_eq!(reached(13, Time::secs(400)), 2);
    assert_eq!(m.learned.len(), 1);
}

#[test]
fn a_full_queue_drops_the_last_to_come() {
    let mut m = switch(2, link());
    m.connect(2, LinkConfig { bandwidth: 1_000_000, queue: 2, ..link() });
    let t = introduce(&mut m, 3);
    for n in 0..6 {
        m.act(n % 2, t + u64::from(n), &msg(n as u8 % 2, 2, &[n as u8]));
    }
    let got = m.run_until(Time::secs(1));
    // One at once, two wait, the rest is dropped.
    let seen = |d: &Delivery| match &d.msg {
        Msg::Frame(b) => b[14],
        other => panic!("{other:?}"),
    };
    assert_eq!(got.iter().map(seen).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(got.is_sorted_by(|a, b| b.at.since(a.at) == 84 * 8_000));
    let c = m.counters(2);
    assert_eq!((c.queue_full, c.dropped, c.rx_frames), (3, 3, 5));
    assert_eq!(fates(&mut m).iter().filter(|f| **f == (2, Fate::QueueFull)).count(), 3);
    // The same at a station that sends too much.
    let mut m = switch(2, LinkConfig { queue: 3, ..link() });
    for n in 0..10 {
        m.act(0, Time(1), &msg(0, 1, &[n]));
    }
    assert_eq!((m.run_until(Time::secs(1)).len(), m.counters(0).queue_full), (4, 6));
}

/// How many of 4,000 frames arrive whole and damaged over links like this, and the medium.
fn many(link: LinkConfig) -> (usize, usize, EthernetMedium) {
    let mut m = switch(2, self::link());
    let t = introduce(&mut m, 2);
    m.connect(1, link);
    for n in 0..4_000 {
        m.act(0, t + n * 100_000, &msg(0, 1, &(n as u16).to_le_bytes()));
    }
    let got = m.run_until(Time::secs(10));
    let whole = got.iter().filter(|d| matches!(d.msg, Msg::Frame(_))).count();
    (whole, got.len() - whole, m)
}

#[test]
fn loss_duplication_and_corruption_happen_as_often_as_they_should() {
    let near = |n: usize, mean: usize| assert!(n.abs_diff(mean) < 140, "{n} is far from {mean}"); // > 4 sigma
    let (whole, bad, m) = many(LinkConfig { loss: 0.3, ..link() });
    near(whole, 2_800);
    assert_eq!((bad, m.counters(1).lost), (0, 4_000 - whole as u64));
    let (whole, bad, _) = many(LinkConfig { duplication: 0.25, ..link() });
    near(whole, 5_000);
    assert_eq!(bad, 0);
    let (whole, bad, m) = many(LinkConfig { corruption: 0.2, ..link() });
    near(bad, 800);
    assert_eq!((whole + bad, m.counters(1).rx_bad), (4_000, bad as u64));
    assert_eq!(many(link()).0, 4_000);
    assert_eq!(many(LinkConfig { loss: 1.0, ..link() }).0, 0);
}

#[test]
fn a_damaged_frame_differs_in_an_odd_number_of_bits() {
    let mut m = switch(2, link());
    m.connect(1, LinkConfig { corruption: 1.0, ..link() });
    for n in 0..50 {
        m.act(0, Time::ms(n), &msg(0, 1, &[0; 100]));
    }
    let got = m.run_until(Time::secs(1));
    assert_eq!(got.len(), 50);
    let mut counts = BTreeSet::new();
    for d in got {
        let Msg::BadFrame(bytes) = d.msg else { panic!("{:?}", d.msg) };
        let sent = frame(0, 1, &[0; 100]);
        counts.insert(bytes.iter().zip(&sent).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>());
    }
    assert_eq!(counts, BTreeSet::from([1, 3]));
}

#[test]
fn what_is_damaged_before_the_switch_the_switch_drops() {
    let mut m = switch(2, link());
    m.connect(0, LinkConfig { corruption: 1.0, ..link() });
    m.act(0, Time(0), &msg(0, 1, b""));
    assert!(m.run_until(Time::secs(1)).is_empty());
    assert_eq!((m.counters(0).damaged, fates(&mut m)), (1, vec![(0, Fate::Damaged)]));
}

#[test]
fn late_frames_are_overtaken() {
    let slow = LinkConfig { reordering: 0.2, reorder_ns: 250_000, ..link() };
    let (whole, _, _) = many(slow.clone());
    assert_eq!(whole, 4_000);
    let mut m = switch(2, link());
    m.connect(1, slow);
    for n in 0..200 {
        m.act(0, Time(n * 100_000), &msg(0, 1, &[n as u8]));
    }
    let mut late = 0;
    let mut order = vec![];
    for d in m.run_until(Time::secs(1)) {
        let Msg::Frame(b) = d.msg else { panic!() };
        let extra = d.at.0 - u64::from(b[14]) * 100_000 - HOP2;
        assert!(extra == 0 || extra == 250_000);
        late += u32::from(extra > 0);
        order.push(b[14]);
    }
    assert!((20..60).contains(&late) && !order.is_sorted() && order.len() == 200, "{late}");
}

#[test]
fn a_link_that_breaks_loses_what_is_on_it() {
    let down = EthernetFault::Down { stations: vec![1] };
    let up = EthernetFault::Up { stations: vec![1] };
    // When the link of station 1 breaks, and for how long; how many of three frames arrive.
    let broken = |from: u64, ns: u64| {
        let mut m = switch(2, link());
        let t = introduce(&mut m, 2);
        for n in 0..3 {
            m.act(0, t, &msg(0, 1, &[n]));
        }
        m.run_until(t + from);
        m.fault(t + from, &down);
        assert!(m.run_until(t + from + ns).is_empty());
        m.fault(t + from + ns, &up);
        let got = m.run_until(Time::secs(1)).len();
        (got, m.counters(1).link_down, fates(&mut m).len())
    };
    let at_switch = SHORT + 1_000;
    assert_eq!(broken(0, 1), (3, 0, 3)); // Nothing was on it yet.
    assert_eq!(broken(at_switch - 2, 1), (3, 0, 3));
    assert_eq!(broken(at_switch - 1, 1), (2, 1, 3)); // Up again only after the first wanted to begin.
    assert_eq!(broken(at_switch, 1), (2, 1, 3)); // The first had just begun.
    assert_eq!(broken(at_switch + 1, 1), (2, 1, 3));
    assert_eq!(broken(0, 1_000_000), (0, 3, 3));
    assert_eq!(broken(HOP2 - 1, 1).0, 1); // The second was on its way, too.
    assert_eq!(broken(HOP2 + 2 * SLOT, 1), (0, 0, 3));
}

#[test]
fn a_sender_without_a_link_sends_nothing_and_its_address_is_forgotten() {
    let mut m = switch(3, link());
    let t = introduce(&mut m, 3);
    (0..3).for_each(|n| m.act(0, t, &msg(0, 1, &[n])));
    m.run_until(t + 10);
    m.fault(t + 10, &EthernetFault::Down { stations: vec![0] });
    m.act(0, t + 20, &msg(0, 1, &[3]));
    assert!(m.run_until(t + 1_000_000).is_empty());
    assert_eq!(fates(&mut m), [(0, Fate::LinkDown); 4]);
    m.act(1, t + 1_000_000, &msg(1, 0, b""));
    assert_eq!(m.run_until(t + 2_000_000).len(), 1); // Station 2 by flooding; 0 is away.
    m.fault(t + 2_000_000, &EthernetFault::Up { stations: vec![] });
    m.act(1, t + 2_000_000, &msg(1, 0, b""));
    assert_eq!(m.run_until(t + 3_000_000).len(), 2);
}

#[test]
fn a_partition_keeps_groups_apart() {
    let mut m = switch(5, link());
    let mut t = introduce(&mut m, 5);
    let mut all = |m: &mut EthernetMedium, from: u8, to: u8| {
        t = t + 1_000_000;
        m.act(from.into(), t, &msg(from, to, b""));
        m.run_until(t + 900_000).iter().map(|d| d.station).collect::<Vec<_>>()
    };
    m.fault(Time::ms(501), &EthernetFault::Partition { groups: vec![vec![0, 1], vec![2]] });
    assert_eq!(all(&mut m, 0, 255), [1]);
    assert_eq!(all(&mut m, 3, 255), [4]);
    assert_eq!(all(&mut m, 2, 255), []);
    assert_eq!(all(&mut m, 0, 1), [1]);
    assert_eq!(all(&mut m, 0, 2), []);
    assert_eq!(all(&mut m, 3, 0), []);
    assert_eq!((m.counters(0).partitioned, m.counters(3).partitioned), (2, 2));
    assert!(fates(&mut m).contains(&(2, Fate::Partitioned)));
    m.fault(Time::ms(507), &EthernetFault::Heal);
    assert_eq!(all(&mut m, 2, 255), [0, 1, 3, 4]);
}

#[test]
fn a_burst_ends_by_itself() {
    let mut m = switch(2, link());
    let until = Time::ms(3);
    m.fault(Time(0), &EthernetFault::Burst { stations: vec![0], loss: 1.0, until });
    for n in 0..5 {
        m.act(0, Time::ms(n), &msg(0, 1, b""));
    }
    assert_eq!(who(&m.run_until(Time::secs(1))), [(3_000_000 + HOP2, 1), (4_000_000 + HOP2, 1)]);
    assert_eq!(m.counters(0).lost, 3);
}

#[test]
fn links_change_while_frames_are_on_them() {
    let mut m = switch(2, link());
    m.act(0, Time(0), &msg(0, 1, b"a"));
    m.run_until(Time(10));
    let changes = LinkChange { latency_ns: Some(50_000), loss: Some(f64::NAN), ..LinkChange::default() };
    m.fault(Time(10), &EthernetFault::Set { stations: vec![], changes });
    assert_eq!(m.latency(), 2 * (SHORT + 50_000));
    // The first hop was the old link's, the second is the new one's.
    assert_eq!(who(&m.run_until(Time::secs(1))), [(SHORT + 1_000 + SHORT + 50_000, 1)]);
    let faster = LinkChange { bandwidth: Some(1_000_000_000), latency_ns: Some(0), ..LinkChange::default() };
    m.fault(Time::secs(1), &EthernetFault::Set { stations: vec![0], changes: faster });
    assert_eq!(m.latency(), 2 * 576);
}

#[test]
fn malformed_frames_are_counted_and_reach_nobody() {
    let mut m = switch(2, link());
    let mut tagged = frame(0, 1, &[0; 1504]);
    tagged[12..14].copy_from_slice(&[0x81, 0]);
    for (bytes, through) in [
        (vec![], false),
        (vec![1; 13], false),
        (frame(0, 1, &[]), true),
        (frame(0, 1, &[0; 1500]), true),
        (frame(0, 1, &[0; 1501]), false),
        (tagged.clone(), true),
        ([tagged, vec![0]].concat(), false),
        (vec![0xff; 65_536], false),
        (vec![0xff; 200_000], false),
    ] {
        let at = m.derived.now + 1;
        m.act(0, at, &Msg::Frame(bytes.clone()));
        let got = m.run_until(at + 100_000_000).len();
        assert_eq!(got, usize::from(through), "{} bytes", bytes.len());
    }
    let c = m.counters(0);
    assert_eq!((c.tx_frames, c.malformed, m.counters(1).rx_frames), (9, 6, 3));
    // Messages of other media, and stations that are not there.
    let now = m.derived.now;
    m.act(0, now, &Msg::Byte(1));
    m.act(9, now, &msg(9, 255, b""));
    m.connect(GATEWAY, link());
    m.fault(now, &EthernetFault::Down { stations: vec![9, GATEWAY] });
    assert!(m.run_until(Time::MAX).is_empty() && !m.ports.contains_key(&GATEWAY));
}

#[test]
fn absurd_links_do_no_harm() {
    let mut m = switch(1, link());
    m.connect(1, LinkConfig { bandwidth: 0, latency_ns: u64::MAX, ..link() });
    m.connect(2, LinkConfig { bandwidth: u64::MAX, latency_ns: 0, queue: 0, loss: -1.0, ..link() });
    assert!(m.latency() >= 2);
    m.act(0, Time(0), &msg(0, 255, b""));
    assert_eq!(m.run_until(Time::MAX).len(), 2);
    assert!(m.fits(3, Time(1)) && !m.fits(2, Time(1)));
}

#[test]
fn the_log_is_in_the_order_of_first_bits() {
    let mut m = switch(3, link());
    m.connect(2, LinkConfig { bandwidth: 100_000, ..link() }); // Slow to answer.
    let t = introduce(&mut m, 3);
    m.act(0, t, &msg(0, 2, b"slow"));
    m.act(0, t + 10, &msg(0, 1, b"fast"));
    m.run_until(t + 1_000_000);
    assert!(m.take_log().is_empty());
    m.run_until(t + 100_000_000);
    let log = m.take_log();
    assert_eq!(log.iter().map(|l| l.bytes[14]).collect::<Vec<_>>(), [b's', b'f']);
    assert!(log[0].fates[0].1 > log[1].fates[0].1);
    m.act(0, Time::secs(2), &msg(0, 2, b"unfinished"));
    m.run_until(Time::secs(2) + 10);
    assert_eq!(m.finish_log()[0].fates, [(0, Time::secs(2), Fate::UnderWay)]);
}

#[test]
fn with_ten_thousand_stations_a_unicast_concerns_two() {
    let mut m = EthernetMedium::new(EthernetConfig::default(), 1);
    let own = |n: u32| [&[2, 0][..], &n.to_be_bytes()].concat();
    let bytes = |from: u32, to: u32| [own(to), own(from), vec![0x88, 0xb5]].concat();
    (0..10_000).for_each(|n| m.connect(n, link()));
    for n in 0..10_000 {
        // To a group that stays on its link: the switch learns and forwards nothing.
        let lldp = [vec![1, 0x80, 0xc2, 0, 0, 0x0e], own(n), vec![0x88, 0xcc]].concat();
        m.act(n, Time(0), &Msg::Frame(lldp));
    }
    m.run_until(Time::secs(1));
    assert_eq!(m.learned.len(), 10_000);
    m.act(17, Time::secs(1), &Msg::Frame(bytes(17, 9_999)));
    m.run_until(Time::secs(1) + SHORT);
    assert_eq!((m.to_switch.len(), m.to_station.len(), m.free.len()), (1, 0, 0));
    m.run_until(Time::secs(1) + SHORT + 1_000);
    assert_eq!((m.to_switch.len(), m.to_station.len(), m.free.len()), (0, 1, 0));
    assert_eq!(who(&m.run_until(Time::secs(2))), [(1_000_000_000 + HOP2, 9_999)]);
}

#[test]
fn at_one_instant_faults_come_before_acts_and_what_is_due_before_both() {
    // Two frames wait, as many as may; a third comes when the first of them starts.
    let three = |cut: bool| {
        let mut m = switch(2, LinkConfig { queue: 1, ..link() });
        (0..2).for_each(|n| m.act(0, Time(0), &msg(0, 1, &[n])));
        let mut got = if cut { m.run_until(Time(SLOT)) } else { vec![] };
        m.act(0, Time(SLOT), &msg(0, 1, &[2]));
        got.extend(m.run_until(Time::secs(1)));
        got.len()
    };
    assert_eq!((three(false), three(true)), (3, 3));
    // A link breaks at the instant of a frame that is known already: the frame never begins.
    let mut m = switch(2, link());
    m.act(0, Time(100), &msg(0, 1, b""));
    m.run_until(Time(100));
    m.fault(Time(100), &EthernetFault::Down { stations: vec![0] });
    m.run_until(Time(100));
    m.fault(Time(100), &EthernetFault::Up { stations: vec![0] });
    assert_eq!(m.run_until(Time::secs(1)).len(), 1);
}

#[test]
fn listeners_of_one_broadcast_have_luck_of_their_own() {
    let mut m = switch(3, LinkConfig { loss: 0.5, ..link() });
    m.connect(0, link());
    (0..2_000).for_each(|n| m.act(0, Time(n * 100_000), &msg(0, 255, b"")));
    let got = m.run_until(Time::secs(10));
    let of =
        |station: u32| got.iter().filter(|d| d.station == station).map(|d| d.at).collect::<BTreeSet<_>>();
    let both = of(1).intersection(&of(2)).count();
    assert!(both.abs_diff(500) < 80 && of(1).len().abs_diff(1_000) < 90, "{both}");
}

// ---- any history ----

/// What happens to a switch from outside.
#[derive(Clone, Debug)]
enum Op {
    Frame(u32, Vec<u8>),
    Fault(EthernetFault),
}

fn some_stations() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0..7u32, 0..3)
}

fn a_fault() -> impl Strategy<Value = EthernetFault> {
    let change = (0..4u8, 0.0..1.0f64, 1..200_000u64).prop_map(|(what, p, n)| match what {
        0 => LinkChange { loss: Some(p / 4.0), latency_ns: Some(n), ..LinkChange::default() },
        1 => LinkChange { bandwidth: Some(n * 10_000), queue: Some((n % 5) as u32), ..LinkChange::default() },
        2 => LinkChange { reordering: Some(p), reorder_ns: Some(n), ..LinkChange::default() },
        _ => LinkChange { duplication: Some(p), corruption: Some(p / 2.0), ..LinkChange::default() },
    });
    prop_oneof![
        (some_stations(), change).prop_map(|(stations, changes)| EthernetFault::Set { stations, changes }),
        (some_stations(), 0.0..1.0f64, 0..3_000_000u64)
            .prop_map(|(stations, loss, t)| EthernetFault::Burst { stations, loss, until: Time(t) }),
        some_stations().prop_map(|stations| EthernetFault::Down { stations }),
        some_stations().prop_map(|stations| EthernetFault::Up { stations }),
        prop::collection::vec(some_stations(), 0..3).prop_map(|groups| EthernetFault::Partition { groups }),
        Just(EthernetFault::Heal),
    ]
}

fn an_op() -> impl Strategy<Value = Op> {
    let whole = (0..6u8, prop_oneof![0..6u8, Just(255)], 0..100usize)
        .prop_map(|(from, to, len)| Op::Frame(from.into(), frame(from, to, &vec![from; len])));
    let odd = (0..8u32, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(from, b)| Op::Frame(from, b));
    prop_oneof![6 => whole, 1 => odd, 1 => a_fault().prop_map(Op::Fault)]
}

/// Ops with their instants, many of them the same, in order; faults before acts, acts by station.
fn history() -> impl Strategy<Value = Vec<(Time, Op)>> {
    prop::collection::vec((0..40u64, 0..30u64, an_op()), 1..80).prop_map(|ops| {
        let mut ops: Vec<_> = ops.into_iter().map(|(a, b, op)| (Time(a * 50_000 + b / 10), op)).collect();
        ops.sort_by_key(|(t, op)| match op {
            Op::Fault(_) => (*t, 0),
            Op::Frame(from, _) => (*t, from + 1),
        });
        ops
    })
}

fn disturbed() -> EthernetMedium {
    let link =
        LinkConfig { loss: 0.1, duplication: 0.1, reordering: 0.1, corruption: 0.1, queue: 3, ..link() };
    let mut m = switch(4, link);
    m.connect(4, LinkConfig { bandwidth: 3_000_000, queue: 2, ..self::link() });
    m.connect(5, LinkConfig { latency_ns: 0, ..self::link() });
    m
}

const LAST: Time = Time(40_000_000);

fn apply(m: &mut EthernetMedium, at: Time, op: &Op) {
    match op {
        Op::Frame(from, bytes) => m.act(*from, at, &Msg::Frame(bytes.clone())),
        Op::Fault(fault) => m.fault(at, fault),
    }
}

/// All in one go.
fn at_once(ops: &[(Time, Op)]) -> (Vec<Delivery>, Vec<LoggedFrame>, Vec<u8>) {
    let mut m = disturbed();
    ops.iter().for_each(|(at, op)| apply(&mut m, *at, op));
    let got = m.run_until(LAST);
    (got, m.finish_log(), save::to_bytes(&m))
}

proptest! {
    /// Run to any instants between; acts of one instant in two batches, the second station's before the first's.
    #[test]
    fn cuts_change_nothing(ops in history(), cuts in prop::collection::vec(0..2_000_000u64, 0..30)) {
        let mut m = disturbed();
        let mut got = vec![];
        let mut cuts: Vec<_> = cuts.into_iter().map(Time).chain(ops.iter().step_by(3).map(|o| o.0)).collect();
        cuts.sort();
        let mut rest = &ops[..];
        for cut in cuts {
            let n = rest.partition_point(|(t, _)| *t < cut);
            rest[..n].iter().for_each(|(at, op)| apply(&mut m, *at, op));
            rest = &rest[n..];
            // Acts of the very instant of the cut: some reach the medium before, some after, whoever's they are.
            let here = rest.partition_point(|(t, _)| *t <= cut);
            let faults = rest[..here].iter().take_while(|(_, op)| matches!(op, Op::Fault(_))).count();
            if faults == 0 {
                let early = |op: &Op| matches!(op, Op::Frame(from, _) if from % 2 == 1);
                rest[..here].iter().filter(|o| early(&o.1)).for_each(|(at, op)| apply(&mut m, *at, op));
                got.extend(m.run_until(cut));
                rest[..here].iter().filter(|o| !early(&o.1)).for_each(|(at, op)| apply(&mut m, *at, op));
                rest = &rest[here..];
            }
            got.extend(m.run_until(cut));
        }
        rest.iter().for_each(|(at, op)| apply(&mut m, *at, op));
        got.extend(m.run_until(LAST));
        let (all, log, state) = at_once(&ops);
        prop_assert_eq!(got, all);
        prop_assert_eq!(m.finish_log(), log);
        prop_assert_eq!(save::to_bytes(&m), state);
    }

    /// The fleet's loop: to the next decision or the next thing from outside. Nothing comes earlier than was said, and
    /// nothing earlier than the latency after an act; each stop is saved, checked and loaded.
    #[test]
    fn nothing_comes_before_it_was_promised(ops in history()) {
        let mut m = disturbed();
        let (mut got, mut now, mut rest) = (vec![], Time::ZERO, &ops[..]);
        let mut earliest = Time::MAX;
        while now < LAST {
            let outside = rest.first().map_or(LAST, |o| o.0);
            let next = m.next_decision();
            prop_assert!(next > now, "stuck at {}", now);
            let to = next.min(outside).min(LAST);
            prop_assert!(m.clone().run_until(Time(to.0 - u64::from(to > now))).is_empty());
            let new = m.run_until(to);
            prop_assert!(new.iter().all(|d| d.at == to && to >= earliest));
            got.extend(new);
            now = to;
            let n = rest.partition_point(|(t, _)| *t <= now);
            for (at, op) in &rest[..n] {
                apply(&mut m, *at, op);
                // A frame at the switch goes on by a link as the fault left it.
                let least = if matches!(op, Op::Fault(_)) { m.latency() / 2 } else { m.latency() };
                earliest = earliest.min(*at + least);
            }
            rest = &rest[n..];
            let saved = save::to_bytes(&m);
            prop_assert!(m.fits(7, now));
            m = save::from_bytes(&saved).expect("it was saved");
            prop_assert_eq!(save::to_bytes(&m), saved);
        }
        got.extend(m.run_until(LAST));
        prop_assert_eq!(&got, &at_once(&ops).0);
    }

    /// More stations hear broadcasts, but nobody else's fate changes.
    #[test]
    fn another_station_changes_nobodys_luck(ops in history()) {
        let acts: Vec<_> = ops.into_iter().filter(|o| matches!(o.1, Op::Frame(..))).collect();
        let (few, _, _) = at_once(&acts);
        let mut m = disturbed();
        (50..60).for_each(|n| m.connect(n, LinkConfig { latency_ns: 1_000_000, ..link() }));
        acts.iter().for_each(|(at, op)| apply(&mut m, *at, op));
        let many: Vec<_> = m.run_until(LAST).into_iter().filter(|d| d.station < 50).collect();
        prop_assert_eq!(many, few);
    }

    /// Every copy of every frame has exactly one end, and the counters tell the same.
    #[test]
    fn every_frame_is_accounted_for(ops in history()) {
        let mut m = disturbed();
        ops.iter().for_each(|(at, op)| apply(&mut m, *at, op));
        let got = m.run_until(Time::MAX);
        let log = m.take_log();
        prop_assert!(m.finish_log().is_empty());
        prop_assert!(log.is_sorted_by_key(|l| l.at));
        let ends = |fate: Fate| log.iter().flat_map(|l| &l.fates).filter(|f| f.2 == fate).count();
        prop_assert_eq!(got.len(), ends(Fate::Received) + ends(Fate::BadFcs));
        let sum = |f: fn(&Counters) -> u64| (0..6).map(|n| f(&m.counters(n))).sum::<u64>() as usize;
        prop_assert_eq!(sum(|c| c.rx_frames), ends(Fate::Received));
        prop_assert_eq!(sum(|c| c.lost), ends(Fate::Lost));
        prop_assert_eq!(sum(|c| c.queue_full), ends(Fate::QueueFull));
        prop_assert_eq!(sum(|c| c.link_down), ends(Fate::LinkDown));
        prop_assert_eq!(sum(|c| c.tx_frames), log.len());
    }

    /// Damaged saves are refused or do no harm.
    #[test]
    fn hostile_saves_do_no_harm(ops in history(), t in 0..2_000_000u64, hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut m = disturbed();
        ops.iter().filter(|o| o.0.0 < t).for_each(|(at, op)| apply(&mut m, *at, op));
        m.run_until(Time(t));
        let mut bytes = save::to_bytes(&m);
        hits.iter().for_each(|(i, b)| *i.get_mut(&mut bytes) = *b);
        let Ok(mut m) = save::from_bytes::<EthernetMedium>(&bytes) else { return Ok(()) };
        if m.fits(6, Time(t)) {
            m.act(0, Time(t), &msg(0, 255, b""));
            m.fault(Time(t), &EthernetFault::Down { stations: vec![1] });
            prop_assert!(m.run_until(LAST).iter().all(|d| d.station < 6 && d.at.0 >= t));
            m.run_until(Time::MAX);
        }
    }
}
