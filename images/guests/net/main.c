/* A network node on FreeRTOS and lwIP, neither of which is part of this project: see the Makefile. The console is its only
 * control; what it does by itself is to answer ARP, pings and discovery. */
#include "net.h"
#include "clock.h"
#include "ethif.h"
#include "print.h"

#include "lwip/init.h"
#include "lwip/tcpip.h"

#include "FreeRTOS.h"
#include "semphr.h"
#include "task.h"

#define CONSOLE_PRIORITY 3
#define CONSOLE_STACK 1024

char node_name[NAME_SIZE];
uint8_t node_mac[6];

static void network_up(void *argument)
{
    eth_add(node_mac);
    ping_start();
    discover_start();
    xSemaphoreGive((SemaphoreHandle_t)argument);
}

static bool start_network(void)
{
    uint8_t *m = node_mac;
    if (!eth_start(m))
        return false;
    random_seed(m);
    format_text(node_name, NAME_SIZE, "node-%02x%02x%02x", m[3], m[4], m[5]);
    eth_netif.hostname = node_name;
    SemaphoreHandle_t started = xSemaphoreCreateBinary();
    tcpip_init(network_up, started);
    xSemaphoreTake(started, portMAX_DELAY);
    vSemaphoreDelete(started);
    struct lan_link link = eth_link();
    say("mac %02x:%02x:%02x:%02x:%02x:%02x, link %s", m[0], m[1], m[2], m[3], m[4], m[5], link.up ? "up" : "down");
    return true;
}

static void console_task(void *argument)
{
    static char line[200];
    (void)argument;
    say("net: lwIP " LWIP_VERSION_STRING " on FreeRTOS " tskKERNEL_VERSION_NUMBER);
    if (!start_network()) {
        say("ethernet: no LAN9118 answers; nothing to do");
        vTaskSuspend(NULL);
    }
    for (;;) {
        read_line(line, sizeof line);
        command(line);
    }
}

int main(void)
{
    clock_start();
    console_start();
    BaseType_t made = xTaskCreate(console_task, "console", CONSOLE_STACK, NULL, CONSOLE_PRIORITY, NULL);
    configASSERT(made == pdPASS);
    vTaskStartScheduler();
    assert_failed("scheduler", 0);
}

/* lwIP copies whole packets: words while both sides are aligned alike. */
void fast_copy(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if (n >= 16 && !(((uintptr_t)t ^ (uintptr_t)f) & 3)) {
        for (; (uintptr_t)t & 3; n--)
            *t++ = *f++;
        for (; n >= 4; n -= 4, t += 4, f += 4)
            *(uint32_t *)t = *(const uint32_t *)f;
    }
    while (n--)
        *t++ = *f++;
}

/* --- ends ----------------------------------------------------------------------------------------------------------- */

void put_char(char c)
{
    char text[2] = {c, 0};
    cry(text);
}

void assert_failed(const char *file, int line)
{
    __asm volatile("cpsid i");
    put_text("\r\nassertion failed: ");
    put_text(file);
    put_char(':');
    put_number((uint32_t)line);
    put_text("\r\n");
    finish(0);
}

void vApplicationMallocFailedHook(void)
{
    assert_failed("kernel out of heap", 0);
}

void vApplicationStackOverflowHook(TaskHandle_t task, char *name)
{
    (void)task;
    assert_failed(name, 0);
}

/* A fault ends the run with its address. */
static void fault(const uint32_t *frame)
{
    put_text("\r\nfault at ");
    put_hex(frame[6]);
    put_text(", CFSR ");
    put_hex(REG(0xE000ED28));
    assert_failed(" fault", 0);
}

__attribute__((naked)) static void fault_handler(void)
{
    __asm volatile("tst lr, #4\n\tite eq\n\tmrseq r0, msp\n\tmrsne r0, psp\n\tb %c0" ::"i"(fault));
}

void vPortSVCHandler(void);
void xPortPendSVHandler(void);
void xPortSysTickHandler(void);

__attribute__((section(".vectors"), used)) static void *const vectors[16 + 32] = {
    _stack_top,
    (void *)reset_handler,
    [2 ... 47] = (void *)fault_handler,
    [11] = (void *)vPortSVCHandler,
    [14] = (void *)xPortPendSVHandler,
    [15] = (void *)xPortSysTickHandler,
    [16 + 0] = (void *)uart_rx_interrupt,
    [16 + 1] = (void *)uart_tx_interrupt,
    [16 + 13] = (void *)eth_interrupt,
};
