//! Exception entry and return (DDI0403E B1.5.6 to B1.5.8, DDI0419 B1.5.6 to B1.5.8) and lazy floating-point stacking.
//!
//! Entry and return are atomic here, at the instant at which they begin, and then take their time: [`System::spent`]. What is
//! pending by then decides about the handler, and whether a return is chained. What arrives while a real core stacks (late
//! arrival) or unstacks interrupts the handler, or the interrupted code, before its first instruction.

use super::{
    fault::Fault,
    mpu::Kind,
    nvic::exc::*,
    state::*,
    system::{MemPort, System, scb::*},
};

/// What became of an exception return.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Returned {
    /// Execution goes on at the program counter: of the interrupted code, or of another handler.
    Running,
    /// SCR.SLEEPONEXIT: the core sleeps.
    Sleeping,
}

/// Size of the basic frame.
const BASIC: u32 = 0x20;
/// Size of the frame with floating-point registers.
const EXTENDED: u32 = 0x68;
/// xPSR bit 9 in a frame: the stack pointer was not 8-byte aligned.
const PADDED: u32 = 1 << 9;
/// EXC_RETURN bit 4: no floating-point registers in the frame.
const NO_FP: u32 = 1 << 4;

impl System {
    /// Takes the highest pending exception. Call it if [`System::can_take`]; PC is the return address.
    pub fn take_exception(&mut self, regs: &mut impl RegFile, mem: &mut impl MemPort) {
        self.spent += self.cfg.timing.entry();
        let exc_return = self.push_frame(regs, mem);
        self.start_handler(regs, mem, exc_return);
    }

    // ---- stacking ----

    fn store(&mut self, mem: &mut impl MemPort, addr: u32, v: u32, privileged: bool) -> Result<(), Refused> {
        if !self.check(addr, 4, Kind::Write, privileged) {
            return Err(Refused::Mpu);
        }
        if mem.write(addr, v) { Ok(()) } else { Err(Refused::Bus) }
    }

    fn fetch(&mut self, mem: &mut impl MemPort, addr: u32, privileged: bool) -> Result<u32, Refused> {
        if !self.check(addr, 4, Kind::Read, privileged) {
            return Err(Refused::Mpu);
        }
        mem.read(addr).ok_or(Refused::Bus)
    }

    /// PushStack: returns EXC_RETURN. A fault becomes pending; SP is then where the frame would be.
    fn push_frame(&mut self, regs: &mut impl RegFile, mem: &mut impl MemPort) -> u32 {
        let fp = self.st.fpca;
        let align = fp || self.scb.ccr & STKALIGN != 0;
        let sp = regs.r(SP);
        let padded = align && sp & 4 != 0;
        let size = if fp { EXTENDED } else { BASIC };
        let frame = sp.wrapping_sub(size) & if align { !7 } else { !3 };
        let psr = (self.st.xpsr(regs) & !PADDED) | if padded { PADDED } else { 0 };
        let words =
            [regs.r(0), regs.r(1), regs.r(2), regs.r(3), regs.r(12), regs.r(LR), regs.r(PC) & !1, psr];
        regs.set_r(SP, frame);
        let privileged = self.st.privileged();
        let mut done = Ok(());
        for (v, addr) in words.into_iter().zip((0..).map(|i| frame.wrapping_add(4 * i))) {
            done = done.and_then(|()| self.store(mem, addr, v, privileged));
        }
        if fp && done.is_ok() {
            if self.st.fpccr & LSPEN != 0 {
                self.owe_fp_frame(frame.wrapping_add(BASIC));
            } else if !self.fp_allowed() {
                self.raise(Fault::NoCoprocessor);
            } else {
                done = self.store_fp(regs, mem, frame.wrapping_add(BASIC), privileged);
            }
        }
        match done {
            Ok(()) => {}
            Err(Refused::Mpu) => self.raise(Fault::StackMpu),
            Err(Refused::Bus) => self.raise(Fault::StackBus),
        }
        let mode = match (self.st.handler(), self.st.spsel) {
            (true, _) => 0x1,
            (false, false) => 0x9,
            (false, true) => 0xd,
        };
        0xffff_ffe0 | mode | if fp { 0 } else { NO_FP }
    }

    fn store_fp(
        &mut self,
        regs: &impl RegFile,
        mem: &mut impl MemPort,
        at: u32,
        privileged: bool,
    ) -> Result<(), Refused> {
        self.spent += self.cfg.timing.fp_frame();
        for i in 0..16 {
            self.store(mem, at.wrapping_add(4 * i), regs.s(i as usize), privileged)?;
        }
        self.store(mem, at.wrapping_add(0x40), self.st.fpscr, privileged)
    }

