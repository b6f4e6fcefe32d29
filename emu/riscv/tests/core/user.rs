//! User mode: what it may do, how it is entered and left, what protection makes of it.

use crate::{asm::*, *};
use emu_core::device::DevId;

const MISA: u32 = 0x301;
const MCOUNTEREN: u32 = 0x306;
const PMPCFG0: u32 = 0x3a0;
const PMPADDR0: u32 = 0x3b0;
const CYCLE: u32 = 0xc00;
const TIME: u32 = 0xc01;
const INSTRET: u32 = 0xc02;

const GDB_MIP: usize = 41;
const GDB_PRIV: usize = 43;

/// mstatus: MPP as user mode is 0.
const MPP: u32 = 3 << 11;
const MPRV: u32 = 1 << 17;
const TW: u32 = 1 << 21;

/// pmpcfg: NAPOT, NA4, TOR, permissions, L.
const NAPOT: u32 = 3 << 3;
const NA4: u32 = 2 << 3;
const TOR: u32 = 1 << 3;
const R: u32 = 1;
const W: u32 = 2;
const X: u32 = 4;
const L: u32 = 0x80;

/// Where user code lies.
const USER: u32 = RAM + 0x1000;

fn napot(base: u32, size: u32) -> u32 {
    base >> 2 | (size / 8 - 1)
}

/// A machine whose start-up code has written pmpaddr0.. and pmpcfg0, and `mstatus`, and gone by MRET to `at`, where `code` lies.
fn at(at: u32, code: &[u32], mstatus: u32, entries: &[(u32, u32)]) -> Machine {
    let mut boot = vec![];
    for (n, (_, addr)) in entries.iter().enumerate() {
        boot.extend(li(A0, *addr));
        boot.push(csrrw(0, PMPADDR0 + n as u32, A0));
    }
    let cfg = entries.iter().enumerate().fold(0, |cfg, (n, e)| cfg | e.0 << (8 * n));
    boot.extend(li(A0, cfg));
    boot.push(csrrw(0, PMPCFG0, A0));
    boot.extend(li(A0, mstatus));
    boot.push(csrrw(0, MSTATUS, A0));
    boot.extend(li(A0, at));
    boot.extend([csrrw(0, MEPC, A0), addi(A0, 0, 0), MRET]);
    let mut m = board(&boot, &[NOP, j(0)]);
    for (i, w) in code.iter().enumerate() {
        m.bus.fabric.mem.poke(u64::from(at) + 4 * i as u64, &w.to_le_bytes());
    }
    steps(&mut m, boot.len() as u64);
    assert_eq!(reg(&m, PC), at);
    m
}

/// In user mode, with all of memory allowed.
fn user(code: &[u32], mstatus: u32) -> Machine {
    at(USER, code, mstatus, &[(NAPOT | R | W | X, u32::MAX)])
}

#[test]
fn mend_user_mode_has_its_own_ecall_and_no_right_to_what_is_the_machines() {
    let cases: &[(u32, u32, u32, &str)] = &[
        (ECALL, 8, 0, "ECALL"),
        (EBREAK, 3, 0, "EBREAK"),
        (MRET, 2, MRET, "MRET"),
        (csrr(A0, MSTATUS), 2, csrr(A0, MSTATUS), "mstatus"),
        (csrrw(0, MTVEC, A1), 2, csrrw(0, MTVEC, A1), "mtvec"),
        (csrr(A0, MISA), 2, csrr(A0, MISA), "misa"),
        (csrr(A0, 0xf14), 2, csrr(A0, 0xf14), "mhartid"),
        (csrr(A0, 0x180), 2, csrr(A0, 0x180), "satp"),
        (csrr(A0, PMPCFG0), 2, csrr(A0, PMPCFG0), "pmpcfg0"),
        (csrr(A0, MCYCLE), 2, csrr(A0, MCYCLE), "mcycle"),
        (csrr(A0, CYCLE), 2, csrr(A0, CYCLE), "cycle, which mcounteren does not allow"),
        (csrrw(0, CYCLE, A1), 2, csrrw(0, CYCLE, A1), "a read-only register"),
    ];
    for (insn, cause, tval, what) in cases {
        let mut m = user(&[*insn, NOP], 0x80);
        assert_eq!(
            (reg(&m, GDB_PRIV), reg(&m, GDB_MSTATUS)),
            (0, 0x88),
            "MIE is MPIE, MPP is the least mode"
        );
        cycles(&mut m, 1);
        assert_eq!(trap(&m), [*cause, *tval, USER, HANDLER], "{what}");
        assert_eq!((reg(&m, GDB_PRIV), reg(&m, GDB_MSTATUS)), (3, 0x80), "{what}: MPP is user mode");
        assert_eq!((x(&m, A0), reg(&m, GDB_MTVEC)), (0, HANDLER), "{what}");
    }
}

