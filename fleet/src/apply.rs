//! What commands do.

use crate::{Act, Command, Fleet, Node, NodeState, fleet::RADIO};
use emu_core::{Time, device::ResetKind, link::Msg};
use netsim::{Medium, medium::Fault};

impl Fleet {
    /// Takes a command; it happens at its time, or now if that is past.
    pub fn apply(&mut self, mut command: Command) {
        command.at = command.at.max(self.now);
        if self.open_epoch.is_some() && (command.node as usize) < self.homes.len() {
            command.at = command.at.max(self.node(command.node).now()); // it may have run ahead
        }
        self.arrivals += 1;
        self.pending.insert((command.at, self.arrivals), command);
    }

    /// Takes a debugger's command for a node that stands at a stop, and does it there and then: the fleet's epoch is
    /// open, and the node's own time is what counts. `false`: there is no such memory or register.
    pub fn apply_stopped(&mut self, mut command: Command) -> bool {
        command.at = self.present(command.node).now().max(self.now);
        self.act_on_node(command)
    }

    /// Reads a node's memory and registers as a debugger sees them now; nothing changes. Returns how many bytes there were.
    pub fn debug_read(&mut self, node: u32, addr: u64, out: &mut [u8]) -> usize {
        if node as usize >= self.homes.len() {
            return 0;
        }
        self.present(node).machine.debug_read(0, addr, out)
    }

    /// A node, at the fleet's time at least: a sleeper was left where it is.
    fn present(&mut self, node: u32) -> &mut Node {
        let now = self.now;
        let node = self.at(node);
        if node.now() < now {
            node.run_until(now);
        }
        node
    }

    /// Commands are still to come.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Commands that will happen, in order of time.
    pub fn pending(&self) -> impl Iterator<Item = &Command> {
        self.pending.values()
    }

    /// Commands that it was given so far.
    pub(crate) fn arrivals(&self) -> u64 {
        self.arrivals
    }

    /// Commands that will happen and were given after so many others.
    pub(crate) fn pending_since(&self, arrivals: u64) -> impl Iterator<Item = &Command> {
        self.pending.iter().filter(move |(key, _)| key.1 > arrivals).map(|(_, c)| c)
    }

    /// Those of `commands` that this fleet, which has not run yet, does not bring itself: a fleet file's own commands
    /// are built in.
    pub fn besides_own(&self, commands: &[Command]) -> Vec<Command> {
        let mut own: Vec<_> = self.pending().collect();
        let mut is_own = |c: &Command| {
            let found = own.iter().position(|o| (o.at, o.node, &o.act) == (c.at, c.node, &c.act));
            found.map(|i| own.remove(i)).is_some()
        };
        commands.iter().filter(|c| !is_own(c)).cloned().collect()
    }

    /// Everything applied so far, in order.
    pub fn journal(&self) -> &[Command] {
        self.journal.commands()
    }

