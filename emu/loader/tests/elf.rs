//! ELF files, good and bad.

mod common;

use common::*;
use emu_loader::{Arch, Format, Image, LoadError, load};

fn parse(file: &ElfFile) -> Result<Image, LoadError> {
    load(&file.build(), None)
}

fn message(result: Result<Image, LoadError>) -> String {
    result.expect_err("must not load").to_string()
}

#[test]
fn segments_come_sorted_by_physical_address() {
    let mut ram = Load::at(0x2000_0000, &[9, 8]);
    ram.paddr = 0x100;
    ram.memsz = 0x4000;
    let mut file = ElfFile::arm(vec![ram, Load::at(0, &[1, 2, 3])]);
    file.entry = 0x41;
    let image = parse(&file).unwrap();
    let got: Vec<_> = image.segments.iter().map(|s| (s.addr, s.data.as_slice())).collect();
    assert_eq!(got, [(0, &[1, 2, 3][..]), (0x100, &[9, 8][..])]);
    assert_eq!((image.entry, image.arch, image.format), (Some(0x41), Some(Arch::Arm), Format::Elf));
    assert_eq!(image.size(), 5);
}

#[test]
fn sixty_four_bit_files_load() {
    for (machine, arch) in [(EM_AARCH64, Arch::Aarch64), (EM_RISCV, Arch::Riscv64)] {
        let mut file = ElfFile::arm(vec![Load::at(0xffff_ffff_8000_0000, &[1; 8])]);
        (file.is_64, file.machine, file.entry) = (true, machine, 0xffff_ffff_8000_0000);
        let image = parse(&file).unwrap();
        assert_eq!(image.segments[0].addr, 0xffff_ffff_8000_0000);
        assert_eq!((image.entry, image.arch), (Some(0xffff_ffff_8000_0000), Some(arch)));
    }
}

#[test]
fn zero_physical_addresses_mean_the_virtual_ones() {
    let load = |addr| Load { paddr: 0, ..Load::at(addr, &[1; 4]) };
    let image = parse(&ElfFile::arm(vec![load(0x1000), load(0x2000)])).unwrap();
    assert_eq!(image.segments.iter().map(|s| s.addr).collect::<Vec<_>>(), [0x1000, 0x2000]);
}

#[test]
fn zero_fill_and_other_headers_are_not_loaded() {
    let bss = Load { memsz: 1 << 30, ..Load::at(0x2000_0000, &[]) };
    let note = Load { kind: 4, ..Load::at(0x10, &[1; 4]) };
    let file = ElfFile::arm(vec![bss.clone(), note.clone(), Load::at(0x10, &[7])]);
    assert_eq!(parse(&file).unwrap().segments.len(), 1);
    assert_eq!(parse(&ElfFile::arm(vec![bss, note])), Err(LoadError::NothingToLoad));
    assert_eq!(parse(&ElfFile::arm(vec![])), Err(LoadError::NothingToLoad));
}

#[test]
fn every_truncation_is_an_error() {
    let mut file = ElfFile::arm(vec![Load::at(0, &[1; 64]), Load::at(0x100, &[2; 64])]);
    file.syms = vec![Sym::func("main", 1, 8), Sym::func("exit", 9, 8)];
    let bytes = file.build();
    load(&bytes, None).unwrap();
    for len in 4..bytes.len() {
        let error = load(&bytes[..len], None).expect_err("truncated");
        assert!(matches!(error, LoadError::Truncated { .. }), "{len}: {error}");
    }
    let text = message(load(&bytes[..140], None));
    assert_eq!(text, "ELF file is truncated: a segment at file offset 0x74 takes 64 bytes, the file has 140");
    assert_eq!(load(&bytes[..3], None), Err(LoadError::UnknownFormat));
    assert_eq!(load(&[], None), Err(LoadError::Empty));
}

#[test]
fn huge_counts_and_sizes_are_refused_before_anything_is_allocated() {
    let good = ElfFile::arm(vec![Load::at(0, &[1; 16])]).build();
    let patched = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        message(load(&file, None))
    };
    assert!(patched(44, &[0xff, 0xff]).contains("the program header table"), "e_phnum");
    assert!(patched(28, &[0xf0, 0xff, 0xff, 0xff]).contains("the program header table"), "e_phoff");
    assert!(patched(52 + 16, &[0xff; 4]).contains("a segment"), "p_filesz");
    assert!(patched(52 + 4, &[0xff; 4]).contains("a segment"), "p_offset");
    assert!(patched(32, &[0xf0, 0xff, 0xff, 0xff]).contains("section header"), "e_shoff");
    assert!(patched(52 + 20, &[0; 4]).contains("larger in the file than in memory"), "p_memsz");
}

