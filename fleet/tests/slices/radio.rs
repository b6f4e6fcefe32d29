//! MicroPython's `radio` between micro:bits: the RADIO block, the medium, distance and channels.

use crate::desk::{Desk, MS, PROMPT};
use fleet::Act;

/// micro:bits at these distances in metres from the first, with their radios on and set up by a line of their own.
fn radios(metres: &[f64], config: impl Fn(usize) -> String) -> Desk {
    let node = |(i, x): (usize, &f64)| {
        format!(
            "[node.n{i}]\nmachine = \"microbit\"\nimage = \"microbit-micropython\"\nposition = [{x:?}, 0]\n"
        )
    };
    let mut desk = Desk::new(&metres.iter().enumerate().map(node).collect::<String>());
    let all = 0..metres.len() as u32;
    for i in all.clone() {
        desk.hear(i, PROMPT);
        desk.say(i, &format!("import radio; radio.on(); {}\r", config(i as usize)));
    }
    for i in all {
        desk.hear(i, PROMPT);
    }
    desk
}

fn heard(desk: &mut Desk, node: u32) -> String {
    desk.ask(node, "radio.receive_bytes()")
}

#[test]
fn slice_radio_two() {
    let mut desk = radios(&[0.0, 10.0], |_| String::new());
    assert_eq!(heard(&mut desk, 1), "");
    desk.ask(0, "radio.send('hello')");
    assert_eq!(desk.ask(1, "radio.receive()"), "'hello'");
    assert_eq!(heard(&mut desk, 1), "");
    desk.ask(1, "radio.send_bytes(bytes([0, 255, 10, 128]))");
    assert_eq!(heard(&mut desk, 0), r"b'\x00\xff\n\x80'");
    assert_eq!(heard(&mut desk, 1), "", "a sender does not hear itself");
}

#[test]
fn slice_radio_bytes_of_every_length() {
    let mut desk = radios(&[0.0, 3.0], |_| "radio.config(length=251, queue=2)".into());
    for len in [1, 2, 31, 32, 33, 128, 251] {
        desk.ask(0, &format!("radio.send_bytes(bytes([(i * 7 + {len}) & 255 for i in range({len})]))"));
        let right = format!("radio.receive_bytes() == bytes([(i * 7 + {len}) & 255 for i in range({len})])");
        assert_eq!(desk.ask(1, &right), "True", "{len} bytes");
    }
}

#[test]
fn slice_radio_range_and_channel() {
    // Near, another channel, another group, other rate, at the edge, far away.
    let config = |i| {
        let own = ["", "", "channel=8", "group=1", "data_rate=radio.RATE_2MBIT", "", ""][i];
        format!("radio.config({own})")
    };
    let mut desk = radios(&[0.0, 5.0, 5.0, 5.0, 5.0, 20.0, 5000.0], config);
    desk.ask(0, "radio.config(power=6)");
    desk.ask(0, "radio.send_bytes(b'to all')");
    let got: Vec<_> = (1..7).map(|i| heard(&mut desk, i)).collect();
    assert_eq!(got, ["b'to all'", "", "", "", "b'to all'", ""]);
    desk.ask(0, "radio.config(channel=8)");
    desk.ask(0, "radio.send_bytes(b'on eight')");
    let got: Vec<_> = (1..7).map(|i| heard(&mut desk, i)).collect();
    assert_eq!(got, ["", "b'on eight'", "", "", "", ""]);
}

#[test]
fn slice_radio_power_and_movement() {
    let mut desk = radios(&[0.0, 30.0], |_| "radio.config(power=0)".into());
    desk.ask(0, "radio.send('weak')");
    assert_eq!(heard(&mut desk, 1), "", "-30 dBm do not reach 30 m");
    desk.ask(0, "radio.config(power=7)");
    desk.ask(0, "radio.send_bytes(b'strong')");
    assert_eq!(heard(&mut desk, 1), "b'strong'");
    desk.act(1, Act::Move([900.0, 0.0, 0.0]));
    desk.ask(0, "radio.send_bytes(b'away')");
    assert_eq!(heard(&mut desk, 1), "");
    desk.act(1, Act::Move([1.0, 0.0, 0.0]));
    desk.ask(0, "radio.config(power=0)");
    desk.ask(0, "radio.send_bytes(b'near')");
    assert_eq!(heard(&mut desk, 1), "b'near'");
}

#[test]
fn slice_radio_ten() {
    // Ten in a line, 2 m apart; the last two are beyond everybody's reach, number 5 listens to another channel.
    let mut metres: Vec<f64> = (0..10).map(|i| 2.0 * f64::from(i)).collect();
    (metres[8], metres[9]) = (4000.0, 9000.0);
    let mut desk =
        radios(&metres, |i| if i == 5 { "radio.config(channel=60)".into() } else { String::new() });
    for from in [0, 7, 5] {
        let line = format!("radio.send_bytes(bytes([{from}, 1, 2, 254]))");
        desk.ask(from, &line);
        desk.pass(10 * MS);
        for to in 0..10 {
            let reached = from != 5 && to != from && to != 5 && to < 8;
            let want = if reached { format!(r"b'\x{from:02x}\x01\x02\xfe'") } else { String::new() };
            assert_eq!(heard(&mut desk, to), want, "{from} to {to}");
        }
    }
}

#[test]
fn slice_radio_two_send_at_once() {
    // 0 and 2 send in the same instant: 1, in the middle, hears neither; 3, beside 2, hears the stronger.
    let mut desk = radios(&[0.0, 10.0, 20.0, 20.5], |_| "x = 0".into());
    for node in [0, 2] {
        desk.say(node, &format!("radio.send_bytes(b'from {node}')\r"));
    }
    for node in [0, 2] {
        desk.hear(node, PROMPT);
    }
    desk.pass(10 * MS);
    assert_eq!(heard(&mut desk, 1), "");
    assert_eq!(heard(&mut desk, 3), "b'from 2'");
}

#[test]
fn slice_radio_signal_strength() {
    let mut desk = radios(&[0.0, 1.0, 10.0], |_| "x = 0".into());
    desk.ask(0, "radio.send('ping')");
    let rssi = |desk: &mut Desk, i| desk.ask(i, "radio.receive_full()[1]").parse::<i64>().expect("an RSSI");
    let (near, far) = (rssi(&mut desk, 1), rssi(&mut desk, 2));
    assert!((-60..-30).contains(&near) && (-32..=-28).contains(&(far - near)), "{near} {far}");
}
