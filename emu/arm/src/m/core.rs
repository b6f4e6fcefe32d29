//! A Cortex-M core for the engine: register file, system half, and the slow paths of memory accesses.

use super::{
    call::{self, Calls},
    call_vfp,
    config::MConfig,
    decode::{self, DecodeConfig},
    fault::Fault,
    mpu::{Kind, Mpu, default_xn},
    nvic::exc::HARD_FAULT,
    scs::{Outcome, PpbAccess, is_ppb},
    slots::{self, EXCLUSIVE, FREADY, ZERO},
    special::SEMIHOST_BKPT,
    state::{PC, SP},
    system::{MemPort, System},
};
use emu_core::{
    bus::Bus,
    cpu::{CpuExit, Run},
    device::{Attrs, DevId, ResetKind},
    diag::Mistake,
    events::Tag,
};
use emu_engine::{
    cache::CodeCache,
    fp::Flags,
    guest::{Flow, Guest, JumpRule, Poll, Shape},
    ir::{Block, Code, FFAST, FSTATUS, GE, Insn, MEM_ALIGNED, MEM_UNPRIV, Op, Q, Regs},
    run::run,
    views::{FREE, Views},
};

/// SysTick's event.
pub const TAG_SYSTICK: Tag = 0;
const NO_PAGE: u32 = u32::MAX;

/// Everything of a core but its code cache.
#[derive(Clone, Debug)]
pub struct Core {
    /// R0 to R15 in slots 0 to 15, flags, FP registers, temporaries.
    pub regs: Regs,
    /// System half.
    pub sys: System,
    /// Number of this CPU in its machine.
    pub index: u16,
    /// Instructions retired.
    pub retired: u64,
    /// Faults, and exceptions entered and left, resets among them. Not state.
    pub taken: u64,
    decoder: DecodeConfig,
    /// A host answers semihosting calls. Not state.
    semihosting: bool,
    /// The page that may be executed wholly, with the start of the next one. Not state.
    exec_page: u32,
    /// Privileged, and whether the MPU's regions count. What is cached of memory holds for these, and goes by their number.
    view: (bool, bool),
    view_number: u64,
    /// They may have changed, or the regions.
    view_stale: bool,
    views: Views<(Mpu, bool)>,
}

/// Physical memory for stacking and vectors.
struct Port<'a> {
    bus: &'a mut Bus,
    attrs: Attrs,
    cache: bool,
}

impl MemPort for Port<'_> {
    fn read(&mut self, addr: u32) -> Option<u32> {
        let addr = u64::from(addr);
        let fast = self.bus.fabric.mem.read32(addr);
        fast.or_else(|| self.bus.read(addr, 4, self.attrs, self.cache).ok().map(|v| v as u32))
    }
    fn write(&mut self, addr: u32, v: u32) -> bool {
        let addr = u64::from(addr);
        self.bus.fabric.mem.write32(addr, v)
            || self.bus.write(addr, 4, u64::from(v), self.attrs, self.cache).is_ok()
    }
}

impl Core {
    /// After power-on; [`Core::reset`] reads the vectors.
    pub fn new(cfg: MConfig, index: u16) -> Core {
        Core {
            regs: Regs::default(),
            decoder: DecodeConfig::new(&cfg),
            sys: System::new(cfg),
            index,
            retired: 0,
            taken: 0,
            semihosting: false,
            exec_page: NO_PAGE,
            view: (true, false),
            view_number: FREE,
            view_stale: true,
            views: Views::new(index),
        }
    }

    /// Back to the reset state.
    pub fn reset(&mut self, bus: &mut Bus) {
        let mut port = Port { bus, attrs: self.attrs(true), cache: false };
        self.sys.reset(&mut self.regs, &mut port);
        self.taken += 1;
        self.forget_views();
    }

    /// What is cached about memory may be wrong: state was replaced.
    pub fn forget_views(&mut self) {
        self.view_stale = true;
        self.exec_page = NO_PAGE;
    }

    fn attrs(&self, privileged: bool) -> Attrs {
        Attrs { secure: false, privileged, master: self.index }
    }

