//! One device of the fleet: a machine with its image, its consoles, its place and its clock.

use crate::{image::Firmware, skew::Skew, view::NodeState};
use emu_core::{
    Machine, Time,
    device::{DevId, Port},
    fabric::{Outgoing, Printed},
    fields::{Fields, fields},
    link::Msg,
    machine::Exit,
    rng::hash_words,
    save::LoadError,
};
use emu_debug::semihost::{Env, Guest, HeapInfo, Outcome, Semihost};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A byte that a console printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConsoleByte {
    /// When its stop bit ended.
    pub at: Time,
    /// Which node.
    pub node: u32,
    /// Which of the node's consoles.
    pub console: u16,
    /// The byte.
    pub byte: u8,
}

/// What a node did on a medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAct {
    /// When.
    pub at: Time,
    /// Which node.
    pub node: u32,
    /// Number of the act within the node.
    pub seq: u64,
    /// The medium: a number of the fleet's, or of the island's lines.
    pub medium: u32,
    /// The node's number on that medium.
    pub station: u32,
    /// What.
    pub act: Msg,
}

/// A port that is on a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub dev: DevId,
    pub port: Port,
    /// The medium is one of the island's lines, not of the fleet's media.
    pub line: bool,
    pub medium: u32,
    pub station: u32,
    /// Of the medium, in nanoseconds.
    pub latency: u64,
}

/// Why a node wants the fleet's attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Its machine stopped.
    Exit(Exit),
    /// Its guest ended itself.
    Ended(u32),
}

/// What left a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left {
    pub console: Vec<ConsoleByte>,
    /// Acts on the fleet's media.
    pub acts: Vec<NodeAct>,
    /// Acts on the island's lines.
    pub lines: Vec<NodeAct>,
}

/// A device of the fleet.
pub struct Node {
    /// Name, unique in the fleet.
    pub name: String,
    /// Position in metres.
    pub position: [f64; 3],
    /// The machine. Its times are those of its own clock: see [`Node::now`].
    pub machine: Machine,
    /// Its image, shared by all nodes that run it.
    pub firmware: Arc<Firmware>,
    /// Runs, or why not.
    pub state: NodeState,
    pub(crate) id: u32,
    pub(crate) seats: Vec<Seat>,
    pub(crate) skew: Skew,
    semihost: Semihost,
    acts: u64,
    /// A stop that the fleet has not told yet.
    pub(crate) stop: Option<Stop>,
    /// Execute one instruction only, then stop.
    pub(crate) step: bool,
}

#[derive(Serialize, Deserialize)]
struct SavedNode {
    name: String,
    position: [f64; 3],
    state: NodeState,
    semihost: Semihost,
    acts: u64,
    skew: Skew,
    machine: Vec<u8>,
}

impl Node {
    /// A node that is switched on at time zero with its own randomness.
    pub fn new(id: u32, name: &str, mut machine: Machine, firmware: Arc<Firmware>, seed: u64) -> Node {
        machine.bus.semihosting = true;
        machine.power_on(hash_words(seed, &[u64::from(id)]));
        Node {
            name: name.into(),
            position: [0.0; 3],
            machine,
            firmware,
            state: NodeState::Running,
            id,
            seats: vec![],
            skew: Skew::default(),
            semihost: Semihost::default(),
            acts: 0,
            stop: None,
            step: false,
        }
    }

    /// Its number in the fleet.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The fleet's time up to which it has run.
    pub fn now(&self) -> Time {
        self.skew.fleet(self.machine.now())
    }

    /// How much its clock gains, in parts per million.
    pub fn drift_ppm(&self) -> i32 {
        self.skew.ppm()
    }

    /// It has run further than to the fleet's time `t`.
    pub(crate) fn is_beyond(&self, t: Time) -> bool {
        self.machine.now() > self.skew.local(t)
    }

    pub(crate) fn running(&self) -> bool {
        self.state == NodeState::Running
    }

    /// Its port on a medium, by the medium's numbers.
    pub(crate) fn seat(&self, line: bool, medium: u32, station: u32) -> Option<&Seat> {
        self.seats.iter().find(|s| (s.line, s.medium, s.station) == (line, medium, station))
    }

    /// Its numbers on a medium of the fleet.
    pub(crate) fn stations(&self, medium: u32) -> impl Iterator<Item = u32> {
        self.seats.iter().filter(move |s| !s.line && s.medium == medium).map(|s| s.station)
    }

    /// Runs to `end` of the fleet's time; time alone passes if the guest has ended or locked up. A stop is left in
    /// `stop`.
    pub fn run_until(&mut self, end: Time) {
        self.run(end, false);
    }

