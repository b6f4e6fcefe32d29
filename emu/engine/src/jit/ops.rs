//! Templates of operations that compute.

use super::{
    access::To,
    asm::{RAX, RCX, RDX, Rm, cc, op, shift, unary},
    compile::{Compiler, Host},
};
use crate::ir::{C, Code, Op, TRASH, flags};

impl Compiler<'_> {
    #[allow(clippy::too_many_lines)] // one arm for each operation
    pub(super) fn operation(&mut self, i: usize, op: &Op) {
        use Code::*;
        match op.code {
            _ if self.stays_in_it(op) => self.call_helper(i),
            Mov => self.copy(op),
            MovI => self.put_imm(op.d, op.imm),
            MovS | MovIS if op.d == TRASH => self.call_helper(i),
            MovS | MovIS => {
                if op.code == MovS {
                    self.copy(op)
                } else {
                    self.put_imm(op.d, op.imm)
                };
                let w = self.result(op.d);
                self.logic_flags(i, w);
            }
            Mvn | MvnS => {
                let w = self.begin(op.d, op.a, None);
                self.a.op(false, op::UNARY, unary::NOT, Rm::R(w));
                if op.code == MvnS {
                    self.logic_flags(i, w);
                }
                self.put(op.d, w);
            }
            Mov64 | Hi | SetLo | SetHi => self.halves(i, op),
            Add => self.alu(i, op, op::ADD, Host::None),
            AddS => self.alu(i, op, op::ADD, Host::Add),
            AddI => self.add_imm(op, op.imm),
            AddIS => self.alu_with_imm(i, op, op::ADD, Host::Add),
            AddLsl => {
                self.indexed(op);
                self.put(op.d, RAX);
            }
            Adc | AdcS => {
                let c = self.rm(C);
                let w = self.begin(op.d, op.a, Some(op.b));
                self.a.bit(false, c, 0);
                self.finish(i, op, op::ADC, w, if op.code == AdcS { Host::Add } else { Host::None });
            }
            Sub => self.alu(i, op, op::SUB, Host::None),
            SubS => self.alu(i, op, op::SUB, Host::Sub),
            SubI => self.add_imm(op, op.imm.wrapping_neg()),
            SubIS => self.alu_with_imm(i, op, op::SUB, Host::Sub),
            RsbI | RsbIS => {
                self.a.mov_imm(RAX, op.imm);
                let a = self.rm(op.a);
                self.a.op(false, op::SUB, RAX, a);
                if op.code == RsbIS {
                    self.keep_flags(i, RAX, flags::ALL, Host::Sub);
                }
                self.put(op.d, RAX);
            }
            Sbc | SbcS => {
                let c = self.rm(C);
                let w = self.begin(op.d, op.a, Some(op.b));
                self.a.bit(false, c, 0);
                self.a.bytes(&[0xf5]); // cmc: a borrow is a carry that is not set
                self.finish(i, op, op::SBB, w, if op.code == SbcS { Host::Sub } else { Host::None });
            }
            And => self.alu(i, op, op::AND, Host::None),
            AndS => self.alu(i, op, op::AND, Host::Logic),
            AndI => self.alu_with_imm(i, op, op::AND, Host::None),
            AndIS => self.alu_with_imm(i, op, op::AND, Host::Logic),
            Or => self.alu(i, op, op::OR, Host::None),
            OrS => self.alu(i, op, op::OR, Host::Logic),
            OrI => self.alu_with_imm(i, op, op::OR, Host::None),
            OrIS => self.alu_with_imm(i, op, op::OR, Host::Logic),
            Xor => self.alu(i, op, op::XOR, Host::None),
            XorS => self.alu(i, op, op::XOR, Host::Logic),
            XorI => self.alu_with_imm(i, op, op::XOR, Host::None),
            XorIS => self.alu_with_imm(i, op, op::XOR, Host::Logic),
            Bic | BicS | Orn | OrnS => {
                self.fetch(op.b, RCX);
                self.a.op(false, op::UNARY, unary::NOT, Rm::R(RCX));
                let opcode = if matches!(op.code, Bic | BicS) { op::AND } else { op::OR };
                let w = self.begin(op.d, op.a, None);
                self.a.op(false, opcode, w, Rm::R(RCX));
                if matches!(op.code, BicS | OrnS) {
                    self.keep_flags(i, w, flags::NZ, Host::Logic);
                }
                self.put(op.d, w);
            }
            SetC => {
                let c = self.rm(C);
                self.a.store_imm(true, c, op.imm);
            }
            LslI | LslIS | LslIC | LsrI | LsrIS | LsrIC | AsrI | AsrIS | AsrIC | RorI | RorIS | RorIC => {
                self.shift_imm(i, op);
            }
            Rrx | RrxS | RrxC => {
                let c = self.rm(C);
                let w = self.begin(op.d, op.a, None);
                self.a.bit(false, c, 0);
                self.a.op(false, op::SHIFT_1, shift::RCR, Rm::R(w));
                if op.code != Rrx {
                    let nz = if op.code == RrxS { flags::NZ } else { 0 };
                    self.keep_flags(i, w, nz | flags::C, Host::None);
                }
                self.put(op.d, w);
            }
            Lsl | LslS | Lsr | LsrS | Asr | AsrS | Ror | RorS => self.shift_arm(i, op),
            Sll | Srl | Sra => {
                self.fetch(op.b, RCX);
                let w = self.begin(op.d, op.a, None);
                let ext = [shift::SHL, shift::SHR, shift::SAR][op.code as usize - Sll as usize];
                self.a.op(false, op::SHIFT_CL, ext, Rm::R(w));
                self.put(op.d, w);
            }
            Mul | MulS => {
                let w = self.begin(op.d, op.a, Some(op.b));
                let b = self.rm(op.b);
                self.a.op(false, op::IMUL, w, b);
                if op.code == MulS {
                    self.logic_flags(i, w);
                }
                self.put(op.d, w);
            }
            Mla | Mls => {
                self.fetch(op.a, RAX);
                let (b, c) = (self.rm(op.b), self.rm(op.c));
                self.a.op(false, op::IMUL, RAX, b);
                if op.code == Mla {
                    self.a.op(false, op::ADD, RAX, c);
                    self.put(op.d, RAX);
                } else {
                    self.fetch(op.c, RCX);
                    self.a.op(false, op::SUB, RCX, Rm::R(RAX));
                    self.put(op.d, RCX);
                }
            }
            Umull | Smull | Umlal | Smlal | Mulh | Mulhu | Mulhsu => self.long_multiply(op),
            Udiv | Sdiv | DivRv | DivuRv | RemRv | RemuRv => self.divide(i, op),
            MlaHalf | MlaWord | MlaDual | MlaHigh | Umaal | QAdd | QSub | Clamp | Lanes => self.dsp(op),
            Slt | Sltu => {
                self.compare(op);
                // `test` against zero borrows nothing, as `cmp` does.
                self.set_condition(op.d, if op.code == Slt { cc::L } else { cc::B });
            }
            SltI | SltuI => {
                let a = self.get(op.a, RAX);
                self.a.alu_imm(false, op::CMP, Rm::R(a), op.imm);
                self.set_condition(op.d, if op.code == SltI { cc::L } else { cc::B });
            }
            Sxtb => self.extend(op, op::MOVSX8),
            Sxth => self.extend(op, op::MOVSX16),
            Uxtb => self.extend(op, op::MOVZX8),
            Uxth => self.extend(op, op::MOVZX16),
            Ubfx => {
                let w = self.begin(op.d, op.a, None);
                if op.imm != 0 {
                    self.a.shift(false, shift::SHR, Rm::R(w), op.imm as u8);
                }
                if op.imm + u32::from(op.x) < 32 {
                    self.a.alu_imm(false, op::AND, Rm::R(w), (1 << op.x) - 1);
                }
                self.put(op.d, w);
            }
            Sbfx => {
                let w = self.begin(op.d, op.a, None);
                let up = (32u32.wrapping_sub(op.imm + u32::from(op.x)) & 31) as u8;
                self.a.shift(false, shift::SHL, Rm::R(w), up);
                self.a.shift(false, shift::SAR, Rm::R(w), 32u8.wrapping_sub(op.x) & 31);
                self.put(op.d, w);
            }
            Bfi => {
                let low = if op.x >= 32 { u32::MAX } else { (1 << op.x) - 1 };
                self.fetch(op.a, RAX);
                self.a.alu_imm(false, op::AND, Rm::R(RAX), low);
                self.a.shift(false, shift::SHL, Rm::R(RAX), op.imm as u8 & 31);
                self.fetch(op.b, RCX);
                self.a.alu_imm(false, op::AND, Rm::R(RCX), !(low << (op.imm & 31)));
                self.a.op(false, op::OR, RAX, Rm::R(RCX));
                self.put(op.d, RAX);
            }
            Clz => {
                // Of zero the host finds no bit; 63 is what gives 32 below.
                let a = self.rm(op.a);
                self.a.mov_imm(RCX, 63);
                self.a.op(false, op::BSR, RAX, a);
                self.a.op(false, op::CMOV + u32::from(cc::E), RAX, Rm::R(RCX));
                self.a.alu_imm(false, op::XOR, Rm::R(RAX), 31);
                self.put(op.d, RAX);
            }
            Rbit => self.reverse_bits(op),
            Rev | Rev16 => {
                let w = self.begin(op.d, op.a, None);
                self.a.bswap(w);
                if op.code == Rev16 {
                    self.a.shift(false, shift::ROR, Rm::R(w), 16);
                }
                self.put(op.d, w);
            }
            RevSh => {
                self.fetch(op.a, RAX);
                self.a.bswap(RAX);
                self.a.shift(false, shift::SAR, Rm::R(RAX), 16);
                self.put(op.d, RAX);
            }
            Ld8 | Ld8S | Ld16 | Ld16S | Ld32 | LdX8 | LdX8S | LdX16 | LdX16S | LdX32 => self.load(i, op),
            St8 | St16 | St32 | StX8 | StX16 | StX32 => self.store(i, op),
            LdM => self.load_many(i, op),
            StM => self.store_many(i, op),
            LdPair => self.load_pair(i, op),
            StPair => self.store_pair(i, op),
            StEx => self.store_exclusive(i, op),
            Ld64 => self.pair(i, op, To::Read),
            St64 => self.pair(i, op, To::Write),
            Float => self.float(i, op),
            FlagsOfStatus => self.flags_of_status(),
            CallIfZero => {
                let (slow, a) = (self.slow(i), self.rm(op.a));
                self.a.alu_imm(false, op::CMP, a, 0);
                self.a.jcc(cc::E, slow);
                self.back();
            }
            Skip if self.conditional_move(i, op) => {}
            Skip => {
                let over = self.a.label();
                if op.x & 15 < 14 {
                    let cc = self.condition(op.x);
                    if op.imm2 == 0 {
                        self.a.jcc(cc ^ 1, over);
                    } else {
                        let holds = self.a.label();
                        self.a.jcc(cc, holds);
                        self.refund(op.imm2, 0);
                        self.a.jmp(over);
                        self.a.bind(holds);
                    }
                }
                self.skips.push((i + 1 + op.imm as usize, over, self.host_version));
            }
            Jump => {
                self.give_back(op);
                self.go(None, op.imm);
            }
            Branch => {
                self.give_back(op);
                self.branch(op, op.imm, op.imm2);
            }
            BranchZ | BranchNz => {
                self.give_back(op);
                let a = self.get(op.a, RAX);
                self.a.op(false, op::TEST, a, Rm::R(a));
                self.go_either(if op.code == BranchZ { cc::E } else { cc::NE }, op, op.imm, op.imm2);
            }
            BranchEq | BranchNe | BranchLt | BranchGe | BranchLtu | BranchGeu => {
                self.give_back(op);
                let cc = [cc::E, cc::NE, cc::L, cc::GE, cc::B, cc::AE];
                self.compare_branch(op, cc[op.code as usize - BranchEq as usize]);
            }
            SubIBranch | SubIBranchEq | SubIBranchNe | SubBranch => {
                if op.code == SubBranch {
                    self.alu(i, op, op::SUB, Host::Sub);
                } else {
                    self.alu_with_imm(i, op, op::SUB, Host::Sub);
                }
                self.branch(op, op.imm2, self.block.insns[self.block.len()].pc);
            }
            MovIJump => {
                self.put_imm(op.d, op.imm);
                self.go(None, op.imm2);
            }
            JumpReg => self.jump_reg(i, op),
            LdUser | StUser | Call | CallEnd => self.call_helper(i),
        }
    }

    /// A copy of a slot.
    pub(super) fn copy(&mut self, op: &Op) {
        let own = self.target(op.d);
        match self.reg(op.a) {
            Some(a) => self.put(op.d, a),
            None => {
                self.fetch(op.a, own);
                self.put(op.d, own);
            }
        }
    }
    /// The register that holds what was just put into a slot.
    pub(super) fn result(&mut self, slot: u8) -> u8 {
        self.get(slot, RAX)
    }

    pub(super) fn logic_flags(&mut self, i: usize, w: u8) {
        if self.live[i] & flags::NZ != 0 {
            self.a.op(false, op::TEST, w, Rm::R(w));
        }
        self.keep_flags(
            i,
            w,
            flags::NZ,
            if self.live[i] & flags::NZ != 0 { Host::Logic } else { Host::None },
        );
    }

    pub(super) fn alu(&mut self, i: usize, op: &Op, opcode: u32, host: Host) {
        let (mut a, mut b) = (op.a, op.b);
        let own = self.reg(op.d);
        if opcode != op::SUB && own.is_some() && self.reg(b) == own && self.reg(a) != own {
            (a, b) = (b, a);
        }
        let w = self.begin(op.d, a, Some(b));
        self.finish(i, &Op { a, b, ..*op }, opcode, w, host);
    }

    /// `w op= r[b]`, the flags, the result.
    pub(super) fn finish(&mut self, i: usize, op: &Op, opcode: u32, w: u8, host: Host) {
        let b = self.rm(op.b);
        self.a.op(false, opcode, w, b);
        self.flags_of(i, w, host);
        self.put(op.d, w);
    }

    pub(super) fn alu_with_imm(&mut self, i: usize, op: &Op, opcode: u32, host: Host) {
        let w = self.begin(op.d, op.a, None);
        self.a.alu_imm(false, opcode, Rm::R(w), op.imm);
        self.flags_of(i, w, host);
        self.put(op.d, w);
    }

    pub(super) fn flags_of(&mut self, i: usize, w: u8, host: Host) {
        match host {
            Host::None => {}
            Host::Logic => self.keep_flags(i, w, flags::NZ, host),
            _ => self.keep_flags(i, w, flags::ALL, host),
        }
    }

    pub(super) fn add_imm(&mut self, op: &Op, imm: u32) {
        if let (Some(d), Some(a)) = (self.reg(op.d), self.reg(op.a))
            && d != a
        {
            return self.a.op(false, op::LEA, d, Rm::M(a, imm as i32));
        }
        let w = self.begin(op.d, op.a, None);
        self.a.alu_imm(false, op::ADD, Rm::R(w), imm);
        self.put(op.d, w);
    }

    pub(super) fn shift_imm(&mut self, i: usize, op: &Op) {
        use Code::*;
        let ext = match op.code {
            LslI | LslIS | LslIC => shift::SHL,
            LsrI | LsrIS | LsrIC => shift::SHR,
            AsrI | AsrIS | AsrIC => shift::SAR,
            _ => shift::ROR,
        };
        let (nz, c) = match op.code {
            LslIS | LsrIS | AsrIS | RorIS => (flags::NZ, flags::C),
            LslIC | LsrIC | AsrIC | RorIC => (0, flags::C),
            _ => (0, 0),
        };
        let w = self.begin(op.d, op.a, None);
        if op.imm < 32 || ext == shift::SAR && c == 0 {
            self.a.shift(false, ext, Rm::R(w), op.imm.min(31) as u8);
        } else {
            // By all bits, in two steps: the last bit out is the second's. A sign stays what it is.
            self.a.shift(false, ext, Rm::R(w), 31);
            self.a.shift(false, ext, Rm::R(w), 1);
        }
        if c != 0 {
            // Rotation leaves the host's Z and S.
            let host = if ext == shift::ROR || nz == 0 { Host::None } else { Host::Logic };
            self.keep_flags(i, w, nz | c, host);
        }
        self.put(op.d, w);
    }

    /// By a byte, by ARM's rules: in 64 bits nothing special happens at 32. The last bit shifted out lies at bit 32 or 31.
    pub(super) fn shift_arm(&mut self, i: usize, op: &Op) {
        use Code::*;
        let sets = matches!(op.code, LslS | LsrS | AsrS | RorS);
        let ror = matches!(op.code, Ror | RorS);
        self.fetch(op.b, RCX);
        self.a.op8(op::MOVZX8, RCX, Rm::R(RCX));
        if !ror {
            self.a.mov_imm(RDX, 63);
            self.a.op(false, op::CMP, RCX, Rm::R(RDX));
            self.a.op(false, op::CMOV + u32::from(cc::A), RCX, Rm::R(RDX));
        }
        self.fetch(op.a, RAX);
        let ext = match op.code {
            Lsl | LslS => shift::SHL,
            Lsr | LsrS => shift::SHR,
            Asr | AsrS => shift::SAR,
            _ => shift::ROR,
        };
        let right = matches!(ext, shift::SHR | shift::SAR);
        if right {
            self.a.shift(true, shift::SHL, Rm::R(RAX), 32);
        }
        self.a.op(!ror, op::SHIFT_CL, ext, Rm::R(RAX));
        if sets && self.live[i] & flags::C != 0 {
            let (over, c) = (self.a.label(), self.rm(C));
            self.a.op(false, op::TEST, RCX, Rm::R(RCX));
            self.a.jcc(cc::E, over);
            self.a.bit(true, Rm::R(RAX), if ext == shift::SHL { 32 } else { 31 });
            self.a.op(false, op::SET + u32::from(cc::B), 0, c);
            self.a.bind(over);
        }
        if right {
            self.a.shift(true, shift::SHR, Rm::R(RAX), 32);
        }
        self.a.op(false, op::LOAD, RAX, Rm::R(RAX)); // the low half alone
        if sets {
            self.keep_flags(i, RAX, flags::NZ, Host::None);
        }
        self.put(op.d, RAX);
    }

    pub(super) fn long_multiply(&mut self, op: &Op) {
        use Code::*;
        if op.code == Mulhsu {
            let a = self.rm(op.a);
            self.a.op(true, op::MOVSXD, RAX, a);
            self.fetch(op.b, RCX);
            self.a.op(true, op::IMUL, RAX, Rm::R(RCX));
            self.a.shift(true, shift::SHR, Rm::R(RAX), 32);
            return self.put(op.d, RAX);
        }
        let signed = matches!(op.code, Smull | Smlal | Mulh);
        self.fetch(op.a, RAX);
        let b = self.rm(op.b);
        self.a.op(false, op::UNARY, if signed { unary::IMUL } else { unary::MUL }, b);
        if matches!(op.code, Mulh | Mulhu) {
            return self.put(op.d, RDX);
        }
        if matches!(op.code, Umlal | Smlal) {
            let (lo, hi) = (self.rm(op.d), self.rm(op.c));
            self.a.op(false, op::ADD, RAX, lo);
            self.a.op(false, op::ADC, RDX, hi);
        }
        self.put(op.d, RAX);
        self.put(op.c, RDX);
    }

    /// Division by zero is the helper's; the host would trap on the one signed overflow.
    pub(super) fn divide(&mut self, i: usize, op: &Op) {
        use Code::*;
        let slow = self.slow(i);
        let signed = matches!(op.code, Sdiv | DivRv | RemRv);
        let rest = matches!(op.code, RemRv | RemuRv);
        self.fetch(op.b, RCX);
        self.a.op(false, op::TEST, RCX, Rm::R(RCX));
        self.a.jcc(cc::E, slow);
        self.fetch(op.a, RAX);
        let (by_minus_one, done) = (self.a.label(), self.a.label());
        if signed {
            self.a.alu_imm(false, op::CMP, Rm::R(RCX), u32::MAX);
            self.a.jcc(cc::E, by_minus_one);
            self.a.bytes(&[0x99]); // cdq
            self.a.op(false, op::UNARY, unary::IDIV, Rm::R(RCX));
            self.a.jmp(done);
            self.a.bind(by_minus_one);
            self.a.op(false, op::UNARY, unary::NEG, Rm::R(RAX));
            self.a.mov_imm(RDX, 0);
            self.a.bind(done);
        } else {
            self.a.mov_imm(RDX, 0);
            self.a.op(false, op::UNARY, unary::DIV, Rm::R(RCX));
        }
        self.put(op.d, if rest { RDX } else { RAX });
        self.back();
    }

    pub(super) fn set_condition(&mut self, d: u8, cc: u8) {
        self.a.op8(op::SET + u32::from(cc), 0, Rm::R(RAX));
        self.a.op8(op::MOVZX8, RAX, Rm::R(RAX));
        self.put(d, RAX);
    }

    pub(super) fn extend(&mut self, op: &Op, opcode: u32) {
        let w = self.target(op.d);
        let mut a = self.rm(op.a);
        if op.imm & 31 != 0 {
            self.fetch(op.a, RAX);
            self.a.shift(false, shift::ROR, Rm::R(RAX), op.imm as u8 & 31);
            a = Rm::R(RAX);
        }
        self.a.op8(opcode, w, a);
        self.put(op.d, w);
    }

    /// The bytes, then nibbles, pairs and bits within them.
    fn reverse_bits(&mut self, op: &Op) {
        self.fetch(op.a, RAX);
        self.a.bswap(RAX);
        for (by, mask) in [(4, 0x0f0f_0f0f), (2, 0x3333_3333), (1, 0x5555_5555)] {
            self.a.mov(RCX, RAX);
            self.a.shift(false, shift::SHR, Rm::R(RCX), by);
            self.a.alu_imm(false, op::AND, Rm::R(RCX), mask);
            self.a.alu_imm(false, op::AND, Rm::R(RAX), mask);
            self.a.shift(false, shift::SHL, Rm::R(RAX), by);
            self.a.op(false, op::OR, RAX, Rm::R(RCX));
        }
        self.put(op.d, RAX);
    }

    /// FP registers are a slot each for two halves.
    pub(super) fn halves(&mut self, i: usize, op: &Op) {
        let half = |rm, n| match rm {
            Rm::M(base, disp) => Some(Rm::M(base, disp + 4 * n)),
            _ => None,
        };
        let (d, a) = (self.rm(op.d), self.rm(op.a));
        match op.code {
            Code::Mov64 => {
                self.a.op(true, op::LOAD, RAX, a);
                match d {
                    Rm::R(d) => self.a.op(true, op::LOAD, d, Rm::R(RAX)),
                    d => self.a.op(true, op::STORE, RAX, d),
                }
            }
            Code::Hi => match half(a, 1) {
                Some(a) => {
                    let w = self.target(op.d);
                    self.a.op(false, op::LOAD, w, a);
                    self.put(op.d, w);
                }
                None => self.call_helper(i),
            },
            _ => match half(d, i32::from(op.code == Code::SetHi)) {
                Some(d) => {
                    let a = self.get(op.a, RAX);
                    self.a.op(false, op::STORE, a, d);
                }
                None => self.call_helper(i),
            },
        }
    }
}

/// Operations whose templates compute one result and leave it in `eax` if it is for [`TRASH`]: no flags, no faults.
pub(super) fn only_computes(code: Code) -> bool {
    use Code::*;
    matches!(
        code,
        Mov | MovI
            | Mvn
            | Add
            | AddI
            | AddLsl
            | Sub
            | SubI
            | RsbI
            | And
            | AndI
            | Or
            | OrI
            | Xor
            | XorI
            | Bic
            | Orn
    ) || matches!(
        code,
        LslI | AsrI | RorI | Mul | Sxtb | Sxth | Uxtb | Uxth | Ubfx | Sbfx | Bfi | Rev | Rev16
    )
}
