//! Exceptions and interrupts (volume II, table 3.6).

/// Instruction access fault.
pub const FETCH_FAULT: u32 = 1;
/// Illegal instruction.
pub const ILLEGAL: u32 = 2;
/// Breakpoint.
pub const BREAKPOINT: u32 = 3;
/// Load address misaligned: of LR, which must be aligned.
pub const LOAD_MISALIGNED: u32 = 4;
/// Load access fault.
pub const LOAD_FAULT: u32 = 5;
/// Store or AMO address misaligned: of SC and AMOs.
pub const STORE_MISALIGNED: u32 = 6;
/// Store or AMO access fault.
pub const STORE_FAULT: u32 = 7;
/// Environment call from user mode.
pub const ECALL_U: u32 = 8;
/// Environment call from machine mode.
pub const ECALL_M: u32 = 11;

/// Machine software interrupt: its number, its bit in mie and mip, and the CPU's line.
#[doc(alias = "MSIP")]
pub const SOFTWARE: u16 = 3;
/// Machine timer interrupt.
#[doc(alias = "MTIP")]
pub const TIMER: u16 = 7;
/// Machine external interrupt.
#[doc(alias = "MEIP")]
pub const EXTERNAL: u16 = 11;

/// Supervisor software interrupt, by number.
#[doc(alias = "SSIP")]
pub const S_SOFTWARE: u16 = 1;
/// Supervisor timer interrupt.
#[doc(alias = "STIP")]
pub const S_TIMER: u16 = 5;
/// Supervisor external interrupt.
#[doc(alias = "SEIP")]
pub const S_EXTERNAL: u16 = 9;

/// A precise exception of one instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trap {
    /// What mcause will hold.
    pub cause: u32,
    /// What mtval will hold.
    pub tval: u32,
}

impl Trap {
    /// An exception.
    pub const fn new(cause: u32, tval: u32) -> Trap {
        Trap { cause, tval }
    }
    /// An illegal instruction with its bits.
    pub const fn illegal(bits: u32) -> Trap {
        Trap::new(ILLEGAL, bits)
    }
}

impl std::fmt::Display for Trap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.tval;
        match self.cause {
            FETCH_FAULT => write!(f, "instruction access fault at {at:#010x}"),
            ILLEGAL => write!(f, "illegal instruction {at:#x}"),
            BREAKPOINT => f.write_str("breakpoint"),
            LOAD_MISALIGNED | STORE_MISALIGNED => write!(f, "misaligned atomic access to {at:#010x}"),
            LOAD_FAULT => write!(f, "load access fault at {at:#010x}"),
            STORE_FAULT => write!(f, "store access fault at {at:#010x}"),
            ECALL_U | ECALL_M => f.write_str("environment call"),
            other => write!(f, "exception {other}"),
        }
    }
}
