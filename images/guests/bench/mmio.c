/* The cost of a device register: mmio_loops times eight loads from one address. The images differ in the address alone, so
 * they execute the same number of instructions, and the difference in time is that between a register and RAM. */
#include "print.h"

volatile uint32_t mmio_loops __attribute__((used)) = 2000000;
static volatile uint32_t in_ram = 1;
volatile uint32_t *volatile mmio_address __attribute__((used)) = ADDRESS;

#define TIMER0_CTRL REG(0x40000000)
#define TIMER0_RELOAD REG(0x40000008)

int main(void)
{
    uint32_t loops = mmio_loops, sum = 0;
    volatile uint32_t *address = mmio_address;
    console_start();
    TIMER0_RELOAD = 0xFFFFFFFF;
    TIMER0_CTRL = 1; /* counts, no interrupt */
    put_text("mmio: ");
    put_number(loops);
    put_text(" x 8 loads from ");
    put_hex((uint32_t)address);
    put_text("\r\n");
    while (loops--) {
        uint32_t a, b, c, d;
        __asm volatile("ldr %0, [%4]\n\tldr %1, [%4]\n\tldr %2, [%4]\n\tldr %3, [%4]\n\t"
                       "ldr %0, [%4]\n\tldr %1, [%4]\n\tldr %2, [%4]\n\tldr %3, [%4]"
                       : "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d) : "r"(address) : "memory");
        sum += a;
    }
    put_text("mmio ok\r\n");
    finish(sum != 0xFFFFFFFF);
}
