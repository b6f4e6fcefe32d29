/* Beacon: every node tells the others its name, a count and its temperature about twice in three seconds, and prints
 * what it hears. All nodes run this one image; the chip's DEVICEID tells them apart. Between interrupts the core sleeps. */
#include "beacon.h"

void uart0_handler(void);
void radio_handler(void);

#define LFCLK_HZ 32768u
#define PERIOD (LFCLK_HZ / 2)
#define NEIGHBOURS 9u /* as many as one line of the LED matrix has lights */
#define ROW1_PIN 13u
#define COL1_PIN 4u

static uint16_t my_id, my_seq;
static volatile int beacon_due, temperature;
static uint16_t neighbours[NEIGHBOURS];
static uint32_t neighbour_count;

/* A random byte from the last beacon's request: the generator needs some 700 us, and has had them. */
static uint32_t random_byte(void)
{
    uint32_t value = RNG_VALUE & 0xFF;
    RNG_EVENTS_VALRDY = 0;
    RNG_TASKS_START = 1;
    return value;
}

/* Sets the next beacon half a second ahead plus up to half a second of jitter, which keeps two nodes from colliding twice. */
static void schedule(uint32_t from)
{
    RTC_CC0 = (from + PERIOD + random_byte() * (PERIOD / 256)) & 0xFFFFFF;
}

void rtc0_handler(void)
{
    RTC_EVENTS_COMPARE0 = 0;
    schedule(RTC_CC0);
    TEMP_TASKS_START = 1;
}

void temp_handler(void)
{
    TEMP_EVENTS_DATARDY = 0;
    TEMP_TASKS_STOP = 1; /* nRF51822 PAN 30: the sensor keeps drawing current otherwise */
    temperature = (int)TEMP_TEMP;
    beacon_due = 1;
}

static char *put(char *to, uint32_t n)
{
    if (n >= 10)
        to = put(to, n / 10);
    *to = (char)('0' + n % 10);
    return to + 1;
}

/* "23.75 C, 2 near": TEMP counts quarters of a degree. */
static uint32_t describe(char *text)
{
    char *to = text;
    uint32_t quarters = (uint32_t)(temperature < 0 ? -temperature : temperature);
    if (temperature < 0)
        *to++ = '-';
    to = put(to, quarters / 4);
    *to++ = '.';
    *to++ = "0257"[quarters % 4];
    *to++ = "0505"[quarters % 4];
    for (const char *s = " C, "; *s;)
        *to++ = *s++;
    to = put(to, neighbour_count);
    for (const char *s = " near"; *s;)
        *to++ = *s++;
    return (uint32_t)(to - text);
}

static void prompt(const char *what)
{
    console_text("beacon ");
    console_hex16(my_id);
    console_text(what);
}

static void send_beacon(void)
{
    struct frame frame;
    memset(&frame, 0, sizeof frame);
    memcpy(frame.id, &my_id, 2);
    memcpy(frame.seq, &my_seq, 2);
    frame.length = (uint8_t)(FRAME_HEAD + describe(frame.text));
    if (!radio_send(&frame))
        return;
    prompt(": sent #");
    console_number(my_seq++);
    console_text("\r\n");
}

/* One more light in the matrix's first line for every node ever heard: rows are active high, columns low. */
static void meet(uint16_t id)
{
    for (uint32_t i = 0; i < neighbour_count; i++)
        if (neighbours[i] == id)
            return;
    if (neighbour_count < NEIGHBOURS) {
        GPIO_OUTCLR = 1u << (COL1_PIN + neighbour_count);
        neighbours[neighbour_count++] = id;
    }
}

static void report(const struct heard *heard)
{
    uint16_t id, seq;
    memcpy(&id, heard->frame.id, 2);
    memcpy(&seq, heard->frame.seq, 2);
    meet(id);
    prompt(": heard ");
    console_hex16(id);
    console_text(" #");
    console_number(seq);
    console_text(" -");
    console_number(heard->rssi);
    console_text(" dBm \"");
    for (uint32_t i = 0; i + FRAME_HEAD < heard->frame.length; i++) {
        char c = heard->frame.text[i];
        console_char(c >= ' ' && c < 0x7F ? c : '.');
    }
    console_text("\"\r\n");
}

static void leds_start(void)
{
    uint32_t cols = 0x1FFu << COL1_PIN, rows = 7u << ROW1_PIN;
    GPIO_OUTSET = cols | 1u << ROW1_PIN;
    GPIO_OUTCLR = rows & ~(1u << ROW1_PIN);
    GPIO_DIRSET = cols | rows;
}

static void clocks_start(void)
{
    CLOCK_LFCLKSRC = 0; /* the RC oscillator: a micro:bit has no 32 kHz crystal */
    CLOCK_TASKS_LFCLKSTART = 1;
    CLOCK_TASKS_HFCLKSTART = 1; /* the radio needs the crystal */
    while (!CLOCK_EVENTS_LFCLKSTARTED || !CLOCK_EVENTS_HFCLKSTARTED)
        ;
}

static void timing_start(void)
{
    RNG_CONFIG = 1; /* bias correction */
    RNG_SHORTS = 1; /* VALRDY stops it */
    RNG_EVENTS_VALRDY = 0;
    RNG_TASKS_START = 1;
    while (!RNG_EVENTS_VALRDY)
        ;
    RTC_PRESCALER = 0;
    RTC_EVTENSET = RTC_INTENSET = 1u << 16; /* COMPARE0 */
    RTC_CC0 = LFCLK_HZ / 8 + random_byte() * (PERIOD / 256);
    RTC_TASKS_START = 1;
    TEMP_INTENSET = 1;
    NVIC_ISER = 1u << RTC0_IRQ | 1u << TEMP_IRQ;
}

int main(void)
{
    /* Two constants of Knuth and Murmur spread whatever the two words differ in over the 16 bits that name the node. */
    my_id = (uint16_t)((FICR_DEVICEID(0) * 0x9E3779B1u + FICR_DEVICEID(1) * 0x85EBCA77u) >> 16);
    leds_start();
    console_start();
    prompt(": up\r\n");
    clocks_start();
    timing_start();
    radio_start();
    for (;;) {
        struct heard heard;
        __asm volatile("cpsid i" ::: "memory");
        if (!beacon_due && !radio_has_heard())
            __asm volatile("wfi"); /* a pending interrupt wakes it though it is masked */
        __asm volatile("cpsie i\n\tnop" ::: "memory");
        while (radio_take(&heard))
            report(&heard);
        if (beacon_due) {
            beacon_due = 0;
            send_beacon();
        }
    }
}

__attribute__((section(".vectors"), used)) static void *const vectors[16 + IRQ_COUNT] = {
    _stack_top,
    (void *)reset_handler,
    [2 ... 15 + IRQ_COUNT] = (void *)default_handler,
    [16 + RADIO_IRQ] = (void *)radio_handler,
    [16 + UART0_IRQ] = (void *)uart0_handler,
    [16 + RTC0_IRQ] = (void *)rtc0_handler,
    [16 + TEMP_IRQ] = (void *)temp_handler,
};
