//! Random and directed cases: a sequence, the registers it starts from and the memory it sees.

use crate::encodings::{self, Encoding};
use crate::{CODE, Core, DATA, DATA_SIZE, ENTRY, State};

/// A small deterministic generator (splitmix64), seeded by a name, so that each test has its own numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator for a name.
    pub fn new(name: &str) -> Rng {
        Rng(name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)))
    }

    /// 64 random bits.
    pub fn next64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    /// 32 random bits.
    pub fn next32(&mut self) -> u32 {
        (self.next64() >> 32) as u32
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.next32()) * u64::from(n)) >> 32) as u32
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u32) as usize]
    }
}

/// One thing to run.
#[derive(Clone, Debug)]
pub struct Case {
    /// Name of the class or sequence, for messages.
    pub name: String,
    /// The code, little-endian halfwords.
    pub code: Vec<u8>,
    /// Registers before; R15 is where the code stands.
    pub state: State,
    /// The data region before.
    pub memory: Vec<u8>,
}

impl Case {
    /// The code as hexadecimal halfwords.
    pub fn listing(&self) -> String {
        let halves = self.code.chunks(2).map(|h| format!("{:04x}", u16::from_le_bytes([h[0], h[1]])));
        halves.collect::<Vec<_>>().join(" ")
    }
}

/// An integer at which something may change: few bits, all bits, halfword and byte limits, shift amounts.
pub fn operand(rng: &mut Rng) -> u32 {
    const HALVES: [u32; 10] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x8001, 0xffff, 0x0100];
    const WORDS: [u32; 8] = [0, 1, 2, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_fffe, u32::MAX];
    match rng.below(10) {
        0..3 => rng.next32(),
        3..5 => rng.pick(&WORDS),
        5 => rng.pick(&HALVES) << 16 | rng.pick(&HALVES),
        6 => rng.below(41),
        7 => 1 << rng.below(32),
        8 => rng.next32() >> rng.below(32),
        _ => (rng.next32() as i32 >> rng.below(32)) as u32,
    }
}

/// A single-precision pattern of every kind.
pub fn single(rng: &mut Rng) -> u32 {
    let sign = rng.next32() & 1 << 31;
    let magnitude = match rng.below(12) {
        0 => 0,
        1 => rng.pick(&[1, 0x7f_ffff, 0x80_0000, 0x80_0001, 0x7f7f_ffff, 0x7f80_0000]),
        2 => rng.pick(&[0x7fc0_0000, 0x7f80_0001, 0x7fff_ffff, 0x7fbf_ffff, 0x7fc1_2345]),
        3 => rng.next32() & 0x7f_ffff,
        4..6 => rng.below(254) << 23 | rng.next32() & 0x7f_ffff,
        6 => (127 + rng.below(34)) << 23 | (rng.next32() & 0x7f_ffff) >> rng.below(23) << rng.below(23),
        7 => rng.pick(&[0x3f80_0000, 0x3f00_0000, 0x4f00_0000, 0x4f80_0000, 0x4f7f_ffff, 0x4eff_ffff]),
        8 => (112 + rng.below(32)) << 23 | rng.next32() & 0x7f_f000 | rng.below(3),
        9 => rng.next32() & 0x7fff_ffff,
        _ => (120 + rng.below(14)) << 23 | rng.next32() & 0x7f_ffff,
    };
    sign | magnitude & 0x7fff_ffff
}

