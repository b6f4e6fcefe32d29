//! The DSP extension of v7E-M.

use super::Encoding;
use super::Set::Dsp;

const THREE: &str = "d!13,15 n!13,15 m!13,15";
const FOUR: &str = "d!13,15 n!13,15 m!13,15 a!13,15";
const LONG: &str = "l!13,15 h!13,15 l!h n!13,15 m!13,15";

const ROWS: &[(&str, &str, &str)] = &[
    ("PKH", "111010101100 nnnn 0 iii dddd ii t0 mmmm", THREE),
    ("SSAT16", "111100110010 nnnn 0000 dddd 0000 ssss", "d!13,15 n!13,15"),
    ("USAT16", "111100111010 nnnn 0000 dddd 0000 ssss", "d!13,15 n!13,15"),
    ("SXTAH", "111110100000 nnnn 1111 dddd 10 rr mmmm", THREE),
    ("UXTAH", "111110100001 nnnn 1111 dddd 10 rr mmmm", THREE),
    ("SXTAB16", "111110100010 nnnn 1111 dddd 10 rr mmmm", THREE),
    ("UXTAB16", "111110100011 nnnn 1111 dddd 10 rr mmmm", THREE),
    ("SXTB16", "111110100010 1111 1111 dddd 10 rr mmmm", "d!13,15 m!13,15"),
    ("UXTB16", "111110100011 1111 1111 dddd 10 rr mmmm", "d!13,15 m!13,15"),
    ("SXTAB", "111110100100 nnnn 1111 dddd 10 rr mmmm", THREE),
    ("UXTAB", "111110100101 nnnn 1111 dddd 10 rr mmmm", THREE),
    ("QADD", "111110101000 nnnn 1111 dddd 1000 mmmm", THREE),
    ("QDADD", "111110101000 nnnn 1111 dddd 1001 mmmm", THREE),
    ("QSUB", "111110101000 nnnn 1111 dddd 1010 mmmm", THREE),
    ("QDSUB", "111110101000 nnnn 1111 dddd 1011 mmmm", THREE),
    ("SEL", "111110101010 nnnn 1111 dddd 1000 mmmm", THREE),
    ("SMLAxy", "111110110001 nnnn aaaa dddd 00gh mmmm", FOUR),
    ("SMULxy", "111110110001 nnnn 1111 dddd 00gh mmmm", THREE),
    ("SMLAD", "111110110010 nnnn aaaa dddd 000g mmmm", FOUR),
    ("SMUAD", "111110110010 nnnn 1111 dddd 000g mmmm", THREE),
    ("SMLAWy", "111110110011 nnnn aaaa dddd 000g mmmm", FOUR),
    ("SMULWy", "111110110011 nnnn 1111 dddd 000g mmmm", THREE),
    ("SMLSD", "111110110100 nnnn aaaa dddd 000g mmmm", FOUR),
    ("SMUSD", "111110110100 nnnn 1111 dddd 000g mmmm", THREE),
    ("SMMLA", "111110110101 nnnn aaaa dddd 000g mmmm", FOUR),
    ("SMMUL", "111110110101 nnnn 1111 dddd 000g mmmm", THREE),
    ("SMMLS", "111110110110 nnnn aaaa dddd 000g mmmm", FOUR),
    ("USADA8", "111110110111 nnnn aaaa dddd 0000 mmmm", FOUR),
    ("USAD8", "111110110111 nnnn 1111 dddd 0000 mmmm", THREE),
    ("SMLALxy", "111110111100 nnnn llll hhhh 10gf mmmm", LONG),
    ("SMLALD", "111110111100 nnnn llll hhhh 110g mmmm", LONG),
    ("SMLSLD", "111110111101 nnnn llll hhhh 110g mmmm", LONG),
    ("UMAAL", "111110111110 nnnn llll hhhh 0110 mmmm", LONG),
];

/// Parallel addition and subtraction (A5.3.14, A5.3.15): operation by prefix.
const PARALLEL: [(&str, &str); 6] =
    [("ADD16", "001"), ("ASX", "010"), ("SAX", "110"), ("SUB16", "101"), ("ADD8", "000"), ("SUB8", "100")];
const PREFIX: [(&str, &str); 6] =
    [("S", "000"), ("Q", "001"), ("SH", "010"), ("U", "100"), ("UQ", "101"), ("UH", "110")];

pub(super) fn rows() -> Vec<Encoding> {
    let mut rows: Vec<Encoding> =
        ROWS.iter().map(|(name, pattern, rules)| Encoding::new(*name, *pattern, Dsp, rules)).collect();
    for (name, op) in PARALLEL {
        for (prefix, bits) in PREFIX {
            let pattern = format!("111110101{op}nnnn1111dddd0{bits}mmmm");
            rows.push(Encoding::new(format!("{prefix}{name}"), pattern, Dsp, THREE));
        }
    }
    rows
}
