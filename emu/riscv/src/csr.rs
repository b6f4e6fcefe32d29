//! Control and status registers of machine and user mode, and how traps are taken (volume II, chapters 2 and 3).
//!
//! There is no supervisor mode, so nothing is delegated. Where images for QEMU's `virt` machine, whose harts have one, count
//! on it before or beside any supervisor: satp, medeleg and mideleg read as zero and ignore writes; the supervisor's bits
//! of mie and mip can be written, and make interrupts 9, 1 and 5, which machine mode takes (3.1.9 would have them zero).

use crate::{
    counter::Counter,
    pmp::Pmp,
    trap::{EXTERNAL, S_EXTERNAL, S_SOFTWARE, S_TIMER, SOFTWARE, TIMER, Trap},
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
    pub const HPMCOUNTER31: u16 = 0xc1f;
    pub const CYCLEH: u16 = 0xc80;
    pub const INSTRETH: u16 = 0xc82;
    pub const HPMCOUNTER31H: u16 = 0xc9f;
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
/// mstatus.MPP.
const STATUS_MPP: u32 = 3 << 11;
/// mstatus.MPRV.
const STATUS_MPRV: u32 = 1 << 17;
/// mstatus.TW.
const STATUS_TW: u32 = 1 << 21;
/// RV32 with I, M, A, C and U.
const RV32IMAC: u32 = 1 << 30 | 1 << 8 | 1 << 12 | 1 | 1 << 2 | 1 << 20;
/// The interrupts whose pending bits follow lines.
const LINES: u32 = 1 << SOFTWARE | 1 << TIMER | 1 << EXTERNAL;
/// Those whose pending bits are what was written.
const WRITTEN: u32 = 1 << S_SOFTWARE | 1 << S_TIMER | 1 << S_EXTERNAL;
/// mcounteren: cycle and instret; user mode has no other counter.
const COUNTERS: u32 = 1 | 1 << 2;
/// mcause.Interrupt.
const INTERRUPT: u32 = 1 << 31;

/// A privilege mode (volume II, 1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Mode {
    /// User mode, 0.
    User,
    /// Machine mode, 3.
    Machine,
}

impl Mode {
    /// Its number, as mstatus.MPP and debuggers have it.
    pub fn number(self) -> u32 {
        match self {
            Mode::User => 0,
            Mode::Machine => 3,
        }
    }
    /// The mode of a number, if there is one.
    pub fn of(number: u32) -> Option<Mode> {
        [Mode::User, Mode::Machine].into_iter().find(|m| m.number() == number)
    }
}

/// What the counters follow, as it is before the instruction that asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Cycle of the core's clock.
    pub cycle: u64,
    /// Instructions executed, those that trapped included.
    pub executed: u64,
}

/// What the modes of instructions and data, and what PMP makes of them, hang on: who caches that, must look again when it changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    /// The mode that PMP holds fetches to; `None`: they cannot fail.
    pub fetch: Option<Mode>,
    /// The same for loads and stores that are aligned.
    pub data: Option<Mode>,
}

/// The registers of machine mode and what else a hart is in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Csrs {
    /// The mode it runs in.
    pub mode: Mode,
    /// mstatus.MPP: the mode before the trap.
    pub mstatus_mpp: Mode,
    /// mstatus.MPRV: loads and stores of machine mode have the privilege of MPP.
    pub mstatus_mprv: bool,
    /// mstatus.TW: WFI is illegal in user mode.
    pub mstatus_tw: bool,
    /// mstatus.MIE: interrupts are taken.
    pub mstatus_mie: bool,
    /// mstatus.MPIE: what MIE was before the trap.
    pub mstatus_mpie: bool,
    /// mie.
    pub mie: u32,
    /// mip: the levels of the interrupt lines, and what was written to the supervisor's bits.
    pub mip: u32,
    /// mcounteren: the counters that user mode may read.
    mcounteren: u32,
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
    /// Physical memory protection.
    pub pmp: Pmp,
    /// The address that LR reserved.
    pub reservation: Option<u32>,
    /// WFI waits.
    pub asleep: bool,
    /// The first instruction of the trap handler traps, or a later one for ever: nothing but a reset gets the hart out of that.
    pub locked: bool,
    nested: Nested,
}

