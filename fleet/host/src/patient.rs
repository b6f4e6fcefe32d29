//! A file that somebody else may be reading while it grows. A named pipe may have no reader yet, or one that stands still:
//! then the writer waits, but not beyond a signal that ends the run.

use crate::signals;
use nix::{
    fcntl::OFlag,
    poll::{PollFd, PollFlags, poll},
};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{
        fd::BorrowedFd,
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::Path,
    time::Duration,
};

/// From one look to the next.
const NAP: Duration = Duration::from_millis(10);
/// So many naps after a signal a reader that takes nothing is given up.
const GRACE: u32 = 50;

/// See the module's documentation.
pub struct Patient {
    file: File,
    /// Nobody read when the run was to end: the rest is left out.
    given_up: bool,
}

/// The path is a named pipe.
pub fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| m.file_type().is_fifo())
}

fn nap() {
    #[allow(clippy::disallowed_methods)] // the edge waits for the host
    std::thread::sleep(NAP);
}

/// Waits until `fd` takes bytes, at least as many as pipes take at once. `false`: some time after a signal that ends the run
/// nobody has read yet.
pub fn takes(fd: BorrowedFd) -> bool {
    let mut naps = 0;
    while naps <= GRACE {
        match poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], NAP.as_millis() as u8) {
            // What cannot be waited for is written to: that tells what is wrong.
            Ok(1..) | Err(_) => return true,
            Ok(_) => naps = if signals::received().is_some() { naps + 1 } else { 0 },
        }
    }
    false
}

impl Patient {
    /// Makes the file, or waits for the pipe's reader. The error after a signal is of the kind `TimedOut`.
    pub fn create(path: &Path) -> io::Result<Patient> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).custom_flags(OFlag::O_NONBLOCK.bits());
        loop {
            match options.open(path) {
                Err(e) if e.raw_os_error() == Some(nix::errno::Errno::ENXIO as i32) && is_pipe(path) => {
                    if signals::received().is_some() {
                        return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads it"));
                    }
                    nap();
                }
                opened => return opened.map(|file| Patient { file, given_up: false }),
            }
        }
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut naps = 0;
        while !self.given_up {
            match self.file.write(bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    naps = if signals::received().is_some() { naps + 1 } else { 0 };
                    self.given_up = naps > GRACE;
                    nap();
                }
                written => return written,
            }
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
