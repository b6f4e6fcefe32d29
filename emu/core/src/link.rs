//! What devices say to each other and to the world outside their machine.

use serde::{Deserialize, Serialize};

/// A message on a port. The set is closed: a new bus or medium adds its variant here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Msg {
    /// A byte on a serial line, at the end of its stop bit.
    Byte(u8),
    /// A byte leaves on a serial line from now on; its stop bit ends in `ns` nanoseconds. Sent, besides [`Msg::Byte`],
    /// on a port that another machine listens to ([`Cx::followed`](crate::device::Cx::followed)).
    Sending {
        /// The byte.
        byte: u8,
        /// Nanoseconds from the start bit to the end of the stop bit.
        ns: u32,
    },
    /// Text for a console: the receiving UART takes it at the line's rate when it is enabled and has room.
    Text(Vec<u8>),
    /// An act of an I2C master on its bus.
    I2c(I2c),
    /// What the addressed I2C slave answers at once.
    I2cReply {
        /// The slave pulled SDA low.
        ack: bool,
        /// The byte read, after [`I2c::Read`].
        data: u8,
    },
    /// A byte shifted over SPI, master to slave or back.
    Spi(u8),
    /// What a radio does on the air.
    Radio(RadioAct),
    /// What the air does to a radio.
    Air(AirEvent),
    /// An Ethernet frame, from the destination address to the last byte before the FCS. To the medium: its first bit
    /// leaves now. From the medium: its last bit has arrived.
    Frame(Vec<u8>),
    /// An Ethernet frame that arrived with a wrong FCS.
    BadFrame(Vec<u8>),
    /// The level of a wire between machines; `None`: nobody drives it.
    Level(Option<bool>),
}

/// An act of an I2C master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum I2c {
    /// (Repeated) start with the 7-bit address and the direction.
    Start {
        /// 7-bit address.
        addr: u8,
        /// The master reads.
        read: bool,
    },
    /// A byte written by the master.
    Write(u8),
    /// The master reads a byte and answers with `ack`.
    Read {
        /// More bytes are wanted.
        ack: bool,
    },
    /// Stop condition.
    Stop,
}

/// Physical layer of a 2.4 GHz frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phy {
    /// Nordic proprietary, 1 Mbit/s.
    Nrf1Mbit,
    /// Nordic proprietary, 2 Mbit/s.
    Nrf2Mbit,
    /// Nordic proprietary, 250 kbit/s.
    Nrf250Kbit,
    /// Bluetooth Low Energy, 1 Mbit/s.
    Ble1Mbit,
    /// IEEE 802.15.4, 250 kbit/s.
    Ieee802154,
}

/// A frame as it goes on the air.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AirFrame {
    /// Centre frequency in MHz.
    pub mhz: u16,
    /// Physical layer.
    pub phy: Phy,
    /// Transmit power in dBm.
    pub dbm: i8,
    /// The address as sent after the preamble, first byte on the air in the lowest byte.
    pub address: u64,
    /// Bytes of the address.
    pub address_len: u8,
    /// Everything after the address as it is on the air: whitened, CRC included.
    pub bytes: Vec<u8>,
    /// Nanoseconds from the start of the preamble to the end of the address.
    pub sync_ns: u32,
    /// Nanoseconds from the start of the preamble to the end of the last bit.
    pub total_ns: u32,
}

/// What a radio does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RadioAct {
    /// The first bit of the preamble leaves the antenna now.
    TxStart(AirFrame),
    /// The transmission under way stops now.
    TxAbort,
    /// The receiver listens from now on.
    RxOn {
        /// Centre frequency in MHz.
        mhz: u16,
        /// Physical layer.
        phy: Phy,
    },
    /// The receiver stops listening.
    RxOff,
    /// The radio begins to measure the signal strength on its channel; [`AirEvent::Rssi`] answers when its machine holds
    /// at the end of the measurement.
    Sample,
}

/// What the air does to a radio. `frame` numbers frames within the medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AirEvent {
    /// The end of an address was heard; sent at that instant to every listener in range on the channel.
    Sync {
        /// Which frame.
        frame: u64,
        /// The address, as in [`AirFrame::address`].
        address: u64,
        /// Its length in bytes.
        address_len: u8,
        /// Signal strength in dBm.
        dbm: i8,
        /// The bytes that will follow: their number is the sender's, the receiver ends by its own configuration.
        bytes: u16,
    },
    /// The last bit of a frame whose [`AirEvent::Sync`] this receiver had.
    End {
        /// Which frame.
        frame: u64,
        /// The bytes after the address as heard (bit errors included).
        bytes: Vec<u8>,
        /// Signal strength in dBm.
        dbm: i8,
    },
    /// The frame broke off.
    Lost {
        /// Which frame.
        frame: u64,
    },
    /// Answer to [`RadioAct::Sample`].
    Rssi {
        /// Signal strength in dBm.
        dbm: i8,
    },
}
