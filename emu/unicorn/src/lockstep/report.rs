//! What the comparison says.

use emu_core::Time;
use std::{collections::BTreeMap, fmt};

/// What was compared, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Instructions whose results were the same.
    pub compared: u64,
    /// Instructions that were not compared, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(super) fn skip(&mut self, reason: &'static str, count: u64) {
        *self.skipped.entry(reason).or_default() += count;
    }

    /// All instructions that were not compared.
    pub fn left_out(&self) -> u64 {
        self.skipped.values().sum()
    }
}

/// A register of both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    /// Name in our target description.
    pub name: &'static str,
    /// Before the instruction.
    pub before: u64,
    /// After it, ours.
    pub ours: u64,
    /// After it, Unicorn's, if it got so far.
    pub theirs: Option<u64>,
}

impl Register {
    /// The sides differ.
    pub fn differs(&self) -> bool {
        self.theirs.is_some_and(|t| t != self.ours)
    }
}

/// The first difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In a few words.
    pub what: String,
    /// Where the instruction stands.
    pub pc: u64,
    /// Our time after it.
    pub at: Time,
    /// Instructions executed so far, this one among them.
    pub number: u64,
    /// Its bytes, or those of its IT block.
    pub code: Vec<u8>,
    /// The same as text, a line for each instruction.
    pub text: Vec<String>,
    /// Program counter, integer and floating-point registers.
    pub registers: Vec<Register>,
    /// Words of memory that differ: address, ours, Unicorn's.
    pub memory: Vec<(u64, u32, u32)>,
}

/// As many words of memory are shown.
const WORDS: usize = 16;

impl Difference {
    /// For people; `place` is the pc with its symbol.
    pub fn show<'a>(&'a self, place: &'a str) -> impl fmt::Display + 'a {
        Shown { d: self, place }
    }
}

struct Shown<'a> {
    d: &'a Difference,
    place: &'a str,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = self.d;
        writeln!(f, "FIRST DIFFERENCE at instruction {}, {} s: {}", d.number, d.at, d.what)?;
        writeln!(f, "  pc     {}", self.place)?;
        let bytes: Vec<_> = d.code.iter().map(|b| format!("{b:02x}")).collect();
        writeln!(f, "  bytes  {}", bytes.join(" "))?;
        for line in &d.text {
            writeln!(f, "         {line}")?;
        }
        writeln!(f, "  {:8}{:>18}{:>18}{:>18}", "", "before", "ours", "Unicorn")?;
        for r in &d.registers {
            let wide = [r.before, r.ours, r.theirs.unwrap_or(0)].iter().any(|v| *v > 0xffff_ffff);
            let hex = |v: u64| if wide { format!("{v:016x}") } else { format!("{v:08x}") };
            let theirs = r.theirs.map_or("-".into(), hex);
            let mark = if r.differs() { "  <- differs" } else { "" };
            writeln!(f, "  {:8}{:>18}{:>18}{theirs:>18}{mark}", r.name, hex(r.before), hex(r.ours))?;
        }
        for (addr, ours, theirs) in d.memory.iter().take(WORDS) {
            let [ours, theirs] = [ours, theirs].map(|v| format!("{v:08x}"));
            writeln!(f, "  [{addr:08x}]{:16}{ours:>18}{theirs:>18}  <- differs", "")?;
        }
        if d.memory.len() > WORDS {
            writeln!(f, "  and {} words more", d.memory.len() - WORDS)?;
        }
        Ok(())
    }
}
