//! RADIO, the 2.4 GHz transceiver (chapter 17).
//!
//! ## Pins
//! Out: [`IRQ`](super::common::IRQ); [`RECEIVING`], high from the address of a packet that is received to its end.
//!
//! ## Ports
//! 0: the antenna. Out: [`Msg::Radio`]; in: [`Msg::Air`].
//!
//! ## Timing
//! TXEN to READY 140 us, RXEN to READY 138 us: the times from TXEN or RXEN to the first bit with READY_START that BLE
//! controllers reckon with on nRF51. Leaving TX takes 6 us (4 us at 2 Mbit/s), leaving RX none, as the nRF52832
//! product specification has it. An RSSI sample takes 8.8 us (nRF51822 product specification, RSSI_PERIOD).
//! START in TXIDLE puts the first bit of the preamble on the air at once; START in RXIDLE listens at once.
//!
//! | event | transmitting | receiving |
//! |---|---|---|
//! | ADDRESS | last bit of the address | [`AirEvent::Sync`], the same instant |
//! | PAYLOAD | last bit of the payload | the same, reckoned from the number of bytes in the air |
//! | DEVMATCH, DEVMISS | | at END |
//! | END | last bit | [`AirEvent::End`]; later if this radio's configuration wants more bits (it hears noise) |
//!
//! EasyDMA reads the whole packet at START and writes it at END, before the event.
//!
//! ## What this radio promises
//! [`Device::lookahead`] is the least time to the next [`RadioAct::TxStart`] or [`RadioAct::TxAbort`], whatever CPU and
//! PPI do. RxOn, RxOff and Sample are not covered: they change nothing for anybody else. A Sample is answered
//! when [`RSSI_NS`] of this node's clock have passed and its machine holds.
//!
//! ## Logical addresses
//! Addresses match as a whole: a frame of 4 address bytes is never heard by a receiver set to 5 (17.1.4).

pub use super::radio_regs::*;
use super::{
    common::{self, raise, update_irq},
    radio_codec::Format,
    radio_rx::Reception,
};
use emu_core::{
    Time,
    device::{Cx, Device, Pin, Port, ResetKind},
    events::Tag,
    link::{AirEvent, AirFrame, Msg, Phy, RadioAct},
    regs::Bank,
};
use serde::{Deserialize, Serialize};

/// TXEN to READY, in nanoseconds.
pub const TX_RAMP_NS: u64 = 140_000;
/// RXEN to READY, in nanoseconds.
pub const RX_RAMP_NS: u64 = 138_000;
/// RSSISTART to RSSIEND, in nanoseconds: a [`RadioAct::Sample`] is answered at its end.
pub const RSSI_NS: u64 = 8_800;
/// Bits of the preamble (17.1.1).
const PREAMBLE_BITS: u32 = 8;
/// Output: a packet is being received.
pub const RECEIVING: Pin = 33;
/// The antenna.
pub(super) const ANTENNA: Port = 0;

const RAMP: Tag = 0;
const ADDRESS: Tag = 1;
pub(super) const PAYLOAD: Tag = 2;
pub(super) const END: Tag = 3;
const BCMATCH: Tag = 4;
const RSSI: Tag = 5;
const TAGS: [Tag; 6] = [RAMP, ADDRESS, PAYLOAD, END, BCMATCH, RSSI];

/// The STATE register (table 140).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    Disabled = 0,
    RxRu = 1,
    RxIdle = 2,
    Rx = 3,
    RxDisable = 4,
    TxRu = 9,
    TxIdle = 10,
    Tx = 11,
    TxDisable = 12,
}

/// RADIO.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Radio {
    pub(super) bank: Bank<Reg>,
    pub(super) state: State,
    /// FREQUENCY and MODE as of TXEN or RXEN.
    mhz: u16,
    mode: u8,
    /// TXPOWER as of TXEN.
    dbm: i8,
    /// DATAWHITEIV as of TXEN or RXEN.
    white_iv: u8,
    /// The packet configuration as of START.
    pub(super) format: Format,
    pub(super) packetptr: u32,
    /// Logical addresses listened to: RXADDRESSES as of START, bases and prefixes as they are.
    pub(super) listen: Vec<(u8, u64)>,
    pub(super) reception: Option<Reception>,
    /// When the last packet ended, while TIFS is to be kept.
    last_end: Option<Time>,
    /// When the bit counter was started.
    counting: Option<Time>,
    /// When the sample under way will be ready, and its value if it needs no answer from the air.
    sampling: Option<(Time, Option<i8>)>,
}

