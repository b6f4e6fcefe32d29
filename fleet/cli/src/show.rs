//! What a run shows while it runs, and at its end.

use crate::{
    args::{Common, Outcome},
    console::{Lines, Moved, Raw},
    exit::{Code, Failure},
    monitor::Monitor,
    out::{self, Stderr, say},
    stats,
    subject::View,
    summary,
    terminal::{self, Guests},
};
use crossterm::tty::IsTty;
use emu_core::{Time, cpu::Engine};
use fleet::{ConsoleByte, Fleet, FleetView, NodeState};
use fleet_host::{
    Capture, End, Hand, InputError, Note, Pool, Runner, Watcher, patient, signals, taps::Taps,
    usage::cpu_time,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::Path,
    sync::{Arc, Once},
    time::{Duration, Instant},
};

/// Consoles, in one way or the other.
pub enum Consoles {
    /// Byte by byte.
    Raw(Raw),
    /// Line by line.
    Lines(Lines<Box<dyn Write>>),
}

/// Shows consoles, and digests on `notes`.
pub struct Show {
    /// The consoles.
    pub consoles: Consoles,
    /// Those that go elsewhere.
    pub taps: Option<Taps>,
    /// For what is not the guests'.
    pub notes: Box<dyn Write>,
    /// Why the run cannot go on.
    pub failure: Option<String>,
    /// It ends when nobody reads standard output any more: nothing else comes of it.
    pub for_readers: bool,
    /// Tells a person now and then that the text has not been printed.
    pub patience: Option<Patience>,
    /// Which ones they take away.
    pub moved: Moved,
    /// For a person at the terminal.
    pub monitor: Option<Monitor>,
    /// Follows all consoles while some are shown byte by byte that a person may exchange.
    pub behind: Option<Lines<Box<dyn Write>>>,
}

/// Says on a terminal how far a run is that waits for a text.
pub struct Patience {
    text: String,
    next: Instant,
}

/// Host time from one word to the next.
const WORD: Duration = Duration::from_secs(10);

impl Patience {
    /// Waits for `text`; nobody is told if standard error is no terminal.
    pub fn new(text: Option<&str>) -> Option<Patience> {
        let text = text.filter(|_| io::stderr().is_tty())?.to_string();
        Some(Patience { text, next: now() + WORD })
    }

    fn step(&mut self, at: Time) {
        if now() >= self.next {
            self.next = now() + WORD;
            say!("virtual time {at} s: {:?} has not been printed", self.text);
        }
    }
}

#[allow(clippy::disallowed_methods)] // the host's time, for a person
fn now() -> Instant {
    Instant::now()
}

impl Show {
    /// Shows these consoles, for whoever reads them, and notes on standard error.
    pub fn of(consoles: Consoles) -> Show {
        Show {
            consoles,
            notes: Box::new(Stderr),
            failure: None,
            for_readers: true,
            patience: None,
            taps: None,
            moved: Moved::new(),
            monitor: None,
            behind: None,
        }
    }

    /// Shows other consoles from now on, as a person at the terminal wants it.
    fn turn(&mut self, view: &View, keyboard: bool, fleet: &Fleet) {
        let none = Consoles::Raw(Raw::new(Box::new(io::sink()), 0, vec![], None));
        let (mut old, all) = (std::mem::replace(&mut self.consoles, none), self.behind.take());
        let until = match &mut old {
            Consoles::Raw(raw) => raw.search(),
            Consoles::Lines(lines) => lines.search(),
        };
        let all = match old {
            Consoles::Lines(lines) => lines,
            Consoles::Raw(_) => all.unwrap_or_else(|| all_lines(fleet, self.moved.clone())),
        };
        match view {
            View::Lines => {
                terminal::turn(keyboard, &[]);
                self.consoles = Consoles::Lines(all.searching(until));
            }
            View::Raw { node, shown, typed } => {
                let begun = typed.or(shown.first().copied()).map_or(&[][..], |c| all.begun(*node, c));
                terminal::turn(keyboard, begun);
                let raw = Raw::new(Box::new(Guests::default()), *node, shown.clone(), None).after(begun);
                self.consoles = Consoles::Raw(raw.searching(until).without(self.moved.clone()));
                self.behind = Some(all);
            }
        }
    }

    /// The text that was waited for was printed.
    pub fn found(&self) -> bool {
        match &self.consoles {
            Consoles::Raw(raw) => raw.found,
            Consoles::Lines(lines) => lines.found,
        }
    }
}

