/* The LAN9118 as a network interface of lwIP. */
#ifndef ETHIF_H
#define ETHIF_H

#include "lan9118.h"
#include "lwip/netif.h"

struct eth_counters {
    unsigned rx_frames, rx_errors, rx_crc_errors, rx_dropped, rx_no_buffer, rx_resets;
    unsigned tx_frames, tx_buffers, tx_copied, tx_errors, tx_waits, tx_dropped;
    unsigned interrupts, link_changes;
};

extern struct netif eth_netif;
extern struct eth_counters eth_counters;

/* Finds the chip and its address; before lwIP runs. */
bool eth_start(uint8_t mac[6]);
/* Adds the interface to lwIP; its lock is held. */
void eth_add(const uint8_t mac[6]);
/* The link as last seen. */
struct lan_link eth_link(void);

/* In the vector table. */
void eth_interrupt(void);

#endif