#[test]
fn mend_mcounteren_says_which_counters_user_mode_reads() {
    for (allowed, counter, works) in [
        (1, CYCLE, true),
        (4, CYCLE, false),
        (4, INSTRET, true),
        (u32::MAX, INSTRET, true),
        (u32::MAX, TIME, false),
    ] {
        let mut m = user(&[csrr(A0, counter), j(0)], 0);
        set(&mut m, GDB_PRIV, 3);
        m.cpu_mut(0).0.set_reg(PC, (RAM + 0x2000).into());
        let code = [csrrw(0, MCOUNTEREN, A1), csrr(A2, MCOUNTEREN), MRET].map(u32::to_le_bytes).concat();
        m.bus.fabric.mem.poke((RAM + 0x2000).into(), &code);
        set(&mut m, A1 as usize, allowed);
        set(&mut m, GDB_MEPC, USER);
        steps(&mut m, 4);
        assert_eq!(x(&m, A2), allowed & 5);
        assert_eq!((x(&m, A0) != 0, reg(&m, GDB_MCAUSE) == 2), (works, !works), "{allowed:#x} {counter:#x}");
    }
}

#[test]
fn mend_interrupts_reach_user_mode_whatever_mie_says() {
    for mstatus in [0, 0x80] {
        let mut m = user(&[addi(A0, A0, 1), j(-4)], mstatus);
        set(&mut m, GDB_MIE, 0x80);
        steps(&mut m, 3);
        line(&mut m, 7, true);
        steps(&mut m, 1);
        assert_eq!(trap(&m), [0x8000_0007, 0, USER + 4, HANDLER + 4]);
        assert_eq!((reg(&m, GDB_PRIV), reg(&m, GDB_MSTATUS)), (3, mstatus));
    }
}

#[test]
fn mend_wfi_waits_in_user_mode_unless_tw_forbids_it() {
    let mut m = user(&[WFI, addi(A0, A0, 1), j(0)], 0);
    set(&mut m, GDB_MIE, 0x80);
    cycles(&mut m, 5);
    assert!(m.asleep(0));
    line(&mut m, 7, true);
    cycles(&mut m, 1);
    assert_eq!(trap(&m)[..3], [0x8000_0007, 0, USER + 4], "taken behind it");
    let mut m = user(&[WFI], TW);
    cycles(&mut m, 1);
    assert_eq!(trap(&m), [2, WFI, USER, HANDLER]);
    // Machine mode may always.
    let mut m = at(USER, &[WFI], MPP | TW, &[]);
    cycles(&mut m, 5);
    assert!(m.asleep(0));
}

/// Stock images for QEMU's `virt` machine, whose harts have a supervisor mode, raise these to test themselves.
#[test]
fn mend_the_supervisors_interrupts_are_raised_by_hand_and_taken() {
    for (n, order) in [(9, 0x222), (1, 0x22), (5, 0x20)] {
        let mut m = board(
            &[csrrw(0, MIE, A1), csrrw(A2, 0x344, A1), csrr(A3, 0x344), csrrsi(0, MSTATUS, 8)],
            &[NOP, j(0)],
        );
        set(&mut m, A1 as usize, order);
        cycles(&mut m, 4);
        assert_eq!(x(&m, A3), order);
        cycles(&mut m, 1);
        assert_eq!(trap(&m)[..3], [0x8000_0000 | n, 0, RAM + 16]);
        set(&mut m, GDB_MIP, 0x888);
        assert_eq!(reg(&m, GDB_MIP), 0, "the machine's own follow their lines");
        m.reset(ResetKind::Soft);
        assert_eq!(reg(&m, GDB_MIP), 0);
    }
}

