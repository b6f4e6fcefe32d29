//! Tests of RADIO: exact times, and two radios back to back.

use super::*;
use crate::nordic::common::IRQ;
use emu_core::{device::DevId, fabric::Outgoing, regs::RegSet, rng::Rng};
use emu_testkit::{
    Bench,
    bench::{BASE, RAM},
    conformance,
};
use proptest::prelude::*;

conformance!(conforms, Radio::new());

const TX_PACKET: u64 = RAM + 0x100;
const RX_PACKET: u64 = RAM + 0x800;

fn radio() -> Bench {
    Bench::new(Radio::new())
}

fn task(b: &mut Bench, t: Reg) {
    b.set(t, 0, 1);
}

/// When events happened, in order.
fn events(b: &mut Bench) -> Vec<(u64, Reg)> {
    let rises = b.edges().into_iter().filter(|(_, pin, level)| *level && *pin < IRQ);
    rises.filter_map(|(t, pin, _)| Reg::from_slot(pin).map(|(r, _)| (t.0, r))).collect()
}

/// The configuration of MicroPython's `radio` module for the micro:bit: 5 bytes of address, LENGTH of 8 bits,
/// whitening, CRC-16-CCITT.
fn microbit(b: &mut Bench) {
    b.set(Reg::Txpower, 0, 0);
    b.set(Reg::Frequency, 0, 7);
    b.set(Reg::Mode, 0, 0);
    b.set(Reg::Base0, 0, 0x7562_6974);
    b.set(Reg::Prefix0, 0, 0x12);
    b.set(Reg::Txaddress, 0, 0);
    b.set(Reg::Rxaddresses, 0, 1);
    b.set(Reg::Pcnf0, 0, 8);
    b.set(Reg::Pcnf1, 0, 0x0204_0000 | 32);
    b.set(Reg::Crccnf, 0, 2);
    b.set(Reg::Crcinit, 0, 0xffff);
    b.set(Reg::Crcpoly, 0, 0x11021);
    b.set(Reg::Datawhiteiv, 0, 0x18);
}

fn acts(b: &mut Bench) -> Vec<(u64, RadioAct)> {
    let act = |o: Outgoing| match o.msg {
        Msg::Radio(act) => (o.at.0, act),
        m => panic!("{m:?}"),
    };
    b.sent().into_iter().map(act).collect()
}

/// Sends the packet at [`TX_PACKET`]; returns the first bit's time and the frame.
fn transmit(b: &mut Bench) -> (u64, AirFrame) {
    b.set(Reg::Packetptr, 0, TX_PACKET as u32);
    b.set(Reg::Shorts, 0, 1); // READY_START
    task(b, Reg::TasksTxen);
    b.advance(TX_RAMP_NS);
    let sent = acts(b);
    let [(at, RadioAct::TxStart(frame))] = &sent[..] else { panic!("{sent:?}") };
    (*at, frame.clone())
}

/// Starts the receiver at [`RX_PACKET`].
fn listen(b: &mut Bench) {
    b.set(Reg::Packetptr, 0, RX_PACKET as u32);
    task(b, Reg::TasksRxen);
    b.advance(RX_RAMP_NS);
    task(b, Reg::TasksStart);
    b.sent();
    b.edges();
}

/// The air between two radios: the frame starts now.
fn carry(frame: &AirFrame, b: &mut Bench) {
    b.advance(frame.sync_ns.into());
    let (address, address_len) = (frame.address, frame.address_len);
    let bytes = frame.bytes.len() as u16;
    b.recv(0, Msg::Air(AirEvent::Sync { frame: 5, address, address_len, dbm: -61, bytes }));
    b.advance(u64::from(frame.total_ns - frame.sync_ns));
    b.recv(0, Msg::Air(AirEvent::End { frame: 5, bytes: frame.bytes.clone(), dbm: -61 }));
}

