//! The station of most of these tests is smoltcp's own stack: an oracle that shares no line with [`tcp`].

use super::{test_lan::*, *};
use emu_core::rng::Rng;
use proptest::prelude::*;
use smoltcp::{
    socket::{dhcpv4, dns as dns_socket, icmp, tcp as tcp_socket, udp},
    wire::{DnsQueryType, EthernetAddress, EthernetRepr, Icmpv4DstUnreachable, IpAddress, IpEndpoint},
};
use std::net::{Ipv4Addr, SocketAddr};

const CLIENT: &str = "127.0.0.1:55555";

fn forward(protocol: Protocol, to: Target, port: u16) -> GatewayConfig {
    let host = SocketAddr::from(([127, 0, 0, 1], 8080));
    GatewayConfig { forwards: vec![Forward { protocol, host, to, port }], ..GatewayConfig::default() }
}

fn lan() -> Lan {
    Lan::new(GatewayConfig::default(), 1)
}

// ---- TCP ----

/// A station and the host send each other bytes through a connection that the station opens.
fn conversation(mut lan: Lan, up: usize, down: usize, buffer: usize) -> Lan {
    let (there, back) = (pattern(1, up), pattern(2, down));
    lan.host.greeting = back.clone();
    let socket = lan.connect(buffer, GATEWAY, 80, 5000);
    let mut talk = Talk::new(socket, there.clone());
    lan.until(3000, |lan| {
        talk.go(lan);
        let over = lan.host.conns.values().all(|c| c.shut && c.eof_sent) && !lan.host.conns.is_empty();
        over && !lan.tcp(socket).is_open() || lan.tcp(socket).state() == tcp_socket::State::TimeWait
    });
    assert_eq!(talk.got, back);
    assert_eq!(lan.conn().got, there);
    assert!(!lan.conn().closed, "broken off");
    assert_eq!(lan.conn().to, Some("127.0.0.1:80".parse().unwrap()));
    assert_eq!(lan.gateway.counters().opened, 1);
    lan
}

#[test]
fn a_station_talks_to_the_host_and_both_ends_close() {
    let mut lan = conversation(lan(), 300_000, 500_000, 20_000);
    assert_eq!(lan.gateway.counters().resent, 0);
    assert_eq!(lan.gateway.counters().bytes_out, 300_000);
    assert_eq!(lan.gateway.counters().bytes_in, 500_000);
    lan.run(60);
    assert_eq!(lan.gateway.connections(), 0);
    assert_eq!(lan.gateway.next(), Time::MAX);
}

#[test]
fn the_host_closes_first_and_the_station_still_sends() {
    let mut lan = lan();
    lan.host.hang_up = true;
    lan.host.greeting = pattern(3, 10_000);
    let socket = lan.connect(4096, GATEWAY, 80, 5000);
    let mut talk = Talk::new(socket, pattern(4, 50_000));
    talk.close = false;
    lan.until(60, |lan| {
        talk.go(lan);
        talk.sent == 50_000 && lan.tcp(socket).state() == tcp_socket::State::CloseWait
    });
    lan.tcp(socket).close();
    lan.until(60, |lan| !lan.tcp(socket).is_open());
    assert_eq!(talk.got, pattern(3, 10_000));
    assert_eq!(lan.conn().got, pattern(4, 50_000));
    assert!(lan.conn().shut && !lan.conn().closed);
    // The gateway closed first, so TIME-WAIT is its own.
    assert_eq!(lan.gateway.connections(), 1);
    lan.run(11);
    assert_eq!(lan.gateway.connections(), 0);
}

#[test]
fn a_refusal_is_the_hosts() {
    let mut lan = lan();
    lan.host.refuse = true;
    let socket = lan.connect(4096, GATEWAY, 81, 5000);
    lan.until(5, |lan| lan.tcp(socket).state() == tcp_socket::State::Closed);
    assert!(lan.now < Time::ms(100), "a reset, not a time-out");
    assert_eq!(lan.gateway.counters().refused, 1);
    assert_eq!(lan.gateway.connections(), 0);
}

#[test]
fn what_must_not_leave_is_refused_at_once() {
    let closed = GatewayConfig { nat: false, ..GatewayConfig::default() };
    let cases = [
        (GatewayConfig::default(), Ipv4Addr::new(10, 0, 2, 3)),
        (closed.clone(), GATEWAY),
        (closed, Ipv4Addr::new(93, 184, 216, 34)),
    ];
    for (config, to) in cases {
        let mut lan = Lan::new(config, 1);
        let socket = lan.connect(4096, to, 80, 5000);
        lan.until(5, |lan| lan.tcp(socket).state() == tcp_socket::State::Closed);
        assert_eq!(lan.host.requests, [], "{to}");
        assert_eq!(lan.gateway.counters().denied, 1, "{to}");
    }
}

#[test]
fn outside_addresses_are_reached_as_they_are() {
    let mut lan = lan();
    let to = Ipv4Addr::new(192, 0, 2, 7);
    let socket = lan.connect(4096, to, 443, 5000);
    lan.until(5, |lan| lan.tcp(socket).state() == tcp_socket::State::Established);
    assert_eq!(lan.conn().to, Some("192.0.2.7:443".parse().unwrap()));
}

