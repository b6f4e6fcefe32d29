//! The register file.

/// Slots of the register file. The top bit of a slot's number does not count, so that no access needs a check.
pub const SLOTS: usize = 128;
/// The index of a slot.
#[inline(always)]
fn at(slot: u8) -> usize {
    usize::from(slot) & (SLOTS - 1)
}
/// Slot of the N flag: bit 31 counts.
pub const N: u8 = 16;
/// Slot of the Z flag: *zero* means Z is set.
pub const Z: u8 = 17;
/// Slot of the C flag: 0 or 1.
pub const C: u8 = 18;
/// Slot of the V flag: 0 or 1.
pub const V: u8 = 19;
/// Slot of the floating-point status: what the last comparison came to in bits 31 to 28, as N, Z, C, V; the rest is the
/// front end's.
pub const FSTATUS: u8 = 21;
/// Slot that is not zero if floating point rounds to the nearest even number, flushes nothing, and has flagged "inexact"
/// already, so that an operation whose result is an ordinary number has no other effect.
pub const FFAST: u8 = 22;
/// Slot of the flag that operations on signed numbers set when their result does not fit: 1 or 0; nothing but a front end clears
/// it.
pub const Q: u8 = 24;
/// Slot of the flags that sums and differences of [`Code::Lanes`] leave: a byte each, 0xff or 0.
pub const GE: u8 = 25;
/// First slot of the FP registers (doubles; a single is half a slot).
pub const FP: u8 = 32;
/// First temporary; they hold nothing from one guest instruction to the next.
pub const TEMP: u8 = 96;
/// A slot whose value nobody reads.
pub const TRASH: u8 = 127;

/// The register file of one CPU: guest registers, flags, FP registers and temporaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regs {
    /// The slots.
    pub r: [u64; SLOTS],
}

impl Default for Regs {
    fn default() -> Self {
        Regs { r: [0; SLOTS] }
    }
}

impl Regs {
    /// Low half of a slot.
    #[inline(always)]
    pub fn get(&self, slot: u8) -> u32 {
        self.r[at(slot)] as u32
    }
    /// Sets a slot to a zero-extended 32-bit value.
    #[inline(always)]
    pub fn set(&mut self, slot: u8, v: u32) {
        self.r[at(slot)] = u64::from(v);
    }
    /// Whole slot.
    #[inline(always)]
    pub fn get64(&self, slot: u8) -> u64 {
        self.r[at(slot)]
    }
    /// Sets a whole slot.
    #[inline(always)]
    pub fn set64(&mut self, slot: u8, v: u64) {
        self.r[at(slot)] = v;
    }
    /// The flags as N Z C V in bits 31 to 28.
    pub fn nzcv(&self) -> u32 {
        let z = u32::from(self.get(Z) == 0);
        self.get(N) & 0x8000_0000 | z << 30 | (self.get(C) & 1) << 29 | (self.get(V) & 1) << 28
    }
    /// Sets the flags from bits 31 to 28.
    pub fn set_nzcv(&mut self, v: u32) {
        self.set(N, v & 0x8000_0000);
        self.set(Z, u32::from(v & 0x4000_0000 == 0));
        self.set(C, v >> 29 & 1);
        self.set(V, v >> 28 & 1);
    }
    /// Evaluates an ARM condition code (14 and 15: always).
    #[inline(always)]
    pub fn cond(&self, cond: u8) -> bool {
        let z = || self.get(Z) == 0;
        let c = || self.get(C) != 0;
        let less = || self.get(N) >> 31 != self.get(V);
        match cond & 15 {
            0 => z(),
            1 => !z(),
            2 => c(),
            3 => !c(),
            4 => self.get(N) >> 31 != 0,
            5 => self.get(N) >> 31 == 0,
            6 => self.get(V) != 0,
            7 => self.get(V) == 0,
            8 => c() && !z(),
            9 => !c() || z(),
            10 => !less(),
            11 => less(),
            12 => !z() && !less(),
            13 => z() || less(),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_and_flags_agree_with_the_manual() {
        let mut r = Regs::default();
        for nzcv in 0..16u32 {
            r.set_nzcv(nzcv << 28);
            assert_eq!(r.nzcv(), nzcv << 28);
            let (n, z, c, v) = (nzcv & 8 != 0, nzcv & 4 != 0, nzcv & 2 != 0, nzcv & 1 != 0);
            let want = [z, c, n, v, c && !z, n == v, !z && n == v];
            for (i, w) in want.into_iter().enumerate() {
                assert_eq!(r.cond(2 * i as u8), w, "cond {} nzcv {nzcv:x}", 2 * i);
                assert_eq!(r.cond(2 * i as u8 + 1), !w);
            }
            assert!(r.cond(14));
        }
    }
}
