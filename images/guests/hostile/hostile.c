#include "hostile.h"

volatile uint32_t state;

uint32_t rnd(void)
{
    uint32_t x = state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    state = x;
    return x;
}

void mix(uint32_t seen)
{
    state ^= seen;
    if (!state)
        state = 0x1234567;
}

void put_state(void)
{
    uint32_t shown = state;
    for (int shift = 28; shift >= 0; shift -= 4)
        put_char("0123456789abcdef"[shown >> shift & 15]);
    put_char('\n');
}

void call(uint16_t *code, uint32_t reps, uint32_t length)
{
    for (uint32_t i = 0; i < reps; i++) {
        register uint32_t r0 __asm("r0") = state, r1 __asm("r1") = i, r2 __asm("r2") = length, r3 __asm("r3") = 5;
        register uint32_t entry __asm("r4") = (uint32_t)code | 1;
        __asm volatile("blx r4" : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3) : "r"(entry) : "lr", "cc", "memory");
        mix(r0 ^ r1 * 3);
        if ((rnd() & 7) == 0)
            code[rnd() % length] = 0x3000 | (rnd() & 0x3ff); /* adds r0-r3, #n: rewritten between two calls */
    }
}
