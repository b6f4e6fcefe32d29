//! The monitor's line: what a person wants done or shown while the fleet runs.
//!
//! What changes the fleet is read as a scenario's step ([`by_hand`]) and given to it as commands, which a recorded session
//! repeats. The rest looks, or concerns the host alone.

use crate::{
    args,
    console::Moved,
    subject::{Naming, View},
};
use emu_core::device::{DevId, InputState, View as Picture};
use fleet::{
    Command, Fleet, NodeState, NodeView,
    config::Plan,
    scenario::by_hand,
    view::{MistakeView, lamps},
};
use fleet_host::{Hand, load::nearest, pace::Pacer};
use std::fmt::Write;

/// For `--help` and `help`.
pub const HELP: &str = "\
Ctrl-A opens the monitor's line, for one command. Enter, Esc and Ctrl-C give the keyboard
back. As the first key there, x quits, a (or Ctrl-A) sends Ctrl-A to the guest and ? helps,
each at once; p and Enter stops virtual time, or lets it go on.
  press [NODE.]BUTTON [TIME]   presses a button, for 100ms unless told otherwise
  set [NODE.]DEVICE.INPUT VALUE [TIME]  sets an input; after TIME it is as before
  do STEP                      what a scenario's step does at once, in its words:
                               do power-cut = \"2s\", node = \"bit.*\"
  reset [NODE] [pin|soft|power]         the reset button, unless told otherwise
  power on|off [NODE]          gives or cuts the power
  show leds|inputs|consoles|mistakes [NODE]
  nodes [NODE]                 each node's state, place and lamps
  console NODE[.NAME]|NAME|all|none     whose console is shown and typed at
  pause, continue              virtual time stands still, goes on
  speed [realtime|max|2x]      how fast virtual time goes at most
  time, digest, help, quit
NODE is a node, a group such as bit.*, or all; without it, the node that is typed at.
";

const COMMANDS: [&str; 15] = [
    "press", "set", "do", "reset", "power", "show", "nodes", "console", "pause", "continue", "speed", "time",
    "digest", "help", "quit",
];

/// A button is pressed for so long.
const PRESS: &str = "100ms";
/// Of more nodes a list shows no more.
const MOST_NODES: usize = 40;
/// More inputs of a device stand in rows of so many.
const MOST_INPUTS: usize = 8;
/// More lamps are not shown one by one in a list.
const MOST_LAMPS: usize = 64;

/// What came of a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// For people.
    pub text: String,
    /// Other consoles are to be shown.
    pub view: Option<View>,
}

/// See the module's documentation.
pub struct Monitor {
    /// What the fleet was built from.
    pub plan: Plan,
    /// How consoles are named.
    pub naming: Naming,
    /// Those that are neither shown nor typed at here.
    pub moved: Moved,
}

/// Why nothing was done.
type Wrong = String;

fn text(text: impl Into<String>) -> Result<Answer, Wrong> {
    Ok(Answer { text: text.into(), view: None })
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// At most so many words, and at least.
fn words<'t>(rest: &'t str, usage: &str, least: usize, most: usize) -> Result<[Option<&'t str>; 3], Wrong> {
    let all: Vec<_> = rest.split_whitespace().collect();
    if (least..=most).contains(&all.len()) {
        return Ok([0, 1, 2].map(|i| all.get(i).copied()));
    }
    Err(format!("that is: {usage}"))
}

impl Monitor {
    /// Does what a line says. What is wrong with it is an answer, too.
    pub fn answer(&self, hand: &mut Hand, line: &str) -> Answer {
        let mut answer =
            self.run(hand, line.trim()).unwrap_or_else(|wrong| Answer { text: wrong, view: None });
        if !answer.text.is_empty() && !answer.text.ends_with('\n') {
            answer.text.push('\n');
        }
        answer
    }

