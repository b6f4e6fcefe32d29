//! 32-bit Thumb instructions (DDI0403E A5.3): the top table, data processing, multiplication, branches.

use super::call;
use super::decode::{Done, OK, Tr, bit, bits, reg};
use super::decode16::sign_extend;
use super::slots::{LR, PC, SP};
use emu_engine::ir::{Code, Code::*, TRASH};

/// The second operand of a data-processing instruction.
pub(super) enum Operand {
    /// A constant, and the carry it brings if any.
    Imm(u32, Option<bool>),
    /// A register and a shift: type and amount as encoded.
    Shifted(u8, u32, u32),
}

/// A three-operand operation in its four forms: with flags and without, register and constant.
struct Alu {
    s: Code,
    imm_s: Option<Code>,
    /// Its flags are N and Z of the result and the shifter's carry.
    logical: bool,
}

impl Tr {
    /// Section A5.3.1. v6-M has only what table A5-3 of its manual (DDI0419) lists.
    pub fn thumb32(&mut self, hw1: u16, hw2: u16) -> Done {
        let op2 = bits(hw1, 4, 7);
        if hw1 >> 11 == 0b11110 && bit(hw2, 15) {
            return self.branches_and_control(hw1, hw2);
        }
        if !self.cfg.v7 {
            return None;
        }
        match (hw1 >> 11, op2) {
            (0b11101, 0b0000000..=0b0011111) if op2 & 4 == 0 => self.load_store_multiple(hw1, hw2),
            (0b11101, 0b0000000..=0b0011111) => self.load_store_dual(hw1, hw2),
            (0b11101, 0b0100000..=0b0111111) => self.data_processing_shifted(hw1, hw2),
            (0b11110, _) if op2 & 0x20 == 0 => self.data_processing_immediate(hw1, hw2),
            (0b11110, _) => self.plain_immediate(hw1, hw2),
            (0b11111, _) if op2 & 0x71 == 0 || op2 & 0x61 == 1 => self.load_store_single(hw1, hw2),
            (0b11111, 0b0100000..=0b0101111) => self.data_processing_register(hw1, hw2),
            (0b11111, 0b0110000..=0b0110111) => self.multiply(hw1, hw2),
            (0b11111, 0b0111000..=0b0111111) => self.long_multiply(hw1, hw2),
            (0b11101 | 0b11111, 0b1000000..=0b1111111) => self.coprocessor(hw1, hw2),
            _ => None,
        }
    }

    /// Table A5-13.
    fn branches_and_control(&mut self, hw1: u16, hw2: u16) -> Done {
        let op = bits(hw1, 4, 7);
        match (bits(hw2, 12, 3), op) {
            (0b000 | 0b010, _) if op & 0x38 != 0x38 => self.conditional_branch32(hw1, hw2),
            (0b000, 0b0111000) => self.msr(hw1, hw2),
            (0b000, 0b0111010) if self.cfg.v7 && bits(hw2, 8, 3) == 0 => self.hint(bits(hw2, 0, 8)),
            (0b000, 0b0111011) => self.miscellaneous_control(hw2),
            (0b000, 0b0111110) => self.mrs(hw2),
            (0b001 | 0b011, _) if self.cfg.v7 => self.branch(self.wide_target(hw1, hw2)),
            (0b101 | 0b111, _) => self.branch_link(hw1, hw2),
            _ => None,
        }
    }

    fn conditional_branch32(&mut self, hw1: u16, hw2: u16) -> Done {
        if self.in_it() || !self.cfg.v7 {
            return None;
        }
        let (s, j1, j2) = (bits(hw1, 10, 1), bits(hw2, 13, 1), bits(hw2, 11, 1));
        let offset = s << 20 | j2 << 19 | j1 << 18 | bits(hw1, 0, 6) << 12 | bits(hw2, 0, 11) << 1;
        self.branch_if(bits(hw1, 6, 4) as u8, self.pc_value().wrapping_add(sign_extend(offset, 21)));
        OK
    }

