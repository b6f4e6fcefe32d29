//! The private peripheral bus, 0xE0000000 to 0xE00FFFFF (DDI0403E B3.1 to B3.4, C1).
//!
//! Registers are words. Bytes and halfwords are cut from the word on reads; on writes the other bytes keep their
//! value in registers that store, and are 0 in registers where a 1 acts.

use super::{
    nvic::exc::*,
    system::{System, scb::*},
};

/// First address of the private peripheral bus.
pub const PPB: u32 = 0xe000_0000;

/// How an access is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PpbAccess {
    /// Start cycle of the instruction.
    pub cycle: u64,
    /// Privileged.
    pub privileged: bool,
    /// A debugger looks: reading clears nothing.
    pub peek: bool,
}

/// What an access leads to besides its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// The register is not modelled; reads as zero, ignores writes.
    pub unknown: bool,
    /// SysTick's next event may have changed.
    pub systick: bool,
    /// AIRCR.SYSRESETREQ.
    pub reset: bool,
    /// Permissions or priorities may have changed: what is cached of them is stale, an exception may be due.
    pub changed: bool,
}

/// The address answers with a bus fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoAccess;

/// The address lies in the private peripheral bus.
#[inline]
pub const fn is_ppb(addr: u32) -> bool {
    addr >> 20 == PPB >> 20
}

const AIRCR_KEY: u32 = 0x05fa_0000;
/// SHCSR: bit, exception.
const ACTIVE_BITS: [(u32, u16); 7] = [
    (0, MEM_MANAGE),
    (1, BUS_FAULT),
    (3, USAGE_FAULT),
    (7, SVCALL),
    (8, DEBUG_MONITOR),
    (10, PENDSV),
    (11, SYSTICK),
];
const PENDED_BITS: [(u32, u16); 4] = [(12, USAGE_FAULT), (13, MEM_MANAGE), (14, BUS_FAULT), (15, SVCALL)];
const ENABLE_BITS: [(u32, u16); 3] = [(16, MEM_MANAGE), (17, BUS_FAULT), (18, USAGE_FAULT)];
const SHCSR_SVCALLPENDED: u32 = 1 << 15;

impl System {
    /// Reads 1, 2 or 4 bytes.
    pub fn ppb_read(&mut self, addr: u32, size: u8, a: PpbAccess) -> Result<(u32, Outcome), NoAccess> {
        if !a.privileged || !crosses_nothing(addr, size) {
            return Err(NoAccess);
        }
        let (v, out) = self.read_word(addr & !3, a)?;
        let v = v >> (8 * (addr & 3));
        Ok((if size < 4 { v & ((1 << (8 * size)) - 1) } else { v }, out))
    }

    /// What [`System::ppb_read`] would give at `cycle`, without its side effects.
    pub fn ppb_peek(&self, addr: u32, size: u8, cycle: u64) -> Option<u32> {
        let access = PpbAccess { cycle, privileged: true, peek: true };
        self.clone().ppb_read(addr, size, access).ok().map(|(v, _)| v)
    }

    /// Writes 1, 2 or 4 bytes.
    pub fn ppb_write(&mut self, addr: u32, size: u8, v: u32, a: PpbAccess) -> Result<Outcome, NoAccess> {
        let stir = addr & !3 == 0xe000_ef00 && self.scb.ccr & USERSETMPEND != 0;
        if !(a.privileged || stir) || !crosses_nothing(addr, size) {
            return Err(NoAccess);
        }
        let word = addr & !3;
        let lanes = if size < 4 { ((1 << (8 * size)) - 1) << (8 * (addr & 3)) } else { u32::MAX };
        let mut v = (v << (8 * (addr & 3))) & lanes;
        if lanes != u32::MAX && stores(word) {
            v |= self.read_word(word, PpbAccess { peek: true, ..a })?.0 & !lanes;
        }
        self.write_word(word, v, a)
    }

    fn read_word(&mut self, addr: u32, a: PpbAccess) -> Result<(u32, Outcome), NoAccess> {
        let trcena = self.scb.demcr & TRCENA != 0;
        let off = addr & 0xfff;
        let v = match addr >> 12 {
            0xe0000 if self.cfg.dwt => self.dwt.itm_read(off, trcena),
            0xe0001 if self.cfg.dwt => self.dwt.read(off, a.cycle, trcena),
            0xe000e => Some(self.read_scs(off, a)),
            // Breakpoint unit, trace port: no comparators, no port.
            0xe0001 | 0xe0002 | 0xe0040 | 0xe0041 => None,
            0xe0000 if self.cfg.v7() => None,
            0xe00ff => Some(self.rom_table(off)),
            _ => return Err(NoAccess),
        };
        let out = Outcome { unknown: v.is_none(), ..Outcome::default() };
        Ok((v.unwrap_or(0), out))
    }

