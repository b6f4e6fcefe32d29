//! Tests of the medium.

use super::*;
use crate::{Edge, Propagation};
use proptest::prelude::*;

const CHANNEL: u16 = 2407;

fn frame(bytes: &[u8], dbm: i8) -> AirFrame {
    AirFrame {
        mhz: CHANNEL,
        phy: Phy::Nrf1Mbit,
        dbm,
        address: 0x1234,
        address_len: 5,
        bytes: bytes.to_vec(),
        sync_ns: 48_000,
        total_ns: 48_000 + 8_000 * bytes.len() as u32,
    }
}

fn tx(bytes: &[u8], dbm: i8) -> RadioAct {
    RadioAct::TxStart(frame(bytes, dbm))
}

const ON: RadioAct = RadioAct::RxOn { mhz: CHANNEL, phy: Phy::Nrf1Mbit };

/// Nodes 0, 1, ... on a line at these metres.
fn line(config: RadioConfig, metres: &[f64]) -> RadioMedium {
    let mut m = RadioMedium::new(config, 7);
    for (i, x) in metres.iter().enumerate() {
        m.place(i as u32, [*x, 0.0, 0.0]);
    }
    m.log_frames();
    m
}

/// Feeds acts and collects everything.
fn run(m: &mut RadioMedium, acts: &[(u64, u32, RadioAct)]) -> Vec<Delivery> {
    for (t, node, act) in acts {
        m.act(*node, Time::us(*t), act);
    }
    m.run_until(Time::MAX)
}

fn ends(deliveries: &[Delivery], node: u32) -> Vec<Vec<u8>> {
    let of = |d: &Delivery| match &d.event {
        AirEvent::End { bytes, .. } if d.node == node => Some(bytes.clone()),
        _ => None,
    };
    deliveries.iter().filter_map(of).collect()
}

fn fates(m: &mut RadioMedium, node: u32) -> Vec<Fate> {
    let log = m.take_log();
    log.iter().flat_map(|l| l.fates.iter().filter(|f| f.0 == node).map(|f| f.2)).collect()
}

#[test]
fn a_frame_is_heard_at_sync_and_end() {
    let mut m = line(RadioConfig::default(), &[0.0, 10.0]);
    m.act(1, Time::us(100), &ON);
    m.act(0, Time::us(200), &tx(b"abc", 4));
    assert_eq!(m.next_decision(), Time::us(248));
    assert!(m.run_until(Time(247_999)).is_empty());
    let sync = m.run_until(Time::us(248));
    let event = AirEvent::Sync { frame: 0, address: 0x1234, address_len: 5, dbm: -66, bytes: 3 };
    assert_eq!(sync, [Delivery { at: Time::us(248), node: 1, event }]);
    assert_eq!(m.next_decision(), Time::us(272));
    let end = m.run_until(Time::us(300));
    let event = AirEvent::End { frame: 0, bytes: b"abc".to_vec(), dbm: -66 };
    assert_eq!(end, [Delivery { at: Time::us(272), node: 1, event }]);
    assert_eq!((m.next_decision(), m.flights.len()), (Time::MAX, 0));
    assert_eq!(fates(&mut m, 1), [Fate::Received]);
}

#[test]
fn who_does_not_listen_from_first_bit_to_last_hears_nothing() {
    let late = |t| vec![(t, 1, ON), (200, 0, tx(b"abc", 0))];
    let mut m = line(RadioConfig::default(), &[0.0, 10.0]);
    assert_eq!(run(&mut m, &late(200)).len(), 2); // on with the first bit
    let mut m = line(RadioConfig::default(), &[0.0, 10.0]);
    assert!(run(&mut m, &[(200, 0, tx(b"abc", 0)), (201, 1, ON)]).is_empty());
    assert_eq!(fates(&mut m, 1), [Fate::CameLate]);
    let mut m = line(RadioConfig::default(), &[0.0, 10.0]);
    let acts = [(0, 1, ON), (200, 0, tx(b"abc", 0)), (260, 1, RadioAct::RxOff), (261, 1, ON)];
    assert_eq!(run(&mut m, &acts).len(), 1);
    assert_eq!(fates(&mut m, 1), [Fate::LeftEarly]);
}

