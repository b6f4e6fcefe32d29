/* The interrupt masks the chip and wakes one task, which reads what came and hands it to lwIP. Frames go out in the task
 * that sends them, under lwIP's lock. */
#include "ethif.h"
#include "console.h"
#include "rt.h"

#include "lwip/etharp.h"
#include "lwip/pbuf.h"
#include "lwip/snmp.h"
#include "lwip/tcpip.h"

#include "FreeRTOS.h"
#include "semphr.h"
#include "task.h"

#define NVIC_ISER REG(0xE000E100)
#define NVIC_IPR8(irq) REG8(0xE000E400 + (irq))
#define ETHERNET_IRQ 13
#define PRIORITY 0x80
#define TASK_PRIORITY 6
#define TASK_STACK 384
#define TX_PATIENCE_MS 100
#define FRAME_CHECKSUM 4

#define SOURCES (LAN_PHY_INT | LAN_TXSO | LAN_RWT | LAN_RXE | LAN_TXE | LAN_TDFO | LAN_TSFL | LAN_RXDF | LAN_RSFL)

struct netif eth_netif;
struct eth_counters eth_counters;
static struct lan_link link_now;
static TaskHandle_t task;
static SemaphoreHandle_t room;
static volatile uint32_t waits_for_room; /* LAN_TDFA while a sender does */
static uint16_t tag;

void eth_interrupt(void)
{
    BaseType_t woken = pdFALSE;
    eth_counters.interrupts++;
    lan_enable(0);
    vTaskNotifyGiveFromISR(task, &woken);
    portYIELD_FROM_ISR(woken);
}

/* --- receiving ------------------------------------------------------------------------------------------------------ */

/* Reads a good frame of LENGTH bytes with its checksum, or skips it if there is no buffer. */
static struct pbuf *read_frame(uint32_t length)
{
    uint32_t words = (LAN_RX_OFFSET + length + 3) / 4;
    struct pbuf *frame = pbuf_alloc(PBUF_RAW, (u16_t)(ETH_PAD_SIZE + length - FRAME_CHECKSUM), PBUF_POOL);
    if (!frame) {
        eth_counters.rx_no_buffer++;
        LINK_STATS_INC(link.memerr);
        lan_rx_skip(words, true);
        return NULL;
    }
    /* A pool buffer holds whole words, so that only the last of a chain ends within one. */
    for (struct pbuf *part = frame; part; part = part->next) {
        uint32_t here = (part->len + 3u) / 4;
        lan_rx_words(part->payload, here);
        words -= here;
    }
    lan_rx_skip(words, false);
    return frame;
}

static void receive(void)
{
    uint32_t status;
    while (lan_rx_status(&status)) {
        uint32_t length = lan_rx_length(status);
        if (status & (LAN_RX_ERROR | LAN_RX_FILTER_FAIL) || length < 18) {
            eth_counters.rx_errors++;
            eth_counters.rx_crc_errors += (status & LAN_RX_CRC) != 0;
            lan_rx_skip((LAN_RX_OFFSET + length + 3) / 4, true);
            continue;
        }
        struct pbuf *frame = read_frame(length);
        if (!frame)
            continue;
        eth_counters.rx_frames++;
        LINK_STATS_INC(link.recv);
        if (eth_netif.input(frame, &eth_netif) != ERR_OK) {
            eth_counters.rx_no_buffer++;
            pbuf_free(frame);
        }
    }
}

/* --- link ----------------------------------------------------------------------------------------------------------- */

static void say_link(const char *before)
{
    if (link_now.up)
        say("%slink up %s Mbit/s %s duplex", before, link_now.fast ? "100" : "10", link_now.full_duplex ? "full" : "half");
    else
        say("%slink down", before);
}

struct lan_link eth_link(void)
{
    return link_now;
}

static void tell_lwip(void *argument)
{
    (void)argument;
    if (link_now.up)
        netif_set_link_up(&eth_netif);
    else
        netif_set_link_down(&eth_netif);
}

static void look_at_link(void)
{
    struct lan_link before = link_now;
    link_now = lan_link();
    if (before.up == link_now.up)
        return;
    eth_counters.link_changes++;
    say_link("");
    tcpip_callback(tell_lwip, NULL);
}

/* --- the task ------------------------------------------------------------------------------------------------------- */

static void finish_sent(void)
{
    uint32_t status;
    while (lan_tx_status(&status))
        eth_counters.tx_errors += (status & LAN_TX_ERROR) != 0;
}

