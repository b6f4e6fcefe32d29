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
mod log;
#[cfg(test)]
mod tests;

pub use config::{EthernetConfig, EthernetFault, LinkChange, LinkConfig};
pub use log::{Counters, Fate, LoggedFrame};

use config::{LEAST_BYTES, chance};
use emu_core::{Time, link::Msg, rng::hash_words};
use log::{Id, Log, add};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a station gets to hear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// When.
    pub at: Time,
    /// Who.
    pub station: u32,
    /// What.
    pub msg: Msg,
}

/// The station number of the switch's own gateway.
pub const GATEWAY: u32 = u32::MAX;

/// Destination and source address and EtherType.
const HEADER: usize = 14;
/// Longest frame without FCS; with a VLAN tag four bytes more (IEEE 802.3, 3.2.7: envelope frames not meant).
const LONGEST: usize = 1514;
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
    #[serde(skip)]
    derived: Derived,
}

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
            derived: Derived::default(),
        }
    }

    /// Links a station to the switch, or gives its link other properties.
    pub fn connect(&mut self, station: u32, mut link: LinkConfig) {
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
            self.inbox.first_key_value().map(|(k, _)| k.0 + self.latency()),
        ];
        times.into_iter().flatten().min().unwrap_or(Time::MAX)
    }

    /// What was loaded fits so many stations at `now`: nothing is for others or for the past.
    pub fn fits(&self, stations: u32, now: Time) -> bool {
        let known = |station: u32| self.ports.contains_key(&station);
        let due = |k: &Due| k.0 >= now && known(k.1);
        let flight = |f: &Flight| known(f.frame.source) && f.frame.bytes.len() <= MOST_BYTES;
        let queue = |lane: &Lane| lane.queue.iter().all(|f| known(f.source) && f.bytes.len() <= MOST_BYTES);
        self.ports
            .iter()
            .all(|(n, p)| *n < stations && p.link.plausible() && queue(&p.to_switch) && queue(&p.to_station))
            && self.least_ns == self.least()
            && self.learned.values().all(|l| known(l.station))
            && self.inbox.iter().all(|(k, b)| due(k) && b.len() <= MOST_BYTES)
            && self.to_switch.iter().chain(&self.to_station).all(|(k, f)| due(k) && flight(f))
            && self.free.iter().all(|k| k.0 >= now && known(k.1))
            && self.ready.iter().all(|d| d.at >= now && known(d.station))
    }

    // ---- time ----

    /// A station does something; what is no frame is ignored, and so is a station without a link. Acts come in the
    /// order (time, station, sequence) and never before the last [`EthernetMedium::run_until`].
    pub fn act(&mut self, station: u32, at: Time, msg: &Msg) {
        debug_assert!(at >= self.derived.now, "an act in the past: {at} < {}", self.derived.now);
        let (Msg::Frame(bytes), Some(port)) = (msg, self.ports.get_mut(&station)) else { return };
        let bytes = bytes[..bytes.len().min(MOST_BYTES)].to_vec();
        self.inbox.insert((at, station, port.acts), bytes);
        port.acts += 1;
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
        }
    }

    fn take_act(&mut self) {
        let Some(((at, source, number), mut bytes)) = self.inbox.pop_first() else { return };
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
}

fn first_at(map: &mut BTreeMap<Due, Flight>, now: Time) -> Option<(Due, Flight)> {
    let first = map.first_entry()?;
    (first.key().0 == now).then(|| first.remove_entry())
}

