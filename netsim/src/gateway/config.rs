//! What a gateway is like.

use emu_core::Time;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

/// The hardware address of an Ethernet station.
pub type Mac = [u8; 6];

/// More forwards are a mistake.
const MOST_FORWARDS: usize = 1024;
/// More names or reserved addresses are a mistake.
pub(super) const MOST_NAMES: usize = 65_536;

/// TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A station behind the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// Whoever has this address.
    Ip(Ipv4Addr),
    /// The station with this hardware address, at the address it uses: its DHCP lease, or else the one it was last
    /// seen with.
    Mac(Mac),
}

/// A port of the host that leads to a port of a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Where the host listens.
    pub host: SocketAddr,
    /// To whom it leads.
    pub to: Target,
    /// The station's port.
    pub port: u16,
}

/// A forward as people write it, `tcp 127.0.0.1:8080 -> node:80`: the host's address may be a port alone, which is one
/// of 127.0.0.1; the station is a name or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardText {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Where the host listens.
    pub host: SocketAddr,
    /// Name or address of the station.
    pub to: String,
    /// The station's port.
    pub port: u16,
}

impl FromStr for ForwardText {
    type Err = String;

    fn from_str(text: &str) -> Result<ForwardText, String> {
        let form = || format!("`{text}` is no forward; write `tcp 127.0.0.1:8080 -> node:80`");
        let (protocol, rest) = text.trim().split_once(char::is_whitespace).ok_or_else(form)?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            other => return Err(format!("`{other}` is neither `tcp` nor `udp`, in `{text}`")),
        };
        let (host, to) = rest.split_once("->").ok_or_else(form)?;
        let host = host.trim();
        let host = match host.parse::<u16>() {
            Ok(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            Err(_) => host
                .parse()
                .map_err(|_| format!("`{host}` is neither `address:port` nor a port, in `{text}`"))?,
        };
        let (to, port) = to.trim().rsplit_once(':').ok_or_else(form)?;
        let port: u16 = port.parse().map_err(|_| format!("`{port}` is no port, in `{text}`"))?;
        if port == 0 || to.is_empty() {
            return Err(form());
        }
        Ok(ForwardText { protocol, host, to: to.into(), port })
    }
}

impl fmt::Display for ForwardText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        write!(f, "{protocol} {} -> {}:{}", self.host, self.to, self.port)
    }
}

/// The DHCP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DhcpConfig {
    /// First address that is leased; the default is 15 in the network, as in QEMU.
    pub first: Ipv4Addr,
    /// Last address that is leased.
    pub last: Ipv4Addr,
    /// Stations that get an address of their own.
    pub reserved: BTreeMap<Mac, Ipv4Addr>,
}

impl Default for DhcpConfig {
    fn default() -> DhcpConfig {
        DhcpConfig {
            first: Ipv4Addr::new(10, 0, 2, 15),
            last: Ipv4Addr::new(10, 0, 2, 254),
            reserved: BTreeMap::new(),
        }
    }
}

/// A gateway. The default is QEMU's user network: 10.0.2.2/24, leases from 10.0.2.15, DNS at 10.0.2.3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewayConfig {
    /// Its address.
    pub address: Ipv4Addr,
    /// Bits of the network's prefix.
    pub prefix: u8,
    /// Its hardware address.
    pub mac: Mac,
    /// The DHCP server, if there is one.
    pub dhcp: Option<DhcpConfig>,
    /// Names are resolved, at [`GatewayConfig::dns_address`] and at the gateway's own address.
    pub dns: bool,
    /// Connections out lead to sockets of the host.
    pub nat: bool,
    /// Ports of the host that lead to stations.
    pub forwards: Vec<Forward>,
    /// Names that DNS knows without the host, in lower case.
    pub hosts: BTreeMap<String, Target>,
}

impl Default for GatewayConfig {
    fn default() -> GatewayConfig {
        GatewayConfig {
            address: Ipv4Addr::new(10, 0, 2, 2),
            prefix: 24,
            mac: [0x52, 0x55, 0x0a, 0x00, 0x02, 0x02],
            dhcp: Some(DhcpConfig::default()),
            dns: true,
            nat: true,
            forwards: vec![],
            hosts: BTreeMap::new(),
        }
    }
}

