//! A pseudo-terminal that carries a console, for programs that want a serial port.

use nix::{pty::openpty, sys::termios, unistd::ttyname};
use std::{
    fs::File,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// Our end of a pseudo-terminal.
pub struct Pty {
    /// Reads what the other side typed, writes what it shows.
    pub ours: File,
    /// Name of the other side's end.
    pub name: PathBuf,
    /// Held open, so that we see no end of file while nobody is at the other side.
    _theirs: OwnedFd,
}

impl Pty {
    /// A new one in raw mode.
    pub fn open() -> std::io::Result<Pty> {
        let pair = openpty(None, None)?;
        let mut settings = termios::tcgetattr(&pair.slave)?;
        termios::cfmakeraw(&mut settings);
        termios::tcsetattr(&pair.slave, termios::SetArg::TCSANOW, &settings)?;
        let name = ttyname(&pair.slave)?;
        Ok(Pty { ours: File::from(pair.master), name, _theirs: pair.slave })
    }

    /// Name of the other side's end.
    pub fn name(&self) -> &Path {
        &self.name
    }
}
