//! What a board's files may not ask for, whatever its parts are: addresses that are taken or out of reach, interrupt lines
//! that no CPU has.

use super::{Builder, CpuSpec, Stretch};
use crate::{board::Place, source::Tab};
use emu_core::Machine;

/// All cores have addresses of 32 bits.
const ADDRESSES: u64 = 1 << 32;
/// Faster clocks have several edges in one nanosecond.
pub(super) const MOST_HZ: u64 = 1_000_000_000;

impl<'s> Builder<'s> {
    /// Takes a stretch of addresses for `name`, if it is free; reports at `base` if it is not.
    pub(super) fn take(&mut self, name: &str, base: u64, size: u64, tab: &Tab<'s>) -> bool {
        let Some(end) = base.checked_add(size).filter(|end| size > 0 && *end <= ADDRESSES) else {
            let key = if size == 0 || base < ADDRESSES { "size" } else { "base" };
            let what = if size == 0 { "is empty" } else { "reaches beyond the 32 bits of an address" };
            tab.report(key, format!("`{name}` {what}"), None);
            return false;
        };
        if let Some(other) = self.taken.iter().find(|t| base < t.base + t.size && t.base < end) {
            let what = format!("`{name}` at {base:#010x} overlaps `{}` at {:#010x}", other.name, other.base);
            tab.report("base", what, None);
            return false;
        }
        self.taken.push(Stretch { base, size, name: name.into(), place: Place::of(tab, "base") });
        true
    }

    /// Shows what lies at `target` again at `base`.
    pub(super) fn add_alias(&mut self, tab: &Tab<'s>, (base, size, target): (u64, u64, u64)) {
        let regions = self.bus.fabric.mem.regions();
        let end = target.saturating_add(size);
        if !regions.iter().any(|r| r.base <= target && end <= r.base + r.size) {
            let what = format!("no memory lies at {target:#010x} to {:#010x}", end - 1);
            return tab.report("alias_of", what, None);
        }
        if tab.has("fill") {
            return tab.report("fill", "what an alias shows is filled where it lies", None);
        }
        self.bus.fabric.mem.add_alias(base, size, target);
    }

    /// What the CPUs have to say about lines and addresses.
    pub(super) fn check_cpus(&self, machine: &Machine, specs: &[(CpuSpec, Tab<'s>)]) {
        if machine.cpu_count() != specs.len() || specs.is_empty() {
            return; // something is wrong with one of them, and was reported
        }
        let (cpu, core) = (machine.cpu(0), &specs[0].0.core);
        for (line, place) in &self.lines {
            if !u16::try_from(*line).is_ok_and(|line| cpu.has_line(line)) {
                place.report(format!("{core} of this board has no interrupt line {line}"));
            }
        }
        for t in &self.taken {
            let own = (0..specs.len()).flat_map(|c| machine.cpu(c).own_addresses());
            if let Some((at, _, what)) = own.into_iter().find(|o| t.base < o.0 + o.1 && o.0 < t.base + t.size)
            {
                t.place.report(format!("`{}` lies where {core} has {what}, from {at:#010x}", t.name));
            }
        }
    }
}
