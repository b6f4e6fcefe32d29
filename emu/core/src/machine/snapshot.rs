//! Copies of a machine, its saved form and its digest.

use super::{CpuSlot, Machine};
use crate::{
    device::Peripheral,
    diag::ErrorLog,
    events::EventQueue,
    fabric::{Console, Outgoing},
    ids::{DevId, Pin},
    memory::SavedMemory,
    rng::Rng,
    save::{self, LoadError},
    time::Time,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// No machine runs that long.
const MOST_CYCLES: u64 = u64::MAX / 2;

#[derive(Serialize, Deserialize)]
struct CpuState {
    kind: String,
    cycle: u64,
    asleep: bool,
    locked: bool,
    bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct DeviceState {
    name: String,
    kind: String,
    version: u16,
    bytes: Vec<u8>,
}

/// Everything but memory and messages on their way out.
#[derive(Serialize, Deserialize)]
struct State {
    machine: String,
    now: Time,
    cpus: Vec<CpuState>,
    devices: Vec<DeviceState>,
    levels: Vec<Vec<bool>>,
    events: EventQueue,
    errors: ErrorLog,
    consoles: Vec<Console>,
    rng: Rng,
    stalled_until: Time,
    hold: bool,
    forced: BTreeMap<(DevId, Pin), bool>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    state: State,
    outbox: Vec<Outgoing>,
    memory: SavedMemory,
}

impl Machine {
    /// A copy that goes its own way from here; memory pages are shared until written.
    pub fn fork(&mut self) -> Machine {
        let mut copy = Machine {
            name: self.name.clone(),
            bus: self.bus.fork(),
            ports: Arc::clone(&self.ports),
            cpus: self.cpus.iter().map(|s| CpuSlot { cpu: s.cpu.fork(), ..*s }).collect(),
            now: self.now,
            resume: self.resume,
            engine: self.engine,
            image: Arc::clone(&self.image),
        };
        copy.set_engine(self.engine);
        copy
    }

    fn state(&self) -> State {
        let f = &self.bus.fabric;
        let cpu = |s: &CpuSlot| CpuState {
            kind: s.cpu.kind().into(),
            cycle: s.cycle,
            asleep: s.asleep,
            locked: s.locked,
            bytes: s.cpu.save(),
        };
        let device = |(name, dev): (&str, &dyn Peripheral)| DeviceState {
            name: name.to_string(),
            kind: dev.kind().into(),
            version: dev.version(),
            bytes: dev.save(),
        };
        State {
            machine: self.name.clone(),
            now: self.now,
            cpus: self.cpus.iter().map(cpu).collect(),
            devices: self.bus.devices().map(device).collect(),
            levels: f.levels(),
            events: f.events.clone(),
            errors: f.errors.clone(),
            consoles: f.consoles.clone(),
            rng: f.rng.clone(),
            stalled_until: f.stalled_until,
            hold: f.hold,
            forced: f.forced.clone(),
        }
    }

    /// The whole state as bytes.
    pub fn save(&self) -> Vec<u8> {
        let f = &self.bus.fabric;
        save::to_bytes(&Saved { state: self.state(), outbox: self.outbox(), memory: f.mem.save() })
    }

    /// Restores [`Machine::save`]'s bytes into a machine of the same board. On an error nothing is changed but
    /// possibly single devices: throw the machine away.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let saved: Saved = save::from_bytes(bytes)?;
        let state = saved.state;
        if state.machine != self.name
            || state.cpus.len() != self.cpus.len()
            || state.devices.len() != self.bus.devs.len()
        {
            return Err(LoadError::Mismatch(format!("{} is not {}", state.machine, self.name)));
        }
        self.check(&state)?;
        self.bus.fabric.mem.load(&saved.memory)?;
        for (slot, s) in self.cpus.iter_mut().zip(&state.cpus) {
            if s.kind != slot.cpu.kind() {
                return Err(LoadError::Mismatch(format!("cpu {} is not {}", s.kind, slot.cpu.kind())));
            }
            slot.cpu.load(&s.bytes)?;
            (slot.cycle, slot.asleep, slot.locked) = (s.cycle, s.asleep, s.locked);
        }
        for (i, s) in (0..).zip(&state.devices) {
            let name = self.bus.device_name(DevId(i)) == s.name;
            let dev = &mut self.bus.devs[usize::from(i)];
            if !name || (&s.kind[..], s.version) != (dev.kind(), dev.version()) {
                return Err(LoadError::Mismatch(format!(
                    "device {} ({} version {})",
                    s.name, s.kind, s.version
                )));
            }
            dev.load(&s.bytes)?;
        }
        let f = &mut self.bus.fabric;
        f.set_levels(&state.levels)?;
        (f.events, f.errors, f.consoles, f.rng) = (state.events, state.errors, state.consoles, state.rng);
        (f.stalled_until, f.outbox, f.hold) = (state.stalled_until, saved.outbox, state.hold);
        f.forced = state.forced;
        f.printed.clear();
        self.now = state.now;
        Ok(())
    }

    /// What no state of this machine can hold.
    fn check(&self, state: &State) -> Result<(), LoadError> {
        let corrupt = |what: &str| Err(LoadError::Corrupt(what.into()));
        let known = |dev: DevId| match dev.as_cpu() {
            Some(n) => usize::from(n) < self.cpus.len(),
            None => usize::from(dev.0) < self.bus.devs.len(),
        };
        if !state.events.devices().all(known) {
            return corrupt("an event of no device");
        }
        if state.cpus.iter().any(|s| s.cycle > MOST_CYCLES) {
            return corrupt("a cycle beyond the end of time");
        }
        let ours = self.bus.fabric.consoles.iter().map(|c| (&c.name, c.dev, c.port));
        if !ours.eq(state.consoles.iter().map(|c| (&c.name, c.dev, c.port))) {
            return corrupt("other consoles");
        }
        Ok(())
    }

    /// Digest of the state at the present time.
    pub fn digest(&mut self) -> u128 {
        let mut bytes = save::to_bytes(&self.state());
        bytes.extend(self.bus.fabric.mem.digest().to_le_bytes());
        save::digest(&bytes)
    }
}
