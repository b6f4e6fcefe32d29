//! The core as the machine sees it.

use super::{
    config::MConfig,
    core::{Core, TAG_SYSTICK},
    gdb,
    nvic::NMI_LINE,
    scs::is_ppb,
    state::{D0, PC, RegFile},
};
use emu_core::{
    bus::Bus,
    cpu::{Arch, Cpu, CpuExit, Engine, EngineStats, Run},
    events::Tag,
    fields::Fields,
    save::{self, LoadError},
};
use emu_engine::{cache::CodeCache, guest::Guest, ir::Regs, jit};
use serde::{Deserialize, Serialize};

/// A Cortex-M core with its interrupt controller, system timer and code cache.
pub struct CortexM {
    core: Core,
    cache: CodeCache,
}

/// Canonical state of a core.
#[derive(Serialize, Deserialize)]
struct Saved {
    r: [u32; 16],
    nzcv: u32,
    d: [u64; 16],
    retired: u64,
    sys: Vec<u8>,
}

const NOT_MODELLED: &[&str] = &[
    "timing beyond the manuals' tables: loads that overlap, unaligned accesses, wait states, write buffers; division, long \
     multiplication and refills of the pipeline take the middle of what M3 and M4 give; return from exceptions on M0 and M0+ is \
     derived from M3; M7 counts as M4, double precision as single",
    "late arrival: an exception that comes while another is entered interrupts that one's handler before its first instruction",
    "imprecise bus faults: every bus fault is precise",
    "caches, write buffers, tightly coupled memories (their control registers read as zero)",
    "breakpoint unit, DWT comparators and profiling counters, trace output (ITM, ETM, TPIU)",
    "halting debug as seen by the guest (DHCSR, DCRSR), vector catch, DebugMonitor stepping",
    "NMI out of lockup: a locked-up core stays so until a reset",
    "SEV to other cores",
    "FPCCR's recorded priorities: a fault of lazy stacking is judged by the present ones",
    "AIRCR.VECTRESET; unprivileged access to trace ports (ITM_TPR)",
    "SysTick and CYCCNT stopping in sleep",
];

impl CortexM {
    /// CPU number `index` of its machine.
    pub fn new(cfg: MConfig, index: u16) -> CortexM {
        CortexM { core: Core::new(cfg, index), cache: CodeCache::default() }
    }

    /// The state, for tests and tools.
    pub fn core(&self) -> &Core {
        &self.core
    }
    /// The state, to change it.
    pub fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}

impl Cpu for CortexM {
    fn reset(&mut self, bus: &mut Bus) {
        self.core.reset(bus);
    }

    fn run(&mut self, bus: &mut Bus, how: Run) -> (u64, CpuExit) {
        self.core.run(&mut self.cache, bus, how)
    }

    fn event(&mut self, tag: Tag, bus: &mut Bus) {
        if tag == TAG_SYSTICK {
            self.core.systick_event(bus);
        }
    }

    fn sync(&mut self, bus: &mut Bus) -> bool {
        self.core.take_lines(bus);
        self.core.sys.wake()
    }

    fn fork(&self) -> Box<dyn Cpu> {
        let mut core = self.core.clone();
        core.forget_views();
        Box::new(CortexM { core, cache: self.cache.fork() })
    }

    fn save(&self) -> Vec<u8> {
        let regs = &self.core.regs;
        save::to_bytes(&Saved {
            r: std::array::from_fn(|n| regs.r(n)),
            nzcv: regs.nzcv(),
            d: std::array::from_fn(|n| RegFile::get(regs, D0 + n)),
            retired: self.core.retired,
            sys: self.core.sys.save(),
        })
    }

    fn fields(&self, root: &str) -> Fields {
        self.core.sys.fields(root)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let saved: Saved = save::from_bytes(bytes)?;
        if saved.r[PC] & 1 != 0 {
            return Err(LoadError::Corrupt("odd program counter".into()));
        }
        self.core.sys.load(&saved.sys)?;
        self.core.regs = Regs::default();
        for (n, v) in saved.r.into_iter().enumerate() {
            self.core.regs.set_r(n, v);
        }
        for (n, v) in saved.d.into_iter().enumerate() {
            RegFile::set(&mut self.core.regs, D0 + n, v);
        }
        self.core.regs.set_nzcv(saved.nzcv);
        self.core.retired = saved.retired;
        self.core.forget_views();
        self.cache.clear();
        Ok(())
    }

    fn kind(&self) -> &'static str {
        self.core.sys.cfg.name
    }
    fn arch(&self) -> &'static Arch {
        gdb::arch_of(&self.core.sys.cfg)
    }
    fn reg(&self, n: usize) -> u64 {
        gdb::reg(&self.core, n)
    }
    fn set_reg(&mut self, n: usize, v: u64) -> bool {
        gdb::set_reg(&mut self.core, n, v)
    }
    fn pc(&self) -> u64 {
        self.core.regs.r(PC).into()
    }
    fn retired(&self) -> u64 {
        self.core.retired
    }
    fn exceptions(&self) -> u64 {
        self.core.taken
    }

    fn peek_register(&self, addr: u64, size: u8, cycle: u64) -> Option<u32> {
        let addr = u32::try_from(addr).ok().filter(|a| is_ppb(*a))?;
        self.core.sys.ppb_peek(addr, size, cycle)
    }

    fn poke_register(&mut self, bus: &mut Bus, addr: u64, size: u8, v: u32) -> bool {
        let addr = u32::try_from(addr).ok().filter(|a| is_ppb(*a));
        addr.is_some_and(|a| self.core.ppb_store(bus, a, size, v, true).is_ok())
    }

    fn semihost_done(&mut self, result: u64) {
        self.core.regs.set_r(0, result as u32);
        let pc = self.core.pc().wrapping_add(2);
        self.core.set_pc(pc);
        let it = self.core.it();
        // ITAdvance (A7.3.3): BKPT is unconditional, but takes its turn.
        self.core.set_it(if it & 7 == 0 { 0 } else { (it & 0xe0) | ((it << 1) & 0x1f) });
    }

    fn set_engine(&mut self, engine: Engine) {
        self.cache.set_engine(engine);
    }
    fn compiles(&self) -> Result<(), String> {
        jit::available()
    }
    fn engine_stats(&self) -> EngineStats {
        self.cache.stats()
    }
    fn count_ops(&mut self) {
        self.cache.count_ops();
    }
    fn left_ops(&self) -> Vec<(&'static str, u64)> {
        self.cache.left_ops::<Core>()
    }
    fn has_line(&self, line: u16) -> bool {
        line < self.core.sys.cfg.irqs || line == NMI_LINE
    }
    fn own_addresses(&self) -> Vec<(u64, u64, &'static str)> {
        let mut all = vec![(0xe000_0000, 0x10_0000, "the private peripheral bus")];
        if self.core.sys.cfg.bit_band {
            all.extend([0x2200_0000, 0x4200_0000].map(|base| (base, 0x200_0000, "the bit-band aliases")));
        }
        all
    }
    fn not_modelled(&self) -> &'static [&'static str] {
        NOT_MODELLED
    }
}
