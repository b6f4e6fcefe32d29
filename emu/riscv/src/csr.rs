//! Control and status registers of machine mode, and how traps are taken (volume II, chapters 2 and 3).
//!
//! There is no user and no supervisor mode: mstatus.MPP reads as machine mode and cannot be changed, nothing is
//! delegated. satp, medeleg, mideleg and mcounteren, which such a core would not have, read as zero and ignore writes:
//! start-up code for QEMU's `virt` machine writes them before it has a trap handler.

use crate::{
    counter::Counter,
    trap::{EXTERNAL, SOFTWARE, TIMER, Trap},
};
use serde::{Deserialize, Serialize};

/// Register numbers (volume II, tables 2.2 to 2.6).
#[allow(missing_docs)]
pub mod num {
    pub const SATP: u16 = 0x180;
    pub const MSTATUS: u16 = 0x300;
    pub const MISA: u16 = 0x301;
    pub const MEDELEG: u16 = 0x302;
    pub const MIDELEG: u16 = 0x303;
    pub const MIE: u16 = 0x304;
    pub const MTVEC: u16 = 0x305;
    pub const MCOUNTEREN: u16 = 0x306;
    pub const MSTATUSH: u16 = 0x310;
    pub const MCOUNTINHIBIT: u16 = 0x320;
    pub const MHPMEVENT3: u16 = 0x323;
    pub const MHPMEVENT31: u16 = 0x33f;
    pub const MSCRATCH: u16 = 0x340;
    pub const MEPC: u16 = 0x341;
    pub const MCAUSE: u16 = 0x342;
    pub const MTVAL: u16 = 0x343;
    pub const MIP: u16 = 0x344;
    pub const PMPCFG0: u16 = 0x3a0;
    pub const PMPCFG3: u16 = 0x3a3;
    pub const PMPADDR0: u16 = 0x3b0;
    pub const PMPADDR15: u16 = 0x3bf;
    pub const MCYCLE: u16 = 0xb00;
    pub const MINSTRET: u16 = 0xb02;
    pub const MHPMCOUNTER3: u16 = 0xb03;
    pub const MHPMCOUNTER31: u16 = 0xb1f;
    pub const MCYCLEH: u16 = 0xb80;
    pub const MINSTRETH: u16 = 0xb82;
    pub const MHPMCOUNTER3H: u16 = 0xb83;
    pub const MHPMCOUNTER31H: u16 = 0xb9f;
    pub const CYCLE: u16 = 0xc00;
    pub const INSTRET: u16 = 0xc02;
    pub const CYCLEH: u16 = 0xc80;
    pub const INSTRETH: u16 = 0xc82;
    pub const MVENDORID: u16 = 0xf11;
    pub const MARCHID: u16 = 0xf12;
    pub const MIMPID: u16 = 0xf13;
    pub const MHARTID: u16 = 0xf14;
    pub const MCONFIGPTR: u16 = 0xf15;
}

/// mstatus.MIE.
const STATUS_MIE: u32 = 1 << 3;
/// mstatus.MPIE.
const STATUS_MPIE: u32 = 1 << 7;
/// mstatus.MPP: machine mode, the only one.
const STATUS_MPP: u32 = 3 << 11;
/// RV32 with I, M, A and C.
const RV32IMAC: u32 = 1 << 30 | 1 << 8 | 1 << 12 | 1 | 1 << 2;
/// The interrupts that exist.
const INTERRUPTS: u32 = 1 << SOFTWARE | 1 << TIMER | 1 << EXTERNAL;
/// mcause.Interrupt.
const INTERRUPT: u32 = 1 << 31;
/// pmpcfg.L, and the bits of an entry that exist.
const PMP_LOCK: u8 = 0x80;
const PMP_BITS: u8 = 0x9f;
/// pmpcfg.A of an entry that uses the address of the one before.
const PMP_TOR: u8 = 1 << 3;

