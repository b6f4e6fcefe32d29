//! APB dual-input timers (DDI0479, 4.4): two down counters of 16 or 32 bits with prescalers, free-running, periodic
//! or one-shot. The same programmer's model as Arm's SP804.
//!
//! A counter rests at zero for one period and then takes its top value (free-running) or LOAD (periodic), or stays
//! (one-shot). The interrupt comes when it becomes zero.
//!
//! ## Parameters
//! `clock`: TIMCLK, always enabled.
//!
//! ## Pins
//! Out: [`TIMINTC`], and [`TIMINT1`] and [`TIMINT2`] of which it is the OR.

use super::common::{self, Counter};
use emu_core::{
    device::{Cx, Device, Pin, ResetKind},
    events::Tag,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 4-6. The registers of both timers lie 0x20 apart.
    pub enum Reg {
        /// What the counter takes after zero when periodic; a write sets the count too.
        Load @ 0x000 [2, 0x20] rw,
        /// The count.
        Value @ 0x004 [2, 0x20] ro reset 0xffff_ffff,
        /// Mode and enables.
        Control @ 0x008 [2, 0x20] rw reset 0x20 mask 0xef {
            ONESHOT: 0..1, SIZE: 1..2, PRESCALE: 2..4, INTEN: 5..6, PERIODIC: 6..7, ENABLE: 7..8,
        },
        /// Any write clears the interrupt.
        Intclr @ 0x00c [2, 0x20] wo,
        /// Interrupt before the enable.
        Ris @ 0x010 [2, 0x20] ro,
        /// Interrupt behind the enable.
        Mis @ 0x014 [2, 0x20] ro,
        /// LOAD without its effect on the count.
        Bgload @ 0x018 [2, 0x20] rw,
        /// Integration test: ITOP drives the interrupts.
        Itcr @ 0xf00 rw mask 0x1,
        /// Integration test outputs.
        Itop @ 0xf04 wo mask 0x3,
        /// PID4-7, PID0-3, CID0-3.
        Id @ 0xfd0 [12, 4] ro,
    }
}

/// Either timer's interrupt.
pub const TIMINTC: Pin = 0;
/// Timer 1's interrupt.
pub const TIMINT1: Pin = 1;
/// Timer 2's interrupt.
pub const TIMINT2: Pin = 2;
const PART: u32 = 0x23;

const ONESHOT: u32 = 1 << 0;
const SIZE: u32 = 1 << 1;
const PRESCALE: u32 = 3 << 2;
const INTEN: u32 = 1 << 5;
const PERIODIC: u32 = 1 << 6;
const ENABLE: u32 = 1 << 7;

/// One of the two.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Unit {
    /// CONTROL as it was at the last change: the bank has the new value first.
    control: u32,
    load: u32,
    /// The low half of the count in 16-bit mode, else all of it.
    count: Counter,
    /// The other half.
    high: u32,
    ris: bool,
}

impl Unit {
    fn new(hz: u64) -> Unit {
        let mut unit =
            Unit { control: 0, load: 0, count: Counter::new(hz, 0xffff), high: 0xffff_0000, ris: false };
        unit.control = INTEN;
        unit
    }

    fn mask(&self) -> u32 {
        if self.control & SIZE != 0 { u32::MAX } else { 0xffff }
    }

    fn div(&self) -> u32 {
        match self.control >> 2 & 3 {
            0 => 1,
            1 => 16,
            _ => 256,
        }
    }

    fn reload(&self) -> Option<u32> {
        match self.control {
            c if c & ONESHOT != 0 => None,
            c if c & PERIODIC != 0 => Some(self.load & self.mask()),
            _ => Some(self.mask()),
        }
    }

    fn value(&self, cx: &mut Cx) -> u32 {
        self.high | self.count.value(cx.now(), self.div(), self.reload())
    }

    fn sync(&mut self, cx: &mut Cx) {
        self.count.sync(cx.now(), self.div(), self.reload());
    }

    /// The count is `value` from now on.
    fn set(&mut self, value: u32, cx: &mut Cx) {
        self.high = value & !self.mask();
        self.count.set(cx.now(), value & self.mask());
    }

    fn write_control(&mut self, v: u32, cx: &mut Cx) {
        self.sync(cx);
        // Another size or prescaler: the count goes on from here, and a new period of the prescaler begins.
        let reshaped = (self.control ^ v) & (SIZE | PRESCALE) != 0;
        let value = self.value(cx);
        self.control = v;
        if reshaped {
            self.set(value, cx);
        }
    }

    fn write_load(&mut self, v: u32, cx: &mut Cx) {
        self.load = v;
        self.set(v, cx);
        // "If TimerXLoad is set to 0 then an interrupt is generated immediately" (SP804 TRM, 3.3.1).
        self.ris |= v & self.mask() == 0 && self.control & ENABLE != 0;
    }

