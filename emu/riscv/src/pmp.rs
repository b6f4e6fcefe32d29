//! Physical memory protection: 16 entries of 4-byte granularity (volume II, 3.7), as QEMU's `virt` machine has them.
//!
//! The entry of the lowest number that matches a byte of an access decides, and must match all of it. Machine mode is
//! bound by locked entries alone, user mode by all, and may do nothing that no entry allows.

use crate::csr::Mode;
use emu_core::memory::Halves;
use serde::{Deserialize, Serialize};

/// Number of entries.
pub const ENTRIES: usize = 16;

/// pmpcfg.R, W and X: what an access does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Data read.
    Read = 1,
    /// Data write, and all of an AMO.
    Write = 2,
    /// Instruction fetch.
    Fetch = 4,
}

/// pmpcfg.A.
const OFF: u8 = 0;
const TOR: u8 = 1;
const NA4: u8 = 2;
/// pmpcfg.L.
const LOCK: u8 = 0x80;
/// The bits of an entry that exist.
const BITS: u8 = 0x9f;
const PAGE: u64 = 4096;

/// pmpcfg0 to 3 and pmpaddr0 to 15.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Pmp {
    cfg: [u8; ENTRIES],
    addr: [u32; ENTRIES],
}

impl Pmp {
    /// pmpcfg`n`.
    pub fn cfg(&self, n: usize) -> u32 {
        u32::from_le_bytes([0, 1, 2, 3].map(|k| self.cfg[4 * n + k]))
    }
    /// pmpaddr`n`.
    pub fn addr(&self, n: usize) -> u32 {
        self.addr[n]
    }

    /// Writes pmpcfg`n`. Entries that are locked stay as they are (3.7.1). W without R is reserved: it reads back as neither.
    pub fn write_cfg(&mut self, n: usize, v: u32) {
        for (cfg, new) in self.cfg[4 * n..].iter_mut().zip(v.to_le_bytes()) {
            if *cfg & LOCK == 0 {
                *cfg = new & if new & 1 == 0 { BITS & !(Kind::Write as u8) } else { BITS };
            }
        }
    }

    /// Writes pmpaddr`n`, unless its entry is locked, or the next one is and begins where this one's address says.
    pub fn write_addr(&mut self, n: usize, v: u32) {
        let locked = |i: usize| self.cfg.get(i).is_some_and(|c| c & LOCK != 0);
        let begins = self.cfg.get(n + 1).is_some_and(|c| c >> 3 & 3 == TOR);
        if !(locked(n) || begins && locked(n + 1)) {
            self.addr[n] = v;
        }
    }

    /// First address of entry `i`, and the one behind its last; addresses have 34 bits. `None`: it matches nothing.
    fn range(&self, i: usize) -> Option<(u64, u64)> {
        let word = u64::from(self.addr[i]);
        let (first, end) = match self.cfg[i] >> 3 & 3 {
            OFF => return None,
            TOR => (i.checked_sub(1).map_or(0, |below| self.addr[below].into()), word),
            NA4 => (word, word + 1),
            _ => {
                let ones = word.trailing_ones();
                (word >> ones << ones, (word >> ones << ones) + (2 << ones))
            }
        };
        (first < end).then_some((first << 2, end << 2))
    }

    /// The entries that match something, with what they match, by priority.
    fn active(&self) -> impl Iterator<Item = (u8, (u64, u64))> {
        (0..ENTRIES).filter_map(|i| Some((self.cfg[i], self.range(i)?)))
    }

    /// Whether aligned accesses of this mode can fail at all.
    pub fn binds(&self, mode: Mode) -> bool {
        mode == Mode::User || (0..ENTRIES).any(|i| self.cfg[i] & LOCK != 0 && self.range(i).is_some())
    }

    /// Whether an access of `size` bytes is allowed.
    pub fn allows(&self, addr: u32, size: u8, kind: Kind, mode: Mode) -> bool {
        let (addr, last) = (u64::from(addr), u64::from(addr) + u64::from(size));
        match self.active().find(|(_, (first, end))| addr < *end && *first < last) {
            Some((_, (first, end))) if addr < first || end < last => false,
            Some((cfg, _)) if mode == Mode::User || cfg & LOCK != 0 => cfg & kind as u8 != 0,
            _ => mode == Mode::Machine,
        }
    }

    /// One permission holds for the whole 4 KiB page at `addr`, so that one check covers its aligned accesses.
    pub fn page_uniform(&self, addr: u32, mode: Mode) -> bool {
        let page = u64::from(addr) & !(PAGE - 1);
        let near = self.active().find(|(_, (first, end))| page < *end && *first < page + PAGE);
        !self.binds(mode) || near.is_none_or(|(_, (first, end))| first <= page && page + PAGE <= end)
    }

