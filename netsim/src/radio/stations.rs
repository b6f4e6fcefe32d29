//! All stations by number.

use super::Station;
use serde::{Deserialize, Serialize};

/// Stations in the order of their numbers. Fleets number their nodes from 0 on, so that a number is mostly a place.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Stations(Vec<(u32, Station)>);

impl Stations {
    fn find(&self, node: u32) -> Result<usize, usize> {
        match self.0.get(node as usize) {
            Some((n, _)) if *n == node => Ok(node as usize),
            _ => self.0.binary_search_by_key(&node, |s| s.0),
        }
    }
    pub fn get(&self, node: u32) -> Option<&Station> {
        self.find(node).ok().map(|i| &self.0[i].1)
    }
    pub fn get_mut(&mut self, node: u32) -> Option<&mut Station> {
        self.find(node).ok().map(|i| &mut self.0[i].1)
    }
    pub fn contains(&self, node: u32) -> bool {
        self.find(node).is_ok()
    }
    pub fn get_or_insert(&mut self, node: u32) -> &mut Station {
        let i = self.find(node).unwrap_or_else(|i| {
            self.0.insert(i, (node, Station::default()));
            i
        });
        &mut self.0[i].1
    }
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Station)> {
        self.0.iter().map(|(n, s)| (*n, s))
    }
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Station> {
        self.0.iter_mut().map(|s| &mut s.1)
    }
    /// What was loaded is in order.
    pub fn is_valid(&self) -> bool {
        self.0.windows(2).all(|w| w[0].0 < w[1].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_is_found_in_any_order() {
        let mut all = Stations::default();
        for n in [5, 0, 1, u32::MAX, 2, 9, 5] {
            all.get_or_insert(n).sent += 1;
        }
        assert_eq!(
            all.iter().map(|(n, s)| (n, s.sent)).collect::<Vec<_>>(),
            [(0, 1), (1, 1), (2, 1), (5, 2), (9, 1), (u32::MAX, 1)]
        );
        assert!(all.is_valid() && all.contains(5) && !all.contains(3) && all.get(4).is_none());
        all.get_mut(9).unwrap().sent = 7;
        assert_eq!(all.get(9).unwrap().sent, 7);
    }
}
