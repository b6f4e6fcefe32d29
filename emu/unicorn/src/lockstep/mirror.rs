//! Unicorn with a copy of our memory, kept in step page by page.

use super::target::{MOST, Reg, State, Target};
use emu_core::{
    Machine,
    memory::{Memory, PAGE, RegionKind},
};
use std::collections::BTreeMap;
use unicorn_engine::{HookType, MemType, Prot, Unicorn, uc_error};

/// Unicorn with what its hooks write down.
pub(super) type Uc = Unicorn<'static, Log>;

const PAGE_SIZE: u64 = PAGE as u64;

/// What Unicorn did to memory.
#[derive(Default)]
pub(super) struct Log {
    /// First and last addresses of writes.
    writes: Vec<(u64, u64)>,
    refused: Option<Refused>,
}

/// An access that Unicorn could not do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub addr: u64,
    pub write: bool,
    fetch: bool,
}

/// What became of a step in Unicorn.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ran {
    /// It was executed.
    Done,
    /// It needs an address that Unicorn has not.
    Refused(Refused),
    /// Unicorn finds that something cannot be executed, and stands here.
    Failed(uc_error, u64),
}

/// A failure of Unicorn itself.
pub(super) type Result<T> = std::result::Result<T, uc_error>;

/// Where a page of ours is seen: its usual address, and further ones.
type Views = (u64, Vec<u64>);

pub(super) struct Mirror {
    uc: Uc,
    /// By the page's number in our memory.
    views: BTreeMap<u32, Views>,
    /// Our memory's epoch up to which pages are the same.
    epoch: u64,
    /// What Unicorn's registers hold; `None`: nobody knows.
    core: Option<[u64; MOST]>,
    float: Option<[u64; MOST]>,
    /// A page of Unicorn's own that has the instruction which drops reservations.
    scratch: Option<u64>,
}

/// The address of the page that `addr` lies in.
fn page_of(addr: u64) -> u64 {
    addr & !(PAGE_SIZE - 1)
}

impl Mirror {
    /// Unicorn with all regions of a machine's memory.
    pub fn new(target: &dyn Target, machine: &mut Machine) -> Result<Mirror> {
        let mut uc = target.open()?;
        uc.add_mem_hook(HookType::MEM_WRITE, 0, u64::MAX, |uc, _, addr, size, _| {
            uc.get_data_mut().writes.push((addr, addr + size as u64 - 1));
            true
        })?;
        uc.add_mem_hook(HookType::MEM_INVALID, 0, u64::MAX, |uc, kind, addr, _, _| {
            let write = matches!(kind, MemType::WRITE_UNMAPPED | MemType::WRITE_PROT);
            let fetch = matches!(kind, MemType::FETCH_UNMAPPED | MemType::FETCH_PROT);
            uc.get_data_mut().refused = Some(Refused { addr, write, fetch });
            false
        })?;
        // No address ends a run, and so none needs its code thrown away after each.
        uc.ctl_exits_enable()?;
        uc.ctl_set_exits(&[])?;
        let epoch = machine.bus.fabric.mem.code_epoch();
        let mut mirror = Mirror { uc, views: BTreeMap::new(), epoch, core: None, float: None, scratch: None };
        mirror.map_regions(&mut machine.bus.fabric.mem)?;
        mirror.scratch =
            target.drop_reservation().map(|code| mirror.add_scratch(machine, code)).transpose()?;
        Ok(mirror)
    }

    fn map_regions(&mut self, mem: &mut Memory) -> Result<()> {
        let regions: Vec<_> = mem.regions().iter().map(|r| (r.base, r.size, r.kind)).collect();
        for (base, size, kind) in regions {
            let prot = if kind == RegionKind::Ram { Prot::ALL } else { Prot::READ | Prot::EXEC };
            let size = size.next_multiple_of(PAGE_SIZE);
            self.uc.mem_map(base, size, prot)?;
            for addr in (base..base + size).step_by(PAGE) {
                let Some(slot) = mem.page_slot(addr) else { continue };
                self.views.insert(slot, (addr, vec![]));
                if mem.page_bytes(slot) != &[0; PAGE] {
                    self.uc.mem_write(addr, mem.page_bytes(slot))?;
                }
                mem.mark_page(slot);
            }
        }
        Ok(())
    }

