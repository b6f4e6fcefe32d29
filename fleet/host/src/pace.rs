//! Virtual time beside the host's.
//!
//! A run that a person watches must not run away from them: while every node sleeps, virtual time goes no faster
//! than the host's; with a given speed it never does. What a busy guest gained is not waited for later, and what it lost
//! is made up for only if it is little.

use emu_core::Time;
use std::time::{Duration, Instant};

/// Falling behind by more than this many seconds of the host is forgiven; less, as on a busy host, is made up for.
const FORGIVEN: f64 = 0.5;

/// Ties virtual time to the host's.
#[derive(Debug)]
pub struct Pacer {
    start: Instant,
    base: Time,
    /// Virtual seconds per host second.
    speed: f64,
    /// Holds back busy guests too.
    always: bool,
}

#[allow(clippy::disallowed_methods)] // the edge: here virtual time meets the host's
fn host_now() -> Instant {
    Instant::now()
}

impl Pacer {
    /// Holds back sleeping guests only.
    pub fn idle() -> Pacer {
        Pacer { start: host_now(), base: Time::ZERO, speed: 1.0, always: false }
    }

    /// Never faster than `speed` virtual seconds per host second.
    pub fn speed(speed: f64) -> Pacer {
        Pacer { start: host_now(), base: Time::ZERO, speed, always: true }
    }

    /// The fleet at `now` stood still for a while that is not made up for.
    pub fn rebase(&mut self, now: Time) {
        (self.start, self.base) = (host_now(), now);
    }

    /// Virtual seconds per host second, at most.
    pub fn factor(&self) -> f64 {
        self.speed
    }

    /// Busy guests are held back too.
    pub fn holds_busy(&self) -> bool {
        self.always
    }

    /// The virtual time that the host has reached, given that the fleet is at `now`.
    pub fn allowed(&mut self, now: Time, busy: bool) -> Time {
        let host = host_now();
        let passed = host.duration_since(self.start).as_secs_f64() * self.speed * 1e9;
        let allowed = self.base + passed as u64;
        let ahead = now > allowed && busy && !self.always;
        if ahead || allowed.since(now) as f64 > FORGIVEN * 1e9 * self.speed {
            (self.start, self.base) = (host, now);
            return now;
        }
        allowed
    }

    /// How long the host takes from virtual time `from` to `to`.
    pub fn wait(&self, from: Time, to: Time) -> Duration {
        Duration::from_secs_f64((to.since(from) as f64 / 1e9 / self.speed).min(3600.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_busy_guest_gained_is_not_waited_for() {
        let mut p = Pacer::idle();
        let far = Time::secs(100);
        assert_eq!(p.allowed(far, true), far);
        let next = p.allowed(far, false);
        assert!(next >= far && next < far + 10_000_000_000);
    }

    #[test]
    fn a_little_that_was_lost_is_made_up_for_and_more_is_not() {
        let mut p = Pacer::speed(1.0);
        p.base = Time::ms(300);
        assert!(p.allowed(Time::ZERO, true) >= Time::ms(300));
        p.base = Time::secs(3);
        assert_eq!(p.allowed(Time::ZERO, true), Time::ZERO);
    }

    #[test]
    fn a_sleeper_waits_for_the_host() {
        let mut p = Pacer::idle();
        let ahead = Time::secs(100);
        assert!(p.allowed(ahead, false) < ahead);
        let wait = p.wait(Time::ZERO, Time::ms(500));
        assert_eq!(wait, Duration::from_millis(500));
    }

    #[test]
    fn a_given_speed_holds_for_busy_guests_too() {
        let mut p = Pacer::speed(2.0);
        assert!(p.holds_busy());
        assert!(p.allowed(Time::secs(100), true) < Time::secs(100));
        assert_eq!(p.wait(Time::ZERO, Time::secs(1)), Duration::from_millis(500));
    }
}
