#include "core.h"

handler handlers[16 + 32];
void (*volatile actions[16 + 32])(void);
volatile uint32_t entry_frame[16 + 32], entry_exc_return[16 + 32];
volatile struct caught caught;
volatile uint32_t resume_at;
volatile int frame_lost;
uint32_t *try_sp;
uint32_t process_stack[256] __attribute__((aligned(1024)));

/* SVC 255 ends call_on_psp: back to privileged. Any other number gives r0 + 1. */
static uint32_t on_svc(struct frame *frame, uint32_t exc_return)
{
    if (*(uint8_t *)(frame->pc - 2) == 255)
        set_control(get_control() & ~1u);
    else
        frame->r0 += 1;
    return exc_return;
}

uint32_t dispatch(struct frame *frame, uint32_t exc_return)
{
    uint32_t number = get_ipsr();
    if (number < 16 + 32 && handlers[number])
        return handlers[number](frame, exc_return);
    if (number == SVCALL)
        return on_svc(frame, exc_return);
    put_text("unexpected exception ");
    put_number(number);
    put_text(" at ");
    put_hex(frame->pc);
    put_text("\r\n");
    finish(0);
}

void escape(void)
{
    uint32_t ipsr = try_sp[1];
    struct frame *frame = (struct frame *)((uint32_t)try_sp - sizeof *frame);
    memset(frame, 0, sizeof *frame);
    frame->pc = (uint32_t)try_landing & ~1u;
    frame->xpsr = 0x01000000 | ipsr;
    set_control(get_control() & ~1u);
    exit_with(ipsr ? 0xFFFFFFF1 : 0xFFFFFFF9, (uint32_t)frame);
}

void clear_caught(void)
{
    memset((void *)&caught, 0, sizeof caught);
    resume_at = 0;
    frame_lost = 0;
}

uint32_t catch_fault(struct frame *frame, uint32_t exc_return)
{
    caught.count++;
    caught.number = get_ipsr();
    caught.exc_return = exc_return;
    caught.sp = (uint32_t)frame;
    caught.icsr = ICSR;
#if __ARM_ARCH >= 7
    caught.cfsr = CFSR;
    caught.hfsr = HFSR;
    caught.mmfar = MMFAR;
    caught.bfar = BFAR;
    caught.shcsr = SHCSR;
    CFSR = caught.cfsr; /* write one to clear */
    HFSR = caught.hfsr;
#endif
    if (!frame_lost)
        memcpy((void *)&caught.frame, frame, sizeof *frame);
    if (!resume_at || frame_lost || caught.count > 4)
        escape();
    frame->pc = resume_at;
    return exc_return;
}

void catch_faults(void)
{
    for (uint32_t n = HARDFAULT; n <= USAGEFAULT; n++)
        handlers[n] = catch_fault;
}

static char letter_of(uint32_t number)
{
    switch (number) {
    case NMI:
        return 'n';
    case SVCALL:
        return 's';
    case PENDSV:
        return 'p';
    case SYSTICK:
        return 't';
    default:
        return (char)('a' + (number - IRQ0 - IRQ_A));
    }
}

uint32_t lettered(struct frame *frame, uint32_t exc_return)
{
    uint32_t number = get_ipsr();
    entry_frame[number] = (uint32_t)frame;
    entry_exc_return[number] = exc_return;
    trace(letter_of(number));
    if (actions[number])
        actions[number]();
    trace((char)(letter_of(number) - 'a' + 'A'));
    return exc_return;
}

void letters_for(uint32_t number)
{
    handlers[number] = lettered;
    actions[number] = NULL;
}

/* The word access that both architectures have. */
void set_priority(uint32_t irq, uint8_t priority)
{
    uint32_t shift = irq % 4 * 8;
    NVIC_IPR(irq / 4) = (NVIC_IPR(irq / 4) & ~(0xFFu << shift)) | (uint32_t)priority << shift;
}

void interrupts_fresh(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    uint8_t priorities[4] = { a, b, c, d };
    uint32_t all = 15u << IRQ_A;
    NVIC_ICER = all;
    NVIC_ICPR = all;
    for (uint32_t i = 0; i < 4; i++) {
        set_priority(IRQ_A + i, priorities[i]);
        letters_for(IRQ0 + IRQ_A + i);
    }
    NVIC_ISER = all;
    sync();
    trace_clear();
}

void pend(uint32_t irqs)
{
    NVIC_ISPR = irqs;
    sync();
}