    fn write_word(&mut self, addr: u32, v: u32, a: PpbAccess) -> Result<Outcome, NoAccess> {
        let trcena = self.scb.demcr & TRCENA != 0;
        let off = addr & 0xfff;
        let known = match addr >> 12 {
            0xe0000 if self.cfg.dwt => self.dwt.itm_write(off, v),
            0xe0001 if self.cfg.dwt => self.dwt.write(off, v, a.cycle, trcena),
            0xe000e => return Ok(self.write_scs(off, v, a)),
            0xe0001 | 0xe0002 | 0xe0040 | 0xe0041 => false,
            0xe0000 if self.cfg.v7() => false,
            0xe00ff => true,
            _ => return Err(NoAccess),
        };
        Ok(Outcome { unknown: !known, ..Outcome::default() })
    }

    // ---- system control space ----

    fn read_scs(&mut self, off: u32, a: PpbAccess) -> u32 {
        match off {
            0x004 => u32::from((self.cfg.irqs - 1) / 32),
            0x008 => self.scb.actlr,
            0x010..=0x01c => self.systick.read(off - 0x010, a.cycle, &self.cfg, a.peek),
            0x100..=0x13c => self.nvic.enable_word(index(off)),
            0x180..=0x1bc => self.nvic.enable_word(index(off)),
            0x200..=0x23c => self.nvic.pending_word(index(off)),
            0x280..=0x2bc => self.nvic.pending_word(index(off)),
            0x300..=0x33c if self.cfg.v7() => self.nvic.active_word(index(off)),
            0x400..=0x5ec => self.read_priorities(IRQ0 + (off - 0x400) as u16),
            0xd00..=0xd8c => self.read_scb(off),
            0xd90..=0xdb8 => self.mpu.read(off - 0xd90),
            0xdfc if self.cfg.v7() => self.scb.demcr,
            0xf34..=0xf48 if self.cfg.has_fpu() => self.read_fp(off),
            0xfd0..=0xffc => component_id(off, 0xc, 0xe),
            _ => 0,
        }
    }

    fn read_priorities(&self, first: u16) -> u32 {
        u32::from_le_bytes([0, 1, 2, 3].map(|i| self.nvic.prio_byte(first + i)))
    }

    fn read_scb(&self, off: u32) -> u32 {
        let v7 = self.cfg.v7();
        match off {
            0xd00 => self.cfg.cpuid,
            0xd04 => self.icsr(),
            0xd08 => self.scb.vtor,
            0xd0c => 0xfa05_0000 | u32::from(self.nvic.prigroup()) << 8,
            0xd10 => self.scb.scr,
            0xd14 => self.scb.ccr,
            0xd18 if !v7 => 0,
            0xd18..=0xd20 => self.read_priorities((off - 0xd14) as u16),
            0xd24 => self.shcsr(),
            0xd28 => self.scb.cfsr,
            0xd2c => self.scb.hfsr,
            0xd30 => self.scb.dfsr,
            0xd34 => self.scb.mmfar,
            0xd38 => self.scb.bfar,
            0xd40..=0xd70 => self.cfg.id[((off - 0xd40) / 4) as usize],
            0xd78 if self.has_caches() => 0x0900_0003, // CLIDR: two first-level caches
            0xd7c if self.has_caches() => 0x8303_c003, // CTR
            0xd80 if self.has_caches() => 0xf01f_e019, // CCSIDR: 16 KiB, 4 ways, 32 bytes a line
            0xd84 => self.scb.csselr,
            0xd88 => self.st.cpacr,
            _ => 0,
        }
    }

    fn has_caches(&self) -> bool {
        self.cfg.ccr_mask & (1 << 16) != 0
    }

    fn read_fp(&self, off: u32) -> u32 {
        match off {
            0xf34 => self.st.fpccr,
            0xf38 => self.st.fpcar,
            0xf3c => self.st.fpdscr,
            0xf40..=0xf48 => self.cfg.fpu.mvfr()[((off - 0xf40) / 4) as usize],
            _ => 0,
        }
    }

