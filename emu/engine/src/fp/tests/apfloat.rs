//! Against `rustc_apfloat`, an independent implementation, in every rounding mode; and against the host in nearest-even.

use super::super::*;
use super::{assert_same, corners, pairs};
use proptest::prelude::*;
use rustc_apfloat::ieee::{Double, Half, Single};
use rustc_apfloat::{Float, FloatConvert, Round as ApRound, Status, StatusAnd};

const MODES: [(Round, ApRound); 5] = [
    (Round::NearestEven, ApRound::NearestTiesToEven),
    (Round::TowardZero, ApRound::TowardZero),
    (Round::Up, ApRound::TowardPositive),
    (Round::Down, ApRound::TowardNegative),
    (Round::NearestAway, ApRound::NearestTiesToAway),
];

/// Results must be equal (for NaNs: both NaNs, their payload rules differ), and so must all flags but underflow: LLVM detects
/// tininess in a way of its own, and overflow where the result is the greatest number: LLVM calls that merely inexact.
fn check<F: Format, A: Float>(what: &str, ours: (u64, Flags), theirs: StatusAnd<A>) {
    let (bits, flags) = ours;
    let expected = theirs.value.to_bits() as u64;
    if theirs.value.is_nan() {
        assert!(abs::<F>(bits) > F::EXP_MASK, "{what}: {bits:x}, expected a NaN");
    } else {
        assert_eq!(bits, expected, "{what}: {bits:x} for {expected:x}");
    }
    for (flag, status) in [
        (Flags::INVALID, Status::INVALID_OP),
        (Flags::DIV_BY_ZERO, Status::DIV_BY_ZERO),
        (Flags::OVERFLOW, Status::OVERFLOW),
        (Flags::INEXACT, Status::INEXACT),
    ] {
        if flag == Flags::OVERFLOW && !theirs.value.is_infinite() {
            continue;
        }
        assert_eq!(flags.contains(flag), theirs.status.contains(status), "{what}: {flag:?} of {flags:?}");
    }
}

fn run(mode: Round, f: impl Fn(&mut Env) -> u64) -> (u64, Flags) {
    let mut env = Env { rounding: mode, ..Env::default() };
    let bits = f(&mut env);
    (bits, env.flags)
}

fn all_binary<F: Format, A: Float>(a: u64, b: u64) {
    let (x, y) = (A::from_bits(a.into()), A::from_bits(b.into()));
    for (mode, ap) in MODES {
        let what = |op| format!("{op} {mode:?} {a:x} {b:x}");
        check::<F, A>(&what("add"), run(mode, |e| add::<F>(e, a, b)), x.add_r(y, ap));
        check::<F, A>(&what("sub"), run(mode, |e| sub::<F>(e, a, b)), x.sub_r(y, ap));
        check::<F, A>(&what("mul"), run(mode, |e| mul::<F>(e, a, b)), x.mul_r(y, ap));
        check::<F, A>(&what("div"), run(mode, |e| div::<F>(e, a, b)), x.div_r(y, ap));
    }
}

fn all_ternary<F: Format, A: Float>(c: u64, a: u64, b: u64) {
    let (z, x, y) = (A::from_bits(c.into()), A::from_bits(a.into()), A::from_bits(b.into()));
    for (mode, ap) in MODES {
        let what = format!("fma {mode:?} {c:x} + {a:x} * {b:x}");
        check::<F, A>(&what, run(mode, |e| mul_add::<F>(e, c, a, b)), x.mul_add_r(y, z, ap));
    }
}

