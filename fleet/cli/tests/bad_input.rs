//! Wrong files, wrong words and wrong guests: one clear message, the documented exit code, no panic, no hang.

#[path = "../../../emu/loader/tests/common/mod.rs"]
mod elf;
mod program;

use elf::{EM_RISCV, ElfFile, Load};
use program::{Run, file, flotilla, image, path};
use std::{fs::File, net::TcpListener, os::unix::fs::PermissionsExt};

const M3: [&str; 2] = ["--machine", "mps2-an385"];

/// Runs an image that cannot be run.
#[track_caller]
fn refused(image: &str, more: &[&str], what: &[&str]) {
    let run = flotilla(&[&["run", image], more].concat());
    run.ends_with(3).says_only_on_stderr();
    let text = run.stderr.strip_prefix("error: ").unwrap_or_else(|| panic!("no error: {run:?}"));
    assert!(text.lines().count() == 1, "one message, not {text:?}");
    what.iter().for_each(|w| assert!(text.contains(w), "no {w:?} in {text:?}"));
}

// ---- images ----

#[test]
fn elf_files_that_are_broken() {
    let good = ElfFile::arm(vec![Load::at(0, &[0; 256])]).build();
    for len in [1, 4, 15, 16, 51, 52, 60, 83, 84, 200, good.len() - 1] {
        let name = format!("cut-{len}.elf");
        let what = if len < 4 { "load address" } else { "truncated" };
        refused(&file(&name, &good[..len]), &M3, &[&name, what]);
    }
    refused(&file("empty.elf", b""), &M3, &["the image is empty"]);
    let mut twice = ElfFile::arm(vec![Load::at(0, &[1; 64]), Load::at(32, &[2; 64])]);
    refused(&file("overlap.elf", &twice.build()), &M3, &["0x20..0x40", "twice"]);
    twice.loads.clear();
    refused(&file("nothing.elf", &twice.build()), &M3, &["nothing to load"]);
}

#[test]
fn elf_files_that_claim_too_much() {
    let mut elf = ElfFile::arm(vec![Load::at(0, &[0; 64])]).build();
    for at in [52 + 16, 52 + 4] {
        // p_filesz, then p_offset too
        elf[at..at + 4].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
        refused(&file(&format!("giant-{at}.elf"), &elf), &M3, &["truncated", "4294967280"]);
    }
    let mut elf = ElfFile::arm(vec![Load::at(0, &[0; 64])]).build();
    elf[44..46].copy_from_slice(&u16::MAX.to_le_bytes()); // e_phnum
    refused(&file("headers.elf", &elf), &M3, &["truncated", "program header table"]);
    let high = ElfFile::arm(vec![Load::at(0xffff_fff8, &[0; 16])]).build();
    refused(&file("high.elf", &high), &M3, &["0xfffffff8", "32-bit"]);
}

#[test]
fn elf_files_for_others() {
    refused("/bin/true", &M3, &["/bin/true", "ELF machine 62", "ARM"]);
    let mut elf = ElfFile::arm(vec![Load::at(0, &[0; 64])]);
    elf.machine = EM_RISCV;
    refused(&file("riscv.elf", &elf.build()), &M3, &["RISC-V (32 bit)", "ARM"]);
    elf.is_64 = true;
    refused(&file("riscv64.elf", &elf.build()), &M3, &["RISC-V (64 bit)", "ARM"]);
}

#[test]
fn images_of_absurd_size() {
    let path = path("sparse.bin");
    File::create(&path).and_then(|f| f.set_len(5 << 30)).expect("a sparse file");
    for more in [&M3[..], &["--machine", "mps2-an385", "--at", "0"]] {
        refused(&path, more, &["sparse.bin", "5368709120 bytes"]);
    }
    std::fs::remove_file(path).expect("it was there");
    let big = file("big.bin", &[0; 9 << 20]);
    refused(&big, &["--machine", "mps2-an385", "--at", "0"], &["no memory at 0x00800000"]);
    refused(&big, &["--machine", "microbit", "--at", "0"], &["no memory at 0x00040000"]);
    refused(&big, &["--machine", "microbit", "--at", "0xfffffffffffffff0"], &["do not fit"]);
}

