/* What a node does each time it wakes, portable so that the host's compiler gives the reference result. */
#ifndef DUTY_H
#define DUTY_H

#include <stdint.h>

/* After so many wakes (one second) the guest compares its checksum and says so; host.c checks the value. */
#define DUTY_CHECKED 100u
#define DUTY_EXPECTED 0x9802ac22u

/* Takes samples, filters them, packs them into a frame with a CRC; returns that. */
uint32_t duty(uint32_t wake);

#endif
