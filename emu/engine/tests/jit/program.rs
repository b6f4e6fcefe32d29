//! From bytes to random operations.

use crate::guest::{EVEN, MMIO, RAM, THUMB, mix, place, shape};
use emu_engine::ir::{Block, Builder, Code, GE, MAX_INSNS, MEM_ALIGNED, Q, TEMP, TRASH, lanes};

/// Slots of 32-bit values: those in host registers, near ones, far ones. (What is in a temporary counts within its own
/// instruction only.)
pub fn slots(kind: usize) -> &'static [u8] {
    if kind == THUMB {
        &[0, 1, 2, 3, 4, 5, 6, 7, 13, 8, 9, 12, 14, 60, 95, 92, 94]
    } else {
        &[74, 75, 76, 77, 78, 79, 72, 73, 66, 65, 67, 80, 95, 3, 14, 60, 94]
    }
}

/// Slots of 64-bit values; none is in a host register.
pub fn wide_slots(kind: usize) -> &'static [u8] {
    if kind == THUMB { &[32, 33, 34, 63, 90] } else { &[32, 33, 34, 63, 84] }
}

/// A number with a taste for the edges.
pub fn number(v: u64) -> u32 {
    const EDGES: [u32; 16] = [
        0,
        1,
        2,
        7,
        31,
        32,
        33,
        64,
        255,
        256,
        0x7fff_ffff,
        0x8000_0000,
        0x8000_0001,
        u32::MAX,
        u32::MAX - 1,
        0xffff,
    ];
    let random = (v >> 32) as u32;
    match v & 7 {
        0..4 => EDGES[(v >> 8) as usize & 15],
        4 => random & 0xff,
        5 => (random & 0xff).wrapping_neg(),
        _ => random,
    }
}

/// State of an IT block: condition and how many instructions are left.
pub fn it_state(v: u32) -> u8 {
    ((v >> 8 & 15) as u8) << 4 | ((v & 3) as u8 + 1)
}

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = mix(self.0);
        self.0
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 16) as usize % n
    }
    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }
    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
    fn number(&mut self) -> u32 {
        number(self.next())
    }
}

/// What an instruction is, in bits 2 to 7 of its first byte.
const CLASSES: u8 = 64;
const ENDS: std::ops::Range<u8> = 56..64;

/// A page of code. `ends`: one in so many instructions may end a block.
pub fn fill(seed: u64, page: &mut [u8], ends: usize) {
    let mut rng = Rng(seed);
    for half in page.chunks_exact_mut(2) {
        let class = if rng.chance(ends) {
            ENDS.start + rng.below(ENDS.len()) as u8
        } else {
            rng.below(usize::from(ENDS.start)) as u8
        };
        half[0] = class << 2 | rng.below(4) as u8;
        // Few different ones, so that the same comes again.
        half[1] = rng.next() as u8;
    }
}

pub fn translate(
    kind: usize,
    salt: u64,
    code: &[u8],
    (offset, page_end): (usize, usize),
    (pc, it): (u32, u8),
    max: usize,
) -> Block {
    let (b, next_it) = (Builder::new(), it);
    let (end, skipped, cycles) = (false, false, 0);
    let mut t = Tr { kind, salt, b, rng: Rng(0), next: pc, pc, it: 0, next_it, end, skipped, cycles };
    let mut at = offset;
    loop {
        at += t.instruction(code.get(at..).unwrap_or(&[]));
        if t.end || t.b.len() >= max.min(MAX_INSNS) || at >= page_end {
            return t.close();
        }
    }
}

struct Tr {
    kind: usize,
    salt: u64,
    b: Builder,
    rng: Rng,
    pc: u32,
    next: u32,
    it: u8,
    next_it: u8,
    end: bool,
    /// The last operation stands under a `Skip`.
    skipped: bool,
    /// Cost of the instruction.
    cycles: u8,
}

