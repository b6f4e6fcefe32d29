//! From a bit pattern to an exact value, and what becomes of NaN operands.

use super::{Env, Flags, Format, NanRule};

/// Bit position of the leading one of a normalised significand: one bit of room above it for a carry.
pub(super) const TOP: u32 = 126;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Zero,
    Finite,
    Inf,
    QuietNan,
    SignallingNan,
}

/// An unpacked operand. A finite one is `sig * 2^(exp - TOP)` with the leading one of `sig` at bit `TOP`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Num {
    pub sign: bool,
    pub kind: Kind,
    pub exp: i32,
    pub sig: u128,
}

impl Num {
    pub fn is_nan(&self) -> bool {
        matches!(self.kind, Kind::QuietNan | Kind::SignallingNan)
    }
    pub fn is_inf(&self) -> bool {
        self.kind == Kind::Inf
    }
    pub fn is_zero(&self) -> bool {
        self.kind == Kind::Zero
    }
}

/// `FPUnpack`: takes an operand apart; with flushing a subnormal one becomes zero and raises input-denormal.
pub(super) fn unpack<F: Format>(env: &mut Env, bits: u64) -> Num {
    let sign = bits & F::SIGN != 0;
    let frac = bits & F::FRAC_MASK;
    let field = (bits & F::EXP_MASK) >> F::FRAC;
    let num = |kind, exp, sig| Num { sign, kind, exp, sig };
    if field == 0 {
        if frac == 0 {
            return num(Kind::Zero, 0, 0);
        }
        if env.flush_to_zero && F::FLUSHES {
            env.flags.raise(Flags::INPUT_DENORMAL);
            return num(Kind::Zero, 0, 0);
        }
        let lead = 63 - frac.leading_zeros();
        let exp = 1 - F::BIAS - (F::FRAC - lead) as i32;
        return num(Kind::Finite, exp, (frac as u128) << (TOP - lead));
    }
    if F::SPECIALS && bits & F::EXP_MASK == F::EXP_MASK {
        let kind = match (frac, frac & F::QUIET) {
            (0, _) => Kind::Inf,
            (_, 0) => Kind::SignallingNan,
            _ => Kind::QuietNan,
        };
        return num(kind, 0, 0);
    }
    let sig = ((frac | 1 << F::FRAC) as u128) << (TOP - F::FRAC);
    num(Kind::Finite, field as i32 - F::BIAS, sig)
}

/// `FPProcessNaN`: the result for one NaN operand: quietened, or the default NaN.
fn quieten<F: Format>(env: &mut Env, kind: Kind, bits: u64) -> u64 {
    if kind == Kind::SignallingNan {
        env.flags.raise(Flags::INVALID);
    }
    if env.default_nan || env.nan == NanRule::RiscV { F::DEFAULT_NAN } else { bits & F::MASK | F::QUIET }
}

/// `FPProcessNaNs` and `FPProcessNaNs3`: the first signalling operand decides, else the first quiet one; `None` when no
/// operand is a NaN.
pub(super) fn process_nans<F: Format, const N: usize>(env: &mut Env, ops: [(Num, u64); N]) -> Option<u64> {
    for wanted in [Kind::SignallingNan, Kind::QuietNan] {
        if let Some((num, bits)) = ops.iter().find(|(num, _)| num.kind == wanted) {
            return Some(quieten::<F>(env, num.kind, *bits));
        }
    }
    None
}

/// The answer to an invalid operation.
pub(super) fn invalid<F: Format>(env: &mut Env) -> u64 {
    env.flags.raise(Flags::INVALID);
    F::DEFAULT_NAN
}

pub(super) fn zero<F: Format>(sign: bool) -> u64 {
    if sign { F::SIGN } else { 0 }
}

pub(super) fn infinity<F: Format>(sign: bool) -> u64 {
    zero::<F>(sign) | F::EXP_MASK
}
