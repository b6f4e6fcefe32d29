//! What steps do becomes commands.

use super::{Deed, Flips, LinkDeed, Place, Schedule, Step, Trace, check, deeds, run::Runner, text::Needle};
use crate::{Act, Command, Fleet, config::Plan, fleet::RADIO};
use emu_core::{Time, rng::hash_words};
use netsim::{
    Medium, RadioFault,
    ethernet::EthernetFault,
    line::{LineFault, Noise},
    medium::Fault,
};
use std::sync::Arc;

/// What tells the random numbers of flips and schedules from others.
const FLIP_SEED: u64 = 0xf11b;
const JITTER_SEED: u64 = 0x717e4;

/// An act for a node, or for [`Command::FLEET`].
pub(super) type Order = (u32, Act);

impl Runner<'_> {
    /// Does something now, and undoes it after a while.
    pub(super) fn deed(&mut self, step: &Step, deed: &Deed, undo: Option<u64>) -> Result<(), String> {
        let now = self.s.fleet.now();
        if let Deed::Send(text, echo) = deed {
            for &node in step.nodes.iter() {
                let text = text.fill(|name| self.value(name, node), str::to_string)?;
                let last = text.split(['\r', '\n']).rfind(|line| !line.is_empty());
                self.echoes[node as usize] = last.filter(|_| *echo).map(|line| Needle::Text(line.into()));
                let act = Act::Text { console: 0, bytes: text.into_bytes() };
                self.s.fleet.apply(Command::new(now, node, act));
            }
            return Ok(());
        }
        for command in commands(&self.s.fleet, &self.s.plan, step, deed, undo)? {
            self.s.fleet.apply(command);
        }
        Ok(())
    }
}

/// What a deed that is no text does now, and what undoes it after a while.
pub(super) fn commands(
    fleet: &Fleet,
    plan: &Plan,
    step: &Step,
    deed: &Deed,
    undo: Option<u64>,
) -> Result<Vec<Command>, String> {
    let now = fleet.now();
    let mut all = orders(fleet, step, deed)?;
    let here = all.len();
    if undo.is_some() {
        // Where inputs stand before they are set.
        all.extend(present_inputs(fleet, step, deed)?);
        if let Some(back) = undone(deed, noise(plan, deed)) {
            all.extend(orders(fleet, step, &back)?);
        }
    }
    let at = |i: usize| if i < here { now } else { now + undo.unwrap_or(0) };
    Ok(all.into_iter().enumerate().map(|(i, (node, act))| Command::new(at(i), node, act)).collect())
}

/// What sets an input back to where it stands now.
fn present_inputs(fleet: &Fleet, step: &Step, deed: &Deed) -> Result<Vec<Order>, String> {
    let Deed::Input(device, name, _) = deed else { return Ok(vec![]) };
    let back = |&node: &u32| {
        let bus = &fleet.node(node).machine.bus;
        let dev = bus.device_by_name(device).and_then(|d| bus.device(d));
        let state = dev.and_then(|d| d.input_state(name));
        let state = state.ok_or_else(|| format!("`{device}.{name}` cannot be set back after a while"))?;
        let act = Act::Input { device: device.clone(), name: name.clone(), value: state.value };
        Ok((node, act))
    };
    step.nodes.iter().map(back).collect()
}

/// How noisy a line is by its plan.
fn noise(plan: &Plan, deed: &Deed) -> Noise {
    let Deed::Line(line, _) = deed else { return Noise::default() };
    match plan.lines.get(*line as usize).map(|l| &l.config) {
        Some(netsim::line::LineConfig::Serial(noise)) => *noise,
        _ => Noise::default(),
    }
}

/// What undoes a deed.
fn undone(deed: &Deed, usual: Noise) -> Option<Deed> {
    Some(match deed {
        Deed::Power(false) => Deed::Power(true),
        Deed::Drift(_) => Deed::Drift(0),
        Deed::Stick(device, pin, Some(_)) => Deed::Stick(device.clone(), pin.clone(), None),
        Deed::Present(false) => Deed::Present(true),
        Deed::Partition(medium, _) => Deed::Heal(medium.clone()),
        Deed::Jam(name, _) => Deed::Unjam(name.clone()),
        Deed::Link(switch, LinkDeed::Down) => Deed::Link(switch.clone(), LinkDeed::Up),
        Deed::Line(line, LineFault::Cut) => Deed::Line(*line, LineFault::Restore),
        Deed::Line(line, LineFault::Stuck(_)) => Deed::Line(*line, LineFault::Stuck(None)),
        Deed::Line(line, LineFault::Noise(_)) => Deed::Line(*line, LineFault::Noise(usual)),
        _ => return None,
    })
}

