//! Decoded code, once for each content: all machines that run the same firmware share it, over all threads.
//!
//! A [`CodePage`] is keyed by decoder, address and content, so what it holds is a pure function of its key and it
//! does not matter who decodes first. Each CPU keeps a short list of the pages it executes; a write to decoded bytes
//! drops the page from that list. Snapshots hold none of this.

use crate::{
    guest::Guest,
    interp::Left,
    ir::{Block, MAX_INSNS},
    jit::{self, PageCode, Pages, Why},
};
use emu_core::{
    bus::Bus,
    cpu::{Engine, EngineStats},
    memory::{Memory, PAGE, RegionKind, chunk_mask},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

/// Decoder, size of the translation cache, page number, content hash, and the bytes an instruction may reach into the next
/// page.
type Key = (u64, u32, u32, u128, Option<[u8; 2]>);

/// What a page of a given content means, for whoever executes it.
pub(crate) struct CodePage {
    /// The page and up to two bytes of the next one.
    bytes: Box<[u8]>,
    /// One for each halfword at which a block may start. The blocks lie elsewhere: there are few, and making a page that no
    /// other CPU has seen costs what it is long.
    blocks: Box<[OnceLock<Box<Block>>; STARTS]>,
    /// What of it was compiled, once somebody may run that. `None` in it: there is no memory for it.
    jit: OnceLock<Option<PageCode>>,
}

/// Halfwords of a page.
const STARTS: usize = PAGE / 2;

impl CodePage {
    fn new(bytes: Box<[u8]>) -> CodePage {
        let blocks: Box<[_]> = (0..STARTS).map(|_| OnceLock::new()).collect();
        let Ok(blocks) = blocks.try_into() else { unreachable!("as many as were made") };
        CodePage { bytes, blocks, jit: OnceLock::new() }
    }

    fn compiled(&self) -> Option<&PageCode> {
        self.jit.get()?.as_ref()
    }
}

/// Pages that stay in the store although nobody uses them.
const STORE_LIMIT: usize = 1024;

#[derive(Default)]
struct Store {
    pages: BTreeMap<Key, Arc<CodePage>>,
    /// The last want of memory for which all pages were given up.
    pressure: u64,
}

fn store() -> MutexGuard<'static, Store> {
    static STORE: OnceLock<Mutex<Store>> = OnceLock::new();
    // A panic elsewhere cannot leave the map half changed: go on with it.
    STORE.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops the pages that nobody's list holds.
fn purge(store: &mut Store) {
    store.pages.retain(|_, page| Arc::strong_count(page) > 1);
}

/// Memory for compiled code ran out: nobody finds the old pages any more, so that each goes when the last CPU that holds it
/// lets go. (Purging would not do: of the CPUs that share a page, one always takes it again before another lets go.)
fn give_up_pages(pressure: u64) {
    let old = {
        let mut store = store();
        if store.pressure >= pressure {
            return;
        }
        store.pressure = pressure;
        std::mem::take(&mut store.pages)
    };
    drop(old); // outside the lock
}

fn shared_page(key: Key, bytes: impl FnOnce() -> Box<[u8]>) -> Arc<CodePage> {
    let mut store = store();
    if store.pages.len() >= STORE_LIMIT {
        purge(&mut store);
    }
    Arc::clone(store.pages.entry(key).or_insert_with(|| Arc::new(CodePage::new(bytes()))))
}

/// A page this CPU executes.
struct Local {
    number: u32,
    slot: u32,
    next_slot: Option<u32>,
    /// The memory's code epoch when this was made.
    epoch: u64,
    /// One bit for each halfword at which a block may start: its bytes are known to be those of `code`, and are
    /// watched for writes. `None`: so are all (ROM, which seldom changes, and RAM whose code is compiled; a fleet has
    /// thousands of these).
    verified: Option<Box<[u64; STARTS / 64]>>,
    /// It is RAM, where data may lie beside code.
    ram: bool,
    /// It is, and is written too often for its code to be compiled.
    busy: bool,
    code: Arc<CodePage>,
}

impl Local {
    #[inline(always)]
    fn verified(&self, start: usize) -> bool {
        self.verified.as_ref().is_none_or(|v| v[start / 64] >> (start & 63) & 1 != 0)
    }
}

const RECENT: usize = 16;

/// So often a page of RAM may be written while its code is compiled; then its code is left to the interpreter.
const REWRITES: u8 = 3;

/// One CPU's view of the shared code.
pub struct CodeCache {
    locals: Vec<Local>,
    recent: [(u32, u32); RECENT],
    epoch: u64,
    engine: Engine,
    /// Pages whose compiled code this CPU may run.
    pages: Pages,
    /// Pages of RAM that were written while their code was compiled, and how often.
    rewritten: Vec<(u32, u8)>,
    permissions: u64,
    pressure: u64,
    /// There are breakpoints or watchpoints.
    debugged: bool,
    stats: EngineStats,
}

impl Default for CodeCache {
    fn default() -> Self {
        CodeCache {
            locals: vec![],
            recent: [(u32::MAX, 0); RECENT],
            epoch: 0,
            engine: Engine::Auto,
            pages: Pages::default(),
            rewritten: vec![],
            permissions: 0,
            pressure: 0,
            debugged: false,
            stats: EngineStats::default(),
        }
    }
}

impl CodeCache {
    /// Forgets everything but the choice of the engine: the CPU's state was replaced.
    pub fn clear(&mut self) {
        *self = CodeCache { engine: self.engine, stats: self.stats, ..CodeCache::default() };
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

    /// Whether compiled code may run.
    #[inline]
    pub(crate) fn compiles<G: Guest>(&self) -> bool {
        G::SHAPE.is_some() && self.engine != Engine::Interpreter && jit::available().is_ok()
    }

    /// At the start of a slice: what a debugger wants may have changed, and memory for code may have run out.
    pub(crate) fn begin(&mut self, bus: &Bus) {
        let debugged = !bus.breakpoints.is_empty() || bus.fabric.mem.watches();
        if debugged || self.debugged {
            self.pages.leave();
            self.debugged = debugged;
        }
        let pressure = jit::pressure();
        if pressure != self.pressure {
            self.pressure = pressure;
            self.forget_pages();
            give_up_pages(pressure);
        }
    }

    fn forget_pages(&mut self) {
        self.locals.clear();
        self.recent = [(u32::MAX, 0); RECENT];
        self.pages.leave();
    }

    /// Drops pages whose code was written since, and what stood on permissions that have changed.
    pub fn sync<G: Guest>(&mut self, g: &G, mem: &Memory) {
        if self.permissions != g.permissions() {
            self.permissions = g.permissions();
            self.pages.leave();
        }
        if self.epoch == mem.code_epoch() {
            return;
        }
        self.epoch = mem.code_epoch();
        let fresh = |slot: u32, epoch: u64| mem.page_epoch(slot) <= epoch;
        let rewritten = &mut self.rewritten;
        self.locals.retain(|l| {
            let keep = fresh(l.slot, l.epoch) && l.next_slot.is_none_or(|n| fresh(n, l.epoch));
            if !keep && l.ram && l.verified.is_none() {
                match rewritten.iter_mut().find(|r| r.0 == l.number) {
                    Some(r) => r.1 = r.1.saturating_add(1),
                    None => rewritten.push((l.number, 1)),
                }
            }
            keep
        });
        self.recent = [(u32::MAX, 0); RECENT];
        self.pages.leave();
    }

    /// The block at `pc`, in page `i` of the list, will be or should be run as compiled code.
    #[inline(always)]
    pub(crate) fn prefers_compiled(&self, i: usize, pc: u32) -> bool {
        let Some(l) = self.locals.get(i) else { return false };
        !l.busy && l.code.compiled().is_some_and(|code| code.wants(pc as usize / 2 % STARTS))
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
        let code = self.locals[i].code.compiled().filter(|_| !self.locals[i].busy)?;
        if code.entry(start).is_none() && !code.is_hot(start) {
            return None;
        }
        if !self.joined(i, g, bus, pc) {
            return None;
        }
        let shape = G::SHAPE.as_ref()?;
        let l = &self.locals[i];
        let code = l.code.compiled()?;
        let entry = match code.entry(start) {
            Some(entry) => entry,
            None => {
                let block = match l.code.blocks[start].get() {
                    Some(block) => block,
                    None => decode(&l.code, g, pc),
                };
                code.compiled(shape, &l.code.bytes, block, pc)?
            }
        };
        if let Some(at) = open {
            let from = jit::page_of(at);
            let mut codes = self.locals.iter().filter_map(|l| l.code.compiled());
            if let Some(from) = codes.find(|code| Some(code.id()) == from) {
                jit::link(at, pc, from, code, entry);
            }
        }
        let ran = jit::run(g, bus, &self.pages, entry, shape, code, (cycle, until))?;
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

    /// Makes sure that the compiled code of page `i` of the list, where `pc` is, may run: its bytes are all known and watched,
    /// the CPU may execute all of it, and no debugger looks at it.
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
        if g.checks_fetch() && (g.check_fetch(bus, pc).is_err() || g.checks_fetch()) {
            return false;
        }
        if l.verified.is_some() {
            l.busy = self.rewritten.iter().any(|r| r.0 == l.number && r.1 >= REWRITES);
            if l.busy || !watch_all(l, &mut bus.fabric.mem) {
                return false;
            }
        }
        if let Some(code) = l.code.compiled() {
            self.pages.join(l.number, code);
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
        let start = pc as usize / 2 % STARTS;
        let l = self.locals.get_mut(i)?;
        if !l.verified(start) {
            verify(l, g, bus, pc)?;
        }
        let code = &l.code;
        match code.blocks[start].get() {
            None => Some(decode(code, g, pc)),
            Some(block) => Some(block),
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
                let local = make_local(g, &mut bus.fabric.mem, number)?;
                if self.compiles::<G>()
                    && let Some(shape) = &G::SHAPE
                {
                    local.code.jit.get_or_init(|| PageCode::new(shape, bus.fabric.mem.table_bits()));
                }
                self.locals.push(local);
                self.locals.len() - 1
            }
        };
        self.recent[number as usize & (RECENT - 1)] = (number, i as u32);
        Some(i)
    }
}

#[cold]
#[inline(never)]
fn decode<'a, G: Guest>(code: &'a CodePage, g: &G, pc: u32) -> &'a Block {
    let off = pc as usize & (PAGE - 1);
    code.blocks[off / 2].get_or_init(|| Box::new(g.translate(&code.bytes, off, PAGE, pc, 0, MAX_INSNS)))
}

