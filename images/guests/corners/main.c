#include "core.h"

#if __ARM_ARCH >= 7
static uint32_t vectors[64] __attribute__((aligned(256)));
static volatile uint32_t straight;

/* No trampoline: what the vector in RAM names is what runs. */
static void straight_handler(void) { straight = get_ipsr(); }

/* All that follows runs with the table in RAM. */
static void check_vtor(void)
{
    group("vector table");
    memcpy(vectors, (void *)VTOR, 48 * 4);
    VTOR = (uint32_t)vectors;
    sync();
    check("VTOR reads back", VTOR, (uint32_t)vectors);
    handlers[SVCALL] = NULL;
    check("SVC through the table in RAM", call_svc(1), 2);
    vectors[IRQ0 + IRQ_A] = (uint32_t)straight_handler;
    NVIC_ISER = BIT(IRQ_A);
    pend(BIT(IRQ_A));
    check("a vector changed in RAM", straight, IRQ0 + IRQ_A);
    vectors[IRQ0 + IRQ_A] = (uint32_t)exception_entry;
    VTOR = (uint32_t)vectors | 0x7F;
    check("VTOR's low seven bits read as zero", VTOR, (uint32_t)vectors);
}
#endif

int main(void)
{
    console_start();
#if __ARM_ARCH >= 7
    check_vtor();
#endif
    check_interrupts();
    check_entry();
    check_sleep();
#if __ARM_ARCH >= 7
    check_masks();
    check_systick();
    check_faults();
    check_returns();
    check_mpu();
    check_memory();
    check_interrupted();
    check_dwt();
    check_fpu();
#else
    check_v6m();
#endif
    finish_checks();
}
