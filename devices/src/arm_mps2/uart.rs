//! APB UART (DDI0479, 4.3): 8 data bits, no parity, one stop bit, one byte of buffer each way.
//!
//! ## Parameters
//! `clock`: PCLK. `instant_tx`: a byte leaves at the very instant it is written, so that STATE.TXFULL is never seen
//! and the transmitter never overruns, as in QEMU. Drivers exist that try once and drop the byte while the buffer is
//! full. With `false` (the default) the transmitter takes the line's time.
//!
//! ## Ports
//! 0: the serial line.
//!
//! ## Pins
//! Out: [`TXINT`], [`RXINT`], [`TXOVRINT`], [`RXOVRINT`] and their OR [`UARTINT`].

use super::common;
use emu_core::{
    device::{Cx, Device, Pin, ResetKind},
    events::Tag,
    link::Msg,
    regs,
    regs::Bank,
    time::Clock,
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

regs! {
    /// Table 4-4.
    pub enum Reg {
        /// Received byte; a write sends.
        Data @ 0x000 rw mask 0xff,
        /// Buffers full (read only) and overruns (write 1 to clear).
        State @ 0x004 w1c mask 0xc { TXFULL: 0..1, RXFULL: 1..2, TXOVERRUN: 2..3, RXOVERRUN: 3..4 },
        /// Enables.
        Ctrl @ 0x008 rw mask 0x7f {
            TXEN: 0..1, RXEN: 1..2, TXINTEN: 2..3, RXINTEN: 3..4, TXOVRINTEN: 4..5, RXOVRINTEN: 5..6, HSTEST: 6..7,
        },
        /// Interrupts; a write is INTCLEAR: 1 clears.
        Intstatus @ 0x00c rw mask 0xf { TX: 0..1, RX: 1..2, TXOVR: 2..3, RXOVR: 3..4 },
        /// PCLK cycles per bit, 16 at least.
        Bauddiv @ 0x010 rw mask 0xfffff,
        /// PID4-7, PID0-3, CID0-3.
        Id @ 0xfd0 [12, 4] ro,
    }
}

/// The transmit buffer became free.
pub const TXINT: Pin = 0;
/// A byte was received.
pub const RXINT: Pin = 1;
/// The transmit buffer was written while it was full.
pub const TXOVRINT: Pin = 2;
/// A byte came while the receive buffer was full.
pub const RXOVRINT: Pin = 3;
/// Any of them.
pub const UARTINT: Pin = 4;

const TX_DONE: Tag = 0;
const RX_TEXT: Tag = 1;
/// Bits of a byte on the line: start, 8 data, stop.
const BITS: u64 = 10;
/// The baud generator needs this many cycles per bit (4.3.2).
const LEAST_DIVIDER: u32 = 16;
const PART: u32 = 0x21;

/// A CMSDK APB UART.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Uart {
    bank: Bank<Reg>,
    hz: u64,
    instant_tx: bool,
    /// The byte in the transmit buffer, while TXFULL is set.
    buffer: u8,
    /// The byte on the line.
    shifting: Option<u8>,
    /// What a read of DATA gives.
    received: u8,
    /// The latched half of INTSTATUS.
    tx_int: bool,
    rx_int: bool,
    /// Text from a console, not yet on the line.
    text: VecDeque<u8>,
}

impl Uart {
    /// A UART whose PCLK has `hz`.
    pub fn new(hz: u64, instant_tx: bool) -> Uart {
        let mut bank = Bank::default();
        common::identify(&mut bank, Reg::Id, PART);
        Uart {
            bank,
            hz,
            instant_tx,
            buffer: 0,
            shifting: None,
            received: 0,
            tx_int: false,
            rx_int: false,
            text: VecDeque::new(),
        }
    }

    /// Length of a byte on the line in nanoseconds. In high-speed test mode the transmitter sends a bit each cycle.
    fn byte_ns(&self, sending: bool) -> u64 {
        let divider = match sending && self.bank.is(&Ctrl::HSTEST) {
            true => 1,
            false => self.bank.reg(Reg::Bauddiv).max(LEAST_DIVIDER),
        };
        Clock::ratio(self.hz, u64::from(divider)).span(BITS)
    }

