//! Decisions: who hears an address, which bits arrive wrong, what a measurement shows.

use super::{Decision, Delivery, Ear, Fate, Flight, RadioMedium, Rx, purpose, whole_dbm};
use crate::{
    math,
    phy::{NO_ERRORS, PhySpec, all_right},
};
use emu_core::{
    Time,
    link::{AirEvent, AirFrame, Phy},
};

/// A piece of a frame during which nobody else begins or ends: from, to, weighted interference in milliwatts.
type Piece = (Time, Time, f64);

impl RadioMedium {
    pub(super) fn decide_next(&mut self) {
        let Some((at, decision)) = self.due.pop_first() else { return };
        match decision {
            Decision::Sync(id, delay) => self.decide_sync(id, delay, at),
            Decision::End(id, delay) => self.decide_end(id, delay, at),
        }
    }

    // ---- the address ----

    fn decide_sync(&mut self, id: u64, delay_us: u32, at: Time) {
        let Some(mut f) = self.flights.remove(&id) else { return };
        let noise = self.config.noise_mw(f.frame.phy);
        for i in 0..f.ears.len() {
            let ear = f.ears[i];
            if ear.delay_us != delay_us {
                continue;
            }
            let Some(rx) = self.stations.get(ear.node).and_then(|s| s.rx) else { continue };
            if (rx.mhz, rx.phy) != (f.frame.mhz, f.frame.phy) {
                continue;
            }
            match self.fate_at_sync(id, &f, &ear, rx, noise) {
                Some(fate) => self.seal(&mut f, &ear, fate),
                None => {
                    f.ears[i].lock = Some(rx);
                    self.ready.push(Delivery { at, node: ear.node, event: sync_event(id, &f.frame, &ear) });
                }
            }
        }
        self.flights.insert(id, f);
    }

    /// Notes what became of a frame at a listener.
    fn seal(&mut self, f: &mut Flight, ear: &Ear, fate: Fate) {
        if let Some(s) = self.stations.get_mut(ear.node) {
            s.counters.count(fate);
        }
        if self.derived.log.is_some() {
            f.fates.push((ear.node, whole_dbm(ear.centi_dbm), fate));
        }
    }

    /// Why a listener does not hear the address; `None`: it does.
    fn fate_at_sync(&self, id: u64, f: &Flight, ear: &Ear, rx: Rx, noise: f64) -> Option<Fate> {
        if ear.blocked || self.is_mute(ear.node) {
            return Some(Fate::CutOff);
        }
        if !ear.in_range || self.config.frames_collide() && self.below_sensitivity(ear, f.frame.phy) {
            return Some(Fate::TooWeak);
        }
        if rx.since > f.start + ear.delay() {
            return Some(Fate::CameLate);
        }
        let chance = ear.chance * self.spared(ear.node, f.sync);
        if !f.leaves || !self.lucky(id, ear.node.into(), purpose::BY_CHANCE, chance) {
            return Some(Fate::Unlucky);
        }
        if self.config.frames_collide() {
            let pieces = self.pieces(id, &f.frame, ear.node, (f.start, f.sync));
            return pieces.iter().any(|p| p.2 > 0.0).then_some(Fate::Collision);
        }
        self.address_fate(id, f, ear, noise)
    }

    fn is_mute(&self, node: u32) -> bool {
        self.stations.get(node).is_none_or(|s| s.muted)
    }

    /// Cooja's graph has strengths, so that its receivers have a sensitivity.
    fn below_sensitivity(&self, ear: &Ear, phy: Phy) -> bool {
        !self.config.power_is_ignored() && f64::from(ear.centi_dbm) < 100.0 * self.config.sensitivity_dbm(phy)
    }

    /// Whether every bit of the address is right, by one throw. The same throw tells noise from interference: would it
    /// have succeeded with nobody else on the air?
    fn address_fate(&self, id: u64, f: &Flight, ear: &Ear, noise: f64) -> Option<Fate> {
        let spec = PhySpec::of(f.frame.phy);
        let signal = math::milliwatts(ear.centi_dbm);
        let bits = address_bits(&f.frame);
        let alone = all_right(spec.modulation.bit_error_rate(signal / noise), bits);
        let thrown = self.draw(id, ear.node.into(), purpose::ADDRESS);
        if thrown >= alone {
            return Some(Fate::TooWeak);
        }
        let from = Time(f.sync.0.saturating_sub(bits as u64 * spec.bit_ns)).max(f.start);
        let delay = ear.delay();
        let pieces = self.pieces(id, &f.frame, ear.node, (from + delay, f.sync + delay));
        if pieces.len() == 1 && pieces[0].2 == 0.0 {
            return None;
        }
        let right = |(a, z, mw): &Piece| {
            let bits = z.since(*a) as f64 / spec.bit_ns as f64;
            all_right(spec.modulation.bit_error_rate(signal / (noise + mw)), bits)
        };
        (thrown >= pieces.iter().map(right).product()).then_some(Fate::Collision)
    }

