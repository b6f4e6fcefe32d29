//! GPIOTE (chapter 15): tasks that drive pins, events from pins.
//!
//! ## Pins
//! In: 0-31 from GPIO's [`SENSED`](super::gpio::SENSED); [`DETECT`] from GPIO's DETECT. Out:
//! [`IRQ`](super::common::IRQ); [`LEVEL`]` + n` and [`OWN`]` + n` to GPIO.

use super::common::{self, Block, raise, update_irq};
use emu_core::{
    device::{Cx, Device, Pin, ResetKind},
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 88.
    pub enum Reg {
        /// Do to the pin of channel n what POLARITY says.
        TasksOut @ 0x000 [4, 4] task,
        /// The edge of channel n was seen.
        EventsIn @ 0x100 [4, 4] event,
        /// DETECT became active.
        EventsPort @ 0x17c event,
        /// Enable interrupts.
        Intenset @ 0x304 w1s mask 0x8000000f,
        /// Disable interrupts.
        Intenclr @ 0x308 w1c mask 0x8000000f,
        /// Channel configuration: MODE 0-1, PSEL 8-12, POLARITY 16-17, OUTINIT 20.
        Config @ 0x510 [4, 4] rw mask 0x131f03,
        /// Power switch of the block.
        Power @ 0xffc rw reset 0x1 mask 0x1,
    }
}

impl Block for Reg {
    const INTENSET: Reg = Reg::Intenset;
    const INTENCLR: Reg = Reg::Intenclr;
}

/// Input: GPIO's DETECT.
pub const DETECT: Pin = 32;
/// Outputs: `LEVEL + n` is the level of pin n while a channel owns it.
pub const LEVEL: Pin = 64;
/// Outputs: `OWN + n` is high while a channel in task mode has pin n.
pub const OWN: Pin = 96;

const MODE_EVENT: u32 = 1;
const MODE_TASK: u32 = 3;
const RISE: u32 = 1;
const FALL: u32 = 2;
const CHANNELS: usize = 4;

/// GPIO tasks and events.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Gpiote {
    bank: Bank<Reg>,
    /// Levels of the pins as seen last.
    seen: u32,
    detect: bool,
    /// Level each channel in task mode drives.
    level: [bool; CHANNELS],
    /// The pin each channel owns.
    owned: [Option<u8>; CHANNELS],
}

impl Gpiote {
    /// All channels disabled.
    pub fn new() -> Gpiote {
        Gpiote::default()
    }

    fn mode(&self, ch: usize) -> u32 {
        self.bank.at(Reg::Config, ch) & 3
    }
    fn pin(&self, ch: usize) -> u8 {
        (self.bank.at(Reg::Config, ch) >> 8 & 31) as u8
    }
    fn polarity(&self, ch: usize) -> u32 {
        self.bank.at(Reg::Config, ch) >> 16 & 3
    }

    fn configure(&mut self, ch: usize, cx: &mut Cx) {
        let wanted = (self.mode(ch) == MODE_TASK).then(|| self.pin(ch));
        if let Some(old) = self.owned[ch].filter(|p| Some(*p) != wanted) {
            self.owned[ch] = None;
            if !self.owned.contains(&Some(old)) {
                cx.wire(OWN + u16::from(old), false);
            }
        }
        if let (Some(pin), true) = (wanted, self.owned[ch].is_none()) {
            self.owned[ch] = Some(pin);
            self.level[ch] = self.bank.at(Reg::Config, ch) >> 20 & 1 != 0;
            // The level first: the pin must not glitch.
            cx.wire(LEVEL + u16::from(pin), self.level[ch]);
            cx.wire(OWN + u16::from(pin), true);
        }
    }

    fn edge(&mut self, pin: u8, level: bool, cx: &mut Cx) {
        let edge = if level { RISE } else { FALL };
        for ch in 0..CHANNELS {
            if self.mode(ch) == MODE_EVENT && self.pin(ch) == pin && self.polarity(ch) & edge != 0 {
                raise(&mut self.bank, Reg::EventsIn, ch, cx);
            }
        }
    }
}

