//! FPGA system control and I/O of the MPS2 images (AN385, 3.10): user LEDs and buttons, free-running counters.
//!
//! ## Parameters
//! `clock`: what PSCNTR counts.
//!
//! ## Inputs
//! `button0`, `button1`: 1 while pressed.
//!
//! ## Pins
//! Out: [`LED0`] and one more. In: [`BUTTON0`] and one more, high while pressed.

use super::common::Counter;
use emu_core::{
    device::{Cx, Device, InputState, Pin, ResetKind, View},
    regs,
    regs::Bank,
    time::{Clock, Time},
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 3-13.
    pub enum Reg {
        /// User LEDs.
        Led0 @ 0x000 rw mask 0x3,
        /// User buttons.
        Button @ 0x008 ro,
        /// Counts up at 1 Hz.
        Clk1hz @ 0x010 rw,
        /// Counts up at 100 Hz.
        Clk100hz @ 0x014 rw,
        /// Counts up each time PSCNTR takes PRESCALE.
        Counter @ 0x018 rw,
        /// What PSCNTR takes after zero.
        Prescale @ 0x01c rw,
        /// Counts down.
        Pscntr @ 0x020 rw,
        /// Chip selects and the LCD's control lines.
        Misc @ 0x04c rw mask 0x3fb,
    }
}

/// The first user LED.
pub const LED0: Pin = 0;
/// The first user button.
pub const BUTTON0: Pin = 0;
const LEDS: Pin = 2;
const BUTTONS: Pin = 2;

/// A counter of a fixed rate: it was `value` at `at`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Up {
    value: u32,
    at: Time,
}

impl Up {
    fn new(at: Time) -> Up {
        Up { value: 0, at }
    }
    fn value(&self, hz: u64, now: Time) -> u32 {
        self.value.wrapping_add(Clock::hz(hz).based(self.at, 0).ticks(now) as u32)
    }
}

/// The FPGAIO block.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fpgaio {
    bank: Bank<Reg>,
    clk1hz: Up,
    clk100hz: Up,
    /// COUNTER at the last change of the prescaler.
    counter: u32,
    prescaler: Counter,
    prescale: u32,
    buttons: u32,
}

impl Fpgaio {
    /// An FPGAIO whose prescaler counts at `hz`.
    pub fn new(hz: u64) -> Fpgaio {
        Fpgaio {
            bank: Bank::default(),
            clk1hz: Up::new(Time::ZERO),
            clk100hz: Up::new(Time::ZERO),
            counter: 0,
            prescaler: Counter::new(hz, 0),
            prescale: 0,
            buttons: 0,
        }
    }

    fn counter(&self, now: Time) -> u32 {
        self.counter.wrapping_add(self.prescaler.reloads(now, 1, self.prescale) as u32)
    }

    fn sync(&mut self, now: Time) {
        self.counter = self.counter(now);
        self.prescaler.sync(now, 1, Some(self.prescale));
    }

    fn press(&mut self, button: Pin, down: bool) {
        let bit = 1 << button;
        self.buttons = if down { self.buttons | bit } else { self.buttons & !bit };
        self.bank.put(Reg::Button, self.buttons);
    }

    fn show_leds(&self, cx: &mut Cx) {
        for led in 0..LEDS {
            cx.wire(LED0 + led, self.bank.reg(Reg::Led0) >> led & 1 != 0);
        }
    }
}

