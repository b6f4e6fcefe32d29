//! `flotilla demo`: micro:bits that talk over the radio.

use crate::{
    args::DemoArgs,
    console::Lines,
    exit::{Code, Failure},
    run::{code, executor, finish},
};
use emu_core::Time;
use fleet::{ConsoleByte, Fleet, Node};
use fleet_host::{Io, Note, Plan, Runner, Watcher, io as host_io, load, usage::cpu_time};
use std::{
    io::{self, Write},
    ops::ControlFlow,
    sync::Arc,
};

/// The image that ships, and its board.
const IMAGE: &str = "demo-beacon";
const MACHINE: &str = "microbit";
/// Metres between neighbours.
const SPACING: f64 = 3.0;

/// Runs the command.
pub fn demo(args: &DemoArgs) -> Result<Code, Failure> {
    let started = cpu_time();
    let nodes = nodes(args)?;
    let names = nodes.iter().map(|n| n.name.clone()).collect();
    println!("{} micro:bits, {SPACING} m apart, run {IMAGE} (source in images/guests/beacon)", nodes.len());
    let count = nodes.len();
    let fleet = load::fleet(args.common.seed, args.common.slice, nodes);
    let (send, events) = host_io::events();
    let io = Io::start(vec![], send)?;
    let plan = Plan { end: Some(Time(args.for_)), digest_every: args.common.digest_every, ..Plan::default() };
    let mut show = Show { lines: Lines::new(io::stdout(), names) };
    let mut runner = Runner::new(fleet, executor(&args.common, count), events, None, plan);
    let end = runner.run(&mut show);
    drop(io);
    show.lines.finish()?;
    let cpu = cpu_time().saturating_sub(started);
    let (view, ended) = finish(&mut runner, &args.common, cpu, &mut io::stdout())?;
    Ok(code(&view, end, false, false).unwrap_or(ended))
}

/// Nodes on a square grid.
fn nodes(args: &DemoArgs) -> Result<Vec<Node>, Failure> {
    let firmware = load::firmware(IMAGE, None)?;
    let side = f64::from(args.nodes).sqrt().ceil().max(1.0) as u32;
    let node = |id: u32| -> Result<Node, Failure> {
        let name = format!("bit{id}");
        let mut node =
            load::node(id, &name, load::board(MACHINE)?, &Arc::clone(&firmware), args.common.seed)?;
        node.position = [f64::from(id % side) * SPACING, f64::from(id / side) * SPACING, 0.0];
        Ok(node)
    };
    (0..u32::from(args.nodes)).map(node).collect()
}

/// Shows whole lines of all consoles.
struct Show {
    lines: Lines<io::Stdout>,
}

impl Watcher for Show {
    fn console(&mut self, bytes: &[ConsoleByte]) -> ControlFlow<()> {
        if self.lines.show(bytes).is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
    fn note(&mut self, _: &Fleet, note: Note) {
        if let Note::Digest(at, digest) = note {
            // Nobody may read any more; the console notices that too.
            let _ = writeln!(io::stdout(), "digest at {at}: {digest:032x}");
        }
    }
}
