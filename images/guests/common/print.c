#include "print.h"

void put_text(const char *s)
{
    while (*s)
        put_char(*s++);
}

void put_number(uint32_t n)
{
    if (n >= 10)
        put_number(n / 10);
    put_char((char)('0' + n % 10));
}

void put_hex(uint32_t n)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        put_char("0123456789abcdef"[n >> shift & 15]);
}

#ifdef __arm__
#define SYS_EXIT 0x18
#define ADP_STOPPED_APPLICATION_EXIT 0x20026
#define ADP_STOPPED_RUN_TIME_ERROR 0x20023

/* Without semihosting the BKPT is a fault, whose handler sleeps. */
void finish(int ok)
{
    register uint32_t op __asm("r0") = SYS_EXIT;
    register uint32_t reason __asm("r1") = ok ? ADP_STOPPED_APPLICATION_EXIT : ADP_STOPPED_RUN_TIME_ERROR;
    __asm volatile("bkpt 0xAB" : "+r"(op) : "r"(reason) : "memory");
    for (;;)
        __asm volatile("wfi");
}
#endif
