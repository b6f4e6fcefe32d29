/* The receiver is on, so that the node waits at barriers, and it prints all the time. */
#include "cuts.h"

static uint8_t packet[64];

static void put(char c)
{
    UART(EVENTS_TXDRDY) = 0;
    UART(TXD) = (uint8_t)c;
    while (!UART(EVENTS_TXDRDY)) {
    }
}

void reset_handler(void)
{
    CLOCK(HFCLKSTART) = 1;
    uart_start();
    RADIO(FREQUENCY) = 7;
    RADIO(PACKETPTR) = (uint32_t)packet;
    RADIO(PCNF0) = 8;
    RADIO(PCNF1) = 60 | 4 << 16;
    RADIO(RXADDRESSES) = 1;
    RADIO(SHORTS) = 3; /* READY_START, END_DISABLE */
    RADIO(RXEN) = 1;
    for (uint32_t n = 0;; n++) {
        for (volatile uint32_t i = 0; i < 300; i++) {
        }
        for (int i = 28; i >= 0; i -= 4) {
            put("0123456789abcdef"[(n >> i) & 15]);
        }
        put('\n');
    }
}

__attribute__((section(".vectors"), used)) static void *const vectors[48] = { &_stack_top, reset_handler, hang, hang };
