//! Captures as pcapng, built in memory.
//!
//! Frames have link type USER0 (147) and this header, little endian, before the bytes that follow the address on the
//! air (whitened, CRC included; first bit of a byte lowest):
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 1 | version, 1 |
//! | 1 | 1 | physical layer: 0 Nordic 1 Mbit/s, 1 Nordic 2 Mbit/s, 2 Nordic 250 kbit/s, 3 BLE 1 Mbit/s |
//! | 2 | 2 | frequency in MHz |
//! | 4 | 1 | transmit power in dBm, signed |
//! | 5 | 1 | bytes of address |
//! | 6 | 2 | 0 |
//! | 8 | 4 | number of the sending node |
//! | 12 | 8 | address, first byte on the air first, padded with zeros |
//!
//! Comments tell the sender and what became of the frame at each listener.

use crate::radio::FrameLog;
use emu_core::{
    Time,
    link::{AirFrame, Phy},
};

/// LINKTYPE_USER0.
pub const USER0: u16 = 147;

/// Builds a capture; [`Writer::take`] hands out what is new.
#[derive(Clone, Debug)]
pub struct Writer {
    out: Vec<u8>,
    interfaces: u32,
}

const COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const SHB_USERAPPL: u16 = 4;

fn pad(v: &mut Vec<u8>) {
    v.resize(v.len().next_multiple_of(4), 0);
}

fn option(v: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    v.extend(code.to_le_bytes());
    v.extend((value.len() as u16).to_le_bytes());
    v.extend(value);
    pad(v);
}

/// Bytes of a frame as captured: the header, then the frame.
pub fn packet(source: u32, frame: &AirFrame) -> Vec<u8> {
    let phy = match frame.phy {
        Phy::Nrf1Mbit => 0,
        Phy::Nrf2Mbit => 1,
        Phy::Nrf250Kbit => 2,
        Phy::Ble1Mbit => 3,
    };
    let mut v = vec![1, phy];
    v.extend(frame.mhz.to_le_bytes());
    v.extend([frame.dbm as u8, frame.address_len, 0, 0]);
    v.extend(source.to_le_bytes());
    v.extend(frame.address.to_le_bytes());
    v.extend(&frame.bytes);
    v
}

impl Writer {
    /// Begins a capture by the program `application`.
    pub fn new(application: &str) -> Writer {
        let mut w = Writer { out: vec![], interfaces: 0 };
        let mut body = vec![];
        body.extend(0x1a2b_3c4du32.to_le_bytes());
        body.extend([1, 0, 0, 0]); // version 1.0
        body.extend(u64::MAX.to_le_bytes()); // length unknown
        option(&mut body, SHB_USERAPPL, application.as_bytes());
        option(&mut body, 0, &[]);
        w.block(0x0a0d_0d0a, &body);
        w
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let len = (body.len() as u32 + 12).to_le_bytes();
        self.out.extend(kind.to_le_bytes());
        self.out.extend(len);
        self.out.extend(body);
        self.out.extend(len);
    }

    /// Adds an interface, one for each medium; stamps are nanoseconds of virtual time.
    pub fn interface(&mut self, name: &str, link_type: u16) -> u32 {
        let mut body = vec![];
        body.extend(link_type.to_le_bytes());
        body.extend([0; 6]); // reserved; no limit of length
        option(&mut body, IF_NAME, name.as_bytes());
        option(&mut body, IF_TSRESOL, &[9]);
        option(&mut body, 0, &[]);
        self.block(1, &body);
        self.interfaces += 1;
        self.interfaces - 1
    }

    /// Adds a packet with comments.
    pub fn packet(&mut self, interface: u32, at: Time, data: &[u8], comments: &[String]) {
        let mut body = vec![];
        body.extend(interface.to_le_bytes());
        body.extend(((at.0 >> 32) as u32).to_le_bytes());
        body.extend((at.0 as u32).to_le_bytes());
        body.extend((data.len() as u32).to_le_bytes());
        body.extend((data.len() as u32).to_le_bytes());
        body.extend(data);
        pad(&mut body);
        for c in comments {
            option(&mut body, COMMENT, c.as_bytes());
        }
        if !comments.is_empty() {
            option(&mut body, 0, &[]);
        }
        self.block(6, &body);
    }

