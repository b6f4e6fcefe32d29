//! Is a run the same under all conditions? And if not: which node differs first, when, at which instruction, in what?
//!
//! A fleet is run under a reference condition, then under others (more threads, other slices, saved and loaded on the
//! way), and digests of states and transcripts are compared at checkpoints. Where two of them differ, both runs are repeated from copies of the
//! last checkpoint at which they were the same, with ever finer checkpoints, until a single nanosecond is left.

mod cuts;
mod differ;
mod said;
#[cfg(test)]
pub(crate) mod tests;

pub use cuts::{Cut, Cuts};
pub use differ::{Differs, Field, Instruction};
pub use said::Said;

use crate::{Command, Executor, Fleet, FleetExit};
use cuts::Plan;
use emu_core::{Time, cpu::Engine};

/// How a fleet is run. None of it may change anything.
pub struct Condition {
    /// For people.
    pub name: String,
    /// Who runs the machines.
    pub executor: Box<dyn Executor>,
    /// Longest epoch in nanoseconds.
    pub slice: u64,
    /// What executes the instructions.
    pub engine: Engine,
    /// What happens on the way.
    pub cuts: Option<Cuts>,
}

/// What is run.
pub struct Subject<'a> {
    /// Builds the fleet at time zero.
    pub build: &'a dyn Fn() -> Fleet,
    /// What is done to it, in order of time, besides what it brings itself.
    pub script: &'a [Command],
    /// When it ends.
    pub end: Time,
    /// From one checkpoint to the next, in nanoseconds.
    pub every: u64,
}

impl Subject<'_> {
    /// The times at which digests are compared.
    pub fn checkpoints(&self) -> impl Iterator<Item = Time> {
        let (every, end) = (self.every.max(1), self.end.0);
        (0..=end / every)
            .map(move |i| Time(i * every))
            .chain((!end.is_multiple_of(every)).then_some(Time(end)))
    }
}

/// A run under a condition.
pub struct Run<'a> {
    fleet: Fleet,
    subject: &'a Subject<'a>,
    condition: &'a Condition,
    /// Commands given so far.
    given: usize,
    plan: Option<Plan>,
    said: Said,
    /// Why what was saved does not load, and when it was saved.
    broken: Option<(Time, String)>,
}

impl<'a> Run<'a> {
    /// A run that has not begun.
    pub fn start(subject: &'a Subject<'a>, condition: &'a Condition) -> Run<'a> {
        let mut fleet = (subject.build)();
        fleet.slice = condition.slice.max(1);
        fleet.set_engine(condition.engine);
        let plan = condition.cuts.map(|cuts| Plan::new(cuts, subject.end));
        Run { fleet, subject, condition, given: 0, plan, said: Said::default(), broken: None }
    }

    /// Runs to `t`. Commands at `t` itself are given when the run goes on.
    pub fn run_to(&mut self, t: Time) {
        while let Some(at) = self.plan.and_then(|p| p.next()).filter(|at| *at <= t) {
            self.advance(at);
            if let Some(cut) = self.plan.as_mut().and_then(|p| p.arrived(&self.fleet)) {
                self.cut(cut);
            }
        }
        self.advance(t);
    }

    fn advance(&mut self, t: Time) {
        while let Some(c) = self.subject.script.get(self.given).filter(|c| c.at < t) {
            run(&mut self.fleet, c.at, &*self.condition.executor);
            self.fleet.apply(c.clone());
            self.given += 1;
        }
        run(&mut self.fleet, t, &*self.condition.executor);
    }

    fn cut(&mut self, cut: Cut) {
        self.said.take(&mut self.fleet); // neither a copy nor what is saved has it
        let slice = self.fleet.slice;
        match cut {
            Cut::Look => {
                let seed = self.fleet.now().0;
                cuts::look(&mut self.fleet, seed);
            }
            Cut::Fork => self.fleet = self.fleet.fork(),
            Cut::SaveLoad => {
                let bytes = self.fleet.save();
                let mut fresh = (self.subject.build)();
                match fresh.load(&bytes) {
                    Ok(()) => self.fleet = fresh,
                    Err(e) => self.broken = self.broken.take().or(Some((self.fleet.now(), e.to_string()))),
                }
            }
        }
        self.fleet.slice = slice;
        self.fleet.set_engine(self.condition.engine);
    }

    /// A copy that goes its own way.
    pub fn fork(&mut self) -> Run<'a> {
        self.said.take(&mut self.fleet);
        Run { fleet: self.fleet.fork(), broken: self.broken.clone(), said: self.said.clone(), ..*self }
    }

