//! UART with FIFOs (PC16550D data sheet, chapter 8): two queues of 16 bytes, or one byte each way without.
//!
//! ## Parameters
//! `clock`: the input clock, 16 cycles of which are a bit at divisor 1. `reg_shift`: registers lie 1, 2 or 4 bytes apart
//! (0, 1, 2). `divisor`: of the baud rate after reset, where hardware has none. `instant_tx`: a byte leaves at the very
//! instant it is written, as in QEMU; LSR.THRE is always set.
//!
//! ## Ports
//! 0: the serial line.
//!
//! ## Pins
//! Out: [`INTR`].

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
    /// Table II, as it is with `reg_shift = 2`.
    pub enum Reg {
        /// Receiver buffer, transmitter holding register, divisor latch low.
        Data @ 0x00 rw mask 0xff,
        /// Interrupt enables, divisor latch high.
        Ier @ 0x04 rw mask 0xff { ERBFI: 0..1, ETBEI: 1..2, ELSI: 2..3, EDSSI: 3..4 },
        /// Interrupt identification; a write is FCR.
        Iir @ 0x08 rw reset 0x01 mask 0xff,
        /// Line control.
        Lcr @ 0x0c rw mask 0xff { WLS: 0..2, STB: 2..3, PEN: 3..4, BREAK: 6..7, DLAB: 7..8 },
        /// Modem control.
        Mcr @ 0x10 rw mask 0x1f { DTR: 0..1, RTS: 1..2, OUT1: 2..3, OUT2: 3..4, LOOP: 4..5 },
        /// Line status.
        Lsr @ 0x14 rw reset 0x60 mask 0x00 { DR: 0..1, OE: 1..2, THRE: 5..6, TEMT: 6..7 },
        /// Modem status: CTS, DSR and DCD are there.
        Msr @ 0x18 rw reset 0xb0 mask 0x00,
        /// Scratch.
        Scr @ 0x1c rw mask 0xff,
    }
}

/// The interrupt.
pub const INTR: Pin = 0;
const TX_DONE: Tag = 0;
const RX_TEXT: Tag = 1;
const RX_TIMEOUT: Tag = 2;
const DEPTH: usize = 16;

/// IIR's identifications by priority (table V).
mod source {
    pub const LINE: u32 = 0x6;
    pub const DATA: u32 = 0x4;
    pub const TIMEOUT: u32 = 0xc;
    pub const THRE: u32 = 0x2;
    pub const NONE: u32 = 0x1;
}

/// How a UART is built in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Input clock.
    pub hz: u64,
    /// Registers lie `1 << reg_shift` bytes apart.
    pub reg_shift: u8,
    /// Divisor after reset.
    pub divisor: u16,
    /// A byte leaves as it is written.
    pub instant_tx: bool,
}

/// A 16550 UART.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Uart {
    bank: Bank<Reg>,
    config: Config,
    divisor: u16,
    /// IER: its place in the bank also takes what is meant for the divisor latch.
    ier: u32,
    /// FCR: the FIFOs are on, and the receiver's trigger level.
    fifo: bool,
    trigger: u8,
    rx: VecDeque<u8>,
    tx: VecDeque<u8>,
    /// The byte on the line.
    shifting: Option<u8>,
    /// The transmitter's interrupt: set as THR becomes empty, cleared by reading IIR or writing THR.
    thre: bool,
    /// Bytes have waited in the FIFO for four characters' time.
    timeout: bool,
    /// Text from a console, not yet on the line.
    text: VecDeque<u8>,
}

impl Uart {
    /// A UART after reset.
    pub fn new(config: Config) -> Uart {
        Uart {
            bank: Bank::default(),
            config,
            divisor: config.divisor,
            ier: 0,
            fifo: false,
            trigger: 1,
            rx: VecDeque::new(),
            tx: VecDeque::new(),
            shifting: None,
            thre: false,
            timeout: false,
            text: VecDeque::new(),
        }
    }

    /// Length of a character on the line in nanoseconds. Divisor 0 works like 1.
    fn char_ns(&self) -> u64 {
        let b = &self.bank;
        let bits = 1 + 5 + b.get(&Lcr::WLS) + b.get(&Lcr::PEN) + 1 + b.get(&Lcr::STB);
        Clock::ratio(self.config.hz, 16 * u64::from(self.divisor.max(1))).span(bits.into())
    }

