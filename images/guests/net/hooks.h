/* What lwIP calls through lwipopts.h. */
#ifndef HOOKS_H
#define HOOKS_H

#include "lwip/ip_addr.h"

/* The first sequence number of a TCP connection. */
uint32_t initial_sequence(uint16_t local_port, const ip_addr_t *remote, uint16_t remote_port);

#endif