/// A double-precision pattern of every kind.
pub fn double(rng: &mut Rng) -> u64 {
    const FRACTION: u64 = (1 << 52) - 1;
    let sign = rng.next64() & 1 << 63;
    let infinity = 0x7ffu64 << 52;
    let magnitude = match rng.below(10) {
        0 => 0,
        1 => rng.pick(&[1, FRACTION, 1 << 52, infinity - 1, infinity]),
        2 => rng.pick(&[infinity | 1, infinity | 1 << 51, infinity | FRACTION, infinity | FRACTION >> 1]),
        3 => rng.next64() & FRACTION,
        4 => u64::from(rng.below(2046)) << 52 | rng.next64() & FRACTION,
        5 => {
            u64::from(1023 + rng.below(66)) << 52
                | (rng.next64() & FRACTION) >> rng.below(52) << rng.below(52)
        }
        // Near the range of singles and of their subnormals.
        6 => u64::from(1023 - 150 + rng.below(30)) << 52 | rng.next64() & FRACTION >> 23 << rng.below(24),
        7 => u64::from(1023 + 126 + rng.below(4)) << 52 | rng.next64() & FRACTION,
        _ => u64::from(1016 + rng.below(14)) << 52 | rng.next64() & FRACTION,
    };
    sign | magnitude & (u64::MAX >> 1)
}

/// Every mode and flush bit, some flags.
pub fn fpscr(rng: &mut Rng) -> u32 {
    let modes = match rng.below(3) {
        0 => 0,
        1 => rng.next32() & 3 << 22,
        _ => rng.next32() & 0x1f << 22,
    };
    let flags = if rng.one_in(2) { 0 } else { rng.next32() & 0xf000_009f };
    modes | flags
}

/// An instruction of a class, fields at random within its rules.
pub fn instruction(rng: &mut Rng, row: &Encoding) -> u32 {
    for _ in 0..100_000 {
        let bits = row.value | rng.next32() & !row.mask;
        if row.allows(bits) {
            return bits;
        }
    }
    panic!("{}: its rules leave nothing", row.name)
}

/// Code bytes of one instruction.
pub fn bytes(wide: bool, bits: u32) -> Vec<u8> {
    let low = (bits as u16).to_le_bytes();
    if wide { [((bits >> 16) as u16).to_le_bytes(), low].concat() } else { low.to_vec() }
}

/// Random registers and memory for a core: SP in the middle of the data region.
pub fn state(rng: &mut Rng, core: Core) -> State {
    let mut state = State::default();
    for r in &mut state.r {
        *r = operand(rng);
    }
    // Equal operands are a case of their own.
    if rng.one_in(4) {
        state.r[rng.below(13) as usize] = state.r[rng.below(13) as usize];
    }
    state.r[13] = DATA + DATA_SIZE / 2 + 4 * rng.below(8);
    state.r[15] = ENTRY + 2 * rng.below(2);
    state.apsr = rng.next32() & core.apsr_mask();
    if core.has_fpu() {
        fill_fp(rng, &mut state);
    }
    state
}

fn fill_fp(rng: &mut Rng, state: &mut State) {
    state.fpscr = fpscr(rng);
    let doubles = rng.one_in(2);
    for n in (0..32).step_by(2) {
        if doubles {
            let value = double(rng);
            (state.s[n], state.s[n + 1]) = (value as u32, (value >> 32) as u32);
        } else {
            (state.s[n], state.s[n + 1]) = (single(rng), single(rng));
        }
    }
    // Values close to each other or to their negative, so that terms cancel.
    for _ in 0..8 {
        let (from, to) = (rng.below(16) as usize * 2, rng.below(16) as usize * 2);
        let flip = if rng.one_in(2) { 1 << 31 } else { 0 };
        (state.s[to], state.s[to + 1]) = (state.s[from] ^ rng.below(4), state.s[from + 1] ^ flip);
    }
}

/// Random contents of the data region.
pub fn memory(rng: &mut Rng) -> Vec<u8> {
    let mut memory = Vec::with_capacity(DATA_SIZE as usize);
    while memory.len() < DATA_SIZE as usize {
        memory.extend(rng.next64().to_le_bytes());
    }
    memory
}

/// A data region full of code addresses with the Thumb bit.
fn pointers(rng: &mut Rng) -> Vec<u8> {
    (0..DATA_SIZE / 4).flat_map(|_| code_address(rng).to_le_bytes()).collect()
}

