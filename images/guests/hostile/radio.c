/* The micro:bit: radio, timers, PPI, flash, UART, code in RAM, faults, sleep. -DIDLE sleeps between two deeds, -DLOCK may
 * lock up, -DLINES speaks to the edge connector, where a line may be. */
#include "hostile.h"

enum { RADIO = 0x40001000, UART = 0x40002000, TIMER0 = 0x40008000, RTC0 = 0x4000B000, RTC1 = 0x40011000 };
#define RTC0_IRQ (1u << 11)

static const uint16_t tasks[] = {0, 4, 8, 0xc, 0x10, 0x14, 0x18, 0x1c, 0x20};
static const uint16_t events[] = {0x100, 0x104, 0x108, 0x10c, 0x110, 0x114, 0x118, 0x11c, 0x128};
static volatile uint32_t interrupts;
static uint8_t packet[600];
static uint16_t ram_code[512] __attribute__((section(".ramcode"), aligned(4))) = {0x4770};

static deed act;

void put_char(char c)
{
    REG(UART + 0x51C) = (uint8_t)c;
    for (uint32_t i = 0; i < 3000 && !REG(UART + 0x11C); i++)
        ;
    REG(UART + 0x11C) = 0;
}

static void radio_events(void)
{
    for (uint32_t i = 0; i < 9; i++)
        if (REG(RADIO + events[i])) {
            REG(RADIO + events[i]) = 0;
            mix(i + REG(RADIO + 0x400) + REG(RADIO + 0x548) + REG(RADIO + 0x550));
        }
}

static void interrupt(void)
{
    interrupts++;
    radio_events();
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t t = 0; t < 3; t++)
            REG(TIMER0 + 0x1000 * t + 0x140 + 4 * i) = 0;
        REG(RTC0 + 0x140 + 4 * i) = 0;
        REG(RTC1 + 0x140 + 4 * i) = 0;
        REG(0x40006100 + 4 * i) = 0;
        REG(0x40000100 + 4 * i) = 0;
    }
    static const uint32_t others[] = {RTC0 + 0x100, RTC0 + 0x104, RTC1 + 0x100, RTC1 + 0x104, 0x4000D100, 0x4000C100,
                                      UART + 0x108, UART + 0x11C, 0x4000617C};
    for (uint32_t i = 0; i < sizeof others / sizeof *others; i++)
        REG(others[i]) = 0;
    REG(0xE000E280) = rnd();
    if (interrupts > 40000)
        REG(0xE000E180) = ~0u;
    if ((interrupts & 15) == 0)
        act(1);
}

__attribute__((used)) static void go_on(void)
{
    for (;;)
        act(0);
}

/* Goes on behind the instruction that faulted, or where the caller was, or with the main loop. */
__attribute__((used)) static void faulted(uint32_t *frame)
{
#ifdef LOCK
    if ((rnd() & 0x3ff) == 0)
        REG(0x60000000) = 1; /* a fault in the fault handler */
#endif
    uint32_t pc = frame[6];
    if (pc < 0x40000 || (pc >= 0x20000000 && pc < 0x20004000))
        frame[6] = pc + (REG16(pc & ~1u) >> 11 >= 0x1d ? 4 : 2);
    else
        frame[6] = frame[5] & ~1u;
    if (frame[6] > 0x40000 && !(frame[6] >= 0x20000000 && frame[6] < 0x20004000))
        frame[6] = (uint32_t)go_on & ~1u;
    frame[7] |= 1u << 24;
}

__attribute__((naked)) static void hard_fault(void)
{
    __asm volatile("mov r0, sp\n push {r4, lr}\n bl faulted\n pop {r4, pc}\n");
}

static void supervisor_call(void)
{
    static uint32_t calls;
    if ((++calls & 3) == 0)
        act(1);
}

/* ---- deeds ---- */

static void task(uint32_t depth) { (void)depth; REG(RADIO + tasks[rnd() % 9]) = 1; }
static void receive(uint32_t depth) { (void)depth; REG(RADIO + 4) = 1; }
static void transmit(uint32_t depth) { (void)depth; REG(RADIO) = 1; }

static void shorts(uint32_t depth)
{
    (void)depth;
    REG(RADIO + 0x200) = rnd() & 1 ? 3 : rnd() & 2 ? 0x117 : rnd() & 0x1ff;
}

