/* The nRF51's registers (nRF51 Series Reference Manual 3.0) as far as these guests use them. */
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define CLOCK(offset) REG(0x40000000 + (offset))
#define RADIO(offset) REG(0x40001000 + (offset))
#define UART(offset) REG(0x40002000 + (offset))
#define TIMER0(offset) REG(0x40008000 + (offset))
#define NVIC_ISER REG(0xE000E100)
#define FICR_DEVICEID REG(0x10000060)

/* CLOCK */
enum { HFCLKSTART = 0x000 };
/* UART */
enum { STARTTX = 0x008, EVENTS_TXDRDY = 0x11C, ENABLE = 0x500, PSELTXD = 0x50C, TXD = 0x51C, BAUDRATE = 0x524 };
enum { UART_IRQ = 2, TXDRDY = 1 << 7 };
/* UART, RADIO */
enum { SHORTS = 0x200, INTENSET = 0x304, INTENCLR = 0x308 };
/* RADIO */
enum {
    TXEN = 0x000, RXEN = 0x004, DISABLE = 0x010, RSSISTART = 0x014, RSSISTOP = 0x018,
    EVENTS_END = 0x10C, EVENTS_DISABLED = 0x110, EVENTS_RSSIEND = 0x11C,
    PACKETPTR = 0x504, FREQUENCY = 0x508, PCNF0 = 0x514, PCNF1 = 0x518, RXADDRESSES = 0x530, RSSISAMPLE = 0x548,
};
/* TIMER */
enum {
    START = 0x000, CLEAR = 0x00C, CAPTURE0 = 0x040, CAPTURE1 = 0x044,
    BITMODE = 0x508, PRESCALER = 0x510, CC0 = 0x540, CC1 = 0x544,
};

extern uint32_t _stack_top;

static inline void uart_start(void)
{
    UART(PSELTXD) = 24;
    UART(BAUDRATE) = 0x01D7E000; /* 115200 */
    UART(ENABLE) = 4;
    UART(STARTTX) = 1;
}

static void hang(void)
{
    for (;;) {
    }
}
