//! A pseudo-terminal that carries a console, for programs that want a serial port.

use nix::{
    pty::openpty,
    sys::{
        inotify::{AddWatchFlags, InitFlags, Inotify},
        termios,
    },
    unistd::ttyname,
};
use std::{
    fs::File,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};

/// Our end of a pseudo-terminal.
pub struct Pty {
    /// Reads what the other side typed, writes what it shows.
    pub ours: File,
    /// Name of the other side's end.
    pub name: PathBuf,
    /// Knows of everybody who opens the other side's end; `None`: this host cannot tell.
    watch: Option<Inotify>,
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
        let watch = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok();
        let watch = watch.filter(|w| w.add_watch(&name, AddWatchFlags::IN_OPEN).is_ok());
        Ok(Pty { ours: File::from(pair.master), name, watch, _theirs: pair.slave })
    }

    /// Tells, once, if nobody has opened the other side's end after this time. The second call does nothing.
    pub fn tell_if_unopened(&mut self, after: Duration, tell: impl FnOnce(&Path) + Send + 'static) {
        let (Some(watch), name) = (self.watch.take(), self.name.clone()) else { return };
        #[allow(clippy::disallowed_methods)] // this is the edge where threads live, and the host's time
        std::thread::spawn(move || {
            std::thread::sleep(after);
            if !was_opened(&watch) {
                tell(&name);
            }
        });
    }

    /// Name of the other side's end.
    pub fn name(&self) -> &Path {
        &self.name
    }
}

fn was_opened(watch: &Inotify) -> bool {
    watch.read_events().is_ok_and(|events| !events.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn mend_a_terminal_that_nobody_opens_is_told_and_another_is_not() {
        let told = |open: bool| {
            let mut pty = Pty::open().expect("a pseudo-terminal");
            let theirs = open.then(|| File::open(pty.name()).expect("its name"));
            let (to, from) = sync_channel(1);
            let name = pty.name.clone();
            pty.tell_if_unopened(Duration::from_millis(1), move |told| drop(to.send(told.to_path_buf())));
            drop(theirs);
            (from.recv().ok(), name)
        };
        let (told_of, name) = told(false);
        assert_eq!(told_of, Some(name));
        assert_eq!(told(true).0, None);
    }
}
