//! The bus of one machine: devices, their address windows, and the order in which effects settle.

use crate::{
    device::{Attrs, Cx, DevId, Effect, Fabric, Peripheral, Pin, Port, ResetKind, Sink},
    diag::Mistake,
    events::Event,
    memory::RegionKind,
    time::Time,
};
use std::sync::Arc;

/// Nothing answered: the CPU takes a bus fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BusError;

/// A window of the address space that belongs to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First address.
    pub base: u64,
    /// Size in bytes.
    pub size: u64,
    /// The device.
    pub dev: DevId,
}

pub(crate) struct DevSlot {
    pub name: Arc<str>,
    pub dev: Box<dyn Peripheral>,
}

/// How often a device was spoken to: for people, not part of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DevCount {
    /// Reads and writes of its registers by CPUs and debuggers.
    pub accesses: u64,
    /// Its scheduled events that came due.
    pub events: u64,
}

const CACHE: usize = 16;

/// Devices, windows and the fabric they share.
pub struct Bus {
    /// Memory, events, wires, mistakes.
    pub fabric: Fabric,
    pub(crate) devs: Vec<DevSlot>,
    windows: Arc<Vec<Window>>,
    /// Last window by page number: not state.
    cache: [(u64, u16); CACHE],
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
            windows: Arc::default(),
            cache: [(u64::MAX, 0); CACHE],
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
        self.devs.push(DevSlot { name: name.into(), dev });
        id
    }
    /// Shows a device at an address. Windows must not overlap.
    pub fn add_window(&mut self, base: u64, size: u64, dev: DevId) {
        let i = self.windows.partition_point(|w| w.base < base);
        Arc::make_mut(&mut self.windows).insert(i, Window { base, size, dev });
        self.cache = [(u64::MAX, 0); CACHE];
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
        &self.windows
    }
    /// Number of devices.
    pub fn device_count(&self) -> usize {
        self.devs.len()
    }
    /// A device by number.
    pub fn device(&self, id: DevId) -> Option<&dyn Peripheral> {
        self.devs.get(usize::from(id.0)).map(|d| &*d.dev)
    }
    /// A device's name.
    pub fn device_name(&self, id: DevId) -> &str {
        match id.as_cpu() {
            Some(_) => "cpu",
            None => self.devs.get(usize::from(id.0)).map_or("?", |d| &d.name),
        }
    }
    /// A device's number by name.
    pub fn device_by_name(&self, name: &str) -> Option<DevId> {
        self.devs.iter().position(|d| *d.name == *name).map(|i| DevId(i as u16))
    }

    /// From now on accesses and events are counted.
    pub fn count(&mut self) {
        self.counts = Some(vec![DevCount::default(); self.devs.len()].into());
    }
    /// Names of the devices and what was counted; nothing unless [`Bus::count`] was called.
    pub fn counts(&self) -> impl Iterator<Item = (&str, DevCount)> {
        let counts = self.counts.iter().flat_map(|c| c.iter().copied());
        self.devs.iter().map(|d| &*d.name).zip(counts)
    }
    fn counted(&mut self, dev: DevId) -> Option<&mut DevCount> {
        self.counts.as_mut()?.get_mut(usize::from(dev.0))
    }

    fn find(&mut self, addr: u64) -> Option<(DevId, u32)> {
        let page = addr >> 12;
        let slot = page as usize & (CACHE - 1);
        let i = if self.cache[slot].0 == page {
            usize::from(self.cache[slot].1)
        } else {
            self.windows.partition_point(|w| w.base <= addr).checked_sub(1)?
        };
        let mut w = self.windows.get(i)?;
        if addr.wrapping_sub(w.base) >= w.size {
            // A page with several windows: the cached one need not be ours.
            w = &self.windows[self.windows.partition_point(|w| w.base <= addr).checked_sub(1)?];
        }
        let off = addr.wrapping_sub(w.base);
        if off >= w.size {
            return None;
        }
        let found = (w.dev, off as u32);
        self.cache[slot] = (page, i as u16);
        Some(found)
    }

    /// A CPU's or debugger's read that missed the fast path: memory, then devices. 1, 2 or 4 bytes (8: memory only).
    /// `cache` enters an ordinary memory page into the translation cache.
    pub fn read(&mut self, addr: u64, size: u8, _attrs: Attrs, cache: bool) -> Result<u64, BusError> {
        if let Some((dev, off)) = self.find(addr) {
            if let Some(count) = self.counted(dev) {
                count.accesses += 1;
            }
            let slot = &mut self.devs[usize::from(dev.0)];
            let v = slot.dev.mmio_read(off, size, &mut Cx::new(&mut self.fabric, dev));
            self.settle();
            return Ok(u64::from(v));
        }
        if let Some(v) = self.fabric.mem.read_slow(addr, size, cache) {
            self.fabric.attention |= self.fabric.mem.watch_hit.is_some();
            return Ok(v);
        }
        self.fabric.mistake(DevId::cpu(0), Mistake::Unmapped { addr, write: false });
        Err(BusError)
    }

    /// A CPU's write that missed the fast path.
    pub fn write(&mut self, addr: u64, size: u8, v: u64, _attrs: Attrs, cache: bool) -> Result<(), BusError> {
        if let Some((dev, off)) = self.find(addr) {
            if let Some(count) = self.counted(dev) {
                count.accesses += 1;
            }
            let slot = &mut self.devs[usize::from(dev.0)];
            slot.dev.mmio_write(off, size, v as u32, &mut Cx::new(&mut self.fabric, dev));
            self.settle();
            return Ok(());
        }
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
                slot.dev.rom_write(addr, size, v, &mut Cx::new(&mut self.fabric, dev));
                self.settle();
            }
            None => self.fabric.mistake(DevId::cpu(0), Mistake::RomWrite { addr }),
        }
        Ok(())
    }

    /// Gives `act` a device and its context, then lets all effects settle.
    pub(crate) fn with_device<T>(
        &mut self,
        dev: DevId,
        act: impl FnOnce(&mut dyn Peripheral, &mut Cx) -> T,
    ) -> Option<T> {
        let slot = self.devs.get_mut(usize::from(dev.0))?;
        let r = act(&mut *slot.dev, &mut Cx::new(&mut self.fabric, dev));
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
    fn settle(&mut self) {
        let mut count = 0;
        while let Some(effect) = self.fabric.queue.pop_front() {
            count += 1;
            if let Effect::Level { dev, pin, .. } = effect
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
                Effect::Level { pin, level, .. } => slot.dev.wire_in(pin, level, cx),
                Effect::Pulse { pin, .. } => slot.dev.pulse_in(pin, cx),
                Effect::Msg { port, msg, .. } => slot.dev.recv(port, msg, cx),
            }
        }
    }

    pub(crate) fn fork(&mut self) -> Bus {
        Bus {
            fabric: self.fabric.fork(),
            devs: self
                .devs
                .iter()
                .map(|d| DevSlot { name: Arc::clone(&d.name), dev: d.dev.fork() })
                .collect(),
            windows: Arc::clone(&self.windows),
            semihosting: self.semihosting,
            counts: self.counts.clone(),
            ..Bus::default()
        }
    }

    /// Least lookahead of all devices, in nanoseconds.
    pub(crate) fn lookahead(&self) -> u64 {
        self.devs.iter().map(|d| d.dev.lookahead()).min().unwrap_or(u64::MAX)
    }

    /// Virtual time of the access under way.
    pub fn now(&mut self) -> Time {
        self.fabric.now()
    }
}
