//! Everything of an M-profile core but its instructions: special registers, exceptions, SysTick, MPU, debug counters.
//!
//! v8-M has most of [`scb`] twice, for the secure and the non-secure state, and SysTick and MPU too.

use super::{
    config::MConfig,
    dwt::Dwt,
    mpu::{Kind, Mpu},
    nvic::{Nvic, exc::*},
    state::{MState, RegFile, Sleep},
    systick::SysTick,
};
use emu_core::{
    fields::{Fields, fields},
    save::{self, LoadError},
};
use serde::{Deserialize, Serialize};

/// Physical memory as the core's own accesses see it (stacking, vectors).
pub trait MemPort {
    /// Reads an aligned word; `None` is a bus error.
    fn read(&mut self, addr: u32) -> Option<u32>;
    /// Writes an aligned word; `false` is a bus error.
    fn write(&mut self, addr: u32, v: u32) -> bool;
}

/// Bits and storage of the system control block.
#[allow(missing_docs)]
pub mod scb {
    use super::*;

    // CFSR (B3.2.15)
    pub const IACCVIOL: u32 = 1 << 0;
    pub const DACCVIOL: u32 = 1 << 1;
    pub const MUNSTKERR: u32 = 1 << 3;
    pub const MSTKERR: u32 = 1 << 4;
    pub const MLSPERR: u32 = 1 << 5;
    pub const MMARVALID: u32 = 1 << 7;
    pub const IBUSERR: u32 = 1 << 8;
    pub const PRECISERR: u32 = 1 << 9;
    pub const IMPRECISERR: u32 = 1 << 10;
    pub const UNSTKERR: u32 = 1 << 11;
    pub const STKERR: u32 = 1 << 12;
    pub const LSPERR: u32 = 1 << 13;
    pub const BFARVALID: u32 = 1 << 15;
    pub const UNDEFINSTR: u32 = 1 << 16;
    pub const INVSTATE: u32 = 1 << 17;
    pub const INVPC: u32 = 1 << 18;
    pub const NOCP: u32 = 1 << 19;
    pub const UNALIGNED: u32 = 1 << 24;
    pub const DIVBYZERO: u32 = 1 << 25;
    // HFSR (B3.2.16)
    pub const VECTTBL: u32 = 1 << 1;
    pub const FORCED: u32 = 1 << 30;
    pub const DEBUGEVT: u32 = 1 << 31;
    // DFSR (C1.6.1)
    pub const DFSR_BKPT: u32 = 1 << 1;
    // CCR (B3.2.8)
    pub const NONBASETHRDENA: u32 = 1 << 0;
    pub const USERSETMPEND: u32 = 1 << 1;
    pub const UNALIGN_TRP: u32 = 1 << 3;
    pub const DIV_0_TRP: u32 = 1 << 4;
    pub const BFHFNMIGN: u32 = 1 << 8;
    pub const STKALIGN: u32 = 1 << 9;
    // SCR (B3.2.7)
    pub const SLEEPONEXIT: u32 = 1 << 1;
    pub const SEVONPEND: u32 = 1 << 4;
    // DEMCR (C1.6.5)
    pub const MON_EN: u32 = 1 << 16;
    pub const TRCENA: u32 = 1 << 24;

    /// Registers of the system control block that are plain storage.
    #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
    pub struct Scb {
        pub vtor: u32,
        pub scr: u32,
        pub ccr: u32,
        pub cfsr: u32,
        pub hfsr: u32,
        pub dfsr: u32,
        pub mmfar: u32,
        pub bfar: u32,
        pub demcr: u32,
        pub actlr: u32,
        pub csselr: u32,
    }

    impl Scb {
        pub fn new(cfg: &MConfig) -> Scb {
            Scb {
                vtor: cfg.vtor_reset,
                scr: 0,
                ccr: cfg.ccr_fixed | cfg.ccr_reset,
                cfsr: 0,
                hfsr: 0,
                dfsr: 0,
                mmfar: 0,
                bfar: 0,
                demcr: 0,
                actlr: 0,
                csselr: 0,
            }
        }
    }
}
use scb::*;

