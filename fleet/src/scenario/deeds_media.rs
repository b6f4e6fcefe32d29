//! Reads what steps do to media as a whole: loss, partitions, jammers.

use super::{
    Action, Deed,
    read::{Reader, time},
};
use crate::{config, wiring};
use devices::source::Tab;

pub(super) fn read(cx: &Reader, tab: &Tab, kind: &'static str) -> Option<Action> {
    match kind {
        "loss" => {
            let (medium, loss) = (cx.medium(tab), wiring::chance(tab, "loss"));
            let (medium, during) = (medium?, time(tab, "for"));
            if medium == "radio" && tab.has("node") && during.is_none() {
                tab.report_here("loss on the radio for some nodes has a `for`: how long", None);
            }
            Some(Action::Do(Deed::Loss(medium, loss?, during), None))
        }
        "partition" => {
            let medium = cx.medium(tab);
            let back = time(tab, "for");
            let groups = tab.string_lists("partition")?;
            if groups.iter().all(Vec::is_empty) {
                tab.report(
                    "partition",
                    "a `partition` has lists of nodes; without any it parts nothing",
                    None,
                );
            }
            let mut all = vec![];
            for names in groups {
                let nodes = cx.roster.union(&names).map_err(|e| tab.report("partition", e, None)).ok()?;
                all.push(nodes.to_vec());
            }
            let mut seen: Vec<_> = all.iter().flatten().collect();
            seen.sort_unstable();
            if seen.windows(2).any(|w| w[0] == w[1]) {
                tab.report("partition", "a node is in one group only", None);
            }
            Some(Action::Do(Deed::Partition(medium?, all), back))
        }
        "heal" => {
            if tab.bool("heal")? {
                return Some(Action::Do(Deed::Heal(cx.medium(tab)?), None));
            }
            tab.report("heal", "`heal` is true", None);
            None
        }
        "jam" => {
            let back = time(tab, "for");
            let inner = tab.table("jam")?;
            let (name, jammer) = config::read_jammer(&inner);
            if !name.is_empty() {
                cx.jams.borrow_mut().insert(name.clone());
            }
            Some(Action::Do(Deed::Jam(name, jammer), back))
        }
        "unjam" => {
            let name = tab.str("unjam")?;
            cx.unjams.borrow_mut().push((name.into(), tab.value_span("unjam")));
            Some(Action::Do(Deed::Unjam(name.into()), None))
        }
        _ => None,
    }
}
