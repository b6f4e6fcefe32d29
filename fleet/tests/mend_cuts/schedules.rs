//! Random commands and faults on fleets of every kind of node, run in random ways: slices, threads, engines, cuts by save and
//! fork, breakpoints, commands known before or given just in time. All are the same run.
//!
//! `CUTS_SEEDS=FIRST..END` runs other seeds than the few of every test run.

use crate::desk::fleet;
use emu_core::{Time, cpu::Engine, device::ResetKind, machine::Exit};
use fleet::{Act, Command, ConsoleByte, Executor, Fleet, FleetExit, Serial};
use fleet_host::Pool;
use netsim::{
    Jammer, Pattern,
    line::{LineFault, Noise},
    medium::Fault,
    radio::RadioFault,
};
use std::ops::Range;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }
    /// Of any magnitude up to `most`.
    fn any(&mut self, most: u64) -> u64 {
        let bits = 1 + self.below(u64::from(most.max(2).ilog2()));
        (self.next() >> (64 - bits)).clamp(1, most)
    }
}

/// Long enough that those which end or lock up do so.
const END: u64 = 70_000_000;

const RADIOS: &str = "[group.bit]\ncount = 3\nspacing = 4.0\nmachine = \"microbit\"\nimage = \"rssi\"\n\
    [node.rx]\nmachine = \"microbit\"\nimage = \"rxprint\"\nposition = [3, 3]\n";
const BOARDS: &str = "[node.talk]\nmachine = \"mps2-an385\"\nimage = \"talk\"\n\
    [node.soon]\nmachine = \"mps2-an385\"\nimage = \"end-soon\"\n\
    [node.later]\nmachine = \"mps2-an385\"\nimage = \"end-later\"\n\
    [node.lock]\nmachine = \"mps2-an385\"\nimage = \"lock\"\n";
const IRQS: &str = "[node.irq]\nmachine = \"microbit\"\nimage = \"irqloop\"\n";
const LINES: &str = "[[uart]]\na = \"talk.uart0\"\nb = \"lock.uart0\"\nloss = 0.05\nbit_errors = 0.01\n\
    [[wire]]\na = \"soon.exp1\"\nb = \"irq.edge.p2\"\n";

fn fault(dice: &mut Dice, node: u32, at: u64) -> RadioFault {
    match dice.below(8) {
        0 => RadioFault::SetLoss(dice.below(100) as f64 / 100.0),
        1 => RadioFault::Burst { loss: 0.5, until: Time(at + dice.any(END)), nodes: vec![node] },
        2 => {
            let pulses = Pattern::Pulses { every_ns: 1 + dice.any(1_000_000), for_ns: dice.any(500_000) };
            let pattern = dice.pick(&[Pattern::Always, pulses]);
            let jammer = Jammer { position: [1.0, 2.0, 0.0], mhz: (2400, 2480), dbm: -20.0, pattern };
            RadioFault::Jam { name: "j".into(), jammer }
        }
        3 => RadioFault::Unjam { name: "j".into() },
        4 => RadioFault::Partition { groups: vec![vec![0], vec![1, node]] },
        5 => RadioFault::Heal,
        6 => RadioFault::MoveTo { node, position: [50.0, 50.0, 1.0], speed: dice.below(3000) as f64 },
        _ => RadioFault::Mute { node },
    }
}

fn act(dice: &mut Dice, node: u32, at: u64, lines: u32) -> (u32, Act) {
    let input =
        |device: &str, name: &str, value| Act::Input { device: device.into(), name: name.into(), value };
    let line = |fault| Act::LineFault { line: 0, fault: Fault::Line(fault) };
    let of_node = match dice.below(17) {
        0 | 1 => Act::Text { console: 0, bytes: (0..=dice.below(12)).map(|i| b'a' + i as u8).collect() },
        2 => input("button-a", "pressed", dice.below(2) as i64),
        3 => Act::Reset(dice.pick(&[ResetKind::PowerOn, ResetKind::Pin, ResetKind::Soft])),
        4 | 5 => Act::Power(dice.below(3) > 0),
        6 | 7 => Act::Freeze { ns: dice.any(END / 8) },
        8 | 9 => {
            let wild = dice.below(1_000_000) as i32 - 500_000;
            Act::Drift { ppm: dice.pick(&[0, 1, -1, 50, -50, wild, wild, 500_000, -500_000]) }
        }
        10 => Act::StickPin {
            device: "gpio".into(),
            pin: 25,
            level: dice.pick(&[None, Some(true), Some(false)]),
        },
        11 => Act::Present(dice.one_in(2)),
        12 => Act::Move([dice.below(20) as f64, dice.below(200) as f64, 0.0]),
        13 => {
            Act::WriteMemory { addr: 0x2000_2000 + dice.below(64), bytes: dice.next().to_le_bytes().into() }
        }
        14 => Act::FlipBits { addr: 0x2000_2000 + dice.below(64), mask: vec![1 << dice.below(8)] },
        15 if lines > 0 => {
            let noise = LineFault::Noise(Noise { loss: 0.2, bit_errors: 0.05 });
            let stuck = LineFault::Stuck(dice.pick(&[None, Some(true)]));
            return (Command::FLEET, line(dice.pick(&[LineFault::Cut, LineFault::Restore, noise, stuck])));
        }
        _ => {
            let fault = Fault::Radio(fault(dice, node, at));
            return (Command::FLEET, Act::Fault { medium: 0, fault });
        }
    };
    (node, of_node)
}

