//! Templates of the guest's flags, and of conditions on them.

use super::{
    asm::{RAX, RCX, Rm, cc, op, shift},
    compile::{Compiler, Host},
    ops::only_computes,
};
use crate::ir::{C, Code, N, Op, TEMP, TRASH, V, Z, flags};

impl Compiler<'_> {
    /// Keeps those of the flags that count. `w` is the result, from which N and Z follow.
    pub(super) fn keep_flags(&mut self, i: usize, w: u8, sets: u8, host: Host) {
        let live = self.live[i] & sets;
        if live & flags::NZ != 0 {
            self.a.op(true, op::STORE, w, self.rm(N));
            self.a.op(true, op::STORE, w, self.rm(Z));
        }
        if live & flags::C != 0 {
            let cc = if host == Host::Sub { cc::AE } else { cc::B };
            self.a.op8(op::SET + u32::from(cc), 0, self.rm(C));
        }
        if live & flags::V != 0 {
            self.a.op8(op::SET + u32::from(cc::O), 0, self.rm(V));
        }
        self.set_host(if sets & flags::V == 0 && host != Host::None { Host::Logic } else { host });
    }

    /// The host's condition for one of the guest's, if the host's flags are those of the guest.
    pub(super) fn host_cc(&self, cond: u8) -> Option<u8> {
        let by_zero_and_sign = [(0, cc::E), (1, cc::NE), (4, cc::S), (5, cc::NS)];
        let sub = [
            (2, cc::AE),
            (3, cc::B),
            (6, cc::O),
            (7, cc::O ^ 1),
            (8, cc::A),
            (9, cc::BE),
            (10, cc::GE),
            (11, cc::L),
            (12, cc::G),
            (13, cc::LE),
        ];
        let find = |list: &[(u8, u8)]| list.iter().find(|e| e.0 == cond).map(|e| e.1);
        match self.host {
            Host::None => None,
            Host::Logic => find(&by_zero_and_sign),
            Host::Sub => find(&by_zero_and_sign).or_else(|| find(&sub)),
            Host::Add => match cond {
                2 => Some(cc::B),
                3 => Some(cc::AE),
                8 | 9 => None,
                _ => find(&by_zero_and_sign).or_else(|| find(&sub)),
            },
        }
    }

    /// Sets the host's flags, out of the register file, so that the returned condition is the guest's.
    pub(super) fn test_condition(&mut self, cond: u8) -> u8 {
        let (n, z, c, v) = (self.rm(N), self.rm(Z), self.rm(C), self.rm(V));
        match cond {
            0 | 1 => self.a.alu_imm(false, op::CMP, z, 0),
            2 | 3 => self.a.alu_imm(false, op::CMP, c, 0),
            4 | 5 => self.a.alu_imm(false, op::CMP, n, 0),
            6 | 7 => self.a.alu_imm(false, op::CMP, v, 0),
            8 | 9 => {
                // Higher: C is set and Z's word is not zero.
                self.a.op(false, op::LOAD, RAX, z);
                self.a.alu_imm(false, op::CMP, c, 0);
                self.a.op(false, op::CMOV + u32::from(cc::E), RAX, c);
                self.a.op(false, op::TEST, RAX, Rm::R(RAX));
            }
            _ => {
                self.a.op(false, op::LOAD, RAX, n);
                self.a.shift(false, shift::SHR, Rm::R(RAX), 31);
                self.a.op(false, op::XOR, RAX, v); // 1: less
                if cond >= 12 {
                    // One more if Z's word is zero, which borrows.
                    self.a.alu_imm(false, op::CMP, z, 1);
                    self.a.alu_imm(false, op::ADC, Rm::R(RAX), 0);
                }
                self.a.op(false, op::TEST, RAX, Rm::R(RAX));
            }
        }
        match cond {
            0 | 3 | 7 | 9 | 10 | 12 => cc::E,
            4 => cc::S,
            5 => cc::NS,
            _ => cc::NE,
        }
    }

    /// Where operation `i`, which sets flags, may as well be done: right before the branch that asks for them, if nothing in
    /// between has to do with it. The host's flags are still there then.
    pub(super) fn waits_until(&self, i: usize) -> Option<usize> {
        let ops = &self.block.ops[i..];
        let setter = &ops[0];
        if !self.skips.is_empty() || setter.code.flagless().is_none() || setter.code.flags_read() != 0 {
            return None;
        }
        let between = ops[1..].iter().take_while(|op| is_apart(setter, op)).count();
        let branch = ops.get(between + 1)?;
        (between > 0 && branch.code == Code::Branch && !self.stays_in_it(branch)).then_some(i + between + 1)
    }

    /// Remembers a comparison, and forgets it when its operands or the flags change.
    pub(super) fn note_comparison(&mut self, i: usize, op: &Op) {
        let sets = op.code.flagless().is_some();
        // Temporaries may change while a conditional part is made.
        let lasting = operands(op).iter().all(|slot| *slot < TEMP);
        let compares = op.d == TRASH && matches!(op.code, Code::SubS | Code::SubIS);
        if compares && lasting && self.skips.is_empty() {
            self.compared = Some(*op);
            return;
        }
        let done = &self.block.ops[i..self.done.max(i + 1)];
        let keeps = self.compared.is_some_and(|compared| done.iter().all(|op| leaves(&compared, op)));
        if sets || !keeps {
            self.compared = None;
        }
    }

    /// The host's condition for one of the guest's. The host's flags may be others than before.
    pub(super) fn condition(&mut self, cond: u8) -> u8 {
        if self.host_cc(cond).is_none()
            && let Some(compared) = self.compared
        {
            self.compare_again(&compared);
        }
        self.host_cc(cond).unwrap_or_else(|| {
            self.set_host(Host::None);
            self.test_condition(cond)
        })
    }

    fn compare_again(&mut self, compared: &Op) {
        let a = self.get(compared.a, RAX);
        if compared.code == Code::SubIS {
            self.a.alu_imm(false, op::CMP, Rm::R(a), compared.imm);
        } else {
            let b = self.rm(compared.b);
            self.a.op(false, op::CMP, a, b);
        }
        self.set_host(Host::Sub);
    }

    /// A skip over operations that only compute: they are done in any case, and the result is taken if the condition holds. A
    /// condition on data is hard to predict for the host.
    pub(super) fn conditional_move(&mut self, i: usize, skip: &Op) -> bool {
        let ops = &self.block.ops[i + 1..=i + skip.imm as usize];
        let Some((last, first)) = ops.split_last() else { return false };
        let temp = |op: &Op| (TEMP..TRASH).contains(&op.d) && only_computes(op.code);
        let Some(d) = self.reg(last.d).filter(|_| only_computes(last.code)) else { return false };
        if skip.x & 15 >= 14 || skip.imm2 != 0 || !first.iter().all(temp) || first.len() > 2 {
            return false;
        }
        for (k, op) in first.iter().enumerate() {
            self.operation(i + 1 + k, op);
        }
        let mut result = match (last.code, self.reg(last.a)) {
            (Code::Mov, Some(a)) => a,
            (Code::Mov, None) => {
                self.fetch(last.a, RAX);
                RAX
            }
            (Code::MovI, _) => {
                self.a.mov_imm(RAX, last.imm);
                RAX
            }
            _ => {
                self.operation(i + 1 + first.len(), &Op { d: TRASH, ..*last });
                RAX
            }
        };
        let keeps = first.is_empty() && matches!(last.code, Code::Mov | Code::MovI);
        let cc = match self.host_cc(skip.x).filter(|_| keeps) {
            Some(cc) => cc,
            None => {
                if result == RAX {
                    // Some conditions are worked out there.
                    self.a.mov(RCX, RAX);
                    result = RCX;
                }
                if !keeps {
                    self.set_host(Host::None);
                }
                self.condition(skip.x)
            }
        };
        self.a.op(false, op::CMOV + u32::from(cc), d, Rm::R(result));
        self.done = i + 1 + skip.imm as usize;
        true
    }
}

