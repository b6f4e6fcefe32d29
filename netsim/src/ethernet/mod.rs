//! An Ethernet switch with full-duplex links to stations (IEEE 802.3, 802.1Q).
//!
//! ## The way of a frame
//! The station's link serialises it (preamble, frame padded to 60 bytes, FCS, gap), it arrives at the switch after the
//! link's latency, and is forwarded whole (store and forward): learned unicast addresses to one station, broadcasts,
//! multicasts and unknown addresses to all others. There it waits for the link, is serialised again, and is delivered
//! with its last bit. A station that sends faster than its link queues at its own end.
//!
//! ## Order
//! Effects depend on the total order (time, station, sequence) of acts and on the instants of faults alone. At one
//! instant, what is due inside comes first, then faults, then acts: acts of that instant may still come after a
//! [`EthernetMedium::run_until`] of it, so they wait in an inbox until time has passed them.
//!
//! ## Chance
//! Every throw is a hash of (seed, source, number of the frame at its source, end of the link, purpose): another
//! station changes nobody's luck.
//!
//! ## Not modelled
//! Auto-negotiation, half duplex and its collisions, pause frames, VLANs (a tag only allows four bytes more), spanning
//! tree, jumbo frames, a limit of the switch's inner bandwidth.

mod config;
mod faults;
mod forward;
mod gate;
#[cfg(test)]
mod gate_tests;
mod links;
mod log;
#[cfg(test)]
mod tests;

pub use config::{EthernetConfig, EthernetFault, LinkChange, LinkConfig};
pub use log::{Counters, Fate, LoggedFrame};

use crate::{gateway::Gateway, medium::Delivery};
use config::{LEAST_BYTES, chance};
use emu_core::{Time, link::Msg};
pub(crate) use log::add;
use log::{Id, Log};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The station number of the switch's own gateway.
pub const GATEWAY: u32 = u32::MAX;

/// Destination and source address and EtherType.
const HEADER: usize = 14;
/// More bytes than this no station sends.
const MOST_BYTES: usize = 65_535;

type Mac = [u8; 6];

/// Direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Way {
    ToSwitch,
    ToStation,
}

/// One frame, or one copy of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Frame {
    source: u32,
    /// Number at its source.
    number: u64,
    /// First bit at the source.
    first: Time,
    /// Bit 0: sent a second time by its source, bit 1: by the switch.
    copy: u8,
    bytes: Vec<u8>,
}

impl Frame {
    fn id(&self) -> Id {
        (self.first, self.source, self.number)
    }
}

/// One direction of a link.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Lane {
    /// Frames that wait. While there are any, `free` is noted in [`EthernetMedium::free`].
    queue: VecDeque<Frame>,
    /// When the gap after the last frame is over.
    free: Time,
    /// Frames sent.
    sent: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Port {
    link: LinkConfig,
    down: bool,
    /// How often the link broke: a frame that was under way meanwhile is lost.
    breaks: u64,
    /// More loss until some time.
    burst: Option<(f64, Time)>,
    /// Frames its station sent so far.
    acts: u64,
    to_switch: Lane,
    to_station: Lane,
    counters: Counters,
}

impl Port {
    fn new(link: LinkConfig) -> Port {
        Port {
            link,
            down: false,
            breaks: 0,
            burst: None,
            acts: 0,
            to_switch: Lane::default(),
            to_station: Lane::default(),
            counters: Counters::default(),
        }
    }

    fn lane(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::ToSwitch => &mut self.to_switch,
            Way::ToStation => &mut self.to_station,
        }
    }
}

/// A frame on a link.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Flight {
    frame: Frame,
    /// [`Port::breaks`] at its first bit.
    breaks: u64,
    damaged: bool,
}

/// Where an address was seen last.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Learned {
    station: u32,
    at: Time,
}

/// What follows from the state or is no state, and is not saved.
#[derive(Clone, Debug, Default)]
struct Derived {
    log: Option<Log>,
    /// Nothing happens before this any more.
    now: Time,
}

/// When, at which station's link, number of the frame there.
type Due = (Time, u32, u64);

/// A switch and its links. Plain data: clone it to fork, serialise it to save or digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EthernetMedium {
    config: EthernetConfig,
    seed: u64,
    ports: BTreeMap<u32, Port>,
    /// Least of [`LinkConfig::least_ns`].
    least_ns: u64,
    learned: BTreeMap<Mac, Learned>,
    /// No address was seen before this.
    oldest: Time,
    /// Group of each station that a partition names.
    groups: Option<BTreeMap<u32, u32>>,
    /// Acts whose instant is not over.
    inbox: BTreeMap<Due, Vec<u8>>,
    /// Frames whose last bit is to arrive.
    to_switch: BTreeMap<Due, Flight>,
    to_station: BTreeMap<Due, Flight>,
    /// Links on which a frame waits, and when it may start.
    free: BTreeSet<(Time, u32, Way)>,
    /// Decided, not fetched yet.
    ready: Vec<Delivery>,
    gateway: Option<Box<Gateway>>,
    /// When the gateway was last called.
    gateway_called: Time,
    #[serde(skip)]
    derived: Derived,
}

