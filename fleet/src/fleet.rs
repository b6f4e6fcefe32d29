//! The fleet and its scheduler.
//!
//! Machines share nothing and meet only through media. An epoch ends at a barrier: the earliest instant at which any
//! node can be heard on a medium (its promise plus that medium's latency), or the next decision of a medium, or the
//! next command. Up to the barrier every island (a machine, or several on fast lines) runs on its own, in any order
//! and on any thread; then acts are sorted by (time, node, sequence), the media decide, and deliveries happen at the
//! barrier. Sleepers that have nothing due are not touched.
//!
//! Architecture Invariant: nothing is delivered before the barrier; it is asserted.

use crate::{
    agenda::Agenda,
    command::Command,
    executor::Executor,
    island::Island,
    journal::Journal,
    node::{ConsoleByte, Left, Node, NodeAct, Seat, Stop},
    view::FleetView,
};
use emu_core::{
    Time,
    device::{DevId, Port},
    link::{AirEvent, Msg, RadioAct},
    machine::{Exit, PortKind},
};
use netsim::{
    Medium, RadioConfig, RadioMedium,
    gateway::HostRequest,
    medium::{Delivery, Logged},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Why the fleet stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetExit {
    /// The wanted time is reached.
    Reached,
    /// A node stopped at its [`Node::now`]; the others are there or at most one epoch ahead.
    Stopped {
        /// Which.
        node: u32,
        /// Why.
        exit: Exit,
    },
    /// The executor was interrupted; the fleet goes on from here when it is run again.
    Interrupted,
    /// A guest ended itself.
    Exited {
        /// Which node.
        node: u32,
        /// Its code.
        code: u32,
    },
}

/// A run that ends because of what its guests do (print, end themselves, lock up) ends at the next multiple of this many
/// nanoseconds. So no epoch in which somebody does something reaches beyond one.
pub const GRID: u64 = 10_000_000;

/// The first instant of the grid after `t`.
pub fn grid_after(t: Time) -> Time {
    Time((t.0 / GRID + 1).saturating_mul(GRID))
}

/// The number of the radio medium, which every fleet has.
pub const RADIO: u32 = 0;

/// One end of a line between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Node.
    pub node: u32,
    /// Its device.
    pub dev: DevId,
    /// The device's port.
    pub port: Port,
}

/// A medium as logs name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediumId {
    /// One of [`Fleet::media`].
    Network(u32),
    /// One of the lines.
    Line(u32),
}

/// A medium of the fleet with its name.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub name: String,
    pub medium: Medium,
    /// The node of each station.
    pub stations: BTreeMap<u32, u32>,
}

/// Many machines under one virtual clock.
pub struct Fleet {
    /// `None` while an executor has the island, and for good if another took it in.
    pub(crate) islands: Vec<Option<Box<Island>>>,
    /// Island and place in it of every node.
    pub(crate) homes: Vec<(u32, u32)>,
    pub(crate) networks: Vec<Network>,
    /// Island and number in it of every line.
    pub(crate) lines: Vec<(u32, u32)>,
    pub(crate) now: Time,
    pub(crate) seed: u64,
    /// Longest epoch in nanoseconds. Changes nothing but the host's rhythm.
    pub slice: u64,
    /// The barrier of an epoch that a stop interrupted.
    pub(crate) open_epoch: Option<Time>,
    pub(crate) activity: Agenda,
    /// When a deaf island is due: these are not in `activity`.
    pub(crate) ahead: Agenda,
    /// When an island can be heard on a medium.
    pub(crate) heard: Agenda,
    /// Some node waits for an answer of a medium within the epoch.
    pub(crate) holding: bool,
    /// Nodes that stopped in the open epoch and have not been told of.
    pub(crate) stopped: BTreeSet<u32>,
    pub(crate) acts: Vec<NodeAct>,
    /// Console bytes of the open epoch, then those of closed ones in order of time.
    pub(crate) fresh: Vec<ConsoleByte>,
    pub(crate) console: Vec<ConsoleByte>,
    /// Commands to come, by time and order of arrival.
    pub(crate) pending: BTreeMap<(Time, u64), Command>,
    pub(crate) arrivals: u64,
    pub(crate) journal: Journal,
    pub(crate) frames: u64,
    pub(crate) logging: bool,
}

