//! Floating-point arithmetic on numbered registers, under FPSCR.

use super::call::*;
use super::system::System;
use emu_engine::fp::{self, Env, F32, F64, Format, Fused, IntType, Round};
use emu_engine::ir::{FP, Op, Regs, float};

/// Executes one of the functions from [`VFP`] on.
pub(super) fn call(r: &mut Regs, sys: &mut System, op: &Op) {
    if op.imm == VMRS { r.set(op.d, sys.st.fpscr) } else { sys.set_fpscr(r.get(op.a)) }
}

/// What people call a function of [`float`].
pub(super) fn name(id: u32) -> &'static str {
    const NAMES: [&str; 26] = [
        "VMLA",
        "VMLS",
        "VNMLA",
        "VNMLS",
        "VMUL",
        "VNMUL",
        "VADD",
        "VSUB",
        "VDIV",
        "VFMA",
        "VFMS",
        "VFNMA",
        "VFNMS",
        "VMAXNM",
        "VMINNM",
        "VSQRT",
        "VCMP",
        "VCMP with zero",
        "VCVT to the other precision",
        "VCVT to half precision",
        "VCVT from half precision",
        "VCVT to an integer",
        "VCVT from an integer",
        "VCVT to fixed point",
        "VCVT from fixed point",
        "VRINT",
    ];
    NAMES.get(id as usize).copied().unwrap_or("floating point")
}

/// Executes one of the functions of [`float`] under `fpscr`.
pub(super) fn float(r: &mut Regs, fpscr: &mut u32, op: &Op) {
    if op.x & 1 != 0 { arithmetic::<F64>(r, fpscr, op) } else { arithmetic::<F32>(r, fpscr, op) }
}

/// Register `n` of a format.
fn get<F: Format>(r: &Regs, n: u8) -> u64 {
    if F::BITS == 64 {
        return r.get64(FP + n);
    }
    let pair = r.get64(FP + n / 2);
    if n & 1 == 0 { pair & 0xffff_ffff } else { pair >> 32 }
}

/// Sets register `n` of a format.
fn set<F: Format>(r: &mut Regs, n: u8, v: u64) {
    if F::BITS == 64 {
        return r.set64(FP + n, v);
    }
    let pair = r.get64(FP + n / 2);
    let v = if n & 1 == 0 { pair & !0xffff_ffff | v & 0xffff_ffff } else { pair & 0xffff_ffff | v << 32 };
    r.set64(FP + n / 2, v);
}

fn arithmetic<F: Format>(r: &mut Regs, fpscr: &mut u32, op: &Op) {
    let mut env = Env::arm(*fpscr);
    if op.imm <= float::MINNM {
        let (d, a, b) = (get::<F>(r, op.d), get::<F>(r, op.a), get::<F>(r, op.b));
        let v = three_operands::<F>(&mut env, op.imm, d, a, b);
        set::<F>(r, op.d, v);
    } else {
        match op.imm {
            float::CMP | float::CMP0 => {
                let b = if op.imm == float::CMP { get::<F>(r, op.b) } else { 0 };
                let relation = fp::compare::<F>(&mut env, get::<F>(r, op.a), b, op.c != 0);
                *fpscr = *fpscr & 0x0fff_ffff | relation.nzcv() << 28;
            }
            float::SQRT => {
                let v = fp::sqrt::<F>(&mut env, get::<F>(r, op.a));
                set::<F>(r, op.d, v);
            }
            float::ROUND => {
                let rounding = rounding(&env, op.c);
                let exact = op.c == ROUND_EXACT;
                let v = fp::round_to_integral::<F>(&mut env, get::<F>(r, op.a), rounding, exact);
                set::<F>(r, op.d, v);
            }
            _ => convert::<F>(r, &mut env, op),
        }
    }
    *fpscr |= env.flags.bits();
}

