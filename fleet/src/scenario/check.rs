//! Checks a step against the fleet it is for: inputs, pins, displays, counters and symbols that are not there are
//! found before the run.

use super::{Action, Condition, Counter, Deed, Flips, Place, Step, deeds, look, roster::Roster};
use crate::{Fleet, Node};
use devices::{
    registry,
    source::{Tab, nearest},
};
use emu_core::{
    Time,
    device::{DevId, InputState, Peripheral, Pin, View},
};

/// What is wrong, and what may be meant.
type Wrong = (String, Option<String>);

/// Reports what `step` names and its nodes do not have; `tab` is where the step stands.
pub(super) fn step(step: &Step, tab: &Tab, fleet: &Fleet, roster: &Roster) {
    // Nodes of a kind have the same mistake: once is enough.
    let kinds = roster.kinds(&step.nodes);
    let nodes: Vec<_> = kinds.iter().map(|&n| fleet.node(n)).collect();
    let wrong = match &step.action {
        Action::Do(deed, _) => done(deed, step, fleet, &nodes),
        Action::Until(condition, _) | Action::Hold(condition, _) => {
            held(condition, step, fleet, &nodes).map(|w| (w, condition_key(condition)))
        }
        Action::Play(trace) => {
            let missing = |n: &Node| trace.columns.iter().find_map(|(d, name)| input(n, d, name));
            nodes.iter().find_map(|n| missing(n)).map(|w| (w, "trace"))
        }
        _ => None,
    };
    if let Some(((what, help), key)) = wrong {
        let key = [key, "check"].into_iter().find(|key| tab.has(key)).unwrap_or("until");
        tab.report(key, what, help);
    }
}

fn done(deed: &Deed, step: &Step, fleet: &Fleet, nodes: &[&Node]) -> Option<(Wrong, &'static str)> {
    match deed {
        Deed::Input(device, name, value) => {
            let wrong = nodes.iter().find_map(|n| input(n, device, name)).map(|w| (w, "input"));
            let beyond = || nodes.iter().find_map(|n| beyond(n, device, name, *value));
            wrong.or_else(|| beyond().map(|w| (w, "value")))
        }
        Deed::Stick(device, name, _) => {
            nodes.iter().find_map(|n| pin(n, device, name).err()).map(|w| (w, "stick"))
        }
        Deed::Flip(place, flips) => nodes.iter().find_map(|n| flip(n, place, flips)).map(|w| (w, "flip")),
        Deed::Link(medium, _) | Deed::Loss(medium, ..) => {
            let number = fleet.media().position(|m| m.0 == medium)? as u32;
            let on = |n: &u32| fleet.node(*n).stations(number).next().is_some();
            let first = fleet.node(*step.nodes.first()?);
            let key = if matches!(deed, Deed::Link(..)) { "link" } else { "loss" };
            let wrong = || ((format!("{} has no link to `{medium}`", first.name), None), key);
            (!step.nodes.iter().any(on)).then(wrong)
        }
        _ => None,
    }
}

fn condition_key(condition: &Condition) -> &'static str {
    match condition {
        Condition::Memory(..) => "memory",
        Condition::Counter(..) => "counter",
        Condition::Display(..) => "display",
        Condition::Lamp(..) => "lamp",
        Condition::Pin(..) => "pin",
        _ => "expect",
    }
}

fn held(condition: &Condition, step: &Step, fleet: &Fleet, nodes: &[&Node]) -> Option<Wrong> {
    match condition {
        Condition::Memory(place, ..) => nodes.iter().find_map(|n| symbol(n, place)),
        Condition::Display(device, rows) => nodes.iter().find_map(|n| display(n, device, rows)),
        Condition::Lamp(device, i, _) => nodes.iter().find_map(|n| lamp(n, device, *i)),
        Condition::Pin(device, name, _) => nodes.iter().find_map(|n| pin(n, device, name).err()),
        Condition::Counter(c, _) => counter(c, step, fleet),
        Condition::Printed(_) | Condition::State(_) | Condition::Mistakes(_) => None,
    }
}

fn devices(n: &Node) -> impl Iterator<Item = (&str, &dyn Peripheral)> {
    let bus = &n.machine.bus;
    let ids = (0..bus.device_count()).map(|i| DevId(i as u16));
    ids.filter_map(|d| Some((bus.device_name(d), bus.device(d)?)))
}

/// A value that the input does not take.
fn beyond(n: &Node, device: &str, name: &str, value: i64) -> Option<Wrong> {
    let bus = &n.machine.bus;
    let InputState { least, most, .. } = bus.device(bus.device_by_name(device)?)?.input_state(name)?;
    let wrong = || (format!("`{device}.{name}` of {} takes {least} to {most}", n.name), None);
    (!(least..=most).contains(&value)).then(wrong)
}

