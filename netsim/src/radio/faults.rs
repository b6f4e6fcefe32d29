//! What scenarios do to the medium on purpose: jammers, bursts of loss, partitions, silence, movement.

use super::RadioMedium;
use crate::{
    config::{Propagation, distance},
    math,
};
use emu_core::{Time, link::Phy};
use serde::{Deserialize, Serialize};

/// A source of noise that carries no frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Jammer {
    /// Metres. With [`Propagation::Links`] positions do not count: every node is reached without loss.
    pub position: [f64; 3],
    /// Lowest and highest frequency in MHz.
    pub mhz: (u16, u16),
    /// Power in dBm in each channel it covers.
    pub dbm: f64,
    /// When it sends.
    pub pattern: Pattern,
}

/// When a jammer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// Without a pause.
    Always,
    /// `for_ns` nanoseconds of every `every_ns`, from its start on. A period is at least 20 us.
    Pulses {
        /// From one beginning to the next.
        every_ns: u64,
        /// How long each lasts.
        for_ns: u64,
    },
}

/// Shortest period of a jammer's pulses: bounds the pieces a frame is cut into.
const LEAST_PERIOD_NS: u64 = 20_000;

/// A jammer at work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Jamming {
    name: String,
    jammer: Jammer,
    since: Time,
    until: Time,
}

/// More loss than usual for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Burst {
    loss: f64,
    since: Time,
    until: Time,
    nodes: Vec<u32>,
}

/// Something done to the medium. It counts from its instant on, before the acts of that instant; who may hear a frame
/// at all is settled at its first bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RadioFault {
    /// [`crate::RadioConfig::loss`] from now on.
    SetLoss(f64),
    /// These receivers (none named: all) lose frames with this probability besides.
    Burst {
        /// Probability.
        loss: f64,
        /// The end of it.
        until: Time,
        /// Receivers.
        nodes: Vec<u32>,
    },
    /// A jammer begins; one of the same name ends.
    Jam {
        /// Its name.
        name: String,
        /// The jammer.
        jammer: Jammer,
    },
    /// A jammer ends.
    Unjam {
        /// Its name.
        name: String,
    },
    /// A node neither sends nor hears.
    Mute {
        /// Which.
        node: u32,
    },
    /// It does again.
    Unmute {
        /// Which.
        node: u32,
    },
    /// Only nodes of one group hear and disturb each other. Nodes of no group are one more.
    Partition {
        /// The groups.
        groups: Vec<Vec<u32>>,
    },
    /// All hear all again.
    Heal,
    /// A node goes to a position, at `speed` metres in a second; 0: at once.
    MoveTo {
        /// Which.
        node: u32,
        /// Metres.
        position: [f64; 3],
        /// Metres in a second.
        speed: f64,
    },
}

impl RadioMedium {
    /// Does something to the medium at `at`, which is not past.
    pub fn fault(&mut self, at: Time, fault: &RadioFault) {
        self.settle(at);
        self.forget_old_faults(at);
        match fault {
            RadioFault::SetLoss(loss) => self.config.loss = *loss,
            RadioFault::Burst { loss, until, nodes } => {
                let mut nodes = nodes.clone();
                nodes.sort_unstable();
                self.bursts.push(Burst { loss: *loss, since: at, until: *until, nodes });
            }
            RadioFault::Jam { name, jammer } => {
                self.unjam(at, name);
                self.jammers.push(Jamming::new(name, jammer, at));
            }
            RadioFault::Unjam { name } => self.unjam(at, name),
            RadioFault::Mute { node } => self.station(*node).muted = true,
            RadioFault::Unmute { node } => self.station(*node).muted = false,
            RadioFault::Partition { groups } => {
                self.heal();
                for (i, node) in groups.iter().enumerate().flat_map(|(i, g)| g.iter().map(move |n| (i, n))) {
                    self.station(*node).group = i as u32 + 1;
                }
            }
            RadioFault::Heal => self.heal(),
            RadioFault::MoveTo { node, position, speed } => self.move_to(at, *node, *position, *speed),
        }
    }

