//! Counters, and what became of frames.

use emu_core::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What passed a station's link, and what did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Frames the station sent.
    pub tx_frames: u64,
    /// Their bytes, padded, without FCS.
    pub tx_bytes: u64,
    /// Frames that arrived whole.
    pub rx_frames: u64,
    /// Their bytes, without FCS.
    pub rx_bytes: u64,
    /// Frames that arrived with a wrong FCS.
    pub rx_bad: u64,
    /// Frames of any other fate than these, in both directions of this link.
    pub dropped: u64,
    /// Of those dropped: the queue was full.
    pub queue_full: u64,
    /// Of those dropped: lost by chance.
    pub lost: u64,
    /// Of those dropped: the link was down.
    pub link_down: u64,
    /// Of those dropped: too short or too long.
    pub malformed: u64,
    /// Of those dropped: damaged on their way to the switch.
    pub damaged: u64,
    /// Of those dropped: a partition kept them from a station; counted at the sender.
    pub partitioned: u64,
}

/// What became of a frame at one end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// It arrived whole.
    Received,
    /// It arrived with a wrong FCS.
    BadFcs,
    /// The switch found the FCS wrong.
    Damaged,
    /// Too many frames waited for the link already.
    QueueFull,
    /// Lost by chance.
    Lost,
    /// The link was down or went down.
    LinkDown,
    /// Shorter than a header.
    Runt,
    /// Longer than a frame may be.
    Oversized,
    /// Kept off by a partition.
    Partitioned,
    /// The destination is where it came from, or an address no switch forwards.
    Filtered,
    /// Sent, and nothing is decided yet.
    UnderWay,
}

impl std::fmt::Display for Fate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Fate::Received => "received",
            Fate::BadFcs => "received with a wrong FCS",
            Fate::Damaged => "dropped: the switch found a wrong FCS",
            Fate::QueueFull => "dropped: queue full",
            Fate::Lost => "dropped: by chance",
            Fate::LinkDown => "dropped: link down",
            Fate::Runt => "dropped: shorter than an Ethernet header",
            Fate::Oversized => "dropped: longer than an Ethernet frame may be",
            Fate::Partitioned => "dropped: partition",
            Fate::Filtered => "dropped: not forwarded by a switch",
            Fate::UnderWay => "under way",
        })
    }
}

impl Counters {
    /// Counts a frame that went no further.
    pub(crate) fn drop(&mut self, fate: Fate) {
        let counter = match fate {
            Fate::Received | Fate::BadFcs | Fate::UnderWay => return,
            Fate::QueueFull => &mut self.queue_full,
            Fate::Lost => &mut self.lost,
            Fate::LinkDown => &mut self.link_down,
            Fate::Runt | Fate::Oversized => &mut self.malformed,
            Fate::Damaged => &mut self.damaged,
            Fate::Partitioned => &mut self.partitioned,
            Fate::Filtered => &mut self.dropped,
        };
        add(counter, 1);
        if fate != Fate::Filtered {
            add(&mut self.dropped, 1);
        }
    }
}

/// Adds to a counter that stays at its greatest value.
pub(crate) fn add(counter: &mut u64, n: u64) {
    *counter = counter.saturating_add(n);
}

/// A frame and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedFrame {
    /// First bit at the sender.
    pub at: Time,
    /// Sender; [`super::GATEWAY`] for the gateway.
    pub source: u32,
    /// From the destination address to the last byte before the FCS.
    pub bytes: Vec<u8>,
    /// Station, when, and what became of the frame there. A frame that never came through the switch has its sender here.
    pub fates: Vec<(u32, Time, Fate)>,
}

/// Who a frame is: first bit, source, number at its source.
pub(crate) type Id = (Time, u32, u64);

#[derive(Clone, Debug)]
struct Open {
    frame: LoggedFrame,
    /// Copies whose fate is open.
    copies: u64,
}

/// Frames in the order of their first bit, handed out when all before them are over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(BTreeMap<Id, Open>);

impl Log {
    /// A frame begins.
    pub(crate) fn open(&mut self, id: Id, bytes: &[u8]) {
        let frame = LoggedFrame { at: id.0, source: id.1, bytes: bytes.to_vec(), fates: vec![] };
        self.0.entry(id).or_insert(Open { frame, copies: 1 });
    }

    /// There are so many copies more of it.
    pub(crate) fn copies(&mut self, id: Id, more: u64) {
        if let Some(open) = self.0.get_mut(&id) {
            open.copies += more;
        }
    }

    /// A switch sends it on so many times instead.
    pub(crate) fn fork(&mut self, id: Id, times: u64) {
        if let Some(open) = self.0.get_mut(&id) {
            open.copies = open.copies.saturating_sub(1) + times;
        }
    }

    /// One copy ends here.
    pub(crate) fn end(&mut self, id: Id, station: u32, at: Time, fate: Fate) {
        if let Some(open) = self.0.get_mut(&id) {
            open.frame.fates.push((station, at, fate));
            open.copies = open.copies.saturating_sub(1);
        }
    }

    /// Frames that are over and have none before them that is not.
    pub(crate) fn take(&mut self) -> Vec<LoggedFrame> {
        let mut over = vec![];
        while let Some(first) = self.0.first_entry()
            && first.get().copies == 0
        {
            over.push(first.remove().frame);
        }
        over
    }

    /// First bit of the first frame that was not taken.
    pub(crate) fn first(&self) -> Option<Time> {
        self.0.first_key_value().map(|(id, _)| id.0)
    }

    /// All frames, over or not.
    pub(crate) fn finish(&mut self) -> Vec<LoggedFrame> {
        let mut all = vec![];
        for (_, mut open) in std::mem::take(&mut self.0) {
            if open.copies > 0 {
                open.frame.fates.push((open.frame.source, open.frame.at, Fate::UnderWay));
            }
            all.push(open.frame);
        }
        all
    }
}
