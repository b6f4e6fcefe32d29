//! The interpreter and the compiler side by side on random programs: after every slice all that software could see is the
//! same. The programs are random operations in random blocks ([`program`]) on a guest with devices, interrupts, faults,
//! rights that change, code in ROM and in RAM that it overwrites ([`guest`]).
//!
//! A failure names its seed: put it into [`ONLY`] to see that program alone.

mod guest;
mod program;

use emu_core::{
    bus::Bus,
    cpu::{CpuExit, Engine, EngineStats, Run},
    memory::{PAGE, RegionKind, Watch},
};
use emu_engine::{cache::CodeCache, guest::Guest, jit, run::run};
use guest::{EVEN, RAM, RAM_SIZE, ROM, ROM_PAGES, THUMB, Toy, mix, place};

/// A seed to look at.
const ONLY: Option<u64> = None;

/// A machine, and what executes it.
struct Rig<const KIND: usize> {
    toy: Toy<KIND>,
    cache: CodeCache,
    bus: Bus,
    cycle: u64,
    resume: bool,
}

/// How a slice ended.
#[derive(Debug, PartialEq)]
struct Stop {
    exit: CpuExit,
    cycle: u64,
    watch: Option<(u64, bool)>,
}

impl<const KIND: usize> Rig<KIND> {
    fn new(seed: u64, state: u64, engine: Engine) -> Self {
        let mut bus = Bus::default();
        let mem = &mut bus.fabric.mem;
        mem.add_region("flash", 0, u64::from(ROM + ROM_PAGES * PAGE as u32), RegionKind::Rom);
        mem.add_region("ram", u64::from(RAM), u64::from(RAM_SIZE), RegionKind::Ram);
        let ends = [4, 8, 24][mix(seed) as usize % 3];
        let mut page = [0; PAGE];
        for i in 0..ROM_PAGES {
            program::fill(mix(seed ^ u64::from(i)), &mut page, ends);
            mem.poke(u64::from(ROM + i * PAGE as u32), &page);
        }
        program::fill(mix(seed ^ 7), &mut page, ends);
        mem.poke(u64::from(RAM), &page);
        for i in 0..64 {
            let at = u64::from(RAM) + mix(seed ^ i << 32) % u64::from(RAM_SIZE - 4);
            mem.poke(at, &program::number(mix(seed ^ i << 40)).to_le_bytes());
        }
        let mut cache = CodeCache::default();
        cache.set_engine(engine);
        Rig { toy: Toy::new(mix(seed) >> 16, mix(seed ^ state << 8)), cache, bus, cycle: 0, resume: false }
    }

    /// Runs to `until`, in several slices.
    fn advance(&mut self, cuts: &[u64], until: u64) -> Stop {
        let mut stop = Stop { exit: CpuExit::Ran, cycle: self.cycle, watch: None };
        for to in cuts.iter().copied().chain([until]) {
            if to <= self.cycle {
                continue;
            }
            let slice = Run { cycle: self.cycle, until: to, step: false, resume: self.resume };
            (self.cycle, stop.exit) = run(&mut self.toy, &mut self.cache, &mut self.bus, slice);
            self.resume = false;
            stop.cycle = self.cycle;
            stop.watch = self.bus.fabric.mem.watch_hit.take();
            match stop.exit {
                CpuExit::Ran if stop.watch.is_some() => break,
                CpuExit::Ran => assert!(self.cycle >= to, "it stopped for no reason"),
                CpuExit::Break => {
                    self.resume = true;
                    break;
                }
                _ => {
                    let pc = self.toy.pc().wrapping_add(2);
                    self.toy.set_pc(pc);
                    self.toy.set_it(0);
                    break;
                }
            }
        }
        stop
    }

