//! Which bytes of which pages hold decoded code, and when such bytes were written.

use super::{ALL_CODE, CODE, Memory, PAGE, tlb::Halves};

/// For a few of the pages something is known.
#[derive(Clone, Default)]
pub(super) struct ByPage(Vec<(u32, u64)>);

impl ByPage {
    fn get(&self, slot: u32) -> Option<u64> {
        self.0.binary_search_by_key(&slot, |e| e.0).ok().map(|i| self.0[i].1)
    }
    fn entry(&mut self, slot: u32) -> &mut u64 {
        let i = self.0.binary_search_by_key(&slot, |e| e.0).unwrap_or_else(|i| {
            self.0.insert(i, (slot, 0));
            i
        });
        &mut self.0[i].1
    }
}

impl Memory {
    /// The parts of a page that hold decoded code.
    pub(super) fn code_in(&self, slot: u32) -> Option<&Halves> {
        self.code.binary_search_by_key(&slot, |c| c.0).ok().map(|i| &*self.code[i].1)
    }

    /// The page at `addr` for a decoder: its number and its bytes (0 beyond a short region). `None` if there is no
    /// memory.
    pub fn code_page(&self, addr: u64) -> Option<(u32, &[u8; PAGE])> {
        let p = self.place(addr)?;
        Some((p.slot, self.page_bytes(p.slot)))
    }

    /// The bytes of a page by number.
    pub fn page_bytes(&self, slot: u32) -> &[u8; PAGE] {
        self.data(slot).unwrap_or_else(|| panic!("there is no page {slot}"))
    }

    /// `len` bytes of a page from `off` on hold decoded code: the next write to them is noticed.
    pub fn mark_code(&mut self, slot: u32, off: usize, len: usize) {
        let flags = self.flags[slot as usize];
        self.flags[slot as usize] |= CODE;
        if flags & ALL_CODE != 0 {
            return;
        }
        let i = self.code.binary_search_by_key(&slot, |c| c.0).unwrap_or_else(|i| {
            self.code.insert(i, (slot, Box::default()));
            i
        });
        let code = &mut self.code[i].1;
        if flags & CODE == 0 {
            code.set(off, len);
            self.tables().for_each(|t| t.forbid_writes(slot));
        } else if !code.all(off, len) {
            code.set(off, len);
            self.tables().for_each(|t| t.forbid_own_writes(slot));
        }
    }

    /// All of a page counts as decoded code, until something is written there.
    pub fn mark_page(&mut self, slot: u32) {
        if self.flags[slot as usize] & ALL_CODE == 0 {
            self.flags[slot as usize] |= CODE | ALL_CODE;
            self.tables().for_each(|t| t.forbid_writes(slot));
        }
    }

    /// Grows with every write to a page that held decoded code.
    pub fn code_epoch(&self) -> u64 {
        self.code_epoch
    }

    /// The epoch of the last write to this page while it held decoded code.
    pub fn page_epoch(&self, slot: u32) -> u64 {
        self.code_epochs.get(slot).unwrap_or(0)
    }

    /// Decoded code is stale, if bytes of a page that were written hold any. They count as code no more.
    pub(super) fn overwrite(&mut self, slot: u32, off: usize, len: usize) {
        let code = self.code.binary_search_by_key(&slot, |c| c.0).ok().map(|i| &mut *self.code[i].1);
        if self.flags[slot as usize] & ALL_CODE != 0 {
            self.flags[slot as usize] &= !(CODE | ALL_CODE);
            code.into_iter().for_each(|code| *code = Halves::default());
        } else {
            let Some(code) = code.filter(|code| code.any(off, len)) else { return };
            code.clear(off, len);
        }
        self.tables().for_each(|t| t.forbid_own_writes(slot));
        self.code_epoch += 1;
        *self.code_epochs.entry(slot) = self.code_epoch;
    }

    /// Every cached decode of every page is stale from now on.
    pub(super) fn drop_code(&mut self) {
        self.code_epoch += 1;
        self.code.iter_mut().for_each(|(_, code)| **code = Halves::default());
        for slot in 0..self.flags.len() {
            if self.flags[slot] & CODE != 0 {
                self.flags[slot] &= !(CODE | ALL_CODE);
                *self.code_epochs.entry(slot as u32) = self.code_epoch;
            }
        }
    }
}
