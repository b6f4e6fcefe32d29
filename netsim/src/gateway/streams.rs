//! TCP connections: each has one end towards a station and one on the host.

use super::{
    HOST_WINDOW,
    config::Target,
    core::{Core, Packet, checksums},
    dhcp::Dhcp,
    host::{FIRST_ACCEPTED, HostRequest},
    segment::{Out, Segment},
    tcp::Endpoint,
};
use emu_core::{Time, rng::hash_words};
use serde::{Deserialize, Serialize};
use smoltcp::wire::{TcpControl, TcpPacket, TcpRepr};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
};

/// More connections are refused.
pub const MOST_STREAMS: usize = 2048;
/// A station has given up when the host has not answered for so long.
const ASKING: u64 = 150_000_000_000;
/// How often a station without an address is looked for, and how many times.
const SEEK_EVERY: u64 = 1_000_000_000;
const SEEK_TIMES: u8 = 10;
/// Ports of the gateway for connections to stations (RFC 6335, 6).
pub const FIRST_PORT: u16 = 49_152;

/// Station, and the end that the station sees.
type Key = ((Ipv4Addr, u16), (Ipv4Addr, u16));

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Stage {
    /// The host connects; the station's SYN waits for an answer.
    Asked { seq: u32, window: u16, mss: Option<u16>, until: Time },
    /// A forward's station has no address yet.
    Seeking { forward: u16, left: u8, again: Time },
    /// The station's end is up.
    Up(Box<Endpoint>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stream {
    key: Option<Key>,
    stage: Stage,
    /// Bytes the host may still send, and bytes that went on to the station since it was told.
    granted: u32,
    owed: u32,
    /// The host reported the end of its bytes.
    eof: bool,
    /// The host was told the end of the station's.
    shut: bool,
}

impl Stream {
    fn new(key: Option<Key>, stage: Stage) -> Stream {
        Stream { key, stage, granted: 0, owed: 0, eof: false, shut: false }
    }

    fn due(&self) -> Time {
        match &self.stage {
            Stage::Asked { until, .. } => *until,
            Stage::Seeking { again, .. } => *again,
            Stage::Up(e) => e.due(),
        }
    }
}

/// All connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Streams {
    all: BTreeMap<u32, Stream>,
    by_key: BTreeMap<Key, u32>,
    due: BTreeSet<(Time, u32)>,
    next_conn: u32,
    next_port: u16,
    /// Sequence numbers drawn so far.
    drawn: u64,
}

fn segment(repr: &TcpRepr) -> Segment {
    Segment {
        seq: repr.seq_number.0 as u32,
        ack: repr.ack_number.map(|n| n.0 as u32),
        syn: repr.control == TcpControl::Syn,
        fin: repr.control == TcpControl::Fin,
        rst: repr.control == TcpControl::Rst,
        window: repr.window_len,
        mss: repr.max_seg_size,
        payload: repr.payload.to_vec(),
    }
}

impl Streams {
    /// When a connection next wants attention.
    pub fn next(&self) -> Time {
        self.due.first().map_or(Time::MAX, |d| d.0)
    }

    /// Connections at present.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    fn draw(&mut self, seed: u64) -> u32 {
        self.drawn += 1;
        hash_words(seed, &[self.drawn]) as u32
    }

    fn insert(&mut self, conn: u32, stream: Stream) {
        if let Some(key) = stream.key {
            self.by_key.insert(key, conn);
        }
        self.put(conn, stream);
    }

    fn put(&mut self, conn: u32, stream: Stream) {
        if stream.due() < Time::MAX {
            self.due.insert((stream.due(), conn));
        }
        self.all.insert(conn, stream);
    }

    /// Takes a connection out, to be put back.
    fn take(&mut self, conn: u32) -> Option<Stream> {
        let stream = self.all.remove(&conn)?;
        self.due.remove(&(stream.due(), conn));
        Some(stream)
    }

    fn forget(&mut self, stream: &Stream) {
        if let Some(key) = stream.key {
            self.by_key.remove(&key);
        }
    }

    // ---- from stations ----

    /// A TCP packet from a station.
    pub fn packet(&mut self, core: &mut Core, at: Time, p: &Packet) {
        let parsed = TcpPacket::new_checked(p.payload).ok();
        let repr =
            parsed.as_ref().and_then(|t| TcpRepr::parse(t, &p.src.into(), &p.dst.into(), &checksums()).ok());
        let Some(repr) = repr else {
            core.counters.malformed += 1;
            return;
        };
        let key = ((p.src, repr.src_port), (p.dst, repr.dst_port));
        let s = segment(&repr);
        let opens = s.syn && s.ack.is_none();
        if let Some(conn) = self.by_key.get(&key).copied() {
            let waiting = |x: &Stream| matches!(&x.stage, Stage::Up(e) if e.is_waiting());
            if !(opens && self.all.get(&conn).is_some_and(waiting)) {
                return self.segment(core, at, conn, &s);
            }
            // RFC 9293, 3.6.1: a new connection may begin in TIME-WAIT.
            if let Some(old) = self.take(conn) {
                self.forget(&old);
            }
        }
        if opens { self.open(core, at, key, &s) } else { refuse(core, at, key, &s) }
    }

    /// A station opens a connection.
    fn open(&mut self, core: &mut Core, at: Time, key: Key, s: &Segment) {
        let Some(to) = core.outside(key.1.0).filter(|_| self.all.len() < MOST_STREAMS) else {
            core.counters.denied += 1;
            return refuse(core, at, key, s);
        };
        while self.all.contains_key(&self.next_conn) {
            self.next_conn = (self.next_conn + 1) % FIRST_ACCEPTED;
        }
        let conn = self.next_conn;
        self.next_conn = (self.next_conn + 1) % FIRST_ACCEPTED;
        let stage = Stage::Asked { seq: s.seq, window: s.window, mss: s.mss, until: at + ASKING };
        self.insert(conn, Stream::new(Some(key), stage));
        core.requests.push(HostRequest::Connect { conn, to: SocketAddr::from((to, key.1.1)) });
    }

    /// A segment of a connection.
    fn segment(&mut self, core: &mut Core, at: Time, conn: u32, s: &Segment) {
        let Some(mut stream) = self.take(conn) else { return };
        let mut out = Out::default();
        match &mut stream.stage {
            // The station tries again, or anew; a reset takes the wish back, any other segment is of an old life.
            Stage::Asked { seq, window, mss, .. } if s.syn => {
                (*seq, *window, *mss) = (s.seq, s.window, s.mss);
            }
            Stage::Asked { .. } if s.rst => {
                self.forget(&stream);
                core.requests.push(HostRequest::Close { conn });
                return;
            }
            Stage::Asked { .. } => out.segments.extend(s.refusal()),
            Stage::Seeking { .. } => {}
            Stage::Up(e) => e.segment(at, s, &mut out),
        }
        self.settle(core, at, conn, stream, out);
    }

    /// Passes on what came out of a connection's end, and puts it back unless it is over.
    fn settle(&mut self, core: &mut Core, at: Time, conn: u32, mut stream: Stream, out: Out) {
        if let Some((station, seen)) = stream.key {
            for s in &out.segments {
                core.tcp(at, seen, station, s);
            }
        }
        core.counters.resent += u64::from(out.resent);
        core.counters.bytes_out += out.received.len() as u64;
        if out.opened {
            if conn >= FIRST_ACCEPTED {
                core.counters.accepted += 1
            } else {
                core.counters.opened += 1
            }
            stream.granted = HOST_WINDOW;
            core.requests.push(HostRequest::Window { conn, bytes: HOST_WINDOW });
        }
        if !out.received.is_empty() {
            core.requests.push(HostRequest::Send { conn, bytes: out.received });
        }
        if out.eof {
            stream.shut = true;
            core.requests.push(HostRequest::ShutdownWrite { conn });
        }
        let Stage::Up(e) = &stream.stage else { return self.put(conn, stream) };
        if e.is_closed() {
            // Closed in both directions: the host knows. Else it broke off.
            if !(stream.shut && stream.eof) {
                core.requests.push(HostRequest::Close { conn });
            }
            return self.forget(&stream);
        }
        stream.owed += out.acked;
        let much = stream.owed >= HOST_WINDOW / 4 || e.queued() == 0;
        if stream.owed > 0 && much && !stream.eof {
            let bytes = std::mem::take(&mut stream.owed);
            stream.granted += bytes;
            core.requests.push(HostRequest::Window { conn, bytes });
        }
        self.put(conn, stream);
    }

    // ---- from the host ----

    /// Somebody connected to a forward.
    pub fn accepted(&mut self, core: &mut Core, dhcp: &Dhcp, seed: u64, at: Time, ids: (u16, u32)) {
        let (forward, conn) = ids;
        if conn < FIRST_ACCEPTED || self.all.contains_key(&conn) {
            return;
        }
        if self.all.len() >= MOST_STREAMS || usize::from(forward) >= core.config.forwards.len() {
            core.counters.denied += 1;
            core.requests.push(HostRequest::Close { conn });
            return;
        }
        let stage = Stage::Seeking { forward, left: SEEK_TIMES, again: at };
        self.seek(core, dhcp, seed, at, conn, Stream::new(None, stage));
    }

    /// Connects to a forward's station if it has an address by now.
    fn seek(&mut self, core: &mut Core, dhcp: &Dhcp, seed: u64, at: Time, conn: u32, mut stream: Stream) {
        let Stage::Seeking { forward, left, .. } = stream.stage else { return self.put(conn, stream) };
        let target = core.config.forwards.get(usize::from(forward)).copied();
        let found = target.and_then(|f| Some((locate(core, dhcp, at, f.to)?, f.port)));
        let Some(station) = found else {
            if left == 0 {
                core.counters.refused += 1;
                core.requests.push(HostRequest::Close { conn });
                return;
            }
            stream.stage = Stage::Seeking { forward, left: left - 1, again: at + SEEK_EVERY };
            return self.put(conn, stream);
        };
        let Some(port) = self.port(station, core.config.address) else {
            core.counters.denied += 1;
            core.requests.push(HostRequest::Close { conn });
            return;
        };
        let key = (station, (core.config.address, port));
        let mut out = Out::default();
        let iss = self.draw(seed);
        stream.stage = Stage::Up(Box::new(Endpoint::connect(iss, at, &mut out)));
        if stream.eof
            && let Stage::Up(e) = &mut stream.stage
        {
            e.finish(at, &mut out);
        }
        stream.key = Some(key);
        self.by_key.insert(key, conn);
        self.settle(core, at, conn, stream, out);
    }

    /// A free port of the gateway for a connection to a station.
    fn port(&mut self, station: (Ipv4Addr, u16), own: Ipv4Addr) -> Option<u16> {
        for _ in FIRST_PORT..=u16::MAX {
            let port = self.next_port.max(FIRST_PORT);
            self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
            if !self.by_key.contains_key(&(station, (own, port))) {
                return Some(port);
            }
        }
        None
    }

    /// The host connected: the station's SYN gets its answer.
    pub fn connected(&mut self, core: &mut Core, seed: u64, at: Time, conn: u32) {
        let Some(mut stream) = self.take(conn) else { return };
        let mut out = Out::default();
        if let Stage::Asked { seq, window, mss, .. } = stream.stage {
            let syn = Segment { seq, window, mss, syn: true, ..Segment::default() };
            stream.stage = Stage::Up(Box::new(Endpoint::accept(self.draw(seed), &syn, at, &mut out)));
        }
        self.settle(core, at, conn, stream, out);
    }

    /// The host's end broke, or never was.
    pub fn broken(&mut self, core: &mut Core, at: Time, conn: u32) {
        let Some(mut stream) = self.take(conn) else { return };
        self.forget(&stream);
        let mut out = Out::default();
        match &mut stream.stage {
            Stage::Asked { seq, .. } => {
                core.counters.refused += 1;
                let syn = Segment { seq: *seq, syn: true, ..Segment::default() };
                out.segments.extend(syn.refusal());
            }
            Stage::Seeking { .. } => {}
            Stage::Up(e) => e.abort(&mut out),
        }
        if let Some((station, seen)) = stream.key {
            for s in &out.segments {
                core.tcp(at, seen, station, s);
            }
        }
    }

    /// Bytes from the host.
    pub fn data(&mut self, core: &mut Core, at: Time, conn: u32, bytes: &[u8]) {
        let Some(mut stream) = self.take(conn) else { return };
        let mut out = Out::default();
        let fits = u32::try_from(bytes.len()).ok().and_then(|n| stream.granted.checked_sub(n));
        match (&mut stream.stage, fits) {
            (Stage::Up(e), Some(left)) => {
                stream.granted = left;
                core.counters.bytes_in += bytes.len() as u64;
                e.send(at, bytes, &mut out);
            }
            // More than it was allowed to: no host's side does this, a broken journal may.
            _ => {
                self.put(conn, stream);
                core.requests.push(HostRequest::Close { conn });
                return self.broken(core, at, conn);
            }
        }
        self.settle(core, at, conn, stream, out);
    }

    /// The host's bytes are at their end.
    pub fn eof(&mut self, core: &mut Core, at: Time, conn: u32) {
        let Some(mut stream) = self.take(conn) else { return };
        let mut out = Out::default();
        stream.eof = true;
        if let Stage::Up(e) = &mut stream.stage {
            e.finish(at, &mut out);
        }
        self.settle(core, at, conn, stream, out);
    }

    /// The host took bytes.
    pub fn written(&mut self, core: &mut Core, at: Time, conn: u32, bytes: u32) {
        let Some(mut stream) = self.take(conn) else { return };
        let mut out = Out::default();
        if let Stage::Up(e) = &mut stream.stage {
            e.taken(bytes, &mut out);
        }
        self.settle(core, at, conn, stream, out);
    }

    /// The host forgot all connections.
    pub fn lost(&mut self, core: &mut Core, at: Time) {
        for conn in Vec::from_iter(self.all.keys().copied()) {
            self.broken(core, at, conn);
        }
    }

    /// Does what is due.
    pub fn timer(&mut self, core: &mut Core, dhcp: &Dhcp, seed: u64, at: Time) {
        while let Some((_, conn)) = self.due.first().copied().filter(|d| d.0 <= at) {
            let Some(mut stream) = self.take(conn) else { return };
            let mut out = Out::default();
            match &mut stream.stage {
                Stage::Asked { .. } => {
                    self.forget(&stream);
                    core.requests.push(HostRequest::Close { conn });
                }
                Stage::Seeking { .. } => self.seek(core, dhcp, seed, at, conn, stream),
                Stage::Up(e) => {
                    e.timer(at, &mut out);
                    self.settle(core, at, conn, stream, out);
                }
            }
        }
    }

    /// What was loaded makes sense.
    pub fn fits(&self) -> bool {
        let keys = self.all.values().filter(|s| s.key.is_some()).count();
        let due: BTreeSet<_> =
            self.all.iter().map(|(c, s)| (s.due(), *c)).filter(|d| d.0 < Time::MAX).collect();
        let good = |(conn, s): (&u32, &Stream)| {
            let keyed = s.key.is_none_or(|k| self.by_key.get(&k) == Some(conn));
            let queued = match &s.stage {
                Stage::Up(e) if !e.fits() => return false,
                Stage::Up(e) => e.queued() as u64,
                _ => 0,
            };
            keyed && u64::from(s.granted) + u64::from(s.owed) + queued <= u64::from(HOST_WINDOW)
        };
        self.all.len() <= MOST_STREAMS
            && keys == self.by_key.len()
            && due == self.due
            && self.next_conn < FIRST_ACCEPTED
            && self.all.iter().all(good)
    }
}

fn refuse(core: &mut Core, at: Time, key: Key, s: &Segment) {
    if let Some(answer) = s.refusal() {
        core.counters.refused += u64::from(s.syn);
        core.tcp(at, key.1, key.0, &answer);
    }
}

/// The address of a station.
pub fn locate(core: &Core, dhcp: &Dhcp, at: Time, target: Target) -> Option<Ipv4Addr> {
    match target {
        Target::Ip(ip) => Some(ip),
        Target::Mac(mac) => dhcp.address_of(at, mac).or_else(|| core.seen_at(mac)),
    }
}
