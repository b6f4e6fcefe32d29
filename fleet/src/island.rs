//! What runs on its own up to a barrier: one node, or several that fast lines join.
//!
//! Serial lines and wires between machines have a latency of microseconds. Were they media of the whole fleet, every
//! epoch of every node would be that short. So the nodes they join form an island: within an epoch of the fleet it has
//! epochs of its own, by the same rules.

use crate::node::{Left, Node, NodeAct};
use emu_core::{Time, save::LoadError};
use netsim::{Medium, medium::Delivery};
use serde::{Deserialize, Serialize};

/// The lines of an island and what is under way on them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Lines {
    media: Vec<Medium>,
    /// Everything on the lines up to here is decided.
    now: Time,
    /// The end of the island's epoch that a stop interrupted.
    open: Option<Time>,
    acts: Vec<NodeAct>,
}

/// One node, or several with the lines that join them.
pub struct Island {
    pub(crate) id: u32,
    first: Node,
    others: Vec<Node>,
    lines: Option<Box<Lines>>,
    left: Left,
    /// [`Island::run_until`] runs ahead of the barrier.
    pub(crate) ahead: bool,
}

impl Island {
    /// A node of its own.
    pub(crate) fn new(id: u32, node: Node) -> Island {
        Island { id, first: node, others: vec![], lines: None, left: Left::default(), ahead: false }
    }

    /// The nodes in it.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        std::iter::once(&self.first).chain(&self.others)
    }

    pub(crate) fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        std::iter::once(&mut self.first).chain(&mut self.others)
    }

    pub(crate) fn node(&self, i: u32) -> &Node {
        if i == 0 { &self.first } else { &self.others[i as usize - 1] }
    }

    pub(crate) fn node_mut(&mut self, i: u32) -> &mut Node {
        if i == 0 { &mut self.first } else { &mut self.others[i as usize - 1] }
    }

    /// Takes in another island, before anything ran and before it has lines.
    pub(crate) fn absorb(&mut self, other: Island) {
        self.others.extend(std::iter::once(other.first).chain(other.others));
    }

    /// Adds a line; the answer is its number.
    pub(crate) fn add_line(&mut self, line: Medium) -> u32 {
        let lines = self.lines.get_or_insert_default();
        lines.media.push(line);
        lines.media.len() as u32 - 1
    }

    pub(crate) fn line_latencies(&self) -> Vec<u64> {
        self.lines.as_ref().map_or(vec![], |l| l.media.iter().map(Medium::latency).collect())
    }

    /// A line by number.
    pub(crate) fn line(&self, i: u32) -> Option<&Medium> {
        self.lines.as_ref()?.media.get(i as usize)
    }

    pub(crate) fn lines_mut(&mut self) -> impl Iterator<Item = &mut Medium> {
        self.lines.iter_mut().flat_map(|l| &mut l.media)
    }

    /// A line by number.
    pub(crate) fn line_mut(&mut self, i: u32) -> Option<&mut Medium> {
        self.lines.as_mut()?.media.get_mut(i as usize)
    }

    /// When something happens in it by itself.
    pub fn next_activity(&self) -> Time {
        let nodes = self.nodes().map(Node::next_activity).min().unwrap_or(Time::MAX);
        let Some(lines) = &self.lines else { return nodes };
        if lines.open.is_some() {
            return lines.now;
        }
        nodes.min(lines.next())
    }

    /// Nothing in it lies before `now`. While nothing was due its lines were left behind: an epoch of theirs that a stop
    /// keeps open may have begun before, but ends later.
    pub(crate) fn fits(&self, now: Time) -> bool {
        let open = self.lines.as_ref().and_then(|l| l.open);
        open.unwrap_or_else(|| self.next_activity()) >= now
    }

    /// The earliest time at which one of its nodes can be heard on the fleet's media.
    pub(crate) fn heard(&self) -> Time {
        // A line may stir any node of the island.
        let from = self.next_activity();
        self.nodes().map(|n| n.heard_from(from)).min().unwrap_or(Time::MAX)
    }

    /// A node waits for a medium's answer to a measurement.
    pub(crate) fn held(&self) -> Option<Time> {
        self.nodes().filter(|n| n.machine.held()).map(Node::now).min()
    }

    /// A node has stopped and nobody was told.
    pub(crate) fn stopped(&self) -> bool {
        self.nodes().any(|n| n.stop.is_some())
    }

    /// Runs to `end`, or to a stop or a hold of a node.
    pub fn run_until(&mut self, end: Time) {
        if self.ahead {
            return self.run_ahead(end);
        }
        let Some(mut lines) = self.lines.take() else { return self.first.run_until(end) };
        self.run_lines(&mut lines, end);
        if lines.open.is_none() {
            // Sleepers too: what is done to one of them now happens now.
            self.nodes_mut().for_each(|n| n.run_until(end));
        }
        self.lines = Some(lines);
    }

    /// Runs a deaf island to `end`, or to an act on one of the fleet's media, or a stop.
    pub(crate) fn run_ahead(&mut self, end: Time) {
        self.first.run_ahead(end);
    }

    /// Nothing that happens on the fleet's media concerns it before it has acted on one of them.
    pub(crate) fn deaf(&self) -> bool {
        self.lines.is_none() && self.others.is_empty() && self.first.deaf()
    }

    /// To which time it must be run at least that something happens: an instruction that starts now is over later.
    pub(crate) fn due(&self) -> Time {
        let next = self.next_activity();
        if next > self.first.now() || self.first.has_event_at(next) { next } else { next + 1 }
    }

    fn run_lines(&mut self, lines: &mut Lines, end: Time) {
        loop {
            let Some(barrier) = lines.open.or_else(|| self.barrier(lines, end)) else { return };
            lines.open = Some(barrier);
            self.run_nodes(lines, barrier);
            if self.stopped() || self.held().is_some() {
                return;
            }
            lines.open = None;
            self.decide(lines, barrier);
        }
    }

    /// The end of the next epoch of the island, if there is anything to do up to `end`.
    fn barrier(&self, lines: &Lines, end: Time) -> Option<Time> {
        // An instruction that starts at `end` belongs to what comes after it.
        let due = lines.now < end || self.nodes().any(|n| n.has_event_at(end));
        let heard = self.nodes().map(|n| n.heard_on_lines_from(n.next_activity())).min();
        let barrier = end.min(heard.unwrap_or(Time::MAX)).min(lines.next());
        due.then(|| barrier.max(lines.now))
    }

    fn run_nodes(&mut self, lines: &mut Lines, barrier: Time) {
        for node in std::iter::once(&mut self.first).chain(&mut self.others) {
            if node.next_activity() <= barrier {
                node.run_until(barrier);
            }
            node.drain(&mut self.left);
        }
        lines.acts.append(&mut self.left.lines);
    }

    /// All nodes are at the barrier: the lines decide, and what they decide is delivered.
    fn decide(&mut self, lines: &mut Lines, barrier: Time) {
        lines.acts.sort_by_key(|a| (a.at, a.node, a.seq));
        let n = lines.acts.partition_point(|a| a.at <= barrier);
        for a in lines.acts.drain(..n) {
            lines.media[a.medium as usize].act(a.station, a.at, &a.act);
        }
        for (i, line) in (0..).zip(&mut lines.media) {
            if line.next_decision() > barrier {
                continue;
            }
            for Delivery { station, msg, .. } in line.run_until(barrier) {
                let mut nodes = std::iter::once(&mut self.first).chain(&mut self.others);
                let Some(node) = nodes.find(|n| n.seat(true, i, station).is_some()) else { continue };
                node.run_until(barrier);
                node.hear(true, i, station, msg);
            }
        }
        lines.now = barrier;
    }

    /// Takes what left its nodes.
    pub(crate) fn collect(&mut self, into: &mut Left) {
        for node in std::iter::once(&mut self.first).chain(&mut self.others) {
            node.drain(&mut self.left);
        }
        if let Some(lines) = &mut self.lines {
            lines.acts.append(&mut self.left.lines);
        }
        into.console.append(&mut self.left.console);
        into.acts.append(&mut self.left.acts);
    }

    /// A copy that goes its own way.
    pub(crate) fn fork(&mut self) -> Island {
        Island {
            id: self.id,
            first: self.first.fork(),
            others: self.others.iter_mut().map(Node::fork).collect(),
            lines: self.lines.clone(),
            left: Left::default(),
            ahead: false,
        }
    }

    /// What of the lines decides how the run goes on.
    pub(crate) fn lines_state(&self) -> Option<(&[Medium], &[NodeAct])> {
        self.lines.as_ref().map(|l| (&l.media[..], &l.acts[..]))
    }

    pub(crate) fn save_lines(&self) -> Option<Lines> {
        self.lines.as_deref().cloned()
    }

    pub(crate) fn load_lines(&mut self, saved: Option<Lines>) -> Result<(), LoadError> {
        let known = |l: &Option<Box<Lines>>| l.as_ref().map_or(0, |l| l.media.len());
        let saved = saved.map(Box::new);
        if known(&saved) != known(&self.lines) {
            return Err(LoadError::Mismatch("other lines between its nodes".into()));
        }
        let fits = |l: &Lines| {
            l.open.is_none_or(|end| end >= l.now)
                && l.media.iter().all(|m| m.fits(2, l.now))
                && l.acts
                    .iter()
                    .all(|a| a.at >= l.now && (a.medium as usize) < l.media.len() && a.station < 2)
        };
        if !saved.as_deref().is_none_or(fits) {
            return Err(LoadError::Corrupt("something on a line lies in the past".into()));
        }
        self.lines = saved;
        Ok(())
    }
}

