//! From RISC-V code to blocks of operations (volume I, chapters 2, 3, 7, 8, 9 and 16; opcodes of table 24.1).

use crate::{RESERVATION, X0, call, compressed, timing, trap};
use emu_engine::ir::{Block, Builder, Code, MAX_INSNS, MEM_ALIGNED, MEM_STORE, Op, TEMP, TRASH};

/// Two cores of this crate decode alike; no other front end's number is as large.
pub(crate) const DECODER_ID: u64 = 0x5256_3332 << 32;

/// funct5 of LR.W.
const LR: u32 = 2;
/// funct5 of SC.W.
const SC: u32 = 3;
/// funct5 of AMOSWAP.W.
const SWAP: u32 = 1;

/// Temporaries of atomic instructions: what was read, and what is made of it.
const OLD: u8 = TEMP + 1;
const OTHER: u8 = TEMP + 2;
const DIFFERENCE: u8 = TEMP + 3;

/// `None`: the instruction is illegal.
type Done = Option<()>;
const OK: Done = Some(());

/// Translates the block that starts at `code[offset]`, whose address is `pc`: at most `max` instructions, none of which
/// starts at or behind `page_end`.
pub(crate) fn translate(code: &[u8], offset: usize, page_end: usize, pc: u32, max: usize) -> Block {
    let mut t = Tr { b: Builder::new(), pc, next: pc, end: false, spare: 0 };
    let mut at = offset;
    loop {
        at += t.instruction(code.get(at..).unwrap_or(&[]));
        if t.end || t.b.len() >= max.min(MAX_INSNS) || at >= page_end {
            return t.b.finish(t.next, 0);
        }
    }
}

/// The fields of a 32-bit instruction (volume I, 2.2 and 2.3).
#[derive(Clone, Copy)]
struct Word(u32);

impl Word {
    fn bits(self, lsb: u32, width: u32) -> u32 {
        self.0 >> lsb & ((1 << width) - 1)
    }
    fn opcode(self) -> u32 {
        self.bits(0, 7)
    }
    fn rd(self) -> u8 {
        self.bits(7, 5) as u8
    }
    fn rs1(self) -> u8 {
        self.bits(15, 5) as u8
    }
    fn rs2(self) -> u8 {
        self.bits(20, 5) as u8
    }
    fn funct3(self) -> u32 {
        self.bits(12, 3)
    }
    fn funct7(self) -> u32 {
        self.bits(25, 7)
    }
    fn imm_i(self) -> u32 {
        (self.0 as i32 >> 20) as u32
    }
    fn imm_s(self) -> u32 {
        self.imm_i() & !31 | self.bits(7, 5)
    }
    fn imm_b(self) -> u32 {
        let sign = (self.0 as i32 >> 31) as u32;
        sign << 12 | self.bits(7, 1) << 11 | self.bits(25, 6) << 5 | self.bits(8, 4) << 1
    }
    fn imm_u(self) -> u32 {
        self.0 & !0xfff
    }
    fn imm_j(self) -> u32 {
        let sign = (self.0 as i32 >> 31) as u32;
        sign << 20 | self.bits(12, 8) << 12 | self.bits(20, 1) << 11 | self.bits(21, 10) << 1
    }
}

/// A register's slot to read.
fn src(r: u8) -> u8 {
    X0 + r
}
/// A register's slot to write: nobody reads what goes to x0.
fn dst(r: u8) -> u8 {
    if r == 0 { TRASH } else { X0 + r }
}

/// A block under construction.
struct Tr {
    b: Builder,
    /// Address of the current instruction.
    pc: u32,
    /// Address of the one behind it.
    next: u32,
    /// The block ends with this instruction.
    end: bool,
    /// What a branch takes less if it is not taken.
    spare: u8,
}

