//! From a block of operations to host code, in one pass: a template for each operation.
//!
//! What has no template, and what misses the fast path, calls the helper: it does the one operation as the interpreter
//! does. At every call of it, and wherever a block is left, the register file is complete.

use super::{
    access::Part,
    asm::{Asm, Label, RAX, RCX, RDX, Rm, cc, op, shift},
    memory::CodeMemory,
    stubs::{self, BASE, BUDGET, GUESS, HOT, PAGES, Stubs, TABLE},
    {JOINED, NO_PAGE, PageEntry, page_index},
};
use crate::{
    guest::{JumpRule, Shape},
    ir::{Block, Code, MAX_INSNS, Op, SLOTS, TRASH, flags},
};
use emu_core::memory::{Entry, PAGE};
use std::mem::offset_of;

/// What lies behind the `call` of [`Stubs::link`]: three words.
pub struct Link {
    /// Where the jump leads.
    pub pc: u32,
    /// The page the jump is in, by [`id`](super::PageCode::id).
    pub page: u32,
    /// The word to patch, as an offset in the code memory.
    pub site: u32,
    /// It leads to another page: 12 bytes before it stands the number of the page it is for.
    pub guarded: bool,
}

/// What [`BUDGET`] holds: the cycles left in the bits from this one on, the instructions executed so far in those below. One
/// subtraction takes off the cycles of a block and counts its instructions.
pub const COUNT: u32 = 20;
/// Most cycles that compiled code may be given at a time: then the instructions, none of which takes none, and those of a block
/// that turns out not to fit, can be counted.
pub const MOST_CYCLES: u64 = (1 << COUNT) - 1 - MAX_INSNS as u64;

/// What a block takes off the budget.
fn spend(cycles: u32, insns: usize) -> u32 {
    (cycles << COUNT) - insns as u32
}

/// Bytes from the page number that a guarded jump compares to the word of the jump.
pub const GUARD_TO_SITE: u32 = 12;

impl Link {
    /// Reads it at an offset in the code memory.
    pub fn read(memory: &CodeMemory, at: u32) -> Link {
        let word = |i: u32| memory.constant(at + 4 * i);
        let (site, guarded) = (word(2) >> 1, word(2) & 1 != 0);
        Link { pc: word(0), page: word(1), site: at - site, guarded }
    }
}

/// What a block's code depends on beside the block.
pub struct Site<'a> {
    pub shape: &'a Shape,
    pub stubs: &'a Stubs,
    /// Bits of the translation cache's size.
    pub table_bits: u32,
    /// The page's bytes, its address and number.
    pub bytes: &'a [u8],
    pub base: u32,
    pub page: u32,
    /// The entry of the block at an address within the page, if it is compiled.
    pub compiled: &'a dyn Fn(u32) -> Option<u32>,
    /// The block stands for itself: its bytes alone, and not those of the page, are what the code is for.
    pub alone: bool,
}

/// Where the addend is in an entry of the translation cache.
pub(super) const ADDEND: i8 = offset_of!(Entry, addend) as i8;
/// Where [`Compiler::translate`] leads.
pub(super) const HERE: Rm = Rm::X(RAX, RDX, 0, 0);

/// Condition that the host's flags answer, and for which operation they were set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    None,
    /// As after a subtraction, by all conditions.
    Sub,
    /// As after an addition: carry is not inverted.
    Add,
    /// Zero and sign only.
    Logic,
}

pub(super) struct Cold {
    entry: Label,
    back: Label,
    at: usize,
}

pub(super) struct Pending {
    label: Label,
    pc: u32,
    site: usize,
    guarded: bool,
}