#[test]
fn other_channels_and_physical_layers_are_not_heard() {
    for (mhz, phy) in [(2408, Phy::Nrf1Mbit), (CHANNEL, Phy::Nrf2Mbit), (CHANNEL, Phy::Ble1Mbit)] {
        let mut m = line(RadioConfig::default(), &[0.0, 10.0]);
        assert!(run(&mut m, &[(0, 1, RadioAct::RxOn { mhz, phy }), (200, 0, tx(b"abc", 0))]).is_empty());
    }
}

#[test]
fn range_is_where_the_sensitivity_ends() {
    let mut m = line(RadioConfig::default(), &[0.0, 46.0, 47.0, 5000.0]);
    let acts = [(0, 1, ON), (0, 2, ON), (0, 3, ON), (200, 0, tx(b"abc", 0))];
    let got = run(&mut m, &acts);
    assert_eq!((ends(&got, 1).len(), ends(&got, 2).len(), ends(&got, 3).len()), (1, 0, 0));
    let log = m.take_log();
    assert_eq!(log[0].fates, [(2, -90, Fate::TooWeak), (1, -90, Fate::Received)]);
}

#[test]
fn overlapping_frames_destroy_each_other_unless_one_is_much_stronger() {
    // 1 listens; 0 is at 10 m, 2 as far away.
    let two = |other: f64, start: u64| {
        let mut m = line(RadioConfig::default(), &[0.0, 10.0, 10.0 + other]);
        let got = run(&mut m, &[(0, 1, ON), (200, 0, tx(&[7; 20], 0)), (start, 2, tx(&[9; 2], 0))]);
        let first: Vec<_> =
            ends(&got, 1).into_iter().filter(|b| b.len() == 20).map(|b| b == [7; 20]).collect();
        (first, fates(&mut m, 1))
    };
    // During the address: nothing is heard.
    assert_eq!(two(10.0, 230), (vec![], vec![Fate::Collision, Fate::Collision]));
    // During the payload: bytes are damaged.
    let (first, fate) = two(10.0, 260);
    assert_eq!(first, [false]);
    assert!(matches!(fate[..], [Fate::Collision, Fate::Damaged(n)] if (4..=9).contains(&n)), "{fate:?}");
    // 10 dB weaker is 10^(1/3) times as far.
    assert_eq!(two(21.6, 260).0, [true]);
    assert_eq!(two(21.4, 260).0, [false]);
    // Afterwards: nothing happens.
    assert_eq!(two(10.0, 200 + 48 + 160), (vec![true], vec![Fate::Received, Fate::Received]));
}

#[test]
fn damage_is_where_the_disturber_was() {
    let mut m = line(RadioConfig::default(), &[0.0, 10.0, 20.0]);
    // The disturber lasts 64 us, from byte 4 to byte 11.
    let got = run(&mut m, &[(0, 1, ON), (200, 0, tx(&[0; 20], 0)), (280, 2, tx(&[9; 2], 0))]);
    let bytes = &ends(&got, 1)[0];
    let bad: Vec<usize> = (0..20).filter(|i| bytes[*i] != 0).collect();
    assert!(bad.len() >= 6 && bad.iter().all(|i| (4..12).contains(i)), "{bad:?}");
}

#[test]
fn many_weak_disturbers_add_up() {
    let config = || RadioConfig::default();
    // Each alone is 12 dB weaker; four of them are 6 dB stronger than one.
    let place = [0.0, 10.0, 35.2, 35.2, 35.2, 35.2];
    let start = |n: u32| (2..2 + n).map(|i| (260, i, tx(&[9; 2], 0))).collect::<Vec<_>>();
    for (n, whole) in [(1, true), (4, false)] {
        let mut m = line(config(), &place);
        let mut acts = vec![(0, 1, ON), (200, 0, tx(&[7; 20], 0))];
        acts.extend(start(n));
        assert_eq!(ends(&run(&mut m, &acts), 1)[0] == [7; 20], whole, "{n}");
    }
}

