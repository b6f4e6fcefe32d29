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
    determinism::{Condition, Cut, Cuts, Digest, Divergence, Said, Subject, compare, digests, locate},
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
    if args.digest_every.zip(args.for_).is_some_and(|(every, end)| end / every > MOST) {
        return Err(Failure::usage(format!("--digest-every makes more than {MOST} checkpoints")));
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
        Happening::Given(..) | Happening::Checkpoint(..) => None,
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

fn plain(name: String) -> Condition {
    Condition { name, executor: Box::new(Serial), slice: u64::MAX, engine: Engine::Auto, cuts: None }
}

/// Runs that are not cut, the reference first.
fn uncut(args: &CheckArgs) -> Vec<Condition> {
    let threads = |n: &u16| Condition {
        executor: Box::new(Pool::new(usize::from(*n))),
        ..plain(format!("{n} thread{}", if *n == 1 { "" } else { "s" }))
    };
    let slice = |ns: &u64| Condition { slice: *ns, ..plain(format!("slices of {} s", Time(*ns))) };
    let engine = |e: &EngineName| {
        let name = e.to_possible_value().map_or(String::new(), |v| v.get_name().into());
        Condition { engine: (*e).into(), ..plain(format!("engine {name}")) }
    };
    let mut all: Vec<_> = args.threads.iter().map(threads).collect();
    all.extend(args.slices.iter().map(slice));
    all.extend(args.engines.iter().map(engine));
    all
}

/// Runs that are cut.
fn cut(args: &CheckArgs) -> impl Iterator<Item = Condition> {
    let (count, seed) = (args.cuts, args.cut_seed);
    let all = [Cut::Fork, Cut::SaveLoad, Cut::Look].into_iter().filter(move |_| count > 0);
    all.map(move |what| Condition {
        cuts: Some(Cuts { what, count, seed }),
        ..plain(format!("{what} at {count} instant{}", if count == 1 { "" } else { "s" }))
    })
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
    args.digest_every.unwrap_or((end.0 / CHECKPOINTS).max(TICK))
}

/// A fleet to which the `script` is done.
fn fleet(
    args: &CheckArgs,
    end: Time,
    build: &dyn Fn() -> Fleet,
    script: &[Command],
) -> Result<bool, Failure> {
    let subject = Subject { build, script, end, every: every(args, end) };
    let mut all = uncut(args);
    let reference = all.remove(0);
    let wanted = digests(&subject, &reference, |_| {});
    introduce(&reference, end, wanted.len(), wanted.last().copied().unwrap_or_default().state)?;
    let mut same = true;
    for other in all.into_iter().chain(cut(args)) {
        same &= say(&other.name, compare(&subject, &reference, &wanted, &other, |_| {}))?;
    }
    Ok(same)
}

fn introduce(reference: &Condition, end: Time, checkpoints: usize, digest: u128) -> io::Result<()> {
    let name = &reference.name;
    writeln!(Stdout, "the reference: {name}, {end} s, {checkpoints} checkpoints, digest: {digest:032x}")
}

/// What a run of a scenario leaves.
struct Trace {
    digests: Vec<(Time, Digest)>,
    commands: Vec<Command>,
    failure: Option<String>,
}

/// A scenario: its steps are part of what is compared, where it is not cut. Where it is, its commands come again.
fn scenario(args: &CheckArgs, read: &dyn Fn() -> Scenario) -> Result<bool, Failure> {
    let all = uncut(args);
    let every = args.digest_every.unwrap_or(100 * TICK).next_multiple_of(TICK);
    let reference = trace(read, &all[0], every);
    let (end, digest) = reference.digests.last().copied().unwrap_or_default();
    introduce(&all[0], end, reference.digests.len(), digest.state)?;
    if let Some(why) = &reference.failure {
        writeln!(Stdout, "the scenario fails, which is compared too:\n{why}")?;
    }
    let script = read().fleet.besides_own(&reference.commands);
    let build = || read().fleet;
    let subject = Subject { build: &build, script: &script, end, every };
    let mut same = true;
    for other in &all[1..] {
        let theirs = trace(read, other, every);
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
    if args.cuts > 0 {
        let wanted = digests(&subject, &all[0], |_| {});
        for other in cut(args) {
            same &= say(&other.name, compare(&subject, &all[0], &wanted, &other, |_| {}))?;
        }
    }
    Ok(same)
}

struct Watch {
    every: u64,
    digests: Vec<(Time, Digest)>,
    said: Said,
}

impl Observer for Watch {
    fn console(&mut self, _: &Scenario, bytes: &[fleet::ConsoleByte]) {
        self.said.add(bytes);
    }
    fn tick(&mut self, s: &mut Scenario) {
        let now = s.fleet.now();
        if now.0.is_multiple_of(self.every) {
            self.digests.push((now, Digest { state: s.fleet.digest(), said: self.said.digest() }));
        }
    }
}

fn trace(read: &dyn Fn() -> Scenario, how: &Condition, every: u64) -> Trace {
    let mut s = read();
    s.fleet.slice = how.slice;
    s.fleet.set_engine(how.engine);
    let mut watch = Watch { every, digests: vec![], said: Said::default() };
    let report = s.run(&*how.executor, &mut watch);
    let mut digests = watch.digests;
    digests.push((report.time, Digest { state: report.digest, said: watch.said.digest() }));
    Trace { digests, commands: s.fleet.journal().to_vec(), failure: report.failure }
}
