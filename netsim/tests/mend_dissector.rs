//! Frames of the air as Wireshark shows them with the dissector that ships.

mod common;

use emu_core::{
    Time,
    link::{AirFrame, Phy},
};
use netsim::{
    Fate, FrameLog,
    pcapng::{USER0, Writer},
};
const SCRIPT: &str =
    concat!("lua_script:", env!("CARGO_MANIFEST_DIR"), "/../docs/wireshark/flotilla-radio.lua");

/// What tshark prints with the dissector; it has nothing to complain about.
fn dissected(capture: &[u8], arguments: &[&str]) -> String {
    let (out, complaints) = common::tshark(capture, &[&["-X", SCRIPT], arguments].concat());
    assert_eq!(complaints, "");
    out
}

fn fields(capture: &[u8], more: &[&str], names: &[&str]) -> Vec<String> {
    let mut arguments = more.to_vec();
    arguments.extend(["-T", "fields", "-E", "separator=|", "-E", "aggregator=;"]);
    names.iter().for_each(|name| arguments.extend(["-e", name]));
    dissected(capture, &arguments).lines().map(String::from).collect()
}

/// A capture of frames that two nodes might have heard.
fn capture(frames: Vec<AirFrame>) -> Vec<u8> {
    let mut w = Writer::new("test");
    let air = w.interface("radio", USER0);
    for (i, frame) in frames.into_iter().enumerate() {
        let fates = vec![(1, -61, Fate::Damaged(3)), (2, -95, Fate::TooWeak)];
        let aborted = (i == 1).then_some(Time::us(2100));
        let log = FrameLog { at: Time::ms(1 + i as u64), source: 0, frame, aborted, fates };
        w.frame(air, &log, |n| ["anna", "bert", "carl"][n as usize]);
    }
    w.take()
}

fn frame(phy: Phy, mhz: u16, address: &[u8], bytes: Vec<u8>) -> AirFrame {
    let padded = (0..8).map(|i| address.get(i).copied().unwrap_or(0)).collect::<Vec<_>>();
    let value = u64::from_le_bytes(padded.try_into().expect("eight"));
    AirFrame {
        mhz,
        phy,
        dbm: -8,
        address: value,
        address_len: address.len() as u8,
        bytes,
        sync_ns: 0,
        total_ns: 0,
    }
}

/// Bits of bytes, most significant first.
fn bits(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1)).collect()
}

/// Bytes whose lowest bit is on the air first.
fn on_air(bits: &[u8]) -> Vec<u8> {
    bits.chunks(8).map(|c| c.iter().rev().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

/// The remainder of a long division of the bits, and 16 zeros, by x^16 + x^12 + x^5 + 1; the first 16 are inverted.
fn remainder(message: &[u8]) -> Vec<u8> {
    let mut all: Vec<u8> = message.iter().chain(&[0; 16]).copied().collect();
    all[..16].iter_mut().for_each(|b| *b ^= 1);
    for i in 0..message.len() {
        if all[i] == 1 {
            [0, 4, 11, 16].iter().for_each(|at| all[i + at] ^= 1);
        }
    }
    all[message.len()..].to_vec()
}

/// A packet of Enhanced ShockBurst: address, 6 bits of length, 2 of number, 1 for no answer, payload, CRC; what follows the
/// address.
fn shockburst(address: &[u8], payload: &[u8]) -> Vec<u8> {
    let field = (payload.len() as u16) << 3 | 0b101;
    let control: Vec<u8> = (0..9).rev().map(|i| (field >> i & 1) as u8).collect();
    let body = [control, bits(payload)].concat();
    // The address of the header is kept as its bits are on the air.
    let all = [bits(address), body.clone()].concat();
    on_air(&[body, remainder(&all)].concat())
}

fn reversed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|b| b.reverse_bits()).collect()
}

