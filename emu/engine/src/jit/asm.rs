//! An assembler for the few x86-64 instructions that the compiler uses (Intel SDM volume 2).

use super::memory::CodeMemory;

pub const RAX: u8 = 0;
pub const RCX: u8 = 1;
pub const RDX: u8 = 2;
pub const RSP: u8 = 4;
pub const RBP: u8 = 5;

/// Opcodes of the form `op reg, reg-or-memory`, as bytes from the most significant one on; bits 24 up: a prefix.
pub mod op {
    pub const ADD: u32 = 0x03;
    pub const OR: u32 = 0x0b;
    pub const ADC: u32 = 0x13;
    pub const SBB: u32 = 0x1b;
    pub const AND: u32 = 0x23;
    pub const SUB: u32 = 0x2b;
    pub const XOR: u32 = 0x33;
    pub const CMP: u32 = 0x3b;
    pub const TEST: u32 = 0x85;
    pub const LOAD: u32 = 0x8b;
    pub const STORE: u32 = 0x89;
    pub const STORE8: u32 = 0x88;
    /// Its operands the other way round, as [`STORE`]'s.
    pub const OR8: u32 = 0x08;
    pub const LEA: u32 = 0x8d;
    pub const MOVSXD: u32 = 0x63;
    pub const MOVZX8: u32 = 0x0fb6;
    pub const MOVZX16: u32 = 0x0fb7;
    pub const MOVSX8: u32 = 0x0fbe;
    pub const MOVSX16: u32 = 0x0fbf;
    pub const IMUL: u32 = 0x0faf;
    pub const BSR: u32 = 0x0fbd;
    pub const CMOV: u32 = 0x0f40;
    pub const SET: u32 = 0x0f90;
    // Of these the register is part of the opcode.
    pub const SHIFT_1: u32 = 0xd1;
    pub const SHIFT_CL: u32 = 0xd3;
    pub const UNARY: u32 = 0xf7;
    pub const INDIRECT: u32 = 0xff;
}

/// Condition codes.
pub mod cc {
    pub const O: u8 = 0;
    pub const B: u8 = 2;
    pub const AE: u8 = 3;
    pub const E: u8 = 4;
    pub const NE: u8 = 5;
    pub const BE: u8 = 6;
    pub const A: u8 = 7;
    pub const P: u8 = 10;
    pub const S: u8 = 8;
    pub const NS: u8 = 9;
    pub const L: u8 = 12;
    pub const GE: u8 = 13;
    pub const LE: u8 = 14;
    pub const G: u8 = 15;
}

/// Extensions of shift opcodes.
pub mod shift {
    pub const ROR: u8 = 1;
    pub const RCR: u8 = 3;
    pub const SHL: u8 = 4;
    pub const SHR: u8 = 5;
    pub const SAR: u8 = 7;
}

/// Extensions of [`op::UNARY`].
pub mod unary {
    pub const NOT: u8 = 2;
    pub const NEG: u8 = 3;
    pub const MUL: u8 = 4;
    pub const IMUL: u8 = 5;
    pub const DIV: u8 = 6;
    pub const IDIV: u8 = 7;
}

/// A register or a place in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rm {
    R(u8),
    /// Base and displacement.
    M(u8, i32),
    /// Base, index, by how much the index is shifted left, displacement of one byte.
    X(u8, u8, u8, i8),
}

/// A place in the code to be jumped to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label(usize);

const UNBOUND: usize = usize::MAX;

/// Code under construction.
pub struct Asm {
    pub code: Vec<u8>,
    labels: Vec<usize>,
    /// Relative words to labels.
    local: Vec<(usize, Label)>,
    /// Relative words to offsets in the code memory.
    outside: Vec<(usize, u32)>,
}

impl Default for Asm {
    fn default() -> Self {
        // Room for all but the longest blocks.
        Asm {
            code: Vec::with_capacity(2048),
            labels: Vec::with_capacity(64),
            local: Vec::with_capacity(64),
            outside: Vec::with_capacity(16),
        }
    }
}

