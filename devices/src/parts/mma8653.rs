//! NXP MMA8653FC three-axis accelerometer (data sheet rev 7.1), I2C address 0x1D.
//!
//! ## Ports
//! 0: I2C ([`i2c_slave::BUS`](super::i2c_slave::BUS)).
//!
//! ## Pins
//! Out: [`INT1`], [`INT2`]: data ready, active low unless CTRL_REG3.IPOL is set.
//!
//! ## Inputs
//! `x`, `y`, `z` in thousandths of g, along the chip's axes. At rest z is -1000 (a micro:bit that lies face up).

use super::i2c_slave::{I2cSlave, RegisterPart};
use emu_core::{
    device::{Cx, Device, InputState, Pin, Port, ResetKind},
    events::Tag,
    link::Msg,
    regs::{Bank, NoRegs},
};
use serde::{Deserialize, Serialize};

/// Interrupt output 1.
pub const INT1: Pin = 0;
/// Interrupt output 2.
pub const INT2: Pin = 1;

const ADDRESS: u8 = 0x1d;
const STATUS: u8 = 0x00;
const OUT_X_MSB: u8 = 0x01;
const OUT_Z_LSB: u8 = 0x06;
const SYSMOD: u8 = 0x0b;
const INT_SOURCE: u8 = 0x0c;
const WHO_AM_I: u8 = 0x0d;
const XYZ_DATA_CFG: u8 = 0x0e;
const FF_MT_SRC: u8 = 0x16;
const PL_STATUS: u8 = 0x10;
const CTRL_REG1: u8 = 0x2a;
const CTRL_REG2: u8 = 0x2b;
const CTRL_REG3: u8 = 0x2c;
const CTRL_REG4: u8 = 0x2d;
const CTRL_REG5: u8 = 0x2e;
const OFF_X: u8 = 0x2f;
const COUNT: usize = 0x32;

const ACTIVE: u8 = 1;
const F_READ: u8 = 2;
const RST: u8 = 0x40;
const DRDY: u8 = 1;
const ZYXDR: u8 = 8;

const SAMPLE: Tag = 0;
const AXES: [&str; 3] = ["x", "y", "z"];

/// The accelerometer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mma8653 {
    bank: Bank<NoRegs>,
    slave: I2cSlave,
    regs: Vec<u8>,
    /// Acceleration in thousandths of g.
    milli_g: [i32; 3],
}

impl Mma8653 {
    /// A sensor at rest, in standby.
    pub fn new() -> Mma8653 {
        let mut regs = vec![0; COUNT];
        regs[usize::from(WHO_AM_I)] = 0x5a;
        Mma8653 { bank: Bank::default(), slave: I2cSlave::new(ADDRESS), regs, milli_g: [0, 0, -1000] }
    }

    fn reg(&self, r: u8) -> u8 {
        self.regs.get(usize::from(r)).copied().unwrap_or(0)
    }

    fn active(&self) -> bool {
        self.reg(CTRL_REG1) & ACTIVE != 0
    }

    /// Nanoseconds between samples (table 33).
    fn period(&self) -> u64 {
        match self.reg(CTRL_REG1) >> 3 & 7 {
            n @ 0..=4 => 1_250_000 << n,
            n => 80_000_000 << if n == 7 { 3 } else { n - 5 },
        }
    }

    /// Leaving standby takes two periods and a millisecond (table 5).
    fn set_active(&mut self, was: bool, cx: &mut Cx) {
        match (was, self.active()) {
            (false, true) => cx.after(2 * self.period() + 1_000_000, SAMPLE),
            (true, false) => cx.cancel(SAMPLE),
            _ => {}
        }
        self.regs[usize::from(SYSMOD)] = u8::from(self.active());
    }

    /// The 10-bit sample of an axis: 256 counts per g at +-2 g.
    fn counts(&self, axis: usize) -> i16 {
        let per_g = 256 >> (self.reg(XYZ_DATA_CFG) & 3).min(2);
        let offset = i32::from(self.reg(OFF_X + axis as u8) as i8) * 2; // 1.96 mg a step
        let raw = (self.milli_g[axis] + offset) * per_g;
        (raw + 500).div_euclid(1000).clamp(-512, 511) as i16
    }