const SIMPLE: &[Code] = {
    use Code::*;
    &[
        Mov, MovS, Mvn, MvnS, Add, AddS, Adc, AdcS, Sub, SubS, Sbc, SbcS, And, AndS, Or, OrS, Xor, XorS, Bic,
        BicS, Orn, OrnS, Rrx, RrxS, RrxC, Lsl, LslS, Lsr, LsrS, Asr, AsrS, Ror, RorS, Mul, MulS, Mla, Mls,
        Umull, Smull, Umlal, Smlal, Udiv, Sdiv, Clz, Rbit, Rev, Rev16, RevSh, Slt, Sltu, Sll, Srl, Sra, Mulh,
        Mulhsu, Mulhu, DivRv, DivuRv, RemRv, RemuRv,
    ]
};
const DSP: &[Code] = {
    use Code::*;
    &[MlaHalf, MlaWord, MlaDual, MlaHigh, Umaal, QAdd, QSub, Clamp, Lanes, Lanes, Lanes]
};
const LANES: &[u32] = {
    use lanes::*;
    &[ADD8, ADD16, ASX, SUB8, SUB16, SAX, SXTB16, USAD8]
};
const WITH_NUMBER: &[Code] = {
    use Code::*;
    &[MovI, MovIS, AddI, AddIS, SubI, SubIS, RsbI, RsbIS, AndI, AndIS, OrI, OrIS, XorI, XorIS, SltI, SltuI]
};
const SHIFTS: &[Code] = {
    use Code::*;
    &[LslI, LslIS, LslIC, RorI, RorIS, RorIC, LsrI, LsrIS, LsrIC, AsrI, AsrIS, AsrIC]
};
const LOADS: &[Code] = &[Code::Ld8, Code::Ld8S, Code::Ld16, Code::Ld16S, Code::Ld32, Code::Ld32];
const STORES: &[Code] = &[Code::St8, Code::St16, Code::St32];
const INDEXED: &[Code] = {
    use Code::*;
    &[LdX8, LdX8S, LdX16, LdX16S, LdX32, StX8, StX16, StX32]
};
const COMPARE_BRANCH: &[Code] = {
    use Code::*;
    &[BranchEq, BranchNe, BranchLt, BranchGe, BranchLtu, BranchGeu]
};

