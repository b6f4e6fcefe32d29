/* A benchmark of floating point: every result is compared with what the host's compiler computed, and all bits of all results
 * make the checksum in `fp ok <checksum>`, since an emulator that is only nearly right is wrong. */
#include "fp.h"
#include "fp_expected.h"
#include "print.h"

/* How often all kernels run. A tool may patch it in the ELF by its symbol. */
volatile uint32_t fp_iterations __attribute__((used)) = ITERATIONS;

#define CPACR REG(0xE000ED88)

/* The floating-point unit is on before any function may save its registers. */
static void fp_reset(void)
{
    CPACR |= 0xFu << 20;
    dsb();
    isb();
    reset_handler();
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    _stack_top, (void *)fp_reset, [2 ... 15] = (void *)default_handler,
};

static void check(const struct fp_kernel *kernel, uint32_t seed, float got, float want)
{
    float off = got - want, least = want * 0.001f;
    if (off <= least && -off <= least)
        return;
    put_text("fp FAIL ");
    put_text(kernel->name);
    put_text(" seed ");
    put_number(seed);
    put_text("\r\n");
    finish(0);
}

static uint32_t run(const struct fp_kernel *table, uint32_t seed, uint32_t sum)
{
    for (uint32_t k = 0; k < FP_KERNELS; k++) {
        float figure;
        sum = (sum << 1 | sum >> 31) + table[k].run(seed, &figure);
        check(&table[k], seed, figure, fp_expected[seed][k]);
    }
    return sum;
}

int main(void)
{
    uint32_t sum = 0, iterations = fp_iterations;
    console_start();
    put_text("fp: ");
    put_number(iterations);
    put_text(" iterations\r\n");
    for (uint32_t i = 0; i < iterations; i++) {
        sum = run(fp_single, i % FP_SEEDS, sum);
#if DOUBLE
        sum = run(fp_double, i % FP_SEEDS, sum);
#endif
    }
    put_text("fp ok ");
    put_hex(sum);
    put_text("\r\n");
    finish(1);
}
