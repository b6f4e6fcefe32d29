//! UDP: each station's port has a socket on the host, and each peer of a forward a port of the gateway.

use super::{
    config::Protocol,
    core::Core,
    dhcp::Dhcp,
    host::HostRequest,
    streams::{FIRST_PORT, locate},
};
use emu_core::Time;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};

/// More flows, or more peers of forwards, are not served until some fall silent.
const MOST_FLOWS: usize = 4096;
/// A silent flow is forgotten (RFC 4787, REQ-5: not before two minutes).
const SILENCE: u64 = 120_000_000_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flow {
    station: (Ipv4Addr, u16),
    until: Time,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Peer {
    forward: u16,
    from: SocketAddr,
    station: (Ipv4Addr, u16),
    until: Time,
}

/// All flows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Flows {
    flows: BTreeMap<u32, Flow>,
    by_station: BTreeMap<(Ipv4Addr, u16), u32>,
    next_flow: u32,
    /// Peers of forwards by the gateway's port that stands for them.
    peers: BTreeMap<u16, Peer>,
    by_peer: BTreeMap<(u16, SocketAddr), u16>,
    next_port: u16,
    /// Not after the first flow or peer falls silent. It may be earlier, since most are heard of again before that.
    check: Option<Time>,
}

impl Flows {
    /// When to look for flows that fell silent.
    pub fn next(&self) -> Time {
        self.check.unwrap_or(Time::MAX)
    }

    fn touch(&mut self, at: Time) -> Time {
        let until = at + SILENCE;
        self.check = Some(self.check.map_or(until, |c| c.min(until)));
        until
    }

    /// A station sent a datagram. `false`: it must not leave.
    pub fn packet(
        &mut self,
        core: &mut Core,
        at: Time,
        station: (Ipv4Addr, u16),
        dst: (Ipv4Addr, u16),
        bytes: &[u8],
    ) -> bool {
        let until = self.touch(at);
        if dst.0 == core.config.address
            && let Some(peer) = self.peers.get_mut(&dst.1).filter(|p| p.station == station)
        {
            peer.until = until;
            core.counters.bytes_out += bytes.len() as u64;
            let (forward, to) = (peer.forward, peer.from);
            core.requests.push(HostRequest::UdpReply { forward, to, bytes: bytes.to_vec() });
            return true;
        }
        let known = self.by_station.get(&station).copied();
        let to = core.outside(dst.0).filter(|_| known.is_some() || self.flows.len() < MOST_FLOWS);
        let Some(to) = to else {
            core.counters.denied += 1;
            return false;
        };
        let flow = known.unwrap_or_else(|| self.fresh());
        self.by_station.insert(station, flow);
        self.flows.insert(flow, Flow { station, until });
        core.counters.bytes_out += bytes.len() as u64;
        let to = SocketAddr::from((to, dst.1));
        core.requests.push(HostRequest::Udp { flow, to, bytes: bytes.to_vec() });
        true
    }

    fn fresh(&mut self) -> u32 {
        while self.flows.contains_key(&self.next_flow) {
            self.next_flow = self.next_flow.wrapping_add(1);
        }
        let flow = self.next_flow;
        self.next_flow = self.next_flow.wrapping_add(1);
        flow
    }

    /// A datagram came to a flow's socket.
    pub fn data(&mut self, core: &mut Core, at: Time, flow: u32, from: SocketAddr, bytes: &[u8]) {
        let until = self.touch(at);
        let Some(f) = self.flows.get_mut(&flow) else { return };
        f.until = until;
        core.counters.bytes_in += bytes.len() as u64;
        let (src, station) = ((core.inside(from), from.port()), f.station);
        core.udp(at, src, station, bytes);
    }

    /// A datagram came to a forward's socket.
    pub fn forward(
        &mut self,
        core: &mut Core,
        dhcp: &Dhcp,
        at: Time,
        forward: u16,
        from: SocketAddr,
        bytes: &[u8],
    ) {
        let Some(f) = core.config.forwards.get(usize::from(forward)).copied() else { return };
        let found = locate(core, dhcp, at, f.to).filter(|_| f.protocol == Protocol::Udp);
        let port = self.by_peer.get(&(forward, from)).copied().or_else(|| self.port());
        let (Some(ip), Some(port)) = (found, port) else {
            core.counters.denied += 1;
            return;
        };
        let (until, station) = (self.touch(at), (ip, f.port));
        self.by_peer.insert((forward, from), port);
        self.peers.insert(port, Peer { forward, from, station, until });
        core.counters.bytes_in += bytes.len() as u64;
        core.udp(at, (core.config.address, port), station, bytes);
    }

    fn port(&mut self) -> Option<u16> {
        if self.peers.len() >= MOST_FLOWS {
            return None;
        }
        loop {
            let port = self.next_port.max(FIRST_PORT);
            self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
            if !self.peers.contains_key(&port) {
                return Some(port);
            }
        }
    }

    /// Forgets what fell silent.
    pub fn timer(&mut self, core: &mut Core, at: Time) {
        if self.next() > at {
            return;
        }
        self.flows.retain(|flow, f| {
            let keep = f.until > at;
            if !keep {
                self.by_station.remove(&f.station);
                core.requests.push(HostRequest::UdpClose { flow: *flow });
            }
            keep
        });
        self.peers.retain(|_, p| {
            let keep = p.until > at;
            if !keep {
                self.by_peer.remove(&(p.forward, p.from));
            }
            keep
        });
        let flows = self.flows.values().map(|f| f.until);
        self.check = flows.chain(self.peers.values().map(|p| p.until)).min();
    }

    /// The host forgot all flows.
    pub fn lost(&mut self) {
        *self = Flows { next_flow: self.next_flow, next_port: self.next_port, ..Flows::default() };
    }

    /// What was loaded makes sense.
    pub fn fits(&self) -> bool {
        let all = self.flows.values().map(|f| f.until).chain(self.peers.values().map(|p| p.until));
        self.flows.len() <= MOST_FLOWS
            && self.peers.len() <= MOST_FLOWS
            && self.flows.len() == self.by_station.len()
            && self.flows.iter().all(|(n, f)| self.by_station.get(&f.station) == Some(n))
            && self.peers.len() == self.by_peer.len()
            && self.peers.iter().all(|(port, p)| self.by_peer.get(&(p.forward, p.from)) == Some(port))
            && all.min().is_none_or(|first| self.next() <= first)
    }
}