#[test]
fn segments_that_share_file_bytes_cannot_multiply_the_file() {
    let mut file = ElfFile::arm((0..8).map(|n| Load::at(n << 20, &[1; 512])).collect());
    file.loads.iter_mut().for_each(|l| l.data = vec![1; 512]);
    let mut bytes = file.build();
    for n in 0..8 {
        let at = 52 + n * 32;
        bytes[at + 4..at + 8].copy_from_slice(&0u32.to_le_bytes());
        bytes[at + 16..at + 20].copy_from_slice(&2048u32.to_le_bytes());
        bytes[at + 20..at + 24].copy_from_slice(&2048u32.to_le_bytes());
    }
    assert!(message(load(&bytes, None)).contains("the segments together are larger than the file"));
}

#[test]
fn overlapping_segments_are_refused() {
    let file = ElfFile::arm(vec![Load::at(0x108, &[1; 16]), Load::at(0x100, &[2; 16])]);
    assert_eq!(parse(&file), Err(LoadError::Overlap { first: 0x108, end: 0x110 }));
    assert_eq!(message(parse(&file)), "bytes 0x108..0x110 are loaded twice");
    let inside = ElfFile::arm(vec![Load::at(0x100, &[2; 16]), Load::at(0x104, &[1; 4])]);
    assert_eq!(parse(&inside), Err(LoadError::Overlap { first: 0x104, end: 0x108 }));
    let touching = ElfFile::arm(vec![Load::at(0x100, &[2; 16]), Load::at(0x110, &[1; 4])]);
    assert_eq!(parse(&touching).unwrap().segments.len(), 2);
}

#[test]
fn the_end_of_the_address_space() {
    assert_eq!(
        parse(&ElfFile::arm(vec![Load::at(0xffff_fff0, &[1; 16])])).unwrap().segments[0].end(),
        1 << 32
    );
    let over = parse(&ElfFile::arm(vec![Load::at(0xffff_fff1, &[1; 16])]));
    assert_eq!(over, Err(LoadError::OutOfSpace { addr: 0xffff_fff1, size: 16, bits: 32 }));
    let mut wide = ElfFile::arm(vec![Load::at(u64::MAX - 15, &[1; 16])]);
    (wide.is_64, wide.machine) = (true, EM_RISCV);
    assert!(matches!(parse(&wide), Err(LoadError::OutOfSpace { bits: 64, .. })));
    wide.loads[0].paddr -= 1;
    assert_eq!(parse(&wide).unwrap().segments[0].end(), u64::MAX);
}

#[test]
fn wrong_class_order_type_and_machine() {
    let good = ElfFile::arm(vec![Load::at(0, &[1; 16])]);
    let patched = |at: usize, byte: u8| {
        let mut file = good.build();
        file[at] = byte;
        message(load(&file, None))
    };
    assert_eq!(patched(4, 7), "bad ELF file: class 7 is neither 32 nor 64 bit (file offset 0x4)");
    assert_eq!(patched(5, 2), "bad ELF file: big-endian is not supported (file offset 0x5)");
    assert_eq!(patched(5, 0), "bad ELF file: unknown byte order 0 (file offset 0x5)");
    assert_eq!(
        patched(16, 1),
        "bad ELF file: a relocatable object: it has to be linked first (file offset 0x10)"
    );
    assert_eq!(patched(18, 183), "bad ELF file: a 32-bit file for AArch64 (file offset 0x4)");
    assert!(patched(42, 56).contains("program headers of 56 bytes"));
    let mut riscv = good.clone();
    riscv.machine = EM_RISCV;
    let image = parse(&riscv).unwrap();
    assert_eq!(image.require(Arch::Riscv32), Ok(()));
    let error = image.require(Arch::Arm).unwrap_err();
    assert_eq!(error.to_string(), "the image is for RISC-V (32 bit), the machine is ARM");
    let mut other = good.clone();
    other.machine = 62;
    assert_eq!(parse(&other).unwrap().arch, Some(Arch::Other(62)));
}

#[test]
fn a_load_address_is_for_raw_binaries() {
    let elf = ElfFile::arm(vec![Load::at(0, &[1; 16])]).build();
    assert_eq!(load(&elf, Some(0)), Err(LoadError::NeedlessAddress { format: Format::Elf }));
    assert_eq!(load(EOF.as_bytes(), Some(0)), Err(LoadError::NeedlessAddress { format: Format::IntelHex }));
    let raw = load(&[0, 1, 2, 3], Some(0x800)).unwrap();
    assert_eq!((raw.segments[0].addr, raw.segments[0].data.as_slice()), (0x800, &[0, 1, 2, 3][..]));
    assert_eq!((raw.format, raw.arch), (Format::Raw, None));
    assert_eq!(load(&[0, 1, 2, 3], None), Err(LoadError::UnknownFormat));
    assert!(matches!(load(&[0; 2], Some(u64::MAX)), Err(LoadError::OutOfSpace { .. })));
}
