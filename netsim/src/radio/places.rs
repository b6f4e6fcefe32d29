//! Where nodes are, and who may notice whom.

use super::{RadioMedium, Station};
use crate::{
    config::{Path, distance},
    space::Grid,
};
use emu_core::{Time, link::Phy};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A straight way walked at one speed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Walk {
    from: [f64; 3],
    depart: Time,
    arrive: Time,
}

impl Station {
    /// Where the node is at `t`.
    pub(super) fn place(&self, t: Time) -> [f64; 3] {
        let Some(w) = self.walk.filter(|w| t < w.arrive) else { return self.position };
        let part = t.since(w.depart) as f64 / w.arrive.since(w.depart) as f64;
        [0, 1, 2].map(|i| w.from[i] + (self.position[i] - w.from[i]) * part)
    }
    fn moves(&self, t: Time) -> bool {
        self.walk.is_some_and(|w| t < w.arrive)
    }
    /// Metres in a second.
    fn speed(&self, t: Time) -> f64 {
        let Some(w) = self.walk.filter(|w| t < w.arrive) else { return 0.0 };
        distance(&w.from, &self.position) * 1e9 / w.arrive.since(w.depart) as f64
    }
}

/// Who may notice a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Near {
    /// Pairs that stand still, the strongest first.
    fixed: Vec<(u32, Path)>,
    /// Pairs of which one moves: their way is found anew for each frame.
    moving: Vec<u32>,
}

/// What follows from the places and need not be saved. It holds at least everybody who may notice a frame, so that
/// what is decided does not depend on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    grid: Option<Grid>,
    near: BTreeMap<u32, Near>,
    /// Entries in `near`.
    known: usize,
    /// Until when the grid holds, as some nodes move.
    fresh: Time,
    /// Most dB by which a sender has been above the cut.
    budget_db: f64,
    /// Ways looked at so far.
    pub visits: u64,
}

/// More remembered ways than this are forgotten, so that a dense fleet does not fill the host's memory.
const MOST_KNOWN: usize = 1 << 20;
/// Moving nodes are put into the grid anew when one has gone this part of the reach.
const SLACK: f64 = 0.25;

impl RadioMedium {
    /// Puts a node at a position in metres, or moves it there. Frames on the air keep the strength they began with.
    pub fn place(&mut self, node: u32, position: [f64; 3]) {
        let s = self.station(node);
        (s.position, s.walk) = (position, None);
        self.forget_places();
    }

    /// Lets a node go straight to a position from `at` on, at `speed` metres in a second; not above zero: at once.
    pub fn move_to(&mut self, at: Time, node: u32, position: [f64; 3], speed: f64) {
        self.settle(at);
        let s = self.station(node);
        let from = s.place(at);
        let ns = distance(&from, &position) / speed * 1e9;
        if !(speed > 0.0 && (1.0..1e18).contains(&ns)) {
            return self.place(node, position);
        }
        s.position = position;
        s.walk = Some(Walk { from, depart: at, arrive: at + ns as u64 });
        self.forget_places();
    }

    /// Where a node is at a time that is not past.
    pub fn position(&self, node: u32, at: Time) -> Option<[f64; 3]> {
        self.stations.get(node).map(|s| s.place(at))
    }

    /// Gives a node's antenna a gain in dB, for sending and receiving.
    pub fn set_gain(&mut self, node: u32, gain_db: f64) {
        self.station(node).gain_db = gain_db;
        self.forget_places();
    }

    /// Lets a node send with so many dB more (or less) than it means to.
    pub fn set_power_offset(&mut self, node: u32, offset_db: f64) {
        self.station(node).offset_db = offset_db;
    }

    pub(super) fn forget_places(&mut self) {
        let places = &mut self.derived.places;
        places.grid = None;
        places.near.clear();
        places.known = 0;
    }

    /// How many ways between two nodes have been looked at: a measure of work that no host distorts. It is no state.
    pub fn visits(&self) -> u64 {
        self.derived.places.visits
    }

