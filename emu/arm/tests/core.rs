//! A whole core in a machine: hand-assembled Thumb code, exact cycles, protection, sleep, snapshots.

use emu_arm::m::{config::MConfig, cpu::CortexM};
use emu_core::{
    bus::Bus,
    cpu::Engine,
    device::{DevId, ResetKind},
    machine::{Exit, Machine},
    memory::RegionKind,
    time::{Clock, Time},
};

const CYCLE: u64 = 100;
const CODE: u32 = 0x400;
const HANDLER: u32 = 0x800;
const RAM: u64 = 0x2000_0000;
const TOP: u64 = RAM + 0x8000;
const PC: usize = 15;
const BX_LR: u16 = 0x4770;

/// 64 KiB of flash with `code` at 0x400 and `handler` for every exception, 64 KiB of RAM, 10 MHz.
fn board(core: &str, code: &[u16], handler: &[u16]) -> Machine {
    let mut bus = Bus::default();
    bus.fabric.mem.add_region("flash", 0, 0x1_0000, RegionKind::Rom);
    bus.fabric.mem.add_region("ram", RAM, 0x1_0000, RegionKind::Ram);
    let mut m = Machine::new("board", bus);
    let cfg = MConfig::named(core).expect("a core");
    let vectors = u32::from(cfg.exceptions());
    m.add_cpu(Box::new(CortexM::new(cfg, 0)), Clock::hz(1_000_000_000 / CYCLE));
    let mut put = |addr: u32, bytes: &[u8]| {
        assert_eq!(m.bus.fabric.mem.poke(addr.into(), bytes), bytes.len());
    };
    put(0, &(TOP as u32).to_le_bytes());
    put(4, &(CODE | 1).to_le_bytes());
    for n in 2..vectors {
        put(4 * n, &(HANDLER | 1).to_le_bytes());
    }
    for (at, code) in [(CODE, code), (HANDLER, handler)] {
        put(at, &code.iter().flat_map(|h| h.to_le_bytes()).collect::<Vec<_>>());
    }
    m.power_on(1);
    m
}

fn reg(m: &Machine, n: usize) -> u32 {
    m.cpu(0).reg(n) as u32
}
fn set(m: &mut Machine, n: usize, v: u32) {
    assert!(m.cpu_mut(0).0.set_reg(n, v.into()));
}
fn word(m: &Machine, addr: u64) -> u32 {
    let mut b = [0; 4];
    assert_eq!(m.bus.fabric.mem.peek(addr, &mut b), 4);
    u32::from_le_bytes(b)
}
/// Reads a register as a debugger.
fn peek(m: &mut Machine, addr: u64) -> u32 {
    let mut b = [0; 4];
    assert_eq!(m.debug_read(0, addr, &mut b), 4);
    u32::from_le_bytes(b)
}
/// Writes a register as a debugger.
fn poke(m: &mut Machine, addr: u64, v: u32) {
    assert_eq!(m.debug_write(0, addr, &v.to_le_bytes()), 4);
}
fn cycles(m: &mut Machine, n: u64) -> Exit {
    m.run_until(m.now() + n * CYCLE)
}
/// An interrupt line of CPU 0.
fn line(m: &mut Machine, n: u16, high: bool) {
    m.bus.fabric.irqs.push((0, n, high));
    m.set_pin(DevId(0x1000), 0, false); // no such device: only lets the core look
}

/// SysTick every 100 cycles; the loop counts in R4, the handler stores R4 through R7.
const TICKER: [u16; 10] = [0x4804, 0x2163, 0x6041, 0x6081, 0x2107, 0x6001, 0x3401, 0xe7fd, BX_LR, 0xbf00];
const TICK_HANDLER: [u16; 3] = [0x603c, 0x3704, BX_LR];

fn ticker() -> Machine {
    let mut code = TICKER.to_vec();
    code.extend([0xe010, 0xe000]); // the literal of the first LDR
    let mut m = board("cortex-m3", &code, &TICK_HANDLER);
    set(&mut m, 7, RAM as u32);
    m
}

