//! The mesh that ships against the radio model's own prediction: frame by frame, and over many hops.

use crate::desk::{Shelf, Tape, scenarios};
use emu_core::{Time, rng::hash_words};
use fleet::{Serial, scenario};
use netsim::{
    medium::{Logged, Medium},
    phy::PhySpec,
    radio::{Fate, FrameLog, RadioMedium},
};
use std::collections::{BTreeMap, BTreeSet};

const NODES: u32 = 50;
const COLUMNS: u32 = 10;
const SPACING: f64 = 40.0;
/// Where the jammer stands, and its power in dBm.
const JAMMER: ([f64; 2], f64) = ([360.0, 0.0], -14.0);
const MESSAGES: u64 = 6;

/// What came of the first messages of the scenario, before anything moves or loses its power.
struct Mesh {
    frames: Vec<FrameLog>,
    /// Which messages each node's firmware says it got.
    got: Vec<BTreeSet<u64>>,
    fleet: fleet::Fleet,
}

fn mesh(seed: u64, loss: f64) -> Mesh {
    let read = |name: &str| std::fs::read_to_string(scenarios().join(name)).expect(name);
    let fleet = read("mesh.fleet.toml");
    assert!(fleet.contains("loss = 0.1"), "{fleet}");
    let fleet = fleet.replace("loss = 0.1", &format!("loss = {loss}"));
    let steps = read("mesh.toml").split("# --- ").next().expect("a first part").to_string();
    let steps = steps.replace("fleet = \"mesh.fleet.toml\"", &fleet.replace("description", "# "));
    let mut s = scenario::load("mesh.toml", &steps, Some(seed), &Shelf).unwrap_or_else(|e| panic!("{e}"));
    s.fleet.log_media();
    let mut tape = Tape::default();
    let report = s.run(&Serial, &mut tape);
    assert_eq!(report.failure, None);
    let frames = s.fleet.take_log(true).into_iter();
    let frames = frames.filter_map(|(_, l)| if let Logged::Radio(f) = l { Some(f) } else { None }).collect();
    let said = |text: &String| {
        let words = text.split("\r\ngot ").skip(1).filter_map(|w| w.split("\r\n").next());
        words.filter_map(|w| w.parse().ok()).collect()
    };
    let got = report.consoles.iter().map(said).collect();
    Mesh { frames, got, fleet: s.fleet }
}

impl Mesh {
    fn radio(&self) -> &RadioMedium {
        let radio =
            self.fleet.media().find_map(|(_, m)| if let Medium::Radio(r) = m { Some(r) } else { None });
        radio.expect("there is a radio")
    }

    /// Probability that a frame of one node arrives whole at another with no other frame on the air, as the model
    /// says; the jammer is noise from outside at that receiver.
    fn predicted(&self, from: u32, to: u32, frame: &FrameLog) -> f64 {
        let (radio, f) = (self.radio(), &frame.frame);
        let alone = radio.delivery_probability(from, to, f, Time(0));
        let spec = PhySpec::of(f.phy);
        let jam = JAMMER.1 - loss_db(distance(place(to), JAMMER.0)) + spec.rejection_db(0)
            - spec.modulation.reference_snr_db();
        let mut noisy = radio.config().clone();
        noisy.ambient_noise_dbm = Some(jam);
        let dbm = f64::from(f.dbm) - loss_db(distance(place(from), place(to)));
        let bits = f64::from(8 * u32::from(f.address_len)) + 8.0 * f.bytes.len() as f64;
        let quiet = radio.config().delivery_probability(dbm, f.phy, bits);
        if quiet == 0.0 { 0.0 } else { alone * noisy.delivery_probability(dbm, f.phy, bits) / quiet }
    }

    /// Frames during which nobody else sent.
    fn lonely(&self) -> impl Iterator<Item = &FrameLog> {
        let end = |f: &FrameLog| f.at.0 + u64::from(f.frame.total_ns);
        self.frames.iter().filter(move |f| {
            let others = self.frames.iter().filter(|o| !std::ptr::eq(*o, *f));
            others.into_iter().all(|o| end(o) < f.at.0 || end(f) < o.at.0)
        })
    }
}

fn place(node: u32) -> [f64; 2] {
    [SPACING * f64::from(node % COLUMNS), SPACING * f64::from(node / COLUMNS)]
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    ((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1])).sqrt()
}

/// The default model: 40 dB at a metre, 30 more for every decade; no antenna is nearer than 10 cm.
fn loss_db(metres: f64) -> f64 {
    40.0 + 30.0 * metres.max(0.1).log10()
}

/// Frames on an air that is otherwise silent: those that arrived, those that should have, and the variance.
#[derive(Default, Debug)]
struct Tally {
    arrived: f64,
    expected: f64,
    variance: f64,
}

impl Tally {
    fn sound(&self) -> bool {
        (self.arrived - self.expected).abs() <= 4.5 * self.variance.sqrt() + 1.0
    }
}

