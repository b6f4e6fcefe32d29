//! The machines that ship, with their CPUs: `devices` knows boards, the front ends know cores, and they meet here.

use devices::{
    board::{self, Board, BoardInfo, CpuMistake, CpuSpec},
    source::{Diagnostics, nearest},
};
use emu_arm::m::{config::MConfig, cpu::CortexM};
use emu_core::cpu::Cpu;
use emu_riscv::{Hart, config as riscv};
use std::cell::Cell;

/// The core that a board asks for, as CPU number `index` of its machine.
pub fn cpu(spec: &CpuSpec, index: u16) -> Result<Box<dyn Cpu>, CpuMistake> {
    if let Some(usual) = MConfig::named(&spec.core) {
        return cortex_m(spec, index, usual);
    }
    if let Some(usual) = riscv::Config::named(&spec.core) {
        return hart(spec, index, usual);
    }
    let known: Vec<_> = MConfig::names().chain(riscv::Config::names()).collect();
    let help = nearest(&spec.core, known.iter().copied()).unwrap_or_default();
    let help = Some(format!("{help} known: {}", known.join(", ")).trim().into());
    Err(CpuMistake { key: "core", message: format!("no core is called `{}`", spec.core), help })
}

fn mistake((key, message): (&'static str, String)) -> CpuMistake {
    CpuMistake { key, message, help: None }
}

/// What an architecture knows nothing of.
fn refuse(core: &str, key: &'static str, set: bool) -> Result<(), CpuMistake> {
    if set { Err(mistake((key, format!("`{key}` means nothing to {core}")))) } else { Ok(()) }
}

fn cortex_m(spec: &CpuSpec, index: u16, usual: MConfig) -> Result<Box<dyn Cpu>, CpuMistake> {
    refuse(&spec.core, "reset_vector", spec.reset_vector.is_some())?;
    let cfg = MConfig {
        irqs: spec.irqs,
        prio_bits: spec.priority_bits.unwrap_or(usual.prio_bits),
        mpu_regions: spec.mpu_regions.unwrap_or(usual.mpu_regions),
        ..usual
    };
    cfg.check().map_err(mistake)?;
    Ok(Box::new(CortexM::new(cfg, index)))
}

fn hart(spec: &CpuSpec, index: u16, usual: riscv::Config) -> Result<Box<dyn Cpu>, CpuMistake> {
    refuse(&spec.core, "priority_bits", spec.priority_bits.is_some())?;
    refuse(&spec.core, "mpu_regions", spec.mpu_regions.is_some())?;
    let reset_vector = match spec.reset_vector.map(u32::try_from) {
        None => usual.reset_vector,
        Some(Ok(v)) => v,
        Some(Err(_)) => return Err(mistake(("reset_vector", "the reset vector lies beyond 4 GiB".into()))),
    };
    let cfg = riscv::Config { reset_vector, ..usual };
    cfg.check().map_err(|what| mistake(("reset_vector", what)))?;
    Ok(Box::new(Hart::new(cfg, index)))
}

/// Builds the shipped board of that name or alias.
pub fn build(name: &str) -> Result<Board, Diagnostics> {
    with_cpus(|cpus| board::build(name, cpus))
}

/// Builds a board from the text of a file. `name` names the machine, `file` stands in diagnostics; `read` gives the text
/// of a SoC file that it inherits by its path.
pub fn build_text(name: &str, file: &str, text: &str, read: board::Reader) -> Result<Board, Diagnostics> {
    with_cpus(|cpus| board::build_text(name, file, text, read, cpus))
}

/// The boards that ship: names, aliases and descriptions.
pub fn list() -> Vec<BoardInfo> {
    board::list()
}

fn with_cpus(
    build: impl FnOnce(board::CpuFactory) -> Result<Board, Diagnostics>,
) -> Result<Board, Diagnostics> {
    let count = Cell::new(0);
    build(&|spec| cpu(spec, count.replace(count.get() + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_core::{
        machine::{Exit, Machine},
        time::Time,
    };

    #[test]
    fn every_shipped_board_builds_and_has_a_cpu() {
        assert!(!list().is_empty());
        for info in list() {
            let board = build(&info.name).unwrap_or_else(|e| panic!("{}: {e}", info.name));
            assert!(board.machine.cpu_count() > 0, "{}", info.name);
            for alias in &info.aliases {
                assert_eq!(build(alias).map(|b| b.info.name).ok().as_ref(), Some(&info.name), "{alias}");
            }
        }
    }

    /// lui a0,0x100; lui a1,UPPER; addi a1,a1,LOWER; sw a1,0(a0); j .
    fn finisher(upper: u32, lower: u32) -> Machine {
        let mut m = build("riscv32-virt").expect("it ships").machine;
        let code = [0x0010_0537, upper << 12 | 0x5b7, lower << 20 | 0x0005_8593, 0x00b5_2023, 0x6f];
        let bytes = code.iter().flat_map(|w: &u32| w.to_le_bytes()).collect();
        m.load_image(vec![(0x8000_0000, bytes)]).expect("RAM");
        m.power_on(1);
        m
    }

    #[test]
    fn a_guest_ends_itself_through_a_device() {
        // 0x5555, and 0x3333 with a code of 7.
        for (upper, lower, code) in [(5, 0x555, 0), (0x73, 0x333, 7)] {
            let mut m = finisher(upper, lower);
            assert_eq!(m.run_until(Time::ms(1)), Exit::Ended(code));
            assert_eq!((m.now(), m.cpu(0).pc()), (Time(50), 0x8000_0010), "right behind the store");
        }
        // 0x7777: everything starts anew, again and again.
        let mut m = finisher(7, 0x777);
        assert_eq!(m.run_until(Time(110)), Exit::Reached);
        assert_eq!((m.retired(), m.cpu(0).pc()), (9, 0x8000_0004));
        // What is none of these is counted.
        let mut m = finisher(1, 0);
        assert_eq!(m.run_until(Time(1000)), Exit::Reached);
        assert_eq!(m.bus.fabric.errors.total, 1);
    }

    /// What Zephyr's `k_busy_wait` does on an nRF51: ten thousand rounds of a loop of 16 cycles. RTC1 must find that they took
    /// ten milliseconds, 327.68 of its ticks.
    #[test]
    fn mend_timing_a_micro_bit_waits_as_long_as_its_real_time_counter_says() {
        let head = [0x4000, 0x2000, 0x0009, 0]; // SP, reset vector
        // ldr r5, CLOCK; movs r1, #1; str r1, [r5, #8] (LFCLKSTART); ldr r4, RTC1; str r1, [r4] (START);
        // ldr r6, COUNTER; ldr r1, [r6]; edge: ldr r0, [r6]; cmp r0, r1; beq edge; ldr r2, 10000
        let start = [0x4d0d, 0x2101, 0x60a9, 0x4c0d, 0x6021, 0x4e0d, 0x6831, 0x6830, 0x4288, 0xd0fc, 0x4a0b];
        // delay: subs r2, #1; 12 nops; bne delay; ldr r3, [r6]; subs r3, r3, r0; b .
        let delay = [&[0x3a01][..], &[0x46c0; 12], &[0xd1f1, 0x6833, 0x1a1b, 0xe7fe]].concat();
        let pool = [0, 0x4000, 0x1000, 0x4001, 0x1504, 0x4001, 10_000, 0];
        let code: Vec<u16> = head.into_iter().chain(start).chain(delay).chain(pool).collect();
        let mut m = build("microbit").expect("it ships").machine;
        m.load_image(vec![(0, code.iter().flat_map(|h| h.to_le_bytes()).collect())]).expect("flash");
        m.power_on(1);
        m.run_until(Time::ms(20));
        assert_eq!((m.cpu(0).pc(), m.cpu(0).reg(3)), (0x3e, 327));
    }

    #[test]
    fn a_wrong_name_gets_the_nearest() {
        let Err(e) = build("microbitt") else { panic!("there is no such machine") };
        assert!(e.to_string().contains("did you mean `microbit`?"), "{e}");
    }

    #[test]
    fn a_wrong_core_says_which_there_are() {
        let text = "[clock]\nc = 1000\n[cpu.cpu0]\ncore = \"cortex-m33\"\nclock = \"c\"\n";
        let Err(e) = build_text("x", "x.toml", text, &|_| Err(String::new())) else {
            panic!("there is no such core")
        };
        let text = e.to_string();
        assert!(text.contains("x.toml:4") && text.contains("known: cortex-m0"), "{text}");
    }

    #[test]
    fn the_numbers_of_a_board_reach_its_core() {
        let spec = |core: &str, priority_bits| CpuSpec {
            core: core.into(),
            irqs: 40,
            priority_bits,
            mpu_regions: None,
            reset_vector: None,
            hz: 1,
        };
        assert_eq!(cpu(&spec("cortex-m3", Some(3)), 0).map(|c| c.kind()).ok(), Some("cortex-m3"));
        assert!(cpu(&spec("cortex-m3", Some(9)), 0).is_err());
        assert!(cpu(&spec("cortex-m0", None), 0).is_err(), "v6-M has at most 32 interrupts");
        assert_eq!(cpu(&spec("rv32imac", None), 0).map(|c| c.kind()).ok(), Some("rv32imac"));
        assert!(cpu(&spec("rv32imac", Some(3)), 0).is_err(), "that is the NVIC's");
        for (core, at) in [("rv32imac", 3), ("rv32imac", 1 << 32), ("cortex-m3", 0)] {
            assert!(cpu(&CpuSpec { reset_vector: Some(at), ..spec(core, None) }, 0).is_err(), "{core} {at}");
        }
    }
}
