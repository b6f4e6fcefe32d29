/* The MPS2 boards: Ethernet, MPU, timers, priorities, code in RAM, faults, sleep. -DLINES speaks to the second UART and the
 * expansion pins, where lines may be. */
#include "hostile.h"

#ifndef ETHERNET
#define ETHERNET 0x40200000
#endif
enum { UART0 = 0x40004000, UART1 = 0x40005000, GPIO0 = 0x40010000 };

static volatile uint32_t interrupts, faults, nested;
static uint8_t data[8192] __attribute__((aligned(4096)));
static uint8_t code_here[12288] __attribute__((aligned(4096)));

static deed act;

void put_char(char c) { REG(UART0) = (uint8_t)c; }

/* ---- the LAN9118 ---- */

static uint32_t mac_read(uint32_t r)
{
    REG(ETHERNET + 0xA4) = 0xC0000000 | r;
    return REG(ETHERNET + 0xA8);
}

static void mac_write(uint32_t r, uint32_t v)
{
    REG(ETHERNET + 0xA8) = v;
    REG(ETHERNET + 0xA4) = 0x80000000 | r;
}

static void send_frame(void)
{
    uint32_t length = rnd() & 1 ? 14 + rnd() % 200 : rnd() % 1600;
    REG(ETHERNET + 0x20) = rnd() & 15 ? (rnd() & 7 ? 0x3000 : rnd() & 0x3003) | (length & 0x7ff) : rnd();
    REG(ETHERNET + 0x20) = rnd() & 15 ? rnd() << 16 | length : rnd();
    uint32_t words = rnd() & 15 ? (length + 3) / 4 : rnd() % 500;
    for (uint32_t i = 0; i < words; i++)
        REG(ETHERNET + 0x20) = i == 0 ? (rnd() & 1 ? 0xffffffff : 0x00f10202) : i == 1 ? 0x0202ffff : rnd();
}

static void receive_frames(void)
{
    uint32_t n = (REG(ETHERNET + 0x7C) >> 16 & 255) + (rnd() & 1);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t words = (REG(ETHERNET + 0x40) >> 16 & 0x3fff) / 4 + 1;
        if ((rnd() & 7) == 0)
            words = rnd() & 511;
        for (uint32_t k = 0; k < words; k++)
            mix(REG(ETHERNET));
    }
}

static void ethernet(uint32_t depth)
{
    (void)depth;
    switch (rnd() % 14) {
    case 0: REG(ETHERNET + 0x74) = rnd() & 15 ? 0x00050000 : rnd(); break;
    case 1:
        REG(ETHERNET + 0x70) = rnd() & 3 ? 2 : rnd();
        REG(ETHERNET + 0x6C) = rnd();
        break;
    case 2: mac_write(1, rnd() & 3 ? 0x0010000C | (rnd() & 1) << 18 : rnd()); break;
    case 3: mac_write(2 + rnd() % 3, rnd()); break;
    case 4 ... 7: send_frame(); break;
    case 8: receive_frames(); break;
    case 9: REG(ETHERNET + 0x78) = 0x80000000; break;
    case 10:
        mac_write(6, 0x0801 | (rnd() & 1) << 1 | (rnd() % 31) << 6);
        mac_write(7, rnd());
        mix(mac_read(7));
        break;
    case 11: REG(ETHERNET + 0xB0) = 0x80000000 | rnd(); break;
    case 12:
        REG(ETHERNET + 0x54) = rnd();
        REG(ETHERNET + 0x5C) = rnd();
        REG(ETHERNET + 0x58) = rnd();
        REG(ETHERNET + 0x68) = rnd();
        break;
    default: {
        uint32_t any = ETHERNET + (rnd() & 0xfc);
        if (rnd() & 1)
            REG(any) = rnd();
        else
            mix(REG(any));
        REG(ETHERNET + 0x8C) = rnd();
        break;
    }
    }
}

/* ---- faults and interrupts ---- */

__attribute__((used, noreturn)) static void go_on(void)
{
    for (;;)
        act(0);
}

static int executable(uint32_t pc)
{
    return pc < 0x400000 || pc >> 24 == 0x20 || pc >> 24 == 0x21 || pc >> 24 == 0x60;
}

__attribute__((used)) static void faulted(uint32_t *frame)
{
    faults++;
    mix(REG(0xE000ED28) ^ REG(0xE000ED34) ^ REG(0xE000ED38));
    REG(0xE000ED28) = ~0u;
    REG(0xE000ED2C) = ~0u;
    if ((rnd() & 15) == 0 && nested < 2) {
        nested++;
        mix(REG(0x60001001 + (rnd() & 0xff)));
        nested--;
    }
    REG(0xE000ED94) = 0;
    uint32_t pc = frame[6];
    frame[6] = executable(pc) ? (pc & ~1u) + (REG16(pc & ~1u) >> 11 >= 0x1d ? 4 : 2) : frame[5] & ~1u;
    if (!executable(frame[6]))
        frame[6] = (uint32_t)go_on & ~1u;
    frame[7] = (frame[7] & ~0x0600fc00u) | 1u << 24; /* out of any IT block, in Thumb state */
}

