//! Switches, gateways, lines and patches of a fleet file, and how a fleet gets them.

mod patch;
mod read;

pub use patch::PatchPlan;
pub(crate) use read::{chance, read_lines, read_link, read_node_net, read_switches};

use crate::{
    Fleet,
    config::{NodePlan, Plan},
    fleet::End,
};
use devices::source::nearest;
use emu_core::machine::{ExternalPort, Machine, PortKind};
use netsim::{
    Medium,
    ethernet::{EthernetConfig, EthernetMedium, LinkChange, LinkConfig},
    gateway::{Forward, ForwardText, Gateway, GatewayConfig, Target},
    line::{LineConfig, LineMedium},
};
use std::{net::Ipv4Addr, ops::Range};

/// A hardware address.
pub type Mac = [u8; 6];

/// A place in the fleet file.
pub(crate) type Span = Option<Range<usize>>;

/// Why something cannot be wired: the place in the file, the message, and the nearest right name.
pub(crate) type Mistake = (Span, String, Option<String>);

/// A switch as a fleet file wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct SwitchPlan {
    /// Name.
    pub name: String,
    /// The switch.
    pub config: EthernetConfig,
    /// Its links, unless a node has other wishes.
    pub link: LinkConfig,
    /// Its gateway and the gateway's link.
    pub gateway: Option<GatewayPlan>,
}

/// The gateway of a switch.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayPlan {
    /// Everything but forwards and names of nodes.
    pub config: GatewayConfig,
    /// Forwards by the names of nodes.
    pub forwards: Vec<ForwardText>,
    /// Where its address stands, or the gateway; and each forward.
    pub(crate) span: Span,
    pub(crate) forward_spans: Vec<Span>,
}

/// A line between two nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct LinePlan {
    /// What it is like.
    pub config: LineConfig,
    /// Node and port of both ends, `node.port`.
    pub ends: [String; 2],
    pub(crate) spans: [Span; 2],
}

/// What a node wants of networks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeNet {
    /// Its hardware address, if it is not to be made from its number.
    pub mac: Option<Mac>,
    pub(crate) mac_span: Span,
    /// Its switch, or `none`; unless given the only one there is.
    pub switch: Option<String>,
    /// Its link, as far as it differs from the switch's others.
    pub link: LinkChange,
    /// The address that the gateway's DHCP keeps for it.
    pub ip: Option<Ipv4Addr>,
    pub(crate) ip_span: Span,
    /// Changes of its image.
    pub patches: Vec<PatchPlan>,
}

/// The hardware address of a node that was given none: locally administered, the node's number behind.
pub fn usual_mac(node: u32) -> Mac {
    let [a, b, c, d] = node.to_be_bytes();
    [0x02, 0xf1, a, b, c, d]
}

impl SwitchPlan {
    /// A switch with usual links and no gateway.
    pub fn new(name: &str) -> SwitchPlan {
        let (config, link) = (EthernetConfig::default(), LinkConfig::default());
        SwitchPlan { name: name.into(), config, link, gateway: None }
    }
}

impl LinePlan {
    /// A line between two ports, each `node.port`.
    pub fn new(config: LineConfig, a: &str, b: &str) -> LinePlan {
        LinePlan { config, ends: [a.into(), b.into()], spans: [None, None] }
    }
}

impl NodePlan {
    /// The hardware address of node number `id`.
    pub fn mac(&self, id: u32) -> Mac {
        self.net.mac.unwrap_or_else(|| usual_mac(id))
    }
}

/// Gives a machine's Ethernet controllers their addresses, before it is switched on.
pub(crate) fn set_macs(machine: &mut Machine, mac: Mac) {
    let sockets = machine.ports.iter().filter(|p| p.kind == PortKind::Ethernet);
    let names: Vec<_> = sockets.map(|p| p.name.clone()).collect();
    for (i, name) in names.iter().enumerate() {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&mac);
        machine.input(name, "mac", i64::from_be_bytes(bytes) + i as i64);
    }
}

/// Gives a fleet its switches and lines.
pub(crate) fn connect(fleet: &mut Fleet, plan: &Plan, report: &mut dyn FnMut(Mistake)) {
    for switch in &plan.switches {
        add_switch(fleet, plan, switch, report);
    }
    let mut lines = vec![];
    let mut taken = vec![];
    for (i, line) in (0..).zip(&plan.lines) {
        let [Some(a), Some(b)] = [0, 1].map(|i| line_end(fleet, line, i).map_err(&mut *report).ok()) else {
            continue;
        };
        for (end, i) in [(a, 0), (b, 1)] {
            if taken.contains(&end) {
                report((line.spans[i].clone(), format!("`{}` has a line already", line.ends[i]), None));
            }
            taken.push(end);
        }
        let seed = emu_core::rng::hash_words(fleet.seed(), &[LINE_SEED, i]);
        lines.push((Medium::Line(LineMedium::new(line.config.clone(), seed)), [a, b]));
    }
    fleet.join(lines);
}

/// What tells the seeds of lines and switches from others.
const LINE_SEED: u64 = 0x11e;
const SWITCH_SEED: u64 = 0x5317c4;