#[test]
fn intel_hex_that_is_broken() {
    let good = ":0400000001020304F2\n:00000001FF\n";
    let cases = [
        ("sum.hex", good.replace("F2", "F3"), "line 1: checksum is F3, should be F2"),
        ("digit.hex", good.replace("F2", "FX"), "line 1"),
        ("cut.hex", good[..12].into(), "line 1"),
        ("end.hex", good[..20].into(), "without an end-of-file record"),
        ("twice.hex", good.replacen(':', ":0400000001020304F2\n:", 1), "already given by line 1"),
        ("only-end.hex", ":00000001FF\n".into(), "nothing to load"),
        ("far.hex", format!(":02000004F0000A\n{good}"), "no memory at 0xf0000000"),
    ];
    for (name, text, what) in cases {
        refused(&file(name, text.as_bytes()), &M3, &[name, what]);
    }
}

#[test]
fn images_that_are_no_files() {
    refused("/no/such/file.elf", &M3, &["/no/such/file.elf", "No such file"]);
    refused("/", &M3, &["not a file"]);
    refused(&path("."), &M3, &["not a file"]);
    refused("/dev/zero", &M3, &["not a file"]);
    refused("micobit-micropython", &[], &["micobit-micropython", "did you mean", "microbit-micropython"]);
    refused("", &M3, &["image"]);
    refused(&file("raw.bin", &[0xff; 64]), &M3, &["raw binary needs a load address"]);
    let hex = file("hex.hex", b":0400000001020304F2\n:00000001FF\n");
    refused(&hex, &["--machine", "mps2-an385", "--at", "0"], &["its own addresses"]);
    let secret = file("secret.bin", &[0; 64]);
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o000)).expect("our file");
    // Whoever may read everything may read this too.
    if File::open(&secret).is_err() {
        refused(&secret, &M3, &["secret.bin", "Permission denied"]);
    }
}

// ---- words ----

#[test]
fn names_that_nothing_has() {
    let good = idle();
    refused(&good, &["--at", "0", "--machine", "mps2-an386x"], &["did you mean `mps2-an386`?"]);
    refused(&good, &["--at", "0", "--machine", "zzz"], &["zzz"]);
    refused(&good, &["--at", "0", "--machine", ""], &["machine"]);
    refused(
        &good,
        &["--at", "0", "--machine", "mps2-an385", "--console", "uart9"],
        &["uart9", "uart0", "all"],
    );
    for name in ["nope", ""] {
        flotilla(&["machines", name]).ends_with(3).says_only_on_stderr();
        flotilla(&["images", "--path", name]).ends_with(3).says_only_on_stderr();
    }
}

#[test]
fn words_that_make_no_sense() {
    let good = idle();
    let run = ["run", &good, "--at", "0", "--machine", "mps2-an385"];
    for more in [
        &["--for", "soon"][..],
        &["--for", "-1s"],
        &["--for", ""],
        &["--for", "1e3s"],
        &["--for", "99999999999999999999s"],
        &["--for"],
        &["--at", "-4"],
        &["--at", "12"],
        &["--until", ""],
        &["--slice", "0"],
        &["--digest-every", "0ns"],
        &["--threads", "0"],
        &["--threads", "99999"],
        &["--seed", "x"],
        &["--gdb", "nowhere"],
        &["--gdb-wait"],
        &["--speed", "0"],
        &["--speed", "nan"],
        &["--expect-digest", "12"],
        &["--frobnicate"],
        &["another.elf"],
    ] {
        flotilla(&[&run, more].concat()).ends_with(2).says_only_on_stderr();
    }
    for words in [&[][..], &["run"], &["walk"], &["demo", "--nodes", "0"], &["demo", "--nodes", "many"]] {
        flotilla(words).ends_with(2).says_only_on_stderr();
    }
    let known = flotilla(&["run", &good, "--at", "0"]);
    known.ends_with(2).says_only_on_stderr();
    assert!(known.stderr.contains("--machine"), "{known:?}");
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("it is bound").to_string();
    let good = idle();
    refused(&good, &["--at", "0", "--machine", "mps2-an385", "--gdb", &addr], &[&addr, "in use"]);
    refused(&good, &["--at", "0", "--machine", "mps2-an385", "--gdb", "192.0.2.1:1"], &["192.0.2.1:1"]);
}

