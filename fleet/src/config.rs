//! Fleet files: population, images, positions, medium, seed. The schema stands in `fleet/scenarios/README.md`.

use crate::{
    Fleet, Node,
    image::Firmware,
    machines,
    wiring::{self, LinePlan, NodeNet, SwitchPlan},
};
use devices::{
    board::BoardInfo,
    source::{Diagnostic, Diagnostics, Source, Tab, nearest},
};
use emu_core::{Machine, Time};
use netsim::{Edge, Jammer, Pattern, Propagation, RadioConfig};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Range, RangeInclusive},
    sync::Arc,
};

/// What the edge lends: the bytes of images by catalogue name or path, the text of board files by path.
pub trait Files {
    /// The image `name`; a path is relative to the fleet file's folder. The error is one line for people.
    fn image(&self, name: &str) -> Result<Vec<u8>, String>;
    /// The text of a board file, for a `machine` that ends in `.toml`.
    fn board(&self, path: &str) -> Result<String, String>;
    /// Any other text that a file names, such as a recording.
    fn text(&self, path: &str) -> Result<String, String> {
        self.board(path)
    }
    /// So many nodes of so many are built. The error is why there can be no more, in one line for people.
    fn built(&self, _nodes: usize, _of: usize) -> Result<(), String> {
        Ok(())
    }
    /// The image that a node, or each node of a group, is to run instead of the one that its file names.
    fn instead(&self, _node: &str, _group: Option<&str>) -> Option<String> {
        None
    }
}

/// Puts in the images that `files` wants instead.
pub(crate) fn exchange(plan: &mut Plan, files: &dyn Files) {
    for n in &mut plan.nodes {
        if let Some(image) = files.instead(&n.name, n.group.as_deref()) {
            n.image = image;
        }
    }
}

/// One node as a fleet file wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct NodePlan {
    /// Name, unique in the fleet.
    pub name: String,
    /// The group it belongs to.
    pub group: Option<String>,
    /// Board.
    pub machine: String,
    /// Image: catalogue name or path.
    pub image: String,
    /// Address of a raw image.
    pub at: Option<u64>,
    /// Metres.
    pub position: [f64; 3],
    /// What it wants of networks, and changes of its image.
    pub net: NodeNet,
    machine_span: Option<Range<usize>>,
    image_span: Option<Range<usize>>,
}

/// A fleet as its file wants it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Randomness of the whole run.
    pub seed: u64,
    /// The radio medium.
    pub radio: RadioConfig,
    /// Switches.
    pub switches: Vec<SwitchPlan>,
    /// Serial lines and wires between nodes.
    pub lines: Vec<LinePlan>,
    /// Nodes by number.
    pub nodes: Vec<NodePlan>,
}

impl NodePlan {
    /// A node at the origin.
    pub fn new(name: &str, machine: &str, image: &str) -> NodePlan {
        NodePlan {
            name: name.into(),
            group: None,
            machine: machine.into(),
            image: image.into(),
            at: None,
            position: [0.0; 3],
            net: NodeNet::default(),
            machine_span: None,
            image_span: None,
        }
    }
}

impl Plan {
    /// One node.
    pub fn single(machine: &str, image: &str, at: Option<u64>) -> Plan {
        let node = NodePlan { at, ..NodePlan::new("node", machine, image) };
        Plan { seed: 1, nodes: vec![node], ..Plan::default() }
    }

    /// The numbers of a node, or of all nodes of a group (`name.*`).
    pub fn select(&self, name: &str) -> Result<Vec<u32>, String> {
        let group = name.strip_suffix(".*");
        let wanted = |n: &NodePlan| match group {
            Some(g) => n.group.as_deref() == Some(g),
            None => n.name == name,
        };
        let found: Vec<u32> = (0..).zip(&self.nodes).filter(|(_, n)| wanted(n)).map(|(i, _)| i).collect();
        if found.is_empty() {
            let groups = self.nodes.iter().filter_map(|n| n.group.as_ref()).map(|g| format!("{g}.*"));
            let names: Vec<_> = self.nodes.iter().map(|n| n.name.clone()).chain(groups).collect();
            let help =
                nearest(name, names.iter().map(|n| &n[..])).map(|h| format!("; {h}")).unwrap_or_default();
            return Err(format!("no node or group is called `{name}`{help}"));
        }
        Ok(found)
    }
}