    fn port<'a>(&self, bus: &'a mut Bus) -> Port<'a> {
        let cache = !self.sys.mpu.enabled() && self.view_number == FREE;
        Port { bus, attrs: self.attrs(true), cache }
    }

    /// Takes this core's interrupt lines from the fabric.
    pub fn take_lines(&mut self, bus: &mut Bus) {
        if bus.fabric.irqs.is_empty() {
            return;
        }
        bus.fabric.irqs.retain(|&(cpu, line, high)| {
            if cpu == self.index {
                self.sys.set_line(line, high);
            }
            cpu != self.index
        });
    }

    /// Cycle of what happens now.
    fn cycle(bus: &mut Bus) -> u64 {
        bus.fabric.cycle()
    }

    /// SysTick's event is due.
    pub fn systick_event(&mut self, bus: &mut Bus) {
        self.sys.systick_event(Core::cycle(bus));
        self.schedule_systick(bus);
    }

    fn schedule_systick(&mut self, bus: &mut Bus) {
        let me = DevId::cpu(self.index);
        match self.sys.systick.next_event() {
            Some(cycle) => {
                let at = bus.fabric.clock().edge(cycle);
                bus.fabric.schedule(at, me, TAG_SYSTICK);
            }
            None => bus.fabric.events.cancel(me, TAG_SYSTICK),
        }
    }

    /// Takes what is due, and says whether to run.
    fn take_exceptions(&mut self, bus: &mut Bus) -> Poll {
        self.semihosting = bus.semihosting;
        // Another CPU of the machine may have run with its own.
        bus.fabric.mem.set_view(self.view_number);
        self.take_lines(bus);
        loop {
            if self.sys.st.lockup {
                return Poll::Exit(CpuExit::Lockup);
            }
            if !self.sys.wake() {
                return Poll::Exit(CpuExit::Sleep);
            }
            if self.sys.can_take() {
                bus.fabric.pc = Some(u64::from(self.pc()));
                let mut port = self.port(bus);
                self.sys.take_exception(&mut self.regs, &mut port);
                self.taken += 1;
            } else if self.sys.st.thumb {
                break;
            } else {
                self.raise(bus, Fault::InvalidState);
            }
        }
        self.refresh_view(bus);
        Poll::Run
    }

    /// After anything that may have changed privilege, priority or the MPU: on with what was cached under what holds now.
    fn refresh_view(&mut self, bus: &mut Bus) {
        let view = self.sys.view();
        if self.view_stale || view != self.view {
            let (privileged, applies) = view;
            let mpu = &self.sys.mpu;
            let same = |v: &(Mpu, bool)| v.1 == privileged && v.0.same_rules(mpu);
            let number = if applies { self.views.number(same, || (mpu.clone(), privileged)) } else { FREE };
            if number != self.view_number {
                (self.view_number, self.exec_page) = (number, NO_PAGE);
            }
            (self.view, self.view_stale) = (view, false);
        }
        bus.fabric.mem.set_view(self.view_number);
    }

    /// Runs as [`emu_engine::run::run`] does.
    pub fn run(&mut self, cache: &mut CodeCache, bus: &mut Bus, how: Run) -> (u64, CpuExit) {
        // A debugger or a load may have changed it.
        self.status_in();
        let ran = run(self, cache, bus, how);
        self.status_out();
        ran
    }

    // ---- status registers ----

    /// While code runs Q, GE, FPSCR and the exclusive monitor are in the register file, where compiled code finds them; this
    /// brings them back.
    fn status_out(&mut self) {
        self.sys.st.q = self.regs.get(Q) != 0;
        self.sys.st.ge = slots::ge_of_bytes(self.regs.get(GE));
        self.sys.st.exclusive = self.regs.get(EXCLUSIVE) != 0;
        if self.sys.cfg.has_fpu() {
            self.sys.st.fpscr = self.regs.get(FSTATUS);
        }
    }

    /// Puts them into the register file, with what follows from FPSCR.
    fn status_in(&mut self) {
        self.regs.set(Q, u32::from(self.sys.st.q));
        self.regs.set(GE, slots::bytes_of_ge(self.sys.st.ge));
        self.regs.set(EXCLUSIVE, u32::from(self.sys.st.exclusive));
        if self.sys.cfg.has_fpu() {
            self.set_status(self.sys.st.fpscr);
            self.regs.set(FREADY, u32::from(self.sys.fp_ready()));
        }
    }

    fn set_status(&mut self, fpscr: u32) {
        const RMODE_FZ: u32 = 3 << 22 | 1 << 24;
        let inexact = Flags::INEXACT.bits();
        self.regs.set(FSTATUS, fpscr);
        self.regs.set(FFAST, u32::from(fpscr & (RMODE_FZ | inexact) == inexact));
    }

    // ---- accesses that missed the fast path ----

    fn check_alignment(&self, bus: &Bus, addr: u32, size: u8, mem: u8) -> Result<(), Fault> {
        if addr & (u32::from(size) - 1) == 0 {
            return Ok(());
        }
        let a = u64::from(addr);
        let device = || bus.windows().iter().any(|w| a.wrapping_sub(w.base) < w.size);
        if mem & MEM_ALIGNED != 0 || self.sys.unaligned_traps() || device() {
            return Err(Fault::Unaligned);
        }
        Ok(())
    }

    fn bus_fault(&self, addr: u32) -> Result<u32, Fault> {
        if self.sys.ignores_bus_faults() { Ok(0) } else { Err(Fault::Bus { addr, precise: true }) }
    }

    /// Whether memory may remember the page of an access: nothing has changed about protection since it was told.
    fn keeps(&self, mem: u8) -> bool {
        mem & MEM_UNPRIV == 0
            && (!self.sys.mpu.enabled() && self.view_number == FREE
                || !self.view_stale && self.sys.view() == self.view)
    }

    /// And may be told so as a whole.
    fn cacheable(&self, addr: u32, mem: u8) -> bool {
        self.keeps(mem) && (!self.view.1 || self.sys.mpu.page_uniform(addr, true))
    }

    /// After an access to a page that is not [`Core::cacheable`]: which parts of it may be accessed.
    fn enter_parts(&self, bus: &mut Bus, addr: u32, mem: u8) {
        if self.keeps(mem) {
            let (mpu, privileged) = (&self.sys.mpu, self.view.0);
            bus.fabric.mem.enter_parts(addr.into(), || mpu.denied(addr, privileged));
        }
    }

    fn ppb_access(&mut self, bus: &mut Bus, privileged: bool) -> PpbAccess {
        PpbAccess { cycle: Core::cycle(bus), privileged, peek: false }
    }

    fn ppb_load(&mut self, bus: &mut Bus, addr: u32, size: u8, privileged: bool) -> Result<u32, Fault> {
        let access = self.ppb_access(bus, privileged);
        match self.sys.ppb_read(addr, size, access) {
            Ok((v, out)) => {
                self.ppb_outcome(bus, addr, false, out);
                Ok(v)
            }
            Err(_) => self.bus_fault(addr),
        }
    }

    /// A store to the private peripheral bus.
    pub(super) fn ppb_store(
        &mut self,
        bus: &mut Bus,
        addr: u32,
        size: u8,
        v: u32,
        privileged: bool,
    ) -> Result<(), Fault> {
        let access = self.ppb_access(bus, privileged);
        match self.sys.ppb_write(addr, size, v, access) {
            Ok(out) => {
                self.ppb_outcome(bus, addr, true, out);
                Ok(())
            }
            Err(_) => self.bus_fault(addr).map(|_| ()),
        }
    }

    fn ppb_outcome(&mut self, bus: &mut Bus, addr: u32, write: bool, out: Outcome) {
        if out.unknown {
            bus.fabric
                .mistake(DevId::cpu(self.index), Mistake::NoRegister { offset: addr & 0xf_ffff, write });
        }
        if out.systick {
            self.schedule_systick(bus);
        }
        if out.reset {
            bus.fabric.reset_request = Some(ResetKind::Soft);
        }
        // CPACR and FPCCR decide about floating point.
        self.regs.set(FREADY, u32::from(self.sys.cfg.has_fpu() && self.sys.fp_ready()));
        // Bit-banding of the MPU's registers does not exist: any write here may be to them.
        self.view_stale |= out.changed && (0xe000_ed90..=0xe000_edb8).contains(&(addr & !3));
        let polls = out.changed && (self.sys.can_take() || self.sys.view() != self.view);
        bus.fabric.attention |= polls || self.view_stale || out.reset;
    }

    /// Bit-band aliases: the access that holds the bit, and the bit's number in it.
    fn bit_band(&self, addr: u32, size: u8) -> Option<(u32, u32)> {
        if !self.sys.cfg.bit_band || !matches!(addr >> 25, 0x11 | 0x21) {
            return None;
        }
        let (base, off) = (addr & 0xf000_0000, addr & 0x01ff_ffff);
        let size = u32::from(size);
        Some(((base + (off >> 5)) & !(size - 1), (off >> 2) & (8 * size - 1)))
    }

    fn raw_load(
        &mut self,
        bus: &mut Bus,
        addr: u32,
        size: u8,
        mem: u8,
        privileged: bool,
    ) -> Result<u32, Fault> {
        let cache = self.cacheable(addr, mem);
        match bus.read(u64::from(addr), size, self.attrs(privileged), cache) {
            Ok(v) => {
                if !cache {
                    self.enter_parts(bus, addr, mem);
                }
                Ok(v as u32)
            }
            Err(_) => self.bus_fault(addr),
        }
    }

    fn raw_store(
        &mut self,
        bus: &mut Bus,
        addr: u32,
        size: u8,
        v: u32,
        (mem, privileged): (u8, bool),
    ) -> Result<(), Fault> {
        let cache = self.cacheable(addr, mem);
        match bus.write(u64::from(addr), size, u64::from(v), self.attrs(privileged), cache) {
            Ok(()) => {
                if !cache {
                    self.enter_parts(bus, addr, mem);
                }
                Ok(())
            }
            Err(_) => self.bus_fault(addr).map(|_| ()),
        }
    }

    /// An instruction at `pc` as far as it reaches: 2 or 4 bytes.
    fn fetch_size(bus: &Bus, pc: u32) -> u32 {
        let mut half = [0; 2];
        bus.fabric.mem.peek(u64::from(pc), &mut half);
        if half[1] >> 3 >= 0x1d { 4 } else { 2 }
    }
}