#[test]
fn systick_interrupts_at_the_exact_cycle() {
    let mut m = ticker();
    // SysTick is enabled by the instruction at cycle 6, reaches 0 at 106 and every 100 cycles; the loop's additions
    // start every three cycles from 7 on. The handler starts after 12 cycles; store, addition and return take 12 more.
    cycles(&mut m, 106);
    assert_eq!((reg(&m, 4), reg(&m, PC)), (33, CODE + 12));
    cycles(&mut m, 1);
    assert_eq!((word(&m, RAM), reg(&m, PC)), (0, HANDLER));
    cycles(&mut m, 11);
    assert_eq!((word(&m, RAM), reg(&m, PC)), (0, HANDLER));
    cycles(&mut m, 1);
    assert_eq!((word(&m, RAM), reg(&m, PC)), (33, HANDLER + 2));
    cycles(&mut m, 10);
    assert_eq!((reg(&m, 4), reg(&m, PC)), (33, CODE + 12));
    cycles(&mut m, 2);
    assert_eq!((reg(&m, 4), reg(&m, PC)), (34, CODE + 14));
    cycles(&mut m, 1000 - 131);
    let stamps: Vec<_> = (0..9).map(|i| word(&m, RAM + 4 * i)).collect();
    assert_eq!(stamps, [33, 59, 84, 109, 135, 160, 185, 211, 236]);
    assert_eq!(m.retired(), 6 + 9 * 3 + 2 * 259);
}

#[test]
fn slices_steps_saves_and_forks_change_nothing() {
    let end = Time(3000 * CYCLE);
    let mut whole = ticker();
    whole.run_until(end);
    let want = whole.digest();
    for seed in 1..20u64 {
        let mut m = ticker();
        let mut x = seed;
        while m.now() < end {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let to = (m.now() + (x >> 33) % (400 * CYCLE)).min(end);
            m.run_until(to);
            match x >> 60 {
                0..4 => m = m.fork(),
                4..8 => {
                    let bytes = m.save();
                    m = ticker();
                    m.load(&bytes).unwrap();
                    assert_eq!(m.save(), bytes);
                }
                8..10 => _ = m.step(end),
                _ => {}
            }
        }
        assert_eq!(m.digest(), want, "seed {seed}");
    }
}

/// Enables interrupt 0, then WFI in a loop that counts in R4; the handler counts in R5.
fn sleeper(core: &str) -> Machine {
    let code = [0x4803, 0x2101, 0x6001, 0xbf30, 0x3401, 0xe7fc, 0, 0, 0xe100, 0xe000];
    board(core, &code, &[0x3501, BX_LR])
}

#[test]
fn a_sleeping_core_wakes_at_the_next_edge() {
    let mut m = sleeper("cortex-m0");
    m.run_until(Time(1_000_050));
    assert!(m.asleep(0));
    assert_eq!((m.retired(), m.next_activity()), (4, Time::MAX));
    line(&mut m, 0, true);
    line(&mut m, 0, false);
    assert!(!m.asleep(0));
    assert_eq!(m.next_activity(), Time(1_000_100));
    cycles(&mut m, 16);
    assert_eq!(reg(&m, 5), 0, "the latency of a Cortex-M0");
    cycles(&mut m, 1);
    assert_eq!(reg(&m, 5), 1, "the handler's first instruction");
    cycles(&mut m, 100);
    assert_eq!((reg(&m, 4), reg(&m, 5)), (1, 1));
    assert!(m.asleep(0));
}

#[test]
fn a_line_that_stays_high_keeps_the_handler_busy() {
    let mut m = sleeper("cortex-m0");
    cycles(&mut m, 10);
    line(&mut m, 0, true);
    cycles(&mut m, 16 + 9 * 9 + 1);
    assert_eq!((reg(&m, 5), reg(&m, 4)), (10, 0), "nine cycles each, tail-chained");
    line(&mut m, 0, false);
    cycles(&mut m, 20);
    assert_eq!(reg(&m, 4), 1);
}

#[test]
fn primask_wakes_without_the_handler() {
    let mut m = sleeper("cortex-m4");
    set(&mut m, 19, 1);
    cycles(&mut m, 10);
    line(&mut m, 0, true);
    cycles(&mut m, 9);
    assert_eq!((reg(&m, 4), reg(&m, 5)), (3, 0), "WFI is over at once while it is pending");
}

const CFSR: u64 = 0xe000_ed28;
const HFSR: u64 = 0xe000_ed2c;
const RBAR: u64 = 0xe000_ed9c;
const RASR: u64 = 0xe000_eda0;
const MPU_CTRL: u64 = 0xe000_ed94;