impl Watcher for Show {
    fn console(&mut self, bytes: &[ConsoleByte]) -> ControlFlow<()> {
        if let Some(all) = &mut self.behind {
            all.follow(bytes);
        }
        let shown = match &mut self.consoles {
            Consoles::Raw(raw) => raw.show(bytes),
            Consoles::Lines(lines) => match lines.show(bytes) {
                Ok(()) if !lines.found => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            },
        };
        if let Some(Err(e)) = self.taps.as_mut().map(|taps| taps.put(bytes)) {
            self.failure.get_or_insert(e.to_string());
            return ControlFlow::Break(());
        }
        if self.for_readers && out::is_gone() { ControlFlow::Break(()) } else { shown }
    }
    fn line(&mut self, mut hand: Hand, line: &str) {
        let Some(monitor) = &self.monitor else { return };
        let answer = monitor.answer(&mut hand, line);
        if let Some(view) = &answer.view {
            self.turn(view, hand.typed_to.is_some(), hand.fleet);
        }
        terminal::answer(&answer.text);
    }
    fn step(&mut self, now: Time) {
        if let Some(patience) = &mut self.patience {
            patience.step(now);
        }
    }
    fn note(&mut self, fleet: &Fleet, note: Note) {
        let several = fleet.nodes().len() > 1;
        let name = |node: u32| fleet.nodes().nth(node as usize).map_or("?", |n| &n.name);
        // Nobody may read any more; the console notices that too.
        let _ = match note {
            Note::Digest(at, digest) => writeln!(self.notes, "digest at {at}: {digest:032x}"),
            Note::CaptureFailed(why) => {
                self.failure = Some(format!("cannot write what is on the air: {why}"));
                Ok(())
            }
            Note::RecordingFailed(why) => {
                self.failure = Some(not_recorded(&why));
                Ok(())
            }
            Note::Debugger(what) => writeln!(self.notes, "gdb: {what}"),
            Note::Paused(true) => {
                writeln!(
                    self.notes,
                    "virtual time stands still at {} s; Ctrl-A p Enter lets it go on",
                    fleet.now()
                )
            }
            Note::Paused(false) => writeln!(self.notes, "virtual time goes on"),
            Note::Exited { at, node, code } if several => {
                writeln!(self.notes, "{} ended itself with {code} at {at}", name(node))
            }
            Note::LockedUp { at, node, .. } if several => {
                writeln!(self.notes, "{} locked up at {at}", name(node))
            }
            Note::Exited { .. } | Note::LockedUp { .. } => Ok(()),
        };
    }
}

/// All consoles line by line, but for those that go elsewhere.
pub fn all_lines(fleet: &Fleet, moved: Moved) -> Lines<Box<dyn Write>> {
    let names = fleet.nodes().map(|n| n.name.clone()).collect();
    Lines::new(Box::new(Guests::default()) as Box<dyn Write>, names, None).without(moved)
}

/// The session cannot be written any more.
pub fn not_recorded(why: &dyn std::fmt::Display) -> String {
    format!("cannot write the recorded session: {why}")
}

/// How many nodes are built fast enough that nobody asks.
const SOON: usize = 2000;

/// One node of so many is enough to tell how long the others take.
const TELLING: usize = 20;

/// Shows on a terminal how a large fleet is built.
pub fn building() -> impl Fn(usize, usize) + 'static {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    fn show(bar: &ProgressBar, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("##."));
        }
    }
    show(&bar, "building {bar:30} {pos} of {len} nodes");
    move |nodes, of| {
        if of > SOON {
            bar.set_length(of as u64);
            bar.set_position(nodes as u64);
            // The first node takes as long as many others: its firmware is read.
            if nodes == of / TELLING {
                bar.reset_eta();
                show(&bar, "building {bar:30} {pos} of {len} nodes, {eta} left");
            }
            if nodes + 1 == of {
                bar.finish_and_clear();
            }
        }
    }
}

/// The executor that the command line asks for; `useful` threads at most help.
pub fn executor(common: &Common, useful: usize) -> Box<dyn fleet::Executor> {
    pool(common.threads, useful)
}

/// So many threads, or as many as help.
pub fn pool(threads: Option<u16>, useful: usize) -> Box<dyn fleet::Executor> {
    let host = std::thread::available_parallelism().map_or(1, usize::from);
    Box::new(Pool::new(threads.map_or(host.min(useful), usize::from)))
}