    /// What a fleet or a debugger does between slices.
    fn disturb(&mut self, v: u64) {
        let mem = &mut self.bus.fabric.mem;
        let at = u64::from(place((v >> 8) as u32)) + (v >> 16) % 16 * 2;
        match v % 16 {
            0..4 => self.bus.breakpoints = [at, at + 2, at + 64].into(),
            4..8 => self.bus.breakpoints.clear(),
            8 | 9 => {
                let addr = [at, u64::from(RAM) + [0x1000, 0x1040, 0x1fe0][(v >> 20) as usize % 3]]
                    [(v >> 5 & 1) as usize];
                mem.set_watches(vec![Watch { addr, len: 4, read: v & 0x40 != 0, write: v & 0x80 != 0 }]);
            }
            10 | 11 => mem.set_watches(vec![]),
            12 | 13 => drop(mem.poke(at, &(v >> 40).to_le_bytes()[..2])),
            14 => mem.flush(),
            _ => {
                *mem = mem.fork();
                self.cache = self.cache.fork();
            }
        }
    }

    fn describe(&self) -> String {
        let (regs, nzcv) = self.toy.visible();
        let regs: Vec<_> =
            regs.iter().enumerate().filter(|r| *r.1 != 0).map(|r| format!("{}={:x}", r.0, r.1)).collect();
        let (pc, it) = (self.toy.pc(), self.toy.it());
        format!(
            "pc {pc:#x} it {it:#x} nzcv {nzcv:#x} retired {} log {:x} seen {:?} mistakes {}\n{}",
            self.toy.retired,
            self.toy.log,
            self.toy.seen,
            self.bus.fabric.errors.total,
            regs.join(" ")
        )
    }
}

/// The first of the states in which both differ, if any.
fn differ<const KIND: usize>(a: &mut Rig<KIND>, b: &mut Rig<KIND>, memory: bool) -> Option<&'static str> {
    let (x, y) = (&a.toy, &b.toy);
    let same = [
        ("registers", x.visible() == y.visible()),
        ("program counter", (x.pc(), x.it()) == (y.pc(), y.it())),
        ("retired", x.retired == y.retired),
        ("what was seen", (x.log, x.seen) == (y.log, y.seen)),
        ("mistakes", a.bus.fabric.errors == b.bus.fabric.errors),
        ("memory", !memory || a.bus.fabric.mem.digest() == b.bus.fabric.mem.digest()),
    ];
    same.into_iter().find(|s| !s.1).map(|s| s.0)
}

/// What a test came to.
#[derive(Default)]
struct Sum {
    retired: u64,
    stats: EngineStats,
    seen: [u64; 6],
    stops: [u64; 3],
}

/// One program, from several states on, of which the first ones warm the code up that all share.
fn check<const KIND: usize>(seed: u64, sum: &mut Sum) {
    for state in 0..4 {
        let mut a = Rig::<KIND>::new(seed, state, Engine::Interpreter);
        let mut b = Rig::<KIND>::new(seed, state, Engine::Jit);
        let mut v = mix(seed ^ state << 32);
        let mut next = || {
            v = mix(v);
            v >> 8
        };
        (a.toy.diary, b.toy.diary) = (ONLY.map(|_| vec![]), ONLY.map(|_| vec![]));
        let end = if state == 0 { 10_000 } else { 5_000 };
        let calm = next() % 3 == 0;
        while a.cycle < end {
            let length = match next() % 10 {
                0..4 => 1 + next() % 12,
                4..7 => 1 + next() % 200,
                _ => 1 + next() % 2_000,
            };
            let (from, pc) = (a.cycle, a.toy.pc());
            let until = from + length;
            let cuts = [from + next() % length, from + length * 3 / 4];
            let stops = (a.advance(&[], until), b.advance(if next() % 2 == 0 { &cuts } else { &[] }, until));
            let memory = next() % 16 == 0 || a.cycle >= end;
            let diaries = (a.toy.diary.take().unwrap_or_default(), b.toy.diary.take().unwrap_or_default());
            (a.toy.diary, b.toy.diary) = (ONLY.map(|_| vec![]), ONLY.map(|_| vec![]));
            let what = if stops.0 == stops.1 { differ(&mut a, &mut b, memory) } else { Some("the stop") };
            if let Some(what) = what {
                let both = diaries.0.iter().zip(&diaries.1);
                if let Some((i, (x, y))) = both.enumerate().find(|(_, (x, y))| x != y) {
                    println!("event {i}:\ninterpreter {x}\ncompiler    {y}");
                    println!("before it {}", diaries.0.get(i.wrapping_sub(1)).map_or("nothing", |e| e));
                }
                panic!(
                    "seed {seed:#x}, kind {KIND}, state {state}: {what} differs in cycles {from} to {until} from {pc:#x} on\n\
                     interpreter {:?} {}\ncompiler {:?} {}",
                    stops.0,
                    a.describe(),
                    stops.1,
                    b.describe()
                );
            }
            sum.stops[0] += u64::from(stops.0.exit == CpuExit::Break);
            sum.stops[1] += u64::from(stops.0.exit == CpuExit::Semihost);
            sum.stops[2] += u64::from(stops.0.watch.is_some());
            if !calm && next() % 12 == 0 {
                let v = next();
                a.disturb(v);
                b.disturb(v);
            }
        }
        let s = b.cache.stats();
        sum.retired += b.toy.retired;
        sum.stats.compiled += s.compiled;
        sum.stats.left_budget += s.left_budget;
        sum.stats.left_target += s.left_target;
        sum.stats.left_attention += s.left_attention;
        sum.stats.left_fault += s.left_fault;
        sum.stats.slow_ops += s.slow_ops;
        b.toy.seen.iter().zip(&mut sum.seen).for_each(|(n, sum)| *sum += n);
    }
}

