//! The pending events of one machine: at most one per device and tag, ordered by time, device and tag.

use crate::{ids::DevId, time::Time};
use serde::{Deserialize, Serialize};

/// Which of a device's events this is; the device gives it its meaning.
pub type Tag = u16;

/// An event that will happen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Time,
    /// For whom.
    pub dev: DevId,
    /// Which one.
    pub tag: Tag,
}

impl Event {
    /// There is one event for each of these.
    #[inline(always)]
    fn key(&self) -> u32 {
        u32::from(self.dev.0) << 16 | u32::from(self.tag)
    }
}

/// A small sorted queue, latest first, so that the next event is popped off the end.
///
/// A machine has a few dozen pending events at most; a sorted vector is faster there than a heap, and canonical.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventQueue {
    sorted: Vec<Event>,
}

impl EventQueue {
    /// Schedules `(dev, tag)` at `at`; an earlier schedule of the same pair is replaced.
    pub fn set(&mut self, at: Time, dev: DevId, tag: Tag) {
        let event = Event { at, dev, tag };
        let q = &mut self.sorted;
        let Some(mut i) = q.iter().rposition(|e| e.key() == event.key()) else {
            let i = q.iter().rposition(|e| *e > event).map_or(0, |i| i + 1);
            return q.insert(i, event);
        };
        if q[i].at == at {
            return;
        }
        // It moves to its new place past those that are between.
        while i + 1 < q.len() && q[i + 1] > event {
            q[i] = q[i + 1];
            i += 1;
        }
        while i > 0 && q[i - 1] < event {
            q[i] = q[i - 1];
            i -= 1;
        }
        q[i] = event;
    }

    /// Forgets `(dev, tag)`, if it is pending.
    pub fn cancel(&mut self, dev: DevId, tag: Tag) {
        let event = Event { at: Time::ZERO, dev, tag };
        if let Some(i) = self.sorted.iter().rposition(|e| e.key() == event.key()) {
            self.sorted.remove(i);
        }
    }

    /// Forgets everything of `dev`.
    pub fn cancel_all(&mut self, dev: DevId) {
        self.sorted.retain(|e| e.dev != dev);
    }

    /// When `(dev, tag)` is due, if pending.
    pub fn when(&self, dev: DevId, tag: Tag) -> Option<Time> {
        self.sorted.iter().find(|e| e.dev == dev && e.tag == tag).map(|e| e.at)
    }

    /// All pending events, the next one first.
    pub fn iter(&self) -> impl Iterator<Item = &Event> {
        self.sorted.iter().rev()
    }

    /// Whose events are pending.
    pub(crate) fn devices(&self) -> impl Iterator<Item = DevId> {
        self.sorted.iter().map(|e| e.dev)
    }

    /// The time of the next event, [`Time::MAX`] if there is none.
    pub fn next_time(&self) -> Time {
        self.sorted.last().map_or(Time::MAX, |e| e.at)
    }

    /// Takes the next event if it is due at or before `now`.
    pub fn pop_due(&mut self, now: Time) -> Option<Event> {
        if self.next_time() <= now { self.sorted.pop() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_per_device_and_tag_in_total_order() {
        let mut q = EventQueue::default();
        q.set(Time(5), DevId(1), 0);
        q.set(Time(5), DevId(0), 1);
        q.set(Time(5), DevId(0), 0);
        q.set(Time(9), DevId(1), 0); // replaces the first
        q.set(Time(7), DevId(2), 0);
        q.cancel(DevId(2), 0);
        let mut order = vec![];
        while let Some(e) = q.pop_due(Time(100)) {
            order.push((e.at.0, e.dev.0, e.tag));
        }
        assert_eq!(order, [(5, 0, 0), (5, 0, 1), (9, 1, 0)]);
        assert_eq!(q.next_time(), Time::MAX);
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_a_sorted_list(acts in proptest::collection::vec((0u64..20, 0u16..4, 0u16..3, any::<bool>()), 0..80)) {
            let (mut q, mut model) = (EventQueue::default(), std::collections::BTreeMap::new());
            for (at, dev, tag, set) in acts {
                if set {
                    q.set(Time(at), DevId(dev), tag);
                    model.insert((dev, tag), at);
                } else {
                    q.cancel(DevId(dev), tag);
                    model.remove(&(dev, tag));
                }
                let mut want: Vec<_> = model.iter().map(|((dev, tag), at)| (*at, *dev, *tag)).collect();
                want.sort_unstable();
                let got: Vec<_> = q.sorted.iter().rev().map(|e| (e.at.0, e.dev.0, e.tag)).collect();
                prop_assert_eq!(got, want);
            }
        }
    }

    #[test]
    fn nothing_is_due_early() {
        let mut q = EventQueue::default();
        q.set(Time(5), DevId(1), 0);
        assert_eq!(q.pop_due(Time(4)), None);
        assert!(q.pop_due(Time(5)).is_some());
    }
}
