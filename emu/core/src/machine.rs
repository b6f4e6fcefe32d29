//! One machine: CPUs, bus, time.
//!
//! The order of things, which slicing a run anywhere does not change: an event due at `t` happens before any
//! instruction whose start edge is at or after `t`; `run_until(t)` executes the instructions that start before `t`
//! and the events due up to and including `t`; deliveries at `t` come after those.

mod fields;
mod snapshot;

use crate::{
    bus::Bus,
    cpu::{Cpu, CpuExit, Engine, EngineStats, Run},
    cx::Cx,
    debug,
    device::{Peripheral, View},
    events::Event,
    fabric::{Outgoing, Printed},
    ids::{DevId, Pin, Port, ResetKind},
    link::Msg,
    memory::RegionKind,
    rng::Rng,
    time::{Clock, Time},
};
use std::sync::Arc;

/// Why a machine stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// The wanted time is reached.
    Reached,
    /// A device waits for an answer from outside that belongs to the present time; [`Machine::release`] goes on.
    Held,
    /// CPU `n` stands at a breakpoint.
    Break(usize),
    /// CPU `n` hit a watchpoint: address, and whether it wrote.
    Watch(usize, u64, bool),
    /// CPU `n` has done its step.
    Stepped(usize),
    /// CPU `n` waits at a semihosting call.
    Semihost(usize),
    /// CPU `n` locked up at this address.
    Lockup(usize, u64),
    /// The guest ended itself through a device, with this exit code.
    Ended(u32),
}

/// What a port that leaves the machine is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortKind {
    /// A serial line.
    Serial,
    /// A radio's antenna.
    Radio,
    /// An Ethernet socket.
    Ethernet,
    /// A pin that leads outside.
    Pin,
    /// Semihosting text.
    Semihost,
}

/// A port that leaves the machine.
#[derive(Clone, Debug)]
pub struct ExternalPort {
    /// Name in the board file.
    pub name: String,
    /// The device.
    pub dev: DevId,
    /// Its port.
    pub port: Port,
    /// What it is.
    pub kind: PortKind,
}

pub(crate) struct CpuSlot {
    pub cpu: Box<dyn Cpu>,
    clock: Clock,
    /// Start of the next instruction.
    pub cycle: u64,
    pub asleep: bool,
    pub locked: bool,
}

/// One emulated machine.
pub struct Machine {
    /// Name of the board.
    pub name: String,
    /// Memory and devices.
    pub bus: Bus,
    /// Ports that lead outside. Part of the machine's build.
    pub ports: Arc<[ExternalPort]>,
    pub(crate) cpus: Vec<CpuSlot>,
    now: Time,
    resume: bool,
    /// What executes instructions: a wish, not state.
    engine: Engine,
    /// What lies in memory at power-on. Part of the machine's build, not of its state.
    image: Arc<[Chunk]>,
}

/// Bytes at an address.
pub type Chunk = (u64, Vec<u8>);

impl Machine {
    /// A machine without CPUs.
    pub fn new(name: &str, bus: Bus) -> Machine {
        Machine {
            name: name.to_string(),
            bus,
            ports: Arc::new([]),
            cpus: vec![],
            now: Time::ZERO,
            resume: false,
            engine: Engine::default(),
            image: Arc::new([]),
        }
    }

    /// Adds a CPU with its clock.
    pub fn add_cpu(&mut self, mut cpu: Box<dyn Cpu>, clock: Clock) {
        cpu.set_engine(self.engine);
        self.cpus.push(CpuSlot { cpu, clock, cycle: 0, asleep: false, locked: false });
    }

    /// Chooses what executes the instructions of all its CPUs, and of its copies. The results are the same.
    pub fn set_engine(&mut self, engine: Engine) {
        self.engine = engine;
        for s in &mut self.cpus {
            s.cpu.set_engine(engine);
        }
    }

    /// Whether compiled code can be run on this host for every CPU; if not, why.
    pub fn compiles(&self) -> Result<(), String> {
        self.cpus.iter().try_for_each(|s| s.cpu.compiles())
    }

