//! One end of a TCP connection as plain data (RFC 9293), with the congestion control of RFC 5681 and 6582 and the
//! timer of RFC 6298.
//!
//! Bytes from the station are passed on at once and count against the window until the host took them. Bytes for the
//! station wait here until it has acknowledged them.
//!
//! ## Not modelled
//! Window scaling, SACK, timestamps, Nagle's algorithm, delayed acknowledgements, urgent data, keep-alive, two ends
//! that open to each other at once. Segments out of order are acknowledged and dropped.

use super::{
    host::HOST_WINDOW,
    segment::{Out, Segment},
};
use emu_core::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Most bytes of a segment on Ethernet.
pub const MSS: u16 = 1460;
/// What a station takes that did not say how much (RFC 9293, 3.7.1).
const DEFAULT_MSS: u16 = 536;
/// A station that says less is not believed.
const LEAST_MSS: u16 = 64;

const MS: u64 = 1_000_000;
/// Before anything was measured (RFC 6298, 2.1).
const FIRST_RTO: u64 = 1_000 * MS;
/// Longer than most stacks delay an acknowledgement.
const LEAST_RTO: u64 = 500 * MS;
const MOST_RTO: u64 = 60_000 * MS;
/// Unanswered retransmissions in a row after which the station is taken for dead: with back-off some minutes.
const MOST_RETRIES: u8 = 8;
/// How long the end that closed first answers repeated segments. Shorter than the RFC's four minutes: nothing lingers
/// in an emulated network.
const TIME_WAIT: u64 = 10_000 * MS;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    SynSent,
    SynReceived,
    /// ESTABLISHED, FIN-WAIT, CLOSE-WAIT, CLOSING, LAST-ACK: which of them follows from `fin` and `eof`.
    Open,
    TimeWait,
    Closed,
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    state: State,
    /// First sequence number not acknowledged, next to be sent, first never sent.
    una: u32,
    next: u32,
    top: u32,
    /// Not acknowledged or not sent yet: the first byte has the number `una`, or `una + 1` before the handshake.
    data: VecDeque<u8>,
    /// Nothing comes after `data`.
    fin: bool,
    fin_acked: bool,
    /// What the station takes: bytes from `una`, and the segment that said so (RFC 9293, SND.WL1 and SND.WL2).
    window: u32,
    window_from: (u32, u32),
    mss: u32,
    cwnd: u32,
    ssthresh: u32,
    duplicates: u8,
    /// Recovering from a loss until this is acknowledged.
    recover: Option<u32>,
    /// Next sequence number expected.
    expected: u32,
    /// First one beyond the window the station knows of.
    edge: u32,
    /// Bytes received that the host has not taken.
    held: u32,
    eof: bool,
    /// Our FIN was sent before the station's came: TIME-WAIT is ours.
    first: bool,
    srtt: Option<u64>,
    rttvar: u64,
    rto: u64,
    /// A segment whose way there and back is measured: the number behind it, when it left.
    probe: Option<(u32, Time)>,
    retries: u8,
    due: Time,
}

fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// Numbers from `a` on to `b`; zero if `b` comes first.
fn distance(a: u32, b: u32) -> u32 {
    if before(b, a) { 0 } else { b.wrapping_sub(a) }
}

impl Endpoint {
    fn new(state: State, iss: u32) -> Endpoint {
        Endpoint {
            state,
            una: iss,
            next: iss,
            top: iss.wrapping_add(1),
            data: VecDeque::new(),
            fin: false,
            fin_acked: false,
            window: 0,
            window_from: (0, 0),
            mss: u32::from(DEFAULT_MSS),
            cwnd: 0,
            ssthresh: HOST_WINDOW,
            duplicates: 0,
            recover: None,
            expected: 0,
            edge: 0,
            held: 0,
            eof: false,
            first: false,
            srtt: None,
            rttvar: 0,
            rto: FIRST_RTO,
            probe: None,
            retries: 0,
            due: Time::MAX,
        }
    }