/// What the counters follow, as it is before the instruction that asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Cycle of the core's clock.
    pub cycle: u64,
    /// Instructions executed, those that trapped included.
    pub executed: u64,
}

/// The registers of machine mode and what else a hart is in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Csrs {
    /// mstatus.MIE: interrupts are taken.
    pub mstatus_mie: bool,
    /// mstatus.MPIE: what MIE was before the trap.
    pub mstatus_mpie: bool,
    /// mie.
    pub mie: u32,
    /// mip: the levels of the interrupt lines.
    pub mip: u32,
    /// mtvec.
    pub mtvec: u32,
    /// mscratch.
    pub mscratch: u32,
    /// mepc.
    pub mepc: u32,
    /// mcause.
    pub mcause: u32,
    /// mtval.
    pub mtval: u32,
    mcycle: Counter,
    minstret: Counter,
    /// Instructions executed that trapped: they do not retire.
    trapped: u64,
    pmpcfg: [u8; 16],
    pmpaddr: [u32; 16],
    /// The address that LR reserved.
    pub reservation: Option<u32>,
    /// WFI waits.
    pub asleep: bool,
    /// The first instruction of the trap handler traps: nothing but a reset gets the hart out of that.
    pub locked: bool,
}

impl Csrs {
    /// The state after reset.
    pub fn new(now: Now) -> Csrs {
        Csrs {
            mstatus_mie: false,
            mstatus_mpie: false,
            mie: 0,
            mip: 0,
            mtvec: 0,
            mscratch: 0,
            mepc: 0,
            mcause: 0,
            mtval: 0,
            mcycle: Counter::from(now.cycle),
            minstret: Counter::from(now.executed),
            trapped: 0,
            pmpcfg: [0; 16],
            pmpaddr: [0; 16],
            reservation: None,
            asleep: false,
            locked: false,
        }
    }

    /// Back to the reset state, but for the interrupt lines: they are as the devices drive them.
    pub fn reset(&mut self, now: Now) {
        *self = Csrs { mip: self.mip, ..Csrs::new(now) };
    }

    /// mstatus.
    pub fn mstatus(&self) -> u32 {
        STATUS_MPP
            | if self.mstatus_mie { STATUS_MIE } else { 0 }
            | if self.mstatus_mpie { STATUS_MPIE } else { 0 }
    }

    /// Instructions retired at `now`.
    fn retired(&self, now: Now) -> u64 {
        now.executed.wrapping_sub(self.trapped)
    }

    /// The value of register `n` of hart `hart`; `None`: there is no such register.
    pub fn read(&self, n: u16, hart: u16, now: Now) -> Option<u32> {
        use num::*;
        let cycle = || self.mcycle.value(now.cycle);
        let instret = || self.minstret.value(self.retired(now));
        Some(match n {
            MSTATUS => self.mstatus(),
            MISA => RV32IMAC,
            MIE => self.mie,
            MIP => self.mip,
            MTVEC => self.mtvec,
            MSCRATCH => self.mscratch,
            MEPC => self.mepc,
            MCAUSE => self.mcause,
            MTVAL => self.mtval,
            MCOUNTINHIBIT => u32::from(self.mcycle.inhibited()) | u32::from(self.minstret.inhibited()) << 2,
            MCYCLE | CYCLE => cycle() as u32,
            MCYCLEH | CYCLEH => (cycle() >> 32) as u32,
            MINSTRET | INSTRET => instret() as u32,
            MINSTRETH | INSTRETH => (instret() >> 32) as u32,
            PMPCFG0..=PMPCFG3 => {
                let i = 4 * usize::from(n - PMPCFG0);
                u32::from_le_bytes([0, 1, 2, 3].map(|k| self.pmpcfg[i + k]))
            }
            PMPADDR0..=PMPADDR15 => self.pmpaddr[usize::from(n - PMPADDR0)],
            MHARTID => hart.into(),
            _ if reads_as_zero(n) => 0,
            _ => return None,
        })
    }

