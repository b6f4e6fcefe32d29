//! Runs a fleet for a person or a program, in steps of virtual time between which the outside is listened to.
//!
//! Where a run ends does not depend on the host: at the plan's own time, or at the next multiple of [`GRID`] after what
//! ends it was printed or the last guest stopped, whatever the slice and the number of threads. Only a person who types
//! makes a run unrepeatable, and what they typed is in the journal.

use crate::{
    capture::Capture,
    gdb::{Debuggers, Place},
    hand::Hand,
    io::HostEvent,
    outlet::{self, Outlet},
    pace::Pacer,
    record::Recording,
};
use crossbeam::channel::{Receiver, RecvTimeoutError};
use emu_core::{Time, machine::Exit};
use emu_debug::StopReason;
use fleet::{Act, Command, ConsoleByte, Executor, Fleet, FleetExit, GRID, Node, NodeState, grid_after};
use std::{ops::ControlFlow, time::Duration};

/// A fleet of at least so many nodes takes longer steps while it is quiet: its nodes take turns in the host's cache, and
/// each visit should be worth it.
const LARGE: usize = 200;
/// The longest step is this many grids, as a power of two.
const MOST_GRIDS: u32 = 6;
/// More bytes than this in one step make the next one half as long; fewer than a quarter of it twice as long.
const MUCH: usize = 1 << 20;
/// The shortest step is this small a part of the grid, as a power of two; large fleets, of which nobody knows yet what they
/// print, begin at half of that.
const FINEST: u32 = 10;
/// A wait for the host is cut into pieces of this length.
const NAP: Duration = Duration::from_millis(20);
/// A busy guest that is held back runs at least this many nanoseconds at a time.
const LEAST: u64 = 1_000_000;

/// What is wanted of a run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// When it ends.
    pub end: Option<Time>,
    /// Take a digest every so many nanoseconds.
    pub digest_every: Option<u64>,
    /// Node and console that take what is typed.
    pub typed_to: Option<(u32, u16)>,
    /// A person is there: a run in which nothing happens any more goes on.
    pub live: bool,
    /// The watcher waits for something to be printed, which ends the run: no step is longer than [`GRID`].
    pub watched: bool,
    /// Wait for a debugger before the first instruction.
    pub wait_for_debugger: bool,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The planned time is over.
    TimeUp,
    /// The watcher has seen what it wanted.
    Seen,
    /// No node runs any more: each has ended itself or locked up.
    Stopped,
    /// All nodes sleep and nothing will ever wake them.
    Asleep,
    /// Somebody wanted it.
    Quit,
}

/// Something that a watcher may want to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A digest that was asked for.
    Digest(Time, u128),
    /// The capture of the media could not be written: the run ends.
    CaptureFailed(String),
    /// Virtual time stands still now, or goes on.
    Paused(bool),
    /// A debugger waits, and why.
    Debugger(String),
    /// The session could not be written any more: the run ends.
    RecordingFailed(String),
    /// A guest ended itself.
    Exited {
        /// When.
        at: Time,
        /// Which node.
        node: u32,
        /// Its exit code.
        code: u32,
    },
    /// A guest's CPU locked up.
    LockedUp {
        /// When.
        at: Time,
        /// Which node.
        node: u32,
        /// Where.
        pc: u64,
    },
}

/// Sees a run as it happens.
pub trait Watcher {
    /// Bytes that consoles printed, in order of time and node. `Break` ends the run soon: at the grid's next instant.
    fn console(&mut self, bytes: &[ConsoleByte]) -> ControlFlow<()>;
    /// Something else happened.
    fn note(&mut self, fleet: &Fleet, note: Note);
    /// A step is done.
    fn step(&mut self, _now: Time) {}
    /// Somebody gave a line that says what is to be done, or shown.
    fn line(&mut self, _hand: Hand, _line: &str) {}
}

/// The first instant of the grid that is not before `t`.
fn grid_from(t: Time) -> Time {
    Time(t.0.div_ceil(GRID).saturating_mul(GRID))
}

/// Why the fleet is where it is.
const HOME: &str = "the fleet is lent to a debugger only during a call";