/// Reads the fleet's part of a file: `seed`, `radio`, `node`, `group`.
pub fn read_plan(root: &Tab) -> Plan {
    let mut plan = Plan { seed: root.uint("seed").unwrap_or(1), ..Plan::default() };
    if let Some(radio) = root.table("radio") {
        plan.radio = read_radio(&radio);
    }
    plan.switches = wiring::read_switches(root);
    plan.lines = wiring::read_lines(root);
    for (name, tab) in root.named("node") {
        check_name(name, &tab);
        let position = point(&tab, "position").unwrap_or_default();
        let node = read_node(&tab, name.to_string(), None, position, &plan.switches);
        plan.nodes.push(node);
        tab.done();
    }
    let mut names: BTreeSet<_> = plan.nodes.iter().map(|n| n.name.clone()).collect();
    let groups = root.named("group");
    for ((name, tab), count) in groups.iter().zip(read_counts(&groups)) {
        let first = plan.nodes.len();
        check_name(name, tab);
        read_group(&mut plan, name, count, tab);
        if let Some(n) = plan.nodes[first..].iter().find(|n| !names.insert(n.name.clone())) {
            tab.report_here(format!("two nodes are called `{}`", n.name), None);
        }
        tab.done();
    }
    if plan.nodes.is_empty() {
        root.report_here("a fleet has at least one [node.NAME] or [group.NAME]", None);
    }
    read_links(&mut plan, root);
    read_jammers(&mut plan, root);
    plan
}

/// The longest name of a node: it stands in each line of a log, and in names of files.
const LONGEST_NAME: usize = 64;

/// A name that steps, options and logs can tell from everything else.
fn check_name(name: &str, tab: &Tab) {
    let why = match name {
        "" => "it is empty".into(),
        "all" | "none" => format!("`{name}` means something else in steps and options"),
        _ if name.len() > LONGEST_NAME => format!("it is longer than {LONGEST_NAME} bytes"),
        _ if name.starts_with(['.', '-']) => "it begins with a dot or a dash".into(),
        _ => match name.chars().find(|c| !c.is_alphanumeric() && !"-_.".contains(*c)) {
            Some(c) => format!("{c:?} is neither letter, digit, `-`, `_` nor `.`"),
            None => return,
        },
    };
    tab.report_here(format!("no node can be called {name:?}: {why}"), None);
}

/// Coordinates farther out than this many metres are mistakes.
pub const FARTHEST: f64 = 1e9;

/// A position in metres; two coordinates lie on the ground.
pub(crate) fn point(tab: &Tab, key: &'static str) -> Option<[f64; 3]> {
    let p = tab.floats(key)?;
    if !p.iter().all(|x| x.abs() <= FARTHEST) {
        tab.report(key, format!("`{key}` lies beyond {FARTHEST} m"), None);
        return None;
    }
    match p[..] {
        [x, y] => Some([x, y, 0.0]),
        [x, y, z] => Some([x, y, z]),
        _ => {
            tab.report(key, format!("`{key}` has two or three coordinates in metres"), None);
            None
        }
    }
}

/// A node without machine or image is kept, so that steps and links find its name; [`build`] leaves it out.
fn read_node(
    tab: &Tab,
    name: String,
    group: Option<String>,
    position: [f64; 3],
    switches: &[SwitchPlan],
) -> NodePlan {
    let text = |key| {
        let value = tab.need_str(key);
        if value == Some("") {
            tab.report(key, format!("`{key}` is empty"), None);
        }
        value.unwrap_or_default().to_string()
    };
    NodePlan {
        name,
        group,
        machine: text("machine"),
        image: text("image"),
        at: tab.uint("at"),
        position,
        net: wiring::read_node_net(tab, switches),
        machine_span: tab.value_span("machine"),
        image_span: tab.value_span("image"),
    }
}

