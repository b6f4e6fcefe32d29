//! The 2.4 GHz medium.
//!
//! ## Order
//! Acts wait in an inbox and count in the order (time, node, sequence). [`RadioMedium::run_until`] takes those before
//! its time and decides everything due up to and including it: a decision at an instant knows every act before that
//! instant and none of it. Faults, places and gains count from the instant they are made, before its acts. How a run is
//! cut into calls changes nothing.
//!
//! ## Decisions
//! | instant | decided | seen as |
//! |---|---|---|
//! | first bit | who notices the frame, and how strong: places, power, shadowing, fading | |
//! | end of the address | who hears it: on the channel and physical layer since the first bit, lucky, and every bit of the address right | [`AirEvent::Sync`] |
//! | last bit | which bits arrive wrong, for those who heard the address and listened on | [`AirEvent::End`] |
//! | the end of a measurement | mean power on the channel since its Sample | [`AirEvent::Rssi`] |
//!
//! All but the first are later by the propagation delay of a receiver. A listener that came on during the preamble
//! misses the frame.
//!
//! ## Bit errors
//! A frame is cut into pieces wherever an interferer begins or ends. Each piece has one ratio of signal to noise and
//! weighted interference ([`crate::phy`]), that one bit error rate, and the wrong bits are thrown piece by piece; a bit
//! that lies in two pieces counts to the later one. Frames of neighbouring channels and other physical layers count by
//! the receiver's rejection. So loss near the sensitivity is gradual, and a frame survives another by the capture
//! effect or not at all. With Cooja's models there are no bit errors, and frames that meet at a receiver are lost:
//! their common time arrives as noise. A sender that breaks off leaves noise up to the planned end.
//!
//! ## Capture
//! The medium offers every address that can be made out, so also a strong frame's in the middle of a weak one; which
//! address a radio waits for is the radio's matter. nRF51 stays with the packet whose address matched first and hears
//! the rest of it in the later one's noise.
//!
//! ## Carrier sense
//! A Sample is answered when the node asks ([`RadioMedium::answer`]), since the time it measures (nRF51: 8.8 us) is its own
//! clock's, with the mean power over that time. A frame whose first bit left `d` ago, less the propagation delay, is seen whole if `d` is at least 0 at the Sample,
//! and in part if it began during the measurement: a carrier is seen after 8.8 us, at most. The mean is of power, not
//! of dBm. nRF51 reports whole dBm; its real accuracy (6 dB either way, between -80 and -50 dBm) is not played out.
//! There is no LQI on nRF51, so the medium gives none.
//!
//! ## Chance
//! Every throw is a hash of (seed, source, number of the frame at its source, destination, purpose): another node, far
//! or near, changes nobody's luck.
//!
//! ## Cost
//! Work for a frame lies in those who notice it: each keeps a list of what it hears at present.
//!
//! ## Not modelled
//! Echoes and frequency-selective fading, antennas with a direction, an address found in noise or in another's frame,
//! saturation, spurious emissions and images, a receiver's drift, preamble errors (a preamble may be covered if the
//! address is not).

mod decide;
mod faults;
mod log;
mod places;
mod stations;

use crate::{
    config::{Path, RadioConfig, centi},
    math,
    phy::{LEAST_SYNC_NS, RSSI_RANGE_NS},
};
use emu_core::{
    Time,
    link::{AirEvent, AirFrame, Phy, RadioAct},
    rng::hash_words,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub use faults::{Jammer, Pattern, RadioFault};
pub use log::{Counters, Fate, FrameLog};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Rx {
    since: Time,
    mhz: u16,
    phy: Phy,
}

/// A frame as one station notices it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Heard {
    id: u64,
    /// When its power comes and goes.
    from: Time,
    to: Time,
    /// When nothing more is decided about it here.
    last: Time,
    mhz: u16,
    mw: f64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Station {
    /// Where it is, or goes.
    position: [f64; 3],
    walk: Option<places::Walk>,
    gain_db: f64,
    offset_db: f64,
    rx: Option<Rx>,
    /// Since when it measures signal strength.
    sampling: Option<Time>,
    /// Frames sent so far.
    sent: u32,
    /// The frame on the air and its end.
    sending: Option<(u64, Time)>,
    muted: bool,
    /// Which side of a partition.
    group: u32,
    hearing: Vec<Heard>,
    counters: Counters,
}

/// Somebody who notices a frame.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Ear {
    node: u32,
    delay_us: u32,
    centi_dbm: i32,
    in_range: bool,
    /// Beyond a partition.
    blocked: bool,
    chance: f64,
    /// How it listened when it heard the address.
    lock: Option<Rx>,
}

