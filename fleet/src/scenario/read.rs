//! Reads a scenario file.

use super::{
    Action, Place, Repeat, Scenario, Schedule, Step, check, conditions, deeds,
    roster::Roster,
    text::{Needle, Template},
};
use crate::config::{self, Files, Plan, duration, read_plan};
use devices::source::{Diagnostic, Diagnostics, Source, Tab, nearest};
use emu_core::Time;
use std::{cell::RefCell, collections::BTreeSet, ops::Range, sync::Arc};

/// What reading a step needs to know, and what it leaves for later.
pub(super) struct Reader<'s> {
    pub plan: &'s Plan,
    pub files: &'s dyn Files,
    pub roster: Roster,
    /// Mistakes in other files.
    pub elsewhere: RefCell<Vec<Diagnostic>>,
    /// Names of variables that some step captures, and those that are used with their places.
    captured: RefCell<BTreeSet<String>>,
    used: RefCell<Vec<(String, Option<Range<usize>>)>>,
    /// Jammers that some step starts, and those that one ends with their places.
    pub jams: RefCell<BTreeSet<String>>,
    pub unjams: RefCell<Vec<(String, Option<Range<usize>>)>>,
    /// What can be checked once the fleet is built.
    checks: RefCell<Vec<(Step, Tab<'s>)>>,
}

/// Reads and builds a scenario. `seed` overrides the file's.
pub fn load(name: &str, text: &str, seed: Option<u64>, files: &dyn Files) -> Result<Scenario, Diagnostics> {
    let source = Source::parse(name, text)?;
    let root = source.root();
    root.str("description");
    let timeout = time(&root, "timeout").unwrap_or(600_000_000_000);
    let own_seed = root.uint("seed");
    // The population stands in a file of its own, or here.
    let beside;
    let mut fleet_files = files;
    let (other, mut plan) = match root.str("fleet") {
        None => (None, read_plan(&root)),
        Some(path) => match files.board(path) {
            Ok(text) => {
                let other = Source::parse(path, &text)?;
                let plan = read_fleet(&other);
                beside = Beside { files, fleet: path };
                fleet_files = &beside;
                (Some(other), plan)
            }
            Err(e) => {
                root.report("fleet", e, None);
                (None, Plan::default())
            }
        },
    };
    config::exchange(&mut plan, files);
    plan.seed = seed.or(own_seed).unwrap_or(plan.seed);
    let reader = Reader::new(&plan, files);
    let steps = reader.steps(root.list("step"), 0);
    let schedules: Vec<_> = root.list("fault").into_iter().filter_map(|tab| reader.schedule(tab)).collect();
    root.done();
    reader.check_variables(&source);
    reader.check_jammers(&source);
    let mut found = Diagnostics(reader.elsewhere.take());
    match config::build(&plan, plan.seed, fleet_files, other.as_ref().or(Some(&source))) {
        Ok(fleet) => {
            for (step, tab) in reader.checks.take() {
                check::step(&step, &tab, &fleet, &reader.roster);
            }
            found.0.extend(source.take_diagnostics());
            if found.0.is_empty() {
                let timeout = Time(timeout);
                return Ok(Scenario { name: name.into(), fleet, plan, steps, schedules, timeout });
            }
        }
        Err(e) => found.0.extend(e.0),
    }
    found.0.extend(source.take_diagnostics());
    Err(found)
}

/// Files that a fleet file names lie beside it.
struct Beside<'a> {
    files: &'a dyn Files,
    /// Path of the fleet file.
    fleet: &'a str,
}

impl Beside<'_> {
    fn path(&self, name: &str) -> String {
        let folder = self.fleet.rfind('/').map_or("", |end| &self.fleet[..=end]);
        if name.starts_with('/') { name.into() } else { format!("{folder}{name}") }
    }
}

impl Files for Beside<'_> {
    fn image(&self, name: &str) -> Result<Vec<u8>, String> {
        // A name of the catalogue is no path.
        self.files
            .image(&self.path(name))
            .or_else(|e| self.files.image(name).map_err(|own| if name.contains('/') { e } else { own }))
    }
    fn board(&self, path: &str) -> Result<String, String> {
        self.files.board(&self.path(path))
    }
    fn built(&self, nodes: usize, of: usize) -> Result<(), String> {
        self.files.built(nodes, of)
    }
    fn instead(&self, node: &str, group: Option<&str>) -> Option<String> {
        self.files.instead(node, group)
    }
}

