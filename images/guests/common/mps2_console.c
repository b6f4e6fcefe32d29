/* CMSDK APB UART0 of the MPS2 boards: polled, transmit only. */
#include "print.h"

#define UART_DATA REG(0x40004000)
#define UART_STATE REG(0x40004004)
#define UART_CTRL REG(0x40004008)
#define UART_BAUDDIV REG(0x40004010)

void console_start(void)
{
    UART_BAUDDIV = 217; /* 115200 baud from 25 MHz */
    UART_CTRL = 1;      /* transmitter on */
}

void put_char(char c)
{
    while (UART_STATE & 1)
        ;
    UART_DATA = (uint8_t)c;
}
