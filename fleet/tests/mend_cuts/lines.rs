//! When an interrupt line is seen does not depend on where a run is cut.

use crate::desk::{fleet, loaded, run_to};
use fleet::Serial;

const ONE: &str = "[node.bit]\nmachine = \"microbit\"\nimage = \"irqloop\"\n";

/// One round of the guest's loop with its interrupt takes about 4 us.
const WINDOW: std::ops::Range<u64> = 1_000_000..1_004_000;

#[test]
fn mend_a_line_that_rises_and_falls_may_be_cut_at_any_nanosecond() {
    let end = WINDOW.end + 500;
    let mut straight = fleet(ONE);
    run_to(&mut straight, end, &Serial);
    let digest = straight.digest();
    let mut cut = fleet(ONE);
    for t in WINDOW {
        run_to(&mut cut, t, &Serial);
        let mut fork = cut.fork();
        let mut back = loaded(ONE, &cut.save());
        assert_eq!(back.digest(), cut.digest(), "loaded at {t} ns");
        for (how, copy) in [("forked", &mut fork), ("saved and loaded", &mut back)] {
            run_to(copy, end, &Serial);
            assert_eq!(copy.digest(), digest, "{how} at {t} ns");
        }
    }
    run_to(&mut cut, end, &Serial);
    assert_eq!(cut.digest(), digest, "cut at every nanosecond");
}

#[test]
fn mend_a_line_that_rises_and_falls_may_be_stopped_at_any_instruction() {
    let end = WINDOW.start + 20_000;
    let mut straight = fleet(ONE);
    run_to(&mut straight, end, &Serial);
    let digest = straight.digest();
    let mut stepped = fleet(ONE);
    run_to(&mut stepped, WINDOW.start, &Serial);
    let mut steps = 0;
    while stepped.step(0, emu_core::Time(end), &Serial) != fleet::FleetExit::Reached {
        let mut fork = stepped.fork();
        let mut back = loaded(ONE, &stepped.save());
        for (how, copy) in [("forked", &mut fork), ("saved and loaded", &mut back)] {
            run_to(copy, end, &Serial);
            assert_eq!(copy.digest(), digest, "{how} after {steps} steps");
        }
        steps += 1;
    }
    assert!(steps > 30, "only {steps} instructions in the window");
    assert_eq!(stepped.digest(), digest, "stepped");
}
