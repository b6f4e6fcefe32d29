//! A hole in a board: the address range of a block that is not modelled. It reads as zero, ignores writes and counts
//! both as [`Mistake::Unimplemented`](emu_core::diag::Mistake), where a bus fault would be wrong.
//!
//! ## Parameters
//! `what`: the block's name for people.

use emu_core::{
    device::{Cx, Device, ResetKind},
    regs::{Access, Bank, Map, RegInfo, RegSet, build_map},
};
use serde::{Deserialize, Serialize};

/// Every word of the window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word;

impl RegSet for Word {
    type Words = [u32; 1];
    const TABLE: &'static [RegInfo] = &[RegInfo {
        name: "Word",
        offset: 0,
        count: 1,
        stride: 4,
        access: Access::Rw,
        reset: 0,
        mask: 0,
        doc: &[" Any address of the window."],
        fields: &[],
    }];
    const FIRST: &'static [u16] = &[0, 1];
    fn map() -> &'static Map {
        static MAP: Map = build_map(Word::TABLE);
        &MAP
    }
    fn index(self) -> usize {
        0
    }
    fn from_index(_: usize) -> Word {
        Word
    }
    /// All words share one storage word, which stays zero.
    fn slot(self, _: usize) -> u16 {
        0
    }
    fn decode(off: u32) -> Option<(Word, usize)> {
        Some((Word, (off / 4) as usize))
    }
}

/// A block that is not modelled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unimplemented {
    bank: Bank<Word>,
    what: String,
}

impl Unimplemented {
    /// The place of a block that people call `what`.
    pub fn new(what: &str) -> Unimplemented {
        Unimplemented { bank: Bank::default(), what: what.into() }
    }
}

impl Device for Unimplemented {
    type Reg = Word;
    const KIND: &'static str = "core,unimplemented";
    const NOT_MODELLED: &'static [&'static str] = &["the whole block: it reads as zero and ignores writes"];

    fn bank(&mut self) -> &mut Bank<Word> {
        &mut self.bank
    }
    fn reset(&mut self, _: ResetKind, _: &mut Cx) {
        // There is nothing to reset.
    }
    fn read(&mut self, _: Word, _: usize, cx: &mut Cx) -> u32 {
        cx.unimplemented(self.what.clone());
        0
    }
    fn write(&mut self, _: Word, _: usize, _: u32, cx: &mut Cx) {
        cx.unimplemented(self.what.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_core::diag::Mistake;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Unimplemented::new("tape drive"));

    #[test]
    fn every_access_is_counted_and_reads_zero() {
        let mut b = Bench::new(Unimplemented::new("tape drive"));
        b.w(0x10, 7);
        b.w(0x8000, 7);
        assert_eq!((b.r(0x10), b.r(0x8000)), (0, 0));
        let log: Vec<_> = b.machine.bus.fabric.errors.iter().map(|(_, m, s)| (m.clone(), s.count)).collect();
        assert_eq!(log, [(Mistake::Unimplemented("tape drive".into()), 4)]);
    }
}
