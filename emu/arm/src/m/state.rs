//! The special registers of an M-profile core, and what an execution engine must show of its register file.
//!
//! v8-M banks PRIMASK, BASEPRI, FAULTMASK, CONTROL and both stack pointers by security state: they will become arrays
//! indexed by it.

use super::config::MConfig;
use serde::{Deserialize, Serialize};

/// Register slot of the active stack pointer.
pub const SP: usize = 13;
/// Register slot of the link register.
pub const LR: usize = 14;
/// Register slot of the program counter.
pub const PC: usize = 15;
/// Register slot of D0; D0 to D15 hold S0 to S31.
pub const D0: usize = 32;

/// The engine's register file: R0 to R15 in slots 0 to 15, D0 to D15 in slots 32 to 47.
pub trait RegFile {
    /// A register.
    fn get(&self, slot: usize) -> u64;
    /// Sets a register.
    fn set(&mut self, slot: usize, v: u64);
    /// N, Z, C, V in bits 31 to 28.
    fn flags(&self) -> u32;
    /// Sets N, Z, C, V from bits 31 to 28.
    fn set_flags(&mut self, v: u32);

    /// A core register.
    fn r(&self, n: usize) -> u32 {
        self.get(n) as u32
    }
    /// Sets a core register.
    fn set_r(&mut self, n: usize, v: u32) {
        self.set(n, u64::from(v));
    }
    /// S register `n`.
    fn s(&self, n: usize) -> u32 {
        (self.get(D0 + n / 2) >> (32 * (n % 2))) as u32
    }
    /// Sets S register `n`.
    fn set_s(&mut self, n: usize, v: u32) {
        let (slot, shift) = (D0 + n / 2, 32 * (n % 2));
        self.set(slot, (self.get(slot) & !(0xffff_ffff << shift)) | (u64::from(v) << shift));
    }
}

/// Why the core executes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Sleep {
    /// It executes.
    #[default]
    Awake,
    /// WFI, or sleep on exit.
    Wfi,
    /// WFE.
    Wfe,
}

/// FPCCR.ASPEN: FP instructions set CONTROL.FPCA.
pub const ASPEN: u32 = 1 << 31;
/// FPCCR.LSPEN: lazy stacking.
pub const LSPEN: u32 = 1 << 30;
/// FPCCR.LSPACT: stacking is owed.
pub const LSPACT: u32 = 1;
/// FPCCR.USER: the owed frame is unprivileged.
pub const FPCCR_USER: u32 = 1 << 1;
/// FPCCR.THREAD.
pub const FPCCR_THREAD: u32 = 1 << 3;
/// FPCCR.HFRDY.
pub const HFRDY: u32 = 1 << 4;
/// FPCCR.MMRDY.
pub const MMRDY: u32 = 1 << 5;
/// FPCCR.BFRDY.
pub const BFRDY: u32 = 1 << 6;
/// FPCCR.MONRDY.
pub const MONRDY: u32 = 1 << 8;
/// The bits of FPSCR that FPDSCR presets: AHP, DN, FZ, RMode.
pub const FPDSCR_MASK: u32 = 0x07c0_0000;
/// The implemented bits of FPSCR (DDI0403E B1.4.2).
pub const FPSCR_MASK: u32 = 0xf7c0_009f;

/// Special registers and execution state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MState {
    /// PRIMASK.
    pub primask: bool,
    /// FAULTMASK.
    pub faultmask: bool,
    /// BASEPRI, implemented bits only.
    pub basepri: u8,
    /// CONTROL.nPRIV: thread mode is unprivileged.
    pub npriv: bool,
    /// CONTROL.SPSEL: thread mode uses PSP.
    pub spsel: bool,
    /// CONTROL.FPCA: a floating-point context is active.
    pub fpca: bool,
    /// IPSR: number of the exception being handled, 0 in thread mode.
    pub ipsr: u16,
    /// EPSR.IT of the next instruction.
    pub itstate: u8,
    /// EPSR.T.
    pub thumb: bool,
    /// APSR.Q.
    pub q: bool,
    /// APSR.GE, four bits.
    pub ge: u8,
    /// The stack pointer that is not in register slot 13.
    pub other_sp: u32,
    /// FPSCR.
    pub fpscr: u32,
    /// FPCCR.
    pub fpccr: u32,
    /// FPCAR.
    pub fpcar: u32,
    /// FPDSCR.
    pub fpdscr: u32,
    /// CPACR.
    pub cpacr: u32,
    /// The event register of WFE and SEV.
    pub event: bool,
    /// The local exclusive monitor; these cores tag no address.
    pub exclusive: bool,
    /// Whether and how the core sleeps.
    pub sleep: Sleep,
    /// The core is locked up until a reset.
    pub lockup: bool,
}

