//! Copies of memory, its saved form, its hashes.

use super::{Memory, PAGE, Page, PageBox, hash_of, tlb::Table, zero_page};
use crate::save::LoadError;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

/// Saved pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedMemory {
    regions: Vec<(String, u64, u64)>,
    pub(super) pages: Vec<(u32, u32, Vec<u8>)>,
}

impl Memory {
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
}
