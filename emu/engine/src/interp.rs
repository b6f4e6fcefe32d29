//! The interpreter: portable, exact to the instruction, the reference for every other back end.

mod arithmetic;
mod chain;

pub use chain::{Chain, Left, Single};

use crate::{
    dsp,
    guest::{Flow, Guest},
    ir::{Block, C, Code, FSTATUS, Op},
    words::{
        Access, access, at_insn, load_pair, load_words, slow_load, slow_load_words, slow_store,
        slow_store_words, store_exclusive, store_pair, store_words,
    },
};
use arithmetic::{
    add_flags, div_signed, divide_rv, high, long_multiply, nz, shift, shift_flags, shift_imm, sign_extend,
    width_mask,
};
use chain::{Slow, leave};
use emu_core::bus::Bus;

/// Executes blocks of `chain`, the first from cycle `cycle` on, until the chain ends, something wants attention, or
/// `limit` instructions of a block are done. With `FULL` every flag is right at every instruction, which a stop in
/// the middle needs; without, `limit` is no less than any block's length. On return the guest's program counter and
/// decoder state are those of the next instruction.
pub fn exec<G: Guest, X: Chain<G>, const FULL: bool>(
    g: &mut G,
    bus: &mut Bus,
    chain: &mut X,
    limit: usize,
    cycle: u64,
    until: u64,
) -> Left {
    exec_from::<G, X, FULL, false>(g, bus, chain, (0, limit, 0), cycle, until)
}

/// Executes operation `at` of `block`, which starts at cycle `cycle` and before which `before` instructions were executed, for
/// compiled code that leaves it to us. `None`:
/// compiled code goes on with the next operation. Otherwise the block was left: a jump was taken, something wants attention
/// (the rest of the instruction was executed then), or the instruction faulted.
pub fn exec_op<G: Guest>(
    g: &mut G,
    bus: &mut Bus,
    block: &Block,
    at: usize,
    (cycle, before): (u64, u64),
) -> Option<Left> {
    let op = &block.ops[at];
    let limit = usize::from(op.insn) + 1;
    match access(g, bus, block, op, cycle) {
        Access::Done if !bus.fabric.attention => return None,
        Access::Done => {
            let mut one = Single(Some(block));
            let rest =
                exec_from::<G, _, true, false>(g, bus, &mut one, (at + 1, limit, before), cycle, u64::MAX);
            return Some(Left { attention: true, ..rest });
        }
        Access::Fault(f) => return Some(leave(g, bus, block, op, Slow::Fault(f), false)),
        Access::Other => {}
    }
    let mut one = Single(Some(block));
    let left = exec_from::<G, _, true, true>(g, bus, &mut one, (at, limit, before), cycle, u64::MAX);
    let nothing = left.insns == 0 && !left.attention && left.exit.is_none();
    if nothing { None } else { Some(left) }
}

