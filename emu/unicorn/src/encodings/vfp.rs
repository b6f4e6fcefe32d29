//! FPv4-SP and FPv5 with double precision (A5.3.18, A6.4).
//!
//! In the patterns `z` stands for the size bit: each row yields a single-precision class and, where it says so, a
//! double-precision one, in which the upper register bits (uppercase D, N, M) are zero.

use super::Set::{Fp, Fp5};
use super::{Encoding, Set};

/// Which sizes a row exists in.
#[derive(Clone, Copy, PartialEq)]
enum Sizes {
    /// Single on both FPUs, double on the M7.
    Both,
    /// Both sizes, FPv5 only.
    Both5,
}

use Sizes::{Both, Both5};

const ROWS: &[(&str, &str, Sizes, &str)] = &[
    ("VMLA", "11101110 0D00 nnnn dddd 101z N0M0 mmmm", Both, ""),
    ("VMLS", "11101110 0D00 nnnn dddd 101z N1M0 mmmm", Both, ""),
    ("VNMLS", "11101110 0D01 nnnn dddd 101z N0M0 mmmm", Both, ""),
    ("VNMLA", "11101110 0D01 nnnn dddd 101z N1M0 mmmm", Both, ""),
    ("VMUL", "11101110 0D10 nnnn dddd 101z N0M0 mmmm", Both, ""),
    ("VNMUL", "11101110 0D10 nnnn dddd 101z N1M0 mmmm", Both, ""),
    ("VADD", "11101110 0D11 nnnn dddd 101z N0M0 mmmm", Both, ""),
    ("VSUB", "11101110 0D11 nnnn dddd 101z N1M0 mmmm", Both, ""),
    ("VDIV", "11101110 1D00 nnnn dddd 101z N0M0 mmmm", Both, ""),
    ("VFNMS", "11101110 1D01 nnnn dddd 101z N0M0 mmmm", Both, ""),
    ("VFNMA", "11101110 1D01 nnnn dddd 101z N1M0 mmmm", Both, ""),
    ("VFMA", "11101110 1D10 nnnn dddd 101z N0M0 mmmm", Both, ""),
    ("VFMS", "11101110 1D10 nnnn dddd 101z N1M0 mmmm", Both, ""),
    ("VMOV_imm", "11101110 1D11 iiii dddd 101z 0000 iiii", Both, ""),
    ("VMOV_reg", "11101110 1D11 0000 dddd 101z 01M0 mmmm", Both, ""),
    ("VABS", "11101110 1D11 0000 dddd 101z 11M0 mmmm", Both, ""),
    ("VNEG", "11101110 1D11 0001 dddd 101z 01M0 mmmm", Both, ""),
    ("VSQRT", "11101110 1D11 0001 dddd 101z 11M0 mmmm", Both, ""),
    ("VCMP", "11101110 1D11 0100 dddd 101z e1M0 mmmm", Both, ""),
    ("VCMP_zero", "11101110 1D11 0101 dddd 101z e100 0000", Both, ""),
    ("VRINTR", "11101110 1D11 0110 dddd 101z 01M0 mmmm", Both5, ""),
    ("VRINTZ", "11101110 1D11 0110 dddd 101z 11M0 mmmm", Both5, ""),
    ("VRINTX", "11101110 1D11 0111 dddd 101z 01M0 mmmm", Both5, ""),
    ("VCVT_fixed_from_fp", "11101110 1D11 111u dddd 101z f1i0 iiii", Both, "#fixed"),
    ("VCVT_fp_from_fixed", "11101110 1D11 101u dddd 101z f1i0 iiii", Both, "#fixed @nearest"),
    ("VSEL", "11111110 0Dcc nnnn dddd 101z N0M0 mmmm", Both5, "@noit"),
    ("VMAXNM", "11111110 1D00 nnnn dddd 101z N0M0 mmmm", Both5, "@noit"),
    ("VMINNM", "11111110 1D00 nnnn dddd 101z N1M0 mmmm", Both5, "@noit"),
    ("VRINTANPM", "11111110 1D11 10rr dddd 101z 01M0 mmmm", Both5, "@noit"),
    ("VLDR", "11101101 aD01 bbbb dddd 101z iiiiiiii", Both, "b!15 @aligned"),
    ("VSTR", "11101101 aD00 bbbb dddd 101z iiiiiiii", Both, "b!15 @aligned"),
    ("VLDR_lit", "11101101 aD01 1111 dddd 101z iiiiiiii", Both, "@memory"),
];

