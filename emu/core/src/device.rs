//! What a peripheral's author writes ([`Device`]), what it may do ([`Cx`]) and what the machine holds
//! ([`Peripheral`]).
//!
//! Architecture Invariant: a device is plain data. It holds no `Arc`, lock, closure, channel, file or clock, and
//! nothing it does re-enters a device: effects are queued and settle first-in first-out.

use crate::{
    diag::{ErrorLog, Mistake},
    events::{EventQueue, Tag},
    fields::{self, Fields},
    link::Msg,
    memory::Memory,
    regs::{Access, Bank, RegInfo, RegSet},
    rng::Rng,
    save::{self, LoadError},
    time::{Clock, Time},
    wiring::{Levels, Wiring},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
};

/// Number of a device within its machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct DevId(pub u16);

impl DevId {
    /// The pseudo device that stands for CPU `n`: its private timers schedule events under this number.
    pub const fn cpu(n: u16) -> DevId {
        DevId(0xff00 + n)
    }
    /// Which CPU this stands for, if any.
    pub const fn as_cpu(self) -> Option<u16> {
        if self.0 >= 0xff00 { Some(self.0 - 0xff00) } else { None }
    }
}

/// A wire's end at a device. By convention pin 0 of a device with one interrupt is [`IRQ`].
pub type Pin = u16;
/// A message port of a device.
pub type Port = u8;

/// The interrupt output of a device that has one.
pub const IRQ: Pin = 0;

/// Who makes an access, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Attrs {
    /// TrustZone secure.
    pub secure: bool,
    /// Privileged mode.
    pub privileged: bool,
    /// Bus master: CPU number, or 0x100 + device number for DMA.
    pub master: u16,
}

/// Why a machine or a part of it starts anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ResetKind {
    /// Power was off: RAM is lost.
    PowerOn,
    /// The reset pin.
    Pin,
    /// Software (AIRCR.SYSRESETREQ).
    Soft,
    /// A watchdog.
    Watchdog,
    /// The CPU locked up and the SoC resets on that.
    Lockup,
}

/// Something a device shows a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum View {
    /// A matrix of lamps, row by row, brightness 0 to 255.
    Leds {
        /// Columns.
        width: u16,
        /// Brightness.
        levels: Vec<u8>,
    },
}

/// An input of a device: its value, and the least and the most that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputState {
    /// What was set last, or holds at power-on.
    pub value: i64,
    /// Lower values mean this one.
    pub least: i64,
    /// Higher values mean this one.
    pub most: i64,
}

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

/// Where a wire ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sink {
    /// A pin of a device.
    Device(DevId, Pin),
    /// An interrupt line of a CPU.
    Irq(u16, u16),
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

    fn pulse(&mut self, dev: DevId, pin: Pin) {
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

/// Everything a device may do to the world. Effects are queued; nothing re-enters.
pub struct Cx<'a> {
    f: &'a mut Fabric,
    me: DevId,
}