#[test]
fn a_frame_on_another_physical_layer_disturbs() {
    let mut m = line(RadioConfig::default(), &[0.0, 10.0, 20.0]);
    let mut other = frame(&[9; 2], 0);
    other.phy = Phy::Nrf2Mbit;
    let got = run(&mut m, &[(0, 1, ON), (200, 0, tx(&[7; 20], 0)), (260, 2, RadioAct::TxStart(other))]);
    assert_ne!(ends(&got, 1), [[7; 20]]);
}

#[test]
fn a_frame_that_breaks_off_leaves_noise() {
    let mut m = line(RadioConfig::default(), &[0.0, 10.0]);
    let got = run(&mut m, &[(0, 1, ON), (200, 0, tx(&[7; 20], 0)), (288, 0, RadioAct::TxAbort)]);
    let bytes = &ends(&got, 1)[0];
    assert_eq!((got.last().unwrap().at, &bytes[..5]), (Time::us(408), &[7; 5][..]));
    assert_ne!(bytes[5..], [7; 15]);
    assert_eq!(m.take_log()[0].aborted, Some(Time::us(288)));
    // Before the address is over nobody has heard anything.
    let mut m = line(RadioConfig::default(), &[0.0, 10.0]);
    assert!(run(&mut m, &[(0, 1, ON), (200, 0, tx(&[7; 20], 0)), (240, 0, RadioAct::TxAbort)]).is_empty());
    assert!(m.flights.is_empty() && m.due.is_empty());
}

#[test]
fn a_sample_is_the_mean_power_of_its_time() {
    let sample = |acts: &[(u64, u32, RadioAct)]| {
        let mut m = line(RadioConfig::default(), &[0.0, 10.0]);
        let mut all = vec![(0, 1, ON)];
        all.extend_from_slice(acts);
        let rssi = |d: &Delivery| match d.event {
            AirEvent::Rssi { dbm } => Some((d.at.0, dbm)),
            _ => None,
        };
        let got: Vec<_> = run(&mut m, &all).iter().filter_map(rssi).collect();
        assert!(m.flights.is_empty());
        got
    };
    assert_eq!(sample(&[(100, 1, RadioAct::Sample)]), [(108_800, -100)]);
    assert_eq!(sample(&[(100, 0, tx(&[1; 9], 0)), (120, 1, RadioAct::Sample)]), [(128_800, -70)]);
    // 4.4 of 8.8 us: half the power.
    let mut half = frame(&[1; 9], 0);
    half.total_ns = 48_400;
    assert_eq!(sample(&[(100, 0, RadioAct::TxStart(half)), (144, 1, RadioAct::Sample)]), [(152_800, -73)]);
}

#[test]
fn unit_disk_has_no_capture_and_two_luck_ratios() {
    let disk = |tx, rx| RadioConfig {
        propagation: Propagation::UnitDisk {
            tx_range: 50.0,
            interference_range: 100.0,
            success_ratio_tx: tx,
            success_ratio_rx: rx,
        },
        ..RadioConfig::default()
    };
    let mut m = line(disk(1.0, 1.0), &[0.0, 1.0, 99.0]);
    let got = run(&mut m, &[(0, 1, ON), (200, 0, tx(&[7; 20], 0)), (260, 2, tx(&[9; 2], -30))]);
    assert_ne!(ends(&got, 1), [[7; 20]]);
    let mut m = line(disk(1.0, 1.0), &[0.0, 1.0, 101.1]);
    let got = run(&mut m, &[(0, 1, ON), (200, 0, tx(&[7; 20], 0)), (260, 2, tx(&[9; 2], 4))]);
    assert_eq!(ends(&got, 1), [[7; 20]]);
    let count = |config, metres: f64| {
        let mut m = line(config, &[0.0, metres]);
        let mut acts = vec![(0, 1, ON)];
        acts.extend((0..1000).map(|i| (100 + 1000 * i, 0, tx(b"x", 0))));
        ends(&run(&mut m, &acts), 1).len()
    };
    assert_eq!(count(disk(1.0, 0.0), 0.0), 1000);
    assert!((200..300).contains(&count(disk(1.0, 0.0), 43.3))); // 1 - (43.3 / 50)^2 = 0.25
    assert!((450..550).contains(&count(disk(0.5, 1.0), 10.0)));
    assert!((650..750).contains(&count(RadioConfig { loss: 0.3, ..RadioConfig::default() }, 10.0)));
}

