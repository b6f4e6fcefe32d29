//! What compilers emit is compiled: for each class of instructions a loop in which hardly an operation is left to the interpreter,
//! and whose results are the interpreter's.

use emu_arm::m::{config::MConfig, core::Core};
use emu_core::{
    bus::Bus,
    cpu::{Engine, Run},
    memory::RegionKind,
};
use emu_engine::{cache::CodeCache, guest::Guest, jit};

const CODE: u32 = 0x1000;
const DATA: u32 = 0x2000_0100;
const ROUNDS: u32 = 2000;

/// Where a program starts.
fn start(class: &[u16]) -> u32 {
    // An IT block lies across the border of a page: two of its four instructions are in each.
    if class.first().is_some_and(|hw| hw >> 8 == 0xbf) { CODE + 0x1000 - 0x10 - 6 } else { CODE }
}

/// Before each round R0 to R3 are numbers (R3 equals R2), R6 is a new one; behind it R2 and R3 count. The code of a class stands
/// 16 bytes behind the start.
fn program(class: &[u16]) -> Vec<u8> {
    let mut code = vec![0xfb06, 0x8607]; // mla r6, r6, r7, r8
    code.extend([0x4630, 0xea4f, 0x3176]); // mov r0, r6; ror r1, r6, #13
    code.extend([0xea81, 0x0204, 0x4613]); // eor r2, r1, r4; mov r3, r2
    assert_eq!(code.len(), 8);
    code.extend(class);
    code.extend([0x405c, 0x4414, 0xea4f, 0x64f4]); // eors r4, r3; add r4, r2; ror r4, r4, #27
    code.push(0x3d01); // subs r5, #1
    let back = code.len() as u16 + 2;
    code.push(0xd100 | back.wrapping_neg() & 0xff); // bne to the start
    code.push(0xe7fe); // b to itself
    code.into_iter().flat_map(u16::to_le_bytes).collect()
}

/// What software could see afterwards.
type State = (Vec<u64>, u32, (bool, u8, bool), u128);

/// All that software could see, and how many operations compiled code left to the interpreter.
fn run(cpu: &str, class: &[u16], engine: Engine) -> (State, u64) {
    let mut bus = Bus::default();
    bus.fabric.mem.add_region("code", 0, 0x4000, RegionKind::Rom);
    bus.fabric.mem.add_region("data", 0x2000_0000, 0x4000, RegionKind::Ram);
    let at = start(class);
    bus.fabric.mem.poke(at.into(), &program(class));
    let mut core = Core::new(MConfig::named(cpu).expect("a core"), 0);
    (core.sys.st.cpacr, core.sys.st.fpca) = (0x00f0_0000, true);
    for (r, v) in [(5, ROUNDS), (6, 1), (7, 1_664_525), (8, 1_013_904_223), (9, DATA), (13, DATA + 0x800)] {
        core.regs.set(r, v);
    }
    core.set_pc(at);
    let mut cache = CodeCache::default();
    cache.set_engine(engine);
    let slice = Run { cycle: 0, until: u64::from(ROUNDS) * 200, step: false, resume: false };
    core.run(&mut cache, &mut bus, slice);
    assert_eq!((core.regs.get(5), core.sys.scb.cfsr), (0, 0), "{class:04x?} on {cpu} was not executed");
    let regs = core.regs.r[..15].to_vec();
    let st = &core.sys.st;
    ((regs, core.regs.nzcv(), (st.q, st.ge, st.exclusive), bus.fabric.mem.digest()), cache.stats().slow_ops)
}

/// Each line: a name, and the halfwords of what is executed.
fn check(cpu: &str, classes: &str) {
    if let Err(why) = jit::available() {
        return println!("not tested: {why}");
    }
    for line in classes.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (name, code) = line.split_once(':').expect("a name");
        let halves = code.split_whitespace().map(|h| u16::from_str_radix(h, 16).expect("a halfword"));
        let class: Vec<u16> = halves.collect();
        let (want, _) = run(cpu, &class, Engine::Interpreter);
        let (got, slow) = run(cpu, &class, Engine::Jit);
        assert_eq!(want, got, "{name} on {cpu}");
        // The first access of a page may be among them.
        assert!(slow <= 8, "{name} on {cpu}: {slow} operations left to the interpreter in {ROUNDS} rounds");
    }
}

#[test]
fn mend_halves_and_words_are_multiplied_in_compiled_code() {
    check(
        "cortex-m4",
        "smlabb r3, r0, r1, r2: fb10 2301
         smlatt r3, r0, r1, r2: fb10 2331
         smlabt: fb10 2311
         smulbb r3, r0, r1: fb10 f301
         smultb: fb10 f321
         smlawb: fb30 2301
         smlawt: fb30 2311
         smulwt: fb30 f311
         smlad: fb20 2301
         smladx: fb20 2311
         smuad: fb20 f301
         smlsd: fb40 2301
         smusdx: fb40 f311
         smmla: fb50 2301
         smmlar: fb50 2311
         smmul: fb50 f301
         smmulr: fb50 f311
         smmls: fb60 2301
         smmlsr: fb60 2311
         smlalbb r2, r3, r0, r1: fbc0 2381
         smlaltt: fbc0 23b1
         smlald: fbc0 23c1
         smlaldx: fbc0 23d1
         smlsld: fbd0 23c1
         smlsldx: fbd0 23d1
         umaal: fbe0 2361
         umaal r2, r3, r2, r3: fbe2 2363
         smlald r2, r3, r2, r3: fbc2 23c3",
    );
}

