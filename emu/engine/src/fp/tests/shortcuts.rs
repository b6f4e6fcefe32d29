//! The host paths must say exactly what the integer code says.

use super::super::arith::{add_exact, div_exact, mul_add_exact, mul_exact, sqrt_exact};
use super::super::*;
use super::{corners, pairs};
use proptest::prelude::*;

fn check<F: Format>(a: u64, b: u64) -> usize {
    let mut taken = 0;
    for op in [FastOp::Add, FastOp::Mul, FastOp::Div, FastOp::Sqrt] {
        let Some((bits, inexact)) = F::fast(op, a, b) else { continue };
        let mut env = Env::default();
        let exact = match op {
            FastOp::Add => add_exact::<F>(&mut env, a, b, false),
            FastOp::Mul => mul_exact::<F>(&mut env, a, b),
            FastOp::Div => div_exact::<F>(&mut env, a, b),
            FastOp::Sqrt => sqrt_exact::<F>(&mut env, a),
        };
        let flags = if inexact { Flags::INEXACT } else { Flags::NONE };
        assert_eq!((bits, flags), (exact, env.flags), "{op:?} {a:x} {b:x}");
        taken += 1;
    }
    taken
}

fn check_fma(c: u64, a: u64, b: u64) -> bool {
    let Some((bits, inexact)) = F32::fast_fma(c, a, b) else { return false };
    let mut env = Env::default();
    let exact = mul_add_exact::<F32>(&mut env, c, a, b);
    let flags = if inexact { Flags::INEXACT } else { Flags::NONE };
    assert_eq!((bits, flags), (exact, env.flags), "{c:x} + {a:x} * {b:x}");
    true
}

#[test]
fn corners_agree_and_are_taken() {
    let (mut singles, mut doubles) = (0, 0);
    for (a, b) in pairs(&corners::<F32>()) {
        singles += check::<F32>(a, b);
    }
    for (a, b) in pairs(&corners::<F64>()) {
        doubles += check::<F64>(a, b);
    }
    assert!(singles > 1000 && doubles > 1000, "{singles} and {doubles} shortcuts");
}

#[test]
fn fused_corners_agree() {
    let values = corners::<F32>();
    let mut taken = 0;
    for (a, b) in pairs(&values) {
        taken += values.iter().filter(|c| check_fma(**c, a, b)).count();
    }
    assert!(taken > 1000, "{taken} shortcuts");
}

/// Significands with few bits, with long runs and at random; exponents close together or anywhere.
fn value<const FRAC: u32, const EXP: u64>() -> impl Strategy<Value = u64> {
    let bias = EXP / 2;
    let exponent = prop_oneof![1..EXP, bias - 30..bias + 30, 1..4u64, EXP - 4..EXP];
    let fraction = prop_oneof![
        any::<u64>(),
        (any::<u64>(), any::<u64>()).prop_map(|(x, y)| x & y & y.rotate_left(7)),
        (0..64u32).prop_map(|n| u64::MAX << n),
        (0..64u32).prop_map(|n| 1 << n)
    ];
    (any::<bool>(), exponent, fraction).prop_map(|(s, e, f)| {
        let sign = if FRAC == 23 { 31 } else { 63 };
        u64::from(s) << sign | e << FRAC | f & ((1 << FRAC) - 1)
    })
}

proptest! {
    #![proptest_config(emu_testkit::cases(100_000))]

    #[test]
    fn singles(a in value::<23, 255>(), b in value::<23, 255>(), c in value::<23, 255>(), d in -2i64..3) {
        check::<F32>(a, b);
        check_fma(c, a, b);
        // An addend that nearly cancels the product.
        let product = mul::<F32>(&mut Env::default(), a, b) ^ F32::SIGN;
        check_fma(product.wrapping_add_signed(d) & F32::MASK, a, b);
        // A dividend that is a rounded product, a radicand that is a rounded square.
        check::<F32>(product, b);
        check::<F32>(mul::<F32>(&mut Env::default(), a, a), b);
    }

    #[test]
    fn doubles(a in value::<52, 2047>(), b in value::<52, 2047>()) {
        check::<F64>(a, b);
        let product = mul::<F64>(&mut Env::default(), a, b);
        check::<F64>(product, b);
        check::<F64>(mul::<F64>(&mut Env::default(), a, a), b);
    }
}