impl Asm {
    pub fn here(&self) -> usize {
        self.code.len()
    }
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.code.extend_from_slice(bytes);
    }
    pub fn word(&mut self, v: u32) {
        self.bytes(&v.to_le_bytes());
    }

    pub fn label(&mut self) -> Label {
        self.labels.push(UNBOUND);
        Label(self.labels.len() - 1)
    }
    pub fn bind(&mut self, label: Label) {
        self.labels[label.0] = self.code.len();
    }

    /// `op reg, rm`; `wide` for 64 bits.
    pub fn op(&mut self, wide: bool, opcode: u32, reg: u8, rm: Rm) {
        self.op_rex(wide, false, opcode, reg, rm);
    }

    /// The same for the low byte of `reg`, or of `rm`, which may need a prefix to be named.
    pub fn op8(&mut self, opcode: u32, reg: u8, rm: Rm) {
        self.op_rex(false, true, opcode, reg, rm);
    }

    fn op_rex(&mut self, wide: bool, byte: bool, opcode: u32, reg: u8, rm: Rm) {
        if opcode >> 24 != 0 {
            self.code.push((opcode >> 24) as u8);
        }
        let (base, index) = match rm {
            Rm::R(r) | Rm::M(r, _) => (r, 0),
            Rm::X(b, i, ..) => (b, i),
        };
        let rex = u8::from(wide) << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
        if rex != 0 || byte {
            self.code.push(0x40 | rex);
        }
        for shift in [16, 8] {
            if (opcode & 0x00ff_ffff) >> shift != 0 {
                self.code.push((opcode >> shift) as u8);
            }
        }
        self.code.push(opcode as u8);
        self.modrm(reg, rm);
    }

    fn modrm(&mut self, reg: u8, rm: Rm) {
        let reg = (reg & 7) << 3;
        match rm {
            Rm::R(r) => self.code.push(0xc0 | reg | r & 7),
            Rm::M(base, disp) => {
                let short = i8::try_from(disp);
                let mode = match short {
                    Ok(0) if base & 7 != RBP => 0,
                    Ok(_) => 0x40,
                    Err(_) => 0x80,
                };
                self.code.push(mode | reg | base & 7);
                if base & 7 == RSP {
                    self.code.push(0x24);
                }
                match (mode, short) {
                    (0, _) => {}
                    (_, Ok(disp)) => self.code.push(disp as u8),
                    _ => self.word(disp as u32),
                }
            }
            Rm::X(base, index, scale, disp) => {
                self.bytes(&[0x40 | reg | 4, scale << 6 | (index & 7) << 3 | base & 7, disp as u8]);
            }
        }
    }

    /// A 16-bit store.
    pub fn store16(&mut self, reg: u8, rm: Rm) {
        self.code.push(0x66);
        self.op(false, op::STORE, reg, rm);
    }

    pub fn mov(&mut self, d: u8, s: u8) {
        if d != s {
            self.op(false, op::LOAD, d, Rm::R(s));
        }
    }
    /// A 32-bit constant, zero extended.
    pub fn mov_imm(&mut self, d: u8, v: u32) {
        if d >= 8 {
            self.code.push(0x41);
        }
        self.code.push(0xb8 | d & 7);
        self.word(v);
    }
    pub fn mov_imm64(&mut self, d: u8, v: u64) {
        self.bytes(&[0x48 | d >> 3, 0xb8 | d & 7]);
        self.bytes(&v.to_le_bytes());
    }
    /// `mov dword [rm], imm`, or the sign extended quadword.
    pub fn store_imm(&mut self, wide: bool, rm: Rm, v: u32) {
        self.op(wide, 0xc7, 0, rm);
        self.word(v);
    }

    /// One of the eight operations from `add` to `cmp` with a constant.
    pub fn alu_imm(&mut self, wide: bool, opcode: u32, rm: Rm, v: u32) {
        let ext = (opcode >> 3) as u8;
        if let Ok(short) = i8::try_from(v as i32) {
            self.op(wide, 0x83, ext, rm);
            self.code.push(short as u8);
        } else {
            self.op(wide, 0x81, ext, rm);
            self.word(v);
        }
    }
    pub fn test_imm(&mut self, rm: Rm, v: u32) {
        self.op(false, op::UNARY, 0, rm);
        self.word(v);
    }
    /// Shift by a constant.
    pub fn shift(&mut self, wide: bool, ext: u8, rm: Rm, n: u8) {
        self.op(wide, 0xc1, ext, rm);
        self.code.push(n);
    }
    /// Bit `n` to the carry flag.
    pub fn bit(&mut self, wide: bool, rm: Rm, n: u8) {
        self.op(wide, 0x0fba, 4, rm);
        self.code.push(n);
    }
    pub fn bswap(&mut self, r: u8) {
        if r >= 8 {
            self.code.push(0x41);
        }
        self.bytes(&[0x0f, 0xc8 | r & 7]);
    }
    /// `d = s * v`.
    pub fn imul_imm(&mut self, d: u8, s: u8, v: u32) {
        self.op(false, 0x69, d, Rm::R(s));
        self.word(v);
    }

    pub fn push(&mut self, r: u8) {
        if r >= 8 {
            self.code.push(0x41);
        }
        self.code.push(0x50 | r & 7);
    }
    pub fn pop(&mut self, r: u8) {
        if r >= 8 {
            self.code.push(0x41);
        }
        self.code.push(0x58 | r & 7);
    }
    pub fn ret(&mut self) {
        self.code.push(0xc3);
    }

    pub fn jcc(&mut self, cc: u8, to: Label) {
        self.bytes(&[0x0f, 0x80 | cc]);
        self.local.push((self.here(), to));
        self.word(0);
    }
    pub fn jmp(&mut self, to: Label) {
        self.code.push(0xe9);
        self.local.push((self.here(), to));
        self.word(0);
    }
    pub fn call(&mut self, to: Label) {
        self.code.push(0xe8);
        self.local.push((self.here(), to));
        self.word(0);
    }
    /// A jump to an offset in the code memory.
    pub fn jmp_out(&mut self, to: u32) {
        self.code.push(0xe9);
        self.outside.push((self.here(), to));
        self.word(0);
    }
    pub fn jcc_out(&mut self, cc: u8, to: u32) {
        self.bytes(&[0x0f, 0x80 | cc]);
        self.outside.push((self.here(), to));
        self.word(0);
    }
    pub fn call_out(&mut self, to: u32) {
        self.code.push(0xe8);
        self.outside.push((self.here(), to));
        self.word(0);
    }
    /// A jump with a word that may be patched: returns where the word is. It leads to `to` until then.
    pub fn patchable(&mut self, cc: Option<u8>, to: Label) -> usize {
        let opcode = if cc.is_some() { 2 } else { 1 };
        self.align_word(opcode);
        match cc {
            Some(cc) => self.jcc(cc, to),
            None => self.jmp(to),
        }
        self.here() - 4
    }
    /// Makes the word `ahead` bytes from here an aligned one.
    pub fn align_word(&mut self, ahead: usize) {
        const NOPS: [&[u8]; 4] = [&[], &[0x90], &[0x66, 0x90], &[0x0f, 0x1f, 0x00]];
        let n = (self.here() + ahead).wrapping_neg() & 3;
        self.bytes(NOPS[n]);
    }

    /// Changes the word at an offset.
    pub fn set_word(&mut self, at: usize, v: u32) {
        self.code[at..at + 4].copy_from_slice(&v.to_le_bytes());
    }

    /// Resolves everything for code that will lie at `offset`, and puts it there.
    pub fn place(&mut self, memory: &CodeMemory, offset: u32) {
        for &(at, label) in &self.local {
            let to = self.labels[label.0];
            assert!(to != UNBOUND, "a jump to nowhere");
            let v = to as i32 - (at as i32 + 4);
            self.code[at..at + 4].copy_from_slice(&v.to_le_bytes());
        }
        for &(at, to) in &self.outside {
            let v = to as i32 - (offset as i32 + at as i32 + 4);
            self.code[at..at + 4].copy_from_slice(&v.to_le_bytes());
        }
        memory.put(offset, &self.code);
    }

    /// Makes room for other code.
    pub fn clear(&mut self) {
        self.code.clear();
        self.labels.clear();
        self.local.clear();
        self.outside.clear();
    }
}
