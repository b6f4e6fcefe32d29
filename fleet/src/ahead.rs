//! Nodes that nobody can reach run ahead of the barrier.
//!
//! The barrier follows the node that can be heard earliest. A node that hears nothing itself (its receiver is off, or
//! it is on no medium) need not wait there: it runs on until it acts on a medium, for a whole run of the fleet if it
//! sleeps. So a large idle fleet visits each node once, and not at every wake-up of every other.
//!
//! Its acts wait for the barrier to come up to them, and so do what it prints and a stop of it. Until the medium has taken its acts it
//! goes with the others.

use crate::{Executor, Fleet, Node, fleet::HOME};
use emu_core::Time;

/// So many run before what left them is taken: it is in the host's cache then, and takes no memory for long.
const BATCH: usize = 128;

impl Fleet {
    /// Runs nodes that hear nothing up to `end` or the next command.
    pub(crate) fn run_ahead(&mut self, end: Time, executor: &dyn Executor) {
        let command = self.pending.first_key_value().map_or(Time::MAX, |(k, _)| k.0);
        let limit = end.min(command).min(self.now + self.slice.max(1));
        let mut due = self.ahead.until(limit);
        // Who stands at the limit and is busy goes on in the next run.
        due.retain(|i| self.islands[*i as usize].as_ref().is_some_and(|i| !i.stopped() && i.due() <= limit));
        for some in due.chunks(BATCH) {
            if executor.interrupted() {
                return;
            }
            match some {
                [one] => self.island(*one as usize).run_ahead(limit),
                _ => self.run_batch(some, limit, executor),
            }
            for i in some {
                self.collect(*i as usize);
                let island = self.islands[*i as usize].as_ref().expect(HOME);
                self.stopped.extend(island.nodes().filter(|n| n.stop.is_some()).map(Node::id));
            }
        }
    }

    fn run_batch(&mut self, due: &[u32], limit: Time, executor: &dyn Executor) {
        let mut away = Vec::with_capacity(due.len());
        for i in due {
            let mut island = self.islands[*i as usize].take().expect(HOME);
            island.ahead = true;
            away.push(island);
        }
        for mut island in executor.run(away, limit) {
            island.ahead = false;
            let i = island.id as usize;
            self.islands[i] = Some(island);
        }
    }

    /// When a deaf island is due; [`Time::MAX`] if it must wait at barriers.
    pub(crate) fn due_ahead(&self, island: usize) -> Time {
        let Some(i) = self.islands[island].as_ref().filter(|i| i.deaf()) else { return Time::MAX };
        if self.acts.iter().any(|a| self.homes[a.node as usize].0 as usize == island) {
            return Time::MAX;
        }
        i.next_activity()
    }
}
