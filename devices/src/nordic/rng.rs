//! RNG (chapter 21): random bytes from thermal noise; here from the machine's seed.

use super::common::{self, Block, raise, update_irq};
use emu_core::{
    device::{Cx, Device, ResetKind},
    events::Tag,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 134.
    pub enum Reg {
        /// Start.
        TasksStart @ 0x000 task,
        /// Stop.
        TasksStop @ 0x004 task,
        /// A new byte is in VALUE.
        EventsValrdy @ 0x100 event,
        /// Shortcuts.
        Shorts @ 0x200 rw mask 0x1 { VALRDY_STOP: 0..1 },
        /// Enable interrupts.
        Intenset @ 0x304 w1s mask 0x1,
        /// Disable interrupts.
        Intenclr @ 0x308 w1c mask 0x1,
        /// Bias correction.
        Config @ 0x504 rw mask 0x1 { DERCEN: 0..1 },
        /// The random byte.
        Value @ 0x508 ro,
        /// Power switch of the block.
        Power @ 0xffc rw reset 0x1 mask 0x1,
    }
}

impl Block for Reg {
    const INTENSET: Reg = Reg::Intenset;
    const INTENCLR: Reg = Reg::Intenclr;
}

const BYTE: Tag = 0;
// nRF51822 product specification v3.1, section 8.17.
const RAW_NS: u64 = 167_000;
const CORRECTED_NS: u64 = 677_000;

/// The random number generator.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rng {
    bank: Bank<Reg>,
    running: bool,
}

impl Rng {
    /// A stopped generator.
    pub fn new() -> Rng {
        Rng::default()
    }

    fn next(&mut self, cx: &mut Cx) {
        cx.after(if self.bank.is(&Config::DERCEN) { CORRECTED_NS } else { RAW_NS }, BYTE);
    }

    fn stop(&mut self, cx: &mut Cx) {
        self.running = false;
        cx.cancel(BYTE);
    }
}

impl Device for Rng {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-rng";
    const NOT_MODELLED: &'static [&'static str] =
        &["the bias of uncorrected bytes", "the jitter of the generation time: it is the typical one"];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        *self = Rng::default();
        update_irq(&self.bank, cx);
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        if !common::write_common(&mut self.bank, r, cx) && r == Reg::Power && v == 0 {
            common::power_off(self, &[BYTE], cx);
            self.bank.put(Reg::Power, 0);
        }
    }

    fn task(&mut self, r: Reg, _: usize, cx: &mut Cx) {
        match r {
            Reg::TasksStart if !self.running => {
                self.running = true;
                self.next(cx);
            }
            Reg::TasksStop => self.stop(cx),
            _ => {}
        }
    }

    fn event(&mut self, _: Tag, cx: &mut Cx) {
        let byte = cx.random() as u8;
        self.bank.put(Reg::Value, u32::from(byte));
        raise(&mut self.bank, Reg::EventsValrdy, 0, cx);
        if self.bank.is(&Shorts::VALRDY_STOP) {
            self.stop(cx);
        } else {
            self.next(cx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nordic::common::IRQ;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Rng::new());

    fn bytes(config: u32, ns: u64, n: usize) -> Vec<u32> {
        let mut b = Bench::new(Rng::new());
        b.set(Reg::Config, 0, config);
        b.set(Reg::Intenset, 0, 1);
        b.set(Reg::TasksStart, 0, 1);
        let one = |_| {
            b.advance(ns - 1);
            assert!(!b.pin(IRQ));
            b.advance(1);
            assert!(b.pin(IRQ));
            b.set(Reg::EventsValrdy, 0, 0);
            b.get(Reg::Value, 0)
        };
        (0..n).map(one).collect()
    }

    #[test]
    fn bytes_come_at_the_rate_of_the_mode_and_differ() {
        let raw = bytes(0, RAW_NS, 200);
        bytes(1, CORRECTED_NS, 10);
        let mut distinct = raw.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() > 100 && raw.iter().all(|v| *v < 256));
        assert_eq!(raw, bytes(0, RAW_NS, 200)); // the seed decides
    }

    #[test]
    fn the_shortcut_stops_after_one_byte() {
        let mut b = Bench::new(Rng::new());
        b.set(Reg::Shorts, 0, 1);
        b.set(Reg::TasksStart, 0, 1);
        b.advance(RAW_NS);
        assert_eq!(b.get(Reg::EventsValrdy, 0), 1);
        b.set(Reg::EventsValrdy, 0, 0);
        b.advance(10 * RAW_NS);
        assert_eq!(b.get(Reg::EventsValrdy, 0), 0);
    }

    #[test]
    fn stop_stops() {
        let mut b = Bench::new(Rng::new());
        b.set(Reg::TasksStart, 0, 1);
        b.set(Reg::TasksStop, 0, 1);
        b.advance(10 * RAW_NS);
        assert_eq!(b.get(Reg::EventsValrdy, 0), 0);
    }
}
