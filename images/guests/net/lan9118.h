/* The SMSC LAN9118 and its pin-compatible kin (LAN9220 on the MPS2), by the LAN9118's datasheet. No operating system in here:
 * the caller serialises. RX, TX and MAC functions touch different registers; each group has one caller at a time. */
#ifndef LAN9118_H
#define LAN9118_H

#include <stdbool.h>
#include <stdint.h>

/* Bits of INT_STS and INT_EN. */
#define LAN_RXSTOP (1u << 24)
#define LAN_PHY_INT (1u << 18)
#define LAN_TXSO (1u << 16)
#define LAN_RWT (1u << 15)
#define LAN_RXE (1u << 14)
#define LAN_TXE (1u << 13)
#define LAN_TDFO (1u << 10)
#define LAN_TDFA (1u << 9)
#define LAN_TSFL (1u << 7)
#define LAN_RXDF (1u << 6)
#define LAN_RSFL (1u << 3)

/* RX status words ("RX Status Format"). */
#define LAN_RX_FILTER_FAIL (1u << 30)
#define LAN_RX_ERROR (1u << 15)
#define LAN_RX_CRC (1u << 1)
/* TX status words ("TX Status Format"). */
#define LAN_TX_ERROR (1u << 15)

/* Where data starts in the first word of a received frame. */
#define LAN_RX_OFFSET 2u
/* A packet may take this many buffers whatever their alignment ("TX Buffer Fragmentation Rules"). */
#define LAN_TX_BUFFERS 86u

struct lan_link {
    bool up, full_duplex, fast;
};

/* Resets the chip and starts it; link negotiation goes on by itself. False when there is none. */
bool lan_start(void);
/* ID_REV, for instance 0x0118.... */
uint32_t lan_id(void);
/* The address that the chip loaded from its EEPROM; false if it has none. */
bool lan_address(uint8_t mac[6]);
void lan_set_address(const uint8_t mac[6]);

/* Masks or unmasks the chip's interrupts; what is pending, and forgets it. */
void lan_enable(uint32_t sources);
uint32_t lan_take_pending(void);
/* Frames dropped for want of room since the last call. */
uint32_t lan_take_dropped(void);

/* The link as the PHY has it now; forgets the PHY's interrupt and sets the MAC's duplex. */
struct lan_link lan_link(void);

/* Takes the status of the next received frame; false when there is none. The frame must then be read or skipped. */
bool lan_rx_status(uint32_t *status);
/* Length of that frame, checksum included. */
static inline uint32_t lan_rx_length(uint32_t status) { return status >> 16 & 0x3fff; }
/* Reads COUNT words of the frame. */
void lan_rx_words(uint32_t *to, uint32_t count);
/* Skips what is left of a frame: COUNT words. ALL says that none of it was read yet. */
void lan_rx_skip(uint32_t count, bool all);
/* Empties the receiver after it lost step. */
void lan_rx_dump(void);

/* Free bytes for data and commands. */
uint32_t lan_tx_room(void);
/* LAN_TDFA comes when more than BYTES are free. */
void lan_tx_notify(uint32_t bytes);
/* What one buffer takes of that room. */
static inline uint32_t lan_tx_cost(const void *data, uint32_t size) { return 8 + ((((uintptr_t)data & 3) + size + 3) & ~3u); }
/* Hands over one buffer of a packet of TOTAL bytes. Up to three bytes beside it, in its first and last word, are read too. */
void lan_tx_buffer(const void *data, uint32_t size, bool first, bool last, uint32_t total, uint16_t tag);
/* Takes the next TX status; false when there is none. */
bool lan_tx_status(uint32_t *status);

#endif