/// Nodes of one group.
const MOST_OF_GROUP: u64 = 1_000_000;
/// Nodes of all groups together: what a plan of them takes is spent before anybody can say that the host has too little.
const MOST_NODES: u64 = 2_000_000;

/// How many nodes each group has; one, so that steps find the group, whatever is wrong with that.
fn read_counts(groups: &[(&str, Tab)]) -> Vec<u64> {
    let read = |(_, tab): &(&str, Tab)| match tab.need_uint("count") {
        Some(count @ 1..=MOST_OF_GROUP) => count,
        other => {
            let why = other.map(|_| format!("a group has 1 to {MOST_OF_GROUP} nodes"));
            why.into_iter().for_each(|why| tab.report("count", why, None));
            1
        }
    };
    let mut counts: Vec<u64> = groups.iter().map(read).collect();
    let total: u64 = counts.iter().sum();
    if let (true, Some((_, last))) = (total > MOST_NODES, groups.last()) {
        let why = format!("all groups have {total} nodes together; a fleet has at most {MOST_NODES}");
        last.report("count", why, None);
        counts.fill(1);
    }
    counts
}

/// `count` nodes `NAME.0`, `NAME.1`, ... on a grid of `columns` with `spacing` metres from `origin`.
fn read_group(plan: &mut Plan, name: &str, count: u64, tab: &Tab) {
    let columns = tab.uint("columns").unwrap_or(count);
    if columns == 0 {
        tab.report("columns", "a row has at least one node", None);
    }
    let columns = columns.max(1);
    let spacing = number(tab, "spacing", 1.0, METRES);
    let origin = point(tab, "origin").unwrap_or_default();
    let mut first = read_node(tab, String::new(), Some(name.into()), origin, &plan.switches);
    if let (Some(_), true) = (first.net.mac, count > 1) {
        tab.report("mac", "the nodes of a group cannot share a hardware address", None);
        first.net.mac = None;
    }
    if let (Some(_), true) = (first.net.ip, count > 1) {
        tab.report("ip", "the nodes of a group cannot share an address", None);
        first.net.ip = None;
    }
    for i in 0..count {
        let (x, y) = ((i % columns) as f64 * spacing, (i / columns) as f64 * spacing);
        let position = [origin[0] + x, origin[1] + y, origin[2]];
        plan.nodes.push(NodePlan { name: format!("{name}.{i}"), position, ..first.clone() });
    }
}

const PROBABILITY: RangeInclusive<f64> = 0.0..=1.0;
const METRES: RangeInclusive<f64> = 0.0..=1e7;
const DECIBELS: RangeInclusive<f64> = -200.0..=1000.0;

/// A number that must lie in `range`.
fn number(tab: &Tab, key: &'static str, usual: f64, range: RangeInclusive<f64>) -> f64 {
    let value = tab.float(key).unwrap_or(usual);
    if range.contains(&value) {
        return value;
    }
    tab.report(key, format!("`{key}` lies between {} and {}", range.start(), range.end()), None);
    usual
}

fn read_radio(tab: &Tab) -> RadioConfig {
    let mut radio = RadioConfig::default();
    let number = |key, usual, range| number(tab, key, usual, range);
    match tab.str("model").unwrap_or("log-distance") {
        "log-distance" => {
            radio.propagation = Propagation::LogDistance {
                exponent: number("exponent", 3.0, 0.1..=20.0),
                reference_loss_db: number("reference_loss_db", 40.0, DECIBELS),
            };
        }
        "udgm" => {
            let tx_range = number("tx_range", 50.0, METRES);
            let interference_range = tab.float("interference_range").unwrap_or(2.0 * tx_range);
            if !(tx_range..=2e7).contains(&interference_range) {
                tab.report("interference_range", "`interference_range` is at least `tx_range`", None);
            }
            radio.propagation = Propagation::UnitDisk {
                tx_range,
                interference_range,
                success_ratio_tx: number("success_ratio_tx", 1.0, PROBABILITY),
                success_ratio_rx: number("success_ratio_rx", 1.0, PROBABILITY),
            };
        }
        "dgrm" => radio.propagation = Propagation::Links(BTreeMap::new()), // the edges follow as [[link]]
        other => {
            let help = nearest(other, ["log-distance", "udgm", "dgrm"]);
            tab.report("model", format!("no propagation model is called `{other}`"), help);
        }
    }
    radio.loss = number("loss", 0.0, PROBABILITY);
    let maybe = |key, range| tab.has(key).then(|| number(key, 0.0, range));
    radio.capture_db = maybe("capture_db", 0.0..=200.0);
    radio.noise_floor_dbm = number("noise_floor_dbm", radio.noise_floor_dbm, DECIBELS);
    radio.ambient_noise_dbm = maybe("ambient_noise_dbm", -200.0..=100.0);
    if let Propagation::LogDistance { .. } = radio.propagation {
        radio.shadowing_db = number("shadowing_db", 0.0, 0.0..=30.0);
        radio.fading_db = number("fading_db", 0.0, 0.0..=30.0);
        radio.propagation_delay = tab.bool("propagation_delay").unwrap_or(true);
    }
    tab.done();
    radio
}

