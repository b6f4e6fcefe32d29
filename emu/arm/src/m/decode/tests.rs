//! One-line vectors `halfwords | text | before => after`, run by the interpreter, and properties of every block.
//!
//! Before: `r0=..`, `f=` NZCV, `q=`, `ge=`, `s1=`, `d1=`, `fpscr=`, `m20000000=` (a word of memory). After: the same,
//! plus `pc=` and `fault=`; whatever is not named must not change. Numbers are hexadecimal. The code stands at 1000,
//! the SP at 20000800.

use super::super::{config::MConfig, core::Core, system::scb};
use super::*;
use emu_core::bus::Bus;
use emu_core::memory::RegionKind;
use emu_engine::cache::CodeCache;
use emu_engine::guest::Guest;
use emu_engine::ir::{FP, SLOTS};

mod dsp;
mod integer;
mod memory;
mod vfp;

const CODE: u32 = 0x1000;
const DATA: u32 = 0x2000_0000;

/// What vectors look at.
#[derive(Clone, PartialEq, Debug)]
struct Seen {
    r: [u32; 15],
    pc: u32,
    flags: u32,
    q: bool,
    ge: u8,
    fpscr: u32,
    d: [u64; 16],
    memory: Vec<u8>,
    fault: &'static str,
}

struct Bench {
    core: Core,
    bus: Bus,
}

impl Bench {
    fn new(cpu: &str) -> Bench {
        let mut bus = Bus::default();
        bus.fabric.mem.add_region("code", 0, 0x10000, RegionKind::Ram);
        bus.fabric.mem.add_region("data", DATA.into(), 0x1000, RegionKind::Ram);
        let mut core = Core::new(MConfig::named(cpu).unwrap(), 0);
        core.sys.st.cpacr = 0x00f0_0000;
        core.regs.set(13, 0x2000_0800);
        core.set_pc(CODE);
        Bench { core, bus }
    }

    fn seen(&mut self) -> Seen {
        let mut memory = vec![0; 0x1000];
        self.bus.fabric.mem.peek(DATA.into(), &mut memory);
        let sys = &self.core.sys;
        let fault = match sys.scb.cfsr {
            0 if sys.can_take() => "hard",
            0 => "",
            scb::UNDEFINSTR => "undefined",
            scb::NOCP => "nocp",
            scb::UNALIGNED => "unaligned",
            scb::DIVBYZERO => "divide",
            scb::INVSTATE => "state",
            _ => "bus",
        };
        Seen {
            r: std::array::from_fn(|n| self.core.regs.get(n as u8)),
            pc: self.core.regs.get(15),
            flags: self.core.regs.nzcv() >> 28,
            q: sys.st.q,
            ge: sys.st.ge,
            fpscr: sys.st.fpscr,
            d: std::array::from_fn(|n| self.core.regs.get64(FP + n as u8)),
            memory,
            fault,
        }
    }

    fn run(&mut self, insns: u64) {
        let (mut cache, mut cycle) = (CodeCache::default(), 0);
        for _ in 0..insns {
            let slice = emu_core::cpu::Run { cycle, until: cycle + 1, step: true, resume: false };
            (cycle, _) = self.core.run(&mut cache, &mut self.bus, slice);
        }
    }
}

fn apply(seen: &mut Seen, tokens: &str) {
    for token in tokens.split_whitespace() {
        let (name, value) = token.split_once('=').unwrap_or_else(|| panic!("{token}"));
        if name == "fault" {
            seen.fault = ["undefined", "nocp", "unaligned", "divide", "bus", "hard"]
                .into_iter()
                .find(|f| *f == value)
                .unwrap();
            continue;
        }
        let v = u64::from_str_radix(value, 16).unwrap_or_else(|_| panic!("{token}"));
        let number = |at: usize| name[at..].parse::<usize>().unwrap_or_else(|_| panic!("{token}"));
        match name {
            "pc" => seen.pc = v as u32,
            "sp" => seen.r[13] = v as u32,
            "lr" => seen.r[14] = v as u32,
            "f" => seen.flags = v as u32,
            "q" => seen.q = v != 0,
            "ge" => seen.ge = v as u8,
            "fpscr" => seen.fpscr = v as u32,
            _ if name.starts_with('r') => seen.r[number(1)] = v as u32,
            _ if name.starts_with('d') => seen.d[number(1)] = v,
            _ if name.starts_with('s') => {
                let (d, shift) = (&mut seen.d[number(1) / 2], 32 * (number(1) % 2));
                *d = *d & !(0xffff_ffff << shift) | v << shift;
            }
            _ => {
                let at = (u32::from_str_radix(&name[1..], 16).unwrap() - DATA) as usize;
                seen.memory[at..at + 4].copy_from_slice(&(v as u32).to_le_bytes());
            }
        }
    }
}