    /// Target of B (T4) and BL.
    fn wide_target(&self, hw1: u16, hw2: u16) -> u32 {
        let s = bits(hw1, 10, 1);
        let (i1, i2) = (bits(hw2, 13, 1) ^ s ^ 1, bits(hw2, 11, 1) ^ s ^ 1);
        let offset = s << 24 | i1 << 23 | i2 << 22 | bits(hw1, 0, 10) << 12 | bits(hw2, 0, 11) << 1;
        self.pc_value().wrapping_add(sign_extend(offset, 25))
    }

    fn branch_link(&mut self, hw1: u16, hw2: u16) -> Done {
        let skip = self.condition().map(|cond| self.b.skip_unless(cond));
        self.imm(MovI, LR, 0, self.next | 1);
        if let Some(at) = skip {
            self.b.end_skip(at);
        }
        self.branch(self.wide_target(hw1, hw2))
    }

    /// Table A5-10: constants expanded from 12 bits.
    fn data_processing_immediate(&mut self, hw1: u16, hw2: u16) -> Done {
        let imm12 = bits(hw1, 10, 1) << 11 | bits(hw2, 12, 3) << 8 | bits(hw2, 0, 8);
        let (value, carry) = expand_imm(imm12);
        // PKH has no immediate form.
        if bits(hw1, 5, 4) == 6 {
            return None;
        }
        self.data_processing(hw1, reg(hw2, 8), Operand::Imm(value, carry))
    }

    /// Table A5-22: shifted registers.
    fn data_processing_shifted(&mut self, hw1: u16, hw2: u16) -> Done {
        if bit(hw2, 15) {
            return None;
        }
        let amount = bits(hw2, 12, 3) << 2 | bits(hw2, 6, 2);
        let shift = Operand::Shifted(reg(hw2, 0), bits(hw2, 4, 2), amount);
        if bits(hw1, 5, 4) == 6 {
            return self.pack_halfword(hw1, hw2, amount);
        }
        self.data_processing(hw1, reg(hw2, 8), shift)
    }

    /// The common part of tables A5-10 and A5-22.
    fn data_processing(&mut self, hw1: u16, rd: u8, operand: Operand) -> Done {
        let (op, s, rn) = (bits(hw1, 5, 4), bit(hw1, 4), reg(hw1, 0));
        let logical = |s, imm_s| Alu { s, imm_s, logical: true };
        let arithmetic = |s, imm_s| Alu { s, imm_s, logical: false };
        let test = rd == PC && s;
        let alu = match op {
            0b0000 => logical(AndS, Some(AndIS)),
            0b0001 => logical(BicS, None),
            0b0010 if rn == PC => return self.move_operand(rd, s, operand, false),
            0b0010 => logical(OrS, Some(OrIS)),
            0b0011 if rn == PC => return self.move_operand(rd, s, operand, true),
            0b0011 => logical(OrnS, None),
            0b0100 => logical(XorS, Some(XorIS)),
            0b1000 => arithmetic(AddS, Some(AddIS)),
            0b1010 => arithmetic(AdcS, None),
            0b1011 => arithmetic(SbcS, None),
            0b1101 => arithmetic(SubS, Some(SubIS)),
            0b1110 => arithmetic(RsbIS, Some(RsbIS)),
            _ => return None,
        };
        // TST, TEQ, CMN and CMP: AND, EOR, ADD and SUB without a destination.
        if test && matches!(op, 0b0000 | 0b0100 | 0b1000 | 0b1101) {
            return self.alu(alu, TRASH, s, rn, operand);
        }
        self.not_pc(rd)?;
        let d = self.dst(rd);
        self.alu(alu, d, s, rn, operand)?;
        self.put(rd, d);
        OK
    }

