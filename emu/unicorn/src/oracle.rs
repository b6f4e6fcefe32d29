//! Unicorn behind one function: a short instruction sequence on a given state, and what became of it.

use unicorn_engine::{Arch, ArmCpuModel, Mode, Prot, RegisterARM, Unicorn, uc_error};

/// Start of the region that holds code. All of it that is not the sequence under test is [`filler`].
pub const CODE: u32 = 0x0001_0000;
/// Size of that region.
pub const CODE_SIZE: u32 = 0x8_0000;
/// Where sequences usually stand: in the middle, so that branches and literals reach both ways.
pub const ENTRY: u32 = CODE + CODE_SIZE / 2;
/// Start of the data region, whose contents every run is given and returns.
pub const DATA: u32 = 0x2000_0000;
/// Size of that region.
pub const DATA_SIZE: u32 = 0x4000;

/// APSR bits that the oracle carries: N, Z, C, V, Q and GE.
pub const APSR_MASK: u32 = 0xf80f_0000;

/// The cores that Unicorn and the emulator have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Core {
    /// Cortex-M0: v6-M.
    M0,
    /// Cortex-M3: v7-M.
    M3,
    /// Cortex-M4 with FPU: v7E-M, FPv4-SP.
    M4,
    /// Cortex-M7 with FPU: v7E-M, FPv5 with double precision.
    M7,
}

impl Core {
    /// All of them.
    pub const ALL: [Core; 4] = [Core::M0, Core::M3, Core::M4, Core::M7];

    /// Whether it has an FPU.
    pub fn has_fpu(self) -> bool {
        matches!(self, Core::M4 | Core::M7)
    }

    /// The APSR bits it has.
    pub fn apsr_mask(self) -> u32 {
        match self {
            Core::M0 => 0xf000_0000,
            Core::M3 => 0xf800_0000,
            Core::M4 | Core::M7 => APSR_MASK,
        }
    }

    fn model(self) -> ArmCpuModel {
        match self {
            Core::M0 => ArmCpuModel::CORTEX_M0,
            Core::M3 => ArmCpuModel::CORTEX_M3,
            Core::M4 => ArmCpuModel::CORTEX_M4,
            Core::M7 => ArmCpuModel::CORTEX_M7,
        }
    }
}

/// The registers an instruction can see and change.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// R0 to R15; R15 is the address of the next instruction, bit 0 clear.
    pub r: [u32; 16],
    /// APSR: the bits of [`APSR_MASK`].
    pub apsr: u32,
    /// S0 to S31.
    pub s: [u32; 32],
    /// FPSCR.
    pub fpscr: u32,
}

/// Why a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The pc left the sequence: it fell off the end or branched away.
    Left,
    /// An undefined instruction inside the sequence.
    Undefined,
    /// A load from nowhere.
    ReadFault,
    /// A store to nowhere.
    WriteFault,
    /// Any other exception: SVC, BKPT, a jump to ARM state, an unaligned access that must be aligned.
    Exception,
}

/// What a run did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Registers afterwards.
    pub state: State,
    /// The data region afterwards.
    pub memory: Vec<u8>,
    /// Why it ended.
    pub stop: Stop,
}

/// One Unicorn instance of one core.
pub struct Oracle {
    uc: Unicorn<'static, ()>,
    core: Core,
}

/// The halfword at each code address outside the sequence: a permanently undefined instruction, which ends a run wherever
/// it lands, with an immediate that tells literals apart.
pub fn filler(address: u32) -> u16 {
    0xde00 | (address >> 1).wrapping_mul(0x9e37_79b1).to_be_bytes()[0] as u16
}

fn filler_bytes(start: u32, len: u32) -> Vec<u8> {
    (start..start + len).step_by(2).flat_map(|a| filler(a).to_le_bytes()).collect()
}

/// A failure of the oracle itself, never of the guest.
fn sure<T>(result: Result<T, uc_error>) -> T {
    result.unwrap_or_else(|error| panic!("Unicorn itself failed: {error:?}"))
}

impl Oracle {
    /// A fresh instance with the regions mapped, the FPU on and its context owned.
    pub fn new(core: Core) -> Oracle {
        // THUMB with an explicit model: MCLASS would force a Cortex-M33.
        let mut uc = sure(Unicorn::new(Arch::ARM, Mode::THUMB));
        sure(uc.ctl_set_cpu_model(core.model() as i32));
        sure(uc.mem_map(CODE.into(), CODE_SIZE.into(), Prot::READ | Prot::EXEC));
        sure(uc.mem_map(DATA.into(), DATA_SIZE.into(), Prot::READ | Prot::WRITE));
        sure(uc.mem_write(CODE.into(), &filler_bytes(CODE, CODE_SIZE)));
        if core.has_fpu() {
            // FPCA set: otherwise the first FP instruction would load FPSCR from FPDSCR.
            sure(uc.reg_write(RegisterARM::CONTROL, 4));
        }
        Oracle { uc, core }
    }