    /// Writes register `n`. `false`: there is no such register, or it cannot be written.
    pub fn write(&mut self, n: u16, v: u32, now: Now) -> bool {
        use num::*;
        // The write's own instruction does not count (volume I, 10.1): the next one finds `v`.
        let (cycle, instret) = (now.cycle.wrapping_add(1), self.retired(now).wrapping_add(1));
        match n {
            MSTATUS => (self.mstatus_mie, self.mstatus_mpie) = (v & STATUS_MIE != 0, v & STATUS_MPIE != 0),
            MIE => self.mie = v & INTERRUPTS,
            // Modes above 1 are reserved: such a write is ignored.
            MTVEC if v & 2 == 0 => self.mtvec = v,
            MTVEC | MISA | MIP => {}
            MSCRATCH => self.mscratch = v,
            MEPC => self.mepc = v & !1,
            MCAUSE => self.mcause = v,
            MTVAL => self.mtval = v,
            MCOUNTINHIBIT => {
                self.mcycle.inhibit(v & 1 != 0, cycle);
                self.minstret.inhibit(v & 4 != 0, instret);
            }
            MCYCLE | MCYCLEH => self.mcycle.set(cycle, half(self.mcycle.value(cycle), n, v)),
            MINSTRET | MINSTRETH => self.minstret.set(instret, half(self.minstret.value(instret), n, v)),
            PMPCFG0..=PMPCFG3 => self.write_pmpcfg(4 * usize::from(n - PMPCFG0), v),
            PMPADDR0..=PMPADDR15 => self.write_pmpaddr(usize::from(n - PMPADDR0), v),
            _ => return n >> 10 != 3 && reads_as_zero(n),
        }
        true
    }

    /// Entries that are locked stay as they are (volume II, 3.7.1).
    fn write_pmpcfg(&mut self, first: usize, v: u32) {
        for (cfg, new) in self.pmpcfg[first..].iter_mut().zip(v.to_le_bytes()) {
            if *cfg & PMP_LOCK == 0 {
                *cfg = new & PMP_BITS;
            }
        }
    }

    fn write_pmpaddr(&mut self, i: usize, v: u32) {
        let locked = |i: usize| self.pmpcfg.get(i).is_some_and(|c| c & PMP_LOCK != 0);
        let top = self.pmpcfg.get(i + 1).is_some_and(|c| c & 0x18 == PMP_TOR);
        if locked(i) || top && locked(i + 1) {
            return;
        }
        self.pmpaddr[i] = v;
    }

    /// The level of an interrupt line.
    pub fn set_line(&mut self, line: u16, high: bool) {
        let bit = 1u32.checked_shl(line.into()).unwrap_or(0) & INTERRUPTS;
        self.mip = self.mip & !bit | if high { bit } else { 0 };
    }

    /// WFI: waits for an interrupt that mie enables, whether it would be taken or not (volume II, 3.3.3).
    pub fn wfi(&mut self) {
        self.asleep = true;
    }

    /// Wakes if there is a reason; says whether the hart is awake.
    pub fn wake(&mut self) -> bool {
        self.asleep &= self.mie & self.mip == 0;
        !self.asleep
    }

    /// The interrupt to take now (volume II, 3.1.9: external, software, timer).
    pub fn interrupt(&self) -> Option<u16> {
        let due = if self.mstatus_mie { self.mie & self.mip } else { 0 };
        [EXTERNAL, SOFTWARE, TIMER].into_iter().find(|n| due >> n & 1 != 0)
    }

    fn enter(&mut self, pc: u32, cause: u32, tval: u32) {
        (self.mstatus_mpie, self.mstatus_mie) = (self.mstatus_mie, false);
        (self.mepc, self.mcause, self.mtval) = (pc, cause, tval);
        self.reservation = None;
    }

