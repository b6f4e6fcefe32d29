//! The compiler: blocks of the IR become x86-64 code, shared by all devices and threads.
//!
//! # What keeps it sound
//! - The code of a block belongs to its [`CodePage`](crate::shared::CodePage), whose content never changes, or to a
//!   [`Pool`](crate::shared::Pool), whose code memory only grows. A CPU executes in it only while it holds the page or the pool, so
//!   the code memory comes back when nobody can be in it.
//! - Jumps are patched once, from "tell who is in charge" to the target. Within a page that is all. A jump to another page
//!   first looks whether this CPU has joined the very page for which the jump was patched: the numbers of pages are never
//!   used twice, and what a CPU has joined it holds.
//! - A CPU joins a page when it is known as a whole and its bytes are watched; a write to it ends in the interpreter's slow
//!   path, which asks for attention, and compiled code is left behind that instruction. Then the page is not joined any more.
//! - Of a pool, the CPU's own list of entries says which blocks are right for its memory. Each block asks that list when it is
//!   jumped to, so it does not matter who patched which jump. The list changes while compiled code is left; the CPU holds the
//!   blocks that are in it.
//! - Code is written through a mapping that cannot execute, and executed through one that cannot be written.
//!
//! All `unsafe` of the workspace is in this folder: entering compiled code, and access to the code memory.
#![allow(unsafe_code)]

mod access;
mod asm;
mod compile;
mod counters;
mod dsp;
mod flags;
mod float;
mod memory;
mod ops;
mod stubs;

pub use crate::counters::Counters;
use crate::{
    counters::LeftOps,
    guest::{Guest, Shape},
    interp::{Left, exec_op},
    ir::Block,
};
use asm::Asm;
use compile::{COUNT, GUARD_TO_SITE, Link, MOST_CYCLES, Site};
use counters::COUNTERS;
pub use counters::counters;
use emu_core::{
    bus::Bus,
    memory::{Memory, PAGE},
};
use memory::{CodeMemory, SLAB};
use std::{
    mem::offset_of,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
};
use stubs::Stubs;

/// Pages a CPU can have joined at a time.
pub(crate) const JOINED: usize = 32;
/// The number of no page: what a jump to another page looks for until it is patched.
const NO_PAGE: u32 = 0;
/// Stands in the page list where no page is joined: never equal to what a jump looks for, not even to that of one that
/// is being patched on another thread.
const NOT_JOINED: u32 = u32::MAX;
/// So often a block is interpreted before it is compiled.
const HEAT: u8 = 30;
/// A block that will not be compiled.
const COLD: u8 = u8::MAX;
/// Halfwords of a page.
const STARTS: usize = PAGE / 2;

/// Whether compiled code can run on this host.
pub fn available() -> Result<(), String> {
    memory::get().map(|_| ()).map_err(str::to_owned)
}

/// No more than this many bytes of code memory from now on, for tests of what happens then. Returns the former limit.
pub fn set_limit(bytes: usize) -> usize {
    memory::get().map_or(0, |m| m.set_limit(bytes.div_ceil(SLAB)) * SLAB)
}

/// Changes when all CPUs should let go of the pages they hold.
pub(crate) fn pressure() -> u64 {
    memory::get().map_or(0, CodeMemory::pressure)
}

fn has_fma() -> bool {
    std::is_x86_feature_detected!("fma")
}

fn has_rounding() -> bool {
    std::is_x86_feature_detected!("sse4.1")
}

fn page_index(pc: u32) -> usize {
    (pc as usize / PAGE) & (JOINED - 1)
}

/// A page that a CPU has joined, as compiled code reads it.
#[derive(Clone, Copy)]
#[repr(C)]
struct PageEntry {
    /// Page number of its address.
    number: u32,
    /// [`PageCode::id`].
    id: u32,
    /// [`PageCode::entries`].
    entries: u64,
}

/// The pages a CPU has joined.
pub(crate) struct Pages([PageEntry; JOINED]);

impl Default for Pages {
    fn default() -> Self {
        Pages([PageEntry { number: u32::MAX, id: NOT_JOINED, entries: 0 }; JOINED])
    }
}

