/* What ARMv6-M has of its own: two priority bits, faults that are all HardFaults, no fault status (DDI 0419). */
#include "core.h"

#define CCR_RESET (CCR_STKALIGN | CCR_UNALIGN_TRP)

SNIPPET(load_unaligned, "", "ldr r0, [r0]");
SNIPPET(store_half_unaligned, "", "strh r1, [r0]");
SNIPPET(load_half_unaligned, "", "ldrh r0, [r0]");
SNIPPET(multiple_unaligned, "", "ldmia r0!, {r1, r2}");
SNIPPET(undefined32, "", ".short 0xf7f0, 0xa000");
SNIPPET(to_arm_state, "", "bx r0");
SNIPPET(jump, "", "bx r0");
SNIPPET(breakpoint, "", "bkpt #1");

static uint32_t words[4] = { 0x11223344, 0x55667788, 0, 0 };

/* The address of a fault that is skipped, with its instruction. */
#define HARD(name, what, a, b)                                                                                         \
    do {                                                                                                               \
        PROVOKE(name, a, b);                                                                                           \
        check(what " is a HardFault", caught.number, HARDFAULT);                                                       \
        check(what ": the stacked PC", caught.frame.pc, (uint32_t)name##_at);                                          \
    } while (0)

static void check_hard_faults(void)
{
    catch_faults();
    HARD(load_unaligned, "an unaligned LDR", (uint32_t)words + 2, 0);
    HARD(load_half_unaligned, "an unaligned LDRH", (uint32_t)words + 1, 0);
    HARD(store_half_unaligned, "an unaligned STRH", (uint32_t)words + 1, 0);
    HARD(multiple_unaligned, "an unaligned LDM", (uint32_t)words + 2, 0);
    HARD(undefined32, "UDF.W", 0, 0);
    HARD(breakpoint, "BKPT", 0, 0);
    clear_caught();
    try_call(to_arm_state, (uint32_t)jump & ~1u, 0);
    check("BX to an even address is a HardFault", caught.number, HARDFAULT);
    check("its stacked PC is the target", caught.frame.pc, (uint32_t)jump & ~1u);
    check("its stacked T bit is clear", caught.frame.xpsr & 0x01000000, 0);
    clear_caught();
    try_call(jump, 0x40000001, 0);
    check("running a device is a HardFault", caught.number, HARDFAULT);
    check("its PC is the device", caught.frame.pc, 0x40000000);
    clear_caught();
    try_call(jump, UNMAPPED | 1, 0);
    check("running nothing is a HardFault", caught.number, HARDFAULT);
}

static uint32_t hard_seen, hard_exc_return;

static uint32_t on_hard(struct frame *frame, uint32_t exc_return)
{
    hard_seen++;
    hard_exc_return = exc_return;
    frame->pc += 2;
    return exc_return;
}

static void fault_inside(void)
{
    __asm volatile("udf #2");
}

static void check_nested(void)
{
    interrupts_fresh(0, 0x40, 0x40, 0x40);
    actions[IRQ0 + IRQ_A] = fault_inside;
    handlers[HARDFAULT] = on_hard;
    pend(BIT(IRQ_A));
    check("a fault in a handler of priority 0", hard_seen, 1);
    check("its EXC_RETURN: handler", hard_exc_return, 0xFFFFFFF1);
    check_text("the handler goes on", trace_buffer, "aA");
}

static void check_registers(void)
{
    check("CPUID: Cortex-M0", CPUID & 0xFF00FFF0, 0x4100C200);
    check("CCR: STKALIGN and UNALIGN_TRP", CCR & CCR_RESET, CCR_RESET);
    NVIC_IPR(5) = 0xFFFFFFFF;
    check("two priority bits", NVIC_IPR(5), 0xC0C0C0C0);
    NVIC_IPR(5) = 0;
    SHPR(2) = 0xFFFFFFFF;
    check("SHPR2 has SVCall alone", SHPR(2), 0xC0000000);
    SHPR(2) = 0;
    SHPR(3) = 0x00FF0000;
    check("SHPR3: PendSV", SHPR(3) & 0x00FFFFFF, 0x00C00000);
    SHPR(3) = 0;
    check("AIRCR: VECTKEY's place reads as fa05 or unknown, endianness little", AIRCR & 0x8000, 0);
    CCR = 0;
    check("CCR is read-only", CCR & CCR_RESET, CCR_RESET);
}

void check_v6m(void)
{
    group("ARMv6-M");
    check_registers();
    check_hard_faults();
    check_nested();
}
