//! The loop around the back ends: interrupts, budget, breakpoints, block after block.

use crate::{
    cache::CodeCache,
    guest::{Guest, Poll},
    interp::{Chain, Left, Single, exec},
    ir::Block,
    jit::Why,
};
use emu_core::{
    bus::Bus,
    cpu::{CpuExit, Run},
    memory::PAGE,
};

/// Runs `g` as `run` says. Returns the cycle at which the next instruction would start, and why it stopped.
///
/// Exceptions are entered right before an instruction that will run, never at the end of a slice, so that slicing a
/// run changes nothing.
pub fn run<G: Guest>(g: &mut G, cache: &mut CodeCache, bus: &mut Bus, run: Run) -> (u64, CpuExit) {
    let mut cycle = run.cycle;
    let mut attention = true;
    let mut resume = run.resume;
    let compiles = cache.compiles::<G>() && !run.step;
    cache.begin(bus);
    // Too few cycles are left for the block at the program counter; a jump that compiled code would have liked to make.
    let (mut tail, mut open) = (false, None);
    while cycle < run.until {
        if attention {
            bus.fabric.set_cycle(cycle);
            if cycle != run.cycle && bus.fabric.wants_machine() {
                break;
            }
            bus.fabric.attention = false;
            let poll = g.poll(bus);
            cycle += g.spent();
            if let Poll::Exit(exit) = poll {
                return (cycle, exit);
            }
            cache.sync(g, &mut bus.fabric.mem);
            open = None;
            // Entering an exception may have touched a device or decoded code.
            attention = bus.fabric.attention;
            if attention && bus.fabric.wants_machine() || cycle >= run.until {
                break;
            }
        }
        if !bus.breakpoints.is_empty() && !resume && bus.breakpoints.contains(&u64::from(g.pc())) {
            return (cycle, CpuExit::Break);
        }
        resume = false;
        let mut left = Left { insns: 0, cycles: 0, attention: false, exit: None };
        if compiles && !tail && g.it() == 0 {
            if let Some((ran, why)) = cache.run_compiled(g, bus, (cycle, run.until), &mut open) {
                left = ran;
                match why {
                    Why::Budget => tail = true,
                    Why::Target(at) => open = at,
                    Why::Helper => {}
                }
            }
            if left.insns != 0 || left.attention || left.exit.is_some() || open.is_some() {
                g.retire(left.insns as u64);
                cycle += left.cycles + g.spent();
                attention |= left.attention;
                if let Some(exit) = left.exit {
                    return (cycle, exit);
                }
                continue;
            }
        }
        if !run.step && !tail {
            let mut chain = Cached { cache, page: NO_PAGE, at: 0, compiles };
            left = exec::<G, _, false>(g, bus, &mut chain, usize::MAX, cycle, run.until);
        }
        if left.insns == 0 && !left.attention {
            // Not even one whole block: something is special about it.
            left = run_block(g, cache, bus, cycle, run);
            tail = false;
        }
        g.retire(left.insns as u64);
        cycle += left.cycles + g.spent();
        attention |= left.attention;
        if let Some(exit) = left.exit {
            return (cycle, exit);
        }
        if run.step {
            break;
        }
    }
    (cycle, CpuExit::Ran)
}

/// Whole blocks out of the code cache, as long as nothing is special.
struct Cached<'a> {
    cache: &'a mut CodeCache,
    /// Number of the page of the last block, and its place in the cache's list: a chain stays in a page for a while.
    page: u32,
    at: usize,
    /// Blocks that run often are left to compiled code.
    compiles: bool,
}

/// The number of no page.
const NO_PAGE: u32 = u32::MAX;