/// A fleet with everything that a run needs of the host.
pub struct Runner {
    fleet: Place,
    executor: Box<dyn Executor>,
    events: Receiver<HostEvent>,
    pacer: Option<Pacer>,
    debuggers: Debuggers,
    plan: Plan,
    next_digest: Time,
    quit: bool,
    /// Where a run was to end that a debugger's stop cut: some nodes may have run ahead to there.
    begun: Option<Time>,
    /// Somebody stopped virtual time.
    paused: bool,
    /// Steps in a row in which nothing was due.
    still: u32,
    /// Steps in a row in which nothing was printed.
    quiet: u32,
    /// Bytes printed since the last step was over.
    printed: usize,
    /// Steps are shorter than the grid by this power of two: what all nodes print in one is kept until its end.
    fine: u32,
    /// The watcher has seen what it wanted: when the run ends.
    seen: Option<Time>,
    /// When the last guest ended itself or locked up.
    last_stop: Time,
    /// What is on the air is written there.
    pub capture: Option<Capture>,
    /// The way of its gateways to the host's network.
    pub outlet: Option<Outlet>,
    /// The session is written there.
    pub recording: Option<Recording>,
}

impl Runner {
    /// A run of `fleet` from its present time.
    pub fn new(
        fleet: Fleet,
        executor: Box<dyn Executor>,
        events: Receiver<HostEvent>,
        pacer: Option<Pacer>,
        plan: Plan,
    ) -> Runner {
        let next_digest = plan.digest_every.map_or(Time::MAX, |every| fleet.now() + every);
        let debuggers = Debuggers::default();
        let fine = if fleet.nodes().len() >= LARGE { FINEST / 2 } else { 0 };
        let fleet = Some(Box::new(fleet));
        Runner {
            fleet,
            executor,
            events,
            pacer,
            debuggers,
            plan,
            next_digest,
            quit: false,
            begun: None,
            paused: false,
            still: 0,
            quiet: 0,
            printed: 0,
            fine,
            seen: None,
            last_stop: Time::ZERO,
            capture: None,
            outlet: None,
            recording: None,
        }
    }

    /// The fleet.
    pub fn fleet(&mut self) -> &mut Fleet {
        self.fleet.as_mut().expect(HOME)
    }

    /// Runs until something ends it. Debuggers still connected are told.
    pub fn run(&mut self, watcher: &mut dyn Watcher) -> End {
        let end = self.run_to_end(watcher);
        self.settle(watcher);
        let states: Vec<_> = self.fleet().nodes().map(|n| n.state).collect();
        for (node, state) in (0..).zip(states) {
            let code = match state {
                NodeState::Exited { code } => code as u8,
                NodeState::LockedUp { .. } => 255,
                NodeState::Running | NodeState::Off => 0,
            };
            self.debuggers.stopped(&mut self.fleet, node, StopReason::Exited(code));
        }
        end
    }

    /// What was typed just before the end happens at the end: what counts is in the journal. In the middle of an epoch,
    /// where nothing can happen to the fleet, it does not count, and no digest is taken.
    fn settle(&mut self, watcher: &mut dyn Watcher) {
        let fleet = self.fleet.as_mut().expect(HOME);
        if fleet.between_epochs() && fleet.has_pending() {
            let _ = fleet.run_until(fleet.now(), &*self.executor);
            let _ = watcher.console(&fleet.take_console());
        }
    }

    fn run_to_end(&mut self, watcher: &mut dyn Watcher) -> End {
        while self.plan.wait_for_debugger && !self.debuggers.any() && !self.quit {
            self.wait(None, watcher);
        }
        loop {
            while let Ok(event) = self.events.try_recv() {
                self.event(event, watcher);
            }
            if self.quit || self.debuggers.killed {
                return End::Quit;
            }
            if let Some(what) = self.debuggers.said.take() {
                watcher.note(self.fleet(), Note::Debugger(what));
            }
            if self.debuggers.holds() {
                self.wait(None, watcher);
                continue;
            }
            if self.paused {
                self.pause(watcher);
                continue;
            }
            let (now, ending) = (self.fleet().now(), self.ending());
            let planned = self.plan.end.is_some_and(|end| end <= now);
            match ending {
                Some((at, end)) if at <= now || planned => return end,
                None if planned => return End::TimeUp,
                _ => {}
            }
            let Some(target) = self.target(now, watcher) else { continue };
            if let Some(end) = self.step(target, watcher) {
                return end;
            }
        }
    }

    /// Virtual time stands still until somebody wants it to go on.
    fn pause(&mut self, watcher: &mut dyn Watcher) {
        watcher.note(self.fleet(), Note::Paused(true));
        while self.paused && !self.quit && !self.debuggers.killed {
            self.wait(None, watcher);
        }
        let now = self.fleet().now();
        if let Some(pacer) = &mut self.pacer {
            pacer.rebase(now);
        }
        watcher.note(self.fleet(), Note::Paused(false));
    }

