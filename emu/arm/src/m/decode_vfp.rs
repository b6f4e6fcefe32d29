//! The floating-point extension (DDI0403E chapter A6): FPv4-SP, FPv5 in single, and in single and double precision.
//!
//! Moves, loads and stores are operations of the IR; whatever looks at FPSCR is a function of [`super::call`]. The
//! first floating-point instruction of a block checks that the FPU may be used and what lazy stacking owes: nothing
//! in the rest of the block can change that.

use super::call;
use super::config::Fpu;
use super::decode::{Done, OK, Tr, bit, bits, reg};
use super::slots::{FREADY, PC, SP, ZERO};
use emu_engine::ir::{Code::*, FP, MEM_ALIGNED, Op, float};

/// A register operand: four bits from bit `vd` and one at bit `d`.
fn operand(v: u16, vd: u32, top: bool, dp: bool) -> Option<u8> {
    let (four, one) = (reg(v, vd), u8::from(top));
    // D16 to D31 do not exist.
    if dp { (one == 0).then_some(four) } else { Some(four << 1 | one) }
}

/// The destination, `Vd:D` or `D:Vd`.
fn vd(hw1: u16, hw2: u16, dp: bool) -> Option<u8> {
    operand(hw2, 12, bit(hw1, 6), dp)
}
/// The first operand.
fn vn(hw1: u16, hw2: u16, dp: bool) -> Option<u8> {
    operand(hw1, 0, bit(hw2, 7), dp)
}
/// The second operand.
fn vm(hw2: u16, dp: bool) -> Option<u8> {
    operand(hw2, 0, bit(hw2, 5), dp)
}

impl Tr {
    /// Sections A6.4 to A6.7.
    pub fn floating_point(&mut self, hw1: u16, hw2: u16) -> Done {
        if self.cfg.fpu == Fpu::None {
            self.call(call::NOCP).x = reg(hw2, 8);
            self.end = true;
            return OK;
        }
        if !self.fp_checked {
            self.imm(CallIfZero, 0, FREADY, call::FP_CHECK);
            self.fp_checked = !self.skipped;
        }
        match (bit(hw1, 12), bits(hw1, 8, 2), bit(hw2, 4)) {
            (false, 2, false) => self.vfp_data_processing(hw1, hw2),
            (true, 2, false) => self.vfp_v5_data_processing(hw1, hw2),
            (false, 2, true) => self.vfp_transfer(hw1, hw2),
            (false, 0, _) if bits(hw1, 5, 4) == 2 => self.vfp_transfer_64(hw1, hw2),
            (false, 0 | 1, _) => self.vfp_load_store(hw1, hw2),
            _ => None,
        }
    }

    /// Double precision is implemented, or not asked for.
    fn precision(&self, dp: bool) -> Done {
        (!dp || self.cfg.fpu == Fpu::V5Dp).then_some(())
    }
    fn v5(&self) -> Done {
        (self.cfg.fpu != Fpu::V4Sp).then_some(())
    }

    fn float(&mut self, id: u32) -> &mut Op {
        let at = self.imm(Float, 0, 0, id);
        self.b.op(at)
    }

    /// Calls a function on numbered registers.
    fn vfp(&mut self, id: u32, dp: bool, d: u8, a: u8, b: u8, c: u8) -> Done {
        let op = self.float(id);
        (op.d, op.a, op.b, op.c, op.x) = (d, a, b, c, u8::from(dp));
        OK
    }

    /// The slot that holds S register `n` in its low half.
    fn read_s(&mut self, n: u8) -> u8 {
        if n & 1 == 0 {
            return FP + n / 2;
        }
        let t = self.temp();
        self.op(Hi, t, FP + n / 2, 0);
        t
    }
    /// S register `n` = `r[slot]`.
    fn write_s(&mut self, n: u8, slot: u8) {
        self.op(if n & 1 == 0 { SetLo } else { SetHi }, FP + n / 2, slot, 0);
    }

    /// Table A6-2.
    fn vfp_data_processing(&mut self, hw1: u16, hw2: u16) -> Done {
        let (dp, op) = (bit(hw2, 8), bit(hw2, 6));
        let id = match (bit(hw1, 7), bits(hw1, 4, 2), op) {
            (true, 3, _) => return self.vfp_other(hw1, hw2),
            (false, 0, false) => float::MLA,
            (false, 0, true) => float::MLS,
            (false, 1, false) => float::NMLS,
            (false, 1, true) => float::NMLA,
            (false, 2, false) => float::MUL,
            (false, 2, true) => float::NMUL,
            (false, _, false) => float::ADD,
            (false, _, true) => float::SUB,
            (true, 0, false) => float::DIV,
            (true, 1, false) => float::FNMS,
            (true, 1, true) => float::FNMA,
            (true, 2, false) => float::FMA,
            (true, 2, true) => float::FMS,
            _ => return None,
        };
        self.precision(dp)?;
        self.vfp(id, dp, vd(hw1, hw2, dp)?, vn(hw1, hw2, dp)?, vm(hw2, dp)?, 0)
    }

