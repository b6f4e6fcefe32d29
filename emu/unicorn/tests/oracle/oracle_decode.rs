//! What is no instruction: every 16-bit pattern and many 32-bit ones that no row describes.

use crate::common::{Drive, Ours};
use emu_unicorn::cases::{self, Case, Rng};
use emu_unicorn::{Core, Oracle, Stop, encodings};

/// Patterns that ours executes though Unicorn finds them undefined.
fn executed_though_undefined(core: Core, patterns: impl Iterator<Item = (bool, u32)>) -> Vec<String> {
    let mut oracle = Oracle::new(core);
    let mut ours = Ours::new(core);
    let mut rng = Rng::new("oracle_decode");
    let mut state = cases::state(&mut rng, core);
    // Every register is a good base address and a small index is zero.
    state.r[..13].fill(emu_unicorn::DATA + 0x1000);
    state.r[14] = emu_unicorn::DATA + 0x1000;
    let memory = cases::memory(&mut rng);
    let mut wrong = Vec::new();
    for (wide, bits) in patterns {
        let code = cases::bytes(wide, bits);
        let case = Case { name: format!("{bits:08x}"), code, state: state.clone(), memory: memory.clone() };
        let mine = ours.run(&case, Drive::Budget);
        if mine.stop != Stop::Left {
            continue;
        }
        let theirs = oracle.run(&case.state, &case.code, &case.memory);
        if theirs.stop == Stop::Undefined {
            wrong.push(format!("{core:?} {bits:08x}"));
        }
    }
    wrong
}

#[test]
fn oracle_undefined_narrow() {
    for core in [Core::M0, Core::M3] {
        let rows: Vec<_> = encodings::of(core).into_iter().filter(|row| !row.is_wide()).collect();
        let unknown = (0..0xe800).filter(|bits| !rows.iter().any(|row| bits & row.mask == row.value));
        let wrong = executed_though_undefined(core, unknown.map(|bits| (false, bits)));
        assert!(wrong.is_empty(), "{}: {}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
    }
}

#[test]
fn oracle_undefined_wide() {
    for core in Core::ALL {
        let rows: Vec<_> = encodings::of(core).into_iter().filter(|row| row.is_wide()).collect();
        let mut rng = Rng::new("undefined");
        let random = (0..200_000).map(|_| 0xe800_0000 | rng.next32());
        // SDIV and UDIV have four bits that should be one: unpredictable otherwise, so either answer is right.
        let division = |bits: &u32| bits & 0xffd0_00f0 == 0xfb90_00f0;
        let unknown =
            random.filter(|bits| !division(bits) && !rows.iter().any(|row| bits & row.mask == row.value));
        let wrong = executed_though_undefined(core, unknown.map(|bits| (true, bits)));
        assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong[..wrong.len().min(60)].join("\n"));
    }
}

/// Unicorn is lenient about some classes that a core lacks; ours is not.
#[test]
fn oracle_ours_lacks_what_it_should() {
    for core in Core::ALL {
        let mut ours = Ours::new(core);
        let mut rng = Rng::new("oracle_ours_lacks");
        let mut wrong = Vec::new();
        // MSR with the mask bits of GE is unpredictable without DSP, not undefined.
        let lacking = |row: &&encodings::Encoding| !row.on.has(core) && !row.name.starts_with("MSR_apsr_");
        for row in encodings::all().iter().filter(lacking) {
            for _ in 0..20 {
                let mut case = cases::random(&mut rng, core, row);
                case.code = cases::bytes(row.is_wide(), cases::instruction(&mut rng, row));
                if ours.run(&case, Drive::Budget).stop == Stop::Left {
                    wrong.push(format!("{core:?} {} {}", row.name, case.listing()));
                }
            }
        }
        assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
    }
}