    fn run(&self, hand: &mut Hand, line: &str) -> Result<Answer, Wrong> {
        let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match command {
            "press" => self.press(hand, rest),
            "set" => self.set(hand, rest),
            "do" => self.step(hand, rest, self.chosen(hand), "done"),
            "reset" => self.reset(hand, rest),
            "power" => self.power(hand, rest),
            "show" => self.show(hand, rest),
            "nodes" | "node" => self.nodes(hand, rest),
            "console" => self.console(hand, rest),
            "p" => self.pause(hand, !*hand.paused),
            "pause" | "stop" => self.pause(hand, true),
            "continue" | "cont" | "c" => self.pause(hand, false),
            "speed" => speed(hand, rest),
            "time" => text(time(hand)),
            "digest" => digest(hand.fleet),
            "help" | "h" | "?" => text(HELP),
            "quit" | "q" | "exit" | "x" => {
                *hand.quit = true;
                text("")
            }
            other => {
                let help = nearest(other, COMMANDS).map(|help| format!("; {help}")).unwrap_or_default();
                Err(format!("there is no command `{other}`{help} (help lists them)"))
            }
        }
    }

    // ---- which nodes ----

    /// The node whose console is typed at, or the only one.
    fn chosen(&self, hand: &Hand) -> Option<u32> {
        let only = (hand.fleet.nodes().len() == 1).then_some(0);
        hand.typed_to.map(|(node, _)| node).or(only)
    }

    fn name(fleet: &Fleet, node: u32) -> String {
        fleet.nodes().nth(node as usize).map_or("?".into(), |n| n.name.clone())
    }

    /// The nodes that a word names; without it, the chosen one.
    fn select(&self, hand: &Hand, word: Option<&str>) -> Result<Vec<u32>, Wrong> {
        match word {
            Some("all") => Ok((0..hand.fleet.nodes().len() as u32).collect()),
            Some(name) => self.plan.select(name),
            None => self.chosen(hand).map(|n| vec![n]).ok_or_else(which),
        }
    }

