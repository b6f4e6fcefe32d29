//! LAN9118: Ethernet controller for 10 and 100 Mbit/s with MAC and PHY on a 32-bit bus (datasheet revision 1.5).
//!
//! ## Parameters
//! - `id_rev`: what ID_REV reads; 0x01180001 if not given. The MPS2 board carries the LAN9220 (0x9220), which has the
//!   same registers. But OpenHarmony's driver for this board takes nothing but 0x01180001, which QEMU shows; Zephyr's
//!   takes both. So the boards keep the LAN9118's.
//! - `mac`: the address in the EEPROM, the byte that goes first on the wire uppermost; else it is 52:54:00 and 24
//!   bits of the machine's own randomness. It stays over resets and power cuts.
//! - `instant_link`: reset, negotiation and a cable that is plugged in bring the link up at once, without a break in the basic
//!   status, instead of after 1.45 s (10 ms without negotiation). On the wire what is sent before is lost.
//!
//! ## Inputs
//! `mac`: as the parameter. The chip loads it at its next reset, or at once while its MAC is not in use.
//! `link`: 1 a cable with a switch at its other end (as after power-on), 0 no cable.
//!
//! ## Ports
//! 0: the cable. `Frame` and `BadFrame` go out when the first bit of the preamble does and come in with the last bit.
//!
//! ## Pins
//! Out: [`IRQ_PIN`], the level of pin IRQ as IRQ_CFG wants it: after a reset it is open-drain and active low, so high.

use super::{
    lan9118_phy::Phy,
    lan9118_rx::{self, Rx, Stored},
    lan9118_tx::{self, Packet, Tx},
};
use emu_core::{
    device::{Cx, Device, Pin, Port, ResetKind},
    events::Tag,
    link::Msg,
    regs::Bank,
    time::Time,
};
use serde::{Deserialize, Serialize};

pub use super::lan9118_regs::*;

/// The interrupt pin.
pub const IRQ_PIN: Pin = 0;
/// The port that is the cable.
pub const CABLE: Port = 0;

const TX_NEXT: Tag = 0;
pub(super) const PHY_UP: Tag = 1;
pub(super) const GPT_WRAP: Tag = 2;
pub(super) const DEASSERTED: Tag = 3;

/// A soft reset takes this long (HW_CFG.SRST reads 1).
pub(super) const SRST_NS: u64 = 2_000;
/// A frame of the serial management interface: 64 bits at 2.5 MHz (IEEE 802.3, 22.2.4.5).
pub(super) const SMI_NS: u64 = 25_600;
/// The EEPROM: a byte read takes 18 clocks of 1 MHz or so, a write or erasure the 93C46's 2 ms.
pub(super) const EEPROM_READ_NS: u64 = 18_000;
pub(super) const EEPROM_WRITE_NS: u64 = 2_000_000;
/// Step of the general purpose timer (3.6) and of the deassertion interval.
pub(super) const GPT_NS: u64 = 100_000;
pub(super) const DEAS_NS: u64 = 10_000;
/// The PHY's address (5.4.6).
pub(super) const PHY_ADDRESS: u32 = 1;
/// Preamble and start of frame, FCS, gap between frames: bytes.
const PREAMBLE: u64 = 8;
const FCS: u64 = 4;
const GAP: u64 = 12;
/// Shortest frame without FCS.
const SHORTEST: usize = 60;
pub(super) const EEPROM_BYTES: usize = 128;
/// EEPROM byte 0 if an address follows (4.6).
const EEPROM_SIGNATURE: u8 = 0xa5;
/// TX status (3.12.4): error, no carrier.
const TX_NO_CARRIER: u32 = 1 << 15 | 1 << 10;

/// What the board file says.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// ID_REV.
    pub id_rev: u32,
    /// The EEPROM's address.
    pub mac: Option<u64>,
    /// The link is up at once.
    pub instant_link: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params { id_rev: 0x0118_0001, mac: None, instant_link: false }
    }
}

