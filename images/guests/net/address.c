/* The interface: its address by DHCP or by hand, the ARP table and the counters. */
#include "net.h"
#include "ethif.h"

#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/stats.h"
#include "lwip/tcpip.h"

#include "FreeRTOS.h"
#include "task.h"

#define DHCP_PATIENCE_MS 30000

void address_print(void)
{
    LOCK_TCPIP_CORE();
    uint32_t ip = netif_ip4_addr(&eth_netif)->addr, mask = netif_ip4_netmask(&eth_netif)->addr;
    uint32_t gateway = netif_ip4_gw(&eth_netif)->addr, dns = ip_addr_get_ip4_u32(dns_getserver(0));
    UNLOCK_TCPIP_CORE();
    if (ip)
        say("ip %I mask %I gw %I dns %I", ip, mask, gateway, dns);
    else
        say("ip none");
}

void address_dhcp(void)
{
    LOCK_TCPIP_CORE();
    err_t error = dhcp_start(&eth_netif);
    UNLOCK_TCPIP_CORE();
    if (error) {
        say("dhcp: %s", error_text(error));
        return;
    }
    for (int waited = 0; waited < DHCP_PATIENCE_MS; waited += 10) {
        LOCK_TCPIP_CORE();
        bool bound = dhcp_supplied_address(&eth_netif);
        UNLOCK_TCPIP_CORE();
        if (bound) {
            address_print();
            return;
        }
        vTaskDelay(pdMS_TO_TICKS(10));
    }
    say("dhcp: no answer in %u s; it goes on asking", DHCP_PATIENCE_MS / 1000);
}

void address_static(int count, char **words)
{
    ip4_addr_t ip, mask, gateway = {0}, dns = {0};
    uint32_t bits = 24;
    char *slash = words[0];
    while (*slash && *slash != '/')
        slash++;
    bool good = true;
    if (*slash) {
        *slash = 0;
        good = parse_number(slash + 1, 32, &bits);
    }
    good = good && ip4addr_aton(words[0], &ip) && (count < 2 || ip4addr_aton(words[1], &gateway)) &&
           (count < 3 || ip4addr_aton(words[2], &dns));
    if (!good) {
        say("usage: static A.B.C.D/NN [GATEWAY [DNS]]");
        return;
    }
    mask.addr = lwip_htonl(bits ? ~0u << (32 - bits) : 0);
    LOCK_TCPIP_CORE();
    dhcp_release_and_stop(&eth_netif);
    netif_set_addr(&eth_netif, &ip, &mask, &gateway);
    ip_addr_t server = IPADDR4_INIT(dns.addr);
    dns_setserver(0, &server);
    UNLOCK_TCPIP_CORE();
    address_print();
}

void arp_print(void)
{
    unsigned entries = 0;
    for (size_t i = 0; i < ARP_TABLE_SIZE; i++) {
        ip4_addr_t *ip;
        struct netif *netif;
        struct eth_addr *eth;
        LOCK_TCPIP_CORE();
        bool used = etharp_get_entry(i, &ip, &netif, &eth);
        uint32_t address = used ? ip->addr : 0;
        uint8_t mac[6] = {0};
        if (used)
            SMEMCPY(mac, eth->addr, 6);
        UNLOCK_TCPIP_CORE();
        if (!used)
            continue;
        say("%I at %02x:%02x:%02x:%02x:%02x:%02x", address, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
        entries++;
    }
    say("arp: %u entries", entries);
}

void stats_print(void)
{
    const struct eth_counters *c = &eth_counters;
    say("chip: id %08x, %u interrupts, %u link changes", lan_id(), c->interrupts, c->link_changes);
    say("rx: %u frames, %u errors (%u crc), %u dropped by the chip, %u without buffer, %u resets", c->rx_frames, c->rx_errors,
        c->rx_crc_errors, c->rx_dropped, c->rx_no_buffer, c->rx_resets);
    say("tx: %u frames in %u buffers, %u copied, %u errors, %u waits, %u dropped", c->tx_frames, c->tx_buffers, c->tx_copied,
        c->tx_errors, c->tx_waits, c->tx_dropped);
    say("ip: %u received, %u sent, %u dropped", (unsigned)lwip_stats.ip.recv, (unsigned)lwip_stats.ip.xmit,
        (unsigned)lwip_stats.ip.drop);
    say("tcp: %u received, %u sent, %u retransmitted, %u dropped", (unsigned)lwip_stats.tcp.recv, (unsigned)lwip_stats.tcp.xmit,
        (unsigned)lwip_stats.mib2.tcpretranssegs, (unsigned)lwip_stats.tcp.drop);
    say("memory: lwip %u of %u at most, kernel %u free, console lost %u", (unsigned)lwip_stats.mem.max,
        (unsigned)lwip_stats.mem.avail, (unsigned)xPortGetFreeHeapSize(), console_lost());
}