    fn write_scs(&mut self, off: u32, v: u32, a: PpbAccess) -> Outcome {
        let mut out = Outcome { changed: true, ..Outcome::default() };
        match off {
            0x008 if self.cfg.v7() => self.scb.actlr = v,
            0x010..=0x01c => {
                self.systick.write(off - 0x010, v, a.cycle);
                out.systick = true;
            }
            0x100..=0x13c => self.nvic.write_enable(index(off), v, true),
            0x180..=0x1bc => self.nvic.write_enable(index(off), v, false),
            0x200..=0x23c => {
                let new = self.nvic.write_set_pending(index(off), v);
                self.pended(new);
            }
            0x280..=0x2bc => self.nvic.write_clear_pending(index(off), v),
            0x400..=0x5ec => self.write_priorities(IRQ0 + (off - 0x400) as u16, v),
            0xd00..=0xd8c => self.write_scb(off, v, &mut out),
            0xd90..=0xdb8 => self.mpu.write(off - 0xd90, v),
            0xdfc if self.cfg.v7() => {
                self.dwt.sync(a.cycle, self.scb.demcr & TRCENA != 0);
                self.scb.demcr = v & 0x010f_07f1;
                self.nvic.enable(DEBUG_MONITOR, v & MON_EN != 0);
            }
            0xf00 if self.cfg.v7() => self.pend_irq(v & 0x1ff),
            0xf34..=0xf3c if self.cfg.has_fpu() => self.write_fp(off, v),
            _ => {}
        }
        out
    }

    fn pend_irq(&mut self, irq: u32) {
        self.pend(IRQ0 + irq as u16);
    }

    fn write_priorities(&mut self, first: u16, v: u32) {
        for (i, b) in (0..).zip(v.to_le_bytes()) {
            self.nvic.set_prio_byte(first + i, b);
        }
    }

    fn write_scb(&mut self, off: u32, v: u32, out: &mut Outcome) {
        let v7 = self.cfg.v7();
        match off {
            0xd04 => self.write_icsr(v),
            0xd08 if self.cfg.vtor => self.scb.vtor = v & !0x7f,
            0xd0c if v & 0xffff_0000 == AIRCR_KEY => self.write_aircr(v, out),
            0xd10 => self.scb.scr = v & 0x16,
            0xd14 => self.scb.ccr = (v & self.cfg.ccr_mask) | self.cfg.ccr_fixed,
            0xd18..=0xd20 => self.write_handler_priorities((off - 0xd14) as u16, v),
            0xd24 => self.write_shcsr(v),
            0xd28 if v7 => self.scb.cfsr &= !v,
            0xd2c if v7 => self.scb.hfsr &= !v,
            0xd30 if v7 => self.scb.dfsr &= !v,
            0xd34 if v7 => self.scb.mmfar = v,
            0xd38 if v7 => self.scb.bfar = v,
            0xd84 if self.has_caches() => self.scb.csselr = v & 0xf,
            0xd88 if self.cfg.has_fpu() => self.st.cpacr = v & 0x00f0_0000,
            _ => {}
        }
    }

    /// SHPR1 to SHPR3: only exceptions that exist have a priority.
    fn write_handler_priorities(&mut self, first: u16, v: u32) {
        for (e, b) in (first..).zip(v.to_le_bytes()) {
            let exists = match e {
                SVCALL | PENDSV | SYSTICK => true,
                MEM_MANAGE | BUS_FAULT | USAGE_FAULT | DEBUG_MONITOR => self.cfg.v7(),
                _ => false,
            };
            if exists {
                self.nvic.set_prio_byte(e, b);
            }
        }
    }

    /// ICSR (B3.2.4).
    fn icsr(&self) -> u32 {
        let bit = |on: bool, n: u32| u32::from(on) << n;
        // BASEPRI and FAULTMASK hide a pending exception here, PRIMASK does not.
        let limit = match (self.st.faultmask, self.st.basepri) {
            (true, _) => -1,
            (false, 0) => super::nvic::LOWEST,
            (false, b) => self.nvic.group(i16::from(b)),
        };
        let next = self.nvic.next().filter(|_| self.nvic.next_priority() < limit);
        u32::from(self.st.ipsr)
            | bit(self.cfg.v7() && self.nvic.active_count() <= 1, 11)
            | u32::from(next.unwrap_or(0)) << 12
            | bit(self.nvic.isr_pending(), 22)
            | bit(self.nvic.is_pending(SYSTICK), 26)
            | bit(self.nvic.is_pending(PENDSV), 28)
            | bit(self.nvic.is_pending(NMI), 31)
    }