#[test]
fn a_digest_that_is_not_the_expected_one() {
    let run = ["run", &idle(), "--at", "0", "--machine", "mps2-an385", "--for", "1ms", "--expect-digest"];
    let wrong = flotilla(&[&run[..], &["00000000000000000000000000000000"]].concat());
    wrong.ends_with(6).says_only_on_stderr();
    let digest = wrong.stderr.split("digest: ").nth(1).and_then(|d| d.get(..32)).expect("a digest");
    flotilla(&[&run[..], &[digest]].concat()).ends_with(0);
}

#[test]
fn board_files_that_are_broken() {
    let good = idle();
    for (name, text, what) in [
        ("syntax.toml", "[cpu\n", "syntax.toml:1:"),
        ("blank.toml", "", "blank.toml:1:1"),
        ("kind.toml", "inherit = \"nrf51822\"\n[device.x]\nkind = \"nordic,nrf51-uartt\"\n", "did you mean"),
        ("soc.toml", "inherit = \"nrf5182\"\n", "did you mean `nrf51822`?"),
        ("itself.toml", "inherit = \"itself\"\n", "itself"),
        (
            "huge.toml",
            "inherit = \"nrf51822\"\n[memory.more]\nbase = 0x30000000\nsize = 0x7fffffffffffffff\nkind = \"ram\"\n",
            "huge.toml:4",
        ),
        ("clock.toml", "inherit = \"nrf51822\"\n[clock]\nmain = 0\n", "clock.toml:3"),
    ] {
        let board = file(name, text.as_bytes());
        let run = flotilla(&["run", &good, "--at", "0", "--machine", &board, "--for", "1ms"]);
        run.ends_with(3).says_only_on_stderr();
        assert!(run.stderr.contains(what), "no {what:?} in {run:?}");
    }
    let bytes = file("latin1.toml", b"description = \"caf\xe9\"\n");
    let folder = path(".");
    for board in [&bytes[..], &folder, "/no/such/board.toml"] {
        let run = flotilla(&["run", &good, "--at", "0", "--machine", board]);
        run.ends_with(3).says_only_on_stderr();
        assert!(run.stderr.contains(board), "{run:?}");
        flotilla(&["machines", board]).ends_with(3).says_only_on_stderr();
    }
}

// ---- fleets and scenarios ----

/// A fleet of one, with an image that sleeps; `more` follows.
fn one_node(more: &str) -> String {
    let image = idle();
    format!("[node.a]\nmachine = \"mps2-an385\"\nimage = \"{image}\"\nat = 0\n{more}")
}

