//! Decoded code that all machines share, over all threads: whole pages by their content, and single blocks by their bytes.
//!
//! What is stored is a pure function of its key, so it does not matter who decodes first.

use crate::{
    guest::Guest,
    ir::{Block, MAX_INSNS},
    jit::{Alone, PageCode},
};
use emu_core::memory::PAGE;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

/// Halfwords of a page.
pub(crate) const STARTS: usize = PAGE / 2;

/// Decoder, size of the translation cache, page number, content hash, and the bytes an instruction may reach into the next
/// page.
pub(crate) type Key = (u64, u32, u32, u128, Option<[u8; 2]>);
/// Decoder, size of the translation cache, page number.
pub(crate) type PoolKey = (u64, u32, u32);

/// What a page of a given content means, for whoever executes it.
pub(crate) struct CodePage {
    /// The page and up to two bytes of the next one.
    pub bytes: Box<[u8]>,
    /// One for each halfword at which a block may start. The blocks lie elsewhere: there are few, and making a page that no
    /// other CPU has seen costs what it is long.
    pub blocks: Box<[OnceLock<Box<Block>>; STARTS]>,
    /// What of it was compiled, once somebody may run that. `None` in it: there is no memory for it.
    pub jit: OnceLock<Option<PageCode>>,
}

impl CodePage {
    fn new(bytes: Box<[u8]>) -> CodePage {
        let blocks: Box<[_]> = (0..STARTS).map(|_| OnceLock::new()).collect();
        let Ok(blocks) = blocks.try_into() else { unreachable!("as many as were made") };
        CodePage { bytes, blocks, jit: OnceLock::new() }
    }

    #[cold]
    #[inline(never)]
    pub fn decode<G: Guest>(&self, g: &G, pc: u32) -> &Block {
        let off = pc as usize & (PAGE - 1);
        let decode = || Box::new(g.translate(&self.bytes, off, PAGE, pc, 0, MAX_INSNS));
        self.blocks[off / 2].get_or_init(decode)
    }
}

/// A block that stands for itself, whatever else is in its page.
pub(crate) struct Piece {
    /// Halfword of the page.
    pub start: u16,
    /// The bytes of its instructions; the last ones may lie in the next page.
    pub bytes: Box<[u8]>,
    pub block: Block,
    pub alone: Alone,
}

/// By start and bytes.
type Pieces = BTreeMap<(u16, Box<[u8]>), Arc<Piece>>;

/// The blocks that were found at the address of a page, with the code that was compiled of them.
#[derive(Default)]
pub(crate) struct Pool {
    /// Who may run a piece's code holds the piece.
    pieces: Mutex<Pieces>,
    /// See [`CodePage::jit`].
    pub jit: OnceLock<Option<PageCode>>,
}

/// More than any ordinary page has: code in it keeps being written.
const POOL_LIMIT: usize = 4 * STARTS;

impl Pool {
    /// The block with these bytes at a halfword of the page, for all who have it.
    pub fn piece(&self, start: u16, bytes: Box<[u8]>, block: Block) -> Arc<Piece> {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        if pieces.len() >= POOL_LIMIT {
            pieces.clear();
        }
        let piece = pieces.entry((start, bytes)).or_insert_with_key(|(start, bytes)| {
            Arc::new(Piece { start: *start, bytes: bytes.clone(), block, alone: Alone::default() })
        });
        Arc::clone(piece)
    }
}

/// Pages, and pools, that stay in the store although nobody uses them.
const STORE_LIMIT: usize = 1024;

#[derive(Default)]
struct Store {
    pages: BTreeMap<Key, Arc<CodePage>>,
    pools: BTreeMap<PoolKey, Arc<Pool>>,
    /// The last want of memory for which all were given up.
    pressure: u64,
}

fn store() -> MutexGuard<'static, Store> {
    static STORE: OnceLock<Mutex<Store>> = OnceLock::new();
    // A panic elsewhere cannot leave the map half changed: go on with it.
    STORE.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory for compiled code ran out: nobody finds the old pages any more, so that each goes when the last CPU that holds it
/// lets go. (Dropping those that nobody holds would not do: of the CPUs that share a page, one always takes it again before
/// another lets go.)
pub(crate) fn give_up_pages(pressure: u64) {
    let old = {
        let mut store = store();
        if store.pressure >= pressure {
            return;
        }
        store.pressure = pressure;
        (std::mem::take(&mut store.pages), std::mem::take(&mut store.pools))
    };
    drop(old); // outside the lock
}

/// The page of a key, which has these bytes.
pub(crate) fn page(key: Key, bytes: impl FnOnce() -> Box<[u8]>) -> Arc<CodePage> {
    let mut store = store();
    if store.pages.len() >= STORE_LIMIT {
        store.pages.retain(|_, page| Arc::strong_count(page) > 1);
    }
    Arc::clone(store.pages.entry(key).or_insert_with(|| Arc::new(CodePage::new(bytes()))))
}

/// The blocks of a page that stand for themselves.
pub(crate) fn pool(key: PoolKey) -> Arc<Pool> {
    let mut store = store();
    if store.pools.len() >= STORE_LIMIT {
        store.pools.retain(|_, pool| Arc::strong_count(pool) > 1);
    }
    Arc::clone(store.pools.entry(key).or_default())
}