    /// Table A6-3: one operand.
    fn vfp_other(&mut self, hw1: u16, hw2: u16) -> Done {
        let (dp, top, opc2) = (bit(hw2, 8), bit(hw2, 7), bits(hw1, 0, 4));
        self.precision(dp)?;
        if !bit(hw2, 6) {
            return self.vmov_immediate(hw1, hw2);
        }
        let both = |dp| Some((vd(hw1, hw2, dp)?, vm(hw2, dp)?));
        match (opc2, top) {
            (0b0000, _) | (0b0001, false) => self.vmov_register(hw1, hw2),
            (0b0001, true) => both(dp).and_then(|(d, m)| self.vfp(float::SQRT, dp, d, m, 0, 0)),
            (0b0010 | 0b0011, _) => self.vcvt_half(hw1, hw2),
            (0b0100, e) => both(dp).and_then(|(d, m)| self.vfp(float::CMP, dp, 0, d, m, u8::from(e))),
            (0b0101, _) if bit(hw2, 5) || bits(hw2, 0, 4) != 0 => None,
            (0b0101, e) => self.vfp(float::CMP0, dp, 0, vd(hw1, hw2, dp)?, 0, u8::from(e)),
            (0b0110, false) => self.vrint(hw1, hw2, call::ROUND_FPSCR),
            (0b0110, true) => self.vrint(hw1, hw2, call::ROUND_ZERO),
            (0b0111, false) => self.vrint(hw1, hw2, call::ROUND_EXACT),
            (0b0111, true) => {
                self.precision(true)?;
                self.vfp(float::PRECISION, dp, vd(hw1, hw2, !dp)?, vm(hw2, dp)?, 0, 0)
            }
            (0b1000, signed) => {
                let (d, m) = (vd(hw1, hw2, dp)?, vm(hw2, false)?);
                self.vfp(float::FROM_INT, dp, d, m, u8::from(signed), 0)
            }
            (0b1100 | 0b1101, zero) => {
                let rounding = if zero { call::ROUND_ZERO } else { call::ROUND_FPSCR };
                self.vcvt_to_int(hw1, hw2, opc2 & 1 != 0, rounding)
            }
            (0b1010 | 0b1011 | 0b1110 | 0b1111, _) => self.vcvt_fixed(hw1, hw2),
            _ => None,
        }
    }

    /// What FPv5 adds, encoded like coprocessor instructions of the second kind.
    fn vfp_v5_data_processing(&mut self, hw1: u16, hw2: u16) -> Done {
        let (dp, op, opc2) = (bit(hw2, 8), bit(hw2, 6), bits(hw1, 0, 4));
        self.v5()?;
        self.precision(dp)?;
        let id = match (bit(hw1, 7), bits(hw1, 4, 2), op) {
            (false, _, false) => return self.vsel(hw1, hw2),
            (true, 0, false) => float::MAXNM,
            (true, 0, true) => float::MINNM,
            (true, 3, true) if opc2 & 0b1100 == 0b1000 && !bit(hw2, 7) => {
                return self.vrint(hw1, hw2, opc2 as u8 & 3);
            }
            (true, 3, true) if opc2 & 0b1100 == 0b1100 => {
                return self.vcvt_to_int(hw1, hw2, bit(hw2, 7), opc2 as u8 & 3);
            }
            _ => return None,
        };
        self.vfp(id, dp, vd(hw1, hw2, dp)?, vn(hw1, hw2, dp)?, vm(hw2, dp)?, 0)
    }

    /// VRINTA, N, P, M, R, X, Z.
    fn vrint(&mut self, hw1: u16, hw2: u16, rounding: u8) -> Done {
        let dp = bit(hw2, 8);
        self.v5()?;
        self.vfp(float::ROUND, dp, vd(hw1, hw2, dp)?, vm(hw2, dp)?, 0, rounding)
    }

    /// VCVT, VCVTR, VCVTA, N, P, M to an integer, which is always in an S register.
    fn vcvt_to_int(&mut self, hw1: u16, hw2: u16, signed: bool, rounding: u8) -> Done {
        let dp = bit(hw2, 8);
        let (d, m) = (vd(hw1, hw2, false)?, vm(hw2, dp)?);
        self.vfp(float::TO_INT, dp, d, m, u8::from(signed), rounding)
    }

