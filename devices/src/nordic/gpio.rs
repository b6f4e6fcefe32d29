//! GPIO (chapter 14): 32 pins with pulls, drive modes, input buffers and the DETECT signal.
//!
//! ## Parameters
//! `driven`: a mask of pins that something outside drives from power-on; they start low, those of `driven_high` high (as the
//! idle line of a serial port does). Others float until their
//! wire changes or an input is set, and then show their pull. `pull_ups`: a mask of pins with a pull-up resistor on
//! the board, weaker than the chip's pulls.
//!
//! ## Pins
//! Out: 0-31 what the chip drives (or pulls) on each pin; [`DETECT`]; [`SENSED`]` + n` pin n as IN shows it, for
//! GPIOTE. In: 0-31 what the outside drives; [`TASK_OWN`]` + n` and [`TASK_LEVEL`]` + n` from GPIOTE's
//! [`OWN`](super::gpiote::OWN) and [`LEVEL`](super::gpiote::LEVEL).
//!
//! ## Ports
//! 0-31: the pins that the board leads out. `Level` goes out when what the chip drives changes and another machine
//! listens (`None`: the chip does not drive, its pull does not count); `Level` that comes in drives the pin.
//!
//! ## Inputs
//! `p0` .. `p31`: 0 or 1 drives the pin, -1 lets it float.

use emu_core::{
    device::{Cx, Device, InputState, Pin, Port, ResetKind},
    link::Msg,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 83; offsets from 0x50000000.
    pub enum Reg {
        /// Output values.
        Out @ 0x504 rw,
        /// Sets output values.
        Outset @ 0x508 w1s,
        /// Clears output values.
        Outclr @ 0x50c w1c,
        /// Input values.
        In @ 0x510 ro,
        /// Directions, 1 output.
        Dir @ 0x514 rw,
        /// Makes outputs.
        Dirset @ 0x518 w1s,
        /// Makes inputs.
        Dirclr @ 0x51c w1c,
        /// Pin configuration: DIR 0, INPUT 1 (1: disconnected), PULL 2-3, DRIVE 8-10, SENSE 16-17.
        PinCnf @ 0x700 [32, 4] rw reset 0x2 mask 0x3070f,
    }
}

/// Output: some pin is at its sense level (14.2.4).
pub const DETECT: Pin = 32;
/// Outputs: pin n as the input buffer shows it is `SENSED + n`.
pub const SENSED: Pin = 64;
/// Inputs: `TASK_OWN + n` is high while GPIOTE drives pin n.
pub const TASK_OWN: Pin = 32;
/// Inputs: `TASK_LEVEL + n` is the level GPIOTE gives pin n.
pub const TASK_LEVEL: Pin = 64;

const PULL_DOWN: u32 = 1;
const PULL_UP: u32 = 3;

/// The pins; every mask has bit n for pin n.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gpio {
    bank: Bank<Reg>,
    pull_ups: u32,
    /// Pins the outside drives, and how.
    ext_driven: u32,
    ext_level: u32,
    own: u32,
    own_level: u32,
    conf: Conf,
    /// What the outputs show.
    outward: u32,
    /// Pins the chip drives.
    drives: u32,
    sensed: u32,
}

/// PIN_CNF as masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Conf {
    connected: u32,
    pull_up: u32,
    pull_down: u32,
    /// Disconnected when driving 0, when driving 1 (open drain, open source).
    d0: u32,
    d1: u32,
    sense_high: u32,
    sense_low: u32,
}

impl Gpio {
    /// Pins of which `driven` are driven low and `driven_high` high from outside at first, and `pull_ups` have a resistor.
    pub fn new(driven: u32, driven_high: u32, pull_ups: u32) -> Gpio {
        Gpio {
            bank: Bank::default(),
            pull_ups,
            ext_driven: driven | driven_high,
            ext_level: driven_high,
            own: 0,
            own_level: 0,
            conf: Conf::default(),
            outward: 0,
            drives: 0,
            sensed: 0,
        }
    }

