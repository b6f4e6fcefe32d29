//! Data beside code, and code that is rewritten: fast where it may be, exact everywhere.

use emu_arm::m::{config::MConfig, core::Core};
use emu_core::{
    bus::Bus,
    cpu::{CpuExit, Engine, Run},
    memory::{RegionKind, Watch},
};
use emu_engine::{cache::CodeCache, guest::Guest};

/// Where the callers lie.
const ROM: u32 = 0x1000;
const RAM: u32 = 0x2000_0000;
const SIZE: usize = 0x4000;

struct Bench {
    core: Core,
    bus: Bus,
    cache: CodeCache,
    cycle: u64,
}

/// Cycle, registers, faults, memory, and the watchpoint that was hit.
type State = (u64, Vec<u64>, u32, Vec<u8>, Option<(u64, bool)>);

impl Bench {
    /// `code` at an address, which is also where to start.
    fn new(engine: Engine, at: u32, code: &[u16]) -> Bench {
        let mut bus = Bus::default();
        bus.fabric.mem.add_region("code", 0, 0x4000, RegionKind::Rom);
        bus.fabric.mem.add_region("ram", RAM.into(), SIZE as u64, RegionKind::Ram);
        let mut core = Core::new(MConfig::named("cortex-m3").expect("a core"), 0);
        core.set_pc(at);
        let mut cache = CodeCache::default();
        cache.set_engine(engine);
        let mut bench = Bench { core, bus, cache, cycle: 0 };
        bench.poke(at, code);
        bench
    }

    /// As a debugger or a loader writes.
    fn poke(&mut self, at: u32, code: &[u16]) {
        let bytes: Vec<u8> = code.iter().flat_map(|h| h.to_le_bytes()).collect();
        self.bus.fabric.mem.poke(at.into(), &bytes);
    }

    fn run(&mut self, cycles: u64) {
        let slice = Run { cycle: self.cycle, until: self.cycle + cycles, step: false, resume: false };
        (self.cycle, _) = self.core.run(&mut self.cache, &mut self.bus, slice);
    }

    fn state(&mut self) -> State {
        let mut memory = vec![0; SIZE];
        self.bus.fabric.mem.peek(RAM.into(), &mut memory);
        let regs = (0..16).map(|n| self.core.regs.get64(n)).collect();
        (self.cycle, regs, self.core.sys.scb.cfsr, memory, self.bus.fabric.mem.watch_hit.take())
    }

    fn fork(&mut self) -> Bench {
        let mut bus = Bus::default();
        bus.fabric.mem = self.bus.fabric.mem.fork();
        Bench { core: self.core.clone(), bus, cache: self.cache.fork(), cycle: self.cycle }
    }
}

fn compiles() -> bool {
    emu_engine::jit::available().inspect_err(|why| println!("not tested: {why}")).is_ok()
}

/// `ldr r1, [r0]; adds r1, #1; str r1, [r0]; push {r1, r2}; pop {r1, r2}; subs r2, #1; bne`, again and again.
const LOOP: &[u16] = &[0x6801, 0x3101, 0x6001, 0xb406, 0xbc06, 0x3a01, 0xd1f8, 0xe7fe];

/// Data in the page, and in the 64 bytes, of the code that writes it, and a stack right below it: all of it stays compiled.
#[test]
fn mend_data_beside_code_leaves_it_compiled() {
    let code = RAM + 0x1100;
    for data in [0x2000, 0x1fc0, 0x1110, 0x10fc, 0x113c, 0x0ffc] {
        let mut exact = Bench::new(Engine::Interpreter, code, LOOP);
        let mut compiled = Bench::new(Engine::Auto, code, LOOP);
        for bench in [&mut exact, &mut compiled] {
            bench.core.regs.set(0, RAM + data);
            bench.core.regs.set(2, 20_000);
            bench.core.regs.set(13, code - 16);
            (0..27).for_each(|_| bench.run(10_000));
        }
        assert!(exact.state() == compiled.state(), "data at {data:#x}");
        assert_eq!(compiled.core.regs.get(1), 20_000, "data at {data:#x}");
        let stats = compiled.cache.stats();
        if compiles() {
            assert!(stats.compiled * 100 > compiled.core.retired * 95, "data at {data:#x}: {stats:?}");
            assert!(stats.slow_ops < 50 && stats.left_attention < 20, "data at {data:#x}: {stats:?}");
        }
    }
}

/// Calls what lies at r4, writes a byte there or beside it, and calls it again: `blx r4; strb r3, [r0]; blx r4; b`.
const CALLER: &[u16] = &[0x47a0, 0x7003, 0x47a0, 0xe7fb];
/// `adds r6, #1; movw r5, #0x1234; adds r7, #3; bx lr`. The second instruction has four bytes.
const CALLED: &[u16] = &[0x3601, 0xf241, 0x2534, 0x3703, 0x4770];

