//! The chip's CoreSight identification words at 0xF0000FD0 (nRF51 start-up code reads them to tell the revision and
//! decide on work-arounds for product anomalies).
//!
//! ## Parameters
//! `revision`: upper half of PERIPHERAL ID2, 4 for the third revision (xxAAH0).

use emu_core::{
    device::{Cx, Device, ResetKind},
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// ARM CoreSight identification registers.
    pub enum Reg {
        /// Peripheral ID4.
        Pid4 @ 0xfd0 ro,
        /// Peripheral ID0: part number.
        Pid0 @ 0xfe0 ro reset 0x1,
        /// Peripheral ID1.
        Pid1 @ 0xfe4 ro,
        /// Peripheral ID2: revision in bits 4-7.
        Pid2 @ 0xfe8 ro,
        /// Peripheral ID3.
        Pid3 @ 0xfec ro,
        /// Component ID.
        Cid @ 0xff0 [4, 4] ro,
    }
}

/// The identification words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartId {
    bank: Bank<Reg>,
    revision: u8,
}

impl PartId {
    /// A chip of this revision.
    pub fn new(revision: u8) -> PartId {
        PartId { bank: Bank::default(), revision }
    }
}

impl Device for PartId {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-part-id";
    const NOT_MODELLED: &'static [&'static str] = &["the ROM table's other words"];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, _: &mut Cx) {
        self.bank.reset();
        self.bank.put(Reg::Pid2, u32::from(self.revision & 15) << 4);
        for (i, v) in [0x0d, 0x10, 0x05, 0xb1].into_iter().enumerate() {
            self.bank.put_at(Reg::Cid, i, v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, PartId::new(4));

    #[test]
    fn start_up_code_finds_a_third_revision() {
        let mut b = Bench::new(PartId::new(4));
        assert_eq!((b.r(0xfe0) & 0xff, b.r(0xfe4) & 0xf, b.r(0xfe8) & 0xf0, b.r(0xfec)), (1, 0, 0x40, 0));
    }
}
