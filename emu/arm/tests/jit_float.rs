//! Floating point in compiled code against the exact code: same results, same FPSCR, whatever the operands are.

use emu_arm::m::{config::MConfig, core::Core};
use emu_core::{bus::Bus, cpu::Engine, cpu::Run, memory::RegionKind, rng::Rng};
use emu_engine::{
    cache::CodeCache,
    guest::Guest,
    ir::{FP, Regs},
    jit,
};

const CODE: u32 = 0x1000;

/// A machine that executes one instruction and a jump back, again and again.
struct Bench {
    core: Core,
    bus: Bus,
    cache: CodeCache,
    cycle: u64,
    /// Cycles of the instruction.
    cost: u8,
    name: String,
}

impl Bench {
    fn new(cpu: &str, engine: Engine, name: &str, insn: [u16; 2]) -> Bench {
        let mut bus = Bus::default();
        bus.fabric.mem.add_region("code", 0, 0x4000, RegionKind::Rom);
        let [a, b] = insn.map(u16::to_le_bytes);
        // `vmrs APSR_nzcv, fpscr`, then `b` to the start: four bytes, four bytes, and back by 12 from pc + 4.
        let code = [a, b, 0xeef1u16.to_le_bytes(), 0xfa10u16.to_le_bytes(), 0xe7fau16.to_le_bytes()].concat();
        bus.fabric.mem.poke(CODE.into(), &code);
        let mut core = Core::new(MConfig::named(cpu).expect("a core"), 0);
        (core.sys.st.cpacr, core.sys.st.fpca) = (0x00f0_0000, true);
        let mut cache = CodeCache::default();
        cache.set_engine(engine);
        let cost = core.sys.cfg.timing.cost(insn[0], insn[1]);
        Bench { core, bus, cache, cycle: 0, cost, name: name.into() }
    }

    /// What the registers, FPSCR and flags are after the three instructions.
    fn run(&mut self, d: &[u64; 16], fpscr: u32) -> ([u64; 16], u32, u32) {
        for (n, v) in d.iter().enumerate() {
            self.core.regs.set64(FP + n as u8, *v);
        }
        self.core.sys.st.fpscr = fpscr;
        self.core.set_pc(CODE);
        // VMRS takes one cycle, the branch two.
        let until = self.cycle + u64::from(self.cost) + 1 + 2;
        let slice = Run { cycle: self.cycle, until, step: false, resume: false };
        (self.cycle, _) = self.core.run(&mut self.cache, &mut self.bus, slice);
        assert_eq!((self.core.pc(), self.core.sys.scb.cfsr), (CODE, 0), "not executed: {}", self.name);
        let regs: &Regs = &self.core.regs;
        (std::array::from_fn(|n| regs.get64(FP + n as u8)), self.core.sys.st.fpscr, regs.nzcv())
    }
}

/// Instructions on registers 2, 4 and 6 (S or D), by the fields of DDI0403E A6.4 to A6.7: first halfword without its
/// registers, bits 7 and 6 of the second.
fn encodings(double: bool, v5: bool) -> Vec<(String, [u16; 2])> {
    let three = [
        ("vmla", 0xee00, 0),
        ("vmls", 0xee00, 1),
        ("vnmls", 0xee10, 0),
        ("vnmla", 0xee10, 1),
        ("vmul", 0xee20, 0),
        ("vnmul", 0xee20, 1),
        ("vadd", 0xee30, 0),
        ("vsub", 0xee30, 1),
        ("vdiv", 0xee80, 0),
        ("vfnms", 0xee90, 0),
        ("vfnma", 0xee90, 1),
        ("vfma", 0xeea0, 0),
        ("vfms", 0xeea0, 1),
    ];
    let two = [
        ("vsqrt", 0xeeb1, 1),
        ("vcmp", 0xeeb4, 0),
        ("vcmpe", 0xeeb4, 1),
        ("vcmp0", 0xeeb5, 0),
        ("vcvt.to.u32", 0xeebc, 1),
        ("vcvt.to.s32", 0xeebd, 1),
        ("vcvt.from.u32", 0xeeb8, 0),
        ("vcvt.from.s32", 0xeeb8, 1),
        ("vcvtr.u32", 0xeebc, 0),
        ("vcvtr.s32", 0xeebd, 0),
    ];
    let size = u16::from(double) << 8;
    // Register n of a kind: four bits in the field, one beside; D registers below 16 have none beside.
    let field = |n: u16, double: bool| if double { (n, 0) } else { (n >> 1, n & 1) };
    let mut all = vec![];
    for (name, first, sub) in three {
        let ((d, dx), (n, nx), (m, mx)) = (field(2, double), field(4, double), field(6, double));
        let second = d << 12 | 0x0a00 | size | nx << 7 | sub << 6 | mx << 5 | m;
        all.push((format!("{name} double {double}"), [first | dx << 6 | n, second]));
    }
    for (name, first, top) in two {
        let (to_int, from_int) = (first >= 0xeebc, first == 0xeeb8);
        let (d, dx) = field(2, double && !to_int);
        let (m, mx) = if name == "vcmp0" { (0, 0) } else { field(6, double && !from_int) };
        let second = d << 12 | 0x0a40 | size | top << 7 | mx << 5 | m;
        all.push((format!("{name} double {double}"), [first | dx << 6, second]));
    }
    // In place, with 8 fraction bits, then with 31.
    for (name, first, to_fixed) in
        [("s32 to", 0xeeba, 0), ("u32 to", 0xeebb, 0), ("to s32", 0xeebe, 1), ("to u32", 0xeebf, 1)]
    {
        let (d, dx) = field(2, double);
        for imm in [0x000c, 0x0020] {
            let second = d << 12 | 0x0ac0 | size | imm;
            all.push((
                format!("vcvt fixed {name} {to_fixed} {imm:x} double {double}"),
                [first | dx << 6, second],
            ));
        }
    }
    if v5 {
        let ((d, dx), (n, nx), (m, mx)) = (field(2, double), field(4, double), field(6, double));
        for (name, sub) in [("vmaxnm", 0), ("vminnm", 1)] {
            let second = d << 12 | 0x0a00 | size | nx << 7 | sub << 6 | mx << 5 | m;
            all.push((format!("{name} double {double}"), [0xfe80 | dx << 6 | n, second]));
        }
        for (name, first, top) in [
            ("vrintz", 0xeeb6, 1),
            ("vrintr", 0xeeb6, 0),
            ("vrintx", 0xeeb7, 0),
            ("vrinta", 0xfeb8, 0),
            ("vrintn", 0xfeb9, 0),
            ("vrintp", 0xfeba, 0),
            ("vrintm", 0xfebb, 0),
        ] {
            let second = d << 12 | 0x0a40 | size | top << 7 | mx << 5 | m;
            all.push((format!("{name} double {double}"), [first | dx << 6, second]));
        }
    }
    if double {
        all.push(("vcvt.f32.f64".into(), [0xeeb7, 1 << 12 | 0x0bc0 | 6]));
        all.push(("vcvt.f64.f32".into(), [0xeeb7, 2 << 12 | 0x0ac0 | 3]));
    }
    all
}