#[test]
fn fleets_that_are_broken() {
    let good = one_node("");
    let fleet = file("good.toml", good.as_bytes());
    flotilla(&["run", &fleet, "--for", "1ms"]).ends_with(0);
    let cases = [
        ("f-empty", String::new(), vec!["at least one [node.NAME] or [group.NAME]"]),
        ("f-syntax", "[node.a\n".into(), vec!["f-syntax.toml:1:"]),
        (
            "f-keys",
            one_node("imag = 1\n[radoi]\nloss = 1\n"),
            vec!["unknown key `imag`", "did you mean `radio`?"],
        ),
        ("f-machine", good.replace("an385", "an38"), vec!["f-machine.toml:2:11", "did you mean"]),
        ("f-image", good.replace("idle.bin", "nothing.bin"), vec!["f-image.toml:3:9", "nothing.bin"]),
        ("f-at", good.replace("at = 0", "at = 0xf0000000"), vec!["no memory at 0xf0000000"]),
        ("f-types", good.replace("at = 0", "at = \"0\""), vec!["f-types.toml:4:6", "whole number"]),
        ("f-minus", good.replace("at = 0", "at = -1"), vec!["f-minus.toml:4:6"]),
        ("f-nodes", "node = 3\n".into(), vec!["must be a table"]),
        ("f-count", good.replace("node.a", "group.a"), vec!["`count` is missing"]),
        ("f-none", good.replace("node.a", "group.a") + "count = 0\n", vec!["1 to 1000000"]),
        ("f-many", good.replace("node.a", "group.a") + "count = 99999999999\n", vec!["1 to 1000000"]),
        ("f-twice", format!("{good}{good}"), vec!["f-twice.toml:5:"]),
        (
            "f-names",
            one_node(
                "[node.\"b.0\"]\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n[group.b]\ncount = 1\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n",
            ),
            vec!["two nodes are called `b.0`"],
        ),
        ("f-where", one_node("position = [nan, 0.0]\n"), vec!["position"]),
        ("f-plane", one_node("position = [1]\n"), vec!["two or three"]),
        ("f-loss", one_node("[radio]\nloss = 2\n"), vec!["between 0 and 1"]),
        ("f-model", one_node("[radio]\nmodel = \"udg\"\n"), vec!["did you mean `udgm`?"]),
        (
            "f-link",
            one_node("[radio]\nmodel = \"dgrm\"\n[[link]]\nfrom = \"a\"\nto = \"b\"\n"),
            vec!["f-link.toml:9:"],
        ),
    ];
    for (name, text, what) in cases {
        let run = flotilla(&["run", &file(&format!("{name}.toml"), text.as_bytes())]);
        run.ends_with(3).says_only_on_stderr();
        what.iter().for_each(|w| assert!(run.stderr.contains(w), "no {w:?} in {run:?}"));
    }
    for words in [&["--console", "b"][..], &["--console", "a.uart9"], &["--gdb", "127.0.0.1:99999"]] {
        let run = flotilla(&[&["run", &fleet], words].concat());
        assert!(matches!(run.status.code(), Some(2 | 3)), "{run:?}");
        run.says_only_on_stderr();
    }
    flotilla(&["run", &fleet, "--machine", "microbit"]).ends_with(2).says_only_on_stderr();
}

#[test]
fn scenarios_that_are_broken() {
    let step = |step: &str| one_node(&format!("[[step]]\n{step}\n"));
    let cases = [
        ("s-none", step(""), vec!["a step has one of"]),
        ("s-two", step("send = \"a\"\nwait = \"1s\""), vec!["one thing"]),
        ("s-kind", step("sned = \"a\""), vec!["did you mean `send`?"]),
        ("s-node", step("node = \"b\"\nsend = \"a\""), vec!["s-node.toml:6:8"]),
        ("s-time", step("wait = \"soon\""), vec!["s-time.toml:6:8"]),
        ("s-regex", step("expect-regex = \"(\""), vec!["s-regex.toml:6:16"]),
        ("s-input", step("input = \"a.b\"\nvalue = 1"), vec!["no input `a.b`"]),
        ("s-device", step("input = \"a\"\nvalue = 1"), vec!["DEVICE.NAME"]),
        ("s-memory", step("memory = \"nosuch\"\nequals = 1"), vec!["no symbol `nosuch`"]),
        ("s-size", step("memory = \"0x0\"\nequals = 1\nsize = 3"), vec!["1, 2, 4 or 8"]),
        ("s-fits", step("memory = \"0x0\"\nequals = 256\nsize = 1"), vec!["no room in 1 bytes"]),
        ("s-display", step("display = \"leds\"\nshows = [\"#\"]"), vec!["no display `leds`"]),
        ("s-reset", step("reset = \"hard\""), vec!["`power`, `pin` or `soft`"]),
        ("s-exit", step("exit = 99999999999"), vec!["32 bits"]),
        ("s-steps", one_node("step = 3\n"), vec!["step"]),
        ("s-fleet", "fleet = \"nosuch.toml\"\n".into(), vec!["nosuch.toml"]),
    ];
    for (name, text, what) in cases {
        let name = file(&format!("{name}.toml"), text.as_bytes());
        let run = flotilla(&["test", &name]);
        run.ends_with(3);
        let text = String::from_utf8_lossy(&run.stdout) + &run.stderr[..];
        what.iter().for_each(|w| assert!(text.contains(w), "no {w:?} in {run:?}"));
    }
    flotilla(&["test"]).ends_with(2).says_only_on_stderr();
    flotilla(&["test", "/no/such/scenario.toml"]).ends_with(3);
    let folder = path("empty");
    std::fs::create_dir_all(&folder).expect("our folder");
    flotilla(&["test", &folder]).ends_with(3).says_only_on_stderr();
}

