/* Integrity checks on exception return (DDI 0403 B1.5.8): each is a UsageFault with INVPC or INVSTATE. */
#include "core.h"

#define INVSTATE 0x00020000u
#define INVPC 0x00040000u

static volatile uint32_t ufsr, fault_lr, fault_ipsr;

static uint32_t return_reserved(struct frame *frame, uint32_t exc_return)
{
    (void)frame, (void)exc_return;
    return 0xFFFFFFF5;
}

static uint32_t return_with_ipsr(struct frame *frame, uint32_t exc_return)
{
    frame->xpsr |= PENDSV;
    return exc_return;
}

static uint32_t return_without_t(struct frame *frame, uint32_t exc_return)
{
    frame->xpsr &= ~0x01000000u;
    return exc_return;
}

static uint32_t return_to_thread(struct frame *frame, uint32_t exc_return)
{
    trace('b');
    (void)frame, (void)exc_return;
    return 0xFFFFFFF9;
}

static void note(uint32_t exc_return)
{
    ufsr = CFSR;
    fault_lr = exc_return;
    fault_ipsr = get_ipsr();
    CFSR = ufsr;
}

/* EXC_RETURN may name the wrong stack: the frame lies on MSP, below what exception_entry pushed (two words). */
static uint32_t mend_frame(struct frame *frame, uint32_t exc_return)
{
    note(exc_return);
    frame->xpsr = (frame->xpsr | 0x01000000u) & ~0x1FFu;
    return 0xFFFFFFF9;
}

static uint32_t mend_return(struct frame *frame, uint32_t exc_return)
{
    (void)frame;
    note(exc_return);
    return 0xFFFFFFF9;
}

/* The interrupted handler's frame is what was on the stack: return there. */
static uint32_t mend_nested(struct frame *frame, uint32_t exc_return)
{
    (void)frame;
    note(exc_return);
    return 0xFFFFFFF1;
}

static void with(handler svc, handler usage)
{
    handlers[SVCALL] = svc;
    handlers[USAGEFAULT] = usage;
    ufsr = fault_lr = 0;
    call_svc(0);
    handlers[SVCALL] = NULL;
}

static void pend_b(void) { pend(BIT(IRQ_B)); }

static void check_nested_return(void)
{
    interrupts_fresh(0x80, 0x40, 0x40, 0x40);
    handlers[IRQ0 + IRQ_B] = return_to_thread;
    handlers[USAGEFAULT] = mend_nested;
    actions[IRQ0 + IRQ_A] = pend_b;
    ufsr = 0;
    pend(BIT(IRQ_A));
    check("return to thread with another exception active", ufsr, INVPC);
    check(" LR in the UsageFault", fault_lr, 0xFFFFFFF9);
    check_text(" the interrupted handler goes on", trace_buffer, "abA");
    check(" nothing is active after", NVIC_IABR, 0);
}

/* NONBASETHRDENA: thread mode may be entered with an exception active; the same interrupt leads back. */
static volatile uint32_t thread_ipsr, thread_active;

static void in_thread(void)
{
    thread_ipsr = get_ipsr();
    thread_active = NVIC_IABR;
    pend(BIT(IRQ_B));
    for (;;)
        ;
}

static uint32_t to_thread_and_back(struct frame *frame, uint32_t exc_return)
{
    static uint32_t visits;
    (void)frame, (void)exc_return;
    static struct frame thread_frame __attribute__((aligned(8)));
    static uint32_t stack[64] __attribute__((aligned(8)));
    if (visits++ % 2 == 0) {
        thread_frame = (struct frame){ .pc = (uint32_t)in_thread & ~1u, .xpsr = 0x01000000 };
        uint32_t *top = stack + 64 - sizeof thread_frame / 4;
        memcpy(top, &thread_frame, sizeof thread_frame);
        set_psp((uint32_t)top);
        return 0xFFFFFFFD;
    }
    return 0xFFFFFFF1;
}

static void check_nonbase(void)
{
    interrupts_fresh(0x80, 0x40, 0x40, 0x40);
    handlers[IRQ0 + IRQ_B] = to_thread_and_back;
    actions[IRQ0 + IRQ_A] = pend_b;
    CCR |= CCR_NONBASETHRDENA;
    sync();
    pend(BIT(IRQ_A));
    CCR &= ~CCR_NONBASETHRDENA;
    sync();
    check("NONBASETHRDENA: thread mode above a handler", thread_ipsr, 0);
    check(" the handler is still active", thread_active, BIT(IRQ_A));
    check_text(" and goes on", trace_buffer, "aA");
}

void check_returns(void)
{
    group("exception return");
    SHCSR |= SHCSR_FAULTS;
    with(return_reserved, mend_return);
    check("a reserved EXC_RETURN", ufsr, INVPC);
    check(" LR in the UsageFault", fault_lr, 0xFFFFFFF5);
    check(" it is a UsageFault", fault_ipsr, USAGEFAULT);
    with(return_with_ipsr, mend_frame);
    check("return to thread with IPSR not zero", ufsr, INVPC);
    check(" LR in the UsageFault", fault_lr, 0xFFFFFFF9);
    with(return_without_t, mend_frame);
    check("return to a frame without T", ufsr, INVSTATE);
    check_nested_return();
    check_nonbase();
    catch_faults();
    SHCSR &= ~SHCSR_FAULTS;
}
