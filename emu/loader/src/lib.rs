//! Firmware images: bytes in, structs out.
//!
//! [`load`] recognises ELF (32 and 64 bit, little-endian) and Intel HEX by their content; anything else is
//! a raw binary and needs a load address. No file is opened here, nothing is allocated by a size that the
//! image merely claims, and no input makes it panic: what is wrong with an image is one [`LoadError`].
//!
//! ## Not modelled
//! - Big-endian ELF, ELF relocations (a position-independent image is loaded as it is linked).
//! - More than 65,534 program headers (`PN_XNUM`).
//! - S-record, UF2, uImage.
//! - Line tables: source positions are gdb's business.

mod attributes;
mod elf;
mod error;
mod hex;
mod symbols;

pub use attributes::ArmBuild;
pub use error::{HexProblem, LoadError};
pub use symbols::{Location, Symbol, SymbolKind, Symbols};

use std::fmt;

/// A run of bytes and where it lies in physical memory at reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Physical (load) address of the first byte.
    pub addr: u64,
    /// Never empty; zero-fill (`.bss`) is not part of it.
    pub data: Vec<u8>,
}

impl Segment {
    /// The address after the last byte. Fits, because loading checked it.
    pub fn end(&self) -> u64 {
        self.addr + self.data.len() as u64
    }
}

/// What an ELF header says the code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arch {
    /// 32-bit ARM, M and A profile.
    Arm,
    Aarch64,
    Riscv32,
    Riscv64,
    Xtensa,
    /// Any other `e_machine`.
    Other(u16),
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arch::Arm => f.write_str("ARM"),
            Arch::Aarch64 => f.write_str("AArch64"),
            Arch::Riscv32 => f.write_str("RISC-V (32 bit)"),
            Arch::Riscv64 => f.write_str("RISC-V (64 bit)"),
            Arch::Xtensa => f.write_str("Xtensa"),
            Arch::Other(n) => write!(f, "ELF machine {n}"),
        }
    }
}

/// The formats that [`detect`] tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Elf,
    IntelHex,
    /// Nothing that is recognised: a raw binary.
    Raw,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Elf => "ELF",
            Format::IntelHex => "Intel HEX",
            Format::Raw => "raw binary",
        })
    }
}

/// A loaded image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub format: Format,
    /// Sorted by address, without overlaps; at least one.
    pub segments: Vec<Segment>,
    /// Where execution starts if the image says so; on ARM bit 0 set means Thumb.
    pub entry: Option<u64>,
    /// Known for ELF only.
    pub arch: Option<Arch>,
    /// For which ARM core an ELF was built, if it says so.
    pub arm: Option<ArmBuild>,
    /// Empty unless the image is an ELF file that was not stripped.
    pub symbols: Symbols,
}

impl Image {
    /// Number of bytes in all segments.
    pub fn size(&self) -> u64 {
        self.segments.iter().map(|s| s.data.len() as u64).sum()
    }

    /// An error if the image says that it is for another architecture. HEX and raw images do not say.
    pub fn require(&self, wanted: Arch) -> Result<(), LoadError> {
        match self.arch {
            Some(found) if found != wanted => Err(LoadError::WrongArch { found, wanted }),
            _ => Ok(()),
        }
    }
}

/// What the content looks like. Only the first few bytes are looked at.
pub fn detect(bytes: &[u8]) -> Format {
    if bytes.starts_with(goblin::elf::header::ELFMAG) {
        return Format::Elf;
    }
    match hex::skip_blank(bytes) {
        [b':', digit, ..] if digit.is_ascii_hexdigit() => Format::IntelHex,
        _ => Format::Raw,
    }
}

/// Loads an image. `base` is the load address of a raw binary: it must be given for one, and must not be
/// given for ELF or Intel HEX, which carry their own addresses.
pub fn load(bytes: &[u8], base: Option<u64>) -> Result<Image, LoadError> {
    load_for(bytes, base, &[])
}

/// [`load`] for a board: of a universal HEX file, which holds images for several boards, the blocks for one of these ids are taken.
pub fn load_for(bytes: &[u8], base: Option<u64>, boards: &[u16]) -> Result<Image, LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::Empty);
    }
    match (detect(bytes), base) {
        (Format::Elf, None) => elf::parse(bytes),
        (Format::IntelHex, None) => hex::parse(bytes, boards),
        (Format::Raw, Some(base)) => load_raw(bytes, base),
        (Format::Raw, None) => Err(LoadError::UnknownFormat),
        (format, Some(_)) => Err(LoadError::NeedlessAddress { format }),
    }
}

/// Loads bytes as they are, whatever they look like.
pub fn load_raw(bytes: &[u8], base: u64) -> Result<Image, LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::Empty);
    }
    if base.checked_add(bytes.len() as u64).is_none() {
        return Err(LoadError::OutOfSpace { addr: base, size: bytes.len() as u64, bits: 64 });
    }
    Ok(Image {
        format: Format::Raw,
        segments: vec![Segment { addr: base, data: bytes.to_vec() }],
        entry: None,
        arch: None,
        arm: None,
        symbols: Symbols::default(),
    })
}