#[test]
fn scenarios_that_go_wrong() {
    let wrong = |name: &str, step: &str, code: i32, what: &str| {
        let run = flotilla(&[
            "test",
            &file(&format!("{name}.toml"), one_node(&format!("[[step]]\n{step}\n")).as_bytes()),
        ]);
        run.ends_with(code);
        let text = String::from_utf8_lossy(&run.stdout);
        assert!(text.contains(what) && text.contains(&format!("{name}.toml:5:")), "no {what:?} in {run:?}");
    };
    wrong("w-expect", "expect = \"x\"", 1, "waited for \"x\" from a");
    wrong("w-memory", "memory = \"0x20000000\"\nequals = 1\nwithin = \"1ms\"", 1, "waited for memory");
    wrong(
        "w-void",
        "memory = \"0xfffffffffffffff8\"\nequals = 1\nsize = 8\nwithin = \"1ms\"",
        1,
        "waited for memory",
    );
    wrong("w-exit", "exit = 0\nwithin = \"1ms\"", 1, "waited for the guest to end");
    wrong("w-wait", "wait = \"1000h\"", 4, "timeout");
    let (lockup, image) =
        (one_node("[[step]]\nwait = \"1s\"\n"), file("udf.bin", &image(0x2000_1000, &[0xde00])));
    let lockup = file("w-lockup.toml", lockup.replace(&idle(), &image).as_bytes());
    let run = flotilla(&["test", &lockup]);
    run.ends_with(5);
    assert!(String::from_utf8_lossy(&run.stdout).contains("a locked up at 0x"), "{run:?}");
}

// ---- guests ----

/// Runs Thumb code on a Cortex-M3 for half a virtual second.
fn guest(name: &str, code: &[u16]) -> Run {
    machine("mps2-an385", name, code)
}

fn machine(machine: &str, name: &str, code: &[u16]) -> Run {
    let file = file(&format!("{name}.bin"), &image(0x2000_1000, code));
    flotilla(&["run", &file, "--at", "0", "--machine", machine, "--for", "500ms"])
}

/// An image that sleeps for ever.
fn idle() -> String {
    file("idle.bin", &image(0x2000_1000, &[CPSID, WFI, BACK_TO_PREVIOUS]))
}

const CPSID: u16 = 0xb672;
const WFI: u16 = 0xbf30;
const HERE: u16 = 0xe7fe; // b .
const BACK_TO_PREVIOUS: u16 = 0xe7fd; // b .-2
const LDR_R0: u16 = 0x4800; // ldr r0, [pc, #0]; the literals follow the second instruction
const fn low(v: u32) -> u16 {
    v as u16
}
const fn high(v: u32) -> u16 {
    (v >> 16) as u16
}

/// `ldr r0, =addr`, then one instruction, then the literal.
const fn with_r0(addr: u32, insn: u16) -> [u16; 4] {
    [LDR_R0, insn, low(addr), high(addr)]
}

#[test]
fn a_guest_that_jumps_into_the_void() {
    for (name, to) in
        [("void", 0x3000_0001), ("mmio", 0x4000_4001_u32), ("xn", 0xe000_e001), ("beyond", 0xa000_0001)]
    {
        let run = guest(name, &with_r0(to, 0x4700)); // bx r0
        run.ends_with(5).says_only_on_stderr();
        let place = format!("{:#010x}", to & !1);
        assert!(run.stderr.contains(&place), "where it went: {run:?}");
        assert!(
            run.stderr.contains("locked up at 0x") && run.stderr.contains("instruction fetch"),
            "{run:?}"
        );
    }
    // No Thumb bit.
    let run = guest("arm", &with_r0(0x60, 0x4700));
    run.ends_with(5).says_only_on_stderr();
    assert!(run.stderr.contains("Thumb bit") && run.stderr.contains("first at 0x00000060"), "{run:?}");
}