/// What the transmitter does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Wire {
    Idle,
    /// A frame is on the wire; what becomes of it at its end.
    Frame {
        status: u32,
        back: Option<(Vec<u8>, bool)>,
    },
    /// The gap after a frame.
    Gap,
}

/// The controller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lan9118 {
    pub(super) bank: Bank<Reg>,
    pub(super) mac: Bank<MacReg>,
    pub(super) phy: Phy,
    pub(super) tx: Tx,
    pub(super) rx: Rx,
    wire: Wire,
    pub(super) id_rev: u32,
    pub(super) eeprom: Vec<u8>,
    /// Somebody gave it an address.
    pub(super) programmed: bool,
    pub(super) eeprom_writable: bool,
    /// The pin was let go: it stays so until then.
    pub(super) quiet_until: Time,
    pub(super) asserted: bool,
    /// Commands under way until then.
    pub(super) srst_until: Time,
    pub(super) smi_until: Time,
    pub(super) eeprom_until: Time,
    /// FREE_RUN was 0.
    pub(super) born: Time,
    /// GPT_CNT was `gpt_from` at `gpt_since`.
    pub(super) gpt_since: Time,
    pub(super) gpt_from: u16,
    pub(super) dropped: u32,
}

impl Lan9118 {
    /// A controller with a cable.
    pub fn new(p: Params) -> Lan9118 {
        let mut l = Lan9118 {
            bank: Bank::default(),
            mac: Bank::default(),
            phy: Phy::new(true, p.instant_link),
            tx: Tx::default(),
            rx: Rx::default(),
            wire: Wire::Idle,
            id_rev: p.id_rev,
            eeprom: vec![0xff; EEPROM_BYTES],
            programmed: false,
            eeprom_writable: false,
            quiet_until: Time::ZERO,
            asserted: false,
            srst_until: Time::ZERO,
            smi_until: Time::ZERO,
            eeprom_until: Time::ZERO,
            born: Time::ZERO,
            gpt_since: Time::ZERO,
            gpt_from: 0xffff,
            dropped: 0,
        };
        if let Some(mac) = p.mac {
            l.set_mac(mac);
        }
        l
    }

    fn set_mac(&mut self, mac: u64) {
        self.programmed = true;
        self.eeprom[0] = EEPROM_SIGNATURE;
        self.eeprom[1..7].copy_from_slice(&mac.to_be_bytes()[2..]);
    }

    /// The EEPROM's address goes to the MAC (4.6).
    pub(super) fn load_eeprom(&mut self) {
        let loaded = self.eeprom[0] == EEPROM_SIGNATURE;
        self.bank.set(&E2pCmd::LOADED, u32::from(loaded));
        if loaded {
            let b = &self.eeprom;
            self.mac.put(MacReg::Addrl, u32::from_le_bytes([b[1], b[2], b[3], b[4]]));
            self.mac.put(MacReg::Addrh, u32::from_le_bytes([b[5], b[6], 0, 0]));
        }
    }

    /// Everything but the PHY starts anew (3.11): SRST, and a part of the other resets.
    pub(super) fn soft_reset(&mut self, cx: &mut Cx) {
        let pin = self.bank.reg(Reg::IrqCfg) & (IrqCfg::IRQ_POL.mask() | IrqCfg::IRQ_TYPE.mask());
        self.bank.reset();
        self.bank.put(Reg::IrqCfg, pin);
        self.bank.put(Reg::IdRev, self.id_rev);
        self.mac.reset();
        self.tx = Tx::default();
        self.rx = Rx::default();
        self.wire = Wire::Idle;
        for tag in [TX_NEXT, GPT_WRAP, DEASSERTED] {
            cx.cancel(tag);
        }
        self.born = cx.now();
        self.gpt_from = 0xffff;
        self.dropped = 0;
        self.eeprom_writable = false;
        self.quiet_until = Time::ZERO;
        self.asserted = false;
        self.load_eeprom();
        self.eeprom_until = Time::ZERO;
        self.update(cx);
    }

    pub(super) fn raise(&mut self, bits: u32) {
        let v = self.bank.reg(Reg::IntSts) | bits;
        self.bank.put(Reg::IntSts, v);
    }

