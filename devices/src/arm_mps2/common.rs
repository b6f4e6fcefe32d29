//! What the CMSDK blocks share: identification registers and the down counter behind all three kinds of timer.

use emu_core::{
    regs::{Bank, RegSet},
    time::{Clock, Time},
};
use serde::{Deserialize, Serialize};

/// Fills the identification registers PID4-7, PID0-3 and CID0-3, which lie in this order from 0xfd0. `part` is the
/// low byte of the part number in PID0; the rest is the same in every CMSDK block.
pub fn identify<R: RegSet>(bank: &mut Bank<R>, id: R, part: u32) {
    let values = [4, 0, 0, 0, part, 0xb8, 0x1b, 0, 0x0d, 0xf0, 0x05, 0xb1];
    for (i, v) in values.into_iter().enumerate() {
        bank.put_at(id, i, v);
    }
}

/// Where saved tick numbers end: far enough for every run, near enough that no sum of ticks overflows.
const LAST_TICK: u64 = 1 << 60;

/// A counter that loses one every `div` ticks of a clock. At zero it rests for one period; then it takes `reload`, or
/// stays at zero if there is none. Users pass `div` and `reload` because they are registers; they call
/// [`Counter::sync`] before either changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Counter {
    hz: u64,
    /// The count at `tick`, or while the counter stands.
    value: u32,
    tick: u64,
    running: bool,
}

impl Counter {
    /// A counter that stands at `value`, with a clock of `hz`.
    pub fn new(hz: u64, value: u32) -> Counter {
        Counter { hz, value, tick: 0, running: false }
    }

    /// Its clock.
    pub fn hz(&self) -> u64 {
        self.hz
    }

    fn clock(&self) -> Clock {
        Clock::hz(self.hz)
    }

    fn steps(&self, now: Time, div: u32) -> u64 {
        match self.running {
            true => self.clock().ticks(now).saturating_sub(self.tick) / u64::from(div),
            false => 0,
        }
    }

    /// The count at `now`.
    pub fn value(&self, now: Time, div: u32, reload: Option<u32>) -> u32 {
        after(self.value, self.steps(now, div), reload)
    }

    /// How often it took `reload` since the last [`Counter::sync`] or [`Counter::set`].
    pub fn reloads(&self, now: Time, div: u32, reload: u32) -> u64 {
        reloads(self.value, self.steps(now, div), reload)
    }

    /// Brings the stored count to `now`.
    pub fn sync(&mut self, now: Time, div: u32, reload: Option<u32>) {
        let steps = self.steps(now, div);
        self.value = after(self.value, steps, reload);
        self.tick += steps * u64::from(div);
    }

    /// The count is `value` from the first tick at or after `now`.
    pub fn set(&mut self, now: Time, value: u32) {
        self.value = value;
        self.tick = self.clock().first_tick_at(now);
    }

    /// Starts or stops; call [`Counter::sync`] first.
    pub fn run(&mut self, on: bool, now: Time) {
        if on && !self.running {
            self.set(now, self.value);
        }
        self.running = on;
    }

    /// One step by hand, whatever the clock does; says whether the count became zero.
    pub fn step(&mut self, reload: Option<u32>) -> bool {
        let was = self.value;
        self.value = after(was, 1, reload);
        was == 1
    }

    /// When the count next becomes zero.
    pub fn zero_at(&self, div: u32, reload: Option<u32>) -> Option<Time> {
        let steps = steps_to_zero(self.value, reload).filter(|_| self.running)?;
        Some(self.clock().edge(self.tick + steps * u64::from(div)))
    }

    /// Checks a loaded state.
    pub fn validate(&self) -> Result<(), String> {
        match (1..=1_000_000_000).contains(&self.hz) && self.tick < LAST_TICK {
            true => Ok(()),
            false => Err("a counter without a clock or in the far future".into()),
        }
    }
}

/// The count `steps` steps after it was `value`.
fn after(value: u32, steps: u64, reload: Option<u32>) -> u32 {
    let v = u64::from(value);
    if steps <= v {
        return (v - steps) as u32;
    }
    let Some(reload) = reload else { return 0 };
    let in_period = (steps - v - 1) % (u64::from(reload) + 1);
    (u64::from(reload) - in_period) as u32
}

/// How often the counter took `reload` in the first `steps` steps after it was `value`.
fn reloads(value: u32, steps: u64, reload: u32) -> u64 {
    match steps.checked_sub(u64::from(value) + 1) {
        None => 0,
        Some(past) => 1 + past / (u64::from(reload) + 1),
    }
}

/// Steps from a count of `value` to the next moment at which it becomes zero; `None` if that never happens.
fn steps_to_zero(value: u32, reload: Option<u32>) -> Option<u64> {
    match (value, reload) {
        (0, None | Some(0)) => None,
        (0, Some(reload)) => Some(u64::from(reload) + 1),
        (n, _) => Some(u64::from(n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counter as a circuit: one step.
    fn step(v: u32, reload: Option<u32>) -> u32 {
        if v == 0 { reload.unwrap_or(0) } else { v - 1 }
    }

    #[test]
    fn the_formula_is_the_circuit() {
        for reload in [None, Some(0), Some(1), Some(2), Some(5)] {
            for start in 0..7 {
                let (mut v, mut reloads) = (start, 0);
                for steps in 0..40 {
                    assert_eq!(after(start, steps, reload), v, "{start} {reload:?} {steps}");
                    if let Some(r) = reload {
                        assert_eq!(self::reloads(start, steps, r), reloads, "{start} {r} {steps}");
                    }
                    let zero = steps_to_zero(v, reload);
                    let mut w = v;
                    let found = (1..50u64).find(|_| {
                        let was = w;
                        w = step(w, reload);
                        w == 0 && was != 0
                    });
                    assert_eq!(zero, found, "{v} {reload:?}");
                    reloads += u64::from(v == 0);
                    v = step(v, reload);
                }
            }
        }
        assert_eq!(
            after(u32::MAX, u64::MAX, Some(u32::MAX)),
            after(u32::MAX, u64::MAX % (1 << 32), Some(u32::MAX))
        );
    }

    #[test]
    fn a_divided_counter_keeps_its_phase_over_sync() {
        let mut c = Counter::new(25_000_000, 3);
        c.run(true, Time(40));
        for ns in (0..4000).step_by(7) {
            let now = Time(40 + ns);
            let want = after(3, ns / 640, Some(3));
            assert_eq!(c.value(now, 16, Some(3)), want, "{ns}");
            c.sync(now, 16, Some(3));
        }
        assert_eq!(c.zero_at(16, Some(3)), Some(Time(40 + 7 * 640)));
        c.run(false, Time(4040));
        assert_eq!(c.zero_at(16, Some(3)), None);
    }
}
