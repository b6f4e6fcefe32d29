//! Loads and stores of 32-bit Thumb code (DDI0403E A5.3.5 to A5.3.10), and multiple ones of both lengths.
//!
//! Whatever may fault comes first, so that a faulting instruction can be repeated: registers of LDM are loaded in
//! order but the base is written last, and the base in the list and the PC pass through temporaries.

use super::decode::{Done, OK, Tr, bit, bits, reg};
use super::slots::{EXCLUSIVE, PC, SP, ZERO};
use emu_engine::ir::{Code, Code::*, MEM_ALIGNED, MEM_UNPRIV};

/// How an address is made of a base and a constant.
#[derive(Clone, Copy)]
struct Address {
    /// Offset of the access.
    offset: u32,
    /// What the base changes by.
    writeback: u32,
}

impl Address {
    fn new(imm: u32, p: bool, u: bool, w: bool) -> Address {
        let offset = if u { imm } else { imm.wrapping_neg() };
        Address { offset: if p { offset } else { 0 }, writeback: if w { offset } else { 0 } }
    }
}

impl Tr {
    /// Table A5-16.
    pub fn load_store_multiple(&mut self, hw1: u16, hw2: u16) -> Done {
        let (n, w, load) = (reg(hw1, 0), bit(hw1, 5), bit(hw1, 4));
        let (list, down) = (u32::from(hw2), bits(hw1, 7, 2) == 2);
        if matches!(bits(hw1, 7, 2), 0 | 3) || w && list >> n & 1 != 0 {
            return None;
        }
        if load { self.load_multiple(n, list, w, down, 2) } else { self.store_multiple(n, list, w, down, 2) }
    }

    /// LDM, LDMDB and POP: registers in `list` from `n` upwards, or below it if `down`.
    pub fn load_multiple(&mut self, n: u8, list: u32, w: bool, down: bool, least: u32) -> Done {
        let count = list.count_ones();
        if count < least || n == PC || list & 1 << SP != 0 {
            return None;
        }
        let (mut offset, change) = span(count, down);
        if list >> n & 1 == 0 {
            // The program counter's slot is nobody's while translated code runs.
            self.many(LdM, n, list, offset, if w { change } else { 0 });
            return if list >> PC & 1 != 0 { self.jump_reg(PC) } else { OK };
        }
        let (base, pc) = (self.temp(), self.temp());
        for r in (0..16).filter(|r| list >> r & 1 != 0) {
            let d = match r {
                PC => pc,
                r if r == n => base,
                r => r,
            };
            self.access(Ld32, d, n, offset, MEM_ALIGNED);
            offset = offset.wrapping_add(4);
        }
        self.op(Mov, n, base, 0);
        if list >> PC & 1 != 0 { self.jump_reg(pc) } else { OK }
    }

    /// STM, STMDB and PUSH.
    pub fn store_multiple(&mut self, n: u8, list: u32, w: bool, down: bool, least: u32) -> Done {
        let count = list.count_ones();
        if count < least || n == PC || list & (1 << SP | 1 << PC) != 0 {
            return None;
        }
        let (offset, change) = span(count, down);
        self.many(StM, n, list, offset, if w { change } else { 0 });
        OK
    }

    fn many(&mut self, code: Code, n: u8, list: u32, offset: u32, change: u32) {
        let at = self.imm(code, 0, n, list | change << 16);
        let op = self.b.op(at);
        (op.x, op.imm2) = (MEM_ALIGNED, offset);
    }

    /// Table A5-17: doublewords, exclusives, table branches.
    pub fn load_store_dual(&mut self, hw1: u16, hw2: u16) -> Done {
        let (p, w) = (bit(hw1, 8), bit(hw1, 5));
        match (p, w, bits(hw1, 4, 4), bits(hw2, 4, 4)) {
            (true, ..) | (_, true, ..) => self.dual(hw1, hw2),
            (_, _, 0b0100, _) => self.exclusive(hw1, hw2, 4, bits(hw2, 0, 8) << 2),
            (_, _, 0b0101, _) => self.exclusive(hw1, hw2, 4, bits(hw2, 0, 8) << 2),
            (_, _, 0b1100 | 0b1101, 0b0100) => self.exclusive(hw1, hw2, 1, 0),
            (_, _, 0b1100 | 0b1101, 0b0101) => self.exclusive(hw1, hw2, 2, 0),
            (_, _, 0b1101, 0b0000 | 0b0001) if bits(hw2, 8, 8) == 0xf0 => self.table_branch(hw1, hw2),
            _ => None,
        }
    }

    /// LDRD and STRD.
    fn dual(&mut self, hw1: u16, hw2: u16) -> Done {
        let (rn, t, t2, load) = (reg(hw1, 0), reg(hw2, 12), reg(hw2, 8), bit(hw1, 4));
        let at = Address::new(bits(hw2, 0, 8) << 2, bit(hw1, 8), bit(hw1, 7), bit(hw1, 5));
        let overlap = bit(hw1, 5) && (t == rn || t2 == rn);
        if [t, t2].iter().any(|r| *r == SP || *r == PC) || load && overlap {
            return None;
        }
        let (n, offset) = match rn {
            PC if bit(hw1, 5) || !load => return None,
            PC => (ZERO, (self.pc_value() & !3).wrapping_add(at.offset)),
            n => (n, at.offset),
        };
        let pair = self.imm(if load { LdPair } else { StPair }, t, n, offset);
        let op = self.b.op(pair);
        (op.c, op.x) = (t2, MEM_ALIGNED);
        self.add_to(n, at.writeback);
        OK
    }

