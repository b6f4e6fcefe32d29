//! Our own core behind the oracle's interface, and the comparison.

use emu_arm::m::{config::MConfig, core::Core as ArmCore, state::RegFile};
use emu_core::{
    bus::Bus,
    cpu::Run,
    memory::{Memory, RegionKind},
};
use emu_engine::cache::CodeCache;
use emu_unicorn::cases::Case;
use emu_unicorn::{CODE, CODE_SIZE, Core, DATA, DATA_SIZE, Oracle, Outcome, State, Stop, filler};

/// How our core is driven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drive {
    /// One instruction at a time.
    Steps,
    /// The budget ends behind the sequence, in the middle of its block.
    Budget,
    /// The block runs to its end, an undefined instruction behind the sequence.
    Block,
}

/// One of our cores with the oracle's memory map.
pub struct Ours {
    core: Core,
    cfg: MConfig,
    bus: Bus,
    cache: CodeCache,
}

impl Ours {
    pub fn new(core: Core) -> Ours {
        let name = match core {
            Core::M0 => "cortex-m0",
            Core::M3 => "cortex-m3",
            Core::M4 => "cortex-m4f",
            Core::M7 => "cortex-m7f",
        };
        let mut bus = Bus::default();
        let mem: &mut Memory = &mut bus.fabric.mem;
        mem.add_region("code", CODE.into(), CODE_SIZE.into(), RegionKind::Rom);
        mem.add_region("data", DATA.into(), DATA_SIZE.into(), RegionKind::Ram);
        let fill: Vec<u8> =
            (CODE..CODE + CODE_SIZE).step_by(2).flat_map(|a| filler(a).to_le_bytes()).collect();
        assert_eq!(mem.poke(CODE.into(), &fill), fill.len());
        let cfg = MConfig::named(name).expect("a core of that name");
        Ours { core, cfg, bus, cache: CodeCache::default() }
    }

    pub fn run(&mut self, case: &Case, drive: Drive) -> Outcome {
        let entry = case.state.r[15];
        self.bus.fabric.mem.poke(entry.into(), &case.code);
        self.bus.fabric.mem.poke(DATA.into(), &case.memory);
        let mut cpu = ArmCore::new(self.cfg.clone(), 0);
        self.load(&mut cpu, &case.state);
        let mut steps = cpu.clone();
        let cycles = (0..instructions(&case.code)).fold(0, |n, _| self.go(&mut steps, (n, n + 1), true));
        if drive == Drive::Steps {
            cpu = steps;
        } else {
            self.bus.fabric.mem.poke(DATA.into(), &case.memory);
            // A branch ends the sequence; what stands at its target must not run.
            let more = u64::from(drive == Drive::Block);
            self.go(&mut cpu, (0, cycles + more), false);
        }
        // A fault leaves the pc at its instruction; the exception would be entered before the next one.
        let span = entry..entry + case.code.len() as u32;
        let stop = if span.contains(&cpu.regs.r(15)) { Stop::Exception } else { Stop::Left };
        let mut memory = vec![0; DATA_SIZE as usize];
        self.bus.fabric.mem.peek(DATA.into(), &mut memory);
        let behind: Vec<u8> = (entry..entry + case.code.len() as u32)
            .step_by(2)
            .flat_map(|a| filler(a).to_le_bytes())
            .collect();
        self.bus.fabric.mem.poke(entry.into(), &behind);
        Outcome { state: self.save(&cpu), memory, stop }
    }

    /// Runs from a cycle to another; returns when the next instruction would start.
    fn go(&mut self, cpu: &mut ArmCore, (cycle, until): (u64, u64), step: bool) -> u64 {
        cpu.run(&mut self.cache, &mut self.bus, Run { cycle, until, step, resume: false }).0
    }

    fn load(&self, cpu: &mut ArmCore, state: &State) {
        for (n, value) in state.r.iter().enumerate() {
            cpu.regs.set_r(n, *value);
        }
        let st = &mut cpu.sys.st;
        st.set_psr(&mut cpu.regs, &self.cfg, state.apsr | 1 << 24);
        if self.core.has_fpu() {
            (st.cpacr, st.fpca, st.fpscr) = (0xf << 20, true, state.fpscr);
            for (n, value) in state.s.iter().enumerate() {
                cpu.regs.set_s(n, *value);
            }
        }
    }