impl EthernetMedium {
    /// A switch without stations. `seed` decides all chance.
    pub fn new(config: EthernetConfig, seed: u64) -> EthernetMedium {
        EthernetMedium {
            config,
            seed,
            ports: BTreeMap::new(),
            least_ns: u64::MAX,
            learned: BTreeMap::new(),
            oldest: Time::ZERO,
            groups: None,
            inbox: BTreeMap::new(),
            to_switch: BTreeMap::new(),
            to_station: BTreeMap::new(),
            free: BTreeSet::new(),
            ready: vec![],
            gateway: None,
            gateway_called: Time::ZERO,
            derived: Derived::default(),
        }
    }

    /// Links a station to the switch, or gives its link other properties.
    pub fn connect(&mut self, station: u32, link: LinkConfig) {
        if station != GATEWAY {
            self.link(station, link);
        }
    }

    fn link(&mut self, station: u32, mut link: LinkConfig) {
        for c in [&mut link.loss, &mut link.duplication, &mut link.reordering, &mut link.corruption] {
            *c = chance(*c);
        }
        let least = link.least_ns();
        match self.ports.get_mut(&station) {
            Some(port) => {
                port.link = link;
                self.least_ns = self.least();
            }
            None => {
                self.ports.insert(station, Port::new(link));
                self.least_ns = self.least_ns.min(least);
            }
        }
    }

    fn least(&self) -> u64 {
        self.ports.values().map(|p| p.link.least_ns()).min().unwrap_or(u64::MAX)
    }

    /// What passed a station's link so far.
    pub fn counters(&self, station: u32) -> Counters {
        self.ports.get(&station).map(|p| p.counters).unwrap_or_default()
    }

    /// Least nanoseconds from a frame's first bit to its first effect on another station. Faults and
    /// [`EthernetMedium::connect`] change it.
    pub fn latency(&self) -> u64 {
        self.least_ns.saturating_mul(2)
    }

    /// No station hears anything before this; by then every act before it must be known. [`Time::MAX`]: nothing is due.
    pub fn next_decision(&self) -> Time {
        let forwarded = |due: Option<Time>| due.map(|t| t + self.least_ns);
        let times = [
            self.ready.first().map(|d| d.at),
            self.to_station.first_key_value().map(|(k, _)| k.0),
            forwarded(self.to_switch.first_key_value().map(|(k, _)| k.0)),
            forwarded(self.free.first().map(|k| k.0)),
            self.gateway_due().map(|t| t + self.latency()),
            self.inbox.first_key_value().map(|(k, _)| k.0 + self.latency()),
        ];
        times.into_iter().flatten().min().unwrap_or(Time::MAX)
    }

    /// What was loaded fits so many stations at `now`: nothing is for others or for the past.
    pub fn fits(&self, stations: u32, now: Time) -> bool {
        let known = |station: u32| self.ports.contains_key(&station);
        let due = |k: &Due| k.0 >= now && known(k.1);
        // What happens inside waits until something can be heard of it: see `next_decision`.
        let inside = |k: &Due, ns: u64| k.0 + ns >= now && known(k.1);
        let frame = |f: &Frame| known(f.source) && f.bytes.len() <= MOST_BYTES;
        let lane = |station: u32, way: Way, lane: &Lane| {
            let noted = lane.queue.is_empty() || self.free.contains(&(lane.free, station, way));
            noted && lane.queue.iter().all(frame)
        };
        let port = |(n, p): (&u32, &Port)| {
            (*n < stations || *n == GATEWAY)
                && p.link.plausible()
                && lane(*n, Way::ToSwitch, &p.to_switch)
                && lane(*n, Way::ToStation, &p.to_station)
        };
        self.ports.iter().all(port)
            && self.least_ns == self.least()
            && self.learned.values().all(|l| known(l.station))
            && self.inbox.iter().all(|(k, b)| inside(k, self.latency()) && b.len() <= MOST_BYTES)
            && self.to_switch.iter().all(|(k, f)| inside(k, self.least_ns) && frame(&f.frame))
            && self.to_station.iter().all(|(k, f)| due(k) && frame(&f.frame))
            && self.free.iter().all(|k| k.0 + self.least_ns >= now && known(k.1))
            && self.ready.iter().all(|d| d.at >= now && d.station < stations)
            && self.gateway.is_some() == known(GATEWAY)
            && self.gateway.iter().all(|g| g.fits(now))
    }