impl Tr {
    /// Translates the instruction at the start of `code`; returns its length.
    fn instruction(&mut self, code: &[u8]) -> usize {
        self.pc = self.next;
        let half = |n: usize| code.get(2 * n..2 * n + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        let Some(low) = half(0) else { return self.no_code(0) };
        if low & 3 != 3 {
            self.next = self.pc.wrapping_add(2);
            self.word(compressed::expand(low), low.into());
            return 2;
        }
        let Some(high) = half(1) else { return self.no_code(2) };
        self.next = self.pc.wrapping_add(4);
        let word = u32::from(high) << 16 | u32::from(low);
        self.word(Some(word), word);
        4
    }

    /// No memory at `at` bytes into the instruction.
    fn no_code(&mut self, at: u32) -> usize {
        let addr = self.pc.wrapping_add(at);
        self.b.insn(self.pc, 0, 1);
        self.trap(trap::FETCH_FAULT, addr);
        self.next = self.pc.wrapping_add(2);
        2
    }

    /// An instruction, and its bits as they are in memory.
    fn word(&mut self, word: Option<u32>, bits: u32) {
        let cost = word.map_or(1, timing::cost);
        self.b.insn(self.pc, 0, cost);
        self.spare = cost - 1;
        if word.and_then(|w| self.base(Word(w))).is_none() {
            self.trap(trap::ILLEGAL, bits);
        }
    }

    /// The instruction traps, and is the block's last.
    fn trap(&mut self, cause: u32, tval: u32) {
        let op = self.call(call::TRAP);
        (op.d, op.imm2) = (cause as u8, tval);
        self.end = true;
    }

    fn call(&mut self, id: u32) -> &mut Op {
        let at = self.b.push(Code::Call, 0, 0, 0, id);
        self.b.op(at)
    }

    fn op(&mut self, code: Code, d: u8, a: u8, b: u8) {
        self.b.push(code, d, a, b, 0);
    }

    fn imm(&mut self, code: Code, d: u8, a: u8, imm: u32) {
        self.b.push(code, d, a, 0, imm);
    }

    fn base(&mut self, w: Word) -> Done {
        match w.opcode() {
            0x37 => self.set(w.rd(), w.imm_u()),
            0x17 => self.set(w.rd(), self.pc.wrapping_add(w.imm_u())),
            0x6f => self.jal(w),
            0x67 => self.jalr(w),
            0x63 => self.branch(w),
            0x03 => self.load(w),
            0x23 => self.store(w),
            0x13 => self.op_imm(w),
            0x33 => self.op_reg(w),
            // Every combination of the other fields is some fence (volume I, 2.7); stores to code are seen at once.
            0x0f if w.funct3() <= 1 => OK,
            0x2f => self.atomic(w),
            0x73 => self.system(w),
            _ => None,
        }
    }

    /// `rd` becomes a constant.
    fn set(&mut self, rd: u8, v: u32) -> Done {
        if rd != 0 {
            self.imm(Code::MovI, dst(rd), 0, v);
        }
        OK
    }

    /// `rd` becomes the value of `rs`.
    fn copy(&mut self, rd: u8, rs: u8) -> Done {
        match (rd, rs) {
            (0, _) => {}
            (_, 0) => self.imm(Code::MovI, dst(rd), 0, 0),
            _ if rd == rs => {}
            _ => self.op(Code::Mov, dst(rd), src(rs), 0),
        }
        OK
    }

    fn jal(&mut self, w: Word) -> Done {
        self.set(w.rd(), self.next);
        self.imm(Code::Jump, 0, 0, self.pc.wrapping_add(w.imm_j()));
        self.end = true;
        OK
    }

    fn jalr(&mut self, w: Word) -> Done {
        if w.funct3() != 0 {
            return None;
        }
        self.end = true;
        let mut target = src(w.rs1());
        if w.imm_i() != 0 || w.rd() == w.rs1() {
            self.imm(Code::AddI, TEMP, target, w.imm_i());
            target = TEMP;
        }
        self.set(w.rd(), self.next);
        self.op(Code::JumpReg, 0, target, 0);
        OK
    }

    fn branch(&mut self, w: Word) -> Done {
        let (mut a, mut b) = (w.rs1(), w.rs2());
        if a == 0 {
            (a, b) = (b, a); // only equality is lowered to a comparison with zero
        }
        let code = match (w.funct3(), b) {
            (0, 0) => Code::BranchZ,
            (0, _) => Code::BranchEq,
            (1, 0) => Code::BranchNz,
            (1, _) => Code::BranchNe,
            (4, _) => Code::BranchLt,
            (5, _) => Code::BranchGe,
            (6, _) => Code::BranchLtu,
            (7, _) => Code::BranchGeu,
            _ => return None,
        };
        if w.funct3() >= 4 {
            (a, b) = (w.rs1(), w.rs2());
        }
        let at = self.b.push(code, 0, src(a), src(b), self.pc.wrapping_add(w.imm_b()));
        let (next, spare) = (self.next, self.spare);
        let op = self.b.op(at);
        (op.imm2, op.c) = (next, spare);
        self.end = true;
        OK
    }

    fn load(&mut self, w: Word) -> Done {
        let code = match w.funct3() {
            0 => Code::Ld8S,
            1 => Code::Ld16S,
            2 => Code::Ld32,
            4 => Code::Ld8,
            5 => Code::Ld16,
            _ => return None,
        };
        self.imm(code, dst(w.rd()), src(w.rs1()), w.imm_i());
        OK
    }

    fn store(&mut self, w: Word) -> Done {
        let code = match w.funct3() {
            0 => Code::St8,
            1 => Code::St16,
            2 => Code::St32,
            _ => return None,
        };
        self.imm(code, src(w.rs2()), src(w.rs1()), w.imm_s());
        OK
    }

    fn op_imm(&mut self, w: Word) -> Done {
        let (imm, shamt) = (w.imm_i(), w.imm_i() & 31);
        let code = match (w.funct3(), w.funct7()) {
            (0, _) => Code::AddI,
            (1, 0) => Code::LslI,
            (2, _) => Code::SltI,
            (3, _) => Code::SltuI,
            (4, _) => Code::XorI,
            (5, 0) => Code::LsrI,
            (5, 0x20) => Code::AsrI,
            (6, _) => Code::OrI,
            (7, _) => Code::AndI,
            _ => return None,
        };
        let shift = matches!(code, Code::LslI | Code::LsrI | Code::AsrI);
        let imm = if shift { shamt } else { imm };
        match code {
            _ if w.rd() == 0 => {}
            Code::AddI if w.rs1() == 0 => self.imm(Code::MovI, dst(w.rd()), 0, imm),
            Code::AddI | Code::LslI | Code::LsrI | Code::AsrI if imm == 0 => {
                return self.copy(w.rd(), w.rs1());
            }
            _ => self.imm(code, dst(w.rd()), src(w.rs1()), imm),
        }
        OK
    }

    fn op_reg(&mut self, w: Word) -> Done {
        let code = match (w.funct7(), w.funct3()) {
            (0, 0) => Code::Add,
            (0x20, 0) => Code::Sub,
            (0, 1) => Code::Sll,
            (0, 2) => Code::Slt,
            (0, 3) => Code::Sltu,
            (0, 4) => Code::Xor,
            (0, 5) => Code::Srl,
            (0x20, 5) => Code::Sra,
            (0, 6) => Code::Or,
            (0, 7) => Code::And,
            (1, 0) => Code::Mul,
            (1, 1) => Code::Mulh,
            (1, 2) => Code::Mulhsu,
            (1, 3) => Code::Mulhu,
            (1, 4) => Code::DivRv,
            (1, 5) => Code::DivuRv,
            (1, 6) => Code::RemRv,
            (1, 7) => Code::RemuRv,
            _ => return None,
        };
        match (code, w.rs1(), w.rs2()) {
            _ if w.rd() == 0 => OK,
            (Code::Add, 0, r) | (Code::Add, r, 0) => self.copy(w.rd(), r),
            (_, a, b) => {
                self.op(code, dst(w.rd()), src(a), src(b));
                OK
            }
        }
    }

    fn atomic(&mut self, w: Word) -> Done {
        let funct5 = w.bits(27, 5);
        let known = match funct5 {
            LR => w.rs2() == 0,
            SC => true,
            other => other & 3 == 0 || other == SWAP,
        };
        if w.funct3() != 2 || !known {
            return None;
        }
        let (d, a, b) = (dst(w.rd()), src(w.rs1()), src(w.rs2()));
        match funct5 {
            LR => {
                self.imm(Code::OrI, OTHER, a, 1);
                self.memory(Code::Ld32, d, a, MEM_ALIGNED);
                self.op(Code::Mov, RESERVATION, OTHER, 0);
            }
            SC => self.store_conditional(d, a, b),
            _ => {
                self.memory(Code::Ld32, OLD, a, MEM_ALIGNED | MEM_STORE);
                let new = self.combine(funct5, b);
                self.memory(Code::St32, new, a, MEM_ALIGNED);
                self.op(Code::Mov, d, OLD, 0);
            }
        }
        OK
    }

    /// The word at `r[a]`.
    fn memory(&mut self, code: Code, d: u8, a: u8, mem: u8) {
        let at = self.b.push(code, d, a, 0, 0);
        self.b.op(at).x = mem;
    }

    /// SC.W: only if the reservation is for this address. It ends in any case, also if the store faults.
    fn store_conditional(&mut self, d: u8, a: u8, b: u8) {
        self.imm(Code::OrI, OTHER, a, 1);
        self.op(Code::Xor, OTHER, OTHER, RESERVATION);
        self.imm(Code::SltuI, OTHER, OTHER, 1);
        self.imm(Code::MovI, RESERVATION, 0, 0);
        let at = self.b.push(Code::StEx, d, a, b, 0);
        let op = self.b.op(at);
        (op.c, op.x, op.imm2) = (OTHER, MEM_ALIGNED, 4);
    }

    /// The slot of what an AMO stores, by funct5 (volume I, table 24.4), for what it read in [`OLD`].
    fn combine(&mut self, funct5: u32, b: u8) -> u8 {
        let code = match funct5 {
            SWAP => return b,
            0x00 => Code::Add,
            0x04 => Code::Xor,
            0x08 => Code::Or,
            0x0c => Code::And,
            _ => return self.lesser_or_greater(funct5, b),
        };
        self.op(code, OTHER, OLD, b);
        OTHER
    }

    /// AMOMIN, AMOMAX, AMOMINU, AMOMAXU: all bits in which the two differ, or none, are exchanged.
    fn lesser_or_greater(&mut self, funct5: u32, b: u8) -> u8 {
        let (unsigned, greater) = (funct5 & 8 != 0, funct5 & 4 != 0);
        self.op(if unsigned { Code::Sltu } else { Code::Slt }, OTHER, OLD, b);
        self.imm(Code::RsbI, OTHER, OTHER, 0);
        self.op(Code::Xor, DIFFERENCE, OLD, b);
        self.op(Code::And, OTHER, OTHER, DIFFERENCE);
        self.op(Code::Xor, OTHER, OTHER, if greater { OLD } else { b });
        OTHER
    }

    fn system(&mut self, w: Word) -> Done {
        match (w.funct3(), w.0) {
            (0, 0x0000_0073) => {
                self.call(call::ECALL);
                self.end = true;
            }
            (0, 0x0010_0073) => {
                let len = self.next.wrapping_sub(self.pc);
                self.call(call::EBREAK).imm2 = len;
                self.end = true;
            }
            (0, 0x3020_0073) => {
                self.call(call::MRET).imm2 = w.0;
                self.end = true;
            }
            (0, 0x1050_0073) => {
                self.call(call::WFI).imm2 = w.0;
            }
            (0 | 4, _) => return None,
            _ => self.csr(w),
        }
        OK
    }

    fn csr(&mut self, w: Word) {
        // An immediate lies where the register's number would.
        let a = if w.funct3() & 4 != 0 { w.rs1() } else { src(w.rs1()) };
        // CSRRS and CSRRC that name x0 or zero do not write; they read all the same.
        let write = w.funct3() & 3 == 1 || w.rs1() != 0;
        let op = self.call(call::CSR);
        (op.d, op.a, op.x, op.b) = (dst(w.rd()), a, w.funct3() as u8, u8::from(write));
        op.imm2 = w.0;
    }
}
