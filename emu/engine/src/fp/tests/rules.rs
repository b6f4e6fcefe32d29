//! The special rules of ARM and RISC-V, one by one.

use super::super::*;
use super::{corners, pairs};

const QUIET_A: u64 = 0x7fc0_1234;
const QUIET_B: u64 = 0xffc0_5678;
const SIGNAL_A: u64 = 0x7f80_0aaa;
const SIGNAL_B: u64 = 0xff80_0bbb;
const ONE: u64 = 0x3f80_0000;
const INF: u64 = 0x7f80_0000;
const LEAST: u64 = 0x0080_0000;

fn arm() -> Env {
    Env::default()
}

fn flags(f: impl FnOnce(&mut Env) -> u64, mut env: Env) -> (u64, Flags) {
    let bits = f(&mut env);
    (bits, env.flags)
}

#[test]
fn nan_operands_in_arms_order() {
    let sum = |a, b| flags(|e| add::<F32>(e, a, b), arm());
    assert_eq!(sum(QUIET_A, QUIET_B), (QUIET_A, Flags::NONE));
    assert_eq!(sum(ONE, QUIET_B), (QUIET_B, Flags::NONE));
    assert_eq!(sum(QUIET_A, SIGNAL_B), (SIGNAL_B | F32::QUIET, Flags::INVALID));
    assert_eq!(sum(SIGNAL_A, SIGNAL_B), (SIGNAL_A | F32::QUIET, Flags::INVALID));
    let difference = flags(|e| sub::<F32>(e, ONE, QUIET_B), arm());
    assert_eq!(difference, (QUIET_B, Flags::NONE), "subtraction does not negate a NaN");
}

#[test]
fn default_nan_replaces_payloads_but_not_flags() {
    let env = Env::arm(1 << 25);
    assert_eq!(flags(|e| mul::<F32>(e, QUIET_B, ONE), env), (F32::DEFAULT_NAN, Flags::NONE));
    assert_eq!(flags(|e| mul::<F32>(e, ONE, SIGNAL_B), env), (F32::DEFAULT_NAN, Flags::INVALID));
    assert_eq!(flags(|e| convert::<F32, F64>(e, QUIET_B), env), (F64::DEFAULT_NAN, Flags::NONE));
}

#[test]
fn fused_multiply_add_with_nans() {
    let fma = |c, a, b| flags(|e| mul_add::<F32>(e, c, a, b), arm());
    assert_eq!(fma(QUIET_A, INF, 0), (F32::DEFAULT_NAN, Flags::INVALID));
    assert_eq!(fma(SIGNAL_A, INF, 0), (SIGNAL_A | F32::QUIET, Flags::INVALID));
    assert_eq!(fma(QUIET_A, QUIET_B, 0), (QUIET_A, Flags::NONE), "the addend comes first");
    assert_eq!(fma(QUIET_A, ONE, SIGNAL_B), (SIGNAL_B | F32::QUIET, Flags::INVALID));
    assert_eq!(fma(ONE, INF, 0), (F32::DEFAULT_NAN, Flags::INVALID));
    assert_eq!(fma(INF | F32::SIGN, INF, ONE), (F32::DEFAULT_NAN, Flags::INVALID));
    let vfms = flags(|e| fused::<F32>(e, Fused::Fms, ONE, QUIET_A, ONE), arm());
    assert_eq!(vfms, (QUIET_A | F32::SIGN, Flags::NONE), "VFMS negates its operand, NaN or not");
}

#[test]
fn fused_signs() {
    let two = 0x4000_0000;
    let three = 0x4040_0000;
    let value = |kind| flags(|e| fused::<F32>(e, kind, ONE, two, three), arm()).0 as u32;
    assert_eq!(f32::from_bits(value(Fused::Fma)), 7.0);
    assert_eq!(f32::from_bits(value(Fused::Fms)), -5.0);
    assert_eq!(f32::from_bits(value(Fused::Fnma)), -7.0);
    assert_eq!(f32::from_bits(value(Fused::Fnms)), 5.0);
}

#[test]
fn exact_zero_sums_take_their_sign_from_the_mode() {
    for (rounding, zero) in [(Round::NearestEven, 0), (Round::Down, F32::SIGN), (Round::Up, 0)] {
        let env = Env { rounding, ..arm() };
        assert_eq!(flags(|e| add::<F32>(e, ONE, ONE | F32::SIGN), env), (zero, Flags::NONE));
        assert_eq!(flags(|e| mul_add::<F32>(e, ONE, ONE, ONE | F32::SIGN), env), (zero, Flags::NONE));
        assert_eq!(flags(|e| add::<F32>(e, 0, F32::SIGN), env), (zero, Flags::NONE));
    }
}

