//! What a guest does wrong: counted, with the first time and place, never a crash.

use crate::{ids::DevId, time::Time};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};

/// A guest's mistake, or something it wanted that is not modelled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Mistake {
    /// Nothing answers at this address.
    Unmapped {
        /// Physical address.
        addr: u64,
        /// A write.
        write: bool,
    },
    /// A write to read-only memory.
    RomWrite {
        /// Physical address.
        addr: u64,
    },
    /// The device has no register here.
    NoRegister {
        /// Offset in the device.
        offset: u32,
        /// A write.
        write: bool,
    },
    /// Read of a write-only or write of a read-only register.
    Direction {
        /// Offset in the device.
        offset: u32,
        /// A write.
        write: bool,
    },
    /// A misuse that the device knows.
    Misuse(Cow<'static, str>),
    /// Something real that is not modelled.
    Unimplemented(Cow<'static, str>),
    /// An instruction that exists, but not on this core. Other mistakes may follow from it.
    Instruction(Cow<'static, str>),
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dir = |write| if write { "write to" } else { "read from" };
        match self {
            Mistake::Unmapped { addr, write } => write!(f, "{} unmapped address {addr:#010x}", dir(*write)),
            Mistake::RomWrite { addr } => write!(f, "write to read-only memory {addr:#010x}"),
            Mistake::NoRegister { offset, write } => write!(f, "{} no register at +{offset:#x}", dir(*write)),
            Mistake::Direction { offset, write: true } => {
                write!(f, "write to read-only register +{offset:#x}")
            }
            Mistake::Direction { offset, .. } => write!(f, "read from write-only register +{offset:#x}"),
            Mistake::Misuse(m) | Mistake::Instruction(m) => f.write_str(m),
            Mistake::Unimplemented(m) => write!(f, "not modelled: {m}"),
        }
    }
}

/// First occurrence and count of one mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// When it happened first.
    pub first: Time,
    /// The program counter then, if a CPU did it.
    pub pc: Option<u64>,
    /// How often.
    pub count: u64,
}

/// More distinct mistakes than this are only counted.
const DISTINCT: usize = 1024;

/// All mistakes of one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorLog {
    seen: BTreeMap<(DevId, Mistake), Stat>,
    /// All of them together.
    pub total: u64,
}

impl ErrorLog {
    /// Counts a mistake.
    pub fn add(&mut self, at: Time, pc: Option<u64>, dev: DevId, what: Mistake) {
        self.total += 1;
        let room = self.seen.len() < DISTINCT;
        match self.seen.entry((dev, what)) {
            std::collections::btree_map::Entry::Occupied(mut e) => e.get_mut().count += 1,
            std::collections::btree_map::Entry::Vacant(e) if room => {
                e.insert(Stat { first: at, pc, count: 1 });
            }
            _ => {}
        }
    }
    /// All distinct mistakes in order of device.
    pub fn iter(&self) -> impl Iterator<Item = (DevId, &Mistake, &Stat)> {
        self.seen.iter().map(|((d, m), s)| (*d, m, s))
    }
}
