/* Tasks that keep all of their floating-point registers busy while the tick switches between them. */
#include "demo.h"

#define TASKS 3u
#define TICKS 30u

static volatile unsigned wrong_registers, wrong_results, wrong_status;

/* The same numbers for the same seed, whatever happens in between. */
__attribute__((noinline)) static float series(float x)
{
    float sum = 0;
    for (unsigned n = 1; n < 200; n++) {
        x = x * 1.0625f + 0.333f / (float)n;
        if (x > 1000.0f)
            x -= 999.5f;
        sum += x;
    }
    return sum;
}

__attribute__((noinline)) static double double_series(double x)
{
    double sum = 0;
    for (unsigned n = 1; n < 100; n++) {
        x = x * 1.03125 + 1.0 / (double)n;
        sum += x;
    }
    return sum;
}

#if defined(__ARM_FP)
static unsigned hold(unsigned seed)
{
    return float_hold(seed, 20);
}

/* Each task has a rounding mode of its own. */
static void set_rounding(unsigned mode) { __asm volatile("vmsr fpscr, %0" ::"r"(mode << 22)); }
static unsigned rounding(void)
{
    unsigned fpscr;
    __asm volatile("vmrs %0, fpscr" : "=r"(fpscr));
    return fpscr >> 22 & 3;
}
#else
static unsigned hold(unsigned seed) { (void)seed; return 0; }
static void set_rounding(unsigned mode) { (void)mode; }
static unsigned rounding(void) { return 0; }
#endif

struct work {
    unsigned number;
    float seed, want;
    double want_double;
};
static struct work works[TASKS];

static void float_task(void *argument)
{
    const struct work *work = argument;
    TickType_t begin = xTaskGetTickCount();
    while (xTaskGetTickCount() - begin < TICKS) {
        wrong_registers += hold(0x3F800000 + work->number * 0x01010100);
        set_rounding(work->number);
        float got = series(work->seed);
        double got_double = double_series(work->seed);
        wrong_results += got != work->want || got_double != work->want_double;
#if defined(__ARM_FP)
        wrong_status += rounding() != work->number;
#endif
        set_rounding(0);
    }
    task_done();
}

void float_part(void)
{
    unsigned before = context_switches;
    for (unsigned n = 0; n < TASKS; n++) {
        works[n].number = n;
        works[n].seed = 1.5f + (float)n;
        taskENTER_CRITICAL();
        set_rounding(n);
        works[n].want = series(works[n].seed);
        works[n].want_double = double_series(works[n].seed);
        set_rounding(0);
        taskEXIT_CRITICAL();
    }
    for (unsigned n = 0; n < TASKS; n++)
        start_task(float_task, "float", &works[n], 2);
    wait_for_tasks(TASKS);
    report("float", "registers lost", wrong_registers, 0);
    report("float", "wrong results", wrong_results, 0);
    report("float", "rounding modes lost", wrong_status + rounding(), 0);
    report("float", "a switch each tick at least", context_switches - before >= TICKS, 1);
}