#[test]
fn explicit_links_are_directed() {
    let edge = Edge { loss_db: 50.0, success_ratio: 1.0 };
    let config =
        RadioConfig { propagation: Propagation::Links([((0, 1), edge)].into()), ..RadioConfig::default() };
    let mut m = line(config, &[0.0, 1e6]);
    let acts =
        [(0, 1, ON), (200, 0, tx(b"a", 0)), (400, 1, RadioAct::RxOff), (400, 0, ON), (500, 1, tx(b"b", 0))];
    let got = run(&mut m, &acts);
    assert_eq!((ends(&got, 1).len(), ends(&got, 0).len()), (1, 0));
}

#[test]
fn gain_carries_farther() {
    let acts = [(0, 1, ON), (200, 0, tx(b"a", 0))];
    let mut m = line(RadioConfig::default(), &[0.0, 60.0]);
    assert!(run(&mut m, &acts).is_empty());
    let mut m = line(RadioConfig::default(), &[0.0, 60.0]);
    m.set_gain(1, 6.0);
    assert_eq!(run(&mut m, &acts).len(), 2);
}

#[test]
fn moving_counts_at_once() {
    let mut m = line(RadioConfig::default(), &[0.0, 1e5]);
    m.act(1, Time::us(1), &ON);
    m.act(0, Time::us(200), &tx(b"a", 0));
    assert!(m.run_until(Time::ms(1)).is_empty());
    m.place(1, [3.0, 0.0, 0.0]);
    m.act(0, Time::ms(2), &tx(b"a", 0));
    assert_eq!(m.run_until(Time::ms(3)).len(), 2);
}

#[test]
fn work_is_in_the_neighbours() {
    let mut m = line(RadioConfig::default(), &(0..3000).map(|i| f64::from(i) * 100.0).collect::<Vec<_>>());
    m.act(1500, Time::us(1), &tx(b"a", 0));
    m.run_until(Time::ms(1));
    let near = &m.derived.neighbours[&1500];
    assert!(near.len() < 100, "{}", near.len());
}

// ---- properties ----

/// Acts of a few nodes in order, each node sending or listening by turns.
fn traffic() -> impl Strategy<Value = Vec<(u64, u32, RadioAct)>> {
    let one = (0u64..40, 0u32..6, 0u8..8, 1usize..20, -30i8..5);
    proptest::collection::vec(one, 1..80).prop_map(|v| {
        let mut t = 0;
        let act = |kind: u8, len: usize, dbm| match kind {
            0..3 => ON,
            3 => RadioAct::RxOff,
            4 => RadioAct::Sample,
            5 => RadioAct::TxAbort,
            _ => tx(&vec![len as u8; len], dbm),
        };
        let one = |(dt, node, kind, len, dbm)| {
            t += dt;
            (t, node, act(kind, len, dbm))
        };
        let mut acts: Vec<_> = v.into_iter().map(one).collect();
        acts.sort_by_key(|a| (a.0, a.1));
        acts
    })
}

const PLACES: [f64; 6] = [0.0, 5.0, 12.0, 30.0, 33.0, 60.0];

fn lossy() -> RadioConfig {
    RadioConfig { loss: 0.2, ..RadioConfig::default() }
}

fn bytes(m: &RadioMedium) -> Vec<u8> {
    emu_core::save::to_bytes(m)
}

