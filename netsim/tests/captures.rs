//! Captures as Wireshark's own dissectors see them.

mod common;

use common::tshark;
use emu_core::{
    Time,
    link::{AirFrame, Msg, Phy},
};
use netsim::{
    Fate, FrameLog,
    ethernet::{EthernetConfig, EthernetFault, EthernetMedium, GATEWAY, LinkConfig},
    line::{LineConfig, LineFault, LineMedium},
    pcapng::{ETHERNET, SERIAL, Writer},
};

/// The fields of each packet, separated by `|`; tshark has nothing to complain about.
fn fields(capture: &[u8], names: &[&str]) -> Vec<String> {
    let mut arguments = vec!["-T", "fields", "-E", "separator=|", "-E", "aggregator=;"];
    for name in names {
        arguments.extend(["-e", name]);
    }
    let (out, complaints) = tshark(capture, &arguments);
    assert_eq!(complaints, "");
    out.lines().map(String::from).collect()
}

fn name(node: u32) -> &'static str {
    match node {
        0 => "anna",
        1 => "bert",
        2 => "carla",
        GATEWAY => "gateway",
        _ => "?",
    }
}

fn mac(node: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, node]
}

/// "Who has 10.0.0.2? Tell 10.0.0.1" from node 0 to all.
fn arp() -> Vec<u8> {
    let mut f = vec![0xff; 6];
    f.extend(mac(0));
    f.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    f.extend(mac(0));
    f.extend([10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    f
}

/// A UDP datagram from node `from` to node `to`, without a checksum, and the IP header's right one.
fn udp(from: u8, to: u8, text: &str) -> Vec<u8> {
    let len = |n: usize| (n as u16).to_be_bytes();
    let mut ip = vec![0x45, 0];
    ip.extend(len(28 + text.len()));
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, from, 10, 0, 0, to]);
    let sum: u32 = ip.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut f = mac(to).to_vec();
    f.extend(mac(from));
    f.extend([8, 0]);
    f.extend(ip);
    f.extend([0x23, 0x28, 0x23, 0x28]); // 9000
    f.extend(len(8 + text.len()));
    f.extend([0, 0]);
    f.extend(text.bytes());
    f
}

fn radio(at: Time, phy: Phy, mhz: u16, address: u64, bytes: Vec<u8>) -> FrameLog {
    let address_len = if phy == Phy::Ieee802154 { 1 } else { 4 };
    let frame = AirFrame { mhz, phy, dbm: -8, address, address_len, bytes, sync_ns: 0, total_ns: 0 };
    let fates = vec![(0, -61, Fate::Received), (2, -97, Fate::TooWeak)];
    FrameLog { at, source: 1, frame, aborted: None, fates }
}

/// Bluetooth Core Specification, volume 6, part B, 3.1.1: the CRC of an advertising channel as it is sent.
fn ble_crc(pdu: &[u8]) -> [u8; 3] {
    let mut crc = 0x55_5555u32;
    for byte in pdu {
        for bit in 0..8 {
            let feedback = crc >> 23 & 1 ^ u32::from(*byte) >> bit & 1;
            crc = crc << 1 & 0xff_ffff ^ if feedback == 1 { 0x65b } else { 0 };
        }
    }
    // The highest bit is sent first.
    [16, 8, 0].map(|shift| ((crc >> shift) as u8).reverse_bits())
}

/// The first bytes of the whitening of channel 37, as published with many implementations.
const WHITE_37: [u8; 16] =
    [0x8d, 0xd2, 0x57, 0xa1, 0x3d, 0xa7, 0x66, 0xb0, 0x75, 0x31, 0x11, 0x48, 0x96, 0x77, 0xf8, 0xe3];