fn read_fleet(source: &Source) -> Plan {
    let top = source.root();
    top.str("description");
    let plan = read_plan(&top);
    top.done();
    plan
}

pub(super) fn time(tab: &Tab, key: &'static str) -> Option<u64> {
    match duration(&tab.time_text(key)?) {
        Ok(t) => Some(t.0),
        Err(e) => {
            tab.report(key, e, None);
            None
        }
    }
}

/// `symbol`, `symbol+8` or `0x20000000`.
pub(super) fn place(text: &str) -> Place {
    let number = |t: &str| match t.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => t.parse().ok(),
    };
    if let Some(addr) = number(text) {
        return Place::Address(addr);
    }
    match text.split_once('+').map(|(name, off)| (name, number(off))) {
        Some((name, Some(off))) => Place::Symbol(name.into(), off),
        _ => Place::Symbol(text.into(), 0),
    }
}

/// Steps that hold other steps.
const NESTS: [&str; 3] = ["repeat", "until", "branch"];
/// Steps inside steps go no deeper.
const DEEPEST: usize = 16;
/// Rounds of a repetition, and times of a schedule.
const MOST_ROUNDS: u64 = 1_000_000_000;
/// Times of a step or schedule follow each other no faster.
const LEAST_EVERY: u64 = 1_000_000;

fn kinds() -> impl Iterator<Item = &'static str> {
    conditions::KINDS.into_iter().chain(deeds::KINDS).chain(NESTS)
}

