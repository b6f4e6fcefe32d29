//! The 2.4 GHz medium.
//!
//! ## Decisions
//! Each is made at its own instant, with every act up to and including that instant known:
//!
//! | instant | decided | seen as |
//! |---|---|---|
//! | end of the address | who hears it: in range, on the channel and physical layer since before the first bit of the preamble, lucky, and not disturbed since that bit | [`AirEvent::Sync`] |
//! | last bit | which bytes arrive damaged, for those who heard the address and listened on | [`AirEvent::End`] |
//! | [`RSSI_NS`] after a Sample | mean power on the channel in that time | [`AirEvent::Rssi`] |
//!
//! A listener that came on during the preamble misses the frame. A frame is disturbed while the sum of all others on its
//! frequency, whatever their physical layer, is less than the capture threshold below it; bytes of that time become
//! noise, so that the receiver's CRC finds them. A sender that breaks off leaves noise up to the planned end. Half
//! duplex follows from RxOn and RxOff. Signals are those of the positions at the instant of the decision.
//!
//! ## Chance
//! Every throw is a hash of (seed, source, number of the frame at its source, destination, purpose): another node, far
//! or near, changes nobody's luck.
//!
//! ## Not modelled
//! Adjacent channels, propagation delay, fading, bit errors near the sensitivity limit, antennas with a direction.

use crate::{
    config::{RadioConfig, Signal},
    math,
    space::Grid,
};
use emu_core::{
    Time,
    link::{AirEvent, AirFrame, Phy, RadioAct},
    rng::hash_words,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long a radio measures signal strength: a Sample is answered when this many nanoseconds have passed.
pub const RSSI_NS: u64 = 8_800;

/// Least time from a frame's first bit to the end of its address: 8 bits of preamble and 8 of address at 2 Mbit/s.
const LEAST_SYNC_NS: u64 = 8_000;

/// What a node gets to hear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// When.
    pub at: Time,
    /// Who.
    pub node: u32,
    /// What.
    pub event: AirEvent,
}

/// What became of a frame at one listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrived whole.
    Received,
    /// This many bytes arrived damaged.
    Damaged(u16),
    /// Others covered its address.
    Collision,
    /// Below the sensitivity.
    TooWeak,
    /// Lost by chance.
    Unlucky,
    /// The listener came on after the first bit.
    CameLate,
    /// The listener went off before the last bit.
    LeftEarly,
}

impl std::fmt::Display for Fate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fate::Received => f.write_str("received"),
            Fate::Damaged(n) => write!(f, "{n} bytes damaged"),
            Fate::Collision => f.write_str("dropped: collision"),
            Fate::TooWeak => f.write_str("dropped: too weak"),
            Fate::Unlucky => f.write_str("dropped: by chance"),
            Fate::CameLate => f.write_str("dropped: listener came late"),
            Fate::LeftEarly => f.write_str("dropped: listener left early"),
        }
    }
}