    /// Adds a frame of the radio medium; `name` tells what a node is called.
    pub fn frame<'a>(&mut self, interface: u32, log: &FrameLog, name: impl Fn(u32) -> &'a str) {
        let mut comments = vec![format!("from {} at {} dBm", name(log.source), log.frame.dbm)];
        if let Some(t) = log.aborted {
            comments.push(format!("broken off at {t}"));
        }
        let fate = |(node, dbm, fate): &(u32, i8, _)| format!("{}: {fate}, {dbm} dBm", name(*node));
        comments.extend(log.fates.iter().map(fate));
        self.packet(interface, log.at, &packet(log.source, &log.frame), &comments);
    }

    /// The bytes since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::Fate;

    fn word(b: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(b[at..at + 4].try_into().unwrap())
    }

    /// Type and body of each block; both lengths are checked.
    fn blocks(mut b: &[u8]) -> Vec<(u32, &[u8])> {
        let mut all = vec![];
        while !b.is_empty() {
            let len = word(b, 4) as usize;
            assert_eq!((len % 4, word(b, len - 4) as usize), (0, len));
            all.push((word(b, 0), &b[8..len - 4]));
            b = &b[len..];
        }
        all
    }

    fn options(mut b: &[u8]) -> Vec<(u16, String)> {
        let mut all = vec![];
        while !b.is_empty() {
            let (code, len) = (word(b, 0) as u16, (word(b, 0) >> 16) as usize);
            all.push((code, String::from_utf8(b[4..4 + len].to_vec()).unwrap()));
            b = &b[4 + len.next_multiple_of(4)..];
        }
        assert_eq!(all.pop().map(|o| o.0), Some(0));
        all
    }

    #[test]
    fn a_capture_block_by_block() {
        let mut w = Writer::new("test");
        let air = w.interface("radio", USER0);
        let frame = AirFrame {
            mhz: 2407,
            phy: Phy::Nrf2Mbit,
            dbm: -4,
            address: 0x12_7562_6974,
            address_len: 5,
            bytes: vec![9, 8, 7],
            sync_ns: 0,
            total_ns: 0,
        };
        let log = FrameLog {
            at: Time(0x1_2345_6789),
            source: 1,
            frame,
            aborted: None,
            fates: vec![(0, -61, Fate::Received), (2, -95, Fate::TooWeak)],
        };
        w.frame(air, &log, |n| ["anna", "bert", "carl"][n as usize]);
        let bytes = w.take();
        let b = blocks(&bytes);
        assert_eq!(b.iter().map(|b| b.0).collect::<Vec<_>>(), [0x0a0d_0d0a, 1, 6]);
        assert_eq!((word(b[0].1, 0), word(b[0].1, 4)), (0x1a2b_3c4d, 1));
        assert_eq!(options(&b[0].1[16..]), [(SHB_USERAPPL, "test".into())]);
        assert_eq!(word(b[1].1, 0), 147);
        assert_eq!(options(&b[1].1[8..]), [(IF_NAME, "radio".into()), (IF_TSRESOL, "\t".into())]);
        let p = b[2].1;
        assert_eq!((word(p, 0), word(p, 4), word(p, 8)), (0, 1, 0x2345_6789));
        assert_eq!((word(p, 12), word(p, 16)), (23, 23));
        let data = [1, 1, 0x67, 9, 0xfc, 5, 0, 0, 1, 0, 0, 0, 0x74, 0x69, 0x62, 0x75, 0x12, 0, 0, 0, 9, 8, 7];
        assert_eq!(p[20..43], data);
        let comments = ["from bert at -4 dBm", "anna: received, -61 dBm", "carl: dropped: too weak, -95 dBm"];
        assert_eq!(options(&p[44..]), comments.map(|c| (COMMENT, c.to_string())));
        assert!(w.take().is_empty());
    }
}