#[test]
fn transmission_is_timed_to_the_bit() {
    let mut b = radio();
    microbit(&mut b);
    b.set_ram(TX_PACKET, b"\x05hello");
    b.set(Reg::Packetptr, 0, TX_PACKET as u32);
    b.set(Reg::Shorts, 0, 0b11); // READY_START, END_DISABLE
    assert_eq!(b.get(Reg::State, 0), 0);
    task(&mut b, Reg::TasksTxen);
    assert_eq!(b.get(Reg::State, 0), 9);
    b.advance(139_999);
    assert!(events(&mut b).is_empty() && b.sent().is_empty());
    b.advance(1);
    assert_eq!(b.get(Reg::State, 0), 11);
    let (at, RadioAct::TxStart(f)) = acts(&mut b).remove(0) else { panic!() };
    assert_eq!((at, f.mhz, f.phy, f.dbm), (140_000, 2407, Phy::Nrf1Mbit, 0));
    // Base address least significant byte first, then the prefix.
    assert_eq!((f.address, f.address_len), (0x12_7562_6974, 5));
    assert_eq!((f.sync_ns, f.total_ns), (48_000, 48_000 + 8 * 8_000));
    b.advance(1_000_000);
    let start = 140_000;
    let want = [
        (start, Reg::EventsReady),
        (start + 48_000, Reg::EventsAddress),
        (start + 96_000, Reg::EventsPayload),
        (start + 112_000, Reg::EventsEnd),
        (start + 118_000, Reg::EventsDisabled),
    ];
    assert_eq!(events(&mut b), want);
    assert_eq!((b.get(Reg::State, 0), b.mistakes()), (0, 0));
    assert!(b.sent().is_empty());
}

#[test]
fn a_microbit_frame_byte_for_byte() {
    let mut b = radio();
    microbit(&mut b);
    b.set_ram(TX_PACKET, b"\x05hello");
    let (_, f) = transmit(&mut b);
    // Computed apart from this code: bits least significant first, CRC-16-CCITT from 0xffff over address, LENGTH
    // and payload, most significant bit first, whitened with x^7+x^4+1 from 0x58.
    assert_eq!(f.bytes, [0x9d, 0x60, 0x41, 0xa7, 0x57, 0x93, 0x82, 0x13]);
}

#[test]
fn two_radios_talk() {
    let (mut a, mut b) = (radio(), radio());
    microbit(&mut a);
    microbit(&mut b);
    b.set(Reg::Intenset, 0, 1 << 3);
    b.set(Reg::Shorts, 0, 1 << 4); // ADDRESS_RSSISTART
    a.set_ram(TX_PACKET, b"\x05hello");
    let (_, frame) = transmit(&mut a);
    listen(&mut b);
    let t0 = b.now().0;
    carry(&frame, &mut b);
    assert_eq!(b.ram(RX_PACKET, 6), b"\x05hello");
    assert_eq!((b.get(Reg::Crcstatus, 0), b.get(Reg::Rxmatch, 0), b.get(Reg::Rssisample, 0)), (1, 0, 61));
    assert!(b.pin(IRQ));
    let want = [
        (t0 + 48_000, Reg::EventsAddress),
        (t0 + 56_800, Reg::EventsRssiend),
        (t0 + 96_000, Reg::EventsPayload),
        (t0 + 112_000, Reg::EventsEnd),
    ];
    assert_eq!(events(&mut b), want);
    assert_eq!(acts(&mut b), [(t0 + 112_000, RadioAct::RxOff)]);
    assert_eq!(b.get(Reg::State, 0), 2);
    task(&mut b, Reg::TasksStart);
    assert_eq!(acts(&mut b).len(), 1);
}