impl Pages {
    /// Joins `code` at a page number. The caller holds the page, and the entries, until it is left.
    pub fn join(&mut self, number: u32, code: &PageCode, entries: &Entries) {
        let entries = entries.0.as_ptr().expose_provenance() as u64;
        self.0[number as usize & (JOINED - 1)] = PageEntry { number, id: code.id, entries };
    }
    /// This page was joined with this content.
    pub fn has(&self, number: u32, code: &PageCode) -> bool {
        let e = &self.0[number as usize & (JOINED - 1)];
        (e.number, e.id) == (number, code.id)
    }
    /// Leaves all.
    pub fn leave(&mut self) {
        *self = Pages::default();
    }
}

/// Where the next code of a page goes.
#[derive(Default)]
struct Room {
    slabs: Vec<u32>,
    next: u32,
    end: u32,
}

/// For each halfword of a page the offset of its block's code, or of the stub that tells that there is none.
pub(crate) struct Entries(Box<[AtomicU32]>);

impl Entries {
    /// The code of the block at a halfword of the page, which belongs to `code`.
    #[inline]
    pub fn get(&self, code: &PageCode, start: usize) -> Option<u32> {
        Some(self.0[start].load(Ordering::Acquire)).filter(|e| *e != code.stubs.target)
    }
    /// Sets or takes away the code of the block at a halfword of the page.
    pub fn set(&self, code: &PageCode, start: usize, entry: Option<u32>) {
        self.0[start].store(entry.unwrap_or(code.stubs.target), Ordering::Release);
    }
}

/// What is known of a block apart from its page.
#[derive(Default)]
pub(crate) struct Alone {
    heat: AtomicU8,
    /// Its code, if not 0: there are stubs.
    entry: AtomicU32,
}

impl Alone {
    /// See [`PageCode::wants`].
    #[inline(always)]
    pub fn wants(&self) -> bool {
        wants(&self.heat)
    }
    /// It is compiled, or was interpreted often and may be.
    pub fn is_hot(&self) -> bool {
        self.entry.load(Ordering::Acquire) != 0 || is_hot(&self.heat)
    }
}

/// A block is about to be interpreted: whether it should rather run as compiled code.
#[inline(always)]
fn wants(heat: &AtomicU8) -> bool {
    let now = heat.load(Ordering::Relaxed);
    if now < HEAT {
        // Two threads may count as one: that only delays.
        heat.store(now + 1, Ordering::Relaxed);
        return false;
    }
    now != COLD
}

fn is_hot(heat: &AtomicU8) -> bool {
    (HEAT..COLD).contains(&heat.load(Ordering::Relaxed))
}

/// The compiled code of a page, or of the blocks in a page that stand for themselves.
pub(crate) struct PageCode {
    id: u32,
    table_bits: u32,
    stubs: Stubs,
    entries: Entries,
    /// How often a block was interpreted; empty if the blocks stand for themselves.
    heat: Box<[AtomicU8]>,
    room: Mutex<Room>,
}

impl Drop for PageCode {
    fn drop(&mut self) {
        if let Ok(memory) = memory::get() {
            memory.give_back(&self.lock().slabs);
        }
    }
}

impl PageCode {
    /// For a page that guests of this shape execute, as a `whole` or by blocks that stand for themselves. `None`: there is no
    /// memory for it.
    pub fn new(shape: &Shape, table_bits: u32, whole: bool) -> Option<PageCode> {
        static ID: AtomicU32 = AtomicU32::new(NO_PAGE + 1);
        let stubs = stubs::of(memory::get().ok()?, shape)?;
        // Numbers must not come again; after four thousand millions of pages there is no compiling any more.
        let next = |id: u32| id.checked_add(1);
        let id = ID.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        let starts = if whole { STARTS } else { 0 };
        Some(PageCode {
            id,
            table_bits,
            stubs,
            entries: Entries((0..starts).map(|_| AtomicU32::new(stubs.target)).collect()),
            heat: (0..starts).map(|_| AtomicU8::new(0)).collect(),
            room: Mutex::default(),
        })
    }

