//! Looking symbols up by address and by name.

mod common;

use common::*;
use emu_loader::{SymbolKind, Symbols, load};

fn symbols(syms: Vec<Sym>) -> Symbols {
    let mut file = ElfFile::arm(vec![Load::at(0, &[0; 4])]);
    file.syms = syms;
    load(&file.build(), None).unwrap().symbols
}

fn at(symbols: &Symbols, addr: u64) -> String {
    symbols.at(addr).map_or("-".into(), |l| l.to_string())
}

fn label(name: &'static str, value: u64) -> Sym {
    Sym { kind: NOTYPE, ..Sym::func(name, value, 0) }
}

#[test]
fn thumb_bit_is_no_part_of_the_address() {
    let s = symbols(vec![Sym::func("main", 0x101, 0x20), Sym::func("exit", 0x121, 8)]);
    let got: Vec<_> = [0xff, 0x100, 0x11f, 0x120, 0x127, 0x128].map(|a| at(&s, a)).into();
    assert_eq!(got, ["-", "main", "main+0x1f", "exit", "exit+0x7", "-"]);
    assert_eq!(s.find("main").unwrap().addr, 0x100);
}

#[test]
fn data_keeps_odd_addresses_and_sizes() {
    let s = symbols(vec![Sym { kind: OBJECT, ..Sym::func("flag", 0x2001, 1) }]);
    let flag = s.find("flag").unwrap();
    assert_eq!((flag.addr, flag.size, flag.kind), (0x2001, 1, SymbolKind::Data));
}

#[test]
fn labels_reach_to_the_next_symbol_or_the_end_of_the_section() {
    let s = symbols(vec![label("start", 0x10), Sym::func("f", 0x20, 8), label("tail", 0xfff0)]);
    let got: Vec<_> = [0x10, 0x1f, 0x20, 0x28, 0xffff, 0x10000].map(|a| at(&s, a)).into();
    assert_eq!(got, ["start", "start+0xf", "f", "-", "tail+0xf", "-"]);
}

#[test]
fn a_label_inside_a_function_does_not_hide_it() {
    let s = symbols(vec![Sym::func("memcpy", 0x10, 0x20), label("loop", 0x18)]);
    assert_eq!(at(&s, 0x1a), "memcpy+0xa");
    assert_eq!(s.find("loop").unwrap().addr, 0x18);
}

#[test]
fn after_a_nested_function_the_outer_one_goes_on() {
    let s = symbols(vec![Sym::func("outer", 0x10, 0x40), Sym::func("inner", 0x20, 8)]);
    assert_eq!((at(&s, 0x24), at(&s, 0x30)), ("inner+0x4".into(), "outer+0x20".into()));
}

#[test]
fn of_aliases_the_best_name_wins() {
    let weak_label = label("_text", 0x10);
    let local = Sym { global: false, ..Sym::func("impl", 0x10, 8) };
    let s = symbols(vec![Sym::func("api", 0x10, 8), weak_label, local, Sym::func("api2", 0x10, 8)]);
    assert_eq!(at(&s, 0x12), "api+0x2");
}

#[test]
fn marks_and_absolute_symbols_are_not_places_in_code() {
    let stack = Sym { section: SHN_ABS, ..label("_estack", 0x40) };
    let undefined = Sym { section: 0, ..label("missing", 0x30) };
    let s = symbols(vec![label("$t", 0x10), label("$d.12", 0x20), stack, undefined, label("", 0x50)]);
    assert_eq!((at(&s, 0x10), at(&s, 0x44), s.len()), ("-".into(), "-".into(), 1));
    assert_eq!(s.find("_estack").unwrap().addr, 0x40);
}

#[test]
fn one_name_many_symbols() {
    let local = |addr| Sym { kind: OBJECT, global: false, ..Sym::func("count", addr, 4) };
    let global = Sym { kind: OBJECT, ..Sym::func("count", 0x300, 4) };
    let s = symbols(vec![local(0x100), local(0x200), global, Sym::func("counter", 0x10, 4)]);
    assert_eq!(s.find_all("count").map(|c| c.addr).collect::<Vec<_>>(), [0x300, 0x100, 0x200]);
    assert_eq!((s.find("coun"), s.find_all("none").count()), (None, 0));
}

#[test]
fn huge_sizes_do_not_overflow() {
    let s = symbols(vec![Sym::func("f", 0xffff_fff0, 0xffff_ffff), Sym::func("g", 0x10, 0xffff_ffff)]);
    assert_eq!(at(&s, 0xffff_fff8), "f+0x8");
    assert_eq!(at(&s, u64::MAX), "-");
}

#[test]
fn sixty_four_bit_symbols() {
    let mut file = ElfFile::arm(vec![Load::at(0x8000_0000, &[0; 4])]);
    (file.is_64, file.machine, file.text) = (true, EM_RISCV, (0x8000_0000, 0x100));
    file.syms = vec![Sym::func("_start", 0x8000_0001, 4)];
    let s = load(&file.build(), None).unwrap().symbols;
    assert_eq!(at(&s, 0x8000_0002), "_start+0x1", "RISC-V has no Thumb bit");
}