/// One byte before, in, and behind code, by the guest, in all engines; where an instruction spans pages, too. What one machine
/// writes is nothing to another that shares its code.
#[test]
fn mend_rewritten_code_is_exact_to_the_byte() {
    for called in [0x2100, 0x1ffa, 0x1ffc, 0x1ffe, 0x203c].map(|off| RAM + off) {
        let start = |engine| {
            let mut bench = Bench::new(engine, ROM, CALLER);
            bench.poke(called, CALLED);
            for (n, v) in [(0, RAM), (3, 0), (4, called | 1), (13, RAM + 0x800)] {
                bench.core.regs.set(n, v);
            }
            bench
        };
        // Data beside the code has been written, in this page and in the next.
        let mut benches = [Engine::Interpreter, Engine::Auto, Engine::Auto].map(start);
        for (n, at) in (called - 3..called + 13).enumerate() {
            for value in [0x00, 0x36, 0x47, 0xbf] {
                for (i, bench) in benches.iter_mut().enumerate() {
                    // Warm, and compiled, with writes elsewhere; then one write that may change what runs.
                    bench.core.regs.set(0, RAM + 0x40);
                    bench.run(900);
                    if i < 2 {
                        bench.core.regs.set(0, at);
                    }
                    bench.core.regs.set(3, value);
                    bench.run(37 + n as u64);
                }
                let [exact, compiled, other] = &mut benches;
                assert!(exact.state() == compiled.state(), "{value:#x} to {at:#x}, code at {called:#x}");
                let intact = other.state().3[(called - RAM) as usize..][..10].to_vec();
                assert_eq!(intact, CALLED.iter().flat_map(|h| h.to_le_bytes()).collect::<Vec<_>>());
                for bench in &mut benches {
                    // As it was, from outside; the core may have faulted or be anywhere.
                    bench.poke(called, CALLED);
                    bench.core.regs.set(4, called | 1);
                    bench.core.regs.set(13, RAM + 0x800);
                    bench.core.set_pc(ROM);
                    bench.core.set_it(0);
                    bench.core.sys.st.lockup = false;
                    bench.core.sys.st.thumb = true;
                }
            }
        }
        let [exact, _, other] = &mut benches;
        exact.run(100);
        other.run(100);
        assert!(!compiles() || other.cache.stats().compiled > 0);
    }
}

/// The forks of one machine each write other code, from outside and by DMA, while they run the same compiled code.
#[test]
fn mend_forks_rewrite_code_apart() {
    let called = RAM + 0x2100;
    let mut first = Bench::new(Engine::Auto, ROM, CALLER);
    first.poke(called, CALLED);
    for (n, v) in [(0, called + 12), (4, called | 1), (13, RAM + 0x800)] {
        first.core.regs.set(n, v);
    }
    first.run(5_000);
    let mut forks: Vec<Bench> = (0..4).map(|_| first.fork()).collect();
    for round in 0..6 {
        for (k, fork) in forks.iter_mut().enumerate() {
            fork.run(7_000);
            // `adds r6, #k`: its own code for each of them.
            let insn = (0x3600 + round * 4 + k as u16).to_le_bytes();
            assert!(fork.bus.fabric.mem.dma_write(called.into(), &insn));
            fork.core.set_pc(ROM);
            [6, 7].into_iter().for_each(|n| fork.core.regs.set(n, 0));
            fork.run(3_000);
            let (sum, calls) = (fork.core.regs.get(6), fork.core.regs.get(7) / 3);
            let add = u32::from(round) * 4 + k as u32;
            assert!(
                calls > 50 && (sum == add * calls || sum == add * (calls + 1)),
                "round {round}, fork {k}"
            );
        }
    }
    let (stats, retired) = (forks[0].cache.stats(), forks[0].core.retired - first.core.retired);
    assert!(!compiles() || stats.compiled * 100 > retired * 95, "{retired} {stats:?}");
}

/// A guest that keeps rewriting one routine runs the others, and mostly that one, compiled: `blx r4` sixteen times, then an
/// instruction is written.
#[test]
fn mend_only_the_blocks_that_were_rewritten_are_dropped() {
    if !compiles() {
        return;
    }
    let called = RAM + 0x2100;
    // eors r3, r2; strb r3, [r0]; movs r1, #100; blx r4; subs r1, #1; bne; b
    let caller = [0x4053, 0x7003, 0x2164, 0x47a0, 0x3901, 0xd1fc, 0xe7f8];
    let run = |engine| {
        let mut bench = Bench::new(engine, called - 0x80, &caller);
        bench.poke(called, CALLED);
        for (n, v) in [(0, called), (2, 3), (3, 1), (4, called | 1), (13, RAM + 0x800)] {
            bench.core.regs.set(n, v);
        }
        (0..20).for_each(|_| bench.run(10_000));
        bench
    };
    let (mut exact, mut bench) = (run(Engine::Interpreter), run(Engine::Auto));
    assert!(exact.state() == bench.state());
    let stats = bench.cache.stats();
    assert!(stats.compiled * 100 > bench.core.retired * 95, "{} {stats:?}", bench.core.retired);
}