/// The last exception, if no MRET came since, and how often before it the same instruction trapped with ever less stack: a
/// handler that recurses, since an instruction of its own traps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Nested {
    pc: u32,
    sp: u32,
    times: u32,
}

/// So many levels of it are no accident: what follows is a stack that runs over everything below it.
const NESTED: u32 = 1000;

impl Csrs {
    /// The state after reset.
    pub fn new(now: Now) -> Csrs {
        Csrs {
            mode: Mode::Machine,
            mstatus_mpp: Mode::User,
            mstatus_mprv: false,
            mstatus_tw: false,
            mstatus_mie: false,
            mstatus_mpie: false,
            mie: 0,
            mip: 0,
            mcounteren: 0,
            mtvec: 0,
            mscratch: 0,
            mepc: 0,
            mcause: 0,
            mtval: 0,
            mcycle: Counter::from(now.cycle),
            minstret: Counter::from(now.executed),
            trapped: 0,
            pmp: Pmp::default(),
            reservation: None,
            asleep: false,
            locked: false,
            nested: Nested::default(),
        }
    }

    /// Back to the reset state, but for the interrupt lines: they are as the devices drive them.
    pub fn reset(&mut self, now: Now) {
        *self = Csrs { mip: self.mip & LINES, ..Csrs::new(now) };
    }

    /// mstatus.
    pub fn mstatus(&self) -> u32 {
        let bit = |set: bool, bit: u32| if set { bit } else { 0 };
        self.mstatus_mpp.number() << STATUS_MPP.trailing_zeros()
            | bit(self.mstatus_mie, STATUS_MIE)
            | bit(self.mstatus_mpie, STATUS_MPIE)
            | bit(self.mstatus_mprv, STATUS_MPRV)
            | bit(self.mstatus_tw, STATUS_TW)
    }

    fn set_mstatus(&mut self, v: u32) {
        (self.mstatus_mie, self.mstatus_mpie) = (v & STATUS_MIE != 0, v & STATUS_MPIE != 0);
        (self.mstatus_mprv, self.mstatus_tw) = (v & STATUS_MPRV != 0, v & STATUS_TW != 0);
        // A mode that does not exist is not written.
        self.mstatus_mpp =
            Mode::of((v & STATUS_MPP) >> STATUS_MPP.trailing_zeros()).unwrap_or(self.mstatus_mpp);
    }

    /// The mode whose privilege loads and stores have (volume II, 3.1.6.3).
    pub fn data_mode(&self) -> Mode {
        if self.mode == Mode::Machine && self.mstatus_mprv { self.mstatus_mpp } else { self.mode }
    }

    /// Who PMP binds at present.
    pub fn view(&self) -> View {
        let bound = |mode| self.pmp.binds(mode).then_some(mode);
        View { fetch: bound(self.mode), data: bound(self.data_mode()) }
    }

