/* User mode and physical memory protection, tried at random around the edges of random entries. The lines that it prints
 * are compared with those of QEMU's `virt` machine (modes.expected). Left out, since QEMU 7.2 does not do what the manual
 * says: AMOs (a load access fault of theirs), instructions that lie over the edge of an entry, and misaligned accesses. */
#include "print.h"

#define ENTRIES 7 /* entry 0 lets all modes execute the probes */
#define WINDOW 0x80100000u
#define WINDOW_SIZE 0x4000u

#define A_TOR 1u
#define A_NA4 2u
#define A_NAPOT 3u
#define PMP_L 0x80u

#define MPP_U 0u
#define MPP_M (3u << 11)
#define MPRV (1u << 17)

#ifndef ROUNDS
#define ROUNDS 400
#endif

void probe(uint32_t mstatus, const void *code, uint32_t address, uint32_t result[3]);
extern const uint32_t probes[][2];
#define KINDS 8 /* lb, lh, lw, sb, sh, sw, lr.w, jr */

static uint32_t seed = 1;

static uint32_t below(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

#define WRITE(csr, v) __asm volatile("csrw " #csr ", %0" ::"r"(v) : "memory")
#define READ(csr)                                           \
    ({                                                      \
        uint32_t value;                                     \
        __asm volatile("csrr %0, " #csr : "=r"(value)); \
        value;                                              \
    })

static uint32_t address[ENTRIES];
static uint32_t config[8];

static void write_entries(void)
{
    WRITE(pmpaddr0, address[0]);
    WRITE(pmpaddr1, address[1]);
    WRITE(pmpaddr2, address[2]);
    WRITE(pmpaddr3, address[3]);
    WRITE(pmpaddr4, address[4]);
    WRITE(pmpaddr5, address[5]);
    WRITE(pmpaddr6, address[6]);
    WRITE(pmpcfg0, config[0] | config[1] << 8 | config[2] << 16 | config[3] << 24);
    WRITE(pmpcfg1, config[4] | config[5] << 8 | config[6] << 16);
}

/* An entry somewhere in the window, and an address at one of its edges. */
static uint32_t random_entry(int n, uint32_t lock)
{
    static const uint8_t permissions[6] = {0, 1, 3, 4, 5, 7};
    uint32_t kind = below(4), base = WINDOW + below(WINDOW_SIZE / 4) * 4, edge = base;
    if (below(3) == 0)
        base &= ~0xfffu;
    uint32_t size = 8u << below(11);
    address[n] = base >> 2;
    if (kind == A_NAPOT) {
        edge = base & ~(size - 1);
        address[n] = edge >> 2 | (size / 8 - 1);
        edge += below(2) ? size : 0;
    }
    config[n] = lock | kind << 3 | permissions[below(6)];
    return edge;
}

static uint32_t hash;
static uint32_t counts[16];

static void add(uint32_t v)
{
    for (int i = 0; i < 4; i++, v >>= 8)
        hash = (hash ^ (v & 0xff)) * 16777619u;
}

static void try(uint32_t mstatus, uint32_t kind, uint32_t at)
{
    uint32_t result[3];
    probe(mstatus, probes[kind], at, result);
    add(result[0]);
    add(result[1]);
    add(result[2] - (uint32_t)probes);
    counts[result[0] & 15]++;
#ifdef VERBOSE
    put_hex(mstatus), put_text(" "), put_number(kind), put_text(" "), put_hex(at), put_text(": ");
    put_number(result[0]), put_text(" "), put_hex(result[1]), put_text(" "), put_hex(result[2]), put_text("\r\n");
#endif
}

static void probe_around(uint32_t edge)
{
    static const uint32_t modes[4] = {MPP_U, MPP_M, MPP_M | MPRV, MPP_U};
    static const uint8_t sizes[KINDS] = {1, 2, 4, 1, 2, 4, 4, 2};
    uint32_t kind = below(KINDS), at = edge - 8 + below(16);
#ifndef MISALIGNED
    at &= ~(sizes[kind] - 1u);
#endif
    try(modes[below(4)], kind, at);
}

static void round(int n, uint32_t lock)
{
    uint32_t edges[ENTRIES];
    for (int i = 1; i < ENTRIES; i++)
        edges[i] = random_entry(i, below(2) ? lock : 0);
    write_entries();
    hash = 2166136261u;
    add(READ(pmpcfg0));
    add(READ(pmpcfg1));
    add(READ(pmpaddr3));
#ifdef VERBOSE
    for (int i = 0; i < ENTRIES; i++)
        put_hex(config[i]), put_text(" "), put_hex(address[i] << 2), put_text("\r\n");
#endif
    for (int i = 0; i < 60; i++)
        probe_around(below(4) ? edges[1 + below(ENTRIES - 1)] : WINDOW + below(WINDOW_SIZE));
    put_number((uint32_t)n), put_text(" "), put_hex(hash), put_text("\r\n");
}

/* What user mode may not do, and how the fields of mstatus come back. */
static void registers(void)
{
    static const uint32_t values[] = {0, 0x1800, 0x88, 0x21800, 0x200000};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        WRITE(mstatus, values[i] | MPP_M);
        WRITE(mstatus, values[i]);
        put_hex(READ(mstatus)), put_text(" ");
    }
    WRITE(mstatus, 0);
    WRITE(mcounteren, 5);
    put_hex(READ(mcounteren) & 5), put_text(" ");
    WRITE(mie, 0x222);
    put_hex(READ(mie) & 0xaaa), put_text(" ");
    WRITE(mip, 0x222);
    put_hex(READ(mip) & 0x222), put_text(" ");
    WRITE(mip, 0);
    WRITE(mie, 0);
    put_text("\r\n");
}

int main(void)
{
    for (uint32_t at = WINDOW; at < WINDOW + WINDOW_SIZE; at += 4)
        REG(at) = 0x90029002; /* c.ebreak, twice */
    console_start();
    registers();
    address[0] = (uint32_t)probes >> 2 | 0x1ff;
    config[0] = A_NAPOT << 3 | 5;
    for (int n = 0; n < ROUNDS; n++)
        round(n, 0);
    /* From now on entries stay that happen to be locked. */
    for (int n = ROUNDS; n < ROUNDS + 8; n++)
        round(n, PMP_L);
    for (int i = 0; i < 16; i++)
        put_number(counts[i]), put_text(" ");
    put_text("\r\nmodes: end\r\n");
    finish(1);
}
