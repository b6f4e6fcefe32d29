/* The machine timer (mtime counts at 10 MHz on QEMU's `virt`): the comparison value moves on by a period each time. */
#include "rt.h"
#include "wake.h"

#define MTIMECMP_LOW REG(0x02004000)
#define MTIMECMP_HIGH REG(0x02004004)
#define MTIME_LOW REG(0x0200BFF8)
#define MTIME_HIGH REG(0x0200BFFC)

#define PERIOD (10000000u / 100)
#define MIE_MTIE 0x80u
#define MSTATUS_MIE 0x8u

static uint64_t due;
static volatile uint32_t ticks;

/* Privileged specification, 3.2.1: no comparison value in between is below the new one. */
static void wake_at(uint64_t time)
{
    MTIMECMP_LOW = 0xFFFFFFFF;
    MTIMECMP_HIGH = (uint32_t)(time >> 32);
    MTIMECMP_LOW = (uint32_t)time;
}

__attribute__((interrupt("machine"), aligned(4))) void trap_entry(void)
{
    due += PERIOD;
    wake_at(due);
    ticks++;
}

void tick_start(void)
{
    due = ((uint64_t)MTIME_HIGH << 32 | MTIME_LOW) + PERIOD;
    wake_at(due);
    __asm volatile("csrs mie, %0" ::"r"(MIE_MTIE));
    __asm volatile("csrs mstatus, %0" ::"r"(MSTATUS_MIE));
}
