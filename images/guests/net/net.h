/* The node: who it is, its address, and what it can be told to do. */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "console.h"
#include "lwip/err.h"
#include "lwip/ip_addr.h"

#define NAME_SIZE 32

/* The node's name, told in discovery, greetings, DHCP and the page. */
extern char node_name[NAME_SIZE];
extern uint8_t node_mac[6];

/* --- random.c: everything that is random comes from the MAC address ------------------------------------------------- */
void random_seed(const uint8_t mac[6]);
uint32_t random_word(void);

/* --- crc.c: CRC-32 as in Ethernet; starts with 0 ---------------------------------------------------------------------- */
uint32_t crc32(uint32_t crc, const void *data, size_t n);

/* --- text.c ------------------------------------------------------------------------------------------------------------ */
/* A decimal number up to MAX that takes all of TEXT. */
bool parse_number(const char *text, uint32_t max, uint32_t *value);
/* What an error of lwIP's means. */
const char *error_text(err_t error);
/* Cuts a stream into printed lines with a prefix. */
struct line_printer {
    const char *prefix;
    size_t length;
    char text[160];
};
void print_stream(struct line_printer *printer, const char *data, size_t n);
void print_rest(struct line_printer *printer);

/* --- address.c: the interface's own affairs ------------------------------------------------------------------------- */
void address_print(void);
void address_dhcp(void);
void address_static(int count, char **words);
void arp_print(void);
void stats_print(void);

/* --- ping.c ---------------------------------------------------------------------------------------------------------- */
void ping_start(void);
void ping_command(const ip_addr_t *to, uint32_t count);

/* --- discover.c ------------------------------------------------------------------------------------------------------ */
void discover_start(void);
void discover_command(void);

/* --- serve.c: what others may connect to ---------------------------------------------------------------------------- */
void serve_echo(uint16_t port);
void serve_sink(uint16_t port);
void serve_pages(void);

/* --- client.c: connections of our own ------------------------------------------------------------------------------- */
void tcp_command(const ip_addr_t *to, uint16_t port, const char *text);
void send_command(const ip_addr_t *to, uint16_t port, uint32_t bytes);
void http_command(const char *url);

/* --- commands.c ------------------------------------------------------------------------------------------------------ */
void command(char *line);

#endif
