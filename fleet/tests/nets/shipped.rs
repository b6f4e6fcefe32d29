//! The scenarios of networks that ship: in every way that must not change them, and on networks that must break them.

use crate::{
    desk::{scenario, scenarios},
    ways::runs_the_same,
};
use fleet::Serial;

#[test]
fn fleet_net_pair() {
    runs_the_same("net-pair.toml");
}

#[test]
fn fleet_net_loss() {
    runs_the_same("net-loss.toml");
}

#[test]
fn fleet_net_gateway() {
    runs_the_same("net-gateway.toml");
}

#[test]
fn fleet_uart_bridge() {
    runs_the_same("uart-bridge.toml");
}

#[test]
fn fleet_uart_bridge_needs_its_lines() {
    let said = fails("uart-bridge.toml", "b = \"bit.uart0.edge\"", "b = \"bit.uart0.edge\"\nloss = 1.0");
    assert!(said.contains("warm in here"), "{said}");
    let said = fails("uart-bridge.toml", "b = \"bridge.exp1\"", "b = \"bridge.exp2\"");
    assert!(said.contains("gpio0.1: 1"), "{said}");
    let said = fails("uart-bridge.toml", "position = [8, 3]", "position = [800, 3]");
    assert!(said.contains("warm in here"), "{said}");
}

#[test]
fn fleet_mesh() {
    runs_the_same("mesh.toml");
}

/// What a scenario says when a line of it is another.
fn fails(name: &str, line: &str, instead: &str) -> String {
    let text = std::fs::read_to_string(scenarios().join(name)).expect(name);
    assert_eq!(text.matches(line).count(), 1, "{name}: {line}");
    let mut s = scenario(name, &text.replace(line, instead));
    let report = s.run(&Serial, &mut ());
    report.failure.unwrap_or_else(|| panic!("{name} succeeds with {instead}")).to_string()
}

#[test]
fn fleet_net_scenarios_need_their_network() {
    let said = fails("net-pair.toml", "[switch.lan]", "[switch.lan]\nloss = 1.0");
    assert!(said.contains("waited for /40 bytes from") && said.contains("3 sent, 0 received"), "{said}");
    let said = fails("net-loss.toml", "loss = 0.01", "loss = 1.0");
    assert!(said.contains("received 200000 bytes"), "{said}");
    // Links without a fault: nothing is sent twice, and the scenario says that it tested nothing.
    let said = fails("net-loss.toml", "loss = 0.01\nreordering = 0.01\ncorruption = 0.002", "loss = 0.0");
    assert!(said.contains("retransmitted"), "{said}");
}
