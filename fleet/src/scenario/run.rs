//! Runs a scenario: lists of steps, some of them side by side, and what happens beside them.
//!
//! A branch is a list of steps and where it stands in it. At every tick each branch goes on as far as it can; then the
//! fleet runs to the next tick at which something may have changed.

use super::{
    Action, Condition, Pattern, Repeat, Scenario, State, Step, TICK,
    act::Player,
    text::{Needle, Transcript, Variables},
};
use crate::{Act, Command, ConsoleByte, Executor, FleetExit};
use emu_core::{Time, machine::Exit};
use netsim::{
    Medium,
    gateway::{HostEvent, HostRequest},
};
use std::collections::BTreeSet;

/// Somebody who watches a run.
pub trait Observer {
    /// Consoles printed this, in order of time.
    fn console(&mut self, scenario: &Scenario, bytes: &[ConsoleByte]);
    /// A slice is done: a millisecond, or the time in which nothing could happen.
    fn tick(&mut self, _scenario: &mut Scenario) {}
    /// Runs the fleet to `to` or a stop: whoever debugs it does so his way.
    fn run(&mut self, scenario: &mut Scenario, to: Time, executor: &dyn Executor) -> FleetExit {
        scenario.fleet.run_until(to, executor)
    }
    /// Gateways of these media want this of the host; the answer is what the host has to tell them. Called at every
    /// tick of a fleet that has a gateway. Without a host nothing is ever answered.
    fn host(&mut self, _requests: Vec<(u32, HostRequest)>) -> Vec<(u32, HostEvent)> {
        vec![]
    }
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
    /// The scenario's own time was over.
    pub overran: bool,
    /// The host ended the run.
    pub interrupted: bool,
    /// A CPU locked up.
    pub lockup: bool,
    /// Virtual time at the end.
    pub time: Time,
    /// Digest at the end.
    pub digest: u128,
    /// Everything each node printed on its first console.
    pub consoles: Vec<String>,
}

/// Why a scenario ends early.
pub(super) struct Failed {
    pub timed_out: bool,
    pub what: String,
    /// The nodes it is about; none: those of the step.
    pub nodes: Vec<u32>,
    /// The step and since when it was at work.
    pub step: Option<Box<(Step, Time)>>,
}

impl Failed {
    fn new(timed_out: bool, what: String, nodes: Vec<u32>, step: &Step, since: Time) -> Failed {
        Failed { timed_out, what, nodes, step: Some(Box::new((step.clone(), since))) }
    }
}

pub(super) struct Runner<'a> {
    pub s: &'a mut Scenario,
    pub transcripts: Vec<Transcript>,
    executor: &'a dyn Executor,
    observer: &'a mut dyn Observer,
    variables: Variables,
    players: Vec<Player>,
    /// How often each schedule has happened.
    rounds: Vec<u64>,
    /// Nodes that may lock up: some step waits for it.
    frail: BTreeSet<u32>,
    lockup: bool,
    interrupted: bool,
    /// A gateway may hear from the host at any tick.
    live: bool,
    /// What each node will echo of what was typed at it, until an expectation has read over it.
    pub(super) echoes: Vec<Option<Needle>>,
}

/// A list of steps and where it stands.
struct Branch<'s> {
    levels: Vec<Level<'s>>,
    busy: Option<Busy<'s>>,
}

/// A list inside another, perhaps done again and again.
struct Level<'s> {
    steps: &'s [Step],
    next: usize,
    again: Option<Again<'s>>,
}

struct Again<'s> {
    step: &'s Step,
    repeat: &'s Repeat,
    begun: Time,
    /// When this round began.
    round: Time,
    rounds: u64,
    /// This round is over and counted.
    counted: bool,
    /// What `until` waits to be printed.
    watches: Vec<Watch>,
}

enum Busy<'s> {
    Wait(Wait<'s>),
    Branches(&'s Step, Vec<Branch<'s>>),
}

/// A step that takes time.
struct Wait<'s> {
    step: &'s Step,
    since: Time,
    end: Time,
    watches: Vec<Watch>,
}

/// What is searched for on a node's console, and how much of what is unread was searched already.
pub(super) struct Watch {
    node: u32,
    needle: Needle,
    /// Place in the transcript.
    searched: usize,
    /// Where reading had come then.
    read: usize,
    /// The search begins behind this.
    echo: Option<Needle>,
}

/// How a repetition goes on.
enum Round {
    Over,
    Again,
    Later(Time),
}

