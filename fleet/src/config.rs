//! Fleet files: population, images, positions, medium, seed. The schema stands in `fleet/scenarios/README.md`.

use crate::{Fleet, Node, image::Firmware, machines};
use devices::{
    board::BoardInfo,
    source::{Diagnostics, Source, Tab, nearest},
};
use emu_core::{Machine, Time};
use netsim::{Edge, Propagation, RadioConfig};
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// What the edge lends: the bytes of images by catalogue name or path, the text of board files by path.
pub trait Files {
    /// The image `name`; a path is relative to the fleet file's folder. The error is one line for people.
    fn image(&self, name: &str) -> Result<Vec<u8>, String>;
    /// The text of a board file, for a `machine` that ends in `.toml`.
    fn board(&self, path: &str) -> Result<String, String>;
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
    /// Nodes by number.
    pub nodes: Vec<NodePlan>,
}

impl Plan {
    /// One node.
    pub fn single(machine: &str, image: &str, at: Option<u64>) -> Plan {
        let node = NodePlan {
            name: "node".into(),
            group: None,
            machine: machine.into(),
            image: image.into(),
            at,
            position: [0.0; 3],
            machine_span: None,
            image_span: None,
        };
        Plan { seed: 1, radio: RadioConfig::default(), nodes: vec![node] }
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
            let help = nearest(name, names.iter().map(|n| &n[..])).unwrap_or_default();
            return Err(format!("no node or group is called `{name}` {help}").trim_end().to_string());
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
    for (name, tab) in root.named("node") {
        let position = tab.floats("position").map_or([0.0; 3], |p| point(&tab, "position", &p));
        plan.nodes.extend(read_node(&tab, name.to_string(), None, position));
        tab.done();
    }
    for (name, tab) in root.named("group") {
        read_group(&mut plan, name, &tab);
        tab.done();
    }
    if plan.nodes.is_empty() {
        root.report_here("a fleet has at least one [node.NAME] or [group.NAME]", None);
    }
    let links = root.list("link");
    if !links.is_empty() {
        plan.radio.propagation = Propagation::Links(read_links(&plan, &links));
    }
    plan
}

fn point(tab: &Tab, key: &str, p: &[f64]) -> [f64; 3] {
    match *p {
        [x, y] => [x, y, 0.0],
        [x, y, z] => [x, y, z],
        _ => {
            tab.report(key, format!("`{key}` has two or three coordinates in metres"), None);
            [0.0; 3]
        }
    }
}

fn read_node(tab: &Tab, name: String, group: Option<String>, position: [f64; 3]) -> Option<NodePlan> {
    let (machine, image, at) = (tab.need_str("machine"), tab.need_str("image"), tab.uint("at"));
    Some(NodePlan {
        name,
        group,
        machine: machine?.into(),
        image: image?.into(),
        at,
        position,
        machine_span: tab.value_span("machine"),
        image_span: tab.value_span("image"),
    })
}

/// `count` nodes `NAME.0`, `NAME.1`, ... on a grid of `columns` with `spacing` metres from `origin`.
fn read_group(plan: &mut Plan, name: &str, tab: &Tab) {
    let count = tab.need_uint("count").unwrap_or(0);
    if count == 0 || count > 1_000_000 {
        return tab.report("count", "a group has 1 to 1000000 nodes", None);
    }
    let columns = tab.uint("columns").filter(|c| *c > 0).unwrap_or(count);
    let spacing = tab.float("spacing").unwrap_or(1.0);
    let origin = tab.floats("origin").map_or([0.0; 3], |p| point(tab, "origin", &p));
    let Some(first) = read_node(tab, String::new(), Some(name.into()), origin) else { return };
    for i in 0..count {
        let (x, y) = ((i % columns) as f64 * spacing, (i / columns) as f64 * spacing);
        let position = [origin[0] + x, origin[1] + y, origin[2]];
        plan.nodes.push(NodePlan { name: format!("{name}.{i}"), position, ..first.clone() });
    }
}

fn read_radio(tab: &Tab) -> RadioConfig {
    let mut radio = RadioConfig::default();
    let number = |key, usual| tab.float(key).unwrap_or(usual);
    match tab.str("model").unwrap_or("log-distance") {
        "log-distance" => {
            radio.propagation = Propagation::LogDistance {
                exponent: number("exponent", 3.0),
                reference_loss_db: number("reference_loss_db", 40.0),
            };
        }
        "udgm" => {
            let tx_range = number("tx_range", 50.0);
            radio.propagation = Propagation::UnitDisk {
                tx_range,
                interference_range: number("interference_range", 2.0 * tx_range),
                success_ratio_tx: number("success_ratio_tx", 1.0),
                success_ratio_rx: number("success_ratio_rx", 1.0),
            };
        }
        "dgrm" => {} // the edges follow as [[link]]
        other => {
            let help = nearest(other, ["log-distance", "udgm", "dgrm"]);
            tab.report("model", format!("no propagation model is called `{other}`"), help);
        }
    }
    radio.loss = number("loss", 0.0);
    radio.capture_db = number("capture_db", radio.capture_db);
    radio.noise_floor_dbm = number("noise_floor_dbm", radio.noise_floor_dbm);
    if !(0.0..=1.0).contains(&radio.loss) {
        tab.report("loss", "a probability lies between 0 and 1", None);
    }
    tab.done();
    radio
}

/// Edges of the `dgrm` model: `from`, `to`, `loss_db`, `success_ratio`.
fn read_links(plan: &Plan, links: &[Tab]) -> BTreeMap<(u32, u32), Edge> {
    let mut edges = BTreeMap::new();
    for tab in links {
        let end = |key| {
            let name = tab.need_str(key)?;
            plan.select(name).map_err(|e| tab.report(key, e, None)).ok()
        };
        let (from, to) = (end("from"), end("to"));
        let edge = Edge {
            loss_db: tab.float("loss_db").unwrap_or(60.0),
            success_ratio: tab.float("success_ratio").unwrap_or(1.0),
        };
        tab.done();
        for a in from.iter().flatten() {
            for b in to.iter().flatten() {
                edges.insert((*a, *b), edge);
            }
        }
    }
    edges
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
    let mut templates: BTreeMap<(String, String, Option<u64>), Option<Template>> = BTreeMap::new();
    let mut found = Diagnostics::default();
    let mut report = |span: &Option<Range<usize>>, e: Diagnostics| match (source, span) {
        (Some(s), Some(span)) => {
            for d in e.0 {
                let inner = d.file != "--machine" && d.file != "image";
                let message = if inner { d.to_string() } else { d.message };
                s.report(Some(span.clone()), message, d.help.filter(|_| !inner));
            }
        }
        _ => found.0.extend(e.0),
    };
    for (i, n) in plan.nodes.iter().enumerate() {
        let key = (n.machine.clone(), n.image.clone(), n.at);
        let template = templates.entry(key).or_insert_with(|| match template(n, files) {
            Ok(t) => Some(t),
            Err((machine, e)) => {
                report(if machine { &n.machine_span } else { &n.image_span }, e);
                None
            }
        });
        let Some((machine, _, firmware)) = template else { continue };
        let mut node = Node::new(i as u32, &n.name, machine.fork(), Arc::clone(firmware), seed);
        node.position = n.position;
        if fleet.nodes().len() == i {
            fleet.add(node);
        }
    }
    found.0.extend(source.map(Source::take_diagnostics).unwrap_or_default());
    if found.0.is_empty() { Ok(fleet) } else { Err(found) }
}

fn one(file: &str, message: String) -> Diagnostics {
    let d = devices::source::Diagnostic { file: file.into(), line: 1, column: 1, message, help: None };
    Diagnostics(vec![d])
}

/// A machine with its image, not powered on. The error says whether the machine (or the image) is at fault.
fn template(n: &NodePlan, files: &dyn Files) -> Result<Template, (bool, Diagnostics)> {
    let board = if n.machine.ends_with(".toml") {
        let text = files.board(&n.machine).map_err(|e| (true, one("--machine", e)))?;
        machines::build_text(&n.machine, &n.machine, &text)
    } else {
        machines::build(&n.machine)
    };
    let board = board.map_err(|e| (true, e))?;
    let bytes = files.image(&n.image).map_err(|e| (false, one("image", e)))?;
    let firmware =
        Firmware::parse(&n.image, &bytes, n.at).map_err(|e| (false, one("image", e.to_string())))?;
    let mut machine = board.machine;
    firmware.load_into(&mut machine).map_err(|e| (false, one("image", e.to_string())))?;
    Ok((machine, board.info, firmware))
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
    let plan = read_plan(&root);
    root.done();
    let seed = seed.unwrap_or(plan.seed);
    // Both kinds of mistakes are reported together, so build even what is not right.
    let fleet = build(&plan, seed, files, Some(&source))?;
    Ok((fleet, plan))
}

/// Parses `250ms`, `5s`, `10us`, `2min`, `100ns`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Time, String> {
    let text = text.trim();
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
        Ok(n) if n * scale < 9e18 => Ok(Time((n * scale).round() as u64)),
        _ => Err(format!("`{text}` is no duration, such as 5s or 250ms")),
    }
}