/// Makes sure that the bytes of a block at `pc` still are the page's, and are watched. `None`: no memory there any more.
#[cold]
#[inline(never)]
fn verify<G: Guest>(l: &mut Local, g: &G, bus: &mut Bus, pc: u32) -> Option<()> {
    let off = pc as usize & (PAGE - 1);
    // Block ends are not known before decoding: check as far as a block can reach.
    let reach = chunk_mask(off, (MAX_INSNS * 4).min(PAGE - off));
    if !watch(l, &mut bus.fabric.mem, off, reach) {
        *l = make_local(g, &mut bus.fabric.mem, l.number)?;
        watch(l, &mut bus.fabric.mem, off, reach);
    }
    if let Some(v) = &mut l.verified {
        v[off / 128] |= 1 << ((off / 2) & 63);
    }
    Some(())
}

/// A debugger looks at the page.
fn debugged(l: &Local, bus: &Bus) -> bool {
    let first = u64::from(l.number) << 12;
    // The last instruction may reach into the next page.
    bus.breakpoints.range(first..first + PAGE as u64).next().is_some()
        || bus.fabric.mem.watched(l.slot)
        || l.next_slot.is_some_and(|next| bus.fabric.mem.watched(next))
}

/// Marks the whole of a page of RAM for watching. `false`: the memory has other bytes there than the decoded page.
fn watch_all(l: &mut Local, mem: &mut Memory) -> bool {
    let tail = l.next_slot.map_or(&[][..], |next| &mem.page_bytes(next)[..2]);
    if mem.page_bytes(l.slot)[..] != l.code.bytes[..PAGE] || *tail != l.code.bytes[PAGE..] {
        return false;
    }
    mem.mark_code(l.slot, u64::MAX);
    l.next_slot.into_iter().for_each(|next| mem.mark_code(next, 1));
    l.verified = None;
    true
}

