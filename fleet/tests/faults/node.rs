//! Faults of single nodes.

use crate::{
    desk::{Desk, MS, PROMPT},
    ways::{beacons, microbits, succeeds},
};
use emu_core::device::View;

const FLASH: usize = 0x40000;

fn flash(desk: &mut Desk) -> Vec<u8> {
    let mut bytes = vec![0; FLASH];
    let node = desk.fleet.node_mut(0).expect("there is one");
    assert_eq!(node.machine.bus.fabric.mem.peek(0, &mut bytes), FLASH);
    bytes
}

const KEPT: [&str; 2] = ["f = open('kept', 'w'); f.write('safe' * 20); f.close()\r", "n = 0\r"];
const WRITING: &str = "while True: f = open('b', 'w'); f.write('x' * 300); f.close(); n = n + 1\r\r";

/// When the firmware, writing files without end, waits for an erasure: its core executes nothing for a while.
fn in_an_erasure() -> (u64, usize, usize) {
    let mut desk = Desk::microbits(1);
    KEPT.iter().for_each(|line| drop(desk.ask(0, line.trim())));
    // The same grid of whole milliseconds as a scenario's.
    desk.say(0, WRITING);
    desk.pass(50 * MS);
    for _ in 0..10_000 {
        let before = desk.fleet.retired();
        desk.pass(5 * MS);
        if desk.fleet.retired() == before {
            let old = flash(&mut desk);
            let at = desk.now();
            desk.act(0, fleet::Act::Power(false));
            desk.pass(MS);
            let new = flash(&mut desk);
            let changed = old.iter().zip(&new).filter(|(a, b)| a != b).count();
            let whole = old.iter().zip(&new).filter(|(a, b)| a != b && **b == 0xff).count();
            return (at, changed, whole);
        }
    }
    panic!("the firmware never erases flash");
}

#[test]
fn fleet_fault_power_cut_in_a_flash_write() {
    let (at, changed, whole) = in_an_erasure();
    assert!(changed > 0 && whole < changed, "no half-erased page at {at} ns: {changed} bytes, {whole} whole");
    let text = microbits(1, &KEPT)
        + &format!(
            r#"
[[step]]
send = "while True: f = open('b', 'w'); f.write('x' * 300); f.close(); n = n + 1\r\r"
[[step]]
at = "{at}ns"
power = "off"
for = "20ms"
[[step]]
state = "off"
[[step]]
state = "running"
# RAM is lost, what was in flash and not just being written is not.
[[step]]
expect = "MicroPython"
[[step]]
expect = ">>> "
[[step]]
send = "n\r"
[[step]]
expect = "NameError"
[[step]]
expect = ">>> "
[[step]]
send = "open('kept').read() == 'safe' * 20\r"
[[step]]
expect = "\nTrue\r\n>>> "
"#
        );
    succeeds(&text, &[]);
}

#[test]
fn fleet_fault_drift_is_seen_in_ticks_ms() {
    let text = microbits(3, &["import utime\r"])
        + r#"
[[step]]
node = "bit.1"
drift = 10000
[[step]]
node = "bit.2"
drift = -10000
[[step]]
send = "utime.ticks_ms()\r"
[[step]]
expect-regex = '\n(?P<before>\d+)\r\n>>> '
[[step]]
wait = "30s"
[[step]]
send = "'gone', utime.ticks_ms() - ${before}\r"
[[step]]
expect-regex = "\n\\('gone', (?P<gone>\\d+)\\)\r\n>>> "
# The firmware's own milliseconds are up to 0.1 % slow.
[[step]]
send = "29900 < ${bit.0.gone} < 30100, 30200 < ${bit.1.gone} < 30400, 29600 < ${bit.2.gone} < 29800\r"
[[step]]
expect = "(True, True, True)"
"#;
    succeeds(&text, &[]);
}

#[test]
fn fleet_fault_a_stuck_button() {
    let text = microbits(1, &["from microbit import *\r"])
        + r#"
# A pressed button pulls the pin low: a pin that is stuck high never sees it.
[[step]]
stick = "gpio.p17"
level = "high"
[[step]]
pin = "gpio.p17"
level = "high"
[[step]]
input = "button-a.pressed"
value = 1
[[step]]
pin = "gpio.p17"
level = "high"
during = "300ms"
[[step]]
send = "button_a.is_pressed(), button_a.was_pressed()\r"
[[step]]
expect = "(False, False)"
[[step]]
stick = "gpio.p17"
level = "free"
[[step]]
wait = "200ms"
[[step]]
send = "button_a.is_pressed()\r"
[[step]]
expect = "\nTrue"
[[step]]
input = "button-a.pressed"
value = 0
# For a while only.
[[step]]
stick = "gpio.p17"
level = "low"
for = "500ms"
[[step]]
wait = "200ms"
[[step]]
send = "button_a.is_pressed()\r"
[[step]]
expect = "\nTrue"
[[step]]
wait = "1s"
[[step]]
send = "button_a.is_pressed()\r"
[[step]]
expect = "\nFalse"
"#;
    succeeds(&text, &[]);
}

