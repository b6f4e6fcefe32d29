//! Exact IEEE 754 arithmetic on bit patterns, for the floating-point units of guests.
//!
//! Every operation is a pure function of its operands and an [`Env`]: the guest's rounding mode, flushing and NaN
//! rules go in, the result and the cumulative flags come out. Nothing depends on the host's floating-point
//! environment, so two hosts agree bit for bit. The arithmetic is done on integers that hold the exact value (or the
//! exact value with a sticky bit) and rounded once, in `round.rs`; `fast.rs` answers the common cases with host
//! instructions where result and flags are provably the same.
//!
//! Bit patterns travel as `u64` whatever the format, in the low bits; the bits above are ignored on input and zero on
//! output. The rules are those of the pseudocode functions `FPUnpack`, `FPRound`, `FPProcessNaNs`, `FPMulAdd`,
//! `FPToFixed` ... of the ARMv7-M Architecture Reference Manual (A2.5) and, for [`NanRule::RiscV`], those of the RISC-V
//! unprivileged manual (chapters "F" and "D").
//!
//! ## Not modelled
//! Trapped exceptions (no M-profile core and no RISC-V core has them); flushing of half-precision values (FZ16).

mod arith;
mod compare;
mod convert;
mod fast;
mod round;
#[cfg(test)]
mod tests;
mod unpack;

pub use arith::{Fused, add, div, fused, mul, mul_add, sqrt, sub};
pub use compare::{Relation, compare, max, max_num, min, min_num};
pub use convert::{
    IntType, convert, from_half, from_signed, from_unsigned, round_to_integral, to_fixed, to_half,
};

/// How an inexact result is rounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Round {
    /// To the nearest value, halfway cases to the even one (ARM RN, RISC-V RNE).
    #[default]
    NearestEven,
    /// Towards zero (ARM RZ, RISC-V RTZ).
    TowardZero,
    /// Towards plus infinity (ARM RP, RISC-V RUP).
    Up,
    /// Towards minus infinity (ARM RM, RISC-V RDN).
    Down,
    /// To the nearest value, halfway cases away from zero (ARM RA, RISC-V RMM).
    NearestAway,
}

/// Cumulative exception flags, at the bit positions of ARM's FPSCR, so that `fpscr |= flags.bits()` is all it takes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u8);

impl Flags {
    /// No exception.
    pub const NONE: Flags = Flags(0);
    /// Invalid operation (IOC).
    pub const INVALID: Flags = Flags(1);
    /// Division of a finite number by zero (DZC).
    pub const DIV_BY_ZERO: Flags = Flags(2);
    /// Overflow (OFC).
    pub const OVERFLOW: Flags = Flags(4);
    /// Underflow (UFC); with flushing also set when a result was flushed.
    pub const UNDERFLOW: Flags = Flags(8);
    /// Inexact (IXC).
    pub const INEXACT: Flags = Flags(16);
    /// A subnormal operand was flushed to zero (IDC).
    pub const INPUT_DENORMAL: Flags = Flags(128);

    /// The flags at their FPSCR positions: IOC 0, DZC 1, OFC 2, UFC 3, IXC 4, IDC 7.
    pub const fn bits(self) -> u32 {
        self.0 as u32
    }

    /// The same flags at the positions of RISC-V's `fflags`: NX 0, UF 1, OF 2, DZ 3, NV 4.
    pub const fn riscv_bits(self) -> u32 {
        (self.0.reverse_bits() >> 3) as u32 & 0x1f
    }

    /// Whether every flag of `other` is set.
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets the flags of `other`; flags only ever accumulate.
    pub fn raise(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}

impl core::ops::BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl core::fmt::Debug for Flags {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let names = ["IOC", "DZC", "OFC", "UFC", "IXC", "", "", "IDC"];
        f.debug_list().entries((0..8).filter(|bit| self.0 >> bit & 1 != 0).map(|bit| names[bit])).finish()
    }
}

/// Whose rules decide what a NaN operand becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NanRule {
    /// The first signalling, else the first quiet operand, quietened; NaN converts to the integer 0.
    #[default]
    Arm,
    /// Always the canonical NaN; `min_num` and `max_num` ignore signalling NaNs too (but raise invalid); NaN converts to the
    /// greatest integer.
    RiscV,
}

/// When a result counts as tiny, that is, may underflow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tininess {
    /// The exact value is below the least normal number (ARM).
    #[default]
    BeforeRounding,
    /// The value rounded as if the exponent had no limit still is below it (RISC-V).
    AfterRounding,
}

/// What an operation depends on besides its operands, and the flags it raised.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Env {
    /// Rounding mode of everything that takes none as an argument.
    pub rounding: Round,
    /// Subnormal operands and results of single and double precision become zero (FPSCR.FZ).
    pub flush_to_zero: bool,
    /// Every NaN result is the default NaN (FPSCR.DN).
    pub default_nan: bool,
    /// Half-precision values are in ARM's alternative format, which has no infinities and NaNs (FPSCR.AHP).
    pub ahp: bool,
    /// NaN rules.
    pub nan: NanRule,
    /// Tininess rule.
    pub tininess: Tininess,
    /// Flags raised so far.
    pub flags: Flags,
}

