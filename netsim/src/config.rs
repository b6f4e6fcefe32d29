//! What a radio medium is like.

use crate::{math, phy::PhySpec, radio::Jammer};
use emu_core::{link::Phy, rng::hash_words};
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
    /// Cooja's DGRM: a directed edge for every pair of nodes that hear each other; positions do not count. A frame
    /// destroys every other.
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

/// A radio medium. The default is an open indoor space with nRF51822 radios.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RadioConfig {
    /// How strongly one node hears another.
    pub propagation: Propagation,
    /// Sensitivities in dBm that differ from the physical layer's own.
    pub sensitivity: BTreeMap<Phy, f64>,
    /// What a receiver measures on a silent channel, in dBm. It is the least its measurement shows, not what bit
    /// errors are reckoned from: that follows from the sensitivity.
    pub noise_floor_dbm: f64,
    /// Noise from outside in every channel, in dBm: it adds to the receivers' own and to what they measure.
    pub ambient_noise_dbm: Option<f64>,
    /// A frame that is stronger than all others on its channel together by this many dB has one wrong bit in a
    /// thousand. `None`: the physical layer's own figure. Not with [`Propagation::UnitDisk`] and
    /// [`Propagation::Links`], where no frame survives another.
    pub capture_db: Option<f64>,
    /// Probability that a frame is lost at a receiver for no reason.
    pub loss: f64,
    /// Standard deviation in dB of the loss that walls and furniture add to each pair of nodes, the same both ways and
    /// for the whole run; cut at three standard deviations. With [`Propagation::LogDistance`].
    pub shadowing_db: f64,
    /// Standard deviation in dB from frame to frame, at each receiver; cut at three standard deviations. With
    /// [`Propagation::LogDistance`].
    pub fading_db: f64,
    /// Signals take 3.336 ns for each metre, rounded down to whole microseconds, so none within 299 m: a microsecond is
    /// a bit, and all receivers of a room share their instants. With [`Propagation::LogDistance`].
    pub propagation_delay: bool,
    /// Jammers at work from the start, by name.
    pub jammers: BTreeMap<String, Jammer>,
}

impl Default for RadioConfig {
    fn default() -> RadioConfig {
        RadioConfig {
            propagation: Propagation::LogDistance { exponent: 3.0, reference_loss_db: 40.0 },
            sensitivity: BTreeMap::new(),
            noise_floor_dbm: -100.0,
            ambient_noise_dbm: None,
            capture_db: None,
            loss: 0.0,
            shadowing_db: 0.0,
            fading_db: 0.0,
            propagation_delay: true,
            jammers: BTreeMap::new(),
        }
    }
}

/// The way from one node to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Path {
    /// What is added to the sender's power, in hundredths of a dB; the strength itself if power is ignored.
    pub centi_db: i32,
    /// Near enough to be received, as far as a range decides.
    pub in_range: bool,
    /// Probability that a frame is, as far as chance at the receiver goes.
    pub chance: f64,
    /// Whole microseconds.
    pub delay_us: u32,
}

/// No antenna is nearer to another than this, in metres.
const NEAREST: f64 = 0.1;
/// Farther than any reach, in metres.
const FARTHEST: f64 = 1e7;
/// Nanoseconds for a metre.
const NS_PER_METRE: f64 = 3.335_640_951_981_52;
/// A signal this much weaker than the weakest that is received changes nothing: 5 dB below the receiver's noise, where
/// it would cost the others 1.2 dB.
const NEGLIGIBLE_DB: f64 = 16.0;
/// Sets the throws for shadowing apart from those for frames.
const SHADOWING: u64 = 0x5348_4144_4f57;

pub(crate) fn centi(db: f64) -> i32 {
    (db * 100.0).round() as i32
}

pub(crate) fn distance(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    (0..3).map(|i| (a[i] - b[i]) * (a[i] - b[i])).sum::<f64>().sqrt()
}

impl RadioConfig {
    /// Weakest signal of `phy` that arrives with one wrong bit in a thousand.
    pub fn sensitivity_dbm(&self, phy: Phy) -> f64 {
        self.sensitivity.get(&phy).copied().unwrap_or(PhySpec::of(phy).sensitivity_dbm)
    }

    /// Frames of `phy` weaker than this many dBm change nothing.
    pub(crate) fn cut_dbm(&self, phy: Phy) -> f64 {
        self.sensitivity_dbm(phy) - NEGLIGIBLE_DB
    }

    /// Cooja's models know no bit errors: frames that meet are lost.
    pub(crate) fn frames_collide(&self) -> bool {
        !matches!(self.propagation, Propagation::LogDistance { .. })
    }

    /// The strength at the receiver does not depend on the sender's power.
    pub(crate) fn power_is_ignored(&self) -> bool {
        matches!(self.propagation, Propagation::UnitDisk { .. })
    }

