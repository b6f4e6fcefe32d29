//! What an architecture is to the comparison: a table of registers that both sides know, and a rule for the
//! instructions that cannot be compared.

use super::mirror::Uc;
use emu_core::cpu::{Arch, Cpu};
use unicorn_engine::uc_error;

/// As many integer registers, or floating-point ones, as any architecture has here.
pub(super) const MOST: usize = 34;

/// A register that both have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reg {
    /// Name in our target description.
    pub name: &'static str,
    /// Unicorn's number of it.
    pub unicorn: i32,
    /// The number under which it is written.
    pub write: i32,
    /// The bits that are compared.
    pub mask: u64,
}

/// What a rule says of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rule {
    /// It is compared; with `float`, floating-point registers too.
    Compare { float: bool },
    /// It is not, for this reason.
    Skip(&'static str),
}

/// An architecture.
pub(super) trait Target {
    /// What Unicorn imitates, for messages.
    fn name(&self) -> &'static str;
    /// An instance of Unicorn that imitates the core, with nothing mapped.
    fn open(&self) -> Result<Uc, uc_error>;
    /// Integer registers and flags, the program counter not among them.
    fn core(&self) -> &[Reg];
    /// Floating-point registers.
    fn float(&self) -> &[Reg];
    /// Unicorn's number of the program counter.
    fn pc(&self) -> i32;
    /// Our name of a register that tells modes or causes apart.
    fn status(&self) -> &'static str;
    /// The address with which Unicorn is started at `pc`.
    fn start(&self, pc: u64) -> u64 {
        pc
    }
    /// Bytes of the instruction that begins so.
    fn length(&self, code: &[u8; 4]) -> usize;
    /// Whether and how the instruction is compared. `peek` reads a register of the core's own by its address.
    fn rule(&self, code: &[u8; 4], before: &State, peek: &mut dyn FnMut(u64) -> u64) -> Rule;
    /// Whether Unicorn goes on after the instruction that led to `after` as if it had not ended.
    fn goes_on(&self, _after: &State) -> bool {
        false
    }
    /// Why an instruction that did this cannot be compared, seen from its end.
    fn left_out(&self, _before: &State, _after: &State) -> Option<&'static str> {
        None
    }
    /// A known fault of Unicorn that explains a difference at this instruction.
    fn excuse(&self, _code: &[u8; 4], _before: &State) -> Option<&'static str> {
        None
    }
    /// An instruction that drops the reservation of exclusive accesses, as exceptions do.
    fn drop_reservation(&self) -> Option<&'static [u8]> {
        None
    }
    /// Whether this instruction, which is not compared, drops the reservation.
    fn drops_reservation(&self, _code: &[u8; 4]) -> bool {
        false
    }
    /// Whether this instruction faulted, if something exceptional happened once.
    fn faulted(&self, before: &State, after: &State) -> bool {
        before.pc == after.pc
    }
    /// Whether our core says that an instruction that faulted is undefined, and Unicorn would have to agree. `peek` as for
    /// [`Target::rule`].
    fn undefined(&self, code: &[u8; 4], after: &State, peek: &mut dyn FnMut(u64) -> u64) -> bool;
    /// It goes on to say so until the guest clears that.
    fn undefined_stays(&self) -> bool {
        true
    }
    /// Text of instructions at `pc`.
    fn disassemble(&self, pc: u64, code: &[u8]) -> Vec<String>;
}

/// Registers of our core, in the order of the target's tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct State {
    pub pc: u64,
    pub core: [u64; MOST],
    pub float: [u64; MOST],
    /// [`Target::status`], and the control register where there is one.
    pub status: u64,
    pub control: u64,
}

/// Which of our registers are those of the target's tables.
pub(super) struct Places {
    core: Vec<(usize, u64)>,
    float: Vec<(usize, u64)>,
    status: Option<usize>,
    control: Option<usize>,
}

impl Places {
    /// `Err`: the name of a register that ours lacks.
    pub fn find(target: &dyn Target, arch: &Arch) -> Result<Places, &'static str> {
        let number = |name: &str| arch.regs.iter().position(|r| r.name == name);
        let places = |regs: &[Reg]| {
            regs.iter().map(|r| Ok((number(r.name).ok_or(r.name)?, r.mask))).collect::<Result<Vec<_>, _>>()
        };
        Ok(Places {
            core: places(target.core())?,
            float: places(target.float())?,
            status: number(target.status()),
            control: number("control"),
        })
    }

    /// The state of our core.
    pub fn read(&self, cpu: &dyn Cpu) -> State {
        let mut state = State { pc: cpu.pc(), core: [0; MOST], float: [0; MOST], status: 0, control: 0 };
        for (value, (n, mask)) in state.core.iter_mut().zip(&self.core) {
            *value = cpu.reg(*n) & mask;
        }
        for (value, (n, mask)) in state.float.iter_mut().zip(&self.float) {
            *value = cpu.reg(*n) & mask;
        }
        state.status = self.status.map_or(0, |n| cpu.reg(n));
        state.control = self.control.map_or(0, |n| cpu.reg(n));
        state
    }
}
