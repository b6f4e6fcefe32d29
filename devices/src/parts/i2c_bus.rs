//! An I2C bus: masters that take turns, several slaves, wired-AND.
//!
//! ## Parameters
//! `slaves`: how many there are.
//!
//! ## Ports
//! [`MASTER`] and [`MASTER1`]: masters (two controllers of a chip that can select the same pins). 1 ..= `slaves`:
//! the slaves. Each slave answers every act but STOP, addressed or not.

use emu_core::{
    device::{Cx, Device, Port, ResetKind},
    link::{I2c, Msg},
    regs::{Bank, NoRegs},
};
use serde::{Deserialize, Serialize};

/// A master's port.
pub const MASTER: Port = 0;
/// Another master's port.
pub const MASTER1: Port = 0xff;

/// The wires between masters and slaves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct I2cBus {
    bank: Bank<NoRegs>,
    slaves: u8,
    /// Who acted last.
    master: Port,
    /// Answers still to come for the act under way.
    missing: u8,
    ack: bool,
    data: u8,
}

impl I2cBus {
    /// A bus with this many slaves.
    pub fn new(slaves: u8) -> I2cBus {
        I2cBus {
            bank: Bank::default(),
            slaves: slaves.min(254),
            master: MASTER,
            missing: 0,
            ack: false,
            data: 0xff,
        }
    }

    fn act(&mut self, act: I2c, cx: &mut Cx) {
        (self.ack, self.data) = (false, 0xff);
        self.missing = if act == I2c::Stop { 0 } else { self.slaves };
        for port in 1..=self.slaves {
            cx.send(port, Msg::I2c(act));
        }
        if self.slaves == 0 && act != I2c::Stop {
            cx.send(self.master, Msg::I2cReply { ack: false, data: 0xff });
        }
    }

    fn answer(&mut self, ack: bool, data: u8, cx: &mut Cx) {
        if self.missing == 0 {
            return;
        }
        // A low level wins: acknowledge is low, and so is a 0 bit.
        self.ack |= ack;
        self.data &= data;
        self.missing -= 1;
        if self.missing == 0 {
            cx.send(self.master, Msg::I2cReply { ack: self.ack, data: self.data });
        }
    }
}

impl Device for I2cBus {
    type Reg = NoRegs;
    const KIND: &'static str = "parts,i2c-bus";
    const NOT_MODELLED: &'static [&'static str] =
        &["arbitration between masters that act at once", "clock stretching"];

    fn bank(&mut self) -> &mut Bank<NoRegs> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, _: &mut Cx) {
        *self = I2cBus::new(self.slaves);
    }

    fn recv(&mut self, port: Port, msg: Msg, cx: &mut Cx) {
        let from_master = matches!(port, MASTER | MASTER1);
        match msg {
            Msg::I2c(act) if from_master => {
                self.master = port;
                self.act(act, cx);
            }
            Msg::I2cReply { ack, data } if !from_master => self.answer(ack, data, cx),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, I2cBus::new(2));

    fn msgs(b: &mut Bench) -> Vec<(Port, Msg)> {
        b.sent().into_iter().map(|o| (o.port, o.msg)).collect()
    }

    #[test]
    fn acts_fan_out_and_answers_are_wired_and() {
        let mut b = Bench::new(I2cBus::new(2));
        let read = Msg::I2c(I2c::Read { ack: true });
        b.recv(MASTER, read.clone());
        assert_eq!(msgs(&mut b), [(1, read.clone()), (2, read)]);
        b.recv(2, Msg::I2cReply { ack: true, data: 0x0f });
        assert!(msgs(&mut b).is_empty());
        b.recv(1, Msg::I2cReply { ack: false, data: 0xff });
        assert_eq!(msgs(&mut b), [(MASTER, Msg::I2cReply { ack: true, data: 0x0f })]);
    }

    #[test]
    fn the_answer_goes_to_who_asked() {
        let mut b = Bench::new(I2cBus::new(1));
        b.recv(MASTER1, Msg::I2c(I2c::Write(3)));
        assert_eq!(msgs(&mut b), [(1, Msg::I2c(I2c::Write(3)))]);
        b.recv(1, Msg::I2cReply { ack: true, data: 0xff });
        assert_eq!(msgs(&mut b), [(MASTER1, Msg::I2cReply { ack: true, data: 0xff })]);
    }

    #[test]
    fn stop_has_no_answer_and_an_empty_bus_refuses() {
        let mut b = Bench::new(I2cBus::new(1));
        b.recv(MASTER, Msg::I2c(I2c::Stop));
        assert_eq!(msgs(&mut b).len(), 1);
        b.recv(1, Msg::I2cReply { ack: true, data: 0 });
        assert!(msgs(&mut b).is_empty());
        let mut b = Bench::new(I2cBus::new(0));
        b.recv(MASTER, Msg::I2c(I2c::Write(1)));
        assert_eq!(msgs(&mut b), [(MASTER, Msg::I2cReply { ack: false, data: 0xff })]);
    }
}