impl Default for Radio {
    fn default() -> Radio {
        Radio {
            bank: Bank::default(),
            state: State::Disabled,
            mhz: 0,
            mode: 0,
            dbm: 0,
            white_iv: 0,
            format: Format::default(),
            packetptr: 0,
            listen: vec![],
            reception: None,
            last_end: None,
            counting: None,
            sampling: None,
        }
    }
}

impl Radio {
    /// A radio, disabled.
    pub fn new() -> Radio {
        Radio::default()
    }

    fn phy(&self) -> Phy {
        match self.mode {
            0 => Phy::Nrf1Mbit,
            1 => Phy::Nrf2Mbit,
            2 => Phy::Nrf250Kbit,
            _ => Phy::Ble1Mbit,
        }
    }

    /// Nanoseconds of one bit.
    pub(super) fn bit_ns(&self) -> u64 {
        match self.phy() {
            Phy::Nrf2Mbit => 500,
            Phy::Nrf250Kbit => 4000,
            _ => 1000,
        }
    }

    pub(super) fn raise(&mut self, ev: Reg, cx: &mut Cx) {
        raise(&mut self.bank, ev, 0, cx);
    }

    // ---- configuration ----

    /// Base and prefix of logical address `n`, first byte on the air lowest (17.1.4).
    fn address(&self, n: u8, ba_len: u8) -> u64 {
        let base = self.bank.reg(if n == 0 { Reg::Base0 } else { Reg::Base1 });
        let prefixes = self.bank.reg(if n < 4 { Reg::Prefix0 } else { Reg::Prefix1 });
        let base = u64::from(base) >> (32 - 8 * u32::from(ba_len)); // truncated from the LSByte
        base | u64::from(prefixes >> (8 * (n % 4)) & 0xff) << (8 * ba_len)
    }

    /// The decision point of TXEN and RXEN.
    fn latch_channel(&mut self, cx: &mut Cx) {
        let offset = self.bank.reg(Reg::Frequency);
        if offset > 100 {
            cx.guest_error("FREQUENCY above 100");
        }
        self.mhz = 2400 + offset as u16;
        self.mode = self.bank.reg(Reg::Mode) as u8;
        self.white_iv = self.bank.reg(Reg::Datawhiteiv) as u8;
        // 0xd8 is the manual's spelling of -30 dBm.
        self.dbm = match self.bank.reg(Reg::Txpower) as u8 {
            0xd8 => -30,
            v => v as i8,
        };
    }

    /// The decision point of START.
    fn latch_packet(&mut self, cx: &mut Cx) {
        let b = &self.bank;
        let bits = |f| b.get(f).min(8) as u8;
        let format = Format {
            s0_len: b.get(&Pcnf0::S0LEN) as u8,
            lf_len: bits(&Pcnf0::LFLEN),
            s1_len: bits(&Pcnf0::S1LEN),
            max_len: b.get(&Pcnf1::MAXLEN) as u8,
            stat_len: b.get(&Pcnf1::STATLEN) as u8,
            ba_len: b.get(&Pcnf1::BALEN).min(4) as u8,
            big: b.is(&Pcnf1::ENDIAN),
            white: b.is(&Pcnf1::WHITEEN).then_some(self.white_iv),
            crc_len: b.get(&Crccnf::LEN) as u8,
            crc_skips_address: b.is(&Crccnf::SKIPADDR),
            crc_poly: b.reg(Reg::Crcpoly),
            crc_init: b.reg(Reg::Crcinit),
        };
        if b.get(&Pcnf0::LFLEN) > 8 || b.get(&Pcnf0::S1LEN) > 8 {
            cx.guest_error("LFLEN or S1LEN above 8");
        }
        if b.get(&Pcnf1::BALEN) > 4 {
            cx.guest_error("BALEN above 4");
        }
        self.packetptr = b.reg(Reg::Packetptr);
        let enabled = b.reg(Reg::Rxaddresses);
        self.listen = (0..8).filter(|n| enabled >> n & 1 != 0).map(|n| (n, 0)).collect();
        self.format = format;
        self.latch_addresses();
    }

    /// Bases and prefixes count at once, also while the receiver is on: MakeCode's `radio.setGroup` does no more than write
    /// PREFIX0 when it listens already, and the next packet must be one of the new group.
    fn latch_addresses(&mut self) {
        let mut listen = std::mem::take(&mut self.listen);
        listen.iter_mut().for_each(|(n, address)| *address = self.address(*n, self.format.ba_len));
        self.listen = listen;
    }

