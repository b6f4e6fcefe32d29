//! What devices of one machine share, and what waits to happen between them.

use crate::{
    diag::{ErrorLog, Mistake},
    events::{EventQueue, Tag},
    ids::{DevId, Pin, Port, ResetKind, Sink},
    link::Msg,
    memory::Memory,
    rng::Rng,
    save::LoadError,
    time::{Clock, Time},
    wiring::{Levels, Wiring},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// A message that left the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// When.
    pub at: Time,
    /// From whom.
    pub dev: DevId,
    /// Through which port.
    pub port: Port,
    /// What.
    pub msg: Msg,
}

/// A byte that left the machine through a console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Printed {
    /// When.
    pub at: Time,
    /// Number of the console.
    pub console: u16,
    /// The byte.
    pub byte: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Effect {
    Level {
        dev: DevId,
        pin: Pin,
        level: bool,
    },
    Pulse {
        dev: DevId,
        pin: Pin,
    },
    /// Boxed, so that the queue is small: messages are rare.
    Msg {
        dev: DevId,
        port: Port,
        msg: Box<Msg>,
    },
}

/// A console: a device's port whose bytes a person reads, or a CPU's semihosting channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Console {
    /// Name in the board file.
    pub name: String,
    /// The device.
    pub dev: DevId,
    /// Its port.
    pub port: Port,
    /// Bytes printed so far.
    pub len: u64,
    /// Running hash of all of them.
    pub hash: u64,
}

/// What devices of one machine share: memory, time, events, wires and the queue of effects.
pub struct Fabric {
    /// The memory.
    pub mem: Memory,
    /// Pending events.
    pub events: EventQueue,
    /// Mistakes of the guest.
    pub errors: ErrorLog,
    /// Messages for the world outside, in order, but for what consoles print.
    pub outbox: Vec<Outgoing>,
    /// What consoles printed, in order: small, since a fleet that starts has much of it.
    pub(crate) printed: Vec<Printed>,
    /// Consoles in board order.
    pub consoles: Vec<Console>,
    /// Program counter of the instruction that makes the access under way.
    pub pc: Option<u64>,
    /// The engine must leave its block after this instruction.
    pub attention: bool,
    /// A device or CPU asked for a reset.
    pub reset_request: Option<ResetKind>,
    /// The guest ended itself through a device, with this exit code.
    pub exit_request: Option<u32>,
    /// The CPUs stand still until then (a flash controller at work).
    pub stalled_until: Time,
    /// The machine waits for an answer from outside that belongs to this instant.
    pub hold: bool,
    /// The machine stops when a message leaves it, console text apart; and whether one has.
    pub(crate) stops_at_message: bool,
    pub(crate) message_left: bool,
    /// Ports whose bytes another machine follows bit by bit. Part of the machine's build, not of its state.
    pub followed: Vec<(DevId, Port)>,
    /// Input pins that are stuck at a level.
    pub(crate) forced: BTreeMap<(DevId, Pin), bool>,
    /// Interrupt lines that changed: CPU, line, level. The CPU drains its own. Empty whenever the machine stands.
    pub irqs: Vec<(u16, u16, bool)>,
    /// The CPU that runs.
    pub(crate) cpu: u16,
    pub(crate) rng: Rng,
    pub(crate) wiring: Wiring,
    levels: Levels,
    pub(crate) queue: VecDeque<Effect>,
    pub(crate) deadline: Time,
    now: Time,
    now_valid: bool,
    /// [`NO_CYCLE`] if the present was told as a time.
    cycle: u64,
    clock: Clock,
}

const NO_CYCLE: u64 = u64::MAX;

impl Fabric {
    pub(crate) fn new() -> Fabric {
        Fabric {
            mem: Memory::default(),
            events: EventQueue::default(),
            errors: ErrorLog::default(),
            outbox: vec![],
            printed: vec![],
            consoles: vec![],
            pc: None,
            attention: false,
            reset_request: None,
            exit_request: None,
            stalled_until: Time::ZERO,
            hold: false,
            stops_at_message: false,
            message_left: false,
            followed: vec![],
            forced: BTreeMap::new(),
            irqs: vec![],
            cpu: 0,
            rng: Rng::new(0),
            wiring: Wiring::default(),
            levels: Levels::default(),
            queue: VecDeque::new(),
            deadline: Time::MAX,
            now: Time::ZERO,
            now_valid: true,
            cycle: NO_CYCLE,
            clock: Clock::hz(1),
        }
    }

    /// What a device may ask of `of`, for a look that leaves no trace: time, its pending events, who follows its ports,
    /// random bits. No memory and no wires.
    pub(crate) fn scratch(of: &Fabric) -> Fabric {
        Fabric {
            events: of.events.clone(),
            followed: of.followed.clone(),
            rng: of.rng.clone(),
            now: of.now,
            now_valid: of.now_valid,
            cycle: of.cycle,
            clock: of.clock,
            ..Fabric::new()
        }
    }

    /// The CPU's clock counts: accesses from now on happen at the start edge of cycle `cycle` of `clock`.
    pub(crate) fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// The instruction that starts at `cycle` makes the next accesses.
    #[inline(always)]
    pub fn set_cycle(&mut self, cycle: u64) {
        self.cycle = cycle;
        self.now_valid = false;
    }