/// A code address with the Thumb bit, away from [`ENTRY`].
fn code_address(rng: &mut Rng) -> u32 {
    (CODE + 0x100 + 2 * rng.below(0x1000)) | 1
}

/// Makes base, index and jump registers of an instruction fit its class.
fn prepare(rng: &mut Rng, core: Core, row: &Encoding, bits: u32, state: &mut State) {
    let fields = row.fields(bits);
    let coarse = core == Core::M0;
    if let Some(x) = fields.get('x') {
        let small = if coarse { 4 * rng.below(32) } else { rng.below(128) };
        let to_pc = row.name == "ADD_reg_T2_pc";
        let negative = rng.one_in(3) && !row.name.starts_with("TB");
        // A jump a few bytes back would be a loop.
        let small = if to_pc { (small & !1) + 16 } else { small };
        state.r[x as usize] = if negative { small.wrapping_neg() } else { small };
    }
    if let Some(b) = fields.get('b').filter(|b| *b < 13 || *b == 14) {
        let step = if coarse || row.says("@aligned") { 4 * rng.below(16) } else { rng.below(64) };
        state.r[b as usize] = DATA + DATA_SIZE / 2 + step;
    }
    if let Some(j) = fields.get('j') {
        state.r[j as usize] = code_address(rng);
    }
    if row.says("@fpscr")
        && let Some(t) = fields.get('t')
    {
        state.r[t as usize] = fpscr(rng);
    }
    if row.says("@nearest") {
        state.fpscr &= !(3 << 22);
    }
    if row.name.starts_with("CB") && rng.one_in(2) {
        state.r[fields.get('n').unwrap_or(0) as usize] = 0;
    }
}

/// A halfword `IT{x{y{z}}} cond`.
pub fn it(cond: u32, mask: u32) -> Vec<u8> {
    bytes(false, 0xbf00 | cond << 4 | mask)
}

/// A case for given bits of a class, sometimes within an IT block where the class allows that.
pub fn around(rng: &mut Rng, core: Core, row: &Encoding, bits: u32) -> Case {
    let mut state = state(rng, core);
    prepare(rng, core, row, bits, &mut state);
    let memory = if row.says("@pc") { pointers(rng) } else { memory(rng) };
    let mut code = Vec::new();
    if core != Core::M0 && !row.says("@noit") && rng.one_in(4) {
        code.extend(it(rng.below(15), 8));
    }
    if row.says("@evenpc") {
        state.r[15] = ENTRY + if code.is_empty() { 0 } else { 2 };
    }
    code.extend(bytes(row.is_wide(), bits));
    Case { name: row.name.clone(), code, state, memory }
}

/// A random case of a class.
pub fn random(rng: &mut Rng, core: Core, row: &Encoding) -> Case {
    let bits = instruction(rng, row);
    around(rng, core, row, bits)
}

/// Every shift type and amount of a class that has them, with carry in clear and set.
pub fn shifts(rng: &mut Rng, core: Core, row: &Encoding) -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, amount, carry) in (0..256).map(|n| (n >> 6, n >> 1 & 31, n & 1)) {
        let bits = row.with(row.with(instruction(rng, row), 't', kind), 'i', amount);
        let mut case = around(rng, core, row, row.with(bits, 's', 1));
        case.state.apsr = case.state.apsr & !(1 << 29) | carry << 29;
        cases.push(case);
    }
    cases
}

/// The classes that may stand anywhere in a sequence: no memory, no branch, no SP. On the M0 Unicorn would keep an APSR.Q
/// that MSR writes and MRS reads.
fn plain_rows(core: Core) -> Vec<Encoding> {
    let sees_q = |row: &Encoding| core == Core::M0 && row.name == "MSR_apsr_nzcvq";
    let fits =
        |row: &Encoding| row.is_plain() && !row.says("@nearest") && !row.name.contains("sp_") && !sees_q(row);
    encodings::of(core).into_iter().filter(fits).collect()
}