    /// EasyDMA reaches data RAM only (17.1.2): the Cortex-M0's SRAM region.
    pub(super) fn in_ram(&self) -> bool {
        self.packetptr >> 29 == 1
    }

    // ---- states ----

    fn enable(&mut self, tx: bool, by_shortcut: bool, cx: &mut Cx) {
        if self.state != State::Disabled {
            return cx.guest_error("TXEN or RXEN while RADIO is not disabled");
        }
        self.latch_channel(cx);
        let now = cx.now();
        let (state, ramp) = if tx { (State::TxRu, TX_RAMP_NS) } else { (State::RxRu, RX_RAMP_NS) };
        self.state = state;
        // TIFS counts from the last bit of a packet to the first of the one sent next (17.1.10).
        let tifs = u64::from(self.bank.reg(Reg::Tifs)) * 1000;
        let spaced = self.last_end.take().filter(|_| tx && by_shortcut).map_or(now, |end| end + tifs);
        cx.at((now + ramp).max(spaced), RAMP);
    }

    fn ready(&mut self, state: State, cx: &mut Cx) {
        self.state = state;
        self.raise(Reg::EventsReady, cx);
        if self.bank.is(&Shorts::READY_START) {
            self.start(cx);
        }
    }

    fn disable(&mut self, cx: &mut Cx) {
        match self.state {
            // Firmware disables a disabled radio and waits for the event.
            State::Disabled => return self.disabled(cx),
            State::RxDisable | State::TxDisable => return,
            _ => {}
        }
        self.stop_air(cx);
        cx.cancel(RAMP);
        let tx = self.state as u8 >= State::TxRu as u8;
        let (state, ns) = match (tx, self.phy()) {
            (true, Phy::Nrf2Mbit) => (State::TxDisable, 4_000),
            (true, _) => (State::TxDisable, 6_000),
            (false, _) => (State::RxDisable, 0),
        };
        self.state = state;
        cx.after(ns, RAMP);
    }

    fn disabled(&mut self, cx: &mut Cx) {
        self.state = State::Disabled;
        self.raise(Reg::EventsDisabled, cx);
        if self.bank.is(&Shorts::DISABLED_RSSISTOP) {
            self.stop_rssi(cx);
        }
        if self.bank.is(&Shorts::DISABLED_TXEN) {
            self.enable(true, true, cx);
        } else if self.bank.is(&Shorts::DISABLED_RXEN) {
            self.enable(false, true, cx);
        }
        self.last_end = None;
    }

    /// Nothing more is sent or heard; the state is the caller's to set.
    fn stop_air(&mut self, cx: &mut Cx) {
        match self.state {
            State::Rx => cx.send(ANTENNA, Msg::Radio(RadioAct::RxOff)),
            State::Tx => cx.send(ANTENNA, Msg::Radio(RadioAct::TxAbort)),
            _ => {}
        }
        self.forget_packet(cx);
    }

    fn forget_packet(&mut self, cx: &mut Cx) {
        self.reception = None;
        cx.wire(RECEIVING, false);
        self.stop_counter(cx);
        for tag in [ADDRESS, PAYLOAD, END] {
            cx.cancel(tag);
        }
    }

    fn start(&mut self, cx: &mut Cx) {
        match self.state {
            State::TxIdle => self.start_tx(cx),
            State::RxIdle => {
                self.latch_packet(cx);
                self.state = State::Rx;
                cx.send(ANTENNA, Msg::Radio(RadioAct::RxOn { mhz: self.mhz, phy: self.phy() }));
            }
            // The search for an address begins anew; the receiver was never deaf.
            State::Rx => {
                self.forget_packet(cx);
                self.latch_packet(cx);
            }
            _ => cx.guest_error("START while RADIO is not idle"),
        }
    }

    fn stop(&mut self, cx: &mut Cx) {
        let state = match self.state {
            State::Tx => State::TxIdle,
            State::Rx => State::RxIdle,
            _ => return,
        };
        self.stop_air(cx);
        self.state = state;
    }

    // ---- transmission ----

    /// The packet in RAM. What is not RAM reads as zeros.
    fn fetch(&mut self, cx: &mut Cx) -> Vec<u8> {
        let mut ram = vec![0; self.format.header()];
        let mut ok = self.in_ram() && cx.dma_read(u64::from(self.packetptr), &mut ram);
        let payload = self.format.payload(self.format.length(&ram));
        ram.resize(ram.len() + payload, 0);
        ok = ok && cx.dma_read(u64::from(self.packetptr), &mut ram);
        if !ok {
            cx.guest_error("PACKETPTR is not in RAM");
            ram.fill(0);
            ram.truncate(self.format.header() + self.format.payload(0));
        }
        ram
    }

