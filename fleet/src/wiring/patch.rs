//! Changes of a node's image: unmodified firmware that carries one fixed address runs side by side with itself.

use super::Span;
use crate::{Act, Command, Fleet, image::Firmware};
use emu_core::Time;

/// Bytes of the image to be replaced.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchPlan {
    /// What is looked for.
    pub find: Vec<u8>,
    /// What takes its place: as many bytes.
    pub replace: Vec<u8>,
    /// Where it stands, if it occurs more than once.
    pub at: Option<u64>,
    /// Every place is meant.
    pub all: bool,
    pub(crate) span: Span,
}

impl PatchPlan {
    /// These bytes, which occur once, become those, as many.
    pub fn new(find: &[u8], replace: &[u8]) -> PatchPlan {
        PatchPlan { find: find.into(), replace: replace.into(), at: None, all: false, span: None }
    }

    /// Where the patch goes in an image.
    fn places(&self, firmware: &Firmware) -> Result<Vec<u64>, String> {
        if self.find.is_empty() || self.find.len() != self.replace.len() {
            return Err("a patch replaces bytes by as many".into());
        }
        let mut found = vec![];
        for (base, bytes) in firmware.chunks() {
            let hits = bytes.windows(self.find.len()).enumerate().filter(|(_, w)| *w == self.find);
            found.extend(hits.map(|(i, _)| base + i as u64));
        }
        found.sort_unstable();
        let list = || {
            let some = found.iter().take(8).map(|a| format!("{a:#010x}")).collect::<Vec<_>>().join(", ");
            if found.len() > 8 { format!("{some}, ...") } else { some }
        };
        let overlap = found.windows(2).any(|p| p[1] - p[0] < self.find.len() as u64);
        match (self.at, &found[..]) {
            (_, []) => Err(format!("{}: the bytes to patch do not occur", firmware.name)),
            (Some(at), all) if all.contains(&at) => Ok(vec![at]),
            (Some(at), _) => {
                Err(format!("{}: the bytes to patch are not at {at:#010x} but at {}", firmware.name, list()))
            }
            (None, [one]) => Ok(vec![*one]),
            (None, _) if self.all && overlap => {
                Err(format!("{}: the places to patch overlap: {}", firmware.name, list()))
            }
            (None, all) if self.all => Ok(all.to_vec()),
            (None, all) => Err(format!(
                "{}: the bytes to patch occur {} times, at {}; say which with `at`, or `all = true`",
                firmware.name,
                all.len(),
                list()
            )),
        }
    }

    /// Patches a node through the journal, before its first instruction.
    pub(crate) fn apply(&self, fleet: &mut Fleet, node: u32) -> Result<(), String> {
        let places = self.places(&fleet.node(node).firmware)?;
        for addr in places {
            let act = Act::Patch { addr, was: self.find.clone(), bytes: self.replace.clone() };
            fleet.apply(Command::new(Time::ZERO, node, act));
        }
        Ok(())
    }
}