    fn depth(&self) -> usize {
        if self.fifo { DEPTH } else { 1 }
    }

    /// What IIR shows below its FIFO bits.
    fn source(&self) -> u32 {
        let b = &self.bank;
        let level = if self.fifo { usize::from(self.trigger) } else { 1 };
        if b.is(&Ier::ELSI) && b.is(&Lsr::OE) {
            source::LINE
        } else if b.is(&Ier::ERBFI) && self.rx.len() >= level {
            source::DATA
        } else if b.is(&Ier::ERBFI) && self.timeout {
            source::TIMEOUT
        } else if b.is(&Ier::ETBEI) && self.thre {
            source::THRE
        } else {
            source::NONE
        }
    }

    /// Status, identification and the interrupt line follow from the rest.
    fn update(&mut self, cx: &mut Cx) {
        let (data, empty) = (!self.rx.is_empty(), self.tx.is_empty());
        let idle = empty && self.shifting.is_none();
        let b = &mut self.bank;
        b.set(&Lsr::DR, data.into());
        b.set(&Lsr::THRE, empty.into());
        b.set(&Lsr::TEMT, idle.into());
        let source = self.source();
        self.bank.put(Reg::Iir, source | if self.fifo { 0xc0 } else { 0 });
        cx.wire(INTR, source != source::NONE);
    }

    /// The next byte goes on the line if it is free. THR is empty then: its interrupt.
    fn transmit(&mut self, cx: &mut Cx) {
        while self.shifting.is_none() {
            let Some(byte) = self.tx.pop_front() else { break };
            self.thre |= self.tx.is_empty();
            if self.bank.is(&Mcr::LOOP) {
                self.receive(byte, cx);
                continue;
            }
            let ns = self.char_ns();
            if cx.followed(0) {
                cx.send(0, Msg::Sending { byte, ns: u32::try_from(ns).unwrap_or(u32::MAX) });
            }
            if self.config.instant_tx {
                cx.send(0, Msg::Byte(byte));
            } else {
                self.shifting = Some(byte);
                cx.after(ns, TX_DONE);
            }
        }
        self.update(cx);
    }

    fn write_thr(&mut self, byte: u8, cx: &mut Cx) {
        self.thre = false;
        if self.tx.len() == self.depth() {
            cx.guest_error("transmitter holding register written while full: a byte is lost");
            // Without a FIFO the new byte takes the old one's place.
            self.tx.truncate(if self.fifo { DEPTH } else { 0 });
        }
        if self.tx.len() < self.depth() {
            self.tx.push_back(byte);
        }
        self.transmit(cx);
    }

    fn receive(&mut self, byte: u8, cx: &mut Cx) {
        if self.rx.len() == self.depth() {
            self.bank.set(&Lsr::OE, 1);
            if !self.fifo {
                // The one byte is overwritten; a FIFO keeps what it has (8.4).
                self.rx.clear();
            }
        }
        if self.rx.len() < self.depth() {
            self.rx.push_back(byte);
        }
        self.watch_fifo(cx);
        self.update(cx);
    }

    /// The FIFO was read or filled: the time-out starts anew (8.6).
    fn watch_fifo(&mut self, cx: &mut Cx) {
        self.timeout = false;
        if self.fifo && !self.rx.is_empty() {
            cx.after(4 * self.char_ns(), RX_TIMEOUT);
        } else {
            cx.cancel(RX_TIMEOUT);
        }
    }

    fn read_rbr(&mut self, cx: &mut Cx) -> u32 {
        let v = self.rx.pop_front();
        self.watch_fifo(cx);
        self.update(cx);
        self.pace_text(cx);
        v.unwrap_or(0).into()
    }

    /// The next byte of the console's text goes on the line if there is room for it.
    fn pace_text(&mut self, cx: &mut Cx) {
        let room = self.rx.len() < self.depth();
        match (room && !self.text.is_empty(), cx.due(RX_TEXT)) {
            (true, None) => cx.after(self.char_ns(), RX_TEXT),
            (false, Some(_)) => cx.cancel(RX_TEXT),
            _ => {}
        }
    }

