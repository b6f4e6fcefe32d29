/* Runs one of the kernels again and again and checks each result against what the host computed. */
#include "dsp.h"
#include "dsp_expected.h"
#include "print.h"

int main(void)
{
    uint32_t sum = 0;
    console_start();
    for (uint32_t i = 0; i < ITERATIONS; i++) {
        uint32_t seed = i % DSP_SEEDS, got = KERNEL(seed);
        if (got != expected[KERNEL_NUMBER][seed]) {
            put_text("dsp FAIL seed ");
            put_number(seed);
            put_text(" got ");
            put_hex(got);
            put_text("\r\n");
            finish(0);
        }
        sum = (sum << 1 | sum >> 31) + got;
    }
    put_text("dsp ok ");
    put_hex(sum);
    put_text("\r\n");
    finish(1);
}
