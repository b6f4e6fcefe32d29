//! Where a run is cut, and what is done there.
//!
//! The times of cuts are spread over the run by a seed. A run that comes to such a time looks at what lies ahead of it
//! (events of devices, instructions, decisions of media, commands) and is cut at one of these instants, a nanosecond
//! or an instruction before or after it: where things meet, mistakes of order show.

use crate::Fleet;
use emu_core::{Time, rng::hash_words};

/// What is done at a cut. None of it may change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The run goes on in a copy.
    Fork,
    /// It is saved, and loaded into a fleet built anew.
    SaveLoad,
    /// A debugger reads registers and memory of all nodes, and somebody looks at the fleet.
    Look,
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Cut::Fork => "copied",
            Cut::SaveLoad => "saved and loaded",
            Cut::Look => "read by a debugger",
        })
    }
}

/// How a run is cut.
#[derive(Clone, Copy, Debug)]
pub struct Cuts {
    /// What is done.
    pub what: Cut,
    /// How often.
    pub count: u32,
    /// Decides when.
    pub seed: u64,
}

/// How far a run has come with its cuts.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    cuts: Cuts,
    end: Time,
    /// Number of the next cut.
    number: u32,
    /// When it is, once that has been decided.
    chosen: Option<Time>,
    /// When the last one was.
    last: Option<Time>,
}

impl Plan {
    pub(super) fn new(cuts: Cuts, end: Time) -> Plan {
        Plan { cuts, end, number: 0, chosen: None, last: None }
    }

    fn dice(&self, what: u64, sides: u64) -> u64 {
        hash_words(self.cuts.seed, &[u64::from(self.number), what]) % sides.max(1)
    }

    /// Where the stretch begins in which cut `number` lies.
    fn border(&self, number: u32) -> u64 {
        let part = u128::from(self.end.0) * u128::from(number) / u128::from(self.cuts.count.max(1));
        part as u64 // at most `end`
    }

    /// Where the run has to stop next on account of its cuts.
    pub(super) fn next(&self) -> Option<Time> {
        if self.number >= self.cuts.count {
            return None;
        }
        let (from, to) = (self.border(self.number), self.border(self.number + 1));
        Some(self.chosen.unwrap_or(Time(from + self.dice(0, to - from))))
    }

    /// The last cut.
    pub(super) fn last(&self) -> Option<(Cut, Time)> {
        Some((self.cuts.what, self.last?))
    }

    /// The run stands at [`Plan::next`]. What is to be done there, if anything is yet.
    pub(super) fn arrived(&mut self, fleet: &Fleet) -> Option<Cut> {
        let now = fleet.now();
        let at = self.chosen.take().unwrap_or_else(|| self.choose(fleet));
        if at > now {
            self.chosen = Some(at);
            return None;
        }
        self.number += 1;
        self.last = Some(now);
        Some(self.cuts.what)
    }

    fn choose(&self, fleet: &Fleet) -> Time {
        let (now, last) = (fleet.now(), Time(self.border(self.number + 1)));
        let mut kinds = ahead(fleet);
        kinds.iter_mut().for_each(|k| {
            k.retain(|(at, _)| *at <= last);
            k.sort_unstable();
            k.truncate(NEAR);
        });
        kinds.retain(|k| !k.is_empty());
        let kinds_count = kinds.len() as u64;
        let Some(kind) = kinds.get(self.dice(1, kinds_count) as usize) else { return now };
        let (at, step) = kind[self.dice(2, kind.len() as u64) as usize];
        let at = match self.dice(3, 6) {
            0 => at.0.saturating_sub(1),
            1 => at.0 + 1,
            2 => at.0.saturating_sub(step),
            3 => at.0.saturating_add(step),
            _ => at.0,
        };
        Time(at).clamp(now, last.max(now))
    }
}

/// So many instants of each kind are looked at.
const NEAR: usize = 32;

/// Instants ahead, each with how long an instruction takes: of events, of instructions, of the fleet.
fn ahead(fleet: &Fleet) -> Vec<Vec<(Time, u64)>> {
    let (mut events, mut instructions) = (vec![], vec![]);
    for node in fleet.nodes() {
        let machine = &node.machine;
        let step = if machine.cpu_count() == 0 { 1 } else { machine.clock(0).span(1) };
        events.extend(machine.bus.fabric.events.iter().map(|e| (node.skew.fleet(e.at), step)));
        instructions.push((node.skew.fleet(machine.next_activity()), step));
    }
    let media = fleet.media().map(|(_, m)| m.next_decision());
    let commands = fleet.pending.keys().map(|k| k.0);
    let all = media.chain(commands).chain([fleet.heard.first()]).map(|t| (t, 1)).collect();
    let mut kinds = vec![events, instructions, all];
    kinds.iter_mut().for_each(|k| k.retain(|(at, _)| *at >= fleet.now() && *at < Time::MAX));
    kinds
}

/// Bytes read in one piece.
const PIECE: usize = 64;
/// Nodes looked at: others have their turn at other cuts.
const LOOKED_AT: u32 = 64;

/// Looks as a debugger and a display do: registers, memory, devices, the core's own registers.
pub(super) fn look(fleet: &mut Fleet, seed: u64) {
    let nodes = fleet.nodes().len() as u32;
    for i in 0..nodes.min(LOOKED_AT) {
        let node = ((u64::from(i) + seed) % u64::from(nodes)) as u32;
        let machine = &fleet.node(node).machine;
        let regions = machine.bus.fabric.mem.regions();
        let mut places: Vec<u64> = regions.iter().flat_map(|r| [r.base, r.base + r.size - 2]).collect();
        for w in machine.bus.windows() {
            let somewhere = hash_words(seed, &[w.base]) % w.size.min(0x700);
            places.extend([w.base, w.base + (somewhere & !3)]);
        }
        for n in 0..machine.cpu_count() {
            let cpu = machine.cpu(n);
            let registers: Vec<u64> = (0..cpu.arch().regs.len()).map(|r| cpu.reg(r)).collect();
            std::hint::black_box(registers);
            places.extend([cpu.pc(), cpu.reg(cpu.arch().sp), PRIVATE, PRIVATE + 0xd00]);
        }
        for at in places {
            fleet.debug_read(node, at, &mut [0; PIECE]);
        }
    }
    fleet.view();
}

/// Where an ARM core has its own registers, SysTick's among them; nothing on others.
const PRIVATE: u64 = 0xe000_e000;
