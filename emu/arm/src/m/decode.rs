//! The decoder of Thumb code: what a block is, how one instruction is taken apart and put into operations.
//!
//! The tables follow the encoding groups of the ARMv7-M Architecture Reference Manual (DDI0403E chapter A5), with its
//! names: [`super::decode16`] is A5.2, [`super::decode32`] A5.3, with loads and stores, DSP, floating point and system
//! instructions in files of their own.
//!
//! ## UNPREDICTABLE encodings
//! What the manual leaves open is decided once, mostly as QEMU does, so that every run agrees:
//! - The PC as destination of a 32-bit data-processing instruction is UNDEFINED; as a source it reads as the address
//!   of the instruction plus 4.
//! - The SP as an operand is like any register, but its two lowest bits stay zero. Where two registers are moved at
//!   once (LDRD, STRD, long multiplication, VMOV) and in exclusive accesses it is UNDEFINED.
//! - Fields that should be zero or one but are not are UNDEFINED where QEMU says so, and ignored otherwise.
//! - LDM, STM, PUSH and POP with an empty list, 32-bit ones with fewer than two registers, with SP in the list, a PC
//!   base or a written-back base in the list are UNDEFINED. A 16-bit STM stores the base's original value.
//! - A load that writes its own base back keeps the loaded value; LDRD with such an overlap is UNDEFINED.
//! - Conditional branches and CBZ inside an IT block are UNDEFINED; B and BL may stand anywhere in it, and ITSTATE
//!   goes on at their target; branches to registers leave the block.
//! - IT with a condition of 15 means always. An UNDEFINED instruction whose condition fails does nothing.

use super::call;
use super::config::{Fpu, MConfig};
use super::slots::{PC, SP};
use super::timing::Timing;
use emu_engine::ir::{Block, Builder, Code, MAX_INSNS, MEM_ALIGNED, MEM_UNPRIV, Op, TEMP};

/// What decoding depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecodeConfig {
    /// ARMv7-M; otherwise ARMv6-M.
    pub v7: bool,
    /// The DSP extension (ARMv7E-M).
    pub dsp: bool,
    /// The floating-point extension.
    pub fpu: Fpu,
    /// What instructions cost.
    pub timing: Timing,
}

impl DecodeConfig {
    /// The part of a core's configuration that matters here.
    pub fn new(cfg: &MConfig) -> DecodeConfig {
        DecodeConfig { v7: cfg.v7(), dsp: cfg.dsp(), fpu: cfg.fpu, timing: cfg.timing }
    }
    /// A number that two configurations share only if they are equal.
    pub fn id(&self) -> u64 {
        let timing = self.timing as u64;
        u64::from(self.v7) | u64::from(self.dsp) << 1 | (self.fpu as u64) << 2 | timing << 4
    }
}

/// `None`: the encoding is UNDEFINED.
pub(super) type Done = Option<()>;
/// The instruction is translated.
pub(super) const OK: Done = Some(());

/// Translates the block that starts at `code[offset]`, whose address is `pc`, with ITSTATE `it`: at most `max`
/// instructions, none of which starts at or behind `page_end`.
///
/// A block must only be entered at its start: floating-point instructions check access once in a block.
pub fn translate(
    cfg: &DecodeConfig,
    code: &[u8],
    offset: usize,
    page_end: usize,
    pc: u32,
    it: u8,
    max: usize,
) -> Block {
    let mut t = Tr::new(*cfg, pc, it);
    let mut at = offset;
    loop {
        at += t.instruction(code.get(at..).unwrap_or(&[]));
        let full = t.b.len() + t.it_block(code.get(at..).unwrap_or(&[])) >= max.min(MAX_INSNS);
        if t.end || full || at >= page_end {
            return t.close();
        }
    }
}

/// A field of `width` bits from bit `lsb`.
pub(super) fn bits(v: u16, lsb: u32, width: u32) -> u32 {
    (u32::from(v) >> lsb) & ((1 << width) - 1)
}
/// One bit.
pub(super) fn bit(v: u16, n: u32) -> bool {
    v >> n & 1 != 0
}
/// A register number, four bits from bit `lsb`.
pub(super) fn reg(v: u16, lsb: u32) -> u8 {
    (v >> lsb & 15) as u8
}

