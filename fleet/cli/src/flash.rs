//! `--flash`: files that stand for the flash of nodes.

use crate::{args::RunArgs, exit::Failure};
use fleet::Fleet;
use fleet_host::flash::{Flash, possible};
use std::path::{Path, PathBuf};

/// Which node's flash is in which file.
pub type Chips = Vec<(u32, PathBuf)>;

/// What the command line says. With one node alone, all that does not begin with its name is a file.
pub fn named(args: &RunArgs, fleet: &Fleet) -> Result<Chips, Failure> {
    let names: Vec<_> = fleet.nodes().map(|n| &n.name[..]).collect();
    let chip = |text: &String| {
        let half = text.split_once('=').and_then(|(name, file)| Some((fleet.find(name)?, file)));
        let (node, file) = match (half, &names[..]) {
            (Some(half), _) => half,
            (None, [_]) => (0, &text[..]),
            (None, _) => return Err(Failure::usage(which(text, &names))),
        };
        if file.is_empty() {
            return Err(Failure::usage("--flash wants a file"));
        }
        Ok((node, PathBuf::from(file)))
    };
    let mut chips: Chips = vec![];
    for text in &args.flash {
        let (node, file) = chip(text)?;
        if chips.iter().any(|(other, _)| *other == node) {
            return Err(Failure::usage(format!("--flash {text}: the node has a file already")));
        }
        if let Some(found) = fleet.nodes().nth(node as usize) {
            possible(&file, found)?;
        }
        chips.push((node, file));
    }
    Ok(chips)
}

fn which(text: &str, names: &[&str]) -> String {
    match text.split_once('=') {
        None => format!("--flash of which node? Say --flash NODE={text}"),
        Some((name, _)) => {
            let known = &names[..names.len().min(20)];
            format!("--flash: no node is called `{name}`; there are: {}", known.join(", "))
        }
    }
}

/// Files that are to be written.
pub fn files(chips: &Chips) -> impl Iterator<Item = (&'static str, Option<&Path>)> {
    chips.iter().map(|(_, path)| ("--flash", Some(path.as_path())))
}

/// Reads them.
pub fn open(chips: &Chips, fleet: &mut Fleet) -> Result<Vec<Flash>, Failure> {
    chips.iter().map(|(node, path)| Ok(Flash::open(path, fleet, *node)?)).collect()
}

/// Writes them, all that can be.
pub fn save(chips: Vec<Flash>, fleet: &Fleet) -> Result<(), Failure> {
    let saved: Vec<_> = chips.into_iter().map(|mut chip| chip.save(fleet)).collect();
    saved.into_iter().collect::<Result<_, _>>().map_err(|e| Failure::input(format!("{e}; it is as it was")))
}
