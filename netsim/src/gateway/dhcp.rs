//! The DHCP server (RFC 2131): addresses by hardware address, in the order in which stations first ask.
//!
//! ## Not modelled
//! Relay agents, client identifiers, options that were asked for beyond mask, router and DNS, probing an address before
//! it is offered.

use super::{
    config::{DhcpConfig, Lease, Mac},
    core::{Core, is_station},
};
use emu_core::Time;
use serde::{Deserialize, Serialize};
use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

pub const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// A day, as QEMU.
const LEASE_SECS: u32 = 86_400;
/// How long an offered address is kept for its station, in seconds.
const OFFER_SECS: u32 = 60;
/// A network of a thousand nodes and a station that makes up hardware addresses stay below this.
const MOST_LEASES: usize = 16_384;

fn later(at: Time, secs: u32) -> Time {
    at + u64::from(secs) * 1_000_000_000
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    address: Ipv4Addr,
    until: Time,
    bound: bool,
}

/// The server's memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dhcp {
    entries: BTreeMap<Mac, Entry>,
    /// Addresses that a station found in use, until then.
    declined: BTreeMap<Ipv4Addr, Time>,
}

impl Dhcp {
    /// The addresses given, in the order of the stations' hardware addresses.
    pub fn leases(&self) -> Vec<Lease> {
        let lease = |(mac, e): (&Mac, &Entry)| Lease {
            mac: *mac,
            address: e.address,
            until: e.until,
            bound: e.bound,
        };
        self.entries.iter().map(lease).collect()
    }

    /// The address a station has now.
    pub fn address_of(&self, at: Time, mac: Mac) -> Option<Ipv4Addr> {
        self.entries.get(&mac).filter(|e| e.bound && e.until > at).map(|e| e.address)
    }

    /// A datagram came to the server's port.
    pub fn message(&mut self, core: &mut Core, at: Time, bytes: &[u8]) {
        let Some(config) = core.config.dhcp.clone() else { return };
        let packet = DhcpPacket::new_checked(bytes);
        let Ok(ask) = packet.as_ref().map_err(|_| ()).and_then(|p| DhcpRepr::parse(p).map_err(|_| ())) else {
            core.counters.malformed += 1;
            return;
        };
        let mac = ask.client_hardware_address.0;
        if !is_station(mac) || mac == core.config.mac || !ask.relay_agent_ip.is_unspecified() {
            core.counters.ignored += 1;
            return;
        }
        let other = ask.server_identifier.is_some_and(|s| s != core.config.address);
        match ask.message_type {
            DhcpMessageType::Discover => {
                if let Some(address) = self.offer(core, &config, at, mac, ask.requested_ip) {
                    reply(core, &ask, DhcpMessageType::Offer, Some(address));
                }
            }
            DhcpMessageType::Request if other => self.withdraw(mac),
            DhcpMessageType::Request => self.request(core, &config, at, &ask),
            DhcpMessageType::Decline if !other => self.decline(at, mac, ask.requested_ip),
            DhcpMessageType::Release if !other => {
                if self.entries.get(&mac).is_some_and(|e| e.address == ask.client_ip) {
                    self.entries.remove(&mac);
                }
            }
            DhcpMessageType::Inform => reply(core, &ask, DhcpMessageType::Ack, None),
            _ => core.counters.ignored += 1,
        }
    }

    /// RFC 2131, 4.3.2. A station that remembers an address from before (INIT-REBOOT, or a renewal) gets it if it is
    /// free.
    fn request(&mut self, core: &mut Core, config: &DhcpConfig, at: Time, ask: &DhcpRepr) {
        let mac = ask.client_hardware_address.0;
        let wanted = ask.requested_ip.unwrap_or(ask.client_ip);
        let known = self.entries.get(&mac).filter(|e| e.address == wanted).is_some();
        if known || self.offer(core, config, at, mac, Some(wanted)) == Some(wanted) {
            let until = later(at, LEASE_SECS);
            self.entries.insert(mac, Entry { address: wanted, until, bound: true });
            core.counters.leases += 1;
            reply(core, ask, DhcpMessageType::Ack, Some(wanted));
        } else {
            reply(core, ask, DhcpMessageType::Nak, None);
        }
    }

    fn withdraw(&mut self, mac: Mac) {
        if self.entries.get(&mac).is_some_and(|e| !e.bound) {
            self.entries.remove(&mac);
        }
    }