    /// VCVTB and VCVTT: half precision is half an S register.
    fn vcvt_half(&mut self, hw1: u16, hw2: u16) -> Done {
        let (dp, to_half, top) = (bit(hw2, 8), bit(hw1, 0), u8::from(bit(hw2, 7)));
        let id = if to_half { float::TO_HALF } else { float::FROM_HALF };
        self.vfp(id, dp, vd(hw1, hw2, dp && !to_half)?, vm(hw2, dp && to_half)?, 0, top)
    }

    /// VCVT between floating and fixed point, in place.
    fn vcvt_fixed(&mut self, hw1: u16, hw2: u16) -> Done {
        let (dp, word, to_fixed) = (bit(hw2, 8), bit(hw2, 7), bit(hw1, 2));
        let size = if word { 32 } else { 16 };
        let imm = bits(hw2, 0, 4) << 1 | bits(hw2, 5, 1);
        if imm > size {
            return None;
        }
        let d = vd(hw1, hw2, dp)?;
        let id = if to_fixed { float::TO_FIXED } else { float::FROM_FIXED };
        let op = self.float(id);
        (op.d, op.b, op.c, op.x) = (d, u8::from(!bit(hw1, 0)), size as u8, u8::from(dp));
        op.imm2 = size - imm;
        OK
    }

    /// VMOV, VABS and VNEG between registers: no exceptions, not even for NaNs.
    fn vmov_register(&mut self, hw1: u16, hw2: u16) -> Done {
        let dp = bit(hw2, 8);
        let (d, m) = (vd(hw1, hw2, dp)?, vm(hw2, dp)?);
        let sign = match (bits(hw1, 0, 4), bit(hw2, 7)) {
            (0, false) => None,
            (0, true) => Some((AndI, 0x7fff_ffff)),
            _ => Some((XorI, 0x8000_0000)),
        };
        if !dp {
            let mut s = self.read_s(m);
            if let Some((code, imm)) = sign {
                let t = self.temp();
                self.imm(code, t, s, imm);
                s = t;
            }
            self.write_s(d, s);
            return OK;
        }
        self.op(Mov64, FP + d, FP + m, 0);
        if let Some((code, imm)) = sign {
            let t = self.temp();
            self.op(Hi, t, FP + d, 0);
            self.imm(code, t, t, imm);
            self.op(SetHi, FP + d, t, 0);
        }
        OK
    }

    /// VMOV (immediate).
    fn vmov_immediate(&mut self, hw1: u16, hw2: u16) -> Done {
        let dp = bit(hw2, 8);
        let (d, imm8) = (vd(hw1, hw2, dp)?, bits(hw1, 0, 4) << 4 | bits(hw2, 0, 4));
        if bits(hw2, 4, 4) != 0 {
            return None;
        }
        let t = self.temp();
        self.imm(MovI, t, 0, expand_imm(imm8, dp));
        if dp {
            self.op(Mov64, FP + d, ZERO, 0);
            self.op(SetHi, FP + d, t, 0);
        } else {
            self.write_s(d, t);
        }
        OK
    }

    /// VSEL: its condition stands in the encoding.
    fn vsel(&mut self, hw1: u16, hw2: u16) -> Done {
        let dp = bit(hw2, 8);
        let (d, n, m) = (vd(hw1, hw2, dp)?, vn(hw1, hw2, dp)?, vm(hw2, dp)?);
        let cond = [0, 6, 10, 12][bits(hw1, 4, 2) as usize];
        let t = self.temp();
        let (read_n, read_m) = if dp { (FP + n, FP + m) } else { (self.read_s(n), self.read_s(m)) };
        self.op(Mov64, t, read_m, 0);
        let skip = self.b.skip_unless(cond);
        self.op(Mov64, t, read_n, 0);
        self.b.end_skip(skip);
        if dp {
            self.op(Mov64, FP + d, t, 0);
        } else {
            self.write_s(d, t);
        }
        OK
    }

    /// Table A6-5: one core register and one S register or half a D register, or FPSCR.
    fn vfp_transfer(&mut self, hw1: u16, hw2: u16) -> Done {
        let (rt, to_core, a) = (reg(hw2, 12), bit(hw1, 4), bits(hw1, 5, 3));
        if bits(hw2, 5, 2) != 0 || bits(hw2, 0, 4) != 0 {
            return None;
        }
        let s = match (bit(hw2, 8), a) {
            (false, 0b000) => vn(hw1, hw2, false)?,
            (false, 0b111) if reg(hw1, 0) == 1 && !bit(hw2, 7) => return self.vfp_status(rt, to_core),
            (true, 0b000 | 0b001) => vn(hw1, hw2, true)? << 1 | a as u8,
            _ => return None,
        };
        self.not_pc(rt)?;
        if to_core {
            let (d, s) = (self.dst(rt), self.read_s(s));
            self.op(Mov, d, s, 0);
            self.put(rt, d);
        } else {
            self.write_s(s, rt);
        }
        OK
    }

