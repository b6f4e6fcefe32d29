//! Reads a scenario file.

use super::{Action, Pattern, Place, Scenario, Step, check};
use crate::config::{self, Files, Plan, duration, point, read_plan};
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
    let own_seed = root.uint("seed");
    // The population stands in a file of its own, or here.
    let (other, mut plan) = match root.str("fleet") {
        None => (None, read_plan(&root)),
        Some(path) => match files.board(path) {
            Ok(text) => {
                let other = Source::parse(path, &text)?;
                let plan = read_fleet(&other);
                (Some(other), plan)
            }
            Err(e) => {
                root.report("fleet", e, None);
                (None, Plan::default())
            }
        },
    };
    plan.seed = seed.or(own_seed).unwrap_or(plan.seed);
    let steps: Vec<_> = root.list("step").into_iter().map(|tab| (read_step(&tab, &plan), tab)).collect();
    root.done();
    let mut found = Diagnostics::default();
    match config::build(&plan, plan.seed, files, other.as_ref().or(Some(&source))) {
        Ok(fleet) => {
            for (step, tab) in &steps {
                step.iter().for_each(|step| check::step(step, tab, &fleet));
            }
            found.0.extend(source.take_diagnostics());
            if found.0.is_empty() {
                let steps = steps.into_iter().filter_map(|s| s.0).collect();
                return Ok(Scenario { name: name.into(), fleet, plan, steps, timeout: Time(timeout) });
            }
        }
        Err(e) => found.0.extend(e.0),
    }
    found.0.extend(source.take_diagnostics());
    Err(found)
}

fn read_fleet(source: &Source) -> Plan {
    let top = source.root();
    top.str("description");
    let plan = read_plan(&top);
    top.done();
    plan
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
        // Without any node something is wrong with the fleet, and that is reported already.
        Some(_) if plan.nodes.is_empty() => vec![],
        Some(name) => plan.select(name).map_err(|e| tab.report("node", e, None)).unwrap_or_default(),
        None => (0..plan.nodes.len() as u32).collect(),
    };
    let kinds: Vec<_> = KINDS.into_iter().filter(|k| tab.has(k)).collect();
    let action = match kinds[..] {
        [_] => action(tab),
        [] => {
            tab.report_here(format!("a step has one of: {}", KINDS.join(", ")), None);
            // Asked for in vain, so that a kind that is misspelt gets the right name.
            for kind in KINDS {
                let _ = tab.str(kind);
            }
            None
        }
        [_, second, ..] => {
            tab.report(second, "a step does one thing; make this one a step of its own", None);
            return None;
        }
    };
    tab.done();
    let line = tab.line();
    Some(Step { line, nodes, action: action? })
}

fn action(tab: &Tab) -> Option<Action> {
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
        tab.need("value");
        let value = tab.int("value");
        let Some((device, name)) = input.rsplit_once('.') else {
            tab.report("input", "an input is DEVICE.NAME, such as button-a.pressed", None);
            return None;
        };
        return Some(Action::Input(device.into(), name.into(), value?));
    }
    if let Some(kind) = tab.str("reset") {
        return reset(tab, kind);
    }
    if let Some(place) = tab.str("memory") {
        return memory(tab, place, within());
    }
    if let Some(device) = tab.str("display") {
        let shows = rows(tab);
        return Some(Action::Display(device.into(), shows?, within()));
    }
    if let Some(code) = tab.uint("exit") {
        let code = u32::try_from(code).map_err(|_| tab.report("exit", "an exit code has 32 bits", None)).ok();
        return code.map(|code| Action::Exit(code, within()));
    }
    if let Some(most) = tab.uint("mistakes-at-most") {
        return Some(Action::MistakesAtMost(most));
    }
    tab.has("move").then(|| point(tab, "move"))?.map(Action::Move)
}

fn memory(tab: &Tab, place: &str, within: u64) -> Option<Action> {
    tab.need("equals");
    let (value, size) = (tab.int("equals"), tab.uint("size").unwrap_or(4));
    if !matches!(size, 1 | 2 | 4 | 8) {
        tab.report("size", "a value has 1, 2, 4 or 8 bytes", None);
        return None;
    }
    let value = value?;
    let bits = 8 * size as u32;
    let fits = bits == 64 || (-(1 << (bits - 1))..1 << bits).contains(&value);
    if !fits {
        tab.report("equals", format!("{value} has no room in {size} bytes"), None);
    }
    let value = value as u64 & (u64::MAX >> (64 - bits));
    Some(Action::Memory(memory_place(place), size as u8, value, within))
}

/// The rows that a display is to show.
fn rows(tab: &Tab) -> Option<Vec<String>> {
    tab.need("shows");
    let rows = tab.strings("shows")?;
    if rows.iter().any(|r| r.chars().any(|c| c != '#' && c != '.')) {
        tab.report("shows", "a row consists of `#` (lit) and `.` (dark)", None);
    }
    Some(rows.into_iter().map(String::from).collect())
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