impl<'s> Reader<'s> {
    /// For the steps of one file, or one step.
    pub fn new(plan: &'s Plan, files: &'s dyn Files) -> Reader<'s> {
        Reader {
            plan,
            files,
            roster: Roster::new(plan),
            elsewhere: RefCell::default(),
            captured: RefCell::default(),
            used: RefCell::default(),
            jams: RefCell::new(plan.radio.jammers.keys().cloned().collect()),
            unjams: RefCell::default(),
            checks: RefCell::default(),
        }
    }

    /// The step's nodes; all of them if it names none.
    pub fn nodes(&self, tab: &Tab) -> Option<Arc<[u32]>> {
        if tab.has("node") { self.roster.read(tab, "node") } else { Some(self.roster.all()) }
    }

    /// A text whose variables are noted.
    pub fn template(&self, tab: &Tab, key: &'static str) -> Option<Template> {
        let text = tab.str(key)?;
        if text.is_empty() {
            tab.report(key, format!("`{key}` is empty: nothing is typed, or waited for"), None);
        }
        let text = Template::parse(text).map_err(|e| tab.report(key, e, None)).ok()?;
        let span = tab.value_span(key);
        self.used.borrow_mut().extend(text.variables().map(|v| (v.to_string(), span.clone())));
        Some(text)
    }

    /// The names that an expression captures.
    pub fn captures(&self, needle: &Needle) {
        if let Needle::Regex(r) = needle {
            self.captured.borrow_mut().extend(r.capture_names().flatten().map(String::from));
        }
    }

    /// The medium that `medium` names; `radio` if there is no other.
    pub fn medium(&self, tab: &Tab) -> Option<String> {
        let names = || std::iter::once("radio").chain(self.plan.switches.iter().map(|s| &s.name[..]));
        let Some(name) = tab.str("medium") else {
            if self.plan.switches.is_empty() {
                return Some("radio".into());
            }
            let known: Vec<_> = names().collect();
            tab.report_here(format!("`medium` is missing; it is one of: {}", known.join(", ")), None);
            return None;
        };
        if names().any(|n| n == name) {
            return Some(name.into());
        }
        tab.report("medium", format!("no medium is called `{name}`"), nearest(name, names()));
        None
    }

    /// The switch that `medium` names; the only one if it names none.
    pub fn switch(&self, tab: &Tab) -> Option<String> {
        let names = || self.plan.switches.iter().map(|s| &s.name[..]);
        match (tab.str("medium"), &self.plan.switches[..]) {
            (Some(name), _) if names().any(|n| n == name) => Some(name.into()),
            (Some(name), _) => {
                tab.report("medium", format!("no switch is called `{name}`"), nearest(name, names()));
                None
            }
            (None, [one]) => Some(one.name.clone()),
            (None, all) => {
                let what =
                    if all.is_empty() { "there is no switch" } else { "`medium` is missing: the switch" };
                tab.report_here(what, None);
                None
            }
        }
    }

    fn check_variables(&self, source: &Source) {
        let captured = self.captured.borrow();
        for (name, span) in self.used.take() {
            let of_node = name.rsplit_once('.').is_some_and(|(node, name)| {
                self.roster.find(node).is_ok_and(|n| n.len() == 1) && captured.contains(name)
            });
            if !captured.contains(&name) && !of_node && !["node", "seed"].contains(&&name[..]) {
                let known = captured.iter().map(|c| &c[..]).chain(["node", "seed"]);
                let help = nearest(&name, known);
                source.report(
                    span,
                    format!("no step captures `{name}`; a plain `${{` is written `$${{`"),
                    help,
                );
            }
        }
    }

    fn check_jammers(&self, source: &Source) {
        let known = self.jams.borrow();
        for (name, span) in self.unjams.take() {
            if !known.contains(&name) {
                let help = nearest(&name, known.iter().map(|n| &n[..]));
                source.report(span, format!("no jammer is called `{name}`"), help);
            }
        }
    }

    fn steps(&self, tabs: Vec<Tab<'s>>, depth: usize) -> Vec<Step> {
        tabs.into_iter().flat_map(|tab| self.step(tab, depth)).collect()
    }

    /// The steps that a table becomes: first the wait for its time, if it has one.
    fn step(&self, tab: Tab<'s>, depth: usize) -> Vec<Step> {
        let (line, at, every) = (tab.line(), time(&tab, "at"), rhythm(&tab));
        let nested = tab.has("repeat") || tab.has("until");
        let times = if nested { None } else { rounds(&tab, "times") };
        let step = self.bare_step(&tab, depth);
        tab.done();
        if let (Some(_), None, false) = (every, times, nested) {
            tab.report("every", "`every` needs `times`: how often", None);
        }
        let Some(mut step) = step else { return vec![] };
        match &mut step.action {
            Action::Repeat(repeat) => {
                repeat.every = every;
                if let Some(until) = repeat.until.clone().filter(|_| tab.is_text("until")) {
                    self.checks.borrow_mut().push((until, tab));
                }
            }
            _ => self.checks.borrow_mut().push((step.clone(), tab)),
        }
        if let Some(count) = times {
            let nodes = Arc::clone(&step.nodes);
            let repeat =
                Repeat { steps: vec![step], count: Some(count), until: None, every, within: u64::MAX };
            step = Step { line, nodes, action: Action::Repeat(Box::new(repeat)) };
        }
        let nodes = Arc::clone(&step.nodes);
        let first = at.map(|at| Step { line, nodes, action: Action::WaitTo(at) });
        first.into_iter().chain([step]).collect()
    }

    /// A step without its time.
    pub fn bare_step(&self, tab: &Tab<'s>, depth: usize) -> Option<Step> {
        let nodes = self.nodes(tab);
        let kind = kind_of(tab)?;
        let (action, own) = if NESTS.contains(&kind) {
            (self.nest(tab, kind, depth)?, None)
        } else if conditions::KINDS.contains(&kind) {
            conditions::read(self, tab, kind)?
        } else {
            (deeds::read(self, tab, kind)?, None)
        };
        Some(Step { line: tab.line(), nodes: own.or(nodes)?, action })
    }

    /// The steps inside `tab`, of which there are some.
    fn inner_steps(&self, tab: &Tab<'s>, depth: usize) -> Vec<Step> {
        tab.need("step");
        let tabs = tab.list("step");
        if tabs.is_empty() && tab.has("step") {
            tab.report("step", "a list without steps does nothing", None);
        }
        self.steps(tabs, depth + 1)
    }

    fn nest(&self, tab: &Tab<'s>, kind: &str, depth: usize) -> Option<Action> {
        tab.ask("step");
        if depth >= DEEPEST {
            tab.report_here(format!("steps lie more than {DEEPEST} deep inside each other"), None);
            return None;
        }
        if kind == "branch" {
            let branch = |tab: Tab<'s>| {
                tab.str("name");
                let steps = self.inner_steps(&tab, depth);
                tab.done();
                steps
            };
            let branches = tab.list("branch");
            if branches.is_empty() {
                tab.report("branch", "a `branch` without steps does nothing", None);
            }
            return Some(Action::Branches(branches.into_iter().map(branch).collect()));
        }
        let count = if tab.has("repeat") { Some(rounds(tab, "repeat")?) } else { None };
        let until = if tab.has("until") { Some(self.until(tab)?) } else { None };
        let within = if until.is_some() { time(tab, "within") } else { None };
        let steps = self.inner_steps(tab, depth);
        let within = within.unwrap_or(if count.is_some() { u64::MAX } else { conditions::WITHIN });
        Some(Action::Repeat(Box::new(Repeat { steps, count, until, every: None, within })))
    }

    /// What ends a repetition: a comparison, or a step that waits for something.
    fn until(&self, tab: &Tab<'s>) -> Option<Step> {
        let (step, inner) = if tab.is_text("until") {
            (conditions::short(self, tab, "until")?, None)
        } else {
            let inner = tab.table("until")?;
            let step = self.bare_step(&inner, DEEPEST);
            inner.done();
            (step?, Some(inner))
        };
        if !matches!(step.action, Action::Until(..)) {
            tab.report(
                "until",
                "`until` takes what a step can wait for, such as { expect = \"done\" }",
                None,
            );
            return None;
        }
        if let Some(inner) = inner {
            self.checks.borrow_mut().push((step.clone(), inner));
        }
        Some(step)
    }

    /// Something that happens beside the steps.
    fn schedule(&self, tab: Tab<'s>) -> Option<Schedule> {
        let (at, every) = (time(&tab, "at"), rhythm(&tab));
        let times = if every.is_some() { rounds(&tab, "times").unwrap_or(u64::MAX) } else { 1 };
        let jitter = time(&tab, "jitter").unwrap_or(0);
        let step = self.bare_step(&tab, DEEPEST);
        tab.done();
        if at.is_none() && every.is_none() && !tab.has("at") && !tab.has("every") {
            tab.report_here("a fault beside the steps has `at`, `every` or both", None);
        }
        let step = step?;
        if !matches!(step.action, Action::Do(..) | Action::Play(_)) {
            tab.report_here("what happens beside the steps is done at once; it waits for nothing", None);
            return None;
        }
        self.checks.borrow_mut().push((step.clone(), tab));
        Some(Schedule { step, at: at.or(every).unwrap_or(0), every, times, jitter })
    }
}