    fn alu(&mut self, alu: Alu, d: u8, s: bool, rn: u8, operand: Operand) -> Done {
        let plain = |code: Code| if s { code } else { code.flagless().map_or(code, |(_, p)| p) };
        let a = self.src(rn);
        match operand {
            Operand::Imm(imm, carry) => {
                match (alu.imm_s, alu.s) {
                    (Some(code), _) => _ = self.imm(plain(code), d, a, imm),
                    (None, BicS) => _ = self.imm(plain(AndIS), d, a, !imm),
                    (None, OrnS) => _ = self.imm(plain(OrIS), d, a, !imm),
                    (None, code) => {
                        let t = self.temp();
                        self.imm(MovI, t, 0, imm);
                        self.op(plain(code), d, a, t);
                    }
                }
                self.immediate_carry(carry.filter(|_| s && alu.logical));
            }
            Operand::Shifted(rm, 0, amount) if alu.s == AddS && !s => {
                let m = self.src(rm);
                self.imm(AddLsl, d, a, amount);
                let at = self.b.here() - 1;
                self.b.op(at).b = m;
            }
            Operand::Shifted(rm, kind, amount) => {
                let m = self.shifted(rm, kind, amount, s && alu.logical);
                if alu.s == RsbIS {
                    self.op(plain(SubS), d, m, a);
                } else {
                    self.op(plain(alu.s), d, a, m);
                }
            }
        }
        OK
    }

    /// MOV and MVN, and the shifts, which are moves of a shifted register.
    fn move_operand(&mut self, rd: u8, s: bool, operand: Operand, not: bool) -> Done {
        self.not_pc(rd)?;
        let d = self.dst(rd);
        match operand {
            Operand::Imm(imm, carry) => {
                let value = if not { !imm } else { imm };
                self.imm(if s { MovIS } else { MovI }, d, 0, value);
                self.immediate_carry(carry.filter(|_| s));
            }
            Operand::Shifted(rm, kind, amount) if not => {
                let m = self.shifted(rm, kind, amount, s);
                self.op(if s { MvnS } else { Mvn }, d, m, 0);
            }
            Operand::Shifted(rm, kind, amount) => {
                let m = self.src(rm);
                self.shift_move(kind, amount, d, m, s)?;
            }
        }
        self.put(rd, d);
        OK
    }

    fn immediate_carry(&mut self, carry: Option<bool>) {
        if let Some(c) = carry {
            self.imm(SetC, 0, 0, u32::from(c));
        }
    }

    /// `d = m` shifted by an encoded constant (DecodeImmShift); with flags N, Z, C.
    #[doc(alias = "DecodeImmShift")]
    pub fn shift_move(&mut self, kind: u32, amount: u32, d: u8, m: u8, s: bool) -> Done {
        let (code, amount) = match (kind, amount) {
            (0, 0) => (if s { MovS } else { Mov }, 0),
            (0, n) => (if s { LslIS } else { LslI }, n),
            (1, n) => (if s { LsrIS } else { LsrI }, if n == 0 { 32 } else { n }),
            (2, n) => (if s { AsrIS } else { AsrI }, if n == 0 { 32 } else { n }),
            (_, 0) => (if s { RrxS } else { Rrx }, 1),
            (_, n) => (if s { RorIS } else { RorI }, n),
        };
        self.imm(code, d, m, amount);
        OK
    }

    /// The slot of a shifted register; with the shifter's carry in C if asked.
    fn shifted(&mut self, rm: u8, kind: u32, amount: u32, carry: bool) -> u8 {
        let m = self.src(rm);
        let (code, amount) = match (kind, amount) {
            (0, 0) => return m,
            (0, n) => (if carry { LslIC } else { LslI }, n),
            (1, n) => (if carry { LsrIC } else { LsrI }, if n == 0 { 32 } else { n }),
            (2, n) => (if carry { AsrIC } else { AsrI }, if n == 0 { 32 } else { n }),
            (_, 0) => (if carry { RrxC } else { Rrx }, 1),
            (_, n) => (if carry { RorIC } else { RorI }, n),
        };
        let t = self.temp();
        self.imm(code, t, m, amount);
        t
    }