    fn start_tx(&mut self, cx: &mut Cx) {
        self.latch_packet(cx);
        let ram = self.fetch(cx);
        let f = &self.format;
        let address = self.address(self.bank.reg(Reg::Txaddress) as u8, f.ba_len);
        let air = f.encode(address, &ram);
        let bit = self.bit_ns();
        let address_len = f.ba_len + 1;
        let sync = u64::from(PREAMBLE_BITS + 8 * u32::from(address_len)) * bit;
        let total = sync + air.bits as u64 * bit;
        let payload = total - f.crc_bits() as u64 * bit;
        self.state = State::Tx;
        cx.after(sync, ADDRESS);
        cx.after(payload, PAYLOAD);
        cx.after(total, END);
        let frame = AirFrame {
            mhz: self.mhz,
            phy: self.phy(),
            dbm: self.dbm,
            address,
            address_len,
            bytes: air.bytes,
            sync_ns: sync as u32,
            total_ns: total as u32,
        };
        cx.send(ANTENNA, Msg::Radio(RadioAct::TxStart(frame)));
    }

    /// Sent or received; `idle` is the state after it.
    pub(super) fn end(&mut self, idle: State, cx: &mut Cx) {
        self.state = idle;
        self.forget_packet(cx);
        self.last_end = Some(cx.now()).filter(|_| self.bank.is(&Shorts::END_DISABLE));
        self.raise(Reg::EventsEnd, cx);
        if self.bank.is(&Shorts::END_DISABLE) {
            self.disable(cx);
        }
        if self.bank.is(&Shorts::END_START) && self.state == idle {
            self.start(cx);
        }
    }

    // ---- RSSI and bit counter ----

    pub(super) fn start_rssi(&mut self, cx: &mut Cx) {
        let ready = cx.now() + RSSI_NS;
        let value = match (&self.reception, self.state) {
            (Some(r), _) => Some(r.dbm),
            (None, State::Rx) => {
                cx.send(ANTENNA, Msg::Radio(RadioAct::Sample));
                self.sampling = Some((ready, None));
                return cx.at(ready, RSSI);
            }
            _ => {
                cx.guest_error("RSSISTART while RADIO does not receive");
                Some(i8::MIN)
            }
        };
        self.sampling = Some((ready, value));
        cx.at(ready, RSSI);
    }

    fn stop_rssi(&mut self, cx: &mut Cx) {
        self.sampling = None;
        cx.cancel(RSSI);
    }

    fn rssi(&mut self, dbm: i8, cx: &mut Cx) {
        self.sampling = None;
        self.bank.put(Reg::Rssisample, (-i32::from(dbm)).clamp(0, 127) as u32);
        self.raise(Reg::EventsRssiend, cx);
    }

    pub(super) fn start_counter(&mut self, cx: &mut Cx) {
        self.counting = Some(cx.now());
        self.arm_counter(cx);
    }

    /// BCMATCH comes when as many bits as BCC says have passed since BCSTART, if they still lie ahead.
    fn arm_counter(&mut self, cx: &mut Cx) {
        let Some(start) = self.counting else { return };
        let at = start + u64::from(self.bank.reg(Reg::Bcc)) * self.bit_ns();
        if at > cx.now() || start == cx.now() { cx.at(at, BCMATCH) } else { cx.cancel(BCMATCH) }
    }

    fn stop_counter(&mut self, cx: &mut Cx) {
        self.counting = None;
        cx.cancel(BCMATCH);
    }
}