#[test]
fn fleet_fault_a_frozen_node_says_nothing_and_is_reset() {
    let text = beacons(2)
        + r#"
[[step]]
expect = "heard"
[[step]]
node = "beacon.1"
expect-regex = 'sent #\d+\r\n'
[[step]]
node = "beacon.1"
freeze = "10s"
# The others go on, and hear nothing of it.
[[step]]
node = "beacon.1"
expect-not = "sent"
during = "5s"
[[step]]
node = "beacon.0"
expect-not = "never"
during = "1ms"
[[step]]
node = "beacon.1"
power-cut = "10ms"
[[step]]
node = "beacon.1"
expect = "sent"
within = "3s"
[[step]]
expect = "heard"
"#;
    succeeds(&text, &[]);
}

#[test]
fn fleet_fault_a_recording_moves_the_accelerometer() {
    // Half a g up and down in x, in g; y and z stay. The firmware's x is the chip's turned round.
    let mut csv = String::from("time,accelerometer.x,accelerometer.y\n");
    for i in 0..40 {
        csv += &format!("{}ms,{},\n", i * 100, if (i / 10) % 2 == 0 { 0.5 } else { -0.5 });
    }
    let text = microbits(1, &["from microbit import *\r"])
        + r#"
[[step]]
trace = "shaken.csv"
scale = 1000
[[step]]
wait = "500ms"
[[step]]
send = "accelerometer.get_x() < -400\r"
[[step]]
expect = "\nTrue"
[[step]]
wait = "1s"
[[step]]
send = "accelerometer.get_x() > 400\r"
[[step]]
expect = "\nTrue"
"#;
    let outcome = succeeds(&text, &[("shaken.csv", csv)]);
    let inputs = outcome.scenario.fleet.journal().iter();
    let moved =
        inputs.filter(|c| matches!(&c.act, fleet::Act::Input { device, .. } if device == "accelerometer"));
    assert!((15..40).contains(&moved.count()));
}

#[test]
fn fleet_fault_a_bit_flip_is_seen_by_the_program() {
    let text = beacons(2)
        + r#"
[[step]]
check = "beacon.*.neighbour_count == 1"
[[step]]
node = "beacon.1"
flip = "neighbour_count"
mask = 4
[[step]]
check = "beacon.1.neighbour_count == 5"
within = "0s"
# It says so in its next beacon.
[[step]]
node = "beacon.0"
expect = "C, 5 near"
[[step]]
node = "beacon.0"
memory = "neighbour_count"
type = "u32"
equals = 1
during = "1s"
"#;
    succeeds(&text, &[]);
}

#[test]
fn fleet_fault_random_flips_come_from_the_seed() {
    let text = beacons(2)
        + r#"
[[step]]
expect = "heard"
[[step]]
node = "beacon.1"
flip = "ram"
random = 8
[[step]]
wait = "10ms"
"#;
    let flips = |text: &str| {
        let outcome = succeeds(text, &[]);
        let acts = outcome.scenario.fleet.journal().iter().filter(|c| c.node == 1).map(|c| c.act.clone());
        acts.collect::<Vec<_>>()
    };
    let (one, other) = (flips(&text), flips(&format!("seed = 2\n{text}")));
    assert_eq!((one.len(), other.len()), (8, 8));
    assert_ne!(one, other);
    for act in one {
        let fleet::Act::FlipBits { addr, mask } = act else { panic!("{act:?}") };
        assert!(
            (0x2000_0000..0x2000_4000).contains(&addr) && mask[0].count_ones() == 1,
            "{addr:#x} {mask:?}"
        );
    }
}

#[test]
fn fleet_fault_schedules_happen_beside_the_steps() {
    let text = beacons(1)
        + r#"
[[fault]]
reset = "pin"
at = "2s"
every = "3s"
times = 3
jitter = "500ms"
[[step]]
repeat = 4
step = [{ expect = "up", within = "4s" }]
[[step]]
expect-not = "up"
during = "5s"
"#;
    let outcome = succeeds(&text.replace("\"up\"", "\"#0\""), &[]);
    let journal = outcome.scenario.fleet.journal();
    let times: Vec<u64> = journal.iter().map(|c| c.at.0 / MS).collect();
    assert_eq!(times.len(), 3);
    for (i, t) in (0..).zip(times) {
        assert!((2000 + 3000 * i..=2500 + 3000 * i).contains(&t), "{t}");
    }
}

#[test]
fn fleet_fault_brown_out_by_an_input_of_the_supply() {
    let text = microbits(1, &["kept = 1\r"])
        + r#"
[[step]]
input = "clock.supply"
value = 1500
[[step]]
wait = "100ms"
[[step]]
input = "clock.supply"
value = 3300
[[step]]
expect = "MicroPython"
[[step]]
expect = ">>> "
[[step]]
send = "kept\r"
[[step]]
expect = "NameError"
"#;
    succeeds(&text, &[]);
}

#[test]
fn fleet_fault_lamps_and_pins_are_seen() {
    let text = microbits(1, &["from microbit import *\r", "display.set_pixel(2, 1, 9)\r"])
        + r#"
[[step]]
lamp = "leds.7"
[[step]]
lamp = "leds.8"
lit = false
during = "200ms"
[[step]]
send = "pin0.write_digital(1)\r"
[[step]]
pin = "gpio.p3"
level = "high"
[[step]]
send = "pin0.write_digital(0)\r"
[[step]]
pin = "gpio.p3"
level = "low"
"#;
    let outcome = succeeds(&text, &[]);
    let node = outcome.scenario.fleet.nodes().next().expect("there is one");
    let Some(View::Leds { levels, .. }) = node.machine.view("leds") else { panic!("no lamps") };
    assert!(levels[7] >= 64 && levels[8] < 64);
    assert!(outcome.report.consoles[0].contains(PROMPT));
}