#[test]
fn mend_lanes_and_saturation_are_compiled() {
    // SADD8 and its kin, each followed by SEL where it sets GE: r3 = r0 op r1, r2 = sel r0, r1.
    let mut classes = String::new();
    for (op, name) in
        [(0x80, "add8"), (0x90, "add16"), (0xa0, "asx"), (0xc0, "sub8"), (0xd0, "sub16"), (0xe0, "sax")]
    {
        for (variant, prefix) in [(0, "s"), (1, "q"), (2, "sh"), (4, "u"), (5, "uq"), (6, "uh")] {
            classes += &format!("{prefix}{name}: fa{op:02x} f3{variant}1 faa0 f281\n");
        }
    }
    classes += "sxtab16 r3, r0, r1: fa20 f381
                sxtab16 r3, r0, r1, ror 8: fa20 f391
                sxtb16: fa2f f3a1
                uxtab16: fa30 f3b1
                uxtb16: fa3f f381
                usad8: fb70 f301
                usada8: fb70 2301
                qadd: fa81 f380
                qsub: fa81 f3a0
                qdadd: fa81 f390
                qdsub: fa81 f3b0
                ssat r3, #12, r0: f300 030b
                ssat r3, #20, r0, asr 4: f320 1313
                usat r3, #31, r0, lsl 2: f380 039f
                ssat16 r3, #8, r0: f320 0307
                usat16 r3, #13, r0: f3a0 030d
                pkhbt r3, r0, r1, lsl 4: eac0 1301
                pkhtb r3, r0, r1, asr 16: eac0 4321";
    check("cortex-m4", &classes);
}

#[test]
fn mend_bits_and_shifts_are_compiled() {
    let classes = "rbit r3, r0: fa90 f3a0
         clz r3, r0: fab0 f380
         clz of zero: ea20 0200 fab2 f382
         rev: fa90 f380
         rev16: fa90 f390
         revsh: fa90 f3b0
         bfi r3, r0, #3, #7: f360 03c9
         bfc: f36f 1317
         ubfx: f3c0 1350
         sbfx: f340 1350
         lsrs r3, r0, #32: 0803 415b
         asrs r3, r0, #32: 1003 415b
         rrxs r3, r0: ea5f 0330
         lsls r3, r1: 408b 415b
         lsrs r3, r1: 40cb 415b
         asrs r3, r1: 410b 415b
         rors r3, r1: 41cb 415b
         adcs, sbcs: 414b 4183
         mla: fb00 2301
         mls: fb00 2311
         smull r2, r3, r0, r1: fb80 2301
         umlal: fbe0 2301
         smlal: fbc0 2301
         udiv r3, r0, r1: f041 0101 fbb0 f3f1
         sdiv: f041 0101 fb90 f3f1
         ssat r3, #12, r0: f300 030b
         usat r3, #7, r0, asr 3: f3a0 03c7";
    for cpu in ["cortex-m3", "cortex-m4"] {
        check(cpu, classes);
    }
}

#[test]
fn mend_exclusive_accesses_are_compiled() {
    let classes = "ldrex r3, [r9]; add; strex r2, r3, [r9]: e859 3f00 4403 e849 3200
         ldrexb, strexb: e8d9 3f4f 4403 e8c9 3f42
         ldrexh, strexh: e8d9 3f5f 4403 e8c9 3f52
         ldrex, clrex, strex: e859 3f01 f3bf 8f2f e849 0201
         strex alone: e849 0202";
    check("cortex-m3", classes);
}

#[test]
fn mend_two_words_and_many_are_one_access() {
    let classes = "strd r0, r1; ldrd r2, r3: e9c9 0102 e9d9 2302
         strd r1, r0; ldrd r3, r2: e9c9 1002 e9d9 3202
         strd r0, r1, [r9, #8]!; ldrd r2, r3, [r9], #-8: e9e9 0102 e879 2302
         push, pop: b40f bc0f
         stmdb, ldmia: e929 0003 e8b9 000c";
    check("cortex-m3", classes);
}

#[test]
fn mend_jumps_through_registers_are_compiled() {
    // The jump and what it jumps over or to; `and r2, r1, #1` makes an index.
    let classes = "mov pc, r3: a301 469f 4402
         mov pc, r3 to an even address: a300 469f 4602
         tbb: f001 0201 e8df f002 0101
         tbh: f001 0201 e8df f012 0002 0002";
    check("cortex-m3", classes);
}

/// A block that ends within an IT block is compiled; the rest of the IT block is the interpreter's, since it stands in the next
/// page.
#[test]
fn mend_blocks_end_within_it_blocks_in_compiled_code() {
    if let Err(why) = jit::available() {
        return println!("not tested: {why}");
    }
    let class = [0xbf01, 0x1812, 0x181b, 0x4042, 0x404b]; // itttt eq; addeq r2, r2, r0; ...
    let (want, _) = run("cortex-m3", &class, Engine::Interpreter);
    let (got, slow) = run("cortex-m3", &class, Engine::Jit);
    assert_eq!(want, got);
    // One in each round: the jump into the next page.
    assert!((1900..2010).contains(&slow), "{slow} operations left to the interpreter");
}
