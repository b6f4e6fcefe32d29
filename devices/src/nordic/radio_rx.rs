//! Reception: from the address to END (17.1).

use super::{
    radio::{ANTENNA, END, PAYLOAD, RECEIVING, Radio, State},
    radio_codec::Received,
    radio_regs::{Dacnf, Reg, Shorts},
};
use emu_core::{
    device::Cx,
    link::{Msg, RadioAct},
    rng::hash_words,
};
use serde::{Deserialize, Serialize};

/// A packet of which the address was heard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Reception {
    /// Its number in the medium.
    pub frame: u64,
    /// Its address, for the CRC.
    pub address: u64,
    /// Bytes after the address in the air.
    pub bytes: u16,
    /// Its strength.
    pub dbm: i8,
    /// The packet, when it was heard but its END is still to come.
    pub done: Option<Received>,
}

impl Radio {
    /// The last bit of an address was sent or heard.
    pub(super) fn address_event(&mut self, cx: &mut Cx) {
        self.raise(Reg::EventsAddress, cx);
        // Firmware leaves this shortcut on while it sends; there is nothing to measure then.
        if self.bank.is(&Shorts::ADDRESS_RSSISTART) && self.state == State::Rx {
            self.start_rssi(cx);
        }
        if self.bank.is(&Shorts::ADDRESS_BCSTART) {
            self.start_counter(cx);
        }
    }

    /// An address was heard on the channel.
    pub(super) fn sync(&mut self, heard: Reception, address_len: u8, cx: &mut Cx) {
        if self.state != State::Rx || self.reception.is_some() || address_len != self.format.ba_len + 1 {
            return;
        }
        let Some((n, _)) = self.listen.iter().find(|(_, a)| *a == heard.address) else { return };
        self.bank.put(Reg::Rxmatch, u32::from(*n));
        let bits = self.format.bits_in(usize::from(heard.bytes));
        let payload = bits.saturating_sub(self.format.crc_bits()) as u64 * self.bit_ns();
        self.reception = Some(heard);
        cx.wire(RECEIVING, true);
        cx.after(payload, PAYLOAD);
        self.address_event(cx);
    }

    /// The last bit of the frame was heard.
    pub(super) fn heard(&mut self, frame: u64, bytes: &[u8], cx: &mut Cx) {
        let Some(r) = self.reception.as_mut().filter(|r| r.frame == frame && r.done.is_none()) else {
            return;
        };
        let got = self.format.decode(r.address, bytes, |i| hash_words(frame, &[i as u64]) & 1 != 0);
        let missing = u64::from(got.bits).saturating_sub(8 * bytes.len() as u64);
        let bit = self.bit_ns();
        if missing == 0 {
            return self.end_rx(got, cx);
        }
        // More is expected than was sent: noise until then.
        cx.after(missing * bit, END);
        if let Some(r) = &mut self.reception {
            r.done = Some(got);
        }
    }

    /// The frame broke off; noise takes the rest of its time.
    pub(super) fn lost(&mut self, frame: u64, cx: &mut Cx) {
        let Some(r) = self.reception.as_mut().filter(|r| r.frame == frame && r.done.is_none()) else {
            return;
        };
        let noise: Vec<u8> =
            (0..u64::from(r.bytes)).map(|i| hash_words(frame, &[1 << 32 | i]) as u8).collect();
        let mut got = self.format.decode(r.address, &noise, |i| hash_words(frame, &[i as u64]) & 1 != 0);
        got.crc_ok &= self.format.crc_len == 0;
        r.done = Some(got);
        let now = cx.now();
        let at = cx.due(PAYLOAD).unwrap_or(now) + self.format.crc_bits() as u64 * self.bit_ns();
        cx.at(at, END);
    }

    /// The last bit of the packet was heard.
    pub(super) fn end_rx(&mut self, got: Received, cx: &mut Cx) {
        if cx.due(PAYLOAD).is_some() {
            cx.cancel(PAYLOAD);
            self.raise(Reg::EventsPayload, cx);
        }
        self.bank.put(Reg::Crcstatus, u32::from(got.crc_ok));
        self.bank.put(Reg::Rxcrc, got.crc);
        if !self.in_ram() || !cx.dma_write(u64::from(self.packetptr), &got.ram) {
            cx.guest_error("PACKETPTR is not in RAM");
        }
        self.match_device(&got, cx);
        cx.send(ANTENNA, Msg::Radio(RadioAct::RxOff));
        self.end(State::RxIdle, cx);
    }

    /// Device address match (17.1.8): TxAdd is bit 6 of S0, the address the first six bytes of the payload.
    fn match_device(&mut self, got: &Received, cx: &mut Cx) {
        let enabled = self.bank.get(&Dacnf::ENA);
        let payload = got.ram.get(usize::from(got.header)..).unwrap_or_default();
        let Some(address) = payload.first_chunk::<6>().filter(|_| enabled != 0) else { return };
        let tx_add = self.format.s0_len > 0 && got.ram[0] & 0x40 != 0;
        let matches = |n: usize| {
            let (dab, dap) = (self.bank.at(Reg::Dab, n).to_le_bytes(), self.bank.at(Reg::Dap, n));
            enabled >> n & 1 != 0
                && address[..4] == dab
                && address[4..] == (dap as u16).to_le_bytes()
                && (self.bank.get(&Dacnf::TXADD) >> n & 1 != 0) == tx_add
        };
        match (0..8).find(|n| matches(*n)) {
            Some(n) => {
                self.bank.put(Reg::Dai, n as u32);
                self.raise(Reg::EventsDevmatch, cx);
            }
            None => self.raise(Reg::EventsDevmiss, cx),
        }
    }
}
