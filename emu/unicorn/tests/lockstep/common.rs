//! Small machines with hand-assembled code, and a subject that can be made to err.

use emu_arm::m::{config::MConfig, cpu::CortexM};
use emu_core::{
    bus::Bus,
    machine::{Exit, Machine},
    memory::RegionKind,
    time::{Clock, Time},
};
use emu_unicorn::lockstep::{Difference, Lockstep, Outcome, Step, Subject, Tally};

pub const CODE: u32 = 0x400;
pub const HANDLER: u32 = 0x800;
pub const RAM: u64 = 0x2000_0000;
/// The same RAM once more.
pub const ALIAS: u64 = 0x3000_0000;
pub const TOP: u64 = RAM + 0x8000;
pub const BX_LR: u16 = 0x4770;
/// Memory of the RISC-V machine.
pub const HIGH: u64 = 0x8000_0000;
/// A cycle in nanoseconds.
const CYCLE: u64 = 100;

/// 64 KiB of flash with `code` at 0x400 and `handler` for every exception, 64 KiB of RAM, 10 MHz.
pub fn board(core: &str, code: &[u16], handler: &[u16]) -> Machine {
    let mut bus = Bus::default();
    bus.fabric.mem.add_region("flash", 0, 0x1_0000, RegionKind::Rom);
    bus.fabric.mem.add_region("ram", RAM, 0x1_0000, RegionKind::Ram);
    bus.fabric.mem.add_alias(ALIAS, 0x1_0000, RAM);
    let mut m = Machine::new("board", bus);
    let cfg = MConfig::named(core).expect("a core");
    let vectors = u32::from(cfg.exceptions());
    m.add_cpu(Box::new(CortexM::new(cfg, 0)), Clock::hz(1_000_000_000 / CYCLE));
    let mut put = |addr: u32, bytes: &[u8]| {
        assert_eq!(m.bus.fabric.mem.poke(addr.into(), bytes), bytes.len());
    };
    put(0, &(TOP as u32).to_le_bytes());
    put(4, &(CODE | 1).to_le_bytes());
    for n in 2..vectors {
        put(4 * n, &(HANDLER | 1).to_le_bytes());
    }
    for (at, code) in [(CODE, code), (HANDLER, handler)] {
        put(at, &halves(code));
    }
    m.power_on(1);
    m
}

pub fn halves(code: &[u16]) -> Vec<u8> {
    code.iter().flat_map(|h| h.to_le_bytes()).collect()
}

pub fn set(m: &mut Machine, name: &str, v: u64) {
    let n = m.cpu(0).arch().regs.iter().position(|r| r.name == name).expect("a register");
    assert!(m.cpu_mut(0).0.set_reg(n, v));
}

pub fn reg(m: &Machine, name: &str) -> u64 {
    let n = m.cpu(0).arch().regs.iter().position(|r| r.name == name).expect("a register");
    m.cpu(0).reg(n)
}

/// Writes memory or a register of the core as a debugger.
pub fn poke(m: &mut Machine, addr: u64, v: u32) {
    assert_eq!(m.debug_write(0, addr, &v.to_le_bytes()), 4);
}

type Meddle<'a> = Box<dyn FnMut(&mut Machine, u64) -> bool + 'a>;

/// A machine to which something is done after each instruction, whose number is given. What is done is a device's doing
/// if `Meddle` says so.
pub struct Bent<'a> {
    pub machine: Machine,
    pub after: Meddle<'a>,
    steps: u64,
}

impl Subject for Bent<'_> {
    fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    fn step(&mut self) -> Step {
        let alone = self.machine.next_event() > self.machine.next_activity();
        match self.machine.step(Time::ms(1_000)) {
            Exit::Stepped(_) => {
                self.steps += 1;
                let device = (self.after)(&mut self.machine, self.steps);
                Step::Ran { alone: alone && !device }
            }
            _ => Step::Ended,
        }
    }
}

/// A machine with a RISC-V hart: 64 KiB of memory at 0 with `code`, and 64 KiB more at 0x80000000. 10 MHz.
pub fn hart(code: &[u32]) -> Machine {
    let mut bus = Bus::default();
    bus.fabric.mem.add_region("low", 0, 0x1_0000, RegionKind::Ram);
    bus.fabric.mem.add_region("high", HIGH, 0x1_0000, RegionKind::Ram);
    let mut m = Machine::new("hart", bus);
    let cfg = emu_riscv::config::Config::named("rv32imac").expect("a core");
    m.add_cpu(Box::new(emu_riscv::cpu::Hart::new(cfg, 0)), Clock::hz(1_000_000_000 / CYCLE));
    let bytes: Vec<u8> = code.iter().flat_map(|w| w.to_le_bytes()).collect();
    m.load_image(vec![(0, bytes)]).expect("there is memory");
    m.power_on(1);
    m
}

pub fn bent<'a>(machine: Machine, after: impl FnMut(&mut Machine, u64) -> bool + 'a) -> Bent<'a> {
    Bent { machine, after: Box::new(after), steps: 0 }
}

/// A machine that takes the instruction at an address for another one.
pub struct Wrong<'a> {
    pub inner: Bent<'a>,
    pub at: u64,
    pub code: Vec<u8>,
}

impl Subject for Wrong<'_> {
    fn machine(&mut self) -> &mut Machine {
        &mut self.inner.machine
    }

    fn step(&mut self) -> Step {
        let mem = &mut self.inner.machine.bus.fabric.mem;
        let mut right = vec![0; self.code.len()];
        mem.peek(self.at, &mut right);
        mem.poke(self.at, &self.code);
        let step = self.inner.step();
        self.inner.machine.bus.fabric.mem.poke(self.at, &right);
        step
    }
}

/// The first difference within so many steps.
pub fn first_difference(subject: &mut dyn Subject, most: u32) -> Option<Difference> {
    let mut beside = Lockstep::new(subject.machine()).expect("Unicorn has the core");
    (0..most).find_map(|_| match beside.step(subject).expect("Unicorn works") {
        Outcome::Differs(difference) => Some(*difference),
        _ => None,
    })
}

/// Steps until a difference, the end, or so many steps of the comparison.
pub fn compare(subject: &mut Bent, most: u32) -> (Option<Difference>, Tally) {
    let mut beside = Lockstep::new(subject.machine()).expect("Unicorn has the core");
    for _ in 0..most {
        match beside.step(subject).expect("Unicorn works") {
            Outcome::Same => {}
            Outcome::Differs(difference) => return (Some(*difference), beside.tally().clone()),
            Outcome::Ended => break,
        }
    }
    (None, beside.tally().clone())
}

/// The machine agrees with Unicorn for so many steps.
#[track_caller]
pub fn agrees(machine: Machine, most: u32) -> (Machine, Tally) {
    let mut subject = bent(machine, |_, _| false);
    let (difference, tally) = compare(&mut subject, most);
    assert!(difference.is_none(), "{}", difference.expect("just seen").show(""));
    (subject.machine, tally)
}
