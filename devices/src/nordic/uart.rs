//! UART0 (chapter 29).
//!
//! ## Parameters
//! `line`: `[txd, rxd]`, the GPIO numbers of the line on port 0. Without it every connected pin pair is that line.
//!
//! ## Ports
//! 0: the serial line at `pins`. 1: the line at whatever other pins PSELTXD and PSELRXD name. A byte comes in at its
//! stop bit; it is heard on the port whose RXD pin is selected.
//!
//! ## Pins
//! Out: [`IRQ`](super::common::IRQ); [`RTS`] (low: ready). In: [`CTS`] (low: the other side is ready).

use super::common::{self, Block, bit_clock, raise, update_irq};
use emu_core::{
    device::{Cx, Device, Pin, Port, ResetKind},
    events::Tag,
    link::Msg,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

regs! {
    /// Table 270.
    pub enum Reg {
        /// Start the receiver (29.5).
        TasksStartrx @ 0x000 task,
        /// Stop the receiver.
        TasksStoprx @ 0x004 task,
        /// Start the transmitter (29.4).
        TasksStarttx @ 0x008 task,
        /// Stop the transmitter.
        TasksStoptx @ 0x00c task,
        /// Stop both (29.6).
        TasksSuspend @ 0x01c task,
        /// CTS was activated.
        EventsCts @ 0x100 event,
        /// CTS was deactivated.
        EventsNcts @ 0x104 event,
        /// A byte moved from the FIFO to RXD.
        EventsRxdrdy @ 0x108 event,
        /// A byte was sent.
        EventsTxdrdy @ 0x11c event,
        /// An error was detected (29.7).
        EventsError @ 0x124 event,
        /// The receiver has stopped.
        EventsRxto @ 0x144 event,
        /// Shortcuts.
        Shorts @ 0x200 rw mask 0x18 { CTS_STARTRX: 3..4, NCTS_STOPRX: 4..5 },
        /// Enable interrupts.
        Intenset @ 0x304 w1s mask 0x20287,
        /// Disable interrupts.
        Intenclr @ 0x308 w1c mask 0x20287,
        /// Error source.
        Errorsrc @ 0x480 w1c mask 0xf { OVERRUN: 0..1 },
        /// 4 enables the UART.
        Enable @ 0x500 rw mask 0x7,
        /// Pin of RTS.
        Pselrts @ 0x508 rw reset 0xffff_ffff,
        /// Pin of TXD.
        Pseltxd @ 0x50c rw reset 0xffff_ffff,
        /// Pin of CTS.
        Pselcts @ 0x510 rw reset 0xffff_ffff,
        /// Pin of RXD.
        Pselrxd @ 0x514 rw reset 0xffff_ffff,
        /// Received byte; reading it takes it from the FIFO.
        Rxd @ 0x518 ro,
        /// Byte to send.
        Txd @ 0x51c wo mask 0xff,
        /// Bit rate times 2^32 / 16 MHz.
        Baudrate @ 0x524 rw reset 0x0400_0000,
        /// Flow control and parity.
        Config @ 0x56c rw mask 0xf { HWFC: 0..1, PARITY: 1..4 },
        /// Power switch of the block.
        Power @ 0xffc rw reset 0x1 mask 0x1,
    }
}

impl Block for Reg {
    const INTENSET: Reg = Reg::Intenset;
    const INTENCLR: Reg = Reg::Intenclr;
}

/// Output: request to send, low when the receiver has room. Driven with flow control only.
pub const RTS: Pin = 33;
/// Input: clear to send, active low.
pub const CTS: Pin = 0;
/// The receiver's FIFO, RXD included (29.5).
const FIFO: usize = 6;
/// RTS is deactivated when the FIFO has room for only this many bytes more.
const RTS_RESERVE: usize = 4;
const DISCONNECTED: u32 = u32::MAX;

/// The port of the line the board file names.
pub const LINE: Port = 0;
/// The port of a line at any other pins.
pub const EDGE: Port = 1;

const TX_DONE: Tag = 0;
const RX_TEXT: Tag = 1;
const RX_STOPPED: Tag = 2;
const TAGS: [Tag; 3] = [TX_DONE, RX_TEXT, RX_STOPPED];

/// UART0.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Uart {
    bank: Bank<Reg>,
    pins: Option<(u8, u8)>,
    tx_on: bool,
    rx_on: bool,
    /// The byte on the line and the port it goes to.
    shifting: Option<(u8, Option<Port>)>,
    /// A byte written while another was on the line, or while CTS forbids sending.
    holding: Option<u8>,
    /// Received bytes; the first is in RXD.
    fifo: VecDeque<u8>,
    /// Text from a console, not yet on the line.
    text: VecDeque<u8>,
    cts_high: bool,
}

