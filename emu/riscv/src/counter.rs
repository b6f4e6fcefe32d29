//! The 64-bit counters behind mcycle and minstret (volume II, 3.1.10 and 3.1.13).

use serde::{Deserialize, Serialize};

/// A counter that follows a number the machine counts anyway.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counter {
    /// The machine's number at which this counter is zero.
    base: u64,
    /// The value it stands at while mcountinhibit stops it.
    stopped: Option<u64>,
}

impl Counter {
    /// Zero when the machine's number is `now`.
    pub fn from(now: u64) -> Counter {
        Counter { base: now, stopped: None }
    }
    /// Its value when the machine's number is `now`.
    pub fn value(&self, now: u64) -> u64 {
        self.stopped.unwrap_or(now.wrapping_sub(self.base))
    }
    /// It holds `v` from the machine's number `at` on.
    pub fn set(&mut self, at: u64, v: u64) {
        match &mut self.stopped {
            Some(stopped) => *stopped = v,
            None => self.base = at.wrapping_sub(v),
        }
    }
    /// Stops it, or lets it go on, from the machine's number `at` on.
    pub fn inhibit(&mut self, on: bool, at: u64) {
        let v = self.value(at);
        self.stopped = on.then_some(v);
        if !on {
            self.base = at.wrapping_sub(v);
        }
    }
    /// Whether it is stopped.
    pub fn inhibited(&self) -> bool {
        self.stopped.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_counter_goes_on_where_it_stood() {
        let mut c = Counter::from(100);
        assert_eq!(c.value(107), 7);
        c.inhibit(true, 110);
        assert_eq!((c.value(1000), c.inhibited()), (10, true));
        c.inhibit(false, 2000);
        assert_eq!(c.value(2003), 13);
        c.set(3000, u64::MAX);
        assert_eq!(c.value(3001), 0);
        c.inhibit(true, 3002);
        c.set(3003, 5);
        assert_eq!(c.value(9999), 5);
    }
}