    // FIFO sizes (table 5.3), in words.
    fn tx_kib(&self) -> u32 {
        self.bank.get(&HwCfg::TX_FIF_SZ).clamp(2, 14)
    }
    fn tx_words(&self) -> u32 {
        (self.tx_kib() * 1024 - 512) / 4
    }
    fn rx_entries(&self) -> u32 {
        (16 - self.tx_kib()) * 1024 / 16 / 4
    }
    fn rx_words(&self) -> u32 {
        (16 - self.tx_kib()) * 1024 / 4 - self.rx_entries()
    }

    /// Interrupts that follow a state: they come back when they are cleared and the state stays.
    fn levels(&self) -> u32 {
        let free = (self.tx_words() - self.tx.used().min(self.tx_words())) * 4;
        let (sent, got) = (self.tx.status.len() as u32, self.rx.status.len() as u32);
        let bit = |on: bool, bit: u32| if on { bit } else { 0 };
        bit(free > self.bank.get(&FifoInt::TX_DATA_LEVEL) * 64, int::TDFA)
            | bit(sent >= lan9118_tx::STATUS_WORDS as u32, int::TSFF)
            | bit(sent > self.bank.get(&FifoInt::TX_STS_LEVEL), int::TSFL)
            | bit(got >= self.rx_entries(), int::RSFF)
            | bit(got > self.bank.get(&FifoInt::RX_STS_LEVEL), int::RSFL)
    }

    /// Drives the interrupt pin (3.5, 5.3.2).
    pub(super) fn update(&mut self, cx: &mut Cx) {
        let phy = if self.phy.interrupt() { int::PHY } else { 0 };
        let status = self.bank.reg(Reg::IntSts) & !int::PHY | self.levels() | phy;
        self.bank.put(Reg::IntSts, status);
        let active = status & self.bank.reg(Reg::IntEn) != 0;
        self.bank.set(&IrqCfg::IRQ_INT, u32::from(active));
        let wanted = active && self.bank.is(&IrqCfg::IRQ_EN);
        let interval = u64::from(self.bank.get(&IrqCfg::INT_DEAS)) * DEAS_NS;
        if (wanted && !self.asserted || self.asserted && !wanted) && interval != 0 {
            let now = cx.now();
            if !wanted {
                self.quiet_until = now + interval;
            } else if now < self.quiet_until {
                if cx.due(DEASSERTED).is_none() {
                    cx.at(self.quiet_until, DEASSERTED);
                }
                return self.drive(cx);
            }
        }
        self.asserted = wanted;
        self.drive(cx);
    }

    fn drive(&self, cx: &mut Cx) {
        let push_pull = self.bank.is(&IrqCfg::IRQ_TYPE);
        let active_high = push_pull && self.bank.is(&IrqCfg::IRQ_POL);
        cx.wire(IRQ_PIN, self.asserted == active_high);
    }

    // Transmitter (3.12).

    fn tx_word(&mut self, word: u32, cx: &mut Cx) {
        let done = self.tx.push(word, self.tx_words());
        if done.overrun {
            self.raise(int::TDFO | int::TXE);
            cx.guest_error("TX data FIFO overrun");
        }
        if done.error {
            self.raise(int::TXE);
            cx.guest_error("TX commands contradict each other or the packet's length");
        }
        if done.ioc {
            self.raise(int::TX_IOC);
        }
        if done.packet {
            self.transmit(cx);
        }
        self.update(cx);
    }

    /// The next packet goes on the wire if it may.
    pub(super) fn transmit(&mut self, cx: &mut Cx) {
        let on = self.bank.is(&TxCfg::TX_ON) && self.mac.is(&Cr::TXEN);
        let room = self.tx.status.len() < lan9118_tx::STATUS_WORDS || self.bank.is(&TxCfg::TXSAO);
        while self.wire == Wire::Idle && on && room {
            let Some(packet) = self.tx.pop() else { break };
            if packet.bytes.len() > lan9118_tx::MOST_BYTES {
                self.raise(int::TXE);
                cx.guest_error("packet longer than 2036 bytes");
                continue;
            }
            self.send(packet, cx);
        }
    }

