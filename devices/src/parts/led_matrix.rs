//! The 5x5 LED matrix of the BBC micro:bit v1: electrically three rows by nine columns (schematic v1.5).
//!
//! What a person sees is the share of the last [`WINDOW_NS`] in which an LED was lit, integrated exactly over the
//! pins' edges. An LED lit in one of the three rows' turns has full brightness.
//!
//! ## Pins
//! In: 0-2 rows (anodes, P0.13-P0.15 on the board), 3-11 columns (cathodes, P0.04-P0.12).

use emu_core::{
    Time,
    device::{Cx, Device, Pin, ResetKind, View},
    regs::{Bank, NoRegs},
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Persistence of vision in nanoseconds.
pub const WINDOW_NS: u64 = 20_000_000;

const ROWS: Pin = 3;
const COLUMNS: Pin = 9;
const SIDE: usize = 5;
const NONE: (u8, u8) = (0xff, 0xff);
/// `(x, y)` of the LED at each row and column; two places in the second row are empty.
const PLACES: [[(u8, u8); COLUMNS as usize]; ROWS as usize] = [
    [(0, 0), (2, 0), (4, 0), (4, 3), (3, 3), (2, 3), (1, 3), (0, 3), (1, 2)],
    [(4, 2), (0, 2), (2, 2), (1, 0), (3, 0), (3, 4), (1, 4), NONE, NONE],
    [(2, 4), (4, 4), (0, 4), (0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (3, 2)],
];

/// The LED matrix.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LedMatrix {
    bank: Bank<NoRegs>,
    /// Levels of the input pins.
    pins: u16,
    /// Since when which LEDs are lit (bit y * 5 + x); what ended before the window is forgotten.
    history: VecDeque<(Time, u32)>,
}

impl LedMatrix {
    /// A dark matrix.
    pub fn new() -> LedMatrix {
        LedMatrix::default()
    }

    /// LEDs with a high row and a low column.
    fn lit(&self) -> u32 {
        let mut lit = 0;
        let on = PLACES.iter().enumerate().filter(|(r, _)| self.pins >> r & 1 != 0);
        for (_, places) in on {
            for (column, &(x, y)) in places.iter().enumerate() {
                if x != NONE.0 && self.pins >> (usize::from(ROWS) + column) & 1 == 0 {
                    lit |= 1 << (usize::from(y) * SIDE + usize::from(x));
                }
            }
        }
        lit
    }

    fn note(&mut self, now: Time) {
        let lit = self.lit();
        match self.history.back_mut() {
            Some((at, last)) if *at == now => *last = lit,
            Some((_, last)) if *last == lit => return,
            _ => self.history.push_back((now, lit)),
        }
        // The entry before the window's start still tells what was lit at its start.
        while self.history.len() > 1 && self.history[1].0 + WINDOW_NS <= now {
            self.history.pop_front();
        }
    }

    /// How long each LED was lit in the window that ends at `now`, in nanoseconds.
    fn lit_time(&self, now: Time) -> [u64; SIDE * SIDE] {
        let mut sum = [0; SIDE * SIDE];
        let begin = Time(now.0.saturating_sub(WINDOW_NS));
        let ends = self.history.iter().skip(1).map(|e| e.0).chain([now]);
        for (&(from, lit), end) in self.history.iter().zip(ends) {
            let ns = end.min(now).since(from.max(begin));
            sum.iter_mut().enumerate().filter(|(i, _)| lit >> i & 1 != 0).for_each(|(_, s)| *s += ns);
        }
        sum
    }
}

impl Device for LedMatrix {
    type Reg = NoRegs;
    const KIND: &'static str = "microbit,led-matrix";
    const NOT_MODELLED: &'static [&'static str] = &[
        "a column pin that floats counts as low",
        "drive strength: several LEDs in a row do not dim each other",
        "the LEDs as light sensors",
    ];

    fn bank(&mut self) -> &mut Bank<NoRegs> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, _: &mut Cx) {}

    fn wire_in(&mut self, pin: Pin, level: bool, cx: &mut Cx) {
        if pin < ROWS + COLUMNS {
            self.pins = self.pins & !(1 << pin) | u16::from(level) << pin;
            let now = cx.now();
            self.note(now);
        }
    }

    fn view(&self, now: Time) -> Option<View> {
        let full = WINDOW_NS / u64::from(ROWS);
        let level = |ns: u64| (ns.min(full) * 255 / full) as u8;
        Some(View::Leds { width: SIDE as u16, levels: self.lit_time(now).map(level).to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, LedMatrix::new());

    fn levels(b: &Bench) -> Vec<u8> {
        match b.view() {
            Some(View::Leds { width: 5, levels }) => levels,
            other => panic!("{other:?}"),
        }
    }

    /// All columns high, all rows low.
    fn dark() -> Bench {
        let mut b = Bench::new(LedMatrix::new());
        for pin in ROWS..ROWS + COLUMNS {
            b.set_pin(pin, true);
        }
        b
    }

    #[test]
    fn every_led_has_one_place() {
        let mut seen = [0; 25];
        for &(x, y) in PLACES.iter().flatten().filter(|p| **p != NONE) {
            seen[usize::from(y) * 5 + usize::from(x)] += 1;
        }
        assert_eq!(seen, [1; 25]);
    }

    #[test]
    fn a_lamp_needs_a_high_row_and_a_low_column() {
        let mut b = dark();
        b.set_pin(1, true);
        b.advance(WINDOW_NS);
        assert_eq!(levels(&b), [0; 25]);
        b.set_pin(ROWS + 2, false); // row 2, column 3: the middle
        b.advance(WINDOW_NS);
        let mut want = [0; 25];
        want[12] = 255;
        assert_eq!(levels(&b), want);
        b.set_pin(1, false);
        b.advance(WINDOW_NS);
        assert_eq!(levels(&b), [0; 25]);
    }

    #[test]
    fn a_scan_of_three_rows_looks_steady_and_duty_is_brightness() {
        let mut b = dark();
        for _ in 0..40 {
            for row in 0..3 {
                b.set_pin(ROWS, false); // column 1 of every row
                b.set_pin(row, true);
                b.advance(1_000_000);
                b.set_pin(ROWS, true);
                b.advance(1_000_000);
                b.set_pin(row, false);
            }
        }
        let seen = levels(&b);
        // Each is lit 1 ms of 6: half of a row's turn, up to the edge of the window.
        for led in [0, 14, 22] {
            assert!((110..=160).contains(&seen[led]), "{seen:?}");
        }
        assert_eq!(seen.iter().filter(|v| **v != 0).count(), 3);
    }

    #[test]
    fn the_integral_is_exact() {
        let mut b = dark();
        b.advance(WINDOW_NS);
        b.set_pin(ROWS, false);
        b.set_pin(0, true);
        b.advance(WINDOW_NS / 3 / 5);
        b.set_pin(0, false);
        b.advance(1_000_000);
        assert_eq!(levels(&b)[0], 51 - 1); // a fifth of a turn; the ends round down
    }
}