/// A frame that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameLog {
    /// First bit.
    pub at: Time,
    /// Sender.
    pub source: u32,
    /// The frame as it was meant.
    pub frame: AirFrame,
    /// When the sender broke off, if it did.
    pub aborted: Option<Time>,
    /// Listener on its channel, signal strength in dBm, what became of it.
    pub fates: Vec<(u32, i8, Fate)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Rx {
    since: Time,
    mhz: u16,
    phy: Phy,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Station {
    position: [f64; 3],
    gain_db: f64,
    rx: Option<Rx>,
    /// Frames sent so far.
    sent: u32,
    /// The frame on the air.
    sending: Option<u64>,
}

impl Station {
    fn new(position: [f64; 3]) -> Station {
        Station { position, gain_db: 0.0, rx: None, sent: 0, sending: None }
    }
}

/// Who heard a frame's address.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Lock {
    node: u32,
    rx: Rx,
    centi_dbm: i32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Flight {
    source: u32,
    start: Time,
    sync: Time,
    end: Time,
    /// When the power ends: `end`, or earlier if the sender broke off.
    silent: Time,
    frame: AirFrame,
    /// Nothing more is decided about it; it still counts as a disturber.
    over: bool,
    locks: Vec<Lock>,
    #[serde(skip)]
    fates: Vec<(u32, i8, Fate)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Decision {
    Sync(u64),
    End(u64),
    /// Node, start of the measurement.
    Sample(u32, Time),
}

/// What follows from the state and need not be saved.
#[derive(Clone, Debug, Default)]
struct Derived {
    grid: Option<Grid>,
    /// Who may notice a node, in order.
    neighbours: BTreeMap<u32, Vec<u32>>,
    log: Option<Vec<FrameLog>>,
    /// Nothing happens before this any more.
    now: Time,
}

/// A 2.4 GHz medium. Plain data: clone it to fork, serialise it to save or digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RadioMedium {
    config: RadioConfig,
    seed: u64,
    stations: BTreeMap<u32, Station>,
    flights: BTreeMap<u64, Flight>,
    due: BTreeSet<(Time, Decision)>,
    /// Decided while acts came in, not fetched yet.
    ready: Vec<Delivery>,
    #[serde(skip)]
    derived: Derived,
}

/// Why a frame is thrown for.
const BY_CHANCE: u64 = 0;
const AT_SENDER: u64 = 1;
const NOISE: u64 = 2;

fn whole_dbm(centi_dbm: i32) -> i8 {
    (f64::from(centi_dbm) / 100.0).round().clamp(-128.0, 127.0) as i8
}

fn bit_ns(phy: Phy) -> u64 {
    match phy {
        Phy::Nrf1Mbit | Phy::Ble1Mbit => 1000,
        Phy::Nrf2Mbit => 500,
        Phy::Nrf250Kbit => 4000,
    }
}

impl RadioMedium {
    /// A medium without nodes. `seed` decides all chance.
    pub fn new(config: RadioConfig, seed: u64) -> RadioMedium {
        RadioMedium {
            config,
            seed,
            stations: BTreeMap::new(),
            flights: BTreeMap::new(),
            due: BTreeSet::new(),
            ready: vec![],
            derived: Derived::default(),
        }
    }

    /// What the medium is like.
    pub fn config(&self) -> &RadioConfig {
        &self.config
    }

    /// Puts a node at a position in metres, or moves it there.
    pub fn place(&mut self, node: u32, position: [f64; 3]) {
        self.station(node).position = position;
        self.forget_neighbours();
    }

    /// Gives a node's antenna a gain in dB, for sending and receiving.
    pub fn set_gain(&mut self, node: u32, gain_db: f64) {
        self.station(node).gain_db = gain_db;
        self.forget_neighbours();
    }

    fn forget_neighbours(&mut self) {
        self.derived.grid = None;
        self.derived.neighbours.clear();
    }

    /// A node nobody placed stands at the origin.
    fn station(&mut self, node: u32) -> &mut Station {
        self.stations.entry(node).or_insert_with(|| Station::new([0.0; 3]))
    }

    /// Least nanoseconds from a TxStart to its first effect on another node.
    pub fn latency(&self) -> u64 {
        LEAST_SYNC_NS
    }

    /// When the medium next decides something; it must know every act up to then. [`Time::MAX`]: nothing is due.
    pub fn next_decision(&self) -> Time {
        let ready = self.ready.first().map_or(Time::MAX, |d| d.at);
        self.due.first().map_or(Time::MAX, |d| d.0).min(ready)
    }

    // ---- acts ----

    /// What was loaded fits a fleet of so many nodes at `now`: nothing is for others or for the past.
    pub fn fits(&self, nodes: u32, now: Time) -> bool {
        self.stations.keys().all(|n| *n < nodes)
            && self.next_decision() >= now
            && self.ready.iter().all(|d| d.node < nodes && d.at >= now)
    }

    /// A node does something. Acts come in the order (time, node, sequence).
    pub fn act(&mut self, node: u32, at: Time, act: &RadioAct) {
        debug_assert!(at >= self.derived.now, "an act in the past: {at} < {}", self.derived.now);
        while let Some(&(t, _)) = self.due.first()
            && t < at
        {
            self.decide_next();
        }
        match act {
            RadioAct::TxStart(frame) => self.start(node, at, frame),
            RadioAct::TxAbort => self.abort(node, at),
            RadioAct::RxOn { mhz, phy } => {
                self.station(node).rx = Some(Rx { since: at, mhz: *mhz, phy: *phy });
            }
            RadioAct::RxOff => self.station(node).rx = None,
            RadioAct::Sample => {
                self.due.insert((at + RSSI_NS, Decision::Sample(node, at)));
            }
        }
    }

    fn start(&mut self, node: u32, at: Time, frame: &AirFrame) {
        self.abort(node, at);
        let station = self.station(node);
        let id = u64::from(node) << 32 | u64::from(station.sent);
        station.sent = station.sent.wrapping_add(1);
        station.sending = Some(id);
        let sync = at + u64::from(frame.sync_ns).max(LEAST_SYNC_NS);
        let end = (at + u64::from(frame.total_ns)).max(sync);
        self.due.insert((sync, Decision::Sync(id)));
        self.due.insert((end, Decision::End(id)));
        let frame = frame.clone();
        let flight = Flight {
            source: node,
            start: at,
            sync,
            end,
            silent: end,
            frame,
            over: false,
            locks: vec![],
            fates: vec![],
        };
        self.flights.insert(id, flight);
    }

    fn abort(&mut self, node: u32, at: Time) {
        let Some(id) = self.station(node).sending.take() else { return };
        let Some(f) = self.flights.get_mut(&id) else { return };
        f.silent = f.silent.min(at);
        let (sync, end) = (f.sync, f.end);
        let unheard = at < sync || f.locks.is_empty() && !self.due.contains(&(sync, Decision::Sync(id)));
        if unheard {
            self.due.remove(&(sync, Decision::Sync(id)));
            self.due.remove(&(end, Decision::End(id)));
            self.finish(id);
        }
    }

    // ---- decisions ----

    /// Decides everything due up to and including `t`; what nodes get to hear comes in order.
    pub fn run_until(&mut self, t: Time) -> Vec<Delivery> {
        while self.due.first().is_some_and(|d| d.0 <= t) {
            self.decide_next();
        }
        self.derived.now = self.derived.now.max(t);
        let n = self.ready.partition_point(|d| d.at <= t);
        self.ready.drain(..n).collect()
    }

    fn decide_next(&mut self) {
        let Some((at, decision)) = self.due.pop_first() else { return };
        match decision {
            Decision::Sync(id) => self.decide_sync(id),
            Decision::End(id) => self.decide_end(id),
            Decision::Sample(node, start) => self.decide_sample(node, start, at),
        }
    }

    fn throw(&self, id: u64, to: u64, purpose: u64) -> u64 {
        hash_words(self.seed, &[id >> 32, id & 0xffff_ffff, to, purpose])
    }

    /// Whether a throw succeeds that does so with probability `chance`.
    fn lucky(&self, id: u64, to: u64, purpose: u64, chance: f64) -> bool {
        ((self.throw(id, to, purpose) >> 11) as f64) < chance * (1u64 << 53) as f64
    }

    fn decide_sync(&mut self, id: u64) {
        let Some(mut f) = self.flights.remove(&id) else { return };
        let neighbours = self.take_neighbours(f.source);
        let leaves = self.lucky(id, u64::MAX, AT_SENDER, self.config.tx_chance());
        for &node in &neighbours {
            let Some(rx) = self.stations.get(&node).and_then(|s| s.rx) else { continue };
            if (rx.mhz, rx.phy) != (f.frame.mhz, f.frame.phy) {
                continue;
            }
            let Some(signal) = self.signal(f.source, node, &f.frame) else { continue };
            let dbm = whole_dbm(signal.centi_dbm);
            match self.fate_at_sync(id, &f, node, rx, &signal, leaves) {
                Some(fate) => f.fates.push((node, dbm, fate)),
                None => {
                    f.locks.push(Lock { node, rx, centi_dbm: signal.centi_dbm });
                    let event = AirEvent::Sync {
                        frame: id,
                        address: f.frame.address,
                        address_len: f.frame.address_len,
                        dbm,
                        bytes: f.frame.bytes.len() as u16,
                    };
                    self.ready.push(Delivery { at: f.sync, node, event });
                }
            }
        }
        self.derived.neighbours.insert(f.source, neighbours);
        self.flights.insert(id, f);
    }

    /// Why a listener does not hear the address; `None`: it does.
    fn fate_at_sync(
        &self,
        id: u64,
        f: &Flight,
        node: u32,
        rx: Rx,
        signal: &Signal,
        leaves: bool,
    ) -> Option<Fate> {
        if !signal.decodable {
            Some(Fate::TooWeak)
        } else if rx.since > f.start {
            Some(Fate::CameLate)
        } else if !leaves || !self.lucky(id, node.into(), BY_CHANCE, signal.chance * (1.0 - self.config.loss))
        {
            Some(Fate::Unlucky)
        } else if !self.disturbed(id, f, node, signal.centi_dbm, (f.start, f.sync)).is_empty() {
            Some(Fate::Collision)
        } else {
            None
        }
    }

    fn decide_end(&mut self, id: u64) {
        let Some(mut f) = self.flights.remove(&id) else { return };
        for lock in std::mem::take(&mut f.locks) {
            let dbm = whole_dbm(lock.centi_dbm);
            if self.stations.get(&lock.node).and_then(|s| s.rx) != Some(lock.rx) {
                f.fates.push((lock.node, dbm, Fate::LeftEarly));
                continue;
            }
            let (bytes, damaged) = self.arrived(id, &f, &lock);
            f.fates.push((
                lock.node,
                dbm,
                if damaged == 0 { Fate::Received } else { Fate::Damaged(damaged) },
            ));
            self.ready.push(Delivery {
                at: f.end,
                node: lock.node,
                event: AirEvent::End { frame: id, bytes, dbm },
            });
        }
        if let Some(s) = self.stations.get_mut(&f.source).filter(|s| s.sending == Some(id)) {
            s.sending = None;
        }
        self.flights.insert(id, f);
        self.finish(id);
    }

    /// The frame's bytes as one receiver hears them, and how many are damaged.
    fn arrived(&self, id: u64, f: &Flight, lock: &Lock) -> (Vec<u8>, u16) {
        let mut bytes = f.frame.bytes.clone();
        let mut bad = self.disturbed(id, f, lock.node, lock.centi_dbm, (f.sync, f.silent));
        if f.silent < f.end {
            bad.push((f.silent, f.end));
        }
        let byte_ns = 8 * bit_ns(f.frame.phy);
        let mut damaged = 0;
        for (i, b) in bytes.iter_mut().enumerate() {
            let from = f.sync + i as u64 * byte_ns;
            if bad.iter().any(|(a, z)| *a < from + byte_ns && *z > from) {
                let noise = self.throw(id, lock.node.into(), NOISE + i as u64) as u8;
                damaged += u16::from(noise != 0);
                *b ^= noise;
            }
        }
        (bytes, damaged)
    }

    fn decide_sample(&mut self, node: u32, start: Time, end: Time) {
        let mut sum = math::milliwatts((self.config.noise_floor_dbm * 100.0).round() as i32);
        if let Some(rx) = self.stations.get(&node).and_then(|s| s.rx) {
            for (from, to, mw) in self.others(u64::MAX, rx.mhz, node, (start, end)) {
                sum += mw * to.since(from) as f64 / end.since(start) as f64;
            }
        }
        let dbm = whole_dbm(math::centi_dbm(sum));
        self.ready.push(Delivery { at: end, node, event: AirEvent::Rssi { dbm } });
        self.prune();
    }

    // ---- signals ----

    fn signal(&self, from: u32, to: u32, frame: &AirFrame) -> Option<Signal> {
        let (a, b) = (self.stations.get(&from)?, self.stations.get(&to)?);
        let dbm = f64::from(frame.dbm) + a.gain_db + b.gain_db;
        self.config.signal((from, to), (&a.position, &b.position), dbm, frame.phy)
    }

    /// Frames but `id` that `node` notices on a frequency in a time: from, to, milliwatts.
    fn others(&self, id: u64, mhz: u16, node: u32, (from, to): (Time, Time)) -> Vec<(Time, Time, f64)> {
        let overlap = |(other, f): (&u64, &Flight)| {
            let (a, z) = (f.start.max(from), f.silent.min(to));
            if *other == id || f.frame.mhz != mhz || f.source == node || a >= z {
                return None;
            }
            Some((a, z, math::milliwatts(self.signal(f.source, node, &f.frame)?.centi_dbm)))
        };
        self.flights.iter().filter_map(overlap).collect()
    }

    /// When in a time the others are too strong at `node` for a frame it hears with `centi_dbm`.
    fn disturbed(
        &self,
        id: u64,
        f: &Flight,
        node: u32,
        centi_dbm: i32,
        time: (Time, Time),
    ) -> Vec<(Time, Time)> {
        let others = self.others(id, f.frame.mhz, node, time);
        let mut marks: Vec<Time> = others.iter().flat_map(|o| [o.0, o.1]).collect();
        marks.sort_unstable();
        marks.dedup();
        let too_strong = |&(a, z): &(Time, Time)| {
            let sum = others.iter().filter(|o| o.0 <= a && o.1 >= z).map(|o| o.2).sum();
            self.config.destroyed(centi_dbm, sum)
        };
        marks.windows(2).map(|w| (w[0], w[1])).filter(too_strong).collect()
    }

    /// Who may notice `node`, out of the cache; put it back.
    fn take_neighbours(&mut self, node: u32) -> Vec<u32> {
        if let Some(known) = self.derived.neighbours.remove(&node) {
            return known;
        }
        let most_gain = self.stations.values().map(|s| s.gain_db).fold(0.0, f64::max);
        let Some(reach) = self.config.reach(2.0 * most_gain) else {
            return self.stations.keys().copied().filter(|n| *n != node).collect();
        };
        let stations = &self.stations;
        let grid = self.derived.grid.get_or_insert_with(|| {
            let mut grid = Grid::new(reach);
            stations.iter().for_each(|(id, s)| grid.insert(*id, &s.position));
            grid
        });
        let here = stations.get(&node).map_or([0.0; 3], |s| s.position);
        let mut near = grid.near(&here);
        near.retain(|n| *n != node);
        near
    }

    // ---- the end of frames ----

    fn finish(&mut self, id: u64) {
        let Some(f) = self.flights.get_mut(&id) else { return };
        f.over = true;
        if let Some(log) = &mut self.derived.log {
            log.push(FrameLog {
                at: f.start,
                source: f.source,
                frame: f.frame.clone(),
                aborted: (f.silent < f.end).then_some(f.silent),
                fates: std::mem::take(&mut f.fates),
            });
        }
        self.prune();
    }

    /// Forgets frames that can disturb nothing undecided any more.
    fn prune(&mut self) {
        let frames = self.flights.values().filter(|f| !f.over).map(|f| f.start);
        let samples = self.due.iter().filter_map(|d| match d.1 {
            Decision::Sample(_, start) => Some(start),
            _ => None,
        });
        let first = frames.chain(samples).min().unwrap_or(Time::MAX);
        self.flights.retain(|_, f| !f.over || f.silent > first);
    }

    /// Keeps a log of frames from now on. It is no state: neither saved nor part of a digest.
    pub fn log_frames(&mut self) {
        self.derived.log.get_or_insert_default();
    }

    /// Frames that ended since the last call.
    pub fn take_log(&mut self) -> Vec<FrameLog> {
        self.derived.log.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "radio_tests.rs"]
mod tests;