fn rasr(ap: u32, log2: u32, xn: bool) -> u32 {
    u32::from(xn) << 28 | ap << 24 | (log2 - 1) << 1 | 1
}

/// Regions: flash readable by all, RAM for all, 32 bytes of RAM at `at` for privileged code only.
fn protect(m: &mut Machine, at: u32) {
    for (n, base, attr) in
        [(0, 0, rasr(6, 16, false)), (1, RAM as u32, rasr(3, 16, true)), (2, at, rasr(1, 5, true))]
    {
        poke(m, RBAR, base | 0x10 | n);
        poke(m, RASR, attr);
    }
    poke(m, MPU_CTRL, 1);
}

#[test]
fn unprivileged_stores_hit_the_privileged_region() {
    // str r5, [r4] privileged; CONTROL.nPRIV = 1; str r5, [r4]
    let code = [0x6025, 0x2001, 0xf380, 0x8814, 0xf3bf, 0x8f6f, 0x6025, 0xe7fe];
    for (at, fault) in [(0x2000_1020u32, true), (0x2000_101c, false), (0x2000_1040, false)] {
        let mut m = board("cortex-m3", &code, &[0xe7fe]);
        protect(&mut m, 0x2000_1020);
        set(&mut m, 4, at);
        set(&mut m, 5, 77);
        cycles(&mut m, 1);
        assert_eq!(word(&m, at.into()), 77);
        cycles(&mut m, 10);
        assert_eq!(peek(&mut m, CFSR) & 0xff, if fault { 0x82 } else { 0 });
        if fault {
            assert_eq!(peek(&mut m, 0xe000_ed34), at);
            assert_eq!(word(&m, TOP - 8), CODE + 12, "the stacked PC is the store");
            assert_eq!((reg(&m, PC), peek(&mut m, HFSR)), (HANDLER, 1 << 30));
        }
    }
}

#[test]
fn what_was_cached_for_privileged_code_is_not_for_others() {
    // ldr r0, [r4] twice: before and after dropping privilege; the page is uniform.
    let code = [0x6820, 0x6820, 0x2001, 0xf380, 0x8814, 0xf3bf, 0x8f6f, 0x6820, 0xe7fe];
    let mut m = board("cortex-m4", &code, &[0xe7fe]);
    protect(&mut m, 0x2000_6000);
    poke(&mut m, RBAR, 0x2000_4000 | 0x10 | 3);
    poke(&mut m, RASR, rasr(1, 12, true));
    set(&mut m, 4, 0x2000_4000);
    cycles(&mut m, 20);
    assert_eq!((reg(&m, PC), peek(&mut m, CFSR)), (HANDLER, 0x82));
}

#[test]
fn execution_stops_at_the_edge_of_a_region() {
    // Straight-line code over the end of the executable part of flash.
    let code = [0x3001u16; 64];
    let mut m = board("cortex-m3", &code, &[0xe7fe]);
    poke(&mut m, RBAR, 0x10);
    poke(&mut m, RASR, rasr(6, 16, true)); // all of flash, execute never
    for (n, base, log2) in [(1, CODE, 6), (2, HANDLER, 5)] {
        poke(&mut m, RBAR, base | 0x10 | n);
        poke(&mut m, RASR, rasr(6, log2, false));
    }
    poke(&mut m, RBAR, RAM as u32 | 0x10 | 3);
    poke(&mut m, RASR, rasr(3, 16, true));
    poke(&mut m, MPU_CTRL, 3);
    cycles(&mut m, 60);
    assert_eq!((reg(&m, PC), peek(&mut m, CFSR)), (HANDLER, 1));
    assert_eq!((reg(&m, 0), word(&m, TOP - 8)), (32, CODE + 64));
}

#[test]
fn jumps_into_nowhere() {
    // bx r0
    for (to, status, stacked) in [
        (0x3000_0001u32, 1 << 8, 0x3000_0000), // no memory: IBUSERR
        (0x4000_0001, 1, 0x4000_0000),         // peripheral space is execute never: IACCVIOL
        (0xe000_e001, 1, 0xe000_e000),
        (0xffff_fff9, 1, 0xffff_fff8), // EXC_RETURN means nothing in thread mode
        (CODE + 2, 1 << 17, CODE + 2), // ARM state: INVSTATE
    ] {
        let mut m = board("cortex-m3", &[0x4700, 0xe7fe], &[0xe7fe]);
        set(&mut m, 0, to);
        cycles(&mut m, 5);
        assert_eq!(
            (reg(&m, PC), peek(&mut m, CFSR), word(&m, TOP - 8)),
            (HANDLER, status, stacked),
            "{to:x}"
        );
    }
}