impl Device for Fpgaio {
    type Reg = Reg;
    const KIND: &'static str = "arm,mps2-fpgaio";
    const NOT_MODELLED: &'static [&'static str] = &["MISC is kept, but drives no chip select and no LCD"];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        let now = cx.now();
        let new = Fpgaio::new(self.prescaler.hz());
        *self = Fpgaio { clk1hz: Up::new(now), clk100hz: Up::new(now), buttons: self.buttons, ..new };
        self.prescaler.run(true, now);
        self.bank.put(Reg::Button, self.buttons);
        self.show_leds(cx);
    }

    fn read(&mut self, r: Reg, i: usize, cx: &mut Cx) -> u32 {
        let now = cx.now();
        match r {
            Reg::Clk1hz => self.clk1hz.value(1, now),
            Reg::Clk100hz => self.clk100hz.value(100, now),
            Reg::Counter => self.counter(now),
            Reg::Pscntr => self.prescaler.value(now, 1, Some(self.prescale)),
            _ => self.bank.at(r, i),
        }
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        let now = cx.now();
        match r {
            Reg::Led0 => self.show_leds(cx),
            Reg::Clk1hz => self.clk1hz = Up { value: v, at: now },
            Reg::Clk100hz => self.clk100hz = Up { value: v, at: now },
            Reg::Counter => {
                self.sync(now);
                self.counter = v;
            }
            Reg::Prescale => {
                self.sync(now);
                self.prescale = v;
            }
            Reg::Pscntr => {
                self.sync(now);
                self.prescaler.set(now, v);
            }
            Reg::Button | Reg::Misc => {}
        }
    }

    fn wire_in(&mut self, pin: Pin, level: bool, _: &mut Cx) {
        if pin < BUTTONS {
            self.press(pin, level);
        }
    }

    fn input(&mut self, name: &str, value: i64, _: &mut Cx) -> bool {
        let button = match name {
            "button0" => 0,
            "button1" => 1,
            _ => return false,
        };
        self.press(button, value != 0);
        true
    }

    fn inputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("button0", "1 while pressed"), ("button1", "1 while pressed")]
    }

    fn input_state(&self, name: &str) -> Option<InputState> {
        let button = ["button0", "button1"].iter().position(|n| *n == name)?;
        Some(InputState { value: (self.buttons >> button & 1).into(), least: 0, most: 1 })
    }

    fn view(&self, _: Time) -> Option<View> {
        let leds = self.bank.reg(Reg::Led0);
        let level = |led| if leds >> led & 1 != 0 { 255 } else { 0 };
        Some(View::Leds { width: LEDS, levels: (0..LEDS).map(level).collect() })
    }

    fn validate(&self) -> Result<(), String> {
        self.prescaler.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Fpgaio::new(25_000_000));

    fn bench() -> Bench {
        Bench::new(Fpgaio::new(25_000_000))
    }

    #[test]
    fn leds_light_and_are_seen() {
        let mut b = bench();
        b.set(Reg::Led0, 0, 2);
        assert_eq!(b.view(), Some(View::Leds { width: 2, levels: vec![0, 255] }));
        assert_eq!((b.pin(LED0), b.pin(LED0 + 1)), (false, true));
    }

    #[test]
    fn buttons_come_by_name_or_wire_and_survive_a_reset() {
        let mut b = bench();
        assert!(b.input("button1", 1) && !b.input("button2", 1));
        assert_eq!(b.get(Reg::Button, 0), 2);
        b.set_pin(BUTTON0, true);
        b.machine.reset(ResetKind::Pin);
        assert_eq!(b.get(Reg::Button, 0), 3);
        b.input("button1", 0);
        assert_eq!(b.get(Reg::Button, 0), 1);
    }

    #[test]
    fn slow_counters_step_exactly_and_can_be_set() {
        let mut b = bench();
        b.advance(9_999_999);
        assert_eq!(b.get(Reg::Clk100hz, 0), 0);
        b.advance(1);
        assert_eq!((b.get(Reg::Clk100hz, 0), b.get(Reg::Clk1hz, 0)), (1, 0));
        b.advance(990_000_000);
        assert_eq!((b.get(Reg::Clk100hz, 0), b.get(Reg::Clk1hz, 0)), (100, 1));
        b.set(Reg::Clk1hz, 0, u32::MAX);
        b.advance(999_999_999);
        assert_eq!(b.get(Reg::Clk1hz, 0), u32::MAX);
        b.advance(1);
        assert_eq!(b.get(Reg::Clk1hz, 0), 0);
    }

    #[test]
    fn the_cycle_counter_steps_when_the_prescaler_reloads() {
        let mut b = bench();
        b.advance(400);
        assert_eq!(b.get(Reg::Counter, 0), 10); // PRESCALE 0: every cycle
        b.set(Reg::Prescale, 0, 4);
        b.set(Reg::Counter, 0, 0);
        b.set(Reg::Pscntr, 0, 6);
        let mut seen = vec![];
        for _ in 0..13 {
            seen.push((b.get(Reg::Pscntr, 0), b.get(Reg::Counter, 0)));
            b.advance(40);
        }
        let want = [6, 5, 4, 3, 2, 1, 0, 4, 3, 2, 1, 0, 4];
        assert_eq!(seen.iter().map(|s| s.0).collect::<Vec<_>>(), want);
        let want = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2];
        assert_eq!(seen.iter().map(|s| s.1).collect::<Vec<_>>(), want);
        b.set(Reg::Prescale, 0, 24_999_999);
        b.advance(1_000_000_000);
        assert_eq!(b.get(Reg::Counter, 0), 3);
    }
}
