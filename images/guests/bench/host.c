/* Runs the portable parts on the host and prints expected.h: `make check` compares that with the committed one. The host's compiler
 * and processor are the second opinion on every result the guest computes. */
#include <stdio.h>
#include "duty.h"
#include "kernels.h"

int main(void)
{
    puts("/* Results of each kernel for each seed, from host.c. */");
    puts("static const uint32_t expected[SEEDS][KERNELS] = {");
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        printf("    {");
        for (uint32_t k = 0; k < KERNELS; k++)
            printf(" 0x%08x,", kernels[k].run(seed));
        puts(" },");
    }
    puts("};");
    uint32_t sum = 0;
    for (uint32_t wake = 0; wake < DUTY_CHECKED; wake++)
        sum = (sum << 1 | sum >> 31) + duty(wake);
    if (sum != DUTY_EXPECTED) {
        fprintf(stderr, "DUTY_EXPECTED in duty.h is to be 0x%08xu\n", sum);
        return 1;
    }
}
