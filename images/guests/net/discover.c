/* Discovery as OpenHarmony's DSoftBus does it: CoAP (RFC 7252) on UDP port 5684. Who looks for others broadcasts a NON POST of
 * `device_discover` whose JSON carries a `coapUri`; everyone answers by unicast with a CON POST of the same without that field,
 * which the asker acknowledges with 2.01. */
#include "net.h"
#include "ethif.h"

#include "lwip/tcpip.h"
#include "lwip/udp.h"

#include "FreeRTOS.h"
#include "task.h"
#include <string.h>

#define PORT 5684
#define URI "device_discover"
#define WAIT_MS 2000
#define FOUND_MAX 32

enum { COAP_CON = 0, COAP_NON = 1, COAP_ACK = 2 };
#define CODE_POST 0x02
#define CODE_CREATED 0x41
#define OPTION_URI_HOST 3
#define OPTION_URI_PATH 11
#define PAYLOAD_MARK 0xff

static struct udp_pcb *pcb;
static uint16_t message_id;
static uint32_t found[FOUND_MAX];
static unsigned found_count;
static bool looking;

/* --- writing -------------------------------------------------------------------------------------------------------- */

static uint8_t *option(uint8_t *at, unsigned delta, const char *value)
{
    size_t length = strlen(value);
    if (length < 13) {
        *at++ = (uint8_t)(delta << 4 | length);
    } else {
        *at++ = (uint8_t)(delta << 4 | 13);
        *at++ = (uint8_t)(length - 13);
    }
    memcpy(at, value, length);
    return at + length;
}

/* What the node tells of itself; ends with a zero byte, as DSoftBus sends it. */
static size_t describe(char *to, size_t size, bool ask)
{
    uint32_t ip = netif_ip4_addr(&eth_netif)->addr;
    const uint8_t *m = node_mac;
    size_t n = format_text(to, size,
                           "{\"deviceId\":\"%02x%02x%02x%02x%02x%02x\",\"devicename\":\"%s\",\"type\":0,\"hicomversion\":\"hm.1.0.0\","
                           "\"mode\":1,\"deviceHash\":\"0\",\"serviceData\":\"\",\"wlanIp\":\"%I\",\"capabilityBitmap\":[64]",
                           m[0], m[1], m[2], m[3], m[4], m[5], node_name, ip);
    if (ask)
        n += format_text(to + n, size - n, ",\"coapUri\":\"coap://%I/" URI "\"", ip);
    n += format_text(to + n, size - n, "}");
    return n + 1;
}

static err_t post(unsigned type, const ip_addr_t *to, bool ask)
{
    uint8_t message[480], *at = message;
    char host[16];
    format_text(host, sizeof host, "%I", ip_addr_get_ip4_u32(to));
    message_id++;
    *at++ = (uint8_t)(1 << 6 | type << 4);
    *at++ = CODE_POST;
    *at++ = (uint8_t)(message_id >> 8);
    *at++ = (uint8_t)message_id;
    at = option(at, OPTION_URI_HOST, host);
    at = option(at, OPTION_URI_PATH - OPTION_URI_HOST, URI);
    *at++ = PAYLOAD_MARK;
    at += describe((char *)at, (size_t)(message + sizeof message - at), ask);
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)(at - message), PBUF_RAM);
    if (!p)
        return ERR_MEM;
    pbuf_take(p, message, (u16_t)(at - message));
    err_t error = udp_sendto(pcb, p, to, PORT);
    pbuf_free(p);
    return error;
}

static void acknowledge(const uint8_t *message, const ip_addr_t *to, uint16_t port)
{
    uint8_t token = message[0] & 15;
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)(4 + token), PBUF_RAM);
    if (!p)
        return;
    uint8_t head[4] = {(uint8_t)(1 << 6 | COAP_ACK << 4 | token), CODE_CREATED, message[2], message[3]};
    pbuf_take(p, head, 4);
    pbuf_take_at(p, message + 4, token, 4);
    udp_sendto(pcb, p, to, port);
    pbuf_free(p);
}

/* --- reading -------------------------------------------------------------------------------------------------------- */

