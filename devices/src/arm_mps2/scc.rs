//! Serial configuration control of the MPS2 board (100112, 4.3; AN385, 3.11): what the board's own microcontroller
//! tells and does. Its clock generators are set through CFGCTRL.
//!
//! ## Parameters
//! `id`: SCC_ID, which names the FPGA image. `cfg4`, `aid`: CFG_REG4 and SCC_AID. `oscclk`: rates of the generators at
//! power-on in Hz.
//!
//! ## Inputs
//! `switches`: the eight switches, a bit each.

use emu_core::{
    device::{Cx, Device, InputState, ResetKind, View},
    regs,
    regs::Bank,
    time::Time,
};
use serde::{Deserialize, Serialize};

regs! {
    /// MPS2 TRM, 4.3.
    pub enum Reg {
        /// Bit 0 remaps the block RAM.
        CfgReg0 @ 0x000 rw { REMAP: 0..1 },
        /// The eight MCC LEDs.
        CfgReg1 @ 0x004 rw mask 0xff,
        /// The eight MCC switches.
        CfgReg3 @ 0x00c ro,
        /// Board revision.
        CfgReg4 @ 0x010 ro,
        /// What was read.
        SysCfgdataRtn @ 0x0a0 rw,
        /// What is to be written.
        SysCfgdataOut @ 0x0a4 rw,
        /// Device, function and direction; START acts.
        SysCfgctrl @ 0x0a8 rw reset 0x0010_0000 mask 0xc3f0_0fff { DEVICE: 0..12, FUNCTION: 20..26, WRITE: 30..31, START: 31..32 },
        /// How that ended.
        SysCfgstat @ 0x0ac rw mask 0x3 { COMPLETE: 0..1, ERROR: 1..2 },
        /// Lock masks are writable; all loops are locked.
        SccDll @ 0x100 rw reset 0xffff_0001 mask 0xff00_0000,
        /// What this block has.
        SccAid @ 0xff8 ro,
        /// Which FPGA image this is.
        SccId @ 0xffc ro,
    }
}

/// SYS_CFG function: a clock generator's rate.
const FUNCTION_OSC: u32 = 1;

/// What the board file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// SCC_ID.
    pub id: u32,
    /// SCC_AID.
    pub aid: u32,
    /// CFG_REG4.
    pub cfg4: u32,
    /// Rates of the clock generators in Hz.
    pub oscclk: Vec<u32>,
}

/// The SCC.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scc {
    bank: Bank<Reg>,
    config: Config,
    oscclk: Vec<u32>,
}

impl Scc {
    /// An SCC as the board has it.
    pub fn new(config: Config) -> Scc {
        let mut bank = Bank::default();
        bank.put(Reg::SccId, config.id);
        bank.put(Reg::SccAid, config.aid);
        bank.put(Reg::CfgReg4, config.cfg4);
        Scc { bank, oscclk: config.oscclk.clone(), config }
    }

    fn command(&mut self, cx: &mut Cx) {
        self.bank.put(Reg::SysCfgstat, 0);
        if !self.bank.is(&SysCfgctrl::START) {
            return;
        }
        self.bank.set(&SysCfgctrl::START, 0);
        self.bank.set(&SysCfgstat::COMPLETE, 1);
        let osc = (self.bank.get(&SysCfgctrl::FUNCTION) == FUNCTION_OSC)
            .then(|| self.oscclk.get_mut(self.bank.get(&SysCfgctrl::DEVICE) as usize));
        let Some(Some(osc)) = osc else {
            self.bank.set(&SysCfgstat::ERROR, 1);
            return cx.guest_error("SCC: no such function or device");
        };
        if self.bank.is(&SysCfgctrl::WRITE) {
            let hz = self.bank.reg(Reg::SysCfgdataOut);
            if *osc != hz {
                cx.unimplemented("SCC: another rate of a clock generator");
            }
            *osc = hz;
        } else {
            self.bank.put(Reg::SysCfgdataRtn, *osc);
        }
    }
}

