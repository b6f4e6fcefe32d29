//! A whole hart in a machine: hand-assembled code, exact traps, exact cycles, sleep, snapshots.

mod asm;
mod mend_atomic;
mod user;

use asm::*;
use emu_core::{
    bus::Bus,
    cpu::Engine,
    device::{DevId, ResetKind},
    machine::{Exit, Machine},
    memory::RegionKind,
    time::Clock,
};
use emu_riscv::{Hart, config::Config};

const CYCLE: u64 = 100;
const RAM: u32 = 0x8000_0000;
const SIZE: u32 = 0x1_0000;
const HANDLER: u32 = RAM + 0x800;
const DATA: u32 = RAM + 0x4000;
const NOWHERE: u32 = 0x4000_0000;

const MSTATUS: u32 = 0x300;
const MIE: u32 = 0x304;
const MTVEC: u32 = 0x305;
const MEPC: u32 = 0x341;
const MCAUSE: u32 = 0x342;
const MTVAL: u32 = 0x343;
const MCYCLE: u32 = 0xb00;
const MINSTRET: u32 = 0xb02;

/// The numbers of registers as debuggers know them.
const PC: usize = 32;
const GDB_MSTATUS: usize = 33;
const GDB_MIE: usize = 35;
const GDB_MTVEC: usize = 36;
const GDB_MEPC: usize = 38;
const GDB_MCAUSE: usize = 39;
const GDB_MTVAL: usize = 40;

/// 64 KiB of RAM with `code` at its start and `handler` where mtvec points; 10 MHz.
fn board(code: &[u32], handler: &[u32]) -> Machine {
    let mut bus = Bus::default();
    bus.fabric.mem.add_region("ram", RAM.into(), SIZE.into(), RegionKind::Ram);
    let mut m = Machine::new("board", bus);
    let cfg = Config { reset_vector: RAM, ..Config::named("rv32imac").expect("a core") };
    m.add_cpu(Box::new(Hart::new(cfg, 0)), Clock::hz(1_000_000_000 / CYCLE));
    let bytes = |code: &[u32]| code.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>();
    m.load_image(vec![(RAM.into(), bytes(code)), (HANDLER.into(), bytes(handler))]).expect("RAM");
    m.power_on(1);
    set(&mut m, GDB_MTVEC, HANDLER);
    set(&mut m, SP as usize, DATA);
    m
}

fn reg(m: &Machine, n: usize) -> u32 {
    m.cpu(0).reg(n) as u32
}
fn x(m: &Machine, n: u32) -> u32 {
    reg(m, n as usize)
}
fn set(m: &mut Machine, n: usize, v: u32) {
    assert!(m.cpu_mut(0).0.set_reg(n, v.into()));
}
fn word(m: &Machine, addr: u32) -> u32 {
    let mut b = [0; 4];
    assert_eq!(m.bus.fabric.mem.peek(addr.into(), &mut b), 4);
    u32::from_le_bytes(b)
}
fn cycles(m: &mut Machine, n: u64) -> Exit {
    m.run_until(m.now() + n * CYCLE)
}
/// So many instructions.
fn steps(m: &mut Machine, n: u64) {
    (0..n).for_each(|_| _ = m.step(emu_core::Time::MAX));
}
/// An interrupt line of the hart.
fn line(m: &mut Machine, n: u16, high: bool) {
    m.bus.fabric.irqs.push((0, n, high));
    m.set_pin(DevId(0x1000), 0, false); // no such device: only lets the hart look
}

/// What a trap leaves: mcause, mtval, mepc and the pc.
fn trap(m: &Machine) -> [u32; 4] {
    [reg(m, GDB_MCAUSE), reg(m, GDB_MTVAL), reg(m, GDB_MEPC), reg(m, PC)]
}

