/*
 * A guest on an MPS2 board that computes and prints a line now and then. After `LOOPS` rounds it prints `done` and ends itself
 * (KIND 1), or locks up (KIND 2); with KIND 0 it talks for ever. One that is QUIET sleeps in each round until SysTick wakes it, and
 * prints nothing before the end.
 */
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define UART0(offset) REG(0x40004000 + (offset))
#define SYST_CSR REG(0xE000E010)
#define SYST_RVR REG(0xE000E014)
#define VTOR REG(0xE000ED08)
#define NOWHERE 0x60000000
#ifndef QUIET
#define QUIET 0
#endif

extern uint32_t _stack_top;

static void put(char c)
{
    while (UART0(0x004) & 1) { /* STATE: the transmit buffer is full */
    }
    UART0(0x000) = (uint8_t)c;
}

static void text(const char *s)
{
    while (*s) {
        put(*s++);
    }
}

static void hex(uint32_t v)
{
    for (int i = 28; i >= 0; i -= 4) {
        put("0123456789abcdef"[(v >> i) & 15]);
    }
    put('\n');
}

static void end(void)
{
#if KIND == 1
    volatile uint32_t block[2] = { 0x20026, 3 }; /* ADP_Stopped_ApplicationExit, code 3 */
    register uint32_t r0 __asm("r0") = 0x20;     /* SYS_EXIT_EXTENDED */
    register volatile uint32_t *r1 __asm("r1") = block;
    __asm volatile("bkpt 0xab" : : "r"(r0), "r"(r1) : "memory");
#elif KIND == 2
    VTOR = NOWHERE;
    __asm volatile("udf #0");
#endif
}

void reset_handler(void)
{
    uint32_t x = 1;
    UART0(0x010) = 16; /* BAUDDIV */
    UART0(0x008) = 1;  /* CTRL: transmit */
    SYST_RVR = 250000 - 1; /* 10 ms */
    SYST_CSR = QUIET ? 7 : 0;
    for (uint32_t n = 0;; n++) {
        for (uint32_t i = 0; i < (QUIET ? 10 : 2000); i++) {
            x = x * 1664525 + 1013904223;
        }
        if (QUIET) {
            __asm volatile("wfi");
        } else if (n % 16 == 0) {
            text(KIND ? "e " : "t ");
            hex(x);
        }
        if (KIND && n == LOOPS) {
            text("done\n");
            end();
        }
    }
}

static void tick(void)
{
}

static void hang(void)
{
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    &_stack_top, reset_handler, hang, hang, [15] = tick,
};
