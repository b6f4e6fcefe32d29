//! What can be done to the links of a switch.

use super::{EthernetFault, EthernetMedium, Fate, Port, config::chance};
use emu_core::Time;
use std::collections::BTreeSet;

impl EthernetMedium {
    /// Something happens to the links at a time that no [`EthernetMedium::run_until`] has passed. Stations without a
    /// link are ignored.
    pub fn fault(&mut self, at: Time, fault: &EthernetFault) {
        self.advance(at);
        match fault {
            EthernetFault::Set { stations, changes } => {
                self.each(stations, |port| changes.apply(&mut port.link));
                self.least_ns = self.least();
            }
            EthernetFault::Burst { stations, loss, until } => {
                self.each(stations, |port| port.burst = Some((chance(*loss), *until)));
            }
            EthernetFault::Down { stations } => self.break_links(at, stations),
            EthernetFault::Up { stations } => self.each(stations, |port| port.down = false),
            EthernetFault::Partition { groups } => {
                let group =
                    |(i, g): (usize, &Vec<u32>)| g.iter().map(move |n| (*n, i as u32)).collect::<Vec<_>>();
                self.groups = Some(groups.iter().enumerate().flat_map(group).collect());
            }
            EthernetFault::Heal => self.groups = None,
        }
    }

    fn chosen(&self, stations: &[u32]) -> Vec<u32> {
        if stations.is_empty() { self.ports.keys().copied().collect() } else { stations.to_vec() }
    }

    fn each(&mut self, stations: &[u32], mut change: impl FnMut(&mut Port)) {
        for station in self.chosen(stations) {
            self.ports.get_mut(&station).into_iter().for_each(&mut change);
        }
    }

    fn break_links(&mut self, at: Time, stations: &[u32]) {
        let chosen: BTreeSet<u32> = self.chosen(stations).into_iter().collect();
        for &station in &chosen {
            let Some(port) = self.ports.get_mut(&station).filter(|p| !p.down) else { continue };
            port.down = true;
            port.breaks = port.breaks.wrapping_add(1);
            let waiting = std::mem::take(&mut port.to_switch.queue);
            for mut frame in waiting {
                // Only a copy has been on the link before.
                if frame.copy == 0 {
                    frame.first = at;
                    self.open(&frame);
                }
                self.end(at, station, &frame, Fate::LinkDown);
            }
            let Some(port) = self.ports.get_mut(&station) else { continue };
            for frame in std::mem::take(&mut port.to_station.queue) {
                self.end(at, station, &frame, Fate::LinkDown);
            }
        }
        // A switch forgets what it learned on a link that breaks.
        self.learned.retain(|_, l| !chosen.contains(&l.station));
    }
}
