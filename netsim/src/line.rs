//! A point-to-point link between two machines: a serial line or a wire. Its ends are stations 0 and 1.
//!
//! ## Serial
//! [`Msg::Sending`] puts a byte on the line; the other end has it as [`Msg::Byte`] at the end of its stop bit. Bytes of
//! one direction never overlap: one that is sent too early starts when the byte before is over.
//!
//! ## Wire
//! [`Msg::Level`] tells what an end drives; what the other end drives is heard as [`Msg::Level`] after the wire's
//! delay, and only when it changes.
//!
//! Acts of an instant come after the faults of that instant, and wait until time has passed it (see
//! [`crate::ethernet`]).
//!
//! ## Not modelled
//! Break conditions, framing errors, senders and receivers of different rates; a level that both ends drive against each
//! other; rise times.

use crate::{ethernet::add, medium::Delivery};
use emu_core::{Time, link::Msg, rng::hash_words};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// A byte takes at least so many nanoseconds: ten bits at 2 Mbit/s.
pub const LEAST_BYTE_NS: u64 = 5_000;
/// Bytes or changes that may be under way in one direction.
const MOST: usize = 65_536;

/// A link between two machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LineConfig {
    /// A serial line, as good in both directions.
    Serial(Noise),
    /// A wire.
    Wire {
        /// Nanoseconds from an end to the other; at least 1.
        delay_ns: u64,
    },
}

impl LineConfig {
    /// A serial line without errors.
    pub fn serial() -> LineConfig {
        LineConfig::Serial(Noise::default())
    }

    /// A wire with a delay of a microsecond.
    pub fn wire() -> LineConfig {
        LineConfig::Wire { delay_ns: 1_000 }
    }
}

/// What a serial line does to bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Probability that a byte is lost.
    pub loss: f64,
    /// Probability that a bit of a byte is flipped.
    pub bit_errors: f64,
}

/// What happens to a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LineFault {
    /// Nothing gets through any more; the ends of a wire hear that nobody drives it.
    Cut,
    /// The link works again. A serial byte that began before is lost.
    Restore,
    /// A serial line becomes this noisy.
    Noise(Noise),
    /// A wire has this level at both ends, whoever drives it; `None`: as it is driven.
    Stuck(Option<bool>),
}

/// What an end of a link sent and heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCounters {
    /// Bytes sent, or changes of what the end drives.
    pub tx: u64,
    /// Bytes or changes heard.
    pub rx: u64,
    /// Bytes from the other end that were lost.
    pub lost: u64,
    /// Bytes heard with flipped bits.
    pub damaged: u64,
}

/// A byte on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedByte {
    /// Start bit.
    pub start: Time,
    /// End of the stop bit.
    pub end: Time,
    /// Sender: 0 or 1.
    pub source: u32,
    /// As it was sent.
    pub sent: u8,
    /// As it was heard; `None`: not at all.
    pub heard: Option<u8>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Byte {
    start: Time,
    end: Time,
    number: u64,
    value: u8,
}

/// One direction of a link, named after the end that sends.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Side {
    counters: LineCounters,
    /// Acts so far: orders the inbox and numbers throws.
    acts: u64,
    /// Serial: bytes under way, and when the line is free again.
    bytes: VecDeque<Byte>,
    free: Time,
    /// Wire: what the end drives, changes under way to it, and what it hears when they have arrived.
    drives: Option<bool>,
    changes: VecDeque<(Time, Option<bool>)>,
    hears: Option<bool>,
}

#[derive(Clone, Debug, Default)]
struct Derived {
    log: Option<Vec<LoggedByte>>,
    /// Nothing happens before this any more.
    now: Time,
}

/// A link between two machines. Plain data: clone it to fork, serialise it to save or digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LineMedium {
    config: LineConfig,
    seed: u64,
    sides: [Side; 2],
    cut: bool,
    stuck: Option<bool>,
    /// Acts whose instant is not over.
    inbox: BTreeMap<(Time, u32, u64), Msg>,
    /// Decided, not fetched yet.
    ready: Vec<Delivery>,
    #[serde(skip)]
    derived: Derived,
}

// Why a byte is thrown for; from FLIP on one purpose for each bit.
const LOSS: u64 = 0;
const FLIP: u64 = 1;

fn in_order(now: Time, mut times: impl Iterator<Item = Time>) -> bool {
    let mut last = now;
    times.all(|t| t >= std::mem::replace(&mut last, t))
}

