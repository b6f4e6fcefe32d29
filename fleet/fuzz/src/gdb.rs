//! What a debugger sends to a node, with the runner's part played by this file.
//!
//! A line is a packet, which gets its frame here; `!` before it: it goes as it stands.

use super::shelf::{self, Epochs};
use emu_debug::StopReason;
use fleet::{Fleet, FleetExit, Node};
use fleet_host::{HostEvent, gdb::Debuggers};
use std::cell::RefCell;
use tokio::sync::mpsc;

/// More packets are not sent.
const PACKETS: usize = 60;

thread_local! {
    static FLEET: RefCell<Option<Fleet>> = const { RefCell::new(None) };
}

fn fresh() -> Fleet {
    FLEET.with_borrow_mut(|made| {
        made.get_or_insert_with(|| {
            let (machine, _) = shelf::machine("microbit", shelf::RADIO);
            let mut fleet = Fleet::new(1, Default::default());
            fleet.add(Node::new(0, "node", machine, Default::default(), 1));
            let _ = fleet.run_until(emu_core::Time(100_000), &Epochs::new(1000));
            fleet
        })
        .fork()
    })
}

fn framed(line: &[u8]) -> Vec<u8> {
    match line.split_first() {
        Some((b'!', raw)) => raw.to_vec(),
        _ => {
            let sum = line.iter().fold(0u8, |s, b| s.wrapping_add(*b));
            [b"$", line, format!("#{sum:02x}").as_bytes()].concat()
        }
    }
}

/// The node goes on until the next packet.
fn go_on(debuggers: &mut Debuggers, place: &mut Option<Box<Fleet>>) {
    let Some(fleet) = place.as_mut() else { return };
    let end = fleet.now() + 5_000;
    if let Some(node) = debuggers.stepping() {
        fleet.step(node, end, &Epochs::new(100));
        return debuggers.stepped(place, node);
    }
    if let FleetExit::Stopped { node, .. } = fleet.run_until(end, &Epochs::new(100)) {
        debuggers.stopped(place, node, StopReason::Breakpoint);
    }
}

/// Sends the packets.
pub fn run(data: &[u8]) {
    let mut place = Some(Box::new(fresh()));
    let mut debuggers = Debuggers::default();
    let (output, mut sent) = mpsc::channel(4 * PACKETS);
    debuggers.event(&mut place, HostEvent::Connected(0, output));
    for line in data.split(|b| *b == b'\n').take(PACKETS) {
        debuggers.event(&mut place, HostEvent::Debugger(0, framed(line)));
        debuggers.event(&mut place, HostEvent::Debugger(0, b"+".into()));
        if debuggers.any() && !debuggers.holds() {
            go_on(&mut debuggers, &mut place);
        }
        while sent.try_recv().is_ok() {}
    }
    debuggers.event(&mut place, HostEvent::Closed(0));
    let mut fleet = place.expect("it was given back");
    let _ = fleet.run_until(fleet.now() + 5_000, &Epochs::new(100));
    let _ = fleet.digest();
}
