//! The program while it runs, and somebody at one of its consoles.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// The program while it runs, with what it said first on standard error.
pub struct Running {
    pub child: Child,
    said: BufReader<std::process::ChildStderr>,
}

impl Running {
    pub fn start(words: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
        let command = command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let said = BufReader::new(child.stderr.take().expect("a pipe"));
        Running { child, said }
    }

    /// Its next line on standard error.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("it says something");
        line
    }

    /// Where it says, in its next line, that a console is.
    pub fn place(&mut self, console: &str) -> String {
        let line = self.line();
        let place = line.trim_end().strip_prefix(&format!("{console}: "));
        place.unwrap_or_else(|| panic!("{line}")).to_string()
    }

    /// What it said from now on, and printed, and its code.
    pub fn end(mut self) -> (String, String, Option<i32>) {
        let (mut said, mut out) = (String::new(), vec![]);
        self.said.read_to_string(&mut said).expect("messages are UTF-8");
        self.child.stdout.take().expect("a pipe").read_to_end(&mut out).expect("it reads");
        let code = self.child.wait().expect("it ends").code();
        (said, String::from_utf8_lossy(&out).into_owned(), code)
    }
}

/// Somebody at a port.
pub fn connect(place: &str) -> TcpStream {
    let stream = TcpStream::connect(place).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    stream
}

/// Reads until `text` has come.
#[track_caller]
pub fn until(from: &mut impl Read, text: &str) -> String {
    let (mut all, mut byte) = (vec![], [0]);
    while !all.ends_with(text.as_bytes()) {
        let n = from.read(&mut byte).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&all)));
        assert!(n > 0, "no {text:?} in {}", String::from_utf8_lossy(&all));
        all.push(byte[0]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Types lines at MicroPython, each at its prompt, lets the last one be done, ends the run and gives what was shown.
pub fn at_micropython(more: &[&str], lines: &[&str]) -> String {
    let words = ["run", "microbit-micropython", "--console-to", "tcp:0"];
    let mut run = Running::start(&[&words[..], more].concat());
    let mut console = connect(&run.place("uart0"));
    let mut shown = String::new();
    for line in lines {
        shown += &until(&mut console, ">>> ");
        console.write_all(format!("{line}\r").as_bytes()).expect("typed");
    }
    shown += &until(&mut console, ">>> ");
    let term = Command::new("kill").arg(run.child.id().to_string()).status().expect("kill");
    assert!(term.success());
    let (said, _, code) = run.end();
    assert_eq!(code, Some(0), "run cargo xtask images: {said}");
    shown
}
