/* The servers, on lwIP's callbacks: all of this runs in its thread. An echo with a greeting, a sink that tells what it got, and
 * one page. */
#include "net.h"

#include "lwip/tcp.h"
#include "lwip/tcpip.h"
#include <string.h>

#define REQUEST_SIZE 256

enum kind { ECHO, SINK, PAGES };
static const char *const kind_names[] = {"echo", "sink", "httpd"};

struct client {
    struct tcp_pcb *pcb;
    enum kind kind;
    struct pbuf *pending; /* received and not yet echoed */
    uint32_t bytes, crc, ip;
    uint16_t port;
    bool peer_done, answered;
    size_t request_length;
    char request[REQUEST_SIZE];
};

/* --- end ------------------------------------------------------------------------------------------------------------ */

static void forget(struct client *client)
{
    if (client->pending)
        pbuf_free(client->pending);
    mem_free(client);
}

/* Closes now or, if lwIP has no memory for it, at the next poll. */
static err_t close_client(struct client *client)
{
    struct tcp_pcb *pcb = client->pcb;
    if (tcp_close(pcb) != ERR_OK)
        return ERR_OK;
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_poll(pcb, NULL, 0);
    if (client->kind == SINK)
        say("sink: received %u bytes crc32 %08x from %I", client->bytes, client->crc, client->ip);
    else
        say("%s: %I port %u closed, %u bytes", kind_names[client->kind], client->ip, client->port, client->bytes);
    forget(client);
    return ERR_OK;
}

static void on_error(void *argument, err_t error)
{
    struct client *client = argument;
    say("%s: %I port %u: %s", kind_names[client->kind], client->ip, client->port, error_text(error));
    forget(client);
}

/* --- what each does ------------------------------------------------------------------------------------------------- */

/* Echoes what the send buffer takes; the window opens as data leaves. */
static err_t echo_more(struct client *client)
{
    while (client->pending) {
        struct pbuf *first = client->pending;
        if (first->len > tcp_sndbuf(client->pcb) ||
            tcp_write(client->pcb, first->payload, first->len, TCP_WRITE_FLAG_COPY) != ERR_OK)
            break;
        tcp_recved(client->pcb, first->len);
        client->pending = first->next;
        if (first->next)
            pbuf_ref(first->next);
        pbuf_free(first);
    }
    tcp_output(client->pcb);
    return client->peer_done && !client->pending ? close_client(client) : ERR_OK;
}

static err_t echo_data(struct client *client, struct pbuf *p)
{
    if (client->pending)
        pbuf_cat(client->pending, p);
    else
        client->pending = p;
    return echo_more(client);
}

