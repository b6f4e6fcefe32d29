//! Pages that the MPU splits: fast in the parts that may be accessed, exact in all of them, and under configurations that come
//! and go.

use emu_arm::m::{config::MConfig, core::Core, system::System};
use emu_core::{
    bus::Bus,
    cpu::{Engine, Run},
    memory::RegionKind,
};
use emu_engine::{cache::CodeCache, guest::Guest};

const RAM: u32 = 0x2000_0000;
const SIZE: usize = 0x4000;
const CODE: u32 = RAM + 0x1f00;

/// Loads and stores of all kinds at r0, and a stack, r4 times; then it stays where it is.
const SWEEP: &[u16] = &[
    0x6801, // ldr r1, [r0]
    0x3101, // adds r1, #1
    0x6001, // str r1, [r0]
    0xb40e, 0xbc0e, // push {r1, r2, r3}; pop {r1, r2, r3}
    0x78c2, // ldrb r2, [r0, #3]
    0x8042, // strh r2, [r0, #2]
    0xe890, 0x100c, // ldm r0, {r2, r3, r12}
    0xe880, 0x100c, // stm r0, {r2, r3, r12}
    0x3004, // adds r0, #4
    0x3c01, 0xd1f1, // subs r4, #1; bne
    0xe7fe,
];

struct Bench {
    core: Core,
    /// As it was made.
    fresh: System,
    bus: Bus,
    cache: CodeCache,
    cycle: u64,
}

impl Bench {
    fn new(engine: Engine) -> Bench {
        let mut bus = Bus::default();
        bus.fabric.mem.add_region("code", 0, 0x4000, RegionKind::Rom);
        bus.fabric.mem.add_region("ram", RAM.into(), SIZE as u64, RegionKind::Ram);
        let core = Core::new(MConfig::named("cortex-m3").expect("a core"), 0);
        let mut cache = CodeCache::default();
        cache.set_engine(engine);
        Bench { fresh: core.sys.clone(), core, bus, cache, cycle: 0 }
    }

    /// From the start, with these regions (RBAR's address, RASR) and registers, for some cycles.
    fn run(&mut self, regions: &[(u32, u32)], privileged: bool, regs: &[(u8, u32)], cycles: u64) {
        self.core.sys = self.fresh.clone();
        for (i, (base, attributes)) in regions.iter().enumerate() {
            self.core.sys.mpu.write(0x0c, base | 0x10 | i as u32);
            self.core.sys.mpu.write(0x10, *attributes);
        }
        self.core.sys.mpu.write(4, 5);
        self.core.sys.st.npriv = !privileged;
        self.core.forget_views();
        regs.iter().for_each(|(n, v)| self.core.regs.set(*n, *v));
        self.core.set_pc(CODE);
        self.core.set_it(0);
        let slice = Run { cycle: self.cycle, until: self.cycle + cycles, step: false, resume: false };
        self.core.run(&mut self.cache, &mut self.bus, slice);
        // Where it locked up the time does not matter.
        self.cycle = slice.until;
    }

    fn load(&mut self, at: u32, code: &[u16]) {
        let bytes: Vec<u8> = code.iter().flat_map(|h| h.to_le_bytes()).collect();
        self.bus.fabric.mem.poke(at.into(), &bytes);
    }

    fn state(&self) -> (Vec<u64>, u32, u32, u64, Vec<u8>) {
        let mut memory = vec![0; SIZE];
        self.bus.fabric.mem.peek(RAM.into(), &mut memory);
        let regs = (0..16).map(|n| self.core.regs.get64(n)).collect();
        let scb = &self.core.sys.scb;
        (regs, scb.cfsr, scb.mmfar, self.core.retired, memory)
    }
}

/// RASR.
fn rasr(ap: u32, log2: u32, srd: u32, xn: bool) -> u32 {
    u32::from(xn) << 28 | ap << 24 | srd << 8 | (log2 - 1) << 1 | 1
}

fn compiles() -> bool {
    emu_engine::jit::available().inspect_err(|why| println!("not tested: {why}")).is_ok()
}

/// Code, stack and data in pages with guards of 32 bytes that move, as at a change of threads: nearly all of it runs compiled.
#[test]
fn mend_split_pages_stay_compiled() {
    let mut bench = Bench::new(Engine::Auto);
    bench.load(CODE, SWEEP);
    for turn in 0..300 {
        let guard = RAM + 0x2400 + turn % 3 * 0x400;
        let regions = [
            (RAM, rasr(3, 14, 0, false)),
            (guard, rasr(0, 5, 0, true)),
            // The code's own page, too.
            (RAM + 0x1000, rasr(0, 5, 0, true)),
        ];
        let regs = [(0, guard + 0x100), (4, 30), (13, guard + 0x80)];
        bench.run(&regions, true, &regs, 1_200);
        assert_eq!((bench.core.regs.get(4), bench.core.sys.scb.cfsr), (0, 0), "turn {turn}");
    }
    let stats = bench.cache.stats();
    if compiles() {
        assert!(stats.compiled * 100 > bench.core.retired * 95, "{} {stats:?}", bench.core.retired);
        assert!(stats.slow_ops < 100, "{stats:?}");
    }
}

