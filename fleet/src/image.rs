//! From the bytes of an image file to what a machine takes.

use emu_core::{Machine, machine::Chunk};
use emu_loader::{Arch, Symbols};
use std::sync::Arc;

/// An image and its symbols; shared by all nodes that run it.
#[derive(Debug, Default)]
pub struct Firmware {
    /// Name as the user gave it.
    pub name: String,
    /// Symbols of an ELF.
    pub symbols: Symbols,
    /// What an ELF's header says.
    arch: Option<Arch>,
    chunks: Vec<Chunk>,
}

/// Why an image cannot run on a machine.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file is broken.
    #[error("{name}: {cause}")]
    Load {
        /// Image.
        name: String,
        /// Why.
        cause: emu_loader::LoadError,
    },
    /// It is code for another architecture than the machine's.
    #[error("{name} is code for {image}; the {core} of {machine} runs code for {wanted}")]
    Foreign {
        /// Image.
        name: String,
        /// What its header says.
        image: Arch,
        /// Board.
        machine: String,
        /// The board's core.
        core: &'static str,
        /// What that runs.
        wanted: Arch,
    },
    /// Part of it lies where the machine has no memory.
    #[error(
        "{name}: {machine} has no memory at {addr:#010x}, where the image puts {len} bytes (memory: {memory})"
    )]
    Outside {
        /// Image.
        name: String,
        /// Board.
        machine: String,
        /// First address without memory.
        addr: u64,
        /// Length of the part.
        len: usize,
        /// What there is.
        memory: String,
    },
}

impl Firmware {
    /// Parses an ELF, Intel HEX or (with `base`) raw image.
    pub fn parse(name: &str, bytes: &[u8], base: Option<u64>) -> Result<Arc<Firmware>, ImageError> {
        let fail = |cause| ImageError::Load { name: name.into(), cause };
        let image = emu_loader::load(bytes, base).map_err(fail)?;
        let arch = image.arch;
        let chunks = image.segments.into_iter().map(|s| (s.addr, s.data)).collect();
        Ok(Arc::new(Firmware { name: name.into(), symbols: image.symbols, arch, chunks }))
    }

    /// Its bytes by address, in the file's order.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Puts the image into a machine's memory.
    pub fn load_into(&self, machine: &mut Machine) -> Result<(), ImageError> {
        let core = machine.cpu(0).kind();
        let wanted = if machine.cpu(0).arch().name.starts_with("RV32") { Arch::Riscv32 } else { Arch::Arm };
        if let Some(image) = self.arch.filter(|a| *a != wanted) {
            let (name, machine) = (self.name.clone(), machine.name.clone());
            return Err(ImageError::Foreign { name, image, machine, core, wanted });
        }
        machine.load_image(self.chunks.clone()).map_err(|addr| {
            let at = |c: &&Chunk| c.0 <= addr && addr - c.0 <= c.1.len() as u64;
            let regions = machine.bus.fabric.mem.regions().iter();
            let range = |r: &emu_core::memory::Region| format!("{} {:#x}+{:#x}", r.name, r.base, r.size);
            ImageError::Outside {
                name: self.name.clone(),
                machine: machine.name.clone(),
                addr,
                len: self.chunks.iter().find(at).map_or(0, |c| c.1.len()),
                memory: regions.map(range).collect::<Vec<_>>().join(", "),
            }
        })
    }

    /// `function+0x12`, or the bare address.
    pub fn place(&self, addr: u64) -> String {
        match self.symbols.at(addr) {
            Some(s) => format!("{addr:#010x} {s}"),
            None => format!("{addr:#010x}"),
        }
    }
}
