//! Runs the built program with a hard limit of time.
#![allow(dead_code)] // each test program uses a part of it

pub mod live;

use std::{
    io::Read,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// No run here takes longer, even on a busy host.
const LIMIT: Duration = Duration::from_secs(120);

/// What a run of the program said and how it ended.
#[derive(Debug)]
pub struct Run {
    pub words: String,
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Run {
    /// It ended by itself, with this code and without a panic.
    #[track_caller]
    pub fn ends_with(&self, code: i32) -> &Run {
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        self
    }

    /// Standard output is for what guests print.
    #[track_caller]
    pub fn says_only_on_stderr(&self) -> &Run {
        assert!(self.stdout.is_empty() && !self.stderr.trim().is_empty(), "{self:?}");
        self
    }
}

/// Runs `flotilla` with nothing on standard input.
#[track_caller]
pub fn flotilla(words: &[&str]) -> Run {
    run(Command::new(env!("CARGO_BIN_EXE_flotilla")).args(words), LIMIT)
}

/// Runs a command with nothing on standard input.
#[track_caller]
#[allow(clippy::disallowed_methods)] // this is the edge where threads live
pub fn run(command: &mut Command, limit: Duration) -> Run {
    let words = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{words}: {e}"));
    let stdout = child.stdout.take().expect("a pipe");
    let stderr = child.stderr.take().expect("a pipe");
    let out = std::thread::spawn(|| drain(stdout));
    let err = std::thread::spawn(|| drain(stderr));
    let status = wait(&mut child, limit, &words);
    let bytes = |t: std::thread::JoinHandle<Vec<u8>>| t.join().expect("a pipe reads");
    let stderr = String::from_utf8(bytes(err)).expect("messages are UTF-8");
    Run { words, status, stdout: bytes(out), stderr }
}

fn drain(mut from: impl Read) -> Vec<u8> {
    let mut bytes = vec![];
    from.read_to_end(&mut bytes).expect("a pipe reads");
    bytes
}

#[track_caller]
#[allow(clippy::disallowed_methods)] // the limit is one of the host's time
fn wait(child: &mut Child, limit: Duration, words: &str) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return status;
        }
        if start.elapsed() > limit {
            child.kill().expect("it is our child");
            panic!("hangs: {words}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Where tests put their files.
pub fn path(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bad-input");
    std::fs::create_dir_all(&folder).expect("a folder of our own");
    folder.join(name).display().to_string()
}

/// Writes a file and gives its path.
pub fn file(name: &str, bytes: &[u8]) -> String {
    let path = path(name);
    // Another test may run the same file just now: it must never be seen half written.
    let temp = format!("{path}.{:?}", std::thread::current().id());
    let written = std::fs::write(&temp, bytes).and_then(|()| std::fs::rename(&temp, &path));
    written.unwrap_or_else(|e| panic!("{path}: {e}"));
    path
}

/// An M-profile image for address 0: stack pointer, reset at 0x40, no other handlers; then Thumb code.
pub fn image(sp: u32, code: &[u16]) -> Vec<u8> {
    let mut bytes: Vec<u8> = [sp, 0x41].into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.resize(0x40, 0);
    bytes.extend(code.iter().flat_map(|c| c.to_le_bytes()));
    bytes
}