#[test]
fn a_guest_that_overflows_its_stack() {
    for name in ["mps2-an385", "microbit"] {
        let run = machine(name, &format!("stack-{name}"), &[0xb5ff, 0xe7fd]); // push {r0-r7, lr}; b .-2
        run.ends_with(5).says_only_on_stderr();
        assert!(
            run.stderr.contains("unmapped address 0x1fff") && run.stderr.contains("at 0x00000040"),
            "{run:?}"
        );
    }
}

#[test]
fn a_guest_that_locks_up_at_once() {
    for (name, bytes) in [
        ("zeros", vec![0; 256]),
        ("ones", vec![0xff; 256]),
        ("short", vec![0, 16, 0, 0x20]),
        ("no-thumb", [0x2000_1000_u32, 0x40].into_iter().flat_map(u32::to_le_bytes).collect()),
        ("no-stack", [1_u32, 9].into_iter().flat_map(u32::to_le_bytes).chain([0xff, 0xb5]).collect()),
    ] {
        for name_of_machine in ["mps2-an385", "mps2-an500", "microbit"] {
            let image = file(&format!("{name}-{name_of_machine}.bin"), &bytes);
            let run = flotilla(&["run", &image, "--at", "0", "--machine", name_of_machine, "--for", "1s"]);
            run.ends_with(5).says_only_on_stderr();
            assert!(run.stderr.contains("locked up at 0x"), "{run:?}");
        }
    }
    // Code in a fault handler that faults.
    let run = guest("udf", &[0xbf00, 0xde00]);
    run.ends_with(5).says_only_on_stderr();
    assert!(run.stderr.contains("undefined instruction: HardFault; first at 0x00000042"), "{run:?}");
}

#[test]
fn a_guest_that_writes_its_flash() {
    let run = machine("microbit", "rom", &[0x4801, 0x6000, HERE, 0, 0x0100, 0]); // str r0, [r0]
    run.ends_with(0).says_only_on_stderr();
    assert!(run.stderr.contains("guest mistakes: 1") && run.stderr.contains("at 0x00000042"), "{run:?}");
}

#[test]
fn a_guest_that_loops_a_ppi_channel_into_itself() {
    // PIN_CNF[0] = output with its input connected; GPIOTE 0: task, toggle pin 0; GPIOTE 1: event, toggle of pin 0.
    let words: [(u32, u32); 7] = [
        (0x5000_0700, 1),
        (0x4000_6510, 0x0003_0003),
        (0x4000_6514, 0x0003_0001),
        (0x4001_f510, 0x4000_6104), // CH[0].EEP = EVENTS_IN[1]
        (0x4001_f514, 0x4000_6000), // CH[0].TEP = TASKS_OUT[0]
        (0x4001_f504, 1),           // CHENSET
        (0x4000_6000, 1),           // the first push
    ];
    let run = machine("microbit", "ppi", &stores(&words));
    run.ends_with(0).says_only_on_stderr();
    assert!(run.stderr.contains("virtual time 0.500000 s"), "{run:?}");
    // TEMP: its own end starts it.
    let words = [(0x4001_f510, 0x4000_c100), (0x4001_f514, 0x4000_c000), (0x4001_f504, 1), (0x4000_c000, 1)];
    machine("microbit", "ppi-temp", &stores(&words)).ends_with(0);
    // TIMER0: each compare clears and so compares again; both by channel and by a task that is no task.
    let words = [
        (0x4000_8508, 3),
        (0x4000_8540, 0),
        (0x4001_f510, 0x4000_8140),
        (0x4001_f514, 0x4000_800c),
        (0x4001_f518, 0x4000_8140),
        (0x4001_f51c, 0x4001_f510),
        (0x4001_f520, 0x4001_f000),
        (0x4001_f524, 0x4001_f000),
        (0x4001_f504, 7),
        (0x4000_8000, 1),
    ];
    machine("microbit", "ppi-timer", &stores(&words)).ends_with(0);
}