    // ---- the rest ----

    fn decide_end(&mut self, id: u64, delay_us: u32, at: Time) {
        let Some(mut f) = self.flights.remove(&id) else { return };
        let noise = self.config.noise_mw(f.frame.phy);
        for i in 0..f.ears.len() {
            let ear = f.ears[i];
            let Some(rx) = ear.lock.filter(|_| ear.delay_us == delay_us) else { continue };
            if self.is_mute(ear.node) {
                self.seal(&mut f, &ear, Fate::CutOff);
                self.ready.push(Delivery { at, node: ear.node, event: AirEvent::Lost { frame: id } });
                continue;
            }
            if self.stations.get(ear.node).and_then(|s| s.rx) != Some(rx) {
                self.seal(&mut f, &ear, Fate::LeftEarly);
                continue;
            }
            let (bytes, damaged) = self.arrived(id, &f, &ear, noise);
            let fate = if damaged == 0 { Fate::Received } else { Fate::Damaged(damaged) };
            self.seal(&mut f, &ear, fate);
            let event = AirEvent::End { frame: id, bytes, dbm: whole_dbm(ear.centi_dbm) };
            self.ready.push(Delivery { at, node: ear.node, event });
        }
        let last = f.ears.iter().all(|e| e.delay_us <= delay_us);
        self.flights.insert(id, f);
        if last {
            self.finish(id);
        }
    }

    /// The frame's bytes as one receiver hears them, and how many are damaged.
    fn arrived(&self, id: u64, f: &Flight, ear: &Ear, noise: f64) -> (Vec<u8>, u16) {
        let spec = PhySpec::of(f.frame.phy);
        let signal = math::milliwatts(ear.centi_dbm);
        let mut bytes = f.frame.bytes.clone();
        let delay = ear.delay();
        let (sync, silent, end) = (f.sync + delay, f.silent.max(f.sync) + delay, f.end + delay);
        let bit = |t: Time| (t.since(sync) / spec.bit_ns).min(8 * f.frame.bytes.len() as u64);
        let collide = self.config.frames_collide();
        for (i, (a, z, mw)) in self.pieces(id, &f.frame, ear.node, (sync, silent)).into_iter().enumerate() {
            let rate = match collide {
                true if mw > 0.0 => 0.5,
                true => 0.0,
                false => spec.modulation.bit_error_rate(signal / (noise + mw)),
            };
            self.spoil(id, ear.node, i as u64, rate, bit(a)..bit(z), &mut bytes);
            if collide && mw > 0.0 && bytes == f.frame.bytes {
                flip(&mut bytes, bit(a)); // by chance the noise was the frame: it is lost all the same
            }
        }
        self.spoil(id, ear.node, u64::from(u32::MAX) - 1, 0.5, bit(silent)..bit(end), &mut bytes);
        let damaged = bytes.iter().zip(&f.frame.bytes).filter(|(a, b)| a != b).count();
        (bytes, damaged as u16)
    }

    /// Makes bits wrong with a probability, throwing for the distance from one to the next.
    fn spoil(&self, id: u64, node: u32, piece: u64, rate: f64, bits: std::ops::Range<u64>, bytes: &mut [u8]) {
        if rate < NO_ERRORS || bits.is_empty() {
            return;
        }
        let spread = math::log2(1.0 - rate.min(0.5));
        let mut at = bits.start;
        for n in 0.. {
            let thrown = 1.0 - self.draw(id, node.into(), purpose::BITS * (1 + piece) + n); // above 0
            at = at.saturating_add((math::log2(thrown) / spread) as u64);
            if at >= bits.end {
                return;
            }
            flip(bytes, at);
            at += 1;
        }
    }

    // ---- measurements ----

    /// The mean power in dBm that a node measures in a time.
    pub(super) fn measured(&self, node: u32, (start, end): (Time, Time)) -> i8 {
        let mut sum = math::from_db(self.config.noise_floor_dbm) + self.config.ambient_mw();
        let listening = self.stations.get(node).filter(|s| !s.muted).and_then(|s| s.rx);
        if let Some(rx) = listening {
            let weight = |mhz| self.config.rssi_weight(rx.phy, mhz);
            for (from, to, mw) in self.others(u64::MAX, rx.mhz, node, (start, end), weight) {
                sum += mw * to.since(from) as f64 / end.since(start) as f64;
            }
        }
        whole_dbm(math::centi_dbm(sum))
    }

    // ---- interference ----

