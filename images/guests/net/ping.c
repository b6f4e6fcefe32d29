/* ICMP echo requests over a raw socket of lwIP's. */
#include "net.h"
#include "clock.h"
#include "ethif.h"

#include "lwip/icmp.h"
#include "lwip/inet_chksum.h"
#include "lwip/prot/ip4.h"
#include "lwip/raw.h"
#include "lwip/tcpip.h"

#include "FreeRTOS.h"
#include "semphr.h"

#define PATIENCE_MS 1000
#define PAUSE_MS 100
#define PAYLOAD 32

struct echo {
    struct icmp_echo_hdr header;
    uint8_t payload[PAYLOAD];
};

static struct raw_pcb *pcb;
static SemaphoreHandle_t answered;
static uint16_t ident, awaited;
static uint32_t sent_at, took, answer_bytes, answer_ttl;
static bool waiting;

/* In lwIP's thread: 1 says that the packet was ours and is freed. */
static u8_t on_icmp(void *argument, struct raw_pcb *from_pcb, struct pbuf *p, const ip_addr_t *from)
{
    struct icmp_echo_hdr header;
    struct ip_hdr ip;
    (void)argument, (void)from_pcb, (void)from;
    pbuf_copy_partial(p, &ip, sizeof ip, 0);
    uint16_t ip_bytes = IPH_HL_BYTES(&ip);
    if (pbuf_copy_partial(p, &header, sizeof header, ip_bytes) != sizeof header || header.type != ICMP_ER ||
        header.id != ident)
        return 0;
    if (waiting && header.seqno == awaited) {
        took = micros() - sent_at;
        answer_bytes = p->tot_len - ip_bytes;
        answer_ttl = IPH_TTL(&ip);
        waiting = false;
        xSemaphoreGive(answered);
    }
    pbuf_free(p);
    return 1;
}

void ping_start(void)
{
    answered = xSemaphoreCreateBinary();
    ident = (uint16_t)random_word();
    pcb = raw_new(IP_PROTO_ICMP);
    configASSERT(answered && pcb);
    raw_recv(pcb, on_icmp, NULL);
    raw_bind(pcb, IP_ADDR_ANY);
}

static err_t send_echo(const ip_addr_t *to, uint16_t sequence)
{
    struct pbuf *p = pbuf_alloc(PBUF_IP, sizeof(struct echo), PBUF_RAM);
    if (!p)
        return ERR_MEM;
    struct echo *echo = p->payload;
    echo->header = (struct icmp_echo_hdr){.type = ICMP_ECHO, .id = ident, .seqno = lwip_htons(sequence)};
    for (int i = 0; i < PAYLOAD; i++)
        echo->payload[i] = (uint8_t)('a' + i % 26);
    echo->header.chksum = inet_chksum(echo, sizeof *echo);
    LOCK_TCPIP_CORE();
    awaited = echo->header.seqno;
    waiting = true;
    sent_at = micros();
    err_t error = raw_sendto(pcb, p, to);
    UNLOCK_TCPIP_CORE();
    pbuf_free(p);
    return error;
}

static bool ping_once(const ip_addr_t *to, uint16_t sequence)
{
    xSemaphoreTake(answered, 0);
    err_t error = send_echo(to, sequence);
    if (error) {
        say("seq %u: %s", sequence, error_text(error));
        return false;
    }
    if (xSemaphoreTake(answered, pdMS_TO_TICKS(PATIENCE_MS)) != pdTRUE) {
        LOCK_TCPIP_CORE();
        waiting = false;
        UNLOCK_TCPIP_CORE();
        say("seq %u: no answer", sequence);
        return false;
    }
    say("%u bytes from %I: seq %u ttl %u time %u.%03u ms", answer_bytes, ip_addr_get_ip4_u32(to), sequence, answer_ttl,
        took / 1000, took % 1000);
    return true;
}

void ping_command(const ip_addr_t *to, uint32_t count)
{
    static uint16_t sequence;
    uint32_t received = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            vTaskDelay(pdMS_TO_TICKS(PAUSE_MS));
        received += ping_once(to, ++sequence);
    }
    say("ping %I: %u sent, %u received", ip_addr_get_ip4_u32(to), count, received);
}