#[test]
fn a_station_that_does_not_read_stops_the_host() {
    let mut lan = lan();
    lan.host.greeting = pattern(5, 400_000);
    let socket = lan.connect(8_000, GATEWAY, 80, 5000);
    lan.run(100);
    let window = HOST_WINDOW as usize;
    let left = lan.conn().to_send.len();
    assert!(left >= 400_000 - window - 2 * 8_000, "{left} bytes are left");
    // It reads again, in small sips, much later.
    let mut talk = Talk::new(socket, vec![]);
    (talk.close, talk.sip) = (false, 700);
    for _ in 0..1000 {
        talk.go(&mut lan);
        lan.pass(100_000_000);
    }
    assert_eq!(talk.got, pattern(5, 400_000));
}

#[test]
fn a_host_that_does_not_take_stops_the_station() {
    let mut lan = lan();
    lan.host.stuck = true;
    let socket = lan.connect(100_000, GATEWAY, 80, 5000);
    let mut talk = Talk::new(socket, pattern(6, 300_000));
    lan.until(100, |lan| {
        talk.go(lan);
        lan.now > Time::secs(50)
    });
    assert_eq!(lan.conn().got.len(), HOST_WINDOW as usize);
    lan.host.stuck = false;
    for (conn, bytes) in std::mem::take(&mut lan.host.unwritten) {
        lan.later(1000, HostEvent::Written { conn, bytes });
    }
    lan.until(300, |lan| {
        talk.go(lan);
        lan.conn().got.len() == 300_000
    });
    assert_eq!(lan.conn().got, pattern(6, 300_000));
}

#[test]
fn resets_pass_through_both_ways() {
    let mut lan = lan();
    let socket = lan.connect(4096, GATEWAY, 80, 5000);
    lan.until(5, |lan| lan.tcp(socket).state() == tcp_socket::State::Established);
    lan.run(1);
    lan.tcp(socket).abort();
    lan.run(1);
    assert!(lan.conn().closed);
    assert_eq!(lan.gateway.connections(), 0);

    let socket = lan.connect(4096, GATEWAY, 80, 5001);
    lan.until(5, |lan| lan.tcp(socket).state() == tcp_socket::State::Established);
    lan.later(1000, HostEvent::Reset { conn: 1 });
    lan.run(1);
    assert_eq!(lan.tcp(socket).state(), tcp_socket::State::Closed);
    assert_eq!(lan.gateway.connections(), 0);
    assert!(!lan.host.conns[&1].closed, "the host knows already");
}

#[test]
fn a_new_host_knows_nothing_and_stations_hear_of_it() {
    let mut lan = lan();
    let one = lan.connect(4096, GATEWAY, 80, 5000);
    lan.until(5, |lan| lan.tcp(one).state() == tcp_socket::State::Established);
    lan.later(1000, HostEvent::Lost);
    lan.run(1);
    assert_eq!(lan.tcp(one).state(), tcp_socket::State::Closed);
    assert_eq!(lan.gateway.connections(), 0);
}

#[test]
fn a_station_that_vanishes_is_given_up() {
    let mut lan = lan();
    let socket = lan.connect(4096, GATEWAY, 80, 5000);
    lan.until(5, |lan| lan.tcp(socket).state() == tcp_socket::State::Established);
    lan.run(1);
    lan.faults.loss = 1000;
    lan.later(1000, HostEvent::Data { conn: 0, bytes: vec![1; 100] });
    lan.run(600);
    assert!(lan.conn().closed);
    assert_eq!(lan.gateway.connections(), 0);
    assert_eq!(lan.gateway.counters().resent, 8);
}

/// Somebody connects to a forward; the station listens or not.
fn through_forward(target: Target) -> Lan {
    let mut lan = Lan::new(forward(Protocol::Tcp, target, 7), 9);
    let socket = lan.tcp_socket(5_000);
    lan.tcp(socket).listen(7).unwrap();
    let conn = FIRST_ACCEPTED;
    let back = pattern(8, 70_000);
    lan.host.conns.insert(
        conn,
        HostConn { to_send: back.iter().copied().collect(), hang_up: true, ..HostConn::default() },
    );
    lan.later(1000, HostEvent::Accepted { forward: 0, conn });
    let mut talk = Talk::new(socket, pattern(7, 90_000));
    talk.close = false;
    lan.until(60, |lan| {
        talk.go(lan);
        talk.sent == 90_000 && talk.got.len() == 70_000
    });
    lan.tcp(socket).close();
    lan.until(60, |lan| lan.conn().shut);
    assert_eq!(talk.got, back);
    assert_eq!(lan.conn().got, pattern(7, 90_000));
    assert_eq!(lan.gateway.counters().accepted, 1);
    lan
}

#[test]
fn forwards_lead_to_a_station() {
    let lan = through_forward(Target::Ip(STATION));
    // One question by ARP, since the station had said nothing before.
    assert_eq!(lan.sent.iter().filter(|(_, f)| f[12..14] == [8, 6] && f[21] == 1).count(), 1);
}

#[test]
fn a_forward_finds_a_station_by_its_hardware_address() {
    let mut lan = Lan::new(forward(Protocol::Tcp, Target::Mac(MAC), 7), 9);
    let socket = lan.tcp_socket(5_000);
    lan.tcp(socket).listen(7).unwrap();
    lan.host.conns.insert(FIRST_ACCEPTED, HostConn::default());
    lan.later(1000, HostEvent::Accepted { forward: 0, conn: FIRST_ACCEPTED });
    lan.run(3);
    assert_eq!(lan.sent.len(), 0, "nobody knows where it is");
    // It says something, whatever it is.
    let ping = lan.connect(4096, GATEWAY, 80, 5000);
    lan.until(3, |lan| lan.tcp(socket).state() == tcp_socket::State::Established);
    lan.tcp(ping).abort();
}

