//! Comparison, minimum and maximum.

use super::unpack::{Kind, Num, infinity, process_nans, unpack};
use super::{Env, Flags, Format, NanRule};

/// The outcome of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// The first operand is less.
    Less,
    /// They are equal; the two zeros are.
    Equal,
    /// The first operand is greater.
    Greater,
    /// At least one is a NaN.
    Unordered,
}

impl Relation {
    /// The result as ARM's VCMP puts it into FPSCR.NZCV: bit 3 is N, bit 0 is V.
    pub const fn nzcv(self) -> u32 {
        match self {
            Relation::Less => 0b1000,
            Relation::Equal => 0b0110,
            Relation::Greater => 0b0010,
            Relation::Unordered => 0b0011,
        }
    }
}

/// An integer that orders like the number, minus zero below plus zero.
fn order(x: &Num) -> (i32, i32, i128) {
    let rank = match x.kind {
        Kind::Zero => 0,
        Kind::Finite => 1,
        _ => 2,
    };
    // Zero is ranked by its sign alone, so the two zeros differ here.
    if x.sign { (-rank, -x.exp, -1 - x.sig as i128) } else { (rank, x.exp, x.sig as i128) }
}

/// Compares (`FPCompare`). A signalling NaN is always invalid, a quiet one only if `signal_quiet` (VCMPE, and
/// RISC-V's FLT and FLE).
pub fn compare<F: Format>(env: &mut Env, a: u64, b: u64, signal_quiet: bool) -> Relation {
    let (x, y) = (unpack::<F>(env, a), unpack::<F>(env, b));
    if x.is_nan() || y.is_nan() {
        if signal_quiet || x.kind == Kind::SignallingNan || y.kind == Kind::SignallingNan {
            env.flags.raise(Flags::INVALID);
        }
        return Relation::Unordered;
    }
    if x.is_zero() && y.is_zero() {
        return Relation::Equal;
    }
    match order(&x).cmp(&order(&y)) {
        core::cmp::Ordering::Less => Relation::Less,
        core::cmp::Ordering::Equal => Relation::Equal,
        core::cmp::Ordering::Greater => Relation::Greater,
    }
}

/// Minimum or maximum; a NaN operand makes the result a NaN.
fn select<F: Format>(env: &mut Env, a: u64, b: u64, want_max: bool) -> u64 {
    let (x, y) = (unpack::<F>(env, a), unpack::<F>(env, b));
    if let Some(nan) = process_nans::<F, 2>(env, [(x, a), (y, b)]) {
        return nan;
    }
    let second = (order(&y) > order(&x)) == want_max;
    let (num, bits) = if second { (y, b) } else { (x, a) };
    // A flushed operand is a zero in the result too.
    if num.is_zero() { bits & F::SIGN } else { bits & F::MASK }
}

/// Minimum or maximum where a single quiet NaN counts as missing.
fn select_num<F: Format>(env: &mut Env, a: u64, b: u64, want_max: bool) -> u64 {
    let (x, y) = (unpack::<F>(env, a), unpack::<F>(env, b));
    let missing = |num: &Num| num.kind == Kind::QuietNan || num.is_nan() && env.nan == NanRule::RiscV;
    let worst = infinity::<F>(want_max);
    let (skip_a, skip_b) = (missing(&x), missing(&y));
    if x.kind == Kind::SignallingNan || y.kind == Kind::SignallingNan {
        env.flags.raise(Flags::INVALID);
    }
    match (skip_a, skip_b) {
        (true, false) => select::<F>(env, worst, b, want_max),
        (false, true) => select::<F>(env, a, worst, want_max),
        _ => select::<F>(env, a, b, want_max),
    }
}

/// The lesser operand, a NaN if either is one (`FPMin`); minus zero is below plus zero.
pub fn min<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    select::<F>(env, a, b, false)
}

/// The greater operand, a NaN if either is one (`FPMax`).
pub fn max<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    select::<F>(env, a, b, true)
}

/// The lesser operand, the number if the other is a quiet NaN (`FPMinNum`, VMINNM; RISC-V FMIN).
#[doc(alias = "VMINNM")]
pub fn min_num<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    select_num::<F>(env, a, b, false)
}

/// The greater operand, the number if the other is a quiet NaN (`FPMaxNum`, VMAXNM; RISC-V FMAX).
#[doc(alias = "VMAXNM")]
pub fn max_num<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    select_num::<F>(env, a, b, true)
}