/// What the air may still say to a station that has ceased to listen, in vain.
fn is_late(msg: &Msg) -> bool {
    matches!(msg, Msg::Air(AirEvent::Lost { .. }))
}

/// Why a node is always there outside an epoch.
pub(crate) const HOME: &str = "nodes are home between epochs";

impl Fleet {
    /// A fleet without nodes. `seed` decides everything random in its media.
    pub fn new(seed: u64, radio: RadioConfig) -> Fleet {
        let radio = Medium::Radio(RadioMedium::new(radio, seed));
        Fleet {
            islands: vec![],
            homes: vec![],
            networks: vec![Network { name: "radio".into(), medium: radio, stations: BTreeMap::new() }],
            lines: vec![],
            now: Time::ZERO,
            seed,
            slice: u64::MAX,
            open_epoch: None,
            activity: Agenda::default(),
            ahead: Agenda::default(),
            heard: Agenda::default(),
            holding: false,
            stopped: BTreeSet::new(),
            acts: vec![],
            fresh: vec![],
            console: vec![],
            pending: BTreeMap::new(),
            arrivals: 0,
            journal: Journal::default(),
            frames: 0,
            logging: false,
        }
    }

    /// Adds a node; its number is its position. Nodes are added before the fleet runs. Its radio is on the air.
    pub fn add(&mut self, node: Node) {
        assert_eq!(node.id() as usize, self.homes.len(), "nodes are numbered in order");
        let (id, position) = (node.id(), node.position);
        let radio = node.machine.ports.iter().find(|p| p.kind == PortKind::Radio).map(|p| (p.dev, p.port));
        self.homes.push((id, 0));
        self.islands.push(Some(Box::new(Island::new(id, node))));
        if let Some((dev, port)) = radio {
            self.attach(RADIO, id, End { node: id, dev, port });
            if let Medium::Radio(m) = &mut self.networks[0].medium {
                m.place(id, position);
            }
        }
        self.refresh(id as usize);
    }

    /// Adds a medium; the answer is its number.
    pub fn add_medium(&mut self, name: &str, medium: Medium) -> u32 {
        self.networks.push(Network { name: name.into(), medium, stations: BTreeMap::new() });
        self.networks.len() as u32 - 1
    }

    /// Puts a node's port on a medium as `station`.
    pub fn attach(&mut self, medium: u32, station: u32, end: End) {
        let network = &mut self.networks[medium as usize];
        network.stations.insert(station, end.node);
        let latency = network.medium.latency();
        let End { node, dev, port } = end;
        let seats = &mut self.at(node).seats;
        seats.reserve_exact(1); // most nodes have one
        seats.push(Seat { dev, port, line: false, medium, station, latency });
        self.refresh(self.homes[node as usize].0 as usize);
    }

    /// Joins nodes by lines, before the fleet runs, once. The lines get numbers in this order.
    pub fn join(&mut self, lines: Vec<(Medium, [End; 2])>) {
        for (_, [a, b]) in &lines {
            self.merge(a.node, b.node);
        }
        for (medium, ends) in lines {
            let (home, latency) = (self.homes[ends[0].node as usize].0, medium.latency());
            let line = self.island(home as usize).add_line(medium);
            self.lines.push((home, line));
            for (station, End { node, dev, port }) in (0..).zip(ends) {
                let node = self.at(node);
                node.machine.bus.fabric.followed.push((dev, port));
                node.seats.push(Seat { dev, port, line: true, medium: line, station, latency });
            }
            self.refresh(home as usize);
        }
    }

    fn merge(&mut self, a: u32, b: u32) {
        let (a, b) = (self.homes[a as usize].0, self.homes[b as usize].0);
        if a == b {
            return;
        }
        let (into, from) = (a.min(b), a.max(b));
        let Some(other) = self.islands[from as usize].take() else { return };
        let first = self.island(into as usize).nodes().count() as u32;
        for (i, node) in other.nodes().enumerate() {
            self.homes[node.id() as usize] = (into, first + i as u32);
        }
        self.island(into as usize).absorb(*other);
        self.refresh(from as usize);
        self.refresh(into as usize);
    }