/// See [`exec`], here from an operation of the first block on; if `ONE` is set this operation alone, and the rest of its
/// instruction only if something wants attention.
#[allow(clippy::too_many_lines)] // one arm for each operation
fn exec_from<G: Guest, X: Chain<G>, const FULL: bool, const ONE: bool>(
    g: &mut G,
    bus: &mut Bus,
    chain: &mut X,
    (from, limit, before): (usize, usize, u64),
    cycle: u64,
    until: u64,
) -> Left {
    let start = cycle;
    let mut cycle = cycle;
    let mut done = 0;
    let nothing = Left { insns: 0, cycles: 0, attention: false, exit: None };
    let Some(mut block) = chain.next(g, bus, until.wrapping_sub(cycle)) else { return nothing };
    let mut limit = limit.min(block.len());
    // The operations to come, and where in the block they end.
    let mut ops = &block.ops[..];
    let mut end = ops.len();
    if FULL && limit < block.len() {
        end = usize::from(block.insns[limit].first_op);
        ops = &ops[..end];
    }
    if ONE {
        end = from + 1;
    }
    if from != 0 || ONE {
        ops = &block.ops[from..end];
    }
    let mut attention = false;
    let slow = loop {
        let Some((op, rest)) = ops.split_first() else {
            if ONE && !attention {
                return nothing;
            }
            break None;
        };
        ops = rest;
        macro_rules! r {
            ($f:ident) => {
                g.regs().get(op.$f)
            };
        }
        macro_rules! set {
            ($v:expr) => {{
                let v = $v;
                g.regs().set(op.d, v)
            }};
        }
        macro_rules! set_nz {
            ($v:expr) => {{
                let v = $v;
                let v = nz(g.regs(), v);
                g.regs().set(op.d, v)
            }};
        }
        macro_rules! add {
            ($a:expr, $b:expr, $c:expr) => {{
                let (a, b, c) = ($a, $b, $c);
                let v = add_flags(g.regs(), a, b, c);
                g.regs().set(op.d, v)
            }};
        }
        macro_rules! shift_op {
            ($kind:ident) => {{
                let (v, _) = shift_imm(Code::$kind, r!(a), op.imm);
                set!(v)
            }};
            ($kind:ident, C) => {{
                let (v, c) = shift_imm(Code::$kind, r!(a), op.imm);
                g.regs().set(C, c);
                set!(v)
            }};
            ($kind:ident, NZC) => {{
                let (v, c) = shift_imm(Code::$kind, r!(a), op.imm);
                g.regs().set(C, c);
                set_nz!(v)
            }};
        }
        macro_rules! indexed {
            () => {
                r!(a).wrapping_add(r!(b) << (op.imm & 31))
            };
        }
        macro_rules! offset {
            () => {
                r!(a).wrapping_add(op.imm)
            };
        }
        // The block ends behind this instruction: something wants attention.
        macro_rules! stop_here {
            () => {{
                (limit, attention) = (usize::from(op.insn) + 1, true);
                let at = end - ops.len();
                end = usize::from(block.insns[limit].first_op);
                ops = &block.ops[at.min(end)..end];
            }};
        }
        macro_rules! load {
            ($addr:expr, $fast:ident, $size:expr, $conv:expr) => {{
                let addr: u32 = $addr;
                let v = match bus.fabric.mem.$fast(u64::from(addr)) {
                    Some(v) => u32::from(v),
                    _ => match slow_load(g, bus, block, op, addr, $size, cycle) {
                        Ok(v) => {
                            if bus.fabric.attention {
                                stop_here!();
                            }
                            v
                        }
                        Err(f) => break Some((op, Slow::Fault(f))),
                    },
                };
                set!($conv(v))
            }};
        }
        macro_rules! store {
            ($addr:expr, $fast:ident, $t:ty, $size:expr) => {{
                let addr: u32 = $addr;
                let v = r!(d);
                if !bus.fabric.mem.$fast(u64::from(addr), v as $t) {
                    if let Err(f) = slow_store(g, bus, block, op, (addr, v), $size, cycle) {
                        break Some((op, Slow::Fault(f)));
                    }
                    if bus.fabric.attention {
                        stop_here!();
                    }
                }
            }};
        }
        // The block is done, and the program counter set: on with the next one.
        macro_rules! go_on {
            ($insns:expr, $cycles:expr) => {{
                done += $insns;
                cycle = cycle.wrapping_add($cycles);
                // (In `exec_op` the block may have started before cycle zero, for what came back of its cost.)
                let cycles = cycle.wrapping_sub(start);
                if attention || cycle >= until {
                    return Left { insns: done, cycles, attention, exit: None };
                }
                let Some(next) = chain.next(g, bus, until - cycle) else {
                    return Left { insns: done, cycles, attention, exit: None };
                };
                (block, limit, ops, end) = (next, next.len(), &next.ops[..], next.ops.len());
                continue;
            }};
        }
        // Leaves the block behind this instruction, with the program counter set.
        macro_rules! done {
            ($back:expr) => {{
                let insns = usize::from(op.insn) + 1;
                let (cycles, it) = if insns == block.len() {
                    (block.cycles(), block.end_it())
                } else {
                    let end = &block.insns[insns];
                    (u64::from(end.cycles), end.it)
                };
                // In a chain every block starts with none.
                if FULL || it != 0 {
                    g.set_it(it);
                }
                go_on!(insns, cycles - $back)
            }};
        }
        macro_rules! jump {
            ($pc:expr) => {{
                let pc = $pc;
                g.set_pc(pc);
                done!(0)
            }};
        }
        macro_rules! jump_if {
            ($taken:expr) => {{
                let (pc, back) = if $taken { (op.imm, 0) } else { (op.imm2, u64::from(op.c)) };
                g.set_pc(pc);
                done!(back)
            }};
        }
        // The comparison is the last instruction but one, and the branch none that `op` tells of.
        macro_rules! branch {
            ($b:expr, $cond:expr) => {{
                let (a, b) = (r!(a), $b);
                add!(a, !b, 1);
                let taken = $cond(a, b);
                g.set_pc(if taken { op.imm2 } else { block.insns[block.len()].pc });
                let it = block.end_it();
                if FULL || it != 0 {
                    g.set_it(it);
                }
                go_on!(block.len(), block.cycles() - if taken { 0 } else { u64::from(op.c) })
            }};
        }
        match if FULL { op.full } else { op.code } {
            Code::Mov => set!(r!(a)),
            Code::MovS => set_nz!(r!(a)),
            Code::MovI => set!(op.imm),
            Code::MovIS => set_nz!(op.imm),
            Code::Mvn => set!(!r!(a)),
            Code::MvnS => set_nz!(!r!(a)),
            Code::Mov64 => {
                let v = g.regs().get64(op.a);
                g.regs().set64(op.d, v);
            }
            Code::Hi => set!((g.regs().get64(op.a) >> 32) as u32),
            Code::SetLo => {
                let v = g.regs().get64(op.d) & 0xffff_ffff_0000_0000 | u64::from(r!(a));
                g.regs().set64(op.d, v);
            }
            Code::SetHi => {
                let v = g.regs().get64(op.d) & 0xffff_ffff | u64::from(r!(a)) << 32;
                g.regs().set64(op.d, v);
            }
            Code::Add => set!(r!(a).wrapping_add(r!(b))),
            Code::AddS => add!(r!(a), r!(b), 0),
            Code::AddI => set!(offset!()),
            Code::AddIS => add!(r!(a), op.imm, 0),
            Code::AddLsl => set!(indexed!()),
            Code::Adc => set!(r!(a).wrapping_add(r!(b)).wrapping_add(g.regs().get(C))),
            Code::AdcS => add!(r!(a), r!(b), g.regs().get(C)),
            Code::Sub => set!(r!(a).wrapping_sub(r!(b))),
            Code::SubS => add!(r!(a), !r!(b), 1),
            Code::SubI => set!(r!(a).wrapping_sub(op.imm)),
            Code::SubIS => add!(r!(a), !op.imm, 1),
            Code::RsbI => set!(op.imm.wrapping_sub(r!(a))),
            Code::RsbIS => add!(op.imm, !r!(a), 1),
            Code::Sbc => set!(r!(a).wrapping_add(!r!(b)).wrapping_add(g.regs().get(C))),
            Code::SbcS => add!(r!(a), !r!(b), g.regs().get(C)),
            Code::And => set!(r!(a) & r!(b)),
            Code::AndS => set_nz!(r!(a) & r!(b)),
            Code::AndI => set!(r!(a) & op.imm),
            Code::AndIS => set_nz!(r!(a) & op.imm),
            Code::Or => set!(r!(a) | r!(b)),
            Code::OrS => set_nz!(r!(a) | r!(b)),
            Code::OrI => set!(r!(a) | op.imm),
            Code::OrIS => set_nz!(r!(a) | op.imm),
            Code::Xor => set!(r!(a) ^ r!(b)),
            Code::XorS => set_nz!(r!(a) ^ r!(b)),
            Code::XorI => set!(r!(a) ^ op.imm),
            Code::XorIS => set_nz!(r!(a) ^ op.imm),
            Code::Bic => set!(r!(a) & !r!(b)),
            Code::BicS => set_nz!(r!(a) & !r!(b)),
            Code::Orn => set!(r!(a) | !r!(b)),
            Code::OrnS => set_nz!(r!(a) | !r!(b)),
            Code::SetC => g.regs().set(C, op.imm),
            Code::LslI => shift_op!(LslI),
            Code::LslIS => shift_op!(LslI, NZC),
            Code::LslIC => shift_op!(LslI, C),
            Code::LsrI => shift_op!(LsrI),
            Code::LsrIS => shift_op!(LsrI, NZC),
            Code::LsrIC => shift_op!(LsrI, C),
            Code::AsrI => shift_op!(AsrI),
            Code::AsrIS => shift_op!(AsrI, NZC),
            Code::AsrIC => shift_op!(AsrI, C),
            Code::RorI => shift_op!(RorI),
            Code::RorIS => shift_op!(RorI, NZC),
            Code::RorIC => shift_op!(RorI, C),
            Code::Rrx => set!(r!(a) >> 1 | g.regs().get(C) << 31),
            Code::RrxS | Code::RrxC => {
                let (a, c) = (r!(a), g.regs().get(C));
                g.regs().set(C, a & 1);
                let v = a >> 1 | c << 31;
                set!(v);
                if op.full == Code::RrxS {
                    nz(g.regs(), v);
                }
            }
            Code::Lsl => set!(shift(Code::Lsl, r!(a), r!(b)).0),
            Code::LslS => set!(shift_flags(g.regs(), Code::Lsl, op)),
            Code::Lsr => set!(shift(Code::Lsr, r!(a), r!(b)).0),
            Code::LsrS => set!(shift_flags(g.regs(), Code::Lsr, op)),
            Code::Asr => set!(shift(Code::Asr, r!(a), r!(b)).0),
            Code::AsrS => set!(shift_flags(g.regs(), Code::Asr, op)),
            Code::Ror => set!(shift(Code::Ror, r!(a), r!(b)).0),
            Code::RorS => set!(shift_flags(g.regs(), Code::Ror, op)),
            Code::Mul => set!(r!(a).wrapping_mul(r!(b))),
            Code::MulS => set_nz!(r!(a).wrapping_mul(r!(b))),
            Code::Mla => set!(r!(c).wrapping_add(r!(a).wrapping_mul(r!(b)))),
            Code::Mls => set!(r!(c).wrapping_sub(r!(a).wrapping_mul(r!(b)))),
            Code::Umull | Code::Smull | Code::Umlal | Code::Smlal => long_multiply(g.regs(), op),
            Code::Udiv | Code::Sdiv => {
                let (a, b) = (r!(a), r!(b));
                if b == 0
                    && let Err(f) = g.div_by_zero()
                {
                    break Some((op, Slow::Fault(f)));
                }
                let signed = op.full == Code::Sdiv;
                set!(if signed { div_signed(a, b) } else { a.checked_div(b).unwrap_or(0) });
            }
            Code::MlaHalf
            | Code::MlaWord
            | Code::MlaDual
            | Code::MlaHigh
            | Code::Umaal
            | Code::QAdd
            | Code::QSub
            | Code::Clamp
            | Code::Lanes => dsp::exec(g.regs(), op),
            Code::Sxtb => set!(r!(a).rotate_right(op.imm) as i8 as u32),
            Code::Sxth => set!(r!(a).rotate_right(op.imm) as i16 as u32),
            Code::Uxtb => set!(r!(a).rotate_right(op.imm) & 0xff),
            Code::Uxth => set!(r!(a).rotate_right(op.imm) & 0xffff),
            Code::Ubfx => set!((u64::from(r!(a)) >> op.imm) as u32 & width_mask(op.x)),
            Code::Sbfx => {
                let up = (32u32.wrapping_sub(op.imm + u32::from(op.x))) & 31;
                set!(((r!(a) << up) as i32 >> ((32 - u32::from(op.x)) & 31)) as u32);
            }
            Code::Bfi => {
                let mask = width_mask(op.x) << (op.imm & 31);
                set!(r!(b) & !mask | (r!(a) << (op.imm & 31)) & mask);
            }
            Code::Clz => set!(r!(a).leading_zeros()),
            Code::Rbit => set!(r!(a).reverse_bits()),
            Code::Rev => set!(r!(a).swap_bytes()),
            Code::Rev16 => set!(r!(a).swap_bytes().rotate_right(16)),
            Code::RevSh => set!((r!(a) as u16).swap_bytes() as i16 as u32),
            Code::Ld8 => load!(offset!(), read8, 1, |v| v),
            Code::Ld8S => load!(offset!(), read8, 1, |v: u32| v as i8 as u32),
            Code::Ld16 => load!(offset!(), read16, 2, |v| v),
            Code::Ld16S => load!(offset!(), read16, 2, |v: u32| v as i16 as u32),
            Code::Ld32 => load!(offset!(), read32, 4, |v| v),
            Code::LdX8 => load!(indexed!(), read8, 1, |v| v),
            Code::LdX8S => load!(indexed!(), read8, 1, |v: u32| v as i8 as u32),
            Code::LdX16 => load!(indexed!(), read16, 2, |v| v),
            Code::LdX16S => load!(indexed!(), read16, 2, |v: u32| v as i16 as u32),
            Code::LdX32 => load!(indexed!(), read32, 4, |v| v),
            Code::St8 => store!(offset!(), write8, u8, 1),
            Code::St16 => store!(offset!(), write16, u16, 2),
            Code::St32 => store!(offset!(), write32, u32, 4),
            Code::StX8 => store!(indexed!(), write8, u8, 1),
            Code::StX16 => store!(indexed!(), write16, u16, 2),
            Code::StX32 => store!(indexed!(), write32, u32, 4),
            Code::LdM => {
                if !load_words(g, bus, op) {
                    if let Err(f) = slow_load_words(g, bus, block, op, cycle) {
                        break Some((op, Slow::Fault(f)));
                    }
                    if bus.fabric.attention {
                        stop_here!();
                    }
                }
            }
            Code::StM => {
                if !store_words(g, bus, op) {
                    if let Err(f) = slow_store_words(g, bus, block, op, cycle) {
                        break Some((op, Slow::Fault(f)));
                    }
                    if bus.fabric.attention {
                        stop_here!();
                    }
                }
            }
            Code::StEx => {
                if let Err(f) = store_exclusive(g, bus, block, op, cycle) {
                    break Some((op, Slow::Fault(f)));
                }
                if bus.fabric.attention {
                    stop_here!();
                }
            }
            Code::LdUser => {
                let addr = offset!();
                match slow_load(g, bus, block, op, addr, op.imm2 as u8, cycle) {
                    Ok(v) => set!(sign_extend(v, op)),
                    Err(f) => break Some((op, Slow::Fault(f))),
                }
                if bus.fabric.attention {
                    stop_here!();
                }
            }
            Code::StUser => {
                let access = (offset!(), r!(d));
                if let Err(f) = slow_store(g, bus, block, op, access, op.imm2 as u8, cycle) {
                    break Some((op, Slow::Fault(f)));
                }
                if bus.fabric.attention {
                    stop_here!();
                }
            }
            Code::Slt => set!(u32::from((r!(a) as i32) < r!(b) as i32)),
            Code::SltI => set!(u32::from((r!(a) as i32) < op.imm as i32)),
            Code::Sltu => set!(u32::from(r!(a) < r!(b))),
            Code::SltuI => set!(u32::from(r!(a) < op.imm)),
            Code::Sll => set!(r!(a).wrapping_shl(r!(b))),
            Code::Srl => set!(r!(a).wrapping_shr(r!(b))),
            Code::Sra => set!((r!(a) as i32).wrapping_shr(r!(b)) as u32),
            Code::Mulh => set!(high(i64::from(r!(a) as i32) * i64::from(r!(b) as i32))),
            Code::Mulhsu => set!(high(i64::from(r!(a) as i32) * i64::from(r!(b)))),
            Code::Mulhu => set!(high((u64::from(r!(a)) * u64::from(r!(b))) as i64)),
            Code::DivRv | Code::DivuRv | Code::RemRv | Code::RemuRv => {
                set!(divide_rv(op.full, r!(a), r!(b)))
            }
            Code::Skip => {
                if !g.regs().cond(op.x) {
                    cycle = cycle.wrapping_sub(u64::from(op.imm2));
                    ops = ops.get(op.imm as usize..).unwrap_or(&[]);
                }
            }
            Code::Ld64 | Code::LdPair => {
                if let Err(f) = load_pair(g, bus, block, op, cycle) {
                    break Some((op, Slow::Fault(f)));
                }
                if bus.fabric.attention {
                    stop_here!();
                }
            }
            Code::St64 | Code::StPair => {
                if let Err(f) = store_pair(g, bus, block, op, cycle) {
                    break Some((op, Slow::Fault(f)));
                }
                if bus.fabric.attention {
                    stop_here!();
                }
            }
            Code::Float => g.float(op),
            Code::FlagsOfStatus => {
                let v = r_status(g);
                g.regs().set_nzcv(v);
            }
            Code::CallIfZero if r!(a) != 0 => {}
            Code::Call | Code::CallEnd | Code::CallIfZero => {
                g.executed(before + done as u64 + u64::from(op.insn));
                let flow = match call(g, bus, block, op, cycle) {
                    Ok(flow) => flow,
                    Err(f) => break Some((op, Slow::Fault(f))),
                };
                match flow {
                    Flow::Next | Flow::Stop => {
                        if flow == Flow::Stop || bus.fabric.attention {
                            stop_here!();
                        }
                        if op.full == Code::CallEnd {
                            jump!(op.imm2);
                        }
                    }
                    flow => break Some((op, Slow::Flow(flow))),
                }
            }
            Code::Jump => jump!(op.imm),
            Code::Branch => jump_if!(g.regs().cond(op.x)),
            Code::BranchZ => jump_if!(r!(a) == 0),
            Code::BranchNz => jump_if!(r!(a) != 0),
            Code::BranchEq => jump_if!(r!(a) == r!(b)),
            Code::BranchNe => jump_if!(r!(a) != r!(b)),
            Code::BranchLt => jump_if!((r!(a) as i32) < r!(b) as i32),
            Code::BranchGe => jump_if!(r!(a) as i32 >= r!(b) as i32),
            Code::BranchLtu => jump_if!(r!(a) < r!(b)),
            Code::BranchGeu => jump_if!(r!(a) >= r!(b)),
            Code::SubIBranch => branch!(op.imm, |_, _| g.regs().cond(op.x)),
            Code::SubBranch => branch!(r!(b), |_, _| g.regs().cond(op.x)),
            Code::SubIBranchEq => branch!(op.imm, |a, b| a == b),
            Code::SubIBranchNe => branch!(op.imm, |a, b| a != b),
            Code::MovIJump => {
                set!(op.imm);
                jump!(op.imm2)
            }
            Code::JumpReg => {
                let target = r!(a);
                let code = op.x != 0;
                if code {
                    g.set_pc(target & !1);
                    g.set_it(0);
                }
                if code || g.jump_plain(target) {
                    let insns = usize::from(op.insn) + 1;
                    let last = insns == block.len();
                    let cycles = if last { block.cycles() } else { u64::from(block.insns[insns].cycles) };
                    go_on!(insns, cycles)
                }
                at_insn(bus, block, op, cycle);
                match g.jump(bus, target) {
                    Ok(Flow::Jumped) if !bus.fabric.attention => {
                        let insns = usize::from(op.insn) + 1;
                        go_on!(insns, u64::from(block.insns[insns].cycles))
                    }
                    Ok(flow) => break Some((op, Slow::Flow(flow))),
                    Err(f) => break Some((op, Slow::Fault(f))),
                }
            }
        }
    };
    let left = match slow {
        None => {
            let next = &block.insns[limit];
            g.set_pc(next.pc);
            g.set_it(next.it);
            Left { insns: limit, cycles: u64::from(next.cycles), attention, exit: None }
        }
        Some((op, slow)) => {
            // A fault's mistake is noted with its own time, whatever was accessed last.
            at_insn(bus, block, op, cycle);
            leave(g, bus, block, op, slow, attention)
        }
    };
    let cycles = left.cycles.wrapping_add(cycle.wrapping_sub(start));
    Left { insns: left.insns + done, cycles, ..left }
}

fn r_status<G: Guest>(g: &mut G) -> u32 {
    g.regs().get(FSTATUS)
}

#[inline(never)]
fn call<G: Guest>(g: &mut G, bus: &mut Bus, block: &Block, op: &Op, cycle: u64) -> Result<Flow, G::Fault> {
    at_insn(bus, block, op, cycle);
    g.call(bus, op, &block.insns[usize::from(op.insn)])
}
