//! The translation caches, one for each of the last few configurations of protection.

use super::{
    ALL_CODE, CODE, Memory, PAGE, Page, WATCHED,
    tlb::{Denied, Entry, Halves, NO_BASE, Part, Table, tag},
};

/// So many configurations of protection have a translation cache at a time.
pub(super) const VIEWS: usize = 8;

impl Memory {
    /// An access of `len` bytes from an address on, aligned to `size`, is one that the translation cache allows in a page of
    /// which it allows parts.
    #[cold]
    #[inline(never)]
    pub(super) fn may_read_part(&self, addr: u64, size: usize, len: usize) -> bool {
        let i = self.table.index(addr);
        self.table.part(i).read == tag(addr, size)
            && self.table.denied(i).is_some_and(|d| !d.read.any(addr as usize & (PAGE - 1), len))
    }
    #[cold]
    #[inline(never)]
    pub(super) fn may_write_part(&self, addr: u64, size: usize, len: usize) -> bool {
        let i = self.table.index(addr);
        let e = &self.table.entries[i];
        let denied = if e.own { self.table.denied(i).map(|d| &d.write) } else { self.code_in(e.slot) };
        self.table.part(i).write == tag(addr, size)
            && denied.is_some_and(|d| !d.any(addr as usize & (PAGE - 1), len))
    }

    /// Enters the page at an address into the translation cache, which a CPU has just accessed and of which it may access parts
    /// alone: `denied` gives those that may not be read, and those that may not be written.
    pub fn enter_parts(&mut self, addr: u64, denied: impl FnOnce() -> (Halves, Halves)) {
        let Some(p) = self.place(addr) else { return };
        let flags = self.flags[p.slot as usize];
        if !p.whole || flags & WATCHED != 0 {
            return;
        }
        let base = tag(addr, 1);
        let i = self.table.index(addr);
        let writable = matches!(self.pages[p.slot as usize], Page::Ram(_)) && flags & ALL_CODE == 0;
        let (now, part) = (&self.table.entries[i], self.table.part(i));
        if now.own && now.slot == p.slot && part.read == base && (part.write == base || !writable) {
            return;
        }
        let addend = self.addend(p.slot, base);
        let (read, mut write) = denied();
        if let Some(code) = self.code_in(p.slot).filter(|_| flags & CODE != 0) {
            write.join(code);
        }
        let free = |bits: &Halves| if bits.is_empty() { base } else { NO_BASE };
        let (may_read, may_write) = (free(&read), if writable { free(&write) } else { NO_BASE });
        let bits = self.table.set_denied(i, Denied { read, write });
        let (read_bits, write_bits) = (bits.read.address(), bits.write.address());
        let part = Part { read: base, write: if writable { base } else { NO_BASE }, read_bits, write_bits };
        let entry = Entry { read: may_read, write: may_write, addend, slot: p.slot, own: true };
        self.table.enter(i, entry, part);
    }

    /// All translation caches.
    pub(super) fn tables(&mut self) -> impl Iterator<Item = &mut Table> {
        std::iter::once(&mut self.table).chain(&mut self.other_tables)
    }

    /// From now on accesses go through the translation cache of this configuration of protection: the same number must always
    /// stand for the same permissions. What is known under the last few others is kept for when they come back.
    pub fn set_view(&mut self, view: u64) {
        if view == self.table.view {
            return;
        }
        let table = match self.other_tables.iter().position(|t| t.view == view) {
            Some(i) => self.other_tables.remove(i),
            // Not worth keeping.
            None if !self.table.used => {
                self.table.view = view;
                return;
            }
            None if self.other_tables.len() + 1 < VIEWS => Table::new(self.table.bits(), view),
            None => {
                let mut oldest = self.other_tables.remove(0);
                oldest.flush();
                oldest.view = view;
                oldest
            }
        };
        let last = std::mem::replace(&mut self.table, table);
        self.other_tables.push(last);
    }

    /// Drops the translation caches.
    pub fn flush(&mut self) {
        self.table.flush();
        self.other_tables.clear();
    }
}
