//! Operations on halves and bytes, and those that saturate, for the interpreter: by the letter of ARM's pseudocode.

use crate::ir::{Code, GE, Op, Q, Regs, lanes};

/// Executes one of the operations from [`Code::MlaHalf`] to [`Code::Lanes`].
#[inline(never)]
pub(crate) fn exec(r: &mut Regs, op: &Op) {
    let (a, b) = (r.get(op.a), r.get(op.b));
    let v = match op.full {
        Code::Umaal => return multiply_add_twice(r, op, a, b),
        Code::Lanes => on_lanes(r, a, b, op),
        Code::QAdd => saturate(r, signed(a) + signed(b), i32::MIN, i32::MAX),
        Code::QSub => saturate(r, signed(a) - signed(b), i32::MIN, i32::MAX),
        Code::Clamp => saturate(r, signed(a), op.imm as i32, op.imm2 as i32),
        _ => {
            let c = r.get(op.c);
            multiply(r, op, a, b, c)
        }
    };
    r.set(op.d, v);
}

fn signed(v: u32) -> i64 {
    i64::from(v as i32)
}

/// A signed half of a word.
fn half(v: u32, high: bool) -> i64 {
    i64::from((if high { v >> 16 } else { v }) as i16)
}

fn saturate(r: &mut Regs, v: i64, low: i32, high: i32) -> u32 {
    let clamped = v.max(low.into()).min(high.into());
    if clamped != v {
        r.set(Q, 1);
    }
    clamped as u32
}

fn multiply_add_twice(r: &mut Regs, op: &Op, a: u32, b: u32) {
    let v = u64::from(a) * u64::from(b) + u64::from(r.get(op.c)) + u64::from(r.get(op.d));
    r.set(op.d, v as u32);
    r.set(op.c, (v >> 32) as u32);
}

fn multiply(r: &mut Regs, op: &Op, a: u32, b: u32, c: u32) -> u32 {
    let (first, second) = (op.x & 1 != 0, op.x & 2 != 0);
    let exact = match op.full {
        Code::MlaHalf => signed(c) + half(a, second) * half(b, first),
        Code::MlaWord => signed(c) + ((signed(a) * half(b, first)) >> 16),
        Code::MlaDual => {
            let (low, high) = (half(a, false) * half(b, first), half(a, true) * half(b, !first));
            signed(c) + if second { low - high } else { low + high }
        }
        _ => {
            let product = if second { -(signed(a) * signed(b)) } else { signed(a) * signed(b) };
            let rounding = if first { 1 << 31 } else { 0 };
            return ((signed(c) << 32).wrapping_add(product).wrapping_add(rounding) >> 32) as u32;
        }
    };
    if exact != signed(exact as u32) {
        r.set(Q, 1);
    }
    exact as u32
}

fn on_lanes(r: &mut Regs, a: u32, b: u32, op: &Op) -> u32 {
    match op.imm {
        lanes::SXTB16 => u32::from(a as i8 as u16) | u32::from((a >> 16) as i8 as u16) << 16,
        lanes::USAD8 => {
            a.to_le_bytes().iter().zip(b.to_le_bytes()).map(|(x, y)| u32::from(x.abs_diff(y))).sum()
        }
        _ => sums(r, a, b, op.imm, op.x),
    }
}

/// Sums and differences lane by lane.
fn sums(r: &mut Regs, a: u32, b: u32, kind: u32, manner: u8) -> u32 {
    let unsigned = manner & 4 != 0;
    let width = if matches!(kind, lanes::ADD8 | lanes::SUB8) { 8 } else { 16 };
    let all = (1i64 << width) - 1;
    let lane = |v: u32, n: u32| {
        let v = i64::from(v >> (width * n)) & all;
        if unsigned || v <= all / 2 { v } else { v - all - 1 }
    };
    let (mut result, mut ge) = (0, 0);
    for n in 0..32 / width {
        let (subtract, from) = match kind {
            lanes::ASX => (n == 0, 1 - n),
            lanes::SAX => (n == 1, 1 - n),
            _ => (kind & 4 != 0, n),
        };
        let (x, y) = (lane(a, n), lane(b, from));
        let sum = if subtract { x - y } else { x + y };
        let value = match manner {
            lanes::UQ => sum.clamp(0, all),
            lanes::Q => sum.clamp(-(all / 2) - 1, all / 2),
            lanes::SH | lanes::UH => sum >> 1,
            _ => sum,
        };
        let flag = if unsigned && !subtract { sum > all } else { sum >= 0 };
        result |= ((value & all) as u32) << (n * width);
        ge |= if flag { (all as u32) << (n * width) } else { 0 };
    }
    if matches!(manner, lanes::S | lanes::U) {
        r.set(GE, ge);
    }
    result
}