    /// Most hundredths of a dB that fading adds.
    pub(crate) fn most_fading(&self) -> i32 {
        if self.frames_collide() { 0 } else { centi(3.0 * self.fading_db) }
    }

    /// Metres beyond which no frame is noticed that leaves its sender `budget_db` above the cut; `None`: position does
    /// not count.
    pub(crate) fn reach(&self, budget_db: f64) -> Option<f64> {
        match self.propagation {
            Propagation::LogDistance { exponent, reference_loss_db } => {
                let budget = budget_db + 3.0 * (self.shadowing_db + self.fading_db) - reference_loss_db;
                let decades = budget / (10.0 * exponent.max(0.1));
                Some(math::exp2(decades / std::f64::consts::LOG10_2).clamp(NEAREST, FARTHEST))
            }
            Propagation::UnitDisk { tx_range, interference_range, .. } => {
                Some(tx_range.max(interference_range).clamp(NEAREST, FARTHEST))
            }
            Propagation::Links(_) => None,
        }
    }

    /// Hundredths of a dB that the pair of nodes loses more than others: the same both ways, for ever.
    fn shadowing(&self, seed: u64, a: u32, b: u32) -> f64 {
        if self.shadowing_db == 0.0 {
            return 0.0;
        }
        let pair = [u64::from(a.min(b)), u64::from(a.max(b))];
        let bits = [0, 1, 2].map(|i| hash_words(seed, &[SHADOWING, pair[0], pair[1], i]));
        self.shadowing_db * math::normal(bits)
    }

    /// The way between two nodes with antennas of `gain_db` together. `None`: they never notice each other.
    pub(crate) fn path(
        &self,
        seed: u64,
        (from, to): (u32, u32),
        (a, b): (&[f64; 3], &[f64; 3]),
        gain_db: f64,
    ) -> Option<Path> {
        match &self.propagation {
            Propagation::LogDistance { .. } => {
                let metres = distance(a, b);
                let db = gain_db - self.loss_db(metres)? - self.shadowing(seed, from, to);
                Some(Path {
                    centi_db: centi(db),
                    in_range: true,
                    chance: 1.0,
                    delay_us: self.delay_us(metres),
                })
            }
            Propagation::UnitDisk { tx_range, interference_range, success_ratio_rx, .. } => {
                let metres = distance(a, b);
                let in_range = metres <= *tx_range;
                let near = metres / tx_range.max(NEAREST);
                (in_range || metres <= *interference_range).then(|| Path {
                    centi_db: centi(-10.0 - 85.0 * near.min(1.2)),
                    in_range,
                    chance: 1.0 - near * near * (1.0 - success_ratio_rx),
                    delay_us: 0,
                })
            }
            Propagation::Links(edges) => {
                let edge = edges.get(&(from, to))?;
                let centi_db = centi(gain_db - edge.loss_db);
                Some(Path { centi_db, in_range: true, chance: edge.success_ratio, delay_us: 0 })
            }
        }
    }

    /// dB lost over `metres` of open space; `None` if that is no distance.
    pub(crate) fn loss_db(&self, metres: f64) -> Option<f64> {
        match self.propagation {
            Propagation::LogDistance { exponent, reference_loss_db } if metres.is_finite() => {
                Some(reference_loss_db + exponent * math::db(metres.max(NEAREST)))
            }
            _ => None,
        }
    }

    fn delay_us(&self, metres: f64) -> u32 {
        if self.propagation_delay { (metres * NS_PER_METRE / 1000.0).floor() as u32 } else { 0 }
    }

    /// Probability that a frame leaves its sender.
    pub(crate) fn tx_chance(&self) -> f64 {
        match self.propagation {
            Propagation::UnitDisk { success_ratio_tx, .. } => success_ratio_tx,
            _ => 1.0,
        }
    }

    /// What a signal of `phy` has against it besides interference, in milliwatts.
    pub(crate) fn noise_mw(&self, phy: Phy) -> f64 {
        let own = self.sensitivity_dbm(phy) - PhySpec::of(phy).modulation.reference_snr_db();
        math::from_db(own) + self.ambient_mw()
    }

    pub(crate) fn ambient_mw(&self) -> f64 {
        self.ambient_noise_dbm.map_or(0.0, math::from_db)
    }

    /// How much of a milliwatt `mhz` away counts as noise at a receiver of `phy`.
    pub(crate) fn noise_weight(&self, phy: Phy, mhz: u16) -> f64 {
        if self.frames_collide() {
            return f64::from(u8::from(mhz == 0));
        }
        let spec = PhySpec::of(phy);
        let rejection = match self.capture_db {
            Some(db) if mhz == 0 => db,
            _ => spec.rejection_db(mhz),
        };
        math::from_db(rejection - spec.modulation.reference_snr_db())
    }

