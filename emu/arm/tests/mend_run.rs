//! A run of a CPU goes on, whatever somebody wants of its machine.

use emu_arm::m::{config::MConfig, core::Core};
use emu_core::{
    bus::Bus,
    cpu::{CpuExit, Engine, Run},
    memory::RegionKind,
};
use emu_engine::{cache::CodeCache, guest::Guest};

/// `adds r0, #1` again and again.
fn counter(engine: Engine) -> (Core, Bus, CodeCache) {
    let mut bus = Bus::default();
    bus.fabric.mem.add_region("code", 0, 0x1000, RegionKind::Rom);
    let code: Vec<u8> = [0x3001u16; 64].iter().flat_map(|h| h.to_le_bytes()).collect();
    bus.fabric.mem.poke(0x100, &code);
    let mut core = Core::new(MConfig::named("cortex-m3").expect("a core"), 0);
    core.set_pc(0x100);
    let mut cache = CodeCache::default();
    cache.set_engine(engine);
    (core, bus, cache)
}

/// What is wanted already when a slice begins must not keep it from its first instruction: the machine would ask again and
/// again. What comes up later ends the slice.
#[test]
fn mend_a_slice_executes_its_first_instruction_though_the_machine_is_wanted() {
    for engine in [Engine::Interpreter, Engine::Auto] {
        let (mut core, mut bus, mut cache) = counter(engine);
        for cycle in 0..5 {
            bus.fabric.mem.watch_hit = Some((0, true));
            let run = Run { cycle, until: cycle + 1, step: false, resume: false };
            let (next, exit) = core.run(&mut cache, &mut bus, run);
            assert_eq!((next, exit == CpuExit::Ran, core.regs.get(0)), (cycle + 1, true, cycle as u32 + 1));
        }
    }
}
