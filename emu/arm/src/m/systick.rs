//! SysTick (DDI0403E B3.3): a 24-bit down counter, computed from the processor's cycle counter when somebody looks.

use super::config::MConfig;
use serde::{Deserialize, Serialize};

const ENABLE: u32 = 1;
const TICKINT: u32 = 2;
const CLKSOURCE: u32 = 4;
const COUNTFLAG: u32 = 1 << 16;
const MASK: u32 = 0x00ff_ffff;

/// The timer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SysTick {
    /// ENABLE, TICKINT, CLKSOURCE.
    ctrl: u32,
    countflag: bool,
    reload: u32,
    /// The counter at tick `base` of its clock.
    value: u32,
    base: u64,
    /// Processor cycles per tick of the reference clock; 0: none.
    divider: u32,
    present: bool,
}

impl SysTick {
    /// After reset.
    pub fn new(cfg: &MConfig) -> SysTick {
        SysTick {
            ctrl: if cfg.systick_ref == 0 { CLKSOURCE } else { 0 },
            countflag: false,
            reload: 0,
            value: 0,
            base: 0,
            divider: cfg.systick_ref,
            present: cfg.systick,
        }
    }

    /// Processor cycles per tick.
    fn per_tick(&self) -> u64 {
        if self.ctrl & CLKSOURCE != 0 { 1 } else { u64::from(self.divider).max(1) }
    }
    /// Ticks since power-on of the clock that is selected.
    fn ticks(&self, cycle: u64) -> u64 {
        if self.ctrl & CLKSOURCE != 0 { cycle } else { cycle / self.per_tick() }
    }
    fn counting(&self) -> bool {
        self.ctrl & ENABLE != 0
    }

    /// Ticks from `base` to the next time the counter reaches 0; `None` if it never does.
    fn to_zero(&self) -> Option<u64> {
        if self.value > 0 {
            return Some(u64::from(self.value));
        }
        // 0 is followed by a reload; with RVR = 0 the counter stays there.
        (self.reload > 0).then_some(u64::from(self.reload) + 1)
    }

    /// Brings the counter up to `cycle`.
    fn sync(&mut self, cycle: u64) {
        let now = self.ticks(cycle);
        let n = now.saturating_sub(self.base);
        self.base = now;
        if !self.counting() || n == 0 {
            return;
        }
        let Some(first) = self.to_zero() else { return };
        if n < first {
            self.value = if self.value > 0 { self.value - n as u32 } else { self.reload - (n - 1) as u32 };
            return;
        }
        self.countflag = true;
        let period = u64::from(self.reload) + 1;
        let past = if n - first < period { n - first } else { (n - first) % period };
        self.value = if past == 0 || self.reload == 0 { 0 } else { self.reload - (past - 1) as u32 };
    }

    /// The processor cycle at whose edge the counter next reaches 0 and asks for the exception.
    pub fn next_event(&self) -> Option<u64> {
        if !self.counting() || self.ctrl & TICKINT == 0 {
            return None;
        }
        Some(self.base.saturating_add(self.to_zero()?).saturating_mul(self.per_tick()))
    }

    /// The event at [`SysTick::next_event`] is due: the caller pends SysTick.
    pub fn event(&mut self, cycle: u64) {
        self.sync(cycle);
    }

    /// Reads the register at `off` from 0xE000E010. With `peek` nothing changes.
    pub fn read(&mut self, off: u32, cycle: u64, cfg: &MConfig, peek: bool) -> u32 {
        if !self.present {
            return 0;
        }
        if peek {
            return self.clone().read(off, cycle, cfg, false);
        }
        self.sync(cycle);
        match off {
            0x0 => {
                let flag = if std::mem::take(&mut self.countflag) { COUNTFLAG } else { 0 };
                self.ctrl | flag
            }
            0x4 => self.reload,
            0x8 => self.value,
            0xc => cfg.calib(),
            _ => 0,
        }
    }

    /// Writes the register at `off` from 0xE000E010. The caller schedules [`SysTick::next_event`] anew.
    pub fn write(&mut self, off: u32, v: u32, cycle: u64) {
        if !self.present {
            return;
        }
        self.sync(cycle);
        match off {
            0x0 => {
                // Without a reference clock CLKSOURCE reads as one (B3.3.3).
                let fixed = if self.divider == 0 { CLKSOURCE } else { 0 };
                self.ctrl = (v & (ENABLE | TICKINT | CLKSOURCE)) | fixed;
                self.base = self.ticks(cycle);
            }
            0x4 => self.reload = v & MASK,
            // Any write clears the counter and COUNTFLAG, and asks for no exception.
            0x8 => (self.value, self.countflag) = (0, false),
            _ => {}
        }
    }

