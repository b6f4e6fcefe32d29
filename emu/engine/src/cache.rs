//! One CPU's view of the code that it executes. Snapshots hold none of this.
//!
//! A page of code is watched as a whole, until data was written to it: from then on its blocks stand for themselves
//! ([`Mixed`]), and so they do where not all of a page may be executed.

use crate::{
    counters::LeftOps,
    guest::Guest,
    interp::Left,
    ir::Block,
    jit::{self, PageCode, Pages, Why},
    mixed::{Mixed, Place},
    shared::{self, CodePage, STARTS, give_up_pages},
};
use emu_core::{
    bus::Bus,
    cpu::{Engine, EngineStats},
    memory::{Memory, PAGE, RegionKind},
};
use std::sync::Arc;

/// What a CPU knows of a page.
enum Code {
    /// All bytes of the page are those of this one.
    Whole(Arc<CodePage>),
    /// Each block stands for itself.
    Mixed(Box<Mixed>),
}

impl Code {
    #[inline(always)]
    fn compiled(&self) -> Option<&PageCode> {
        match self {
            Code::Whole(page) => page.jit.get()?.as_ref(),
            Code::Mixed(mixed) => mixed.compiled(),
        }
    }
}

/// A page this CPU executes.
struct Local {
    number: u32,
    slot: u32,
    /// The next page, if an instruction may reach into it.
    next_slot: Option<u32>,
    /// The memory's code epoch when this was known to be right.
    epoch: u64,
    code: Code,
}

impl Local {
    fn place(&self) -> Place {
        (self.slot, self.next_slot)
    }
}

const RECENT: usize = 16;
/// So many configurations of protection are remembered, beside that which holds.
const OTHERS: usize = 7;

/// One CPU's view of the shared code.
pub struct CodeCache {
    locals: Vec<Local>,
    recent: [(u32, u32); RECENT],
    epoch: u64,
    engine: Engine,
    /// Pages whose compiled code this CPU may run.
    pages: Pages,
    /// Those under other permissions, for when they come back.
    others: Vec<(u64, Pages)>,
    /// Numbers of the pages whose blocks stand for themselves, in order.
    mixed: Vec<u32>,
    permissions: u64,
    pressure: u64,
    /// There are breakpoints or watchpoints.
    debugged: bool,
    stats: EngineStats,
    /// What compiled code left to the interpreter, if somebody wants to know.
    left: Option<Box<LeftOps>>,
}

impl Default for CodeCache {
    fn default() -> Self {
        CodeCache {
            locals: vec![],
            recent: [(u32::MAX, 0); RECENT],
            epoch: 0,
            engine: Engine::Auto,
            pages: Pages::default(),
            others: vec![],
            mixed: vec![],
            permissions: 0,
            pressure: 0,
            debugged: false,
            stats: EngineStats::default(),
            left: None,
        }
    }
}

impl CodeCache {
    /// Forgets everything but the choice of the engine: the CPU's state was replaced.
    pub fn clear(&mut self) {
        let (engine, stats, left) = (self.engine, self.stats, self.left.take());
        *self = CodeCache { engine, stats, left, ..CodeCache::default() };
    }

    /// Nothing yet, for a copy of the CPU.
    pub fn fork(&self) -> CodeCache {
        CodeCache { engine: self.engine, ..CodeCache::default() }
    }

    /// Chooses what executes.
    pub fn set_engine(&mut self, engine: Engine) {
        self.engine = engine;
        self.clear();
    }

    /// What was done.
    pub fn stats(&self) -> EngineStats {
        self.stats
    }

    /// From now on counts by name what compiled code leaves to the interpreter.
    pub fn count_ops(&mut self) {
        self.left.get_or_insert_default();
    }

    /// These names, as `G` has them, and counts; the same name may come several times.
    pub fn left_ops<G: Guest>(&self) -> Vec<(&'static str, u64)> {
        self.left.as_ref().map_or(vec![], |left| left.named::<G>())
    }

    /// Whether compiled code may run.
    #[inline]
    pub(crate) fn compiles<G: Guest>(&self) -> bool {
        G::SHAPE.is_some() && self.engine != Engine::Interpreter && jit::available().is_ok()
    }

