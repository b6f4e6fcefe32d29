//! `flotilla demo`: micro:bits that talk over the radio.

use crate::{
    args::DemoArgs,
    console::Lines,
    exit::{Code, Failure},
    out::Stdout,
    outputs,
    show::{Consoles, Show, Spent, capture, code, cut, executor, finish, note, prepare},
};
use emu_core::Time;
use fleet::Node;
use fleet_host::{End, Io, Plan, Runner, io as host_io, load};
use std::io::Write;

/// The image that ships, and its board.
const IMAGE: &str = "demo-beacon";
const MACHINE: &str = "microbit";
/// Metres between neighbours.
const SPACING: f64 = 3.0;

/// Runs the command.
pub fn demo(args: &DemoArgs) -> Result<Code, Failure> {
    let mut spent = Spent::start();
    let seed = args.common.seed.unwrap_or(1);
    let nodes = nodes(args.nodes, seed)?;
    let names: Vec<_> = nodes.iter().map(|n| n.name.clone()).collect();
    let count = nodes.len();
    let what = format!("{count} micro:bits, {SPACING} m apart, run {IMAGE} (source in images/guests/beacon)");
    outputs::check(&[], &[("--pcap", args.outcome.pcap.as_deref())])?;
    let mut fleet = load::fleet(seed, args.common.slice, nodes);
    note(prepare(&args.common, &mut fleet)?);
    writeln!(Stdout, "{what}")?;
    let capture = capture(args.outcome.pcap.as_deref(), &mut fleet)?;
    let (send, events) = host_io::events();
    let io = Io::start(vec![], send)?;
    let plan = Plan { end: Some(Time(args.for_)), digest_every: args.common.digest_every, ..Plan::default() };
    let mut runner = Runner::new(fleet, executor(&args.common, count), events, None, plan);
    runner.capture = capture;
    let consoles = Consoles::Lines(Lines::new(Box::new(Stdout), names, None));
    let for_readers = args.outcome.expect_digest.is_none() && args.outcome.pcap.is_none();
    let mut show = Show { notes: Box::new(Stdout), for_readers, ..Show::of(consoles) };
    spent.built();
    let end = runner.run(&mut show);
    if let Consoles::Lines(l) = &mut show.consoles {
        l.finish()?;
    }
    let (view, digest) = finish(&mut runner, &args.outcome, args.common.stats, spent, &mut Stdout)?;
    drop(io); // a capture's reader may be slow, and a signal ends that, too
    match show.failure {
        Some(why) => Err(Failure::input(why)),
        None if end == End::Quit => Ok(cut(digest)),
        None => Ok(code(&view, end, false, false).unwrap_or(digest)),
    }
}

/// Nodes on a square grid.
fn nodes(count: u16, seed: u64) -> Result<Vec<Node>, Failure> {
    let firmware = load::firmware(IMAGE, None)?;
    let side = f64::from(count).sqrt().ceil().max(1.0) as u32;
    let node = |id: u32| -> Result<Node, Failure> {
        let mut node = load::node(id, &format!("bit{id}"), load::board(MACHINE)?, &firmware, seed)?;
        node.position = [f64::from(id % side) * SPACING, f64::from(id / side) * SPACING, 0.0];
        Ok(node)
    };
    (0..u32::from(count)).map(node).collect()
}
