//! Frames in and out: addresses of stations, ARP, IPv4, and what the protocols share.

use super::{
    config::{GatewayConfig, Mac},
    host::HostRequest,
    segment::Segment,
};
use emu_core::Time;
use serde::{Deserialize, Serialize};
use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{
        ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr,
        Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl,
        TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
    },
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// Stations whose hardware address is remembered; the one not heard of for longest makes room.
const MOST_NEIGHBOURS: usize = 4096;
/// Stations for which packets wait until ARP has found them, and packets for each.
const MOST_SOUGHT: usize = 64;
const MOST_WAITING: usize = 4;
/// Most bytes of an IP packet on Ethernet.
pub const MTU: usize = 1500;
const TTL: u8 = 64;

/// What a gateway did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Frames for the gateway.
    pub frames_in: u64,
    /// Frames it sent.
    pub frames_out: u64,
    /// Frames it could make nothing of: too short, a wrong checksum, nonsense in a header.
    pub malformed: u64,
    /// Whole packets that it does not serve: fragments, other protocols, multicast, too large for Ethernet.
    pub ignored: u64,
    /// Connections and datagrams that it does not let out, and those beyond its limits.
    pub denied: u64,
    /// Addresses given or renewed by DHCP.
    pub leases: u64,
    /// Questions to DNS.
    pub questions: u64,
    /// Echo requests answered.
    pub pings: u64,
    /// TCP connections that stations opened through it.
    pub opened: u64,
    /// TCP connections that came in through forwards and reached their station.
    pub accepted: u64,
    /// TCP connections that were refused.
    pub refused: u64,
    /// TCP segments sent again.
    pub resent: u64,
    /// Bytes of TCP and UDP from stations to the host.
    pub bytes_out: u64,
    /// Bytes of TCP and UDP from the host to stations.
    pub bytes_in: u64,
}

