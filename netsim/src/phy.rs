//! Physical layers: one row of [`TABLE`] each. A new one is a variant of [`Phy`] and a row here; the medium asks the
//! row for everything that differs.
//!
//! ## Noise and bit errors
//! A receiver's own noise (thermal noise in its bandwidth and its noise figure) is what makes the bit error rate
//! [`REFERENCE_BER`] at its sensitivity. Interference counts as noise too, weighted so that the ratio of carrier to
//! interference that the row names gives [`REFERENCE_BER`] as well. So the curve of the modulation needs no more than
//! one number, the ratio of signal to all that disturbs it.

use crate::math;
use emu_core::link::Phy;

/// Bit error rate at which sensitivity and selectivity are specified.
pub const REFERENCE_BER: f64 = 1e-3;

/// How bits become a carrier, and so how they go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modulation {
    /// Gaussian frequency shift keying with a noncoherent receiver: `exp(-snr / 2) / 2`.
    Gfsk,
    /// O-QPSK with 32-chip direct sequence spreading: the formula of IEEE 802.15.4-2006, E.4.1.8.
    OqpskDsss,
}

impl Modulation {
    /// Probability that a bit is wrong at a ratio (not in dB) of signal to noise.
    pub fn bit_error_rate(self, snr: f64) -> f64 {
        // Both are far below NO_ERRORS from here on.
        if snr > 60.0 {
            return 0.0;
        }
        let rate = match self {
            Modulation::Gfsk => 0.5 * math::exp(-0.5 * snr),
            Modulation::OqpskDsss => {
                let mut sum = 0.0;
                let mut choose = 16.0; // of 16 symbols k
                for k in 2..=16u32 {
                    choose *= f64::from(17 - k) / f64::from(k);
                    let term = choose * math::exp(20.0 * snr * (1.0 / f64::from(k) - 1.0));
                    sum += if k % 2 == 0 { term } else { -term };
                }
                sum * 8.0 / 15.0 / 16.0
            }
        };
        rate.clamp(0.0, 0.5)
    }

    /// Ratio in dB that gives [`REFERENCE_BER`].
    pub const fn reference_snr_db(self) -> f64 {
        match self {
            Modulation::Gfsk => 10.944,
            Modulation::OqpskDsss => -0.920,
        }
    }
}

/// What there is to know about a physical layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhySpec {
    /// Which one.
    pub phy: Phy,
    /// Its name for people.
    pub name: &'static str,
    /// Nanoseconds of a bit.
    pub bit_ns: u64,
    /// Bits before the address.
    pub preamble_bits: u32,
    /// Least bits of address (access address, start of frame delimiter).
    pub address_bits: u32,
    /// Weakest signal in dBm that arrives with [`REFERENCE_BER`].
    pub sensitivity_dbm: f64,
    /// How bits go wrong.
    pub modulation: Modulation,
    /// Ratio of carrier to an interferer so many MHz away, in dB, that gives [`REFERENCE_BER`]: (MHz, dB), ascending,
    /// the first at 0 MHz. Between the points it is linear, beyond the last it stays.
    pub carrier_to_interferer: &'static [(u16, f64)],
    /// Nanoseconds over which the receiver measures signal strength.
    pub rssi_ns: u64,
}

/// All physical layers, in the order of [`Phy`].
///
/// Sensitivities are the nRF51822's (product specification, receiver); ratios of carrier to interferer are typical
/// ones of that radio, rounded. IEEE 802.15.4 has figures typical of the nRF52840; no chip here uses it yet.
pub const TABLE: [PhySpec; 5] = [
    PhySpec {
        phy: Phy::Nrf1Mbit,
        name: "Nordic 1 Mbit/s",
        bit_ns: 1000,
        preamble_bits: 8,
        address_bits: 8,
        sensitivity_dbm: -90.0,
        modulation: Modulation::Gfsk,
        carrier_to_interferer: &[(0, 12.0), (1, 4.0), (2, -24.0), (3, -30.0), (6, -40.0), (25, -50.0)],
        rssi_ns: 8_800,
    },
    PhySpec {
        phy: Phy::Nrf2Mbit,
        name: "Nordic 2 Mbit/s",
        bit_ns: 500,
        preamble_bits: 8,
        address_bits: 8,
        sensitivity_dbm: -85.0,
        modulation: Modulation::Gfsk,
        carrier_to_interferer: &[(0, 12.0), (2, -4.0), (4, -24.0), (6, -28.0), (12, -44.0), (25, -50.0)],
        rssi_ns: 8_800,
    },
    PhySpec {
        phy: Phy::Nrf250Kbit,
        name: "Nordic 250 kbit/s",
        bit_ns: 4000,
        preamble_bits: 8,
        address_bits: 8,
        sensitivity_dbm: -96.0,
        modulation: Modulation::Gfsk,
        carrier_to_interferer: &[(0, 4.0), (1, -10.0), (2, -34.0), (3, -39.0), (6, -50.0), (25, -55.0)],
        rssi_ns: 8_800,
    },
    PhySpec {
        phy: Phy::Ble1Mbit,
        name: "BLE 1 Mbit/s",
        bit_ns: 1000,
        preamble_bits: 8,
        address_bits: 32,
        sensitivity_dbm: -93.0,
        modulation: Modulation::Gfsk,
        carrier_to_interferer: &[(0, 10.0), (1, 1.0), (2, -25.0), (3, -51.0)],
        rssi_ns: 8_800,
    },
    PhySpec {
        phy: Phy::Ieee802154,
        name: "IEEE 802.15.4",
        bit_ns: 4000,
        preamble_bits: 32,
        address_bits: 8,
        sensitivity_dbm: -100.0,
        modulation: Modulation::OqpskDsss,
        carrier_to_interferer: &[(0, 2.0), (5, -33.0), (10, -38.0)],
        rssi_ns: 128_000,
    },
];

