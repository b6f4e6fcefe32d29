/* Kernels that compilers turn into the DSP extension's instructions; on the host the same in portable C. */
#ifndef DSP_H
#define DSP_H

#include <stdint.h>

#define DSP_SEEDS 4u

uint32_t dsp_matrix(uint32_t seed); /* a product of 16-bit matrices */
uint32_t dsp_mix(uint32_t seed);    /* filters, pixels, distances, bits, counters */

#endif