impl Ear {
    fn delay(&self) -> u64 {
        u64::from(self.delay_us) * 1000
    }
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
    /// It left its sender.
    leaves: bool,
    ears: Vec<Ear>,
    #[serde(skip)]
    fates: Vec<(u32, i8, Fate)>,
}

/// Frames are decided for all receivers of one delay (in microseconds) at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Decision {
    Sync(u64, u32),
    End(u64, u32),
}

/// What follows from the state and need not be saved.
#[derive(Clone, Debug, Default)]
struct Derived {
    places: places::Places,
    log: Option<Vec<FrameLog>>,
    /// Everything up to here is decided.
    now: Time,
}

/// A 2.4 GHz medium. Plain data: clone it to fork, serialise it to save or digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RadioMedium {
    config: RadioConfig,
    seed: u64,
    stations: stations::Stations,
    flights: BTreeMap<u64, Flight>,
    /// Acts that do not count yet.
    inbox: BTreeMap<(Time, u32), Vec<RadioAct>>,
    due: BTreeSet<(Time, Decision)>,
    /// Decided, not fetched yet.
    ready: Vec<Delivery>,
    jammers: Vec<faults::Jamming>,
    bursts: Vec<faults::Burst>,
    #[serde(skip)]
    derived: Derived,
}

/// What a frame is thrown for.
mod purpose {
    pub const BY_CHANCE: u64 = 0;
    pub const AT_SENDER: u64 = 1;
    pub const ADDRESS: u64 = 2;
    /// And the two after it.
    pub const FADING: u64 = 3;
    /// Piece in the higher half, number of the throw in the lower.
    pub const BITS: u64 = 1 << 32;
}

fn whole_dbm(centi_dbm: i32) -> i8 {
    (f64::from(centi_dbm) / 100.0).round().clamp(-128.0, 127.0) as i8
}

impl RadioMedium {
    /// A medium without nodes. `seed` decides all chance.
    pub fn new(config: RadioConfig, seed: u64) -> RadioMedium {
        let jammers = config.jammers.iter().map(|(n, j)| faults::Jamming::new(n, j, Time::ZERO)).collect();
        RadioMedium {
            config,
            seed,
            stations: stations::Stations::default(),
            flights: BTreeMap::new(),
            inbox: BTreeMap::new(),
            due: BTreeSet::new(),
            ready: vec![],
            jammers,
            bursts: vec![],
            derived: Derived::default(),
        }
    }

    /// What the medium is like.
    pub fn config(&self) -> &RadioConfig {
        &self.config
    }

    /// A node nobody placed stands at the origin.
    fn station(&mut self, node: u32) -> &mut Station {
        if !self.stations.contains(node) {
            self.forget_places();
        }
        self.stations.get_or_insert(node)
    }

    /// What a node has sent and heard so far.
    pub fn counters(&self, node: u32) -> Counters {
        self.stations.get(node).map(|s| s.counters).unwrap_or_default()
    }

    /// Least nanoseconds from a TxStart to its first effect on another node.
    pub fn latency(&self) -> u64 {
        LEAST_SYNC_NS
    }

    /// When the medium next decides something, at the earliest; it must know every act before then. [`Time::MAX`]:
    /// nothing is due.
    pub fn next_decision(&self) -> Time {
        let ready = self.ready.first().map_or(Time::MAX, |d| d.at);
        let first = |(at, acts): (Time, &Vec<RadioAct>)| {
            let ns = |act: &RadioAct| match act {
                RadioAct::TxStart(f) => Some(u64::from(f.sync_ns).max(LEAST_SYNC_NS)),
                _ => None,
            };
            acts.iter().filter_map(ns).min().map_or(Time::MAX, |ns| at + ns)
        };
        let inbox = self.inbox.iter().map(|(k, acts)| first((k.0, acts))).min().unwrap_or(Time::MAX);
        self.due.first().map_or(Time::MAX, |d| d.0).min(ready).min(inbox)
    }

    /// What was loaded fits a fleet of so many nodes at `now`: nothing is for others or for the past.
    pub fn fits(&self, nodes: u32, now: Time) -> bool {
        let of_fleet = |n: u32| n < nodes;
        self.stations.iter().all(|(n, _)| of_fleet(n))
            && self.stations.is_valid()
            && self.flights.values().all(Flight::is_valid)
            && self.next_decision() >= now
            && self.ready.iter().all(|d| of_fleet(d.node) && d.at >= now)
            // Acts of which nothing is to be heard before wait for the next decision, also when they are past.
            && self.inbox.keys().all(|(_, n)| of_fleet(*n))
    }