    /// `[NODE.]THING`: the node or group, and what stands behind it. A thing of the chosen node comes first.
    fn split<'t>(&self, hand: &Hand, word: &'t str) -> Result<(String, &'t str), Wrong> {
        let chosen = self.chosen(hand);
        let has = |node: u32, thing: &str| {
            let machine = hand.fleet.nodes().nth(node as usize).map(|n| &n.machine);
            let device = thing.split('.').next().unwrap_or(thing);
            machine.is_some_and(|m| m.bus.device_by_name(device).is_some())
        };
        if let Some(node) = chosen.filter(|node| has(*node, word)) {
            return Ok((Self::name(hand.fleet, node), word));
        }
        let mut cuts = word.match_indices('.').map(|(i, _)| (&word[..i], &word[i + 1..]));
        let named = cuts.rfind(|(name, _)| *name == "all" || self.plan.select(name).is_ok());
        match (named, chosen) {
            (Some((name, thing)), _) => Ok((name.into(), thing)),
            (None, Some(node)) => Ok((Self::name(hand.fleet, node), word)),
            (None, None) => Err(which()),
        }
    }

    // ---- what changes the fleet ----

    fn step(&self, hand: &mut Hand, step: &str, node: Option<u32>, done: &str) -> Result<Answer, Wrong> {
        let name = node.map(|node| Self::name(hand.fleet, node));
        self.give(hand, by_hand(step, name.as_deref(), &self.plan, hand.fleet)?, done)
    }

    fn give(&self, hand: &mut Hand, commands: Vec<Command>, done: &str) -> Result<Answer, Wrong> {
        commands.into_iter().for_each(|c| hand.fleet.apply(c));
        text(format!("{done} at {} s", hand.fleet.now()))
    }

    fn press(&self, hand: &mut Hand, rest: &str) -> Result<Answer, Wrong> {
        let [word, time, _] = words(rest, "press [NODE.]BUTTON [TIME]", 1, 2)?;
        let (node, button) = self.split(hand, word.unwrap_or_default())?;
        let (button, time) = (button.strip_suffix(".pressed").unwrap_or(button), time.unwrap_or(PRESS));
        let to = |value: u8| {
            let step = format!("input = {}, value = {value}", quoted(&format!("{button}.pressed")));
            by_hand(&step, Some(&node), &self.plan, hand.fleet)
        };
        let (mut commands, mut released) = (to(1)?, to(0)?);
        let length = fleet::config::duration(time)?.0;
        released.iter_mut().for_each(|c| c.at = c.at + length);
        commands.append(&mut released);
        self.give(hand, commands, &format!("{node}: {button} is pressed for {time}"))
    }

    fn set(&self, hand: &mut Hand, rest: &str) -> Result<Answer, Wrong> {
        let [word, value, time] = words(rest, "set [NODE.]DEVICE.INPUT VALUE [TIME]", 2, 3)?;
        let (node, input) = self.split(hand, word.unwrap_or_default())?;
        let value = value.unwrap_or_default();
        let number: i64 = value.parse().map_err(|_| format!("`{value}` is no whole number"))?;
        let back = time.map(|t| format!(", for = {}", quoted(t))).unwrap_or_default();
        let step = format!("input = {}, value = {number}{back}", quoted(input));
        let commands = by_hand(&step, Some(&node), &self.plan, hand.fleet)?;
        let back = time.map(|t| format!(" for {t}")).unwrap_or_default();
        self.give(hand, commands, &format!("{node}: {input} is {number}{back}"))
    }

    fn reset(&self, hand: &mut Hand, rest: &str) -> Result<Answer, Wrong> {
        const KINDS: [&str; 3] = ["pin", "soft", "power"];
        let [first, second, _] = words(rest, "reset [NODE] [pin|soft|power]", 0, 2)?;
        let is_node = |word: &str| word == "all" || self.plan.select(word).is_ok();
        let (node, kind) = match (first, second) {
            (Some(kind), None) if KINDS.contains(&kind) && !is_node(kind) => (None, kind),
            (node, kind) => (node, kind.unwrap_or("pin")),
        };
        self.to_nodes(hand, node, &format!("reset = {}", quoted(kind)), &format!("reset ({kind})"))
    }

    fn power(&self, hand: &mut Hand, rest: &str) -> Result<Answer, Wrong> {
        let [state, node, _] = words(rest, "power on|off [NODE]", 1, 2)?;
        let state = state.unwrap_or_default();
        self.to_nodes(hand, node, &format!("power = {}", quoted(state)), &format!("power {state}"))
    }

    fn to_nodes(&self, hand: &mut Hand, node: Option<&str>, step: &str, done: &str) -> Result<Answer, Wrong> {
        self.select(hand, node)?; // for its error
        let chosen = self.chosen(hand).map(|n| Self::name(hand.fleet, n));
        let node = node.map(String::from).or(chosen);
        let commands = by_hand(step, node.as_deref(), &self.plan, hand.fleet)?;
        self.give(hand, commands, &format!("{}: {done}", node.unwrap_or_default()))
    }

    // ---- what looks ----

    fn show(&self, hand: &mut Hand, rest: &str) -> Result<Answer, Wrong> {
        const WHAT: [&str; 4] = ["leds", "inputs", "consoles", "mistakes"];
        let [what, node, _] = words(rest, "show leds|inputs|consoles|mistakes [NODE]", 1, 2)?;
        let what = what.unwrap_or_default();
        let one: fn(&Fleet, u32, &NodeView) -> String = match what {
            "leds" | "led" | "displays" | "display" => |_, _, view| leds(view),
            "inputs" | "input" => |fleet, node, _| inputs(fleet, node),
            "consoles" | "console" => |_, _, view| consoles(view),
            "mistakes" | "mistake" => |_, _, view| mistakes(view),
            other => {
                let help = nearest(other, WHAT).map(|help| format!("; {help}")).unwrap_or_default();
                return Err(format!("what is shown is one of: {}{help}", WHAT.join(", ")));
            }
        };
        let nodes = self.select(hand, node)?;
        let (mut all, several) = (String::new(), nodes.len() > 1);
        for &node in nodes.iter().take(MOST_NODES) {
            let view = hand.fleet.node_view(node);
            let shown = one(hand.fleet, node, &view);
            let shown = if shown.is_empty() { "none\n".into() } else { shown };
            all += &if several { format!("{}:\n{shown}", view.name) } else { shown };
        }
        more(&mut all, nodes.len());
        text(all)
    }

    fn nodes(&self, hand: &mut Hand, rest: &str) -> Result<Answer, Wrong> {
        let [node, ..] = words(rest, "nodes [NODE]", 0, 1)?;
        let nodes = self.select(hand, Some(node.unwrap_or("all")))?;
        let views: Vec<_> = nodes.iter().take(MOST_NODES).map(|n| hand.fleet.node_view(*n)).collect();
        let width = |of: fn(&NodeView) -> usize| views.iter().map(of).max().unwrap_or(0);
        let (name, machine) = (width(|v| v.name.len()), width(|v| v.machine.len()));
        let place = width(|v| v.place.len()).min(40);
        let mut all = format!("virtual time {} s\n", hand.fleet.now());
        for v in &views {
            let state = state(v);
            let lamps: Vec<_> = v.displays.iter().map(|(device, p)| brief(device, p)).collect();
            let row = format!(
                "{:name$}  {:machine$}  {state:7}  {:place$}  {}",
                v.name,
                v.machine,
                v.place,
                lamps.join("  ")
            );
            let _ = writeln!(all, "{}", row.trim_end()); // a string takes everything
        }
        more(&mut all, nodes.len());
        text(all)
    }

    // ---- what concerns the host alone ----

    fn console(&self, hand: &mut Hand, rest: &str) -> Result<Answer, Wrong> {
        let [name, ..] = words(rest, "console NODE[.NAME]|NAME|all|none", 0, 1)?;
        let Some(name) = name else { return text(self.keyboard(hand)) };
        let view = self.naming.view(hand.fleet, Some(name)).map_err(|e| e.message)?;
        *hand.typed_to = view.typed().filter(|typed| !self.moved.contains(typed));
        Ok(Answer { text: self.keyboard(hand), view: Some(view) })
    }

    /// Which console takes what is typed.
    pub fn keyboard(&self, hand: &Hand) -> String {
        keyboard(hand.fleet, *hand.typed_to)
    }

    fn pause(&self, hand: &mut Hand, paused: bool) -> Result<Answer, Wrong> {
        if *hand.paused == paused {
            return text(if paused { "virtual time stands still already" } else { "virtual time goes on" });
        }
        *hand.paused = paused;
        text("")
    }
}

