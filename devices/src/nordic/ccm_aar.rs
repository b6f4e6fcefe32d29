//! CCM (chapter 24), AES-CCM for Bluetooth low energy packets, and AAR (chapter 23), which resolves private addresses: two
//! blocks on one AES core, in one address window with one interrupt. ENABLE says which of them listens.
//!
//! CNFPTR points at key (16 bytes, first byte most significant), packet counter (8 bytes, least significant first, 39 bits),
//! direction bit (1 byte) and initialisation vector (8 bytes). A packet is header, length, RFU, payload.
//!
//! IRKPTR points at NIRK keys of 16 bytes, first byte most significant; the address (6 bytes, first on the air first) lies
//! 3 bytes behind ADDRPTR, as in a packet in RAM.
//!
//! ## Pins
//! Out: [`IRQ`](super::common::IRQ). In: [`RECEIVING`], high while RADIO receives a packet: what is triggered then and
//! wants that packet waits for its end.

use super::{
    common::{self, Block, raise, update_irq},
    ecb::encrypt,
};
use emu_core::{
    device::{Cx, Device, Pin, ResetKind},
    events::Tag,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// The registers of CCM; where AAR has one of the same offset, it is named second.
    pub enum Reg {
        /// KSGEN, or START: generate the key stream, or resolve an address.
        TasksKsgen @ 0x000 task,
        /// CRYPT: encrypt or decrypt.
        TasksCrypt @ 0x004 task,
        /// STOP.
        TasksStop @ 0x008 task,
        /// ENDKSGEN, or END.
        EventsEndksgen @ 0x100 event,
        /// ENDCRYPT, or RESOLVED.
        EventsEndcrypt @ 0x104 event,
        /// ERROR, or NOTRESOLVED.
        EventsError @ 0x108 event,
        /// Shortcuts of CCM.
        Shorts @ 0x200 rw mask 0x1 { ENDKSGEN_CRYPT: 0..1 },
        /// Enable interrupts.
        Intenset @ 0x304 w1s mask 0x7,
        /// Disable interrupts.
        Intenclr @ 0x308 w1c mask 0x7,
        /// MICSTATUS: 1 if the integrity check was passed; or STATUS: the number of the key that resolved the address.
        Micstatus @ 0x400 ro,
        /// 2 enables CCM, 3 AAR.
        Enable @ 0x500 rw mask 0x3,
        /// MODE: 0 encrypts, 1 decrypts; or NIRK: how many keys there are.
        Mode @ 0x504 rw reset 0x1 mask 0x1f,
        /// CNFPTR, or IRKPTR.
        Cnfptr @ 0x508 rw,
        /// INPTR: the packet that comes in.
        Inptr @ 0x50c rw,
        /// OUTPTR: the packet that goes out; or ADDRPTR.
        Outptr @ 0x510 rw,
        /// SCRATCHPTR: room for what is between.
        Scratchptr @ 0x514 rw,
        /// Power switch of the block.
        Power @ 0xffc rw reset 0x1 mask 0x1,
    }
}

impl Block for Reg {
    const INTENSET: Reg = Reg::Intenset;
    const INTENCLR: Reg = Reg::Intenclr;
}

/// Input: RADIO receives a packet.
pub const RECEIVING: Pin = 0;

const CCM_ON: u32 = 2;
const AAR_ON: u32 = 3;

const KSGEN_DONE: Tag = 0;
const CRYPT_DONE: Tag = 1;
const RESOLVED: Tag = 2;
const TAGS: [Tag; 3] = [KSGEN_DONE, CRYPT_DONE, RESOLVED];

/// The key stream for a packet (nRF52832 product specification 1.4, 28.7: t_kgen).
const KSGEN_NS: u64 = 50_000;
/// A block of AES (nRF51822 product specification v3.1, section 8.14: t_CRYPT).
const BLOCK_NS: u64 = 8_500;
/// An address and n keys take 1 us and n times this (nRF52832 product specification 1.4, 29.7: t_AAR).
const KEY_NS: u64 = 6_000;

const HEADER: usize = 3;
const MIC: usize = 4;
/// Most bytes of payload without the MIC.
const MOST: usize = 27;

/// CCM and AAR.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CcmAar {
    bank: Bank<Reg>,
    /// The key stream is there.
    keyed: bool,
    receiving: bool,
    /// What waits for the end of the packet on the air.
    waiting: Option<Work>,
    /// The number of the key that resolves the address, while the answer is under way.
    found: Option<u32>,
}

/// What reads a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Work {
    Crypt,
    Resolve,
}

/// What the nonce and the key of a packet are (Bluetooth Core 5.0, volume 6, part E, 2.1).
struct Secrets {
    key: [u8; 16],
    nonce: [u8; 13],
}

