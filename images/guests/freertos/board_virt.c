/* QEMU's RISC-V `virt` machine: traps, and the UART's transmitter, which interrupts over the PLIC whenever it is empty. */
#include "demo.h"

#define UART_IER REG8(0x10000001)
#define UART_IIR REG8(0x10000002)
#define UART_IRQ 10
#define IER_ETBEI 2

#define PLIC_PRIORITY(source) REG(0x0C000000 + 4 * (source))
#define PLIC_ENABLE REG(0x0C002000)
#define PLIC_THRESHOLD REG(0x0C200000)
#define PLIC_CLAIM REG(0x0C200004)

#define MSTATUS_MIE 8
#define MCAUSE_EXTERNAL 0x8000000Bu

void freertos_risc_v_trap_handler(void);

void board_start(void)
{
    __asm volatile("csrw mtvec, %0" ::"r"(freertos_risc_v_trap_handler));
}

void board_quiet(void)
{
    __asm volatile("csrc mstatus, %0" ::"r"(MSTATUS_MIE));
}

void interrupts_start(void)
{
    PLIC_PRIORITY(UART_IRQ) = 1;
    PLIC_THRESHOLD = 0;
    PLIC_ENABLE = 1u << UART_IRQ;
    UART_IER = IER_ETBEI;
}

void interrupts_stop(void)
{
    UART_IER = 0;
}

void interrupts_off(void)
{
    PLIC_ENABLE = 0;
}

/* Reading IIR takes the interrupt back; enabling it anew while the transmitter is empty raises it again. A PLIC may deliver a
 * level that has fallen since: then IIR knows of none. */
static void uart_handler(void)
{
    if ((UART_IIR & 15) != 2)
        return;
    UART_IER = 0;
    UART_IER = IER_ETBEI;
    interrupted();
}

/* Called by the kernel's port for interrupts other than the timer's. */
void freertos_risc_v_application_interrupt_handler(uint32_t mcause)
{
    uint32_t source = PLIC_CLAIM;
    if (mcause != MCAUSE_EXTERNAL || source != UART_IRQ)
        assert_failed("unknown interrupt", (int)mcause);
    uart_handler();
    PLIC_CLAIM = source;
}

/* A fault ends the run with its address. */
void freertos_risc_v_application_exception_handler(uint32_t mcause)
{
    uint32_t mepc, mtval;
    __asm volatile("csrr %0, mepc" : "=r"(mepc));
    __asm volatile("csrr %0, mtval" : "=r"(mtval));
    put_text("exception at ");
    put_hex(mepc);
    put_text(", mtval ");
    put_hex(mtval);
    assert_failed(" cause", (int)mcause);
}
