//! Addition, multiplication, division, square root and the fused multiply-add.

use super::round::{round_pack, shift_right_sticky};
use super::unpack::{Kind, Num, infinity, invalid, process_nans, unpack, zero};
use super::{Env, FastOp, Flags, Format, Round, neg};

/// The host shortcut, where there is one for these operands.
#[inline]
fn shortcut<F: Format>(env: &mut Env, op: FastOp, a: u64, b: u64) -> Option<u64> {
    if env.rounding != Round::NearestEven {
        return None;
    }
    let (bits, inexact) = F::fast(op, a, b)?;
    raise_inexact(env, inexact);
    Some(bits)
}

#[inline]
fn raise_inexact(env: &mut Env, inexact: bool) {
    if inexact {
        env.flags.raise(Flags::INEXACT);
    }
}

/// `a + b` (`FPAdd`).
#[inline]
pub fn add<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    match shortcut::<F>(env, FastOp::Add, a, b) {
        Some(bits) => bits,
        None => add_exact::<F>(env, a, b, false),
    }
}

/// `a - b` (`FPSub`): a NaN `b` is propagated with its own sign.
#[inline]
pub fn sub<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    match shortcut::<F>(env, FastOp::Add, a, neg::<F>(b)) {
        Some(bits) => bits,
        None => add_exact::<F>(env, a, b, true),
    }
}

/// `a * b` (`FPMul`).
#[inline]
pub fn mul<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    match shortcut::<F>(env, FastOp::Mul, a, b) {
        Some(bits) => bits,
        None => mul_exact::<F>(env, a, b),
    }
}

/// `a / b` (`FPDiv`).
#[inline]
pub fn div<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    match shortcut::<F>(env, FastOp::Div, a, b) {
        Some(bits) => bits,
        None => div_exact::<F>(env, a, b),
    }
}

/// The square root of `a` (`FPSqrt`).
#[inline]
pub fn sqrt<F: Format>(env: &mut Env, a: u64) -> u64 {
    match shortcut::<F>(env, FastOp::Sqrt, a, 0) {
        Some(bits) => bits,
        None => sqrt_exact::<F>(env, a),
    }
}

/// `addend + a * b`, rounded once (`FPMulAdd`).
#[inline]
pub fn mul_add<F: Format>(env: &mut Env, addend: u64, a: u64, b: u64) -> u64 {
    if env.rounding == Round::NearestEven
        && let Some((bits, inexact)) = F::fast_fma(addend, a, b)
    {
        raise_inexact(env, inexact);
        return bits;
    }
    mul_add_exact::<F>(env, addend, a, b)
}

/// ARM's four fused multiply-adds, which negate operands before the operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fused {
    /// `d + n * m`; RISC-V FMADD.
    Fma,
    /// `d + -n * m`; RISC-V FNMSUB.
    Fms,
    /// `-d + -n * m`; RISC-V FNMADD.
    Fnma,
    /// `-d + n * m`; RISC-V FMSUB.
    Fnms,
}

/// VFMA, VFMS, VFNMA and VFNMS on `d`, `n` and `m`: also a NaN operand is negated before it is propagated.
pub fn fused<F: Format>(env: &mut Env, kind: Fused, d: u64, n: u64, m: u64) -> u64 {
    let d = if matches!(kind, Fused::Fnma | Fused::Fnms) { neg::<F>(d) } else { d };
    let n = if matches!(kind, Fused::Fms | Fused::Fnma) { neg::<F>(n) } else { n };
    mul_add::<F>(env, d, n, m)
}

/// The sign of a sum that is exactly zero though its terms are not.
fn cancelled<F: Format>(env: &Env) -> u64 {
    zero::<F>(env.rounding == Round::Down)
}

pub(super) fn add_exact<F: Format>(env: &mut Env, a: u64, b: u64, subtract: bool) -> u64 {
    let (x, mut y) = (unpack::<F>(env, a), unpack::<F>(env, b));
    if let Some(nan) = process_nans::<F, 2>(env, [(x, a), (y, b)]) {
        return nan;
    }
    y.sign ^= subtract;
    sum::<F>(env, x, y)
}

/// The rounded sum of two operands that are no NaNs.
fn sum<F: Format>(env: &mut Env, x: Num, y: Num) -> u64 {
    match (x.kind, y.kind) {
        (Kind::Inf, Kind::Inf) if x.sign != y.sign => invalid::<F>(env),
        (Kind::Inf, _) => infinity::<F>(x.sign),
        (_, Kind::Inf) => infinity::<F>(y.sign),
        (Kind::Zero, Kind::Zero) if x.sign == y.sign => zero::<F>(x.sign),
        (Kind::Zero, Kind::Zero) => cancelled::<F>(env),
        (Kind::Zero, _) => round_pack::<F>(env, y.sign, y.exp, y.sig),
        (_, Kind::Zero) => round_pack::<F>(env, x.sign, x.exp, x.sig),
        _ => sum_finite::<F>(env, x, y),
    }
}