#[test]
fn mend_user_mode_may_do_nothing_that_no_entry_allows() {
    let mut m = at(USER, &[NOP], 0, &[]);
    cycles(&mut m, 5);
    assert_eq!(trap(&m), [1, USER, USER, HANDLER + 4], "not even fetch");
    // Entries for the code alone.
    let code = (NAPOT | R | X, napot(USER, 0x1000));
    for (insn, cause, tval) in [
        (lw(A0, SP, 0), 5, DATA),
        (sw(A0, SP, 4), 7, DATA + 4),
        (amo(0, A0, A0, SP), 7, DATA),
        (lr(A0, SP), 5, DATA),
    ] {
        let mut m = at(USER, &[insn], 0, &[code]);
        cycles(&mut m, 1);
        assert_eq!(trap(&m), [cause, tval, USER, HANDLER]);
        assert_eq!(word(&m, DATA), 0);
    }
}

#[test]
fn mend_what_one_mode_cached_does_not_help_the_other() {
    // Machine mode fills the translation cache with the page; user mode may not have it, nor write what it may read.
    for (bits, insn, cause) in [(R, sw(A0, SP, 0), 7), (0, lw(A0, SP, 0), 5), (X, lw(A0, SP, 0), 5)] {
        let entries = [(NAPOT | R | X, napot(USER, 0x1000)), (NAPOT | bits, napot(DATA, 0x1000))];
        let mut m = at(USER, &[insn], 0, &entries);
        set(&mut m, GDB_PRIV, 3);
        set(&mut m, PC, RAM + 0x2000);
        let code = [sw(SP, SP, 0), lw(A1, SP, 0), csrrw(0, MEPC, A2), MRET].map(u32::to_le_bytes).concat();
        m.bus.fabric.mem.poke((RAM + 0x2000).into(), &code);
        set(&mut m, A2 as usize, USER);
        steps(&mut m, 5);
        assert_eq!((trap(&m)[..3].to_vec(), x(&m, A1)), (vec![cause, DATA, USER], DATA));
        assert_eq!(word(&m, DATA), DATA);
    }
}

#[test]
fn mend_a_literal_in_an_execute_only_page_is_not_read() {
    // auipc a1,0; lw a0,8(a1): the literal lies behind the code.
    let code = [0x0000_0597, lw(A0, A1, 8), 0x1234_5678];
    for (bits, cause) in [(X, 5), (R | X, 0)] {
        let mut m = at(USER, &code, 0, &[(NAPOT | bits, napot(USER, 0x1000))]);
        steps(&mut m, 2);
        assert_eq!(trap(&m)[0], cause);
        assert_eq!(x(&m, A0), if bits & R != 0 { 0x1234_5678 } else { 0 });
    }
}

#[test]
fn mend_mprv_lends_loads_and_stores_the_previous_mode() {
    let entries = [(NAPOT | R, napot(DATA, 0x1000))];
    for (mstatus, insn, want) in [
        // MPP is machine mode until the MRET that starts the code; behind it, it is user mode.
        (MPP, lw(A1, SP, 0x10), [0, 0]),
        (MPP | MPRV, sw(A1, SP, 0x10), [7, DATA + 0x10]),
        (MPP | MPRV, lw(A1, SP, 0x10), [0, 0]),
        (MPP | MPRV, lw(A1, A2, 0), [5, RAM]),
        (MPP, lw(A1, A2, 0), [0, 0]),
        (0, lw(A1, SP, 0), [1, USER]), // MPRV is gone, and so is the right to fetch
    ] {
        let mut m = at(USER, &[insn, j(0)], mstatus, &entries);
        set(&mut m, A2 as usize, RAM);
        steps(&mut m, 2);
        assert_eq!(trap(&m)[..2], want, "{mstatus:#x} {insn:#x}");
    }
    // A trap puts machine mode into MPP: MPRV lends nothing then. MRET to user mode ends it.
    let mut m = at(USER, &[sw(A1, SP, 0), NOP], MPP | MPRV, &entries);
    let handler =
        [sw(A1, SP, 4), csrrw(0, MSTATUS, A3), csrrw(0, MEPC, A2), MRET].map(u32::to_le_bytes).concat();
    m.bus.fabric.mem.poke(HANDLER.into(), &handler);
    set(&mut m, A1 as usize, 77);
    set(&mut m, A3 as usize, MPRV);
    set(&mut m, A2 as usize, DATA);
    steps(&mut m, 3);
    assert_eq!((word(&m, DATA + 4), reg(&m, GDB_MSTATUS)), (77, MPRV));
    steps(&mut m, 2);
    assert_eq!((reg(&m, GDB_MSTATUS), reg(&m, GDB_PRIV)), (0x80, 0));
}

