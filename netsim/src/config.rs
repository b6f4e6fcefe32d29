//! What a radio medium is like.

use crate::math;
use emu_core::link::Phy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How strongly one node hears another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Propagation {
    /// Log-distance path loss: `reference_loss_db` at one metre, `10 * exponent` dB more for every decade.
    LogDistance {
        /// Path loss exponent: 2 in free space, 2.7 to 4 indoors.
        exponent: f64,
        /// Loss at one metre in dB: 40 at 2.4 GHz.
        reference_loss_db: f64,
    },
    /// Cooja's UDGM: within `tx_range` a frame is heard, within `interference_range` it destroys every other. The
    /// power is ignored; the signal strength falls linearly from -10 dBm to -95 dBm at `tx_range`.
    UnitDisk {
        /// Metres.
        tx_range: f64,
        /// Metres; at least `tx_range`.
        interference_range: f64,
        /// Probability that a frame leaves its sender at all.
        success_ratio_tx: f64,
        /// Probability of reception at `tx_range`; it grows with the square of the nearness up to 1 at the sender.
        success_ratio_rx: f64,
    },
    /// Cooja's DGRM: a directed edge for every pair of nodes that hear each other; positions do not count.
    Links(BTreeMap<(u32, u32), Edge>),
}

/// One edge of [`Propagation::Links`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// Path loss in dB.
    pub loss_db: f64,
    /// Probability of reception.
    pub success_ratio: f64,
}

/// Weakest signal that is received, in dBm, for each physical layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// Nordic proprietary, 1 Mbit/s.
    pub nrf_1mbit: f64,
    /// Nordic proprietary, 2 Mbit/s.
    pub nrf_2mbit: f64,
    /// Nordic proprietary, 250 kbit/s.
    pub nrf_250kbit: f64,
    /// Bluetooth Low Energy, 1 Mbit/s.
    pub ble_1mbit: f64,
}

impl Sensitivity {
    /// The one of `phy`.
    pub fn of(&self, phy: Phy) -> f64 {
        match phy {
            Phy::Nrf1Mbit => self.nrf_1mbit,
            Phy::Nrf2Mbit => self.nrf_2mbit,
            Phy::Nrf250Kbit => self.nrf_250kbit,
            Phy::Ble1Mbit => self.ble_1mbit,
        }
    }
    fn least(&self) -> f64 {
        self.nrf_1mbit.min(self.nrf_2mbit).min(self.nrf_250kbit).min(self.ble_1mbit)
    }
}

/// A radio medium. The default is an open indoor space with nRF51822 radios.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RadioConfig {
    /// How strongly one node hears another.
    pub propagation: Propagation,
    /// Sensitivity of the receivers (not with [`Propagation::UnitDisk`]).
    pub sensitivity: Sensitivity,
    /// What a receiver measures on a silent channel, in dBm.
    pub noise_floor_dbm: f64,
    /// A frame survives others on its channel if it is stronger than all of them together by this many dB. With
    /// [`Propagation::UnitDisk`] no frame survives another.
    pub capture_db: f64,
    /// Probability that a frame is lost at a receiver for no reason.
    pub loss: f64,
}

impl Default for RadioConfig {
    fn default() -> RadioConfig {
        RadioConfig {
            propagation: Propagation::LogDistance { exponent: 3.0, reference_loss_db: 40.0 },
            // nRF51822 product specification: receiver sensitivity.
            sensitivity: Sensitivity {
                nrf_1mbit: -90.0,
                nrf_2mbit: -85.0,
                nrf_250kbit: -96.0,
                ble_1mbit: -93.0,
            },
            noise_floor_dbm: -100.0,
            capture_db: 10.0,
            loss: 0.0,
        }
    }
}

/// How one node hears a frame of another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Signal {
    /// Strength in hundredths of a dBm.
    pub centi_dbm: i32,
    /// Strong enough to be received.
    pub decodable: bool,
    /// Probability that it is, as far as chance at the receiver goes.
    pub chance: f64,
}

/// Most power any sender has, in dBm: bounds the reach of a frame.
const MOST_DBM: f64 = 20.0;
/// No antenna is nearer to another than this, in metres.
const NEAREST: f64 = 0.1;

fn centi(dbm: f64) -> i32 {
    (dbm * 100.0).round() as i32
}

fn distance(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    (0..3).map(|i| (a[i] - b[i]) * (a[i] - b[i])).sum::<f64>().sqrt()
}

impl RadioConfig {
    /// Signals weaker than this many dBm change nothing.
    fn cut_dbm(&self) -> f64 {
        self.sensitivity.least() - self.capture_db.max(0.0)
    }

    /// Metres beyond which no frame is noticed, for antennas of at most `gain_db` together; `None`: position does not
    /// count.
    pub(crate) fn reach(&self, gain_db: f64) -> Option<f64> {
        match self.propagation {
            Propagation::LogDistance { exponent, reference_loss_db } => {
                let budget = MOST_DBM + gain_db - self.cut_dbm() - reference_loss_db;
                let decades = budget / (10.0 * exponent.max(0.1));
                Some(math::exp2(decades / std::f64::consts::LOG10_2).clamp(NEAREST, 1e7))
            }
            Propagation::UnitDisk { tx_range, interference_range, .. } => {
                Some(tx_range.max(interference_range).clamp(NEAREST, 1e7))
            }
            Propagation::Links(_) => None,
        }
    }

