//! Images and machines by name or path.

use devices::{board, source::Diagnostics};
use fleet::{
    Fleet, Node,
    image::{Firmware, ImageError},
    machines,
};
use netsim::RadioConfig;
use std::{path::Path, sync::Arc};

pub use devices::board::Board;

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
    /// A file is no image by its size alone.
    #[error("{path}: {size} bytes are more than any machine has room for")]
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
    let path = Path::new(name);
    if path.extension().is_some_and(|e| e == "toml") || name.contains('/') {
        let text = std::fs::read_to_string(path).map_err(read_error(name))?;
        let stem = path.file_stem().map_or(name.into(), |s| s.to_string_lossy());
        return Ok(machines::build_text(&stem, name, &text)?);
    }
    board::find(name).map_err(InputError::UnknownMachine)?;
    Ok(machines::build(name)?)
}

/// An image: a path, or a name in the catalogue. `at` is the load address of a raw binary.
pub fn firmware(name: &str, at: Option<u64>) -> Result<Arc<Firmware>, InputError> {
    let found = match std::fs::metadata(name) {
        Ok(meta) if meta.is_file() => {
            if meta.len() > MAX_IMAGE {
                return Err(InputError::Huge { path: name.into(), size: meta.len() });
            }
            Firmware::parse(name, &std::fs::read(name).map_err(read_error(name))?, at)
        }
        other => match images::find(name) {
            Ok(image) => Firmware::parse(name, &image.load()?, at),
            Err(_) if name.contains(['/', '.']) => {
                let not_a_file = || std::io::Error::other("it is not a file");
                return Err(read_error(name)(other.err().unwrap_or_else(not_a_file)));
            }
            Err(unknown) => return Err(images::Error::from(unknown).into()),
        },
    };
    Ok(found?)
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
