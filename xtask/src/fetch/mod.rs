//! Puts the catalogue's images into the cache folder: fetched by name from package registries through their own clients,
//! checked against the pinned SHA-256, or built from sources that are.

mod apt;
mod crates;
mod micropython;
mod pypi;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use images::{Image, Origin, Pinned, SourceTree, TreeOrigin, cache_dir, catalogue};
use indicatif::{ProgressBar, ProgressStyle};

use crate::sh::Result;

/// Brings the named images, or all of them with the sources that tests need. One that fails does not keep the others away.
pub fn images(names: &[String]) -> Result<()> {
    let wanted: Vec<&Image> = match names {
        [] => catalogue().iter().collect(),
        names => names.iter().map(|name| images::find(name)).collect::<std::result::Result<_, _>>()?,
    };
    let mut failures = Vec::new();
    {
        let _lock = lock()?;
        failures.extend(wanted.iter().filter_map(|image| bring(image).err()));
        if names.is_empty() {
            failures.extend(images::sources().iter().filter_map(|tree| source(tree).err()));
        }
    }
    if wanted.iter().any(|image| matches!(image.from, Origin::Guest { .. })) {
        failures.extend(crate::guests::build().err());
    }
    let failures: Vec<String> = failures.into_iter().map(|error| error.to_string()).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\nerror: ").into()) }
}

/// Brings one source tree and gives its folder.
pub fn source_named(name: &str) -> Result<PathBuf> {
    let _lock = lock()?;
    source(images::source(name).ok_or_else(|| format!("the catalogue has no source `{name}`"))?)
}

/// One fetcher at a time works in the cache folder.
fn lock() -> Result<File> {
    fs::create_dir_all(cache_dir())?;
    let file = File::create(cache_dir().join(".lock"))?;
    file.lock()?;
    Ok(file)
}

fn bring(image: &Image) -> Result<()> {
    let say = |error| format!("{}: {error}", image.name);
    match &image.from {
        Origin::Shipped { .. } | Origin::Guest { .. } => Ok(()),
        Origin::Debian { .. } | Origin::Pypi { .. } if image.load().is_ok() => Ok(()),
        Origin::Debian { package, version, sha256, member, .. } => step(&image.name, &image.from, |work| {
            let deb = apt::binary(package, version, work)?;
            verify(&deb, sha256)?;
            apt::unpack_binary(&deb, &work.join("tree"))?;
            place(image, &work.join("tree").join(member))
        })
        .map_err(say),
        Origin::Pypi { package, version, file, sha256, member } => step(&image.name, &image.from, |work| {
            let wheel = pypi::wheel(package, version, file, work)?;
            verify(&wheel, sha256)?;
            pypi::unpack(&wheel, &work.join("tree"))?;
            place(image, &work.join("tree").join(member))
        })
        .map_err(say),
        Origin::Micropython { source: tree, board, own_board, cross, libc, variables } => {
            let tree =
                source(images::source(tree).ok_or_else(|| format!("the catalogue has no source `{tree}`"))?)?;
            let recipe = micropython::Recipe::new(&tree, board, *own_board, (cross, *libc), variables)?;
            if recipe.is_done(&image.path()) {
                return Ok(());
            }
            step(&image.name, &image.from, |_| recipe.build(&image.path())).map_err(say)
        }
    }
    .map_err(Into::into)
}

fn source(tree: &SourceTree) -> Result<PathBuf> {
    let folder = cache_dir().join(&tree.folder);
    if folder.is_dir() {
        return Ok(folder);
    }
    let origin = match &tree.from {
        TreeOrigin::DebianSource { package, version, suite, .. } => {
            format!("Debian {suite} source {package} {version}")
        }
        TreeOrigin::Crate { package, version, .. } => format!("crate {package} {version}"),
        TreeOrigin::Pypi { package, version, .. } => format!("PyPI {package} {version}"),
    };
    let fill = |work: &Path| match &tree.from {
        TreeOrigin::DebianSource { package, version, files, .. } => {
            apt::source(package, version, work)?;
            files.iter().try_for_each(|Pinned { name, sha256 }| verify(&work.join(name), sha256))?;
            apt::unpack_source(work, &files[0].name, &work.join("tree"))?;
            Ok(fs::rename(work.join("tree"), &folder)?)
        }
        TreeOrigin::Crate { package, version, sha256, folder: part } => {
            let unpacked = crates::crate_source(package, version, sha256, work)?;
            copy_tree(&unpacked.join(part), &work.join("tree"))?;
            Ok(fs::rename(work.join("tree"), &folder)?)
        }
        TreeOrigin::Pypi { package, version, file, sha256 } => {
            let wheel = pypi::wheel(package, version, file, work)?;
            verify(&wheel, sha256)?;
            pypi::unpack(&wheel, &work.join("tree"))?;
            Ok(fs::rename(work.join("tree"), &folder)?)
        }
    };
    step(&tree.name, &origin, fill).map_err(|error| format!("{}: {error}", tree.name))?;
    Ok(folder)
}

/// Does `work` in a folder of its own, which is removed afterwards, while a terminal shows what is going on.
fn step(name: &str, origin: &dyn std::fmt::Display, work: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = cache_dir().join("tmp").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let bar =
        ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {msg} ({elapsed})")?);
    bar.set_message(format!("{name}: {origin}"));
    bar.enable_steady_tick(Duration::from_millis(120));
    let outcome = work(&folder);
    bar.finish_and_clear();
    fs::remove_dir_all(&folder)?;
    eprintln!("{name}: {origin}: {}", if outcome.is_ok() { "ok" } else { "failed" });
    outcome
}

fn verify(file: &Path, pin: &str) -> Result<()> {
    let bytes = fs::read(file).map_err(|error| format!("{} did not arrive: {error}", file.display()))?;
    let found = images::sha256(&bytes);
    if found == pin {
        return Ok(());
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Err(format!("the pin of {name} is gone: SHA-256 is {found}, images/catalogue.toml says {pin}").into())
}

fn place(image: &Image, found: &Path) -> Result<()> {
    if let Some(pin) = &image.sha256 {
        verify(found, pin)?;
    }
    let to = image.path();
    fs::create_dir_all(to.parent().ok_or("an image lies in a folder")?)?;
    Ok(fs::rename(found, to)?)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_the_pinned_one_is_named() {
        let path = std::env::temp_dir().join(format!("xtask-verify-{}.deb", std::process::id()));
        fs::write(&path, b"x").unwrap();
        assert!(verify(&path, &images::sha256(b"x")).is_ok());
        let error = verify(&path, &images::sha256(b"y")).unwrap_err().to_string();
        assert!(error.starts_with("the pin of xtask-verify-") && error.contains("is gone"), "{error}");
        fs::remove_file(&path).unwrap();
        assert!(verify(&path, "").unwrap_err().to_string().contains("did not arrive"));
    }
}
