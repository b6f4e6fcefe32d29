//! The source of a published crate, through cargo itself: a project of one dependency, fetched but never built.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::sh::{self, Result};

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    manifest_path: PathBuf,
}

/// Where cargo unpacked `package` at `version`, once its checksum (the SHA-256 of its archive) is the pinned one.
pub fn crate_source(package: &str, version: &str, pin: &str, work: &Path) -> Result<PathBuf> {
    fs::create_dir_all(work.join("src"))?;
    fs::write(work.join("src/lib.rs"), "")?;
    fs::write(work.join("Cargo.toml"), manifest(package, version))?;
    let cargo = |words: &[&str]| sh::output(sh::cargo().current_dir(work).args(words));
    if let Err(error) = cargo(&["fetch", "--quiet"]) {
        let said = error.to_string();
        let gone = said.contains("failed to select a version") || said.contains("no matching package");
        let what = if gone { "is gone from the crate registry" } else { "could not be fetched" };
        return Err(format!("the pin {package} {version} {what}\n{said}").into());
    }
    let found = checksum(&fs::read_to_string(work.join("Cargo.lock"))?, package, version)?;
    if found != pin {
        let message = format!("checksum is {found}, images/catalogue.toml says {pin}");
        return Err(format!("the pin of {package} {version} is gone: {message}").into());
    }
    let metadata: Metadata =
        serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--locked"])?)?;
    let found = metadata.packages.into_iter().find(|found| found.name == package && found.version == version);
    let manifest = found.ok_or("cargo metadata does not know what it fetched")?.manifest_path;
    Ok(manifest.parent().ok_or("a manifest lies in a folder")?.to_path_buf())
}

/// The empty `[workspace]` keeps cargo from looking for one in the folders above.
fn manifest(package: &str, version: &str) -> String {
    format!(
        "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\n{package} = \"={version}\"\n\n[workspace]\n"
    )
}

fn checksum(lock: &str, package: &str, version: &str) -> Result<String> {
    let lock: Lock = toml_edit::de::from_str(lock)?;
    let found = lock.package.into_iter().find(|found| found.name == package && found.version == version);
    found
        .and_then(|found| found.checksum)
        .ok_or_else(|| format!("no checksum for {package} {version}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_read_from_the_lock_file() {
        let lock = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
                    [[package]]\nname = \"b\"\nversion = \"2.0.0\"\nsource = \"s\"\nchecksum = \"beef\"\n";
        assert_eq!(checksum(lock, "b", "2.0.0").unwrap(), "beef");
        assert!(checksum(lock, "a", "1.0.0").is_err());
        assert!(checksum(lock, "b", "2.0.1").is_err());
    }
}