    /// UpdateFPCCR: the registers are stored when the handler first uses floating point.
    fn owe_fp_frame(&mut self, at: u32) {
        let priority = self.execution_priority();
        let ready = |e: u16| self.nvic.is_enabled(e) && self.nvic.priority(e) < priority;
        let bits = [
            (LSPACT, true),
            (FPCCR_USER, !self.st.privileged()),
            (FPCCR_THREAD, !self.st.handler()),
            (HFRDY, priority > -1),
            (BFRDY, ready(BUS_FAULT)),
            (MMRDY, ready(MEM_MANAGE)),
            (MONRDY, ready(DEBUG_MONITOR)),
        ];
        let set = bits.iter().filter(|b| b.1).fold(0, |a, b| a | b.0);
        self.st.fpccr = (self.st.fpccr & (ASPEN | LSPEN)) | set;
        self.st.fpcar = at & !7;
    }

    // ---- floating-point access ----

    /// CPACR lets the running code use floating point.
    pub fn fp_allowed(&self) -> bool {
        match (self.st.cpacr >> 20) & 3 {
            3 => true,
            1 => self.st.privileged(),
            _ => false,
        }
    }

    /// A floating-point instruction needs nothing done first.
    #[inline]
    pub fn fp_ready(&self) -> bool {
        let context = self.st.fpca || self.st.fpccr & ASPEN == 0;
        context && self.st.fpccr & LSPACT == 0 && self.fp_allowed()
    }

    /// ExecuteFPCheck: what happens before a floating-point instruction. On an error raise the fault; the
    /// instruction has not been executed.
    pub fn fp_check(&mut self, regs: &impl RegFile, mem: &mut impl MemPort) -> Result<(), Fault> {
        if !self.cfg.has_fpu() || !self.fp_allowed() {
            return Err(Fault::NoCoprocessor);
        }
        if self.st.fpccr & LSPACT != 0 {
            self.preserve_fp(regs, mem)?;
        }
        if self.st.fpccr & ASPEN != 0 && !self.st.fpca {
            // The pseudocode leaves flags and status as they are; they are UNKNOWN here, and a new context has none.
            self.st.fpscr = self.st.fpdscr & FPDSCR_MASK;
            self.st.fpca = true;
        }
        Ok(())
    }

    /// PreserveFPState: stores the owed registers with the privilege recorded at the entry.
    fn preserve_fp(&mut self, regs: &impl RegFile, mem: &mut impl MemPort) -> Result<(), Fault> {
        let privileged = self.st.fpccr & FPCCR_USER == 0;
        match self.store_fp(regs, mem, self.st.fpcar, privileged) {
            Ok(()) => {
                self.st.fpccr &= !LSPACT;
                Ok(())
            }
            Err(Refused::Mpu) => Err(Fault::LazyMpu),
            Err(Refused::Bus) => Err(Fault::LazyBus),
        }
    }

    // ---- entry ----

    /// ExceptionTaken for the highest pending exception; a vector that cannot be read makes it a HardFault.
    fn start_handler(&mut self, regs: &mut impl RegFile, mem: &mut impl MemPort, exc_return: u32) {
        while !self.st.lockup {
            let Some(e) = self.nvic.next() else { return };
            // Vector reads use the default memory map: no MPU check.
            let Some(vector) = mem.read(self.scb.vtor.wrapping_add(4 * u32::from(e))) else {
                if self.nvic.priority(e) < 0 {
                    self.st.lockup = true;
                } else {
                    self.raise(Fault::VectorTable);
                }
                continue;
            };
            self.nvic.acknowledge(e);
            self.st.set_mode(regs, e, false);
            regs.set_r(LR, exc_return);
            regs.set_r(PC, vector & !1);
            self.st.thumb = vector & 1 != 0;
            self.st.itstate = 0;
            self.st.fpca = false;
            self.st.sleep = Sleep::Awake;
            self.st.exclusive = false;
            self.st.event = true;
            return;
        }
    }

    // ---- return ----

    /// A value branched to is EXC_RETURN: in handler mode its four highest bits are ones.
    #[inline]
    pub fn is_exception_return(&self, value: u32) -> bool {
        value >> 28 == 0xf && self.st.handler()
    }

