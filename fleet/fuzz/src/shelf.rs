//! The files that inputs may name, and limits on what they ask for.

use devices::board::BoardInfo;
use emu_core::{Machine, Time};
use fleet::{Executor, Fleet, FleetExit, Island, Serial, config::Files, image::Firmware, machines};
use std::cell::Cell;

/// For the nRF51822.
pub const RADIO: &[u8] = include_bytes!("../../../images/guests/hostile/radio.elf");
/// For a Cortex-M3 with a LAN9118.
pub const ETHERNET: &[u8] = include_bytes!("../../../images/guests/hostile/eth-m3.elf");
/// For RV32.
pub const RISCV: &[u8] = include_bytes!("../../../images/guests/bench/wake-rv32.elf");
/// For the micro:bit: prints and sends now and then.
pub const BEACON: &[u8] = include_bytes!("../../../images/guests/beacon/beacon.elf");

/// More nodes are not built: a million of them is right, and slow.
const MOST_NODES: usize = 12;

/// Files by name: what ships by any name that tells for what it is, and a board of one's own.
pub struct Shelf;

impl Files for Shelf {
    fn image(&self, name: &str) -> Result<Vec<u8>, String> {
        let has = |parts: &[&str]| parts.iter().any(|p| name.contains(p));
        let image = match () {
            () if has(&["rv32", "riscv"]) => RISCV,
            () if has(&["eth", "mps2", "bridge", "net", "freertos"]) => ETHERNET,
            () if has(&["beacon"]) => BEACON,
            () if has(&["bit", "radio"]) => RADIO,
            () => return Err(format!("there is no image {name}")),
        };
        Ok(image.to_vec())
    }
    fn board(&self, path: &str) -> Result<String, String> {
        match path {
            "board.toml" => Ok(include_str!("../../../devices/boards/microbit.toml").into()),
            "trace.csv" => Ok("time,value\n0s,1\n5ms,2\n6ms,-1\n".into()),
            _ if path.contains(".fleet.toml") => Ok(include_str!("../seeds/fleet/two.toml").into()),
            _ => Err(format!("there is no file {path}")),
        }
    }
    fn built(&self, _: usize, of: usize) -> Result<(), String> {
        if of > MOST_NODES { Err(format!("{of} nodes are too many here")) } else { Ok(()) }
    }
}

/// The text asks for groups of many nodes, which is right, and slow.
pub fn is_large(text: &str) -> bool {
    let many = |v: Option<i64>| v.is_some_and(|n| n > MOST_NODES as i64);
    let Ok(file) = text.parse::<toml_edit::DocumentMut>() else { return false };
    let Some(groups) = file.get("group").and_then(|g| g.as_table_like()) else { return false };
    groups
        .iter()
        .any(|(_, g)| g.as_table_like().is_some_and(|g| many(g.get("count").and_then(|c| c.as_integer()))))
}

/// Ends a run after so many epochs, which a medium may make as short as a nanosecond.
pub struct Epochs(Cell<u32>);

impl Epochs {
    pub fn new(most: u32) -> Epochs {
        Epochs(Cell::new(most))
    }
}

impl Executor for Epochs {
    fn run(&self, islands: Vec<Box<Island>>, until: Time) -> Vec<Box<Island>> {
        self.0.set(self.0.get().saturating_sub(1));
        Serial.run(islands, until)
    }
    fn interrupted(&self) -> bool {
        self.0.get() == 0
    }
}

/// Runs a fleet a little; nodes may stop on the way. `false`: it took too many epochs.
pub fn run_a_little(fleet: &mut Fleet, ns: u64) -> bool {
    let (end, epochs) = (fleet.now() + ns, Epochs::new(20_000));
    // A node that stops says so once, or when it is asked to go on.
    for _ in 0..4 * MOST_NODES {
        match fleet.run_until(end, &epochs) {
            FleetExit::Interrupted => return false,
            FleetExit::Reached => break,
            _ => {}
        }
    }
    true
}

/// A shipped machine with the guest of ours that suits it.
pub fn machine(board: &str, image: &[u8]) -> (Machine, BoardInfo) {
    let mut board = machines::build(board).expect("it ships");
    let firmware = Firmware::parse_for(&board.info, "guest", image, None).expect("it is ours");
    firmware.load_into(&mut board.machine).expect("it fits");
    (board.machine, board.info)
}

/// Nanoseconds in which any core executes no more than some ten thousand instructions.
pub const SHORT: u64 = 20_000;