__attribute__((naked)) static void fault(void)
{
    __asm volatile("mov r0, sp\n push {r4, lr}\n bl faulted\n pop {r4, pc}\n");
}

static void supervisor_call(void)
{
    static uint32_t calls;
    if ((++calls & 3) == 0)
        act(1);
}

static void interrupt(void)
{
    interrupts++;
    static const uint32_t one[] = {0x4000000C, 0x4000100C, 0x4000200C, 0x4000202C};
    for (uint32_t i = 0; i < 4; i++) {
        REG(one[i]) = 1;
        REG(GPIO0 + 0x1000 * i + 0x38) = ~0u;
    }
    REG(UART0 + 0xC) = 15;
    REG(UART1 + 0xC) = 15;
    REG(ETHERNET + 0x58) = REG(ETHERNET + 0x58);
    if (interrupts > 60000) {
        REG(0xE000E180) = ~0u;
        REG(0xE000E010) = 0;
        REG(ETHERNET + 0x5C) = 0;
    }
    if ((interrupts & 31) == 0)
        act(1);
}

/* ---- deeds ---- */

static void mpu(uint32_t depth)
{
    if (depth)
        return;
    REG(0xE000ED94) = 0;
    uint32_t n = rnd() % 8;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t base = rnd() & 1   ? 0x20000000 + (rnd() & 0x3fffe0)
                        : rnd() & 1 ? ((uint32_t)data & ~0xfffu) + (rnd() & 0xfe0)
                                    : rnd();
        REG(0xE000ED98) = rnd() & 7;
        REG(0xE000ED9C) = base & ~31u;
        REG(0xE000EDA0) = (rnd() & 0x1707ff00) | (4 + rnd() % 28) << 1 | (rnd() & 1);
    }
    /* The code and the stack stay of use: the highest regions decide. */
    REG(0xE000ED98) = 7;
    REG(0xE000ED9C) = 0;
    REG(0xE000EDA0) = 0x03000001 | 21 << 1;
    REG(0xE000ED98) = 6;
    REG(0xE000ED9C) = 0x203F0000;
    REG(0xE000EDA0) = 0x13000001 | 15 << 1;
    REG(0xE000ED94) = rnd() & 7 ? 5 : 7;
    dsb();
    isb();
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t a = (uint32_t)data + (rnd() & 0x1fff);
        if (rnd() & 1)
            REG(a) = rnd();
        else
            mix(REG(a));
    }
    if (rnd() & 1)
        REG(0xE000ED94) = 0;
}

static uint32_t instruction(uint16_t *to)
{
    uint32_t k = rnd();
    switch (k >> 28) {
    case 0: /* T32 data processing with a modified constant */
        to[0] = 0xF100 | (k & 0x1f);
        to[1] = (k >> 8 & 0x70ff) | (k >> 20 & 3) << 8;
        return 2;
    case 1: /* it, adds */
        to[0] = 0xBF08 | (k & 7) << 4;
        to[1] = 0x3000 | (k >> 8 & 0x3ff);
        return 2;
    case 2: /* eor.w with a shift */
        to[0] = 0xEA80 | (k & 3);
        to[1] = (k >> 8 & 3) << 8 | (k >> 10 & 3) | (k >> 12 & 0x70f0);
        return 2;
    case 3: /* mul.w */
        to[0] = 0xFB00 | (k & 3);
        to[1] = 0xF000 | (k >> 8 & 3) << 8 | (k >> 10 & 3);
        return 2;
    case 4: /* a conditional branch over a halfword, which may be half an instruction */
        to[0] = 0xD000 | (k & 7) << 8;
        return 1;
    case 5:
        to[0] = 0x2800 | (k & 0x3ff);
        return 1;
    default:
        to[0] = 0x4000 | (k & 0x1c0) | (k >> 10 & 3) << 3 | (k >> 12 & 3);
        return 1;
    }
}

static void self_modifying(uint32_t depth)
{
    if (depth)
        return;
    uint32_t where = rnd() % 3;
    uint8_t *area = where == 0 ? code_here : where == 1 ? (uint8_t *)(MORE_RAM + (rnd() & 0xff) * 4096) : (uint8_t *)0x20100000;
    uint16_t *code = (uint16_t *)(area + (rnd() & 1 ? 4096 - 2 * (1 + rnd() % 24) : (rnd() & 0x1ffe)));
    uint32_t n = 4 + rnd() % 40, i = 0;
    while (i < n)
        i += instruction(code + i);
    code[i] = code[i + 1] = code[i + 2] = 0x4770; /* bx lr */
    dsb();
    isb();
    call(code, rnd() & 127, n);
}

static void systick(uint32_t depth)
{
    (void)depth;
    REG(0xE000E014) = rnd() % (rnd() & 1 ? 60 : 4000);
    REG(0xE000E018) = 0;
    REG(0xE000E010) = rnd() & 7;
}

