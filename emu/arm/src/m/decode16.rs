//! 16-bit Thumb instructions (DDI0403E A5.2).

use super::call;
use super::decode::{Done, OK, Tr, bit, bits, reg};
use super::slots::{LR, PC, SP, ZERO};
use emu_engine::ir::{Code, Code::*, TRASH};

impl Tr {
    /// Table A5-1.
    pub fn thumb16(&mut self, hw: u16) -> Done {
        match hw >> 10 {
            0b000000..=0b000111 => self.shift_add(hw),
            0b001000..=0b001111 => self.immediate8(hw),
            0b010000 => self.data_processing16(hw),
            0b010001 => self.special_data(hw),
            0b010010 | 0b010011 => self.ldr_literal16(hw),
            0b010100..=0b010111 => self.load_store_register16(hw),
            0b011000..=0b100111 => self.load_store_immediate16(hw),
            0b101000 | 0b101001 => {
                let base = self.pc_value() & !3;
                self.imm(MovI, bits(hw, 8, 3) as u8, 0, base.wrapping_add(bits(hw, 0, 8) << 2));
                OK
            }
            0b101010 | 0b101011 => {
                self.imm(AddI, bits(hw, 8, 3) as u8, SP, bits(hw, 0, 8) << 2);
                OK
            }
            0b101100..=0b101111 => self.miscellaneous16(hw),
            0b110000 | 0b110001 => self.store_multiple(bits(hw, 8, 3) as u8, bits(hw, 0, 8), true, false, 1),
            0b110010 | 0b110011 => {
                let (n, list) = (bits(hw, 8, 3) as u8, bits(hw, 0, 8));
                self.load_multiple(n, list, list >> n & 1 == 0, false, 1)
            }
            0b110100..=0b110111 => self.conditional_branch16(hw),
            _ => self.branch(self.pc_value().wrapping_add(sign_extend(bits(hw, 0, 11) << 1, 12))),
        }
    }

    /// The code that sets flags outside IT blocks, and its plain form inside.
    fn set_flags(&self, code: Code) -> Code {
        if self.in_it() { code.flagless().map_or(code, |(_, plain)| plain) } else { code }
    }

    /// Table A5-2, first half: shift by immediate, add and subtract three operands.
    fn shift_add(&mut self, hw: u16) -> Done {
        let (d, n) = (bits(hw, 0, 3) as u8, bits(hw, 3, 3) as u8);
        let (m, imm3) = (bits(hw, 6, 3) as u8, bits(hw, 6, 3));
        match bits(hw, 9, 5) {
            0b01100 => self.op(self.set_flags(AddS), d, n, m),
            0b01101 => self.op(self.set_flags(SubS), d, n, m),
            0b01110 => self.imm(self.set_flags(AddIS), d, n, imm3),
            0b01111 => self.imm(self.set_flags(SubIS), d, n, imm3),
            _ => return self.shift_move(bits(hw, 11, 2), bits(hw, 6, 5), d, n, !self.in_it()),
        };
        OK
    }

    /// Table A5-2, second half: move, compare, add and subtract an 8-bit immediate.
    fn immediate8(&mut self, hw: u16) -> Done {
        let (d, imm) = (bits(hw, 8, 3) as u8, bits(hw, 0, 8));
        match bits(hw, 11, 2) {
            0 => self.imm(self.set_flags(MovIS), d, 0, imm),
            1 => self.imm(SubIS, TRASH, d, imm),
            2 => self.imm(self.set_flags(AddIS), d, d, imm),
            _ => self.imm(self.set_flags(SubIS), d, d, imm),
        };
        OK
    }

