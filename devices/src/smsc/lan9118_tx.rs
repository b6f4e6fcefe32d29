//! The transmit side: buffers as the host writes them into the TX data FIFO become packets (3.12).

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Most bytes of a packet in the MAC's store-and-forward buffer (3.12.3.2).
pub const MOST_BYTES: usize = 2036;
/// TX status words that fit (table 5.3).
pub const STATUS_WORDS: usize = 512 / 4;

/// TX command A, 31: interrupt on completion.
const A_IOC: u32 = 1 << 31;
const A_FIRST: u32 = 1 << 13;
const A_LAST: u32 = 1 << 12;
/// Bits that are 0 in every command A and in every command B (tables 3.10 and 3.11).
const A_RESERVED: u32 = 0x7ce0_c800;
const B_RESERVED: u32 = 0xc800;
const SIZE: u32 = 0x7ff;
/// TX command B, 13: the host appends the FCS itself.
pub const B_NO_CRC: u32 = 1 << 13;
/// TX command B, 12: short packets stay short.
pub const B_NO_PAD: u32 = 1 << 12;

/// A packet that waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// Its bytes as the host wrote them.
    pub bytes: Vec<u8>,
    /// TX command B of its first buffer.
    pub cmd_b: u32,
    /// What it takes in the FIFO, in words.
    words: u32,
}

/// What one word did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// A buffer with interrupt-on-completion is complete.
    pub ioc: bool,
    /// A packet is complete.
    pub packet: bool,
    /// Commands that contradict each other (3.12.9).
    pub error: bool,
    /// The FIFO was full: the word is lost.
    pub overrun: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Want {
    #[default]
    CommandA,
    CommandB,
    /// Word `next` of `words` of a buffer.
    Data {
        next: u32,
        words: u32,
    },
}

/// TX data and status FIFOs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tx {
    want: Want,
    cmd_a: u32,
    /// A packet should begin, but what comes are no commands: the host wrote fewer words than it had declared before.
    astray: bool,
    /// The packet between its first and its last segment.
    open: Option<Packet>,
    queue: VecDeque<Packet>,
    /// Status words for the host.
    pub status: VecDeque<u32>,
}

impl Tx {
    /// Words of the data FIFO in use.
    pub fn used(&self) -> u32 {
        self.queue.iter().chain(&self.open).map(|p| p.words).sum()
    }

    /// The host writes a word into a FIFO of `size` words.
    pub fn push(&mut self, word: u32, size: u32) -> Pushed {
        let mut done = Pushed::default();
        if self.used() >= size && self.stored() {
            done.overrun = true;
            return done;
        }
        match self.want {
            Want::CommandA => done.error = self.command_a(word),
            Want::CommandB if self.astray && !self.belongs(word) => {
                self.command_a(word);
            }
            Want::CommandB => {
                done.error = self.begin(word);
                self.want = Want::Data { next: 0, words: self.buffer_words() };
            }
            Want::Data { next, words } => {
                self.data(word, next);
                self.want = Want::Data { next: next + 1, words };
            }
        }
        if let Want::Data { next, words } = self.want
            && next >= words
        {
            self.end(&mut done);
        }
        done
    }

    fn offset(&self) -> u32 {
        self.cmd_a >> 16 & 0x1f
    }

    fn size(&self) -> u32 {
        self.cmd_a & SIZE
    }

    /// A word where a command A should be. With no packet open it must begin one; the manual does not say what becomes of
    /// others. Here they are skipped up to a command A and its B that fit each other. True for the first that is none.
    fn command_a(&mut self, word: u32) -> bool {
        let begins = word & A_FIRST != 0 && (!self.astray || word & A_RESERVED == 0);
        if self.open.is_none() && !begins {
            self.want = Want::CommandA;
            return !std::mem::replace(&mut self.astray, true);
        }
        self.cmd_a = word;
        self.want = Want::CommandB;
        false
    }

    /// That word is the command B of a packet that begins with the command A before it.
    fn belongs(&self, word: u32) -> bool {
        let length = word & SIZE;
        let fits = if self.cmd_a & A_LAST != 0 { length == self.size() } else { length >= self.size() };
        fits && length != 0 && word & B_RESERVED == 0
    }

    /// Words of the buffer under way, with offset, padding and end alignment (table 3.12).
    fn buffer_words(&self) -> u32 {
        let align = match self.cmd_a >> 24 & 3 {
            1 => 4,
            2 => 8,
            _ => 1,
        };
        (self.offset() + self.size()).div_ceil(4).next_multiple_of(align)
    }

    /// The part of word `next` that is data: whole words of offset and alignment never reach the FIFO.
    fn part(&self, next: u32) -> std::ops::Range<u32> {
        let (first, end) = (self.offset(), self.offset() + self.size());
        first.clamp(4 * next, 4 * next + 4)..end.clamp(4 * next, 4 * next + 4)
    }

    /// The next word takes room in the FIFO.
    fn stored(&self) -> bool {
        match self.want {
            Want::Data { next, .. } => !self.part(next).is_empty(),
            _ => true,
        }
    }

    /// Command B: a packet begins or goes on. True if the commands contradict each other.
    fn begin(&mut self, cmd_b: u32) -> bool {
        self.astray = false;
        let first = self.cmd_a & A_FIRST != 0;
        let wrong = self.open.as_ref().is_some_and(|p| first || p.cmd_b != cmd_b);
        if first {
            self.open = Some(Packet { bytes: vec![], cmd_b, words: 0 });
        }
        if let Some(p) = &mut self.open {
            p.words += 2;
        }
        wrong
    }

    fn data(&mut self, word: u32, next: u32) {
        let part = self.part(next);
        if let Some(p) = &mut self.open
            && !part.is_empty()
        {
            let (from, to) = ((part.start - 4 * next) as usize, (part.end - 4 * next) as usize);
            p.bytes.extend_from_slice(&word.to_le_bytes()[from..to]);
            p.words += 1;
        }
    }

    fn end(&mut self, done: &mut Pushed) {
        self.want = Want::CommandA;
        done.ioc = self.cmd_a & A_IOC != 0;
        if self.cmd_a & A_LAST != 0
            && let Some(p) = self.open.take()
        {
            done.error |= p.bytes.len() as u32 & SIZE != p.cmd_b & SIZE;
            done.packet = true;
            self.queue.push_back(p);
        }
    }

    /// The next packet leaves the FIFO.
    pub fn pop(&mut self) -> Option<Packet> {
        self.queue.pop_front()
    }

    /// TX_CFG.TXD_DUMP.
    pub fn dump(&mut self) {
        *self = Tx { status: std::mem::take(&mut self.status), ..Tx::default() };
    }

    /// Checks a loaded state.
    pub fn validate(&self) -> Result<(), String> {
        let most = 16 * 1024;
        let fits = |p: &Packet| p.words <= most && p.bytes.len() <= 4 * p.words as usize;
        let count = self.queue.len() <= most as usize && self.status.len() <= STATUS_WORDS;
        let buffer = match self.want {
            Want::Data { next, words } => next < words && words == self.buffer_words(),
            _ => true,
        };
        match count && buffer && self.queue.iter().chain(&self.open).all(fits) && self.used() <= most {
            true => Ok(()),
            false => Err("more in the TX FIFOs than fits".into()),
        }
    }
}