impl Secrets {
    fn read(at: u64, cx: &mut Cx) -> Option<Secrets> {
        let mut raw = [0; 33];
        if !cx.dma_read(at, &mut raw) {
            return None;
        }
        let (mut key, mut nonce) = ([0; 16], [0; 13]);
        key.copy_from_slice(&raw[..16]);
        nonce[..5].copy_from_slice(&raw[16..21]);
        nonce[4] = nonce[4] & 0x7f | raw[24] << 7;
        nonce[5..].copy_from_slice(&raw[25..]);
        Some(Secrets { key, nonce })
    }

    /// A block of the counter mode or the first of the check (part E, 2.2 and 2.3).
    fn block(&self, flags: u8, last: u8) -> [u8; 16] {
        let mut block = [0; 16];
        block[0] = flags;
        block[1..14].copy_from_slice(&self.nonce);
        block[15] = last;
        encrypt(&self.key, block)
    }

    /// The message integrity code of a payload in clear, itself enciphered.
    fn mic(&self, header: u8, clear: &[u8]) -> [u8; MIC] {
        let mut x = self.block(0x49, clear.len() as u8);
        // The header without NESN, SN and MD is checked, too.
        let mut step = |block: &[u8]| {
            x.iter_mut().zip(block).for_each(|(x, b)| *x ^= b);
            x = encrypt(&self.key, x);
        };
        step(&[0, 1, header & 0xe3]);
        clear.chunks(16).for_each(step);
        let pad = self.block(1, 0);
        std::array::from_fn(|i| x[i] ^ pad[i])
    }

    fn cipher(&self, payload: &mut [u8]) {
        for (i, part) in payload.chunks_mut(16).enumerate() {
            let stream = self.block(1, i as u8 + 1);
            part.iter_mut().zip(stream).for_each(|(p, s)| *p ^= s);
        }
    }
}

impl CcmAar {
    /// Both blocks, disabled.
    pub fn new() -> CcmAar {
        CcmAar::default()
    }

    fn decrypts(&self) -> bool {
        self.bank.reg(Reg::Mode) & 1 != 0
    }

    /// Nanoseconds for the packet at INPTR: the blocks of its check and its payload.
    fn crypt_ns(&self, cx: &mut Cx) -> u64 {
        let mut head = [0; HEADER];
        cx.dma_read(u64::from(self.bank.reg(Reg::Inptr)), &mut head);
        (2 + u64::from(head[1]).div_ceil(16)) * BLOCK_NS
    }

    /// CRYPT or START, or the packet for them is complete.
    fn begin(&mut self, work: Work, cx: &mut Cx) {
        if self.receiving && (work == Work::Resolve || self.decrypts()) {
            self.waiting = Some(work);
            return;
        }
        self.waiting = None;
        match work {
            Work::Crypt => {
                let ns = self.crypt_ns(cx);
                cx.after(ns, CRYPT_DONE);
            }
            Work::Resolve => {
                let (found, tried) = self.resolve(cx);
                self.found = found;
                cx.after(1_000 + u64::from(tried) * KEY_NS, RESOLVED);
            }
        }
    }

    /// The packet of INPTR goes to OUTPTR; false if that cannot be.
    fn crypt(&mut self, cx: &mut Cx) -> bool {
        let (from, to) = (u64::from(self.bank.reg(Reg::Inptr)), u64::from(self.bank.reg(Reg::Outptr)));
        let mut packet = [0; HEADER + MOST + MIC];
        let Some(secrets) = Secrets::read(self.bank.reg(Reg::Cnfptr).into(), cx) else { return false };
        if !cx.dma_read(from, &mut packet[..HEADER]) {
            return false;
        }
        // Empty packets have no MIC and go unchanged; what is too long is cut (24.4).
        let length = usize::from(packet[1]).min(if self.decrypts() { MOST + MIC } else { MOST });
        let whole = HEADER + length;
        if !cx.dma_read(from + HEADER as u64, &mut packet[HEADER..whole]) {
            return false;
        }
        let end = match (length, self.decrypts()) {
            (0, decrypts) => {
                self.bank.put(Reg::Micstatus, u32::from(decrypts));
                whole
            }
            (_, true) => {
                let end = whole - MIC.min(length);
                secrets.cipher(&mut packet[HEADER..end]);
                let passed = packet[end..whole] == secrets.mic(packet[0], &packet[HEADER..end]);
                self.bank.put(Reg::Micstatus, u32::from(passed));
                end
            }
            (_, false) => {
                let mic = secrets.mic(packet[0], &packet[HEADER..whole]);
                secrets.cipher(&mut packet[HEADER..whole]);
                packet[whole..whole + MIC].copy_from_slice(&mic);
                whole + MIC
            }
        };
        packet[1] = (end - HEADER) as u8;
        cx.dma_write(to, &packet[..end])
    }

