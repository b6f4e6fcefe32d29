/* An interrupt line that rises and falls all the time: raised in the main loop, lowered in the handler. */
#include "cuts.h"

static volatile uint32_t count, loops;

void reset_handler(void)
{
    uart_start();
    UART(TXD) = 'x';
    while (!UART(EVENTS_TXDRDY)) {
    }
    NVIC_ISER = 1u << UART_IRQ;
    for (;;) {
        UART(INTENSET) = TXDRDY; /* the event stands, so the line rises at once */
        loops++;
    }
}

static void uart_handler(void)
{
    UART(INTENCLR) = TXDRDY;
    count++;
}

__attribute__((section(".vectors"), used)) static void *const vectors[48] = {
    &_stack_top, reset_handler, hang, hang, [16 + UART_IRQ] = uart_handler,
};