    /// Hundredths of a dB lost over `metres`.
    fn path_loss(exponent: f64, reference: f64, metres: f64) -> f64 {
        reference + exponent * math::db(metres.max(NEAREST))
    }

    /// How `to` hears `from`, who sends with `dbm` and antennas of `gain_db` together. `None`: not at all.
    pub(crate) fn signal(
        &self,
        (from, to): (u32, u32),
        (a, b): (&[f64; 3], &[f64; 3]),
        dbm: f64,
        phy: Phy,
    ) -> Option<Signal> {
        let strong = |dbm: f64, chance: f64| {
            let decodable = dbm >= self.sensitivity.of(phy);
            (dbm >= self.cut_dbm()).then(|| Signal { centi_dbm: centi(dbm), decodable, chance })
        };
        match &self.propagation {
            Propagation::LogDistance { exponent, reference_loss_db } => {
                let metres = distance(a, b);
                if !metres.is_finite() {
                    return None;
                }
                strong(dbm - Self::path_loss(*exponent, *reference_loss_db, metres), 1.0)
            }
            Propagation::UnitDisk { tx_range, interference_range, success_ratio_rx, .. } => {
                let metres = distance(a, b);
                let decodable = metres <= *tx_range;
                let near = metres / tx_range.max(NEAREST);
                let chance = 1.0 - near * near * (1.0 - success_ratio_rx);
                let centi_dbm = centi(-10.0 - 85.0 * near.min(1.2));
                (decodable || metres <= *interference_range).then_some(Signal {
                    centi_dbm,
                    decodable,
                    chance,
                })
            }
            Propagation::Links(edges) => {
                let edge = edges.get(&(from, to))?;
                strong(dbm - edge.loss_db, edge.success_ratio)
            }
        }
    }

    /// Probability that a frame leaves its sender.
    pub(crate) fn tx_chance(&self) -> f64 {
        match self.propagation {
            Propagation::UnitDisk { success_ratio_tx, .. } => success_ratio_tx,
            _ => 1.0,
        }
    }

    /// Whether a signal is destroyed by others of `others` milliwatts together.
    pub(crate) fn destroyed(&self, centi_dbm: i32, others: f64) -> bool {
        match self.propagation {
            Propagation::UnitDisk { .. } => others > 0.0,
            _ => {
                others > 0.0
                    && math::milliwatts(centi_dbm) < others * math::milliwatts(centi(self.capture_db))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(c: &RadioConfig, metres: f64, dbm: f64) -> Option<(i32, bool)> {
        let s = c.signal((0, 1), (&[0.0; 3], &[0.0, metres, 0.0]), dbm, Phy::Nrf1Mbit);
        s.map(|s| (s.centi_dbm, s.decodable))
    }

    #[test]
    fn log_distance_loses_ten_n_db_a_decade() {
        let c = RadioConfig::default();
        assert_eq!(heard(&c, 1.0, 0.0), Some((-4000, true)));
        assert_eq!(heard(&c, 10.0, 0.0), Some((-7000, true)));
        assert_eq!(heard(&c, 10.0, -30.0), Some((-10000, false)));
        assert_eq!(heard(&c, 1000.0, 0.0), None);
        assert_eq!(heard(&c, 0.0, 0.0), heard(&c, 0.1, 0.0));
        assert_eq!(heard(&c, f64::NAN, 0.0), None);
        // -90 dBm is reached at 10^(50/30) m
        assert_eq!(heard(&c, 46.4, 0.0).map(|h| h.1), Some(true));
        assert_eq!(heard(&c, 46.5, 0.0).map(|h| h.1), Some(false));
    }

    #[test]
    fn nothing_beyond_the_reach_is_noticed() {
        let c = RadioConfig::default();
        let reach = c.reach(0.0).unwrap();
        assert!(heard(&c, reach * 1.01, 20.0).is_none() && heard(&c, reach * 0.99, 20.0).is_some());
    }

    #[test]
    fn unit_disk_has_two_ranges() {
        let c = RadioConfig {
            propagation: Propagation::UnitDisk {
                tx_range: 50.0,
                interference_range: 100.0,
                success_ratio_tx: 1.0,
                success_ratio_rx: 0.5,
            },
            ..RadioConfig::default()
        };
        assert_eq!(heard(&c, 50.0, -30.0), Some((-9500, true)));
        assert_eq!(heard(&c, 51.0, 4.0).map(|h| h.1), Some(false));
        assert_eq!(heard(&c, 101.0, 4.0), None);
        let s = c.signal((0, 1), (&[0.0; 3], &[25.0, 0.0, 0.0]), 0.0, Phy::Nrf1Mbit).unwrap();
        assert_eq!(s.chance, 0.875);
    }
}
