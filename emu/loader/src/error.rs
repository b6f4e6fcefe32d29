//! Why an image cannot be loaded.

use crate::{Arch, Format};

/// The one thing that is wrong with an image, as a message for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    #[error("the image is empty")]
    Empty,
    #[error("neither ELF nor Intel HEX: a raw binary needs a load address")]
    UnknownFormat,
    #[error(
        "this is an {format} file, which carries its own addresses: a load address is for raw binaries only"
    )]
    NeedlessAddress { format: Format },
    #[error("the image is for {found}, the machine is {wanted}")]
    WrongArch { found: Arch, wanted: Arch },
    #[error("nothing to load: the image holds no data for memory")]
    NothingToLoad,
    #[error("bytes {first:#x}..{end:#x} are loaded twice")]
    Overlap { first: u64, end: u64 },
    #[error("{size} bytes at {addr:#x} do not fit into a {bits}-bit address space")]
    OutOfSpace { addr: u64, size: u64, bits: u32 },
    #[error(
        "ELF file is truncated: {what} at file offset {offset:#x} takes {size} bytes, the file has {len}"
    )]
    Truncated { what: &'static str, offset: u64, size: u64, len: u64 },
    #[error("bad ELF file: {what} (file offset {offset:#x})")]
    BadElf { what: String, offset: u64 },
    /// A universal HEX file without a block for the board; the ids that its blocks have.
    #[error("universal HEX: it has blocks for boards of the ids {}, but none for this machine", ids(.0))]
    OtherBoards(Vec<u16>),
    #[error("Intel HEX line {line}: {problem}")]
    Hex { line: usize, problem: HexProblem },
}

fn ids(of: &[u16]) -> String {
    of.iter().map(|id| format!("{id:04X}")).collect::<Vec<_>>().join(", ")
}

/// What is wrong with a line of an Intel HEX file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HexProblem {
    #[error("{0}")]
    Malformed(ihex::ReaderError),
    #[error("checksum is {found:02X}, should be {computed:02X}")]
    Checksum { found: u8, computed: u8 },
    #[error("record type {0:02X} is not plain Intel HEX")]
    RecordType(u8),
    #[error("the file ends without an end-of-file record")]
    MissingEof,
    #[error("a record follows the end-of-file record")]
    AfterEof,
    #[error("data at {addr:#x} was already given by line {earlier}")]
    Overlap { addr: u64, earlier: usize },
    #[error("data runs past the end of the 32-bit address space")]
    PastEnd,
}