#[test]
fn a_fault_in_the_hardfault_handler_locks_up() {
    for core in ["cortex-m0", "cortex-m3"] {
        let mut m = board(core, &[0xde00], &[0xbf00, 0xde00]);
        assert_eq!(cycles(&mut m, 100), Exit::Lockup(0, u64::from(HANDLER) + 2), "{core}");
        assert_eq!(m.next_activity(), Time::MAX);
        m.reset(ResetKind::Pin);
        assert_eq!(reg(&m, PC), CODE);
        assert!(matches!(cycles(&mut m, 100), Exit::Lockup(..)));
    }
}

#[test]
fn a_guest_that_only_faults_still_ends() {
    // SVC whose handler is SVC: nests until the stack meets nothing.
    let mut m = board("cortex-m0", &[0xdf00], &[0xdf00]);
    assert!(matches!(cycles(&mut m, 1_000_000), Exit::Lockup(..)));
}

#[test]
fn semihosting_waits_at_the_call() {
    // movs r0, #0x12; bkpt 0xab; adds r1, r0, #1; b .
    let code = [0x2012, 0xbeab, 0x1c41, 0xe7fe];
    let mut m = board("cortex-m0", &code, &[0xe7fe]);
    m.bus.semihosting = true;
    assert_eq!(cycles(&mut m, 10), Exit::Semihost(0));
    assert_eq!((reg(&m, 0), reg(&m, PC), m.retired()), (0x12, CODE + 2, 1));
    assert_eq!(cycles(&mut m, 10), Exit::Semihost(0), "it waits");
    m.cpu_mut(0).0.semihost_done(41);
    assert_eq!(cycles(&mut m, 10), Exit::Reached);
    assert_eq!(reg(&m, 1), 42);
    let mut m = board("cortex-m3", &code, &[0xe7fe]);
    cycles(&mut m, 10);
    assert_eq!((reg(&m, PC), peek(&mut m, HFSR)), (HANDLER, 1 << 31), "nobody listens");
}

#[test]
fn software_reset_after_the_instruction() {
    // str r5, [r4] to AIRCR; nop
    let mut m = board("cortex-m0", &[0x6025, 0x3601, 0x3601, 0xe7fe], &[0xe7fe]);
    set(&mut m, 4, 0xe000_ed0c);
    set(&mut m, 5, 0x05fa_0004);
    cycles(&mut m, 1);
    assert_eq!((reg(&m, PC), reg(&m, 4), reg(&m, 6)), (CODE, 0, 0));
}

#[test]
fn a_pended_interrupt_is_taken_before_the_next_instruction() {
    // str r5, [r4] to ICSR; adds r6, #1 must come after the handler
    let mut m = board("cortex-m0", &[0x6025, 0x3601, 0xe7fe], &[0x0037, BX_LR]); // movs r7, r6
    set(&mut m, 4, 0xe000_ed04);
    set(&mut m, 5, 1 << 28);
    set(&mut m, 6, 5);
    set(&mut m, 7, 9);
    cycles(&mut m, 40);
    assert_eq!((reg(&m, 6), reg(&m, 7)), (6, 5));
}

#[test]
fn bit_band_words_and_unaligned_accesses() {
    // str r5, [r4]; ldr r0, [r3]; ldr r1, [r2]
    let mut m = board("cortex-m3", &[0x6025, 0x6818, 0x6811, 0xe7fe], &[0xe7fe]);
    set(&mut m, 4, 0x2200_0000 + 0x101 * 32 + 3 * 4); // bit 3 of the byte at +0x101
    set(&mut m, 5, 1);
    set(&mut m, 3, 0x2200_0000 + 0x100 * 32 + 11 * 4);
    set(&mut m, 2, 0x2000_00fe);
    cycles(&mut m, 4);
    assert_eq!((word(&m, RAM + 0x100), reg(&m, 0), reg(&m, 1)), (0x800, 1, 0x0800_0000));
    let mut m = board("cortex-m7", &[0x6025, 0xe7fe], &[0xe7fe]);
    set(&mut m, 4, 0x2200_0000);
    cycles(&mut m, 4);
    assert_eq!(peek(&mut m, CFSR), 0x8200, "no aliases on a Cortex-M7: a bus fault");
    let mut m = board("cortex-m0", &[0x6811, 0xe7fe], &[0xe7fe]);
    set(&mut m, 2, 0x2000_00fe);
    cycles(&mut m, 4);
    assert_eq!((reg(&m, PC), word(&m, TOP - 8)), (HANDLER, CODE));
}

