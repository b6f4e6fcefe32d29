/* UART0 at 115200 baud on P0.24, the micro:bit's USB serial port. TXDRDY feeds the next character (manual, 29.4). */
#include "beacon.h"

#define TX_PIN 24u
#define RING 512u /* a power of two */

static char ring[RING];
static volatile uint32_t head, tail;
static volatile int busy;

void console_start(void)
{
    GPIO_OUTSET = 1u << TX_PIN;
    GPIO_DIRSET = 1u << TX_PIN;
    UART_PSELTXD = TX_PIN;
    UART_BAUDRATE = 0x01D7E000;
    UART_ENABLE = 4;
    UART_INTENSET = 1u << 7; /* TXDRDY */
    NVIC_ISER = 1u << UART0_IRQ;
    UART_TASKS_STARTTX = 1;
}

void uart0_handler(void)
{
    if (!UART_EVENTS_TXDRDY)
        return;
    UART_EVENTS_TXDRDY = 0;
    busy = tail != head;
    if (busy)
        UART_TXD = (uint8_t)ring[tail++ % RING];
}

void console_char(char c)
{
    while (head - tail == RING)
        __asm volatile("wfi");
    __asm volatile("cpsid i" ::: "memory");
    if (busy) {
        ring[head++ % RING] = c;
    } else {
        busy = 1;
        UART_TXD = (uint8_t)c;
    }
    __asm volatile("cpsie i" ::: "memory");
}

void console_text(const char *s)
{
    while (*s)
        console_char(*s++);
}

void console_number(uint32_t n)
{
    if (n >= 10)
        console_number(n / 10);
    console_char((char)('0' + n % 10));
}

void console_hex16(uint32_t n)
{
    for (int shift = 12; shift >= 0; shift -= 4)
        console_char("0123456789abcdef"[n >> shift & 15]);
}