fn script(dice: &mut Dice, nodes: u32, lines: u32) -> Vec<Command> {
    let mut last = 0;
    let mut one = |_| {
        // Often at the instant of the one before, or soon after it, or at a round time.
        let at = match dice.below(5) {
            0 => last,
            1 => dice.below(END / 1_000_000) * 1_000_000,
            2 => last + dice.below(200),
            _ => dice.below(END),
        };
        last = at.min(END - 1);
        let node = dice.below(nodes.into()) as u32;
        let (node, act) = act(dice, node, last, lines);
        Command::new(Time(last), node, act)
    };
    let mut commands: Vec<_> = (0..24).map(&mut one).collect();
    commands.sort_by_key(|c| c.at);
    commands
}

#[derive(Default)]
struct Outcome {
    digests: Vec<u128>,
    /// Of each node alone.
    nodes: Vec<Vec<u128>>,
    said: Vec<ConsoleByte>,
}

/// A way to run that must change nothing.
struct Way<'a> {
    dice: Dice,
    toml: &'a str,
    executor: &'a dyn Executor,
    engine: Engine,
    cuts: bool,
    breaks: bool,
    slice: u64,
}

impl Way<'_> {
    fn run_to(&mut self, fleet: &mut Fleet, to: u64, out: &mut Outcome) {
        let mut step = None;
        for stops in 0.. {
            let exit = match step.take() {
                Some(node) => fleet.step(node, Time(to), self.executor),
                None => fleet.run_until(Time(to), self.executor),
            };
            out.said.extend(fleet.take_console());
            match exit {
                FleetExit::Reached => return,
                FleetExit::Stopped { node, exit: Exit::Break(_) | Exit::Stepped(_) } => {
                    if stops > 100 {
                        self.no_breaks(fleet);
                    } else if self.dice.one_in(3) {
                        step = Some(node);
                    }
                }
                _ => {}
            }
            if self.cuts && self.dice.one_in(8) {
                self.cut(fleet);
            }
        }
    }

    fn no_breaks(&self, fleet: &mut Fleet) {
        let nodes = fleet.nodes().len() as u32;
        for i in 0..nodes {
            fleet.node_mut(i).expect("a node").machine.bus.breakpoints.clear();
        }
    }

    fn cut(&mut self, fleet: &mut Fleet) {
        if self.dice.one_in(2) {
            *fleet = fleet.fork();
        } else {
            let saved = fleet.save();
            *fleet = crate::desk::loaded(self.toml, &saved);
            assert!(fleet.save() == saved, "saved again it differs");
            fleet.set_engine(self.engine);
        }
        fleet.slice = self.slice;
    }

    fn a_breakpoint(&mut self, fleet: &mut Fleet) {
        let node = self.dice.below(fleet.nodes().len() as u64) as u32;
        let machine = &mut fleet.node_mut(node).expect("a node").machine;
        let pc = machine.cpu(0).pc();
        machine.bus.breakpoints = [pc, pc + 4, (pc & !0xff) + self.dice.below(128) * 2].into();
    }

    fn outcome(&mut self, commands: &[Command], points: &[u64], upfront: bool) -> Outcome {
        let mut fleet = fleet(self.toml);
        fleet.set_engine(self.engine);
        fleet.slice = self.slice;
        let mut out = Outcome::default();
        let (cuts, mut stops) = (self.dice.any(40), vec![]);
        if upfront {
            commands.iter().for_each(|c| fleet.apply(c.clone()));
        } else {
            stops.extend(commands.iter().map(|c| (c.at.0, 1, Some(c))));
        }
        stops.extend(points.iter().map(|p| (*p, 2, None)));
        if self.cuts || self.breaks {
            stops.extend((0..cuts).map(|_| (self.dice.below(END), 0, None)));
        }
        stops.sort_by_key(|s| (s.0, s.1));
        for (at, kind, command) in stops {
            self.run_to(&mut fleet, at, &mut out);
            match (kind, command) {
                (_, Some(c)) => {
                    fleet.apply(c.clone());
                    self.run_to(&mut fleet, at, &mut out);
                }
                (2, _) => {
                    out.nodes.push(fleet.node_digests().collect());
                    out.digests.push(fleet.digest());
                }
                _ if self.cuts && self.dice.one_in(2) => self.cut(&mut fleet),
                _ if self.breaks => self.a_breakpoint(&mut fleet),
                _ => {}
            }
        }
        out
    }
}