    /// What the engines of its CPUs did.
    pub fn engine_stats(&self) -> impl Iterator<Item = EngineStats> {
        self.cpus.iter().map(|s| s.cpu.engine_stats())
    }

    /// From now on its CPUs count by name what compiled code leaves to the interpreter.
    pub fn count_ops(&mut self) {
        self.cpus.iter_mut().for_each(|s| s.cpu.count_ops());
    }

    /// These names and counts.
    pub fn left_ops(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.cpus.iter().flat_map(|s| s.cpu.left_ops())
    }

    /// Puts an image into memory, ROM included; parts in RAM come back at each power-on. The error is the first
    /// address where there is no memory.
    pub fn load_image(&mut self, image: Vec<Chunk>) -> Result<(), u64> {
        for (addr, bytes) in &image {
            let n = self.bus.fabric.mem.poke(*addr, bytes);
            if n < bytes.len() {
                return Err(addr.wrapping_add(n as u64));
            }
        }
        self.image = image.into();
        Ok(())
    }

    /// Clears RAM and puts the image's parts in RAM back.
    fn refresh_ram(&mut self) {
        let mem = &mut self.bus.fabric.mem;
        let ram = mem.regions().iter().filter(|r| r.kind == RegionKind::Ram);
        for name in ram.map(|r| r.name.clone()).collect::<Vec<_>>() {
            mem.clear_region(&name);
        }
        for (addr, bytes) in self.image.iter() {
            if mem.region_at(*addr).is_some_and(|r| r.kind == RegionKind::Ram) {
                mem.poke(*addr, bytes);
            }
        }
    }

    /// Switches the power on: RAM is empty, randomness is `seed`'s, every device and CPU starts.
    pub fn power_on(&mut self, seed: u64) {
        self.bus.fabric.rng = Rng::new(seed);
        self.reset(ResetKind::PowerOn);
    }

    /// Resets devices, then CPUs. After [`ResetKind::PowerOn`] RAM is lost.
    pub fn reset(&mut self, kind: ResetKind) {
        if kind == ResetKind::PowerOn {
            self.refresh_ram();
        }
        self.bus.fabric.reset_request = None;
        self.bus.fabric.exit_request = None;
        self.bus.fabric.stalled_until = Time::ZERO;
        self.bus.fabric.hold = false;
        self.bus.fabric.set_now(self.now);
        self.bus.reset_devices(kind);
        let now = self.now;
        for (i, s) in self.cpus.iter_mut().enumerate() {
            self.bus.fabric.events.cancel_all(DevId::cpu(i as u16));
            (s.asleep, s.locked) = (false, false);
            s.cycle = s.cycle.max(s.clock.first_tick_at(now));
            self.bus.fabric.set_clock(s.clock);
            self.bus.fabric.set_now(now);
            s.cpu.sync(&mut self.bus);
            s.cpu.reset(&mut self.bus);
        }
    }

    /// Virtual time up to which this machine has run.
    pub fn now(&self) -> Time {
        self.now
    }
    /// Number of CPUs.
    pub fn cpu_count(&self) -> usize {
        self.cpus.len()
    }
    /// CPU `n`.
    pub fn cpu(&self, n: usize) -> &dyn Cpu {
        &*self.cpus[n].cpu
    }
    /// CPU `n`'s clock: an instruction takes a tick of it at least.
    pub fn clock(&self, n: usize) -> Clock {
        self.cpus[n].clock
    }
    /// CPU `n` and the bus, for debuggers.
    pub fn cpu_mut(&mut self, n: usize) -> (&mut dyn Cpu, &mut Bus) {
        self.bus.fabric.set_now(self.now);
        (&mut *self.cpus[n].cpu, &mut self.bus)
    }
    /// CPU `n` waits for an interrupt.
    pub fn asleep(&self, n: usize) -> bool {
        self.cpus[n].asleep
    }
    /// Instructions retired by all CPUs.
    pub fn retired(&self) -> u64 {
        self.cpus.iter().map(|s| s.cpu.retired()).sum()
    }

