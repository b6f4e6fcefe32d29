#include "rt.h"

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    _stack_top, (void *)reset_handler, [2 ... 15] = (void *)default_handler,
};