    /// Takes interrupt `n` before the instruction at `pc`; gives the handler's address.
    pub fn take_interrupt(&mut self, pc: u32, n: u16) -> u32 {
        self.enter(pc, INTERRUPT | u32::from(n), 0);
        let vector = if self.mtvec & 1 != 0 { 4 * u32::from(n) } else { 0 };
        self.handler().wrapping_add(vector)
    }

    /// Takes an exception of the instruction at `pc`, which was executed if `executed`; gives the handler's address.
    pub fn take_exception(&mut self, pc: u32, trap: Trap, executed: bool) -> u32 {
        self.enter(pc, trap.cause, trap.tval);
        self.trapped += u64::from(executed);
        self.locked = pc == self.handler();
        self.handler()
    }

    /// Where exceptions go.
    pub fn handler(&self) -> u32 {
        self.mtvec & !3
    }

    /// MRET; gives the address to go on at.
    pub fn mret(&mut self) -> u32 {
        (self.mstatus_mie, self.mstatus_mpie) = (self.mstatus_mpie, true);
        self.reservation = None;
        self.mepc
    }

    /// What a loaded state must satisfy.
    pub fn validate(&self) -> Result<(), String> {
        let bits = self.mie | self.mip;
        if bits & !INTERRUPTS != 0 || self.mepc & 1 != 0 || self.mtvec & 2 != 0 {
            return Err("machine registers out of range".into());
        }
        if self.pmpcfg.iter().any(|c| c & !PMP_BITS != 0) {
            return Err("PMP entries out of range".into());
        }
        Ok(())
    }
}

/// `old` with one half replaced: the high one for the registers whose names end in H.
fn half(old: u64, n: u16, v: u32) -> u64 {
    if n & 0x80 != 0 { old & 0xffff_ffff | u64::from(v) << 32 } else { old & !0xffff_ffff | u64::from(v) }
}