/// Marks chunks for watching. `false`: the memory has other bytes there than the decoded page.
fn watch(l: &mut Local, mem: &mut Memory, off: usize, reach: u64) -> bool {
    let now = mem.page_bytes(l.slot);
    let end = ((off + MAX_INSNS * 4) / 64 * 64 + 64).min(PAGE);
    let start = off / 64 * 64;
    if now[start..end] != l.code.bytes[start..end] {
        return false;
    }
    let tail = l.next_slot.map_or(&[][..], |next| &mem.page_bytes(next)[..2]);
    if end == PAGE && tail != &l.code.bytes[PAGE..] {
        return false;
    }
    mem.mark_code(l.slot, reach);
    if end == PAGE
        && let Some(next) = l.next_slot
    {
        mem.mark_code(next, 1);
    }
    true
}

fn make_local<G: Guest>(g: &G, mem: &mut Memory, number: u32) -> Option<Local> {
    let addr = u64::from(number) << 12;
    let (slot, bytes) = mem.code_page(addr)?;
    // Data behind a page of code is not its business unless an instruction reaches into it.
    let last = u16::from_le_bytes([bytes[PAGE - 2], bytes[PAGE - 1]]);
    let next = mem.code_page(addr + PAGE as u64).filter(|_| g.reaches_on(last));
    let tail = next.map(|(_, b)| [b[0], b[1]]);
    let next_slot = next.map(|n| n.0);
    let key = (g.decoder_id(), mem.table_bits(), number, mem.page_hash(slot), tail);
    let code = shared_page(key, || bytes.iter().copied().chain(tail.into_iter().flatten()).collect());
    let rom = |addr| mem.region_at(addr).is_none_or(|r| r.kind == RegionKind::Rom);
    let verified = if rom(addr) && rom(addr + PAGE as u64) {
        // The bytes are those of the key, here and now: no need to look at each block's again.
        mem.mark_code(slot, u64::MAX);
        next_slot.into_iter().for_each(|next| mem.mark_code(next, 1));
        None
    } else {
        Some(Box::new([0; STARTS / 64]))
    };
    let ram = mem.region_at(addr).is_none_or(|r| r.kind == RegionKind::Ram);
    Some(Local { number, slot, next_slot, epoch: mem.code_epoch(), verified, ram, busy: false, code })
}
