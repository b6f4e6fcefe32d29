//! Recorded sessions: what was run and everything that was done to it, as lines of JSON.
//!
//! The first line says what was run, with the hashes of the images. Then come, in the order in which they happened, the
//! commands that were applied, with time, node and retired instructions, those that were given for a later time, and
//! checkpoints: the digest of the whole state, to which what is still to come belongs, at a time. The last line is the final digest. A session that ends early is a session all the same.

use crate::{Act, Command, ConsoleByte, Executor, Fleet, determinism};
use emu_core::Time;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ops::ControlFlow};

/// Version of the format.
pub const VERSION: u32 = 1;

/// What a session ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Subject {
    /// The fleet of a file.
    Fleet {
        /// The file as it was named.
        file: String,
        /// Its text.
        text: String,
    },
    /// The fleet of a scenario, to which its steps were done.
    Scenario {
        /// The file as it was named.
        file: String,
        /// Its text.
        text: String,
    },
    /// One machine with an image.
    Image {
        /// Name or path.
        image: String,
        /// Name or path.
        machine: String,
        /// Load address of a raw binary.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        at: Option<u64>,
    },
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the format.
    pub version: u32,
    /// What was run.
    pub subject: Subject,
    /// The seed in effect.
    pub seed: u64,
    /// Names of the nodes by number.
    pub nodes: Vec<String>,
    /// SHA-256 of each image by name.
    pub images: BTreeMap<String, String>,
    /// Text of each board file by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub boards: BTreeMap<String, String>,
    /// Images that nodes or groups ran instead of those that their file names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub instead: BTreeMap<String, String>,
}

/// A command as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Written {
    at: u64,
    /// Name of the node; none: a medium.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    node: Option<String>,
    retired: u64,
    act: Act,
    /// The bytes of `act` as text, for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    text: Option<String>,
}

/// A command for a later time: when it was there, and the command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Given {
    by: u64,
    command: Written,
}

/// A digest at a time; none: the run ended while a node stood at a debugger's stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    at: u64,
    digest: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Session(Header),
    Scheduled(Written),
    Given(Given),
    Command(Written),
    Checkpoint(Mark),
    End(Mark),
}

/// What happened in a session, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// A command for a later time was there at this one.
    Given(Time, Command),
    /// A command was applied.
    Command(Command),
    /// The state had this digest.
    Checkpoint(Time, u128),
}

/// A session that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// What was run.
    pub header: Header,
    /// Commands that were known before the run began.
    pub scheduled: Vec<Command>,
    /// Commands and checkpoints by time.
    pub happenings: Vec<Happening>,
    /// When it ended, if it came to its end.
    pub end: Option<Time>,
}

/// Why a file is no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct SessionError {
    /// Line, from 1.
    pub line: usize,
    /// Why.
    pub message: String,
}

/// Writes the lines of a session. What becomes of them is up to the caller.
pub struct Recorder {
    names: Vec<String>,
    /// Commands of the journal that were written.
    written: usize,
    /// Commands that had been given to the fleet when those to come were last looked at.
    given: u64,
    every: u64,
    next: Time,
}

impl Recorder {
    /// A recorder of `fleet`, which has not run, with a checkpoint every so many nanoseconds; and the first lines.
    pub fn start(mut header: Header, fleet: &Fleet, every: u64) -> (Recorder, String) {
        header.nodes = fleet.nodes().map(|n| n.name.clone()).collect();
        let names = header.nodes.clone();
        let (written, given) = (fleet.journal().len(), fleet.arrivals());
        let r = Recorder { names, written, given, every, next: fleet.now() + every };
        let mut text = line(&Line::Session(header));
        text.extend(fleet.pending().map(|c| line(&Line::Scheduled(r.write(c)))));
        (r, text)
    }

