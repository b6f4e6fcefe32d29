//! The DNS server (RFC 1035): names of the configuration, all others by the host's resolver.
//!
//! A name of the host's loopback (`localhost`) is answered with the gateway's address, which leads there. There are no
//! IPv6 addresses.
//!
//! ## Not modelled
//! TCP, other questions than for addresses, more than one question in a message, caching: the stations' resolvers cache.

use super::{core::Core, host::HostRequest};
use emu_core::Time;
use serde::{Deserialize, Serialize};
use smoltcp::wire::{DnsFlags, DnsOpcode, DnsPacket, DnsQueryType, DnsQuestion};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

pub const PORT: u16 = 53;

/// Questions that wait for the host.
const MOST_PENDING: usize = 256;
/// How long they wait. Then the answer is a failure.
const PATIENCE: u64 = 10_000_000_000;
/// How long an address is good, in seconds.
const TTL: u32 = 60;
/// More addresses than this fit no answer (RFC 1035, 2.3.4: 512 bytes).
const MOST_ADDRESSES: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rcode {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
}

/// Where a question came from and where it went.
pub type Ends = ((Ipv4Addr, u16), (Ipv4Addr, u16));

/// A question as it came, for the answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Question {
    ends: Ends,
    id: u16,
    recursion: bool,
    /// Name, type and class.
    bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pending {
    question: Question,
    until: Time,
}

/// The server's memory: what it asked the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dns {
    pending: BTreeMap<u32, Pending>,
    asked: u32,
}

/// What a message asks for.
enum Ask {
    /// An address of a name.
    Address(String),
    /// This can be said at once.
    Now(Rcode),
}

/// The question of a message. `None`: no question, or so broken that it has no answer.
fn parse(ends: Ends, message: &[u8]) -> Option<(Question, Ask)> {
    let packet = DnsPacket::new_checked(message).ok()?;
    if packet.flags().contains(DnsFlags::RESPONSE) {
        return None;
    }
    let mut question = Question {
        ends,
        id: packet.transaction_id(),
        recursion: packet.flags().contains(DnsFlags::RECURSION_DESIRED),
        bytes: vec![],
    };
    if packet.opcode() != DnsOpcode::Query {
        return Some((question, Ask::Now(Rcode::NotImp)));
    }
    let parsed = DnsQuestion::parse(packet.payload());
    let (Ok((rest, q)), 1) = (parsed, packet.question_count()) else {
        return Some((question, Ask::Now(Rcode::FormErr)));
    };
    let whole = packet.payload().len() - rest.len();
    let (kind, name) = (q.type_, name(&packet, q.name));
    // A compressed name points elsewhere, and has no business in a question.
    if whole > 255 + 4 || q.name.last() != Some(&0) {
        return Some((question, Ask::Now(Rcode::FormErr)));
    }
    question.bytes = packet.payload()[..whole].to_vec();
    let ask = match (kind, name) {
        (DnsQueryType::A, Some(name)) => Ask::Address(name),
        (_, None) => Ask::Now(Rcode::NxDomain),
        // The name may exist: no error, but no address either.
        (DnsQueryType::Aaaa, _) => Ask::Now(Rcode::NoError),
        _ => Ask::Now(Rcode::NotImp),
    };
    Some((question, ask))
}

