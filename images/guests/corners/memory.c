/* Exclusive access, bit-banding, code in RAM, and what an exception may fall into: IT blocks, LDM and STM, DWT's cycle counter. */
#include "core.h"

static uint32_t word __attribute__((aligned(8)));

static uint32_t load_exclusive(uint32_t *at)
{
    uint32_t value;
    __asm volatile("ldrex %0, [%1]" : "=r"(value) : "r"(at) : "memory");
    return value;
}

static uint32_t store_exclusive(uint32_t *at, uint32_t value)
{
    uint32_t failed;
    __asm volatile("strex %0, %1, [%2]" : "=&r"(failed) : "r"(value), "r"(at) : "memory");
    return failed;
}

static uint32_t exclusive_byte(uint8_t *at, uint8_t add)
{
    uint32_t value, failed;
    __asm volatile("ldrexb %0, [%2]\n\tadds %0, %3\n\tstrexb %1, %0, [%2]"
                   : "=&r"(value), "=&r"(failed) : "r"(at), "r"(add) : "memory", "cc");
    return failed;
}

static uint32_t exclusive_half(uint16_t *at, uint16_t add)
{
    uint32_t value, failed;
    __asm volatile("ldrexh %0, [%2]\n\tadds %0, %3\n\tstrexh %1, %0, [%2]"
                   : "=&r"(value), "=&r"(failed) : "r"(at), "r"(add) : "memory", "cc");
    return failed;
}

static void check_exclusives(void)
{
    word = 1;
    check("LDREX loads", load_exclusive(&word), 1);
    check("STREX after it stores", store_exclusive(&word, 2), 0);
    check(" the word", word, 2);
    check("a second STREX fails", store_exclusive(&word, 3), 1);
    check(" and stores nothing", word, 2);
    load_exclusive(&word);
    __asm volatile("clrex" ::: "memory");
    check("CLREX makes STREX fail", store_exclusive(&word, 4), 1);
    handlers[SVCALL] = NULL;
    load_exclusive(&word);
    call_svc(0);
    check("an exception makes STREX fail", store_exclusive(&word, 5), 1);
    interrupts_fresh(0, 0, 0, 0);
    load_exclusive(&word);
    pend(BIT(IRQ_A));
    check("so does an interrupt", store_exclusive(&word, 6), 1);
    check(" the word is untouched", word, 2);
    check("LDREXB, STREXB", exclusive_byte((uint8_t *)&word + 1, 3), 0);
    check("LDREXH, STREXH", exclusive_half((uint16_t *)&word + 1, 0x1122), 0);
    check(" the word", word, 0x11220302);
}

#if !defined(CORTEX_M7)
#define SRAM_ALIAS(address, bit) REG(0x22000000 + ((uint32_t)(address) - 0x20000000) * 32 + (bit) * 4)
#define TIMER1_RELOAD 0x40001008u
#define PERIPHERAL_ALIAS(address, bit) REG(0x42000000 + ((address) - 0x40000000) * 32 + (bit) * 4)

static void check_bit_bands(void)
{
    *(volatile uint32_t *)&word = 0xF0F00000;
    SRAM_ALIAS(&word, 3) = 1;
    SRAM_ALIAS(&word, 31) = 0xFFFFFFFE;
    check("bit-band write: only bit 0 counts", *(volatile uint32_t *)&word, 0x70F00008);
    check("bit-band read of a one", SRAM_ALIAS(&word, 20), 1);
    check("bit-band read of a zero", SRAM_ALIAS(&word, 0), 0);
    REG8((uint32_t)&SRAM_ALIAS(&word, 9)) = 1;
    check("bit-band byte write", *(volatile uint32_t *)&word, 0x70F00208);
    REG(TIMER1_RELOAD) = 0x100;
    PERIPHERAL_ALIAS(TIMER1_RELOAD, 4) = 1;
    check("peripheral bit-band write", REG(TIMER1_RELOAD), 0x110);
    check("peripheral bit-band read", PERIPHERAL_ALIAS(TIMER1_RELOAD, 8), 1);
    REG(TIMER1_RELOAD) = 0;
}
#else
static void check_bit_bands(void)
{
    skip("bit-banding", "a Cortex-M7 has none");
}
#endif

