//! Virtual time and exact clocks.
//!
//! Time is an argument everywhere below the edge; nothing here reads the host's clock. A clock edge is computed
//! from the tick number by exact rational arithmetic, so rounding happens once per edge and never accumulates.

use serde::{Deserialize, Serialize};

/// Virtual time in nanoseconds since the fleet was powered on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Time(pub u64);

impl Time {
    /// The start of the simulation.
    pub const ZERO: Time = Time(0);
    /// Later than everything: "never".
    pub const MAX: Time = Time(u64::MAX);

    /// `n` microseconds.
    pub const fn us(n: u64) -> Time {
        Time(n * 1_000)
    }
    /// `n` milliseconds.
    pub const fn ms(n: u64) -> Time {
        Time(n * 1_000_000)
    }
    /// `n` seconds.
    pub const fn secs(n: u64) -> Time {
        Time(n * 1_000_000_000)
    }
    /// Nanoseconds from `earlier` to `self`, zero if `earlier` is later.
    pub const fn since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<u64> for Time {
    type Output = Time;
    /// Adds nanoseconds, saturating at [`Time::MAX`].
    fn add(self, ns: u64) -> Time {
        Time(self.0.saturating_add(ns))
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self == Time::MAX {
            return f.pad("never");
        }
        let text = format!("{}.{:06}", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000);
        f.pad(&text)
    }
}

/// A clock with a rational rate, anchored at a base: tick `base_tick` has its edge at `base_time`.
///
/// The rate is kept as nanoseconds per tick `num / den` in lowest terms, so that 16 MHz is 125/2.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "RawClock")]
pub struct Clock {
    base_time: u64,
    base_tick: u64,
    num: u64,
    den: u64,
}

/// A clock as it is saved; a rate of zero or without end is none.
#[derive(Deserialize)]
struct RawClock {
    base_time: u64,
    base_tick: u64,
    num: u64,
    den: u64,
}

impl TryFrom<RawClock> for Clock {
    type Error = &'static str;
    fn try_from(c: RawClock) -> Result<Clock, &'static str> {
        if c.num == 0 || c.den == 0 {
            return Err("a clock without a rate");
        }
        Ok(Clock { base_time: c.base_time, base_tick: c.base_tick, num: c.num, den: c.den })
    }
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cold]
fn far_edge(n: u64, num: u64, den: u64) -> u64 {
    let ns = (u128::from(n) * u128::from(num)).div_ceil(u128::from(den));
    ns.try_into().unwrap_or(u64::MAX)
}

#[cold]
fn far_ticks(dt: u64, num: u64, den: u64) -> u64 {
    (u128::from(dt) * u128::from(den) / u128::from(num)) as u64
}

impl Clock {
    /// A clock of `hz` whose tick 0 is at time 0. `hz` must not be zero.
    pub const fn hz(hz: u64) -> Clock {
        Clock::ratio(hz, 1)
    }

    /// A clock of `hz / div` (a prescaler), tick 0 at time 0. Neither may be zero.
    pub const fn ratio(hz: u64, div: u64) -> Clock {
        assert!(hz != 0 && div != 0, "a clock needs a rate");
        let ns = 1_000_000_000 * div;
        let g = gcd(ns, hz);
        Clock { base_time: 0, base_tick: 0, num: ns / g, den: hz / g }
    }

    /// The same rate with tick `tick` moved to time `at`.
    #[must_use]
    pub const fn based(self, at: Time, tick: u64) -> Clock {
        Clock { base_time: at.0, base_tick: tick, ..self }
    }

    /// A new rate `hz / div` from `now` on; the tick count reached at `now` goes on from there.
    #[must_use]
    pub fn rebased(&self, now: Time, hz: u64, div: u64) -> Clock {
        Clock::ratio(hz, div).based(now, self.ticks(now))
    }

    /// The time of tick `n`'s edge, rounded up to a whole nanosecond. `n` before the base gives the base's time.
    #[inline]
    pub fn edge(&self, n: u64) -> Time {
        let n = n.saturating_sub(self.base_tick);
        let ns = match n.checked_mul(self.num) {
            // Most rates of CPUs have a denominator of one or two.
            Some(x) if self.den.is_power_of_two() => {
                let shift = self.den.trailing_zeros();
                (x >> shift) + u64::from(x & (self.den - 1) != 0)
            }
            Some(x) => x.div_ceil(self.den),
            None => far_edge(n, self.num, self.den),
        };
        Time(self.base_time.saturating_add(ns))
    }

    /// The number of the last tick whose edge is at or before `t`.
    #[inline]
    pub fn ticks(&self, t: Time) -> u64 {
        let dt = t.0.saturating_sub(self.base_time);
        let n = match dt.checked_mul(self.den) {
            Some(x) => x / self.num,
            None => far_ticks(dt, self.num, self.den),
        };
        self.base_tick.saturating_add(n)
    }

    /// The number of the first tick whose edge is at or after `t`.
    #[inline]
    pub fn first_tick_at(&self, t: Time) -> u64 {
        let n = self.ticks(t);
        if self.edge(n) < t { n + 1 } else { n }
    }

    /// The length of `n` ticks in nanoseconds, rounded up.
    pub fn span(&self, n: u64) -> u64 {
        let base = Clock { base_time: 0, base_tick: 0, ..*self };
        base.edge(n).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sixteen_megahertz_edges_are_exact() {
        let c = Clock::hz(16_000_000);
        assert_eq!(c.edge(1), Time(63)); // 62.5 rounded up
        assert_eq!(c.edge(2), Time(125));
        assert_eq!(c.edge(16_000_000 * 3600), Time::secs(3600));
        assert_eq!(c.ticks(Time(62)), 0);
        assert_eq!(c.ticks(Time(63)), 1);
        assert_eq!(c.first_tick_at(Time(63)), 1);
        assert_eq!(c.first_tick_at(Time(64)), 2);
        assert_eq!(c.first_tick_at(Time(0)), 0);
    }

    #[test]
    fn rate_change_keeps_the_tick_count() {
        let c = Clock::hz(32_768);
        let t = Time::secs(2);
        let d = c.rebased(t, 1_000_000, 1);
        assert_eq!(d.ticks(t), 65_536);
        assert_eq!(d.ticks(t + 1_000_000), 65_536 + 1000);
        assert_eq!(d.edge(65_536), t);
    }

    #[test]
    fn far_away_ticks_do_not_overflow() {
        let c = Clock::hz(3);
        assert_eq!(c.edge(u64::MAX), Time::MAX);
        assert!(Clock::hz(u64::MAX).ticks(Time::MAX) > 0);
    }

    proptest! {
        #[test]
        fn edge_and_ticks_are_inverse(hz in 1u64..1_000_000_000, n in 0u64..1_000_000_000_000, t in 0u64..1_000_000_000_000_000) {
            let c = Clock::hz(hz);
            prop_assert_eq!(c.ticks(c.edge(n)), n);
            let k = c.first_tick_at(Time(t));
            prop_assert!(c.edge(k) >= Time(t));
            prop_assert!(k == 0 || c.edge(k - 1) < Time(t));
        }
        #[test]
        fn rebasing_in_pieces_never_drifts(hz in 1u64..100_000_000, at in 0u64..1_000_000_000, n in 0u64..1_000_000) {
            let c = Clock::hz(hz).based(Time(at), 7);
            prop_assert_eq!(c.edge(7), Time(at));
            prop_assert_eq!(c.edge(7 + n).0 - at, Clock::hz(hz).edge(n).0);
        }
    }
}