    /// Opens a connection to a station, from the sequence number `iss`.
    pub fn connect(iss: u32, at: Time, out: &mut Out) -> Endpoint {
        let mut e = Endpoint::new(State::SynSent, iss);
        e.next = e.top;
        e.probe = Some((e.top, at));
        e.due = at + e.rto;
        e.send_syn(out);
        e
    }

    /// Answers a station's SYN.
    pub fn accept(iss: u32, syn: &Segment, at: Time, out: &mut Out) -> Endpoint {
        let mut e = Endpoint::new(State::SynReceived, iss);
        e.next = e.top;
        e.peer(syn);
        e.probe = Some((e.top, at));
        e.due = at + e.rto;
        e.send_syn(out);
        e
    }

    /// When it has to be called again by itself.
    pub fn due(&self) -> Time {
        self.due
    }

    /// Over: to be forgotten.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Nothing but repeated segments is answered any more; a new connection may take its place.
    pub fn is_waiting(&self) -> bool {
        self.state == State::TimeWait
    }

    /// Bytes that wait for the station.
    pub fn queued(&self) -> usize {
        self.data.len()
    }

    // ---- from the host ----

    /// Bytes for the station.
    pub fn send(&mut self, at: Time, bytes: &[u8], out: &mut Out) {
        if !self.fin {
            self.data.extend(bytes);
            self.push(at, out);
        }
    }

    /// Nothing more comes for the station.
    pub fn finish(&mut self, at: Time, out: &mut Out) {
        self.fin = true;
        self.push(at, out);
    }

    /// The host took bytes: the window may open.
    pub fn taken(&mut self, bytes: u32, out: &mut Out) {
        self.held = self.held.saturating_sub(bytes);
        let old = self.edge;
        if self.state == State::Open && !self.eof && self.advertise() != distance(self.expected, old) {
            self.acknowledge(out);
        }
    }

    /// Breaks the connection off.
    pub fn abort(&mut self, out: &mut Out) {
        match self.state {
            State::Closed | State::TimeWait => {}
            State::SynSent => {}
            _ => out.segments.push(Segment {
                seq: self.next,
                ack: Some(self.expected),
                rst: true,
                ..Segment::default()
            }),
        }
        self.close();
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.due = Time::MAX;
    }

    // ---- from the station ----

    /// A segment arrived.
    pub fn segment(&mut self, at: Time, s: &Segment, out: &mut Out) {
        match self.state {
            State::Closed => {}
            State::SynSent => self.answer(at, s, out),
            _ => self.in_sequence(at, s, out),
        }
    }

    /// In SYN-SENT (RFC 9293, 3.10.7.3).
    fn answer(&mut self, at: Time, s: &Segment, out: &mut Out) {
        match s.ack {
            Some(ack) if ack != self.top => out.segments.extend(s.refusal()),
            Some(_) if s.rst => {
                out.reset = true;
                self.close();
            }
            Some(ack) if s.syn => {
                self.peer(s);
                self.open(at, ack, out);
                self.push(at, out);
                self.acknowledge(out);
            }
            _ => {}
        }
    }

    /// Learns what a SYN says.
    fn peer(&mut self, syn: &Segment) {
        self.expected = syn.seq.wrapping_add(1);
        self.edge = self.expected;
        self.window = u32::from(syn.window);
        self.window_from = (syn.seq, syn.ack.unwrap_or(0));
        self.mss = u32::from(syn.mss.unwrap_or(DEFAULT_MSS).clamp(LEAST_MSS, MSS));
        // RFC 5681, 3.1, for segments of this size.
        self.cwnd = 3 * self.mss;
    }

    fn open(&mut self, at: Time, ack: u32, out: &mut Out) {
        self.state = State::Open;
        self.una = ack;
        self.retries = 0;
        self.due = Time::MAX;
        self.measure(at);
        out.opened = true;
    }

