//! The registers of RADIO (table 108).

use super::common::Block;
use emu_core::regs;

regs! {
    /// Table 108.
    pub enum Reg {
        /// Enable in TX mode.
        TasksTxen @ 0x000 task,
        /// Enable in RX mode.
        TasksRxen @ 0x004 task,
        /// Start sending or listening.
        TasksStart @ 0x008 task,
        /// Stop.
        TasksStop @ 0x00c task,
        /// Disable.
        TasksDisable @ 0x010 task,
        /// Take one sample of the signal strength.
        TasksRssistart @ 0x014 task,
        /// Stop the measurement.
        TasksRssistop @ 0x018 task,
        /// Start the bit counter.
        TasksBcstart @ 0x01c task,
        /// Stop the bit counter.
        TasksBcstop @ 0x020 task,
        /// Ramped up.
        EventsReady @ 0x100 event,
        /// Address sent or received.
        EventsAddress @ 0x104 event,
        /// Payload sent or received.
        EventsPayload @ 0x108 event,
        /// Packet sent or received.
        EventsEnd @ 0x10c event,
        /// Disabled.
        EventsDisabled @ 0x110 event,
        /// A device address matched in the last received packet.
        EventsDevmatch @ 0x114 event,
        /// None did.
        EventsDevmiss @ 0x118 event,
        /// A sample of the signal strength is ready.
        EventsRssiend @ 0x11c event,
        /// The bit counter reached BCC.
        EventsBcmatch @ 0x128 event,
        /// Shortcuts.
        Shorts @ 0x200 rw mask 0x17f {
            READY_START: 0..1, END_DISABLE: 1..2, DISABLED_TXEN: 2..3, DISABLED_RXEN: 3..4, ADDRESS_RSSISTART: 4..5,
            END_START: 5..6, ADDRESS_BCSTART: 6..7, DISABLED_RSSISTOP: 8..9,
        },
        /// Enable interrupts.
        Intenset @ 0x304 w1s mask 0x4ff,
        /// Disable interrupts.
        Intenclr @ 0x308 w1c mask 0x4ff,
        /// CRC of the received packet is right.
        Crcstatus @ 0x400 ro,
        /// Logical address of the received packet.
        Rxmatch @ 0x408 ro,
        /// CRC field of the received packet.
        Rxcrc @ 0x40c ro,
        /// Index of the device address that matched.
        Dai @ 0x410 ro,
        /// Where the packet lies in RAM.
        Packetptr @ 0x504 rw,
        /// Channel in MHz above 2400.
        Frequency @ 0x508 rw reset 0x2 mask 0x7f,
        /// Output power in dBm.
        Txpower @ 0x50c rw mask 0xff,
        /// Data rate and modulation.
        Mode @ 0x510 rw mask 0x3,
        /// Sizes of the header's fields.
        Pcnf0 @ 0x514 rw mask 0x000f010f { LFLEN: 0..4, S0LEN: 8..9, S1LEN: 16..20 },
        /// Sizes, bit order, whitening.
        Pcnf1 @ 0x518 rw mask 0x0307ffff {
            MAXLEN: 0..8, STATLEN: 8..16, BALEN: 16..19, ENDIAN: 24..25, WHITEEN: 25..26,
        },
        /// Base address of logical address 0.
        Base0 @ 0x51c rw,
        /// Base address of logical addresses 1 to 7.
        Base1 @ 0x520 rw,
        /// Prefixes of logical addresses 0 to 3.
        Prefix0 @ 0x524 rw,
        /// Prefixes of logical addresses 4 to 7.
        Prefix1 @ 0x528 rw,
        /// Logical address to send to.
        Txaddress @ 0x52c rw mask 0x7,
        /// Logical addresses to receive.
        Rxaddresses @ 0x530 rw mask 0xff,
        /// CRC configuration.
        Crccnf @ 0x534 rw mask 0x103 { LEN: 0..2, SKIPADDR: 8..9 },
        /// CRC polynomial.
        Crcpoly @ 0x538 rw mask 0xffffff,
        /// CRC initial value.
        Crcinit @ 0x53c rw mask 0xffffff,
        /// Test features.
        Test @ 0x540 rw mask 0x3,
        /// Time between packets in microseconds.
        Tifs @ 0x544 rw mask 0xff,
        /// Signal strength, -dBm.
        Rssisample @ 0x548 ro,
        /// State.
        State @ 0x550 ro,
        /// Initial value of the whitening register; bit 6 is always 1.
        Datawhiteiv @ 0x554 rw reset 0x40 mask 0x3f,
        /// Bit counter compare.
        Bcc @ 0x560 rw,
        /// Device addresses, first 4 bytes.
        Dab @ 0x600 [8, 4] rw,
        /// Device addresses, last 2 bytes.
        Dap @ 0x620 [8, 4] rw mask 0xffff,
        /// Device address match configuration.
        Dacnf @ 0x640 rw mask 0xffff { ENA: 0..8, TXADD: 8..16 },
        /// Trim values.
        Override @ 0x724 [4, 4] rw,
        /// Trim value and the enable of all.
        Override4 @ 0x734 rw mask 0x8fffffff,
        /// Power switch of the block.
        Power @ 0xffc rw reset 0x1 mask 0x1,
    }
}

impl Block for Reg {
    const INTENSET: Reg = Reg::Intenset;
    const INTENCLR: Reg = Reg::Intenclr;
}