proptest! {
    #[test]
    fn cutting_time_anywhere_changes_nothing(acts in traffic(), cuts in proptest::collection::vec(0u64..4000, 0..30)) {
        let whole = run(&mut line(lossy(), &PLACES), &acts);
        let mut m = line(lossy(), &PLACES);
        let mut cuts = cuts;
        cuts.sort_unstable();
        let (mut got, mut cut) = (vec![], cuts.into_iter().peekable());
        for (t, node, act) in &acts {
            while let Some(c) = cut.next_if(|c| c < t) {
                got.extend(m.run_until(Time::us(c)));
            }
            m.act(*node, Time::us(*t), act);
        }
        got.extend(m.run_until(Time::MAX));
        prop_assert_eq!(whole, got);
    }

    #[test]
    fn a_fork_and_a_loaded_copy_go_on_alike(acts in traffic(), at in 0usize..80) {
        let mut m = line(lossy(), &PLACES);
        let at = at.min(acts.len());
        let now = acts[..at].last().map_or(Time::ZERO, |a| Time::us(a.0));
        for (t, node, act) in &acts[..at] {
            m.act(*node, Time::us(*t), act);
        }
        m.run_until(now);
        let mut fork = m.clone();
        let mut loaded: RadioMedium = emu_core::save::from_bytes(&bytes(&m)).unwrap();
        prop_assert_eq!(bytes(&m), bytes(&fork));
        prop_assert_eq!(bytes(&m), bytes(&loaded));
        let rest = run(&mut m, &acts[at..]);
        prop_assert_eq!(&rest, &run(&mut fork, &acts[at..]));
        prop_assert_eq!(&rest, &run(&mut loaded, &acts[at..]));
        prop_assert_eq!(bytes(&m), bytes(&fork));
        prop_assert_eq!(bytes(&m), bytes(&loaded));
    }

    #[test]
    fn one_more_node_far_away_changes_nobodys_luck(acts in traffic(), when in 0u64..1000) {
        let alone = run(&mut line(lossy(), &PLACES), &acts);
        let mut m = line(lossy(), &PLACES);
        m.place(77, [1e5, 0.0, 0.0]);
        m.place(78, [1e5, 5.0, 0.0]);
        let mut more = acts.clone();
        more.extend([(when, 77, tx(b"far away", 4)), (when, 78, ON)]);
        more.sort_by_key(|a| (a.0, a.1));
        let here: Vec<_> = run(&mut m, &more).into_iter().filter(|d| d.node < 77).collect();
        prop_assert_eq!(alone, here);
    }

    #[test]
    fn one_more_listener_changes_nobodys_luck(acts in traffic(), x in 0.0f64..60.0) {
        let alone = run(&mut line(lossy(), &PLACES), &acts);
        let mut m = line(lossy(), &PLACES);
        m.place(77, [x, 1.0, 0.0]);
        let mut more = vec![(0, 77, ON)];
        more.extend(acts);
        let here: Vec<_> = run(&mut m, &more).into_iter().filter(|d| d.node != 77).collect();
        prop_assert_eq!(alone, here);
    }

    #[test]
    fn the_order_of_acts_of_one_instant_does_not_matter_between_nodes(acts in traffic()) {
        let mut other = acts.clone();
        other.sort_by_key(|a| (a.0, std::cmp::Reverse(a.1)));
        prop_assert_eq!(run(&mut line(lossy(), &PLACES), &acts), run(&mut line(lossy(), &PLACES), &other));
    }

    #[test]
    fn nothing_comes_sooner_than_the_latency_or_out_of_order(acts in traffic()) {
        let mut m = line(lossy(), &PLACES);
        let got = run(&mut m, &acts);
        prop_assert!(got.windows(2).all(|w| w[0].at <= w[1].at));
        for d in &got {
            if let AirEvent::Sync { frame, .. } = d.event {
                let sent: Vec<_> = acts.iter().filter(|a| u64::from(a.1) == frame >> 32
                    && matches!(a.2, RadioAct::TxStart(_))).collect();
                let start = Time::us(sent[(frame & 0xffff_ffff) as usize].0);
                prop_assert!(d.at.since(start) >= m.latency());
            }
        }
        prop_assert!(m.flights.is_empty() && m.due.is_empty() && m.ready.is_empty());
    }
}