    /// What a loaded state must satisfy.
    pub fn validate(&self, cfg: &MConfig) -> Result<(), String> {
        let same = (self.divider, self.present) == (cfg.systick_ref, cfg.systick);
        if same && self.reload <= MASK && self.value <= MASK { Ok(()) } else { Err("another SysTick".into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSR: u32 = 0;
    const RVR: u32 = 4;
    const CVR: u32 = 8;

    fn started(reload: u32) -> (SysTick, MConfig) {
        let cfg = MConfig::named("cortex-m3").unwrap();
        let mut t = SysTick::new(&cfg);
        t.write(RVR, reload, 100);
        t.write(CVR, 55, 100);
        t.write(CSR, 7, 100);
        (t, cfg)
    }

    #[test]
    fn counts_n_plus_one_cycles_a_period() {
        let (mut t, cfg) = started(9);
        assert_eq!(t.next_event(), Some(110));
        let values: Vec<_> = (100..=121).map(|c| t.read(CVR, c, &cfg, false)).collect();
        assert_eq!(values, [0, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 9]);
        assert_eq!(t.next_event(), Some(130));
    }

    #[test]
    fn looking_in_between_changes_nothing() {
        for (reload, steps) in
            [(9u32, [1u64, 3, 7, 20, 50]), (1, [1, 1, 1, 1, 1]), (1000, [999, 1, 1, 1, 5000])]
        {
            let (mut a, cfg) = started(reload);
            let mut c = 100;
            for s in steps {
                c += s;
                a.read(RVR, c, &cfg, false);
                let (mut b, _) = started(reload);
                assert_eq!(a.read(CVR, c, &cfg, false), b.read(CVR, c, &cfg, false), "{reload} {c}");
                assert_eq!(a.read(CSR, c, &cfg, true), b.read(CSR, c, &cfg, true));
                assert_eq!(a.next_event(), b.next_event());
            }
        }
    }

    #[test]
    fn countflag_is_set_at_zero_and_cleared_by_reading_csr_or_writing_cvr() {
        let (mut t, cfg) = started(9);
        assert_eq!(t.read(CSR, 109, &cfg, false), 7);
        assert_eq!(t.read(CSR, 110, &cfg, true), 7 | COUNTFLAG);
        assert_eq!(t.read(CSR, 110, &cfg, false), 7 | COUNTFLAG);
        assert_eq!(t.read(CSR, 110, &cfg, false), 7);
        assert_eq!(t.read(CSR, 120, &cfg, true), 7 | COUNTFLAG);
        t.write(CVR, 1, 123);
        assert_eq!(t.read(CSR, 123, &cfg, false), 7);
        assert_eq!(t.read(CVR, 123, &cfg, false), 0);
        assert_eq!(t.next_event(), Some(133));
    }

    #[test]
    fn a_new_reload_value_counts_from_the_next_reload() {
        let (mut t, cfg) = started(9);
        t.write(RVR, 4, 105);
        assert_eq!(t.next_event(), Some(110));
        assert_eq!(t.read(CVR, 110, &cfg, false), 0);
        assert_eq!(t.read(CVR, 111, &cfg, false), 4);
        assert_eq!(t.next_event(), Some(115));
    }

    #[test]
    fn reload_zero_stops_at_the_next_zero() {
        let (mut t, cfg) = started(9);
        t.write(RVR, 0, 105);
        assert_eq!(t.next_event(), Some(110));
        t.event(110);
        assert_eq!(t.next_event(), None);
        assert_eq!(t.read(CVR, 500, &cfg, false), 0);
        assert_eq!(t.read(CSR, 500, &cfg, false), 7 | COUNTFLAG);
        assert_eq!(t.read(CSR, 900, &cfg, false), 7);
    }

    #[test]
    fn disabling_freezes_and_enabling_goes_on() {
        let (mut t, cfg) = started(9);
        t.write(CSR, 6, 104);
        assert_eq!((t.read(CVR, 300, &cfg, false), t.next_event()), (6, None));
        t.write(CSR, 7, 300);
        assert_eq!(t.next_event(), Some(306));
        t.write(CSR, 5, 301);
        assert_eq!(t.next_event(), None, "no TICKINT, no exception");
        assert_eq!(t.read(CSR, 306, &cfg, false), 5 | COUNTFLAG);
    }

    #[test]
    fn the_reference_clock_ticks_at_its_own_edges() {
        let cfg = MConfig { systick_ref: 25, ..MConfig::named("cortex-m3").unwrap() };
        let mut t = SysTick::new(&cfg);
        t.write(RVR, 3, 110);
        t.write(CSR, 3, 110);
        assert_eq!(t.next_event(), Some(8 * 25));
        assert_eq!(t.read(CVR, 124, &cfg, false), 0);
        assert_eq!(t.read(CVR, 125, &cfg, false), 3);
        assert_eq!(t.read(CSR, 200, &cfg, false), 3 | COUNTFLAG);
        assert_eq!(t.read(0xc, 0, &cfg, false) >> 31, 0);
        let cfg = MConfig::named("cortex-m3").unwrap();
        assert_eq!(SysTick::new(&cfg).read(0xc, 0, &cfg, false) >> 31, 1);
        assert_eq!(SysTick::new(&cfg).read(CSR, 0, &cfg, false), 4);
    }
}
