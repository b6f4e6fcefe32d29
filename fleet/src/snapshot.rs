//! Digest, fork, save and load of a fleet.

use crate::{
    Fleet, Node,
    agenda::Agenda,
    command::Command,
    fleet::Network,
    island::Lines,
    node::{ConsoleByte, NodeAct},
};
use emu_core::{
    Time,
    fields::{Fields, fields},
    save::{self, LoadError},
};
use netsim::Medium;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Serialize, Deserialize)]
struct SavedFleet {
    version: u16,
    now: Time,
    seed: u64,
    open_epoch: Option<Time>,
    acts: Vec<NodeAct>,
    pending: BTreeMap<(Time, u64), Command>,
    arrivals: u64,
    journal: Vec<Command>,
    frames: u64,
    media: Vec<Medium>,
    lines: Vec<Option<Lines>>,
    stopped: BTreeSet<u32>,
    fresh: Vec<ConsoleByte>,
    nodes: Vec<Vec<u8>>,
}

const VERSION: u16 = 2;

impl Fleet {
    /// Brings all nodes to the present: sleepers were left where they are.
    fn bring_all(&mut self) {
        let now = self.now;
        for island in self.islands.iter_mut().flatten() {
            island.run_until(now);
        }
    }

    /// Digest of everything that decides how the run goes on, with all nodes brought to the present time.
    pub fn digest(&mut self) -> u128 {
        let nodes: Vec<_> = self.node_digests().collect();
        save::digest(&save::to_bytes(&(nodes, self.fleet_digest())))
    }

    /// The digest of each node alone, by number, at the present time.
    pub fn node_digests(&mut self) -> impl Iterator<Item = u128> {
        self.bring_all();
        (0..self.homes.len() as u32).map(|i| self.at(i).digest())
    }

    /// The digest of what belongs to no node: media, lines, commands.
    pub fn fleet_digest(&self) -> u128 {
        let media: Vec<_> = self.networks.iter().map(|n| &n.medium).collect();
        let lines: Vec<_> = self.islands.iter().flatten().filter_map(|i| i.lines_state()).collect();
        let pending: Vec<_> = self.pending.values().collect();
        save::digest(&save::to_bytes(&(
            VERSION,
            self.now,
            self.seed,
            media,
            lines,
            &self.acts,
            pending,
            self.journal.digest(),
        )))
    }

    /// What [`Fleet::fleet_digest`] covers, by name.
    pub(crate) fn fields(&self) -> Fields {
        let mut all = fields("fleet time", &self.now);
        all.extend(fields("seed", &self.seed));
        for n in &self.networks {
            all.extend(fields(&format!("medium {}", n.name), &n.medium));
        }
        let lines: Vec<_> = self.islands.iter().flatten().filter_map(|i| i.lines_state()).collect();
        all.extend(fields("lines", &lines));
        all.extend(fields("acts under way", &self.acts));
        all.extend(fields("commands to come", &self.pending));
        let mut journal: Vec<_> = self.journal().iter().collect();
        journal.sort_by_key(|c| (c.at, c.node)); // a debugger's come as its nodes stand, not in order of time
        all.extend(fields("journal", &journal));
        all
    }

    /// A copy that goes its own way from here.
    pub fn fork(&mut self) -> Fleet {
        let mut copy = Fleet {
            islands: self.islands.iter_mut().map(|i| i.as_mut().map(|i| Box::new(i.fork()))).collect(),
            homes: self.homes.clone(),
            networks: self.networks.iter().map(Network::clone).collect(),
            lines: self.lines.clone(),
            stopped: self.stopped.clone(),
            activity: Agenda::default(),
            ahead: Agenda::default(),
            heard: Agenda::default(),
            acts: self.acts.clone(),
            fresh: self.fresh.clone(),
            console: vec![],
            pending: self.pending.clone(),
            journal: self.journal.clone(),
            logging: false,
            ..*self
        };
        copy.refresh_all();
        copy
    }

    fn refresh_all(&mut self) {
        for i in 0..self.islands.len() {
            self.refresh(i);
        }
    }