    /// Its number, which no other page ever has.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The entries of a page that is compiled as a whole.
    pub fn entries(&self) -> &Entries {
        &self.entries
    }
    /// None yet, for a CPU's own list of the blocks that stand for themselves.
    pub fn no_entries(&self) -> Entries {
        Entries((0..STARTS).map(|_| AtomicU32::new(self.stubs.target)).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The code of the block at a halfword of the page.
    #[inline]
    pub fn entry(&self, start: usize) -> Option<u32> {
        self.entries.get(self, start)
    }

    /// The block at `start` is about to be interpreted: whether it should rather run as compiled code.
    #[inline(always)]
    pub fn wants(&self, start: usize) -> bool {
        wants(&self.heat[start])
    }

    /// The block at `start` was interpreted often, and may be compiled.
    pub fn is_hot(&self, start: usize) -> bool {
        is_hot(&self.heat[start])
    }

    /// The code of `block`, which starts at `pc`; compiled now if need be. `None`: the interpreter must run it.
    pub fn compiled(&self, shape: &Shape, bytes: &[u8], block: &Block, pc: u32) -> Option<u32> {
        let start = pc as usize / 2 % STARTS;
        let known = |pc: u32| self.entry(pc as usize / 2 % STARTS);
        let made = (&self.entries.0[start], self.stubs.target);
        self.entry(start).or_else(|| self.compile(shape, block, &self.heat[start], made, (bytes, &known)))
    }

    /// The code of a block that stands for itself; compiled now if need be. `entries` are the CPU's own.
    pub fn compiled_alone(
        &self,
        shape: &Shape,
        block: &Block,
        alone: &Alone,
        entries: &Entries,
    ) -> Option<u32> {
        let known = |pc: u32| entries.get(self, pc as usize / 2 % STARTS);
        match alone.entry.load(Ordering::Acquire) {
            0 => self.compile(shape, block, &alone.heat, (&alone.entry, 0), (&[], &known)),
            entry => Some(entry),
        }
    }

    /// Compiles a block, unless another thread has just done so: `made` is where its entry is kept, and what is there if there is
    /// none. `bytes` are those of its page, none if it stands for itself; `known` the entries of other blocks of the page.
    fn compile(
        &self,
        shape: &Shape,
        block: &Block,
        heat: &AtomicU8,
        made: (&AtomicU32, u32),
        (bytes, known): (&[u8], &dyn Fn(u32) -> Option<u32>),
    ) -> Option<u32> {
        let memory = memory::get().ok()?;
        if heat.load(Ordering::Relaxed) == COLD || memory.full() {
            return None;
        }
        let mut room = self.lock();
        let entry = made.0.load(Ordering::Acquire);
        if entry != made.1 {
            return Some(entry);
        }
        let site = Site {
            shape,
            stubs: &self.stubs,
            table_bits: self.table_bits,
            bytes,
            base: block.insns[0].pc & !(PAGE as u32 - 1),
            page: self.id,
            compiled: known,
            alone: bytes.is_empty(),
        };
        let place = |len| room.place(memory, len);
        let entry = compile::accepts(block)
            .then(|| compile::compile(&mut Asm::default(), &site, block, memory, place))
            .flatten();
        match entry {
            Some(entry) => {
                made.0.store(entry, Ordering::Release);
                COUNTERS.blocks.fetch_add(1, Ordering::Relaxed);
                COUNTERS.insns.fetch_add(block.len() as u64, Ordering::Relaxed);
            }
            None if memory.full() => {}
            None => {
                COUNTERS.refused.fetch_add(1, Ordering::Relaxed);
                heat.store(COLD, Ordering::Relaxed);
            }
        }
        entry
    }
}

impl Room {
    fn place(&mut self, memory: &CodeMemory, len: usize) -> Option<u32> {
        let len = (len + 15) & !15;
        if self.next as usize + len > self.end as usize {
            if len > SLAB {
                return None;
            }
            let slab = memory.take()?;
            // Slabs taken one after the other are often neighbours.
            if slab != self.end || self.end == 0 {
                self.next = slab;
            }
            self.end = slab + SLAB as u32;
            self.slabs.push(slab);
        }
        let at = self.next;
        self.next += len as u32;
        COUNTERS.bytes.fetch_add(len as u64, Ordering::Relaxed);
        Some(at)
    }
}

/// What compiled code and the helper share.
#[repr(C)]
struct Frame<'a, G: Guest> {
    helper: extern "sysv64" fn(*mut Frame<'a, G>, *const Block, u32, i64) -> u32,
    pages: *const PageEntry,
    base: *const u8,
    /// What the budget's register holds: [`COUNT`].
    left: i64,
    /// Where a jump stands that led nowhere yet.
    info: u32,
    /// See [`parts`].
    parts: *const u8,
    guest: *mut G,
    bus: *mut Bus,
    /// The cycle at which none would be left.
    end: u64,
    /// How the helper left the block, and the cycle and number of instructions at which that began.
    how: Left,
    since: (u64, u64),
    slow_ops: u64,
    /// Who wants to know which.
    left_ops: Option<&'a mut LeftOps>,
}

impl<G: Guest> Frame<'_, G> {
    /// The cycle, and the instructions executed so far, for what the budget's register holds.
    fn so_far(&self, left: i64) -> (u64, u64) {
        (self.end - (left as u64 >> COUNT), left as u64 & ((1 << COUNT) - 1))
    }
}

/// The same without the guest, for the offsets.
#[repr(C)]
struct FrameHead {
    helper: usize,
    pages: usize,
    base: usize,
    left: i64,
    info: u32,
    parts: usize,
}

/// Offsets of fields in the frame.
mod frame {
    use super::{FrameHead, offset_of};
    pub const HELPER: i32 = offset_of!(FrameHead, helper) as i32;
    pub const PAGES: i32 = offset_of!(FrameHead, pages) as i32;
    pub const BASE: i32 = offset_of!(FrameHead, base) as i32;
    pub const LEFT: i32 = offset_of!(FrameHead, left) as i32;
    pub const INFO: i32 = offset_of!(FrameHead, info) as i32;
    pub const PARTS: i32 = offset_of!(FrameHead, parts) as i32;
}

/// Why compiled code was left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// Too few cycles are left for the next block.
    Budget,
    /// A jump led to a block that is not compiled or not joined. If there is a place to patch: where it is told of.
    Target(Option<u32>),
    /// The helper left a block.
    Helper,
}

