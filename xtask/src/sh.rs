//! Running other programs, with errors that say what was run and what it said.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The root of the clone.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the clone").to_path_buf()
}

/// The cargo that started us.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The same command, with the signals that end a program as they are by default: a shell's background job, `nohup`, and so
/// many a CI runner start us with some of them ignored, and a program goes on ignoring those.
pub fn heeding_signals(command: Command) -> Command {
    let mut heeding = Command::new("env");
    heeding.arg("--default-signal=HUP,INT,QUIT,TERM").arg(command.get_program()).args(command.get_args());
    heeding.current_dir(root());
    heeding
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn spawned(command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run `{}`: {error}", shown(command)).into())
}

/// Runs a program silently and gives all it printed, even if it failed.
pub fn attempt(command: &mut Command) -> Result<(bool, String)> {
    let output = spawned(command)?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

/// Runs a program silently and gives its standard output; if it fails, the error holds the end of what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let output = spawned(command)?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{}` failed ({}):\n{}", shown(command), output.status, tail(&(stdout + &stderr), 25)).into())
}

/// As [`output`], for a program whose output nobody needs.
pub fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Runs a program in view of the user.
pub fn show(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status();
    match status.map_err(|error| format!("cannot run `{}`: {error}", shown(command)))? {
        status if status.success() => Ok(()),
        status => Err(format!("`{}` failed ({status})", shown(command)).into()),
    }
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_was_run_and_what_it_said() {
        let error = run(Command::new("sh").args(["-c", "echo no luck >&2; exit 3"])).unwrap_err().to_string();
        assert!(
            error.contains("no luck") && error.contains("exit 3") && error.contains("status: 3"),
            "{error}"
        );
    }

    #[test]
    fn an_absent_program_is_named() {
        let error = run(&mut Command::new("no-such-program")).unwrap_err().to_string();
        assert!(error.starts_with("cannot run `no-such-program`"), "{error}");
    }

    #[test]
    fn only_the_end_of_a_long_text_is_kept() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }
}