#[test]
fn a_forward_to_nobody_or_to_a_closed_port_is_closed() {
    for target in
        [Target::Mac([2, 9, 9, 9, 9, 9]), Target::Ip(Ipv4Addr::new(10, 0, 2, 99)), Target::Ip(STATION)]
    {
        let mut lan = Lan::new(forward(Protocol::Tcp, target, 7), 9);
        lan.host.conns.insert(FIRST_ACCEPTED, HostConn::default());
        lan.later(1000, HostEvent::Accepted { forward: 0, conn: FIRST_ACCEPTED });
        lan.run(400);
        assert!(lan.conn().closed, "{target:?}");
        assert_eq!(lan.gateway.connections(), 0);
    }
}

#[test]
fn there_is_a_limit_to_connections() {
    let mut gateway = Gateway::new(GatewayConfig::default(), 1);
    for i in 0..3000u16 {
        let syn = segment::Segment { seq: 7, syn: true, window: 1000, ..segment::Segment::default() };
        gateway.frame(Time::ms(1), &tcp_frame((STATION, 1000 + i), (GATEWAY, 80), &syn));
    }
    assert_eq!(gateway.connections(), streams::MOST_STREAMS);
    assert_eq!(gateway.take_requests().len(), streams::MOST_STREAMS);
    assert_eq!(gateway.counters().denied as usize, 3000 - streams::MOST_STREAMS);
    assert!(gateway.fits(Time::ms(1)));
    gateway.poll(Time::secs(1000));
    assert_eq!(gateway.connections(), 0, "the host never answered");
}

#[test]
fn a_restarted_station_gets_a_new_connection_from_the_same_port() {
    let mut lan = lan();
    let socket = lan.connect(4096, GATEWAY, 80, 5000);
    lan.until(5, |lan| lan.tcp(socket).state() == tcp_socket::State::Established);
    lan.run(1);
    // It forgets everything, and begins again.
    lan.sockets.remove(socket);
    let socket = lan.connect(4096, GATEWAY, 80, 5000);
    lan.until(5, |lan| lan.tcp(socket).state() == tcp_socket::State::Established);
    assert_eq!(lan.host.conns.len(), 2);
    assert!(lan.host.conns[&0].closed && !lan.host.conns[&1].closed);
}

proptest! {
    #![proptest_config(emu_testkit::cases(24))]

    #[test]
    fn bytes_arrive_whole_over_a_bad_wire(
        seed in any::<u64>(),
        loss in 0u64..150,
        double in 0u64..200,
        delay in 0u64..300,
        buffer in 300usize..40_000,
    ) {
        let mut lan = Lan::new(GatewayConfig::default(), seed);
        lan.faults = Faults { loss, double, delay };
        conversation(lan, 60_000, 80_000, buffer);
    }

    #[test]
    fn a_saved_and_loaded_gateway_goes_on_the_same(seed in any::<u64>(), loss in 0u64..100) {
        let run = |reload: bool| {
            let mut lan = Lan::new(GatewayConfig::default(), seed);
            lan.faults = Faults { loss, double: 50, delay: 50 };
            lan.reload = reload;
            conversation(lan, 9_000, 20_000, 4_000)
        };
        let (plain, saved) = (run(false), run(true));
        prop_assert_eq!(&plain.outputs, &saved.outputs);
        prop_assert_eq!(&plain.gateway, &saved.gateway);
    }

    #[test]
    fn a_recorded_session_replays_without_a_host(seed in any::<u64>(), loss in 0u64..100, more in any::<u64>()) {
        let mut lan = Lan::new(GatewayConfig::default(), seed);
        lan.faults = Faults { loss, double: 50, delay: 50 };
        let mut lan = conversation(lan, 9_000, 20_000, 4_000);
        lan.run(60);
        let (replayed, frames) = replay(&lan, Some(Rng::new(more)));
        prop_assert_eq!(frames, lan.sent);
        prop_assert_eq!(replayed, lan.gateway);
    }
}

/// Gives a new gateway what another one got, and polls it when it says, and more often.
fn replay(lan: &Lan, mut more: Option<Rng>) -> (Gateway, Vec<(Time, Vec<u8>)>) {
    let mut gateway = Gateway::new(lan.gateway.config().clone(), lan.seed);
    let mut frames = vec![];
    let mut run = |gateway: &mut Gateway, to: Time, input: Option<&Input>| {
        while gateway.next() <= to {
            let at = gateway.next();
            gateway.poll(at);
            frames.extend(gateway.take_frames().into_iter().map(|f| (at, f)));
        }
        match input {
            Some(Input::Frame(at, frame)) => gateway.frame(*at, frame),
            Some(Input::Host(at, event)) => gateway.host(*at, event),
            None => gateway.poll(to),
        }
        frames.extend(gateway.take_frames().into_iter().map(|f| (to, f)));
        gateway.take_requests(); // nobody is there
    };
    let mut last = Time::ZERO;
    for input in &lan.inputs {
        let (Input::Frame(at, _) | Input::Host(at, _)) = input;
        if let Some(rng) = &mut more {
            let between = last + rng.next_u64() % (at.since(last) + 1);
            run(&mut gateway, between, None);
        }
        run(&mut gateway, *at, Some(input));
        last = *at;
    }
    run(&mut gateway, lan.now, None);
    (gateway, frames)
}

// ---- DHCP, DNS, ICMP, UDP ----