impl GatewayConfig {
    /// The default gateway, moved to another network: its leases begin 13 after its own address, up to the last one.
    pub fn at(address: Ipv4Addr, prefix: u8) -> GatewayConfig {
        let mut config = GatewayConfig { address, prefix, ..GatewayConfig::default() };
        let [a, b, c, d] = address.octets();
        config.mac = [0x52, 0x55, a, b, c, d];
        let last = Ipv4Addr::from(u32::from(config.broadcast()).saturating_sub(1));
        let first = Ipv4Addr::from(u32::from(address).saturating_add(13)).min(last);
        config.dhcp = Some(DhcpConfig { first, last, reserved: BTreeMap::new() });
        config
    }

    fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0)
    }

    /// The mask of the network.
    pub fn netmask(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.mask())
    }

    /// The network's broadcast address.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) | !self.mask())
    }

    /// An address for a station of the network: neither the network's own nor the broadcast address.
    pub fn is_local(&self, address: Ipv4Addr) -> bool {
        let (mask, a) = (self.mask(), u32::from(address));
        a & mask == u32::from(self.address) & mask && a & !mask != 0 && a | mask != u32::MAX
    }

    /// Where stations ask for names: the address after the gateway's, or the gateway's if there is none.
    pub fn dns_address(&self) -> Ipv4Addr {
        let next = Ipv4Addr::from(u32::from(self.address).saturating_add(1));
        if self.is_local(next) { next } else { self.address }
    }

    /// What is wrong with it, if anything is.
    pub fn check(&self) -> Result<(), String> {
        if !(8..=30).contains(&self.prefix) {
            return Err(format!("a prefix of {} bits; between 8 and 30 are possible", self.prefix));
        }
        let place = format!("{}/{}", self.address, self.prefix);
        if !self.is_local(self.address) || self.address.is_loopback() || self.address.is_multicast() {
            return Err(format!("{place} is no address for a station"));
        }
        if self.mac[0] & 1 != 0 || self.mac == [0; 6] {
            return Err("the hardware address of the gateway is not that of a single station".into());
        }
        self.check_dhcp(&place)?;
        if self.hosts.len() > MOST_NAMES {
            return Err(format!("{} names; at most {MOST_NAMES} are possible", self.hosts.len()));
        }
        self.check_forwards(&place)
    }

    fn check_dhcp(&self, place: &str) -> Result<(), String> {
        let Some(dhcp) = &self.dhcp else { return Ok(()) };
        let (first, last) = (dhcp.first, dhcp.last);
        if first > last || !self.is_local(first) || !self.is_local(last) {
            return Err(format!("leases from {first} to {last} do not lie in the network of {place}"));
        }
        if dhcp.reserved.len() > MOST_NAMES {
            return Err(format!("{} reserved addresses; at most {MOST_NAMES}", dhcp.reserved.len()));
        }
        let mut seen = BTreeSet::from([self.address, self.dns_address()]);
        for address in dhcp.reserved.values() {
            if !self.is_local(*address) || !seen.insert(*address) {
                return Err(format!("{address} cannot be reserved: it is taken or not in {place}"));
            }
        }
        Ok(())
    }

    fn check_forwards(&self, place: &str) -> Result<(), String> {
        if self.forwards.len() > MOST_FORWARDS {
            return Err(format!("{} forwards; at most {MOST_FORWARDS} are possible", self.forwards.len()));
        }
        let mut seen: BTreeSet<(Protocol, IpAddr, u16)> = BTreeSet::new();
        for f in &self.forwards {
            if let Target::Ip(ip) = f.to
                && (!self.is_local(ip) || ip == self.address)
            {
                return Err(format!(
                    "a forward leads to {ip}, which is no station in the network of {place}"
                ));
            }
            if f.port == 0 {
                return Err(format!("the forward of {} leads to port 0", f.host));
            }
            if f.host.port() != 0 && !seen.insert((f.protocol, f.host.ip(), f.host.port())) {
                return Err(format!("two forwards listen on {}", f.host));
            }
        }
        Ok(())
    }
}

/// An address given to a station by DHCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The station.
    pub mac: Mac,
    /// Its address.
    pub address: Ipv4Addr,
    /// When it ends, unless it is renewed.
    pub until: Time,
    /// The station took it; else it was only offered.
    pub bound: bool,
}
