//! Memory in 4 KiB pages that are shared until written.
//!
//! Every writer (CPU, DMA, gdb, loader) comes through here. Naturally aligned accesses to ordinary pages go through
//! a small translation cache ([`Table`]). Pages that hold decoded code, or that an MPU splits, are in it with the halfwords
//! that may not be accessed so; first writes and watched pages always take the slow path. One mechanism so serves
//! copy-on-write, digest, code invalidation, protection and watchpoints.
//!
//! Architecture Invariant: the translation cache is not state. It is dropped by `fork`, `load` and `digest`.

mod views;

pub use crate::table::{Entry, Halves, Part, SCATTER};
use crate::{
    device::DevId,
    save::LoadError,
    table::{EMPTY, MAX_BITS, MIN_BITS, NO_BASE, NO_PART, Table, tag},
};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};
use xxhash_rust::xxh3::xxh3_128;

/// Bytes in a page.
pub const PAGE: usize = 4096;
const PAGE_BITS: u32 = 12;

/// What a CPU may do to a region.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RegionKind {
    /// Read and write.
    Ram,
    /// Read only. With a `writer`, CPU writes go to that device (a flash controller).
    Rom,
}

/// A stretch of memory.
#[derive(Clone, Debug)]
pub struct Region {
    /// Name in the board file.
    pub name: String,
    /// First physical address, page aligned.
    pub base: u64,
    /// Size in bytes.
    pub size: u64,
    /// RAM or ROM.
    pub kind: RegionKind,
    /// Who takes CPU writes to a ROM.
    pub writer: Option<DevId>,
    first_slot: u32,
    /// Of RAM: the place of its first page in [`Memory::ram`].
    first_ram: u32,
}

/// Data of a page with its cached hash.
#[derive(Clone)]
struct PageBox {
    data: [u8; PAGE],
    hash: OnceLock<u128>,
}

impl PageBox {
    fn hash(&self) -> u128 {
        *self.hash.get_or_init(|| hash_of(&self.data))
    }
}

fn hash_of(data: &[u8; PAGE]) -> u128 {
    if *data == [0; PAGE] { 0 } else { xxh3_128(data).max(1) }
}

#[derive(Clone)]
enum Page {
    Shared(Arc<PageBox>),
    /// ROM that was written.
    Owned(Box<PageBox>),
    /// RAM that was written: a place in [`Memory::ram`].
    Ram(u32),
}

fn zero_page() -> Page {
    static ZERO: OnceLock<Arc<PageBox>> = OnceLock::new();
    let zero = ZERO.get_or_init(|| Arc::new(PageBox { data: [0; PAGE], hash: OnceLock::new() }));
    Page::Shared(Arc::clone(zero))
}

const CODE: u8 = 1;
const WATCHED: u8 = 2;
/// All of the page counts as decoded code.
const ALL_CODE: u8 = 4;

/// For a few of the pages something is known.
#[derive(Clone, Default)]
struct ByPage(Vec<(u32, u64)>);

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

/// A watchpoint: a debugger's wish, not part of the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    /// First address.
    pub addr: u64,
    /// Bytes.
    pub len: u64,
    /// Stop on reads.
    pub read: bool,
    /// Stop on writes.
    pub write: bool,
}

/// Where an address lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    region: usize,
    slot: u32,
    /// The whole page lies in the region.
    whole: bool,
}

/// All memory of one machine.
pub struct Memory {
    regions: Arc<Vec<Region>>,
    /// `(base, end, target base)`, sorted: the same memory seen again elsewhere.
    aliases: Arc<Vec<(u64, u64, u64)>>,
    pages: Vec<Page>,
    /// All pages of RAM side by side, once one of them was written: what lies beside each other for the guest does so for the
    /// host, so that compiled code can guess where a page is.
    ram: Vec<u8>,
    ram_hashes: Vec<OnceLock<u128>>,
    ram_pages: u32,
    flags: Vec<u8>,
    table: Table,
    /// Translation caches of other configurations of protection; the one used last comes last.
    other_tables: Vec<Table>,
    code_epochs: ByPage,
    /// Which parts of a page hold decoded code, in order of the pages. What was here once stays: the tables tell where it lies.
    code: Vec<(u32, Box<Halves>)>,
    code_epoch: u64,
    watches: Vec<Watch>,
    /// A watchpoint was hit: address and whether it was a write.
    pub watch_hit: Option<(u64, bool)>,
}

impl Default for Memory {
    fn default() -> Self {
        Memory {
            regions: Arc::default(),
            aliases: Arc::default(),
            pages: vec![],
            ram: vec![],
            ram_hashes: vec![],
            ram_pages: 0,
            flags: vec![],
            table: Table::new(MIN_BITS, 0),
            other_tables: vec![],
            code_epochs: ByPage::default(),
            code: vec![],
            code_epoch: 0,
            watches: vec![],
            watch_hit: None,
        }
    }
}

/// So many configurations of protection have a translation cache at a time.
const VIEWS: usize = 8;