    /// The whole state as bytes, but for console bytes that [`Fleet::take_console`] would give now.
    pub fn save(&mut self) -> Vec<u8> {
        save::to_bytes(&SavedFleet {
            version: VERSION,
            now: self.now,
            seed: self.seed,
            open_epoch: self.open_epoch,
            acts: self.acts.clone(),
            pending: self.pending.clone(),
            arrivals: self.arrivals,
            journal: self.journal().to_vec(),
            frames: self.frames,
            media: self.networks.iter().map(|n| n.medium.clone()).collect(),
            lines: self.islands.iter().flatten().map(|i| i.save_lines()).collect(),
            stopped: self.stopped.clone(),
            fresh: self.fresh.clone(),
            nodes: self.nodes().map(Node::save).collect(),
        })
    }

    /// Restores [`Fleet::save`]'s bytes into a fleet built from the same file. After an error throw it away.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let s: SavedFleet = save::from_bytes(bytes)?;
        let counts = |media, nodes, lines| format!("{nodes} nodes in {lines} islands on {media} media");
        let islands = self.islands.iter().flatten().count();
        let ours = counts(self.networks.len(), self.homes.len(), islands);
        let theirs = counts(s.media.len(), s.nodes.len(), s.lines.len());
        if s.version != VERSION || ours != theirs {
            let message = format!("version {}, {theirs}; this fleet: version {VERSION}, {ours}", s.version);
            return Err(LoadError::Mismatch(message));
        }
        for (i, bytes) in (0..).zip(&s.nodes) {
            self.at(i).load(bytes)?;
        }
        for (island, lines) in self.islands.iter_mut().flatten().zip(s.lines) {
            island.load_lines(lines)?;
        }
        for (network, medium) in self.networks.iter_mut().zip(s.media) {
            if std::mem::discriminant(&network.medium) != std::mem::discriminant(&medium) {
                return Err(LoadError::Mismatch(format!("{} is another kind of medium", network.name)));
            }
            network.medium = medium;
        }
        (self.now, self.seed, self.open_epoch, self.acts) = (s.now, s.seed, s.open_epoch, s.acts);
        (self.pending, self.arrivals) = (s.pending, s.arrivals);
        self.journal = s.journal.into_iter().collect();
        (self.frames, self.stopped, self.fresh) = (s.frames, s.stopped, s.fresh);
        let nodes = self.homes.len() as u32;
        self.stopped.retain(|i| *i < nodes);
        self.console.clear();
        for i in 0..nodes {
            let untold = self.stopped.contains(&i);
            self.at(i).stop_again(untold);
            if self.node(i).stop.is_none() {
                self.stopped.remove(&i); // a debugger's stop is no state
            }
        }
        if self.logging {
            self.log_media();
        }
        self.refresh_latencies();
        self.refresh_all();
        if self.fits() { Ok(()) } else { Err(LoadError::Corrupt("something lies in the past".into())) }
    }

    /// What was loaded can go on: nothing is due before the present, nothing is of a node that is not there.
    fn fits(&self) -> bool {
        let (now, nodes) = (self.now, self.homes.len() as u32);
        let known = |a: &NodeAct| a.node < nodes && (a.medium as usize) < self.networks.len();
        self.open_epoch.is_none_or(|end| end >= now)
            && self.acts.iter().all(|a| a.at >= now && known(a))
            && self.fresh.iter().all(|b| b.node < nodes)
            && self.networks.iter().all(|n| {
                // A fault of the air may name any node, with a radio or without.
                let most = n.stations.last_key_value().map_or(0, |s| s.0 + 1);
                let air = matches!(n.medium, Medium::Radio(_));
                n.medium.fits(if air { most.max(nodes) } else { most }, now)
            })
            && self.islands.iter().flatten().all(|i| i.fits(now))
            && self.nodes().all(|n| {
                let left = &n.machine.bus.fabric.outbox;
                left.iter().all(|o| n.skew.fleet(o.at) >= now)
            })
    }
}