    /// A page where neither we nor the machine have anything.
    fn add_scratch(&mut self, machine: &Machine, code: &[u8]) -> Result<u64> {
        let free = |addr: &u64| {
            let window =
                machine.bus.windows().iter().any(|w| addr.wrapping_sub(page_of(w.base)) < w.size + PAGE_SIZE);
            !window && machine.bus.fabric.mem.page_slot(*addr).is_none()
        };
        let addr = (1..0x1_0000).map(|n| 0x2000_0000 - n * PAGE_SIZE).find(free).ok_or(uc_error::NOMEM)?;
        self.uc.mem_map(addr, PAGE_SIZE, Prot::READ | Prot::EXEC)?;
        self.uc.mem_write(addr, code)?;
        Ok(addr)
    }

    /// An address of ours that is another view of memory: Unicorn gets that page too. `false`: it is no memory.
    pub fn map_view(&mut self, mem: &Memory, addr: u64) -> Result<bool> {
        let page = page_of(addr);
        let (Some(slot), Some(region)) = (mem.page_slot(page), mem.region_at(page)) else { return Ok(false) };
        let Some((home, others)) = self.views.get_mut(&slot) else { return Ok(false) };
        if *home == page || others.contains(&page) {
            return Ok(false);
        }
        others.push(page);
        let prot = if region.kind == RegionKind::Ram { Prot::ALL } else { Prot::READ | Prot::EXEC };
        self.uc.mem_map(page, PAGE_SIZE, prot)?;
        self.uc.mem_write(page, mem.page_bytes(slot))?;
        Ok(true)
    }

    /// Gives Unicorn the registers that it does not have yet.
    pub fn load(&mut self, target: &dyn Target, state: &State, float: bool) -> Result<()> {
        let known = self.core.take();
        self.write_registers(target.core(), &state.core, known)?;
        self.core = Some(state.core);
        if float {
            let known = self.float.take();
            self.write_registers(target.float(), &state.float, known)?;
            self.float = Some(state.float);
        }
        Ok(())
    }

    fn write_registers(
        &mut self,
        regs: &[Reg],
        wanted: &[u64; MOST],
        known: Option<[u64; MOST]>,
    ) -> Result<()> {
        // From the last on: a write of the flags comes before what it may change.
        for (n, reg) in regs.iter().enumerate().rev() {
            if known.is_none_or(|known| known[n] != wanted[n]) {
                self.uc.reg_write(reg.write, wanted[n])?;
            }
        }
        Ok(())
    }

    /// Unicorn executes one step from `pc`.
    pub fn run(&mut self, target: &dyn Target, pc: u64) -> Result<Ran> {
        let log = self.uc.get_data_mut();
        log.writes.clear();
        log.refused = None;
        let Err(error) = self.uc.emu_start(target.start(pc), 0, 0, 1) else { return Ok(Ran::Done) };
        let at = self.uc.reg_read(target.pc())? & !1;
        match self.uc.get_data().refused {
            // The step itself is done; there is nothing to fetch behind it.
            Some(refused) if refused.fetch && at != pc => Ok(Ran::Done),
            Some(refused) => Ok(Ran::Refused(refused)),
            None => Ok(Ran::Failed(error, at)),
        }
    }

    /// Drops the reservation of exclusive accesses.
    pub fn drop_reservation(&mut self, target: &dyn Target) -> Result<()> {
        match self.scratch {
            Some(addr) => self.uc.emu_start(target.start(addr), 0, 0, 1),
            None => Ok(()),
        }
    }

