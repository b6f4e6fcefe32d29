/* A guest that does whatever a random number says, so that runs meet in every corner of a machine. Its numbers come from
 * what tells the node from others (device id, MAC address), so a fleet's other seed is another program. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "rt.h"

/* The state of the numbers; whatever the guest sees goes into it, so that a difference anywhere spreads. Never 0. */
extern volatile uint32_t state;

uint32_t rnd(void);
void mix(uint32_t seen);

/* Something to do; `depth` is 0 in the main loop, 1 in a handler. */
typedef void deed(uint32_t depth);

void put_char(char c);
void put_state(void); /* eight hexadecimal digits and a line end */

/* Executes `reps` times the code at `code` with registers made of the state, and mixes what it leaves there. */
void call(uint16_t *code, uint32_t reps, uint32_t length);

#endif