/// What a DHCP client of smoltcp learns.
fn configured(lan: &mut Lan) -> (Ipv4Addr, Option<Ipv4Addr>, Vec<Ipv4Addr>) {
    lan.iface.update_ip_addrs(|a| a.clear());
    let handle = lan.sockets.add(dhcpv4::Socket::new());
    let mut got = None;
    lan.until(30, |lan| {
        if let Some(dhcpv4::Event::Configured(c)) = lan.sockets.get_mut::<dhcpv4::Socket>(handle).poll() {
            assert_eq!(c.address.prefix_len(), 24);
            got = Some((c.address.address(), c.router, c.dns_servers.to_vec()));
        }
        got.is_some()
    });
    got.unwrap()
}

#[test]
fn dhcp_configures_a_station_as_qemu_does() {
    let mut lan = lan();
    let dns = Ipv4Addr::new(10, 0, 2, 3);
    assert_eq!(configured(&mut lan), (Ipv4Addr::new(10, 0, 2, 15), Some(GATEWAY), vec![dns]));
    let lease = lan.gateway.leases()[0];
    assert_eq!((lease.mac, lease.address, lease.bound), (MAC, Ipv4Addr::new(10, 0, 2, 15), true));
    assert_eq!(lease.until.since(lan.now) / 1_000_000_000, 86_399);
    lan.reload = true;
    lan.run(100_000);
    assert!(lan.gateway.leases()[0].until > lan.now, "it was renewed");
}

#[test]
fn reserved_addresses_are_for_their_station() {
    let mut config = GatewayConfig::default();
    let address = Ipv4Addr::new(10, 0, 2, 77);
    config.dhcp.as_mut().unwrap().reserved.insert(MAC, address);
    assert_eq!(configured(&mut Lan::new(config, 1)).0, address);
}

/// A message from a station's DHCP client, as a frame.
fn dhcp_frame(mac: Mac, kind: u8, wanted: Option<Ipv4Addr>) -> Vec<u8> {
    let mut m = vec![0; 240];
    m[..3].copy_from_slice(&[1, 1, 6]);
    m[28..34].copy_from_slice(&mac);
    m[236..].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
    m.extend([53, 1, kind]);
    if let Some(ip) = wanted {
        m.extend([50, 4]);
        m.extend(ip.octets());
    }
    m.push(255);
    let (from, to) = ((Ipv4Addr::UNSPECIFIED, 68), (Ipv4Addr::BROADCAST, 67));
    udp_frame(mac, from, to, &m)
}

/// The message type and the address in the answer.
fn dhcp_answer(gateway: &mut Gateway) -> Option<(u8, Ipv4Addr)> {
    let frame = gateway.take_frames().pop()?;
    let m = &frame[42..];
    Some((m[242], Ipv4Addr::new(m[16], m[17], m[18], m[19])))
}

#[test]
fn leases_run_out_only_when_nobody_else_is_left() {
    let mut config = GatewayConfig::default();
    config.dhcp.as_mut().unwrap().last = Ipv4Addr::new(10, 0, 2, 16);
    let mut g = Gateway::new(config, 1);
    let mac = |n: u8| [2, 0, 0, 0, 1, n];
    let ip = |n: u8| Ipv4Addr::new(10, 0, 2, n);
    for (n, want) in [(1, ip(15)), (2, ip(16)), (1, ip(15))] {
        g.frame(Time::secs(1), &dhcp_frame(mac(n), 1, None));
        assert_eq!(dhcp_answer(&mut g), Some((2, want)));
        g.frame(Time::secs(1), &dhcp_frame(mac(n), 3, Some(want)));
        assert_eq!(dhcp_answer(&mut g), Some((5, want)));
    }
    g.frame(Time::secs(2), &dhcp_frame(mac(3), 1, None));
    assert_eq!(dhcp_answer(&mut g), None, "all are taken");
    g.frame(Time::secs(3), &dhcp_frame(mac(3), 3, Some(ip(15))));
    assert_eq!(dhcp_answer(&mut g), Some((6, Ipv4Addr::UNSPECIFIED)), "another's: NAK");
    g.frame(Time::secs(90_000), &dhcp_frame(mac(3), 1, None));
    assert_eq!(dhcp_answer(&mut g), Some((2, ip(15))), "the oldest one ran out");
    // One declines what somebody else uses.
    g.frame(Time::secs(90_001), &dhcp_frame(mac(3), 4, Some(ip(15))));
    g.frame(Time::secs(90_002), &dhcp_frame(mac(3), 1, None));
    assert_eq!(dhcp_answer(&mut g), Some((2, ip(16))));
    assert!(g.fits(Time::secs(90_002)));
}

#[test]
fn an_address_that_a_station_uses_is_not_leased() {
    let mut g = Gateway::new(GatewayConfig::default(), 1);
    let fixed = Ipv4Addr::new(10, 0, 2, 15);
    g.frame(Time::ms(1), &udp_frame([2, 0, 0, 0, 9, 9], (fixed, 5), (GATEWAY, 6), b"hello"));
    g.take_frames();
    g.frame(Time::ms(2), &dhcp_frame(MAC, 1, None));
    assert_eq!(dhcp_answer(&mut g), Some((2, Ipv4Addr::new(10, 0, 2, 16))));
}

