/* Virtual microseconds, from the FPGA's counter (AN385, 3.10). They wrap after 71 minutes. */
#ifndef CLOCK_H
#define CLOCK_H

#include "rt.h"

#define FPGAIO_COUNTER REG(0x40028018)
#define FPGAIO_PRESCALE REG(0x4002801C)

static inline void clock_start(void) { FPGAIO_PRESCALE = 24; /* of 25 MHz */ }
static inline uint32_t micros(void) { return FPGAIO_COUNTER; }

#endif
