//! POWER (chapter 11), CLOCK (chapter 12) and the memory protection unit MPU (chapter 8): three blocks in one address
//! window with one interrupt.
//!
//! ## Pins
//! Out: [`IRQ`](super::common::IRQ); [`LFCLK`], high while the low-frequency clock runs: the RTCs and the watchdog
//! count from its rising edge; [`POWER_FAIL`], high while the power-fail comparator is on and the supply is below its
//! threshold: the flash takes no writes then (11.1.5). In: [`DETECT`], which wakes the chip from System OFF.
//!
//! ## Inputs
//! `supply` in millivolts, 3300 until set. It stays over resets. Below the brown-out threshold the chip loses what it
//! holds as at a power cut, and stays in reset until the supply is back.

use super::common::{self, Block, raise, update_irq};
use emu_core::{
    device::{Cx, Device, InputState, Pin, ResetKind},
    events::Tag,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Tables 21, 34 and 60.
    pub enum Reg {
        /// Start the 16 MHz crystal oscillator.
        TasksHfclkstart @ 0x000 task,
        /// Stop it.
        TasksHfclkstop @ 0x004 task,
        /// Start the low-frequency clock.
        TasksLfclkstart @ 0x008 task,
        /// Stop it.
        TasksLfclkstop @ 0x00c task,
        /// Calibrate the RC oscillator.
        TasksCal @ 0x010 task,
        /// Start the calibration timer.
        TasksCtstart @ 0x014 task,
        /// Stop it.
        TasksCtstop @ 0x018 task,
        /// Constant latency mode.
        TasksConstlat @ 0x078 task,
        /// Low power mode.
        TasksLowpwr @ 0x07c task,
        /// The crystal oscillator runs.
        EventsHfclkstarted @ 0x100 event,
        /// The low-frequency clock runs.
        EventsLfclkstarted @ 0x104 event,
        /// The supply is below the power-fail threshold.
        EventsPofwarn @ 0x108 event,
        /// Calibration done.
        EventsDone @ 0x10c event,
        /// Calibration timer ran out.
        EventsCtto @ 0x110 event,
        /// Enable interrupts.
        Intenset @ 0x304 w1s mask 0x1f,
        /// Disable interrupts.
        Intenclr @ 0x308 w1c mask 0x1f,
        /// Why the chip was reset (11.1.10).
        Resetreas @ 0x400 w1c mask 0x7000f,
        /// HFCLKSTART was triggered.
        Hfclkrun @ 0x408 ro,
        /// Source and state of the high-frequency clock.
        Hfclkstat @ 0x40c ro reset 0x10000 { SRC: 0..1 },
        /// LFCLKSTART was triggered.
        Lfclkrun @ 0x414 ro,
        /// Source and state of the low-frequency clock.
        Lfclkstat @ 0x418 ro { SRC: 0..2, STATE: 16..17 },
        /// LFCLKSRC when LFCLKSTART was triggered.
        Lfclksrccopy @ 0x41c ro,
        /// RAM blocks that are on.
        Ramstatus @ 0x428 ro reset 0x3,
        /// Enter System OFF.
        Systemoff @ 0x500 wo mask 0x1,
        /// Power-fail comparator.
        Pofcon @ 0x510 rw mask 0x7 { POF: 0..1, THRESHOLD: 1..3 },
        /// Source of the low-frequency clock: 0 RC, 1 crystal, 2 synthesised.
        Lfclksrc @ 0x518 rw mask 0x3,
        /// Kept over resets.
        Gpregret @ 0x51c rw mask 0xff,
        /// RAM blocks 0 and 1.
        Ramon @ 0x524 rw reset 0x3 mask 0x30003,
        /// MPU: which peripherals are in region 0.
        Perr0 @ 0x528 rw mask 0xc00fffdf,
        /// MPU: length of RAM region 0.
        Rlenr0 @ 0x52c rw,
        /// Interval of the calibration timer in units of 0.25 s.
        Ctiv @ 0x538 rw mask 0x7f,
        /// The reset pin works in debug mode too.
        Reset @ 0x544 rw mask 0x1,
        /// 0xFF: 16 MHz crystal, 0: 32 MHz.
        Xtalfreq @ 0x550 rw reset 0xff mask 0xff,
        /// RAM blocks 2 and 3.
        Ramonb @ 0x554 rw reset 0x3 mask 0x30003,
        /// DC/DC converter.
        Dcdcen @ 0x578 rw mask 0x1,
        /// MPU: write protection of flash blocks 0 to 31; cleared by reset only.
        Protenset0 @ 0x600 w1s,
        /// MPU: write protection of flash blocks 32 to 63.
        Protenset1 @ 0x604 w1s,
        /// MPU: no write protection in debug mode.
        Disableindebug @ 0x608 rw reset 0x1 mask 0x1,
        /// MPU: size of a protection block.
        Protblocksize @ 0x60c rw mask 0x3,
        /// DC/DC converter override.
        Dcdcforce @ 0xa08 rw mask 0x3,
    }
}