    /// Starts, stops and schedules.
    fn restart(&mut self, tag: Tag, cx: &mut Cx) {
        self.count.run(self.control & ENABLE != 0, cx.now());
        match self.count.zero_at(self.div(), self.reload()) {
            Some(at) => cx.at(at, tag),
            None => cx.cancel(tag),
        }
    }
}

/// The CMSDK dual timer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DualTimer {
    bank: Bank<Reg>,
    units: [Unit; 2],
    itop: u32,
}

impl DualTimer {
    /// A dual timer whose TIMCLK has `hz`.
    pub fn new(hz: u64) -> DualTimer {
        let mut bank = Bank::default();
        common::identify(&mut bank, Reg::Id, PART);
        DualTimer { bank, units: [Unit::new(hz); 2], itop: 0 }
    }

    /// Shows each unit in its registers and drives the interrupts.
    fn update(&mut self, cx: &mut Cx) {
        let test = self.bank.reg(Reg::Itcr) != 0;
        let mut any = false;
        for (i, unit) in self.units.iter().enumerate() {
            let masked = unit.ris && unit.control & INTEN != 0;
            self.bank.put_at(Reg::Load, i, unit.load);
            self.bank.put_at(Reg::Bgload, i, unit.load);
            self.bank.put_at(Reg::Ris, i, u32::from(unit.ris));
            self.bank.put_at(Reg::Mis, i, u32::from(masked));
            let level = if test { self.itop >> i & 1 != 0 } else { masked };
            cx.wire(TIMINT1 + i as Pin, level);
            any |= level;
        }
        cx.wire(TIMINTC, any);
    }
}

