/* An MPS2 board that talks, and ends itself (-DEND) or locks up (-DLOCK) after a while. */
#include "hostile.h"

void put_char(char c)
{
    while (REG(0x40004004) & 1)
        ;
    REG(0x40004000) = (uint8_t)c;
}

#if defined(END)
static void over(void)
{
    volatile uint32_t block[2] = {0x20026, 3}; /* ADP_Stopped_ApplicationExit and a code */
    register uint32_t operation __asm("r0") = 0x20;
    register volatile uint32_t *parameters __asm("r1") = block;
    __asm volatile("bkpt 0xab" ::"r"(operation), "r"(parameters) : "memory");
}
#elif defined(LOCK)
static void over(void)
{
    REG(0xE000ED08) = 0x60000000; /* no vectors there */
    __asm volatile("udf #0");
}
#endif

int main(void)
{
    REG(0x40004010) = 16;
    REG(0x40004008) = 1;
    state = 1;
    for (uint32_t n = 0;; n++) {
        for (uint32_t i = 0; i < 2000; i++)
            state = state * 1664525 + 1013904223;
        if ((n & 7) == 0)
            put_state();
        if (n == ROUNDS)
            over();
    }
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    _stack_top, (void *)reset_handler, [2 ... 15] = (void *)default_handler,
};
