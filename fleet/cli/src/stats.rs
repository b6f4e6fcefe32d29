//! `--stats`: what the engine did, and how often each device was spoken to.

use crate::summary::thousands;
use emu_core::{bus::DevCount, cpu::EngineStats};
use fleet::{KindStats, stats::Counters};
use std::{
    cmp::Reverse,
    io::{self, Write},
    time::Duration,
};

/// How many devices of a kind of machine are listed.
const DEVICES: usize = 10;

/// Writes the host's CPU time by part of the run, then what happened on each kind of machine.
pub fn write(out: &mut dyn Write, kinds: &[KindStats], parts: &[(&str, Duration)]) -> io::Result<()> {
    let parts: Vec<_> =
        parts.iter().map(|(what, time)| format!("{what} {:.3} s", time.as_secs_f64())).collect();
    writeln!(out, "host CPU: {}", parts.join(", "))?;
    kinds.iter().try_for_each(|kind| write_kind(out, kind))
}

/// Writes what was compiled: by all fleets of this process, since they share it.
pub fn write_compiled(out: &mut dyn Write, counters: &Counters) -> io::Result<()> {
    let Counters { blocks, insns, bytes, refused, in_use, links } = *counters;
    writeln!(
        out,
        "compiled: {} blocks of {} guest instructions into {} KiB of host code ({} KiB in use), {} jumps patched, \
         {} blocks left to the interpreter",
        thousands(blocks),
        thousands(insns),
        thousands(bytes.div_ceil(1024)),
        thousands(in_use / 1024),
        thousands(links),
        thousands(refused)
    )
}

fn write_kind(out: &mut dyn Write, kind: &KindStats) -> io::Result<()> {
    let KindStats { machine, nodes, retired, engine, left, devices } = kind;
    let s = if *nodes == 1 { "" } else { "s" };
    writeln!(out, "{machine}, {} node{s}", thousands(*nodes))?;
    let share = percent(engine.compiled, *retired);
    writeln!(out, "  {:>15}  guest instructions, {share} in compiled code", thousands(*retired))?;
    if engine.entries > 0 {
        write_engine(out, engine)?;
    }
    let mut left: Vec<_> = left.iter().collect();
    left.sort_by_key(|(name, n)| (Reverse(**n), **name));
    for (name, n) in left {
        writeln!(out, "  {:>15}    {name}", thousands(*n))?;
    }
    let mut used: Vec<_> = devices.iter().filter(|(_, c)| **c != DevCount::default()).collect();
    used.sort_by_key(|(name, c)| (Reverse(c.accesses + c.events), *name));
    if !used.is_empty() {
        writeln!(out, "  {:>15}  {:>15}  device", "accesses", "events")?;
    }
    for (name, count) in used.iter().take(DEVICES) {
        writeln!(out, "  {:>15}  {:>15}  {name}", thousands(count.accesses), thousands(count.events))?;
    }
    match used.len().saturating_sub(DEVICES) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} devices more"),
    }
}

fn write_engine(out: &mut dyn Write, engine: &EngineStats) -> io::Result<()> {
    let EngineStats { compiled: _, entries, left_budget, left_target, left_attention, left_fault, slow_ops } =
        *engine;
    writeln!(out, "  {:>15}  times compiled code was entered, and left because", thousands(entries))?;
    let causes = [
        (left_budget, "the time ended for which it might run"),
        (left_target, "nothing compiled was at a jump's target"),
        (left_attention, "an interrupt, event or change wanted attention"),
        (left_fault, "an instruction faulted or waits"),
    ];
    for (count, cause) in causes {
        writeln!(out, "  {:>15}    {:>7} {cause}", thousands(count), percent(count, entries))?;
    }
    writeln!(out, "  {:>15}  operations of compiled code that the interpreter did", thousands(slow_ops))
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", part as f64 * 100.0 / whole.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_did_most_come_first() {
        let device = |i: u64| (format!("dev{i}"), DevCount { accesses: i * 1000, events: i % 3 });
        let engine =
            EngineStats { compiled: 1500, entries: 8, left_budget: 6, left_fault: 2, ..Default::default() };
        let (devices, left) = ((0..=12).map(device).collect(), [("CPS", 7), ("load", 1234)].into());
        let kind = KindStats { machine: "m".into(), nodes: 2, retired: 2000, engine, left, devices };
        let mut out = vec![];
        write(&mut out, &[kind], &[("run", Duration::from_millis(1500))]).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        assert_eq!(lines[0], "host CPU: run 1.500 s");
        assert_eq!(lines[1], "m, 2 nodes");
        assert_eq!(lines[2], "2,000  guest instructions, 75.0 % in compiled code");
        assert!(lines[4].starts_with("6     75.0 % the time"), "{text}");
        assert_eq!(lines[9..11], ["1,234    load", "7    CPS"], "{text}");
        let first = lines.iter().position(|l| l.ends_with("device")).unwrap() + 1;
        assert!(lines[first].starts_with("12,000") && lines[first].ends_with("0  dev12"), "{text}");
        assert_eq!(lines.last(), Some(&"and 2 devices more"), "{text}");
        assert!(!text.contains("dev0"), "a device nobody spoke to is not listed");
    }
}