#[test]
fn mend_locked_entries_bind_machine_mode() {
    for (cfg, insn, cause) in [
        (L | NAPOT | R, sw(A1, SP, 0), 7),
        (L | NAPOT, lw(A1, SP, 0), 5),
        (NAPOT, lw(A1, SP, 0), 0),
        (L | NAPOT | R | W, jalr(RA, SP, 0), 1),
        (L | NAPOT | X, jalr(RA, SP, 0), 2),
    ] {
        let mut m = at(USER, &[insn, j(0)], MPP, &[(cfg, napot(DATA, 0x1000))]);
        steps(&mut m, 2);
        assert_eq!(reg(&m, GDB_MCAUSE), cause, "{cfg:#x}");
        // Nothing but a reset ends that.
        m.reset(ResetKind::Soft);
        let fields = m.cpu(0).fields("cpu");
        let pmp: Vec<_> = fields.iter().filter(|f| f.0.contains("pmp")).collect();
        assert!(pmp.len() >= 2 && pmp.iter().all(|f| !f.1.contains(|c| ('1'..='9').contains(&c))), "{pmp:?}");
    }
}

#[test]
fn mend_entries_that_split_a_page_hold_to_the_byte() {
    // One word of a page is forbidden, one is read-only.
    let entries = [
        (NA4, (DATA + 0x20) >> 2),
        (NA4 | R, (DATA + 0x40) >> 2),
        (0, DATA >> 2),
        (TOR | R | W, (DATA + 0x80) >> 2),
        (NAPOT | R | X, napot(USER, 0x1000)),
    ];
    let code = [lw(A0, SP, 0), sw(A1, SP, 0), j(0)];
    let mut boot = entries.to_vec();
    let last = boot.pop();
    for (off, faults) in [
        (0x1c, [0, 0]),
        (0x20, [5, 7]),
        (0x24, [0, 0]),
        (0x1d, [5, 7]), // reaches into the forbidden word
        (0x23, [5, 7]),
        (0x40, [0, 7]),
        (0x42, [5, 7]), // matches two entries: neither all of it
        (0x7c, [0, 0]),
        (0x80, [5, 7]),
        (0x7e, [5, 7]),
    ] {
        for (warm, n) in [(false, 0), (true, 1)] {
            // The last of the five entries is of pmpcfg1.
            let mut m = at(USER, &code, 0, &boot);
            let (cfg, addr) = last.expect("five entries");
            let csr = &mut m.cpu_mut(0).0;
            csr.set_reg(GDB_PRIV, 3);
            let boot = [
                li(A2, addr),
                vec![csrrw(0, PMPADDR0 + 4, A2)],
                li(A2, cfg),
                vec![csrrw(0, PMPCFG0 + 1, A2), csrrw(0, MEPC, A3), MRET],
            ]
            .concat();
            let bytes: Vec<u8> = boot.iter().flat_map(|w| w.to_le_bytes()).collect();
            m.bus.fabric.mem.poke((RAM + 0x2000).into(), &bytes);
            set(&mut m, PC, RAM + 0x2000);
            set(&mut m, A3 as usize, USER);
            steps(&mut m, boot.len() as u64);
            assert_eq!((reg(&m, GDB_PRIV), reg(&m, PC)), (0, USER));
            if warm {
                set(&mut m, SP as usize, DATA + 4);
                steps(&mut m, 2);
                assert_eq!(reg(&m, GDB_MCAUSE), 0);
            }
            set(&mut m, PC, USER + 4 * n);
            set(&mut m, SP as usize, DATA + off);
            cycles(&mut m, 1);
            assert_eq!(reg(&m, GDB_MCAUSE), faults[n as usize], "{off:#x} {n}");
            assert!(faults[n as usize] == 0 || reg(&m, GDB_MTVAL) == DATA + off);
        }
    }
}