fn read_le(data: &[u8; PAGE], off: usize, size: usize) -> u64 {
    let mut b = [0; 8];
    b[..size].copy_from_slice(&data[off..off + size]);
    u64::from_le_bytes(b)
}

macro_rules! fast_access {
    ($read:ident, $write:ident, $t:ty) => {
        /// Naturally aligned read through the cache; `None` sends the caller to the slow path.
        #[inline(always)]
        pub fn $read(&self, addr: u64) -> Option<$t> {
            const SIZE: usize = size_of::<$t>();
            let e = self.table.entry(addr)?;
            if e.read != tag(addr, SIZE) && !self.may_read_part(addr, SIZE, SIZE) {
                return None;
            }
            let off = addr as usize & (PAGE - SIZE);
            let data = self.data(e.slot)?;
            Some(<$t>::from_le_bytes(data[off..off + SIZE].try_into().ok()?))
        }
        /// Naturally aligned write through the cache; `false` sends the caller to the slow path.
        #[inline(always)]
        pub fn $write(&mut self, addr: u64, v: $t) -> bool {
            const SIZE: usize = size_of::<$t>();
            let Some(e) = self.table.entry(addr) else { return false };
            if e.write != tag(addr, SIZE) && !self.may_write_part(addr, SIZE, SIZE) {
                return false;
            }
            let (slot, off) = (e.slot, addr as usize & (PAGE - SIZE));
            let Some(data) = self.ram_mut(slot) else { return false };
            data[off..off + SIZE].copy_from_slice(&v.to_le_bytes());
            true
        }
    };
}

impl Memory {
    /// The parts of a page that hold decoded code.
    fn code_in(&self, slot: u32) -> Option<&Halves> {
        self.code.binary_search_by_key(&slot, |c| c.0).ok().map(|i| &*self.code[i].1)
    }

    /// The bytes of a page.
    #[inline(always)]
    fn data(&self, slot: u32) -> Option<&[u8; PAGE]> {
        match self.pages.get(slot as usize)? {
            Page::Ram(i) => self.ram.as_chunks().0.get(*i as usize),
            Page::Shared(p) => Some(&p.data),
            Page::Owned(p) => Some(&p.data),
        }
    }

    /// The bytes of a page of RAM that was written before.
    #[inline(always)]
    fn ram_mut(&mut self, slot: u32) -> Option<&mut [u8; PAGE]> {
        match self.pages.get(slot as usize)? {
            Page::Ram(i) => self.ram.as_chunks_mut().0.get_mut(*i as usize),
            _ => None,
        }
    }

    /// The translation cache as compiled code reads it: the entry of the page at a 32-bit address is number
    /// `(address of the page * SCATTER) >> (32 - bits)`, modulo 2 to the power of 32.
    pub fn table(&self) -> &[Entry] {
        &self.table.entries
    }
    /// What it knows of pages that may be accessed in parts, entry by entry; nothing if there never was such a page.
    pub fn parts(&self) -> &[Part] {
        &self.table.parts
    }
    /// The translation cache has 2 to the power of this many entries.
    pub fn table_bits(&self) -> u32 {
        self.table.bits()
    }

    fast_access!(read8, write8, u8);
    fast_access!(read16, write16, u16);
    fast_access!(read32, write32, u32);
    fast_access!(read64, write64, u64);

    /// `n` words from an aligned address on within one page, through the cache.
    #[inline(always)]
    pub fn read_words(&self, addr: u64, n: usize) -> Option<&[[u8; 4]]> {
        let e = self.table.entry(addr)?;
        if e.read != tag(addr, 4) && !self.may_read_part(addr, 4, 4 * n) {
            return None;
        }
        let word = (addr as usize & (PAGE - 1)) / 4;
        self.data(e.slot)?.as_chunks().0.get(word..word + n)
    }
    /// The same, to be written.
    #[inline(always)]
    pub fn write_words(&mut self, addr: u64, n: usize) -> Option<&mut [[u8; 4]]> {
        let e = self.table.entry(addr)?;
        if e.write != tag(addr, 4) && !self.may_write_part(addr, 4, 4 * n) {
            return None;
        }
        let slot = e.slot;
        let word = (addr as usize & (PAGE - 1)) / 4;
        self.ram_mut(slot)?.as_chunks_mut().0.get_mut(word..word + n)
    }

    /// Adds a region. `base` must be page aligned and the range free: the board loader has checked both.
    pub fn add_region(&mut self, name: &str, base: u64, size: u64, kind: RegionKind) {
        assert!(base.is_multiple_of(PAGE as u64) && size > 0, "unaligned memory region {name}");
        let first_slot = self.pages.len() as u32;
        let count = size.div_ceil(PAGE as u64) as usize;
        self.pages.resize_with(self.pages.len() + count, zero_page);
        self.flags.resize(self.pages.len(), 0);
        let first_ram = self.ram_pages;
        if kind == RegionKind::Ram {
            self.ram_pages += count as u32;
            if !self.ram.is_empty() {
                // Another region was filled before this one was known.
                self.ram.resize(self.ram_pages as usize * PAGE, 0);
                self.ram_hashes.resize_with(self.ram_pages as usize, OnceLock::new);
            }
        }
        let region = Region { name: name.to_string(), base, size, kind, writer: None, first_slot, first_ram };
        let i = self.regions.partition_point(|r| r.base < base);
        Arc::make_mut(&mut self.regions).insert(i, region);
        self.size_table();
    }

