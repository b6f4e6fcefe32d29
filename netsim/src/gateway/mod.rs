//! The gateway of an Ethernet: DHCP, DNS, ICMP echo, NAT out to sockets of the host, and forwards from ports of the
//! host to stations.
//!
//! It is a station of a switch: [`Gateway::frame`] takes what the switch delivers, [`Gateway::take_frames`] gives what
//! it sends. What it wants of the host it says in [`HostRequest`]s, what the host did it hears as [`HostEvent`]s. The
//! events go through the journal, so a recorded session replays without the host: the requests are then ignored and
//! the events come again, each at its time.
//!
//! | a station sends to | it leads to |
//! |---|---|
//! | the gateway's address | DHCP, DNS, echo; all other ports: the same port of the host's loopback, as in QEMU |
//! | the address of DNS | DNS, echo |
//! | any address outside the network | that address, through a socket of the host |
//! | another station's address | nothing: the switch carries it |
//!
//! A connection that a station opens is answered when the host has connected: what the station sees of a refusal is
//! the host's own. Connections through a forward come from the gateway's address. All windows are small (64 KiB) and
//! bound what waits here: a slow end slows the other one down.
//!
//! ## Why not smoltcp's sockets
//! Its wire formats are used for every packet. Its interface and its sockets can neither be cloned nor saved, and a
//! medium must be both, in the middle of a connection too. So [`tcp`] is an endpoint as plain data.
//!
//! ## Order
//! Frames and events happen in the order of the calls. Timers due at an instant come before its frames and events.
//!
//! ## Not modelled
//! IPv6, IP fragments and options, ICMP errors from the host, echo to the outside (answered: host unreachable), hop
//! limits, multicast, IGMP. See the parts for theirs.

mod config;
mod core;
mod dhcp;
mod dns;
mod flows;
mod host;
mod segment;
mod streams;
mod tcp;

pub use config::{DhcpConfig, Forward, ForwardText, GatewayConfig, Lease, Mac, Protocol, Target};
pub use core::Counters;
pub use host::{FIRST_ACCEPTED, HOST_WINDOW, HostEvent, HostRequest};

use self::{
    core::{Core, Packet, checksums, is_station},
    dhcp::Dhcp,
    dns::Dns,
    flows::Flows,
    streams::{Streams, locate},
};
use emu_core::Time;
use serde::{Deserialize, Serialize};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetFrame, EthernetProtocol, Icmpv4DstUnreachable, Icmpv4Message,
    Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr,
};

/// A gateway. Plain data: clone it to fork, serialise it to save or digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gateway {
    seed: u64,
    core: Core,
    dhcp: Dhcp,
    dns: Dns,
    streams: Streams,
    flows: Flows,
}

impl Gateway {
    /// A gateway to which nothing has happened yet. `config` has passed [`GatewayConfig::check`]. `seed` decides the
    /// sequence numbers of its connections.
    pub fn new(config: GatewayConfig, seed: u64) -> Gateway {
        Gateway {
            seed,
            core: Core::new(config),
            dhcp: Dhcp::default(),
            dns: Dns::default(),
            streams: Streams::default(),
            flows: Flows::default(),
        }
    }

    /// What it is like.
    pub fn config(&self) -> &GatewayConfig {
        &self.core.config
    }

    /// The addresses it gave to stations, in the order of the stations' hardware addresses.
    pub fn leases(&self) -> Vec<Lease> {
        self.dhcp.leases()
    }

    /// What it did so far.
    pub fn counters(&self) -> Counters {
        self.core.counters
    }

    /// TCP connections at present.
    pub fn connections(&self) -> usize {
        self.streams.len()
    }