    /// Unicorn's registers: program counter, integer registers, and with `float` the others.
    pub fn save(
        &mut self,
        target: &dyn Target,
        float: bool,
    ) -> Result<(u64, [u64; MOST], Option<[u64; MOST]>)> {
        let pc = self.uc.reg_read(target.pc())? & !1;
        let core = self.read_registers(target.core())?;
        self.core = Some(core);
        if !float {
            return Ok((pc, core, None));
        }
        let float = self.read_registers(target.float())?;
        self.float = Some(float);
        Ok((pc, core, self.float))
    }

    fn read_registers(&self, regs: &[Reg]) -> Result<[u64; MOST]> {
        let mut values = [0; MOST];
        for (value, reg) in values.iter_mut().zip(regs) {
            *value = self.uc.reg_read(reg.unicorn)?;
        }
        Ok(values)
    }

    /// Nobody knows any more what Unicorn's registers hold.
    pub fn forget(&mut self) {
        (self.core, self.float) = (None, None);
    }

    /// The pages that Unicorn wrote in its last step, by our numbers.
    pub fn written(&self, mem: &Memory, into: &mut Vec<u32>) {
        for (first, last) in &self.uc.get_data().writes {
            for addr in [*first, *last] {
                into.extend(mem.page_slot(addr).filter(|slot| !into.contains(slot)));
            }
        }
    }

    /// Pages of ours that were written since the last call. `likely` are those to look at first.
    pub fn changed(&mut self, mem: &mut Memory, likely: &[u32]) -> Vec<u32> {
        let (now, since) = (mem.code_epoch(), self.epoch);
        if now == since {
            return vec![];
        }
        // A write to a page marked as code raises the epoch and takes the mark away.
        let mut changed: Vec<u32> = likely.iter().copied().filter(|s| mem.page_epoch(*s) > since).collect();
        if changed.len() as u64 != now - since {
            changed = self.views.keys().copied().filter(|s| mem.page_epoch(*s) > since).collect();
        }
        for slot in &changed {
            mem.mark_page(*slot);
        }
        self.epoch = mem.code_epoch();
        changed
    }

    /// Gives Unicorn pages of ours as they are.
    pub fn copy(&mut self, mem: &Memory, slots: &[u32]) -> Result<()> {
        for slot in slots {
            let Some((home, others)) = self.views.get(slot) else { continue };
            for addr in std::iter::once(home).chain(others) {
                self.uc.mem_write(*addr, mem.page_bytes(*slot))?;
                self.uc.ctl_remove_cache(*addr, addr + PAGE_SIZE)?;
            }
        }
        Ok(())
    }

    /// The same, but the page's usual view is up to date already.
    pub fn copy_to_others(&mut self, mem: &Memory, slots: &[u32]) -> Result<()> {
        for slot in slots {
            if self.views.get(slot).is_some_and(|(_, others)| !others.is_empty()) {
                self.copy(mem, &[*slot])?;
            }
        }
        Ok(())
    }

    /// Words in which a page differs: address, ours, Unicorn's.
    pub fn compare(&self, mem: &Memory, slot: u32) -> Result<Vec<(u64, u32, u32)>> {
        let Some((home, others)) = self.views.get(&slot) else { return Ok(vec![]) };
        // Unicorn wrote to one of several views only.
        let touched = |page: &&u64| {
            self.uc.get_data().writes.iter().any(|(a, b)| page_of(*a) == **page || page_of(*b) == **page)
        };
        let page = others.iter().find(touched).unwrap_or(home);
        let mut theirs = [0; PAGE];
        self.uc.mem_read(*page, &mut theirs)?;
        let ours = mem.page_bytes(slot);
        if *ours == theirs {
            return Ok(vec![]);
        }
        let words = ours.as_chunks::<4>().0.iter().zip(theirs.as_chunks::<4>().0);
        let word = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
        let differ = (0..).zip(words).filter(|(_, (a, b))| a != b);
        Ok(differ.map(|(n, (a, b))| (page + 4 * n, word(a), word(b))).collect())
    }
}