    fn sample(&mut self, cx: &mut Cx) {
        let old = self.reg(STATUS);
        for axis in 0..3 {
            let bytes = (self.counts(axis) << 6).to_be_bytes();
            let at = usize::from(OUT_X_MSB) + 2 * axis;
            self.regs[at..at + 2].copy_from_slice(&bytes);
        }
        // What was ready and not read is overwritten.
        self.regs[usize::from(STATUS)] = 0x0f | (old << 4) | (old & 0xf0);
        self.update_int(cx);
        cx.after(self.period(), SAMPLE);
    }

    /// Reading an axis clears its flags; the summary flags go with the last of them.
    fn axis_read(&mut self, axis: u8, cx: &mut Cx) {
        let mut s = self.reg(STATUS) & !(0x11 << axis);
        if s & 7 == 0 {
            s &= !ZYXDR;
        }
        if s & 0x70 == 0 {
            s &= !0x80;
        }
        self.regs[usize::from(STATUS)] = s;
        self.update_int(cx);
    }

    fn update_int(&mut self, cx: &mut Cx) {
        let ready = self.reg(STATUS) & ZYXDR != 0 && self.reg(CTRL_REG4) & DRDY != 0;
        self.regs[usize::from(INT_SOURCE)] = u8::from(ready);
        let idle = self.reg(CTRL_REG3) & 2 == 0;
        let first = self.reg(CTRL_REG5) & DRDY != 0;
        cx.wire(INT1, idle ^ (ready && first));
        cx.wire(INT2, idle ^ (ready && !first));
    }

    fn software_reset(&mut self, cx: &mut Cx) {
        cx.cancel(SAMPLE);
        self.regs = Mma8653::new().regs;
        self.update_int(cx);
    }
}

impl Default for Mma8653 {
    fn default() -> Self {
        Mma8653::new()
    }
}

impl RegisterPart for Mma8653 {
    fn slave(&mut self) -> &mut I2cSlave {
        &mut self.slave
    }

    /// After the samples the pointer returns to STATUS; with F_READ low bytes are left out (table 11).
    fn next(&self, reg: u8) -> u8 {
        let fast = self.reg(CTRL_REG1) & F_READ != 0;
        match reg {
            OUT_Z_LSB => STATUS,
            0x05 if fast => STATUS,
            0x01 | 0x03 if fast => reg + 2,
            _ => reg.wrapping_add(1) & 0x7f,
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
        let was = self.active();
        let standby_only = !matches!(reg, CTRL_REG1 | CTRL_REG2);
        match reg {
            _ if usize::from(reg) >= COUNT => cx.guest_error("MMA8653: no such register"),
            STATUS..=WHO_AM_I | PL_STATUS | FF_MT_SRC => {
                cx.guest_error("MMA8653: write to a read-only register")
            }
            _ if standby_only && was => cx.guest_error("MMA8653: register written outside standby"),
            CTRL_REG2 if v & RST != 0 => self.software_reset(cx),
            _ => {
                self.regs[usize::from(reg)] = v;
                self.set_active(was, cx);
                self.update_int(cx);
            }
        }
    }
}

impl Device for Mma8653 {
    type Reg = NoRegs;
    const KIND: &'static str = "nxp,mma8653";
    const NOT_MODELLED: &'static [&'static str] = &[
        "orientation, freefall and motion detection, auto-sleep: their registers are storage",
        "noise, oversampling modes, self-test",
    ];

    fn bank(&mut self) -> &mut Bank<NoRegs> {
        &mut self.bank
    }

