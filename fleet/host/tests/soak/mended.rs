//! Cases that failed once.

use crate::case::Case;

#[track_caller]
fn holds(case: &str) {
    let case: Case = serde_json::from_str(case).expect("a case");
    if let Err(why) = case.check() {
        panic!("a run is not the same: {why}");
    }
}

#[test]
fn mend_soak_a_stop_on_lines_that_were_left_behind_is_saved() {
    holds(
        r#"{"fleet":"islands","seed":1545145368703404569,"end":328692,"commands":[],"upfront":true,"threads":0,"compiled":false,"deeds":[[63,{"Slice":6}],[309067,{"Break":[1,14104130883556486861]}]]}"#,
    );
}