/// A host's name in lower case; `None` for what cannot be one (RFC 1123, 2.1, and the underscore that people use).
fn name(packet: &DnsPacket<&[u8]>, bytes: &[u8]) -> Option<String> {
    let mut name = String::new();
    for label in packet.parse_name(bytes) {
        let label = label.ok()?;
        let good = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_';
        if label.is_empty() || !label.iter().all(good) || name.len() + label.len() > 253 {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(label.iter().map(|b| char::from(b.to_ascii_lowercase())));
    }
    (!name.is_empty()).then_some(name)
}

fn answer(core: &mut Core, at: Time, q: &Question, rcode: Rcode, addresses: &[Ipv4Addr]) {
    let addresses = &addresses[..addresses.len().min(MOST_ADDRESSES)];
    // Response, recursion available (RFC 1035, 4.1.1).
    let flags = 0x8080 | u16::from(q.recursion) << 8 | rcode as u16;
    let questions = u16::from(!q.bytes.is_empty());
    let mut message = vec![];
    for word in [q.id, flags, questions, addresses.len() as u16, 0, 0] {
        message.extend(word.to_be_bytes());
    }
    message.extend(&q.bytes);
    for address in addresses {
        message.extend([0xc0, 12, 0, 1, 0, 1]); // the question's name, A, IN
        message.extend(TTL.to_be_bytes());
        message.extend([0, 4]);
        message.extend(address.octets());
    }
    core.udp(at, q.ends.1, q.ends.0, &message);
}

impl Dns {
    /// A datagram came to the server's port. `local` knows the addresses of the configuration's names: the name has
    /// an entry, and an address at present.
    pub fn message(
        &mut self,
        core: &mut Core,
        at: Time,
        ends: Ends,
        message: &[u8],
        local: impl FnOnce(&Core, &str) -> Option<Option<Ipv4Addr>>,
    ) {
        let Some((question, ask)) = parse(ends, message) else {
            core.counters.malformed += 1;
            return;
        };
        core.counters.questions += 1;
        let name = match ask {
            Ask::Address(name) => name,
            Ask::Now(rcode) => return answer(core, at, &question, rcode, &[]),
        };
        match local(core, &name) {
            Some(Some(address)) => answer(core, at, &question, Rcode::NoError, &[address]),
            Some(None) => answer(core, at, &question, Rcode::ServFail, &[]), // it has no address yet
            None if !core.config.nat => answer(core, at, &question, Rcode::Refused, &[]),
            None => self.ask(core, at, question, name),
        }
    }

    fn ask(&mut self, core: &mut Core, at: Time, question: Question, name: String) {
        if self.pending.values().any(|p| p.question == question) {
            return; // asked again before the host answered
        }
        if self.pending.len() >= MOST_PENDING {
            core.counters.denied += 1;
            return answer(core, at, &question, Rcode::ServFail, &[]);
        }
        let id = self.asked;
        self.asked = self.asked.wrapping_add(1);
        self.pending.insert(id, Pending { question, until: at + PATIENCE });
        core.requests.push(HostRequest::Resolve { id, name });
    }

    /// The host answered.
    pub fn resolved(&mut self, core: &mut Core, at: Time, id: u32, addresses: &[Ipv4Addr]) {
        let Some(pending) = self.pending.remove(&id) else { return };
        let own = core.config.address;
        let seen = |a: &Ipv4Addr| if a.is_loopback() || a.is_unspecified() { own } else { *a };
        let set: BTreeSet<Ipv4Addr> = addresses.iter().map(seen).collect();
        let rcode = if set.is_empty() { Rcode::NxDomain } else { Rcode::NoError };
        answer(core, at, &pending.question, rcode, &Vec::from_iter(set));
    }

    /// When a question has waited long enough.
    pub fn next(&self) -> Time {
        self.pending.values().map(|p| p.until).min().unwrap_or(Time::MAX)
    }

    /// Gives up questions.
    pub fn timer(&mut self, core: &mut Core, at: Time) {
        while let Some((id, _)) = self.pending.iter().find(|(_, p)| p.until <= at) {
            let id = *id;
            if let Some(p) = self.pending.remove(&id) {
                answer(core, at, &p.question, Rcode::ServFail, &[]);
            }
        }
    }

    /// The host forgot the questions.
    pub fn lost(&mut self, core: &mut Core, at: Time) {
        for p in std::mem::take(&mut self.pending).into_values() {
            answer(core, at, &p.question, Rcode::ServFail, &[]);
        }
    }

    /// What was loaded makes sense.
    pub fn fits(&self) -> bool {
        self.pending.len() <= MOST_PENDING && self.pending.values().all(|p| p.question.bytes.len() <= 259)
    }
}