fn below(rng: &mut Rng, limit: u64) -> u64 {
    rng.next_u64() % limit
}

/// A number: often one at an edge, or near one that others have.
fn number(rng: &mut Rng, double: bool) -> u64 {
    let (exp_bits, frac_bits) = if double { (11, 52) } else { (8, 23) };
    let bias = (1u64 << (exp_bits - 1)) - 1;
    let sign = below(rng, 2) << (exp_bits + frac_bits);
    let exp = match below(rng, 10) {
        0 => 0,
        1 => 1,
        2 => (1 << exp_bits) - 1,
        3 => (1 << exp_bits) - 2,
        4 => below(rng, 1 << exp_bits),
        5 => bias / 2 + below(rng, 4),
        6 => bias + bias / 2 + below(rng, 4),
        _ => bias + below(rng, 40) - 8,
    };
    let frac = match below(rng, 6) {
        0 => 0,
        1 => 1,
        2 => (1 << frac_bits) - 1,
        3 => 1 << (frac_bits - 1),
        _ => below(rng, 1 << frac_bits),
    };
    sign | exp << frac_bits | frac
}

fn compare(cpu: &str, double: bool) {
    let mut rng = Rng::new(7 + u64::from(double));
    for (name, insn) in encodings(double, cpu == "cortex-m7f") {
        let mut exact = Bench::new(cpu, Engine::Interpreter, &name, insn);
        let mut compiled = Bench::new(cpu, Engine::Auto, &name, insn);
        for round in 0..4000 {
            let mut d: [u64; 16] = std::array::from_fn(|_| {
                if double {
                    number(&mut rng, true)
                } else {
                    number(&mut rng, false) | number(&mut rng, false) << 32
                }
            });
            if below(&mut rng, 8) == 0 {
                (d[3], d[6]) = (d[1], d[2]); // equal operands
            }
            // Mostly "inexact" is flagged already; sometimes other rounding, flushing, default NaNs.
            let fpscr = match below(&mut rng, 8) {
                0 => 0,
                1 => (below(&mut rng, 8) as u32) << 22 | 0x10,
                2 => 0x0200_0010,
                _ => 0x10,
            };
            let (want, got) = (exact.run(&d, fpscr), compiled.run(&d, fpscr));
            assert_eq!(got, want, "{name}, round {round}, d {d:x?}, fpscr {fpscr:x}");
        }
        if compiled.cache.stats().compiled == 0 {
            assert!(emu_engine::jit::available().is_err(), "{name} was never compiled");
        }
    }
}

/// Ordinary numbers, with "inexact" flagged already: nothing is left to the interpreter but VRINTA and the VMRS behind each.
fn left(cpu: &str, double: bool) {
    for (name, insn) in encodings(double, cpu == "cortex-m7f") {
        // The numbers are too large for 31 fraction bits and a sign.
        let saturates = name.contains("to s32 1 20");
        if jit::available().is_err() || name.contains("vrinta") || saturates {
            continue;
        }
        let mut bench = Bench::new(cpu, Engine::Auto, &name, insn);
        bench.cache.count_ops();
        for round in 0..500u64 {
            // 1.5 to 1.75 in both precisions, all different; as integers they are positive.
            let d =
                std::array::from_fn(|n| 0x3ff8_0000_3fc0_0000 + (n as u64 * 500 + round) * 0x100_0000_0100);
            bench.run(&d, 0x10);
        }
        let left = bench.cache.left_ops::<Core>();
        let many: Vec<_> =
            left.iter().filter(|(what, n)| what.starts_with('V') && *what != "VMRS" && *n > 40).collect();
        assert!(many.is_empty(), "{name} double {double} on {cpu}: {many:?}");
    }
}

#[test]
fn mend_conversions_and_roundings_are_compiled() {
    left("cortex-m4f", false);
    left("cortex-m7f", false);
    left("cortex-m7f", true);
}

#[test]
fn jit_single_precision_is_the_exact_codes() {
    compare("cortex-m4f", false);
}

#[test]
fn jit_both_precisions_are_the_exact_codes() {
    compare("cortex-m7f", false);
    compare("cortex-m7f", true);
}