    fn write(&self, c: &Command) -> Written {
        let text = match &c.act {
            Act::Text { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        };
        let node = self.names.get(c.node as usize).cloned();
        Written { at: c.at.0, node, retired: c.retired, act: c.act.clone(), text }
    }

    /// The lines since the last call. `reached`: no epoch is open.
    pub fn take(&mut self, fleet: &mut Fleet, reached: bool) -> String {
        let new = &fleet.journal()[self.written..];
        let mut text: String = new.iter().map(|c| line(&Line::Command(self.write(c)))).collect();
        self.written += new.len();
        // In the middle of an epoch nothing can be given to a fleet that is to become the same.
        if fleet.between_epochs() {
            let by = fleet.now().0;
            let to_come = fleet.pending_since(self.given).map(|c| Given { by, command: self.write(c) });
            text.extend(to_come.map(|g| line(&Line::Given(g))));
            self.given = fleet.arrivals();
        }
        if reached && fleet.now() >= self.next && fleet.between_epochs() {
            self.next = fleet.now() + self.every;
            text += &line(&Line::Checkpoint(mark(fleet, true)));
        }
        text
    }

    /// The last lines.
    pub fn finish(mut self, fleet: &mut Fleet) -> String {
        let text = self.take(fleet, false);
        let between = fleet.between_epochs();
        text + &line(&Line::End(mark(fleet, between)))
    }
}

fn mark(fleet: &mut Fleet, digest: bool) -> Mark {
    let digest = digest.then(|| format!("{:032x}", fleet.digest()));
    Mark { at: fleet.now().0, digest }
}

fn line(l: &Line) -> String {
    // Plain data with names for keys always encodes.
    serde_json::to_string(l).unwrap_or_default() + "\n"
}

/// Times beyond a hundred years are mistakes.
const LATEST: u64 = 3_200_000_000_000_000_000;

impl Session {
    /// Reads a session, and says what is odd about it. A last line that is cut off is left out.
    pub fn read(text: &str) -> Result<(Session, Vec<String>), SessionError> {
        let fail = |line: usize, message: String| SessionError { line: line + 1, message };
        let mut warnings = vec![];
        let mut lines = text.lines().enumerate().peekable();
        let (_, first) = lines.next().ok_or_else(|| fail(0, "the file is empty".into()))?;
        let header = header(first).map_err(|e| fail(0, e))?;
        let names: BTreeMap<_, _> = header.nodes.iter().map(|n| &n[..]).zip(0..).collect();
        let mut session =
            Session { header: header.clone(), scheduled: vec![], happenings: vec![], end: None };
        while let Some((n, text)) = lines.next() {
            let parsed = serde_json::from_str::<Line>(text).map_err(|e| e.to_string());
            match parsed.and_then(|l| session.line(l, &names)) {
                Ok(()) => {}
                Err(e) if lines.peek().is_none() => {
                    warnings.push(format!("line {}: the last line is cut off and left out ({e})", n + 1));
                }
                Err(e) => return Err(fail(n, e)),
            }
        }
        if session.end.is_none() {
            warnings.push("the recording was cut short: it has no end".into());
        }
        // A debugger's commands come as their nodes stand, not in order of time.
        session.happenings.sort_by_key(Happening::at);
        Ok((session, warnings))
    }

    fn line(&mut self, line: Line, names: &BTreeMap<&str, u32>) -> Result<(), String> {
        if self.end.is_some() {
            return Err("something follows the end".into());
        }
        match line {
            Line::Session(_) => return Err("a second session begins".into()),
            Line::Scheduled(w) => self.scheduled.push(command(w, names)?),
            Line::Given(Given { by, command: w }) => {
                self.happenings.push(Happening::Given(time(by)?, command(w, names)?));
            }
            Line::Command(w) => self.happenings.push(Happening::Command(command(w, names)?)),
            Line::Checkpoint(m) => self.mark(&m)?,
            Line::End(m) => {
                self.mark(&m)?;
                self.end = Some(Time(m.at));
            }
        }
        Ok(())
    }

    fn mark(&mut self, m: &Mark) -> Result<(), String> {
        let at = time(m.at)?;
        let marks = self.happenings.iter().filter(|h| matches!(h, Happening::Checkpoint(..)));
        if marks.map(Happening::at).next_back().is_some_and(|t| t > at) {
            return Err("the checkpoint is earlier than the one before".into());
        }
        if let Some(hex) = &m.digest {
            let digest = u128::from_str_radix(hex, 16).map_err(|_| format!("`{hex}` is no digest"))?;
            self.happenings.push(Happening::Checkpoint(at, digest));
        }
        Ok(())
    }

    /// The last time that is known of it.
    pub fn last(&self) -> Time {
        self.end.or_else(|| self.happenings.last().map(Happening::at)).unwrap_or_default()
    }
}

impl Happening {
    /// When.
    pub fn at(&self) -> Time {
        match self {
            Happening::Command(c) => c.at,
            Happening::Given(at, _) | Happening::Checkpoint(at, _) => *at,
        }
    }
}

fn header(text: &str) -> Result<Header, String> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|e| format!("this is no recorded session: {e}"))?;
    let version = &value["session"]["version"];
    match version.as_u64() {
        None => return Err("this is no recorded session".into()),
        Some(v) if v != u64::from(VERSION) => {
            return Err(format!("the session has version {v} of the format; this program reads {VERSION}"));
        }
        Some(_) => {}
    }
    match serde_json::from_str(text) {
        Ok(Line::Session(header)) => Ok(header),
        Ok(_) => Err("this is no recorded session".into()),
        Err(e) => Err(e.to_string()),
    }
}

