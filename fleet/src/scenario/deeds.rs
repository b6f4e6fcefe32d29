//! Reads what steps do: typing, inputs, faults.

use super::{
    Action, Deed, Flips, LinkDeed, Place,
    read::{Reader, place, time},
    trace::Trace,
};
use crate::{Node, config::point, skew::MOST_PPM, wiring};
use devices::source::{Tab, nearest};
use emu_core::device::ResetKind;
use netsim::line::{LineFault, Noise};
use std::sync::Arc;

/// Steps that do something at once.
pub(super) const KINDS: [&str; 19] = [
    "send",
    "input",
    "trace",
    "reset",
    "power",
    "power-cut",
    "freeze",
    "drift",
    "stick",
    "flip",
    "move",
    "present",
    "loss",
    "partition",
    "heal",
    "link",
    "line",
    "jam",
    "unjam",
];

/// More random bits than this do not flip at once.
const MOST_FLIPS: u64 = 65_536;

pub(super) fn read(cx: &Reader, tab: &Tab, kind: &'static str) -> Option<Action> {
    let deed = match kind {
        "send" => {
            let echo = tab.bool("echo").unwrap_or(false);
            Deed::Send(cx.template(tab, "send")?, echo)
        }
        "input" => {
            tab.need("value");
            let value = tab.int("value");
            let (device, name) = input_name(tab)?;
            let back = time(tab, "for");
            return Some(Action::Do(Deed::Input(device.into(), name.into(), value?), back));
        }
        "trace" => return trace(cx, tab),
        "reset" => Deed::Reset(reset(tab)?),
        "power" => {
            let on = tab.choice("power", &["off", "on"])? == 1;
            return Some(Action::Do(Deed::Power(on), if on { None } else { time(tab, "for") }));
        }
        "power-cut" => return Some(Action::Do(Deed::Power(false), Some(time(tab, "power-cut")?))),
        "freeze" => Deed::Freeze(time(tab, "freeze")?),
        "drift" => return Some(Action::Do(drift(tab)?, time(tab, "for"))),
        "stick" => return stick(tab),
        "flip" => flip(tab)?,
        "move" => {
            let speed = tab.float("speed");
            let to = point(tab, "move");
            if speed.is_some_and(|s| !(s > 0.0 && s <= 1e6)) {
                tab.report("speed", "`speed` lies above 0 and up to 1000000 m/s", None);
            }
            Deed::Move(to?, speed.unwrap_or(0.0))
        }
        "present" => {
            let present = tab.bool("present")?;
            return Some(Action::Do(Deed::Present(present), if present { None } else { time(tab, "for") }));
        }
        "link" => return link(cx, tab),
        "line" => return line(cx, tab),
        _ => return super::deeds_media::read(cx, tab, kind),
    };
    Some(Action::Do(deed, None))
}

pub(super) fn input_name<'t>(tab: &Tab<'t>) -> Option<(&'t str, &'t str)> {
    let input = tab.str("input")?;
    let parts = input.rsplit_once('.');
    if parts.is_none() {
        tab.report("input", "an input is DEVICE.NAME, such as button-a.pressed", None);
    }
    parts
}

fn reset(tab: &Tab) -> Option<ResetKind> {
    match tab.str("reset")? {
        "power" => Some(ResetKind::PowerOn),
        "pin" => Some(ResetKind::Pin),
        "soft" => Some(ResetKind::Soft),
        other => {
            tab.report("reset", format!("a reset is `power`, `pin` or `soft`, not `{other}`"), None);
            None
        }
    }
}

fn drift(tab: &Tab) -> Option<Deed> {
    let ppm = tab.int("drift")?;
    let fits = i32::try_from(ppm).ok().filter(|p| p.abs() <= MOST_PPM);
    if fits.is_none() {
        tab.report("drift", format!("a clock drifts by up to {MOST_PPM} ppm"), None);
    }
    fits.map(Deed::Drift)
}

/// `DEVICE.PIN`.
pub(super) fn pin_name(tab: &Tab, key: &'static str) -> Option<(String, String)> {
    let text = tab.str(key)?;
    let parts = text.rsplit_once('.');
    if parts.is_none() {
        tab.report(key, "a pin is DEVICE.PIN, such as gpio.p17", None);
    }
    parts.map(|(d, p)| (d.into(), p.into()))
}

fn stick(tab: &Tab) -> Option<Action> {
    let pin = pin_name(tab, "stick");
    tab.need("level");
    let level = match tab.choice("level", &["low", "high", "free"]) {
        Some(2) => Some(None),
        Some(l) => Some(Some(l == 1)),
        None => None,
    };
    let back = if level == Some(None) { None } else { time(tab, "for") };
    let (device, name) = pin?;
    Some(Action::Do(Deed::Stick(device, name, level?), back))
}

