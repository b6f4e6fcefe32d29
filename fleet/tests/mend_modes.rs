//! User mode and physical memory protection of `riscv32-virt`, as QEMU has them: our guest `modes` tries them at random and
//! prints what each round came to; `modes.expected` is what QEMU 7.2 printed (see images/guests/README.md).

use fleet::{
    FleetExit, Serial,
    config::{self, Files},
};

const GUEST: &[u8] = include_bytes!("../../images/guests/modes/modes.elf");
const EXPECTED: &str = include_str!("../../images/guests/modes/modes.expected");

struct Guest;

impl Files for Guest {
    fn image(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(GUEST.to_vec())
    }
    fn board(&self, path: &str) -> Result<String, String> {
        Err(format!("there is no {path}"))
    }
}

#[test]
fn mend_rv32_modes_and_pmp_are_qemus() {
    let text = "[node.n]\nmachine = \"riscv32-virt\"\nimage = \"modes\"\n";
    let (mut fleet, _) = config::load("fleet.toml", text, None, &Guest).unwrap_or_else(|e| panic!("{e}"));
    let exit = fleet.run_until(emu_core::Time::secs(5), &Serial);
    let said: Vec<u8> = fleet.take_console().iter().map(|b| b.byte).collect();
    let said = String::from_utf8_lossy(&said);
    for (n, (ours, theirs)) in said.lines().zip(EXPECTED.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {}", n + 1);
    }
    assert_eq!(said, EXPECTED);
    assert_eq!(exit, FleetExit::Exited { node: 0, code: 0 });
}