#[test]
fn a_receiver_set_up_otherwise_hears_nothing_or_rubbish() {
    let mut a = radio();
    microbit(&mut a);
    a.set_ram(TX_PACKET, b"\x05hello");
    let (_, frame) = transmit(&mut a);
    let hear = |r: Reg, v: u32| {
        let mut b = radio();
        microbit(&mut b);
        b.set(r, 0, v);
        listen(&mut b);
        carry(&frame, &mut b);
        b.advance(3_000_000);
        (b.get(Reg::EventsAddress, 0), b.get(Reg::EventsEnd, 0), b.get(Reg::Crcstatus, 0))
    };
    assert_eq!(hear(Reg::Crcinit, 0xffff), (1, 1, 1));
    assert_eq!(hear(Reg::Prefix0, 0x13), (0, 0, 0));
    assert_eq!(hear(Reg::Base0, 0x7562_6973), (0, 0, 0));
    assert_eq!(hear(Reg::Rxaddresses, 2), (0, 0, 0));
    assert_eq!(hear(Reg::Pcnf1, 0x0203_0020), (0, 0, 0)); // shorter address
    assert_eq!(hear(Reg::Crcinit, 0xfffe), (1, 1, 0));
    assert_eq!(hear(Reg::Crcpoly, 0x18005), (1, 1, 0));
    assert_eq!(hear(Reg::Crccnf, 3), (1, 1, 0));
    assert_eq!(hear(Reg::Datawhiteiv, 0x19), (1, 1, 0));
    assert_eq!(hear(Reg::Pcnf1, 0x0004_0020), (1, 1, 0)); // no whitening
    assert_eq!(hear(Reg::Pcnf1, 0x0304_0020), (1, 1, 0)); // other bit order
    assert_eq!(hear(Reg::Pcnf1, 0x0204_0004), (1, 1, 0)); // MAXLEN cuts it
}

/// `radio.setGroup` of MakeCode writes PREFIX0 while the receiver is on, and nothing else.
#[test]
fn mend_an_address_written_while_receiving_counts_at_once() {
    let mut a = radio();
    microbit(&mut a);
    a.set_ram(TX_PACKET, b"\x05hello");
    let (_, frame) = transmit(&mut a);
    let mut b = radio();
    microbit(&mut b);
    listen(&mut b);
    let mut hear = |r: Reg, v: u32| {
        b.set(r, 0, v);
        b.set(Reg::EventsEnd, 0, 0);
        carry(&frame, &mut b);
        b.advance(3_000_000);
        let heard = b.get(Reg::EventsEnd, 0);
        if heard == 1 {
            task(&mut b, Reg::TasksStart);
        }
        (heard, b.get(Reg::Rxmatch, 0))
    };
    assert_eq!(hear(Reg::Prefix0, 0x13), (0, 0), "another group");
    assert_eq!(hear(Reg::Prefix0, 0x12), (1, 0), "its own again");
    assert_eq!(hear(Reg::Base0, 0x7562_6973), (0, 0));
    assert_eq!(hear(Reg::Base0, 0x7562_6974), (1, 0));
    assert_eq!(hear(Reg::Rxaddresses, 3), (1, 0));
    assert_eq!(hear(Reg::Base1, 0x7562_6974), (1, 0), "of two that match the first");
    assert_eq!(hear(Reg::Prefix0, 0x1213), (1, 1));
}

/// The line to the CCM: high from the address to the packet in RAM.
#[test]
fn a_packet_under_way_stands_on_a_pin() {
    let (mut a, mut b) = (radio(), radio());
    microbit(&mut a);
    a.set_ram(TX_PACKET, b"\x05hello");
    let (_, frame) = transmit(&mut a);
    microbit(&mut b);
    listen(&mut b);
    let t0 = b.now().0;
    carry(&frame, &mut b);
    let edges: Vec<_> = b.edges().into_iter().filter(|e| e.1 == RECEIVING).map(|e| (e.0.0, e.2)).collect();
    assert_eq!(edges, [(t0 + 48_000, true), (t0 + 112_000, false)]);
    assert!(!a.pin(RECEIVING));
}

#[test]
fn a_packet_longer_than_was_sent_ends_later() {
    let (mut a, mut b) = (radio(), radio());
    for r in [&mut a, &mut b] {
        microbit(r);
        r.set(Reg::Pcnf0, 0, 0);
    }
    a.set(Reg::Pcnf1, 0, 0x0004_0420); // STATLEN 4
    b.set(Reg::Pcnf1, 0, 0x0004_0620); // STATLEN 6
    let (_, frame) = transmit(&mut a);
    listen(&mut b);
    let t0 = b.now().0;
    carry(&frame, &mut b);
    assert_eq!(b.get(Reg::EventsEnd, 0), 0);
    b.advance(1_000_000);
    let end = events(&mut b).last().copied();
    assert_eq!(end, Some((t0 + u64::from(frame.total_ns) + 2 * 8_000, Reg::EventsEnd)));
    assert_eq!(b.get(Reg::Crcstatus, 0), 0);
}