/// What running compiled code came to.
pub(crate) struct Ran {
    pub left: Left,
    pub why: Why,
    pub slow_ops: u64,
}

/// Runs compiled code from `entry` of `code` on, at cycle `cycle`, within `until`. The guest's program counter and decoder state are right
/// on return.
pub(crate) fn run<G: Guest>(
    g: &mut G,
    bus: &mut Bus,
    pages: &Pages,
    shape: &Shape,
    (code, entry): (&PageCode, u32),
    (cycle, until): (u64, u64),
    left_ops: Option<&mut LeftOps>,
) -> Option<Ran> {
    let memory = memory::get().ok()?;
    let budget = (until - cycle).min(MOST_CYCLES);
    let table = bus.fabric.mem.table().as_ptr();
    let guest = &raw mut *g;
    // SAFETY: the reference it comes from is not used until compiled code was left.
    let regs = unsafe { (*guest).regs().r.as_mut_ptr().cast::<u8>() };
    let mut frame = Frame::<G> {
        helper: helper::<G>,
        pages: pages.0.as_ptr(),
        base: memory.address(0),
        left: 0,
        info: 0,
        parts: parts(&bus.fabric.mem),
        guest,
        bus,
        end: cycle + budget,
        how: Left { insns: 0, cycles: 0, attention: false, exit: None },
        since: (0, 0),
        slow_ops: 0,
        left_ops,
    };
    let enter = memory.address(code.stubs.enter);
    // SAFETY: the stub has this signature. It was made for this shape, as was the code at `entry`: both come from a page of
    // this guest's cache. The register file and the frame outlive the call. The translation cache stays where it is
    // while a machine runs, and its pages where it says they are: `Memory` drops an entry when its page moves. The bits
    // of pages that may be accessed in parts lie as long as their entries say where; views change outside of compiled code.
    // Compiled code and the helper take turns, so the references that the helper makes are the only ones in use then.
    let reason = unsafe {
        type Enter = extern "sysv64" fn(*mut u8, *const u8, i64, *const u8, *mut u8) -> u32;
        let enter: Enter = std::mem::transmute(enter);
        let regs = regs.wrapping_add(stubs::bias(shape));
        enter(regs, table.cast(), (budget << COUNT) as i64, memory.address(entry), (&raw mut frame).cast())
    };
    let why = match reason {
        stubs::LEFT_HELPER => Why::Helper,
        stubs::LEFT_BUDGET => Why::Budget,
        stubs::LEFT_LINK => Why::Target(Some(frame.info)),
        _ => Why::Target(None),
    };
    let (now, insns) = if why == Why::Helper { frame.since } else { frame.so_far(frame.left) };
    let cycles = frame.how.cycles.wrapping_add(now.wrapping_sub(cycle));
    let left = Left { insns: frame.how.insns + insns as usize, cycles, ..frame.how };
    Some(Ran { left, why, slow_ops: frame.slow_ops })
}