    /// In all other states (RFC 9293, 3.10.7.4).
    fn in_sequence(&mut self, at: Time, s: &Segment, out: &mut Out) {
        if !self.acceptable(s) {
            if s.syn && self.state == State::SynReceived {
                return self.send_syn(out);
            }
            if !s.rst {
                self.acknowledge(out);
            }
            return;
        }
        if s.rst {
            // RFC 5961, 3.2: only the exact number ends the connection.
            if s.seq == self.expected {
                out.reset = self.state != State::TimeWait;
                self.close();
            } else {
                self.acknowledge(out);
            }
            return;
        }
        if s.syn {
            return self.acknowledge(out); // RFC 5961, 4.2
        }
        let Some(ack) = s.ack else { return };
        if self.state == State::SynReceived {
            if ack != self.top {
                return out.segments.extend(s.refusal());
            }
            self.open(at, ack, out);
        }
        if before(self.top, ack) {
            return self.acknowledge(out);
        }
        self.take_ack(at, ack, s, out);
        self.take_window(at, ack, s);
        let sent = out.segments.len();
        self.take_payload(s, out);
        self.settle(at);
        self.push(at, out);
        if s.len() > 0 && out.segments.len() == sent {
            self.acknowledge(out);
        }
    }

    /// RFC 9293, 3.10.7.4, first. A segment at a closed window is let in for its acknowledgement; its bytes are not.
    fn acceptable(&self, s: &Segment) -> bool {
        if s.seq == self.expected {
            return true;
        }
        let inside = |n: u32| !before(n, self.expected) && before(n, self.edge);
        inside(s.seq) || s.len() > 0 && inside(s.seq.wrapping_add(s.len() - 1))
    }

    fn take_ack(&mut self, at: Time, ack: u32, s: &Segment, out: &mut Out) {
        self.retries = 0;
        if !before(self.una, ack) {
            let same = u32::from(s.window) == self.window && self.window > 0;
            if ack == self.una && s.len() == 0 && self.una != self.top && same {
                self.duplicate(at, out);
            }
            return;
        }
        let many = distance(self.una, ack);
        let bytes = many.min(self.data.len() as u32);
        self.fin_acked |= many > bytes;
        self.data.drain(..bytes as usize);
        out.acked += bytes;
        self.una = ack;
        if before(self.next, ack) {
            self.next = ack;
        }
        if self.probe.is_some_and(|(end, _)| !before(ack, end)) {
            self.measure(at);
        }
        self.rto = self.base_rto();
        self.duplicates = 0;
        match self.recover {
            Some(end) if before(ack, end) => self.resend(at, out), // RFC 6582, 3.2, partial acknowledgement
            Some(_) => self.recover = None,
            None if self.cwnd < self.ssthresh => self.cwnd += bytes.min(self.mss),
            None => self.cwnd += (self.mss * self.mss / self.cwnd.max(1)).max(1),
        }
        self.cwnd = self.cwnd.min(HOST_WINDOW);
        self.due = if self.una == self.top { Time::MAX } else { at + self.rto };
    }

    /// RFC 5681, 3.2: the third one means a loss.
    fn duplicate(&mut self, at: Time, out: &mut Out) {
        self.duplicates = self.duplicates.saturating_add(1);
        if self.duplicates == 3 && self.recover.is_none() {
            self.halve();
            self.cwnd = self.ssthresh;
            self.recover = Some(self.top);
            self.resend(at, out);
        }
    }

    fn halve(&mut self) {
        self.ssthresh = (distance(self.una, self.top) / 2).max(2 * self.mss);
    }

    fn take_window(&mut self, at: Time, ack: u32, s: &Segment) {
        let (seq, from) = self.window_from;
        if before(ack, self.una) || before(s.seq, seq) || s.seq == seq && before(ack, from) {
            return;
        }
        let closed = self.window == 0;
        self.window = u32::from(s.window);
        self.window_from = (s.seq, ack);
        if closed && self.window > 0 && self.una != self.top {
            // What probed the closed window was not taken: it goes again at once.
            self.next = self.una;
            self.probe = None;
            self.rto = self.base_rto();
            self.due = at + self.rto;
        } else if closed && self.una == self.top {
            self.due = Time::MAX;
        }
    }