#[test]
fn ethernet_frames_decode_with_names_comments_and_stamps() {
    let mut m = EthernetMedium::new(EthernetConfig::default(), 1);
    (0..3).for_each(|n| m.connect(n, LinkConfig { latency_ns: 1_000, ..LinkConfig::default() }));
    m.log_frames();
    m.act(0, Time(1_000_000_001), &Msg::Frame(arp()));
    m.run_until(Time::secs(2));
    m.fault(Time::secs(2), &EthernetFault::Down { stations: vec![2] });
    m.act(1, Time(2_000_000_003), &Msg::Frame(udp(1, 0, "hello")));
    m.act(0, Time(2_500_000_000), &Msg::Frame(udp(0, 2, "lost")));
    m.run_until(Time::secs(3));
    let mut w = Writer::new("flotilla");
    let lan = w.interface("lan", ETHERNET);
    m.take_log().iter().for_each(|log| w.ethernet(lan, log, name));
    w.release(m.log_horizon());
    let capture = w.take();
    let of =
        ["frame.time_epoch", "frame.interface_name", "_ws.col.Protocol", "frame.comment", "_ws.col.Info"];
    let want = [
        "1.000000001|lan|ARP|from anna;bert at 1.000013: received;carla at 1.000013: received|\
         Who has 10.0.0.2? Tell 10.0.0.1",
        "2.000000003|lan|UDP|from bert;anna at 2.000013: received|9000 ",
        "2.500000000|lan|UDP|from anna;carla at 2.500006: dropped: link down;bert at 2.500013: received|9000 ",
    ];
    let got = fields(&capture, &of);
    assert_eq!(got.len(), 3, "{got:?}");
    for (got, want) in got.iter().zip(want) {
        assert!(got.starts_with(want), "{got}\n{want}");
    }
    let (verbose, complaints) = tshark(&capture, &["-V"]);
    assert_eq!(complaints, "");
    assert!(verbose.contains("Source: 02:00:00:00:00:01"), "{verbose}");
    assert!(
        verbose.contains("Packet comments") && verbose.contains("carla at 2.500006: dropped: link down"),
        "{verbose}"
    );
    assert!(verbose.contains("Data: 68656c6c6f"), "{verbose}");
}

#[test]
fn ble_frames_decode_to_the_advertised_name() {
    let mut pdu = vec![0x42, 12, 1, 2, 3, 4, 5, 0xc6, 5, 0x09, b'f', b'l', b'e', b'x'];
    pdu[1] = pdu.len() as u8 - 2;
    let crc = ble_crc(&pdu);
    pdu.extend(crc);
    pdu.truncate(17);
    let mut air: Vec<u8> = pdu.iter().zip(WHITE_37).map(|(a, b)| a ^ b).collect();
    // The sequence's 17th byte follows from its period of 127 bits: the first bits but one, shifted.
    assert_eq!(pdu.len(), 17);
    let seventeenth = (0..8).fold(0u8, |byte, bit| {
        let at = 128 + bit - 127;
        byte | (WHITE_37[at / 8] >> (at % 8) & 1) << bit
    });
    air.push(pdu[16] ^ seventeenth);
    let mut w = Writer::new("flotilla");
    let ids = w.air_interfaces("air");
    w.air(ids, &radio(Time(5), Phy::Ble1Mbit, 2402, 0x8e89_bed6, air), name);
    w.air(ids, &radio(Time(9), Phy::Ble1Mbit, 2403, 1, vec![1, 2]), name); // No channel of BLE.
    w.release_all();
    let of = [
        "frame.interface_name",
        "_ws.col.Protocol",
        "btle.access_address",
        "btle.advertising_address",
        "btcommon.eir_ad.entry.device_name",
        "btle.crc.incorrect",
        "frame.comment",
    ];
    let comments = "from bert at -8 dBm;anna: received, -61 dBm;carla: dropped: too weak, -97 dBm";
    let got = fields(&w.take(), &of);
    assert_eq!(got[0], format!("air BLE|LE LL|0x8e89bed6|c6:05:04:03:02:01|flex||{comments}"));
    assert_eq!(got[1], format!("air||||||{comments}"));
}

#[test]
fn ieee_802_15_4_frames_decode() {
    // A data frame 0x1234 -> broadcast on PAN 0xbeef, "hi", and its FCS (CRC-16 of ITU-T, 7.2.1.9).
    let mut mac = vec![0x41, 0x88, 7, 0xef, 0xbe, 0xff, 0xff, 0x34, 0x12, b'h', b'i'];
    let crc = mac.iter().fold(0u16, |crc, b| {
        (0..8).fold(crc ^ u16::from(*b), |c, _| if c & 1 == 1 { c >> 1 ^ 0x8408 } else { c >> 1 })
    });
    mac.extend(crc.to_le_bytes());
    mac.insert(0, mac.len() as u8);
    let mut w = Writer::new("flotilla");
    let ids = w.air_interfaces("air");
    w.air(ids, &radio(Time(5), Phy::Ieee802154, 2480, 0xa7, mac), name);
    w.release_all();
    let of = [
        "frame.interface_name",
        "wpan-tap.ch_num",
        "wpan.dst_pan",
        "wpan.src16",
        "wpan.seq_no",
        "wpan.fcs_ok",
    ];
    let got = fields(&w.take(), &of);
    assert_eq!(got, ["air 802.15.4|26|0xbeef|0x1234|7|1"]);
}

