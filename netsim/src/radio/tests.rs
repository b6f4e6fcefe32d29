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

/// nRF51's time.
const RSSI_NS: u64 = 8_800;

/// What a measurement shows that is over at `t`.
fn rssi(m: &mut RadioMedium, node: u32, t: Time) -> Option<i8> {
    m.answer(node, t).map(|d| match d.event {
        AirEvent::Rssi { dbm } if (d.at, d.node) == (t, node) => dbm,
        other => panic!("{other:?}"),
    })
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
fn loss_is_gradual_around_the_sensitivity() {
    // -90 dBm is reached at 10^(50/30) = 46.4 m: a thousandth of the bits is wrong there.
    let deliver = |metres: f64| {
        let mut m = line(RadioConfig::default(), &[0.0, metres]);
        let mut acts = vec![(0, 1, ON)];
        acts.extend((0..1000).map(|i| (100 + 1000 * i, 0, tx(&[0x55; 20], 0))));
        let got = run(&mut m, &acts);
        let whole = ends(&got, 1).iter().filter(|b| **b == [0x55; 20]).count() as f64 / 1000.0;
        let predicted = m.delivery_probability(0, 1, &frame(&[0; 20], 0), Time::secs(2));
        assert!((whole - predicted).abs() < 0.05, "{metres} m: {whole}, predicted {predicted}");
        let c = m.counters(1);
        assert_eq!(c.received as f64 / 1000.0, whole);
        assert_eq!(m.counters(0).sent, 1000);
        assert_eq!((c.received + c.damaged + c.too_weak, c.collisions, c.unlucky), (1000, 0, 0));
        whole
    };
    let curve = [30.0, 42.0, 46.4, 50.0, 55.0, 70.0, 150.0].map(deliver);
    assert!(curve.windows(2).all(|w| w[0] >= w[1]), "{curve:?}");
    assert_eq!((curve[0], curve[6]), (1.0, 0.0));
    assert!((0.75..0.88).contains(&curve[2]), "{curve:?}"); // 0.999^200 = 0.82
    let mut far = line(RadioConfig::default(), &[0.0, 5000.0]);
    run(&mut far, &[(0, 1, ON), (200, 0, tx(b"abc", 0))]);
    assert!(far.take_log()[0].fates.is_empty());
}

/// Share of 400 frames that arrive whole from 10 m while another, so many dB weaker, sends all the time.
fn survivors(change: impl Fn(&mut AirFrame), weaker_db: f64) -> f64 {
    let far = 10.0 * 10f64.powf(weaker_db / 30.0);
    let mut m = line(RadioConfig::default(), &[0.0, 10.0, 10.0 + far]);
    let mut acts = vec![(0, 1, ON)];
    for i in 0..400 {
        let mut other = frame(&[9; 40], 0);
        change(&mut other);
        acts.extend([(1000 * i + 90, 2, RadioAct::TxStart(other)), (1000 * i + 100, 0, tx(&[7; 20], 0))]);
    }
    let got = run(&mut m, &acts);
    ends(&got, 1).iter().filter(|b| **b == [7; 20]).count() as f64 / 400.0
}

#[test]
fn a_frame_survives_a_weaker_one_by_the_ratio_of_its_physical_layer() {
    // At 12 dB a thousandth of the bits is wrong: 0.999^200 = 0.82.
    let at = |db| survivors(|_| (), db);
    assert!((0.72..0.92).contains(&at(12.0)), "{}", at(12.0));
    assert_eq!((at(0.0), at(6.0), at(16.0)), (0.0, 0.0, 1.0));
}

#[test]
fn neighbouring_channels_disturb_less_the_farther_they_are() {
    let at = |mhz: i32, db: f64| survivors(|f| f.mhz = (i32::from(CHANNEL) + mhz) as u16, db);
    assert!((0.72..0.92).contains(&at(1, 4.0)) && (0.72..0.92).contains(&at(-1, 4.0)));
    assert_eq!((at(1, 0.0) < 0.1, at(1, 8.0), at(2, -18.0), at(2, -29.0) < 0.1), (true, 1.0, 1.0, true));
    assert_eq!((at(3, -26.0), at(40, -29.0)), (1.0, 1.0));
}

#[test]
fn overlapping_frames_are_lost_where_they_overlap() {
    // 1 listens; 0 and 2 are equally near.
    let two = |start: u64| {
        let mut m = line(RadioConfig::default(), &[0.0, 10.0, 20.0]);
        let got = run(&mut m, &[(0, 1, ON), (200, 0, tx(&[7; 20], 0)), (start, 2, tx(&[9; 2], 0))]);
        let first: Vec<_> = ends(&got, 1).into_iter().filter(|b| b.len() == 20).collect();
        (first.iter().map(|b| *b == [7; 20]).collect::<Vec<_>>(), fates(&mut m, 1))
    };
    // During the address: nothing is heard.
    assert_eq!(two(215), (vec![], vec![Fate::Collision, Fate::Collision]));
    // During the payload: bytes are damaged.
    let (first, fate) = two(260);
    assert_eq!(first, [false]);
    assert!(matches!(fate[..], [Fate::Collision, Fate::Damaged(n)] if (4..=9).contains(&n)), "{fate:?}");
    // Afterwards: nothing happens.
    assert_eq!(two(200 + 48 + 160), (vec![true], vec![Fate::Received, Fate::Received]));
}

#[test]
fn the_strong_is_offered_in_the_middle_of_the_weak() {
    let mut m = line(RadioConfig::default(), &[0.0, 30.0, 31.0]);
    let got = run(&mut m, &[(0, 1, ON), (200, 0, tx(&[7; 20], 0)), (260, 2, tx(&[9; 2], 0))]);
    assert_eq!(ends(&got, 1)[0], [9; 2]); // a receiver that waits for the first one's end ignores it
    assert_ne!(ends(&got, 1)[1], [7; 20]);
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
    // Each alone is 15 dB weaker; four of them are 6 dB stronger than one.
    let place = [0.0, 10.0, 41.6, 41.6, 41.6, 41.6];
    let count = |n: u32| {
        let mut m = line(RadioConfig::default(), &place);
        let mut acts = vec![(0, 1, ON)];
        for i in 0..100 {
            acts.push((1000 * i + 200, 0, tx(&[7; 20], 0)));
            acts.extend((2..2 + n).map(|k| (1000 * i + 230, k, tx(&[9; 20], 0))));
        }
        ends(&run(&mut m, &acts), 1).iter().filter(|b| **b == [7; 20]).count()
    };
    assert!(count(1) >= 98 && count(4) <= 50, "{} {}", count(1), count(4));
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
        m.act(1, Time::ZERO, &ON);
        acts.iter().for_each(|(t, node, act)| m.act(*node, Time::us(*t), act));
        let end = Time::us(acts.last().unwrap().0) + RSSI_NS;
        m.run_until(end);
        let dbm = rssi(&mut m, 1, end).unwrap();
        assert_eq!(rssi(&mut m, 1, end + 1), None, "a measurement is answered once");
        m.run_until(Time::MAX);
        assert!(m.flights.is_empty());
        dbm
    };
    assert_eq!(sample(&[(100, 1, RadioAct::Sample)]), -100);
    assert_eq!(sample(&[(100, 0, tx(&[1; 9], 0)), (120, 1, RadioAct::Sample)]), -70);
    // 4.4 of 8.8 us: half the power.
    let mut half = frame(&[1; 9], 0);
    half.total_ns = 48_400;
    assert_eq!(sample(&[(100, 0, RadioAct::TxStart(half)), (144, 1, RadioAct::Sample)]), -73);
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
fn gain_and_power_carry_farther() {
    let hears = |change: fn(&mut RadioMedium)| {
        let mut m = line(RadioConfig::default(), &[0.0, 80.0]);
        change(&mut m);
        run(&mut m, &[(0, 1, ON), (200, 0, tx(b"a", 0))]).len()
    };
    assert_eq!(hears(|_| ()), 0);
    assert_eq!(hears(|m| m.set_gain(1, 12.0)), 2);
    assert_eq!(hears(|m| m.set_gain(0, 12.0)), 2);
    assert_eq!(hears(|m| m.set_power_offset(0, 12.0)), 2);
    assert_eq!(hears(|m| m.set_power_offset(1, 12.0)), 0);
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

/// A square of `side` * `side` nodes, `spacing` metres apart, of which every one sends once and all listen.
fn square(side: u32, spacing: f64) -> RadioMedium {
    let mut m = RadioMedium::new(RadioConfig::default(), 1);
    for i in 0..side * side {
        m.place(i, [f64::from(i % side) * spacing, f64::from(i / side) * spacing, 0.0]);
        m.act(i, Time::ZERO, &ON);
    }
    m
}

#[test]
fn work_is_in_the_neighbours() {
    let work = |side: u32| {
        let mut m = square(side, 70.0);
        let frames = |m: &mut RadioMedium, from: u64| {
            let before = m.visits();
            for i in 0..u64::from(side * side) {
                m.act(i as u32, Time::us(from + 100 * i), &tx(&[1; 8], 0));
                m.run_until(Time::us(from + 100 * i + 50));
            }
            (m.visits() - before) as f64 / f64::from(side * side)
        };
        (frames(&mut m, 1_000), frames(&mut m, 10_000_000))
    };
    let (small, large) = (work(12), work(64));
    // The rim of the small square has fewer neighbours.
    assert!(large.0 < 1.5 * small.0 && large.1 < 1.5 * small.1, "{small:?} {large:?}");
    assert!(large.1 > 10.0 && large.1 < 20.0, "{large:?}"); // all within 158 m
}

/// `cargo test -p netsim --release -- --ignored --nocapture cost_of_a_frame`
#[test]
#[ignore = "a measurement"]
fn cost_of_a_frame() {
    for side in [10, 32, 63] {
        let mut m = square(side, 70.0);
        let n = u64::from(side * side);
        let mut rounds = vec![];
        for round in 0..5 {
            #[allow(clippy::disallowed_methods, reason = "a measurement of the host")]
            let start = std::time::Instant::now();
            for i in 0..40_000 {
                let t = round * 1_000_000_000 + 1_000 + i * 20_000 * 100 / n;
                m.act((i * 7919 % n) as u32, Time(t), &tx(&[1; 16], 0));
                m.run_until(Time(t));
            }
            rounds.push(start.elapsed().as_nanos() / 40_000);
        }
        println!("{n:5} nodes: {} ns a frame; {rounds:?}", rounds.iter().min().unwrap());
    }
}

#[test]
fn a_carrier_is_sensed_after_the_measurement() {
    // The first bit leaves at 100 us. What a measurement begun at `t` shows:
    let sample = |t: u64| {
        let mut m = line(RadioConfig::default(), &[0.0, 10.0]);
        m.act(1, Time::ZERO, &ON);
        m.act(0, Time::us(100), &tx(&[1; 9], 0));
        m.act(1, Time(t), &RadioAct::Sample);
        rssi(&mut m, 1, Time(t + RSSI_NS)).unwrap()
    };
    assert_eq!(sample(100_000 - RSSI_NS), -100); // over when it begins
    assert_eq!(sample(100_000 - RSSI_NS + 88), -90); // a hundredth of the time
    assert_eq!(sample(100_000 - RSSI_NS / 2), -73);
    assert_eq!(sample(100_000), -70);
    assert_eq!(sample(220_000 - RSSI_NS), -70);
    assert_eq!(sample(220_000), -100);
}

#[test]
fn a_measurement_keeps_neighbouring_channels_out() {
    let at = |mhz: u16| {
        let mut m = line(RadioConfig::default(), &[0.0, 10.0]);
        m.act(1, Time::ZERO, &RadioAct::RxOn { mhz, phy: Phy::Nrf1Mbit });
        m.act(0, Time::us(100), &tx(&[1; 9], 0));
        m.act(1, Time::us(110), &RadioAct::Sample);
        rssi(&mut m, 1, Time::us(120))
    };
    assert_eq!(
        [at(CHANNEL), at(CHANNEL + 1), at(CHANNEL - 1), at(CHANNEL + 9)],
        [Some(-70), Some(-78), Some(-78), Some(-100)]
    );
}

#[test]
fn far_receivers_hear_whole_microseconds_later() {
    let config = RadioConfig {
        propagation: Propagation::LogDistance { exponent: 2.0, reference_loss_db: 20.0 },
        ..RadioConfig::default()
    };
    let mut m = line(config, &[0.0, 100.0, 700.0]);
    let got = run(&mut m, &[(0, 1, ON), (2, 2, ON), (2, 0, tx(&[0; 4], 0)), (20, 0, RadioAct::RxOff)]);
    let at: Vec<_> = got.iter().map(|d| (d.node, d.at.0)).collect();
    assert_eq!(at, [(1, 50_000), (2, 52_000), (1, 82_000), (2, 84_000)]);
}

// ---- movement and faults ----

#[test]
fn a_walk_is_a_straight_line_in_time() {
    let mut m = line(RadioConfig::default(), &[0.0, 400.0]);
    m.act(1, Time::us(1), &ON);
    m.move_to(Time::secs(1), 1, [0.0, 10.0, 0.0], 40.0);
    let arrive = 400.12498;
    let at = |m: &RadioMedium, s| m.position(1, Time::secs(s)).unwrap();
    assert_eq!((at(&m, 1), at(&m, 1000)), ([400.0, 0.0, 0.0], [0.0, 10.0, 0.0]));
    let x = at(&m, 6)[0];
    assert!((x - 400.0 * (1.0 - 5.0 * 40.0 / arrive)).abs() < 1e-3, "{x}");
    let mut heard = vec![];
    for s in 1..14 {
        m.act(0, Time::secs(s), &tx(b"a", 0));
        heard.push(m.run_until(Time::secs(s) + 1_000_000).len());
    }
    assert_eq!((heard[0], heard[6], heard[12]), (0, 0, 2), "{heard:?}");
    // Turning round on the way starts from where it is.
    m.move_to(Time::secs(20), 1, [100.0, 10.0, 0.0], 10.0);
    m.move_to(Time::secs(25), 1, [0.0, 10.0, 0.0], 10.0);
    assert_eq!(
        (m.position(1, Time::secs(25)).unwrap()[0], m.position(1, Time::secs(29)).unwrap()[0]),
        (50.0, 10.0)
    );
    m.move_to(Time::secs(30), 1, [7.0, 7.0, 7.0], 0.0);
    assert_eq!(m.position(1, Time::secs(30)), Some([7.0; 3]));
}

fn ten_frames(m: &mut RadioMedium, from_ms: u64) -> usize {
    for i in 0..10 {
        m.act(0, Time::ms(from_ms + i), &tx(&[3; 8], 0));
    }
    ends(&m.run_until(Time::ms(from_ms + 20)), 1).iter().filter(|b| **b == [3; 8]).count()
}

#[test]
fn faults_count_from_their_instant_until_they_end() {
    let mut m = line(RadioConfig::default(), &[0.0, 10.0, 20.0]);
    m.act(1, Time::ZERO, &ON);
    assert_eq!(ten_frames(&mut m, 1), 10);
    let mut at = 100;
    let mut with = |m: &mut RadioMedium, fault: RadioFault| {
        at += 100;
        m.fault(Time::ms(at), &fault);
        ten_frames(m, at)
    };
    assert_eq!(with(&mut m, RadioFault::SetLoss(1.0)), 0);
    assert_eq!(with(&mut m, RadioFault::SetLoss(0.0)), 10);
    assert_eq!(with(&mut m, RadioFault::Mute { node: 1 }), 0);
    assert_eq!(m.counters(1).cut_off, 10);
    assert_eq!(with(&mut m, RadioFault::Unmute { node: 1 }), 10);
    assert_eq!(with(&mut m, RadioFault::Mute { node: 0 }), 0);
    assert_eq!(with(&mut m, RadioFault::Unmute { node: 0 }), 10);
    assert_eq!(with(&mut m, RadioFault::Partition { groups: vec![vec![1, 2]] }), 0);
    assert_eq!(with(&mut m, RadioFault::Partition { groups: vec![vec![2], vec![0, 1]] }), 10);
    assert_eq!(with(&mut m, RadioFault::Partition { groups: vec![vec![0], vec![1]] }), 0);
    assert_eq!(m.delivery_probability(0, 1, &frame(&[3; 8], 0), Time::secs(9)), 0.0);
    assert_eq!(with(&mut m, RadioFault::Heal), 10);
    let go = |x: f64| RadioFault::MoveTo { node: 1, position: [x, 0.0, 0.0], speed: 0.0 };
    assert_eq!(with(&mut m, go(4000.0)), 0);
    assert_eq!(with(&mut m, go(10.0)), 10);
    // A burst is for some, and ends by itself in the middle of the ten.
    let burst = |nodes| RadioFault::Burst { loss: 1.0, until: Time::ms(at + 104), nodes };
    m.fault(Time::ms(at + 100), &burst(vec![2, 0]));
    assert_eq!(ten_frames(&mut m, at + 100), 10);
    let burst = RadioFault::Burst { loss: 1.0, until: Time::ms(at + 204), nodes: vec![1] };
    m.fault(Time::ms(at + 200), &burst);
    assert_eq!(ten_frames(&mut m, at + 200), 6);
}

#[test]
fn jammers_cover_frequencies_near_them_and_are_measured() {
    let jam = |dbm, mhz, pattern| {
        let jammer = Jammer { position: [10.0, 5.0, 0.0], mhz, dbm, pattern };
        RadioFault::Jam { name: "j".into(), jammer }
    };
    let near = (CHANNEL - 5, CHANNEL + 5);
    let heard = |fault: &RadioFault| {
        let mut m = line(RadioConfig::default(), &[0.0, 10.0]);
        m.act(1, Time::ZERO, &ON);
        m.fault(Time::us(10), fault);
        m.act(1, Time::us(20), &RadioAct::Sample);
        let rssi = rssi(&mut m, 1, Time::us(20) + RSSI_NS);
        m.run_until(Time::us(100));
        assert_eq!(m.jammers().collect::<Vec<_>>(), ["j"]);
        let n = ten_frames(&mut m, 1);
        m.fault(Time::ms(50), &RadioFault::Unjam { name: "j".into() });
        assert_eq!((ten_frames(&mut m, 60), m.jammers().count()), (10, 0));
        (n, rssi.unwrap())
    };
    assert_eq!(heard(&jam(0.0, near, Pattern::Always)), (0, -61));
    assert_eq!(heard(&jam(-40.0, near, Pattern::Always)), (10, -97));
    assert_eq!(heard(&jam(0.0, (2470, 2480), Pattern::Always)), (10, -100));
    // A pulse of 200 us every 2 ms meets every other of the frames that leave at whole milliseconds.
    let pulses = Pattern::Pulses { every_ns: 2_000_000, for_ns: 200_000 };
    assert_eq!(heard(&jam(0.0, near, pulses)).0, 5);
}

#[test]
fn fading_and_shadowing_are_as_predicted() {
    let config = RadioConfig { shadowing_db: 3.0, fading_db: 4.0, ..RadioConfig::default() };
    for metres in [34.0, 40.0, 46.0] {
        let mut m = line(config.clone(), &[0.0, metres]);
        let mut acts = vec![(0, 1, ON)];
        acts.extend((0..2000).map(|i| (100 + 1000 * i, 0, tx(&[0x55; 20], 0))));
        let got = run(&mut m, &acts);
        let whole = ends(&got, 1).iter().filter(|b| **b == [0x55; 20]).count() as f64 / 2000.0;
        let predicted = m.delivery_probability(0, 1, &frame(&[0; 20], 0), Time::secs(9));
        assert!((whole - predicted).abs() < 0.04, "{metres} m: {whole}, predicted {predicted}");
        assert!(predicted < 0.999);
    }
}

#[test]
fn acts_of_one_instant_may_come_in_two_batches() {
    let batches = |cut: bool| {
        let mut m = line(RadioConfig::default(), &[0.0, 10.0]);
        m.act(1, Time::us(100), &ON);
        m.act(0, Time::us(200), &tx(&[5; 3], 0));
        m.act(1, Time::us(248), &RadioAct::Sample);
        let mut got = vec![];
        if cut {
            got.extend(m.run_until(Time::us(248)));
        }
        // At the very instant of the sync: neither it nor the measurement knows of this.
        m.act(1, Time::us(248), &RadioAct::RxOff);
        m.act(1, Time::us(248), &ON);
        got.extend(m.run_until(Time::us(248)));
        assert_eq!(m.next_decision(), Time::us(272));
        got.extend(m.answer(1, Time(256_800)));
        got.extend(m.run_until(Time::ms(1)));
        (got, bytes(&m), fates(&mut m, 1))
    };
    assert_eq!(batches(true), batches(false));
    assert_eq!((batches(true).0.len(), batches(true).2), (2, vec![Fate::LeftEarly]));
}

#[test]
fn mend_a_decision_knows_nothing_of_the_acts_of_its_instant() {
    // Off at the end of the address, and at the last bit; nobody stops there.
    let off = |t| {
        let mut m = line(RadioConfig::default(), &[0.0, 10.0]);
        let got = run(&mut m, &[(100, 1, ON), (200, 0, tx(&[5; 3], 0)), (t, 1, RadioAct::RxOff)]);
        (got.len(), fates(&mut m, 1))
    };
    assert_eq!(off(247), (0, vec![])); // nobody listens any more
    assert_eq!(off(248), (1, vec![Fate::LeftEarly]));
    assert_eq!(off(271), (1, vec![Fate::LeftEarly]));
    assert_eq!(off(272), (2, vec![Fate::Received]));
    // Off at the end of a measurement.
    let measured = |off: u64| {
        let mut m = line(RadioConfig::default(), &[0.0, 10.0]);
        m.act(1, Time::ZERO, &ON);
        m.act(0, Time::us(100), &tx(&[1; 9], 0));
        m.act(1, Time::us(100), &RadioAct::Sample);
        m.act(1, Time(off), &RadioAct::RxOff);
        m.run_until(Time(108_800));
        rssi(&mut m, 1, Time(108_800))
    };
    assert_eq!((measured(108_799), measured(108_800)), (Some(-100), Some(-70)));
}

#[test]
fn mend_interferers_that_ended_count_until_the_victim_is_decided() {
    let mut m = line(RadioConfig::default(), &[0.0, 10.0, 20.0, 20.0]);
    // The disturber is on the air from byte 4 to byte 11; long after it, before the victim's end, a third frame comes,
    // which disturbs nobody.
    let mut third = frame(&[9; 2], 0);
    third.mhz = CHANNEL + 40;
    let third = RadioAct::TxStart(third);
    let acts = [(0, 1, ON), (200, 0, tx(&[0; 40], 0)), (280, 2, tx(&[9; 2], 0)), (500, 3, third)];
    let got = run(&mut m, &acts);
    let bad: Vec<usize> = (0..40).filter(|i| ends(&got, 1)[0][*i] != 0).collect();
    assert!(bad.len() >= 6 && bad.iter().all(|i| (4..12).contains(i)), "{bad:?}");
}

#[test]
fn mend_capture_counts_every_piece_of_the_address() {
    // 9.4 dB weaker than the frame: about every other address of 40 bits is heard. The address is on the air from 8 to
    // 48 us. It is covered by one frame, or by one frame up to its middle and by another one from there on.
    let far = 10.0 + 10.0 * 10f64.powf(9.4 / 30.0);
    let heard = |halves: &[(u64, u32, usize)]| {
        let mut m = line(RadioConfig::default(), &[0.0, 10.0, far, far]);
        let mut acts = vec![(0, 1, ON)];
        for i in 1..=400 {
            let mut frames = vec![(1000 * i + 100, 0, tx(&[7; 2], 0))];
            frames.extend(halves.iter().map(|(at, node, n)| (1000 * i + at, *node, tx(&vec![9; *n], 0))));
            frames.sort_by_key(|f| f.0);
            acts.extend(frames);
        }
        let sync = |d: &Delivery| match d.event {
            AirEvent::Sync { frame, .. } if frame >> 32 == 0 => Some(frame),
            _ => None,
        };
        run(&mut m, &acts).iter().filter_map(sync).collect::<Vec<_>>()
    };
    let whole = heard(&[(64, 2, 20)]); // on the air up to 264 us
    let halves = heard(&[(64, 2, 2), (128, 3, 20)]); // up to 128 us; from there on
    assert!((120..280).contains(&whole.len()), "{}", whole.len());
    assert_eq!(whole, halves, "the same throws against the same noise");
    assert!(heard(&[(64, 2, 2)]).len() > whole.len() + 30, "half the noise alone");
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
    RadioConfig { loss: 0.2, shadowing_db: 2.0, fading_db: 3.0, ..RadioConfig::default() }
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
            while let Some(c) = cut.next_if(|c| c <= t) {
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