    /// Commands that are due now.
    pub(crate) fn apply_due(&mut self) {
        while let Some(entry) = self.pending.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let mut command = entry.remove();
            command.at = self.now; // a command that came in the middle of an epoch waited for its end
            if command.node == Command::FLEET {
                self.act_on_media(command);
            } else if (command.node as usize) < self.homes.len() {
                self.bring(command.node);
                self.act_on_node(command);
            }
        }
    }

    fn act_on_node(&mut self, mut command: Command) -> bool {
        let id = command.node;
        let node = self.at(id);
        command.retired = node.machine.retired();
        let done = match &command.act {
            Act::Move(position) => {
                node.position = *position;
                let network = &mut self.networks[RADIO as usize];
                if let (Medium::Radio(m), true) = (&mut network.medium, network.stations.contains_key(&id)) {
                    m.move_to(command.at, id, *position, 0.0);
                }
                true
            }
            Act::Present(present) => {
                self.set_present(id, command.at, *present);
                true
            }
            act => node.act(command.at, act),
        };
        self.journal.push(command);
        self.collect(self.homes[id as usize].0 as usize);
        if self.node(id).stop.is_some() {
            self.stopped.insert(id);
        }
        done
    }

    fn act_on_media(&mut self, command: Command) {
        let at = command.at;
        match &command.act {
            Act::Fault { medium, fault } => {
                if let Some(n) = self.networks.get_mut(*medium as usize) {
                    n.medium.fault(at, fault);
                }
            }
            Act::Host { medium, event } => {
                if let Some(n) = self.networks.get_mut(*medium as usize) {
                    n.medium.host(at, event);
                }
            }
            Act::LineFault { line, fault } => self.fault_line(*line, at, fault),
            _ => {}
        }
        self.refresh_latencies();
        self.journal.push(command);
    }

    fn fault_line(&mut self, line: u32, at: Time, fault: &Fault) {
        let Some(&(home, i)) = self.lines.get(line as usize) else { return };
        let island = self.island(home as usize);
        island.run_until(at);
        if let Some(medium) = island.line_mut(i) {
            medium.fault(at, fault);
        }
        self.collect(home as usize);
    }

    fn set_present(&mut self, id: u32, at: Time, present: bool) {
        let home = self.homes[id as usize].0 as usize;
        for s in self.node(id).seats.clone() {
            let fault = Fault::Present { station: s.station, present };
            if s.line {
                if let Some(line) = self.island(home).line_mut(s.medium) {
                    line.fault(at, &fault);
                }
            } else {
                self.networks[s.medium as usize].medium.fault(at, &fault);
            }
        }
    }

    /// A disturbed medium may be slower or faster.
    pub(crate) fn refresh_latencies(&mut self) {
        let media: Vec<_> = self.networks.iter().map(|n| n.medium.latency()).collect();
        for i in 0..self.islands.len() {
            let Some(island) = &mut self.islands[i] else { continue };
            let lines = island.line_latencies();
            for s in island.nodes_mut().flat_map(|n| &mut n.seats) {
                let all = if s.line { &lines } else { &media };
                s.latency = all[s.medium as usize];
            }
            self.refresh(i);
        }
    }
}

impl Node {
    /// Does what concerns the machine alone, which has run up to the fleet's time `at`. `false`: it has no such thing.
    fn act(&mut self, at: Time, act: &Act) -> bool {
        let machine = &mut self.machine;
        match act {
            Act::Text { console, bytes } => {
                let port = machine.bus.fabric.consoles.get(usize::from(*console)).map(|c| (c.dev, c.port));
                let Some((dev, port)) = port else { return false };
                machine.deliver(dev, port, Msg::Text(bytes.clone()));
            }
            Act::Input { device, name, value } => return machine.input(device, name, *value),
            Act::Reset(kind) => {
                machine.reset(*kind);
                self.state = NodeState::Running;
            }
            Act::Power(on) => {
                if *on == (self.state == NodeState::Off) {
                    machine.reset(ResetKind::PowerOn);
                    self.state = if *on { NodeState::Running } else { NodeState::Off };
                }
            }
            Act::Freeze { ns } => machine.stall_until(machine.now() + *ns),
            Act::Drift { ppm } => self.set_drift(at, *ppm),
            Act::StickPin { device, pin, level } => {
                let Some(dev) = machine.bus.device_by_name(device) else { return false };
                machine.force_pin(dev, *pin, *level);
            }
            Act::FlipBits { addr, mask } => {
                let mut bytes = vec![0; mask.len()];
                let n = machine.bus.fabric.mem.peek(*addr, &mut bytes);
                bytes.iter_mut().zip(mask).for_each(|(b, m)| *b ^= m);
                return machine.bus.fabric.mem.poke(*addr, &bytes[..n]) == mask.len();
            }
            Act::Patch { addr, bytes, .. } => return machine.patch(*addr, bytes).is_ok(),
            Act::Flash { parts } => {
                let mem = &mut machine.bus.fabric.mem;
                let mut poke = |(addr, bytes): &(u64, Vec<u8>)| mem.poke(*addr, bytes) == bytes.len();
                let whole = parts.iter().all(&mut poke);
                machine.reset(ResetKind::PowerOn); // stack pointer and program counter may be others now
                return whole;
            }
            Act::WriteMemory { addr, bytes } => {
                let whole = machine.debug_write(0, *addr, bytes) == bytes.len();
                if let Some(code) = machine.bus.fabric.exit_request.take() {
                    self.ended(code);
                }
                return whole;
            }
            Act::WriteRegister { reg, value } => {
                return machine.cpu_mut(0).0.set_reg(usize::from(*reg), *value);
            }
            Act::Move(_) | Act::Present(_) | Act::Fault { .. } | Act::LineFault { .. } | Act::Host { .. } => {
                return false;
            }
        }
        true
    }
}