    /// VMRS and VMSR.
    fn vfp_status(&mut self, rt: u8, to_core: bool) -> Done {
        if to_core && rt == PC {
            self.op(FlagsOfStatus, 0, 0, 0);
            return OK;
        }
        self.not_pc(rt)?;
        if to_core {
            let d = self.dst(rt);
            self.call(call::VMRS).d = d;
            self.put(rt, d);
        } else {
            self.call(call::VMSR).a = rt;
        }
        OK
    }

    /// Table A6-6: two core registers and a D register or two S registers.
    fn vfp_transfer_64(&mut self, hw1: u16, hw2: u16) -> Done {
        let (t, t2, dp, to_core) = (reg(hw2, 12), reg(hw1, 0), bit(hw2, 8), bit(hw1, 4));
        let m = vm(hw2, dp)?;
        let lo = if dp { m << 1 } else { m };
        if bits(hw2, 6, 2) != 0 || !bit(hw2, 4) || lo == 31 {
            return None;
        }
        if [t, t2].iter().any(|r| *r == PC || *r == SP) {
            return None;
        }
        if to_core {
            let (a, b) = (self.read_s(lo), self.read_s(lo + 1));
            self.op(Mov, t, a, 0);
            self.op(Mov, t2, b, 0);
        } else {
            self.write_s(lo, t);
            self.write_s(lo + 1, t2);
        }
        OK
    }

    /// Table A6-4.
    fn vfp_load_store(&mut self, hw1: u16, hw2: u16) -> Done {
        let (p, u, w, load) = (bit(hw1, 8), bit(hw1, 7), bit(hw1, 5), bit(hw1, 4));
        let (rn, dp, imm8) = (reg(hw1, 0), bit(hw2, 8), bits(hw2, 0, 8));
        if p && !w {
            let offset = if u { imm8 << 2 } else { (imm8 << 2).wrapping_neg() };
            let (n, offset) = match rn {
                PC if !load => return None,
                PC => (ZERO, (self.pc_value() & !3).wrapping_add(offset)),
                n => (n, offset),
            };
            let first = vd(hw1, hw2, dp)? << u8::from(dp);
            return self.vfp_words(load, first, 1 << u8::from(dp), n, offset);
        }
        // VLDM and VSTM, upwards or down with write-back.
        if p == u || rn == PC {
            return None;
        }
        let first = u32::from(vd(hw1, hw2, dp)? << u8::from(dp));
        // An odd number of words is the old FLDMX; the last word is not transferred.
        let words = if dp { imm8 & !1 } else { imm8 };
        if words == 0 || words > 32 || first + words > 32 {
            return None;
        }
        let change = if u { imm8 << 2 } else { (imm8 << 2).wrapping_neg() };
        self.vfp_words(load, first as u8, words as u8, rn, if p { change } else { 0 })?;
        if w {
            self.add_to(rn, change);
        }
        OK
    }

    /// Loads or stores S registers from `first` on.
    fn vfp_words(&mut self, load: bool, first: u8, words: u8, n: u8, offset: u32) -> Done {
        let t = self.temp();
        let mut rest = 0..words;
        while let Some(i) = rest.next() {
            let (s, at) = (first + i, offset.wrapping_add(4 * u32::from(i)));
            if s & 1 == 0 && i + 1 < words {
                self.access(if load { Ld64 } else { St64 }, FP + s / 2, n, at, MEM_ALIGNED);
                rest.next();
            } else if load {
                self.access(Ld32, t, n, at, MEM_ALIGNED);
                self.write_s(s, t);
            } else if s & 1 == 0 {
                self.access(St32, FP + s / 2, n, at, MEM_ALIGNED);
            } else {
                self.op(Hi, t, FP + s / 2, 0);
                self.access(St32, t, n, at, MEM_ALIGNED);
            }
        }
        OK
    }
}

/// VFPExpandImm (A6.4.1): the pattern of a single, or the high half of a double, whose low half is zero.
#[doc(alias = "VFPExpandImm")]
fn expand_imm(imm8: u32, dp: bool) -> u32 {
    let (sign, b, low) = (imm8 >> 7 << 31, imm8 & 0x40 != 0, imm8 & 0x3f);
    if dp {
        sign | if b { 0x3fc0_0000 } else { 0x4000_0000 } | low << 16
    } else {
        sign | if b { 0x3e00_0000 } else { 0x4000_0000 } | low << 19
    }
}