/* Application notes AN385, AN386 and AN500: the last has its PSRAM elsewhere. */
#if defined(CORTEX_M7)
#define PSRAM 0x60000000u
#else
#define PSRAM 0x21000000u
#endif

/* movs r0, #n; bx lr */
static void check_code_at(const char *name, volatile uint16_t *code)
{
    uint32_t (*run)(void) = (uint32_t(*)(void))((uint32_t)code | 1);
    uint32_t sum = 0;
    code[1] = 0x4770;
    for (uint32_t n = 1; n <= 20; n++) {
        code[0] = (uint16_t)(0x2000 + n);
        sync();
        sum = sum * 3 + run();
    }
    uint32_t want = 0;
    for (uint32_t n = 1; n <= 20; n++)
        want = want * 3 + n;
    check(name, sum, want);
}

static void check_ram_code(void)
{
    static uint16_t code[8] __attribute__((aligned(4)));
    check_code_at("code in SRAM that changes", code);
    check_code_at("code in PSRAM that changes", (uint16_t *)(PSRAM + 0x800100));
    check_code_at("code across a page's end that changes", (uint16_t *)(PSRAM + 0x800FFE));
}

void check_memory(void)
{
    group("memory");
    check_exclusives();
    check_bit_bands();
    check_ram_code();
}

static volatile uint32_t ticks;
static uint32_t seen_xpsr;

static uint32_t on_tick(struct frame *frame, uint32_t exc_return)
{
    (void)frame;
    ticks++;
    return exc_return;
}

static uint32_t note_xpsr(struct frame *frame, uint32_t exc_return)
{
    seen_xpsr = frame->xpsr;
    return exc_return;
}

/* ITTE EQ with an SVC first: the exception returns into the block. */
static uint32_t svc_in_it(uint32_t equal)
{
    register uint32_t r0 __asm("r0") = equal;
    __asm volatile("cmp r0, #1\n\titte eq\n\tsvceq #0\n\taddeq r0, #0x10\n\taddne r0, #0x20" : "+r"(r0)::"memory", "cc");
    return r0;
}

static uint32_t let_unaligned(struct frame *frame, uint32_t exc_return)
{
    seen_xpsr = frame->xpsr;
    CCR &= ~CCR_UNALIGN_TRP;
    CFSR = CFSR;
    return exc_return;
}

/* ITTEE NE with a load that faults second, is allowed by the handler and runs again. */
static uint32_t fault_in_it(const void *at)
{
    register uint32_t r0 __asm("r0") = (uint32_t)at;
    __asm volatile("movs r1, #1\n\tcmp r0, #0\n\tittee ne\n\taddne r1, #1\n\tldrne r0, [r0]\n\tmoveq r0, #0\n\taddeq r1, #4\n\t"
                   "add r0, r1" : "+r"(r0)::"r1", "memory", "cc");
    return r0;
}

static void check_it(void)
{
    static const uint8_t bytes[8] __attribute__((aligned(8))) = { 1, 2, 3, 4, 5, 6, 7, 8 };
    handlers[SVCALL] = note_xpsr;
    check("SVC in an IT block: the rest of it runs", svc_in_it(1), 0x11);
    check(" stacked ITSTATE", seen_xpsr & 0x0600FC00, 0x00000C00);
    check("SVC skipped in an IT block", svc_in_it(2), 0x22);
    handlers[SVCALL] = NULL;
    handlers[USAGEFAULT] = let_unaligned;
    SHCSR |= SHCSR_FAULTS;
    CCR |= CCR_UNALIGN_TRP;
    sync();
    uint32_t got = fault_in_it(bytes + 1);
    CCR &= ~CCR_UNALIGN_TRP;
    SHCSR &= ~SHCSR_FAULTS;
    check("a fault in an IT block: retried, the rest runs", got, 0x05040302 + 2);
    /* ITTEE NE: condition 0001, mask 1001, so 0x19; one step on 0x12, of which bits 1:0 go to xPSR[26:25]. */
    check(" stacked ITSTATE", seen_xpsr & 0x0600FC00, (0x12u & 3) << 25 | (0x12u >> 2) << 10);
    catch_faults();
}

