//! Captures as pcapng, built in memory.
//!
//! A capture has an interface for each medium, or more where frames of one medium need different link types. Stamps are
//! nanoseconds of virtual time and tell a frame's first bit. Comments tell the sender and what became of the frame at
//! each listener. Packets that are queued leave in the order (time, interface, as queued), however often the capture
//! is written. (Names of hardware addresses are not in the file: Wireshark 4.0 ignores them.)
//!
//! | medium | link type | what Wireshark makes of it |
//! |---|---|---|
//! | Ethernet | [`ETHERNET`] | everything; frames have no FCS |
//! | air, Nordic proprietary | [`USER0`] with the header below | bytes; with `docs/wireshark/flotilla-radio.lua` the packet and who received it |
//! | air, BLE | [`BLE`], de-whitened by the number of the channel | the link layer |
//! | air, IEEE 802.15.4 | [`IEEE802154_TAP`] | the MAC and what is above |
//! | serial line | [`SERIAL`], a packet for each byte | direction and byte |
//!
//! Nordic's proprietary frames have link type USER0 (147) and this header, little endian, before the bytes that follow
//! the address on the air (whitened, CRC included; first bit of a byte lowest):
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 1 | version, 1 |
//! | 1 | 1 | physical layer: 0 Nordic 1 Mbit/s, 1 Nordic 2 Mbit/s, 2 Nordic 250 kbit/s, 3 BLE 1 Mbit/s, 4 IEEE 802.15.4 |
//! | 2 | 2 | frequency in MHz |
//! | 4 | 1 | transmit power in dBm, signed |
//! | 5 | 1 | bytes of address |
//! | 6 | 2 | 0 |
//! | 8 | 4 | number of the sending node |
//! | 12 | 8 | address, first byte on the air first, padded with zeros |

use crate::{ethernet::LoggedFrame, line::LoggedByte, radio::FrameLog};
use emu_core::{
    Time,
    link::{AirFrame, Phy},
};
use std::collections::BTreeMap;

/// LINKTYPE_ETHERNET.
pub const ETHERNET: u16 = 1;
/// LINKTYPE_USER0.
pub const USER0: u16 = 147;
/// LINKTYPE_RTAC_SERIAL.
pub const SERIAL: u16 = 250;
/// LINKTYPE_BLUETOOTH_LE_LL_WITH_PHDR.
pub const BLE: u16 = 256;
/// LINKTYPE_IEEE802_15_4_TAP.
pub const IEEE802154_TAP: u16 = 283;

/// The interfaces of one air.
#[derive(Clone, Copy, Debug)]
pub struct Air {
    proprietary: u32,
    ble: u32,
    ieee802154: u32,
}

/// An interface, and its number in the file once it is there.
#[derive(Clone, Debug)]
struct Interface {
    name: String,
    link_type: u16,
    number: Option<u32>,
}

#[derive(Clone, Debug)]
struct Packet {
    data: Vec<u8>,
    comments: Vec<String>,
}

/// Builds a capture; [`Writer::take`] hands out what is new.
#[derive(Clone, Debug)]
pub struct Writer {
    out: Vec<u8>,
    interfaces: Vec<Interface>,
    /// Interfaces that are in the file.
    written: u32,
    /// Packets that wait for [`Writer::release`], by time, interface and order.
    queued: BTreeMap<(Time, u32, u64), Packet>,
    number: u64,
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
        Phy::Ieee802154 => 4,
    };
    let mut v = vec![1, phy];
    v.extend(frame.mhz.to_le_bytes());
    v.extend([frame.dbm as u8, frame.address_len, 0, 0]);
    v.extend(source.to_le_bytes());
    v.extend(frame.address.to_le_bytes());
    v.extend(&frame.bytes);
    v
}

/// Number of a BLE channel and its place in the band; `None`: no channel of BLE.
/// Bluetooth Core Specification, volume 6, part B, 1.4.1.
fn ble_channel(mhz: u16) -> Option<(u8, u8)> {
    if !(2402..=2480).contains(&mhz) || !mhz.is_multiple_of(2) {
        return None;
    }
    let place = ((mhz - 2402) / 2) as u8;
    let channel = match place {
        0 => 37,
        1..=11 => place - 1,
        12 => 38,
        13..=38 => place - 2,
        _ => 39,
    };
    Some((channel, place))
}

