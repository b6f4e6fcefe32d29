/* A benchmark in the manner of CoreMark: integer kernels of the kinds that firmware is made of, each result checked against
 * what the host computed. Ends with `bench ok <checksum>`, where the checksum depends on the iterations and all results. */
#include "kernels.h"
#include "print.h"
#include "expected.h"

#ifndef KERNELS_RUN
#define KERNELS_RUN KERNELS /* 97 thousand instructions each time */
#define ITERATIONS 4000
#endif

/* How often they run. A tool may patch it in the ELF by its symbol. */
volatile uint32_t bench_iterations __attribute__((used)) = ITERATIONS;

static void fail(uint32_t kernel, uint32_t seed, uint32_t got)
{
    put_text("bench FAIL ");
    put_text(kernels[kernel].name);
    put_text(" seed ");
    put_number(seed);
    put_text(" got ");
    put_hex(got);
    put_text(" want ");
    put_hex(expected[seed][kernel]);
    put_text("\r\n");
    finish(0);
}

int main(void)
{
    uint32_t sum = 0, iterations = bench_iterations;
    console_start();
    put_text("bench: ");
    put_number(iterations);
    put_text(" iterations\r\n");
    for (uint32_t i = 0; i < iterations; i++) {
        uint32_t seed = i % SEEDS;
        for (uint32_t k = 0; k < KERNELS_RUN; k++) {
            uint32_t got = kernels[k].run(seed);
            if (got != expected[seed][k])
                fail(k, seed, got);
            sum = (sum << 1 | sum >> 31) + got;
        }
    }
    put_text("bench ok ");
    put_hex(sum);
    put_text("\r\n");
    finish(1);
}
