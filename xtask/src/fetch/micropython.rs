//! MicroPython's QEMU port, built from Debian's source by make variables alone. Boards it lacks are our own board files,
//! kept outside its tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use images::Libc;

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
        (cross, libc): (&str, Libc),
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
        let mut variables = variables.to_vec();
        if let Some(other) = library(cross, libc)? {
            // What was built with the other library at hand may have that one.
            stamp += &format!("{other}\n");
            variables.push(other);
        }
        let port = std::path::absolute(tree.join("ports/qemu"))?;
        Ok(Recipe { port, board: board.to_owned(), board_dir, variables, stamp })
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

/// The port takes picolibc wherever the compiler finds it. The make variable that keeps it from doing so, if there is need.
fn library(cross: &str, libc: Libc) -> Result<Option<String>> {
    const SPECS: &str = "picolibc.specs";
    let found = sh::output(Command::new(format!("{cross}gcc")).arg(format!("--print-file-name={SPECS}")))?;
    match (libc, found.trim() != SPECS) {
        (Libc::Picolibc, true) | (Libc::Newlib, false) => Ok(None),
        (Libc::Newlib, true) => Ok(Some(format!("PICOLIBC_SPECS={SPECS}"))),
        (Libc::Picolibc, false) => {
            Err(format!("{cross}gcc does not find picolibc: run `cargo xtask setup`").into())
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A compiler that finds picolibc, or not.
    fn compiler(name: &str, finds: &str) -> String {
        let folder = std::env::temp_dir().join(format!("xtask-recipe-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let script = format!("#!/bin/sh\ncase $1 in --version) echo gcc 1;; *) echo {finds};; esac\n");
        let path = folder.join("x-gcc");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        folder.join("x-").display().to_string()
    }

    #[test]
    fn mend_a_recipe_has_the_c_library_that_it_names() {
        let (with, without) =
            (compiler("with", "/usr/lib/picolibc/picolibc.specs"), compiler("without", "picolibc.specs"));
        let recipe = |cross: &str, libc| Recipe::new(Path::new("tree"), "B", false, (cross, libc), &[]);
        let (plain, kept_out) =
            (recipe(&without, Libc::Newlib).unwrap(), recipe(&with, Libc::Newlib).unwrap());
        assert_eq!(plain.variables, [""; 0]);
        assert_eq!(kept_out.variables, ["PICOLIBC_SPECS=picolibc.specs"]);
        assert_ne!(plain.stamp, kept_out.stamp, "an image that has the other library is built anew");
        assert_eq!(recipe(&with, Libc::Picolibc).unwrap().variables, [""; 0]);
        let error = recipe(&without, Libc::Picolibc).err().expect("it is not there").to_string();
        assert!(error.contains("does not find picolibc: run `cargo xtask setup`"), "{error}");
        for cross in [with, without] {
            fs::remove_dir_all(Path::new(&cross).parent().unwrap()).unwrap();
        }
    }
}
