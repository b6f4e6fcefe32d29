//! What distinguishes one Cortex-M core, or one implementation of it, from another.

use super::timing::Timing;

/// Architecture version. v8-M will add its Mainline and Baseline here; what it banks by security state is marked in
/// [`state`](super::state) and [`system`](super::system).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Version {
    /// ARMv6-M: Cortex-M0, M0+.
    V6M,
    /// ARMv7-M: Cortex-M3.
    V7M,
    /// ARMv7-M with the DSP extension: Cortex-M4, M7.
    V7EM,
}

/// Floating-point extension.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fpu {
    /// None.
    None,
    /// FPv4-SP-D16: single precision.
    V4Sp,
    /// FPv5-SP-D16: single precision with the v8 additions.
    V5Sp,
    /// FPv5-D16: single and double precision.
    V5Dp,
}

impl Fpu {
    /// MVFR0, MVFR1, MVFR2 (DDI0403E B4.7).
    pub const fn mvfr(self) -> [u32; 3] {
        match self {
            Fpu::None => [0; 3],
            Fpu::V4Sp => [0x1011_0021, 0x1100_0011, 0],
            Fpu::V5Sp => [0x1011_0021, 0x1100_0011, 0x40],
            Fpu::V5Dp => [0x1011_0221, 0x1200_0011, 0x40],
        }
    }
}

/// The configuration of one core.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MConfig {
    /// Name in board files.
    pub name: &'static str,
    /// Architecture version.
    pub version: Version,
    /// What instructions cost.
    pub timing: Timing,
    /// CPUID register.
    pub cpuid: u32,
    /// Number of external interrupts, 1 to 496.
    pub irqs: u16,
    /// Implemented priority bits, 2 to 8 (v6-M: 2).
    pub prio_bits: u8,
    /// MPU regions; 0: no MPU.
    pub mpu_regions: u8,
    /// Floating point.
    pub fpu: Fpu,
    /// VTOR exists.
    pub vtor: bool,
    /// VTOR after reset: where the core finds its vectors.
    pub vtor_reset: u32,
    /// The unprivileged extension exists (always in v7-M).
    pub unprivileged: bool,
    /// DWT with a cycle counter, ITM and DEMCR exist.
    pub dwt: bool,
    /// Bit-band aliases of 0x20000000 and 0x40000000 exist.
    pub bit_band: bool,
    /// SYST_CALIB: NOREF, SKEW, TENMS.
    pub systick_calib: u32,
    /// Processor cycles per tick of the SysTick reference clock; 0: there is none (SYST_CALIB.NOREF).
    pub systick_ref: u32,
    /// SysTick exists (optional in v6-M).
    pub systick: bool,
    /// CCR bits that always read as one.
    pub ccr_fixed: u32,
    /// Writable CCR bits.
    pub ccr_mask: u32,
    /// CCR bits set by reset besides the fixed ones.
    pub ccr_reset: u32,
    /// ID_PFR0 to ID_ISAR4 (0xE000ED40 to 0xE000ED70).
    pub id: [u32; 13],
}

const NOREF: u32 = 1 << 31;

const M3_ID: [u32; 13] = [
    0x30,
    0x200,
    0x0010_0000,
    0,
    0x0010_0030,
    0,
    0x0100_0000,
    0,
    0x0110_1110,
    0x0211_1000,
    0x2111_2231,
    0x0111_1110,
    0x0131_0132,
];
const M4_ID: [u32; 13] = [
    0x30,
    0x200,
    0x0010_0000,
    0,
    0x0010_0030,
    0,
    0x0100_0000,
    0,
    0x0110_1110,
    0x0211_2000,
    0x2123_2231,
    0x0111_1131,
    0x0131_0132,
];

const M0: MConfig = MConfig {
    name: "cortex-m0",
    version: Version::V6M,
    timing: Timing::M0,
    cpuid: 0x410c_c200,
    irqs: 32,
    prio_bits: 2,
    mpu_regions: 0,
    fpu: Fpu::None,
    vtor: false,
    vtor_reset: 0,
    unprivileged: false,
    dwt: false,
    bit_band: false,
    systick_calib: NOREF,
    systick_ref: 0,
    systick: true,
    // UNALIGN_TRP and STKALIGN read as one in v6-M (DDI0419 B3.2.8).
    ccr_fixed: 0x208,
    ccr_mask: 0,
    ccr_reset: 0,
    id: [0; 13],
};

const M3: MConfig = MConfig {
    name: "cortex-m3",
    version: Version::V7M,
    timing: Timing::M3,
    cpuid: 0x412f_c231,
    irqs: 32,
    prio_bits: 3,
    mpu_regions: 8,
    fpu: Fpu::None,
    vtor: true,
    vtor_reset: 0,
    unprivileged: true,
    dwt: true,
    bit_band: true,
    systick_calib: NOREF,
    systick_ref: 0,
    systick: true,
    ccr_fixed: 0,
    ccr_mask: 0x31b,
    ccr_reset: 0x200,
    id: M3_ID,
};