    /// The core it imitates.
    pub fn core(&self) -> Core {
        self.core
    }

    /// Runs `code` placed at `state.r[15]` until the pc leaves it. `memory` is the data region.
    ///
    /// IT blocks in the sequence must be complete, and it must not loop.
    pub fn run(&mut self, state: &State, code: &[u8], memory: &[u8]) -> Outcome {
        assert_eq!(memory.len(), DATA_SIZE as usize);
        let entry = state.r[15];
        let span = entry..entry + code.len() as u32;
        sure(self.uc.mem_write(entry.into(), code));
        sure(self.uc.mem_write(DATA.into(), memory));
        sure(self.uc.ctl_remove_cache(entry.into(), u64::from(span.end) + 4));
        self.load(state);
        // Nothing ends at the `until` address: every way out of the sequence meets the filler or unmapped memory.
        let result = self.uc.emu_start(u64::from(entry) | 1, 0xffff_fffe, 0, 0);
        let state = self.save();
        let mut memory = vec![0; DATA_SIZE as usize];
        sure(self.uc.mem_read(DATA.into(), &mut memory));
        sure(self.uc.mem_write(entry.into(), &filler_bytes(entry, code.len() as u32)));
        sure(self.uc.ctl_remove_cache(entry.into(), u64::from(span.end) + 4));
        let stop =
            if span.contains(&state.r[15]) { fault(result) } else { landed(result, state.r[15] == span.end) };
        Outcome { state, memory, stop }
    }

    fn load(&mut self, state: &State) {
        // The APSR first: a write to it also sets the T bit from its operand.
        let xpsr = state.apsr & APSR_MASK | 1 << 24;
        sure(self.uc.reg_write(RegisterARM::XPSR_NZCVQG, xpsr.into()));
        for (n, value) in state.r[..15].iter().enumerate() {
            sure(self.uc.reg_write(core_register(n), (*value).into()));
        }
        if self.core.has_fpu() {
            for (n, value) in state.s.iter().enumerate() {
                sure(self.uc.reg_write(RegisterARM::S0 as i32 + n as i32, (*value).into()));
            }
            sure(self.uc.reg_write(RegisterARM::FPSCR, state.fpscr.into()));
        }
    }

    fn save(&self) -> State {
        let mut state = State::default();
        let read = |id: i32| sure(self.uc.reg_read(id)) as u32;
        for (n, value) in state.r.iter_mut().enumerate() {
            *value = read(core_register(n));
        }
        // Bits 0 and 1 of the SP do not exist; this version of Unicorn keeps what is written there.
        state.r[13] &= !3;
        state.r[15] &= !1;
        state.apsr = read(RegisterARM::XPSR as i32) & self.core.apsr_mask();
        if self.core.has_fpu() {
            for (n, value) in state.s.iter_mut().enumerate() {
                *value = read(RegisterARM::S0 as i32 + n as i32);
            }
            state.fpscr = read(RegisterARM::FPSCR as i32);
        }
        state
    }
}

fn core_register(n: usize) -> i32 {
    match n {
        13 => RegisterARM::SP as i32,
        14 => RegisterARM::LR as i32,
        15 => RegisterARM::PC as i32,
        _ => RegisterARM::R0 as i32 + n as i32,
    }
}

/// The filler or unmapped memory ended the run. SVC leaves the pc just behind itself with an exception, which is no
/// landing; an exception farther away comes from the system region, which cannot be executed.
fn landed(result: Result<(), uc_error>, just_behind: bool) -> Stop {
    let exception = !matches!(result, Err(uc_error::INSN_INVALID | uc_error::FETCH_UNMAPPED));
    if exception && just_behind { Stop::Exception } else { Stop::Left }
}

fn fault(result: Result<(), uc_error>) -> Stop {
    match result {
        Err(uc_error::INSN_INVALID) => Stop::Undefined,
        Err(uc_error::READ_UNMAPPED | uc_error::READ_PROT) => Stop::ReadFault,
        Err(uc_error::WRITE_UNMAPPED | uc_error::WRITE_PROT) => Stop::WriteFault,
        _ => Stop::Exception,
    }
}