impl Uart {
    /// A UART whose port 0 is the line at these (TXD, RXD) pins, or at whatever pins are selected.
    pub fn new(pins: Option<(u8, u8)>) -> Uart {
        Uart {
            bank: Bank::default(),
            pins,
            tx_on: false,
            rx_on: false,
            shifting: None,
            holding: None,
            fifo: VecDeque::new(),
            text: VecDeque::new(),
            cts_high: false,
        }
    }

    fn enabled(&self) -> bool {
        self.bank.reg(Reg::Enable) == 4
    }

    /// Length of a byte on the line in nanoseconds: start, 8 data, parity if any, stop.
    fn byte_ns(&self) -> u64 {
        let parity = u64::from(self.bank.get(&Config::PARITY) == 7);
        bit_clock(self.bank.reg(Reg::Baudrate)).span(10 + parity)
    }

    /// The port of the line at `pin`, if `pin` is one; `own` is the one of port 0.
    fn port(pin: u32, own: Option<u8>) -> Option<Port> {
        match own {
            _ if pin == DISCONNECTED => None,
            Some(own) if u32::from(own) != pin => Some(EDGE),
            _ => Some(LINE),
        }
    }

    fn tx_port(&self) -> Option<Port> {
        Self::port(self.bank.reg(Reg::Pseltxd), self.pins.map(|p| p.0))
    }

    /// The receiver listens to the line of `port`.
    fn hears(&self, port: Port) -> bool {
        let selected = Self::port(self.bank.reg(Reg::Pselrxd), self.pins.map(|p| p.1));
        self.enabled() && self.rx_on && selected == Some(port)
    }

    fn start_byte(&mut self, cx: &mut Cx) {
        let held_back = self.bank.is(&Config::HWFC) && self.cts_high;
        if self.shifting.is_some() || !self.tx_on || !self.enabled() || held_back {
            return;
        }
        if let Some(byte) = self.holding.take() {
            let (port, ns) = (self.tx_port(), self.byte_ns());
            if let Some(port) = port.filter(|p| cx.followed(*p)) {
                cx.send(port, Msg::Sending { byte, ns: u32::try_from(ns).unwrap_or(u32::MAX) });
            }
            self.shifting = Some((byte, port));
            cx.after(ns, TX_DONE);
        }
    }

    fn write_txd(&mut self, byte: u8, cx: &mut Cx) {
        if !self.tx_on || !self.enabled() {
            return cx.guest_error("TXD written while the transmitter is stopped");
        }
        if self.shifting.is_some() {
            cx.guest_error("TXD written before TXDRDY");
        }
        self.holding = Some(byte);
        self.start_byte(cx);
    }

    fn receive(&mut self, port: Port, byte: u8, cx: &mut Cx) {
        if !self.hears(port) {
            return;
        }
        if self.fifo.len() == FIFO {
            self.bank.set(&Errorsrc::OVERRUN, 1);
            return raise(&mut self.bank, Reg::EventsError, 0, cx);
        }
        self.fifo.push_back(byte);
        if self.fifo.len() == 1 {
            self.show_rxd(cx);
        }
        self.update_rts(cx);
    }

    fn show_rxd(&mut self, cx: &mut Cx) {
        if let Some(&byte) = self.fifo.front() {
            self.bank.put(Reg::Rxd, u32::from(byte));
            raise(&mut self.bank, Reg::EventsRxdrdy, 0, cx);
        }
    }

    /// The next byte of the console's text goes on the line if the receiver can take it.
    fn pace_text(&mut self, cx: &mut Cx) {
        let go = self.hears(LINE) && !self.text.is_empty() && self.fifo.len() < FIFO;
        match (go, cx.due(RX_TEXT)) {
            (true, None) => cx.after(self.byte_ns(), RX_TEXT),
            (false, Some(_)) => cx.cancel(RX_TEXT),
            _ => {}
        }
    }

    fn update_rts(&mut self, cx: &mut Cx) {
        let room = self.rx_on && self.enabled() && self.fifo.len() + RTS_RESERVE < FIFO;
        cx.wire(RTS, self.bank.is(&Config::HWFC) && !room);
    }

    fn stop_rx(&mut self, cx: &mut Cx) {
        // Bytes on their way are still taken for as long as RTS_RESERVE bytes last (29.5).
        if self.rx_on && cx.due(RX_STOPPED).is_none() {
            cx.after(self.byte_ns().saturating_mul(RTS_RESERVE as u64), RX_STOPPED);
        }
    }

