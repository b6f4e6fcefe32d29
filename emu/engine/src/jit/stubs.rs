//! The ways into compiled code and out of it, once for each front end.
//!
//! In compiled code `rbp` points into the register file ([`Shape::base`]), `r15` to the translation cache, `r14` holds the
//! cycles left and the instructions executed ([`COUNT`](super::compile::COUNT)), nine registers hold the guest's busiest slots ([`Shape::hot`]); `rax`, `rcx`, `rdx` are for anything. The stack
//! holds the address of the [`Frame`] and copies of its first two fields.

use super::{
    JOINED, NO_PAGE, PageEntry,
    asm::{Asm, Label, RAX, RBP, RCX, RDX, RSP, Rm, cc, op, shift, unary},
    compile::{ADDEND, GUARD_TO_SITE},
    frame,
    memory::CodeMemory,
};
use crate::{guest::Shape, ir::SLOTS};
use emu_core::memory::{PAGE, Part};
use std::{mem::offset_of, sync::Mutex};

/// Host registers of [`Shape::hot`].
pub const HOT: [u8; 9] = [3, 6, 7, 8, 9, 10, 11, 12, 13];
/// Host register of the cycles left, and of the instructions executed.
pub const BUDGET: u8 = 14;
/// Host register of the translation cache.
pub const TABLE: u8 = 15;
const RSI: u8 = 6;
const RDI: u8 = 7;

/// Compiled code was left at the start of a block: too few cycles are left for it.
pub const LEFT_BUDGET: u32 = 0;
/// A direct jump led to what is not compiled, or not joined yet: the frame tells where the jump is.
pub const LEFT_LINK: u32 = 1;
/// A computed jump led to what is not compiled.
pub const LEFT_TARGET: u32 = 2;
/// The helper says how.
pub const LEFT_HELPER: u32 = 3;

/// Words on the stack of compiled code, and how many bytes they take.
const WORDS: u32 = 56;
const FRAME: Rm = Rm::M(RSP, 0);
/// The frame's page list.
pub const PAGES: Rm = Rm::M(RSP, 8);
/// Where the code memory starts.
pub const BASE: Rm = Rm::M(RSP, 16);

/// The [`addend`](emu_core::memory::Entry) of the last page whose was not the one before: the next access is likely to have it,
/// too, and need not wait for the translation cache.
pub const GUESS: Rm = Rm::M(RSP, 24);
/// The translation cache's [`Part`]s, or its entries if there are none: those never let pass what they did not before.
const PARTS: Rm = Rm::M(RSP, 40);
/// One bit for each halfword that an access wants of a page that it may access in parts.
pub const WANTED: Rm = Rm::M(RSP, 32);

/// Offsets in the code memory.
#[derive(Clone, Copy, Debug)]
pub struct Stubs {
    pub enter: u32,
    /// `call` with the word of the block's address behind it.
    pub budget: u32,
    /// `call` with a [`Link`](super::compile::Link) behind it.
    pub link: u32,
    /// A computed jump's target is in the program counter: there is no code there.
    pub target: u32,
    /// The same, if there may be some.
    pub by_pc: u32,
    /// `call` with [`Compiler::translate`](super::compile::Compiler::translate)'s registers and [`WANTED`], for a page of which
    /// parts may be read: if so, the host's zero flag is set, and `rdx` is the addend.
    pub read: u32,
    /// The same for writing.
    pub write: u32,
    /// `call` with an operation's number in `eax` and its block in `rdx`.
    pub helper: u32,
}

/// Where a slot is if no host register holds it.
pub fn place(shape: &Shape, slot: u8) -> Rm {
    // As in the register file itself, the top bit does not count.
    let slot = i32::from(slot) & (SLOTS as i32 - 1);
    Rm::M(RBP, (slot - i32::from(shape.base)) * 8 - 128)
}

/// What must be added to the address of the register file to point where [`place`] counts from.
pub fn bias(shape: &Shape) -> usize {
    usize::from(shape.base) * 8 + 128
}

