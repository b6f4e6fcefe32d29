//! Frames, and what the host says, to a switch with a gateway, and to a LAN9118 whose guest listens.
//!
//! An input is a list of acts: a byte that says which, two of its length, its bytes. Checksums are made right for three
//! frames of four.

use super::shelf;
use emu_core::{Machine, Time, link::Msg};
use netsim::{
    Medium,
    ethernet::{EthernetConfig, EthernetMedium, LinkConfig},
    gateway::{FIRST_ACCEPTED, Forward, Gateway, GatewayConfig, HostEvent, Protocol, Target},
};
use std::{cell::RefCell, net::SocketAddr};

/// More acts are not done.
const ACTS: usize = 64;

thread_local! {
    static MACHINE: RefCell<Option<Machine>> = const { RefCell::new(None) };
}

/// One that has set up its Ethernet.
fn machine() -> Machine {
    MACHINE.with_borrow_mut(|made| {
        made.get_or_insert_with(|| {
            let mut m = shelf::machine("mps2-an385", shelf::ETHERNET).0;
            m.power_on(1);
            m.run_until(Time::ms(5));
            m
        })
        .fork()
    })
}

fn switch() -> Medium {
    let mut switch = EthernetMedium::new(EthernetConfig::default(), 1);
    (0..2).for_each(|station| switch.connect(station, LinkConfig::default()));
    let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let to = Target::Ip([10, 0, 2, 15].into());
    let forward = |protocol, port| Forward { protocol, host: local(port), to, port: 7 };
    let forwards = vec![forward(Protocol::Tcp, 8080), forward(Protocol::Udp, 8081)];
    let config = GatewayConfig { forwards, ..GatewayConfig::default() };
    switch.set_gateway(Gateway::new(config, 1), LinkConfig::default());
    Medium::Ethernet(switch)
}

fn sum(parts: &[&[u8]]) -> u16 {
    let word = |p: &[u8]| u32::from(p[0]) << 8 | p.get(1).map_or(0, |b| u32::from(*b));
    let mut all: u32 = parts.iter().flat_map(|p| p.chunks(2)).map(word).sum();
    while all >> 16 != 0 {
        all = (all & 0xffff) + (all >> 16);
    }
    !all as u16
}

/// Makes lengths and checksums of IPv4, ICMP, TCP and UDP right.
fn mend(frame: &mut [u8]) {
    if frame.len() < 34 || frame[12..14] != [8, 0] {
        return;
    }
    let ip = &mut frame[14..];
    let (whole, head) = (ip.len(), usize::from(ip[0] & 15) * 4);
    if head < 20 || head > whole {
        return;
    }
    ip[2..4].copy_from_slice(&(whole as u16).to_be_bytes());
    ip[10..12].fill(0);
    let check = sum(&[&ip[..head]]);
    ip[10..12].copy_from_slice(&check.to_be_bytes());
    let (protocol, place) = (
        ip[9],
        match ip[9] {
            1 => 2,
            6 => 16,
            17 => 6,
            _ => return,
        },
    );
    let (header, body) = ip.split_at_mut(head);
    if body.len() < place + 2 {
        return;
    }
    if protocol == 17 {
        body[4..6].copy_from_slice(&((whole - head) as u16).to_be_bytes());
    }
    body[place..place + 2].fill(0);
    let pseudo = [&header[12..20], &[0, protocol], &((whole - head) as u16).to_be_bytes()].concat();
    let check = if protocol == 1 { sum(&[body]) } else { sum(&[&pseudo, body]) };
    body[place..place + 2].copy_from_slice(&check.to_be_bytes());
}

fn host_event(bytes: &[u8]) -> HostEvent {
    let byte = |n: usize| bytes.get(n).copied().unwrap_or(0);
    let number = u32::from(byte(1) & 7);
    let conn = if byte(1) & 8 == 0 { number } else { FIRST_ACCEPTED + number };
    let rest = bytes.get(2..).unwrap_or_default().to_vec();
    let (from, forward) =
        (SocketAddr::from(([10, 1, 2, byte(3)], u16::from(byte(4)))), u16::from(byte(1) & 3));
    match byte(0) % 11 {
        0 => HostEvent::Accepted { forward, conn: FIRST_ACCEPTED + u32::from(byte(2)) },
        1 => HostEvent::Connected { conn },
        2 => HostEvent::Refused { conn },
        3 => HostEvent::Data { conn, bytes: rest },
        4 => HostEvent::Eof { conn },
        5 => HostEvent::Reset { conn },
        6 => HostEvent::Written { conn, bytes: u32::from(byte(2)) << (byte(3) % 25) },
        7 => HostEvent::UdpData { flow: number, from, bytes: rest },
        8 => HostEvent::UdpForward { forward, from, bytes: rest },
        9 => HostEvent::Resolved {
            id: number,
            addrs: rest.chunks_exact(4).map(|a| [a[0], a[1], a[2], a[3]].into()).collect(),
        },
        _ => HostEvent::Lost,
    }
}

/// Sends the frames.
pub fn run(data: &[u8]) {
    let (mut medium, mut machine) = (switch(), None);
    let (mut now, mut rest) = (Time(0), data);
    for _ in 0..ACTS {
        let [how, low, high, tail @ ..] = rest else { break };
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(tail.len());
        let (bytes, next) = tail.split_at(len);
        rest = next;
        let mut bytes = bytes.to_vec();
        if how >> 3 & 3 != 3 {
            mend(&mut bytes);
        }
        match how & 7 {
            n @ 0..=3 => medium.act(u32::from(n & 1), now, &Msg::Frame(bytes)),
            4 => medium.host(now, &host_event(&bytes)),
            5 => now = now + (u64::from(*low) << (how >> 3)) * 1000,
            n => {
                let m = machine.get_or_insert_with(self::machine);
                let ethernet = m.bus.device_by_name("ethernet").expect("the board has one");
                let msg = if n == 6 { Msg::Frame(bytes) } else { Msg::BadFrame(bytes) };
                m.deliver(ethernet, 0, msg);
                m.run_until(m.now() + 10_000);
            }
        }
        now = now + 1000;
        for d in medium.run_until(now) {
            assert!(d.at <= now);
        }
        let _ = medium.take_requests();
    }
    assert!(medium.fits(2, now));
    let saved = emu_core::save::to_bytes(&medium);
    let mut again: Medium = emu_core::save::from_bytes(&saved).expect("what was saved loads");
    let end = now + 5_000_000_000;
    assert_eq!(medium.run_until(end), again.run_until(end), "it goes on as it would have");
    if let Some(mut m) = machine {
        m.run_until(m.now() + 200_000);
        let _ = m.digest();
    }
}