impl<'a> Cx<'a> {
    /// The context of device `me`. The machine and the test bench make these.
    pub fn new(f: &'a mut Fabric, me: DevId) -> Cx<'a> {
        Cx { f, me }
    }
    /// Virtual time of this access or event.
    pub fn now(&mut self) -> Time {
        self.f.now()
    }
    /// Schedules this device's event `tag` at `at`, which replaces an earlier schedule of the same tag.
    pub fn at(&mut self, at: Time, tag: Tag) {
        self.f.schedule(at, self.me, tag);
    }
    /// Schedules event `tag` in `ns` nanoseconds.
    pub fn after(&mut self, ns: u64, tag: Tag) {
        let at = self.now() + ns;
        self.at(at, tag);
    }
    /// Forgets event `tag`.
    pub fn cancel(&mut self, tag: Tag) {
        self.f.events.cancel(self.me, tag);
    }
    /// When event `tag` is due, if it is pending.
    pub fn due(&self, tag: Tag) -> Option<Time> {
        self.f.events.when(self.me, tag)
    }
    /// Drives an output pin. Setting the level it has already does nothing.
    pub fn wire(&mut self, pin: Pin, level: bool) {
        self.f.set_level(self.me, pin, level);
    }
    /// A pulse on an output pin (a hardware event); never dropped.
    pub fn pulse(&mut self, pin: Pin) {
        self.f.pulse(self.me, pin);
    }
    /// Sends a message through a port.
    pub fn send(&mut self, port: Port, msg: Msg) {
        self.f.send(self.me, port, msg);
    }
    /// Another machine listens to this port: it wants [`Msg::Sending`] at each start bit.
    pub fn followed(&self, port: Port) -> bool {
        self.f.followed.contains(&(self.me, port))
    }
    /// DMA read. `false` if a byte is not memory; the bytes up to there are read.
    pub fn dma_read(&mut self, addr: u64, out: &mut [u8]) -> bool {
        self.f.mem.peek(addr, out) == out.len()
    }
    /// DMA write to RAM. `false` (and nothing written) if a byte is not RAM.
    pub fn dma_write(&mut self, addr: u64, bytes: &[u8]) -> bool {
        let ok = self.f.mem.dma_write(addr, bytes);
        self.f.attention = true; // decoded code may be stale
        ok
    }
    /// Changes memory of any kind: for flash controllers. Returns how many bytes were memory.
    pub fn program(&mut self, addr: u64, bytes: &[u8]) -> usize {
        self.f.attention = true;
        self.f.mem.poke(addr, bytes)
    }
    /// Notes that the guest misused this device.
    pub fn guest_error(&mut self, what: impl Into<Cow<'static, str>>) {
        self.f.mistake(self.me, Mistake::Misuse(what.into()));
    }
    /// Notes that the guest wanted something that is not modelled.
    pub fn unimplemented(&mut self, what: impl Into<Cow<'static, str>>) {
        self.f.mistake(self.me, Mistake::Unimplemented(what.into()));
    }
    /// An access where there is no register.
    #[cold]
    fn stray(&mut self, offset: u32, write: bool) {
        self.f.mistake(self.me, Mistake::NoRegister { offset, write });
    }
    /// A read of what can only be written, or the other way.
    #[cold]
    fn wrong_way(&mut self, offset: u32, write: bool) {
        self.f.mistake(self.me, Mistake::Direction { offset, write });
    }
    /// Random bits (noise sources, identities).
    pub fn random(&mut self) -> u64 {
        self.f.random()
    }
    /// The CPUs stand still for `ns` nanoseconds from now.
    pub fn stall_cpus(&mut self, ns: u64) {
        self.f.stalled_until = self.now() + ns;
        self.f.attention = true;
    }
    /// The machine goes no further until a message from outside has come (or its sender has none): for answers that
    /// only a medium knows, and that belong to this very instant. From a device's event only.
    pub fn hold(&mut self) {
        self.f.hold = true;
        self.f.attention = true;
    }
    /// The guest ends itself with an exit code, after this instruction.
    pub fn end_run(&mut self, code: u32) {
        self.f.exit_request = Some(code);
        self.f.attention = true;
    }
    /// Resets the machine after this instruction or event.
    pub fn reset_machine(&mut self, kind: ResetKind) {
        self.f.reset_request = Some(kind);
        self.f.attention = true;
    }
}

/// A hardware block with registers. Everything not needed has a default.
///
/// `Clone`, `Serialize` and `Deserialize` of the whole struct make snapshot, fork and digest.
pub trait Device: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The register file declared by [`regs!`](crate::regs!).
    type Reg: RegSet;
    /// Name of the model, `vendor,block`.
    const KIND: &'static str;
    /// Version of the saved form; raise it when the struct changes.
    const VERSION: u16 = 1;
    /// What real hardware does and this model does not; `flotilla machines NAME` prints it.
    const NOT_MODELLED: &'static [&'static str];

    /// The register storage.
    fn bank(&mut self) -> &mut Bank<Self::Reg>;
    /// The offset in the register table of an access at offset `off` of the window: another one for blocks whose registers lie
    /// closer together than words.
    fn table_offset(&self, off: u32) -> u32 {
        off
    }
    /// Back to the state after a reset; pending events of the device are gone already.
    fn reset(&mut self, kind: ResetKind, cx: &mut Cx);
    /// A guest reads element `i` of register `r`.
    fn read(&mut self, r: Self::Reg, i: usize, _cx: &mut Cx) -> u32 {
        self.bank().at(r, i)
    }
    /// A guest wrote element `i` of register `r`; the bank holds `v` already, as far as it is storage.
    fn write(&mut self, _r: Self::Reg, _i: usize, _v: u32, _cx: &mut Cx) {}
    /// A task register was written with 1 or triggered over its pulse pin.
    fn task(&mut self, _r: Self::Reg, _i: usize, _cx: &mut Cx) {}
    /// A scheduled event is due.
    fn event(&mut self, _tag: Tag, _cx: &mut Cx) {}
    /// An input pin changed.
    fn wire_in(&mut self, _pin: Pin, _level: bool, _cx: &mut Cx) {}
    /// A pulse came in on a pin that is no task register.
    fn pulse_in(&mut self, _pin: Pin, _cx: &mut Cx) {}
    /// A message came in.
    fn recv(&mut self, _port: Port, _msg: Msg, _cx: &mut Cx) {}
    /// A CPU wrote to a ROM region whose writer this device is.
    fn rom_write(&mut self, _addr: u64, _size: u8, _v: u64, cx: &mut Cx) {
        cx.guest_error("write to read-only memory");
    }
    /// A person, scenario or test sets an input by name (`pressed`, `x` ...). `false`: no such input.
    fn input(&mut self, _name: &str, _value: i64, _cx: &mut Cx) -> bool {
        false
    }
    /// The names [`Device::input`] takes, with their units.
    fn inputs(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    /// Where the input `name` stands, and how far it goes; `None`: not known.
    fn input_state(&self, _name: &str) -> Option<InputState> {
        None
    }
    /// What a person sees at `now`.
    fn view(&self, _now: Time) -> Option<View> {
        None
    }
    /// Least time in nanoseconds from any stimulus to this device's next message on a port that leaves the
    /// machine. `u64::MAX`: it sends none that another machine hears.
    fn lookahead(&self) -> u64 {
        u64::MAX
    }
    /// No message from outside changes this device until it has sent one itself: a receiver that is off.
    fn deaf(&self) -> bool {
        false
    }
    /// Checks a loaded state.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

/// What the machine holds: object safe, implemented for every [`Device`].
#[allow(missing_docs)]
pub trait Peripheral: Send + Sync {
    fn kind(&self) -> &'static str;
    fn not_modelled(&self) -> &'static [&'static str];
    fn regs(&self) -> &'static [RegInfo];
    fn mmio_read(&mut self, off: u32, size: u8, cx: &mut Cx) -> u32;
    fn mmio_write(&mut self, off: u32, size: u8, v: u32, cx: &mut Cx);
    fn reset(&mut self, kind: ResetKind, cx: &mut Cx);
    fn event(&mut self, tag: Tag, cx: &mut Cx);
    fn wire_in(&mut self, pin: Pin, level: bool, cx: &mut Cx);
    fn pulse_in(&mut self, pin: Pin, cx: &mut Cx);
    fn recv(&mut self, port: Port, msg: Msg, cx: &mut Cx);
    fn rom_write(&mut self, addr: u64, size: u8, v: u64, cx: &mut Cx);
    fn input(&mut self, name: &str, value: i64, cx: &mut Cx) -> bool;
    fn inputs(&self) -> &'static [(&'static str, &'static str)];
    fn input_state(&self, name: &str) -> Option<InputState>;
    fn view(&self, now: Time) -> Option<View>;
    fn lookahead(&self) -> u64;
    fn deaf(&self) -> bool;
    fn fork(&self) -> Box<dyn Peripheral>;
    fn version(&self) -> u16;
    fn save(&self) -> Vec<u8>;
    /// What `save` writes, by name, each path beginning with `root`.
    fn fields(&self, root: &str) -> Fields;
    fn load(&mut self, bytes: &[u8]) -> Result<(), LoadError>;
}