/// The stubs for a front end, made when they are first asked for.
pub fn of(memory: &CodeMemory, shape: &Shape) -> Option<Stubs> {
    static MADE: Mutex<Vec<(Shape, Stubs)>> = Mutex::new(vec![]);
    let mut made = MADE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((_, stubs)) = made.iter().find(|m| m.0 == *shape) {
        return Some(*stubs);
    }
    assert!(shape.hot.iter().all(|s| usize::from(*s) < SLOTS), "a slot that does not exist");
    let mut next = memory.take()?;
    let mut put = |build: &dyn Fn(&mut Asm)| {
        let mut a = Asm::default();
        build(&mut a);
        a.place(memory, next);
        let at = next;
        next += (a.here() as u32 + 15) & !15;
        at
    };
    let leave = put(&leave);
    let exit = put(&|a| {
        keep(a, shape);
        a.jmp_out(leave);
    });
    let reason = |a: &mut Asm, reason| {
        a.mov_imm(RAX, reason);
        a.jmp_out(exit);
    };
    // The address that the call left is that of the word.
    let start = |a: &mut Asm| {
        a.pop(RDX);
        a.op(false, op::LOAD, RCX, Rm::M(RDX, 0));
        a.op(true, op::STORE, RCX, place(shape, shape.pc));
    };
    let target = put(&|a| reason(a, LEFT_TARGET));
    let by_pc = put(&|a| by_pc(a, shape, target));
    let stubs = Stubs {
        enter: put(&|a| enter(a, shape)),
        budget: put(&|a| {
            start(a);
            reason(a, LEFT_BUDGET);
        }),
        link: put(&|a| {
            start(a);
            let open = a.label();
            patched(a, open);
            a.jmp_out(by_pc);
            a.bind(open);
            a.op(true, op::SUB, RDX, BASE);
            reason(a, LEFT_LINK);
        }),
        target,
        by_pc,
        read: put(&|a| part(a, offset_of!(Part, read), offset_of!(Part, read_bits))),
        write: put(&|a| part(a, offset_of!(Part, write), offset_of!(Part, write_bits))),
        helper: put(&|a| helper(a, shape, leave)),
    };
    made.push((*shape, stubs));
    Some(stubs)
}

/// Host registers to the register file.
fn keep(a: &mut Asm, shape: &Shape) {
    for (slot, host) in shape.hot.iter().zip(HOT) {
        a.op(true, op::STORE, host, place(shape, *slot));
    }
}

fn fetch(a: &mut Asm, shape: &Shape) {
    for (slot, host) in shape.hot.iter().zip(HOT) {
        a.op(true, op::LOAD, host, place(shape, *slot));
    }
}

/// Called by the System V rules with: `rdi` the biased register file, `rsi` the translation cache, `rdx` cycles, `rcx` code,
/// `r8` the frame.
fn enter(a: &mut Asm, shape: &Shape) {
    for r in [3, RBP, 12, 13, 14, 15] {
        a.push(r);
    }
    // A call of the helper finds the stack aligned to 16 bytes: six registers, the return address, five words.
    a.alu_imm(true, op::SUB, Rm::R(RSP), WORDS);
    a.op(true, op::STORE, 8, FRAME);
    a.store_imm(true, GUESS, 0);
    for (field, word) in [(frame::PAGES, PAGES), (frame::BASE, BASE), (frame::PARTS, PARTS)] {
        a.op(true, op::LOAD, RAX, Rm::M(8, field));
        a.op(true, op::STORE, RAX, word);
    }
    a.op(true, op::LOAD, RBP, Rm::R(RDI));
    a.op(true, op::LOAD, TABLE, Rm::R(RSI));
    a.op(true, op::LOAD, BUDGET, Rm::R(RDX));
    fetch(a, shape);
    a.op(false, op::INDIRECT, 4, Rm::R(RCX));
}

/// On to `open` unless the jump of the [`Link`](super::compile::Link) at `rdx` was patched, for another page than the one that
/// is joined.
fn patched(a: &mut Asm, open: Label) {
    a.op(false, op::LOAD, RAX, Rm::M(RDX, 8));
    a.test_imm(Rm::R(RAX), 1);
    a.jcc(cc::E, open);
    a.shift(false, shift::SHR, Rm::R(RAX), 1);
    a.op(true, op::UNARY, unary::NEG, Rm::R(RAX));
    a.alu_imm(false, op::CMP, Rm::X(RDX, RAX, 0, -(GUARD_TO_SITE as i8)), NO_PAGE);
    a.jcc(cc::E, open);
}

