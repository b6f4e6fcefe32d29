//! The one place where a value is rounded and packed (`FPRound`).

use super::unpack::{TOP, infinity, zero};
use super::{Env, Flags, Format, Round, Tininess};

/// Shifts right; the bits shifted out are kept as one sticky bit at the bottom.
pub(super) fn shift_right_sticky(sig: u128, by: u32) -> u128 {
    match by {
        0 => sig,
        1..=127 => (sig >> by) | u128::from(sig << (128 - by) != 0),
        _ => u128::from(sig != 0),
    }
}

/// `sig / 2^by` rounded to an integer, and whether that lost anything. `sig` must be below `2^127`, `by` above 0.
pub(super) fn round_shift(mode: Round, sign: bool, sig: u128, by: u32) -> (u128, bool) {
    let (whole, rest, half) = match by {
        1..=127 => (sig >> by, sig << (128 - by), 1 << 127),
        // All of it is a fraction below one half: any non-zero rest below the half says the same.
        _ => (0, u128::from(sig != 0), 2),
    };
    let up = match mode {
        Round::NearestEven => rest > half || rest == half && whole & 1 != 0,
        Round::NearestAway => rest >= half,
        Round::TowardZero => false,
        Round::Up => rest != 0 && !sign,
        Round::Down => rest != 0 && sign,
    };
    (whole + u128::from(up), rest != 0)
}

/// Rounds the non-zero value `sig * 2^(exp - TOP)` (its last bit may be sticky, its leading one anywhere) and packs it.
pub(super) fn round_pack<F: Format>(env: &mut Env, sign: bool, exp: i32, sig: u128) -> u64 {
    let lead = 127 - sig.leading_zeros();
    let exp = exp + lead as i32 - TOP as i32;
    let sig = if lead > TOP { shift_right_sticky(sig, 1) } else { sig << (TOP - lead) };

    let least = 1 - F::BIAS;
    let tiny = exp < least;
    if tiny && env.flush_to_zero && F::FLUSHES {
        env.flags.raise(Flags::UNDERFLOW);
        return zero::<F>(sign);
    }
    let keep = TOP - F::FRAC;
    let by = if tiny { keep + (least - exp) as u32 } else { keep };
    let (whole, inexact) = round_shift(env.rounding, sign, sig, by);
    // A carry out of the fraction runs into the exponent field, which is what it should do.
    let field = if tiny { 0 } else { (exp - least) as u64 };
    let magnitude = (field << F::FRAC) + whole as u64;

    let limit = if F::SPECIALS { F::EXP_MASK } else { F::SIGN };
    if magnitude >= limit {
        return overflow::<F>(env, sign);
    }
    if inexact {
        env.flags.raise(Flags::INEXACT);
        if tiny && (env.tininess == Tininess::BeforeRounding || !carries_to_normal::<F>(env, sign, exp, sig))
        {
            env.flags.raise(Flags::UNDERFLOW);
        }
    }
    zero::<F>(sign) | magnitude
}

/// Whether a value just below the least normal one would round up to it if the exponent had no limit.
fn carries_to_normal<F: Format>(env: &Env, sign: bool, exp: i32, sig: u128) -> bool {
    exp == -F::BIAS && round_shift(env.rounding, sign, sig, TOP - F::FRAC).0 >> (F::FRAC + 1) != 0
}

/// The result of an overflow: infinity or the greatest number, by rounding mode; the alternative half format
/// saturates and calls it invalid instead.
fn overflow<F: Format>(env: &mut Env, sign: bool) -> u64 {
    if !F::SPECIALS {
        env.flags.raise(Flags::INVALID);
        return zero::<F>(sign) | (F::SIGN - 1);
    }
    env.flags.raise(Flags::OVERFLOW | Flags::INEXACT);
    let to_infinity = match env.rounding {
        Round::NearestEven | Round::NearestAway => true,
        Round::TowardZero => false,
        Round::Up => !sign,
        Round::Down => sign,
    };
    if to_infinity { infinity::<F>(sign) } else { zero::<F>(sign) | (F::EXP_MASK - 1) }
}