    /// At the start of a slice: what a debugger wants may have changed, and memory for code may have run out.
    pub(crate) fn begin(&mut self, bus: &Bus) {
        let debugged = !bus.breakpoints.is_empty() || bus.fabric.mem.watches();
        if debugged || self.debugged {
            self.leave();
            self.debugged = debugged;
        }
        let pressure = jit::pressure();
        if pressure != self.pressure {
            self.pressure = pressure;
            self.locals.clear();
            self.forget_places();
            give_up_pages(pressure);
        }
    }

    /// Nothing compiled may run before it was joined again.
    fn leave(&mut self) {
        self.pages.leave();
        self.others.clear();
    }

    /// Pages left the list.
    fn forget_places(&mut self) {
        self.recent = [(u32::MAX, 0); RECENT];
        self.leave();
    }

    /// Drops what was written since of the code, and takes note of permissions that have changed.
    pub fn sync<G: Guest>(&mut self, g: &G, mem: &mut Memory) {
        if self.permissions != g.permissions() {
            self.change_permissions(g.permissions());
        }
        if self.epoch == mem.code_epoch() {
            return;
        }
        self.epoch = mem.code_epoch();
        let (mixed, mut gone) = (&mut self.mixed, false);
        self.locals.retain_mut(|l| {
            let stale = |slot: u32| mem.page_epoch(slot) > l.epoch;
            if !stale(l.slot) && !l.next_slot.is_some_and(stale) {
                return true;
            }
            let place = l.place();
            match &mut l.code {
                Code::Whole(_) => {
                    if is_ram(mem, l.number) {
                        note(mixed, l.number);
                    }
                    gone = true;
                    false
                }
                Code::Mixed(blocks) => {
                    blocks.check(mem, place);
                    l.epoch = mem.code_epoch();
                    true
                }
            }
        });
        if gone {
            self.forget_places();
        }
    }

    fn change_permissions(&mut self, now: u64) {
        let known = self.others.iter().position(|o| o.0 == now);
        let pages = known.map(|i| self.others.remove(i).1).unwrap_or_default();
        let last = std::mem::replace(&mut self.pages, pages);
        if self.others.len() >= OTHERS {
            self.others.remove(0);
        }
        self.others.push((self.permissions, last));
        self.permissions = now;
    }

    /// The block at `pc`, in page `i` of the list, will be or should be run as compiled code.
    #[inline(always)]
    pub(crate) fn prefers_compiled(&self, i: usize, pc: u32) -> bool {
        let start = pc as usize / 2 % STARTS;
        match self.locals.get(i).map(|l| &l.code) {
            Some(code @ Code::Whole(_)) => code.compiled().is_some_and(|code| code.wants(start)),
            Some(Code::Mixed(mixed)) => {
                mixed.compiled().is_some() && mixed.piece(start).is_some_and(|p| p.alone.wants())
            }
            None => false,
        }
    }

    /// The block at `pc` is about to be interpreted on its own: it counts as others do.
    pub(crate) fn warm<G: Guest>(&mut self, g: &G, bus: &mut Bus, pc: u32) {
        if self.compiles::<G>()
            && let Some(i) = self.page(g, bus, pc)
        {
            self.prefers_compiled(i, pc);
        }
    }

    /// Runs compiled code from the program counter on, if there is some that may run: within `until`, from `cycle` on. `open`
    /// is a jump to be led there.
    pub(crate) fn run_compiled<G: Guest>(
        &mut self,
        g: &mut G,
        bus: &mut Bus,
        (cycle, until): (u64, u64),
        open: &mut Option<u32>,
    ) -> Option<(Left, Why)> {
        let open = open.take();
        let pc = g.pc();
        let i = self.page(g, bus, pc)?;
        let start = pc as usize / 2 % STARTS;
        let hot = match &self.locals[i].code {
            Code::Whole(page) => {
                page.jit.get()?.as_ref().is_some_and(|c| c.entry(start).is_some() || c.is_hot(start))
            }
            Code::Mixed(mixed) => mixed.piece(start)?.alone.is_hot(),
        };
        if !hot || !self.joined(i, g, bus, pc) {
            return None;
        }
        let shape = G::SHAPE.as_ref()?;
        let entry = self.entry(i, g, bus, pc)?;
        let code = self.locals[i].code.compiled()?;
        if let Some(at) = open {
            let from = jit::page_of(at);
            let mut codes = self.locals.iter().filter_map(|l| l.code.compiled());
            if let Some(from) = codes.find(|code| Some(code.id()) == from) {
                jit::link(at, pc, from, code, entry);
            }
        }
        let ran =
            jit::run(g, bus, &self.pages, shape, (code, entry), (cycle, until), self.left.as_deref_mut())?;
        let stats = &mut self.stats;
        stats.entries += 1;
        stats.compiled += ran.left.insns as u64;
        stats.slow_ops += ran.slow_ops;
        match ran.why {
            Why::Budget => stats.left_budget += 1,
            Why::Target(_) => stats.left_target += 1,
            Why::Helper if ran.left.attention => stats.left_attention += 1,
            Why::Helper => stats.left_fault += 1,
        }
        Some((ran.left, ran.why))
    }

