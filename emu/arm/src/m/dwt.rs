//! The debug components that guests use themselves: the DWT cycle counter (DDI0403E C1.8) and the enable bits of the
//! ITM (C1.7). Comparators, profiling counters and trace output are not modelled.

use serde::{Deserialize, Serialize};

/// DWT_CTRL.CYCCNTENA.
const CYCCNTENA: u32 = 1;
/// DWT_CTRL: no comparators (NUMCOMP 0), no trace (NOTRCPKT), no external match, no profiling counters.
const CTRL_FIXED: u32 = 1 << 27 | 1 << 26 | 1 << 24;

/// DWT and ITM registers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Dwt {
    ctrl: u32,
    /// CYCCNT at cycle `base`.
    count: u32,
    base: u64,
    /// ITM_TER.
    ter: u32,
    /// ITM_TPR.
    tpr: u32,
    /// ITM_TCR.
    tcr: u32,
}

impl Dwt {
    fn running(&self, trcena: bool) -> bool {
        trcena && self.ctrl & CYCCNTENA != 0
    }

    /// CYCCNT at `cycle`.
    pub fn cyccnt(&self, cycle: u64, trcena: bool) -> u32 {
        let run = if self.running(trcena) { cycle.saturating_sub(self.base) as u32 } else { 0 };
        self.count.wrapping_add(run)
    }

    /// Fixes the count before `ctrl` or DEMCR.TRCENA changes.
    pub fn sync(&mut self, cycle: u64, trcena: bool) {
        self.count = self.cyccnt(cycle, trcena);
        self.base = cycle;
    }

    /// Reads the DWT register at `off` from 0xE0001000; `None`: not modelled.
    pub fn read(&self, off: u32, cycle: u64, trcena: bool) -> Option<u32> {
        match off {
            0x00 => Some(self.ctrl | CTRL_FIXED),
            0x04 => Some(self.cyccnt(cycle, trcena)),
            // CPICNT to FOLDCNT: absent (NOPRFCNT).
            0x08..=0x18 => Some(0),
            _ => None,
        }
    }

    /// Writes the DWT register at `off`; `false`: not modelled.
    pub fn write(&mut self, off: u32, v: u32, cycle: u64, trcena: bool) -> bool {
        self.sync(cycle, trcena);
        match off {
            0x00 => self.ctrl = v & CYCCNTENA,
            0x04 => self.count = v,
            0x08..=0x18 => {}
            _ => return false,
        }
        true
    }

    /// Reads the ITM register at `off` from 0xE0000000; `None`: not modelled.
    pub fn itm_read(&self, off: u32, trcena: bool) -> Option<u32> {
        match off {
            // FIFOREADY of an enabled stimulus port.
            0x000..=0x07c => Some(u32::from(trcena && self.tcr & 1 != 0 && self.ter >> (off / 4) & 1 != 0)),
            0xe00 => Some(self.ter),
            0xe40 => Some(self.tpr),
            0xe80 => Some(self.tcr),
            0xfb4 => Some(3), // ITM_LSR: present and locked
            _ => None,
        }
    }

    /// Writes the ITM register at `off`; `false`: not modelled (output on a stimulus port goes nowhere).
    pub fn itm_write(&mut self, off: u32, v: u32) -> bool {
        match off {
            0x000..=0x07c => return self.tcr & 1 == 0,
            0xe00 => self.ter = v,
            0xe40 => self.tpr = v & 0xf,
            0xe80 => self.tcr = v & 0x007f_0f1f,
            0xfb0 => {}
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_runs_only_with_both_enables() {
        let mut d = Dwt::default();
        d.write(0, 1, 100, false);
        assert_eq!(d.read(4, 200, false), Some(0));
        d.sync(200, false); // DEMCR.TRCENA goes on
        assert_eq!(d.read(4, 250, true), Some(50));
        d.write(0, 0, 260, true);
        assert_eq!(d.read(4, 999, true), Some(60));
        d.write(0, 1, 1000, true);
        d.write(4, 0xffff_fff0, 1010, true);
        assert_eq!(d.read(4, 1030, true), Some(4), "it wraps");
    }

    #[test]
    fn an_enabled_stimulus_port_is_ready() {
        let mut d = Dwt::default();
        assert_eq!(d.itm_read(0, true), Some(0));
        d.itm_write(0xe00, 1);
        d.itm_write(0xe80, 1);
        assert_eq!(
            (d.itm_read(0, true), d.itm_read(4, true), d.itm_read(0, false)),
            (Some(1), Some(0), Some(0))
        );
        assert!(!d.itm_write(0, 65));
    }
}