fn all_unary<F: Format, A: Float>(a: u64) {
    let x = A::from_bits(a.into());
    if x.is_nan() {
        return;
    }
    for (mode, ap) in MODES {
        let what = |op| format!("{op} {mode:?} {a:x}");
        let got = run(mode, |e| round_to_integral::<F>(e, a, mode, true));
        let mut theirs = x.round_to_integral(ap);
        if x.is_infinite() {
            theirs.status = Status::OK;
        }
        check::<F, A>(&what("rint"), got, theirs);
        for to in [IntType::S32, IntType::U32, IntType::S64, IntType::U64, IntType::S16, IntType::U16] {
            let (bits, flags) = run(mode, |e| to_fixed::<F>(e, a, to, 0, mode));
            let (value, status, exact) = ap_integer(x, ap, to);
            assert_eq!(bits, value, "{} {to:?}", what("toint"));
            assert_eq!(
                flags.contains(Flags::INVALID),
                status.contains(Status::INVALID_OP),
                "{}",
                what("toint")
            );
            if !status.contains(Status::INVALID_OP) {
                assert_eq!(flags.contains(Flags::INEXACT), !exact, "{} {to:?}", what("toint"));
            }
        }
    }
}

fn ap_integer<A: Float>(x: A, ap: ApRound, to: IntType) -> (u64, Status, bool) {
    let mut exact = false;
    if to.signed {
        let r = x.to_i128_r(to.bits as usize, ap, &mut exact);
        (r.value as u64, r.status, !r.status.contains(Status::INEXACT))
    } else {
        let r = x.to_u128_r(to.bits as usize, ap, &mut exact);
        (r.value as u64, r.status, !r.status.contains(Status::INEXACT))
    }
}

fn conversion<S: Format, D: Format, A: FloatConvert<B>, B: Float>(a: u64) {
    let x = A::from_bits(a.into());
    for (mode, ap) in MODES {
        let mut loses = false;
        let theirs = x.convert_r(ap, &mut loses);
        if x.is_nan() {
            continue;
        }
        let ours = run(mode, |e| convert::<S, D>(e, a));
        check::<D, B>(&format!("convert {mode:?} {a:x}"), ours, theirs);
    }
}

fn integers<F: Format, A: Float>(v: u64) {
    for (mode, ap) in MODES {
        let what = format!("from integer {mode:?} {v:x}");
        let ours = run(mode, |e| from_unsigned::<F>(e, v, 0, mode));
        check::<F, A>(&what, ours, A::from_u128_r(v.into(), ap));
        let ours = run(mode, |e| from_signed::<F>(e, v as i64, 0, mode));
        check::<F, A>(&what, ours, A::from_i128_r((v as i64).into(), ap));
    }
}

#[test]
fn corners_of_every_format_in_every_mode() {
    for (a, b) in pairs(&corners::<F32>()) {
        all_binary::<F32, Single>(a, b);
    }
    for (a, b) in pairs(&corners::<F64>()) {
        all_binary::<F64, Double>(a, b);
    }
    for (a, b) in pairs(&corners::<F16>()) {
        all_binary::<F16, Half>(a, b);
    }
    corners::<F32>().into_iter().for_each(all_unary::<F32, Single>);
    corners::<F64>().into_iter().for_each(all_unary::<F64, Double>);
}

#[test]
fn fused_corners() {
    let some = |v: Vec<u64>| v.into_iter().step_by(2).collect::<Vec<_>>();
    let (singles, doubles) = (some(corners::<F32>()), some(corners::<F64>()));
    for (a, b) in pairs(&singles) {
        singles.iter().for_each(|c| all_ternary::<F32, Single>(*c, a, b));
    }
    for (a, b) in pairs(&doubles) {
        doubles.iter().for_each(|c| all_ternary::<F64, Double>(*c, a, b));
    }
}

#[test]
fn every_half() {
    for a in 0..=0xffff {
        all_unary::<F16, Half>(a);
        conversion::<F16, F32, Half, Single>(a);
        conversion::<F16, F64, Half, Double>(a);
    }
}

/// Every single that lies within a few units of a half-precision value or of the middle between two.
#[test]
fn singles_around_every_half() {
    for half in 0..0x7c00u64 {
        let mut env = Env::default();
        let wide = from_half::<F32>(&mut env, half);
        for near in [0, 1, 0xfff, 0x1000, 0x1001, 0x1fff] {
            conversion::<F32, F16, Single, Half>(wide + near);
            conversion::<F32, F16, Single, Half>((wide + near) | F32::SIGN);
        }
    }
}