    /// When CPU `s` starts its next instruction.
    fn next_start(s: &CpuSlot, stalled_until: Time) -> Time {
        if s.asleep || s.locked { Time::MAX } else { s.clock.edge(s.cycle).max(stalled_until) }
    }

    /// The CPU that is next, and when.
    fn next_cpu(&self) -> (usize, Time) {
        let stall = self.bus.fabric.stalled_until;
        if let [one] = &self.cpus[..] {
            return (0, Self::next_start(one, stall));
        }
        let starts = self.cpus.iter().enumerate().map(|(i, s)| (Self::next_start(s, stall), i));
        starts.min().map_or((0, Time::MAX), |(t, i)| (i, t))
    }

    /// When this machine next does something by itself.
    pub fn next_activity(&self) -> Time {
        if self.bus.fabric.hold {
            return self.now;
        }
        self.next_cpu().1.min(self.bus.fabric.events.next_time()).max(self.now)
    }

    /// A device waits for an answer from outside.
    pub fn held(&self) -> bool {
        self.bus.fabric.hold
    }

    /// The answer has come, or there is none: on.
    pub fn release(&mut self) {
        self.bus.fabric.hold = false;
    }

    /// When the next event is due.
    pub fn next_event(&self) -> Time {
        self.bus.fabric.events.next_time()
    }

    /// The earliest time at which a message of this machine can leave it.
    pub fn promise(&self) -> Time {
        self.next_activity() + self.bus.lookahead()
    }

    /// Runs up to `end` or a stop. A stop is exact; call again to go on.
    pub fn run_until(&mut self, end: Time) -> Exit {
        self.run(end, false)
    }

    /// Runs up to `end`, a stop, or the instruction or event in which a message leaves the machine, console text apart.
    pub fn run_until_message(&mut self, end: Time) -> Exit {
        self.bus.fabric.stops_at_message = true;
        let exit = self.run(end, false);
        let f = &mut self.bus.fabric;
        (f.stops_at_message, f.message_left) = (false, false);
        exit
    }

    /// Time passes up to `t` and nothing happens: for a machine that stands still until it is reset.
    pub fn stand_until(&mut self, t: Time) {
        self.now = self.now.max(t);
    }

    /// Executes one instruction of whichever CPU is next (waiting for it up to `end`).
    pub fn step(&mut self, end: Time) -> Exit {
        self.run(end, true)
    }

    fn run(&mut self, end: Time, step: bool) -> Exit {
        loop {
            if self.bus.fabric.hold {
                return Exit::Held;
            }
            if self.bus.fabric.message_left {
                return Exit::Reached;
            }
            let (n, start) = self.next_cpu();
            let due = self.bus.fabric.events.next_time();
            if due <= start.min(end) {
                if let Some(e) = self.bus.fabric.events.pop_due(due) {
                    self.dispatch(e);
                }
                continue;
            }
            if start >= end {
                self.now = self.now.max(end);
                return Exit::Reached;
            }
            if let Some(exit) = self.run_cpu(n, start, due.min(end), step) {
                return exit;
            }
        }
    }

    fn dispatch(&mut self, e: Event) {
        self.now = self.now.max(e.at);
        self.bus.fabric.set_now(e.at);
        self.bus.fabric.pc = None;
        match e.dev.as_cpu() {
            Some(n) => {
                let s = &mut self.cpus[usize::from(n)];
                self.bus.fabric.set_clock(s.clock);
                s.cpu.event(e.tag, &mut self.bus);
            }
            None => {
                self.bus.dispatch(e);
                if self.bus.fabric.is_calm() {
                    return; // nothing a CPU could see
                }
            }
        }
        self.after_stimulus(e.at);
    }

    /// Resets and wake-ups that an event or a delivery at `at` brought about.
    fn after_stimulus(&mut self, at: Time) {
        if let Some(kind) = self.bus.fabric.reset_request.take() {
            return self.reset(kind);
        }
        self.sync_cpus(at);
    }

    /// The CPUs take their interrupt lines; whoever that wakes starts at `at`.
    fn sync_cpus(&mut self, at: Time) {
        for s in &mut self.cpus {
            if s.cpu.sync(&mut self.bus) && s.asleep {
                s.asleep = false;
                s.cycle = s.cycle.max(s.clock.first_tick_at(at));
            }
        }
    }

