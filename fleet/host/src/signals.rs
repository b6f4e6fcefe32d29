//! Signals that end a run, and those that stop it for a while.

use nix::sys::signal::{self, raise};
use std::{
    os::unix::fs::MetadataExt,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

/// A signal that ends a run in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: the terminal is gone.
    HangUp = 1,
    /// SIGINT: from a terminal.
    Interrupt = 2,
    /// SIGQUIT: from a terminal.
    Quit = 3,
    /// SIGTERM: from a program.
    Terminate = 15,
}

impl Signal {
    const ALL: [Signal; 4] = [Signal::HangUp, Signal::Interrupt, Signal::Quit, Signal::Terminate];
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Signal::HangUp => "SIGHUP",
            Signal::Interrupt => "SIGINT",
            Signal::Quit => "SIGQUIT",
            Signal::Terminate => "SIGTERM",
        })
    }
}

/// The first one that came, by number.
static FIRST: AtomicU8 = AtomicU8::new(0);
static URGENT: AtomicBool = AtomicBool::new(false);

/// The signal that this process got while an [`Io`](crate::Io) was there to take it.
pub fn received() -> Option<Signal> {
    let first = FIRST.load(Ordering::Relaxed);
    Signal::ALL.into_iter().find(|s| *s as u8 == first)
}

/// A signal came, and the time is over in which a run may come to an end in order: it is left where it is.
pub fn urgent() -> bool {
    URGENT.load(Ordering::Relaxed)
}

pub(crate) fn note(signal: Signal) {
    // A second one changes nothing.
    let _ = FIRST.compare_exchange(0, signal as u8, Ordering::Relaxed, Ordering::Relaxed);
}

pub(crate) fn press() {
    URGENT.store(true, Ordering::Relaxed);
}

/// Who has changed the terminal's modes: gives them back before the process stops, and takes them again after.
#[derive(Clone, Copy, Debug)]
pub struct Modes {
    /// Called before it stops.
    pub give_back: fn(),
    /// Called once it goes on.
    pub take: fn(),
}

static MODES: OnceLock<Modes> = OnceLock::new();

/// From now on an [`Io`](crate::Io) that is started also hears signals that stop the process and let it go on.
pub fn with_modes(modes: Modes) {
    let _ = MODES.set(modes); // they are the same
}

/// Sends this process the signal that a terminal's key (Ctrl-C, Ctrl-\\, Ctrl-Z) stands for; `false`: it stands for none.
pub fn of_key(key: u8) -> bool {
    let signal = match key {
        3 => signal::Signal::SIGINT,
        26 => signal::Signal::SIGTSTP,
        28 => signal::Signal::SIGQUIT,
        _ => return false,
    };
    raise(signal).is_ok()
}

/// Sends this process the signal of a terminal that is gone.
pub fn hang_up() {
    let _ = raise(signal::Signal::SIGHUP); // it cannot fail
}

/// What is heard.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Heard {
    End(Signal),
    Stop,
    GoOn,
}

impl Heard {
    pub(crate) fn number(self) -> i32 {
        match self {
            Heard::End(signal) => signal as i32,
            Heard::Stop => signal::Signal::SIGTSTP as i32,
            Heard::GoOn => signal::Signal::SIGCONT as i32,
        }
    }
}

/// The signals to hear. Who starts a program may want it to outlive its terminal, as `nohup` does.
pub(crate) fn heard() -> Vec<Heard> {
    let left_alone = |s: &Signal| matches!(s, Signal::HangUp | Signal::Quit) && is_ignored(*s as u32);
    let mut all: Vec<_> = Signal::ALL.into_iter().filter(|s| !left_alone(s)).map(Heard::End).collect();
    if MODES.get().is_some() {
        all.extend([Heard::Stop, Heard::GoOn]);
    }
    all
}

/// The process was started with this signal ignored.
fn is_ignored(number: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|l| l.strip_prefix("SigIgn:"));
    mask.and_then(|m| u64::from_str_radix(m.trim(), 16).ok()).is_some_and(|m| m >> (number - 1) & 1 == 1)
}

/// Standard input is the terminal of this process, and another group of processes has it: whoever changes its modes now is
/// stopped.
pub fn in_background() -> bool {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name: state, parent, group, session, terminal, the terminal's group.
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let numbers: Vec<i64> = rest.split_whitespace().skip(1).map_while(|n| n.parse().ok()).take(5).collect();
    let input = std::fs::metadata("/dev/stdin").map_or(0, |m| m.rdev());
    matches!(numbers[..], [_, group, _, terminal, owner] if terminal as u64 == input && owner > 0 && owner != group)
}

pub(crate) fn stop() {
    if let Some(modes) = MODES.get() {
        (modes.give_back)();
    }
    let _ = raise(signal::Signal::SIGSTOP); // it cannot fail
}

pub(crate) fn go_on() {
    if let Some(modes) = MODES.get() {
        (modes.take)();
    }
}
