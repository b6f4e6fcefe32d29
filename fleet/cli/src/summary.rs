//! What is said at the end of a run.

use fleet::{FleetView, NodeState};
use std::{
    io::{self, Write},
    time::Duration,
};

/// How many kinds of mistakes are listed.
const MISTAKES: usize = 10;

/// `1234567` as `1,234,567`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}

/// Writes time, work, mistakes and digest.
pub fn write(out: &mut dyn Write, view: &FleetView, cpu: Duration, digest: Option<u128>) -> io::Result<()> {
    let retired: u64 = view.nodes.iter().map(|n| n.retired).sum();
    let mips = retired as f64 / cpu.as_secs_f64().max(1e-9) / 1e6;
    let cpu = cpu.as_secs_f64();
    write!(out, "virtual time {} s", view.now)?;
    if view.nodes.len() > 1 {
        write!(out, ", {} nodes, {} frames", view.nodes.len(), thousands(view.frames))?;
    }
    writeln!(out, ", {} guest instructions, host CPU {cpu:.3} s, {mips:.1} MIPS", thousands(retired))?;
    mistakes(out, view)?;
    match digest {
        Some(digest) => writeln!(out, "digest: {digest:032x}"),
        None => writeln!(out, "digest: none, a node stands in the middle of an epoch"),
    }
}

fn mistakes(out: &mut dyn Write, view: &FleetView) -> io::Result<()> {
    let total: u64 = view.nodes.iter().map(|n| n.mistakes).sum();
    if total == 0 {
        return Ok(());
    }
    let each = |n: &fleet::NodeView| -> Vec<_> {
        n.mistake_list.iter().map(|m| (n.name.clone(), m.clone())).collect()
    };
    let mut all: Vec<_> = view.nodes.iter().flat_map(each).collect();
    all.sort_by_key(|(_, m)| std::cmp::Reverse((m.cause, m.count)));
    writeln!(out, "guest mistakes: {} of {} kinds", thousands(total), all.len())?;
    for (node, m) in all.iter().take(MISTAKES) {
        let node = if view.nodes.len() > 1 { format!("{node} ") } else { String::new() };
        let place = m.place.as_ref().map(|p| format!(" at {p}")).unwrap_or_default();
        let (count, device, what) = (thousands(m.count), &m.device, &m.what);
        writeln!(out, "  {count:>9} x {node}{device}: {what}; first{place} ({} s)", m.first)?;
    }
    if all.len() > MISTAKES {
        writeln!(out, "  and {} kinds more", all.len() - MISTAKES)?;
    }
    Ok(())
}

/// How the nodes of a fleet ended that do not run any more.
pub fn ends(view: &FleetView) -> impl Iterator<Item = String> {
    view.nodes.iter().filter_map(|n| match n.state {
        NodeState::Running => None,
        NodeState::Off => Some(format!("{}: its power is cut", n.name)),
        NodeState::Exited { code } => Some(format!("{}: the guest ended itself with {code}", n.name)),
        NodeState::LockedUp { .. } => Some(format!("{}: the CPU locked up at {}", n.name, n.place)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_groups_of_three() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(thousands(n), text);
        }
    }
}