    /// Everybody who notices a frame that leaves `from` with `centi_dbm` at `at`, with the way to there, in order.
    pub(super) fn audience(&mut self, from: u32, centi_dbm: i32, phy: Phy, at: Time) -> Vec<(u32, Path)> {
        let cut = self.config.cut_dbm(phy);
        self.freshen(f64::from(centi_dbm) / 100.0 - cut, at);
        let near = match self.derived.places.near.remove(&from) {
            Some(near) => near,
            None => self.look_around(from, at),
        };
        let floor = if self.config.power_is_ignored() {
            i32::MIN
        } else {
            crate::config::centi(cut) - centi_dbm - self.config.most_fading()
        };
        let heard = near.fixed.partition_point(|(_, p)| p.centi_db >= floor);
        let mut found = near.fixed[..heard].to_vec();
        let ways = near.moving.iter().filter_map(|n| Some((*n, self.way(from, *n, at)?)));
        found.extend(ways.filter(|(_, p)| p.centi_db >= floor));
        self.derived.places.visits += (heard + near.moving.len()) as u64;
        self.derived.places.near.insert(from, near);
        found.sort_unstable_by_key(|f| f.0);
        found
    }

    /// The way from one node to another.
    pub(super) fn way(&self, from: u32, to: u32, at: Time) -> Option<Path> {
        let (a, b) = (self.stations.get(from)?, self.stations.get(to)?);
        self.config.path(self.seed, (from, to), (&a.place(at), &b.place(at)), a.gain_db + b.gain_db)
    }

    /// Drops what nodes that moved, or a sender stronger than all before, have made wrong.
    fn freshen(&mut self, budget_db: f64, at: Time) {
        let places = &mut self.derived.places;
        let stronger = budget_db > places.budget_db;
        if stronger {
            places.budget_db = budget_db;
        }
        if stronger || places.grid.is_some() && at >= places.fresh || places.known > MOST_KNOWN {
            self.forget_places();
        }
    }

    /// Fills the grid with everybody.
    fn map(&mut self, reach: f64, at: Time) {
        let mut grid = Grid::new(reach * (1.0 + 2.0 * SLACK));
        let mut speed = 0.0f64;
        for (id, s) in self.stations.iter() {
            grid.insert(id, &s.place(at));
            speed = speed.max(s.speed(at));
        }
        let places = &mut self.derived.places;
        places.grid = Some(grid);
        // Below 1e18 the cast is exact enough, and an early look is always right.
        let ns = SLACK * reach / speed * 1e9;
        places.fresh = if ns < 1e18 { at + ns as u64 } else { Time::MAX };
    }

    fn look_around(&mut self, node: u32, at: Time) -> Near {
        let candidates = self.candidates(node, at);
        let moves = |n: u32| self.stations.get(n).is_some_and(|s| s.moves(at));
        let mut near = Near::default();
        if moves(node) {
            near.moving = candidates;
        } else {
            for n in candidates {
                if moves(n) {
                    near.moving.push(n);
                } else if let Some(way) = self.way(node, n, at) {
                    near.fixed.push((n, way));
                }
            }
        }
        near.fixed.sort_by_key(|(n, p)| (std::cmp::Reverse(p.centi_db), *n));
        self.drop_far(&mut near);
        self.derived.places.known += near.fixed.len() + near.moving.len();
        near
    }

    /// Forgets pairs too far apart for the strongest sender so far.
    fn drop_far(&self, near: &mut Near) {
        if !self.config.power_is_ignored() {
            // One hundredth more, as both sides were rounded.
            let floor = -crate::config::centi(self.derived.places.budget_db) - self.config.most_fading() - 1;
            let heard = near.fixed.partition_point(|(_, p)| p.centi_db >= floor);
            near.fixed.truncate(heard);
            near.fixed.shrink_to_fit();
        }
    }

    /// Who might notice `node`, by place alone.
    fn candidates(&mut self, node: u32, at: Time) -> Vec<u32> {
        if let crate::Propagation::Links(edges) = &self.config.propagation {
            let known = |n: &u32| *n != node && self.stations.contains(*n);
            return edges.range((node, 0)..=(node, u32::MAX)).map(|(e, _)| e.1).filter(known).collect();
        }
        let gain = self.stations.iter().map(|(_, s)| s.gain_db).fold(0.0, f64::max);
        let Some(reach) = self.config.reach(self.derived.places.budget_db + 2.0 * gain) else {
            return vec![];
        };
        if self.derived.places.grid.is_none() {
            self.map(reach, at);
        }
        let here = self.stations.get(node).map_or([0.0; 3], |s| s.place(at));
        let mut found = self.derived.places.grid.as_ref().map(|g| g.near(&here)).unwrap_or_default();
        self.derived.places.visits += found.len() as u64;
        found.retain(|n| *n != node);
        found
    }
}