fn query(
    lan: &mut Lan,
    name: &str,
    kind: DnsQueryType,
) -> Result<Vec<IpAddress>, dns_socket::GetQueryResultError> {
    let servers = [Ipv4Addr::new(10, 0, 2, 3).into()];
    let handle = lan.sockets.add(dns_socket::Socket::new(&servers, vec![]));
    let socket = lan.sockets.get_mut::<dns_socket::Socket>(handle);
    let query = socket.start_query(lan.iface.context(), name, kind).unwrap();
    let mut got = None;
    lan.until(60, |lan| {
        let socket = lan.sockets.get_mut::<dns_socket::Socket>(handle);
        match socket.get_query_result(query) {
            Err(dns_socket::GetQueryResultError::Pending) => return false,
            other => got = Some(other.map(|a| a.to_vec())),
        }
        true
    });
    lan.sockets.remove(handle);
    got.unwrap()
}

#[test]
fn dns_knows_the_configuration_and_the_host() {
    let mut config = GatewayConfig::default();
    config.hosts.insert("here.test".into(), Target::Ip(Ipv4Addr::new(10, 0, 2, 9)));
    config.hosts.insert("me".into(), Target::Mac(MAC));
    config.hosts.insert("nobody".into(), Target::Mac([2; 6]));
    let mut lan = Lan::new(config, 1);
    let outside = Ipv4Addr::new(192, 0, 2, 1);
    lan.host.names.insert("example.test".into(), vec![outside]);
    lan.host.names.insert("localhost".into(), vec![Ipv4Addr::LOCALHOST]);
    let a = |lan: &mut Lan, name: &str| query(lan, name, DnsQueryType::A);
    assert_eq!(a(&mut lan, "Here.Test"), Ok(vec![Ipv4Addr::new(10, 0, 2, 9).into()]));
    assert_eq!(a(&mut lan, "me"), Ok(vec![STATION.into()]));
    assert!(a(&mut lan, "nobody").is_err());
    assert_eq!(lan.host.requests, []);
    assert_eq!(a(&mut lan, "example.test"), Ok(vec![outside.into()]));
    assert_eq!(a(&mut lan, "localhost"), Ok(vec![GATEWAY.into()]));
    assert!(a(&mut lan, "missing.test").is_err());
    let names: Vec<String> = lan.host.requests.iter().map(|r| format!("{r:?}")).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

/// A question to DNS, as a frame.
fn question(id: u16, name: &[u8], kind: u16) -> Vec<u8> {
    let mut m = vec![];
    for word in [id, 0x0100, 1, 0, 0, 0] {
        m.extend(word.to_be_bytes());
    }
    for label in name.split(|b| *b == b'.') {
        m.push(label.len() as u8);
        m.extend(label);
    }
    m.push(0);
    m.extend(kind.to_be_bytes());
    m.extend([0, 1]);
    udp_frame(MAC, (STATION, 999), (Ipv4Addr::new(10, 0, 2, 3), 53), &m)
}

#[test]
fn dns_says_what_it_cannot_answer() {
    let closed = GatewayConfig { nat: false, ..GatewayConfig::default() };
    let cases: [(GatewayConfig, &[u8], u16, u8); 5] = [
        (GatewayConfig::default(), b"a.test", 28, 0),
        (GatewayConfig::default(), b"a.test", 15, 4),
        (GatewayConfig::default(), b"b\xffd.test", 1, 3),
        (GatewayConfig::default(), b"a..test", 1, 1),
        (closed, b"a.test", 1, 5),
    ];
    for (config, name, kind, rcode) in cases {
        let mut g = Gateway::new(config, 1);
        g.frame(Time::ms(1), &question(0x1234, name, kind));
        let frames = g.take_frames();
        let m = &frames[0][42..];
        assert_eq!((m[0], m[1], m[2], m[3]), (0x12, 0x34, 0x81, 0x80 | rcode), "{name:?}");
        assert_eq!(&m[6..8], [0, 0]);
        assert_eq!(g.take_requests(), []);
    }
}

#[test]
fn the_host_that_never_answers_is_a_failure_of_the_server() {
    let mut g = Gateway::new(GatewayConfig::default(), 1);
    g.frame(Time::ms(1), &question(1, b"slow.test", 1));
    g.frame(Time::ms(2), &question(1, b"slow.test", 1));
    assert_eq!(g.take_requests().len(), 1, "asking again asks the host once");
    assert_eq!(g.next(), Time::ms(10_001));
    g.poll(g.next());
    assert_eq!(g.take_frames()[0][45] & 15, 2);
    g.host(Time::secs(20), &HostEvent::Resolved { id: 0, addrs: vec![STATION] });
    assert_eq!(g.take_frames().len(), 0);
}

/// The answers to an echo request: those that its socket takes, and the last frame from the gateway.
fn ping(to: Ipv4Addr) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut lan = lan();
    let meta = || vec![icmp::PacketMetadata::EMPTY; 4];
    let buffer = || icmp::PacketBuffer::new(meta(), vec![0; 1024]);
    let handle = lan.sockets.add(icmp::Socket::new(buffer(), buffer()));
    let socket = lan.sockets.get_mut::<icmp::Socket>(handle);
    socket.bind(icmp::Endpoint::Ident(0x22)).unwrap();
    let repr = Icmpv4Repr::EchoRequest { ident: 0x22, seq_no: 5, data: b"0123456789abcdef" };
    let bytes = socket.send(repr.buffer_len(), to.into()).unwrap();
    repr.emit(&mut Icmpv4Packet::new_unchecked(bytes), &checksums());
    lan.run(1);
    let mut got = vec![];
    let socket = lan.sockets.get_mut::<icmp::Socket>(handle);
    while let Ok((bytes, _)) = socket.recv() {
        got.push(bytes.to_vec());
    }
    (got, lan.sent.pop().expect("a frame").1)
}

