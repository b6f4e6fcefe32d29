//! SPI0/TWI0 and SPI1/TWI1 (chapters 27 and 28): an SPI master and an I2C master in one address window; ENABLE
//! chooses.
//!
//! ## Parameters
//! `pins`: `(scl, sda)`, the GPIO numbers of the I2C bus on port 0; with other pins selected nobody answers. Without
//! it the bus is at whatever pins are selected.
//!
//! ## Ports
//! 0: the I2C bus ([`Msg::I2c`] out, [`Msg::I2cReply`] back at once). 1: the SPI slave ([`Msg::Spi`] both ways).
//!
//! ## Pins
//! Out: [`IRQ`](super::common::IRQ).

use super::common::{self, Block, bit_clock, raise, update_irq};
use emu_core::{
    device::{Cx, Device, Port, ResetKind},
    events::Tag,
    link::{I2c, Msg},
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Tables 249 (SPI) and 261 (TWI).
    pub enum Reg {
        /// TWI: start, address, receive.
        TasksStartrx @ 0x000 task,
        /// TWI: start, address, transmit.
        TasksStarttx @ 0x008 task,
        /// TWI: stop condition.
        TasksStop @ 0x014 task,
        /// TWI: stop the clock after the byte.
        TasksSuspend @ 0x01c task,
        /// TWI: go on.
        TasksResume @ 0x020 task,
        /// TWI: stop condition sent.
        EventsStopped @ 0x104 event,
        /// TWI: RXDREADY; SPI: READY.
        EventsReady @ 0x108 event,
        /// TWI: a byte was sent and acknowledged.
        EventsTxdsent @ 0x11c event,
        /// TWI: error.
        EventsError @ 0x124 event,
        /// TWI: byte boundary, before the acknowledge bit.
        EventsBb @ 0x138 event,
        /// TWI: suspended.
        EventsSuspended @ 0x148 event,
        /// TWI: shortcuts.
        Shorts @ 0x200 rw mask 0x3 { BB_SUSPEND: 0..1, BB_STOP: 1..2 },
        /// Enable interrupts.
        Intenset @ 0x304 w1s mask 0x44286,
        /// Disable interrupts.
        Intenclr @ 0x308 w1c mask 0x44286,
        /// TWI: what went wrong.
        Errorsrc @ 0x4c4 w1c mask 0x7 { OVERRUN: 0..1, ANACK: 1..2, DNACK: 2..3 },
        /// 1 SPI, 5 TWI.
        Enable @ 0x500 rw mask 0x7,
        /// SCK or SCL.
        Psel0 @ 0x508 rw reset 0xffff_ffff,
        /// MOSI or SDA.
        Psel1 @ 0x50c rw reset 0xffff_ffff,
        /// MISO.
        Psel2 @ 0x510 rw reset 0xffff_ffff,
        /// Received byte.
        Rxd @ 0x518 ro,
        /// Byte to send.
        Txd @ 0x51c rw mask 0xff,
        /// Bit rate times 2^32 / 16 MHz.
        Frequency @ 0x524 rw reset 0x0400_0000,
        /// SPI: bit order and mode.
        Config @ 0x554 rw mask 0x7 { ORDER: 0..1 },
        /// TWI: 7-bit address.
        Address @ 0x588 rw mask 0x7f,
        /// Power switch of the block.
        Power @ 0xffc rw reset 0x1 mask 0x1,
    }
}

impl Block for Reg {
    const INTENSET: Reg = Reg::Intenset;
    const INTENCLR: Reg = Reg::Intenclr;
}

/// The I2C bus.
pub const I2C: Port = 0;
/// The SPI slave.
pub const SPI: Port = 1;

const SPI_ENABLED: u32 = 1;
const TWI_ENABLED: u32 = 5;

const PHASE: Tag = 0;
const SPI_BYTE: Tag = 1;
const TAGS: [Tag; 2] = [PHASE, SPI_BYTE];

