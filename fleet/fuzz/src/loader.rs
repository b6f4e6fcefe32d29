//! Image files, for each board that ships.
//!
//! The first byte chooses the board and whether there is an address for a raw binary.

use super::shelf;
use devices::board::BoardInfo;
use emu_core::{Machine, Time};
use fleet::{image::Firmware, machines};
use std::cell::RefCell;

const BOARDS: [&str; 4] = ["microbit", "mps2-an385", "mps2-an500", "riscv32-virt"];

thread_local! {
    static MADE: RefCell<Vec<(Machine, BoardInfo)>> = RefCell::new(
        BOARDS.map(|name| machines::build(name).map(|b| (b.machine, b.info)).expect("it ships")).into(),
    );
}

/// Parses, loads and runs.
pub fn run(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else { return };
    // A file that ships comes as it is.
    let (how, bytes) = if data.starts_with(b"\x7fELF") { (&0, data) } else { (how, bytes) };
    let at = match how >> 3 {
        0 => None,
        n => Some(0x2000_0000u64.wrapping_shl(u32::from(n)) | u64::from(n & 7)),
    };
    let (mut machine, info) = MADE.with_borrow_mut(|all| {
        let (machine, info) = &mut all[usize::from(how & 3)];
        (machine.fork(), info.clone())
    });
    let firmware = match Firmware::parse_for(&info, "fuzz", bytes, at) {
        Ok(firmware) => firmware,
        Err(e) => return assert!(!e.to_string().is_empty()),
    };
    for symbol in firmware.symbols.iter().take(64) {
        assert!(firmware.symbols.find_all(symbol.name).any(|s| s == symbol));
        let _ = firmware.symbols.at(symbol.addr);
    }
    if let Err(e) = firmware.load_into(&mut machine) {
        return assert!(!e.to_string().is_empty());
    }
    machine.power_on(1);
    machine.run_until(Time(shelf::SHORT));
    let _ = machine.digest();
}