impl Counters {
    /// Name and value of each.
    pub fn rows(&self) -> [(&'static str, u64); 14] {
        [
            ("frames_in", self.frames_in),
            ("frames_out", self.frames_out),
            ("malformed", self.malformed),
            ("ignored", self.ignored),
            ("denied", self.denied),
            ("leases", self.leases),
            ("questions", self.questions),
            ("pings", self.pings),
            ("opened", self.opened),
            ("accepted", self.accepted),
            ("refused", self.refused),
            ("resent", self.resent),
            ("bytes_out", self.bytes_out),
            ("bytes_in", self.bytes_in),
        ]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Neighbour {
    mac: Mac,
    seen: Time,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sought {
    since: Time,
    packets: Vec<Vec<u8>>,
}

/// A packet's addresses, and what is needed to complain about it.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub src: Ipv4Addr,
    pub dst: Ipv4Addr,
    pub protocol: IpProtocol,
    pub payload: &'a [u8],
}

/// What the parts of a gateway share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Core {
    pub config: GatewayConfig,
    pub counters: Counters,
    pub requests: Vec<HostRequest>,
    pub frames: Vec<Vec<u8>>,
    neighbours: BTreeMap<Ipv4Addr, Neighbour>,
    sought: BTreeMap<Ipv4Addr, Sought>,
}

pub fn checksums() -> ChecksumCapabilities {
    ChecksumCapabilities::default()
}

pub fn is_station(mac: Mac) -> bool {
    mac[0] & 1 == 0 && mac != [0; 6]
}

impl Core {
    pub fn new(config: GatewayConfig) -> Core {
        Core {
            config,
            counters: Counters::default(),
            requests: vec![],
            frames: vec![],
            neighbours: BTreeMap::new(),
            sought: BTreeMap::new(),
        }
    }

    // ---- addresses ----

    /// One of the gateway's own addresses.
    pub fn is_own(&self, address: Ipv4Addr) -> bool {
        address == self.config.address || self.config.dns && address == self.config.dns_address()
    }

    /// Where in the host's network a station's packet for `dst` leads: the gateway's own address is the host's
    /// loopback, as in QEMU. `None`: it must not leave.
    pub fn outside(&self, dst: Ipv4Addr) -> Option<Ipv4Addr> {
        if !self.config.nat || dst.octets()[0] == 0 || dst.is_loopback() || dst.octets()[0] >= 224 {
            return None;
        }
        if dst == self.config.address {
            return Some(Ipv4Addr::LOCALHOST);
        }
        let mask = u32::from(self.config.netmask());
        (u32::from(dst) & mask != u32::from(self.config.address) & mask).then_some(dst)
    }

    /// How a station sees an address of the host's network.
    pub fn inside(&self, from: SocketAddr) -> Ipv4Addr {
        match from.ip().to_canonical() {
            IpAddr::V4(ip) if !ip.is_loopback() && !ip.is_unspecified() => ip,
            _ => self.config.address,
        }
    }

    /// Remembers where a station is, and sends it what waits.
    pub fn learn(&mut self, at: Time, ip: Ipv4Addr, mac: Mac) {
        if !self.config.is_local(ip) || self.is_own(ip) || !is_station(mac) || mac == self.config.mac {
            return;
        }
        let full = self.neighbours.len() >= MOST_NEIGHBOURS && !self.neighbours.contains_key(&ip);
        if full && let Some(old) = self.neighbours.iter().min_by_key(|(ip, n)| (n.seen, **ip)).map(|n| *n.0) {
            self.neighbours.remove(&old);
        }
        self.neighbours.insert(ip, Neighbour { mac, seen: at });
        for packet in self.sought.remove(&ip).map_or(vec![], |s| s.packets) {
            self.ethernet(mac, EthernetProtocol::Ipv4, &packet);
        }
    }

    /// The address a station was last seen with.
    pub fn seen_at(&self, mac: Mac) -> Option<Ipv4Addr> {
        let of = self.neighbours.iter().filter(|(_, n)| n.mac == mac);
        of.max_by_key(|(ip, n)| (n.seen, **ip)).map(|(ip, _)| *ip)
    }

    /// Another station than `mac` was seen with this address.
    pub fn is_used(&self, ip: Ipv4Addr, mac: Mac) -> bool {
        self.neighbours.get(&ip).is_some_and(|n| n.mac != mac)
    }

    // ---- frames out ----

    fn ethernet(&mut self, to: Mac, ethertype: EthernetProtocol, payload: &[u8]) {
        let repr = EthernetRepr {
            src_addr: EthernetAddress(self.config.mac),
            dst_addr: EthernetAddress(to),
            ethertype,
        };
        let mut frame = EthernetFrame::new_unchecked(vec![0; repr.buffer_len() + payload.len()]);
        repr.emit(&mut frame);
        frame.payload_mut().copy_from_slice(payload);
        self.counters.frames_out += 1;
        self.frames.push(frame.into_inner());
    }

    pub fn arp(&mut self, operation: ArpOperation, from: Ipv4Addr, to: (Mac, Ipv4Addr)) {
        let request = operation == ArpOperation::Request;
        let repr = ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: EthernetAddress(self.config.mac),
            source_protocol_addr: from,
            target_hardware_addr: EthernetAddress(if request { [0; 6] } else { to.0 }),
            target_protocol_addr: to.1,
        };
        let mut packet = ArpPacket::new_unchecked(vec![0; repr.buffer_len()]);
        repr.emit(&mut packet);
        self.ethernet(to.0, EthernetProtocol::Arp, &packet.into_inner());
    }

    fn ip(&mut self, src: Ipv4Addr, dst: Ipv4Addr, protocol: IpProtocol, payload: &[u8]) -> Option<Vec<u8>> {
        let repr = Ipv4Repr {
            src_addr: src,
            dst_addr: dst,
            next_header: protocol,
            payload_len: payload.len(),
            hop_limit: TTL,
        };
        if repr.buffer_len() + payload.len() > MTU {
            self.counters.ignored += 1;
            return None;
        }
        let mut packet = Ipv4Packet::new_unchecked(vec![0; repr.buffer_len() + payload.len()]);
        repr.emit(&mut packet, &checksums());
        packet.payload_mut().copy_from_slice(payload);
        Some(packet.into_inner())
    }

    /// Sends a packet to a station, as soon as ARP has found it.
    pub fn send(&mut self, at: Time, src: Ipv4Addr, dst: Ipv4Addr, protocol: IpProtocol, payload: &[u8]) {
        let Some(packet) = self.ip(src, dst, protocol, payload) else { return };
        if let Some(n) = self.neighbours.get(&dst) {
            let mac = n.mac;
            return self.ethernet(mac, EthernetProtocol::Ipv4, &packet);
        }
        self.arp(ArpOperation::Request, self.config.address, ([0xff; 6], dst));
        let full = self.sought.len() >= MOST_SOUGHT && !self.sought.contains_key(&dst);
        if full && let Some(old) = self.sought.iter().min_by_key(|(ip, s)| (s.since, **ip)).map(|s| *s.0) {
            self.sought.remove(&old);
        }
        let sought = self.sought.entry(dst).or_insert(Sought { since: at, packets: vec![] });
        if sought.packets.len() < MOST_WAITING {
            sought.packets.push(packet);
        }
    }

    /// Sends a datagram to a hardware address, whatever ARP knows.
    pub fn udp_to(&mut self, mac: Mac, from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), bytes: &[u8]) {
        let datagram = udp(from, to, bytes);
        if let Some(packet) = self.ip(from.0, to.0, IpProtocol::Udp, &datagram) {
            self.ethernet(mac, EthernetProtocol::Ipv4, &packet);
        }
    }

