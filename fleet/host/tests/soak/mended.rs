//! Cases that failed once.

use crate::case::Case;

#[track_caller]
#[allow(dead_code, reason = "the first case that is mended uses it")]
fn holds(case: &str) {
    let case: Case = serde_json::from_str(case).expect("a case");
    if let Err(why) = case.check() {
        panic!("a run is not the same: {why}");
    }
}
