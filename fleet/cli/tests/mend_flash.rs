//! The built program keeps what guests write to flash from run to run, if it is asked to.

mod program;

use program::{
    Run, file, flotilla, image,
    live::{Running, at_micropython},
    path,
};
use std::{fs, os::unix::fs::PermissionsExt, process::Command, time::Duration};

/// Semihosting's reasons to end.
const DONE: u32 = 0x2_0026;

/// Prints a star for each word before the first erased one from `at` on, clears that, and ends.
fn counter(name: &str, at: u32) -> String {
    let words = [0x4001_e504, at, 0x78, DONE];
    let mut code = vec![
        0x4c0e, // ldr r4, =NVMC.CONFIG
        0x2001, 0x6020, // WEN
        0x4d0e, // ldr r5, =at
        0x6828, 0x3001, 0xd005, // ldr r0, [r5]; adds r0, #1; beq done
        0x2003, 0x490c, 0xbeab, // SYS_WRITEC
        0x3504, 0xe7f7, // adds r5, #4; b to ldr r0
        0xbf00, 0x2000, 0x6028, // done: movs r0, #0; str r0, [r5]
        0x2018, 0x4909, 0xbeab, // SYS_EXIT
        0xe7fe, 0xbf00, 0xbf00, 0xbf00, 0xbf00, 0xbf00, 0xbf00, 0xbf00, 0xbf00, 0xbf00, 0x2a, 0xbf00,
    ];
    code.extend(words.iter().flat_map(|w| [*w as u16, (*w >> 16) as u16]));
    file(name, &image(0x2000_1000, &code))
}

fn words(image: &str) -> Vec<&str> {
    vec!["run", image, "--machine", "microbit", "--at", "0", "--console", "semihost", "--for", "1s"]
}

fn with<'a>(image: &'a str, more: &[&'a str]) -> Run {
    let run = flotilla(&[&words(image)[..], more].concat());
    run.ends_with(0);
    run
}

fn digest(run: &Run) -> &str {
    let last = run.stderr.lines().rev().find(|l| l.starts_with("digest: "));
    last.unwrap_or_else(|| panic!("no digest in {run:?}"))
}

/// A file that is not there.
fn fresh(name: &str) -> String {
    let path = path(name);
    let _ = fs::remove_file(&path);
    path
}

#[test]
fn mend_what_a_guest_wrote_is_there_in_the_next_run() {
    for (name, at) in [("flash", 0x3_fc00), ("uicr", 0x1000_1080)] {
        let image = counter(&format!("mend-counter-{name}.bin"), at);
        let kept = fresh(&format!("mend-{name}.flash"));
        let plain = with(&image, &[]);
        for stars in ["", "*", "**", "***"] {
            let run = with(&image, &["--flash", &kept]);
            assert_eq!(String::from_utf8_lossy(&run.stdout), stars, "{name}: {run:?}");
            assert_eq!(stars.is_empty(), digest(&run) == digest(&plain), "{name}");
        }
    }
}

#[test]
fn mend_a_run_from_a_file_is_the_same_again_and_replays_without_it() {
    let image = counter("mend-counter-again.bin", 0x3_fc00);
    let (kept, session) = (fresh("mend-again.flash"), path("mend-again.session"));
    with(&image, &["--flash", &kept]);
    let before = fs::read(&kept).expect("it was written");
    let first = with(&image, &["--flash", &kept, "--record", &session]);
    fs::write(&kept, &before).expect("written");
    let again = with(&image, &["--flash", &kept, "--engine", "interpreter", "--slice", "7us"]);
    assert_eq!(digest(&first), digest(&again));
    fs::remove_file(&kept).expect("it is there");
    let replay = flotilla(&["replay", &session]);
    replay.ends_with(0);
    assert_eq!(digest(&first), digest(&replay));
    let scenario = path("mend-again-export.toml");
    flotilla(&["replay", &session, "--export", &scenario]).ends_with(0);
    let text = fs::read_to_string(scenario).expect("it was written");
    assert!(text.contains("it begins with 64 bytes in its flash that are not the image's"), "{text}");
    flotilla(&["check-determinism", &session, "--cuts", "5"]).ends_with(0);
}