impl LineMedium {
    /// A link. `seed` decides all chance.
    pub fn new(mut config: LineConfig, seed: u64) -> LineMedium {
        if let LineConfig::Wire { delay_ns } = &mut config {
            *delay_ns = (*delay_ns).max(1);
        }
        LineMedium {
            config,
            seed,
            sides: Default::default(),
            cut: false,
            stuck: None,
            inbox: BTreeMap::new(),
            ready: vec![],
            derived: Derived::default(),
        }
    }

    /// Least nanoseconds from an act to its first effect at the other end.
    pub fn latency(&self) -> u64 {
        match self.config {
            LineConfig::Serial(_) => LEAST_BYTE_NS,
            LineConfig::Wire { delay_ns } => delay_ns,
        }
    }

    /// No end hears anything before this; by then every act before it must be known. [`Time::MAX`]: nothing is due.
    pub fn next_decision(&self) -> Time {
        let act = self.inbox.first_key_value().map(|(k, _)| k.0 + self.latency());
        let ready = self.ready.first().map(|d| d.at);
        [act, ready, self.next_inside().map(|d| d.0)].into_iter().flatten().min().unwrap_or(Time::MAX)
    }

    /// When something is due next, and the side that it concerns: a byte's sender, a change's listener.
    fn next_inside(&self) -> Option<(Time, usize)> {
        let due = |i: usize| {
            let side = &self.sides[i];
            let byte = side.bytes.front().map(|b| b.end);
            let change = side.changes.front().map(|c| c.0);
            Some((byte.into_iter().chain(change).min()?, i))
        };
        due(0).into_iter().chain(due(1)).min()
    }

    /// What an end sent and heard so far.
    pub fn counters(&self, station: u32) -> LineCounters {
        self.sides.get(station as usize).map(|s| s.counters).unwrap_or_default()
    }

    /// What was loaded fits so many stations at `now`: nothing is for others or for the past.
    pub fn fits(&self, stations: u32, now: Time) -> bool {
        let side = |s: &Side| {
            s.bytes.len() <= MOST
                && s.changes.len() <= MOST
                && in_order(now, s.bytes.iter().map(|b| b.end))
                && in_order(now, s.changes.iter().map(|c| c.0))
        };
        stations >= 2
            && self.latency() > 0
            && self.sides.iter().all(side)
            // An act waits until the other end can hear of it.
            && self.inbox.keys().all(|k| k.0 + self.latency() >= now && k.1 < 2)
            && in_order(now, self.ready.iter().map(|d| d.at))
            && self.ready.iter().all(|d| d.station < 2)
    }

    /// An end does something; what does not concern this kind of link is ignored. Acts come in the order (time,
    /// station, sequence) and never before the last [`LineMedium::run_until`].
    pub fn act(&mut self, station: u32, at: Time, msg: &Msg) {
        debug_assert!(at >= self.derived.now, "an act in the past: {at} < {}", self.derived.now);
        let ours = match self.config {
            LineConfig::Serial(_) => matches!(msg, Msg::Sending { .. }),
            LineConfig::Wire { .. } => matches!(msg, Msg::Level(_)),
        };
        let Some(side) = self.sides.get_mut(station as usize).filter(|_| ours) else { return };
        self.inbox.insert((at, station, side.acts), msg.clone());
        side.acts = side.acts.wrapping_add(1);
    }

    /// Decides everything due up to and including `t`; what the ends get to hear comes in order.
    pub fn run_until(&mut self, t: Time) -> Vec<Delivery> {
        self.advance(t);
        let n = self.ready.partition_point(|d| d.at <= t);
        self.ready.drain(..n).collect()
    }

    /// What is due up to and including `t`, and the acts before it.
    fn advance(&mut self, t: Time) {
        loop {
            let act = self.inbox.first_key_value().map(|(k, _)| k.0).filter(|at| *at < t);
            match (self.next_inside(), act) {
                (Some((due, side)), act) if due <= t && act.is_none_or(|a| due <= a) => self.arrive(side),
                (_, Some(_)) => self.take_act(),
                _ => break,
            }
        }
        self.derived.now = self.derived.now.max(t);
    }

    fn take_act(&mut self) {
        let Some(((at, station, number), msg)) = self.inbox.pop_first() else { return };
        let Some(side) = self.sides.get_mut(station as usize) else { return };
        match msg {
            Msg::Sending { byte, ns } => {
                add(&mut side.counters.tx, 1);
                if side.bytes.len() >= MOST {
                    if let Some(other) = self.sides.get_mut(1 - station as usize) {
                        add(&mut other.counters.lost, 1);
                    }
                    return;
                }
                let start = at.max(side.free);
                let end = start + u64::from(ns).max(LEAST_BYTE_NS);
                side.free = end;
                side.bytes.push_back(Byte { start, end, number, value: byte });
            }
            Msg::Level(level) if level != side.drives => {
                add(&mut side.counters.tx, 1);
                side.drives = level;
                self.settle(at);
            }
            _ => {}
        }
    }

