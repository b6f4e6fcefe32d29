//! Faults: which status bits they set, which exception they become, and when they escalate (DDI0403E B1.5.14, B3.2.15).

use super::{
    nvic::exc::*,
    system::{System, scb::*},
};

/// Something an instruction, a fetch or an exception entry did wrong, or a synchronous exception it asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Undefined instruction.
    Undefined,
    /// Execution with EPSR.T = 0, or an illegal ITSTATE.
    InvalidState,
    /// Integrity check of an exception return.
    InvalidPc,
    /// Coprocessor that does not exist or is not enabled (also: FP instruction without access).
    NoCoprocessor,
    /// Unaligned access where none is allowed.
    Unaligned,
    /// Division by zero with CCR.DIV_0_TRP.
    DivByZero,
    /// Nothing answers a data access.
    Bus {
        /// The address.
        addr: u32,
        /// The instruction is known.
        precise: bool,
    },
    /// Nothing answers an instruction fetch.
    BusFetch,
    /// The MPU forbids a data access.
    Mpu {
        /// The address.
        addr: u32,
    },
    /// The MPU or the memory map forbids an instruction fetch.
    MpuFetch,
    /// Bus fault on stacking.
    StackBus,
    /// MPU fault on stacking.
    StackMpu,
    /// Bus fault on unstacking.
    UnstackBus,
    /// MPU fault on unstacking.
    UnstackMpu,
    /// Bus fault on lazy floating-point stacking.
    LazyBus,
    /// MPU fault on lazy floating-point stacking.
    LazyMpu,
    /// The vector cannot be read.
    VectorTable,
    /// BKPT that nobody takes.
    Breakpoint,
    /// SVC.
    Svc,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Fault::Undefined => "undefined instruction",
            Fault::InvalidState => "execution without the Thumb bit or with a bad ITSTATE",
            Fault::InvalidPc => "exception return that is not valid",
            Fault::NoCoprocessor => "coprocessor that is absent or off",
            Fault::Unaligned => "unaligned access",
            Fault::DivByZero => "division by zero",
            Fault::Bus { .. } => "access that nothing answers",
            Fault::BusFetch => "instruction fetch that nothing answers",
            Fault::Mpu { .. } => "access that the MPU forbids",
            Fault::MpuFetch => "instruction fetch from where nothing may be executed",
            Fault::StackBus | Fault::LazyBus => "stacking that nothing answers",
            Fault::StackMpu | Fault::LazyMpu => "stacking that the MPU forbids",
            Fault::UnstackBus => "unstacking that nothing answers",
            Fault::UnstackMpu => "unstacking that the MPU forbids",
            Fault::VectorTable => "vector that cannot be read",
            Fault::Breakpoint => "breakpoint without a debugger",
            Fault::Svc => "SVC at a priority that forbids it",
        })
    }
}

impl Fault {
    /// The exception it is before any escalation, and its bits in CFSR.
    fn kind(self) -> (u16, u32) {
        match self {
            Fault::Undefined => (USAGE_FAULT, UNDEFINSTR),
            Fault::InvalidState => (USAGE_FAULT, INVSTATE),
            Fault::InvalidPc => (USAGE_FAULT, INVPC),
            Fault::NoCoprocessor => (USAGE_FAULT, NOCP),
            Fault::Unaligned => (USAGE_FAULT, UNALIGNED),
            Fault::DivByZero => (USAGE_FAULT, DIVBYZERO),
            Fault::Bus { precise: true, .. } => (BUS_FAULT, PRECISERR | BFARVALID),
            Fault::Bus { .. } => (BUS_FAULT, IMPRECISERR),
            Fault::BusFetch => (BUS_FAULT, IBUSERR),
            Fault::StackBus => (BUS_FAULT, STKERR),
            Fault::UnstackBus => (BUS_FAULT, UNSTKERR),
            Fault::LazyBus => (BUS_FAULT, LSPERR),
            Fault::Mpu { .. } => (MEM_MANAGE, DACCVIOL | MMARVALID),
            Fault::MpuFetch => (MEM_MANAGE, IACCVIOL),
            Fault::StackMpu => (MEM_MANAGE, MSTKERR),
            Fault::UnstackMpu => (MEM_MANAGE, MUNSTKERR),
            Fault::LazyMpu => (MEM_MANAGE, MLSPERR),
            Fault::VectorTable => (HARD_FAULT, 0),
            Fault::Breakpoint => (DEBUG_MONITOR, 0),
            Fault::Svc => (SVCALL, 0),
        }
    }
}

impl System {
    /// Records a fault's status and makes the exception pending that it leads to. That exception can be taken at
    /// once; if none can, the core locks up.
    ///
    /// The program counter must already be what the handler is to return to: the instruction itself, or for
    /// [`Fault::Svc`] the next one.
    pub fn raise(&mut self, fault: Fault) {
        let (number, bits) = fault.kind();
        if self.cfg.v7() {
            self.scb.cfsr |= bits;
            match fault {
                Fault::Bus { addr, precise: true } => self.scb.bfar = addr,
                Fault::Mpu { addr } => self.scb.mmfar = addr,
                Fault::VectorTable => self.scb.hfsr |= VECTTBL,
                Fault::Breakpoint => self.scb.dfsr |= DFSR_BKPT,
                _ => {}
            }
        }
        self.pend_synchronous(number);
    }

    fn pend_synchronous(&mut self, number: u16) {
        let running = self.execution_priority();
        let can = |s: &System, e: u16| s.nvic.is_enabled(e) && s.nvic.group_priority(e) < running;
        if can(self, number) {
            self.nvic.set_pending(number);
            return;
        }
        if self.cfg.v7() {
            // A BKPT without debugger is no escalation of its own kind (C1.6.3).
            match number {
                DEBUG_MONITOR => self.scb.hfsr |= DEBUGEVT,
                HARD_FAULT => {}
                _ => self.scb.hfsr |= FORCED,
            }
        }
        if running <= -1 {
            self.st.lockup = true;
        } else {
            self.nvic.set_pending(HARD_FAULT);
        }
    }

    /// Data bus faults are ignored: CCR.BFHFNMIGN at a negative priority (B3.2.8).
    pub fn ignores_bus_faults(&self) -> bool {
        self.scb.ccr & BFHFNMIGN != 0 && self.execution_priority() < 0
    }
}
