//! Reads switches, lines and patches. The schema stands in `fleet/scenarios/README.md`.

use super::{GatewayPlan, LinePlan, Mac, NodeNet, PatchPlan, SwitchPlan};
use crate::config::duration;
use devices::source::{Tab, nearest};
use netsim::{
    ethernet::{EthernetConfig, LinkChange, LinkConfig},
    gateway::{DhcpConfig, ForwardText, GatewayConfig},
    line::{LineConfig, Noise},
};
use std::net::Ipv4Addr;

/// Longest latency of a link.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// Reads `[switch.NAME]` tables.
pub(crate) fn read_switches(root: &Tab) -> Vec<SwitchPlan> {
    let mut all = vec![];
    for (name, tab) in root.named("switch") {
        let mut link = LinkConfig::default();
        read_link(&tab).apply(&mut link);
        let mut config = EthernetConfig::default();
        if let Some(ns) = time(&tab, "ageing") {
            config.ageing_ns = ns;
        }
        let gateway = tab.table("gateway").map(|tab| read_gateway(&tab));
        tab.done();
        if name == "none" || name == "radio" {
            tab.report_here(format!("a switch cannot be called `{name}`"), None);
        }
        all.push(SwitchPlan { name: name.into(), config, link, gateway });
    }
    all
}

fn time(tab: &Tab, key: &'static str) -> Option<u64> {
    let ns = duration(&tab.time_text(key)?).map_err(|e| tab.report(key, e, None)).ok()?.0;
    if ns > LONGEST_NS {
        tab.report(key, format!("`{key}` is longer than an hour"), None);
        return None;
    }
    Some(ns)
}

/// A probability.
pub(crate) fn chance(tab: &Tab, key: &'static str) -> Option<f64> {
    let p = tab.float(key)?;
    if !(0.0..=1.0).contains(&p) {
        tab.report(key, format!("`{key}` lies between 0 and 1"), None);
        return None;
    }
    Some(p)
}

/// What a table says of links.
pub(crate) fn read_link(tab: &Tab) -> LinkChange {
    let queue = tab.uint("queue").and_then(|n| {
        let n = u32::try_from(n).ok().filter(|n| (1..=1_000_000).contains(n));
        n.or_else(|| {
            tab.report("queue", "a queue has room for 1 to 1000000 frames", None);
            None
        })
    });
    LinkChange {
        latency_ns: time(tab, "latency"),
        bandwidth: tab
            .str("bandwidth")
            .and_then(|text| bandwidth(text).map_err(|e| tab.report("bandwidth", e, None)).ok()),
        queue,
        loss: chance(tab, "loss"),
        duplication: chance(tab, "duplication"),
        reordering: chance(tab, "reordering"),
        reorder_ns: time(tab, "reorder_delay"),
        corruption: chance(tab, "corruption"),
    }
}

/// Bits per second of `10Mbit`, `100Mbit`, `1Gbit`, `250kbit`, `9600bit`.
fn bandwidth(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim().trim_end_matches("/s") {
        "bit" => 1.0,
        "kbit" => 1e3,
        "Mbit" => 1e6,
        "Gbit" => 1e9,
        other => return Err(format!("`{other}` is no unit of bandwidth: bit, kbit, Mbit, Gbit")),
    };
    match number.parse::<f64>().map(|n| n * scale) {
        Ok(n) if (1e3..=1e12).contains(&n) => Ok(n as u64),
        Ok(_) => Err(format!("`{text}` lies outside 1kbit to 1000Gbit")),
        Err(_) => Err(format!("`{text}` is no bandwidth, such as 100Mbit")),
    }
}

fn read_gateway(tab: &Tab) -> GatewayPlan {
    let mut config = GatewayConfig::default();
    if let Some(text) = tab.str("address") {
        match network(text) {
            Ok((address, prefix)) => config = GatewayConfig::at(address, prefix),
            Err(e) => tab.report("address", e, None),
        }
    }
    if let Some(mac) = read_mac(tab) {
        config.mac = mac;
    }
    if let Some(first) = ip(tab, "dhcp_first") {
        let dhcp = config.dhcp.get_or_insert_with(DhcpConfig::default);
        dhcp.first = first;
    }
    if let Some(last) = ip(tab, "dhcp_last") {
        config.dhcp.get_or_insert_with(DhcpConfig::default).last = last;
    }
    if tab.bool("dhcp") == Some(false) {
        config.dhcp = None;
    }
    config.dns = tab.bool("dns").unwrap_or(true);
    config.nat = tab.bool("nat").unwrap_or(true);
    let (mut forwards, mut forward_spans) = (vec![], vec![]);
    for (text, span) in tab.strings("forward").unwrap_or_default().into_iter().zip(tab.item_spans("forward"))
    {
        match text.parse::<ForwardText>() {
            Ok(forward) => forwards.push(forward),
            Err(e) => {
                tab.source().report(span, e, None);
                continue;
            }
        }
        forward_spans.push(span);
    }
    tab.done();
    GatewayPlan { config, forwards, span: tab.value_span("address"), forward_spans }
}

