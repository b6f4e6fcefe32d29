//! Runs a case.

use crate::{
    case::{Case, Deed},
    dice::Dice,
};
use emu_core::{Time, cpu::Engine, machine::Exit, memory::Watch};
use fleet::{ConsoleByte, Executor, Fleet, FleetExit, Serial};
use fleet_host::Pool;

/// States at a comparison.
pub struct Point {
    pub at: u64,
    pub nodes: Vec<u128>,
    pub fleet: u128,
}

/// What a run leaves.
pub struct Outcome {
    pub points: Vec<Point>,
    pub digest: u128,
    pub console: Vec<ConsoleByte>,
    pub retired: u64,
}

/// So many stops in one stretch are enough; then breakpoints go.
const STOPS: u32 = 200;

struct Runner<'a> {
    case: &'a Case,
    fleet: Fleet,
    executor: Box<dyn Executor>,
    compiled: bool,
    dice: Dice,
    /// Commands given so far.
    given: usize,
    outcome: Outcome,
}

pub fn run(case: &Case) -> Result<Outcome, String> {
    let mut r = Runner::new(case);
    r.go()?;
    r.outcome.digest = r.fleet.digest();
    r.outcome.retired = r.fleet.retired();
    Ok(r.outcome)
}

/// What is not the same at the end of two runs.
pub fn differences(one: &Case, other: &Case) -> String {
    let (mut a, mut b) = (Runner::new(one), Runner::new(other));
    if a.go().and_then(|()| b.go()).is_err() {
        return "this time it ended early".into();
    }
    let digests: Vec<_> = a.fleet.node_digests().zip(b.fleet.node_digests()).collect();
    let mut text = String::new();
    if a.fleet.fleet_digest() != b.fleet.fleet_digest() {
        text += "  what belongs to no node differs\n";
    }
    for (i, _) in (0..).zip(digests).filter(|(_, (a, b))| a != b) {
        let (x, y) = (a.fleet.node_mut(i), b.fleet.node_mut(i));
        let (Some(x), Some(y)) = (x.map(|n| n.machine.fields()), y.map(|n| n.machine.fields())) else {
            continue;
        };
        for d in emu_core::fields::differences(&x, &y).iter().take(8) {
            text += &format!("  node {i} {}: {:?} / {:?}\n", d.path, d.one, d.other);
        }
    }
    text
}

