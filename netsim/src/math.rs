//! Logarithm and exponential by IEEE 754's exact operations alone: the same bits on every host.

/// 1 / (2 k + 1): the series of atanh.
const ODD: [f64; 10] = {
    let mut c = [0.0; 10];
    let mut k = 0;
    while k < c.len() {
        c[k] = 1.0 / (2 * k + 1) as f64;
        k += 1;
    }
    c
};

/// 1 / k!: the series of the exponential.
const INVERSE_FACTORIAL: [f64; 15] = {
    let mut c = [1.0; 15];
    let mut k = 1;
    while k < c.len() {
        c[k] = c[k - 1] / k as f64;
        k += 1;
    }
    c
};

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
    let sum = ODD.iter().rev().fold(0.0, |sum, c| sum * s2 + c);
    f64::from(exponent) + 2.0 * s * sum * std::f64::consts::LOG2_E
}

/// 2 to the power of `x`, 0 below the normal numbers.
pub(crate) fn exp2(x: f64) -> f64 {
    let whole = (x + 0.5).floor();
    if !(-1022.0..=1023.0).contains(&whole) {
        return if whole > 0.0 { f64::INFINITY } else { 0.0 };
    }
    let f = (x - whole) * std::f64::consts::LN_2; // at most 0.35 either way
    let sum = INVERSE_FACTORIAL.iter().rev().fold(0.0, |sum, c| sum * f + c);
    sum * f64::from_bits(((whole as i64 + 1023) as u64) << 52)
}

/// e to the power of `x`.
pub(crate) fn exp(x: f64) -> f64 {
    exp2(x * std::f64::consts::LOG2_E)
}

/// A ratio from dB.
pub(crate) fn from_db(db: f64) -> f64 {
    exp2(db / (10.0 * std::f64::consts::LOG10_2))
}

/// A number of the normal distribution, cut at three standard deviations, out of random bits: the sum of twelve
/// uniform numbers, exact on every host.
pub(crate) fn normal(bits: [u64; 3]) -> f64 {
    let parts = bits.iter().flat_map(|w| [w & 0xffff, w >> 16 & 0xffff, w >> 32 & 0xffff, w >> 48]);
    // Each part is uniform over 0..=65535, of mean 32767.5; twelve of them have standard deviation 65536.
    let sum = parts.sum::<u64>() as f64 - 12.0 * 32767.5;
    (sum / 65536.0).clamp(-3.0, 3.0)
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

    #[test]
    fn normal_numbers_are_normal() {
        let mut rng = emu_core::rng::Rng::new(5);
        let all: Vec<f64> = (0..40_000).map(|_| normal([(); 3].map(|()| rng.next_u64()))).collect();
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let deviation = (all.iter().map(|x| x * x).sum::<f64>() / n).sqrt();
        let within = all.iter().filter(|x| x.abs() < 1.0).count() as f64 / n;
        assert!(mean.abs() < 0.02 && (deviation - 1.0).abs() < 0.02 && (within - 0.683).abs() < 0.01);
        assert_eq!((normal([0; 3]), normal([u64::MAX; 3])), (-3.0, 3.0));
    }

    proptest! {
        #[test]
        fn close_to_the_hosts(x in 1e-12f64..1e12, y in -300.0f64..300.0) {
            prop_assert!((log2(x) - x.log2()).abs() <= 1e-13 * (1.0 + x.log2().abs()));
            prop_assert!((exp2(y) / y.exp2() - 1.0).abs() < 1e-13);
            prop_assert!((from_db(y) / 10f64.powf(y / 10.0) - 1.0).abs() < 1e-12);
            prop_assert!((exp(y) / y.exp() - 1.0).abs() < 1e-12);
        }
    }
}