    /// Table A5-3.
    fn data_processing16(&mut self, hw: u16) -> Done {
        let (d, m) = (bits(hw, 0, 3) as u8, bits(hw, 3, 3) as u8);
        let s = !self.in_it();
        match bits(hw, 6, 4) {
            0b0000 => self.op(self.set_flags(AndS), d, d, m),
            0b0001 => self.op(self.set_flags(XorS), d, d, m),
            0b0010 => self.op(if s { LslS } else { Lsl }, d, d, m),
            0b0011 => self.op(if s { LsrS } else { Lsr }, d, d, m),
            0b0100 => self.op(if s { AsrS } else { Asr }, d, d, m),
            0b0101 => self.op(self.set_flags(AdcS), d, d, m),
            0b0110 => self.op(self.set_flags(SbcS), d, d, m),
            0b0111 => self.op(if s { RorS } else { Ror }, d, d, m),
            0b1000 => self.op(AndS, TRASH, d, m),
            0b1001 => self.imm(self.set_flags(RsbIS), d, m, 0),
            0b1010 => self.op(SubS, TRASH, d, m),
            0b1011 => self.op(AddS, TRASH, d, m),
            0b1100 => self.op(self.set_flags(OrS), d, d, m),
            0b1101 => self.op(self.set_flags(MulS), d, m, d),
            0b1110 => self.op(self.set_flags(BicS), d, d, m),
            _ => self.op(self.set_flags(MvnS), d, m, 0),
        };
        OK
    }

    /// Table A5-4: operations on all registers, branch and exchange.
    fn special_data(&mut self, hw: u16) -> Done {
        let (d, m) = ((bits(hw, 7, 1) << 3 | bits(hw, 0, 3)) as u8, reg(hw, 3));
        match bits(hw, 8, 2) {
            0b00 => {
                let (a, b) = (self.src(d), self.src(m));
                let t = if d == PC { self.temp() } else { self.dst(d) };
                self.op(Add, t, a, b);
                return self.alu_write(d, t);
            }
            0b01 => {
                let (a, b) = (self.src(d), self.src(m));
                self.op(SubS, TRASH, a, b);
            }
            0b10 if d == PC => {
                let a = self.src(m);
                return self.branch_reg(a);
            }
            0b10 => {
                let a = self.src(m);
                if d == SP {
                    self.put(d, a);
                } else {
                    self.op(Mov, d, a, 0);
                }
            }
            _ => return self.branch_exchange(m, bit(hw, 7), hw & 7),
        }
        OK
    }

    /// ALUWritePC or a register.
    #[doc(alias = "ALUWritePC")]
    fn alu_write(&mut self, d: u8, slot: u8) -> Done {
        if d == PC {
            return self.branch_reg(slot);
        }
        self.put(d, slot);
        OK
    }

    /// BX and BLX. The manual's BLX has no exception return; here both are one, as that address is no code anyway.
    fn branch_exchange(&mut self, m: u8, link: bool, zero: u16) -> Done {
        if zero != 0 || m == PC && link {
            return None;
        }
        let mut target = self.src(m);
        if link {
            if m == LR {
                target = self.temp();
                self.op(Mov, target, LR, 0);
            }
            self.imm(MovI, LR, 0, self.next | 1);
        }
        self.jump_reg(target)
    }

    fn ldr_literal16(&mut self, hw: u16) -> Done {
        let address = (self.pc_value() & !3).wrapping_add(bits(hw, 0, 8) << 2);
        self.access(Ld32, bits(hw, 8, 3) as u8, ZERO, address, self.mem());
        OK
    }

    /// Table A5-5, register offsets.
    fn load_store_register16(&mut self, hw: u16) -> Done {
        let code = [StX32, StX16, StX8, LdX8S, LdX32, LdX16, LdX8, LdX16S][bits(hw, 9, 3) as usize];
        let at = self.op(code, bits(hw, 0, 3) as u8, bits(hw, 3, 3) as u8, bits(hw, 6, 3) as u8);
        self.b.op(at).x = self.mem();
        OK
    }

    /// Table A5-5, immediate offsets.
    fn load_store_immediate16(&mut self, hw: u16) -> Done {
        let (t, n, imm5) = (bits(hw, 0, 3) as u8, bits(hw, 3, 3) as u8, bits(hw, 6, 5));
        let (sp_t, sp_imm) = (bits(hw, 8, 3) as u8, bits(hw, 0, 8) << 2);
        let mem = self.mem();
        match hw >> 11 {
            0b01100 => self.access(St32, t, n, imm5 << 2, mem),
            0b01101 => self.access(Ld32, t, n, imm5 << 2, mem),
            0b01110 => self.access(St8, t, n, imm5, mem),
            0b01111 => self.access(Ld8, t, n, imm5, mem),
            0b10000 => self.access(St16, t, n, imm5 << 1, mem),
            0b10001 => self.access(Ld16, t, n, imm5 << 1, mem),
            0b10010 => self.access(St32, sp_t, SP, sp_imm, mem),
            _ => self.access(Ld32, sp_t, SP, sp_imm, mem),
        }
        OK
    }

