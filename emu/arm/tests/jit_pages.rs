//! Loads and stores of compiled code at the borders of pages, and at any alignment, against the interpreter.

use emu_arm::m::{config::MConfig, core::Core};
use emu_core::{bus::Bus, cpu::Engine, cpu::Run, memory::RegionKind};
use emu_engine::{cache::CodeCache, guest::Guest};

const CODE: u32 = 0x1000;
const DATA: u32 = 0x2000_0000;
const SIZE: usize = 0x3000;

/// A machine that executes one instruction and a jump back, again and again.
struct Bench {
    core: Core,
    bus: Bus,
    cache: CodeCache,
    cycle: u64,
    /// Cycles of the instruction.
    cost: u8,
}

impl Bench {
    fn new(engine: Engine, code: &[u16]) -> Bench {
        let mut bus = Bus::default();
        bus.fabric.mem.add_region("code", 0, 0x4000, RegionKind::Rom);
        bus.fabric.mem.add_region("data", DATA.into(), SIZE as u64, RegionKind::Ram);
        let back = 0xe000 | 0x7ff & (-(code.len() as i16) - 2) as u16;
        let bytes: Vec<u8> = code.iter().chain(&[back]).flat_map(|h| h.to_le_bytes()).collect();
        bus.fabric.mem.poke(CODE.into(), &bytes);
        let mut core = Core::new(MConfig::named("cortex-m4f").expect("a core"), 0);
        (core.sys.st.cpacr, core.sys.st.fpca) = (0x00f0_0000, true);
        let mut cache = CodeCache::default();
        cache.set_engine(engine);
        let cost = core.sys.cfg.timing.cost(code[0], code.get(1).copied().unwrap_or(0));
        Bench { core, bus, cache, cycle: 0, cost }
    }

    /// Registers, D0, faults and memory after the instruction with `base` in R0.
    fn run(&mut self, base: u32, round: u32) -> (Vec<u64>, u32, Vec<u8>) {
        for n in 1..13 {
            self.core.regs.set(n, round * 1000 + u32::from(n));
        }
        self.core.regs.set(0, base);
        self.core.set_pc(CODE);
        // The branch takes two cycles.
        let until = self.cycle + u64::from(self.cost) + 2;
        let slice = Run { cycle: self.cycle, until, step: false, resume: false };
        (self.cycle, _) = self.core.run(&mut self.cache, &mut self.bus, slice);
        let mut memory = vec![0; SIZE];
        self.bus.fabric.mem.peek(DATA.into(), &mut memory);
        let regs = (0..16).chain(32..34).map(|n| self.core.regs.get64(n)).collect();
        (regs, self.core.sys.scb.cfsr, memory)
    }
}

#[test]
fn jit_accesses_at_borders_are_the_interpreters() {
    let insns: &[(&str, &[u16])] = &[
        ("ldm r0!, {r1-r7}", &[0xc8fe]),
        ("stm r0!, {r1-r7}", &[0xc0fe]),
        ("ldm r0, {r1, r12}", &[0xe890, 0x1002]),
        ("stm r0, {r1, r12}", &[0xe880, 0x1002]),
        ("ldr r1, [r0]", &[0x6801]),
        ("str r1, [r0]", &[0x6001]),
        ("ldrh r1, [r0]", &[0x8801]),
        ("strh r1, [r0]", &[0x8001]),
        ("ldrsb r1, [r0]", &[0xf990, 0x1000]),
        ("strb r1, [r0]", &[0x7001]),
        ("ldrd r1, r2, [r0]", &[0xe9d0, 0x1200]),
        ("vldr d0, [r0]", &[0xed90, 0x0b00]),
        ("vstr d0, [r0]", &[0xed80, 0x0b00]),
        ("vldm r0, {s1-s4}", &[0xecd0, 0x0a04]),
    ];
    for (name, code) in insns {
        // Bases: around the border of the first two pages, and at the end of memory, where the last words fault.
        for base in (0xfc0..0x1008).chain(0x2fd0..0x3008).map(|off| DATA + off) {
            let mut exact = Bench::new(Engine::Interpreter, code);
            let mut compiled = Bench::new(Engine::Auto, code);
            // Compiled in the middle of the page, where nothing is special, then used at the base.
            for round in 0..36 {
                let page = (base & !0xfff).min(DATA + 0x2000);
                let at = if round < 35 { page + 0x400 * (round & 1) + 0x800 } else { base };
                let (want, got) = (exact.run(at, round), compiled.run(at, round));
                assert_eq!(got.0, want.0, "{name} at {at:#x}, round {round}: registers");
                assert_eq!(got.1, want.1, "{name} at {at:#x}, round {round}: faults");
                assert!(got.2 == want.2, "{name} at {at:#x}, round {round}: memory");
            }
            assert!(
                compiled.cache.stats().compiled > 0 || emu_engine::jit::available().is_err(),
                "{name} was never compiled"
            );
        }
    }
}
