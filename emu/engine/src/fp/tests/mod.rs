//! Tests: `rules` for ARM's and RISC-V's special cases, `vectors` for a table computed with rational numbers, `apfloat`
//! for an independent implementation and the host, `shortcuts` for the host paths against the integer code.

mod apfloat;
mod rules;
mod shortcuts;
mod vectors;

use super::*;

/// Values at which formats and operations change their behaviour, both signs.
fn corners<F: Format>() -> Vec<u64> {
    let one = (F::BIAS as u64) << F::FRAC;
    let least = 1 << F::FRAC;
    let greatest = F::EXP_MASK - 1;
    let binade = 1 << F::FRAC;
    let positive = [
        0,
        1,
        2,
        3,
        least / 2,
        least - 1,
        least,
        least + 1,
        2 * least + 1,
        one - (u64::from(F::FRAC) + 1) * binade,
        one - u64::from(F::FRAC) * binade,
        one - binade,
        one - 1,
        one,
        one + 1,
        one + least / 2,
        one + binade + 1,
        one + u64::from(F::FRAC) * binade,
        one + u64::from(F::FRAC) * binade + 1,
        one / 2,
        one + one / 2,
        greatest - binade,
        greatest - 1,
        greatest,
        F::EXP_MASK,
        F::EXP_MASK | 1,
        F::DEFAULT_NAN,
    ];
    positive.iter().flat_map(|x| [*x, x | F::SIGN]).collect()
}

fn pairs(values: &[u64]) -> Vec<(u64, u64)> {
    values.iter().flat_map(|a| values.iter().map(|b| (*a, *b))).collect()
}

/// Equal, or both a NaN: what the host does with payloads is not specified.
fn assert_same<F: Format>(ours: u64, host: u64) {
    let nan = |x| abs::<F>(x) > F::EXP_MASK;
    assert!(ours == host || nan(ours) && nan(host), "{ours:x}, the host says {host:x}");
}