#[test]
fn debuggers_look_without_touching() {
    let mut m = ticker();
    cycles(&mut m, 111);
    let before = m.digest();
    assert_eq!(peek(&mut m, 0xe000_e010), 0x1_0007, "COUNTFLAG stays");
    assert_eq!(peek(&mut m, 0xe000_e010), 0x1_0007);
    assert_eq!(peek(&mut m, 0xe000_e018), 95);
    assert_eq!(m.debug_read(0, 0x9000_0000, &mut [0; 4]), 0);
    assert_eq!(m.debug_read(0, 0xfffe, &mut [0; 4]), 2);
    assert_eq!(m.digest(), before);
}

/// STMIA R0!, {R1, R2, R3}; LDMIA R4!, {R5, R6, R7}; POP {R5, PC}.
const MANY: [u16; 3] = [0xc00e, 0xcce0, 0xbd20];

fn many(r0: u32, r4: u32) -> Machine {
    let mut m = board("cortex-m3", &MANY, &[0xe7fe]);
    for (r, v) in [(0, r0), (1, 0x11), (2, 0x22), (3, 0x33), (4, r4), (5, 5), (6, 6), (7, 7)] {
        set(&mut m, r, v);
    }
    m
}

#[test]
fn multiple_accesses_move_all_words_across_a_page_and_write_the_base_back() {
    for at in [RAM as u32 + 0x100, RAM as u32 + 0xff8] {
        for stepwise in [false, true] {
            let mut m = many(at, at);
            m.bus.fabric.mem.poke(TOP - 8, &[0xaa, 0, 0, 0, 0x01, 0x08, 0, 0]); // POP: R5, HANDLER | 1
            set(&mut m, 13, TOP as u32 - 8);
            match stepwise {
                true => (0..3).for_each(|_| _ = m.step(Time::MAX)),
                false => _ = cycles(&mut m, 4 + 4 + 6),
            }
            assert_eq!([0, 4, 8].map(|i| word(&m, u64::from(at) + i)), [0x11, 0x22, 0x33]);
            assert_eq!([0, 4, 5, 6, 7].map(|r| reg(&m, r)), [at + 12, at + 12, 0xaa, 0x22, 0x33]);
            assert_eq!((reg(&m, 13), reg(&m, PC), m.retired()), (TOP as u32, HANDLER, 3));
        }
    }
}

#[test]
fn a_multiple_access_that_faults_leaves_its_base_and_what_it_did() {
    let end = RAM as u32 + 0x1_0000;
    // The second word lies behind the memory.
    let mut m = many(end - 4, 0);
    cycles(&mut m, 5);
    assert_eq!((reg(&m, 0), word(&m, u64::from(end) - 4), reg(&m, PC)), (end - 4, 0x11, HANDLER));
    let frame = u64::from(reg(&m, 13));
    assert_eq!((word(&m, frame), word(&m, frame + 24)), (end - 4, CODE), "it can be repeated");
    let mut m = many(RAM as u32, end - 4);
    m.bus.fabric.mem.poke(u64::from(end) - 4, &[9, 0, 0, 0]);
    cycles(&mut m, 9);
    assert_eq!([4, 5, 6, 7].map(|r| reg(&m, r)), [end - 4, 9, 6, 7]);
    assert_eq!(word(&m, u64::from(reg(&m, 13)) + 24), CODE + 2);
}

const CYCCNT: u32 = 0xe000_1004;
const SYST_CVR: u32 = 0xe000_e018;