/// What the I2C master is doing; each phase but the resting ones ends with the event `PHASE`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Phase {
    /// The bus is free.
    Idle,
    /// START and address go out; then the acknowledge bit is read.
    Address,
    AddressAck,
    /// A data byte goes out; then the acknowledge bit is read.
    Send,
    SendAck,
    /// A data byte comes in (8 bits); the acknowledge is decided half a bit later and sent.
    Receive,
    Decide,
    ReceiveAck,
    /// The clock is held low: waits for TXD, a new START or STOP.
    Hold,
    /// The clock is held low: waits for RESUME, a new START or STOP.
    Suspended,
    Stop,
}

/// One SPI/TWI pair.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpiTwi {
    bank: Bank<Reg>,
    pins: Option<(u8, u8)>,
    phase: Phase,
    reading: bool,
    /// STOP or SUSPEND was asked for during a byte.
    stop: bool,
    suspend: bool,
    /// TWI: TXD holds a byte not sent yet.
    txd_full: bool,
    /// RXD holds a byte nobody read.
    rxd_full: bool,
    /// The slave's answer to the act under way: acknowledge and data.
    reply: Option<(bool, u8)>,
    /// SPI: byte being shifted out, the one waiting in TXD, the one shifted in, the second received one.
    shifting: Option<u8>,
    waiting: Option<u8>,
    miso: u8,
    second: Option<u8>,
}

impl SpiTwi {
    /// A pair whose I2C bus is at these (SCL, SDA) pins, or at whatever pins are selected.
    pub fn new(pins: Option<(u8, u8)>) -> SpiTwi {
        SpiTwi {
            bank: Bank::default(),
            pins,
            phase: Phase::Idle,
            reading: false,
            stop: false,
            suspend: false,
            txd_full: false,
            rxd_full: false,
            reply: None,
            shifting: None,
            waiting: None,
            miso: 0,
            second: None,
        }
    }

    fn twi(&self) -> bool {
        self.bank.reg(Reg::Enable) == TWI_ENABLED
    }

    /// Half bit times in nanoseconds.
    fn half_bits(&self, n: u64) -> u64 {
        bit_clock(self.bank.reg(Reg::Frequency)).span(n).div_ceil(2)
    }

    // ---- TWI ----

    fn enter(&mut self, phase: Phase, half_bits: u64, cx: &mut Cx) {
        self.phase = phase;
        cx.after(self.half_bits(half_bits), PHASE);
    }

    fn act(&mut self, act: I2c, cx: &mut Cx) {
        self.reply = None;
        let on = |(scl, sda): (u8, u8)| {
            (self.bank.reg(Reg::Psel0), self.bank.reg(Reg::Psel1)) == (u32::from(scl), u32::from(sda))
        };
        if self.pins.is_none_or(on) {
            cx.send(I2C, Msg::I2c(act));
        }
    }

