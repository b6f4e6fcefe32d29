//! When who does something next.

use emu_core::Time;
use std::collections::BTreeSet;

/// Times by number, as an ordered set too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agenda {
    order: BTreeSet<(Time, u32)>,
    times: Vec<Time>,
}

impl Agenda {
    pub fn set(&mut self, who: u32, at: Time) {
        let n = who as usize;
        if self.times.len() <= n {
            self.times.resize(n + 1, Time::MAX);
        }
        let old = std::mem::replace(&mut self.times[n], at);
        if old == at {
            return;
        }
        self.order.remove(&(old, who));
        if at != Time::MAX {
            self.order.insert((at, who));
        }
    }

    /// The first time of all.
    pub fn first(&self) -> Time {
        self.order.first().map_or(Time::MAX, |e| e.0)
    }

    /// Everybody whose time is not after `t`, by number.
    pub fn until(&self, t: Time) -> Vec<u32> {
        let mut due: Vec<_> = self.order.range(..=(t, u32::MAX)).map(|e| e.1).collect();
        due.sort_unstable();
        due
    }
}