    /// Room for all pages of a small RAM in the translation cache, and enough for a large one.
    fn size_table(&mut self) {
        let ram = self.regions.iter().filter(|r| r.kind == RegionKind::Ram);
        let pages: u64 = ram.map(|r| r.size.div_ceil(PAGE as u64)).sum();
        let bits = (pages * 2).next_power_of_two().trailing_zeros().clamp(MIN_BITS, MAX_BITS);
        self.table = Table::new(bits, self.table.view);
        self.other_tables.clear();
    }

    /// Makes `base..base + size` show the memory at `target`.
    pub fn add_alias(&mut self, base: u64, size: u64, target: u64) {
        let i = self.aliases.partition_point(|a| a.0 < base);
        Arc::make_mut(&mut self.aliases).insert(i, (base, base + size, target));
        self.flush();
    }

    /// CPU writes to the ROM `name` go to `dev`.
    pub fn set_writer(&mut self, name: &str, dev: DevId) -> bool {
        let found = Arc::make_mut(&mut self.regions).iter_mut().find(|r| r.name == name);
        found.map(|r| r.writer = Some(dev)).is_some()
    }

    /// All regions by address.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The address an alias stands for.
    fn resolve(&self, addr: u64) -> u64 {
        let i = self.aliases.partition_point(|a| a.0 <= addr);
        match i.checked_sub(1).map(|i| self.aliases[i]) {
            Some((base, end, target)) if addr < end => target.wrapping_add(addr - base),
            _ => addr,
        }
    }

    fn place(&self, addr: u64) -> Option<Place> {
        let addr = self.resolve(addr);
        let i = self.regions.partition_point(|r| r.base <= addr).checked_sub(1)?;
        let (r, off) = (&self.regions[i], addr - self.regions[i].base);
        if off >= r.size {
            return None;
        }
        let page = off >> PAGE_BITS;
        let whole = (page + 1) << PAGE_BITS <= r.size;
        Some(Place { region: i, slot: r.first_slot + page as u32, whole })
    }

    /// The region at an address, through aliases.
    pub fn region_at(&self, addr: u64) -> Option<&Region> {
        self.place(addr).map(|p| &self.regions[p.region])
    }

    /// The number of the page at an address; two aliases of one page have the same number.
    pub fn page_slot(&self, addr: u64) -> Option<u32> {
        self.place(addr).map(|p| p.slot)
    }

    /// The page as our own, to be written.
    fn owned(&mut self, slot: u32) -> &mut [u8; PAGE] {
        if let Page::Shared(p) = &self.pages[slot as usize] {
            let p = Arc::clone(p);
            self.pages[slot as usize] = self.own_page(slot, &p.data);
            // It lies elsewhere now.
            self.tables().for_each(|t| t.forget(slot));
        }
        match &mut self.pages[slot as usize] {
            Page::Ram(i) => {
                self.ram_hashes[*i as usize].take();
                &mut self.ram.as_chunks_mut().0[*i as usize]
            }
            Page::Owned(p) => {
                p.hash.take();
                &mut p.data
            }
            Page::Shared(_) => unreachable!("the page was just made our own"),
        }
    }

    /// A page of our own with this content: in its place if it is RAM.
    fn own_page(&mut self, slot: u32, data: &[u8; PAGE]) -> Page {
        let pages = |r: &&Region| slot.wrapping_sub(r.first_slot) < r.size.div_ceil(PAGE as u64) as u32;
        match self.regions.iter().find(pages) {
            Some(r) if r.kind == RegionKind::Ram => {
                let i = r.first_ram + (slot - r.first_slot);
                if self.ram.is_empty() {
                    self.ram = vec![0; self.ram_pages as usize * PAGE];
                    self.ram_hashes = vec![OnceLock::new(); self.ram_pages as usize];
                }
                self.ram.as_chunks_mut().0[i as usize] = *data;
                Page::Ram(i)
            }
            _ => Page::Owned(Box::new(PageBox { data: *data, hash: OnceLock::new() })),
        }
    }

