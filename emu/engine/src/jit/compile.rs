//! From a block of operations to host code, in one pass: a template for each operation.
//!
//! What has no template, and what misses the fast path, calls the helper: it does the one operation as the interpreter
//! does. At every call of it, and wherever a block is left, the register file is complete.

use super::{
    asm::{Asm, Label, RAX, RCX, RDX, Rm, cc, op, shift, unary},
    memory::CodeMemory,
    stubs::{self, BASE, BUDGET, GUESS, HOT, PAGES, Stubs, TABLE},
    {JOINED, NO_PAGE, PageEntry, page_index},
};
use crate::{
    guest::{JumpRule, Shape},
    ir::{Block, C, Code, N, Op, SLOTS, TEMP, TRASH, V, Z, flags},
};
use emu_core::memory::{Entry, PAGE, SCATTER};
use std::mem::offset_of;

/// What lies behind the `call` of [`Stubs::link`]: three words.
pub struct Link {
    /// Where the jump leads.
    pub pc: u32,
    /// The page the jump is in, by [`id`](crate::cache::CodePage).
    pub page: u32,
    /// The word to patch, as an offset in the code memory.
    pub site: u32,
    /// It leads to another page: 12 bytes before it stands the number of the page it is for.
    pub guarded: bool,
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
}

/// Where the addend is in an entry of the translation cache.
const ADDEND: i8 = offset_of!(Entry, addend) as i8;
/// Where [`Compiler::translate`] leads.
pub(super) const HERE: Rm = Rm::X(RAX, RDX, 0, 0);

/// Condition that the host's flags answer, and for which operation they were set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Host {
    None,
    /// As after a subtraction, by all conditions.
    Sub,
    /// As after an addition: carry is not inverted.
    Add,
    /// Zero and sign only.
    Logic,
}

struct Cold {
    entry: Label,
    back: Label,
    at: usize,
}

struct Pending {
    label: Label,
    pc: u32,
    site: usize,
    guarded: bool,
}

/// The compiler of one block.
pub struct Compiler<'a> {
    pub(super) a: &'a mut Asm,
    site: &'a Site<'a>,
    block: &'a Block,
    /// Host register of a slot.
    hot: [Option<u8>; SLOTS],
    cold: Vec<Cold>,
    /// Where the guess of an addend was wrong, and where to go on.
    wrong: Vec<(Label, Label)>,
    pending: Vec<Pending>,
    /// Where a [`Code::Skip`] leads: operation, label, and the state of the host's flags there.
    skips: Vec<(usize, Label, u32)>,
    host: Host,
    host_version: u32,
    start: Label,
    helper: Label,
    /// Flags that somebody may look at behind each operation.
    live: Vec<u8>,
    /// Operations before this one are done.
    done: usize,
}

/// Whether the compiler takes this block: it must not end, or be left, within an IT block, and cost a cycle for each
/// instruction.
pub fn accepts(block: &Block) -> bool {
    let leaves = |op: &Op| {
        let behind = &block.insns[usize::from(op.insn) + 1];
        !op.code.ends_block() || op.code == Code::JumpReg || behind.it == 0
    };
    block.end_it() == 0
        && block.cycles() == block.len() as u64
        && block.insns.iter().enumerate().all(|(i, insn)| usize::from(insn.cycles) == i)
        && block.ops.iter().all(leaves)
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
        pending: vec![],
        skips: vec![],
        host: Host::None,
        host_version: 0,
        start,
        helper,
        live: liveness(block),
        done: 0,
    };
    c.block();
    let at = place(a.here())?;
    a.place(memory, at);
    Some(at)
}

/// Flags that count behind each operation, by the rules of the pass in [`crate::ir`].
fn liveness(block: &Block) -> Vec<u8> {
    let mut live = flags::ALL;
    let mut out = vec![0; block.ops.len()];
    for (i, op) in block.ops.iter().enumerate().rev() {
        out[i] = live;
        if let Some((sets, _)) = op.full.flagless() {
            live &= !sets;
        }
        live |= op.full.flags_read();
    }
    out
}