    fn send(&mut self, packet: Packet, cx: &mut Cx) {
        let (mut bytes, b) = (packet.bytes, packet.cmd_b);
        let mut bad = false;
        if b & lan9118_tx::B_NO_CRC != 0 {
            let given = bytes.split_off(bytes.len().saturating_sub(4));
            bad = given != lan9118_rx::fcs(&bytes).to_le_bytes();
        } else if b & lan9118_tx::B_NO_PAD == 0 && bytes.len() < SHORTEST {
            bytes.resize(SHORTEST, 0);
        }
        let ns = self.phy.byte_ns() * (PREAMBLE + bytes.len() as u64 + FCS);
        let inside = self.mac.is(&Cr::LOOPBK) || self.phy.loopback();
        let lost = !inside && !self.phy.up() && !self.mac.is(&Cr::FDPX);
        let status = b & 0xffff_0000 | if lost { TX_NO_CARRIER } else { 0 };
        let mut back = None;
        if inside {
            back = Some((bytes, bad));
        } else if self.phy.up() && !bytes.is_empty() {
            cx.send(CABLE, if bad { Msg::BadFrame(bytes) } else { Msg::Frame(bytes) });
        }
        self.wire = Wire::Frame { status, back };
        cx.after(ns, TX_NEXT);
    }

    /// The frame has left, or the gap after it is over.
    fn tx_next(&mut self, cx: &mut Cx) {
        match std::mem::replace(&mut self.wire, Wire::Idle) {
            Wire::Frame { status, back } => {
                match self.tx.status.len() < lan9118_tx::STATUS_WORDS {
                    true => self.tx.status.push_back(status),
                    false => self.raise(int::TXSO),
                }
                if let Some((bytes, bad)) = back {
                    self.receive(&bytes, bad, cx);
                }
                self.wire = Wire::Gap;
                cx.after(self.phy.byte_ns() * GAP, TX_NEXT);
                self.stop_tx();
            }
            Wire::Gap | Wire::Idle => self.transmit(cx),
        }
    }

    /// STOP_TX takes effect between frames (5.3.8).
    fn stop_tx(&mut self) {
        if self.bank.is(&TxCfg::STOP_TX) && !matches!(self.wire, Wire::Frame { .. }) {
            self.bank.set(&TxCfg::STOP_TX, 0);
            self.bank.set(&TxCfg::TX_ON, 0);
            self.raise(int::TXSTOP);
        }
    }

    fn write_tx_cfg(&mut self, cx: &mut Cx) {
        if self.bank.is(&TxCfg::TXS_DUMP) {
            self.tx.status.clear();
        }
        if self.bank.is(&TxCfg::TXD_DUMP) {
            self.tx.dump();
        }
        self.bank.set(&TxCfg::TXS_DUMP, 0);
        self.bank.set(&TxCfg::TXD_DUMP, 0);
        self.stop_tx();
        self.transmit(cx);
    }

    // Receiver (3.13).

    fn receive(&mut self, bytes: &[u8], bad: bool, cx: &mut Cx) {
        let Some(dest) = bytes.first_chunk::<6>() else { return };
        if !self.mac.is(&Cr::RXEN) {
            return;
        }
        let passes = lan9118_rx::passes(&self.mac, *dest);
        let broken = bad || bytes.len() < SHORTEST;
        if !passes && !self.mac.is(&Cr::RXALL) || broken && !self.mac.is(&Cr::PASSBAD) {
            return;
        }
        let mut status = lan9118_rx::describe(&self.mac, bytes, bad);
        if !passes {
            status |= lan9118_rx::status::FILTER_FAIL;
        }
        if bytes.len() + 4 > lan9118_rx::WATCHDOG_BYTES {
            self.raise(int::RWT);
        }
        let stored = self.rx.push(bytes, status, self.rx_words(), self.rx_entries() as usize);
        if stored == Stored::NoStatus {
            self.raise(int::RXE);
        }
        if stored != Stored::Yes {
            self.dropped = self.dropped.wrapping_add(1);
            self.raise(int::RXDF | if self.dropped == 1 << 31 { int::RXDFH } else { 0 });
        }
        self.update(cx);
    }