impl Tr {
    fn instruction(&mut self, code: &[u8]) -> usize {
        (self.pc, self.it) = (self.next, self.next_it);
        self.next_it = if self.it & 15 > 1 { self.it - 1 } else { 0 };
        let half = |n: usize| code.get(2 * n..2 * n + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        let first = half(0).unwrap_or(0);
        let wide = if first & 3 == 3 { half(1) } else { None };
        let len = if wide.is_some() { 4 } else { 2 };
        self.next = self.pc.wrapping_add(len);
        self.rng = Rng(mix(self.salt ^ u64::from(first) << 16 ^ u64::from(wide.unwrap_or(0))));
        let class = (first >> 2) as u8 % CLASSES;
        self.cycles = match self.rng.below(8) {
            0..5 => 1,
            5 | 6 => 2 + self.rng.below(3) as u8,
            _ => 1 + self.rng.below(40) as u8,
        };
        self.b.insn(self.pc, self.it, self.cycles);
        let skip = (self.it & 15 != 0).then(|| self.b.skip_unless(self.it >> 4));
        if let Some(skip) = skip {
            self.b.op(skip).imm2 = self.back().into();
        }
        let at = self.b.here();
        self.skipped = skip.is_some();
        self.class(class);
        self.skipped = false;
        if let Some(skip) = skip {
            self.b.end_skip(skip);
            self.skipped = self.b.here() != at;
        }
        len as usize
    }

    fn close(mut self) -> Block {
        if self.skipped && self.b.ended() {
            self.b.push(Code::Jump, 0, 0, 0, self.next);
        }
        self.b.finish(self.next, self.next_it)
    }

    fn class(&mut self, class: u8) {
        match class {
            0..22 => (0..=self.rng.below(3)).for_each(|_| self.alu()),
            22..26 => self.wide(),
            26..30 => self.compare(),
            30..38 => self.load_or_store(),
            38..41 => self.many(),
            41..44 => self.part(),
            44..47 => self.call(),
            47..50 if self.kind == THUMB && self.it == 0 => {
                self.next_it = it_state(self.rng.next() as u32);
            }
            47..50 => self.conditional_return(),
            50..52 => self.conditional_return(),
            52..56 => self.alu(),
            _ => self.ends(class),
        }
    }

    /// What may come back of the cost.
    fn back(&mut self) -> u8 {
        self.rng.below(self.cycles.into()) as u8
    }

    fn slot(&mut self) -> u8 {
        self.rng.of(slots(self.kind))
    }
    /// To read from.
    fn src(&mut self) -> u8 {
        match self.rng.below(12) {
            0 => shape(self.kind).zero,
            1 => self.rng.of(wide_slots(self.kind)),
            2 => self.rng.of(&[Q, GE]),
            _ => self.slot(),
        }
    }
    fn dst(&mut self) -> u8 {
        match self.rng.below(12) {
            0 => TRASH,
            1 => self.rng.of(wide_slots(self.kind)),
            _ => self.slot(),
        }
    }

    fn alu(&mut self) {
        let (d, a, b) = (self.dst(), self.src(), self.src());
        match self.rng.below(20) {
            0..8 => {
                let code = self.rng.of(SIMPLE);
                let at = self.b.push(code, d, a, b, 0);
                self.b.op(at).c = if matches!(code, Code::Mla | Code::Mls) { self.src() } else { self.dst() };
                if matches!(code, Code::Umlal | Code::Smlal) {
                    // These read both halves of what they add to.
                    let (low, high) = (self.slot(), self.slot());
                    let op = self.b.op(at);
                    (op.d, op.c) = (low, high);
                }
            }
            8..12 => {
                let (code, v) = (self.rng.of(WITH_NUMBER), self.rng.number());
                self.b.push(code, d, a, 0, v);
            }
            12..14 => self.shift(d, a),
            14..16 => self.field(d, a, b),
            _ => self.dsp(d, a, b),
        }
    }

    /// Halves, bytes and saturation; now and then Q is cleared, so that it can be set again.
    fn dsp(&mut self, d: u8, a: u8, b: u8) {
        let code = self.rng.of(DSP);
        let at = self.b.push(code, d, a, b, 0);
        let c = if code == Code::Umaal { self.slot() } else { self.src() };
        let (x, low, v) = (self.rng.below(4) as u8, self.slot(), self.rng.number());
        let kind = self.rng.of(LANES);
        let manner = self.rng.below(7) as u8;
        let op = self.b.op(at);
        (op.c, op.x) = (c, x);
        match code {
            Code::Umaal => op.d = low,
            Code::Clamp => {
                let w = 0x7fff_ffff >> (v & 31);
                (op.imm, op.imm2) = if x == 0 { (v & 0xffff, (v | 0xffff) & 0x7fff_ffff) } else { (!w, w) };
            }
            Code::Lanes => (op.imm, op.x) = (kind, manner),
            _ => {}
        }
        if self.rng.chance(3) {
            self.b.push(Code::MovI, Q, 0, 0, 0);
        }
    }

    fn shift(&mut self, d: u8, a: u8) {
        let i = self.rng.below(SHIFTS.len());
        let most = if i < 6 { 31 } else { 32 };
        let n = if self.rng.chance(4) { self.rng.of(&[1, most]) } else { 1 + self.rng.below(most) };
        self.b.push(SHIFTS[i], d, a, 0, n as u32);
    }

    fn field(&mut self, d: u8, a: u8, b: u8) {
        use Code::*;
        let code = self.rng.of(&[Sxtb, Sxth, Uxtb, Uxth, Ubfx, Sbfx, Bfi, AddLsl, SetC]);
        let lsb = self.rng.below(32) as u32;
        let imm = match code {
            SetC => lsb & 1,
            Sxtb | Sxth | Uxtb | Uxth => lsb & 24,
            _ => lsb,
        };
        let width = 1 + self.rng.below(32 - lsb as usize) as u8;
        let at = self.b.push(code, d, a, b, imm);
        if matches!(code, Ubfx | Sbfx | Bfi) {
            self.b.op(at).x = width;
        }
    }

    /// Halves and wholes of 64 bits.
    fn wide(&mut self) {
        let (wide, other) = (self.rng.of(wide_slots(self.kind)), self.rng.of(wide_slots(self.kind)));
        let (d, a) = (self.dst(), self.src());
        match self.rng.below(5) {
            0 => self.b.push(Code::Mov64, wide, other, 0, 0),
            1 => self.b.push(Code::Mov64, wide, a, 0, 0),
            2 => self.b.push(Code::Hi, d, a, 0, 0),
            3 => self.b.push(Code::SetLo, wide, a, 0, 0),
            _ => self.b.push(Code::SetHi, wide, a, 0, 0),
        };
    }

    /// What often stands before a branch.
    fn compare(&mut self) {
        let (d, a, b) = (if self.rng.chance(2) { TRASH } else { self.dst() }, self.src(), self.src());
        let v = if self.rng.chance(2) { self.rng.number() } else { 1 };
        match self.rng.below(6) {
            0 => self.b.push(Code::SubS, d, a, b, 0),
            1 => self.b.push(Code::AndS, d, a, b, 0),
            2 => self.b.push(Code::AddS, d, a, b, 0),
            _ => self.b.push(Code::SubIS, d, a, 0, v),
        };
    }

    /// An address in a temporary: mostly RAM, often at the border of a page or in the code, sometimes a device, sometimes
    /// nothing at all.
    fn address(&mut self) -> u8 {
        let t = TEMP + 1 + self.rng.below(4) as u8;
        let from = self.slot();
        let (mask, base) = match self.rng.below(40) {
            0..18 => (0x37fc, RAM + 0x1000),
            18..21 => (0x37ff, RAM + 0x1000),
            21..26 => (0x3c, RAM + 0x1fe0),
            26..28 => (0x3f, RAM + 0x37e0),
            // Data beside the code in RAM, seldom the code itself.
            28..31 => (0x3c, RAM + 0xc00),
            31 if self.rng.chance(8) => (0xffc, RAM),
            32 => (0x2ffc, 0x1000),
            33..36 => (0xfc, MMIO),
            36 => (0x7c, RAM + 0x47e0),
            37 if self.rng.chance(4) => (u32::MAX, 0),
            _ => (0x1fc, RAM + 0x1000),
        };
        self.b.push(Code::AndI, t, from, 0, mask);
        self.b.push(Code::AddI, t, t, 0, base);
        t
    }

    fn store_exclusive(&mut self) {
        let (a, d, b, c) = (self.address(), self.dst(), self.src(), self.slot());
        let offset = self.rng.of(&[0, 0, 4, 8, 1]);
        let at = self.b.push(Code::StEx, d, a, b, offset);
        let bytes = self.rng.of(&[1, 2, 4]);
        let op = self.b.op(at);
        (op.c, op.x, op.imm2) = (c, MEM_ALIGNED, bytes);
    }

    fn pair(&mut self, code: Code) {
        let (a, d, c) = (self.address(), self.slot(), self.slot());
        let offset = self.rng.of(&[0, 0, 4, 8, 1]);
        let at = self.b.push(code, d, a, 0, offset);
        let op = self.b.op(at);
        (op.c, op.x) = (c, MEM_ALIGNED);
    }

    fn load_or_store(&mut self) {
        match self.rng.below(16) {
            0 | 1 => return self.store_exclusive(),
            2 => return self.pair(Code::LdPair),
            3 => return self.pair(Code::StPair),
            _ => {}
        }
        let offset = self.rng.of(&[0, 0, 4, 8, 1, (-4i32) as u32, 0xfff]);
        let flags = if self.rng.chance(3) { MEM_ALIGNED } else { 0 };
        let zero = shape(self.kind).zero;
        let (dst, src) = (self.dst(), self.src());
        let at = match self.rng.below(10) {
            // A literal, of this page or not.
            0 => {
                let base = if self.rng.chance(4) { RAM } else { self.pc & !0xfff };
                let at = base + (self.rng.next() as u32 & 0xffc);
                let code = self.rng.of(LOADS);
                self.b.push(code, dst, zero, 0, at)
            }
            1..3 => {
                let (a, code) = (self.address(), self.rng.of(INDEXED));
                let (b, shift) = (TEMP + 6, self.rng.of(&[0, 1, 2, 3, 4]));
                let from = self.slot();
                self.b.push(Code::AndI, b, from, 0, self.rng.of(&[0, 4, 12]));
                let d = if code as u8 >= Code::StX8 as u8 { src } else { dst };
                let (a, b) = if self.rng.chance(3) && shift == 0 { (b, a) } else { (a, b) };
                self.b.push(code, d, a, b, shift)
            }
            3..7 => {
                let (a, code) = (self.address(), self.rng.of(LOADS));
                self.b.push(code, dst, a, 0, offset)
            }
            7 => {
                let (a, store, signed) = (self.address(), self.rng.chance(2), self.rng.below(2) as u8);
                let (code, d) = if store { (Code::StUser, src) } else { (Code::LdUser, dst) };
                let at = self.b.push(code, d, a, signed, offset);
                self.b.op(at).imm2 = self.rng.of(&[1, 2, 4]);
                at
            }
            _ => {
                let (a, code) = (self.address(), self.rng.of(STORES));
                self.b.push(code, src, a, 0, offset)
            }
        };
        self.b.op(at).x = flags;
    }

    /// `LdM` and `StM`; their base often is a register in a host register.
    fn many(&mut self) {
        let mut a = self.address();
        if self.rng.chance(2) {
            let base = self.slot();
            self.b.push(Code::Mov, base, a, 0, 0);
            a = base;
        }
        let code = if self.rng.chance(2) { Code::LdM } else { Code::StM };
        let mut list = self.rng.next() as u32 & 0x7fff;
        if self.rng.chance(2) {
            list &= self.rng.next() as u32;
        }
        if code == Code::LdM && a < 16 {
            list &= !(1 << a);
        }
        if list == 0 {
            list = if a == 3 { 1 } else { 8 };
        }
        let size = 4 * list.count_ones();
        let (change, start) =
            self.rng.of(&[(0, 0), (size, 0), (size.wrapping_neg(), size.wrapping_neg()), (0, 4)]);
        let at = self.b.push(code, 0, a, 0, change << 16 | list);
        self.b.op(at).imm2 = start;
    }

    /// A part of the instruction under a condition.
    fn part(&mut self) {
        let cond = self.rng.below(15) as u8;
        if self.rng.chance(2) {
            self.compare();
        }
        let skip = self.b.skip_unless(cond);
        if self.rng.chance(3) {
            // As a shifted operand is decoded.
            let (a, d, b) = (self.src(), self.slot(), self.src());
            self.b.push(Code::LslI, TEMP, a, 0, 3);
            self.b.push(Code::Sub, d, b, TEMP, 0);
        }
        for _ in 0..=self.rng.below(2) {
            self.alu();
        }
        if self.rng.chance(4) {
            self.wide();
        }
        self.b.end_skip(skip);
        if self.rng.chance(2) {
            self.alu();
        }
    }

    fn call(&mut self) {
        let imm = self.rng.next() as u32;
        self.b.push(Code::Call, 0, 0, 0, if self.rng.chance(3) { imm } else { imm & 15 });
        if self.rng.chance(2) {
            // No flags: a stop behind this instruction would not see them (front ends have no such instruction).
            let (d, a, b, c) = (self.slot(), self.src(), self.src(), self.src());
            let code = self.rng.of(&[Code::Add, Code::Mla, Code::Ror, Code::Slt]);
            let at = self.b.push(code, d, a, b, 0);
            self.b.op(at).c = c;
        }
    }

    /// A computed target in a temporary.
    fn target(&mut self) -> u8 {
        let (t, from) = (TEMP + 8, self.slot());
        let to = place(self.rng.next() as u32);
        match self.rng.below(12) {
            0 if self.kind == THUMB => self.b.push(Code::OrI, t, from, 0, 0xf000_0000),
            1 if self.kind == THUMB => self.b.push(Code::MovI, t, 0, 0, to),
            2 if self.kind == EVEN => self.b.push(Code::MovI, t, 0, 0, to),
            _ => {
                self.b.push(Code::AndI, t, from, 0, 0x42);
                self.b.push(Code::AddI, t, t, 0, to & !0x42 | 1)
            }
        };
        t
    }

    fn conditional_return(&mut self) {
        let t = self.target();
        if self.skipped {
            self.b.push(Code::JumpReg, 0, t, 0, 0);
            return;
        }
        let skip = self.b.skip_unless(self.rng.below(14) as u8);
        self.b.push(Code::JumpReg, 0, t, 0, 0);
        self.b.end_skip(skip);
        // The block must not end with what is left out.
        self.alu();
    }

    fn ends(&mut self, class: u8) {
        let to = match self.rng.below(3) {
            // Near: within the page, mostly backwards to where somebody was.
            0 => self.pc & !0xfff | place(self.rng.next() as u32) & 0xfff,
            _ => place(self.rng.next() as u32),
        };
        let (a, b, back) = (self.src(), self.src(), self.back());
        self.end = true;
        match class {
            56..59 => {
                let (cond, next) = (self.rng.below(15) as u8, self.next);
                let at = self.b.push(Code::Branch, 0, 0, 0, to);
                let op = self.b.op(at);
                (op.x, op.imm2, op.c) = (cond, next, back);
            }
            59 => {
                let code = self.rng.of(&[Code::BranchZ, Code::BranchNz]);
                let at = self.b.push(code, 0, a, 0, to);
                let op = self.b.op(at);
                (op.imm2, op.c) = (self.next, back);
            }
            60 => {
                let code = self.rng.of(COMPARE_BRANCH);
                let at = self.b.push(code, 0, a, b, to);
                let op = self.b.op(at);
                (op.imm2, op.c) = (self.next, back);
            }
            61 => {
                let lr = self.slot();
                if self.rng.chance(2) {
                    self.b.push(Code::MovI, lr, 0, 0, self.next | 1);
                }
                self.b.push(Code::Jump, 0, 0, 0, to);
            }
            62 => {
                let t = self.target();
                let at = self.b.push(Code::JumpReg, 0, t, 0, 0);
                self.b.op(at).x = u8::from(self.rng.chance(3));
            }
            _ => {
                let imm = self.rng.next() as u32;
                let at = self.b.push(Code::CallEnd, 0, 0, 0, imm);
                self.b.op(at).imm2 = to;
            }
        }
    }
}
