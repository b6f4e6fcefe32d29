//! Nodes by the names that steps use.

use crate::config::Plan;
use devices::source::{Tab, nearest};
use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

/// All nodes and groups. Selections are shared, so that many steps for many nodes cost little.
pub(super) struct Roster {
    all: Arc<[u32]>,
    names: BTreeMap<String, Arc<[u32]>>,
    lists: RefCell<BTreeMap<String, Arc<[u32]>>>,
    /// The first node with the same machine and image.
    kind: Vec<u32>,
    kinds: RefCell<BTreeMap<*const u32, Arc<[u32]>>>,
}

impl Roster {
    pub fn new(plan: &Plan) -> Roster {
        let mut groups: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut names = BTreeMap::new();
        let mut kinds = BTreeMap::new();
        let mut kind = vec![];
        for (i, n) in (0..).zip(&plan.nodes) {
            if let Some(group) = &n.group {
                groups.entry(format!("{group}.*")).or_default().push(i);
            }
            names.insert(n.name.clone(), Arc::from([i]));
            kind.push(*kinds.entry((&n.machine, &n.image, n.at)).or_insert(i));
        }
        names.extend(groups.into_iter().map(|(name, nodes)| (name, Arc::from(nodes))));
        let all = (0..plan.nodes.len() as u32).collect();
        Roster { all, names, lists: RefCell::default(), kind, kinds: RefCell::default() }
    }

    /// Every node.
    pub fn all(&self) -> Arc<[u32]> {
        Arc::clone(&self.all)
    }

    /// A node, the nodes of a group, or `all`.
    pub fn find(&self, name: &str) -> Result<Arc<[u32]>, String> {
        if let Some(nodes) = self.names.get(name) {
            return Ok(Arc::clone(nodes));
        }
        if name == "all" || self.all.is_empty() {
            // Without any node something is wrong with the fleet, and that is reported already.
            return Ok(self.all());
        }
        let help = nearest(name, self.names.keys().map(|n| &n[..]));
        let help = help.map(|h| format!("; {h}")).unwrap_or_default();
        Err(format!("no node or group is called `{name}`{help}"))
    }

    /// The nodes that `names` name together, in order.
    pub fn union(&self, names: &[&str]) -> Result<Arc<[u32]>, String> {
        if let [one] = names {
            return self.find(one);
        }
        let key = names.join("\n");
        if let Some(nodes) = self.lists.borrow().get(&key) {
            return Ok(Arc::clone(nodes));
        }
        let mut nodes = vec![];
        for name in names {
            nodes.extend_from_slice(&self.find(name)?);
        }
        nodes.sort_unstable();
        nodes.dedup();
        let nodes: Arc<[u32]> = nodes.into();
        self.lists.borrow_mut().insert(key, Arc::clone(&nodes));
        Ok(nodes)
    }

    /// The nodes that a key names: one name or a list. `None`: the key is not there, or wrong and reported.
    pub fn read(&self, tab: &Tab, key: &'static str) -> Option<Arc<[u32]>> {
        let names = tab.strings(key)?;
        let nodes = self.union(&names).map_err(|e| tab.report(key, e, None)).ok()?;
        if nodes.is_empty() && !self.all.is_empty() {
            tab.report(key, format!("`{key}` names no node"), None);
        }
        Some(nodes)
    }

    /// The longest name of a node or group before a dot in `text`, and what comes behind the dot.
    pub fn split<'t>(&self, text: &'t str) -> Option<(Arc<[u32]>, &'t str)> {
        let cuts = text.match_indices('.').map(|(i, _)| (&text[..i], &text[i + 1..])).take(64);
        cuts.filter_map(|(name, rest)| Some((Arc::clone(self.names.get(name)?), rest))).last()
    }

    /// One node of each kind among `nodes`: what is wrong with one is wrong with all of its kind.
    pub fn kinds(&self, nodes: &Arc<[u32]>) -> Arc<[u32]> {
        let mut known = self.kinds.borrow_mut();
        let kinds = known.entry(nodes.as_ptr()).or_insert_with(|| {
            let mut all: Vec<_> = nodes.iter().map(|n| self.kind[*n as usize]).collect();
            all.sort_unstable();
            all.dedup();
            all.into()
        });
        Arc::clone(kinds)
    }
}
