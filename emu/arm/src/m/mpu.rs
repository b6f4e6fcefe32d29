//! The memory protection unit, PMSAv7 (DDI0403E B3.5, DDI0419 B3.5), and the default memory map (B3.1).

use super::config::MConfig;
use emu_core::memory::Halves;
use serde::{Deserialize, Serialize};

/// What an access does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Data read.
    Read,
    /// Data write.
    Write,
    /// Instruction fetch.
    Fetch,
}

/// The MPU, or an execute-never part of the default map, forbids an access: a MemManage fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MpuFault;

/// MPU_CTRL.ENABLE.
const ENABLE: u32 = 1;
/// MPU_CTRL.HFNMIENA.
const HFNMIENA: u32 = 2;
/// MPU_CTRL.PRIVDEFENA.
const PRIVDEFENA: u32 = 4;

const PAGE: u32 = 4096;
/// The least region or subregion.
const UNIT: usize = 32;

/// One region: RBAR's address and RASR.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Region {
    base: u32,
    attr: u32,
}

/// XN, AP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Perms {
    xn: bool,
    ap: u32,
}

impl Region {
    fn enabled(&self) -> bool {
        self.attr & 1 != 0
    }
    /// Size as a power of two; below 5 (v6-M: 8) is unpredictable, here the least that exists.
    fn log2(&self) -> u32 {
        ((self.attr >> 1 & 0x1f) + 1).max(5)
    }
    fn srd(&self) -> u32 {
        // Regions below 256 bytes have no subregions.
        if self.log2() >= 8 { self.attr >> 8 & 0xff } else { 0 }
    }
    fn start(&self) -> u32 {
        if self.log2() == 32 { 0 } else { self.base & (u32::MAX << self.log2()) }
    }
    fn covers(&self, addr: u32) -> bool {
        let off = addr.wrapping_sub(self.start());
        if self.log2() < 32 && off >> self.log2() != 0 {
            return false;
        }
        self.srd() >> (off >> (self.log2() - 3).min(31) & 7) & 1 == 0
    }
    /// An edge of this region or of its subregions lies within the page.
    fn splits(&self, page: u32) -> bool {
        let near = self.start() & !(PAGE - 1) == page;
        match self.log2() {
            n if n < 12 => near,
            n if n < 15 && !matches!(self.srd(), 0 | 0xff) => page.wrapping_sub(self.start()) >> n == 0,
            _ => false,
        }
    }
    fn perms(&self) -> Perms {
        Perms { xn: self.attr >> 28 & 1 != 0, ap: self.attr >> 24 & 7 }
    }
}

/// The unit's registers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mpu {
    ctrl: u32,
    rnr: u8,
    regions: Vec<Region>,
}

/// The default memory map forbids execution here.
pub const fn default_xn(addr: u32) -> bool {
    matches!(addr >> 29, 2 | 5..=7)
}

fn in_ppb(addr: u32) -> bool {
    addr >> 20 == 0xe00
}

impl Mpu {
    /// After reset.
    pub fn new(cfg: &MConfig) -> Mpu {
        Mpu { ctrl: 0, rnr: 0, regions: vec![Region::default(); usize::from(cfg.mpu_regions)] }
    }

    /// MPU_CTRL.ENABLE is set.
    pub fn enabled(&self) -> bool {
        self.ctrl & ENABLE != 0
    }
    /// The regions count for code at this execution priority (MPU_CTRL.HFNMIENA).
    pub fn applies(&self, priority: i16) -> bool {
        self.enabled() && (priority >= 0 || self.ctrl & HFNMIENA != 0)
    }

    fn perms(&self, addr: u32, privileged: bool) -> Option<Perms> {
        let hit = self.regions.iter().rev().find(|r| r.enabled() && r.covers(addr));
        match hit {
            Some(r) => Some(r.perms()),
            None if self.ctrl & PRIVDEFENA != 0 && privileged => Some(Perms { xn: false, ap: 3 }),
            None => None,
        }
    }

