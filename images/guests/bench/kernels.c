#include "kernels.h"

#define NOINLINE __attribute__((noinline))

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static uint32_t mix(uint32_t sum, uint32_t value)
{
    sum ^= value;
    return (sum << 5 | sum >> 27) * 0x9E3779B1u;
}

/* --- list: build, search, reverse, merge sort of a linked list --------------------------------------------------- */

#define NODES 64u

struct node {
    struct node *next;
    int16_t key;
    uint16_t tag;
};
static struct node nodes[NODES];

static NOINLINE struct node *list_merge(struct node *a, struct node *b)
{
    struct node head, *last = &head;
    while (a && b) {
        struct node **least = a->key <= b->key ? &a : &b;
        last->next = *least;
        last = *least;
        *least = (*least)->next;
    }
    last->next = a ? a : b;
    return head.next;
}

static NOINLINE struct node *list_sort(struct node *list)
{
    struct node *slow = list, *fast;
    if (!list || !list->next)
        return list;
    for (fast = list->next; fast && fast->next; fast = fast->next->next)
        slow = slow->next;
    fast = slow->next;
    slow->next = NULL;
    return list_merge(list_sort(list), list_sort(fast));
}

static NOINLINE struct node *list_reverse(struct node *list)
{
    struct node *done = NULL;
    while (list) {
        struct node *rest = list->next;
        list->next = done;
        done = list;
        list = rest;
    }
    return done;
}

static NOINLINE const struct node *list_find(const struct node *list, int16_t key)
{
    while (list && list->key < key)
        list = list->next;
    return list;
}

static uint32_t run_list(uint32_t seed)
{
    uint32_t state = seed, sum = 1;
    struct node *list = NULL;
    for (uint32_t i = 0; i < NODES; i++) {
        nodes[i] = (struct node){ list, (int16_t)(next(&state) & 0x3FF), (uint16_t)i };
        list = &nodes[i];
    }
    list = list_reverse(list_sort(list_reverse(list)));
    list = list_sort(list);
    for (int16_t key = 0; key < 0x400; key += 37) {
        const struct node *found = list_find(list, key);
        sum = mix(sum, found ? found->tag : 0xFFFFu);
    }
    for (const struct node *n = list; n; n = n->next)
        sum = mix(sum, (uint32_t)n->key << 16 | n->tag);
    return sum;
}

/* --- matrix: products and sums of 16-bit matrices ------------------------------------------------------------------ */

#define SIDE 10u

static int16_t left[SIDE][SIDE], right[SIDE][SIDE];
static int32_t product[SIDE][SIDE];

static NOINLINE void matrix_multiply(void)
{
    for (uint32_t i = 0; i < SIDE; i++)
        for (uint32_t j = 0; j < SIDE; j++) {
            int32_t sum = 0;
            for (uint32_t k = 0; k < SIDE; k++)
                sum += (int32_t)left[i][k] * right[k][j];
            product[i][j] = sum;
        }
}

static NOINLINE uint32_t matrix_sum(void)
{
    uint32_t sum = 2;
    for (uint32_t i = 0; i < SIDE; i++)
        for (uint32_t j = 0; j < SIDE; j++) {
            uint32_t bits = (uint32_t)product[i][j];
            sum = mix(sum, (bits >> 2 & 0xF) * (bits >> 5 & 0x7F) + bits);
        }
    return sum;
}

static uint32_t run_matrix(uint32_t seed)
{
    uint32_t state = seed, sum = 0;
    for (uint32_t i = 0; i < SIDE; i++)
        for (uint32_t j = 0; j < SIDE; j++) {
            left[i][j] = (int16_t)(next(&state) & 0x1FFF) - 0x1000;
            right[i][j] = (int16_t)(next(&state) & 0xFFF);
        }
    for (uint32_t round = 0; round < 2; round++) {
        matrix_multiply();
        sum = mix(sum, matrix_sum());
        for (uint32_t i = 0; i < SIDE; i++)
            for (uint32_t j = 0; j < SIDE; j++)
                left[i][j] = (int16_t)(product[i][j] >> 8);
    }
    return sum;
}

/* --- state: a machine that tells integers, floats, exponents and rubbish apart ------------------------------------- */

enum parse { START, SIGN, INTEGER, POINT, FRACTION, EXPONENT, EXPSIGN, SCIENTIFIC, RUBBISH, PARSES };

static NOINLINE enum parse parse_step(enum parse at, char c)
{
    int digit = c >= '0' && c <= '9';
    switch (at) {
    case START:
        return digit ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : RUBBISH;
    case SIGN:
        return digit ? INTEGER : c == '.' ? POINT : RUBBISH;
    case INTEGER:
        return digit ? INTEGER : c == '.' ? FRACTION : c == 'e' ? EXPONENT : RUBBISH;
    case POINT:
        return digit ? FRACTION : RUBBISH;
    case FRACTION:
        return digit ? FRACTION : c == 'e' ? EXPONENT : RUBBISH;
    case EXPONENT:
        return digit ? SCIENTIFIC : c == '+' || c == '-' ? EXPSIGN : RUBBISH;
    case EXPSIGN:
    case SCIENTIFIC:
        return digit ? SCIENTIFIC : RUBBISH;
    default:
        return RUBBISH;
    }
}

