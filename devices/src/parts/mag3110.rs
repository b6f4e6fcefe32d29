//! NXP (Freescale) MAG3110 three-axis magnetometer (data sheet rev 9.2), I2C address 0x0E.
//!
//! ## Ports
//! 0: I2C ([`i2c_slave::BUS`](super::i2c_slave::BUS)).
//!
//! ## Pins
//! Out: [`INT1`], data ready, active high.
//!
//! ## Inputs
//! `x`, `y`, `z` in nanotesla along the chip's axes; `temperature` of the die in degrees Celsius.

use super::i2c_slave::{I2cSlave, RegisterPart};
use emu_core::{
    device::{Cx, Device, InputState, Pin, Port, ResetKind},
    events::Tag,
    link::Msg,
    regs::{Bank, NoRegs},
};
use serde::{Deserialize, Serialize};

/// Interrupt output.
pub const INT1: Pin = 0;

const ADDRESS: u8 = 0x0e;
const DR_STATUS: u8 = 0x00;
const OUT_X_MSB: u8 = 0x01;
const OUT_Z_LSB: u8 = 0x06;
const WHO_AM_I: u8 = 0x07;
const SYSMOD: u8 = 0x08;
const OFF_X_MSB: u8 = 0x09;
const OFF_Z_LSB: u8 = 0x0e;
const DIE_TEMP: u8 = 0x0f;
const CTRL_REG1: u8 = 0x10;
const CTRL_REG2: u8 = 0x11;
const COUNT: usize = 0x12;

const AC: u8 = 1;
const TM: u8 = 2;
const FR: u8 = 4;
const RAW: u8 = 0x20;
const ZYXDR: u8 = 8;
/// Nanotesla in a count.
const NT: i32 = 100;

const SAMPLE: Tag = 0;
const AXES: [&str; 3] = ["x", "y", "z"];

/// The magnetometer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mag3110 {
    bank: Bank<NoRegs>,
    slave: I2cSlave,
    regs: Vec<u8>,
    nanotesla: [i32; 3],
    celsius: i8,
}

impl Mag3110 {
    /// A sensor in standby, in a field that points north and down as in middle Europe, at 25 degrees.
    pub fn new() -> Mag3110 {
        let mut regs = vec![0; COUNT];
        regs[usize::from(WHO_AM_I)] = 0xc4;
        let slave = I2cSlave::new(ADDRESS);
        Mag3110 { bank: Bank::default(), slave, regs, nanotesla: [20_000, 0, 44_000], celsius: 25 }
    }

    fn reg(&self, r: u8) -> u8 {
        self.regs.get(usize::from(r)).copied().unwrap_or(0)
    }

    fn active(&self) -> bool {
        self.reg(CTRL_REG1) & AC != 0
    }

    /// Nanoseconds between samples: 80 Hz, halved by every step of DR and OS (table 29).
    fn period(&self) -> u64 {
        let c = self.reg(CTRL_REG1);
        12_500_000 << ((c >> 5) + (c >> 3 & 3))
    }

    fn start(&mut self, was: bool, cx: &mut Cx) {
        let measuring = self.active() || self.reg(CTRL_REG1) & TM != 0;
        match (was, measuring) {
            (false, true) => cx.after(self.period(), SAMPLE),
            (true, false) => cx.cancel(SAMPLE),
            _ => {}
        }
        self.regs[usize::from(SYSMOD)] =
            if self.active() { 2 - u8::from(self.reg(CTRL_REG2) & RAW != 0) } else { 0 };
    }

    fn counts(&self, axis: usize) -> i16 {
        let at = usize::from(OFF_X_MSB) + 2 * axis;
        let offset = i32::from(i16::from_be_bytes([self.regs[at], self.regs[at + 1]]) >> 1);
        let raw = self.reg(CTRL_REG2) & RAW != 0;
        let v = self.nanotesla[axis].div_euclid(NT) - if raw { 0 } else { offset };
        v.clamp(-30_000, 30_000) as i16
    }

    fn sample(&mut self, cx: &mut Cx) {
        let old = self.reg(DR_STATUS);
        for axis in 0..3 {
            let at = usize::from(OUT_X_MSB) + 2 * axis;
            let bytes = self.counts(axis).to_be_bytes();
            self.regs[at..at + 2].copy_from_slice(&bytes);
        }
        self.regs[usize::from(DR_STATUS)] = 0x0f | (old << 4) | (old & 0xf0);
        self.regs[usize::from(DIE_TEMP)] = self.celsius as u8;
        self.regs[usize::from(CTRL_REG1)] &= !TM;
        if self.active() {
            cx.after(self.period(), SAMPLE);
        }
        self.update_int(cx);
    }

    fn axis_read(&mut self, axis: u8, cx: &mut Cx) {
        let mut s = self.reg(DR_STATUS) & !(0x11 << axis);
        if s & 7 == 0 {
            s &= !ZYXDR;
        }
        if s & 0x70 == 0 {
            s &= !0x80;
        }
        self.regs[usize::from(DR_STATUS)] = s;
        self.update_int(cx);
    }

    fn update_int(&self, cx: &mut Cx) {
        cx.wire(INT1, self.reg(DR_STATUS) & ZYXDR != 0);
    }
}

impl Default for Mag3110 {
    fn default() -> Self {
        Mag3110::new()
    }
}

impl RegisterPart for Mag3110 {
    fn slave(&mut self) -> &mut I2cSlave {
        &mut self.slave
    }

    /// With FR low bytes are left out (table 7).
    fn next(&self, reg: u8) -> u8 {
        let fast = self.reg(CTRL_REG1) & FR != 0;
        match reg {
            0x01 | 0x03 | 0x05 if fast => reg + 2,
            0x11 => 0,
            _ => reg.wrapping_add(1),
        }
    }