/// Watchpoints on data beside code stop both engines at the same instruction.
#[test]
fn mend_watched_data_beside_code_is_seen() {
    let code = RAM + 0x1100;
    let run = |engine| {
        let mut bench = Bench::new(engine, code, LOOP);
        bench.core.regs.set(0, RAM + 0x1120);
        bench.core.regs.set(2, 20_000);
        bench.core.regs.set(13, code - 16);
        bench.run(5_003);
        let watch = Watch { addr: (RAM + 0x1120).into(), len: 1, read: false, write: true };
        bench.bus.fabric.mem.set_watches(vec![watch]);
        bench.run(100);
        bench
    };
    let (mut exact, mut compiled) = (run(Engine::Interpreter), run(Engine::Auto));
    let want = exact.state();
    assert_eq!(want.4, Some((u64::from(RAM) + 0x1120, true)));
    assert!(want == compiled.state());
    for bench in [&mut exact, &mut compiled] {
        bench.bus.fabric.mem.set_watches(vec![]);
        bench.run(5_000);
    }
    assert!(exact.state() == compiled.state());
}

/// The second half of an instruction that spans pages is code of the next page: written there, by whomever, it counts at once;
/// in a page that is known as a whole, and in one whose blocks stand for themselves.
#[test]
fn mend_the_tail_of_an_instruction_in_the_next_page_is_code() {
    // `b.w` to one of many `movs r5, #k; bx lr`: nothing else of the next page is code.
    let (called, table) = (RAM + 0x1ffe, RAM + 0x1f00);
    let tail =
        |k: u8| 0xb800 | (table.wrapping_sub(called + 4).wrapping_add(4 * u32::from(k)) >> 1 & 0x7ff) as u16;
    for (engine, mixed) in
        [Engine::Interpreter, Engine::Auto].into_iter().flat_map(|e| [(e, false), (e, true)])
    {
        let mut bench = Bench::new(engine, ROM, CALLER);
        bench.poke(called, &[0xf7ff, tail(0)]);
        for k in 0..40 {
            bench.poke(table + 4 * u32::from(k), &[0x2500 | k, 0x4770]);
        }
        for (n, v) in [(0, RAM + 0x40), (3, 0), (4, called | 1), (13, RAM + 0x800)] {
            bench.core.regs.set(n, v);
        }
        bench.run(1_000);
        if mixed {
            bench.poke(RAM + 0x1e00, &[7]);
        }
        for k in 1..40u8 {
            // The guest, a debugger and DMA in turn, with enough in between for it to be compiled.
            let low = tail(k) as u8;
            match k % 3 {
                0 => (bench.core.regs.set(0, RAM + 0x2000), bench.core.regs.set(3, low.into())).0,
                1 => bench.poke(RAM + 0x2000, &[tail(k)]),
                _ => assert!(bench.bus.fabric.mem.dma_write((RAM + 0x2000).into(), &[low])),
            }
            bench.run(80);
            assert_eq!(bench.core.regs.get(5), u32::from(k), "{engine:?}, mixed: {mixed}");
            bench.core.regs.set(0, RAM + 0x40);
            bench.run(700);
            assert_eq!(bench.core.regs.get(5), u32::from(k), "{engine:?}, mixed: {mixed}");
        }
    }
}

/// A breakpoint at the first instruction of a slice stops before it, unless that is what is gone on from; time and state are as
/// they were.
#[test]
fn mend_a_slice_stops_before_its_first_instruction() {
    let code = RAM + 0x1100;
    for engine in [Engine::Interpreter, Engine::Auto] {
        for warm in [0, 3, 3_000, 3_001, 3_005] {
            let mut bench = Bench::new(engine, code, LOOP);
            bench.core.regs.set(0, RAM + 0x2000);
            bench.core.regs.set(2, 20_000);
            bench.core.regs.set(13, code - 16);
            bench.run(warm);
            let (before, retired, pc) = (bench.state(), bench.core.retired, bench.core.pc());
            bench.bus.breakpoints = [u64::from(pc)].into();
            let slice = |bench: &mut Bench, resume| {
                let run = Run { cycle: bench.cycle, until: bench.cycle + 1_000, step: false, resume };
                let (cycle, exit) = bench.core.run(&mut bench.cache, &mut bench.bus, run);
                bench.cycle = cycle;
                exit
            };
            assert_eq!(slice(&mut bench, false), CpuExit::Break, "{engine:?} {warm}");
            assert!(bench.state() == before && bench.core.retired == retired, "{engine:?} {warm}");
            // Once around the loop.
            assert_eq!(slice(&mut bench, true), CpuExit::Break, "{engine:?} {warm}");
            assert_eq!((bench.core.retired, bench.core.pc()), (retired + 7, pc), "{engine:?} {warm}");
        }
    }
}
