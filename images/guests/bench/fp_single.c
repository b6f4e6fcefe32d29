#define REAL float
#define SQRT __builtin_sqrtf
#define TABLE fp_single
#include "fp_kernels.inc"
