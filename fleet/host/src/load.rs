//! Images and machines by name or path.

use crate::usage;
use devices::{board, source::Diagnostics};
use fleet::{
    Fleet, Node,
    config::Files,
    image::{Firmware, ImageError},
    machines,
};
use netsim::RadioConfig;
use std::{
    cell::{Cell, RefCell},
    path::{Path, PathBuf},
    sync::Arc,
};

pub use devices::{board::Board, registry, source::nearest};

/// No image is larger: it would not fit a machine.
const MAX_IMAGE: u64 = 256 << 20;

/// Why something that a person named cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// No machine has that name.
    #[error("{0}")]
    UnknownMachine(String),
    /// A board file is wrong.
    #[error("{0}")]
    Board(#[from] Diagnostics),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is too large to be what it should be.
    #[error("{path}: {size} bytes are too many")]
    Huge {
        /// Which.
        path: String,
        /// Its size.
        size: u64,
    },
    /// The image is neither a file nor in the catalogue, or not there yet.
    #[error("{0}")]
    Catalogue(#[from] images::Error),
    /// The image cannot be used on this machine.
    #[error("{0}")]
    Image(#[from] ImageError),
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be a node's flash.
    #[error("--flash {path}: {why}")]
    Flash {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// A network address cannot be used for a gateway's forward.
    #[error("cannot listen for a forward on {addr}: {source}")]
    Forward {
        /// Which.
        addr: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no recorded session.
    #[error("{path}: {source}")]
    Session {
        /// Which.
        path: String,
        /// Why.
        source: fleet::record::SessionError,
    },
    /// A network address cannot be used for a console.
    #[error("cannot listen for a console on {addr}: {source}")]
    Console {
        /// Which.
        addr: String,
        /// Why.
        source: std::io::Error,
    },
    /// A network address cannot be used.
    #[error("cannot listen for gdb on {addr}: {source}")]
    Listen {
        /// Which.
        addr: String,
        /// Why.
        source: std::io::Error,
    },
}

fn read_error(path: &str) -> impl FnOnce(std::io::Error) -> InputError {
    let path = path.to_string();
    |source| InputError::Read { path, source }
}

/// A machine: the name or alias of one that ships, or the path of a board file.
pub fn board(name: &str) -> Result<Board, InputError> {
    if is_file(name) {
        let text = text(Path::new(name))?;
        let stem = Path::new(name).file_stem().map_or(name.into(), |s| s.to_string_lossy());
        let read = |path: &str| self::text(Path::new(path)).map_err(|e| e.to_string());
        return Ok(machines::build_text(&stem, name, &text, &read)?);
    }
    board::find(name).map_err(InputError::UnknownMachine)?;
    Ok(machines::build(name)?)
}

/// An image: a path, or a name in the catalogue. `at` is the load address of a raw binary.
pub fn firmware(name: &str, at: Option<u64>) -> Result<Arc<Firmware>, InputError> {
    Ok(Firmware::parse(name, &image(Path::new(""), name)?, at)?)
}

/// [`firmware`] for a board: of a universal HEX file the part for it.
pub fn firmware_for(board: &Board, name: &str, at: Option<u64>) -> Result<Arc<Firmware>, InputError> {
    Ok(Firmware::parse_for(&board.info, name, &image(Path::new(""), name)?, at)?)
}

/// A machine of what `files` has: see [`board`].
pub fn board_of(name: &str, files: &dyn Files) -> Result<Board, InputError> {
    if !is_file(name) {
        return board(name);
    }
    let text = files.board(name).map_err(InputError::UnknownMachine)?;
    let stem = Path::new(name).file_stem().map_or(name.into(), |s| s.to_string_lossy());
    Ok(machines::build_text(&stem, name, &text, &|path| files.board(path))?)
}

/// A machine's name is the path of a board file.
fn is_file(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == "toml") || name.contains('/')
}

/// The bytes of an image: a path, relative to `folder`, or a name in the catalogue.
fn image(folder: &Path, name: &str) -> Result<Vec<u8>, InputError> {
    let path = folder.join(name);
    let shown = path.display().to_string();
    match std::fs::metadata(&path) {
        Ok(meta) if meta.len() > MAX_IMAGE => Err(InputError::Huge { path: shown, size: meta.len() }),
        Ok(meta) if meta.is_file() => std::fs::read(&path).map_err(read_error(&shown)),
        other => match images::find(name) {
            Ok(image) => Ok(image.load()?.into_owned()),
            Err(_) if name.contains(['/', '.']) => {
                let not_a_file = || std::io::Error::other("it is not a file");
                Err(read_error(&shown)(other.err().unwrap_or_else(not_a_file)))
            }
            Err(unknown) => Err(images::Error::from(unknown).into()),
        },
    }
}

/// Text files are not longer.
const MAX_TEXT: u64 = 16 << 20;

/// The text of a file that a person wrote.
pub fn text(path: &Path) -> Result<String, InputError> {
    let shown = path.display().to_string();
    let size = std::fs::metadata(path).map_err(read_error(&shown))?.len();
    if size > MAX_TEXT {
        return Err(InputError::Huge { path: shown, size });
    }
    std::fs::read_to_string(path).map_err(read_error(&shown))
}

/// Files that a fleet or scenario file names: relative to its folder, images also by catalogue name.
pub struct Folder {
    path: PathBuf,
    named: RefCell<Vec<PathBuf>>,
    /// Memory that this process had before the first node.
    before: Cell<u64>,
    progress: Option<Box<dyn Fn(usize, usize)>>,
}

impl Folder {
    /// The folder that `file` lies in.
    pub fn of(file: &Path) -> Folder {
        Folder {
            path: file.parent().unwrap_or(Path::new("")).to_path_buf(),
            named: RefCell::default(),
            before: Cell::new(0),
            progress: None,
        }
    }

    /// From now on `progress` is told how many nodes of how many are built.
    pub fn telling(self, progress: impl Fn(usize, usize) + 'static) -> Folder {
        Folder { progress: Some(Box::new(progress)), ..self }
    }

    /// What was read so far, by path; what is not there as a file is an image's name.
    pub fn named(&self) -> Vec<PathBuf> {
        self.named.borrow().clone()
    }

    fn note(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        self.named.borrow_mut().push(path.clone());
        path
    }
}

impl Files for Folder {
    fn image(&self, name: &str) -> Result<Vec<u8>, String> {
        self.note(name);
        image(&self.path, name).map_err(|e| e.to_string())
    }
    fn board(&self, path: &str) -> Result<String, String> {
        text(&self.note(path)).map_err(|e| e.to_string())
    }
    fn built(&self, nodes: usize, of: usize) -> Result<(), String> {
        if let Some(progress) = &self.progress {
            progress(nodes, of);
        }
        match nodes {
            0 => self.before.set(usage::resident()),
            n if n >= SAMPLE && n.is_power_of_two() => {
                let each = usage::resident().saturating_sub(self.before.get()) / n as u64;
                // Once it runs, a node takes twice as much again.
                room(each.saturating_mul(3 * of as u64), of, usage::available())?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// So many nodes tell what one takes.
const SAMPLE: usize = 1024;

/// Whether this host has memory for so many bytes more.
fn room(bytes: u64, nodes: usize, left: Option<u64>) -> Result<(), String> {
    match left {
        Some(left) if bytes > left => {
            let gb = |bytes: u64| bytes as f64 / 1e9;
            Err(format!(
                "{nodes} nodes take about {:.1} GB, and this host has {:.1} GB left",
                gb(bytes),
                gb(left)
            ))
        }
        _ => Ok(()),
    }
}

/// The machine that a catalogue image usually runs on.
pub fn usual_machine(image: &str) -> Option<&'static str> {
    if Path::new(image).is_file() {
        return None;
    }
    images::find(image).ok()?.machines.first().map(String::as_str)
}

/// A node: a board with an image in its memory, switched on.
pub fn node(
    id: u32,
    name: &str,
    board: Board,
    firmware: &Arc<Firmware>,
    seed: u64,
) -> Result<Node, InputError> {
    let mut machine = board.machine;
    firmware.load_into(&mut machine)?;
    Ok(Node::new(id, name, machine, Arc::clone(firmware), seed))
}

/// A fleet of these nodes, numbered in order, in free space.
pub fn fleet(seed: u64, slice: Option<u64>, nodes: Vec<Node>) -> Fleet {
    let mut fleet = Fleet::new(seed, RadioConfig::default());
    fleet.slice = slice.unwrap_or(u64::MAX);
    nodes.into_iter().for_each(|n| fleet.add(n));
    fleet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mend_fleets_that_find_no_room_are_refused_with_the_figures() {
        let said = room(24_000_000_000, 1_000_000, Some(20_000_000_000));
        let wanted = "1000000 nodes take about 24.0 GB, and this host has 20.0 GB left";
        assert_eq!(said, Err(wanted.to_string()));
        assert_eq!((room(5, 9, Some(5)), room(5, 9, None)), (Ok(()), Ok(())));
        assert!(usage::resident() > 1 << 20 && usage::available().is_some_and(|left| left > 0));
    }
}
