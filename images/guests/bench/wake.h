/* The timer that wakes: one file for each architecture. */
#ifndef WAKE_H
#define WAKE_H

/* From now on an interrupt every 10 ms. */
void tick_start(void);

#endif