    // ---- acts ----

    /// A node does something, not in the past. Acts of a node at one instant come in their order.
    pub fn act(&mut self, node: u32, at: Time, act: &RadioAct) {
        debug_assert!(at >= self.derived.now, "an act in the past: {at} < {}", self.derived.now);
        self.inbox.entry((at, node)).or_default().push(act.clone());
    }

    /// Decides everything due up to and including `t`; what nodes get to hear comes in order.
    pub fn run_until(&mut self, t: Time) -> Vec<Delivery> {
        self.settle(t);
        let n = self.ready.partition_point(|d| d.at <= t);
        self.ready.drain(..n).collect()
    }

    /// The measurement of `node` is over at `t` by its own clock: what it shows. Every act before `t` is known. `None`: it
    /// measures nothing.
    pub fn answer(&mut self, node: u32, t: Time) -> Option<Delivery> {
        self.settle(t);
        let start = self.stations.get_mut(node)?.sampling.take().filter(|start| *start < t)?;
        Some(Delivery { at: t, node, event: AirEvent::Rssi { dbm: self.measured(node, (start, t)) } })
    }

    /// Counts the acts before `t` and decides what is due up to and including it.
    fn settle(&mut self, t: Time) {
        loop {
            let act = self.inbox.first_key_value().map(|(k, _)| k.0).filter(|at| *at < t);
            let due = self.due.first().map(|d| d.0).filter(|at| *at <= t);
            match (act, due) {
                (None, None) => break,
                // A decision knows nothing of the acts of its instant.
                (Some(act), Some(due)) if act < due => self.count_next(),
                (_, Some(_)) => self.decide_next(),
                (Some(_), None) => self.count_next(),
            }
        }
        self.derived.now = self.derived.now.max(t);
    }

    fn count_next(&mut self) {
        let Some(((at, node), acts)) = self.inbox.pop_first() else { return };
        for act in acts {
            match act {
                RadioAct::TxStart(frame) => self.start(node, at, frame),
                RadioAct::TxAbort => self.abort(node, at),
                RadioAct::RxOn { mhz, phy } => self.station(node).rx = Some(Rx { since: at, mhz, phy }),
                RadioAct::RxOff => self.station(node).rx = None,
                RadioAct::Sample => self.station(node).sampling = Some(at),
            }
        }
    }

    fn start(&mut self, node: u32, at: Time, frame: AirFrame) {
        self.abort(node, at);
        let sync = at + u64::from(frame.sync_ns).max(LEAST_SYNC_NS);
        let end = (at + u64::from(frame.total_ns)).max(sync);
        let station = self.station(node);
        let id = u64::from(node) << 32 | u64::from(station.sent);
        station.sent = station.sent.wrapping_add(1);
        station.counters.sent += 1;
        station.sending = Some((id, end));
        let leaves = self.lucky(id, u64::MAX, purpose::AT_SENDER, self.config.tx_chance());
        let mut f = Flight {
            source: node,
            start: at,
            sync,
            end,
            silent: end,
            frame,
            leaves,
            ears: vec![],
            fates: vec![],
        };
        f.ears = self.ears(id, &f);
        let delays: BTreeSet<u32> = f.ears.iter().map(|e| e.delay_us).collect();
        for delay in &delays {
            let ns = u64::from(*delay) * 1000;
            self.due.insert((sync + ns, Decision::Sync(id, *delay)));
            self.due.insert((end + ns, Decision::End(id, *delay)));
        }
        if delays.is_empty() {
            self.due.insert((end, Decision::End(id, 0)));
        }
        self.flights.insert(id, f);
    }

    /// Who notices a frame that begins. Its power is theirs from now on.
    fn ears(&mut self, id: u64, f: &Flight) -> Vec<Ear> {
        let Some(s) = self.stations.get(f.source).filter(|s| !s.muted) else { return vec![] };
        let group = s.group;
        let sent = centi(f64::from(f.frame.dbm) + s.offset_db);
        let cut = centi(self.config.cut_dbm(f.frame.phy));
        let audience = self.audience(f.source, sent, f.frame.phy, f.start);
        let mut ears = Vec::with_capacity(audience.len());
        for (node, path) in audience {
            let Some(centi_dbm) = self.strength(id, node, sent, &path, cut) else { continue };
            let Some(s) = self.stations.get_mut(node) else { continue };
            let ear = Ear {
                node,
                delay_us: path.delay_us,
                centi_dbm,
                in_range: path.in_range,
                blocked: s.group != group,
                chance: path.chance,
                lock: None,
            };
            if f.leaves && !ear.blocked {
                s.hear(id, f, &ear);
            }
            ears.push(ear);
        }
        ears
    }

