//! `flotilla check-determinism`: the same fleet under several conditions.

use crate::{
    args::{CheckArgs, EngineName},
    exit::{Code, Failure},
    out::{Stdout, say},
    replay::rebuild,
    show,
};
use clap::ValueEnum;
use emu_core::{Time, cpu::Engine};
use fleet::{
    Command, Fleet, Serial,
    determinism::{Condition, Divergence, Middle, Subject, compare, digests, locate, unloadable},
    record::Happening,
    scenario::{self, Observer, Scenario, TICK},
};
use fleet_host::{Folder, Pool, load};
use std::io::{self, Write};

/// How long a fleet runs.
const USUAL: u64 = 10_000_000_000;
/// Checkpoints of a run, about.
const CHECKPOINTS: u64 = 50;
/// More checkpoints take more time than anybody has.
const MOST: u64 = 1_000_000;

/// Runs the command.
pub fn check(args: &CheckArgs) -> Result<Code, Failure> {
    if args.file.extension().is_none_or(|e| e != "toml") {
        return session(args);
    }
    if args.every.zip(args.for_).is_some_and(|(every, end)| end / every > MOST) {
        return Err(Failure::usage(format!("--every makes more than {MOST} checkpoints")));
    }
    let text = load::text(&args.file)?;
    let name = args.file.display().to_string();
    let folder = Folder::of(&args.file);
    let read = || scenario::load(&name, &text, args.seed, &folder).map_err(|e| Failure::input(e.to_string()));
    let first = read()?;
    if !first.steps.is_empty() && args.for_.is_some() {
        return Err(Failure::usage("a scenario ends by itself: no --for"));
    }
    // It was read a moment ago; only somebody who takes its images away meanwhile can bring an error about.
    let again = || read().unwrap_or_else(|e| panic!("{}", e.message));
    if first.plan.switches.iter().any(|s| s.gateway.is_some()) {
        writeln!(Stdout, "{GATEWAY}")?;
    }
    let steps = !first.steps.is_empty();
    engines(args, first.fleet)?;
    let same = if !steps {
        fleet(args, Time(args.for_.unwrap_or(USUAL)), &|| again().fleet, &[])?
    } else {
        scenario(args, &again)?
    };
    Ok(if same { Code::Ok } else { Code::Digest })
}

const GATEWAY: &str = "its gateway does not reach the host here; to check a run in which it does, record it: \
    flotilla record FILE FLEET.toml, then flotilla check-determinism FILE";

/// A recorded session: what was done to the fleet, and what a gateway's host did, is done again in each run.
fn session(args: &CheckArgs) -> Result<Code, Failure> {
    if args.seed.is_some() {
        return Err(Failure::usage("a recorded session has its seed: no --seed"));
    }
    let (session, warnings) = fleet_host::record::read(&args.file)?;
    for w in warnings {
        say!("warning: {}: {w}", args.file.display());
    }
    engines(args, rebuild(&session, None)?)?;
    let build = || {
        let mut fleet = rebuild(&session, None).unwrap_or_else(|e| panic!("{}", e.message));
        for c in fleet.besides_own(&session.scheduled) {
            fleet.apply(c);
        }
        fleet
    };
    let commands = session.happenings.iter().filter_map(|h| match h {
        Happening::Command(c) => Some(c.clone()),
        Happening::Checkpoint(..) => None,
    });
    let script = build().besides_own(&commands.collect::<Vec<_>>());
    let end = args.for_.map_or(session.last(), Time);
    Ok(if fleet(args, end, &build, &script)? { Code::Ok } else { Code::Digest })
}

/// Whether all engines that are to be compared can be had.
fn engines(args: &CheckArgs, mut fleet: Fleet) -> Result<(), Failure> {
    let all = args.engines.iter().copied().chain([EngineName::Auto]);
    all.into_iter().try_for_each(|e| show::engine(e, &mut fleet).map(show::note))
}

/// The conditions, the reference first.
fn conditions(args: &CheckArgs) -> Vec<Condition> {
    let serial = |name: String| Condition {
        name,
        executor: Box::new(Serial),
        slice: u64::MAX,
        engine: Engine::Auto,
        middle: Middle::Nothing,
    };
    let threads = |n: &u16| Condition {
        executor: Box::new(Pool::new(usize::from(*n))),
        ..serial(format!("{n} thread{}", if *n == 1 { "" } else { "s" }))
    };
    let slice = |ns: &u64| Condition { slice: *ns, ..serial(format!("slices of {} s", Time(*ns))) };
    let engine = |e: &EngineName| {
        let name = e.to_possible_value().map_or(String::new(), |v| v.get_name().into());
        Condition { engine: (*e).into(), ..serial(format!("engine {name}")) }
    };
    let middle = |middle, name: &str| Condition { middle, ..serial(name.into()) };
    let mut all: Vec<_> = args.threads.iter().map(threads).collect();
    all.extend(args.slices.iter().map(slice));
    all.extend(args.engines.iter().map(engine));
    all.push(middle(Middle::Fork, "a copy from half way on"));
    all.push(middle(Middle::SaveLoad, "saved and loaded half way"));
    all
}