#[test]
fn a_frame_that_breaks_off_ends_in_time_with_a_bad_crc() {
    let (mut a, mut b) = (radio(), radio());
    microbit(&mut a);
    microbit(&mut b);
    a.set_ram(TX_PACKET, b"\x05hello");
    let (_, f) = transmit(&mut a);
    listen(&mut b);
    let t0 = b.now().0;
    b.advance(f.sync_ns.into());
    let sync = AirEvent::Sync {
        frame: 9,
        address: f.address,
        address_len: 5,
        dbm: -50,
        bytes: f.bytes.len() as u16,
    };
    b.recv(0, Msg::Air(sync));
    b.advance(10_000);
    b.recv(0, Msg::Air(AirEvent::Lost { frame: 9 }));
    b.advance(1_000_000);
    assert_eq!(events(&mut b).last().copied(), Some((t0 + u64::from(f.total_ns), Reg::EventsEnd)));
    assert_eq!(b.get(Reg::Crcstatus, 0), 0);
}

#[test]
fn logical_addresses_take_their_bases_and_prefixes() {
    let mut a = radio();
    microbit(&mut a);
    a.set(Reg::Base1, 0, 0xa1b2_c3d4);
    a.set(Reg::Prefix0, 0, 0x3322_1100);
    a.set(Reg::Prefix1, 0, 0x7766_5544);
    a.set(Reg::Pcnf1, 0, 0x0203_0020); // BALEN 3: without the least significant byte
    a.set(Reg::Txaddress, 0, 6);
    let (_, f) = transmit(&mut a);
    assert_eq!((f.address, f.address_len, f.sync_ns), (0x66_a1b2c3, 4, 40_000));
    let mut b = radio();
    microbit(&mut b);
    b.set(Reg::Base1, 0, 0xa1b2_c3ff);
    b.set(Reg::Prefix1, 0, 0x0066_0000);
    b.set(Reg::Pcnf1, 0, 0x0203_0020);
    b.set(Reg::Rxaddresses, 0, 0xc1);
    listen(&mut b);
    carry(&f, &mut b);
    assert_eq!((b.get(Reg::Rxmatch, 0), b.get(Reg::Crcstatus, 0)), (6, 1));
}

#[test]
fn the_ble_advertising_address_is_on_the_air_as_bluetooth_says() {
    let mut b = radio();
    b.set(Reg::Mode, 0, 3);
    b.set(Reg::Pcnf1, 0, 0x0203_0025);
    b.set(Reg::Base0, 0, 0x89be_d600);
    b.set(Reg::Prefix0, 0, 0x8e);
    let (_, f) = transmit(&mut b);
    // 0x8e89bed6, least significant byte first.
    assert_eq!((f.address, f.address_len, f.phy), (0x8e89_bed6, 4, Phy::Ble1Mbit));
}

#[test]
fn bit_rates_scale_the_air_time() {
    for (mode, phy, bit) in [(0, Phy::Nrf1Mbit, 1000), (1, Phy::Nrf2Mbit, 500), (2, Phy::Nrf250Kbit, 4000)] {
        let mut b = radio();
        microbit(&mut b);
        b.set(Reg::Mode, 0, mode);
        let (at, f) = transmit(&mut b);
        assert_eq!((f.phy, f.sync_ns, f.total_ns), (phy, 48 * bit, 72 * bit));
        b.edges();
        b.advance(u64::from(f.total_ns) - 1);
        assert_eq!(b.get(Reg::EventsEnd, 0), 0);
        b.advance(1);
        assert_eq!((b.get(Reg::EventsEnd, 0), b.now().0), (1, at + u64::from(f.total_ns)));
    }
}

#[test]
fn disabling_a_disabled_radio_gives_the_event() {
    let mut b = radio();
    b.set(Reg::Intenset, 0, 1 << 4);
    task(&mut b, Reg::TasksDisable);
    assert_eq!(b.get(Reg::EventsDisabled, 0), 1);
    assert!(b.pin(IRQ));
    b.set(Reg::EventsDisabled, 0, 0);
    assert!(!b.pin(IRQ));
}

