//! Runs a scenario.

use super::{Action, Pattern, Place, Scenario, Step, TICK};
use crate::{Act, Command, ConsoleByte, Executor, FleetExit, NodeState};
use emu_core::{Time, device::View, machine::Exit};

/// Somebody who watches a run.
pub trait Observer {
    /// Consoles printed this, in order of time.
    fn console(&mut self, scenario: &Scenario, bytes: &[ConsoleByte]);
    /// A slice is done.
    fn tick(&mut self, _scenario: &mut Scenario) {}
}

impl Observer for () {
    fn console(&mut self, _: &Scenario, _: &[ConsoleByte]) {}
}

/// How a scenario ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// What went wrong; `None`: everything was as expected.
    pub failure: Option<String>,
    /// The failure was a timeout.
    pub timed_out: bool,
    /// A CPU locked up.
    pub lockup: bool,
    /// Virtual time at the end.
    pub time: Time,
    /// Digest at the end.
    pub digest: u128,
    /// Everything each node printed on its first console.
    pub consoles: Vec<String>,
}

/// The text of one node's consoles and how far expectations have read.
#[derive(Clone, Debug, Default)]
struct Transcript {
    text: Vec<u8>,
    read: usize,
}

struct Runner<'a> {
    s: &'a mut Scenario,
    executor: &'a dyn Executor,
    observer: &'a mut dyn Observer,
    transcripts: Vec<Transcript>,
    lockup: bool,
}

enum Failed {
    Expectation(String),
    Timeout(String),
}

impl Scenario {
    /// Does all steps. The fleet is left as it was at the end.
    pub fn run(&mut self, executor: &dyn Executor, observer: &mut dyn Observer) -> Report {
        let transcripts = vec![Transcript::default(); self.plan.nodes.len()];
        let mut r = Runner { s: self, executor, observer, transcripts, lockup: false };
        let mut failed = None;
        for i in 0..r.s.steps.len() {
            let step = r.s.steps[i].clone();
            let since = r.s.fleet.now();
            if let Err(f) = r.step(&step) {
                let (timed_out, what) = match f {
                    Failed::Timeout(w) => (true, w),
                    Failed::Expectation(w) => (false, w),
                };
                failed = Some((timed_out, r.explain(&step, since, &what)));
                break;
            }
        }
        let (lockup, transcripts) = (r.lockup, r.transcripts);
        let digest = self.fleet.digest();
        Report {
            timed_out: failed.as_ref().is_some_and(|f| f.0),
            failure: failed.map(|f| f.1),
            lockup,
            time: self.fleet.now(),
            digest,
            consoles: transcripts.iter().map(|t| String::from_utf8_lossy(&t.text).into_owned()).collect(),
        }
    }
}