    /// What `node` has against it on a frequency in a time, but the frame `id`: from, to, weighted milliwatts.
    fn others(
        &self,
        id: u64,
        mhz: u16,
        node: u32,
        (from, to): (Time, Time),
        weight: impl Fn(u16) -> f64,
    ) -> Vec<Piece> {
        let Some(s) = self.stations.get(node) else { return vec![] };
        let (mut all, mut same) = (vec![], None);
        for h in &s.hearing {
            let (a, z) = (h.from.max(from), h.to.min(to));
            if h.id == id || a >= z {
                continue;
            }
            let away = h.mhz.abs_diff(mhz);
            let factor = if away == 0 { *same.get_or_insert_with(|| weight(0)) } else { weight(away) };
            let mw = h.mw * factor;
            if mw > 0.0 {
                all.push((a, z, mw));
            }
        }
        if !self.jammers.is_empty() {
            self.jammed(node, mhz, (from, to), weight, &mut all);
        }
        all
    }

    /// A time cut wherever an interferer begins or ends.
    fn pieces(&self, id: u64, frame: &AirFrame, node: u32, (from, to): (Time, Time)) -> Vec<Piece> {
        let weight = |mhz| self.config.noise_weight(frame.phy, mhz);
        let others = self.others(id, frame.mhz, node, (from, to), weight);
        if others.is_empty() {
            return vec![(from, to, 0.0)];
        }
        let mut marks: Vec<Time> = others.iter().flat_map(|o| [o.0, o.1]).chain([from, to]).collect();
        marks.sort_unstable();
        marks.dedup();
        let piece = |w: &[Time]| {
            let here = others.iter().filter(|o| o.0 <= w[0] && o.1 >= w[1]);
            (w[0], w[1], here.map(|o| o.2).sum())
        };
        marks.windows(2).map(piece).collect()
    }

    // ---- prediction ----

    /// Probability that a frame which `from` sends at `at` arrives whole at `to`, who listens, with nobody else on the
    /// air: chance, shadowing of this pair, bit errors, the mean over fading. A scenario can hold its delivery ratio
    /// against it.
    pub fn delivery_probability(&self, from: u32, to: u32, frame: &AirFrame, at: Time) -> f64 {
        let (Some(s), Some(path)) = (self.stations.get(from), self.way(from, to, at)) else { return 0.0 };
        let apart = self.stations.get(to).is_none_or(|r| r.group != s.group || r.muted);
        if s.muted || apart || !path.in_range {
            return 0.0;
        }
        let dbm = match self.config.power_is_ignored() {
            true => f64::from(path.centi_db) / 100.0,
            false => f64::from(path.centi_db) / 100.0 + f64::from(frame.dbm) + s.offset_db,
        };
        self.config.tx_chance()
            * path.chance
            * self.spared(to, at)
            * self.config.delivery_probability(dbm, frame.phy, address_bits(frame) + payload_bits(frame))
    }
}

impl crate::RadioConfig {
    /// Probability that `bits` bits of a signal of `dbm` arrive right when nobody interferes: the mean over fading.
    pub fn delivery_probability(&self, dbm: f64, phy: Phy, bits: f64) -> f64 {
        let right = |dbm: f64| {
            if dbm < self.cut_dbm(phy) {
                0.0
            } else if self.frames_collide() {
                f64::from(u8::from(self.power_is_ignored() || dbm >= self.sensitivity_dbm(phy)))
            } else {
                all_right(self.bit_error_rate(phy, dbm), bits)
            }
        };
        if self.most_fading() == 0 {
            return right(dbm);
        }
        // The normal distribution in steps of a hundredth of its deviation.
        let steps = (-300..=300).map(|i| f64::from(i) / 100.0);
        let (sum, weight) = steps.fold((0.0, 0.0), |(sum, weight), z| {
            let density = math::exp(-0.5 * z * z);
            (sum + density * right(dbm + z * self.fading_db), weight + density)
        });
        sum / weight
    }
}

fn sync_event(id: u64, frame: &AirFrame, ear: &Ear) -> AirEvent {
    AirEvent::Sync {
        frame: id,
        address: frame.address,
        address_len: frame.address_len,
        dbm: whole_dbm(ear.centi_dbm),
        bytes: frame.bytes.len() as u16,
    }
}

/// Bits that must be right for the address to be heard.
fn address_bits(frame: &AirFrame) -> f64 {
    f64::from(8 * u32::from(frame.address_len)).max(f64::from(PhySpec::of(frame.phy).address_bits))
}

fn payload_bits(frame: &AirFrame) -> f64 {
    let ns = u64::from(frame.total_ns.saturating_sub(frame.sync_ns));
    (ns / PhySpec::of(frame.phy).bit_ns).min(8 * frame.bytes.len() as u64) as f64
}

fn flip(bytes: &mut [u8], bit: u64) {
    if let Some(b) = bytes.get_mut(bit as usize / 8) {
        *b ^= 1 << (bit % 8);
    }
}
