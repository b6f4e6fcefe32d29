//! Makes cases of seeds.

use crate::{
    case::{Case, Deed},
    dice::Dice,
    fleets::Subject,
    open::Open,
};
use emu_core::{Time, device::ResetKind, machine::PortKind};
use fleet::{Act, Command, Fleet};
use netsim::{
    Jammer, Pattern,
    ethernet::{EthernetFault, LinkChange},
    line::{LineFault, Noise},
    medium::Fault,
    radio::RadioFault,
};

pub fn case(subject: &Subject, seed: u64) -> Case {
    let mut dice = Dice(seed);
    let mut fleet = subject.build(seed);
    let end = subject.most / 8 + dice.below(subject.most - subject.most / 8);
    let commands = commands(&mut dice, subject, &fleet, end);
    let deeds = deeds(&mut dice, &mut fleet, &commands, end);
    let (upfront, threads, compiled) = (dice.chance(2), dice.pick(&[0, 0, 1, 2, 4]), !dice.chance(3));
    Case { fleet: subject.name.into(), seed, end, commands, upfront, threads, compiled, deeds }
}

// ---- how it is run ----

fn deeds(dice: &mut Dice, fleet: &mut Fleet, commands: &[Command], end: u64) -> Vec<(u64, Deed)> {
    let busy = |at: u64| commands.iter().any(|c| c.at.0 == at);
    let mut all = vec![];
    for _ in 0..4 {
        // A command of that very time may have been given or not.
        let mut at = dice.below(end);
        while busy(at) {
            at += 1;
        }
        all.push((at, Deed::Compare));
    }
    let (nodes, fine) = (fleet.nodes().len() as u64, dice.below(3));
    let debugged = dice.chance(2);
    for _ in 0..dice.scale(60) {
        let at = instant(dice, commands, end);
        all.push((at, deed(dice, nodes, fine, debugged)));
    }
    all.sort_by_key(|d| d.0);
    all
}

/// Any instant, or one beside a command or a round time.
fn instant(dice: &mut Dice, commands: &[Command], end: u64) -> u64 {
    let near = match dice.below(4) {
        0 if !commands.is_empty() => commands[dice.below(commands.len() as u64) as usize].at.0,
        1 => dice.below(end / 1_000_000 + 1) * 1_000_000,
        _ => return dice.below(end),
    };
    near.saturating_add_signed(dice.pick(&[-63, -40, -1, 0, 1, 40, 63])).min(end)
}

fn deed(dice: &mut Dice, nodes: u64, fine: u64, debugged: bool) -> Deed {
    let node = dice.below(nodes) as u32;
    match dice.below(if debugged { 17 } else { 12 }) {
        0 | 1 => Deed::Nothing,
        2 => Deed::Digest,
        3 => Deed::View,
        4 | 5 => Deed::Look,
        6 => Deed::Fork,
        7 | 8 => Deed::SaveLoad,
        9 | 10 => Deed::Slice(match fine {
            0 => u64::MAX,
            1 => dice.scale(2_000_000),
            _ => dice.scale(50_000).max(3000),
        }),
        11 => Deed::Compiled(dice.chance(2)),
        12..=14 => Deed::Break(node, dice.next()),
        15 => Deed::Watch(node, 0x2000_0000 + 4 * dice.below(0x400)),
        _ => Deed::Clear,
    }
}

// ---- what is done to it ----

fn commands(dice: &mut Dice, subject: &Subject, fleet: &Fleet, end: u64) -> Vec<Command> {
    let (mut all, mut at) = (vec![], 0);
    for _ in 0..dice.below(24) {
        // Often at the same instant as the one before, right after it, or at a round time.
        at = match dice.below(6) {
            0 => at,
            1 => dice.below(end / 1_000_000 + 1) * 1_000_000,
            2 => at + dice.below(200),
            _ => dice.below(end),
        };
        let node = dice.below(fleet.nodes().len() as u64) as u32;
        let act = act(dice, subject, fleet, node, at, end);
        let of_fleet = matches!(act, Act::Fault { .. } | Act::LineFault { .. });
        all.push(Command::new(Time(at), if of_fleet { Command::FLEET } else { node }, act));
        if dice.chance(12) {
            let back = at + dice.scale(end / 4);
            all.extend(
                [(at, false), (back, true)].map(|(at, on)| Command::new(Time(at), node, Act::Power(on))),
            );
        }
    }
    all.sort_by_key(|c| c.at); // stable: those of one instant stay in order
    all.retain(|c| c.at.0 < end);
    all
}