impl Block for Reg {
    const INTENSET: Reg = Reg::Intenset;
    const INTENCLR: Reg = Reg::Intenclr;
}

/// Output: the low-frequency clock runs.
pub const LFCLK: Pin = 33;
/// Output: the supply is below the power-fail comparator's threshold.
pub const POWER_FAIL: Pin = 34;
/// Input: GPIO's DETECT signal.
pub const DETECT: Pin = 0;

const HF_STARTED: Tag = 0;
const LF_STARTED: Tag = 1;
const CAL_DONE: Tag = 2;
const CAL_TIMEOUT: Tag = 3;

// Start-up times: nRF51822 product specification v3.1, section 8.1.
const HF_START_NS: u64 = 400_000;
const LF_RC_START_NS: u64 = 390_000;
const LF_XTAL_START_NS: u64 = 300_000_000;
const LF_SYNTH_START_NS: u64 = 100_000;
const CAL_NS: u64 = 16_000_000;
const CTIV_NS: u64 = 250_000_000;

/// The supply until somebody sets it, and the highest the chip bears (product specification v3.1, chapter 6).
const SUPPLY_MV: u16 = 3_300;
const SUPPLY_MOST_MV: i64 = 3_900;
/// Brown-out reset (11.1.4): the top of its range, so that nothing runs below what the chip is specified for.
const BROWN_OUT_MV: u16 = 1_700;
/// Power-fail thresholds by POFCON.THRESHOLD, and how much more it takes to be above again (product specification
/// v3.1, table 19).
const POWER_FAIL_MV: [(u16, u16); 4] = [(2_100, 46), (2_300, 62), (2_500, 79), (2_700, 100)];

const REASON_PIN: u32 = 1 << 0;
const REASON_DOG: u32 = 1 << 1;
const REASON_SREQ: u32 = 1 << 2;
const REASON_LOCKUP: u32 = 1 << 3;
const REASON_OFF: u32 = 1 << 16;

/// POWER, CLOCK and MPU.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PowerClock {
    bank: Bank<Reg>,
    /// In System OFF, or waking from it.
    off: bool,
    detect: bool,
    /// Supply in millivolts.
    supply: u16,
    /// The power-fail comparator is on and sees too little.
    failing: bool,
}

impl Default for PowerClock {
    fn default() -> Self {
        let bank = Bank::default();
        PowerClock { bank, off: false, detect: false, supply: SUPPLY_MV, failing: false }
    }
}

impl PowerClock {
    /// The three blocks after power-on.
    pub fn new() -> PowerClock {
        PowerClock::default()
    }

    /// The power-fail comparator looks at the supply (11.1.5).
    fn compare(&mut self, cx: &mut Cx) {
        let (threshold, more) = POWER_FAIL_MV[self.bank.get(&Pofcon::THRESHOLD) as usize & 3];
        let least = if self.failing { threshold + more } else { threshold };
        let failing = self.bank.is(&Pofcon::POF) && self.supply < least;
        if failing && !self.failing {
            raise(&mut self.bank, Reg::EventsPofwarn, 0, cx);
        }
        self.failing = failing;
        cx.wire(POWER_FAIL, failing);
    }

    fn set_supply(&mut self, mv: u16, cx: &mut Cx) {
        let was_out = std::mem::replace(&mut self.supply, mv) < BROWN_OUT_MV;
        if was_out != (mv < BROWN_OUT_MV) {
            return cx.reset_machine(ResetKind::PowerOn);
        }
        if !self.off && !was_out {
            self.compare(cx);
        }
    }

    fn start_lfclk(&mut self, cx: &mut Cx) {
        if self.bank.reg(Reg::Lfclkrun) != 0 {
            // What runs already has started: S110 and Espruino wait for the event again.
            if self.bank.is(&Lfclkstat::STATE) {
                cx.after(0, LF_STARTED);
            }
            return;
        }
        let src = self.bank.reg(Reg::Lfclksrc);
        self.bank.put(Reg::Lfclkrun, 1);
        self.bank.put(Reg::Lfclksrccopy, src);
        let ns = match src {
            0 => LF_RC_START_NS,
            1 => LF_XTAL_START_NS,
            _ => LF_SYNTH_START_NS,
        };
        cx.after(ns, LF_STARTED);
    }

