//! One device on a machine without CPU.

use emu_core::{
    bus::Bus,
    device::{Attrs, DevId, Device, Pin, Port, View},
    fabric::Outgoing,
    ids::Sink,
    link::Msg,
    machine::{Exit, Machine},
    memory::RegionKind,
    regs::RegSet,
    time::Time,
};
use std::collections::BTreeMap;

/// Where the device under test stands.
pub const BASE: u64 = 0x4000_0000;
/// Where the bench's 16 KiB of RAM are.
pub const RAM: u64 = 0x2000_0000;
const DEV: DevId = DevId(0);

/// A device, 16 KiB of RAM and a probe on the device's first 64 output pins.
///
/// Pin changes show up in [`Bench::pin`] and [`Bench::edges`]; pulses in [`Bench::pulses`].
pub struct Bench {
    /// The machine around the device.
    pub machine: Machine,
    levels: BTreeMap<Pin, bool>,
    edges: Vec<(Time, Pin, bool)>,
}

impl Bench {
    /// Powers the device on.
    pub fn new<D: Device>(dev: D) -> Bench {
        let mut bus = Bus::default();
        bus.fabric.mem.add_region("ram", RAM, 0x4000, RegionKind::Ram);
        let id = bus.add_device("dut", Box::new(dev));
        bus.add_window(BASE, 0x40_0000, id);
        // Outputs lead to interrupt lines of a CPU that is not there: the fabric lists their changes.
        let last = D::Reg::FIRST[D::Reg::TABLE.len()].max(64);
        for pin in 0..last {
            bus.connect((id, pin), Sink::Irq(0, pin));
        }
        let mut bench = Bench { machine: Machine::new("bench", bus), levels: BTreeMap::new(), edges: vec![] };
        bench.machine.power_on(1);
        bench.collect();
        bench
    }

    fn collect(&mut self) {
        let now = self.machine.now();
        for (_, pin, level) in self.machine.bus.fabric.irqs.drain(..) {
            self.levels.insert(pin, level);
            self.edges.push((now, pin, level));
        }
    }

    fn access<T>(&mut self, f: impl FnOnce(&mut Bus) -> T) -> T {
        // A stimulus on a pin nobody has sets the bench's time on the fabric.
        self.machine.set_pin(DevId(u16::MAX - 0x200), 0, false);
        let r = f(&mut self.machine.bus);
        self.collect();
        r
    }

    /// Writes a 32-bit register.
    pub fn w(&mut self, off: u32, v: u32) {
        self.access(|b| b.write(BASE + u64::from(off), 4, u64::from(v), Attrs::default(), false))
            .expect("mapped");
    }
    /// Reads a 32-bit register.
    pub fn r(&mut self, off: u32) -> u32 {
        self.read(off, 4)
    }
    /// Reads 1, 2 or 4 bytes as a debugger does.
    pub fn peek(&mut self, off: u32, size: u8) -> u32 {
        self.access(|b| b.peek(BASE + u64::from(off), size)).expect("mapped")
    }
    /// Reads 1, 2 or 4 bytes as a guest does.
    pub fn read(&mut self, off: u32, size: u8) -> u32 {
        self.access(|b| b.read(BASE + u64::from(off), size, Attrs::default(), false)).expect("mapped") as u32
    }
    /// Writes a register by name and element.
    pub fn set<R: RegSet>(&mut self, r: R, i: usize, v: u32) {
        self.w(r.info().offset + i as u32 * r.info().stride, v);
    }
    /// Reads a register by name and element.
    pub fn get<R: RegSet>(&mut self, r: R, i: usize) -> u32 {
        self.r(r.info().offset + i as u32 * r.info().stride)
    }
    /// Hands the device a message.
    pub fn recv(&mut self, port: Port, msg: Msg) {
        self.machine.deliver(DEV, port, msg);
        self.collect();
    }
    /// Sets an input pin.
    pub fn set_pin(&mut self, pin: Pin, level: bool) {
        self.machine.set_pin(DEV, pin, level);
        self.collect();
    }
    /// Sets a named input.
    pub fn input(&mut self, name: &str, value: i64) -> bool {
        let known = self.machine.input("dut", name, value);
        self.collect();
        known
    }
    /// Lets time pass, in nanoseconds; events due up to and including the end happen.
    pub fn advance(&mut self, ns: u64) {
        let end = self.machine.now() + ns;
        loop {
            let next = self.machine.next_activity().min(end);
            if self.machine.run_until(next) == Exit::Held {
                self.machine.release(); // nobody answers on a bench
                continue;
            }
            self.collect();
            if next >= end {
                break;
            }
        }
    }
    /// Virtual time.
    pub fn now(&self) -> Time {
        self.machine.now()
    }
    /// Level of an output pin.
    pub fn pin(&self, pin: Pin) -> bool {
        self.levels.get(&pin).copied().unwrap_or(false)
    }
    /// All output changes since the last call: time, pin, level. A pulse is a rise and a fall.
    pub fn edges(&mut self) -> Vec<(Time, Pin, bool)> {
        std::mem::take(&mut self.edges)
    }
    /// Times of pulses (rises) on one pin since the last call to [`Bench::edges`].
    pub fn pulses(&self, pin: Pin) -> Vec<Time> {
        self.edges.iter().filter(|e| e.1 == pin && e.2).map(|e| e.0).collect()
    }
    /// Messages the device sent since the last call.
    pub fn sent(&mut self) -> Vec<Outgoing> {
        self.machine.take_outbox()
    }
    /// Number of guest mistakes so far.
    pub fn mistakes(&self) -> u64 {
        self.machine.bus.fabric.errors.total
    }
    /// What the device shows.
    pub fn view(&self) -> Option<View> {
        self.machine.view("dut")
    }
    /// Reads the bench's RAM (`addr` from [`RAM`]).
    pub fn ram(&self, addr: u64, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.machine.bus.fabric.mem.peek(addr, &mut out);
        out
    }
    /// Writes the bench's RAM.
    pub fn set_ram(&mut self, addr: u64, bytes: &[u8]) {
        self.machine.bus.fabric.mem.poke(addr, bytes);
    }
    /// A copy of the whole bench.
    pub fn fork(&mut self) -> Bench {
        Bench { machine: self.machine.fork(), levels: self.levels.clone(), edges: self.edges.clone() }
    }
}
