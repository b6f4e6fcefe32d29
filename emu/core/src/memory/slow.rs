//! Accesses that the translation cache does not answer; they fill it.

use super::{
    ALL_CODE, CODE, Memory, PAGE, RegionKind, WATCHED, read_le,
    tlb::{EMPTY, Entry, Halves, NO_BASE, NO_PART, Part, tag},
};

impl Memory {
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
}
