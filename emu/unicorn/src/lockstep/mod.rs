//! A machine of ours beside Unicorn, instruction by instruction.
//!
//! Ours is master. It executes one instruction; Unicorn executes the same one from the state that ours had, on its own
//! copy of memory; then registers, flags and the pages that either wrote are compared. What Unicorn cannot know of (device
//! registers, exceptions, system instructions) is left out and counted by its reason, and Unicorn gets our state.
//!
//! The unit of comparison is an instruction, or a whole IT block, within which Unicorn does not stop.

mod arm;
mod mirror;
mod report;
mod riscv;
mod target;
mod text;

pub use report::{Difference, Tally};

use arm::CortexM;
use emu_core::{Machine, cpu::Cpu, memory::RegionKind};
use mirror::{Mirror, Ran, Refused};
use riscv::Rv32;
use target::{MOST, Places, Reg, Rule, State, Target};
use unicorn_engine::uc_error;

/// What is compared with Unicorn: a machine, and who steps it.
pub trait Subject {
    /// The machine, whose CPU 0 is compared.
    fn machine(&mut self) -> &mut Machine;
    /// Executes one instruction, waiting for it if the CPU sleeps.
    fn step(&mut self) -> Step;
}

/// What [`Subject::step`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// An instruction was executed, or tried. `alone`: nothing else happened since the last one that could change
    /// memory.
    Ran {
        /// See above.
        alone: bool,
    },
    /// No instruction was executed, and none will be.
    Ended,
}

/// Why machine and Unicorn cannot be compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// Unicorn has no such core.
    Core(String),
    /// Several CPUs share a memory.
    Several(usize),
    /// Unicorn itself failed.
    Unicorn(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Core(name) => write!(f, "Unicorn has no core that is a {name}: nothing to compare with"),
            Error::Several(n) => {
                write!(f, "only machines with one CPU can be compared with Unicorn, not {n}")
            }
            Error::Unicorn(what) => write!(f, "Unicorn failed: {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<uc_error> for Error {
    fn from(e: uc_error) -> Error {
        Error::Unicorn(format!("{e:?}"))
    }
}

/// What became of one step of the comparison.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The same, or left out and counted.
    Same,
    /// The first difference.
    Differs(Box<Difference>),
    /// The subject has ended.
    Ended,
}

/// Our side's part of a step.
struct Ours {
    before: State,
    after: State,
    /// Its instructions.
    code: Vec<u8>,
    count: u64,
    /// Floating-point registers are compared.
    float: bool,
    /// Nothing but the CPU could change memory.
    alone: bool,
}

/// A machine and its Unicorn.
pub struct Lockstep {
    target: Box<dyn Target>,
    places: Places,
    mirror: Mirror,
    tally: Tally,
    /// Our core said at the last fault that an instruction was undefined. It says so until the guest clears it.
    undefined: bool,
}

const DEVICE: &str = "access to a device or a private register";
const FLASH: &str = "write to ROM";
const EXCEPTION: &str = "exception entry or return";
const FAULT: &str = "fault";
const NO_CODE: &str = "no memory to fetch from";

impl Lockstep {
    /// Unicorn with the state of a machine.
    pub fn new(machine: &mut Machine) -> Result<Lockstep, Error> {
        if machine.cpu_count() != 1 {
            return Err(Error::Several(machine.cpu_count()));
        }
        let cpu = machine.cpu(0);
        let unknown = || Error::Core(cpu.kind().to_string());
        let target: Box<dyn Target> = match (CortexM::named(cpu.kind()), Rv32::named(cpu.kind())) {
            (Some(core), _) => Box::new(core),
            (None, Some(core)) => Box::new(core),
            (None, None) => return Err(unknown()),
        };
        let places = Places::find(&*target, cpu.arch()).map_err(|_| unknown())?;
        let mirror = Mirror::new(&*target, machine)?;
        Ok(Lockstep { target, places, mirror, tally: Tally::default(), undefined: false })
    }

