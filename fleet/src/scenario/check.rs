//! Checks a step against the fleet it is for: inputs, displays and symbols that are not there are found before the run.

use super::{Action, Place, Step};
use crate::{Fleet, Node};
use devices::source::{Tab, nearest};
use emu_core::{
    Time,
    device::{DevId, Peripheral, View},
};

/// Reports what `step` names and its nodes do not have; `tab` is where the step stands.
pub(super) fn step(step: &Step, tab: &Tab, fleet: &Fleet) {
    // Nodes of a kind have the same mistake: once is enough.
    let nodes = fleet.nodes().filter(|n| step.nodes.contains(&n.id));
    let wrong = match &step.action {
        Action::Input(device, name, _) => first(nodes, |n| input(n, device, name)).map(|w| ("input", w)),
        Action::Display(device, rows, _) => {
            first(nodes, |n| display(n, device, rows)).map(|w| ("display", w))
        }
        Action::Memory(Place::Symbol(name, _), ..) => {
            first(nodes, |n| symbol(n, name)).map(|w| ("memory", w))
        }
        _ => None,
    };
    if let Some((key, (what, help))) = wrong {
        tab.report(key, what, help);
    }
}

type Wrong = (String, Option<String>);

fn first<'f>(
    mut nodes: impl Iterator<Item = &'f Node>,
    wrong: impl FnMut(&'f Node) -> Option<Wrong>,
) -> Option<Wrong> {
    nodes.find_map(wrong)
}

fn devices(n: &Node) -> impl Iterator<Item = (&str, &dyn Peripheral)> {
    let bus = &n.machine.bus;
    let ids = (0..bus.device_count()).map(|i| DevId(i as u16));
    ids.filter_map(|d| Some((bus.device_name(d), bus.device(d)?)))
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

fn display(n: &Node, device: &str, rows: &[String]) -> Option<Wrong> {
    let lamps = |p: &dyn Peripheral| match p.view(Time::ZERO) {
        Some(View::Leds { width, levels }) => Some((usize::from(width), levels.len())),
        _ => None,
    };
    let all: Vec<_> = devices(n).filter_map(|(name, p)| Some((name, lamps(p)?))).collect();
    let Some((_, (width, count))) = all.iter().find(|d| d.0 == device) else {
        let help = nearest(device, all.iter().map(|d| d.0));
        return Some((format!("{} has no display `{device}`", n.name), help));
    };
    let (width, count) = (*width, *count);
    let height = count.div_ceil(width.max(1));
    let right = rows.len() == height && rows.iter().all(|r| r.len() == width);
    (!right).then(|| (format!("`{device}` has {height} rows of {width} lamps"), None))
}

fn symbol(n: &Node, name: &str) -> Option<Wrong> {
    let symbols = &n.firmware.symbols;
    if symbols.find(name).is_some() {
        return None;
    }
    Some((
        format!("{} has no symbol `{name}`", n.firmware.name),
        nearest(name, symbols.iter().map(|s| s.name)),
    ))
}
