//! What `flotilla run` runs: one machine with an image, or the fleet of a file.

use crate::{args::RunArgs, exit::Failure, show};
use fleet::{
    Fleet,
    config::{Files, Plan},
    image::{Firmware, ImageError},
    record::{self, Header},
};
use fleet_host::{Folder, load, record::Noted};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// A fleet and which of its consoles matter.
pub struct Subject {
    /// The fleet at time zero.
    pub fleet: Fleet,
    /// Which consoles are shown how.
    pub view: View,
    /// For the first line of a recorded session.
    pub header: Header,
    /// Files that were read, or names of images.
    pub inputs: Vec<PathBuf>,
    /// What the fleet was built from.
    pub plan: Plan,
    /// How its consoles are named.
    pub naming: Naming,
}

impl Subject {
    /// The consoles that `--console NAME` would show byte by byte, if it does.
    pub fn console(&self, name: Option<&str>) -> Result<View, Failure> {
        match name {
            None | Some("all") if self.fleet.nodes().len() == 1 => {
                choose(0, &names(&self.fleet, 0), self.naming.usual.as_deref(), name)
            }
            name => self.naming.view(&self.fleet, name),
        }
    }
}

/// How consoles are named, by `--console` and later on.
#[derive(Clone, Debug)]
pub struct Naming {
    /// By their nodes.
    nodes: bool,
    /// The board's usual one.
    usual: Option<String>,
}

impl Naming {
    /// The consoles that a name stands for; `None`: those that are shown unless something else is wanted.
    pub fn view(&self, fleet: &Fleet, name: Option<&str>) -> Result<View, Failure> {
        match name {
            None | Some("all") if self.nodes => Ok(View::Lines),
            Some("none") if self.nodes => Ok(View::Raw { node: 0, shown: vec![], typed: None }),
            Some(name) if self.nodes => of_node(fleet, name),
            name => choose(0, &names(fleet, 0), self.usual.as_deref(), name),
        }
    }
}

/// Names of a node's consoles.
fn names(fleet: &Fleet, node: u32) -> Vec<String> {
    let machine = fleet.nodes().nth(node as usize).map(|n| &n.machine);
    machine.iter().flat_map(|m| &m.bus.fabric.consoles).map(|c| c.name.clone()).collect()
}

/// How consoles are shown.
#[derive(Debug, PartialEq, Eq)]
pub enum View {
    /// Line by line with time and name: all nodes.
    Lines,
    /// Byte by byte: consoles of one node, and the one that takes input.
    Raw {
        /// Which node.
        node: u32,
        /// Consoles by number.
        shown: Vec<u16>,
        /// The one that is typed at.
        typed: Option<u16>,
    },
}

impl View {
    /// Node and console that take input.
    pub fn typed(&self) -> Option<(u32, u16)> {
        match self {
            View::Raw { node, typed, .. } => typed.map(|c| (*node, c)),
            View::Lines => None,
        }
    }
}

/// Builds what the command line names.
pub fn subject(args: &RunArgs) -> Result<Subject, Failure> {
    if Path::new(&args.image).extension().is_some_and(|e| e == "toml") { file(args) } else { single(args) }
}

fn single(args: &RunArgs) -> Result<Subject, Failure> {
    let machine = machine_name(args.machine.as_deref(), &args.image, args.at)?;
    let folder = Folder::of(Path::new(""));
    let noted = Noted::new(&folder);
    let board = load::board_of(machine, &noted)?;
    let naming = Naming { nodes: false, usual: board.info.console.clone() };
    let seed = args.common.seed.unwrap_or(1);
    let firmware = load::firmware_for(&board, &args.image, args.at)?;
    let inputs = [&args.image, machine].map(PathBuf::from).to_vec();
    if args.record.is_some() {
        let _ = noted.image(&args.image); // for its hash: it was read a moment ago
    }
    let mut plan = Plan::single(machine, &args.image, args.at);
    plan.nodes[0].name.clone_from(&board.info.name);
    let fleet = one(board, &firmware, seed, args.common.slice)?;
    let view = naming.view(&fleet, args.console.as_deref())?;
    let (image, machine) = (args.image.clone(), machine.to_string());
    let header = noted.header(record::Subject::Image { image, machine, at: args.at }, seed);
    Ok(Subject { fleet, view, header, inputs, plan, naming })
}

/// A fleet of one board, whose node has its name.
pub fn one(
    board: load::Board,
    firmware: &Arc<Firmware>,
    seed: u64,
    slice: Option<u64>,
) -> Result<Fleet, Failure> {
    let name = board.info.name.clone();
    Ok(load::fleet(seed, slice, vec![load::node(0, &name, board, firmware, seed)?]))
}