    /// The same, but no further than the first act on a medium.
    pub(crate) fn run_ahead(&mut self, end: Time) {
        self.run(end, true);
    }

    fn run(&mut self, end: Time, ahead: bool) {
        if self.stop.is_some() {
            return;
        }
        let end = self.skew.local(end);
        while self.running() && self.machine.now() < end || self.due(end) {
            let exit = match (self.step, ahead) {
                (true, _) => self.machine.step(end),
                (_, true) => self.machine.run_until_message(end),
                (_, false) => self.machine.run_until(end),
            };
            match exit {
                Exit::Reached if ahead && !self.has_acted() => {} // what left was no act
                Exit::Reached | Exit::Held => return,
                Exit::Semihost(cpu) => {
                    if self.semihost_call(cpu) {
                        return;
                    }
                }
                Exit::Ended(code) => return self.ended(code),
                Exit::Lockup(cpu, pc) => {
                    self.state = NodeState::LockedUp { pc };
                    self.stop = Some(Stop::Exit(Exit::Lockup(cpu, pc)));
                    return;
                }
                other => {
                    self.stop = Some(Stop::Exit(other));
                    self.step = false;
                    return;
                }
            }
        }
        if !self.running() {
            self.machine.stand_until(end);
        }
    }

    /// An act on a medium waits to be taken.
    fn has_acted(&self) -> bool {
        let seat = |o: &Outgoing| self.seats.iter().any(|s| s.dev == o.dev && s.port == o.port);
        self.machine.bus.fabric.outbox.iter().any(seat)
    }

    /// Nothing that happens on the fleet's media concerns it before it has acted on one of them.
    pub(crate) fn deaf(&self) -> bool {
        let deaf = |s: &Seat| !s.line && self.machine.bus.device(s.dev).is_some_and(|d| d.deaf());
        !self.machine.held() && self.seats.iter().all(deaf)
    }

    /// From the fleet's time `now` on its clock gains `ppm`.
    pub(crate) fn set_drift(&mut self, now: Time, ppm: i32) {
        // By its old clock it may be a nanosecond further: what it has done stays before what it will do.
        self.skew = Skew::new(now.max(self.now()), self.machine.now(), ppm);
    }

    /// After a load: what was not told before the save will be told.
    pub(crate) fn stop_again(&mut self, untold: bool) {
        self.stop = match self.state {
            _ if !untold => None,
            NodeState::LockedUp { pc } => Some(Stop::Exit(Exit::Lockup(0, pc))),
            NodeState::Exited { code } => Some(Stop::Ended(code)),
            NodeState::Running | NodeState::Off => None,
        };
    }

    /// An event that a delivery scheduled is due at the fleet's time `end`, to which the node has run.
    pub(crate) fn has_event_at(&self, end: Time) -> bool {
        self.due(self.skew.local(end))
    }

    /// Something is due at the present (local) time although the machine is there already: a delivery scheduled it.
    fn due(&self, end: Time) -> bool {
        self.running() && self.machine.now() == end && self.machine.next_event() <= end
    }

    /// When this node next does something by itself.
    pub(crate) fn next_activity(&self) -> Time {
        if self.running() { self.skew.fleet(self.machine.next_activity()) } else { Time::MAX }
    }

    /// The earliest time at which it can be heard on the fleet's media if something stirs it at `from`.
    pub(crate) fn heard_from(&self, from: Time) -> Time {
        self.heard(from, false)
    }

    /// The same on the island's lines.
    pub(crate) fn heard_on_lines_from(&self, from: Time) -> Time {
        self.heard(from, true)
    }

    fn heard(&self, from: Time, line: bool) -> Time {
        if from == Time::MAX {
            return from;
        }
        let lookahead = |s: &Seat| match self.machine.bus.device(s.dev).map_or(0, |d| d.lookahead()) {
            u64::MAX => 0, // a model that knows nothing of media may send at any instant
            ns => ns - ns / 2 * u64::from(self.skew.ppm() != 0), // a fast clock's lookahead passes sooner
        };
        let seats = self.seats.iter().filter(|s| s.line == line);
        seats.map(|s| from + lookahead(s) + s.latency).min().unwrap_or(Time::MAX)
    }

    /// The guest has ended itself.
    pub(crate) fn ended(&mut self, code: u32) {
        self.state = NodeState::Exited { code };
        self.stop = Some(Stop::Ended(code));
    }