impl Device for Radio {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-radio";
    const NOT_MODELLED: &'static [&'static str] = &[
        "RX and TX chain delays: events come when the bit is on the air",
        "a received packet reaches RAM at END, not byte by byte; DEVMATCH and DEVMISS come at END",
        "a packet that the receiver's configuration makes shorter than the sender's ends with the sender's",
        "an address found inside a longer one or in noise",
        "RSSI during a packet is the packet's own strength",
        "TIFS towards reception: the receiver is ready as soon as it can be",
        "the constant carrier and PLL lock of TEST, trim values of OVERRIDE",
        "the 16 MHz crystal: the radio works on the RC oscillator too",
        "drift in long transmissions",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, cx: &mut Cx) {
        self.stop_air(cx);
        *self = Radio::default();
        update_irq(&self.bank, cx);
    }

    fn read(&mut self, r: Reg, i: usize, _: &mut Cx) -> u32 {
        if r == Reg::State { self.state as u32 } else { self.bank.at(r, i) }
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        if common::write_common(&mut self.bank, r, cx) {
            return;
        }
        match r {
            Reg::Bcc => self.arm_counter(cx),
            Reg::Base0 | Reg::Base1 | Reg::Prefix0 | Reg::Prefix1 => self.latch_addresses(),
            Reg::Test if v != 0 => cx.unimplemented("RADIO TEST"),
            Reg::Power if v == 0 => {
                common::power_off(self, &TAGS, cx);
                self.bank.put(Reg::Power, 0);
            }
            _ => {}
        }
    }

    fn task(&mut self, r: Reg, _: usize, cx: &mut Cx) {
        if self.bank.reg(Reg::Power) == 0 {
            return cx.guest_error("RADIO task while POWER is off");
        }
        match r {
            Reg::TasksTxen => self.enable(true, false, cx),
            Reg::TasksRxen => self.enable(false, false, cx),
            Reg::TasksStart => self.start(cx),
            Reg::TasksStop => self.stop(cx),
            Reg::TasksDisable => self.disable(cx),
            Reg::TasksRssistart => self.start_rssi(cx),
            Reg::TasksRssistop => self.stop_rssi(cx),
            Reg::TasksBcstart => self.start_counter(cx),
            Reg::TasksBcstop => self.stop_counter(cx),
            _ => {}
        }
    }

    fn event(&mut self, tag: Tag, cx: &mut Cx) {
        match (tag, self.state) {
            (RAMP, State::TxRu) => self.ready(State::TxIdle, cx),
            (RAMP, State::RxRu) => self.ready(State::RxIdle, cx),
            (RAMP, _) => self.disabled(cx),
            (ADDRESS, _) => self.address_event(cx),
            (PAYLOAD, _) => self.raise(Reg::EventsPayload, cx),
            (END, State::Tx) => self.end(State::TxIdle, cx),
            (END, _) => {
                if let Some(got) = self.reception.as_mut().and_then(|r| r.done.take()) {
                    self.end_rx(got, cx);
                }
            }
            (BCMATCH, _) => self.raise(Reg::EventsBcmatch, cx),
            _ => match self.sampling {
                Some((_, Some(dbm))) => self.rssi(dbm, cx),
                // Only the medium knows, and at this instant it does.
                Some((_, None)) => cx.hold(),
                None => {}
            },
        }
    }

    fn recv(&mut self, _: Port, msg: Msg, cx: &mut Cx) {
        let Msg::Air(event) = msg else { return };
        match event {
            AirEvent::Sync { frame, address, address_len, dbm, bytes } => {
                self.sync(Reception { frame, address, bytes, dbm, done: None }, address_len, cx);
            }
            AirEvent::End { frame, bytes, .. } => self.heard(frame, &bytes, cx),
            AirEvent::Lost { frame } => self.lost(frame, cx),
            AirEvent::Rssi { dbm } => {
                // An answer to a measurement that was stopped comes before the present one is ready.
                if self.sampling.is_some_and(|(ready, value)| value.is_none() && ready <= cx.now()) {
                    self.rssi(dbm, cx);
                }
            }
        }
    }

    /// Transmission starts from TXIDLE, and TXIDLE is reached from TXRU only. A task may come at any instant, so what
    /// counts is the shortest way there: from DISABLED through TXEN's ramp-up; from RX states through DISABLED first;
    /// from TXDISABLE through the DISABLED event, which is pending and bounds the machine's next activity, then the
    /// ramp-up. In TXRU the pending READY event may start at once, in TXIDLE a task; a transmission under way may be
    /// aborted, or stopped and the next one started.
    fn lookahead(&self) -> u64 {
        match self.state {
            State::TxRu | State::TxIdle | State::Tx => 0,
            _ => TX_RAMP_NS,
        }
    }

    /// The air says something to receivers only, and to who measures.
    fn deaf(&self) -> bool {
        self.state != State::Rx && !matches!(self.sampling, Some((_, None)))
    }

    fn validate(&self) -> Result<(), String> {
        let listen = self.listen.iter().all(|(n, a)| *n < 8 && a >> 40 == 0);
        // Nothing heard is longer than the longest packet; what waits for END fits RAM's header.
        let reception = self.reception.as_ref().and_then(|r| r.done.as_ref());
        let packet = reception.is_none_or(|d| d.ram.len() <= 258 && d.ram.len() >= usize::from(d.header));
        let ok = self.format.is_valid() && listen && packet && self.mode < 4;
        if ok { Ok(()) } else { Err("RADIO holds a configuration no register can".into()) }
    }
}

#[cfg(test)]
#[path = "radio_tests.rs"]
mod tests;
