//! ECB (chapter 22): AES-128 encryption of one block in RAM.
//!
//! ECBDATAPTR points at key, clear text and cipher text, 16 bytes each.

use super::common::{self, Block, raise, update_irq};
use emu_core::{
    device::{Cx, Device, ResetKind},
    events::Tag,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 141.
    pub enum Reg {
        /// Encrypt.
        TasksStartecb @ 0x000 task,
        /// Stop.
        TasksStopecb @ 0x004 task,
        /// The cipher text is in RAM.
        EventsEndecb @ 0x100 event,
        /// Stopped, or the data structure is not in RAM.
        EventsErrorecb @ 0x104 event,
        /// Enable interrupts.
        Intenset @ 0x304 w1s mask 0x3,
        /// Disable interrupts.
        Intenclr @ 0x308 w1c mask 0x3,
        /// Address of the data structure.
        Ecbdataptr @ 0x504 rw,
        /// Power switch of the block.
        Power @ 0xffc rw reset 0x1 mask 0x1,
    }
}

impl Block for Reg {
    const INTENSET: Reg = Reg::Intenset;
    const INTENCLR: Reg = Reg::Intenclr;
}

const DONE: Tag = 0;
// nRF51822 product specification v3.1, section 8.14: t_CRYPT.
const CRYPT_NS: u64 = 8_500;

/// The AES block.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ecb {
    bank: Bank<Reg>,
}

impl Ecb {
    /// An idle block.
    pub fn new() -> Ecb {
        Ecb::default()
    }

    fn crypt(&mut self, cx: &mut Cx) -> bool {
        let base = u64::from(self.bank.reg(Reg::Ecbdataptr));
        let (mut key, mut text) = ([0; 16], [0; 16]);
        cx.dma_read(base, &mut key)
            && cx.dma_read(base + 16, &mut text)
            && cx.dma_write(base + 32, &encrypt(&key, text))
    }
}

impl Device for Ecb {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-ecb";
    const NOT_MODELLED: &'static [&'static str] =
        &["sharing the AES core with CCM and AAR", "RAM is read and written at the end, in one go"];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        *self = Ecb::default();
        update_irq(&self.bank, cx);
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        if !common::write_common(&mut self.bank, r, cx) && r == Reg::Power && v == 0 {
            common::power_off(self, &[DONE], cx);
            self.bank.put(Reg::Power, 0);
        }
    }

    fn task(&mut self, r: Reg, _: usize, cx: &mut Cx) {
        match r {
            Reg::TasksStartecb if cx.due(DONE).is_none() => cx.after(CRYPT_NS, DONE),
            Reg::TasksStopecb if cx.due(DONE).is_some() => {
                cx.cancel(DONE);
                raise(&mut self.bank, Reg::EventsErrorecb, 0, cx);
            }
            _ => {}
        }
    }

    fn event(&mut self, _: Tag, cx: &mut Cx) {
        let event = if self.crypt(cx) {
            Reg::EventsEndecb
        } else {
            cx.guest_error("ECBDATAPTR does not point to RAM");
            Reg::EventsErrorecb
        };
        raise(&mut self.bank, event, 0, cx);
    }
}

/// Multiplication by x in GF(2^8) (FIPS 197, 4.2.1).
const fn xtime(a: u8) -> u8 {
    a << 1 ^ if a & 0x80 != 0 { 0x1b } else { 0 }
}

const fn gf_mul(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a = xtime(a);
        b >>= 1;
    }
    product
}

/// The S-box: inverse in GF(2^8), then an affine map (FIPS 197, 5.1.1).
const SBOX: [u8; 256] = {
    let mut sbox = [0; 256];
    let mut x = 0;
    while x < 256 {
        // x^254 is the inverse, and 0 for 0.
        let (mut inverse, mut n) = (1, 0);
        while n < 254 {
            inverse = gf_mul(inverse, x as u8);
            n += 1;
        }
        let i = inverse;
        sbox[x] = i ^ i.rotate_left(1) ^ i.rotate_left(2) ^ i.rotate_left(3) ^ i.rotate_left(4) ^ 0x63;
        x += 1;
    }
    sbox
};