/// The band the radios know, in MHz.
const BAND: RangeInclusive<u16> = 2300..=2600;

/// Jammers: `name`, `position`, `mhz`, `dbm`, `every`, `for`.
fn read_jammers(plan: &mut Plan, root: &Tab) {
    for tab in root.list("jammer") {
        let (name, jammer) = read_jammer(&tab);
        if plan.radio.jammers.insert(name.clone(), jammer).is_some() {
            tab.report("name", format!("two jammers are called `{name}`"), None);
        }
    }
}

/// A jammer and its name.
pub(crate) fn read_jammer(tab: &Tab) -> (String, Jammer) {
    let name = tab.need_str("name").unwrap_or_default().to_string();
    tab.need("mhz");
    let mhz = match tab.uints("mhz").as_deref() {
        Some([low, high]) if low <= high => (*low, *high),
        Some([only]) => (*only, *only),
        None => (0, 0),
        _ => {
            tab.report("mhz", "`mhz` is one frequency, or the lowest and the highest", None);
            (0, 0)
        }
    };
    let in_band = |f| u16::try_from(f).ok().filter(|f| BAND.contains(f));
    let (low, high) = (in_band(mhz.0), in_band(mhz.1));
    if mhz != (0, 0) && (low.is_none() || high.is_none()) {
        let message = format!("`mhz` lies between {} and {}", BAND.start(), BAND.end());
        tab.report("mhz", message, Some("channel 7 of a micro:bit is 2407 MHz".into()));
    }
    let jammer = Jammer {
        position: point(tab, "position").unwrap_or_default(),
        mhz: (low.unwrap_or(0), high.unwrap_or(0)),
        dbm: number(tab, "dbm", 0.0, -100.0..=100.0),
        pattern: read_pattern(tab),
    };
    tab.done();
    (name, jammer)
}

/// `for` so long in `every` so much time; neither: without a pause.
fn read_pattern(tab: &Tab) -> Pattern {
    let time = |key| duration(&tab.time_text(key)?).map_err(|e| tab.report(key, e, None)).ok();
    match (time("every"), time("for")) {
        (Some(every), Some(for_)) => {
            if for_ > every {
                tab.report("for", "`for` is longer than `every`", None);
            }
            if every < LEAST_PERIOD {
                tab.report("every", "`every` is at least 20us", None);
            }
            Pattern::Pulses { every_ns: every.0, for_ns: for_.0 }
        }
        (None, None) => Pattern::Always,
        _ => {
            if tab.has("every") != tab.has("for") {
                tab.report_here("a jammer that pauses has `every` and `for`", None);
            }
            Pattern::Always
        }
    }
}

/// A jammer's pulses come no faster.
const LEAST_PERIOD: Time = Time::us(20);

