//! The receive side: address filter (3.3), RX data and status FIFOs (3.13), frame check sequence.

use super::lan9118_regs::{Cr, MacReg};
use emu_core::regs::Bank;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut v = i as u32;
        let mut bit = 0;
        while bit < 8 {
            v = if v & 1 != 0 { v >> 1 ^ 0xedb8_8320 } else { v >> 1 };
            bit += 1;
        }
        table[i] = v;
        i += 1;
    }
    table
}

static CRC: [u32; 256] = crc_table();

/// CRC-32 of IEEE 802.3 before the final inversion.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |c, b| c >> 8 ^ CRC[usize::from(c as u8 ^ b)])
}

/// The frame check sequence; its lowest byte goes first.
pub fn fcs(bytes: &[u8]) -> u32 {
    !crc(bytes)
}

/// The address passes the filter (table 3.1).
pub fn passes(mac: &Bank<MacReg>, dest: [u8; 6]) -> bool {
    if mac.is(&Cr::PRMS) {
        return true;
    }
    if dest == [0xff; 6] {
        return !mac.is(&Cr::BCAST);
    }
    let multicast = dest[0] & 1 != 0;
    if multicast && mac.is(&Cr::MCPAS) {
        return true;
    }
    let hashed = if multicast { mac.is(&Cr::HPFILT) } else { mac.is(&Cr::HO) };
    if hashed {
        let index = crc(&dest).reverse_bits() >> 26; // 3.4.2: the upper six bits
        let half = if index & 0x20 != 0 { MacReg::Hashh } else { MacReg::Hashl };
        return mac.reg(half) >> (index & 0x1f) & 1 != 0;
    }
    let (low, high) = (mac.reg(MacReg::Addrl).to_le_bytes(), mac.reg(MacReg::Addrh).to_le_bytes());
    let own = [low[0], low[1], low[2], low[3], high[0], high[1]];
    (dest == own) != mac.is(&Cr::INVFILT)
}

/// Bits of the RX status word (3.13.3).
#[allow(missing_docs)]
pub mod status {
    pub const FILTER_FAIL: u32 = 1 << 30;
    pub const ERROR: u32 = 1 << 15;
    pub const BROADCAST: u32 = 1 << 13;
    pub const LENGTH_ERROR: u32 = 1 << 12;
    pub const RUNT: u32 = 1 << 11;
    pub const MULTICAST: u32 = 1 << 10;
    pub const TOO_LONG: u32 = 1 << 7;
    pub const TYPE: u32 = 1 << 5;
    pub const WATCHDOG: u32 = 1 << 4;
    pub const CRC_ERROR: u32 = 1 << 1;
}

/// The receive watchdog ends a frame here (3.13.3, bit 4).
pub const WATCHDOG_BYTES: usize = 2048;
const LAST_BYTE: usize = 2560;

/// The status word of a frame of these bytes, FCS not among them; its filter's answer stands elsewhere.
pub fn describe(mac: &Bank<MacReg>, bytes: &[u8], bad: bool) -> u32 {
    let len = bytes.len() + 4;
    let word = |at: usize| bytes.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
    let mut s = (len as u32 & 0x3fff) << 16;
    let mut set = |bit, on| s |= if on { bit } else { 0 };
    let kind = word(12);
    set(status::TYPE, kind.is_some_and(|t| t > 1500));
    set(status::LENGTH_ERROR, kind.is_some_and(|t| t <= 1500 && usize::from(t) > bytes.len() - 14));
    set(status::BROADCAST, bytes.starts_with(&[0xff; 6]));
    set(status::MULTICAST, bytes[0] & 1 != 0 && !bytes.starts_with(&[0xff; 6]));
    let longest = match kind.map(u32::from) {
        Some(t) if t == mac.reg(MacReg::Vlan1) => 1522,
        Some(t) if t == mac.reg(MacReg::Vlan2) => 1538,
        _ => 1518,
    };
    let (runt, long) = (len < 64, len > longest);
    set(status::RUNT, runt);
    set(status::TOO_LONG, long);
    set(status::WATCHDOG, len > WATCHDOG_BYTES);
    set(status::CRC_ERROR, bad);
    set(status::ERROR, runt || long || bad);
    s
}

/// RX data and status FIFOs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rx {
    /// Frames with their FCS; the host may be in the middle of the first.
    frames: VecDeque<Vec<u8>>,
    /// The first frame as the host reads it: words of offset, data and padding in all, and how many it has read.
    reading: Option<Reading>,
    /// Status words for the host.
    pub status: VecDeque<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reading {
    offset: u32,
    next: u32,
    words: u32,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is in the FIFO.
    Yes,
    /// There was no room for the data.
    NoRoom,
    /// There was no room for the status word.
    NoStatus,
}

impl Rx {
    /// Words of the data FIFO in use.
    pub fn used(&self) -> u32 {
        let all: u32 = self.frames.iter().map(|f| f.len().div_ceil(4) as u32).sum();
        let first = self.frames.front().map_or(0, |f| f.len().div_ceil(4) as u32);
        let gone = self.reading.map_or(0, |r| r.next.saturating_sub(r.offset / 4).min(first));
        all - gone
    }

    /// A frame (FCS not among its bytes) comes in. `size` and `entries`: words of the two FIFOs.
    pub fn push(&mut self, bytes: &[u8], status: u32, size: u32, entries: usize) -> Stored {
        if self.status.len() >= entries {
            return Stored::NoStatus;
        }
        let bad = status & status::CRC_ERROR != 0;
        let sum = if bad { crc(bytes) } else { fcs(bytes) };
        let mut frame = Vec::with_capacity(bytes.len() + 4);
        frame.extend_from_slice(bytes);
        frame.extend_from_slice(&sum.to_le_bytes());
        frame.truncate(LAST_BYTE);
        // Table 5.3: the FIFO counts as full four words before its end.
        if self.used() + frame.len().div_ceil(4) as u32 > size - 4 {
            return Stored::NoRoom;
        }
        let status = status & !(0x3fff << 16) | (frame.len() as u32) << 16;
        self.status.push_back(status);
        self.frames.push_back(frame);
        Stored::Yes
    }

    /// The host reads a word; `None` if there is none.
    pub fn pop(&mut self, offset: u32, align: u32) -> Option<u32> {
        let frame = self.frames.front()?;
        let len = frame.len() as u32;
        let words = (offset + len).div_ceil(4).next_multiple_of(align);
        let r = self.reading.get_or_insert(Reading { offset, next: 0, words });
        let at = |i: u32| {
            let i = (4 * r.next + i).checked_sub(r.offset)?;
            frame.get(i as usize).copied()
        };
        let word = u32::from_le_bytes([0, 1, 2, 3].map(|i| at(i).unwrap_or(0)));
        r.next += 1;
        if r.next >= r.words {
            self.forward();
        }
        Some(word)
    }

    /// To the start of the next frame (RX_DP_CTRL).
    pub fn forward(&mut self) {
        self.frames.pop_front();
        self.reading = None;
    }

    /// Checks a loaded state.
    pub fn validate(&self) -> Result<(), String> {
        let fits = |f: &Vec<u8>| f.len() <= LAST_BYTE;
        let reading = match (self.reading, self.frames.front()) {
            (Some(r), Some(_)) => r.offset < 32 && r.next < r.words && r.words < 1024,
            (Some(_), None) => false,
            (None, _) => true,
        };
        let count = self.frames.len() <= 1024 && self.status.len() <= 1024;
        match count && reading && self.frames.iter().all(fits) {
            true => Ok(()),
            false => Err("more in the RX FIFOs than fits".into()),
        }
    }
}
