//! How a node's own clock runs against the fleet's.
//!
//! A machine counts local nanoseconds. A local instant `l` is the fleet's `base + ceil((l - local) * 10^6 / (10^6 + ppm))`,
//! in whole numbers, so that a drift changes nothing else in the machine and every instant has one meaning whatever the
//! epochs are.

use emu_core::Time;
use serde::{Deserialize, Serialize};

const MILLION: i128 = 1_000_000;
/// Clocks that are off by more than this are no clocks.
pub const MOST_PPM: i32 = 500_000;

/// A clock that is right at `base` and gains `ppm` microseconds in every second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skew {
    base: Time,
    local: Time,
    ppm: i32,
}

impl Skew {
    /// A node whose clock shows `local` at `base` and from then on gains `ppm`.
    pub fn new(base: Time, local: Time, ppm: i32) -> Skew {
        Skew { base, local, ppm: ppm.clamp(-MOST_PPM, MOST_PPM) }
    }

    /// How much it gains, in parts per million.
    pub fn ppm(&self) -> i32 {
        self.ppm
    }

    fn exact(&self) -> bool {
        self.ppm == 0 && self.base == self.local
    }

    fn rate(&self) -> i128 {
        MILLION + i128::from(self.ppm)
    }

    /// The fleet's time of a local instant.
    pub fn fleet(&self, local: Time) -> Time {
        if self.exact() || local == Time::MAX {
            return local;
        }
        let gone = (i128::from(local.0) - i128::from(self.local.0)) * MILLION;
        let whole = gone.div_euclid(self.rate()) + i128::from(gone.rem_euclid(self.rate()) != 0);
        time(i128::from(self.base.0) + whole)
    }

    /// How far the machine runs when the fleet runs to `t`: the first local instant that is not before `t`.
    pub fn local(&self, t: Time) -> Time {
        if self.exact() || t == Time::MAX {
            return t;
        }
        let gone = i128::from(t.0) - i128::from(self.base.0);
        let behind = (gone - 1) * self.rate();
        time(i128::from(self.local.0) + behind.div_euclid(MILLION) + 1).max(self.local)
    }
}

fn time(ns: i128) -> Time {
    Time(ns.clamp(0, i128::from(u64::MAX - 1)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// `run_until(local(t))` executes exactly what starts before `t`.
        #[test]
        fn what_is_before_stays_before(base in 0..1u64 << 50, off in 0..1u64 << 40, ppm in -MOST_PPM..=MOST_PPM,
                                       gone in 0..1u64 << 45, near in -3i64..=3) {
            let s = Skew::new(Time(base), Time(base + off), ppm);
            let t = Time(base + gone);
            let l = s.local(t);
            prop_assert!(s.fleet(l) >= t);
            let other = Time(l.0.saturating_add_signed(near).max(base + off));
            prop_assert_eq!(other < l, s.fleet(other) < t);
        }
    }

    #[test]
    fn a_right_clock_is_no_clock() {
        let s = Skew::default();
        assert_eq!(
            (s.fleet(Time(77)), s.local(Time(77)), s.local(Time::MAX)),
            (Time(77), Time(77), Time::MAX)
        );
        let fast = Skew::new(Time(1000), Time(1000), 100_000);
        assert_eq!(
            (fast.local(Time(2000)), fast.fleet(Time(2099)), fast.fleet(Time(2100))),
            (Time(2099), Time(2000), Time(2000))
        );
        assert_eq!(fast.local(Time(1000)), Time(1000));
    }
}