    /// Waits for an event, at most `time`.
    fn wait(&mut self, time: Option<Duration>, watcher: &mut dyn Watcher) {
        let event = match time {
            Some(time) => self.events.recv_timeout(time),
            None => self.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(event) => self.event(event, watcher),
            Err(RecvTimeoutError::Timeout) => {}
            // Nobody is left who could type, connect or interrupt.
            Err(RecvTimeoutError::Disconnected) => match time {
                #[allow(clippy::disallowed_methods)] // the edge waits for the host
                Some(time) => std::thread::sleep(time),
                None => self.quit = true,
            },
        }
    }

    fn event(&mut self, event: HostEvent, watcher: &mut dyn Watcher) {
        self.still = 0;
        match event {
            HostEvent::Typed(bytes) => {
                let Some((node, console)) = self.plan.typed_to else { return };
                self.typed(node, console, bytes);
            }
            HostEvent::TypedAt { node, console, bytes } => self.typed(node, console, bytes),
            HostEvent::Line(line) => self.line(&line, watcher),
            HostEvent::Quit => self.quit = true,
            HostEvent::Pause => self.paused = !self.paused,
            other => self.debuggers.event(&mut self.fleet, other),
        }
    }

    fn typed(&mut self, node: u32, console: u16, bytes: Vec<u8>) {
        let fleet = self.fleet();
        let command = Command::new(fleet.now(), node, Act::Text { console, bytes });
        fleet.apply(command);
    }

    /// Has the watcher do what a person wants.
    fn line(&mut self, line: &str, watcher: &mut dyn Watcher) {
        let hand = Hand {
            fleet: self.fleet.as_mut().expect(HOME),
            typed_to: &mut self.plan.typed_to,
            paused: &mut self.paused,
            quit: &mut self.quit,
            pacer: &mut self.pacer,
        };
        watcher.line(hand, line);
        if self.paused {
            self.settle(watcher); // what was done can be seen, though time stands still
        }
    }

    /// The distance between steps. It depends on nothing but the fleet: twice the last one while nobody prints.
    fn grid(&self) -> u64 {
        let large = self.fleet.as_ref().expect(HOME).nodes().len() >= LARGE;
        match self.fine {
            0 if large && !self.plan.watched => GRID << self.quiet.min(MOST_GRIDS),
            fine => GRID >> fine,
        }
    }

    /// How far to run now; `None` after a wait for the host.
    fn target(&mut self, now: Time, watcher: &mut dyn Watcher) -> Option<Time> {
        if let Some(begun) = self.begun {
            // Whatever the pace: nobody can go back, but where nobody runs any more nobody has gone on.
            return Some(self.ending().map_or(begun, |(at, _)| at.min(begun)));
        }
        let alone = !self.plan.live && !self.debuggers.any() && self.outlet.is_none();
        let ending = self.ending().map_or(Time::MAX, |(at, _)| at);
        let last = self.plan.end.unwrap_or(Time::MAX).min(self.next_digest).min(ending);
        if self.still > 1 && alone && last < Time::MAX {
            return Some(last); // nothing will happen before then
        }
        let step =
            if self.outlet.as_ref().is_some_and(Outlet::busy) { outlet::EXCHANGE } else { self.grid() };
        let want = last.min(Time((now.0 / step + 1) * step));
        let Some(pacer) = &mut self.pacer else {
            if self.still > 0 && !alone {
                self.wait(Some(NAP), watcher);
            }
            return Some(want);
        };
        let fleet = self.fleet.as_ref().expect(HOME);
        let running = || fleet.nodes().filter(|n| n.state == NodeState::Running);
        let busy = running().any(|n| (0..n.machine.cpu_count()).any(|c| !n.machine.asleep(c)));
        let allowed = pacer.allowed(now, busy);
        if busy && !pacer.holds_busy() {
            return Some(want);
        }
        let due = running().map(|n| n.machine.next_activity()).min().unwrap_or(Time::MAX);
        let due = if busy { now + LEAST } else { due };
        if allowed >= due.min(want) {
            return Some(want.min(allowed));
        }
        let wait = pacer.wait(allowed, due.min(want)).min(NAP);
        self.wait(Some(wait), watcher);
        // What was typed meanwhile happens now, and time has passed for the sleepers too.
        let allowed = self.pacer.as_mut().map_or(now, |p| p.allowed(now, busy));
        Some(want.min(allowed).max(now))
    }

