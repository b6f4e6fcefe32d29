//! Drivers that only ever ran in an emulator: what QEMU's LAN9118 lets pass, ours does too.

use crate::desk::Desk;

const PAIR: &str = r#"
[switch.lan]
[node.a]
machine = "mps2-an386"
image = "hasty"
[node.b]
machine = "mps2-an385"
image = "hasty"
"#;

#[test]
fn mend_two_hasty_drivers_find_each_other() {
    let mut desk = Desk::new(PAIR);
    for node in 0..2 {
        assert_eq!(desk.hear(node, "echo 20/20"), "", "nothing wrong before");
    }
    for node in 0..2 {
        let heard = desk.hear(node, "done");
        // One that is a word short mangles itself and takes the next one with it; the others pass.
        for length in 61..=100 {
            let passed = heard.contains(&format!("frame of {length} bytes\r\n"));
            assert_eq!(passed, length == 61 || length % 4 > 1, "node {node}, {length} bytes:\n{heard}");
        }
        assert!(!heard.contains("another length"), "{heard}");
    }
}