/// Code that stores each value at its address and then stays where it is.
fn stores(words: &[(u32, u32)]) -> Vec<u16> {
    let mut code = vec![];
    let words: Vec<u32> = words.iter().flat_map(|&(a, v)| [a, v]).collect();
    // ldr r0, [pc, #n]; ldr r1, [pc, #n]; str r1, [r0] for each pair; literals behind a loop.
    let len = words.len() / 2 * 3 + 1;
    let first = len.div_ceil(2); // word index of the first literal
    for (i, _) in words.iter().enumerate() {
        let pc = (code.len() + 2) / 2; // word index of Align(pc, 4)
        let offset = first + i - pc;
        code.push(0x4800 | ((i as u16 & 1) << 8) | offset as u16);
        if i % 2 == 1 {
            code.push(0x6001);
        }
    }
    code.push(HERE);
    code.resize(first * 2, 0);
    code.extend(words.iter().flat_map(|&w| [low(w), high(w)]));
    code
}

#[test]
fn a_guest_that_sleeps_for_ever() {
    let words = ["run", &idle(), "--at", "0", "--machine", "mps2-an385"];
    let run = flotilla(&words);
    run.ends_with(0).says_only_on_stderr();
    assert!(run.stderr.contains("for ever"), "it says so: {run:?}");
    let run = flotilla(&[&words[..], &["--until", "x"]].concat());
    run.ends_with(4).says_only_on_stderr();
    assert!(run.stderr.contains("for ever"), "it says so: {run:?}");
    let run = flotilla(&[&words[..], &["--until", "x", "--for", "1000h"]].concat());
    run.ends_with(4).says_only_on_stderr();
}

/// Sets up the CMSDK UART and leaves its address in r0.
const UART: [u16; 9] = [0x4802, 0x2101, 0x6081, 0x2110, 0x6101, 0xe001, 0x4000, 0x4000, 0x46c0];

#[test]
fn a_guest_that_prints_without_end() {
    // movs r1, #'x'; b .-2 behind a store
    let code = [&UART[..], &[0x2178, 0x6001, 0xe7fd]].concat();
    let file = file("endless.bin", &image(0x2000_1000, &code));
    let words = ["run", &file, "--at", "0", "--machine", "mps2-an385", "--for", "100ms"];
    let run = flotilla(&words);
    run.ends_with(0);
    assert!(run.stdout.len() > 1000 && run.stdout.iter().all(|b| *b == b'x'), "{run:?}");
    let run = flotilla(&[&words[..], &["--until", "xxx"]].concat());
    run.ends_with(0);
    assert_eq!(run.stdout, b"xxx");
    flotilla(&[&words[..], &["--until", "xxy"]].concat()).ends_with(4);
}

#[test]
fn a_guest_that_changes_its_own_code() {
    // adr r2, patch; patch: movs r1, #'A'; str r1, [r0]; full: ldr r3, [r0, #4]; lsls r3, r3, #31; bne full;
    // ldrb r3, [r2]; adds r3, #1; strb r3, [r2]; b patch
    let patch =
        [0x46c0, 0xa200, 0x46c0, 0x2141, 0x6001, 0x6843, 0x07db, 0xd1fc, 0x7813, 0x3301, 0x7013, 0xe7f6];
    let code = [&UART[..], &patch].concat();
    let file = file("patch.bin", &image(0x2000_1000, &code));
    let run =
        flotilla(&["run", &file, "--at", "0", "--machine", "mps2-an385", "--until", "F", "--for", "1s"]);
    run.ends_with(0);
    assert_eq!(run.stdout, b"ABCDEF", "{run:?}");
}

#[test]
fn guests_that_end_themselves() {
    // movs r0, #0x18 (SYS_EXIT); ldr r1, [pc, #0]; bkpt 0xab
    for (name, reason, code) in [("exit", 0x20026, 0), ("abort", 0x20023_u32, 1)] {
        let run = guest(name, &[0x2018, 0x4901, 0xbeab, HERE, low(reason), high(reason)]);
        run.ends_with(code).says_only_on_stderr();
    }
    // Calls that are none, with pointers to nowhere.
    for call in [0x2001_u16, 0x2003, 0x2004, 0x2005, 0x2006, 0x2009, 0x200a, 0x2012, 0x2015, 0x2016, 0x20ff] {
        let run = guest(&format!("call-{call:x}"), &[call, 0x4901, 0xbeab, HERE, 0xfff0, 0xffff]);
        run.ends_with(0);
    }
}