    fn take_payload(&mut self, s: &Segment, out: &mut Out) {
        if before(self.expected, s.seq) || self.eof {
            return;
        }
        let old = distance(s.seq, self.expected) as usize;
        let Some(fresh) = s.payload.get(old..) else { return };
        let room = distance(self.expected, self.edge) as usize;
        let fresh = &fresh[..fresh.len().min(room)];
        out.received.extend_from_slice(fresh);
        self.expected = self.expected.wrapping_add(fresh.len() as u32);
        self.held += fresh.len() as u32;
        if s.fin && old + fresh.len() == s.payload.len() {
            self.expected = self.expected.wrapping_add(1);
            self.edge = self.expected;
            self.eof = true;
            self.first = self.fin_acked || self.fin && self.top == self.end().wrapping_add(1);
            out.eof = true;
        }
    }

    /// The number of our FIN.
    fn end(&self) -> u32 {
        self.una.wrapping_add(self.data.len() as u32)
    }

    /// Notices that both directions are closed.
    fn settle(&mut self, at: Time) {
        if self.state == State::Open && self.eof && self.fin_acked {
            self.state = if self.first { State::TimeWait } else { State::Closed };
            self.due = if self.first { at + TIME_WAIT } else { Time::MAX };
        }
    }

    // ---- to the station ----

    /// Bytes from `expected` that the station may send. It grows by a segment or half of the buffer at least
    /// (RFC 9293, 3.8.6.2.2).
    fn advertise(&mut self) -> u32 {
        if !self.eof {
            let edge = self.expected.wrapping_add(HOST_WINDOW.saturating_sub(self.held));
            if distance(self.edge, edge) >= self.mss.min(HOST_WINDOW / 2) {
                self.edge = edge;
            }
        }
        distance(self.expected, self.edge).min(u32::from(u16::MAX))
    }

    fn send_syn(&mut self, out: &mut Out) {
        let seq = self.una;
        let ack = (self.state == State::SynReceived).then_some(self.expected);
        let window = if ack.is_some() { self.advertise() as u16 } else { HOST_WINDOW as u16 };
        out.segments.push(Segment { seq, ack, syn: true, window, mss: Some(MSS), ..Segment::default() });
    }

    fn acknowledge(&mut self, out: &mut Out) {
        if self.state == State::SynReceived {
            return self.send_syn(out);
        }
        let window = self.advertise() as u16;
        let (seq, ack) = (self.next, Some(self.expected));
        out.segments.push(Segment { seq, ack, window, ..Segment::default() });
    }

    /// Sends `bytes` from the number `seq`, and the FIN if it comes right behind them and `fin` wants it.
    fn emit(&mut self, seq: u32, bytes: u32, fin: bool, out: &mut Out) -> u32 {
        let from = distance(self.una, seq) as usize;
        let payload: Vec<u8> = self.data.range(from..from + bytes as usize).copied().collect();
        let window = self.advertise() as u16;
        out.segments.push(Segment {
            seq,
            ack: Some(self.expected),
            fin,
            window,
            payload,
            ..Segment::default()
        });
        seq.wrapping_add(bytes).wrapping_add(u32::from(fin))
    }

