//! What differs between two fleets that should be the same.

use crate::{Fleet, Node};
use emu_core::{
    fields::{Difference, differences},
    memory::PAGE,
};

/// Differences listed of one node; the others are counted.
const MOST: usize = 24;

/// One value that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Which: a register, a device's field, an address with its symbol.
    pub name: String,
    /// In the reference.
    pub one: String,
    /// In the other run.
    pub other: String,
}

/// Where a node's CPU stood when the states were still the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Address and symbol of the instruction that came next.
    pub place: String,
    /// Instructions retired before it.
    pub retired: u64,
    /// It was executed before the states differed; `false`: they differ without it.
    pub executed: bool,
}

/// What differs, in the first node that does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differs {
    /// The first node that differs; `None`: only what belongs to no node does.
    pub node: Option<String>,
    /// Where it was.
    pub instruction: Option<Instruction>,
    /// What differs in it, and in what belongs to no node.
    pub fields: Vec<Field>,
    /// Differences beyond those listed.
    pub more: usize,
    /// Other nodes that differ at the same time.
    pub others: Vec<String>,
}

/// Compares two fleets. `before` is one of them a little earlier.
pub(super) fn differs(before: &mut Fleet, one: &mut Fleet, other: &mut Fleet) -> Differs {
    let digests: Vec<_> = one.node_digests().zip(other.node_digests()).collect();
    before.node_digests().for_each(drop); // brings sleepers to the present
    let mut nodes = (0..).zip(digests).filter(|(_, (a, b))| a != b).map(|(i, _)| i);
    let first: Option<u32> = nodes.next();
    let others = nodes.map(|i| one.node(i).name.clone()).collect();
    let mut fields = first.map_or(vec![], |i| node_fields(one.node(i), other.node(i)));
    fields.extend(differences(&one.fields(), &other.fields()).into_iter().map(field));
    let more = fields.len().saturating_sub(MOST);
    fields.truncate(MOST);
    let node = first.map(|i| one.node(i).name.clone());
    let instruction = first.map(|i| instruction(before.node(i), one.node(i)));
    Differs { node, instruction, fields, more, others }
}

fn instruction(before: &Node, after: &Node) -> Instruction {
    let (m, retired) = (&before.machine, before.machine.retired());
    let place = if m.cpu_count() == 0 { String::new() } else { before.firmware.place(m.cpu(0).pc()) };
    Instruction { place, retired, executed: after.machine.retired() != retired }
}

fn field(d: Difference) -> Field {
    let text = |v: Option<String>| v.unwrap_or_else(|| "absent".into());
    Field { name: d.path, one: text(d.one), other: text(d.other) }
}

fn node_fields(one: &Node, other: &Node) -> Vec<Field> {
    let mut all: Vec<_> = differences(&one.fields(), &other.fields()).into_iter().map(field).collect();
    memory(one, other, &mut all);
    all
}

/// Bytes of memory that differ, word by word.
fn memory(one: &Node, other: &Node, all: &mut Vec<Field>) {
    let (ours, theirs) = (&one.machine.bus.fabric.mem, &other.machine.bus.fabric.mem);
    for r in ours.regions() {
        for page in (0..r.size).step_by(PAGE) {
            let base = r.base + page;
            let (Some(a), Some(b)) = (ours.page_slot(base), theirs.page_slot(base)) else { continue };
            let (a, b) = (ours.page_bytes(a), theirs.page_bytes(b));
            if a == b {
                continue;
            }
            for (i, (x, y)) in a.chunks(4).zip(b.chunks(4)).enumerate().filter(|(_, (x, y))| x != y) {
                let place = one.firmware.place(base + 4 * i as u64);
                all.push(Field { name: format!("memory {place}"), one: hex(x), other: hex(y) });
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}
