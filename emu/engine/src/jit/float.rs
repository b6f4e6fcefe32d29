//! Floating point through the host's SSE instructions, where result and flags are the same.
//!
//! The slot [`FFAST`] says that rounding is to the nearest even number, that nothing is flushed, and that "inexact" is flagged
//! already. Then a result that is an ordinary number is the host's, and raises nothing that is not flagged:
//! - NaNs and infinities, as operands or results, show in the result, and are left to the helper.
//! - A sum that is subnormal or zero is exact. Products, quotients and roots may underflow: those that are not above the least
//!   normal number are left to the helper, unless they are zero because an operand is.
//! - The host's own flags are never looked at.

use super::{
    access::To,
    asm::{Label, RAX, RCX, RDX, Rm, cc, op},
    compile::{Compiler, HERE},
    stubs,
};
use crate::ir::{C, Code, FFAST, FP, FSTATUS, N, Op, V, Z, float};

const XMM0: u8 = 0;
const XMM1: u8 = 1;

/// SSE opcodes without their prefix, which says the precision.
mod sse {
    pub const LOAD: u32 = 0x0f10;
    pub const STORE: u32 = 0x0f11;
    pub const FROM_INT: u32 = 0x0f2a;
    pub const TO_INT: u32 = 0x0f2c;
    pub const TO_INT_ROUNDED: u32 = 0x0f2d;
    pub const COMPARE: u32 = 0x0f2e;
    pub const SQRT: u32 = 0x0f51;
    pub const XOR: u32 = 0x0f57;
    pub const ADD: u32 = 0x0f58;
    pub const MUL: u32 = 0x0f59;
    pub const CONVERT: u32 = 0x0f5a;
    pub const SUB: u32 = 0x0f5c;
    pub const MIN: u32 = 0x0f5d;
    pub const DIV: u32 = 0x0f5e;
    pub const MAX: u32 = 0x0f5f;
    /// To an integral value (SSE4.1), with its prefix; the next opcode up is for doubles.
    pub const ROUND: u32 = 0x660f_3a0a;
    /// General register from or to a vector register.
    pub const TO_VECTOR: u32 = 0x6600_0f6e;
    pub const FROM_VECTOR: u32 = 0x6600_0f7e;
}

/// Whether there is a template.
fn known(o: &Op) -> bool {
    match o.imm {
        float::MLA..=float::DIV | float::SQRT | float::CMP | float::CMP0 => true,
        float::PRECISION | float::FROM_INT | float::MAXNM | float::MINNM => true,
        float::FMA..=float::FNMS => super::has_fma(),
        float::TO_INT => matches!(o.c, float::TO_ZERO | float::TO_NEAREST | float::BY_STATUS),
        float::ROUND => (float::TO_NEAREST..=float::EXACT).contains(&o.c) && super::has_rounding(),
        float::TO_FIXED | float::FROM_FIXED => o.c == 32,
        _ => false,
    }
}

/// The host's number of a rounding to integral values.
fn rounding(c: u8) -> u8 {
    match c {
        float::DOWN => 1,
        float::UP => 2,
        float::TO_ZERO => 3,
        _ => 0, // to the nearest, which the status says, too
    }
}

/// How a result may be other than an ordinary number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    /// By an infinity or a NaN.
    Finite,
    /// By that, or by being too small.
    Normal,
}

