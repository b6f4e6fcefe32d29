/* Connections that the console asks for, over lwIP's netconn interface: the console waits for their end. */
#include "net.h"
#include "clock.h"

#include "lwip/api.h"
#include <string.h>

#define SILENCE_MS 5000
/* A transfer over a bad line pauses long while lwIP's retransmission timer doubles. */
#define TRANSFER_SILENCE_MS 60000
#define HOST_SIZE 64

static struct netconn *open_to(const char *who, const ip_addr_t *to, uint16_t port, int silence)
{
    struct netconn *conn = netconn_new(NETCONN_TCP);
    err_t error = conn ? netconn_connect(conn, to, port) : ERR_MEM;
    if (!error) {
        netconn_set_recvtimeout(conn, silence);
        netconn_set_sendtimeout(conn, silence);
        return conn;
    }
    say("%s: %I port %u: %s", who, ip_addr_get_ip4_u32(to), port, error_text(error));
    if (conn)
        netconn_delete(conn);
    return NULL;
}

/* Gives TAKE all that comes until the other side closes; its bytes, and why it ended. */
static err_t drain(struct netconn *conn, void (*take)(void *, const char *, size_t), void *context, uint32_t *bytes)
{
    struct netbuf *buf;
    err_t error;
    *bytes = 0;
    while (!(error = netconn_recv(conn, &buf))) {
        do {
            void *data;
            u16_t n;
            netbuf_data(buf, &data, &n);
            take(context, data, n);
            *bytes += n;
        } while (netbuf_next(buf) >= 0);
        netbuf_delete(buf);
    }
    return error == ERR_CLSD ? ERR_OK : error;
}

/* Sends all of it; gives up when the other side takes nothing for as long as the connection's silence. */
static err_t write_all(struct netconn *conn, const void *data, size_t n, uint8_t flags)
{
    const uint8_t *at = data;
    while (n) {
        size_t written = 0;
        err_t error = netconn_write_partly(conn, at, n, flags, &written);
        if (error || !written)
            return error && error != ERR_WOULDBLOCK ? error : ERR_TIMEOUT;
        at += written;
        n -= written;
    }
    return ERR_OK;
}

static void print_lines(void *context, const char *data, size_t n)
{
    print_stream(context, data, n);
}

static void hang_up(struct netconn *conn)
{
    netconn_close(conn);
    netconn_delete(conn);
}

/* --- tcp ------------------------------------------------------------------------------------------------------------ */

void tcp_command(const ip_addr_t *to, uint16_t port, const char *text)
{
    struct line_printer lines = {.prefix = "tcp: "};
    struct netconn *conn = open_to("tcp", to, port, SILENCE_MS);
    uint32_t bytes;
    if (!conn)
        return;
    err_t error = write_all(conn, text, strlen(text), NETCONN_COPY);
    if (!error)
        error = write_all(conn, "\r\n", 2, NETCONN_COPY);
    if (!error)
        error = netconn_shutdown(conn, 0, 1);
    if (!error)
        error = drain(conn, print_lines, &lines, &bytes);
    print_rest(&lines);
    if (error)
        say("tcp: %s", error_text(error));
    else
        say("tcp: closed, %u bytes", bytes);
    hang_up(conn);
}

/* --- send ----------------------------------------------------------------------------------------------------------- */

/* What is sent, over and over: of a length that divides no segment's, so that a piece in the wrong place shows. lwIP and the
 * chip read it where it lies, at every alignment and sometimes three bytes alone; so it never changes once it is made. */
#define PATTERN 4099u
#define PIECE 1024u

static const uint8_t *pattern(void)
{
    static uint8_t bytes[PATTERN];
    static bool made;
    for (uint32_t i = 0; !made && i < PATTERN; i++)
        bytes[i] = (uint8_t)(i * 167 >> 3);
    made = true;
    return bytes;
}

static err_t send_pattern(struct netconn *conn, uint32_t bytes, uint32_t *sent, uint32_t *crc)
{
    const uint8_t *from = pattern();
    err_t error = ERR_OK;
    while (!error && *sent < bytes) {
        uint32_t offset = *sent % PATTERN, n = bytes - *sent;
        n = n < PIECE ? n : PIECE;
        n = n < PATTERN - offset ? n : PATTERN - offset;
        error = write_all(conn, from + offset, n, NETCONN_NOCOPY);
        if (!error) {
            *crc = crc32(*crc, from + offset, n);
            *sent += n;
        }
    }
    return error;
}

