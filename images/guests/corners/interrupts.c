/* NVIC behaviour that ARMv6-M and ARMv7-M share: enabling, pending, priority, preemption, tail-chaining (DDI 0403 B1.5, B3.4;
 * DDI 0419 B1.5, B3.4). Priorities are 0x00, 0x40, 0x80 and 0xC0, which every implementation has. */
#include "core.h"

static volatile uint32_t seen;

static void pend_a(void) { pend(BIT(IRQ_A)); }
static void pend_b(void) { pend(BIT(IRQ_B)); }
static void note_icsr(void) { seen = ICSR; }
static void note_pending(void) { seen = NVIC_ISPR; }

static void pend_a_once(void)
{
    actions[IRQ0 + IRQ_A] = NULL;
    pend(BIT(IRQ_A));
}

static void pend_b_and_c_once(void)
{
    actions[IRQ0 + IRQ_A] = NULL;
    pend(BIT(IRQ_B) | BIT(IRQ_C));
}

static void check_enable(void)
{
    uint32_t all = 15u << IRQ_A;
    interrupts_fresh(0x40, 0x40, 0x40, 0x40);
    check("ISER reads the enabled", NVIC_ISER & all, all);
    NVIC_ICER = BIT(IRQ_B);
    check("ICER clears what is written as one", NVIC_ICER & all, all & ~BIT(IRQ_B));
    NVIC_ISER = 0;
    check("ISER ignores zeros", NVIC_ISER & all, all & ~BIT(IRQ_B));
    pend(BIT(IRQ_B));
    check("a disabled interrupt stays pending", NVIC_ISPR & all, BIT(IRQ_B));
    check("VECTPENDING leaves out the disabled", ICSR_VECTPENDING(ICSR), 0);
    check_text("a disabled interrupt is not taken", trace_buffer, "");
    NVIC_ISER = BIT(IRQ_B);
    sync();
    check_text("enabling takes a pending interrupt", trace_buffer, "bB");
    check("taking clears the pending bit", NVIC_ISPR & all, 0);
    set_primask(1);
    pend(BIT(IRQ_A));
    NVIC_ICPR = BIT(IRQ_A);
    trace_clear();
    set_primask(0);
    check_text("ICPR withdraws a pending interrupt", trace_buffer, "");
}

static void check_primask(void)
{
    interrupts_fresh(0x40, 0x40, 0x40, 0x40);
    set_primask(1);
    check("PRIMASK reads back", get_primask(), 1);
    pend(BIT(IRQ_C));
    check_text("PRIMASK holds interrupts back", trace_buffer, "");
    check("VECTPENDING ignores PRIMASK", ICSR_VECTPENDING(ICSR), IRQ0 + IRQ_C);
    check("ISRPENDING under PRIMASK", ICSR & ICSR_ISRPENDING, ICSR_ISRPENDING);
    __asm volatile("cpsie i\n\tisb" ::: "memory");
    check_text("CPSIE lets it in", trace_buffer, "cC");
    check("CPSIE clears PRIMASK", get_primask(), 0);
}

/* What is pending when PRIMASK is released is taken as if it had arrived at once. */
static void taken_together(const char *name, uint32_t irqs, const char *want)
{
    trace_clear();
    set_primask(1);
    pend(irqs);
    set_primask(0);
    isb();
    check_text(name, trace_buffer, want);
}

static void check_order(void)
{
    uint32_t all = 15u << IRQ_A;
    interrupts_fresh(0x40, 0x40, 0x40, 0x40);
    taken_together("equal priorities: lowest number first", all, "aAbBcCdD");
    interrupts_fresh(0xC0, 0x80, 0x40, 0x00);
    taken_together("highest priority first", all, "dDcCbBaA");
    check("tail-chained: the same frame", entry_frame[IRQ0 + IRQ_A], entry_frame[IRQ0 + IRQ_D]);
    check("tail-chained: EXC_RETURN to thread", entry_exc_return[IRQ0 + IRQ_A], 0xFFFFFFF9);
    interrupts_fresh(0x80, 0x40, 0x80, 0x40);
    taken_together("priority, then number", all, "bBdDaAcC");
}

