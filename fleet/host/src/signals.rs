//! Signals that end a run.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// SIGINT or SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// From a terminal.
    Interrupt = 2,
    /// From a program.
    Terminate = 15,
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
        })
    }
}

/// The first one that came, by number.
static FIRST: AtomicU8 = AtomicU8::new(0);
static URGENT: AtomicBool = AtomicBool::new(false);

/// The signal that this process got while an [`Io`](crate::Io) was there to take it.
pub fn received() -> Option<Signal> {
    match FIRST.load(Ordering::Relaxed) {
        2 => Some(Signal::Interrupt),
        15 => Some(Signal::Terminate),
        _ => None,
    }
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