    /// LDREX, STREX and their byte and halfword forms.
    fn exclusive(&mut self, hw1: u16, hw2: u16, size: u8, offset: u32) -> Done {
        let (n, t, load) = (reg(hw1, 0), reg(hw2, 12), bit(hw1, 4));
        let status = if size == 4 { reg(hw2, 8) } else { reg(hw2, 0) };
        // The fields of the other forms are ones.
        let ones = match (load, size) {
            (true, 4) => reg(hw2, 8),
            (false, 4) => 15,
            (true, _) => reg(hw2, 8) & reg(hw2, 0),
            (false, _) => reg(hw2, 8),
        };
        let overlap = !load && (status == t || status == n || status == PC || status == SP);
        if ones != 15 || n == PC || t == PC || t == SP || overlap {
            return None;
        }
        if load {
            let code = [Ld8, Ld16, Ld16, Ld32][usize::from(size) - 1];
            self.access(code, t, n, offset, MEM_ALIGNED);
            self.imm(MovI, EXCLUSIVE, 0, 1);
        } else {
            let at = self.b.push(StEx, status, n, t, offset);
            let op = self.b.op(at);
            (op.c, op.x, op.imm2) = (EXCLUSIVE, MEM_ALIGNED, u32::from(size));
        }
        OK
    }

    /// TBB and TBH.
    fn table_branch(&mut self, hw1: u16, hw2: u16) -> Done {
        let (n, m) = (self.src(reg(hw1, 0)), self.src(reg(hw2, 0)));
        let (entry, target) = (self.temp(), self.temp());
        let half = bit(hw2, 4);
        let at = self.op(if half { LdX16 } else { LdX8 }, entry, n, m);
        self.b.op(at).imm = u32::from(half);
        self.imm(LslI, entry, entry, 1);
        self.imm(AddI, target, entry, self.pc_value() | 1);
        self.jump_reg(target)
    }

    /// Tables A5-18 to A5-21: one register.
    pub fn load_store_single(&mut self, hw1: u16, hw2: u16) -> Done {
        let (signed, size, load) = (bit(hw1, 8), bits(hw1, 5, 2), bit(hw1, 4));
        let (rn, rt, literal) = (reg(hw1, 0), reg(hw2, 12), reg(hw1, 0) == PC);
        if size == 3 || signed && (size == 2 || !load) || literal && !load {
            return None;
        }
        let code = if load {
            [Ld8, Ld16, Ld32, Ld8S, Ld16S][size as usize + 3 * usize::from(signed)]
        } else {
            [St8, St16, St32][size as usize]
        };
        // PLD, PLI and unallocated hints.
        if load && rt == PC && size != 2 {
            let form = bit(hw1, 7) || literal || bits(hw2, 6, 6) == 0 || bits(hw2, 8, 4) == 0b1100;
            return form.then_some(());
        }
        if !load && rt == PC {
            return None;
        }
        let imm12 = bits(hw2, 0, 12);
        if literal {
            let offset = if bit(hw1, 7) { imm12 } else { imm12.wrapping_neg() };
            return self.load(code, rt, ZERO, (self.pc_value() & !3).wrapping_add(offset), 0, 0);
        }
        if bit(hw1, 7) {
            return self.single(code, load, rt, rn, Address { offset: imm12, writeback: 0 }, 0);
        }
        if bits(hw2, 6, 6) == 0 {
            return self.single_register(code, rt, rn, hw2);
        }
        let (p, u, w) = (bit(hw2, 10), bit(hw2, 9), bit(hw2, 8));
        if !bit(hw2, 11) || !p && !w {
            return None;
        }
        let mem = if p && u && !w { MEM_UNPRIV } else { 0 };
        if mem != 0 && rt == PC {
            return None;
        }
        self.single(code, load, rt, rn, Address::new(bits(hw2, 0, 8), p, u, w), mem)
    }

    fn single(&mut self, code: Code, load: bool, rt: u8, rn: u8, at: Address, mem: u8) -> Done {
        if load {
            return self.load(code, rt, rn, at.offset, at.writeback, mem);
        }
        self.access(code, rt, rn, at.offset, mem);
        self.add_to(rn, at.writeback);
        OK
    }

    fn load(&mut self, code: Code, rt: u8, n: u8, offset: u32, writeback: u32, mem: u8) -> Done {
        let d = if rt == PC { self.temp() } else { self.dst(rt) };
        self.access(code, d, n, offset, mem);
        if rt != n {
            self.add_to(n, writeback);
        }
        if rt == PC {
            return self.jump_reg(d);
        }
        self.put(rt, d);
        OK
    }

    /// Register offset, shifted left by 0 to 3.
    fn single_register(&mut self, code: Code, rt: u8, n: u8, hw2: u16) -> Done {
        let m = self.src(reg(hw2, 0));
        let code = match code {
            Ld8 => LdX8,
            Ld8S => LdX8S,
            Ld16 => LdX16,
            Ld16S => LdX16S,
            Ld32 => LdX32,
            St8 => StX8,
            St16 => StX16,
            _ => StX32,
        };
        let store = matches!(code, StX8 | StX16 | StX32);
        let d = match rt {
            PC => self.temp(),
            SP if store => SP,
            rt => self.dst(rt),
        };
        let at = self.op(code, d, n, m);
        self.b.op(at).imm = bits(hw2, 4, 2);
        if rt == PC {
            return self.jump_reg(d);
        }
        if !store {
            self.put(rt, d);
        }
        OK
    }
}

/// Offset of the lowest register and change of the base of a multiple access.
fn span(count: u32, down: bool) -> (u32, u32) {
    let bytes = 4 * count;
    if down { (bytes.wrapping_neg(), bytes.wrapping_neg()) } else { (0, bytes) }
}