/// Cycles from one read of the core's own counter to the next, with `insn` between them, when it was run a hundred times.
fn measured(core: &str, engine: Engine, insn: &[u16], handler: &[u16]) -> u32 {
    // ldr r1, [r6]; ...; ldr r2, [r6]; adds r7, #1; b to the start
    let back = 0xe7ff & 0xe000u16.wrapping_sub(insn.len() as u16 + 5) | 0xe000;
    let code = [&[0x6831], insn, &[0x6832, 0x3701, back]].concat();
    let mut m = board(core, &code, handler);
    m.set_engine(engine);
    let v6 = core.starts_with("cortex-m0");
    if v6 {
        poke(&mut m, 0xe000_e014, 0xff_ffff);
        poke(&mut m, 0xe000_e010, 5);
    } else {
        poke(&mut m, 0xe000_edfc, 1 << 24); // DEMCR.TRCENA
        poke(&mut m, 0xe000_1000, 1); // DWT_CTRL.CYCCNTENA
        poke(&mut m, 0xe000_ed88, 0x00f0_0000); // CPACR
    }
    let next = CODE + 2 + 2 * insn.len() as u32;
    let data = RAM as u32 + 0x4000;
    for (n, v) in [(0, 3), (3, 7), (4, data), (5, next | 1), (6, if v6 { SYST_CVR } else { CYCCNT })] {
        set(&mut m, n, v);
    }
    set(&mut m, 14, 0x1000);
    m.bus.fabric.mem.poke(data.into(), &(next | 1).to_le_bytes());
    while reg(&m, 7) < 100 {
        assert_eq!(cycles(&mut m, 5_000), Exit::Reached);
    }
    while reg(&m, PC) != next + 2 {
        m.step(Time::MAX);
    }
    let (first, second) = (reg(&m, 1), reg(&m, 2));
    // The first of the two reads takes two cycles itself.
    (if v6 { first.wrapping_sub(second) & 0xff_ffff } else { second.wrapping_sub(first) }) - 2
}

/// Table 3-1 of the manuals, class by class, as a guest's own counter shows it, in both engines.
#[test]
fn mend_timing_of_each_class_of_instructions() {
    let v6: &[(&str, &[u16], [u32; 3])] = &[
        ("adds r0, r0, #1", &[0x1c40], [1, 1, 1]),
        ("muls r0, r3", &[0x4358], [1, 1, 1]),
        ("ldr r0, [r4]", &[0x6820], [2, 2, 2]),
        ("str r0, [r4, #4]", &[0x6060], [2, 2, 1]),
        ("mov r8, r0", &[0x4680], [1, 1, 1]),
        ("push {r0}", &[0xb401], [2, 2, 2]),
        ("push {r0, r3, r4}", &[0xb419], [4, 4, 4]),
        ("pop {r0, r3}", &[0xbc09], [3, 3, 3]),
        ("b .+2", &[0xe7ff], [3, 2, 2]),
        ("bne .+2, taken", &[0xd1ff], [3, 2, 2]),
        ("beq .+2, not taken", &[0xd0ff], [1, 1, 1]),
        ("bl .+4", &[0xf000, 0xf800], [4, 3, 2]),
        ("bx r5", &[0x4728], [3, 2, 3]),
        ("blx r5", &[0x47a8], [3, 2, 3]),
        ("mov pc, r5", &[0x46af], [3, 2, 3]),
        ("mrs r0, PRIMASK", &[0xf3ef, 0x8010], [4, 3, 1]),
        ("dmb", &[0xf3bf, 0x8f5f], [4, 3, 1]),
        ("isb", &[0xf3bf, 0x8f6f], [4, 3, 3]),
        ("cpsie i", &[0xb662], [1, 1, 1]),
        ("nop", &[0xbf00], [1, 1, 1]),
        ("push {r5}; pop {pc}", &[0xb420, 0xbd00], [2 + 4 + 1, 2 + 3 + 1, 2 + 1 + 1 + 3]),
    ];
    let v7: &[(&str, &[u16], [u32; 3])] = &[
        ("udiv r0, r3, r3", &[0xfbb3, 0xf0f3], [0, 0, 7]),
        ("ldr.w pc, [r4]", &[0xf8d4, 0xf000], [0, 0, 5]),
        ("it ne; ldrne r0, [r4]", &[0xbf18, 0x6820], [0, 0, 3]),
        ("it eq; ldreq r0, [r4]", &[0xbf08, 0x6820], [0, 0, 2]),
        ("it eq; bxeq r5", &[0xbf08, 0x4728], [0, 0, 2]),
        ("it ne; addne r0, r3", &[0xbf18, 0x4418], [0, 0, 2]),
        ("cbz r3, .+4, not taken", &[0xb103], [0, 0, 1]),
        ("cbnz r3, .+4; nop", &[0xb903, 0xbf00], [0, 0, 2]),
        ("vdiv.f32 s0, s1, s2", &[0xee80, 0x0a81], [0, 0, 14]),
    ];
    for (what, insn, want) in v6.iter().chain(v7) {
        for (core, want) in ["cortex-m0", "cortex-m0plus", "cortex-m4f"].into_iter().zip(want) {
            for engine in [Engine::Interpreter, Engine::Auto].into_iter().filter(|_| *want != 0) {
                assert_eq!(measured(core, engine, insn, &[BX_LR]), *want, "{what}, {core}, {engine:?}");
            }
        }
    }
}

