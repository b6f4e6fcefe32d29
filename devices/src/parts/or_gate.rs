//! Joins several wires into one: the output is high while any input is. Inputs are pins 0 to 63.
//!
//! ## Not modelled
//! Nothing: it is a gate without delay.

use emu_core::{
    device::{Cx, Device, Pin, ResetKind},
    regs::{Bank, NoRegs},
};
use serde::{Deserialize, Serialize};

/// The output.
pub const OUT: Pin = 0;

/// An OR gate.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OrGate {
    bank: Bank<NoRegs>,
    inputs: u64,
}

impl Device for OrGate {
    type Reg = NoRegs;
    const KIND: &'static str = "core,or";
    const NOT_MODELLED: &'static [&'static str] = &[];

    fn bank(&mut self) -> &mut Bank<NoRegs> {
        &mut self.bank
    }
    fn reset(&mut self, _: ResetKind, _: &mut Cx) {
        // A gate has no reset: it follows its inputs.
    }
    fn wire_in(&mut self, pin: Pin, level: bool, cx: &mut Cx) {
        let bit = 1u64.checked_shl(u32::from(pin)).unwrap_or(0);
        self.inputs = if level { self.inputs | bit } else { self.inputs & !bit };
        cx.wire(OUT, self.inputs != 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_testkit::Bench;

    #[test]
    fn the_output_falls_with_the_last_input() {
        let mut b = Bench::new(OrGate::default());
        for (pin, level, want) in [(0, true, true), (5, true, true), (0, false, true), (5, false, false)] {
            b.set_pin(pin, level);
            assert_eq!(b.pin(OUT), want, "after pin {pin} {level}");
        }
    }
}

#[cfg(test)]
emu_testkit::conformance!(suite, OrGate::default());
