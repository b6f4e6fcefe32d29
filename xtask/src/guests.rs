//! Our own guest programs in C: one folder each in images/guests, with a Makefile that knows the targets `all` and `clean`
//! and puts its ELF files into OUT. FREERTOS is the folder of the FreeRTOS kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use images::{Origin, build_dir, catalogue, guests_dir};

use crate::fetch;
use crate::sh::{self, Result};

/// The compiler that built the committed ELF files; another gives other bytes.
const COMPILER: &str = "12.2.1";

/// Builds all guests into images/build.
pub fn build() -> Result<()> {
    compiler()?;
    let freertos = freertos()?;
    for guest in guests(&guests_dir())? {
        make(&guest, &build_dir(), freertos.as_deref())?;
    }
    let built = catalogue().iter().filter(|image| matches!(image.from, Origin::Guest { .. }));
    match built.map(images::Image::path).find(|path| !path.is_file()) {
        Some(path) => Err(format!("no Makefile in images/guests built {}", path.display()).into()),
        None => Ok(()),
    }
}

/// Builds the guests whose ELF files are committed and compares, byte for byte.
pub fn check() -> Result<()> {
    let version = compiler()?;
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
        make(&guest, &out, None)?;
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
    let hint =
        if version == COMPILER { "commit what `make` gives" } else { "they were built by another compiler" };
    Err(format!("{}: not what arm-none-eabi-gcc {version} builds: {hint} ({COMPILER})", differ.join(", "))
        .into())
}

fn compiler() -> Result<String> {
    let version = sh::output(Command::new("arm-none-eabi-gcc").arg("-dumpfullversion"));
    let version = version.map_err(|error| format!("{error}: run `cargo xtask setup`"))?;
    Ok(version.trim().to_owned())
}

/// The kernel's folder, if any guest in the catalogue is built from it.
fn freertos() -> Result<Option<PathBuf>> {
    let wanted = catalogue().iter().find_map(|image| match &image.from {
        Origin::Guest { source, .. } => source.as_deref(),
        _ => None,
    });
    wanted.map(|name| Ok(std::path::absolute(fetch::source_named(name)?)?)).transpose()
}

fn make(guest: &Path, out: &Path, freertos: Option<&Path>) -> Result<()> {
    fs::create_dir_all(out)?;
    let mut make = Command::new("make");
    make.env_remove("MAKEFLAGS").env_remove("MFLAGS");
    make.current_dir(guest).arg("all").arg(format!("OUT={}", std::path::absolute(out)?.display()));
    if let Some(freertos) = freertos {
        make.arg(format!("FREERTOS={}", freertos.display()));
    }
    sh::run(&mut make)
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
