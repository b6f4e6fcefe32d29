//! AHB GPIO (DDI0479, 3.5): 16 pins.
//!
//! ## Pins
//! In: [`IN0`] to 15 more. Out: [`GPIOINT0`] to 15 more, each pin's interrupt; [`COMBINT`], their OR; [`OUT0`] to 15
//! more, the level the port drives (low where it does not drive).
//!
//! ## Ports
//! 0 to 15: the pins that the board leads out. `Level` goes out when what the port drives changes and another machine
//! listens (`None`: it does not drive); `Level` that comes in drives the pin (`None`: low).

use super::common;
use emu_core::{
    device::{Cx, Device, Pin, Port, ResetKind},
    link::Msg,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 3-8. Of each pair of SET and CLR both read as the present value.
    pub enum Reg {
        /// Levels at the pins; a write sets DATAOUT.
        Data @ 0x000 rw mask 0xffff,
        /// Output register.
        Dataout @ 0x004 rw mask 0xffff,
        /// Output enable.
        Outenset @ 0x010 w1s mask 0xffff,
        /// Output disable.
        Outenclr @ 0x014 w1c mask 0xffff,
        /// Alternate function on.
        Altfuncset @ 0x018 w1s mask 0xffff,
        /// Alternate function off.
        Altfuncclr @ 0x01c w1c mask 0xffff,
        /// Interrupt enable.
        Intenset @ 0x020 w1s mask 0xffff,
        /// Interrupt disable.
        Intenclr @ 0x024 w1c mask 0xffff,
        /// Edge instead of level.
        Inttypeset @ 0x028 w1s mask 0xffff,
        /// Level instead of edge.
        Inttypeclr @ 0x02c w1c mask 0xffff,
        /// High or rising instead of low or falling.
        Intpolset @ 0x030 w1s mask 0xffff,
        /// Low or falling instead of high or rising.
        Intpolclr @ 0x034 w1c mask 0xffff,
        /// Interrupts; write 1 to clear.
        Intstatus @ 0x038 w1c mask 0xffff,
        /// DATA's low byte; the address chooses the bits.
        Masklowbyte @ 0x400 [256, 4] rw mask 0xff,
        /// DATA's high byte; the address chooses the bits.
        Maskhighbyte @ 0x800 [256, 4] rw mask 0xff00,
        /// PID4-7, PID0-3, CID0-3.
        Id @ 0xfd0 [12, 4] ro,
    }
}

/// The first input.
pub const IN0: Pin = 0;
/// The first pin's interrupt.
pub const GPIOINT0: Pin = 0;
/// Any pin's interrupt.
pub const COMBINT: Pin = 16;
/// The first output.
pub const OUT0: Pin = 32;
/// Pins of a port.
pub const PINS: Pin = 16;
const PART: u32 = 0x20;

/// SET and CLR registers that show one value.
const PAIRS: [(Reg, Reg); 5] = [
    (Reg::Outenset, Reg::Outenclr),
    (Reg::Altfuncset, Reg::Altfuncclr),
    (Reg::Intenset, Reg::Intenclr),
    (Reg::Inttypeset, Reg::Inttypeclr),
    (Reg::Intpolset, Reg::Intpolclr),
];

/// A CMSDK GPIO port.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gpio {
    bank: Bank<Reg>,
    /// What the world drives.
    inputs: u16,
    dataout: u16,
    /// Levels at the pins when they were last looked at.
    levels: u16,
    /// What the port drives, and which pins.
    out: (u16, u16),
}

impl Default for Gpio {
    fn default() -> Gpio {
        let mut bank = Bank::default();
        common::identify(&mut bank, Reg::Id, PART);
        Gpio { bank, inputs: 0, dataout: 0, levels: 0, out: (0, 0) }
    }
}

impl Gpio {
    fn half(&self, r: Reg) -> u16 {
        self.bank.reg(r) as u16
    }

    /// Drives the outputs, looks at the levels and drives the interrupts.
    fn update(&mut self, cx: &mut Cx) {
        let drive = self.half(Reg::Outenset);
        let levels = self.dataout & drive | self.inputs & !drive;
        self.drive(self.dataout & drive, drive, cx);
        let (edge, high) = (self.half(Reg::Inttypeset), self.half(Reg::Intpolset));
        let active = !(levels ^ high);
        let changed = levels ^ self.levels;
        let new = active & (changed | !edge) & self.half(Reg::Intenset);
        let status = self.half(Reg::Intstatus) | new;
        self.levels = levels;
        self.bank.put(Reg::Data, u32::from(levels));
        self.bank.put(Reg::Dataout, u32::from(self.dataout));
        self.bank.put(Reg::Intstatus, u32::from(status));
        for pin in 0..PINS {
            cx.wire(GPIOINT0 + pin, status & 1 << pin != 0);
        }
        cx.wire(COMBINT, status != 0);
    }