fn act(dice: &mut Dice, subject: &Subject, fleet: &Fleet, node: u32, at: u64, end: u64) -> Act {
    let has_radio = fleet
        .nodes()
        .nth(node as usize)
        .is_some_and(|n| n.machine.ports.iter().any(|p| p.kind == PortKind::Radio));
    let known = has_radio || !Open::StationWithoutRadio.is_open();
    let input =
        |device: &str, name: &str, value| Act::Input { device: device.into(), name: name.into(), value };
    match dice.below(20) {
        0 | 1 => {
            let n = dice.below(12) + 1;
            Act::Text { console: 0, bytes: (0..n).map(|_| dice.next() as u8).collect() }
        }
        2 => input(dice.pick(&["button-a", "button-b"]), "pressed", dice.below(2) as i64),
        3 => input("ethernet", "link", dice.below(2) as i64),
        4 => input("clock", "supply", dice.below(4000) as i64),
        5 => {
            let base = dice.pick(&[0x2000_0000u64, 0x2000_1000, 0x8000_4000, 0x2000_0400]);
            Act::FlipBits { addr: base + dice.below(0x800), mask: vec![1 << dice.below(8)] }
        }
        6 => {
            let base = dice.pick(&[0x2000_2000u64, 0x8001_0000, 0x2000_3000]);
            Act::WriteMemory { addr: base + dice.below(0x400), bytes: dice.next().to_le_bytes().to_vec() }
        }
        7 => {
            Act::Reset(dice.pick(&[ResetKind::PowerOn, ResetKind::Pin, ResetKind::Soft, ResetKind::Watchdog]))
        }
        8 => Act::Power(!dice.chance(3)),
        9 => Act::Freeze { ns: dice.scale(end / 8) },
        10 if !(subject.measures && Open::DriftAndMeasurement.is_open()) => Act::Drift { ppm: drift(dice) },
        11 => Act::StickPin {
            device: "gpio".into(),
            pin: dice.below(32) as u16,
            level: dice.pick(&[None, Some(true), Some(false)]),
        },
        12 => Act::Present(dice.chance(2)),
        13 if known => Act::Move([dice.below(100) as f64, dice.below(2000) as f64, 0.0]),
        14..=16 => medium_fault(dice, fleet, (node, known), at, end),
        17 => line_fault(dice, fleet).unwrap_or(Act::Present(true)),
        _ => {
            let value =
                if dice.chance(2) { 0x2000_0100 + dice.below(0x100) } else { dice.next() & 0xffff_ffff };
            Act::WriteRegister { reg: dice.below(17) as u16, value }
        }
    }
}

fn drift(dice: &mut Dice) -> i32 {
    match dice.below(4) {
        0 => 0,
        1 => dice.below(200) as i32 - 100,
        2 => dice.below(1_000_000) as i32 - 500_000,
        _ => dice.pick(&[500_000, -500_000, 1, -1, i32::MAX, i32::MIN]),
    }
}

/// `known`: the air may know of the node.
fn medium_fault(dice: &mut Dice, fleet: &Fleet, (node, known): (u32, bool), at: u64, end: u64) -> Act {
    let medium = dice.below(fleet.media().count() as u64) as u32;
    let fault = if medium == 0 && !known {
        Fault::Radio(RadioFault::SetLoss(dice.below(100) as f64 / 100.0))
    } else if medium == 0 {
        Fault::Radio(radio_fault(dice, node, at, end))
    } else {
        Fault::Ethernet(ethernet_fault(dice, node))
    };
    Act::Fault { medium, fault }
}

fn radio_fault(dice: &mut Dice, node: u32, at: u64, end: u64) -> RadioFault {
    match dice.below(9) {
        0 => RadioFault::SetLoss(dice.below(100) as f64 / 100.0),
        1 => RadioFault::Burst { loss: 0.5, until: Time(at + dice.scale(end)), nodes: vec![node] },
        2 => {
            let pulses = Pattern::Pulses { every_ns: 1 + dice.scale(1_000_000), for_ns: dice.scale(500_000) };
            let pattern = if dice.chance(2) { Pattern::Always } else { pulses };
            let jammer = Jammer { position: [1.0, 2.0, 0.0], mhz: (2400, 2480), dbm: -20.0, pattern };
            RadioFault::Jam { name: "j".into(), jammer }
        }
        3 => RadioFault::Unjam { name: "j".into() },
        4 => RadioFault::Partition { groups: vec![vec![], vec![node]] },
        5 => RadioFault::Heal,
        6 => RadioFault::MoveTo { node, position: [50.0, 50.0, 1.0], speed: dice.below(3000) as f64 },
        7 => RadioFault::Unmute { node },
        _ => RadioFault::Mute { node },
    }
}

fn ethernet_fault(dice: &mut Dice, node: u32) -> EthernetFault {
    let set = |stations, changes| EthernetFault::Set { stations, changes };
    let none = LinkChange::default();
    match dice.below(5) {
        0 => set(vec![], LinkChange { latency_ns: Some(dice.scale(10_000_000)), ..none }),
        1 => {
            let (loss, reordering) = (Some(0.3), Some(0.4));
            let (duplication, corruption) = (Some(0.4), Some(0.3));
            let reorder_ns = Some(dice.scale(3_000_000));
            set(vec![node], LinkChange { loss, reordering, duplication, corruption, reorder_ns, ..none })
        }
        2 => {
            let (bandwidth, queue) = (Some(dice.scale(10_000_000_000)), Some(dice.scale(300) as u32));
            set(vec![node], LinkChange { bandwidth, queue, ..none })
        }
        3 => EthernetFault::Down { stations: vec![node] },
        _ => EthernetFault::Up { stations: vec![node] },
    }
}

fn line_fault(dice: &mut Dice, fleet: &Fleet) -> Option<Act> {
    let lines = (0..).take_while(|i| fleet.line(*i).is_some()).count() as u64;
    let fault = match dice.below(5) {
        0 => LineFault::Cut,
        1 => LineFault::Restore,
        2 => LineFault::Noise(Noise { loss: 0.2, bit_errors: 0.05 }),
        3 => LineFault::Stuck(Some(dice.chance(2))),
        _ => LineFault::Stuck(None),
    };
    (lines > 0).then(|| Act::LineFault { line: dice.below(lines) as u32, fault: Fault::Line(fault) })
}