/// A sequence of plain instructions, so that flags and results run from one into the next.
pub fn sequences(rng: &mut Rng, core: Core, count: usize) -> Vec<Case> {
    let rows = plain_rows(core);
    let integer: Vec<&Encoding> = rows.iter().filter(|row| !row.name.starts_with('V')).collect();
    let any: Vec<&Encoding> = rows.iter().collect();
    let mut cases = Vec::new();
    for n in 0..count {
        let pool = if n % 3 == 0 { &any } else { &integer };
        let length = 2 + rng.below(9);
        let mut code = Vec::new();
        let mut names = Vec::new();
        for _ in 0..length {
            let row = rng.pick(pool);
            code.extend(bytes(row.is_wide(), instruction(rng, row)));
            names.push(row.name.as_str());
        }
        let mut state = state(rng, core);
        state.fpscr &= !0x0000_009f;
        cases.push(Case { name: names.join(", "), code, state, memory: memory(rng) });
    }
    cases
}

/// Every IT condition and mask over plain instructions, which may change the flags that later ones depend on; `rounds`
/// of each.
pub fn it_blocks(rng: &mut Rng, core: Core, rounds: u32) -> Vec<Case> {
    let rows: Vec<Encoding> = plain_rows(core).into_iter().filter(|row| !row.says("@noit")).collect();
    let narrow: Vec<&Encoding> = rows.iter().filter(|row| !row.is_wide()).collect();
    let any: Vec<&Encoding> = rows.iter().filter(|row| !row.name.starts_with('V')).collect();
    let mut cases = Vec::new();
    for (cond, mask) in (0..15).flat_map(|cond| (1..16).map(move |mask| (cond, mask))) {
        // AL has no else: its mask has exactly one bit set.
        if cond == 14 && mask & (mask - 1) != 0 {
            continue;
        }
        for _ in 0..rounds {
            let pool = if rng.one_in(2) { &narrow } else { &any };
            let mut code = it(cond, mask);
            let mut names = vec![format!("IT {cond:x} {mask:x}")];
            // One instruction inside for each mask bit up to the last set one, and one after the block.
            for _ in 0..4 - mask.trailing_zeros() + 1 {
                let row = rng.pick(pool);
                code.extend(bytes(row.is_wide(), instruction(rng, row)));
                names.push(row.name.clone());
            }
            cases.push(Case { name: names.join(", "), code, state: state(rng, core), memory: memory(rng) });
        }
    }
    cases
}

/// Exclusive accesses in the orders that matter: a store-exclusive after its load, after CLREX, after another store.
pub fn exclusives(rng: &mut Rng, core: Core, rounds: u32) -> Vec<Case> {
    // LDREX R1 or its byte and halfword forms from [R0]; STREX R2, R3 to [R0].
    const LOADS: [u32; 3] = [0xe850_1f00, 0xe8d0_1f4f, 0xe8d0_1f5f];
    const STORES: [u32; 3] = [0xe840_3200, 0xe8c0_3f42, 0xe8c0_3f52];
    const CLREX: u32 = 0xf3bf_8f2f;
    let mut cases = Vec::new();
    for round in 0..rounds {
        for (size, (load, store)) in LOADS.into_iter().zip(STORES).enumerate() {
            let orders: [(&str, &[u32]); 5] = [
                ("load", &[CLREX, load, CLREX]),
                ("store", &[CLREX, store]),
                ("load, store", &[load, store]),
                ("load, clear, store", &[load, CLREX, store]),
                ("load, store, store", &[load, store, store]),
            ];
            for (name, order) in orders {
                let mut state = state(rng, core);
                state.r[0] = DATA + DATA_SIZE / 2 + 4 * (round & 7);
                let code = order.iter().flat_map(|bits| bytes(true, *bits)).collect();
                cases.push(Case {
                    name: format!("exclusive {size}: {name}"),
                    code,
                    state,
                    memory: memory(rng),
                });
            }
        }
    }
    cases
}