    fn resting(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Hold | Phase::Suspended)
    }

    fn start(&mut self, reading: bool, cx: &mut Cx) {
        if !self.resting() {
            return cx.guest_error("TWI started during a byte");
        }
        (self.reading, self.stop, self.suspend) = (reading, false, false);
        self.enter(Phase::Address, 2 * 9, cx); // START takes a bit, then 7 bits of address and the direction
    }

    fn stop(&mut self, cx: &mut Cx) {
        if self.resting() {
            self.enter(Phase::Stop, 2, cx);
        } else {
            self.stop = true;
        }
    }

    fn error(&mut self, field: &emu_core::regs::Field<Reg>, cx: &mut Cx) {
        self.bank.set(field, 1);
        raise(&mut self.bank, Reg::EventsError, 0, cx);
    }

    /// The byte boundary: its shortcuts act at once.
    fn boundary(&mut self, cx: &mut Cx) {
        raise(&mut self.bank, Reg::EventsBb, 0, cx);
        self.stop |= self.bank.is(&Shorts::BB_STOP);
        self.suspend |= self.bank.is(&Shorts::BB_SUSPEND);
    }

    /// After an acknowledge bit: stop, wait or go on.
    fn next_byte(&mut self, cx: &mut Cx) {
        if self.stop {
            return self.enter(Phase::Stop, 2, cx);
        }
        if std::mem::take(&mut self.suspend) {
            self.phase = Phase::Suspended;
            return raise(&mut self.bank, Reg::EventsSuspended, 0, cx);
        }
        self.phase = Phase::Hold;
        self.go_on(cx);
    }

    /// Out of [`Phase::Hold`], if there is a byte to move.
    fn go_on(&mut self, cx: &mut Cx) {
        if self.phase != Phase::Hold {
            return;
        }
        if self.reading {
            self.enter(Phase::Receive, 2 * 8, cx);
        } else if std::mem::take(&mut self.txd_full) {
            self.enter(Phase::Send, 2 * 8, cx);
        }
    }

    fn address_ack(&mut self, cx: &mut Cx) {
        if self.reply.is_some_and(|r| r.0) {
            return self.next_byte(cx);
        }
        self.nack(&Errorsrc::ANACK, cx);
    }

    fn send_ack(&mut self, cx: &mut Cx) {
        if !self.reply.is_some_and(|r| r.0) {
            return self.nack(&Errorsrc::DNACK, cx);
        }
        raise(&mut self.bank, Reg::EventsTxdsent, 0, cx);
        self.next_byte(cx);
    }

    /// Nobody answered: the master waits for STOP or a new START.
    fn nack(&mut self, field: &emu_core::regs::Field<Reg>, cx: &mut Cx) {
        self.phase = Phase::Hold;
        (self.reading, self.txd_full, self.suspend) = (false, false, false);
        self.error(field, cx);
        if std::mem::take(&mut self.stop) {
            self.stop(cx);
        }
    }

    fn received(&mut self, cx: &mut Cx) {
        let (_, data) = self.reply.unwrap_or((false, 0xff)); // nobody pulls SDA low
        if self.rxd_full {
            self.error(&Errorsrc::OVERRUN, cx);
        }
        self.rxd_full = true;
        self.bank.put(Reg::Rxd, u32::from(data));
        raise(&mut self.bank, Reg::EventsReady, 0, cx);
        self.next_byte(cx);
    }

    fn stopped(&mut self, cx: &mut Cx) {
        self.act(I2c::Stop, cx);
        (self.phase, self.stop, self.suspend, self.txd_full) = (Phase::Idle, false, false, false);
        raise(&mut self.bank, Reg::EventsStopped, 0, cx);
    }

    fn phase_ends(&mut self, cx: &mut Cx) {
        match self.phase {
            Phase::Address => {
                let addr = self.bank.reg(Reg::Address) as u8;
                self.act(I2c::Start { addr, read: self.reading }, cx);
                self.enter(Phase::AddressAck, 2, cx);
            }
            Phase::AddressAck => self.address_ack(cx),
            Phase::Send => {
                self.act(I2c::Write(self.bank.reg(Reg::Txd) as u8), cx);
                self.boundary(cx);
                self.enter(Phase::SendAck, 2, cx);
            }
            Phase::SendAck => self.send_ack(cx),
            Phase::Receive => {
                self.boundary(cx);
                self.enter(Phase::Decide, 1, cx); // time for the PPI to answer BB with STOP
            }
            Phase::Decide => {
                self.act(I2c::Read { ack: !self.stop }, cx);
                self.enter(Phase::ReceiveAck, 1, cx);
            }
            Phase::ReceiveAck => self.received(cx),
            Phase::Stop => self.stopped(cx),
            Phase::Idle | Phase::Hold | Phase::Suspended => {}
        }
    }

    // ---- SPI ----

    fn spi_write(&mut self, byte: u8, cx: &mut Cx) {
        if self.waiting.is_some() {
            cx.guest_error("SPI TXD written while both buffers are full");
        }
        self.waiting = Some(byte);
        self.spi_start(cx);
    }

    fn spi_start(&mut self, cx: &mut Cx) {
        if self.shifting.is_some() {
            return;
        }
        if let Some(byte) = self.waiting.take() {
            self.shifting = Some(byte);
            self.miso = 0; // an undriven MISO reads low
            cx.send(SPI, Msg::Spi(self.ordered(byte)));
            cx.after(self.half_bits(2 * 8), SPI_BYTE);
        }
    }

    fn ordered(&self, byte: u8) -> u8 {
        if self.bank.is(&Config::ORDER) { byte.reverse_bits() } else { byte }
    }

    fn spi_done(&mut self, cx: &mut Cx) {
        self.shifting = None;
        let byte = self.ordered(self.miso);
        if self.rxd_full {
            if self.second.is_some() {
                cx.guest_error("SPI byte lost: RXD was not read");
            }
            self.second = Some(byte);
        } else {
            self.show_spi(byte, cx);
        }
        self.spi_start(cx);
    }

    fn show_spi(&mut self, byte: u8, cx: &mut Cx) {
        self.rxd_full = true;
        self.bank.put(Reg::Rxd, u32::from(byte));
        raise(&mut self.bank, Reg::EventsReady, 0, cx);
    }

    fn disable(&mut self, cx: &mut Cx) {
        for tag in TAGS {
            cx.cancel(tag);
        }
        let bank = std::mem::take(&mut self.bank);
        *self = SpiTwi { bank, ..SpiTwi::new(self.pins) };
    }
}