#[test]
fn flushing_of_operands_and_results() {
    let env = Env::arm(1 << 24);
    let subnormal = 5 | F32::SIGN;
    assert_eq!(flags(|e| add::<F32>(e, subnormal, subnormal), env), (F32::SIGN, Flags::INPUT_DENORMAL));
    assert_eq!(flags(|e| add::<F32>(e, subnormal, QUIET_A), env), (QUIET_A, Flags::INPUT_DENORMAL));
    let half = ONE - LEAST;
    assert_eq!(flags(|e| mul::<F32>(e, LEAST, half), env), (0, Flags::UNDERFLOW), "flushed, so not inexact");
    let below_one = ONE - 1;
    assert_eq!(
        flags(|e| mul::<F32>(e, LEAST, below_one), env),
        (0, Flags::UNDERFLOW),
        "tiny before rounding"
    );
    assert_eq!(flags(|e| max::<F32>(e, 5, subnormal), env), (0, Flags::INPUT_DENORMAL));
    assert_eq!(flags(|e| from_half::<F32>(e, 1), env), (0x3380_0000, Flags::NONE), "half is not flushed");
    assert_eq!(flags(|e| to_half::<F32>(e, 0x3380_0000), env), (1, Flags::NONE));
}

#[test]
fn tininess_before_and_after_rounding() {
    let product = |env| flags(|e| mul::<F32>(e, LEAST, ONE - 1), env);
    assert_eq!(product(arm()), (LEAST, Flags::UNDERFLOW | Flags::INEXACT));
    assert_eq!(product(Env::riscv(Round::NearestEven)), (LEAST, Flags::UNDERFLOW | Flags::INEXACT));
    // A quarter of the least subnormal below the least normal number: halfway to it at 24 bits of precision.
    let near = |env| flags(|e| mul_add::<F32>(e, LEAST, 1 | F32::SIGN, 0x3e80_0000), env);
    assert_eq!(near(arm()), (LEAST, Flags::UNDERFLOW | Flags::INEXACT));
    assert_eq!(
        near(Env::riscv(Round::NearestEven)),
        (LEAST, Flags::INEXACT),
        "rounds up to normal at 24 bits"
    );
}

#[test]
fn overflow_by_mode() {
    let greatest = INF - 1;
    for (rounding, positive, negative) in [
        (Round::NearestEven, INF, INF),
        (Round::NearestAway, INF, INF),
        (Round::TowardZero, greatest, greatest),
        (Round::Up, INF, greatest),
        (Round::Down, greatest, INF),
    ] {
        let env = Env { rounding, ..arm() };
        let both = Flags::OVERFLOW | Flags::INEXACT;
        assert_eq!(flags(|e| add::<F32>(e, greatest, greatest), env), (positive, both));
        let minus = greatest | F32::SIGN;
        assert_eq!(flags(|e| add::<F32>(e, minus, minus), env), (negative | F32::SIGN, both));
    }
}

#[test]
fn division_by_zero_and_invalid() {
    let quotient = |a, b| flags(|e| div::<F32>(e, a, b), arm());
    assert_eq!(quotient(ONE, F32::SIGN), (INF | F32::SIGN, Flags::DIV_BY_ZERO));
    assert_eq!(quotient(INF, 0), (INF, Flags::NONE));
    assert_eq!(quotient(0, 0), (F32::DEFAULT_NAN, Flags::INVALID));
    assert_eq!(quotient(INF, INF), (F32::DEFAULT_NAN, Flags::INVALID));
    assert_eq!(flags(|e| sqrt::<F32>(e, ONE | F32::SIGN), arm()), (F32::DEFAULT_NAN, Flags::INVALID));
    assert_eq!(flags(|e| sqrt::<F32>(e, F32::SIGN), arm()), (F32::SIGN, Flags::NONE));
}

#[test]
fn comparisons_with_nans() {
    let relate = |a, b, signal| {
        let mut env = arm();
        (compare::<F32>(&mut env, a, b, signal), env.flags)
    };
    assert_eq!(relate(ONE, QUIET_A, false), (Relation::Unordered, Flags::NONE));
    assert_eq!(relate(ONE, QUIET_A, true), (Relation::Unordered, Flags::INVALID));
    assert_eq!(relate(SIGNAL_A, ONE, false), (Relation::Unordered, Flags::INVALID));
    assert_eq!(relate(0, F32::SIGN, true), (Relation::Equal, Flags::NONE));
    assert_eq!(Relation::Unordered.nzcv(), 0b0011);
}

