//! What is soaked.

use fleet::{Fleet, config};

/// A fleet of hostile guests.
pub struct Subject {
    pub name: &'static str,
    /// Longest run in nanoseconds.
    pub most: u64,
    /// A guest measures signal strength.
    pub measures: bool,
    file: &'static str,
}

pub const FLEETS: &[Subject] = &[
    Subject {
        name: "radio",
        most: 12_000_000,
        measures: true,
        file: "[group.bit]\ncount = 4\ncolumns = 2\nspacing = 3.0\nmachine = \"microbit\"\nimage = \"radio\"\n",
    },
    Subject {
        name: "idle",
        most: 60_000_000,
        measures: true,
        file: "[group.bit]\ncount = 6\ncolumns = 2\nspacing = 3.0\nmachine = \"microbit\"\nimage = \"radio-idle\"\n",
    },
    Subject {
        name: "lock",
        most: 12_000_000,
        measures: true,
        file: "[group.bit]\ncount = 3\nspacing = 3.0\nmachine = \"microbit\"\nimage = \"radio-lock\"\n",
    },
    Subject { name: "ethernet", most: 8_000_000, measures: false, file: ETHERNET },
    Subject { name: "islands", most: 8_000_000, measures: true, file: ISLANDS },
    Subject { name: "ends", most: 120_000_000, measures: false, file: ENDS },
    Subject { name: "sleepers", most: 60_000_000, measures: true, file: SLEEPERS },
];

const ETHERNET: &str = r#"
[switch.lan.gateway]
[switch.lan]
loss = 0.05
duplication = 0.1
reordering = 0.1
corruption = 0.05
[node.a]
machine = "mps2-an385"
image = "eth-m3"
[node.b]
machine = "mps2-an386"
image = "eth-m4"
[node.c]
machine = "mps2-an500"
image = "eth-m7"
[node.d]
machine = "mps2-an385"
image = "eth-m3"
"#;

const ISLANDS: &str = r#"
[switch.lan]
[[uart]]
a = "m.uart1"
b = "bit.uart0.edge"
loss = 0.05
bit_errors = 0.01
[[uart]]
a = "m2.uart1"
b = "m3.uart1"
[[wire]]
a = "bit.edge.p2"
b = "m.exp1"
[[wire]]
a = "m.exp2"
b = "m2.exp3"
delay = "1ns"
[[wire]]
a = "bit2.edge.p2"
b = "bit3.edge.p2"
[node.m]
machine = "mps2-an385"
image = "eth-lines"
[node.bit]
machine = "microbit"
image = "radio-lines"
[node.m2]
machine = "mps2-an386"
image = "eth-lines"
[node.m3]
machine = "mps2-an385"
image = "eth-lines"
[node.bit2]
machine = "microbit"
image = "radio-lines"
position = [2, 0]
[node.bit3]
machine = "microbit"
image = "radio"
position = [4, 0]
"#;

/// Guests that end themselves and lock up, two of them at one instant.
const ENDS: &str = r#"
[group.early]
count = 2
machine = "mps2-an385"
image = "end-early"
[node.late]
machine = "mps2-an386"
image = "end-late"
[node.lock]
machine = "mps2-an385"
image = "lock"
"#;

/// Guests without a radio or with the receiver off run ahead of the others.
const SLEEPERS: &str = r#"
[group.wake]
count = 3
machine = "mps2-an385"
image = "bench-wake"
[node.riscv]
machine = "riscv32-virt"
image = "bench-wake-rv32"
[node.late]
machine = "mps2-an386"
image = "end-late"
[group.bit]
count = 3
spacing = 3.0
machine = "microbit"
image = "radio-idle"
"#;

pub fn find(name: &str) -> &'static Subject {
    FLEETS.iter().find(|f| f.name == name).unwrap_or_else(|| panic!("no fleet {name}"))
}

impl Subject {
    pub fn build(&self, seed: u64) -> Fleet {
        let loaded = config::load(self.name, self.file, Some(seed), &Shelf);
        loaded.map(|f| f.0).unwrap_or_else(|e| panic!("{e}"))
    }
}

/// Our hostile guests, which are committed, and the catalogue.
struct Shelf;

impl config::Files for Shelf {
    fn image(&self, name: &str) -> Result<Vec<u8>, String> {
        let hostile = images::guests_dir().join("hostile").join(format!("{name}.elf"));
        if let Ok(bytes) = std::fs::read(hostile) {
            return Ok(bytes);
        }
        let image = images::find(name).map_err(|e| e.to_string())?;
        image.load().map(|b| b.into_owned()).map_err(|e| e.to_string())
    }
    fn board(&self, path: &str) -> Result<String, String> {
        Err(format!("{path}: no boards here"))
    }
}