    /// Table A5-12: constants as they stand, and bit fields.
    fn plain_immediate(&mut self, hw1: u16, hw2: u16) -> Done {
        let (rd, rn) = (reg(hw2, 8), reg(hw1, 0));
        let imm12 = bits(hw1, 10, 1) << 11 | bits(hw2, 12, 3) << 8 | bits(hw2, 0, 8);
        let imm16 = bits(hw1, 0, 4) << 12 | imm12;
        let op = bits(hw1, 4, 5);
        if op & 0b10000 != 0 {
            return self.bit_field(hw1, hw2);
        }
        self.not_pc(rd)?;
        let d = self.dst(rd);
        let base = self.pc_value() & !3;
        match op {
            // ADR is ADD and SUB with the PC.
            0b00000 if rn == PC => self.imm(MovI, d, 0, base.wrapping_add(imm12)),
            0b00000 => self.imm(AddI, d, rn, imm12),
            0b01010 if rn == PC => self.imm(MovI, d, 0, base.wrapping_sub(imm12)),
            0b01010 => self.imm(SubI, d, rn, imm12),
            0b00100 => self.imm(MovI, d, 0, imm16),
            0b01100 => {
                let t = self.temp();
                self.imm(AndI, t, rd, 0xffff);
                self.imm(OrI, d, t, imm16 << 16)
            }
            _ => return None,
        };
        self.put(rd, d);
        OK
    }

    /// The lower half of table A5-12.
    fn bit_field(&mut self, hw1: u16, hw2: u16) -> Done {
        let (rd, rn, op) = (reg(hw2, 8), reg(hw1, 0), bits(hw1, 4, 5));
        let (lsb, field) = (bits(hw2, 12, 3) << 2 | bits(hw2, 6, 2), bits(hw2, 0, 5));
        if bit(hw1, 10) || bit(hw2, 5) {
            return None;
        }
        if matches!(op, 0b10000 | 0b10010 | 0b11000 | 0b11010) {
            return self.saturate(hw1, hw2, lsb);
        }
        self.not_pc(rd)?;
        let (d, n) = (self.dst(rd), self.src(rn));
        let (code, a, b, width) = match op {
            0b10100 if lsb + field < 32 => (Sbfx, n, 0, field + 1),
            0b11100 if lsb + field < 32 => (Ubfx, n, 0, field + 1),
            // BFC inserts zeros.
            0b10110 if field >= lsb && rn == PC => (Bfi, super::slots::ZERO, rd, field - lsb + 1),
            0b10110 if field >= lsb => (Bfi, n, rd, field - lsb + 1),
            _ => return None,
        };
        let at = self.op(code, d, a, b);
        let o = self.b.op(at);
        (o.imm, o.x) = (lsb, width as u8);
        self.put(rd, d);
        OK
    }

    /// Table A5-23.
    fn data_processing_register(&mut self, hw1: u16, hw2: u16) -> Done {
        let (op1, op2, rd) = (bits(hw1, 4, 4), bits(hw2, 4, 4), reg(hw2, 8));
        if bits(hw2, 12, 4) != 15 {
            return None;
        }
        self.not_pc(rd)?;
        match (op1, op2) {
            (0b0000..=0b0111, 0) => self.register_shift(hw1, hw2),
            (0b0000..=0b0101, 0b1000..=0b1011) => self.extend(hw1, hw2),
            (0b1000..=0b1111, 0b0000..=0b0111) => self.parallel(hw1, hw2),
            (0b1000..=0b1011, 0b1000..=0b1011) => self.miscellaneous_operations(hw1, hw2),
            _ => None,
        }
    }

    /// LSL, LSR, ASR, ROR by a register.
    fn register_shift(&mut self, hw1: u16, hw2: u16) -> Done {
        let code = match (bits(hw1, 5, 2), bit(hw1, 4)) {
            (0, false) => Lsl,
            (0, true) => LslS,
            (1, false) => Lsr,
            (1, true) => LsrS,
            (2, false) => Asr,
            (2, true) => AsrS,
            (_, false) => Ror,
            (_, true) => RorS,
        };
        let (n, m, rd) = (self.src(reg(hw1, 0)), self.src(reg(hw2, 0)), reg(hw2, 8));
        let d = self.dst(rd);
        self.op(code, d, n, m);
        self.put(rd, d);
        OK
    }

