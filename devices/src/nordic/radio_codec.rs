//! The packet assembler and disassembler of the nRF51 RADIO: fields, bit order, CRC and whitening (chapter 17.1).
//!
//! On-air bits are packed first bit into bit 0 of byte 0. A packet whose LENGTH and S1 fields do not fill bytes ends
//! inside a byte; the rest of that byte is zero and not on the air.

use serde::{Deserialize, Serialize};

/// Everything of a packet's form that RADIO latches at START: PCNF0, PCNF1, CRCCNF, CRCPOLY, CRCINIT and, from TXEN or
/// RXEN, DATAWHITEIV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// Bytes of S0, 0 or 1.
    pub s0_len: u8,
    /// Bits of LENGTH, 0 to 8.
    pub lf_len: u8,
    /// Bits of S1, 0 to 8.
    pub s1_len: u8,
    /// Most bytes of payload.
    pub max_len: u8,
    /// Bytes of payload added to LENGTH.
    pub stat_len: u8,
    /// Bytes of the base address, 0 to 4.
    pub ba_len: u8,
    /// ENDIAN: S0, LENGTH, S1 and PAYLOAD go most significant bit first.
    pub big: bool,
    /// Initial value of the whitening register, if whitening is on.
    pub white: Option<u8>,
    /// Bytes of CRC, 0 to 3.
    pub crc_len: u8,
    /// SKIPADDR: the CRC leaves the address out.
    pub crc_skips_address: bool,
    /// CRC polynomial; bit 0 is taken as 1.
    pub crc_poly: u32,
    /// CRC initial value.
    pub crc_init: u32,
}

/// A packet as it is on the air, after the address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnAir {
    /// The bits, whitened, CRC included.
    pub bytes: Vec<u8>,
    /// How many bits.
    pub bits: usize,
}

/// A received packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// S0, LENGTH and S1 as they lie in RAM, then the payload.
    pub ram: Vec<u8>,
    /// How many bytes of `ram` come before the payload.
    pub header: u8,
    /// The CRC field.
    pub crc: u32,
    /// It is the packet's.
    pub crc_ok: bool,
    /// Length on the air after the address, in bits, by the receiver's configuration.
    pub bits: u32,
}

/// The data whitening register (17.1.6): x^7 + x^4 + 1, the output is position 6.
struct Whitener(Option<u8>);

impl Whitener {
    fn next(&mut self) -> bool {
        let Some(reg) = &mut self.0 else { return false };
        // DATAWHITEIV's bit 0 is position 6; shifting right moves every position on by one.
        let out = *reg & 1;
        *reg = (*reg >> 1) ^ (out * 0x44);
        out != 0
    }
}

/// The CRC register (17.1.7): the packet is clocked in serially in on-air order.
#[derive(Clone, Copy)]
struct Crc {
    reg: u32,
    poly: u32,
    mask: u32,
    top: u32,
}

impl Crc {
    fn new(f: &Format, address: u64) -> Crc {
        let n = 8 * u32::from(f.crc_len.min(3));
        let mask = ((1u64 << n) - 1) as u32;
        let mut crc =
            Crc { reg: f.crc_init & mask, poly: (f.crc_poly | 1) & mask, mask, top: (mask >> 1) + 1 };
        if n == 0 {
            crc.top = 0;
        }
        if !f.crc_skips_address {
            (0..8 * (u32::from(f.ba_len) + 1)).for_each(|i| crc.clock(address >> i & 1 != 0));
        }
        crc
    }
    fn clock(&mut self, bit: bool) {
        let feedback = (self.reg & self.top != 0) != bit;
        self.reg = (self.reg << 1) & self.mask;
        if feedback {
            self.reg ^= self.poly;
        }
    }
}

struct Writer {
    out: OnAir,
    white: Whitener,
    crc: Crc,
}

impl Writer {
    fn bit(&mut self, bit: bool) {
        if self.out.bits.is_multiple_of(8) {
            self.out.bytes.push(0);
        }
        let sent = bit != self.white.next();
        self.out.bytes[self.out.bits / 8] |= u8::from(sent) << (self.out.bits % 8);
        self.out.bits += 1;
    }
    fn field(&mut self, value: u8, width: u8, big: bool) {
        for i in 0..width {
            let bit = value >> (if big { width - 1 - i } else { i }) & 1 != 0;
            self.crc.clock(bit);
            self.bit(bit);
        }
    }
}

