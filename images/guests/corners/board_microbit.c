#include "core.h"

#define UART_TASKS_STARTTX REG(0x40002008)
#define UART_EVENTS_TXDRDY REG(0x4000211C)
#define UART_ENABLE REG(0x40002500)
#define UART_PSELTXD REG(0x4000250C)
#define UART_TXD REG(0x4000251C)
#define UART_BAUDRATE REG(0x40002524)
#define TIMER0_TASKS_START REG(0x40008000)
#define TIMER0_TASKS_STOP REG(0x40008004)
#define TIMER0_TASKS_CLEAR REG(0x4000800C)
#define TIMER0_EVENTS_COMPARE0 REG(0x40008140)
#define TIMER0_SHORTS REG(0x40008200)
#define TIMER0_INTENSET REG(0x40008304)
#define TIMER0_BITMODE REG(0x40008508)
#define TIMER0_PRESCALER REG(0x40008510)
#define TIMER0_CC0 REG(0x40008540)
#define GPIO_DIRSET REG(0x50000518)
#define TX_PIN 24u

const uint32_t alarm_irq = 8;

void console_start(void)
{
    GPIO_DIRSET = 1u << TX_PIN;
    UART_PSELTXD = TX_PIN;
    UART_BAUDRATE = 0x01D7E000; /* 115200 */
    UART_ENABLE = 4;
    UART_TASKS_STARTTX = 1;
}

void put_char(char c)
{
    UART_EVENTS_TXDRDY = 0;
    UART_TXD = (uint8_t)c;
    while (!UART_EVENTS_TXDRDY)
        ;
}

void alarm_start(uint32_t microseconds, int again)
{
    TIMER0_TASKS_STOP = 1;
    TIMER0_TASKS_CLEAR = 1;
    TIMER0_EVENTS_COMPARE0 = 0;
    TIMER0_SHORTS = again ? 1 : 1u << 8; /* COMPARE0 clears it, or stops it */
    TIMER0_BITMODE = 3;   /* 32 bits */
    TIMER0_PRESCALER = 4; /* 1 MHz */
    TIMER0_CC0 = microseconds;
    TIMER0_INTENSET = 1u << 16;
    TIMER0_TASKS_START = 1;
}

void alarm_clear(void)
{
    TIMER0_EVENTS_COMPARE0 = 0;
    dsb();
}

void alarm_stop(void)
{
    TIMER0_TASKS_STOP = 1;
    alarm_clear();
}

__attribute__((section(".vectors"), used)) static void *const vectors[16 + 32] = {
    _stack_top, (void *)reset_handler, [2 ... 47] = (void *)exception_entry,
};
