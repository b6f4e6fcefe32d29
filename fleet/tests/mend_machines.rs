//! Machines: what a board file may not say, and `riscv32-virt` against QEMU.

use devices::registry::BOARDS;
use fleet::{
    FleetExit, Serial,
    config::{self, Files},
    machines,
};

const GUEST: &[u8] = include_bytes!("../../images/guests/modes/modes.elf");
const EXPECTED: &str = include_str!("../../images/guests/modes/modes.expected");

struct Guest;

impl Files for Guest {
    fn image(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(GUEST.to_vec())
    }
    fn board(&self, path: &str) -> Result<String, String> {
        Err(format!("there is no {path}"))
    }
}

/// User mode and physical memory protection, as QEMU has them: our guest `modes` tries them at random and prints what each
/// round came to; `modes.expected` is what QEMU 7.2 printed (see images/guests/README.md).
#[test]
fn mend_rv32_modes_and_pmp_are_qemus() {
    let text = "[node.n]\nmachine = \"riscv32-virt\"\nimage = \"modes\"\n";
    let (mut fleet, _) = config::load("fleet.toml", text, None, &Guest).unwrap_or_else(|e| panic!("{e}"));
    let exit = fleet.run_until(emu_core::Time::secs(5), &Serial);
    let said: Vec<u8> = fleet.take_console().iter().map(|b| b.byte).collect();
    let said = String::from_utf8_lossy(&said);
    for (n, (ours, theirs)) in said.lines().zip(EXPECTED.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {}", n + 1);
    }
    assert_eq!(said, EXPECTED);
    assert_eq!(exit, FleetExit::Exited { node: 0, code: 0 });
}

/// Start of a Cortex-M3 board; lines of the tests begin behind it.
const M3: &str = "[clock]\nc = 1_000\n[cpu.cpu0]\ncore = \"cortex-m3\"\nclock = \"c\"\nirqs = 32\n\
    [memory.ram]\nbase = 0x2000_0000\nsize = 0x4000\nkind = \"ram\"\n";

fn build(text: &str) -> Result<(), String> {
    let none = |path: &str| Err(format!("there is no {path}"));
    machines::build_text("b", "b.toml", text, &none).map(|_| ()).map_err(|e| e.to_string())
}

#[test]
fn mend_boards_what_cannot_be_is_one_error_at_its_line() {
    let memory = |base: u64, more: &str| {
        format!("[memory.x]\nbase = {base:#x}\nsize = 0x1000\nkind = \"ram\"\n{more}\n")
    };
    let button = |more: &str| format!("[device.d]\nkind = \"national,16550\"\nclock = \"c\"\n{more}\n");
    let at = |base: u64| button(&format!("base = {base:#x}"));
    let window = button("base = 0xffff_ff00\nsize = 0x1000");
    let line = |line: u64| button(&format!("irq = {line}"));
    let lines = button("irqs = { irq = 70_000 }");
    let target = |to: u64| memory(0x3000_0000, &format!("alias_of = {to:#x}"));
    for (text, want) in [
        (
            memory(0x3000_0000, "fill = 256"),
            "b.toml:15:8: memory is filled with bytes, from 0 to 0xff, not 0x100",
        ),
        (
            memory(0xe000_0000, ""),
            "b.toml:12:8: `x` lies where cortex-m3 has the private peripheral bus, from 0xe0000000",
        ),
        (
            memory(0x2200_0000, ""),
            "b.toml:12:8: `x` lies where cortex-m3 has the bit-band aliases, from 0x22000000",
        ),
        (memory(0x1_0000_0000, ""), "b.toml:12:8: `x` reaches beyond the 32 bits of an address"),
        (memory(0x3000_0800, ""), "b.toml:12:8: memory starts at a multiple of 4096"),
        (memory(0x2000_3000, ""), "b.toml:12:8: `x` at 0x20003000 overlaps `ram` at 0x20000000"),
        (target(0x4000_0000), "b.toml:15:12: no memory lies at 0x40000000 to 0x40000fff"),
        (target(0x2000_3800), "b.toml:15:12: no memory lies at 0x20003800 to 0x200047ff"),
        (target(u64::MAX >> 1), "b.toml:15:12: no memory lies at 0x7fffffffffffffff"),
        (at(0xe000_e000), "b.toml:14:8: `d` lies where cortex-m3 has the private peripheral bus"),
        (at(0x2000_0000), "b.toml:14:8: `d` at 0x20000000 overlaps `ram`"),
        (window, "b.toml:15:8: `d` reaches beyond the 32 bits of an address"),
        (line(32), "b.toml:14:7: cortex-m3 of this board has no interrupt line 32"),
        (line(0x1_0000), "b.toml:14:7: cortex-m3 of this board has no interrupt line 65536"),
        (lines, "b.toml:14:16: cortex-m3 of this board has no interrupt line 70000"),
    ] {
        let said = build(&format!("{M3}{text}")).expect_err(want);
        assert!(said.starts_with(want) && said.lines().count() == 1, "{said}\n is not\n{want}");
    }
    for good in
        [memory(0x3000_0000, "fill = 255"), target(0x2000_3000), line(31), line(0xffff), at(0xe010_0000)]
    {
        assert_eq!(build(&format!("{M3}{good}")), Ok(()), "{good}");
    }
}

