//! Which output pin leads where, which ports are joined, and the levels on the wires.
//!
//! The wiring is made once for a board and shared by all copies of the machine; the levels are each machine's own, one
//! bit for each pin, since a fleet's idle machines take turns in the host's cache.

use crate::ids::{DevId, Pin, Port, Sink};
use std::{collections::BTreeSet, sync::Arc};

/// The other end of a port inside the machine.
type Peer = Option<(DevId, Port)>;

#[derive(Clone, Default)]
struct Tables {
    /// `[device][pin]`: where it leads.
    sinks: Vec<Vec<Vec<Sink>>>,
    /// `[device][port]`: the device and port at the other end.
    links: Vec<Vec<Peer>>,
}

/// What leads where. Part of the machine's build, not of its state.
#[derive(Clone, Default)]
pub(crate) struct Wiring(Arc<Tables>);

/// The element `i`, after the vector was made long enough.
fn entry<T: Clone + Default>(v: &mut Vec<T>, i: usize) -> &mut T {
    if v.len() <= i {
        v.resize(i + 1, T::default());
    }
    &mut v[i]
}

impl Wiring {
    /// Where an output leads.
    #[inline]
    pub fn sinks(&self, dev: DevId, pin: Pin) -> &[Sink] {
        let pins = self.0.sinks.get(usize::from(dev.0));
        pins.and_then(|p| p.get(usize::from(pin))).map_or(&[], |s| s)
    }

    /// What a port is joined to.
    pub fn peer(&self, dev: DevId, port: Port) -> Peer {
        let ports = self.0.links.get(usize::from(dev.0));
        ports.and_then(|l| l.get(usize::from(port))).copied().flatten()
    }

    /// All outputs that lead to `sink`.
    pub fn sources(&self, sink: Sink) -> impl Iterator<Item = (DevId, Pin)> {
        let devices = self.0.sinks.iter().zip(0..);
        let all = devices.flat_map(|(pins, d)| pins.iter().zip(0..).map(move |(s, p)| (s, DevId(d), p)));
        all.filter(move |(s, ..)| s.contains(&sink)).map(|(_, d, p)| (d, p))
    }

    pub fn connect(&mut self, (dev, pin): (DevId, Pin), to: Sink) {
        let pins = entry(&mut Arc::make_mut(&mut self.0).sinks, usize::from(dev.0));
        entry(pins, usize::from(pin)).push(to);
    }

    pub fn link(&mut self, (dev, port): (DevId, Port), to: (DevId, Port)) {
        let ports = entry(&mut Arc::make_mut(&mut self.0).links, usize::from(dev.0));
        *entry(ports, usize::from(port)) = Some(to);
    }
}

/// Words of one device in [`Levels::low`].
const WORDS: usize = 2;
/// Pins from here on are kept as a set.
const HIGH: Pin = 64 * WORDS as Pin;

/// The level of every output.
#[derive(Clone, Default)]
pub(crate) struct Levels {
    low: Vec<u64>,
    /// High levels of the rare pins that have no place in `low`.
    high: BTreeSet<(DevId, Pin)>,
}

impl Levels {
    /// Sets a level; says whether it was the other one.
    #[inline]
    pub fn set(&mut self, dev: DevId, pin: Pin, level: bool) -> bool {
        let i = usize::from(dev.0) * WORDS + usize::from(pin / 64);
        match self.low.get_mut(i) {
            Some(word) if pin < HIGH => {
                let bit = 1 << (pin % 64);
                let changed = (*word & bit != 0) != level;
                *word ^= u64::from(changed) * bit;
                changed
            }
            _ => self.set_rare(dev, pin, level),
        }
    }

    #[cold]
    fn set_rare(&mut self, dev: DevId, pin: Pin, level: bool) -> bool {
        if pin >= HIGH {
            return if level { self.high.insert((dev, pin)) } else { self.high.remove(&(dev, pin)) };
        }
        let words = (usize::from(dev.0) + 1) * WORDS;
        self.low.reserve_exact(words - self.low.len());
        self.low.resize(words, 0);
        self.set(dev, pin, level)
    }

    /// A level.
    pub fn get(&self, dev: DevId, pin: Pin) -> bool {
        if pin >= HIGH {
            return self.high.contains(&(dev, pin));
        }
        let word = self.low.get(usize::from(dev.0) * WORDS + usize::from(pin / 64));
        word.is_some_and(|w| w >> (pin % 64) & 1 != 0)
    }

    /// All levels by device and pin. Trailing lows are left out: how far the tables have grown is not state.
    pub fn save(&self) -> Vec<Vec<bool>> {
        let devices = (self.low.len() / WORDS).max(self.high.last().map_or(0, |(d, _)| usize::from(d.0) + 1));
        let mut levels: Vec<Vec<bool>> = (0..devices as u16).map(|d| self.of(DevId(d))).collect();
        levels.truncate(levels.iter().rposition(|l| !l.is_empty()).map_or(0, |i| i + 1));
        levels
    }

    /// The levels of one device up to its last high one.
    fn of(&self, dev: DevId) -> Vec<bool> {
        let high = self.high.range((dev, 0)..=(dev, Pin::MAX)).next_back().map(|(_, p)| *p);
        let last = high.or_else(|| (0..HIGH).rev().find(|p| self.get(dev, *p)));
        last.map_or(vec![], |last| (0..=last).map(|p| self.get(dev, p)).collect())
    }

    /// Replaces all levels by saved ones; `false` if there can be no such device or pin.
    pub fn load(&mut self, levels: &[Vec<bool>]) -> bool {
        *self = Levels::default();
        for (d, pins) in levels.iter().enumerate() {
            for (p, _) in pins.iter().enumerate().filter(|(_, level)| **level) {
                let (Ok(d), Ok(p)) = (u16::try_from(d), Pin::try_from(p)) else { return false };
                self.set(DevId(d), p, true);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_kept_for_every_pin_and_saved_without_trailing_lows() {
        let mut l = Levels::default();
        assert!(!l.set(DevId(3), 5, false), "low from the start");
        for (dev, pin) in [(0, 0), (0, 63), (0, 64), (2, 127), (2, 128), (2, 65_535)] {
            assert!(l.set(DevId(dev), pin, true) && !l.set(DevId(dev), pin, true));
            assert!(l.get(DevId(dev), pin));
        }
        assert!(l.set(DevId(2), 65_535, false) && !l.get(DevId(2), 65_535));
        let saved = l.save();
        assert_eq!(saved.iter().map(Vec::len).collect::<Vec<_>>(), [65, 0, 129]);
        assert_eq!(saved.iter().flatten().filter(|l| **l).count(), 5);
        let mut back = Levels::default();
        assert!(back.load(&saved));
        assert_eq!(back.save(), saved);
    }

    #[test]
    fn a_copy_of_the_wiring_is_the_same_until_one_is_changed() {
        let mut a = Wiring::default();
        a.connect((DevId(1), 4), Sink::Irq(0, 7));
        a.link((DevId(1), 0), (DevId(2), 1));
        let mut b = a.clone();
        b.connect((DevId(1), 4), Sink::Device(DevId(3), 2));
        assert_eq!(a.sinks(DevId(1), 4), [Sink::Irq(0, 7)]);
        assert_eq!(b.sinks(DevId(1), 4).len(), 2);
        assert_eq!(b.sources(Sink::Device(DevId(3), 2)).collect::<Vec<_>>(), [(DevId(1), 4)]);
        assert_eq!(b.peer(DevId(1), 0), Some((DevId(2), 1)));
        assert!(a.sinks(DevId(9), 0).is_empty() && a.peer(DevId(9), 0).is_none());
    }
}