    /// What Unicorn imitates.
    pub fn oracle(&self) -> &'static str {
        self.target.name()
    }

    /// What was compared so far, and what was not.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Executes the next instruction, or IT block, on both sides and compares.
    pub fn step(&mut self, subject: &mut dyn Subject) -> Result<Outcome, Error> {
        let machine = subject.machine();
        let taken = machine.cpu(0).exceptions();
        let retired = machine.cpu(0).retired();
        let (ours, reason) = match self.step_ours(subject) {
            None => return Ok(Outcome::Ended),
            Some(done) => done,
        };
        let machine = subject.machine();
        let did = machine.cpu(0).retired() - retired;
        let taken = machine.cpu(0).exceptions() - taken;
        if taken != 0 {
            return self.interrupted(machine, &ours, (did, taken));
        }
        if did != ours.count {
            // It sleeps: no instruction at all.
            return self.resync(machine);
        }
        if self.target.drops_reservation(&self.first(&ours)) {
            self.mirror.drop_reservation(&*self.target)?;
            self.mirror.forget();
        }
        match reason.or_else(|| self.target.left_out(&ours.before, &ours.after)) {
            Some(reason) => self.skip(machine, did, reason),
            None => self.step_theirs(machine, &ours, ours.alone),
        }
    }

    /// Our side: one instruction, or all that Unicorn takes for one. With the reason why it is not compared, if there is
    /// one. `None`: it has ended.
    fn step_ours(&mut self, subject: &mut dyn Subject) -> Option<(Ours, Option<&'static str>)> {
        let machine = subject.machine();
        let taken = machine.cpu(0).exceptions();
        let mut at = self.places.read(machine.cpu(0));
        let mut ours = Ours { before: at, after: at, code: vec![], count: 0, float: false, alone: true };
        let mut reason = None;
        loop {
            let machine = subject.machine();
            let mut code = [0; 4];
            if machine.bus.fabric.mem.peek(at.pc, &mut code) < 2 {
                reason = reason.or(Some(NO_CODE));
            }
            let length = self.target.length(&code);
            let (cpu, bus) = machine.cpu_mut(0);
            match self.target.rule(&code, &at, &mut |addr| peek(cpu, bus, addr)) {
                Rule::Compare { float } => ours.float |= float,
                Rule::Skip(why) => reason = reason.or(Some(why)),
            }
            ours.code.extend(&code[..length]);
            match subject.step() {
                Step::Ran { alone } => ours.alone &= alone,
                Step::Ended if ours.count == 0 => return None,
                Step::Ended => break,
            }
            ours.count += 1;
            let cpu = subject.machine().cpu(0);
            ours.after = self.places.read(cpu);
            if !self.target.goes_on(&ours.after) || cpu.exceptions() != taken {
                break;
            }
            at = ours.after;
        }
        ours.float |= ours.before.float != ours.after.float;
        Some((ours, reason))
    }

    /// An instruction that is not compared: Unicorn gets what it changed.
    fn skip(&mut self, machine: &mut Machine, count: u64, reason: &'static str) -> Result<Outcome, Error> {
        self.tally.skip(reason, count.max(1));
        self.resync(machine)
    }

    fn resync(&mut self, machine: &mut Machine) -> Result<Outcome, Error> {
        let mem = &mut machine.bus.fabric.mem;
        let mut stale = vec![];
        self.mirror.written(mem, &mut stale);
        let changed = self.mirror.changed(mem, &[]);
        stale.extend(changed);
        self.mirror.copy(mem, &stale)?;
        self.mirror.forget();
        Ok(Outcome::Same)
    }

    /// An exception came before our instruction, or it faults. If our side says that it is undefined, Unicorn has to find
    /// so too.
    fn interrupted(
        &mut self,
        machine: &mut Machine,
        ours: &Ours,
        (did, taken): (u64, u64),
    ) -> Result<Outcome, Error> {
        self.mirror.drop_reservation(&*self.target)?;
        self.mirror.forget();
        // A handler may return with its first instruction: nothing seems to have happened, but twice.
        if taken != 1 || !self.target.faulted(&ours.before, &ours.after) {
            return self.skip(machine, did, EXCEPTION);
        }
        let code = self.first(ours);
        let (cpu, bus) = machine.cpu_mut(0);
        let undefined = self.target.undefined(&code, &ours.after, &mut |addr| peek(cpu, bus, addr));
        let known = std::mem::replace(&mut self.undefined, undefined && self.target.undefined_stays());
        let fresh = undefined && !known;
        if fresh && ours.alone {
            self.mirror.load(&*self.target, &ours.before, ours.float)?;
            if let Ran::Done = self.mirror.run(&*self.target, ours.before.pc)? {
                return Ok(self.differs(machine, ours, "ours finds it undefined".into(), None, vec![]));
            }
        }
        self.skip(machine, did, FAULT)
    }

    /// The first instruction.
    fn first(&self, ours: &Ours) -> [u8; 4] {
        let mut code = [0; 4];
        let length = ours.code.len().min(4);
        code[..length].copy_from_slice(&ours.code[..length]);
        code
    }

    /// Unicorn's side, and the comparison. Unless it is the `last` try, a difference in memory may be a device's doing.
    fn step_theirs(&mut self, machine: &mut Machine, ours: &Ours, last: bool) -> Result<Outcome, Error> {
        for _ in 0..MOST {
            self.mirror.load(&*self.target, &ours.before, ours.float)?;
            match self.mirror.run(&*self.target, ours.before.pc)? {
                Ran::Done => return self.compare(machine, ours, last),
                Ran::Refused(refused) => {
                    self.mirror.forget();
                    if !self.mirror.map_view(&machine.bus.fabric.mem, refused.addr)? {
                        return self.refused(machine, ours, refused);
                    }
                }
                // The step is done: what cannot be executed is what it jumped to.
                Ran::Failed(_, at) if at == ours.after.pc && at != ours.before.pc => {
                    return self.compare(machine, ours, last);
                }
                Ran::Failed(error, _) => {
                    let what = format!("Unicorn does not execute it: {error:?}");
                    return Ok(self.differs(machine, ours, what, None, vec![]));
                }
            }
        }
        Err(Error::Unicorn("one instruction needs ever more memory".into()))
    }

    /// Unicorn has no memory where our side accessed something.
    fn refused(&mut self, machine: &mut Machine, ours: &Ours, refused: Refused) -> Result<Outcome, Error> {
        let rom = machine.bus.fabric.mem.region_at(refused.addr).is_some_and(|r| r.kind == RegionKind::Rom);
        let reason = if rom && refused.write { FLASH } else { DEVICE };
        // It may have been the register that says so.
        self.undefined &= !refused.write;
        self.skip(machine, ours.count, reason)
    }

    fn compare(&mut self, machine: &mut Machine, ours: &Ours, last: bool) -> Result<Outcome, Error> {
        let theirs = self.mirror.save(&*self.target, ours.float)?;
        let mem = &mut machine.bus.fabric.mem;
        let mut pages = vec![];
        self.mirror.written(mem, &mut pages);
        let changed = self.mirror.changed(mem, &pages);
        pages.extend(changed.iter().filter(|slot| !pages.contains(slot)).copied().collect::<Vec<_>>());
        let mut memory = vec![];
        for slot in &pages {
            memory.extend(self.mirror.compare(mem, *slot)?);
        }
        let same = |regs: &[Reg], ours: &[u64; MOST], theirs: &[u64; MOST]| {
            regs.iter().zip(ours.iter().zip(theirs)).all(|(r, (a, b))| *a == b & r.mask)
        };
        let registers = theirs.0 == ours.after.pc
            && same(self.target.core(), &ours.after.core, &theirs.1)
            && theirs.2.is_none_or(|float| same(self.target.float(), &ours.after.float, &float));
        if registers && memory.is_empty() {
            self.mirror.copy_to_others(mem, &pages)?;
            self.tally.compared += ours.count;
            return Ok(Outcome::Same);
        }
        if !last && !memory.is_empty() {
            self.mirror.copy(mem, &pages)?;
            self.mirror.forget();
            return self.step_theirs(machine, ours, true);
        }
        if let Some(why) = self.target.excuse(&self.first(ours), &ours.before) {
            self.mirror.copy(mem, &pages)?;
            return self.skip(machine, ours.count, why);
        }
        let theirs =
            State { pc: theirs.0, core: theirs.1, float: theirs.2.unwrap_or(ours.after.float), ..ours.after };
        Ok(self.differs(machine, ours, "the results differ".into(), Some(theirs), memory))
    }

    fn differs(
        &mut self,
        machine: &Machine,
        ours: &Ours,
        what: String,
        theirs: Option<State>,
        memory: Vec<(u64, u32, u32)>,
    ) -> Outcome {
        let regs = |state: &State, n: usize, float: bool| if float { state.float[n] } else { state.core[n] };
        let mut registers = vec![report::Register {
            name: "pc",
            before: ours.before.pc,
            ours: ours.after.pc,
            theirs: theirs.map(|t| t.pc),
        }];
        for (float, table) in [(false, self.target.core()), (true, self.target.float())] {
            registers.extend(table.iter().enumerate().map(|(n, reg)| report::Register {
                name: reg.name,
                before: regs(&ours.before, n, float),
                ours: regs(&ours.after, n, float),
                theirs: theirs.map(|t| regs(&t, n, float) & reg.mask),
            }));
        }
        Outcome::Differs(Box::new(Difference {
            what,
            pc: ours.before.pc,
            at: machine.now(),
            number: machine.cpu(0).retired(),
            code: ours.code.clone(),
            text: self.target.disassemble(ours.before.pc, &ours.code),
            registers,
            memory,
        }))
    }
}

/// Reads a register of the core's own without side effects.
fn peek(cpu: &mut dyn Cpu, bus: &mut emu_core::bus::Bus, addr: u64) -> u64 {
    let mut bytes = [0; 4];
    emu_core::debug::read(cpu, bus, addr, &mut bytes);
    u32::from_le_bytes(bytes).into()
}
