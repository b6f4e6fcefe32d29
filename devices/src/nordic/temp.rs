//! TEMP (chapter 20): die temperature in steps of 0.25 degrees Celsius.
//!
//! ## Inputs
//! `temperature` in thousandths of a degree Celsius; 25 000 until set.

use super::common::{self, Block, raise, update_irq};
use emu_core::{
    device::{Cx, Device, InputState, ResetKind},
    events::Tag,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 127.
    pub enum Reg {
        /// Start a measurement.
        TasksStart @ 0x000 task,
        /// Stop it.
        TasksStop @ 0x004 task,
        /// The measurement is complete.
        EventsDatardy @ 0x100 event,
        /// Enable interrupts.
        Intenset @ 0x304 w1s mask 0x1,
        /// Disable interrupts.
        Intenclr @ 0x308 w1c mask 0x1,
        /// Not in the manual: drivers clear it after reset (product anomaly 31, "calibration values are not loaded").
        Calibration @ 0x504 rw,
        /// The temperature, signed.
        Temp @ 0x508 ro,
        /// Power switch of the block.
        Power @ 0xffc rw reset 0x1 mask 0x1,
    }
}

impl Block for Reg {
    const INTENSET: Reg = Reg::Intenset;
    const INTENCLR: Reg = Reg::Intenclr;
}

const READY: Tag = 0;
// nRF51822 product specification v3.1, section 8.18: t_TEMP.
const MEASURE_NS: u64 = 35_000;

/// The temperature sensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Temp {
    bank: Bank<Reg>,
    milli_celsius: i32,
}

impl Temp {
    /// A sensor at 25 degrees.
    pub fn new() -> Temp {
        Temp { bank: Bank::default(), milli_celsius: 25_000 }
    }
}

impl Default for Temp {
    fn default() -> Self {
        Temp::new()
    }
}

impl Device for Temp {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-temp";
    const NOT_MODELLED: &'static [&'static str] = &["noise and the sensor's error of up to 4 degrees"];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        self.bank.reset();
        update_irq(&self.bank, cx);
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        if !common::write_common(&mut self.bank, r, cx) && r == Reg::Power && v == 0 {
            common::power_off(self, &[READY], cx);
            self.bank.put(Reg::Power, 0);
        }
    }

    fn task(&mut self, r: Reg, _: usize, cx: &mut Cx) {
        match r {
            Reg::TasksStart => cx.after(MEASURE_NS, READY),
            _ => cx.cancel(READY),
        }
    }

    fn event(&mut self, _: Tag, cx: &mut Cx) {
        self.bank.put(Reg::Temp, self.milli_celsius.div_euclid(250) as u32);
        raise(&mut self.bank, Reg::EventsDatardy, 0, cx);
    }

    fn input(&mut self, name: &str, value: i64, _: &mut Cx) -> bool {
        if name == "temperature" {
            self.milli_celsius = value.clamp(-60_000, 150_000) as i32;
        }
        name == "temperature"
    }

    fn inputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("temperature", "0.001 degrees Celsius")]
    }

    fn input_state(&self, name: &str) -> Option<InputState> {
        let value = self.milli_celsius.into();
        (name == "temperature").then_some(InputState { value, least: -60_000, most: 150_000 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nordic::common::IRQ;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Temp::new());

    #[test]
    fn a_measurement_takes_its_time_and_has_quarter_degrees() {
        let mut b = Bench::new(Temp::new());
        b.set(Reg::Intenset, 0, 1);
        for (milli, quarters) in [(25_000, 100), (21_999, 87), (-250, -1), (-100, -1), (-40_000, -160)] {
            assert!(b.input("temperature", milli));
            b.set(Reg::TasksStart, 0, 1);
            b.advance(MEASURE_NS - 1);
            assert!(!b.pin(IRQ));
            b.advance(1);
            assert!(b.pin(IRQ));
            b.set(Reg::EventsDatardy, 0, 0);
            assert_eq!(b.get(Reg::Temp, 0) as i32, quarters);
        }
        assert!(!b.input("pressure", 1));
    }

    #[test]
    fn stop_ends_a_measurement() {
        let mut b = Bench::new(Temp::new());
        b.set(Reg::TasksStart, 0, 1);
        b.set(Reg::TasksStop, 0, 1);
        b.advance(1_000_000);
        assert_eq!(b.get(Reg::EventsDatardy, 0), 0);
    }
}