#[test]
fn echo_is_answered_by_the_gateway_and_not_by_the_world() {
    for to in [GATEWAY, Ipv4Addr::new(10, 0, 2, 3)] {
        let (got, _) = ping(to);
        let repr = Icmpv4Packet::new_checked(&got[0][..]).unwrap();
        let want = Icmpv4Repr::EchoReply { ident: 0x22, seq_no: 5, data: b"0123456789abcdef" };
        assert_eq!(Icmpv4Repr::parse(&repr, &checksums()), Ok(want));
    }
    let (got, frame) = ping(Ipv4Addr::new(8, 8, 8, 8));
    assert_eq!(got.len(), 0);
    let packet = Icmpv4Packet::new_checked(&frame[34..]).unwrap();
    let Ok(Icmpv4Repr::DstUnreachable { reason, header, .. }) = Icmpv4Repr::parse(&packet, &checksums())
    else {
        panic!("{frame:?}");
    };
    assert_eq!(reason, Icmpv4DstUnreachable::HostUnreachable);
    assert_eq!((header.src_addr, header.dst_addr), (STATION, Ipv4Addr::new(8, 8, 8, 8)));
    // Of a long datagram the beginning comes back.
    let closed = GatewayConfig { nat: false, ..GatewayConfig::default() };
    let mut g = Gateway::new(closed, 1);
    g.frame(Time::ms(1), &udp_frame(MAC, (STATION, 5), (Ipv4Addr::new(8, 8, 8, 8), 6), &[7; 1400]));
    assert_eq!(g.take_frames()[0].len(), 14 + 576);
}

fn udp_socket(lan: &mut Lan, port: u16) -> smoltcp::iface::SocketHandle {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; 8192]);
    let handle = lan.sockets.add(udp::Socket::new(buffer(), buffer()));
    lan.sockets.get_mut::<udp::Socket>(handle).bind(port).unwrap();
    handle
}

#[test]
fn datagrams_go_out_and_come_back_until_the_flow_is_silent() {
    let mut lan = lan();
    lan.host.echo_udp = true;
    let handle = udp_socket(&mut lan, 6000);
    let outside = Ipv4Addr::new(192, 0, 2, 1);
    for to in [GATEWAY, outside] {
        let socket = lan.sockets.get_mut::<udp::Socket>(handle);
        socket.send_slice(b"hello", IpEndpoint::from((to, 777))).unwrap();
        lan.run(1);
        let socket = lan.sockets.get_mut::<udp::Socket>(handle);
        let (bytes, meta) = socket.recv().unwrap();
        assert_eq!((bytes, meta.endpoint), (&b"hello"[..], IpEndpoint::from((to, 777))));
    }
    let udp = |to: &str| HostRequest::Udp { flow: 0, to: to.parse().unwrap(), bytes: b"hello".to_vec() };
    assert_eq!(lan.host.requests, [udp("127.0.0.1:777"), udp("192.0.2.1:777")]);
    lan.run(200);
    assert_eq!(lan.host.requests[2..], [HostRequest::UdpClose { flow: 0 }]);
    assert_eq!(lan.gateway.next(), Time::MAX);
}

#[test]
fn datagrams_come_in_through_a_forward_and_are_answered() {
    let mut lan = Lan::new(forward(Protocol::Udp, Target::Ip(STATION), 69), 1);
    let handle = udp_socket(&mut lan, 69);
    let from: SocketAddr = CLIENT.parse().unwrap();
    lan.later(1, HostEvent::UdpForward { forward: 0, from, bytes: b"in".to_vec() });
    lan.run(1);
    let socket = lan.sockets.get_mut::<udp::Socket>(handle);
    let (bytes, meta) = socket.recv().unwrap();
    assert_eq!((bytes, meta.endpoint.addr), (&b"in"[..], GATEWAY.into()));
    socket.send_slice(b"out", meta.endpoint).unwrap();
    lan.run(1);
    let reply = HostRequest::UdpReply { forward: 0, to: from, bytes: b"out".to_vec() };
    assert_eq!(lan.host.requests, [reply]);
}

// ---- nonsense ----

fn frame_of(mac: Mac, src: Ipv4Addr, dst: Ipv4Addr, protocol: IpProtocol, payload: &[u8]) -> Vec<u8> {
    let ip = Ipv4Repr {
        src_addr: src,
        dst_addr: dst,
        next_header: protocol,
        payload_len: payload.len(),
        hop_limit: 9,
    };
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress(mac),
        dst_addr: EthernetAddress(GatewayConfig::default().mac),
        ethertype: EthernetProtocol::Ipv4,
    };
    let mut frame = vec![0; 34 + payload.len()];
    ethernet.emit(&mut EthernetFrame::new_unchecked(&mut frame));
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut frame[14..]), &checksums());
    frame[34..].copy_from_slice(payload);
    frame
}

fn udp_frame(mac: Mac, from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), bytes: &[u8]) -> Vec<u8> {
    let mut payload = vec![0; 8 + bytes.len()];
    let repr = UdpRepr { src_port: from.1, dst_port: to.1 };
    let mut packet = UdpPacket::new_unchecked(&mut payload);
    let copy = |b: &mut [u8]| b.copy_from_slice(bytes);
    repr.emit(&mut packet, &from.0.into(), &to.0.into(), bytes.len(), copy, &checksums());
    frame_of(mac, from.0, to.0, IpProtocol::Udp, &payload)
}