    fn decline(&mut self, at: Time, mac: Mac, address: Option<Ipv4Addr>) {
        if let Some(e) = self.entries.get(&mac).copied()
            && Some(e.address) == address
        {
            self.entries.remove(&mac);
            if self.declined.len() < MOST_LEASES {
                self.declined.insert(e.address, later(at, LEASE_SECS));
            }
        }
    }

    /// The address to offer: reserved, had before, asked for, the first free one, the one that ran out longest ago.
    fn offer(
        &mut self,
        core: &Core,
        config: &DhcpConfig,
        at: Time,
        mac: Mac,
        wanted: Option<Ipv4Addr>,
    ) -> Option<Ipv4Addr> {
        let until = later(at, OFFER_SECS);
        let had = self.entries.get(&mac).copied();
        let address = match (config.reserved.get(&mac), had) {
            (Some(reserved), _) => *reserved,
            (None, Some(e)) => e.address,
            (None, None) => self.free(core, config, at, mac, wanted)?,
        };
        match had.filter(|e| e.address == address) {
            Some(e) => self.entries.insert(mac, Entry { until: e.until.max(until), ..e }),
            None => self.entries.insert(mac, Entry { address, until, bound: false }),
        };
        Some(address)
    }

    fn free(
        &mut self,
        core: &Core,
        config: &DhcpConfig,
        at: Time,
        mac: Mac,
        wanted: Option<Ipv4Addr>,
    ) -> Option<Ipv4Addr> {
        self.declined.retain(|_, until| *until > at);
        let mut taken: BTreeSet<Ipv4Addr> = self.entries.values().map(|e| e.address).collect();
        taken.extend(config.reserved.values());
        let (first, last) = (config.first, config.last);
        let good = |a: &Ipv4Addr| {
            *a >= first
                && *a <= last
                && !core.is_own(*a)
                && !taken.contains(a)
                && !self.declined.contains_key(a)
                && !core.is_used(*a, mac)
        };
        if self.entries.len() < MOST_LEASES {
            let range = (u32::from(first)..=u32::from(last)).map(Ipv4Addr::from);
            if let Some(address) = wanted.filter(good).or_else(|| range.clone().find(good)) {
                return Some(address);
            }
        }
        let over = self.entries.iter().filter(|(m, e)| e.until <= at && !config.reserved.contains_key(*m));
        let (old, entry) = over.min_by_key(|(m, e)| (e.until, **m)).map(|(m, e)| (*m, *e))?;
        self.entries.remove(&old);
        Some(entry.address)
    }

    /// What was loaded makes sense.
    pub fn fits(&self) -> bool {
        self.entries.len() <= MOST_LEASES + super::config::MOST_NAMES && self.declined.len() <= MOST_LEASES
    }
}

/// RFC 2131, table 3.
fn reply(core: &mut Core, ask: &DhcpRepr, message_type: DhcpMessageType, address: Option<Ipv4Addr>) {
    let nak = message_type == DhcpMessageType::Nak;
    let none = Ipv4Addr::UNSPECIFIED;
    let config = &core.config;
    let own = config.address;
    let answer = DhcpRepr {
        message_type,
        transaction_id: ask.transaction_id,
        secs: 0,
        client_hardware_address: ask.client_hardware_address,
        client_ip: if nak { none } else { ask.client_ip },
        your_ip: address.unwrap_or(none),
        server_ip: if nak { none } else { own },
        router: (!nak).then_some(own),
        subnet_mask: (!nak).then_some(config.netmask()),
        relay_agent_ip: none,
        broadcast: ask.broadcast,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(own),
        parameter_request_list: None,
        dns_servers: (!nak && config.dns).then(|| [config.dns_address()].into_iter().collect()),
        max_size: None,
        lease_duration: address.map(|_| LEASE_SECS),
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    };
    // BOOTP's least size, which some stacks insist on (RFC 1542, 2.1).
    let mut buffer = vec![0; answer.buffer_len().max(300)];
    if answer.emit(&mut DhcpPacket::new_unchecked(&mut buffer)).is_err() {
        return;
    }
    let EthernetAddress(mac) = ask.client_hardware_address;
    let (mac, to) = match (address, ask.client_ip) {
        _ if nak => ([0xff; 6], Ipv4Addr::BROADCAST),
        (_, ip) if !ip.is_unspecified() => (mac, ip),
        (Some(ip), _) if !ask.broadcast => (mac, ip),
        _ => ([0xff; 6], Ipv4Addr::BROADCAST),
    };
    core.udp_to(mac, (own, SERVER_PORT), (to, CLIENT_PORT), &buffer);
}