impl Lines {
    /// When one of the lines does something by itself.
    fn next(&self) -> Time {
        let decided = self.media.iter().map(Medium::next_decision).min().unwrap_or(Time::MAX);
        let latency = self.media.iter().map(Medium::latency).min().unwrap_or(0);
        let waiting = self.acts.iter().map(|a| a.at + latency).min().unwrap_or(Time::MAX);
        decided.min(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config, determinism::tests::Shelf};
    use emu_core::link::Msg;

    #[test]
    fn mend_acts_on_lines_of_one_instant_are_in_order_of_their_nodes() {
        let node = |n: &str| format!("[node.{n}]\nmachine = \"mps2-an385\"\nimage = \"raw\"\nat = 0\n");
        let file = node("a") + &node("b") + "[[uart]]\na = \"a.uart0\"\nb = \"b.uart0\"\n";
        let (mut fleet, _) = config::load("f.toml", &file, None, &Shelf).unwrap_or_else(|e| panic!("{e}"));
        let act = |node: u32, at: u64| {
            let act = Msg::Level(Some(true));
            NodeAct { at: Time(at), node, seq: 1, medium: 0, station: node, act }
        };
        let island = fleet.island(0);
        island.lines.as_mut().expect("a line").acts = vec![act(1, 900_000), act(0, 900_000), act(1, 800_000)];
        island.run_until(Time(1000));
        let (_, acts) = island.lines_state().expect("a line");
        let order: Vec<_> = acts.iter().map(|a| (a.at.0, a.node)).collect();
        assert_eq!(order, [(800_000, 1), (900_000, 0), (900_000, 1)]);
    }
}