impl Device for Scc {
    type Reg = Reg;
    const KIND: &'static str = "arm,mps2-scc";
    const NOT_MODELLED: &'static [&'static str] = &[
        "CFG_REG0.REMAP is kept, but the memory map stays",
        "the clock generators' rates are kept, but no clock follows them",
        "SYS_CFG acts at once, and its interrupt is not there",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, _: &mut Cx) {
        let switches = self.bank.reg(Reg::CfgReg3);
        *self = Scc::new(self.config.clone());
        self.bank.put(Reg::CfgReg3, switches);
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        match r {
            Reg::CfgReg0 if v & 1 != 0 => cx.unimplemented("SCC: remap of the block RAM"),
            Reg::SysCfgctrl => self.command(cx),
            _ => {}
        }
    }

    fn input(&mut self, name: &str, value: i64, _: &mut Cx) -> bool {
        if name == "switches" {
            self.bank.put(Reg::CfgReg3, value as u32 & 0xff);
        }
        name == "switches"
    }

    fn inputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("switches", "a bit each, 0 to 255")]
    }

    fn input_state(&self, name: &str) -> Option<InputState> {
        let value = self.bank.reg(Reg::CfgReg3).into();
        (name == "switches").then_some(InputState { value, least: 0, most: 255 })
    }

    fn view(&self, _: Time) -> Option<View> {
        let leds = self.bank.reg(Reg::CfgReg1);
        let level = |led: u16| if leds >> led & 1 != 0 { 255 } else { 0 };
        Some(View::Leds { width: 8, levels: (0..8).map(level).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_testkit::Bench;

    fn scc() -> Scc {
        let oscclk = vec![50_000_000, 24_576_000, 25_000_000];
        Scc::new(Config { id: 0x4104_3850, aid: 0x0020_0008, cfg4: 2, oscclk })
    }

    emu_testkit::conformance!(conformance, scc());

    const START: u32 = 1 << 31;
    const WRITE: u32 = 1 << 30;

    #[test]
    fn identity_and_reset_values() {
        let mut b = Bench::new(scc());
        assert_eq!((b.get(Reg::SccId, 0), b.get(Reg::SccAid, 0)), (0x4104_3850, 0x0020_0008));
        assert_eq!((b.get(Reg::CfgReg4, 0), b.get(Reg::SccDll, 0)), (2, 0xffff_0001));
        b.set(Reg::SccDll, 0, 0);
        assert_eq!(b.get(Reg::SccDll, 0), 0x00ff_0001);
    }

    #[test]
    fn clock_generators_are_read_and_written_by_command() {
        let mut b = Bench::new(scc());
        b.set(Reg::SysCfgctrl, 0, START | 1 << 20 | 1);
        assert_eq!((b.get(Reg::SysCfgstat, 0), b.get(Reg::SysCfgdataRtn, 0)), (1, 24_576_000));
        assert_eq!(b.get(Reg::SysCfgctrl, 0), 1 << 20 | 1);
        b.set(Reg::SysCfgdataOut, 0, 1_000_000);
        b.set(Reg::SysCfgctrl, 0, START | WRITE | 1 << 20 | 2);
        assert_eq!((b.get(Reg::SysCfgstat, 0), b.mistakes()), (1, 1));
        b.set(Reg::SysCfgctrl, 0, START | 1 << 20 | 2);
        assert_eq!(b.get(Reg::SysCfgdataRtn, 0), 1_000_000);
        for bad in [START | 1 << 20 | 3, START | 2 << 20] {
            b.set(Reg::SysCfgctrl, 0, bad);
            assert_eq!(b.get(Reg::SysCfgstat, 0), 3);
        }
    }

    #[test]
    fn leds_and_switches() {
        let mut b = Bench::new(scc());
        b.set(Reg::CfgReg1, 0, 0x81);
        let levels = vec![255, 0, 0, 0, 0, 0, 0, 255];
        assert_eq!(b.view(), Some(View::Leds { width: 8, levels }));
        assert!(b.input("switches", 0x15) && !b.input("switch", 1));
        b.machine.reset(ResetKind::Soft);
        assert_eq!((b.get(Reg::CfgReg3, 0), b.get(Reg::CfgReg1, 0)), (0x15, 0));
    }
}