    /// Does the semihosting call at which the CPU waits. `true`: the guest has ended.
    fn semihost_call(&mut self, cpu: usize) -> bool {
        let now = self.machine.now();
        let core = self.machine.cpu(cpu);
        let (op_reg, arg_reg) = core.arch().semihost;
        let (op, arg) = (core.reg(op_reg), core.reg(arg_reg));
        let heap = HeapInfo::default();
        let env = Env { word: 4, now, epoch: 0, cmdline: "", heap };
        let mut port = SemihostPort { machine: &mut self.machine, cpu };
        match self.semihost.call(op, arg, &env, &mut port) {
            Outcome::Value(v) => core_done(&mut self.machine, cpu, v),
            Outcome::Exit(code) => {
                self.ended(code);
                return true;
            }
            Outcome::Unsupported(_) => core_done(&mut self.machine, cpu, u64::MAX),
        }
        false
    }

    /// Takes what left the machine.
    pub(crate) fn drain(&mut self, left: &mut Left) {
        for Printed { at, console, byte } in self.machine.take_printed() {
            left.console.push(ConsoleByte { at: self.skew.fleet(at), node: self.id, console, byte });
        }
        for Outgoing { at, dev, port, msg } in self.machine.take_messages() {
            let at = self.skew.fleet(at);
            if let Msg::Byte(byte) = msg {
                // Of a saved machine.
                let found = self.machine.bus.fabric.consoles.iter();
                if let Some(i) = found.clone().position(|c| c.dev == dev && c.port == port) {
                    left.console.push(ConsoleByte { at, node: self.id, console: i as u16, byte });
                }
                continue;
            }
            let Some(seat) = self.seats.iter().find(|s| s.dev == dev && s.port == port) else { continue };
            self.acts += 1;
            let (medium, station) = (seat.medium, seat.station);
            let act = NodeAct { at, node: self.id, seq: self.acts, medium, station, act: msg };
            if seat.line { left.lines.push(act) } else { left.acts.push(act) }
        }
    }

    /// Hands over what a medium delivers; a node that does not run hears nothing.
    pub(crate) fn hear(&mut self, line: bool, medium: u32, station: u32, msg: Msg) {
        if let (Some(&Seat { dev, port, .. }), true) = (self.seat(line, medium, station), self.running()) {
            self.machine.deliver(dev, port, msg);
        }
    }

    /// A copy that goes its own way.
    pub(crate) fn fork(&mut self) -> Node {
        Node {
            name: self.name.clone(),
            machine: self.machine.fork(),
            firmware: Arc::clone(&self.firmware),
            semihost: self.semihost.clone(),
            seats: self.seats.clone(),
            ..*self
        }
    }

    /// Everything but the machine, for the digest.
    pub(crate) fn digest(&mut self) -> u128 {
        let around = (
            &self.name,
            self.position,
            &self.state,
            &self.semihost,
            self.acts,
            self.skew,
            self.machine.digest(),
        );
        emu_core::save::digest(&emu_core::save::to_bytes(&around))
    }

    /// What [`Node::digest`] covers, by name and without memory.
    pub(crate) fn fields(&self) -> Fields {
        let mut all = self.machine.fields();
        all.extend(fields("position", &self.position));
        all.extend(fields("state", &self.state));
        all.extend(fields("clock", &self.skew));
        all.extend(fields("acts on media", &self.acts));
        all.extend(fields("semihosting", &self.semihost));
        all
    }

    pub(crate) fn save(&self) -> Vec<u8> {
        emu_core::save::to_bytes(&SavedNode {
            name: self.name.clone(),
            position: self.position,
            state: self.state,
            semihost: self.semihost.clone(),
            acts: self.acts,
            skew: self.skew,
            machine: self.machine.save(),
        })
    }

    pub(crate) fn load(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let s: SavedNode = emu_core::save::from_bytes(bytes)?;
        if s.name != self.name {
            return Err(LoadError::Mismatch(format!("node {} is not {}", s.name, self.name)));
        }
        self.machine.load(&s.machine)?;
        (self.position, self.state, self.semihost, self.acts) = (s.position, s.state, s.semihost, s.acts);
        (self.skew, self.stop, self.step) = (s.skew, None, false);
        Ok(())
    }
}

fn core_done(machine: &mut Machine, cpu: usize, v: u64) {
    machine.cpu_mut(cpu).0.semihost_done(v);
}

struct SemihostPort<'a> {
    machine: &'a mut Machine,
    cpu: usize,
}

impl Guest for SemihostPort<'_> {
    fn read_mem(&mut self, addr: u64, out: &mut [u8]) -> usize {
        self.machine.debug_read(self.cpu, addr, out)
    }
    fn write_mem(&mut self, addr: u64, bytes: &[u8]) -> bool {
        self.machine.debug_write(self.cpu, addr, bytes) == bytes.len()
    }
    fn put(&mut self, bytes: &[u8]) {
        self.machine.bus.fabric.print(DevId::cpu(self.cpu as u16), 0, bytes);
    }
    fn get(&mut self) -> Option<u8> {
        None
    }
}