#[test]
fn stop_and_disable_end_what_is_on_the_air() {
    let mut b = radio();
    microbit(&mut b);
    transmit(&mut b);
    b.advance(50_000);
    b.edges();
    task(&mut b, Reg::TasksStop);
    assert_eq!((acts(&mut b), b.get(Reg::State, 0)), (vec![(190_000, RadioAct::TxAbort)], 10));
    b.advance(1_000_000);
    assert!(events(&mut b).is_empty());
    task(&mut b, Reg::TasksStart);
    task(&mut b, Reg::TasksDisable);
    assert!(matches!(&acts(&mut b)[..], [(_, RadioAct::TxStart(_)), (_, RadioAct::TxAbort)]));
    b.advance(5_999);
    assert_eq!(b.get(Reg::State, 0), 12);
    b.advance(1);
    assert_eq!((b.get(Reg::State, 0), b.get(Reg::EventsDisabled, 0)), (0, 1));
    listen(&mut b);
    task(&mut b, Reg::TasksDisable);
    assert!(matches!(&acts(&mut b)[..], [(_, RadioAct::RxOff)]));
    b.advance(0);
    assert_eq!(b.get(Reg::State, 0), 0);
}

#[test]
fn tifs_spaces_the_answer() {
    let (mut a, mut b) = (radio(), radio());
    microbit(&mut a);
    microbit(&mut b);
    b.set(Reg::Tifs, 0, 200);
    b.set(Reg::Shorts, 0, 0b111); // READY_START, END_DISABLE, DISABLED_TXEN
    let (_, frame) = transmit(&mut a);
    b.set(Reg::Packetptr, 0, RX_PACKET as u32);
    task(&mut b, Reg::TasksRxen);
    b.advance(RX_RAMP_NS);
    b.sent();
    carry(&frame, &mut b);
    let end = b.now().0;
    b.advance(1_000_000);
    let sent = acts(&mut b);
    assert!(matches!(sent[1], (t, RadioAct::TxStart(_)) if t == end + 200_000), "{sent:?}");
    // Without TIFS the ramp-up alone counts; RX to DISABLED takes no time.
    b.set(Reg::Tifs, 0, 0);
    b.advance(5_000_000);
    let starts = acts(&mut b).into_iter().filter(|a| matches!(a.1, RadioAct::TxStart(_)));
    let starts: Vec<u64> = starts.map(|a| a.0).collect();
    let air = 72_000 + 6_000 + TX_RAMP_NS;
    assert!(starts.windows(2).skip(1).all(|w| w[1] - w[0] == air), "{starts:?}");
}

#[test]
fn signal_strength_of_the_bare_channel_is_asked_for() {
    let mut b = radio();
    microbit(&mut b);
    listen(&mut b);
    let t0 = b.now().0;
    task(&mut b, Reg::TasksRssistart);
    assert_eq!(acts(&mut b), [(t0, RadioAct::Sample)]);
    b.advance(RSSI_NS - 1);
    b.recv(0, Msg::Air(AirEvent::Rssi { dbm: -10 })); // too early: somebody else's
    assert_eq!(b.get(Reg::EventsRssiend, 0), 0);
    b.advance(1);
    b.recv(0, Msg::Air(AirEvent::Rssi { dbm: -93 }));
    assert_eq!((b.get(Reg::EventsRssiend, 0), b.get(Reg::Rssisample, 0)), (1, 93));
    b.set(Reg::EventsRssiend, 0, 0);
    task(&mut b, Reg::TasksRssistart);
    task(&mut b, Reg::TasksRssistop);
    b.advance(RSSI_NS);
    b.recv(0, Msg::Air(AirEvent::Rssi { dbm: -20 }));
    assert_eq!((b.get(Reg::EventsRssiend, 0), b.get(Reg::Rssisample, 0)), (0, 93));
}