/// Edges of the `dgrm` model: `from`, `to`, `loss_db`, `success_ratio`.
fn read_links(plan: &mut Plan, root: &Tab) {
    let links = root.list("link");
    let mut edges = BTreeMap::new();
    for tab in &links {
        let end = |key| {
            let name = tab.need_str(key)?;
            plan.select(name).map_err(|e| tab.report(key, e, None)).ok()
        };
        let (from, to) = (end("from"), end("to"));
        let edge = Edge {
            loss_db: number(tab, "loss_db", 60.0, DECIBELS),
            success_ratio: number(tab, "success_ratio", 1.0, PROBABILITY),
        };
        tab.done();
        for a in from.iter().flatten() {
            for b in to.iter().flatten() {
                edges.insert((*a, *b), edge);
            }
        }
    }
    match (&mut plan.radio.propagation, links.first()) {
        (Propagation::Links(all), _) => *all = edges,
        (_, Some(link)) => link.report_here("links need `model = \"dgrm\"` in [radio]", None),
        _ => {}
    }
}

/// What runs on what: nodes that share it are forks of one machine.
type Template = (Machine, BoardInfo, Arc<Firmware>);

/// Builds the fleet of a plan. Mistakes are reported at the places in `source` that the plan remembers.
pub fn build(
    plan: &Plan,
    seed: u64,
    files: &dyn Files,
    source: Option<&Source>,
) -> Result<Fleet, Diagnostics> {
    let mut fleet = Fleet::new(seed, plan.radio.clone());
    let mut templates: BTreeMap<(&str, &str, Option<u64>), Option<Template>> = BTreeMap::new();
    let mut found = Diagnostics::default();
    let mut report = |span: &Option<Range<usize>>, e: Diagnostics| match (source, span) {
        (Some(s), Some(span)) => {
            for d in e.0 {
                let inner = !["--machine", "image", "fleet"].contains(&&d.file[..]);
                let message = if inner { d.to_string() } else { d.message };
                s.report(Some(span.clone()), message, d.help.filter(|_| !inner));
            }
        }
        _ => found.0.extend(e.0),
    };
    for (i, n) in plan.nodes.iter().enumerate() {
        if n.machine.is_empty() || n.image.is_empty() {
            continue; // reported when it was read
        }
        let template = templates.entry((&n.machine, &n.image, n.at)).or_insert_with(|| {
            let all = template(n, files);
            all.map_err(|all| {
                all.into_iter().for_each(|(machine, e)| {
                    report(if machine { &n.machine_span } else { &n.image_span }, e);
                })
            })
            .ok()
        });
        let Some((machine, _, firmware)) = template else { continue };
        if let Err(e) = files.built(i, plan.nodes.len()) {
            report(&n.machine_span, one("fleet", e));
            break;
        }
        let mut machine = machine.fork();
        wiring::set_macs(&mut machine, n.mac(i as u32));
        let mut node = Node::new(i as u32, &n.name, machine, Arc::clone(firmware), seed);
        node.position = n.position;
        if fleet.nodes().len() == i {
            fleet.add(node);
        }
    }
    if fleet.nodes().len() == plan.nodes.len() {
        wire(&mut fleet, plan, &mut |(span, message, help)| {
            report(&span, Diagnostics(vec![diagnostic("fleet", message, help)]))
        });
    }
    found.0.extend(source.map(Source::take_diagnostics).unwrap_or_default());
    if found.0.is_empty() { Ok(fleet) } else { Err(found) }
}

fn wire(fleet: &mut Fleet, plan: &Plan, report: &mut dyn FnMut(wiring::Mistake)) {
    wiring::connect(fleet, plan, report);
    let mut macs = BTreeMap::new();
    for (id, n) in (0..).zip(&plan.nodes) {
        if let (Some(mac), Some(other)) = (n.net.mac, macs.insert(n.mac(id), &n.name)) {
            let text = mac.map(|b| format!("{b:02x}")).join(":");
            report((
                n.net.mac_span.clone(),
                format!("{other} and {} have the same hardware address {text}", n.name),
                None,
            ));
        }
        for patch in &n.net.patches {
            if let Err(e) = patch.apply(fleet, id) {
                report((patch.span.clone(), format!("{}: {e}", n.name), None));
            }
        }
    }
}

fn diagnostic(file: &str, message: String, help: Option<String>) -> Diagnostic {
    Diagnostic { file: file.into(), line: 1, column: 1, message, help }
}

