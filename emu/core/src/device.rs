//! What a peripheral's author writes ([`Device`]), and what the machine holds ([`Peripheral`]).
//!
//! Architecture Invariant: a device is plain data. It holds no `Arc`, lock, closure, channel, file or clock, and
//! nothing it does re-enters a device: effects are queued and settle first-in first-out.

pub use crate::{
    cx::Cx,
    ids::{Attrs, DevId, IRQ, Pin, Port, ResetKind},
};
use crate::{
    events::Tag,
    fields::{self, Fields},
    link::Msg,
    regs::{Access, Bank, RegInfo, RegSet},
    save::{self, LoadError},
    time::Time,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Something a device shows a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum View {
    /// A matrix of lamps, row by row, brightness 0 to 255.
    Leds {
        /// Columns.
        width: u16,
        /// Brightness.
        levels: Vec<u8>,
    },
}

/// An input of a device: its value, and the least and the most that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputState {
    /// What was set last, or holds at power-on.
    pub value: i64,
    /// Lower values mean this one.
    pub least: i64,
    /// Higher values mean this one.
    pub most: i64,
}

/// A hardware block with registers. Everything not needed has a default.
///
/// `Clone`, `Serialize` and `Deserialize` of the whole struct make snapshot, fork and digest.
pub trait Device: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The register file declared by [`regs!`](crate::regs!).
    type Reg: RegSet;
    /// Name of the model, `vendor,block`.
    const KIND: &'static str;
    /// Version of the saved form; raise it when the struct changes.
    const VERSION: u16 = 1;
    /// What real hardware does and this model does not; `flotilla machines NAME` prints it.
    const NOT_MODELLED: &'static [&'static str];

    /// The register storage.
    fn bank(&mut self) -> &mut Bank<Self::Reg>;
    /// The offset in the register table of an access at offset `off` of the window: another one for blocks whose registers lie
    /// closer together than words.
    fn table_offset(&self, off: u32) -> u32 {
        off
    }
    /// Back to the state after a reset; pending events of the device are gone already.
    fn reset(&mut self, kind: ResetKind, cx: &mut Cx);
    /// A guest reads element `i` of register `r`.
    fn read(&mut self, r: Self::Reg, i: usize, _cx: &mut Cx) -> u32 {
        self.bank().at(r, i)
    }
    /// A guest wrote element `i` of register `r`; the bank holds `v` already, as far as it is storage.
    fn write(&mut self, _r: Self::Reg, _i: usize, _v: u32, _cx: &mut Cx) {}
    /// A task register was written with 1 or triggered over its pulse pin.
    fn task(&mut self, _r: Self::Reg, _i: usize, _cx: &mut Cx) {}
    /// A scheduled event is due.
    fn event(&mut self, _tag: Tag, _cx: &mut Cx) {}
    /// An input pin changed.
    fn wire_in(&mut self, _pin: Pin, _level: bool, _cx: &mut Cx) {}
    /// A pulse came in on a pin that is no task register.
    fn pulse_in(&mut self, _pin: Pin, _cx: &mut Cx) {}
    /// A message came in.
    fn recv(&mut self, _port: Port, _msg: Msg, _cx: &mut Cx) {}
    /// A CPU wrote to a ROM region whose writer this device is.
    fn rom_write(&mut self, _addr: u64, _size: u8, _v: u64, cx: &mut Cx) {
        cx.guest_error("write to read-only memory");
    }
    /// A person, scenario or test sets an input by name (`pressed`, `x` ...). `false`: no such input.
    fn input(&mut self, _name: &str, _value: i64, _cx: &mut Cx) -> bool {
        false
    }
    /// The names [`Device::input`] takes, with their units.
    fn inputs(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    /// Where the input `name` stands, and how far it goes; `None`: not known.
    fn input_state(&self, _name: &str) -> Option<InputState> {
        None
    }
    /// What a person sees at `now`.
    fn view(&self, _now: Time) -> Option<View> {
        None
    }
    /// Least time in nanoseconds from any stimulus to this device's next message on a port that leaves the
    /// machine. `u64::MAX`: it sends none that another machine hears.
    fn lookahead(&self) -> u64 {
        u64::MAX
    }
    /// No message from outside changes this device until it has sent one itself: a receiver that is off.
    fn deaf(&self) -> bool {
        false
    }
    /// Checks a loaded state.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

/// What the machine holds: object safe, implemented for every [`Device`].
#[allow(missing_docs)]
pub trait Peripheral: Send + Sync {
    fn kind(&self) -> &'static str;
    fn not_modelled(&self) -> &'static [&'static str];
    fn regs(&self) -> &'static [RegInfo];
    fn mmio_read(&mut self, off: u32, size: u8, cx: &mut Cx) -> u32;
    fn mmio_write(&mut self, off: u32, size: u8, v: u32, cx: &mut Cx);
    fn reset(&mut self, kind: ResetKind, cx: &mut Cx);
    fn event(&mut self, tag: Tag, cx: &mut Cx);
    fn wire_in(&mut self, pin: Pin, level: bool, cx: &mut Cx);
    fn pulse_in(&mut self, pin: Pin, cx: &mut Cx);
    fn recv(&mut self, port: Port, msg: Msg, cx: &mut Cx);
    fn rom_write(&mut self, addr: u64, size: u8, v: u64, cx: &mut Cx);
    fn input(&mut self, name: &str, value: i64, cx: &mut Cx) -> bool;
    fn inputs(&self) -> &'static [(&'static str, &'static str)];
    fn input_state(&self, name: &str) -> Option<InputState>;
    fn view(&self, now: Time) -> Option<View>;
    fn lookahead(&self) -> u64;
    fn deaf(&self) -> bool;
    fn fork(&self) -> Box<dyn Peripheral>;
    fn version(&self) -> u16;
    fn save(&self) -> Vec<u8>;
    /// What `save` writes, by name, each path beginning with `root`.
    fn fields(&self, root: &str) -> Fields;
    fn load(&mut self, bytes: &[u8]) -> Result<(), LoadError>;
}