/// The key that makes a table a step.
fn kind_of(tab: &Tab) -> Option<&'static str> {
    let mut found: Vec<_> = kinds().filter(|k| tab.has(k)).collect();
    // `input` says what a recording is for, and `until` when a repetition ends.
    for (kind, with) in [("trace", "input"), ("repeat", "until"), ("line", "loss")] {
        if found.contains(&kind) {
            found.retain(|k| *k != with);
        }
    }
    match found[..] {
        [one] => Some(one),
        [] => {
            tab.report_here(format!("a step has one of: {}", kinds().collect::<Vec<_>>().join(", ")), None);
            // Asked for in vain, so that a kind that is misspelt gets the right name.
            kinds().for_each(|kind| tab.ask(kind));
            None
        }
        ref several => {
            let last = several.iter().max_by_key(|k| tab.key_span(k).map(|s| s.start));
            tab.report(
                last.unwrap_or(&"node"),
                "a step does one thing; make this one a step of its own",
                None,
            );
            ["at", "every", "times", "within", "during", "for", "value"].into_iter().for_each(|k| tab.ask(k));
            kinds().for_each(|kind| tab.ask(kind));
            None
        }
    }
}

fn rounds(tab: &Tab, key: &'static str) -> Option<u64> {
    let n = tab.uint(key)?;
    if !(1..=MOST_ROUNDS).contains(&n) {
        tab.report(key, format!("`{key}` lies between 1 and {MOST_ROUNDS}"), None);
        return None;
    }
    Some(n)
}

fn rhythm(tab: &Tab) -> Option<u64> {
    let every = time(tab, "every")?;
    if every < LEAST_EVERY {
        tab.report("every", "`every` is at least 1ms", None);
        return None;
    }
    Some(every)
}

/// Every key a step may have, for tests of all files.
#[cfg(test)]
pub(super) fn every_key() -> Vec<&'static str> {
    let with = [
        "node", "at", "every", "times", "jitter", "within", "during", "for", "value", "level", "step",
        "equals", "not", "at-least", "at-most", "type", "size", "mask", "random", "speed", "medium", "ratio",
        "lit", "scale", "fault", "echo",
    ];
    kinds().chain(with).collect()
}
