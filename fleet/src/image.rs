//! From the bytes of an image file to what a machine takes.

use devices::{board::BoardInfo, elsewhere};
use emu_core::{Machine, machine::Chunk};
use emu_loader::{Arch, ArmBuild, LoadError, Symbols};
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
    arm: Option<ArmBuild>,
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
    /// A universal HEX file without a part for the machine.
    #[error("{name} is a universal HEX file for {boards}; it has no part for this machine")]
    OtherBoards {
        /// Image.
        name: String,
        /// What its parts are for.
        boards: String,
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
    /// It was built for a core that can do more than the machine's.
    #[error(
        "{name} was built for {image}, which the {core} of {machine} does not run; a machine that does: {nearest}"
    )]
    OtherCore {
        /// Image.
        name: String,
        /// What its attributes say.
        image: String,
        /// Board.
        machine: String,
        /// The board's core.
        core: &'static str,
        /// Machines whose core runs it, or "none here".
        nearest: &'static str,
    },
    /// Part of it lies where the machine has no memory.
    #[error(
        "{name}: {machine} has no memory at {addr:#010x}, where the image puts {len} bytes (memory: {memory}){likely}"
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
        /// What the image is likely for.
        likely: String,
    },
}

impl Firmware {
    /// Parses an ELF, Intel HEX or (with `base`) raw image.
    pub fn parse(name: &str, bytes: &[u8], base: Option<u64>) -> Result<Arc<Firmware>, ImageError> {
        Firmware::parse_for(&BoardInfo::default(), name, bytes, base)
    }

