//! A page in which data lies beside code, or of which parts alone may be executed, as one CPU sees it: block by block.
//!
//! Each block is known by its own bytes, and those are watched: a write beside them changes nothing, and a write to them drops
//! the blocks that they belong to and no others. What others have decoded or compiled of the same bytes at the same
//! address is shared.

use crate::{
    guest::Guest,
    ir::{Block, MAX_INSNS},
    jit::{Entries, PageCode},
    shared::{Piece, Pool, STARTS},
};
use emu_core::memory::{Memory, PAGE};
use std::sync::Arc;

/// The bytes that a block may have.
const REACH: usize = MAX_INSNS * 4;
/// So many lists of entries are kept.
const LISTS: usize = 4;

/// Where the page lies: the numbers of its page of memory and of the next one, if there is one.
pub(crate) type Place = (u32, Option<u32>);

/// What may be run as compiled code under one configuration of protection.
struct List {
    permissions: u64,
    /// Not all of the page may be executed.
    split: bool,
    entries: Entries,
}

pub(crate) struct Mixed {
    pool: Arc<Pool>,
    /// For each halfword 1 + the place in `pieces` of the block that starts there; 0: none is known.
    at: Box<[u16; STARTS]>,
    pieces: Vec<Arc<Piece>>,
    lists: Vec<List>,
}

impl Mixed {
    pub fn new(pool: Arc<Pool>) -> Mixed {
        Mixed { pool, at: Box::new([0; STARTS]), pieces: vec![], lists: vec![] }
    }

    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What was compiled of the pool's blocks.
    #[inline(always)]
    pub fn compiled(&self) -> Option<&PageCode> {
        self.pool.jit.get()?.as_ref()
    }

    /// The block at a halfword, if it is known.
    #[inline(always)]
    pub fn piece(&self, start: usize) -> Option<&Piece> {
        self.pieces.get(usize::from(self.at[start]).wrapping_sub(1)).map(|piece| &**piece)
    }

    /// The block at `pc`, decoded if need be.
    #[inline(always)]
    pub fn block<G: Guest>(&mut self, g: &G, mem: &mut Memory, place: Place, pc: u32) -> &Block {
        let start = pc as usize / 2 % STARTS;
        if self.at[start] == 0 {
            self.decode(g, mem, place, pc);
        }
        &self.pieces[usize::from(self.at[start]) - 1].block
    }

    #[cold]
    #[inline(never)]
    fn decode<G: Guest>(&mut self, g: &G, mem: &mut Memory, place: Place, pc: u32) {
        let off = pc as usize & (PAGE - 1);
        let mut bytes = mem.page_bytes(place.0)[off..].iter().take(REACH).copied().collect::<Vec<_>>();
        if off + REACH > PAGE
            && let Some(next) = place.1
        {
            bytes.extend(&mem.page_bytes(next)[..2]);
        }
        let block = g.translate(&bytes, 0, PAGE - off, pc, 0, MAX_INSNS);
        bytes.truncate(extent(&block));
        mark(mem, place, off, bytes.len());
        let piece = self.pool.piece((off / 2) as u16, bytes.into(), block);
        self.pieces.push(piece);
        self.at[off / 2] = self.pieces.len() as u16;
    }

    /// Drops the blocks whose bytes have changed, and has the others watched.
    pub fn check(&mut self, mem: &mut Memory, place: Place) {
        for i in (0..self.pieces.len()).rev() {
            let piece = &self.pieces[i];
            let (off, len) = (usize::from(piece.start) * 2, piece.bytes.len());
            let here = len.min(PAGE - off);
            let tail = place.1.map_or(&[][..], |next| &mem.page_bytes(next)[..len - here]);
            let same = mem.page_bytes(place.0)[off..off + here] == piece.bytes[..here]
                && *tail == piece.bytes[here..];
            if same {
                mark(mem, place, off, len);
            } else {
                self.forget(i);
            }
        }
    }

    fn forget(&mut self, i: usize) {
        let gone = self.pieces.swap_remove(i);
        let start = usize::from(gone.start);
        self.at[start] = 0;
        if let Some(moved) = self.pieces.get(i) {
            self.at[usize::from(moved.start)] = i as u16 + 1;
        }
        if let Some(Some(code)) = self.pool.jit.get() {
            self.lists.iter().for_each(|l| l.entries.set(code, start, None));
        }
    }

    /// The entries for a configuration of protection, and whether it splits the page.
    pub fn entries(&self, permissions: u64) -> Option<(&Entries, bool)> {
        self.lists.iter().find(|l| l.permissions == permissions).map(|l| (&l.entries, l.split))
    }

    /// Makes sure that there are some. Returns the configuration whose entries went for them.
    pub fn make_entries(&mut self, permissions: u64, split: bool) -> Option<u64> {
        let none = self.compiled()?.no_entries();
        if self.entries(permissions).is_some() {
            return None;
        }
        let gone = if self.lists.len() < LISTS { None } else { Some(self.lists.remove(0).permissions) };
        self.lists.push(List { permissions, split, entries: none });
        gone
    }
}

/// How many bytes the instructions of a block take.
fn extent(block: &Block) -> usize {
    let (first, last) = (block.insns[0].pc, block.insns[block.len() - 1].pc);
    let length = if block.insns[block.len()].pc.wrapping_sub(last) == 2 { 2 } else { 4 };
    last.wrapping_sub(first) as usize + length
}

/// `len` bytes from `off` on, the last of which may lie in the next page, are code.
fn mark(mem: &mut Memory, place: Place, off: usize, len: usize) {
    let here = len.min(PAGE - off);
    mem.mark_code(place.0, off, here);
    if let Some(next) = place.1.filter(|_| len > here) {
        mem.mark_code(next, 0, len - here);
    }
}