    /// Virtual time: every node has run up to here, sleepers in spirit.
    pub fn now(&self) -> Time {
        self.now
    }
    /// No node stands at a stop in the middle of an epoch, or has run ahead to where a run was to end: the fleet's state is that of [`Fleet::now`].
    pub fn between_epochs(&self) -> bool {
        // With a clock that drifts a node's own time is known to a nanosecond only.
        let ahead = |n: &Node| n.now() > self.now + u64::from(n.skew.ppm() != 0);
        self.open_epoch.is_none() && !self.nodes().any(ahead)
    }
    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }
    /// All nodes by number.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.homes.iter().map(|&(island, i)| self.islands[island as usize].as_ref().expect(HOME).node(i))
    }
    pub(crate) fn island(&mut self, i: usize) -> &mut Island {
        self.islands[i].as_mut().expect(HOME)
    }
    /// Node number `i`, which exists.
    pub(crate) fn node(&self, i: u32) -> &Node {
        let (island, i) = self.homes[i as usize];
        self.islands[island as usize].as_ref().expect(HOME).node(i)
    }
    pub(crate) fn at(&mut self, i: u32) -> &mut Node {
        let (island, i) = self.homes[i as usize];
        self.island(island as usize).node_mut(i)
    }
    /// A node by name.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.nodes().position(|n| n.name == name).map(|i| i as u32)
    }
    /// A node for a debugger: breakpoints and reading. What changes state goes through [`Fleet::apply`].
    pub fn node_mut(&mut self, node: u32) -> Option<&mut Node> {
        ((node as usize) < self.homes.len()).then(|| self.at(node))
    }
    /// Names of the media by number.
    pub fn media(&self) -> impl Iterator<Item = (&str, &Medium)> {
        self.networks.iter().map(|n| (&n.name[..], &n.medium))
    }
    /// A line by its number.
    pub fn line(&self, line: u32) -> Option<&Medium> {
        let (island, i) = *self.lines.get(line as usize)?;
        self.islands[island as usize].as_ref()?.line(i)
    }

    pub(crate) fn refresh(&mut self, island: usize) {
        let (activity, heard) = match &self.islands[island] {
            Some(i) => (i.next_activity(), i.heard()),
            None => (Time::MAX, Time::MAX),
        };
        let ahead = self.due_ahead(island);
        self.ahead.set(island as u32, ahead);
        self.activity.set(island as u32, if ahead == Time::MAX { activity } else { Time::MAX });
        self.heard.set(island as u32, heard);
    }

    /// Brings a node and its island to the present.
    pub(crate) fn bring(&mut self, node: u32) -> &mut Node {
        let (now, (home, i)) = (self.now, self.homes[node as usize]);
        let island = self.island(home as usize);
        island.run_until(now);
        island.node_mut(i)
    }

    // ---- running ----

    /// Runs up to `end` or the first stop. Stops are told in order of time and node, whatever the epochs.
    pub fn run_until(&mut self, end: Time, executor: &dyn Executor) -> FleetExit {
        loop {
            if executor.interrupted() {
                return FleetExit::Interrupted;
            }
            if self.open_epoch.is_none() {
                self.apply_due();
                if self.now >= end && self.first_stop().is_none_or(|(at, _)| at > self.now) {
                    return FleetExit::Reached;
                }
                self.run_ahead(end, executor);
                // Who has not run ahead because of an interruption must not be left behind an epoch.
                let whole = !executor.interrupted();
                self.open_epoch = Some(if whole { self.barrier(end) } else { self.now });
            }
            let barrier = self.open_epoch.unwrap_or(end);
            self.run_epoch(barrier, executor);
            if executor.interrupted() {
                continue; // the epoch stays open
            }
            if let Some(exit) = self.tell_stop(barrier) {
                return exit;
            }
            self.open_epoch = None;
            self.close_epoch(barrier);
        }
    }

    /// Executes one instruction of `node`, waiting for it up to `end`; the others keep up.
    pub fn step(&mut self, node: u32, end: Time, executor: &dyn Executor) -> FleetExit {
        if let Some(n) = self.node_mut(node) {
            n.step = true;
        }
        let exit = self.run_until(end, executor);
        if let Some(n) = self.node_mut(node) {
            n.step = false;
        }
        exit
    }

    /// The first stop not told yet: when and who.
    fn first_stop(&self) -> Option<(Time, u32)> {
        self.stopped.iter().map(|&node| (self.node(node).now(), node)).min()
    }

    /// Tells the first stop of an epoch in which everybody has come as far as its barrier or a stop, with what was
    /// printed before. Who ran ahead and stopped beyond the barrier is told when the others are there.
    fn tell_stop(&mut self, barrier: Time) -> Option<FleetExit> {
        let (at, node) = self.first_stop().filter(|(at, _)| *at <= barrier)?;
        self.stopped.remove(&node);
        self.show_until(at);
        match self.at(node).stop.take() {
            Some(Stop::Exit(exit)) => Some(FleetExit::Stopped { node, exit }),
            Some(Stop::Ended(code)) => Some(FleetExit::Exited { node, code }),
            None => self.tell_stop(barrier),
        }
    }

    /// The end of the next epoch: nobody hears anything of it before then.
    pub(crate) fn barrier(&self, end: Time) -> Time {
        let command = self.pending.first_key_value().map_or(Time::MAX, |(k, _)| k.0);
        let decision = self.networks.iter().map(|n| n.medium.next_decision()).min().unwrap_or(Time::MAX);
        let latency = |a: &NodeAct| self.networks[a.medium as usize].medium.latency();
        let waiting = self.acts.iter().map(|a| a.at + latency(a)).min().unwrap_or(Time::MAX);
        let slice = self.now + self.slice.max(1);
        let stop = self.first_stop().map_or(Time::MAX, |(at, _)| at);
        let grid = grid_after(self.activity.first().max(self.now));
        let barrier = end.min(self.heard.first()).min(command).min(decision).min(waiting).min(slice);
        barrier.min(stop).min(grid).max(self.now)
    }

    /// Runs everything that is due to the barrier. A node that waits for the medium's answer to a measurement gets it
    /// once all others are beyond that instant.
    fn run_epoch(&mut self, barrier: Time, executor: &dyn Executor) {
        loop {
            self.run_due(barrier, executor);
            if executor.interrupted() {
                return;
            }
            if self.first_stop().is_some_and(|(at, _)| at <= barrier) {
                return; // who stands there may still act before the others' measurements are over
            }
            let held = |f: &Fleet| f.islands.iter().flatten().filter_map(|i| i.held()).min();
            let Some(at) = self.holding.then(|| held(self)).flatten() else { return };
            if at > barrier {
                return; // by a slow clock's last nanosecond: the next epoch's
            }
            self.decide(at);
            self.answer(at);
        }
    }

    /// Everything up to `at` is decided: whoever waits there for a medium's answer gets it and goes on.
    fn answer(&mut self, at: Time) {
        for i in 0..self.islands.len() {
            let Some(island) = self.islands[i].as_mut().filter(|i| i.held() == Some(at)) else { continue };
            for node in island.nodes_mut().filter(|n| n.machine.held() && n.now() == at) {
                for i in 0..node.seats.len() {
                    let Seat { line: false, medium, station, .. } = node.seats[i] else { continue };
                    if let Some(d) = self.networks[medium as usize].medium.answer(station, at) {
                        node.hear(false, medium, station, d.msg);
                    }
                }
                node.machine.release();
            }
            self.refresh(i);
        }
    }

    fn run_due(&mut self, barrier: Time, executor: &dyn Executor) {
        self.holding = false;
        let due = self.activity.until(barrier);
        match &due[..] {
            [] => {}
            [one] => self.island(*one as usize).run_until(barrier),
            _ => {
                let away = due.iter().map(|&i| self.islands[i as usize].take().expect(HOME)).collect();
                for island in executor.run(away, barrier) {
                    let i = island.id as usize;
                    self.islands[i] = Some(island);
                }
            }
        }
        for i in due {
            self.collect(i as usize);
            let island = self.islands[i as usize].as_ref().expect(HOME);
            self.holding |= island.held().is_some();
            self.stopped.extend(island.nodes().filter(|n| n.stop.is_some()).map(Node::id));
        }
    }

    /// Takes what left an island and notes when it is due again.
    pub(crate) fn collect(&mut self, i: usize) {
        let mut left = Left {
            console: std::mem::take(&mut self.fresh),
            acts: std::mem::take(&mut self.acts),
            lines: vec![],
        };
        self.island(i).collect(&mut left);
        (self.fresh, self.acts) = (left.console, left.acts);
        self.refresh(i);
    }

    /// All nodes are at the barrier: the media decide, and what they decide is delivered.
    fn close_epoch(&mut self, barrier: Time) {
        self.decide(barrier);
        // What a delivery brought about at the barrier itself is the next epoch's.
        debug_assert!(self.acts.iter().all(|a| a.at >= barrier), "act behind the barrier");
        self.now = barrier;
        self.show_until(barrier);
    }

    /// The media take the acts up to `to` and decide; deliveries happen at `to`, to which every node concerned has run.
    pub(crate) fn decide(&mut self, to: Time) {
        let before = self.now;
        self.acts.sort_by_key(|a| (a.at, a.node, a.seq));
        let n = self.acts.partition_point(|a| a.at <= to);
        let taken: Vec<_> = self.acts.drain(..n).collect();
        for a in &taken {
            debug_assert!(a.at >= before, "act before its epoch");
            self.frames += u64::from(matches!(a.act, Msg::Radio(RadioAct::TxStart(_)) | Msg::Frame(_)));
            self.networks[a.medium as usize].medium.act(a.station, a.at, &a.act);
        }
        for a in taken {
            self.refresh(self.homes[a.node as usize].0 as usize); // it may run ahead now
        }
        for m in 0..self.networks.len() {
            if self.networks[m].medium.next_decision() > to {
                continue;
            }
            for Delivery { at, station, msg } in self.networks[m].medium.run_until(to) {
                assert!(at >= before && at <= to, "delivery at {at} outside {before} to {to}");
                let Some(&node) = self.networks[m].stations.get(&station) else { continue };
                let (home, i) = self.homes[node as usize];
                let island = self.island(home as usize);
                if island.node(i).is_beyond(to) {
                    // It runs ahead, since nothing concerns it but what it would not heed.
                    assert!(is_late(&msg), "delivery at {at} behind node {node}");
                    continue;
                }
                island.run_until(to);
                island.node_mut(i).hear(false, m as u32, station, msg);
                self.collect(home as usize);
            }
        }
    }

    fn show_until(&mut self, end: Time) {
        self.fresh.sort_by_key(|b| (b.at, b.node));
        let n = self.fresh.partition_point(|b| b.at <= end);
        if n == self.fresh.len() && self.console.is_empty() {
            return std::mem::swap(&mut self.fresh, &mut self.console);
        }
        self.console.extend(self.fresh.drain(..n));
    }

    // ---- what comes out ----

    /// Console bytes since the last call, in order of time and node.
    pub fn take_console(&mut self) -> Vec<ConsoleByte> {
        std::mem::take(&mut self.console)
    }

    /// Keeps a log of all media and lines from now on.
    pub fn log_media(&mut self) {
        self.logging = true;
        self.networks.iter_mut().for_each(|n| n.medium.log());
        self.islands.iter_mut().flatten().flat_map(|i| i.lines_mut()).for_each(Medium::log);
    }

    /// What is over and was not taken yet, medium by medium; `all`: what is still under way, too.
    pub fn take_log(&mut self, all: bool) -> Vec<(MediumId, Logged)> {
        if !self.logging {
            return vec![];
        }
        let mut log = vec![];
        for (i, n) in (0..).zip(&mut self.networks) {
            log.extend(n.medium.take_log(all).into_iter().map(|l| (MediumId::Network(i), l)));
        }
        for i in 0..self.lines.len() {
            let (home, line) = self.lines[i];
            if let Some(line) = self.island(home as usize).line_mut(line) {
                log.extend(line.take_log(all).into_iter().map(|l| (MediumId::Line(i as u32), l)));
            }
        }
        log
    }

    /// What gateways want of the host, with the number of the medium.
    pub fn take_host_requests(&mut self) -> Vec<(u32, HostRequest)> {
        let all = (0..).zip(&mut self.networks);
        all.flat_map(|(i, n)| n.medium.take_requests().into_iter().map(move |r| (i, r))).collect()
    }

    /// The fleet as people see it now.
    pub fn view(&mut self) -> Arc<FleetView> {
        let now = self.now;
        let nodes = (0..self.homes.len() as u32).map(|i| self.node_view(i)).collect();
        Arc::new(FleetView { now, nodes, frames: self.frames, commands: self.journal().len() as u64 })
    }

    /// Instructions retired by all nodes.
    pub fn retired(&self) -> u64 {
        self.nodes().map(|n| n.machine.retired()).sum()
    }
}