    /// Slow read of 1, 2, 4 or 8 bytes at any alignment; `None` if a byte is not memory. With `cache`, the page is
    /// entered into the translation cache (a CPU's ordinary access that no MPU splits).
    pub fn read_slow(&mut self, addr: u64, size: u8, cache: bool) -> Option<u64> {
        let off = addr as usize & (PAGE - 1);
        if off + usize::from(size) > PAGE {
            return self.read_split(addr, size);
        }
        let p = self.place(addr)?;
        if !p.whole && self.place(addr + u64::from(size) - 1).is_none() {
            return None;
        }
        if self.flags[p.slot as usize] & WATCHED != 0 {
            self.check_watch(addr, size, false);
        } else if cache && p.whole {
            let base = tag(addr, 1);
            let i = self.table.index(addr);
            if self.table.entries[i].read != base {
                let addend = self.addend(p.slot, base);
                self.table.enter(i, Entry { read: base, addend, slot: p.slot, ..EMPTY }, NO_PART);
            }
        }
        Some(read_le(self.page_bytes(p.slot), off, usize::from(size)))
    }

    fn read_split(&mut self, addr: u64, size: u8) -> Option<u64> {
        let mut v = 0;
        for i in 0..size {
            v |= self.read_slow(addr + u64::from(i), 1, false)? << (8 * i);
        }
        Some(v)
    }

    /// Slow write to RAM; `false` if a byte is not RAM (nothing is written then).
    pub fn write_slow(&mut self, addr: u64, size: u8, v: u64, cache: bool) -> bool {
        let off = addr as usize & (PAGE - 1);
        if off + usize::from(size) > PAGE {
            let ram = (0..u64::from(size)).all(|i| self.is_ram(addr + i));
            return ram
                && (0..size).all(|i| self.write_slow(addr + u64::from(i), 1, (v >> (8 * i)) & 0xff, false));
        }
        let Some(p) = self.place(addr) else { return false };
        if self.regions[p.region].kind != RegionKind::Ram
            || (!p.whole && !self.is_ram(addr + u64::from(size) - 1))
        {
            return false;
        }
        self.store(p.slot, off, &v.to_le_bytes()[..usize::from(size)]);
        if self.flags[p.slot as usize] & WATCHED != 0 {
            self.check_watch(addr, size, true);
        } else if cache && p.whole && self.flags[p.slot as usize] & ALL_CODE == 0 {
            let base = tag(addr, 1);
            let addend = self.addend(p.slot, base);
            let code = self.flags[p.slot as usize] & CODE != 0;
            let bits = self.code_in(p.slot).filter(|_| code).map(Halves::address);
            let (write, part_write) = if code { (NO_BASE, base) } else { (base, NO_BASE) };
            let part = Part { write: part_write, write_bits: bits.unwrap_or(0), ..NO_PART };
            let entry = Entry { read: base, write, addend, slot: p.slot, own: false };
            self.table.enter(self.table.index(addr), entry, part);
        }
        true
    }

    /// For [`Entry::addend`].
    fn addend(&mut self, slot: u32, base: u64) -> u64 {
        let data = match &mut self.pages[slot as usize] {
            Page::Shared(p) => p.data.as_ptr(),
            Page::Owned(p) => p.data.as_ptr(),
            Page::Ram(i) => self.ram.as_mut_ptr().wrapping_add(*i as usize * PAGE).cast_const(),
        };
        (data.expose_provenance() as u64).wrapping_sub(base)
    }

    fn is_ram(&self, addr: u64) -> bool {
        self.place(addr).is_some_and(|p| self.regions[p.region].kind == RegionKind::Ram)
    }

    /// Writes into a page, whatever its kind; decoded code in these bytes becomes stale.
    fn store(&mut self, slot: u32, off: usize, bytes: &[u8]) {
        self.owned(slot)[off..off + bytes.len()].copy_from_slice(bytes);
        if self.flags[slot as usize] & CODE != 0 && !bytes.is_empty() {
            self.overwrite(slot, off, bytes.len());
        }
    }