/// SVC takes a cycle, the entry the latency; the return is over when the next instruction starts.
#[test]
fn mend_timing_of_exceptions() {
    for (core, there_and_back) in [("cortex-m0", 16 + 13), ("cortex-m0plus", 15 + 12), ("cortex-m4", 12 + 10)]
    {
        for engine in [Engine::Interpreter, Engine::Auto] {
            assert_eq!(measured(core, engine, &[0xdf00], &[BX_LR]), 1 + there_and_back, "{core}, {engine:?}");
        }
    }
    // vmov s0, r0; svc 0: the registers are stored when the handler uses floating point, and loaded again.
    let uses = |handler: &[u16]| measured("cortex-m4f", Engine::Auto, &[0xee00, 0x0a10, 0xdf00], handler);
    assert_eq!(uses(&[BX_LR]), 1 + 1 + 12 + 10, "lazy");
    assert_eq!(uses(&[0xee00, 0x0a10, BX_LR]), 1 + 1 + 12 + 17 + 1 + 17 + 10);
}

/// `nrf_delay_us` of Nordic's SDK: a loop of 16 cycles, a microsecond at 16 MHz, of which the last branch saves two.
#[test]
fn mend_timing_a_calibrated_delay_takes_the_time_it_says() {
    let code = [&[0x3801][..], &[0xbf00; 12], &[0xd1f1, 0x3401, 0xe7fe]].concat(); // subs, 12 nops, bne; adds r4
    for engine in [Engine::Interpreter, Engine::Auto] {
        let mut m = board("cortex-m0", &code, &[BX_LR]);
        m.set_engine(engine);
        set(&mut m, 0, 1000);
        cycles(&mut m, 16 * 1000 - 2);
        assert_eq!((reg(&m, 0), reg(&m, 4)), (0, 0));
        cycles(&mut m, 1);
        assert_eq!(reg(&m, 4), 1, "{engine:?}");
    }
    // nrfx_coredep_delay_us: `subs r0, #n; bhi`, with n the cycles of the loop, 4 on the M0 and 3 on the M4.
    for (core, n, cycles_wanted) in [("cortex-m0", 4, 4 * 250 - 2), ("cortex-m4", 3, 3 * 334 - 1)] {
        let mut m = board(core, &[0x3800 | n, 0xd8fd, 0x3401, 0xe7fe], &[BX_LR]);
        set(&mut m, 0, 1000);
        cycles(&mut m, cycles_wanted);
        assert_eq!(reg(&m, 4), 0);
        cycles(&mut m, 1);
        assert_eq!(reg(&m, 4), 1, "{core}");
    }
}

#[test]
fn broken_saves_do_not_load() {
    let m = ticker();
    let bytes = m.cpu(0).save();
    let mut other = CortexM::new(MConfig::named("cortex-m3").unwrap(), 0);
    use emu_core::cpu::Cpu;
    assert_eq!(other.load(&bytes), Ok(()));
    assert_eq!(other.save(), bytes);
    for cut in 0..bytes.len() {
        assert!(other.load(&bytes[..cut]).is_err());
    }
    let mut x = 1u32;
    for _ in 0..2000 {
        let mut b = bytes.clone();
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let i = (x >> 8) as usize % b.len();
        b[i] ^= (x >> 24) as u8 | 1;
        if other.load(&b).is_ok() {
            let mut m = ticker();
            let (cpu, _) = m.cpu_mut(0);
            cpu.load(&b).unwrap();
            m.run_until(Time(50 * CYCLE)); // whatever it does, it does not panic
        }
    }
}