fn tcp_frame(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), s: &segment::Segment) -> Vec<u8> {
    let mut other = Core::new(GatewayConfig::default());
    let mac = GatewayConfig::default().mac;
    other.learn(Time::ZERO, Ipv4Addr::new(10, 0, 2, 44), [2, 4, 4, 4, 4, 4]);
    other.tcp(Time::ZERO, from, (Ipv4Addr::new(10, 0, 2, 44), to.1), s);
    // Written by the gateway's own code and then addressed anew, with new checksums.
    let mut frame = other.frames.pop().expect("a frame");
    frame[..6].copy_from_slice(&mac);
    frame[6..12].copy_from_slice(&MAC);
    let mut ip = Ipv4Packet::new_unchecked(&mut frame[14..]);
    ip.set_dst_addr(to.0);
    ip.fill_checksum();
    let mut tcp = smoltcp::wire::TcpPacket::new_unchecked(ip.payload_mut());
    tcp.fill_checksum(&from.0.into(), &to.0.into());
    frame
}

#[test]
fn broken_frames_lead_nowhere() {
    let good = udp_frame(MAC, (STATION, 5), (GATEWAY, 6), b"hello there");
    let check = |frame: &[u8]| {
        let mut g = Gateway::new(GatewayConfig::default(), 1);
        g.frame(Time::ms(1), frame);
        (g.take_requests().len(), g.counters().malformed)
    };
    assert_eq!(check(&good), (1, 0));
    for n in 0..good.len() {
        assert_eq!(check(&good[..n]), (0, 1), "cut to {n} bytes");
    }
    // From the IP header on, every bit is under a checksum or decides where the packet belongs.
    for bit in 14 * 8..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(check(&bad).0, 0, "bit {bit}");
    }
    // What follows the packet is padding.
    let mut padded = good.clone();
    padded.extend([0xee; 20]);
    assert_eq!(check(&padded), (1, 0));
}

#[test]
fn frames_for_others_are_none_of_its_business() {
    let mut g = Gateway::new(GatewayConfig::default(), 1);
    let mut frame = udp_frame(MAC, (STATION, 5), (GATEWAY, 6), b"hello");
    frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    g.frame(Time::ms(1), &frame);
    let to_station = udp_frame(MAC, (STATION, 5), (Ipv4Addr::new(10, 0, 2, 21), 6), b"hello");
    g.frame(Time::ms(2), &to_station);
    let foreign = udp_frame(MAC, (Ipv4Addr::new(8, 8, 8, 8), 5), (GATEWAY, 6), b"hello");
    g.frame(Time::ms(3), &foreign);
    for to in ["127.0.0.1", "0.0.0.1", "224.0.0.1", "255.255.255.255", "10.0.2.255", "10.0.2.0"] {
        g.frame(Time::ms(4), &udp_frame(MAC, (STATION, 5), (to.parse().unwrap(), 6), b"hello"));
    }
    assert_eq!(g.take_requests(), []);
}

fn random_bytes(rng: &mut Rng, n: usize) -> Vec<u8> {
    (0..n).map(|_| rng.next_u64() as u8).collect()
}

/// A frame that gets far: good checksums around nonsense.
fn nonsense(rng: &mut Rng) -> Vec<u8> {
    let n = (rng.next_u64() % 400) as usize;
    let bytes = random_bytes(rng, n);
    let own = [GATEWAY, Ipv4Addr::new(10, 0, 2, 3), Ipv4Addr::BROADCAST, Ipv4Addr::new(9, 9, 9, 9)];
    let dst = own[(rng.next_u64() % 4) as usize];
    let src = Ipv4Addr::new(10, 0, 2, rng.next_u64() as u8);
    let mac = [2, 0, 0, 0, 0, rng.next_u64() as u8];
    match rng.next_u64() % 7 {
        0 => bytes,
        1 => {
            let port = [53, 67, 67, 53, 1000][(rng.next_u64() % 5) as usize];
            udp_frame(mac, (src, 68), (dst, port), &bytes)
        }
        2 => {
            // DHCP and DNS beyond their fixed parts.
            let mut m = dhcp_frame(mac, rng.next_u64() as u8 % 10, Some(src))[42..].to_vec();
            m.pop();
            m.extend(&bytes[..bytes.len().min(60)]);
            udp_frame(mac, (Ipv4Addr::UNSPECIFIED, 68), (Ipv4Addr::BROADCAST, 67), &m)
        }
        3 => {
            let mut m = vec![0, 1, rng.next_u64() as u8 & 0x81, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            m.extend(bytes.iter().map(|b| b % 12));
            udp_frame(mac, (src, 99), (Ipv4Addr::new(10, 0, 2, 3), 53), &m)
        }
        4 => frame_of(mac, src, dst, IpProtocol::from(rng.next_u64() as u8 % 20), &bytes),
        5 => {
            let mut frame = dhcp_frame(mac, 1, None);
            let at = (rng.next_u64() % frame.len() as u64) as usize;
            frame[at] ^= 1 << (rng.next_u64() % 8);
            frame
        }
        _ => {
            let mut frame = [&[0xff; 6], &mac[..], &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]].concat();
            frame.extend(&bytes[..bytes.len().min(24)]);
            frame
        }
    }
}