impl<G: Guest> Chain<G> for Cached<'_> {
    #[inline(always)]
    fn next(&mut self, g: &mut G, bus: &mut Bus, left: u64) -> Option<&Block> {
        if g.it() != 0 {
            return None;
        }
        let pc = g.pc();
        if pc >> 12 != self.page {
            // Within a page nothing changes about permissions without asking for attention, which ends the chain.
            if g.checks_fetch() || breakpoints_in(bus, pc) {
                return None;
            }
            self.at = self.cache.page(g, bus, pc)?;
            self.page = pc >> 12;
        }
        if self.compiles && self.cache.prefers_compiled(self.at, pc) {
            return None;
        }
        self.cache.in_page(g, bus, self.at, pc).filter(|b| b.cycles() <= left)
    }
}

/// There is a breakpoint in the page of `pc`.
#[inline(always)]
fn breakpoints_in(bus: &Bus, pc: u32) -> bool {
    let first = u64::from(pc) & !(PAGE as u64 - 1);
    !bus.breakpoints.is_empty() && bus.breakpoints.range(first..first + PAGE as u64).next().is_some()
}

/// Executes one block or as much of it as is allowed.
fn run_block<G: Guest>(g: &mut G, cache: &mut CodeCache, bus: &mut Bus, cycle: u64, run: Run) -> Left {
    let pc = g.pc();
    // No chain comes here then, and once the page is known to be allowed it counts as checked.
    let checks = g.checks_fetch();
    if checks && let Err(f) = g.check_fetch(bus, pc) {
        return fault(g, bus, f, cycle);
    }
    if g.it() != 0 {
        return run_single(g, bus, cycle, run.until);
    }
    if checks {
        cache.warm(g, bus, pc);
    }
    let Some(block) = cache.block(g, bus, pc) else {
        let f = g.fetch_fault(pc);
        return fault(g, bus, f, cycle);
    };
    let limit = limit(g, bus, block, run.until - cycle, run.step);
    exec::<G, _, true>(g, bus, &mut Single(Some(block)), limit, cycle, run.until)
}

/// How many instructions of a block may run: those that start before the budget's end and before a breakpoint, and
/// whose fetch is allowed.
fn limit<G: Guest>(g: &mut G, bus: &mut Bus, block: &Block, left: u64, step: bool) -> usize {
    if step {
        return 1;
    }
    let n = block.insns[..block.len()].partition_point(|i| u64::from(i.cycles) < left);
    let checks = g.checks_fetch();
    let mut stop =
        |pc: u32| bus.breakpoints.contains(&u64::from(pc)) || checks && g.check_fetch(bus, pc).is_err();
    (1..n).find(|&i| stop(block.insns[i].pc)).unwrap_or(n)
}

fn fault<G: Guest>(g: &mut G, bus: &mut Bus, f: G::Fault, cycle: u64) -> Left {
    bus.fabric.set_cycle(cycle);
    bus.fabric.pc = Some(u64::from(g.pc()));
    g.raise(bus, f);
    // A fetch that faults takes its time, so that a guest that only faults still ends.
    Left { insns: 0, cycles: 1, attention: true, exit: None }
}

/// One instruction whose decoding depends on more than its bytes (the middle of an IT block).
fn run_single<G: Guest>(g: &mut G, bus: &mut Bus, cycle: u64, until: u64) -> Left {
    let (pc, it) = (g.pc(), g.it());
    let addr = u64::from(pc) & !(PAGE as u64 - 1);
    let Some((_, page)) = bus.fabric.mem.code_page(addr) else {
        let f = g.fetch_fault(pc);
        return fault(g, bus, f, cycle);
    };
    let off = pc as usize & (PAGE - 1);
    let mut bytes = page[off..].iter().take(4).copied().collect::<Vec<_>>();
    let here = bytes.len();
    if let Some((_, next)) = bus.fabric.mem.code_page(addr + PAGE as u64) {
        bytes.extend(&next[..4 - here.min(4)]);
    }
    let block = g.translate(&bytes, 0, here, pc, it, 1);
    exec::<G, _, true>(g, bus, &mut Single(Some(&block)), 1, cycle, until)
}