fn file(args: &RunArgs) -> Result<Subject, Failure> {
    if args.machine.is_some() || args.at.is_some() {
        return Err(Failure::usage(
            "a fleet file says itself which machines and images: no --machine, no --at",
        ));
    }
    let path = Path::new(&args.image);
    let (text, folder) = (load::text(path)?, Folder::of(path).telling(show::building()));
    let noted = Noted::new(&folder);
    let files: &dyn Files = if args.record.is_some() { &noted } else { &folder };
    let loaded = fleet::config::load(&args.image, &text, args.common.seed, files);
    let (mut fleet, plan) = loaded.map_err(|e| Failure::input(e.to_string()))?;
    fleet.slice = args.common.slice.unwrap_or(u64::MAX);
    let naming = Naming { nodes: true, usual: None };
    let view = naming.view(&fleet, args.console.as_deref())?;
    let subject = record::Subject::Fleet { file: args.image.clone(), text };
    let header = noted.header(subject, fleet.seed());
    let mut inputs = folder.named();
    inputs.push(path.into());
    Ok(Subject { fleet, view, header, inputs, plan, naming })
}

/// `NODE` or `NODE.CONSOLE`; a node's name may contain dots itself.
fn of_node(fleet: &Fleet, name: &str) -> Result<View, Failure> {
    let (node, console) = match (fleet.find(name), name.rsplit_once('.')) {
        (Some(node), _) => (Some(node), None),
        (None, Some((node, console))) => (fleet.find(node), Some(console)),
        (None, None) => (None, None),
    };
    let Some(node) = node else {
        let names: Vec<_> = fleet.nodes().map(|n| &n.name[..]).collect();
        let known = || format!("there are: {}", names[..names.len().min(20)].join(", "));
        let help = load::nearest(name, names.iter().copied()).unwrap_or_else(known);
        return Err(Failure::input(format!("no node is called `{name}`; {help}")));
    };
    choose(node, &names(fleet, node), None, console)
}

/// The machine that is asked for, or the image's usual one.
pub fn machine_name<'a>(machine: Option<&'a str>, image: &str, at: Option<u64>) -> Result<&'a str, Failure> {
    machine.or_else(|| load::usual_machine(image)).ok_or_else(|| {
        // A name that is wrong is the image's problem, not the machine's.
        match load::firmware(image, at) {
            Err(e) if !matches!(e, load::InputError::Image(ImageError::OtherBoards { .. })) => e.into(),
            _ => Failure::usage("an image from a file needs --machine NAME (see `flotilla machines`)"),
        }
    })
}

/// Which consoles of `node` to show, and at which to type.
fn choose(node: u32, names: &[String], usual: Option<&str>, wanted: Option<&str>) -> Result<View, Failure> {
    let number = |name: &str| {
        let by_number = || name.parse().ok().filter(|i| *i < names.len());
        names.iter().position(|n| n == name).or_else(by_number).map(|i| i as u16)
    };
    let usual = usual.and_then(number).or((!names.is_empty()).then_some(0));
    let (shown, typed) = match wanted {
        None => {
            let semihost = number("semihost").filter(|n| Some(*n) != usual);
            (usual.into_iter().chain(semihost).collect(), usual)
        }
        Some("none") => (vec![], None),
        Some("all") => ((0..names.len() as u16).collect(), usual),
        Some(name) => match number(name) {
            Some(n) => (vec![n], Some(n)),
            None => {
                let known = names.join(", ");
                return Err(Failure::input(format!(
                    "no console is called `{name}`; there are: {known}, none, all"
                )));
            }
        },
    };
    Ok(View::Raw { node, shown, typed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(wanted: Option<&str>) -> Option<(Vec<u16>, Option<u16>)> {
        let names = ["uart0", "uart1", "semihost"].map(String::from);
        match choose(3, &names, Some("uart1"), wanted).ok()? {
            View::Raw { node: 3, shown, typed } => Some((shown, typed)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn consoles_by_name() {
        assert_eq!(chosen(None), Some((vec![1, 2], Some(1))));
        assert_eq!(chosen(Some("uart0")), Some((vec![0], Some(0))));
        assert_eq!(chosen(Some("none")), Some((vec![], None)));
        assert_eq!(chosen(Some("all")), Some((vec![0, 1, 2], Some(1))));
        assert_eq!((chosen(Some("1")), chosen(Some("3"))), (Some((vec![1], Some(1))), None));
        assert_eq!(chosen(Some("uart9")), None);
    }
}