/// Whitens and de-whitens (Bluetooth Core Specification, volume 6, part B, 3.2).
fn whiten(channel: u8, bytes: &mut [u8]) {
    let mut lfsr = channel | 0x40;
    for byte in bytes {
        for bit in 0..8 {
            if lfsr & 1 != 0 {
                lfsr ^= 0x88;
                *byte ^= 1 << bit;
            }
            lfsr >>= 1;
        }
    }
}

/// A BLE frame with LINKTYPE_BLUETOOTH_LE_LL_WITH_PHDR's header.
fn ble_packet(frame: &AirFrame) -> Option<Vec<u8>> {
    let (channel, place) = ble_channel(frame.mhz)?;
    let access = (frame.address as u32).to_le_bytes();
    let mut v = vec![place, frame.dbm as u8, 0, 0];
    v.extend(access);
    // De-whitened; the signal power is valid; the access address is the one of reference.
    v.extend(0x0013u16.to_le_bytes());
    v.extend(access);
    let mut bytes = frame.bytes.clone();
    whiten(channel, &mut bytes);
    v.extend(bytes);
    Some(v)
}

/// A frame with LINKTYPE_IEEE802_15_4_TAP's header; the first byte after the SFD is the length.
fn ieee802154_packet(frame: &AirFrame) -> Vec<u8> {
    let channel = (frame.mhz.saturating_sub(2405) / 5 + 11).to_le_bytes();
    let mut v = vec![0, 0, 28, 0];
    v.extend([0, 0, 1, 0, 1, 0, 0, 0]); // FCS type: 16-bit CRC
    v.extend([1, 0, 4, 0]); // RSS in dBm: as it was sent
    v.extend(f32::from(frame.dbm).to_le_bytes());
    v.extend([3, 0, 3, 0, channel[0], channel[1], 0, 0]); // channel, page 0
    v.extend(frame.bytes.iter().skip(1));
    v
}

/// A serial byte with LINKTYPE_RTAC_SERIAL's header: time since the start, event, no control lines.
fn serial_packet(log: &LoggedByte) -> Vec<u8> {
    let mut v = ((log.start.0 / 1_000_000_000) as u32).to_be_bytes().to_vec();
    v.extend(((log.start.0 % 1_000_000_000 / 1_000) as u32).to_be_bytes());
    let event = if log.source == 0 { 1 } else { 2 }; // DATA_TX_START, DATA_RX_START
    v.extend([event, 0, 0, 0, log.sent]);
    v
}

impl Writer {
    /// Begins a capture by the program `application`.
    pub fn new(application: &str) -> Writer {
        let mut w =
            Writer { out: vec![], interfaces: vec![], written: 0, queued: BTreeMap::new(), number: 0 };
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
        let interface = self.declare(name, link_type);
        self.describe(interface);
        interface
    }

    /// Adds the interfaces of an air: those beyond the first once there is a frame for them.
    pub fn air_interfaces(&mut self, name: &str) -> Air {
        Air {
            proprietary: self.interface(name, USER0),
            ble: self.declare(&format!("{name} BLE"), BLE),
            ieee802154: self.declare(&format!("{name} 802.15.4"), IEEE802154_TAP),
        }
    }

    fn declare(&mut self, name: &str, link_type: u16) -> u32 {
        self.interfaces.push(Interface { name: name.into(), link_type, number: None });
        self.interfaces.len() as u32 - 1
    }

    /// An interface's number in the file, into which it is put if it is not there. One nobody declared gets none.
    fn describe(&mut self, interface: u32) -> Option<u32> {
        let Interface { name, link_type, number } = self.interfaces.get_mut(interface as usize)?;
        if number.is_none() {
            *number = Some(self.written);
            self.written += 1;
            let mut body = vec![];
            body.extend(link_type.to_le_bytes());
            body.extend([0; 6]); // reserved; no limit of length
            option(&mut body, IF_NAME, name.as_bytes());
            option(&mut body, IF_TSRESOL, &[9]);
            option(&mut body, 0, &[]);
            self.block(1, &body);
        }
        self.interfaces[interface as usize].number
    }