    /// Runs CPU `n` from `start` to before `stop`.
    fn run_cpu(&mut self, n: usize, start: Time, stop: Time, step: bool) -> Option<Exit> {
        // With several CPUs each runs until another one's turn: `next_cpu` says whose it is at one instant.
        let stall = self.bus.fabric.stalled_until;
        let others = self.cpus.iter().enumerate().filter(|(i, _)| *i != n);
        let other = others.map(|(_, s)| Self::next_start(s, stall)).min().unwrap_or(Time::MAX);
        let s = &mut self.cpus[n];
        // A stall may have moved the start.
        let cycle = if stall < start { s.cycle } else { s.cycle.max(s.clock.first_tick_at(start)) };
        let until = s.clock.first_tick_at(stop.min(other)).max(cycle + 1);
        let f = &mut self.bus.fabric;
        f.deadline = stop;
        f.attention = false;
        f.cpu = n as u16;
        f.set_clock(s.clock);
        let run = Run { cycle, until, step, resume: std::mem::take(&mut self.resume) };
        let retired = s.cpu.retired();
        let (cycle, exit) = s.cpu.run(&mut self.bus, run);
        s.cycle = cycle;
        // Entering an exception may have taken all the time there was: its handler's first instruction is yet to come.
        let step = step && (exit != CpuExit::Ran || s.cpu.retired() != retired);
        let f = &mut self.bus.fabric;
        f.pc = None;
        f.deadline = Time::MAX;
        let at = s.clock.edge(cycle);
        f.set_now(at);
        // Another CPU may have an instruction to run that starts earlier than this one's next.
        self.now = self.now.max(at.min(stop).min(other));
        if let Some(kind) = f.reset_request.take() {
            self.reset_after_insn(at, kind);
            return None;
        }
        let ended = f.exit_request.take().map(Exit::Ended);
        let exit = self.exit_of(n, exit, step);
        self.hand_over_lines(at);
        ended.or(exit)
    }

    /// The interrupt controllers see what the instruction that ended at `at` did to their lines, before anybody looks
    /// and whatever the CPUs do next: they sample lines all the time (DDI0403E B3.4.1).
    #[inline]
    fn hand_over_lines(&mut self, at: Time) {
        if !self.bus.fabric.irqs.is_empty() {
            self.sync_cpus(at);
        }
    }

    fn reset_after_insn(&mut self, at: Time, kind: ResetKind) {
        let now = self.now;
        self.now = now.max(at);
        self.reset(kind);
        self.now = now;
    }

    fn exit_of(&mut self, n: usize, exit: CpuExit, step: bool) -> Option<Exit> {
        let s = &mut self.cpus[n];
        match exit {
            CpuExit::Sleep => s.asleep = true,
            CpuExit::Lockup => {
                s.locked = true;
                return Some(Exit::Lockup(n, s.cpu.pc()));
            }
            CpuExit::Break => {
                self.resume = true;
                return Some(Exit::Break(n));
            }
            CpuExit::Semihost => return Some(Exit::Semihost(n)),
            CpuExit::Ran => {}
        }
        if let Some((addr, write)) = self.bus.fabric.mem.watch_hit.take() {
            return Some(Exit::Watch(n, addr, write));
        }
        step.then_some(Exit::Stepped(n))
    }

    /// The next instruction runs even if a breakpoint is on it.
    pub fn resume_over_breakpoint(&mut self) {
        self.resume = true;
    }

    /// Hands a message to a device at the present time.
    pub fn deliver(&mut self, dev: DevId, port: Port, msg: Msg) {
        self.stimulate(dev, |d, cx| d.recv(port, msg, cx));
    }

    /// Sets an input pin of a device at the present time.
    pub fn set_pin(&mut self, dev: DevId, pin: Pin, level: bool) {
        self.stimulate(dev, |d, cx| d.wire_in(pin, level, cx));
    }

