#include "lan9118.h"
#include "clock.h"

#define LAN(offset) REG(0x40200000 + (offset))
#define RX_DATA LAN(0x00)
#define TX_DATA LAN(0x20)
#define RX_STATUS LAN(0x40)
#define TX_STATUS LAN(0x48)
#define ID_REV LAN(0x50)
#define IRQ_CFG LAN(0x54)
#define INT_STS LAN(0x58)
#define INT_EN LAN(0x5C)
#define BYTE_TEST LAN(0x64)
#define FIFO_INT LAN(0x68)
#define RX_CFG LAN(0x6C)
#define TX_CFG LAN(0x70)
#define HW_CFG LAN(0x74)
#define RX_DP_CTL LAN(0x78)
#define RX_FIFO_INF LAN(0x7C)
#define TX_FIFO_INF LAN(0x80)
#define PMT_CTRL LAN(0x84)
#define GPIO_CFG LAN(0x88)
#define RX_DROP LAN(0xA0)
#define MAC_CSR_CMD LAN(0xA4)
#define MAC_CSR_DATA LAN(0xA8)
#define AFC_CFG LAN(0xAC)
#define E2P_CMD LAN(0xB0)

#define IRQ_EN (1u << 8)
#define IRQ_POL (1u << 4)  /* active high */
#define IRQ_TYPE (1u << 0) /* push-pull */
#define HW_MBO (1u << 20)
#define HW_TX_FIF_SZ (5u << 16) /* 5 KB: 512 bytes of status, 4608 of data */
#define HW_SRST (1u << 0)
#define RX_DUMP (1u << 15)
#define RX_FFWD (1u << 31)
#define TX_ON (1u << 1)
#define CSR_BUSY (1u << 31)
#define CSR_READ (1u << 30)
#define E2P_BUSY (1u << 31)

/* MAC registers, behind MAC_CSR_CMD. */
#define MAC_CR 1
#define ADDRH 2
#define ADDRL 3
#define MII_ACC 6
#define MII_DATA 7
#define CR_FDPX (1u << 20)
#define CR_PADSTR (1u << 8)
#define CR_TXEN (1u << 3)
#define CR_RXEN (1u << 2)

/* The internal PHY and its registers. */
#define PHY_ADDRESS (1u << 11)
#define PHY_BCR 0
#define PHY_BSR 1
#define PHY_ANAR 4
#define PHY_ANLPAR 5
#define PHY_ISR 29
#define PHY_IMR 30
#define BCR_RESET (1u << 15)
#define BCR_ANEG (1u << 12)
#define BCR_RESTART (1u << 9)
#define BSR_LINK (1u << 2)
#define AN_100_FULL (1u << 8)
#define AN_100_HALF (1u << 7)
#define AN_10_FULL (1u << 6)
#define AN_10_HALF (1u << 5)
#define AN_802_3 1u
#define PHY_ANEG_DONE (1u << 6)
#define PHY_LINK_DOWN (1u << 4)

#define MAC_ON (CR_PADSTR | CR_TXEN | CR_RXEN)

/* Waits until a register's BITS are as wanted; false after MICROSECONDS. */
static bool wait_for(volatile uint32_t *reg, uint32_t bits, uint32_t value, uint32_t microseconds)
{
    uint32_t start = micros();
    while ((*reg & bits) != value)
        if (micros() - start > microseconds)
            return false;
    return true;
}

static uint32_t mac_read(uint32_t index)
{
    wait_for(&MAC_CSR_CMD, CSR_BUSY, 0, 1000);
    MAC_CSR_CMD = CSR_BUSY | CSR_READ | index;
    (void)BYTE_TEST; /* the busy bit is true only after a dummy read ("Special Restrictions on Back-to-Back Cycles") */
    wait_for(&MAC_CSR_CMD, CSR_BUSY, 0, 1000);
    return MAC_CSR_DATA;
}

static void mac_write(uint32_t index, uint32_t value)
{
    wait_for(&MAC_CSR_CMD, CSR_BUSY, 0, 1000);
    MAC_CSR_DATA = value;
    MAC_CSR_CMD = CSR_BUSY | index;
    (void)BYTE_TEST;
    wait_for(&MAC_CSR_CMD, CSR_BUSY, 0, 1000);
}

static void mii_wait(void)
{
    uint32_t start = micros();
    while ((mac_read(MII_ACC) & 1) && micros() - start < 10000)
        ;
}

static uint32_t phy_read(uint32_t reg)
{
    mii_wait();
    mac_write(MII_ACC, PHY_ADDRESS | reg << 6 | 1);
    mii_wait();
    return mac_read(MII_DATA) & 0xffff;
}

static void phy_write(uint32_t reg, uint32_t value)
{
    mii_wait();
    mac_write(MII_DATA, value);
    mac_write(MII_ACC, PHY_ADDRESS | reg << 6 | 3);
    mii_wait();
}

static void phy_start(void)
{
    uint32_t start = micros();
    phy_write(PHY_BCR, BCR_RESET);
    while ((phy_read(PHY_BCR) & BCR_RESET) && micros() - start < 500000)
        ;
    phy_write(PHY_ANAR, AN_100_FULL | AN_100_HALF | AN_10_FULL | AN_10_HALF | AN_802_3);
    (void)phy_read(PHY_ISR);
    phy_write(PHY_IMR, PHY_ANEG_DONE | PHY_LINK_DOWN);
    phy_write(PHY_BCR, BCR_ANEG | BCR_RESTART);
}

