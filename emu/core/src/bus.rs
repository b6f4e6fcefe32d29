//! The bus of one machine: devices, their address windows, and the order in which effects settle.

pub use crate::windows::Window;
use crate::{
    cx::Cx,
    device::Peripheral,
    diag::Mistake,
    events::Event,
    fabric::{Effect, Fabric},
    ids::{Attrs, DevId, Pin, Port, ResetKind, Sink},
    memory::RegionKind,
    time::Time,
    windows::Windows,
};
use std::sync::Arc;

/// Nothing answered: the CPU takes a bus fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BusError;

/// How often a device was spoken to: for people, not part of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DevCount {
    /// Reads and writes of its registers by CPUs, and writes by debuggers.
    pub accesses: u64,
    /// Its scheduled events that came due.
    pub events: u64,
}

/// Devices, windows and the fabric they share.
pub struct Bus {
    /// Memory, events, wires, mistakes.
    pub fabric: Fabric,
    pub(crate) devs: Vec<Box<dyn Peripheral>>,
    names: Arc<Vec<Box<str>>>,
    windows: Arc<Windows>,
    /// Breakpoints: a debugger's wish, not state.
    pub breakpoints: std::collections::BTreeSet<u64>,
    /// `BKPT 0xAB` and its kin stop with [`CpuExit::Semihost`](crate::cpu::CpuExit::Semihost).
    pub semihosting: bool,
    /// By device, if somebody wants to know.
    counts: Option<Box<[DevCount]>>,
}

/// More effects than this from one stimulus are a loop of wires.
const SETTLE_LIMIT: u32 = 100_000;

impl Default for Bus {
    fn default() -> Self {
        Bus {
            fabric: Fabric::new(),
            devs: vec![],
            names: Arc::default(),
            windows: Arc::default(),
            breakpoints: Default::default(),
            semihosting: false,
            counts: None,
        }
    }
}

impl Bus {
    /// Adds a device; its name is unique (the board loader has checked).
    pub fn add_device(&mut self, name: &str, dev: Box<dyn Peripheral>) -> DevId {
        let id = DevId(self.devs.len() as u16);
        self.devs.push(dev);
        Arc::make_mut(&mut self.names).push(name.into());
        id
    }
    /// Shows a device at an address. Windows must not overlap.
    pub fn add_window(&mut self, base: u64, size: u64, dev: DevId) {
        Arc::make_mut(&mut self.windows).add(Window { base, size, dev });
    }
    /// Leads an output pin somewhere.
    pub fn connect(&mut self, from: (DevId, Pin), to: Sink) {
        self.fabric.connect(from, to);
    }
    /// Joins two message ports inside the machine, both ways.
    pub fn link(&mut self, a: (DevId, Port), b: (DevId, Port)) {
        self.fabric.wiring.link(a, b);
        self.fabric.wiring.link(b, a);
    }
    /// All windows by address.
    pub fn windows(&self) -> &[Window] {
        self.windows.sorted()
    }
    /// Number of devices.
    pub fn device_count(&self) -> usize {
        self.devs.len()
    }
    /// A device by number.
    pub fn device(&self, id: DevId) -> Option<&dyn Peripheral> {
        self.devs.get(usize::from(id.0)).map(|d| &**d)
    }
    /// All devices by number, with their names.
    pub(crate) fn devices(&self) -> impl Iterator<Item = (&str, &dyn Peripheral)> {
        self.names.iter().zip(&self.devs).map(|(name, dev)| (&**name, &**dev))
    }
    /// A device's name.
    pub fn device_name(&self, id: DevId) -> &str {
        match id.as_cpu() {
            Some(_) => "cpu",
            None => self.names.get(usize::from(id.0)).map_or("?", |name| name),
        }
    }
    /// A device's number by name.
    pub fn device_by_name(&self, name: &str) -> Option<DevId> {
        self.names.iter().position(|n| **n == *name).map(|i| DevId(i as u16))
    }

    /// From now on accesses and events are counted.
    pub fn count(&mut self) {
        self.counts = Some(vec![DevCount::default(); self.devs.len()].into());
    }
    /// Names of the devices and what was counted; nothing unless [`Bus::count`] was called.
    pub fn counts(&self) -> impl Iterator<Item = (&str, DevCount)> {
        let counts = self.counts.iter().flat_map(|c| c.iter().copied());
        self.names.iter().map(|n| &**n).zip(counts)
    }
    #[inline(always)]
    fn count_access(&mut self, dev: DevId) {
        if self.counts.is_some()
            && let Some(count) = self.counted(dev)
        {
            count.accesses += 1;
        }
    }
    #[cold]
    fn counted(&mut self, dev: DevId) -> Option<&mut DevCount> {
        self.counts.as_mut()?.get_mut(usize::from(dev.0))
    }

    /// A CPU's read that missed the fast path: memory, then devices. 1, 2 or 4 bytes (8: memory only).
    /// `cache` enters an ordinary memory page into the translation cache.
    pub fn read(&mut self, addr: u64, size: u8, _attrs: Attrs, cache: bool) -> Result<u64, BusError> {
        match self.windows.find(addr) {
            Some(at) => Ok(u64::from(self.read_device(at, size))),
            None => self.read_memory(addr, size, cache),
        }
    }

    #[inline(always)]
    fn read_device(&mut self, (dev, off): (DevId, u32), size: u8) -> u32 {
        self.count_access(dev);
        let slot = &mut self.devs[usize::from(dev.0)];
        let v = slot.mmio_read(off, size, &mut Cx::new(&mut self.fabric, dev));
        self.settle();
        v
    }

