/* What can be typed. */
#include "net.h"

#include <string.h>

#define WORDS 6

/* Leaves the words of a command and, in REST[i], the line from word i on. */
struct line {
    int count;
    char *words[WORDS];
    const char *rest[WORDS];
};

struct entry {
    const char *name;
    int least; /* words after the name */
    void (*run)(struct line *);
    const char *usage;
};

static bool address_of(const char *word, ip_addr_t *address)
{
    if (ipaddr_aton(word, address))
        return true;
    say("%s: not an address", word);
    return false;
}

static bool number_of(const char *word, uint32_t least, uint32_t most, uint32_t *number)
{
    if (parse_number(word, most, number) && *number >= least)
        return true;
    say("%s: not a number from %u to %u", word, least, most);
    return false;
}

static void run_name(struct line *line)
{
    if (line->count > 1) {
        size_t n = strlen(line->words[1]);
        bool plain = n < NAME_SIZE;
        for (size_t i = 0; i < n; i++)
            plain = plain && strchr("\"\\<>&", line->words[1][i]) == NULL;
        if (!plain) {
            say("name: up to %u characters, none of \" \\ < > &", NAME_SIZE - 1);
            return;
        }
        memcpy(node_name, line->words[1], n + 1);
    }
    say("name %s", node_name);
}

static void run_ip(struct line *line)
{
    (void)line;
    address_print();
}

static void run_dhcp(struct line *line)
{
    (void)line;
    address_dhcp();
}

static void run_static(struct line *line)
{
    address_static(line->count - 1, line->words + 1);
}

static void run_ping(struct line *line)
{
    ip_addr_t to;
    uint32_t count = 1;
    if (address_of(line->words[1], &to) && (line->count < 3 || number_of(line->words[2], 1, 10000, &count)))
        ping_command(&to, count);
}

static void run_arp(struct line *line)
{
    (void)line;
    arp_print();
}

static void run_stats(struct line *line)
{
    (void)line;
    stats_print();
}

static void run_discover(struct line *line)
{
    (void)line;
    discover_command();
}

static void run_serve(struct line *line)
{
    uint32_t port;
    bool echo = !strcmp(line->words[1], "tcp");
    if (!echo && strcmp(line->words[1], "sink")) {
        say("usage: serve tcp|sink PORT");
        return;
    }
    if (number_of(line->words[2], 1, 65535, &port))
        (echo ? serve_echo : serve_sink)((uint16_t)port);
}

static void run_httpd(struct line *line)
{
    (void)line;
    serve_pages();
}

static void run_tcp(struct line *line)
{
    ip_addr_t to;
    uint32_t port;
    if (address_of(line->words[1], &to) && number_of(line->words[2], 1, 65535, &port))
        tcp_command(&to, (uint16_t)port, line->rest[3]);
}

static void run_send(struct line *line)
{
    ip_addr_t to;
    uint32_t port, bytes;
    if (address_of(line->words[1], &to) && number_of(line->words[2], 1, 65535, &port) &&
        number_of(line->words[3], 0, 0x7fffffff, &bytes))
        send_command(&to, (uint16_t)port, bytes);
}

static void run_http(struct line *line)
{
    http_command(line->words[1]);
}

static void run_help(struct line *line);

static const struct entry entries[] = {
    {"name", 0, run_name, "[NAME]"},
    {"ip", 0, run_ip, ""},
    {"dhcp", 0, run_dhcp, ""},
    {"static", 1, run_static, "A.B.C.D/NN [GATEWAY [DNS]]"},
    {"ping", 1, run_ping, "A.B.C.D [COUNT]"},
    {"arp", 0, run_arp, ""},
    {"stats", 0, run_stats, ""},
    {"discover", 0, run_discover, ""},
    {"serve", 2, run_serve, "tcp|sink PORT"},
    {"httpd", 0, run_httpd, ""},
    {"tcp", 3, run_tcp, "A.B.C.D PORT TEXT"},
    {"send", 3, run_send, "A.B.C.D PORT BYTES"},
    {"http", 1, run_http, "http://HOST[:PORT]/PATH"},
    {"help", 0, run_help, ""},
};
#define ENTRIES (sizeof entries / sizeof *entries)

static void run_help(struct line *line)
{
    (void)line;
    for (size_t i = 0; i < ENTRIES; i++)
        say("%s %s", entries[i].name, entries[i].usage);
}

/* COPY keeps the line as it was, for the text of `tcp`. */
static void split(char *text, const char *copy, struct line *line)
{
    line->count = 0;
    for (char *at = text; *at;) {
        while (*at == ' ')
            *at++ = 0;
        if (!*at || line->count == WORDS)
            break;
        line->rest[line->count] = copy + (at - text);
        line->words[line->count++] = at;
        while (*at && *at != ' ')
            at++;
    }
}

void command(char *text)
{
    static char copy[256];
    struct line line;
    strncpy(copy, text, sizeof copy - 1);
    split(text, copy, &line);
    if (!line.count)
        return;
    for (size_t i = 0; i < ENTRIES; i++) {
        if (strcmp(entries[i].name, line.words[0]))
            continue;
        if (line.count - 1 < entries[i].least)
            say("usage: %s %s", entries[i].name, entries[i].usage);
        else
            entries[i].run(&line);
        return;
    }
    say("%s: no such command; `help` lists them", line.words[0]);
}