fn ip(tab: &Tab, key: &'static str) -> Option<Ipv4Addr> {
    let text = tab.str(key)?;
    let ip = text.parse();
    ip.map_err(|_| tab.report(key, format!("`{text}` is no IPv4 address"), None)).ok()
}

fn network(text: &str) -> Result<(Ipv4Addr, u8), String> {
    let form = || format!("`{text}` is no address with its prefix, such as 10.0.2.2/24");
    let (address, prefix) = text.split_once('/').ok_or_else(form)?;
    Ok((address.parse().map_err(|_| form())?, prefix.parse().map_err(|_| form())?))
}

fn read_mac(tab: &Tab) -> Option<Mac> {
    let text = tab.str("mac")?;
    let mut mac = [0; 6];
    let parts: Vec<_> =
        text.split([':', '-']).map(|p| (p.len() == 2).then(|| u8::from_str_radix(p, 16).ok())).collect();
    let good = parts.len() == 6 && parts.iter().all(|p| matches!(p, Some(Some(_))));
    parts.iter().flatten().flatten().zip(&mut mac).for_each(|(p, m)| *m = *p);
    if !good {
        tab.report("mac", format!("`{text}` is no hardware address, such as 02:00:00:00:00:01"), None);
    } else if mac[0] & 1 != 0 {
        tab.report("mac", format!("`{text}` is the address of a group, not of a station"), None);
    } else {
        return Some(mac);
    }
    None
}

/// Reads what a node (or each of a group) wants of networks. Names of switches are checked by [`check_switches`].
pub(crate) fn read_node_net(tab: &Tab, switches: &[SwitchPlan]) -> NodeNet {
    let switch = tab.str("switch");
    if let Some(name) = switch
        && name != "none"
        && !switches.iter().any(|s| s.name == name)
    {
        let help = nearest(name, switches.iter().map(|s| &s.name[..]));
        tab.report("switch", format!("no switch is called `{name}`"), help);
    }
    let link = tab.table("link").map(|tab| {
        let link = read_link(&tab);
        tab.done();
        link
    });
    NodeNet {
        mac: read_mac(tab),
        mac_span: tab.value_span("mac"),
        switch: switch.map(str::to_string),
        link: link.unwrap_or_default(),
        ip: ip(tab, "ip"),
        ip_span: tab.value_span("ip"),
        patches: if tab.has("patch") {
            tab.list("patch").iter().filter_map(read_patch).collect()
        } else {
            tab.uint("patch");
            vec![]
        },
    }
}

/// Text, or a list of bytes.
fn bytes(
    tab: &Tab,
    key: &'static str,
    text: Option<&str>,
    list: impl Fn() -> Option<Vec<u64>>,
) -> Option<Vec<u8>> {
    if let Some(text) = text {
        return Some(text.as_bytes().to_vec());
    }
    let bytes: Option<Vec<u8>> = list()?.into_iter().map(|b| u8::try_from(b).ok()).collect();
    if bytes.is_none() {
        tab.report(key, "a byte lies between 0 and 255", None);
    }
    bytes
}

fn read_patch(tab: &Tab) -> Option<PatchPlan> {
    let read = |key: &'static str| {
        tab.need(key);
        let text = if tab.is_text(key) { tab.str(key) } else { None };
        bytes(tab, key, text, || tab.uints(key))
    };
    let (find, replace) = (read("find"), read("replace"));
    let (at, all) = (tab.uint("at"), tab.bool("all").unwrap_or(false));
    tab.done();
    let (find, replace) = (find?, replace?);
    if find.is_empty() {
        tab.report("find", "`find` is empty", None);
        return None;
    }
    if find.len() != replace.len() {
        let message = format!("`replace` has {} bytes where `find` has {}", replace.len(), find.len());
        tab.report("replace", message, None);
        return None;
    }
    Some(PatchPlan { find, replace, at, all, span: tab.value_span("find") })
}

/// Reads `[[uart]]` and `[[wire]]`.
pub(crate) fn read_lines(root: &Tab) -> Vec<LinePlan> {
    let mut all = vec![];
    for tab in root.list("uart") {
        let noise = Noise {
            loss: chance(&tab, "loss").unwrap_or(0.0),
            bit_errors: chance(&tab, "bit_errors").unwrap_or(0.0),
        };
        all.extend(read_line(&tab, LineConfig::Serial(noise)));
    }
    for tab in root.list("wire") {
        let delay_ns = time(&tab, "delay").unwrap_or(1_000);
        if delay_ns == 0 {
            tab.report("delay", "a wire delays by more than nothing", None);
        }
        all.extend(read_line(&tab, LineConfig::Wire { delay_ns: delay_ns.max(1) }));
    }
    all
}

fn read_line(tab: &Tab, config: LineConfig) -> Option<LinePlan> {
    let ends = [tab.need_str("a"), tab.need_str("b")];
    tab.done();
    let [Some(a), Some(b)] = ends else { return None };
    Some(LinePlan { config, ends: [a.into(), b.into()], spans: [tab.value_span("a"), tab.value_span("b")] })
}