/// The system half of a core. Plain data; [`System::save`] is canonical.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct System {
    /// What core it is. Not state.
    pub cfg: MConfig,
    /// Special registers.
    pub st: MState,
    /// Exceptions.
    pub nvic: Nvic,
    /// System control block.
    pub scb: Scb,
    /// System timer.
    pub systick: SysTick,
    /// Memory protection.
    pub mpu: Mpu,
    /// Cycle counter and trace registers.
    pub dwt: Dwt,
    /// Cycles that exceptions took since the core last asked: nothing is left of them when it rests. Not state.
    pub spent: u64,
}

#[derive(Serialize)]
struct SavedRef<'a>(&'a MState, &'a Nvic, &'a Scb, &'a SysTick, &'a Mpu, &'a Dwt);
#[derive(Deserialize)]
struct Saved(MState, Nvic, Scb, SysTick, Mpu, Dwt);

impl System {
    /// After power-on, before the vectors are read.
    pub fn new(cfg: MConfig) -> System {
        System {
            st: MState::new(&cfg),
            nvic: Nvic::new(&cfg),
            scb: Scb::new(&cfg),
            systick: SysTick::new(&cfg),
            mpu: Mpu::new(&cfg),
            dwt: Dwt::default(),
            spent: 0,
            cfg,
        }
    }

    /// TakeReset (B1.5.5): everything but the interrupt lines starts anew, SP and PC come from the vector table.
    pub fn reset(&mut self, regs: &mut dyn RegFile, mem: &mut dyn MemPort) {
        let mut nvic = self.nvic.clone();
        nvic.reset(&self.cfg);
        *self = System { nvic, ..System::new(self.cfg.clone()) };
        for n in (0..13).chain(super::state::D0..super::state::D0 + 16) {
            regs.set(n, 0);
        }
        regs.set_flags(0);
        let vector = |mem: &mut dyn MemPort, n: u32| mem.read(self.scb.vtor.wrapping_add(4 * n));
        let (sp, pc) = (vector(mem, 0), vector(mem, 1));
        regs.set_r(super::state::SP, sp.unwrap_or(0) & !3);
        regs.set_r(super::state::LR, u32::MAX);
        regs.set_r(super::state::PC, pc.unwrap_or(0) & !1);
        self.st.thumb = pc.unwrap_or(0) & 1 != 0;
        // Without vectors there is nothing a HardFault could do either.
        self.st.lockup = sp.is_none() || pc.is_none();
    }

    /// ExecutionPriority (B1.5.4): what an exception must be above to be taken.
    pub fn execution_priority(&self) -> i16 {
        let boosted = if self.st.faultmask {
            -1
        } else if self.st.primask {
            0
        } else {
            self.masked_priority()
        };
        boosted.min(self.nvic.active_priority())
    }

    /// BASEPRI as a priority.
    fn masked_priority(&self) -> i16 {
        match self.st.basepri {
            0 => super::nvic::LOWEST,
            b => self.nvic.group(i16::from(b)),
        }
    }

    /// An exception is pending that the core takes before the next instruction.
    pub fn can_take(&self) -> bool {
        self.nvic.next_priority() < self.execution_priority()
    }

    /// What decides about accesses beside the MPU's registers: privileged, and whether its regions count.
    pub fn view(&self) -> (bool, bool) {
        (self.st.privileged(), self.mpu_applies())
    }

    // ---- sleep ----

    /// An exception is pending that ends WFI: PRIMASK does not count (B1.5.19).
    fn wakes_wfi(&self) -> bool {
        let boosted = if self.st.faultmask { -1 } else { self.masked_priority() };
        self.nvic.next_priority() < boosted.min(self.nvic.active_priority())
    }

    /// Whether the core is awake; wakes it if something has come that does.
    pub fn wake(&mut self) -> bool {
        let awake = match self.st.sleep {
            Sleep::Awake => true,
            Sleep::Wfi => self.wakes_wfi(),
            // The event is used up, as if WFE had found it.
            Sleep::Wfe => std::mem::take(&mut self.st.event) || self.can_take(),
        };
        if awake {
            self.st.sleep = Sleep::Awake;
        }
        awake
    }