    /// The halfwords of the page at `addr` that aligned accesses may not read, and those that they may not write.
    pub fn denied(&self, addr: u32, mode: Mode) -> (Halves, Halves) {
        let page = u64::from(addr) & !(PAGE - 1);
        let (mut read, mut write) = (Halves::default(), Halves::default());
        if mode == Mode::User {
            read.set(0, PAGE as usize);
            write.set(0, PAGE as usize);
        }
        // Entries of lower numbers come later, over the others.
        for i in (0..ENTRIES).rev() {
            let Some((first, end)) = self.range(i) else { continue };
            let (first, end) = (first.max(page), end.min(page + PAGE));
            if first >= end {
                continue;
            }
            let free = mode == Mode::Machine && self.cfg[i] & LOCK == 0;
            let (off, len) = ((first - page) as usize, (end - first) as usize);
            for (kind, bits) in [(Kind::Read, &mut read), (Kind::Write, &mut write)] {
                match free || self.cfg[i] & kind as u8 != 0 {
                    true => bits.clear(off, len),
                    false => bits.set(off, len),
                }
            }
        }
        (read, write)
    }

    /// What a loaded state must satisfy.
    pub fn validate(&self) -> Result<(), String> {
        let wrong = self.cfg.iter().any(|c| c & !BITS != 0 || c & 3 == 2);
        if wrong { Err("PMP entries out of range".into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind::*, *};
    use Mode::*;

    const NAPOT: u8 = 3;

    /// Entries from 0 on: pmpcfg and pmpaddr.
    fn pmp(entries: &[(u8, u32)]) -> Pmp {
        let mut p = Pmp::default();
        for (i, (_, addr)) in entries.iter().enumerate() {
            p.write_addr(i, *addr);
        }
        let cfgs: Vec<u8> = entries.iter().map(|e| e.0).chain([0; 16]).collect();
        for n in 0..4 {
            p.write_cfg(n, u32::from_le_bytes(cfgs[4 * n..4 * n + 4].try_into().unwrap()));
        }
        p
    }
    fn napot(base: u32, size: u32) -> u32 {
        base >> 2 | (size / 8 - 1)
    }

    #[test]
    fn mend_pmp_ranges_by_their_kind() {
        for (what, entries, first, end) in [
            ("NA4", vec![(NA4 << 3 | 1, 0x8000_1004 >> 2)], 0x8000_1004u64, 0x8000_1008u64),
            ("the least NAPOT", vec![(NAPOT << 3 | 1, napot(0x8000_1008, 8))], 0x8000_1008, 0x8000_1010),
            ("NAPOT", vec![(NAPOT << 3 | 1, napot(0x8010_0000, 0x10_0000))], 0x8010_0000, 0x8020_0000),
            ("TOR of entry 0 begins at 0", vec![(TOR << 3 | 1, 0x4000 >> 2)], 0, 0x4000),
            ("TOR", vec![(0, 0x4000 >> 2), (TOR << 3 | 1, 0x4010 >> 2)], 0x4000, 0x4010),
            ("all ones", vec![(NAPOT << 3 | 1, u32::MAX)], 0, 1 << 32),
        ] {
            let p = pmp(&entries);
            let ok = |a: u64| p.allows(a as u32, 4, Read, User);
            assert!(ok(first) && ok(end - 4), "{what}");
            assert!(first == 0 || !ok(first - 4), "{what}: before it");
            assert!(end >> 32 != 0 || !ok(end), "{what}: behind it");
        }
        // A range that ends before it begins, or where it begins, is none, also of a locked entry.
        for top in [0x4000, 0x3000] {
            let p = pmp(&[(0, 0x4000 >> 2), (LOCK | TOR << 3, top >> 2), (NAPOT << 3 | 7, u32::MAX)]);
            assert!(p.allows(0x3800, 4, Read, Machine) && p.allows(0x3800, 4, Read, User));
        }
        // pmpaddr reaches 2 to the power of 34: beyond what this hart can address.
        assert!(!pmp(&[(NA4 << 3 | 7, 1 << 30)]).allows(0, 4, Read, User));
    }

    #[test]
    fn mend_pmp_the_lowest_entry_decides_and_must_match_all() {
        let p = pmp(&[(NA4 << 3, 0x1008 >> 2), (NAPOT << 3 | 3, napot(0x1000, 0x1000))]);
        assert!(p.allows(0x1004, 4, Write, User) && !p.allows(0x1008, 1, Read, User));
        for (addr, size) in [(0x1006, 4), (0x1007, 2), (0x1009, 4), (0x0ffe, 4), (0x1ffe, 4)] {
            assert!(!p.allows(addr, size, Read, User), "{addr:#x}");
        }
        // Two neighbours that both allow it do not make one (3.7.1, "must match all bytes"); nor for machine mode.
        let p = pmp(&[(NAPOT << 3 | 7, napot(0x1000, 0x1000)), (NAPOT << 3 | 7, napot(0x2000, 0x1000))]);
        for mode in [User, Machine] {
            assert!(p.allows(0x1ffc, 4, Read, mode) && p.allows(0x2000, 4, Read, mode));
            assert!(!p.allows(0x1ffe, 4, Read, mode));
        }
    }

    #[test]
    fn mend_pmp_permissions_by_mode_and_lock() {
        assert!(!Pmp::default().allows(0, 4, Read, User), "nothing is allowed that no entry allows");
        assert!(Pmp::default().allows(0, 4, Write, Machine) && !Pmp::default().binds(Machine));
        for bits in [0, 1, 3, 4, 5, 7u8] {
            for lock in [0, LOCK] {
                let p = pmp(&[(lock | NAPOT << 3 | bits, napot(0x1000, 0x1000))]);
                for kind in [Read, Write, Fetch] {
                    let want = bits & kind as u8 != 0;
                    assert_eq!(p.allows(0x1000, 4, kind, User), want, "{bits} {kind:?}");
                    assert_eq!(p.allows(0x1000, 4, kind, Machine), want || lock == 0, "{bits} {kind:?}");
                }
                assert_eq!(p.binds(Machine), lock != 0);
            }
        }
    }

    #[test]
    fn mend_pmp_what_is_written_is_read() {
        let mut p = pmp(&[(0x7f, 1), (LOCK | TOR << 3 | 7, 0)]);
        assert_eq!(p.cfg(0), 0x0000_8f1f, "entry 0 as far as it exists");
        p.write_cfg(0, 0);
        assert_eq!(p.cfg(0), 0x0000_8f00, "a locked entry stays");
        [0, 1, 2].iter().for_each(|i| p.write_addr(*i, 2));
        assert_eq!([0, 1, 2].map(|i| p.addr(i)), [1, 0, 2], "and so does the base of its range");
        p.write_cfg(1, 0x0602_0a03);
        assert_eq!(p.cfg(1), 0x0400_0803, "W without R is reserved");
    }

    /// Brute force: wherever `page_uniform` says so, all words of the page agree.
    #[test]
    fn mend_pmp_uniform_pages_really_are() {
        let mut seed = 1u32;
        let mut rnd = |n: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % n
        };
        let (mut split, mut whole) = (0, 0);
        for _ in 0..200 {
            let entries: Vec<_> = (0..6)
                .map(|_| {
                    let bits = [0, 1, 3, 4, 5, 7][rnd(6) as usize] | (rnd(2) as u8) << 7;
                    let size = 8 << rnd(12);
                    let addr =
                        [0x2000_0000 + rnd(64) * 512, napot((0x2000_0000 + rnd(0x8000)) & !(size - 1), size)];
                    let kind = rnd(4) as u8;
                    (kind << 3 | bits, if kind == NAPOT { addr[1] } else { addr[0] >> 2 })
                })
                .collect();
            let p = pmp(&entries);
            for mode in [User, Machine] {
                for page in (0x2000_0000..0x2000_8000u32).step_by(4096) {
                    let all = |a| [Read, Write, Fetch].map(|k| p.allows(a, 4, k, mode));
                    let same = (page..page + 4096).step_by(4).all(|a| all(a) == all(page));
                    let uniform = p.page_uniform(page, mode);
                    assert!(same || !uniform, "{entries:x?} {page:x}");
                    // And what is told of its parts is what a check says.
                    let (read, write) = p.denied(page + 0x123, mode);
                    for off in (0..4096).step_by(4) {
                        let told = [&read, &write].map(|bits| !bits.any(off as usize, 4));
                        assert_eq!(
                            told,
                            [all(page + off)[0], all(page + off)[1]],
                            "{entries:x?} {page:x} {off:x}"
                        );
                    }
                    (split, whole) = (split + usize::from(!uniform), whole + usize::from(uniform));
                }
            }
        }
        assert!(split > 100 && whole > 100, "{split} {whole}");
    }
}
