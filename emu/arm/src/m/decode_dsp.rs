//! The DSP extension of ARMv7E-M, saturation (which v7-M has in part), and the extensions and reversals that share
//! its tables (DDI0403E A5.3.12 to A5.3.17).

use super::decode::{Done, OK, Tr, bit, bits, reg};
use super::slots::{PC, SP, ZERO};
use emu_engine::ir::{Code, Code::*, GE, lanes};

impl Tr {
    fn dsp(&self) -> Done {
        self.cfg.dsp.then_some(())
    }

    /// The slot of register `r` as an addend, where 15 means none.
    fn addend(r: u8) -> u8 {
        if r == PC { ZERO } else { r }
    }

    /// Adds `r[d] = r[a] op r[b]` with a third operand and a small constant.
    fn three(&mut self, code: Code, d: u8, (a, b, c): (u8, u8, u8), x: u32) {
        let at = self.op(code, d, a, b);
        let op = self.b.op(at);
        (op.c, op.x) = (c, x as u8);
    }

    /// Adds an operation on lanes.
    fn lanes(&mut self, kind: u32, manner: u8, d: u8, a: u8, b: u8) {
        let at = self.op(Lanes, d, a, b);
        let op = self.b.op(at);
        (op.imm, op.x) = (kind, manner);
    }

    /// Adds `r[d] = r[a]`, saturated to `range` bits and a sign, or to `range` bits without one.
    fn clamp(&mut self, d: u8, a: u8, range: u32, unsigned: bool) {
        let most = ((1u64 << range) - 1) as u32;
        let at = self.imm(Clamp, d, a, if unsigned { 0 } else { !most });
        self.b.op(at).imm2 = most;
    }

    /// A half of a register, sign extended, in a temporary.
    fn half(&mut self, slot: u8, high: bool) -> u8 {
        let t = self.temp();
        if high {
            self.imm(AsrI, t, slot, 16)
        } else {
            self.imm(Sxth, t, slot, 0)
        };
        t
    }