/// How a branch goes on.
enum Poll {
    Done,
    /// At this time at the latest; `true`: what it waits for may change although nothing happens.
    Later(Time, bool),
}

impl Scenario {
    /// Does all steps. The fleet is left as it was at the end.
    pub fn run(&mut self, executor: &dyn Executor, observer: &mut dyn Observer) -> Report {
        let steps = self.steps.clone();
        let mut r = Runner::new(self, executor, observer);
        frail(&steps, &mut r.frail);
        let failed = r.run(&steps).err();
        let timed_out = failed.as_ref().is_some_and(|f| f.timed_out);
        let failure = failed.map(|f| r.explain(&f));
        let (lockup, interrupted, transcripts) = (r.lockup, r.interrupted, r.transcripts);
        let digest = self.fleet.digest();
        Report {
            timed_out,
            interrupted,
            overran: timed_out && self.fleet.now() >= self.timeout,
            failure,
            lockup,
            time: self.fleet.now(),
            digest,
            consoles: transcripts.iter().map(|t| String::from_utf8_lossy(&t.text).into_owned()).collect(),
        }
    }
}

/// Nodes that some step expects to lock up.
fn frail(steps: &[Step], nodes: &mut BTreeSet<u32>) {
    for step in steps {
        match &step.action {
            Action::Until(Condition::State(State::LockedUp), _) => nodes.extend(step.nodes.iter()),
            Action::Branches(all) => all.iter().for_each(|steps| frail(steps, nodes)),
            Action::Repeat(repeat) => {
                frail(&repeat.steps, nodes);
                frail(repeat.until.as_slice(), nodes);
            }
            _ => {}
        }
    }
}

fn tick_after(t: Time) -> Time {
    Time((t.0 / TICK + 1).saturating_mul(TICK))
}

/// The first tick that is not before `t`.
fn tick_from(t: Time) -> Time {
    Time(t.0.div_ceil(TICK).saturating_mul(TICK))
}