    fn allowed(&self, addr: u32, kind: Kind, privileged: bool) -> bool {
        if kind == Kind::Fetch && default_xn(addr) && addr >> 29 == 7 {
            return false; // the system space is never executable, whatever the regions say
        }
        let Some(p) = self.perms(addr, privileged) else { return false };
        let readable = if privileged { matches!(p.ap, 1..=3 | 5..=7) } else { matches!(p.ap, 2 | 3 | 6 | 7) };
        match kind {
            Kind::Read => readable,
            Kind::Write if privileged => matches!(p.ap, 1..=3),
            Kind::Write => p.ap == 3,
            Kind::Fetch => {
                let background = !self.regions.iter().any(|r| r.enabled() && r.covers(addr));
                readable && !p.xn && !(background && default_xn(addr))
            }
        }
    }

    /// Checks an access of `size` bytes. `applies` is [`Mpu::applies`] for the present execution priority.
    pub fn check(
        &self,
        addr: u32,
        size: u32,
        kind: Kind,
        privileged: bool,
        applies: bool,
    ) -> Result<(), MpuFault> {
        let last = addr.wrapping_add(size.saturating_sub(1));
        let ok = |a: u32| {
            if !applies || in_ppb(a) {
                return kind != Kind::Fetch || !default_xn(a);
            }
            self.allowed(a, kind, privileged)
        };
        if ok(addr) && (last == addr || ok(last)) { Ok(()) } else { Err(MpuFault) }
    }

    /// One permission holds for the whole 4 KiB page at `addr`, so that one check covers it.
    pub fn page_uniform(&self, addr: u32, applies: bool) -> bool {
        let page = addr & !(PAGE - 1);
        !applies || !self.regions.iter().any(|r| r.enabled() && r.splits(page))
    }

    /// The halfwords of the page at `addr` that may not be read, and those that may not be written, where the regions count.
    /// Rights are the same in every 32 bytes: no region or subregion is smaller.
    pub fn denied(&self, addr: u32, privileged: bool) -> (Halves, Halves) {
        let (mut read, mut write) = (Halves::default(), Halves::default());
        let page = addr & !(PAGE - 1);
        for off in (0..PAGE).step_by(UNIT) {
            for (kind, bits) in [(Kind::Read, &mut read), (Kind::Write, &mut write)] {
                if self.check(page + off, 1, kind, privileged, true).is_err() {
                    bits.set(off as usize, UNIT);
                }
            }
        }
        (read, write)
    }

    /// Both allow the same. Which region is selected does not matter.
    pub fn same_rules(&self, other: &Mpu) -> bool {
        (self.ctrl, &self.regions) == (other.ctrl, &other.regions)
    }

    // ---- registers ----

    /// Reads the register at `off` from 0xE000ED90.
    pub fn read(&self, off: u32) -> u32 {
        let r = self.regions.get(usize::from(self.rnr)).copied().unwrap_or_default();
        match off {
            0x00 => (self.regions.len() as u32) << 8,
            0x04 => self.ctrl,
            0x08 => u32::from(self.rnr),
            0x0c | 0x14 | 0x1c | 0x24 => r.base | u32::from(self.rnr & 15),
            0x10 | 0x18 | 0x20 | 0x28 => r.attr,
            _ => 0,
        }
    }

    /// Writes the register at `off` from 0xE000ED90. Cached permissions are stale afterwards.
    pub fn write(&mut self, off: u32, v: u32) {
        if self.regions.is_empty() {
            return;
        }
        let last = self.regions.len() as u32 - 1;
        match off {
            0x04 => self.ctrl = v & (ENABLE | HFNMIENA | PRIVDEFENA),
            0x08 => self.rnr = (v & 0xff).min(last) as u8,
            0x0c | 0x14 | 0x1c | 0x24 => {
                if v & 0x10 != 0 {
                    self.rnr = (v & 15).min(last) as u8; // RBAR.VALID
                }
                self.regions[usize::from(self.rnr)].base = v & !0x1f;
            }
            0x10 | 0x18 | 0x20 | 0x28 => self.regions[usize::from(self.rnr)].attr = v & 0x173f_ff3f,
            _ => {}
        }
    }