    /// Sends what the windows allow.
    fn push(&mut self, at: Time, out: &mut Out) {
        if self.state != State::Open {
            return;
        }
        while !before(self.end(), self.next) {
            let sent = distance(self.una, self.next);
            let left = self.data.len() as u32 - sent;
            let room = self.window.min(self.cwnd).saturating_sub(sent);
            let bytes = self.mss.min(left).min(room);
            let fin = self.fin && !self.fin_acked && bytes == left && room > bytes;
            // RFC 9293, 3.8.6.2.1: no small segment only because the window is small.
            let silly = bytes < left && bytes < self.mss && sent > 0;
            if bytes == 0 && !fin || silly {
                break;
            }
            let fresh = self.next == self.top;
            self.next = self.emit(self.next, bytes, fin, out);
            if before(self.top, self.next) {
                self.top = self.next;
            }
            if fresh && self.probe.is_none() {
                self.probe = Some((self.next, at));
            }
            if self.due == Time::MAX {
                self.due = at + self.rto;
            }
        }
        let waits = !self.data.is_empty() || self.fin && !self.fin_acked;
        if waits && self.due == Time::MAX {
            self.due = at + self.rto; // the window is closed: probe it (RFC 9293, 3.8.6.1)
        }
    }

    /// Sends the first segment that is not acknowledged again, or probes a closed window with one byte.
    fn resend(&mut self, at: Time, out: &mut Out) {
        let left = self.data.len() as u32;
        let bytes = self.mss.min(left).min(self.window.max(1));
        let fin = self.fin && bytes == left && !self.fin_acked;
        if bytes == 0 && !fin {
            self.due = Time::MAX;
            return;
        }
        let after = self.emit(self.una, bytes, fin, out);
        if before(self.next, after) {
            self.next = after;
        }
        if before(self.top, after) {
            self.top = after;
        }
        out.resent += 1;
        self.probe = None; // RFC 6298, 3: what was sent twice is not measured
        self.due = at + self.rto;
    }

    /// Its time has come.
    pub fn timer(&mut self, at: Time, out: &mut Out) {
        if at < self.due {
            return;
        }
        if self.state == State::TimeWait {
            return self.close();
        }
        self.retries += 1;
        if self.retries > MOST_RETRIES {
            self.abort(out);
            out.reset = true;
            return;
        }
        self.rto = (2 * self.rto).min(MOST_RTO);
        self.probe = None;
        if self.state != State::Open {
            self.due = at + self.rto;
            out.resent += 1;
            return self.send_syn(out);
        }
        if self.una != self.top && self.window > 0 {
            self.halve();
            self.cwnd = self.mss;
        }
        self.recover = None;
        self.duplicates = 0;
        self.next = self.una;
        self.resend(at, out);
    }

    /// RFC 6298, 2.2 and 2.3.
    fn measure(&mut self, at: Time) {
        let Some((_, sent)) = self.probe.take() else { return };
        let rtt = at.since(sent);
        match self.srtt {
            None => (self.srtt, self.rttvar) = (Some(rtt), rtt / 2),
            Some(srtt) => {
                self.rttvar = (3 * self.rttvar + srtt.abs_diff(rtt)) / 4;
                self.srtt = Some((7 * srtt + rtt) / 8);
            }
        }
        self.rto = self.base_rto();
    }

    fn base_rto(&self) -> u64 {
        self.srtt.map_or(FIRST_RTO, |srtt| (srtt + 4 * self.rttvar).clamp(LEAST_RTO, MOST_RTO))
    }

    /// What was loaded makes sense.
    pub fn fits(&self) -> bool {
        let sent = distance(self.una, self.top);
        let open = self.state != State::SynSent && self.state != State::SynReceived;
        self.data.len() <= HOST_WINDOW as usize
            && self.held <= HOST_WINDOW
            && self.mss >= u32::from(LEAST_MSS)
            && self.mss <= u32::from(MSS)
            && self.cwnd <= HOST_WINDOW
            && self.rto <= MOST_RTO
            && self.retries <= MOST_RETRIES
            && self.srtt.is_none_or(|t| t <= u64::MAX / 16)
            && self.rttvar <= u64::MAX / 16
            && !before(self.next, self.una)
            && !before(self.top, self.next)
            && (!open || sent <= self.data.len() as u32 + 1)
            && (open || sent == 1)
            && distance(self.expected, self.edge) <= HOST_WINDOW
    }
}