    /// Drives the interrupt lines. An overrun's interrupt is its status bit under its enable (table 4-4).
    fn update(&mut self, cx: &mut Cx) {
        let b = &mut self.bank;
        let tx_overrun = b.is(&State::TXOVERRUN) && b.is(&Ctrl::TXOVRINTEN);
        let rx_overrun = b.is(&State::RXOVERRUN) && b.is(&Ctrl::RXOVRINTEN);
        let lines =
            [(TXINT, self.tx_int), (RXINT, self.rx_int), (TXOVRINT, tx_overrun), (RXOVRINT, rx_overrun)];
        let mut status = 0;
        for (pin, level) in lines {
            status |= u32::from(level) << pin;
            cx.wire(pin, level);
        }
        b.put(Reg::Intstatus, status);
        cx.wire(UARTINT, status != 0);
    }

    fn write_data(&mut self, byte: u8, cx: &mut Cx) {
        self.bank.put(Reg::Data, u32::from(self.received));
        if self.bank.is(&State::TXFULL) {
            self.bank.set(&State::TXOVERRUN, 1);
        }
        self.buffer = byte;
        self.bank.set(&State::TXFULL, 1);
        self.transmit(cx);
    }

    /// The buffer's byte goes on the line if it is free. The buffer is free again then, which is the interrupt.
    fn transmit(&mut self, cx: &mut Cx) {
        let ready = self.bank.is(&State::TXFULL) && self.bank.is(&Ctrl::TXEN);
        if ready && self.shifting.is_none() {
            self.bank.set(&State::TXFULL, 0);
            self.tx_int |= self.bank.is(&Ctrl::TXINTEN);
            let ns = self.byte_ns(true);
            if cx.followed(0) {
                // With `instant_tx` bytes may start on top of each other: the line sends one after the other.
                cx.send(0, Msg::Sending { byte: self.buffer, ns: u32::try_from(ns).unwrap_or(u32::MAX) });
            }
            if self.instant_tx {
                cx.send(0, Msg::Byte(self.buffer));
            } else {
                self.shifting = Some(self.buffer);
                cx.after(ns, TX_DONE);
            }
        }
        self.update(cx);
    }

    fn receive(&mut self, byte: u8, cx: &mut Cx) {
        if !self.bank.is(&Ctrl::RXEN) {
            return;
        }
        if self.bank.is(&State::RXFULL) {
            self.bank.set(&State::RXOVERRUN, 1);
        }
        self.received = byte;
        self.bank.put(Reg::Data, u32::from(byte));
        self.bank.set(&State::RXFULL, 1);
        self.rx_int |= self.bank.is(&Ctrl::RXINTEN);
        self.update(cx);
    }

    /// The next byte of the console's text goes on the line if the receiver can take it.
    fn pace_text(&mut self, cx: &mut Cx) {
        let room = self.bank.is(&Ctrl::RXEN) && !self.bank.is(&State::RXFULL);
        match (room && !self.text.is_empty(), cx.due(RX_TEXT)) {
            (true, None) => cx.after(self.byte_ns(false), RX_TEXT),
            (false, Some(_)) => cx.cancel(RX_TEXT),
            _ => {}
        }
    }

    fn write_ctrl(&mut self, cx: &mut Cx) {
        let on = self.bank.is(&Ctrl::TXEN) || self.bank.is(&Ctrl::RXEN);
        if on && self.bank.reg(Reg::Bauddiv) < LEAST_DIVIDER {
            cx.guest_error("UART enabled with BAUDDIV below 16");
        }
        self.transmit(cx);
        self.pace_text(cx);
    }
}