impl Device for SpiTwi {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-spi-twi";
    const NOT_MODELLED: &'static [&'static str] = &[
        "SPI slave (SPIS1)",
        "the lines' levels on GPIO pins; bytes go over ports",
        "SPI modes: CPOL and CPHA are storage",
        "clock stretching by slaves, bus arbitration",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        *self = SpiTwi::new(self.pins);
        update_irq(&self.bank, cx);
    }

    fn read(&mut self, r: Reg, i: usize, cx: &mut Cx) -> u32 {
        let v = self.bank.at(r, i);
        if r == Reg::Rxd {
            self.rxd_full = false;
            if let Some(byte) = self.second.take() {
                self.show_spi(byte, cx);
            }
        }
        v
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        if common::write_common(&mut self.bank, r, cx) {
            return;
        }
        match (r, self.bank.reg(Reg::Enable)) {
            (Reg::Txd, SPI_ENABLED) => self.spi_write(v as u8, cx),
            (Reg::Txd, TWI_ENABLED) => {
                self.txd_full = true;
                self.go_on(cx);
            }
            (Reg::Enable, on) => {
                self.disable(cx);
                if !matches!(on, 0 | SPI_ENABLED | TWI_ENABLED) {
                    cx.unimplemented("ENABLE of SPIS");
                }
            }
            (Reg::Power, _) if v == 0 => {
                common::power_off(self, &TAGS, cx);
                self.bank.put(Reg::Power, 0);
            }
            _ => {}
        }
    }

    fn task(&mut self, r: Reg, _: usize, cx: &mut Cx) {
        if !self.twi() {
            return cx.guest_error("TWI task while the TWI is disabled");
        }
        match r {
            Reg::TasksStartrx => self.start(true, cx),
            Reg::TasksStarttx => self.start(false, cx),
            Reg::TasksStop => self.stop(cx),
            Reg::TasksSuspend if self.phase == Phase::Hold => {
                self.phase = Phase::Suspended;
                raise(&mut self.bank, Reg::EventsSuspended, 0, cx);
            }
            Reg::TasksSuspend => self.suspend = !self.resting(),
            Reg::TasksResume if self.phase == Phase::Suspended => {
                self.phase = Phase::Hold;
                self.go_on(cx);
            }
            Reg::TasksResume => self.suspend = false,
            _ => {}
        }
    }

    fn event(&mut self, tag: Tag, cx: &mut Cx) {
        if tag == PHASE { self.phase_ends(cx) } else { self.spi_done(cx) }
    }

    fn recv(&mut self, port: Port, msg: Msg, _: &mut Cx) {
        match msg {
            Msg::I2cReply { ack, data } if port == I2C => self.reply = Some((ack, data)),
            Msg::Spi(byte) if port == SPI && self.shifting.is_some() => self.miso = byte,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nordic::common::IRQ;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, SpiTwi::new(Some((0, 30))));

    /// 100 kbit/s to the nanosecond (the drivers' 0x01980000 is 99.6 kbit/s).
    const RATE: u32 = 0x0199_999a;
    const BIT: u64 = 10_000;

    fn twi() -> Bench {
        let mut b = Bench::new(SpiTwi::new(Some((0, 30))));
        b.set(Reg::Psel0, 0, 0);
        b.set(Reg::Psel1, 0, 30);
        b.set(Reg::Frequency, 0, RATE);
        b.set(Reg::Enable, 0, 5);
        b.set(Reg::Address, 0, 0x1d);
        b
    }

    /// The acts on the bus since the last call.
    fn acts(b: &mut Bench) -> Vec<I2c> {
        let act = |o: emu_core::fabric::Outgoing| match o.msg {
            Msg::I2c(a) => Some(a),
            _ => None,
        };
        b.sent().into_iter().filter_map(act).collect()
    }

    /// Lets the time pass that `bits` take, then answers the act on the bus.
    fn bits(b: &mut Bench, bits: u64, data: Option<u8>) -> Vec<I2c> {
        b.advance(bits * BIT);
        let seen = acts(b);
        if let (Some(data), false) = (data, seen.is_empty()) {
            b.recv(I2C, Msg::I2cReply { ack: true, data });
        }
        seen
    }

    #[test]
    fn a_write_is_start_address_data_stop() {
        let mut b = twi();
        b.set(Reg::Intenset, 0, 1 << 7);
        b.set(Reg::TasksStarttx, 0, 1);
        b.set(Reg::Txd, 0, 0x2a);
        b.advance(9 * BIT - 10);
        assert!(acts(&mut b).is_empty());
        b.advance(10);
        assert_eq!(bits(&mut b, 0, Some(0)), [I2c::Start { addr: 0x1d, read: false }]);
        assert_eq!(bits(&mut b, 9, Some(0)), [I2c::Write(0x2a)]);
        b.advance(BIT - 10);
        assert!(!b.pin(IRQ));
        b.advance(10);
        assert!(b.pin(IRQ));
        assert_eq!((b.get(Reg::EventsBb, 0), b.get(Reg::EventsTxdsent, 0)), (1, 1));
        b.set(Reg::TasksStop, 0, 1);
        assert_eq!(bits(&mut b, 1, None), [I2c::Stop]);
        assert_eq!(b.get(Reg::EventsStopped, 0), 1);
    }

    #[test]
    fn nobody_at_the_address() {
        let mut b = twi();
        b.set(Reg::TasksStarttx, 0, 1);
        b.set(Reg::Txd, 0, 0);
        b.advance(30 * BIT);
        assert_eq!((b.get(Reg::EventsError, 0), b.get(Reg::Errorsrc, 0)), (1, 2));
        assert_eq!(b.get(Reg::EventsTxdsent, 0), 0);
        b.set(Reg::TasksStop, 0, 1);
        b.advance(BIT);
        assert_eq!(b.get(Reg::EventsStopped, 0), 1);
    }

    #[test]
    fn a_refused_byte_is_dnack() {
        let mut b = twi();
        b.set(Reg::TasksStarttx, 0, 1);
        bits(&mut b, 9, Some(0));
        b.advance(BIT);
        b.set(Reg::Txd, 0, 1);
        b.advance(8 * BIT);
        b.recv(I2C, Msg::I2cReply { ack: false, data: 0 });
        b.advance(BIT);
        assert_eq!((b.get(Reg::Errorsrc, 0), b.get(Reg::EventsTxdsent, 0)), (4, 0));
    }

    #[test]
    fn a_read_suspends_at_each_boundary_and_refuses_the_last_byte() {
        let mut b = twi();
        b.set(Reg::Shorts, 0, 1);
        b.set(Reg::TasksStartrx, 0, 1);
        b.set(Reg::TasksResume, 0, 1); // before the address is out: no effect
        assert_eq!(bits(&mut b, 9, Some(0)), [I2c::Start { addr: 0x1d, read: true }]);
        b.advance(9 * BIT);
        assert_eq!(b.get(Reg::EventsBb, 0), 1);
        b.advance(BIT / 2);
        assert_eq!(acts(&mut b), [I2c::Read { ack: true }]);
        b.recv(I2C, Msg::I2cReply { ack: true, data: 0x5a });
        b.advance(BIT / 2);
        assert_eq!((b.get(Reg::EventsReady, 0), b.get(Reg::EventsSuspended, 0)), (1, 1));
        assert_eq!(b.get(Reg::Rxd, 0), 0x5a);
        b.advance(100 * BIT);
        assert!(acts(&mut b).is_empty());
        b.set(Reg::Shorts, 0, 2);
        b.set(Reg::TasksResume, 0, 1);
        b.advance(8 * BIT + BIT / 2);
        assert_eq!(acts(&mut b), [I2c::Read { ack: false }]);
        b.recv(I2C, Msg::I2cReply { ack: true, data: 0x77 });
        b.advance(2 * BIT);
        assert_eq!((b.get(Reg::Rxd, 0), acts(&mut b)), (0x77, vec![I2c::Stop]));
        assert_eq!((b.get(Reg::EventsStopped, 0), b.get(Reg::Errorsrc, 0)), (1, 0));
    }

    #[test]
    fn unread_bytes_overrun() {
        let mut b = twi();
        b.set(Reg::TasksStartrx, 0, 1);
        bits(&mut b, 9, Some(0));
        b.advance(BIT + 9 * BIT);
        assert_eq!(b.get(Reg::EventsError, 0), 0);
        b.advance(9 * BIT);
        assert_eq!(b.get(Reg::Errorsrc, 0), 1);
    }

    #[test]
    fn other_pins_have_no_slaves() {
        let mut b = twi();
        b.set(Reg::Psel0, 0, 3);
        b.set(Reg::TasksStarttx, 0, 1);
        b.advance(20 * BIT);
        assert!(b.sent().is_empty());
        assert_eq!(b.get(Reg::Errorsrc, 0), 2);
    }

    #[test]
    fn a_repeated_start_needs_no_stop() {
        let mut b = twi();
        b.set(Reg::TasksStarttx, 0, 1);
        b.set(Reg::Txd, 0, 1);
        bits(&mut b, 9, Some(0));
        bits(&mut b, 9, Some(0));
        b.advance(BIT);
        b.set(Reg::TasksStartrx, 0, 1);
        assert_eq!(bits(&mut b, 9, Some(0)), [I2c::Start { addr: 0x1d, read: true }]);
        assert_eq!(b.mistakes(), 0);
    }

    #[test]
    fn spi_shifts_a_byte_in_8_bit_times_and_buffers_two() {
        let mut b = Bench::new(SpiTwi::new(None));
        b.set(Reg::Frequency, 0, 0x8000_0000);
        b.set(Reg::Enable, 0, 1);
        b.set(Reg::Intenset, 0, 1 << 2);
        b.set(Reg::Txd, 0, 1);
        b.set(Reg::Txd, 0, 2);
        b.recv(SPI, Msg::Spi(0x11));
        b.advance(999);
        assert!(!b.pin(IRQ));
        b.advance(1);
        assert!(b.pin(IRQ));
        b.recv(SPI, Msg::Spi(0x22));
        b.advance(1_000);
        assert_eq!((b.get(Reg::Rxd, 0), b.get(Reg::Rxd, 0), b.mistakes()), (0x11, 0x22, 0));
        let sent: Vec<Msg> = b.sent().into_iter().map(|o| o.msg).collect();
        assert_eq!(sent, [Msg::Spi(1), Msg::Spi(2)]);
        b.set(Reg::Config, 0, 1);
        b.set(Reg::Txd, 0, 0x80);
        assert_eq!(b.sent()[0].msg, Msg::Spi(1)); // least significant bit first
    }
}