impl Compiler<'_> {
    /// Where a numbered register is.
    fn fp(&self, n: u8, double: bool) -> Rm {
        let (slot, half) = if double { (n, 0) } else { (n / 2, i32::from(n & 1)) };
        match stubs::place(self.shape(), FP + slot) {
            Rm::M(base, disp) => Rm::M(base, disp + 4 * half),
            other => other,
        }
    }

    /// An SSE instruction on single or double precision numbers.
    fn sse(&mut self, double: bool, opcode: u32, reg: u8, rm: Rm) {
        let prefix = if double { 0xf200_0000 } else { 0xf300_0000 };
        self.a.op(false, prefix | opcode, reg, rm);
    }

    /// Leaves the fast path unless the number in `reg` is one that `check` lets pass. Zero passes for [`Check::Normal`] if one of
    /// the operands `zero` is.
    fn check(&mut self, double: bool, reg: u8, check: Check, zero: &[Rm], slow: Label) {
        self.a.op(double, sse::FROM_VECTOR, reg, Rm::R(RAX));
        if double {
            self.a.shift(true, super::asm::shift::SHR, Rm::R(RAX), 32);
        }
        // Without the sign, moved up by one.
        self.a.op(false, op::ADD, RAX, Rm::R(RAX));
        let infinity: u32 = if double { 0xffe0_0000 } else { 0xff00_0000 };
        if check == Check::Finite {
            self.a.alu_imm(false, op::CMP, Rm::R(RAX), infinity);
            return self.a.jcc(cc::AE, slow);
        }
        // Above the least normal number; of a double only the high half is looked at, hence the distance.
        let least: u32 = if double { 0x0020_0002 } else { 0x0100_0001 };
        let fine = self.a.label();
        self.a.op(false, op::LEA, RCX, Rm::M(RAX, least.wrapping_neg() as i32));
        self.a.alu_imm(false, op::CMP, Rm::R(RCX), infinity - least);
        self.a.jcc(cc::B, fine);
        self.a.op(false, op::TEST, RAX, Rm::R(RAX));
        self.a.jcc(cc::NE, slow);
        for operand in zero {
            self.a.op(double, op::LOAD, RAX, *operand);
            self.a.op(double, op::ADD, RAX, Rm::R(RAX));
            self.a.jcc(cc::E, fine);
        }
        self.a.jmp(slow);
        self.a.bind(fine);
    }

    /// Changes the sign of the number in `reg`.
    fn negate(&mut self, double: bool, reg: u8) {
        self.a.op(double, sse::FROM_VECTOR, reg, Rm::R(RAX));
        // Complements the top bit.
        self.a.op(double, 0x0fba, 7, Rm::R(RAX));
        self.a.bytes(&[if double { 63 } else { 31 }]);
        self.a.op(double, sse::TO_VECTOR, reg, Rm::R(RAX));
    }

    /// A function of [`float`], or the helper if there is no template.
    pub(super) fn float(&mut self, i: usize, o: &Op) {
        if !known(o) {
            return self.call_helper(i);
        }
        let slow = self.slow(i);
        let fast = self.rm(FFAST);
        self.a.alu_imm(false, op::CMP, fast, 0);
        self.a.jcc(cc::E, slow);
        let double = o.x & 1 != 0;
        match o.imm {
            float::MLA..=float::NMLS => self.multiply_add(o, double, slow),
            float::MUL | float::NMUL | float::DIV => {
                let opcode = if o.imm == float::DIV { sse::DIV } else { sse::MUL };
                self.product(o, double, opcode, slow);
                if o.imm == float::NMUL {
                    self.negate(double, XMM0);
                }
                self.store_float(o.d, double);
            }
            float::ADD | float::SUB => {
                let (a, b) = (self.fp(o.a, double), self.fp(o.b, double));
                self.sse(double, sse::LOAD, XMM0, a);
                self.sse(double, if o.imm == float::ADD { sse::ADD } else { sse::SUB }, XMM0, b);
                self.check(double, XMM0, Check::Finite, &[], slow);
                self.store_float(o.d, double);
            }
            float::FMA..=float::FNMS => self.fused(o, double, slow),
            float::SQRT => {
                let a = self.fp(o.a, double);
                self.sse(double, sse::SQRT, XMM0, a);
                self.check(double, XMM0, Check::Normal, &[a], slow);
                self.store_float(o.d, double);
            }
            float::CMP | float::CMP0 => self.compare_floats(o, double, slow),
            float::MAXNM | float::MINNM => {
                let (a, b) = (self.fp(o.a, double), self.fp(o.b, double));
                self.sse(double, sse::LOAD, XMM0, a);
                self.compare_with(double, b);
                // NaNs, and equal numbers, which zeros of both signs are, too.
                self.a.jcc(cc::P, slow);
                self.a.jcc(cc::E, slow);
                self.sse(double, if o.imm == float::MAXNM { sse::MAX } else { sse::MIN }, XMM0, b);
                self.store_float(o.d, double);
            }
            float::ROUND => {
                let a = self.fp(o.a, double);
                self.a.op(false, if double { sse::ROUND + 1 } else { sse::ROUND }, XMM0, a);
                self.a.bytes(&[rounding(o.c)]);
                self.check(double, XMM0, Check::Finite, &[], slow);
                self.store_float(o.d, double);
            }
            float::TO_FIXED | float::FROM_FIXED => self.fixed(o, double, slow),
            _ => self.convert(o, double, slow),
        }
        self.back();
    }

    fn store_float(&mut self, d: u8, double: bool) {
        let d = self.fp(d, double);
        self.sse(double, sse::STORE, XMM0, d);
    }

    /// `xmm0 = a op b`, checked.
    fn product(&mut self, o: &Op, double: bool, opcode: u32, slow: Label) {
        let (a, b) = (self.fp(o.a, double), self.fp(o.b, double));
        self.sse(double, sse::LOAD, XMM0, a);
        self.sse(double, opcode, XMM0, b);
        // A quotient is zero if its first operand is.
        let zero: &[Rm] = if opcode == sse::DIV { &[a] } else { &[a, b] };
        self.check(double, XMM0, Check::Normal, zero, slow);
    }

    /// Multiplication and addition with a rounding each.
    fn multiply_add(&mut self, o: &Op, double: bool, slow: Label) {
        self.product(o, double, sse::MUL, slow);
        let d = self.fp(o.d, double);
        self.sse(double, sse::LOAD, XMM1, d);
        if matches!(o.imm, float::NMLA | float::NMLS) {
            self.negate(double, XMM1);
        }
        let opcode = if matches!(o.imm, float::MLS | float::NMLA) { sse::SUB } else { sse::ADD };
        self.sse(double, opcode, XMM1, Rm::R(XMM0));
        self.check(double, XMM1, Check::Finite, &[], slow);
        self.sse(double, sse::STORE, XMM1, d);
    }

    /// Multiplication and addition with one rounding.
    fn fused(&mut self, o: &Op, double: bool, slow: Label) {
        let (d, a, b) = (self.fp(o.d, double), self.fp(o.a, double), self.fp(o.b, double));
        self.sse(double, sse::LOAD, XMM0, d);
        self.sse(double, sse::LOAD, XMM1, a);
        self.sse(double, sse::LOAD, 2, b);
        // VFMADD231, VFNMADD231, VFNMSUB231, VFMSUB231 xmm0, xmm1, xmm2: `±(xmm1 * xmm2) ± xmm0`.
        let opcode = [0xb9, 0xbd, 0xbf, 0xbb][(o.imm - float::FMA) as usize];
        self.a.bytes(&[0xc4, 0xe2, if double { 0xf1 } else { 0x71 }, opcode, 0xc2]);
        self.check(double, XMM0, Check::Normal, &[], slow);
        self.sse(double, sse::STORE, XMM0, d);
    }

    /// Compares the number in `xmm0`.
    fn compare_with(&mut self, double: bool, b: Rm) {
        self.a.op(false, if double { 0x6600_0000 | sse::COMPARE } else { sse::COMPARE }, XMM0, b);
    }

    fn compare_floats(&mut self, o: &Op, double: bool, slow: Label) {
        let (a, mut b) = (self.fp(o.a, double), self.fp(o.b, double));
        self.sse(double, sse::LOAD, XMM0, a);
        if o.imm == float::CMP0 {
            self.a.op(false, sse::XOR, XMM1, Rm::R(XMM1));
            b = Rm::R(XMM1);
        }
        self.compare_with(double, b);
        self.a.jcc(cc::P, slow);
        // C is set but for "less": 2 for greater, 4 more for equal, 6 more for less.
        self.a.op8(op::SET + u32::from(cc::B), 0, Rm::R(RAX));
        self.a.op8(op::SET + u32::from(cc::E), 0, Rm::R(RCX));
        self.a.op8(op::MOVZX8, RAX, Rm::R(RAX));
        self.a.op8(op::MOVZX8, RCX, Rm::R(RCX));
        self.a.imul_imm(RAX, RAX, 6);
        self.a.op(false, op::LEA, RAX, Rm::X(RAX, RCX, 2, 2));
        self.a.shift(false, super::asm::shift::SHL, Rm::R(RAX), 28);
        let status = self.rm(FSTATUS);
        self.a.op(false, op::LOAD, RCX, status);
        self.a.alu_imm(false, op::AND, Rm::R(RCX), 0x0fff_ffff);
        self.a.op(false, op::OR, RAX, Rm::R(RCX));
        self.put(FSTATUS, RAX);
    }

    fn convert(&mut self, o: &Op, double: bool, slow: Label) {
        match o.imm {
            float::PRECISION => {
                let a = self.fp(o.a, double);
                self.sse(double, sse::CONVERT, XMM0, a);
                if double {
                    self.check_narrowed(a, slow);
                } else {
                    self.check(true, XMM0, Check::Finite, &[], slow);
                }
                self.store_float(o.d, !double);
            }
            float::TO_INT => {
                let (a, d) = (self.fp(o.a, double), self.fp(o.d, false));
                let opcode = if o.c == float::TO_ZERO { sse::TO_INT } else { sse::TO_INT_ROUNDED };
                self.integer(double, opcode, a, o.b != 0, slow);
                self.a.op(false, op::STORE, RAX, d);
            }
            _ => {
                let a = self.fp(o.a, false);
                self.put_integer(double, a, o.b != 0);
                self.store_float(o.d, double);
            }
        }
    }

    /// `rax` becomes the number at `a` as an integer of 32 bits.
    fn integer(&mut self, double: bool, opcode: u32, a: Rm, signed: bool, slow: Label) {
        let prefix = if double { 0xf200_0000 } else { 0xf300_0000 };
        self.a.op(!signed, prefix | opcode, RAX, a);
        if signed {
            // What the host gives for everything out of range.
            self.a.alu_imm(false, op::CMP, Rm::R(RAX), 0x8000_0000);
            self.a.jcc(cc::E, slow);
        } else {
            self.a.op(false, op::LOAD, RCX, Rm::R(RAX));
            self.a.op(true, op::CMP, RAX, Rm::R(RCX));
            self.a.jcc(cc::NE, slow);
        }
    }

    /// `xmm0` becomes the integer of 32 bits at `a`.
    fn put_integer(&mut self, double: bool, a: Rm, signed: bool) {
        let prefix = if double { 0xf200_0000 } else { 0xf300_0000 };
        self.a.op(false, op::LOAD, RAX, a);
        self.a.op(false, sse::XOR, XMM0, Rm::R(XMM0));
        self.a.op(!signed, prefix | sse::FROM_INT, XMM0, Rm::R(RAX));
    }

    /// Integers of 32 bits that are multiples of a power of two, by which numbers are multiplied without rounding.
    fn fixed(&mut self, o: &Op, double: bool, slow: Label) {
        let (d, signed, to) = (self.fp(o.d, double), o.b != 0, o.imm == float::TO_FIXED);
        let exp = if to { o.imm2 as i32 } else { -(o.imm2 as i32) };
        if to {
            self.sse(double, sse::LOAD, XMM0, d);
        } else {
            self.put_integer(double, d, signed);
        }
        if double {
            self.a.mov_imm64(RAX, ((1023 + exp) as u64) << 52);
        } else {
            self.a.mov_imm(RAX, ((127 + exp) as u32) << 23);
        }
        self.a.op(double, sse::TO_VECTOR, XMM1, Rm::R(RAX));
        self.sse(double, sse::MUL, XMM0, Rm::R(XMM1));
        if !to {
            return self.store_float(o.d, double);
        }
        self.integer(double, sse::TO_INT, Rm::R(XMM0), signed, slow);
        if double && signed {
            self.a.op(true, op::MOVSXD, RAX, Rm::R(RAX));
        }
        self.a.op(double, op::STORE, RAX, d);
    }

    /// A single in `xmm0` made of a double, which may be zero.
    fn check_narrowed(&mut self, from: Rm, slow: Label) {
        let done = self.a.label();
        self.a.op(true, op::LOAD, RDX, from);
        self.a.op(true, op::ADD, RDX, Rm::R(RDX));
        self.a.jcc(cc::E, done);
        self.a.op(false, sse::FROM_VECTOR, XMM0, Rm::R(RAX));
        self.a.op(false, op::ADD, RAX, Rm::R(RAX));
        self.a.op(false, op::LEA, RCX, Rm::M(RAX, 0x0100_0001u32.wrapping_neg() as i32));
        self.a.alu_imm(false, op::CMP, Rm::R(RCX), 0xff00_0000 - 0x0100_0001);
        self.a.jcc(cc::AE, slow);
        self.a.bind(done);
    }

    /// [`Code::FlagsOfStatus`].
    pub(super) fn flags_of_status(&mut self) {
        let status = self.rm(FSTATUS);
        let (n, z, c, v) = (self.rm(N), self.rm(Z), self.rm(C), self.rm(V));
        self.a.op(false, op::LOAD, RAX, status);
        self.a.mov(RCX, RAX);
        self.a.alu_imm(false, op::AND, Rm::R(RCX), 0x8000_0000);
        self.a.op(true, op::STORE, RCX, n);
        // Z's word is zero if the flag is set.
        self.a.mov(RCX, RAX);
        self.a.op(false, op::UNARY, super::asm::unary::NOT, Rm::R(RCX));
        self.a.alu_imm(false, op::AND, Rm::R(RCX), 1 << 30);
        self.a.op(true, op::STORE, RCX, z);
        for (bit, flag) in [(29, c), (28, v)] {
            self.a.bit(false, Rm::R(RAX), bit);
            self.a.op(false, op::SET + u32::from(cc::B), 0, flag);
        }
    }

    /// [`Code::Ld64`] and [`Code::St64`]: both words in one page.
    pub(super) fn pair(&mut self, i: usize, o: &Op, to: To) {
        if self.reg(o.d).is_some() {
            return self.call_helper(i);
        }
        self.translate_words(i, (o.a, o.imm), 2, to);
        let d = self.rm(o.d);
        if o.code == Code::Ld64 {
            self.a.op(true, op::LOAD, RCX, HERE);
            self.a.op(true, op::STORE, RCX, d);
        } else {
            self.a.op(true, op::LOAD, RCX, d);
            self.a.op(true, op::STORE, RCX, HERE);
        }
        self.back();
    }
}
