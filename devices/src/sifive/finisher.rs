//! SiFive's test finisher, as QEMU's `virt` machine has it: one register by which a guest ends itself.
//!
//! 0x5555 ends it with exit code 0, 0x3333 with the code in the upper half, 0x7777 resets the machine.

use emu_core::{
    device::{Cx, Device, ResetKind},
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// The register.
    pub enum Reg {
        /// What to do, and an exit code.
        Finish @ 0x000 wo { STATUS: 0..16, CODE: 16..32 },
    }
}

const FAIL: u32 = 0x3333;
const PASS: u32 = 0x5555;
const RESET: u32 = 0x7777;

/// The finisher.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Finisher {
    bank: Bank<Reg>,
}

impl Device for Finisher {
    type Reg = Reg;
    const KIND: &'static str = "sifive,test";
    const NOT_MODELLED: &'static [&'static str] = &[];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, _: &mut Cx) {
        self.bank.reset();
    }

    fn write(&mut self, _: Reg, _: usize, v: u32, cx: &mut Cx) {
        match v & 0xffff {
            PASS => cx.end_run(0),
            FAIL => cx.end_run(v >> 16),
            RESET => cx.reset_machine(ResetKind::Soft),
            other => cx.guest_error(format!("{other:#x} neither passes, fails nor resets")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Finisher::default());

    #[test]
    fn it_ends_and_resets() {
        let mut b = Bench::new(Finisher::default());
        for (v, code) in [(0x5555, 0), (0x0007_3333, 7), (0x5_5555, 0)] {
            b.set(Reg::Finish, 0, v);
            assert_eq!(b.machine.bus.fabric.exit_request.take(), Some(code), "{v:#x}");
        }
        b.set(Reg::Finish, 0, 0x1234);
        assert_eq!((b.mistakes(), b.machine.bus.fabric.exit_request), (1, None));
        assert_eq!(b.machine.bus.fabric.reset_request, None);
        b.set(Reg::Finish, 0, 0x7777);
        assert_eq!(b.machine.bus.fabric.reset_request, Some(ResetKind::Soft));
    }
}