    /// Whether the mode may access register `n` (volume II, 2.1; 3.1.11).
    pub fn may_access(&self, n: u16) -> bool {
        use num::*;
        self.mode == Mode::Machine
            || match n {
                CYCLE..=HPMCOUNTER31 | CYCLEH..=HPMCOUNTER31H => self.mcounteren >> (n & 31) & 1 != 0,
                _ => n >> 8 & 3 == 0,
            }
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
            MCOUNTEREN => self.mcounteren,
            PMPCFG0..=PMPCFG3 => self.pmp.cfg(usize::from(n - PMPCFG0)),
            PMPADDR0..=PMPADDR15 => self.pmp.addr(usize::from(n - PMPADDR0)),
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
            MSTATUS => self.set_mstatus(v),
            MIE => self.mie = v & (LINES | WRITTEN),
            MIP => self.mip = self.mip & LINES | v & WRITTEN,
            // Modes above 1 are reserved: such a write is ignored.
            MTVEC if v & 2 == 0 => self.mtvec = v,
            MTVEC | MISA => {}
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
            MCOUNTEREN => self.mcounteren = v & COUNTERS,
            PMPCFG0..=PMPCFG3 => self.pmp.write_cfg(usize::from(n - PMPCFG0), v),
            PMPADDR0..=PMPADDR15 => self.pmp.write_addr(usize::from(n - PMPADDR0), v),
            _ => return n >> 10 != 3 && reads_as_zero(n),
        }
        true
    }

    /// The level of an interrupt line.
    pub fn set_line(&mut self, line: u16, high: bool) {
        let bit = 1u32.checked_shl(line.into()).unwrap_or(0) & LINES;
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

    /// WFI: whether the mode may wait (volume II, 3.1.6.5).
    pub fn may_wait(&self) -> bool {
        self.mode == Mode::Machine || !self.mstatus_tw
    }

    /// The interrupt to take now (volume II, 3.1.9: external, software, timer). User mode cannot hold them off.
    pub fn interrupt(&self) -> Option<u16> {
        let due = if self.mstatus_mie || self.mode == Mode::User { self.mie & self.mip } else { 0 };
        let order = [EXTERNAL, SOFTWARE, TIMER, S_EXTERNAL, S_SOFTWARE, S_TIMER];
        if due == 0 { None } else { order.into_iter().find(|n| due >> n & 1 != 0) }
    }

    fn enter(&mut self, pc: u32, cause: u32, tval: u32) {
        (self.mstatus_mpie, self.mstatus_mie) = (self.mstatus_mie, false);
        (self.mstatus_mpp, self.mode) = (self.mode, Mode::Machine);
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
    /// `sp` is the stack pointer.
    pub fn take_exception(&mut self, pc: u32, trap: Trap, executed: bool, sp: u32) -> u32 {
        let within = self.mode == Mode::Machine;
        let deeper = within && self.nested.pc == pc && sp < self.nested.sp;
        self.nested = Nested { pc, sp, times: if deeper { self.nested.times + 1 } else { 0 } };
        // User code that traps at the handler's address is no handler: machine mode has other rights there.
        self.locked = within && pc == self.handler() || self.nested.times == NESTED;
        self.enter(pc, trap.cause, trap.tval);
        self.trapped += u64::from(executed);
        self.handler()
    }

    /// It is not locked, whatever its trap handler did.
    pub fn unlock(&mut self) {
        (self.locked, self.nested) = (false, Nested::default());
    }

    /// Where exceptions go.
    pub fn handler(&self) -> u32 {
        self.mtvec & !3
    }

    /// MRET; gives the address to go on at.
    pub fn mret(&mut self) -> u32 {
        (self.mstatus_mie, self.mstatus_mpie) = (self.mstatus_mpie, true);
        (self.mode, self.mstatus_mpp) = (self.mstatus_mpp, Mode::User);
        self.nested = Nested::default();
        self.mstatus_mprv &= self.mode == Mode::Machine;
        self.reservation = None;
        self.mepc
    }

    /// What a loaded state must satisfy.
    pub fn validate(&self) -> Result<(), String> {
        let bits = self.mie | self.mip;
        if bits & !(LINES | WRITTEN) != 0 || self.mepc & 1 != 0 || self.mtvec & 2 != 0 {
            return Err("machine registers out of range".into());
        }
        if self.mcounteren & !COUNTERS != 0 || self.nested.times > NESTED {
            return Err("mcounteren or the depth of traps out of range".into());
        }
        self.pmp.validate()
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
    matches!(n, SATP | MEDELEG | MIDELEG | MSTATUSH)
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
            (MSTATUS, u32::MAX, 0x0022_1888),
            (MSTATUS, 0x0800, 0x1800),
            (MSTATUS, 0, 0),
            (MSTATUS, 0x1000, 0),
            (MISA, 0, 0x4010_1105),
            (MIE, u32::MAX, 0xaaa),
            (MIP, u32::MAX, 0x222),
            (MCOUNTEREN, u32::MAX, 5),
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
        assert_eq!((c.mret(), c.mstatus(), c.mode), (0x100, 0x88, Mode::Machine));
        assert_eq!(c.interrupt(), Some(SOFTWARE));
        assert_eq!(c.take_exception(0x102, Trap::illegal(0), true, 0), 0x8000_0000);
        assert_eq!((c.mcause, c.locked), (2, false));
        c.take_exception(0x8000_0000, Trap::new(FETCH, 0x8000_0000), false, 0);
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