    /// Adds a packet with comments now.
    pub fn packet(&mut self, interface: u32, at: Time, data: &[u8], comments: &[String]) {
        let Some(number) = self.describe(interface) else { return };
        let mut body = vec![];
        body.extend(number.to_le_bytes());
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

    /// Adds a packet when [`Writer::release`] comes to its time.
    pub fn queue(&mut self, interface: u32, at: Time, data: Vec<u8>, comments: Vec<String>) {
        self.queued.insert((at, interface, self.number), Packet { data, comments });
        self.number += 1;
    }

    /// Adds what is queued with a time before this, in order. Nothing before it may be queued afterwards: see
    /// [`crate::ethernet::EthernetMedium::log_horizon`].
    pub fn release(&mut self, before: Time) {
        while let Some(first) = self.queued.first_entry()
            && first.key().0 < before
        {
            let ((at, interface, _), packet) = first.remove_entry();
            self.packet(interface, at, &packet.data, &packet.comments);
        }
    }

    /// Adds all that is queued.
    pub fn release_all(&mut self) {
        for ((at, interface, _), packet) in std::mem::take(&mut self.queued) {
            self.packet(interface, at, &packet.data, &packet.comments);
        }
    }

    /// Adds a frame of the radio medium as Nordic's, whatever it is; `name` tells what a node is called.
    pub fn frame<'a>(&mut self, interface: u32, log: &FrameLog, name: impl Fn(u32) -> &'a str) {
        self.packet(interface, log.at, &packet(log.source, &log.frame), &air_comments(log, name));
    }

    /// Queues a frame of the radio medium on the interface of its kind.
    pub fn air<'a>(&mut self, air: Air, log: &FrameLog, name: impl Fn(u32) -> &'a str) {
        let special = match log.frame.phy {
            Phy::Ble1Mbit => ble_packet(&log.frame).map(|data| (air.ble, data)),
            Phy::Ieee802154 => Some((air.ieee802154, ieee802154_packet(&log.frame))),
            Phy::Nrf1Mbit | Phy::Nrf2Mbit | Phy::Nrf250Kbit => None,
        };
        let (interface, data) = special.unwrap_or_else(|| (air.proprietary, packet(log.source, &log.frame)));
        self.queue(interface, log.at, data, air_comments(log, name));
    }

    /// Queues a frame of a switch.
    pub fn ethernet<'a>(&mut self, interface: u32, log: &LoggedFrame, name: impl Fn(u32) -> &'a str) {
        let mut comments = vec![format!("from {}", name(log.source))];
        comments.extend(log.fates.iter().map(|(to, at, fate)| format!("{} at {at}: {fate}", name(*to))));
        self.queue(interface, log.at, log.bytes.clone(), comments);
    }

    /// Queues a byte of a serial line between nodes of these names.
    pub fn serial(&mut self, interface: u32, log: &LoggedByte, names: [&str; 2]) {
        let [a, b] = names;
        let (from, to) = if log.source == 0 { (a, b) } else { (b, a) };
        let fate = match log.heard {
            Some(heard) if heard == log.sent => format!("{to} at {}: received", log.end),
            Some(heard) => format!("{to} at {}: received as 0x{heard:02x}", log.end),
            None => format!("{to}: lost"),
        };
        self.queue(interface, log.start, serial_packet(log), vec![format!("from {from}"), fate]);
    }

    /// The bytes since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

fn air_comments<'a>(log: &FrameLog, name: impl Fn(u32) -> &'a str) -> Vec<String> {
    let mut comments = vec![format!("from {} at {} dBm", name(log.source), log.frame.dbm)];
    if let Some(t) = log.aborted {
        comments.push(format!("broken off at {t}"));
    }
    let fate = |(node, dbm, fate): &(u32, i8, _)| format!("{}: {fate}, {dbm} dBm", name(*node));
    comments.extend(log.fates.iter().map(fate));
    comments
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
