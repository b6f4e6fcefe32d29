//! A thousand nodes with the same firmware.

use crate::desk::{Desk, MS, PROMPT, S, microbits};
use fleet::NodeState;
use fleet_host::Pool;

#[test]
fn slice_a_thousand_microbits() {
    let mut desk = Desk::new(&(microbits(1000) + "columns = 40\nspacing = 8.0\n"));
    let pool = Pool::new(2);
    desk.fleet.run_until(emu_core::Time(S), &pool);
    let mut said = vec![vec![]; 1000];
    for b in desk.fleet.take_console() {
        said[b.node as usize].push(b.byte);
    }
    assert!(said.iter().all(|t| t.ends_with(PROMPT.as_bytes())));
    // Idle they sleep: far fewer instructions than the 16 million a second of a core that waits in a loop.
    let before = desk.fleet.retired();
    desk.fleet.run_until(emu_core::Time(S + 200 * MS), &pool);
    let each = (desk.fleet.retired() - before) / 1000;
    assert!(each < 100_000, "{each} instructions in 0.2 s");
    let view = desk.fleet.view();
    assert!(view.nodes.iter().all(|n| n.state == NodeState::Running && n.mistakes == 0));
    // One of them speaks.
    assert_eq!(desk.ask(777, "").trim(), "");
    assert_eq!(desk.ask(777, "print(6*7)"), "42");
}
