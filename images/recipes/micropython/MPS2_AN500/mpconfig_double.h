// The port's configuration with a double as Python's float.
#include "mpconfigport.h"

#undef MICROPY_FLOAT_IMPL
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_DOUBLE)
