//! Conversions between formats, to and from integers and fixed point, and rounding to an integral value.

use super::round::{round_pack, round_shift};
use super::unpack::{Kind, TOP, infinity, process_nans, unpack, zero};
use super::{Env, F16, F16Alt, Flags, Format, NanRule, Round};

/// `a` in another format (`FPSingleToDouble`, `FPDoubleToSingle`): NaN payloads keep their leading bits.
///
/// For half precision use [`from_half`] and [`to_half`], which know the alternative format.
pub fn convert<S: Format, D: Format>(env: &mut Env, a: u64) -> u64 {
    let x = unpack::<S>(env, a);
    match x.kind {
        Kind::Zero => zero::<D>(x.sign),
        Kind::Finite => round_pack::<D>(env, x.sign, x.exp, x.sig),
        // The alternative half format has neither infinities nor NaNs.
        Kind::Inf if !D::SPECIALS => {
            env.flags.raise(Flags::INVALID);
            zero::<D>(x.sign) | (D::SIGN - 1)
        }
        Kind::Inf => infinity::<D>(x.sign),
        Kind::QuietNan | Kind::SignallingNan if !D::SPECIALS => {
            env.flags.raise(Flags::INVALID);
            zero::<D>(x.sign)
        }
        Kind::QuietNan | Kind::SignallingNan => convert_nan::<S, D>(env, x.kind, x.sign, a),
    }
}

fn convert_nan<S: Format, D: Format>(env: &mut Env, kind: Kind, sign: bool, a: u64) -> u64 {
    if kind == Kind::SignallingNan {
        env.flags.raise(Flags::INVALID);
    }
    if env.default_nan || env.nan == NanRule::RiscV {
        return D::DEFAULT_NAN;
    }
    // Align the payload at the top of the fraction.
    let payload = (a & S::FRAC_MASK) << (63 - S::FRAC) >> (63 - D::FRAC);
    infinity::<D>(sign) | D::QUIET | payload
}

/// A half-precision value in a wider format (`FPHalfToSingle`, VCVTB, VCVTT).
pub fn from_half<D: Format>(env: &mut Env, a: u64) -> u64 {
    if env.ahp { convert::<F16Alt, D>(env, a) } else { convert::<F16, D>(env, a) }
}

/// A wider value in half precision (`FPSingleToHalf`, VCVTB, VCVTT).
pub fn to_half<S: Format>(env: &mut Env, a: u64) -> u64 {
    if env.ahp { convert::<S, F16Alt>(env, a) } else { convert::<S, F16>(env, a) }
}

/// The integer a conversion aims at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IntType {
    /// Whether it has a sign.
    pub signed: bool,
    /// Its width, 1 to 64.
    pub bits: u32,
}

impl IntType {
    /// 32 bits, signed.
    pub const S32: IntType = IntType { signed: true, bits: 32 };
    /// 32 bits, unsigned.
    pub const U32: IntType = IntType { signed: false, bits: 32 };
    /// 64 bits, signed.
    pub const S64: IntType = IntType { signed: true, bits: 64 };
    /// 64 bits, unsigned.
    pub const U64: IntType = IntType { signed: false, bits: 64 };
    /// 16 bits, signed.
    pub const S16: IntType = IntType { signed: true, bits: 16 };
    /// 16 bits, unsigned.
    pub const U16: IntType = IntType { signed: false, bits: 16 };

    /// The greatest magnitude of either sign.
    fn limit(self, negative: bool) -> u128 {
        match (self.signed, negative) {
            (true, true) => 1 << (self.bits - 1),
            (true, false) => (1 << (self.bits - 1)) - 1,
            (false, true) => 0,
            (false, false) => (1 << self.bits) - 1,
        }
    }
}

/// `a * 2^frac_bits` rounded and saturated to an integer (`FPToFixed`); `frac_bits` is 0 for VCVT to an integer and up
/// to 64 otherwise. A signed result is sign-extended to 64 bits, an unsigned one zero-extended. Saturation and
/// NaNs are invalid, and then nothing is inexact.
pub fn to_fixed<F: Format>(env: &mut Env, a: u64, to: IntType, frac_bits: u32, rounding: Round) -> u64 {
    let x = unpack::<F>(env, a);
    let (magnitude, inexact) = match x.kind {
        Kind::Zero => return 0,
        Kind::QuietNan | Kind::SignallingNan => {
            env.flags.raise(Flags::INVALID);
            return if env.nan == NanRule::RiscV { to.limit(false) as u64 } else { 0 };
        }
        Kind::Inf => (u128::MAX, false),
        Kind::Finite => {
            let exp = x.exp + frac_bits as i32;
            // From 2^66 on every integer type is exceeded.
            if exp > 65 {
                (u128::MAX, false)
            } else {
                round_shift(rounding, x.sign, x.sig, (TOP as i32 - exp) as u32)
            }
        }
    };
    let limit = to.limit(x.sign);
    if magnitude > limit {
        env.flags.raise(Flags::INVALID);
    } else if inexact {
        env.flags.raise(Flags::INEXACT);
    }
    let clamped = magnitude.min(limit) as u64;
    if x.sign { clamped.wrapping_neg() } else { clamped }
}

/// The signed integer `value / 2^frac_bits` (`FixedToFP`), rounded as given: VCVT from fixed point always rounds to
/// nearest, VCVT from an integer by the FPSCR.
pub fn from_signed<F: Format>(env: &mut Env, value: i64, frac_bits: u32, rounding: Round) -> u64 {
    from_magnitude::<F>(env, value < 0, value.unsigned_abs(), frac_bits, rounding)
}

/// The unsigned integer `value / 2^frac_bits` (`FixedToFP`), rounded as given.
pub fn from_unsigned<F: Format>(env: &mut Env, value: u64, frac_bits: u32, rounding: Round) -> u64 {
    from_magnitude::<F>(env, false, value, frac_bits, rounding)
}

fn from_magnitude<F: Format>(
    env: &mut Env,
    sign: bool,
    magnitude: u64,
    frac_bits: u32,
    rounding: Round,
) -> u64 {
    if magnitude == 0 {
        return 0;
    }
    let kept = core::mem::replace(&mut env.rounding, rounding);
    let bits = round_pack::<F>(env, sign, TOP as i32 - frac_bits as i32, u128::from(magnitude));
    env.rounding = kept;
    bits
}

/// `a` rounded to an integral value of its own format (`FPRoundInt`, VRINTx); inexact is raised only if `exact`
/// (VRINTX). A result of zero keeps the sign.
#[doc(alias = "VRINT")]
pub fn round_to_integral<F: Format>(env: &mut Env, a: u64, rounding: Round, exact: bool) -> u64 {
    let x = unpack::<F>(env, a);
    if let Some(nan) = process_nans::<F, 1>(env, [(x, a)]) {
        return nan;
    }
    match x.kind {
        Kind::Zero => return zero::<F>(x.sign),
        Kind::Finite if x.exp < F::FRAC as i32 => {}
        _ => return a & F::MASK,
    }
    let (whole, inexact) = round_shift(rounding, x.sign, x.sig, (TOP as i32 - x.exp) as u32);
    if inexact && exact {
        env.flags.raise(Flags::INEXACT);
    }
    if whole == 0 { zero::<F>(x.sign) } else { round_pack::<F>(env, x.sign, TOP as i32, whole) }
}