#[test]
fn every_exception_tells_cause_value_and_place() {
    let cases: &[(u32, u32, u32, &str)] = &[
        (0xffff_ffff, 2, 0xffff_ffff, "no instruction"),
        (0x0000_0000, 2, 0, "the 16-bit instruction 0"),
        (0x0000_9c01, 2, 0x9c01, "c.subw is for RV64"),
        (csrrw(0, 0xf14, A0), 2, csrrw(0, 0xf14, A0), "a read-only register"),
        (csrr(A0, 0x7c0), 2, csrr(A0, 0x7c0), "no such register"),
        (0x1020_0073, 2, 0x1020_0073, "SRET without supervisor mode"),
        (ECALL, 11, 0, "ECALL"),
        (EBREAK, 3, 0, "EBREAK"),
        (lw(A0, A1, 3), 5, NOWHERE + 3, "a load from nowhere"),
        (sw(A0, A1, -4), 7, NOWHERE - 4, "a store to nowhere"),
        (amo(0, A0, A0, A1), 7, NOWHERE, "an AMO to nowhere"),
        (amo(0, A0, A0, A2), 6, DATA + 2, "a misaligned AMO"),
        (lr(A0, A2), 4, DATA + 2, "a misaligned LR"),
        (sc(A0, A0, A2), 6, DATA + 2, "a misaligned SC"),
        (lr(A0, A1), 5, NOWHERE, "LR from nowhere"),
    ];
    for (insn, cause, tval, what) in cases {
        let mut m = board(&[NOP, *insn, NOP], &[NOP, j(0)]);
        set(&mut m, A1 as usize, NOWHERE);
        set(&mut m, A2 as usize, DATA + 2);
        set(&mut m, GDB_MSTATUS, 8);
        cycles(&mut m, 2);
        assert_eq!(trap(&m), [*cause, *tval, RAM + 4, HANDLER], "{what}");
        assert_eq!((x(&m, A0), reg(&m, GDB_MSTATUS)), (0, 0x1880), "{what}");
    }
}

#[test]
fn a_fetch_faults_at_the_part_that_is_missing() {
    let mut m = board(&[jalr(RA, A1, 1)], &[NOP, j(0)]);
    set(&mut m, A1 as usize, NOWHERE + 8);
    cycles(&mut m, 3);
    assert_eq!((trap(&m), x(&m, RA)), ([1, NOWHERE + 8, NOWHERE + 8, HANDLER], RAM + 4));
    // The last two bytes of RAM hold the first half of an instruction.
    let end = RAM + SIZE;
    let mut m = board(&[jalr(0, A1, 0)], &[NOP, j(0)]);
    m.bus.fabric.mem.poke((end - 2).into(), &[0x13, 0]);
    set(&mut m, A1 as usize, end - 2);
    cycles(&mut m, 3);
    assert_eq!(trap(&m), [1, end, end - 2, HANDLER]);
}

#[test]
fn misaligned_accesses_to_memory_work_even_across_pages() {
    let mut m = board(&[sw(A0, SP, -2), lw(A1, SP, -2), lh(A2, SP, -1), sw(A0, S1, 0)], &[NOP, j(0)]);
    set(&mut m, A0 as usize, 0x8182_8384);
    set(&mut m, S1 as usize, RAM + SIZE - 2);
    steps(&mut m, 4);
    assert_eq!((x(&m, A1), x(&m, A2)), (0x8182_8384, 0xffff_8283));
    assert_eq!(trap(&m)[..2], [7, RAM + SIZE], "half of it lies beyond the end");
    assert_eq!(word(&m, RAM + SIZE - 4), 0, "nothing of it was written");
}

#[test]
fn interrupts_are_taken_between_two_instructions_and_by_vector() {
    for (mode, offset) in [(0, 0), (1, 4 * 7)] {
        let mut m = board(&[addi(A0, A0, 1), j(-4)], &[j(0); 16]);
        set(&mut m, GDB_MTVEC, HANDLER | mode);
        set(&mut m, GDB_MIE, 0x80);
        set(&mut m, GDB_MSTATUS, 8);
        cycles(&mut m, 7);
        line(&mut m, 7, true);
        assert_eq!(reg(&m, PC), RAM + 4, "not before an instruction would run");
        cycles(&mut m, 1);
        assert_eq!(trap(&m), [0x8000_0007, 0, RAM + 4, HANDLER + offset]);
        assert_eq!((x(&m, A0), reg(&m, GDB_MSTATUS)), (3, 0x1880));
    }
}

