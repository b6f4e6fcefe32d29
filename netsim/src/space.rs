//! Who is near whom: a grid of cubes as wide as the farthest reach.

use std::collections::{BTreeMap, BTreeSet};

type Cell = [i64; 3];

/// Nodes by place. Not state: rebuilt from the positions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grid {
    width: f64,
    cells: BTreeMap<Cell, BTreeSet<u32>>,
}

impl Grid {
    /// An empty grid for a reach of `width` metres.
    pub(crate) fn new(width: f64) -> Grid {
        Grid { width: width.max(1e-3), cells: BTreeMap::new() }
    }
    fn cell(&self, p: &[f64; 3]) -> Cell {
        // Casts saturate, so far away or not a number is some cell too; distances decide.
        p.map(|x| ((x / self.width).floor() as i64).clamp(-(1 << 60), 1 << 60))
    }
    pub(crate) fn insert(&mut self, id: u32, p: &[f64; 3]) {
        let cell = self.cell(p);
        self.cells.entry(cell).or_default().insert(id);
    }
    /// Everybody within one reach of `p`, and some more, in order of their numbers.
    pub(crate) fn near(&self, p: &[f64; 3]) -> Vec<u32> {
        let [x, y, z] = self.cell(p);
        let mut found = vec![];
        for dx in -1..=1 {
            for dy in -1..=1 {
                let row = self.cells.range([x + dx, y + dy, z - 1]..=[x + dx, y + dy, z + 1]);
                found.extend(row.flat_map(|(_, ids)| ids.iter().copied()));
            }
        }
        found.sort_unstable();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nobody_within_reach_is_missed(
            points in proptest::collection::vec(proptest::array::uniform3(-50.0f64..50.0), 1..60), reach in 0.5f64..40.0
        ) {
            let mut g = Grid::new(reach);
            points.iter().enumerate().for_each(|(i, p)| g.insert(i as u32, p));
            let near = g.near(&points[0]);
            for (i, p) in points.iter().enumerate() {
                let d2: f64 = (0..3).map(|k| (p[k] - points[0][k]).powi(2)).sum();
                prop_assert!(d2.sqrt() > reach || near.contains(&(i as u32)));
            }
        }
    }

    #[test]
    fn odd_places_do_no_harm() {
        let mut g = Grid::new(10.0);
        for (i, x) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 0.0].into_iter().enumerate() {
            g.insert(i as u32, &[x, 0.0, 0.0]);
            assert!(g.near(&[x, 0.0, 0.0]).contains(&(i as u32)));
        }
    }
}
