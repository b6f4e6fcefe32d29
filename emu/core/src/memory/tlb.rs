//! The translation cache of [`Memory`](crate::memory::Memory): which pages, or which parts of them, may be accessed without
//! asking, and where they lie.

use super::PAGE;

/// A word more than a page's halfwords need: eight bytes may be read from the byte of any halfword on.
const WORDS: usize = PAGE / 2 / 64 + 1;

/// One bit for each halfword of a page: the parts of it that hold decoded code, or that may not be accessed.
#[derive(Clone, PartialEq, Eq)]
pub struct Halves([u64; WORDS]);

impl Default for Halves {
    fn default() -> Self {
        Halves([0; WORDS])
    }
}

impl Halves {
    /// The words with halfwords of `len` bytes from `off` on, and which bits of them those are. What lies beyond the page does
    /// not count.
    fn spans(off: usize, len: usize) -> impl Iterator<Item = (usize, u64)> {
        let (first, end) = (off / 2, (off + len).min(PAGE).div_ceil(2).max(off / 2));
        let words = if len == 0 { 0..0 } else { first / 64..end.div_ceil(64) };
        words.map(move |w| {
            let (from, to) = (first.max(w * 64) - w * 64, end.min(w * 64 + 64) - w * 64);
            (w, (u64::MAX << from) & (u64::MAX >> (64 - to)))
        })
    }
    /// Whether one of `len` bytes from `off` on is in a halfword that is set.
    pub fn any(&self, off: usize, len: usize) -> bool {
        Halves::spans(off, len).any(|(w, bits)| self.0[w] & bits != 0)
    }
    /// Whether all of them are.
    pub fn all(&self, off: usize, len: usize) -> bool {
        Halves::spans(off, len).all(|(w, bits)| self.0[w] & bits == bits)
    }
    /// Sets the halfwords of `len` bytes from `off` on.
    pub fn set(&mut self, off: usize, len: usize) {
        Halves::spans(off, len).for_each(|(w, bits)| self.0[w] |= bits);
    }
    /// Clears them.
    pub fn clear(&mut self, off: usize, len: usize) {
        Halves::spans(off, len).for_each(|(w, bits)| self.0[w] &= !bits);
    }
    /// None is set.
    pub fn is_empty(&self) -> bool {
        *self == Halves::default()
    }
    /// Sets what is set in `other`.
    pub fn join(&mut self, other: &Halves) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }
    /// Where the bits lie, for compiled code.
    pub(crate) fn address(&self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }
}

/// An entry of the translation cache: a page that may be read where `read` is its address, and written where `write` is.
/// Compiled code reads it as it lies here.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub struct Entry {
    /// The page's address, or an address that no aligned access has.
    pub read: u64,
    /// The same for writing.
    pub write: u64,
    /// Where the page lies in the host's memory, less its address. Compiled code alone goes there.
    pub addend: u64,
    pub(crate) slot: u32,
    /// Bits of its [`Part`] are the table's own; otherwise they are those of decoded code, which the page has whatever the table.
    pub(crate) own: bool,
}

/// What more a table knows of an entry's page: that it may be accessed in parts. It begins as [`Entry`] does and is as long, so
/// that compiled code may look at one for the other.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub struct Part {
    /// The page's address, if the halfwords may be read whose bits at `read_bits` are 0.
    pub read: u64,
    /// The same for writing.
    pub write: u64,
    /// Where the bits lie in the host's memory: [`Halves`]. Compiled code alone goes there.
    pub read_bits: u64,
    /// The same for writing.
    pub write_bits: u64,
}

/// No aligned address is equal to it.
pub(crate) const NO_BASE: u64 = u64::MAX;
const NO_SLOT: u32 = u32::MAX;
pub(crate) const EMPTY: Entry = Entry { read: NO_BASE, write: NO_BASE, addend: 0, slot: NO_SLOT, own: false };
pub(crate) const NO_PART: Part = Part { read: NO_BASE, write: NO_BASE, read_bits: 0, write_bits: 0 };

/// Halfwords of a page that may not be read, and that may not be written (or hold decoded code).
pub(crate) struct Denied {
    pub read: Halves,
    pub write: Halves,
}

/// A table has at least `1 << MIN_BITS` entries, and at most `1 << MAX_BITS`.
pub(crate) const MIN_BITS: u32 = 5;
pub(crate) const MAX_BITS: u32 = 8;
/// Scatters page numbers: regions start at round addresses, and their first pages must not meet in one place. (2 to the
/// power of 20 by the golden ratio: neighbours lie far apart.)
pub const SCATTER: u32 = 648_055;