/// On at the program counter, if the page there is joined.
fn by_pc(a: &mut Asm, shape: &Shape, target: u32) {
    a.op(false, op::LOAD, RAX, place(shape, shape.pc));
    a.mov(RCX, RAX);
    a.shift(false, shift::SHR, Rm::R(RCX), PAGE.trailing_zeros() as u8);
    a.mov(RDX, RCX);
    a.alu_imm(false, op::AND, Rm::R(RDX), JOINED as u32 - 1);
    a.shift(false, shift::SHL, Rm::R(RDX), size_of::<PageEntry>().trailing_zeros() as u8);
    a.op(true, op::ADD, RDX, PAGES);
    a.op(false, op::CMP, RCX, Rm::M(RDX, offset_of!(PageEntry, number) as i32));
    a.jcc_out(cc::NE, target);
    a.op(true, op::LOAD, RDX, Rm::M(RDX, offset_of!(PageEntry, entries) as i32));
    a.alu_imm(false, op::AND, Rm::R(RAX), PAGE as u32 - 2);
    a.op(false, op::LOAD, RAX, Rm::X(RDX, RAX, 1, 0));
    a.op(true, op::ADD, RAX, BASE);
    a.op(false, op::INDIRECT, 4, Rm::R(RAX));
}

/// Whether the halfwords that are wanted of a page may be accessed: `tag` and `bits` are fields of its [`Part`].
fn part(a: &mut Asm, tag: usize, bits: usize) {
    // The return address lies on top.
    let below = |rm| if let Rm::M(base, disp) = rm { Rm::M(base, disp + 8) } else { rm };
    let no = a.label();
    a.op(true, op::ADD, RCX, below(PARTS));
    a.op(true, op::CMP, RDX, Rm::M(RCX, tag as i32));
    a.jcc(cc::NE, no);
    a.op(true, op::LOAD, RDX, Rm::R(RCX));
    a.op(true, op::SUB, RDX, below(PARTS));
    a.op(true, op::LOAD, RDX, Rm::X(TABLE, RDX, 0, ADDEND));
    // The next access is likely to be to this page, too.
    a.op(true, op::STORE, RDX, below(GUESS));
    a.op(true, op::LOAD, RDX, Rm::M(RCX, bits as i32));
    // Eight bytes from that of the first halfword on hold more than any access wants.
    a.mov(RCX, RAX);
    a.alu_imm(false, op::AND, Rm::R(RCX), PAGE as u32 - 1);
    a.shift(false, shift::SHR, Rm::R(RCX), 4);
    a.op(true, op::LOAD, RDX, Rm::X(RDX, RCX, 0, 0));
    a.mov(RCX, RAX);
    a.shift(false, shift::SHR, Rm::R(RCX), 1);
    a.alu_imm(false, op::AND, Rm::R(RCX), 7);
    a.op(true, op::SHIFT_CL, shift::SHR, Rm::R(RDX));
    a.op(true, op::AND, RDX, below(WANTED));
    a.op(true, op::LOAD, RDX, below(GUESS));
    a.bind(no);
    a.ret();
}

/// Back to who entered, with the register file as it is in memory.
fn leave(a: &mut Asm) {
    a.op(true, op::LOAD, RCX, FRAME);
    a.op(true, op::STORE, BUDGET, Rm::M(RCX, frame::LEFT));
    a.op(false, op::STORE, RDX, Rm::M(RCX, frame::INFO));
    a.alu_imm(true, op::ADD, Rm::R(RSP), WORDS);
    for r in [15, 14, 13, 12, RBP, 3] {
        a.pop(r);
    }
    a.ret();
}

/// One operation in Rust: with the register file in memory, and the stack aligned.
fn helper(a: &mut Asm, shape: &Shape, leave: u32) {
    keep(a, shape);
    a.op(true, op::LOAD, RDI, Rm::M(RSP, 8));
    a.op(true, op::LOAD, RSI, Rm::R(RDX));
    a.mov(RDX, RAX);
    a.op(true, op::LOAD, RCX, Rm::R(BUDGET));
    a.alu_imm(true, op::SUB, Rm::R(RSP), 8);
    a.op(false, op::INDIRECT, 2, Rm::M(RDI, frame::HELPER));
    a.alu_imm(true, op::ADD, Rm::R(RSP), 8);
    a.op(false, op::TEST, RAX, Rm::R(RAX));
    let left = a.label();
    a.jcc(super::asm::cc::NE, left);
    // There may be parts of pages now where there were none.
    a.op(true, op::LOAD, RDI, Rm::M(RSP, 8));
    a.op(true, op::LOAD, RAX, Rm::M(RDI, frame::PARTS));
    a.op(true, op::STORE, RAX, Rm::M(RSP, 48));
    fetch(a, shape);
    a.ret();
    a.bind(left);
    a.pop(RCX);
    a.mov_imm(RAX, LEFT_HELPER);
    a.jmp_out(leave);
}
