//! The oracle itself: it must stop exactly, see every class, and give answers that the manual gives.

use emu_unicorn::cases::{self, Rng};
use emu_unicorn::{Core, DATA, DATA_SIZE, ENTRY, Oracle, State, Stop, encodings};

fn zeroes() -> Vec<u8> {
    vec![0; DATA_SIZE as usize]
}

fn at_entry() -> State {
    let mut state = State::default();
    state.r[15] = ENTRY;
    state.r[13] = DATA + 0x1000;
    state
}

fn run(core: Core, state: &State, halves: &[u16]) -> emu_unicorn::Outcome {
    let code: Vec<u8> = halves.iter().flat_map(|h| h.to_le_bytes()).collect();
    Oracle::new(core).run(state, &code, &zeroes())
}

#[test]
fn oracle_stops_after_the_sequence() {
    for core in Core::ALL {
        // MOVS r0, #5; ADDS r0, #1
        let out = run(core, &at_entry(), &[0x2005, 0x3001]);
        assert_eq!((out.stop, out.state.r[0], out.state.r[15]), (Stop::Left, 6, ENTRY + 4), "{core:?}");
    }
}

#[test]
fn oracle_stops_after_an_it_block() {
    // ITTE EQ; MOV r0, #1; MOV r1, #1; MOV r2, #1
    for (z, expected) in [(1 << 30, [1, 1, 0]), (0, [0, 0, 1])] {
        let state = State { apsr: z, ..at_entry() };
        let out = run(Core::M3, &state, &[0xbf06, 0x2001, 0x2101, 0x2201]);
        assert_eq!(out.state.r[..3], expected);
        assert_eq!((out.stop, out.state.r[15]), (Stop::Left, ENTRY + 8));
        assert_eq!(out.state.apsr, z, "no flags set in an IT block");
    }
}

#[test]
fn oracle_tells_faults_apart() {
    let mut state = at_entry();
    state.r[1] = 0x6000_0000;
    assert_eq!(run(Core::M3, &state, &[0x6808]).stop, Stop::ReadFault);
    assert_eq!(run(Core::M3, &state, &[0x6008]).stop, Stop::WriteFault);
    assert_eq!(run(Core::M3, &state, &[0xde01]).stop, Stop::Undefined);
    assert_eq!(run(Core::M3, &state, &[0xdf01]).stop, Stop::Exception, "SVC");
    assert_eq!(run(Core::M0, &state, &[0xfb91, 0xf0f1]).stop, Stop::Undefined, "SDIV on a v6-M core");
    assert_eq!(run(Core::M3, &state, &[0xfa81, 0xf082]).stop, Stop::Undefined, "QADD without DSP");
}

#[test]
fn oracle_has_the_right_fpu() {
    let mut state = at_entry();
    (state.s[2], state.s[4]) = (0x3f80_0000, 0x4000_0000);
    // VADD.F32 s0, s2, s4; VADD.F64 d0, d1, d2
    let add = [0xee31, 0x0a02];
    assert_eq!(run(Core::M4, &state, &add).state.s[0], 0x4040_0000);
    assert_eq!(run(Core::M3, &state, &add).stop, Stop::Exception, "no coprocessor");
    assert_eq!(run(Core::M4, &state, &[0xee31, 0x0b02]).stop, Stop::Undefined);
    assert_eq!(run(Core::M7, &state, &[0xee31, 0x0b02]).stop, Stop::Left);
    state.fpscr = 0x0340_0000;
    assert_eq!(run(Core::M4, &state, &add).state.fpscr, 0x0340_0000, "FPSCR is the one given");
}

/// Every class on every core that has it ends by leaving the sequence, never by a fault.
#[test]
fn oracle_knows_every_class() {
    for core in Core::ALL {
        let mut oracle = Oracle::new(core);
        let mut rng = Rng::new("oracle_knows_every_class");
        let mut wrong = Vec::new();
        for row in encodings::of(core) {
            for _ in 0..20 {
                let case = cases::random(&mut rng, core, &row);
                let out = oracle.run(&case.state, &case.code, &case.memory);
                if out.stop != Stop::Left {
                    wrong.push(format!(
                        "{core:?} {} {}: {:?} at {:x}",
                        case.name,
                        case.listing(),
                        out.stop,
                        out.state.r[15]
                    ));
                }
            }
        }
        assert!(
            wrong.is_empty(),
            "{} of {core:?}:\n{}",
            wrong.len(),
            wrong[..wrong.len().min(40)].join("\n")
        );
    }
}

const LENIENT: [&str; 20] = [
    "CBZ_T1",
    "CBNZ_T1",
    "MSR_apsr_g",
    "MSR_apsr_nzcvqg",
    "SSAT16",
    "USAT16",
    "SXTAH",
    "UXTAH",
    "SXTAB",
    "UXTAB",
    "SMLAD",
    "SMUAD",
    "SMLAWy",
    "SMULWy",
    "SMLSD",
    "SMUSD",
    "USADA8",
    "USAD8",
    "SMLALD",
    "SMLSLD",
];

/// The classes that a core lacks fault on it, but for what Unicorn is lenient about: see "Excluded" in the README.
#[test]
fn oracle_refuses_what_a_core_lacks() {
    for core in Core::ALL {
        let mut oracle = Oracle::new(core);
        let mut rng = Rng::new("oracle_refuses");
        let mut taken = Vec::new();
        for row in
            encodings::all().iter().filter(|row| !row.on.has(core) && !LENIENT.contains(&row.name.as_str()))
        {
            let bits = cases::instruction(&mut rng, row);
            let mut state = cases::state(&mut rng, core);
            state.r[0..13].fill(DATA + DATA_SIZE / 2);
            let out = oracle.run(&state, &cases::bytes(row.is_wide(), bits), &zeroes());
            if out.stop == Stop::Left {
                taken.push(format!("{core:?} {} {bits:x}", row.name));
            }
        }
        assert!(taken.is_empty(), "{}", taken.join("\n"));
    }
}
