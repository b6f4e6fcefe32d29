//! The fleet and its scheduler.
//!
//! Machines share nothing and meet only through media. An epoch ends at a barrier: the earliest promise of any node
//! (the first instant at which it can be heard) plus the medium's latency, or the next decision of the medium, or the
//! next command. Up to the barrier every machine runs on its own, in any order and on any thread; then acts are
//! sorted by (time, node, sequence), the medium decides, and deliveries happen at the barrier. Sleepers that have
//! nothing due are not touched.
//!
//! Architecture Invariant: nothing is delivered before the barrier; it is asserted.

use crate::{
    command::{Act, Command},
    executor::Executor,
    node::{ConsoleByte, Node, NodeAct},
    view::{ConsoleView, FleetView, MistakeView, NodeState, NodeView},
};
use emu_core::{
    Time,
    link::Msg,
    machine::Exit,
    save::{self, LoadError},
};
use netsim::{Delivery, RadioConfig, RadioMedium};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Why the fleet stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetExit {
    /// The wanted time is reached.
    Reached,
    /// A node stopped; the others are at most one epoch ahead.
    Stopped {
        /// Which.
        node: u32,
        /// Why.
        exit: Exit,
    },
    /// A guest ended itself.
    Exited {
        /// Which node.
        node: u32,
        /// Its code.
        code: u32,
    },
}

/// Times at which nodes do something next, as an ordered set and by node.
#[derive(Clone, Debug, Default)]
struct Agenda {
    order: BTreeSet<(Time, u32)>,
    times: Vec<Time>,
}

impl Agenda {
    fn set(&mut self, node: u32, at: Time) {
        let n = node as usize;
        if self.times.len() <= n {
            self.times.resize(n + 1, Time::MAX);
        }
        let old = std::mem::replace(&mut self.times[n], at);
        if old != at {
            self.order.remove(&(old, node));
        }
        if at != Time::MAX {
            self.order.insert((at, node));
        }
    }
    fn first(&self) -> Time {
        self.order.first().map_or(Time::MAX, |e| e.0)
    }
    fn until(&self, t: Time) -> Vec<u32> {
        let mut due: Vec<_> = self.order.range(..=(t, u32::MAX)).map(|e| e.1).collect();
        due.sort_unstable();
        due
    }
}

/// Many machines under one virtual clock.
pub struct Fleet {
    /// `None` only while an executor has the node.
    nodes: Vec<Option<Box<Node>>>,
    radio: RadioMedium,
    now: Time,
    seed: u64,
    /// Longest epoch in nanoseconds. Changes nothing but the host's rhythm.
    pub slice: u64,
    /// The barrier of an epoch that a stop interrupted.
    open_epoch: Option<Time>,
    activity: Agenda,
    promises: Agenda,
    /// Some node waits for an answer of the medium within the epoch.
    holding: bool,
    /// Nodes that stopped in the open epoch and have not been told of.
    stopped: BTreeSet<u32>,
    acts: Vec<NodeAct>,
    /// Console bytes of the open epoch, then those of closed ones in order of time.
    fresh: Vec<ConsoleByte>,
    console: Vec<ConsoleByte>,
    /// Commands to come, by time and order of arrival.
    pending: BTreeMap<(Time, u64), Command>,
    arrivals: u64,
    journal: Vec<Command>,
    frames: u64,
    tap: Option<Vec<NodeAct>>,
}

#[derive(Serialize, Deserialize)]
struct SavedFleet {
    version: u16,
    now: Time,
    seed: u64,
    open_epoch: Option<Time>,
    acts: Vec<NodeAct>,
    pending: BTreeMap<(Time, u64), Command>,
    arrivals: u64,
    journal: Vec<Command>,
    frames: u64,
    radio: RadioMedium,
    stopped: BTreeSet<u32>,
    fresh: Vec<ConsoleByte>,
    nodes: Vec<Vec<u8>>,
}