    fn stop_tx(&mut self) {
        self.tx_on = false;
        self.holding = None;
    }
}

impl Device for Uart {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-uart";
    const NOT_MODELLED: &'static [&'static str] = &[
        "the line's levels on GPIO pins; bytes go over ports",
        "parity, framing and break errors of received bytes; a sender at another rate is understood",
        "a byte that ENABLE or POWER cuts off arrives whole at another machine",
        "PSELRTS and PSELCTS: flow control uses fixed wires",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        // What a person typed waits outside the chip and is still there.
        let text = std::mem::take(&mut self.text);
        *self = Uart { text, cts_high: self.cts_high, ..Uart::new(self.pins) };
        update_irq(&self.bank, cx);
        cx.wire(RTS, false);
    }

    fn read(&mut self, r: Reg, i: usize, cx: &mut Cx) -> u32 {
        let v = self.bank.at(r, i);
        if r == Reg::Rxd && self.fifo.pop_front().is_some() {
            self.show_rxd(cx);
            self.update_rts(cx);
            self.pace_text(cx);
        }
        v
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        if common::write_common(&mut self.bank, r, cx) {
            return;
        }
        match r {
            Reg::Txd => self.write_txd(v as u8, cx),
            Reg::Enable if v != 4 => {
                (self.tx_on, self.rx_on, self.shifting, self.holding) = (false, false, None, None);
                self.fifo.clear();
                for tag in TAGS {
                    cx.cancel(tag);
                }
                self.update_rts(cx);
            }
            Reg::Power if v == 0 => {
                common::power_off(self, &TAGS, cx);
                self.bank.put(Reg::Power, 0);
            }
            Reg::Config => self.update_rts(cx),
            Reg::Pselrxd | Reg::Enable => self.pace_text(cx),
            _ => {}
        }
    }

    fn task(&mut self, r: Reg, _: usize, cx: &mut Cx) {
        if !self.enabled() {
            return cx.guest_error("UART task while the UART is disabled");
        }
        match r {
            Reg::TasksStartrx => {
                cx.cancel(RX_STOPPED);
                self.rx_on = true;
                self.update_rts(cx);
                self.pace_text(cx);
            }
            Reg::TasksStoprx => self.stop_rx(cx),
            Reg::TasksStarttx => self.tx_on = true,
            Reg::TasksStoptx => self.stop_tx(),
            Reg::TasksSuspend => {
                self.stop_tx();
                self.stop_rx(cx);
            }
            _ => {}
        }
    }

    fn event(&mut self, tag: Tag, cx: &mut Cx) {
        match tag {
            TX_DONE => {
                if let Some((byte, Some(port))) = self.shifting.take() {
                    cx.send(port, Msg::Byte(byte));
                }
                raise(&mut self.bank, Reg::EventsTxdrdy, 0, cx);
                self.start_byte(cx);
            }
            RX_TEXT => {
                if let Some(byte) = self.text.pop_front() {
                    self.receive(LINE, byte, cx);
                }
                self.pace_text(cx);
            }
            _ => {
                self.rx_on = false;
                self.update_rts(cx);
                self.pace_text(cx);
                raise(&mut self.bank, Reg::EventsRxto, 0, cx);
            }
        }
    }

    fn wire_in(&mut self, pin: Pin, level: bool, cx: &mut Cx) {
        if pin != CTS || level == self.cts_high {
            return;
        }
        self.cts_high = level;
        if !self.enabled() || !self.bank.is(&Config::HWFC) {
            return;
        }
        let (event, short, task) = match level {
            false => (Reg::EventsCts, &Shorts::CTS_STARTRX, Reg::TasksStartrx),
            true => (Reg::EventsNcts, &Shorts::NCTS_STOPRX, Reg::TasksStoprx),
        };
        raise(&mut self.bank, event, 0, cx);
        if self.bank.is(short) {
            self.task(task, 0, cx);
        }
        self.start_byte(cx);
    }

    fn recv(&mut self, port: Port, msg: Msg, cx: &mut Cx) {
        match msg {
            Msg::Byte(byte) => {
                self.receive(port, byte, cx);
                self.pace_text(cx);
            }
            Msg::Text(text) if port == LINE => {
                self.text.extend(text);
                self.pace_text(cx);
            }
            _ => {}
        }
    }

    fn validate(&self) -> Result<(), String> {
        if self.fifo.len() > FIFO { Err("UART FIFO longer than the hardware's".into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nordic::common::IRQ;
    use emu_testkit::Bench;

    emu_testkit::conformance!(conformance, Uart::new(Some((24, 25))));

    const BYTE_NS: u64 = 86_803; // 10 bits at 115204 baud

    fn started() -> Bench {
        let mut b = Bench::new(Uart::new(Some((24, 25))));
        b.set(Reg::Pseltxd, 0, 24);
        b.set(Reg::Pselrxd, 0, 25);
        b.set(Reg::Baudrate, 0, 0x01D7_E000);
        b.set(Reg::Enable, 0, 4);
        b.set(Reg::TasksStarttx, 0, 1);
        b.set(Reg::TasksStartrx, 0, 1);
        b
    }

    fn read_ready(b: &mut Bench) -> u8 {
        assert_eq!(b.get(Reg::EventsRxdrdy, 0), 1);
        b.set(Reg::EventsRxdrdy, 0, 0);
        b.get(Reg::Rxd, 0) as u8
    }

    #[test]
    fn a_byte_is_seen_at_its_stop_bit() {
        let mut b = started();
        b.set(Reg::Intenset, 0, 1 << 7);
        b.set(Reg::Txd, 0, 0x41);
        b.advance(BYTE_NS - 1);
        assert!(!b.pin(IRQ) && b.sent().is_empty());
        b.advance(1);
        assert!(b.pin(IRQ));
        let sent = b.sent();
        assert_eq!((sent.len(), sent[0].at.0, sent[0].port), (1, BYTE_NS, 0));
        assert_eq!(sent[0].msg, Msg::Byte(0x41));
        b.set(Reg::EventsTxdrdy, 0, 0);
        assert!(!b.pin(IRQ));
    }

    #[test]
    fn another_machine_that_follows_hears_of_the_start_bit() {
        let mut b = started();
        b.machine.bus.fabric.followed = vec![(emu_core::device::DevId(0), LINE)];
        b.set(Reg::Txd, 0, 0x41);
        let sent = b.sent();
        assert_eq!((sent.len(), sent[0].at.0), (1, 0));
        assert_eq!(sent[0].msg, Msg::Sending { byte: 0x41, ns: BYTE_NS as u32 });
        b.advance(BYTE_NS);
        assert_eq!(b.sent()[0].msg, Msg::Byte(0x41));
        b.set(Reg::Pseltxd, 0, 3); // nobody follows there
        b.set(Reg::Config, 0, 7 << 1); // 11 bits
        b.set(Reg::Txd, 0, 0x42);
        assert!(b.sent().is_empty());
        b.advance(BYTE_NS * 11 / 10);
        let sent = b.sent();
        assert_eq!((sent[0].port, &sent[0].msg), (EDGE, &Msg::Byte(0x42)));
    }

    #[test]
    fn a_byte_is_heard_on_the_port_of_the_selected_pin_only() {
        let mut b = started();
        b.recv(EDGE, Msg::Byte(1));
        assert_eq!(b.get(Reg::EventsRxdrdy, 0), 0);
        b.set(Reg::Pselrxd, 0, 1);
        b.recv(LINE, Msg::Byte(2));
        assert_eq!(b.get(Reg::EventsRxdrdy, 0), 0);
        b.recv(EDGE, Msg::Byte(3));
        assert_eq!(read_ready(&mut b), 3);
        b.set(Reg::TasksStoprx, 0, 1);
        b.advance(4 * BYTE_NS);
        b.recv(EDGE, Msg::Byte(4));
        assert_eq!(b.get(Reg::EventsRxdrdy, 0), 0, "the receiver is off");
        b.set(Reg::TasksStartrx, 0, 1);
        for i in 0..7 {
            b.recv(EDGE, Msg::Byte(i));
        }
        assert_eq!((b.get(Reg::EventsError, 0), b.get(Reg::Errorsrc, 0)), (1, 1), "six fit");
    }

    #[test]
    fn a_byte_started_without_a_pin_goes_nowhere() {
        let mut b = started();
        b.set(Reg::Pseltxd, 0, DISCONNECTED);
        b.set(Reg::Txd, 0, 0);
        b.set(Reg::Pseltxd, 0, 24);
        b.advance(BYTE_NS);
        assert_eq!(b.get(Reg::EventsTxdrdy, 0), 1);
        assert!(b.sent().is_empty());
        b.set(Reg::Pseltxd, 0, 3);
        b.set(Reg::Txd, 0, 1);
        b.advance(BYTE_NS);
        assert_eq!(b.sent()[0].port, 1);
    }

    #[test]
    fn nothing_is_sent_before_starttx() {
        let mut b = Bench::new(Uart::new(None));
        b.set(Reg::Enable, 0, 4);
        b.set(Reg::Txd, 0, 1);
        b.advance(1_000_000);
        assert_eq!((b.mistakes(), b.get(Reg::EventsTxdrdy, 0)), (1, 0));
    }

    #[test]
    fn text_arrives_at_the_line_rate_and_never_overruns() {
        let mut b = started();
        b.recv(0, Msg::Text(b"0123456789".to_vec()));
        b.advance(BYTE_NS - 1);
        assert_eq!(b.get(Reg::EventsRxdrdy, 0), 0);
        b.advance(1);
        assert_eq!(read_ready(&mut b), b'0');
        b.advance(1_000_000_000);
        for c in b"123456" {
            assert_eq!(read_ready(&mut b), *c);
        }
        b.advance(BYTE_NS * 3);
        for c in b"789" {
            assert_eq!(read_ready(&mut b), *c);
        }
        assert_eq!((b.get(Reg::Errorsrc, 0), b.get(Reg::EventsRxdrdy, 0)), (0, 0));
    }

    #[test]
    fn text_waits_for_the_receiver() {
        let mut b = Bench::new(Uart::new(None));
        b.recv(0, Msg::Text(b"x".to_vec()));
        b.advance(1_000_000_000);
        b.set(Reg::Pselrxd, 0, 25);
        b.set(Reg::Enable, 0, 4);
        b.set(Reg::TasksStartrx, 0, 1);
        b.advance(40_000);
        assert_eq!(read_ready(&mut b), b'x');
    }

    #[test]
    fn a_seventh_byte_overruns() {
        let mut b = started();
        b.set(Reg::Intenset, 0, 1 << 9);
        for c in 0..6 {
            b.recv(0, Msg::Byte(c));
        }
        assert!(!b.pin(IRQ));
        b.recv(0, Msg::Byte(6));
        assert!(b.pin(IRQ));
        assert_eq!(b.get(Reg::Errorsrc, 0), 1);
        b.set(Reg::Errorsrc, 0, 1);
        assert_eq!(b.get(Reg::Errorsrc, 0), 0);
        let got: Vec<u8> = (0..6).map(|_| read_ready(&mut b)).collect();
        assert_eq!(got, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn stoprx_ends_with_rxto_after_four_bytes() {
        let mut b = started();
        b.set(Reg::TasksStoprx, 0, 1);
        b.recv(0, Msg::Byte(7));
        assert_eq!(read_ready(&mut b), 7);
        b.advance(4 * BYTE_NS - 1);
        assert_eq!(b.get(Reg::EventsRxto, 0), 0);
        b.advance(1);
        assert_eq!(b.get(Reg::EventsRxto, 0), 1);
        b.recv(0, Msg::Byte(8));
        assert_eq!(b.get(Reg::EventsRxdrdy, 0), 0);
    }

    #[test]
    fn flow_control_holds_a_byte_back_and_shortcuts_act() {
        let mut b = started();
        b.set(Reg::Config, 0, 1);
        assert!(!b.pin(RTS));
        b.recv(0, Msg::Byte(1));
        b.recv(0, Msg::Byte(2));
        assert!(b.pin(RTS));
        b.set_pin(CTS, true);
        assert_eq!(b.get(Reg::EventsNcts, 0), 1);
        b.set(Reg::Txd, 0, 5);
        b.advance(1_000_000);
        assert!(b.sent().is_empty());
        b.set_pin(CTS, false);
        b.advance(BYTE_NS);
        assert_eq!((b.get(Reg::EventsCts, 0), b.sent().len()), (1, 1));
        b.set(Reg::Shorts, 0, 1 << 4);
        b.set_pin(CTS, true);
        b.advance(4 * BYTE_NS);
        assert_eq!(b.get(Reg::EventsRxto, 0), 1);
    }

    #[test]
    fn power_off_loses_the_state_but_not_the_outside() {
        let mut b = started();
        b.recv(0, Msg::Text(b"ab".to_vec()));
        b.advance(BYTE_NS);
        b.set(Reg::Power, 0, 0);
        assert_eq!((b.get(Reg::Enable, 0), b.get(Reg::Power, 0)), (0, 0));
        b.set(Reg::Power, 0, 1);
        b.set(Reg::Pselrxd, 0, 25);
        b.set(Reg::Enable, 0, 4);
        b.set(Reg::TasksStartrx, 0, 1);
        b.advance(BYTE_NS);
        assert_eq!(read_ready(&mut b), b'b');
    }
}
