//! On what was measured.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::sh;

/// The host and the tools; a figure means nothing without them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Host {
    pub cpu: String,
    pub cpus: usize,
    /// How many programs wanted a CPU in the last minute when it began: other work disturbs.
    pub load: String,
    pub rustc: String,
    /// Empty if there is none.
    pub qemu: String,
}

impl Host {
    pub fn here() -> Host {
        let first = |program: &str, word: &str| {
            let text = sh::output(Command::new(program).arg(word)).unwrap_or_default();
            text.lines().next().unwrap_or_default().trim().to_owned()
        };
        let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
        Host {
            cpu: model(&read("/proc/cpuinfo")).unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            rustc: first("rustc", "--version"),
            qemu: first("qemu-system-arm", "--version"),
        }
    }

    /// For the head of the table.
    pub fn text(&self) -> String {
        let qemu = if self.qemu.is_empty() { "no QEMU" } else { &self.qemu };
        format!("host: {} ({} CPUs), load {}\n{}; {qemu}", self.cpu, self.cpus, self.load, self.rustc)
    }
}

/// The processor's name in the text of `/proc/cpuinfo`.
fn model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_has_a_name() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t: fpu\n";
        assert_eq!(model(text).as_deref(), Some("Some CPU @ 2 GHz"));
        assert_eq!(model("processor\t: 0\n"), None);
    }
}
