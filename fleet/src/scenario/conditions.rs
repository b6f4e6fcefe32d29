//! Reads what steps wait for.

use super::{
    Action, Compare, Condition, Counter, Number, Op, Pattern, Place, State, Step, Type,
    deeds::pin_name,
    read::{Reader, place, time},
};
use devices::source::{Tab, nearest};
use std::sync::Arc;

/// How long a step waits unless it says `within`.
pub(super) const WITHIN: u64 = 10_000_000_000;

/// Steps that wait for something, or check it.
pub(super) const KINDS: [&str; 15] = [
    "expect",
    "expect-regex",
    "expect-not",
    "expect-not-regex",
    "wait",
    "memory",
    "check",
    "counter",
    "display",
    "lamp",
    "pin",
    "state",
    "exit",
    "mistakes-at-most",
    "mistakes-at-least",
];

/// What is read, and the nodes if the step's text names them.
type Found = (Action, Option<Arc<[u32]>>);

pub(super) fn read(cx: &Reader, tab: &Tab, kind: &'static str) -> Option<Found> {
    let condition = match kind {
        "expect" => {
            return Some((Action::Until(Condition::Printed(text(cx, tab, kind)?), within(tab)), None));
        }
        "expect-regex" => {
            return Some((Action::Until(Condition::Printed(regex(cx, tab, kind)?), within(tab)), None));
        }
        "expect-not" => return Some((Action::Never(text(cx, tab, kind)?, during(tab)), None)),
        "expect-not-regex" => return Some((Action::Never(regex(cx, tab, kind)?, during(tab)), None)),
        "wait" => return Some((Action::Wait(time(tab, "wait")?), None)),
        "check" => {
            let (nodes, condition) = check(cx, tab, "check")?;
            return Some((waiting(tab, condition), nodes));
        }
        "mistakes-at-most" => {
            let most = Compare { op: Op::AtMost, value: Number::Int(tab.uint(kind)?.into()) };
            let during = time(tab, "during").unwrap_or(0);
            return Some((Action::Hold(Condition::Mistakes(vec![most]), during), None));
        }
        "mistakes-at-least" => {
            Condition::Mistakes(vec![Compare { op: Op::AtLeast, value: Number::Int(tab.uint(kind)?.into()) }])
        }
        "memory" => memory(tab)?,
        "counter" => counter(cx, tab)?,
        "display" => Condition::Display(tab.str(kind)?.into(), rows(tab)?),
        "lamp" => lamp(tab)?,
        "pin" => {
            let pin = pin_name(tab, "pin");
            tab.need("level");
            let level = tab.choice("level", &["low", "high"]);
            let (device, name) = pin?;
            Condition::Pin(device, name, level? == 1)
        }
        "state" => Condition::State(state(tab)?),
        "exit" => {
            let code = u32::try_from(tab.uint("exit")?);
            let code = code.map_err(|_| tab.report("exit", "an exit code has 32 bits", None)).ok()?;
            Condition::State(State::Exited(Some(code)))
        }
        _ => return None,
    };
    Some((waiting(tab, condition), None))
}

fn within(tab: &Tab) -> u64 {
    time(tab, "within").unwrap_or(WITHIN)
}

fn during(tab: &Tab) -> u64 {
    time(tab, "during").unwrap_or(1_000_000_000)
}

/// It must come true `within` a time, or be true `during` one.
fn waiting(tab: &Tab, condition: Condition) -> Action {
    match time(tab, "during") {
        Some(during) => Action::Hold(condition, during),
        None => Action::Until(condition, within(tab)),
    }
}

fn text(cx: &Reader, tab: &Tab, key: &'static str) -> Option<Pattern> {
    Some(Pattern::Text(cx.template(tab, key)?))
}

fn regex(cx: &Reader, tab: &Tab, key: &'static str) -> Option<Pattern> {
    let pattern = Pattern::Regex(cx.template(tab, key)?);
    match pattern.needle(|_| Ok("x".into())) {
        Ok(needle) => {
            cx.captures(&needle);
            Some(pattern)
        }
        Err(e) => {
            tab.report(key, e, None);
            None
        }
    }
}

/// Values of `size` bytes may be written as unsigned or as signed numbers.
fn memory(tab: &Tab) -> Option<Condition> {
    let place = place(tab.str("memory")?);
    let size = tab.uint("size");
    let (ty, compare) = (Type::read(tab), Compare::read(tab));
    if compare.is_empty()
        && !["equals", "not", "at-least", "at-most", "above", "below"].iter().any(|k| tab.has(k))
    {
        tab.need("equals");
    }
    if size.is_some_and(|s| !matches!(s, 1 | 2 | 4 | 8)) {
        tab.report("size", "a value has 1, 2, 4 or 8 bytes", None);
        return None;
    }
    if let (Some(_), true) = (size, tab.has("type")) {
        tab.report("size", "the `type` says how large the value is", None);
    }
    let ty = match (ty, size) {
        (Some(ty), _) => ty,
        (None, Some(n)) => Type::Unsigned(n as u8),
        (None, None) => Type::Natural,
    };
    let signed = size.is_some() || ty == Type::Natural;
    let all: Option<Vec<_>> = compare.iter().map(|c| fitting(tab, *c, ty, signed)).collect();
    all.filter(|a| !a.is_empty()).map(|all| Condition::Memory(place, ty, all))
}