const VERSION: u16 = 1;
/// Why a node is always there outside an epoch.
const HOME: &str = "nodes are home between epochs";

impl Fleet {
    /// A fleet without nodes. `seed` decides everything random in its media.
    pub fn new(seed: u64, radio: RadioConfig) -> Fleet {
        Fleet {
            nodes: vec![],
            radio: RadioMedium::new(radio, seed),
            now: Time::ZERO,
            seed,
            slice: u64::MAX,
            open_epoch: None,
            activity: Agenda::default(),
            promises: Agenda::default(),
            holding: false,
            stopped: BTreeSet::new(),
            acts: vec![],
            fresh: vec![],
            console: vec![],
            pending: BTreeMap::new(),
            arrivals: 0,
            journal: vec![],
            frames: 0,
            tap: None,
        }
    }

    /// Adds a node; its number is its position. Nodes are added before the fleet runs.
    pub fn add(&mut self, node: Node) {
        assert_eq!(node.id as usize, self.nodes.len(), "nodes are numbered in order");
        if node.radio.is_some() {
            self.radio.place(node.id, node.position);
        }
        self.nodes.push(Some(Box::new(node)));
        self.refresh(self.nodes.len() - 1);
    }

    /// Virtual time: every node has run up to here, sleepers in spirit.
    pub fn now(&self) -> Time {
        self.now
    }
    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }
    /// All nodes.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.nodes.iter().map(|n| &**n.as_ref().expect(HOME))
    }
    fn all_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.nodes.iter_mut().map(|n| &mut **n.as_mut().expect(HOME))
    }
    /// Node number `i`, which exists.
    fn node(&self, i: usize) -> &Node {
        self.nodes[i].as_ref().expect(HOME)
    }
    fn at(&mut self, i: usize) -> &mut Node {
        self.nodes[i].as_mut().expect(HOME)
    }
    /// A node by name.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.nodes().position(|n| n.name == name).map(|i| i as u32)
    }
    /// A node for a debugger: breakpoints and reading. What changes state goes through [`Fleet::apply`].
    pub fn node_mut(&mut self, node: u32) -> Option<&mut Node> {
        self.nodes.get_mut(node as usize)?.as_deref_mut()
    }

    fn refresh(&mut self, i: usize) {
        let node = self.node(i);
        let (activity, promise) = (node.next_activity(), node.radio.map(|_| node.promise()));
        self.activity.set(i as u32, activity);
        if let Some(promise) = promise {
            self.promises.set(i as u32, promise);
        }
    }

    // ---- commands ----

    /// Takes a command; it happens at its time, or now if that is past.
    pub fn apply(&mut self, mut command: Command) {
        command.at = command.at.max(self.now);
        self.arrivals += 1;
        self.pending.insert((command.at, self.arrivals), command);
    }

    /// Commands are still to come.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Commands that are due now.
    fn apply_due(&mut self) {
        while let Some(entry) = self.pending.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let command = entry.remove();
            self.apply_now(command);
        }
    }

    fn apply_now(&mut self, mut command: Command) {
        let i = command.node as usize;
        let now = self.now;
        let Some(node) = self.node_mut(command.node) else { return };
        node.run_until(now);
        command.at = now; // a command that came in the middle of an epoch waited for its end
        command.retired = node.machine.retired();
        match &command.act {
            Act::Text { console, bytes } => {
                let port = node.machine.bus.fabric.consoles.get(usize::from(*console));
                if let Some((dev, port)) = port.map(|c| (c.dev, c.port)) {
                    node.machine.deliver(dev, port, Msg::Text(bytes.clone()));
                }
            }
            Act::Input { device, name, value } => {
                node.machine.input(device, name, *value);
            }
            Act::Reset(kind) => {
                node.machine.reset(*kind);
                node.state = NodeState::Running;
            }
            Act::Move(position) => {
                node.position = *position;
                self.radio.place(command.node, *position);
            }
            Act::WriteMemory { addr, bytes } => {
                let (cpu, bus) = node.machine.cpu_mut(0);
                cpu.debug_write(bus, *addr, bytes);
            }
            Act::WriteRegister { reg, value } => {
                node.machine.cpu_mut(0).0.set_reg(usize::from(*reg), *value);
            }
        }
        self.journal.push(command);
        self.collect(i);
    }

    /// Everything applied so far, in order.
    pub fn journal(&self) -> &[Command] {
        &self.journal
    }

    // ---- running ----

    /// Runs up to `end` or the first stop.
    pub fn run_until(&mut self, end: Time, executor: &dyn Executor) -> FleetExit {
        loop {
            if let Some(exit) = self.next_stop() {
                return exit;
            }
            if self.open_epoch.is_none() {
                self.apply_due();
                if self.now >= end {
                    return FleetExit::Reached;
                }
                self.open_epoch = Some(self.barrier(end));
            }
            let barrier = self.open_epoch.unwrap_or(end);
            self.run_epoch(barrier, executor);
            if !self.stopped.is_empty() {
                self.show_until_stop();
                continue;
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

    /// The first stop not told yet.
    fn next_stop(&mut self) -> Option<FleetExit> {
        let node = self.stopped.pop_first()?;
        let n = self.at(node as usize);
        if let Some(exit) = n.stop.take() {
            return Some(FleetExit::Stopped { node, exit });
        }
        match n.state {
            NodeState::Exited { code } => Some(FleetExit::Exited { node, code }),
            _ => self.next_stop(),
        }
    }

    /// The end of the next epoch: nobody hears anything of it before then.
    fn barrier(&self, end: Time) -> Time {
        let heard = self.promises.first() + self.radio.latency();
        let command = self.pending.first_key_value().map_or(Time::MAX, |(k, _)| k.0);
        let slice = self.now + self.slice.max(1);
        let barrier = end.min(heard).min(command).min(self.radio.next_decision()).min(slice);
        barrier.max(self.now)
    }

    /// Runs everything that is due to the barrier. A node that waits for the medium's answer to a measurement gets it
    /// once all others are beyond that instant.
    fn run_epoch(&mut self, barrier: Time, executor: &dyn Executor) {
        loop {
            self.run_due(barrier, executor);
            let held = |f: &Fleet| f.nodes().filter(|n| n.machine.held()).map(|n| n.machine.now()).min();
            let Some(at) = self.holding.then(|| held(self)).flatten() else { return };
            self.decide(at);
            for i in 0..self.nodes.len() {
                let node = self.at(i);
                if node.machine.held() && node.machine.now() == at {
                    node.machine.release();
                    self.refresh(i);
                }
            }
        }
    }

    fn run_due(&mut self, barrier: Time, executor: &dyn Executor) {
        self.holding = false;
        let due = self.activity.until(barrier);
        match &due[..] {
            [] => {}
            [one] => self.at(*one as usize).run_until(barrier),
            _ => {
                let away = due.iter().map(|&i| self.nodes[i as usize].take().expect(HOME)).collect();
                for node in executor.run(away, barrier) {
                    let i = node.id as usize;
                    self.nodes[i] = Some(node);
                }
            }
        }
        for i in due {
            self.collect(i as usize);
            self.holding |= self.node(i as usize).machine.held();
            let n = self.node(i as usize);
            if n.stop.is_some() || matches!(n.state, NodeState::Exited { .. }) {
                self.stopped.insert(i);
            }
        }
    }

    /// Takes what left a node and notes when it is due again.
    fn collect(&mut self, i: usize) {
        let node = self.nodes[i].as_mut().expect(HOME);
        node.drain(&mut self.fresh, &mut self.acts);
        self.refresh(i);
    }

    /// All nodes are at the barrier: the media decide, and what they decide is delivered.
    fn close_epoch(&mut self, barrier: Time) {
        self.decide(barrier);
        // What a delivery brought about at the barrier itself is the next epoch's.
        debug_assert!(self.acts.iter().all(|a| a.at == barrier), "act behind the barrier");
        self.now = barrier;
        self.fresh.sort_by_key(|b| (b.at, b.node));
        self.console.append(&mut self.fresh);
    }

    /// The media take the acts up to `to` and decide; deliveries happen at `to`, to which every node concerned has run.
    fn decide(&mut self, to: Time) {
        let before = self.now;
        self.acts.sort_by_key(|a| (a.at, a.node, a.seq));
        let n = self.acts.partition_point(|a| a.at <= to);
        let acts: Vec<_> = self.acts.drain(..n).collect();
        for a in &acts {
            debug_assert!(a.at >= before, "act before its epoch");
            self.frames += u64::from(matches!(a.act, emu_core::link::RadioAct::TxStart(_)));
            self.radio.act(a.node, a.at, &a.act);
        }
        if let Some(tap) = &mut self.tap {
            tap.extend(acts);
        }
        for Delivery { at, node, event } in self.radio.run_until(to) {
            assert!(at >= before && at <= to, "delivery at {at} outside {before} to {to}");
            let i = node as usize;
            let node = self.at(i);
            node.run_until(to);
            if let (Some((dev, port, _)), NodeState::Running) = (node.radio, node.state) {
                node.machine.deliver(dev, port, Msg::Air(event));
            }
            self.collect(i);
        }
    }

    /// What was printed before the stop is shown with it.
    fn show_until_stop(&mut self) {
        let stops = self.stopped.iter().map(|&i| self.node(i as usize).machine.now());
        let stop = stops.min().unwrap_or(self.now);
        self.fresh.sort_by_key(|b| (b.at, b.node));
        let n = self.fresh.partition_point(|b| b.at <= stop);
        self.console.extend(self.fresh.drain(..n));
    }

    // ---- what comes out ----

    /// Console bytes since the last call, in order of time and node.
    pub fn take_console(&mut self) -> Vec<ConsoleByte> {
        std::mem::take(&mut self.console)
    }

    /// Collects what happens on the air from now on.
    pub fn tap_air(&mut self) {
        self.tap = Some(vec![]);
    }

    /// Radio acts since the last call, in order; empty without [`Fleet::tap_air`].
    pub fn take_air(&mut self) -> Vec<NodeAct> {
        self.tap.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The fleet as people see it now.
    pub fn view(&mut self) -> Arc<FleetView> {
        let now = self.now;
        let nodes = self.all_mut().map(|n| node_view(n, now)).collect();
        Arc::new(FleetView { now, nodes, frames: self.frames, commands: self.journal.len() as u64 })
    }

    /// Instructions retired by all nodes.
    pub fn retired(&self) -> u64 {
        self.nodes().map(|n| n.machine.retired()).sum()
    }

    /// Digest of everything that decides how the run goes on, with all nodes brought to the present time.
    pub fn digest(&mut self) -> u128 {
        let now = self.now;
        let mut parts = vec![];
        for n in self.all_mut() {
            n.run_until(now);
            parts.push(n.digest());
        }
        let fleet = (VERSION, now, self.seed, &self.radio, &self.acts, &self.pending, &self.journal);
        save::digest(&save::to_bytes(&(parts, save::digest(&save::to_bytes(&fleet)))))
    }

    // ---- snapshot ----

    /// A copy that goes its own way from here.
    pub fn fork(&mut self) -> Fleet {
        let mut copy = Fleet {
            nodes: self.all_mut().map(|n| Some(Box::new(n.fork()))).collect(),
            radio: self.radio.clone(),
            stopped: self.stopped.clone(),
            activity: self.activity.clone(),
            promises: self.promises.clone(),
            acts: self.acts.clone(),
            fresh: self.fresh.clone(),
            console: vec![],
            pending: self.pending.clone(),
            journal: self.journal.clone(),
            tap: None,
            ..*self
        };
        for i in 0..copy.nodes.len() {
            copy.refresh(i);
        }
        copy
    }

    /// The whole state as bytes, but for console bytes that [`Fleet::take_console`] would give now.
    pub fn save(&mut self) -> Vec<u8> {
        save::to_bytes(&SavedFleet {
            version: VERSION,
            now: self.now,
            seed: self.seed,
            open_epoch: self.open_epoch,
            acts: self.acts.clone(),
            pending: self.pending.clone(),
            arrivals: self.arrivals,
            journal: self.journal.clone(),
            frames: self.frames,
            radio: self.radio.clone(),
            stopped: self.stopped.clone(),
            fresh: self.fresh.clone(),
            nodes: self.nodes().map(Node::save).collect(),
        })
    }

    /// Restores [`Fleet::save`]'s bytes into a fleet built from the same file. After an error throw it away.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let s: SavedFleet = save::from_bytes(bytes)?;
        if s.version != VERSION || s.nodes.len() != self.nodes.len() {
            return Err(LoadError::Mismatch(format!(
                "version {} with {} nodes; this fleet: version {VERSION} with {}",
                s.version,
                s.nodes.len(),
                self.nodes.len()
            )));
        }
        for (node, bytes) in self.all_mut().zip(&s.nodes) {
            node.load(bytes)?;
        }
        (self.now, self.seed, self.open_epoch, self.acts) = (s.now, s.seed, s.open_epoch, s.acts);
        (self.pending, self.arrivals, self.journal) = (s.pending, s.arrivals, s.journal);
        (self.frames, self.radio) = (s.frames, s.radio);
        (self.stopped, self.fresh) = (s.stopped, s.fresh);
        self.stopped.retain(|i| (*i as usize) < self.nodes.len());
        self.console.clear();
        for i in 0..self.nodes.len() {
            self.refresh(i);
            let untold = self.stopped.contains(&(i as u32));
            self.at(i).stop_again(untold);
        }
        if self.fits() { Ok(()) } else { Err(LoadError::Corrupt("something lies in the past".into())) }
    }

    /// What was loaded can go on: nothing is due before the present, nothing is of a node that is not there.
    fn fits(&self) -> bool {
        let (now, nodes) = (self.now, self.nodes.len() as u32);
        self.open_epoch.is_none_or(|end| end >= now)
            && self.acts.iter().all(|a| a.at >= now && a.node < nodes)
            && self.fresh.iter().all(|b| b.node < nodes)
            && self.radio.fits(nodes, now)
            && self.nodes().all(|n| {
                let left = &n.machine.bus.fabric.outbox;
                n.next_activity() >= now && left.iter().all(|o| o.at >= now)
            })
    }
}

fn node_view(n: &mut Node, now: Time) -> NodeView {
    n.run_until(now);
    let m = &n.machine;
    let f = &m.bus.fabric;
    let device = |d| m.bus.device_name(d).to_string();
    let mistake = |(d, what, s): (_, &emu_core::diag::Mistake, &emu_core::diag::Stat)| MistakeView {
        device: device(d),
        what: what.to_string(),
        first: s.first,
        place: s.pc.map(|pc| n.firmware.place(pc)),
        count: s.count,
    };
    let names = (0..m.bus.device_count()).map(|i| emu_core::device::DevId(i as u16));
    let display = |d| Some((device(d), m.bus.device(d)?.view(now)?));
    NodeView {
        name: n.name.clone(),
        machine: m.name.clone(),
        position: n.position,
        state: n.state,
        asleep: (0..m.cpu_count()).all(|c| m.asleep(c)),
        place: n.firmware.place(m.cpu(0).pc()),
        retired: m.retired(),
        consoles: f.consoles.iter().map(|c| ConsoleView { name: c.name.clone(), len: c.len }).collect(),
        mistakes: f.errors.total,
        mistake_list: f.errors.iter().map(mistake).collect(),
        displays: names.filter_map(display).collect(),
    }
}
