//! Host arithmetic for the cases where it is provably the guest's: rounding to nearest even (the mode Rust guarantees),
//! operands that are normal or zero, a result that is normal and was not tiny before rounding. Then neither NaNs nor
//! flushing nor underflow nor overflow can play a part, and only the inexact flag is left to decide, exactly:
//!
//! - a sum by the error of Fast2Sum, which is representable and exact in this mode;
//! - single-precision products by the double-precision product, which is exact;
//! - double-precision products, and quotients and roots, by multiplying significands as integers.
//!
//! Each function returns the result and whether it is inexact, or `None` to say "ask the exact code".

use super::FastOp;

/// Normal or zero, for either format.
fn usable32(bits: u32) -> bool {
    (bits >> 23 & 0xff).wrapping_sub(1) < 254 || bits << 1 == 0
}

fn usable64(bits: u64) -> bool {
    (bits >> 52 & 0x7ff).wrapping_sub(1) < 2046 || bits << 1 == 0
}

/// Significand with its leading one.
fn sig64(bits: u64) -> u128 {
    u128::from(bits & ((1 << 52) - 1) | 1 << 52)
}

/// Whether the result lies above the least normal number: one equal to it may have been rounded up to it.
fn safe64(x: f64) -> bool {
    let x = x.abs();
    x > f64::MIN_POSITIVE && x <= f64::MAX
}

#[inline]
pub(super) fn single(op: FastOp, a: u32, b: u32) -> Option<(u64, bool)> {
    if !usable32(a) || !usable32(b) {
        return None;
    }
    let (x, y) = (f32::from_bits(a), f32::from_bits(b));
    let (result, inexact) = match op {
        FastOp::Add => add32(x, y)?,
        // The wide product is exact; quotient and root are not, but rounding them twice is harmless
        // (53 >= 2 * 24 + 2), and the test by multiplication is exact again.
        FastOp::Mul => narrow(f64::from(x) * f64::from(y), false)?,
        FastOp::Div if y != 0.0 => {
            let (r, _) = narrow(f64::from(x) / f64::from(y), false)?;
            (r, f64::from(r) * f64::from(y) != f64::from(x))
        }
        FastOp::Sqrt if x >= 0.0 => {
            let r = x.sqrt();
            (r, f64::from(r) * f64::from(r) != f64::from(x))
        }
        _ => return None,
    };
    Some((u64::from(result.to_bits()), inexact))
}

/// Rounds to single precision, if the result is normal or an exact zero.
fn narrow(wide: f64, inexact: bool) -> Option<(f32, bool)> {
    let magnitude = wide.abs();
    let result = wide as f32;
    if wide == 0.0 || magnitude >= f64::from(f32::MIN_POSITIVE) && result.is_finite() {
        return Some((result, inexact || f64::from(result) != wide));
    }
    None
}

fn add32(x: f32, y: f32) -> Option<(f32, bool)> {
    let s = x + y;
    if !usable32(s.to_bits()) {
        return None;
    }
    let (big, small) = if x.abs() >= y.abs() { (x, y) } else { (y, x) };
    Some((s, small - (s - big) != 0.0))
}

fn add64(x: f64, y: f64) -> Option<(f64, bool)> {
    let s = x + y;
    if !usable64(s.to_bits()) {
        return None;
    }
    let (big, small) = if x.abs() >= y.abs() { (x, y) } else { (y, x) };
    Some((s, small - (s - big) != 0.0))
}

/// The product is exact in double precision; the sum is rounded to odd there, so that the second rounding, to single,
/// is the only one that counts (Boldo and Melquiond 2008).
#[inline]
pub(super) fn single_fma(c: u32, a: u32, b: u32) -> Option<(u64, bool)> {
    if !usable32(a) || !usable32(b) || !usable32(c) {
        return None;
    }
    let (x, y, z) = (f32::from_bits(a), f32::from_bits(b), f32::from_bits(c));
    let p = f64::from(x) * f64::from(y);
    let z = f64::from(z);
    let s = p + z;
    let (big, small) = if p.abs() >= z.abs() { (p, z) } else { (z, p) };
    let error = small - (s - big);
    let mut odd = s.to_bits();
    if error != 0.0 && odd & 1 == 0 {
        // Towards the exact sum: up in magnitude if the error has the sign of the sum.
        odd = if (error > 0.0) == (s > 0.0) { odd + 1 } else { odd - 1 };
    }
    let (result, inexact) = narrow(f64::from_bits(odd), error != 0.0)?;
    Some((u64::from(result.to_bits()), inexact))
}

#[inline]
pub(super) fn double(op: FastOp, a: u64, b: u64) -> Option<(u64, bool)> {
    if !usable64(a) || !usable64(b) {
        return None;
    }
    let (x, y) = (f64::from_bits(a), f64::from_bits(b));
    let (result, inexact) = match op {
        FastOp::Add => add64(x, y)?,
        FastOp::Mul => mul64(x, y)?,
        FastOp::Div if y != 0.0 => div64(x, y)?,
        FastOp::Sqrt if x > 0.0 => {
            let r = x.sqrt();
            let square = sig64(r.to_bits()) * sig64(r.to_bits());
            (r, !aligned(square, sig64(a)))
        }
        _ => return None,
    };
    Some((result.to_bits(), inexact))
}

fn mul64(x: f64, y: f64) -> Option<(f64, bool)> {
    let p = x * y;
    if x == 0.0 || y == 0.0 {
        return Some((p, false));
    }
    let exact = sig64(x.to_bits()) * sig64(y.to_bits());
    let dropped = if exact >> 105 != 0 { 53 } else { 52 };
    safe64(p).then_some((p, exact & ((1 << dropped) - 1) != 0))
}

fn div64(x: f64, y: f64) -> Option<(f64, bool)> {
    let q = x / y;
    if x == 0.0 {
        return Some((q, false));
    }
    let back = sig64(q.to_bits()) * sig64(y.to_bits());
    safe64(q).then_some((q, !aligned(back, sig64(x.to_bits()))))
}

/// Whether a product of two significands is the significand `sig`, moved up by the one or two places it can be.
fn aligned(product: u128, sig: u128) -> bool {
    product == sig << 52 || product == sig << 53
}