fn one(file: &str, message: String) -> Diagnostics {
    Diagnostics(vec![diagnostic(file, message, None)])
}

/// A machine with its image, not powered on. Each error says whether the machine (or the image) is at fault.
fn template(n: &NodePlan, files: &dyn Files) -> Result<Template, Vec<(bool, Diagnostics)>> {
    let board = if n.machine.ends_with(".toml") {
        let text = files.board(&n.machine).map_err(|e| one("--machine", e));
        text.and_then(|text| machines::build_text(&n.machine, &n.machine, &text, &|path| files.board(path)))
    } else {
        machines::build(&n.machine)
    };
    let any = BoardInfo::default();
    let info = board.as_ref().map_or(&any, |b| &b.info);
    let firmware = files
        .image(&n.image)
        .and_then(|bytes| Firmware::parse_for(info, &n.image, &bytes, n.at).map_err(|e| e.to_string()));
    let (mut board, firmware) = match (board, firmware) {
        (Ok(b), Ok(f)) => (b, f),
        (b, f) => {
            let machine = b.err().map(|e| (true, e));
            let image = f.err().map(|e| (false, one("image", e)));
            return Err(machine.into_iter().chain(image).collect());
        }
    };
    firmware.load_into(&mut board.machine).map_err(|e| vec![(false, one("image", e.to_string()))])?;
    Ok((board.machine, board.info, firmware))
}

/// Reads and builds a fleet file.
pub fn load(
    name: &str,
    text: &str,
    seed: Option<u64>,
    files: &dyn Files,
) -> Result<(Fleet, Plan), Diagnostics> {
    let source = Source::parse(name, text)?;
    let root = source.root();
    root.str("description");
    let mut plan = read_plan(&root);
    exchange(&mut plan, files);
    for key in ["fleet", "step"].into_iter().filter(|k| root.has(k)) {
        root.report(key, "this is a scenario: run it with `flotilla test`", None);
    }
    root.str("timeout");
    root.str("fleet");
    root.list("step");
    root.done();
    let seed = seed.unwrap_or(plan.seed);
    // Both kinds of mistakes are reported together, so build even what is not right.
    let fleet = build(&plan, seed, files, Some(&source))?;
    Ok((fleet, plan))
}

/// A hundred years in nanoseconds: sums of a few such times stay far below [`Time::MAX`].
const LONGEST: f64 = 3.2e18;

