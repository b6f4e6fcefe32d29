//! The built program from end to end: what it prints, where, and how it ends.

mod terminal;

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};
use terminal::{Reader, at_a_terminal};

fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.args(words).stdin(Stdio::null());
    command
}

/// A file of this test program's own.
fn file(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).expect("the test's own folder");
    path.display().to_string()
}

struct Said {
    out: String,
    err: String,
    code: i32,
}

fn said(output: Output) -> Said {
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    // A host that cannot run compiled code says so, once, before anything else.
    let err = text(output.stderr);
    let err = match err.strip_prefix("the interpreter runs: ").and_then(|rest| rest.split_once('\n')) {
        Some((_, rest)) => rest.to_string(),
        None => err,
    };
    Said { out: text(output.stdout), err, code: output.status.code().expect("ended by itself") }
}

fn run(words: &[&str]) -> Said {
    said(program(words).output().expect("the program starts"))
}

/// Runs with a file as standard input.
fn run_with_input(words: &[&str], name: &str, input: &str) -> Said {
    let input = fs::File::open(file(name, input)).expect("just written");
    said(program(words).stdin(input).output().expect("the program starts"))
}

/// It ended with this code.
#[track_caller]
fn ends(said: &Said, code: i32) {
    assert_eq!(said.code, code, "{}\n{}", said.out, said.err);
}

/// The digest that ends a summary.
#[track_caller]
fn digest(text: &str) -> String {
    let last = text.lines().last().unwrap_or_default();
    let hex = last.strip_prefix("digest: ").unwrap_or_else(|| panic!("no digest ends this:\n{text}"));
    assert!(hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()), "{last}");
    hex.to_string()
}

/// A raw image for address 0 of an M-profile machine: stack, reset vector, no other handlers; then Thumb code.
fn image(name: &str, code: &[u16]) -> String {
    let mut bytes: Vec<u8> = [0x2000_1000u32, 0x41].into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.resize(0x40, 0);
    bytes.extend(code.iter().flat_map(|c| c.to_le_bytes()));
    file(name, bytes)
}

/// `movs r0, #0x18; ldr r1, [pc, #4]; bkpt 0xab; nop; .word reason`: SYS_EXIT.
fn exit_image(name: &str, reason: u32) -> String {
    image(name, &[0x2018, 0x4901, 0xbeab, 0xbf00, reason as u16, (reason >> 16) as u16])
}

const RAW: [&str; 4] = ["--machine", "mps2-an385", "--at", "0"];

fn raw<'a>(image: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", image], &RAW[..], more].concat()
}

// ---- demo ----

#[test]
fn the_demo_shows_a_fleet_that_talks() {
    let said = run(&["demo"]);
    ends(&said, 0);
    assert_eq!(said.err, "");
    for node in ["bit0", "bit1", "bit2"] {
        let heard = |l: &str| l.contains(&format!(" {node}] beacon ")) && l.contains(": heard ");
        assert!(said.out.lines().any(heard), "{node} hears nobody:\n{}", said.out);
    }
    let line = said.out.lines().find(|l| l.contains("heard")).expect("checked above");
    let (stamp, _) = line[1..].split_once(' ').map_or(("", ""), |(a, b)| (a, b));
    assert!(line.starts_with('[') && (stamp.is_empty() || stamp.contains('.')), "{line}");
    assert!(said.out.contains("virtual time 5.000000 s, 3 nodes, "), "{}", said.out);
    assert!(said.out.contains(" MIPS\n"));
    digest(&said.out);
}

#[test]
fn threads_and_slices_change_nothing() {
    let transcript = |words: &[&str]| {
        let said = run(words);
        ends(&said, 0);
        let keep = |l: &&str| !l.starts_with("virtual time");
        (said.out.lines().filter(keep).collect::<Vec<_>>().join("\n"), digest(&said.out))
    };
    let once = transcript(&["demo", "--threads", "1"]);
    assert_eq!(once, transcript(&["demo", "--threads", "1"]));
    assert_eq!(once, transcript(&["demo", "--threads", "2", "--slice", "700us"]));
    assert_ne!(once.1, transcript(&["demo", "--seed", "2"]).1);
}