impl Guest for Core {
    type Fault = Fault;
    const SHAPE: Option<Shape> = Some(Shape {
        pc: PC as u8,
        zero: ZERO,
        hot: [0, 1, 2, 3, 4, 5, 6, 7, SP as u8],
        base: 0,
        jump: JumpRule::Thumb,
    });

    #[inline(always)]
    fn regs(&mut self) -> &mut Regs {
        &mut self.regs
    }
    #[inline(always)]
    fn pc(&self) -> u32 {
        self.regs.get(PC as u8)
    }
    #[inline(always)]
    fn set_pc(&mut self, pc: u32) {
        self.regs.set(PC as u8, pc);
    }
    #[inline(always)]
    fn it(&self) -> u8 {
        self.sys.st.itstate
    }
    #[inline(always)]
    fn set_it(&mut self, it: u8) {
        self.sys.st.itstate = it;
    }
    #[inline(always)]
    fn retire(&mut self, n: u64) {
        self.retired += n;
    }
    #[inline(always)]
    fn spent(&mut self) -> u64 {
        std::mem::take(&mut self.sys.spent)
    }

    fn poll(&mut self, bus: &mut Bus) -> Poll {
        self.status_out();
        let poll = self.take_exceptions(bus);
        self.status_in();
        poll
    }