impl Runner<'_> {
    fn command(&mut self, step: &Step, act: &Act) {
        for &node in &step.nodes {
            let at = self.s.fleet.now();
            self.s.fleet.apply(Command::new(at, node, act.clone()));
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), Failed> {
        match &step.action {
            Action::Send(text) => {
                self.command(step, &Act::Text { console: 0, bytes: text.clone().into_bytes() });
                Ok(())
            }
            Action::Input(device, name, value) => {
                self.check_input(step, device, name)?;
                self.command(step, &Act::Input { device: device.clone(), name: name.clone(), value: *value });
                Ok(())
            }
            Action::Reset(kind) => {
                self.command(step, &Act::Reset(*kind));
                Ok(())
            }
            Action::Move(to) => {
                self.command(step, &Act::Move(*to));
                Ok(())
            }
            Action::Wait(ns) => {
                let end = self.s.fleet.now() + *ns;
                self.wait(end, |_| false).map(drop)
            }
            Action::Expect(pattern, ns) => self.expect(step, pattern, *ns),
            Action::ExpectNot(pattern, ns) => self.expect_not(step, pattern, *ns),
            Action::Memory(place, size, value, ns) => {
                let addrs = self.addresses(step, place)?;
                let right = |r: &mut Runner| {
                    step.nodes.iter().zip(&addrs).all(|(&n, &a)| r.read(n, a, *size) == Some(*value))
                };
                self.until(*ns, right, || format!("memory {place:?} to be {value}"))
            }
            Action::Display(device, rows, ns) => {
                let right =
                    |r: &mut Runner| step.nodes.iter().all(|&n| r.shows(n, device) == Some(rows.clone()));
                self.until(*ns, right, || format!("{device} to show\n      {}", rows.join("\n      ")))
            }
            Action::Exit(code, ns) => {
                let ended = |r: &mut Runner| {
                    let state = |n: &u32| r.s.fleet.nodes().nth(*n as usize).map(|n| n.state);
                    step.nodes.iter().all(|n| state(n) == Some(NodeState::Exited { code: *code }))
                };
                self.until(*ns, ended, || format!("the guest to end with {code}"))
            }
            Action::MistakesAtMost(most) => {
                let view = self.s.fleet.view();
                let over = step.nodes.iter().map(|&n| &view.nodes[n as usize]).find(|n| n.mistakes > *most);
                match over {
                    None => Ok(()),
                    Some(n) => {
                        let first = n.mistake_list.first().map(|m| m.what.clone()).unwrap_or_default();
                        let text = format!(
                            "{} made {} mistakes, at most {most} wanted: {first}",
                            n.name, n.mistakes
                        );
                        Err(Failed::Expectation(text))
                    }
                }
            }
        }
    }

    /// Runs tick by tick until `done` or `end`; says whether it was done.
    fn wait(&mut self, end: Time, mut done: impl FnMut(&mut Self) -> bool) -> Result<bool, Failed> {
        loop {
            if done(self) {
                return Ok(true);
            }
            let now = self.s.fleet.now();
            if now >= end {
                return Ok(false);
            }
            if now >= self.s.timeout {
                return Err(Failed::Timeout(format!(
                    "the scenario's timeout of {} s is over",
                    self.s.timeout
                )));
            }
            let next = Time((now.0 / TICK + 1) * TICK).min(end);
            self.advance(next)?;
        }
    }

    fn advance(&mut self, to: Time) -> Result<(), Failed> {
        loop {
            let exit = self.s.fleet.run_until(to, self.executor);
            let bytes = self.s.fleet.take_console();
            for b in &bytes {
                self.transcripts[b.node as usize].text.push(b.byte);
            }
            self.observer.console(self.s, &bytes);
            match exit {
                FleetExit::Reached => break,
                FleetExit::Exited { .. } => {}
                FleetExit::Stopped { node, exit: Exit::Lockup(_, pc) } => {
                    self.lockup = true;
                    let n = self.s.fleet.nodes().nth(node as usize);
                    let place = n.map(|n| (n.name.clone(), n.firmware.place(pc))).unwrap_or_default();
                    return Err(Failed::Expectation(format!("{} locked up at {}", place.0, place.1)));
                }
                FleetExit::Stopped { .. } => {}
            }
        }
        self.observer.tick(self.s);
        Ok(())
    }

    fn until(
        &mut self,
        ns: u64,
        done: impl FnMut(&mut Self) -> bool,
        what: impl FnOnce() -> String,
    ) -> Result<(), Failed> {
        let end = self.s.fleet.now() + ns;
        if self.wait(end, done)? { Ok(()) } else { Err(Failed::Timeout(format!("waited for {}", what()))) }
    }

    fn expect(&mut self, step: &Step, pattern: &Pattern, ns: u64) -> Result<(), Failed> {
        let mut left = step.nodes.clone();
        let end = self.s.fleet.now() + ns;
        let found = self.wait(end, |r| {
            left.retain(|&n| !r.take(n, pattern));
            left.is_empty()
        })?;
        if found {
            return Ok(());
        }
        let names: Vec<_> = left.iter().map(|&n| self.name(n)).collect();
        Err(Failed::Timeout(format!("waited for {pattern} from {}", names.join(", "))))
    }

    /// Takes the first match behind what was read, if there is one.
    fn take(&mut self, node: u32, pattern: &Pattern) -> bool {
        let t = &mut self.transcripts[node as usize];
        let end = pattern.find(&t.text[t.read..]);
        t.read += end.unwrap_or(0);
        end.is_some()
    }

    fn expect_not(&mut self, step: &Step, pattern: &Pattern, ns: u64) -> Result<(), Failed> {
        let end = self.s.fleet.now() + ns;
        let mut culprit = None;
        self.wait(end, |r| {
            let bad = |n: &&u32| {
                let t = &r.transcripts[**n as usize];
                pattern.find(&t.text[t.read..]).is_some()
            };
            culprit = step.nodes.iter().find(bad).copied();
            culprit.is_some()
        })?;
        match culprit {
            None => Ok(()),
            Some(n) => Err(Failed::Expectation(format!("{} printed {pattern}", self.name(n)))),
        }
    }

    fn name(&self, node: u32) -> String {
        self.s.plan.nodes[node as usize].name.clone()
    }

    fn check_input(&mut self, step: &Step, device: &str, name: &str) -> Result<(), Failed> {
        for &n in &step.nodes {
            let Some(node) = self.s.fleet.node_mut(n) else { continue };
            let bus = &node.machine.bus;
            let found = bus.device_by_name(device).and_then(|d| bus.device(d));
            let names = found.map(|d| d.inputs()).unwrap_or_default();
            if !names.iter().any(|i| i.0 == name) {
                let what = format!("{} has no input {device}.{name}", node.name);
                let known: Vec<_> = names.iter().map(|i| format!("{} ({})", i.0, i.1)).collect();
                return Err(Failed::Expectation(format!("{what}; {device} has: {}", known.join(", "))));
            }
        }
        Ok(())
    }

    fn addresses(&mut self, step: &Step, place: &Place) -> Result<Vec<u64>, Failed> {
        let nodes = self.s.fleet.nodes();
        let firmware: Vec<_> = nodes.map(|n| std::sync::Arc::clone(&n.firmware)).collect();
        let address = |&n: &u32| match place {
            Place::Address(a) => Ok(*a),
            Place::Symbol(name, off) => match firmware[n as usize].symbols.find(name) {
                Some(s) => Ok(s.addr.wrapping_add(*off)),
                None => {
                    let all = firmware[n as usize].symbols.iter().map(|s| s.name);
                    let help = devices::source::nearest(name, all).unwrap_or_default();
                    Err(Failed::Expectation(format!("no symbol is called `{name}` {help}")))
                }
            },
        };
        step.nodes.iter().map(address).collect()
    }

    fn read(&mut self, node: u32, addr: u64, size: u8) -> Option<u64> {
        let node = self.s.fleet.node_mut(node)?;
        let (cpu, bus) = node.machine.cpu_mut(0);
        let mut bytes = [0; 8];
        let n = cpu.debug_read(bus, addr, &mut bytes[..usize::from(size)]);
        (n == usize::from(size)).then(|| u64::from_le_bytes(bytes))
    }

    /// Rows of `#` and `.`: an LED is lit from a quarter of full brightness on.
    fn shows(&mut self, node: u32, device: &str) -> Option<Vec<String>> {
        let now = self.s.fleet.now();
        let node = self.s.fleet.node_mut(node)?;
        node.run_until(now);
        let View::Leds { width, levels } = node.machine.view(device)?;
        let row = |r: &[u8]| r.iter().map(|&l| if l >= 64 { '#' } else { '.' }).collect();
        Some(levels.chunks(usize::from(width).max(1)).map(row).collect())
    }

    /// A failure for people: what, since when, what the nodes said last, how to see it again.
    fn explain(&self, step: &Step, since: Time, what: &str) -> String {
        let mut text = format!("{}:{}: {what}\n", self.s.name, step.line);
        text +=
            &format!("  since {since} s, given up at {} s, seed {}\n", self.s.fleet.now(), self.s.plan.seed);
        for &n in step.nodes.iter().take(4) {
            let said = String::from_utf8_lossy(&self.transcripts[n as usize].text).into_owned();
            let lines: Vec<_> = said.lines().rev().take(5).collect();
            text += &format!("  last lines of {}:\n", self.name(n));
            for line in lines.iter().rev() {
                text += &format!("    {line}\n");
            }
        }
        text + &format!("  again: flotilla test {} --seed {}", self.s.name, self.s.plan.seed)
    }
}
