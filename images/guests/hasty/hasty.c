/* A driver of the LAN9118 with the habits of those that were only ever tried on an emulator. It resets the PHY, reads its control
 * register at once and gives up if the reset is not over; and it puts the bytes of a frame at the end of their words, which
 * for lengths that are a multiple of four declares a data offset of 4 and writes a word less than that takes.
 *
 * Two of them on a switch: each asks twenty times for an echo, then sends one frame of each length from 61 to 100 bytes; each
 * answers the other and says which lengths it received. */
#include "print.h"

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
#define TX_CFG LAN(0x70)
#define HW_CFG LAN(0x74)
#define RX_FIFO_INF LAN(0x7C)
#define TX_FIFO_INF LAN(0x80)
#define FREE_RUN LAN(0x9C)
#define MAC_CSR_CMD LAN(0xA4)
#define MAC_CSR_DATA LAN(0xA8)
#define AFC_CFG LAN(0xAC)
#define E2P_CMD LAN(0xB0)

#define BUSY (1u << 31)
#define READ (1u << 30)
#define TRIES 50 /* looks at a busy bit, with nothing between them */
#define MAC_CR 1
#define ADDRH 2
#define ADDRL 3
#define MII_ACC 6
#define MII_DATA 7
#define PHY_ADDRESS (1u << 11)
#define BCR_RESET (1u << 15)
#define BCR_ANEG (1u << 12)
#define BCR_RESTART (1u << 9)

#define TICKS_PER_MS 25000u /* of FREE_RUN */
#define ECHOES 20
#define SHORTEST 61u
#define LONGEST 100u

enum { REQUEST = 1, ANSWER, SIZED };

static uint8_t own[6];

/* --- registers ------------------------------------------------------------------------------------------------------ */

static int mac_command(uint32_t command)
{
    int tries = TRIES;
    MAC_CSR_CMD = BUSY | command;
    (void)BYTE_TEST;
    while (MAC_CSR_CMD & BUSY)
        if (!--tries)
            return 0;
    return 1;
}

static uint32_t mac_read(uint32_t index)
{
    return mac_command(READ | index) ? MAC_CSR_DATA : 0;
}

static void mac_write(uint32_t index, uint32_t value)
{
    MAC_CSR_DATA = value;
    mac_command(index);
}

static int phy_ready(void)
{
    for (int tries = 10 * TRIES; mac_read(MII_ACC) & 1;)
        if (!--tries)
            return 0;
    return 1;
}

static uint32_t phy_read(uint32_t reg)
{
    mac_write(MII_ACC, PHY_ADDRESS | reg << 6 | 1);
    return phy_ready() ? mac_read(MII_DATA) : 0xffff;
}

static void phy_write(uint32_t reg, uint32_t value)
{
    mac_write(MII_DATA, value);
    mac_write(MII_ACC, PHY_ADDRESS | reg << 6 | 3);
    phy_ready();
}

static const char *start(void)
{
    int tries = TRIES;
    if (ID_REV != 0x01180001)
        return "not a LAN9118";
    HW_CFG |= 1;
    HW_CFG = 5u << 16;
    AFC_CFG = 0x006E3740;
    while (E2P_CMD & BUSY)
        if (!--tries)
            return "the EEPROM is busy";
    INT_EN = 0;
    INT_STS = ~0u;
    IRQ_CFG = 0x11;
    if (phy_read(2) != 7)
        return "no PHY";
    phy_write(0, phy_read(0) | BCR_RESET);
    if (phy_read(0) & BCR_RESET)
        return "the PHY is still in reset";
    phy_write(4, phy_read(4) | 0xde0);
    phy_write(0, phy_read(0) | BCR_ANEG | BCR_RESTART);
    HW_CFG |= 1u << 20;
    mac_write(MAC_CR, mac_read(MAC_CR) | 1u << 3);
    TX_CFG |= 2;
    mac_write(MAC_CR, mac_read(MAC_CR) | 1u << 2);
    uint32_t low = mac_read(ADDRL), high = mac_read(ADDRH);
    for (int i = 0; i < 6; i++)
        own[i] = (uint8_t)((i < 4 ? low : high) >> 8 * (i % 4));
    return 0;
}

/* --- frames --------------------------------------------------------------------------------------------------------- */

/* The bytes stand at the end of their words, behind a fill of 4 - LENGTH % 4 bytes; but if that is 4, it is not written. */
static void send(uint8_t kind, uint8_t number, uint32_t length)
{
    static uint8_t frame[3 + LONGEST];
    uint32_t fill = 4 - length % 4;
    uint8_t *at = frame + fill % 4;
    memset(frame, 0, sizeof frame);
    memset(at, 0xff, 6);
    memcpy(at + 6, own, 6);
    at[12] = 0x88; /* an EtherType for experiments (IEEE 802) */
    at[13] = 0xb5;
    at[14] = kind;
    at[15] = number;
    at[16] = (uint8_t)length;
    TX_DATA = fill << 16 | 3u << 12 | length;
    TX_DATA = length << 16 | length;
    for (uint32_t i = 0; i < fill % 4 + length; i += 4)
        TX_DATA = frame[i] | (uint32_t)frame[i + 1] << 8 | (uint32_t)frame[i + 2] << 16 | (uint32_t)frame[i + 3] << 24;
    (void)TX_STATUS;
}

/* Answers the other one. The number of the echo that came, 0 if none did. */
static uint8_t receive(void)
{
    static uint8_t frame[2048];
    if (!(RX_FIFO_INF & 0xffff))
        return 0;
    uint32_t length = RX_STATUS >> 16 & 0x3fff;
    for (uint32_t i = 0; i < length; i += 4) {
        uint32_t word = RX_DATA;
        memcpy(frame + i, &word, 4);
    }
    if (frame[12] != 0x88 || frame[13] != 0xb5)
        return 0;
    if (frame[14] == REQUEST)
        send(ANSWER, frame[15], SHORTEST);
    if (frame[14] == SIZED) {
        put_text("frame of ");
        put_number(frame[16]);
        put_text(length == frame[16] + 4u ? " bytes\r\n" : " bytes has another length\r\n");
    }
    return frame[14] == ANSWER ? frame[15] : 0;
}

/* Receives for MS milliseconds, or until the echo NUMBER comes. */
static int wait(uint32_t ms, uint8_t number)
{
    for (uint32_t from = FREE_RUN; FREE_RUN - from < ms * TICKS_PER_MS;) {
        uint8_t echo = receive();
        if (number && echo == number)
            return 1;
    }
    return 0;
}

int main(void)
{
    int came = 0;
    console_start();
    const char *wrong = start();
    if (wrong) {
        put_text("no network: ");
        put_text(wrong);
        put_text("\r\n");
        finish(0);
    }
    for (uint8_t number = 1; number <= ECHOES; number++)
        for (int tries = 0; tries < 100; tries++) {
            send(REQUEST, number, SHORTEST);
            if (wait(100, number)) {
                came++;
                break;
            }
        }
    put_text("echo ");
    put_number((uint32_t)came);
    put_text("/20\r\n");
    wait(1000, 0); /* the other one is done, too */
    for (uint32_t length = SHORTEST; length <= LONGEST; length++) {
        send(SIZED, 0, length);
        wait(10, 0);
    }
    put_text("sent\r\n");
    wait(100, 0);
    put_text("done\r\n");
    for (;;)
        wait(1000, 0);
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    _stack_top,
    (void *)reset_handler,
    [2 ... 15] = (void *)default_handler,
};