fn lanes(off: u32, size: u8) -> (u32, u32) {
    let mask = if size >= 4 { u32::MAX } else { (1 << (8 * u32::from(size))) - 1 };
    (8 * (off & 3), mask)
}

impl<D: Device> Peripheral for D {
    fn kind(&self) -> &'static str {
        D::KIND
    }
    fn not_modelled(&self) -> &'static [&'static str] {
        D::NOT_MODELLED
    }
    fn regs(&self) -> &'static [RegInfo] {
        D::Reg::TABLE
    }
    fn mmio_read(&mut self, off: u32, size: u8, cx: &mut Cx) -> u32 {
        let off = self.table_offset(off);
        let Some((r, i)) = D::Reg::decode(off & !3) else {
            cx.stray(off, false);
            return 0;
        };
        match r.info().access {
            Access::Wo => {
                cx.wrong_way(off, false);
                0
            }
            Access::Task => 0,
            _ if size >= 4 => Device::read(self, r, i, cx),
            _ => {
                let (shift, mask) = lanes(off, size);
                (Device::read(self, r, i, cx) >> shift) & mask
            }
        }
    }
    fn mmio_write(&mut self, off: u32, size: u8, v: u32, cx: &mut Cx) {
        let off = self.table_offset(off);
        let Some((r, i)) = D::Reg::decode(off & !3) else { return cx.stray(off, true) };
        let access = r.info().access;
        let mut v = v;
        if size < 4 {
            let (shift, mask) = lanes(off, size);
            v = (v & mask) << shift;
            if access == Access::Rw {
                v |= self.bank().at(r, i) & !(mask << shift);
            }
        }
        match access {
            Access::Ro => cx.wrong_way(off, true),
            Access::Task if v & 1 == 0 => {}
            Access::Task => Device::task(self, r, i, cx),
            _ => {
                let v = self.bank().guest_write(r, i, v);
                Device::write(self, r, i, v, cx);
            }
        }
    }
    fn reset(&mut self, kind: ResetKind, cx: &mut Cx) {
        Device::reset(self, kind, cx);
    }
    fn event(&mut self, tag: Tag, cx: &mut Cx) {
        Device::event(self, tag, cx);
    }
    fn wire_in(&mut self, pin: Pin, level: bool, cx: &mut Cx) {
        Device::wire_in(self, pin, level, cx);
    }
    fn pulse_in(&mut self, pin: Pin, cx: &mut Cx) {
        match D::Reg::from_slot(pin) {
            Some((r, i)) if r.info().access == Access::Task => Device::task(self, r, i, cx),
            _ => Device::pulse_in(self, pin, cx),
        }
    }
    fn recv(&mut self, port: Port, msg: Msg, cx: &mut Cx) {
        Device::recv(self, port, msg, cx);
    }
    fn rom_write(&mut self, addr: u64, size: u8, v: u64, cx: &mut Cx) {
        Device::rom_write(self, addr, size, v, cx);
    }
    fn input(&mut self, name: &str, value: i64, cx: &mut Cx) -> bool {
        Device::input(self, name, value, cx)
    }
    fn inputs(&self) -> &'static [(&'static str, &'static str)] {
        Device::inputs(self)
    }
    fn input_state(&self, name: &str) -> Option<InputState> {
        Device::input_state(self, name)
    }
    fn view(&self, now: Time) -> Option<View> {
        Device::view(self, now)
    }
    fn lookahead(&self) -> u64 {
        Device::lookahead(self)
    }
    fn deaf(&self) -> bool {
        Device::deaf(self)
    }
    fn fork(&self) -> Box<dyn Peripheral> {
        Box::new(self.clone())
    }
    fn version(&self) -> u16 {
        D::VERSION
    }
    fn save(&self) -> Vec<u8> {
        save::to_bytes(self)
    }
    fn fields(&self, root: &str) -> Fields {
        fields::fields(root, self)
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let loaded: D = save::from_bytes(bytes)?;
        loaded.validate().map_err(LoadError::Corrupt)?;
        *self = loaded;
        Ok(())
    }
}