impl Device for DualTimer {
    type Reg = Reg;
    const KIND: &'static str = "arm,cmsdk-dualtimer";
    const NOT_MODELLED: &'static [&'static str] = &[
        "TIMCLKEN1 and TIMCLKEN2, the enables of the clock",
        "CONTROL.PRESCALE 3, which is undefined, divides by 256",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        *self = DualTimer::new(self.units[0].count.hz());
        self.update(cx);
    }

    fn read(&mut self, r: Reg, i: usize, cx: &mut Cx) -> u32 {
        match r {
            Reg::Value => self.units[i].value(cx),
            _ => self.bank.at(r, i),
        }
    }

    fn write(&mut self, r: Reg, i: usize, v: u32, cx: &mut Cx) {
        match r {
            Reg::Load => self.units[i].write_load(v, cx),
            Reg::Bgload => {
                self.units[i].sync(cx);
                self.units[i].load = v;
            }
            Reg::Control => {
                if v >> 2 & 3 == 3 {
                    cx.guest_error("dual timer: prescaler 3 is undefined");
                }
                self.units[i].write_control(v, cx);
            }
            Reg::Intclr => self.units[i].ris = false,
            Reg::Itop => self.itop = v,
            _ => {}
        }
        if matches!(r, Reg::Load | Reg::Bgload | Reg::Control) {
            self.units[i].restart(i as Tag, cx);
        }
        self.update(cx);
    }

    fn event(&mut self, tag: Tag, cx: &mut Cx) {
        if let Some(unit) = self.units.get_mut(usize::from(tag)) {
            unit.sync(cx);
            unit.ris = true;
            unit.restart(tag, cx);
            self.update(cx);
        }
    }

    fn validate(&self) -> Result<(), String> {
        self.units.iter().try_for_each(|u| u.count.validate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_core::time::Time;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, DualTimer::new(25_000_000));

    fn bench() -> Bench {
        Bench::new(DualTimer::new(25_000_000))
    }

    fn rises(b: &mut Bench, pin: Pin) -> Vec<Time> {
        b.edges().into_iter().filter(|e| e.1 == pin && e.2).map(|e| e.0).collect()
    }

    /// Lets `n` periods of `ns` pass and clears the interrupt after each.
    fn serve(b: &mut Bench, n: u32, ns: u64) {
        for _ in 0..n {
            b.advance(ns);
            b.set(Reg::Intclr, 0, 1);
            b.set(Reg::Intclr, 1, 1);
        }
    }

    #[test]
    fn reset_state() {
        let mut b = bench();
        for i in 0..2 {
            assert_eq!(b.get(Reg::Value, i), u32::MAX);
            assert_eq!((b.get(Reg::Control, i), b.get(Reg::Load, i)), (0x20, 0));
        }
        b.advance(1_000_000);
        assert_eq!(b.get(Reg::Value, 0), u32::MAX);
    }

    #[test]
    fn periodic_mode_takes_load_plus_one_periods() {
        let mut b = bench();
        b.set(Reg::Load, 0, 9);
        b.set(Reg::Control, 0, ENABLE | PERIODIC | INTEN | SIZE);
        serve(&mut b, 5, 240);
        assert_eq!(rises(&mut b, TIMINTC), [Time(360), Time(760), Time(1160)]);
        assert_eq!(b.get(Reg::Value, 0), 9);
    }

    #[test]
    fn the_prescaler_divides_by_16_and_256() {
        for (bits, div) in [(1, 16), (2, 256)] {
            let mut b = bench();
            b.set(Reg::Load, 1, 3);
            b.set(Reg::Control, 1, ENABLE | PERIODIC | INTEN | bits << 2);
            serve(&mut b, 8, 40 * div);
            assert_eq!(rises(&mut b, TIMINT2), [Time(120 * div), Time(280 * div)]);
            assert!(rises(&mut b, TIMINT1).is_empty());
        }
    }

    #[test]
    fn a_free_running_counter_wraps_at_its_size() {
        let mut b = bench();
        b.set(Reg::Load, 0, 0x1234_0002);
        b.set(Reg::Control, 0, ENABLE | INTEN);
        b.advance(80);
        assert_eq!((b.pin(TIMINT1), b.get(Reg::Value, 0)), (true, 0x1234_0000));
        b.advance(40);
        assert_eq!(b.get(Reg::Value, 0), 0x1234_ffff);
        b.set(Reg::Load, 0, 1);
        b.set(Reg::Control, 0, ENABLE | INTEN | SIZE);
        b.advance(80);
        assert_eq!(b.get(Reg::Value, 0), u32::MAX);
    }

    #[test]
    fn one_shot_halts_at_zero_until_it_is_loaded() {
        let mut b = bench();
        b.set(Reg::Load, 0, 5);
        b.set(Reg::Control, 0, ENABLE | PERIODIC | INTEN | SIZE | ONESHOT);
        serve(&mut b, 10, 200);
        assert_eq!((b.get(Reg::Value, 0), b.now()), (0, Time(2000)));
        b.set(Reg::Load, 0, 5);
        serve(&mut b, 10, 200);
        assert_eq!(rises(&mut b, TIMINT1), [Time(200), Time(2200)]);
        // Clearing one-shot sets it going again: it takes LOAD.
        b.set(Reg::Control, 0, ENABLE | PERIODIC | INTEN | SIZE);
        b.advance(40);
        assert_eq!(b.get(Reg::Value, 0), 5);
    }

    #[test]
    fn background_load_waits_for_zero() {
        let mut b = bench();
        b.set(Reg::Load, 0, 9);
        b.set(Reg::Control, 0, ENABLE | PERIODIC | INTEN | SIZE);
        b.advance(120);
        b.set(Reg::Bgload, 0, 1);
        assert_eq!((b.get(Reg::Value, 0), b.get(Reg::Load, 0), b.get(Reg::Bgload, 0)), (6, 1, 1));
        serve(&mut b, 4, 80);
        assert_eq!(rises(&mut b, TIMINTC), [Time(360), Time(440)]);
    }

    #[test]
    fn raw_and_masked_status() {
        let mut b = bench();
        b.set(Reg::Load, 0, 1);
        b.set(Reg::Control, 0, ENABLE | PERIODIC | SIZE);
        b.advance(40);
        assert_eq!((b.get(Reg::Ris, 0), b.get(Reg::Mis, 0), b.pin(TIMINTC)), (1, 0, false));
        b.set(Reg::Control, 0, PERIODIC | SIZE | INTEN);
        assert_eq!((b.get(Reg::Mis, 0), b.pin(TIMINTC), b.pin(TIMINT2)), (1, true, false));
        b.set(Reg::Intclr, 0, 0);
        assert_eq!((b.get(Reg::Ris, 0), b.pin(TIMINTC)), (0, false));
    }

    #[test]
    fn loading_zero_interrupts_at_once() {
        let mut b = bench();
        b.set(Reg::Control, 0, ENABLE | PERIODIC | INTEN | SIZE);
        b.set(Reg::Load, 0, 0);
        assert!(b.pin(TIMINT1));
        serve(&mut b, 3, 1000);
        assert_eq!((b.pin(TIMINT1), b.get(Reg::Value, 0)), (false, 0));
    }

    #[test]
    fn the_integration_test_drives_the_outputs() {
        let mut b = bench();
        b.set(Reg::Itcr, 0, 1);
        b.set(Reg::Itop, 0, 2);
        assert_eq!((b.pin(TIMINT1), b.pin(TIMINT2), b.pin(TIMINTC)), (false, true, true));
        b.set(Reg::Itcr, 0, 0);
        assert!(!b.pin(TIMINTC));
    }
}