    /// [`Firmware::parse`] for a board: of a universal HEX file the part for it.
    pub fn parse_for(
        board: &BoardInfo,
        name: &str,
        bytes: &[u8],
        base: Option<u64>,
    ) -> Result<Arc<Firmware>, ImageError> {
        let fail = |cause| match cause {
            LoadError::OtherBoards(ids) => {
                ImageError::OtherBoards { name: name.into(), boards: elsewhere::of_hex(&ids) }
            }
            cause => ImageError::Load { name: name.into(), cause },
        };
        let image = emu_loader::load_for(bytes, base, &board.hex_boards).map_err(fail)?;
        let (arch, arm) = (image.arch, image.arm);
        let chunks = image.segments.into_iter().map(|s| (s.addr, s.data)).collect();
        Ok(Arc::new(Firmware { name: name.into(), symbols: image.symbols, arch, arm, chunks }))
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
        if let Some((image, nearest)) = self.arm.and_then(|build| beyond(build, core)) {
            let (name, machine) = (self.name.clone(), machine.name.clone());
            return Err(ImageError::OtherCore { name, image, machine, core, nearest });
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
                likely: elsewhere::of_memory(&self.chunks).map_or(String::new(), |b| {
                    format!("; it looks like an image for {}, which is not among the machines", b.is)
                }),
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

/// What code for that build needs and `core` has not, with the machines that have it. Code for an M4 that an M3 can run, as long as it
/// keeps off the DSP instructions, passes.
fn beyond(build: ArmBuild, core: &str) -> Option<(String, &'static str)> {
    let cpu = build.cpu;
    let application = matches!(build.profile as u8, b'A' | b'R') || matches!(cpu, 14 | 15 | 22);
    let newer = matches!(cpu, 16..);
    let above_m0 = matches!(cpu, 10 | 13);
    if application || newer {
        return Some((build.name().into(), "none here"));
    }
    if above_m0 && core.starts_with("cortex-m0") {
        let nearest = if cpu == 13 { "mps2-an386, mps2-an500" } else { "mps2-an385, mps2-an386, mps2-an500" };
        return Some((build.name().into(), nearest));
    }
    let hard = build.hard_float == 1 && !core.ends_with('f');
    hard.then(|| (format!("{} with an FPU", build.name()), "mps2-an386, mps2-an500"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines;

    fn record(kind: u8, offset: u16, data: &[u8]) -> String {
        let [high, low] = offset.to_be_bytes();
        let bytes = [&[data.len() as u8, high, low, kind], data].concat();
        let sum = bytes.iter().fold(0u8, |sum, b| sum.wrapping_sub(*b));
        let hex: String = bytes.iter().chain([&sum]).map(|b| format!("{b:02X}")).collect();
        format!(":{hex}\n")
    }

    /// A universal HEX file with one part of 16 bytes for each id.
    fn universal(ids: &[u16]) -> String {
        let part = |id: &u16| {
            let kind = if *id < 0x9903 { 0 } else { 0x0d };
            let start = record(0x0a, 0, &[&id.to_be_bytes()[..], &[0xc0, 0xde]].concat());
            record(4, 0, &[0, 0]) + &start + &record(kind, 0, &[*id as u8; 16]) + &record(0x0b, 0, &[0xff; 4])
        };
        ids.iter().map(part).collect::<String>() + ":00000001FF\n"
    }

    #[test]
    fn mend_a_board_takes_its_part_of_a_universal_hex() {
        let bit = machines::build("microbit").expect("it ships").info;
        let parse =
            |board: &BoardInfo, ids| Firmware::parse_for(board, "u.hex", universal(ids).as_bytes(), None);
        let firmware = parse(&bit, &[0x9903, 0x9900]).expect("it has a part for v1");
        assert_eq!(firmware.chunks(), [(0, vec![0; 16])]);
        let said = parse(&bit, &[0x9903, 0x9904]).unwrap_err().to_string();
        let v2 = "u.hex is a universal HEX file for the micro:bit v2 (nRF52833, Cortex-M4F); it has no part for this machine";
        assert_eq!(said, v2);
        let mps2 = machines::build("mps2-an385").expect("it ships").info;
        let said = parse(&mps2, &[0x9900, 0x9903]).unwrap_err().to_string();
        assert!(said.contains("BBC micro:bit v1") && said.contains("micro:bit v2"), "{said}");
    }

    #[test]
    fn mend_an_image_that_fits_another_board_says_which() {
        let mut machine = machines::build("microbit").expect("it ships").machine;
        let bytes = [&0x2002_0000u32.to_le_bytes()[..], &[0; 0x5_0000]].concat();
        let firmware = Firmware::parse("v2.bin", &bytes, Some(0)).expect("raw");
        let said = firmware.load_into(&mut machine).unwrap_err().to_string();
        let likely = "; it looks like an image for the micro:bit v2 (nRF52833, Cortex-M4F), which is not among the machines";
        assert!(said.ends_with(likely), "{said}");
    }

    #[test]
    fn mend_code_for_a_core_that_can_more_says_which_machines_have_it() {
        let build = |cpu, profile: u8, hard_float| ArmBuild { cpu, profile: profile.into(), hard_float };
        let (m0, m4) = (build(11, b'M', 0), build(13, b'M', 0));
        let hard = build(13, b'M', 1);
        let on = |what, core| beyond(what, core).map(|(_, nearest)| nearest);
        assert_eq!(on(m0, "cortex-m0"), None);
        assert_eq!(on(m0, "cortex-m7f"), None);
        assert_eq!(on(m4, "cortex-m3"), None);
        assert_eq!(on(m4, "cortex-m0"), Some("mps2-an386, mps2-an500"));
        assert_eq!(on(build(10, b'M', 0), "cortex-m0"), Some("mps2-an385, mps2-an386, mps2-an500"));
        assert_eq!((on(hard, "cortex-m3"), on(hard, "cortex-m4f")), (Some("mps2-an386, mps2-an500"), None));
        assert_eq!(on(build(17, b'M', 0), "cortex-m4f"), Some("none here"));
        assert_eq!(on(build(10, b'A', 0), "cortex-m4f"), Some("none here"));
        assert_eq!(on(ArmBuild::default(), "cortex-m0"), None);

        // A guest of ours, built for the Cortex-M3.
        let elf = include_bytes!("../../images/guests/hasty/hasty.elf");
        let firmware = Firmware::parse("hasty", elf, None).expect("ELF");
        let mut bit = machines::build("microbit").expect("it ships").machine;
        assert_eq!(
            firmware.load_into(&mut bit).unwrap_err().to_string(),
            "hasty was built for Armv7-M (Cortex-M3), which the cortex-m0 of microbit does not run; a machine that does: mps2-an385, mps2-an386, mps2-an500"
        );
    }
}
