//! One device of the fleet: a machine with its image, its consoles and its place.

use crate::{image::Firmware, view::NodeState};
use emu_core::{
    Machine, Time,
    device::{DevId, Outgoing, Port},
    link::{Msg, RadioAct},
    machine::{Exit, PortKind},
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

/// What a radio of a node did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAct {
    /// When.
    pub at: Time,
    /// Which node.
    pub node: u32,
    /// Number of the act within the node.
    pub seq: u64,
    /// What.
    pub act: RadioAct,
}

/// A device of the fleet.
pub struct Node {
    /// Name, unique in the fleet.
    pub name: String,
    /// Position in metres.
    pub position: [f64; 3],
    /// The machine.
    pub machine: Machine,
    /// Its image, shared by all nodes that run it.
    pub firmware: Arc<Firmware>,
    /// Runs, or why not.
    pub state: NodeState,
    pub(crate) id: u32,
    /// The radio's device and port, and the medium it is on.
    pub(crate) radio: Option<(DevId, Port, usize)>,
    semihost: Semihost,
    acts: u64,
    /// A stop that the fleet has not told yet.
    pub(crate) stop: Option<Exit>,
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
    machine: Vec<u8>,
}

impl Node {
    /// A node that is switched on at time zero with its own randomness.
    pub fn new(id: u32, name: &str, mut machine: Machine, firmware: Arc<Firmware>, seed: u64) -> Node {
        machine.bus.semihosting = true;
        machine.power_on(hash_words(seed, &[u64::from(id)]));
        let radio = machine.ports.iter().find(|p| p.kind == PortKind::Radio).map(|p| (p.dev, p.port, 0));
        Node {
            name: name.into(),
            position: [0.0; 3],
            machine,
            firmware,
            state: NodeState::Running,
            id,
            radio,
            semihost: Semihost::default(),
            acts: 0,
            stop: None,
            step: false,
        }
    }

    /// Runs to `end`; time alone passes if the guest has ended or locked up. A stop is left in `stop`.
    pub fn run_until(&mut self, end: Time) {
        if self.stop.is_some() {
            return;
        }
        while self.state == NodeState::Running && self.machine.now() < end || self.due(end) {
            let exit = if self.step { self.machine.step(end) } else { self.machine.run_until(end) };
            match exit {
                Exit::Reached | Exit::Held => return,
                Exit::Semihost(cpu) => {
                    if self.semihost_call(cpu) {
                        return;
                    }
                }
                Exit::Lockup(cpu, pc) => {
                    self.state = NodeState::LockedUp { pc };
                    self.stop = Some(Exit::Lockup(cpu, pc));
                    return;
                }
                other => {
                    self.stop = Some(other);
                    self.step = false;
                    return;
                }
            }
        }
        if self.state != NodeState::Running {
            self.machine.stand_until(end);
        }
    }

    /// After a load: what was not told before the save will be told.
    pub(crate) fn stop_again(&mut self, untold: bool) {
        if let (NodeState::LockedUp { pc }, true) = (self.state, untold) {
            self.stop = Some(Exit::Lockup(0, pc));
        }
    }

    /// Something is due at the present time although the machine is there already (a delivery scheduled it).
    fn due(&self, end: Time) -> bool {
        self.state == NodeState::Running && self.machine.now() == end && self.machine.next_event() <= end
    }

    /// When this node next does something by itself.
    pub(crate) fn next_activity(&self) -> Time {
        if self.state == NodeState::Running { self.machine.next_activity() } else { Time::MAX }
    }

    /// The earliest time at which it can be heard.
    pub(crate) fn promise(&self) -> Time {
        if self.state == NodeState::Running { self.machine.promise() } else { Time::MAX }
    }

    /// Does the semihosting call at which the CPU waits. `true`: the guest has ended.
    fn semihost_call(&mut self, cpu: usize) -> bool {
        let now = self.machine.now();
        let (core, bus) = self.machine.cpu_mut(cpu);
        let (op_reg, arg_reg) = core.arch().semihost;
        let (op, arg) = (core.reg(op_reg), core.reg(arg_reg));
        let heap = HeapInfo::default();
        let env = Env { word: 4, now, epoch: 0, cmdline: "", heap };
        let mut port = SemihostPort { core, bus, dev: DevId::cpu(cpu as u16) };
        match self.semihost.call(op, arg, &env, &mut port) {
            Outcome::Value(v) => core_done(&mut self.machine, cpu, v),
            Outcome::Exit(code) => {
                self.state = NodeState::Exited { code };
                return true;
            }
            Outcome::Unsupported(_) => core_done(&mut self.machine, cpu, u64::MAX),
        }
        false
    }

    /// Takes what left the machine: console bytes and radio acts.
    pub(crate) fn drain(&mut self, console: &mut Vec<ConsoleByte>, acts: &mut Vec<NodeAct>) {
        for Outgoing { at, dev, port, msg } in self.machine.take_outbox() {
            match msg {
                Msg::Byte(byte) => {
                    let found = self.machine.bus.fabric.consoles.iter();
                    if let Some(i) = found.clone().position(|c| c.dev == dev && c.port == port) {
                        console.push(ConsoleByte { at, node: self.id, console: i as u16, byte });
                    }
                }
                Msg::Radio(act) => {
                    self.acts += 1;
                    acts.push(NodeAct { at, node: self.id, seq: self.acts, act });
                }
                _ => {}
            }
        }
    }

    /// A copy that goes its own way.
    pub(crate) fn fork(&mut self) -> Node {
        Node {
            name: self.name.clone(),
            machine: self.machine.fork(),
            firmware: Arc::clone(&self.firmware),
            semihost: self.semihost.clone(),
            ..*self
        }
    }

    /// Everything but the machine, for the digest.
    pub(crate) fn digest(&mut self) -> u128 {
        let around =
            (&self.name, self.position, &self.state, &self.semihost, self.acts, self.machine.digest());
        emu_core::save::digest(&emu_core::save::to_bytes(&around))
    }

    pub(crate) fn save(&self) -> Vec<u8> {
        emu_core::save::to_bytes(&SavedNode {
            name: self.name.clone(),
            position: self.position,
            state: self.state,
            semihost: self.semihost.clone(),
            acts: self.acts,
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
        (self.stop, self.step) = (None, false);
        Ok(())
    }
}

fn core_done(machine: &mut Machine, cpu: usize, v: u64) {
    machine.cpu_mut(cpu).0.semihost_done(v);
}

struct SemihostPort<'a> {
    core: &'a mut dyn emu_core::cpu::Cpu,
    bus: &'a mut emu_core::bus::Bus,
    dev: DevId,
}

impl Guest for SemihostPort<'_> {
    fn read_mem(&mut self, addr: u64, out: &mut [u8]) -> usize {
        self.core.debug_read(self.bus, addr, out)
    }
    fn write_mem(&mut self, addr: u64, bytes: &[u8]) -> bool {
        self.core.debug_write(self.bus, addr, bytes) == bytes.len()
    }
    fn put(&mut self, bytes: &[u8]) {
        self.bus.fabric.print(self.dev, 0, bytes);
    }
    fn get(&mut self) -> Option<u8> {
        None
    }
}