static void eth_task(void *argument)
{
    (void)argument;
    for (;;) {
        uint32_t pending = lan_take_pending();
        finish_sent();
        receive();
        if (pending & LAN_RXE) {
            eth_counters.rx_resets++;
            lan_rx_dump();
        }
        if (pending & LAN_RXDF)
            eth_counters.rx_dropped += lan_take_dropped();
        if (pending & LAN_PHY_INT)
            look_at_link();
        taskENTER_CRITICAL();
        if (pending & waits_for_room) {
            waits_for_room = 0;
            xSemaphoreGive(room);
        }
        lan_enable(SOURCES | waits_for_room);
        taskEXIT_CRITICAL();
        ulTaskNotifyTake(pdTRUE, portMAX_DELAY);
    }
}

/* --- sending -------------------------------------------------------------------------------------------------------- */

/* Whether the chip takes the chain as it is: every buffer between the first and the last has four bytes or more. */
static bool chip_takes(const struct pbuf *frame)
{
    unsigned buffers = 1;
    for (const struct pbuf *part = frame; part->next; part = part->next, buffers++)
        if (part->len < 4)
            return false;
    return buffers <= LAN_TX_BUFFERS;
}

static uint32_t cost_of(const struct pbuf *frame)
{
    uint32_t cost = 0;
    for (const struct pbuf *part = frame; part; part = part->next)
        cost += lan_tx_cost(part->payload, part->len);
    return cost;
}

static bool wait_for_room(uint32_t cost)
{
    while (lan_tx_room() < cost) {
        eth_counters.tx_waits++;
        xSemaphoreTake(room, 0);
        taskENTER_CRITICAL();
        lan_tx_notify(cost);
        waits_for_room = LAN_TDFA;
        lan_enable(SOURCES | LAN_TDFA);
        taskEXIT_CRITICAL();
        if (xSemaphoreTake(room, pdMS_TO_TICKS(TX_PATIENCE_MS)) != pdTRUE)
            return lan_tx_room() >= cost;
    }
    return true;
}

static err_t hand_over(struct pbuf *frame)
{
    if (!link_now.up)
        return ERR_IF;
    if (!wait_for_room(cost_of(frame))) {
        eth_counters.tx_dropped++;
        LINK_STATS_INC(link.drop);
        return ERR_BUF;
    }
    tag++;
    for (struct pbuf *part = frame; part; part = part->next) {
        lan_tx_buffer(part->payload, part->len, part == frame, !part->next, frame->tot_len, tag);
        eth_counters.tx_buffers++;
    }
    eth_counters.tx_frames++;
    LINK_STATS_INC(link.xmit);
    return ERR_OK;
}

static err_t eth_output(struct netif *netif, struct pbuf *frame)
{
    err_t outcome = ERR_MEM;
    (void)netif;
    pbuf_remove_header(frame, ETH_PAD_SIZE);
    struct pbuf *copy = chip_takes(frame) ? NULL : pbuf_clone(PBUF_RAW, PBUF_RAM, frame);
    if (copy)
        eth_counters.tx_copied++;
    if (copy || chip_takes(frame))
        outcome = hand_over(copy ? copy : frame);
    if (copy)
        pbuf_free(copy);
    pbuf_add_header(frame, ETH_PAD_SIZE);
    return outcome;
}

/* --- start ---------------------------------------------------------------------------------------------------------- */

bool eth_start(uint8_t mac[6])
{
    /* For a chip without EEPROM: an address of the locally administered kind. */
    static const uint8_t fallback[6] = {0x02, 0, 0, 0, 0, 1};
    if (!lan_start())
        return false;
    if (!lan_address(mac)) {
        say("ethernet: no address in the chip's EEPROM");
        SMEMCPY(mac, fallback, 6);
        lan_set_address(mac);
    }
    return true;
}

static err_t eth_init(struct netif *netif)
{
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->mtu = 1500;
    netif->hwaddr_len = 6;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    netif->output = etharp_output;
    netif->linkoutput = eth_output;
    MIB2_INIT_NETIF(netif, snmp_ifType_ethernet_csmacd, 100000000);
    return ERR_OK;
}

void eth_add(const uint8_t mac[6])
{
    SMEMCPY(eth_netif.hwaddr, mac, 6);
    netif_add(&eth_netif, NULL, NULL, NULL, NULL, eth_init, tcpip_input);
    netif_set_default(&eth_netif);
    netif_set_up(&eth_netif);
    room = xSemaphoreCreateBinary();
    link_now = lan_link();
    tell_lwip(NULL);
    BaseType_t made = xTaskCreate(eth_task, "ethernet", TASK_STACK, NULL, TASK_PRIORITY, &task);
    configASSERT(made == pdPASS && room);
    NVIC_IPR8(ETHERNET_IRQ) = PRIORITY;
    NVIC_ISER = 1u << ETHERNET_IRQ;
}
