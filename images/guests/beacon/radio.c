/* The RADIO in Nordic's own 1 Mbit/s mode. It listens all the time; to send, the receiver is disabled, the transmitter
 * enabled, and after the frame the receiver again, each step taken at the DISABLED event (nRF51 manual, 17.1.11). */
#include "beacon.h"

#define CHANNEL 7u /* 2407 MHz, between the micro:bit's default and the Wi-Fi channels' centres */
#define QUEUE 8u

enum { READY_START = 1 << 0, END_DISABLE = 1 << 1, ADDRESS_RSSISTART = 1 << 4, DISABLED_RSSISTOP = 1 << 8 };
enum { INT_ADDRESS = 1 << 1, INT_END = 1 << 3, INT_DISABLED = 1 << 4 };

static struct frame rx, tx;
static volatile enum { LISTENING, TO_SEND, SENDING } state;
static volatile int want_send, receiving;
static struct heard queue[QUEUE];
static volatile uint32_t head, tail;

static void listen(void)
{
    state = LISTENING;
    receiving = 0;
    RADIO_PACKETPTR = (uint32_t)&rx;
    RADIO_SHORTS = READY_START | ADDRESS_RSSISTART | DISABLED_RSSISTOP;
    RADIO_TASKS_RXEN = 1;
}

static void transmit(void)
{
    state = SENDING;
    RADIO_PACKETPTR = (uint32_t)&tx;
    RADIO_SHORTS = READY_START | END_DISABLE;
    RADIO_TASKS_TXEN = 1;
}

/* Leaves the receiver for the transmitter, unless a frame is just coming in: then its end calls this again. */
static void turn(void)
{
    if (want_send && state == LISTENING && !receiving) {
        state = TO_SEND;
        RADIO_TASKS_DISABLE = 1;
    }
}

static void keep(void)
{
    if ((RADIO_CRCSTATUS & 1) == 0 || rx.length < FRAME_HEAD || rx.length > FRAME_HEAD + TEXT_MAX)
        return;
    if (head - tail == QUEUE)
        return;
    struct heard *slot = &queue[head % QUEUE];
    slot->frame = rx;
    slot->rssi = RADIO_RSSISAMPLE & 0x7F;
    head++;
}

void radio_handler(void)
{
    if (RADIO_EVENTS_ADDRESS) {
        RADIO_EVENTS_ADDRESS = 0;
        receiving = state == LISTENING;
    }
    if (RADIO_EVENTS_END) {
        RADIO_EVENTS_END = 0;
        if (state == LISTENING) {
            keep();
            receiving = 0;
            if (want_send)
                turn();
            else
                RADIO_TASKS_START = 1;
        }
    }
    if (RADIO_EVENTS_DISABLED) {
        RADIO_EVENTS_DISABLED = 0;
        if (state == TO_SEND) {
            transmit();
        } else {
            if (state == SENDING)
                want_send = 0;
            listen();
        }
    }
}

int radio_send(const struct frame *frame)
{
    if (want_send)
        return 0;
    tx = *frame;
    __asm volatile("cpsid i" ::: "memory");
    want_send = 1;
    turn();
    __asm volatile("cpsie i" ::: "memory");
    return 1;
}

int radio_has_heard(void)
{
    return head != tail;
}

int radio_take(struct heard *heard)
{
    if (head == tail)
        return 0;
    *heard = queue[tail % QUEUE];
    tail++;
    return 1;
}

/* Some chips carry trimming values that the mode needs (manual, FICR OVERRIDEEN and NRF_1MBIT). */
static void trim(void)
{
    if (FICR_OVERRIDEEN & 1)
        return;
    for (uint32_t i = 0; i < 4; i++)
        RADIO_OVERRIDE(i) = FICR_NRF_1MBIT(i);
    RADIO_OVERRIDE(4) = FICR_NRF_1MBIT(4) | 0x80000000;
}

void radio_start(void)
{
    trim();
    RADIO_TXPOWER = 0; /* 0 dBm */
    RADIO_MODE = 0;    /* Nrf_1Mbit */
    RADIO_FREQUENCY = CHANNEL;
    RADIO_DATAWHITEIV = CHANNEL;
    RADIO_PCNF0 = 8; /* one length byte, no S0, no S1 */
    RADIO_PCNF1 = (FRAME_HEAD + TEXT_MAX) | 4u << 16 | 1u << 25; /* MAXLEN, 4 base address bytes, whitening */
    RADIO_BASE0 = 0xF107111A;
    RADIO_PREFIX0 = 0xBE;
    RADIO_TXADDRESS = 0;
    RADIO_RXADDRESSES = 1;
    RADIO_CRCCNF = 2; /* 16 bits, over address and payload */
    RADIO_CRCPOLY = 0x11021;
    RADIO_CRCINIT = 0xFFFF;
    RADIO_INTENSET = INT_ADDRESS | INT_END | INT_DISABLED;
    NVIC_ISER = 1u << RADIO_IRQ;
    listen();
}
