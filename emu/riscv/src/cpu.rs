//! The hart as the machine sees it.

use crate::{
    PC, X0,
    config::Config,
    core::Core,
    csr::Csrs,
    gdb,
    trap::{EXTERNAL, SOFTWARE, TIMER},
};
use emu_core::{
    bus::Bus,
    cpu::{Arch, Cpu, CpuExit, Engine, EngineStats, Run},
    events::Tag,
    fields::{self, Fields},
    save::{self, LoadError},
};
use emu_engine::{cache::CodeCache, guest::Guest, ir::Regs, jit};
use serde::{Deserialize, Serialize};

/// A RISC-V hart with its code cache.
pub struct Hart {
    core: Core,
    cache: CodeCache,
}

/// Canonical state of a hart.
#[derive(Serialize, Deserialize)]
struct Saved {
    x: [u32; 32],
    pc: u32,
    retired: u64,
    csr: Csrs,
}

const NOT_MODELLED: &[&str] = &[
    "timing of a real core: the cycles are those of Ibex (loads, stores and jumps 2, taken branches, traps and MRET 3, MULH 2, \
     division 38, else 1), without wait states",
    "supervisor mode, delegation, address translation (satp, medeleg and mideleg read as zero)",
    "F and D: their instructions are illegal, and the first of each kind is reported",
    "the time CSR (reading it is illegal; CLINT has mtime), performance counters beyond mcycle and minstret",
    "triggers and debug mode as seen by the guest",
    "non-maskable interrupts, bus errors of posted writes: every fault is precise",
    "a trap handler whose first instruction traps, or one of whose instructions traps a thousand times on ever less stack, \
     counts as a lockup: on hardware it repeats for ever",
];

impl Hart {
    /// Hart number `index` of its machine.
    pub fn new(cfg: Config, index: u16) -> Hart {
        Hart { core: Core::new(cfg, index), cache: CodeCache::default() }
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

impl Cpu for Hart {
    fn reset(&mut self, bus: &mut Bus) {
        self.core.reset(bus);
    }

    fn run(&mut self, bus: &mut Bus, how: Run) -> (u64, CpuExit) {
        self.core.run(&mut self.cache, bus, how)
    }

    fn event(&mut self, _: Tag, _: &mut Bus) {}

    fn sync(&mut self, bus: &mut Bus) -> bool {
        self.core.take_lines(bus);
        self.core.csr.wake()
    }

    fn fork(&self) -> Box<dyn Cpu> {
        Box::new(Hart { core: self.core.clone(), cache: self.cache.fork() })
    }

    fn save(&self) -> Vec<u8> {
        save::to_bytes(&Saved {
            x: std::array::from_fn(|n| self.core.regs.get(X0 + n as u8)),
            pc: self.core.pc(),
            retired: self.core.retired,
            csr: self.core.csr.clone(),
        })
    }

    fn fields(&self, root: &str) -> Fields {
        fields::fields(&format!("{root}.csr"), &self.core.csr)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let saved: Saved = save::from_bytes(bytes)?;
        if saved.pc & 1 != 0 || saved.x[0] != 0 {
            return Err(LoadError::Corrupt("an odd program counter, or x0 that is not zero".into()));
        }
        saved.csr.validate().map_err(LoadError::Corrupt)?;
        self.core.regs = Regs::default();
        for (n, v) in (X0..).zip(saved.x) {
            self.core.regs.set(n, v);
        }
        self.core.regs.set(PC, saved.pc);
        self.core.forget_views();
        (self.core.retired, self.core.csr) = (saved.retired, saved.csr);
        self.cache.clear();
        Ok(())
    }

    fn kind(&self) -> &'static str {
        self.core.cfg.name
    }
    fn arch(&self) -> &'static Arch {
        &gdb::RV32
    }
    fn reg(&self, n: usize) -> u64 {
        gdb::reg(&self.core, n)
    }
    fn set_reg(&mut self, n: usize, v: u64) -> bool {
        gdb::set_reg(&mut self.core, n, v)
    }
    fn pc(&self) -> u64 {
        self.core.pc().into()
    }
    fn retired(&self) -> u64 {
        self.core.retired
    }
    fn exceptions(&self) -> u64 {
        self.core.taken
    }

    fn semihost_done(&mut self, result: u64) {
        self.core.regs.set(X0 + 10, result as u32);
        let pc = self.core.pc().wrapping_add(4);
        self.core.set_pc(pc);
    }

    fn set_engine(&mut self, engine: Engine) {
        self.cache.set_engine(engine);
    }
    fn compiles(&self) -> Result<(), String> {
        jit::available()
    }
    fn count_ops(&mut self) {
        self.cache.count_ops();
    }
    fn left_ops(&self) -> Vec<(&'static str, u64)> {
        self.cache.left_ops::<Core>()
    }
    fn engine_stats(&self) -> EngineStats {
        self.cache.stats()
    }
    fn has_line(&self, line: u16) -> bool {
        [SOFTWARE, TIMER, EXTERNAL].contains(&line)
    }
    fn not_modelled(&self) -> &'static [&'static str] {
        NOT_MODELLED
    }
}