fn three_operands<F: Format>(env: &mut Env, id: u32, d: u64, a: u64, b: u64) -> u64 {
    match id {
        float::ADD => fp::add::<F>(env, a, b),
        float::SUB => fp::sub::<F>(env, a, b),
        float::MUL => fp::mul::<F>(env, a, b),
        float::DIV => fp::div::<F>(env, a, b),
        float::FMA => fp::fused::<F>(env, Fused::Fma, d, a, b),
        float::FMS => fp::fused::<F>(env, Fused::Fms, d, a, b),
        float::FNMA => fp::fused::<F>(env, Fused::Fnma, d, a, b),
        float::FNMS => fp::fused::<F>(env, Fused::Fnms, d, a, b),
        float::MAXNM => fp::max_num::<F>(env, a, b),
        float::MINNM => fp::min_num::<F>(env, a, b),
        float::NMUL => fp::neg::<F>(fp::mul::<F>(env, a, b)),
        _ => {
            // FPNeg of an operand, NaN or not, comes before the addition.
            let product = fp::mul::<F>(env, a, b);
            let product =
                if matches!(id, float::MLS | float::NMLA) { fp::neg::<F>(product) } else { product };
            let d = if matches!(id, float::NMLA | float::NMLS) { fp::neg::<F>(d) } else { d };
            fp::add::<F>(env, d, product)
        }
    }
}

fn rounding(env: &Env, code: u8) -> Round {
    match code {
        0 => Round::NearestAway,
        1 => Round::NearestEven,
        2 => Round::Up,
        3 => Round::Down,
        ROUND_ZERO => Round::TowardZero,
        _ => env.rounding,
    }
}

/// Conversions: `F` is the floating-point format that is not half precision.
fn convert<F: Format>(r: &mut Regs, env: &mut Env, op: &Op) {
    let signed = op.b != 0;
    match op.imm {
        float::PRECISION if F::BITS == 64 => {
            let v = fp::convert::<F64, F32>(env, get::<F64>(r, op.a));
            set::<F32>(r, op.d, v);
        }
        float::PRECISION => {
            let v = fp::convert::<F32, F64>(env, get::<F32>(r, op.a));
            set::<F64>(r, op.d, v);
        }
        float::TO_HALF => {
            let v = fp::to_half::<F>(env, get::<F>(r, op.a));
            let shift = 16 * u64::from(op.c);
            let old = get::<F32>(r, op.d);
            set::<F32>(r, op.d, old & !(0xffff << shift) | v << shift);
        }
        float::FROM_HALF => {
            let half = get::<F32>(r, op.a) >> (16 * u64::from(op.c)) & 0xffff;
            let v = fp::from_half::<F>(env, half);
            set::<F>(r, op.d, v);
        }
        float::TO_INT => {
            let to = if signed { IntType::S32 } else { IntType::U32 };
            let rounding = rounding(env, op.c);
            let v = fp::to_fixed::<F>(env, get::<F>(r, op.a), to, 0, rounding);
            set::<F32>(r, op.d, v);
        }
        float::FROM_INT => {
            let rounding = env.rounding;
            let v = from_integer::<F>(env, get::<F32>(r, op.a), signed, 32, 0, rounding);
            set::<F>(r, op.d, v);
        }
        float::TO_FIXED => {
            let to = IntType { signed, bits: u32::from(op.c) };
            let v = fp::to_fixed::<F>(env, get::<F>(r, op.d), to, op.imm2, Round::TowardZero);
            set::<F>(r, op.d, v);
        }
        _ => {
            let bits = u32::from(op.c);
            let v = get::<F>(r, op.d);
            let v = from_integer::<F>(env, v, signed, bits, op.imm2, Round::NearestEven);
            set::<F>(r, op.d, v);
        }
    }
}

/// The integer in the low `bits` bits of `v`, divided by a power of two.
fn from_integer<F: Format>(
    env: &mut Env,
    v: u64,
    signed: bool,
    bits: u32,
    frac_bits: u32,
    rounding: Round,
) -> u64 {
    let up = v << (64 - bits);
    if signed {
        fp::from_signed::<F>(env, up as i64 >> (64 - bits), frac_bits, rounding)
    } else {
        fp::from_unsigned::<F>(env, up >> (64 - bits), frac_bits, rounding)
    }
}