fn bits32() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u32>(),
        (0..24u32, 0..8u32, any::<bool>()).prop_map(|(n, d, s)| {
            (0x3f80_0000u32 + (n << 23)).wrapping_add(d).wrapping_sub(4) | u32::from(s) << 31
        })
    ]
    .prop_map(u64::from)
}

fn bits64() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (0..60u64, 0..8u64, any::<bool>()).prop_map(|(n, d, s)| {
            (0x3ff0_0000_0000_0000 + (n << 52)).wrapping_add(d).wrapping_sub(4) | u64::from(s) << 63
        })
    ]
}

proptest! {
    #![proptest_config(emu_testkit::cases(20_000))]

    #[test]
    fn random_singles(a in bits32(), b in bits32(), c in bits32()) {
        all_binary::<F32, Single>(a, b);
        all_ternary::<F32, Single>(c, a, b);
        all_unary::<F32, Single>(a);
        conversion::<F32, F64, Single, Double>(a);
        conversion::<F32, F16, Single, Half>(a);
    }

    #[test]
    fn random_doubles(a in bits64(), b in bits64(), c in bits64()) {
        all_binary::<F64, Double>(a, b);
        all_ternary::<F64, Double>(c, a, b);
        all_unary::<F64, Double>(a);
        conversion::<F64, F32, Double, Single>(a);
        conversion::<F64, F16, Double, Half>(a);
    }

    #[test]
    fn random_integers(v: u64, shift in 0..64u32) {
        integers::<F32, Single>(v >> shift);
        integers::<F64, Double>(v >> shift);
        integers::<F16, Half>(v >> shift);
    }

    #[test]
    fn host_singles(a: u32, b: u32, exponent in 100..150u32) {
        // Half of the pairs get close exponents, so that the operation has something to round.
        let b = if a & 1 == 0 { b & 0x807f_ffff | exponent << 23 } else { b };
        let (x, y) = (f32::from_bits(a), f32::from_bits(b));
        let (a, b) = (u64::from(a), u64::from(b));
        let e = &mut Env::default();
        let same = |ours, host: f32| assert_same::<F32>(ours, host.to_bits().into());
        same(add::<F32>(e, a, b), x + y);
        same(sub::<F32>(e, a, b), x - y);
        same(mul::<F32>(e, a, b), x * y);
        same(div::<F32>(e, a, b), x / y);
        same(sqrt::<F32>(e, a), x.sqrt());
        same(mul_add::<F32>(e, b, a, b), x.mul_add(y, y));
        assert_same::<F64>(convert::<F32, F64>(e, a), f64::from(x).to_bits());
        assert_eq!(compare::<F32>(e, a, b, false) == Relation::Less, x < y);
        assert_eq!(compare::<F32>(e, a, b, false) == Relation::Equal, x == y);
    }

    #[test]
    fn host_doubles(a: u64, b: u64, exponent in 1000..1060u64) {
        let b = if a & 1 == 0 { b & 0x800f_ffff_ffff_ffff | exponent << 52 } else { b };
        let (x, y) = (f64::from_bits(a), f64::from_bits(b));
        let e = &mut Env::default();
        let same = |ours, host: f64| assert_same::<F64>(ours, host.to_bits());
        same(add::<F64>(e, a, b), x + y);
        same(sub::<F64>(e, a, b), x - y);
        same(mul::<F64>(e, a, b), x * y);
        same(div::<F64>(e, a, b), x / y);
        same(sqrt::<F64>(e, a), x.sqrt());
        same(mul_add::<F64>(e, b, a, b), x.mul_add(y, y));
        assert_same::<F32>(convert::<F64, F32>(e, a), (x as f32).to_bits().into());
        assert_eq!(compare::<F64>(e, a, b, false) == Relation::Greater, x > y);
    }
}
