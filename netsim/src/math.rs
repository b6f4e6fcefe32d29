//! Logarithm and exponential by IEEE 754's exact operations alone: the same bits on every host.

/// Base-2 logarithm of a positive, normal number; relative error below 1e-13.
pub(crate) fn log2(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52 & 0x7ff) as i32 - 1023;
    let mut m = f64::from_bits(bits & 0x000f_ffff_ffff_ffff | 0x3ff0_0000_0000_0000);
    if m > std::f64::consts::SQRT_2 {
        m /= 2.0;
        exponent += 1;
    }
    // ln m = 2 atanh((m - 1) / (m + 1)), |argument| < 0.172
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    let sum = (0..10).rev().fold(0.0, |sum, k| sum * s2 + 1.0 / f64::from(2 * k + 1));
    f64::from(exponent) + 2.0 * s * sum * std::f64::consts::LOG2_E
}

/// 2 to the power of `x`, 0 below the normal numbers.
pub(crate) fn exp2(x: f64) -> f64 {
    let whole = x.floor();
    if !(-1022.0..=1023.0).contains(&whole) {
        return if whole > 0.0 { f64::INFINITY } else { 0.0 };
    }
    let f = (x - whole) * std::f64::consts::LN_2;
    let sum = (1..20).rev().fold(1.0, |sum, k| 1.0 + sum * f / f64::from(k));
    sum * f64::from_bits(((whole as i64 + 1023) as u64) << 52)
}

/// 10 lg `x`.
pub(crate) fn db(x: f64) -> f64 {
    10.0 * std::f64::consts::LOG10_2 * log2(x)
}

/// Milliwatts of a power in hundredths of a dBm.
pub(crate) fn milliwatts(centi_dbm: i32) -> f64 {
    exp2(f64::from(centi_dbm) / (1000.0 * std::f64::consts::LOG10_2))
}

/// A power in hundredths of a dBm.
pub(crate) fn centi_dbm(milliwatts: f64) -> i32 {
    (100.0 * db(milliwatts)).round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marks() {
        assert_eq!(log2(1.0), 0.0);
        assert_eq!(log2(1024.0), 10.0);
        assert_eq!(exp2(-3.0), 0.125);
        assert_eq!((exp2(-5000.0), exp2(f64::NEG_INFINITY), exp2(5000.0)), (0.0, 0.0, f64::INFINITY));
        assert!((db(100.0) - 20.0).abs() < 1e-12);
        assert!((milliwatts(-3000) - 0.001).abs() < 1e-15);
        assert_eq!(centi_dbm(milliwatts(-9012)), -9012);
    }

    proptest! {
        #[test]
        fn close_to_the_hosts(x in 1e-12f64..1e12, y in -300.0f64..300.0) {
            prop_assert!((log2(x) - x.log2()).abs() <= 1e-13 * (1.0 + x.log2().abs()));
            prop_assert!((exp2(y) / y.exp2() - 1.0).abs() < 1e-13);
        }
    }
}
