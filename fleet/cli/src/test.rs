//! `flotilla test`: scenarios, each with one seed or many.

use crate::{
    args::TestArgs,
    console::Lines,
    debug::Debug,
    exit::{Code, Failure},
    junit,
    out::Stdout,
    outputs,
    show::{executor, not_recorded, note, prepare},
    stats,
};
use emu_core::Time;
use fleet::{
    ConsoleByte, Executor, Fleet, FleetExit, Island,
    config::Files,
    gateway::{HostEvent, HostRequest},
    record,
    scenario::{self, Observer, Report, Scenario},
};
use fleet_host::{
    Folder, Io, Outlet, Pool, Recording,
    instead::Instead,
    load,
    record::Noted,
    signals,
    usage::{cpu_time, thread_cpu_time},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

/// A scenario with a seed of its own, or the file's.
struct Job {
    path: PathBuf,
    seed: Option<u64>,
}

/// How one job went.
pub struct Verdict {
    pub name: String,
    pub seed: Option<u64>,
    pub code: Code,
    pub message: String,
    /// What was printed on the way.
    pub output: Vec<u8>,
    pub cpu: Duration,
    /// Virtual time.
    pub time: Time,
    /// Files that were read, or names of images.
    pub inputs: Vec<PathBuf>,
}

/// Failures with other seeds of the same scenario are told in one line each from this one on.
const IN_FULL: usize = 3;

/// Runs the command.
pub fn test(args: &TestArgs) -> Result<Code, Failure> {
    let jobs = chosen(args)?;
    let paths: Vec<_> = jobs.iter().map(|j| j.path.clone()).collect();
    let single = [("--pcap", args.debug.pcap.as_deref()), ("--record", args.record.as_deref())];
    let written = [&[("--junit", args.junit.as_deref())][..], &single].concat();
    outputs::check(&paths, &written)?;
    if let Some(dir) = &args.logs {
        let unwritable = |e| Failure::input(format!("cannot make {}: {e}", dir.display()));
        std::fs::create_dir_all(dir).map_err(unwritable)?;
    }
    let (send, _quit) = fleet_host::io::events();
    let io = Io::start(vec![], send)?; // from here on signals end the run in order
    let results = run_all(args, &jobs);
    drop(io);
    if args.common.stats {
        stats::write_compiled(&mut Stdout, &fleet::stats::counters())?;
    }
    let bad = results.iter().filter(|r| r.code != Code::Ok).count();
    let (all, good) = (results.len(), results.len() - bad);
    match &args.seeds {
        None => writeln!(Stdout, "{all} scenarios, {good} passed, {bad} failed")?,
        Some(seeds) => {
            let n = seeds.clone().count().max(1);
            writeln!(Stdout, "{} scenarios with {n} seeds: {good} of {all} runs passed", all / n)?;
        }
    }
    let stopped = args.fail_fast && bad > 0 && all < jobs.len();
    if stopped && signals::received().is_none() {
        writeln!(Stdout, "stopped at a failure: {} of {} runs were not begun", jobs.len() - all, jobs.len())?;
    }
    if let Some(signal) = signals::received() {
        let left = jobs.len() - all;
        writeln!(Stdout, "ended by {signal}: {left} of {} runs were not begun", jobs.len())?;
    }
    if let Some(path) = &args.junit {
        let read: Vec<_> = results.iter().flat_map(|r| r.inputs.iter().cloned()).collect();
        outputs::check(&read, &[("--junit", Some(path))])?;
        junit::write(path, &results)?;
    }
    let cut = signals::received().filter(|_| results.len() < jobs.len());
    Ok(cut.map_or_else(|| worst(&results), Code::from))
}

/// The runs that the command line asks for.
fn chosen(args: &TestArgs) -> Result<Vec<Job>, Failure> {
    let mut jobs = vec![];
    for path in files(&args.paths)? {
        match &args.seeds {
            None => jobs.push(Job { path, seed: args.common.seed }),
            Some(seeds) => jobs.extend(seeds.clone().map(|s| Job { path: path.clone(), seed: Some(s) })),
        }
    }
    let all_jobs = jobs.len();
    jobs.retain(|j| args.only.as_ref().is_none_or(|only| only.takes(&j.path.display().to_string())));
    if jobs.is_empty() && all_jobs > 0 {
        return Err(Failure::input("-k takes none of the scenarios"));
    }
    one_run_only(args, jobs.len())?;
    Ok(jobs)
}

/// Runs the jobs on as many threads as wanted, and tells of them in their order.
fn run_all(args: &TestArgs, jobs: &[Job]) -> Vec<Verdict> {
    let host = std::thread::available_parallelism().map_or(1, usize::from);
    let usual = if args.common.threads.is_some() { 1 } else { host };
    let threads = args.jobs.map_or(usual, usize::from).min(jobs.len()).max(1);
    let bar = bar(jobs.len());
    let mut told = Told { args, bar: &bar, in_full: 0, results: vec![] };
    if threads == 1 {
        for job in jobs {
            if signals::received().is_some() || args.fail_fast && told.failed() {
                break;
            }
            let executor = |nodes| hasty(args, executor(&args.common, nodes));
            told.tell(one(args, job, true, cpu_time, &executor));
        }
    } else {
        parallel(args, jobs, threads, &mut told);
    }
    bar.finish_and_clear();
    told.results
}

/// What there is one of needs one run.
fn one_run_only(args: &TestArgs, runs: usize) -> Result<(), Failure> {
    let single = [
        ("--gdb", args.debug.gdb.is_some()),
        ("--pcap", args.debug.pcap.is_some()),
        ("--record", args.record.is_some()),
    ];
    match single.iter().find(|(_, wanted)| *wanted) {
        Some((option, _)) if runs > 1 => Err(Failure::usage(format!(
            "{option} is for one run, and these are {runs}: choose one with -k and --seed, or use --logs DIR"
        ))),
        _ => Ok(()),
    }
}

fn parallel(args: &TestArgs, jobs: &[Job], threads: usize, told: &mut Told) {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (send, done) = sync_channel(threads);
        for _ in 0..threads {
            let (send, next, failed) = (send.clone(), &next, &failed);
            scope.spawn(move || work(args, jobs, (next, failed), &send));
        }
        drop(send);
        let mut waiting = BTreeMap::new();
        for (i, verdict) in done {
            waiting.insert(i, verdict);
            while let Some(verdict) = waiting.remove(&told.results.len()) {
                told.tell(verdict);
            }
        }
    });
}