/// Rows that exist as they stand.
const PLAIN: &[(&str, &str, Set, &str)] = &[
    ("VCVTB_VCVTT_f32_f16", "11101110 1d11 0010 dddd 1010 t1m0 mmmm", Fp, ""),
    ("VCVTB_VCVTT_f16_f32", "11101110 1d11 0011 dddd 1010 t1m0 mmmm", Fp, ""),
    ("VCVTB_VCVTT_f64_f16", "11101110 1011 0010 dddd 1011 t1m0 mmmm", Fp5, ""),
    ("VCVTB_VCVTT_f16_f64", "11101110 1d11 0011 dddd 1011 t100 mmmm", Fp5, ""),
    ("VCVT_f64_f32", "11101110 1011 0111 dddd 1010 11m0 mmmm", Fp5, ""),
    ("VCVT_f32_f64", "11101110 1d11 0111 dddd 1011 1100 mmmm", Fp5, ""),
    ("VCVT_f32_int", "11101110 1d11 1000 dddd 1010 s1m0 mmmm", Fp, ""),
    ("VCVT_f64_int", "11101110 1011 1000 dddd 1011 s1m0 mmmm", Fp5, ""),
    ("VCVT_int_f32", "11101110 1d11 110s dddd 1010 r1m0 mmmm", Fp, ""),
    ("VCVT_int_f64", "11101110 1d11 110s dddd 1011 r100 mmmm", Fp5, ""),
    ("VCVTANPM_int_f32", "11111110 1d11 11rr dddd 1010 s1m0 mmmm", Fp5, "@noit"),
    ("VCVTANPM_int_f64", "11111110 1d11 11rr dddd 1011 s100 mmmm", Fp5, "@noit"),
    ("VMOV_core_to_s", "111011100000 nnnn tttt 1010 n001 0000", Fp, "t!13,15"),
    ("VMOV_s_to_core", "111011100001 nnnn tttt 1010 n001 0000", Fp, "t!13,15"),
    ("VMOV_cores_to_ss", "111011000100 uuuu tttt 1010 00m1 mmmm", Fp, "t!13,15 u!13,15 m!31"),
    ("VMOV_ss_to_cores", "111011000101 uuuu tttt 1010 00m1 mmmm", Fp, "t!13,15 u!13,15 t!u m!31"),
    ("VMOV_cores_to_d", "111011000100 uuuu tttt 1011 0001 mmmm", Fp, "t!13,15 u!13,15"),
    ("VMOV_d_to_cores", "111011000101 uuuu tttt 1011 0001 mmmm", Fp, "t!13,15 u!13,15 t!u"),
    ("VMOV_core_to_scalar", "1110111000 h0 nnnn tttt 1011 0001 0000", Fp, "t!13,15"),
    ("VMOV_scalar_to_core", "1110111000 h1 nnnn tttt 1011 0001 0000", Fp, "t!13,15"),
    ("VMRS", "1110111011110001 tttt 101000010000", Fp, "t!13"),
    ("VMSR", "1110111011100001 tttt 101000010000", Fp, "t!13,15 @fpscr"),
    ("VSTM", "1110110 p a d w 0 bbbb dddd 1010 iiiiiiii", Fp, "b!15 #vpuw #vlist @aligned"),
    ("VLDM", "1110110 p a d w 1 bbbb dddd 1010 iiiiiiii", Fp, "b!15 #vpuw #vlist @aligned"),
    ("VSTM_64", "1110110 p a 0 w 0 bbbb dddd 1011 iiiiiii0", Fp, "b!15 #vpuw #vlist64 @aligned"),
    ("VLDM_64", "1110110 p a 0 w 1 bbbb dddd 1011 iiiiiii0", Fp, "b!15 #vpuw #vlist64 @aligned"),
    ("VLDR_lit_64", "11101101 a001 1111 dddd 1011 iiiiiiii", Fp, "@memory"),
    ("VLDR_64", "11101101 a001 bbbb dddd 1011 iiiiiiii", Fp, "b!15 @aligned"),
    ("VSTR_64", "11101101 a000 bbbb dddd 1011 iiiiiiii", Fp, "b!15 @aligned"),
];

pub(super) fn rows() -> Vec<Encoding> {
    let mut rows: Vec<Encoding> =
        PLAIN.iter().map(|(name, pattern, on, rules)| Encoding::new(*name, *pattern, *on, rules)).collect();
    for (name, pattern, sizes, rules) in ROWS {
        let single = pattern.replace('z', "0").to_ascii_lowercase();
        let double = pattern.replace('z', "1").replace(['D', 'N', 'M'], "0");
        rows.push(Encoding::new(format!("{name}_32"), single, if *sizes == Both { Fp } else { Fp5 }, rules));
        // Loads and stores of doubles exist on a single-precision FPU too: the plain rows have them.
        if !["VLDR", "VSTR", "VLDR_lit"].contains(name) {
            rows.push(Encoding::new(format!("{name}_64"), double, Fp5, rules));
        }
    }
    rows
}
