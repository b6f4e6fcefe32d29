/* SysTick of a Cortex-M at 25 MHz (ARMv7-M ARM, B3.3). */
#include "rt.h"
#include "wake.h"

#define SYST_CSR REG(0xE000E010)
#define SYST_RVR REG(0xE000E014)
#define SYST_CVR REG(0xE000E018)

static volatile uint32_t ticks;

static void systick_handler(void)
{
    ticks++;
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    _stack_top, (void *)reset_handler, [2 ... 14] = (void *)default_handler, (void *)systick_handler,
};

void tick_start(void)
{
    SYST_RVR = 25000000 / 100 - 1;
    SYST_CVR = 0;
    SYST_CSR = 7; /* processor clock, interrupt, on */
}