static void configure(uint32_t depth)
{
    (void)depth;
    REG(RADIO + 0x508) = rnd() & 3 ? 7 : rnd() % 110;
    REG(RADIO + 0x510) = rnd() & 3 ? 0 : rnd() & 3;
    REG(RADIO + 0x50C) = rnd() & 1 ? 0 : rnd();
    REG(RADIO + 0x514) = rnd() & 3 ? 8 : rnd() & 0xf010f;
    REG(RADIO + 0x518) = rnd() & 3 ? (60u | 4u << 16 | 1u << 25) : rnd() & 0x0307ffff;
    REG(RADIO + 0x51C) = 0xF107111A;
    REG(RADIO + 0x520) = 0x12345678;
    REG(RADIO + 0x524) = 0xBE;
    REG(RADIO + 0x52C) = rnd() & 7 ? 0 : rnd() & 7;
    REG(RADIO + 0x530) = rnd() & 3 ? 1 : rnd() & 255;
    REG(RADIO + 0x534) = rnd() & 3 ? 2 : rnd() & 0x103;
    REG(RADIO + 0x538) = 0x11021;
    REG(RADIO + 0x53C) = 0xffff;
    REG(RADIO + 0x554) = 7;
    REG(RADIO + 0x544) = rnd() % 300;
    REG(RADIO + 0x560) = rnd() % 100;
    REG(RADIO + 0x504) = rnd() & 7 ? (uint32_t)packet + (rnd() & 255) : rnd() & 1 ? 0x20003FF0 + (rnd() & 31) : rnd();
    REG(RADIO + 0x640) = rnd() & 0xff;
    REG(RADIO + 0x600) = rnd();
}

static void masks(uint32_t depth)
{
    (void)depth;
    REG(RADIO + 0x304) = rnd() & 0x4ff;
    REG(RADIO + 0x308) = rnd() & rnd() & 0x4ff;
    REG(0xE000E100) = rnd();
    REG(0xE000E180) = rnd() & rnd() & rnd();
    REG(0xE000E400 + (rnd() & 0x1c)) = rnd();
}

static void radio_power(uint32_t depth)
{
    (void)depth;
    REG(RADIO + 0xFFC) = rnd() & 7 ? 1 : rnd() & 1;
}

static void ppi(uint32_t depth)
{
    (void)depth;
    static const uint32_t base[] = {RADIO, TIMER0, 0x40009000, 0x4000A000, RTC0, RTC1, 0x40006000, 0x4000D000};
    uint32_t channel = rnd() & 15, from = base[rnd() & 7], to = base[rnd() & 7];
    uint32_t event = from == RADIO ? events[rnd() % 9]
                     : from == 0x40006000 || from == 0x4000D000 ? 0x100
                                                                : 0x140 + 4 * (rnd() & 3);
    REG(0x4001F510 + 8 * channel) = from + event;
    REG(0x4001F514 + 8 * channel) = to + (to == RADIO ? tasks[rnd() % 9] : 4 * (rnd() % 5));
    REG(0x4001F504) = rnd() & 3 ? 1u << channel : rnd();
    if (rnd() & 1)
        REG(0x4001F508) = rnd();
}

static void timers(uint32_t depth)
{
    (void)depth;
    uint32_t timer = TIMER0 + 0x1000 * (rnd() % 3), rtc = rnd() & 1 ? RTC0 : RTC1;
    REG(timer + 0x504) = rnd() & 1;
    REG(timer + 0x508) = rnd() & 3;
    REG(timer + 0x510) = rnd() & 7;
    for (uint32_t i = 0; i < 4; i++)
        REG(timer + 0x540 + 4 * i) = rnd() % (rnd() & 1 ? 300 : 60000);
    REG(timer + 0x200) = rnd() & 0xf0f;
    REG(timer + 0x304) = (rnd() & 15) << 16;
    REG(timer + 4 * (rnd() % 4)) = 1;
    REG(timer) = 1;
    REG(rtc + 0x508) = rnd() & 3;
    REG(rtc + 0x540) = (REG(rtc + 0x504) + 2 + (rnd() & 31)) & 0xffffff;
    REG(rtc + 0x304) = 0x10000 | (rnd() & 3);
    REG(rtc + 0x344) = 0xf0003;
    REG(rtc) = 1;
}

static void self_modifying(uint32_t depth)
{
    if (depth)
        return;
    uint32_t n = 4 + rnd() % 40;
    uint16_t *code = ram_code + rnd() % 200;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = rnd();
        code[i] = 0x4000 | (k & 0x3c0) | (k >> 10 & 3) << 3 | (k >> 12 & 3); /* data processing on r0-r3 */
    }
    code[n] = 0x4770; /* bx lr */
    call(code, rnd() & 63, n);
}

static void flash(uint32_t depth)
{
    if (depth || (rnd() & 15))
        return;
    uint32_t page = 0x3C000 + (rnd() & 3) * 0x400;
    REG(0x4001E504) = 2;
    REG(0x4001E508) = page;
    for (uint32_t i = 0; i < 20 && !REG(0x4001E400); i++)
        ;
    REG(0x4001E504) = 1;
    REG(page + (rnd() & 0x3fc)) = 0x47703001 - (rnd() & 0xff);
    REG(page) = 0x47703001; /* adds r0, #1; bx lr */
    REG(0x4001E504) = rnd() & 1;
    if (rnd() & 1)
        ((void (*)(void))(page | 1))();
}

static void sleep(uint32_t depth)
{
    if (depth)
        return;
    REG(RTC0 + 0x540) = (REG(RTC0 + 0x504) + 3 + (rnd() & 7)) & 0xffffff;
    REG(RTC0 + 0x508) = 0;
    REG(RTC0 + 0x304) = 0x10000;
    REG(RTC0 + 0x344) = 0x10000;
    REG(RTC0) = 1;
    REG(0x40000008) = 1;
    REG(0xE000E100) = RTC0_IRQ;
    __asm volatile("wfi");
}