    fn read_conf(&mut self) {
        let mut c = Conf::default();
        for n in 0..32 {
            let v = self.bank.at(Reg::PinCnf, n);
            let drive = v >> 8 & 7;
            let set = |mask: &mut u32, on: bool| *mask |= u32::from(on) << n;
            set(&mut c.connected, v & 2 == 0);
            set(&mut c.pull_up, v >> 2 & 3 == PULL_UP);
            set(&mut c.pull_down, v >> 2 & 3 == PULL_DOWN);
            set(&mut c.d0, matches!(drive, 4 | 5));
            set(&mut c.d1, matches!(drive, 6 | 7));
            set(&mut c.sense_high, v >> 16 & 3 == 2);
            set(&mut c.sense_low, v >> 16 & 3 == 3);
        }
        self.conf = c;
    }

    /// Recomputes every pin and drives what changed.
    fn update(&mut self, cx: &mut Cx) {
        let c = self.conf;
        let out = self.bank.reg(Reg::Out) & !self.own | self.own_level & self.own;
        let enabled = self.bank.reg(Reg::Dir) | self.own;
        let drives = enabled & !(out & c.d1) & !(!out & c.d0);
        let outward = out & drives | c.pull_up & !drives;
        let external = self.ext_driven & !drives;
        let resistor = self.pull_ups & !drives & !c.pull_down;
        let pad = self.ext_level & external | (outward | resistor) & !external;
        let sensed = pad & c.connected;
        self.bank.put(Reg::In, sensed);
        for (base, old, new) in [(0, self.outward, outward), (SENSED, self.sensed, sensed)] {
            for n in ones(old ^ new) {
                cx.wire(base + n, new >> n & 1 != 0);
            }
        }
        let told = (self.drives ^ drives) | (self.outward ^ outward) & drives;
        for n in ones(told).map(|n| n as Port) {
            if !cx.followed(n) {
                continue;
            }
            let level = (drives >> n & 1 != 0).then_some(outward >> n & 1 != 0);
            cx.send(n, Msg::Level(level));
        }
        (self.outward, self.drives, self.sensed) = (outward, drives, sensed);
        let detect = sensed & c.sense_high | !sensed & c.connected & c.sense_low;
        cx.wire(DETECT, detect != 0);
    }

    /// DIR and PIN_CNF hold the direction twice.
    fn set_dir(&mut self, dir: u32) {
        for n in 0..32 {
            let v = self.bank.at(Reg::PinCnf, n);
            self.bank.put_at(Reg::PinCnf, n, v & !1 | dir >> n & 1);
        }
        self.bank.put(Reg::Dir, dir);
        self.bank.put(Reg::Dirset, dir);
        self.bank.put(Reg::Dirclr, dir);
    }

    fn set_out(&mut self, out: u32) {
        for r in [Reg::Out, Reg::Outset, Reg::Outclr] {
            self.bank.put(r, out);
        }
    }

    fn drive(&mut self, pin: u32, level: Option<bool>, cx: &mut Cx) {
        let bit = 1 << (pin & 31);
        self.ext_driven = self.ext_driven & !bit | if level.is_some() { bit } else { 0 };
        self.ext_level = self.ext_level & !bit | if level == Some(true) { bit } else { 0 };
        self.update(cx);
    }
}

/// The numbers of the bits that are set.
fn ones(mut v: u32) -> impl Iterator<Item = Pin> {
    std::iter::from_fn(move || {
        let n = v.trailing_zeros();
        v &= v.wrapping_sub(1);
        (n < 32).then_some(n as Pin)
    })
}

/// Sets or clears one bit.
fn assign(mask: &mut u32, bit: u16, on: bool) {
    *mask = *mask & !(1 << bit) | u32::from(on) << bit;
}

