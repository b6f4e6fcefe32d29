//! Registers of the LAN9118 (datasheet revision 1.5, chapter 5): host bus, MAC and PHY.

use emu_core::regs;

regs! {
    /// System control and status registers (table 5.1).
    pub enum Reg {
        /// RX data FIFO port and its aliases (5.2.1).
        RxDataFifo @ 0x00 [8, 4] ro,
        /// TX data FIFO port and its aliases (5.2.2).
        TxDataFifo @ 0x20 [8, 4] wo,
        /// RX status FIFO port; reading takes the word out (5.2.3).
        RxStatusFifo @ 0x40 ro,
        /// RX status FIFO, without taking the word out.
        RxStatusPeek @ 0x44 ro,
        /// TX status FIFO port; reading takes the word out.
        TxStatusFifo @ 0x48 ro,
        /// TX status FIFO, without taking the word out.
        TxStatusPeek @ 0x4c ro,
        /// Chip and revision (5.3.1).
        IdRev @ 0x50 ro,
        /// Interrupt pin (5.3.2).
        IrqCfg @ 0x54 rw mask 0xff004111 {
            IRQ_TYPE: 0..1, IRQ_POL: 4..5, IRQ_EN: 8..9, IRQ_INT: 12..13, INT_DEAS_STS: 13..14, INT_DEAS_CLR: 14..15,
            INT_DEAS: 24..32,
        },
        /// Interrupt sources (5.3.3).
        IntSts @ 0x58 w1c mask 0x83ffefff,
        /// Interrupt enables (5.3.4).
        IntEn @ 0x5c rw mask 0x83ffefff,
        /// Always 0x87654321 (5.3.5).
        ByteTest @ 0x64 ro reset 0x87654321,
        /// Levels of the FIFO interrupts (5.3.6).
        FifoInt @ 0x68 rw reset 0x48000000 mask 0xffff00ff {
            RX_STS_LEVEL: 0..8, TX_STS_LEVEL: 16..24, TX_DATA_LEVEL: 24..32,
        },
        /// Receive configuration (5.3.7).
        RxCfg @ 0x6c rw mask 0xcfff9f00 { RXDOFF: 8..13, RX_DUMP: 15..16, RX_DMA_CNT: 16..28, END_ALIGN: 30..32 },
        /// Transmit configuration (5.3.8).
        TxCfg @ 0x70 rw mask 0xc007 { STOP_TX: 0..1, TX_ON: 1..2, TXSAO: 2..3, TXD_DUMP: 14..15, TXS_DUMP: 15..16 },
        /// Hardware configuration (5.3.9).
        HwCfg @ 0x74 rw reset 0x00050004 mask 0x001f0001 { SRST: 0..1, SRST_TO: 1..2, TX_FIF_SZ: 16..20 },
        /// Receive data path (5.3.10).
        RxDpCtrl @ 0x78 rw mask 0x80000000,
        /// RX FIFOs: used bytes of data, used words of status (5.3.11).
        RxFifoInf @ 0x7c ro,
        /// TX FIFOs: free bytes of data, used words of status (5.3.12).
        TxFifoInf @ 0x80 ro,
        /// Power management (5.3.13).
        PmtCtrl @ 0x84 rw reset 0x1 mask 0x374e { PHY_RST: 10..11, PM_MODE: 12..14 },
        /// General purpose I/O and LEDs (5.3.14).
        GpioCfg @ 0x88 rw mask 0x7777071f,
        /// General purpose timer: enable and load value (5.3.15).
        GptCfg @ 0x8c rw reset 0xffff mask 0x2000ffff { GPT_LOAD: 0..16, TIMER_EN: 29..30 },
        /// General purpose timer: the count (5.3.16).
        GptCnt @ 0x90 ro,
        /// Endianness of the FIFOs on a 16-bit bus (5.3.17).
        WordSwap @ 0x98 rw,
        /// Counts 25 MHz (5.3.18).
        FreeRun @ 0x9c ro,
        /// Frames dropped by the receiver; reading clears (5.3.19).
        RxDrop @ 0xa0 ro,
        /// Access to the MAC's registers: command (5.3.20).
        MacCsrCmd @ 0xa4 rw mask 0xc000000f { ADDRESS: 0..4, READ: 30..31, BUSY: 31..32 },
        /// Access to the MAC's registers: data (5.3.21).
        MacCsrData @ 0xa8 rw,
        /// Automatic flow control (5.3.22).
        AfcCfg @ 0xac rw mask 0xffffff,
        /// EEPROM command (5.3.23).
        E2pCmd @ 0xb0 rw mask 0xf00000ff { ADDRESS: 0..8, LOADED: 8..9, COMMAND: 28..31, BUSY: 31..32 },
        /// EEPROM data (5.3.24).
        E2pData @ 0xb4 rw mask 0xff,
    }
}