/// The commands of a deed.
pub(super) fn orders(fleet: &Fleet, step: &Step, deed: &Deed) -> Result<Vec<Order>, String> {
    let each = |act: Act| Ok(step.nodes.iter().map(|n| (*n, act.clone())).collect());
    let per_node = |act: &dyn Fn(u32) -> Result<Act, String>| {
        step.nodes.iter().map(|n| Ok((*n, act(*n)?))).collect::<Result<Vec<_>, String>>()
    };
    match deed {
        Deed::Send(..) => Ok(vec![]),
        Deed::Input(device, name, value) => {
            each(Act::Input { device: device.clone(), name: name.clone(), value: *value })
        }
        Deed::Reset(kind) => each(Act::Reset(*kind)),
        Deed::Power(on) => each(Act::Power(*on)),
        Deed::Freeze(ns) => each(Act::Freeze { ns: *ns }),
        Deed::Drift(ppm) => each(Act::Drift { ppm: *ppm }),
        Deed::Stick(device, name, level) => per_node(&|n| {
            let (_, pin) = check::pin(fleet.node(n), device, name).map_err(|w| w.0)?;
            Ok(Act::StickPin { device: device.clone(), pin, level: *level })
        }),
        Deed::Flip(place, Flips::Mask(mask)) => per_node(&|n| {
            let (addr, _) = deeds::bytes_of(fleet.node(n), place, &Flips::Mask(vec![]))?;
            Ok(Act::FlipBits { addr, mask: mask.clone() })
        }),
        Deed::Flip(place, flips) => random_flips(fleet, step, place, flips),
        Deed::Move(to, speed) if *speed > 0.0 => {
            let walk = |n: &u32| RadioFault::MoveTo { node: *n, position: *to, speed: *speed };
            Ok(step.nodes.iter().map(|n| on_air(walk(n))).collect())
        }
        Deed::Jam(name, jammer) => {
            Ok(vec![on_air(RadioFault::Jam { name: name.clone(), jammer: jammer.clone() })])
        }
        Deed::Unjam(name) => Ok(vec![on_air(RadioFault::Unjam { name: name.clone() })]),
        Deed::Move(to, _) => each(Act::Move(*to)),
        Deed::Present(present) => each(Act::Present(*present)),
        Deed::Line(line, fault) => {
            let fault = Fault::Line(fault.clone());
            Ok(vec![(Command::FLEET, Act::LineFault { line: *line, fault })])
        }
        Deed::Link(medium, _) | Deed::Loss(medium, ..) | Deed::Partition(medium, _) | Deed::Heal(medium) => {
            let number = fleet.media().position(|m| m.0 == medium);
            let number = number.ok_or_else(|| format!("no medium is called `{medium}`"))? as u32;
            let fault = on_medium(fleet, step, number, deed);
            Ok(fault
                .map(|fault| (Command::FLEET, Act::Fault { medium: number, fault }))
                .into_iter()
                .collect())
        }
    }
}

fn on_air(fault: RadioFault) -> Order {
    (Command::FLEET, Act::Fault { medium: RADIO, fault: Fault::Radio(fault) })
}

/// Bits thrown by seed, place in the file, time and node.
fn random_flips(fleet: &Fleet, step: &Step, place: &Place, flips: &Flips) -> Result<Vec<Order>, String> {
    let Flips::Random(count, _) = flips else { return Ok(vec![]) };
    let mut all = vec![];
    for &node in step.nodes.iter() {
        let (base, size) = deeds::bytes_of(fleet.node(node), place, flips)?;
        for i in 0..u64::from(*count) {
            let words = [FLIP_SEED, step.line as u64, fleet.now().0, node.into(), i];
            let throw = hash_words(fleet.seed(), &words);
            let addr = base + (throw >> 3) % size.max(1);
            all.push((node, Act::FlipBits { addr, mask: vec![1 << (throw & 7)] }));
        }
    }
    Ok(all)
}