impl Env {
    /// The environment that an ARM FPSCR (or FPDSCR) asks for, with no flag raised.
    pub fn arm(fpscr: u32) -> Env {
        let rounding = match fpscr >> 22 & 3 {
            0 => Round::NearestEven,
            1 => Round::Up,
            2 => Round::Down,
            _ => Round::TowardZero,
        };
        Env {
            rounding,
            flush_to_zero: fpscr >> 24 & 1 != 0,
            default_nan: fpscr >> 25 & 1 != 0,
            ahp: fpscr >> 26 & 1 != 0,
            ..Env::default()
        }
    }

    /// The environment of a RISC-V hart with the given rounding mode.
    pub fn riscv(rounding: Round) -> Env {
        Env {
            rounding,
            default_nan: true,
            nan: NanRule::RiscV,
            tininess: Tininess::AfterRounding,
            ..Env::default()
        }
    }

    /// The value ARM's "StandardFPSCRValue" describes: nearest, flushing, default NaN; AHP is kept.
    pub fn arm_standard(fpscr: u32) -> Env {
        Env::arm((fpscr & (1 << 26)) | 0x0300_0000)
    }
}

mod sealed {
    pub trait Sealed {}
}

/// An interchange format: [`F16`], [`F16Alt`], [`F32`] or [`F64`].
pub trait Format: sealed::Sealed + Copy {
    /// Width in bits.
    const BITS: u32;
    /// Stored fraction bits.
    const FRAC: u32;
    /// Whether [`Env::flush_to_zero`] applies.
    const FLUSHES: bool;
    /// Whether the top exponent means infinities and NaNs.
    const SPECIALS: bool = true;

    /// The sign bit.
    const SIGN: u64 = 1 << (Self::BITS - 1);
    /// All bits of the format.
    const MASK: u64 = u64::MAX >> (64 - Self::BITS);
    /// The fraction field.
    const FRAC_MASK: u64 = (1 << Self::FRAC) - 1;
    /// The exponent field with all bits set, in place: also the pattern of plus infinity.
    const EXP_MASK: u64 = (Self::SIGN - 1) & !Self::FRAC_MASK;
    /// The top fraction bit, which tells quiet from signalling NaNs.
    const QUIET: u64 = 1 << (Self::FRAC - 1);
    /// The NaN that ARM and RISC-V both generate: positive, quiet, no payload.
    const DEFAULT_NAN: u64 = Self::EXP_MASK | Self::QUIET;
    /// Exponent bias; the least normal exponent is `1 - BIAS`.
    const BIAS: i32 = (1 << (Self::BITS - Self::FRAC - 2)) - 1;

    #[doc(hidden)]
    fn fast(_op: FastOp, _a: u64, _b: u64) -> Option<(u64, bool)> {
        None
    }
    #[doc(hidden)]
    fn fast_fma(_c: u64, _a: u64, _b: u64) -> Option<(u64, bool)> {
        None
    }
}

/// The operations that may have a host shortcut.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum FastOp {
    Add,
    Mul,
    Div,
    Sqrt,
}

/// Half precision (binary16).
#[derive(Clone, Copy, Debug)]
pub struct F16;
/// ARM's alternative half precision: the top exponent is one more binade of numbers.
#[derive(Clone, Copy, Debug)]
pub struct F16Alt;
/// Single precision (binary32).
#[derive(Clone, Copy, Debug)]
pub struct F32;
/// Double precision (binary64).
#[derive(Clone, Copy, Debug)]
pub struct F64;

impl sealed::Sealed for F16 {}
impl sealed::Sealed for F16Alt {}
impl sealed::Sealed for F32 {}
impl sealed::Sealed for F64 {}

impl Format for F16 {
    const BITS: u32 = 16;
    const FRAC: u32 = 10;
    const FLUSHES: bool = false;
}

impl Format for F16Alt {
    const BITS: u32 = 16;
    const FRAC: u32 = 10;
    const FLUSHES: bool = false;
    const SPECIALS: bool = false;
}

impl Format for F32 {
    const BITS: u32 = 32;
    const FRAC: u32 = 23;
    const FLUSHES: bool = true;

    #[inline]
    fn fast(op: FastOp, a: u64, b: u64) -> Option<(u64, bool)> {
        fast::single(op, a as u32, b as u32)
    }
    #[inline]
    fn fast_fma(c: u64, a: u64, b: u64) -> Option<(u64, bool)> {
        fast::single_fma(c as u32, a as u32, b as u32)
    }
}

impl Format for F64 {
    const BITS: u32 = 64;
    const FRAC: u32 = 52;
    const FLUSHES: bool = true;

    #[inline]
    fn fast(op: FastOp, a: u64, b: u64) -> Option<(u64, bool)> {
        fast::double(op, a, b)
    }
}

/// The operand with its sign cleared (`FPAbs`): no exception, NaNs included.
pub fn abs<F: Format>(a: u64) -> u64 {
    a & F::MASK & !F::SIGN
}

/// The operand with its sign inverted (`FPNeg`): no exception, NaNs included.
pub fn neg<F: Format>(a: u64) -> u64 {
    a & F::MASK ^ F::SIGN
}