    /// How much of a milliwatt `mhz` away a receiver of `phy` measures.
    pub(crate) fn rssi_weight(&self, phy: Phy, mhz: u16) -> f64 {
        match mhz {
            0 => 1.0,
            _ if self.frames_collide() => 0.0,
            _ => {
                let spec = PhySpec::of(phy);
                math::from_db(spec.rejection_db(mhz) - spec.rejection_db(0))
            }
        }
    }

    /// Probability that a bit of a signal of `dbm` is wrong when nobody interferes.
    pub fn bit_error_rate(&self, phy: Phy, dbm: f64) -> f64 {
        PhySpec::of(phy).modulation.bit_error_rate(math::from_db(dbm) / self.noise_mw(phy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(c: &RadioConfig, metres: f64, dbm: f64) -> Option<i32> {
        let path = c.path(1, (0, 1), (&[0.0; 3], &[0.0, metres, 0.0]), 0.0)?;
        Some(path.centi_db + centi(dbm)).filter(|c2| *c2 >= centi(c.cut_dbm(Phy::Nrf1Mbit)))
    }

    #[test]
    fn log_distance_loses_ten_n_db_a_decade() {
        let c = RadioConfig::default();
        assert_eq!(heard(&c, 1.0, 0.0), Some(-4000));
        assert_eq!(heard(&c, 10.0, 0.0), Some(-7000));
        assert_eq!(heard(&c, 10.0, -30.0), Some(-10000));
        assert_eq!(heard(&c, 1000.0, 0.0), None);
        assert_eq!(heard(&c, 0.0, 0.0), heard(&c, 0.1, 0.0));
        assert_eq!(heard(&c, f64::NAN, 0.0), None);
    }

    #[test]
    fn bits_go_wrong_gradually_around_the_sensitivity() {
        let c = RadioConfig::default();
        for (phy, dbm) in [(Phy::Nrf1Mbit, -90.0), (Phy::Nrf2Mbit, -85.0), (Phy::Nrf250Kbit, -96.0)] {
            let ber = |db: f64| c.bit_error_rate(phy, dbm + db);
            assert!((ber(0.0) / 1e-3 - 1.0).abs() < 0.01, "{phy:?} {}", ber(0.0));
            assert!(ber(3.0) < 1e-5 && ber(-3.0) > 0.01 && ber(-20.0) > 0.4);
        }
        // 3 dB of noise from outside beside the receiver's own.
        let noisy = RadioConfig { ambient_noise_dbm: Some(-90.0 - 10.944), ..c };
        assert!((noisy.bit_error_rate(Phy::Nrf1Mbit, -90.0 + 3.0103) / 1e-3 - 1.0).abs() < 0.01);
    }

    #[test]
    fn nothing_beyond_the_reach_is_noticed() {
        let c = RadioConfig::default();
        let reach = c.reach(20.0 - c.cut_dbm(Phy::Nrf1Mbit)).unwrap();
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
        let at = |metres| c.path(1, (0, 1), (&[0.0; 3], &[0.0, metres, 0.0]), 0.0);
        assert_eq!(at(50.0).map(|p| (p.centi_db, p.in_range, p.chance)), Some((-9500, true, 0.5)));
        assert_eq!(at(51.0).map(|p| p.in_range), Some(false));
        assert_eq!(at(101.0), None);
        assert_eq!(at(25.0).map(|p| p.chance), Some(0.875));
    }

    #[test]
    fn shadowing_is_symmetric_normal_and_fixed() {
        let c = RadioConfig { shadowing_db: 4.0, ..RadioConfig::default() };
        let of =
            |seed, a, b| c.path(seed, (a, b), (&[0.0; 3], &[10.0, 0.0, 0.0]), 0.0).unwrap().centi_db + 7000;
        assert_eq!(of(1, 3, 9), of(1, 9, 3));
        assert_ne!(of(1, 3, 9), of(2, 3, 9));
        let all: Vec<f64> = (1..4000).map(|b| f64::from(of(1, 0, b)) / 100.0).collect();
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let deviation = (all.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
        assert!(mean.abs() < 0.2 && (deviation - 4.0).abs() < 0.2, "{mean} {deviation}");
        assert!(all.iter().all(|x| x.abs() <= 12.0));
    }

    #[test]
    fn light_takes_a_microsecond_for_three_hundred_metres() {
        let c = RadioConfig::default();
        let at =
            |c: &RadioConfig, m: f64| c.path(1, (0, 1), (&[0.0; 3], &[m, 0.0, 0.0]), 0.0).unwrap().delay_us;
        assert_eq!([at(&c, 299.0), at(&c, 300.0), at(&c, 1000.0)], [0, 1, 3]);
        assert_eq!(at(&RadioConfig { propagation_delay: false, ..c }, 1000.0), 0);
    }
}
