//! What executes a fleet's instructions, and what that cost: for people. None of it is state, none of it changes a run.

use crate::Fleet;
use emu_core::{
    bus::DevCount,
    cpu::{Engine, EngineStats},
};
use std::collections::BTreeMap;

pub use emu_engine::jit::{Counters, counters};

/// What the nodes on one kind of machine did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindStats {
    /// The machine's name.
    pub machine: String,
    /// How many nodes.
    pub nodes: u64,
    /// Instructions they retired.
    pub retired: u64,
    /// Summed over their CPUs.
    pub engine: EngineStats,
    /// Operations that compiled code left to the interpreter, by name; empty unless [`Fleet::count`] was called.
    pub left: BTreeMap<&'static str, u64>,
    /// By name of the device; empty unless [`Fleet::count`] was called.
    pub devices: BTreeMap<String, DevCount>,
}

impl Fleet {
    /// Chooses what executes the instructions of all nodes. The results are the same. Who asks for [`Engine::Jit`] has
    /// seen that it can be had: [`Fleet::compiles`].
    pub fn set_engine(&mut self, engine: Engine) {
        for node in 0..self.homes.len() as u32 {
            self.at(node).machine.set_engine(engine);
        }
    }

    /// Whether this host can run compiled code for every node; if not, for which of them it cannot, and why.
    pub fn compiles(&self) -> Result<(), String> {
        self.nodes().try_for_each(|n| n.machine.compiles().map_err(|why| format!("{}: {why}", n.name)))
    }

    /// From now on what is done to devices is counted, and what compiled code leaves to the interpreter.
    pub fn count(&mut self) {
        for node in 0..self.homes.len() as u32 {
            let machine = &mut self.at(node).machine;
            machine.bus.count();
            machine.count_ops();
        }
    }

    /// What happened so far, by kind of machine.
    pub fn stats(&self) -> Vec<KindStats> {
        let mut kinds: BTreeMap<&str, KindStats> = BTreeMap::new();
        for node in self.nodes() {
            let machine = &node.machine;
            let kind = kinds.entry(&machine.name).or_default();
            kind.nodes += 1;
            kind.retired += machine.retired();
            machine.engine_stats().for_each(|s| add(&mut kind.engine, s));
            for (name, n) in machine.left_ops() {
                *kind.left.entry(name).or_default() += n;
            }
            for (name, count) in machine.bus.counts() {
                match kind.devices.get_mut(name) {
                    Some(sum) => {
                        sum.accesses += count.accesses;
                        sum.events += count.events;
                    }
                    None => _ = kind.devices.insert(name.to_string(), count),
                }
            }
        }
        let named = |(name, kind): (&str, KindStats)| KindStats { machine: name.into(), ..kind };
        kinds.into_iter().map(named).collect()
    }
}

fn add(sum: &mut EngineStats, s: EngineStats) {
    let EngineStats { compiled, entries, left_budget, left_target, left_attention, left_fault, slow_ops } = s;
    sum.compiled += compiled;
    sum.entries += entries;
    sum.left_budget += left_budget;
    sum.left_target += left_target;
    sum.left_attention += left_attention;
    sum.left_fault += left_fault;
    sum.slow_ops += slow_ops;
}
