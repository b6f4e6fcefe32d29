//! `cargo xtask tidy`: rules that neither the compiler nor clippy knows. Each check gives its complaints as lines.

mod edges;
mod text;

use std::path::Path;
use std::process::Command;

use crate::sh::{self, Result};

/// Checks every rule on the files that git tracks or would track.
pub fn run() -> Result<()> {
    let root = sh::root();
    let mut complaints =
        edges::check(&sh::output(sh::cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?)?;
    let mut git = Command::new("git");
    let listed = sh::output(git.current_dir(&root).args([
        // The clone may belong to another user, as in a container.
        "-c",
        "safe.directory=*",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]))?;
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        // A file that git knows may be deleted already.
        if let Ok(bytes) = std::fs::read(root.join(name)) {
            complaints.extend(text::check(name, &bytes));
        }
    }
    complaints.extend(licences(&root));
    if complaints.is_empty() {
        eprintln!("tidy: nothing to complain about");
        return Ok(());
    }
    Err(format!("not tidy:\n{}", complaints.join("\n")).into())
}

fn licences(root: &Path) -> Vec<String> {
    let files = ["LICENSE-MIT", "LICENSE-APACHE"];
    files.iter().filter(|file| !root.join(file).is_file()).map(|file| format!("{file}: missing")).collect()
}