#[test]
fn the_bit_counter_counts_from_the_address() {
    let mut b = radio();
    microbit(&mut b);
    b.set(Reg::Bcc, 0, 16);
    b.set_ram(TX_PACKET, b"\x05hello");
    b.set(Reg::Packetptr, 0, TX_PACKET as u32);
    b.set(Reg::Shorts, 0, 0b100_0001); // READY_START, ADDRESS_BCSTART
    task(&mut b, Reg::TasksTxen);
    b.advance(TX_RAMP_NS + 48_000 + 16_000);
    assert_eq!(b.get(Reg::EventsBcmatch, 0), 1);
    b.edges();
    b.set(Reg::Bcc, 0, 24); // a new value within the same packet
    b.advance(8_000);
    assert_eq!(events(&mut b), [(TX_RAMP_NS + 72_000, Reg::EventsBcmatch)]);
    b.set(Reg::Bcc, 0, 1000); // END comes first
    b.advance(2_000_000);
    assert_eq!(events(&mut b).len(), 2); // PAYLOAD, END
}

#[test]
fn device_addresses_match() {
    let (mut a, mut b) = (radio(), radio());
    for r in [&mut a, &mut b] {
        microbit(r);
        r.set(Reg::Pcnf0, 0, 0x0002_0106); // S0 1 byte, LENGTH 6 bits, S1 2 bits: BLE advertising
    }
    a.set_ram(TX_PACKET, &[0x40, 7, 0, 1, 2, 3, 4, 5, 6, 9]);
    let (_, frame) = transmit(&mut a);
    let mut hear = |tx_add: u32, last: u32| {
        b.set(Reg::Dab, 3, 0x0403_0201);
        b.set(Reg::Dap, 3, last);
        b.set(Reg::Dacnf, 0, 1 << 3 | tx_add << 11);
        b.set(Reg::EventsDevmatch, 0, 0);
        b.set(Reg::EventsDevmiss, 0, 0);
        task(&mut b, Reg::TasksDisable);
        b.advance(10_000);
        listen(&mut b);
        carry(&frame, &mut b);
        (b.get(Reg::EventsDevmatch, 0), b.get(Reg::EventsDevmiss, 0), b.get(Reg::Dai, 0))
    };
    assert_eq!(hear(1, 0x0605), (1, 0, 3));
    assert_eq!(hear(0, 0x0605), (0, 1, 3));
    assert_eq!(hear(1, 0x0604), (0, 1, 3));
}

#[test]
fn a_packet_outside_ram_is_a_mistake() {
    for ptr in [0u32, BASE as u32, 0x2000_3ffe, 0x2fff_ffff] {
        let (mut a, mut b) = (radio(), radio());
        microbit(&mut a);
        microbit(&mut b);
        a.set_ram(TX_PACKET, b"\x05hello");
        let (_, frame) = transmit(&mut a);
        listen(&mut b);
        b.set(Reg::Packetptr, 0, ptr);
        task(&mut b, Reg::TasksStart);
        assert_eq!(b.mistakes(), 0);
        carry(&frame, &mut b);
        assert_eq!((b.mistakes(), b.get(Reg::EventsEnd, 0)), (1, 1), "{ptr:#x}");
        if ptr != 0x2000_3ffe {
            a.advance(1_000_000);
            a.set(Reg::Packetptr, 0, ptr);
            task(&mut a, Reg::TasksStart);
            assert_eq!((a.mistakes(), a.get(Reg::State, 0)), (1, 11), "{ptr:#x}");
        }
    }
}

#[test]
fn wrong_tasks_are_mistakes_and_do_nothing() {
    let mut b = radio();
    task(&mut b, Reg::TasksStart);
    assert_eq!((b.mistakes(), b.get(Reg::State, 0)), (1, 0));
    task(&mut b, Reg::TasksTxen);
    task(&mut b, Reg::TasksRxen);
    assert_eq!((b.mistakes(), b.get(Reg::State, 0)), (2, 9));
    b.set(Reg::Power, 0, 0);
    assert_eq!(b.get(Reg::State, 0), 0);
    task(&mut b, Reg::TasksTxen);
    b.advance(1_000_000);
    assert!(b.sent().is_empty());
}