void send_command(const ip_addr_t *to, uint16_t port, uint32_t bytes)
{
    struct line_printer lines = {.prefix = "send: peer: "};
    struct netconn *conn = open_to("send", to, port, TRANSFER_SILENCE_MS);
    uint32_t crc = 0, sent = 0, answer, start = sys_now();
    if (!conn)
        return;
    err_t error = send_pattern(conn, bytes, &sent, &crc);
    if (!error)
        error = netconn_shutdown(conn, 0, 1);
    if (!error)
        error = drain(conn, print_lines, &lines, &answer);
    print_rest(&lines);
    say("send: sent %u bytes crc32 %08x in %u ms", sent, crc, sys_now() - start);
    if (error)
        say("send: %s", error_text(error));
    hang_up(conn);
}

/* --- http ----------------------------------------------------------------------------------------------------------- */

struct url {
    char host[HOST_SIZE];
    uint32_t port;
    const char *path;
};

static bool parse_url(const char *text, struct url *url)
{
    if (!strncmp(text, "http://", 7))
        text += 7;
    size_t n = strcspn(text, ":/");
    if (!n || n >= HOST_SIZE)
        return false;
    memcpy(url->host, text, n);
    url->host[n] = 0;
    text += n;
    url->port = 80;
    if (*text == ':') {
        char digits[6];
        n = strcspn(++text, "/");
        if (n >= sizeof digits)
            return false;
        memcpy(digits, text, n);
        digits[n] = 0;
        text += n;
        if (!parse_number(digits, 65535, &url->port) || !url->port)
            return false;
    }
    url->path = *text ? text : "/";
    return true;
}

/* What is known of an answer so far. */
struct answer {
    struct line_printer body;
    char status[80];
    size_t status_length, line_length;
    uint32_t body_bytes;
    enum { STATUS, HEADERS, BODY } part;
};

static void take_answer(void *context, const char *data, size_t n)
{
    struct answer *answer = context;
    for (; n && answer->part != BODY; n--, data++) {
        if (*data == '\n') {
            answer->part = answer->part == HEADERS && !answer->line_length ? BODY : HEADERS;
            answer->line_length = 0;
        } else if (*data != '\r') {
            answer->line_length++;
            if (answer->part == STATUS && answer->status_length + 1 < sizeof answer->status)
                answer->status[answer->status_length++] = *data >= ' ' && *data < 127 ? *data : '.';
        }
    }
    answer->body_bytes += n;
    print_stream(&answer->body, data, n);
}

static void fetch(const ip_addr_t *to, const struct url *url)
{
    static struct answer answer;
    char request[320];
    uint32_t bytes;
    struct netconn *conn = open_to("http", to, (uint16_t)url->port, SILENCE_MS);
    if (!conn)
        return;
    memset(&answer, 0, sizeof answer);
    answer.body.prefix = "| ";
    size_t n = format_text(request, sizeof request, "GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: flotilla-net\r\n\r\n", url->path,
                           url->host);
    err_t error = write_all(conn, request, n, NETCONN_COPY);
    if (!error)
        error = drain(conn, take_answer, &answer, &bytes);
    print_rest(&answer.body);
    const char *space = strchr(answer.status, ' '); /* after HTTP/1.x */
    if (error)
        say("http: %s", error_text(error));
    else
        say("http: %s, %u bytes", space ? space + 1 : answer.status, answer.body_bytes);
    hang_up(conn);
}

void http_command(const char *text)
{
    struct url url;
    ip_addr_t to;
    if (!parse_url(text, &url)) {
        say("usage: http http://HOST[:PORT]/PATH");
        return;
    }
    err_t error = netconn_gethostbyname(url.host, &to);
    if (error) {
        say("http: %s: %s", url.host, error_text(error));
        return;
    }
    if (url.host[0] < '0' || url.host[0] > '9')
        say("dns: %s is %I", url.host, ip_addr_get_ip4_u32(&to));
    fetch(&to, &url);
}