    fn rx_word(&mut self, cx: &mut Cx) -> u32 {
        let align = match self.bank.get(&RxCfg::END_ALIGN) {
            1 => 4,
            2 => 8,
            _ => 1,
        };
        let word = self.rx.pop(self.bank.get(&RxCfg::RXDOFF), align);
        match word {
            Some(_) => self.count_dma(),
            None => {
                self.raise(int::RXE);
                cx.guest_error("RX data FIFO underrun");
            }
        }
        self.update(cx);
        word.unwrap_or(0)
    }

    fn count_dma(&mut self) {
        let left = self.bank.get(&RxCfg::RX_DMA_CNT);
        if left != 0 {
            self.bank.set(&RxCfg::RX_DMA_CNT, left - 1);
            self.raise(if left == 1 { int::RXD } else { 0 });
        }
    }

    fn rx_status(&mut self, cx: &mut Cx) -> u32 {
        let word = self.rx.status.pop_front();
        if word.is_none() {
            self.raise(int::RXE);
            cx.guest_error("RX status FIFO underrun");
        }
        self.update(cx);
        word.unwrap_or(0)
    }
}

impl Device for Lan9118 {
    type Reg = Reg;
    const KIND: &'static str = "smsc,lan9118";
    const NOT_MODELLED: &'static [&'static str] = &[
        "flow control: pause frames are neither sent nor obeyed, there is no back pressure (FLOW, AFC_CFG are storage)",
        "collisions and carrier sense: the line is a full-duplex one to a switch, whatever MAC_CR.FDPX says",
        "the 2 KB between TX data FIFO and MAC hold one frame; the 128 bytes on the receive side nothing",
        "power saving, wake-up frames, magic packets; VLAN tags only lengthen what is too long",
        "general purpose pins and LEDs; WORD_SWAP (for a 16-bit bus)",
        "automatic pad stripping (MAC_CR.PADSTR), 10 Mbit/s on the other end of the cable, next pages",
        "access to the MAC's registers ends at once; so does, as in QEMU, a reset of the PHY (100 us) and after other resets the load of \
         the EEPROM (126 us): drivers that only ran there look once and give up",
        "with instant_link, as on the MPS2 boards: the time without link that negotiation takes",
        "a PHY access or EEPROM command given while another is under way is counted as a mistake, but made",
        "TX: what a host that wrote too few words for a packet sends next is skipped up to commands A and B that fit each other",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, kind: ResetKind, cx: &mut Cx) {
        if kind == ResetKind::PowerOn && !self.programmed {
            self.set_mac(0x5254_0000_0000 | cx.random() & 0xff_ffff);
        }
        self.bank.put(Reg::IrqCfg, 0);
        (self.srst_until, self.smi_until) = (Time::ZERO, Time::ZERO);
        self.phy.reset();
        self.soft_reset(cx);
        self.restart_link(cx);
    }

    fn read(&mut self, r: Reg, i: usize, cx: &mut Cx) -> u32 {
        let v = self.bank.at(r, i);
        match r {
            Reg::RxDataFifo => self.rx_word(cx),
            Reg::RxStatusFifo => self.rx_status(cx),
            Reg::RxStatusPeek => self.rx.status.front().copied().unwrap_or(0),
            Reg::TxStatusFifo => {
                let word = self.tx.status.pop_front().unwrap_or(0);
                self.transmit(cx); // it may have waited for room
                self.update(cx);
                word
            }
            Reg::TxStatusPeek => self.tx.status.front().copied().unwrap_or(0),
            Reg::IrqCfg if cx.now() < self.quiet_until => v | IrqCfg::INT_DEAS_STS.mask(),
            Reg::HwCfg if cx.now() < self.srst_until => v | HwCfg::SRST.mask(),
            Reg::E2pCmd if cx.now() < self.eeprom_until => v | E2pCmd::BUSY.mask(),
            Reg::RxFifoInf => ((self.rx.status.len() as u32) << 16) | (self.rx.used() * 4),
            Reg::TxFifoInf => {
                let free = self.tx_words().saturating_sub(self.tx.used()) * 4;
                ((self.tx.status.len() as u32) << 16) | free
            }
            Reg::GptCnt => u32::from(self.gpt(cx.now())),
            Reg::FreeRun => (cx.now().0.saturating_sub(self.born.0) / 40) as u32,
            Reg::RxDrop => std::mem::take(&mut self.dropped),
            _ => v,
        }
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        match r {
            Reg::TxDataFifo => return self.tx_word(v, cx),
            Reg::IrqCfg => self.write_irq_cfg(cx),
            Reg::IntEn if v & int::SW != 0 => self.raise(int::SW),
            Reg::RxCfg if self.bank.is(&RxCfg::RX_DUMP) => {
                self.bank.set(&RxCfg::RX_DUMP, 0);
                self.rx = Rx::default();
            }
            Reg::TxCfg => self.write_tx_cfg(cx),
            Reg::HwCfg => self.write_hw_cfg(cx),
            Reg::RxDpCtrl if v != 0 => {
                self.bank.put(Reg::RxDpCtrl, 0);
                self.rx.forward();
            }
            Reg::PmtCtrl => self.write_pmt(cx),
            Reg::GptCfg => {
                let was_on = cx.due(GPT_WRAP).is_some();
                self.write_gpt(was_on, cx);
            }
            Reg::MacCsrCmd => return self.mac_command(cx),
            Reg::AfcCfg if v & 0xf != 0 => cx.unimplemented("flow control"),
            Reg::E2pCmd => self.eeprom_command(cx),
            _ => {}
        }
        self.update(cx);
    }

    fn event(&mut self, tag: Tag, cx: &mut Cx) {
        match tag {
            TX_NEXT => self.tx_next(cx),
            PHY_UP => self.phy.connect(),
            GPT_WRAP => {
                if self.bank.reg(Reg::IntEn) & int::GPT != 0 {
                    self.raise(int::GPT);
                }
                self.load_gpt(0xffff, cx);
            }
            _ => {}
        }
        self.update(cx);
    }

    fn recv(&mut self, port: Port, msg: Msg, cx: &mut Cx) {
        if port != CABLE || !self.phy.up() || self.mac.is(&Cr::LOOPBK) || self.phy.loopback() {
            return;
        }
        match msg {
            Msg::Frame(bytes) => self.receive(&bytes, false, cx),
            Msg::BadFrame(bytes) => self.receive(&bytes, true, cx),
            _ => {}
        }
    }

    fn input(&mut self, name: &str, value: i64, cx: &mut Cx) -> bool {
        match name {
            "mac" => {
                self.set_mac(value as u64 & 0xffff_ffff_ffff);
                if !self.mac.is(&Cr::RXEN) && !self.mac.is(&Cr::TXEN) {
                    self.load_eeprom();
                }
            }
            "link" if (value != 0) == self.phy.cable => {}
            "link" => {
                self.phy.cable = value != 0;
                self.restart_link(cx);
            }
            _ => return false,
        }
        true
    }

    fn inputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("mac", "the EEPROM's Ethernet address, 48 bits"), ("link", "1 cable plugged in, 0 not")]
    }

    fn lookahead(&self) -> u64 {
        // A packet goes on the wire when its last word is written.
        self.phy.soonest()
    }

    fn validate(&self) -> Result<(), String> {
        self.tx.validate()?;
        self.rx.validate()?;
        let back =
            matches!(&self.wire, Wire::Frame { back: Some((b, _)), .. } if b.len() > lan9118_tx::MOST_BYTES);
        match self.eeprom.len() == EEPROM_BYTES && !back {
            true => Ok(()),
            false => Err("an EEPROM or a frame of another size".into()),
        }
    }
}
