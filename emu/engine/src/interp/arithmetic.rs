//! What operations compute.

use crate::ir::{C, Code, N, Op, Regs, V, Z};

pub(super) fn nz(r: &mut Regs, v: u32) -> u32 {
    r.set(N, v);
    r.set(Z, v);
    v
}

#[inline(always)]
pub(super) fn add_flags(r: &mut Regs, a: u32, b: u32, carry: u32) -> u32 {
    let wide = u64::from(a) + u64::from(b) + u64::from(carry);
    let v = wide as u32;
    r.set(C, (wide >> 32) as u32);
    r.set(V, ((a ^ v) & (b ^ v)) >> 31);
    nz(r, v)
}

/// Shift by register, ARM's rules: the amount is a byte; result and carry (`None`: C stays).
pub(super) fn shift(kind: Code, v: u32, amount: u32) -> (u32, Option<u32>) {
    let n = amount & 0xff;
    match (kind, n) {
        (_, 0) => (v, None),
        (Code::Lsl, 1..=31) => (v << n, Some(v >> (32 - n) & 1)),
        (Code::Lsl, 32) => (0, Some(v & 1)),
        (Code::Lsr, 1..=31) => (v >> n, Some(v >> (n - 1) & 1)),
        (Code::Lsr, 32) => (0, Some(v >> 31)),
        (Code::Asr, 1..=31) => ((v as i32 >> n) as u32, Some(v >> (n - 1) & 1)),
        (Code::Asr, _) => ((v as i32 >> 31) as u32, Some(v >> 31)),
        (Code::Ror, _) => {
            let v = v.rotate_right(n & 31);
            (v, Some(v >> 31))
        }
        _ => (0, Some(0)),
    }
}

pub(super) fn shift_flags(r: &mut Regs, kind: Code, op: &Op) -> u32 {
    let (v, c) = shift(kind, r.get(op.a), r.get(op.b));
    if let Some(c) = c {
        r.set(C, c);
    }
    nz(r, v)
}

/// Value and carry of a shift by constant.
#[inline(always)]
pub(super) fn shift_imm(kind: Code, v: u32, n: u32) -> (u32, u32) {
    match kind {
        Code::LslI => (v << (n & 31), v >> ((32 - n) & 31) & 1),
        Code::LsrI => ((u64::from(v) >> n) as u32, v >> ((n.wrapping_sub(1)) & 31) & 1),
        Code::AsrI => ((i64::from(v as i32) >> n) as u32, v >> ((n.wrapping_sub(1)) & 31) & 1),
        _ => (v.rotate_right(n & 31), v >> ((n.wrapping_sub(1)) & 31) & 1),
    }
}

/// RISC-V's quotients and remainders (unprivileged specification, table 11): nothing faults.
pub(super) fn divide_rv(code: Code, a: u32, b: u32) -> u32 {
    match (code, b) {
        (Code::DivRv | Code::DivuRv, 0) => u32::MAX,
        (_, 0) => a,
        (Code::DivRv, _) => (a as i32).wrapping_div(b as i32) as u32,
        (Code::DivuRv, _) => a / b,
        (Code::RemRv, _) => (a as i32).wrapping_rem(b as i32) as u32,
        _ => a % b,
    }
}

/// High half of a product of 32-bit factors.
pub(super) fn high(product: i64) -> u32 {
    (product >> 32) as u32
}

pub(super) fn div_signed(a: u32, b: u32) -> u32 {
    if b == 0 { 0 } else { (a as i32).wrapping_div(b as i32) as u32 }
}

pub(super) fn width_mask(width: u8) -> u32 {
    if width >= 32 { u32::MAX } else { (1 << width) - 1 }
}

pub(super) fn long_multiply(r: &mut Regs, op: &Op) {
    let (a, b) = (r.get(op.a), r.get(op.b));
    let product = match op.full {
        Code::Umull | Code::Umlal => u64::from(a) * u64::from(b),
        _ => (i64::from(a as i32) * i64::from(b as i32)) as u64,
    };
    let base = match op.full {
        Code::Umlal | Code::Smlal => u64::from(r.get(op.c)) << 32 | u64::from(r.get(op.d)),
        _ => 0,
    };
    let v = product.wrapping_add(base);
    r.set(op.d, v as u32);
    r.set(op.c, (v >> 32) as u32);
}

pub(super) fn sign_extend(v: u32, op: &Op) -> u32 {
    let unused = 32 - 8 * (op.imm2 & 7).min(4);
    if op.b == 1 { ((v << (unused & 31)) as i32 >> (unused & 31)) as u32 } else { v }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn risc_v_division_never_faults() {
        let min = i32::MIN as u32;
        let cases =
            [(7, 0, u32::MAX, 7), (min, u32::MAX, min, 0), (-7i32 as u32, 2, -3i32 as u32, -1i32 as u32)];
        for (a, b, quotient, remainder) in cases {
            assert_eq!(divide_rv(Code::DivRv, a, b), quotient, "{a:#x} {b:#x}");
            assert_eq!(divide_rv(Code::RemRv, a, b), remainder, "{a:#x} {b:#x}");
        }
        assert_eq!((divide_rv(Code::DivuRv, 7, 0), divide_rv(Code::RemuRv, 7, 0)), (u32::MAX, 7));
        assert_eq!(
            (divide_rv(Code::DivuRv, min, u32::MAX), divide_rv(Code::RemuRv, min, u32::MAX)),
            (0, min)
        );
    }
}