/* Ten words through ten registers and back, some conditional work between: wrong if any of it is not resumed exactly. */
static uint32_t churn(const uint32_t *from, uint32_t *to, uint32_t n)
{
    uint32_t odd = 0;
    __asm volatile("1:\n\tldmia %1, {r2, r3, r4, r5, r6, r8, r9, r10}\n\t"
                   "tst %3, #1\n\tittee ne\n\taddne %0, #1\n\taddne r2, #1\n\tsubeq r2, #1\n\taddeq %0, #0x10000\n\t"
                   "stmia %2, {r2, r3, r4, r5, r6, r8, r9, r10}\n\t"
                   "tst %3, #1\n\tite ne\n\tsubne r2, #1\n\taddeq r2, #1\n\t"
                   "stmdb sp!, {r2, r3, r4, r5}\n\tldmia sp!, {r3, r4, r5, r6}\n\tstr r3, [%2]\n\t"
                   "subs %3, #1\n\tbne 1b"
                   : "+r"(odd), "+r"(from), "+r"(to), "+r"(n)::"r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "memory", "cc");
    return odd;
}

void check_interrupted(void)
{
    static const uint32_t from[8] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };
    uint32_t to[8], wrong = 0;
    group("interrupted instructions");
    check_it();
    handlers[SYSTICK] = on_tick;
    ticks = 0;
    SHPRB(SYSTICK) = 0;
    SYST_RVR = 197;
    SYST_CVR = 0;
    SYST_CSR = 7;
    for (uint32_t round = 0; round < 2000 || (ticks < 100 && round < 1000000); round++) {
        memset(to, 0, sizeof to);
        uint32_t odd = churn(from, to, 100);
        wrong += odd != 50 + 50 * 0x10000 || memcmp(from, to, sizeof to) != 0;
    }
    SYST_CSR = 4;
    check("LDM, STM and IT blocks under interrupts", wrong, 0);
    check(" there were a hundred", ticks >= 100, 1);
}

#define DWT_CTRL REG(0xE0001000)
#define DWT_CYCCNT REG(0xE0001004)

void check_dwt(void)
{
    group("DWT");
    DEMCR |= 1u << 24; /* TRCENA */
    check("NOCYCCNT is clear", DWT_CTRL & 1u << 25, 0);
    DWT_CTRL &= ~1u;
    DWT_CYCCNT = 1000;
    check("CYCCNT can be set", DWT_CYCCNT, 1000);
    SYST_RVR = 0xFFFFFF;
    SYST_CVR = 0;
    SYST_CSR = 5;
    DWT_CTRL |= 1;
    uint32_t begin = DWT_CYCCNT, tick = SYST_CVR;
    for (volatile uint32_t i = 0; i < 1000; i++)
        ;
    uint32_t cycles = DWT_CYCCNT - begin, clocks = tick - SYST_CVR;
    check("CYCCNT counts the core's clock", cycles > 1000 && cycles - clocks + 20 < 40, 1);
    DWT_CTRL &= ~1u;
    begin = DWT_CYCCNT;
    for (volatile uint32_t i = 0; i < 100; i++)
        ;
    check("CYCCNT stands when disabled", DWT_CYCCNT, begin);
    SYST_CSR = 4;
}
