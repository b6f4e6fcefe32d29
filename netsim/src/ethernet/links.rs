//! The links: a frame waits, is serialised, and arrives or does not.

use super::{Delivery, EthernetMedium, Fate, Flight, Frame, GATEWAY, Log, Way, add};
use emu_core::{Time, link::Msg, rng::hash_words};

// Why a frame is thrown for.
const LOSS: u64 = 0;
const BURST: u64 = 1;
const DUPLICATION: u64 = 2;
const REORDERING: u64 = 3;
const CORRUPTION: u64 = 4;
const FLIPS: u64 = 5;
/// Purposes of one copy of a frame.
const PURPOSES: u64 = 16;

impl EthernetMedium {
    /// A frame is to cross a link.
    pub(super) fn queue(&mut self, now: Time, station: u32, way: Way, frame: Frame) {
        let Some(port) = self.ports.get_mut(&station) else { return };
        let (down, most) = (port.down, port.link.queue as usize);
        let lane = port.lane(way);
        let fate = if down {
            Fate::LinkDown
        } else if lane.queue.is_empty() && now >= lane.free {
            return self.send(now, station, way, frame);
        } else if lane.queue.len() >= most {
            Fate::QueueFull
        } else {
            lane.queue.push_back(frame);
            self.free.insert((lane.free, station, way));
            return;
        };
        if way == Way::ToSwitch {
            self.open(&frame);
        }
        self.end(now, station, &frame, fate);
    }

    /// The gap after the last frame is over.
    pub(super) fn send_next(&mut self, now: Time, station: u32, way: Way) {
        let Some(lane) = self.ports.get_mut(&station).map(|p| p.lane(way)) else { return };
        let Some(frame) = lane.queue.pop_front() else { return };
        self.send(now, station, way, frame);
        self.note_waiting(station, way);
    }

    pub(super) fn note_waiting(&mut self, station: u32, way: Way) {
        let Some(lane) = self.ports.get_mut(&station).map(|p| p.lane(way)) else { return };
        if !lane.queue.is_empty() {
            self.free.insert((lane.free, station, way));
        }
    }

    /// A frame's first bit enters a link.
    pub(super) fn send(&mut self, now: Time, station: u32, way: Way, mut frame: Frame) {
        let Some(port) = self.ports.get_mut(&station) else { return };
        let (link, breaks, burst) = (port.link.clone(), port.breaks, port.burst);
        let (frame_ns, slot_ns) = link.frame_ns(frame.bytes.len());
        let lane = port.lane(way);
        lane.free = now + slot_ns;
        lane.sent = lane.sent.wrapping_add(1);
        let number = lane.sent;
        let twice = if way == Way::ToSwitch { 1 } else { 2 };
        if way == Way::ToSwitch && frame.copy == 0 {
            frame.first = now;
            self.open(&frame);
        }
        let to = if way == Way::ToSwitch { u64::MAX } else { station.into() };
        let lucky = |purpose, chance| self.lucky(&frame, to, purpose, chance);
        let lost =
            lucky(LOSS, link.loss) || burst.is_some_and(|(loss, until)| now < until && lucky(BURST, loss));
        let again = frame.copy & twice == 0 && lucky(DUPLICATION, link.duplication);
        let late = if lucky(REORDERING, link.reordering) { link.reorder_ns } else { 0 };
        let damaged = lucky(CORRUPTION, link.corruption);
        if again {
            let copy = Frame { copy: frame.copy | twice, ..frame.clone() };
            self.log(|log| log.copies(copy.id(), 1));
            if let Some(port) = self.ports.get_mut(&station) {
                port.lane(way).queue.push_front(copy);
            }
            self.note_waiting(station, way);
        }
        if lost {
            return self.end(now, station, &frame, Fate::Lost);
        }
        let due = (now + frame_ns + link.latency_ns + late, station, number);
        let flights = if way == Way::ToSwitch { &mut self.to_switch } else { &mut self.to_station };
        flights.insert(due, Flight { frame, breaks, damaged });
    }

    pub(super) fn throw(&self, frame: &Frame, to: u64, purpose: u64) -> u64 {
        let purpose = u64::from(frame.copy) * PURPOSES + purpose;
        hash_words(self.seed, &[frame.source.into(), frame.number, to, purpose])
    }

    /// Whether a throw succeeds that does so with probability `chance`.
    pub(super) fn lucky(&self, frame: &Frame, to: u64, purpose: u64, chance: f64) -> bool {
        chance > 0.0 && ((self.throw(frame, to, purpose) >> 11) as f64) < chance * (1u64 << 53) as f64
    }

    pub(super) fn log(&mut self, note: impl FnOnce(&mut Log)) {
        if let Some(log) = &mut self.derived.log {
            note(log);
        }
    }

    pub(super) fn open(&mut self, frame: &Frame) {
        self.log(|log| log.open(frame.id(), &frame.bytes));
    }

    /// A frame, or one copy of it, is over.
    pub(super) fn end(&mut self, now: Time, station: u32, frame: &Frame, fate: Fate) {
        if let Some(port) = self.ports.get_mut(&station) {
            port.counters.drop(fate);
        }
        self.log(|log| log.end(frame.id(), station, now, fate));
    }

    pub(super) fn broken(&self, station: u32, flight: &Flight) -> bool {
        self.ports.get(&station).is_none_or(|p| p.down || p.breaks != flight.breaks)
    }

    /// A frame's last bit reaches its station.
    pub(super) fn at_station(&mut self, now: Time, station: u32, flight: Flight) {
        if self.broken(station, &flight) {
            return self.end(now, station, &flight.frame, Fate::LinkDown);
        }
        let fate = if flight.damaged { Fate::BadFcs } else { Fate::Received };
        self.end(now, station, &flight.frame, fate);
        let Some(port) = self.ports.get_mut(&station) else { return };
        let msg = if flight.damaged {
            add(&mut port.counters.rx_bad, 1);
            Msg::BadFrame(self.flip(station, flight.frame))
        } else {
            add(&mut port.counters.rx_frames, 1);
            add(&mut port.counters.rx_bytes, flight.frame.bytes.len() as u64);
            Msg::Frame(flight.frame.bytes)
        };
        if station == GATEWAY {
            self.at_gateway(now, &msg);
        } else {
            self.ready.push(Delivery { at: now, station, msg });
        }
    }

    /// The bytes with one or three bits flipped: an odd number never cancels out.
    pub(super) fn flip(&self, station: u32, mut frame: Frame) -> Vec<u8> {
        let throw = |i| self.throw(&frame, station.into(), FLIPS + i);
        let bits = if throw(0) & 1 == 0 { 1 } else { 3 };
        let places: Vec<u64> = (1..=bits).map(throw).collect();
        let len = frame.bytes.len().max(1) as u64;
        for place in places {
            if let Some(byte) = frame.bytes.get_mut((place / 8 % len) as usize) {
                *byte ^= 1 << (place % 8);
            }
        }
        frame.bytes
    }
}