/// Does operation `at` of `block`; `left` is the budget when the whole block is paid for. Not 0: the block was left.
extern "sysv64" fn helper<G: Guest>(
    frame: *mut Frame<'_, G>,
    block: *const Block,
    at: u32,
    left: i64,
) -> u32 {
    // SAFETY: called from compiled code only, with the frame that `run` made and the block whose code it is: the block lives
    // in the page that the CPU holds. Nothing else uses the guest or the bus now.
    let (f, block) = unsafe { (&mut *frame, &*block) };
    // SAFETY: as above.
    let (g, bus) = unsafe { (&mut *f.guest, &mut *f.bus) };
    let (behind, insns) = f.so_far(left);
    // What came back of the block's cost makes this earlier than it was.
    let start = (behind.wrapping_sub(block.cycles()), insns - block.len() as u64);
    f.slow_ops += 1;
    if let Some(left) = &mut f.left_ops {
        left.add(&block.ops[at as usize]);
    }
    let how = exec_op(g, bus, block, at as usize, start);
    f.parts = parts(&bus.fabric.mem);
    match how {
        None => 0,
        Some(how) => {
            (f.how, f.since) = (how, start);
            1
        }
    }
}

/// Where compiled code finds which parts of pages may be accessed; the entries of the translation cache stand in for them if there
/// are none, as they begin alike.
fn parts(mem: &Memory) -> *const u8 {
    match mem.parts() {
        [] => mem.table().as_ptr().cast(),
        parts => parts.as_ptr().cast(),
    }
}

/// The page of the jump that is told of at `at`.
pub(crate) fn page_of(at: u32) -> Option<u32> {
    memory::get().ok().map(|memory| Link::read(memory, at).page)
}

/// Leads a jump to its target, if it is still open and the target is what it may be patched to.
pub(crate) fn link(at: u32, pc: u32, from: &PageCode, to: &PageCode, entry: u32) {
    let Ok(memory) = memory::get() else { return };
    let link = Link::read(memory, at);
    if link.pc != pc || link.page != from.id || (!link.guarded && to.id != from.id) {
        return;
    }
    // One at a time: a guard must never be that of another target.
    let _room = from.lock();
    let guard = link.site - GUARD_TO_SITE;
    if link.guarded && memory.word(guard) != NO_PAGE as i32 {
        return;
    }
    memory.patch(link.site, entry.wrapping_sub(link.site + 4) as i32);
    if link.guarded {
        memory.patch(guard, to.id as i32);
    }
    COUNTERS.links.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A jump to another page is patched in two steps, target first. Between them its guard is that of an open jump, and it
    /// must not let anybody through.
    #[test]
    fn jit_an_open_jump_lets_nobody_through() {
        let pages = Pages::default();
        assert!(pages.0.iter().all(|entry| entry.id != NO_PAGE), "a page not joined looks like an open jump");
    }
}