/// Says how one condition compares; `true`: it is the same.
fn say(name: &str, divergence: Option<Divergence>) -> Result<bool, Failure> {
    let mut out = Stdout;
    match &divergence {
        None => writeln!(out, "same     {name}")?,
        Some(d) => write!(out, "DIFFERS  {name}\n{d}")?,
    }
    out.flush()?;
    Ok(divergence.is_none())
}

fn every(args: &CheckArgs, end: Time) -> u64 {
    args.every.unwrap_or((end.0 / CHECKPOINTS).max(TICK))
}

/// A fleet to which the `script` is done.
fn fleet(
    args: &CheckArgs,
    end: Time,
    build: &dyn Fn() -> Fleet,
    script: &[Command],
) -> Result<bool, Failure> {
    let subject = Subject { build, script, end, every: every(args, end) };
    let all = conditions(args);
    let wanted = digests(&subject, &all[0], |_| {});
    introduce(&all[0], end, wanted.len(), wanted.last().copied().unwrap_or_default())?;
    let mut same = true;
    for other in &all[1..] {
        same &= say(&other.name, compare(&subject, &all[0], &wanted, other, |_| {}))?;
    }
    Ok(same)
}

fn introduce(reference: &Condition, end: Time, checkpoints: usize, digest: u128) -> io::Result<()> {
    let name = &reference.name;
    writeln!(Stdout, "the reference: {name}, {end} s, {checkpoints} checkpoints, digest: {digest:032x}")
}

/// What a run of a scenario leaves.
struct Trace {
    digests: Vec<(Time, u128)>,
    commands: Vec<Command>,
    failure: Option<String>,
    /// What was saved half way does not load.
    broken: Option<Divergence>,
}

/// A scenario: its steps are part of what is compared.
fn scenario(args: &CheckArgs, read: &dyn Fn() -> Scenario) -> Result<bool, Failure> {
    let all = conditions(args);
    let every = args.every.unwrap_or(100 * TICK).next_multiple_of(TICK);
    let reference = trace(read, &all[0], every, None);
    let end = reference.digests.last().map_or(Time::ZERO, |d| d.0);
    let digest = reference.digests.last().map_or(0, |d| d.1);
    introduce(&all[0], end, reference.digests.len(), digest)?;
    if let Some(why) = &reference.failure {
        writeln!(Stdout, "the scenario fails, which is compared too:\n{why}")?;
    }
    let script = read().fleet.besides_own(&reference.commands);
    let build = || read().fleet;
    let subject = Subject { build: &build, script: &script, end, every };
    let mut same = true;
    for other in &all[1..] {
        let theirs = trace(read, other, every, Some(Time(end.0 / 2)));
        if theirs.broken.is_some() {
            same &= say(&other.name, theirs.broken)?;
            continue;
        }
        let (ours, others) = (&reference.digests, &theirs.digests);
        let Some(k) = (0..ours.len().max(others.len())).find(|&k| ours.get(k) != others.get(k)) else {
            same &= say(&other.name, None)?;
            continue;
        };
        let before = if k == 0 { Time::ZERO } else { ours[k - 1].0 };
        let after = [ours.get(k), others.get(k)].into_iter().flatten().map(|d| d.0).min().unwrap_or(end);
        same &= say(&other.name, Some(locate(&subject, &all[0], other, before, after)))?;
        if let Some((a, b)) = reference.commands.iter().zip(&theirs.commands).find(|(a, b)| a != b) {
            writeln!(Stdout, "  first command that differs: {a:?} / {b:?}")?;
        }
    }
    Ok(same)
}

struct Watch<'a> {
    read: &'a dyn Fn() -> Scenario,
    every: u64,
    engine: Engine,
    middle: Option<(Time, Middle)>,
    digests: Vec<(Time, u128)>,
    broken: Option<Divergence>,
}

impl Observer for Watch<'_> {
    fn console(&mut self, _: &Scenario, _: &[fleet::ConsoleByte]) {}
    fn tick(&mut self, s: &mut Scenario) {
        let now = s.fleet.now();
        if now.0.is_multiple_of(self.every) {
            self.digests.push((now, s.fleet.digest()));
        }
        let Some((_, middle)) = self.middle.filter(|(at, _)| *at <= now) else { return };
        self.middle = None;
        let slice = s.fleet.slice;
        match middle {
            Middle::Nothing => {}
            Middle::Fork => s.fleet = s.fleet.fork(),
            Middle::SaveLoad => {
                let (bytes, mut fresh) = (s.fleet.save(), (self.read)().fleet);
                match fresh.load(&bytes) {
                    Ok(()) => s.fleet = fresh,
                    Err(e) => self.broken = Some(unloadable(now, e.to_string())),
                }
            }
        }
        s.fleet.slice = slice;
        s.fleet.set_engine(self.engine);
    }
}

fn trace(read: &dyn Fn() -> Scenario, how: &Condition, every: u64, middle: Option<Time>) -> Trace {
    let mut s = read();
    s.fleet.slice = how.slice;
    s.fleet.set_engine(how.engine);
    let middle = middle.map(|t| (t, how.middle));
    let mut watch = Watch { read, every, engine: how.engine, middle, digests: vec![], broken: None };
    let report = s.run(&*how.executor, &mut watch);
    let mut digests = watch.digests;
    digests.push((report.time, report.digest));
    Trace { digests, commands: s.fleet.journal().to_vec(), failure: report.failure, broken: watch.broken }
}