    fn unjam(&mut self, at: Time, name: &str) {
        for j in self.jammers.iter_mut().filter(|j| j.name == name) {
            j.until = j.until.min(at);
        }
    }

    fn heal(&mut self) {
        self.stations.all_mut().for_each(|s| s.group = 0);
    }

    /// What ended longer ago than the longest frame lasts disturbs nothing any more.
    fn forget_old_faults(&mut self, now: Time) {
        let longest = u64::from(u32::MAX) + 1_000_000;
        self.jammers.retain(|j| j.until + longest > now);
        self.bursts.retain(|b| b.until > now);
    }

    /// Names of the jammers at work.
    pub fn jammers(&self) -> impl Iterator<Item = &str> {
        self.jammers.iter().filter(|j| j.until == Time::MAX).map(|j| j.name.as_str())
    }

    /// Probability that a frame reaches `node` at `at` as far as loss without a reason goes.
    pub(super) fn spared(&self, node: u32, at: Time) -> f64 {
        let hit = |b: &&Burst| {
            b.since <= at && at < b.until && (b.nodes.is_empty() || b.nodes.binary_search(&node).is_ok())
        };
        self.bursts.iter().filter(hit).fold(1.0 - self.config.loss, |p, b| p * (1.0 - b.loss))
    }

    /// Jammers' noise at a node in a time: from, to, milliwatts as `weight` has it for a distance in MHz.
    pub(super) fn jammed(
        &self,
        node: u32,
        mhz: u16,
        (from, to): (Time, Time),
        weight: impl Fn(u16) -> f64,
        out: &mut Vec<(Time, Time, f64)>,
    ) {
        for j in self.jammers.iter().filter(|j| j.since < to && j.until > from) {
            let (low, high) = j.jammer.mhz;
            let mw = self.jam_mw(&j.jammer, node, to)
                * weight(mhz.saturating_sub(high).max(low.saturating_sub(mhz)));
            if mw > 0.0 {
                j.pulses((from.max(j.since), to.min(j.until)), |a, z| out.push((a, z, mw)));
            }
        }
    }

    /// Milliwatts of a jammer at a node.
    fn jam_mw(&self, jammer: &Jammer, node: u32, at: Time) -> f64 {
        let Some(s) = self.stations.get(node) else { return 0.0 };
        let metres = distance(&jammer.position, &s.place(at));
        let loss = match &self.config.propagation {
            Propagation::LogDistance { .. } => self.config.loss_db(metres),
            Propagation::UnitDisk { interference_range, .. } => {
                (metres <= *interference_range).then_some(0.0)
            }
            Propagation::Links(_) => Some(0.0),
        };
        // The weakest that matters to any receiver lies far above this.
        let dbm = loss.map(|loss| jammer.dbm + s.gain_db - loss);
        dbm.filter(|dbm| *dbm > self.config.cut_dbm(Phy::Ieee802154) - 20.0).map_or(0.0, math::from_db)
    }
}

impl Jamming {
    /// A jammer that begins.
    pub(super) fn new(name: &str, jammer: &Jammer, since: Time) -> Jamming {
        Jamming { name: name.into(), jammer: jammer.clone(), since, until: Time::MAX }
    }

    /// The times it sends within a time.
    fn pulses(&self, (from, to): (Time, Time), mut out: impl FnMut(Time, Time)) {
        let Pattern::Pulses { every_ns, for_ns } = self.jammer.pattern else { return out(from, to) };
        let every = every_ns.max(LEAST_PERIOD_NS);
        let mut start = self.since + from.since(self.since) / every * every;
        while start < to {
            let (a, z) = (start.max(from), (start + for_ns.min(every)).min(to));
            if a < z {
                out(a, z);
            }
            start = start + every;
        }
    }
}
