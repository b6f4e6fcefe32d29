//! Our core against Unicorn: every encoding class, shifter form, IT block and sequence.

use crate::common::{Drive, Duel};
use emu_unicorn::cases::{self, Rng};
use emu_unicorn::{Core, encodings};

const ALL: [Drive; 2] = [Drive::Steps, Drive::Budget];

/// Random cases of every class that `core` has and `wanted` selects.
fn classes(core: Core, rounds: usize, wanted: impl Fn(&encodings::Encoding) -> bool) {
    let mut duel = Duel::new(core);
    let rows: Vec<_> = encodings::of(core).into_iter().filter(wanted).collect();
    for row in &rows {
        let mut rng = Rng::new(&row.name);
        for _ in 0..rounds {
            let case = cases::random(&mut rng, core, row);
            duel.run(&case, &ALL);
        }
    }
    duel.finish(rows.len() * rounds);
}

fn is_fp(row: &encodings::Encoding) -> bool {
    row.name.starts_with('V')
}

#[test]
fn oracle_classes_m0() {
    classes(Core::M0, 300, |_| true);
}

#[test]
fn oracle_classes_m3() {
    classes(Core::M3, 200, |_| true);
}

#[test]
fn oracle_classes_m4() {
    classes(Core::M4, 200, |row| !is_fp(row));
}

#[test]
fn oracle_fp_m4() {
    classes(Core::M4, 800, is_fp);
}

#[test]
fn oracle_fp_m7() {
    classes(Core::M7, 800, is_fp);
}

#[test]
fn oracle_shifter_forms() {
    let mut duel = Duel::new(Core::M4);
    let rows: Vec<_> = encodings::of(Core::M4).into_iter().filter(|row| row.says("@shift")).collect();
    for row in &rows {
        for case in cases::shifts(&mut Rng::new(&row.name), Core::M4, row) {
            duel.run(&case, &[Drive::Budget]);
        }
    }
    duel.finish(256 * 15);
}

#[test]
fn oracle_it_blocks() {
    for core in [Core::M3, Core::M7] {
        let mut duel = Duel::new(core);
        for case in cases::it_blocks(&mut Rng::new("it_blocks"), core, 6) {
            duel.run(&case, &[Drive::Steps, Drive::Budget, Drive::Block]);
        }
        duel.finish(14 * 15 * 6 * 3);
    }
}

#[test]
fn oracle_sequences() {
    for core in Core::ALL {
        let mut duel = Duel::new(core);
        for case in cases::sequences(&mut Rng::new("sequences"), core, 2000) {
            duel.run(&case, &[Drive::Steps, Drive::Budget, Drive::Block]);
        }
        duel.finish(6000);
    }
}

#[test]
fn oracle_exclusives() {
    let mut duel = Duel::new(Core::M3);
    for case in cases::exclusives(&mut Rng::new("exclusives"), Core::M3, 20) {
        duel.run(&case, &ALL);
    }
    duel.finish(20 * 15 * 2);
}
