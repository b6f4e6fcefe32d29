//! Parts on boards: buses, sensors, buttons, lamps, glue.

pub mod button;
pub mod i2c_bus;
pub mod i2c_slave;
pub mod kinds;
pub mod led_matrix;
pub mod mag3110;
pub mod mma8653;
pub mod or_gate;
pub mod unimplemented;