fn time(at: u64) -> Result<Time, String> {
    if at > LATEST { Err(format!("{at} ns are more than a hundred years")) } else { Ok(Time(at)) }
}

fn command(w: Written, names: &BTreeMap<&str, u32>) -> Result<Command, String> {
    let node = match &w.node {
        None => Command::FLEET,
        Some(n) => *names.get(&n[..]).ok_or_else(|| format!("no node is called `{n}`"))?,
    };
    Ok(Command { at: time(w.at)?, node, retired: w.retired, act: w.act })
}

/// Sees a replay as it happens.
pub trait Spectator {
    /// Consoles printed this.
    fn console(&mut self, _bytes: &[ConsoleByte]) {}
    /// This command is about to be applied at its time.
    fn command(&mut self, _command: &Command) {}
    /// Runs the fleet to `to`. `Break` ends the replay there.
    fn run(&mut self, fleet: &mut Fleet, to: Time, executor: &dyn Executor) -> ControlFlow<()> {
        determinism::run(fleet, to, executor);
        ControlFlow::Continue(())
    }
}

impl Spectator for () {}

/// A replay that is not what was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The state has another digest.
    Digest {
        /// The last checkpoint that was the same.
        same: Time,
        /// The checkpoint.
        at: Time,
        /// What was recorded.
        wanted: u128,
        /// What it is now.
        got: u128,
    },
    /// A command found its node somewhere else.
    Retired {
        /// When.
        at: Time,
        /// Number of the node.
        node: u32,
        /// Instructions that it had retired.
        wanted: u64,
        /// Instructions that it has retired now.
        got: u64,
    },
}

/// How a replay went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Checkpoints that were the same.
    pub checked: usize,
    /// The first that was not; the replay ends there.
    pub mismatch: Option<Mismatch>,
}

/// Repeats a session on a `fleet` built from its header, up to `until` or its end.
pub fn replay(
    session: &Session,
    fleet: &mut Fleet,
    executor: &dyn Executor,
    until: Option<Time>,
    spectator: &mut dyn Spectator,
) -> Replayed {
    for c in fleet.besides_own(&session.scheduled) {
        fleet.apply(c);
    }
    let mut own: Vec<Command> = fleet.pending().cloned().collect();
    let end = until.unwrap_or(session.last());
    let (mut checked, mut same) = (0, Time::ZERO);
    let go = |fleet: &mut Fleet, to: Time, spectator: &mut dyn Spectator| {
        let on = spectator.run(fleet, to, executor);
        spectator.console(&fleet.take_console());
        on.is_continue()
    };
    for h in session.happenings.iter().take_while(|h| h.at() <= end) {
        if !go(fleet, h.at(), spectator) {
            return Replayed { checked, mismatch: None };
        }
        let mismatch = match h {
            Happening::Given(_, c) => {
                fleet.apply(c.clone());
                own.push(c.clone());
                None
            }
            Happening::Command(c) => {
                let at = own.iter().position(|o| (o.at, o.node, &o.act) == (c.at, c.node, &c.act));
                spectator.command(c);
                match at {
                    Some(i) => drop(own.remove(i)), // the fleet has done it
                    None => fleet.apply(c.clone()),
                }
                go(fleet, c.at, spectator);
                retired(fleet, c)
            }
            Happening::Checkpoint(at, wanted) => {
                let (at, wanted, got) = (*at, *wanted, fleet.digest());
                checked += 1;
                if wanted == got { None } else { Some(Mismatch::Digest { same, at, wanted, got }) }
            }
        };
        if mismatch.is_some() {
            let checked = checked - usize::from(matches!(h, Happening::Checkpoint(..)));
            return Replayed { checked, mismatch };
        }
        if let Happening::Checkpoint(at, _) = h {
            same = *at;
        }
    }
    go(fleet, end, spectator);
    Replayed { checked, mismatch: None }
}

/// The command just applied found its node where it was when it was recorded.
fn retired(fleet: &Fleet, c: &Command) -> Option<Mismatch> {
    let done = fleet.journal().iter().rev().find(|d| (d.at, d.node, &d.act) == (c.at, c.node, &c.act))?;
    let (wanted, got) = (c.retired, done.retired);
    (wanted != got).then_some(Mismatch::Retired { at: c.at, node: c.node, wanted, got })
}