fn add_switch(fleet: &mut Fleet, plan: &Plan, switch: &SwitchPlan, report: &mut dyn FnMut(Mistake)) {
    let number = plan.switches.iter().take_while(|s| s.name != switch.name).count() as u64;
    let seed = emu_core::rng::hash_words(fleet.seed(), &[SWITCH_SEED, number]);
    let mut medium = EthernetMedium::new(switch.config.clone(), seed);
    let mut seats = vec![];
    for (id, node) in (0..).zip(&plan.nodes) {
        let sockets = fleet.node(id).machine.ports.iter().filter(|p| p.kind == PortKind::Ethernet);
        if !on(plan, node, &switch.name) {
            continue;
        }
        for (i, port) in (0..).zip(sockets) {
            let station = id | i << 24; // a node's first socket has the node's number
            let mut link = switch.link.clone();
            node.net.link.apply(&mut link);
            medium.connect(station, link);
            seats.push((station, End { node: id, dev: port.dev, port: port.port }));
        }
    }
    if let Some(gateway) = &switch.gateway {
        match gateway_config(plan, switch, gateway) {
            Ok(config) => medium.set_gateway(Gateway::new(config, seed), LinkConfig::default()),
            Err(mistake) => report(mistake),
        }
    }
    let medium = fleet.add_medium(&switch.name, Medium::Ethernet(medium));
    for (station, end) in seats {
        fleet.attach(medium, station, end);
    }
}

fn on(plan: &Plan, node: &NodePlan, switch: &str) -> bool {
    match &node.net.switch {
        Some(name) => name == switch,
        None => plan.switches.len() == 1,
    }
}

/// The gateway knows the switch's nodes by name, and by the addresses that are kept for them.
fn gateway_config(plan: &Plan, switch: &SwitchPlan, gateway: &GatewayPlan) -> Result<GatewayConfig, Mistake> {
    let mut config = gateway.config.clone();
    let members = || (0..).zip(&plan.nodes).filter(|(_, n)| on(plan, n, &switch.name));
    for (id, node) in members() {
        config.hosts.insert(node.name.to_lowercase(), Target::Mac(node.mac(id)));
        if let (Some(ip), Some(dhcp)) = (node.net.ip, &mut config.dhcp) {
            dhcp.reserved.insert(node.mac(id), ip);
        }
    }
    for (f, span) in gateway.forwards.iter().zip(&gateway.forward_spans) {
        let named = members().find(|(_, n)| n.name == f.to);
        let to = match (named, f.to.parse()) {
            (Some((id, node)), _) => Target::Mac(node.mac(id)),
            (None, Ok(ip)) => Target::Ip(ip),
            (None, Err(_)) => {
                let help = nearest(&f.to, members().map(|(_, n)| &n.name[..]));
                let message = format!("no node of switch `{}` is called `{}`", switch.name, f.to);
                return Err((span.clone(), message, help));
            }
        };
        config.forwards.push(Forward { protocol: f.protocol, host: f.host, to, port: f.port });
    }
    match config.check() {
        Ok(()) => Ok(config),
        Err(e) => Err((blame(plan, switch, gateway, &config).unwrap_or(gateway.span.clone()), e, None)),
    }
}

/// The place of what is wrong with a gateway: the first node's address or the first forward with which it is.
fn blame(plan: &Plan, switch: &SwitchPlan, gateway: &GatewayPlan, whole: &GatewayConfig) -> Option<Span> {
    let mut config = gateway.config.clone();
    config.check().ok()?; // else the gateway's own
    for (id, node) in (0..).zip(&plan.nodes).filter(|(_, n)| on(plan, n, &switch.name)) {
        let (Some(ip), Some(dhcp)) = (node.net.ip, &mut config.dhcp) else { continue };
        dhcp.reserved.insert(node.mac(id), ip);
        if config.check().is_err() {
            return Some(node.net.ip_span.clone());
        }
    }
    for (forward, span) in whole.forwards.iter().zip(&gateway.forward_spans) {
        config.forwards.push(*forward);
        if config.check().is_err() {
            return Some(span.clone());
        }
    }
    None
}

fn line_end(fleet: &Fleet, line: &LinePlan, i: usize) -> Result<End, Mistake> {
    let (text, span) = (&line.ends[i], &line.spans[i]);
    let kind = match line.config {
        LineConfig::Serial(_) => PortKind::Serial,
        LineConfig::Wire { .. } => PortKind::Pin,
    };
    // Names of nodes and of ports may hold dots.
    let cuts = text.match_indices('.').map(|(i, _)| (&text[..i], &text[i + 1..]));
    let Some((node, port)) = cuts.filter_map(|(n, p)| Some((fleet.find(n)?, p))).next_back() else {
        let names = fleet.nodes().map(|n| &n.name[..]);
        let help = nearest(text.rsplit_once('.').map_or(text, |c| c.0), names);
        return Err((span.clone(), format!("`{text}` is no NODE.PORT of this fleet"), help));
    };
    let machine = &fleet.node(node).machine;
    let fitting = |p: &&ExternalPort| p.kind == kind;
    if let Some(p) = machine.ports.iter().filter(fitting).find(|p| p.name == port) {
        return Ok(End { node, dev: p.dev, port: p.port });
    }
    let names: Vec<_> = machine.ports.iter().filter(fitting).map(|p| &p.name[..]).collect();
    let what = if kind == PortKind::Pin { "pin for a wire" } else { "serial port" };
    let known = if names.is_empty() { "none".into() } else { names.join(", ") };
    let message = format!(
        "{} ({}) has no {what} called `{port}`; it has: {known}",
        fleet.node(node).name,
        machine.name
    );
    Err((span.clone(), message, nearest(port, names)))
}
