//! Rows that compare a guest's whole run with QEMU's: the same ELF, CPU seconds, in turn.

use std::process::Command;

use super::rows::{flotilla, guest_path};
use super::{Job, Mark, Outcome, ROUNDS, Row};
use crate::sh::{self, Result};

/// A guest, how both emulators run it, and what it must print.
struct Guest {
    image: &'static str,
    machine: &'static str,
    qemu: &'static [&'static str],
    expect: &'static str,
    /// Virtual time of the run in which the engines' digests are compared; the interpreter would take long for the whole.
    checked: &'static str,
}

const ARM: &str = "qemu-system-arm";
const RISCV: &str = "qemu-system-riscv32";
const QUIET: [&str; 3] = ["-nographic", "-monitor", "none"];

const THUMB: Guest = Guest {
    image: "bench-core",
    machine: "mps2-an386",
    qemu: &[ARM, "-M", "mps2-an386", "-semihosting"],
    expect: "bench ok",
    checked: "2s",
};
const RV32: Guest = Guest {
    image: "bench-core-rv32",
    machine: "riscv32-virt",
    qemu: &[RISCV, "-M", "virt", "-bios", "none"],
    expect: "bench ok",
    checked: "500ms",
};
const FP_M4: Guest = Guest {
    image: "bench-fp-m4",
    machine: "mps2-an386",
    qemu: &[ARM, "-M", "mps2-an386", "-semihosting"],
    expect: "fp ok",
    checked: "2s",
};
const FP_M7: Guest = Guest {
    image: "bench-fp-m7",
    machine: "mps2-an500",
    qemu: &[ARM, "-M", "mps2-an500", "-semihosting"],
    expect: "fp ok",
    checked: "2s",
};

const DSP_MATRIX: Guest = Guest {
    image: "bench-dsp-matrix",
    machine: "mps2-an386",
    qemu: &[ARM, "-M", "mps2-an386", "-semihosting"],
    expect: "dsp ok",
    checked: "2s",
};
const DSP_MIX: Guest = Guest { image: "bench-dsp-mix", ..DSP_MATRIX };

/// Counts instructions, so that virtual time is exact: what ours always does.
const ICOUNT: &[&str] = &["-icount", "shift=0"];

pub fn thumb(name: &str) -> Result<Outcome> {
    against_qemu(name, &THUMB, &[], Mark::new(1.2, 2.0))
}

pub fn thumb_icount(name: &str) -> Result<Outcome> {
    against_qemu(name, &THUMB, ICOUNT, Mark::new(2.5, 5.0))
}

pub fn rv32(name: &str) -> Result<Outcome> {
    against_qemu(name, &RV32, &[], Mark::new(1.5, 2.5))
}

pub fn rv32_icount(name: &str) -> Result<Outcome> {
    against_qemu(name, &RV32, ICOUNT, Mark::new(3.5, 6.0))
}

pub fn fp_m4(name: &str) -> Result<Outcome> {
    against_qemu(name, &FP_M4, &[], Mark::new(1.5, 3.0))
}

pub fn fp_m7(name: &str) -> Result<Outcome> {
    against_qemu(name, &FP_M7, &[], Mark::new(1.5, 3.0))
}

pub fn dsp_matrix(name: &str) -> Result<Outcome> {
    against_qemu(name, &DSP_MATRIX, &[], Mark::new(1.2, 2.0))
}

pub fn dsp_mix(name: &str) -> Result<Outcome> {
    against_qemu(name, &DSP_MIX, &[], Mark::new(1.0, 1.5))
}

fn against_qemu(name: &str, guest: &Guest, more: &[&str], mark: Mark) -> Result<Outcome> {
    if let Some(why) = missing(guest.qemu[0]) {
        return Ok(Outcome::Skipped(why));
    }
    let elf = guest_path(guest.image)?;
    let words = [&guest.qemu[1..], &QUIET, more, &["-kernel", &elf]].concat();
    let theirs = Job::new(guest.qemu[0], &words, guest.expect);
    let ours = Job::new(flotilla(), &["run", guest.image, "--machine", guest.machine], guest.expect);
    let note = same_digest(guest)?;
    let mut pairs = Vec::new();
    for _ in 0..ROUNDS {
        let (a, b) = (ours.measure()?, theirs.measure()?);
        if a.said != b.said {
            return Err(format!("ours printed `{}`, QEMU `{}`", a.said, b.said).into());
        }
        pairs.push((a.cpu, b.cpu));
    }
    Ok(Outcome::Row(Row::less(name, "CPU s", &pairs, mark).noted(note)))
}

fn missing(qemu: &str) -> Option<String> {
    let there = Command::new(qemu).arg("--version").output().is_ok();
    (!there).then(|| format!("{qemu} is not installed"))
}

/// Runs the guest's beginning with the interpreter and with compiled code: what they leave must be the same, bit for bit.
/// The answer is a note if there is no compiled code here.
fn same_digest(guest: &Guest) -> Result<Option<String>> {
    let run = |engine| {
        let words =
            ["run", guest.image, "--machine", guest.machine, "--for", guest.checked, "--engine", engine];
        sh::attempt(Command::new(flotilla()).args(words))
    };
    let (interpreted, compiled) = (run("interpreter")?, run("jit")?);
    let digest = |text: &str| text.lines().find_map(|line| line.strip_prefix("digest: ").map(str::to_owned));
    match (digest(&interpreted.1), digest(&compiled.1)) {
        (Some(a), Some(b)) if a == b => Ok(None),
        (Some(a), Some(b)) => {
            Err(format!("after {} the interpreter's digest is {a}, compiled code's {b}", guest.checked)
                .into())
        }
        (Some(_), None) if compiled.1.contains("no --engine jit here") => {
            Ok(Some("interpreted: no compiled code here".to_owned()))
        }
        _ => {
            let text = if compiled.0 { interpreted.1 } else { compiled.1 };
            Err(format!("{} does not run: {}", guest.image, text.lines().last().unwrap_or_default()).into())
        }
    }
}

/// From the shell to MicroPython's prompt: two whole processes.
pub fn boot(name: &str) -> Result<Outcome> {
    if let Some(why) = missing(ARM) {
        return Ok(Outcome::Skipped(why));
    }
    let hex = format!("loader,file={}", guest_path("microbit-micropython")?);
    let theirs = Job::new(ARM, &[&["-M", "microbit", "-device", &hex], &QUIET[..]].concat(), PROMPT);
    let words = ["run", "microbit-micropython", "--machine", "microbit", "--until", PROMPT];
    let ours = Job::new(flotilla(), &words, PROMPT);
    let mut pairs = Vec::new();
    for _ in 0..ROUNDS * 4 {
        pairs.push((ours.measure()?.cpu * 1e3, theirs.until_said()? * 1e3));
    }
    Ok(Outcome::Row(Row::less(name, "CPU ms", &pairs, Mark::new(1.0, 5.0))))
}

const PROMPT: &str = ">>> ";