    /// The code of the block at `pc` in page `i` of the list, which is joined; compiled if need be.
    fn entry<G: Guest>(&self, i: usize, g: &mut G, bus: &mut Bus, pc: u32) -> Option<u32> {
        let (shape, start) = (G::SHAPE.as_ref()?, pc as usize / 2 % STARTS);
        match &self.locals[i].code {
            Code::Whole(page) => {
                let code = page.jit.get()?.as_ref()?;
                code.entry(start).or_else(|| {
                    let block = match page.blocks[start].get() {
                        Some(block) => block,
                        None => page.decode(g, pc),
                    };
                    code.compiled(shape, &page.bytes, block, pc)
                })
            }
            Code::Mixed(mixed) => {
                let code = mixed.compiled()?;
                let (entries, split) = mixed.entries(self.permissions)?;
                if let Some(entry) = entries.get(code, start) {
                    return Some(entry);
                }
                let piece = mixed.piece(start)?;
                let insns = &piece.block.insns[..piece.block.len()];
                if split && insns.iter().any(|insn| g.check_fetch(bus, insn.pc).is_err()) {
                    return None;
                }
                let entry = code.compiled_alone(shape, &piece.block, &piece.alone, entries)?;
                entries.set(code, start, Some(entry));
                Some(entry)
            }
        }
    }

    /// Makes sure that the compiled code of page `i` of the list, where `pc` is, may run: its bytes are all known and watched,
    /// the CPU may execute it, and no debugger looks at it.
    fn joined<G: Guest>(&mut self, i: usize, g: &mut G, bus: &mut Bus, pc: u32) -> bool {
        let l = &mut self.locals[i];
        match l.code.compiled() {
            None => return false,
            Some(code) if self.pages.has(l.number, code) => return true,
            Some(_) => {}
        }
        if self.debugged && debugged(l, bus) {
            return false;
        }
        if g.checks_fetch() && g.check_fetch(bus, pc).is_err() {
            return false;
        }
        // It may be executed here, but not as a whole.
        let split = g.checks_fetch();
        if let (true, Code::Whole(_), number) = (split, &l.code, l.number) {
            note(&mut self.mixed, number);
            self.locals.remove(i);
            self.forget_places();
            return false;
        }
        if let Code::Mixed(mixed) = &mut l.code
            && let Some(gone) = mixed.make_entries(self.permissions, split)
        {
            self.others.retain(|o| o.0 != gone);
        }
        let Some(code) = l.code.compiled() else { return false };
        match &l.code {
            Code::Whole(_) => self.pages.join(l.number, code, code.entries()),
            Code::Mixed(mixed) => match mixed.entries(self.permissions) {
                Some((entries, _)) => self.pages.join(l.number, code, entries),
                None => return false,
            },
        }
        true
    }

    /// The number of the page of `pc` in this CPU's list, for [`CodeCache::in_page`]. `None`: no memory there.
    #[inline]
    pub fn page<G: Guest>(&mut self, g: &G, bus: &mut Bus, pc: u32) -> Option<usize> {
        let number = pc >> 12;
        let recent = self.recent[number as usize & (RECENT - 1)];
        if recent.0 == number { Some(recent.1 as usize) } else { self.find(g, bus, number) }
    }