impl<'a> Runner<'a> {
    fn new(case: &'a Case) -> Runner<'a> {
        let executor: Box<dyn Executor> = match case.threads {
            0 => Box::new(Serial),
            n => Box::new(Pool::new(n)),
        };
        let outcome = Outcome { points: vec![], digest: 0, console: vec![], retired: 0 };
        let fleet = case.subject().build(case.seed);
        let mut r =
            Runner { case, fleet, executor, compiled: case.compiled, dice: Dice(0), given: 0, outcome };
        r.set_engine();
        if case.upfront {
            case.commands.iter().for_each(|c| r.fleet.apply(c.clone()));
            r.given = case.commands.len();
        }
        r
    }

    fn set_engine(&mut self) {
        self.fleet.set_engine(if self.compiled { Engine::Jit } else { Engine::Interpreter });
    }

    fn go(&mut self) -> Result<(), String> {
        let case = self.case;
        for (at, deed) in &case.deeds {
            self.advance(*at)?;
            self.deed(deed)?;
        }
        self.advance(case.end)
    }

    /// Runs to `t`; commands of `t` itself are given when the run goes on.
    fn advance(&mut self, t: u64) -> Result<(), String> {
        while let Some(c) = self.case.commands.get(self.given).filter(|c| c.at.0 < t) {
            self.run_to(c.at)?;
            self.fleet.apply(c.clone());
            self.given += 1;
        }
        self.run_to(Time(t))
    }

    fn run_to(&mut self, t: Time) -> Result<(), String> {
        let (mut stops, mut step) = (0, None);
        loop {
            let exit = match step.take() {
                Some(node) => self.fleet.step(node, t, &*self.executor),
                None => self.fleet.run_until(t, &*self.executor),
            };
            match exit {
                FleetExit::Reached => break,
                FleetExit::Stopped { node, exit: Exit::Break(_) | Exit::Watch(..) | Exit::Stepped(_) } => {
                    stops += 1;
                    if stops > STOPS {
                        self.clear();
                    }
                    step = self.at_stop(node)?.then_some(node);
                }
                FleetExit::Interrupted => return Err("interrupted, though nobody asked for it".into()),
                FleetExit::Stopped { .. } | FleetExit::Exited { .. } => {}
            }
        }
        self.outcome.console.extend(self.fleet.take_console());
        self.fleet.take_host_requests();
        Ok(())
    }

    /// A node stands in the middle of an epoch; whether it goes on by a single instruction.
    fn at_stop(&mut self, node: u32) -> Result<bool, String> {
        if self.dice.chance(2) {
            look_at(&mut self.fleet, node);
        }
        match self.dice.below(40) {
            0 | 1 => self.fork(),
            2 | 3 => self.save_and_load()?,
            _ => {}
        }
        Ok(self.dice.chance(3))
    }

    fn deed(&mut self, deed: &Deed) -> Result<(), String> {
        match deed {
            Deed::Nothing => {}
            Deed::Compare => {
                let nodes = self.fleet.node_digests().collect();
                let (at, fleet) = (self.fleet.now().0, self.fleet.fleet_digest());
                self.outcome.points.push(Point { at, nodes, fleet });
            }
            Deed::Digest => drop(std::hint::black_box(self.fleet.digest().to_le_bytes().to_vec())),
            Deed::View => drop(self.fleet.view()),
            Deed::Look => {
                let nodes = self.fleet.nodes().len() as u32;
                (0..nodes).for_each(|i| look_at(&mut self.fleet, i));
            }
            Deed::Fork => self.fork(),
            Deed::SaveLoad => self.save_and_load()?,
            Deed::Slice(ns) => self.fleet.slice = *ns,
            Deed::Compiled(on) => {
                self.compiled = *on;
                self.set_engine();
            }
            Deed::Break(node, seed) => self.break_at(*node, *seed),
            Deed::Watch(node, addr) => {
                if let Some(n) = self.fleet.node_mut(*node) {
                    let watch = Watch { addr: *addr, len: 4, read: addr & 8 != 0, write: true };
                    n.machine.bus.fabric.mem.set_watches(vec![watch]);
                }
            }
            Deed::Clear => self.clear(),
        }
        Ok(())
    }

    fn break_at(&mut self, node: u32, seed: u64) {
        self.dice = Dice(seed);
        let more = 2 * self.dice.below(128);
        if let Some(n) = self.fleet.node_mut(node).filter(|n| n.machine.cpu_count() > 0) {
            let pc = n.machine.cpu(0).pc();
            n.machine.bus.breakpoints = [pc, pc + 2, pc + 4, (pc & !0xff) + more].into();
        }
    }

    fn clear(&mut self) {
        let nodes = self.fleet.nodes().len() as u32;
        for i in 0..nodes {
            if let Some(n) = self.fleet.node_mut(i) {
                n.machine.bus.breakpoints.clear();
                n.machine.bus.fabric.mem.set_watches(vec![]);
            }
        }
    }

    fn fork(&mut self) {
        self.outcome.console.extend(self.fleet.take_console());
        let slice = self.fleet.slice;
        self.fleet = self.fleet.fork();
        self.fleet.slice = slice;
        self.set_engine();
    }

    fn save_and_load(&mut self) -> Result<(), String> {
        self.outcome.console.extend(self.fleet.take_console());
        let bytes = self.fleet.save();
        let mut fresh = self.case.subject().build(self.case.seed);
        fresh.load(&bytes).map_err(|e| format!("saved at {} ns: {e}", self.fleet.now().0))?;
        fresh.slice = self.fleet.slice;
        self.fleet = fresh;
        self.set_engine();
        Ok(())
    }
}

/// A debugger reads registers, the code ahead, RAM, devices and the core's own registers.
fn look_at(fleet: &mut Fleet, node: u32) {
    let Some(n) = fleet.node_mut(node) else { return };
    let mut places = vec![0x2000_0000, 0x8000_0000, 0xe000_e000, 0xe000_ed00];
    for w in n.machine.bus.windows() {
        places.extend([w.base, w.base + 0x100, w.base + 0x500].into_iter().filter(|at| at - w.base < w.size));
    }
    for i in 0..n.machine.cpu_count() {
        let cpu = n.machine.cpu(i);
        places.extend((0..cpu.arch().regs.len()).map(|r| cpu.reg(r) & !3));
    }
    for at in places {
        fleet.debug_read(node, at, &mut [0; 32]);
    }
}
