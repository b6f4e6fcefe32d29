/* The benchmark's kernels: portable C with fixed-width types, so that the host's compiler gives the reference results. */
#ifndef KERNELS_H
#define KERNELS_H

#include <stdint.h>
#include <stddef.h>

#define KERNELS 9u
#define SEEDS 8u

/* Each does a fixed amount of work that depends on SEED and returns a checksum of what it computed. */
struct kernel {
    const char *name;
    uint32_t (*run)(uint32_t seed);
};
extern const struct kernel kernels[KERNELS];

#endif