    /// FCR (8.5): changing bit 0 clears both FIFOs.
    fn write_fcr(&mut self, v: u32, cx: &mut Cx) {
        let on = v & 1 != 0;
        if on != self.fifo || on && v & 2 != 0 {
            self.rx.clear();
            self.watch_fifo(cx);
        }
        if on != self.fifo || on && v & 4 != 0 {
            self.thre |= !self.tx.is_empty();
            self.tx.clear();
        }
        self.fifo = on;
        self.trigger = if on { [1, 4, 8, 14][(v >> 6 & 3) as usize] } else { 1 };
        self.update(cx);
        self.pace_text(cx);
    }

    /// The divisor latch lies over the first two registers.
    fn write_latch(&mut self, high: bool, v: u32) {
        let v = v as u16;
        self.divisor = if high { self.divisor & 0xff | v << 8 } else { self.divisor & 0xff00 | v };
        self.bank.put(Reg::Ier, self.ier);
    }

    /// MSR: in loop-back the modem lines come from MCR (8.8), else all is well.
    fn msr(&self) -> u32 {
        let b = &self.bank;
        if !b.is(&Mcr::LOOP) {
            return 0xb0;
        }
        b.get(&Mcr::RTS) << 4 | b.get(&Mcr::DTR) << 5 | b.get(&Mcr::OUT1) << 6 | b.get(&Mcr::OUT2) << 7
    }
}