    /// What a loaded state must satisfy.
    pub fn validate(&self, cfg: &MConfig) -> Result<(), String> {
        let n = usize::from(cfg.mpu_regions);
        if self.regions.len() == n && (n == 0 || usize::from(self.rnr) < n) {
            Ok(())
        } else {
            Err("another MPU".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind::*;
    use super::*;

    /// RASR.
    fn rasr(ap: u32, log2: u32, srd: u32, xn: bool) -> u32 {
        u32::from(xn) << 28 | ap << 24 | srd << 8 | (log2 - 1) << 1 | 1
    }

    fn mpu(ctrl: u32, regions: &[(u32, u32)]) -> Mpu {
        let mut m = Mpu::new(&MConfig::named("cortex-m4").unwrap());
        for (i, (base, attr)) in regions.iter().enumerate() {
            m.write(0x0c, base | 0x10 | i as u32);
            m.write(0x10, *attr);
        }
        m.write(4, ctrl);
        m
    }

    fn ok(m: &Mpu, addr: u32, kind: Kind, privileged: bool) -> bool {
        m.check(addr, 4, kind, privileged, true).is_ok()
    }

    #[test]
    fn without_an_mpu_only_execute_never_counts() {
        let m = mpu(0, &[]);
        for (addr, exec) in [
            (0, true),
            (0x2000_0000, true),
            (0x4000_0000, false),
            (0x5fff_fffe, false),
            (0x6000_0000, true),
            (0x9fff_fffc, true),
            (0xa000_0000, false),
            (0xdfff_fffc, false),
            (0xe000_e000, false),
            (0xf000_0000, false),
        ] {
            assert_eq!(m.check(addr, 4, Fetch, true, false).is_ok(), exec, "{addr:x}");
            assert!(m.check(addr, 4, Write, false, false).is_ok());
        }
    }

    #[test]
    fn access_permissions() {
        // AP: privileged read, write; unprivileged read, write (table B3-15).
        let table = [
            (0, [false, false, false, false]),
            (1, [true, true, false, false]),
            (2, [true, true, true, false]),
            (3, [true, true, true, true]),
            (5, [true, false, false, false]),
            (6, [true, false, true, false]),
            (7, [true, false, true, false]),
        ];
        for (ap, want) in table {
            let m = mpu(1, &[(0x2000_0000, rasr(ap, 16, 0, false))]);
            let a = 0x2000_0100;
            let got = [
                ok(&m, a, Read, true),
                ok(&m, a, Write, true),
                ok(&m, a, Read, false),
                ok(&m, a, Write, false),
            ];
            assert_eq!(got, want, "AP {ap}");
            assert_eq!(ok(&m, a, Fetch, true), want[0]);
            assert_eq!(ok(&m, a, Fetch, false), want[2]);
            let m = mpu(1, &[(0x2000_0000, rasr(ap, 16, 0, true))]);
            assert!(!ok(&m, a, Fetch, true));
        }
    }

    #[test]
    fn higher_region_numbers_win_and_disabled_subregions_fall_through() {
        let m =
            mpu(1, &[(0x2000_0000, rasr(3, 16, 0, true)), (0x2000_0000, rasr(0, 12, 0b0000_0010, false))]);
        assert!(!ok(&m, 0x2000_0000, Read, true));
        assert!(ok(&m, 0x2000_0200, Read, true));
        assert!(ok(&m, 0x2000_03fc, Read, true));
        assert!(!ok(&m, 0x2000_0400, Read, true));
        assert!(ok(&m, 0x2000_1000, Read, true));
        // An access over the edge needs both sides.
        assert!(!ok(&m, 0x2000_03fe, Read, true));
        assert!(!ok(&m, 0x2000_01fe, Read, true));
    }

    #[test]
    fn background_region() {
        let m = mpu(1, &[]);
        assert!(!ok(&m, 0x2000_0000, Read, true));
        assert!(ok(&m, 0xe000_e000, Read, true), "the private peripheral bus has the default map");
        let m = mpu(5, &[]);
        assert!(ok(&m, 0x2000_0000, Read, true) && !ok(&m, 0x2000_0000, Read, false));
        assert!(!ok(&m, 0x4000_0000, Fetch, true));
        let m = mpu(5, &[(0x4000_0000, rasr(3, 20, 0, false))]);
        assert!(ok(&m, 0x4000_0000, Fetch, true), "a region overrides execute-never below the system space");
    }

    #[test]
    fn negative_priorities_bypass_unless_hfnmiena() {
        assert!(!mpu(1, &[]).applies(-1) && mpu(1, &[]).applies(0) && mpu(3, &[]).applies(-2));
        assert!(!mpu(0, &[]).applies(0));
    }

    #[test]
    fn the_largest_and_the_smallest_region() {
        let m = mpu(1, &[(0, rasr(3, 32, 0x80, false)), (0x2000_0020, rasr(0, 5, 0xff, false))]);
        assert!(ok(&m, 0xdfff_fffc, Read, false) && !ok(&m, 0xf000_0000, Read, false));
        assert!(ok(&m, 0x2000_001c, Read, true));
        assert!(!ok(&m, 0x2000_0020, Read, true), "32-byte regions ignore SRD");
        assert!(!ok(&m, 0x2000_003c, Read, true) && ok(&m, 0x2000_0040, Read, true));
    }

    #[test]
    fn uniform_pages_are_those_no_edge_splits() {
        let m = mpu(
            1,
            &[
                (0x2000_0020, rasr(0, 5, 0, false)),
                (0x2000_2000, rasr(3, 13, 0x01, false)),
                (0x2001_0000, rasr(3, 15, 0x01, false)),
                (0x2002_0000, rasr(3, 12, 0, false)),
            ],
        );
        for (addr, uniform) in [
            (0x2000_0000, false),
            (0x2000_1000, true),
            (0x2000_2000, false),
            (0x2000_3fff, false),
            (0x2000_4000, true),
            (0x2001_0000, true),
            (0x2002_0abc, true),
        ] {
            assert_eq!(m.page_uniform(addr, true), uniform, "{addr:x}");
            assert!(m.page_uniform(addr, false));
        }
    }

    /// Brute force: wherever `page_uniform` says so, all words of the page agree.
    #[test]
    fn uniform_pages_really_are() {
        let mut seed = 1u32;
        let mut rnd = |n: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % n
        };
        for _ in 0..200 {
            let regions: Vec<_> = (0..4)
                .map(|_| (0x2000_0000 + rnd(64) * 512, rasr(rnd(4), 5 + rnd(12), rnd(256), false)))
                .collect();
            let m = mpu(1, &regions);
            for page in (0x2000_0000..0x2000_8000u32).step_by(4096) {
                let first = ok(&m, page, Write, true);
                let same = (page..page + 4096).step_by(32).all(|a| ok(&m, a, Write, true) == first);
                assert!(same || !m.page_uniform(page, true), "{regions:x?} {page:x}");
            }
        }
    }

    /// And where they are not, each halfword is allowed or not as a check of it says.
    #[test]
    fn mend_what_is_denied_of_a_split_page_is_what_a_check_denies() {
        let mut seed = 7u32;
        let mut rnd = |n: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % n
        };
        for _ in 0..50 {
            let regions: Vec<_> = (0..5)
                .map(|_| (0x2000_0000 + rnd(256) * 32, rasr(rnd(7), 5 + rnd(9), rnd(256), false)))
                .collect();
            let (m, privileged) = (mpu(1 | rnd(2) << 2, &regions), rnd(2) == 0);
            for page in [0x2000_0000, 0x2000_1000] {
                let (read, write) = m.denied(page + rnd(4096), privileged);
                for off in (0..PAGE).step_by(2) {
                    let denied = |kind| m.check(page + off, 2, kind, privileged, true).is_err();
                    let got = [&read, &write].map(|bits| bits.any(off as usize, 2));
                    assert_eq!(got, [Read, Write].map(denied), "{regions:x?} {page:x} {off:x}");
                }
            }
        }
    }

    #[test]
    fn mend_which_region_is_selected_changes_no_rule() {
        let mut m = mpu(5, &[(0x2000_0000, rasr(3, 12, 0, false))]);
        let before = m.clone();
        m.write(8, 5);
        assert!(m != before && m.same_rules(&before));
        m.write(4, 1);
        assert!(!m.same_rules(&before));
    }

    #[test]
    fn registers_read_back_through_the_aliases() {
        let mut m = mpu(0, &[]);
        assert_eq!(m.read(0), 8 << 8);
        m.write(8, 5);
        m.write(0x1c, 0x2000_00e2);
        assert_eq!(m.read(0x0c), 0x2000_00e5, "VALID is 0: region 5 stays selected");
        m.write(0x24, 0x3000_0013);
        assert_eq!((m.read(8), m.read(0x14)), (3, 0x3000_0003));
        m.write(0x28, u32::MAX);
        assert_eq!(m.read(0x10), 0x173f_ff3f);
        m.write(4, u32::MAX);
        assert_eq!(m.read(4), 7);
        let mut none = Mpu::new(&MConfig::named("cortex-m0").unwrap());
        none.write(4, 7);
        assert_eq!((none.read(0), none.read(4)), (0, 0));
    }
}