#[test]
fn mend_each_node_of_a_fleet_has_a_file_of_its_own() {
    counter("mend-counter-fleet.bin", 0x3_fc00);
    let text = "[group.b]\ncount = 2\nmachine = \"microbit\"\nimage = \"mend-counter-fleet.bin\"\nat = 0\n";
    let fleet = file("mend-flash-fleet.toml", text.as_bytes());
    let kept = fresh("mend-fleet.flash");
    let one = format!("b.1={kept}");
    for stars in ["", "*", "**"] {
        let words = ["run", &fleet, "--for", "1s", "--flash", &one, "--console", "b.1.semihost"];
        let run = flotilla(&words);
        run.ends_with(0);
        assert_eq!(String::from_utf8_lossy(&run.stdout), stars, "{run:?}");
    }
    let refused = |more: &[&str], why: &str| {
        let run = flotilla(&[&["run", &fleet, "--for", "1s"], more].concat());
        run.ends_with(2).says_only_on_stderr();
        assert!(run.stderr.contains(why), "no {why:?} in {run:?}");
    };
    refused(&["--flash", &kept], "--flash NODE=");
    refused(&["--flash", &format!("b.7={kept}")], "no node is called `b.7`; there are: b.0, b.1");
    refused(&["--flash", &one, "--flash", &one], "has a file already");
    let both = ["--flash", &one, "--flash", &format!("b.0={kept}")];
    refused(&both, "is the file that --flash writes");
    refused(&["--flash", &format!("b.0={fleet}")], "would overwrite");
}

#[test]
fn mend_a_file_that_cannot_be_this_flash_is_left_as_it_is() {
    let image = counter("mend-counter-other.bin", 0x3_fc00);
    let other = counter("mend-counter-other-2.bin", 0x3_fc04);
    let kept = fresh("mend-other.flash");
    with(&image, &["--flash", &kept]);
    let good = fs::read(&kept).expect("it was written");
    let refused = |image: &str, machine: &str, file: &str, why: &str| {
        let before = fs::read(file).ok();
        let run =
            flotilla(&["run", image, "--machine", machine, "--at", "0", "--for", "1s", "--flash", file]);
        run.ends_with(3).says_only_on_stderr();
        assert!(run.stderr.contains(why) && run.stderr.lines().count() == 1, "no {why:?} in {run:?}");
        assert_eq!(fs::read(file).ok(), before);
    };
    refused(&other, "microbit", &kept, "delete it to begin anew with this image");
    let run = flotilla(&["run", &other, "--machine", "microbit", "--at", "0", "--flash", &kept]);
    for name in ["mend-counter-other.bin (", "mend-counter-other-2.bin ("] {
        assert!(run.stderr.contains(name), "{run:?}");
    }
    let board = file("mend-other-board.toml", b"inherit = \"nrf51822\"\n");
    refused(&image, &board, &kept, "this is the flash of a ");
    refused(&image, "mps2-an385", &fresh("mend-none.flash"), "mps2-an385 has no flash");
    refused(&image, "microbit", &file("mend-text.flash", b"hello\n"), "this is no flash of an earlier run");
    refused(
        &image,
        "microbit",
        &file("mend-cut-10.flash", &good[..10]),
        "this is no flash of an earlier run",
    );
    let cut = file("mend-cut.flash", &good[..good.len() - 1]);
    refused(&image, "microbit", &cut, "it holds 262399 bytes, not 262400: it is damaged");
    let long = [&good[..], b"x"].concat();
    refused(&image, "microbit", &file("mend-long.flash", &long), "it is damaged");
    refused(&image, "microbit", "/dev/null", "it is not a file");
    // The same bytes under another name are the same image.
    let same = file("mend-counter-renamed.bin", &fs::read(&image).expect("an image"));
    assert_eq!(with(&same, &["--flash", &kept]).stdout, b"*");
}

