//! What a run prints, compared byte by byte and line by line.

use super::Field;
use crate::{Fleet, node::ConsoleByte};
use emu_core::save;

/// The transcript of a run: all consoles' bytes in the order in which they come out, each with its time.
#[derive(Clone, Default)]
pub struct Said {
    /// Stands for everything before the last checkpoint.
    before: u128,
    /// Since the last checkpoint.
    fresh: Vec<ConsoleByte>,
    /// Between the last checkpoint and the one before it.
    last: Vec<ConsoleByte>,
}

impl Said {
    /// What was printed next.
    pub fn add(&mut self, bytes: &[ConsoleByte]) {
        self.fresh.extend_from_slice(bytes);
    }

    pub(super) fn take(&mut self, fleet: &mut Fleet) {
        self.add(&fleet.take_console());
    }

    /// Stands for everything that was printed up to now, which is a checkpoint.
    pub fn digest(&mut self) -> u128 {
        self.last = std::mem::take(&mut self.fresh);
        if !self.last.is_empty() {
            self.before = save::digest(&save::to_bytes(&(self.before, &self.last)));
        }
        self.before
    }

    /// What differs between the last checkpoint of two runs and the one before it; with the first node of which
    /// something does.
    pub(super) fn differences(&self, other: &Said, fleet: &Fleet) -> (Option<u32>, Vec<Field>) {
        let (a, b) = (&self.last, &other.last);
        let Some(i) = (0..a.len().max(b.len())).find(|&i| a.get(i) != b.get(i)) else {
            return (None, vec![]);
        };
        let mut fields = vec![Field {
            name: format!("byte {i} on the consoles since the checkpoint"),
            one: byte(a.get(i), fleet),
            other: byte(b.get(i), fleet),
        }];
        let Some(first) = a.get(i).or(b.get(i)) else { return (None, fields) };
        let (one, two) = (line(a, i, first), line(b, i, first));
        if one != two {
            fields.push(Field { name: "its line".into(), one, other: two });
        }
        (Some(first.node), fields)
    }
}

fn byte(b: Option<&ConsoleByte>, fleet: &Fleet) -> String {
    let Some(b) = b else { return "absent".into() };
    let shown = char::from(b.byte).escape_default();
    format!("'{shown}' of {} console {} at {}", fleet.node(b.node).name, b.console, super::ns(b.at))
}

/// The line around place `i` of the console that printed `of`.
fn line(all: &[ConsoleByte], i: usize, of: &ConsoleByte) -> String {
    let same = |b: &&ConsoleByte| (b.node, b.console) == (of.node, of.console);
    let i = i.min(all.len());
    let before = all[..i].iter().rev().filter(same).map(|b| b.byte).take_while(|b| *b != b'\n');
    let mut line: Vec<u8> = before.collect();
    line.reverse();
    line.extend(all[i..].iter().filter(same).map(|b| b.byte).take_while(|b| *b != b'\n'));
    format!("{:?}", String::from_utf8_lossy(&line))
}