#[test]
fn serial_bytes_decode_with_their_direction() {
    let mut m = LineMedium::new(LineConfig::serial(), 1);
    m.log_bytes();
    m.act(0, Time(1_000_002_003), &Msg::Sending { byte: b'A', ns: 86_806 });
    m.act(1, Time(1_000_002_004), &Msg::Sending { byte: b'B', ns: 10_000 });
    m.run_until(Time::secs(2));
    m.fault(Time::secs(2), &LineFault::Cut);
    m.act(1, Time::secs(2), &Msg::Sending { byte: b'C', ns: 10_000 });
    m.run_until(Time::secs(3));
    let mut w = Writer::new("flotilla");
    let uart = w.interface("anna.uart0 - bert.uart1", SERIAL);
    m.take_log().iter().for_each(|log| w.serial(uart, log, ["anna", "bert"]));
    w.release(m.log_horizon());
    let of = [
        "frame.time_epoch",
        "_ws.col.Protocol",
        "rtacser.timestamp",
        "rtacser.eventtype",
        "data.data",
        "frame.comment",
    ];
    let want = [
        "1.000002003|RTAC Serial|1.000002000|0x01|41|from anna;bert at 1.000088: received",
        "1.000002004|RTAC Serial|1.000002000|0x02|42|from bert;anna at 1.000012: received",
        "2.000000000|RTAC Serial|2.000000000|0x02|43|from bert;anna: lost",
    ];
    assert_eq!(fields(&w.take(), &of), want);
}

/// Three media, written in pieces while the run goes on.
fn three_media(pieces: u64) -> Vec<u8> {
    let mut lan = EthernetMedium::new(EthernetConfig::default(), 1);
    (0..3).for_each(|n| lan.connect(n, LinkConfig::default()));
    let mut uart = LineMedium::new(LineConfig::serial(), 1);
    lan.log_frames();
    uart.log_bytes();
    let mut w = Writer::new("flotilla");
    let (on_lan, on_uart, on_air) =
        (w.interface("lan", ETHERNET), w.interface("uart", SERIAL), w.air_interfaces("air"));
    for n in 0..10 {
        lan.act(n % 3, Time::us(n.into()), &Msg::Frame(udp((n % 3) as u8, 255, "x")));
        uart.act(n % 2, Time(u64::from(n) * 700), &Msg::Sending { byte: n as u8, ns: 40_000 });
    }
    let mut capture = vec![];
    let mut sent = 0;
    for piece in 1..=pieces {
        let now = Time(1_000_000 * piece / pieces);
        lan.run_until(now);
        uart.run_until(now);
        lan.take_log().iter().for_each(|log| w.ethernet(on_lan, log, name));
        uart.take_log().iter().for_each(|log| w.serial(on_uart, log, ["anna", "bert"]));
        while sent < 4 && Time(sent * 100_000) < now {
            let phy = if sent == 2 { Phy::Ble1Mbit } else { Phy::Nrf1Mbit };
            w.air(on_air, &radio(Time(sent * 100_000), phy, 2426, 1, vec![1; 20]), name);
            sent += 1;
        }
        w.release(now.min(lan.log_horizon()).min(uart.log_horizon()));
        capture.extend(w.take());
    }
    w.release_all();
    capture.extend(w.take());
    capture
}

#[test]
fn packets_are_in_order_however_often_the_capture_is_written() {
    let capture = three_media(1);
    assert!(three_media(2) == capture && three_media(137) == capture);
    let stamps = fields(&capture, &["frame.time_epoch"]);
    assert!(stamps.len() == 24 && stamps.is_sorted(), "{stamps:?}");
}

#[test]
fn a_capture_is_readable_after_every_packet_and_in_the_middle_of_one() {
    let capture = three_media(1);
    let mut at = 0;
    let mut packets = 0;
    while at < capture.len() {
        let len = u32::from_le_bytes(capture[at + 4..at + 8].try_into().expect("four bytes")) as usize;
        let before = packets;
        packets += usize::from(capture[at] == 6);
        at += len;
        if packets % 5 == 0 || packets < 3 || at == capture.len() {
            assert_eq!(fields(&capture[..at], &["frame.number"]).len(), packets);
        }
        if packets == 7 && before == 6 {
            let (out, complaint) = tshark(&capture[..at - 1], &["-T", "fields", "-e", "frame.number"]);
            assert_eq!(out.lines().count(), before);
            assert!(complaint.contains("cut short"), "{complaint}");
        }
    }
    assert_eq!(packets, 24);
}