    fn reset(&mut self, kind: ResetKind, cx: &mut Cx) {
        // The part has no reset line: the machine's reset cancelled its event, the part samples on.
        if kind == ResetKind::PowerOn {
            *self = Mma8653 { milli_g: self.milli_g, ..Mma8653::new() };
        } else if self.active() {
            cx.after(self.period(), SAMPLE);
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
        let axis = AXES.iter().position(|a| *a == name);
        if let Some(axis) = axis {
            self.milli_g[axis] = value.clamp(-100_000, 100_000) as i32;
        }
        axis.is_some()
    }

    fn inputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("x", "0.001 g"), ("y", "0.001 g"), ("z", "0.001 g")]
    }

    fn input_state(&self, name: &str) -> Option<InputState> {
        let axis = AXES.iter().position(|a| *a == name)?;
        Some(InputState { value: self.milli_g[axis].into(), least: -100_000, most: 100_000 })
    }

    fn validate(&self) -> Result<(), String> {
        let sane = self.regs.len() == COUNT && self.milli_g.iter().all(|v| v.abs() <= 100_000);
        if sane { Ok(()) } else { Err("MMA8653 with impossible registers".into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::i2c_slave::{registers, set_registers, talk};
    use emu_core::link::I2c;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Mma8653::new());

    #[test]
    fn it_answers_at_its_address_only() {
        let mut b = Bench::new(Mma8653::new());
        assert_eq!(registers(&mut b, ADDRESS, WHO_AM_I, 1), [0x5a]);
        let acts = [I2c::Start { addr: 0x0e, read: false }, I2c::Write(1), I2c::Read { ack: true }];
        assert!(talk(&mut b, &acts).iter().all(|r| *r == (false, 0xff)));
    }

    /// 50 Hz, data ready on INT1.
    fn active() -> Bench {
        let mut b = Bench::new(Mma8653::new());
        assert!(b.pin(INT1));
        set_registers(&mut b, ADDRESS, CTRL_REG4, &[1, 1]);
        set_registers(&mut b, ADDRESS, CTRL_REG1, &[4 << 3 | 1]);
        b
    }

    #[test]
    fn samples_come_at_the_output_rate_and_int1_falls() {
        let mut b = active();
        b.advance(41_000_000 - 1);
        assert!(b.pin(INT1));
        b.advance(1);
        assert!(!b.pin(INT1));
        assert_eq!(registers(&mut b, ADDRESS, STATUS, 1), [0x0f]);
        assert_eq!(registers(&mut b, ADDRESS, OUT_X_MSB, 6), [0, 0, 0, 0, 0xc0, 0]);
        assert!(b.pin(INT1));
        assert_eq!(registers(&mut b, ADDRESS, STATUS, 1), [0]);
        b.advance(20_000_000);
        assert!(!b.pin(INT1));
        b.advance(20_000_000);
        assert_eq!(registers(&mut b, ADDRESS, STATUS, 1), [0xff]);
    }

    #[test]
    fn values_scale_with_the_range_and_clip() {
        let mut b = Bench::new(Mma8653::new());
        for (axis, v) in [("x", 500), ("y", -250), ("z", 9000)] {
            assert!(b.input(axis, v));
        }
        for (range, x, y, z) in [(0, 128, -64, 511), (1, 64, -32, 511), (2, 32, -16, 511)] {
            set_registers(&mut b, ADDRESS, CTRL_REG1, &[0]);
            set_registers(&mut b, ADDRESS, XYZ_DATA_CFG, &[range]);
            set_registers(&mut b, ADDRESS, CTRL_REG1, &[1]);
            b.advance(10_000_000);
            let v = registers(&mut b, ADDRESS, OUT_X_MSB, 6);
            let axis = |i: usize| i16::from_be_bytes([v[2 * i], v[2 * i + 1]]) >> 6;
            assert_eq!((axis(0), axis(1), axis(2)), (x, y, z));
        }
    }

    #[test]
    fn fast_read_gives_high_bytes_and_the_pointer_wraps() {
        let mut b = Bench::new(Mma8653::new());
        b.input("x", 1000);
        set_registers(&mut b, ADDRESS, CTRL_REG1, &[3]);
        b.advance(10_000_000);
        assert_eq!(registers(&mut b, ADDRESS, OUT_X_MSB, 4)[..3], [0x40, 0, 0xc0]);
        let full = registers(&mut b, ADDRESS, OUT_Z_LSB, 2);
        assert_eq!(full[0], 0);
    }

    #[test]
    fn configuration_needs_standby() {
        let mut b = active();
        set_registers(&mut b, ADDRESS, XYZ_DATA_CFG, &[2]);
        assert_eq!(registers(&mut b, ADDRESS, XYZ_DATA_CFG, 1), [0]);
        assert_eq!(b.mistakes(), 1);
        set_registers(&mut b, ADDRESS, CTRL_REG2, &[RST]);
        assert_eq!(registers(&mut b, ADDRESS, CTRL_REG1, 1), [0]);
    }

    #[test]
    fn the_part_survives_a_reset_of_the_machine() {
        let mut b = active();
        b.machine.reset(ResetKind::Soft);
        b.advance(20_000_000);
        assert_eq!(registers(&mut b, ADDRESS, STATUS, 1), [0x0f]);
        b.machine.reset(ResetKind::PowerOn);
        assert_eq!(registers(&mut b, ADDRESS, CTRL_REG1, 1), [0]);
    }
}