    /// An input pin of a device sees `level` whatever its wire does (a stuck pin); `None`: the wire again.
    pub fn force_pin(&mut self, dev: DevId, pin: Pin, level: Option<bool>) {
        let f = &mut self.bus.fabric;
        let seen = match level {
            Some(level) => {
                f.forced.insert((dev, pin), level);
                level
            }
            None => {
                f.forced.remove(&(dev, pin));
                f.driven(dev, pin)
            }
        };
        self.set_pin(dev, pin, seen);
    }

    /// Changes the image, and memory as it is now: for patches before the first instruction. The error is the first
    /// address where there is no memory.
    pub fn patch(&mut self, addr: u64, bytes: &[u8]) -> Result<(), u64> {
        let n = self.bus.fabric.mem.poke(addr, bytes);
        if n < bytes.len() {
            return Err(addr.wrapping_add(n as u64));
        }
        let mut image = self.image.to_vec();
        image.push((addr, bytes.to_vec())); // chunks go in in order: this one wins
        self.image = image.into();
        Ok(())
    }

    /// The CPUs execute nothing until `t`; devices go on.
    pub fn stall_until(&mut self, t: Time) {
        let stalled = &mut self.bus.fabric.stalled_until;
        *stalled = (*stalled).max(t);
    }

    /// Sets a device's named input; `false` if there is no such device or input.
    pub fn input(&mut self, device: &str, name: &str, value: i64) -> bool {
        let Some(dev) = self.bus.device_by_name(device) else { return false };
        self.stimulate(dev, |d, cx| d.input(name, value, cx)).unwrap_or(false)
    }

    fn stimulate<T>(&mut self, dev: DevId, act: impl FnOnce(&mut dyn Peripheral, &mut Cx) -> T) -> Option<T> {
        self.bus.fabric.set_now(self.now);
        self.bus.fabric.pc = None;
        let r = self.bus.with_device(dev, act);
        self.after_stimulus(self.now);
        r
    }

    /// Reads memory, devices and CPU `cpu`'s own registers as a debugger sees them at the present time; nothing changes.
    /// Returns how many bytes there were.
    pub fn debug_read(&mut self, cpu: usize, addr: u64, out: &mut [u8]) -> usize {
        self.look(cpu);
        debug::read(&*self.cpus[cpu].cpu, &self.bus, addr, out)
    }

    /// Writes memory of any kind, devices and CPU `cpu`'s own registers for a debugger. Returns how many bytes could be
    /// written.
    pub fn debug_write(&mut self, cpu: usize, addr: u64, bytes: &[u8]) -> usize {
        self.look(cpu);
        let n = debug::write(&mut *self.cpus[cpu].cpu, &mut self.bus, addr, bytes);
        self.after_stimulus(self.now);
        n
    }

    /// Accesses happen now, by nobody's instruction.
    fn look(&mut self, cpu: usize) {
        let f = &mut self.bus.fabric;
        f.set_clock(self.cpus[cpu].clock);
        f.set_now(self.now);
        f.pc = None;
    }

    /// What a device shows a person.
    pub fn view(&self, device: &str) -> Option<View> {
        let dev = self.bus.device_by_name(device)?;
        self.bus.device(dev)?.view(self.now)
    }

    /// Messages that left since the last call, in order of time.
    pub fn take_outbox(&mut self) -> Vec<Outgoing> {
        let all = self.outbox();
        self.take_messages();
        self.take_printed();
        all
    }

    /// The same without what consoles printed.
    pub fn take_messages(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.bus.fabric.outbox)
    }

    /// What consoles printed since the last call, in order.
    pub fn take_printed(&mut self) -> Vec<Printed> {
        std::mem::take(&mut self.bus.fabric.printed)
    }

    fn outbox(&self) -> Vec<Outgoing> {
        let f = &self.bus.fabric;
        let mut all = f.outbox.clone();
        all.extend(f.printed.iter().map(|p| {
            let console = &f.consoles[usize::from(p.console)];
            Outgoing { at: p.at, dev: console.dev, port: console.port, msg: Msg::Byte(p.byte) }
        }));
        all.sort_by_key(|o| o.at);
        all
    }
}