    /// WFI. Says whether the core goes to sleep.
    pub fn wfi(&mut self) -> bool {
        self.st.sleep = Sleep::Wfi;
        !self.wake()
    }

    /// WFE. Says whether the core goes to sleep.
    pub fn wfe(&mut self) -> bool {
        self.st.sleep = Sleep::Wfe;
        !self.wake()
    }

    /// SEV. A system with several cores also tells the others ([`System::event`]).
    pub fn sev(&mut self) {
        self.st.event = true;
    }

    /// Another core's SEV, or the event input.
    pub fn event(&mut self) {
        self.st.event = true;
    }

    // ---- pending from outside ----

    /// Makes an exception pending, with SCR.SEVONPEND's event.
    pub fn pend(&mut self, e: u16) {
        let new = self.nvic.set_pending(e);
        self.pended(new);
    }

    /// An interrupt line changed.
    pub fn set_line(&mut self, line: u16, high: bool) {
        let new = self.nvic.set_line(line, high);
        self.pended(new);
    }

    pub(super) fn pended(&mut self, new: bool) {
        if new && self.scb.scr & SEVONPEND != 0 {
            self.st.event = true;
        }
    }

    /// SysTick reached 0.
    pub fn systick_event(&mut self, cycle: u64) {
        self.systick.event(cycle);
        self.pend(SYSTICK);
    }

    // ---- protection ----

    /// The MPU regions count for accesses at the present execution priority.
    pub fn mpu_applies(&self) -> bool {
        self.mpu.enabled() && self.mpu.applies(self.execution_priority())
    }

    /// Checks an access of the running code, in its own mode or as an unprivileged one (LDRT and the like).
    #[inline]
    pub fn check(&self, addr: u32, size: u32, kind: Kind, privileged: bool) -> bool {
        // Without an MPU the memory map forbids nothing but execution.
        if kind != Kind::Fetch && !self.mpu.enabled() {
            return true;
        }
        self.mpu.check(addr, size, kind, privileged, self.mpu_applies()).is_ok()
    }

    /// Division by zero traps (CCR.DIV_0_TRP).
    pub fn div_traps(&self) -> bool {
        self.scb.ccr & DIV_0_TRP != 0
    }
    /// Every unaligned access traps (CCR.UNALIGN_TRP; always in v6-M).
    pub fn unaligned_traps(&self) -> bool {
        self.scb.ccr & UNALIGN_TRP != 0
    }

    // ---- saved form ----

    /// Canonical state.
    pub fn save(&self) -> Vec<u8> {
        save::to_bytes(&SavedRef(&self.st, &self.nvic, &self.scb, &self.systick, &self.mpu, &self.dwt))
    }

    /// What [`System::save`] writes, by name.
    pub fn fields(&self, root: &str) -> Fields {
        let part = |name: &str| format!("{root}.{name}");
        let mut all = fields(&part("system"), &self.st);
        all.extend(fields(&part("nvic"), &self.nvic));
        all.extend(fields(&part("scb"), &self.scb));
        all.extend(fields(&part("systick"), &self.systick));
        all.extend(fields(&part("mpu"), &self.mpu));
        all.extend(fields(&part("dwt"), &self.dwt));
        all
    }

    /// Restores [`System::save`]'s bytes; nothing changes on an error.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let Saved(st, mut nvic, scb, systick, mpu, dwt) = save::from_bytes(bytes)?;
        let valid = st.validate(&self.cfg).and_then(|()| nvic.validate(&self.cfg));
        let valid = valid.and_then(|()| mpu.validate(&self.cfg)).and_then(|()| systick.validate(&self.cfg));
        valid.map_err(LoadError::Corrupt)?;
        nvic.refresh();
        *self = System { cfg: self.cfg.clone(), st, nvic, scb, systick, mpu, dwt, spent: 0 };
        Ok(())
    }
}