bool lan_start(void)
{
    /* A read wakes the chip; it answers others once it is ready (PMT_CTRL.READY). */
    (void)BYTE_TEST;
    if (!wait_for(&PMT_CTRL, 1, 1, 100000) || BYTE_TEST != 0x87654321)
        return false;
    HW_CFG = HW_SRST;
    if (!wait_for(&HW_CFG, HW_SRST, 0, 100000) || !wait_for(&E2P_CMD, E2P_BUSY, 0, 100000))
        return false;
    HW_CFG = HW_MBO | HW_TX_FIF_SZ;
    AFC_CFG = 0x006E3740; /* thresholds of 7 KB and 3.5 KB, as the register's description has it */
    GPIO_CFG = 0x70070000; /* the LED pins drive LEDs */
    INT_EN = 0;
    INT_STS = ~0u;
    IRQ_CFG = IRQ_EN | IRQ_POL | IRQ_TYPE;
    FIFO_INT = 0; /* RSFL and TSFL with the first status */
    phy_start();
    RX_CFG = LAN_RX_OFFSET << 8;
    TX_CFG = TX_ON;
    mac_write(MAC_CR, MAC_ON);
    return true;
}

uint32_t lan_id(void)
{
    return ID_REV;
}

bool lan_address(uint8_t mac[6])
{
    uint32_t low = mac_read(ADDRL), high = mac_read(ADDRH);
    for (int i = 0; i < 4; i++)
        mac[i] = (uint8_t)(low >> 8 * i);
    mac[4] = (uint8_t)high;
    mac[5] = (uint8_t)(high >> 8);
    return (low || high & 0xffff) && !(mac[0] & 1);
}

void lan_set_address(const uint8_t mac[6])
{
    mac_write(ADDRL, mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24);
    mac_write(ADDRH, mac[4] | (uint32_t)mac[5] << 8);
}

void lan_enable(uint32_t sources)
{
    INT_EN = sources;
}

uint32_t lan_take_pending(void)
{
    uint32_t pending = INT_STS;
    INT_STS = pending;
    return pending;
}

uint32_t lan_take_dropped(void)
{
    return RX_DROP; /* cleared by reading */
}

struct lan_link lan_link(void)
{
    struct lan_link link;
    (void)phy_read(PHY_ISR);
    (void)phy_read(PHY_BSR); /* a lost link stays in the register until it is read */
    link.up = phy_read(PHY_BSR) & BSR_LINK;
    uint32_t common = phy_read(PHY_ANAR) & phy_read(PHY_ANLPAR);
    link.fast = common & (AN_100_FULL | AN_100_HALF);
    /* The best of what both can: 100 full, 100 half, 10 full, 10 half. */
    link.full_duplex = common & AN_100_FULL || (!(common & AN_100_HALF) && common & AN_10_FULL);
    mac_write(MAC_CR, MAC_ON | (link.full_duplex ? CR_FDPX : 0));
    return link;
}

bool lan_rx_status(uint32_t *status)
{
    if (!(RX_FIFO_INF >> 16 & 0xff))
        return false;
    *status = RX_STATUS;
    return true;
}

void lan_rx_words(uint32_t *to, uint32_t count)
{
    for (; count >= 4; count -= 4, to += 4) {
        to[0] = RX_DATA;
        to[1] = RX_DATA;
        to[2] = RX_DATA;
        to[3] = RX_DATA;
    }
    while (count--)
        *to++ = RX_DATA;
}

void lan_rx_skip(uint32_t count, bool all)
{
    /* Fast forward wants at least four words of the frame in the FIFO ("Receive Data FIFO Fast Forward"). */
    if (all && count >= 4) {
        RX_DP_CTL = RX_FFWD;
        (void)BYTE_TEST;
        wait_for(&RX_DP_CTL, RX_FFWD, 0, 1000);
        return;
    }
    while (count--)
        (void)RX_DATA;
}

void lan_rx_dump(void)
{
    /* Only a stopped receiver may be emptied ("Force Receiver Discard"). */
    uint32_t control = mac_read(MAC_CR);
    INT_STS = LAN_RXSTOP;
    mac_write(MAC_CR, control & ~CR_RXEN);
    wait_for(&INT_STS, LAN_RXSTOP, LAN_RXSTOP, 10000);
    RX_CFG = LAN_RX_OFFSET << 8 | RX_DUMP;
    (void)BYTE_TEST;
    wait_for(&RX_CFG, RX_DUMP, 0, 1000);
    INT_STS = LAN_RXSTOP | LAN_RXE;
    mac_write(MAC_CR, control);
}

uint32_t lan_tx_room(void)
{
    return TX_FIFO_INF & 0xffff;
}

void lan_tx_notify(uint32_t bytes)
{
    uint32_t blocks = (bytes + 63) / 64; /* the interrupt comes when more blocks of 64 bytes are free */
    FIFO_INT = (blocks > 0xff ? 0xff : blocks) << 24;
    INT_STS = LAN_TDFA;
}

void lan_tx_buffer(const void *data, uint32_t size, bool first, bool last, uint32_t total, uint16_t tag)
{
    uint32_t offset = (uintptr_t)data & 3;
    const uint32_t *word = (const uint32_t *)((uintptr_t)data & ~(uintptr_t)3);
    uint32_t count = (offset + size + 3) / 4;
    TX_DATA = offset << 16 | (uint32_t)first << 13 | (uint32_t)last << 12 | size; /* command A */
    TX_DATA = (uint32_t)tag << 16 | total;                                        /* command B */
    for (; count >= 4; count -= 4, word += 4) {
        TX_DATA = word[0];
        TX_DATA = word[1];
        TX_DATA = word[2];
        TX_DATA = word[3];
    }
    while (count--)
        TX_DATA = *word++;
}

bool lan_tx_status(uint32_t *status)
{
    if (!(TX_FIFO_INF >> 16 & 0xff))
        return false;
    *status = TX_STATUS;
    return true;
}