impl Device for Gpiote {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-gpiote";
    const NOT_MODELLED: &'static [&'static str] =
        &["the sampling of inputs at 16 MHz: an edge is seen at once"];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        for n in 0..32 {
            cx.wire(OWN + n, false);
            cx.wire(LEVEL + n, false);
        }
        *self = Gpiote { seen: self.seen, detect: self.detect, ..Gpiote::default() };
        update_irq(&self.bank, cx);
    }

    fn write(&mut self, r: Reg, i: usize, v: u32, cx: &mut Cx) {
        if common::write_common(&mut self.bank, r, cx) {
            return;
        }
        match r {
            Reg::Config => self.configure(i, cx),
            Reg::Power if v == 0 => {
                common::power_off(self, &[], cx);
                self.bank.put(Reg::Power, 0);
            }
            _ => {}
        }
    }

    fn task(&mut self, _: Reg, ch: usize, cx: &mut Cx) {
        let Some(pin) = self.owned[ch] else { return };
        self.level[ch] = match self.polarity(ch) {
            RISE => true,
            FALL => false,
            3 => !self.level[ch],
            _ => return,
        };
        cx.wire(LEVEL + u16::from(pin), self.level[ch]);
    }

    fn wire_in(&mut self, pin: Pin, level: bool, cx: &mut Cx) {
        match pin {
            0..32 if (self.seen >> pin & 1 != 0) != level => {
                self.seen ^= 1 << pin;
                self.edge(pin as u8, level, cx);
            }
            DETECT if level != self.detect => {
                self.detect = level;
                if level {
                    raise(&mut self.bank, Reg::EventsPort, 0, cx);
                }
            }
            _ => {}
        }
    }

    fn validate(&self) -> Result<(), String> {
        let sane = self.owned.iter().flatten().all(|p| *p < 32);
        if sane { Ok(()) } else { Err("GPIOTE owns a pin that is not there".into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nordic::common::IRQ;
    use emu_core::{device::DevId, ids::Sink, regs::RegSet};
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Gpiote::new());

    fn bench() -> Bench {
        let mut b = Bench::new(Gpiote::new());
        for n in LEVEL..OWN + 32 {
            b.machine.bus.connect((DevId(0), n), Sink::Irq(0, n));
        }
        b
    }

    #[test]
    fn events_follow_the_polarity() {
        for (polarity, rises, falls) in [(1, 1, 0), (2, 0, 1), (3, 1, 1), (0, 0, 0)] {
            let mut b = bench();
            b.set(Reg::Config, 2, MODE_EVENT | 17 << 8 | polarity << 16);
            b.set_pin(16, true);
            b.set_pin(17, true);
            assert_eq!(b.pulses(Reg::EventsIn.slot(2)).len(), rises);
            b.edges();
            b.set_pin(17, false);
            assert_eq!(b.pulses(Reg::EventsIn.slot(2)).len(), falls);
        }
    }

    #[test]
    fn the_interrupt_is_immediate_and_every_edge_pulses() {
        let mut b = bench();
        b.set(Reg::Intenset, 0, 1);
        b.set(Reg::Config, 0, MODE_EVENT | 5 << 8 | 1 << 16);
        b.set_pin(5, true);
        assert!(b.pin(IRQ));
        b.set_pin(5, false);
        b.set_pin(5, true);
        assert_eq!(b.pulses(Reg::EventsIn.slot(0)).len(), 2);
        b.set(Reg::EventsIn, 0, 0);
        assert!(!b.pin(IRQ));
    }

    #[test]
    fn detect_is_the_port_event() {
        let mut b = bench();
        b.set(Reg::Intenset, 0, 1 << 31);
        b.set_pin(DETECT, true);
        assert!(b.pin(IRQ));
        b.set(Reg::EventsPort, 0, 0);
        b.set_pin(DETECT, false);
        assert!(!b.pin(IRQ));
    }

    #[test]
    fn tasks_drive_the_pin_they_own() {
        let mut b = bench();
        b.set(Reg::Config, 1, MODE_TASK | 3 << 8 | 3 << 16 | 1 << 20);
        assert!(b.pin(LEVEL + 3) && b.pin(OWN + 3));
        b.set(Reg::TasksOut, 1, 1);
        assert!(!b.pin(LEVEL + 3));
        b.set(Reg::TasksOut, 1, 1);
        assert!(b.pin(LEVEL + 3));
        b.set(Reg::Config, 1, MODE_TASK | 3 << 8 | 2 << 16); // keeps the pin and its level
        assert!(b.pin(LEVEL + 3));
        b.set(Reg::TasksOut, 1, 1);
        assert!(!b.pin(LEVEL + 3));
        b.set(Reg::Config, 1, 0);
        assert!(!b.pin(OWN + 3));
        b.set(Reg::TasksOut, 0, 1);
        assert_eq!(b.mistakes(), 0);
    }
}
