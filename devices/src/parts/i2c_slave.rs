//! What I2C parts with registers share: the first byte written is the register pointer, further bytes are written to
//! registers, reads come from registers, and the pointer moves on.

use emu_core::{
    device::{Cx, Port},
    link::{I2c, Msg},
};
use serde::{Deserialize, Serialize};

/// The port of a part that leads to the bus.
pub const BUS: Port = 0;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
enum State {
    #[default]
    Idle,
    /// Addressed for writing; the pointer comes next.
    Pointer,
    Writing,
    Reading,
}

/// Bus state of one part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct I2cSlave {
    address: u8,
    state: State,
    pointer: u8,
}

impl I2cSlave {
    /// A part at this 7-bit address.
    pub fn new(address: u8) -> I2cSlave {
        I2cSlave { address, ..I2cSlave::default() }
    }
}

/// A part with 8-bit registers behind an [`I2cSlave`].
pub trait RegisterPart {
    /// Its bus state.
    fn slave(&mut self) -> &mut I2cSlave;
    /// The register after `reg`.
    fn next(&self, reg: u8) -> u8;
    /// The master reads a register.
    fn read_register(&mut self, reg: u8, cx: &mut Cx) -> u8;
    /// The master writes a register.
    fn write_register(&mut self, reg: u8, v: u8, cx: &mut Cx);

    /// Handles a message from the bus. Every part on a bus answers every act but STOP; who is not addressed leaves
    /// SDA high.
    fn serve(&mut self, msg: Msg, cx: &mut Cx) {
        let Msg::I2c(act) = msg else { return };
        let (mut ack, mut data) = (true, 0xff);
        let (state, reg) = (self.slave().state, self.slave().pointer);
        match (act, state) {
            (I2c::Start { addr, read }, _) => {
                ack = addr == self.slave().address;
                self.slave().state = match (ack, read) {
                    (false, _) => State::Idle,
                    (true, false) => State::Pointer,
                    (true, true) => State::Reading,
                };
            }
            (I2c::Write(v), State::Pointer) => {
                self.slave().pointer = v;
                self.slave().state = State::Writing;
            }
            (I2c::Write(v), State::Writing) => {
                self.write_register(reg, v, cx);
                self.slave().pointer = self.next(reg);
            }
            (I2c::Read { .. }, State::Reading) => {
                data = self.read_register(reg, cx);
                self.slave().pointer = self.next(reg);
            }
            (I2c::Stop, _) => return self.slave().state = State::Idle,
            _ => ack = false,
        }
        cx.send(BUS, Msg::I2cReply { ack, data });
    }
}

/// One bus cycle for tests: the acts, and the answers as `(ack, data)`.
#[cfg(test)]
pub(crate) fn talk(b: &mut emu_testkit::Bench, acts: &[I2c]) -> Vec<(bool, u8)> {
    for act in acts {
        b.recv(BUS, Msg::I2c(*act));
    }
    let reply = |o: emu_core::fabric::Outgoing| match o.msg {
        Msg::I2cReply { ack, data } => Some((ack, data)),
        _ => None,
    };
    b.sent().into_iter().filter_map(reply).collect()
}

/// Reads `n` registers from `reg` on, for tests.
#[cfg(test)]
pub(crate) fn registers(b: &mut emu_testkit::Bench, addr: u8, reg: u8, n: usize) -> Vec<u8> {
    let mut acts = vec![I2c::Start { addr, read: false }, I2c::Write(reg), I2c::Start { addr, read: true }];
    acts.extend((0..n).map(|i| I2c::Read { ack: i + 1 < n }));
    acts.push(I2c::Stop);
    talk(b, &acts)[3..].iter().map(|r| r.1).collect()
}

/// Writes registers from `reg` on, for tests.
#[cfg(test)]
pub(crate) fn set_registers(b: &mut emu_testkit::Bench, addr: u8, reg: u8, values: &[u8]) {
    let mut acts = vec![I2c::Start { addr, read: false }, I2c::Write(reg)];
    acts.extend(values.iter().map(|v| I2c::Write(*v)));
    acts.push(I2c::Stop);
    assert!(talk(b, &acts).iter().all(|r| r.0));
}