#[test]
fn mend_a_flash_that_cannot_be_written_is_as_it_was() {
    let image = counter("mend-counter-full.bin", 0x3_fc00);
    let kept = fresh("mend-full.flash");
    with(&image, &["--flash", &kept]);
    let before = fs::read(&kept).expect("it was written");
    // No file may grow beyond a few blocks: as on a disk that is full.
    let words = words(&image).join(" ");
    let script =
        format!("ulimit -f 8; trap '' XFSZ; exec \"$0\" {words} --engine interpreter --flash {kept}");
    let mut command = Command::new("bash");
    let command = command.args(["-c", &script, env!("CARGO_BIN_EXE_flotilla")]);
    let run = program::run(command, Duration::from_secs(60));
    run.ends_with(3);
    let said = format!("error: cannot write {kept}: File too large (os error 27); it is as it was");
    assert!(run.stderr.contains(&said) && run.stderr.contains("digest: "), "{run:?}");
    assert_eq!(fs::read(&kept).expect("it is there"), before);
    let folder = fs::read_dir(std::path::Path::new(&kept).parent().expect("a folder")).expect("readable");
    let left = folder.flatten().filter(|f| f.file_name().to_string_lossy().starts_with(".mend-full.flash"));
    assert_eq!(left.count(), 0);
}

#[test]
fn mend_a_flash_is_written_after_a_signal_through_links_and_keeps_its_mode() {
    let image = counter("mend-counter-signal.bin", 0x3_fc00);
    // Another one that never ends: it clears the same word and sleeps.
    let bytes = fs::read(&image).expect("an image");
    let at = bytes.windows(2).rposition(|w| w == [0x18, 0x20]).expect("SYS_EXIT");
    let mut sleeps = bytes.clone();
    sleeps[at..at + 4].copy_from_slice(&[0x30, 0xbf, 0xfd, 0xe7]); // wfi; b .-2
    let sleeps = file("mend-sleeper.bin", &sleeps);
    let (kept, link) = (fresh("mend-signal.flash"), fresh("mend-signal-link.flash"));
    file("mend-signal.flash", b""); // as mktemp leaves it
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o600)).expect("ours");
    std::os::unix::fs::symlink(&kept, &link).expect("a link");
    for stars in ["", "*"] {
        let words =
            ["run", &sleeps, "--machine", "microbit", "--at", "0", "--console", "semihost", "--for", "1h"];
        let more = ["--speed", "1", "--digest-every", "100ms", "--flash", &link];
        let mut run = Running::start(&[&words[..], &more].concat());
        assert!(run.line().starts_with("digest at "), "it has run for a while");
        let int = Command::new("kill").args(["-INT", &run.child.id().to_string()]).status().expect("kill");
        assert!(int.success());
        let (said, out, code) = run.end();
        assert_eq!((&out[..], code), (stars, Some(130)), "{said}");
    }
    assert!(fs::symlink_metadata(&link).expect("it is there").is_symlink());
    let mode = fs::metadata(&kept).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn mend_files_of_micropython_are_there_after_a_restart() {
    let kept = fresh("mend-micropython.flash");
    let typed = |lines: &[&str]| at_micropython(&["--flash", &kept], lines);
    let said = typed(&[
        "import os",
        "os.listdir()",
        "f = open('a.txt', 'w')",
        "f.write('from before')",
        "f.close()",
    ]);
    assert!(said.contains("[]\r\n") && said.contains("11\r\n"), "{said}");
    let said = typed(&["import os", "os.listdir()", "open('a.txt').read()"]);
    assert!(said.contains("['a.txt']\r\n") && said.contains("'from before'\r\n"), "{said}");
}