#[test]
fn nonsense_neither_breaks_it_nor_fills_it() {
    let mut rng = Rng::new(77);
    let mut g = Gateway::new(GatewayConfig::default(), 1);
    let mut at = Time::ZERO;
    for i in 0..60_000u32 {
        at = at + rng.next_u64() % 3_000_000;
        let frame = nonsense(&mut rng);
        g.frame(at, &frame);
        g.take_frames();
        for r in g.take_requests() {
            if let HostRequest::Resolve { id, .. } = r {
                g.host(at, &HostEvent::Resolved { id, addrs: vec![STATION; 20] });
            }
        }
        if i % 5_000 == 0 {
            assert!(g.fits(at));
            g = reloaded(&g);
        }
    }
    assert!(g.counters().malformed > 1000 && g.counters().questions > 100, "{:?}", g.counters());
    let size = postcard::to_stdvec(&g).unwrap().len();
    assert!(size < 200_000, "{size} bytes");
}

/// Segments of a wild station on a few ports, near what the gateway expects, while the host acts at random.
#[test]
fn a_wild_station_breaks_no_connection_rule() {
    let mut rng = Rng::new(5);
    let mut g = Gateway::new(forward(Protocol::Tcp, Target::Ip(STATION), 7), 1);
    let mut at = Time::ZERO;
    // What the gateway last said on each port: its sequence number, its acknowledgement.
    let mut said: std::collections::BTreeMap<(u16, u16), (u32, u32)> = Default::default();
    let mut conns: Vec<u32> = vec![];
    let mut accepted = FIRST_ACCEPTED;
    let mut opened = 0;
    for i in 0..80_000u32 {
        at = at + rng.next_u64() % 40_000_000;
        let ports: (u16, u16) = match (rng.next_u64() % 2, said.keys().nth((rng.next_u64() % 8) as usize)) {
            (0, Some(k)) => *k,
            _ => (5000 + (rng.next_u64() % 4) as u16, 80),
        };
        let (seq, ack) = said.get(&ports).copied().unwrap_or((0, 0));
        let flags = rng.next_u64();
        let near = |rng: &mut Rng, n: u32| match rng.next_u64() % 4 {
            0 => n.wrapping_add((rng.next_u64() % 200) as u32).wrapping_sub(100),
            1 => n.wrapping_add(1),
            _ => n,
        };
        let s = segment::Segment {
            seq: near(&mut rng, ack),
            ack: (flags & 7 != 0).then(|| near(&mut rng, seq)),
            syn: flags & 0x38 == 0,
            fin: flags & 0x3c0 == 0x40,
            rst: flags & 0xfc00 == 0x400,
            window: [0, 1, 10, 1000, 65_535][(rng.next_u64() % 5) as usize],
            mss: [None, Some(0), Some(1), Some(536), Some(65_535)][(rng.next_u64() % 5) as usize],
            payload: {
                let n = (flags >> 20) as usize % 40;
                random_bytes(&mut rng, n)
            },
        };
        let s = if s.syn || s.rst { segment::Segment { fin: false, syn: s.syn && !s.rst, ..s } } else { s };
        g.frame(at, &tcp_frame((STATION, ports.0), (GATEWAY, ports.1), &s));
        if i % 200 == 0 {
            g.host(at, &HostEvent::Accepted { forward: 0, conn: accepted });
            conns.push(accepted);
            accepted += 1;
        }
        let some = conns.len().checked_sub(1).map(|n| conns[n - (rng.next_u64() % 6).min(n as u64) as usize]);
        if let Some(conn) = some {
            let event = match rng.next_u64() % 60 {
                0 => HostEvent::Eof { conn },
                1 => HostEvent::Reset { conn },
                2..20 => HostEvent::Written { conn, bytes: (rng.next_u64() % 100) as u32 },
                20..24 => HostEvent::Data { conn, bytes: vec![7; (rng.next_u64() % 3000) as usize] },
                _ => HostEvent::Connected { conn },
            };
            g.host(at, &event);
        }
        for r in g.take_requests() {
            match r {
                HostRequest::Connect { conn, .. } => conns.push(conn),
                HostRequest::Window { bytes, .. } => opened += u32::from(bytes == HOST_WINDOW),
                _ => {}
            }
        }
        for f in g.take_frames().iter().filter(|f| f[12..14] == [8, 0] && f[23] == 6) {
            let word = |i: usize| u32::from_be_bytes([f[i], f[i + 1], f[i + 2], f[i + 3]]);
            let port = |i: usize| u16::from_be_bytes([f[i], f[i + 1]]);
            let end = f.len() as u32 - 34 - u32::from(f[46] >> 4) * 4;
            let edge = u32::from(f[47] & 3 != 0);
            said.insert((port(36), port(34)), (word(38).wrapping_add(end + edge), word(42)));
        }
        if said.len() > 64 {
            said.pop_first();
        }
        if i % 50 == 0 {
            assert!(g.fits(at), "{g:?}");
        }
    }
    assert!(opened > 200, "{opened} connections opened");
}

#[test]
fn what_was_tampered_with_does_not_fit() {
    let lan = conversation(lan(), 1000, 1000, 4000);
    let bytes = postcard::to_stdvec(&lan.gateway).unwrap();
    assert!(lan.gateway.fits(lan.now));
    // Whatever a broken file says, it is refused, or it runs without a panic.
    let mut refused = 0;
    for i in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[i / 8] ^= 1 << (i % 8);
        let Ok(mut g) = postcard::from_bytes::<Gateway>(&bad) else {
            refused += 1;
            continue;
        };
        if !g.fits(lan.now) {
            refused += 1;
            continue;
        }
        for s in 1..20 {
            g.host(lan.now + s, &HostEvent::Data { conn: 0, bytes: vec![1; 3000] });
            g.poll(lan.now + s * 10_000_000_000);
        }
    }
    assert!(refused > 0);
}