fn the_same(name: &str, toml: &str, lines: u32, seed: u64) {
    let mut dice = Dice(seed);
    let nodes = fleet(toml).nodes().len() as u32;
    let commands = script(&mut dice, nodes, lines);
    let mut points: Vec<_> = (0..3).map(|_| dice.below(END)).chain([END]).collect();
    points.sort_unstable();
    let plain = |dice| Way {
        dice,
        toml,
        executor: &Serial,
        engine: Engine::Interpreter,
        cuts: false,
        breaks: false,
        slice: u64::MAX,
    };
    let first = plain(Dice(0)).outcome(&commands, &points, true);
    let two = Pool::new(2);
    for variant in 0..5 {
        let mut dice = Dice(seed * 1000 + variant);
        let slice = match dice.below(3) {
            0 => u64::MAX,
            1 => 20_000 + dice.any(2_000_000),
            _ => 20_000 + dice.any(100_000),
        };
        let (cuts, breaks, upfront) = (dice.one_in(2), dice.one_in(2), dice.one_in(2));
        let executor: &dyn Executor = if dice.one_in(2) { &two } else { &Serial };
        let mut way = Way { executor, engine: Engine::Auto, cuts, breaks, slice, ..plain(dice) };
        let next = way.outcome(&commands, &points, upfront);
        let what = format!(
            "{name}, seed {seed}, variant {variant}: slice {slice}, cuts {cuts}, breaks {breaks}, upfront {upfront}"
        );
        assert!(next.nodes == first.nodes, "{what}: {}", differ(&first, &next, &points, &commands));
        // Commands that are still to come are state.
        let given = if upfront { 0 } else { points.len() - 1 };
        assert_eq!(next.digests[given..], first.digests[given..], "{what}: {commands:?}");
        assert!(next.said == first.said, "{what}: another transcript: {commands:?}");
    }
}

/// Where two runs first differ, and what was done before.
fn differ(a: &Outcome, b: &Outcome, points: &[u64], commands: &[Command]) -> String {
    let point = a.nodes.iter().zip(&b.nodes).position(|(a, b)| a != b).unwrap_or(0);
    let nodes: Vec<_> =
        (0..a.nodes[point].len()).filter(|i| a.nodes[point][*i] != b.nodes[point][*i]).collect();
    let before: Vec<_> = commands.iter().filter(|c| c.at.0 <= points[point]).collect();
    format!("nodes {nodes:?} differ at {}: {before:#?}", points[point])
}

fn seeds() -> Range<u64> {
    let wanted = std::env::var("CUTS_SEEDS").ok();
    let range = wanted.as_deref().and_then(|w| {
        let (first, end) = w.split_once("..")?;
        Some(first.parse().ok()?..end.parse().ok()?)
    });
    range.unwrap_or(0..6)
}

#[test]
fn mend_random_faults_on_boards_without_a_radio() {
    seeds().for_each(|seed| the_same("boards", BOARDS, 0, seed));
}

#[test]
fn mend_random_faults_on_nodes_with_and_without_a_radio() {
    let toml = RADIOS.to_string() + BOARDS;
    seeds().for_each(|seed| the_same("both", &toml, 0, seed));
}

#[test]
fn mend_random_faults_on_islands() {
    let toml = RADIOS.to_string() + BOARDS + IRQS + LINES;
    seeds().for_each(|seed| the_same("islands", &toml, 2, seed));
}

/// A move of a node that has no radio is no business of the air's.
#[test]
fn mend_a_node_without_a_radio_moves_and_is_saved() {
    let mut straight = fleet(BOARDS);
    straight.apply(Command::new(Time(1000), 0, Act::Move([0.0, 5.0, 0.0])));
    let fault = Fault::Radio(RadioFault::MoveTo { node: 1, position: [1.0; 3], speed: 2.0 });
    straight.apply(Command::new(Time(2000), Command::FLEET, Act::Fault { medium: 0, fault }));
    straight.run_until(Time(5000), &Serial);
    let mut back = crate::desk::loaded(BOARDS, &straight.save());
    for fleet in [&mut straight, &mut back] {
        fleet.run_until(Time(1_000_000), &Serial);
    }
    assert_eq!(back.digest(), straight.digest());
    assert_eq!(back.nodes().next().expect("a node").position, [0.0, 5.0, 0.0]);
}