    /// What each end drives, and the faults, change what the other will hear.
    fn settle(&mut self, now: Time) {
        let at = now + self.latency();
        for end in 0..2 {
            let driven = if self.cut { None } else { self.sides[1 - end].drives };
            let level = self.stuck.or(driven);
            let side = &mut self.sides[end];
            if side.changes.back().map_or(side.hears, |c| c.1) == level {
                continue;
            }
            if side.changes.len() >= MOST {
                side.changes.pop_back();
            }
            side.changes.push_back((at, level));
        }
    }

    fn arrive(&mut self, side: usize) {
        if let Some(byte) = self.sides[side].bytes.pop_front() {
            let heard = self.heard(side as u64, &byte);
            self.end(side, byte, heard);
        } else if let Some((at, level)) = self.sides[side].changes.pop_front()
            && level != self.sides[side].hears
        {
            self.sides[side].hears = level;
            add(&mut self.sides[side].counters.rx, 1);
            self.ready.push(Delivery { at, station: side as u32, msg: Msg::Level(level) });
        }
    }

    /// What becomes of a byte at the end of its stop bit.
    fn heard(&self, from: u64, byte: &Byte) -> Option<u8> {
        let LineConfig::Serial(noise) = self.config else { return None };
        let lucky = |purpose: u64, chance: f64| {
            let throw = hash_words(self.seed, &[from, byte.number, purpose]);
            chance > 0.0 && ((throw >> 11) as f64) < chance * (1u64 << 53) as f64
        };
        if self.cut || lucky(LOSS, noise.loss) {
            return None;
        }
        let flips = (0..8).filter(|bit| lucky(FLIP + bit, noise.bit_errors)).fold(0, |f, bit| f | 1 << bit);
        Some(byte.value ^ flips)
    }

    fn end(&mut self, from: usize, byte: Byte, heard: Option<u8>) {
        let Byte { start, end, value, .. } = byte;
        let counters = &mut self.sides[1 - from].counters;
        match heard {
            None => add(&mut counters.lost, 1),
            Some(b) => {
                add(&mut counters.rx, 1);
                add(&mut counters.damaged, (b != value).into());
                self.ready.push(Delivery { at: end, station: 1 - from as u32, msg: Msg::Byte(b) });
            }
        }
        if let Some(log) = &mut self.derived.log {
            log.push(LoggedByte { start, end, source: from as u32, sent: value, heard });
        }
    }

    /// Something happens to the link at a time that no [`LineMedium::run_until`] has passed; what does not concern this
    /// kind of link is ignored.
    pub fn fault(&mut self, at: Time, fault: &LineFault) {
        self.advance(at);
        match (fault, &mut self.config) {
            (LineFault::Cut, _) => self.set_cut(at, true),
            (LineFault::Restore, _) => self.set_cut(at, false),
            (LineFault::Noise(noise), LineConfig::Serial(now)) => *now = *noise,
            (LineFault::Stuck(level), LineConfig::Wire { .. }) => {
                self.stuck = *level;
                self.settle(at);
            }
            (LineFault::Noise(_) | LineFault::Stuck(_), _) => {}
        }
    }

    fn set_cut(&mut self, at: Time, cut: bool) {
        if self.cut == cut {
            return;
        }
        self.cut = cut;
        if matches!(self.config, LineConfig::Wire { .. }) {
            return self.settle(at);
        }
        // A byte that had begun is lost; its sender goes on, so the time it takes stays.
        for from in 0..2 {
            while let Some(byte) = self.sides[from].bytes.pop_front_if(|b| b.start < at) {
                self.end(from, byte, None);
            }
        }
    }

    /// Keeps a log of serial bytes from now on. It is no state: neither saved nor part of a digest.
    pub fn log_bytes(&mut self) {
        self.derived.log.get_or_insert_default();
    }

    /// No byte that [`LineMedium::take_log`] gives later has its start bit before this.
    pub fn log_horizon(&self) -> Time {
        let begun = self.sides.iter().filter_map(|s| s.bytes.front()).map(|b| b.start);
        begun.fold(self.derived.now, Time::min)
    }

    /// Bytes that ended since the last call, in the order of their ends.
    pub fn take_log(&mut self) -> Vec<LoggedByte> {
        self.derived.log.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