fn work(
    args: &TestArgs,
    jobs: &[Job],
    (next, failed): (&AtomicUsize, &AtomicBool),
    done: &SyncSender<(usize, Verdict)>,
) {
    let serial = |_| hasty(args, Box::new(Pool::new(1)));
    while signals::received().is_none() && !(args.fail_fast && failed.load(Ordering::Relaxed)) {
        let i = next.fetch_add(1, Ordering::Relaxed);
        let Some(job) = jobs.get(i) else { return };
        let verdict = one(args, job, false, thread_cpu_time, &serial);
        failed.fetch_or(verdict.code != Code::Ok, Ordering::Relaxed);
        if done.send((i, verdict)).is_err() {
            return;
        }
    }
}

/// An executor that is interrupted by the first signal at once: no recording waits for the end of a step.
struct Hasty {
    executor: Box<dyn Executor>,
    /// When `--timeout` is over.
    end: Option<Instant>,
}

fn hasty(args: &TestArgs, executor: Box<dyn Executor>) -> Box<dyn Executor> {
    Box::new(Hasty { executor, end: deadline(args) })
}

#[allow(clippy::disallowed_methods)] // the limit is one of the host's time
fn deadline(args: &TestArgs) -> Option<Instant> {
    Instant::now().checked_add(Duration::from_secs(args.timeout?.into()))
}

#[allow(clippy::disallowed_methods)] // as above
fn is_over(end: Option<Instant>) -> bool {
    end.is_some_and(|end| Instant::now() >= end)
}

#[allow(clippy::vec_box)] // islands are large, and the executor's contract moves them as boxes
impl Executor for Hasty {
    fn run(&self, islands: Vec<Box<Island>>, until: Time) -> Vec<Box<Island>> {
        self.executor.run(islands, until)
    }
    fn interrupted(&self) -> bool {
        signals::received().is_some() || is_over(self.end)
    }
}

/// How far we are, for a person at a terminal.
fn bar(jobs: usize) -> ProgressBar {
    let target = if jobs > 1 { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(jobs as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} {msg}, {eta} left") {
        bar.set_style(style.progress_chars("##."));
    }
    bar.set_message("passed");
    bar
}

/// What failed with one more seed.
fn in_short(verdict: &Verdict) -> String {
    let mut lines = verdict.message.lines();
    let (first, why) = (lines.next().unwrap_or_default(), lines.next());
    let why = why.map(|w| w.strip_prefix(&verdict.name[..]).unwrap_or(w).trim_start_matches(':'));
    match (verdict.seed, why) {
        (Some(seed), Some(why)) => format!("FAIL  with seed {seed}, line {why}"),
        _ => first.to_string(),
    }
}

