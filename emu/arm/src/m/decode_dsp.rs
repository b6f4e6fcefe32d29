//! The DSP extension of ARMv7E-M, saturation (which v7-M has in part), and the extensions and reversals that share
//! its tables (DDI0403E A5.3.12 to A5.3.17). What sets Q or GE is a function of [`super::call`].

use super::call;
use super::decode::{Done, OK, Tr, bit, bits, reg};
use super::slots::{PC, SP, ZERO};
use emu_engine::ir::{Code::*, Op};

impl Tr {
    fn dsp(&self) -> Done {
        self.cfg.dsp.then_some(())
    }

    /// Calls `id` with `r[rd]` as destination and one number.
    fn call_to(&mut self, id: u32, rd: u8, x: u32, fill: impl FnOnce(&mut Op)) -> Done {
        let d = self.dst(rd);
        let op = self.call(id);
        (op.d, op.x) = (d, x as u8);
        fill(op);
        self.put(rd, d);
        OK
    }

    /// SSAT, USAT, SSAT16, USAT16.
    pub fn saturate(&mut self, hw1: u16, hw2: u16, amount: u32) -> Done {
        let (rd, n) = (reg(hw2, 8), self.src(reg(hw1, 0)));
        let (unsigned, right) = (bit(hw1, 7), bit(hw1, 5));
        self.not_pc(rd)?;
        // The range in bits, without the sign.
        let range = bits(hw2, 0, 5);
        if right && amount == 0 {
            self.dsp()?;
            let id = if unsigned { call::USAT16 } else { call::SSAT16 };
            return if range < 16 { self.call_to(id, rd, range, |op| op.a = n) } else { None };
        }
        let mut a = n;
        if amount != 0 {
            a = self.temp();
            self.imm(if right { AsrI } else { LslI }, a, n, amount);
        }
        self.call_to(if unsigned { call::USAT } else { call::SSAT }, rd, range, |op| op.a = a)
    }

    /// PKHBT and PKHTB.
    pub fn pack_halfword(&mut self, hw1: u16, hw2: u16, amount: u32) -> Done {
        let (rd, tb) = (reg(hw2, 8), bit(hw2, 5));
        self.dsp()?;
        self.not_pc(rd)?;
        if bit(hw1, 4) || bit(hw2, 4) {
            return None;
        }
        let (n, m, d) = (self.src(reg(hw1, 0)), self.src(reg(hw2, 0)), self.dst(rd));
        let t = self.temp();
        self.shift_move(if tb { 2 } else { 0 }, amount, t, m, false)?;
        let at = if tb { self.op(Bfi, d, t, n) } else { self.op(Bfi, d, n, t) };
        self.b.op(at).x = 16;
        self.put(rd, d);
        OK
    }

    /// SXTH, UXTB and so on, and their adding forms.
    pub fn extend(&mut self, hw1: u16, hw2: u16) -> Done {
        let (rn, rd, rotate) = (reg(hw1, 0), reg(hw2, 8), 8 * bits(hw2, 4, 2));
        let m = self.src(reg(hw2, 0));
        let code = match bits(hw1, 4, 3) {
            0 => Sxth,
            1 => Uxth,
            4 => Sxtb,
            5 => Uxtb,
            kind => {
                self.dsp()?;
                let id = if kind == 2 { call::SXTAB16 } else { call::UXTAB16 };
                let a = if rn == PC { ZERO } else { rn };
                return self.call_to(id, rd, rotate, |op| (op.a, op.b) = (a, m));
            }
        };
        let d = self.dst(rd);
        if rn == PC {
            self.imm(code, d, m, rotate);
        } else {
            self.dsp()?;
            let t = self.temp();
            self.imm(code, t, m, rotate);
            self.op(Add, d, rn, t);
        }
        self.put(rd, d);
        OK
    }

    /// Tables A5-25 and A5-26: lanes of 8 and 16 bits.
    pub fn parallel(&mut self, hw1: u16, hw2: u16) -> Done {
        self.dsp()?;
        let (kind, variant) = (bits(hw1, 4, 3), bits(hw2, 4, 3));
        if matches!(kind, 3 | 7) || variant & 3 == 3 {
            return None;
        }
        let (n, m) = (self.src(reg(hw1, 0)), self.src(reg(hw2, 0)));
        self.call_to(call::PARALLEL, reg(hw2, 8), kind << 4 | variant, |op| (op.a, op.b) = (n, m))
    }

    /// Table A5-27.
    pub fn miscellaneous_operations(&mut self, hw1: u16, hw2: u16) -> Done {
        let (op1, op2, rd) = (bits(hw1, 4, 2), bits(hw2, 4, 2), reg(hw2, 8));
        let (n, m) = (self.src(reg(hw1, 0)), self.src(reg(hw2, 0)));
        let code = match (op1, op2) {
            (0, _) => {
                self.dsp()?;
                return self.call_to(call::QADD, rd, op2, |op| (op.a, op.b) = (n, m));
            }
            (1, 0) => Rev,
            (1, 1) => Rev16,
            (1, 2) => Rbit,
            (1, _) => RevSh,
            (2, 0) => {
                self.dsp()?;
                return self.call_to(call::SEL, rd, 0, |op| (op.a, op.b) = (n, m));
            }
            (3, 0) => Clz,
            _ => return None,
        };
        let d = self.dst(rd);
        self.op(code, d, m, 0);
        self.put(rd, d);
        OK
    }

    /// The DSP part of table A5-28. Without an accumulator (Ra = 15) zero is added.
    pub fn multiply_dsp(&mut self, hw1: u16, hw2: u16) -> Done {
        self.dsp()?;
        let (op1, op2, ra) = (bits(hw1, 4, 3), bits(hw2, 4, 2), reg(hw2, 12));
        let defined = match op1 {
            0 => false,
            1 => true,
            6 => op2 < 2 && ra != PC,
            7 => op2 == 0,
            _ => op2 < 2,
        };
        if !defined {
            return None;
        }
        let (n, m) = (self.src(reg(hw1, 0)), self.src(reg(hw2, 0)));
        let c = if ra == PC { ZERO } else { ra };
        let fill = |op: &mut Op| (op.a, op.b, op.c) = (n, m, c);
        self.call_to(call::MULTIPLY, reg(hw2, 8), op1 << 4 | op2, fill)
    }

    /// The DSP part of table A5-29.
    pub fn long_multiply_dsp(&mut self, hw1: u16, hw2: u16) -> Done {
        self.dsp()?;
        let (op1, op2, lo, hi) = (bits(hw1, 4, 3), bits(hw2, 4, 4), reg(hw2, 12), reg(hw2, 8));
        let id = match (op1, op2) {
            (4, 0b1000..=0b1011) => call::SMLAL_HALVES,
            (4, 0b1100 | 0b1101) => call::SMLALD,
            (5, 0b1100 | 0b1101) => call::SMLSLD,
            (6, 0b0110) => call::UMAAL,
            _ => return None,
        };
        if [lo, hi].iter().any(|r| *r == PC || *r == SP) {
            return None;
        }
        let (n, m) = (self.src(reg(hw1, 0)), self.src(reg(hw2, 0)));
        let op = self.call(id);
        (op.d, op.c, op.a, op.b, op.x) = (lo, hi, n, m, (op2 & 3) as u8);
        OK
    }
}
