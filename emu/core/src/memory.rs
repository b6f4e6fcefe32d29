//! Memory in 4 KiB pages that are shared until written.
//!
//! Every writer (CPU, DMA, gdb, loader) comes through here. Naturally aligned accesses to ordinary pages go through
//! a small translation cache ([`Table`]). Pages that hold decoded code, or that an MPU splits, are in it with the halfwords
//! that may not be accessed so; first writes and watched pages always take the slow path. One mechanism so serves
//! copy-on-write, digest, code invalidation, protection and watchpoints.
//!
//! Architecture Invariant: the translation cache is not state. It is dropped by `fork`, `load` and `digest`.

mod code;
mod slow;
mod snapshot;
mod tlb;
mod views;
mod watch;

pub use snapshot::SavedMemory;
pub use tlb::{Entry, Halves, Part, SCATTER};
pub use watch::Watch;

use crate::ids::DevId;
use code::ByPage;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};
use tlb::{MAX_BITS, MIN_BITS, Table, tag};
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
}

#[cfg(test)]
mod tests;