    fn drive(&mut self, level: u16, drive: u16, cx: &mut Cx) {
        let (was_level, was_drive) = std::mem::replace(&mut self.out, (level, drive));
        let changed = level ^ was_level | drive ^ was_drive;
        for pin in (0..PINS).filter(|pin| changed >> pin & 1 != 0) {
            let (high, driven) = (level >> pin & 1 != 0, drive >> pin & 1 != 0);
            cx.wire(OUT0 + pin, high);
            if cx.followed(pin as Port) {
                cx.send(pin as Port, Msg::Level(driven.then_some(high)));
            }
        }
    }

    /// Replaces the bits `mask` of DATAOUT.
    fn output(&mut self, mask: u16, v: u16) {
        self.dataout = self.dataout & !mask | v & mask;
    }
}

impl Device for Gpio {
    type Reg = Reg;
    const KIND: &'static str = "arm,cmsdk-gpio";
    const VERSION: u16 = 2;
    const NOT_MODELLED: &'static [&'static str] = &[
        "ALTFUNC is kept, but the alternate functions' signals do not pass through the port",
        "the two cycles by which inputs are synchronised",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        *self = Gpio { inputs: self.inputs, levels: self.inputs, out: self.out, ..Gpio::default() };
        self.update(cx);
    }

    fn read(&mut self, r: Reg, i: usize, _: &mut Cx) -> u32 {
        let data = self.bank.reg(Reg::Data);
        match r {
            Reg::Masklowbyte => data & i as u32,
            Reg::Maskhighbyte => data & (i as u32) << 8,
            _ => self.bank.at(r, i),
        }
    }

    fn write(&mut self, r: Reg, i: usize, v: u32, cx: &mut Cx) {
        match r {
            Reg::Data | Reg::Dataout => self.output(0xffff, v as u16),
            Reg::Masklowbyte => self.output(i as u16, v as u16),
            Reg::Maskhighbyte => self.output((i as u16) << 8, v as u16),
            _ => {}
        }
        if matches!(r, Reg::Masklowbyte | Reg::Maskhighbyte) {
            self.bank.put_at(r, i, 0); // not storage
        }
        for (set, clear) in PAIRS {
            let other = if r == set { clear } else { set };
            if r == set || r == clear {
                self.bank.put(other, v);
            }
        }
        self.update(cx);
    }

    fn wire_in(&mut self, pin: Pin, level: bool, cx: &mut Cx) {
        if pin < PINS {
            self.inputs = self.inputs & !(1 << pin) | u16::from(level) << pin;
            self.update(cx);
        }
    }

    fn recv(&mut self, port: Port, msg: Msg, cx: &mut Cx) {
        if let Msg::Level(level) = msg {
            self.wire_in(Pin::from(port), level == Some(true), cx);
        }
    }

    fn pulse_in(&mut self, pin: Pin, cx: &mut Cx) {
        if pin < PINS {
            let was = self.inputs;
            for inputs in [was ^ 1 << pin, was] {
                self.inputs = inputs;
                self.update(cx);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Gpio::default());

    fn bench() -> Bench {
        Bench::new(Gpio::default())
    }

    #[test]
    fn outputs_are_driven_only_where_enabled() {
        let mut b = bench();
        b.set(Reg::Data, 0, 0x8003);
        assert!(!b.pin(OUT0));
        b.set(Reg::Outenset, 0, 0x0001);
        b.set(Reg::Outenset, 0, 0x8000);
        assert_eq!((b.pin(OUT0), b.pin(OUT0 + 1), b.pin(OUT0 + 15)), (true, false, true));
        assert_eq!((b.get(Reg::Data, 0), b.get(Reg::Dataout, 0)), (0x8001, 0x8003));
        assert_eq!((b.get(Reg::Outenset, 0), b.get(Reg::Outenclr, 0)), (0x8001, 0x8001));
        b.set(Reg::Outenclr, 0, 1);
        assert_eq!((b.pin(OUT0), b.get(Reg::Outenset, 0)), (false, 0x8000));
    }

    #[test]
    fn another_machine_hears_what_the_port_drives_and_drives_pins() {
        let mut b = bench();
        b.machine.bus.fabric.followed = vec![(emu_core::device::DevId(0), 15)];
        b.set(Reg::Data, 0, 0xc000);
        b.set(Reg::Outenset, 0, 0xc000); // nobody listens to pin 14
        b.set(Reg::Data, 0, 0x0000);
        b.set(Reg::Data, 0, 0x0000);
        b.set(Reg::Outenclr, 0, 0x8000);
        let sent: Vec<_> = b.sent().into_iter().map(|o| (o.port, o.msg)).collect();
        assert_eq!(sent, [Some(true), Some(false), None].map(|l| (15, Msg::Level(l))));
        b.recv(15, Msg::Level(Some(true)));
        assert_eq!(b.get(Reg::Data, 0), 0x8000);
        b.recv(15, Msg::Level(None));
        assert_eq!(b.get(Reg::Data, 0), 0);
        b.recv(16, Msg::Level(Some(true)));
        assert_eq!(b.get(Reg::Data, 0), 0);
    }

    #[test]
    fn inputs_read_at_the_pins() {
        let mut b = bench();
        b.set_pin(IN0 + 3, true);
        b.set_pin(IN0 + 9, true);
        assert_eq!(b.get(Reg::Data, 0), 0x0208);
        b.set(Reg::Outenset, 0, 0x0208);
        assert_eq!(b.get(Reg::Data, 0), 0);
    }

    #[test]
    fn masked_access_touches_the_bits_of_its_address() {
        let mut b = bench();
        b.set(Reg::Outenset, 0, 0xffff);
        b.set(Reg::Dataout, 0, 0xaaaa);
        b.w(0x400 + 4 * 0x0f, 0xff55);
        assert_eq!(b.get(Reg::Dataout, 0), 0xaaa5);
        b.w(0x800 + 4 * 0xf0, 0x55ff);
        assert_eq!(b.get(Reg::Dataout, 0), 0x5aa5);
        assert_eq!((b.r(0x400 + 4 * 0x81), b.r(0x800 + 4 * 0x18)), (0x81, 0x1800));
        assert_eq!(b.r(0x400), 0);
    }

    #[test]
    fn edges_are_latched_until_they_are_cleared() {
        let mut b = bench();
        b.set(Reg::Inttypeset, 0, 0x3);
        b.set(Reg::Intpolset, 0, 0x1);
        b.set(Reg::Intenset, 0, 0x3);
        assert!(!b.pin(COMBINT));
        b.set_pin(IN0, true);
        b.set_pin(IN0 + 1, true); // falling wanted
        assert_eq!((b.get(Reg::Intstatus, 0), b.pin(GPIOINT0), b.pin(COMBINT)), (1, true, true));
        b.set_pin(IN0, false);
        b.set_pin(IN0 + 1, false);
        assert_eq!((b.get(Reg::Intstatus, 0), b.pin(GPIOINT0 + 1)), (3, true));
        b.set(Reg::Intstatus, 0, 1);
        assert_eq!((b.pin(GPIOINT0), b.pin(COMBINT)), (false, true));
        b.set(Reg::Intstatus, 0, 2);
        assert!(!b.pin(COMBINT));
    }

    #[test]
    fn a_level_asks_again_while_it_lasts() {
        let mut b = bench();
        b.set(Reg::Intpolset, 0, 0x4);
        b.set(Reg::Intenset, 0, 0x4);
        b.set_pin(IN0 + 2, true);
        b.set(Reg::Intstatus, 0, 4);
        assert!(b.pin(COMBINT));
        b.set_pin(IN0 + 2, false);
        assert!(b.pin(COMBINT));
        b.set(Reg::Intstatus, 0, 4);
        assert!(!b.pin(COMBINT));
        b.set(Reg::Intpolclr, 0, 4); // low is active now, and it is low
        assert!(b.pin(GPIOINT0 + 2));
    }

    #[test]
    fn a_disabled_pin_latches_nothing() {
        let mut b = bench();
        b.set(Reg::Inttypeset, 0, 1);
        b.set(Reg::Intpolset, 0, 1);
        b.set_pin(IN0, true);
        b.set(Reg::Intenset, 0, 1);
        assert_eq!(b.get(Reg::Intstatus, 0), 0);
    }
}
