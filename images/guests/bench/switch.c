/* Two threads that take turns, as an RTOS runs them: at each switch a supervisor call moves the MPU's region that guards the end
 * of the stack (32 bytes nobody may access), so the page of the stacks and of what lies beside them is split all the time. A
 * turn is about 1,500 instructions. Ends with `switch ok <checksum>`. With MPU defined as 0 the MPU stays off. */
#include "print.h"

#define MPU_CTRL REG(0xE000ED94)
#define MPU_RNR REG(0xE000ED98)
#define MPU_RBAR REG(0xE000ED9C)
#define MPU_RASR REG(0xE000EDA0)

#define ENABLE_PRIVDEFENA 5u
#define RASR(xn, ap, log2) ((uint32_t)(xn) << 28 | (uint32_t)(ap) << 24 | ((log2) - 1u) << 1 | 1u)

#define TURNS 200000u
#define GUARD 32u
#define STACK 1024u
#define WORDS 24u

struct thread {
    uint8_t stack[STACK] __attribute__((aligned(32))); /* as the guard is */
    uint32_t seed, turns;
};

/* Both in one page, with their counters between the stacks. */
static struct thread threads[2];

static void region(uint32_t number, uint32_t base, uint32_t attributes)
{
    MPU_RNR = number;
    MPU_RBAR = base;
    MPU_RASR = attributes;
}

/* Called by the exception: the thread's stack is guarded from now on. */
__attribute__((used)) static void guard(uint32_t n)
{
    region(2, (uint32_t)threads[n].stack, RASR(1, 0, 5));
    dsb();
    isb();
}

__attribute__((naked)) void svc_handler(void)
{
    __asm volatile("push {r4, lr}\n ldr r0, [sp, #8]\n bl guard\n pop {r4, pc}\n");
}

__attribute__((noinline)) static void sort(uint32_t *words)
{
    for (uint32_t i = 1; i < WORDS; i++) {
        uint32_t v = words[i], k = i;
        for (; k > 0 && words[k - 1] > v; k--)
            words[k] = words[k - 1];
        words[k] = v;
    }
}

/* Sorts numbers on the thread's own stack. */
__attribute__((used, noinline)) static uint32_t turn(struct thread *t)
{
    uint32_t words[WORDS], sum = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        t->seed = t->seed * 1664525u + 1013904223u;
        words[i] = t->seed >> 8;
    }
    sort(words);
    for (uint32_t i = 0; i < WORDS; i++) {
        if (i > 0 && words[i - 1] > words[i])
            return 0;
        sum = (sum << 1 | sum >> 31) + words[i];
    }
    t->turns++;
    return sum;
}

/* A turn of the thread on its own stack. */
__attribute__((naked, noinline)) static uint32_t run_on(struct thread *t, void *top)
{
    (void)t, (void)top;
    __asm volatile("push {r4, lr}\n mov r4, sp\n mov sp, r1\n bl turn\n mov sp, r4\n pop {r4, pc}\n");
}

__attribute__((noinline)) static void supervisor(uint32_t n)
{
    register uint32_t r0 __asm("r0") = n;
    __asm volatile("svc 0" : "+r"(r0)::"memory");
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    _stack_top, (void *)reset_handler, [2 ... 10] = (void *)default_handler, (void *)svc_handler,
    [12 ... 15] = (void *)default_handler,
};

int main(void)
{
    uint32_t sum = 0;
    console_start();
    region(0, 0x00000000, RASR(0, 6, 22));
    region(1, 0x20000000, RASR(1, 3, 22));
    MPU_CTRL = MPU ? ENABLE_PRIVDEFENA : 0;
    for (uint32_t n = 0; n < TURNS; n++) {
        struct thread *t = &threads[n & 1];
        supervisor(n & 1);
        sum = (sum << 1 | sum >> 31) + run_on(t, t->stack + STACK);
    }
    MPU_CTRL = 0;
    put_text(threads[0].turns + threads[1].turns == TURNS ? "switch ok " : "switch FAIL ");
    put_hex(sum);
    put_text("\r\n");
    finish(1);
}