impl Device for Gpio {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-gpio";
    const VERSION: u16 = 2;
    const NOT_MODELLED: &'static [&'static str] = &[
        "drive strength, and two sides driving one pin: the chip wins",
        "pins that UART, SPI, TWI and ADC take over stay under GPIO's rule",
        "an input that floats without a pull reads 0",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        // The outside and what the wires showed last stay; GPIOTE resets its own wires.
        self.bank.reset();
        (self.own, self.own_level) = (0, 0);
        self.read_conf();
        self.update(cx);
    }

    fn write(&mut self, r: Reg, i: usize, v: u32, cx: &mut Cx) {
        match r {
            Reg::Out | Reg::Outset | Reg::Outclr => self.set_out(v),
            Reg::Dir | Reg::Dirset | Reg::Dirclr => self.set_dir(v),
            Reg::PinCnf => {
                let mut dir = self.bank.reg(Reg::Dir);
                assign(&mut dir, i as u16, v & 1 != 0);
                self.set_dir(dir);
                self.read_conf();
            }
            Reg::In => {}
        }
        self.update(cx);
    }

    fn wire_in(&mut self, pin: Pin, level: bool, cx: &mut Cx) {
        match pin {
            0..32 => return self.drive(u32::from(pin), Some(level), cx),
            TASK_OWN..TASK_LEVEL => assign(&mut self.own, pin - TASK_OWN, level),
            TASK_LEVEL..96 => assign(&mut self.own_level, pin - TASK_LEVEL, level),
            _ => return,
        }
        self.update(cx);
    }

    fn recv(&mut self, port: Port, msg: Msg, cx: &mut Cx) {
        if let Msg::Level(level) = msg
            && port < 32
        {
            self.drive(u32::from(port), level, cx);
        }
    }

    fn input(&mut self, name: &str, value: i64, cx: &mut Cx) -> bool {
        let pin = INPUTS.iter().position(|(n, _)| *n == name);
        if let Some(pin) = pin {
            self.drive(pin as u32, (value >= 0).then_some(value != 0), cx);
        }
        pin.is_some()
    }

    fn inputs(&self) -> &'static [(&'static str, &'static str)] {
        &INPUTS
    }

    fn input_state(&self, name: &str) -> Option<InputState> {
        let pin = INPUTS.iter().position(|(n, _)| *n == name)?;
        let level = i64::from(self.ext_level >> pin & 1);
        let value = if self.ext_driven >> pin & 1 == 0 { -1 } else { level };
        Some(InputState { value, least: -1, most: 1 })
    }
}

const UNIT: &str = "0 low, 1 high, -1 floating";
macro_rules! pins {
    ($($name:literal)*) => { [$(($name, UNIT)),*] };
}
#[rustfmt::skip]
const INPUTS: [(&str, &str); 32] = pins!(
    "p0" "p1" "p2" "p3" "p4" "p5" "p6" "p7" "p8" "p9" "p10" "p11" "p12" "p13" "p14" "p15"
    "p16" "p17" "p18" "p19" "p20" "p21" "p22" "p23" "p24" "p25" "p26" "p27" "p28" "p29" "p30" "p31"
);