/// Tells of results in the order of the jobs.
struct Told<'a> {
    args: &'a TestArgs,
    bar: &'a ProgressBar,
    /// Failures of the present scenario that were told in full.
    in_full: usize,
    results: Vec<Verdict>,
}

impl Told<'_> {
    fn failed(&self) -> bool {
        self.results.iter().any(|r| r.code != Code::Ok)
    }

    fn tell(&mut self, verdict: Verdict) {
        if self.results.last().is_some_and(|r| r.name != verdict.name) {
            self.in_full = 0;
        }
        let (bad, seeds) = (verdict.code != Code::Ok, self.args.seeds.is_some());
        let show = bad || !seeds || self.args.verbose;
        let full = !seeds || self.in_full < IN_FULL || self.args.verbose;
        self.in_full += usize::from(bad);
        let text = if full { verdict.message.clone() } else { in_short(&verdict) };
        self.bar.suspend(|| {
            print(&verdict.output);
            if show {
                print(format!("{text}\n").as_bytes());
            }
        });
        self.results.push(verdict);
        let bad = self.results.iter().filter(|r| r.code != Code::Ok).count();
        self.bar.inc(1);
        self.bar.set_message(if bad == 0 { "passed".into() } else { format!("done, {bad} failed") });
        let last = self.args.seeds.as_ref().and_then(|s| s.clone().next_back());
        if seeds && self.results.last().is_some_and(|v| v.seed == last) {
            self.scenario_done();
        }
    }

    /// What came of all seeds of the scenario that is done.
    fn scenario_done(&self) {
        let Some(name) = self.results.last().map(|r| &r.name) else { return };
        let all: Vec<_> = self.results.iter().rev().take_while(|r| r.name == *name).collect();
        let failed: Vec<_> = all.iter().rev().filter(|r| r.code != Code::Ok).filter_map(|r| r.seed).collect();
        let times = || all.iter().map(|r| r.time);
        let (least, most) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
        let (n, passed) = (all.len(), all.len() - failed.len());
        let mut text = format!("{name}: {passed} of {n} seeds passed, virtual time {least} to {most} s");
        if let Some(first) = failed.first() {
            let list: Vec<_> = failed.iter().take(20).map(u64::to_string).collect();
            let more = if failed.len() > 20 { ", ..." } else { "" };
            text = format!("FAIL  {text}\n  failed with seeds {}{more}", list.join(", "));
            text += &format!("\n  again: flotilla test {name} --seed {first}");
        } else {
            text = format!("ok    {text}");
        }
        self.bar.suspend(|| print(format!("{text}\n").as_bytes()));
    }
}

/// The verdict does not depend on whether somebody reads this.
fn print(text: &[u8]) {
    let _ = Stdout.write_all(text); // never fails
}

/// One code for all: what could not be run at all weighs most, then what happened in a guest, time last.
fn worst(results: &[Verdict]) -> Code {
    let order =
        [Code::Interrupted, Code::Terminated, Code::BadInput, Code::Lockup, Code::Failed, Code::TimeOut];
    let has = |code: &Code| results.iter().any(|r| r.code == *code);
    order.into_iter().find(has).unwrap_or(Code::Ok)
}

/// The scenario files that the paths name, folders in order of name.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = vec![];
    for path in paths {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let unreadable = |e: io::Error| Failure::input(format!("cannot read {}: {e}", path.display()));
        let entries = std::fs::read_dir(path).map_err(unreadable)?;
        let mut here = vec![];
        for entry in entries {
            here.push(entry.map_err(unreadable)?.path());
        }
        let name = |p: &Path| p.file_name().unwrap_or_default().to_string_lossy().into_owned();
        here.retain(|p| name(p).ends_with(".toml") && !name(p).ends_with(".fleet.toml"));
        if here.is_empty() {
            return Err(Failure::input(format!("{} holds no scenario", path.display())));
        }
        here.sort();
        all.append(&mut here);
    }
    Ok(all)
}