/// Which console takes what is typed.
pub fn keyboard(fleet: &Fleet, typed_to: Option<(u32, u16)>) -> String {
    let Some((node, console)) = typed_to else {
        return "the keyboard goes nowhere".into();
    };
    let found = fleet.nodes().nth(node as usize);
    let console = found.and_then(|n| n.machine.bus.fabric.consoles.get(usize::from(console)));
    let (node, console) = (found.map_or("?", |n| &n.name), console.map_or("?", |c| &c.name));
    format!("the keyboard goes to {node}'s {console}")
}

fn which() -> Wrong {
    "which node? Name it, or choose one with `console NODE`".into()
}

fn more(all: &mut String, nodes: usize) {
    if nodes > MOST_NODES {
        let _ = writeln!(all, "and {} nodes more", nodes - MOST_NODES);
    }
}

fn speed(hand: &mut Hand, rest: &str) -> Result<Answer, Wrong> {
    let [wanted, ..] = words(rest, "speed [realtime|max|2x]", 0, 1)?;
    if let Some(wanted) = wanted {
        let speed = args::speed(wanted)?;
        let mut pacer = if speed.is_finite() { Pacer::speed(speed) } else { Pacer::idle() };
        pacer.rebase(hand.fleet.now());
        *hand.pacer = Some(pacer);
    }
    text(pace(hand))
}