/// A deed to a medium, as its kind of medium takes it.
fn on_medium(fleet: &Fleet, step: &Step, medium: u32, deed: &Deed) -> Option<Fault> {
    let kind = fleet.media().nth(medium as usize)?.1;
    match kind {
        Medium::Ethernet(_) => on_switch(fleet, step, medium, deed).map(Fault::Ethernet),
        Medium::Radio(_) => on_radio(fleet, step, deed).map(Fault::Radio),
        Medium::Line(_) => None,
    }
}

fn on_radio(fleet: &Fleet, step: &Step, deed: &Deed) -> Option<RadioFault> {
    Some(match deed {
        Deed::Loss(_, loss, Some(ns)) => {
            RadioFault::Burst { loss: *loss, until: fleet.now() + *ns, nodes: step.nodes.to_vec() }
        }
        Deed::Loss(_, loss, None) => RadioFault::SetLoss(*loss),
        Deed::Partition(_, groups) => RadioFault::Partition { groups: groups.clone() },
        Deed::Heal(_) => RadioFault::Heal,
        _ => return None,
    })
}

fn on_switch(fleet: &Fleet, step: &Step, medium: u32, deed: &Deed) -> Option<EthernetFault> {
    let of = |nodes: &[u32]| nodes.iter().flat_map(|n| fleet.node(*n).stations(medium)).collect::<Vec<_>>();
    let stations = of(&step.nodes);
    if stations.is_empty() && matches!(deed, Deed::Link(..) | Deed::Loss(..)) {
        return None; // none would mean all
    }
    Some(match deed {
        Deed::Link(_, LinkDeed::Down) => EthernetFault::Down { stations },
        Deed::Link(_, LinkDeed::Up) => EthernetFault::Up { stations },
        Deed::Link(_, LinkDeed::Change(changes)) => EthernetFault::Set { stations, changes: changes.clone() },
        Deed::Loss(_, loss, Some(ns)) => {
            EthernetFault::Burst { stations, loss: *loss, until: fleet.now() + *ns }
        }
        Deed::Loss(_, loss, None) => {
            let changes = netsim::ethernet::LinkChange { loss: Some(*loss), ..Default::default() };
            EthernetFault::Set { stations, changes }
        }
        Deed::Partition(_, groups) => {
            EthernetFault::Partition { groups: groups.iter().map(|g| of(g)).collect() }
        }
        Deed::Heal(_) => EthernetFault::Heal,
        _ => return None,
    })
}

/// A recording that plays.
pub(super) struct Player {
    trace: Arc<Trace>,
    nodes: Arc<[u32]>,
    from: Time,
    next: usize,
}

impl Player {
    pub fn new(trace: &Arc<Trace>, nodes: &Arc<[u32]>, from: Time) -> Player {
        Player { trace: Arc::clone(trace), nodes: Arc::clone(nodes), from, next: 0 }
    }

    /// When it next changes an input.
    pub fn due(&self) -> Time {
        self.trace.rows.get(self.next).map_or(Time::MAX, |row| self.from + row.0)
    }

    /// Hands over what is due up to `to`.
    pub fn play(&mut self, fleet: &mut Fleet, to: Time) {
        while self.due() <= to {
            let at = self.due();
            let values = &self.trace.rows[self.next].1;
            self.next += 1;
            for ((device, name), value) in self.trace.columns.iter().zip(values) {
                let Some(value) = *value else { continue };
                for &node in self.nodes.iter() {
                    let act = Act::Input { device: device.clone(), name: name.clone(), value };
                    fleet.apply(Command::new(at, node, act));
                }
            }
        }
    }
}

impl Schedule {
    /// When it happens for the time number `round`, from 0.
    pub(super) fn due(&self, seed: u64, round: u64) -> Time {
        if round >= self.times {
            return Time::MAX;
        }
        let later = match self.jitter {
            0 => 0,
            jitter => hash_words(seed, &[JITTER_SEED, self.step.line as u64, round]) % (jitter + 1),
        };
        Time(self.at.saturating_add(self.every.unwrap_or(0).saturating_mul(round)).saturating_add(later))
    }
}