fn flip(tab: &Tab) -> Option<Deed> {
    let text = tab.str("flip")?;
    let random = tab.uint("random");
    let flips = match random {
        Some(n) => {
            if !(1..=MOST_FLIPS).contains(&n) {
                tab.report("random", format!("1 to {MOST_FLIPS} bits flip at once"), None);
                return None;
            }
            let size = tab.uint("size");
            if size.is_some_and(|s| !(1..=1 << 32).contains(&s)) {
                tab.report("size", "`size` is 1 byte to 4 GiB", None);
            }
            Flips::Random(n as u32, size)
        }
        None => {
            let bytes = tab.uints("mask").unwrap_or_else(|| vec![1]);
            let mask: Option<Vec<u8>> = bytes.iter().map(|b| u8::try_from(*b).ok()).collect();
            match mask {
                Some(mask) if mask.iter().any(|b| *b != 0) => Flips::Mask(mask),
                _ => {
                    tab.report("mask", "`mask` is bytes of 0 to 255, one of them not 0", None);
                    return None;
                }
            }
        }
    };
    Some(Deed::Flip(place(text), flips))
}

/// Address and size of what a flip concerns, on a node.
pub(super) fn bytes_of(n: &Node, place: &Place, flips: &Flips) -> Result<(u64, u64), String> {
    let (addr, whole) = match place {
        Place::Address(addr) => (*addr, 1),
        Place::Symbol(name, offset) => {
            let symbol = n.firmware.symbols.find(name).map(|s| (s.addr, s.size));
            let Some((base, size)) = region(n, name).or(symbol) else {
                return Err(format!("{} has no symbol or memory `{name}`", n.firmware.name));
            };
            (base.wrapping_add(*offset), size.saturating_sub(*offset).max(1))
        }
    };
    Ok(match flips {
        Flips::Mask(mask) => (addr, mask.len() as u64),
        Flips::Random(_, size) => (addr, size.unwrap_or(whole)),
    })
}

fn region(n: &Node, name: &str) -> Option<(u64, u64)> {
    let regions = n.machine.bus.fabric.mem.regions();
    regions.iter().find(|r| r.name == name).map(|r| (r.base, r.size))
}

fn trace(cx: &Reader, tab: &Tab) -> Option<Action> {
    let path = tab.str("trace")?;
    let input = if tab.has("input") { Some(input_name(tab)?) } else { None };
    let scale = tab.float("scale").unwrap_or(1.0);
    if !scale.is_finite() || scale == 0.0 {
        tab.report("scale", "`scale` is a finite number and not 0", None);
    }
    let text = cx.files.text(path).map_err(|e| tab.report("trace", e, None)).ok()?;
    match Trace::parse(path, &text, input, scale) {
        Ok(trace) => Some(Action::Play(Arc::new(trace))),
        Err(found) => {
            cx.elsewhere.borrow_mut().extend(found);
            None
        }
    }
}

fn link(cx: &Reader, tab: &Tab) -> Option<Action> {
    let switch = cx.switch(tab);
    if !tab.is_text("link") {
        let inner = tab.table("link")?;
        let change = wiring::read_link(&inner);
        inner.done();
        if change == Default::default() {
            tab.report("link", "a link becomes `down`, `up` or different: { loss = 0.1 }", None);
        }
        return Some(Action::Do(Deed::Link(switch?, LinkDeed::Change(change)), None));
    }
    let up = tab.choice("link", &["down", "up"])? == 1;
    let back = if up { None } else { time(tab, "for") };
    let deed = if up { LinkDeed::Up } else { LinkDeed::Down };
    Some(Action::Do(Deed::Link(switch?, deed), back))
}

fn line(cx: &Reader, tab: &Tab) -> Option<Action> {
    let name = tab.str("line")?;
    let number = cx.plan.lines.iter().position(|l| l.ends.iter().any(|e| e == name));
    if number.is_none() {
        let ends = cx.plan.lines.iter().flat_map(|l| &l.ends).map(|e| &e[..]);
        let help = nearest(name, ends);
        tab.report("line", format!("no line ends at `{name}`"), help);
    }
    tab.need("fault");
    const FAULTS: [&str; 6] = ["cut", "restore", "noise", "low", "high", "free"];
    let fault = match FAULTS[tab.choice("fault", &FAULTS)?] {
        "cut" => LineFault::Cut,
        "restore" => LineFault::Restore,
        "noise" => {
            let loss = wiring::chance(tab, "loss").unwrap_or(0.0);
            let bit_errors = wiring::chance(tab, "bit_errors").unwrap_or(0.0);
            LineFault::Noise(Noise { loss, bit_errors })
        }
        "free" => LineFault::Stuck(None),
        level => LineFault::Stuck(Some(level == "high")),
    };
    let ends = matches!(fault, LineFault::Cut | LineFault::Stuck(Some(_)) | LineFault::Noise(_));
    let back = if ends { time(tab, "for") } else { None };
    Some(Action::Do(Deed::Line(u32::try_from(number?).ok()?, fault), back))
}
