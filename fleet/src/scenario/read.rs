//! Reads a scenario file.

use super::{Action, Pattern, Place, Scenario, Step};
use crate::config::{self, Files, Plan, duration, read_plan};
use devices::source::{Diagnostics, Source, Tab};
use emu_core::{Time, device::ResetKind};

/// How long a step waits unless it says `within`.
const WITHIN: u64 = 10_000_000_000;

/// Reads and builds a scenario. `seed` overrides the file's.
pub fn load(name: &str, text: &str, seed: Option<u64>, files: &dyn Files) -> Result<Scenario, Diagnostics> {
    let source = Source::parse(name, text)?;
    let root = source.root();
    root.str("description");
    let timeout = time(&root, "timeout").unwrap_or(600_000_000_000);
    // The population stands in a file of its own, or here.
    let other = match root.str("fleet") {
        None => None,
        Some(path) => match files.board(path) {
            Ok(text) => Some(Source::parse(path, &text)?),
            Err(e) => {
                root.report("fleet", e, None);
                None
            }
        },
    };
    let mut plan = match &other {
        Some(other) => {
            let top = other.root();
            top.str("description");
            let plan = read_plan(&top);
            top.done();
            plan
        }
        None => read_plan(&root),
    };
    plan.seed = seed.or_else(|| root.uint("seed")).unwrap_or(plan.seed);
    let steps = root.list("step").iter().filter_map(|tab| read_step(tab, &plan)).collect();
    root.done();
    let fleet = config::build(&plan, plan.seed, files, other.as_ref().or(Some(&source)));
    let mut found = match fleet {
        Ok(fleet) => {
            let rest = source.take_diagnostics();
            if rest.is_empty() {
                return Ok(Scenario { name: name.into(), fleet, plan, steps, timeout: Time(timeout) });
            }
            Diagnostics(rest)
        }
        Err(found) => found,
    };
    found.0.extend(source.take_diagnostics());
    Err(found)
}

fn time(tab: &Tab, key: &'static str) -> Option<u64> {
    match duration(tab.str(key)?) {
        Ok(t) => Some(t.0),
        Err(e) => {
            tab.report(key, e, None);
            None
        }
    }
}

/// What kinds of steps there are: the key that makes a step one.
const KINDS: [&str; 12] = [
    "send",
    "expect",
    "expect-regex",
    "expect-not",
    "wait",
    "input",
    "reset",
    "memory",
    "display",
    "exit",
    "mistakes-at-most",
    "move",
];

fn read_step(tab: &Tab, plan: &Plan) -> Option<Step> {
    let nodes = match tab.str("node") {
        Some(name) => plan.select(name).map_err(|e| tab.report("node", e, None)).unwrap_or_default(),
        None => (0..plan.nodes.len() as u32).collect(),
    };
    let kinds: Vec<_> = KINDS.into_iter().filter(|k| tab.has(k)).collect();
    let action = match kinds[..] {
        [_] => action(tab, plan, &nodes),
        [] => {
            tab.report_here(format!("a step has one of: {}", KINDS.join(", ")), None);
            None
        }
        [_, second, ..] => {
            tab.report(second, "a step does one thing; make this one a step of its own", None);
            None
        }
    };
    tab.done();
    let line = tab.line();
    Some(Step { line, nodes, action: action? })
}

fn action(tab: &Tab, plan: &Plan, nodes: &[u32]) -> Option<Action> {
    let within = || time(tab, "within").unwrap_or(WITHIN);
    if let Some(text) = tab.str("send") {
        return Some(Action::Send(text.into()));
    }
    if let Some(text) = tab.str("expect") {
        return Some(Action::Expect(Pattern::Text(text.into()), within()));
    }
    if let Some(text) = tab.str("expect-regex") {
        let regex = regex::bytes::Regex::new(text);
        let regex = regex.map_err(|e| tab.report("expect-regex", e.to_string(), None)).ok()?;
        return Some(Action::Expect(Pattern::Regex(regex), within()));
    }
    if let Some(text) = tab.str("expect-not") {
        let during = time(tab, "during").unwrap_or(1_000_000_000);
        return Some(Action::ExpectNot(Pattern::Text(text.into()), during));
    }
    if tab.has("wait") {
        return time(tab, "wait").map(Action::Wait);
    }
    if let Some(input) = tab.str("input") {
        let Some((device, name)) = input.rsplit_once('.') else {
            tab.report("input", "an input is DEVICE.NAME, such as button-a.pressed", None);
            return None;
        };
        tab.need("value");
        return Some(Action::Input(device.into(), name.into(), tab.int("value")?));
    }
    if let Some(kind) = tab.str("reset") {
        return reset(tab, kind);
    }
    if let Some(place) = tab.str("memory") {
        let size = tab.uint("size").unwrap_or(4);
        if !matches!(size, 1 | 2 | 4 | 8) {
            tab.report("size", "a value has 1, 2, 4 or 8 bytes", None);
        }
        tab.need("equals");
        let value = tab.int("equals")? as u64;
        return Some(Action::Memory(memory_place(place), size as u8, value, within()));
    }
    if let Some(device) = tab.str("display") {
        tab.need("shows");
        let rows = tab.strings("shows")?.into_iter().map(String::from).collect();
        return Some(Action::Display(device.into(), rows, within()));
    }
    if let Some(code) = tab.uint("exit") {
        return Some(Action::Exit(code as u32, within()));
    }
    if let Some(most) = tab.uint("mistakes-at-most") {
        return Some(Action::MistakesAtMost(most));
    }
    let _ = (plan, nodes);
    let p = tab.floats("move")?;
    match p[..] {
        [x, y] => Some(Action::Move([x, y, 0.0])),
        [x, y, z] => Some(Action::Move([x, y, z])),
        _ => {
            tab.report("move", "a position has two or three coordinates in metres", None);
            None
        }
    }
}

fn reset(tab: &Tab, kind: &str) -> Option<Action> {
    match kind {
        "power" => Some(Action::Reset(ResetKind::PowerOn)),
        "pin" => Some(Action::Reset(ResetKind::Pin)),
        "soft" => Some(Action::Reset(ResetKind::Soft)),
        other => {
            tab.report("reset", format!("a reset is `power`, `pin` or `soft`, not `{other}`"), None);
            None
        }
    }
}

/// `symbol`, `symbol+8` or `0x20000000`.
fn memory_place(text: &str) -> Place {
    let number = |t: &str| match t.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => t.parse().ok(),
    };
    if let Some(addr) = number(text) {
        return Place::Address(addr);
    }
    match text.split_once('+').map(|(name, off)| (name, number(off))) {
        Some((name, Some(off))) => Place::Symbol(name.into(), off),
        _ => Place::Symbol(text.into(), 0),
    }
}
