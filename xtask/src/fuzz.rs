//! `cargo xtask fuzz`: the targets of `fleet/fuzz` under libFuzzer, guided by coverage, in turn.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sh::{self, Result};

/// An input over which so many seconds pass is a finding.
const HANG: u32 = 20;
/// So is one that takes so many megabytes.
const MEMORY: u32 = 3000;
/// Longest input.
const LONGEST: u32 = 400_000;
/// Words beyond this are no words.
const WORD: std::ops::RangeInclusive<usize> = 3..=32;

/// Builds the targets and runs one or each of them for so many minutes.
pub fn run(target: Option<&str>, minutes: u32) -> Result<()> {
    let folder = sh::root().join("fleet/fuzz");
    let known = targets(&folder)?;
    let chosen: Vec<_> = known.iter().filter(|t| target.is_none_or(|wanted| wanted == **t)).collect();
    if chosen.is_empty() {
        return Err(format!("there is no such target; there are {}", known.join(", ")).into());
    }
    build(target)?;
    let mut failed = Vec::new();
    for name in chosen {
        eprintln!("fuzz: {name} for {minutes} minutes");
        if let Err(error) = fuzz(&folder, name, minutes) {
            eprintln!("fuzz: {name}: {error}");
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let where_ = "the input is in fleet/fuzz/artifacts; `cargo fuzz tmin` makes it small";
    Err(format!("{} found something: {where_}", failed.join(", ")).into())
}

/// Names of the targets.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let files = std::fs::read_dir(folder.join("fuzz_targets"))?;
    let mut names = Vec::new();
    for file in files {
        names.extend(file?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// cargo-fuzz on `fleet/fuzz`. No sanitizer: that takes a nightly compiler, and coverage does not.
fn cargo_fuzz(task: &str) -> Command {
    let mut command = sh::cargo();
    command.args(["fuzz", task, "--fuzz-dir", "fleet/fuzz", "--sanitizer", "none"]);
    command
}

fn build(target: Option<&str>) -> Result<()> {
    let (installed, _) = sh::attempt(sh::cargo().args(["fuzz", "--help"]))?;
    if !installed {
        return Err("cargo-fuzz is missing: cargo install cargo-fuzz".into());
    }
    eprintln!("fuzz: building");
    sh::run(cargo_fuzz("build").args(target)).map_err(|error| {
        format!("{error}\nlibFuzzer is compiled with a C++ compiler (on Debian: g++); the targets with any compiler of Rust").into()
    })
}

fn fuzz(folder: &Path, name: &str, minutes: u32) -> Result<()> {
    let corpus = folder.join("corpus").join(name);
    std::fs::create_dir_all(&corpus)?;
    let seeds = seeds(folder, name)?;
    let mut command = cargo_fuzz("run");
    command.arg(name).arg(&corpus).args(&seeds).args([
        "--".to_string(),
        format!("-max_total_time={}", 60 * minutes),
        format!("-timeout={HANG}"),
        format!("-rss_limit_mb={MEMORY}"),
        format!("-max_len={LONGEST}"),
        "-print_final_stats=1".to_string(),
    ]);
    let words = dictionary(&seeds)?;
    // libFuzzer takes no empty one.
    if !words.is_empty() {
        let file = folder.join("corpus").join(format!("{name}.words"));
        std::fs::write(&file, words)?;
        command.arg(format!("-dict={}", file.display()));
    }
    sh::show(&mut command)
}

/// Folders of files to begin with.
fn seeds(folder: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let shipped = std::fs::read_to_string(folder.join("seeds/shipped.txt"))?;
    let shipped = shipped.lines().filter_map(|line| line.split_once(' ')).filter(|line| line.0 == name);
    let own = folder.join("seeds").join(name);
    Ok(shipped.map(|line| sh::root().join(line.1)).chain(own.is_dir().then_some(own)).collect())
}

/// The words of the seeds that are text, as libFuzzer wants them.
fn dictionary(seeds: &[PathBuf]) -> Result<String> {
    let mut words = BTreeSet::new();
    for folder in seeds {
        for file in std::fs::read_dir(folder)? {
            let path = file?.path();
            let Some(text) = path.is_file().then(|| std::fs::read(&path)).transpose()? else { continue };
            let Ok(text) = String::from_utf8(text) else { continue };
            let all = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
            words.extend(all.filter(|word| WORD.contains(&word.len())).map(|word| format!("\"{word}\"\n")));
        }
    }
    Ok(words.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds_and_text_gives_words() {
        let folder = sh::root().join("fleet/fuzz");
        let known = targets(&folder).unwrap();
        assert!(known.contains(&"board".into()) && known.len() >= 8, "{known:?}");
        let seeds = seeds(&folder, "board").unwrap();
        assert_eq!(seeds.len(), 3);
        let words = dictionary(&seeds).unwrap();
        assert!(words.contains("\"alias_of\"\n") && words.contains("\"cortex-m0\"\n"), "{words}");
    }
}
