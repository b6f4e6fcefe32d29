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
    memory::{Memory, PAGE, chunk_mask},
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
    blocks: Arc<[OnceLock<Block>]>,
}

impl CodePage {
    fn new(bytes: Arc<[u8]>) -> CodePage {
        CodePage { bytes, blocks: (0..PAGE / 2).map(|_| OnceLock::new()).collect() }
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
    /// watched for writes.
    verified: [u64; PAGE / 2 / 64],
    code: CodePage,
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

    /// The block at `pc`, decoded if need be. `None`: no memory there.
    #[inline]
    pub fn block<G: Guest>(&mut self, g: &G, bus: &mut Bus, pc: u32) -> Option<&Block> {
        let number = pc >> 12;
        let recent = self.recent[number as usize & (RECENT - 1)];
        let i = if recent.0 == number { recent.1 as usize } else { self.find(g, bus, number)? };
        let off = pc as usize & (PAGE - 1);
        let l = self.locals.get(i)?;
        if (l.verified[off / 128] >> ((off / 2) & 63)) & 1 == 0 {
            return self.slow_block(g, bus, i, pc);
        }
        self.locals[i].code.blocks[off / 2].get()
    }

    fn find<G: Guest>(&mut self, g: &G, bus: &mut Bus, number: u32) -> Option<usize> {
        let i = match self.locals.iter().position(|l| l.number == number) {
            Some(i) => i,
            None => {
                let local = make_local(g, &bus.fabric.mem, number)?;
                self.locals.push(local);
                self.locals.len() - 1
            }
        };
        self.recent[number as usize & (RECENT - 1)] = (number, i as u32);
        Some(i)
    }

    /// Decodes, and makes sure that the bytes still are the page's and are watched.
    fn slow_block<G: Guest>(&mut self, g: &G, bus: &mut Bus, i: usize, pc: u32) -> Option<&Block> {
        let off = pc as usize & (PAGE - 1);
        // Block ends are not known before decoding: check as far as a block can reach.
        let reach = chunk_mask(off, (MAX_INSNS * 4).min(PAGE - off));
        let l = &mut self.locals[i];
        if !watch(l, &mut bus.fabric.mem, off, reach) {
            let number = l.number;
            self.locals[i] = make_local(g, &bus.fabric.mem, number)?;
            watch(&mut self.locals[i], &mut bus.fabric.mem, off, reach);
        }
        self.locals[i].verified[off / 128] |= 1 << ((off / 2) & 63);
        let code = &self.locals[i].code;
        Some(code.blocks[off / 2].get_or_init(|| g.translate(&code.bytes, off, PAGE, pc, 0, MAX_INSNS)))
    }
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

fn make_local<G: Guest>(g: &G, mem: &Memory, number: u32) -> Option<Local> {
    let addr = u64::from(number) << 12;
    let (slot, bytes) = mem.code_page(addr)?;
    let next = mem.code_page(addr + PAGE as u64);
    let tail = next.map(|(_, b)| [b[0], b[1]]);
    let key = (g.decoder_id(), number, mem.page_hash(slot), tail);
    let code = shared_page(key, || bytes.iter().copied().chain(tail.into_iter().flatten()).collect());
    let verified = [0; PAGE / 2 / 64];
    Some(Local { number, slot, next_slot: next.map(|n| n.0), epoch: mem.code_epoch(), verified, code })
}
