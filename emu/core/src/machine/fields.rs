//! A machine's state by name.

use super::Machine;
use crate::{
    fields::{Fields, fields},
    ids::DevId,
};

impl Machine {
    /// The state without memory, by name: to say where two machines differ.
    pub fn fields(&self) -> Fields {
        let mut all = self.cpu_fields();
        for (name, dev) in self.bus.devices() {
            all.extend(dev.fields(name));
        }
        all.extend(self.fabric_fields());
        all.push(("time".into(), self.now().to_string()));
        all
    }

    fn cpu_fields(&self) -> Fields {
        let mut all = vec![];
        for (i, s) in self.cpus.iter().enumerate() {
            let name = if i == 0 { "cpu".to_string() } else { format!("cpu{i}") };
            let regs = s.cpu.arch().regs.iter().enumerate();
            all.extend(regs.map(|(n, r)| (format!("{name}.{}", r.name), format!("{:#x}", s.cpu.reg(n)))));
            let own = [("retired", s.cpu.retired().to_string()), ("cycle", s.cycle.to_string())];
            let states = [("asleep", s.asleep.to_string()), ("locked up", s.locked.to_string())];
            all.extend(own.into_iter().chain(states).map(|(n, v)| (format!("{name}.{n}"), v)));
            all.extend(s.cpu.fields(&name));
        }
        all
    }

    fn fabric_fields(&self) -> Fields {
        let f = &self.bus.fabric;
        let mut all = vec![];
        for (d, pins) in f.levels().into_iter().enumerate() {
            let name = self.bus.device_name(DevId(d as u16));
            let high = pins.iter().enumerate().filter(|(_, level)| **level);
            all.extend(high.map(|(pin, _)| (format!("wire of {name} pin {pin}"), "high".into())));
        }
        for e in f.events.iter() {
            all.push((
                format!("event {} of {}", e.tag, self.bus.device_name(e.dev)),
                format!("due at {}", e.at),
            ));
        }
        for c in &f.consoles {
            all.push((format!("console {}", c.name), format!("{} bytes, hash {:016x}", c.len, c.hash)));
        }
        for (dev, what, s) in f.errors.iter() {
            let count = format!("{} times since {}", s.count, s.first);
            all.push((format!("mistake of {}: {what}", self.bus.device_name(dev)), count));
        }
        all.extend(fields("random numbers", &f.rng));
        all.extend(fields("CPUs stalled until", &f.stalled_until));
        all.extend(fields("waits for an answer", &f.hold));
        for ((dev, pin), level) in &f.forced {
            all.push((format!("stuck pin {pin} of {}", self.bus.device_name(*dev)), level.to_string()));
        }
        all
    }
}