    /// The frames that leave it now, in order.
    pub fn take_frames(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.core.frames)
    }

    /// What it wants of the host, in order.
    pub fn take_requests(&mut self) -> Vec<HostRequest> {
        std::mem::take(&mut self.core.requests)
    }

    /// What was loaded makes sense at `now`.
    pub fn fits(&self, now: Time) -> bool {
        self.core.fits()
            && self.dhcp.fits()
            && self.dns.fits()
            && self.streams.fits()
            && self.flows.fits()
            && self.next() >= now
    }

    // ---- time ----

    /// When it next has something to do by itself: call [`Gateway::poll`] then. [`Time::MAX`]: nothing is due.
    pub fn next(&self) -> Time {
        self.streams.next().min(self.flows.next()).min(self.dns.next())
    }

    /// Does what is due up to and including `at`, each thing at its own time. The other calls do this first, so that
    /// one more call changes nothing.
    pub fn poll(&mut self, at: Time) {
        while self.next() <= at {
            let now = self.next();
            self.streams.timer(&mut self.core, &self.dhcp, self.seed, now);
            self.flows.timer(&mut self.core, now);
            self.dns.timer(&mut self.core, now);
        }
    }

    // ---- the host ----

    /// The host's side did something.
    pub fn host(&mut self, at: Time, event: &HostEvent) {
        self.poll(at);
        let (core, dhcp, streams, flows) = (&mut self.core, &self.dhcp, &mut self.streams, &mut self.flows);
        match event {
            HostEvent::Accepted { forward, conn } => {
                streams.accepted(core, dhcp, self.seed, at, (*forward, *conn));
            }
            HostEvent::Connected { conn } => streams.connected(core, self.seed, at, *conn),
            HostEvent::Refused { conn } | HostEvent::Reset { conn } => streams.broken(core, at, *conn),
            HostEvent::Data { conn, bytes } => streams.data(core, at, *conn, bytes),
            HostEvent::Eof { conn } => streams.eof(core, at, *conn),
            HostEvent::Written { conn, bytes } => streams.written(core, at, *conn, *bytes),
            HostEvent::UdpData { flow, from, bytes } => flows.data(core, at, *flow, *from, bytes),
            HostEvent::UdpForward { forward, from, bytes } => {
                flows.forward(core, dhcp, at, *forward, *from, bytes);
            }
            HostEvent::Resolved { id, addrs } => self.dns.resolved(core, at, *id, addrs),
            HostEvent::Lost => {
                streams.lost(core, at);
                flows.lost();
                self.dns.lost(core, at);
            }
        }
    }

    // ---- frames ----

    /// A frame arrives, from the destination address to the last byte before the FCS.
    pub fn frame(&mut self, at: Time, frame: &[u8]) {
        self.poll(at);
        let Ok(frame) = EthernetFrame::new_checked(frame) else {
            self.core.counters.frames_in += 1;
            self.core.counters.malformed += 1;
            return;
        };
        let (to, from) = (frame.dst_addr(), frame.src_addr().0);
        let own = self.core.config.mac;
        if to.0 != own && !to.is_broadcast() || from == own {
            return; // the switch did not know better
        }
        self.core.counters.frames_in += 1;
        let good = match frame.ethertype() {
            _ if !is_station(from) => None,
            EthernetProtocol::Arp => self.arp(at, frame.payload()),
            EthernetProtocol::Ipv4 => self.ip(at, from, frame.payload()),
            _ => {
                self.core.counters.ignored += 1;
                Some(())
            }
        };
        if good.is_none() {
            self.core.counters.malformed += 1;
        }
    }

    fn arp(&mut self, at: Time, bytes: &[u8]) -> Option<()> {
        let packet = ArpPacket::new_checked(bytes).ok()?;
        let ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr,
            ..
        } = ArpRepr::parse(&packet).ok()?
        else {
            return None;
        };
        let (mac, ip) = (source_hardware_addr.0, source_protocol_addr);
        self.core.learn(at, ip, mac);
        if operation == ArpOperation::Request && self.core.is_own(target_protocol_addr) && is_station(mac) {
            self.core.arp(ArpOperation::Reply, target_protocol_addr, (mac, ip));
        }
        Some(())
    }

    /// `None`: the packet is broken.
    fn ip(&mut self, at: Time, mac: Mac, bytes: &[u8]) -> Option<()> {
        let packet = Ipv4Packet::new_checked(bytes).ok()?;
        let repr = Ipv4Repr::parse(&packet, &checksums()).ok()?;
        let config = &self.core.config;
        let (src, dst) = (repr.src_addr, repr.dst_addr);
        let asks = src.is_unspecified() && repr.next_header == IpProtocol::Udp;
        let station = config.is_local(src) && !self.core.is_own(src);
        let ours = self.core.is_own(dst) || !config.is_local(dst);
        if packet.more_frags() || packet.frag_offset() != 0 || !(station || asks) || !ours {
            self.core.counters.ignored += 1;
            return Some(());
        }
        if station {
            self.core.learn(at, src, mac);
        }
        let p = Packet { src, dst, protocol: repr.next_header, payload: packet.payload() };
        let broadcast = dst.is_broadcast() || dst == self.core.config.broadcast() || dst.is_multicast();
        match repr.next_header {
            IpProtocol::Udp => return self.udp(at, &p, broadcast),
            IpProtocol::Icmp if !broadcast => return self.icmp(at, &p),
            IpProtocol::Tcp if !broadcast => self.streams.packet(&mut self.core, at, &p),
            _ => self.core.counters.ignored += 1,
        }
        Some(())
    }

    fn icmp(&mut self, at: Time, p: &Packet) -> Option<()> {
        let packet = Icmpv4Packet::new_checked(p.payload).ok()?;
        if packet.msg_type() != Icmpv4Message::EchoRequest {
            self.core.counters.ignored += 1;
            return Some(());
        }
        let Icmpv4Repr::EchoRequest { ident, seq_no, data } =
            Icmpv4Repr::parse(&packet, &checksums()).ok()?
        else {
            return None;
        };
        if self.core.is_own(p.dst) {
            self.core.pong(at, p, Icmpv4Repr::EchoReply { ident, seq_no, data });
        } else {
            self.core.counters.denied += 1;
            self.core.unreachable(at, p, Icmpv4DstUnreachable::HostUnreachable);
        }
        Some(())
    }

    fn udp(&mut self, at: Time, p: &Packet, broadcast: bool) -> Option<()> {
        let packet = UdpPacket::new_checked(p.payload).ok()?;
        let repr = UdpRepr::parse(&packet, &p.src.into(), &p.dst.into(), &checksums()).ok()?;
        let (station, dst, bytes) = ((p.src, repr.src_port), (p.dst, repr.dst_port), packet.payload());
        let own = self.core.is_own(p.dst);
        if repr.dst_port == dhcp::SERVER_PORT && (broadcast || own) && self.core.config.dhcp.is_some() {
            self.dhcp.message(&mut self.core, at, bytes);
        } else if broadcast || p.src.is_unspecified() {
            self.core.counters.ignored += 1;
        } else if own && repr.dst_port == dns::PORT && self.core.config.dns {
            let dhcp = &self.dhcp;
            let local = |core: &Core, name: &str| {
                let target = *core.config.hosts.get(name)?;
                Some(locate(core, dhcp, at, target))
            };
            self.dns.message(&mut self.core, at, (station, dst), bytes, local);
        } else if repr.src_port == 0 || !self.flows.packet(&mut self.core, at, station, dst, bytes) {
            let reason = if own {
                Icmpv4DstUnreachable::PortUnreachable
            } else {
                Icmpv4DstUnreachable::NetUnreachable
            };
            self.core.unreachable(at, p, reason);
        }
        Some(())
    }
}

#[cfg(test)]
mod tcp_tests;
#[cfg(test)]
mod test_lan;
#[cfg(test)]
mod tests;