    /// Sends a datagram to a station.
    pub fn udp(&mut self, at: Time, from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), bytes: &[u8]) {
        // Not even IP could say that it is this long.
        if bytes.len() > MTU {
            self.counters.ignored += 1;
            return;
        }
        self.send(at, from.0, to.0, IpProtocol::Udp, &udp(from, to, bytes));
    }

    /// Sends a TCP segment to a station.
    pub fn tcp(&mut self, at: Time, from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), s: &Segment) {
        let control = match (s.syn, s.fin, s.rst) {
            (_, _, true) => TcpControl::Rst,
            (true, _, _) => TcpControl::Syn,
            (_, true, _) => TcpControl::Fin,
            _ if s.payload.is_empty() => TcpControl::None,
            _ => TcpControl::Psh,
        };
        let repr = TcpRepr {
            src_port: from.1,
            dst_port: to.1,
            control,
            seq_number: TcpSeqNumber(s.seq as i32),
            ack_number: s.ack.map(|n| TcpSeqNumber(n as i32)),
            window_len: s.window,
            window_scale: None,
            max_seg_size: s.mss,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &s.payload,
        };
        let mut buffer = vec![0; repr.buffer_len()];
        repr.emit(&mut TcpPacket::new_unchecked(&mut buffer), &from.0.into(), &to.0.into(), &checksums());
        self.send(at, from.0, to.0, IpProtocol::Tcp, &buffer);
    }

    /// Answers an echo request.
    pub fn pong(&mut self, at: Time, p: &Packet, repr: Icmpv4Repr) {
        self.counters.pings += 1;
        self.icmp(at, p.dst, p.src, &repr);
    }

    /// Complains about a packet (RFC 792; RFC 1122, 3.2.2: never about a broadcast), with as much of it as fits 576
    /// bytes (RFC 1812, 4.3.2.3).
    pub fn unreachable(&mut self, at: Time, p: &Packet, reason: Icmpv4DstUnreachable) {
        if p.payload.len() < 8 {
            return;
        }
        let data = &p.payload[..p.payload.len().min(576 - 2 * 20 - 8)];
        let header = Ipv4Repr {
            src_addr: p.src,
            dst_addr: p.dst,
            next_header: p.protocol,
            payload_len: p.payload.len(),
            hop_limit: TTL,
        };
        let from = if self.is_own(p.dst) { p.dst } else { self.config.address };
        self.icmp(at, from, p.src, &Icmpv4Repr::DstUnreachable { reason, header, data });
    }

    fn icmp(&mut self, at: Time, from: Ipv4Addr, to: Ipv4Addr, repr: &Icmpv4Repr) {
        let mut buffer = vec![0; repr.buffer_len()];
        repr.emit(&mut Icmpv4Packet::new_unchecked(&mut buffer), &checksums());
        self.send(at, from, to, IpProtocol::Icmp, &buffer);
    }

    /// What was loaded makes sense.
    pub fn fits(&self) -> bool {
        self.config.check().is_ok()
            && self.neighbours.len() <= MOST_NEIGHBOURS
            && self.sought.len() <= MOST_SOUGHT
            && self.sought.values().all(|s| s.packets.len() <= MOST_WAITING)
            && self.sought.values().flat_map(|s| &s.packets).all(|p| p.len() <= MTU)
    }
}

fn udp(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), bytes: &[u8]) -> Vec<u8> {
    let repr = UdpRepr { src_port: from.1, dst_port: to.1 };
    let mut buffer = vec![0; repr.header_len() + bytes.len()];
    let mut packet = UdpPacket::new_unchecked(&mut buffer);
    let copy = |b: &mut [u8]| b.copy_from_slice(bytes);
    repr.emit(&mut packet, &from.0.into(), &to.0.into(), bytes.len(), copy, &checksums());
    buffer
}
