//! A guest program for the MPS2 boards under Unicorn, in slices of a fixed number of instructions: what an exact engine
//! made of Unicorn costs. `cargo xtask bench` runs it.
//!
//!     counted ELF [SLICE]
//!
//! The console is UART0 (always ready); semihosting's SYS_EXIT ends the run. SLICE 0 runs without a count.

use std::io::Write;
use std::process::ExitCode;

use unicorn_engine::{Arch, ArmCpuModel, Mode, Prot, RegisterARM, Unicorn, uc_error};

/// Code memory, SRAM and the page of UART0 on the MPS2 boards.
const CODE: (u64, u64) = (0, 4 << 20);
const RAM: (u64, u64) = (0x2000_0000, 4 << 20);
const UART0: (u64, u64) = (0x4000_4000, 0x1000);
/// `BKPT 0xAB`, semihosting's call on M-profile cores.
const SEMIHOSTING: [u8; 2] = [0xab, 0xbe];
const SYS_EXIT: u64 = 0x18;
const ADP_STOPPED_APPLICATION_EXIT: u64 = 0x2_0026;
/// Instructions between two looks at the world, unless the command line says otherwise.
const SLICE: usize = 100_000;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("counted: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Gives whether the guest was content.
fn run(mut arguments: impl Iterator<Item = String>) -> Result<bool, Failure> {
    let elf = arguments.next().ok_or("usage: counted ELF [SLICE]")?;
    let slice = arguments.next().map_or(Ok(SLICE), |text| text.parse())?;
    let image = emu_loader::load(&std::fs::read(elf)?, None)?;
    let mut uc = board().map_err(said)?;
    for segment in &image.segments {
        uc.mem_write(segment.addr, &segment.data).map_err(said)?;
    }
    let (sp, mut pc) = (word(&uc, CODE.0)?, word(&uc, CODE.0 + 4)?);
    uc.reg_write(RegisterARM::SP, sp).map_err(said)?;
    loop {
        let result = uc.emu_start(pc | 1, u64::MAX, 0, slice);
        pc = uc.reg_read(RegisterARM::PC).map_err(said)?;
        match result {
            Ok(()) => {}
            Err(error) if !at_semihosting(&uc, pc) => return Err(format!("{error:?} at {pc:#x}").into()),
            Err(_) => return exit(&uc),
        }
    }
}

fn board() -> Result<Unicorn<'static, ()>, uc_error> {
    // THUMB with an explicit model: MCLASS would force a Cortex-M33.
    let mut uc = Unicorn::new(Arch::ARM, Mode::THUMB)?;
    uc.ctl_set_cpu_model(ArmCpuModel::CORTEX_M3 as i32)?;
    uc.mem_map(CODE.0, CODE.1, Prot::ALL)?;
    uc.mem_map(RAM.0, RAM.1, Prot::ALL)?;
    uc.mmio_map(UART0.0, UART0.1, Some(|_: &mut Unicorn<'_, ()>, _, _| 0), Some(uart_write))?;
    Ok(uc)
}

fn uart_write(_: &mut Unicorn<'_, ()>, offset: u64, _: usize, value: u64) {
    if offset == 0 {
        // Nobody reads any more: the guest goes on all the same.
        let _ = std::io::stdout().write_all(&[value as u8]);
    }
}

fn word(uc: &Unicorn<'_, ()>, at: u64) -> Result<u64, Failure> {
    let mut bytes = [0; 4];
    uc.mem_read(at, &mut bytes).map_err(said)?;
    Ok(u32::from_le_bytes(bytes).into())
}

fn at_semihosting(uc: &Unicorn<'_, ()>, pc: u64) -> bool {
    let mut bytes = [0; 2];
    uc.mem_read(pc & !1, &mut bytes).is_ok() && bytes == SEMIHOSTING
}

fn exit(uc: &Unicorn<'_, ()>) -> Result<bool, Failure> {
    let [operation, reason] = [RegisterARM::R0, RegisterARM::R1].map(|r| uc.reg_read(r));
    match operation.map_err(said)? {
        SYS_EXIT => Ok(reason.map_err(said)? == ADP_STOPPED_APPLICATION_EXIT),
        other => Err(format!("semihosting call {other:#x} is not served").into()),
    }
}

fn said(error: uc_error) -> Failure {
    format!("Unicorn: {error:?}").into()
}
