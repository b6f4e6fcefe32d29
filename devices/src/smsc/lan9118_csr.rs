//! Registers of the LAN9118 that start something: access to MAC and PHY, timer, EEPROM, resets, interrupt pin.

use super::{lan9118::*, lan9118_phy::Act};
use emu_core::{device::Cx, regs::RegSet, time::Time};

impl Lan9118 {
    // MAC and PHY registers (5.3.20, 5.4.6).

    pub(super) fn mac_command(&mut self, cx: &mut Cx) {
        let index = self.bank.get(&MacCsrCmd::ADDRESS);
        if !self.bank.is(&MacCsrCmd::BUSY) {
            return;
        }
        self.bank.set(&MacCsrCmd::BUSY, 0);
        let Some((r, i)) = MacReg::decode(4 * index) else {
            return cx.guest_error(format!("no MAC register {index}"));
        };
        if self.bank.is(&MacCsrCmd::READ) {
            let mut v = self.mac.at(r, i);
            if r == MacReg::MiiAcc && cx.now() < self.smi_until {
                v |= MiiAcc::BUSY.mask();
            }
            return self.bank.put(Reg::MacCsrData, v);
        }
        let before = self.mac.at(r, i);
        self.mac.guest_write(r, i, self.bank.reg(Reg::MacCsrData));
        match r {
            MacReg::Cr => {
                if before & Cr::RXEN.mask() != 0 && !self.mac.is(&Cr::RXEN) {
                    self.raise(int::RXSTOP);
                }
                self.transmit(cx);
            }
            MacReg::MiiAcc => self.smi(cx),
            MacReg::Flow if self.mac.reg(r) & 7 != 0 => cx.unimplemented("flow control"),
            MacReg::Wucsr if self.mac.reg(r) & 6 != 0 => cx.unimplemented("wake-up frames"),
            _ => {}
        }
        self.update(cx);
    }

    fn smi(&mut self, cx: &mut Cx) {
        if !self.mac.is(&MiiAcc::BUSY) {
            return;
        }
        self.mac.set(&MiiAcc::BUSY, 0);
        if cx.now() < self.smi_until {
            cx.guest_error("PHY access while another is under way"); // and yet it is made
        }
        self.smi_until = cx.now() + SMI_NS;
        let index = self.mac.get(&MiiAcc::INDEX);
        let ours = self.mac.get(&MiiAcc::PHY) == PHY_ADDRESS;
        if !self.mac.is(&MiiAcc::WRITE) {
            let v = if ours { self.phy.read(index) } else { 0xffff };
            return self.mac.put(MacReg::MiiData, v);
        }
        if !ours {
            return;
        }
        match self.phy.write(index, self.mac.reg(MacReg::MiiData)) {
            Act::None => {}
            Act::Restart => self.restart_link(cx),
        }
    }

    pub(super) fn restart_link(&mut self, cx: &mut Cx) {
        match self.phy.restart() {
            Some(ns) if ns > 0 => cx.after(ns, PHY_UP),
            _ => cx.cancel(PHY_UP),
        }
        self.update(cx);
    }

    // The rest.

    pub(super) fn gpt(&self, now: Time) -> u16 {
        if !self.bank.is(&GptCfg::TIMER_EN) {
            return self.gpt_from;
        }
        let steps = now.0.saturating_sub(self.gpt_since.0) / GPT_NS;
        self.gpt_from.wrapping_sub(steps as u16)
    }

    /// GPT_CFG was written (3.6).
    pub(super) fn write_gpt(&mut self, was_on: bool, cx: &mut Cx) {
        if !self.bank.is(&GptCfg::TIMER_EN) {
            if was_on {
                self.bank.set(&GptCfg::GPT_LOAD, 0xffff);
            }
            self.gpt_from = 0xffff;
            return cx.cancel(GPT_WRAP);
        }
        self.load_gpt(self.bank.get(&GptCfg::GPT_LOAD) as u16, cx);
    }

    pub(super) fn load_gpt(&mut self, count: u16, cx: &mut Cx) {
        self.gpt_from = count;
        self.gpt_since = cx.now();
        cx.after((u64::from(count) + 1) * GPT_NS, GPT_WRAP);
    }

    /// E2P_CMD was written (4.6).
    pub(super) fn eeprom_command(&mut self, cx: &mut Cx) {
        if !self.bank.is(&E2pCmd::BUSY) {
            return;
        }
        self.bank.set(&E2pCmd::BUSY, 0);
        if cx.now() < self.eeprom_until {
            cx.guest_error("EEPROM command while another is under way");
        }
        let at = self.bank.get(&E2pCmd::ADDRESS) as usize % EEPROM_BYTES;
        let data = self.bank.reg(Reg::E2pData) as u8;
        let command = self.bank.get(&E2pCmd::COMMAND);
        let ns = match command {
            0 => EEPROM_READ_NS,
            1 | 2 => EEPROM_READ_NS / 2,
            7 => 7 * EEPROM_READ_NS,
            _ => EEPROM_WRITE_NS,
        };
        self.eeprom_until = cx.now() + ns;
        match command {
            0 => self.bank.put(Reg::E2pData, u32::from(self.eeprom[at])),
            1 => self.eeprom_writable = false,
            2 => self.eeprom_writable = true,
            7 => self.load_eeprom(),
            _ if !self.eeprom_writable => {}
            3 => self.eeprom[at] = data,
            4 => self.eeprom.fill(data),
            5 => self.eeprom[at] = 0xff,
            _ => self.eeprom.fill(0xff),
        }
    }

    pub(super) fn write_hw_cfg(&mut self, cx: &mut Cx) {
        if !self.bank.is(&HwCfg::SRST) {
            return;
        }
        if self.phy.off() {
            // Without the PHY's clocks the reset does not end (5.3.9).
            self.bank.set(&HwCfg::SRST, 0);
            return self.bank.set(&HwCfg::SRST_TO, 1);
        }
        self.soft_reset(cx);
        self.srst_until = cx.now() + SRST_NS;
    }

    pub(super) fn write_pmt(&mut self, cx: &mut Cx) {
        if self.bank.is(&PmtCtrl::PM_MODE) {
            self.bank.set(&PmtCtrl::PM_MODE, 0);
            cx.unimplemented("power saving modes");
        }
        if self.bank.is(&PmtCtrl::PHY_RST) {
            self.bank.set(&PmtCtrl::PHY_RST, 0);
            self.phy.reset();
            self.restart_link(cx);
        }
    }

    pub(super) fn write_irq_cfg(&mut self, cx: &mut Cx) {
        if self.bank.is(&IrqCfg::INT_DEAS_CLR) {
            self.bank.set(&IrqCfg::INT_DEAS_CLR, 0);
            self.asserted = false;
            self.quiet_until = cx.now() + u64::from(self.bank.get(&IrqCfg::INT_DEAS)) * DEAS_NS;
        }
        cx.cancel(DEASSERTED);
    }
}