    /// The clock of the CPU that runs.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn set_now(&mut self, now: Time) {
        self.now = now;
        self.now_valid = true;
        self.cycle = NO_CYCLE;
    }

    /// The cycle of the CPU's clock in which the present time lies.
    pub fn cycle(&self) -> u64 {
        if self.cycle == NO_CYCLE { self.clock.ticks(self.now) } else { self.cycle }
    }

    /// The virtual time of what happens now. Computed only when somebody asks.
    #[inline]
    pub fn now(&mut self) -> Time {
        if !self.now_valid {
            self.now = self.clock.edge(self.cycle);
            self.now_valid = true;
        }
        self.now
    }

    /// Schedules an event; the engine leaves its block if it comes before the engine's deadline.
    pub fn schedule(&mut self, at: Time, dev: DevId, tag: Tag) {
        let now = self.now();
        debug_assert!(at >= now, "event scheduled in the past: {at} < {now}");
        let at = at.max(now);
        self.events.set(at, dev, tag);
        if at < self.deadline {
            self.attention = true;
        }
    }

    /// The CPU that runs must hand back to its machine: an event came before its deadline, a reset or a stall was
    /// asked for, a watchpoint was hit, another CPU's interrupt line changed.
    pub fn wants_machine(&self) -> bool {
        self.reset_request.is_some()
            || self.exit_request.is_some()
            || self.hold
            || self.message_left
            || self.mem.watch_hit.is_some()
            || self.events.next_time() < self.deadline
            || self.irqs.iter().any(|line| line.0 != self.cpu)
            // What was now is no later than what is: mostly that answers it.
            || self.stalled_until > self.now && self.stalled_until > self.clock.edge(self.cycle)
    }

    /// No interrupt line changed and nobody asked for a reset.
    pub(crate) fn is_calm(&self) -> bool {
        self.irqs.is_empty() && self.reset_request.is_none()
    }

    /// Notes a guest's mistake.
    pub fn mistake(&mut self, dev: DevId, what: Mistake) {
        let (at, pc) = (self.now(), self.pc);
        self.errors.add(at, pc, dev, what);
    }

    /// Random bits of this machine's own stream.
    pub fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }

    pub(crate) fn connect(&mut self, from: (DevId, Pin), to: Sink) {
        self.wiring.connect(from, to);
    }

    pub(crate) fn set_level(&mut self, dev: DevId, pin: Pin, level: bool) {
        if !self.levels.set(dev, pin, level) {
            return;
        }
        for sink in self.wiring.sinks(dev, pin) {
            match *sink {
                Sink::Device(dev, pin) => self.queue.push_back(Effect::Level { dev, pin, level }),
                Sink::Irq(cpu, line) => {
                    self.irqs.push((cpu, line, level));
                    self.attention = true;
                }
            }
        }
    }

    pub(crate) fn pulse(&mut self, dev: DevId, pin: Pin) {
        for sink in self.wiring.sinks(dev, pin) {
            match *sink {
                Sink::Device(dev, pin) => self.queue.push_back(Effect::Pulse { dev, pin }),
                Sink::Irq(cpu, line) => {
                    self.irqs.extend([(cpu, line, true), (cpu, line, false)]);
                    self.attention = true;
                }
            }
        }
    }

    /// A message leaves `dev` through `port`: to its peer inside the machine, or into the outbox.
    pub(crate) fn send(&mut self, dev: DevId, port: Port, msg: Msg) {
        if let Some((dev, port)) = self.wiring.peer(dev, port) {
            return self.queue.push_back(Effect::Msg { dev, port, msg: Box::new(msg) });
        }
        if let Msg::Byte(b) = msg
            && let Some(i) = self.consoles.iter().position(|c| c.dev == dev && c.port == port)
        {
            let c = &mut self.consoles[i];
            c.len += 1;
            c.hash = crate::rng::hash_words(c.hash, &[u64::from(b)]);
            let at = self.now();
            return self.printed.push(Printed { at, console: i as u16, byte: b });
        }
        if self.stops_at_message {
            (self.message_left, self.attention) = (true, true);
        }
        let at = self.now();
        self.outbox.push(Outgoing { at, dev, port, msg });
    }

    /// The level that some output drives onto this input.
    pub(crate) fn driven(&self, dev: DevId, pin: Pin) -> bool {
        self.wiring.sources(Sink::Device(dev, pin)).any(|(dev, pin)| self.levels.get(dev, pin))
    }

    /// The level of a pin: what its device drives or, of an input, what it sees.
    pub fn pin_level(&self, dev: DevId, pin: Pin) -> bool {
        let forced = self.forced.get(&(dev, pin)).copied();
        forced.unwrap_or_else(|| self.levels.get(dev, pin) || self.driven(dev, pin))
    }

    pub(crate) fn levels(&self) -> Vec<Vec<bool>> {
        self.levels.save()
    }

    pub(crate) fn set_levels(&mut self, levels: &[Vec<bool>]) -> Result<(), LoadError> {
        // No edges: what the wires lead to was restored too.
        if self.levels.load(levels) { Ok(()) } else { Err(LoadError::Corrupt("a wire of no device".into())) }
    }

    pub(crate) fn fork(&mut self) -> Fabric {
        Fabric {
            mem: self.mem.fork(),
            events: self.events.clone(),
            errors: self.errors.clone(),
            outbox: self.outbox.clone(),
            printed: self.printed.clone(),
            consoles: self.consoles.clone(),
            irqs: self.irqs.clone(),
            rng: self.rng.clone(),
            wiring: self.wiring.clone(),
            levels: self.levels.clone(),
            queue: self.queue.clone(),
            followed: self.followed.clone(),
            forced: self.forced.clone(),
            ..*self
        }
    }

    /// Prints on a console that belongs to no device (semihosting).
    pub fn print(&mut self, dev: DevId, port: Port, bytes: &[u8]) {
        for b in bytes {
            self.send(dev, port, Msg::Byte(*b));
        }
    }
}
