//! What a switch and its links are like, and what can be done to them.

use emu_core::Time;
use serde::{Deserialize, Serialize};

/// Bytes of preamble and start delimiter before a frame (IEEE 802.3, 3.1.1).
const PREAMBLE: u64 = 8;
/// Bytes of the frame check sequence.
const FCS: u64 = 4;
/// Least bytes between two frames (IEEE 802.3, 4.4.2: interPacketGap of 96 bits).
const GAP: u64 = 12;
/// Least bytes of a frame without FCS; shorter ones are padded.
pub(crate) const LEAST_BYTES: usize = 60;

/// A link between a station and the switch; both directions are alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkConfig {
    /// Nanoseconds a bit is under way: cable, both transceivers and the switch's own share.
    pub latency_ns: u64,
    /// Bits per second.
    pub bandwidth: u64,
    /// Frames that may wait for the link in each direction; those beyond are dropped.
    pub queue: u32,
    /// Probability that a frame is lost on the link.
    pub loss: f64,
    /// Probability that a frame is sent twice.
    pub duplication: f64,
    /// Probability that a frame is late by [`LinkConfig::reorder_ns`], so that later ones overtake it.
    pub reordering: f64,
    /// Nanoseconds by which such a frame is late.
    pub reorder_ns: u64,
    /// Probability that bits of a frame are flipped, which its FCS tells.
    pub corruption: f64,
}

impl Default for LinkConfig {
    /// 100 Mbit/s, 10 us, 128 frames, no disturbance.
    fn default() -> LinkConfig {
        LinkConfig {
            latency_ns: 10_000,
            bandwidth: 100_000_000,
            queue: 128,
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            reorder_ns: 1_000_000,
            corruption: 0.0,
        }
    }
}

impl LinkConfig {
    /// Nanoseconds that so many bytes take, rounded up.
    fn bytes_ns(&self, bytes: u64) -> u64 {
        let ns = u128::from(bytes) * 8_000_000_000;
        u64::try_from(ns.div_ceil(u128::from(self.bandwidth.max(1)))).unwrap_or(u64::MAX)
    }

    /// Nanoseconds from the first bit of the preamble to the last of the FCS, and to the next preamble.
    pub(crate) fn frame_ns(&self, bytes: usize) -> (u64, u64) {
        let frame = PREAMBLE + bytes.max(LEAST_BYTES) as u64 + FCS;
        (self.bytes_ns(frame), self.bytes_ns(frame + GAP))
    }

    /// Least nanoseconds from the first bit of a frame at one end to its last at the other.
    pub(crate) fn least_ns(&self) -> u64 {
        self.frame_ns(0).0.saturating_add(self.latency_ns)
    }

    /// Every probability is one.
    pub(crate) fn plausible(&self) -> bool {
        let chances = [self.loss, self.duplication, self.reordering, self.corruption];
        chances.iter().all(|c| (0.0..=1.0).contains(c))
    }
}

/// Some values of a [`LinkConfig`]; the others stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LinkChange {
    /// [`LinkConfig::latency_ns`].
    pub latency_ns: Option<u64>,
    /// [`LinkConfig::bandwidth`].
    pub bandwidth: Option<u64>,
    /// [`LinkConfig::queue`].
    pub queue: Option<u32>,
    /// [`LinkConfig::loss`].
    pub loss: Option<f64>,
    /// [`LinkConfig::duplication`].
    pub duplication: Option<f64>,
    /// [`LinkConfig::reordering`].
    pub reordering: Option<f64>,
    /// [`LinkConfig::reorder_ns`].
    pub reorder_ns: Option<u64>,
    /// [`LinkConfig::corruption`].
    pub corruption: Option<f64>,
}

/// A probability out of anything.
pub(crate) fn chance(value: f64) -> f64 {
    // NaN fails every comparison.
    if value > 0.0 { value.min(1.0) } else { 0.0 }
}

impl LinkChange {
    /// `link` with the values that are given.
    pub fn apply(&self, link: &mut LinkConfig) {
        fn set<T: Copy>(to: &mut T, from: Option<T>) {
            *to = from.unwrap_or(*to);
        }
        set(&mut link.latency_ns, self.latency_ns);
        set(&mut link.bandwidth, self.bandwidth);
        set(&mut link.queue, self.queue);
        set(&mut link.reorder_ns, self.reorder_ns);
        set(&mut link.loss, self.loss.map(chance));
        set(&mut link.duplication, self.duplication.map(chance));
        set(&mut link.reordering, self.reordering.map(chance));
        set(&mut link.corruption, self.corruption.map(chance));
    }
}

/// A switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EthernetConfig {
    /// Nanoseconds after which an address that sent nothing is forgotten (IEEE 802.1Q, 8.8.3: Ageing Time).
    pub ageing_ns: u64,
    /// Addresses the switch can remember; frames to others are flooded.
    pub addresses: u32,
}

impl Default for EthernetConfig {
    /// 300 seconds, 65,536 addresses.
    fn default() -> EthernetConfig {
        EthernetConfig { ageing_ns: 300_000_000_000, addresses: 65_536 }
    }
}

/// What happens to the links of a switch. No stations: all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EthernetFault {
    /// The links of these stations become different.
    Set {
        /// Whose links.
        stations: Vec<u32>,
        /// What changes.
        changes: LinkChange,
    },
    /// The links of these stations lose frames for a while, besides those they lose anyway.
    Burst {
        /// Whose links.
        stations: Vec<u32>,
        /// Probability that a frame is lost.
        loss: f64,
        /// Until when.
        until: Time,
    },
    /// The links of these stations break: what is under way or waits there is lost.
    Down {
        /// Whose links.
        stations: Vec<u32>,
    },
    /// The links of these stations work again.
    Up {
        /// Whose links.
        stations: Vec<u32>,
    },
    /// The switch forwards within each group only; all stations in none of them are one more group.
    Partition {
        /// The groups.
        groups: Vec<Vec<u32>>,
    },
    /// The partition ends.
    Heal,
}