    /// The block at `pc`, which lies in page `i` of the list, decoded if need be.
    #[inline(always)]
    pub fn in_page<G: Guest>(&mut self, g: &G, bus: &mut Bus, i: usize, pc: u32) -> Option<&Block> {
        let l = self.locals.get_mut(i)?;
        let place = l.place();
        match &mut l.code {
            Code::Whole(page) => match page.blocks[pc as usize / 2 % STARTS].get() {
                None => Some(page.decode(g, pc)),
                Some(block) => Some(block),
            },
            Code::Mixed(mixed) => Some(mixed.block(g, &mut bus.fabric.mem, place, pc)),
        }
    }

    /// The block at `pc`, decoded if need be. `None`: no memory there.
    pub fn block<G: Guest>(&mut self, g: &G, bus: &mut Bus, pc: u32) -> Option<&Block> {
        let i = self.page(g, bus, pc)?;
        self.in_page(g, bus, i, pc)
    }

    fn find<G: Guest>(&mut self, g: &G, bus: &mut Bus, number: u32) -> Option<usize> {
        let i = match self.locals.iter().position(|l| l.number == number) {
            Some(i) => i,
            None => {
                let mem = &mut bus.fabric.mem;
                let mixed = self.mixed.binary_search(&number).is_ok();
                let local = if mixed { mixed_page(g, mem, number)? } else { whole_page(g, mem, number)? };
                if self.compiles::<G>()
                    && let Some(shape) = &G::SHAPE
                {
                    let (jit, whole) = match &local.code {
                        Code::Whole(page) => (&page.jit, true),
                        Code::Mixed(mixed) => (&mixed.pool().jit, false),
                    };
                    jit.get_or_init(|| PageCode::new(shape, mem.table_bits(), whole));
                }
                self.locals.push(local);
                self.locals.len() - 1
            }
        };
        self.recent[number as usize & (RECENT - 1)] = (number, i as u32);
        Some(i)
    }
}

/// Puts a number into an ordered list.
fn note(list: &mut Vec<u32>, number: u32) {
    if let Err(i) = list.binary_search(&number) {
        list.insert(i, number);
    }
}

fn is_ram(mem: &Memory, number: u32) -> bool {
    mem.region_at(u64::from(number) << 12).is_some_and(|r| r.kind == RegionKind::Ram)
}

/// A debugger looks at the page.
fn debugged(l: &Local, bus: &Bus) -> bool {
    let first = u64::from(l.number) << 12;
    // The last instruction may reach into the next page.
    bus.breakpoints.range(first..first + PAGE as u64).next().is_some()
        || bus.fabric.mem.watched(l.slot)
        || l.next_slot.is_some_and(|next| bus.fabric.mem.watched(next))
}

/// A page of which the bytes are all known, and watched.
fn whole_page<G: Guest>(g: &G, mem: &mut Memory, number: u32) -> Option<Local> {
    let addr = u64::from(number) << 12;
    let (slot, bytes) = mem.code_page(addr)?;
    // Data behind a page of code is not its business unless an instruction reaches into it.
    let last = u16::from_le_bytes([bytes[PAGE - 2], bytes[PAGE - 1]]);
    let next = mem.code_page(addr + PAGE as u64).filter(|_| g.reaches_on(last));
    let tail = next.map(|(_, b)| [b[0], b[1]]);
    let next_slot = next.map(|n| n.0);
    let key = (g.decoder_id(), mem.table_bits(), number, mem.page_hash(slot), tail);
    let page = shared::page(key, || bytes.iter().copied().chain(tail.into_iter().flatten()).collect());
    mem.mark_page(slot);
    next_slot.into_iter().for_each(|next| mem.mark_code(next, 0, 2));
    Some(Local { number, slot, next_slot, epoch: mem.code_epoch(), code: Code::Whole(page) })
}

/// A page of which no block is known yet.
fn mixed_page<G: Guest>(g: &G, mem: &Memory, number: u32) -> Option<Local> {
    let addr = u64::from(number) << 12;
    let slot = mem.page_slot(addr)?;
    let next_slot = mem.page_slot(addr + PAGE as u64);
    let pool = shared::pool((g.decoder_id(), mem.table_bits(), number));
    let code = Code::Mixed(Box::new(Mixed::new(pool)));
    Some(Local { number, slot, next_slot, epoch: mem.code_epoch(), code })
}