    fn write_icsr(&mut self, v: u32) {
        for (set, clear, e) in [(28, 27, PENDSV), (26, 25, SYSTICK)] {
            // Both at once is unpredictable; setting wins here.
            if v & (1 << set) != 0 {
                self.pend(e);
            } else if v & (1 << clear) != 0 {
                self.nvic.clear_pending(e);
            }
        }
        if v & (1 << 31) != 0 {
            self.pend(NMI);
        }
    }

    fn write_aircr(&mut self, v: u32, out: &mut Outcome) {
        out.reset = v & 4 != 0;
        if self.cfg.v7() {
            self.nvic.set_prigroup((v >> 8) as u8 & 7);
        }
        if v & 2 != 0 {
            self.nvic.clear_active();
        }
        // VECTRESET is for debuggers.
        out.unknown = v & 1 != 0;
    }

    /// SHCSR (B3.2.13).
    fn shcsr(&self) -> u32 {
        let some = |bits: &[(u32, u16)], f: &dyn Fn(u16) -> bool| {
            bits.iter().filter(|(_, e)| f(*e)).fold(0, |v, (b, _)| v | 1 << b)
        };
        let pended = some(&PENDED_BITS, &|e| self.nvic.is_pending(e));
        if !self.cfg.v7() {
            return pended & SHCSR_SVCALLPENDED;
        }
        pended
            | some(&ACTIVE_BITS, &|e| self.nvic.is_active(e))
            | some(&ENABLE_BITS, &|e| self.nvic.is_enabled(e))
    }

    fn write_shcsr(&mut self, v: u32) {
        let pended = if self.cfg.v7() { &PENDED_BITS[..] } else { &PENDED_BITS[3..] };
        for (bit, e) in pended {
            if v & (1 << bit) != 0 {
                self.nvic.set_pending(*e);
            } else {
                self.nvic.clear_pending(*e);
            }
        }
        if !self.cfg.v7() {
            return;
        }
        for (bit, e) in ACTIVE_BITS {
            self.nvic.set_active(e, v & (1 << bit) != 0);
        }
        for (bit, e) in ENABLE_BITS {
            self.nvic.enable(e, v & (1 << bit) != 0);
        }
    }

    fn write_fp(&mut self, off: u32, v: u32) {
        use super::state::*;
        match off {
            0xf34 => {
                let ready = LSPACT | FPCCR_USER | FPCCR_THREAD | HFRDY | MMRDY | BFRDY | MONRDY;
                self.st.fpccr = v & (ASPEN | LSPEN | ready);
            }
            0xf38 => self.st.fpcar = v & !7,
            _ => self.st.fpdscr = v & FPDSCR_MASK,
        }
    }

    /// The ROM table at 0xE00FF000 (C1.2): SCS, DWT, FPB, ITM.
    fn rom_table(&self, off: u32) -> u32 {
        match off {
            0x00 => 0xfff0_f003,
            0x04 if self.cfg.dwt => 0xfff0_2003,
            0x08 if self.cfg.dwt => 0xfff0_3002,
            0x0c if self.cfg.dwt => 0xfff0_1003,
            0xfcc => 1,
            0xfd0..=0xffc => component_id(off, (self.cfg.cpuid >> 4) as u8, 0x1),
            _ => 0,
        }
    }
}

/// PIDR and CIDR of an ARM component with a part number's low byte and a component class.
fn component_id(off: u32, part: u8, class: u8) -> u32 {
    let part = u32::from(part);
    match off {
        0xfd0 => 4,
        0xfe0 => part,
        0xfe4 => 0xb0,
        0xfe8 => 0x0b,
        0xff0 => 0x0d,
        0xff4 => u32::from(class) << 4,
        0xff8 => 0x05,
        0xffc => 0xb1,
        _ => 0,
    }
}

fn index(off: u32) -> u16 {
    (off as u16 & 0x7f) / 4
}

/// Accesses within one word; the private peripheral bus splits none.
fn crosses_nothing(addr: u32, size: u8) -> bool {
    matches!(size, 1 | 2 | 4) && (addr & 3) + u32::from(size) <= 4
}

/// Registers where the bytes that are not written keep their value. In the others (where ones act, or a key or
/// number is expected) they count as zero.
fn stores(word: u32) -> bool {
    !matches!(word & 0xfffff, 0xe100..=0xe2bc | 0xed04 | 0xed0c | 0xed28 | 0xed2c | 0xed30 | 0xef00)
}
