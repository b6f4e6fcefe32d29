//! The registry's lines for parts on boards.

use super::*;
use crate::registry::{Kind, PortInfo, kind, pin, pins, port};

const I2C: &[PortInfo] = &[port("i2c", i2c_slave::BUS)];

/// All of them.
pub static KINDS: &[Kind] = &[
    kind!(button::Button, |_| button::Button::new(), pins: &[pin("contact", button::CONTACT)]),
    kind!(i2c_bus::I2cBus, |p| i2c_bus::I2cBus::new(p.uint("slaves").unwrap_or(1).min(4) as u8), ports: &[
        port("master", i2c_bus::MASTER),
        port("master1", i2c_bus::MASTER1),
        port("slave0", 1),
        port("slave1", 2),
        port("slave2", 3),
        port("slave3", 4),
    ]),
    kind!(led_matrix::LedMatrix, |_| led_matrix::LedMatrix::new(), pins: &[
        pins("row", 0, 3),
        pins("col", 3, 9),
    ]),
    kind!(mag3110::Mag3110, |_| mag3110::Mag3110::new(), pins: &[pin("int1", mag3110::INT1)], ports: I2C),
    kind!(mma8653::Mma8653, |_| mma8653::Mma8653::new(), pins: &[
        pin("int1", mma8653::INT1),
        pin("int2", mma8653::INT2),
    ], ports: I2C),
    kind!(unimplemented::Unimplemented, |p| {
        unimplemented::Unimplemented::new(p.str("what").unwrap_or("a block"))
    }),
];
