//! FICR (chapter 7): what the factory wrote about this chip.
//!
//! ## Parameters
//! `device_id`: 64-bit DEVICEID; `address`: 48-bit random static DEVICEADDR. What is not given is drawn from the
//! machine's randomness at power-on. `pages`: flash pages of 1 KiB; `ram_kib`: RAM.

use emu_core::{
    device::{Cx, Device, ResetKind},
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 9.
    pub enum Reg {
        /// Bytes in a flash page.
        Codepagesize @ 0x010 ro,
        /// Pages of flash.
        Codesize @ 0x014 ro,
        /// Length of code region 0.
        Clenr0 @ 0x028 ro reset 0xffff_ffff,
        /// Factory code present (0xFF: no).
        Ppfc @ 0x02c ro reset 0xffff_ffff,
        /// Number of RAM blocks.
        Numramblock @ 0x034 ro,
        /// Bytes in each RAM block.
        Sizeramblock @ 0x038 [4, 4] ro reset 0xffff_ffff,
        /// Hardware and firmware identity.
        Configid @ 0x05c ro,
        /// Unique identity.
        Deviceid @ 0x060 [2, 4] ro,
        /// Encryption root.
        Er @ 0x080 [4, 4] ro,
        /// Identity root.
        Ir @ 0x090 [4, 4] ro,
        /// 1: the address is a random one.
        Deviceaddrtype @ 0x0a0 ro reset 0xffff_ffff,
        /// 48-bit address.
        Deviceaddr @ 0x0a4 [2, 4] ro,
        /// 1 in a bit: the radio needs no override of that mode.
        Overrideen @ 0x0ac ro reset 0xffff_ffff,
        /// Radio override values.
        Nrf1mbit @ 0x0b0 [5, 4] ro reset 0xffff_ffff,
        /// Radio override values.
        Ble1mbit @ 0x0ec [5, 4] ro reset 0xffff_ffff,
    }
}

/// HWID of an nRF51822 QFAA revision H0 (micro:bit v1.3), firmware 0xFFFF (none).
const CONFIG_ID: u32 = 0xffff_008f;
const RAM_BLOCK: u32 = 0x2000;

/// What the board says about the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    /// DEVICEID.
    pub device_id: Option<u64>,
    /// DEVICEADDR, 48 bits.
    pub address: Option<u64>,
    /// Flash pages of 1 KiB.
    pub pages: u32,
    /// RAM in KiB.
    pub ram_kib: u32,
}

impl Default for Params {
    /// nRF51822-QFAA: 256 KiB flash, 16 KiB RAM.
    fn default() -> Self {
        Params { device_id: None, address: None, pages: 256, ram_kib: 16 }
    }
}

/// Bytes in a flash page.
const PAGE: u32 = 1024;

/// The factory information.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ficr {
    bank: Bank<Reg>,
    params: Params,
}

impl Ficr {
    /// Information of a chip that gets its identity at power-on.
    pub fn new(params: Params) -> Ficr {
        Ficr { bank: Bank::default(), params }
    }

    fn put64(&mut self, r: Reg, i: usize, v: u64) {
        self.bank.put_at(r, i, v as u32);
        self.bank.put_at(r, i + 1, (v >> 32) as u32);
    }
}

impl Device for Ficr {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-ficr";
    const NOT_MODELLED: &'static [&'static str] = &["reserved words read as unmapped registers"];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, kind: ResetKind, cx: &mut Cx) {
        if kind != ResetKind::PowerOn || self.bank.reg(Reg::Codepagesize) == PAGE {
            return; // the factory writes once, before the chip is powered for the first time
        }
        let p = self.params;
        self.bank.put(Reg::Codepagesize, PAGE);
        self.bank.put(Reg::Codesize, p.pages);
        let blocks = (p.ram_kib.saturating_mul(1024) / RAM_BLOCK).min(4);
        self.bank.put(Reg::Numramblock, blocks);
        for i in 0..blocks as usize {
            self.bank.put_at(Reg::Sizeramblock, i, RAM_BLOCK);
        }
        self.bank.put(Reg::Configid, CONFIG_ID);
        // Always as many draws, so that a given identity does not change the rest.
        let (id, address) = (cx.random(), cx.random());
        for (r, i) in [(Reg::Er, 0), (Reg::Er, 2), (Reg::Ir, 0), (Reg::Ir, 2)] {
            self.put64(r, i, cx.random());
        }
        self.put64(Reg::Deviceid, 0, p.device_id.unwrap_or(id));
        self.put64(Reg::Deviceaddr, 0, p.address.unwrap_or(address) & 0xffff_ffff_ffff | 0xffff << 48);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Ficr::new(Params::default()));

    #[test]
    fn the_chip_is_described() {
        let mut b = Bench::new(Ficr::new(Params::default()));
        assert_eq!(b.get(Reg::Codepagesize, 0) * b.get(Reg::Codesize, 0), 256 * 1024);
        assert_eq!(b.get(Reg::Numramblock, 0) * b.get(Reg::Sizeramblock, 0), 16 * 1024);
        assert_eq!(b.get(Reg::Sizeramblock, 2), u32::MAX);
        b.set(Reg::Codesize, 0, 1);
        assert_eq!((b.get(Reg::Codesize, 0), b.mistakes()), (256, 1));
    }

    #[test]
    fn identity_comes_from_the_seed_or_the_board_and_survives_resets() {
        let mut b = Bench::new(Ficr::new(Params::default()));
        let id = [b.get(Reg::Deviceid, 0), b.get(Reg::Deviceid, 1)];
        for kind in [ResetKind::Soft, ResetKind::PowerOn] {
            b.machine.reset(kind);
            assert_eq!(id, [b.get(Reg::Deviceid, 0), b.get(Reg::Deviceid, 1)], "{kind:?}");
        }
        let mut bus = emu_core::bus::Bus::default();
        let ficr = bus.add_device("ficr", Box::new(Ficr::new(Params::default())));
        bus.add_window(0x1000_0000, 0x1000, ficr);
        let mut other = emu_core::Machine::new("other seed", bus);
        other.power_on(2);
        assert_ne!(other.bus.read(0x1000_0060, 4, Default::default(), false), Ok(u64::from(id[0])));
        let given = Params { device_id: Some(0x1122_3344_5566_7788), ..Params::default() };
        let mut b2 = Bench::new(Ficr::new(given));
        assert_eq!([b2.get(Reg::Deviceid, 0), b2.get(Reg::Deviceid, 1)], [0x5566_7788, 0x1122_3344]);
        assert_eq!(b2.get(Reg::Deviceaddr, 0), b.get(Reg::Deviceaddr, 0));
        assert_eq!(b.get(Reg::Deviceaddr, 1) >> 16, 0xffff);
    }
}
