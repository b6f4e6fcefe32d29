//! Everything that was done to a fleet, in order, with a digest that grows as the journal does.

use crate::command::Command;
use emu_core::{Time, save};
use std::collections::BTreeMap;

/// The commands that were applied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    commands: Vec<Command>,
    sum: u128,
    /// By node: the time of its last command, and how many came before it at that instant.
    last: BTreeMap<u32, (Time, u64)>,
}

impl Journal {
    /// All of them.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// One more. A debugger's come as its nodes stand, not in order of time: so the order counts among those of one node and
    /// one instant only.
    pub fn push(&mut self, command: Command) {
        let before = match self.last.get(&command.node) {
            Some((at, before)) if *at == command.at => before + 1,
            _ => 0,
        };
        self.last.insert(command.node, (command.at, before));
        let hash = save::digest(&save::to_bytes(&(&command, before)));
        self.sum = self.sum.wrapping_add(hash);
        self.commands.push(command);
    }

    /// Number of commands, and the sum of their digests.
    pub fn digest(&self) -> (usize, u128) {
        (self.commands.len(), self.sum)
    }
}

impl FromIterator<Command> for Journal {
    fn from_iter<I: IntoIterator<Item = Command>>(commands: I) -> Journal {
        let mut journal = Journal::default();
        commands.into_iter().for_each(|c| journal.push(c));
        journal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Act;

    fn command(at: u64, node: u32, console: u16) -> Command {
        Command { at: Time(at), node, retired: 0, act: Act::Text { console, bytes: vec![1] } }
    }

    fn digest(commands: &[(u64, u32, u16)]) -> (usize, u128) {
        commands.iter().map(|(at, node, console)| command(*at, *node, *console)).collect::<Journal>().digest()
    }

    #[test]
    fn order_counts_within_a_node_and_an_instant() {
        let one = digest(&[(1, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0)]);
        assert_eq!(one, digest(&[(1, 1, 0), (1, 0, 0), (1, 0, 1), (2, 0, 0)]));
        for other in [
            &[(1, 0, 1), (1, 0, 0), (1, 1, 0), (2, 0, 0)][..],
            &[(1, 0, 0), (1, 0, 1), (1, 1, 0), (3, 0, 0)],
            &[(1, 0, 0), (1, 0, 1), (1, 1, 0)],
            &[(1, 0, 0), (1, 0, 0), (1, 1, 0), (2, 0, 0)],
        ] {
            assert_ne!(one, digest(other));
        }
        // The same command twice is not none.
        assert_ne!(digest(&[(1, 0, 0), (1, 0, 0)]), digest(&[(1, 0, 1), (1, 0, 1)]));
    }
}
