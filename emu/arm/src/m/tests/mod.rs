//! The system half on a mock register file and memory: what the architecture manuals' pseudocode says, observed from
//! outside.

mod entry;
mod faults;
mod masks;
mod nesting;
mod registers;

use super::{
    config::MConfig,
    nvic::exc::*,
    scs::PpbAccess,
    state::{LR, PC, RegFile, SP},
    system::{MemPort, System},
};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
struct Regs {
    r: [u64; 48],
    flags: u32,
}

impl RegFile for Regs {
    fn get(&self, slot: usize) -> u64 {
        self.r[slot]
    }
    fn set(&mut self, slot: usize, v: u64) {
        self.r[slot] = v;
    }
    fn flags(&self) -> u32 {
        self.flags
    }
    fn set_flags(&mut self, v: u32) {
        self.flags = v;
    }
}

#[derive(Clone, Debug, Default)]
struct Mem {
    words: BTreeMap<u32, u32>,
    /// Bus errors from here (inclusive) to there (exclusive).
    dead: Vec<(u32, u32)>,
    writes: usize,
}

impl Mem {
    fn is_dead(&self, addr: u32) -> bool {
        assert_eq!(addr & 3, 0, "the core stacks words");
        self.dead.iter().any(|(a, b)| (*a..*b).contains(&addr))
    }
}

impl MemPort for Mem {
    fn read(&mut self, addr: u32) -> Option<u32> {
        (!self.is_dead(addr)).then(|| self.words.get(&addr).copied().unwrap_or(0))
    }
    fn write(&mut self, addr: u32, v: u32) -> bool {
        let ok = !self.is_dead(addr);
        if ok {
            self.words.insert(addr, v);
            self.writes += 1;
        }
        ok
    }
}

/// A core after reset, with every vector at `handler(n)`.
struct Bench {
    sys: System,
    regs: Regs,
    mem: Mem,
}

const TOP: u32 = 0x2000_8000;

fn handler(e: u16) -> u32 {
    0x1000 + 16 * u32::from(e)
}

impl Bench {
    fn new(name: &str) -> Bench {
        Bench::with(MConfig::named(name).unwrap())
    }

    fn with(cfg: MConfig) -> Bench {
        let mut mem = Mem::default();
        mem.words.insert(0, TOP);
        for e in 1..cfg.exceptions() {
            mem.words.insert(4 * u32::from(e), handler(e) | 1);
        }
        let mut b = Bench { sys: System::new(cfg), regs: Regs { r: [0; 48], flags: 0 }, mem };
        b.sys.reset(&mut b.regs, &mut b.mem);
        b
    }

    /// Register contents that can be told apart.
    fn fill(&mut self) {
        for n in 0..13 {
            self.regs.set_r(n, 0x100 + n as u32);
        }
        self.regs.set_r(LR, 0xa1);
        self.regs.set_r(PC, 0x200);
    }

    fn read(&mut self, addr: u32) -> u32 {
        self.access(addr, 4, true).unwrap()
    }
    fn access(&mut self, addr: u32, size: u8, privileged: bool) -> Option<u32> {
        let a = PpbAccess { cycle: 0, privileged, peek: false };
        self.sys.ppb_read(addr, size, a).ok().map(|r| r.0)
    }
    fn write(&mut self, addr: u32, v: u32) {
        assert!(self.put(addr, 4, v, true));
    }
    fn put(&mut self, addr: u32, size: u8, v: u32, privileged: bool) -> bool {
        let a = PpbAccess { cycle: 0, privileged, peek: false };
        self.sys.ppb_write(addr, size, v, a).is_ok()
    }

    /// Takes what is due; panics if nothing is.
    fn take(&mut self) {
        assert!(self.sys.can_take(), "nothing to take");
        self.sys.take_exception(&mut self.regs, &mut self.mem);
    }
    /// Pends an exception and takes what is due then.
    fn interrupt(&mut self, e: u16) {
        self.sys.nvic.enable(e, true);
        self.sys.pend(e);
        self.take();
    }
    fn ret(&mut self) {
        let lr = self.regs.r(LR);
        assert!(self.sys.is_exception_return(lr), "{lr:x}");
        self.sys.exception_return(&mut self.regs, &mut self.mem, lr);
    }
    fn pc(&self) -> u32 {
        self.regs.r(PC)
    }
    fn sp(&self) -> u32 {
        self.regs.r(SP)
    }
    /// The handler that runs, by IPSR, checked against the program counter if it has just been entered.
    fn running(&self) -> u16 {
        self.sys.st.ipsr
    }
    fn frame(&mut self, words: u32) -> Vec<u32> {
        let sp = self.sp();
        (0..words).map(|i| self.mem.read(sp + 4 * i).unwrap()).collect()
    }
}

const SHCSR: u32 = 0xe000_ed24;
const CFSR: u32 = 0xe000_ed28;
const HFSR: u32 = 0xe000_ed2c;
const CCR: u32 = 0xe000_ed14;
const ICSR: u32 = 0xe000_ed04;
/// UsageFault, BusFault and MemManage enabled.
const FAULTS_ON: u32 = 7 << 16;

#[test]
fn reset_starts_at_the_vectors() {
    let mut b = Bench::new("cortex-m4f");
    assert_eq!((b.sp(), b.pc(), b.regs.r(LR)), (TOP, handler(RESET), u32::MAX));
    assert!(b.sys.st.thumb && !b.sys.st.handler() && !b.sys.can_take());
    b.write(0xe000_e100, 0xff);
    b.write(0xe000_ed08, 0x2000_0000);
    b.sys.st.primask = true;
    b.sys.reset(&mut b.regs, &mut b.mem);
    assert_eq!((b.read(0xe000_e100), b.read(0xe000_ed08), b.sys.st.primask), (0, 0, false));
    b.mem.words.insert(4, handler(RESET));
    b.sys.reset(&mut b.regs, &mut b.mem);
    assert!(!b.sys.st.thumb, "an even reset vector is ARM state, which does not exist");
    b.mem.dead.push((0, 8));
    b.sys.reset(&mut b.regs, &mut b.mem);
    assert!(b.sys.st.lockup);
}

#[test]
fn saved_state_is_the_state() {
    let mut b = Bench::new("cortex-m7f");
    b.fill();
    b.write(SHCSR, FAULTS_ON);
    b.write(0xe000_e100, 0xf0);
    b.write(0xe000_e404, 0x1020_3040);
    b.interrupt(IRQ0 + 5);
    b.sys.pend(IRQ0 + 4);
    b.write(0xe000_ed9c, 0x2000_0013);
    // No state: there is none once the core has asked.
    assert_eq!(std::mem::take(&mut b.sys.spent), 12);
    let bytes = b.sys.save();
    let mut other = System::new(b.sys.cfg.clone());
    other.load(&bytes).unwrap();
    assert_eq!(other, b.sys);
    assert_eq!(other.save(), bytes);
    let mut small = System::new(MConfig { irqs: 8, ..b.sys.cfg.clone() });
    let before = small.clone();
    assert!(small.load(&bytes).is_err() && small.load(&bytes[1..]).is_err());
    assert_eq!(small, before);
}
