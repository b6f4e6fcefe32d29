//! A hart for the engine: register file, control and status registers, and the slow paths of memory accesses.

use crate::{
    PC, RESERVATION, X0, call,
    config::Config,
    csr::{Csrs, Mode, Now, View},
    decode,
    pmp::{Kind, Pmp},
    timing::TRAP,
    trap::{FETCH_FAULT, LOAD_FAULT, LOAD_MISALIGNED, STORE_FAULT, STORE_MISALIGNED, Trap},
};
use emu_core::{
    bus::Bus,
    cpu::{CpuExit, Run},
    device::{Attrs, DevId},
    diag::Mistake,
};
use emu_engine::{
    cache::CodeCache,
    guest::{Flow, Guest, JumpRule, Poll, Shape},
    ir::{Block, Code, Insn, MEM_ALIGNED, MEM_STORE, Op, Regs},
    run::run,
    views::{FREE, Views},
};

/// Everything of a hart but its code cache.
#[derive(Clone, Debug)]
pub struct Core {
    /// The registers from [`X0`](crate::X0) on, the program counter in [`PC`], temporaries.
    pub regs: Regs,
    /// Control and status registers, modes and state.
    pub csr: Csrs,
    /// Number of this hart in its machine.
    pub index: u16,
    /// Instructions executed.
    pub retired: u64,
    /// Traps taken, resets among them. Not state.
    pub taken: u64,
    pub(crate) cfg: Config,
    /// A host answers semihosting calls. Not state.
    pub(crate) semihosting: bool,
    /// Instructions executed that `retired` does not count yet, where somebody may ask. Not state.
    since: u64,
    /// What is cached of memory and of code holds for this; `None`: for nothing. Not state.
    view: Option<View>,
    view_number: u64,
    views: Views<(Pmp, View)>,
    /// The page that may be executed wholly, with the start of the next one. Not state.
    exec_page: u32,
    /// Cycles of traps taken since the engine last asked: nothing when the hart rests. Not state.
    spent: u64,
}

const NO_PAGE: u32 = u32::MAX;

impl Core {
    /// After power-on; [`Core::reset`] sets the program counter.
    pub fn new(cfg: Config, index: u16) -> Core {
        let csr = Csrs::new(Now { cycle: 0, executed: 0 });
        Core {
            regs: Regs::default(),
            csr,
            index,
            retired: 0,
            taken: 0,
            cfg,
            semihosting: false,
            since: 0,
            spent: 0,
            view: None,
            view_number: FREE,
            views: Views::new(index),
            exec_page: NO_PAGE,
        }
    }

    /// What is cached about memory may be wrong: PMP, or all of the state, was replaced.
    pub fn forget_views(&mut self) {
        self.view = None;
    }

    /// The next instruction needs another view than this one.
    pub(crate) fn view_changed(&self) -> bool {
        self.view != Some(self.csr.view())
    }

    /// After anything that may have changed the mode or PMP: on with what was cached under what holds now.
    fn refresh_view(&mut self, bus: &mut Bus) {
        let new = self.csr.view();
        if self.view != Some(new) {
            let pmp = &self.csr.pmp;
            let number = match new {
                View { fetch: None, data: None } => FREE,
                _ => self.views.number(|v| v.1 == new && v.0 == *pmp, || (pmp.clone(), new)),
            };
            if number != self.view_number {
                (self.view_number, self.exec_page) = (number, NO_PAGE);
            }
            self.view = Some(new);
        }
        bus.fabric.mem.set_view(self.view_number);
    }

    /// Back to the reset state: a0 holds the hart's number, as boot loaders hand it on; all other registers are zero.
    pub fn reset(&mut self, bus: &mut Bus) {
        let now = Now { cycle: bus.fabric.cycle(), executed: self.retired };
        self.csr.reset(now);
        self.regs = Regs::default();
        self.taken += 1;
        self.forget_views();
        self.regs.set(X0 + 10, self.index.into());
        self.set_pc(self.cfg.reset_vector);
    }

    /// What the counters follow, at the instruction under way.
    pub(crate) fn now(&self, bus: &mut Bus) -> Now {
        Now { cycle: bus.fabric.cycle(), executed: self.retired + self.since }
    }

    /// Takes this hart's interrupt lines from the fabric.
    pub fn take_lines(&mut self, bus: &mut Bus) {
        if bus.fabric.irqs.is_empty() {
            return;
        }
        bus.fabric.irqs.retain(|&(cpu, line, high)| {
            if cpu == self.index {
                self.csr.set_line(line, high);
            }
            cpu != self.index
        });
    }

    fn attrs(&self) -> Attrs {
        let privileged = self.csr.data_mode() == Mode::Machine;
        Attrs { secure: false, privileged, master: self.index }
    }

    /// Whether PMP allows a load or store.
    pub(crate) fn allowed(&self, addr: u32, size: u8, kind: Kind) -> bool {
        self.csr.pmp.allows(addr, size, kind, self.csr.data_mode())
    }