impl Compiler<'_> {
    fn block(&mut self) {
        let n = self.block.cycles() as u32;
        self.a.bind(self.start);
        self.a.alu_imm(true, op::SUB, Rm::R(BUDGET), n);
        let budget = self.a.label();
        self.a.jcc(cc::L, budget);
        for i in 0..self.block.ops.len() {
            self.bind_skips(i);
            if i < self.done {
                continue;
            }
            let before = self.host_version;
            let op = self.block.ops[i];
            self.operation(i, &op);
            // Whatever did not say what the host's flags are may have changed them.
            if self.host_version == before && !keeps_host_flags(op.code) {
                self.set_host(Host::None);
            }
            // The second of the two runs on its own if the first was skipped.
            if ends_for_good(op.code) && self.skips.is_empty() {
                break;
            }
        }
        self.cold_code();
        self.a.bind(budget);
        self.a.alu_imm(true, op::ADD, Rm::R(BUDGET), n);
        self.a.call_out(self.site.stubs.budget);
        self.a.word(self.block.insns[0].pc);
    }

    fn bind_skips(&mut self, i: usize) {
        while let Some(k) = self.skips.iter().position(|s| s.0 == i) {
            let (_, label, version) = self.skips.swap_remove(k);
            self.a.bind(label);
            if version != self.host_version {
                self.set_host(Host::None);
            }
        }
    }

    fn set_host(&mut self, host: Host) {
        self.host = host;
        self.host_version += 1;
    }

    fn cold_code(&mut self) {
        for cold in std::mem::take(&mut self.cold) {
            self.a.bind(cold.entry);
            self.call_helper(cold.at);
            self.a.jmp(cold.back);
        }
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
    fn zero(&self, slot: u8) -> bool {
        slot == self.site.shape.zero
    }
    pub(super) fn reg(&self, slot: u8) -> Option<u8> {
        self.hot[usize::from(slot) & (SLOTS - 1)]
    }
    /// The slot's low half in a register: its own, or `scratch`.
    fn get(&mut self, slot: u8, scratch: u8) -> u8 {
        match self.reg(slot) {
            Some(r) => r,
            None => {
                self.fetch(slot, scratch);
                scratch
            }
        }
    }
    /// The slot's low half in this register.
    fn fetch(&mut self, slot: u8, r: u8) {
        if self.zero(slot) {
            self.a.mov_imm(r, 0);
        } else if self.rm(slot) != Rm::R(r) {
            self.a.op(false, op::LOAD, r, self.rm(slot));
        }
    }
    /// The register where a result for the slot is best made.
    fn target(&self, slot: u8) -> u8 {
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
    fn put_imm(&mut self, slot: u8, v: u32) {
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
    fn begin(&mut self, d: u8, a: u8, b: Option<u8>) -> u8 {
        let own = self.target(d);
        let taken = b.is_some_and(|b| self.reg(b) == Some(own));
        let w = if taken && self.reg(a) != Some(own) { RAX } else { own };
        self.fetch(a, w);
        w
    }

    // ---- flags ----

    /// Keeps those of the flags that count. `w` is the result, from which N and Z follow.
    fn keep_flags(&mut self, i: usize, w: u8, sets: u8, host: Host) {
        let live = self.live[i] & sets;
        if live & flags::NZ != 0 {
            self.a.op(true, op::STORE, w, self.rm(N));
            self.a.op(true, op::STORE, w, self.rm(Z));
        }
        if live & flags::C != 0 {
            let cc = if host == Host::Sub { cc::AE } else { cc::B };
            self.a.op8(op::SET + u32::from(cc), 0, self.rm(C));
        }
        if live & flags::V != 0 {
            self.a.op8(op::SET + u32::from(cc::O), 0, self.rm(V));
        }
        self.set_host(if sets & flags::V == 0 && host != Host::None { Host::Logic } else { host });
    }

    /// The host's condition for one of the guest's, if the host's flags are those of the guest.
    fn host_cc(&self, cond: u8) -> Option<u8> {
        let by_zero_and_sign = [(0, cc::E), (1, cc::NE), (4, cc::S), (5, cc::NS)];
        let sub = [
            (2, cc::AE),
            (3, cc::B),
            (6, cc::O),
            (7, cc::O ^ 1),
            (8, cc::A),
            (9, cc::BE),
            (10, cc::GE),
            (11, cc::L),
            (12, cc::G),
            (13, cc::LE),
        ];
        let find = |list: &[(u8, u8)]| list.iter().find(|e| e.0 == cond).map(|e| e.1);
        match self.host {
            Host::None => None,
            Host::Logic => find(&by_zero_and_sign),
            Host::Sub => find(&by_zero_and_sign).or_else(|| find(&sub)),
            Host::Add => match cond {
                2 => Some(cc::B),
                3 => Some(cc::AE),
                8 | 9 => None,
                _ => find(&by_zero_and_sign).or_else(|| find(&sub)),
            },
        }
    }

    /// Sets the host's flags, out of the register file, so that the returned condition is the guest's.
    fn test_condition(&mut self, cond: u8) -> u8 {
        let (n, z, c, v) = (self.rm(N), self.rm(Z), self.rm(C), self.rm(V));
        match cond {
            0 | 1 => self.a.alu_imm(false, op::CMP, z, 0),
            2 | 3 => self.a.alu_imm(false, op::CMP, c, 0),
            4 | 5 => self.a.alu_imm(false, op::CMP, n, 0),
            6 | 7 => self.a.alu_imm(false, op::CMP, v, 0),
            8 | 9 => {
                // Higher: C is set and Z's word is not zero.
                self.a.op(false, op::LOAD, RAX, z);
                self.a.alu_imm(false, op::CMP, c, 0);
                self.a.op(false, op::CMOV + u32::from(cc::E), RAX, c);
                self.a.op(false, op::TEST, RAX, Rm::R(RAX));
            }
            _ => {
                self.a.op(false, op::LOAD, RAX, n);
                self.a.shift(false, shift::SHR, Rm::R(RAX), 31);
                self.a.op(false, op::XOR, RAX, v); // 1: less
                if cond >= 12 {
                    // One more if Z's word is zero, which borrows.
                    self.a.alu_imm(false, op::CMP, z, 1);
                    self.a.alu_imm(false, op::ADC, Rm::R(RAX), 0);
                }
                self.a.op(false, op::TEST, RAX, Rm::R(RAX));
            }
        }
        match cond {
            0 | 3 | 7 | 9 | 10 | 12 => cc::E,
            4 => cc::S,
            5 => cc::NS,
            _ => cc::NE,
        }
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

    /// The cycles of the instructions behind `op`, which will not run, come back.
    fn give_back(&mut self, op: &Op) {
        let rest = self.block.len() - usize::from(op.insn) - 1;
        if rest != 0 {
            // `lea` leaves the flags.
            self.a.op(true, op::LEA, BUDGET, Rm::M(BUDGET, rest as i32));
        }
    }

    /// On to a block at a known address, if the host's condition holds.
    fn go(&mut self, cond: Option<u8>, pc: u32) {
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
    fn go_far(&mut self, cond: Option<u8>, pc: u32) {
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

    fn branch(&mut self, cond: u8, taken: u32, other: u32) {
        if cond & 15 >= 14 {
            return self.go(None, taken);
        }
        let cc = self.host_cc(cond).unwrap_or_else(|| self.test_condition(cond));
        self.go(Some(cc), taken);
        self.go(None, other);
    }

    /// Compares two slots, or a slot with a constant, and branches by the host's condition.
    fn compare_branch(&mut self, op: &Op, cc: u8) {
        self.compare(op);
        self.go(Some(cc), op.imm);
        self.go(None, op.imm2);
    }

    fn compare(&mut self, op: &Op) {
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
    fn jump_reg(&mut self, i: usize, op: &Op) {
        self.fetch(op.a, RAX);
        if self.site.shape.jump == JumpRule::Thumb {
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

    // ---- operations ----

    #[allow(clippy::too_many_lines)] // one arm for each operation
    fn operation(&mut self, i: usize, op: &Op) {
        use Code::*;
        match op.code {
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
            Clz if super::has_lzcnt() => {
                let (w, a) = (self.target(op.d), self.rm(op.a));
                self.a.op(false, op::LZCNT, w, a);
                self.put(op.d, w);
            }
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
            Ld64 => self.pair(i, op, offset_of!(Entry, read)),
            St64 => self.pair(i, op, offset_of!(Entry, write)),
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
                    let cc = self.host_cc(op.x);
                    let keeps = cc.is_some();
                    let cc = cc.unwrap_or_else(|| self.test_condition(op.x));
                    self.a.jcc(cc ^ 1, over);
                    if !keeps {
                        self.set_host(Host::None);
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
                self.branch(op.x, op.imm, op.imm2);
            }
            BranchZ | BranchNz => {
                self.give_back(op);
                let a = self.get(op.a, RAX);
                self.a.op(false, op::TEST, a, Rm::R(a));
                self.go(Some(if op.code == BranchZ { cc::E } else { cc::NE }), op.imm);
                self.go(None, op.imm2);
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
                self.branch(op.x, op.imm2, self.block.insns[self.block.len()].pc);
            }
            MovIJump => {
                self.put_imm(op.d, op.imm);
                self.go(None, op.imm2);
            }
            JumpReg => self.jump_reg(i, op),
            Rbit | Clz | LdUser | StUser | Call | CallEnd => self.call_helper(i),
        }
    }

    /// A skip over operations that only compute: they are done in any case, and the result is taken if the condition holds. A
    /// condition on data is hard to predict for the host.
    fn conditional_move(&mut self, i: usize, skip: &Op) -> bool {
        let ops = &self.block.ops[i + 1..=i + skip.imm as usize];
        let Some((last, first)) = ops.split_last() else { return false };
        let temp = |op: &Op| (TEMP..TRASH).contains(&op.d) && only_computes(op.code);
        let Some(d) = self.reg(last.d).filter(|_| only_computes(last.code)) else { return false };
        if skip.x & 15 >= 14 || !first.iter().all(temp) || first.len() > 2 {
            return false;
        }
        for (k, op) in first.iter().enumerate() {
            self.operation(i + 1 + k, op);
        }
        let mut result = match (last.code, self.reg(last.a)) {
            (Code::Mov, Some(a)) => a,
            (Code::Mov, None) => {
                self.fetch(last.a, RAX);
                RAX
            }
            (Code::MovI, _) => {
                self.a.mov_imm(RAX, last.imm);
                RAX
            }
            _ => {
                self.operation(i + 1 + first.len(), &Op { d: TRASH, ..*last });
                RAX
            }
        };
        let keeps = first.is_empty() && matches!(last.code, Code::Mov | Code::MovI);
        let cc = match self.host_cc(skip.x).filter(|_| keeps) {
            Some(cc) => cc,
            None => {
                if result == RAX {
                    // Some conditions are worked out there.
                    self.a.mov(RCX, RAX);
                    result = RCX;
                }
                let cc = self.test_condition(skip.x);
                self.set_host(Host::None);
                cc
            }
        };
        self.a.op(false, op::CMOV + u32::from(cc), d, Rm::R(result));
        self.done = i + 1 + skip.imm as usize;
        true
    }

    /// A copy of a slot.
    fn copy(&mut self, op: &Op) {
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
    fn result(&mut self, slot: u8) -> u8 {
        self.get(slot, RAX)
    }

    fn logic_flags(&mut self, i: usize, w: u8) {
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

    fn alu(&mut self, i: usize, op: &Op, opcode: u32, host: Host) {
        let (mut a, mut b) = (op.a, op.b);
        let own = self.reg(op.d);
        if opcode != op::SUB && own.is_some() && self.reg(b) == own && self.reg(a) != own {
            (a, b) = (b, a);
        }
        let w = self.begin(op.d, a, Some(b));
        self.finish(i, &Op { a, b, ..*op }, opcode, w, host);
    }

    /// `w op= r[b]`, the flags, the result.
    fn finish(&mut self, i: usize, op: &Op, opcode: u32, w: u8, host: Host) {
        let b = self.rm(op.b);
        self.a.op(false, opcode, w, b);
        self.flags_of(i, w, host);
        self.put(op.d, w);
    }

    fn alu_with_imm(&mut self, i: usize, op: &Op, opcode: u32, host: Host) {
        let w = self.begin(op.d, op.a, None);
        self.a.alu_imm(false, opcode, Rm::R(w), op.imm);
        self.flags_of(i, w, host);
        self.put(op.d, w);
    }

    fn flags_of(&mut self, i: usize, w: u8, host: Host) {
        match host {
            Host::None => {}
            Host::Logic => self.keep_flags(i, w, flags::NZ, host),
            _ => self.keep_flags(i, w, flags::ALL, host),
        }
    }

    fn add_imm(&mut self, op: &Op, imm: u32) {
        if let (Some(d), Some(a)) = (self.reg(op.d), self.reg(op.a))
            && d != a
        {
            return self.a.op(false, op::LEA, d, Rm::M(a, imm as i32));
        }
        let w = self.begin(op.d, op.a, None);
        self.a.alu_imm(false, op::ADD, Rm::R(w), imm);
        self.put(op.d, w);
    }

    fn shift_imm(&mut self, i: usize, op: &Op) {
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
        if op.imm >= 32 && (c != 0 || ext == shift::SHR) {
            return self.call_helper(i);
        }
        let w = self.begin(op.d, op.a, None);
        self.a.shift(false, ext, Rm::R(w), op.imm.min(31) as u8);
        if c != 0 {
            // Rotation leaves the host's Z and S.
            let host = if ext == shift::ROR || nz == 0 { Host::None } else { Host::Logic };
            self.keep_flags(i, w, nz | c, host);
        }
        self.put(op.d, w);
    }

    /// By a byte, by ARM's rules: in 64 bits nothing special happens at 32. The last bit shifted out lies at bit 32 or 31.
    fn shift_arm(&mut self, i: usize, op: &Op) {
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

    fn long_multiply(&mut self, op: &Op) {
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
    fn divide(&mut self, i: usize, op: &Op) {
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

    fn set_condition(&mut self, d: u8, cc: u8) {
        self.a.op8(op::SET + u32::from(cc), 0, Rm::R(RAX));
        self.a.op8(op::MOVZX8, RAX, Rm::R(RAX));
        self.put(d, RAX);
    }

    fn extend(&mut self, op: &Op, opcode: u32) {
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

    /// FP registers are a slot each for two halves.
    fn halves(&mut self, i: usize, op: &Op) {
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

    // ---- memory ----

    /// `eax = r[a] + (r[b] << imm)`.
    fn indexed(&mut self, op: &Op) {
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

    /// For the guest's address in `eax`, the host's is `rax + rdx`, if the translation cache knows the page for this (the
    /// entry's field at `field`) and the address is aligned; else on to `slow`. `rcx` is lost. What is in `rdx` is guessed, so
    /// that the access need not wait for the translation cache, which only confirms it.
    pub(super) fn translate(&mut self, size: u32, field: usize, slow: Label) {
        const SHIFT: u8 = size_of::<Entry>().trailing_zeros() as u8;
        let bits = self.site.table_bits;
        self.a.mov(RDX, RAX);
        self.a.alu_imm(false, op::AND, Rm::R(RDX), !(PAGE as u32 - size));
        self.a.imul_imm(RCX, RDX, SCATTER);
        self.a.shift(false, shift::SHR, Rm::R(RCX), (32 - bits) as u8);
        self.a.shift(false, shift::SHL, Rm::R(RCX), SHIFT);
        self.a.op(true, op::CMP, RDX, Rm::X(TABLE, RCX, 0, field as i8));
        self.a.jcc(cc::NE, slow);
        let (wrong, back) = (self.a.label(), self.a.label());
        self.a.op(true, op::LOAD, RDX, GUESS);
        self.a.op(true, op::CMP, RDX, Rm::X(TABLE, RCX, 0, ADDEND));
        self.a.jcc(cc::NE, wrong);
        self.a.bind(back);
        self.wrong.push((wrong, back));
    }

    /// The word at a constant address in the block's own page: the page's content is part of what the code is for.
    fn literal(&self, op: &Op) -> Option<u32> {
        let at = op.imm.wrapping_sub(self.site.base) as usize;
        let own = op.code == Code::Ld32 && self.zero(op.a) && at < PAGE && at.is_multiple_of(4);
        let bytes = self.site.bytes.get(at..at + 4).filter(|_| own)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    fn load(&mut self, i: usize, op: &Op) {
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
        self.translate(size, offset_of!(Entry, read), slow);
        let w = self.target(op.d);
        self.a.op(false, opcode, w, HERE);
        self.put(op.d, w);
        self.back();
    }

    fn store(&mut self, i: usize, op: &Op) {
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
        self.translate(size, offset_of!(Entry, write), slow);
        let v = self.get(op.d, RCX);
        match size {
            1 => self.a.op8(op::STORE8, v, HERE),
            2 => self.a.store16(v, HERE),
            _ => self.a.op(false, op::STORE, v, HERE),
        }
        self.back();
    }

    /// The slots of [`Code::LdM`] and [`Code::StM`], with `rax + rdx` where the first word is if all lie in one page.
    fn many(&mut self, i: usize, op: &Op, field: usize) -> Vec<u8> {
        let slots: Vec<u8> = (0..16).filter(|s| op.imm >> s & 1 != 0).collect();
        self.offset(op.a, op.imm2);
        let slow = self.slow(i);
        if slots.len() > 1 {
            self.a.mov(RCX, RAX);
            self.a.alu_imm(false, op::AND, Rm::R(RCX), PAGE as u32 - 1);
            self.a.alu_imm(false, op::CMP, Rm::R(RCX), (PAGE - 4 * slots.len()) as u32);
            self.a.jcc(cc::A, slow);
        }
        self.translate(4, field, slow);
        slots
    }

    fn write_back(&mut self, op: &Op) {
        let change = (op.imm as i32 >> 16) as u32;
        if change != 0 {
            self.add_imm(&Op { d: op.a, ..*op }, change);
        }
    }

    fn load_many(&mut self, i: usize, op: &Op) {
        for (k, slot) in self.many(i, op, offset_of!(Entry, read)).into_iter().enumerate() {
            let w = self.reg(slot).unwrap_or(RCX);
            self.a.op(false, op::LOAD, w, Rm::X(RAX, RDX, 0, 4 * k as i8));
            self.put(slot, w);
        }
        self.write_back(op);
        self.back();
    }

    fn store_many(&mut self, i: usize, op: &Op) {
        for (k, slot) in self.many(i, op, offset_of!(Entry, write)).into_iter().enumerate() {
            let v = self.get(slot, RCX);
            self.a.op(false, op::STORE, v, Rm::X(RAX, RDX, 0, 4 * k as i8));
        }
        self.write_back(op);
        self.back();
    }
}

/// Operations whose templates compute one result and leave it in `eax` if it is for [`TRASH`]: no flags, no faults.
fn only_computes(code: Code) -> bool {
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