impl Device for Uart {
    type Reg = Reg;
    const KIND: &'static str = "arm,cmsdk-uart";
    const NOT_MODELLED: &'static [&'static str] = &[
        "with instant_tx: the time a byte takes to leave, STATE.TXFULL and the transmitter's overrun",
        "framing errors and glitches of the line; bytes go over ports",
        "BAUDDIV below 16 works like 16",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        // What a person typed waits outside the chip and is still there.
        let text = std::mem::take(&mut self.text);
        *self = Uart { text, ..Uart::new(self.hz, self.instant_tx) };
        self.update(cx);
    }

    fn read(&mut self, r: Reg, i: usize, cx: &mut Cx) -> u32 {
        let v = self.bank.at(r, i);
        if r == Reg::Data {
            self.bank.set(&State::RXFULL, 0);
            self.pace_text(cx);
        }
        v
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        match r {
            Reg::Data => self.write_data(v as u8, cx),
            Reg::State => self.update(cx),
            Reg::Ctrl => self.write_ctrl(cx),
            Reg::Intstatus => {
                self.tx_int &= v & 1 << TXINT == 0;
                self.rx_int &= v & 1 << RXINT == 0;
                let state = self.bank.reg(Reg::State) & !(v & 0xc);
                self.bank.put(Reg::State, state);
                self.update(cx);
            }
            Reg::Bauddiv | Reg::Id => {}
        }
    }

    fn event(&mut self, tag: Tag, cx: &mut Cx) {
        if tag == RX_TEXT {
            if let Some(byte) = self.text.pop_front() {
                self.receive(byte, cx);
            }
            return self.pace_text(cx);
        }
        if let Some(byte) = self.shifting.take() {
            cx.send(0, Msg::Byte(byte));
        }
        self.transmit(cx);
    }

    fn recv(&mut self, port: u8, msg: Msg, cx: &mut Cx) {
        match msg {
            Msg::Byte(byte) if port == 0 => {
                self.receive(byte, cx);
                self.pace_text(cx);
            }
            Msg::Text(text) if port == 0 => {
                self.text.extend(text);
                self.pace_text(cx);
            }
            _ => {}
        }
    }

    fn validate(&self) -> Result<(), String> {
        if (1..=1_000_000_000).contains(&self.hz) { Ok(()) } else { Err("UART without a clock".into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_core::time::Time;
    use emu_testkit::Bench;

    emu_testkit::conformance!(timed, Uart::new(25_000_000, false));
    emu_testkit::conformance!(instant, Uart::new(25_000_000, true));

    /// 10 bits of 217 cycles of 40 ns: 115207 baud.
    const BYTE_NS: u64 = 86_800;

    fn started(instant_tx: bool, ctrl: u32) -> Bench {
        let mut b = Bench::new(Uart::new(25_000_000, instant_tx));
        b.set(Reg::Bauddiv, 0, 217);
        b.set(Reg::Ctrl, 0, ctrl);
        b
    }

    fn sent(b: &mut Bench) -> Vec<(u64, u8)> {
        let byte = |o: emu_core::fabric::Outgoing| match o.msg {
            Msg::Byte(byte) => (o.at.0, byte),
            other => panic!("{other:?}"),
        };
        b.sent().into_iter().map(byte).collect()
    }

    #[test]
    fn a_timed_transmitter_takes_two_bytes_and_sends_at_the_stop_bit() {
        let mut b = started(false, 0x05);
        b.set(Reg::Data, 0, 0x41); // goes on to the line, so the buffer is free: the interrupt
        assert_eq!((b.get(Reg::State, 0), b.get(Reg::Intstatus, 0), b.pin(TXINT)), (0, 1, true));
        b.set(Reg::Intstatus, 0, 1);
        assert!(!b.pin(TXINT));
        b.set(Reg::Data, 0, 0x42);
        assert_eq!(b.get(Reg::State, 0), 1);
        b.advance(BYTE_NS - 1);
        assert!(sent(&mut b).is_empty() && !b.pin(TXINT));
        b.advance(1);
        assert_eq!((b.get(Reg::State, 0), b.pin(TXINT)), (0, true));
        b.advance(BYTE_NS);
        assert_eq!(sent(&mut b), [(BYTE_NS, 0x41), (2 * BYTE_NS, 0x42)]);
    }

    #[test]
    fn a_third_byte_overruns_the_transmitter() {
        let mut b = started(false, 0x11);
        for byte in [1, 2, 3] {
            b.set(Reg::Data, 0, byte);
        }
        assert_eq!((b.get(Reg::State, 0), b.get(Reg::Intstatus, 0)), (5, 4));
        assert!(b.pin(TXOVRINT) && b.pin(UARTINT));
        b.set(Reg::Ctrl, 0, 1); // the status stays, its interrupt goes with the enable
        assert_eq!((b.get(Reg::State, 0), b.pin(TXOVRINT)), (5, false));
        b.set(Reg::Ctrl, 0, 0x11);
        assert!(b.pin(TXOVRINT));
        b.set(Reg::Intstatus, 0, 4);
        assert_eq!((b.get(Reg::State, 0), b.pin(UARTINT)), (1, false));
        b.advance(3 * BYTE_NS);
        assert_eq!(sent(&mut b), [(BYTE_NS, 1), (2 * BYTE_NS, 3)]);
    }

    #[test]
    fn an_instant_transmitter_is_never_full() {
        let mut b = started(true, 0x15);
        for byte in [1, 2, 3] {
            b.set(Reg::Data, 0, byte);
            assert_eq!((b.get(Reg::State, 0), b.pin(TXINT)), (0, true));
            b.set(Reg::Intstatus, 0, 1);
            assert!(!b.pin(TXINT));
        }
        assert_eq!(sent(&mut b), [(0, 1), (0, 2), (0, 3)]);
    }

    #[test]
    fn a_byte_waits_in_the_buffer_until_the_transmitter_is_on() {
        for instant in [true, false] {
            let mut b = started(instant, 0);
            b.set(Reg::Data, 0, 7);
            b.advance(1_000_000);
            assert!(sent(&mut b).is_empty());
            assert_eq!(b.get(Reg::State, 0), 1);
            b.set(Reg::Ctrl, 0, 1);
            assert_eq!(b.get(Reg::State, 0), 0);
            b.advance(BYTE_NS);
            assert_eq!(sent(&mut b).len(), 1);
            assert_eq!(b.get(Reg::Data, 0), 0, "what was sent is not what was received");
        }
    }

    #[test]
    fn the_high_speed_test_mode_sends_a_bit_each_cycle() {
        let mut b = started(false, 0x41);
        b.set(Reg::Data, 0, 7);
        b.advance(1_000);
        assert_eq!(sent(&mut b), [(400, 7)]);
    }

    #[test]
    fn console_text_comes_at_the_line_rate_when_there_is_room() {
        let mut b = started(true, 0);
        b.recv(0, Msg::Text(b"ok".to_vec()));
        b.advance(BYTE_NS * 3);
        assert_eq!(b.get(Reg::State, 0), 0);
        b.set(Reg::Ctrl, 0, 0x0a);
        b.advance(BYTE_NS - 1);
        assert!(!b.pin(RXINT));
        b.advance(1);
        assert_eq!((b.pin(RXINT), b.get(Reg::State, 0)), (true, 2));
        b.advance(10 * BYTE_NS); // not read: the second byte waits
        assert_eq!((b.get(Reg::State, 0), b.get(Reg::Data, 0)), (2, u32::from(b'o')));
        assert!(b.pin(RXINT), "the interrupt is cleared by INTCLEAR only");
        b.set(Reg::Intstatus, 0, 2);
        b.advance(BYTE_NS);
        assert_eq!((b.pin(RXINT), b.get(Reg::Data, 0)), (true, u32::from(b'k')));
        assert_eq!(b.get(Reg::State, 0), 0);
    }

    #[test]
    fn another_machine_that_follows_hears_of_the_start_bit() {
        for instant in [false, true] {
            let mut b = started(instant, 0x01);
            b.machine.bus.fabric.followed = vec![(emu_core::device::DevId(0), 0)];
            b.set(Reg::Data, 0, 0x41);
            b.advance(BYTE_NS);
            let sent: Vec<_> = b.sent().into_iter().map(|o| (o.at.0, o.msg)).collect();
            let end = if instant { 0 } else { BYTE_NS };
            let start = Msg::Sending { byte: 0x41, ns: BYTE_NS as u32 };
            assert_eq!(sent, [(0, start), (end, Msg::Byte(0x41))], "{instant}");
        }
    }

    #[test]
    fn a_byte_on_the_line_overruns_the_receiver() {
        let mut b = started(true, 0x2a);
        b.recv(0, Msg::Byte(1));
        assert!(!b.pin(RXOVRINT));
        b.recv(0, Msg::Byte(2));
        assert_eq!((b.get(Reg::State, 0), b.get(Reg::Intstatus, 0)), (0xa, 0xa));
        assert!(b.pin(RXOVRINT));
        b.set(Reg::State, 0, 8);
        assert_eq!((b.get(Reg::State, 0), b.pin(RXOVRINT)), (2, false));
        assert_eq!(b.get(Reg::Data, 0), 2);
        b.set(Reg::Ctrl, 0, 0);
        b.recv(0, Msg::Byte(3));
        assert_eq!(b.get(Reg::State, 0), 0);
    }

    #[test]
    fn reset_keeps_what_was_typed() {
        let mut b = started(true, 0x02);
        b.recv(0, Msg::Text(b"x".to_vec()));
        b.machine.reset(ResetKind::Soft);
        b.set(Reg::Bauddiv, 0, 217);
        b.set(Reg::Ctrl, 0, 2);
        b.advance(BYTE_NS);
        assert_eq!(b.get(Reg::Data, 0), u32::from(b'x'));
    }

    #[test]
    fn identification_and_misuse() {
        let mut b = Bench::new(Uart::new(25_000_000, true));
        let id: Vec<_> = (0..12).map(|i| b.get(Reg::Id, i)).collect();
        assert_eq!(id, [4, 0, 0, 0, 0x21, 0xb8, 0x1b, 0, 0x0d, 0xf0, 0x05, 0xb1]);
        b.set(Reg::Ctrl, 0, 1); // no BAUDDIV
        assert_eq!(b.mistakes(), 1);
        assert_eq!(b.now(), Time::ZERO);
    }
}
