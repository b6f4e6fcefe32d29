//! What a firmware project's test gets wrong is told, not a panic.
#![allow(clippy::unwrap_used)]

use fleet_host::{Lab, LabError, lab::Builder};
use std::{path::PathBuf, sync::LazyLock, time::Duration};

/// A Cortex-M3 image: stack, reset vector, then `wfi` for ever. Written once: the tests of this file run side by side, and
/// a second writing would show a reader an empty file.
static SLEEPER: LazyLock<String> = LazyLock::new(|| {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("sleeper-{}.bin", std::process::id()));
    let mut bytes = [0x2000_1000u32, 9].map(u32::to_le_bytes).concat();
    bytes.extend([0xbf30u16, 0xe7fd].map(u16::to_le_bytes).concat());
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
});

fn node(name: &str) -> Builder {
    Lab::builder().node(name, "mps2-an385", &SLEEPER).load_at(0)
}

#[test]
fn mend_lab_mistakes_of_the_builder_are_errors() {
    let image: &str = &SLEEPER;
    let twice = node("a").node("a", "mps2-an385", image).load_at(0);
    for (builder, want) in [
        (Lab::builder(), "a fleet has at least one node"),
        (Lab::builder().at([0.0; 3]).node("a", "microbit", image), "`at` concerns the node added last"),
        (Lab::builder().load_at(0), "`load_at` concerns"),
        (Lab::builder().mac([2; 6]).at([0.0; 3]), "`mac` concerns"),
        (Lab::builder().patch(b"a", b"b"), "`patch` concerns"),
        (node("a").at([0.0, f64::NAN, 0.0]), "`a` is at [0.0, NaN, 0.0]"),
        (node("a").at([f64::INFINITY, 0.0, 0.0]), "`a` is at [inf, 0.0, 0.0]"),
        (twice, "two nodes are called `a`"),
    ] {
        let said = builder.build().err().map(|e| e.to_string()).unwrap_or_default();
        assert!(said.starts_with(want), "{said:?} is not {want:?}");
    }
}

#[test]
fn mend_lab_an_error_prints_as_its_message() {
    let mut lab = node("a").build().unwrap();
    let error = lab.node("a").unwrap().expect("ready", Duration::from_millis(5)).err().unwrap();
    assert!(matches!(error, LabError::TimeOut { .. }));
    // This is what `fn main() -> Result<(), LabError>` and `unwrap` print.
    let shown = format!("{error:?}");
    assert!(shown.starts_with("a did not print \"ready\" from 0.000000 s to 0.005000 s (seed 1)"), "{shown}");
}

#[test]
fn mend_lab_a_sleeping_guest_sleeps_as_long_as_asked() {
    let mut lab = node("a").build().unwrap();
    lab.run_for(Duration::MAX).unwrap();
    assert_eq!(lab.now(), Duration::from_secs(100 * 365 * 24 * 3600));
    lab.run_for(Duration::MAX).unwrap();
    assert!(!lab.run_until_true(Duration::MAX, |_| false).unwrap());
    assert_eq!(lab.node("a").unwrap().mistakes(), 0);
}
