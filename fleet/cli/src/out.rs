//! Standard output and standard error, whoever reads them.
//!
//! Neither can make the program panic or change its verdict. Who has read enough closes the pipe: what is written from then
//! on goes nowhere. A standard output that cannot be written for another reason (a full disk) is told at the end.

use crate::{
    exit::{Code, Failure},
    terminal,
};
use fleet_host::patient::takes;
use std::{
    io::{
        self,
        ErrorKind::{BrokenPipe, TimedOut},
        Write,
    },
    os::fd::AsFd,
    sync::Mutex,
};

/// Why standard output cannot be written any more.
static GONE: Mutex<Option<io::Error>> = Mutex::new(None);

fn note(result: io::Result<()>) {
    if let Err(e) = result {
        GONE.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(e);
    }
}

/// Whether what is written to standard output from now on is lost.
pub fn is_gone() -> bool {
    GONE.lock().unwrap_or_else(|e| e.into_inner()).is_some()
}

/// The code at the end: a standard output that nobody wants to read is no failure, one that could not be written is.
pub fn verdict(code: Code) -> Result<Code, Failure> {
    note(io::stdout().flush());
    match &*GONE.lock().unwrap_or_else(|e| e.into_inner()) {
        Some(e) if code == Code::Ok && !matches!(e.kind(), BrokenPipe | TimedOut) => {
            Err(Failure::input(format!("cannot write standard output: {e}")))
        }
        _ => Ok(code),
    }
}

/// A pipe that takes something takes this much at once, so that a reader who stands still does not keep a signal from ending
/// the run.
const PIECE: usize = 2048;

/// Standard output. Writing never fails.
#[derive(Clone, Copy, Debug)]
pub struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.chunks(PIECE) {
            if is_gone() {
                break;
            }
            note(match takes(io::stdout().as_fd()) {
                true => io::stdout().write_all(piece).and_then(|()| io::stdout().flush()),
                false => Err(io::Error::new(TimedOut, "nobody reads it")),
            });
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        if !is_gone() {
            note(io::stdout().flush());
        }
        Ok(())
    }
}

/// Standard error. Writing never fails.
#[derive(Clone, Copy, Debug)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !terminal::said(bytes) {
            let _ = io::stderr().write_all(bytes); // nobody is left to be told
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a line to standard error, in one piece.
pub fn line(text: &str) {
    let _ = Stderr.write_all(format!("{text}\n").as_bytes()); // never fails
}

/// Writes a line to standard error.
macro_rules! say {
    ($($what:tt)*) => {{
        $crate::out::line(&format!($($what)*));
    }};
}
pub(crate) use say;
