//! ADC (chapter 31): 8, 9 or 10 bits, eight inputs.
//!
//! ## Inputs
//! `ain0` .. `ain7` (P0.26, P0.27, P0.01 .. P0.06), `vdd`, `aref0`, `aref1` in millivolts. Until set: inputs 0, VDD
//! 3000.

use super::common::{self, Block, raise, update_irq};
use emu_core::{
    device::{Cx, Device, InputState, ResetKind},
    events::Tag,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 292.
    pub enum Reg {
        /// Start a conversion.
        TasksStart @ 0x000 task,
        /// Stop it.
        TasksStop @ 0x004 task,
        /// The conversion is complete.
        EventsEnd @ 0x100 event,
        /// Enable interrupts.
        Intenset @ 0x304 w1s mask 0x1,
        /// Disable interrupts.
        Intenclr @ 0x308 w1c mask 0x1,
        /// A conversion is under way.
        Busy @ 0x400 ro,
        /// 1 enables the ADC.
        Enable @ 0x500 rw mask 0x3,
        /// Resolution, input, reference.
        Config @ 0x504 rw reset 0x18 mask 0x3ff7f
            { RES: 0..2, INPSEL: 2..5, REFSEL: 5..7, PSEL: 8..16, EXTREFSEL: 16..18 },
        /// The result.
        Result @ 0x508 ro,
        /// Power switch of the block.
        Power @ 0xffc rw reset 0x1 mask 0x1,
    }
}

impl Block for Reg {
    const INTENSET: Reg = Reg::Intenset;
    const INTENCLR: Reg = Reg::Intenclr;
}

const DONE: Tag = 0;
/// Conversion time in nanoseconds by resolution (nRF51822 product specification v3.1, section 8.15).
const TIME_NS: [u64; 4] = [20_000, 36_000, 68_000, 68_000];
/// Band gap reference in millivolts.
const VBG: u64 = 1200;

const NAMES: [(&str, &str); 11] = [
    ("ain0", "mV"),
    ("ain1", "mV"),
    ("ain2", "mV"),
    ("ain3", "mV"),
    ("ain4", "mV"),
    ("ain5", "mV"),
    ("ain6", "mV"),
    ("ain7", "mV"),
    ("vdd", "mV"),
    ("aref0", "mV"),
    ("aref1", "mV"),
];
const VDD: usize = 8;
const AREF0: usize = 9;

/// The analog to digital converter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Adc {
    bank: Bank<Reg>,
    millivolts: [u16; 11],
}

impl Adc {
    /// A converter at a supply of 3 V.
    pub fn new() -> Adc {
        let mut millivolts = [0; 11];
        millivolts[VDD] = 3000;
        Adc { bank: Bank::default(), millivolts }
    }

    fn mv(&self, i: usize) -> u64 {
        u64::from(self.millivolts[i])
    }

    /// Voltage at the converter as a fraction: millivolts times numerator and denominator of the prescaler.
    fn input_mv(&self) -> Option<(u64, u64, u64)> {
        let pin = || {
            let psel = self.bank.get(&Config::PSEL);
            if psel == 0 { 0 } else { self.mv(psel.trailing_zeros() as usize) }
        };
        match self.bank.get(&Config::INPSEL) {
            0 => Some((pin(), 1, 1)),
            1 => Some((pin(), 2, 3)),
            2 => Some((pin(), 1, 3)),
            5 => Some((self.mv(VDD), 2, 3)),
            6 => Some((self.mv(VDD), 1, 3)),
            _ => None,
        }
    }

    /// Reference voltage as a fraction.
    fn reference(&self) -> (u64, u64) {
        match (self.bank.get(&Config::REFSEL), self.bank.get(&Config::EXTREFSEL)) {
            (0, _) => (VBG, 1),
            (2, _) => (self.mv(VDD), 2),
            (3, _) => (self.mv(VDD), 3),
            (_, 1) => (self.mv(AREF0), 1),
            (_, 2) => (self.mv(AREF0 + 1), 1),
            _ => (0, 1),
        }
    }

    fn convert(&self) -> Option<u32> {
        let (mv, num, den) = self.input_mv()?;
        let (reference, divisor) = self.reference();
        let steps = 1 << (8 + self.bank.get(&Config::RES).min(2));
        let full = reference * den;
        let code = (mv * num * divisor * steps).checked_div(full).unwrap_or(steps);
        Some(code.min(steps - 1) as u32)
    }

    fn start(&mut self, cx: &mut Cx) {
        if self.bank.reg(Reg::Enable) != 1 {
            return cx.guest_error("ADC started while disabled");
        }
        self.bank.put(Reg::Busy, 1);
        cx.after(TIME_NS[self.bank.get(&Config::RES) as usize & 3], DONE);
    }