#[test]
fn a_pending_interrupt_comes_right_after_what_lets_it_in() {
    for (insn, value) in [(csrrsi(0, MSTATUS, 8), 0), (csrrw(0, MIE, A1), 0x800), (MRET, 0)] {
        let mut m = board(&[NOP, insn, NOP, NOP], &[NOP, j(0)]);
        set(&mut m, A1 as usize, value);
        set(&mut m, GDB_MEPC, RAM + 8);
        set(&mut m, GDB_MIE, if value == 0 { 0x800 } else { 0 });
        // MPIE for MRET, MIE where mie decides.
        set(&mut m, GDB_MSTATUS, if value == 0 { 0x80 } else { 8 });
        line(&mut m, 11, true);
        steps(&mut m, 3);
        assert_eq!(trap(&m), [0x8000_000b, 0, RAM + 8, HANDLER + 4], "{insn:08x}");
    }
}

#[test]
fn a_trap_in_a_handler_takes_the_place_of_the_first() {
    let mut m = board(&[ECALL], &[NOP, csrr(A0, MEPC), EBREAK]);
    set(&mut m, GDB_MSTATUS, 8);
    steps(&mut m, 4);
    assert_eq!((x(&m, A0), trap(&m)), (RAM, [3, 0, HANDLER + 8, HANDLER]));
    assert_eq!(reg(&m, GDB_MSTATUS), 0x1800, "MPIE is the handler's MIE now");
}

#[test]
fn wfi_waits_for_what_mie_names_and_goes_on_without_a_trap_if_none_are_taken() {
    let mut m = board(&[WFI, addi(A0, A0, 1), j(0)], &[NOP, j(0)]);
    set(&mut m, GDB_MIE, 0x80);
    cycles(&mut m, 10);
    assert!(m.asleep(0));
    line(&mut m, 11, true);
    cycles(&mut m, 10);
    assert!(m.asleep(0), "that one is not enabled");
    line(&mut m, 7, true);
    cycles(&mut m, 1);
    assert_eq!((m.asleep(0), x(&m, A0), reg(&m, GDB_MCAUSE)), (false, 1, 0));
}

#[test]
fn wfi_with_nothing_enabled_sleeps_for_ever() {
    let mut m = board(&[WFI, addi(A0, A0, 1), j(0)], &[NOP, j(0)]);
    for n in [3, 7, 11] {
        line(&mut m, n, true);
    }
    cycles(&mut m, 1_000_000);
    assert_eq!((m.asleep(0), x(&m, A0), m.retired()), (true, 0, 1));
}

#[test]
fn counters_are_exact_wherever_they_are_read() {
    // Two reads three instructions apart, a trap between further ones, then sleep.
    let code = [
        csrr(A0, MCYCLE),
        NOP,
        NOP,
        csrr(A1, MCYCLE),
        csrr(A2, MINSTRET),
        ECALL,
        csrr(A3, MINSTRET),
        WFI,
        csrr(S0, MCYCLE),
        csrr(S1, MINSTRET),
        j(0),
    ];
    let handler = [csrr(T0, MEPC), addi(T0, T0, 4), csrrw(0, MEPC, T0), MRET];
    let mut m = board(&code, &handler);
    set(&mut m, GDB_MIE, 0x80);
    cycles(&mut m, 100);
    line(&mut m, 7, true);
    cycles(&mut m, 3);
    assert_eq!([A0, A1, A2].map(|r| x(&m, r)), [0, 3, 4]);
    assert_eq!(x(&m, A3), 5 + 4, "ECALL does not retire, the handler's four do");
    assert_eq!([S0, S1].map(|r| x(&m, r)), [100, 12], "cycles pass asleep, instructions do not");
}