static void check_preemption(void)
{
    interrupts_fresh(0x80, 0x40, 0x40, 0x80);
    actions[IRQ0 + IRQ_A] = pend_b;
    pend(BIT(IRQ_A));
    check_text("a higher priority preempts", trace_buffer, "abBA");
    check("preempting: EXC_RETURN to handler", entry_exc_return[IRQ0 + IRQ_B], 0xFFFFFFF1);
    interrupts_fresh(0x40, 0x40, 0x40, 0x80);
    actions[IRQ0 + IRQ_A] = pend_b;
    pend(BIT(IRQ_A));
    check_text("an equal priority waits", trace_buffer, "aAbB");
    interrupts_fresh(0x40, 0x80, 0x40, 0x80);
    actions[IRQ0 + IRQ_A] = pend_b;
    pend(BIT(IRQ_A));
    check_text("a lower priority waits", trace_buffer, "aAbB");
    interrupts_fresh(0xC0, 0x80, 0x40, 0x00);
    actions[IRQ0 + IRQ_A] = pend_b_and_c_once;
    actions[IRQ0 + IRQ_C] = pend_a;
    pend(BIT(IRQ_A));
    check_text("three deep, and the first again", trace_buffer, "acCbBAaA");
}

static void check_active(void)
{
    interrupts_fresh(0x80, 0x40, 0x40, 0x80);
    actions[IRQ0 + IRQ_A] = note_icsr;
    pend(BIT(IRQ_A));
    check("VECTACTIVE in a handler", ICSR_VECTACTIVE(seen), IRQ0 + IRQ_A);
    check("VECTACTIVE in thread mode", ICSR_VECTACTIVE(ICSR), 0);
    actions[IRQ0 + IRQ_A] = pend_a_once;
    trace_clear();
    pend(BIT(IRQ_A));
    check_text("pended while active: runs again", trace_buffer, "aAaA");
    interrupts_fresh(0x80, 0x40, 0x40, 0x80);
    actions[IRQ0 + IRQ_A] = note_pending;
    pend(BIT(IRQ_A));
    check("not pending while active", seen & BIT(IRQ_A), 0);
    set_primask(1);
    pend(BIT(IRQ_D));
    set_priority(IRQ_D, 0x40);
    pend(BIT(IRQ_A));
    trace_clear();
    set_primask(0);
    check_text("a priority changed while pending counts", trace_buffer, "dDaA");
}

static volatile uint32_t alarms;

static uint32_t on_alarm(struct frame *frame, uint32_t exc_return)
{
    (void)frame;
    if (++alarms == 3)
        alarm_stop();
    return exc_return;
}

static void wait_pending(uint32_t irq)
{
    for (uint32_t i = 0; i < 10000000 && !(NVIC_ISPR & BIT(irq)); i++)
        ;
}

static void check_level(void)
{
    uint32_t irq = alarm_irq;
    alarms = 0;
    handlers[IRQ0 + irq] = on_alarm;
    NVIC_ICER = BIT(irq);
    alarm_start(100, 0);
    wait_pending(irq);
    check("a line raised pends its interrupt", NVIC_ISPR & BIT(irq), BIT(irq));
    NVIC_ISER = BIT(irq);
    sync();
    for (volatile uint32_t i = 0; alarms < 3 && i < 100000; i++)
        ;
    check("a line held high comes again", alarms, 3);
    check("a line let go pends no more", NVIC_ISPR & BIT(irq), 0);
    NVIC_ICER = BIT(irq);
    alarm_start(100, 0);
    wait_pending(irq);
    alarm_stop();
    check("pending outlives its line", NVIC_ISPR & BIT(irq), BIT(irq));
    NVIC_ICPR = BIT(irq);
    check("ICPR clears what the line left", NVIC_ISPR & BIT(irq), 0);
}

void check_interrupts(void)
{
    group("interrupts");
    check_enable();
    check_primask();
    check_order();
    check_preemption();
    check_active();
    check_level();
}
