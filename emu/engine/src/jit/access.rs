//! Templates of loads and stores.

use super::{
    asm::{Label, RAX, RCX, RDX, Rm, cc, op, shift},
    compile::{ADDEND, Compiler, HERE},
    stubs::{GUESS, TABLE, WANTED},
};
use crate::ir::{Code, Op};
use emu_core::memory::{Entry, PAGE, SCATTER};
use std::mem::offset_of;

/// What an access does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    Read,
    Write,
}

/// An access to a page that is not in the translation cache as a whole: it may be so in parts.
pub(super) struct Part {
    entry: Label,
    /// One bit for each halfword from the address on.
    wanted: u32,
    to: To,
    back: Label,
    slow: Label,
}

impl Compiler<'_> {
    /// The code for the accesses to parts of pages.
    pub(super) fn parts(&mut self) {
        for part in std::mem::take(&mut self.parts) {
            self.a.bind(part.entry);
            self.a.store_imm(true, WANTED, part.wanted);
            self.a.call_out(match part.to {
                To::Read => self.site.stubs.read,
                To::Write => self.site.stubs.write,
            });
            self.a.jcc(cc::E, part.back);
            self.a.jmp(part.slow);
        }
    }

    /// `eax = r[a] + (r[b] << imm)`.
    pub(super) fn indexed(&mut self, op: &Op) {
        if let (Some(a), Some(b), 0..=3) = (self.reg(op.a), self.reg(op.b), op.imm) {
            return self.a.op(false, op::LEA, RAX, Rm::X(a, b, op.imm as u8, 0));
        }
        self.fetch(op.b, RAX);
        if op.imm & 31 != 0 {
            self.a.shift(false, shift::SHL, Rm::R(RAX), op.imm as u8 & 31);
        }
        let a = self.rm(op.a);
        self.a.op(false, op::ADD, RAX, a);
    }

    /// `eax = r[a] + offset`.
    pub(super) fn offset(&mut self, a: u8, offset: u32) {
        match self.reg(a) {
            _ if self.zero(a) => self.a.mov_imm(RAX, offset),
            Some(r) if offset == 0 => self.a.mov(RAX, r),
            Some(r) => self.a.op(false, op::LEA, RAX, Rm::M(r, offset as i32)),
            None => {
                self.fetch(a, RAX);
                if offset != 0 {
                    self.a.alu_imm(false, op::ADD, Rm::R(RAX), offset);
                }
            }
        }
    }

    /// For the guest's address in `eax`, the host's is `rax + rdx`, if the translation cache knows the page for this and the
    /// address is aligned to `size`; else on to `slow`. `len` bytes from there on, which lie in the page, may be accessed then.
    /// `rcx` is lost. What is in `rdx` is guessed, so that the access need not wait for the translation cache, which only
    /// confirms it.
    pub(super) fn translate(&mut self, size: u32, len: u32, to: To, slow: Label) {
        let field = match to {
            To::Read => offset_of!(Entry, read),
            To::Write => offset_of!(Entry, write),
        };
        const SHIFT: u8 = size_of::<Entry>().trailing_zeros() as u8;
        let bits = self.site.table_bits;
        self.a.mov(RDX, RAX);
        self.a.alu_imm(false, op::AND, Rm::R(RDX), !(PAGE as u32 - size));
        self.a.imul_imm(RCX, RDX, SCATTER);
        self.a.shift(false, shift::SHR, Rm::R(RCX), (32 - bits) as u8);
        self.a.shift(false, shift::SHL, Rm::R(RCX), SHIFT);
        self.a.op(true, op::CMP, RDX, Rm::X(TABLE, RCX, 0, field as i8));
        let part = self.a.label();
        self.a.jcc(cc::NE, part);
        let (wrong, back) = (self.a.label(), self.a.label());
        self.a.op(true, op::LOAD, RDX, GUESS);
        self.a.op(true, op::CMP, RDX, Rm::X(TABLE, RCX, 0, ADDEND));
        self.a.jcc(cc::NE, wrong);
        self.a.bind(back);
        self.wrong.push((wrong, back));
        let wanted = u32::MAX >> (32 - len.div_ceil(2).min(32));
        self.parts.push(Part { entry: part, wanted, to, back, slow });
    }

    /// The word at a constant address in the block's own page: the page's content is part of what the code is for.
    pub(super) fn literal(&self, op: &Op) -> Option<u32> {
        let at = op.imm.wrapping_sub(self.site.base) as usize;
        let own = op.code == Code::Ld32 && self.zero(op.a) && at < PAGE && at.is_multiple_of(4);
        let bytes = self.site.bytes.get(at..at + 4).filter(|_| own)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    pub(super) fn load(&mut self, i: usize, op: &Op) {
        use Code::*;
        if let Some(v) = self.literal(op) {
            return self.put_imm(op.d, v);
        }
        let (size, opcode) = match op.code {
            Ld8 | LdX8 => (1, op::MOVZX8),
            Ld8S | LdX8S => (1, op::MOVSX8),
            Ld16 | LdX16 => (2, op::MOVZX16),
            Ld16S | LdX16S => (2, op::MOVSX16),
            _ => (4, op::LOAD),
        };
        match op.code {
            Ld8 | Ld8S | Ld16 | Ld16S | Ld32 => self.offset(op.a, op.imm),
            _ => self.indexed(op),
        }
        let slow = self.slow(i);
        self.translate(size, size, To::Read, slow);
        let w = self.target(op.d);
        self.a.op(false, opcode, w, HERE);
        self.put(op.d, w);
        self.back();
    }

    pub(super) fn store(&mut self, i: usize, op: &Op) {
        use Code::*;
        let size = match op.code {
            St8 | StX8 => 1,
            St16 | StX16 => 2,
            _ => 4,
        };
        match op.code {
            St8 | St16 | St32 => self.offset(op.a, op.imm),
            _ => self.indexed(op),
        }
        let slow = self.slow(i);
        self.translate(size, size, To::Write, slow);
        let v = self.get(op.d, RCX);
        self.store_bytes(size, v);
        self.back();
    }

    /// [`Code::StEx`].
    pub(super) fn store_exclusive(&mut self, i: usize, op: &Op) {
        self.offset(op.a, op.imm);
        let (slow, open, done) = (self.slow(i), self.a.label(), self.a.label());
        if op.imm2 > 1 {
            self.a.test_imm(Rm::R(RAX), op.imm2 - 1);
            self.a.jcc(cc::NE, slow);
        }
        let monitor = self.rm(op.c);
        self.a.alu_imm(false, op::CMP, monitor, 0);
        self.a.jcc(cc::E, open);
        self.translate(op.imm2, op.imm2, To::Write, slow);
        let v = self.get(op.b, RCX);
        self.store_bytes(op.imm2, v);
        self.put_imm(op.c, 0);
        self.put_imm(op.d, 0);
        self.a.jmp(done);
        self.a.bind(open);
        self.put_imm(op.d, 1);
        self.a.bind(done);
        self.back();
    }

    /// The low bytes of a host register where [`Compiler::translate`] leads.
    fn store_bytes(&mut self, size: u32, v: u8) {
        match size {
            1 => self.a.op8(op::STORE8, v, HERE),
            2 => self.a.store16(v, HERE),
            _ => self.a.op(false, op::STORE, v, HERE),
        }
    }

    /// [`Compiler::translate`] for so many words at `r[a] + offset`, if all lie in one page.
    pub(super) fn translate_words(&mut self, i: usize, (a, offset): (u8, u32), words: usize, to: To) {
        self.offset(a, offset);
        let slow = self.slow(i);
        if words > 1 {
            self.a.mov(RCX, RAX);
            self.a.alu_imm(false, op::AND, Rm::R(RCX), PAGE as u32 - 1);
            self.a.alu_imm(false, op::CMP, Rm::R(RCX), (PAGE - 4 * words) as u32);
            self.a.jcc(cc::A, slow);
        }
        self.translate(4, 4 * words as u32, to, slow);
    }

    /// [`Code::LdPair`].
    pub(super) fn load_pair(&mut self, i: usize, op: &Op) {
        let literal = |imm: u32| self.literal(&Op { code: Code::Ld32, imm, ..*op });
        if let (Some(low), Some(high)) = (literal(op.imm), literal(op.imm.wrapping_add(4))) {
            self.put_imm(op.d, low);
            return self.put_imm(op.c, high);
        }
        self.translate_words(i, (op.a, op.imm), 2, To::Read);
        self.a.op(false, op::LOAD, RCX, HERE);
        self.a.op(false, op::LOAD, RAX, Rm::X(RAX, RDX, 0, 4));
        self.put(op.d, RCX);
        self.put(op.c, RAX);
        self.back();
    }

    /// [`Code::StPair`].
    pub(super) fn store_pair(&mut self, i: usize, op: &Op) {
        self.translate_words(i, (op.a, op.imm), 2, To::Write);
        for (slot, at) in [(op.d, 0), (op.c, 4)] {
            let v = self.get(slot, RCX);
            self.a.op(false, op::STORE, v, Rm::X(RAX, RDX, 0, at));
        }
        self.back();
    }

    /// The slots of [`Code::LdM`] and [`Code::StM`], with `rax + rdx` where the first word is if all lie in one page.
    fn many(&mut self, i: usize, op: &Op, to: To) -> Vec<u8> {
        let slots: Vec<u8> = (0..16).filter(|s| op.imm >> s & 1 != 0).collect();
        self.translate_words(i, (op.a, op.imm2), slots.len(), to);
        slots
    }

    pub(super) fn write_back(&mut self, op: &Op) {
        let change = (op.imm as i32 >> 16) as u32;
        if change != 0 {
            self.add_imm(&Op { d: op.a, ..*op }, change);
        }
    }

    pub(super) fn load_many(&mut self, i: usize, op: &Op) {
        for (k, slot) in self.many(i, op, To::Read).into_iter().enumerate() {
            let w = self.reg(slot).unwrap_or(RCX);
            self.a.op(false, op::LOAD, w, Rm::X(RAX, RDX, 0, 4 * k as i8));
            self.put(slot, w);
        }
        self.write_back(op);
        self.back();
    }

    pub(super) fn store_many(&mut self, i: usize, op: &Op) {
        for (k, slot) in self.many(i, op, To::Write).into_iter().enumerate() {
            let v = self.get(slot, RCX);
            self.a.op(false, op::STORE, v, Rm::X(RAX, RDX, 0, 4 * k as i8));
        }
        self.write_back(op);
        self.back();
    }
}