    fn read_register(&mut self, reg: u8, cx: &mut Cx) -> u8 {
        let v = self.reg(reg);
        if (OUT_X_MSB..=OUT_Z_LSB).contains(&reg) {
            self.axis_read((reg - OUT_X_MSB) / 2, cx);
        }
        v
    }

    fn write_register(&mut self, reg: u8, v: u8, cx: &mut Cx) {
        let was = self.reg(CTRL_REG1) & (AC | TM) != 0;
        match reg {
            OFF_X_MSB..=OFF_Z_LSB | CTRL_REG1 => self.regs[usize::from(reg)] = v,
            // MAG_RST (bit 4) clears itself: the sensor is never saturated here.
            CTRL_REG2 => self.regs[usize::from(reg)] = v & 0xa0,
            _ => return cx.guest_error("MAG3110: write to a read-only register"),
        }
        self.start(was, cx);
    }
}

impl Device for Mag3110 {
    type Reg = NoRegs;
    const KIND: &'static str = "nxp,mag3110";
    const NOT_MODELLED: &'static [&'static str] =
        &["noise and hard-iron offsets of the board", "saturation and the magnetic reset that cures it"];

    fn bank(&mut self) -> &mut Bank<NoRegs> {
        &mut self.bank
    }

    fn reset(&mut self, kind: ResetKind, cx: &mut Cx) {
        if kind == ResetKind::PowerOn {
            *self = Mag3110 { nanotesla: self.nanotesla, celsius: self.celsius, ..Mag3110::new() };
        } else if self.reg(CTRL_REG1) & (AC | TM) != 0 {
            cx.after(self.period(), SAMPLE); // it has no reset line and samples on
        }
        self.update_int(cx);
    }

    fn event(&mut self, _: Tag, cx: &mut Cx) {
        self.sample(cx);
    }

    fn recv(&mut self, _: Port, msg: Msg, cx: &mut Cx) {
        self.serve(msg, cx);
    }

    fn input(&mut self, name: &str, value: i64, _: &mut Cx) -> bool {
        if name == "temperature" {
            self.celsius = value.clamp(-40, 125) as i8;
            return true;
        }
        let axis = AXES.iter().position(|a| *a == name);
        if let Some(axis) = axis {
            self.nanotesla[axis] = value.clamp(-3_000_000, 3_000_000) as i32;
        }
        axis.is_some()
    }

    fn inputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("x", "nT"), ("y", "nT"), ("z", "nT"), ("temperature", "degrees Celsius")]
    }

    fn input_state(&self, name: &str) -> Option<InputState> {
        if name == "temperature" {
            return Some(InputState { value: self.celsius.into(), least: -40, most: 125 });
        }
        let axis = AXES.iter().position(|a| *a == name)?;
        Some(InputState { value: self.nanotesla[axis].into(), least: -3_000_000, most: 3_000_000 })
    }

    fn validate(&self) -> Result<(), String> {
        if self.regs.len() == COUNT { Ok(()) } else { Err("MAG3110 with impossible registers".into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::i2c_slave::{registers, set_registers};
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Mag3110::new());

    fn field(b: &mut Bench) -> [i16; 3] {
        let v = registers(b, ADDRESS, OUT_X_MSB, 6);
        [0, 2, 4].map(|i| i16::from_be_bytes([v[i], v[i + 1]]))
    }

    #[test]
    fn who_am_i() {
        let mut b = Bench::new(Mag3110::new());
        assert_eq!(registers(&mut b, ADDRESS, WHO_AM_I, 1), [0xc4]);
    }

    #[test]
    fn samples_in_tenths_of_a_microtesla_at_the_output_rate() {
        let mut b = Bench::new(Mag3110::new());
        for (axis, v) in [("x", 25_000), ("y", -12_345), ("z", 100)] {
            assert!(b.input(axis, v));
        }
        set_registers(&mut b, ADDRESS, CTRL_REG1, &[1]); // 80 Hz
        b.advance(12_499_999);
        assert!(!b.pin(INT1));
        b.advance(1);
        assert!(b.pin(INT1));
        assert_eq!(field(&mut b), [250, -124, 1]);
        assert!(!b.pin(INT1));
        b.advance(12_500_000);
        assert!(b.pin(INT1));
    }

    #[test]
    fn offsets_are_subtracted_unless_raw() {
        let mut b = Bench::new(Mag3110::new());
        b.input("x", 10_000);
        set_registers(&mut b, ADDRESS, OFF_X_MSB, &(50i16 << 1).to_be_bytes());
        set_registers(&mut b, ADDRESS, CTRL_REG1, &[1]);
        b.advance(20_000_000);
        assert_eq!(field(&mut b)[0], 50);
        set_registers(&mut b, ADDRESS, CTRL_REG2, &[0xb0]);
        b.advance(20_000_000);
        assert_eq!(field(&mut b)[0], 100);
        assert_eq!(registers(&mut b, ADDRESS, CTRL_REG2, 1), [0xa0]);
    }

    #[test]
    fn a_single_measurement_returns_to_standby() {
        let mut b = Bench::new(Mag3110::new());
        set_registers(&mut b, ADDRESS, CTRL_REG1, &[2 | 1 << 5]);
        b.advance(25_000_000);
        assert!(b.pin(INT1));
        assert_eq!(registers(&mut b, ADDRESS, CTRL_REG1, 1), [1 << 5]);
        field(&mut b);
        b.advance(1_000_000_000);
        assert!(!b.pin(INT1));
        assert_eq!(registers(&mut b, ADDRESS, DIE_TEMP, 1), [25]);
    }
}