    /// Whether memory may remember that aligned accesses to the whole page are allowed.
    fn cacheable(&self, addr: u32) -> bool {
        !self.view_changed() && self.csr.pmp.page_uniform(addr, self.csr.data_mode())
    }

    /// After an access to a page that is not [`Core::cacheable`]: which parts of it may be accessed.
    fn enter_parts(&self, bus: &mut Bus, addr: u32) {
        if !self.view_changed() {
            let (pmp, mode) = (&self.csr.pmp, self.csr.data_mode());
            bus.fabric.mem.enter_parts(addr.into(), || pmp.denied(addr, mode));
        }
    }

    /// Atomic accesses must be aligned.
    fn check_alignment(addr: u32, size: u8, mem: u8, cause: u32) -> Result<(), Trap> {
        let aligned = mem & MEM_ALIGNED == 0 || addr & (u32::from(size) - 1) == 0;
        if aligned { Ok(()) } else { Err(Trap::new(cause, addr)) }
    }

    /// While code runs the reservation is in the register file, where compiled code finds it; this brings it back.
    fn reservation_out(&mut self) {
        let v = self.regs.get(RESERVATION);
        self.csr.reservation = (v & 1 != 0).then_some(v & !1);
    }

    /// Puts it into the register file.
    fn reservation_in(&mut self) {
        self.regs.set(RESERVATION, self.csr.reservation.map_or(0, |addr| addr | 1));
    }

    /// Runs as [`emu_engine::run::run`] does.
    pub(crate) fn run(&mut self, cache: &mut CodeCache, bus: &mut Bus, how: Run) -> (u64, CpuExit) {
        self.reservation_in();
        let ran = run(self, cache, bus, how);
        self.reservation_out();
        ran
    }

    /// The address of the part of an access that failed: a misaligned one may begin in memory and end beyond it.
    fn failed_at(bus: &Bus, addr: u32, size: u8) -> u32 {
        let memory = |a: u32| bus.fabric.mem.peek(a.into(), &mut [0]) != 0;
        (0..u32::from(size)).map(|i| addr.wrapping_add(i)).find(|a| !memory(*a)).unwrap_or(addr)
    }

    /// A misaligned access that touches a device: the bus cannot make it.
    fn splits_device(bus: &Bus, addr: u32, size: u8) -> bool {
        let (first, size) = (u64::from(addr), u64::from(size));
        let overlaps = |base: u64, len: u64| first < base + len && base < first + size;
        first & (size - 1) != 0 && bus.windows().iter().any(|w| overlaps(w.base, w.size))
    }
}

impl Guest for Core {
    type Fault = Trap;
    /// Compilers for RISC-V live in a0 to a5, s0, s1 and sp, whose encodings are short.
    const SHAPE: Option<Shape> = Some(Shape {
        pc: PC,
        zero: X0,
        hot: [X0 + 10, X0 + 11, X0 + 12, X0 + 13, X0 + 14, X0 + 15, X0 + 8, X0 + 9, X0 + 2],
        base: X0,
        jump: JumpRule::Even,
    });

    #[inline(always)]
    fn regs(&mut self) -> &mut Regs {
        &mut self.regs
    }
    #[inline(always)]
    fn pc(&self) -> u32 {
        self.regs.get(PC)
    }
    #[inline(always)]
    fn set_pc(&mut self, pc: u32) {
        self.regs.set(PC, pc);
    }
    #[inline(always)]
    fn it(&self) -> u8 {
        0
    }
    #[inline(always)]
    fn set_it(&mut self, _: u8) {}
    #[inline(always)]
    fn retire(&mut self, n: u64) {
        self.retired += n;
        self.since = 0;
    }
    fn executed(&mut self, n: u64) {
        self.since = n;
    }
    #[inline(always)]
    fn spent(&mut self) -> u64 {
        std::mem::take(&mut self.spent)
    }

    fn poll(&mut self, bus: &mut Bus) -> Poll {
        self.semihosting = bus.semihosting;
        self.take_lines(bus);
        if self.csr.locked {
            return Poll::Exit(CpuExit::Lockup);
        }
        if !self.csr.wake() {
            return Poll::Exit(CpuExit::Sleep);
        }
        if let Some(n) = self.csr.interrupt() {
            let pc = self.csr.take_interrupt(self.pc(), n);
            self.reservation_in();
            self.set_pc(pc);
            self.taken += 1;
            self.spent += TRAP;
        }
        self.refresh_view(bus);
        Poll::Run
    }