/// The significands carry at least 20 zero bits at their end, so a sticky bit appears only where at most one leading
/// bit can cancel, far above it.
fn sum_finite<F: Format>(env: &mut Env, x: Num, y: Num) -> u64 {
    let (big, small) = if (x.exp, x.sig) >= (y.exp, y.sig) { (x, y) } else { (y, x) };
    let aligned = shift_right_sticky(small.sig, (big.exp - small.exp) as u32);
    let sig = if big.sign == small.sign { big.sig + aligned } else { big.sig - aligned };
    if sig == 0 {
        return cancelled::<F>(env);
    }
    round_pack::<F>(env, big.sign, big.exp, sig)
}

/// The exact product of two finite operands, normalised.
fn product(x: Num, y: Num) -> Num {
    let sig = (x.sig >> 63) * (y.sig >> 63);
    let sign = x.sign != y.sign;
    // 53 times 53 bits leave zeros below, so nothing is lost by the shift.
    if sig >> 127 != 0 {
        Num { sign, kind: Kind::Finite, exp: x.exp + y.exp + 1, sig: sig >> 1 }
    } else {
        Num { sign, kind: Kind::Finite, exp: x.exp + y.exp, sig }
    }
}

pub(super) fn mul_exact<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    let (x, y) = (unpack::<F>(env, a), unpack::<F>(env, b));
    if let Some(nan) = process_nans::<F, 2>(env, [(x, a), (y, b)]) {
        return nan;
    }
    let sign = x.sign != y.sign;
    if x.is_inf() && y.is_zero() || x.is_zero() && y.is_inf() {
        invalid::<F>(env)
    } else if x.is_inf() || y.is_inf() {
        infinity::<F>(sign)
    } else if x.is_zero() || y.is_zero() {
        zero::<F>(sign)
    } else {
        let p = product(x, y);
        round_pack::<F>(env, sign, p.exp, p.sig)
    }
}

pub(super) fn div_exact<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    let (x, y) = (unpack::<F>(env, a), unpack::<F>(env, b));
    if let Some(nan) = process_nans::<F, 2>(env, [(x, a), (y, b)]) {
        return nan;
    }
    let sign = x.sign != y.sign;
    if x.is_inf() && y.is_inf() || x.is_zero() && y.is_zero() {
        return invalid::<F>(env);
    }
    if x.is_inf() || y.is_zero() {
        if !x.is_inf() {
            env.flags.raise(Flags::DIV_BY_ZERO);
        }
        return infinity::<F>(sign);
    }
    if x.is_zero() || y.is_inf() {
        return zero::<F>(sign);
    }
    let divisor = y.sig >> 63;
    let (quotient, rest) = (x.sig / divisor, x.sig % divisor);
    round_pack::<F>(env, sign, x.exp - y.exp, quotient << 63 | u128::from(rest != 0))
}

pub(super) fn sqrt_exact<F: Format>(env: &mut Env, a: u64) -> u64 {
    let x = unpack::<F>(env, a);
    if let Some(nan) = process_nans::<F, 1>(env, [(x, a)]) {
        return nan;
    }
    match x.kind {
        Kind::Zero => zero::<F>(x.sign),
        _ if x.sign => invalid::<F>(env),
        Kind::Inf => infinity::<F>(false),
        _ => {
            let odd = x.exp & 1;
            let square = x.sig << odd;
            let root = square.isqrt();
            round_pack::<F>(env, false, (x.exp - odd) / 2, root << 63 | u128::from(root * root != square))
        }
    }
}

pub(super) fn mul_add_exact<F: Format>(env: &mut Env, addend: u64, a: u64, b: u64) -> u64 {
    let c = unpack::<F>(env, addend);
    let (x, y) = (unpack::<F>(env, a), unpack::<F>(env, b));
    let no_product = x.is_inf() && y.is_zero() || x.is_zero() && y.is_inf();
    if let Some(nan) = process_nans::<F, 3>(env, [(c, addend), (x, a), (y, b)]) {
        // Infinity times zero plus a quiet NaN is invalid and forgets the NaN.
        return if c.kind == Kind::QuietNan && no_product { invalid::<F>(env) } else { nan };
    }
    if no_product {
        return invalid::<F>(env);
    }
    let kind = match (x.kind, y.kind) {
        (Kind::Inf, _) | (_, Kind::Inf) => Kind::Inf,
        (Kind::Zero, _) | (_, Kind::Zero) => Kind::Zero,
        _ => return sum::<F>(env, c, product(x, y)),
    };
    sum::<F>(env, c, Num { sign: x.sign != y.sign, kind, exp: 0, sig: 0 })
}