#[test]
fn mend_the_half_of_an_instruction_that_may_not_be_fetched_is_named() {
    // Entries end within a 32-bit instruction at a halfword, in the page and at its end.
    for end in [USER + 0x108, USER + 0x1000] {
        let entries = [(0, USER >> 2), (TOR | R | X, end >> 2)];
        let mut m = at(end - 2, &[NOP], 0, &entries);
        cycles(&mut m, 1);
        assert_eq!(trap(&m), [1, end, end - 2, HANDLER]);
        // The same behind code that ran, so that the block begins before it; counters do not depend on slices.
        let counts = [1, 100].map(|slice| {
            let mut m = at(end - 6, &[NOP, NOP], 0, &entries);
            for _ in 0..100 / slice {
                cycles(&mut m, slice);
            }
            assert_eq!(trap(&m)[..3], [1, end, end - 2]);
            set(&mut m, PC, HANDLER + 0x10);
            m.bus.fabric.mem.poke((HANDLER + 0x10).into(), &csrr(A0, MINSTRET).to_le_bytes());
            steps(&mut m, 1);
            (x(&m, A0), m.retired())
        });
        assert_eq!(counts[0], counts[1]);
        assert_eq!(u64::from(counts[0].0) + 1, counts[0].1, "a fetch that is forbidden is no instruction");
        // A compressed one there is whole.
        let mut m = at(end - 2, &[0x0001_0001], 0, &entries);
        cycles(&mut m, 2);
        assert_eq!(trap(&m)[..3], [1, end, end]);
    }
}

#[test]
fn mend_illegal_instructions_of_f_and_d_are_told_once() {
    // fld fa0,0(sp); the handler skips it.
    let mut m = board(&[0x0001_3507, j(-4)], &[csrr(T0, MEPC), addi(T0, T0, 4), csrrw(0, MEPC, T0), MRET]);
    set(&mut m, GDB_MSTATUS, MPP);
    cycles(&mut m, 120);
    let told: Vec<_> = m.bus.fabric.errors.iter().collect();
    assert_eq!(told.len(), 1);
    let (dev, what, stat) = told[0];
    assert_eq!((dev, stat.pc, stat.count), (DevId::cpu(0), Some(RAM.into()), 10));
    assert_eq!(what.to_string(), "illegal instruction fld: this core is RV32IMAC");
}

/// A trap handler built for a core with D: it saves its registers on the stack, f0 among them.
#[test]
fn mend_a_handler_that_traps_for_ever_hangs_before_it_has_written_all_memory() {
    // addi sp,sp,-64; sw ra,0(sp); fsd fs0,8(sp)
    let mut m = board(&[ECALL], &[addi(SP, SP, -64), sw(RA, SP, 0), 0x0081_3427, NOP, MRET]);
    set(&mut m, SP as usize, RAM);
    m.bus.fabric.mem.add_region("more", (RAM - 0x10_0000).into(), 0x10_0000, RegionKind::Ram);
    assert_eq!(cycles(&mut m, 100_000), Exit::Lockup(0, HANDLER.into()));
    let said: Vec<_> = m.bus.fabric.errors.iter().map(|e| e.1.to_string()).collect();
    assert!(said.iter().any(|s| s == "illegal instruction fsd: this core is RV32IMAC"), "{said:?}");
    assert!(
        said.iter().any(|s| s.ends_with("in the trap handler, again and again: the hart hangs")),
        "{said:?}"
    );
    assert_eq!(said.len(), 2);
}

#[test]
fn mend_a_program_that_catches_its_own_faults_does_not_hang() {
    // A probe of 5000 addresses, whose handler jumps out without MRET and keeps the stack where it is.
    let code = [lw(A0, A1, 0), j(0), addi(A1, A1, 4), j(-12)];
    let handler = [jalr(0, A2, 0)];
    let mut m = board(&code, &handler);
    set(&mut m, A1 as usize, NOWHERE);
    set(&mut m, A2 as usize, RAM + 8);
    assert_eq!(cycles(&mut m, 50_000), Exit::Reached);
    assert_eq!(x(&m, A1), NOWHERE + 4 * 5000);
}