// The links.
impl EthernetMedium {
    /// A frame is to cross a link.
    fn queue(&mut self, now: Time, station: u32, way: Way, frame: Frame) {
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
    fn send_next(&mut self, now: Time, station: u32, way: Way) {
        let Some(lane) = self.ports.get_mut(&station).map(|p| p.lane(way)) else { return };
        let Some(frame) = lane.queue.pop_front() else { return };
        self.send(now, station, way, frame);
        self.note_waiting(station, way);
    }

    fn note_waiting(&mut self, station: u32, way: Way) {
        let Some(lane) = self.ports.get_mut(&station).map(|p| p.lane(way)) else { return };
        if !lane.queue.is_empty() {
            self.free.insert((lane.free, station, way));
        }
    }

    /// A frame's first bit enters a link.
    fn send(&mut self, now: Time, station: u32, way: Way, mut frame: Frame) {
        let Some(port) = self.ports.get_mut(&station) else { return };
        let (link, breaks, burst) = (port.link.clone(), port.breaks, port.burst);
        let (frame_ns, slot_ns) = link.frame_ns(frame.bytes.len());
        let lane = port.lane(way);
        lane.free = now + slot_ns;
        lane.sent += 1;
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

    fn throw(&self, frame: &Frame, to: u64, purpose: u64) -> u64 {
        let purpose = u64::from(frame.copy) * PURPOSES + purpose;
        hash_words(self.seed, &[frame.source.into(), frame.number, to, purpose])
    }

    /// Whether a throw succeeds that does so with probability `chance`.
    fn lucky(&self, frame: &Frame, to: u64, purpose: u64, chance: f64) -> bool {
        chance > 0.0 && ((self.throw(frame, to, purpose) >> 11) as f64) < chance * (1u64 << 53) as f64
    }

    fn log(&mut self, note: impl FnOnce(&mut Log)) {
        if let Some(log) = &mut self.derived.log {
            note(log);
        }
    }

    fn open(&mut self, frame: &Frame) {
        self.log(|log| log.open(frame.id(), &frame.bytes));
    }

    /// A frame, or one copy of it, is over.
    fn end(&mut self, now: Time, station: u32, frame: &Frame, fate: Fate) {
        if let Some(port) = self.ports.get_mut(&station) {
            port.counters.drop(fate);
        }
        self.log(|log| log.end(frame.id(), station, now, fate));
    }

    fn broken(&self, station: u32, flight: &Flight) -> bool {
        self.ports.get(&station).is_none_or(|p| p.down || p.breaks != flight.breaks)
    }

    /// A frame's last bit reaches its station.
    fn at_station(&mut self, now: Time, station: u32, flight: Flight) {
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
        self.ready.push(Delivery { at: now, station, msg });
    }

    /// The bytes with one or three bits flipped: an odd number never cancels out.
    fn flip(&self, station: u32, mut frame: Frame) -> Vec<u8> {
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

// The switch.
impl EthernetMedium {
    /// A frame's last bit reaches the switch.
    fn at_switch(&mut self, now: Time, source: u32, flight: Flight) {
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

    fn forward(&mut self, now: Time, frame: Frame) {
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

    fn flood(&mut self, now: Time, frame: &Frame) {
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

    fn apart(&self, a: u32, b: u32) -> bool {
        self.groups.as_ref().is_some_and(|g| g.get(&a) != g.get(&b))
    }

    /// Where frames to an address go; `None`: to all.
    fn place(&self, now: Time, to: Mac) -> Option<u32> {
        let learned = self.learned.get(&to).filter(|_| to[0] & 1 == 0)?;
        (now.since(learned.at) <= self.config.ageing_ns).then_some(learned.station)
    }

    fn learn(&mut self, now: Time, from: Mac, station: u32) {
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

    // ---- faults ----

    /// Something happens to the links at a time that no [`EthernetMedium::run_until`] has passed. Stations without a
    /// link are ignored.
    pub fn fault(&mut self, at: Time, fault: &EthernetFault) {
        self.advance(at);
        match fault {
            EthernetFault::Set { stations, changes } => {
                self.each(stations, |port| changes.apply(&mut port.link));
                self.least_ns = self.least();
            }
            EthernetFault::Burst { stations, loss, until } => {
                self.each(stations, |port| port.burst = Some((chance(*loss), *until)));
            }
            EthernetFault::Down { stations } => self.break_links(at, stations),
            EthernetFault::Up { stations } => self.each(stations, |port| port.down = false),
            EthernetFault::Partition { groups } => {
                let group =
                    |(i, g): (usize, &Vec<u32>)| g.iter().map(move |n| (*n, i as u32)).collect::<Vec<_>>();
                self.groups = Some(groups.iter().enumerate().flat_map(group).collect());
            }
            EthernetFault::Heal => self.groups = None,
        }
    }

    fn chosen(&self, stations: &[u32]) -> Vec<u32> {
        if stations.is_empty() { self.ports.keys().copied().collect() } else { stations.to_vec() }
    }

    fn each(&mut self, stations: &[u32], mut change: impl FnMut(&mut Port)) {
        for station in self.chosen(stations) {
            self.ports.get_mut(&station).into_iter().for_each(&mut change);
        }
    }

    fn break_links(&mut self, at: Time, stations: &[u32]) {
        let chosen: BTreeSet<u32> = self.chosen(stations).into_iter().collect();
        for &station in &chosen {
            let Some(port) = self.ports.get_mut(&station).filter(|p| !p.down) else { continue };
            port.down = true;
            port.breaks += 1;
            let waiting = std::mem::take(&mut port.to_switch.queue);
            for mut frame in waiting {
                // Only a copy has been on the link before.
                if frame.copy == 0 {
                    frame.first = at;
                    self.open(&frame);
                }
                self.end(at, station, &frame, Fate::LinkDown);
            }
            let Some(port) = self.ports.get_mut(&station) else { continue };
            for frame in std::mem::take(&mut port.to_station.queue) {
                self.end(at, station, &frame, Fate::LinkDown);
            }
        }
        // A switch forgets what it learned on a link that breaks.
        self.learned.retain(|_, l| !chosen.contains(&l.station));
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

    /// All frames not taken yet, for the end of a capture.
    pub fn finish_log(&mut self) -> Vec<LoggedFrame> {
        self.derived.log.as_mut().map(Log::finish).unwrap_or_default()
    }
}

fn mac(bytes: &[u8], at: usize) -> Option<Mac> {
    bytes.get(at..at + 6)?.try_into().ok()
}