#[test]
fn nothing_is_sent_before_the_promise() {
    // Whatever tasks come and whenever: nothing goes on the air before `now + lookahead` as of any earlier instant.
    let mut rng = Rng::new(11);
    let mut transmissions = 0;
    for _ in 0..200 {
        let mut b = radio();
        microbit(&mut b);
        b.set(Reg::Packetptr, 0, TX_PACKET as u32);
        let mut promised = Time::ZERO;
        for _ in 0..100 {
            let r = rng.next_u64();
            let lookahead = b.machine.bus.device(DevId(0)).unwrap().lookahead();
            promised = promised.max(b.now() + lookahead);
            match r % 4 {
                0 => b.set(Reg::Shorts, 0, (r >> 8) as u32 & 0x2f),
                1 => b.advance((r >> 8) % 150_000),
                _ => b.w(4 * ((r >> 8) as u32 % 5), 1),
            }
            for (t, act) in acts(&mut b) {
                if matches!(act, RadioAct::TxStart(_) | RadioAct::TxAbort) {
                    assert!(t >= promised.0, "{act:?} at {t}, promised {promised}");
                    transmissions += 1;
                }
            }
        }
    }
    assert!(transmissions > 500, "{transmissions}");
}

fn pcnf() -> impl Strategy<Value = [u32; 7]> {
    let p0 = (0..=8u32, 0..=1u32, 0..=8u32).prop_map(|(l, s0, s1)| l | s0 << 8 | s1 << 16);
    let p1 =
        (0..=255u32, 0..=20u32, 0..=4u32, 0..=3u32).prop_map(|(m, s, b, e)| m | s << 8 | b << 16 | e << 24);
    let crc = (0..=3u32, any::<bool>()).prop_map(|(l, s)| l | u32::from(s) << 8);
    (p0, p1, crc, any::<u32>(), any::<u32>(), 0..=63u32, 0..=3u32)
        .prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g])
}

fn configure(b: &mut Bench, c: [u32; 7]) {
    microbit(b);
    let regs = [Reg::Pcnf0, Reg::Pcnf1, Reg::Crccnf, Reg::Crcpoly, Reg::Crcinit, Reg::Datawhiteiv, Reg::Mode];
    regs.into_iter().zip(c).for_each(|(r, v)| b.set(r, 0, v));
}

proptest! {
    #[test]
    fn equal_radios_understand_each_other(c in pcnf(), ram in proptest::collection::vec(any::<u8>(), 258)) {
        let (mut a, mut b) = (radio(), radio());
        configure(&mut a, c);
        configure(&mut b, c);
        a.set_ram(TX_PACKET, &ram);
        let (_, frame) = transmit(&mut a);
        listen(&mut b);
        let t0 = b.now().0;
        carry(&frame, &mut b);
        let end = (t0 + u64::from(frame.total_ns), Reg::EventsEnd);
        let seen = events(&mut b);
        prop_assert_eq!(seen.last().copied(), Some(end));
        let crc_ns = u64::from(c[2] & 3) * 8 * [1000, 500, 4000, 1000][c[6] as usize];
        prop_assert!(seen.contains(&(end.0 - crc_ns, Reg::EventsPayload)));
        prop_assert_eq!(b.get(Reg::Crcstatus, 0), 1);
        // What was sent arrives: fields cut to their widths, payload whole.
        let widths = [8 * (c[0] >> 8 & 1), c[0] & 15, c[0] >> 16];
        let mut at = 0;
        let mut want = vec![];
        for w in widths.into_iter().filter(|w| *w > 0) {
            want.push(ram[at] & ((1u32 << w) - 1) as u8);
            at += 1;
        }
        let length = if c[0] & 15 == 0 { 0 } else { u32::from(want[(c[0] >> 8 & 1) as usize]) };
        let n = (length + (c[1] >> 8 & 255)).min(c[1] & 255) as usize;
        want.extend(&ram[at..at + n]);
        prop_assert_eq!(b.ram(RX_PACKET, want.len()), want);
        prop_assert_eq!((a.mistakes(), b.mistakes()), (0, 0));
    }
}
