//! A medium of any kind, as a fleet holds it.

use crate::radio::{self, RadioMedium};
use emu_core::{Time, link::Msg};
use serde::{Deserialize, Serialize};

/// What a station gets to hear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// When.
    pub at: Time,
    /// Who.
    pub station: u32,
    /// What.
    pub msg: Msg,
}

/// A medium of a closed set of kinds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Medium {
    /// The air at 2.4 GHz. Its stations have the numbers of the nodes.
    Radio(RadioMedium),
}

/// A disturbance of a medium.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fault {
    /// A station is taken away, or comes back: it is neither heard nor hears.
    Present {
        /// Which.
        station: u32,
        /// It is there.
        present: bool,
    },
}

impl Medium {
    /// Disturbs the medium at `at`, before the acts of that instant.
    pub fn fault(&mut self, _at: Time, fault: &Fault) {
        match (self, fault) {
            (Medium::Radio(_), Fault::Present { .. }) => {}
        }
    }

    /// Least nanoseconds from an act to its first effect on another station.
    pub fn latency(&self) -> u64 {
        match self {
            Medium::Radio(m) => m.latency(),
        }
    }

    /// When the medium next decides something; it must know every act up to then.
    pub fn next_decision(&self) -> Time {
        match self {
            Medium::Radio(m) => m.next_decision(),
        }
    }

    /// A station does something. Acts come in the order (time, node, sequence).
    pub fn act(&mut self, station: u32, at: Time, msg: &Msg) {
        match (self, msg) {
            (Medium::Radio(m), Msg::Radio(act)) => m.act(station, at, act),
            (Medium::Radio(_), _) => {}
        }
    }

    /// Decides everything due up to and including `t`.
    pub fn run_until(&mut self, t: Time) -> Vec<Delivery> {
        match self {
            Medium::Radio(m) => {
                let heard =
                    |d: radio::Delivery| Delivery { at: d.at, station: d.node, msg: Msg::Air(d.event) };
                m.run_until(t).into_iter().map(heard).collect()
            }
        }
    }

    /// What was loaded fits so many stations at `now`.
    pub fn fits(&self, stations: u32, now: Time) -> bool {
        match self {
            Medium::Radio(m) => m.fits(stations, now),
        }
    }
}