    /// The number of the first key that made the address, and how many were tried (Bluetooth Core 5.0, volume 6, part B,
    /// 1.3.2.3).
    fn resolve(&self, cx: &mut Cx) -> (Option<u32>, u32) {
        let mut a = [0; 6];
        if !cx.dma_read(u64::from(self.bank.reg(Reg::Outptr)) + HEADER as u64, &mut a) {
            cx.guest_error("ADDRPTR does not point to RAM");
            return (None, 0);
        }
        let keys = self.bank.reg(Reg::Mode);
        for n in 0..keys {
            let mut key = [0; 16];
            if !cx.dma_read(u64::from(self.bank.reg(Reg::Cnfptr)) + 16 * u64::from(n), &mut key) {
                cx.guest_error("IRKPTR does not point to RAM");
                return (None, n);
            }
            let mut block = [0; 16];
            (block[13], block[14], block[15]) = (a[5], a[4], a[3]);
            let hash = encrypt(&key, block);
            if a[5] >> 6 == 1 && hash[13..] == [a[2], a[1], a[0]] {
                return (Some(n), n + 1);
            }
        }
        (None, keys)
    }

    fn error(&mut self, why: &'static str, cx: &mut Cx) {
        cx.guest_error(why);
        raise(&mut self.bank, Reg::EventsError, 0, cx);
    }

    fn start_crypt(&mut self, cx: &mut Cx) {
        if !self.keyed {
            return self.error("CRYPT without a key stream", cx);
        }
        self.begin(Work::Crypt, cx);
    }

    fn stop(&mut self, cx: &mut Cx) {
        self.waiting = None;
        TAGS.iter().for_each(|t| cx.cancel(*t));
    }
}

impl Device for CcmAar {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-ccm-aar";
    const NOT_MODELLED: &'static [&'static str] = &[
        "sharing the AES core with ECB",
        "a packet is read and written at the end, in one go, and an address read at the start; so RADIO sends what CCM makes of it only if ENDCRYPT comes before START",
        "a packet that RADIO receives is decrypted, its address resolved, after its END",
        "the scratch area stays untouched",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        *self = CcmAar { receiving: self.receiving, ..CcmAar::default() };
        update_irq(&self.bank, cx);
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        if common::write_common(&mut self.bank, r, cx) {
            return;
        }
        match r {
            Reg::Enable => {
                self.stop(cx);
                self.keyed = false;
            }
            Reg::Power if v == 0 => {
                common::power_off(self, &TAGS, cx);
                self.bank.put(Reg::Power, 0);
            }
            _ => {}
        }
    }

    fn task(&mut self, r: Reg, _: usize, cx: &mut Cx) {
        match (r, self.bank.reg(Reg::Enable)) {
            (Reg::TasksKsgen, CCM_ON) => {
                self.stop(cx);
                self.keyed = false;
                cx.after(KSGEN_NS, KSGEN_DONE);
            }
            (Reg::TasksCrypt, CCM_ON) => self.start_crypt(cx),
            (Reg::TasksKsgen, AAR_ON) => self.begin(Work::Resolve, cx),
            (Reg::TasksStop, CCM_ON | AAR_ON) => self.stop(cx),
            _ => {}
        }
    }

    fn event(&mut self, tag: Tag, cx: &mut Cx) {
        match tag {
            KSGEN_DONE => {
                self.keyed = true;
                raise(&mut self.bank, Reg::EventsEndksgen, 0, cx);
                if self.bank.is(&Shorts::ENDKSGEN_CRYPT) {
                    self.start_crypt(cx);
                }
            }
            CRYPT_DONE => {
                self.keyed = false;
                if self.crypt(cx) {
                    raise(&mut self.bank, Reg::EventsEndcrypt, 0, cx);
                } else {
                    self.error("CNFPTR, INPTR or OUTPTR does not point to RAM", cx);
                }
            }
            _ => {
                self.bank.put(Reg::Micstatus, self.found.unwrap_or(0));
                let result = if self.found.is_some() { Reg::EventsEndcrypt } else { Reg::EventsError };
                raise(&mut self.bank, result, 0, cx);
                raise(&mut self.bank, Reg::EventsEndksgen, 0, cx);
            }
        }
    }

    fn wire_in(&mut self, pin: Pin, level: bool, cx: &mut Cx) {
        if pin != RECEIVING {
            return;
        }
        self.receiving = level;
        if let (false, Some(work)) = (level, self.waiting) {
            self.begin(work, cx);
        }
    }
}

#[cfg(test)]
#[path = "ccm_aar_tests.rs"]
mod tests;
