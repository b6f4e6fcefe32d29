//! A bench for one device, without CPU or machine, and the conformance suite every device passes.
#![warn(missing_docs)]

pub mod bench;
#[doc(hidden)]
pub mod suite;

pub use bench::Bench;

/// How many random cases a property test tries: `n`, which `FUZZ` multiplies. What fails is printed, not written to a file.
///
/// `#![proptest_config(emu_testkit::cases(64))]`; tests without this line try 256, or `PROPTEST_CASES`.
pub fn cases(n: u32) -> proptest::test_runner::Config {
    let times = match std::env::var("FUZZ") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("FUZZ={text} is no number")),
        Err(_) => 1,
    };
    let cases = n.saturating_mul(times);
    // Throws of values that a test has no use for are allowed in proportion.
    let max_global_rejects = cases.max(1024).saturating_mul(4);
    proptest::test_runner::Config {
        cases,
        max_global_rejects,
        failure_persistence: None,
        ..Default::default()
    }
}

/// The suite every device passes: no panic under a hostile guest, saved state comes back, fork and load run like the
/// original, slicing time anywhere changes nothing, nor does a debugger that looks at every register, reset values are the table's.
///
/// `emu_testkit::conformance!(name, expression that makes the device);`
#[macro_export]
macro_rules! conformance {
    ($name:ident, $dev:expr) => {
        #[cfg(test)]
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            #[test]
            fn survives_a_hostile_guest() {
                $crate::suite::survives_a_hostile_guest(|| $dev);
            }
            #[test]
            fn saved_state_comes_back() {
                $crate::suite::saved_state_comes_back(|| $dev);
            }
            #[test]
            fn copies_run_like_the_original() {
                $crate::suite::copies_run_like_the_original(|| $dev);
            }
            #[test]
            fn slicing_time_changes_nothing() {
                $crate::suite::slicing_time_changes_nothing(|| $dev);
            }
            #[test]
            fn mend_looking_changes_nothing() {
                $crate::suite::looking_changes_nothing(|| $dev);
            }
            #[test]
            fn broken_saves_are_refused() {
                $crate::suite::broken_saves_are_refused(|| $dev);
            }
        }
    };
}