impl<'a> Runner<'a> {
    fn new(s: &'a mut Scenario, executor: &'a dyn Executor, observer: &'a mut dyn Observer) -> Runner<'a> {
        let gateway = |m: &Medium| matches!(m, Medium::Ethernet(m) if m.gateway().is_some());
        let live = s.fleet.media().any(|m| gateway(m.1));
        Runner {
            transcripts: vec![Transcript::default(); s.plan.nodes.len()],
            executor,
            observer,
            variables: Variables::default(),
            players: vec![],
            rounds: vec![0; s.schedules.len()],
            frail: BTreeSet::new(),
            lockup: false,
            interrupted: false,
            live,
            echoes: vec![None; s.plan.nodes.len()],
            s,
        }
    }

    fn run(&mut self, steps: &[Step]) -> Result<(), Failed> {
        let level = Level { steps, next: 0, again: None };
        let mut main = Branch { levels: vec![level], busy: None };
        loop {
            self.happen()?;
            let (at_last, restless) = match self.poll(&mut main)? {
                Poll::Done => return Ok(()),
                Poll::Later(at, restless) => (at, restless),
            };
            let now = self.s.fleet.now();
            if now >= self.s.timeout {
                let what = format!("the scenario's timeout of {} s is over", self.s.timeout);
                return Err(main.blame(Failed { timed_out: true, what, nodes: vec![], step: None }));
            }
            let next = tick_after(now);
            // Nothing changes while nothing happens: those ticks are left out.
            let quiet = if restless || self.live { next } else { tick_from(self.s.fleet.quiet_until()) };
            let beside = tick_from(self.next_beside());
            let to =
                next.max(quiet).min(at_last.max(now + 1)).min(beside.max(next)).min(self.s.timeout.max(next));
            self.advance(to).map_err(|f| main.blame(f))?;
        }
    }

    // ---- beside the steps ----

    /// When the next schedule or recording has something to do.
    fn next_beside(&self) -> Time {
        let seed = self.s.fleet.seed();
        let schedules = self.s.schedules.iter().zip(&self.rounds).map(|(s, n)| s.due(seed, *n));
        schedules.chain(self.players.iter().map(Player::due)).min().unwrap_or(Time::MAX)
    }

    /// Schedules that are due happen.
    fn happen(&mut self) -> Result<(), Failed> {
        let (now, seed) = (self.s.fleet.now(), self.s.fleet.seed());
        for i in 0..self.rounds.len() {
            while self.s.schedules[i].due(seed, self.rounds[i]) <= now {
                self.rounds[i] += 1;
                let step = self.s.schedules[i].step.clone();
                self.start_at_once(&step).map_err(|e| Failed::new(false, e, vec![], &step, now))?;
            }
        }
        Ok(())
    }

    fn start_at_once(&mut self, step: &Step) -> Result<(), String> {
        match &step.action {
            Action::Do(deed, undo) => {
                self.deed(step, deed, *undo)?;
                // Done before the next step looks.
                let now = self.s.fleet.now();
                self.s.fleet.run_until(now, self.executor);
                Ok(())
            }
            Action::Play(trace) => {
                self.players.push(Player::new(trace, &step.nodes, self.s.fleet.now()));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    // ---- branches ----

    /// Goes on with a branch as far as it can.
    fn poll<'s>(&mut self, branch: &mut Branch<'s>) -> Result<Poll, Failed> {
        loop {
            if let Some(busy) = &mut branch.busy {
                let poll = match busy {
                    Busy::Wait(wait) => self.poll_wait(wait)?,
                    Busy::Branches(_, all) => self.poll_all(all)?,
                };
                if let Poll::Later(..) = poll {
                    return Ok(poll);
                }
                branch.busy = None;
            }
            let Some(level) = branch.levels.last_mut() else { return Ok(Poll::Done) };
            if let Some(step) = level.steps.get(level.next) {
                level.next += 1;
                let since = self.s.fleet.now();
                self.start(branch, step).map_err(|e| Failed::new(false, e, vec![], step, since))?;
                continue;
            }
            match self.round(level)? {
                Round::Over => drop(branch.levels.pop()),
                Round::Again => level.next = 0,
                Round::Later(at) => return Ok(Poll::Later(at, false)),
            }
        }
    }

    fn poll_all(&mut self, all: &mut [Branch]) -> Result<Poll, Failed> {
        let (mut first, mut restless, mut done) = (Time::MAX, false, true);
        for branch in all {
            if let Poll::Later(at, r) = self.poll(branch)? {
                (first, restless, done) = (first.min(at), restless | r, false);
            }
        }
        Ok(if done { Poll::Done } else { Poll::Later(first, restless) })
    }

    /// At the end of a list: it is done, or begins again, now or later.
    fn round(&mut self, level: &mut Level) -> Result<Round, Failed> {
        let Some(again) = &mut level.again else { return Ok(Round::Over) };
        let (now, repeat) = (self.s.fleet.now(), again.repeat);
        if !again.counted {
            again.counted = true;
            again.rounds += 1;
            let last = repeat.count.is_some_and(|n| again.rounds >= n);
            let ended = match &repeat.until {
                Some(until) => self
                    .until(until, &mut again.watches)
                    .map_err(|e| Failed::new(false, e, vec![], again.step, again.begun))?,
                None => last,
            };
            if ended {
                return Ok(Round::Over);
            }
            if last || now >= again.begun + repeat.within {
                let what = format!("repeated {} times in vain", again.rounds);
                return Err(Failed::new(true, what, vec![], again.step, again.begun));
            }
        }
        let begin = match repeat.every {
            Some(every) => again.begun + every.saturating_mul(again.rounds),
            // A round that takes no time is followed by a tick.
            None if again.round == now => tick_after(now),
            None => now,
        };
        if now < begin {
            return Ok(Round::Later(begin));
        }
        (again.round, again.counted) = (now, false);
        Ok(Round::Again)
    }

    /// Whether what ends a repetition holds.
    fn until(&mut self, until: &Step, watches: &mut Vec<Watch>) -> Result<bool, String> {
        match &until.action {
            Action::Until(Condition::Printed(pattern), _) => {
                debug_assert!(!watches.is_empty() || until.nodes.is_empty(), "{pattern} was found already");
                self.take_all(watches);
                Ok(watches.is_empty())
            }
            Action::Until(condition, _) => self.holds(&until.nodes, condition),
            _ => Ok(true),
        }
    }

    fn start<'s>(&mut self, branch: &mut Branch<'s>, step: &'s Step) -> Result<(), String> {
        let since = self.s.fleet.now();
        let mut wait = |end: u64, watches| {
            let end = since + end;
            branch.busy = Some(Busy::Wait(Wait { step, since, end, watches }));
        };
        match &step.action {
            Action::Do(..) | Action::Play(_) => self.start_at_once(step)?,
            Action::Until(Condition::Printed(pattern), ns) | Action::Never(pattern, ns) => {
                wait(*ns, self.watch(&step.nodes, pattern)?)
            }
            Action::Until(_, ns) | Action::Hold(_, ns) | Action::Wait(ns) => wait(*ns, vec![]),
            Action::WaitTo(at) if since.0 > *at => {
                return Err(format!("its time {} s is over: the run is at {since} s", Time(*at)));
            }
            Action::WaitTo(at) => wait(*at - since.0, vec![]),
            Action::Branches(all) => {
                let branch_of = |steps: &'s Vec<Step>| Branch {
                    levels: vec![Level { steps, next: 0, again: None }],
                    busy: None,
                };
                branch.busy = Some(Busy::Branches(step, all.iter().map(branch_of).collect()));
            }
            Action::Repeat(repeat) => {
                let watches = match repeat.until.as_ref().map(|u| (&u.nodes, &u.action)) {
                    Some((nodes, Action::Until(Condition::Printed(p), _))) => self.watch(nodes, p)?,
                    _ => vec![],
                };
                let again =
                    Again { step, repeat, begun: since, round: since, rounds: 0, counted: false, watches };
                branch.levels.push(Level { steps: &repeat.steps, next: 0, again: Some(again) });
            }
        }
        Ok(())
    }

    // ---- waiting ----

    fn poll_wait(&mut self, wait: &mut Wait) -> Result<Poll, Failed> {
        let step = wait.step;
        let over = self.s.fleet.now() >= wait.end;
        let fail = |timed_out, what, nodes| Failed::new(timed_out, what, nodes, step, wait.since);
        let wrong = |what| fail(false, what, vec![]);
        let later = |restless| Ok(Poll::Later(wait.end, restless));
        match &step.action {
            Action::Until(Condition::Printed(pattern), _) => {
                self.take_all(&mut wait.watches);
                match wait.watches.is_empty() {
                    true => Ok(Poll::Done),
                    false if over => {
                        let left: Vec<_> = wait.watches.iter().map(|w| w.node).collect();
                        let what = format!("waited for {pattern} from {}", self.names(&left));
                        Err(fail(true, what, left))
                    }
                    false => later(false),
                }
            }
            Action::Until(condition, _) => match self.holds(&step.nodes, condition).map_err(wrong)? {
                true => Ok(Poll::Done),
                false if over => {
                    let left = self.lacking(&step.nodes, condition);
                    let what = format!("waited for {condition} at {}", self.names(&left));
                    Err(fail(true, what, left))
                }
                false => later(condition.restless()),
            },
            Action::Hold(condition, _) => match self.holds(&step.nodes, condition).map_err(wrong)? {
                true if over => Ok(Poll::Done),
                true => later(condition.restless()),
                false => {
                    let left = self.lacking(&step.nodes, condition);
                    Err(fail(false, format!("wanted {condition} at {}", self.names(&left)), left))
                }
            },
            Action::Never(pattern, _) => {
                let found = (0..wait.watches.len()).find(|&i| self.search(&mut wait.watches[i]).is_some());
                match found.map(|i| wait.watches[i].node) {
                    Some(n) => Err(fail(false, format!("{} printed {pattern}", self.name(n)), vec![n])),
                    None if over => Ok(Poll::Done),
                    None => later(false),
                }
            }
            _ if over => Ok(Poll::Done),
            _ => later(false),
        }
    }

    /// Nodes for which a condition does not hold.
    fn lacking(&mut self, nodes: &[u32], condition: &Condition) -> Vec<u32> {
        let mut left: Vec<u32> = vec![];
        for &n in nodes {
            if left.len() < 9 && self.holds(&[n], condition) == Ok(false) {
                left.push(n);
            }
        }
        if left.is_empty() { nodes.to_vec() } else { left }
    }

    /// What a pattern means for each of these nodes.
    fn watch(&mut self, nodes: &[u32], pattern: &Pattern) -> Result<Vec<Watch>, String> {
        let mut all: Vec<Watch> = vec![];
        let constant = pattern.template().variables().next().is_none();
        for &node in nodes {
            let needle = match all.first() {
                Some(first) if constant => first.needle.clone(),
                _ => pattern.needle(|name| self.value(name, node))?,
            };
            let read = self.transcripts[node as usize].read;
            let echo = self.echoes[node as usize].take();
            all.push(Watch { node, needle, searched: read, read, echo });
        }
        Ok(all)
    }

    /// The end of the first match behind what was read, if there is one.
    fn search(&mut self, w: &mut Watch) -> Option<usize> {
        let t = &mut self.transcripts[w.node as usize];
        if t.read != w.read {
            // Another branch has read on.
            (w.read, w.searched) = (t.read, w.searched.max(t.read));
        }
        if let Some(echo) = &w.echo {
            let Some(end) = echo.find(&t.text[t.read..], w.searched - t.read) else {
                w.searched = t.text.len();
                return None;
            };
            t.read += end;
            (w.read, w.searched, w.echo) = (t.read, t.read, None);
        }
        if w.searched == t.text.len() && !matches!(&w.needle, Needle::Text(t) if t.is_empty()) {
            return if t.read == t.text.len() { w.needle.find(&[], 0) } else { None };
        }
        let unread = &t.text[t.read..];
        let found = w.needle.find(unread, w.searched - t.read);
        if found.is_none() {
            w.searched = t.text.len();
        }
        found
    }

    /// Takes the first match of each watch; those that have none are left.
    fn take_all(&mut self, watches: &mut Vec<Watch>) {
        watches.retain_mut(|w| match self.search(w) {
            None => true,
            Some(end) => {
                let t = &mut self.transcripts[w.node as usize];
                for (name, value) in w.needle.captures(&t.text[t.read..], w.searched - w.read) {
                    self.variables.set(name, w.node, value);
                }
                t.read += end;
                false
            }
        });
    }

    /// The value of a variable for a node.
    pub(super) fn value(&self, name: &str, node: u32) -> Result<String, String> {
        let plan = &self.s.plan;
        let own = || {
            let (of, name) = name.rsplit_once('.')?;
            let of = plan.nodes.iter().position(|n| n.name == of)?;
            self.variables.own(name, of as u32)
        };
        match name {
            "node" => Ok(plan.nodes[node as usize].name.clone()),
            "seed" => Ok(plan.seed.to_string()),
            _ => self.variables.get(name, node).or_else(own).map(String::from).ok_or_else(|| {
                format!(
                    "`{name}` has no value for {}: no step has captured it yet",
                    plan.nodes[node as usize].name
                )
            }),
        }
    }

    // ---- time ----

    fn advance(&mut self, to: Time) -> Result<(), Failed> {
        for player in &mut self.players {
            player.play(&mut self.s.fleet, to);
        }
        self.players.retain(|p| p.due() < Time::MAX);
        // The fleet goes on to the tick, which does not depend on the epochs.
        let mut failed = None;
        loop {
            let exit = self.observer.run(self.s, to, self.executor);
            let bytes = self.s.fleet.take_console();
            for b in &bytes {
                self.transcripts[b.node as usize].text.push(b.byte);
            }
            self.observer.console(self.s, &bytes);
            match exit {
                FleetExit::Reached => break,
                FleetExit::Interrupted => {
                    self.interrupted = true;
                    let what = "the host ended the run".into();
                    return Err(Failed { timed_out: false, what, nodes: vec![], step: None });
                }
                FleetExit::Stopped { node, exit: Exit::Lockup(_, pc) } if !self.frail.contains(&node) => {
                    self.lockup = true;
                    let place = self.s.fleet.node(node).firmware.place(pc);
                    let what = format!("{} locked up at {place}", self.name(node));
                    failed.get_or_insert(Failed { timed_out: false, what, nodes: vec![node], step: None });
                }
                FleetExit::Exited { .. } | FleetExit::Stopped { .. } => {}
            }
        }
        if let Some(failed) = failed {
            return Err(failed);
        }
        if self.live {
            let now = self.s.fleet.now();
            let requests = self.s.fleet.take_host_requests();
            for (medium, event) in self.observer.host(requests) {
                self.s.fleet.apply(Command::new(now, Command::FLEET, Act::Host { medium, event }));
            }
        }
        self.observer.tick(self.s);
        Ok(())
    }
}

impl Branch<'_> {
    /// Says which step a failure from outside met.
    fn blame(&self, mut failed: Failed) -> Failed {
        failed.step = failed.step.or_else(|| self.stands_at().map(Box::new));
        failed
    }

    fn stands_at(&self) -> Option<(Step, Time)> {
        match &self.busy {
            Some(Busy::Wait(wait)) => return Some((wait.step.clone(), wait.since)),
            Some(Busy::Branches(step, all)) => {
                let inner = all.iter().find_map(Branch::stands_at);
                return inner.or_else(|| Some(((*step).clone(), Time::ZERO)));
            }
            None => {}
        }
        let again = self.levels.iter().rev().find_map(|l| l.again.as_ref());
        again.map(|a| (a.step.clone(), a.begun))
    }
}
