/* A serial bridge on the MPS2, without an operating system: lines from the board on UART1 are printed on UART0, and lines typed on
 * UART0 go out on UART1. Each line received turns pin 0 of GPIO0 over; edges on its pin 1 are reported. */
#include "print.h"

/* CMSDK APB UART (DDI0479, 4.3). */
#define UART1 0x40005000u
#define UART0 0x40004000u
#define DATA(uart) REG((uart) + 0x0)
#define STATE(uart) REG((uart) + 0x4)
#define CTRL(uart) REG((uart) + 0x8)
#define INTCLEAR(uart) REG((uart) + 0xC)
#define BAUDDIV(uart) REG((uart) + 0x10)
#define TXFULL (1u << 0)
#define RXFULL (1u << 1)
#define RXOVERRUN (1u << 3)
#define TXEN (1u << 0)
#define RXEN (1u << 1)
#define RXINTEN (1u << 3)
#define INT_RX (1u << 1)

/* CMSDK AHB GPIO (DDI0479, 3.3). */
#define GPIO0 0x40010000u
#define GPIO_DATA REG(GPIO0 + 0x0)
#define GPIO_DATAOUT REG(GPIO0 + 0x4)
#define GPIO_OUTENSET REG(GPIO0 + 0x10)
#define GPIO_INTENSET REG(GPIO0 + 0x20)
#define GPIO_INTTYPESET REG(GPIO0 + 0x28)
#define GPIO_INTPOLSET REG(GPIO0 + 0x30)
#define GPIO_INTPOLCLR REG(GPIO0 + 0x34)
#define GPIO_INTCLEAR REG(GPIO0 + 0x38)
#define LINE_PIN (1u << 0)
#define EDGE_PIN (1u << 1)

#define NVIC_ISER REG(0xE000E100)
#define UART0_RX_IRQ 0
#define UART1_RX_IRQ 2
#define GPIO0_IRQ 6

#define CLOCK_HZ 25000000u
#define LINK_BAUD 9600u
#define RING 256u /* a power of two */
#define LINE 120u

/* Filled by interrupts, emptied by main(). */
struct ring {
    volatile unsigned head, tail, lost;
    char bytes[RING];
};

static struct ring typed, received, edges;

static void push(struct ring *ring, char c)
{
    if (ring->head - ring->tail == RING)
        ring->lost++;
    else
        ring->bytes[ring->head++ % RING] = c;
}

static int pop(struct ring *ring, char *c)
{
    if (ring->head == ring->tail)
        return 0;
    *c = ring->bytes[ring->tail++ % RING];
    return 1;
}

/* --- interrupts ----------------------------------------------------------------------------------------------------- */

static void take(uint32_t uart, struct ring *ring)
{
    INTCLEAR(uart) = INT_RX;
    while (STATE(uart) & RXFULL)
        push(ring, (char)DATA(uart));
    if (STATE(uart) & RXOVERRUN) {
        STATE(uart) = RXOVERRUN;
        ring->lost++;
    }
}

static void uart0_rx(void)
{
    take(UART0, &typed);
}

static void uart1_rx(void)
{
    take(UART1, &received);
}

/* The port knows one polarity at a time: it always waits for the edge away from the level last seen. */
static void arm_edge(uint32_t level)
{
    if (level)
        GPIO_INTPOLCLR = EDGE_PIN;
    else
        GPIO_INTPOLSET = EDGE_PIN;
}

static void gpio0(void)
{
    static uint32_t before;
    uint32_t level;
    GPIO_INTCLEAR = EDGE_PIN;
    /* An edge between the look and the arming would be missed; so look again. */
    while ((level = GPIO_DATA & EDGE_PIN) != before) {
        before = level;
        push(&edges, level ? '1' : '0');
        arm_edge(level);
    }
}

/* --- the bridge ----------------------------------------------------------------------------------------------------- */

void console_start(void)
{
    BAUDDIV(UART0) = CLOCK_HZ / 115200;
    CTRL(UART0) = TXEN | RXEN | RXINTEN;
    BAUDDIV(UART1) = CLOCK_HZ / LINK_BAUD;
    CTRL(UART1) = TXEN | RXEN | RXINTEN;
}

static void send(uint32_t uart, char c)
{
    while (STATE(uart) & TXFULL)
        ;
    DATA(uart) = (uint8_t)c;
}

void put_char(char c)
{
    send(UART0, c);
}

struct line {
    unsigned length;
    char text[LINE + 1];
};

/* Adds a byte; 1 when the line is whole. */
static int add(struct line *line, char c)
{
    if (c != '\n' && c != '\r')
        line->text[line->length++] = c;
    if ((c != '\n' && c != '\r' && line->length < LINE) || !line->length)
        return 0;
    line->text[line->length] = 0;
    line->length = 0;
    return 1;
}

static void pass_received(char c)
{
    static struct line line;
    if (!add(&line, c))
        return;
    GPIO_DATAOUT ^= LINE_PIN;
    put_text("uart1: ");
    put_text(line.text);
    put_text("\r\n");
}

static void pass_typed(char c)
{
    static struct line line;
    put_text(c == '\r' || c == '\n' ? "\r\n" : (char[]){c, 0});
    if (!add(&line, c))
        return;
    for (const char *at = line.text; *at; at++)
        send(UART1, *at);
    send(UART1, '\r');
    send(UART1, '\n');
}

static void report(const char *what, struct ring *ring)
{
    if (!ring->lost)
        return;
    put_text(what);
    put_number(ring->lost);
    put_text(" bytes lost\r\n");
    ring->lost = 0;
}

int main(void)
{
    char c;
    console_start();
    GPIO_OUTENSET = LINE_PIN;
    GPIO_INTTYPESET = EDGE_PIN;
    arm_edge(0);
    GPIO_INTENSET = EDGE_PIN;
    gpio0(); /* a pin that is high already is an edge from the start */
    put_text("bridge: uart1 at 9600 baud\r\n");
    NVIC_ISER = 1u << UART0_RX_IRQ | 1u << UART1_RX_IRQ | 1u << GPIO0_IRQ;
    for (;;) {
        while (pop(&edges, &c)) {
            put_text("gpio0.1: ");
            put_char(c);
            put_text("\r\n");
        }
        while (pop(&received, &c))
            pass_received(c);
        while (pop(&typed, &c))
            pass_typed(c);
        report("uart0: ", &typed);
        report("uart1: ", &received);
        report("gpio0.1: ", &edges);
        /* What comes after the look wakes at once: a pending interrupt ends WFI even while it is masked. */
        __asm volatile("cpsid i");
        if (edges.head == edges.tail && received.head == received.tail && typed.head == typed.tail)
            __asm volatile("wfi");
        __asm volatile("cpsie i");
    }
}

__attribute__((section(".vectors"), used)) static void *const vectors[16 + 32] = {
    _stack_top,
    (void *)reset_handler,
    [2 ... 47] = (void *)default_handler,
    [16 + UART0_RX_IRQ] = (void *)uart0_rx,
    [16 + UART1_RX_IRQ] = (void *)uart1_rx,
    [16 + GPIO0_IRQ] = (void *)gpio0,
};
