//! Decoded code, once for each content: all machines that run the same firmware share it, over all threads.
//!
//! A [`CodePage`] is keyed by decoder, address and content, so what it holds is a pure function of its key and it
//! does not matter who decodes first. Each CPU keeps a short list of the pages it executes; a write to decoded bytes
//! drops the page from that list. Snapshots hold none of this.

use crate::{
    guest::Guest,
    ir::{Block, MAX_INSNS},
};
use emu_core::{
    bus::Bus,
    memory::{Memory, PAGE, RegionKind, chunk_mask},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
};

/// Decoder, page number, content hash, and the bytes an instruction may reach into the next page.
type Key = (u64, u32, u128, Option<[u8; 2]>);

#[derive(Clone)]
struct CodePage {
    /// The page and up to two bytes of the next one.
    bytes: Arc<[u8]>,
    /// One for each halfword at which a block may start. The block itself lies here, not behind a pointer: finding a
    /// block is a chain of loads, and each misses the cache when many machines take turns.
    blocks: Arc<[OnceLock<Block>; STARTS]>,
}

/// Halfwords of a page.
const STARTS: usize = PAGE / 2;

impl CodePage {
    fn new(bytes: Arc<[u8]>) -> CodePage {
        let blocks: Arc<[_]> = (0..STARTS).map(|_| OnceLock::new()).collect();
        let Ok(blocks) = blocks.try_into() else { unreachable!("as many as were made") };
        CodePage { bytes, blocks }
    }

    /// Somebody's list holds the page, not only the store.
    fn in_use(&self) -> bool {
        Arc::strong_count(&self.blocks) > 1
    }
}

/// Pages that stay in the store although nobody uses them.
const STORE_LIMIT: usize = 1024;

fn store() -> &'static Mutex<BTreeMap<Key, CodePage>> {
    static STORE: OnceLock<Mutex<BTreeMap<Key, CodePage>>> = OnceLock::new();
    STORE.get_or_init(Mutex::default)
}

fn shared_page(key: Key, bytes: impl FnOnce() -> Arc<[u8]>) -> CodePage {
    // A panic elsewhere cannot leave the map half changed: go on with it.
    let mut store = store().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if store.len() >= STORE_LIMIT {
        store.retain(|_, page| page.in_use());
    }
    store.entry(key).or_insert_with(|| CodePage::new(bytes())).clone()
}

/// A page this CPU executes.
struct Local {
    number: u32,
    slot: u32,
    next_slot: Option<u32>,
    /// The memory's code epoch when this was made.
    epoch: u64,
    /// One bit for each halfword at which a block may start: its bytes are known to be those of `code`, and are
    /// watched for writes. `None`: so are all (ROM, which seldom changes; a fleet has thousands of these).
    verified: Option<Box<[u64; STARTS / 64]>>,
    code: CodePage,
}

impl Local {
    #[inline(always)]
    fn verified(&self, start: usize) -> bool {
        self.verified.as_ref().is_none_or(|v| v[start / 64] >> (start & 63) & 1 != 0)
    }
}

const RECENT: usize = 16;

/// One CPU's view of the shared code.
pub struct CodeCache {
    locals: Vec<Local>,
    recent: [(u32, u32); RECENT],
    epoch: u64,
}

impl Default for CodeCache {
    fn default() -> Self {
        CodeCache { locals: vec![], recent: [(u32::MAX, 0); RECENT], epoch: 0 }
    }
}

impl CodeCache {
    /// Forgets everything: the CPU's state was replaced.
    pub fn clear(&mut self) {
        *self = CodeCache::default();
    }

    /// Drops pages whose code was written since.
    pub fn sync(&mut self, mem: &Memory) {
        if self.epoch == mem.code_epoch() {
            return;
        }
        self.epoch = mem.code_epoch();
        let fresh = |slot: u32, epoch: u64| mem.page_epoch(slot) <= epoch;
        self.locals.retain(|l| fresh(l.slot, l.epoch) && l.next_slot.is_none_or(|n| fresh(n, l.epoch)));
        self.recent = [(u32::MAX, 0); RECENT];
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
            block => block,
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
    code.blocks[off / 2].get_or_init(|| g.translate(&code.bytes, off, PAGE, pc, 0, MAX_INSNS))
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
    let next = mem.code_page(addr + PAGE as u64);
    let tail = next.map(|(_, b)| [b[0], b[1]]);
    let next_slot = next.map(|n| n.0);
    let key = (g.decoder_id(), number, mem.page_hash(slot), tail);
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
    Some(Local { number, slot, next_slot, epoch: mem.code_epoch(), verified, code })
}