/* Reads an extended option field (RFC 7252, 3.1); false if it is wrong. */
static bool extended(const uint8_t **at, const uint8_t *end, unsigned *value)
{
    if (*value < 13)
        return true;
    unsigned bytes = *value - 12, sum = 0;
    if (bytes > 2 || end - *at < (int)bytes)
        return false;
    for (unsigned i = 0; i < bytes; i++)
        sum = sum << 8 | *(*at)++;
    *value = sum + (bytes == 1 ? 13 : 269);
    return true;
}

/* The payload of a POST of `device_discover`, or NULL. */
static const char *payload_of(const uint8_t *at, const uint8_t *end)
{
    unsigned number = 0;
    bool ours = false;
    if (end - at < 4 || at[0] >> 6 != 1 || at[1] != CODE_POST || (at[0] & 15) > 8)
        return NULL;
    at += 4 + (at[0] & 15);
    while (at < end && *at != PAYLOAD_MARK) {
        unsigned delta = *at >> 4, length = *at & 15;
        at++;
        if (!extended(&at, end, &delta) || !extended(&at, end, &length) || end - at < (int)length)
            return NULL;
        number += delta;
        ours = ours || (number == OPTION_URI_PATH && length == sizeof URI - 1 && !memcmp(at, URI, length));
        at += length;
    }
    return ours && at + 1 < end ? (const char *)at + 1 : NULL;
}

/* Copies the string that JSON's field KEY (with its quotes) has. */
static bool json_string(const char *json, const char *key, char *to, size_t size)
{
    const char *at = strstr(json, key);
    if (!at)
        return false;
    for (at += strlen(key); *at == ' ' || *at == ':'; at++)
        ;
    if (*at++ != '"')
        return false;
    while (*at && *at != '"' && --size)
        *to++ = *at++;
    *to = 0;
    return true;
}

static void note_found(const char *name, const ip_addr_t *from)
{
    uint32_t ip = ip_addr_get_ip4_u32(from);
    for (unsigned i = 0; i < found_count; i++)
        if (found[i] == ip)
            return;
    if (!looking || found_count == FOUND_MAX)
        return;
    found[found_count++] = ip;
    say("found %s at %I", name, ip);
}

static void on_message(void *argument, struct udp_pcb *of, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
    static uint8_t message[1024];
    char name[NAME_SIZE] = "?", uri[64];
    (void)argument, (void)of;
    u16_t length = pbuf_copy_partial(p, message, sizeof message - 1, 0);
    pbuf_free(p);
    message[length] = 0;
    const char *json = payload_of(message, message + length);
    uint32_t ip = ip_addr_get_ip4_u32(from), own = netif_ip4_addr(&eth_netif)->addr;
    if (!json || ip == own || !own)
        return;
    json_string(json, "\"devicename\"", name, sizeof name);
    bool asks = json_string(json, "\"coapUri\"", uri, sizeof uri);
    if ((message[0] >> 4 & 3) == COAP_CON)
        acknowledge(message, from, port);
    if (!asks) {
        note_found(name, from);
        return;
    }
    say("asked by %s at %I", name, ip);
    post(COAP_CON, from, false);
}

/* --- commands ------------------------------------------------------------------------------------------------------- */

void discover_start(void)
{
    message_id = (uint16_t)random_word();
    pcb = udp_new();
    configASSERT(pcb);
    ip_set_option(pcb, SOF_BROADCAST);
    err_t error = udp_bind(pcb, IP_ADDR_ANY, PORT);
    configASSERT(error == ERR_OK);
    udp_recv(pcb, on_message, NULL);
}

void discover_command(void)
{
    LOCK_TCPIP_CORE();
    found_count = 0;
    looking = true;
    err_t error = netif_ip4_addr(&eth_netif)->addr ? post(COAP_NON, IP_ADDR_BROADCAST, true) : ERR_RTE;
    UNLOCK_TCPIP_CORE();
    if (error)
        say("discover: %s", error_text(error));
    else
        vTaskDelay(pdMS_TO_TICKS(WAIT_MS));
    LOCK_TCPIP_CORE();
    looking = false;
    unsigned count = found_count;
    UNLOCK_TCPIP_CORE();
    if (!error)
        say("discover: %u found", count);
}
