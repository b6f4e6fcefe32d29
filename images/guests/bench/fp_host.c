/* Runs the floating-point kernels in double precision on the host and prints fp_expected.h. */
#include <stdio.h>
#include "fp.h"

int main(void)
{
    puts("/* What each floating-point kernel gives for each seed, from fp_host.c. */");
    puts("static const float fp_expected[FP_SEEDS][FP_KERNELS] = {");
    for (uint32_t seed = 0; seed < FP_SEEDS; seed++) {
        printf("    {");
        for (uint32_t k = 0; k < FP_KERNELS; k++) {
            float figure;
            fp_double[k].run(seed, &figure);
            printf(" %.6ef,", figure);
        }
        puts(" },");
    }
    puts("};");
}