#[cfg(test)]
mod tests {
    use super::*;
    use emu_core::device::DevId;
    use emu_core::ids::Sink;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Gpio::new(1 << 17, 1 << 25, 1 << 20));

    fn bench() -> Bench {
        let mut b = Bench::new(Gpio::new(1 << 17, 1 << 25, 1 << 20));
        for n in 0..32 {
            b.machine.bus.connect((DevId(0), SENSED + n), Sink::Irq(0, SENSED + n));
        }
        b
    }

    #[test]
    fn outputs_follow_out_and_dir() {
        let mut b = bench();
        b.set(Reg::Outset, 0, 1 << 4 | 1 << 5);
        assert!(!b.pin(4));
        b.set(Reg::Dirset, 0, 1 << 4);
        assert!(b.pin(4) && !b.pin(5));
        assert_eq!((b.get(Reg::Out, 0), b.get(Reg::Dir, 0), b.get(Reg::PinCnf, 4)), (0x30, 0x10, 3));
        b.set(Reg::Outclr, 0, 1 << 4);
        assert!(!b.pin(4));
        assert_eq!((b.get(Reg::Outset, 0), b.get(Reg::Outclr, 0)), (0x20, 0x20));
        b.set(Reg::Out, 0, 0x10);
        b.set(Reg::Dirclr, 0, 0x10);
        assert_eq!((b.pin(4), b.get(Reg::PinCnf, 4) & 1), (false, 0));
    }

    #[test]
    fn inputs_need_their_buffer_and_pulls_rule_floating_pins() {
        let mut b = bench();
        b.set_pin(3, true);
        assert_eq!(b.get(Reg::In, 0), 0); // buffer disconnected after reset
        b.set(Reg::PinCnf, 3, 0);
        assert_eq!(b.get(Reg::In, 0), 8);
        b.set(Reg::PinCnf, 6, 3 << 2);
        assert_eq!(b.get(Reg::In, 0), 0x48);
        assert!(b.input("p6", 0));
        assert_eq!(b.get(Reg::In, 0), 8);
        assert!(b.input("p6", -1) && !b.input("p32", 0));
        assert_eq!(b.get(Reg::In, 0), 0x48);
        b.set(Reg::PinCnf, 25, 1 << 2); // driven high from power-on
        assert_eq!(b.get(Reg::In, 0), 0x0200_0048);
        b.set(Reg::PinCnf, 25, 2);
        b.set(Reg::PinCnf, 17, 3 << 2); // driven low from power-on, whatever the pull
        assert_eq!(b.get(Reg::In, 0), 0x48);
        assert!(b.pin(SENSED + 6) && !b.pin(SENSED + 17));
    }

    #[test]
    fn a_resistor_on_the_board_is_weaker_than_the_chips_pulls() {
        let mut b = bench();
        b.set(Reg::PinCnf, 20, 0);
        assert_eq!(b.get(Reg::In, 0), 1 << 20);
        b.set(Reg::PinCnf, 20, 1 << 2);
        assert_eq!(b.get(Reg::In, 0), 0);
        b.set(Reg::PinCnf, 20, 0);
        b.set_pin(20, false);
        assert_eq!(b.get(Reg::In, 0), 0);
        b.input("p20", -1);
        b.set(Reg::PinCnf, 20, 1); // output, low
        assert_eq!((b.get(Reg::In, 0), b.pin(20)), (0, false));
    }

    #[test]
    fn open_drain_reads_the_outside_when_released() {
        let mut b = bench();
        b.set(Reg::PinCnf, 0, 6 << 8 | 3 << 2 | 1); // S0D1, pull-up, output
        assert_eq!((b.get(Reg::In, 0), b.pin(0)), (0, false));
        b.set(Reg::Outset, 0, 1);
        assert_eq!((b.get(Reg::In, 0), b.pin(0)), (1, true));
        b.set_pin(0, false);
        assert_eq!(b.get(Reg::In, 0), 0);
    }

    #[test]
    fn detect_follows_sense_levels() {
        let mut b = bench();
        b.set(Reg::PinCnf, 17, 3 << 16); // low: at once
        assert!(b.pin(DETECT));
        b.set_pin(17, true);
        assert!(!b.pin(DETECT));
        b.set(Reg::PinCnf, 2, 2 << 16);
        b.set_pin(2, true);
        assert!(b.pin(DETECT));
    }

    #[test]
    fn another_machine_hears_what_the_chip_drives_and_drives_pins() {
        let mut b = bench();
        b.machine.bus.fabric.followed = vec![(DevId(0), 3)];
        b.set(Reg::Outset, 0, 0x18);
        b.set(Reg::PinCnf, 3, 3 << 2); // a pull is not a drive
        assert!(b.sent().is_empty());
        b.set(Reg::Dirset, 0, 0x18); // pin 4 has no listener
        b.set(Reg::Outclr, 0, 0x18);
        b.set(Reg::Outclr, 0, 0x18);
        b.set(Reg::Dirclr, 0, 0x18);
        let sent: Vec<_> = b.sent().into_iter().map(|o| (o.port, o.msg)).collect();
        assert_eq!(sent, [Some(true), Some(false), None].map(|l| (3, Msg::Level(l))));
        assert_eq!(b.get(Reg::In, 0), 8);
        b.recv(3, Msg::Level(Some(false)));
        assert_eq!(b.get(Reg::In, 0), 0);
        b.recv(3, Msg::Level(None));
        assert_eq!(b.get(Reg::In, 0), 8);
        b.recv(200, Msg::Level(Some(true)));
    }

    #[test]
    fn gpiote_overrides_a_pin() {
        let mut b = bench();
        b.set_pin(TASK_LEVEL + 9, true);
        assert!(!b.pin(9));
        b.set_pin(TASK_OWN + 9, true);
        assert!(b.pin(9));
        b.set(Reg::Dirset, 0, 1 << 9);
        b.set_pin(TASK_OWN + 9, false);
        assert!(!b.pin(9));
    }

    #[test]
    fn a_reset_lets_go_of_the_pins_but_not_of_the_outside() {
        let mut b = bench();
        b.set(Reg::Outset, 0, 1);
        b.set(Reg::Dirset, 0, 1);
        b.set_pin(3, true);
        b.machine.reset(ResetKind::Soft);
        b.edges();
        b.set(Reg::PinCnf, 3, 0);
        assert_eq!((b.get(Reg::In, 0), b.pin(0)), (8, false));
    }
}
