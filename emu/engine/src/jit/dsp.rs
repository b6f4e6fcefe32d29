//! Templates of operations on halves and bytes, and of those that saturate. Lanes go through the host's SSE2, which every x86-64
//! has.

use super::{
    asm::{RAX, RCX, RDX, Rm, cc, op, shift, unary},
    compile::Compiler,
};
use crate::ir::{Code, GE, Op, Q, lanes};

/// Vector instructions `op xmm, xmm`; one for words is the next opcode up from that for bytes.
mod simd {
    pub const MOVE: u32 = 0x0f28;
    pub const FROM_GENERAL: u32 = 0x6600_0f6e;
    pub const TO_GENERAL: u32 = 0x6600_0f7e;
    pub const GREATER: u32 = 0x6600_0f64;
    pub const EQUAL: u32 = 0x6600_0f74;
    pub const SUB_UNSIGNED: u32 = 0x6600_0fd8;
    pub const ADD_UNSIGNED: u32 = 0x6600_0fdc;
    pub const SUB_SIGNED: u32 = 0x6600_0fe8;
    pub const ADD_SIGNED: u32 = 0x6600_0fec;
    pub const XOR: u32 = 0x6600_0fef;
    pub const DISTANCE: u32 = 0x6600_0ff6;
    pub const SUB: u32 = 0x6600_0ff8;
    pub const ADD: u32 = 0x6600_0ffc;
    /// `(a + b + 1) / 2` of unsigned numbers; for words it is three up.
    pub const MEAN: u32 = 0x6600_0fe0;
    /// Shifts of words by a constant, their kind in the place of a register.
    pub const SHIFT: u32 = 0x6600_0f71;
    pub const LEFT: u8 = 6;
    pub const RIGHT_SIGNED: u8 = 4;
}

const XMM0: u8 = 0;
const XMM1: u8 = 1;
/// Operands, and what is made of constants.
const A: u8 = 4;
const B: u8 = 5;
const ONES: u8 = 6;