    fn save(&self, cpu: &ArmCore) -> State {
        let mut state = State::default();
        for (n, value) in state.r.iter_mut().enumerate() {
            *value = cpu.regs.r(n);
        }
        state.apsr = cpu.sys.st.xpsr(&cpu.regs) & emu_unicorn::APSR_MASK;
        if self.core.has_fpu() {
            for (n, value) in state.s.iter_mut().enumerate() {
                *value = cpu.regs.s(n);
            }
            state.fpscr = cpu.sys.st.fpscr;
        }
        state
    }
}

/// Instructions in a sequence, IT among them.
fn instructions(code: &[u8]) -> u64 {
    let (mut at, mut count) = (0, 0);
    while at < code.len() {
        at += if code[at + 1] >= 0xe8 { 4 } else { 2 };
        count += 1;
    }
    count
}

/// Where two outcomes differ; `None` if they agree. Faults are compared only as such.
pub fn difference(ours: &Outcome, theirs: &Outcome) -> Option<String> {
    let (left, faulted) = (theirs.stop == Stop::Left, ours.stop != Stop::Left);
    if left == faulted {
        return Some(format!("ours {:?}, theirs {:?}", ours.stop, theirs.stop));
    }
    if !left {
        return None;
    }
    if ours.state == theirs.state && ours.memory == theirs.memory {
        return None;
    }
    let mut lines = Vec::new();
    let mut check = |name: &dyn Fn() -> String, ours: u32, theirs: u32| {
        if ours != theirs {
            lines.push(format!("{}: ours {ours:08x} theirs {theirs:08x}", name()));
        }
    };
    for n in 0..16 {
        check(&|| format!("r{n}"), ours.state.r[n], theirs.state.r[n]);
    }
    check(&|| "apsr".into(), ours.state.apsr, theirs.state.apsr);
    for n in 0..32 {
        check(&|| format!("s{n}"), ours.state.s[n], theirs.state.s[n]);
    }
    check(&|| "fpscr".into(), ours.state.fpscr, theirs.state.fpscr);
    for (n, (a, b)) in ours.memory.chunks(4).zip(theirs.memory.chunks(4)).enumerate() {
        let word = |x: &[u8]| u32::from_le_bytes([x[0], x[1], x[2], x[3]]);
        check(&|| format!("[{:08x}]", DATA + 4 * n as u32), word(a), word(b));
    }
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// A pair of cores and the complaints about them.
pub struct Duel {
    pub core: Core,
    oracle: Oracle,
    ours: Ours,
    wrong: Vec<String>,
    runs: usize,
}

impl Duel {
    pub fn new(core: Core) -> Duel {
        Duel { core, oracle: Oracle::new(core), ours: Ours::new(core), wrong: Vec::new(), runs: 0 }
    }

    /// Runs a case on both; on ours in each of the given ways.
    pub fn run(&mut self, case: &Case, drives: &[Drive]) {
        let theirs = self.oracle.run(&case.state, &case.code, &case.memory);
        for drive in drives {
            let ours = self.ours.run(case, *drive);
            self.runs += 1;
            if let Some(what) = difference(&ours, &theirs) {
                let State { r, apsr, fpscr, .. } = &case.state;
                self.wrong.push(format!(
                    "{:?} {drive:?} {} [{}]\n    {what}\n    from apsr {apsr:08x} fpscr {fpscr:08x} r {r:08x?}",
                    self.core,
                    case.name,
                    case.listing()
                ));
            }
        }
    }

    /// Panics with the first complaints, one for each class.
    pub fn finish(self, at_least: usize) {
        let mut seen = Vec::new();
        let mut shown = Vec::new();
        for text in &self.wrong {
            let class = text.split(['[', ',']).next().unwrap_or_default();
            if !seen.contains(&class) {
                seen.push(class);
                shown.push(text.as_str());
            }
        }
        let (wrong, kinds) = (self.wrong.len(), shown.len());
        shown.truncate(60);
        assert!(wrong == 0, "{wrong} of {} differ, {kinds} classes:\n{}", self.runs, shown.join("\n"));
        assert!(self.runs >= at_least, "only {} runs", self.runs);
    }
}