#[test]
fn mend_hot_code_stops_where_the_allowed_part_of_a_page_ends() {
    // Stores to word after word, a thousand of them in the page, up to where an entry ends; then loads from the next one down.
    let up = [sw(A0, SP, 0), addi(SP, SP, 4), addi(A0, A0, 1), j(-12)];
    let down = [lw(A0, SP, 0), addi(SP, SP, -4), addi(A1, A1, 1), j(-12)];
    for engine in [Engine::Interpreter, Engine::Auto] {
        let entries = [
            (0, (DATA + 0x20) >> 2),
            (TOR | R | W, (DATA + 0xfe0) >> 2),
            (NAPOT | R | X, napot(USER, 0x1000)),
        ];
        for (code, from, cause, stop) in [
            (up, DATA + 0x20, 7, DATA + 0xfe0),
            (down, DATA + 0xfdc, 5, DATA + 0x1c),
            (up, DATA + 0x40, 7, DATA + 0xfe0),
        ] {
            let mut m = at(USER, &code, 0, &entries);
            m.set_engine(engine);
            set(&mut m, SP as usize, from);
            cycles(&mut m, 10_000);
            assert_eq!(trap(&m)[..3], [cause, stop, USER], "{engine:?}");
            assert_eq!((word(&m, DATA + 0xfe0), word(&m, DATA + 0x1c)), (0, 0));
        }
    }
}

/// A user program that counts, traps into a handler that counts on with MPRV, and is interrupted: on pages that entries split
/// and on pages they do not.
fn mixed() -> Machine {
    let code =
        [addi(A0, A0, 1), sw(A0, SP, 0), lw(A1, SP, 0), amo(0, A2, A0, SP), sw(A0, S0, 0), ECALL, j(-24)];
    let entries = [
        (0, DATA >> 2),
        (TOR | R | W, (DATA + 0x1080) >> 2),
        (NAPOT | R | X, napot(USER, 0x1000)),
        (L | NAPOT | R | X, napot(RAM, 0x1000)),
    ];
    let mut m = at(USER, &code, 0, &entries);
    set(&mut m, S0 as usize, DATA + 0x1040);
    set(&mut m, A3 as usize, MPRV);
    let handler = [
        csrrw(T0, MSTATUS, A3), // MPRV, MPP = user
        lw(RA, SP, 0),
        addi(RA, RA, 3),
        sw(RA, SP, 8),
        csrrw(0, MSTATUS, T0),
        csrr(S1, MEPC),
        csrr(T0, MCAUSE),
        0x0002_c463, // blt t0,zero,.+8
        addi(S1, S1, 4),
        csrrw(0, MEPC, S1),
        csrrw(0, MIE, 0),
        MRET,
    ];
    let bytes: Vec<u8> = handler.iter().flat_map(|w| w.to_le_bytes()).collect();
    m.bus.fabric.mem.poke(HANDLER.into(), &bytes);
    m.bus.fabric.mem.poke((HANDLER + 4 * 7).into(), &bytes); // by vector
    set(&mut m, GDB_MTVEC, HANDLER);
    m
}

#[test]
fn mend_modes_and_protection_by_slices_copies_and_engines() {
    let run = |engine: Engine, cut: u64, reload: bool| {
        let mut m = mixed();
        m.set_engine(engine);
        let start = m.now().0;
        for tick in 1..=40u64 {
            set(&mut m, GDB_MIE, 0x80);
            line(&mut m, 7, true);
            let end = start + tick * 500 * super::CYCLE;
            while m.now().0 < end {
                m.run_until((m.now() + cut * super::CYCLE).min(emu_core::Time(end)));
                if reload {
                    let saved = m.save();
                    m = if m.now().0.is_multiple_of(200) { m.fork() } else { mixed() };
                    m.set_engine(engine);
                    m.load(&saved).expect("what was saved loads");
                }
            }
        }
        assert!(x(&m, A0) > 300 && word(&m, DATA + 0x1040) > 300, "{}", x(&m, A0));
        m.digest()
    };
    let straight = run(Engine::Interpreter, 500, false);
    for cut in [1, 7, 50] {
        assert_eq!(run(Engine::Interpreter, cut, false), straight, "{cut}");
        assert_eq!(run(Engine::Auto, cut, false), straight, "{cut} compiled");
    }
    assert_eq!(run(Engine::Auto, 250, false), straight, "compiled");
    assert_eq!(run(Engine::Auto, 29, true), straight, "reloaded");
}
