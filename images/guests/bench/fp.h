/* Floating-point kernels, each in single and in double precision. */
#ifndef FP_H
#define FP_H

#include <stdint.h>

#define FP_KERNELS 5u
#define FP_SEEDS 4u

/* Does a fixed amount of work that depends on SEED. FIGURE sums the results up and is about the same in any precision and on
 * any processor; the answer is made of its exact bits. */
struct fp_kernel {
    const char *name;
    uint32_t (*run)(uint32_t seed, float *figure);
};
extern const struct fp_kernel fp_single[FP_KERNELS], fp_double[FP_KERNELS];

#endif
