//! MicroPython's QEMU port, built from Debian's source by make variables alone. Boards it lacks are our own board files,
//! kept outside its tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sh::{self, Result};

/// How one board's firmware is built.
pub struct Recipe {
    port: PathBuf,
    board: String,
    board_dir: Option<PathBuf>,
    /// Make variables of the image's own.
    variables: Vec<String>,
    stamp: String,
}

impl Recipe {
    /// `cross` is the beginning of the compiler's name.
    pub fn new(
        tree: &Path,
        board: &str,
        own_board: bool,
        cross: &str,
        variables: &[String],
    ) -> Result<Recipe> {
        let recipes = sh::root().join("images/recipes/micropython");
        let board_dir = own_board.then(|| recipes.join(board));
        let compiler = sh::output(Command::new(format!("{cross}gcc")).arg("--version"))?;
        let mut stamp = format!("{}\n{}\n", compiler.lines().next().unwrap_or_default(), tree.display());
        for variable in variables {
            stamp += &format!("{variable}\n");
        }
        if let Some(folder) = &board_dir {
            stamp += &files_digest(folder)?;
            stamp += &files_digest(&recipes)?;
        }
        let port = std::path::absolute(tree.join("ports/qemu"))?;
        Ok(Recipe { port, board: board.to_owned(), board_dir, variables: variables.to_vec(), stamp })
    }

    /// Whether `firmware` was built by this very recipe.
    pub fn is_done(&self, firmware: &Path) -> bool {
        firmware.is_file() && fs::read_to_string(stamp_file(firmware)).is_ok_and(|stamp| stamp == self.stamp)
    }

    pub fn build(&self, firmware: &Path) -> Result<()> {
        let folder = std::path::absolute(firmware.parent().ok_or("an image lies in a folder")?)?;
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let build = folder.join("build");
        fs::create_dir_all(&build)?;
        let mut make = Command::new("make");
        // Make variables of a make that called us would change the build.
        make.env_remove("MAKEFLAGS").env_remove("MFLAGS");
        make.current_dir(&self.port).arg(format!("-j{}", std::thread::available_parallelism()?));
        make.arg(format!("BOARD={}", self.board))
            .arg(format!("BUILD={}", build.display()))
            .arg("FROZEN_MANIFEST=")
            .args(&self.variables);
        if let Some(board_dir) = &self.board_dir {
            make.arg(format!("BOARD_DIR={}", board_dir.display()));
        }
        sh::run(&mut make)?;
        fs::rename(build.join("firmware.elf"), firmware)?;
        fs::remove_dir_all(&build)?;
        Ok(fs::write(stamp_file(firmware), &self.stamp)?)
    }
}

fn stamp_file(firmware: &Path) -> PathBuf {
    firmware.with_extension("stamp")
}

/// A line per file of `folder` (not below it) with its SHA-256.
fn files_digest(folder: &Path) -> Result<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry?.path();
        if path.is_file() {
            lines.push(format!("{} {}\n", images::sha256(&fs::read(&path)?), path.display()));
        }
    }
    lines.sort();
    Ok(lines.concat())
}