    fn stop_lfclk(&mut self, cx: &mut Cx) {
        self.bank.put(Reg::Lfclkrun, 0);
        self.bank.put(Reg::Lfclkstat, 0);
        cx.cancel(LF_STARTED);
        cx.wire(LFCLK, false);
    }

    fn calibrate(&mut self, cx: &mut Cx) {
        let rc_runs = self.bank.reg(Reg::Lfclkstat) == 1 << 16;
        if !rc_runs || self.bank.reg(Reg::Hfclkstat) & 1 == 0 {
            return cx.guest_error("CAL needs the crystal HFCLK and the RC LFCLK running");
        }
        cx.after(CAL_NS, CAL_DONE);
    }

    fn system_off(&mut self, cx: &mut Cx) {
        self.off = true;
        if self.detect {
            return self.wake(cx);
        }
        for tag in [HF_STARTED, LF_STARTED, CAL_DONE, CAL_TIMEOUT] {
            cx.cancel(tag);
        }
        self.stop_lfclk(cx);
        cx.stall_cpus(u64::MAX);
    }

    fn wake(&mut self, cx: &mut Cx) {
        cx.reset_machine(ResetKind::Pin);
    }
}

impl Device for PowerClock {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-power-clock";
    const VERSION: u16 = 2;
    const NOT_MODELLED: &'static [&'static str] = &[
        "what a low supply does to clocks, radio and pins; the supply's ripple",
        "RAM blocks that are switched off keep their content and answer",
        "System OFF stops the CPU and the clocks; other blocks go on with what they had begun",
        "MPU: PERR0, RLENR0 and PROTENSET are storage, nothing is protected",
        "inaccuracy of the oscillators: calibration changes nothing",
        "XTALFREQ: the crystal is 16 MHz",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, kind: ResetKind, cx: &mut Cx) {
        let reason = match kind {
            ResetKind::PowerOn => 0,
            ResetKind::Pin if self.off => REASON_OFF,
            ResetKind::Pin => REASON_PIN,
            ResetKind::Soft => REASON_SREQ,
            ResetKind::Watchdog => REASON_DOG,
            ResetKind::Lockup => REASON_LOCKUP,
        };
        let (reasons, kept) = (self.bank.reg(Reg::Resetreas), self.bank.reg(Reg::Gpregret));
        *self = PowerClock { detect: self.detect, supply: self.supply, ..PowerClock::default() };
        if kind != ResetKind::PowerOn {
            self.bank.put(Reg::Resetreas, reasons | reason);
            self.bank.put(Reg::Gpregret, kept);
        }
        cx.wire(LFCLK, false);
        cx.wire(POWER_FAIL, false);
        update_irq(&self.bank, cx);
        if self.supply < BROWN_OUT_MV {
            cx.stall_cpus(u64::MAX); // the supply's return is the next reset
        }
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        if common::write_common(&mut self.bank, r, cx) {
            return;
        }
        match r {
            Reg::Systemoff if v == 1 => self.system_off(cx),
            Reg::Pofcon => self.compare(cx),
            Reg::Ramon | Reg::Ramonb if v & 3 != 3 => cx.unimplemented("RAM switched off keeps its content"),
            Reg::Protenset0 | Reg::Protenset1 if v != 0 => cx.unimplemented("flash block protection"),
            _ => {}
        }
    }

    fn task(&mut self, r: Reg, _: usize, cx: &mut Cx) {
        match r {
            Reg::TasksHfclkstart if self.bank.reg(Reg::Hfclkrun) == 0 => {
                self.bank.put(Reg::Hfclkrun, 1);
                cx.after(HF_START_NS, HF_STARTED);
            }
            Reg::TasksHfclkstart if self.bank.is(&Hfclkstat::SRC) => cx.after(0, HF_STARTED),
            Reg::TasksHfclkstop => {
                self.bank.put(Reg::Hfclkrun, 0);
                self.bank.set(&Hfclkstat::SRC, 0);
                cx.cancel(HF_STARTED);
            }
            Reg::TasksLfclkstart => self.start_lfclk(cx),
            Reg::TasksLfclkstop => self.stop_lfclk(cx),
            Reg::TasksCal => self.calibrate(cx),
            Reg::TasksCtstart => {
                let units = u64::from(self.bank.reg(Reg::Ctiv).max(1));
                cx.after(units * CTIV_NS, CAL_TIMEOUT);
            }
            Reg::TasksCtstop => cx.cancel(CAL_TIMEOUT),
            _ => {}
        }
    }

    fn event(&mut self, tag: Tag, cx: &mut Cx) {
        let event = match tag {
            HF_STARTED => {
                self.bank.set(&Hfclkstat::SRC, 1);
                Reg::EventsHfclkstarted
            }
            LF_STARTED => {
                let src = self.bank.reg(Reg::Lfclksrccopy);
                self.bank.put(Reg::Lfclkstat, 1 << 16 | src);
                cx.wire(LFCLK, true);
                Reg::EventsLfclkstarted
            }
            CAL_DONE => Reg::EventsDone,
            _ => Reg::EventsCtto,
        };
        raise(&mut self.bank, event, 0, cx);
    }

    fn input(&mut self, name: &str, value: i64, cx: &mut Cx) -> bool {
        if name == "supply" {
            self.set_supply(value.clamp(0, SUPPLY_MOST_MV) as u16, cx);
        }
        name == "supply"
    }

    fn inputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("supply", "supply voltage in mV, 0 to 3900")]
    }

    fn input_state(&self, name: &str) -> Option<InputState> {
        let most = SUPPLY_MOST_MV;
        (name == "supply").then_some(InputState { value: self.supply.into(), least: 0, most })
    }

    fn wire_in(&mut self, pin: Pin, level: bool, cx: &mut Cx) {
        if pin == DETECT {
            self.detect = level;
            if level && self.off {
                self.wake(cx);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nordic::common::IRQ;
    use emu_core::time::Time;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, PowerClock::new());

    #[test]
    fn the_crystal_starts_in_400_us() {
        let mut b = Bench::new(PowerClock::new());
        assert_eq!(b.get(Reg::Hfclkstat, 0), 1 << 16);
        b.set(Reg::Intenset, 0, 1);
        b.set(Reg::TasksHfclkstart, 0, 1);
        b.advance(399_999);
        assert_eq!((b.pin(IRQ), b.get(Reg::Hfclkstat, 0)), (false, 1 << 16));
        b.advance(1);
        assert_eq!((b.pin(IRQ), b.get(Reg::Hfclkstat, 0)), (true, 1 << 16 | 1));
        b.set(Reg::EventsHfclkstarted, 0, 0);
        b.set(Reg::TasksHfclkstop, 0, 1);
        assert_eq!((b.pin(IRQ), b.get(Reg::Hfclkrun, 0)), (false, 0));
    }

    #[test]
    fn lfclk_starts_by_its_source_and_tells_the_counters() {
        for (src, ns) in [(0, LF_RC_START_NS), (1, LF_XTAL_START_NS), (2, LF_SYNTH_START_NS)] {
            let mut b = Bench::new(PowerClock::new());
            b.set(Reg::Lfclksrc, 0, src);
            b.set(Reg::TasksLfclkstart, 0, 1);
            b.advance(1_000_000_000);
            assert!(b.edges().contains(&(Time(ns), LFCLK, true)));
            assert_eq!(b.get(Reg::Lfclkstat, 0), 1 << 16 | src);
            assert_eq!(b.get(Reg::EventsLfclkstarted, 0), 1);
            b.set(Reg::TasksLfclkstop, 0, 1);
            assert!(!b.pin(LFCLK));
        }
    }

    /// Software that starts what runs already waits for the event; S110 does.
    #[test]
    fn mend_a_clock_that_runs_says_so_when_started_again() {
        let mut b = Bench::new(PowerClock::new());
        for (start, event) in
            [(Reg::TasksHfclkstart, Reg::EventsHfclkstarted), (Reg::TasksLfclkstart, Reg::EventsLfclkstarted)]
        {
            b.set(start, 0, 1);
            b.advance(1_000_000);
            assert_eq!(b.get(event, 0), 1);
            b.set(event, 0, 0);
            b.edges();
            b.set(start, 0, 1);
            b.advance(100);
            assert_eq!(b.get(event, 0), 1);
            assert!(b.edges().iter().all(|(_, pin, _)| *pin != LFCLK), "the counters notice nothing");
        }
        b.set(Reg::TasksLfclkstop, 0, 1);
        b.set(Reg::EventsLfclkstarted, 0, 0);
        b.set(Reg::TasksLfclkstart, 0, 1);
        b.set(Reg::TasksLfclkstart, 0, 1);
        b.advance(1_000);
        assert_eq!(b.get(Reg::EventsLfclkstarted, 0), 0, "not before it runs");
    }

    #[test]
    fn calibration_needs_both_clocks() {
        let mut b = Bench::new(PowerClock::new());
        b.set(Reg::TasksCal, 0, 1);
        assert_eq!(b.mistakes(), 1);
        b.set(Reg::TasksHfclkstart, 0, 1);
        b.set(Reg::TasksLfclkstart, 0, 1);
        b.advance(1_000_000);
        b.set(Reg::TasksCal, 0, 1);
        b.advance(CAL_NS - 1);
        assert_eq!(b.get(Reg::EventsDone, 0), 0);
        b.advance(1);
        assert_eq!(b.get(Reg::EventsDone, 0), 1);
    }

    #[test]
    fn the_calibration_timer_counts_quarter_seconds() {
        let mut b = Bench::new(PowerClock::new());
        b.set(Reg::Ctiv, 0, 16);
        b.set(Reg::TasksCtstart, 0, 1);
        b.advance(3_999_999_999);
        assert_eq!(b.get(Reg::EventsCtto, 0), 0);
        b.advance(1);
        assert_eq!(b.get(Reg::EventsCtto, 0), 1);
    }

    #[test]
    fn a_failing_supply_is_warned_of_once_and_has_hysteresis() {
        let mut b = Bench::new(PowerClock::new());
        b.set(Reg::Intenset, 0, 1 << 2);
        assert!(b.input("supply", 2_000) && !b.input("vdd", 1));
        assert_eq!(b.get(Reg::EventsPofwarn, 0), 0, "the comparator is off");
        b.input("supply", 3_000);
        b.set(Reg::Pofcon, 0, 1 | 2 << 1);
        for (mv, warned, failing) in [
            (2_500, 0, false),
            (2_499, 1, true),
            (2_578, 0, true),
            (2_400, 0, true),
            (2_579, 0, false),
            (2_000, 1, true),
        ] {
            b.set(Reg::EventsPofwarn, 0, 0);
            b.input("supply", mv);
            assert_eq!((b.get(Reg::EventsPofwarn, 0), b.pin(POWER_FAIL)), (warned, failing), "{mv} mV");
            assert_eq!(b.pin(IRQ), warned != 0);
        }
        b.set(Reg::EventsPofwarn, 0, 0);
        b.set(Reg::Pofcon, 0, 0);
        b.set(Reg::Pofcon, 0, 1); // 2.1 V: too little from the start
        assert_eq!((b.get(Reg::EventsPofwarn, 0), b.pin(POWER_FAIL)), (1, true));
    }

    #[test]
    fn a_brown_out_is_a_power_cut_that_lasts_until_the_supply_is_back() {
        let mut b = Bench::new(PowerClock::new());
        b.set(Reg::Gpregret, 0, 7);
        b.set_ram(emu_testkit::bench::RAM, &[1; 64]);
        b.advance(1_000);
        b.input("supply", 1_700);
        assert_eq!(b.get(Reg::Gpregret, 0), 7);
        b.input("supply", 1_699);
        assert_eq!((b.get(Reg::Gpregret, 0), b.get(Reg::Resetreas, 0)), (0, 0));
        assert_ne!(b.ram(emu_testkit::bench::RAM, 64), [1; 64]);
        assert_eq!(b.machine.bus.fabric.stalled_until, Time::MAX);
        b.machine.reset(ResetKind::PowerOn);
        assert_eq!(b.machine.bus.fabric.stalled_until, Time::MAX, "a reset does not help");
        b.input("supply", 3_300);
        assert_eq!(b.machine.bus.fabric.stalled_until, Time::ZERO);
    }

    #[test]
    fn reset_reasons_add_up_and_gpregret_stays() {
        let mut b = Bench::new(PowerClock::new());
        b.set(Reg::Gpregret, 0, 0xab);
        b.machine.reset(ResetKind::Soft);
        b.machine.reset(ResetKind::Watchdog);
        assert_eq!(b.get(Reg::Resetreas, 0), REASON_SREQ | REASON_DOG);
        b.set(Reg::Resetreas, 0, REASON_DOG);
        assert_eq!((b.get(Reg::Resetreas, 0), b.get(Reg::Gpregret, 0)), (REASON_SREQ, 0xab));
        b.machine.reset(ResetKind::PowerOn);
        assert_eq!((b.get(Reg::Resetreas, 0), b.get(Reg::Gpregret, 0)), (0, 0));
    }

    #[test]
    fn detect_wakes_from_system_off() {
        let mut b = Bench::new(PowerClock::new());
        b.set(Reg::TasksLfclkstart, 0, 1);
        b.set(Reg::Systemoff, 0, 1);
        b.advance(1_000_000_000);
        assert_eq!(b.get(Reg::EventsLfclkstarted, 0), 0);
        b.set_pin(DETECT, true);
        assert_eq!((b.get(Reg::Resetreas, 0), b.get(Reg::Lfclkrun, 0)), (REASON_OFF, 0));
    }
}
