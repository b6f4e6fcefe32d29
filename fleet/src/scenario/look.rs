//! Looks whether what a step waits for holds.

use super::{Compare, Condition, Counter, Number, Place, State, Type, check, run::Runner};
use crate::{Fleet, NodeState, view::lamps};
use devices::source::nearest;
use emu_core::device::View;
use netsim::Medium;

impl Runner<'_> {
    /// Whether it holds for all these nodes; the error is something that a node does not have.
    pub(super) fn holds(&mut self, nodes: &[u32], condition: &Condition) -> Result<bool, String> {
        if let Condition::Counter(c @ Counter { of: Some(_), .. }, want) = condition {
            return Ok(share(&self.s.fleet, nodes, c)?.is_some_and(|v| all(want, v)));
        }
        for &node in nodes {
            if !self.holds_for(node, condition)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn holds_for(&mut self, n: u32, condition: &Condition) -> Result<bool, String> {
        Ok(match condition {
            Condition::Printed(_) => false, // what was printed is remembered by the step itself
            Condition::Memory(place, ty, want) => {
                let value = self.read(n, place, *ty)?;
                value.is_some_and(|(v, size)| want.iter().all(|c| ty.fitted(*c, size).holds(v)))
            }
            Condition::Counter(c, want) => {
                let value = count(&self.s.fleet, n, &c.medium, &c.name).map_err(|w| w.0)?;
                all(want, Number::Int(value.into()))
            }
            Condition::Display(device, rows) => self.rows(n, device).as_ref() == Some(rows),
            Condition::Lamp(device, i, want) => {
                let level = self.levels(n, device).and_then(|(_, l)| l.get(*i).copied());
                level.is_some_and(|l| all(want, Number::Int(l.into())))
            }
            Condition::Pin(device, name, level) => {
                let node = self.s.fleet.bring(n);
                let (dev, pin) = check::pin(node, device, name).map_err(|w| w.0)?;
                node.machine.bus.fabric.pin_level(dev, pin) == *level
            }
            Condition::State(state) => self.is(n, *state),
            Condition::Mistakes(want) => {
                let total = self.s.fleet.node(n).machine.bus.fabric.errors.total;
                all(want, Number::Int(total.into()))
            }
        })
    }

    fn is(&self, n: u32, state: State) -> bool {
        let node = self.s.fleet.node(n);
        match (state, node.state) {
            (State::Running, NodeState::Running)
            | (State::Off, NodeState::Off)
            | (State::LockedUp, NodeState::LockedUp { .. })
            | (State::Exited(None), NodeState::Exited { .. }) => true,
            (State::Exited(Some(want)), NodeState::Exited { code }) => want == code,
            (State::Asleep, NodeState::Running) => {
                (0..node.machine.cpu_count()).all(|c| node.machine.asleep(c))
            }
            _ => false,
        }
    }

    /// A value in a node's memory and its size; `None`: there is no memory.
    pub(super) fn read(&mut self, n: u32, place: &Place, ty: Type) -> Result<Option<(Number, u8)>, String> {
        let node = self.s.fleet.node(n);
        let (addr, room) = match place {
            Place::Address(addr) => (*addr, 0),
            Place::Symbol(name, offset) => {
                let found = node.firmware.symbols.find(name);
                let s = found.ok_or_else(|| format!("{} has no symbol `{name}`", node.firmware.name))?;
                (s.addr.wrapping_add(*offset), if *offset == 0 { s.size } else { 0 })
            }
        };
        let size = ty.size(room);
        let mut bytes = [0; 8];
        let n = self.s.fleet.debug_read(n, addr, &mut bytes[..usize::from(size)]);
        Ok((n == usize::from(size)).then(|| (ty.value(bytes, size), size)))
    }

    /// Columns and brightness of a device's lamps.
    fn levels(&mut self, n: u32, device: &str) -> Option<(u16, Vec<u8>)> {
        let View::Leds { width, levels } = self.s.fleet.bring(n).machine.view(device)?;
        Some((width, levels))
    }

    /// What a display shows, row by row.
    pub(super) fn rows(&mut self, n: u32, device: &str) -> Option<Vec<String>> {
        let (width, levels) = self.levels(n, device)?;
        Some(lamps(width, &levels))
    }

    /// What a condition looks at, as it is now on a node, for people.
    pub(super) fn seen(&mut self, nodes: &[u32], n: u32, condition: &Condition) -> Option<String> {
        Some(match condition {
            Condition::Memory(place, ty, _) => match self.read(n, place, *ty).ok()? {
                Some((value, _)) => format!("{place} is {value}"),
                None => format!("{place} lies in no memory"),
            },
            Condition::Counter(c @ Counter { of: Some(_), .. }, _) => {
                match share(&self.s.fleet, nodes, c).ok()? {
                    Some(v) => format!("the ratio is {v}"),
                    None => "nothing was counted yet".into(),
                }
            }
            Condition::Counter(c, _) => {
                let value = count(&self.s.fleet, n, &c.medium, &c.name).ok()?;
                format!("{}.{} is {value}", c.medium, c.name)
            }
            Condition::Display(device, _) => {
                format!("{device} shows\n      {}", self.rows(n, device)?.join("\n      "))
            }
            Condition::Lamp(device, i, _) => {
                format!("the brightness of {device}.{i} is {}", self.levels(n, device)?.1.get(*i)?)
            }
            Condition::Pin(device, name, level) => {
                let now = self.holds_for(n, condition).ok()? == *level;
                format!("{device}.{name} is {}", if now { "high" } else { "low" })
            }
            Condition::Mistakes(_) => {
                let errors = &self.s.fleet.node(n).machine.bus.fabric.errors;
                let first = errors.iter().next().map(|(_, what, _)| format!(": {what}"));
                format!("{} mistakes{}", errors.total, first.unwrap_or_default())
            }
            Condition::State(_) | Condition::Printed(_) => return None,
        })
    }
}

fn all(want: &[Compare], value: Number) -> bool {
    want.iter().all(|c| c.holds(value))
}

/// A counter's sum over nodes as a share of another's; `None`: that is 0.
fn share(fleet: &Fleet, nodes: &[u32], c: &Counter) -> Result<Option<Number>, String> {
    let Some((medium, name, others)) = &c.of else { return Ok(None) };
    let sum = |nodes: &[u32], medium: &str, name: &str| {
        nodes.iter().try_fold(0u64, |sum, n| Ok(sum + count(fleet, *n, medium, name).map_err(|w| w.0)?))
    };
    let (this, whole): (Result<u64, String>, Result<u64, String>) =
        (sum(nodes, &c.medium, &c.name), sum(others, medium, name));
    let (this, whole) = (this?, whole?);
    Ok((whole > 0).then(|| Number::Float(this as f64 / whole as f64)))
}

/// A node's counter on a medium: the fleet's by name, or a line by the node's port. The error says what there is.
pub(super) fn count(
    fleet: &Fleet,
    n: u32,
    medium: &str,
    name: &str,
) -> Result<u64, (String, Option<String>)> {
    let node = fleet.node(n);
    let all = match fleet.media().position(|m| m.0 == medium) {
        Some(number) => {
            let (_, m) = fleet.media().nth(number).ok_or_else(|| (String::new(), None))?;
            let stations = node.stations(number as u32);
            stations.map(|s| counters(m, s)).reduce(sum)
        }
        None => fleet.line_at(n, medium).map(|(line, end)| counters(line, end)),
    };
    let Some(all) = all else {
        let lines = node.machine.ports.iter().filter(|p| fleet.line_at(n, &p.name).is_some());
        let names: Vec<_> = fleet.media().map(|m| m.0).chain(lines.map(|p| &p.name[..])).collect();
        return Err((format!("{} is on no medium `{medium}`", node.name), nearest(medium, names)));
    };
    let found = all.iter().find(|c| c.0 == name).map(|c| c.1);
    found.ok_or_else(|| {
        let known: Vec<_> = all.iter().map(|c| c.0).collect();
        let help = nearest(name, known.iter().copied());
        (format!("`{medium}` has no counter `{name}`; it has: {}", known.join(", ")), help)
    })
}

type Counts = Vec<(&'static str, u64)>;

fn sum(a: Counts, b: Counts) -> Counts {
    a.iter().zip(b).map(|(a, b)| (a.0, a.1 + b.1)).collect()
}

/// A station's counters by name.
fn counters(medium: &Medium, station: u32) -> Counts {
    match medium {
        Medium::Ethernet(m) => {
            let c = m.counters(station);
            vec![
                ("sent", c.tx_frames),
                ("received", c.rx_frames),
                ("dropped", c.dropped),
                ("sent-bytes", c.tx_bytes),
                ("received-bytes", c.rx_bytes),
                ("bad", c.rx_bad),
                ("queue-full", c.queue_full),
                ("lost", c.lost),
                ("link-down", c.link_down),
                ("malformed", c.malformed),
                ("damaged", c.damaged),
                ("partitioned", c.partitioned),
            ]
        }
        Medium::Line(m) => {
            let c = m.counters(station);
            vec![("sent", c.tx), ("received", c.rx), ("dropped", c.lost), ("damaged", c.damaged)]
        }
        Medium::Radio(m) => {
            let c = m.counters(station);
            let dropped = c.damaged + c.collisions + c.too_weak + c.unlucky + c.absent + c.cut_off;
            vec![
                ("sent", c.sent),
                ("received", c.received),
                ("dropped", dropped),
                ("damaged", c.damaged),
                ("collisions", c.collisions),
                ("too-weak", c.too_weak),
                ("unlucky", c.unlucky),
                ("absent", c.absent),
                ("cut-off", c.cut_off),
            ]
        }
    }
}