    /// Table A5-28: multiplications with a 32-bit result.
    fn multiply(&mut self, hw1: u16, hw2: u16) -> Done {
        let (op1, op2, ra, rd) = (bits(hw1, 4, 3), bits(hw2, 4, 2), reg(hw2, 12), reg(hw2, 8));
        if bits(hw2, 6, 2) != 0 {
            return None;
        }
        self.not_pc(rd)?;
        if op1 != 0 || op2 > 1 {
            return self.multiply_dsp(hw1, hw2);
        }
        let (n, m) = (self.src(reg(hw1, 0)), self.src(reg(hw2, 0)));
        let d = self.dst(rd);
        if op2 == 0 && ra == PC {
            self.op(Mul, d, n, m);
        } else {
            let c = self.src(ra);
            let at = self.op(if op2 == 0 { Mla } else { Mls }, d, n, m);
            self.b.op(at).c = c;
        }
        self.put(rd, d);
        OK
    }

    /// Table A5-29: multiplications with a 64-bit result, and divisions.
    fn long_multiply(&mut self, hw1: u16, hw2: u16) -> Done {
        let (lo, hi) = (reg(hw2, 12), reg(hw2, 8));
        let code = match (bits(hw1, 4, 3), bits(hw2, 4, 4)) {
            (0b000, 0) => Smull,
            (0b001, 15) => return self.divide(Sdiv, hw1, hw2),
            (0b010, 0) => Umull,
            (0b011, 15) => return self.divide(Udiv, hw1, hw2),
            (0b100, 0) => Smlal,
            (0b110, 0) => Umlal,
            _ => return self.long_multiply_dsp(hw1, hw2),
        };
        // The SP as half of a 64-bit accumulator has no use: UNDEFINED, unlike other uses of it.
        if [lo, hi].iter().any(|r| *r == PC || *r == SP) {
            return None;
        }
        let (n, m) = (self.src(reg(hw1, 0)), self.src(reg(hw2, 0)));
        let at = self.op(code, lo, n, m);
        self.b.op(at).c = hi;
        OK
    }

    fn divide(&mut self, code: Code, hw1: u16, hw2: u16) -> Done {
        let rd = reg(hw2, 8);
        self.not_pc(rd)?;
        if reg(hw2, 12) != 15 {
            return None;
        }
        let (n, m) = (self.src(reg(hw1, 0)), self.src(reg(hw2, 0)));
        let d = self.dst(rd);
        self.op(code, d, n, m);
        self.put(rd, d);
        OK
    }

    /// Section A5.3.18. Floating point is coprocessors 10 and 11; every other one is absent (NOCP).
    fn coprocessor(&mut self, hw1: u16, hw2: u16) -> Done {
        let op1 = bits(hw1, 4, 6);
        if op1 >= 0b110000 || op1 <= 1 {
            return None;
        }
        let cp = bits(hw2, 8, 4) as u8;
        if cp | 1 == 11 {
            return self.floating_point(hw1, hw2);
        }
        self.call(call::NOCP).x = cp;
        self.end = true;
        OK
    }
}

/// A 12-bit constant expanded, and the carry that goes with it (ThumbExpandImm_C, A5.3.2).
#[doc(alias = "ThumbExpandImm_C")]
pub(super) fn expand_imm(imm12: u32) -> (u32, Option<bool>) {
    let byte = imm12 & 0xff;
    match imm12 >> 8 {
        0 => (byte, None),
        1 => (byte << 16 | byte, None),
        2 => (byte << 24 | byte << 8, None),
        3 => (byte * 0x0101_0101, None),
        _ => {
            let v = (imm12 & 0x7f | 0x80).rotate_right(imm12 >> 7);
            (v, Some(v >> 31 != 0))
        }
    }
}