/// A block under construction.
pub(super) struct Tr {
    pub b: Builder,
    pub cfg: DecodeConfig,
    /// Address of the current instruction.
    pub pc: u32,
    /// Address of the one behind it.
    pub next: u32,
    /// ITSTATE of the current instruction.
    pub it: u8,
    /// ITSTATE of the one behind it.
    pub next_it: u8,
    /// The block ends with this instruction.
    pub end: bool,
    /// What the current instruction takes less if its condition fails or it does not branch: all then take one cycle.
    pub spare: u8,
    /// The current instruction stands under a `Skip`.
    pub skipped: bool,
    /// An earlier instruction of this block made sure that the FPU may be used.
    pub fp_checked: bool,
    /// Behind this operation control may come from a `Skip`.
    open: usize,
    temps: u8,
}

impl Tr {
    fn new(cfg: DecodeConfig, pc: u32, it: u8) -> Tr {
        Tr {
            b: Builder::new(),
            cfg,
            pc,
            next: pc,
            it: 0,
            next_it: it,
            end: false,
            spare: 0,
            skipped: false,
            fp_checked: false,
            open: 0,
            temps: 0,
        }
    }

    /// Translates the instruction at the start of `code`; returns its length.
    fn instruction(&mut self, code: &[u8]) -> usize {
        self.pc = self.next;
        self.it = self.next_it;
        self.next_it = advance(self.it);
        self.temps = 0;
        let half = |n: usize| code.get(2 * n..2 * n + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        let Some(hw1) = half(0) else { return self.no_code() };
        let wide = hw1 >> 11 > 0b11100;
        let Some(hw2) = (if wide { half(1) } else { Some(0) }) else { return self.no_code() };
        let cost = self.cfg.timing.cost(hw1, hw2);
        self.spare = cost - 1;
        self.b.insn(self.pc, self.it, cost);
        let len = if wide { 4 } else { 2 };
        self.next = self.pc.wrapping_add(len);
        self.conditional(hw1, hw2, wide);
        len as usize
    }

    /// How many more instructions an IT block at the start of `code` takes than other instructions do: it belongs into one block.
    fn it_block(&self, code: &[u8]) -> usize {
        match code {
            [mask, 0xbf, ..] if self.cfg.v7 && self.next_it == 0 && mask & 15 != 0 => {
                4 - mask.trailing_zeros() as usize
            }
            _ => 0,
        }
    }

    /// The instruction lies, in part, where there is no memory.
    fn no_code(&mut self) -> usize {
        self.b.insn(self.pc, self.it, 1);
        self.call(call::FETCH_FAULT);
        self.end = true;
        self.next = self.pc.wrapping_add(2);
        2
    }

    /// Under the condition of the IT block, unless the instruction does that itself or has none.
    fn conditional(&mut self, hw1: u16, hw2: u16, wide: bool) {
        let branch = hw1 >> 11 == 0b11100 || hw1 >> 11 == 0b11110 && hw2 & 0x9000 == 0x9000;
        let bkpt = hw1 >> 8 == 0xbe;
        let it = hw1 >> 8 == 0xbf && hw1 & 15 != 0;
        self.skipped = self.condition().is_some() && !(branch || bkpt || it);
        let skip = self.condition().filter(|_| self.skipped).map(|c| self.b.skip_unless(c));
        if let Some(at) = skip {
            self.b.op(at).imm2 = self.spare.into();
        }
        let done = if wide { self.thumb32(hw1, hw2) } else { self.thumb16(hw1) };
        if done.is_none() {
            self.undefined();
        }
        if let Some(at) = skip {
            self.b.end_skip(at);
            self.open = self.b.here();
        }
    }

    fn close(mut self) -> Block {
        // An operation that ends a block does not when it is skipped.
        if self.open == self.b.here() && self.b.ended() {
            self.b.push(Code::Jump, 0, 0, 0, self.next);
        }
        self.b.finish(self.next, self.next_it)
    }

    /// Inside an IT block.
    pub fn in_it(&self) -> bool {
        self.it & 15 != 0
    }
    /// The condition of the current instruction, if it is not "always".
    pub fn condition(&self) -> Option<u8> {
        Some(self.it >> 4).filter(|c| self.in_it() && *c < 14)
    }
    /// What the PC reads as.
    pub fn pc_value(&self) -> u32 {
        self.pc.wrapping_add(4)
    }
    /// `MEM_` flags of ordinary loads and stores: v6-M knows no unaligned access.
    pub fn mem(&self) -> u8 {
        if self.cfg.v7 { 0 } else { MEM_ALIGNED }
    }

    /// A temporary that this instruction does not use yet.
    pub fn temp(&mut self) -> u8 {
        self.temps += 1;
        TEMP + self.temps - 1
    }
    /// The slot to read register `r` from.
    pub fn src(&mut self, r: u8) -> u8 {
        if r != PC {
            return r;
        }
        let (t, pc) = (self.temp(), self.pc_value());
        self.imm(Code::MovI, t, 0, pc);
        t
    }
    /// The slot to compute register `r` in; [`Tr::put`] finishes the write.
    pub fn dst(&mut self, r: u8) -> u8 {
        if r == SP { self.temp() } else { r }
    }
    /// Moves the result to register `r` if that needs more than writing its slot.
    pub fn put(&mut self, r: u8, slot: u8) {
        if r == SP {
            self.imm(Code::AndI, SP, slot, !3);
        }
    }
    /// A destination that is not the PC.
    pub fn not_pc(&self, r: u8) -> Done {
        (r != PC).then_some(())
    }

    /// Adds `r[d] = r[a] op r[b]`.
    pub fn op(&mut self, code: Code, d: u8, a: u8, b: u8) -> usize {
        self.b.push(code, d, a, b, 0)
    }
    /// Adds `r[d] = r[a] op imm`.
    pub fn imm(&mut self, code: Code, d: u8, a: u8, imm: u32) -> usize {
        self.b.push(code, d, a, 0, imm)
    }
    /// Adds a call of a function of [`super::call`].
    pub fn call(&mut self, id: u32) -> &mut Op {
        let at = self.b.push(Code::Call, 0, 0, 0, id);
        self.b.op(at)
    }
    /// Adds a load from or store to `r[a] + imm`.
    pub fn access(&mut self, code: Code, d: u8, a: u8, imm: u32, mem: u8) {
        let at = self.b.push(code, d, a, 0, imm);
        let op = self.b.op(at);
        op.x = mem;
        if mem & MEM_UNPRIV == 0 {
            return;
        }
        let (user, bytes, signed) = match code {
            Code::Ld8 => (Code::LdUser, 1, false),
            Code::Ld8S => (Code::LdUser, 1, true),
            Code::Ld16 => (Code::LdUser, 2, false),
            Code::Ld16S => (Code::LdUser, 2, true),
            Code::St8 => (Code::StUser, 1, false),
            Code::St16 => (Code::StUser, 2, false),
            Code::St32 => (Code::StUser, 4, false),
            _ => (Code::LdUser, 4, false),
        };
        (op.code, op.full, op.imm2, op.b) = (user, user, bytes, u8::from(signed));
    }
    /// Adds a constant to a register; nothing if it is zero.
    pub fn add_to(&mut self, r: u8, imm: u32) {
        if imm != 0 {
            self.imm(Code::AddI, r, r, imm);
        }
        if r == SP && imm & 3 != 0 {
            self.imm(Code::AndI, r, r, !3);
        }
    }

    /// The instruction is UNDEFINED.
    pub fn undefined(&mut self) {
        self.call(call::UNDEFINED);
        self.end = true;
    }
    /// A branch to a constant, under the condition of the IT block.
    pub fn branch(&mut self, target: u32) -> Done {
        self.end = true;
        match self.condition() {
            Some(cond) => self.branch_if(cond, target),
            None => {
                self.imm(Code::Jump, 0, 0, target);
            }
        }
        OK
    }
    /// A branch to a constant under a condition.
    pub fn branch_if(&mut self, cond: u8, target: u32) {
        let (next, spare) = (self.next, self.spare);
        let at = self.imm(Code::Branch, 0, 0, target);
        let op = self.b.op(at);
        (op.x, op.imm2, op.c) = (cond, next, spare);
        self.end = true;
    }
    /// BXWritePC or LoadWritePC: interworking, or an exception return.
    #[doc(alias = "BXWritePC")]
    pub fn jump_reg(&mut self, slot: u8) -> Done {
        self.op(Code::JumpReg, 0, slot, 0);
        self.end = !self.skipped;
        OK
    }
    /// BranchWritePC: bit 0 does not matter, and no value is an exception return.
    #[doc(alias = "BranchWritePC")]
    pub fn branch_reg(&mut self, slot: u8) -> Done {
        let at = self.op(Code::JumpReg, 0, slot, 0);
        self.b.op(at).x = 1;
        self.end = !self.skipped;
        OK
    }
}

/// ITSTATE of the next instruction (ITAdvance, DDI0403E A7.3.3).
#[doc(alias = "ITAdvance")]
fn advance(it: u8) -> u8 {
    if it & 7 == 0 { 0 } else { it & 0xe0 | it << 1 & 0x1f }
}

#[cfg(test)]
mod tests;
