//! What the CMSDK blocks share: identification registers and the down counter behind all three kinds of timer.

use emu_core::regs::{Bank, RegSet};
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
pub const LAST_TICK: u64 = 1 << 60;

/// A counter that loses one at each tick. It rests at zero for one tick; what follows is the `reload` its user gives:
/// a new start, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Down {
    /// The count at `tick`.
    pub value: u32,
    /// When it was that, in ticks of the counter's clock.
    pub tick: u64,
}

impl Down {
    /// The count `steps` ticks after [`Down::tick`].
    pub fn after(&self, steps: u64, reload: Option<u32>) -> u32 {
        let v = u64::from(self.value);
        if steps <= v {
            return (v - steps) as u32;
        }
        let Some(reload) = reload else { return 0 };
        let in_period = (steps - v - 1) % (u64::from(reload) + 1);
        (u64::from(reload) - in_period) as u32
    }

    /// How often the counter took `reload` in the first `steps` ticks.
    pub fn reloads(&self, steps: u64, reload: u32) -> u64 {
        match steps.checked_sub(u64::from(self.value) + 1) {
            None => 0,
            Some(past) => 1 + past / (u64::from(reload) + 1),
        }
    }
}

/// Ticks from a count of `value` to the next moment at which the counter becomes zero; `None` if that never happens.
pub fn steps_to_zero(value: u32, reload: Option<u32>) -> Option<u64> {
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
                let down = Down { value: start, tick: 0 };
                let (mut v, mut reloads) = (start, 0);
                for steps in 0..40 {
                    assert_eq!(down.after(steps, reload), v, "{start} {reload:?} {steps}");
                    if let Some(r) = reload {
                        assert_eq!(down.reloads(steps, r), reloads, "{start} {r} {steps}");
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
        let far = Down { value: u32::MAX, tick: 0 };
        assert_eq!(far.after(u64::MAX, Some(u32::MAX)), far.after(u64::MAX % (1 << 32), Some(u32::MAX)));
    }
}