/// The part of an address that the entry of an aligned access of `size` bytes has: low bits that should be zero count.
#[inline(always)]
pub(crate) fn tag(addr: u64, size: usize) -> u64 {
    addr & !(PAGE as u64 - size as u64)
}

/// What may be accessed without asking, under one configuration of protection.
pub(crate) struct Table {
    /// As many entries as a power of two.
    pub entries: Box<[Entry]>,
    /// By entry; empty if there never was any.
    pub parts: Box<[Part]>,
    /// What is left of a page's scattered number.
    shift: u32,
    /// By entry, for those that have bits of their own; empty if none ever had.
    denied: Vec<Option<Box<Denied>>>,
    /// The configuration.
    pub view: u64,
    /// It holds something.
    pub used: bool,
}

impl Table {
    pub fn new(bits: u32, view: u64) -> Table {
        Table {
            entries: vec![EMPTY; 1 << bits].into(),
            parts: Box::default(),
            shift: 32 - bits,
            denied: vec![],
            view,
            used: false,
        }
    }

    pub fn bits(&self) -> u32 {
        32 - self.shift
    }

    /// The place of an address's page.
    #[inline(always)]
    pub fn index(&self, addr: u64) -> usize {
        let page = (addr ^ addr >> 32) as u32 & !(PAGE as u32 - 1);
        (page.wrapping_mul(SCATTER) >> self.shift) as usize
    }
    #[inline(always)]
    pub fn entry(&self, addr: u64) -> Option<&Entry> {
        self.entries.get(self.index(addr))
    }

    pub fn flush(&mut self) {
        if self.used {
            self.entries.fill(EMPTY);
            self.parts.fill(NO_PART);
            self.used = false;
        }
    }

    /// Remembers a page.
    pub fn enter(&mut self, i: usize, entry: Entry, part: Part) {
        self.entries[i] = entry;
        if (part.read, part.write) != (NO_BASE, NO_BASE) && self.parts.is_empty() {
            self.parts = vec![NO_PART; self.entries.len()].into();
        }
        if let Some(known) = self.parts.get_mut(i) {
            *known = part;
        }
        self.used = true;
    }
    pub fn part(&self, i: usize) -> Part {
        self.parts.get(i).copied().unwrap_or(NO_PART)
    }

    /// Does something to the entries that are of a page.
    fn change(&mut self, of_page: impl Fn(&Entry) -> bool, change: impl Fn(&mut Entry, &mut Part)) {
        for i in 0..self.entries.len() {
            if of_page(&self.entries[i]) {
                change(&mut self.entries[i], self.parts.get_mut(i).unwrap_or(&mut { NO_PART }));
            }
        }
    }
    /// Nothing of a page is known any more.
    pub fn forget(&mut self, slot: u32) {
        self.change(|e| e.slot == slot, |e, part| (*e, *part) = (EMPTY, NO_PART));
    }
    /// A page may not be written any more without asking.
    pub fn forbid_writes(&mut self, slot: u32) {
        self.change(|e| e.slot == slot, |e, part| (e.write, part.write) = (NO_BASE, NO_BASE));
    }
    /// The same where the table has bits of its own: those of decoded code have changed.
    pub fn forbid_own_writes(&mut self, slot: u32) {
        if !self.denied.is_empty() {
            let own = |e: &Entry| e.own && e.slot == slot;
            self.change(own, |e, part| (e.write, part.write) = (NO_BASE, NO_BASE));
        }
    }

    /// The table's own bits of an entry.
    pub fn denied(&self, i: usize) -> Option<&Denied> {
        self.denied.get(i)?.as_deref()
    }
    pub fn set_denied(&mut self, i: usize, denied: Denied) -> &Denied {
        if self.denied.is_empty() {
            self.denied.resize_with(self.entries.len(), || None);
        }
        self.denied[i].insert(Box::new(denied))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn halves_are_a_set_of_halfwords(steps in proptest::collection::vec((any::<bool>(), 0..PAGE, 0usize..200), 0..20), off in 0..PAGE, len in 0usize..300) {
            let (mut bits, mut model) = (Halves::default(), [false; PAGE / 2]);
            for (set, off, len) in steps {
                if set { bits.set(off, len) } else { bits.clear(off, len) }
                for at in off..(off + len).min(PAGE) {
                    model[at / 2] = set;
                }
            }
            let mut part = (off..(off + len).min(PAGE)).map(|at| model[at / 2]);
            prop_assert_eq!(bits.any(off, len), part.clone().any(|b| b));
            prop_assert_eq!(bits.all(off, len), part.all(|b| b));
            prop_assert_eq!(bits.is_empty(), model.iter().all(|b| !b));
        }
    }
}