fn set(bench: &mut Bench, s: &Seen) {
    s.r.iter().enumerate().for_each(|(n, v)| bench.core.regs.set(n as u8, *v));
    s.d.iter().enumerate().for_each(|(n, v)| bench.core.regs.set64(FP + n as u8, *v));
    bench.core.regs.set_nzcv(s.flags << 28);
    let st = &mut bench.core.sys.st;
    (st.q, st.ge, st.fpscr, st.fpca) = (s.q, s.ge, s.fpscr, st.cpacr != 0);
    bench.bus.fabric.mem.poke(DATA.into(), &s.memory);
}

/// Runs vectors on a core; each is a sequence that runs to its end or to where it branches.
pub(super) fn check(cpu: &str, vectors: &str) {
    for line in vectors.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let parts: Vec<_> = line.split('|').collect();
        let [code, text, effect] = parts[..] else { panic!("{line}") };
        let (before, after) = effect.split_once("=>").unwrap_or_else(|| panic!("{line}"));
        let halves: Vec<u16> = code
            .split_whitespace()
            .map(|h| u16::from_str_radix(h, 16).unwrap_or_else(|_| panic!("{line}")))
            .collect();
        let bytes: Vec<u8> = halves.iter().flat_map(|h| h.to_le_bytes()).collect();
        let mut bench = Bench::new(cpu);
        bench.bus.fabric.mem.poke(CODE.into(), &bytes);
        let mut want = bench.seen();
        apply(&mut want, before);
        set(&mut bench, &want);
        want.pc = CODE + bytes.len() as u32;
        apply(&mut want, after);
        if !want.fault.is_empty() && !after.contains("pc=") {
            want.pc = CODE;
        }
        bench.run(text.split(';').count() as u64);
        let got = bench.seen();
        assert!(got == want, "{cpu}: {line}\n{}", difference(&want, &got));
    }
}

fn difference(want: &Seen, got: &Seen) -> String {
    let show = |s: &Seen| {
        let mut lines: Vec<String> = s.r.iter().enumerate().map(|(n, v)| format!("r{n}={v:x}")).collect();
        lines.push(format!("pc={:x} f={:x} q={} ge={:x}", s.pc, s.flags, s.q, s.ge));
        lines.push(format!("fpscr={:x} fault={:?}", s.fpscr, s.fault));
        lines.extend(s.d.iter().enumerate().map(|(n, v)| format!("d{n}={v:x}")));
        let words = s.memory.chunks(4).enumerate();
        lines.extend(words.map(|(n, w)| format!("m{:x}={w:02x?}", DATA as usize + 4 * n)));
        lines
    };
    let pairs = show(want).into_iter().zip(show(got)).filter(|(w, g)| w != g);
    pairs.map(|(w, g)| format!("  want {w}\n  got  {g}\n")).collect()
}

fn configs() -> [DecodeConfig; 5] {
    ["cortex-m0", "cortex-m3", "cortex-m4", "cortex-m4f", "cortex-m7f"]
        .map(|n| DecodeConfig::new(&MConfig::named(n).unwrap()))
}

/// What every block must satisfy.
fn check_block(block: &Block, context: &dyn Fn() -> String) {
    let costs: Vec<_> = block.insns.windows(2).map(|two| two[1].cycles - two[0].cycles).collect();
    assert!(!block.is_empty() && costs.iter().all(|c| *c > 0), "{}", context());
    assert_eq!(block.cycles(), costs.iter().map(|c| u64::from(*c)).sum(), "{}", context());
    assert!(block.ops.last().unwrap().full.ends_block(), "{}", context());
    assert_eq!(usize::from(block.insns.last().unwrap().first_op), block.ops.len());
    for (at, op) in block.ops.iter().enumerate() {
        assert!([op.d, op.a, op.b, op.c].iter().all(|s| usize::from(*s) < SLOTS), "{}", context());
        let back = match op.full {
            Code::Skip => op.imm2,
            Code::Branch | Code::BranchZ | Code::BranchNz => op.c.into(),
            _ => 0,
        };
        assert!(back < costs[usize::from(op.insn)].into(), "{}: an instruction for nothing", context());
        if op.full == Code::Skip {
            assert!(at + (op.imm as usize) < block.ops.len(), "{}: skips out of the block", context());
        }
        let writes = !matches!(
            op.full,
            Code::St8 | Code::St16 | Code::St32 | Code::StX8 | Code::StX16 | Code::StX32 | Code::St64
        );
        let calls = matches!(op.full, Code::Call | Code::CallIfZero | Code::Float | Code::FlagsOfStatus);
        let plain = !calls && !op.full.ends_block() && op.full != Code::Skip;
        assert!(!plain || !writes || op.d != PC, "{}: {op:?} writes the PC's slot", context());
        assert!(!plain || op.d != super::super::slots::ZERO, "{}: {op:?} writes zero's slot", context());
    }
}