struct Reader<'a, N> {
    bytes: &'a [u8],
    at: usize,
    noise: N,
    white: Whitener,
    crc: Crc,
}

impl<N: FnMut(usize) -> bool> Reader<'_, N> {
    fn bit(&mut self) -> bool {
        let heard = match self.bytes.get(self.at / 8) {
            Some(b) => b >> (self.at % 8) & 1 != 0,
            None => (self.noise)(self.at),
        };
        self.at += 1;
        heard != self.white.next()
    }
    fn field(&mut self, width: u8, big: bool) -> u8 {
        let mut value = 0;
        for i in 0..width {
            let bit = self.bit();
            self.crc.clock(bit);
            value |= u8::from(bit) << (if big { width - 1 - i } else { i });
        }
        value
    }
}

impl Format {
    /// Bytes of RAM before the payload: a field of no bits has no byte.
    pub fn header(&self) -> usize {
        usize::from(self.s0_len) + usize::from(self.lf_len > 0) + usize::from(self.s1_len > 0)
    }
    /// Bytes of payload when the LENGTH field holds `length` (17.1.1: truncated to MAXLEN).
    pub fn payload(&self, length: u8) -> usize {
        (usize::from(length) + usize::from(self.stat_len)).min(usize::from(self.max_len))
    }
    /// The LENGTH field in a packet's RAM header, as far as it goes on the air.
    pub fn length(&self, header: &[u8]) -> u8 {
        let byte = header.get(usize::from(self.s0_len)).copied().unwrap_or(0);
        if self.lf_len == 0 { 0 } else { (u32::from(byte) & ((1 << self.lf_len) - 1)) as u8 }
    }
    /// Bits of the fields before the payload.
    fn header_bits(&self) -> usize {
        8 * usize::from(self.s0_len) + usize::from(self.lf_len) + usize::from(self.s1_len)
    }
    /// How many bits a sender with this form put into `bytes` on-air bytes.
    pub fn bits_in(&self, bytes: usize) -> usize {
        let spare = 8usize.wrapping_sub(self.header_bits() % 8) % 8;
        (8 * bytes).saturating_sub(spare)
    }
    /// Bits of the CRC field.
    pub fn crc_bits(&self) -> usize {
        8 * usize::from(self.crc_len)
    }
    /// Whether the values are ones that registers can hold.
    pub fn is_valid(&self) -> bool {
        self.s0_len <= 1 && self.lf_len <= 8 && self.s1_len <= 8 && self.ba_len <= 4 && self.crc_len <= 3
    }

    /// Assembles the packet that lies in RAM as `ram` (header, then payload).
    pub fn encode(&self, address: u64, ram: &[u8]) -> OnAir {
        let (header, payload) = ram.split_at(self.header().min(ram.len()));
        let mut w =
            Writer { out: OnAir::default(), white: Whitener(self.white), crc: Crc::new(self, address) };
        let mut fields = header.iter();
        let widths = [8 * self.s0_len, self.lf_len, self.s1_len];
        for width in widths.into_iter().filter(|w| *w > 0) {
            w.field(fields.next().copied().unwrap_or(0), width, self.big);
        }
        payload.iter().for_each(|b| w.field(*b, 8, self.big));
        let crc = w.crc.reg;
        (0..self.crc_bits()).rev().for_each(|i| w.bit(crc >> i & 1 != 0)); // most significant bit first
        w.out
    }

