//! The dissector that ships shows in Wireshark what nodes sent and heard on the air.

mod program;

use program::{flotilla, live::at_micropython, path};
use std::{collections::BTreeSet, process::Command, time::Duration};

const SCRIPT: &str =
    concat!("lua_script:", env!("CARGO_MANIFEST_DIR"), "/../../docs/wireshark/flotilla-radio.lua");

/// What tshark prints; it has nothing to complain about.
fn tshark(capture: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("tshark");
    let command = command.args(["-n", "-X", SCRIPT, "-r", capture]).args(arguments).env("LC_ALL", "C.UTF-8");
    let run = program::run(command, Duration::from_secs(60));
    let complaints = run.stderr.lines().filter(|l| !l.is_empty() && !l.starts_with("Running as user"));
    assert_eq!(complaints.collect::<Vec<_>>(), [""; 0], "apt-get install tshark");
    String::from_utf8(run.stdout).expect("it prints UTF-8")
}

/// Fields of each packet.
fn fields(capture: &str, names: &[&str]) -> Vec<Vec<String>> {
    let mut arguments = vec!["-T", "fields", "-E", "separator=|", "-E", "aggregator=;"];
    names.iter().for_each(|name| arguments.extend(["-e", name]));
    let text = tshark(capture, &arguments);
    text.lines().map(|l| l.split('|').map(String::from).collect()).collect()
}

/// One of the beacons' frames as one that heard it prints it: who, whose, number, signal, text.
type Heard = (String, String, String, String, String);

#[test]
fn mend_wireshark_shows_what_beacons_heard() {
    let capture = path("mend-wireshark.pcapng");
    let run = flotilla(&["demo", "--for", "3s", "--pcap", &capture]);
    run.ends_with(0);
    let printed = String::from_utf8_lossy(&run.stdout).into_owned();
    // [  0.192274 bit1] beacon fc07: heard 6561 #0 -54 dBm "25.00 C, 0 near"
    let heard = |line: &str| -> Option<Heard> {
        let (head, rest) = line.split_once(": heard ")?;
        let who = head.split_once(']')?.0.rsplit(' ').next()?;
        let (frame, text) = rest.split_once(" dBm \"")?;
        let mut words = frame.split(' ').map(String::from);
        let (whose, number, rssi) = (words.next()?, words.next()?, words.next()?);
        Some((who.into(), whose, number, rssi, text.trim_end_matches('"').into()))
    };
    let wanted: BTreeSet<Heard> = printed.lines().filter_map(heard).collect();
    assert!(wanted.len() >= 10, "{printed}");
    let names =
        ["frequency", "channel", "phy", "power", "address", "length", "crc.ok", "payload", "receiver"];
    let names: Vec<_> = names
        .iter()
        .chain(&["rssi", "fate", "received", "sender"])
        .map(|n| format!("flotilla.{n}"))
        .collect();
    let packets = fields(&capture, &names.iter().map(|n| &n[..]).collect::<Vec<_>>());
    let mut shown: BTreeSet<Heard> = BTreeSet::new();
    for p in &packets {
        assert_eq!(p[..5], ["2407", "7", "0", "0", "1a1107f1be"], "{p:?}");
        assert_eq!((p[5].parse(), &p[6][..]), (Ok(p[7].len() / 2), "1"), "{p:?}");
        let byte = |i: usize| u8::from_str_radix(&p[7][2 * i..2 * i + 2], 16).expect("hexadecimal");
        let text: String = (4..p[7].len() / 2).map(|i| char::from(byte(i))).collect();
        let whose = format!("{:02x}{:02x}", byte(1), byte(0));
        let number = format!("#{}", u16::from_le_bytes([byte(2), byte(3)]));
        let each = |i: usize| p[i].split(';').collect::<Vec<_>>();
        let (who, rssi, fate, received) = (each(8), each(9), each(10), each(11));
        assert!(who.len() == 2 && !who.contains(&&p[12][..]), "{p:?}");
        for i in 0..2 {
            assert_eq!((fate[i] == "received", received[i]), (true, "1"), "{p:?}");
            shown.insert((who[i].into(), whose.clone(), number.clone(), rssi[i].into(), text.clone()));
        }
    }
    // What came in the last instants has not been printed by everybody.
    assert!(wanted.is_subset(&shown) && shown.len() - wanted.len() <= 2, "{wanted:?}\n{shown:?}");
    let verbose = tshark(&capture, &["-V"]);
    for line in [
        "Flotilla radio\n",
        "    Physical layer: Nordic 1 Mbit/s (0)\n",
        "    [Sender: bit0]\n",
        "    [Receiver: bit1: received, -54 dBm]\n",
        "    [CRC is right as sent: True]\n",
    ] {
        assert!(verbose.contains(line), "no {line:?} in {verbose}");
    }
    let list = tshark(&capture, &[]);
    assert!(
        list.contains("bit0 → bit1, bit2   Flotilla")
            && list.contains("19 bytes, Nordic 1 Mbit/s, channel 7"),
        "{list}"
    );
}

#[test]
fn mend_wireshark_shows_what_micropython_sent() {
    let capture = path("mend-wireshark-python.pcapng");
    let lines = [
        "import radio",
        "radio.on()",
        "radio.send('hello you')",
        "radio.config(channel=50, power=0, group=9, data_rate=radio.RATE_2MBIT)",
        "radio.send_bytes(b'\\xff\\x00')",
    ];
    at_micropython(&["--pcap", &capture], &lines);
    let of = ["flotilla.channel", "flotilla.phy", "flotilla.power", "flotilla.payload", "flotilla.length"];
    let of =
        [&of[..], &["flotilla_microbit.protocol", "flotilla_microbit.text", "flotilla.receiver"]].concat();
    let wanted = [
        ["7", "0", "0", "01000168656c6c6f20796f75", "12", "1", "hello you", ""],
        ["50", "1", "-30", "ff00", "2", "", "", ""],
    ];
    assert_eq!(fields(&capture, &of), wanted);
    let list = tshark(&capture, &[]);
    assert!(
        list.contains("nobody") && list.contains("micro:bit \"hello you\", Nordic 1 Mbit/s, channel 7"),
        "{list}"
    );
}