    /// SSAT, USAT, SSAT16, USAT16.
    pub fn saturate(&mut self, hw1: u16, hw2: u16, amount: u32) -> Done {
        let (rd, n) = (reg(hw2, 8), self.src(reg(hw1, 0)));
        let (unsigned, right) = (bit(hw1, 7), bit(hw1, 5));
        self.not_pc(rd)?;
        // The range in bits, without the sign.
        let (range, d) = (bits(hw2, 0, 5), self.dst(rd));
        if right && amount == 0 {
            self.dsp()?;
            if range > 15 {
                return None;
            }
            let (low, high) = (self.half(n, false), self.half(n, true));
            self.clamp(low, low, range, unsigned);
            self.clamp(high, high, range, unsigned);
            let at = self.op(Bfi, d, high, low);
            let op = self.b.op(at);
            (op.imm, op.x) = (16, 16);
        } else {
            let mut a = n;
            if amount != 0 {
                a = self.temp();
                self.imm(if right { AsrI } else { LslI }, a, n, amount);
            }
            self.clamp(d, a, range, unsigned);
        }
        self.put(rd, d);
        OK
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
            kind => return self.extend_both(rd, Tr::addend(rn), m, rotate, kind == 2),
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

    /// SXTAB16 and UXTAB16, without an addend SXTB16 and UXTB16.
    fn extend_both(&mut self, rd: u8, n: u8, m: u8, rotate: u32, signed: bool) -> Done {
        self.dsp()?;
        let (d, t) = (self.dst(rd), self.temp());
        let to = if n == ZERO { d } else { t };
        let mut from = m;
        if rotate != 0 {
            self.imm(RorI, t, m, rotate);
            from = t;
        }
        if signed {
            self.lanes(lanes::SXTB16, 0, to, from, ZERO)
        } else {
            _ = self.imm(AndI, to, from, 0xff_00ff)
        }
        if n != ZERO {
            self.lanes(lanes::ADD16, lanes::PLAIN, d, n, t);
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
        let rd = reg(hw2, 8);
        let (n, m, d) = (self.src(reg(hw1, 0)), self.src(reg(hw2, 0)), self.dst(rd));
        self.lanes(kind, variant as u8, d, n, m);
        self.put(rd, d);
        OK
    }

    /// Table A5-27.
    pub fn miscellaneous_operations(&mut self, hw1: u16, hw2: u16) -> Done {
        let (op1, op2, rd) = (bits(hw1, 4, 2), bits(hw2, 4, 2), reg(hw2, 8));
        let (n, m) = (self.src(reg(hw1, 0)), self.src(reg(hw2, 0)));
        let code = match (op1, op2) {
            (0, _) => return self.saturating(rd, n, m, op2),
            (1, 0) => Rev,
            (1, 1) => Rev16,
            (1, 2) => Rbit,
            (1, _) => RevSh,
            (2, 0) => {
                self.dsp()?;
                let (d, t) = (self.dst(rd), self.temp());
                self.op(Xor, t, n, m);
                self.op(And, t, t, GE);
                self.op(Xor, d, t, m);
                self.put(rd, d);
                return OK;
            }
            (3, 0) => Clz,
            _ => return None,
        };
        let d = self.dst(rd);
        self.op(code, d, m, 0);
        self.put(rd, d);
        OK
    }

    /// QADD, QDADD, QSUB, QDSUB: Rm and Rn, which bit 0 of `kind` doubles and bit 1 subtracts.
    fn saturating(&mut self, rd: u8, mut n: u8, m: u8, kind: u32) -> Done {
        self.dsp()?;
        let d = self.dst(rd);
        if kind & 1 != 0 {
            let t = self.temp();
            self.op(QAdd, t, n, n);
            n = t;
        }
        self.op(if kind & 2 != 0 { QSub } else { QAdd }, d, m, n);
        self.put(rd, d);
        OK
    }

    /// The DSP part of table A5-28.
    pub fn multiply_dsp(&mut self, hw1: u16, hw2: u16) -> Done {
        self.dsp()?;
        let (op1, op2, ra, rd) = (bits(hw1, 4, 3), bits(hw2, 4, 2), reg(hw2, 12), reg(hw2, 8));
        let (n, m, c) = (self.src(reg(hw1, 0)), self.src(reg(hw2, 0)), Tr::addend(ra));
        let d = self.dst(rd);
        let code = match (op1, op2) {
            (1, _) => MlaHalf,
            (2 | 4, 0 | 1) => MlaDual,
            (3, 0 | 1) => MlaWord,
            (5, 0 | 1) => MlaHigh,
            (6, 0 | 1) if ra != PC => MlaHigh,
            (7, 0) => {
                let t = if ra == PC { d } else { self.temp() };
                self.lanes(lanes::USAD8, 0, t, n, m);
                if ra != PC {
                    self.op(Add, d, t, ra);
                }
                self.put(rd, d);
                return OK;
            }
            _ => return None,
        };
        let subtract = if matches!(op1, 4 | 6) { 2 } else { 0 };
        self.three(code, d, (n, m, c), op2 | subtract);
        self.put(rd, d);
        OK
    }

    /// The DSP part of table A5-29.
    pub fn long_multiply_dsp(&mut self, hw1: u16, hw2: u16) -> Done {
        self.dsp()?;
        let (op1, op2, lo, hi) = (bits(hw1, 4, 3), bits(hw2, 4, 4), reg(hw2, 12), reg(hw2, 8));
        let halves = match (op1, op2) {
            (4, 0b1000..=0b1011) => vec![(op2 & 2 != 0, op2 & 1 != 0)],
            (4 | 5, 0b1100 | 0b1101) => vec![(false, op2 & 1 != 0), (true, op2 & 1 == 0)],
            (6, 0b0110) => vec![],
            _ => return None,
        };
        if [lo, hi].iter().any(|r| *r == PC || *r == SP) {
            return None;
        }
        let (n, m) = (self.src(reg(hw1, 0)), self.src(reg(hw2, 0)));
        if halves.is_empty() {
            self.three(Umaal, lo, (n, m, hi), 0);
            return OK;
        }
        // All operands before the first result, which may be one of them.
        let factors: Vec<_> = halves.into_iter().map(|(x, y)| (self.half(n, x), self.half(m, y))).collect();
        if let (5, Some((t, _))) = (op1, factors.last()) {
            self.imm(RsbI, *t, *t, 0);
        }
        for (x, y) in factors {
            self.three(Smlal, lo, (x, y, hi), 0);
        }
        OK
    }
}