impl Compiler<'_> {
    pub(super) fn dsp(&mut self, op: &Op) {
        match op.code {
            Code::MlaHalf => self.multiply_halves(op),
            Code::MlaWord => self.multiply_word_half(op),
            Code::MlaDual => self.multiply_both_halves(op),
            Code::MlaHigh => self.multiply_high(op),
            Code::Umaal => self.multiply_add_twice(op),
            Code::QAdd => self.saturating(op, op::ADD),
            Code::QSub => self.saturating(op, op::SUB),
            Code::Clamp => self.clamp(op),
            _ => self.lanes(op),
        }
    }

    /// A half of a slot in a host register, sign extended to 32 bits or to 64.
    fn half(&mut self, wide: bool, slot: u8, high: bool, r: u8) {
        match self.rm(slot) {
            Rm::M(base, at) => self.a.op(wide, op::MOVSX16, r, Rm::M(base, at + 2 * i32::from(high))),
            place if high => {
                self.a.op(wide, if wide { op::MOVSXD } else { op::LOAD }, r, place);
                self.a.shift(wide, shift::SAR, Rm::R(r), 16);
            }
            place => self.a.op(wide, op::MOVSX16, r, place),
        }
    }

    /// Sets Q unless the host's condition holds.
    fn set_q_unless(&mut self, cc: u8) {
        let (over, q) = (self.a.label(), self.rm(Q));
        self.a.jcc(cc, over);
        self.a.store_imm(true, q, 1);
        self.a.bind(over);
    }

    /// `eax += r[slot]`, signed; sets Q.
    fn accumulate(&mut self, slot: u8) {
        if !self.zero(slot) {
            let c = self.rm(slot);
            self.a.op(false, op::ADD, RAX, c);
            self.set_q_unless(cc::O ^ 1);
        }
    }

    fn multiply_halves(&mut self, op: &Op) {
        self.half(false, op.a, op.x & 2 != 0, RAX);
        self.half(false, op.b, op.x & 1 != 0, RCX);
        self.a.op(false, op::IMUL, RAX, Rm::R(RCX));
        self.accumulate(op.c);
        self.put(op.d, RAX);
    }

    fn multiply_word_half(&mut self, op: &Op) {
        let a = self.rm(op.a);
        self.a.op(true, op::MOVSXD, RAX, a);
        self.half(true, op.b, op.x & 1 != 0, RCX);
        self.a.op(true, op::IMUL, RAX, Rm::R(RCX));
        self.a.shift(true, shift::SHR, Rm::R(RAX), 16);
        self.a.op(false, op::LOAD, RAX, Rm::R(RAX)); // the low half alone
        self.accumulate(op.c);
        self.put(op.d, RAX);
    }

    /// Exact in 64 bits.
    fn multiply_both_halves(&mut self, op: &Op) {
        let exchanged = op.x & 1 != 0;
        for (high, r) in [(false, RAX), (true, RDX)] {
            self.half(true, op.a, high, r);
            self.half(true, op.b, high != exchanged, RCX);
            self.a.op(true, op::IMUL, r, Rm::R(RCX));
        }
        self.a.op(true, if op.x & 2 != 0 { op::SUB } else { op::ADD }, RAX, Rm::R(RDX));
        if !self.zero(op.c) {
            let c = self.rm(op.c);
            self.a.op(true, op::MOVSXD, RCX, c);
            self.a.op(true, op::ADD, RAX, Rm::R(RCX));
        }
        self.a.op(true, op::MOVSXD, RCX, Rm::R(RAX));
        self.a.op(true, op::CMP, RCX, Rm::R(RAX));
        self.set_q_unless(cc::E);
        self.a.op(false, op::LOAD, RAX, Rm::R(RAX));
        self.put(op.d, RAX);
    }

    fn multiply_high(&mut self, op: &Op) {
        let (a, b) = (self.rm(op.a), self.rm(op.b));
        self.a.op(true, op::MOVSXD, RAX, a);
        self.a.op(true, op::MOVSXD, RCX, b);
        self.a.op(true, op::IMUL, RAX, Rm::R(RCX));
        if op.x & 2 != 0 {
            self.a.op(true, op::UNARY, unary::NEG, Rm::R(RAX));
        }
        if !self.zero(op.c) {
            self.fetch(op.c, RCX);
            self.a.shift(true, shift::SHL, Rm::R(RCX), 32);
            self.a.op(true, op::ADD, RAX, Rm::R(RCX));
        }
        if op.x & 1 != 0 {
            self.a.mov_imm(RCX, 1 << 31);
            self.a.op(true, op::ADD, RAX, Rm::R(RCX));
        }
        self.a.shift(true, shift::SHR, Rm::R(RAX), 32);
        self.put(op.d, RAX);
    }

    /// No sum is too large for 64 bits.
    fn multiply_add_twice(&mut self, op: &Op) {
        self.fetch(op.a, RAX);
        self.fetch(op.b, RCX);
        self.a.op(true, op::IMUL, RAX, Rm::R(RCX));
        for slot in [op.d, op.c] {
            self.fetch(slot, RCX);
            self.a.op(true, op::ADD, RAX, Rm::R(RCX));
        }
        self.a.op(true, op::LOAD, RDX, Rm::R(RAX));
        self.a.shift(true, shift::SHR, Rm::R(RDX), 32);
        self.a.op(false, op::LOAD, RAX, Rm::R(RAX));
        self.put(op.d, RAX);
        self.put(op.c, RDX);
    }

    fn saturating(&mut self, op: &Op, opcode: u32) {
        let (over, q, b) = (self.a.label(), self.rm(Q), self.rm(op.b));
        self.fetch(op.a, RAX);
        self.a.op(false, opcode, RAX, b);
        self.a.jcc(cc::O ^ 1, over);
        // The result's sign is the wrong one.
        self.a.shift(false, shift::SAR, Rm::R(RAX), 31);
        self.a.alu_imm(false, op::XOR, Rm::R(RAX), 1 << 31);
        self.a.store_imm(true, q, 1);
        self.a.bind(over);
        self.put(op.d, RAX);
    }

    fn clamp(&mut self, op: &Op) {
        self.fetch(op.a, RAX);
        for (bound, cc) in [(op.imm2, cc::G), (op.imm, cc::L)] {
            self.a.mov_imm(RCX, bound);
            self.a.op(false, op::CMP, RAX, Rm::R(RCX));
            self.a.op(false, op::CMOV + u32::from(cc), RAX, Rm::R(RCX));
        }
        let (a, q) = (self.rm(op.a), self.rm(Q));
        self.a.op(false, op::CMP, RAX, a);
        // Without a jump: which numbers are too large is hard to predict.
        self.a.op8(op::SET + u32::from(cc::NE), 0, Rm::R(RCX));
        self.a.op8(op::OR8, RCX, q);
        self.put(op.d, RAX);
    }

    fn lanes(&mut self, o: &Op) {
        self.fetch(o.a, RAX);
        match o.imm {
            lanes::SXTB16 => {
                self.a.op(false, simd::FROM_GENERAL, XMM0, Rm::R(RAX));
                for kind in [simd::LEFT, simd::RIGHT_SIGNED] {
                    self.a.op(false, simd::SHIFT, kind, Rm::R(XMM0));
                    self.a.bytes(&[8]);
                }
            }
            lanes::USAD8 => {
                let b = self.get(o.b, RCX);
                self.a.op(false, simd::FROM_GENERAL, XMM0, Rm::R(RAX));
                self.a.op(false, simd::FROM_GENERAL, XMM1, Rm::R(b));
                self.a.op(false, simd::DISTANCE, XMM0, Rm::R(XMM1));
            }
            lanes::ASX | lanes::SAX => return self.exchanged(o),
            _ => {
                self.fetch(o.b, RCX);
                let words = u32::from(!matches!(o.imm, lanes::ADD8 | lanes::SUB8));
                self.sums(o.imm & 4 != 0, words, o.x);
                if matches!(o.x, lanes::S | lanes::U) {
                    self.a.op(false, simd::TO_GENERAL, XMM1, Rm::R(RAX));
                    self.put(GE, RAX);
                }
            }
        }
        self.a.op(false, simd::TO_GENERAL, XMM0, Rm::R(RAX));
        self.put(o.d, RAX);
    }

    /// The low half is that of a difference and the high half that of a sum, or the other way round.
    fn exchanged(&mut self, o: &Op) {
        let sets = matches!(o.x, lanes::S | lanes::U);
        for subtract in [o.imm == lanes::SAX, o.imm == lanes::ASX] {
            self.fetch(o.a, RAX);
            self.fetch(o.b, RCX);
            self.a.shift(false, shift::ROR, Rm::R(RCX), 16);
            self.sums(subtract, 1, o.x);
            // The one of the low half comes last.
            if subtract == (o.imm == lanes::SAX) {
                self.a.op(false, simd::MOVE, 2, Rm::R(XMM0));
                self.a.op(false, simd::MOVE, 3, Rm::R(XMM1));
            }
        }
        for (high, low, slot) in [(3, XMM1, GE), (2, XMM0, o.d)] {
            if slot == o.d || sets {
                self.a.op(false, simd::TO_GENERAL, high, Rm::R(RAX));
                self.a.op(false, simd::TO_GENERAL, low, Rm::R(RCX));
                self.a.alu_imm(false, op::AND, Rm::R(RAX), 0xffff_0000);
                self.a.op(false, op::MOVZX16, RCX, Rm::R(RCX));
                self.a.op(false, op::OR, RAX, Rm::R(RCX));
                self.put(slot, RAX);
            }
        }
    }

    /// `xmm0` becomes the lanes of `eax` and `ecx` added or subtracted, `xmm1` which of them set GE. `words` is 1 if the lanes are
    /// halves.
    fn sums(&mut self, subtract: bool, words: u32, manner: u8) {
        let by = |opcode: u32| opcode + words;
        let sign: u32 = if words == 1 { 0x8000_8000 } else { 0x8080_8080 };
        // A mean of unsigned numbers, rounded up, is one of signed numbers or rounded down if bits are complemented before and
        // after; so is half a difference.
        let (before_a, before_b, after) = match (manner, subtract) {
            (lanes::UH, false) => (!0, !0, !0),
            (lanes::SH, false) => (!sign, !sign, !sign),
            (lanes::UH, true) => (0, !0, sign),
            (lanes::SH, true) => (sign, !sign, sign),
            _ => (0, 0, 0),
        };
        for (r, xmm, mask) in [(RAX, A, before_a), (RCX, B, before_b)] {
            if mask != 0 {
                self.a.alu_imm(false, op::XOR, Rm::R(r), mask);
            }
            self.a.op(false, simd::FROM_GENERAL, xmm, Rm::R(r));
        }
        let modulo = by(if subtract { simd::SUB } else { simd::ADD });
        let signed = by(if subtract { simd::SUB_SIGNED } else { simd::ADD_SIGNED });
        let unsigned = by(if subtract { simd::SUB_UNSIGNED } else { simd::ADD_UNSIGNED });
        let opcode = match manner {
            lanes::Q => signed,
            lanes::UQ => unsigned,
            lanes::SH | lanes::UH => simd::MEAN + 3 * words,
            _ => modulo,
        };
        self.a.op(false, simd::MOVE, XMM0, Rm::R(A));
        self.a.op(false, opcode, XMM0, Rm::R(B));
        if after != 0 {
            self.a.op(false, simd::TO_GENERAL, XMM0, Rm::R(RAX));
            self.a.alu_imm(false, op::XOR, Rm::R(RAX), after);
            self.a.op(false, simd::FROM_GENERAL, XMM0, Rm::R(RAX));
        }
        if !matches!(manner, lanes::S | lanes::U) {
            return;
        }
        self.a.op(false, simd::MOVE, XMM1, Rm::R(A));
        self.a.op(false, simd::EQUAL, ONES, Rm::R(ONES));
        if manner == lanes::S {
            // A saturated result has the exact one's sign.
            self.a.op(false, signed, XMM1, Rm::R(B));
            self.a.op(false, by(simd::GREATER), XMM1, Rm::R(ONES));
        } else {
            // It is that of the other way unless a lane carried or borrowed.
            self.a.op(false, unsigned, XMM1, Rm::R(B));
            self.a.op(false, by(simd::EQUAL), XMM1, Rm::R(XMM0));
            if !subtract {
                self.a.op(false, simd::XOR, XMM1, Rm::R(ONES));
            }
        }
    }
}