/// The table of `timing.rs` as software sees it.
#[test]
fn mend_timing_as_the_cycle_counter_shows_it() {
    let taken = 0x00a5_0463; // beq a0,a0,.+8
    let not_taken = 0x00a5_1463; // bne a0,a0,.+8
    for (what, insn, want) in [
        ("addi", NOP, 1),
        ("lw", lw(A3, SP, 0), 2),
        ("sw", sw(A3, SP, 0), 2),
        ("amoadd.w", amo(0, A3, A2, SP), 4),
        ("mul", 0x02b5_06b3, 1),
        ("mulh", 0x02b5_16b3, 2),
        ("div", 0x02b5_46b3, 38),
        ("beq, taken", taken, 3),
        ("bne, not taken", not_taken, 1),
        ("j", j(8), 2),
        ("ecall, three instructions, mret", ECALL, 1 + 3 + 3 + 3),
    ] {
        for engine in [Engine::Interpreter, Engine::Auto] {
            // Counted a hundred times, so that it is compiled; what is jumped over does nothing.
            let code = [csrr(S0, MCYCLE), insn, NOP, csrr(S1, MCYCLE), addi(RA, RA, 1), j(-20)];
            let handler = [csrr(T0, MEPC), addi(T0, T0, 4), csrrw(0, MEPC, T0), MRET];
            let mut m = board(&code, &handler);
            m.set_engine(engine);
            let nop = u32::from(insn & 0x7f != 0x63 && insn & 0x7f != 0x6f || insn == not_taken);
            while x(&m, RA) < 100 {
                cycles(&mut m, 1000);
            }
            while reg(&m, PC) != RAM + 16 {
                steps(&mut m, 1);
            }
            assert_eq!(x(&m, S1).wrapping_sub(x(&m, S0)), 1 + want + nop, "{what}, {engine:?}");
        }
    }
}

#[test]
fn a_fetch_that_finds_nothing_counts_as_no_instruction() {
    let code = [jalr(0, A1, 0), csrr(A2, MINSTRET), csrr(A3, MCYCLE), j(0)];
    let handler = [lui(T0, RAM), addi(T0, T0, 4), csrrw(0, MEPC, T0), MRET];
    let mut m = board(&code, &handler);
    set(&mut m, A1 as usize, NOWHERE);
    cycles(&mut m, 20);
    // A cycle for the fetch, three for the trap and for MRET.
    assert_eq!((x(&m, A2), x(&m, A3)), (5, 13));
}

#[test]
fn reservations() {
    let mut m = board(&[lr(A0, SP), sc(A1, S1, SP), sc(A2, S1, SP), j(0)], &[MRET]);
    set(&mut m, S1 as usize, 7);
    steps(&mut m, 4);
    assert_eq!((x(&m, A1), x(&m, A2), word(&m, DATA)), (0, 1, 7), "one LR, one SC");
    // Another address, and a trap in between.
    let handler = [csrr(T0, MEPC), addi(T0, T0, 4), csrrw(0, MEPC, T0), MRET];
    for between in [addi(SP, SP, 4), ECALL] {
        let mut m = board(&[lr(A0, SP), between, sc(A1, S1, SP), j(0)], &handler);
        set(&mut m, S1 as usize, 7);
        cycles(&mut m, 30);
        assert_eq!((x(&m, A1), word(&m, DATA), word(&m, DATA + 4)), (1, 0, 0));
    }
}

#[test]
fn a_handler_that_cannot_start_is_a_lockup() {
    for handler in [NOWHERE, HANDLER] {
        let mut m = board(&[ECALL], &[0]);
        set(&mut m, GDB_MTVEC, handler);
        assert_eq!(cycles(&mut m, 100), Exit::Lockup(0, handler.into()));
        assert!(m.bus.fabric.errors.iter().any(|e| e.1.to_string().contains("the hart hangs")));
        m.reset(ResetKind::Soft);
        assert_eq!((reg(&m, PC), reg(&m, GDB_MTVEC)), (RAM, 0));
        assert!(matches!(cycles(&mut m, 100), Exit::Lockup(0, 0)), "mtvec is 0, where there is nothing");
    }
}