fn random<const KIND: usize>(programs: u64) {
    let mut sum = Sum::default();
    let seeds = ONLY.map_or(0..programs, |seed| seed..seed + 1);
    let alone = seeds.end - seeds.start == 1;
    seeds.for_each(|seed| check::<KIND>(seed, &mut sum));
    println!("{} instructions, {:?}, seen {:?}, stops {:?}", sum.retired, sum.stats, sum.seen, sum.stops);
    // What never happens is not tested.
    let s = sum.stats;
    let ways = [s.left_budget, s.left_target, s.left_attention, s.left_fault, s.slow_ops];
    // A guest like RISC-V has no special jumps.
    let seen = sum.seen.into_iter().enumerate().filter(|(i, _)| KIND == THUMB || *i != guest::JUMP);
    let rare = ways.into_iter().chain(seen.map(|s| s.1)).chain(sum.stops).all(|n| n > 20);
    assert!(alone || s.compiled > sum.retired / 3 && rare, "this tests less than it should");
}

fn compiler() -> bool {
    jit::available().inspect_err(|why| println!("not tested: {why}")).is_ok()
}

/// Costs other than a cycle an instruction are no reason to interpret, and a run that stops before every cycle takes as long,
/// and does the same, as one that never stops.
#[test]
fn mend_timing_blocks_of_any_cost_are_compiled_and_stop_at_every_cycle() {
    if !compiler() {
        return;
    }
    let (mut compiled, mut retired) = (0, 0);
    for seed in 0..20 {
        let mut once = Rig::<EVEN>::new(seed, 0, Engine::Interpreter);
        let mut fast = Rig::<EVEN>::new(seed, 0, Engine::Jit);
        let mut often = Rig::<EVEN>::new(seed, 0, Engine::Jit);
        while once.cycle < 20_000 {
            let (from, until) = (once.cycle, once.cycle + 4_000);
            let cuts: Vec<_> = (from + 1..until).collect();
            let stop = once.advance(&[], until);
            assert_eq!(stop, fast.advance(&[], until), "seed {seed}");
            assert_eq!(stop, often.advance(&cuts, until), "seed {seed}");
            assert_eq!(
                (differ(&mut once, &mut fast, true), differ(&mut once, &mut often, true)),
                (None, None)
            );
        }
        compiled += fast.cache.stats().compiled;
        retired += fast.toy.retired;
    }
    assert!(compiled > retired / 2, "{compiled} of {retired}");
}

#[test]
fn jit_random_blocks_of_a_guest_like_thumb() {
    if compiler() {
        random::<THUMB>(400);
    }
}

#[test]
fn jit_random_blocks_of_a_guest_like_risc_v() {
    if compiler() {
        random::<EVEN>(400);
    }
}
