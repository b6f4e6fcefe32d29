//! `flotilla lockstep`: every image of the project beside Unicorn, for a bounded number of instructions; and what a build
//! without Unicorn says.

use std::process::{Command, Stdio};

struct Said {
    out: String,
    err: String,
    code: Option<i32>,
}

fn flotilla(words: &[&str], input: Stdio) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_flotilla")).args(words).stdin(input).output();
    let output = output.expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { out: text(&output.stdout), err: text(&output.stderr), code: output.status.code() }
}

#[test]
fn lockstep_help_has_an_example_and_the_licence() {
    let said = flotilla(&["lockstep", "--help"], Stdio::null());
    assert_eq!(said.code, Some(0));
    for text in
        ["flotilla lockstep firmware.elf", "--features unicorn", "GPL-2.0", "exit code 6", "  7  this build"]
    {
        assert!(said.out.contains(text), "no {text} in\n{}", said.out);
    }
}

#[cfg(not(feature = "unicorn"))]
#[test]
fn lockstep_without_unicorn_says_how_to_get_it() {
    let said = flotilla(&["lockstep", "bench", "--machine", "mps2-an385"], Stdio::null());
    assert_eq!(said.code, Some(7));
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    assert!(said.err.contains("cargo build --release -p flotilla --features unicorn"), "{}", said.err);
}

#[cfg(feature = "unicorn")]
mod beside {
    use super::*;
    use std::{fs, path::PathBuf};

    /// A file of this test program's own.
    fn file(name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, bytes).expect("the test's own folder");
        path.display().to_string()
    }

    /// What is typed at a MicroPython prompt: integers, floats, text, exceptions, garbage to collect.
    const PYTHON: &str = "\
sum([x*x%7 for x in range(50)])
2**70 // 12345, -7 // 2, divmod(-7, 3), 1 << 33
x = 1.5; [(x := x * 1.7 - i / 3) for i in range(9)] if 0 else [1.5 * i - i / 3 for i in range(9)]
'%08x %.4f %s' % (0xbeef, 2.0 / 3, 'a' * 5)
try: 1 // 0
except ZeroDivisionError as e: print('caught', e)

