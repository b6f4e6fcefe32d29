//! Faults of the air.

use crate::ways::{beacons, succeeds};

#[test]
fn fleet_fault_a_burst_of_loss() {
    let text = beacons(3)
        + r#"
[[step]]
expect = "heard"
[[step]]
node = "beacon.0"
loss = 1.0
for = "4s"
[[step]]
[[step.branch]]
step = [{ node = "beacon.0", expect-not = "heard", during = "3900ms" }]
[[step.branch]]
step = [{ node = ["beacon.1", "beacon.2"], expect = "heard", within = "3s" }]
[[step]]
node = "beacon.0"
expect = "heard"
within = "3s"
[[step]]
node = "beacon.0"
counter = "radio.unlucky"
at-least = 4
within = "0s"
[[step]]
node = "beacon.1"
counter = "radio.unlucky"
equals = 0
within = "0s"
"#;
    succeeds(&text, &[]);
}

#[test]
fn fleet_fault_a_partition_and_its_end() {
    let text = beacons(4)
        + r#"
[[step]]
check = "beacon.*.neighbour_count == 3"
[[step]]
partition = [["beacon.0", "beacon.1"], ["beacon.2", "beacon.3"]]
[[step]]
reset = "power"
[[step]]
check = "beacon.*.neighbour_count == 1"
[[step]]
memory = "neighbour_count"
at-most = 1
during = "5s"
[[step]]
counter = "radio.cut-off"
at-least = 1
[[step]]
heal = true
[[step]]
check = "beacon.*.neighbour_count == 3"
"#;
    succeeds(&text, &[]);
}

#[test]
fn fleet_fault_a_node_leaves_and_returns() {
    let text = beacons(2)
        + r#"
[[step]]
expect = "heard"
[[step]]
node = "beacon.1"
present = false
for = "5s"
[[step]]
node = "all"
expect-not = "heard"
during = "4900ms"
[[step]]
expect = "heard"
within = "3s"
"#;
    succeeds(&text, &[]);
}

#[test]
fn fleet_fault_a_jammer_silences_a_channel() {
    // The beacons' channel, whatever it is: all of them are jammed.
    let text = beacons(2)
        + r#"
[[step]]
expect = "heard"
[[step]]
jam = { name = "loud", position = [2, 1], mhz = [2400, 2483], dbm = 20 }
for = "5s"
[[step]]
expect-not = "heard"
during = "4900ms"
[[step]]
expect = "heard"
within = "3s"
[[step]]
jam = { name = "loud", position = [2, 1], mhz = [2400, 2483], dbm = 20 }
[[step]]
expect-not = "heard"
during = "2s"
[[step]]
unjam = "loud"
[[step]]
expect = "heard"
within = "3s"
"#;
    succeeds(&text, &[]);
}

#[test]
fn fleet_fault_a_node_walks_out_of_range() {
    let text = beacons(2).replace("[group", "[radio]\nmodel = \"udgm\"\ntx_range = 20\n[group")
        + r#"
[[step]]
expect = "heard"
# Sixteen metres more at 4 m/s.
[[step]]
node = "beacon.1"
move = [100, 0]
speed = 4
[[step]]
wait = "2s"
[[step]]
expect = "heard"
within = "1500ms"
[[step]]
wait = "2s"
# What was heard until then is read.
[[step]]
expect-regex = '(?s).*'
[[step]]
expect-not = "heard"
during = "4s"
[[step]]
node = "beacon.1"
move = [4, 0]
[[step]]
expect = "heard"
within = "3s"
"#;
    let mut outcome = succeeds(&text, &[]);
    let view = outcome.scenario.fleet.view();
    assert_eq!(view.nodes[1].position, [4.0, 0.0, 0.0]);
}
