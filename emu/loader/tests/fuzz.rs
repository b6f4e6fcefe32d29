//! No input makes the loader panic, and what it accepts is well-formed.

mod common;

use common::*;
use emu_loader::{Image, load, load_raw};
use proptest::prelude::*;

/// What every caller relies on.
fn check(image: &Image, input: usize) {
    assert!(!image.segments.is_empty());
    assert!(image.segments.iter().all(|s| !s.data.is_empty()));
    assert!(image.segments.windows(2).all(|p| p[0].end() <= p[1].addr), "sorted, no overlap");
    assert!(image.size() <= input as u64, "never larger than the file");
    for symbol in image.symbols.iter() {
        assert!(image.symbols.find_all(symbol.name).any(|s| s == symbol));
        if let Some(found) = image.symbols.at(symbol.addr) {
            assert_eq!(found.symbol.addr + found.offset, symbol.addr);
        }
    }
}

fn try_load(bytes: &[u8]) -> Option<Image> {
    match load(bytes, None) {
        Ok(image) => {
            check(&image, bytes.len());
            Some(image)
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

fn elf(is_64: bool, sizes: &[usize]) -> Vec<u8> {
    let mut addr = 0x1000;
    let mut loads = Vec::new();
    for (n, &size) in sizes.iter().enumerate() {
        loads.push(Load::at(addr, &vec![n as u8; size]));
        addr += size as u64 + 0x10;
    }
    let mut file = ElfFile::arm(loads);
    (file.is_64, file.machine) = (is_64, EM_RISCV);
    file.syms = vec![
        Sym::func("main", 0x1000, 0x10),
        Sym::func("exit", 0x1010, 4),
        Sym { kind: OBJECT, ..Sym::func("ticks", 0x2000, 4) },
        Sym { kind: NOTYPE, ..Sym::func("_start", 0x1020, 0) },
    ];
    file.build()
}

fn hex(runs: &[(u16, u16, Vec<u8>)]) -> String {
    let mut text = String::new();
    for (upper, offset, data) in runs {
        text += &record(4, 0, &upper.to_be_bytes());
        text += &record(0, *offset, data);
    }
    text + EOF
}

/// Bytes changed, inserted, removed; interesting values are more likely than others.
fn mutate(mut bytes: Vec<u8>, edits: &[(usize, u8, u8)]) -> Vec<u8> {
    for &(at, how, value) in edits {
        let len = bytes.len().max(1);
        let at = at % len;
        match how % 6 {
            _ if bytes.is_empty() => bytes.push(value),
            0 => bytes[at] = value,
            1 => bytes[at] ^= 1 << (value % 8),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][value as usize % 5],
            3 => bytes.insert(at, value),
            4 => bytes.truncate(at),
            _ => bytes[at..].iter_mut().take(4).for_each(|b| *b = 0xff),
        }
    }
    bytes
}

fn edits() -> impl Strategy<Value = Vec<(usize, u8, u8)>> {
    // Half of them hit the headers, where they matter.
    let at = prop_oneof![0usize..120, any::<usize>()];
    prop::collection::vec((at, any::<u8>(), any::<u8>()), 1..8)
}

proptest! {
    #![proptest_config(emu_testkit::cases(2000))]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..512), base in any::<u64>()) {
        try_load(&bytes);
        let _ = load(&bytes, Some(base));
        if let Ok(image) = load_raw(&bytes, base) {
            check(&image, bytes.len());
        }
    }

    #[test]
    fn random_bytes_after_a_magic_number(
        bytes in prop::collection::vec(any::<u8>(), 0..512), class in 1u8..3,
    ) {
        try_load(&[&[0x7f, b'E', b'L', b'F', class, 1, 1][..], &bytes].concat());
        try_load(&[&b":0"[..], &bytes].concat());
    }

    #[test]
    fn good_elf(is_64 in any::<bool>(), sizes in prop::collection::vec(1usize..80, 1..5)) {
        let image = try_load(&elf(is_64, &sizes)).expect("a good file loads");
        prop_assert_eq!(image.segments.len(), sizes.len());
        prop_assert_eq!(image.size(), sizes.iter().sum::<usize>() as u64);
    }

    #[test]
    fn mutated_elf(is_64 in any::<bool>(), sizes in prop::collection::vec(1usize..80, 1..5), edits in edits()) {
        try_load(&mutate(elf(is_64, &sizes), &edits));
    }

    #[test]
    fn good_hex(runs in prop::collection::btree_map(
        any::<u16>(), (0u16..0xff00, prop::collection::vec(any::<u8>(), 1..255)), 1..6,
    )) {
        let runs: Vec<_> = runs.into_iter().map(|(upper, (offset, data))| (upper, offset, data)).collect();
        let image = try_load(hex(&runs).as_bytes()).expect("a good file loads");
        for (upper, offset, data) in &runs {
            let addr = (u64::from(*upper) << 16) + u64::from(*offset);
            let segment = image.segments.iter().find(|s| s.addr <= addr && addr < s.end()).expect("loaded");
            prop_assert_eq!(&segment.data[(addr - segment.addr) as usize..][..data.len()], data.as_slice());
        }
    }

    #[test]
    fn mutated_hex(
        runs in prop::collection::vec((any::<u16>(), any::<u16>(), prop::collection::vec(any::<u8>(), 0..40)), 1..6),
        edits in edits(),
    ) {
        try_load(&mutate(hex(&runs).into_bytes(), &edits));
    }
}