    /// Stands for the fleet's state now and everything that was printed up to now.
    pub fn digest(&mut self) -> Digest {
        self.said.take(&mut self.fleet);
        Digest { state: self.fleet.digest(), said: self.said.digest() }
    }

    fn last_cut(&self) -> Option<(Cut, Time)> {
        self.plan.and_then(|p| p.last())
    }
}

/// What is compared at a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// The fleet's digest.
    pub state: u128,
    /// Of what was printed: times, consoles and bytes in their order. Whoever calls [`Run::digest`] at other times gets
    /// another one.
    pub said: u128,
}

/// Runs to `end`; guests that end themselves or lock up stay as they are.
pub fn run(fleet: &mut Fleet, end: Time, executor: &dyn Executor) {
    while !matches!(fleet.run_until(end, executor), FleetExit::Reached | FleetExit::Interrupted) {}
    fleet.take_host_requests(); // the host's answers, if there were any, are in the journal
}

/// The digests of a run at its checkpoints.
pub fn digests(subject: &Subject, condition: &Condition, mut seen: impl FnMut(Time)) -> Vec<Digest> {
    let mut run = Run::start(subject, condition);
    let digest = |t| {
        run.run_to(t);
        seen(t);
        run.digest()
    };
    subject.checkpoints().map(digest).collect()
}

/// Two runs differ.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// The last instant at which the states are known to be the same.
    pub same: Time,
    /// The first instant at which they are known to differ.
    pub at: Time,
    /// What differs then.
    pub what: Differs,
    /// The difference came again in finer steps, and `at` is one nanosecond after `same`.
    pub exact: bool,
    /// What the other run did last before it differed, and when.
    pub cut: Option<(Cut, Time)>,
}

/// Compares a run with the digests of the reference at its checkpoints; narrows down the first difference.
pub fn compare(
    subject: &Subject,
    reference: &Condition,
    digests: &[Digest],
    other: &Condition,
    mut seen: impl FnMut(Time),
) -> Option<Divergence> {
    let mut b = Run::start(subject, other);
    let mut last = b.fork();
    let mut same = None;
    for (t, wanted) in subject.checkpoints().zip(digests) {
        b.run_to(t);
        seen(t);
        if let Some((at, e)) = b.broken {
            return Some(unloadable(at, e));
        }
        if b.digest() != *wanted {
            let mut a = Run::start(subject, reference);
            for c in subject.checkpoints().take_while(|c| Some(*c) <= same) {
                a.run_to(c);
                a.digest();
            }
            return Some(divergence(a, last, b, same.unwrap_or_default(), t));
        }
        (same, last) = (Some(t), b.fork());
    }
    None
}

/// What was saved at `at` does not load.
pub fn unloadable(at: Time, error: String) -> Divergence {
    let field = Field { name: "what was saved".into(), one: "loads".into(), other: error };
    let what = Differs { node: None, instruction: None, fields: vec![field], more: 0, others: vec![] };
    Divergence { same: at, at, what, exact: true, cut: Some((Cut::SaveLoad, at)) }
}

/// How often a difference that does not come again is tried once more: threads are not the same each time.
const TRIES: usize = 3;

/// `a` and `b` are the same at `same`; `late`, run like `b`, differs at `differ`.
pub fn divergence(mut a: Run, mut b: Run, mut late: Run, same: Time, differ: Time) -> Divergence {
    for _ in 0..TRIES {
        if let Some(mut found) = narrow(a.fork(), b.fork(), same, differ) {
            let (one, other) = &mut found.after;
            let what = what_differs(&mut found.before.0, one, other);
            let exact = found.differ.0 - found.same.0 <= 1;
            return Divergence { same: found.same, at: found.differ, what, exact, cut: other.last_cut() };
        }
    }
    let mut before = a.fork();
    a.run_to(differ);
    a.digest();
    let what = what_differs(&mut before, &mut a, &mut late);
    Divergence { same, at: differ, what, exact: false, cut: late.last_cut() }
}