/// Slots that an operation reads, of those that set flags.
fn operands(op: &Op) -> [u8; 2] {
    use Code::*;
    let two = matches!(op.code, AddS | SubS | AndS | OrS | XorS | BicS | OrnS | MulS);
    [op.a, if two { op.b } else { op.a }]
}

/// Slots that an operation writes, of those that can neither fault, nor stop, nor have to do with flags.
fn results(op: &Op) -> Option<[u8; 2]> {
    use Code::*;
    match op.code {
        code if only_computes(code) => Some([op.d, op.d]),
        LsrI | Mla | Mls | Clz | Rbit | RevSh | MlaHalf | MlaWord | MlaDual | MlaHigh => Some([op.d, op.d]),
        Umull | Smull | Umlal | Smlal => Some([op.d, op.c]),
        _ => None,
    }
}

/// Whether `op` may as well come before `setter`, which sets flags.
fn is_apart(setter: &Op, op: &Op) -> bool {
    let reads = [op.a, op.b, op.c, op.d];
    results(op).is_some_and(|w| w.iter().all(|w| !operands(setter).contains(w)))
        && (setter.d == TRASH || !reads.contains(&setter.d))
}

/// Whether the flags and what was compared are what they were before `op`.
fn leaves(compared: &Op, op: &Op) -> bool {
    use Code::*;
    let writes = results(op).or(match op.code {
        Ld8 | Ld8S | Ld16 | Ld16S | Ld32 | LdX8 | LdX8S | LdX16 | LdX16S | LdX32 => Some([op.d, op.d]),
        LdPair => Some([op.d, op.c]),
        Skip | St8 | St16 | St32 | StX8 | StX16 | StX32 | StPair => Some([TRASH, TRASH]),
        _ => None,
    });
    writes.is_some_and(|w| w.iter().all(|w| !operands(compared).contains(w)))
}