fn pace(hand: &Hand) -> String {
    match &*hand.pacer {
        Some(p) if p.holds_busy() && p.factor() == 1.0 => "no faster than the host's".into(),
        Some(p) if p.holds_busy() => format!("no faster than {} times the host's", p.factor()),
        Some(_) => "as fast as the host can while a guest is busy".into(),
        None => "as fast as the host can".into(),
    }
}

fn time(hand: &Hand) -> String {
    let paused = if *hand.paused { "stands still" } else { "goes on" };
    format!("virtual time {} s, {paused}, {}", hand.fleet.now(), pace(hand))
}

fn digest(fleet: &mut Fleet) -> Result<Answer, Wrong> {
    if !fleet.between_epochs() {
        return Err("a node stands in the middle of an epoch: there is no digest now".into());
    }
    text(format!("digest at {} s: {:032x}", fleet.now(), fleet.digest()))
}

fn state(v: &NodeView) -> String {
    match v.state {
        NodeState::Running if v.asleep => "asleep".into(),
        NodeState::Running => "runs".into(),
        NodeState::Off => "off".into(),
        NodeState::Exited { code } => format!("ended {code}"),
        NodeState::LockedUp { .. } => "locked".into(),
    }
}

/// A display in a row of a list.
fn brief(device: &str, picture: &Picture) -> String {
    let Picture::Leds { width, levels } = picture;
    let rows = lamps(*width, levels);
    if levels.len() > MOST_LAMPS {
        let lit = rows.iter().flat_map(|r| r.bytes()).filter(|b| *b == b'#').count();
        return format!("{device} {lit} of {} lit", levels.len());
    }
    format!("{device} {}", rows.join(" "))
}

fn leds(view: &NodeView) -> String {
    let mut all = String::new();
    for (device, Picture::Leds { width, levels }) in &view.displays {
        let rows = lamps(*width, levels);
        let _ = match &rows[..] {
            [row] => writeln!(all, "{device}  {row}"),
            rows => writeln!(all, "{device}\n  {}", rows.join("\n  ")),
        };
    }
    all
}

fn inputs(fleet: &Fleet, node: u32) -> String {
    let Some(n) = fleet.nodes().nth(node as usize) else { return String::new() };
    let bus = &n.machine.bus;
    let mut all = String::new();
    for id in (0..bus.device_count()).map(|i| DevId(i as u16)) {
        let Some(device) = bus.device(id) else { continue };
        let rows: Vec<_> =
            device.inputs().iter().map(|(n, unit)| (*n, *unit, device.input_state(n))).collect();
        match &rows[..] {
            [(first, unit, _), .., (last, ..)] if rows.len() > MOST_INPUTS => {
                let set =
                    |(n, _, s): &(&str, &str, Option<InputState>)| Some(format!("{n} {}", s.as_ref()?.value));
                let name = bus.device_name(id);
                let values: Vec<_> = rows.iter().filter_map(set).collect();
                let _ = writeln!(all, "{name}.{first} to {name}.{last}  ({unit})");
                for values in values.chunks(MOST_INPUTS) {
                    let _ = writeln!(all, "  {}", values.join("  "));
                }
            }
            rows => rows.iter().for_each(|(n, unit, state)| {
                let value =
                    state.as_ref().map(|s| format!("  {}  ({} to {}, {unit})", s.value, s.least, s.most));
                let value = value.unwrap_or_else(|| format!("  ({unit})"));
                let _ = writeln!(all, "{}.{n}{value}", bus.device_name(id));
            }),
        }
    }
    all
}

fn consoles(view: &NodeView) -> String {
    view.consoles.iter().map(|c| format!("{}  {} bytes printed\n", c.name, c.len)).collect()
}

fn mistakes(view: &NodeView) -> String {
    let line = |m: &MistakeView| {
        let place = m.place.as_ref().map(|p| format!(" at {p}")).unwrap_or_default();
        format!("{} x {}: {}; first{place} ({} s)\n", m.count, m.device, m.what, m.first)
    };
    view.mistake_list.iter().map(line).collect()
}