fn one(
    args: &TestArgs,
    job: &Job,
    live: bool,
    clock: fn() -> Duration,
    executor: &dyn Fn(usize) -> Box<dyn Executor>,
) -> Verdict {
    let started = clock();
    let name = job.path.display().to_string();
    let (mut output, mut log, mut time) = (vec![], vec![], Time::ZERO);
    let folder = Folder::of(&job.path);
    let (code, message) = match load(args, job, &name, &folder) {
        Err(message) => (Code::BadInput, format!("error in {name}\n{message}")),
        Ok(Loaded { scenario: mut s, outlet, debug, recording }) => {
            let names: Vec<_> = s.fleet.nodes().map(|n| n.name.clone()).collect();
            let executor = executor(names.len());
            let wanted = args.verbose || args.logs.is_some();
            let lines = wanted.then(|| Lines::new(vec![], names, None));
            let every = args.common.digest_every;
            let next = every.map_or(Time::MAX, Time);
            let mut watch = Watch {
                lines,
                every,
                next,
                live,
                outlet,
                debug,
                recording,
                args,
                log: vec![],
                output: vec![],
            };
            let built = clock();
            let report = s.run(&*executor, &mut watch);
            let verdict = judge(&name, job.seed.filter(|_| args.seeds.is_some()), &report, args.timeout);
            let (printed, logged, failure) = watch.finish(&mut s.fleet, verdict.0);
            (output, log) = (printed, logged);
            if args.common.stats {
                let parts = [("build", built - started), ("run", clock().saturating_sub(built))];
                let _ = stats::write(&mut output, &s.fleet.stats(), &parts); // into memory
            }
            time = report.time;
            match failure {
                Some(why) => unwritten(&name, &why, &verdict.1),
                None => verdict,
            }
        }
    };
    let (code, message) = match write_log(args, job, log, &message) {
        Ok(()) => (code, message),
        Err(why) => unwritten(&name, &why, &message),
    };
    let inputs = folder.named();
    let cpu = clock().saturating_sub(started);
    Verdict { name, seed: job.seed, code, message, output, cpu, time, inputs }
}

/// How a run went of which something could not be written.
fn unwritten(name: &str, why: &str, message: &str) -> (Code, String) {
    (Code::BadInput, format!("error in {name}\n{why}\n{message}"))
}

/// A run that is about to begin.
struct Loaded {
    scenario: Scenario,
    outlet: Option<Outlet>,
    debug: Debug,
    recording: Option<Recording>,
}

fn load(args: &TestArgs, job: &Job, name: &str, folder: &Folder) -> Result<Loaded, String> {
    let text = load::text(&job.path).map_err(|e| e.to_string())?;
    let instead = Instead::new(folder, &args.image);
    let noted = Noted::new(&instead);
    let files: &dyn Files = if args.record.is_some() { &noted } else { &instead };
    let mut scenario = scenario::load(name, &text, job.seed, files).map_err(|e| e.to_string())?;
    instead.check(&scenario.plan)?;
    if scenario.steps.is_empty() {
        return Err(format!("{name}: nothing is expected: it has no [[step]] (`flotilla run` runs a fleet)"));
    }
    scenario.fleet.slice = args.common.slice.unwrap_or(u64::MAX);
    note(prepare(&args.common, &mut scenario.fleet).map_err(|e| e.message)?);
    let outlet = Outlet::open(&scenario.fleet).map_err(|e| e.to_string())?;
    let debug = Debug::open(&args.debug, &mut scenario.fleet).map_err(|e| e.message)?;
    let subject = record::Subject::Scenario { file: name.into(), text };
    let header = noted.header(subject, scenario.fleet.seed());
    let recording = args.record.as_ref().map(|path| -> Result<_, String> {
        let unwritable = |e| format!("cannot write {}: {e}", path.display());
        let file = std::fs::File::create(path).map_err(unwritable)?;
        Recording::start(Box::new(file), header, &scenario.fleet).map_err(|e| not_recorded(&e))
    });
    let recording = recording.transpose()?;
    Ok(Loaded { scenario, outlet, debug, recording })
}