    fn check_fetch(&mut self, bus: &mut Bus, pc: u32) -> Result<(), Fault> {
        let (privileged, applies) = (self.sys.st.privileged(), self.sys.mpu_applies());
        let ok = |addr, size| self.sys.mpu.check(addr, size, Kind::Fetch, privileged, applies).is_ok();
        if !ok(pc, Core::fetch_size(bus, pc)) {
            return Err(Fault::MpuFetch);
        }
        let next = (pc | 0xfff).wrapping_add(1);
        let uniform = |addr| self.sys.mpu.page_uniform(addr, applies);
        let whole = uniform(pc) && uniform(next) && ok(next, 2);
        self.exec_page = if whole { pc >> 12 } else { NO_PAGE };
        Ok(())
    }

    #[inline(always)]
    fn checks_fetch(&self) -> bool {
        let pc = self.pc();
        (self.sys.mpu.enabled() || default_xn(pc)) && pc >> 12 != self.exec_page
    }

    fn permissions(&self) -> u64 {
        self.view_number
    }

    fn fetch_fault(&self, pc: u32) -> Fault {
        if default_xn(pc) { Fault::MpuFetch } else { Fault::BusFetch }
    }

    fn load(&mut self, bus: &mut Bus, addr: u32, size: u8, mem: u8) -> Result<u32, Fault> {
        let privileged = self.sys.st.privileged() && mem & MEM_UNPRIV == 0;
        self.check_alignment(bus, addr, size, mem)?;
        if !self.sys.check(addr, u32::from(size), Kind::Read, privileged) {
            return Err(Fault::Mpu { addr });
        }
        if is_ppb(addr) {
            return self.ppb_load(bus, addr, size, privileged);
        }
        if let Some((at, bit)) = self.bit_band(addr, size) {
            let v = self.raw_load(bus, at, size, MEM_UNPRIV, privileged)?;
            return Ok((v >> bit) & 1);
        }
        self.raw_load(bus, addr, size, mem, privileged)
    }

