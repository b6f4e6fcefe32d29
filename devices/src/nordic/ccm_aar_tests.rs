use super::*;
use crate::nordic::common::IRQ;
use emu_testkit::{Bench, bench::RAM};

emu_testkit::conformance!(conformance, CcmAar::new());

const CONF: u64 = RAM + 0x100;
const IN: u64 = RAM + 0x200;
const OUT: u64 = RAM + 0x300;

fn hex(s: &str) -> Vec<u8> {
    let s: String = s.split_whitespace().collect();
    (0..s.len() / 2).map(|i| u8::from_str_radix(&s[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// The session of the Bluetooth Core specification's sample data (5.0, volume 6, part C, 1): session key and IV, and each
/// packet as counter, direction (1 from the master), header, payload in clear and enciphered with its MIC.
const KEY: &str = "99AD1B52 26A37E3E 058E3B8E 27C2C666";
const IV: &str = "24ABDCBA BEBAAFDE";
const SESSION: [(u64, u8, u8, &str, &str); 4] = [
    (0, 1, 0x0f, "06", "9FCDA7F448"),
    (0, 0, 0x07, "06", "A34C13A415"),
    (
        1,
        1,
        0x0e,
        "1700 6364656667 68696A6B6C 6D6E6F7071 3132333435 3637383930",
        "7A70D66415226DF26B17839A060405596BD6564F796B5B9CE6FF32F75A6D33",
    ),
    (
        1,
        0,
        0x06,
        "1700 3736353433 3231304142 4344454647 48494A4B4C 4D4E4F5051",
        "F38881E7BD94C9C369B9A66846DD4786AA8C39CE540D0DAE3ADCDF89B96088",
    ),
];

fn ccm(mode: u32) -> Bench {
    let mut b = Bench::new(CcmAar::new());
    b.set(Reg::Enable, 0, CCM_ON);
    b.set(Reg::Mode, 0, mode);
    b.set(Reg::Cnfptr, 0, CONF as u32);
    b.set(Reg::Inptr, 0, IN as u32);
    b.set(Reg::Outptr, 0, OUT as u32);
    b.set(Reg::Shorts, 0, 1);
    b
}

fn packet(header: u8, payload: &[u8]) -> Vec<u8> {
    [&[header, payload.len() as u8, 0xaa], payload].concat()
}

fn configure(b: &mut Bench, counter: u64, direction: u8) {
    b.set_ram(CONF, &hex(KEY));
    b.set_ram(CONF + 16, &counter.to_le_bytes());
    b.set_ram(CONF + 24, &[direction]);
    b.set_ram(CONF + 25, &hex(IV));
}

#[test]
fn mend_ccm_enciphers_and_deciphers_bluetooths_sample_data() {
    let (mut tx, mut rx) = (ccm(0), ccm(1));
    tx.set(Reg::Intenset, 0, 2);
    for (counter, direction, header, clear, secret) in SESSION {
        let (clear, secret) = (packet(header, &hex(clear)), packet(header, &hex(secret)));
        configure(&mut tx, counter, direction);
        tx.set_ram(IN, &clear);
        tx.set(Reg::TasksKsgen, 0, 1);
        tx.advance(KSGEN_NS);
        assert_eq!((tx.get(Reg::EventsEndksgen, 0), tx.pin(IRQ)), (1, false));
        tx.advance(4 * BLOCK_NS);
        assert!(tx.pin(IRQ));
        tx.set(Reg::EventsEndcrypt, 0, 0);
        assert_eq!(tx.ram(OUT, secret.len()), secret);

        configure(&mut rx, counter, direction);
        for broken in [false, true] {
            rx.set_ram(IN, &secret);
            if broken {
                rx.set_ram(IN, &[header ^ 1]); // what the MIC covers of the header
            }
            rx.set(Reg::TasksKsgen, 0, 1);
            rx.advance(100_000);
            assert_eq!(rx.get(Reg::EventsEndcrypt, 0), 1);
            rx.set(Reg::EventsEndcrypt, 0, 0);
            assert_eq!(rx.get(Reg::Micstatus, 0), u32::from(!broken));
            assert_eq!(rx.ram(OUT + 1, clear.len() - 1), clear[1..]);
        }
        // NESN, SN and MD change on the way and are not checked.
        rx.set_ram(IN, &[header ^ 0x1c]);
        rx.set(Reg::TasksKsgen, 0, 1);
        rx.advance(100_000);
        assert_eq!(rx.get(Reg::Micstatus, 0), 1);
    }
}

#[test]
fn empty_packets_pass_and_mistakes_are_errors() {
    for mode in [0, 1] {
        let mut b = ccm(mode);
        configure(&mut b, 7, 0);
        b.set_ram(IN, &packet(1, &[]));
        b.set(Reg::TasksCrypt, 0, 1);
        assert_eq!((b.get(Reg::EventsError, 0), b.mistakes()), (1, 1), "no key stream");
        b.set(Reg::TasksKsgen, 0, 1);
        b.advance(100_000);
        assert_eq!((b.ram(OUT, 3), b.get(Reg::Micstatus, 0)), (packet(1, &[]), mode));
        b.set(Reg::EventsError, 0, 0);
        b.set(Reg::Outptr, 0, 0x1000);
        b.set(Reg::TasksKsgen, 0, 1);
        b.advance(100_000);
        assert_eq!(b.get(Reg::EventsError, 0), 1);
        b.set(Reg::EventsEndcrypt, 0, 0);
        b.set(Reg::TasksKsgen, 0, 1);
        b.set(Reg::TasksStop, 0, 1);
        b.advance(100_000);
        assert_eq!(b.get(Reg::EventsEndcrypt, 0), 0);
    }
    let mut b = Bench::new(CcmAar::new());
    b.set(Reg::TasksKsgen, 0, 1);
    b.advance(100_000);
    assert_eq!(b.get(Reg::EventsEndksgen, 0), 0, "nothing is enabled");
}

#[test]
fn what_reads_a_packet_waits_for_its_end_on_the_air() {
    let mut b = ccm(1);
    let (counter, direction, header, clear, secret) = SESSION[0];
    configure(&mut b, counter, direction);
    b.set(Reg::Shorts, 0, 0);
    b.set(Reg::TasksKsgen, 0, 1);
    b.advance(KSGEN_NS);
    b.set_pin(RECEIVING, true);
    b.set(Reg::TasksCrypt, 0, 1);
    b.advance(1_000_000);
    assert_eq!(b.get(Reg::EventsEndcrypt, 0), 0);
    b.set_ram(IN, &packet(header, &hex(secret)));
    b.set_pin(RECEIVING, false);
    b.advance(4 * BLOCK_NS);
    assert_eq!((b.get(Reg::EventsEndcrypt, 0), b.get(Reg::Micstatus, 0)), (1, 1));
    assert_eq!(b.ram(OUT, 4), packet(header, &hex(clear)));
}

/// The sample data of the random address hash function (Core specification 5.0, volume 3, part H, D.7).
#[test]
fn mend_aar_resolves_bluetooths_sample_address() {
    let irk = hex("ec0234a3 57c8ad05 341010a6 0a397d9b");
    let address = hex("aafb0d 948170"); // hash, prand; what goes first on the air first
    let mut b = Bench::new(CcmAar::new());
    b.set(Reg::Enable, 0, AAR_ON);
    b.set(Reg::Cnfptr, 0, CONF as u32);
    b.set(Reg::Outptr, 0, IN as u32 - 3);
    b.set_ram(IN, &address);
    for n in 0..3 {
        b.set_ram(CONF + 16 * n, &[n as u8; 16]);
    }
    b.set_ram(CONF + 16 * 2, &irk);
    for (keys, found) in [(3, true), (2, false), (0, false)] {
        for event in [Reg::EventsEndksgen, Reg::EventsEndcrypt, Reg::EventsError] {
            b.set(event, 0, 0);
        }
        b.set(Reg::Mode, 0, keys);
        b.set(Reg::TasksKsgen, 0, 1);
        b.advance(1_000 + u64::from(keys) * KEY_NS);
        let [end, resolved, not] = [Reg::EventsEndksgen, Reg::EventsEndcrypt, Reg::EventsError];
        let seen = (b.get(end, 0), b.get(resolved, 0), b.get(not, 0));
        assert_eq!(seen, (1, u32::from(found), u32::from(!found)), "{keys} keys");
        assert_eq!(b.get(Reg::Micstatus, 0), if found { 2 } else { 0 });
    }
    b.set_ram(IN + 5, &[0x30]); // not of a resolvable address
    b.set(Reg::Mode, 0, 3);
    b.set(Reg::EventsEndcrypt, 0, 0);
    b.set(Reg::TasksKsgen, 0, 1);
    b.advance(100_000);
    assert_eq!(b.get(Reg::EventsEndcrypt, 0), 0);
}
