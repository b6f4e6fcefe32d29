//! The program at a terminal.
#![allow(dead_code)] // each test program uses a part of it

use std::{
    fs,
    io::{Read, Write},
    process::{Child, Command},
    time::Duration,
};

/// No text takes longer, even on a busy host.
const PATIENCE: Duration = Duration::from_secs(50);

/// Reads a console without ever waiting for long.
pub struct Reader(std::sync::mpsc::Receiver<u8>);

impl Reader {
    pub fn new(mut from: impl Read + Send + 'static) -> Reader {
        let (send, bytes) = std::sync::mpsc::sync_channel(1 << 16);
        #[allow(clippy::disallowed_methods)] // a terminal cannot be read with a limit of time
        std::thread::spawn(move || {
            let mut byte = [0];
            while from.read(&mut byte).is_ok_and(|n| n > 0) && send.send(byte[0]).is_ok() {}
        });
        Reader(bytes)
    }

    /// Reads until `text` was seen.
    #[track_caller]
    pub fn until(&self, text: &str) -> String {
        let mut all = vec![];
        while !all.ends_with(text.as_bytes()) {
            match self.0.recv_timeout(PATIENCE) {
                Ok(byte) => all.push(byte),
                Err(e) => panic!("{e}: no {text:?} in {:?}", String::from_utf8_lossy(&all)),
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// Starts a command at a new terminal: what it shows, where to type, and itself.
pub fn at_a_terminal(command: &mut Command) -> (Reader, fs::File, Child) {
    let mut it = Terminal::start(command);
    (it.shown.take().expect("it was just made"), it.keys, it.child)
}

/// A program at a terminal of its own.
pub struct Terminal {
    pub shown: Option<Reader>,
    pub keys: fs::File,
    pub child: Child,
    /// The modes before it was started.
    pub before: String,
    name: String,
}

impl Terminal {
    /// Starts a command at a new terminal in raw mode.
    pub fn start(command: &mut Command) -> Terminal {
        Terminal::start_in(command, "raw")
    }

    /// Starts a command at a new terminal in these modes of `stty`.
    pub fn start_in(command: &mut Command, modes: &str) -> Terminal {
        let pty = fleet_host::pty::Pty::open().expect("a pseudo-terminal");
        let name = pty.name().display().to_string();
        stty(&name, &[modes, "-echo"]);
        let before = stty(&name, &["-g"]);
        let theirs =
            || fs::OpenOptions::new().read(true).write(true).open(pty.name()).expect("the other side");
        let child = command.stdin(theirs()).stdout(theirs()).stderr(theirs()).spawn().expect("starts");
        let shown = Some(Reader::new(pty.ours.try_clone().expect("a copy")));
        // Both ends stay open for as long as the test looks at them.
        std::mem::forget(theirs());
        Terminal { shown, keys: pty.ours.try_clone().expect("a copy"), child, before, name }
    }

    /// Types something.
    pub fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).expect("typed");
    }

    /// Reads until `text` was seen.
    #[track_caller]
    pub fn until(&self, text: &str) -> String {
        self.shown.as_ref().expect("it is here").until(text)
    }

    /// The modes it is in, as `stty` writes them.
    pub fn modes(&self) -> String {
        stty(&self.name, &["-g"])
    }

    /// Sends a signal.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill").success());
    }

    /// Waits until `holds`.
    #[track_caller]
    #[allow(clippy::disallowed_methods)] // the limit is one of the host's time
    pub fn wait_for(&self, what: &str, holds: impl Fn(&Terminal) -> bool) {
        for _ in 0..PATIENCE.as_millis() / 20 {
            if holds(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("not so in time: {what}");
    }

    /// It is stopped.
    pub fn is_stopped(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    }
}

fn stty(name: &str, words: &[&str]) -> String {
    let said = Command::new("stty").args(["-F", name]).args(words).output().expect("stty");
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).expect("it is text")
}