fn lanes(off: u32, size: u8) -> (u32, u32) {
    let mask = if size >= 4 { u32::MAX } else { (1 << (8 * u32::from(size))) - 1 };
    (8 * (off & 3), mask)
}

impl<D: Device> Peripheral for D {
    fn kind(&self) -> &'static str {
        D::KIND
    }
    fn not_modelled(&self) -> &'static [&'static str] {
        D::NOT_MODELLED
    }
    fn regs(&self) -> &'static [RegInfo] {
        D::Reg::TABLE
    }
    fn mmio_read(&mut self, off: u32, size: u8, cx: &mut Cx) -> u32 {
        let off = self.table_offset(off);
        let Some((r, i)) = D::Reg::decode(off & !3) else {
            cx.stray(off, false);
            return 0;
        };
        match r.info().access {
            Access::Wo => {
                cx.wrong_way(off, false);
                0
            }
            Access::Task => 0,
            _ if size >= 4 => Device::read(self, r, i, cx),
            _ => {
                let (shift, mask) = lanes(off, size);
                (Device::read(self, r, i, cx) >> shift) & mask
            }
        }
    }
    fn mmio_write(&mut self, off: u32, size: u8, v: u32, cx: &mut Cx) {
        let off = self.table_offset(off);
        let Some((r, i)) = D::Reg::decode(off & !3) else { return cx.stray(off, true) };
        let access = r.info().access;
        let mut v = v;
        if size < 4 {
            let (shift, mask) = lanes(off, size);
            v = (v & mask) << shift;
            if access == Access::Rw {
                v |= self.bank().at(r, i) & !(mask << shift);
            }
        }
        match access {
            Access::Ro => cx.wrong_way(off, true),
            Access::Task if v & 1 == 0 => {}
            Access::Task => Device::task(self, r, i, cx),
            _ => {
                let v = self.bank().guest_write(r, i, v);
                Device::write(self, r, i, v, cx);
            }
        }
    }
    fn reset(&mut self, kind: ResetKind, cx: &mut Cx) {
        Device::reset(self, kind, cx);
    }
    fn event(&mut self, tag: Tag, cx: &mut Cx) {
        Device::event(self, tag, cx);
    }
    fn wire_in(&mut self, pin: Pin, level: bool, cx: &mut Cx) {
        Device::wire_in(self, pin, level, cx);
    }
    fn pulse_in(&mut self, pin: Pin, cx: &mut Cx) {
        match D::Reg::from_slot(pin) {
            Some((r, i)) if r.info().access == Access::Task => Device::task(self, r, i, cx),
            _ => Device::pulse_in(self, pin, cx),
        }
    }
    fn recv(&mut self, port: Port, msg: Msg, cx: &mut Cx) {
        Device::recv(self, port, msg, cx);
    }
    fn rom_write(&mut self, addr: u64, size: u8, v: u64, cx: &mut Cx) {
        Device::rom_write(self, addr, size, v, cx);
    }
    fn input(&mut self, name: &str, value: i64, cx: &mut Cx) -> bool {
        Device::input(self, name, value, cx)
    }
    fn inputs(&self) -> &'static [(&'static str, &'static str)] {
        Device::inputs(self)
    }
    fn input_state(&self, name: &str) -> Option<InputState> {
        Device::input_state(self, name)
    }
    fn view(&self, now: Time) -> Option<View> {
        Device::view(self, now)
    }
    fn lookahead(&self) -> u64 {
        Device::lookahead(self)
    }
    fn deaf(&self) -> bool {
        Device::deaf(self)
    }
    fn fork(&self) -> Box<dyn Peripheral> {
        Box::new(self.clone())
    }
    fn version(&self) -> u16 {
        D::VERSION
    }
    fn save(&self) -> Vec<u8> {
        save::to_bytes(self)
    }
    fn fields(&self, root: &str) -> Fields {
        fields::fields(root, self)
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let loaded: D = save::from_bytes(bytes)?;
        loaded.validate().map_err(LoadError::Corrupt)?;
        *self = loaded;
        Ok(())
    }
}
