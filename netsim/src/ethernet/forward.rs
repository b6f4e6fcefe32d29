//! The switch: what is forwarded, and where to.

use super::{EthernetMedium, Fate, Flight, Frame, HEADER, Learned, Mac, Way};
use emu_core::Time;

/// Longest frame without FCS; with a VLAN tag four bytes more (IEEE 802.3, 3.2.7: basic and Q-tagged frames).
const LONGEST: usize = 1514;

impl EthernetMedium {
    /// A frame's last bit reaches the switch.
    pub(super) fn at_switch(&mut self, now: Time, source: u32, flight: Flight) {
        let bytes = &flight.frame.bytes;
        let tagged = matches!(bytes.get(12..14), Some([0x81, 0x00] | [0x88, 0xa8]));
        let fate = if self.broken(source, &flight) {
            Some(Fate::LinkDown)
        } else if flight.damaged {
            Some(Fate::Damaged)
        } else if bytes.len() < HEADER {
            Some(Fate::Runt)
        } else if bytes.len() > LONGEST + if tagged { 4 } else { 0 } {
            Some(Fate::Oversized)
        } else {
            None
        };
        match fate {
            Some(fate) => self.end(now, source, &flight.frame, fate),
            None => self.forward(now, flight.frame),
        }
    }

    pub(super) fn forward(&mut self, now: Time, frame: Frame) {
        let (Some(to), Some(from)) = (mac(&frame.bytes, 0), mac(&frame.bytes, 6)) else { return };
        self.learn(now, from, frame.source);
        // IEEE 802.1Q, 8.6.3: reserved addresses stay on their link.
        if to[..5] == [0x01, 0x80, 0xc2, 0, 0] && to[5] < 0x10 {
            return self.end(now, frame.source, &frame, Fate::Filtered);
        }
        match self.place(now, to) {
            Some(station) if station == frame.source => self.end(now, station, &frame, Fate::Filtered),
            Some(station) if self.apart(frame.source, station) => {
                self.end(now, frame.source, &frame, Fate::Partitioned);
            }
            Some(station) => self.queue(now, station, Way::ToStation, frame),
            None => self.flood(now, &frame),
        }
    }

    pub(super) fn flood(&mut self, now: Time, frame: &Frame) {
        let others: Vec<u32> = self.ports.keys().copied().filter(|n| *n != frame.source).collect();
        self.log(|log| log.fork(frame.id(), others.len() as u64));
        let mut apart = false;
        for station in others {
            if self.apart(frame.source, station) {
                self.log(|log| log.end(frame.id(), station, now, Fate::Partitioned));
                apart = true;
            } else {
                self.queue(now, station, Way::ToStation, frame.clone());
            }
        }
        if apart && let Some(port) = self.ports.get_mut(&frame.source) {
            port.counters.drop(Fate::Partitioned);
        }
    }

    pub(super) fn apart(&self, a: u32, b: u32) -> bool {
        self.groups.as_ref().is_some_and(|g| g.get(&a) != g.get(&b))
    }

    /// Where frames to an address go; `None`: to all.
    pub(super) fn place(&self, now: Time, to: Mac) -> Option<u32> {
        let learned = self.learned.get(&to).filter(|_| to[0] & 1 == 0)?;
        (now.since(learned.at) <= self.config.ageing_ns).then_some(learned.station)
    }

    pub(super) fn learn(&mut self, now: Time, from: Mac, station: u32) {
        if from[0] & 1 != 0 {
            return; // A group is no sender.
        }
        let full = self.learned.len() >= self.config.addresses as usize && !self.learned.contains_key(&from);
        let age = self.config.ageing_ns;
        if full && now.since(self.oldest) > age {
            self.learned.retain(|_, l| now.since(l.at) <= age);
            self.oldest = self.learned.values().map(|l| l.at).min().unwrap_or(now);
        }
        if !full || self.learned.len() < self.config.addresses as usize {
            self.learned.insert(from, Learned { station, at: now });
        }
    }
}

fn mac(bytes: &[u8], at: usize) -> Option<Mac> {
    bytes.get(at..at + 6)?.try_into().ok()
}