#[test]
fn ebreak_between_its_two_shifts_calls_the_host() {
    let (before, behind) = (0x01f0_1013, 0x4070_5013);
    let code = [NOP, before, EBREAK, behind, addi(A1, A1, 1), EBREAK, j(0)];
    for host in [true, false] {
        let mut m = board(&code, &[NOP, j(0)]);
        m.bus.semihosting = host;
        let exit = cycles(&mut m, 10);
        if !host {
            assert_eq!((exit, trap(&m)[..3].to_vec()), (Exit::Reached, vec![3, 0, RAM + 8]));
            continue;
        }
        assert_eq!((exit, reg(&m, PC)), (Exit::Semihost(0), RAM + 8));
        m.cpu_mut(0).0.semihost_done(99);
        cycles(&mut m, 3);
        assert_eq!((x(&m, A0), x(&m, A1), trap(&m)[2]), (99, 1, RAM + 20), "the bare EBREAK is none");
    }
}

#[test]
fn code_that_a_guest_writes_runs_at_once() {
    // The store replaces the instruction right behind it.
    let mut m = board(&[sw(A1, A0, 4), addi(A2, A2, 1), j(0)], &[NOP]);
    set(&mut m, A0 as usize, RAM);
    set(&mut m, A1 as usize, addi(A2, A2, 5));
    cycles(&mut m, 3);
    assert_eq!(x(&m, A2), 5);
}

/// A timer interrupt every so often in a loop with a call, a multiplication, memory and counters.
fn busy() -> Machine {
    let code = [
        csrrsi(0, MSTATUS, 8),
        addi(A0, A0, 1),
        sw(A0, SP, 0),
        lw(A1, SP, 0),
        csrr(A2, MINSTRET),
        amo(0, A3, A2, SP),
        0x02b5_05b3, // mul a1,a0,a1
        j(-24),
    ];
    let handler = [
        csrrw(T0, 0x340, T0),
        csrr(S0, MCYCLE),
        sw(S0, SP, 8),
        csrr(S0, MCAUSE),
        csrr(S1, MTVAL),
        addi(RA, RA, 1),
        csrrw(0, MTVEC, S1), // zero: the next trap would hang, so put it back
        lui(S1, HANDLER),
        addi(S1, S1, 0x400),
        addi(S1, S1, 0x400),
        csrrw(0, MTVEC, S1),
        csrrw(T0, 0x340, T0),
        csrrw(0, MIE, 0),
        MRET,
    ];
    let mut m = board(&code, &handler);
    set(&mut m, GDB_MIE, 0x80);
    m
}

/// Runs `busy` for 3000 cycles, an interrupt each 100 of them, cut after each of `cuts` cycles in turn.
fn sliced(engine: Engine, cuts: &[u64], reload: bool) -> u128 {
    let mut m = busy();
    m.set_engine(engine);
    let mut n = 0;
    for tick in 1..=30u64 {
        set(&mut m, GDB_MIE, 0x80);
        line(&mut m, 7, true);
        let end = tick * 100 * CYCLE;
        while m.now().0 < end {
            let cut = cuts[n % cuts.len()] * CYCLE;
            n += 1;
            m.run_until((m.now() + cut).min(emu_core::Time(end)));
            if reload && n.is_multiple_of(5) {
                let saved = m.save();
                m = if n.is_multiple_of(2) { m.fork() } else { busy() };
                m.set_engine(engine);
                m.load(&saved).expect("what was saved loads");
            }
        }
    }
    m.digest()
}

#[test]
fn slices_copies_and_engines_change_nothing() {
    let straight = sliced(Engine::Interpreter, &[100], false);
    for cuts in [&[1][..], &[2, 3], &[7, 1, 13], &[50, 49]] {
        assert_eq!(sliced(Engine::Interpreter, cuts, false), straight, "{cuts:?}");
        assert_eq!(sliced(Engine::Auto, cuts, false), straight, "{cuts:?} compiled");
        assert_eq!(sliced(Engine::Interpreter, cuts, true), straight, "{cuts:?} reloaded");
    }
}

#[test]
fn states_that_cannot_be_are_refused() {
    let mut m = busy();
    cycles(&mut m, 50);
    let saved = m.cpu(0).save();
    assert!(m.cpu_mut(0).0.load(&saved).is_ok());
    assert!(m.cpu_mut(0).0.load(&saved[..saved.len() - 1]).is_err());
    let mut bad = saved.clone();
    bad[0] = 1; // x0
    assert!(m.cpu_mut(0).0.load(&bad).is_err());
}
