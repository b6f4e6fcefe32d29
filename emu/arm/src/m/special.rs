//! MRS, MSR, CPS, and which BKPT is a semihosting call (DDI0403E B5.2, DDI0419 B5.2).

use super::{
    state::{FPSCR_MASK, RegFile},
    system::System,
};

/// The immediate of the BKPT that asks the debugger for a service.
pub const SEMIHOST_BKPT: u8 = 0xab;

/// SYSm numbers of MRS and MSR. 0 to 7 are views of xPSR.
#[allow(missing_docs)]
pub mod sysm {
    pub const MSP: u8 = 8;
    pub const PSP: u8 = 9;
    pub const PRIMASK: u8 = 16;
    pub const BASEPRI: u8 = 17;
    pub const BASEPRI_MAX: u8 = 18;
    pub const FAULTMASK: u8 = 19;
    pub const CONTROL: u8 = 20;
}
use sysm::*;

impl System {
    /// MRS. Unprivileged reads of anything but APSR and CONTROL give 0.
    pub fn mrs(&self, regs: &dyn RegFile, sysm: u8) -> u32 {
        let privileged = self.st.privileged();
        match sysm {
            0..=7 if sysm != 4 => self.mrs_psr(regs, sysm),
            CONTROL => self.st.control(),
            _ if !privileged => 0,
            MSP => self.st.msp(regs),
            PSP => self.st.psp(regs),
            PRIMASK => u32::from(self.st.primask),
            BASEPRI | BASEPRI_MAX if self.cfg.v7() => u32::from(self.st.basepri),
            FAULTMASK if self.cfg.v7() => u32::from(self.st.faultmask),
            _ => 0,
        }
    }

    fn mrs_psr(&self, regs: &dyn RegFile, sysm: u8) -> u32 {
        let mut v = 0;
        if sysm & 1 != 0 && self.st.privileged() {
            v |= u32::from(self.st.ipsr);
        }
        // EPSR reads as zero.
        if sysm & 4 == 0 {
            v |= self.st.xpsr(regs) & 0xf80f_0000;
        }
        v
    }

    /// MSR. `mask` has bit 1 for N, Z, C, V, Q and bit 0 for GE. Unprivileged writes change only APSR.
    /// What may be taken, and what memory is accessible, may differ afterwards.
    pub fn msr(&mut self, regs: &mut dyn RegFile, sysm: u8, mask: u8, v: u32) {
        match sysm {
            0..=3 => return self.msr_apsr(regs, mask, v),
            _ if !self.st.privileged() => return,
            MSP => self.st.set_msp(regs, v),
            PSP => self.st.set_psp(regs, v),
            PRIMASK => self.st.primask = v & 1 != 0,
            CONTROL => self.msr_control(regs, v),
            _ => {}
        }
        if !self.cfg.v7() {
            return;
        }
        let prio = v as u8 & self.nvic.prio_mask();
        match sysm {
            BASEPRI => self.st.basepri = prio,
            BASEPRI_MAX if prio != 0 && (prio < self.st.basepri || self.st.basepri == 0) => {
                self.st.basepri = prio;
            }
            FAULTMASK if self.execution_priority() > -1 || v & 1 == 0 => self.st.faultmask = v & 1 != 0,
            _ => {}
        }
    }

    fn msr_apsr(&mut self, regs: &mut dyn RegFile, mask: u8, v: u32) {
        // v6-M encodes no mask: always the flags.
        if mask & 2 != 0 || !self.cfg.v7() {
            regs.set_flags(v & 0xf000_0000);
            self.st.q = self.cfg.v7() && v & (1 << 27) != 0;
        }
        if mask & 1 != 0 && self.cfg.dsp() {
            self.st.ge = ((v >> 16) & 0xf) as u8;
        }
    }

    fn msr_control(&mut self, regs: &mut dyn RegFile, v: u32) {
        if self.cfg.unprivileged {
            self.st.npriv = v & 1 != 0;
        }
        if !self.st.handler() {
            self.st.set_mode(regs, 0, v & 2 != 0);
        }
        if self.cfg.has_fpu() {
            self.st.fpca = v & 4 != 0;
        }
    }

    /// CPSIE (`disable` false) and CPSID. `primask` and `faultmask` say which of i and f is named.
    pub fn cps(&mut self, disable: bool, primask: bool, faultmask: bool) {
        if !self.st.privileged() {
            return;
        }
        if primask {
            self.st.primask = disable;
        }
        if faultmask && self.cfg.v7() && (!disable || self.execution_priority() > -1) {
            self.st.faultmask = disable;
        }
    }

    /// VMSR FPSCR.
    pub fn set_fpscr(&mut self, v: u32) {
        self.st.fpscr = v & FPSCR_MASK;
    }

    /// STREX: whether the store is done; the monitor is open afterwards.
    pub fn strex(&mut self) -> bool {
        std::mem::take(&mut self.st.exclusive)
    }
}