    #[inline(never)]
    fn read_memory(&mut self, addr: u64, size: u8, cache: bool) -> Result<u64, BusError> {
        if let Some(v) = self.fabric.mem.read_slow(addr, size, cache) {
            self.fabric.attention |= self.fabric.mem.watch_hit.is_some();
            return Ok(v);
        }
        self.fabric.mistake(DevId::cpu(0), Mistake::Unmapped { addr, write: false });
        Err(BusError)
    }

    /// A CPU's write that missed the fast path.
    pub fn write(&mut self, addr: u64, size: u8, v: u64, _attrs: Attrs, cache: bool) -> Result<(), BusError> {
        match self.windows.find(addr) {
            Some((dev, off)) => {
                self.count_access(dev);
                let slot = &mut self.devs[usize::from(dev.0)];
                slot.mmio_write(off, size, v as u32, &mut Cx::new(&mut self.fabric, dev));
                self.settle();
                Ok(())
            }
            None => self.write_memory(addr, size, v, cache),
        }
    }

    #[inline(never)]
    fn write_memory(&mut self, addr: u64, size: u8, v: u64, cache: bool) -> Result<(), BusError> {
        let epoch = self.fabric.mem.code_epoch();
        if self.fabric.mem.write_slow(addr, size, v, cache) {
            let mem = &self.fabric.mem;
            self.fabric.attention |= mem.watch_hit.is_some() || mem.code_epoch() != epoch;
            return Ok(());
        }
        self.write_rom(addr, size, v)
    }

    fn write_rom(&mut self, addr: u64, size: u8, v: u64) -> Result<(), BusError> {
        let region = self.fabric.mem.region_at(addr).filter(|r| r.kind == RegionKind::Rom);
        let Some(writer) = region.map(|r| r.writer) else {
            self.fabric.mistake(DevId::cpu(0), Mistake::Unmapped { addr, write: true });
            return Err(BusError);
        };
        match writer {
            Some(dev) => {
                let slot = &mut self.devs[usize::from(dev.0)];
                slot.rom_write(addr, size, v, &mut Cx::new(&mut self.fabric, dev));
                self.settle();
            }
            None => self.fabric.mistake(DevId::cpu(0), Mistake::RomWrite { addr }),
        }
        Ok(())
    }

    /// The device at an address, and the offset in its window.
    pub(crate) fn window_at(&self, addr: u64) -> Option<(DevId, u32)> {
        self.windows.find(addr)
    }

    /// Gives `act` a device and its context, then lets all effects settle.
    pub(crate) fn with_device<T>(
        &mut self,
        dev: DevId,
        act: impl FnOnce(&mut dyn Peripheral, &mut Cx) -> T,
    ) -> Option<T> {
        let slot = self.devs.get_mut(usize::from(dev.0))?;
        let r = act(&mut **slot, &mut Cx::new(&mut self.fabric, dev));
        self.settle();
        Some(r)
    }

    pub(crate) fn dispatch(&mut self, e: Event) {
        if let Some(count) = self.counted(e.dev) {
            count.events += 1;
        }
        self.with_device(e.dev, |d, cx| d.event(e.tag, cx));
    }

    pub(crate) fn reset_devices(&mut self, kind: ResetKind) {
        for i in 0..self.devs.len() {
            self.fabric.events.cancel_all(DevId(i as u16));
        }
        for i in 0..self.devs.len() {
            self.with_device(DevId(i as u16), |d, cx| d.reset(kind, cx));
        }
    }

    /// Wire changes, pulses and messages take effect in the order in which they were made.
    #[inline(always)]
    fn settle(&mut self) {
        if !self.fabric.queue.is_empty() {
            self.settle_all();
        }
    }

    #[inline(never)]
    fn settle_all(&mut self) {
        let mut count = 0;
        while let Some(effect) = self.fabric.queue.pop_front() {
            count += 1;
            if let Effect::Level { dev, pin, .. } = effect
                && !self.fabric.forced.is_empty()
                && self.fabric.forced.contains_key(&(dev, pin))
            {
                continue;
            }
            assert!(count < SETTLE_LIMIT, "wires of the board form a loop");
            let (Effect::Level { dev, .. } | Effect::Pulse { dev, .. } | Effect::Msg { dev, .. }) = &effect;
            let dev = *dev;
            let slot = &mut self.devs[usize::from(dev.0)];
            let cx = &mut Cx::new(&mut self.fabric, dev);
            match effect {
                Effect::Level { pin, level, .. } => slot.wire_in(pin, level, cx),
                Effect::Pulse { pin, .. } => slot.pulse_in(pin, cx),
                Effect::Msg { port, msg, .. } => slot.recv(port, *msg, cx),
            }
        }
    }

    pub(crate) fn fork(&mut self) -> Bus {
        Bus {
            fabric: self.fabric.fork(),
            devs: self.devs.iter().map(|d| d.fork()).collect(),
            names: Arc::clone(&self.names),
            windows: Arc::clone(&self.windows),
            semihosting: self.semihosting,
            counts: self.counts.clone(),
            ..Bus::default()
        }
    }

    /// Least lookahead of all devices, in nanoseconds.
    pub(crate) fn lookahead(&self) -> u64 {
        self.devs.iter().map(|d| d.lookahead()).min().unwrap_or(u64::MAX)
    }

    /// Virtual time of the access under way.
    pub fn now(&mut self) -> Time {
        self.fabric.now()
    }
}