    /// Each half of an instruction is fetched by itself, so that mtval tells which one may not be (volume II, 3.1.16).
    fn check_fetch(&mut self, bus: &mut Bus, pc: u32) -> Result<(), Trap> {
        let (pmp, mode) = (&self.csr.pmp, self.csr.mode);
        let ok = |addr| pmp.allows(addr, 2, Kind::Fetch, mode);
        let mut first = [0; 2];
        bus.fabric.mem.peek(pc.into(), &mut first);
        let halves = if self.reaches_on(first[0].into()) { 2 } else { 1 };
        if let Some(half) = (0..halves).find(|half| !ok(pc.wrapping_add(2 * half))) {
            return Err(Trap::new(FETCH_FAULT, pc.wrapping_add(2 * half)));
        }
        let next = (pc | 0xfff).wrapping_add(1);
        let whole = pmp.page_uniform(pc, mode) && ok(next);
        self.exec_page = if whole { pc >> 12 } else { NO_PAGE };
        Ok(())
    }
    #[inline(always)]
    fn checks_fetch(&self) -> bool {
        self.view.is_none_or(|v| v.fetch.is_some()) && self.pc() >> 12 != self.exec_page
    }
    fn permissions(&self) -> u64 {
        self.view_number
    }
    fn fetch_fault(&self, pc: u32) -> Trap {
        Trap::new(FETCH_FAULT, pc)
    }

    /// What fails of an AMO's load is a store access fault (volume II, table 3.6), and it does not read what it may not write.
    fn load(&mut self, bus: &mut Bus, addr: u32, size: u8, mem: u8) -> Result<u32, Trap> {
        if mem & MEM_STORE != 0 {
            Core::check_alignment(addr, size, mem, STORE_MISALIGNED)?;
            let fault = Trap::new(STORE_FAULT, addr);
            if !self.allowed(addr, size, Kind::Write) {
                return Err(fault);
            }
            return self.load(bus, addr, size, 0).map_err(|_| fault);
        }
        Core::check_alignment(addr, size, mem, LOAD_MISALIGNED)?;
        if !self.allowed(addr, size, Kind::Read) {
            return Err(Trap::new(LOAD_FAULT, addr));
        }
        let cache = self.cacheable(addr);
        let splits = Core::splits_device(bus, addr, size);
        let read = if splits { None } else { bus.read(addr.into(), size, self.attrs(), cache).ok() };
        let v = read.ok_or_else(|| Trap::new(LOAD_FAULT, Core::failed_at(bus, addr, size)))?;
        if !cache {
            self.enter_parts(bus, addr);
        }
        Ok(v as u32)
    }

    fn store(&mut self, bus: &mut Bus, addr: u32, size: u8, v: u32, mem: u8) -> Result<(), Trap> {
        Core::check_alignment(addr, size, mem, STORE_MISALIGNED)?;
        if !self.allowed(addr, size, Kind::Write) {
            return Err(Trap::new(STORE_FAULT, addr));
        }
        let cache = self.cacheable(addr);
        let splits = Core::splits_device(bus, addr, size);
        if splits || bus.write(addr.into(), size, v.into(), self.attrs(), cache).is_err() {
            return Err(Trap::new(STORE_FAULT, Core::failed_at(bus, addr, size)));
        }
        if !cache {
            self.enter_parts(bus, addr);
        }
        Ok(())
    }

    #[inline(always)]
    fn jump_plain(&mut self, target: u32) -> bool {
        self.set_pc(target & !1);
        true
    }
    fn jump(&mut self, _: &mut Bus, target: u32) -> Result<Flow, Trap> {
        self.set_pc(target & !1);
        Ok(Flow::Jumped)
    }

    fn call(&mut self, bus: &mut Bus, op: &Op, insn: &Insn) -> Result<Flow, Trap> {
        call::call(self, bus, op, insn)
    }

    fn name_of(_: Code, id: u32) -> &'static str {
        call::name(id)
    }

    fn div_by_zero(&mut self) -> Result<(), Trap> {
        Ok(())
    }

    fn raise(&mut self, bus: &mut Bus, trap: Trap) {
        let pc = self.pc();
        // A fetch that finds nothing executes nothing; one that finds half an instruction is one, unless PMP
        // forbids the other half.
        let half = trap.tval != pc && self.csr.pmp.allows(trap.tval, 2, Kind::Fetch, self.csr.mode);
        let executed = trap.cause != FETCH_FAULT || half;
        let sp = self.regs.get(X0 + 2);
        let handler = self.csr.take_exception(pc, trap, executed, sp);
        self.reservation_in();
        self.set_pc(handler);
        self.taken += 1;
        self.spent += TRAP;
        if self.csr.locked {
            bus.fabric.pc = Some(pc.into());
            let place = if pc == handler { "the first instruction of " } else { "" };
            let what = format!("{trap}, in {place}the trap handler, again and again: the hart hangs");
            bus.fabric.mistake(DevId::cpu(self.index), Mistake::Misuse(what.into()));
        }
    }

    fn decoder_id(&self) -> u64 {
        decode::DECODER_ID
    }

    fn reaches_on(&self, first: u16) -> bool {
        first & 3 == 3
    }

    fn translate(&self, code: &[u8], offset: usize, page_end: usize, pc: u32, _: u8, max: usize) -> Block {
        decode::translate(code, offset, page_end, pc, max)
    }
}