/// A critical section that calls into another page, with the MPU on: what is entered from elsewhere only is compiled, too, and a
/// mask that lets nothing in that was kept out does not end compiled code.
#[test]
fn mend_calls_between_pages_and_masks_stay_compiled() {
    let mut bench = Bench::new(Engine::Auto);
    let section = [
        0xf3ef, 0x8511, // mrs r5, basepri
        0xf383, 0x8812, // msr basepri_max, r3
        0xf3bf, 0x8f6f, // isb
        0x47b0, // blx r6
        0xf385, 0x8811, // msr basepri, r5
        0x3c01, 0xd1f4, // subs r4, #1; bne
        0xe7fe,
    ];
    bench.load(CODE, &section);
    let (callee, turns) = (RAM + 0x100, 2_000);
    bench.load(callee, &[0x3101, 0x4770]); // adds r1, #1; bx lr
    let regs = [(1, 0), (3, 32), (4, turns), (6, callee | 1)];
    bench.run(&[(RAM, rasr(3, 14, 0, false))], true, &regs, 60_000);
    assert_eq!((bench.core.regs.get(1), bench.core.regs.get(4)), (turns, 0));
    let stats = bench.cache.stats();
    if compiles() {
        assert!(stats.compiled * 100 > bench.core.retired * 95, "{} {stats:?}", bench.core.retired);
        assert!(stats.entries < u64::from(turns) / 4, "{stats:?}");
    }
}

/// Under random regions that come back, with and without privilege, both engines do the same to the byte.
#[test]
fn mend_split_pages_are_exact() {
    let mut seed = 1u32;
    let mut rnd = |n: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % n
    };
    let mut benches = [Engine::Interpreter, Engine::Auto].map(Bench::new);
    let configurations: Vec<Vec<(u32, u32)>> = (0..14)
        .map(|i| {
            let all = (RAM, rasr(3, 14, 0, false));
            let part = |rnd: &mut dyn FnMut(u32) -> u32| {
                let ap = [0, 1, 2, 3, 5, 6, 7][rnd(7) as usize];
                (RAM + 0x1000 + rnd(0x100) * 32, rasr(ap, 5 + rnd(7), rnd(256), rnd(4) == 0))
            };
            let some = (0..1 + i % 4).map(|_| part(&mut rnd)).collect::<Vec<_>>();
            [vec![all], some].concat()
        })
        .collect();
    let mut faults = 0;
    for round in 0..600 {
        let configuration = &configurations[rnd(configurations.len() as u32) as usize];
        let (privileged, from) = (rnd(3) != 0, RAM + 0x1000 + rnd(0x1c00 / 4) * 4);
        let regs = [(0, from), (4, 1 + rnd(60)), (13, RAM + 0x1040 + rnd(0x400) * 4)];
        // What ran over its own code is put right.
        for bench in &mut benches {
            bench.load(CODE, SWEEP);
            bench.run(configuration, privileged, &regs, 1_000);
        }
        let (want, got) = (benches[0].state(), benches[1].state());
        assert!(want == got, "round {round}: {regs:x?} {configuration:x?} {:x?} {:x?}", &want.0, &got.0);
        faults += u32::from(want.1 != 0);
    }
    let stats = benches[1].cache.stats();
    assert!(faults > 50 && faults < 550, "{faults} faults");
    assert!(!compiles() || stats.compiled * 2 > benches[1].core.retired, "{stats:?}");
}

/// What was cached while the MPU was off is not used when it is on again, nor the other way round, at the very next instruction.
#[test]
fn mend_the_mpu_counts_from_the_next_instruction_on() {
    // str r5, [r8] (MPU_CTRL); str r1, [r0]; str r6, [r8]; str r1, [r0]; b
    let code = [0xf8c8, 0x5000, 0x6001, 0xf8c8, 0x6000, 0x6001, 0xe7f6];
    for engine in [Engine::Interpreter, Engine::Auto] {
        let mut bench = Bench::new(engine);
        bench.load(CODE, &code);
        let regions = [(RAM, rasr(3, 14, 0, false)), (RAM + 0x3000, rasr(5, 5, 0, false))];
        let regs = [(0, RAM + 0x3010), (1, 7), (5, 0), (6, 5), (8, 0xe000_ed94), (13, RAM + 0x800)];
        for turn in 0..80 {
            // The store with the MPU off is fine, that with it on faults.
            let stats = bench.cache.stats().compiled;
            bench.run(&regions, true, &regs, 200);
            assert_eq!(bench.core.sys.scb.cfsr & 0xff, 0x82, "turn {turn}, {engine:?}");
            assert_eq!(bench.core.sys.scb.mmfar, RAM + 0x3010);
            assert!(bench.cache.stats().compiled >= stats);
        }
    }
}