static uint32_t run_state(uint32_t seed)
{
    static const char *const words[8] = { "5012", "-874", "+122", "35.54400", ".1234500", "-110.700", "5.500e+3", "T0.3e-1F" };
    uint32_t state = seed, counts[PARSES] = { 0 }, sum = 3;
    for (uint32_t n = 0; n < 60; n++) {
        const char *word = words[next(&state) & 7];
        uint32_t flip = next(&state) & 15;
        enum parse at = START;
        for (uint32_t i = 0; word[i] && at != RUBBISH; i++) {
            at = parse_step(at, i == flip ? (char)(word[i] ^ 1) : word[i]);
            counts[at]++;
        }
        sum = mix(sum, at);
    }
    for (uint32_t i = 0; i < PARSES; i++)
        sum = mix(sum, counts[i]);
    return sum;
}

/* --- crc: CRC-16 bit by bit, CRC-32 by nibbles --------------------------------------------------------------------- */

static uint8_t bytes[256];

static NOINLINE uint16_t crc16(uint16_t crc, uint8_t byte)
{
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t carry = (crc ^ byte) & 1;
        crc >>= 1;
        byte >>= 1;
        if (carry)
            crc ^= 0xA001;
    }
    return crc;
}

static NOINLINE uint32_t crc32(const uint8_t *from, uint32_t n)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    uint32_t crc = 0xFFFFFFFFu;
    while (n--) {
        crc ^= *from++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static uint32_t run_crc(uint32_t seed)
{
    uint32_t state = seed;
    uint16_t crc = 0xFFFF;
    for (uint32_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)next(&state);
    for (uint32_t i = 0; i < 128; i++)
        crc = crc16(crc, bytes[i]);
    return mix(crc, crc32(bytes, sizeof bytes));
}

/* --- sort: heap sort of words, insertion sort of bytes ------------------------------------------------------------- */

#define WORDS 96u

static uint32_t words[WORDS];

static NOINLINE void sift(uint32_t at, uint32_t n)
{
    uint32_t value = words[at], child;
    while ((child = 2 * at + 1) < n) {
        if (child + 1 < n && words[child + 1] > words[child])
            child++;
        if (words[child] <= value)
            break;
        words[at] = words[child];
        at = child;
    }
    words[at] = value;
}

static NOINLINE void heap_sort(void)
{
    for (uint32_t i = WORDS / 2; i-- > 0;)
        sift(i, WORDS);
    for (uint32_t n = WORDS; n-- > 1;) {
        uint32_t most = words[0];
        words[0] = words[n];
        words[n] = most;
        sift(0, n);
    }
}

static uint32_t run_sort(uint32_t seed)
{
    uint32_t state = seed, sum = 4;
    for (uint32_t i = 0; i < WORDS; i++)
        words[i] = next(&state);
    heap_sort();
    for (uint32_t i = 0; i < WORDS; i++)
        sum = mix(sum, words[i] + i);
    for (uint32_t i = 0; i < 40; i++) {
        uint8_t value = (uint8_t)(words[i] >> 3);
        uint32_t at = i;
        for (; at > 0 && bytes[at - 1] > value; at--)
            bytes[at] = bytes[at - 1];
        bytes[at] = value;
    }
    for (uint32_t i = 0; i < 40; i++)
        sum = mix(sum, bytes[i]);
    return sum;
}

/* --- hash: rounds of rotates, adds and exclusive ors over a block, and a 64-bit multiply ---------------------------- */

static uint32_t rotate(uint32_t value, uint32_t by)
{
    return value >> by | value << (32 - by);
}

static NOINLINE void hash_block(uint32_t h[8], const uint32_t block[16])
{
    uint32_t w[16], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (uint32_t i = 0; i < 16; i++)
        w[i] = block[i];
    for (uint32_t t = 0; t < 32; t++) {
        uint32_t s0 = rotate(w[(t + 1) & 15], 7) ^ rotate(w[(t + 1) & 15], 18) ^ w[(t + 1) & 15] >> 3;
        w[t & 15] += s0 + w[(t + 9) & 15];
        uint32_t f = (b & c) ^ (~b & d);
        uint32_t g = rotate(a, 6) + f + e + w[t & 15] + 0x428A2F98u;
        e = d;
        d = c;
        c = rotate(b, 2);
        b = a;
        a = g;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

static uint32_t run_hash(uint32_t seed)
{
    uint32_t h[8] = { 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0 }, block[16], state = seed;
    uint64_t wide = seed + 1;
    for (uint32_t n = 0; n < 4; n++) {
        for (uint32_t i = 0; i < 16; i++)
            block[i] = next(&state);
        hash_block(h, block);
    }
    for (uint32_t i = 0; i < 24; i++)
        wide = wide * 6364136223846793005u + h[i % 5];
    return mix(h[0] ^ h[1] ^ h[2], h[3] ^ h[4] ^ (uint32_t)(wide >> 32) ^ (uint32_t)wide);
}

/* --- text: copying, comparing, searching and turning case ----------------------------------------------------------- */

static const char phrase[] = "A fleet of small machines agrees, in the end, on what the time is; the sea does not mind.";

static NOINLINE void copy_words(uint32_t *to, const uint32_t *from, uint32_t n)
{
    while (n--)
        *to++ = *from++;
}

static NOINLINE int text_compare(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (uint8_t)*a - (uint8_t)*b;
}

static NOINLINE uint32_t text_find(const char *in, const char *what)
{
    for (uint32_t at = 0; in[at]; at++) {
        uint32_t n = 0;
        while (what[n] && in[at + n] == what[n])
            n++;
        if (!what[n])
            return at;
    }
    return 0xFFFF;
}

static uint32_t run_text(uint32_t seed)
{
    static const char *const wanted[4] = { "time", "sea ", "agree", "mine" };
    static char copy[sizeof phrase];
    static uint32_t from[64], to[64];
    uint32_t state = seed, sum = 5;
    for (uint32_t i = 0; i < sizeof phrase; i++)
        copy[i] = phrase[i];
    for (uint32_t n = 0; n < 4; n++)
        sum = mix(sum, text_find(copy, wanted[(seed + n) & 3]));
    uint32_t at = next(&state) % (sizeof phrase - 1);
    copy[at] ^= 0x20;
    sum = mix(sum, (uint32_t)text_compare(copy, phrase));
    for (uint32_t i = 0; i < 64; i++)
        from[i] = i * seed;
    for (uint32_t n = 0; n < 6; n++) {
        copy_words(to, from, 64);
        from[n] = to[63 - n] ^ n;
    }
    return mix(sum, to[5] + to[63]);
}

/* --- switch: a byte-code machine with a dense switch ---------------------------------------------------------------- */

static NOINLINE uint32_t interpret(const uint8_t *code, uint32_t n, uint32_t x)
{
    uint32_t y = 1;
    for (uint32_t i = 0; i < n; i++) {
        switch (code[i] & 15) {
        case 0: x += y; break;
        case 1: x -= y; break;
        case 2: y ^= x; break;
        case 3: x = rotate(x, 5); break;
        case 4: y += 0x1234; break;
        case 5: x *= 33; break;
        case 6: y = x / (y | 1); break;
        case 7: x = (uint32_t)((int32_t)x >> 3); break;
        case 8: y = ~y; break;
        case 9: x |= y & 0xFF; break;
        case 10: y <<= x & 7; break;
        case 11: if (x > y) x -= 7; break;
        case 12: if ((int32_t)y < 0) y = -y; break;
        case 13: x ^= code[(x + i) % n]; break;
        case 14: y %= 1000; break;
        default: x += i; break;
        }
    }
    return mix(x, y);
}

static uint32_t run_switch(uint32_t seed)
{
    uint32_t state = seed;
    for (uint32_t i = 0; i < 192; i++)
        bytes[i] = (uint8_t)(next(&state) >> 4);
    return interpret(bytes, 192, seed) ^ interpret(bytes + 64, 128, ~seed);
}

/* --- recursion: Ackermann's function and the queens puzzle ----------------------------------------------------------- */

static NOINLINE uint32_t ackermann(uint32_t m, uint32_t n)
{
    if (m == 0)
        return n + 1;
    return ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

static NOINLINE uint32_t queens(uint32_t all, uint32_t cols, uint32_t left_diagonal, uint32_t right_diagonal)
{
    uint32_t count = 0, free = all & ~(cols | left_diagonal | right_diagonal);
    if (cols == all)
        return 1;
    while (free) {
        uint32_t bit = free & -free;
        free ^= bit;
        count += queens(all, cols | bit, (left_diagonal | bit) << 1, (right_diagonal | bit) >> 1);
    }
    return count;
}

static uint32_t run_recursion(uint32_t seed)
{
    uint32_t solutions = queens(0x3F >> (seed & 1), 0, 0, 0);
    return mix(ackermann(2, 3 + (seed & 3)), solutions);
}

const struct kernel kernels[KERNELS] = {
    { "list", run_list }, { "matrix", run_matrix }, { "state", run_state },
    { "crc", run_crc },   { "sort", run_sort },     { "hash", run_hash },
    { "text", run_text }, { "switch", run_switch }, { "recursion", run_recursion },
};