#[test]
fn mend_other_forms_and_what_is_none() {
    let address = [0xe7, 0xe7, 0xe7, 0xe7, 0x1d];
    let known = frame(Phy::Nrf2Mbit, 2476, &reversed(&address), shockburst(&address, b"\x01\x80hi"));
    let unknown = frame(Phy::Nrf250Kbit, 2400, &[1, 2, 3], vec![0x12, 0x34, 0x56]);
    let empty = frame(Phy::Nrf1Mbit, 2402, &[], vec![]);
    let capture = capture(vec![known, unknown, empty]);
    let names =
        ["channel", "phy", "power", "sender", "length", "s1", "payload", "aborted", "receiver", "rssi"];
    let names: Vec<_> = names.iter().chain(&["fate", "received"]).map(|n| format!("flotilla.{n}")).collect();
    let names: Vec<_> = names.iter().map(|n| &n[..]).collect();
    let heard = "bert;carl|-61;-95|3 bytes damaged;dropped: too weak|0;0";
    let wanted = [
        format!("76|1|-8|anna|4|0x05|01806869||{heard}"),
        format!("0|2|-8|anna||||0.002100|{heard}"),
        format!("2|0|-8|anna|||||{heard}"),
    ];
    assert_eq!(fields(&capture, &[], &names), wanted);
    let verbose = dissected(&capture, &["-V"]);
    assert!(verbose.contains("No known form of packet has this length and CRC"), "{verbose}");
    assert!(!verbose.contains("Lua Error") && !verbose.contains("Malformed"), "{verbose}");
}

#[test]
fn mend_a_form_of_ones_own_is_set() {
    // S0, 8 bits of length and CRC-16 over all but the address, most significant bit first.
    let body = [0x42, 2, 0xab, 0xcd];
    let bytes = on_air(&[bits(&body), remainder(&bits(&body))].concat());
    let capture = capture(vec![frame(Phy::Nrf1Mbit, 2440, &[9, 9, 9, 9], bytes)]);
    let names = ["flotilla.form", "flotilla.s0", "flotilla.length", "flotilla.payload"];
    let own = [
        "-o",
        "flotilla.own:TRUE",
        "-o",
        "flotilla.s0:1",
        "-o",
        "flotilla.big:TRUE",
        "-o",
        "flotilla.skip:TRUE",
    ];
    assert_eq!(fields(&capture, &own, &names), ["as set|0x42|2|abcd"]);
    assert_eq!(fields(&capture, &[], &names), ["|||"]);
}

#[test]
fn mend_ble_goes_to_wiresharks_own() {
    // An advertisement of channel 37, whitened: ADV_NONCONN_IND of c6:05:04:03:02:01, no data. Bluetooth Core Specification,
    // volume 6, part B, 3.1.1 (CRC) and 3.2 (whitening).
    let pdu = [0x42, 6, 1, 2, 3, 4, 5, 0xc6];
    let mut crc = 0x55_5555_u32;
    for bit in pdu.iter().flat_map(|b| (0..8).map(move |i| u32::from(b >> i & 1))) {
        let feedback = crc >> 23 & 1 ^ bit;
        crc = (crc << 1 & 0xff_ffff) ^ (feedback * 0x65b);
    }
    let crc = crc.reverse_bits() >> 8;
    let mut bytes = [&pdu[..], &crc.to_le_bytes()[..3]].concat();
    let mut lfsr: [u8; 7] = [1, 1, 0, 0, 1, 0, 1]; // positions 0 to 6: 1, then the bits of 37
    for byte in &mut bytes {
        for i in 0..8 {
            let out = lfsr[6];
            lfsr.rotate_right(1);
            lfsr[4] ^= out;
            *byte ^= out << i;
        }
    }
    let capture = capture(vec![frame(Phy::Ble1Mbit, 2402, &[0xd6, 0xbe, 0x89, 0x8e], bytes)]);
    let names = [
        "btle.access_address",
        "btle.advertising_header.pdu_type",
        "btle.advertising_address",
        "flotilla.sender",
    ];
    assert_eq!(fields(&capture, &[], &names), ["0x8e89bed6|0x02|c6:05:04:03:02:01|anna"]);
    let verbose = dissected(&capture, &["-V"]);
    assert!(!verbose.contains("Incorrect"), "{verbose}");
}