/// Parses `250ms`, `5s`, `10us`, `2min`, `100ns`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Time, String> {
    let text = text.trim();
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("`{text}` is no duration, such as 5s or 250ms"));
    }
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim() {
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" | "" => 1e9,
        "min" | "m" => 60e9,
        "h" => 3600e9,
        other => return Err(format!("`{other}` is no unit of time: ns, us, ms, s, min, h")),
    };
    match number.parse::<f64>() {
        Ok(n) if n * scale <= LONGEST => Ok(Time((n * scale).round() as u64)),
        Ok(_) => Err(format!("`{text}` is longer than 100 years")),
        _ => Err(format!("`{text}` is no duration, such as 5s or 250ms")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    struct Shelf;
    impl Files for Shelf {
        fn image(&self, name: &str) -> Result<Vec<u8>, String> {
            match name {
                "raw" => Ok(vec![0; 64]),
                _ => Err(format!("there is no image `{name}`")),
            }
        }
        fn board(&self, path: &str) -> Result<String, String> {
            match path {
                "bad.toml" => Ok("descripton = \"a board\"\n".into()),
                _ => Err(format!("cannot read {path}")),
            }
        }
    }

    fn check(text: &str, expect: Expect) {
        let shown = match load("f.toml", text, None, &Shelf) {
            Ok((fleet, plan)) => {
                let nodes = fleet.nodes().zip(&plan.nodes);
                nodes.map(|(n, p)| format!("{} {:?} {}\n", n.name, n.position, p.machine)).collect()
            }
            Err(e) => e.to_string(),
        };
        expect.assert_eq(&shown);
    }

    const BIT: &str = "machine = \"microbit\"\nimage = \"raw\"\nat = 0\n";

    #[test]
    fn groups_stand_on_a_grid() {
        let text = format!(
            "[node.base]\n{BIT}position = [1, 2, 3]\n[group.g]\ncount = 3\ncolumns = 2\nspacing = 2.5\norigin = [10, 0]\n{BIT}"
        );
        check(
            &text,
            expect![[r#"
                base [1.0, 2.0, 3.0] microbit
                g.0 [10.0, 0.0, 0.0] microbit
                g.1 [12.5, 0.0, 0.0] microbit
                g.2 [10.0, 2.5, 0.0] microbit
            "#]],
        );
    }

    #[test]
    fn everything_wrong_is_reported_together() {
        let text = r#"sede = 3
[radio]
model = "log-distnce"
loss = 1.5
[node.a]
machine = "microbt"
image = "no-image"
postion = [0, 0]
[node.b]
image = "raw"
position = [1]
[group.c]
count = 0
columns = 0
spacing = nan
machine = "bad.toml"
image = ""
[[link]]
from = "aa"
to = "b"
"#;
        check(
            text,
            expect![[r#"
                f.toml:1:1: unknown key `sede`
                    did you mean `seed`?
                f.toml:3:9: no propagation model is called `log-distnce`
                    did you mean `log-distance`?
                f.toml:4:8: `loss` lies between 0 and 1
                f.toml:6:11: no machine is called `microbt`; did you mean `microbit`? known: microbit, mps2-an385, mps2-an386, mps2-an500, riscv32-virt
                f.toml:7:9: there is no image `no-image`
                f.toml:8:1: unknown key `postion`
                    did you mean `position`?
                f.toml:9:1: `machine` is missing
                f.toml:11:12: `position` has two or three coordinates in metres
                f.toml:13:9: a group has 1 to 1000000 nodes
                f.toml:14:11: a row has at least one node
                f.toml:15:11: `spacing` lies between 0 and 10000000
                f.toml:17:9: `image` is empty
                f.toml:18:1: links need `model = "dgrm"` in [radio]
                f.toml:19:8: no node or group is called `aa`; did you mean `a`?"#]],
        );
    }

    #[test]
    fn images_are_checked_against_their_machine() {
        check(
            &format!("[node.a]\n{BIT}").replace("at = 0", "at = 0x70000000"),
            expect![
                "f.toml:3:9: raw: microbit has no memory at 0x70000000, where the image puts 64 bytes (memory: flash 0x0+0x40000, uicr 0x10001000+0x100, ram 0x20000000+0x4000)"
            ],
        );
        check(
            &format!("[node.a]\n{BIT}").replace("at = 0", ""),
            expect!["f.toml:3:9: raw: neither ELF nor Intel HEX: a raw binary needs a load address"],
        );
        check(
            "[node.a]\nmachine = \"gone.toml\"\nimage = \"raw\"\nat = 0\n",
            expect!["f.toml:2:11: cannot read gone.toml"],
        );
    }

    #[test]
    fn two_nodes_of_one_name_are_a_mistake() {
        check(
            &format!("[node.\"g.1\"]\n{BIT}[group.g]\ncount = 2\n{BIT}"),
            expect!["f.toml:5:1: two nodes are called `g.1`"],
        );
    }

    #[test]
    fn an_empty_fleet_is_a_mistake() {
        check("seed = 1", expect!["f.toml:1:1: a fleet has at least one [node.NAME] or [group.NAME]"]);
        check(
            "node = 1",
            expect![[r#"
            f.toml:1:1: a fleet has at least one [node.NAME] or [group.NAME]
            f.toml:1:8: `node` must be a table, not integer"#]],
        );
        check("[node]", expect!["f.toml:1:1: a fleet has at least one [node.NAME] or [group.NAME]"]);
    }

    #[test]
    fn links_make_the_radio_graph() {
        let text = format!(
            "[radio]\nmodel = \"dgrm\"\n[group.g]\ncount = 3\n{BIT}[[link]]\nfrom = \"g.0\"\nto = \"g.*\"\nloss_db = 50\n"
        );
        let (_, plan) = load("f.toml", &text, None, &Shelf).unwrap();
        let Propagation::Links(edges) = plan.radio.propagation else { panic!("no links") };
        let pairs: Vec<_> = edges.keys().copied().collect();
        assert_eq!(pairs, [(0, 0), (0, 1), (0, 2)]);
        let none = text.split("[[link]]").next().unwrap();
        let (_, plan) = load("f.toml", none, None, &Shelf).unwrap();
        assert_eq!(plan.radio.propagation, Propagation::Links(BTreeMap::new()));
    }

    #[test]
    fn radio_numbers_have_ranges() {
        let text = format!(
            "[radio]\nmodel = \"udgm\"\ntx_range = 10\ninterference_range = 5\nsuccess_ratio_rx = -1\ncapture_db = inf\n[node.a]\n{BIT}"
        );
        check(
            &text,
            expect![[r#"
            f.toml:4:22: `interference_range` is at least `tx_range`
            f.toml:5:20: `success_ratio_rx` lies between 0 and 1
            f.toml:6:14: `capture_db` lies between 0 and 200"#]],
        );
    }

    #[test]
    fn jammers_and_the_air_are_read() {
        let text = format!(
            "[radio]\nshadowing_db = 4\nfading_db = 2\nambient_noise_dbm = -95\npropagation_delay = false\ncapture_db = 8\n[node.a]\n{BIT}\
             [[jammer]]\nname = \"oven\"\nposition = [1, 2]\nmhz = [2440, 2470]\ndbm = 10\nevery = \"20ms\"\nfor = \"8ms\"\n\
             [[jammer]]\nname = \"tone\"\nmhz = [2407]\n"
        );
        let (_, plan) = load("f.toml", &text, None, &Shelf).unwrap();
        let r = plan.radio;
        assert_eq!(
            (r.shadowing_db, r.fading_db, r.ambient_noise_dbm, r.propagation_delay),
            (4.0, 2.0, Some(-95.0), false)
        );
        assert_eq!(r.capture_db, Some(8.0));
        let pattern = Pattern::Pulses { every_ns: 20_000_000, for_ns: 8_000_000 };
        let oven = Jammer { position: [1.0, 2.0, 0.0], mhz: (2440, 2470), dbm: 10.0, pattern };
        let tone = Jammer { position: [0.0; 3], mhz: (2407, 2407), dbm: 0.0, pattern: Pattern::Always };
        assert_eq!(r.jammers.into_iter().collect::<Vec<_>>(), [("oven".into(), oven), ("tone".into(), tone)]);
    }

    #[test]
    fn jammers_have_mistakes_too() {
        let text = format!(
            "[node.a]\n{BIT}[[jammer]]\nname = \"j\"\nmhz = [2407, 2400]\nevery = \"5us\"\nfor = \"1s\"\n\
             [[jammer]]\nname = \"j\"\nmhz = [7]\nfor = \"x\"\npwr = 3\n[[jammer]]\nevery = \"1s\"\n"
        );
        check(
            &text,
            expect![[r#"
                f.toml:7:7: `mhz` is one frequency, or the lowest and the highest
                f.toml:8:9: `every` is at least 20us
                f.toml:9:7: `for` is longer than `every`
                f.toml:11:8: two jammers are called `j`
                f.toml:12:7: `mhz` lies between 2300 and 2600
                    channel 7 of a micro:bit is 2407 MHz
                f.toml:13:7: `x` is no duration, such as 5s or 250ms
                f.toml:14:1: unknown key `pwr`
                    did you mean `for`?
                f.toml:15:1: `name` is missing
                f.toml:15:1: `mhz` is missing
                f.toml:15:1: a jammer that pauses has `every` and `for`"#]],
        );
    }

    #[test]
    fn durations_have_units() {
        let good = [
            ("5s", 5_000_000_000),
            ("250ms", 250_000_000),
            ("1.5us", 1500),
            ("2 min", 120_000_000_000),
            ("7", 7_000_000_000),
        ];
        for (text, ns) in good {
            assert_eq!(duration(text), Ok(Time(ns)), "{text}");
        }
        for bad in ["", "s", "-1s", "1.2.3s", "5 parsecs", "1e9s", "900000h", ".5s", "é"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