    // ---- time ----

    /// A station does something; what is no frame is ignored, and so is a station without a link. Acts come in the
    /// order (time, station, sequence) and never before the last [`EthernetMedium::run_until`].
    pub fn act(&mut self, station: u32, at: Time, msg: &Msg) {
        debug_assert!(at >= self.derived.now, "an act in the past: {at} < {}", self.derived.now);
        let (Msg::Frame(bytes), Some(port)) = (msg, self.ports.get_mut(&station)) else { return };
        let bytes = bytes[..bytes.len().min(MOST_BYTES)].to_vec();
        self.inbox.insert((at, station, port.acts), bytes);
        port.acts = port.acts.wrapping_add(1);
    }

    /// Decides everything due up to and including `t`; what stations get to hear comes in order.
    pub fn run_until(&mut self, t: Time) -> Vec<Delivery> {
        self.advance(t);
        let n = self.ready.partition_point(|d| d.at <= t);
        self.ready.drain(..n).collect()
    }

    /// What is due up to and including `t`, and the acts before it.
    fn advance(&mut self, t: Time) {
        loop {
            let due = self.next_inside();
            let act = self.inbox.first_key_value().map(|(k, _)| k.0).filter(|at| *at < t);
            match (due, act) {
                (Some(due), act) if due <= t && act.is_none_or(|a| due <= a) => self.decide(due),
                (_, Some(_)) => self.take_act(),
                _ => break,
            }
        }
        self.derived.now = self.derived.now.max(t);
    }

    fn next_inside(&self) -> Option<Time> {
        let times = [
            self.to_switch.first_key_value().map(|(k, _)| k.0),
            self.free.first().map(|k| k.0),
            self.to_station.first_key_value().map(|(k, _)| k.0),
            self.gateway_due(),
        ];
        times.into_iter().flatten().min()
    }

    /// Decides one thing that is due now.
    fn decide(&mut self, now: Time) {
        if let Some((k, flight)) = first_at(&mut self.to_switch, now) {
            self.at_switch(now, k.1, flight);
        } else if self.free.first().is_some_and(|k| k.0 == now) {
            if let Some((_, station, way)) = self.free.pop_first() {
                self.send_next(now, station, way);
            }
        } else if let Some((k, flight)) = first_at(&mut self.to_station, now) {
            self.at_station(now, k.1, flight);
        } else {
            self.gateway_acts(now, |gateway| gateway.poll(now));
        }
    }

    fn take_act(&mut self) {
        if let Some(((at, source, number), bytes)) = self.inbox.pop_first() {
            self.start(at, source, number, bytes);
        }
    }

    /// A station, or the gateway, sends a frame.
    fn start(&mut self, at: Time, source: u32, number: u64, mut bytes: Vec<u8>) {
        // The sender's MAC pads (IEEE 802.3, 3.2.8); what is not even a header is shown as it was meant.
        if bytes.len() >= HEADER && bytes.len() < LEAST_BYTES {
            bytes.resize(LEAST_BYTES, 0);
        }
        if let Some(port) = self.ports.get_mut(&source) {
            add(&mut port.counters.tx_frames, 1);
            add(&mut port.counters.tx_bytes, bytes.len() as u64);
        }
        let frame = Frame { source, number, first: at, copy: 0, bytes };
        self.queue(at, source, Way::ToSwitch, frame);
    }

    // ---- log ----

    /// Keeps a log of frames from now on. It is no state: neither saved nor part of a digest.
    pub fn log_frames(&mut self) {
        self.derived.log.get_or_insert_default();
    }

    /// Frames whose fate is decided at all stations, in the order of their first bits; one that is still under way
    /// holds back those after it.
    pub fn take_log(&mut self) -> Vec<LoggedFrame> {
        self.derived.log.as_mut().map(Log::take).unwrap_or_default()
    }

    /// No frame that [`EthernetMedium::take_log`] gives later has its first bit before this.
    pub fn log_horizon(&self) -> Time {
        let open = self.derived.log.as_ref().and_then(Log::first);
        open.map_or(self.derived.now, |t| t.min(self.derived.now))
    }

    /// All frames not taken yet, for the end of a capture.
    pub fn finish_log(&mut self) -> Vec<LoggedFrame> {
        self.derived.log.as_mut().map(Log::finish).unwrap_or_default()
    }
}

fn first_at(map: &mut BTreeMap<Due, Flight>, now: Time) -> Option<(Due, Flight)> {
    let first = map.first_entry()?;
    (first.key().0 == now).then(|| first.remove_entry())
}
