/* Prints dsp_expected.h on the host; see host.c. */
#include <stdio.h>
#include "dsp.h"

int main(void)
{
    uint32_t (*const kernels[])(uint32_t) = { dsp_matrix, dsp_mix };
    puts("/* Results of each kernel for each seed, from dsp_host.c. */");
    puts("static const uint32_t expected[2][DSP_SEEDS] = {");
    for (int k = 0; k < 2; k++) {
        printf("    {");
        for (uint32_t seed = 0; seed < DSP_SEEDS; seed++)
            printf(" 0x%08x,", kernels[k](seed));
        puts(" },");
    }
    puts("};");
}