/// Least nanoseconds from a first bit to the end of an address, of all physical layers.
pub const LEAST_SYNC_NS: u64 = least_sync();
/// Least and most nanoseconds of a measurement of signal strength.
pub const RSSI_RANGE_NS: (u64, u64) = (8_800, 128_000);

const fn least_sync() -> u64 {
    let mut least = u64::MAX;
    let mut i = 0;
    while i < TABLE.len() {
        let ns = (TABLE[i].preamble_bits + TABLE[i].address_bits) as u64 * TABLE[i].bit_ns;
        if ns < least {
            least = ns;
        }
        i += 1;
    }
    least
}

impl PhySpec {
    /// The row of `phy`.
    pub fn of(phy: Phy) -> &'static PhySpec {
        &TABLE[phy as usize]
    }

    /// Ratio of carrier to an interferer `mhz` away, in dB, that gives [`REFERENCE_BER`].
    pub fn rejection_db(&self, mhz: u16) -> f64 {
        let points = self.carrier_to_interferer;
        let after = points.partition_point(|p| p.0 <= mhz);
        let (Some(a), b) = (points.get(after.wrapping_sub(1)), points.get(after)) else { return 0.0 };
        let Some(b) = b else { return a.1 };
        a.1 + (b.1 - a.1) * f64::from(mhz - a.0) / f64::from(b.0 - a.0)
    }
}

/// Probability that all of `bits` bits are right.
pub(crate) fn all_right(bit_error_rate: f64, bits: f64) -> f64 {
    if bit_error_rate < NO_ERRORS { 1.0 } else { math::exp2(bits * math::log2(1.0 - bit_error_rate)) }
}

/// Bit error rates below this one are none.
pub(crate) const NO_ERRORS: f64 = 1e-12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_its_constants_are_its_own() {
        for (i, row) in TABLE.iter().enumerate() {
            assert_eq!(row.phy as usize, i, "{}", row.name);
            assert_eq!(PhySpec::of(row.phy).name, row.name);
            assert_eq!(row.carrier_to_interferer[0].0, 0);
            assert!(row.carrier_to_interferer.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 > w[1].1));
        }
        let rssi = |f: fn(u64, u64) -> u64| TABLE.iter().map(|r| r.rssi_ns).reduce(f).unwrap();
        assert_eq!(RSSI_RANGE_NS, (rssi(u64::min), rssi(u64::max)));
        assert_eq!(LEAST_SYNC_NS, 8_000);
    }

    #[test]
    fn curves_pass_through_the_reference() {
        for m in [Modulation::Gfsk, Modulation::OqpskDsss] {
            let at = |db: f64| m.bit_error_rate(math::from_db(db));
            let ber = at(m.reference_snr_db());
            assert!((ber / REFERENCE_BER - 1.0).abs() < 0.005, "{m:?}: {ber}");
            assert!((at(-60.0) - 0.5).abs() < 1e-3);
            assert!(at(20.0) < 1e-15);
            let curve: Vec<f64> = (-30..15).map(|db| at(f64::from(db))).collect();
            assert!(curve.windows(2).all(|w| w[1] < w[0]), "{curve:?}");
        }
    }

    #[test]
    fn curves_agree_with_their_formulas() {
        for db in -20..12 {
            let snr = 10f64.powf(f64::from(db) / 10.0);
            let gfsk = Modulation::Gfsk.bit_error_rate(snr);
            assert!((gfsk / (0.5 * (-snr / 2.0).exp()) - 1.0).abs() < 1e-12);
            let choose = |k: u32| (1..=k).fold(1.0, |c, i| c * f64::from(17 - i) / f64::from(i));
            let term =
                |k: u32| (-1f64).powi(k as i32) * choose(k) * (20.0 * snr * (1.0 / f64::from(k) - 1.0)).exp();
            let want = 8.0 / 15.0 / 16.0 * (2..=16).map(term).sum::<f64>();
            let dsss = Modulation::OqpskDsss.bit_error_rate(snr);
            assert!((dsss - want).abs() < 1e-9, "{db} dB: {dsss} {want}");
        }
    }

    #[test]
    fn neighbouring_channels_are_kept_out() {
        let one = PhySpec::of(Phy::Nrf1Mbit);
        let at = |mhz| one.rejection_db(mhz);
        assert_eq!(
            [at(0), at(1), at(2), at(3), at(4), at(6), at(25), at(99)].map(|x| (x * 10.0).round()),
            [120.0, 40.0, -240.0, -300.0, -333.0, -400.0, -500.0, -500.0]
        );
        assert_eq!(PhySpec::of(Phy::Nrf2Mbit).rejection_db(1), 4.0);
    }

    #[test]
    fn bits_are_right_together() {
        assert_eq!(all_right(0.0, 1e6), 1.0);
        assert!((all_right(1e-3, 64.0) - 0.999f64.powi(64)).abs() < 1e-12);
        assert_eq!(all_right(0.5, 3.0), 0.125);
    }
}