/// The compiler of one block.
pub struct Compiler<'a> {
    pub(super) a: &'a mut Asm,
    pub(super) site: &'a Site<'a>,
    pub(super) block: &'a Block,
    /// Host register of a slot.
    pub(super) hot: [Option<u8>; SLOTS],
    pub(super) cold: Vec<Cold>,
    /// Where the guess of an addend was wrong, and where to go on.
    pub(super) wrong: Vec<(Label, Label)>,
    /// Where a page may be accessed in parts only.
    pub(super) parts: Vec<Part>,
    pub(super) pending: Vec<Pending>,
    /// Where a [`Code::Skip`] leads: operation, label, and the state of the host's flags there.
    pub(super) skips: Vec<(usize, Label, u32)>,
    pub(super) host: Host,
    pub(super) host_version: u32,
    /// The comparison that set the guest's flags, if its operands are what they were then.
    pub(super) compared: Option<Op>,
    pub(super) start: Label,
    pub(super) helper: Label,
    /// Flags that somebody may look at behind each operation.
    pub(super) live: Vec<u8>,
    /// Operations before this one are done.
    pub(super) done: usize,
}

/// Whether the compiler takes this block: what it takes off the budget must be a constant of 32 bits.
pub fn accepts(block: &Block) -> bool {
    block.cycles() < 1 << (31 - COUNT)
}

/// Compiles `block` and puts the code where `place` says, which takes its length. Returns where it is.
pub fn compile(
    a: &mut Asm,
    site: &Site,
    block: &Block,
    memory: &CodeMemory,
    place: impl FnOnce(usize) -> Option<u32>,
) -> Option<u32> {
    a.clear();
    let mut hot = [None; SLOTS];
    for (slot, host) in site.shape.hot.iter().zip(HOT) {
        hot[usize::from(*slot)] = Some(host);
    }
    let (start, helper) = (a.label(), a.label());
    let mut c = Compiler {
        a,
        site,
        block,
        hot,
        cold: vec![],
        wrong: vec![],
        parts: vec![],
        pending: vec![],
        skips: vec![],
        host: Host::None,
        host_version: 0,
        compared: None,
        start,
        helper,
        live: liveness(block),
        done: 0,
    };
    let own = c.block();
    let at = place(a.here())?;
    if let Some(own) = own {
        a.set_word(own, at);
    }
    a.place(memory, at);
    Some(at)
}

/// Flags that count behind each operation.
fn liveness(block: &Block) -> Vec<u8> {
    let mut live = flags::ALL;
    let mut out = vec![0; block.ops.len()];
    for (i, op) in block.ops.iter().enumerate().rev() {
        out[i] = live;
        live = op.full.live_before(live);
    }
    out
}

