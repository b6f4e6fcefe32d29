//! Saturating, packed and long DSP arithmetic: what sets Q and GE, or has no operation of its own.

use super::call::*;
use super::state::MState;
use emu_engine::ir::{Op, Regs};

/// Executes one of the functions from [`DSP`] on.
pub(super) fn call(r: &mut Regs, st: &mut MState, op: &Op) {
    let (a, b, x) = (r.get(op.a), r.get(op.b), u32::from(op.x));
    let v = match op.imm {
        QADD => saturating(st, a, b, x),
        SSAT => saturate(st, i64::from(a as i32), x, true),
        USAT => saturate(st, i64::from(a as i32), x, false),
        SSAT16 | USAT16 => {
            let signed = op.imm == SSAT16;
            let (lo, hi) = (half(a, false), half(a, true));
            saturate(st, lo, x, signed) & 0xffff | saturate(st, hi, x, signed) << 16
        }
        SXTAB16 | UXTAB16 => {
            let m = b.rotate_right(x);
            let extend = |m: u32| if op.imm == SXTAB16 { m as i8 as u32 } else { m & 0xff };
            let lo = a.wrapping_add(extend(m)) & 0xffff;
            lo | (a >> 16).wrapping_add(extend(m >> 16)) << 16
        }
        SEL => {
            let mask = (0..4).filter(|n| st.ge >> n & 1 != 0).fold(0, |m, n| m | 0xff << (8 * n));
            a & mask | b & !mask
        }
        PARALLEL => parallel(st, a, b, x >> 4, x & 15),
        MULTIPLY => multiply(st, a, b, r.get(op.c), x >> 4, x & 15),
        _ => return long(r, op, a, b),
    };
    r.set(op.d, v);
}

/// A signed half of a word.
fn half(v: u32, top: bool) -> i64 {
    i64::from((if top { v >> 16 } else { v }) as i16)
}

/// SatQ: to the range of `bits` bits, plus a sign bit if `signed`; sets Q.
#[doc(alias = "SatQ")]
fn saturate(st: &mut MState, v: i64, bits: u32, signed: bool) -> u32 {
    let max = (1i64 << bits) - 1;
    let clamped = v.clamp(if signed { -max - 1 } else { 0 }, max);
    st.q |= clamped != v;
    clamped as u32
}

/// QADD, QDADD, QSUB, QDSUB of Rm = `b` and Rn = `a`.
fn saturating(st: &mut MState, a: u32, b: u32, kind: u32) -> u32 {
    let mut n = i64::from(a as i32);
    if kind & 1 != 0 {
        n = i64::from(saturate(st, 2 * n, 31, true) as i32);
    }
    let m = i64::from(b as i32);
    saturate(st, if kind & 2 != 0 { m - n } else { m + n }, 31, true)
}

/// Parallel addition and subtraction. `variant`: bit 2 unsigned; 0 wraps and sets GE, 1 saturates, 2 halves.
fn parallel(st: &mut MState, a: u32, b: u32, kind: u32, variant: u32) -> u32 {
    let unsigned = variant & 4 != 0;
    let width = if kind & 3 == 0 { 8 } else { 16 };
    let lanes = 32 / width;
    let lane = |v: u32, n: u32| {
        let up = i64::from((v << (32 - width * (n + 1))) as i32) >> (32 - width);
        if unsigned { up & ((1 << width) - 1) } else { up }
    };
    let (mut result, mut ge) = (0, 0);
    for n in 0..lanes {
        // ASX subtracts in the low lane, SAX in the high one, both with the halves of b exchanged.
        let (subtract, from) = match kind {
            0b010 => (n == 0, 1 - n),
            0b110 => (n == 1, 1 - n),
            _ => (kind & 4 != 0, n),
        };
        let (x, y) = (lane(a, n), lane(b, from));
        let sum = if subtract { x - y } else { x + y };
        let value = match variant & 3 {
            0 => sum,
            1 if unsigned => sum.clamp(0, (1 << width) - 1),
            1 => sum.clamp(-(1 << (width - 1)), (1 << (width - 1)) - 1),
            _ => sum >> 1,
        };
        let full = if unsigned && !subtract { sum >> width != 0 } else { sum >= 0 };
        let flags = if full { (1 << (4 / lanes)) - 1 } else { 0 };
        ge |= flags << (n * 4 / lanes);
        result |= (value as u32 & ((1 << width) - 1)) << (n * width);
    }
    if variant & 3 == 0 {
        st.ge = ge as u8;
    }
    result
}

/// SMLABB to USADA8 (A5.3.16).
fn multiply(st: &mut MState, a: u32, b: u32, c: u32, op1: u32, op2: u32) -> u32 {
    let (sa, sb, sc) = (i64::from(a as i32), i64::from(b as i32), i64::from(c as i32));
    let exchanged = b.rotate_right(16 * (op2 & 1));
    let products = (half(a, false) * half(exchanged, false), half(a, true) * half(exchanged, true));
    let exact = match op1 {
        1 => half(a, op2 & 2 != 0) * half(b, op2 & 1 != 0) + sc,
        2 => products.0 + products.1 + sc,
        3 => ((sa * half(b, op2 & 1 != 0)) >> 16) + sc,
        4 => products.0 - products.1 + sc,
        5 | 6 => {
            let product = if op1 == 5 { sa.wrapping_mul(sb) } else { (sa * sb).wrapping_neg() };
            let rounding = if op2 & 1 != 0 { 0x8000_0000 } else { 0 };
            return ((sc << 32).wrapping_add(product).wrapping_add(rounding) >> 32) as u32;
        }
        _ => return c.wrapping_add(absolute_differences(a, b)),
    };
    st.q |= i64::from(exact as i32) != exact;
    exact as u32
}

/// USAD8.
fn absolute_differences(a: u32, b: u32) -> u32 {
    a.to_le_bytes().iter().zip(b.to_le_bytes()).map(|(x, y)| u32::from(x.abs_diff(y))).sum()
}

/// Functions with the 64-bit accumulator `r[c]:r[d]`.
fn long(r: &mut Regs, op: &Op, a: u32, b: u32) {
    let (lo, hi) = (r.get(op.d), r.get(op.c));
    let acc = u64::from(hi) << 32 | u64::from(lo);
    let exchanged = b.rotate_right(16 * u32::from(op.x & 1));
    let products = (half(a, false) * half(exchanged, false), half(a, true) * half(exchanged, true));
    let v = match op.imm {
        SMLAL_HALVES => acc.wrapping_add((half(a, op.x & 2 != 0) * half(b, op.x & 1 != 0)) as u64),
        SMLALD => acc.wrapping_add((products.0 + products.1) as u64),
        SMLSLD => acc.wrapping_add((products.0 - products.1) as u64),
        _ => u64::from(a) * u64::from(b) + u64::from(hi) + u64::from(lo),
    };
    r.set(op.d, v as u32);
    r.set(op.c, (v >> 32) as u32);
}
