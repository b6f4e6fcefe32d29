#include "core.h"

#define TIMER_CTRL REG(0x40000000)
#define TIMER_VALUE REG(0x40000004)
#define TIMER_RELOAD REG(0x40000008)
#define TIMER_INTCLEAR REG(0x4000000C)
#define CLOCKS_PER_US 25

const uint32_t alarm_irq = 8;

void alarm_start(uint32_t microseconds, int again)
{
    TIMER_CTRL = 0;
    TIMER_INTCLEAR = 1;
    TIMER_RELOAD = again ? microseconds * CLOCKS_PER_US - 1 : 0xFFFFFFFF;
    TIMER_VALUE = microseconds * CLOCKS_PER_US - 1;
    TIMER_CTRL = 9; /* enable, interrupt */
}

void alarm_clear(void)
{
    TIMER_INTCLEAR = 1;
    dsb();
}

void alarm_stop(void)
{
    TIMER_CTRL = 0;
    alarm_clear();
}

/* In RAM, where the tests put it by VTOR; the copy at 0 serves until then. */
__attribute__((section(".vectors"), used)) static void *const vectors[16 + 32] = {
    _stack_top, (void *)reset_handler, [2 ... 47] = (void *)exception_entry,
};
