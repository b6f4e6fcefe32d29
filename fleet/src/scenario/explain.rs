//! Failures for people: what, since when, what the nodes said last and how they are, how to see it again.

use super::{
    Action, Condition, State,
    compare::list,
    run::{Failed, Runner},
};
use crate::NodeState;
use emu_core::Time;
use std::fmt;

/// Last lines of a console that are shown, and nodes whose are.
const LINES: usize = 5;
const NODES: usize = 4;
/// Names that are listed.
const NAMES: usize = 8;

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Printed(pattern) => write!(f, "{pattern}"),
            Condition::Memory(place, _, want) => write!(f, "memory {place} {}", list(want)),
            Condition::Counter(c, want) => {
                write!(f, "{}.{}", c.medium, c.name)?;
                if let Some((medium, name, _)) = &c.of {
                    write!(f, " / {medium}.{name}")?;
                }
                write!(f, " {}", list(want))
            }
            Condition::Display(device, rows) => {
                write!(f, "{device} to show\n      {}\n     ", rows.join("\n      "))
            }
            Condition::Lamp(device, i, want) => write!(f, "brightness of {device}.{i} {}", list(want)),
            Condition::Pin(device, pin, true) => write!(f, "{device}.{pin} to be high"),
            Condition::Pin(device, pin, false) => write!(f, "{device}.{pin} to be low"),
            Condition::State(State::Exited(Some(code))) => write!(f, "the guest to end with {code}"),
            Condition::State(state) => write!(f, "state {state}"),
            Condition::Mistakes(want) => write!(f, "mistakes {}", list(want)),
        }
    }
}

impl Condition {
    /// What lamps show fades although nothing happens.
    pub(super) fn restless(&self) -> bool {
        matches!(self, Condition::Display(..) | Condition::Lamp(..))
    }
}

impl Runner<'_> {
    pub(super) fn name(&self, node: u32) -> &str {
        &self.s.plan.nodes[node as usize].name
    }

    pub(super) fn names(&self, nodes: &[u32]) -> String {
        let some: Vec<_> = nodes.iter().take(NAMES).map(|n| self.name(*n)).collect();
        match nodes.len().saturating_sub(NAMES) {
            0 => some.join(", "),
            more => format!("{} and {more} more", some.join(", ")),
        }
    }

    pub(super) fn explain(&mut self, failed: &Failed) -> String {
        let (now, seed) = (self.s.fleet.now(), self.s.plan.seed);
        let (line, since) = failed.step.as_ref().map_or((1, Time::ZERO), |s| (s.0.line, s.1));
        let mut text = format!("{}:{line}: {}\n", self.s.name, failed.what);
        text += &format!("  since {since} s, given up at {now} s, seed {seed}\n");
        if failed.timed_out && self.s.fleet.quiet_until() == Time::MAX {
            text += "  nothing will ever happen again: every node sleeps for good or has ended\n";
        }
        let step = failed.step.as_ref().map(|s| s.0.clone());
        let own = step.as_ref().map_or(vec![], |s| s.nodes.to_vec());
        let nodes = if failed.nodes.is_empty() { own } else { failed.nodes.clone() };
        for &n in nodes.iter().take(NODES) {
            text += &format!("  {} {}\n", self.name(n), self.state(n));
            if let Some(Action::Until(c, _) | Action::Hold(c, _)) = step.as_ref().map(|s| &s.action)
                && let Some(seen) = self.seen(&nodes, n, c)
            {
                text += &format!("    {seen}\n");
            }
            text += &format!("  last lines of {}:\n", self.name(n));
            for line in self.transcripts[n as usize].tail(LINES) {
                text += &format!("    {line}\n");
            }
        }
        if nodes.len() > NODES {
            text += &format!("  and {} more nodes\n", nodes.len() - NODES);
        }
        let away = |n: &u32| {
            self.s.fleet.node(*n).state != NodeState::Running && !nodes.iter().take(NODES).any(|m| m == n)
        };
        let others: Vec<u32> = (0..self.transcripts.len() as u32).filter(away).collect();
        if !others.is_empty() {
            text += &format!("  also not running: {}\n", self.names(&others));
        }
        text + &format!("  again: flotilla test {} --seed {seed}", self.s.name)
    }

    /// How a node is.
    fn state(&self, n: u32) -> String {
        let asleep = |n: &crate::Node| (0..n.machine.cpu_count()).all(|c| n.machine.asleep(c));
        let node = self.s.fleet.node(n);
        let how = match node.state {
            NodeState::Running if asleep(node) => "sleeps".to_string(),
            NodeState::Running => "runs".into(),
            NodeState::Off => "has no power".into(),
            NodeState::Exited { code } => format!("has ended with {code}"),
            NodeState::LockedUp { pc } => format!("locked up at {}", node.firmware.place(pc)),
        };
        let place = match node.state {
            NodeState::Running => format!(" at {}", node.firmware.place(node.machine.cpu(0).pc())),
            _ => String::new(),
        };
        let mistakes = match node.machine.bus.fabric.errors.total {
            0 => String::new(),
            n => format!(", {n} mistakes so far"),
        };
        format!("{how}{place}{mistakes}")
    }
}