    fn store(&mut self, bus: &mut Bus, addr: u32, size: u8, v: u32, mem: u8) -> Result<(), Fault> {
        let privileged = self.sys.st.privileged() && mem & MEM_UNPRIV == 0;
        self.check_alignment(bus, addr, size, mem)?;
        if !self.sys.check(addr, u32::from(size), Kind::Write, privileged) {
            return Err(Fault::Mpu { addr });
        }
        if is_ppb(addr) {
            return self.ppb_store(bus, addr, size, v, privileged);
        }
        if let Some((at, bit)) = self.bit_band(addr, size) {
            let old = self.raw_load(bus, at, size, MEM_UNPRIV, privileged)?;
            let new = (old & !(1 << bit)) | ((v & 1) << bit);
            return self.raw_store(bus, at, size, new, (MEM_UNPRIV, privileged));
        }
        self.raw_store(bus, addr, size, v, (mem, privileged))
    }

    #[inline(always)]
    fn jump_plain(&mut self, target: u32) -> bool {
        // Thumb code, and no exception return.
        let plain = target & 1 != 0 && target >> 28 != 0xf;
        if plain {
            self.set_pc(target & !1);
            self.sys.st.itstate = 0;
        }
        plain
    }

    fn jump(&mut self, bus: &mut Bus, target: u32) -> Result<Flow, Fault> {
        if self.sys.is_exception_return(target) {
            self.status_out();
            let mut port = self.port(bus);
            self.sys.exception_return(&mut self.regs, &mut port, target);
            self.status_in();
            self.taken += 1;
            bus.fabric.attention = true;
            return Ok(Flow::Jumped);
        }
        self.set_pc(target & !1);
        self.sys.st.itstate = 0;
        self.sys.st.thumb = target & 1 != 0;
        bus.fabric.attention |= !self.sys.st.thumb;
        Ok(Flow::Jumped)
    }

    fn call(&mut self, bus: &mut Bus, op: &Op, insn: &Insn) -> Result<Flow, Fault> {
        self.status_out();
        let flow = call::call(self, bus, op, insn);
        self.status_in();
        flow
    }

    fn float(&mut self, op: &Op) {
        let mut fpscr = self.regs.get(FSTATUS);
        call_vfp::float(&mut self.regs, &mut fpscr, op);
        self.set_status(fpscr);
    }

    fn name_of(code: Code, id: u32) -> &'static str {
        if code == Code::Float { call_vfp::name(id) } else { call::name(id) }
    }

    fn div_by_zero(&mut self) -> Result<(), Fault> {
        if self.sys.div_traps() { Err(Fault::DivByZero) } else { Ok(()) }
    }

    fn raise(&mut self, bus: &mut Bus, fault: Fault) {
        self.sys.raise(fault);
        self.taken += 1;
        // A fault that has a handler of its own may be wanted; one that has none is a mistake.
        let became = match (self.sys.st.lockup, self.sys.nvic.is_pending(HARD_FAULT)) {
            (true, _) => "lockup",
            (false, true) => "HardFault",
            (false, false) => return,
        };
        bus.fabric.pc = Some(u64::from(self.pc()));
        let what = format!("{fault}: {became}");
        bus.fabric.mistake(DevId::cpu(self.index), Mistake::Misuse(what.into()));
    }

    fn decoder_id(&self) -> u64 {
        self.decoder.id()
    }

    fn reaches_on(&self, first: u16) -> bool {
        first >> 11 > 0b11100
    }

    fn translate(&self, code: &[u8], offset: usize, page_end: usize, pc: u32, it: u8, max: usize) -> Block {
        decode::translate(&self.decoder, code, offset, page_end, pc, it, max)
    }
}

impl Calls for Core {
    fn parts(&mut self) -> (&mut Regs, &mut System) {
        (&mut self.regs, &mut self.sys)
    }

    fn fp_check(&mut self, bus: &mut Bus) -> Result<(), Fault> {
        let mut port = self.port(bus);
        self.sys.fp_check(&self.regs, &mut port)
    }

    fn breakpoint(&mut self, number: u8) -> Result<Flow, Fault> {
        if self.semihosting && number == SEMIHOST_BKPT {
            return Ok(Flow::Exit(CpuExit::Semihost));
        }
        Err(Fault::Breakpoint)
    }
}
