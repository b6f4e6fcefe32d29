//! Board files from hostile hands: whatever the text, the answer is a board or diagnostics.

use devices::board::{CpuMistake, CpuSpec, build_text};
use devices::registry::{BOARDS, SOCS};
use emu_core::cpu::Cpu;
use proptest::prelude::*;

fn no_core(_: &CpuSpec) -> Result<Box<dyn Cpu>, CpuMistake> {
    Err(CpuMistake { key: "core", message: "there is none".into(), help: None })
}

fn try_board(text: &str) {
    if let Err(e) = build_text("fuzz", "fuzz.toml", text, &|_| Err(String::new()), &no_core) {
        assert!(!e.0.is_empty());
        for d in &e.0 {
            assert!(d.line > 0 && d.column > 0 && !d.message.is_empty(), "{d}");
        }
    }
}

/// One change to a board file: a line gone, doubled or moved, a word replaced.
fn mutate(text: &str, changes: &[(usize, u8, u64)]) -> String {
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    for &(at, kind, value) in changes {
        let i = at % lines.len().max(1);
        let Some(line) = lines.get(i).cloned() else { break };
        match kind % 5 {
            0 => drop(lines.remove(i)),
            1 => lines.insert(i, line),
            2 => {
                let other = at / 7 % lines.len();
                lines.swap(i, other);
            }
            3 => {
                if let Some((key, _)) = line.split_once('=') {
                    lines[i] = format!("{key}= {}", value & i64::MAX as u64);
                }
            }
            _ => lines[i] = line.replacen(char::is_alphanumeric, "x", 1),
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(emu_testkit::cases(600))]
    #[test]
    fn fuzz_changed_boards(
        which in 0usize..16,
        changes in proptest::collection::vec((any::<usize>(), any::<u8>(), any::<u64>()), 1..6),
    ) {
        let all: Vec<_> = BOARDS.iter().chain(SOCS).collect();
        try_board(&mutate(all[which % all.len()].1, &changes));
    }

    #[test]
    fn fuzz_any_text(text in "\\PC{0,200}") {
        try_board(&text);
    }
}

#[test]
fn mistakes_of_a_board_come_together() {
    let text = "inherit = \"nrf51823\"\n[clock]\nmain = 0\n[memory.ram]\nbase = 0x20000000\nsize = 0x4000\nkind = \"ram\"\n\
                [memory.more]\nbase = 0x20001000\nsize = 0x1000\nkind = \"ramm\"\n\
                [device.u]\nkind = \"nordic,nrf51-uartt\"\nbase = 0x40000000\n[[wire]]\nfrom = \"u.x\"\nto = \"v.y\"\n";
    let Err(e) = build_text("b", "b.toml", text, &|_| Err(String::new()), &no_core) else {
        panic!("this is no board")
    };
    let text = e.to_string();
    for want in [
        "b.toml:1:11: no SoC is called `nrf51823`\n    did you mean `nrf51822`?",
        "b.toml:3:8: a clock's rate",
        "b.toml:9:8: `more` at 0x20001000 overlaps `ram` at 0x20000000",
        "b.toml:11:8: memory is `ram` or `rom`",
        "b.toml:13:8: no device model is called `nordic,nrf51-uartt`\n    did you mean `nordic,nrf51-uart`?",
        "b.toml:16:8: no device is called `u`",
    ] {
        assert!(text.contains(want), "{want} is not in\n{text}");
    }
}

/// These were cut to the bits that a model has for them; a flash controller with such pages saved what it did not load.
#[test]
fn mend_numbers_that_a_device_has_no_room_for() {
    let text = "inherit = \"nrf51822\"\n[device.nvmc]\npage = 0x20000\n[device.gpio]\npull_ups = 0x100000001\n\
                [device.timer0]\nbits = 0x118\n[device.uart0]\nline = [0x118, 3]\n";
    let Err(e) = build_text("b", "b.toml", text, &|_| Err(String::new()), &no_core) else {
        panic!("this is no board")
    };
    let text = e.to_string();
    for want in [
        "b.toml:3:8: `page` lies between 0x4 and 0x10000",
        "b.toml:5:12: `pull_ups` lies between 0x0 and 0xffffffff",
        "b.toml:7:8: `bits` lies between 0x10 and 0x20",
        "b.toml:9:8: `line` is two pins, each from 0 to 31",
    ] {
        assert!(text.contains(want), "{want} is not in\n{text}");
    }
}

#[test]
fn mistakes_in_pads() {
    let text = "inherit = \"nrf51822\"\n[pads]\na = \"gpoi.p1\"\nb = \"gpio.p32\"\nc = \"gpio.detect\"\nd = 3\n\
                \"e0-3\" = \"gpio.p0-2\"\nf = \"gpio.p5\"\n\"f0-1\" = \"gpio.p6-7\"\nf1 = \"gpio.p8\"\ng = \"uart0.rts\"\n";
    let Err(e) = build_text("b", "b.toml", text, &|_| Err(String::new()), &no_core) else {
        panic!("this is no board")
    };
    let text = e.to_string();
    for want in [
        "b.toml:3:5: no device is called `gpoi`\n    did you mean `gpio`?",
        "b.toml:4:5: `gpio` has no pin `p32` that can lead out",
        "b.toml:5:5: `gpio` has no pin `detect` that can lead out",
        "b.toml:6:5: a pad leads to a pin",
        "b.toml:7:10: 4 names for 3 pins",
        "b.toml:10:6: `f1` is there already",
        "b.toml:11:5: `uart0` has no pin `rts` that can lead out",
    ] {
        assert!(text.contains(want), "{want} is not in\n{text}");
    }
}
