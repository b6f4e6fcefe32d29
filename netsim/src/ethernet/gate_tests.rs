//! Tests of a switch with a gateway.

use super::{
    tests::{HOP2, link, msg, switch, who},
    *,
};
use crate::gateway::{FIRST_ACCEPTED, Forward, GatewayConfig, HostEvent, HostRequest, Protocol, Target};
use emu_core::save;
use proptest::prelude::*;

/// "Who has `ip`?" from a station to all.
fn arp(from: u8, ip: [u8; 4]) -> Msg {
    let mut f = vec![0xff; 6];
    f.extend([2, 0, 0, 0, 0, from, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, from]);
    f.extend([10, 0, 2, 99, 0, 0, 0, 0, 0, 0]);
    f.extend(ip);
    Msg::Frame(f)
}

fn with_gateway() -> EthernetMedium {
    let mut m = switch(2, link());
    m.set_gateway(Gateway::new(GatewayConfig::default(), 1), link());
    m
}

fn is_arp_reply(msg: &Msg) -> bool {
    matches!(msg, Msg::Frame(b) if b[12..14] == [8, 6] && b[20..22] == [0, 2])
}

#[test]
fn the_gateway_answers_after_the_way_there_and_back() {
    let mut m = with_gateway();
    m.act(0, Time(0), &arp(0, [10, 0, 2, 2]));
    assert!(m.run_until(Time(2 * HOP2 - 1)).iter().all(|d| d.station == 1 && d.at == Time(HOP2)));
    let got = m.run_until(Time(2 * HOP2));
    assert!(got.len() == 1 && got[0].station == 0 && is_arp_reply(&got[0].msg), "{got:?}");
    let log = m.take_log();
    assert_eq!(log.iter().map(|l| (l.at.0, l.source)).collect::<Vec<_>>(), [(0, 0), (HOP2, GATEWAY)]);
    assert_eq!((m.counters(GATEWAY).rx_frames, m.counters(GATEWAY).tx_frames), (1, 1));
    // Its link breaks as others do.
    m.fault(Time::ms(1), &EthernetFault::Down { stations: vec![GATEWAY] });
    m.act(0, Time::ms(1), &arp(0, [10, 0, 2, 2]));
    assert_eq!(m.run_until(Time::ms(2)).iter().filter(|d| d.station == 0).count(), 0);
    assert!(m.fits(2, Time::ms(2)));
    m.gateway = None;
    assert!(!m.fits(2, Time::ms(2)));
}

fn forwarding() -> EthernetMedium {
    let mut m = switch(2, link());
    let mut config = GatewayConfig::default();
    config.forwards.push(Forward {
        protocol: Protocol::Tcp,
        host: "127.0.0.1:8080".parse().expect("an address"),
        to: Target::Ip([10, 0, 2, 99].into()),
        port: 80,
    });
    m.set_gateway(Gateway::new(config, 1), link());
    m
}

#[test]
fn what_the_host_tells_the_gateway_takes_the_latency_to_be_seen() {
    let mut m = forwarding();
    m.run_until(Time::ms(1));
    m.host(Time::ms(1), &HostEvent::Accepted { forward: 0, conn: FIRST_ACCEPTED });
    let at = Time::ms(1) + m.latency();
    assert_eq!(m.next_decision(), at);
    let got = m.run_until(at);
    assert_eq!(who(&got), [(at.0, 0), (at.0, 1)]); // Who has 10.0.2.99?
    assert!(m.next_decision() < Time::secs(10)); // It will ask again.
    assert!(!m.run_until(Time::secs(3_600)).is_empty());
    assert!(m.take_requests().iter().any(|r| matches!(r, HostRequest::Close { conn: FIRST_ACCEPTED })));
    assert_eq!(m.next_decision(), Time::MAX);
}

proptest! {
    /// The gateway's timers and answers, and the host's events, are in the same order however the run is cut.
    #[test]
    fn cuts_change_nothing_for_the_gateway(
        ops in prop::collection::vec((0..3_000u64, 0..4u8), 1..30),
        cuts in prop::collection::vec(0..3_000u64, 0..20),
    ) {
        let mut ops = ops;
        ops.sort();
        let apply = |m: &mut EthernetMedium, (ms, op): (u64, u8)| match op {
            0 => m.host(Time::ms(ms), &HostEvent::Accepted { forward: 0, conn: FIRST_ACCEPTED + ms as u32 }),
            1 => m.act(0, Time::ms(ms), &arp(0, [10, 0, 2, 2])),
            2 => m.act(1, Time::ms(ms), &msg(1, 255, b"x")),
            _ => m.act(1, Time::ms(ms), &arp(1, [10, 0, 2, 2])),
        };
        let mut all = forwarding();
        ops.iter().for_each(|op| apply(&mut all, *op));
        let want = all.run_until(Time::secs(60));
        let mut m = forwarding();
        let mut got = vec![];
        let mut rest = &ops[..];
        for cut in cuts.iter().copied().collect::<BTreeSet<_>>() {
            let n = rest.partition_point(|o| (o.0, o.1 > 0) <= (cut, cut % 2 == 0));
            rest[..n].iter().for_each(|op| apply(&mut m, *op));
            rest = &rest[n..];
            got.extend(m.run_until(Time::ms(cut)));
            prop_assert!(m.fits(2, Time::ms(cut)));
            m = save::from_bytes(&save::to_bytes(&m)).expect("it was saved");
        }
        rest.iter().for_each(|op| apply(&mut m, *op));
        got.extend(m.run_until(Time::secs(60)));
        prop_assert_eq!(got, want);
        prop_assert_eq!(m.take_requests(), all.take_requests());
        prop_assert_eq!(save::to_bytes(&m), save::to_bytes(&all));
    }
}
