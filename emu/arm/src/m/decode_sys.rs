//! System instructions: hints, barriers, special registers, and the one way to disable interrupts.

use super::call;
use super::decode::{Done, OK, Tr, bits, reg};
use super::slots::EXCLUSIVE;
use emu_engine::ir::Code;

impl Tr {
    /// Hints by number (tables A5-7 and A5-14); unknown ones do nothing.
    pub fn hint(&mut self, number: u32) -> Done {
        let id = match number {
            2 => call::WFE,
            3 => call::WFI,
            4 => call::SEV,
            _ => return OK,
        };
        self.call(id);
        self.end = true;
        OK
    }

    /// CPS: only PRIMASK in v6-M.
    pub fn cps(&mut self, hw: u16) -> Done {
        if hw & 0xc != 0 || !self.cfg.v7 && hw & 3 != 2 {
            return None;
        }
        self.call(call::CPS).x = (hw & 0x13) as u8;
        self.end = true;
        OK
    }

    /// MSR (register).
    pub fn msr(&mut self, hw1: u16, hw2: u16) -> Done {
        let a = self.src(reg(hw1, 0));
        let op = self.call(call::MSR);
        (op.a, op.x, op.c) = (a, hw2 as u8, bits(hw2, 10, 2) as u8);
        self.end = true;
        OK
    }

    /// MRS.
    pub fn mrs(&mut self, hw2: u16) -> Done {
        let rd = reg(hw2, 8);
        self.not_pc(rd)?;
        let d = self.dst(rd);
        let op = self.call(call::MRS);
        (op.d, op.x) = (d, hw2 as u8);
        self.put(rd, d);
        OK
    }

    /// Table A5-15. Memory is coherent: DSB and DMB do nothing. ISB ends the block, so that what was written
    /// before it decides about fetching and decoding what is behind it.
    pub fn miscellaneous_control(&mut self, hw2: u16) -> Done {
        match bits(hw2, 4, 4) {
            0b0010 if self.cfg.v7 => _ = self.imm(Code::MovI, EXCLUSIVE, 0, 0),
            0b0100 | 0b0101 => {}
            0b0110 => self.end = true,
            _ => return None,
        }
        OK
    }
}