    /// Decoded code is stale, if bytes of a page that were written hold any. They count as code no more.
    fn overwrite(&mut self, slot: u32, off: usize, len: usize) {
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

    /// Reads for a debugger, DMA or a loader: no watchpoints. Returns how many bytes were memory.
    pub fn peek(&self, addr: u64, out: &mut [u8]) -> usize {
        let mut done = 0;
        while done < out.len() {
            let a = addr.wrapping_add(done as u64);
            let Some(p) = self.place(a) else { break };
            let off = a as usize & (PAGE - 1);
            let r = &self.regions[p.region];
            let left = (r.base + r.size - self.resolve(a)).min((PAGE - off) as u64) as usize;
            let n = left.min(out.len() - done);
            out[done..done + n].copy_from_slice(&self.page_bytes(p.slot)[off..off + n]);
            done += n;
        }
        done
    }

    /// Writes for a debugger, flash controller or loader, ROM included. Returns how many bytes were memory.
    pub fn poke(&mut self, addr: u64, bytes: &[u8]) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let a = addr.wrapping_add(done as u64);
            let Some(p) = self.place(a) else { break };
            let off = a as usize & (PAGE - 1);
            let r = &self.regions[p.region];
            let left = (r.base + r.size - self.resolve(a)).min((PAGE - off) as u64) as usize;
            let n = left.min(bytes.len() - done);
            self.store(p.slot, off, &bytes[done..done + n]);
            done += n;
        }
        done
    }

    /// Writes to RAM only, for DMA. `false` (and nothing written) if a byte is not RAM.
    pub fn dma_write(&mut self, addr: u64, bytes: &[u8]) -> bool {
        let last = addr.wrapping_add((bytes.len() as u64).saturating_sub(1));
        let mut a = addr;
        while a <= last {
            if !self.is_ram(a) {
                return false;
            }
            a = (a | (PAGE as u64 - 1)) + 1;
        }
        (bytes.is_empty() || self.is_ram(last)) && self.poke(addr, bytes) == bytes.len()
    }

    // ---- decoded code ----

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

    /// Content hash of a page.
    pub fn page_hash(&self, slot: u32) -> u128 {
        let hash = match &self.pages[slot as usize] {
            Page::Shared(p) => return p.hash(),
            // Not kept: the translation cache may hold the page for writing, and would not drop the hash.
            Page::Owned(p) => &p.hash,
            Page::Ram(i) => &self.ram_hashes[*i as usize],
        };
        hash.get().copied().unwrap_or_else(|| hash_of(self.page_bytes(slot)))
    }

    /// The same, and keeps it: nothing in the translation cache may be written.
    fn kept_hash(&self, slot: u32) -> u128 {
        let hash = match &self.pages[slot as usize] {
            Page::Shared(p) => return p.hash(),
            Page::Owned(p) => &p.hash,
            Page::Ram(i) => &self.ram_hashes[*i as usize],
        };
        *hash.get_or_init(|| hash_of(self.page_bytes(slot)))
    }

    /// Grows with every write to a page that held decoded code.
    pub fn code_epoch(&self) -> u64 {
        self.code_epoch
    }

    /// The epoch of the last write to this page while it held decoded code.
    pub fn page_epoch(&self, slot: u32) -> u64 {
        self.code_epochs.get(slot).unwrap_or(0)
    }

    // ---- watchpoints ----

    /// Replaces all watchpoints.
    pub fn set_watches(&mut self, watches: Vec<Watch>) {
        for f in &mut self.flags {
            *f &= !WATCHED;
        }
        for w in &watches {
            let mut a = w.addr & !(PAGE as u64 - 1);
            while a < w.addr.saturating_add(w.len) {
                if let Some(p) = self.place(a) {
                    self.flags[p.slot as usize] |= WATCHED;
                }
                a += PAGE as u64;
            }
        }
        self.watches = watches;
        self.flush();
    }

    /// There are watchpoints.
    pub fn watches(&self) -> bool {
        !self.watches.is_empty()
    }
    /// There are some in this page.
    pub fn watched(&self, slot: u32) -> bool {
        self.flags[slot as usize] & WATCHED != 0
    }

    fn check_watch(&mut self, addr: u64, size: u8, write: bool) {
        let end = addr + u64::from(size);
        let hit = |w: &&Watch| addr < w.addr + w.len && w.addr < end && if write { w.write } else { w.read };
        if let Some(w) = self.watches.iter().find(hit) {
            self.watch_hit = Some((w.addr.max(addr), write));
        }
    }

    // ---- snapshot ----

    /// A copy that shares every page with this one until either writes it.
    pub fn fork(&mut self) -> Memory {
        for slot in 0..self.pages.len() {
            let hash = match &self.pages[slot] {
                Page::Shared(_) => continue,
                Page::Owned(p) => p.hash.clone(),
                Page::Ram(i) => self.ram_hashes[*i as usize].clone(),
            };
            let page = PageBox { data: *self.page_bytes(slot as u32), hash };
            self.pages[slot] = Page::Shared(Arc::new(page));
        }
        self.flush();
        Memory {
            regions: Arc::clone(&self.regions),
            aliases: Arc::clone(&self.aliases),
            pages: self.pages.clone(),
            ram_pages: self.ram_pages,
            flags: vec![0; self.flags.len()],
            table: Table::new(self.table.bits(), 0),
            ..Memory::default()
        }
    }

    /// Clears a region (power loss).
    pub fn clear_region(&mut self, name: &str) {
        let Some(r) = self.regions.iter().find(|r| r.name == name) else { return };
        let first = r.first_slot as usize;
        self.pages[first..first + r.size.div_ceil(PAGE as u64) as usize].fill_with(zero_page);
        self.drop_code();
        self.flush();
    }

    /// Wrapping sum of hash(region, page, content) over all pages that are not all zero.
    pub fn digest(&mut self) -> u128 {
        self.flush(); // the next write of each page must drop its cached hash
        let mut sum = 0u128;
        for (i, r) in self.regions.iter().enumerate() {
            for k in 0..r.size.div_ceil(PAGE as u64) as u32 {
                let h = self.kept_hash(r.first_slot + k);
                if h != 0 {
                    let mut key = [0; 24];
                    key[..4].copy_from_slice(&(i as u32).to_le_bytes());
                    key[4..8].copy_from_slice(&k.to_le_bytes());
                    key[8..].copy_from_slice(&h.to_le_bytes());
                    sum = sum.wrapping_add(xxh3_128(&key));
                }
            }
        }
        sum
    }

    /// Everything a save file needs: regions for checking, and all pages that are not all zero.
    pub fn save(&self) -> SavedMemory {
        let mut pages = vec![];
        for (i, r) in self.regions.iter().enumerate() {
            for k in 0..r.size.div_ceil(PAGE as u64) as u32 {
                let slot = r.first_slot + k;
                if self.page_hash(slot) != 0 {
                    pages.push((i as u32, k, self.page_bytes(slot).to_vec()));
                }
            }
        }
        SavedMemory {
            regions: self.regions.iter().map(|r| (r.name.clone(), r.base, r.size)).collect(),
            pages,
        }
    }

    /// Restores what [`Memory::save`] gave, into memory with the same regions.
    pub fn load(&mut self, saved: &SavedMemory) -> Result<(), LoadError> {
        let ours: Vec<_> = self.regions.iter().map(|r| (r.name.clone(), r.base, r.size)).collect();
        if ours != saved.regions {
            return Err(LoadError::Mismatch("other memory regions".into()));
        }
        let mut slots = vec![];
        for (i, k, data) in &saved.pages {
            let region = self.regions.get(*i as usize);
            let region = region.filter(|r| u64::from(*k) < r.size.div_ceil(PAGE as u64));
            let (Some(r), Ok(data)) = (region, <[u8; PAGE]>::try_from(&data[..])) else {
                return Err(LoadError::Corrupt("a page outside its region".into()));
            };
            slots.push((r.first_slot + k, data));
        }
        self.pages.fill_with(zero_page);
        self.flush();
        for (slot, data) in slots {
            *self.owned(slot) = data;
        }
        self.drop_code();
        self.flush();
        Ok(())
    }

    /// Every cached decode of every page is stale from now on.
    fn drop_code(&mut self) {
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

/// Saved pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedMemory {
    regions: Vec<(String, u64, u64)>,
    pages: Vec<(u32, u32, Vec<u8>)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mem() -> Memory {
        let mut m = Memory::default();
        m.add_region("flash", 0, 0x3000, RegionKind::Rom);
        m.add_region("ram", 0x2000_0000, 0x2800, RegionKind::Ram);
        m.add_alias(0x1000_0000, 0x3000, 0);
        m
    }

    #[test]
    fn slow_path_fills_the_cache_and_fast_path_agrees() {
        let mut m = mem();
        assert_eq!(m.read32(0x2000_0000), None);
        assert_eq!(m.read_slow(0x2000_0000, 4, true), Some(0));
        assert_eq!(m.read32(0x2000_0000), Some(0));
        assert!(!m.write32(0x2000_0004, 5));
        assert!(m.write_slow(0x2000_0004, 4, 5, true));
        assert!(m.write32(0x2000_0008, 6));
        assert_eq!(m.read32(0x2000_0008), Some(6));
        assert_eq!(m.read32(0x2000_0002), None); // unaligned
        assert_eq!(m.read_slow(0x2000_0006, 4, true), Some(6 << 16));
    }

    #[test]
    fn the_short_last_page_never_enters_the_cache() {
        let mut m = mem();
        assert!(m.write_slow(0x2000_27fc, 4, 1, true));
        assert_eq!(m.read32(0x2000_27fc), None);
        assert_eq!(m.read_slow(0x2000_27fe, 4, true), None);
        assert_eq!(m.read_slow(0x2000_2800, 1, true), None);
        assert!(!m.write_slow(0x2000_27fe, 4, 1, true));
    }

    #[test]
    fn rom_refuses_and_alias_shows_the_same_page() {
        let mut m = mem();
        assert!(!m.write_slow(0x10, 4, 1, true));
        assert_eq!(m.poke(0x10, &[1, 2, 3, 4]), 4);
        assert_eq!(m.read_slow(0x1000_0010, 4, true), Some(0x0403_0201));
        assert_eq!(m.read32(0x1000_0010), Some(0x0403_0201));
        assert_eq!(m.page_slot(0x10), m.page_slot(0x1000_0010));
        assert!(!m.dma_write(0x10, &[1]));
        assert!(m.dma_write(0x2000_0ffc, &[1; 8]));
        assert!(!m.dma_write(0x2000_27fc, &[1; 8]));
        assert_eq!(m.peek(0x2000_27fc, &mut [0; 8]), 4);
    }

    #[test]
    fn writes_to_decoded_code_are_noticed_once() {
        let mut m = mem();
        m.write_slow(0x2000_1000, 4, 7, true);
        let (slot, _) = m.code_page(0x2000_1000).unwrap();
        m.mark_code(slot, 0, 4);
        assert!(!m.write32(0x2000_1000, 8)); // no longer cached for writes
        let e = m.code_epoch();
        m.write_slow(0x2000_1000, 4, 8, true);
        assert_eq!((m.code_epoch(), m.page_epoch(slot)), (e + 1, e + 1));
        m.write_slow(0x2000_1004, 4, 8, true);
        assert_eq!(m.code_epoch(), e + 1);
        assert!(m.write32(0x2000_1000, 9));
        m.mark_code(slot, 0, 4);
        m.write_slow(0x2000_1040, 4, 8, true); // data beside the code
        assert_eq!(m.code_epoch(), e + 1);
    }

    /// Decoded code is known by its halfwords: a byte before it, each of its own, and a byte behind it.
    #[test]
    fn mend_a_write_beside_decoded_code_is_a_plain_write() {
        for (first, len) in [(0x100usize, 2), (0x13e, 4), (0x100, 64), (0xffe, 2), (0, 4)] {
            for at in first.saturating_sub(3)..(first + len + 3).min(PAGE) {
                for size in [1u8, 2, 4, 8] {
                    let mut m = mem();
                    m.write_slow(0x2000_1000, 4, 7, true);
                    let slot = m.page_slot(0x2000_1000).unwrap();
                    m.mark_code(slot, first, len);
                    // Part of the page may be written from now on.
                    let beside = if first == 0 { 0x800 } else { 0 };
                    m.write_slow(0x2000_1000 + beside, 4, 7, true);
                    let (e, addr) = (m.code_epoch(), 0x2000_1000 + at as u64);
                    let hits = at < first + len && first < at + usize::from(size);
                    let aligned = at.is_multiple_of(usize::from(size));
                    let fast = match size {
                        1 => m.write8(addr, 9),
                        2 => m.write16(addr, 9),
                        4 => m.write32(addr, 9),
                        _ => m.write64(addr, 9),
                    };
                    assert_eq!(fast, aligned && !hits, "{first:x} {len} {at:x} {size}");
                    if !fast {
                        m.write_slow(addr, size, 9, true);
                    }
                    assert_eq!(m.code_epoch() > e, hits, "{first:x} {len} {at:x} {size}");
                }
            }
        }
    }

    /// A write that begins outside the code and ends in it, over the border of pages too.
    #[test]
    fn mend_the_far_end_of_a_write_counts() {
        let mut m = mem();
        let first = m.page_slot(0x2000_0000).unwrap();
        let second = m.page_slot(0x2000_1000).unwrap();
        for (addr, size, slot, off) in [
            (0x2000_003eu64, 4u8, first, 0x40usize),
            (0x2000_0ffe, 4, second, 0),
            (0x2000_0fff, 2, second, 0),
            (0x2000_0ffc, 8, second, 2),
        ] {
            m.mark_code(slot, off, 2);
            let e = m.code_epoch();
            assert!(m.write_slow(addr, size, 1, true));
            assert_eq!((m.code_epoch(), m.page_epoch(slot)), (e + 1, e + 1), "{addr:x}");
            assert!(!m.dma_write(0x2000_27fe, &[1; 4]));
            m.mark_code(slot, off, 2);
            assert!(m.dma_write(addr, &[1; 8][..usize::from(size)]));
            assert_eq!(m.code_epoch(), e + 2, "{addr:x}");
        }
    }

    #[test]
    fn mend_parts_of_a_page_are_fast_where_they_are_allowed() {
        let mut m = mem();
        m.write_slow(0x2000_1000, 4, 7, false);
        let (mut read, mut write) = (Halves::default(), Halves::default());
        read.set(0x100, 0x20);
        write.set(0x100, 0x60);
        m.enter_parts(0x2000_1000, || (read, write));
        for at in (0..PAGE as u64).step_by(4) {
            let (addr, r, w) = (0x2000_1000 + at, (0x100..0x120).contains(&at), (0x100..0x160).contains(&at));
            assert_eq!((m.read32(addr).is_some(), m.write32(addr, 1)), (!r, !w), "{at:x}");
            assert_eq!(m.read_words(addr, 2).is_some(), !r && at != 0xfc && at != 0xffc, "{at:x}");
            assert_eq!(m.write_words(addr, 2).is_some(), !w && at != 0xfc && at != 0xffc, "{at:x}");
        }
        // Code that is decoded there is seen, too, and forgotten when it was written.
        let slot = m.page_slot(0x2000_1000).unwrap();
        m.mark_code(slot, 0x800, 4);
        m.enter_parts(0x2000_1000, || (Halves::default(), Halves::default()));
        assert!(!m.write32(0x2000_1800, 1) && m.write32(0x2000_1804, 1));
        let e = m.code_epoch();
        m.write_slow(0x2000_1800, 4, 1, false);
        assert_eq!(m.code_epoch(), e + 1);
        m.enter_parts(0x2000_1000, || (Halves::default(), Halves::default()));
        assert!(m.write32(0x2000_1800, 1));
    }

    #[test]
    fn mend_each_view_keeps_what_it_knows() {
        let mut m = mem();
        m.write_slow(0x2000_0000, 4, 7, true);
        m.set_view(1);
        assert_eq!(m.read32(0x2000_0000), None);
        m.read_slow(0x2000_1000, 4, true);
        m.set_view(0);
        assert_eq!((m.read32(0x2000_0000), m.read32(0x2000_1000)), (Some(7), None));
        // A page that moves, or becomes code, does so under all of them.
        m.set_view(1);
        m.write_slow(0x2000_1000, 4, 9, true);
        let slot = m.page_slot(0x2000_0000).unwrap();
        m.mark_code(slot, 0, 2);
        m.set_view(0);
        assert!(!m.write32(0x2000_0000, 1));
        m.set_watches(vec![Watch { addr: 0x2000_1000, len: 4, read: true, write: true }]);
        m.set_view(1);
        assert_eq!(m.read32(0x2000_1000), None);
        // Many of them: the oldest go.
        for view in 2..40 {
            m.set_view(view);
            assert_eq!(m.read32(0x2000_0000), None, "{view}");
            m.read_slow(0x2000_0000, 4, true);
        }
        assert_eq!(m.other_tables.len(), VIEWS - 1);
        m.set_view(38);
        assert!(m.read32(0x2000_0000).is_some());
    }

    #[test]
    fn a_page_that_is_code_as_a_whole_is_stale_after_any_write() {
        let mut m = mem();
        m.poke(0x1000, &[1]);
        let (slot, _) = m.code_page(0x1000).unwrap();
        m.mark_page(slot);
        m.mark_code(slot, 0, 2);
        let e = m.code_epoch();
        m.poke(0x1ffc, &[2]);
        assert_eq!((m.code_epoch(), m.page_epoch(slot)), (e + 1, e + 1));
        m.poke(0x1ffc, &[3]);
        assert_eq!(m.code_epoch(), e + 1, "nothing is decoded any more");
        m.mark_code(slot, 0, 64);
        m.poke(0x1ffc, &[4]);
        assert_eq!(m.code_epoch(), e + 1, "data beside code");
        m.poke(0x1000, &[5]);
        assert_eq!(m.code_epoch(), e + 2);
    }

    #[test]
    fn watched_pages_stay_off_the_fast_path() {
        let mut m = mem();
        m.set_watches(vec![Watch { addr: 0x2000_0010, len: 4, read: false, write: true }]);
        m.write_slow(0x2000_0014, 4, 1, true);
        assert_eq!(m.watch_hit, None);
        assert!(!m.write32(0x2000_0010, 1));
        m.write_slow(0x2000_0012, 2, 1, true);
        assert_eq!(m.watch_hit, Some((0x2000_0012, true)));
    }

    #[test]
    fn a_save_or_a_hash_does_not_hide_later_writes() {
        let mut m = mem();
        m.write_slow(0x2000_0000, 4, 0, true); // a page of zeros that the translation cache may write
        let (empty, slot) = (m.digest(), m.page_slot(0x2000_0000).unwrap());
        m.write_slow(0x2000_0000, 4, 0, true);
        assert_eq!(m.page_hash(slot), 0);
        m.save();
        assert!(m.write32(0x2000_0000, 7));
        assert_ne!(m.page_hash(slot), 0);
        assert!(m.save().pages.iter().any(|p| p.2[0] == 7), "the write is not in the save");
        assert!(m.write32(0x2000_0000, 8));
        let mut copy = mem();
        copy.load(&m.save()).unwrap();
        assert_eq!(copy.digest(), m.digest());
        assert_ne!(m.digest(), empty);
    }

    proptest! {
        #[test]
        fn forks_do_not_see_each_other(writes in proptest::collection::vec((0u64..0x2800, any::<u8>(), any::<bool>()), 0..60)) {
            let mut a = mem();
            for i in 0..0x2800u64 { a.write_slow(0x2000_0000 + i, 1, i & 0xff, true); }
            let before = a.digest();
            let mut b = a.fork();
            prop_assert_eq!(b.digest(), before);
            let mut model = [(0..0x2800u64).map(|i| i as u8).collect::<Vec<_>>(), (0..0x2800u64).map(|i| i as u8).collect()];
            for (off, v, first) in writes {
                let (m, k) = if first { (&mut a, 0) } else { (&mut b, 1) };
                let at = 0x2000_0000 + off;
                if !m.write8(at, v) { m.write_slow(at, 1, u64::from(v), true); }
                model[k][off as usize] = v;
            }
            for (m, want) in [&a, &b].into_iter().zip(&model) {
                let mut got = vec![0; 0x2800];
                m.peek(0x2000_0000, &mut got);
                prop_assert_eq!(&got, want);
            }
            let saved = a.save();
            let mut c = mem();
            c.load(&saved).unwrap();
            prop_assert_eq!(c.digest(), a.digest());
            prop_assert_eq!(model[0] == model[1], a.digest() == b.digest());
        }
    }
}
