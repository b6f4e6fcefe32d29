//! Files of Python wheels.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sh::{self, Result};

/// Downloads the wheel `file` of `package` at `version` into `folder`.
pub fn wheel(package: &str, version: &str, file: &str, folder: &Path) -> Result<PathBuf> {
    let pin = format!("{package}=={version}");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"]);
    let (done, said) = sh::attempt(pip.args(["--only-binary", ":all:", "--dest"]).arg(folder).arg(&pin))?;
    let path = folder.join(file);
    match done {
        true if path.is_file() => Ok(path),
        true => Err(format!("the pin {pin} is gone: PyPI has it, but no {file}").into()),
        false if said.contains("No matching distribution") => {
            Err(format!("the pin {pin} is gone from PyPI; choose another in images/catalogue.toml\n{said}")
                .into())
        }
        false => Err(format!("pip could not get {pin}:\n{said}").into()),
    }
}

/// Unpacks a wheel, which is a ZIP archive.
pub fn unpack(wheel: &Path, to: &Path) -> Result<()> {
    sh::run(Command::new("python3").args(["-m", "zipfile", "-e"]).args([wheel, to]))
}