#[test]
fn fleet_mesh_frames_arrive_as_often_as_the_model_predicts() {
    // By whole metres between sender and receiver; those beside the jammer apart.
    let mut tallies: BTreeMap<(u32, bool), Tally> = BTreeMap::new();
    for seed in 1..4 {
        let mesh = mesh(seed, 0.1);
        for f in mesh.lonely() {
            for (to, _, fate) in &f.fates {
                if matches!(fate, Fate::CameLate | Fate::LeftEarly) {
                    continue;
                }
                let p = mesh.predicted(f.source, *to, f);
                let jammed = distance(place(*to), JAMMER.0) < 2.0 * SPACING;
                let t = tallies.entry((distance(place(f.source), place(*to)) as u32, jammed)).or_default();
                t.arrived += f64::from(u8::from(*fate == Fate::Received));
                t.expected += p;
                t.variance += p * (1.0 - p);
            }
        }
    }
    let near = &tallies[&(SPACING as u32, false)];
    assert!(near.expected > 300.0 && near.variance > 50.0, "too few frames to judge: {near:?}");
    assert!(tallies[&(SPACING as u32, true)].variance > 2.0, "{tallies:?}");
    assert!(tallies.values().all(Tally::sound), "{tallies:#?}");
}

#[test]
fn fleet_mesh_firmware_gets_what_the_medium_delivers() {
    let mesh = mesh(5, 0.1);
    for node in 1..NODES {
        let at = |f: &&FrameLog| f.fates.iter().any(|(n, _, fate)| *n == node && *fate == Fate::Received);
        let delivered: BTreeSet<_> = mesh.frames.iter().filter(at).map(|f| &f.frame.bytes).collect();
        assert_eq!(mesh.got[node as usize].len(), delivered.len(), "bit.{node}");
    }
    assert!(mesh.got[9].is_empty(), "beside the jammer nothing arrives");
}

/// Nodes that a message reaches if every node that has it sends it once, and how they vary.
fn flooded(chance: &[Vec<f64>], share: f64) -> (f64, f64) {
    const ROUNDS: u64 = 4000;
    let (mut sum, mut squares) = (0.0, 0.0);
    for round in 0..ROUNDS {
        let (mut has, mut next) = (vec![false; NODES as usize], vec![0usize]);
        has[0] = true;
        while let Some(from) = next.pop() {
            for to in 0..NODES as usize {
                let thrown =
                    (hash_words(99, &[round, from as u64, to as u64]) >> 11) as f64 / (1u64 << 53) as f64;
                if !has[to] && thrown < share * chance[from][to] {
                    has[to] = true;
                    next.push(to);
                }
            }
        }
        let reached = has.iter().filter(|h| **h).count() as f64 - 1.0;
        sum += reached;
        squares += reached * reached;
    }
    let mean = sum / ROUNDS as f64;
    (mean, squares / ROUNDS as f64 - mean * mean)
}

/// Over many hops: the model's chances of single frames, thrown for every pair of nodes, give the nodes a message
/// reaches. Frames also meet each other; how many a receiver beside the sender loses that way is counted.
fn reaches_as_predicted(loss: f64, seeds: std::ops::Range<u64>) -> f64 {
    let (mut reached, mut floods) = (0.0, 0.0);
    let (mut arrived, mut expected) = (0.0, 0.0);
    let mut chance: Vec<Vec<f64>> = vec![];
    for seed in seeds {
        let mesh = mesh(seed, loss);
        let model = mesh.frames.first().expect("a frame");
        if chance.is_empty() {
            let pair = |from, to| if to == from { 0.0 } else { mesh.predicted(from, to, model) };
            chance = (0..NODES).map(|from| (0..NODES).map(|to| pair(from, to)).collect()).collect();
        }
        for f in &mesh.frames {
            for to in (0..NODES).filter(|to| distance(place(f.source), place(*to)) < SPACING + 1.0) {
                expected += chance[f.source as usize][to as usize];
                let whole = |x: &(u32, i8, Fate)| x.0 == to && x.2 == Fate::Received;
                arrived += f64::from(u8::from(f.fates.iter().any(whole)));
            }
        }
        reached += mesh.got[1..].iter().map(|g| g.len() as f64).sum::<f64>();
        floods += MESSAGES as f64;
    }
    let share: f64 = arrived / expected;
    assert!(
        (0.75..1.05).contains(&share),
        "of frames to neighbours {share} arrive, by the prediction without collisions"
    );
    let (measured, (mean, variance)) = (reached / floods, flooded(&chance, share));
    let bound = 4.0 * (variance / floods).sqrt() + 0.5;
    assert!((measured - mean).abs() <= bound, "reached {measured}, predicted {mean} +- {bound}");
    let (most, _) = flooded(&chance, 1.0);
    assert!(measured <= most + bound, "reached {measured}, without collisions {most}");
    measured / f64::from(NODES - 1)
}

#[test]
fn fleet_mesh_relays_as_far_as_the_model_predicts() {
    let good = reaches_as_predicted(0.1, 11..14);
    let bad = reaches_as_predicted(0.35, 11..14);
    assert!(good > 0.5 && bad < good - 0.15, "{good} {bad}");
}

#[test]
fn fleet_mesh_without_an_air_is_silent() {
    let mesh = mesh(1, 1.0);
    assert!(mesh.got[1..].iter().all(BTreeSet::is_empty));
}
