//! The pending events of one machine: at most one per device and tag, ordered by time, device and tag.

use crate::{device::DevId, time::Time};
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
        self.cancel(dev, tag);
        let event = Event { at, dev, tag };
        let i = self.sorted.partition_point(|e| *e > event);
        self.sorted.insert(i, event);
    }

    /// Forgets `(dev, tag)`, if it is pending.
    pub fn cancel(&mut self, dev: DevId, tag: Tag) {
        if let Some(i) = self.sorted.iter().rposition(|e| e.dev == dev && e.tag == tag) {
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

    #[test]
    fn nothing_is_due_early() {
        let mut q = EventQueue::default();
        q.set(Time(5), DevId(1), 0);
        assert_eq!(q.pop_due(Time(4)), None);
        assert!(q.pop_due(Time(5)).is_some());
    }
}
