//! Watchpoints.

use super::{Memory, PAGE, WATCHED};

/// A watchpoint: a debugger's wish, not part of the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    /// First address.
    pub addr: u64,
    /// Bytes.
    pub len: u64,
    /// Stop on reads.
    pub read: bool,
    /// Stop on writes.
    pub write: bool,
}

impl Memory {
    /// Replaces all watchpoints.
    pub fn set_watches(&mut self, watches: Vec<Watch>) {
        for f in &mut self.flags {
            *f &= !WATCHED;
        }
        for w in &watches {
            let mut a = w.addr & !(PAGE as u64 - 1);
            while a < w.addr.saturating_add(w.len) {
                if let Some(p) = self.place(a) {
                    self.flags[p.slot as usize] |= WATCHED;
                }
                a += PAGE as u64;
            }
        }
        self.watches = watches;
        self.flush();
    }

    /// There are watchpoints.
    pub fn watches(&self) -> bool {
        !self.watches.is_empty()
    }
    /// There are some in this page.
    pub fn watched(&self, slot: u32) -> bool {
        self.flags[slot as usize] & WATCHED != 0
    }

    pub(super) fn check_watch(&mut self, addr: u64, size: u8, write: bool) {
        let end = addr + u64::from(size);
        let hit = |w: &&Watch| addr < w.addr + w.len && w.addr < end && if write { w.write } else { w.read };
        if let Some(w) = self.watches.iter().find(hit) {
            self.watch_hit = Some((w.addr.max(addr), write));
        }
    }
}
