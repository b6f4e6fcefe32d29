//! Names and numbers: devices, pins, ports, who makes an access, why something starts anew.

use serde::{Deserialize, Serialize};

/// Number of a device within its machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct DevId(pub u16);

impl DevId {
    /// The pseudo device that stands for CPU `n`: its private timers schedule events under this number.
    pub const fn cpu(n: u16) -> DevId {
        DevId(0xff00 + n)
    }
    /// Which CPU this stands for, if any.
    pub const fn as_cpu(self) -> Option<u16> {
        if self.0 >= 0xff00 { Some(self.0 - 0xff00) } else { None }
    }
}

/// A wire's end at a device. By convention pin 0 of a device with one interrupt is [`IRQ`].
pub type Pin = u16;
/// A message port of a device.
pub type Port = u8;

/// The interrupt output of a device that has one.
pub const IRQ: Pin = 0;

/// Who makes an access, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Attrs {
    /// TrustZone secure.
    pub secure: bool,
    /// Privileged mode.
    pub privileged: bool,
    /// Bus master: CPU number, or 0x100 + device number for DMA.
    pub master: u16,
}

/// Why a machine or a part of it starts anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ResetKind {
    /// Power was off: RAM is lost.
    PowerOn,
    /// The reset pin.
    Pin,
    /// Software (AIRCR.SYSRESETREQ).
    Soft,
    /// A watchdog.
    Watchdog,
    /// The CPU locked up and the SoC resets on that.
    Lockup,
}

/// Where a wire ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sink {
    /// A pin of a device.
    Device(DevId, Pin),
    /// An interrupt line of a CPU.
    Irq(u16, u16),
}
