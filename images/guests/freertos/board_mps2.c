/* The MPS2 boards: vectors, and timer 0 for the interrupts. */
#include "demo.h"

#define TIMER0_CTRL REG(0x40000000)
#define TIMER0_VALUE REG(0x40000004)
#define TIMER0_RELOAD REG(0x40000008)
#define TIMER0_INTCLEAR REG(0x4000000C)
#define TIMER0_IRQ 8
#define NVIC_ISER REG(0xE000E100)
#define NVIC_ICER REG(0xE000E180)
#define NVIC_IPRB(irq) REG8(0xE000E400 + (irq))

void board_start(void) {}

void board_quiet(void)
{
    __asm volatile("cpsid i");
}

void interrupts_start(void)
{
    NVIC_IPRB(TIMER0_IRQ) = 0x60; /* below configMAX_SYSCALL_INTERRUPT_PRIORITY: may call the kernel */
    TIMER0_RELOAD = TIMER0_VALUE = 12345;
    NVIC_ISER = 1u << TIMER0_IRQ;
    TIMER0_CTRL = 9;
}

void interrupts_stop(void)
{
    TIMER0_CTRL = 0;
}

void interrupts_off(void)
{
    NVIC_ICER = 1u << TIMER0_IRQ;
}

static void timer0_handler(void)
{
    TIMER0_INTCLEAR = 1;
    interrupted();
}

/* A fault ends the run with its address. */
static void fault(const uint32_t *frame)
{
    put_text("fault at ");
    put_hex(frame[6]);
    put_text(", CFSR ");
    put_hex(REG(0xE000ED28));
    assert_failed(" fault", 0);
}

__attribute__((naked)) static void fault_handler(void)
{
    __asm volatile("tst lr, #4\n\tite eq\n\tmrseq r0, msp\n\tmrsne r0, psp\n\tb %c0" ::"i"(fault));
}

void vPortSVCHandler(void);
void xPortPendSVHandler(void);
void xPortSysTickHandler(void);

__attribute__((section(".vectors"), used)) static void *const vectors[16 + 32] = {
    _stack_top,
    (void *)reset_handler,
    [2 ... 47] = (void *)fault_handler,
    [11] = (void *)vPortSVCHandler,
    [14] = (void *)xPortPendSVHandler,
    [15] = (void *)xPortSysTickHandler,
    [16 + 8] = (void *)timer0_handler,
};
