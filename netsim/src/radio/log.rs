//! What became of frames: fates for captures, counters for tests.

use emu_core::{Time, link::AirFrame};
use serde::{Deserialize, Serialize};

/// What became of a frame at one listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrived whole.
    Received,
    /// This many bytes arrived damaged.
    Damaged(u16),
    /// Others covered its address.
    Collision,
    /// Its address was lost in the receiver's noise, or it came from beyond the range.
    TooWeak,
    /// Lost by chance.
    Unlucky,
    /// The listener came on after the first bit.
    CameLate,
    /// The listener went off before the last bit.
    LeftEarly,
    /// A fault cut the listener off.
    CutOff,
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
            Fate::CutOff => f.write_str("dropped: cut off by a fault"),
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

/// What a node has done on the air and what became of the frames it might have heard: those on its channel and
/// physical layer, strong enough to matter, while it listened. What its firmware makes of them is not known here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Frames it began to send.
    pub sent: u64,
    /// Frames that arrived whole.
    pub received: u64,
    /// Frames that arrived with wrong bits.
    pub damaged: u64,
    /// Frames whose address others covered.
    pub collisions: u64,
    /// Frames whose address was lost in noise, or from beyond the range.
    pub too_weak: u64,
    /// Frames lost by chance.
    pub unlucky: u64,
    /// Frames it came too late for, or left too early.
    pub absent: u64,
    /// Frames a fault kept from it.
    pub cut_off: u64,
}

impl Counters {
    pub(super) fn count(&mut self, fate: Fate) {
        let counter = match fate {
            Fate::Received => &mut self.received,
            Fate::Damaged(_) => &mut self.damaged,
            Fate::Collision => &mut self.collisions,
            Fate::TooWeak => &mut self.too_weak,
            Fate::Unlucky => &mut self.unlucky,
            Fate::CameLate | Fate::LeftEarly => &mut self.absent,
            Fate::CutOff => &mut self.cut_off,
        };
        *counter += 1;
    }
}