const M4: MConfig = MConfig {
    name: "cortex-m4",
    version: Version::V7EM,
    timing: Timing::M4,
    cpuid: 0x410f_c241,
    prio_bits: 4,
    id: M4_ID,
    ..M3
};

const M7: MConfig = MConfig {
    name: "cortex-m7",
    timing: Timing::M7,
    cpuid: 0x411f_c272,
    bit_band: false,
    // STKALIGN reads as one; IC and DC are writable (the caches themselves are not modelled), BP reads as one.
    ccr_fixed: 0x4_0200,
    ccr_mask: 0x3_011b,
    ccr_reset: 0,
    ..M4
};

/// Every core this module knows.
const CORES: [MConfig; 8] = [
    M0,
    MConfig {
        name: "cortex-m0plus",
        timing: Timing::M0Plus,
        cpuid: 0x410c_c601,
        mpu_regions: 8,
        vtor: true,
        unprivileged: true,
        ..M0
    },
    M3,
    M4,
    MConfig { name: "cortex-m4f", fpu: Fpu::V4Sp, ..M4 },
    M7,
    MConfig { name: "cortex-m7f-sp", fpu: Fpu::V5Sp, ..M7 },
    MConfig { name: "cortex-m7f", fpu: Fpu::V5Dp, ..M7 },
];

impl MConfig {
    /// The usual configuration of a core by its name; boards change the numbers that are the implementer's choice.
    pub fn named(name: &str) -> Option<MConfig> {
        let name = if name == "cortex-m0+" { "cortex-m0plus" } else { name };
        CORES.iter().find(|c| c.name == name).cloned()
    }
    /// Names of all known cores.
    pub fn names() -> impl Iterator<Item = &'static str> {
        CORES.iter().map(|c| c.name)
    }
    /// ARMv7-M or later.
    pub fn v7(&self) -> bool {
        self.version >= Version::V7M
    }
    /// The DSP extension exists.
    pub fn dsp(&self) -> bool {
        self.version >= Version::V7EM
    }
    /// A floating-point extension exists.
    pub fn has_fpu(&self) -> bool {
        self.fpu != Fpu::None
    }
    /// Number of exceptions including 0.
    pub fn exceptions(&self) -> u16 {
        16 + self.irqs
    }
    /// The implemented bits of a priority byte.
    pub fn prio_mask(&self) -> u8 {
        !(0xffu32 >> self.prio_bits) as u8
    }
    /// SYST_CALIB.
    pub fn calib(&self) -> u32 {
        if self.systick_ref == 0 { self.systick_calib | NOREF } else { self.systick_calib & !NOREF }
    }
    /// What an implementer may choose lies in the architecture's limits. If not: the choice, as boards name it, and what is
    /// wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let name = self.name;
        let most = if self.v7() { 496 } else { 32 };
        if !(1..=most).contains(&self.irqs) {
            return Err(("irqs", format!("{name} has 1 to {most} interrupt lines")));
        }
        if !self.v7() && self.prio_bits != 2 {
            return Err(("priority_bits", format!("{name} has 2 priority bits")));
        }
        if !(2..=8).contains(&self.prio_bits) {
            return Err(("priority_bits", format!("{name} has 2 to 8 priority bits")));
        }
        if ![0, 8, 16].contains(&self.mpu_regions) {
            return Err(("mpu_regions", format!("{name}'s MPU has 0, 8 or 16 regions")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_configurations_valid() {
        for (i, c) in CORES.iter().enumerate() {
            assert_eq!(c.check(), Ok(()));
            assert!(CORES[..i].iter().all(|d| d.name != c.name));
            assert_eq!(MConfig::named(c.name).as_ref(), Some(c));
        }
        assert_eq!(MConfig::named("cortex-m0+"), MConfig::named("cortex-m0plus"));
        assert_eq!(MConfig::named("cortex-m9"), None);
    }

    #[test]
    fn priority_bits_are_the_top_ones() {
        let mut c = MConfig::named("cortex-m3").unwrap();
        assert_eq!(c.prio_mask(), 0xe0);
        c.prio_bits = 8;
        assert_eq!(c.prio_mask(), 0xff);
        c.prio_bits = 9;
        assert!(c.check().is_err());
        assert_eq!(MConfig::named("cortex-m0").unwrap().prio_mask(), 0xc0);
    }

    #[test]
    fn limits() {
        let mut c = MConfig::named("cortex-m0").unwrap();
        c.irqs = 33;
        assert!(c.check().is_err());
        let mut c = MConfig::named("cortex-m7").unwrap();
        c.irqs = 496;
        assert!(c.check().is_ok());
        c.mpu_regions = 7;
        assert!(c.check().is_err());
    }
}
