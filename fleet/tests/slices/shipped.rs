//! The scenarios that ship, each as it is and in every way that must not change it.

use crate::{desk::scenarios, ways::runs_the_same};

macro_rules! shipped {
    ($($test:ident $file:literal)*) => {
        $(#[test] fn $test() { runs_the_same($file); })*
        const FILES: &[&str] = &[$($file),*];
    };
}

shipped! {
    slice_scenario_microbit_repl "microbit-repl.toml"
    slice_scenario_microbit_board "microbit-board.toml"
    slice_scenario_microbit_files "microbit-files.toml"
    slice_scenario_radio_range "radio-range.toml"
    slice_scenario_radio_ten "radio-ten.toml"
    slice_scenario_beacons "beacons.toml"
    slice_scenario_freertos "freertos.toml"
    slice_scenario_micropython_mps2 "micropython-mps2.toml"
}

/// Those with their tests in the target `nets`, under the same names.
const IN_NETS: &[&str] =
    &["mesh.toml", "net-gateway.toml", "net-loss.toml", "net-pair.toml", "uart-bridge.toml"];

#[test]
fn every_shipped_scenario_has_its_test() {
    let entries = std::fs::read_dir(scenarios()).expect("the folder is there");
    let mut names: Vec<_> =
        entries.map(|e| e.expect("an entry").file_name().into_string().expect("a name")).collect();
    names.retain(|n| n.ends_with(".toml") && !n.ends_with(".fleet.toml"));
    names.sort();
    let mut known = [FILES, IN_NETS].concat();
    known.sort_unstable();
    assert_eq!(names, known);
}
