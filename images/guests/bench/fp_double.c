#define REAL double
#define SQRT __builtin_sqrt
#define TABLE fp_double
#include "fp_kernels.inc"