/// A comparison whose number has room in the type. Negative numbers mean the same bits if there is no type.
fn fitting(tab: &Tab, want: Compare, ty: Type, signed: bool) -> Option<Compare> {
    let Number::Int(value) = want.value else { return Some(want) };
    let (bits, least, most) = match ty {
        Type::Float(_) => return Some(want),
        Type::Signed(n) => (8 * u32::from(n), -(1 << (8 * n - 1)), (1 << (8 * n - 1)) - 1),
        Type::Unsigned(n) => {
            (8 * u32::from(n), if signed { -(1 << (8 * n - 1)) } else { 0 }, (1i128 << (8 * n)) - 1)
        }
        Type::Natural => return Some(want),
    };
    if !(least..=most).contains(&value) {
        let key = ["equals", "not", "at-least", "at-most", "above", "below"].into_iter().find(|k| tab.has(k));
        tab.report(key.unwrap_or("check"), format!("{value} has no room in {} bytes", bits / 8), None);
        return None;
    }
    let same_bits = signed && value < 0 && matches!(want.op, Op::Equals | Op::Not);
    Some(Compare { value: Number::Int(if same_bits { value + (1 << bits) } else { value }), ..want })
}

/// `NODES.SYMBOL OP NUMBER`, or `SYMBOL OP NUMBER` for the step's nodes.
fn check(cx: &Reader, tab: &Tab, key: &'static str) -> Option<(Option<Arc<[u32]>>, Condition)> {
    let ty = Type::read(tab);
    let text = tab.str(key)?;
    let (left, compare) = Compare::parse(text).map_err(|e| tab.report(key, e, None)).ok()?;
    let (nodes, name) = match cx.roster.split(left) {
        Some((nodes, rest)) if !tab.has("node") => (Some(nodes), rest),
        _ => (None, left),
    };
    let ty = ty.unwrap_or(Type::Natural);
    let compare = fitting(tab, compare, ty, false)?;
    Some((nodes, Condition::Memory(place(name), ty, vec![compare])))
}

/// A condition in its short form, as a step.
pub(super) fn short(cx: &Reader, tab: &Tab, key: &'static str) -> Option<Step> {
    let (nodes, condition) = check(cx, tab, key)?;
    let nodes = nodes.or_else(|| cx.nodes(tab))?;
    Some(Step { line: tab.line(), nodes, action: Action::Until(condition, 0) })
}

fn counter(cx: &Reader, tab: &Tab) -> Option<Condition> {
    let split = |key: &'static str| {
        let text = tab.str(key)?;
        let parts = text.rsplit_once('.').map(|(m, c)| (m.to_string(), c.to_string()));
        if parts.is_none() {
            tab.report(key, "a counter is MEDIUM.COUNTER, such as radio.received", None);
        }
        parts
    };
    let this = split("counter");
    let of = if tab.has("ratio") {
        let nodes = if tab.has("ratio-node") { cx.roster.read(tab, "ratio-node") } else { cx.nodes(tab) };
        let (medium, name) = split("ratio")?;
        Some((medium, name, nodes?))
    } else {
        None
    };
    let compare = Compare::need(tab);
    let (medium, name) = this?;
    Some(Condition::Counter(Counter { medium, name, of }, compare?))
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

/// A lamp is lit from a quarter of full brightness on, as in a display.
const LIT: i128 = 64;

/// `DEVICE.NUMBER`, and `lit` or a brightness.
fn lamp(tab: &Tab) -> Option<Condition> {
    let text = tab.str("lamp")?;
    let parts = text.rsplit_once('.').and_then(|(d, i)| Some((d.to_string(), i.parse::<usize>().ok()?)));
    if parts.is_none() {
        tab.report("lamp", "a lamp is DEVICE.NUMBER, such as leds.12, counted row by row from 0", None);
    }
    let lit = tab.bool("lit");
    let mut compare = Compare::read(tab);
    if compare.is_empty() || lit.is_some() {
        let op = if lit == Some(false) { Op::Below } else { Op::AtLeast };
        compare.push(Compare { op, value: Number::Int(LIT) });
    }
    let (device, number) = parts?;
    Some(Condition::Lamp(device, number, compare))
}

const STATES: [(&str, State); 5] = [
    ("running", State::Running),
    ("asleep", State::Asleep),
    ("off", State::Off),
    ("exited", State::Exited(None)),
    ("locked-up", State::LockedUp),
];

fn state(tab: &Tab) -> Option<State> {
    let name = tab.str("state")?;
    let found = STATES.iter().find(|s| s.0 == name);
    if found.is_none() {
        let help = nearest(name, STATES.iter().map(|s| s.0));
        let known: Vec<_> = STATES.iter().map(|s| s.0).collect();
        tab.report("state", format!("a state is one of: {}", known.join(", ")), help);
    }
    found.map(|s| s.1)
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            State::Exited(Some(code)) => write!(f, "exited with {code}"),
            other => f.write_str(STATES.iter().find(|s| s.1 == *other).map_or("", |s| s.0)),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Symbol(name, 0) => f.write_str(name),
            Place::Symbol(name, offset) => write!(f, "{name}+{offset}"),
            Place::Address(addr) => write!(f, "{addr:#010x}"),
        }
    }
}
