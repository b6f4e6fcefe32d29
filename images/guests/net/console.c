#include "console.h"
#include "rt.h"

#include "FreeRTOS.h"
#include "queue.h"
#include "task.h"

/* CMSDK APB UART (DDI0479, 4.3). */
#define UART_DATA REG(0x40004000)
#define UART_STATE REG(0x40004004)
#define UART_CTRL REG(0x40004008)
#define UART_INTCLEAR REG(0x4000400C)
#define UART_BAUDDIV REG(0x40004010)
#define STATE_TXFULL (1u << 0)
#define STATE_RXFULL (1u << 1)
#define STATE_RXOVERRUN (1u << 3)
#define INT_TX (1u << 0)
#define INT_RX (1u << 1)

#define NVIC_ISER REG(0xE000E100)
#define NVIC_IPR8(irq) REG8(0xE000E400 + (irq))
#define RX_IRQ 0
#define TX_IRQ 1
#define PRIORITY 0xA0

#define PROMPT "net> "
#define LINE 240
#define RING 8192u /* a power of two */

static char ring[RING];
static volatile unsigned head, tail;
static QueueHandle_t typed;
static volatile unsigned lost;

/* What the editor shows, so that another task's line can be put before it. */
static const char *shown;
static size_t shown_length;

void console_start(void)
{
    UART_BAUDDIV = 217; /* 115200 baud from 25 MHz */
    UART_CTRL = 1 | 2 | 4 | 8; /* both directions with their interrupts */
    typed = xQueueCreate(512, 1);
    configASSERT(typed);
    NVIC_IPR8(RX_IRQ) = PRIORITY;
    NVIC_IPR8(TX_IRQ) = PRIORITY;
    NVIC_ISER = 1u << RX_IRQ | 1u << TX_IRQ;
}

/* --- output --------------------------------------------------------------------------------------------------------- */

/* The caller keeps the interrupt away. */
static void feed_uart(void)
{
    while (tail != head && !(UART_STATE & STATE_TXFULL))
        UART_DATA = (uint8_t)ring[tail++ % RING];
}

void uart_tx_interrupt(void)
{
    UART_INTCLEAR = INT_TX;
    feed_uart();
}

static void queue_text(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ring[head++ % RING] = text[i];
}

/* Enters a critical section in which COUNT bytes can be queued. */
static void enter_with_room(size_t count)
{
    taskENTER_CRITICAL();
    while (RING - (head - tail) < count) {
        taskEXIT_CRITICAL();
        vTaskDelay(1);
        taskENTER_CRITICAL();
    }
}

/* Prints, and says what the editor shows from then on; NULL for nothing. */
static void print(const char *text, size_t length, const char *line, size_t line_length)
{
    enter_with_room(length);
    queue_text(text, length);
    shown = line;
    shown_length = line_length;
    feed_uart();
    taskEXIT_CRITICAL();
}

void say(const char *format, ...)
{
    char line[LINE];
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_arguments(line, LINE, format, arguments);
    va_end(arguments);
    enter_with_room(2 * LINE + 16);
    if (shown)
        queue_text("\r\n", 2);
    queue_text(line, length);
    queue_text("\r\n", 2);
    if (shown) {
        queue_text(PROMPT, sizeof PROMPT - 1);
        queue_text(shown, shown_length);
    }
    feed_uart();
    taskEXIT_CRITICAL();
}

void cry(const char *text)
{
    while (*text) {
        while (UART_STATE & STATE_TXFULL)
            ;
        UART_DATA = (uint8_t)*text++;
    }
}

/* --- input ---------------------------------------------------------------------------------------------------------- */

void uart_rx_interrupt(void)
{
    BaseType_t woken = pdFALSE;
    UART_INTCLEAR = INT_RX;
    while (UART_STATE & STATE_RXFULL) {
        char c = (char)UART_DATA;
        if (xQueueSendFromISR(typed, &c, &woken) != pdTRUE)
            lost++;
    }
    if (UART_STATE & STATE_RXOVERRUN) {
        UART_STATE = STATE_RXOVERRUN;
        lost++;
    }
    portYIELD_FROM_ISR(woken);
}

unsigned console_lost(void)
{
    return lost;
}

/* Takes one typed byte into the line; 1 when the line is done. */
static int edit(char *line, size_t size, size_t *length, char c)
{
    if (c == '\r' || c == '\n') {
        print("\r\n", 2, NULL, 0);
        return 1;
    }
    if (c == 3) {
        *length = 0;
        print("^C\r\n", 4, NULL, 0);
        return 1;
    }
    if ((c == 8 || c == 127) && *length) {
        --*length;
        print("\b \b", 3, line, *length);
    } else if (c >= ' ' && c < 127 && *length + 1 < size) {
        line[(*length)++] = c;
        print(&c, 1, line, *length);
    }
    return 0;
}

/* The next typed byte; a line feed after a carriage return ends no second line. */
static char next_typed(void)
{
    static char last;
    char before;
    do {
        before = last;
        xQueueReceive(typed, &last, portMAX_DELAY);
    } while (last == '\n' && before == '\r');
    return last;
}

void read_line(char *line, size_t size)
{
    size_t length = 0;
    print(PROMPT, sizeof PROMPT - 1, line, 0);
    while (!edit(line, size, &length, next_typed()))
        ;
    line[length] = 0;
}