fn reads_as_zero(n: u16) -> bool {
    use num::*;
    let counters = MHPMCOUNTER3..=MHPMCOUNTER31;
    let halves = MHPMCOUNTER3H..=MHPMCOUNTER31H;
    let events = MHPMEVENT3..=MHPMEVENT31;
    matches!(n, SATP | MEDELEG | MIDELEG | MCOUNTEREN | MSTATUSH)
        || matches!(n, MVENDORID | MARCHID | MIMPID | MCONFIGPTR)
        || counters.contains(&n)
        || halves.contains(&n)
        || events.contains(&n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use num::*;

    const NOW: Now = Now { cycle: 1000, executed: 900 };

    fn csrs() -> Csrs {
        Csrs::new(Now { cycle: 0, executed: 0 })
    }

    #[test]
    fn what_is_written_is_read_under_its_mask() {
        let mut c = csrs();
        for (n, v, want) in [
            (MSTATUS, u32::MAX, 0x1888),
            (MSTATUS, 0, 0x1800),
            (MISA, 0, 0x4000_1105),
            (MIE, u32::MAX, 0x888),
            (MIP, u32::MAX, 0),
            (MTVEC, 0x8000_0101, 0x8000_0101),
            (MTVEC, 0x1002, 0x8000_0101),
            (MEPC, 0xffff_ffff, 0xffff_fffe),
            (MCAUSE, 0x8000_00ff, 0x8000_00ff),
            (MSTATUSH, u32::MAX, 0),
            (SATP, 0x8000_0000, 0),
            (MHPMEVENT3, 7, 0),
            (PMPADDR15, 0xffff_ffff, 0xffff_ffff),
        ] {
            assert!(c.write(n, v, NOW), "{n:#x}");
            assert_eq!(c.read(n, 0, NOW), Some(want), "{n:#x}");
        }
        assert_eq!(c.read(MHARTID, 3, NOW), Some(3));
        for n in [MHARTID, MVENDORID, CYCLE, 0xc01, 0x7b0, 0x3a4, 0x100] {
            assert!(!c.write(n, 0, NOW), "{n:#x}");
        }
        assert_eq!([0xc01, 0xc81, 0x7a0, 0x001, 0x3ef].map(|n| c.read(n, 0, NOW)), [None; 5]);
    }

    #[test]
    fn the_instruction_that_writes_a_counter_does_not_count() {
        let mut c = csrs();
        assert_eq!((c.read(MCYCLE, 0, NOW), c.read(INSTRET, 0, NOW)), (Some(1000), Some(900)));
        c.write(MCYCLE, 5, NOW);
        c.write(MINSTRETH, 1, NOW);
        let next = Now { cycle: 1001, executed: 901 };
        assert_eq!(c.read(CYCLE, 0, next), Some(5));
        assert_eq!((c.read(MINSTRET, 0, next), c.read(INSTRETH, 0, next)), (Some(901), Some(1)));
        c.write(MCOUNTINHIBIT, 5, next);
        let later = Now { cycle: 2000, executed: 1900 };
        assert_eq!((c.read(MCYCLE, 0, later), c.read(MINSTRET, 0, later)), (Some(6), Some(902)));
        assert_eq!(c.read(MCOUNTINHIBIT, 0, later), Some(5));
    }

    #[test]
    fn a_locked_pmp_entry_stays() {
        let mut c = csrs();
        c.write(PMPADDR0, 1, NOW);
        c.write(PMPCFG0, 0x0000_8f7f, NOW); // entry 0 as far as it exists, entry 1 locked and TOR
        assert_eq!(c.read(PMPCFG0, 0, NOW), Some(0x0000_8f1f));
        c.write(PMPCFG0, 0, NOW);
        assert_eq!(c.read(PMPCFG0, 0, NOW), Some(0x0000_8f00));
        c.write(PMPADDR0, 2, NOW); // the base of a locked range
        c.write(PMPADDR0 + 1, 2, NOW);
        c.write(PMPADDR0 + 2, 2, NOW);
        assert_eq!([0, 1, 2].map(|i| c.read(PMPADDR0 + i, 0, NOW)), [Some(1), Some(0), Some(2)]);
    }

    #[test]
    fn interrupts_come_by_priority_and_vector() {
        let mut c = csrs();
        c.write(MTVEC, 0x8000_0001, NOW);
        c.write(MIE, 0x888, NOW);
        for line in [TIMER, SOFTWARE, EXTERNAL, 40] {
            c.set_line(line, true);
        }
        assert_eq!(c.interrupt(), None);
        c.write(MSTATUS, 8, NOW);
        assert_eq!(c.interrupt(), Some(EXTERNAL));
        assert_eq!(c.take_interrupt(0x100, EXTERNAL), 0x8000_002c);
        assert_eq!((c.mepc, c.mcause, c.mtval, c.mstatus()), (0x100, 0x8000_000b, 0, 0x1880));
        assert_eq!(c.interrupt(), None);
        c.set_line(EXTERNAL, false);
        assert_eq!((c.mret(), c.mstatus()), (0x100, 0x1888));
        assert_eq!(c.interrupt(), Some(SOFTWARE));
        assert_eq!(c.take_exception(0x102, Trap::illegal(0), true), 0x8000_0000);
        assert_eq!((c.mcause, c.locked), (2, false));
        c.take_exception(0x8000_0000, Trap::new(FETCH, 0x8000_0000), false);
        assert!(c.locked);
    }
    const FETCH: u32 = crate::trap::FETCH_FAULT;

    #[test]
    fn wfi_wakes_for_what_is_enabled_though_nothing_is_taken() {
        let mut c = csrs();
        c.wfi();
        c.set_line(TIMER, true);
        assert!(!c.wake());
        c.write(MIE, 0x80, NOW);
        assert!(c.wake());
        c.wfi();
        assert!(c.wake(), "pending already");
        assert_eq!(c.interrupt(), None);
    }
}