fn input(n: &Node, device: &str, name: &str) -> Option<Wrong> {
    let all = || devices(n).flat_map(|(d, p)| p.inputs().iter().map(move |i| format!("{d}.{}", i.0)));
    let wanted = format!("{device}.{name}");
    if all().any(|i| i == wanted) {
        return None;
    }
    let known = all().collect::<Vec<_>>();
    Some((format!("{} has no input `{wanted}`", n.name), nearest(&wanted, known.iter().map(|k| &k[..]))))
}

/// A pin of a device by the name that board files use.
pub(super) fn pin(n: &Node, device: &str, name: &str) -> Result<(DevId, Pin), Wrong> {
    let bus = &n.machine.bus;
    let Some(dev) = bus.device_by_name(device) else {
        let help = nearest(device, devices(n).map(|d| d.0));
        return Err((format!("{} has no device `{device}`", n.name), help));
    };
    let kind = bus.device(dev).and_then(|d| registry::find(d.kind()));
    if let Some(pin) = kind.and_then(|k| k.pin(name)) {
        return Ok((dev, pin));
    }
    let known = kind.map_or(&[][..], |k| k.pins).iter().map(|p| match p.count {
        0 => p.name.to_string(),
        n => format!("{0}0 to {0}{1}", p.name, n - 1),
    });
    let known: Vec<_> = known.collect();
    let known = if known.is_empty() { "none".into() } else { known.join(", ") };
    Err((format!("`{device}` of {} has no pin `{name}`; it has: {known}", n.name), None))
}

fn lamps(p: &dyn Peripheral) -> Option<(usize, usize)> {
    match p.view(Time::ZERO) {
        Some(View::Leds { width, levels }) => Some((usize::from(width), levels.len())),
        _ => None,
    }
}

fn with_lamps(n: &Node, device: &str) -> Result<(usize, usize), Wrong> {
    let all: Vec<_> = devices(n).filter_map(|(name, p)| Some((name, lamps(p)?))).collect();
    let found = all.iter().find(|d| d.0 == device).map(|d| d.1);
    found.ok_or_else(|| {
        (format!("{} has no display `{device}`", n.name), nearest(device, all.iter().map(|d| d.0)))
    })
}

fn display(n: &Node, device: &str, rows: &[String]) -> Option<Wrong> {
    let (width, count) = match with_lamps(n, device) {
        Ok(size) => size,
        Err(wrong) => return Some(wrong),
    };
    let height = count.div_ceil(width.max(1));
    let right = rows.len() == height && rows.iter().all(|r| r.len() == width);
    (!right).then(|| (format!("`{device}` has {height} rows of {width} lamps"), None))
}

fn lamp(n: &Node, device: &str, number: usize) -> Option<Wrong> {
    match with_lamps(n, device) {
        Ok((_, count)) if number < count => None,
        Ok((_, count)) => Some((format!("`{device}` has {count} lamps, counted from 0"), None)),
        Err(wrong) => Some(wrong),
    }
}

fn symbol(n: &Node, place: &Place) -> Option<Wrong> {
    let Place::Symbol(name, _) = place else { return None };
    let symbols = &n.firmware.symbols;
    if symbols.find(name).is_some() {
        return None;
    }
    Some((
        format!("{} has no symbol `{name}`", n.firmware.name),
        nearest(name, symbols.iter().map(|s| s.name)),
    ))
}

fn flip(n: &Node, place: &Place, flips: &Flips) -> Option<Wrong> {
    let regions = n.machine.bus.fabric.mem.regions();
    match deeds::bytes_of(n, place, flips) {
        Ok((addr, size)) => {
            let at = |addr: u64| n.machine.bus.fabric.mem.region_at(addr).is_some();
            let last = addr.saturating_add(size.max(1) - 1);
            let known: Vec<_> =
                regions.iter().map(|r| format!("{} {:#x}+{:#x}", r.name, r.base, r.size)).collect();
            (!at(addr) || !at(last)).then(|| {
                let what = format!("{} has no memory at {addr:#010x}+{size:#x}", n.name);
                (format!("{what} (memory: {})", known.join(", ")), None)
            })
        }
        Err(what) => {
            let name = place.to_string();
            let symbols = n.firmware.symbols.iter().map(|s| s.name);
            Some((what, nearest(&name, regions.iter().map(|r| &r.name[..]).chain(symbols))))
        }
    }
}

fn counter(c: &Counter, step: &Step, fleet: &Fleet) -> Option<Wrong> {
    let one = |medium: &str, name: &str, nodes: &[u32]| {
        nodes.iter().find_map(|&n| look::count(fleet, n, medium, name).err())
    };
    let own = one(&c.medium, &c.name, &step.nodes);
    own.or_else(|| c.of.as_ref().and_then(|(medium, name, nodes)| one(medium, name, nodes)))
}