    /// Table A5-6.
    fn miscellaneous16(&mut self, hw: u16) -> Done {
        let (d, m) = (bits(hw, 0, 3) as u8, bits(hw, 3, 3) as u8);
        let v7 = self.cfg.v7;
        match bits(hw, 5, 7) {
            0b0000000..=0b0000011 => self.add_to(SP, bits(hw, 0, 7) << 2),
            0b0000100..=0b0000111 => self.add_to(SP, (bits(hw, 0, 7) << 2).wrapping_neg()),
            0b0110011 => return self.cps(hw),
            op if op & 0b0101000 == 0b0001000 && v7 => return self.compare_branch(hw),
            0b0010000 | 0b0010001 => _ = self.op(Sxth, d, m, 0),
            0b0010010 | 0b0010011 => _ = self.op(Sxtb, d, m, 0),
            0b0010100 | 0b0010101 => _ = self.op(Uxth, d, m, 0),
            0b0010110 | 0b0010111 => _ = self.op(Uxtb, d, m, 0),
            0b0100000..=0b0101111 => {
                let list = bits(hw, 0, 8) | bits(hw, 8, 1) << 14;
                return self.store_multiple(SP, list, true, true, 1);
            }
            0b1010000 | 0b1010001 => _ = self.op(Rev, d, m, 0),
            0b1010010 | 0b1010011 => _ = self.op(Rev16, d, m, 0),
            0b1010110 | 0b1010111 => _ = self.op(RevSh, d, m, 0),
            0b1100000..=0b1101111 => {
                let list = bits(hw, 0, 8) | bits(hw, 8, 1) << 15;
                return self.load_multiple(SP, list, true, false, 1);
            }
            0b1110000..=0b1110111 => {
                self.call(call::BKPT).imm2 = bits(hw, 0, 8);
                self.end = true;
            }
            0b1111000..=0b1111111 => return self.if_then_and_hints(hw),
            _ => return None,
        }
        OK
    }

    /// CBZ and CBNZ.
    fn compare_branch(&mut self, hw: u16) -> Done {
        if self.in_it() {
            return None;
        }
        let offset = bits(hw, 9, 1) << 6 | bits(hw, 3, 5) << 1;
        let code = if bit(hw, 11) { BranchNz } else { BranchZ };
        let at = self.imm(code, 0, bits(hw, 0, 3) as u8, self.pc_value().wrapping_add(offset));
        let (next, spare) = (self.next, self.spare);
        let op = self.b.op(at);
        (op.imm2, op.c) = (next, spare);
        self.end = true;
        OK
    }

    /// Table A5-7.
    fn if_then_and_hints(&mut self, hw: u16) -> Done {
        if hw & 15 == 0 {
            return self.hint(bits(hw, 4, 4));
        }
        if !self.cfg.v7 {
            return None;
        }
        self.next_it = hw as u8;
        OK
    }

    /// Table A5-8.
    fn conditional_branch16(&mut self, hw: u16) -> Done {
        match bits(hw, 8, 4) as u8 {
            14 => None,
            15 => {
                self.call(call::SVC).imm2 = bits(hw, 0, 8);
                self.end = true;
                OK
            }
            _ if self.in_it() => None,
            cond => {
                let offset = sign_extend(bits(hw, 0, 8) << 1, 9);
                self.branch_if(cond, self.pc_value().wrapping_add(offset));
                OK
            }
        }
    }
}

/// The low `width` bits of `v` as a signed number.
pub(super) fn sign_extend(v: u32, width: u32) -> u32 {
    ((v << (32 - width)) as i32 >> (32 - width)) as u32
}
