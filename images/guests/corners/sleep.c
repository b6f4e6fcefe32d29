/* WFI, WFE, SEV, SEVONPEND and SLEEPONEXIT (DDI 0403 B1.5.17 to B1.5.19). An alarm ends every sleep that should not be one. */
#include "core.h"

static volatile uint32_t alarms;

static uint32_t on_alarm(struct frame *frame, uint32_t exc_return)
{
    (void)frame;
    alarms++;
    alarm_clear();
    return exc_return;
}

static uint32_t third_alarm_wakes(struct frame *frame, uint32_t exc_return)
{
    (void)frame;
    alarm_clear();
    if (++alarms == 3)
        SCR &= ~SCR_SLEEPONEXIT;
    return exc_return;
}

static void start(handler on, uint32_t microseconds, int again)
{
    alarms = 0;
    handlers[IRQ0 + alarm_irq] = on;
    alarm_start(microseconds, again);
    NVIC_ISER = BIT(alarm_irq);
}

static void stop(void)
{
    alarm_stop();
    NVIC_ICER = BIT(alarm_irq);
    NVIC_ICPR = BIT(alarm_irq);
}

static void check_wfi(void)
{
    start(on_alarm, 200, 0);
    while (!alarms)
        __asm volatile("wfi");
    stop();
    check("WFI ends in the handler", alarms, 1);
    set_primask(1);
    start(on_alarm, 200, 0);
    while (!(NVIC_ISPR & BIT(alarm_irq)))
        __asm volatile("wfi");
    alarm_stop();
    check("WFI under PRIMASK wakes, no handler", alarms, 0);
    set_primask(0);
    isb();
    check("the handler follows PRIMASK", alarms, 1);
    stop();
    start(on_alarm, 100000, 0);
    set_primask(1);
    pend(BIT(IRQ_A));
    __asm volatile("wfi");
    check("WFI with something pending does not sleep", alarms, 0);
    set_primask(0);
    stop();
}

/* SEV and WFE leave the event register clear. */
static void clear_event(void) { __asm volatile("sev\n\twfe" ::: "memory"); }

static void check_wfe(void)
{
    interrupts_fresh(0x40, 0x40, 0x40, 0x40);
    start(on_alarm, 100000, 0);
    clear_event();
    check("WFE after SEV does not sleep", alarms, 0);
    pend(BIT(IRQ_A));
    __asm volatile("wfe");
    check("WFE after an exception return does not sleep", alarms, 0);
    NVIC_ICER = BIT(IRQ_B);
    SCR |= SCR_SEVONPEND;
    clear_event();
    NVIC_ISPR = BIT(IRQ_B);
    dsb();
    __asm volatile("wfe");
    check("SEVONPEND: a disabled interrupt is an event", alarms, 0);
    SCR &= ~SCR_SEVONPEND;
    NVIC_ICPR = BIT(IRQ_B);
    stop();
}

static void check_sleep_on_exit(void)
{
    uint32_t when;
    SCR |= SCR_SLEEPONEXIT;
    check("SLEEPONEXIT reads back", SCR & SCR_SLEEPONEXIT, SCR_SLEEPONEXIT);
    set_primask(1);
    start(third_alarm_wakes, 500, 1);
    __asm volatile("cpsie i\n\twfi" ::: "memory");
    when = alarms;
    check("SLEEPONEXIT: thread mode waits for the third", when, 3);
    SCR &= ~SCR_SLEEPONEXIT;
    stop();
}

void check_sleep(void)
{
    group("sleep");
    check_wfi();
    check_wfe();
    check_sleep_on_exit();
}