impl MState {
    /// The state after reset.
    pub fn new(cfg: &MConfig) -> MState {
        MState {
            primask: false,
            faultmask: false,
            basepri: 0,
            npriv: false,
            spsel: false,
            fpca: false,
            ipsr: 0,
            itstate: 0,
            thumb: true,
            q: false,
            ge: 0,
            other_sp: 0,
            fpscr: 0,
            fpccr: if cfg.has_fpu() { ASPEN | LSPEN } else { 0 },
            fpcar: 0,
            fpdscr: 0,
            cpacr: 0,
            event: false,
            exclusive: false,
            sleep: Sleep::Awake,
            lockup: false,
        }
    }

    /// Handler mode.
    pub fn handler(&self) -> bool {
        self.ipsr != 0
    }
    /// Handler mode, or privileged thread mode.
    pub fn privileged(&self) -> bool {
        self.handler() || !self.npriv
    }
    /// The active stack pointer is PSP.
    pub fn on_psp(&self) -> bool {
        self.spsel && !self.handler()
    }
    /// CONTROL.
    pub fn control(&self) -> u32 {
        u32::from(self.npriv) | (u32::from(self.spsel) << 1) | (u32::from(self.fpca) << 2)
    }

    /// Main stack pointer.
    pub fn msp(&self, regs: &dyn RegFile) -> u32 {
        if self.on_psp() { self.other_sp } else { regs.r(SP) }
    }
    /// Process stack pointer.
    pub fn psp(&self, regs: &dyn RegFile) -> u32 {
        if self.on_psp() { regs.r(SP) } else { self.other_sp }
    }
    /// Sets the main stack pointer.
    pub fn set_msp(&mut self, regs: &mut dyn RegFile, v: u32) {
        if self.on_psp() { self.other_sp = v & !3 } else { regs.set_r(SP, v & !3) }
    }
    /// Sets the process stack pointer.
    pub fn set_psp(&mut self, regs: &mut dyn RegFile, v: u32) {
        if self.on_psp() { regs.set_r(SP, v & !3) } else { self.other_sp = v & !3 }
    }
    /// Sets IPSR and CONTROL.SPSEL together, exchanging the stack pointers if the active one changes.
    pub fn set_mode(&mut self, regs: &mut dyn RegFile, ipsr: u16, spsel: bool) {
        let before = self.on_psp();
        (self.ipsr, self.spsel) = (ipsr, spsel);
        if self.on_psp() != before {
            let sp = regs.r(SP);
            regs.set_r(SP, self.other_sp);
            self.other_sp = sp;
        }
    }

    /// xPSR with the flags of the register file.
    pub fn xpsr(&self, regs: &dyn RegFile) -> u32 {
        let it = u32::from(self.itstate);
        (regs.flags() & 0xf000_0000)
            | (u32::from(self.q) << 27)
            | ((it & 3) << 25)
            | (u32::from(self.thumb) << 24)
            | (u32::from(self.ge) << 16)
            | ((it >> 2) << 10)
            | u32::from(self.ipsr)
    }

    /// Sets APSR and EPSR from an xPSR value; IPSR is [`MState::set_mode`]'s.
    pub fn set_psr(&mut self, regs: &mut dyn RegFile, cfg: &MConfig, v: u32) {
        regs.set_flags(v & 0xf000_0000);
        self.thumb = v & (1 << 24) != 0;
        if cfg.v7() {
            self.q = v & (1 << 27) != 0;
            self.itstate = (((v >> 8) & 0xfc) | ((v >> 25) & 3)) as u8;
        }
        if cfg.dsp() {
            self.ge = ((v >> 16) & 0xf) as u8;
        }
    }

    /// What a loaded state must satisfy.
    pub fn validate(&self, cfg: &MConfig) -> Result<(), String> {
        if self.ipsr >= cfg.exceptions() || self.ge > 15 || self.other_sp & 3 != 0 {
            return Err("special registers out of range".into());
        }
        if self.basepri & !cfg.prio_mask() != 0 || (self.fpca && !cfg.has_fpu()) {
            return Err("special registers that this core does not have".into());
        }
        Ok(())
    }
}
