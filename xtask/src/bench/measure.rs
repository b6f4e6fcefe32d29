//! CPU time of a program, all its threads and children included, and how much memory it takes.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::sh::Result;

/// What one run cost, in seconds, and what it said.
#[derive(Debug, Clone)]
pub struct Usage {
    /// User and system time.
    pub cpu: f64,
    pub wall: f64,
    /// The line that holds what it had to print.
    pub said: String,
}

/// A program to be measured, and what it must print for the measurement to count.
pub struct Job {
    program: PathBuf,
    arguments: Vec<String>,
    expect: &'static str,
}

impl Job {
    pub fn new(program: impl Into<PathBuf>, arguments: &[&str], expect: &'static str) -> Job {
        let arguments = arguments.iter().map(|&word| word.to_owned()).collect();
        Job { program: program.into(), arguments, expect }
    }

    /// Runs it to its end. The kernel adds a child's time to ours when the child is waited for, so the difference is the
    /// child's, as long as no other child ends meanwhile: this program runs one at a time.
    pub fn measure(&self) -> Result<Usage> {
        let before = children()?;
        #[allow(clippy::disallowed_methods, reason = "a benchmark measures the host")]
        let start = std::time::Instant::now();
        let output = Command::new(&self.program).args(&self.arguments).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("cannot run {}: {error}", self.program.display()))?;
        let (cpu, wall) = (children()? - before, start.elapsed().as_secs_f64());
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() && text.contains(self.expect) {
            let said = text.lines().find(|line| line.contains(self.expect)).unwrap_or_default().to_owned();
            return Ok(Usage { cpu, wall, said });
        }
        let last = text.lines().last().unwrap_or("nothing");
        let program = self.program.display();
        Err(format!("{program} ended with {} and no `{}`; its last line: {last}", output.status, self.expect)
            .into())
    }

    /// The CPU time until it has printed what it must print on standard output; it is ended then.
    pub fn until_said(&self) -> Result<f64> {
        let before = children()?;
        let mut command = Command::new(&self.program);
        let quiet =
            command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child =
            quiet.spawn().map_err(|error| format!("cannot run {}: {error}", self.program.display()))?;
        let mut text = Vec::new();
        let mut pipe = child.stdout.take().expect("a pipe");
        let found = loop {
            let mut piece = [0; 256];
            let n = pipe.read(&mut piece)?;
            text.extend_from_slice(&piece[..n]);
            let found = text.windows(self.expect.len()).any(|window| window == self.expect.as_bytes());
            if found || n == 0 {
                break found;
            }
        };
        child.kill()?;
        child.wait()?;
        let cpu = children()? - before;
        let program = self.program.display();
        if found { Ok(cpu) } else { Err(format!("{program} did not print `{}`", self.expect).into()) }
    }

    /// Runs it to its end: the number at the end of the last line it prints.
    pub fn figure(&self) -> Result<f64> {
        let output = Command::new(&self.program).args(&self.arguments).stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let figure = text.split_whitespace().last().and_then(|word| word.parse().ok());
        match figure.filter(|_| output.status.success() && text.contains(self.expect)) {
            Some(figure) => Ok(figure),
            None => Err(format!("{} printed no figure", self.program.display()).into()),
        }
    }

    /// The memory it had resident towards its end, in KiB: the middle of what a look every 10 ms showed in the last quarter of
    /// its time. `None`: this system has no `/proc`. (The kernel's own figure for children that have ended is that of
    /// the largest ever.)
    pub fn memory(&self) -> Result<Option<f64>> {
        let mut command = Command::new(&self.program);
        let quiet =
            command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child =
            quiet.spawn().map_err(|error| format!("cannot run {}: {error}", self.program.display()))?;
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        let mut seen = Vec::new();
        let end = loop {
            // A process that has ended has no such line any more.
            seen.extend(std::fs::read_to_string(&status).ok().and_then(|text| resident(&text)));
            if let Some(end) = child.try_wait()? {
                break end;
            }
            #[allow(clippy::disallowed_methods, reason = "a benchmark watches the host")]
            std::thread::sleep(Duration::from_millis(10));
        };
        let late = seen.split_off(seen.len() / 4 * 3);
        let memory = (!late.is_empty()).then(|| super::median(late.into_iter()));
        if end.success() {
            Ok(memory)
        } else {
            Err(format!("{} ended with {end}", self.program.display()).into())
        }
    }
}

/// The resident memory in KiB in the text of `/proc/PID/status`.
fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn children() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(micros as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_ended_once_it_has_said_it() {
        let endless = Job::new("sh", &["-c", "echo ready; sleep 100"], "ready");
        assert!(endless.until_said().unwrap() < 1.0);
        assert!(Job::new("echo", &["no"], "ready").until_said().is_err());
    }

    #[test]
    fn work_costs_cpu_time_and_sleep_does_not() {
        let loop_ = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done";
        let busy = Job::new("sh", &["-c", loop_], "done").measure().unwrap();
        assert!(busy.cpu > 0.01, "{busy:?}");
        let idle = Job::new("sleep", &["0.3"], "").measure().unwrap();
        assert_eq!(busy.said, "done");
        assert!(idle.wall >= 0.3 && idle.cpu < 0.1, "{idle:?}");
    }

    #[test]
    fn memory_is_read_from_the_kernels_text() {
        assert_eq!(resident("Name:\tx\nVmHWM:\t   9 kB\nVmRSS:\t52408 kB\n"), Some(52_408.0));
        assert_eq!(resident("Name:\tx\nState:\tZ (zombie)\n"), None);
        if let Some(memory) = Job::new("sleep", &["0.1"], "").memory().unwrap() {
            assert!((100.0..100_000.0).contains(&memory), "{memory} KiB");
        }
        assert!(Job::new("false", &[], "").memory().is_err());
    }

    #[test]
    fn a_run_that_fails_is_not_measured() {
        assert!(Job::new("sh", &["-c", "echo ok; exit 1"], "ok").measure().is_err());
        let error = Job::new("echo", &["no"], "ok").measure().unwrap_err().to_string();
        assert!(error.contains("its last line: no"), "{error}");
    }
}