    /// Hundredths of a dBm with which a frame arrives, unless that is too little to matter.
    fn strength(&self, id: u64, node: u32, sent: i32, path: &Path, cut: i32) -> Option<i32> {
        if self.config.power_is_ignored() {
            return Some(path.centi_db);
        }
        let fading = if self.config.most_fading() == 0 {
            0
        } else {
            let bits = [0, 1, 2].map(|i| self.throw(id, node.into(), purpose::FADING + i));
            centi(self.config.fading_db * math::normal(bits))
        };
        Some(sent.saturating_add(path.centi_db).saturating_add(fading)).filter(|c| *c >= cut)
    }

    fn abort(&mut self, node: u32, at: Time) {
        let Some((id, end)) = self.station(node).sending.take() else { return };
        let Some(f) = self.flights.get_mut(&id).filter(|_| at < end) else { return };
        f.silent = at;
        let unheard = at < f.sync;
        for ear in &f.ears {
            let Some(s) = self.stations.get_mut(ear.node) else { continue };
            if let Some(h) = s.hearing.iter_mut().find(|h| h.id == id) {
                h.to = h.to.min(at + ear.delay());
                h.last = if unheard { at } else { h.last };
            }
        }
        if unheard {
            let delays: BTreeSet<u32> = f.ears.iter().map(|e| e.delay_us).chain([0]).collect();
            for delay in delays {
                let ns = u64::from(delay) * 1000;
                self.due.remove(&(f.sync + ns, Decision::Sync(id, delay)));
                self.due.remove(&(f.end + ns, Decision::End(id, delay)));
            }
            self.finish(id);
        }
    }

    // ---- chance ----

    fn throw(&self, id: u64, to: u64, purpose: u64) -> u64 {
        hash_words(self.seed, &[id >> 32, id & 0xffff_ffff, to, purpose])
    }

    /// A throw between 0 and 1.
    fn draw(&self, id: u64, to: u64, purpose: u64) -> f64 {
        (self.throw(id, to, purpose) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether a throw succeeds that does so with probability `chance`.
    fn lucky(&self, id: u64, to: u64, purpose: u64, chance: f64) -> bool {
        chance >= 1.0 || self.draw(id, to, purpose) < chance
    }

    // ---- the end of frames ----

    fn finish(&mut self, id: u64) {
        let Some(f) = self.flights.remove(&id) else { return };
        if let Some(log) = &mut self.derived.log {
            log.push(FrameLog {
                at: f.start,
                source: f.source,
                frame: f.frame,
                aborted: (f.silent < f.end).then_some(f.silent),
                fates: f.fates,
            });
        }
    }

    /// Keeps a log of frames from now on. It is no state: neither saved nor part of a digest.
    pub fn log_frames(&mut self) {
        self.derived.log.get_or_insert_default();
    }

    /// Frames that ended since the last call, in the order of their ends.
    pub fn take_log(&mut self) -> Vec<FrameLog> {
        self.derived.log.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

impl Flight {
    /// What was loaded is no longer than a frame can be.
    fn is_valid(&self) -> bool {
        self.start <= self.sync
            && self.sync <= self.end
            && self.silent <= self.end
            && self.end.since(self.start) <= u64::from(u32::MAX)
            && self.ears.iter().all(|e| e.delay_us < 1_000_000)
    }
}

impl Station {
    /// A frame's power comes.
    fn hear(&mut self, id: u64, f: &Flight, ear: &Ear) {
        self.forget(f.start);
        let delay = ear.delay();
        self.hearing.push(Heard {
            id,
            from: f.start + delay,
            to: f.end + delay,
            last: f.end + delay,
            mhz: f.frame.mhz,
            mw: math::milliwatts(ear.centi_dbm),
        });
    }

    /// Forgets what can disturb nothing undecided any more: neither frames nor measurements.
    fn forget(&mut self, now: Time) {
        let undecided = self.hearing.iter().filter(|h| h.last > now).map(|h| h.from).min();
        let first = undecided.unwrap_or(Time::MAX);
        self.hearing.retain(|h| h.last > now || h.to > first || h.to + RSSI_RANGE_NS.1 > now);
    }
}

#[cfg(test)]
mod tests;