fn what_differs(before: &mut Run, one: &mut Run, other: &mut Run) -> Differs {
    let (node, mut fields) = one.said.differences(&other.said, &one.fleet);
    let mut what = differ::differs(&mut before.fleet, &mut one.fleet, &mut other.fleet);
    let name = node.map(|i| one.fleet.node(i).name.clone());
    what.node = what.node.or(name);
    fields.append(&mut what.fields);
    Differs { fields, ..what }
}

struct Narrowed<'a> {
    same: Time,
    differ: Time,
    before: (Run<'a>, Run<'a>),
    after: (Run<'a>, Run<'a>),
}

/// Both runs at `t`, and whether they differ there.
fn probe<'a>(from: &mut (Run<'a>, Run<'a>), t: Time) -> ((Run<'a>, Run<'a>), bool) {
    let mut to = (from.0.fork(), from.1.fork());
    to.0.run_to(t);
    to.1.run_to(t);
    let differ = to.0.digest() != to.1.digest();
    (to, differ)
}

/// Halves the time between `same` and `differ` until a nanosecond is left. `None`: this time they do not differ.
///
/// A difference may hang on how the run was cut; so the runs begin later only if they still come to differ.
fn narrow<'a>(a: Run<'a>, b: Run<'a>, mut same: Time, mut differ: Time) -> Option<Narrowed<'a>> {
    let mut base = (a, b);
    let (mut after, differs) = probe(&mut base, differ);
    if !differs {
        return None;
    }
    while differ.0.saturating_sub(same.0) > 1 {
        let mid = Time(same.0 + (differ.0 - same.0) / 2);
        let (mut here, differs) = probe(&mut base, mid);
        if differs {
            (after, differ) = (here, mid);
            continue;
        }
        same = mid;
        let (again, differs) = probe(&mut here, differ);
        if differs {
            (base, after) = (here, again);
        }
    }
    let (before, _) = probe(&mut base, same);
    Some(Narrowed { same, differ, before, after })
}

/// Narrows down a difference that was seen between `same` and `differ`, by repeating both runs from the start.
pub fn locate(
    subject: &Subject,
    reference: &Condition,
    other: &Condition,
    same: Time,
    differ: Time,
) -> Divergence {
    let (mut a, mut b) = (Run::start(subject, reference), Run::start(subject, other));
    for run in [&mut a, &mut b] {
        run.run_to(same);
        run.digest();
    }
    let mut late = b.fork();
    late.run_to(differ);
    late.digest();
    divergence(a, b, late, same, differ)
}

/// Seconds to the nanosecond.
fn ns(t: Time) -> String {
    format!("{}.{:09} s", t.0 / 1_000_000_000, t.0 % 1_000_000_000)
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let who = self.what.node.as_ref().map_or("what belongs to no node".into(), |n| format!("node {n}"));
        if self.exact {
            writeln!(f, "  first difference: {who}, at {}", ns(self.at))?;
        } else {
            writeln!(f, "  first difference: {who}, between {} and {}", ns(self.same), ns(self.at))?;
            writeln!(
                f,
                "  (it hangs on how the run is cut, or on chance: in finer steps it did not come again)"
            )?;
        }
        if let Some(i) = &self.what.instruction {
            let how = match (self.exact, i.executed) {
                (true, true) => "instruction",
                (true, false) => "before the instruction",
                (false, _) => "it stood last at",
            };
            writeln!(f, "  {how} {}, after {} others", i.place, i.retired)?;
        }
        if let Some((cut, at)) = self.cut {
            writeln!(f, "  the other run was {cut} last at {}", ns(at))?;
        }
        let width = |column: fn(&Field) -> &str| {
            self.what.fields.iter().map(|f| column(f).chars().count()).max().unwrap_or(0).clamp(9, 60)
        };
        let (name, one) = (width(|f| &f.name), width(|f| &f.one));
        writeln!(f, "  {:name$}  {:one$}  this run", "", "reference")?;
        for field in &self.what.fields {
            writeln!(f, "  {:name$}  {:one$}  {}", field.name, field.one, field.other)?;
        }
        if self.what.more > 0 {
            writeln!(f, "  and {} more", self.what.more)?;
        }
        if !self.what.others.is_empty() {
            let some: Vec<_> = self.what.others.iter().take(8).cloned().collect();
            writeln!(
                f,
                "  differ at the same time: {}{}",
                some.join(", "),
                if self.what.others.len() > 8 { ", ..." } else { "" }
            )?;
        }
        Ok(())
    }
}
