/* The nRF51's registers (nRF51 Series Reference Manual 3.0) as far as these guests use them. */
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define UART(offset) REG(0x40002000 + (offset))
#define RADIO(offset) REG(0x40001000 + (offset))
#define TIMER0(offset) REG(0x40008000 + (offset))
#define NVIC_ISER REG(0xE000E100)

enum { UART_IRQ = 2, TXDRDY = 1 << 7 };
/* UART */
enum { STARTTX = 0x008, EVENTS_TXDRDY = 0x11C, ENABLE = 0x500, PSELTXD = 0x50C, TXD = 0x51C, BAUDRATE = 0x524 };
/* UART and RADIO */
enum { INTENSET = 0x304, INTENCLR = 0x308 };

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