impl Compiler<'_> {
    /// The block's code. Returns where its own offset belongs.
    pub(super) fn block(&mut self) -> Option<usize> {
        let (own, stale) = if self.site.alone { self.ask().unzip() } else { (None, None) };
        let n = spend(self.block.cycles() as u32, self.block.len());
        self.a.bind(self.start);
        self.a.alu_imm(true, op::SUB, Rm::R(BUDGET), n);
        let budget = self.a.label();
        self.a.jcc(cc::L, budget);
        for i in 0..self.block.ops.len() {
            self.bind_skips(i);
            if i < self.done {
                continue;
            }
            if let Some(end) = self.waits_until(i) {
                (i + 1..end).for_each(|k| self.one(k));
                self.done = end;
            }
            self.one(i);
            // The second of the two runs on its own if the first was skipped.
            if ends_for_good(self.block.ops[i].code) && self.skips.is_empty() {
                break;
            }
        }
        self.cold_code();
        self.a.bind(budget);
        self.a.alu_imm(true, op::ADD, Rm::R(BUDGET), n);
        self.a.call_out(self.site.stubs.budget);
        self.a.word(self.block.insns[0].pc);
        if let Some(stale) = stale {
            self.a.bind(stale);
            self.a.mov_imm(RAX, self.block.insns[0].pc);
            self.a.op(true, op::STORE, RAX, stubs::place(self.site.shape, self.site.shape.pc));
            self.a.jmp_out(self.site.stubs.by_pc);
        }
        own
    }

    fn one(&mut self, i: usize) {
        let before = self.host_version;
        let op = self.block.ops[i];
        self.operation(i, &op);
        // Whatever did not say what the host's flags are may have changed them.
        if self.host_version == before && !keeps_host_flags(op.code) {
            self.set_host(Host::None);
        }
        self.note_comparison(i, &op);
    }

    /// Asks the CPU's own list of entries whether this block is the one that is there, as others may have linked to it whose
    /// memory holds other bytes. Not needed where the block jumps to itself.
    fn ask(&mut self) -> Option<(usize, Label)> {
        let pc = self.block.insns[0].pc;
        let stale = self.a.label();
        let entries = page_index(pc) * size_of::<PageEntry>() + offset_of!(PageEntry, entries);
        self.a.op(true, op::LOAD, RAX, PAGES);
        self.a.op(true, op::LOAD, RAX, Rm::M(RAX, entries as i32));
        self.a.op(false, 0x81, 7, Rm::M(RAX, ((pc & (PAGE as u32 - 1)) * 2) as i32));
        let own = self.a.here();
        self.a.word(0);
        self.a.jcc(cc::NE, stale);
        Some((own, stale))
    }

    pub(super) fn bind_skips(&mut self, i: usize) {
        while let Some(k) = self.skips.iter().position(|s| s.0 == i) {
            let (_, label, version) = self.skips.swap_remove(k);
            self.a.bind(label);
            if version != self.host_version {
                self.set_host(Host::None);
            }
        }
    }

    pub(super) fn set_host(&mut self, host: Host) {
        self.host = host;
        self.host_version += 1;
    }

    pub(super) fn cold_code(&mut self) {
        for cold in std::mem::take(&mut self.cold) {
            self.a.bind(cold.entry);
            self.call_helper(cold.at);
            self.a.jmp(cold.back);
        }
        self.parts();
        for (wrong, back) in std::mem::take(&mut self.wrong) {
            self.a.bind(wrong);
            self.a.op(true, op::LOAD, RDX, Rm::X(TABLE, RCX, 0, ADDEND));
            self.a.op(true, op::STORE, RDX, GUESS);
            self.a.jmp(back);
        }
        for p in std::mem::take(&mut self.pending) {
            self.a.bind(p.label);
            self.a.call_out(self.site.stubs.link);
            let here = self.a.here();
            self.a.word(p.pc);
            self.a.word(self.site.page);
            self.a.word(((here - p.site) as u32) << 1 | u32::from(p.guarded));
        }
        self.a.bind(self.helper);
        self.a.mov_imm64(RDX, std::ptr::from_ref(self.block) as u64);
        self.a.jmp_out(self.site.stubs.helper);
    }

    // ---- slots ----

    pub(super) fn shape(&self) -> &Shape {
        self.site.shape
    }
    pub(super) fn rm(&self, slot: u8) -> Rm {
        match self.hot[usize::from(slot) & (SLOTS - 1)] {
            Some(r) => Rm::R(r),
            None => stubs::place(self.site.shape, slot),
        }
    }
    pub(super) fn zero(&self, slot: u8) -> bool {
        slot == self.site.shape.zero
    }
    pub(super) fn reg(&self, slot: u8) -> Option<u8> {
        self.hot[usize::from(slot) & (SLOTS - 1)]
    }
    /// The slot's low half in a register: its own, or `scratch`.
    pub(super) fn get(&mut self, slot: u8, scratch: u8) -> u8 {
        match self.reg(slot) {
            Some(r) => r,
            None => {
                self.fetch(slot, scratch);
                scratch
            }
        }
    }
    /// The slot's low half in this register.
    pub(super) fn fetch(&mut self, slot: u8, r: u8) {
        if self.zero(slot) {
            self.a.mov_imm(r, 0);
        } else if self.rm(slot) != Rm::R(r) {
            self.a.op(false, op::LOAD, r, self.rm(slot));
        }
    }
    /// The register where a result for the slot is best made.
    pub(super) fn target(&self, slot: u8) -> u8 {
        self.reg(slot).unwrap_or(RAX)
    }
    /// The slot becomes the register's value, zero extended already.
    pub(super) fn put(&mut self, slot: u8, r: u8) {
        if slot == TRASH {
            return;
        }
        match self.reg(slot) {
            Some(own) => self.a.mov(own, r),
            None => self.a.op(true, op::STORE, r, self.rm(slot)),
        }
    }
    pub(super) fn put_imm(&mut self, slot: u8, v: u32) {
        match self.reg(slot) {
            Some(r) => self.a.mov_imm(r, v),
            None if v < 0x8000_0000 => self.a.store_imm(true, self.rm(slot), v),
            None => {
                self.a.mov_imm(RAX, v);
                self.put(slot, RAX);
            }
        }
    }
    /// A register to compute `d` in from `a`, which it holds; not the one of `b`.
    pub(super) fn begin(&mut self, d: u8, a: u8, b: Option<u8>) -> u8 {
        let own = self.target(d);
        let taken = b.is_some_and(|b| self.reg(b) == Some(own));
        let w = if taken && self.reg(a) != Some(own) { RAX } else { own };
        self.fetch(a, w);
        w
    }

    // ---- ways out ----

    /// Calls the helper for an operation.
    pub(super) fn call_helper(&mut self, at: usize) {
        self.a.mov_imm(RAX, at as u32);
        self.a.call(self.helper);
        self.set_host(Host::None);
    }

    /// What follows at the returned labels runs if the fast path does not: the helper does operation `i`.
    pub(super) fn slow(&mut self, i: usize) -> Label {
        let (entry, back) = (self.a.label(), self.a.label());
        self.cold.push(Cold { entry, back, at: i });
        entry
    }
    /// Where the code goes on behind the last [`Compiler::slow`].
    pub(super) fn back(&mut self) {
        if let Some(cold) = self.cold.last() {
            self.a.bind(cold.back);
        }
    }

    /// The jump leads into the rest of an IT block: the helper sets the decoder's state.
    pub(super) fn stays_in_it(&self, op: &Op) -> bool {
        let behind = &self.block.insns[usize::from(op.insn) + 1];
        op.code.ends_block() && op.code != Code::JumpReg && behind.it != 0
    }

    /// The cycles of the instructions behind `op`, which will not run, come back.
    pub(super) fn give_back(&mut self, op: &Op) {
        let done = usize::from(op.insn) + 1;
        let cycles = self.block.cycles() as u32 - u32::from(self.block.insns[done].cycles);
        self.refund(cycles, self.block.len() - done);
    }

    /// Cycles, and instructions that will not run, come back. The host's flags stay.
    pub(super) fn refund(&mut self, cycles: u32, insns: usize) {
        let n = spend(cycles, insns) as i32;
        if n != 0 {
            self.a.op(true, op::LEA, BUDGET, Rm::M(BUDGET, n));
        }
    }

    /// A branch that is taken if the host's condition holds; if not, cycles come back.
    pub(super) fn go_either(&mut self, cc: u8, op: &Op, taken: u32, other: u32) {
        self.go(Some(cc), taken);
        self.refund(op.c.into(), 0);
        self.go(None, other);
    }

    /// On to a block at a known address, if the host's condition holds.
    pub(super) fn go(&mut self, cond: Option<u8>, pc: u32) {
        if pc == self.block.insns[0].pc {
            return match cond {
                Some(cc) => self.a.jcc(cc, self.start),
                None => self.a.jmp(self.start),
            };
        }
        if pc & !(PAGE as u32 - 1) != self.site.base {
            return self.go_far(cond, pc);
        }
        if let Some(entry) = (self.site.compiled)(pc) {
            return match cond {
                Some(cc) => self.a.jcc_out(cc, entry),
                None => self.a.jmp_out(entry),
            };
        }
        let label = self.a.label();
        let site = self.a.patchable(cond, label);
        self.pending.push(Pending { label, pc, site, guarded: false });
    }

    /// To another page, if it is joined with the content for which this jump was patched.
    pub(super) fn go_far(&mut self, cond: Option<u8>, pc: u32) {
        let (label, over) = (self.a.label(), self.a.label());
        if let Some(cc) = cond {
            self.a.jcc(cc ^ 1, over);
        }
        let entry = page_index(pc) * size_of::<PageEntry>() + offset_of!(PageEntry, id);
        self.a.op(true, op::LOAD, RAX, PAGES);
        self.a.align_word(if i8::try_from(entry).is_ok() { 3 } else { 6 });
        self.a.op(false, 0x81, 7, Rm::M(RAX, entry as i32));
        self.a.word(NO_PAGE);
        self.a.jcc(cc::NE, label);
        self.a.bytes(&[0x90]);
        let site = self.a.patchable(None, label);
        self.pending.push(Pending { label, pc, site, guarded: true });
        self.a.bind(over);
    }

    pub(super) fn branch(&mut self, op: &Op, taken: u32, other: u32) {
        if op.x & 15 >= 14 {
            return self.go(None, taken);
        }
        let cc = self.condition(op.x);
        self.go_either(cc, op, taken, other);
    }

    /// Compares two slots, or a slot with a constant, and branches by the host's condition.
    pub(super) fn compare_branch(&mut self, op: &Op, cc: u8) {
        self.compare(op);
        self.go_either(cc, op, op.imm, op.imm2);
    }

    pub(super) fn compare(&mut self, op: &Op) {
        let a = self.get(op.a, RAX);
        if self.zero(op.b) {
            self.a.op(false, op::TEST, a, Rm::R(a));
        } else {
            let b = self.rm(op.b);
            self.a.op(false, op::CMP, a, b);
        }
    }

    /// To a computed address: through the page list to the page's entries. The helper takes what is not plain, and always
    /// leaves.
    pub(super) fn jump_reg(&mut self, i: usize, op: &Op) {
        self.fetch(op.a, RAX);
        if self.site.shape.jump == JumpRule::Thumb && op.x == 0 {
            let slow = self.slow(i);
            self.a.test_imm(Rm::R(RAX), 1);
            self.a.jcc(cc::E, slow);
            self.a.alu_imm(false, op::CMP, Rm::R(RAX), 0xf000_0000);
            self.a.jcc(cc::AE, slow);
            self.back();
        }
        self.give_back(op);
        self.a.alu_imm(false, op::AND, Rm::R(RAX), !1);
        self.a.op(true, op::STORE, RAX, stubs::place(self.site.shape, self.site.shape.pc));
        let miss = self.a.label();
        self.a.mov(RCX, RAX);
        self.a.shift(false, shift::SHR, Rm::R(RCX), PAGE.trailing_zeros() as u8);
        self.a.mov(RDX, RCX);
        self.a.alu_imm(false, op::AND, Rm::R(RDX), JOINED as u32 - 1);
        self.a.shift(false, shift::SHL, Rm::R(RDX), size_of::<PageEntry>().trailing_zeros() as u8);
        self.a.op(true, op::ADD, RDX, PAGES);
        self.a.op(false, op::CMP, RCX, Rm::M(RDX, offset_of!(PageEntry, number) as i32));
        self.a.jcc(cc::NE, miss);
        self.a.op(true, op::LOAD, RDX, Rm::M(RDX, offset_of!(PageEntry, entries) as i32));
        self.a.alu_imm(false, op::AND, Rm::R(RAX), PAGE as u32 - 2);
        self.a.op(false, op::LOAD, RAX, Rm::X(RDX, RAX, 1, 0));
        self.a.op(true, op::ADD, RAX, BASE);
        self.a.op(false, op::INDIRECT, 4, Rm::R(RAX));
        self.a.bind(miss);
        self.a.jmp_out(self.site.stubs.target);
    }
}

/// One operation made of the last two.
fn ends_for_good(code: Code) -> bool {
    matches!(
        code,
        Code::SubIBranch | Code::SubBranch | Code::SubIBranchEq | Code::SubIBranchNe | Code::MovIJump
    )
}

/// Operations whose templates leave the host's flags, or say themselves what they are.
fn keeps_host_flags(code: Code) -> bool {
    matches!(code, Code::Mov | Code::MovI | Code::Skip | Code::Mov64 | Code::Hi | Code::SetLo | Code::SetHi)
}