static err_t sink_data(struct client *client, struct pbuf *p)
{
    for (struct pbuf *part = p; part; part = part->next)
        client->crc = crc32(client->crc, part->payload, part->len);
    tcp_recved(client->pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t sink_end(struct client *client)
{
    char line[64];
    size_t n = format_text(line, sizeof line, "received %u bytes crc32 %08x\r\n", client->bytes, client->crc);
    if (!client->answered && tcp_write(client->pcb, line, (u16_t)n, TCP_WRITE_FLAG_COPY) != ERR_OK)
        return ERR_OK; /* again at the next poll */
    client->answered = true;
    return close_client(client);
}

static void answer_request(struct client *client)
{
    char page[128], answer[320], path[64] = "?";
    size_t n = 0;
    bool get = !strncmp(client->request, "GET ", 4);
    const char *from = client->request + 4;
    while (get && n + 1 < sizeof path && from[n] > ' ')
        path[n] = from[n], n++;
    path[n] = 0;
    bool home = get && !strcmp(path, "/");
    const char *status = home ? "200 OK" : get ? "404 Not Found" : "501 Not Implemented";
    if (home)
        format_text(page, sizeof page, "<!doctype html><title>%s</title><h1>%s</h1>\n", node_name, node_name);
    else
        format_text(page, sizeof page, "%s\n", status);
    n = format_text(answer, sizeof answer,
                    "HTTP/1.0 %s\r\nContent-Type: text/html\r\nContent-Length: %u\r\nConnection: close\r\n\r\n%s", status,
                    (unsigned)strlen(page), page);
    client->answered = tcp_write(client->pcb, answer, (u16_t)n, TCP_WRITE_FLAG_COPY) == ERR_OK;
    if (client->answered)
        say("httpd: %s for %s from %I", status, path, client->ip);
}

static err_t page_data(struct client *client, struct pbuf *p)
{
    size_t room = REQUEST_SIZE - 1 - client->request_length;
    client->request_length += pbuf_copy_partial(p, client->request + client->request_length, (u16_t)room, 0);
    client->request[client->request_length] = 0;
    tcp_recved(client->pcb, p->tot_len);
    pbuf_free(p);
    bool whole = strstr(client->request, "\r\n\r\n") || strstr(client->request, "\n\n");
    if (!whole && client->request_length < REQUEST_SIZE - 1)
        return ERR_OK;
    if (!client->answered)
        answer_request(client);
    return client->answered ? close_client(client) : ERR_OK;
}

/* --- lwIP's callbacks ----------------------------------------------------------------------------------------------- */

static err_t peer_end(struct client *client)
{
    client->peer_done = true;
    switch (client->kind) {
    case ECHO: return echo_more(client);
    case SINK: return sink_end(client);
    default: return close_client(client);
    }
}

static err_t on_data(void *argument, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    struct client *client = argument;
    (void)pcb, (void)error;
    if (!p)
        return peer_end(client);
    client->bytes += p->tot_len;
    switch (client->kind) {
    case ECHO: return echo_data(client, p);
    case SINK: return sink_data(client, p);
    default: return page_data(client, p);
    }
}

static err_t on_sent(void *argument, struct tcp_pcb *pcb, u16_t bytes)
{
    struct client *client = argument;
    (void)pcb, (void)bytes;
    return client->kind == ECHO ? echo_more(client) : ERR_OK;
}

static err_t on_poll(void *argument, struct tcp_pcb *pcb)
{
    struct client *client = argument;
    (void)pcb;
    if (client->kind == ECHO)
        return echo_more(client);
    if (client->kind == PAGES && client->answered)
        return close_client(client);
    return client->peer_done ? peer_end(client) : ERR_OK;
}

static err_t on_client(void *argument, struct tcp_pcb *pcb, err_t error)
{
    struct client *client = error || !pcb ? NULL : mem_calloc(1, sizeof *client);
    if (!client)
        return ERR_MEM; /* lwIP resets the connection */
    client->pcb = pcb;
    client->kind = (enum kind)(uintptr_t)argument;
    client->ip = ip_addr_get_ip4_u32(&pcb->remote_ip);
    client->port = pcb->remote_port;
    tcp_arg(pcb, client);
    tcp_recv(pcb, on_data);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    tcp_poll(pcb, on_poll, 2);
    if (client->kind != PAGES)
        say("%s: %I port %u connected", kind_names[client->kind], client->ip, client->port);
    if (client->kind == ECHO) {
        char greeting[48];
        size_t n = format_text(greeting, sizeof greeting, "hello from %s\r\n", node_name);
        tcp_write(pcb, greeting, (u16_t)n, TCP_WRITE_FLAG_COPY);
        tcp_output(pcb);
    }
    return ERR_OK;
}

static void listen_on(uint16_t port, enum kind kind)
{
    LOCK_TCPIP_CORE();
    struct tcp_pcb *pcb = tcp_new(), *listening = NULL;
    err_t error = pcb ? tcp_bind(pcb, IP_ADDR_ANY, port) : ERR_MEM;
    if (!error) {
        listening = tcp_listen(pcb);
        error = listening ? ERR_OK : ERR_MEM;
    }
    if (listening) {
        tcp_arg(listening, (void *)(uintptr_t)kind);
        tcp_accept(listening, on_client);
    } else if (pcb) {
        tcp_abort(pcb);
    }
    UNLOCK_TCPIP_CORE();
    if (error)
        say("%s: port %u: %s", kind_names[kind], port, error_text(error));
    else
        say("%s: port %u open", kind_names[kind], port);
}

void serve_echo(uint16_t port)
{
    listen_on(port, ECHO);
}

void serve_sink(uint16_t port)
{
    listen_on(port, SINK);
}

void serve_pages(void)
{
    listen_on(80, PAGES);
}