static void wait_for_event(uint32_t depth)
{
    __asm volatile("sev\n wfe\n");
    if (!depth && (rnd() & 3) == 0) {
        REG(0xE000ED10) = 16;
        __asm volatile("wfe");
    }
}

static void compute(uint32_t depth)
{
    (void)depth;
    uint32_t n = rnd() & 255;
    for (volatile uint32_t i = 0; i < n; i++)
        ;
}

static void unaligned(uint32_t depth) { (void)depth; (void)REG(0x20001001 + (rnd() & 0xff)); }

static void except(uint32_t depth)
{
    (void)depth;
    if (rnd() & 1)
        __asm volatile("udf #1");
    else
        __asm volatile("svc #3");
}

static void say(uint32_t depth) { (void)depth; put_state(); }

static void poll(uint32_t depth)
{
    (void)depth;
    for (uint32_t i = 0; i < 300; i++) {
        (void)REG(RADIO + 0x550);
        (void)REG(RTC0 + 0x504);
    }
}

static void jump_away(uint32_t depth)
{
    uint32_t to = rnd() & 1 ? 0x20003FFD : 0x1fffffff & rnd();
    if (!depth && (rnd() & 15) == 0)
        ((void (*)(void))to)();
}

static void reset(uint32_t depth)
{
    (void)depth;
    if ((rnd() & 1023) == 0)
        REG(0xE000ED0C) = 0x05FA0004;
}

static void random_number(uint32_t depth)
{
    (void)depth;
    REG(0x4000D000) = 1;
    REG(0x4000D304) = 1;
    mix(REG(0x4000D508));
}

static void systick(uint32_t depth)
{
    (void)depth;
    REG(0xE000E014) = rnd() % 400;
    REG(0xE000E010) = rnd() & 7;
}

static void pins(uint32_t depth)
{
    (void)depth;
    REG(0x50000508) = rnd();
    REG(0x50000518) = rnd();
    REG(0x5000050C) = rnd();
    REG(0x40006510) = rnd() & 0x00030f03;
    REG(0x40006304) = rnd() & 0xf;
}

/* An interrupt line that rises and falls within a few instructions. */
static void flicker(uint32_t depth)
{
    (void)depth;
    REG(0xE000E100) = 1u << 2;
    for (uint32_t i = rnd() & 31; i; i--) {
        REG(UART + 0x304) = 0x80;
        REG(UART + 0x308) = 0x80;
    }
}

#ifdef LINES
static void line(uint32_t depth)
{
    (void)depth;
    REG(UART + 0x50C) = rnd() & 1 ? 24 : 3;
    REG(UART + 0x514) = rnd() & 1 ? 25 : 2;
    if (rnd() & 1)
        REG(UART + 0x524) = rnd() & 1 ? 0x01D7E000 : 0x0089D000 + (rnd() & 0x40000000);
    REG(UART + 0x500) = 4;
    REG(UART + 8) = 1;
    REG(UART) = 1;
    REG(UART + 0x51C) = rnd();
    REG(UART + 0x304) = rnd() & 0x284;
    mix(REG(UART + 0x518));
    if ((rnd() & 31) == 0)
        REG(UART + 0x500) = 0;
    REG(0x50000508) = 1u << 1;
    REG(0x50000518) = 3u << 1;
    REG(0x5000050C) = (rnd() & 1) << 2;
}
#endif

static deed *const deeds[] = {
    task, task, task, task, receive, receive, transmit, transmit, shorts, configure, masks, radio_power, ppi, timers,
    self_modifying, flash, sleep, wait_for_event, compute, unaligned, except, say, poll, jump_away, reset, random_number,
    systick, pins, flicker,
#ifdef LINES
    line, line, line,
#endif
};

static void act(uint32_t depth)
{
    deeds[rnd() % (sizeof deeds / sizeof *deeds)](depth);
    mix(0);
}

int main(void)
{
    state = REG(0x10000060) ^ REG(0x10000064) * 2654435761u ^ 0xabcdef01;
    mix(0);
    for (uint32_t i = 0; i < sizeof packet; i++)
        packet[i] = (uint8_t)rnd();
    packet[0] = 20;
    REG(0x40000000) = 1;
    REG(0x40000518) = 0;
    REG(0x40000008) = 1;
    REG(0x50000760) = 3;
    REG(UART + 0x50C) = 24;
    REG(UART + 0x524) = 0x01D7E000;
    REG(UART + 0x500) = 4;
    REG(UART + 8) = 1;
    configure(0);
    REG(RADIO + 0x504) = (uint32_t)packet;
    REG(RADIO + 0x200) = 3;
    REG(0xE000E100) = rnd();
    put_state();
    for (;;) {
        act(0);
#ifdef IDLE
        sleep(0);
#endif
    }
}

__attribute__((section(".vectors"), used)) static void *const vectors[48] = {
    _stack_top, (void *)reset_handler, [2] = (void *)interrupt, [3] = (void *)hard_fault, [11] = (void *)supervisor_call,
    [14 ... 47] = (void *)interrupt,
};