static void timers(uint32_t depth)
{
    (void)depth;
    REG(0x40000008) = rnd() & 0xffff;
    REG(0x40000004) = rnd() & 0xfff;
    REG(0x40000000) = rnd() & 15;
    REG(0x40001008) = rnd() & 0xfff;
    REG(0x40001000) = rnd() & 15;
}

static void dual_timer(uint32_t depth)
{
    (void)depth;
    REG(0x40002000) = rnd() & 0xffff;
    REG(0x40002008) = rnd() & 0xff;
    REG(0x40002020) = rnd() & 0xffff;
    REG(0x40002028) = rnd() & 0xff;
}

static void priorities(uint32_t depth)
{
    (void)depth;
    REG(0xE000E100) = rnd();
    REG(0xE000E180) = rnd() & rnd();
    REG(0xE000E200) = rnd() & rnd() & rnd();
    REG(0xE000E280) = rnd();
    REG(0xE000E400 + (rnd() & 0x1c)) = rnd();
    REG(0xE000ED18 + (rnd() & 8)) = rnd();
    REG(0xE000ED0C) = 0x05FA0000 | (rnd() & 7) << 8;
}

static void across_pages(uint32_t depth)
{
    (void)depth;
    uint32_t a = 0x20008ffd + (rnd() & 0x3000);
    REG(a) = rnd();
    mix(REG(a + (rnd() & 7)));
}

static void anywhere(uint32_t depth)
{
    uint32_t a = rnd() & 1 ? 0x203FFFFD + (rnd() & 7) : rnd();
    if (!depth && (rnd() & 3) == 0)
        mix(REG(a));
}

static void except(uint32_t depth)
{
    (void)depth;
    if (rnd() & 1)
        __asm volatile("udf #1");
    else
        __asm volatile("svc #3");
}

static void say(uint32_t depth) { (void)depth; put_state(); }

static void sleep(uint32_t depth)
{
    if (depth)
        return;
    REG(0xE000E014) = 200 + (rnd() & 0xfff);
    REG(0xE000E010) = 7;
    __asm volatile("wfi");
}

static void base_priority(uint32_t depth)
{
    (void)depth;
    uint32_t none = 0;
    __asm volatile("msr basepri, %0\n nop\n nop\n" ::"r"(rnd() & 0xff));
    for (volatile uint32_t i = 0; i < (state & 63); i++)
        ;
    __asm volatile("msr basepri, %0" ::"r"(none));
}

static void masked(uint32_t depth)
{
    (void)depth;
    __asm volatile("cpsid i");
    uint32_t seen = REG(0xE000E018);
    __asm volatile("cpsie i");
    mix(seen);
}

static void configuration(uint32_t depth)
{
    (void)depth;
    REG(0xE000ED14) = rnd() & 0x31a;
    REG(0xE000ED24) = 0x70000;
}

static void poll(uint32_t depth)
{
    (void)depth;
    for (uint32_t i = 0; i < 200; i++)
        mix(REG(0x40028010) ^ REG(UART0 + 4));
}

static void pins(uint32_t depth)
{
    (void)depth;
    static const uint8_t registers[] = {4, 0x10, 0x20, 0x30};
    for (uint32_t i = 0; i < 4; i++)
        REG(GPIO0 + 0x1000 * (rnd() & 3) + registers[i]) = rnd();
    REG(GPIO0 + 0x28) = rnd();
    if ((rnd() & 2047) == 0)
        REG(0xE000ED0C) = 0x05FA0004;
}

#ifdef LINES
static void line(uint32_t depth)
{
    (void)depth;
    REG(UART1 + 0x10) = 16 + (rnd() & 0x1ff);
    REG(UART1 + 8) = 3 | (rnd() & 12);
    REG(UART1) = rnd();
    if (rnd() & 1)
        REG(UART1) = rnd();
    mix(REG(UART1) ^ REG(UART1 + 4));
    REG(UART1 + 4) = rnd() & 12;
    REG(GPIO0 + 0x10) = 0xf;
    REG(GPIO0 + 4) = rnd();
    REG(GPIO0 + 0x14) = rnd() & 3;
    mix(REG(GPIO0));
}
#endif

static deed *const deeds[] = {
    ethernet, ethernet, ethernet, ethernet, ethernet, ethernet, mpu, self_modifying, systick, timers, dual_timer, priorities,
    across_pages, anywhere, except, say, sleep, base_priority, masked, configuration, poll, pins,
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
    state = 0xabcdef01 ^ mac_read(2) * 40503u ^ mac_read(3) * 2654435761u;
    mix(0);
    REG(UART0 + 0x10) = 16;
    REG(UART0 + 8) = 3;
    REG(0xE000ED24) = 0x70000;
    mac_write(1, 0x0010000C);
    REG(ETHERNET + 0x70) = 2;
    REG(ETHERNET + 0x6C) = 0;
    REG(0xE000E100) = ~0u;
    put_state();
    go_on();
}

__attribute__((section(".vectors"), used)) static void *const vectors[48] = {
    _stack_top, (void *)reset_handler, [2] = (void *)interrupt, [3 ... 6] = (void *)fault, [11] = (void *)supervisor_call,
    [12] = (void *)interrupt, [14 ... 47] = (void *)interrupt,
};