    /// ExceptionReturn (B1.5.8).
    pub fn exception_return(
        &mut self,
        regs: &mut impl RegFile,
        mem: &mut impl MemPort,
        value: u32,
    ) -> Returned {
        let from = self.st.ipsr;
        let valid = self.return_is_valid(from, value);
        self.nvic.deactivate(from);
        if from != NMI {
            self.st.faultmask = false;
        }
        if !valid {
            self.return_fault(regs, mem, value, Fault::InvalidPc);
            return Returned::Running;
        }
        if self.can_take() {
            // Tail-chaining: the frame stays.
            self.spent += self.cfg.timing.chain();
            self.start_handler(regs, mem, value);
            return Returned::Running;
        }
        self.spent += self.cfg.timing.exit();
        if value & 8 != 0 {
            self.st.set_mode(regs, 0, value & 4 != 0);
        }
        if let Err(fault) = self.pop_frame(regs, mem, value) {
            self.return_fault(regs, mem, value, fault);
            return Returned::Running;
        }
        self.st.exclusive = false;
        self.st.event = true;
        let base_level = !self.st.handler() && self.nvic.active_count() == 0;
        if base_level && self.scb.scr & SLEEPONEXIT != 0 && self.wfi() {
            return Returned::Sleeping;
        }
        Returned::Running
    }

    fn return_is_valid(&self, from: u16, value: u32) -> bool {
        let ones = if self.cfg.has_fpu() { 0x0fff_ffe0 } else { 0x0fff_fff0 };
        let base_level = || self.nvic.active_count() == 1 || self.scb.ccr & NONBASETHRDENA != 0;
        let target = match value & 0xf {
            0x1 => true,
            0x9 | 0xd => base_level(),
            _ => false,
        };
        self.nvic.is_active(from) && value & ones == ones && target
    }

    /// A return that fails: the fault's handler is chained, and would return once more with `value`.
    fn return_fault(&mut self, regs: &mut impl RegFile, mem: &mut impl MemPort, value: u32, fault: Fault) {
        self.raise(fault);
        self.spent += self.cfg.timing.chain();
        self.start_handler(regs, mem, 0xf000_0000 | value);
    }

    /// PopStack. On a fault the registers are as before.
    fn pop_frame(
        &mut self,
        regs: &mut impl RegFile,
        mem: &mut impl MemPort,
        value: u32,
    ) -> Result<(), Fault> {
        let unstack = |k| if k == Refused::Mpu { Fault::UnstackMpu } else { Fault::UnstackBus };
        let frame = regs.r(SP);
        let privileged = self.st.privileged();
        let mut words = [0; 8];
        for (w, addr) in words.iter_mut().zip((0..).map(|i| frame.wrapping_add(4 * i))) {
            *w = self.fetch(mem, addr, privileged).map_err(unstack)?;
        }
        let [r0, r1, r2, r3, r12, lr, pc, psr] = words;
        let ipsr = (psr & 0x1ff) as u16;
        let to_handler = value & 8 == 0;
        if to_handler != (ipsr != 0) || ipsr >= self.nvic.exceptions() {
            return Err(Fault::InvalidPc);
        }
        let fp = self.cfg.has_fpu() && value & NO_FP == 0;
        if fp {
            self.pop_fp(regs, mem, frame.wrapping_add(BASIC), privileged)?;
        }
        let align = fp || self.scb.ccr & STKALIGN != 0;
        let top = frame.wrapping_add(if fp { EXTENDED } else { BASIC });
        regs.set_r(SP, if align && psr & PADDED != 0 { top | 4 } else { top });
        for (n, v) in [(0, r0), (1, r1), (2, r2), (3, r3), (12, r12), (LR, lr), (PC, pc & !1)] {
            regs.set_r(n, v);
        }
        let cfg = &self.cfg;
        self.st.set_psr(regs, cfg, psr);
        if to_handler {
            self.st.set_mode(regs, ipsr, false);
        }
        self.st.fpca = fp;
        Ok(())
    }

    fn pop_fp(
        &mut self,
        regs: &mut impl RegFile,
        mem: &mut impl MemPort,
        at: u32,
        privileged: bool,
    ) -> Result<(), Fault> {
        if self.st.fpccr & LSPACT != 0 {
            self.st.fpccr &= !LSPACT; // never stored: the registers still hold what they held
            return Ok(());
        }
        if !self.fp_allowed() {
            return Err(Fault::NoCoprocessor);
        }
        self.spent += self.cfg.timing.fp_frame();
        let mut words = [0; 17];
        for (w, addr) in words.iter_mut().zip((0..).map(|i| at.wrapping_add(4 * i))) {
            let unstack = |k| if k == Refused::Mpu { Fault::UnstackMpu } else { Fault::UnstackBus };
            *w = self.fetch(mem, addr, privileged).map_err(unstack)?;
        }
        for (i, w) in words[..16].iter().enumerate() {
            regs.set_s(i, *w);
        }
        self.st.fpscr = words[16] & FPSCR_MASK;
        Ok(())
    }
}

/// Who refused an access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refused {
    Mpu,
    Bus,
}