#[test]
fn mend_boards_a_cores_numbers_are_reported_by_their_name() {
    for (from, to, want) in [
        ("irqs = 32", "irqs = 9999", "b.toml:6:8: cortex-m3 has 1 to 496 interrupt lines"),
        ("irqs = 32", "irqs = 32\npriority_bits = 9", "b.toml:7:17: cortex-m3 has 2 to 8 priority bits"),
        ("irqs = 32", "irqs = 32\nmpu_regions = 7", "b.toml:7:15: cortex-m3's MPU has 0, 8 or 16 regions"),
        (
            "irqs = 32",
            "irqs = 32\nreset_vector = 0",
            "b.toml:7:16: `reset_vector` means nothing to cortex-m3",
        ),
        (
            "cortex-m3",
            "cortex-m33",
            "b.toml:4:8: no core is called `cortex-m33`\n    did you mean `cortex-m3`?",
        ),
        (
            "c = 1_000",
            "c = 1_000_000_001",
            "b.toml:2:5: a clock's rate is a number of Hz from 1 to 1,000,000,000",
        ),
        ("c = 1_000", "c = 0x7fff_ffff_ffff_ffff", "b.toml:2:5: a clock's rate"),
    ] {
        let said = build(&M3.replace(from, to)).expect_err(want);
        assert!(said.starts_with(want), "{said}\n is not\n{want}");
    }
    assert_eq!(build(&M3.replace("cortex-m3", "cortex-m0+")), Ok(()));
    assert_eq!(build(&M3.replace("c = 1_000", "c = 1_000_000_000")), Ok(()));
    let rv = M3.replace("cortex-m3\"", "rv32imac\"\nreset_vector = 3");
    assert!(build(&rv).expect_err("odd").starts_with("b.toml:5:16: instructions lie at even addresses"));
}

/// The second filled region of RAM lay beyond what the first fill had made room for.
#[test]
fn mend_boards_two_regions_of_ram_may_be_filled() {
    let region = |name: &str, base: u32, fill: u8| {
        format!("[memory.{name}]\nbase = {base:#x}\nsize = 0x1800\nkind = \"ram\"\nfill = {fill}\n")
    };
    let text = format!("{M3}{}{}", region("x", 0x3001_0000, 0x55), region("y", 0x3000_0000, 0xaa));
    let board =
        machines::build_text("b", "b.toml", &text, &|_| Err(String::new())).unwrap_or_else(|e| panic!("{e}"));
    let byte = |addr| {
        let mut b = [0];
        assert_eq!(board.machine.bus.fabric.mem.peek(addr, &mut b), 1);
        b[0]
    };
    assert_eq!(
        [0x3001_0000, 0x3001_17ff, 0x3000_0000, 0x3000_17ff, 0x2000_0000].map(byte),
        [0x55, 0x55, 0xaa, 0xaa, 0]
    );
}

#[test]
fn mend_boards_a_soc_of_ones_own_lies_beside_the_board() {
    let soc = "[clock]\nc = 1_000\n[memory.ram]\nbase = 0x2000_0000\nsize = 0x1000\nkind = \"ram\"\n";
    let board = "inherit = \"./my-soc.toml\"\n[cpu.cpu0]\ncore = \"cortex-m0+\"\nclock = \"c\"\n";
    let files = |path: &str| match path {
        "boards/./my-soc.toml" => Ok(soc.to_string()),
        other => Err(format!("cannot read {other}")),
    };
    let built = machines::build_text("b", "boards/b.toml", board, &files).unwrap_or_else(|e| panic!("{e}"));
    assert!(built.machine.bus.fabric.mem.region_at(0x2000_0fff).is_some());
    let said = |result: Result<devices::board::Board, devices::source::Diagnostics>| {
        result.err().map(|e| e.to_string())
    };
    let missing = said(machines::build_text("b", "b.toml", board, &files));
    assert_eq!(
        missing.as_deref().and_then(|s| s.lines().next()),
        Some("b.toml:1:11: cannot read ./my-soc.toml")
    );
    // A mistake in it is told at its own line.
    let wrong = |path: &str| files(path).map(|text| text.replace("\"ram\"", "\"ramm\""));
    let wrong = said(machines::build_text("b", "boards/b.toml", board, &wrong));
    assert_eq!(wrong.as_deref(), Some("boards/./my-soc.toml:6:8: memory is `ram` or `rom`, not `ramm`"));
    let unknown = said(machines::build_text("b", "b.toml", &board.replace("./my-soc.toml", "mps"), &files));
    assert!(unknown.is_some_and(|s| s.contains("no SoC is called `mps`\n    did you mean `mps2`?")));
}

#[test]
fn mend_boards_every_kind_tells_what_it_takes() {
    for kind in devices::registry::kinds() {
        let about = devices::registry::about(kind);
        let mut names: Vec<_> = about.params.iter().map(|p| p.0).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), about.params.len(), "{}", kind.name);
    }
    let uart = devices::registry::named("national,16550").expect("it ships");
    let params = devices::registry::about(uart).params;
    assert!(params.contains(&("clock", "the name of a clock; required")), "{params:?}");
    assert!(params.contains(&("instant_tx", "true or false")), "{params:?}");
    let unknown = devices::registry::named("national,16551").err();
    assert_eq!(
        unknown.as_deref(),
        Some("no device model is called `national,16551`; did you mean `national,16550`?")
    );
    // What ships builds.
    for (name, text) in BOARDS {
        assert!(machines::build_text(name, name, text, &|_| Err(String::new())).is_ok(), "{name}");
    }
}