/// Has `fleet` executed as the command line wishes. Where nothing can be compiled, the answer is what to say of that.
pub fn engine(wanted: impl Into<Engine>, fleet: &mut Fleet) -> Result<Option<String>, Failure> {
    let wanted = wanted.into();
    let note = match (wanted, fleet.compiles()) {
        (Engine::Jit, Err(why)) => return Err(Failure::input(format!("no --engine jit here: {why}"))),
        (Engine::Auto, Err(why)) => Some(format!("the interpreter runs: {why}")),
        _ => None,
    };
    fleet.set_engine(wanted);
    Ok(note)
}

/// Prepares `fleet` as the command line wishes. The answer is a [`note`] for people.
pub fn prepare(common: &Common, fleet: &mut Fleet) -> Result<Option<String>, Failure> {
    if common.stats {
        fleet.count();
    }
    engine(common.engine, fleet)
}

/// Says something once for all fleets.
pub fn note(text: Option<String>) {
    static SAID: Once = Once::new();
    if let Some(text) = text {
        SAID.call_once(|| say!("{text}"));
    }
}

/// The host's CPU time at the joints of a run.
pub struct Spent {
    started: Duration,
    built: Duration,
}

impl Spent {
    /// It begins.
    pub fn start() -> Spent {
        let now = cpu_time();
        Spent { started: now, built: now }
    }
    /// The fleet stands, and will run.
    pub fn built(&mut self) {
        self.built = cpu_time();
    }
}

/// Begins the capture that the command line asks for. A named pipe waits for its reader: before the terminal and signals are
/// ours, so that Ctrl-C ends that, too.
pub fn capture(path: Option<&Path>, fleet: &mut Fleet) -> Result<Option<Capture>, Failure> {
    let Some(path) = path else { return Ok(None) };
    if patient::is_pipe(path) {
        say!("waiting for a reader of {}", path.display());
    }
    let failed = |e: InputError| Failure { code: cut(Code::BadInput), ..e.into() };
    Capture::create(path, fleet).map(Some).map_err(failed)
}

/// Ends the capture and prints the summary; the code says whether the digest is the expected one.
pub fn finish(
    runner: &mut Runner,
    outcome: &Outcome,
    stats: bool,
    spent: Spent,
    out: &mut dyn Write,
) -> Result<(Arc<FleetView>, Code), Failure> {
    let ran = cpu_time();
    if let Some(capture) = runner.capture.take() {
        capture.finish(runner.fleet())?;
    }
    if let Some(recording) = runner.recording.take()
        && let Err(e) = recording.finish(runner.fleet())
    {
        return Err(Failure::input(not_recorded(&e)));
    }
    let view = runner.fleet().view();
    // In the middle of an epoch the fleet has no digest that another run could have.
    let digest = runner.fleet().between_epochs().then(|| runner.fleet().digest());
    for line in summary::ends(&view) {
        writeln!(out, "{line}")?;
    }
    if stats {
        let (build, run) = (spent.built.saturating_sub(spent.started), ran.saturating_sub(spent.built));
        let parts = [("build", build), ("run", run), ("digest", cpu_time().saturating_sub(ran))];
        stats::write(out, &runner.fleet().stats(), &parts)?;
        stats::write_compiled(out, &fleet::stats::counters())?;
    }
    summary::write(out, &view, ran.saturating_sub(spent.started), digest)?;
    let code = match outcome.expect_digest {
        Some(wanted) if Some(wanted) != digest => {
            writeln!(out, "error: the digest is not {wanted:032x}")?;
            Code::Digest
        }
        _ => Code::Ok,
    };
    Ok((view, code))
}

/// How a run went that came not to its end: a signal is told, a person who quits knows.
pub fn cut(digest: Code) -> Code {
    signals::received().map_or(digest, Code::from)
}

/// How the run went, unless it went well.
pub fn code(view: &FleetView, end: End, found: bool, searched: bool) -> Option<Code> {
    let any = |bad: fn(&NodeState) -> bool| view.nodes.iter().any(|n| bad(&n.state));
    if found {
        return None;
    }
    if any(|s| matches!(s, NodeState::LockedUp { .. })) {
        return Some(Code::Lockup);
    }
    if any(|s| matches!(s, NodeState::Exited { code } if *code != 0)) {
        return Some(Code::Failed);
    }
    if searched {
        let why = match end {
            End::TimeUp => "time is up",
            End::Stopped => "the guest has ended itself",
            End::Asleep => "the guest sleeps for ever",
            End::Quit | End::Seen => "the run was ended",
        };
        say!("error: --until's text was not printed: {why}");
        return Some(Code::TimeOut);
    }
    None
}
