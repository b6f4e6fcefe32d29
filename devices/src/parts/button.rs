//! A push button to ground with a pull-up resistor.
//!
//! ## Pins
//! Out: [`CONTACT`], low while pressed.
//!
//! ## Inputs
//! `pressed`: 1 pressed, 0 released.

use emu_core::{
    device::{Cx, Device, InputState, Pin, ResetKind},
    regs::{Bank, NoRegs},
};
use serde::{Deserialize, Serialize};

/// The contact: high released, low pressed.
pub const CONTACT: Pin = 0;

/// A push button.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Button {
    bank: Bank<NoRegs>,
    pressed: bool,
}

impl Button {
    /// A button that nobody presses.
    pub fn new() -> Button {
        Button::default()
    }
}

impl Device for Button {
    type Reg = NoRegs;
    const KIND: &'static str = "parts,button";
    const NOT_MODELLED: &'static [&'static str] = &["bouncing"];

    fn bank(&mut self) -> &mut Bank<NoRegs> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        cx.wire(CONTACT, !self.pressed);
    }

    fn input(&mut self, name: &str, value: i64, cx: &mut Cx) -> bool {
        if name == "pressed" {
            self.pressed = value != 0;
            cx.wire(CONTACT, !self.pressed);
        }
        name == "pressed"
    }

    fn inputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("pressed", "1 pressed, 0 released")]
    }

    fn input_state(&self, name: &str) -> Option<InputState> {
        (name == "pressed").then_some(InputState { value: self.pressed.into(), least: 0, most: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Button::new());

    #[test]
    fn the_contact_is_low_while_pressed_also_over_a_reset() {
        let mut b = Bench::new(Button::new());
        assert!(b.pin(CONTACT));
        assert!(b.input("pressed", 1));
        assert!(!b.pin(CONTACT));
        b.machine.reset(ResetKind::Soft);
        assert!(!b.pin(CONTACT));
        b.input("pressed", 0);
        assert!(b.pin(CONTACT) && !b.input("x", 1));
    }
}
