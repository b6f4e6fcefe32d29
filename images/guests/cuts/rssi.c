/*
 * Carrier sense in a loop: measures the channel, counts the measurements that show their end (RSSIEND) and those that do not within
 * twenty times their time, and sends a short packet after every sixteenth. TIMER0 says how long each took by this node's own clock.
 * Prints the counts and a sum of all that was seen after every `ROUND` measurements.
 */
#include "cuts.h"

enum { ROUND = 250, PATIENCE = 200 };

static volatile uint32_t done, lost, sum;
static uint8_t packet[64];

static void put(char c)
{
    UART(EVENTS_TXDRDY) = 0;
    UART(TXD) = (uint8_t)c;
    while (!UART(EVENTS_TXDRDY)) {
    }
}

static void number(const char *what, uint32_t v)
{
    char digits[11];
    int i = 10;
    while (*what) {
        put(*what++);
    }
    digits[10] = 0;
    do {
        digits[--i] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    while (digits[i]) {
        put(digits[i++]);
    }
}

static void enable(uint32_t task)
{
    RADIO(EVENTS_DISABLED) = 0;
    RADIO(DISABLE) = 1;
    while (!RADIO(EVENTS_DISABLED)) {
    }
    RADIO(EVENTS_END) = 0;
    RADIO(task) = 1;
}

static void measure(void)
{
    uint32_t start, end, waited = 0;
    RADIO(EVENTS_RSSIEND) = 0;
    TIMER0(CLEAR) = 1;
    TIMER0(CAPTURE0) = 1;
    start = TIMER0(CC0);
    RADIO(RSSISTART) = 1;
    while (!RADIO(EVENTS_RSSIEND) && waited < PATIENCE) {
        waited++;
    }
    TIMER0(CAPTURE1) = 1;
    end = TIMER0(CC1);
    if (waited < PATIENCE) {
        done++;
    } else {
        lost++;
        RADIO(RSSISTOP) = 1;
    }
    sum = sum * 33 + (end - start) + RADIO(RSSISAMPLE);
}

void reset_handler(void)
{
    CLOCK(HFCLKSTART) = 1;
    uart_start();
    TIMER0(BITMODE) = 3;
    TIMER0(PRESCALER) = 0;
    TIMER0(START) = 1;
    packet[0] = 20;
    RADIO(FREQUENCY) = 7;
    RADIO(PACKETPTR) = (uint32_t)packet;
    RADIO(PCNF0) = 8;
    RADIO(PCNF1) = 60 | 4 << 16;
    RADIO(RXADDRESSES) = 1;
    RADIO(SHORTS) = 1; /* READY_START */
    RADIO(RXEN) = 1;
    for (uint32_t n = 1;; n++) {
        measure();
        if (n % 16 == 0) {
            enable(TXEN);
            while (!RADIO(EVENTS_END)) {
            }
            enable(RXEN);
            for (volatile uint32_t i = 0; i < (FICR_DEVICEID & 63); i++) {
            }
        }
        if (n % ROUND == 0) {
            number("done ", done);
            number(" lost ", lost);
            number(" sum ", sum);
            put('\r');
            put('\n');
        }
    }
}

__attribute__((section(".vectors"), used)) static void *const vectors[48] = { &_stack_top, reset_handler, hang, hang };