impl Device for Uart {
    type Reg = Reg;
    const KIND: &'static str = "national,16550";
    const NOT_MODELLED: &'static [&'static str] = &[
        "with instant_tx: the time a byte takes to leave, and LSR.THRE unset",
        "framing and parity errors, break; bytes go over ports",
        "changes of the modem lines and their interrupt; DMA signals (FCR bit 3)",
        "divisor 0 works like 1",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn table_offset(&self, off: u32) -> u32 {
        // The upper bits are no part of the block's address.
        (off >> self.config.reg_shift & 7) << 2
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        // What a person typed waits outside the chip and is still there.
        let text = std::mem::take(&mut self.text);
        *self = Uart { text, ..Uart::new(self.config) };
        self.update(cx);
        self.pace_text(cx);
    }

    fn read(&mut self, r: Reg, i: usize, cx: &mut Cx) -> u32 {
        let latch = self.bank.is(&Lcr::DLAB);
        match r {
            Reg::Data if latch => u32::from(self.divisor & 0xff),
            Reg::Ier if latch => u32::from(self.divisor >> 8),
            Reg::Data => self.read_rbr(cx),
            Reg::Iir => {
                let v = self.bank.at(r, i);
                if v & 0xf == source::THRE {
                    self.thre = false;
                    self.update(cx);
                }
                v
            }
            Reg::Lsr => {
                let v = self.bank.at(r, i);
                self.bank.set(&Lsr::OE, 0);
                self.update(cx);
                v
            }
            Reg::Msr => self.msr(),
            _ => self.bank.at(r, i),
        }
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        match r {
            Reg::Data | Reg::Ier if self.bank.is(&Lcr::DLAB) => self.write_latch(r == Reg::Ier, v),
            Reg::Data => self.write_thr(v as u8, cx),
            Reg::Ier => {
                self.ier = v & 0xf;
                self.bank.put(r, self.ier);
                // Enabling the transmitter's interrupt while THR is empty raises it.
                self.thre |= self.tx.is_empty() && v & 2 != 0;
                self.update(cx);
            }
            Reg::Iir => self.write_fcr(v, cx),
            _ => self.update(cx),
        }
    }

    fn event(&mut self, tag: Tag, cx: &mut Cx) {
        match tag {
            RX_TEXT => {
                if let Some(byte) = self.text.pop_front() {
                    self.receive(byte, cx);
                }
                self.pace_text(cx);
            }
            RX_TIMEOUT => {
                self.timeout = !self.rx.is_empty();
                self.update(cx);
            }
            _ => {
                if let Some(byte) = self.shifting.take() {
                    cx.send(0, Msg::Byte(byte));
                }
                self.transmit(cx);
            }
        }
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
        let sizes = self.rx.len().max(self.tx.len()) <= DEPTH && matches!(self.trigger, 1 | 4 | 8 | 14);
        if sizes && self.config.reg_shift <= 2 && (1..=1_000_000_000).contains(&self.config.hz) {
            Ok(())
        } else {
            Err("16550 out of range".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_core::device::{Attrs, DevId};
    use emu_core::fabric::Outgoing;
    use emu_testkit::Bench;

    const TIMED: Config = Config { hz: 3_686_400, reg_shift: 2, divisor: 2, instant_tx: false };
    const INSTANT: Config = Config { instant_tx: true, ..TIMED };

    emu_testkit::conformance!(timed, Uart::new(TIMED));
    emu_testkit::conformance!(instant, Uart::new(INSTANT));
    emu_testkit::conformance!(bytes, Uart::new(Config { reg_shift: 0, ..TIMED }));

    /// 10 bits at 115200 baud, rounded up: LCR says 8N1.
    const BYTE_NS: u64 = 86_806;

    fn bench(config: Config) -> Bench {
        let mut b = Bench::new(Uart::new(config));
        b.set(Reg::Lcr, 0, 3);
        b
    }
    fn sent(b: &mut Bench) -> Vec<(u64, u8)> {
        let byte = |o: Outgoing| match o.msg {
            Msg::Byte(byte) => (o.at.0, byte),
            other => panic!("{other:?}"),
        };
        b.sent().into_iter().map(byte).collect()
    }

    #[test]
    fn registers_of_one_byte() {
        let mut b = Bench::new(Uart::new(Config { reg_shift: 0, ..INSTANT }));
        let base = emu_testkit::bench::BASE;
        b.recv(0, Msg::Byte(b'x'));
        let read = |b: &mut Bench, off: u64| {
            b.machine.bus.read(base + off, 1, Attrs::default(), false).expect("mapped")
        };
        assert_eq!(read(&mut b, 5), 0x61);
        assert_eq!((read(&mut b, 6), read(&mut b, 5)), (0xb0, 0x61));
        assert_eq!((read(&mut b, 0), read(&mut b, 5)), (b'x'.into(), 0x60));
        b.machine.bus.write(base, 1, b'y'.into(), Attrs::default(), false).expect("mapped");
        assert_eq!(sent(&mut b), [(0, b'y')]);
    }

    #[test]
    fn the_divisor_latch_lies_over_data_and_enables() {
        let mut b = bench(TIMED);
        b.set(Reg::Ier, 0, 0xff);
        b.set(Reg::Lcr, 0, 0x83);
        assert_eq!((b.get(Reg::Data, 0), b.get(Reg::Ier, 0)), (2, 0));
        b.set(Reg::Data, 0, 0x18);
        b.set(Reg::Ier, 0, 0xa5);
        assert_eq!((b.get(Reg::Data, 0), b.get(Reg::Ier, 0)), (0x18, 0xa5));
        b.set(Reg::Ier, 0, 0);
        b.set(Reg::Lcr, 0, 3);
        assert_eq!(b.get(Reg::Ier, 0), 0xf);
        b.set(Reg::Data, 0, 7);
        b.advance(12 * BYTE_NS); // 9600 baud
        assert_eq!(sent(&mut b), [(1_041_667, 7)]);
    }

    #[test]
    fn a_timed_transmitter_holds_one_byte_and_interrupts_when_it_is_free() {
        let mut b = bench(TIMED);
        b.set(Reg::Ier, 0, 2);
        assert!(b.pin(INTR), "it is free now");
        assert_eq!((b.get(Reg::Iir, 0), b.pin(INTR), b.get(Reg::Iir, 0)), (2, false, 1));
        b.set(Reg::Data, 0, 1); // on the line at once
        assert_eq!((b.get(Reg::Lsr, 0), b.pin(INTR)), (0x20, true));
        b.set(Reg::Data, 0, 2);
        assert_eq!((b.get(Reg::Lsr, 0), b.pin(INTR), b.mistakes()), (0, false, 0));
        b.set(Reg::Data, 0, 3);
        assert_eq!(b.mistakes(), 1);
        b.advance(BYTE_NS);
        assert_eq!((b.get(Reg::Lsr, 0), b.pin(INTR)), (0x20, true));
        b.advance(BYTE_NS);
        assert_eq!(b.get(Reg::Lsr, 0), 0x60);
        assert_eq!(sent(&mut b), [(BYTE_NS, 1), (2 * BYTE_NS, 3)]);
    }

    #[test]
    fn the_fifos_interrupt_at_the_trigger_or_after_four_characters() {
        let mut b = bench(TIMED);
        b.set(Reg::Ier, 0, 1);
        b.set(Reg::Iir, 0, 0x41); // on, trigger 4
        for i in 0..3 {
            b.recv(0, Msg::Byte(i));
        }
        assert_eq!((b.pin(INTR), b.get(Reg::Iir, 0), b.get(Reg::Lsr, 0)), (false, 0xc1, 0x61));
        b.advance(4 * BYTE_NS);
        assert_eq!((b.pin(INTR), b.get(Reg::Iir, 0)), (true, 0xcc));
        assert_eq!((b.get(Reg::Data, 0), b.pin(INTR)), (0, false));
        for i in 3..5 {
            b.recv(0, Msg::Byte(i));
        }
        assert_eq!((b.pin(INTR), b.get(Reg::Iir, 0)), (true, 0xc4));
        for i in 1..5 {
            assert_eq!(b.get(Reg::Data, 0), i);
        }
        assert_eq!((b.pin(INTR), b.get(Reg::Lsr, 0)), (false, 0x60));
        b.set(Reg::Data, 0, 9);
        for i in 0..16 {
            b.set(Reg::Data, 0, i);
        }
        assert_eq!((b.mistakes(), b.get(Reg::Lsr, 0)), (0, 0));
        b.advance(20 * BYTE_NS);
        assert_eq!(sent(&mut b).len(), 17);
    }

    #[test]
    fn an_overrun_is_told_once() {
        for (fcr, kept) in [(0, 17), (1, 0)] {
            let mut b = bench(INSTANT);
            b.set(Reg::Ier, 0, 4);
            b.set(Reg::Iir, 0, fcr);
            for i in 0..18 {
                b.recv(0, Msg::Byte(i));
            }
            assert_eq!((b.pin(INTR), b.get(Reg::Iir, 0) & 0xf), (true, 6));
            assert_eq!((b.get(Reg::Lsr, 0), b.get(Reg::Lsr, 0), b.pin(INTR)), (0x63, 0x61, false));
            assert_eq!(b.get(Reg::Data, 0), kept);
        }
    }

    #[test]
    fn console_text_waits_for_room() {
        let mut b = bench(INSTANT);
        b.recv(0, Msg::Text(b"ok".to_vec()));
        b.advance(BYTE_NS - 1);
        assert_eq!(b.get(Reg::Lsr, 0), 0x60);
        b.advance(1);
        assert_eq!(b.get(Reg::Lsr, 0), 0x61);
        b.advance(9 * BYTE_NS);
        assert_eq!((b.get(Reg::Data, 0), b.get(Reg::Lsr, 0)), (b'o'.into(), 0x60));
        b.machine.reset(ResetKind::Soft);
        b.set(Reg::Lcr, 0, 3);
        b.advance(BYTE_NS);
        assert_eq!(b.get(Reg::Data, 0), b'k'.into());
    }

    #[test]
    fn loop_back_stays_inside() {
        let mut b = bench(TIMED);
        b.set(Reg::Mcr, 0, 0x1a);
        b.set(Reg::Data, 0, 0x5a);
        assert_eq!((b.get(Reg::Msr, 0), b.get(Reg::Data, 0)), (0x90, 0x5a));
        b.set(Reg::Mcr, 0, 0);
        b.advance(BYTE_NS);
        assert!(sent(&mut b).is_empty());
        assert_eq!((b.get(Reg::Msr, 0), b.get(Reg::Lsr, 0)), (0xb0, 0x60));
    }

    #[test]
    fn another_machine_that_follows_hears_of_the_start_bit() {
        let mut b = bench(TIMED);
        b.machine.bus.fabric.followed = vec![(DevId(0), 0)];
        b.set(Reg::Data, 0, 0x41);
        b.advance(BYTE_NS);
        let sent: Vec<_> = b.sent().into_iter().map(|o| (o.at.0, o.msg)).collect();
        let start = Msg::Sending { byte: 0x41, ns: BYTE_NS as u32 };
        assert_eq!(sent, [(0, start), (BYTE_NS, Msg::Byte(0x41))]);
    }
}