    /// Runs to `target` or a stop, and deals with what came out.
    fn step(&mut self, target: Time, watcher: &mut dyn Watcher) -> Option<End> {
        let fleet = self.fleet.as_mut().expect(HOME);
        let exit = match self.debuggers.stepping() {
            Some(node) => fleet.step(node, target, &*self.executor),
            None => fleet.run_until(target, &*self.executor),
        };
        self.begun = (exit != FleetExit::Reached).then_some(target);
        if let Some(outlet) = self.outlet.as_mut().filter(|_| exit == FleetExit::Reached) {
            outlet.serve(fleet);
            // What the host told is done and in the journal, should the run end here.
            let _ = fleet.run_until(fleet.now(), &*self.executor);
        }
        let printed = fleet.take_console();
        self.printed += printed.len();
        if watcher.console(&printed).is_break() {
            self.seen.get_or_insert(grid_from(target));
        }
        watcher.step(fleet.now());
        if let Some(capture) = &mut self.capture
            && let Err(e) = capture.take(fleet)
        {
            watcher.note(fleet, Note::CaptureFailed(e.to_string()));
            self.quit = true;
        }
        self.record(exit == FleetExit::Reached, watcher);
        self.take_exit(exit, watcher);
        if exit == FleetExit::Reached { self.reached(watcher) } else { None }
    }

    /// A step is over, and no node stands in the middle of an epoch.
    fn reached(&mut self, watcher: &mut dyn Watcher) -> Option<End> {
        let printed = std::mem::take(&mut self.printed);
        let coarse = self.fine == 0;
        self.quiet = if printed == 0 && coarse { self.quiet.saturating_add(1) } else { 0 };
        self.fine = match printed {
            n if n > MUCH => (self.fine + 1).min(FINEST),
            n if n < MUCH / 4 => self.fine.saturating_sub(1),
            _ => self.fine,
        };
        let fleet = self.fleet.as_mut().expect(HOME);
        if fleet.now() >= self.next_digest {
            let (now, digest) = (fleet.now(), fleet.digest());
            watcher.note(fleet, Note::Digest(now, digest));
            self.next_digest = now + self.plan.digest_every.unwrap_or(u64::MAX);
        }
        let mut running = fleet.nodes().filter(|n| n.state == NodeState::Running).peekable();
        let any = running.peek().is_some();
        let asleep = any && running.map(|n| n.machine.next_activity()).all(|t| t == Time::MAX);
        let dead = asleep && !fleet.has_pending() && self.outlet.is_none();
        self.still = if dead && coarse { self.still.saturating_add(1) } else { 0 };
        // One more step lets what is still on the air arrive.
        let over = self.still > 1 && self.plan.end.is_none() && !self.plan.live && !self.debuggers.any();
        over.then_some(End::Asleep)
    }

    /// When and why the run ends because of what the guests did: at an instant of the grid after it, so that neither
    /// slices nor threads count.
    fn ending(&self) -> Option<(Time, End)> {
        if let Some(at) = self.seen {
            return Some((at, End::Seen));
        }
        let fleet = self.fleet.as_ref().expect(HOME);
        // Whose power is cut may get it back, from a command that is still to come or from a person.
        let back = self.plan.live || fleet.has_pending();
        let over =
            fleet.nodes().all(|n| n.state != NodeState::Running && !(back && n.state == NodeState::Off));
        over.then(|| (grid_after(self.last_stop).max(grid_from(fleet.now())), End::Stopped))
    }

    fn record(&mut self, reached: bool, watcher: &mut dyn Watcher) {
        let fleet = self.fleet.as_mut().expect(HOME);
        if let Some(recording) = &mut self.recording
            && let Err(e) = recording.take(fleet, reached)
        {
            (self.recording, self.quit) = (None, true);
            watcher.note(fleet, Note::RecordingFailed(e.to_string()));
        }
    }

    fn take_exit(&mut self, exit: FleetExit, watcher: &mut dyn Watcher) {
        let fleet = self.fleet.as_ref().expect(HOME);
        let now = |node: u32| fleet.nodes().nth(node as usize).map_or(fleet.now(), Node::now);
        match exit {
            FleetExit::Reached | FleetExit::Interrupted => {}
            FleetExit::Exited { node, code } => {
                self.last_stop = self.last_stop.max(now(node));
                watcher.note(fleet, Note::Exited { at: now(node), node, code });
            }
            FleetExit::Stopped { node, exit } => match exit {
                Exit::Break(_) => self.debuggers.stopped(&mut self.fleet, node, StopReason::Breakpoint),
                Exit::Watch(_, addr, write) => {
                    self.debuggers.stopped(&mut self.fleet, node, StopReason::Watch { addr, write });
                }
                Exit::Stepped(_) => self.debuggers.stepped(&mut self.fleet, node),
                Exit::Lockup(_, pc) => {
                    self.last_stop = self.last_stop.max(now(node));
                    watcher.note(fleet, Note::LockedUp { at: now(node), node, pc });
                    self.debuggers.stopped(&mut self.fleet, node, StopReason::Lockup);
                }
                Exit::Reached | Exit::Held | Exit::Semihost(_) | Exit::Ended(_) => {}
            },
        }
    }
}
