//! Our own guest programs in C: one folder each in images/guests, with a Makefile that knows the targets `all` and `clean`
//! and puts its ELF files into OUT. Source trees that nobody here wrote come by the variables that the catalogue gives them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use images::{Origin, build_dir, catalogue, guests_dir};

use crate::fetch;
use crate::sh::{self, Result};

/// The compilers that built the committed ELF files; others give other bytes.
const COMPILERS: [(&str, &str); 2] = [("arm-none-eabi-gcc", "12.2.1"), ("riscv64-unknown-elf-gcc", "12.2.0")];

/// Builds all guests into images/build.
pub fn build() -> Result<()> {
    compilers()?;
    let trees = trees()?;
    for guest in guests(&guests_dir())? {
        make(&guest, &build_dir(), &trees)?;
    }
    let built = catalogue().iter().filter(|image| matches!(image.from, Origin::Guest { .. }));
    match built.map(images::Image::path).find(|path| !path.is_file()) {
        Some(path) => Err(format!("no Makefile in images/guests built {}", path.display()).into()),
        None => Ok(()),
    }
}

/// Builds the guests whose ELF files are committed and compares, byte for byte.
pub fn check() -> Result<()> {
    let here = compilers()?;
    let out = build_dir().join("check");
    let mut differ = Vec::new();
    for guest in guests(&guests_dir())? {
        let committed = elves(&guest)?;
        if committed.is_empty() {
            continue;
        }
        let out = out.join(guest.file_name().unwrap_or_default());
        if out.exists() {
            fs::remove_dir_all(&out)?;
        }
        make(&guest, &out, &[])?;
        for elf in committed {
            let fresh = fs::read(out.join(elf.file_name().unwrap_or_default())).ok();
            if fresh != Some(fs::read(&elf)?) {
                differ.push(elf.display().to_string());
            }
        }
    }
    if differ.is_empty() {
        eprintln!("guests: a fresh build gives the committed files");
        return Ok(());
    }
    let hint = match here.iter().zip(COMPILERS).find(|(here, (_, version))| here != version) {
        None => "commit what `make` gives".to_owned(),
        Some((here, (name, version))) => format!("{name} {version} built them, here is {here}"),
    };
    Err(format!("{}: not what a fresh build gives: {hint}", differ.join(", ")).into())
}

/// The versions of [`COMPILERS`] that are installed.
fn compilers() -> Result<Vec<String>> {
    let version = |(name, _): (&str, &str)| {
        let version = sh::output(Command::new(name).arg("-dumpfullversion"));
        let version = version.map_err(|error| format!("{error}: run `cargo xtask setup`"))?;
        Ok(version.trim().to_owned())
    };
    COMPILERS.into_iter().map(version).collect()
}

/// `VARIABLE=folder` for each source tree that guests in the catalogue are built from.
fn trees() -> Result<Vec<String>> {
    let mut names: Vec<&str> = Vec::new();
    for image in catalogue() {
        if let Origin::Guest { sources, .. } = &image.from {
            names.extend(sources.iter().map(String::as_str));
        }
    }
    names.sort_unstable();
    names.dedup();
    let argument = |name: &str| {
        let variable = images::source(name).and_then(|tree| tree.variable.as_deref());
        let variable =
            variable.ok_or_else(|| format!("the catalogue's source `{name}` has no `variable`"))?;
        let folder = std::path::absolute(fetch::source_named(name)?)?;
        Ok(format!("{variable}={}", folder.display()))
    };
    names.into_iter().map(argument).collect()
}

/// `arguments` are make variables.
fn make(guest: &Path, out: &Path, arguments: &[String]) -> Result<()> {
    fs::create_dir_all(out)?;
    let mut make = Command::new("make");
    make.env_remove("MAKEFLAGS").env_remove("MFLAGS");
    make.current_dir(guest).arg("all").arg(format!("OUT={}", std::path::absolute(out)?.display()));
    sh::run(make.args(arguments))
}

/// The folders with a Makefile, in alphabetical order.
fn guests(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| path.join("Makefile").is_file());
    found.sort();
    Ok(found)
}

/// The ELF files that lie beside the sources.
fn elves(guest: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = fs::read_dir(guest)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "elf"));
    found.sort();
    Ok(found)
}