#[test]
fn minimum_and_maximum() {
    let max_arm = |a, b| flags(|e| max_num::<F32>(e, a, b), arm());
    assert_eq!(max_arm(QUIET_A, ONE), (ONE, Flags::NONE));
    assert_eq!(max_arm(ONE | F32::SIGN, QUIET_A), (ONE | F32::SIGN, Flags::NONE));
    assert_eq!(max_arm(QUIET_A, QUIET_B), (QUIET_A, Flags::NONE));
    assert_eq!(max_arm(SIGNAL_A, ONE), (SIGNAL_A | F32::QUIET, Flags::INVALID));
    assert_eq!(max_arm(0, F32::SIGN), (0, Flags::NONE));
    assert_eq!(flags(|e| min_num::<F32>(e, 0, F32::SIGN), arm()), (F32::SIGN, Flags::NONE));
    assert_eq!(flags(|e| max::<F32>(e, QUIET_A, ONE), arm()), (QUIET_A, Flags::NONE));
    let env = Env::riscv(Round::NearestEven);
    assert_eq!(flags(|e| max_num::<F32>(e, SIGNAL_A, ONE), env), (ONE, Flags::INVALID));
    assert_eq!(flags(|e| min_num::<F32>(e, QUIET_A, QUIET_B), env), (F32::DEFAULT_NAN, Flags::NONE));
    for (a, b) in pairs(&corners::<F64>()) {
        let (x, y) = (f64::from_bits(a), f64::from_bits(b));
        if x < y {
            assert_eq!(min::<F64>(&mut arm(), a, b), a);
            assert_eq!(max::<F64>(&mut arm(), b, a), b);
        }
    }
}

#[test]
fn integers_saturate() {
    let to = |a, t| flags(|e| to_fixed::<F32>(e, a, t, 0, Round::TowardZero), arm());
    assert_eq!(to(0x4f00_0000, IntType::S32), (0x7fff_ffff, Flags::INVALID));
    assert_eq!(to(0xcf00_0000, IntType::S32), (0xffff_ffff_8000_0000, Flags::NONE));
    assert_eq!(to(0xcf00_0001, IntType::S32), (0xffff_ffff_8000_0000, Flags::INVALID));
    assert_eq!(to(0xbf80_0000, IntType::U32), (0, Flags::INVALID));
    assert_eq!(to(0xbf00_0000, IntType::U32), (0, Flags::INEXACT));
    assert_eq!(to(INF, IntType::U64), (u64::MAX, Flags::INVALID));
    assert_eq!(to(QUIET_A, IntType::S32), (0, Flags::INVALID));
    let env = Env::riscv(Round::TowardZero);
    let nan = flags(|e| to_fixed::<F32>(e, QUIET_B, IntType::S32, 0, Round::TowardZero), env);
    assert_eq!(nan, (0x7fff_ffff, Flags::INVALID));
}

#[test]
fn alternative_half_precision() {
    let env = Env::arm(1 << 26);
    assert_eq!(flags(|e| from_half::<F32>(e, 0x7c00), env), (0x4780_0000, Flags::NONE), "65536");
    assert_eq!(flags(|e| from_half::<F32>(e, 0xffff), env), (0xc7ff_e000, Flags::NONE), "-131008");
    assert_eq!(flags(|e| to_half::<F32>(e, 0x4780_0000), env), (0x7c00, Flags::NONE));
    assert_eq!(flags(|e| to_half::<F32>(e, 0x4800_0000), env), (0x7fff, Flags::INVALID), "131072 saturates");
    assert_eq!(flags(|e| to_half::<F32>(e, INF), env), (0x7fff, Flags::INVALID));
    assert_eq!(flags(|e| to_half::<F32>(e, QUIET_B), env), (0x8000, Flags::INVALID));
    for half in 0..=0xffff {
        let wide = from_half::<F32>(&mut env.clone(), half);
        assert_eq!(flags(|e| to_half::<F32>(e, wide), env), (half, Flags::NONE), "round trip of {half:x}");
        assert_eq!(from_half::<F64>(&mut env.clone(), half), convert::<F32, F64>(&mut env.clone(), wide));
    }
}

#[test]
fn half_round_trips_and_nan_payloads() {
    for half in 0..=0xffffu64 {
        let (wide, raised) = flags(|e| from_half::<F32>(e, half), arm());
        let signalling = half & 0x7c00 == 0x7c00 && half & 0x1ff != 0 && half & 0x200 == 0;
        assert_eq!(raised, if signalling { Flags::INVALID } else { Flags::NONE });
        let back = flags(|e| to_half::<F32>(e, wide), arm());
        let expected = if signalling { half | 0x200 } else { half };
        assert_eq!(back, (expected, Flags::NONE), "round trip of {half:x}");
    }
}

#[test]
fn environment_from_fpscr() {
    let env = Env::arm(0x07c0_0000);
    assert_eq!(
        (env.rounding, env.flush_to_zero, env.default_nan, env.ahp),
        (Round::TowardZero, true, true, true)
    );
    assert_eq!(Env::arm(1 << 22).rounding, Round::Up);
    assert_eq!(Env::arm(2 << 22).rounding, Round::Down);
    assert_eq!((Flags::INVALID | Flags::INPUT_DENORMAL).bits(), 0x81);
    assert_eq!((Flags::INVALID | Flags::UNDERFLOW).riscv_bits(), 0b10010);
}