/// Bits of INT_STS and INT_EN.
#[allow(missing_docs)]
pub mod int {
    pub const SW: u32 = 1 << 31;
    pub const TXSTOP: u32 = 1 << 25;
    pub const RXSTOP: u32 = 1 << 24;
    pub const RXDFH: u32 = 1 << 23;
    pub const TX_IOC: u32 = 1 << 21;
    pub const RXD: u32 = 1 << 20;
    pub const GPT: u32 = 1 << 19;
    pub const PHY: u32 = 1 << 18;
    pub const TXSO: u32 = 1 << 16;
    pub const RWT: u32 = 1 << 15;
    pub const RXE: u32 = 1 << 14;
    pub const TXE: u32 = 1 << 13;
    pub const TDFO: u32 = 1 << 10;
    pub const TDFA: u32 = 1 << 9;
    pub const TSFF: u32 = 1 << 8;
    pub const TSFL: u32 = 1 << 7;
    pub const RXDF: u32 = 1 << 6;
    pub const RSFF: u32 = 1 << 4;
    pub const RSFL: u32 = 1 << 3;
}

regs! {
    /// The MAC's registers (5.4), at four times their index.
    pub enum MacReg {
        /// MAC control (5.4.1).
        Cr @ 0x04 rw reset 0x00040000 mask 0x80bfbdec {
            RXEN: 2..3, TXEN: 3..4, BCAST: 11..12, HPFILT: 13..14, HO: 15..16, PASSBAD: 16..17, INVFILT: 17..18,
            PRMS: 18..19, MCPAS: 19..20, FDPX: 20..21, LOOPBK: 21..22, RXALL: 31..32,
        },
        /// Address, last two bytes (5.4.2).
        Addrh @ 0x08 rw reset 0xffff mask 0xffff,
        /// Address, first four bytes, the first in the lowest bits (5.4.3).
        Addrl @ 0x0c rw reset 0xffffffff,
        /// Hash table, upper half (5.4.4).
        Hashh @ 0x10 rw,
        /// Hash table, lower half (5.4.5).
        Hashl @ 0x14 rw,
        /// Access to the PHY: command (5.4.6).
        MiiAcc @ 0x18 rw mask 0xffc3 { BUSY: 0..1, WRITE: 1..2, INDEX: 6..11, PHY: 11..16 },
        /// Access to the PHY: data (5.4.7).
        MiiData @ 0x1c rw mask 0xffff,
        /// Flow control (5.4.8).
        Flow @ 0x20 rw mask 0xffff0007,
        /// First VLAN tag (5.4.9).
        Vlan1 @ 0x24 rw reset 0xffff mask 0xffff,
        /// Second VLAN tag (5.4.10).
        Vlan2 @ 0x28 rw reset 0xffff mask 0xffff,
        /// Wake-up frame filter (5.4.11).
        Wuff @ 0x2c rw,
        /// Wake-up control and status (5.4.12).
        Wucsr @ 0x30 rw mask 0x276,
    }
}

regs! {
    /// The PHY's registers (5.5), at four times their index.
    pub enum PhyReg {
        /// Basic control (5.5.1).
        Control @ 0x00 rw reset 0x3000 mask 0xff80 {
            DUPLEX: 8..9, RESTART: 9..10, ISOLATE: 10..11, POWER_DOWN: 11..12, AUTONEG: 12..13, FAST: 13..14,
            LOOPBACK: 14..15, RESET: 15..16,
        },
        /// Basic status (5.5.2).
        Status @ 0x04 ro reset 0x7809,
        /// Identifier 1 (5.5.3).
        Id1 @ 0x08 ro reset 0x0007,
        /// Identifier 2 (5.5.4).
        Id2 @ 0x0c ro reset 0xc0d1,
        /// Auto-negotiation advertisement (5.5.5).
        Advertise @ 0x10 rw reset 0x01e1 mask 0x2fff,
        /// Link partner's ability (5.5.6).
        Partner @ 0x14 ro reset 0x0001,
        /// Auto-negotiation expansion (5.5.7).
        Expansion @ 0x18 ro,
        /// Mode control and status (5.5.8).
        Mode @ 0x44 rw mask 0x2000 { ENERGYON: 1..2, EDPWRDOWN: 13..14 },
        /// Special modes (5.5.9).
        Special @ 0x48 rw reset 0x00e1 mask 0x00e0,
        /// Special control and status indications (5.5.10).
        Indications @ 0x6c rw mask 0x8400,
        /// Interrupt source; reading clears (5.5.11).
        IntSource @ 0x74 ro,
        /// Interrupt mask (5.5.12).
        IntMask @ 0x78 rw mask 0x00fe,
        /// Special control and status (5.5.13).
        SpecialStatus @ 0x7c rw reset 0x0040 mask 0x0000,
    }
}