fn next_round_key(key: &[u8; 16], rcon: u8) -> [u8; 16] {
    let mut next = *key;
    for i in 0..4 {
        next[i] ^= SBOX[usize::from(key[12 + (i + 1) % 4])];
    }
    next[0] ^= rcon;
    for i in 4..16 {
        next[i] ^= next[i - 4];
    }
    next
}

fn mix_column(c: &mut [u8]) {
    let all = c.iter().fold(0, |a, b| a ^ b);
    let old = [c[0], c[1], c[2], c[3]];
    for i in 0..4 {
        c[i] ^= all ^ xtime(old[i] ^ old[(i + 1) % 4]);
    }
}

/// AES-128 of one block (FIPS 197).
pub(super) fn encrypt(key: &[u8; 16], mut state: [u8; 16]) -> [u8; 16] {
    let (mut key, mut rcon) = (*key, 1);
    for round in 0..11 {
        if round > 0 {
            // Substitute, and shift row r left by r: the byte at row r comes from r columns further.
            let old = state;
            for (i, b) in state.iter_mut().enumerate() {
                *b = SBOX[usize::from(old[(i + 4 * (i % 4)) % 16])];
            }
            if round < 10 {
                state.chunks_mut(4).for_each(mix_column);
            }
            key = next_round_key(&key, rcon);
            rcon = xtime(rcon);
        }
        state.iter_mut().zip(key).for_each(|(s, k)| *s ^= k);
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nordic::common::IRQ;
    use emu_testkit::{Bench, bench::RAM};

    emu_testkit::conformance!(conformance, Ecb::new());

    fn hex(s: &str) -> Vec<u8> {
        (0..s.len() / 2).map(|i| u8::from_str_radix(&s[2 * i..2 * i + 2], 16).unwrap()).collect()
    }

    /// FIPS 197 appendix B and C.1.
    #[test]
    fn the_standards_vectors() {
        let vectors = [
            (
                "2b7e151628aed2a6abf7158809cf4f3c",
                "3243f6a8885a308d313198a2e0370734",
                "3925841d02dc09fbdc118597196a0b32",
            ),
            (
                "000102030405060708090a0b0c0d0e0f",
                "00112233445566778899aabbccddeeff",
                "69c4e0d86a7b0430d8cdb78070b4c55a",
            ),
        ];
        let mut b = Bench::new(Ecb::new());
        b.set(Reg::Ecbdataptr, 0, RAM as u32 + 4);
        b.set(Reg::Intenset, 0, 1);
        for (key, clear, cipher) in vectors {
            b.set_ram(RAM + 4, &hex(key));
            b.set_ram(RAM + 20, &hex(clear));
            b.set(Reg::TasksStartecb, 0, 1);
            b.advance(CRYPT_NS - 1);
            assert!(!b.pin(IRQ));
            b.advance(1);
            assert!(b.pin(IRQ));
            b.set(Reg::EventsEndecb, 0, 0);
            assert_eq!(b.ram(RAM + 36, 16), hex(cipher));
        }
    }

    #[test]
    fn stop_and_bad_pointers_are_errors() {
        let mut b = Bench::new(Ecb::new());
        b.set(Reg::TasksStopecb, 0, 1);
        assert_eq!(b.get(Reg::EventsErrorecb, 0), 0);
        b.set(Reg::TasksStartecb, 0, 1);
        b.set(Reg::TasksStopecb, 0, 1);
        assert_eq!(b.get(Reg::EventsErrorecb, 0), 1);
        b.set(Reg::EventsErrorecb, 0, 0);
        b.set(Reg::TasksStartecb, 0, 1);
        b.advance(CRYPT_NS);
        assert_eq!((b.get(Reg::EventsErrorecb, 0), b.get(Reg::EventsEndecb, 0)), (1, 0));
        assert_eq!(b.mistakes(), 1);
    }
}
