//! The registry's lines for parts on boards.

use super::*;
use crate::registry::{Kind, PortInfo, kind, pin, pins};

const I2C: &[PortInfo] = &[PortInfo { name: "i2c", port: i2c_slave::BUS, kind: None }];

/// All of them.
pub static KINDS: &[Kind] = &[
    kind!(button::Button, |_| button::Button::new(), pins: &[pin("contact", button::CONTACT)]),
    kind!(i2c_bus::I2cBus, |p| i2c_bus::I2cBus::new(p.uint("slaves").unwrap_or(1).min(4) as u8), ports: &[
        PortInfo { name: "master", port: i2c_bus::MASTER, kind: None },
        PortInfo { name: "master1", port: i2c_bus::MASTER1, kind: None },
        PortInfo { name: "slave0", port: 1, kind: None },
        PortInfo { name: "slave1", port: 2, kind: None },
        PortInfo { name: "slave2", port: 3, kind: None },
        PortInfo { name: "slave3", port: 4, kind: None },
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