#[test]
fn the_air_is_captured() {
    let path = file("demo.pcapng", "");
    let said = run(&["demo", "--pcap", &path]);
    ends(&said, 0);
    let bytes = fs::read(&path).expect("written");
    assert_eq!(bytes[..4], [0x0a, 0x0d, 0x0d, 0x0a], "a section header block");
    let packets = said.out.lines().filter(|l| l.contains(": sent #")).count();
    let (mut at, mut found) = (0, 0);
    while at < bytes.len() {
        let word = |o: usize| u32::from_le_bytes(bytes[at + o..at + o + 4].try_into().expect("4 bytes"));
        found += usize::from(word(0) == 6);
        at += word(4) as usize;
    }
    assert_eq!((at, found), (bytes.len(), packets), "as many packets as were sent");
    ends(&run(&["demo", "--pcap", "/no/such/folder/x.pcapng"]), 3);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for words in [
        &["demo", "--for", "20s"][..],
        &["images"],
        &["machines", "microbit"],
        &["run", "demo-beacon", "--for", "20s"],
    ] {
        let mut child =
            program(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {err}");
        assert!(!err.contains("panicked") && !err.contains("error"), "{words:?}: {err}");
    }
}

// ---- run ----

#[test]
fn a_console_and_nothing_else_on_standard_output() {
    let said = run(&["run", "demo-beacon", "--for", "1s"]);
    ends(&said, 0);
    assert!(said.out.starts_with("beacon ") && said.out.contains(": up"), "{}", said.out);
    assert!(!said.out.contains("virtual time") && !said.out.contains("digest"));
    assert!(said.err.starts_with("virtual time 1.000000 s, "), "{}", said.err);
    digest(&said.err);
    let none = run(&["run", "demo-beacon", "--for", "1s", "--console", "none"]);
    ends(&none, 0);
    assert_eq!((none.out.as_str(), digest(&none.err)), ("", digest(&said.err)));
    let named = run(&["run", "demo-beacon", "--for", "1s", "--console", "uart0"]);
    assert_eq!(named.out, said.out);
    ends(&run(&["run", "demo-beacon", "--for", "1s", "--console", "uart7"]), 3);
}

#[test]
fn until_ends_a_run_at_the_text() {
    let said = run(&["run", "demo-beacon", "--until", ": up"]);
    ends(&said, 0);
    assert!(said.out.ends_with(": up"), "nothing is shown behind the text: {}", said.out);
    let said = run(&["run", "demo-beacon", "--until", "never printed", "--for", "100ms"]);
    ends(&said, 4);
    assert!(said.err.contains("error: --until's text was not printed: time is up"), "{}", said.err);
}

#[test]
fn digests_on_the_way_and_at_the_end() {
    let said = run(&["run", "demo-beacon", "--for", "1s", "--digest-every", "250ms"]);
    ends(&said, 0);
    let times: Vec<_> =
        said.err.lines().filter_map(|l| Some(l.strip_prefix("digest at ")?.split_once(':')?.0)).collect();
    assert_eq!(times, ["0.250000", "0.500000", "0.750000", "1.000000"]);
    let end = digest(&said.err);
    assert!(said.err.contains(&format!("digest at 1.000000: {end}")), "{}", said.err);
    ends(&run(&["run", "demo-beacon", "--for", "1s", "--expect-digest", &end]), 0);
    ends(&run(&["run", "demo-beacon", "--for", "2s", "--expect-digest", &end]), 6);
}

#[test]
fn a_guest_that_ends_itself_ends_the_run() {
    // ADP_Stopped_ApplicationExit, ADP_Stopped_RunTimeErrorUnknown
    for (reason, code) in [(0x20026, 0), (0x20023, 1)] {
        let said = run(&raw(&exit_image(&format!("exit-{code}.bin"), reason), &[]));
        ends(&said, code);
        assert!(
            said.err.contains(&format!("mps2-an385: the guest ended itself with {code}\n")),
            "{}",
            said.err
        );
    }
}

#[test]
fn a_lockup_is_told_with_its_place() {
    let said = run(&raw(&image("udf.bin", &[0xde00]), &[])); // udf without a handler
    ends(&said, 5);
    assert!(said.err.contains("mps2-an385: the CPU locked up at 0x"), "{}", said.err);
    digest(&said.err);
}

#[test]
fn a_guest_that_sleeps_for_ever_ends_a_run_without_a_limit() {
    let sleeper = image("wfi.bin", &[0xbf30, 0xe7fd]); // wfi; b .-2
    ends(&run(&raw(&sleeper, &[])), 0);
    let said = run(&raw(&sleeper, &["--until", "x"]));
    ends(&said, 4);
    assert!(said.err.contains("sleeps for ever"), "{}", said.err);
    let said = run(&raw(&sleeper, &["--for", "1h"]));
    ends(&said, 0);
    assert!(said.err.contains("virtual time 3600.000000 s"), "{}", said.err);
}

#[test]
fn a_guests_mistakes_are_shown_with_their_place() {
    // movs r0, #0x30; lsls r0, r0, #24; ldr r1, [r0]: nothing is at 0x30000000, and there is no handler
    let said = run(&raw(&image("hole.bin", &[0x2030, 0x0600, 0x6801]), &[]));
    ends(&said, 5);
    let line = "1 x cpu: read from unmapped address 0x30000000; first at 0x00000044 ";
    assert!(said.err.contains(line), "{}", said.err);
}

#[test]
fn wrong_words_are_usage_and_wrong_things_bad_input() {
    let usage: [&[&str]; 8] = [
        &[],
        &["fly"],
        &["run"],
        &["run", "demo-beacon", "--for", "soon"],
        &["run", "demo-beacon", "--gdb", "nowhere"],
        &["run", "demo-beacon", "--gdb-wait"],
        &["run", "demo-beacon", "--threads", "0"],
        &["run", &image("no-machine.bin", &[0xe7fe]), "--at", "0"],
    ];
    for words in usage {
        ends(&run(words), 2);
    }
    let bad: [(&[&str], &str); 6] = [
        (&["run", "demo-beakon"], "did you mean `demo-beacon`?"),
        (&["run", "missing.elf", "--machine", "microbit"], "cannot read missing.elf"),
        (&["run", "demo-beacon", "--machine", "microbitt"], "did you mean `microbit`?"),
        (&["run", "missing.toml"], "cannot read missing.toml"),
        (&["machines", "mps2-an358"], "did you mean `mps2-an385`?"),
        (&["images", "--path", "demo-beakon"], "did you mean `demo-beacon`?"),
    ];
    for (words, message) in bad {
        let said = run(words);
        ends(&said, 3);
        assert!(said.err.starts_with("error: ") && said.err.contains(message), "{}", said.err);
        assert_eq!((said.out.as_str(), said.err.lines().count()), ("", 1), "{}", said.err);
    }
    let help = run(&["run", "--help"]);
    ends(&help, 0);
    for code in ["0  all went as wanted", "4  time ran out", "5  a guest's CPU locked up", "6  the digest"] {
        assert!(help.out.contains(code), "{code} in {}", help.out);
    }
}

// ---- fleets and scenarios ----

const FLEET: &str = "\
seed = 7
[group.beacon]
count = 2
spacing = 5.0
machine = \"microbit\"
image = \"demo-beacon\"
";

#[test]
fn a_fleet_file_runs_line_by_line_or_one_node_byte_by_byte() {
    let path = file("two.fleet.toml", FLEET);
    let said = run(&["run", &path, "--for", "2s"]);
    ends(&said, 0);
    assert!(
        said.out.contains(" beacon.0] beacon ") && said.out.contains(" beacon.1] beacon "),
        "{}",
        said.out
    );
    let one = run(&["run", &path, "--for", "2s", "--console", "beacon.1"]);
    ends(&one, 0);
    assert!(one.out.starts_with("beacon ") && one.out.contains("heard"), "{}", one.out);
    assert_eq!(digest(&one.err), digest(&said.err));
    let seeded = run(&["run", &path, "--for", "2s", "--seed", "8"]);
    assert_ne!(digest(&seeded.err), digest(&said.err), "--seed goes before the file's");
    ends(&run(&["run", &path, "--until", "heard"]), 0);
    ends(&run(&["run", &path, "--console", "beacon.9"]), 3);
    ends(&run(&["run", &path, "--machine", "microbit"]), 2);
    let wrong =
        file("wrong.fleet.toml", FLEET.replace("spacing", "spasing").replace("demo-beacon", "nothing"));
    let said = run(&["run", &wrong]);
    ends(&said, 3);
    assert!(
        said.err.contains("wrong.fleet.toml:4:1") && said.err.contains("did you mean `spacing`?"),
        "{}",
        said.err
    );
    assert!(said.err.contains("wrong.fleet.toml:6"), "all mistakes at once: {}", said.err);
}

#[test]
fn scenarios_pass_fail_and_run_out_of_time() {
    let scenario = |name: &str, steps: &str| file(name, format!("{FLEET}{steps}"));
    let good = scenario("good.toml", "[[step]]\nexpect = \"heard\"\n");
    let fails = scenario("fails.toml", "[[step]]\nexpect-not = \": up\"\nduring = \"1s\"\n");
    let late = scenario("late.toml", "[[step]]\nexpect = \"never printed\"\nwithin = \"1s\"\n");
    let broken = scenario("broken.toml", "[[step]]\nexpekt = \"x\"\n");
    let said = run(&["test", &good]);
    ends(&said, 0);
    assert!(
        said.out.contains("1 scenarios, 1 passed, 0 failed") && said.out.contains("digest: "),
        "{}",
        said.out
    );
    ends(&run(&["test", &good, &fails]), 1);
    ends(&run(&["test", &good, &late]), 1);
    let junit = file("junit.xml", "");
    let said = run(&["test", &late, &broken, &good, "--junit", &junit]);
    ends(&said, 3);
    assert!(
        said.out.contains("broken.toml:8:1: unknown key `expekt`")
            && said.out.contains("3 scenarios, 1 passed, 2 failed"),
        "{}",
        said.out
    );
    let xml = fs::read_to_string(&junit).expect("written");
    assert!(
        xml.contains("tests=\"3\"") && xml.contains("failures=\"1\"") && xml.contains("errors=\"1\""),
        "{xml}"
    );
    let verbose = run(&["test", "--verbose", &good]);
    assert!(verbose.out.contains(" beacon.0] beacon "), "{}", verbose.out);
}

// ---- lists ----

#[test]
fn images_are_listed_and_found() {
    let said = run(&["images"]);
    ends(&said, 0);
    for name in ["microbit-micropython ", "mps2-an385-micropython ", "demo-beacon "] {
        assert!(said.out.lines().any(|l| l.starts_with(name)), "{name}: {}", said.out);
    }
    let path = run(&["images", "--path", "demo-beacon"]);
    ends(&path, 0);
    assert!(fs::read(path.out.trim_end()).expect("it is there").starts_with(b"\x7fELF"));
}

#[test]
fn machines_are_listed_and_described() {
    let said = run(&["machines"]);
    ends(&said, 0);
    for name in ["microbit ", "mps2-an385 ", "mps2-an386 ", "mps2-an500 "] {
        assert!(said.out.lines().any(|l| l.starts_with(name)), "{name}: {}", said.out);
        let one = run(&["machines", name.trim()]);
        ends(&one, 0);
        assert!(one.out.contains("\nMemory\n") && one.out.contains("\nDevices\n"), "{}", one.out);
        assert!(one.out.contains("not modelled: "), "{}", one.out);
    }
    let said = run(&["machines", "microbit"]).out;
    for part in
        ["cortex-m0 at 16 MHz", "256 KB  flash", "0x40002000  uart0 (nordic,nrf51-uart, IRQ 2)", "input x: "]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}

// ---- terminals ----

/// Long before this the test is over; a run that hangs ends by it.
const ENOUGH: &str = "60s";

#[test]
fn a_terminal_is_raw_and_live_and_quits_by_its_escape() {
    let (shown, mut keys, mut child) = at_a_terminal(&mut program(&["run", "demo-beacon", "--for", ENOUGH]));
    shown.until(": up\r\n");
    keys.write_all(b"\x01?").expect("typed");
    shown.until("x quits, ");
    keys.write_all(b"\x01x").expect("typed");
    let end = shown.until("digest: ");
    assert!(end.contains("virtual time "), "{end}");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}

#[test]
fn a_pseudo_terminal_of_our_own_carries_the_console() {
    let mut child = program(&["run", "demo-beacon", "--pty", "--for", ENOUGH, "--speed", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let line = Reader::new(child.stdout.take().expect("a pipe")).until("\n");
    let path = line.trim_end().rsplit(' ').next().expect("a path");
    assert!(path.starts_with("/dev/pts/"), "{line}");
    Reader::new(fs::File::open(path).expect("the other side")).until("sent #0");
    child.kill().expect("it still runs");
    child.wait().expect("it ended");
}

// ---- with images that `cargo xtask images` fetches ----

#[test]
fn slice_piped_text_is_typed_at_the_guests_pace() {
    let words = ["run", "microbit-micropython", "--for", "2s"];
    let said = run_with_input(&words, "repl.txt", "print(6*7)\nfor i in range(3): print('n', i)\n\n");
    assert_eq!(said.code, 0, "run cargo xtask images: {}", said.err);
    assert!(said.out.contains(">>> print(6*7)\r\n42\r\n"), "{}", said.out);
    assert!(said.out.contains("n 0\r\nn 1\r\nn 2\r\n"), "{}", said.out);
    let again = run_with_input(&words, "repl.txt", "print(6*7)\nfor i in range(3): print('n', i)\n\n");
    assert_eq!((&said.out, digest(&said.err)), (&again.out, digest(&again.err)));
}

#[test]
fn slice_a_program_at_a_live_pipe() {
    let mut child = program(&["run", "microbit-micropython", "--for", ENOUGH, "--live"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut keys = child.stdin.take().expect("a pipe");
    let shown = Reader::new(child.stdout.take().expect("a pipe"));
    shown.until(">>> ");
    for (typed, answer) in [("20 + 22\r", "\r\n42\r\n>>> "), ("'a' * 3\r", "\r\n'aaa'\r\n>>> ")] {
        keys.write_all(typed.as_bytes()).expect("typed");
        shown.until(answer);
    }
    child.kill().expect("it still runs");
    child.wait().expect("it ended");
}

#[test]
fn slice_a_person_at_the_repl() {
    let (shown, mut keys, mut child) =
        at_a_terminal(&mut program(&["run", "microbit-micropython", "--for", ENOUGH]));
    shown.until(">>> ");
    keys.write_all(b"1000 + 234\r").expect("typed");
    shown.until("1234\r\n>>> ");
    // What is echoed is not what is printed, and the guest heeds Ctrl-C only while it runs the loop.
    keys.write_all(b"for i in range(1000000000): i or print('be', 'gun')\r\r").expect("typed");
    shown.until("be gun");
    keys.write_all(b"\x03").expect("typed");
    shown.until("KeyboardInterrupt");
    keys.write_all(b"\x01x").expect("typed");
    shown.until("digest: ");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}
