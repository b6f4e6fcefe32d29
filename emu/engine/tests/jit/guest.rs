//! A guest without an architecture: its "instructions" are random operations, chosen by their bytes.

use crate::program;
use emu_core::{bus::Bus, cpu::CpuExit, device::Attrs};
use emu_engine::{
    guest::{Flow, Guest, JumpRule, Poll, Shape},
    ir::{Block, Insn, MEM_ALIGNED, Op, Regs, TEMP, TRASH},
};

/// Thumb's way: IT blocks, computed jumps with bit 0 set, special jump targets.
pub const THUMB: usize = 0;
/// RISC-V's way: a register that is always zero, every computed jump is plain.
pub const EVEN: usize = 1;

/// Code in ROM: the pages from here on.
pub const ROM: u32 = 0x1000;
/// Pages of code in ROM.
pub const ROM_PAGES: u32 = 3;
/// RAM; its last page is short, and its first holds code.
pub const RAM: u32 = 0x2000_0000;
/// Bytes of RAM.
pub const RAM_SIZE: u32 = 0x4800;
/// Registers of the guest's own devices, 4 KiB.
pub const MMIO: u32 = 0x4000_0000;

/// Mixes bits (the finalizer of splitmix64).
pub fn mix(v: u64) -> u64 {
    let v = v.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let v = (v ^ v >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let v = (v ^ v >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    v ^ v >> 31
}

/// Where jumps lead: the starts of a few stretches in each page of code, one of them right before the page's end.
pub fn place(n: u32) -> u32 {
    let page = match n >> 2 & 3 {
        3 => RAM,
        page => ROM + 0x1000 * page,
    };
    page + [0, 0x42, 0x800, 0xff8][n as usize & 3]
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Access(u32),
    Alignment(u32),
    Division,
    Fetch(u32),
    Asked(u32),
}

/// The CPU. `KIND` is [`THUMB`] or [`EVEN`].
#[derive(Clone)]
pub struct Toy<const KIND: usize> {
    pub regs: Regs,
    it: u8,
    pub retired: u64,
    /// Instructions executed that `retired` does not count yet, where it is known.
    executed: u64,
    /// Cycles of exceptions.
    spent: u64,
    /// Part of the decoder's number: other bytes mean other things.
    pub salt: u64,
    /// Hash of all that happened at the border: device accesses, faults, calls, each with cycle, address and registers.
    pub log: u64,
    /// How much that was, by kind.
    pub seen: [u64; 6],
    /// The same in full, if somebody wants to read it.
    pub diary: Option<Vec<String>>,
    div_traps: bool,
    /// An interrupt waits.
    irq: bool,
    /// Pages of code that may not be executed, as bits.
    forbidden: u8,
    views: u64,
    /// This page is known to be allowed as a whole.
    exec_page: u32,
}

const LOAD: usize = 0;
const STORE: usize = 1;
const FAULT: usize = 2;
const CALL: usize = 3;
pub const JUMP: usize = 4;
const IRQ: usize = 5;
const NO_PAGE: u32 = u32::MAX;

const THUMB_SHAPE: Shape =
    Shape { pc: 15, zero: 31, hot: [0, 1, 2, 3, 4, 5, 6, 7, 13], base: 0, jump: JumpRule::Thumb };
const EVEN_SHAPE: Shape =
    Shape { pc: 20, zero: 64, hot: [74, 75, 76, 77, 78, 79, 72, 73, 66], base: 64, jump: JumpRule::Even };

pub const fn shape(kind: usize) -> Shape {
    if kind == THUMB { THUMB_SHAPE } else { EVEN_SHAPE }
}

impl<const KIND: usize> Toy<KIND> {
    pub fn new(salt: u64, state: u64) -> Self {
        let mut toy = Toy {
            regs: Regs::default(),
            it: 0,
            retired: 0,
            executed: 0,
            spent: 0,
            salt,
            log: 0,
            seen: [0; 6],
            diary: None,
            div_traps: salt & 1 != 0,
            irq: false,
            forbidden: 0,
            views: 0,
            exec_page: NO_PAGE,
        };
        for (i, slot) in program::slots(KIND).iter().enumerate() {
            toy.regs.set(*slot, program::number(mix(state ^ i as u64)));
        }
        for (i, slot) in program::wide_slots(KIND).iter().enumerate() {
            toy.regs.set64(*slot, mix(state ^ 0xff00 ^ i as u64));
        }
        toy.regs.set_nzcv(mix(state) as u32);
        toy.set_pc(place(mix(state ^ 1) as u32));
        toy
    }

    /// All that software could see: no temporaries, no flags in their raw form, no program counter while it runs.
    pub fn visible(&self) -> (Vec<u64>, u32) {
        let hidden = |slot: usize| {
            (16..20).contains(&slot)
                || (TEMP..=TRASH).contains(&(slot as u8))
                || slot == usize::from(shape(KIND).pc)
        };
        let regs = self.regs.r.iter().enumerate().map(|(i, v)| if hidden(i) { 0 } else { *v });
        (regs.collect(), self.regs.nzcv())
    }

    fn note(&mut self, bus: &mut Bus, kind: usize, what: u64) {
        self.seen[kind] += 1;
        let (regs, nzcv) = self.visible();
        let here = [kind as u64, what, bus.fabric.cycle(), bus.fabric.pc.unwrap_or(0), u64::from(nzcv)];
        if let Some(diary) = &mut self.diary {
            let used = regs.iter().enumerate().filter(|r| *r.1 != 0);
            let regs: Vec<_> = used.map(|(i, v)| format!("{i}={v:x}")).collect();
            diary.push(format!("{here:x?} {}", regs.join(" ")));
        }
        self.log = here.into_iter().chain(regs).fold(self.log, |log, v| mix(log ^ v));
    }

    /// The rights change.
    fn forbid(&mut self, pages: u8) {
        self.forbidden = pages;
        self.views += 1;
        self.exec_page = NO_PAGE;
    }

    fn is_forbidden(&self, pc: u32) -> bool {
        let page = if pc >= RAM { 3 } else { (pc >> 12).wrapping_sub(1) };
        page < 8 && self.forbidden >> page & 1 != 0
    }

    /// One of the places that are always allowed.
    fn vector(&mut self, n: u64) {
        self.set_pc(place(n as u32 & 3));
        self.set_it(0);
    }
}

impl<const KIND: usize> Guest for Toy<KIND> {
    type Fault = Fault;
    const SHAPE: Option<Shape> = Some(shape(KIND));

    fn regs(&mut self) -> &mut Regs {
        &mut self.regs
    }
    fn pc(&self) -> u32 {
        self.regs.get(shape(KIND).pc)
    }
    fn set_pc(&mut self, pc: u32) {
        self.regs.set(shape(KIND).pc, pc);
    }
    fn it(&self) -> u8 {
        self.it
    }
    fn set_it(&mut self, it: u8) {
        self.it = it;
    }
    fn retire(&mut self, n: u64) {
        self.retired += n;
        self.executed = 0;
    }
    fn executed(&mut self, n: u64) {
        self.executed = n;
    }
    fn spent(&mut self) -> u64 {
        std::mem::take(&mut self.spent)
    }

    fn poll(&mut self, bus: &mut Bus) -> Poll {
        if std::mem::take(&mut self.irq) {
            bus.fabric.pc = None;
            let (pc, it) = (self.pc(), self.it);
            self.note(bus, IRQ, u64::from(pc) << 8 | u64::from(it));
            self.vector(u64::from(pc >> 2));
            self.spent += u64::from(pc >> 3 & 15);
        }
        Poll::Run
    }

    fn check_fetch(&mut self, _: &mut Bus, pc: u32) -> Result<(), Fault> {
        if self.is_forbidden(pc) {
            return Err(Fault::Fetch(pc));
        }
        self.exec_page = pc >> 12;
        Ok(())
    }
    fn checks_fetch(&self) -> bool {
        self.forbidden != 0 && self.pc() >> 12 != self.exec_page
    }
    fn permissions(&self) -> u64 {
        self.views
    }
    fn fetch_fault(&self, pc: u32) -> Fault {
        Fault::Fetch(pc)
    }

    fn load(&mut self, bus: &mut Bus, addr: u32, size: u8, mem: u8) -> Result<u32, Fault> {
        if mem & MEM_ALIGNED != 0 && !addr.is_multiple_of(u32::from(size)) {
            return Err(Fault::Alignment(addr));
        }
        if addr & !0xfff != MMIO {
            let v = bus.read(u64::from(addr), size, Attrs::default(), true);
            return v.map(|v| v as u32).map_err(|_| Fault::Access(addr));
        }
        self.note(bus, LOAD, u64::from(addr) << 8 | u64::from(size));
        bus.fabric.attention |= addr & 0x40 != 0;
        let all = u32::MAX >> (32 - 8 * u32::from(size));
        Ok((if addr & 0x80 != 0 { bus.fabric.cycle() } else { self.log }) as u32 & all)
    }

    fn store(&mut self, bus: &mut Bus, addr: u32, size: u8, v: u32, mem: u8) -> Result<(), Fault> {
        if mem & MEM_ALIGNED != 0 && !addr.is_multiple_of(u32::from(size)) {
            return Err(Fault::Alignment(addr));
        }
        if addr & !0xfff != MMIO {
            let done = bus.write(u64::from(addr), size, u64::from(v), Attrs::default(), true);
            return done.map_err(|_| Fault::Access(addr));
        }
        self.note(bus, STORE, mix(u64::from(addr)) ^ u64::from(v) << 8 ^ u64::from(size));
        if addr & 0x40 != 0 {
            (self.irq, bus.fabric.attention) = (true, true);
        }
        Ok(())
    }

    fn jump(&mut self, bus: &mut Bus, target: u32) -> Result<Flow, Fault> {
        self.note(bus, JUMP, u64::from(target));
        if target & 0x3000 == 0x3000 {
            return Err(Fault::Asked(target));
        }
        // An exception return leads anywhere, into the middle of an IT block, too.
        self.set_pc(place(target >> 4));
        self.set_it(if target & 0x80 != 0 { program::it_state(target) } else { 0 });
        if target & 0x40 != 0 {
            (self.spent, bus.fabric.attention) = (u64::from(target >> 8 & 15), true);
        }
        Ok(Flow::Jumped)
    }

    fn jump_plain(&mut self, target: u32) -> bool {
        let plain = KIND == EVEN || target & 1 != 0 && target >> 28 != 0xf;
        if plain {
            self.set_pc(target & !1);
            self.it = 0;
        }
        plain
    }

    fn call(&mut self, bus: &mut Bus, op: &Op, insn: &Insn) -> Result<Flow, Fault> {
        self.note(bus, CALL, u64::from(op.imm) << 32 | u64::from(insn.pc));
        let v = mix(self.log ^ self.retired.wrapping_add(self.executed));
        let slots = program::slots(KIND);
        self.regs.set(slots[v as usize % slots.len()], program::number(mix(v)));
        if v & 0x100 != 0 {
            self.regs.set_nzcv((v >> 16) as u32);
        }
        match op.imm % 32 {
            0..16 => return Ok(Flow::Next),
            16..20 => {}
            20..22 => self.irq = true,
            22 => self.forbid((v >> 9) as u8 & 0b1110),
            23..25 => self.forbid(0),
            25..28 => {
                self.set_pc(place((v >> 40) as u32));
                self.set_it(0);
                return Ok(Flow::Jumped);
            }
            28 => return Ok(Flow::Exit(CpuExit::Semihost)),
            _ if v & 0x200 != 0 => return Err(Fault::Asked(op.imm)),
            _ => {}
        }
        Ok(Flow::Stop)
    }

    fn div_by_zero(&mut self) -> Result<(), Fault> {
        if self.div_traps { Err(Fault::Division) } else { Ok(()) }
    }

    fn raise(&mut self, bus: &mut Bus, fault: Fault) {
        let n = format!("{fault:?}").bytes().fold(0, |n, b| mix(n ^ u64::from(b)));
        let (pc, it) = (self.pc(), self.it);
        self.note(bus, FAULT, n ^ u64::from(pc) << 8 ^ u64::from(it));
        self.vector(n);
        self.spent += n & 7;
    }

    fn decoder_id(&self) -> u64 {
        self.salt << 8 | KIND as u64
    }

    fn translate(&self, code: &[u8], offset: usize, page_end: usize, pc: u32, it: u8, max: usize) -> Block {
        program::translate(KIND, self.salt, code, (offset, page_end), (pc, it), max)
    }
}
