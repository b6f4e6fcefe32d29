/* SysTick (DDI 0403 B3.3): reload, current value, COUNTFLAG, pending by software. */
#include "core.h"

#define ENABLE 1u
#define TICKINT 2u
#define CLKSOURCE 4u
#define COUNTFLAG (1u << 16)
#define NOREF (1u << 31)

static volatile uint32_t ticks;

static uint32_t on_tick(struct frame *frame, uint32_t exc_return)
{
    (void)frame;
    ticks++;
    return exc_return;
}

static void stop(void)
{
    SYST_CSR = CLKSOURCE;
    ICSR = ICSR_PENDSTCLR;
}

static void check_registers(void)
{
    stop();
    SYST_RVR = 0xFFFFFFFF;
    check("RVR has 24 bits", SYST_RVR, 0x00FFFFFF);
    SYST_CVR = 0x1234;
    check("any write to CVR clears it", SYST_CVR, 0);
    SYST_CSR = 0;
    check("NOREF: CLKSOURCE cannot be cleared; else it can", !!(SYST_CSR & CLKSOURCE), !!(SYST_CALIB & NOREF));
}

static uint32_t wait_flag(void)
{
    for (uint32_t i = 0; i < 10000000; i++)
        if (SYST_CSR & COUNTFLAG)
            return 1;
    return 0;
}

/* CVR once it is no longer WAS. */
static uint32_t next_value(uint32_t was)
{
    uint32_t value = was;
    for (uint32_t i = 0; i < 10000000 && value == was; i++)
        value = SYST_CVR;
    return value;
}

static void check_counting(void)
{
    uint32_t first, second;
    stop();
    SYST_RVR = 0xFFFFFF;
    SYST_CVR = 0;
    SYST_CSR = CLKSOURCE | ENABLE;
    first = next_value(0);
    second = next_value(first);
    check("it counts down from RVR", first <= 0xFFFFFF && second < first, 1);
    check("no COUNTFLAG before zero", SYST_CSR & COUNTFLAG, 0);
    SYST_RVR = 50;
    check("a new RVR waits for the next reload", SYST_CVR > 50, 1);
    SYST_CVR = 0;
    next_value(0);
    check("counting from the new RVR", SYST_CVR <= 50, 1);
    check("COUNTFLAG after zero", wait_flag(), 1);
    SYST_CSR = CLKSOURCE;
    first = SYST_CVR;
    for (volatile uint32_t i = 0; i < 1000; i++)
        ;
    check("disabled: CVR stands", SYST_CVR, first);
    check("no TICKINT, nothing pends", ICSR & ICSR_PENDSTSET, 0);
}

static void check_countflag(void)
{
    stop();
    SYST_RVR = 0xFFFFF;
    SYST_CVR = 0;
    SYST_CSR = CLKSOURCE | ENABLE;
    wait_flag();
    check("reading CSR clears COUNTFLAG", SYST_CSR & COUNTFLAG, 0);
    SYST_RVR = 100;
    SYST_CVR = 0;
    for (volatile uint32_t i = 0; i < 10000; i++)
        ;
    SYST_RVR = 0xFFFFFF;
    SYST_CVR = 0;
    check("writing CVR clears COUNTFLAG", SYST_CSR & COUNTFLAG, 0);
    stop();
    SYST_RVR = 0;
    SYST_CVR = 0;
    SYST_CSR = CLKSOURCE | ENABLE | TICKINT;
    for (volatile uint32_t i = 0; i < 1000; i++)
        ;
    check("RVR 0 never ticks", (SYST_CSR & COUNTFLAG) | (ICSR & ICSR_PENDSTSET), 0);
    stop();
}

static void check_interrupt(void)
{
    handlers[SYSTICK] = on_tick;
    ticks = 0;
    SYST_RVR = 1000;
    SYST_CVR = 0;
    SYST_CSR = CLKSOURCE | ENABLE | TICKINT;
    for (uint32_t i = 0; i < 100000000 && ticks < 5; i++)
        __asm volatile("nop");
    stop();
    check("TICKINT ticks", ticks >= 5, 1);
    letters_for(SYSTICK);
    letters_for(PENDSV);
    interrupts_fresh(0, 0, 0, 0);
    set_primask(1);
    ICSR = ICSR_PENDSTSET;
    check("PENDSTSET reads back", ICSR & ICSR_PENDSTSET, ICSR_PENDSTSET);
    ICSR = ICSR_PENDSTCLR;
    check("PENDSTCLR clears it", ICSR & ICSR_PENDSTSET, 0);
    ICSR = ICSR_PENDSTSET | ICSR_PENDSVSET;
    pend(BIT(IRQ_A));
    set_primask(0);
    check_text("PendSV, SysTick, interrupt at one priority", trace_buffer, "pPtTaA");
    SHPRB(SYSTICK) = 0x40;
    SHPRB(PENDSV) = 0xC0;
    interrupts_fresh(0x80, 0, 0, 0);
    set_primask(1);
    ICSR = ICSR_PENDSTSET | ICSR_PENDSVSET;
    pend(BIT(IRQ_A));
    set_primask(0);
    check_text("SysTick, interrupt, PendSV by priority", trace_buffer, "tTaApP");
    SHPR(3) = 0;
}

#define TIMER_VALUE REG(0x40000004)
#define PERIOD 10000u

/* How far SysTick's phase moved in some 200 periods, less what the board's timer, also at 25 MHz, says it should have: each
 * clock by which the period is wrong shows 200-fold. */
static uint32_t phase_error(void)
{
    uint32_t cvr = SYST_CVR, timer = TIMER_VALUE, clocks, moved;
    while (timer - TIMER_VALUE < 200 * PERIOD)
        ;
    moved = cvr + PERIOD - SYST_CVR;
    clocks = timer - TIMER_VALUE;
    uint32_t error = (clocks + PERIOD - moved % PERIOD) % PERIOD;
    return error > PERIOD / 2 ? PERIOD - error : error;
}

/* A busy host under QEMU may fall between the two reads: a few tries. */
static void check_rate(void)
{
    uint32_t error = PERIOD;
    REG(0x40000008) = TIMER_VALUE = 0xFFFFFFFF;
    REG(0x40000000) = 1;
    SYST_RVR = PERIOD - 1;
    SYST_CVR = 0;
    SYST_CSR = CLKSOURCE | ENABLE;
    for (uint32_t i = 0; i < 20 && error > 100; i++)
        error = phase_error();
    stop();
    REG(0x40000000) = 0;
    check("a period is RVR + 1 clocks", error > 100 ? error : 0, 0);
}

void check_systick(void)
{
    group("SysTick");
    check_registers();
    check_counting();
    check_countflag();
    check_interrupt();
    check_rate();
    stop();
}