/// Writes what a run printed and how it ended into a file of its own.
fn write_log(args: &TestArgs, job: &Job, mut log: Vec<u8>, verdict: &str) -> Result<(), String> {
    let Some(dir) = &args.logs else { return Ok(()) };
    let path = job.path.with_extension("");
    let parts: Vec<_> =
        path.iter().map(|p| p.to_string_lossy()).filter(|p| !matches!(&**p, "/" | "." | "..")).collect();
    let seed = job.seed.map(|s| format!("-seed{s}")).unwrap_or_default();
    let path = dir.join(format!("{}{seed}.log", parts.join("-")));
    log.extend(format!("{verdict}\n").bytes());
    std::fs::write(&path, log).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

fn judge(name: &str, seed: Option<u64>, report: &Report, timeout: Option<u32>) -> (Code, String) {
    let seed = seed.map(|s| format!(", seed {s}")).unwrap_or_default();
    let text = format!("{name}{seed}, virtual time {} s, digest: {:032x}", report.time, report.digest);
    let Some(failure) = &report.failure else { return (Code::Ok, format!("ok    {text}")) };
    let code = match report {
        r if r.interrupted => {
            let over = if timeout.is_some() { Code::TimeOut } else { Code::Failed };
            signals::received().map_or(over, Code::from)
        }
        r if r.lockup => Code::Lockup,
        r if r.overran => Code::TimeOut,
        _ => Code::Failed,
    };
    let why = match timeout {
        Some(limit) if report.interrupted && signals::received().is_none() => {
            format!("\n  --timeout: it took more than {limit} s of the host's time")
        }
        _ => String::new(),
    };
    (code, format!("FAIL  {text}\n{failure}{why}"))
}

/// Keeps what consoles print and digests as the scenario runs, or shows it at once.
struct Watch<'a> {
    args: &'a TestArgs,
    lines: Option<Lines<Vec<u8>>>,
    every: Option<u64>,
    next: Time,
    live: bool,
    /// The way of its gateways to the host's network.
    outlet: Option<Outlet>,
    debug: Debug,
    recording: Option<Recording>,
    /// What goes to `--logs`.
    log: Vec<u8>,
    output: Vec<u8>,
}

impl Watch<'_> {
    fn take(&mut self) {
        if let Some(lines) = &mut self.lines {
            let mut printed = std::mem::take(lines.out());
            if self.args.logs.is_some() {
                self.log.extend_from_slice(&printed);
            }
            if self.args.verbose {
                self.output.append(&mut printed);
            }
        }
        if self.live {
            print(&self.output);
            self.output.clear();
        }
    }

    /// What is to be shown, what is to be logged, and why something could not be written.
    fn finish(mut self, fleet: &mut Fleet, code: Code) -> (Vec<u8>, Vec<u8>, Option<String>) {
        if let Some(lines) = &mut self.lines {
            let _ = lines.finish(); // into memory
        }
        self.take();
        self.debug.close(fleet, code as u8);
        let unwritten = self.recording.and_then(|r| r.finish(fleet).err()).map(|e| not_recorded(&e));
        (self.output, self.log, self.debug.failure.or(unwritten))
    }
}

impl Observer for Watch<'_> {
    fn run(&mut self, scenario: &mut Scenario, to: Time, executor: &dyn Executor) -> FleetExit {
        let fleet = &mut scenario.fleet;
        let exit = self.debug.run(fleet, to, executor, |fleet| fleet.run_until(to, executor));
        if let Some(recording) = &mut self.recording
            && let Err(e) = recording.take(fleet, exit == FleetExit::Reached)
        {
            self.recording = None;
            self.debug.failure = Some(not_recorded(&e));
        }
        exit
    }
    fn console(&mut self, _: &Scenario, bytes: &[ConsoleByte]) {
        if let Some(lines) = &mut self.lines {
            let _ = lines.show(bytes); // into memory
            self.take();
        }
    }
    fn host(&mut self, requests: Vec<(u32, HostRequest)>) -> Vec<(u32, HostEvent)> {
        self.outlet.as_mut().map(|o| o.exchange(requests)).unwrap_or_default()
    }
    fn tick(&mut self, scenario: &mut Scenario) {
        let now = scenario.fleet.now();
        if now >= self.next {
            let digest = scenario.fleet.digest();
            let _ = writeln!(self.output, "digest at {now}: {digest:032x}"); // into memory
            self.next = now + self.every.unwrap_or(u64::MAX);
            self.take();
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn results(codes: &[Code]) -> Vec<Verdict> {
        let one = |code: &Code| Verdict {
            name: "a.toml".into(),
            seed: Some(7),
            code: *code,
            output: vec![],
            time: Time::ZERO,
            inputs: vec![],
            message: "FAIL  <a>\nwhy".into(),
            cpu: Duration::from_millis(1500),
        };
        codes.iter().map(one).collect()
    }

    #[test]
    fn one_code_for_all() {
        assert_eq!(worst(&results(&[Code::Ok, Code::Ok])), Code::Ok);
        assert_eq!(worst(&results(&[Code::TimeOut, Code::Ok, Code::Failed])), Code::Failed);
        assert_eq!(worst(&results(&[Code::Failed, Code::Lockup])), Code::Lockup);
        assert_eq!(worst(&results(&[Code::Lockup, Code::BadInput])), Code::BadInput);
    }
}