/// Every first halfword, with some second ones, on every core, inside and outside IT blocks: no panic, sound blocks.
#[test]
fn every_halfword_decodes() {
    let mut seed = 1u32;
    for cfg in configs() {
        for hw1 in 0..=u16::MAX {
            let wide = hw1 >> 11 > 0b11100;
            for it in [0, 0x04, 0xe8, 0xfc] {
                for _ in 0..if wide { 12 } else { 1 } {
                    seed = seed.wrapping_mul(0x9e37_79b1).wrapping_add(0x7f4a_7c15);
                    let hw2 = (seed >> 16) as u16;
                    let code = [hw1.to_le_bytes(), hw2.to_le_bytes()].concat();
                    let block = translate(&cfg, &code, 0, 4, CODE, it, 1);
                    check_block(&block, &|| format!("{hw1:04x} {hw2:04x} {cfg:?} it {it:x}"));
                    let len = block.insns[1].pc - CODE;
                    assert_eq!(len, if wide { 4 } else { 2 });
                }
            }
        }
    }
}

/// Random code in longer blocks, ragged ends included.
#[test]
fn random_blocks_are_sound() {
    let mut seed = 7u64;
    for n in 0..20_000usize {
        let code: Vec<u8> = (0..64)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) as u8
            })
            .take(4 + n % 60)
            .collect();
        let cfg = configs()[n % 5];
        let block = translate(&cfg, &code, 2 * (n % 3), code.len() & !1, CODE, 0, 1 + n % 48);
        check_block(&block, &|| format!("{code:02x?} {cfg:?}"));
        assert!(block.len() <= 1 + n % 48);
    }
}

#[test]
fn blocks_end_where_they_must() {
    let cfg = configs()[1];
    let insns = |halves: &[u16], max| {
        let code: Vec<u8> = halves.iter().flat_map(|h| h.to_le_bytes()).collect();
        let block = translate(&cfg, &code, 0, code.len(), CODE, 0, max);
        (block.len(), block.insns[block.len()].pc - CODE)
    };
    assert_eq!(insns(&[0xbf00; 8], 48), (8, 16), "at the end of the page");
    assert_eq!(insns(&[0xbf00; 8], 3), (3, 6), "after max instructions");
    assert_eq!(insns(&[0xbf00, 0xe7fd, 0xbf00], 48), (2, 4), "at a branch");
    assert_eq!(insns(&[0xd0fe, 0xbf00], 48), (1, 2), "at a conditional branch");
    assert_eq!(insns(&[0xb672, 0xbf00], 48), (1, 2), "at CPSID");
    assert_eq!(insns(&[0xf3bf, 0x8f6f, 0xbf00], 48), (1, 4), "at ISB");
    assert_eq!(insns(&[0xbf08, 0x4770, 0xbf00], 48), (3, 6), "not at a conditional return");
    assert_eq!(insns(&[0xbf00, 0xf000], 48), (2, 4), "at half an instruction without memory behind it");
}

#[test]
fn a_conditional_return_at_the_end_falls_through() {
    let cfg = configs()[1];
    let code: Vec<u8> = [0xbf08u16, 0x4770, 0xbf00].iter().flat_map(|h| h.to_le_bytes()).collect();
    for end in [4, 6] {
        let block = translate(&cfg, &code, 0, end, CODE, 0, 48);
        let last = block.ops.last().unwrap();
        assert_eq!((last.full, last.imm), (Code::Jump, CODE + end as u32));
    }
}

#[test]
fn itstate_is_recorded_at_each_instruction() {
    let cfg = configs()[1];
    // itet eq; moveq; movne; moveq; nop
    let code: Vec<u8> =
        [0xbf0au16, 0x2001, 0x2002, 0x2003, 0xbf00].iter().flat_map(|h| h.to_le_bytes()).collect();
    let block = translate(&cfg, &code, 0, 10, CODE, 0, 48);
    let it: Vec<u8> = block.insns.iter().map(|i| i.it).collect();
    assert_eq!(it, [0, 0x0a, 0x14, 0x08, 0, 0]);
    let rest = translate(&cfg, &code, 4, 10, CODE + 4, 0x14, 48);
    assert_eq!(rest.insns.iter().map(|i| i.it).collect::<Vec<_>>(), [0x14, 0x08, 0, 0]);
    assert_eq!((rest.ops[0].full, rest.ops[0].x), (Code::Skip, 1));
}

#[test]
fn the_fpu_is_checked_once_in_a_block() {
    let cfg = configs()[3];
    let checks = |halves: &[u16]| {
        let code: Vec<u8> = halves.iter().flat_map(|h| h.to_le_bytes()).collect();
        let block = translate(&cfg, &code, 0, code.len(), CODE, 0, 48);
        block.ops.iter().filter(|op| op.full == Code::CallIfZero && op.imm == call::FP_CHECK).count()
    };
    let vadd = [0xee30u16, 0x0a20];
    assert_eq!(checks(&[vadd, vadd, vadd].concat()), 1);
    // A check that may be skipped is none.
    assert_eq!(checks(&[&[0xbf08], &vadd[..], &vadd[..], &vadd[..]].concat()), 2);
}