    fn stop(&mut self, cx: &mut Cx) {
        self.bank.put(Reg::Busy, 0);
        cx.cancel(DONE);
    }
}

impl Default for Adc {
    fn default() -> Self {
        Adc::new()
    }
}

impl Device for Adc {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-adc";
    const NOT_MODELLED: &'static [&'static str] = &[
        "noise, offset and gain errors",
        "the voltage a GPIO output gives an analog pin: inputs are set by name",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        self.bank.reset();
        update_irq(&self.bank, cx);
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        if common::write_common(&mut self.bank, r, cx) {
            return;
        }
        match r {
            Reg::Enable if v != 1 => self.stop(cx),
            Reg::Power if v == 0 => {
                common::power_off(self, &[DONE], cx);
                self.bank.put(Reg::Power, 0);
            }
            _ => {}
        }
    }

    fn task(&mut self, r: Reg, _: usize, cx: &mut Cx) {
        if r == Reg::TasksStart { self.start(cx) } else { self.stop(cx) }
    }

    fn event(&mut self, _: Tag, cx: &mut Cx) {
        self.bank.put(Reg::Busy, 0);
        match self.convert() {
            Some(code) => self.bank.put(Reg::Result, code),
            None => cx.guest_error("ADC INPSEL is reserved"),
        }
        raise(&mut self.bank, Reg::EventsEnd, 0, cx);
    }

    fn input(&mut self, name: &str, value: i64, _: &mut Cx) -> bool {
        let i = NAMES.iter().position(|(n, _)| *n == name);
        if let Some(i) = i {
            self.millivolts[i] = value.clamp(0, 4000) as u16;
        }
        i.is_some()
    }

    fn inputs(&self) -> &'static [(&'static str, &'static str)] {
        &NAMES
    }

    fn input_state(&self, name: &str) -> Option<InputState> {
        let i = NAMES.iter().position(|(n, _)| *n == name)?;
        Some(InputState { value: self.millivolts[i].into(), least: 0, most: 4000 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nordic::common::IRQ;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Adc::new());

    fn convert(b: &mut Bench, config: u32) -> u32 {
        b.set(Reg::Enable, 0, 1);
        b.set(Reg::Config, 0, config);
        b.set(Reg::TasksStart, 0, 1);
        assert_eq!(b.get(Reg::Busy, 0), 1);
        b.advance(68_000);
        assert_eq!((b.get(Reg::Busy, 0), b.get(Reg::EventsEnd, 0)), (0, 1));
        b.set(Reg::EventsEnd, 0, 0);
        b.get(Reg::Result, 0)
    }

    #[test]
    fn codes_follow_input_prescaler_and_reference() {
        let mut b = Bench::new(Adc::new());
        assert!(b.input("ain3", 600) && b.input("ain2", 3000) && !b.input("ain8", 0));
        assert_eq!(convert(&mut b, 8 << 8 | 2), 512); // 0.6 V of 1.2 V, 10 bits
        assert_eq!(convert(&mut b, 8 << 8), 128); // 8 bits
        assert_eq!(convert(&mut b, 8 << 8 | 2 << 2 | 2), 170); // a third
        assert_eq!(convert(&mut b, 4 << 8 | 2 << 2 | 3 << 5 | 2), 1023); // VDD/3 of VDD/3
        assert_eq!(convert(&mut b, 6 << 2 | 2), 853); // supply: 1 V of 1.2 V
        b.input("vdd", 3600);
        assert_eq!(convert(&mut b, 4 << 8 | 2 << 2 | 3 << 5 | 2), 853);
    }

    #[test]
    fn conversion_time_follows_the_resolution() {
        for (res, ns) in [(0, 20_000), (1, 36_000), (2, 68_000)] {
            let mut b = Bench::new(Adc::new());
            b.set(Reg::Intenset, 0, 1);
            b.set(Reg::Enable, 0, 1);
            b.set(Reg::Config, 0, res);
            b.set(Reg::TasksStart, 0, 1);
            b.advance(ns - 1);
            assert!(!b.pin(IRQ));
            b.advance(1);
            assert!(b.pin(IRQ));
        }
    }

    #[test]
    fn disabled_or_stopped_it_does_not_convert() {
        let mut b = Bench::new(Adc::new());
        b.set(Reg::TasksStart, 0, 1);
        assert_eq!((b.get(Reg::Busy, 0), b.mistakes()), (0, 1));
        b.set(Reg::Enable, 0, 1);
        b.set(Reg::TasksStart, 0, 1);
        b.set(Reg::TasksStop, 0, 1);
        b.advance(1_000_000);
        assert_eq!(b.get(Reg::EventsEnd, 0), 0);
    }
}