import gc; gc.collect()
sorted([3, 1, 2], key=lambda v: -v), {k: k ** 3 for k in range(5)}
";

    /// Numbers of compared and left-out instructions of a summary.
    fn counts(said: &Said) -> (u64, u64) {
        let line = said.err.lines().find(|l| l.contains("compared with Unicorn's"));
        let line = line.unwrap_or_else(|| panic!("no summary in\n{}", said.err));
        let numbers: Vec<u64> =
            line.split(' ').filter_map(|w| w.trim_end_matches(':').replace(',', "").parse().ok()).collect();
        (numbers[0], numbers[1])
    }

    /// Runs an image; at least so many instructions are compared, and that many percent of all.
    #[track_caller]
    fn same(words: &[&str], input: &str, at_least: u64, percent: u64) -> Said {
        let input = if input.is_empty() {
            Stdio::null()
        } else {
            let name = format!("lockstep-{}", words.concat().replace(['-', '/', '.'], "_"));
            fs::File::open(file(&name, input)).expect("just written").into()
        };
        let said = flotilla(&[&["lockstep"], words].concat(), input);
        assert!(said.code == Some(0) && said.err.contains("no difference"), "{:?}\n{}", said.code, said.err);
        let (compared, left) = counts(&said);
        assert!(compared >= at_least, "{compared} of at least {at_least}\n{}", said.err);
        assert!(compared * 100 >= (compared + left) * percent, "{}", said.err);
        said
    }

    #[test]
    fn lockstep_microbit_micropython() {
        for image in ["microbit-micropython", "microbit-micropython-1.1.1"] {
            let said = same(&[image, "--instructions", "1_000_000"], PYTHON, 700_000, 70);
            assert!(said.out.contains(">>>"), "{}", said.out);
        }
    }

    fn micropython(image: &str) {
        let said = same(&[image, "--instructions", "3_600_000"], PYTHON, 1_000_000, 50);
        assert!(said.out.contains("caught"), "{}", said.out);
    }

    #[test]
    fn lockstep_an385_micropython() {
        micropython("mps2-an385-micropython");
    }

    #[test]
    fn lockstep_an386_micropython() {
        micropython("mps2-an386-micropython");
    }

    #[test]
    fn lockstep_an500_micropython() {
        micropython("mps2-an500-micropython");
    }

    #[test]
    fn lockstep_corners() {
        for image in ["corners-an500", "corners-microbit"] {
            let said = same(&[image, "--for", "1s"], "", 1_500_000, 50);
            assert!(said.out.contains(" passed, 0 failed"), "{}", said.out);
        }
        for image in ["corners-an385", "corners-an386"] {
            same(&[image, "--instructions", "3_500_000"], "", 2_000_000, 50);
        }
    }

    #[test]
    fn lockstep_freertos() {
        for image in ["freertos-an385", "freertos-an386", "freertos-an500"] {
            same(&[image, "--instructions", "1_000_000"], "", 950_000, 95);
        }
    }

    #[test]
    fn lockstep_networks() {
        for machine in ["mps2-an385", "mps2-an386"] {
            let input = "help\nip 10.0.0.5\nstats\n";
            same(&["net", "--machine", machine, "--instructions", "500_000"], input, 200_000, 80);
            same(&["bridge", "--machine", machine], "hello\nthere\n", 1_000, 80);
        }
        same(&["demo-beacon", "--for", "10s"], "", 40_000, 70);
    }

    /// Every image of the catalogue on each of its machines, also those that nobody thought of above.
    #[test]
    fn lockstep_every_image() {
        let known = |machine: &str| flotilla(&["machines", machine], Stdio::null()).code == Some(0);
        let mut runs = 0;
        // One that is missing fails its own tests.
        for image in images::catalogue().iter().filter(|i| i.present()) {
            for machine in image.machines.iter().filter(|m| known(m)) {
                let words = [&image.name, "--machine", machine, "--instructions", "100_000", "--for", "20s"];
                // A guest that polls a device all the time still computes; one that sleeps does little.
                same(&words, "", 500, 30);
                runs += 1;
            }
        }
        assert!(runs > 30, "{runs}");
    }

    #[test]
    fn lockstep_is_the_same_run_as_run() {
        let digest = |said: &Said| said.err.lines().last().map(str::to_string);
        let alone = flotilla(&["run", "freertos-an386", "--for", "15ms"], Stdio::null());
        let beside = same(&["freertos-an386", "--for", "15ms"], "", 100_000, 90);
        assert!(digest(&alone).is_some_and(|d| d.starts_with("digest: ")), "{}", alone.err);
        assert_eq!(digest(&alone), digest(&beside));
        assert_eq!(alone.out, beside.out);
    }

    #[test]
    fn lockstep_ends_as_the_guest_does() {
        // Stack, reset vector 0x41, no other; UDF: it locks up.
        let mut image: Vec<u8> = [0x2000_1000u32, 0x41].into_iter().flat_map(u32::to_le_bytes).collect();
        image.resize(0x40, 0);
        image.extend([0x00, 0xde]);
        let raw = |image: &str| {
            flotilla(&["lockstep", image, "--machine", "mps2-an385", "--at", "0"], Stdio::null())
        };
        let said = raw(&file("lockstep-lockup.bin", &image));
        assert_eq!(said.code, Some(5), "{}", said.err);
        assert!(said.err.contains("locked up"), "{}", said.err);
        // SYS_EXIT with an error: movs r0, #0x18; movs r1, #0; bkpt 0xab
        image.truncate(0x40);
        image.extend([0x18, 0x20, 0x00, 0x21, 0xab, 0xbe]);
        assert_eq!(raw(&file("lockstep-exit.bin", &image)).code, Some(1));
    }

    #[test]
    fn lockstep_bad_input_is_one_message() {
        let elf =
            file("lockstep-cut.elf", &b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0\x01\0\0\0"[..]);
        let cases: [(&[&str], i32); 6] = [
            (&["lockstep", "no-such-image"], 3),
            (&["lockstep", &elf, "--machine", "mps2-an385"], 3),
            (&["lockstep", "bench", "--machine", "mps2-an38"], 3),
            (&["lockstep", "microbit-micropython", "--machine", "mps2-an385"], 0),
            (&["lockstep", "bench", "--for", "0s"], 2),
            (&["lockstep", "bench", "--instructions", "many"], 2),
        ];
        for (words, code) in cases {
            let said = flotilla(words, Stdio::null());
            if code == 0 {
                // Wherever a wrong image leads, it is no panic and no difference.
                assert!(matches!(said.code, Some(0 | 3 | 5)), "{words:?}: {:?}\n{}", said.code, said.err);
                continue;
            }
            assert_eq!(said.code, Some(code), "{words:?}\n{}", said.err);
            assert!(
                said.err.starts_with("error: ") && said.err.lines().count() < 8,
                "{words:?}\n{}",
                said.err
            );
        }
    }
}