    /// Disassembles a packet; where `bytes` ends too early, `noise` says what bit is heard there.
    pub fn decode(&self, address: u64, bytes: &[u8], noise: impl FnMut(usize) -> bool) -> Received {
        let mut r = Reader { bytes, at: 0, noise, white: Whitener(self.white), crc: Crc::new(self, address) };
        let widths = [8 * self.s0_len, self.lf_len, self.s1_len];
        let fields = widths.into_iter().filter(|w| *w > 0);
        let mut ram: Vec<u8> = fields.map(|w| r.field(w, self.big)).collect();
        let header = ram.len() as u8;
        let payload = self.payload(self.length(&ram));
        ram.extend((0..payload).map(|_| r.field(8, self.big)));
        let want = r.crc.reg;
        let crc = (0..self.crc_bits()).fold(0, |c, _| c << 1 | u32::from(r.bit()));
        Received { ram, header, crc, crc_ok: crc == want, bits: r.at as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_core::rng::hash_words;
    use proptest::prelude::*;

    /// CRC by long division of the whole bit string, as an independent check of the register.
    fn long_division(bits: &[bool], n: usize, poly: u32, init: u32) -> u32 {
        let mut rest: Vec<bool> = bits.to_vec();
        rest.extend(std::iter::repeat_n(false, n));
        for (i, bit) in rest.iter_mut().enumerate().take(n) {
            *bit ^= init >> (n - 1 - i) & 1 != 0;
        }
        for i in 0..bits.len() {
            if rest[i] {
                rest[i] = false;
                for k in 0..n {
                    rest[i + 1 + k] ^= (poly | 1) >> (n - 1 - k) & 1 != 0;
                }
            }
        }
        rest[bits.len()..].iter().fold(0, |c, b| c << 1 | u32::from(*b))
    }

    fn plain(crc_len: u8, poly: u32, init: u32, big: bool) -> Format {
        Format {
            max_len: 255,
            stat_len: 9,
            ba_len: 3,
            crc_len,
            crc_skips_address: true,
            crc_poly: poly,
            crc_init: init,
            big,
            ..Format::default()
        }
    }

    #[test]
    fn crc_of_the_check_string() {
        // The catalogue's check values of "123456789": CRC-16/IBM-3740, CRC-24/OPENPGP, CRC-8/SMBUS.
        let check = |f: Format, want| {
            let air = f.encode(0, b"123456789");
            assert_eq!(f.decode(0, &air.bytes, |_| false).crc, want);
            assert!(f.decode(0, &air.bytes, |_| false).crc_ok);
        };
        check(plain(2, 0x11021, 0xffff, true), 0x29b1);
        check(plain(3, 0x864cfb, 0xb704ce, true), 0x21cf02);
        check(plain(1, 0x107, 0, true), 0xf4);
        // CRC-24/BLE is reflected: data goes least significant bit first; its register is ours bit-reversed.
        let ble = plain(3, 0x65b, 0x555555, false);
        let crc = ble.decode(0, &ble.encode(0, b"123456789").bytes, |_| false).crc;
        assert_eq!(crc.reverse_bits() >> 8, 0xc25a56);
    }

    #[test]
    fn whitening_is_bluetooths() {
        // Bluetooth Core 4.0 vol 6 part B 3.2: x^7 + x^4 + 1, position 0 set to 1, positions 1 to 6 the channel
        // index, most significant bit in position 1. Here with the positions spelt out.
        for channel in 0..40u8 {
            let mut pos = [false; 7];
            pos[0] = true;
            (0..6).for_each(|i| pos[1 + i] = channel >> (5 - i) & 1 != 0);
            let mut w = Whitener(Some(0x40 | channel));
            for _ in 0..300 {
                let out = pos[6];
                assert_eq!(w.next(), out);
                pos.rotate_right(1);
                pos[4] ^= out;
            }
        }
        // Published sequence for channel 37: first bytes 8d d2 57 a1.
        let f = Format { white: Some(0x40 | 37), max_len: 4, stat_len: 4, ..Format::default() };
        assert_eq!(f.encode(0, &[0; 4]).bytes, [0x8d, 0xd2, 0x57, 0xa1]);
    }

    #[test]
    fn an_esb_packet_has_nine_header_bits() {
        // Enhanced ShockBurst with dynamic length: LENGTH 6 bits, S1 (PID, no-ack) 3 bits, most significant bit first.
        let f = Format { lf_len: 6, s1_len: 3, max_len: 32, big: true, ba_len: 4, ..Format::default() };
        let air = f.encode(0, &[2, 0b011, 0xc3, 0x01]);
        assert_eq!(air.bits, 25);
        // 000010 011 11000011 00000001, first bit in bit 0
        assert_eq!(air.bytes, [0b1001_0000, 0b0000_0111 | 0b1000_0000, 0b0000_0001, 0b1]);
        assert_eq!(f.bits_in(air.bytes.len()), 25);
        assert_eq!(f.decode(0, &air.bytes, |_| false).ram, [2, 0b011, 0xc3, 0x01]);
    }

    #[test]
    fn too_long_a_length_is_cut_to_maxlen() {
        let f = Format { lf_len: 8, max_len: 3, ..Format::default() };
        assert_eq!(f.payload(200), 3);
        let r = f.decode(0, &[200, 1, 2, 3, 4, 5], |_| true);
        assert_eq!((r.ram, r.bits), (vec![200, 1, 2, 3], 32));
    }

    fn formats() -> impl Strategy<Value = Format> {
        let lens = (0..=1u8, 0..=8u8, 0..=8u8, any::<u8>(), 0..=40u8, 1..=4u8);
        let rest = (
            any::<bool>(),
            proptest::option::of(0..=63u8),
            0..=3u8,
            any::<bool>(),
            any::<u32>(),
            any::<u32>(),
        );
        (lens, rest).prop_map(
            |((s0_len, lf_len, s1_len, max_len, stat_len, ba_len), (big, iv, crc_len, skip, poly, init))| {
                Format {
                    s0_len,
                    lf_len,
                    s1_len,
                    max_len,
                    stat_len,
                    ba_len,
                    big,
                    white: iv.map(|i| i | 0x40),
                    crc_len,
                    crc_skips_address: skip,
                    crc_poly: poly,
                    crc_init: init,
                }
            },
        )
    }

    fn packet(f: &Format, seed: u64) -> Vec<u8> {
        let byte = |i: u64| hash_words(seed, &[i]) as u8;
        let mut ram: Vec<u8> = (0..f.header() as u64).map(byte).collect();
        // Bits beyond a field's width are not sent.
        let widths = [8 * f.s0_len, f.lf_len, f.s1_len];
        for (b, w) in ram.iter_mut().zip(widths.into_iter().filter(|w| *w > 0)) {
            *b &= ((1u32 << w) - 1) as u8;
        }
        let n = f.payload(f.length(&ram)) as u64;
        ram.extend((100..100 + n).map(byte));
        ram
    }

    proptest! {
        #[test]
        fn what_is_sent_is_received(f in formats(), seed: u64, address in 0..1u64 << 40) {
            let ram = packet(&f, seed);
            let air = f.encode(address, &ram);
            prop_assert_eq!(f.bits_in(air.bytes.len()), air.bits);
            let r = f.decode(address, &air.bytes, |_| panic!("read past the end"));
            prop_assert!(r.crc_ok);
            prop_assert_eq!(r.bits as usize, air.bits);
            prop_assert_eq!(r.ram, ram);
        }

        #[test]
        fn crc_is_long_division(f in formats(), seed: u64, address in 0..1u64 << 40) {
            let f = Format { white: None, crc_len: f.crc_len.max(1), ..f };
            let air = f.encode(address, &packet(&f, seed));
            let body = air.bits - f.crc_bits();
            let mut bits: Vec<bool> = vec![];
            if !f.crc_skips_address {
                bits.extend((0..8 * (u32::from(f.ba_len) + 1)).map(|i| address >> i & 1 != 0));
            }
            bits.extend((0..body).map(|i| air.bytes[i / 8] >> (i % 8) & 1 != 0));
            prop_assume!(bits.len() >= f.crc_bits());
            let want = long_division(&bits, f.crc_bits(), f.crc_poly, f.crc_init);
            prop_assert_eq!(f.decode(address, &air.bytes, |_| false).crc, want);
        }

        #[test]
        fn a_flipped_bit_fails_the_crc(f in formats(), seed: u64, bit: usize) {
            // With LENGTH spared, so that both sides agree where the CRC is. A polynomial with the constant term
            // finds every single error.
            let f = Format { crc_len: f.crc_len.max(1), lf_len: 0, ..f };
            let mut air = f.encode(7, &packet(&f, seed));
            let bit = bit % air.bits;
            air.bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!f.decode(7, &air.bytes, |_| false).crc_ok);
        }

        #[test]
        fn any_bytes_decode(f in formats(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let r = f.decode(1, &bytes, |i| i % 3 == 0);
            prop_assert!(r.ram.len() <= 258);
        }
    }
}
