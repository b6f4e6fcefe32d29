//! A case: a fleet, what is done to it, and how it is run. It stands for itself: no generator is needed to run it again.

use crate::{fleets, open::Open, run};
use fleet::Command;
use serde::{Deserialize, Serialize};

/// What happens when the run stands at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Deed {
    /// It only stood there.
    Nothing,
    /// States are compared.
    Compare,
    Digest,
    View,
    /// A debugger reads all nodes.
    Look,
    Fork,
    SaveLoad,
    /// Longest epoch from now on.
    Slice(u64),
    /// Compiled code (`true`) or the interpreter from now on.
    Compiled(bool),
    /// Breakpoints at and behind the node's place; what is done at stops is thrown with the seed.
    Break(u32, u64),
    /// A watchpoint on a word of a node.
    Watch(u32, u64),
    /// No breakpoints and watchpoints any more.
    Clear,
}

/// A case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    pub fleet: String,
    pub seed: u64,
    /// How long it runs, in nanoseconds.
    pub end: u64,
    /// In order of time.
    pub commands: Vec<Command>,
    /// Commands are given before the run begins, or else when their time has come.
    pub upfront: bool,
    /// 0: none but the caller's.
    pub threads: usize,
    pub compiled: bool,
    /// In order of time.
    pub deeds: Vec<(u64, Deed)>,
}

impl Case {
    /// Runs the case both ways; instructions executed, or what differs.
    pub fn check(&self) -> Result<u64, String> {
        let straight = Case { upfront: true, threads: 0, compiled: false, ..self.clone() };
        let only = |d: &&(u64, Deed)| d.1 == Deed::Compare;
        let straight = Case { deeds: self.deeds.iter().filter(only).cloned().collect(), ..straight };
        let wanted = caught(|| run::run(&straight)).map_err(|e| format!("run straight: {e}"))?;
        let got = caught(|| run::run(self))?;
        for (i, (w, g)) in wanted.points.iter().zip(&got.points).enumerate() {
            if (&w.nodes, self.upfront.then_some(w.fleet)) != (&g.nodes, self.upfront.then_some(g.fleet)) {
                let node = w.nodes.iter().zip(&g.nodes).position(|(a, b)| a != b);
                let who = node.map_or("the fleet".into(), |n| format!("node {n}"));
                return Err(format!("at comparison {i}, {} ns, {who} differs", w.at));
            }
        }
        if wanted.digest != got.digest {
            return Err(format!("at the end\n{}", run::differences(&straight, self)));
        }
        let (mut a, mut b) = (wanted.console, got.console);
        if Open::OrderAroundStops.is_open() {
            for console in [&mut a, &mut b] {
                console.sort_by_key(|b| (b.at, b.node));
            }
        }
        match (0..a.len().max(b.len())).find(|&i| a.get(i) != b.get(i)) {
            Some(i) => Err(format!("console byte {i}: {:?} / {:?}", a.get(i), b.get(i))),
            None => Ok(wanted.retired),
        }
    }

    pub fn name(&self) -> String {
        format!("{}_{:x}", self.fleet, self.seed)
    }

    /// A regression test.
    pub fn as_test(&self) -> String {
        let text = serde_json::to_string(self).expect("plain data");
        format!("#[test]\nfn mend_soak_{}() {{\n    holds(r#\"{text}\"#);\n}}\n", self.name())
    }

    pub fn subject(&self) -> &'static fleets::Subject {
        fleets::find(&self.fleet)
    }
}

/// A panic is a difference, too.
fn caught<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|e| {
        let text = e.downcast_ref::<String>().cloned();
        Err(format!(
            "panic: {}",
            text.or(e.downcast_ref::<&str>().map(|s| s.to_string())).unwrap_or_default()
        ))
    })
}
